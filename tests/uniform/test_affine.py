"""Uniform quantization against torch's own kernels and exact fractions."""

import copy
import pickle
import tracemalloc
import warnings
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from quantlib import uniform

FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
TENSORS = hnp.arrays(np.float32, hnp.array_shapes(max_dims=3, max_side=6), elements=FLOAT32)
RNG = np.random.default_rng(0)
EDGES = {
    "ties": np.arange(-40, 41, dtype=np.float32) / 4,
    "constant": np.full(7, 3.7, np.float32),
    "constant negative": np.full(7, -3.7, np.float32),
    "all zero": np.zeros(5, np.float32),
    "negative zero": np.array([-0.0, 0.0], np.float32),
    "one element": np.array([0.1], np.float32),
    "a single number": np.float32(-2.5) * np.ones((), np.float32),
    "negative only": -RNG.random(50, dtype=np.float32) - np.float32(0.5),
    "positive only": RNG.random(50, dtype=np.float32) + np.float32(5),
    "denormals": np.array([1e-45, -3e-42, 1e-39, 0.0], np.float32),
    "largest": np.array([3.4e38, -3.4e38, 1.0], np.float32),
    "outlier": np.r_[RNG.standard_normal(100), 1e6].astype(np.float32),
    "gaussian": RNG.standard_normal(20_000).astype(np.float32),
}
MAPPINGS = ("symmetric", "asymmetric", "symmetric_no_clipping_err")
SCHEMES = [
    dict(mapping=mapping, signed=signed, narrow_range=narrow)
    for mapping in MAPPINGS
    for signed in (True, False)
    for narrow in (True, False)
]


def torch_fake_quantize(x, qparams):
    return torch.fake_quantize_per_tensor_affine(
        torch.tensor(x), qparams.scale, qparams.zero_point, qparams.quant_min, qparams.quant_max
    ).numpy()


def assert_same_bits(actual, expected):
    assert actual.dtype == expected.dtype == np.float32
    np.testing.assert_array_equal(actual.view(np.uint32), expected.view(np.uint32))


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("bit_width", [2, 3, 4, 7, 8, 13, 16])
def test_edge_tensors_agree_with_torch_to_the_bit(name, bit_width, scheme):
    x = EDGES[name]
    if scheme["mapping"] == "symmetric" and not scheme["signed"] and x.min() < 0:
        with pytest.raises(ValueError, match="low must not be negative"):
            uniform.choose_qparams(x, bit_width, **scheme)
        return
    qparams = uniform.choose_qparams(x, bit_width, **scheme)
    ours = uniform.fake_quantize(x, qparams)
    assert_same_bits(ours, torch_fake_quantize(x, qparams))
    codes = uniform.quantize(x, qparams)
    assert qparams.quant_min <= codes.min() and codes.max() <= qparams.quant_max
    assert_same_bits(uniform.dequantize(codes, qparams), ours)
    # Within the range no value moves by more than half a step, and by rounding of the scale.
    # The outermost levels of the largest floats lie beyond the largest float.
    ours = np.where(np.isinf(ours), np.copysign(3.4e38, ours), ours) if name == "largest" else ours
    assert np.all(np.abs(ours - x.astype(np.float64)) <= qparams.scale * 0.5001 + 1e-6 * abs(x))


@given(x=TENSORS, scale=st.floats(2**-20, 2**20, width=32), data=st.data())
@settings(max_examples=400, deadline=None)
def test_any_tensor_scale_and_zero_point_agree_with_torch_to_the_bit(x, scale, data):
    bit_width = data.draw(st.integers(1, 16))
    signed = data.draw(st.booleans())
    narrow_range = data.draw(st.booleans()) and bit_width > 1
    quant_min, quant_max = uniform.quant_range(bit_width, signed=signed, narrow_range=narrow_range)
    zero_point = data.draw(st.integers(quant_min, quant_max))
    # torch casts x / scale to a 64-bit integer before it clamps; beyond that C++ defines nothing.
    assume(float(np.abs(x).max()) / scale < 2**60)
    qparams = uniform.QParams(
        scale, zero_point, bit_width, signed=signed, narrow_range=narrow_range
    )
    assert_same_bits(uniform.fake_quantize(x, qparams), torch_fake_quantize(x, qparams))


