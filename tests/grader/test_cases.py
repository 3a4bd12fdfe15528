"""Cases, their encoding, and the comparison outside of the sandbox: nothing decoded is trusted."""

import base64
import json
import math

import numpy as np
import pytest
import torch

from quantgrader import cases, checks
from quantgrader.cases import Build, Case, compare, equals, forbidden, requirements
from quantgrader.cases.case import pack, unpack
from quantgrader.cases.codec import MAX_DEPTH, BadData, decode, encode
from quantgrader.sandbox import collector
from quantgrader.sandbox.received import values_in

VALUES = [
    None,
    True,
    3,
    -(2**200),
    1.5,
    float("inf"),
    "text",
    1 + 2j,
    [1, [2.0, "x"]],
    (1, (2,)),
    {"a": 1, 3: (4,), None: [5]},
]
ARRAYS = [
    np.arange(6, dtype=np.int8).reshape(2, 3),
    np.array([[True, False]]),
    np.array([1.5, np.nan, -np.inf]),
    np.zeros((0, 3), np.float32),
    np.array(7, dtype=np.uint16),
    np.array([1 + 2j]),
    np.arange(3, dtype=">i4"),
]


def same(a, b):
    return a == b or (a != a and b != b)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_plain_values_come_back(value):
    data = json.loads(json.dumps(encode(value), allow_nan=False))
    for reader in (decode, collector.decode):
        back = reader(data)
        assert same(back, value)
        assert type(back) is type(value)


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype.str}{a.shape}")
def test_arrays_come_back(array):
    data = json.loads(json.dumps(encode(array), allow_nan=False))
    for reader in (decode, collector.decode):
        back = reader(data)
        np.testing.assert_array_equal(back, array)
        assert back.dtype == array.dtype.newbyteorder("<")
        assert back.shape == array.shape
        back[...] = 0  # may be written to


def types_in(value):
    return [types_in(element) for element in value] if isinstance(value, list) else type(value)


LONG_LISTS = {
    "ints": list(range(-10, 40)),
    "floats": [1.5, -0.0, float("inf")] * 10,
    "rows of ints": [[1, 2, 3]] * 10,
    "NumPy's numbers": list(np.arange(20, dtype=np.float32)),
    "rows of NumPy's numbers": [list(row) for row in np.arange(20, dtype=np.int8).reshape(10, 2)],
    "ints and floats": [1, 2.0] * 10,
    "Booleans": [True, False] * 10,
    "Booleans and ints": [True, 0] * 10,
    "rows of several lengths": [[1, 2, 3], [4, 5]] * 10,
    "rows and numbers": [[1, 2, 3], 4] * 10,
    "empty rows": [[]] * 20,
    "large ints": [2**63, 2**70] * 10,
    "texts": ["a"] * 20,
}


@pytest.mark.parametrize("value", LONG_LISTS.values(), ids=LONG_LISTS.keys())
def test_long_lists_come_back(value):
    data = json.loads(json.dumps(encode(value), allow_nan=False))
    for reader in (decode, collector.decode):
        back = reader(data)
        assert repr(back) == repr(value) and types_in(back) == types_in(value)


def test_a_long_list_of_numbers_takes_the_room_of_an_array():
    text = json.dumps(encode(np.zeros((40, 100, 3), int).tolist()))
    assert values_in(text) < 20


def test_tensors_become_arrays_and_scalars_stay_scalars():
    np.testing.assert_array_equal(decode(encode(torch.tensor([1.0, 2.0]))), [1, 2])
    scalar = decode(encode(np.float32(1.5)))
    assert type(scalar) is np.float32 and scalar == 1.5


def test_build_is_made_where_the_function_runs():
    build = Build("numpy.linspace", 0, 1, num=3, attributes=["size"])
    data = json.loads(json.dumps(encode(build)))
    assert collector.decode(data) == 3
    assert decode(data, build=lambda build: build) == build
    with pytest.raises(BadData):
        decode(data)


@pytest.mark.parametrize("value", [object(), {1, 2}, np.array(["a"]), np.array([None]), len])
def test_what_is_not_plain_is_refused(value):
    with pytest.raises(BadData):
        encode(value)


def array(**changes):
    return {**encode(np.arange(4.0)), **changes}


def nested(depth):
    data = 1
    for _ in range(depth):
        data = [data]
    return data


