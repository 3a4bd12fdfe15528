"""Who is in the class: from an export of Canvas or Moodle into the gradebook.

What the two write was read off their own programs:

- Canvas, lib/gradebook_exporter.rb and gradebook_importer.rb: *Grades > Export* has the columns
  Student ("Last, First"; or LastName and FirstName), ID (the number of the user), SIS User ID,
  SIS Login ID, perhaps Integration ID and Root Account, Section, then one for each assignment. The
  rows "Manual Posting" (first cell empty) and "    Points Possible" are nobody's; a name that
  begins with "=" is written as ="name". Its test student, nobody either, is "Student, Test".
- Moodle, *Grades > Export* (lib/grade/export, text in user_fields): First name, Surname or Last
  name, ID number, Institution, Department, Email address, then the grades. *Participants >
  Download* has First name, Last name, perhaps Username, ID number, Email address, Groups. An
  assignment's grading worksheet: Identifier ("Participant 123"), Full name, ID number, Email
  address, and so on. The names are in the language of whoever exports.

nbgrader's own columns (``nbgrader db student import``) are taken as well. What is kept beside the
gradebook, in class/roster.csv, is what the marks need on their way back.
"""

import re
from dataclasses import dataclass, field, fields, replace

from quantgrader.atomic import write_atomically
from quantgrader.course import tables
from quantgrader.course.folders import CourseError
from quantgrader.texts import as_cell, as_text, printable

_MAX = 128  # characters, in nbgrader's gradebook


@dataclass(frozen=True)
class Learner:
    """One student: ``student`` is the id in the gradebook and the name of the folders."""

    student: str
    name: str = ""  # as the system writes it
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    lms_id: str = ""  # Canvas: ID
    sis_id: str = ""  # Canvas: SIS User ID; Moodle: ID number
    login: str = ""  # Canvas: SIS Login ID; Moodle: Username
    section: str = ""

    def words(self):
        """The words of the name, whatever their order, for systems that tell nothing else."""
        text = f"{self.first_name} {self.last_name}".strip() or self.name
        return name_words(text)


FIELDS = tuple(entry.name for entry in fields(Learner))
# What is taken for a student's id: the first that everybody has.
_IDS = ("student", "login", "sis_id", "lms_id", "email")
_PERSONAL = _IDS[1:]  # two rows that share one of these are of one student
# The columns of each system, by field, and those that tell that it is this one.
_COLUMNS = {
    "Canvas": {
        "name": ("Student",), "last_name": ("LastName",), "first_name": ("FirstName",),
        "lms_id": ("ID",), "sis_id": ("SIS User ID",), "login": ("SIS Login ID",),
        "section": ("Section",),
    },
    "Moodle": {
        "first_name": ("First name",), "last_name": ("Surname", "Last name"),
        "name": ("Full name",), "sis_id": ("ID number",), "login": ("Username",),
        "email": ("Email address",), "section": ("Groups",),
    },
    "nbgrader": {
        "student": ("id",), "first_name": ("first_name",), "last_name": ("last_name",),
        "email": ("email",), "lms_id": ("lms_user_id",),
    },
    "quantgrader": {name: (name,) for name in FIELDS},
}  # fmt: skip
_TELLING = {
    "Canvas": ({"ID", "Section"},),
    "Moodle": ({"Email address"}, {"ID number"}, {"Username"}),
    "quantgrader": ({"student", "lms_id"},),
    "nbgrader": ({"id"},),
}


@dataclass
class Import:
    """What came of a file: who was taken, and every row that wasn't, with the reason."""

    system: str
    id_field: str
    learners: list = field(default_factory=list)
    left_out: list = field(default_factory=list)  # (name, reason)


def name_words(text):
    """The words of a name, in alphabetical order.

    >>> name_words("Two-One, Student") == name_words("student two-one")
    True
    """
    return tuple(sorted(re.findall(r"\w+", text.casefold())))


def read_export(path, id_field=None, columns=None, known=None):
    """Read a system's export and return an `Import`.

    ``id_field`` says which field is the student's id (by default the first of the login, the SIS
    id, the system's id and the address that everybody has); ``columns`` names columns by field,
    where they are called otherwise than in English. ``known`` is the class's roster,
    {student: Learner}: its kind of id is used again, and whoever shares one of the personal ids
    with somebody there is this student.
    """
    table = tables.read(path)
    system, names = _columns_of(path, table, columns or {})
    drafts = []
    for row in table.rows:
        values = {name: row.get(column, "") for name, column in names.items()}
        draft = Learner(**{"student": "", **values})
        if draft.name.startswith('="') and draft.name.endswith('"'):
            draft = replace(draft, name=draft.name[2:-1])
        if not (draft.name or draft.last_name or draft.first_name or draft.email or draft.student):
            continue  # "Manual Posting"
        if draft.name.startswith("Points Possible") or _is_test_student(draft):
            continue
        drafts.append(_with_names(draft))
    found = Import(system, _id_field(path, drafts, id_field, known or {}))
    _take(found, drafts, known or {})
    return found


def _id_field(path, drafts, given, known):
    """The field that is the students' id: the one asked for, the class's, or the first of all."""
    # Of most: an address or a login that was changed since is still the name of its folders.
    of_class = [
        name for name in _PERSONAL
        if 2 * sum(getattr(one, name) == one.student for one in known.values()) > len(known)
    ]  # fmt: skip
    if given and of_class and given not in of_class:
        raise CourseError(
            f"{path}: the students of this class are known by their {of_class[0]}; with --id "
            f"{given} each would be there twice. Leave --id out: whoever is known is found by "
            "what the file has."
        )
    choices = of_class or _IDS
    complete = [name for name in choices if drafts and all(getattr(d, name) for d in drafts)]
    chosen = given or next(iter(complete or of_class), "")
    if not chosen:
        raise CourseError(
            f"{path}: there is no column that has an id for everybody. Say which one is the "
            f"student's id (--id FIELD), of {', '.join(_PERSONAL)}."
        )
    return chosen


