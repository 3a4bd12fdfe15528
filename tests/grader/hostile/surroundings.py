"""What is outside of a submission, and whether anything of it was touched."""

import hashlib
import os
import secrets
import socket
import sqlite3
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from pathlib import Path

import psutil

import quantgrader
from tests.grader.hostile.bank import World

# What grading itself writes.
_WRITTEN = ("autograded", "journal", "gradebook.db", "home")
_TABLES = (
    "course",
    "assignment",
    "notebook",
    "base_cell",
    "grade_cells",
    "solution_cells",
    "source_cell",
)


class Listener:
    """Counts whoever talks to this machine: by TCP, UDP, or a socket with an abstract name."""

    def __init__(self, name):
        self.calls = 0
        self._sockets = [socket.create_server(("127.0.0.1", 0))]
        self.port = self._sockets[0].getsockname()[1]
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.bind(("127.0.0.1", self.port))
        abstract = socket.socket(socket.AF_UNIX)
        abstract.bind(f"\0{name}")
        abstract.listen()
        self._sockets += [datagrams, abstract]
        for one in self._sockets:
            threading.Thread(target=self._listen, args=(one,), daemon=True).start()

    def _listen(self, one):
        while True:
            try:
                if one.type == socket.SOCK_DGRAM:
                    one.recv(100)
                else:
                    one.accept()[0].close()
            except OSError:
                return
            self.calls += 1

    def close(self):
        for one in self._sockets:
            one.close()


class Family(threading.Thread):
    """Takes down every process that a command starts, while it runs."""

    def __init__(self, process):
        super().__init__(daemon=True)
        self._root, self._done = psutil.Process(process.pid), threading.Event()
        self.seen = set()

    def run(self):
        while not self._done.wait(0.1):
            try:
                self.seen.update(self._root.children(recursive=True))
            except psutil.Error:
                return

    def left(self):
        """Those that are still there, a moment after the command has ended."""
        self._done.set()
        return psutil.wait_procs(self.seen, timeout=15)[1]


def files_of(folder, leave_out=()):
    """{name: what it is and holds} of everything in a folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if name.parts[0] in leave_out or "__pycache__" in name.parts:
            continue
        status = path.lstat()
        data = b""
        if path.is_symlink():
            data = os.fsencode(os.readlink(path))
        elif path.is_file() and status.st_size < 30_000_000:
            data = path.read_bytes()
        found[os.fsencode(name)] = (
            status.st_mode, status.st_uid, status.st_nlink, status.st_size,
            hashlib.sha256(data).hexdigest(),
        )  # fmt: skip
    return found


class Surroundings:
    """A course full of submissions, a process, a listener and the machine's common places.

    ``harm()`` names what was touched since `look`: "files", "gradebook", "processes", "network".
    """

    def __init__(self, school):
        self.school = school
        self.mark = f"mark{secrets.token_hex(8)}"
        self.listener = Listener(self.mark)
        self.bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        self.family = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.bystander.kill()
        self.bystander.wait()
        for path in self._marked():
            path.unlink()

    def world(self, before):
        """What an attacker may know of it."""
        return World(
            self.school.root, before, self.listener.port, self.bystander.pid, self.mark
        )  # fmt: skip

    def grade(self, *options):
        """Run the command; return its exit status and what it printed."""
        self._before = files_of(self.school.root, _WRITTEN), self._rows(), self._sources()
        self._start = time.monotonic()
        process = self.school.command("grade", "small", *options, start_new_session=True)
        self.family = Family(process)
        self.family.start()
        printed = process.communicate()[0]
        return process.returncode, printed

    def harm(self):
        """{what was touched: in which way}."""
        students = set(self.school.course().submitters("small"))
        files, rows, sources = self._before
        found = {
            "files": [
                *_different(files, files_of(self.school.root, _WRITTEN)),
                *_different(sources, self._sources()),
                *map(str, self._marked()),
                *self._unexpected(students),
            ],
            "gradebook": [*_different(rows, self._rows()), *self._forged_rows(students)],
            "processes": [str(p) for p in self.family.left()]
            + ([] if self.bystander.poll() is None else ["the bystander is dead"]),
            "network": [f"{self.listener.calls} calls"] if self.listener.calls else [],
        }
        return {what: how for what, how in found.items() if how}

    def _marked(self):
        """Files that bear the mark, where an attack may have left them."""
        folders = {
            tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm", "/run", "/etc/profile.d",
            Path.home(), Path.home() / ".ipython/profile_default/startup", Path.cwd(),
            self.school.root, sysconfig.get_path("purelib"), Path(quantgrader.__file__).parent,
        }  # fmt: skip
        # The abstract socket has no file; nothing with the mark is there before.
        found = (path for folder in folders for path in Path(folder).glob(f"*{self.mark}*"))
        home = (self.school.root / "home").rglob(f"*{self.mark}*")
        return sorted({*found, *home})

    def _unexpected(self, students):
        """Files among the results that belong to no student, or are not what grading writes."""
        folder = self.school.root / "autograded"
        for path in folder.rglob("*"):
            parts = path.relative_to(folder).parts
            names = ("small", "small.ipynb") if len(parts) == 3 else ("small",)
            known = parts[0] in students and parts[1:] in ((), names[: len(parts) - 1])
            if not known and parts[-1] != "timestamp.txt":
                yield str(path)
        for path in (self.school.root / "journal" / "small").iterdir():
            if path.name not in (".lock", "workers.log") and self.mark in path.name:
                yield str(path)
        results = list((self.school.root / "journal" / "small").glob("*.json"))
        if len(results) != len(students):
            yield f"{len(results)} results of {len(students)} students"

    def _rows(self):
        """The rows of the gradebook that grading has no business to change."""
        with sqlite3.connect(self.school.root / "gradebook.db") as book:
            return {
                (table, n): row
                for table in _TABLES
                for n, row in enumerate(book.execute(f"select * from {table} order by 1"))
            }

    def _forged_rows(self, students):
        """Rows that grading never writes: other students, marks by hand, extra credit."""
        with sqlite3.connect(self.school.root / "gradebook.db") as book:
            for (name,) in book.execute("select id from student"):
                if name not in students:
                    yield f"a student {name}"
            by_hand = "select count(*) from grade where manual_score is not null"
            for (count,) in book.execute(f"{by_hand} or extra_credit is not null"):
                if count:
                    yield f"{count} marks by hand"
            for (count,) in book.execute(
                "select count(*) from comment where manual_comment is not null"
            ):
                if count:
                    yield f"{count} comments by hand"

    def _sources(self):
        """The grader's own code."""
        return files_of(Path(quantgrader.__file__).parent)


def _different(before, after):
    """What was changed, added or taken away."""
    keys = [key for key in before.keys() | after.keys() if before.get(key) != after.get(key)]
    return [f"{key!r}: {before.get(key)} -> {after.get(key)}" for key in sorted(keys, key=repr)]
