"""Due dates, extensions and points off for being late.

What holds for a class stands in class/due.csv: ``assignment,student,due``, a row for everybody
(no student) and one for each who has longer. It goes into nbgrader's gradebook, as the due date of
the assignment and the extension of the student's submission, and nbgrader's rule
(``c.LateSubmissionPlugin``, or `PerDay` here) takes the points off.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from nbgrader.plugins import LateSubmissionPlugin
from traitlets import Float

from quantgrader.atomic import write_atomically
from quantgrader.course import gradebook, tables
from quantgrader.course.folders import CourseError
from quantgrader.course.settings import settings

_HEADER = ("assignment", "student", "due")


class PerDay(LateSubmissionPlugin):
    """A share of the points off for each day that has begun.

    ``c.AssignLatePenalties.plugin_class = "quantgrader.classroom.late.PerDay"``
    """

    share = Float(0.1, help="Share of the mark that each day costs.").tag(config=True)
    grace_minutes = Float(0.0, help="Minutes that cost nothing.").tag(config=True)

    def late_submission_penalty(self, student_id, score, total_seconds_late):
        """Points off, at most all."""
        if total_seconds_late <= 60 * self.grace_minutes:
            return None
        return round(score * min(1.0, self.share * math.ceil(total_seconds_late / 86400)), 2)


@dataclass(frozen=True)
class Deadline:
    """Until when an assignment is to be handed in; ``student`` is empty for everybody."""

    assignment: str
    student: str
    due: datetime

    @property
    def utc(self):
        """As nbgrader keeps it: in UTC, and without saying so."""
        return self.due.astimezone(UTC).replace(tzinfo=None)


def due_file(course):
    """Where the due dates of the class lie."""
    return course.root / "class" / "due.csv"


def moment(text, timezone):
    """The time that a text means; where it names no zone, the class's.

    >>> moment("2026-11-30 23:59", "Europe/Paris").isoformat()
    '2026-11-30T23:59:00+01:00'
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise CourseError(
            f"{text!r} is no time. Write it like 2026-11-30 23:59, or with its distance from "
            "UTC: 2026-11-30 23:59+01:00."
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=ZoneInfo(timezone))


def read(course):
    """The `Deadline`s of the class."""
    path = due_file(course)
    if not path.is_file():
        return []
    table, timezone = tables.read(path), settings(course).timezone
    table.require(path, *_HEADER)
    found = [
        Deadline(row["assignment"], row["student"], moment(row["due"], timezone))
        for row in table.rows
    ]
    if len({(one.assignment, one.student) for one in found}) < len(found):
        raise CourseError(f"{path} has two rows for the same assignment and student.")
    return found


def put(course, assignment, students, text):
    """Write into the table until when some students, or everybody, may hand in."""
    due = moment(text, settings(course).timezone) if text else None
    found = {(one.assignment, one.student): one for one in read(course)}
    for student in students or ("",):
        found.pop((assignment, student), None)
        if due is not None:
            found[assignment, student] = Deadline(assignment, student, due)
    rows = [
        (one.assignment, one.student, one.due.isoformat(" ", "minutes"))
        for _, one in sorted(found.items())
    ]
    write_atomically(due_file(course), tables.text_of(_HEADER, rows).encode(), 0o600)


def apply(course, book, assignment):
    """Bring the gradebook to what the table says of an assignment, penalties and all.

    Where the table says nothing of it, the gradebook stays as it is.
    """
    mine = {one.student: one for one in read(course) if one.assignment == assignment}
    if not mine:
        return
    reference = course.reference(assignment)
    with gradebook.transaction(book):
        gradebook.require_assignment(book, reference, assignment)
        kept = book.find_assignment(assignment)
        if "" in mine:
            kept.duedate = mine[""].utc
        if kept.duedate is None:
            raise CourseError(
                f"{due_file(course)} gives single students a date for {assignment}, and nobody "
                "gives everybody one."
            )
        students = []
        for submission in book.assignment_submissions(assignment):
            student = submission.student.id
            students.append(student)
            own = mine.get(student)
            longer = own.utc - kept.duedate if own else None
            if longer is not None and longer.total_seconds() < 0:
                raise CourseError(
                    f"{due_file(course)}: {student} would have to hand in {assignment} before "
                    "all others."
                )
            submission.extension = longer
        book.db.commit()
    for student in students:
        gradebook.renew_penalty(book, course, assignment, reference, student)
    book.db.remove()
