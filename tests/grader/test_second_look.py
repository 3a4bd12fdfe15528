"""A function that calls an earlier one doesn't lose its points for that one's mistake."""

import pytest

from quantgrader.cases import Case, equals
from quantgrader.cases.compare import Mark
from quantgrader.cases.questions import Question
from quantgrader.course.journal import Journal
from quantgrader.release import authoring
from quantgrader.second_look import SecondLook, second_looks
from tests.grader import grading_support as small
from tests.grader.sandbox_support import require_sandbox

TRIPLED = "def double(x):\n    return 3 * x"
#: Right if `double` is, in two steps; and wrong in any case.
BY_HALVES = "def mean(values):\n    return halves(values) / len(values)"
HALVES = "def halves(values):\n    return double(sum(values)) / 2"
SUM = "def mean(values):\n    return double(sum(values))"


QUESTIONS = [Question("double-test", "double", None), Question("mean-test", "mean", None)]


def looks(double, mean, *others, scores=(1.0, 0.0), asked=QUESTIONS):
    marks = {
        "double-test": Mark(scores[0], 3.0),
        "mean-test": Mark(scores[1], 2.0),
        "why": Mark(None, 4.0),
    }
    answers = {"double": small.DOUBLE, "mean": small.MEAN}
    sources = [double, *others, mean]
    found = second_looks(small.reference(), asked, answers, marks, sources)
    return [(look.function, look.instead) for look in found]


def test_only_what_names_a_failing_earlier_function_is_looked_at_again():
    assert looks(TRIPLED, BY_HALVES, HALVES) == [("mean", ("double",))]
    assert looks(TRIPLED, SUM) == [("mean", ("double",))]
    assert looks(TRIPLED, small.MEAN) == []  # it stands on its own
    assert looks(TRIPLED, SUM, scores=(3.0, 0.0)) == []  # double is right
    assert looks(TRIPLED, SUM, scores=(1.0, 2.0)) == []  # mean is
    assert looks(TRIPLED, SUM, asked=QUESTIONS[:1]) == []  # mean isn't asked
    # A later one is no excuse for an earlier one.
    assert looks("def double(x):\n    return mean([x, x, x])", small.MEAN) == []


def test_the_model_answer_takes_the_place_of_the_failing_one_only():
    (look,) = second_looks(
        small.reference(),
        QUESTIONS,
        {"double": small.DOUBLE, "mean": small.MEAN},
        {"double-test": Mark(0.0, 3.0), "mean-test": Mark(0.0, 2.0)},
        [TRIPLED, SUM],
    )
    handed_in = small.answered(double=TRIPLED, mean=SUM)
    before = [cell.source for cell in handed_in.cells]
    job = look.job(small.reference(), [], {"double": "model"}, handed_in)
    assert [cell.source for cell in handed_in.cells] == before
    changed = [cell.source for cell in job.cells]
    asked = [cell.source for cell in handed_in.cells if cell.cell_type == "code"]
    assert [pair for pair in zip(asked, changed, strict=True) if pair[0] != pair[1]] == [
        (TRIPLED, "model")
    ]


def second_job(*, mean, mean_test=""):
    """The cells of the second look at `mean`, which is asked one question."""
    asked = [Question("mean-test", "mean", Case(([1, 2],), equals(1.5, "Not 1.5.")))]
    look = SecondLook("mean-test", "mean", ("double",))
    handed_in = small.answered(double=TRIPLED, mean=mean, why="x = 1")
    small.cell_of(handed_in, "mean-test").source += mean_test
    job = look.job(small.reference(), asked, {"double": small.DOUBLE}, handed_in)
    numbers = [cell["id"] for cell in handed_in.cells]
    return {numbers[int(cell.grade_id)]: cell.source for cell in job.cells}


def test_a_second_look_runs_only_what_comes_before_the_checks_of_its_function():
    found = second_job(mean=SUM)
    assert list(found)[-2:] == ["mean", "mean-test"]
    assert found["double"] == small.DOUBLE and found["mean"] == SUM
    assert found["mean-test"] == ""  # the moment at which `mean` is taken as it is, and no more


def test_a_second_look_runs_everything_where_the_function_is_defined_further_down():
    found = second_job(mean="pass", mean_test=f"\n{SUM}")
    assert SUM in found["mean-test"]


def test_model_answers_come_with_the_cases(tmp_path):
    made = authoring.model_answers(small.source_notebook())
    assert list(made) == ["double", "mean"]
    assert "return 2 * x" in made["double"]


KILLS = "import os\ndef double(x):\n    os._exit(0)"
#: Would be right if the kernel of the second look had anything of the first one's.
KEPT = """\
from pathlib import Path
def double(x):
    Path("asked").touch()
    return 3 * x
"""
PRINTS = """\
import inspect
def mean(values):
    raise ValueError(inspect.getsource(double))
"""


@pytest.mark.slow
def test_marks_and_what_is_said(tmp_path):
    require_sandbox()
    school = small.School.make(tmp_path / "course")
    school.submit("builds", double=TRIPLED, mean=f"{HALVES}\n\n{BY_HALVES}", why="!")
    school.submit("kills", double=KILLS, mean=f"{HALVES}\n\n{BY_HALVES}", why="!")
    school.submit("missing", mean=f"{HALVES}\n\n{BY_HALVES}", why="!")
    school.submit("keeps", double=KEPT, mean=f"{HALVES}\n\n{BY_HALVES}", why="!")
    school.submit("own", double=TRIPLED, mean=SUM, why="!")
    school.submit("prints", double=TRIPLED, mean=PRINTS, why="!")
    status, printed = school.run("grade", "small", "--jobs", "2")
    assert status == 0, printed
    assert school.marks() == {
        "builds": small.full(**{"double-test": 0.0}),
        "kills": small.full(**{"double-test": 0.0}),
        "missing": small.full(**{"double-test": 0.0}),
        "keeps": small.full(**{"double-test": 0.0}),
        "own": small.full(**{"double-test": 0.0, "mean-test": 0.0}),
        "prints": small.full(**{"double-test": 0.0, "mean-test": 0.0}),
    }
    journal = Journal(school.root / "journal" / "small")
    said = "Asked with the course's own `double`, since yours fails checks of its own."
    assert journal.read("builds").marks["mean-test"].messages == (said,)
    assert said not in journal.read("own").marks["mean-test"].messages
    for path in (school.root / "autograded").rglob("*.ipynb"):
        assert "2 * x" not in path.read_text(), path
