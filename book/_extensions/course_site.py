"""What the site needs beyond Jupyter Book: launch links that work, and the list of exercises.

The theme can start a page on Binder, but Colab opens ``.ipynb`` files only, and the book's pages
are text. So the rocket menu of a chapter offers the chapter on Binder, and its exercise notebook
on Binder and Colab. All links are made from ``repository: url`` in ``_config.yml``; while it is
empty there are none.
"""

import json
import re
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from pybtex.plugin import register_plugin
from pybtex.style.formatting.plain import Style as PlainStyle
from pybtex.style.labels import BaseLabelStyle
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).resolve().parent.parent.parent


def launch_links(config, path):
    """Return {"Binder": address, "Colab": address} that open ``path`` of the repository."""
    options = config.html_theme_options
    name = options.get("repository_url", "").rstrip("/").removesuffix(".git")
    name = name.partition("github.com/")[2]
    if not name:
        return {}
    branch, services = options["repository_branch"], options["launch_buttons"]
    binder, colab = services.get("binderhub_url"), services.get("colab_url")
    links = {}
    if binder:
        links["Binder"] = f"{binder}/v2/gh/{name}/{branch}?urlpath=lab/tree/{path}"
    if colab and path.endswith(".ipynb"):
        links["Colab"] = f"{colab}/github/{name}/blob/{branch}/{path}"
    return links


def exercise_path(name):
    """Return the path of the released notebook of the row ``name``."""
    return f"exercises/{name}/{name}.ipynb"


def drop_launch_buttons_without_address(app, config):
    """Ask the theme for no launch buttons where it would fail for want of an address."""
    if not config.html_theme_options.get("repository_url"):
        config.html_theme_options["launch_buttons"] = {}


def set_launch_menu(app, pagename, templatename, context, doctree):
    """Replace the theme's launch menu of a page by links that work."""
    offers = [("this page", f"book/{pagename}.md")]
    if (ROOT / exercise_path(pagename)).exists():
        offers.append(("the exercise", exercise_path(pagename)))
    for menu in context["header_buttons"]:
        if menu.get("label") == "launch-buttons":
            menu["buttons"] = [
                {
                    "type": "link",
                    "text": f"{service}: {what}",
                    "tooltip": f"Open {what} on {service}",
                    "url": address,
                }
                for what, path in offers
                for service, address in launch_links(app.config, path).items()
            ]


def arrange_scripts(app, pagename, templatename, context, doctree):
    """Load MathJax only where there are formulas, and the explorers' frames after the text.

    Sphinx gives MathJax to each page that lists a page with formulas too, so to the first page.
    """
    for script in list(context.get("script_files", [])):
        kind = (getattr(script, "attributes", None) or {}).get("type", "")
        if kind.endswith("widget-state+json"):
            context["script_files"].remove(script)
            context["body"] += context["js_tag"](script)
        elif "mathjax" in str(script.filename) and 'class="math' not in context.get("body", ""):
            context["script_files"].remove(script)


def repair_reference_list(app, pagename, templatename, context, doctree):
    """Give the entries of the bibliography the role that the list around them must have inside."""
    if "body" in context:
        context["body"] = context["body"].replace('role="doc-biblioentry"', 'role="listitem"')


class UnitsStayWithNumbers(SphinxPostTransform):
    """Let no line end between a number and its unit, as in 6 dB or 99.4 %.

    The number can be a value that a page computed: then it is an element of its own, and the text
    behind it begins with the unit.
    """

    default_priority = 900  # after the computed values have been put in
    unit = r"(?=(?:%|dB|kB|MB|bits?|points?|times)(?!\w))"

    def run(self, **options):
        """Put no-break spaces into the page's texts."""
        for text in list(self.document.findall(nodes.Text)):
            parent = text.parent
            if isinstance(parent, nodes.FixedTextElement | nodes.literal | nodes.math | nodes.raw):
                continue
            new = re.sub(rf"(?<=\d) {self.unit}", "\u00a0", text)
            at = parent.index(text)
            if at and re.search(r"\d$", parent[at - 1].astext()):
                new = re.sub(rf"^ {self.unit}", "\u00a0", new)
            if new != text:
                parent.replace(text, nodes.Text(new))


class ExerciseTable(SphinxDirective):
    """A table of the released notebooks, made from the notebooks themselves."""

    def run(self):
        """Return the table, and a hint for Colab where there are links to it."""
        lines = ["| Notebook | Tasks | Points | Get it |", "|---|---|---|---|"]
        for file in sorted((ROOT / "exercises").glob("*/*.ipynb")):
            self.env.note_dependency(str(file))
            cells = json.loads(file.read_text())["cells"]
            title = "".join(cells[0]["source"]).splitlines()[0].lstrip("# ")
            graded = [cell["metadata"].get("nbgrader", {}) for cell in cells]
            graded = [cell for cell in graded if cell.get("grade")]
            points = sum(cell["points"] for cell in graded)
            path = file.relative_to(ROOT).as_posix()
            links = launch_links(self.config, path)
            number = int(file.stem.partition("_")[0])
            get = [f"{{download}}`notebook {number} <../{path}>`"]
            get += [f"[{service}]({address})" for service, address in links.items()]
            lines.append(f"| {title} | {len(graded)} | {points:g} | {', '.join(get)} |")
        url = self.config.html_theme_options.get("repository_url")
        if url:
            lines += ["", "Colab does not have the course's library. Run this there first:"]
            lines += ["", "```python", f"%pip install git+{url}", "```"]
        box = nodes.container()
        self.state.nested_parse(StringList(lines, source=self.env.docname), 0, box)
        return [box]


class AuthorYearLabels(BaseLabelStyle):
    """Labels in the bibliography that say what the text says: Nayak et al. 2019."""

    def format_labels(self, entries):
        """Give one label for each entry."""
        for entry in entries:
            people = [" ".join(person.last_names) for person in entry.persons["author"]]
            names = f"{people[0]} et al." if len(people) > 2 else " and ".join(people)
            yield f"{names} {entry.fields['year']}"


class CourseStyle(PlainStyle):
    """The plain style of BibTeX with these labels."""

    default_label_style = AuthorYearLabels


def setup(app):
    """Register the parts with Sphinx."""
    register_plugin("pybtex.style.formatting", "course", CourseStyle)
    app.add_directive("exercise-table", ExerciseTable)
    app.add_post_transform(UnitsStayWithNumbers)
    app.connect("config-inited", drop_launch_buttons_without_address)
    # after the theme has made its menus (501)
    app.connect("html-page-context", set_launch_menu, priority=502)
    app.connect("html-page-context", arrange_scripts, priority=502)
    app.connect("html-page-context", repair_reference_list, priority=502)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