@given(
    x=hnp.arrays(np.float32, st.tuples(*[st.integers(1, 4)] * 3), elements=FLOAT32),
    axis=st.integers(-3, 2),
    bit_width=st.integers(2, 8),
    mapping=st.sampled_from(MAPPINGS),
)
@settings(max_examples=200, deadline=None)
def test_per_channel_agrees_with_torch_to_the_bit(x, axis, bit_width, mapping):
    qparams = uniform.choose_qparams(x, bit_width, mapping=mapping, axis=axis)
    expected = torch.fake_quantize_per_channel_affine(
        torch.tensor(x),
        torch.tensor(qparams.scale, dtype=torch.float32),
        torch.tensor(qparams.zero_point, dtype=torch.int32),
        axis % 3,
        qparams.quant_min,
        qparams.quant_max,
    ).numpy()
    assert_same_bits(uniform.fake_quantize(x, qparams), expected)


def test_per_channel_is_per_tensor_on_each_channel():
    x = (
        RNG.standard_normal((5, 3, 2, 2)).astype(np.float32)
        * np.float32([1, 10, 0.1])[:, None, None]
    )
    whole = uniform.choose_qparams(x, 4, mapping="asymmetric", axis=1)
    assert whole.scale.shape == whole.zero_point.shape == (3,)
    codes = uniform.quantize(x, whole)
    for channel in range(3):
        one = uniform.choose_qparams(x[:, channel], 4, mapping="asymmetric")
        assert (one.scale, one.zero_point) == (whole.scale[channel], whole.zero_point[channel])
        np.testing.assert_array_equal(codes[:, channel], uniform.quantize(x[:, channel], one))


@pytest.mark.parametrize("zero_point", [-4, 0, 6])
def test_quantize_per_tensor_agrees_where_its_tie_rule_does(zero_point):
    """An even zero point keeps the parity, so that adding it before rounding changes no tie."""
    x = np.arange(-64, 64, dtype=np.float32) / 8  # eighths are exact, and every fourth is a tie
    expected = _torch_codes(x, 0.5, zero_point)
    qparams = uniform.QParams(0.5, zero_point, 8)
    np.testing.assert_array_equal(uniform.quantize(x, qparams), expected)


def test_quantize_per_tensor_breaks_ties_the_other_way_with_an_odd_zero_point():
    x = np.arange(-64, 64, dtype=np.float32) / 8
    ours = uniform.quantize(x, uniform.QParams(0.5, 3, 8))
    theirs = _torch_codes(x, 0.5, 3)
    is_tie = (x / 0.5) % 1 == 0.5
    np.testing.assert_array_equal(ours != theirs, is_tie)
    np.testing.assert_array_equal(np.abs(ours - theirs), is_tie.astype(int))


def _torch_codes(x, scale, zero_point):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces that these constructors will go
        return (
            torch.quantize_per_tensor(torch.tensor(x), scale, zero_point, torch.qint8)
            .int_repr()
            .numpy()
        )


@given(x=TENSORS, exponent=st.integers(-30, 30), bit_width=st.integers(2, 16))
@settings(max_examples=200, deadline=None)
def test_codes_are_exact_fractions_for_power_of_two_scales(x, exponent, bit_width):
    assume(np.abs(x).max() < 2.0**90)
    qparams = uniform.QParams(2.0**exponent, 1, bit_width)
    expected = [_exact_code(v, qparams) for v in x.ravel()]
    assert uniform.quantize(x, qparams).ravel().tolist() == expected


