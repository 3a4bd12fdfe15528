"""Who has which mark, or which reason for having none: as a table, CSV, or a page."""

import csv
import io
import textwrap
from dataclasses import dataclass, replace

from quantgrader.course.gradebook import is_recorded
from quantgrader.course.journal import Journal
from quantgrader.course.submission import read_submission
from quantgrader.endings import STATES
from quantgrader.pages.templates import render, short_number
from quantgrader.texts import harmless, printable

HEADER = ("student", "state", "score", "automatic", "by hand", "penalty", "maximum", "reason")


@dataclass(frozen=True)
class Row:
    """One student. A number is None where it is not known; nothing stands for 0 but 0."""

    student: str
    state: str
    score: float | None
    automatic: float | None
    by_hand: float | None
    penalty: float
    maximum: float
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def cells(self):
        """The row as texts, in the order of `HEADER`."""
        numbers = (self.score, self.automatic, self.by_hand, self.penalty, self.maximum)
        reason = " ".join((*self.reasons, *self.notes))
        return [self.student, STATES[self.state].reported, *map(short_number, numbers), reason]


def rows(course, assignment, book):
    """Return a `Row` for every student whom the gradebook or the submitted folder knows."""
    from nbgrader.api import MissingEntry

    reference = course.reference(assignment)
    journal = Journal(course.journal(assignment))
    submitted = set(course.submitters(assignment))
    found = []
    for student in sorted({s.id for s in book.students} | submitted):
        if student.encode("utf-8", "replace").decode() != student:
            maximum = sum(task.points for task in reference.tasks)
            reason = "The name of the submitted folder is not UTF-8 text."
            name = printable(student)
            found.append(Row(name, "failed", None, None, None, 0.0, maximum, (reason,)))
            continue
        result = journal.read(student) if student in submitted else None
        try:
            notebook = book.find_submission_notebook(reference.name, assignment, student)
        except MissingEntry:
            notebook = None
        more = []
        if result is not None and STATES[result.status].is_final:
            folder = course.folder("submitted", student, assignment)
            near = course.misplaced(student, assignment)
            read = read_submission(folder, student, reference, near=near)
            if read.fingerprint != result.submission:
                more.append("Handed in again since: run the grading again.")
            if not is_recorded(book, assignment, reference, result):
                notebook = None
                more.append("Not in the gradebook: run the grading again.")
        row = _row(student, reference, student in submitted, result, notebook)
        found.append(replace(row, reasons=(*row.reasons, *more)))
    book.db.remove()
    return found


def _row(student, reference, submitted, result, notebook):
    maximum = sum(task.points for task in reference.tasks)
    empty = (None, None, None, 0.0, maximum)
    if not submitted and notebook is None:
        return Row(student, "nothing", *empty, ("Nothing was handed in.",))
    if result is None and (notebook is None or submitted):
        return Row(student, "new", *empty, ("Handed in, and not graded yet.",))
    reasons, notes = (result.reasons, result.notes) if result else ((), ())
    if result is not None and not result.sandboxed:
        notes = (*notes, "Graded without the sandbox.")
    if result is not None and (result.status == "failed" or notebook is None):
        return Row(student, "failed", *empty, reasons, notes)
    by_function = {task.grade_id for task in reference.tasks if task.function is not None}
    automatic, by_hand, missing = 0.0, 0.0, False
    for grade in notebook.grades:
        known = grade.auto_score is not None or grade.manual_score is not None
        missing |= not known
        if grade.name in by_function:
            automatic += grade.score
        else:
            by_hand += grade.score
    penalty = notebook.late_submission_penalty or 0.0
    score = max(automatic + by_hand - penalty, 0.0)
    if result is not None and result.status == "review" and missing:
        return Row(student, "review", *empty, reasons, notes)
    state = "by hand" if missing else "graded"
    # What is there so far. The state says that it is not all.
    return Row(
        student, state, score, automatic, None if missing else by_hand, penalty, maximum,
        reasons, notes,
    )  # fmt: skip


def as_table(found, width=100):
    """The rows as text for a terminal; reasons stand below their row, in lines of ``width``."""
    width = max(width, 40)
    lines = [[printable(cell, 40) for cell in row.cells()[:-1]] for row in found]
    header = list(HEADER[:-1])
    widths = [max(map(len, column)) for column in zip(header, *lines, strict=True)]

    def line(cells):
        left = [cell.ljust(w) for cell, w in zip(cells[:2], widths[:2], strict=True)]
        right = [cell.rjust(w) for cell, w in zip(cells[2:], widths[2:], strict=True)]
        return "  ".join(left + right).rstrip()

    text = [line(header), line(["-" * w for w in widths])]
    for row, cells in zip(found, lines, strict=True):
        text.append(line(cells))
        for reason in (*row.reasons, *row.notes):
            text += textwrap.wrap(
                printable(reason, 1_000), width, break_on_hyphens=False,
                initial_indent=" " * 4, subsequent_indent=" " * 6,
            )  # fmt: skip
    return "\n".join(text)


def as_csv(found):
    """The rows as CSV, with nothing in it that a spreadsheet would take for a formula."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(HEADER)
    for row in found:
        cells = row.cells()
        writer.writerow([harmless(cells[0]), *cells[1:-1], harmless(cells[-1])])
    return file.getvalue()


def as_html(found, assignment):
    """The rows as a page that asks nothing of any host."""
    table = [(row.state, row.cells()) for row in found]
    return render("report.html", assignment=assignment, header=HEADER, rows=table)
