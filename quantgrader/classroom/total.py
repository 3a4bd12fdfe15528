"""One table over all assignments: each student's marks, and the overall mark with its rules.

An assignment counts as its share of the points, times its weight (``c.Classroom.weights``, 1 where
nothing is said). The ``c.Classroom.drop`` weakest shares of each student are left out. The overall
mark is the weighted mean of the others, in per cent.
"""

from dataclasses import dataclass

from quantgrader.classroom.marks import Rule
from quantgrader.course import tables
from quantgrader.course.folders import CourseError
from quantgrader.pages import plain
from quantgrader.pages.templates import render, short_number


@dataclass(frozen=True)
class Line:
    """One student: ``marks`` holds the mark of each assignment, None where there is none yet."""

    student: str
    name: str
    marks: tuple
    dropped: tuple[int, ...]
    overall: float | None
    counted: int
    open: tuple[str, ...]
    not_handed_in: int = 0

    def cells(self):
        """The line as texts; a mark that is left out is in brackets."""
        marks = [
            f"({short_number(mark)})" if place in self.dropped else short_number(mark)
            for place, mark in enumerate(self.marks)
        ]
        return [self.student, self.name, *marks, short_number(self.overall), str(self.counted)]


def header(found):
    """The names of the columns: {assignment: rows} gives those in the middle."""
    return ("student", "name", *found, "overall (%)", "counted")


def total(found, settings, roster, rule=None):
    """Return a `Line` for each student of ``found``, which is {assignment: [Row, ...]}."""
    rule = rule or Rule()
    if unknown := sorted(settings.weights.keys() - found.keys()):
        there = ", ".join(found) or "none"
        raise CourseError(
            f"c.Classroom.weights names {', '.join(unknown)}; the assignments are: {there}."
        )
    by_student = {}
    for assignment, rows in found.items():
        for row in rows:
            by_student.setdefault(row.student, {})[assignment] = row
    return [
        _line(student, rows, list(found), settings, roster.get(student), rule)
        for student, rows in sorted(by_student.items())
    ]


def _line(student, rows, assignments, settings, learner, rule):
    marks, shares, waiting, lacking = [], {}, [], 0
    for place, assignment in enumerate(assignments):
        row = rows.get(assignment)
        mark, reason = (None, None) if row is None else rule.mark(row)
        marks.append(mark)
        if mark is not None:
            share = mark / row.maximum if row.maximum else 1.0
            shares[place] = share, settings.weights.get(assignment, 1)
        elif row is None or row.state == "nothing":
            lacking += 1
        else:
            waiting.append(f"{assignment} {reason}")
    # The weakest ones; of equal ones the later. One always counts.
    order = sorted(shares, key=lambda place: (shares[place][0], -place))
    dropped = order[: min(settings.drop, max(len(order) - 1, 0))]
    counted = [shares[place] for place in shares if place not in dropped]
    weight = sum(weight for _, weight in counted)
    overall = 100 * sum(s * w for s, w in counted) / weight if weight else None
    return Line(
        student, learner.name if learner else "", tuple(marks), tuple(sorted(dropped)), overall,
        len(counted), tuple(waiting), lacking,
    )  # fmt: skip


def as_table(found, lines, width=100):
    """The lines as text for a terminal; what has no mark yet stands below."""
    below = [[f"No mark yet: {'; '.join(line.open)}."] if line.open else [] for line in lines]
    return plain.table(header(found), [line.cells() for line in lines], below, width)


def as_csv(found, lines):
    """The lines as CSV, with a column for what has no mark yet."""
    rows = [[*line.cells(), "; ".join(line.open)] for line in lines]
    return tables.text_of((*header(found), "no mark yet"), rows)


def as_html(found, lines, settings):
    """The lines as a page that asks nothing of any host."""
    return render(
        "total.html",
        header=header(found),
        rows=[(line.cells(), "; ".join(line.open)) for line in lines],
        drop=settings.drop,
        lacking=any(line.not_handed_in for line in lines),
    )