def _columns_of(path, table, given):
    """(system, {field: column}) of a table."""
    for name, column in given.items():
        if name not in FIELDS:
            raise CourseError(f"There is no field {name!r}. The fields are: {', '.join(FIELDS)}.")
        table.require(path, column)
    have, system = set(table.header), "columns as given"
    known = [s for s, choices in _TELLING.items() if any(names <= have for names in choices)]
    if known:
        system = known[0]
    elif not given:
        raise CourseError(
            f"{path} is no export that is known. Its columns are: "
            f"{', '.join(printable(name, 60) for name in table.header)}. Known are Canvas's "
            "(Student, ID, SIS Login ID, Section), Moodle's (First name, Last name, ID number, "
            "Email address) and nbgrader's (id, first_name, ...). Others: --column "
            "FIELD=NAME, for instance --column email=E-Mail-Adresse."
        )
    names = {
        name: next((column for column in columns if column in table.header), None)
        for name, columns in _COLUMNS.get(system, {}).items()
    }
    return system, {name: column for name, column in (names | given).items() if column}


def _with_names(draft):
    """Fill in what of the name follows from the rest."""
    if draft.name and not (draft.first_name or draft.last_name) and "," in draft.name:
        last, first = draft.name.split(",", 1)
        return replace(draft, last_name=last.strip(), first_name=first.strip())
    if not draft.name:
        parts = (draft.last_name, draft.first_name)
        return replace(draft, name=", ".join(part for part in parts if part))
    return draft


def _is_test_student(draft):
    return draft.name == "Student, Test" and not draft.sis_id


def _take(found, drafts, known):
    """Sort the rows into those that are taken and those that are not."""
    owners = {key: student for student, learner in known.items() for key in _personal(learner)}
    drafts = [replace(draft, student=getattr(draft, found.id_field)) for draft in drafts]
    same = [{owners[key] for key in _personal(draft) if key in owners} for draft in drafts]
    drafts = [
        replace(draft, student=next(iter(who)))
        if len(who) == 1 and draft.student not in known
        else draft
        for draft, who in zip(drafts, same, strict=True)
    ]
    ids = [draft.student for draft in drafts]
    for draft, who in zip(drafts, same, strict=True):
        problem = _problem(draft, draft.student, found.id_field)
        if problem is None and ids.count(draft.student) > 1:
            problem = f"several rows are of {printable(draft.student, 60)}"
        if problem is None and who - {draft.student}:
            names = " and ".join(printable(name, 60) for name in sorted(who))
            problem = f"what it has is of several students of the roster: {names}"
        if problem is None:
            found.learners.append(draft)
        else:
            found.left_out.append((draft.name or draft.email or draft.student, problem))


def _personal(learner):
    """The ids that are one student's only, each with its kind."""
    return {
        (name, getattr(learner, name).casefold()) for name in _PERSONAL if getattr(learner, name)
    }


def _problem(draft, name, id_field):
    """Why a row is nobody's; None if it is somebody's."""
    if not name:
        return f"it has no {id_field}"
    if re.search(r"[/\\\0{}]|^[.-]", name) or not name.isprintable():
        return f"its {id_field} {printable(name, 60)} can't be the name of a folder"
    if as_cell(name) != name:
        return f"a spreadsheet would take its {id_field} {printable(name, 60)} for a formula"
    if any(len(getattr(draft, part)) > _MAX for part in FIELDS) or len(name.encode()) > _MAX:
        return f"something in it is longer than {_MAX} characters"
    return None


def roster_file(course):
    """Where the class's roster lies."""
    return course.root / "class" / "roster.csv"


def read_roster(course):
    """{student: Learner} of the class; empty where nobody was ever imported."""
    path = roster_file(course)
    if not path.is_file():
        return {}
    table = tables.read(path)
    table.require(path, "student")
    rows = ({name: as_text(row.get(name, "")) for name in FIELDS} for row in table.rows)
    return {row["student"]: Learner(**row) for row in rows}


def save(course, book, learners):
    """Put students into the roster and the gradebook; return (new, known, others of the roster).

    What a later file doesn't have stays as it was.
    """
    before = read_roster(course)
    learners = [_merged(before.get(learner.student), learner) for learner in learners]
    after = before | {learner.student: learner for learner in learners}
    in_book = {student.id for student in book.students}
    for learner in learners:
        book.update_or_create_student(
            learner.student,
            first_name=learner.first_name or None,
            last_name=learner.last_name or learner.name or None,
            email=learner.email or None,
            lms_user_id=learner.lms_id or learner.sis_id or None,
        )
    rows = [[getattr(learner, name) for name in FIELDS] for _, learner in sorted(after.items())]
    text = tables.text_of(FIELDS, rows)
    write_atomically(roster_file(course), text.encode(), 0o600)
    mine = {learner.student for learner in learners}
    return sorted(mine - in_book), sorted(mine & in_book), sorted((before.keys() | in_book) - mine)


def _merged(old, new):
    """``new``, with what it lacks taken from ``old``."""
    if old is None:
        return new
    return replace(old, **{name: getattr(new, name) for name in FIELDS if getattr(new, name)})