BAD = {
    "an object": {"x": 1},
    "two forms": {"tuple": [], "dict": []},
    "tuple of a text": {"tuple": "ab"},
    "dict of triples": {"dict": [[1, 2, 3]]},
    "key that is a list": {"dict": [[[1], 2]]},
    "key that is an array": {"dict": [[array(), 2]]},
    "float of a text": {"float": "1e5"},
    "float of a list": {"float": [1]},
    "complex of one": {"complex": [1]},
    "complex of texts": {"complex": ["1", "2"]},
    "objects": array(dtype="|O"),
    "structure": array(dtype="<f8,<f8"),
    "text dtype": array(dtype="<U2"),
    "dtype that is no text": array(dtype=["f8"]),
    "too few bytes": array(shape=[5]),
    "negative shape": array(shape=[-1]),
    "shape that is no list": array(shape=4),
    "shape of Booleans": array(shape=[True, 4]),
    "huge shape": array(array="", shape=[2**62, 2**62]),
    "empty huge shape": array(array="", shape=[0, 2**62, 2**62]),
    "too many axes": array(array=base64.b64encode(bytes(8)).decode(), shape=[1] * 40),
    "no base64": array(array="ä!"),
    "too deep": nested(MAX_DEPTH + 2),
    "far too deep": nested(900),
    "large int": 10**5000,
    "many values": [[0] * 1000] * 2001,
    "build": encode(Build("os.getcwd")),
    "list of a number": {"list": encode(np.float64(1))},
    "list of nothing": {"list": None},
    "list of no axes": {"scalars": array(array=base64.b64encode(bytes(8)).decode(), shape=[])},
    "list of many empty lists": {"list": array(array="", shape=[2_000_001, 0])},
    "list of many lists of none": {"scalars": array(array="", shape=[2, 1_000_001, 0])},
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD.keys())
def test_bad_data_are_refused(data):
    with pytest.raises(BadData):
        decode(data)
    verdict = compare.judge(case(), {"value": data, "arguments_changed": False})
    assert verdict == compare.Verdict(False, requirements.NO_NUMBERS)


def case(*requirements, visible=False):
    return Case((1,), *(requirements or [equals(3, "Wrong.")]), visible=visible)


def verdict(value, *requirements, **more):
    result = {"value": encode(value), "arguments_changed": False, "warnings": [], **more}
    return compare.judge(case(*requirements), result).message


@pytest.mark.parametrize(
    ("result", "expected", "message"),
    [
        (None, 3, compare.NOTHING),
        ("three", 3, requirements.NO_NUMBERS),
        ("3", 3, requirements.NO_NUMBERS),
        ({3: 3}, 3, requirements.NO_NUMBERS),
        ([[1], [1, 2]], 3, requirements.NO_NUMBERS),
        (10**400, 3, requirements.NO_NUMBERS),
        (3j, 3, requirements.NO_NUMBERS),
        (np.array([3j]), [3], requirements.NO_NUMBERS),
        ([3, 3], 3, requirements.OTHER_SHAPE),
        (np.nan, 3, requirements.NOT_FINITE),
        (4, 3, "That is four. It must be three."),
        ((5, 0), (3, 0), "Wrong."),
        (torch.tensor([3.0, np.inf]), [np.inf, 3], "Wrong."),
        (3.1, 3, "Wrong."),
        (3, {1: 3}, requirements.OTHER_FORM),
        ({2: 3}, {1: 3}, requirements.OTHER_FORM),
    ],
)
def test_comparison_names_the_mistake(result, expected, message):
    mistakes = {"That is four. It must be three.": 4, "That is right.": expected}
    assert verdict(result, equals(expected, "Wrong.", mistakes)) == message


def test_comparison_accepts_what_is_equal():
    for result in (3, 3.0, np.float32(3), np.array(3), torch.tensor(3), 3 + 1e-7):
        mistakes = {"That is four. It must be three.": 4}
        assert verdict(result, equals(3, "Wrong.", mistakes)) is None
    assert verdict((0.1, 2), equals(np.array([0.1, 2]), "Wrong.")) is None
    assert verdict([[1], [2]], equals(torch.tensor([[1.0], [2.0]]), "Wrong.")) is None
    assert verdict(float("inf"), equals(np.inf, "Wrong.")) is None
    assert verdict((None, None), equals((None, None), "Wrong.")) is None
    assert verdict({2: 0.5, 1: 1}, equals({1: 1.0, 2: 0.5}, "Wrong.")) is None


def test_views():
    groups = equals([0, 0, 1], "Other groups.", {"All in one.": [0, 0, 0]}, view="groups")
    assert verdict([7, 7, 2], groups) is None
    assert verdict(np.array([2, 1, 1]), groups) == "Other groups."
    assert verdict([5, 5, 5], groups) == "All in one."
    exact = equals((2**70 + 1, -3), "Not exact.", {"Three.": 3}, view="shifted")
    assert verdict((2**71 + 2, -4), exact) is None
    assert verdict((2**70, -3), exact) == "Not exact."
    assert verdict((3, 0), exact) == "Three."
    for three in ((np.array(3), np.int64(0)), [3, 0], np.array([3, 0])):
        assert verdict(three, exact) == "Three."
    for bad in ((1.0, 2), (1, 2, 3), (1, 10**9), ([1], 2), "x", np.zeros(2)):
        assert verdict(bad, exact) == requirements.NO_NUMBERS


