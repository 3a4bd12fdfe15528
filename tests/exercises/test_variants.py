"""The checks of the exercises tell right answers from wrong ones, and say what is wrong.

The bank is `tests/variants/`; `harness.py` there says what a variant is and which verdict it
must get.
"""

import ast
import json
import textwrap
from functools import cache

import pytest
import torch

from quantgrader.cases import requirements
from quantgrader.release import authoring
from quantgrader.sandbox import collector
from tests.variants import harness
from tools.mutate import OPEN_TASKS

# Some 20 s of one core for each exercise.
pytestmark = pytest.mark.slow

ASSIGNMENTS = harness.load_assignments()
BANK = harness.load_bank()
EXERCISES = [(name, e.function) for name, a in ASSIGNMENTS.items() for e in a.exercises]

on_each_exercise = pytest.mark.parametrize(("name", "function"), EXERCISES)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Two test processes on two cores: threads of torch would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def open_tasks(assignment):
    """The functions that train a network or search for one, for seconds, and are judged by it."""
    return [e for e in assignment.exercises if e.function in OPEN_TASKS]


def variants_of(name, function):
    return [v for v in BANK if (v.assignment, v.function) == (name, function)]


@pytest.mark.parametrize("variant", BANK, ids=str)
def test_verdict(variant):
    assert harness.faults(ASSIGNMENTS[variant.assignment], variant) == []


@on_each_exercise
def test_no_check_of_another_function_fails(name, function):
    """An open task, which takes seconds, has a test of its own below."""
    assignment = ASSIGNMENTS[name]
    wrong = next(v for v in variants_of(name, function) if not v.is_right)
    others = {e.test_id for e in assignment.exercises} - {e.test_id for e in open_tasks(assignment)}
    only = others | {assignment.exercise(function).test_id}
    assert harness.faults(assignment, wrong, only) == []


@pytest.mark.parametrize("name", [n for n, a in ASSIGNMENTS.items() if open_tasks(a)])
def test_an_open_task_passes_beside_wrong_answers(name):
    """Wrong answers to all functions that the model answer of the task does not call, at once."""
    assignment = ASSIGNMENTS[name]
    for task in open_tasks(assignment):
        wrong = {
            e.grade_id: next(v for v in variants_of(name, e.function) if not v.is_right).source
            for e in assignment.exercises
            if task.function not in assignment.callers[e.function] | {e.function}
        }
        assert wrong
        assert assignment.run(wrong, only={task.test_id}) == {task.test_id: None}


@pytest.mark.parametrize("name", sorted(ASSIGNMENTS))
def test_right_answers_pass_together(name):
    """A notebook in which no answer is the model's."""
    assignment = ASSIGNMENTS[name]
    for place in (0, 1):
        answers = {
            e.grade_id: [v for v in variants_of(name, e.function) if v.is_right][place].source
            for e in assignment.exercises
        }
        assert assignment.run(answers) == {e.test_id: None for e in assignment.exercises}


# The harness itself -----------------------------------------------------------------------

NOTEBOOK = {
    "double": (
        "def double(x):\n    return 2 * x",
        'check(double, (3,), equals(6, "not twice the number"))',
    ),
    "quadruple": (
        "def quadruple(x):\n    return double(double(x))",
        'check(quadruple, (1,), equals(4, "not four times the number"))',
    ),
    "triple": (
        "def triple(x):\n    return 3 * x",
        'check(triple, (2,), equals(6, "not three times"))',
    ),
}
HIDDEN = """
from quantgrader.cases.case import Case, equals


def double(generator):
    yield Case((5,), equals(10, "not twice another number"))


def quadruple(generator):
    yield Case((5,), equals(20, "not four times another number"))


def triple(generator):
    yield Case((5,), equals(15, "not three times another number"))
"""


@pytest.fixture
def small_assignment(tmp_path):
    """An assignment of three functions, the second of which calls the first."""
    from nbformat import v4, write

    imports = "import math\n\nfrom quantgrader.checks import check, check_hidden, equals"
    cells = [v4.new_code_cell(imports, id="imports")]
    for grade_id, (solution, test) in NOTEBOOK.items():
        marks = {"grade_id": grade_id, "solution": True, "grade": False}
        cells.append(v4.new_code_cell(solution, id=grade_id, metadata={"nbgrader": marks}))
        marks = {"grade_id": f"{grade_id}-test", "solution": False, "grade": True, "points": 1}
        cells.append(v4.new_code_cell(test, id=f"{grade_id}-test", metadata={"nbgrader": marks}))
    write(v4.new_notebook(cells=cells), tmp_path / "small.ipynb")
    (tmp_path / "hidden.py").write_text(HIDDEN, encoding="utf-8")
    return harness.Assignment(tmp_path / "small.ipynb")


