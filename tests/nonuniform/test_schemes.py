"""Fixed point, ENQ, KNQ and CLNQ against exact fractions, NumPy and enumeration."""

import itertools
import math
import warnings
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from quantlib import metrics, nonuniform, packed
from quantlib.nonuniform import clnq, conversion_units, enq, fixed_point, knq

RNG = np.random.default_rng(0)
ACTIVATIONS = np.maximum(RNG.standard_normal(5000), 0).astype(np.float32)
POSITIVE = hnp.arrays(
    np.float32, st.integers(1, 30), elements=st.floats(0, 2**20, width=32, allow_subnormal=False)
)


def unsigned(bit_width, fraction_bits):
    """Return the format of activations after a ReLU."""
    return nonuniform.FixedQParams(bit_width, fraction_bits, signed=False)


def half_even(value):
    """Round an exact fraction: Python's own rule is half to even."""
    return round(Fraction(value))


# --- fixed point ---------------------------------------------------------------------------------


@given(x=POSITIVE, q=st.integers(1, 16), f=st.integers(-10, 20))
@settings(max_examples=200, deadline=None)
def test_fixed_point_is_the_nearest_multiple_in_exact_fractions(x, q, f):
    expected = [
        min(half_even(Fraction(float(v)) * Fraction(2) ** f), 2**q - 1) * Fraction(2) ** -f
        for v in x
    ]
    assert [Fraction(float(v)) for v in fixed_point.fixed_point(x, q, f, signed=False)] == expected


def test_signed_fixed_point_has_two_s_complement_ends():
    x = np.array([-9.0, -8.0, -0.25, 0.25, 0.75, 9.0])
    assert fixed_point.fixed_point(x, 4, 0).tolist() == [-8, -8, 0, 0, 1, 7]


@given(x=POSITIVE.filter(lambda x: x.max() > 2.0**-40), q=st.integers(1, 16))
@settings(max_examples=200, deadline=None)
def test_the_format_chosen_is_the_finest_that_holds_everything(x, q):
    f = fixed_point.choose_qparams(x, q, signed=False).fraction_bits
    largest = Fraction(float(x.max()))
    assert half_even(largest * Fraction(2) ** f) <= 2**q - 1
    assert half_even(largest * Fraction(2) ** (f + 1)) > 2**q - 1


def test_formats_of_zero_and_of_signed_values():
    assert fixed_point.choose_qparams(np.zeros(3), 5).fraction_bits == 0
    assert fixed_point.choose_qparams(np.array([-1.0, 0.5]), 8).fraction_bits == 6


def test_a_format_is_not_made_up_for_numbers_that_none_can_hold():
    # 15 / 1e-308 is infinite in floating point.
    for tiny in (1e-308, 5e-324):
        with pytest.raises(ValueError, match="largest magnitude near 1"):
            fixed_point.choose_qparams(np.array([0.0, tiny]), 4)


def test_small_integer_types_do_not_wrap_around():
    small = np.uint8
    assert nonuniform.FixedQParams(small(4), small(1)).scale == 0.5
    qparams = nonuniform.EnqQParams(small(4), unsigned(small(8), np.int8(-1)))
    assert qparams == nonuniform.EnqQParams(4, unsigned(8, -1))
    assert nonuniform.qe(np.array([200, 999]), small(4), small(8)).tolist() == [12, 15]
    assert nonuniform.ce(np.array([15]), small(4), small(8)).tolist() == [240]


def test_the_smallest_bit_width_is_found_from_below():
    accuracy = {1: 10.0, 2: 97.0, 3: 60.0, 4: 98.5, 5: 99.0}
    q, tried = nonuniform.smallest_bit_width(accuracy.get, 99.0, 2.0, accuracy)
    assert (q, tried) == (2, {1: 10.0, 2: 97.0})
    assert nonuniform.smallest_bit_width(accuracy.get, 99.0, 0.0, accuracy)[0] == 5
    assert nonuniform.smallest_bit_width(accuracy.get, 120.0, 1.0, accuracy)[0] is None