@pytest.mark.parametrize(
    ("requirement", "good", "bad"),
    [
        (
            cases.parts(2, "m"),
            [(1, 2), [1, 2], np.zeros((2, 3))],
            [(1,), 3, [1, 2, 3], np.zeros(())],
        ),
        (
            cases.integers("m"),
            [3, np.int8(3), np.arange(2), (1, [2])],
            [3.0, True, np.zeros(2), "3"],
        ),
        (cases.integers("m", part=1), [(1.0, 3)], [(1, 3.0)]),
        (cases.dtype("uint8", "m"), [np.zeros(2, np.uint8)], [np.zeros(2, int), [0], 0]),
        (cases.number("m"), [3, np.float32(1), np.array(2.0)], [[3], np.zeros(1), "x"]),
        (
            cases.shape([2], "m"),
            [[1, 2], np.zeros(2)],
            [[1], np.zeros((2, 1)), "ab", [[1], [1, 2]]],
        ),
        (cases.keys([1, 2], "m"), [{2: 0, 1: 0}], [{1: 0}, {1: 0, 2: 0, 3: 0}, [1, 2]]),
        (cases.within(0, 1, "m"), [0, {1: 0.5}, [0, 1]], [2, {1: 1.5}, [0, np.nan]]),
    ],
)
def test_requirements(requirement, good, bad):
    assert [verdict(value, requirement) for value in good] == [None] * len(good)
    assert [verdict(value, requirement) for value in bad] == ["m"] * len(bad)


def share_beyond(result, limit):
    """The share of the numbers beyond a limit, less the share that is claimed."""
    numbers, claimed = result
    return abs((np.asarray(numbers) > limit).mean() - claimed)


def test_what_a_result_claims_is_recomputed():
    claim = cases.recomputed(share_beyond, 0, 1e-9, "m", given=(2.5,))
    assert verdict(([1, 2, 3, 4], 0.5), claim) is None
    assert verdict((np.arange(5), np.float32(0.4)), cases.parts(2, "n"), claim) == "m"
    assert verdict(([1, 2, 3, 4], 0.75), claim) == "m"
    assert verdict(([], 0.5), claim) == "m"  # NaN is in no range
    for other in (3, [1], ([1], "x"), (["a"], 1)):
        assert verdict(other, claim) == requirements.OTHER_FORM


def test_what_recomputes_stands_on_its_own():
    def with_a_name_of_the_module(result):
        return verdict(result)

    def with_a_name_from_around(result):
        return result + other

    other = 1
    for function, name in (
        (with_a_name_of_the_module, "verdict"),
        (with_a_name_from_around, "other"),
    ):
        with pytest.raises(ValueError, match=rf"np only, got one that uses \['{name}'\]"):
            cases.recomputed(function, 0, 1, "m")


def test_a_part_that_is_not_there():
    for value in (3, (1,), {2: 3}, np.zeros(1), np.array(5.0)):
        assert verdict(value, equals(3, "m", part=1)) == requirements.OTHER_FORM


def test_changed_arguments_and_warnings():
    changed, warned = cases.unchanged("changed"), cases.no_warning("divide by zero", "divided")
    assert verdict(3, changed, warned) is None
    assert verdict(3, changed, arguments_changed=True) == "changed"
    assert verdict(3, changed, arguments_changed="no") == "changed"
    line = "RuntimeWarning: divide by zero encountered in log2"
    assert verdict(3, warned, warnings=["other", line]) == "divided"
    assert verdict(3, warned, warnings=7) is None


SECRET = "input was 0.123456"


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (None, compare.CALL),
        ("x", compare.CALL),
        ({}, requirements.NO_NUMBERS),
        ({"refused": SECRET}, requirements.NO_NUMBERS),
        ({"timeout": 30}, requirements.NO_NUMBERS),
        ({"killed": "memory", "detail": SECRET}, requirements.NO_NUMBERS),
        ({"missing": SECRET}, requirements.NO_NUMBERS),
        (
            {"error": {"type": "ValueError", "message": SECRET}},
            "stopped with ValueError on another",
        ),
        ({"error": {"type": SECRET, "message": SECRET}}, "stopped with an error of its own on"),
        ({"error": {"type": "print", "message": SECRET}}, "stopped with an error of its own on"),
        ({"error": 7}, "stopped with an error of its own on"),
    ],
)
def test_what_did_not_give_a_value_fails_and_shows_nothing_hidden(result, message):
    found = compare.judge(case(), result)
    assert not found.passed
    assert message in found.message
    assert SECRET not in found.message


