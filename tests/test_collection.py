"""The ids of the tests: two processes that collect at different moments must see the same ones."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# A pytest plugin, loaded before any test is imported: the clock is moved by as many seconds.
MOVED_CLOCK = """
import os, time

seconds = int(os.environ["MOVED_BY"])
time_, time_ns = time.time, time.time_ns
time.time = lambda: time_() + seconds
time.time_ns = lambda: time_ns() + seconds * 10**9
"""
# Two ways to be: another hash of text (and so another order in sets), another moment, another name.
# The second clock is some seconds, some minutes and a hundred days ahead.
SETTINGS = [
    {"PYTHONHASHSEED": "1", "MOVED_BY": "0", "USER": "ada", "LOGNAME": "ada"},
    {"PYTHONHASHSEED": "2", "MOVED_BY": "8640187", "USER": "grace", "LOGNAME": "grace"},
]


def collected_twice(suite, root, folder):
    """Return the ids that pytest finds in ``suite``, in each of the SETTINGS."""
    (folder / "moved_clock.py").write_text(MOVED_CLOCK)
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "moved_clock"]
    # Rewriting the assertions would take a third of the time, and no id depends on them.
    command += ["--assert=plain", "-p", "no:cacheprovider", "--rootdir", str(root), str(suite)]
    processes = []
    for settings in SETTINGS:
        temporary = folder / f"temporary_{settings['USER']}"
        temporary.mkdir()
        environment = os.environ | settings | {"PYTHONPATH": path, "TMPDIR": str(temporary)}
        environment.pop("PYTEST_ADDOPTS", None)
        processes.append(
            subprocess.Popen(
                command,
                cwd=root,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    outputs = [process.communicate()[0] for process in processes]
    for process, output in zip(processes, outputs, strict=True):
        assert process.returncode == 0, output[-3000:]
    return [[line for line in output.splitlines() if "::" in line] for output in outputs]


@pytest.mark.slow
def test_the_ids_depend_on_nothing_but_the_code(tmp_path):
    first, second = collected_twice(ROOT / "tests", ROOT, tmp_path)
    assert len(first) > 1000
    assert first == second


# How an id may come to depend on something else by mistake: code of a list of ids.
UNSTEADY = {
    "second": "[time.time_ns() // 10**9]",
    "day": "[int(time.time()) // 86400]",
    "bytes_of_gzip": "[str(gzip.compress(b'ab', mtime=None))]",
    "order_in_a_set": "['-'.join({'ab', 'cd', 'ef', 'gh', 'ij', 'kl'})]",
    "temporary_folder": "[tempfile.gettempdir()]",
    "temporary_file": "[tempfile.mktemp()]",
    "random_name": "[uuid.uuid4().hex]",
    "user": "[getpass.getuser()]",
}
TEST = """
@pytest.mark.parametrize("value", {ids}, ids=str)
def test_{name}(value):
    pass
"""


def test_two_collections_see_every_id_that_depends_on_something_else(tmp_path):
    suite = tmp_path / "suite"
    suite.mkdir()
    (suite / "pytest.ini").write_text("[pytest]\n")
    tests = [TEST.format(name=name, ids=ids) for name, ids in {"steady": "[1]", **UNSTEADY}.items()]
    head = "import getpass, gzip, tempfile, time, uuid\nimport pytest\n"
    (suite / "test_it.py").write_text(head + "".join(tests))
    first, second = collected_twice(suite, suite, tmp_path)
    assert len(first) == len(second) == 1 + len(UNSTEADY)
    assert set(first) & set(second) == {"test_it.py::test_steady[1]"}
