"""Look at a submission before any of its code runs: repair what can be, tell what can't.

A repair never touches a student's answer. It puts back what belongs to the assignment: the test
cells and helpers, the ids and settings of cells, the format. Everything that was repaired is
said. What can't be repaired *needs review*, with the reason.
"""

import json
import re
import sys
import sysconfig
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import PurePosixPath

import nbformat

from quantgrader.course.elsewhere import GONE, NUMBER, answers_in, conflict, unanswered
from quantgrader.course.reference import grade_id
from quantgrader.course.restoring import Restoration
from quantgrader.sandbox.job import imports_of
from quantgrader.texts import printable

_TYPES = ("code", "markdown", "raw")
_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_MAX_CELLS = 2_000
_MAX_CODE = 1_000_000
_MAX_OTHERS = 10


class NeedsReview(Exception):
    """A person has to look at the submission; the message is the reason."""


@dataclass(frozen=True)
class Preflight:
    """A notebook that can be graded, or the reason why not; and what was found and repaired."""

    notebook: object = None
    reason: str | None = None
    notes: tuple[str, ...] = ()


def preflight(submission, reference):
    """Check a `Submission` against the released `Reference` and return a `Preflight`."""
    notes = list(submission.notes)
    if submission.notebook is None:
        return Preflight(None, submission.problem, tuple(notes))
    try:
        notebook = _read(submission.notebook, notes)
        _restore(notebook, reference, notes)
        _needed_files(notebook, submission, reference)
        _other_files(notebook, submission, reference)
    except NeedsReview as reason:
        return Preflight(None, str(reason), tuple(notes))
    except Exception as error:
        # What nobody foresaw in a notebook is that student's, and no reason to try for ever.
        kind = type(error).__name__
        return Preflight(None, f"The notebook can't be looked at ({kind}).", tuple(notes))
    return Preflight(notebook, None, tuple(notes))