def _exact_code(value, qparams):
    code = round(Fraction(float(value)) / Fraction(qparams.scale)) + qparams.zero_point
    return min(max(code, qparams.quant_min), qparams.quant_max)


@given(x=TENSORS, scale=st.floats(2**-20, 2**20, width=32), bit_width=st.integers(2, 16))
@settings(max_examples=200, deadline=None)
def test_codes_are_exact_fractions_but_next_to_a_tie(x, scale, bit_width):
    """Two float32 roundings move the quotient by less than 2**-23 of itself, and no code more."""
    qparams = uniform.QParams(scale, 0, bit_width)
    for value, code in zip(x.ravel(), uniform.quantize(x, qparams).ravel(), strict=True):
        exact = Fraction(float(value)) / Fraction(scale)
        distance_to_tie = abs(exact % 1 - Fraction(1, 2))
        if distance_to_tie > abs(exact) * Fraction(1, 2**23) + Fraction(1, 2**100):
            assert code == _exact_code(value, qparams)
        else:
            assert abs(int(code) - _exact_code(value, qparams)) <= 1


@given(x=TENSORS, bit_width=st.integers(2, 16), signed=st.booleans(), narrow=st.booleans())
@settings(max_examples=300, deadline=None)
def test_asymmetric_qparams_meet_the_two_conditions(x, bit_width, signed, narrow):
    qparams = uniform.choose_qparams(
        x, bit_width, mapping="asymmetric", signed=signed, narrow_range=narrow
    )
    low = min(Fraction(float(x.min())), Fraction(0))
    high = max(Fraction(float(x.max())), Fraction(0))
    exact = (high - low) / (qparams.quant_max - qparams.quant_min)
    if exact >= Fraction(float(np.finfo(np.float32).tiny)):
        assert abs(Fraction(qparams.scale) - exact) <= exact / 2**23
        # Both of Chenna's conditions give the zero point to within half a step and rounding.
        for condition in (
            qparams.quant_min - low / Fraction(qparams.scale),
            qparams.quant_max - high / Fraction(qparams.scale),
        ):
            assert abs(condition - qparams.zero_point) <= Fraction(1, 2) + Fraction(1, 2**6)
    zero = uniform.fake_quantize(np.zeros(1, np.float32), qparams)
    assert zero[0] == 0.0
    assert uniform.quantize(np.zeros(1, np.float32), qparams)[0] == qparams.zero_point


@given(x=TENSORS, bit_width=st.integers(2, 16))
@settings(max_examples=200, deadline=None)
def test_symmetric_scale_gives_the_largest_value_the_largest_code(x, bit_width):
    assume(np.abs(x).max() > 1e-30)
    for narrow_range in (True, False):
        qparams = uniform.choose_qparams(x, bit_width, narrow_range=narrow_range)
        exact = Fraction(float(np.abs(x).max())) / (2 ** (bit_width - 1) - 1)
        assert abs(Fraction(qparams.scale) - exact) <= exact / 2**23
        assert np.abs(uniform.quantize(x, qparams)).max() == qparams.quant_max
        assert qparams.zero_point == 0