def faults_of(assignment, tmp_path, function, source):
    path = tmp_path / "small" / f"{function}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(textwrap.dedent(source), encoding="utf-8")
    (variant,) = harness.read_variants(path)
    return harness.faults(assignment, variant, {e.test_id for e in assignment.exercises})


def test_harness_knows_who_calls_whom(small_assignment):
    assert small_assignment.callers == {
        "double": {"quadruple"},
        "quadruple": set(),
        "triple": set(),
    }


@pytest.mark.parametrize(
    ("function", "source"),
    [
        # Wrong, with the right message; the function that calls it fails with it.
        ("double", 'def wrong_sum(x):\n    """Message: not twice"""\n    return x + 2'),
        # Wrong by an exception, whose name is the message.
        ("triple", 'def wrong_name(x):\n    """Message: NameError"""\n    return y'),
        # Right, with an import, a helper and a name of the notebook.
        (
            "double",
            "import operator\n\ndef add(a):\n    return operator.add(a, math.floor(a))\n\n"
            'def right_sum(x):\n    """As a sum."""\n    return add(x)',
        ),
    ],
)
def test_harness_accepts_a_true_verdict(small_assignment, tmp_path, function, source):
    assert faults_of(small_assignment, tmp_path, function, source) == []


@pytest.mark.parametrize(
    ("function", "source", "fault"),
    [
        # Called wrong, but it is right.
        (
            "double",
            'def wrong_sum(x):\n    """Message: not twice"""\n    return x + x',
            "keeps the points of double-test",
        ),
        # Right for what students see, wrong for another input.
        (
            "triple",
            'def right_seen(x):\n    """The number that is seen."""\n    return 6',
            "fails triple-test: not three times another number",
        ),
        # Called right, but it is wrong.
        (
            "triple",
            'def right_sum(x):\n    """As a sum."""\n    return x + x',
            "fails triple-test: AssertionError: not three times",
        ),
        # Right by itself, but what calls it fails.
        (
            "double",
            'def right_once(x):\n    """Once."""\n    return {3: 6, 5: 10}[x]',
            "fails quadruple-test: KeyError: 1",
        ),
        # Wrong, with another message than the bank says.
        (
            "triple",
            'def wrong_sum(x):\n    """Message: added twice"""\n    return x + x',
            "should fail with 'added twice', but fails with 'AssertionError: not three times'",
        ),
        # Wrong, with no message in the bank.
        (
            "triple",
            'def wrong_sum(x):\n    """Twice only."""\n    return x + x',
            "has no line 'Message: ...' in its docstring",
        ),
    ],
)
def test_harness_reports_a_false_verdict(small_assignment, tmp_path, function, source, fault):
    assert faults_of(small_assignment, tmp_path, function, source) == [fault]


def test_harness_reports_a_failure_that_does_not_depend_on_the_answer(small_assignment, tmp_path):
    small_assignment.sources["triple"] += ' if "broken" not in globals() else 0'
    source = """
        def wrong_and_harmful(x):
            \"\"\"Message: not four times\"\"\"
            global broken
            broken = True
            return 5
        """
    assert faults_of(small_assignment, tmp_path, "quadruple", source) == [
        "also fails triple-test, which does not depend on it: AssertionError: not three times"
    ]


def test_harness_stops_where_students_and_grader_disagree(small_assignment, tmp_path):
    source = """
        def right_at_first(x, calls=[]):
            \"\"\"Right when it is called for the first time.\"\"\"
            calls.append(x)
            return 2 * x if len(calls) == 1 else 0
        """
    with pytest.raises(RuntimeError, match=r"double: students see None, the grader says 'not tw"):
        faults_of(small_assignment, tmp_path, "double", source)


# The bank -----------------------------------------------------------------------------------


def test_every_module_of_the_bank_is_of_a_graded_function():
    assert {(v.assignment, v.function) for v in BANK} == set(EXERCISES)


@on_each_exercise
def test_bank_is_large_enough(name, function):
    variants = variants_of(name, function)
    names = [v.name for v in variants]
    assert len(set(names)) == len(names)
    assert len({v.source for v in variants}) == len(variants)
    assert sum(not v.is_right for v in variants) >= 4
    assert sum(v.is_right for v in variants) >= 2