def test_an_error_of_a_visible_case_is_shown_in_one_line():
    error = {"type": "ValueError", "message": "bad\n\x1b[31mred " + "x" * 1000}
    found = compare.judge(case(visible=True), {"error": error})
    assert found.message.startswith("ValueError: bad [31mred xxx")
    assert len(found.message) < 320


def mark_of(cases, answers, points, sources=()):
    verdicts = [
        compare.judge(case, answer, sources) for case, answer in zip(cases, answers, strict=False)
    ]
    return compare.add_up(cases, verdicts, points)


def test_score_adds_up_the_weights():
    three = [Case((1,), equals(n, f"Not {n}."), weight=w) for n, w in ((1, 1), (2, 1), (3, 4))]
    results = [{"value": 1}, {"value": 1}, {"value": 3}]
    mark = mark_of(three, results, 3)
    assert mark == compare.Mark(2.5, 3, passed=2, asked=3, messages=("Not 2.",))
    assert mark_of(three, [{"value": n} for n in (1, 2, 3)], 3).score == 3
    assert mark_of(three, [{}] * 3, 3).score == 0
    assert mark_of(three, results, 1).score == 0.83
    assert mark_of(three, [{}] * 3, 3).messages == (requirements.NO_NUMBERS,)
    with pytest.raises(ValueError):
        mark_of(three, results[:2], 3)


def test_a_look_at_the_text_gives_no_points_but_can_cost_them():
    rule = Case(None, cases.forbids("f", "*", "", "There is a product."))
    both = [rule, Case((1,), equals(2, "Not 2."))]
    good, bad = ["def f(a):\n    return a + a"], ["def f(a):\n    return 2 * a"]
    right, error = {"value": 2}, {"error": {"type": "ValueError"}}
    assert mark_of(both, [None, right], 4, good).score == 4
    assert mark_of(both, [None, right], 4, bad).score == 0
    assert mark_of(both, [None, error], 4, good).score == 0


def test_cases_are_written_and_read(tmp_path):
    mine = (
        Case((np.arange(3), Build("numpy.zeros", 2)), equals((1, np.nan), "m", {"n": [1, 2]})),
        Case(None, cases.forbids("f", "* @", "dot pow", "no products"), weight=2, visible=True),
    )
    made = cases.Cases("01_name", "seed", {"f": mine})
    path = tmp_path / "hidden" / "01_name.json"
    made.write(path)
    back = cases.read(path)
    assert json.dumps(back.as_dict()) == json.dumps(made.as_dict())
    assert path.stat().st_mode & 0o077 == 0
    assert [c.as_dict() for c in unpack(pack(mine))] == [c.as_dict() for c in mine]
    assert mine[0].messages == ["m", "n"]
    assert mine[0].arguments[1] == Build("numpy.zeros", 2)
    path.write_text(json.dumps({**made.as_dict(), "format": 99}), encoding="utf-8")
    with pytest.raises(ValueError, match="format 99"):
        cases.read(path)


def test_a_case_that_makes_no_sense_is_refused():
    forbids = cases.forbids("f", "*", "", "m")
    for arguments in ([(1,)], [(1,), "text"], [None, equals(1, "m")], [(1,), forbids]):
        with pytest.raises((TypeError, ValueError)):
            Case(*arguments)
    with pytest.raises(ValueError, match="weight"):
        Case((1,), equals(1, "m"), weight=0)
    with pytest.raises(TypeError, match="message"):
        equals(1, "")


# What a function must do without ---------------------------------------------------------------