def test_choose_qparams_agrees_with_torch_ao_observers():
    from torch.ao.quantization.observer import MinMaxObserver, PerChannelMinMaxObserver

    x = RNG.standard_normal((6, 50)).astype(np.float32) + np.float32(0.3)
    for observer, axis in (
        (MinMaxObserver(dtype=torch.quint8, qscheme=torch.per_tensor_affine), None),
        (PerChannelMinMaxObserver(0, torch.quint8, torch.per_channel_affine), 0),
    ):
        observer(torch.tensor(x))
        scale, zero_point = (v.numpy() for v in observer.calculate_qparams())
        ours = uniform.choose_qparams(x, 8, mapping="asymmetric", signed=False, axis=axis)
        np.testing.assert_allclose(np.atleast_1d(ours.scale), scale, rtol=3e-7)
        np.testing.assert_array_equal(np.atleast_1d(ours.zero_point), zero_point)
    observer = MinMaxObserver(dtype=torch.qint8, qscheme=torch.per_tensor_symmetric)
    observer(torch.tensor(x))
    ratio = float(observer.calculate_qparams()[0]) / uniform.choose_qparams(x, 8).scale
    np.testing.assert_allclose(ratio, 127 / 127.5, rtol=1e-6)  # as the docstring says


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_torch_and_numpy_give_the_same(scheme):
    x = np.abs(RNG.standard_normal((4, 5))).astype(np.float32)
    for axis in (None, 1):
        for_numpy = uniform.choose_qparams(x, 5, axis=axis, **scheme)
        for_torch = uniform.choose_qparams(torch.tensor(x), 5, axis=axis, **scheme)
        np.testing.assert_array_equal(for_numpy.scale, for_torch.scale)
        np.testing.assert_array_equal(for_numpy.zero_point, for_torch.zero_point)
        for step in (uniform.quantize, uniform.fake_quantize):
            from_torch = step(torch.tensor(x), for_torch)
            assert isinstance(from_torch, torch.Tensor)
            np.testing.assert_array_equal(step(x, for_numpy), from_torch.numpy())
        codes = uniform.quantize(torch.tensor(x), for_torch)
        assert codes.dtype == torch.int32
        assert isinstance(uniform.dequantize(codes, for_torch), torch.Tensor)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_fake_quantize_keeps_the_dtype(dtype):
    x = RNG.standard_normal(1000).astype(dtype)
    qparams = uniform.choose_qparams(x, 8)
    x_hat = uniform.fake_quantize(x, qparams)
    assert x_hat.dtype == dtype
    assert np.abs(x_hat.astype(np.float64) - x).max() <= qparams.scale * 0.5001 + 1e-3 * (
        dtype is np.float16
    )


def test_float64_keeps_its_precision():
    x = np.array([-1e-100, 0.3e-100, 1e-100])
    x_hat = uniform.fake_quantize(x, uniform.choose_qparams(x, 8))
    np.testing.assert_allclose(x_hat, [-1e-100, 0.3e-100, 1e-100], rtol=0, atol=0.5e-100 / 127)


def test_integers_and_lists_are_taken_as_numbers():
    qparams = uniform.choose_qparams([1, 2, -3], 3)
    assert uniform.quantize([1, 2, -3], qparams).tolist() == [1, 2, -3]
    assert uniform.quantize(torch.tensor([1, 2, -3]), qparams).tolist() == [1, 2, -3]


@pytest.mark.parametrize("bit_width", range(1, 17))
def test_quant_range_counts(bit_width):
    low, high = uniform.quant_range(bit_width)
    assert (high - low + 1, low + high) == (2**bit_width, -1)
    assert uniform.quant_range(bit_width, signed=False) == (0, 2**bit_width - 1)
    if bit_width > 1:
        low, high = uniform.quant_range(bit_width, narrow_range=True)
        assert (high - low + 1, low + high) == (2**bit_width - 1, 0)


def test_one_bit_asymmetric_has_two_levels():
    x = np.array([-1.0, -0.2, 0.2, 3.0], np.float32)
    qparams = uniform.choose_qparams(x, 1, mapping="asymmetric", signed=False)
    assert set(uniform.quantize(x, qparams).tolist()) == {0, 1}


@given(x=TENSORS, bit_width=st.integers(2, 16))
@settings(max_examples=200, deadline=None)
def test_nayak_formulas_are_as_printed(x, bit_width):
    assume(np.abs(x).max() > 1e-30 and x.max() > x.min())
    exact = [Fraction(float(v)) for v in x.ravel()]
    low, high = min(exact), max(exact)
    codes, scale, minimum = uniform.nayak_asymmetric(x, bit_width)
    _assert_rounded(codes, [(v - low) * (2**bit_width - 1) / (high - low) for v in exact])
    assert minimum == float(low) and codes.min() == 0 and codes.max() == 2**bit_width - 1
    np.testing.assert_allclose(scale, float((high - low) / (2**bit_width - 1)), rtol=1e-14)
    codes, scale = uniform.nayak_symmetric(x, bit_width)
    largest = max(abs(v) for v in exact)
    _assert_rounded(codes, [v * (2 ** (bit_width - 1) - 1) / largest for v in exact])
    np.testing.assert_allclose(scale, float(largest / (2 ** (bit_width - 1) - 1)), rtol=1e-14)