@on_each_exercise
def test_variants_have_the_parameters_of_the_function(name, function):
    assignment = ASSIGNMENTS[name]
    source = assignment.sources[assignment.exercise(function).grade_id]
    (definition,) = ast.parse(source).body
    assert definition.name == function
    for variant in variants_of(name, function):
        assert variant.parameters == harness.parameters(definition), variant


# The checks ---------------------------------------------------------------------------------


@on_each_exercise
def test_every_check_has_a_message_of_fixed_text(name, function):
    cases = ASSIGNMENTS[name].cases[function]
    assert {case.visible for case in cases} == {True, False}
    other = of_another_class(name, function)
    hidden = [case for case in cases if not case.visible]
    assert [case.messages for case in hidden] == [case.messages for case in other]
    for message in {message for case in cases for message in case.messages}:
        assert len(message) > 20 and message.endswith((".", "?")), message


def hidden_file(name):
    return ASSIGNMENTS[name].path.parent / "hidden.py"


@cache
def of_another_class(name, function):
    """Hidden cases of another seed than the default; only to be read."""
    return authoring.hidden_cases(hidden_file(name), function, "another class")


@on_each_exercise
def test_a_test_cell_calls_only_the_function_that_it_grades(name, function):
    assignment = ASSIGNMENTS[name]
    functions = {e.function for e in assignment.exercises}
    source = assignment.sources[assignment.exercise(function).test_id]
    assert harness.names_in(source) & functions == {function}
    # nbgrader would take a number as the last value of a test cell for a partial mark.
    last = ast.parse(source).body[-1]
    assert ast.unparse(last) == f"check_hidden({function})"


@on_each_exercise
def test_visible_checks_do_not_show_the_hidden_inputs(name, function):
    """A table of the visible checks' results passes them, and fails the hidden ones."""
    assignment = ASSIGNMENTS[name]
    probes = {
        visible: [json.dumps(c.probe) for c in assignment.cases[function] if c.visible is visible]
        for visible in (True, False)
    }
    assert not set(probes[True]) & set(probes[False]) - {"null"}
    exercise = assignment.exercise(function)
    seen = [json.loads(probe) for probe in probes[True] if probe != "null"]
    given = {"_seen": [tuple(map(collector.decode, probe)) for probe in seen]}
    table = f"""
_table = [{function}(*_arguments) for _arguments in _seen]
_calls = []

def {function}(*arguments):
    _calls.append(arguments)
    return _table[(len(_calls) - 1) % len(_table)]
"""
    source = assignment.sources[exercise.grade_id] + table
    # Two rounds of the visible checks, the students' and the grader's, go through the table.
    result = assignment.run({exercise.grade_id: source}, given, {exercise.test_id})
    message = result[exercise.test_id]
    hidden = {m for c in assignment.cases[function] if not c.visible for m in c.messages}
    generic = {
        requirements.OTHER_SHAPE,
        requirements.OTHER_FORM,
        requirements.NO_NUMBERS,
        requirements.NOT_FINITE,
    }
    assert message in hidden | generic


@on_each_exercise
def test_the_course_seed_makes_the_hidden_checks(name, function):
    def texts(cases):
        return [case.as_dict() for case in cases]

    before = texts(case for case in ASSIGNMENTS[name].cases[function] if not case.visible)
    again = authoring.hidden_cases(hidden_file(name), function, authoring.DEFAULT_SEED)
    assert texts(again) == before != texts(of_another_class(name, function))


@pytest.mark.parametrize("name", sorted(ASSIGNMENTS))
def test_answers_get_the_same_verdict_with_any_seed(name):
    """The model answers pass, and one right answer to each function, with three other seeds.

    An open task, which takes seconds, is asked with one of them.
    """
    assignment = harness.Assignment(ASSIGNMENTS[name].path)
    assignment.cases = {
        function: [case for case in cases if case.visible]
        + [
            case
            for seed in ("spring", "autumn", "3")[: 1 if function in OPEN_TASKS else 3]
            for case in authoring.hidden_cases(hidden_file(name), function, seed)
        ]
        for function, cases in ASSIGNMENTS[name].cases.items()
    }
    passed = {e.test_id: None for e in assignment.exercises}
    assert assignment.run(only=passed) == passed
    answers = {
        e.grade_id: [v for v in variants_of(name, e.function) if v.is_right][-1].source
        for e in assignment.exercises
    }
    assert assignment.run(answers, only=passed) == passed