PRODUCTS = {
    "product": "def f(a, b):\n    return a * b",
    "in place": "def f(a, b):\n    a *= b\n    return a",
    "power": "def f(a):\n    return a ** 2",
    "matrix": "def f(a, b):\n    return a @ b",
    "name": "def f(a, b):\n    return np.dot(a, b)",
    "two lines": "def f(a, b):\n    return (a\n        * b)",
    "after brackets": "def f(a):\n    return (a + 1)[0] * 2",
    "lambda": "def f(a):\n    return (lambda x: x * x)(a)",
    "helper": "def g(a):\n    return a * a\n\ndef f(a):\n    return g(a)",
    "no def": "f = lambda a: a * a",
    "f-string": "def f(a, b):\n    return int(f'{a * b}')",
    "unfinished": "def f(a, b):\n    return a * b\n    '''",
    "broken": "def f(a, b):\n    return a * b\n  x",
    "lambda as a helper": "g = lambda a, b: a * b\n\ndef f(a, b):\n    return g(a, b)",
    "lambda instead": "def f(a, b):\n    return a\n\nf = lambda a, b: a * b",
    "lambda with a type": "def f(a, b):\n    return a\n\nf: object = lambda a, b: a * b",
    "other name": "g = np.dot\n\ndef f(a, b):\n    return g(a, b)",
    "imported as": "from numpy import dot as g\n\ndef f(a, b):\n    return g(a, b)",
    "class": "class G:\n    def __call__(self, a):\n        return a * a\n\n"
    "def f(a):\n    return G()(a)",
    "decorator": "def g(f):\n    return lambda a, b: a * b\n\n@g\ndef f(a, b):\n    return a",
    "defined again inside": "def f(a):\n    return a\n\nif 1:\n    def f(a):\n        return a * a",
    "asynchronous": "async def g(a):\n    return a * a\n\ndef f(a):\n    return g(a).send(None)",
    "after a line for the shell": "!echo '''\ndef f(a, b):\n    return (a\n        * b)",
    "given as a default": "from numpy import dot\n\ndef f(a, b, dot=dot):\n    return dot(a, b)",
    "all imported": "from numpy import *\n\ndef f(a, b, dot=dot):\n    return dot(a, b)",
    "given a name inside": "def f(a, b):\n    dot = np.dot\n    return dot(a, b)",
    "imported inside": "def f(a, b):\n    from numpy import dot\n    return dot(a, b)",
    "a method of a forbidden function": "def f(a, b):\n    return np.dot.dot(a, b)",
    "of another array": "def f(a, b):\n    dot = 1\n    return a.dot(b) + dot",
    "in a line of a magic": "%time f = lambda a: a * a",
    "in a cell with a magic": "%%time\ndef f(a):\n    return a * a\nf?",
    "in a text that cannot be read": "x = $'''\ndef f(a, b):\n    return (a\n        * b)",
    "below much else": "#" * 300_000 + "\ndef f(a, b):\n    return a * b",
    "decoy above much else": "def f(a):\n    return a\n" + "#" * 300_000 + "\nf = lambda a: a * a",
}
NONE = {
    "shift": "def f(a, b):\n    return a << b",
    "stars": "def f(*a, **k):\n    x, *y = a\n    return g(*a, **k, *y) + [*a][0]",
    "lambda": "def f(a):\n    return (lambda *x, **k: x)(*a)",
    "decorator": "@staticmethod\ndef f(a):\n    return a",
    "scratch": "def f(a, b):\n    y = a << b\n    return y\n\ny = 2 * 3\na = np.dot(y, y)\n"
    "b = [f(y, n) * 2 for n in range(3)]\nprint(f(a, 2) * 3)",
    "imports": "from numpy import dot, array as g\n\ndef f(a):\n    return g(a)",
    "after the function": "def f(a):\n    return a\n\nfor n in range(3):\n    print(f(n) * 2)\n"
    "def h(a):\n    return a * a",
    "with magics": '%%time\n!echo it\'s\ndef f(a):\n    """Of a * b.\n\n    a * b @ c\n    """\n'
    "    return a\nf?\n??f\n%timeit -n 2 f(1)",
    "comment below": "def f(a):\n    return a\n# f times 2\n# a * b\nx = 2 * f(1)",
    "text": 'def f(a):\n    """Not a * b."""\n    # nor a ** b\n    return "*"',
    "elsewhere": "def f(a):\n    return a\n\nprint(3 * 4)\nx = 2 ** 3",
    "other function": "def g(a):\n    return a * a\n\ndef f(a):\n    return a",
    "import": "def f(a):\n    return a\n\nfrom numpy import *",
    "a variable": "def f(a):\n    dot = a & 1\n    return dot + (dot << 1)",
    "several variables": "def f(a):\n    b, (dot, c) = a\n    return dot",
    "a loop's variable": "def f(a):\n    return [dot << 1 for b, dot in a]",
    "a parameter": "def f(a, dot=0, *b):\n    return dot",
    "in an expression": "def f(a):\n    return (dot := a << 1) + dot",
    "a method of an allowed function": "def f(a, b):\n    return np.bitwise_xor.dot(a, b)",
}


@pytest.mark.parametrize("source", PRODUCTS.values(), ids=PRODUCTS.keys())
def test_forbidden_operators_are_found(source):
    assert forbidden.violation([source], "f", ["*", "**", "@"], ["dot"])


@pytest.mark.parametrize("source", NONE.values(), ids=NONE.keys())
def test_other_uses_of_the_same_signs_are_allowed(source):
    assert not forbidden.violation([source], "f", ["*", "**", "@"], ["dot"])


