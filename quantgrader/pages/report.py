"""Who has which mark, or which reason for having none: as a table, CSV, or a page."""

import math
from dataclasses import dataclass, replace
from datetime import timedelta

from quantgrader.course import tables
from quantgrader.course.gradebook import is_recorded
from quantgrader.course.journal import Journal
from quantgrader.course.settings import in_words, settings
from quantgrader.course.submission import read_submission
from quantgrader.endings import STATES
from quantgrader.pages import plain
from quantgrader.pages import questions as per_question
from quantgrader.pages.templates import render, short_number
from quantgrader.texts import printable

HEADER = (
    "student",
    "name",
    "state",
    "score",
    "automatic",
    "by hand",
    "penalty",
    "maximum",
    "reason",
)


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
    is_late: bool = False
    is_undated: bool = False  # there is a due date, and nothing tells when it was handed in

    @property
    def reported(self):
        """What has become of the submission, in words."""
        return STATES[self.state].reported + ", late" * self.is_late

    def cells(self, name=""):
        """The row as texts, in the order of `HEADER`."""
        numbers = (self.score, self.automatic, self.by_hand, self.penalty, self.maximum)
        reason = " ".join((*self.reasons, *self.notes))
        return [self.student, name, self.reported, *map(short_number, numbers), reason]


def rows(course, assignment, book):
    """Return a `Row` for every student whom the gradebook or the submitted folder knows."""
    from nbgrader.api import MissingEntry

    reference = course.reference(assignment)
    journal = Journal(course.journal(assignment))
    submitted, timezone = set(course.submitters(assignment)), settings(course).timezone
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
        late = _lateness(notebook.assignment, timezone) if notebook is not None else None
        notes = (*row.notes, *((late,) if late else ()))
        is_undated = late is None and notebook is not None and _is_undated(notebook.assignment)
        found.append(
            replace(
                row, reasons=(*row.reasons, *more), notes=notes,
                is_late=late is not None, is_undated=is_undated,
            )
        )  # fmt: skip
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
    automatic, by_hand, missing, look = 0.0, 0.0, False, False
    for grade in notebook.grades:
        known = grade.auto_score is not None or grade.manual_score is not None
        missing |= not known
        look |= grade.manual_score is not None and grade.needs_manual_grade
        if grade.name in by_function:
            automatic += grade.score
        else:
            by_hand += grade.score
    penalty = notebook.late_submission_penalty or 0.0
    score = max(automatic + by_hand - penalty, 0.0)
    if result is not None and result.status == "review" and missing:
        return Row(student, "review", *empty, reasons, notes)
    state = "by hand" if missing else "look" if look else "graded"
    # What is there so far. The state says that it is not all.
    return Row(
        student, state, score, automatic, None if missing else by_hand, penalty, maximum,
        reasons, notes,
    )  # fmt: skip


def _is_undated(submission):
    return submission.duedate is not None and submission.timestamp is None


def _lateness(submission, timezone):
    """How late it was handed in, in words; None if it was not."""
    if submission.total_seconds_late <= 0:
        return None
    longer = f", {_period(submission.extension)} more than others" if submission.extension else ""
    by = _period(timedelta(seconds=submission.total_seconds_late))
    return f"Handed in {by} late (due {in_words(submission.duedate, timezone)}{longer})."


def _period(time):
    """A length of time in words, to the minute.

    >>> _period(timedelta(days=1, minutes=61))
    '1 d 1 h 1 min'
    """
    minutes = math.ceil(time.total_seconds() / 60)
    parts = ((minutes // 1440, "d"), (minutes // 60 % 24, "h"), (minutes % 60, "min"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def as_table(found, width=100):
    """The rows as text for a terminal; reasons stand below their row, in lines of ``width``."""
    header, *lines = ([cells[0], *cells[2:-1]] for cells in (HEADER, *(r.cells() for r in found)))
    below = [(*row.reasons, *row.notes) for row in found]
    return plain.table(header, lines, below, width)


def as_csv(found, names=None):
    """The rows as CSV, with nothing in it that a spreadsheet would take for a formula.

    ``names`` is {student: name}, here and in `as_html`.
    """
    return tables.text_of(HEADER, [row.cells((names or {}).get(row.student, "")) for row in found])


def as_html(found, assignment, questions=(), names=None):
    """The rows as a page that asks nothing of any host, and below them how each question went."""
    table = [(row.state, row.cells((names or {}).get(row.student, ""))) for row in found]
    return render(
        "report.html",
        assignment=assignment,
        header=HEADER,
        rows=table,
        question_header=per_question.HEADER,
        questions=[(one.cells(), one.commonest) for one in questions],
    )
