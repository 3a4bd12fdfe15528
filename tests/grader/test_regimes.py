"""Arrays drawn for hidden cases: what each kind holds, and what a failed one says."""

import numpy as np
import pytest

from quantgrader.cases import decode, equals
from quantgrader.cases.compare import add_up, judge
from quantgrader.cases.regimes import KINDS, VIEWS, drawn


def found(**options):
    return list(drawn(np.random.default_rng(4), **options))


def test_every_kind_comes_in_every_number_of_axes():
    arrays = found(each=8)
    assert {x.kind for x in arrays} == set(KINDS) and len(arrays) == 8 * len(KINDS)
    for kind in KINDS:
        assert {x.values.ndim for x in arrays if x.kind == kind} == {1, 2, 3, 4}
    assert {x.values.ndim for x in found(ndims=(0, 2))} == {0, 2}
    assert {x.values.dtype for x in found(dtype=np.float32)} == {np.dtype(np.float32)}
    assert max(max(x.values.shape) for x in found(most=3)) == 3


def test_kinds_are_what_their_words_say():
    rules = {
        "positive": lambda x: (x > 0).all(),
        "negative": lambda x: (x < 0).all(),
        "shifted": lambda x: x.min() > 9e4,
        "tiny": lambda x: abs(x).max() < 1e-28,
        "huge": lambda x: abs(x).max() > 1e28,
        "alike": lambda x: (x == x.flat[0]).all() and x.flat[0] != 0,
        "zeros": lambda x: (x == 0).all(),
        "mostly zeros": lambda x: (x != 0).any(),
        "cancelling": lambda x: abs(x.sum()) <= abs(x.flat[-1]) + 1e-9,
        "whole": lambda x: (x == x.round()).all(),
        "ties": lambda x: (
            (abs(2 * x - (2 * x).round()) < 1e-12).all() and ((x == 0) | (abs(x) > 0.4)).all()
        ),
        "outlier": lambda x: (abs(x) == 1000).sum() == 1,
        "single": lambda x: x.size == 1,
    }
    for x in found(each=20):
        assert rules.get(x.kind, lambda x: True)(x.values), (x.kind, x.values)
    ties = np.concatenate([x.values.ravel() for x in found(kinds=["ties"], each=20)])
    halves = ties * 2 % 2 == 1
    assert halves.any() and not halves.all()


def test_views_hold_the_same_numbers_in_another_order_of_memory():
    functions = {"numpy.transpose": np.transpose, "numpy.flip": np.flip}
    for view in VIEWS:
        arrays = [x for x in found(each=8, ndims=(0, 1, 2, 3)) if x.view == view]
        assert len(arrays) > 20
        for x in arrays:
            made = decode(
                x.case((), equals(0, "Wrong.")).probe[0],
                build=lambda b: functions[b.name](*b.arguments),
            )
            np.testing.assert_array_equal(made, x.values)
            if view == "transposed" and x.values.ndim > 1:
                assert made.flags.f_contiguous
            if view == "flipped" and x.values.size > 1:
                assert all(step < 0 for step in made.strides)


def test_the_same_generator_draws_the_same():
    first, second = found(), found()
    assert all((a.values == b.values).all() for a, b in zip(first, second, strict=True))


def test_a_function_that_is_wrong_for_one_kind_loses_that_kinds_share_and_is_told_its_words():
    cases = [
        x.case((), equals(abs(x.values).max(), x.says("The maximum is wrong"))) for x in found()
    ]
    kinds = [x.kind for x in found()]
    verdicts = []
    for case, x in zip(cases, found(), strict=True):
        wrong = x.values.max()  # the magnitude was forgotten
        verdicts.append(judge(case, {"value": float(wrong)}))
    failed = {kind for kind, verdict in zip(kinds, verdicts, strict=True) if not verdict.passed}
    assert "negative" in failed and not failed & {"positive", "zeros", "shifted"}
    mark = add_up(cases, verdicts, 10)
    share = sum(not v.passed for v in verdicts) / len(verdicts)
    assert mark.score == pytest.approx(10 * (1 - share), abs=0.006)
    assert "The maximum is wrong where all values are negative." in mark.messages