@pytest.mark.parametrize(
    ("head", "is_called"),
    [
        ("def f(g):", False),
        ("def f(a, g):", False),
        ("def f(a, g: list, b=1):", False),
        ("def f(a: dict[str, int], g):", False),
        ("def f(a=g):", True),
        ("def f(g=g):", True),
        ("def f(a=(1, g), b=2):", True),
        ("def f(a):", True),
    ],
)
def test_a_parameter_is_no_call_of_a_function_of_its_name(head, is_called):
    sources = ["def g(a):\n    return a * 2", f"{head}\n    return g"]
    assert bool(forbidden.violation(sources, "f", ["*"], [])) == is_called


OTHER_MODULES = {
    "inside": "def f(a):\n    import sympy\n    return a",
    "inside, after a colon": "def f(a):\n    if a: import sympy; return a",
    "from it, inside": "def f(a):\n    from sympy import (\n        Matrix,\n    )\n    return a",
    "of the notebook": "import sympy\n\ndef f(a):\n    return sympy.Matrix(a)",
    "beside others": "import math, sympy.matrices as m\n\ndef f(a):\n    return m.Matrix(a)",
    "from it": "from math import pi\nfrom sympy import Matrix\n\ndef f(a):\n    return Matrix(a)",
    "by another name": "from sympy import Matrix as M\n\ndef f(a):\n    return M(a)",
    "everything": "from sympy import *\n\ndef f(a):\n    return Matrix(a)",
    "in a helper": "import sympy\n\ndef g(a):\n    return sympy\n\ndef f(a):\n    return g(a)",
    "as a decorator": "from numba import njit\n\n@njit\ndef f(a):\n    return a",
    "given a name": "import sympy\ng = sympy.Matrix\n\ndef f(a):\n    return g(a)",
    "in an exception": "try:\n    import sympy\nexcept ImportError:\n    pass\n\n"
    "def f(a):\n    return sympy.Matrix(a)",
    "of the folder": "from . import sympy\n\ndef f(a):\n    return sympy",
}
THESE_MODULES = {
    "one of them": "import numpy as np\n\ndef f(a):\n    import math\n    return np.pi - math.pi",
    "a part of one": "def f(a):\n    import numpy.lib\n    from math import (pi, e)\n    return pi",
    "not used": "import sympy\nfrom quantlib import data\n\ndef f(a):\n    return a",
    "an attribute": "from quantlib import data\n\ndef f(a):\n    return a.data",
    "a variable": "from quantlib import data\n\ndef f(a):\n    data = a\n    return data",
    "a parameter": "from quantlib import data\n\ndef f(data):\n    return data",
    "a keyword": "from quantlib import data\n\ndef f(a):\n    return g(a, data=2)",
    "a helper of its own": "from quantgrader.checks import parts\n\n"
    "def parts(a):\n    return a\n\ndef f(a):\n    return parts(a)",
    "in a text": 'def f(a):\n    """\n    import sympy\n    """\n    return a',
}


@pytest.mark.parametrize("source", OTHER_MODULES.values(), ids=OTHER_MODULES.keys())
def test_what_other_modules_bring_is_found(source):
    line = forbidden.violation([source], "f", [], [], ["numpy", "math"])
    assert "import" in line
    assert not forbidden.violation([source], "f", [], [])


@pytest.mark.parametrize("source", THESE_MODULES.values(), ids=THESE_MODULES.keys())
def test_what_these_modules_bring_is_allowed(source):
    assert not forbidden.violation([source], "f", [], [], ["numpy", "math"])


def test_lists_that_are_longer_than_their_text_are_refused():
    empty = {"array": "", "dtype": "<f8", "shape": [1, 1_900_000, 0]}
    for kind in ("list", "scalars"):
        with pytest.raises(BadData):
            decode({kind: empty})


def test_a_text_is_no_exact_number():
    exact = Case((1,), equals(1.5, "Not 1.5.", view="shifted"))
    for text in ("15e-1", "1e999999999"):
        assert not compare.judge(exact, {"value": encode(text)}).passed
    assert compare.judge(exact, {"value": encode((3, -1))}).passed


def test_of_hidden_cases_only_common_kinds_of_errors_are_told():
    """So that a function can't spell out what it was asked."""

    def told(kind, visible):
        case = Case((1,), equals(1, "Not 1."), visible=visible)
        return compare.judge(case, {"error": {"type": kind, "message": ""}}).message

    assert told("KeyError", False) == "The function stopped with KeyError on another input."
    assert told("BrokenPipeError", False) == "The function stopped with an error on another input."
    assert told("BrokenPipeError", True) == "The function stopped with BrokenPipeError."