# --- ENQ -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("q", "e"), [(q, e) for q in range(1, 9) for e in range(1, q + 1)])
def test_qe_and_ce_are_the_paper_s_formulas_on_every_integer(q, e):
    step = 2 ** (q - e)
    u = np.arange(2**q + 20)
    floor = [math.floor(Fraction(v, step)) if v <= 2**q - 1 else 2**e - 1 for v in u.tolist()]
    nearest = [min(math.floor(Fraction(min(v, 2**q - 1), step) + Fraction(1, 2)), 2**e - 1)
               for v in u.tolist()]  # fmt: skip
    assert nonuniform.qe(u, e, q).tolist() == floor
    assert nonuniform.qe(u, e, q, rounding="nearest").tolist() == nearest
    k = np.arange(2**e)
    assert nonuniform.ce(k, e, q).tolist() == [v * step for v in k.tolist()]
    middle = nonuniform.ce(k, e, q, reconstruction="middle").tolist()
    assert middle == [v * step + (step // 2 if v else 0) for v in k.tolist()]


@given(x=POSITIVE, f=st.integers(-4, 8), bits=st.tuples(st.integers(1, 12), st.integers(1, 12)))
@settings(max_examples=200, deadline=None)
def test_enq_is_fixed_point_then_floor_in_exact_fractions(x, f, bits):
    e, q = sorted(bits)
    qparams = nonuniform.EnqQParams(e, unsigned(q, f))
    step = 2 ** (q - e)
    u = [min(half_even(Fraction(float(v)) * Fraction(2) ** f), 2**q - 1) for v in x]
    k = [v // step for v in u]
    assert nonuniform.quantize(x, qparams).tolist() == k
    values = [Fraction(v) * step * Fraction(2) ** -f for v in k]
    assert [Fraction(float(v)) for v in nonuniform.fake_quantize(x, qparams)] == values


def test_the_variants_of_enq_repair_its_bias():
    def bias(**options):
        qparams = enq.choose_qparams(x, 3, **options)
        return float(np.mean(qparams.fake_quantize(x) - x))

    x = 0.999 * RNG.random(20_000).astype(np.float32)  # all of the 12 bits are used
    step = 2.0**9 * enq.choose_qparams(x, 3, fixed_bit_width=12).fixed.scale
    assert bias() == pytest.approx(-step / 2, rel=0.05)
    assert abs(bias(rounding="nearest")) < 0.1 * step
    # Code 0 keeps its bias, since zero stays zero: an eighth of the values.
    assert bias(reconstruction="middle") == pytest.approx(-step / 16, rel=0.3)


def test_with_all_bits_enq_is_the_fixed_point_number():
    qparams = nonuniform.EnqQParams(6, unsigned(6, 3))
    expected = fixed_point.fixed_point(ACTIVATIONS, 6, 3, signed=False)
    np.testing.assert_array_equal(nonuniform.fake_quantize(ACTIVATIONS, qparams), expected)


# --- KNQ -----------------------------------------------------------------------------------------

LEVELS = hnp.arrays(np.float64, st.integers(1, 16), elements=st.floats(0, 100)).map(np.sort)


@given(x=POSITIVE, levels=LEVELS)
@settings(max_examples=200, deadline=None)
def test_the_nearest_level_is_the_nearest_level(x, levels):
    qparams = nonuniform.KnqQParams(levels, 4)
    distance = np.abs(x[:, None].astype(np.float64) - levels)
    got = np.abs(x.astype(np.float64) - levels[nonuniform.quantize(x, qparams)])
    np.testing.assert_allclose(got, distance.min(axis=1), rtol=1e-12, atol=1e-300)


@given(x=POSITIVE, levels=LEVELS)
@settings(max_examples=200, deadline=None)
def test_the_paper_s_rule_takes_the_last_level_not_above(x, levels):
    qparams = nonuniform.KnqQParams(levels, 4, boundary="level")
    expected = [
        max([k for k, d in enumerate(levels) if Fraction(float(d)) <= Fraction(float(v))] or [0])
        for v in x
    ]
    assert nonuniform.quantize(x, qparams).tolist() == expected


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 63, 64, 65, 1000])
@pytest.mark.parametrize("n_levels", [1, 2, 31, 256])
def test_codes_agree_with_searchsorted(n, n_levels, dtype):
    x = RNG.standard_normal(n).astype(dtype)
    levels = np.sort(RNG.standard_normal(n_levels))
    x[: n // 2] = RNG.choice(levels, n // 2)  # values next to a threshold, in their own precision
    for boundary in ("nearest", "level"):
        qparams = nonuniform.KnqQParams(levels, 8, boundary=boundary)
        expected = np.searchsorted(qparams.thresholds, x.astype(np.float64), side="right")
        codes = nonuniform.quantize(x, qparams)
        assert codes.dtype == np.int32
        np.testing.assert_array_equal(codes, expected)
        np.testing.assert_array_equal(
            nonuniform.dequantize(codes, qparams), levels.astype(np.float32)[expected]
        )


def test_a_tensor_that_is_not_contiguous():
    x = RNG.standard_normal((8, 6, 5)).astype(np.float32)
    qparams = knq.choose_qparams(x, 3)
    for view in (x.T, x[::2, :, 1]):
        expected = np.searchsorted(qparams.thresholds, view.ravel(), side="right")
        np.testing.assert_array_equal(nonuniform.quantize(view, qparams).ravel(), expected)
        torch_view = torch.tensor(x).permute(2, 1, 0) if view.shape == x.T.shape else None
        if torch_view is not None:
            np.testing.assert_array_equal(
                nonuniform.quantize(torch_view, qparams).numpy().ravel(), expected
            )


@pytest.mark.parametrize("make", [np.asarray, torch.tensor])
def test_a_single_number_has_no_axes(make):
    qparams = nonuniform.KnqQParams([0.0, 2.0, 5.0], 2)
    codes = nonuniform.quantize(make(4.0), qparams)
    assert tuple(codes.shape) == ()
    assert int(codes) == 2
    assert float(nonuniform.fake_quantize(make(4.0), qparams)) == 5.0
    assert nonuniform.ck(np.array(1), np.array([3, 4])).shape == ()


def test_qk_and_ck_are_quantize_and_dequantize_in_integers():
    fixed = unsigned(12, 8)
    qparams = knq.choose_qparams(ACTIVATIONS, 4, fixed=fixed, boundary="level")
    table = np.rint(qparams.levels / fixed.scale).astype(np.int64)
    np.testing.assert_array_equal(table * fixed.scale, qparams.levels)
    u = nonuniform.quantize(ACTIVATIONS, fixed)
    codes = nonuniform.priority_encode(nonuniform.comparators(u, table[1:]))
    np.testing.assert_array_equal(
        codes, nonuniform.quantize(nonuniform.dequantize(u, fixed).astype(np.float64), qparams)
    )
    np.testing.assert_array_equal(nonuniform.ck(codes, table), table[codes])


def test_comparators_give_a_thermometer_and_the_encoder_reads_it():
    thresholds = np.array([3, 3, 10])
    reached = nonuniform.comparators(np.array([2, 3, 9, 10]), thresholds)
    assert reached.sum(axis=1).tolist() == [0, 2, 2, 3]
    assert (np.diff(reached.astype(int), axis=1) <= 0).all()
    assert nonuniform.priority_encode(reached).tolist() == [0, 2, 2, 3]


def test_saturating_moves_the_last_levels_down():
    x = np.append(ACTIVATIONS, np.float32([40, 50, 60]))
    plain = knq.choose_qparams(x, 3)
    saturated = knq.choose_qparams(x, 3, saturate_at=4.0)
    assert plain.levels.max() > 35
    assert saturated.levels.max() <= 4
    inside = x <= 4
    assert metrics.sqnr_db(
        x[inside], nonuniform.fake_quantize(x[inside], saturated)
    ) > metrics.sqnr_db(x[inside], nonuniform.fake_quantize(x[inside], plain))


def test_few_distinct_values_become_the_levels_with_a_warning():
    x = np.array([0.0, 0.0, 2.0, 5.0])
    with pytest.warns(UserWarning, match="3 distinct values, fewer than the 8 levels of 3 bits"):
        qparams = knq.choose_qparams(x, 3)
    assert qparams.levels.tolist() == [0.0, 2.0, 5.0]
    np.testing.assert_array_equal(nonuniform.fake_quantize(x, qparams), x)
    many = np.concatenate([np.zeros(5000), np.arange(1.0, 9)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(knq.choose_qparams(many, 3).levels) == 8


def test_levels_of_a_fixed_format_are_in_it():
    fixed = unsigned(6, 4)
    levels = knq.choose_qparams(ACTIVATIONS * 3, 5, fixed=fixed).levels
    np.testing.assert_array_equal(levels * 16, np.rint(levels * 16))
    assert levels.max() <= 63 / 16


def test_levels_of_a_fixed_format_saturate_at_both_ends():
    x = np.array([-50.0, -3.2, 1.0, 60.0])
    signed = nonuniform.FixedQParams(4, 0)
    assert knq.choose_qparams(x, 2, fixed=signed).levels.tolist() == [-8, -3, 1, 7]
    with pytest.raises(ValueError, match="must not be negative"):
        knq.choose_qparams(x, 2, fixed=unsigned(4, 0))
    with pytest.raises(TypeError, match="fixed must be a FixedQParams, got int"):
        knq.choose_qparams(x, 2, fixed=4)


# --- CLNQ ----------------------------------------------------------------------------------------


def test_noise_shares_are_proportional_to_size_and_add_up():
    sizes = {"a": 100, "b": 1000, "c": 37}
    bits = nonuniform.bits_for_sqnr(sizes, 30.0, db_per_bit=5.0, offset_db=2.0)
    noise = {name: 10 ** (-(5.0 * b + 2.0) / 10) for name, b in bits.items()}
    assert 10 * math.log10(1 / sum(noise.values())) == pytest.approx(30.0)
    assert noise["b"] / noise["a"] == pytest.approx(10)
    assert noise["c"] / noise["a"] == pytest.approx(0.37)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_measured_allocation_is_the_best_of_all(data):
    n_layers = data.draw(st.integers(1, 3))
    sizes = {f"l{i}": data.draw(st.integers(1, 50)) for i in range(n_layers)}
    curves = {name: {b: data.draw(st.floats(0, 50)) for b in (1, 2, 3, 5)} for name in sizes}
    target = data.draw(st.floats(0, 40))
    limit = 10 ** (-target / 10)
    memories = {0.0: [math.inf], 1e-9: [math.inf]}  # next to the limit, rounding decides
    for bits in itertools.product((1, 2, 3, 5), repeat=n_layers):
        noise = sum(10 ** (-curves[n][b] / 10) for n, b in zip(sizes, bits, strict=True))
        for slack, found in memories.items():
            if noise <= limit * (1 + slack):
                found.append(sum(n * b for n, b in zip(sizes.values(), bits, strict=True)))
    least = {slack: min(found) for slack, found in memories.items()}
    try:
        chosen = nonuniform.bits_by_measured_sqnr(sizes, curves, target)
    except ValueError as error:
        assert "target_db" in str(error) and least[0.0] == math.inf
        return
    memory = sum(sizes[n] * b for n, b in chosen.items())
    assert least[1e-9] <= memory <= least[0.0] and memory in memories[1e-9]


@given(
    layers=st.lists(
        st.tuples(st.integers(1, 20), st.sets(st.integers(1, 8), min_size=1)),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=60, deadline=None)
def test_cheapest_first_gives_every_combination_once_in_order(layers):
    sizes, choices = [n for n, _ in layers], [sorted(c) for _, c in layers]
    listed = list(clnq.cheapest_first(sizes, choices))
    assert sorted(bits for _, bits in listed) == sorted(itertools.product(*choices))
    assert listed == sorted(listed)
    assert all(m == sum(n * b for n, b in zip(sizes, bits, strict=True)) for m, bits in listed)


# --- all of them ---------------------------------------------------------------------------------

SCHEMES = {
    "fixed": unsigned(4, 2),
    "fixed signed": nonuniform.FixedQParams(4, 1),
    "enq": nonuniform.EnqQParams(3, unsigned(6, 4)),
    "enq nearest": nonuniform.EnqQParams(3, unsigned(6, 4), rounding="nearest"),
    "enq middle": nonuniform.EnqQParams(3, unsigned(6, 4), reconstruction="middle"),
    "knq": nonuniform.KnqQParams([0.0, 0.2, 0.7, 2.0], 2),
    "knq printed": nonuniform.KnqQParams([0.0, 0.2, 0.7, 2.0], 2, boundary="level"),
}


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_torch_gives_what_numpy_gives_and_keeps_the_kind(name, dtype):
    x = torch.tensor(ACTIVATIONS[:500].reshape(5, 100), dtype=dtype)
    qparams = SCHEMES[name]
    codes = nonuniform.quantize(x, qparams)
    assert isinstance(codes, torch.Tensor)
    assert codes.dtype == torch.int32
    expected = nonuniform.quantize(x.numpy(), qparams)
    assert isinstance(expected, np.ndarray)
    np.testing.assert_array_equal(codes.numpy(), expected)
    values = nonuniform.fake_quantize(x, qparams)
    assert values.dtype == dtype
    assert values.shape == x.shape
    back = nonuniform.dequantize(codes, qparams)
    assert back.dtype == torch.float32
    np.testing.assert_allclose(values.double(), back.double(), rtol=1e-3)
    stored = packed.pack(codes, qparams)
    assert (stored.bit_width, stored.signed) == (qparams.bit_width, qparams.quant_min < 0)
    np.testing.assert_array_equal(stored.unpack(), codes)
    np.testing.assert_array_equal(nonuniform.dequantize(stored.unpack(), qparams), back)
    for code in (qparams.quant_min - 1, qparams.quant_max + 1):
        with pytest.raises(ValueError, match="codes must be"):
            packed.pack([code], qparams)


@pytest.mark.parametrize("name", SCHEMES)
def test_bfloat16_which_numpy_has_not_is_taken_as_well(name):
    x = torch.tensor(ACTIVATIONS[:500]).bfloat16()
    codes = nonuniform.quantize(x, SCHEMES[name])
    assert codes.tolist() == nonuniform.quantize(x.float(), SCHEMES[name]).tolist()
    values = nonuniform.fake_quantize(x, SCHEMES[name])
    assert values.dtype == torch.bfloat16
    expected = nonuniform.fake_quantize(x.float(), SCHEMES[name]).bfloat16()
    assert values.tolist() == expected.tolist()
    levels = knq.choose_qparams(x, 3).levels
    np.testing.assert_array_equal(levels, knq.choose_qparams(x.float(), 3).levels)


def test_the_zeros_of_a_relu_stay_zero():
    for name, qparams in SCHEMES.items():
        assert nonuniform.fake_quantize(np.zeros(3), qparams).tolist() == [0, 0, 0], name


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: fixed_point.fixed_point([-1.0], 4, 0, signed=False),
            ValueError,
            "x must not be negative",
        ),
        (lambda: enq.choose_qparams([-1.0], 3), ValueError, "x must not be negative.*got -1"),
        (lambda: fixed_point.fixed_point([np.nan], 4, 0), ValueError, "x must be finite"),
        (lambda: fixed_point.choose_qparams([], 4), ValueError, "x must not be empty"),
        (lambda: fixed_point.fixed_point([1.0], 17, 0), ValueError, "bit_width must be from 2"),
        (lambda: nonuniform.FixedQParams(1, 0), ValueError, "bit_width must be from 2"),
        (lambda: nonuniform.FixedQParams(4, 0.5), TypeError, "fraction_bits must be a whole"),
        (lambda: fixed_point.choose_qparams([1e30], 4), ValueError, "largest magnitude near 1"),
        (
            lambda: nonuniform.EnqQParams(5, unsigned(4, 0)),
            ValueError,
            "E must be at most the q_m = 4",
        ),
        (lambda: nonuniform.qe([1], 5, 4), ValueError, "E must be at most"),
        (
            lambda: nonuniform.EnqQParams("3", unsigned(4, 0)),
            TypeError,
            "bit_width must be a whole number",
        ),
        (lambda: nonuniform.ck([0], [[1, 2]]), ValueError, "table must be one row"),
        (lambda: nonuniform.ck([0], []), ValueError, "table must be one row"),
        (lambda: nonuniform.priority_encode(True), ValueError, "reached must have an axis"),
        (lambda: next(clnq.cheapest_first([1, 2], [(1, 2)])), ValueError, "one entry for each"),
        (lambda: next(clnq.cheapest_first([1], [()])), ValueError, "bit_widths must not be empty"),
        (
            lambda: nonuniform.bits_for_sqnr({"a": 1}, np.nan),
            ValueError,
            "target_db must be finite",
        ),
        (lambda: nonuniform.qe([1.5], 2, 4), TypeError, "u must be integers"),
        (lambda: nonuniform.qe([-1], 2, 4), ValueError, "u must not be negative"),
        (lambda: nonuniform.ce([4], 2, 4), ValueError, "codes must be at most 3, got 4"),
        (lambda: nonuniform.EnqQParams(2, 4), TypeError, "fixed must be a FixedQParams, got int"),
        (
            lambda: nonuniform.EnqQParams(2, nonuniform.FixedQParams(4, 0)),
            ValueError,
            "fixed must be unsigned",
        ),
        (
            lambda: nonuniform.EnqQParams(2, unsigned(4, 0), rounding="up"),
            ValueError,
            "rounding must be one of",
        ),
        (
            lambda: nonuniform.EnqQParams(
                2, unsigned(4, 0), rounding="nearest", reconstruction="middle"
            ),
            ValueError,
            "bring it back",
        ),
        (lambda: enq.choose_qparams([1.0], 3, fixed_bit_width=17), ValueError, "fixed_bit_width"),
        (lambda: nonuniform.qe([1], 1, 0), ValueError, "fixed_bit_width must be from 1 to 16"),
        (lambda: nonuniform.KnqQParams([1.0, 0.0], 1), ValueError, "ascending"),
        (lambda: nonuniform.KnqQParams([0.0, 1.0, 2.0], 1), ValueError, "at most 2 for 1 bits"),
        (lambda: nonuniform.KnqQParams([0.0, np.inf], 1), ValueError, "levels must be finite"),
        (
            lambda: nonuniform.KnqQParams([0.0], 1, boundary="up"),
            ValueError,
            "boundary must be one of",
        ),
        (lambda: knq.choose_qparams([np.nan], 2), ValueError, "x must be finite"),
        (lambda: knq.choose_qparams([1.0], 9), ValueError, "bit_width must be from 1 to 8"),
        (lambda: knq.choose_qparams([1.0], 2, saturate_at=0), ValueError, "saturate_at"),
        (lambda: nonuniform.quantize([np.nan], SCHEMES["knq"]), ValueError, "x must be finite"),
        (lambda: nonuniform.dequantize([4], SCHEMES["knq"]), ValueError, "from 0 to 3, got 4 to 4"),
        (lambda: nonuniform.dequantize([-1], SCHEMES["knq"]), ValueError, "from 0 to 3, got -1"),
        (lambda: nonuniform.dequantize([0.0], SCHEMES["knq"]), TypeError, "codes must be integers"),
        (lambda: conversion_units.comparators([0.5], [1]), TypeError, "u must be integers"),
        (lambda: conversion_units.comparators([5], [2, 1]), ValueError, "ascending"),
        (lambda: nonuniform.bits_for_sqnr({}, 20), ValueError, "sizes must name"),
        (lambda: nonuniform.bits_for_sqnr({"a": 0}, 20), ValueError, "sizes"),
        (lambda: nonuniform.bits_for_sqnr({"a": 1}, 20, db_per_bit=0), ValueError, "db_per_bit"),
        (lambda: nonuniform.bits_by_measured_sqnr({"a": 1}, {}, 9), ValueError, "none for.*'a'"),
        (lambda: nonuniform.smallest_bit_width(abs, 1, -1), ValueError, "delta must be 0 or more"),
        (lambda: nonuniform.smallest_bit_width(abs, 1, 1, []), ValueError, "must not be empty"),
        (lambda: nonuniform.quantize([1.0], 4), TypeError, "qparams must be the parameters of a"),
    ],
)
def test_bad_input_is_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()
