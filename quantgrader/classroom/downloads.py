"""What a learning management system names the files in which it hands over submissions.

Read off their own programs:

- Canvas (lib/content_zipper.rb, get_filename and add_upload_submission): all files in one folder,
  ``lastfirst_LATE_17_4711_name.ipynb``: the name in small letters without space, LATE where it is,
  the user's ID, the file's number, and the student's own name of it. When a student hands in
  again, Canvas puts ``-1``, ``-2`` behind that name. Anonymous assignments have ``anon_`` and
  letters in place of name and ID. An answer that was typed into Canvas is
  ``lastfirst_17_text.html``.
- Moodle (mod/assign/classes/downloader.php, load_submissionplugin_filelist): a folder for each
  student, ``First Last_123_assignsubmission_file/name.ipynb`` (an underscore more at the folder's
  end in older versions), or, by choice, all in one folder,
  ``First Last_123_assignsubmission_file_name.ipynb``. The number is that of "Participant 123" in
  the assignment's grading worksheet, and another one in each assignment.
"""

import io
import re
import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from quantgrader.course.folders import CourseError
from quantgrader.course.submission import Unreadable, read_regular_file

MAX_FILE = 25_000_000
_MAX_FILES = 50_000
_MAX_NESTED_FILES, _MAX_NESTED_BYTES = 200, 50_000_000
_MAX_FILES_OF_ONE, _MAX_BYTES_OF_ONE = 1_000, 100_000_000
_CANVAS = re.compile(r"(?P<name>\w*?)_(?P<late>LATE_)?(?P<key>\d+)_\d+_(?P<file>.+)")
_CANVAS_TEXT = re.compile(r"(?P<name>\w*?)_(?P<late>LATE_)?(?P<key>\d+)_(?:text|link)\.html")
# Moodle writes no underscore into a name. So nobody passes for another by the name of a file.
_MOODLE = re.compile(
    r"(?P<name>[^/_]+)_(?P<key>\d+)_assignsubmission_(?P<kind>[a-z]+)(?:_?/|_)(?P<file>.+)"
)


@dataclass(frozen=True)
class Part:
    """A file of a download: whose it is, in the system's terms, and what the student called it.

    ``problem`` says why it can't be taken; then the rest may be empty.
    """

    path: str
    system: str = ""
    key: str = ""
    name: str = ""
    file: str = ""
    late: bool = False
    problem: str | None = None


def parse(path):
    """The `Part` that a path in a download stands for.

    >>> part = parse("onestudent_LATE_17_4711_small-1.ipynb")
    >>> part.system, part.key, part.file, part.late
    ('Canvas', '17', 'small-1.ipynb', True)
    >>> parse("Student One_123_assignsubmission_file/small.ipynb").key
    '123'
    """
    pieces = PurePosixPath(path.replace("\\", "/")).parts
    # Whoever has unpacked it may have put it into a folder more.
    for start in range(len(pieces)):
        rest = "/".join(pieces[start:])
        if found := _MOODLE.fullmatch(rest):
            if found["kind"] != "file":
                return Part(path, "Moodle", problem="a text that was typed in, and no file")
            file = PurePosixPath(found["file"]).name
            return Part(path, "Moodle", found["key"], found["name"], file)
    if found := _CANVAS.fullmatch(pieces[-1] if pieces else ""):
        return Part(path, "Canvas", found["key"], found["name"], found["file"], bool(found["late"]))
    if pieces and _CANVAS_TEXT.fullmatch(pieces[-1]):
        return Part(path, "Canvas", problem="a text that was typed in, and no file")
    return Part(path, problem="neither Canvas nor Moodle names its files so")


def contents(place):
    """Yield (path, bytes or the reason why there are none) for the files of a download.

    ``place`` is the ZIP file as it came, or the folder it was unpacked to. Nothing is written,
    and no link is followed.
    """
    place = Path(place)
    if place.is_dir():
        yield from _of_folder(place)
    elif place.is_file():
        try:
            with zipfile.ZipFile(place) as archive:
                yield from _of_archive(archive, _MAX_FILES, MAX_FILE)
        except CourseError:
            raise
        except Exception:
            raise CourseError(f"{place} is no ZIP file that can be read.") from None
    else:
        raise CourseError(f"{place} is not there: neither a ZIP file nor a folder.")


def _of_folder(place):
    paths = (path for path in sorted(place.rglob("*")) if path.is_symlink() or not path.is_dir())
    for path in paths:
        name = path.relative_to(place).as_posix()
        if _is_rubbish(name):
            continue
        try:
            yield name, read_regular_file(path, MAX_FILE)
        except Unreadable as reason:
            yield name, str(reason)


def _of_archive(archive, most, size):
    entries = [info for info in archive.infolist() if not info.is_dir()]
    if len(entries) > most:
        raise CourseError(f"{archive.filename} holds {len(entries)} files, more than {most}.")
    for info in entries:
        if _is_rubbish(info.filename):
            continue
        if stat.S_ISLNK(info.external_attr >> 16):
            yield info.filename, "a link"
        elif info.file_size > size:
            yield info.filename, f"it holds more than {size / 1e6:g} MB"
        else:
            try:
                with archive.open(info) as file:
                    data = file.read(size + 1)
            except Exception as error:  # whatever a reader comes upon in a damaged file
                yield info.filename, _damaged(error)
                continue
            large = len(data) > size
            yield info.filename, f"it holds more than {size / 1e6:g} MB" if large else data


def _is_rubbish(name):
    """What systems put beside files of their own accord."""
    parts = PurePosixPath(name).parts
    return "__MACOSX" in parts or parts[-1:] in ((".DS_Store",), ("Thumbs.db",), ("desktop.ini",))


class Room:
    """What the files of one student may still take, all together."""

    def __init__(self):
        self._bytes, self._files = _MAX_BYTES_OF_ONE, _MAX_FILES_OF_ONE
        self._unpacks = True

    def takes(self, data):
        """Whether there is room for a file, which has its place then."""
        if len(data) > self._bytes or not self._files:
            return False
        self._bytes -= len(data)
        self._files -= 1
        return True

    def unpacked(self, name, data):
        """{name: bytes} of what a student packed into a ZIP file, and None.

        Or the file itself, and why it is kept as it came.
        """
        if not name.lower().endswith(".zip"):
            return {name: data}, None
        try:
            return self._contents(data), None
        except _Kept as reason:
            return {name: data}, str(reason)
        except Exception as error:  # whatever a reader comes upon in a damaged file
            return {name: data}, _damaged(error)

    def _contents(self, data):
        left = min(_MAX_NESTED_BYTES, self._bytes)
        too_much = _Kept("what is in it takes too much, with the student's other files")
        if not self._unpacks:  # nobody has many such files unpacked in vain
            raise too_much
        found = {}
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for inner, content in _of_archive(archive, _MAX_NESTED_FILES, MAX_FILE):
                plain = PurePosixPath(inner.replace("\\", "/")).name
                if isinstance(content, str):
                    raise _Kept(f"{plain} in it: {content}")
                if not plain:
                    raise _Kept("a file in it has no name")
                if plain in found:
                    raise _Kept(f"two files in it have the name {plain}")
                left -= len(content)
                if left < 0:
                    self._unpacks = False
                    raise too_much
                found[plain] = content
        if not found:
            raise _Kept("it holds no files")
        return found


class _Kept(Exception):
    """A student's ZIP file stays as it came; the message is the reason."""


def _damaged(error):
    return f"it can't be unpacked ({error or type(error).__name__})"
