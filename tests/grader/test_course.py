"""The way of a notebook, from the instructor to the student and back, by nbgrader's commands.

Three students take part: one hands in the instructor's solution, one the notebook as it was
fetched, one the first functions only, which are worth half of the automatic points.
"""

import pytest

from quantgrader.sandbox import walls
from tests.grader.grading_support import RealSchool
from tests.grader.sandbox_support import require_sandbox
from tests.variants import harness
from tools import course

pytestmark = pytest.mark.slow

ASSIGNMENTS = harness.load_assignments()
STUDENTS = ("solution", "untouched", "half")
SUCCESS = "Success! Your notebook passes all the tests."


def solution_sources(name):
    """Return the model answers by grade_id."""
    cells = course.solution_cells(ASSIGNMENTS[name].notebook)
    return {grade_id: cell.source for grade_id, cell in cells.items()}


def first_half(name):
    """Return the first exercises whose points add up to half of the automatic ones."""
    exercises = ASSIGNMENTS[name].exercises
    goal = sum(e.points for e in exercises) / 2
    return next(
        exercises[:k] for k in range(len(exercises)) if sum(e.points for e in exercises[:k]) == goal
    )


def answers(name, student):
    """Return what a student fills in: {grade_id: source}."""
    sources = solution_sources(name)
    if student == "half":
        return {
            e.grade_id: noisy(
                sources[e.grade_id], "modules=" not in ASSIGNMENTS[name].sources[e.test_id]
            )
            for e in first_half(name)
        }
    return sources if student == "solution" else {}


def noisy(source, imports=True):
    """Return a function's source with a line that prints, which must cost no points.

    It prints to stderr where the function may use the module that it takes.
    """
    note = ["import sys", 'print("a note", file=sys.stderr)'] if imports else ['print("a note")']
    return source.replace("### BEGIN SOLUTION", "\n    ".join([*note, "### BEGIN SOLUTION"]))


def expected_marks(name, student):
    """Return the mark of each test cell, by grade_id."""
    exercises = ASSIGNMENTS[name].exercises
    solved = {"solution": exercises, "untouched": [], "half": first_half(name)}[student]
    return {e.test_id: (e.points if e in solved else 0, e.points) for e in exercises}


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """Two kernels at a time on two cores: threads of torch would only wait for each other."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def test_way_of_a_notebook(tmp_path):
    """One exercise in full; what differs between exercises is looked at below."""
    name = max(ASSIGNMENTS)
    school = course.TrialCourse(tmp_path / "course", assignments=[name])

    # The instructor generates and releases.
    school.generate()
    school.release()
    committed = course.ROOT / "exercises" / name / f"{name}.ipynb"
    released = school.exchange / course.COURSE_ID / "outbound" / name / f"{name}.ipynb"
    assert released.read_bytes() == committed.read_bytes()

    # Students list, fetch, solve, validate and submit.
    for student in STUDENTS:
        school.add_student(student)
    assert f"{course.COURSE_ID} {name}" in school.as_student("half", "list")

    def work(student):
        school.fetch(student)
        school.solve(student, {name: answers(name, student)})
        printed = school.validate(student, name) if student != "half" else None
        school.submit(student, name)
        return printed

    solved, untouched, _ = course.in_parallel([lambda s=s: work(s) for s in STUDENTS])
    assert SUCCESS in solved
    assert SUCCESS not in untouched
    failed = len(ASSIGNMENTS[name].exercises) + 1  # the written question too
    assert f"VALIDATION FAILED ON {failed} CELL(S)!" in untouched
    assert "NotImplementedError: Your code comes here" in untouched
    inbound = school.as_student("half", "list", "--inbound", "--student=half")
    assert f"{course.COURSE_ID} half {name}" in inbound

    # The instructor collects, grades, and gives feedback.
    school.collect()
    logs = course.in_parallel([lambda s=s: school.autograde(s, name) for s in STUDENTS])
    errors = [log for log in logs if "[AutogradeApp | ERROR]" in log]
    assert not errors, "\n".join(errors)
    school.feedback()
    school.fetch_feedback("half")

    marks = school.marks()
    exported = {row["student_id"]: row for row in school.export()}
    assert len(exported) == len(STUDENTS)
    total = sum(e.points for e in ASSIGNMENTS[name].exercises)
    for student, share in (("solution", 1), ("untouched", 0), ("half", 1 / 2)):
        mark = marks[student][name]
        tests = {i: cell for i, cell in mark.cells.items() if i.endswith("-test")}
        assert tests == expected_marks(name, student)
        assert mark.automatic == (share * total, total)

        # The written question waits for a person, unless nothing was written.
        ((_, (score, points)),) = [c for c in mark.cells.items() if c[0] not in tests]
        assert score == (None if student == "solution" else 0)

        assert float(exported[student]["score"]) == share * total
        assert float(exported[student]["max_score"]) == total + points

        page = school.instructor / "feedback" / student / name / f"{name}.html"
        assert page.is_file()
    (fetched,) = (school.students["half"] / name / "feedback").glob("*/*.html")
    assert "NotImplementedError" in fetched.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(ASSIGNMENTS))
def test_quantgrader_gives_the_same_marks(generated, tmp_path, name):
    """The same three students, graded in the sandbox with the class's own hidden checks."""
    require_sandbox()
    school = RealSchool.make(tmp_path / "course", name, generated)
    for student in STUDENTS:
        school.hand_in(student, answers(name, student), solved=False)
    status, printed = school.run("grade", name, "--jobs", "2")
    assert status == 0, printed
    for student, found in school.marks().items():
        tests = {i: score for i, score in found.items() if i.endswith("-test")}
        assert tests == {i: mark for i, (mark, _) in expected_marks(name, student).items()}
    assert set(school.marks()) == set(STUDENTS)


