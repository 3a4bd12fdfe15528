"""The grader, graded: hostile and broken submissions, each between two honest ones.

The bank of attacks is in `hostile/`. Many are graded in one run of the command. Of each run is
asked: what the attackers got, that the honest ones have all their points, and that nothing
outside of the submissions was touched.
"""

import json
import re

import nbformat
import pytest

from quantgrader import cases
from quantgrader.course.gradebook import open_gradebook
from quantgrader.course.journal import Journal
from quantgrader.pages.feedback import write_feedback
from quantgrader.sandbox.job import Cell, Job
from quantgrader.sandbox.runner import Runner
from tests.grader.grading_support import RealSchool, check_page, fingerprints
from tests.grader.hostile import availability, marks, notebooks, outside, results, uniform
from tests.grader.hostile.bank import RIGHT, WRONG, Attack, World, attack
from tests.grader.hostile.school import Attacked
from tests.grader.hostile.surroundings import Surroundings
from tests.grader.sandbox_support import LIMITS, require_sandbox

pytestmark = pytest.mark.slow

BANK = {
    "marks": marks.ATTACKS,
    "results": results.ATTACKS,
    "outside": outside.ATTACKS,
    "notebooks": notebooks.ATTACKS,
    "time": availability.TIME,
    "space": availability.SPACE,
    "crashes": availability.CRASHES,
}
EVERY = [one for group in BANK.values() for one in group]
_SIZE = 16
# Hidden inputs of the small course.
SECRETS = ("987.6543", "0.123454321")


def batches():
    """(name, attacks) of each run."""
    for name, group in BANK.items():
        for start in range(0, len(group), _SIZE):
            yield pytest.param(group[start : start + _SIZE], id=f"{name}-{start // _SIZE + 1}")


@pytest.fixture(scope="session")
def original(tmp_path_factory):
    require_sandbox()
    return Attacked.make(tmp_path_factory.mktemp("hostile") / "course")


@pytest.fixture
def surroundings(original, tmp_path):
    with Surroundings(original.copy(tmp_path / "course")) as found:
        yield found


def hand_in(surroundings, attacks):
    """Submissions in the order in which they are graded: {student: attack, or None for honest}."""
    school = surroundings.school
    found = {"00-honest": None}
    school.honest("00-honest")
    for number, one in enumerate(attacks, 1):
        before, name, after = list(found)[-1], f"{number:02}-{one.name}", f"{number:02}-~honest"
        school.attack(name, one, surroundings.world(before))
        school.honest(after)
        found |= {name: one, after: None}
    assert list(found) == surroundings.school.course().submitters("small")
    return found


def faults(surroundings, submissions):
    """What is not as it must be after a run, student by student, as lines."""
    journal = Journal(surroundings.school.root / "journal" / "small")
    honest, scores = Attack("honest"), surroundings.school.marks()
    for student, one in submissions.items():
        wanted, result = one or honest, journal.read(student)
        if scores.get(student) != wanted.scores:
            said = result and (result.reasons, result.notes, result.marks)
            yield f"{student} has {scores.get(student)}, not {wanted.scores}: {said}"
            continue
        status = "graded" if wanted.gets else "review"
        if result.status != status or (status == "review" and not result.reasons):
            yield f"{student} is {result.status}, not {status}: {result.reasons}"
        said = [*result.reasons, *result.notes]
        said += [text for mark in result.marks.values() for text in mark.messages]
        if not re.search(wanted.says, " ".join(said)):
            yield f"{student}: nothing says {wanted.says!r}: {said}"
        if one is None and (result.reasons or result.notes):
            yield f"{student} is honest, and it is said: {said}"
        if status == "graded":
            yield from written_faults(surroundings, student, wanted)


def written_faults(surroundings, student, wanted):
    """What is wrong with the graded notebook: live texts, secrets, size."""
    path = surroundings.school.root / "autograded" / student / "small" / "small.ipynb"
    text = path.read_text()
    cells = nbformat.reads(text, as_version=4).cells
    shown = [cell.get("outputs", cell.source) for cell in cells]
    kinds = {
        kind for cell in cells for out in cell.get("outputs", ()) for kind in out.get("data", ())
    }
    if live := kinds - {"text/plain", "image/png", "image/jpeg"}:
        yield f"{student}: the graded notebook shows {live}"
    for live in ("<script", "<img"):
        if live in json.dumps([c.source for c in cells if c.cell_type != "code"]):
            yield f"{student}: the graded notebook holds {live} in a text"
    for secret in SECRETS:
        if secret in json.dumps(shown):
            yield f"{student}: the graded notebook shows the hidden input {secret}"
    if len(text) > 3_000_000:
        yield f"{student}: the graded notebook has {len(text)} characters"
    if wanted.asserts:
        errors = [out for out in cells[-1].outputs if out.output_type == "error"]
        if errors or cells[-1].execution_count is None:
            yield f"{student}: {errors}"


