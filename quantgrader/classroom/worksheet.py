"""Moodle's grading worksheet of an assignment: who is who, when they handed in, and their marks.

mod/assign/feedback/offline/importgradeslib.php tells a worksheet by Identifier ("Participant 123"),
Grade and Last modified (grade), and changes only rows whose grade is another. The columns are
written in the language of whoever exports: ``c.Classroom.worksheet`` says what they are called.
"""

import re

from quantgrader.classroom.marks import Export, Who
from quantgrader.course import tables
from quantgrader.course.folders import CourseError
from quantgrader.course.settings import WORKSHEET
from quantgrader.pages.templates import short_number

_IDENTIFIER, _GRADE = WORKSHEET[:2]
_TO_FILL_IN = (_IDENTIFIER, _GRADE, "Last modified (grade)")


def read(path, names, need=(_IDENTIFIER,)):
    """The table at ``path``; its rows have the English names of columns as well."""
    table = tables.read(path)
    try:
        table.require(path, *(names.get(name, name) for name in need))
    except CourseError as error:
        raise CourseError(
            f"{error} If Moodle spoke another language, say in class/config.py which of them is "
            f"which: c.Classroom.worksheet = {{'{need[0]}': '...'}}, of {', '.join(WORKSHEET)}."
        ) from None
    english = [{name: row.get(own, "") for name, own in names.items()} for row in table.rows]
    rows = tuple(row | more for row, more in zip(table.rows, english, strict=True))
    return tables.Table(table.header, rows)


def participants(path, names):
    """{number of the participant: row}; empty without a worksheet."""
    if path is None:
        return {}
    rows = read(path, names).rows
    numbers = ((re.search(r"\d+$", row[_IDENTIFIER]), row) for row in rows)
    return {number[0]: row for number, row in numbers if number}


def fill_in(path, names, marked, roster, rule):
    """Put marks into a worksheet, and return an `Export`; ``marked`` is [Row, ...].

    All rows stay as they are, but for the grade of those who have a final mark.
    """
    table = read(path, names, _TO_FILL_IN)
    known, result, out, seen, others = Who(roster), Export(), [], set(), {}
    mine = {row.student: row for row in marked}
    for line in table.rows:
        student = known.find(line)
        if student is None or student not in mine:
            name = line.get("Full name") or line[_IDENTIFIER]
            result.left_out.append((name, "in the worksheet, and nobody here"))
        else:
            seen.add(student)
            mark, reason = rule.mark(mine[student])
            if mark is None:
                result.left_out.append((student, reason))
            else:
                line = {**line, names.get(_GRADE, _GRADE): short_number(mark)}
                result.students += 1
            most = line.get("Maximum grade", line.get("Maximum Grade", ""))
            if _differs(most, mine[student].maximum):
                others.setdefault((most, mine[student].maximum), []).append(student)
        out.append([line.get(name, "") for name in table.header])
    for (most, maximum), students in others.items():
        who = students[0] if len(students) == 1 else f"{len(students)} students"
        result.notes.append((who, f"Moodle's maximum is {most}, not {maximum:g}"))
    for student in sorted(mine.keys() - seen):
        result.left_out.append((student, "not in the worksheet"))
    result.text = tables.text_of(table.header, out)
    return result


def _differs(text, maximum):
    try:
        return text != "" and float(text.replace(",", ".")) != maximum
    except ValueError:
        return False
