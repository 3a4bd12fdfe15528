"""Marks for the learning management system, in the form that it imports.

What the two take was read off their own programs:

- Canvas, lib/gradebook_importer.rb: the header must begin with Student, ID, and have Section at
  the end of what describes a student, with SIS User ID and SIS Login ID before it; a row whose
  first cell holds "Points Possible" describes the assignments. A student is found by ID, then by
  the SIS ids, then by the name. A column is found by its title with the number behind it,
  "Exercise 1 (1234)", or by the title alone; any other makes a new assignment. A cell that is
  empty takes away a mark that is there.
- Moodle, grade/import/csv/classes/load_data.php: whoever imports says which column tells the user
  (ID number, Username or Email address) and which the grade; one user who isn't found stops the
  whole import, and an empty cell takes away a mark that is there. (For the worksheet of an
  assignment see `worksheet`.)

So a student without a final mark has no row here, but is listed with the reason.
"""

from dataclasses import dataclass, field

from quantgrader.classroom.roster import name_words
from quantgrader.course import tables
from quantgrader.course.folders import CourseError
from quantgrader.pages.templates import short_number

FINAL = ("graded",)
_SO_FAR = (*FINAL, "by hand", "look")
SYSTEMS = ("canvas", "moodle")


@dataclass
class Export:
    """The text of the file, how many students are in it, and who isn't, with the reason."""

    text: str = ""
    students: int = 0
    left_out: list = field(default_factory=list)
    notes: list = field(default_factory=list)


@dataclass(frozen=True)
class Rule:
    """Which states give a mark. By default only those to which nothing is to be added."""

    so_far: bool = False
    nothing_is_zero: bool = False

    def mark(self, row):
        """(mark, None) or (None, why there is none)."""
        if row.state == "nothing" and self.nothing_is_zero:
            return 0.0, None
        if row.state in (_SO_FAR if self.so_far else FINAL) and row.score is not None:
            return row.score, None
        return None, row.reported


def export(system, found, roster, titles, rule):
    """Make the file for a system.

    ``found`` is {assignment: [Row, ...]}, ``titles`` {assignment: the column's title}.
    """
    if not roster:
        raise CourseError(
            "The class has no roster, and so no ids of the system. Import one first: "
            "quantgrader roster EXPORT.csv."
        )
    result, marks = Export(), _marks(found, rule)
    header, describe = {"canvas": _canvas, "moodle": _moodle}[system]()
    names = [titles.get(name, name) for name in found]
    rows = []
    if system == "canvas":
        points = [short_number(_maximum(rows_)) for rows_ in found.values()]
        rows.append(["    Points Possible", "", "", "", "", *points])
    for student, (scores, reasons) in marks.items():
        learner = roster.get(student)
        if learner is None:
            result.left_out.append((student, "not in class/roster.csv"))
        elif all(score is None for score in scores):
            result.left_out.append((student, "; ".join(dict.fromkeys(reasons))))
        else:
            rows.append([*describe(learner), *map(short_number, scores)])
            result.students += 1
            if reasons:
                result.notes.append((student, f"an empty cell: {'; '.join(reasons)}"))
    result.text = tables.text_of([*header, *names], rows)
    return result


def _marks(found, rule):
    """{student: ([mark or None for each assignment], [reasons])}"""
    students = sorted({row.student for rows in found.values() for row in rows})
    marks = {student: ([], []) for student in students}
    for assignment, rows in found.items():
        mine = {row.student: row for row in rows}
        for student, (scores, reasons) in marks.items():
            mark, reason = rule.mark(mine[student]) if student in mine else (None, "not known")
            scores.append(mark)
            if mark is None:
                reasons.append(reason if len(found) == 1 else f"{assignment} {reason}")
    return marks


def _maximum(rows):
    return rows[0].maximum if rows else None


def _canvas():
    header = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
    return header, lambda one: [one.name, one.lms_id, one.sis_id, one.login, one.section]


def _moodle():
    header = ("First name", "Last name", "ID number", "Username", "Email address")
    return header, lambda one: [
        one.first_name, one.last_name, one.sis_id, one.login, one.email,
    ]  # fmt: skip


class Who:
    """Finds the student whom a row of Moodle's means: by address, ID number, user name, name."""

    def __init__(self, roster):
        self._by = {}
        for learner in roster.values():
            for key in (
                ("Email address", learner.email.casefold()), ("ID number", learner.sis_id),
                ("Username", learner.login), ("words", learner.words()),
            ):  # fmt: skip
                if key[1]:
                    self._by.setdefault(key, set()).add(learner.student)

    def find(self, row):
        """The student's id, or None where nobody or more than one could be meant."""
        keys = [("Email address", row.get("Email address", "").casefold())]
        keys += [(name, row.get(name, "")) for name in ("ID number", "Username")]
        keys.append(("words", name_words(row.get("Full name", ""))))
        for key in keys:
            if key[1] and key in self._by:
                found = self._by[key]
                return next(iter(found)) if len(found) == 1 else None
        return None
