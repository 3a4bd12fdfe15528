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


def answers(student):
    """Return what a student fills in: {assignment: {grade_id: source}}."""
    if student == "untouched":
        return {}
    if student == "solution":
        return {name: solution_sources(name) for name in ASSIGNMENTS}
    return {
        name: {e.grade_id: noisy(solution_sources(name)[e.grade_id]) for e in first_half(name)}
        for name in ASSIGNMENTS
    }


def noisy(source):
    """Return a function's source with a line that writes to stderr, which must cost no points."""
    lines = ["import sys", 'print("a note", file=sys.stderr)', "### BEGIN SOLUTION"]
    return source.replace("### BEGIN SOLUTION", "\n    ".join(lines))


def expected_marks(name, student):
    """Return the mark of each test cell, by grade_id."""
    exercises = ASSIGNMENTS[name].exercises
    solved = {"solution": exercises, "untouched": [], "half": first_half(name)}[student]
    return {e.test_id: (e.points if e in solved else 0, e.points) for e in exercises}


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """Two kernels at a time on two cores: threads of torch would only wait for each other."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.mark.timeout(1800)
def test_way_of_a_notebook(tmp_path):
    school = course.TrialCourse(tmp_path / "course")
    assert school.assignments == sorted(ASSIGNMENTS)

    # The instructor generates and releases.
    school.generate()
    school.release()
    for name in ASSIGNMENTS:
        committed = course.ROOT / "exercises" / name / f"{name}.ipynb"
        released = school.exchange / course.COURSE_ID / "outbound" / name / f"{name}.ipynb"
        assert released.read_bytes() == committed.read_bytes()

    # Students list, fetch, solve, validate and submit.
    for student in STUDENTS:
        school.add_student(student)
    listed = school.as_student("half", "list")
    assert all(f"{course.COURSE_ID} {name}" in listed for name in ASSIGNMENTS)

    def work(student):
        school.fetch(student)
        school.solve(student, answers(student))
        printed = {}
        for name in ASSIGNMENTS:
            if student != "half":
                printed[name] = school.validate(student, name)
            school.submit(student, name)
        return printed

    printed = dict(
        zip(STUDENTS, course.in_parallel([lambda s=s: work(s) for s in STUDENTS]), strict=True)
    )
    for name, assignment in ASSIGNMENTS.items():
        assert SUCCESS in printed["solution"][name]
        untouched = printed["untouched"][name]
        assert SUCCESS not in untouched
        failed = len(assignment.exercises) + 1  # the written question too
        assert f"VALIDATION FAILED ON {failed} CELL(S)!" in untouched
        assert "NotImplementedError: Your code comes here" in untouched
    inbound = school.as_student("half", "list", "--inbound", "--student=half")
    assert all(f"{course.COURSE_ID} half {name}" in inbound for name in ASSIGNMENTS)

    # The instructor collects, grades, and gives feedback.
    school.collect()
    each = [(student, name) for name in ASSIGNMENTS for student in STUDENTS]
    logs = course.in_parallel([lambda one=one: school.autograde(*one) for one in each])
    assert not any("ERROR" in log for log in logs)
    school.feedback()
    school.fetch_feedback("half")

    marks = school.marks()
    exported = {(row["student_id"], row["assignment"]): row for row in school.export()}
    assert len(exported) == len(STUDENTS) * len(ASSIGNMENTS)
    for name in ASSIGNMENTS:
        total = sum(e.points for e in ASSIGNMENTS[name].exercises)
        for student, share in (("solution", 1), ("untouched", 0), ("half", 1 / 2)):
            mark = marks[student][name]
            tests = {i: cell for i, cell in mark.cells.items() if i.endswith("-test")}
            assert tests == expected_marks(name, student)
            assert mark.automatic == (share * total, total)

            # The written question waits for a person, unless nothing was written.
            ((_, (score, points)),) = [c for c in mark.cells.items() if c[0] not in tests]
            assert score == (None if student == "solution" else 0)

            row = exported[student, name]
            assert float(row["score"]) == share * total
            assert float(row["max_score"]) == total + points

            page = school.instructor / "feedback" / student / name / f"{name}.html"
            assert page.is_file()
        (fetched,) = (school.students["half"] / name / "feedback").glob("*/*.html")
        assert "NotImplementedError" in fetched.read_text(encoding="utf-8")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", sorted(ASSIGNMENTS))
def test_quantgrader_gives_the_same_marks(tmp_path, name):
    """The same three students, graded in the sandbox with the class's own hidden checks."""
    require_sandbox()
    school = RealSchool.make(tmp_path / "course", name)
    for student in STUDENTS:
        school.hand_in(student, answers(student).get(name, {}), solved=False)
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


@pytest.mark.timeout(300)
def test_partial_marks_are_those_of_the_grader(tmp_path):
    """nbgrader's marks for wrong answers are what the cases, compared outside, give."""
    import nbformat

    notebooks, expected = {}, {}
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
        notebooks[name] = tmp_path / f"{name}.ipynb"
        nbformat.write(course.fill_in(released, wrong), notebooks[name])
        expected[name] = assignment.marks(wrong)
    marks = course.grade({"reader": notebooks}, way=lambda trial: trial.autograde("reader"))
    marks = marks["reader"]
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