def _read(data, notes):
    """Parse a notebook and bring it into the current format, without outputs."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NeedsReview(f"The notebook is not UTF-8 text (byte {error.start}).") from None
    if not text.strip():
        raise NeedsReview("The notebook is empty.")
    try:
        raw = json.loads(text)
    except RecursionError:
        raise NeedsReview("The notebook is nested too deeply to be read.") from None
    except ValueError as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        more = " It holds marks of a merge conflict." if "\n<<<<<<< " in text else ""
        raise NeedsReview(f"The notebook is not valid JSON{where}.{more}") from None
    if not isinstance(raw, dict):
        raise NeedsReview("The notebook is not a notebook: it holds no cells.")
    cells = _raw_cells(raw, notes)
    if len(cells) > _MAX_CELLS:
        raise NeedsReview(f"The notebook has {len(cells)} cells, more than {_MAX_CELLS}.")
    code = [_text(cell.get("source")) or "" for cell in cells if _is_code(cell)]
    if sum(map(len, code)) > _MAX_CODE:
        raise NeedsReview(f"The notebook holds more than {_MAX_CODE / 1e6:g} MB of code.")
    new = [_clean_cell(cell, number) for number, cell in enumerate(cells, 1)]
    _unique_ids(new)
    notebook = nbformat.v4.new_notebook(cells=new)
    try:
        nbformat.validate(notebook)
    except (nbformat.ValidationError, RecursionError) as error:
        reason = printable(getattr(error, "message", error), 150)
        raise NeedsReview(f"The notebook doesn't follow its format: {reason}") from None
    return notebook


def _raw_cells(raw, notes):
    """The list of cells of a parsed notebook, of format 3 or 4."""
    version = raw.get("nbformat")
    if version is None and ("cells" in raw or "worksheets" in raw):
        version = 4 if "cells" in raw else 3
        notes.append("The number of the notebook's format was missing.")
    if isinstance(version, bool) or not isinstance(version, int):
        raise NeedsReview(f"The notebook's format {printable(repr(version), 40)} is not known.")
    if version in (2, 3):
        notes.append(f"The notebook was in the old format {version}; it was converted.")
        sheets = raw.get("worksheets")
        sheets = sheets if isinstance(sheets, list) else []
        lists = [sheet.get("cells") for sheet in sheets if isinstance(sheet, dict)]
        cells = [cell for cells in lists if isinstance(cells, list) for cell in cells]
        return [_from_old_format(cell) if isinstance(cell, dict) else cell for cell in cells]
    if version != 4:
        raise NeedsReview(f"The notebook's format {version} is not known.")
    cells = raw.get("cells")
    if not isinstance(cells, list):
        raise NeedsReview("The notebook is not a notebook: it holds no cells.")
    return cells


def _is_code(cell):
    return isinstance(cell, dict) and cell.get("cell_type") == "code"


def _from_old_format(cell):
    """A cell of format 2 or 3 with the names of format 4."""
    if cell.get("cell_type") == "code":
        return {**cell, "source": cell.get("input", "")}
    if cell.get("cell_type") == "heading":
        level = cell.get("level")
        level = level if isinstance(level, int) and 1 <= level <= 6 else 1
        return {
            **cell,
            "cell_type": "markdown",
            "source": "#" * level + " " + _text(cell.get("source")),
        }
    return {**cell, "cell_type": "markdown"} if cell.get("cell_type") == "html" else cell


def _text(source):
    """A text that may be a list of lines; None if it is neither."""
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        return None
    # Half a surrogate pair is valid in JSON, and nowhere else.
    return source.encode("utf-8", "replace").decode()


def _clean_cell(cell, number):
    """A cell with its text, pasted pictures, id and nbgrader settings, and nothing else of it."""
    source = _text(cell.get("source")) if isinstance(cell, dict) else None
    if source is None or cell.get("cell_type") not in _TYPES:
        raise NeedsReview(f"Cell {number} of the notebook is damaged: it has no type or no text.")
    metadata = cell.get("metadata")
    settings = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    name = settings.get("grade_id") if isinstance(settings, dict) else None
    new = getattr(nbformat.v4, f"new_{cell['cell_type']}_cell")(source)
    if isinstance(cell.get("id"), str):
        new["id"] = cell["id"]
    if isinstance(name, str) and name:
        new.metadata["nbgrader"] = {"grade_id": name}
    new.metadata[NUMBER] = number
    if cell["cell_type"] == "markdown" and (pasted := _pasted(cell.get("attachments"))):
        new["attachments"] = nbformat.from_dict(pasted)
    return new


def _pasted(attachments):
    """Pictures in a text, {name: {kind: base64}}. They are looked at before they are shown."""
    found = {}
    for name, bundle in attachments.items() if isinstance(attachments, dict) else ():
        bundle = bundle if isinstance(bundle, dict) else {}
        pictures = {
            kind: _text(data) for kind, data in bundle.items() if kind in _PICTURES and _text(data)
        }
        if pictures:
            found[_text(name)] = pictures
    return found


def _unique_ids(cells):
    """Give new ids to cells that have one that another has, or that is no id."""
    seen = set()
    for number, cell in enumerate(cells):
        name = cell["id"]
        good = 0 < len(name) <= 64 and all(c.isascii() and (c.isalnum() or c in "-_") for c in name)
        if not good or name in seen:
            name = f"cell-{number}"
            while name in seen:
                name += "-x"
            cell["id"] = name
        seen.add(name)


def _restore(notebook, reference, notes):
    """Bring the cells that nbgrader knows to what was released, and find those that lost it."""
    restoration = Restoration(notebook, reference, notes)
    restoration.drop_unknown()
    restoration.find_stripped()
    restoration.drop_copies()
    if reason := restoration.another_notebook():
        raise NeedsReview(reason)
    restoration.put_back()
    restoration.insert_missing()
    restoration.insert_course_cells()
    _unique_ids(notebook.cells)
    notebook.metadata = nbformat.from_dict(dict(reference.notebook.metadata))


def _needed_files(notebook, submission, reference):
    """Ask for a review where the notebook names a file that was left out."""
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    imported = _imported(code)
    for name in submission.left_out:
        path = PurePosixPath(name)
        if path.suffix == ".ipynb":
            continue
        if path.suffix == ".py":
            module = path.parts[0].removesuffix(".py")
            wanted = module in imported and not _installed(module, reference)
        else:
            wanted = len(path.name) > 3 and path.name in code
        if wanted:
            raise NeedsReview(
                f"The notebook uses {printable(name, 80)}, which is not part of the assignment "
                "and was left out."
            )


def _other_files(notebook, submission, reference):
    """Ask for a review where the work may lie beside the notebook."""
    missing, others, rest = unanswered(notebook, reference), {}, []
    missing += [grade_id(cell) for cell in notebook.cells if GONE in cell.source and grade_id(cell)]
    if missing:
        # Everybody else waits meanwhile. A copy of the notebook is the likeliest.
        names = sorted(submission.others, key=lambda name: reference.name not in name)
        names, rest = names[:_MAX_OTHERS], names[_MAX_OTHERS:]
        others = {name: submission.others[name] for name in names}
    for name, data in others.items():
        try:
            others[name] = None if data is None else answers_in(_read(data, []).cells, reference)
        except NeedsReview:
            others[name] = None
    answers = sum(cell.metadata.nbgrader.solution for cell in reference.cells.values())
    reason = conflict(missing, len(missing) >= answers, others, submission.beside, rest)
    if reason:
        raise NeedsReview(reason)


def _imported(code):
    """The words in the lines of a text that import something."""
    # Read once, line by line: a pattern over all of it could be made to take hours.
    lines = (line.lstrip() for line in code.splitlines())
    return {
        word
        for line in lines
        if line.startswith(("from", "import"))
        for word in re.findall(r"\w+", line)
    }


def _installed(module, reference):
    """Whether the assignment's own environment has a module of this name: then that one is used."""
    used = {name.partition(".")[0] for name in imports_of(reference.code)}
    if module in sys.stdlib_module_names or module in used:
        return True
    packages = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    return module.isidentifier() and PathFinder.find_spec(module, packages) is not None
