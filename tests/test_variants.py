"""The checks of the exercises tell right answers from wrong ones, and say what is wrong.

The bank is `tests/variants/`; `harness.py` there says what a variant is and which verdict it
must get.
"""

import ast
import copy
import textwrap

import pytest
import torch
from variants import harness

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


def variants_of(name, function):
    return [v for v in BANK if (v.assignment, v.function) == (name, function)]


@pytest.mark.parametrize("variant", BANK, ids=str)
def test_verdict(variant):
    assert harness.faults(ASSIGNMENTS[variant.assignment], variant) == []


@on_each_exercise
def test_no_check_of_another_function_fails(name, function):
    wrong = next(v for v in variants_of(name, function) if not v.is_right)
    assert harness.faults(ASSIGNMENTS[name], wrong, everything=True) == []


def test_model_answers_pass_all_checks():
    for assignment in ASSIGNMENTS.values():
        results = assignment.run()
        assert results == {e.test_id: None for e in assignment.exercises}


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
    "double": ("def double(x):\n    return 2 * x", 'assert double(3) == 6, "not twice the number"'),
    "quadruple": (
        "def quadruple(x):\n    return double(double(x))",
        'assert quadruple(1) == 4, "not four times the number"',
    ),
    "triple": ("def triple(x):\n    return 3 * x", 'assert triple(2) == 6, "not three times"'),
}


@pytest.fixture
def small_assignment(tmp_path):
    """An assignment of three functions, the second of which calls the first."""
    from nbformat import v4, write

    cells = [v4.new_code_cell("import math", id="imports")]
    for grade_id, (solution, test) in NOTEBOOK.items():
        marks = {"grade_id": grade_id, "solution": True, "grade": False}
        cells.append(v4.new_code_cell(solution, id=grade_id, metadata={"nbgrader": marks}))
        marks = {"grade_id": f"{grade_id}-test", "solution": False, "grade": True, "points": 1}
        cells.append(v4.new_code_cell(test, id=f"{grade_id}-test", metadata={"nbgrader": marks}))
    write(v4.new_notebook(cells=cells), tmp_path / "small.ipynb")
    return harness.Assignment(tmp_path / "small.ipynb")


def faults_of(assignment, tmp_path, function, source):
    path = tmp_path / "small" / f"{function}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(textwrap.dedent(source), encoding="utf-8")
    (variant,) = harness.read_variants(path)
    return harness.faults(assignment, variant, everything=True)


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
        # Called right, but it is wrong.
        (
            "triple",
            'def right_sum(x):\n    """As a sum."""\n    return x + x',
            "fails triple-test: AssertionError: not three times",
        ),
        # Right by itself, but what calls it fails.
        (
            "double",
            'def right_once(x):\n    """Once."""\n    return {3: 6}[x]',
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
    small_assignment.sources["triple-test"] = 'assert "broken" not in globals(), "broken"'
    source = """
        def wrong_and_harmful(x):
            \"\"\"Message: not four times\"\"\"
            global broken
            broken = True
            return 5
        """
    assert faults_of(small_assignment, tmp_path, "quadruple", source) == [
        "also fails triple-test, which does not depend on it: AssertionError: broken"
    ]


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


# The test cells -----------------------------------------------------------------------------


def checks_in(source):
    """Return (call or assert, message) for each check in a piece of code; None without message."""
    found = []
    for node in ast.walk(ast.parse(textwrap.dedent(source))):
        if isinstance(node, ast.Assert):
            found.append((node, node.msg))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            place = {"expect": 1, "compare": 2}.get(node.func.id)
            if place is not None:
                found.append((node, node.args[place] if len(node.args) > place else None))
                mistakes = [k.value for k in node.keywords if k.arg == "mistakes"]
                found += [(node, key) for dictionary in mistakes for key in dictionary.keys]
    return found


def source_of_checks(name, function):
    assignment = ASSIGNMENTS[name]
    return assignment.sources[assignment.exercise(function).test_id]


@on_each_exercise
def test_every_check_has_a_message_of_fixed_text(name, function):
    source = source_of_checks(name, function)
    for part in (harness.visible_part(source), harness.hidden_part(source)):
        checks = checks_in(part)
        assert checks
        for check, message in checks:
            text = message.value if isinstance(message, ast.Constant) else None
            assert isinstance(text, str), f"no fixed message: {ast.unparse(check)}"
            assert len(text) > 20 and text.endswith((".", "?")), text


@on_each_exercise
def test_a_test_cell_calls_only_the_function_that_it_grades(name, function):
    functions = {e.function for e in ASSIGNMENTS[name].exercises}
    assert harness.names_in(source_of_checks(name, function)) & functions == {function}


@on_each_exercise
def test_a_test_cell_ends_without_a_value(name, function):
    """nbgrader takes a number as the last value of a test cell for a partial mark."""
    last = ast.parse(source_of_checks(name, function)).body[-1]
    if isinstance(last, ast.Expr):
        assert isinstance(last.value, ast.Call) and last.value.func.id in {"compare", "expect"}


@on_each_exercise
def test_visible_checks_do_not_show_the_hidden_inputs(name, function):
    """A table of the visible checks' results passes them, and fails the hidden ones."""
    assignment = ASSIGNMENTS[name]
    exercise = assignment.exercise(function)
    visible = {exercise.test_id: harness.visible_part(assignment.sources[exercise.test_id])}
    recorded = []

    def record(answer):
        def recording(*arguments, **named):
            recorded.append(answer(*arguments, **named))
            return copy.deepcopy(recorded[-1])

        return recording

    given = {"_record": record}
    model = assignment.sources[exercise.grade_id] + f"\n\n{function} = _record({function})"
    results = assignment.run({exercise.grade_id: model} | visible, given, {exercise.test_id})
    assert results[exercise.test_id] is None
    assert recorded

    def table():
        answers = iter(recorded)

        def look_up(*arguments, **named):
            return copy.deepcopy(next(answers, recorded[-1]))

        return look_up

    given = {"_table": table}
    replaced = {exercise.grade_id: f"{function} = _table()"}
    results = assignment.run(replaced | visible, given, {exercise.test_id})
    assert results[exercise.test_id] is None
    results = assignment.run(replaced, given, {exercise.test_id})
    assert results[exercise.test_id] is not None


@on_each_exercise
def test_hidden_checks_use_other_seeds(name, function):
    source = source_of_checks(name, function)

    def seeds(part):
        calls = [n for n in ast.walk(ast.parse(textwrap.dedent(part))) if isinstance(n, ast.Call)]
        return {
            ast.unparse(argument)
            for call in calls
            if ast.unparse(call.func).endswith(("default_rng", "manual_seed"))
            for argument in call.args
        }

    assert not seeds(harness.visible_part(source)) & seeds(harness.hidden_part(source))