def _assert_rounded(codes, quotients):
    """The codes are the quotients rounded; float64 may not tell a tie from what is next to it."""
    for code, exact in zip(np.asarray(codes).ravel().tolist(), quotients, strict=True):
        assert abs(exact - code) <= Fraction(1, 2) + Fraction(1, 2**30)


def test_nayak_asymmetric_has_no_exact_zero_and_ours_has():
    x = np.array([-0.4, 0.0, 1.0], np.float32)
    codes, scale, minimum = uniform.nayak_asymmetric(x, 4)
    assert abs(scale * codes[1] + minimum) > 0.02
    qparams = uniform.choose_qparams(x, 4, mapping="asymmetric")
    assert uniform.fake_quantize(x, qparams)[1] == 0.0


def test_nayak_symmetric_is_the_library_s_symmetric_scheme():
    x = RNG.standard_normal(5000).astype(np.float32)
    codes, scale = uniform.nayak_symmetric(x, 6)
    qparams = uniform.choose_qparams(x, 6)
    np.testing.assert_array_equal(codes, uniform.quantize(x, qparams))
    np.testing.assert_allclose(scale, qparams.scale, rtol=1e-7)


X = np.array([[0.5, -1.0], [2.0, 0.0]], np.float32)
GOOD = uniform.QParams(0.5, 0, 8)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: uniform.choose_qparams(X, 0), ValueError, "bit_width must be from 2 to 16, got 0"),
        (lambda: uniform.choose_qparams(X, 17), ValueError, "bit_width .* got 17"),
        (lambda: uniform.choose_qparams(X, 1), ValueError, "bit_width must be from 2 to 16"),
        (lambda: uniform.choose_qparams(X, 4.0), TypeError, "bit_width must be a whole number"),
        (lambda: uniform.choose_qparams(X, True), TypeError, "bit_width .* got True"),
        (lambda: uniform.choose_qparams(np.array([]), 8), ValueError, "x must not be empty"),
        (
            lambda: uniform.choose_qparams([np.nan, 1.0], 8),
            ValueError,
            "x must be finite, got 1 NaN",
        ),
        (lambda: uniform.choose_qparams([np.inf, 1.0], 8), ValueError, "x must be finite"),
        (lambda: uniform.choose_qparams(["a"], 8), TypeError, "x must hold real numbers"),
        (lambda: uniform.choose_qparams(X * 1j, 8), TypeError, "x must hold real numbers"),
        (
            lambda: uniform.choose_qparams(X, 8, axis=2),
            ValueError,
            "axis must be from -2 to 1, got 2",
        ),
        (lambda: uniform.choose_qparams(X[0, 0], 8, axis=0), ValueError, "axis must be None"),
        (
            lambda: uniform.choose_qparams(X, 8, signed=False),
            ValueError,
            "low must not be negative where mapping='symmetric' and signed=False",
        ),
        (lambda: uniform.qparams_from_range(2.0, 1.0, 8), ValueError, "low not above high"),
        (lambda: uniform.qparams_from_range(0.0, np.inf, 8), ValueError, "must be finite"),
        (
            lambda: uniform.choose_qparams(
                np.array([-3e38, 3e38], np.float32), 1, mapping="asymmetric"
            ),
            ValueError,
            "low and high must lie close enough for a scale in float32, got -3.*e.38 and 3",
        ),
        (
            lambda: uniform.qparams_from_range(0.0, 1e300, 8),
            ValueError,
            "close enough .* in float32",
        ),
        (
            lambda: uniform.qparams_from_range(0.0, 1.0, 8, dtype="float16"),
            ValueError,
            "dtype must be one of 'float32', 'float64', got 'float16'",
        ),
        (
            lambda: uniform.choose_qparams(np.array(["2026-01-01"], "M8[D]"), 8),
            TypeError,
            "x must hold real numbers, got dtype datetime64",
        ),
        (
            lambda: uniform.choose_qparams(np.array([None, 1.0], object), 8),
            TypeError,
            "x must hold real numbers, got dtype object",
        ),
        (
            lambda: uniform.dequantize(np.array([0, 1]), uniform.QParams(1e300, 0, 8)),
            ValueError,
            "qparams.scale must be at most 3.4.*e.38 here, got 1e.300",
        ),
        (
            lambda: uniform.fake_quantize(X, uniform.QParams(1e300, 0, 8)),
            ValueError,
            "qparams.scale must be at most 3.4.*e.38 here",
        ),
        (
            lambda: uniform.nayak_asymmetric(np.array([0.0, 5e-324]), 8),
            ValueError,
            "x must have a range that float64 can divide by, got 5e-324",
        ),
        (
            lambda: uniform.nayak_asymmetric(np.array([-1.7e308, 1.7e308]), 8),
            ValueError,
            "x must have a range that float64 can divide by, got inf",
        ),
        (
            lambda: uniform.nayak_symmetric(np.array([0.0, 5e-324]), 8),
            ValueError,
            "x must have a range that float64 can divide by",
        ),
        (lambda: uniform.QParams(0.0, 0, 8), ValueError, "scale must be positive"),
        (lambda: uniform.QParams(np.nan, 0, 8), ValueError, "scale must be positive and finite"),
        (lambda: uniform.QParams(1.0, 200, 8), ValueError, "zero_point must be from -128 to 127"),
        (lambda: uniform.QParams(1.0, 0.5, 8), TypeError, "zero_point must be integers"),
        (lambda: uniform.QParams(np.ones(2), 0, 8, axis=0), ValueError, "must have the same shape"),
        (lambda: uniform.QParams(np.ones(2), np.zeros(2, int), 8), ValueError, "with 0 axes"),
        (
            lambda: uniform.quantize(X, uniform.QParams(np.ones(3), np.zeros(3, int), 8, axis=0)),
            ValueError,
            "x must have 3 entries along axis 0",
        ),
        (
            lambda: uniform.quantize(X, uniform.QParams(1e-45, 0, 8)),
            ValueError,
            "scale is too small",
        ),
        (lambda: uniform.dequantize(X, GOOD), TypeError, "codes must be integers"),
        (lambda: uniform.dequantize(np.array([128]), GOOD), ValueError, "codes must be from -128"),
        (lambda: uniform.nayak_asymmetric(np.ones(3), 4), ValueError, "two different values"),
        (lambda: uniform.nayak_symmetric(np.zeros(3), 4), ValueError, "not 0"),
        (lambda: uniform.nayak_symmetric(X, 1), ValueError, "bit_width must be from 2 to 16"),
    ],
)
def test_bad_input_is_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_bad_input_is_refused_without_a_warning_before():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match="close enough"):
            uniform.choose_qparams(np.array([-3e38, 3e38], np.float32), 1, mapping="asymmetric")


