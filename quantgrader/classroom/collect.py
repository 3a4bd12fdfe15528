"""From a download of Canvas or Moodle to nbgrader's folders, with nothing lost.

A file whose student isn't known is listed, and stays where it is. What a student handed in before
is replaced only if that is wanted, and is kept in class/replaced then. What was collected last is
remembered in class/collected, so that a repair made since isn't taken for another version.
"""

import hashlib
import json
import re
import shutil
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from quantgrader.atomic import write_atomically
from quantgrader.classroom import downloads
from quantgrader.classroom.marks import Who
from quantgrader.classroom.roster import name_words
from quantgrader.course.folders import CourseError
from quantgrader.course.submission import Unreadable, read_regular_file
from quantgrader.texts import is_shown

_STAMP = "timestamp.txt"


@dataclass
class Collected:
    """What came of a download, by student; and all that wasn't taken, with the reason."""

    new: list = field(default_factory=list)
    replaced: list = field(default_factory=list)
    same: list = field(default_factory=list)
    waiting: list = field(default_factory=list)  # another version is there, and stays
    repaired: list = field(default_factory=list)  # changed here since; nothing new came
    lost: list = field(default_factory=list)  # changed here since, and replaced
    late: list = field(default_factory=list)  # as the system says
    packed: list = field(default_factory=list)  # ZIP files kept as they came: (path, reason)
    left_out: list = field(default_factory=list)  # (path, reason)
    nothing: list = field(default_factory=list)  # of the roster


@dataclass
class _HandedIn:
    files: dict = field(default_factory=dict)
    room: downloads.Room = field(default_factory=downloads.Room)
    late: bool = False
    when: str | None = None


def collect(course, assignment, place, roster, *, participants=None, match=None, update=False,
            timezone="UTC"):  # fmt: skip
    """Put what a download at ``place`` holds into the course's submitted folder.

    Parameters
    ----------
    roster : dict of str to Learner
        The class.
    participants : dict of str to dict, optional
        Of Moodle's grading worksheet: who "Participant 123" is, and when it was handed in.
    match : dict of str to str, optional
        Who is who, by the system's number, where it can't be told otherwise.
    update : bool
        Replace what is there by what has come.
    timezone : str
        Where the times of the worksheet hold.
    """
    reference, last = course.reference(assignment), _Last(course, assignment)
    who = _Finder(roster, participants or {}, match or {})
    found, handed_in = Collected(), {}
    for path, data in downloads.contents(place):
        part = downloads.parse(path)
        problem = part.problem or (data if isinstance(data, str) else None)
        student, reason = (None, problem) if problem else who.find(part)
        if student is None:
            found.left_out.append((path, reason))
            continue
        mine = handed_in.setdefault(student, _HandedIn())
        mine.late |= part.late
        mine.when = who.when(part, timezone)
        files, packed = mine.room.unpacked(part.file, data)
        if packed:
            found.packed.append((path, packed))
        for name, content in files.items():
            if problem := _unfit(name, mine.files):
                found.left_out.append((f"{path}: {name}", problem))
            elif not mine.room.takes(content):
                problem = "the student's files take too much, all together"
                found.left_out.append((f"{path}: {name}", problem))
            else:
                mine.files[name] = content
    for student, mine in sorted(handed_in.items()):
        if mine.files:
            mine.files = _named(mine.files, reference.name)
            _put(course, assignment, student, mine, found, last, update)
    last.save()
    there = set(course.submitters(assignment))
    found.nothing = sorted(roster.keys() - there)
    return found


def _unfit(name, files):
    """Why a file can't have its name here; None if it can."""
    if not all(map(is_shown, name)) or "/" in name or len(name.encode()) > 200:
        return "its name is no name of a file"
    if name.startswith(".") or name in (_STAMP, "submission_secret.txt"):
        return "its name is one that nbgrader uses"
    return "there are two of this name" if name in files else None


def _named(files, wanted):
    """The files, the notebook with its own name again, where the system has numbered it."""
    notebooks = [name for name in files if name.endswith(".ipynb")]
    if len(notebooks) == 1:
        stem = re.sub(r"(-\d+| ?\(\d+\))$", "", notebooks[0].removesuffix(".ipynb"))
        if stem == wanted:
            return {f"{wanted}.ipynb" if n == notebooks[0] else n: d for n, d in files.items()}
    return files


