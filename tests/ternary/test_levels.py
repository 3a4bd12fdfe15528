"""Thresholds and levels of three values, beside loops and trials of every threshold."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from quantlib import packed, ternary
from quantlib.ternary import RULES, TernaryQParams

RNG = np.random.default_rng(7)
NUMBERS = st.floats(-4, 4, width=32).map(lambda v: round(v, 2))
ROWS = hnp.arrays(np.float64, st.integers(1, 9), elements=NUMBERS)


def error(w, threshold, negative, positive):
    """Return the squared error of three levels, number by number."""
    total = 0.0
    for value in w:
        level = positive if value > threshold else -negative if value < -threshold else 0.0
        total += (value - level) ** 2
    return total


def mean(values):
    return sum(values) / len(values) if values else 0.0


def least_error(w, two_levels):
    """Return the least error of all thresholds, each with the best levels for it."""
    found = []
    for threshold in [0.0, *map(abs, w)]:
        above = [v for v in w if v > threshold]
        below = [-v for v in w if v < -threshold]
        levels = (mean(below), mean(above)) if two_levels else 2 * (mean(below + above),)
        found.append(error(w, threshold, *levels))
    return min(found)


@given(w=ROWS)
@settings(max_examples=200, deadline=None)
def test_no_threshold_leaves_less_error_than_the_optimum(w):
    for rule, two_levels in (("optimal", False), ("two_levels", True)):
        q = ternary.choose_qparams(w, rule=rule)
        mine = error(w, q.threshold, q.negative, q.positive)
        assert mine == pytest.approx(least_error(w, two_levels), abs=1e-12)
        assert ((q.fake_quantize(w) - w) ** 2).sum() == pytest.approx(mine, abs=1e-12)


@given(w=ROWS)
@settings(max_examples=100, deadline=None)
def test_no_level_and_threshold_whatever_leave_less_error(w):
    """Codes and level are free here: the best codes for a level are found by trying all three."""
    best = min(
        sum(min((v - code * level) ** 2 for code in (-1, 0, 1)) for v in w)
        for level in [mean(list(part)) for k in range(1, len(w) + 1)
                      for part in [sorted(map(abs, w))[-k:]]]
    )  # fmt: skip
    q = ternary.choose_qparams(w, rule="optimal")
    assert error(w, q.threshold, q.negative, q.positive) == pytest.approx(best, abs=1e-12)


def test_twn_and_bitnet_number_by_number():
    w = RNG.normal(size=50)
    threshold = 0.7 * sum(map(abs, w)) / 50
    q = ternary.choose_qparams(w)
    assert q.threshold == pytest.approx(threshold)
    assert (
        q.positive == q.negative == pytest.approx(mean([abs(v) for v in w if abs(v) > threshold]))
    )
    q = ternary.choose_qparams(w, rule="bitnet")
    assert q.positive == q.negative == pytest.approx(sum(map(abs, w)) / 50)
    scaled = np.clip(np.round(w / q.positive), -1, 1)  # as it is printed: RoundClip(W / mean)
    np.testing.assert_array_equal(ternary.quantize(w, q), scaled)


@pytest.mark.parametrize(
    ("shape", "factor"), [("normal", 0.7672), ("uniform", 2 / 3)], ids=["normal", "uniform"]
)
def test_factor_of_twn_lies_between_the_best_ones_of_two_shapes(shape, factor):
    """That of a normal distribution is 0.612 of its deviation over its mean magnitude, 0.798."""
    rng = np.random.default_rng(3)
    w = rng.normal(size=400_000) if shape == "normal" else rng.uniform(-1, 1, 400_000)
    best = ternary.choose_qparams(w, rule="optimal").threshold / abs(w).mean()
    assert best == pytest.approx(factor, abs=0.03)
    errors = {
        rule: ((ternary.choose_qparams(w, rule=rule).fake_quantize(w) - w) ** 2).mean()
        for rule in RULES
    }
    assert errors["optimal"] <= errors["twn"] < 1.01 * errors["optimal"]
    assert errors["two_levels"] <= errors["optimal"] < errors["bitnet"]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("make", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
def test_rows_are_chosen_each_for_itself_and_zeros_stay_zero(rule, make):
    w = RNG.normal(size=(3, 2, 40)).astype(np.float32)
    w[1] = 0
    q = ternary.choose_qparams(make(w), rule=rule, axis=0)
    assert q.levels.shape == (3, 3) and q.levels[1].tolist() == [0, 0, 0]
    for i in range(3):
        alone = ternary.choose_qparams(w[i], rule=rule)
        # A sum of another order of memory may round otherwise.
        np.testing.assert_allclose(q.levels[i], alone.levels, rtol=1e-12)
        np.testing.assert_array_equal(ternary.quantize(make(w), q)[i], alone.quantize(w[i]))
    moved = ternary.choose_qparams(make(np.moveaxis(w, 0, 2).copy()), rule=rule, axis=2)
    np.testing.assert_allclose(moved.levels, q.levels, rtol=1e-12)


def test_codes_take_two_bits_and_come_back():
    w = RNG.normal(size=(4, 30))
    q = ternary.choose_qparams(w, rule="two_levels", axis=0)
    codes = ternary.quantize(w, q)
    stored = packed.pack(codes, q)
    assert set(np.unique(codes)) == {-1, 0, 1} and stored.nbytes == 30
    back = ternary.dequantize(stored.unpack(), q)
    np.testing.assert_allclose(back, q.fake_quantize(w), rtol=1e-6)
    for i, row in enumerate(codes):
        levels = {-1: -q.negative[i], 0: 0.0, 1: q.positive[i]}
        np.testing.assert_allclose(back[i], [levels[code] for code in row.tolist()], rtol=1e-6)


def test_a_number_at_the_threshold_becomes_zero():
    q = TernaryQParams(0.5, negative=1.0, positive=2.0)
    x = np.array([-0.51, -0.5, 0.0, 0.5, 0.51], np.float32)
    assert q.quantize(x).tolist() == [-1, 0, 0, 0, 1]
    assert q.fake_quantize(x).tolist() == [-1.0, 0.0, 0.0, 0.0, 2.0]


def test_the_gradient_passes_everywhere():
    x = torch.tensor([-9.0, -0.1, 0.0, 0.6, 30.0], requires_grad=True)
    factors = torch.arange(1.0, 6)
    (TernaryQParams(0.5, negative=1, positive=2).fake_quantize(x) * factors).sum().backward()
    assert x.grad.tolist() == factors.tolist()


def test_levels_stored_once_where_they_are_alike():
    w = RNG.normal(size=(3, 20))
    assert ternary.choose_qparams(w, axis=0).parameter_bytes == 12
    assert ternary.choose_qparams(w, rule="two_levels", axis=0).parameter_bytes == 24


@pytest.mark.parametrize(
    ("call", "error_type", "message"),
    [
        (lambda: ternary.choose_qparams([1.0], rule="ttq"), ValueError, "rule must be"),
        (lambda: ternary.choose_qparams([]), ValueError, "x must not be empty"),
        (lambda: ternary.choose_qparams([1.0, np.nan]), ValueError, "x must be finite"),
        (lambda: ternary.choose_qparams([1.0], axis=1), ValueError, "axis must be"),
        (
            lambda: TernaryQParams(-0.1, negative=1, positive=1),
            ValueError,
            "threshold must be 0 or more, got -0.1",
        ),
        (
            lambda: TernaryQParams([0.1], negative=1, positive=1),
            ValueError,
            r"threshold must be one number, got shape \(1,\)",
        ),
        (
            lambda: TernaryQParams([0.1], negative=[1, 2], positive=[1], axis=0),
            ValueError,
            r"must have the same shape, got \(1,\), \(2,\), \(1,\)",
        ),
        (
            lambda: ternary.dequantize([2], TernaryQParams(0.1, negative=1, positive=1)),
            ValueError,
            "codes must be -1, 0 or 1",
        ),
    ],
    ids=["rule", "empty", "nan", "axis", "negative", "array", "lengths", "codes"],
)
def test_bad_input_is_refused_by_name(call, error_type, message):
    with pytest.raises(error_type, match=message):
        call()
