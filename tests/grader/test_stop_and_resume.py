"""Kill the command at any moment, again and again; the marks are those of an undisturbed run."""

import os
import random
import shutil
import signal
import time

import psutil
import pytest

from quantgrader.course.gradebook import open_gradebook
from quantgrader.course.journal import Journal
from tests.grader import grading_support as small
from tests.grader.sandbox_support import require_sandbox

pytestmark = pytest.mark.slow

KILLS = 20
GOOD = {"double": small.DOUBLE, "mean": small.MEAN, "why": "Because it is."}
WAITS = "import time\ntime.sleep(0.6)"
# Twelve submissions, with what each is to have in the end.
SUBMISSIONS = {
    "a-honest": (GOOD, small.full()),
    "b-waits": (GOOD | {"imports": WAITS}, small.full()),
    "c-no-mean": (GOOD | {"mean": "mean = None"}, small.full(**{"mean-test": 0.0})),
    "d-partial": (
        GOOD | {"double": "def double(x):\n    return x * abs(x)"},
        small.full(**{"double-test": 1.0}),
    ),
    "e-exits": (
        GOOD | {"double": "import os\ndef double(x):\n    os._exit(0)"},
        small.full(**{"double-test": 0.0}),
    ),
    "f-broken": ("{", {"double-test": None, "mean-test": None, "why": None}),
    "g-waits": (GOOD | {"imports": WAITS}, small.full()),
    "h-untouched": ({}, {"double-test": 0.0, "mean-test": 0.0, "why": 0.0}),
    "i-raises": (
        GOOD | {"mean": "def mean(v):\n    raise ValueError"},
        small.full(**{"mean-test": 0.0}),
    ),
    "j-no-answer": (GOOD | {"why": small.ANSWER_STUB}, small.full(why=0.0)),
    "k-waits": (GOOD | {"imports": WAITS}, small.full()),
    "z-honest": (GOOD, small.full()),
}
EXPECTED = {student: marks for student, (_, marks) in SUBMISSIONS.items()}


def fill(school):
    for student, (answers, _) in SUBMISSIONS.items():
        if isinstance(answers, str):
            school.submit(student, answers)
        else:
            school.submit(student, **answers)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A course that was graded in one go."""
    require_sandbox()
    school = small.School.make(tmp_path_factory.mktemp("undisturbed") / "course")
    fill(school)
    start = time.monotonic()
    status, printed = school.run("grade", "small", "--jobs", "2")
    assert status == 0, printed
    assert school.marks() == EXPECTED
    # On a machine that is busy just then, too, most runs are to be killed in the midst of the work.
    return school, min(time.monotonic() - start, 40)


def results_of(school):
    """What the journal says of every student, but for how long it took."""
    journal = Journal(school.root / "journal" / "small")
    found = {student: journal.read(student) for student in EXPECTED}
    return {
        student: result and (result.status, result.marks, result.reasons, result.notes)
        for student, result in found.items()
    }


def start_again(school):
    """As if nothing had been graded yet."""
    for name in ("journal", "autograded"):
        shutil.rmtree(school.root / name)
    with open_gradebook(school.course()) as book:
        # A command killed between its last result and the gradebook leaves some out of this.
        for student in [student.id for student in book.students]:
            book.remove_student(student)


def kill_group(process):
    """SIGKILL to the command and its workers at once; True if it was still at work."""
    family = [process, *psutil.Process(process.pid).children(recursive=True)]
    at_work = process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    # The sandboxes are no part of the group; they go with the workers that started them.
    _, alive = psutil.wait_procs(family[1:], timeout=60)
    assert alive == []
    return at_work


@pytest.mark.timeout(2400)
def test_killed_twenty_times(undisturbed, tmp_path):
    graded, seconds = undisturbed
    school = graded.copy(tmp_path / "course")
    start_again(school)
    moments, kills, finished_before = random.Random(12), 0, set()
    while kills < KILLS:
        process = school.command("grade", "small", "--jobs", "2", start_new_session=True)
        # Starting takes a part of it; the work is done in the rest.
        deadline = time.monotonic() + moments.uniform(0.05, 0.7) * seconds
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if process.poll() is None:
            kills += kill_group(process)
        else:
            process.communicate()
        finished = {student for student, result in results_of(school).items() if result}
        assert finished >= finished_before, "a finished result was lost"
        finished_before = finished
        # What the gradebook has by now is right, though it may not be all.
        for student, marks in school.marks().items():
            assert marks == EXPECTED[student], student
        if finished == set(EXPECTED):
            # It was done before it could be killed often enough: once more from the start.
            start_again(school)
            finished_before = set()
    status, printed = school.run("grade", "small", "--jobs", "2")
    assert status == 0, printed
    assert school.marks() == EXPECTED
    assert results_of(school) == results_of(graded)
    for student in EXPECTED.keys() - {"f-broken"}:
        path = f"autograded/{student}/small/small.ipynb"
        assert (school.root / path).read_bytes() == (graded.root / path).read_bytes(), student
    left = list((school.root / "journal").rglob(".tmp-*"))
    left += list((school.root / "autograded").rglob(".tmp-*"))
    assert left == []