def test_grade_takes_filled_in_notebooks(tmp_path):
    """The short way that the demonstration uses."""
    require_sandbox()
    import nbformat

    name = sorted(ASSIGNMENTS)[0]
    released = course.read_notebook(course.ROOT / "exercises" / name / f"{name}.ipynb")
    answers = {e.grade_id: solution_sources(name)[e.grade_id] for e in first_half(name)}
    path = tmp_path / "filled_in.ipynb"
    nbformat.write(course.fill_in(released, answers), path)
    marks = course.grade({"reader": {name: path}})
    total = sum(e.points for e in ASSIGNMENTS[name].exercises)
    assert marks["reader"][name].automatic == (total / 2, total)


def test_demonstration_goes_on_without_the_sandbox(monkeypatch, capsys):
    from tools import demo

    missing = walls.Availability(False, False, ("There is none.",), ("Install it.",))
    monkeypatch.setattr(walls, "availability", lambda: missing)
    monkeypatch.setattr(demo, "grade", None)
    demo.print_marks("01_uniform")
    assert capsys.readouterr().out == f"{missing}\nSo nothing is graded here.\n"


def test_partial_marks_are_those_of_the_grader(generated, tmp_path):
    """nbgrader's marks for wrong answers are what the cases, compared outside, give."""
    import nbformat

    school, expected = course.TrialCourse(tmp_path / "course"), {}
    school.take_generated(generated)
    bank = harness.load_bank()
    for name, assignment in ASSIGNMENTS.items():
        wrong = {
            exercise.grade_id: [
                v
                for v in bank
                if (v.assignment, v.function) == (name, exercise.function) and not v.is_right
            ][-1].source
            for exercise in assignment.exercises
        }
        released = course.read_notebook(course.ROOT / "exercises" / name / f"{name}.ipynb")
        submitted = school.instructor / "submitted" / "reader" / name
        submitted.mkdir(parents=True)
        nbformat.write(course.fill_in(released, wrong), submitted / f"{name}.ipynb")
        expected[name] = assignment.marks(wrong)
    school.autograde("reader")
    marks = school.marks()["reader"]
    for name, assignment in ASSIGNMENTS.items():
        for exercise in assignment.exercises:
            score, points = marks[name].cells[exercise.test_id]
            assert score == pytest.approx(expected[name][exercise.test_id])
            assert score < points == exercise.points
        assert any(score > 0 for score in expected[name].values())


def test_a_command_that_fails_says_why(tmp_path):
    school = course.TrialCourse(tmp_path / "course", assignments=["01_uniform"])
    with pytest.raises(RuntimeError, match="release_assignment no_such_assignment exited with"):
        school.as_instructor("release_assignment", "no_such_assignment")