#: A stub, and then the library's function under its name.
STUB = "def f(x):\n    return 0\n\n"
LIBRARY = {
    "imported": STUB + "from quantlib.metrics import f",
    "imported before": "from quantlib.metrics import f\n\n" + STUB,
    "as another": STUB + "from quantlib.metrics import g as f",
    "used": "from quantlib.metrics import g\n\ndef f(x):\n    return g(x)",
    "module by another name": "import quantlib.metrics as m\n\ndef f(x):\n    return m.f(x)",
    "package by another name": "import quantlib as q\n\ndef f(x):\n    return q.f(x)",
    "everything": "from quantlib.metrics import *\n\ndef f(x):\n    return g(x)",
    "one of a pair": STUB + "f, _ = metrics.f, 0",
    "the rest of a list": STUB + "f, *_ = [metrics.f]",
    "in a loop": STUB + "for f in [metrics.f]:\n    pass",
    "with": STUB + "with metrics.f as f:\n    pass",
    "walrus": STUB + "(f := metrics.f)",
    "partial": STUB + "f = partial(metrics.f)",
    "partial helper": "g = partial(metrics.f)\n\ndef f(x):\n    return g(x)",
    "behind a bang": "def f(x):\n    (0\n    != (y := metrics.f(x)))\n    return y",
    "behind a percent": "def f(x):\n    return (1\n    %metrics.f(x))",
    "after a text": "def f(x):\n    '''\n    !it's\n    '''\n    return metrics.f(x)",
}
NO_LIBRARY = {
    "not used": "from quantlib.metrics import g\n\ndef f(x):\n    return x",
    "a variable of its own": "from quantlib.metrics import g\n\ndef f(x):\n    g = x\n    return g",
    "an attribute": "from quantlib.metrics import data\n\ndef f(x):\n    return x.data",
    "its result": "def f(x):\n    return x\n\nprint(f(1), metrics.f(1))\ny = metrics.f(f(2))",
    "a lambda's own": "from quantlib.metrics import g\n\ndef f(x):\n    return map(lambda g: g, x)",
    "a table": "table = [metrics.f(n) for n in range(3)]\n\ndef f(x):\n    return table[x]",
}


@pytest.mark.parametrize("source", LIBRARY.values(), ids=LIBRARY.keys())
def test_the_library_is_found_however_it_comes_by_its_name(source):
    assert forbidden.violation([source], "f", [], ["quantlib", "metrics"])


@pytest.mark.parametrize("source", NO_LIBRARY.values(), ids=NO_LIBRARY.keys())
def test_the_library_is_allowed_where_the_function_does_not_use_it(source):
    assert not forbidden.violation([source], "f", [], ["quantlib", "metrics"])


def test_a_name_may_be_allowed_whatever_brings_it():
    source = "from quantlib.metrics import g, h\n\ndef f(x):\n    return g(x)"
    assert not forbidden.violation([source], "f", [], ["quantlib"], allowed=["g"])
    assert forbidden.violation([source], "f", [], ["quantlib"], allowed=["h"])


def test_a_helper_in_another_cell_is_looked_at():
    assert forbidden.violation(
        ["def g(a):\n    return a * 2", "def f(a):\n    return g(a)"], "f", ["*"], []
    )
    # The last definition counts.
    twice = ["def f(a):\n    return a * 2", "def f(a):\n    return a + a"]
    assert not forbidden.violation(twice, "f", ["*"], [])


@pytest.mark.parametrize(
    "source", ["(" * 100_000, "\0", "def", "\x00def f", "é" * 10, "def f(:\n\t x\n  y"]
)
def test_text_that_is_no_python_does_no_harm(source):
    assert not forbidden.violation([source], "f", ["*"], [])


SCALINGS = [
    "n - 2 * a",
    "a * -2",
    "-2 * (a + b)",
    "2 * 2 * a * 2",
    "[[0] * len(b) for _ in a]",
    "[None] * n",
    "'0' * n",
    "a[0] - 1 * b[0]",
    "[0] * 2 * n",
    "f(*a, **b)",
    "(2  # twice\n * a)",
]
NO_SCALINGS = [
    "a * b",
    "a[0] * b[0]",
    "a * 2 * b",
    "a * -1 * b",
    "a % 2 * b",
    "a ** -1 * b",
    "2 * a * b",
    "a * (2 * b)",
    "(2) * a * b",
    "a * [b, 2]",
    "a[[0] * 2] * b",
    "f(2) * a",
    "f'{a * b}'",
]


@pytest.mark.parametrize("text", SCALINGS)
def test_a_product_with_a_number_may_be_allowed(text):
    sources = [f"def f(a, b, n):\n    return {text}"]
    assert not forbidden.violation(sources, "f", ["x*x"], [])
    assert bool(forbidden.violation(sources, "f", ["*"], [])) == ("**" not in text)


