"""Read a submission's folder: plain files only, bounded, and nothing that a link points to."""

import contextlib
import hashlib
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from quantgrader.texts import listed, printable

# What nbgrader itself puts beside a notebook.
_SECRET = "submission_secret.txt"
_KNOWN = ("timestamp.txt", _SECRET)
_IGNORED_FOLDERS = (".ipynb_checkpoints", "__pycache__", ".git")
_MODULES = (".py", ".pyc", ".pyd", ".so", ".pth", ".egg")
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Unreadable(Exception):
    """The submission can't be read; the message is the reason, for people."""


@dataclass(frozen=True)
class Bounds:
    """How much a submission may bring."""

    notebook_bytes: int = 20_000_000
    entries: int = 2_000
    depth: int = 8


@dataclass(frozen=True)
class Submission:
    """What a student handed in.

    ``notebook`` holds the bytes, or is None with the ``problem``. ``left_out`` are the names of
    files that don't belong to the assignment; ``others`` has the bytes of the notebooks among them
    (None: too many). ``notes`` says what was found, for people.
    ``fingerprint`` changes whenever anything in the folder does.
    """

    student: str
    notebook: bytes | None
    problem: str | None = None
    timestamp: str | None = None
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    fingerprint: str = ""
    others: dict = field(default_factory=dict)

    @property
    def beside(self):
        """Files that a student may have put his work into, but for notebooks."""
        hidden = (".", "__MACOSX", "Thumbs.db", "desktop.ini")
        return [n for n in self.left_out if n not in self.others and not n.startswith(hidden)]