def test_a_layer_s_own_parameter_is_taken_without_a_warning():
    weight = torch.nn.Linear(3, 2).weight
    always = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            qparams = uniform.choose_qparams(weight, 8)
            uniform.nayak_asymmetric(weight, 8)
            uniform.nayak_symmetric(weight, 8)
    finally:
        torch.set_warn_always(always)
    assert qparams.scale == uniform.choose_qparams(weight.detach(), 8).scale


def test_checking_that_all_is_finite_takes_little_memory():
    x = np.ones(2**22, np.float32)
    tracemalloc.start()
    uniform.choose_qparams(x, 8)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < x.nbytes  # a byte for each value, and not another eight


def test_parameters_are_compared_by_value_and_cannot_be_changed():
    scale, zero_point = np.array([0.5, 2.0]), np.array([0, 1])
    qparams = uniform.QParams(scale, zero_point, 4, axis=0)
    same = uniform.QParams([0.5, 2.0], [0, 1], 4, axis=0)
    assert qparams == same and hash(qparams) == hash(same) and len({qparams, same}) == 1
    assert qparams != uniform.QParams([0.5, 2.5], [0, 1], 4, axis=0)
    scale[0], zero_point[0] = 9.0, 5
    assert qparams == same
    for values in (qparams.scale, qparams.zero_point):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 1
    assert copy.deepcopy(qparams) == pickle.loads(pickle.dumps(qparams)) == qparams


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"scale": "a"}, TypeError, "scale must hold real numbers"),
        ({"axis": 0.5}, TypeError, "axis must be a whole number, got 0.5"),
        ({"axis": True}, TypeError, "axis must be a whole number"),
        ({"scale": [], "zero_point": np.zeros(0, int), "axis": 0}, ValueError, "same shape"),
        ({"zero_point": 0.0}, TypeError, "zero_point must be integers"),
        ({"zero_point": 2**40}, ValueError, "zero_point must be from -8 to 7"),
    ],
)
def test_parameters_that_are_none_are_refused(arguments, error, words):
    with pytest.raises(error, match=words):
        uniform.QParams(**{"scale": 0.5, "zero_point": 0, "bit_width": 4, **arguments})