def _put(course, assignment, student, mine, found, last, update):
    """Write a student's files, or say why not."""
    folder, files = course.folder("submitted", student, assignment), mine.files
    stamp = {_STAMP: mine.when.encode()} if mine.when else {}
    if mine.late:
        found.late.append(student)
    before, came = _read(folder), _digest(files)
    if before is not None:
        collected, is_repaired = last.digests.get(student), last.differs(student, before)
        if all(before.get(name) == data for name, data in files.items()) and (
            not stamp or before.get(_STAMP) in (None, stamp[_STAMP])
        ):
            if stamp:  # the first download may have come without its worksheet
                write_atomically(folder / _STAMP, stamp[_STAMP])
            found.same.append(student)
            return
        if is_repaired and came == collected:
            found.repaired.append(student)
            return
        if not update:
            found.waiting.append(student)
            return
        if is_repaired:
            found.lost.append(student)
        digest = hashlib.sha256(repr(sorted(before.items())).encode()).hexdigest()[:12]
        kept = course.root / "class" / "replaced" / assignment / student / digest
        if kept.exists():
            shutil.rmtree(kept)
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder, kept)
    for name, data in (files | stamp).items():
        write_atomically(folder / name, data)
    last.digests[student] = came
    (found.new if before is None else found.replaced).append(student)


def _digest(files):
    """Stands for files, but for the time at which they were handed in."""
    own = sorted((name, data) for name, data in files.items() if name != _STAMP)
    return hashlib.sha256(repr(own).encode()).hexdigest()


class _Last:
    """What was collected last for an assignment: {student: a digest of the files}."""

    def __init__(self, course, assignment):
        self._path = course.root / "class" / "collected" / f"{assignment}.json"
        self.digests = json.loads(self._path.read_text()) if self._path.is_file() else {}

    def differs(self, student, files):
        """Whether a student's files are known to be others than those that were collected."""
        return student in self.digests and self.digests[student] != _digest(files)

    def save(self):
        """Keep it for the next time."""
        text = json.dumps(self.digests, indent=1, sort_keys=True)
        write_atomically(self._path, text.encode(), 0o600)


def _read(folder):
    """{name: bytes} of what lies in a folder; None if there is none."""
    if not folder.is_dir() and not folder.is_symlink():
        return None
    found = {}
    for path in sorted(folder.rglob("*")):
        try:
            if not path.is_dir():
                found[path.relative_to(folder).as_posix()] = read_regular_file(
                    path, downloads.MAX_FILE
                )
        except Unreadable as reason:
            found[path.name] = str(reason).encode()
    return found


class _Finder:
    """Tells whose a file is."""

    def __init__(self, roster, worksheet, match):
        self._roster, self._worksheet, self._match = roster, worksheet, match
        self._who = Who(roster)
        self._by_id = {one.lms_id: name for name, one in roster.items() if one.lms_id}
        for student in match.values():
            if roster and student not in roster:
                raise CourseError(f"{student} is not in class/roster.csv.")

    def find(self, part):
        """(student, None), or (None, why nobody)."""
        if part.key in self._match:
            return self._match[part.key], None
        if part.system == "Canvas":
            student = self._by_id.get(part.key)
            return student, None if student else f"nobody in class/roster.csv has the ID {part.key}"
        row = self._worksheet.get(part.key)
        if row is not None and (student := self._who.find(row)):
            return student, None
        student = self._who.find({"Full name": part.name}) if name_words(part.name) else None
        reason = (
            f"{part.name} is the name of nobody in class/roster.csv, or of several; the grading "
            f"worksheet (--worksheet) tells who Participant {part.key} is"
        )
        return student, None if student else reason

    def when(self, part, timezone):
        """When it was handed in, where the worksheet tells it so that it can be read."""
        from dateutil import parser

        text = self._worksheet.get(part.key, {}).get("Last modified (submission)", "")
        try:
            found = parser.parse(text, default=datetime(1, 1, 1))
        except (ValueError, OverflowError):
            return None
        if found.year == 1:  # a text without a date
            return None
        return str(found.replace(tzinfo=ZoneInfo(timezone)))
