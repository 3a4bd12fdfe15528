"""What students write in Markdown, as the Formgrader shows it: no click and no look acts."""

import base64
import io
import json
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import nbgrader
import pytest
from nbconvert.exporters import HTMLExporter
from PIL import Image
from traitlets.config import Config

from quantgrader.course.preflight import preflight
from quantgrader.course.submission import Submission
from quantgrader.pages.autograded import autograded
from quantgrader.pages.outputs import Room
from quantgrader.pages.written import inert
from tests.grader import grading_support as small

TEMPLATES = Path(nbgrader.__file__).parent / "server_extensions" / "formgrader" / "templates"


def picture(kind="PNG", size=(3, 2)):
    """A picture, as base64."""
    file = io.BytesIO()
    Image.new("RGB", size, (200, 10, 10)).save(file, kind)
    return base64.b64encode(file.getvalue()).decode()


class Shown(HTMLParser):
    """The body of the Formgrader's page: links, sources, handlers, and text."""

    def __init__(self, page):
        super().__init__()
        self.links, self.sources, self.tags, self.text = [], [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name == "href":
                self.links.append(value)
            elif name in ("src", "srcset", "data", "poster", "action", "background"):
                self.sources.append(value)
            assert not name.startswith("on"), (tag, name)

    def handle_data(self, data):
        self.text += data


def formgrader(notebook):
    """What of a notebook stands between the first cell's text and the last one's."""
    config = Config()
    config.HTMLExporter.template_name = "formgrade"
    config.HTMLExporter.extra_template_basedirs = [str(TEMPLATES)]
    names = ("assignment_id", "notebook_id", "submission_id", "student", "last_name", "first_name",
             "base_url", "notebook_path")  # fmt: skip
    resources = dict.fromkeys(names, "x") | {"index": 0, "total": 1}
    page, _ = HTMLExporter(config=config).from_notebook_node(notebook, resources=resources)
    return Shown(page[page.index("BEGINNING") : page.index("THEEND")])


def graded(*sources, kind="markdown", attachments=None):
    """A submission with more cells of text, from the file to the notebook in `autograded`."""
    found = small.answered(title="BEGINNING")
    make = getattr(nbformat.v4, f"new_{kind}_cell")
    more = [make(source) for source in sources]
    if attachments is not None:
        more[0]["attachments"] = attachments
    found.cells += [*more, nbformat.v4.new_markdown_cell("THEEND")]
    result = preflight(Submission("ada", nbformat.writes(found).encode()), small.reference())
    assert result.reason is None
    return nbformat.reads(autograded(result.notebook, [], {}, small.reference()), as_version=4)


LIVE = [
    "[figure](javascript:alert(1))",
    "[figure]( <javascript:alert(1)> 'title')",
    "[figure][x]\n\n[x]: javascript:alert(1)",
    "[x]\n\n[x]:\njavascript:alert(1)",
    "[x][]\n\n> [x]: http://evil.example 'y'",
    "<javascript:alert(1)>",
    "<http://evil.example>",
    "http://evil.example and https://evil.example and www.evil.example",
    "[a [b](http://evil.example) c](http://evil.example)",
    "[![](attachment:x.png)](javascript:alert(1))",
    "![](http://evil.example/x.png)",
    "![x]\n\n[x]: http://evil.example/x.png",
    "![x][y]\n\n[y]: //evil.example/x.png",
    "![](../../../gradebook.db)",
    "<img src=http://evil.example/x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "<a\nhref=javascript:alert(1)>x</a>",
    "<svg><a xlink:href=javascript:alert(1)>x</a></svg>",
    "<!-- x --><style>@import 'http://evil.example'</style>",
    "<details open ontoggle=alert(1)>",
    "```mermaid\ngraph LR; A-->B; click A 'javascript:alert(1)'\n```",
    "```<b>\n<img src=http://evil.example>\n```",
    "| a | b |\n|---|---|\n| [x](javascript:alert(1)) | ![](http://evil.example) |",
    "# [x](javascript:alert(1))",
    "- [ ] [x](javascript:alert(1))",
    "$\\href{javascript:alert(1)}{x}$",
    "$$\\style{background:url(http://evil.example)}{x}$$",
    "$\\mmlToken{mi}[href='javascript:alert(1)']{x}$",
    "&#36;&#92;href{javascript:alert(1)}{x}&#36;",
    "&#36;\\hre&#102;{javascript:alert(1)}{x}&#36;",
    "\\begin{align}\\href{javascript:alert(1)}{x}\\end{align}",
    "&lt;img src=http://evil.example&gt; &#91;x](javascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](attachment:none.png) ![](attachment:none.png)",
    "~~~\n[x](javascript:alert(1))\n~~~\n`````\n![](http://evil.example)",
]


@pytest.mark.parametrize("kind", ["markdown", "raw"])
@pytest.mark.parametrize("source", LIVE)
def test_nothing_is_live_in_the_formgrader(source, kind):
    shown = formgrader(graded(source, kind=kind))
    assert [link for link in shown.links if not link.startswith("#")] == []
    assert shown.sources == []
    assert not {"script", "svg", "style", "iframe", "details", "form"} & set(shown.tags)
    for command in ("href", "style", "mmlToken"):
        assert f"\\{command}" not in shown.text


def test_all_of_them_in_one_cell():
    shown = formgrader(graded("\n\n".join(LIVE)))
    assert [link for link in shown.links if not link.startswith("#")] == [] == shown.sources


def test_what_is_harmless_reads_as_before():
    source = (
        "# Why\n\nThe *mean* of $a < b$ is **not** `x < y`:\n\n1. one\n2. two\n\n"
        "| a | b |\n|---|--:|\n| 1 | 2 |\n\n$$\\frac{1}{n}\\sum_i x_i$$\n\n"
        "```python\nprint('x')\n```\n\n- [x] done"
    )
    notebook = graded(source)
    assert notebook.cells[-2].source == source
    assert {"em", "strong", "ol", "table"} <= set(formgrader(notebook).tags)


def test_text_that_was_given_out_keeps_its_links():
    """Only what a student wrote is made inert."""
    reference = small.reference()
    link = "See [the chapter](../../book/01.md)."
    reference.notebook.cells[0].source = link
    found = small.answered(title=link)
    result = preflight(Submission("ada", nbformat.writes(found).encode()), reference)
    text = autograded(result.notebook, [], {}, reference)
    assert nbformat.reads(text, as_version=4).cells[0].source == link


@pytest.mark.parametrize(
    ("name", "address", "kind"),
    [
        ("image.png", "image.png", "png"),
        ("my picture (1).png", "my%20picture%20%281%29.png", "png"),
        ("photo.jpg", "photo.jpg", "jpeg"),
    ],
)
def test_pasted_pictures_stay(name, address, kind):
    data = {name: {f"image/{kind}": picture(kind.upper())}}
    notebook = graded(f"Look: ![my picture](attachment:{address})", attachments=data)
    shown = formgrader(notebook)
    (source,) = shown.sources
    assert source.startswith("data:image/png;base64,") and "Look" in shown.text


@pytest.mark.parametrize(
    "bundle",
    [
        {"image/svg+xml": "<svg onload=alert(1)>"}, {"image/png": "no picture"}, {}, None, [],
        {"text/html": "<script>alert(1)</script>"}, {"image/png": None},
        {"image/png": base64.b64encode(b"GIF89a<script>").decode()},
    ],
)  # fmt: skip
def test_what_was_pasted_and_is_no_picture(bundle):
    """The page is there all the same, with words in its place."""
    raw = small.honest()
    cell = nbformat.v4.new_markdown_cell("![x](attachment:a.png)")
    cell["attachments"] = {"a.png": bundle}
    raw.cells += [cell, nbformat.v4.new_markdown_cell("THEEND")]
    small.cell_of(raw, "title").source = "BEGINNING"
    data = json.dumps(raw).encode()
    result = preflight(Submission("ada", data), small.reference())
    text = autograded(result.notebook, [], {}, small.reference())
    shown = formgrader(nbformat.reads(text, as_version=4))
    assert shown.sources == [] and "can't be shown" in shown.text


def test_a_picture_larger_than_a_page_is_made_smaller():
    _, kept = inert("![](attachment:a)", {"a": {"image/png": picture(size=(4000, 2000))}}, Room())
    data = base64.b64decode(kept["picture-1.png"]["image/png"])
    assert Image.open(io.BytesIO(data)).size == (1600, 800)


def test_a_text_too_long_to_be_looked_at_is_shown_word_for_word():
    text, _ = inert("``` [x](y) " * 20_000, {}, Room())
    assert text.startswith("````\n") and text.endswith("\n````") and "](" not in text