@pytest.mark.parametrize("library", [np.asarray, torch.asarray])
def test_each_value_of_a_vector_can_have_its_own_scale(library):
    x = np.array([-2.0, 0.5, 0.0, 3.0], np.float32)
    qparams = uniform.choose_qparams(library(x), 4, axis=0)
    np.testing.assert_allclose(qparams.scale, [2 / 7, 0.5 / 7, 1.0, 3 / 7], rtol=1e-6)
    codes = uniform.quantize(library(x), qparams)
    assert codes.tolist() == [-7, 7, 0, 7]
    np.testing.assert_allclose(np.asarray(uniform.dequantize(codes, qparams)), x, rtol=1e-6)


#: Few values go through torch's kernel, many through NumPy's and torch's own steps.
SIZES = {"few": (5, 4), "many": (5, 8000)}
PARAMETERS = {
    "per tensor": uniform.QParams(0.037, 0, 4, narrow_range=True),
    "zero point": uniform.QParams(0.037, -3, 4),
    "unsigned": uniform.QParams(0.037, 5, 4, signed=False),
    "16 bits": uniform.QParams(3.7e-5, 1000, 16),
    "one bit": uniform.QParams(0.5, 0, 1),
    "per channel": uniform.QParams(np.linspace(0.01, 0.1, 5), [0, 1, -2, 3, -4], 4, axis=0),
    "one zero point": uniform.QParams(np.linspace(0.01, 0.1, 5), np.full(5, 2), 4, axis=0),
    "axis from the back": uniform.QParams(np.linspace(0.01, 0.1, 5), np.zeros(5, int), 4, axis=-2),
}


def torch_with_gradient(x, qparams):
    """Return what torch's kernels give, forward and backward, of a float32 tensor."""
    x = x.clone().requires_grad_(True)
    limits = (qparams.quant_min, qparams.quant_max)
    if qparams.axis is None:
        y = torch.fake_quantize_per_tensor_affine(x, qparams.scale, qparams.zero_point, *limits)
    else:
        scale = torch.tensor(qparams.scale, dtype=torch.float32)
        zero_point = torch.tensor(qparams.zero_point, dtype=torch.int32)
        y = torch.fake_quantize_per_channel_affine(x, scale, zero_point, 0, *limits)
    y.backward(torch.arange(x.numel(), dtype=torch.float32).reshape(x.shape))
    return y.detach(), x.grad