def read_regular_file(path, limit):
    """Return the bytes of a regular file that has one name only; raises Unreadable otherwise."""
    name = printable(Path(path).name)
    try:
        handle = os.open(path, _OPEN)
    except OSError as error:
        if Path(path).is_symlink():
            raise Unreadable(f"{name} is a link, which could point to any file") from None
        raise Unreadable(f"{name} can't be read: {error.strerror}") from None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable(f"{name} is not a plain file")
        if status.st_nlink > 1:
            raise Unreadable(f"{name} is a hard link: the same file has another name elsewhere")
        with os.fdopen(handle, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    finally:
        os.close(handle)
    if len(data) > limit:
        raise Unreadable(f"{name} holds more than {limit / 1e6:g} MB")
    return data


@dataclass
class _Found:
    """The entries of a folder, as they are met."""

    bounds: Bounds
    entries: list = field(default_factory=list)  # (relative name, kind, size)

    def walk(self, folder, prefix="", depth=0):
        if depth > self.bounds.depth:
            raise Unreadable(f"Folders are nested more than {self.bounds.depth} deep")
        with os.scandir(folder) as scan:
            for entry in scan:
                if len(self.entries) >= self.bounds.entries:
                    raise Unreadable(f"There are more than {self.bounds.entries} files")
                status = entry.stat(follow_symlinks=False)
                name = f"{prefix}{entry.name}"
                kind = _kind(status.st_mode)
                if kind == "folder" and entry.name in _IGNORED_FOLDERS:
                    continue
                self.entries.append((name, kind, status.st_size))
                if kind == "folder":
                    self.walk(entry.path, f"{name}/", depth + 1)


def _kind(mode):
    for kind, test in (("link", stat.S_ISLNK), ("folder", stat.S_ISDIR), ("file", stat.S_ISREG)):
        if test(mode):
            return kind
    return "special"


def read_submission(folder, student, reference, bounds=None, near=()):
    """Read what ``student`` handed in, in ``folder``, for the released ``reference``.

    ``near`` are names of what lies beside a folder that isn't there. Nothing is raised for what a
    submission holds: it is in the result.
    """
    bounds = bounds or Bounds()
    folder, found = Path(folder), _Found(bounds)
    digest = hashlib.sha256()
    try:
        if near:
            digest.update(repr(near).encode("utf-8", "surrogateescape"))
            place = f"{printable(student, 60)}/{folder.name}"
            raise Unreadable(f"There is no folder {place}, but this lies beside it: {listed(near)}")
        if _is_linked(folder, student) or not folder.is_dir():
            raise Unreadable("The submission is a link or a file, not a folder")
        found.walk(folder)
        for row in sorted(found.entries):
            digest.update(repr(row).encode("utf-8", "surrogateescape"))
        name, notes = _choose_notebook(found.entries, reference)
        data = read_regular_file(folder / name, bounds.notebook_bytes)
        timestamp = _timestamp(folder)
    except Unreadable as reason:
        return Submission(student, None, f"{reason}.", fingerprint=digest.hexdigest())
    except OSError as error:
        reason = f"The folder can't be read: {error.strerror}."
        return Submission(student, None, reason, fingerprint=digest.hexdigest())
    digest.update(hashlib.sha256(data).digest() + (timestamp or "").encode())
    left_out, more = _sort_out(found.entries, name, reference)
    others = _other_notebooks(folder, left_out, bounds.notebook_bytes)
    for other in others.values():
        digest.update(hashlib.sha256(other or b"").digest())
    notes = (*notes, *more)
    return Submission(
        student, data, None, timestamp, left_out, notes, digest.hexdigest(), others
    )  # fmt: skip


def _other_notebooks(folder, left_out, room):
    """The bytes of the other notebooks in a folder, as far as there is room for them."""
    found = {}
    for name in left_out:
        if name.endswith(".ipynb"):
            found[name] = None
            with contextlib.suppress(Unreadable):
                found[name] = read_regular_file(folder / name, room)
                room -= len(found[name])
    return found


def _is_linked(folder, student):
    """Whether the submission's folder is a link, or the student's folder that it lies in."""
    own = [path for path in (folder, folder.parent) if path.name in (student, folder.name)]
    return any(path.is_symlink() for path in own)


def read_secret(folder, student):
    """The key under which the exchange hands a student his feedback; None if there is none."""
    folder = Path(folder)
    if _is_linked(folder, student):
        return None
    try:
        text = read_regular_file(folder / _SECRET, 200).decode("ascii", "replace").strip()
    except Unreadable:
        return None
    return text if re.fullmatch(r"[\w.-]{16,}", text, re.ASCII) else None


def _choose_notebook(entries, reference):
    """The name of the notebook to grade, and notes."""
    wanted = f"{reference.name}.ipynb"
    kinds = {name: kind for name, kind, *_ in entries}
    if wanted in kinds:
        return wanted, ()
    others = [name for name, kind in kinds.items() if name.endswith(".ipynb")]
    if len(others) == 1 and kinds[others[0]] == "file":
        return others[0], (f"The notebook was named {printable(others[0])}; taken for {wanted}.",)
    if others:
        several = listed(sorted(others))
        raise Unreadable(f"There is no {wanted}, and several that it could be: {several}")
    if kinds:
        raise Unreadable(f"There is no notebook {wanted}, only {listed(sorted(kinds))}")
    raise Unreadable(f"There is no notebook {wanted}: the folder is empty")


def _timestamp(folder):
    """When it was handed in, as nbgrader wrote it; None if there is nothing that tells."""
    try:
        data = read_regular_file(folder / "timestamp.txt", 200)
    except Unreadable:
        return None
    return printable(data.decode("ascii", "replace").strip()) or None


def _sort_out(entries, notebook, reference):
    """Names of what isn't taken along, and notes on it."""
    left_out, modules, links, notebooks = [], [], [], []
    for name, kind, *_ in sorted(entries):
        if name == notebook or kind == "folder" or name in _KNOWN or name in reference.files:
            continue
        left_out.append(name)
        if kind in ("link", "special"):
            links.append(name)
        elif name.endswith(_MODULES):
            modules.append(name)
        elif name.endswith(".ipynb"):
            notebooks.append(name)
    rest = [n for n in left_out if n not in {*links, *modules, *notebooks}]
    kinds = (
        (links, "Links and special files are never opened"),
        (modules, "Modules beside the notebook are not used"),
        (notebooks, "Other notebooks are not graded"),
        (rest, "Files that don't belong to the assignment are left out"),
    )
    notes = []
    for names, text in kinds:
        if names:
            notes.append(f"{text}: {listed(names)}.")
    return tuple(left_out), tuple(notes)
