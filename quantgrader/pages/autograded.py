"""The graded notebook, as nbgrader's formgrader shows it."""

import copy
import shutil

import nbformat

from quantgrader.atomic import remove_left_behind, write_atomically
from quantgrader.course.elsewhere import NUMBER
from quantgrader.course.reference import grade_id
from quantgrader.pages.outputs import Room, clean_outputs, message_output
from quantgrader.pages.written import inert, word_for_word

_READ_ONLY = 0o444
# Where a cell keeps its text as the student wrote it, when it is shown otherwise.
_WRITTEN = "quantgrader_written"


def written(cell):
    """The text of a graded notebook's cell as the student wrote it."""
    return cell.metadata.get(_WRITTEN, cell.source)


def autograded(notebook, runs, marks, reference):
    """The text of the graded notebook.

    Outputs are those of the student's cells, made harmless; below a task's checks stands what
    the comparison outside of the sandbox said.
    """
    notebook, room = copy.deepcopy(notebook), Room()
    for count, run in enumerate(runs, 1):
        cell = notebook.cells[int(run.grade_id)]
        cell.execution_count = None if run.status == "skipped" else count
        mark = marks.get(grade_id(cell))
        outputs = clean_outputs(run.outputs, room) if mark is None else _verdict(mark)
        cell.outputs = [nbformat.from_dict(output) for output in outputs]
    trusted = {cell.source: cell for cell in reference.notebook.cells}
    for cell in notebook.cells:
        cell.metadata.pop(NUMBER, None)
        if cell.cell_type != "code":
            _make_inert(cell, trusted.get(cell.source), room)
    return nbformat.writes(notebook)


def _make_inert(cell, released, room):
    """Make a cell of text harmless; one that is as it was given out has nothing of a student's."""
    pasted = cell.pop("attachments", {})
    if released is not None and released.cell_type == cell.cell_type:
        if "attachments" in released:
            cell.attachments = released.attachments
        return
    cell.metadata[_WRITTEN] = cell.source
    if cell.cell_type == "raw":  # it would stand in the page as it is
        cell.cell_type, cell.source = "markdown", word_for_word(cell.source)
    else:
        cell.source, pictures = inert(cell.source, pasted, room)
        if pictures:
            cell.attachments = nbformat.from_dict(pictures)


def write_autograded(path, text, files, timestamp):
    """Write the text of a graded notebook to ``path``, and the assignment's files beside it."""
    remove_left_behind(path.parent)
    for name, data in files.items():
        write_atomically(path.parent / name, data, _READ_ONLY)
    if timestamp is not None:
        write_atomically(path.parent / "timestamp.txt", timestamp.encode(), _READ_ONLY)
    write_atomically(path, (text + "\n").encode(), _READ_ONLY)


def _verdict(mark):
    """What stands below the checks of a task."""
    if not mark.messages:
        return []
    points = f"{mark.score:g} of {mark.points:g} points"
    return [message_output([f"{points}: {mark.passed} of {mark.asked} checks passed.",
                            *mark.messages])]  # fmt: skip


def remove_autograded(path):
    """Take away the graded notebook of an earlier submission."""
    remove_left_behind(path.parent)
    path.unlink(missing_ok=True)
    checkpoints = path.parent / ".ipynb_checkpoints"
    if checkpoints.is_dir() and not checkpoints.is_symlink():
        shutil.rmtree(checkpoints)


def renew_verdicts(path, marks):
    """Write below the checks of a graded notebook what other marks say."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        mark = marks.get(grade_id(cell))
        if mark is not None and cell.cell_type == "code":
            cell.outputs = [nbformat.from_dict(output) for output in _verdict(mark)]
    write_atomically(path, (nbformat.writes(notebook) + "\n").encode(), _READ_ONLY)