@pytest.mark.parametrize("text", NO_SCALINGS)
def test_a_product_of_two_values_is_none_with_a_number(text):
    assert forbidden.violation([f"def f(a, b, n):\n    return {text}"], "f", ["x*x"], [])


@pytest.mark.parametrize(
    ("text", "is_allowed"),
    [("a *= 2", True), ("a *= -2; a += 1", True), ("a *= b", False), ("a *= 1 * b", False)],
)
def test_a_product_in_place_may_be_with_a_number(text, is_allowed):
    sources = [f"def f(a, b):\n    {text}\n    return a"]
    assert bool(forbidden.violation(sources, "f", ["x*x"], [])) != is_allowed


def sign_sums(function, a, b):
    """What a function of packed rows gives when its arguments are watched, and its verdict."""
    case = cases.Case(
        (cases.watched(a), cases.watched(b)),
        cases.unchanged("Changed."),
        cases.without_products("Multiplied."),
        equals(8 - 2 * np.bitwise_count(a[:, None] ^ b)[..., 0].astype(int), "Wrong."),
    )
    answer = json.loads(json.dumps(collector.answer(function, case.probe)))
    return compare.judge(case, answer).message


def correlation(x, y):
    return np.correlate(x, y)[0]


def by_signs(a):
    return 1 - 2 * np.unpackbits(a, axis=1).astype(int)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            lambda a, b: (
                8 - 2 * np.bitwise_count(np.bitwise_xor.outer(a, b)).sum((1, 3), dtype=int)
            ),
            None,
        ),
        (lambda a, b: [[8 - 2 * (x ^ y).item().bit_count() for (y,) in b] for (x,) in a], None),
        # An option that comes from the arguments, too.
        (
            lambda a, b: [
                [8 - 2 * int(np.bitwise_count(x ^ y).sum(where=x >= y - y)) for y in b] for x in a
            ],
            None,
        ),
        (lambda a, b: (by_signs(a)[:, None] * by_signs(b)).sum(-1), "Multiplied."),
        (lambda a, b: by_signs(a) @ by_signs(b).T, "Multiplied."),
        (lambda a, b: np.einsum("ik,jk->ij", by_signs(a), by_signs(b)), "Multiplied."),
        (lambda a, b: np.stack([by_signs(b).dot(row) for row in by_signs(a)]), "Multiplied."),
        (
            lambda a, b: [[correlation(r, s) for s in by_signs(b)] for r in by_signs(a)],
            "Multiplied.",
        ),
    ],
)
def test_watched_arrays_tell_of_products(function, message):
    a, b = np.array([[9], [200], [3]], np.uint8), np.array([[255], [1]], np.uint8)
    assert sign_sums(function, a, b) == message


# In the notebook -------------------------------------------------------------------------------


def double(x):
    return 2 * x


def test_check_is_silent_or_says_what_is_wrong():
    checks.check(double, (3,), equals(6, "Not twice."))
    long_message = "It is not twice the number that was given, which it must be. " * 2
    with pytest.raises(AssertionError) as error:
        checks.check(double, (3,), equals(7, long_message))
    lines = str(error.value).split("\n")
    assert " ".join(lines) == long_message.strip()
    # `nbgrader validate` cuts a line of output at 87 columns, 4 of them blank.
    assert all(len(f"    AssertionError: {line}") <= 87 for line in lines)


def test_check_raises_what_the_function_raises():
    with pytest.raises(ZeroDivisionError):
        checks.check(lambda x: 1 / x, (0,), equals(0, "Not 0."))


def test_check_looks_at_the_text():
    rule = cases.forbids("double", "*", "", "There is a product.")
    with pytest.raises(AssertionError, match="There is a product"):
        checks.check(double, None, rule)


def test_mark_gives_points_and_prints_each_message_once(capsys):
    some = [
        Case((3,), equals(6, "Not twice.")),
        Case((math.pi,), equals(1, "Not one.")),
        Case((2,), equals(1, "Not one.")),
        Case(([],), equals(1, "Not one.")),
    ]
    assert checks.mark(double, 2, pack(some)) == 0.5
    assert capsys.readouterr().out.splitlines() == [
        "Not one.",
        *requirements.OTHER_SHAPE.splitlines(),
    ]


def test_warnings_are_printed_where_they_do_not_count_as_failures(capsys, monkeypatch):
    import warnings

    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        checks.print_warnings()
        warnings.warn("mind the step", UserWarning, stacklevel=1)
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("UserWarning: mind the step\n", "")
    checks.check(np.log2, (np.zeros(1),), equals([-np.inf], "Not minus infinity."))
    assert "divide by zero" in capsys.readouterr().out
