"""Finished results, one file for each submission, so that a stopped run can go on.

A file is there in full or not at all. It is the only place that says that a submission is
finished; what is in the gradebook follows from it.
"""

import contextlib
import fcntl
import hashlib
import json
import re
from dataclasses import asdict, dataclass, field

from quantgrader.atomic import write_atomically
from quantgrader.cases.compare import Mark

VERSION = 1


@dataclass(frozen=True)
class Result:
    """How a submission ended: a ``status`` of `endings.STATES`, with {grade_id: Mark} or a reason.

    ``fingerprint`` stands for all that the result depends on, ``submission`` for what was handed
    in, ``asked`` for what each function was asked: {grade_id: a digest of its cases}. The values
    that came back are not kept.
    """

    student: str
    status: str
    fingerprint: str = ""
    submission: str = ""
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    marks: dict = field(default_factory=dict)
    unanswered: tuple[str, ...] = ()
    timestamp: str | None = None
    seconds: float = 0.0
    sandboxed: bool = True
    asked: dict = field(default_factory=dict)
    version: int = VERSION

    @classmethod
    def from_dict(cls, data):
        """A result from what was written."""
        lists = {name: tuple(data[name]) for name in ("reasons", "notes", "unanswered")}
        marks = {name: Mark.from_dict(mark) for name, mark in data["marks"].items()}
        return cls(**{**data, **lists, "marks": marks})


class Busy(RuntimeError):
    """Another run is at work on the same assignment."""


class Journal:
    """The results of one assignment, in one folder."""

    def __init__(self, folder):
        self.folder = folder

    def _path(self, student):
        readable = re.sub(r"[^A-Za-z0-9_.@-]", "_", student)[:80]
        return self.folder / f"{readable}-{hashlib.sha256(student.encode()).hexdigest()[:12]}.json"

    @contextlib.contextmanager
    def locked(self, command="grade"):
        """Keep other runs of a command away; the lock goes when this process does, in any case."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f".{command}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Busy(
                    f"Another `quantgrader {command}` is at work on this assignment."
                ) from None
            yield self

    def read(self, student):
        """The result of a student, or None if there is none that can be read."""
        try:
            data = json.loads(self._path(student).read_bytes())
            if data["version"] != VERSION or data["student"] != student:
                return None
            return Result.from_dict(data)
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def write(self, result):
        """Keep a result."""
        data = json.dumps(asdict(result), indent=1, sort_keys=True)
        # Marks are nobody else's business.
        write_atomically(self._path(result.student), data.encode(), mode=0o600)

    def students(self):
        """Names of the students who have a result."""
        names = []
        for path in self.folder.glob("*.json"):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                names.append(json.loads(path.read_bytes())["student"])
        return sorted(names)