def pages_of(school, name):
    """Write the feedback pages, and yield (student, text) of each."""
    with open_gradebook(school.course()) as book:
        paths = write_feedback(school.course(), name, book)
    for path in paths:
        yield path.parents[1].name, path.read_text(encoding="utf-8")


@pytest.mark.parametrize("attacks", list(batches()))
def test_attackers_between_honest_students(surroundings, attacks):
    submissions = hand_in(surroundings, attacks)
    status, printed = surroundings.grade("--jobs", "2")
    assert status == 0, printed
    assert list(faults(surroundings, submissions)) == []
    assert surroundings.harm() == {}
    pages = dict(pages_of(surroundings.school, "small"))
    assert set(pages) == set(submissions)
    for student, page in pages.items():
        check_page(page)
        assert not [secret for secret in SECRETS if secret in page], student


def test_bank():
    """Every attack has a name of its own, and there are many."""
    names = [one.name for one in EVERY]
    assert len(set(names)) == len(names) >= 100


FOOLING = [one for one in EVERY if one.fools]


@pytest.fixture(scope="module")
def runner():
    require_sandbox()
    with Runner(LIMITS) as found:
        yield found


def passing(runner, school, student, one, world):
    """Test cells that pass where the student runs his own notebook."""
    notebook = school.fill(student, one.sources(world))
    cells = [c for c in notebook.cells if c.cell_type == "code"]
    outcome = runner.run(Job(tuple(Cell(c.id, c.source) for c in cells)))
    assert outcome.ended is None, outcome.ended
    return {run.grade_id for run in outcome.cells if "-test" in run.grade_id and run.status == "ok"}


def test_wrong_answers_fail_in_the_notebook(surroundings, runner):
    wrong = attack("wrong", base=WRONG)
    assert passing(runner, surroundings.school, "x", wrong, surroundings.world("x")) == set()


@pytest.mark.parametrize("one", FOOLING, ids=lambda one: one.name)
def test_tests_in_the_notebook_are_fooled(surroundings, runner, one):
    """These attacks are real: whoever believes the notebook gives points for wrong answers."""
    found = passing(runner, surroundings.school, "x", one, surroundings.world("x"))
    assert found == set(one.fools)


ESCAPING = [one for one in EVERY if one.escapes]


def test_attacks_come_off_without_the_sandbox(surroundings):
    """These attacks are real too, and what looks after the surroundings sees them."""
    submissions = hand_in(surroundings, ESCAPING)
    status, printed = surroundings.grade("--jobs", "1", "--no-sandbox")
    assert status == 0, printed
    scores, harm = surroundings.school.marks(), surroundings.harm()
    for student, one in submissions.items():
        if one is not None and one.escapes == "marks":
            assert scores[student]["double-test"] >= 3 and scores[student]["mean-test"] >= 2
    assert set(harm) == {one.escapes for one in ESCAPING} - {"marks"}


def test_attacks_on_a_real_exercise(generated, tmp_path):
    """Marks that the attackers lose, on an exercise with torch; nobody else loses any."""
    require_sandbox()
    school = RealSchool.make(tmp_path / "course", "01_uniform", generated)
    wanted = {"00-honest": {}}
    school.hand_in("00-honest", {})
    world = World(school.root, "00-honest", 1, 0, "mark")
    for number, one in enumerate(uniform.ATTACKS, 1):
        cells = {name: text for name, text in one.sources(world).items() if name not in RIGHT}
        school.hand_in(f"{number:02}-{one.name}", cells)
        school.hand_in(f"{number:02}-~honest", {})
        wanted |= {f"{number:02}-{one.name}": one.gets, f"{number:02}-~honest": {}}
    process = school.command("grade", school.name, "--jobs", "2")
    printed = process.communicate()[0]
    assert process.returncode == 0, printed
    points = {task.grade_id: task for task in school.course().reference(school.name).tasks}
    full = {name: task.points if task.function else None for name, task in points.items()}
    assert school.marks() == {student: full | lost for student, lost in wanted.items()}
    marks = fingerprints(cases.read(school.root / "hidden" / f"{school.name}.json").functions)
    assert len(marks) > 1000
    for student, page in pages_of(school, school.name):
        check_page(page)
        assert not marks.found_in(page), student