@pytest.mark.parametrize("parameters", PARAMETERS)
@pytest.mark.parametrize("size", SIZES)
def test_values_and_gradient_are_torch_s_to_the_bit(size, parameters):
    qparams = PARAMETERS[parameters]
    x = torch.tensor(RNG.standard_normal(SIZES[size]), dtype=torch.float32)
    x[:, :2], x[:, 2] = torch.tensor([-0.0, -1e-30]), 1e5
    values, gradient = torch_with_gradient(x, qparams)
    leaf = torch.nn.Parameter(x.clone())
    ours = uniform.fake_quantize(leaf, qparams)
    ours.backward(torch.arange(x.numel(), dtype=torch.float32).reshape(x.shape))
    assert torch.equal(leaf.grad, gradient)
    assert (gradient == 0).any() and (gradient != 0).any()
    for result in (
        ours.detach(),
        uniform.fake_quantize(x, qparams),
        uniform.fake_quantize(x.T.contiguous().T, qparams),
        torch.tensor(uniform.fake_quantize(x.numpy(), qparams)),
    ):
        assert torch.equal(result.view(torch.int32), values.view(torch.int32))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("requires_grad", [False, True])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_in_any_size(size, requires_grad, bad):
    x = torch.zeros(SIZES[size])
    x[3, 3] = bad
    for qparams in PARAMETERS.values():
        with pytest.raises(ValueError, match="x must be finite, got 1 NaN or infinite"):
            uniform.fake_quantize(x.clone().requires_grad_(requires_grad), qparams)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("library", [np.asarray, torch.asarray])
def test_large_values_saturate_though_their_sum_and_quotients_overflow(size, library):
    x = np.full(SIZES[size], 3e38, np.float32)
    x[1] = -3e38
    qparams = uniform.QParams(0.5, 3, 8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = uniform.fake_quantize(library(x), qparams)
    expected = np.where(x > 0, 62.0, -65.5).astype(np.float32)
    np.testing.assert_array_equal(np.asarray(result), expected)


def test_a_gradient_of_any_order_is_that_of_the_straight_through_estimator():
    x = torch.tensor([0.2, -0.3, 9.0], dtype=torch.float64, requires_grad=True)
    for kind in (torch.float32, torch.float64, torch.float16, torch.bfloat16):
        (first,) = torch.autograd.grad(
            (uniform.fake_quantize(x.to(kind), uniform.QParams(0.25, 0, 4)) ** 2).sum(),
            x,
            create_graph=True,
        )
        assert first.tolist() == [0.5, -0.5, 0.0]  # twice the levels 0.25 and -0.25
        (second,) = torch.autograd.grad(first.sum(), x)
        assert second.tolist() == [2.0, 2.0, 0.0]


@pytest.mark.parametrize("parameters", ["zero point", "per channel"])
def test_torch_s_transforms_see_the_same_function(parameters):
    qparams = PARAMETERS[parameters]
    x = torch.tensor(RNG.standard_normal((5, 4)), dtype=torch.float32)
    values, gradient = torch_with_gradient(x, qparams)
    weights = torch.arange(20.0).reshape(5, 4)

    def quantize(x):
        return uniform.fake_quantize(x, qparams)

    compiled = torch.compile(quantize, backend="eager", fullgraph=True)
    assert torch.equal(compiled(x), values)
    assert torch.equal(torch.func.grad(lambda x: (quantize(x) * weights).sum())(x), gradient)
    stacked = torch.stack([x, x + 1])
    assert torch.equal(torch.func.vmap(quantize)(stacked)[0], values)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        traced = torch.jit.trace(quantize, x)
    assert torch.equal(traced(x), values)
    assert torch.equal(traced(torch.cat([x] * 1)[:, :3]), values[:, :3])
