"""Power-of-two quantization against exact fractions and brute force."""

import copy
import dataclasses
import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from quantlib import logarithmic, packed, uniform
from quantlib.logarithmic import LogQParams

BOUNDARIES = ["geometric", "nearest"]
DTYPES = [np.float16, np.float32, np.float64]
QPARAMS = LogQParams(-2, 0, 3)
CHANNELS = LogQParams([-2, 0, 4], [0, 2, 6], 3, axis=1)


# --- Oracles: exact arithmetic, nothing of quantlib ---------------------------------------------


def power(exponent):
    """2**exponent as an exact fraction."""
    return Fraction(2) ** exponent


def exact_exponent(value, boundary):
    """Exponent of the power of two that the nonzero float ``value`` belongs to, in fractions."""
    size = abs(Fraction(float(value)))
    k = size.numerator.bit_length() - size.denominator.bit_length()
    k = k if power(k) <= size else k - 1
    assert power(k) <= size < power(k + 1)
    if boundary == "geometric":  # sqrt(2**k * 2**(k+1)) < size, squared
        above = size * size > power(k) * power(k + 1)
    else:
        above = size - power(k) >= power(k + 1) - size
    return k + 1 if above else k


def exact_level(value, qparams):
    """The level for ``value``: brute force over all levels, as an exact fraction."""
    value = Fraction(float(value))
    size = abs(value)
    levels = [power(k) for k in range(qparams.min_exponent, qparams.max_exponent + 1)]
    if qparams.boundary == "nearest":
        # least distance; of two at the same distance, the larger level
        level = min([Fraction(0), *levels], key=lambda v: (abs(size - v), -v))
    elif size < levels[0] / 2:
        level = Fraction(0)
    else:
        # least ratio max(v/size, size/v), which is the least distance between logarithms
        level = min(levels, key=lambda v: max(v / size, size / v))
    return level if value > 0 else -level


def edge_values(dtype):
    """Values at and beside every boundary: levels, midpoints, geometric means, denormals, ends."""
    info = np.finfo(dtype)
    low = int(math.log2(float(info.smallest_subnormal)))
    high = int(math.log2(float(info.max)))
    if high - low > 400:
        exponents = [*range(low, low + 60), *range(-30, 30), *range(high - 5, high + 1)]
    else:
        exponents = range(low, high + 1)
    one = dtype(1)
    seeds = [one, one * dtype(1.5), dtype(math.sqrt(2.0))]
    values = [info.max, info.tiny, info.smallest_subnormal, dtype(0), -dtype(0)]
    with np.errstate(over="ignore", under="ignore"):
        for k in exponents:
            for seed in seeds:
                v = np.ldexp(seed, k)
                values += [v, np.nextafter(v, dtype(0)), np.nextafter(v, dtype(np.inf))]
    values = np.array(values, dtype)
    values = values[np.isfinite(values)]
    return np.concatenate([values, -values])


floats32 = st.floats(allow_nan=False, allow_infinity=False, width=32)
tensors = arrays(np.float32, array_shapes(max_dims=3, max_side=4), elements=floats32)
bit_widths = st.integers(2, 8)

# A slow machine is no counterexample.
unhurried = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


# --- power_of_two -----------------------------------------------------------------------------


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_power_of_two_is_exact_at_every_boundary(dtype, boundary):
    x = edge_values(dtype)
    result = logarithmic.power_of_two(x, boundary=boundary)
    assert result.dtype == dtype
    top = math.frexp(float(np.finfo(dtype).max))[1] - 1
    for value, got in zip(x, result, strict=True):
        if value == 0:
            expected = Fraction(0)
        else:
            k = min(exact_exponent(value, boundary), top)
            expected = power(k) if value > 0 else -power(k)
        assert Fraction(float(got)) == expected, value


@pytest.mark.parametrize("boundary", BOUNDARIES)
@unhurried
@given(value=st.floats(allow_nan=False, allow_infinity=False))
@example(value=math.sqrt(2.0))
@example(value=1.5)
@example(value=5e-324)
def test_power_of_two_on_any_double(boundary, value):
    assume(value != 0)
    got = float(logarithmic.power_of_two(np.array([value]), boundary=boundary)[0])
    k = min(exact_exponent(value, boundary), 1023)
    assert Fraction(got) == (power(k) if value > 0 else -power(k))


def test_the_rounded_logarithm_of_float32_decides_wrongly_where_frexp_does_not():
    # The largest float32 below sqrt(2) * 2**100: its float32 logarithm is exactly 100.5.
    below = np.float32(math.sqrt(2.0) * 2.0**100)
    if Fraction(float(below)) ** 2 > 2 * power(200):
        below = np.nextafter(below, np.float32(0))
    above = np.nextafter(below, np.float32(np.inf))
    assert Fraction(float(above)) ** 2 > 2 * power(200)
    assert np.log2(below) == np.log2(above)  # so no rule on this logarithm gets both right
    got = logarithmic.power_of_two(np.array([below, above]))
    assert got.tolist() == [2.0**100, 2.0**101]


def test_boundaries_by_hand():
    x = np.array([1.0, 1.41, 1.42, 1.49, 1.5, -1.45, 3.0, 0.0, -0.0])
    geometric = [1.0, 1.0, 2.0, 2.0, 2.0, -2.0, 4.0, 0.0, 0.0]
    nearest = [1.0, 1.0, 1.0, 1.0, 2.0, -1.0, 4.0, 0.0, 0.0]
    assert logarithmic.power_of_two(x).tolist() == geometric
    assert logarithmic.power_of_two(x, boundary="nearest").tolist() == nearest


@unhurried
@given(x=tensors)
def test_nearest_is_never_farther_away(x):
    exact = x.astype(np.float64)
    near = np.abs(logarithmic.power_of_two(x, boundary="nearest") - exact)
    assert (near <= np.abs(logarithmic.power_of_two(x) - exact)).all()


def test_power_of_two_saturates_at_the_largest_power():
    for dtype, top in ((np.float16, 15), (np.float32, 127), (np.float64, 1023)):
        largest = np.array([np.finfo(dtype).max, -np.finfo(dtype).max], dtype)
        assert logarithmic.power_of_two(largest).tolist() == [2.0**top, -(2.0**top)]


# --- torch gives what NumPy gives -------------------------------------------------------------


@pytest.mark.parametrize("boundary", BOUNDARIES)
@unhurried
@given(x=tensors)
@example(x=np.array([1e-45, 3e-39, 3.4028235e38, -0.0], np.float32))
def test_torch_and_numpy_agree(boundary, x):
    t = torch.from_numpy(x)
    assert_same(
        logarithmic.power_of_two(t, boundary=boundary),
        logarithmic.power_of_two(x, boundary=boundary),
    )
    for bit_width in (2, 4, 8):
        qparams = logarithmic.choose_qparams(x, bit_width, boundary=boundary)
        assert logarithmic.choose_qparams(t, bit_width, boundary=boundary) == qparams
        codes = logarithmic.quantize(x, qparams)
        assert_same(logarithmic.quantize(t, qparams), codes)
        assert_same(
            logarithmic.dequantize(torch.from_numpy(codes), qparams),
            logarithmic.dequantize(codes, qparams),
        )
        assert_same(logarithmic.fake_quantize(t, qparams), logarithmic.fake_quantize(x, qparams))


def assert_same(tensor, array):
    assert isinstance(tensor, torch.Tensor) and isinstance(array, np.ndarray)
    assert tensor.numpy().dtype == array.dtype and tuple(tensor.shape) == array.shape
    assert tensor.numpy().tobytes() == array.tobytes()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_torch_dtypes_are_kept(dtype):
    x = torch.tensor([0.3, -1.45, 0.0, 6.0], dtype=dtype)
    assert logarithmic.power_of_two(x).tolist() == [0.25, -2.0, 0.0, 8.0]
    assert logarithmic.power_of_two(x).dtype == dtype
    qparams = logarithmic.choose_qparams(x, 3)
    assert logarithmic.fake_quantize(x, qparams).dtype == dtype
    assert logarithmic.fake_quantize(x, qparams).tolist() == [0.0, -2.0, 0.0, 8.0]
    assert logarithmic.quantize(x, qparams).dtype == torch.int32


@pytest.mark.parametrize("boundary", ["geometric", "nearest"])
def test_a_power_of_two_has_the_gradient_of_its_argument(boundary):
    """Without one, layers before it would stay as they are, in silence."""
    x = torch.tensor([0.3, -1.45, 0.0, 100.0], requires_grad=True)
    powers = logarithmic.power_of_two(x, boundary=boundary)
    assert powers.tolist() == logarithmic.power_of_two(x.detach(), boundary=boundary).tolist()
    (powers * torch.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    assert x.grad.tolist() == [1.0, 2.0, 3.0, 4.0]


def test_a_parameter_that_needs_a_gradient_can_be_quantized():
    weight = torch.nn.Parameter(torch.tensor([0.3, -1.0]))
    qparams = logarithmic.choose_qparams(weight, 4)
    assert logarithmic.quantize(weight, qparams).tolist() == [5, 15]


def test_lists_and_integers_are_taken():
    assert logarithmic.power_of_two([3, -5, 0]).tolist() == [4.0, -4.0, 0.0]
    assert logarithmic.power_of_two(torch.tensor([3, -5, 0])).tolist() == [4.0, -4.0, 0.0]
    assert float(logarithmic.power_of_two(3.0)) == 4.0


# --- Levels for a bit width -------------------------------------------------------------------


@pytest.mark.parametrize("boundary", BOUNDARIES)
@unhurried
@given(bit_width=bit_widths, x=tensors)
@example(bit_width=3, x=np.array([3.4028235e38, 1e-45], np.float32))
@example(bit_width=8, x=np.array([1e-45], np.float32))
def test_exponent_range(boundary, bit_width, x):
    qparams = logarithmic.choose_qparams(x, bit_width, boundary=boundary)
    largest = np.abs(x).max()
    expected = 0 if largest == 0 else min(exact_exponent(largest, boundary), 127)
    assert (qparams.max_exponent, qparams.bit_width, qparams.boundary) == (
        expected,
        bit_width,
        boundary,
    )
    assert qparams.n_exponents == {2: 1, 3: 3, 4: 7, 5: 15, 6: 31, 7: 63, 8: 127}[bit_width]


def test_levels():
    qparams = LogQParams(-1, 1, 3)
    assert qparams.levels.tolist() == [-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0]
    assert LogQParams(0, 0, 2).levels.tolist() == [-1.0, 0.0, 1.0]


@pytest.mark.parametrize("boundary", BOUNDARIES)
@unhurried
@given(bit_width=bit_widths, x=tensors)
def test_fake_quantize_takes_the_level_of_brute_force(boundary, bit_width, x):
    qparams = logarithmic.choose_qparams(x, bit_width, boundary=boundary)
    got = logarithmic.fake_quantize(x, qparams)
    assert got.dtype == np.float32 and got.shape == x.shape
    for value, level in zip(x.ravel(), got.ravel(), strict=True):
        assert Fraction(float(level)) == exact_level(value, qparams), value


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_fake_quantize_at_every_boundary(dtype, boundary):
    x = edge_values(dtype)
    lowest = math.frexp(float(np.finfo(dtype).smallest_subnormal))[1] - 1
    highest = math.frexp(float(np.finfo(dtype).max))[1] - 1
    # a few ranges of levels: in the middle, at the top, among the denormals, and below them
    for top in (0, highest, lowest + 3, lowest):
        for bit_width in (2, 4):
            qparams = LogQParams(top - 2 ** (bit_width - 1) + 2, top, bit_width, boundary=boundary)
            got = logarithmic.fake_quantize(x, qparams)
            for value, level in zip(x, got, strict=True):
                assert Fraction(float(level)) == exact_level(value, qparams), (value, qparams)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_boundary_between_zero_and_the_smallest_level_is_half_way(boundary):
    qparams = LogQParams(-2, 0, 3, boundary=boundary)
    x = np.array([0.125, np.nextafter(0.125, 0), -0.125, 1e-300, -0.0])
    assert logarithmic.fake_quantize(x, qparams).tolist() == [0.25, 0.0, -0.25, 0.0, 0.0]


@pytest.mark.parametrize("boundary", BOUNDARIES)
@unhurried
@given(x=tensors)
def test_two_bits_are_ternary(boundary, x):
    qparams = logarithmic.choose_qparams(x, 2, boundary=boundary)
    level = 2.0**qparams.max_exponent
    expected = np.where(np.abs(x.astype(np.float64)) >= level / 2, np.sign(x) * level, 0.0)
    assert logarithmic.fake_quantize(x, qparams).tolist() == expected.tolist()


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_values_above_the_largest_level_saturate(boundary):
    qparams = LogQParams(-2, 0, 3, boundary=boundary)
    x = np.array([1.9, 3.0, 1e30, -1e30])
    assert logarithmic.fake_quantize(x, qparams).tolist() == [1.0, 1.0, 1.0, -1.0]


@unhurried
@given(x=tensors)
def test_eight_bits_are_the_formula_within_their_range(x):
    qparams = logarithmic.choose_qparams(x, 8)
    inside = np.abs(x) >= np.float32(2.0) ** max(qparams.min_exponent, -149)
    assume(inside.any())
    expected = logarithmic.power_of_two(x[inside])
    assert logarithmic.fake_quantize(x, qparams)[inside].tolist() == expected.tolist()


def test_all_zero():
    qparams = logarithmic.choose_qparams(np.zeros((2, 3), np.float32), 4)
    assert qparams == LogQParams(-6, 0, 4)
    assert logarithmic.quantize(np.zeros((2, 3)), qparams).tolist() == [[0, 0, 0], [0, 0, 0]]


# --- Codes and storage ------------------------------------------------------------------------


def test_codes_by_hand():
    qparams = LogQParams(-2, 0, 3)
    x = np.array([0.0, 0.25, 0.5, 1.0, -0.25, -0.5, -1.0, -0.01])
    codes = logarithmic.quantize(x, qparams)
    assert codes.dtype == np.int32
    assert codes.tolist() == [0b000, 0b001, 0b010, 0b011, 0b101, 0b110, 0b111, 0b000]
    assert logarithmic.dequantize(codes, qparams).tolist() == [0, 0.25, 0.5, 1, -0.25, -0.5, -1, 0]
    # a negative zero is never written, but it can be read
    assert logarithmic.dequantize(np.array([0b100]), qparams).tolist() == [0.0]


@unhurried
@given(bit_width=bit_widths, x=tensors)
def test_codes_survive_packing_and_give_the_levels(bit_width, x):
    qparams = logarithmic.choose_qparams(x, bit_width)
    codes = logarithmic.quantize(x, qparams)
    assert codes.min() >= 0 and codes.max() < 2**bit_width
    assert not (codes == 2 ** (bit_width - 1)).any()
    stored = packed.pack(codes, qparams)
    assert (stored.bit_width, stored.signed) == (bit_width, False)
    assert stored.nbytes == math.ceil(x.size * bit_width / 8)
    restored = logarithmic.dequantize(stored.unpack(), qparams)
    assert restored.dtype == np.float32
    assert restored.tolist() == logarithmic.fake_quantize(x, qparams).tolist()


def test_every_level_has_one_code_and_is_kept():
    for bit_width in range(2, 9):
        qparams = LogQParams(-(2 ** (bit_width - 1)) + 2, 0, bit_width)
        codes = logarithmic.quantize(qparams.levels, qparams)
        assert np.unique(codes).size == qparams.levels.size == 2**bit_width - 1
        assert logarithmic.dequantize(codes, qparams).tolist() == qparams.levels.tolist()


def test_codes_run_from_zero_to_the_lowest_level_s():
    qparams = LogQParams(-1, 0, 4)  # two of the seven exponents that 4 bits have room for
    assert (qparams.quant_min, qparams.quant_max) == (0, 0b1010)
    assert qparams.dequantize([qparams.quant_max]).tolist() == [-1.0]
    with pytest.raises(ValueError, match="codes must be from 0 to 10 at 4 bits"):
        packed.pack([0b1011], qparams)


def test_signs_and_exponents_by_hand():
    codes = [0b000, 0b001, 0b011, 0b100, 0b101, 0b111]
    for library in (np.asarray, torch.asarray):
        sign, exponent = QPARAMS.signs_and_exponents(library(codes))
        assert sign.tolist() == [0, 1, 1, 0, -1, -1]
        assert exponent.tolist() == [-3, -2, 0, -3, -2, 0]
    assert (sign.dtype, exponent.dtype) == (torch.int32, torch.int32)


# --- The verbs of every scheme -----------------------------------------------------------------


def test_the_verbs_are_those_of_every_scheme():
    x = np.array([0.3, -1.1, 0.02])
    for verbs in (logarithmic, uniform):
        codes = verbs.quantize(x, QPARAMS)
        assert codes.tolist() == [0b001, 0b111, 0b000]
        assert verbs.dequantize(codes, QPARAMS).tolist() == [0.25, -1.0, 0.0]
        assert verbs.fake_quantize(x, QPARAMS).tolist() == [0.25, -1.0, 0.0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("exponent", [-14, 0, 14])
def test_the_gradient_passes_within_the_levels(dtype, exponent):
    below, above = 1 - torch.finfo(dtype).eps, 1 + torch.finfo(dtype).eps
    x = torch.tensor([0.0, 0.1, 0.3, below, 1.0, above, 1.5, -1.0, -above], dtype=dtype)
    x = (x * 2.0**exponent).requires_grad_()
    x_hat = logarithmic.fake_quantize(x, LogQParams(exponent - 2, exponent, 3))
    (3 * x_hat).sum().backward()
    assert x.grad.tolist() == [3, 3, 3, 3, 3, 0, 0, 3, 0]
    expected = [0, 0, 0.25, 1, 1, 1, 1, -1, -1]
    assert (x_hat.double() / 2.0**exponent).tolist() == expected


def test_fake_quantize_compiles_and_maps_over_a_batch():
    x = torch.tensor([[0.3, -1.1], [0.02, -1.0]])

    def gradient(x):
        return torch.func.grad(lambda x: logarithmic.fake_quantize(x, QPARAMS).sum())(x)

    expected = [[1.0, 0.0], [1.0, 1.0]]
    assert gradient(x).tolist() == torch.func.vmap(gradient)(x).tolist() == expected
    torch._dynamo.reset()
    for qparams in (QPARAMS, LogQParams([-2, -2], [0, 0], 3, axis=0)):
        compiled = torch.compile(qparams.fake_quantize, backend="aot_eager", fullgraph=True)
        assert compiled(x).tolist() == [[0.25, -1.0], [0.0, -1.0]]


# --- Exponents for each index along an axis -----------------------------------------------------


def channels(dtype, axis):
    """Three channels along ``axis`` of 3 x 3 x 3: ordinary, huge and tiny, all zeros."""
    rng = np.random.default_rng(3)
    info = np.finfo(dtype)
    x = rng.standard_normal((3, 3, 3)).astype(dtype)
    x[1] = np.ldexp(x[1], -6)
    x[1, 0] = [info.max, -info.smallest_subnormal, 0]
    x[2] = 0
    return np.moveaxis(x, 0, axis)


def gradient_of(verb, x):
    """The gradient of the sum of the squares of ``verb(x)``."""
    x = torch.from_numpy(x.copy()).requires_grad_()
    verb(x).square().sum().backward()
    return x.grad.numpy()


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("library", [np.asarray, torch.asarray])
def test_per_channel_is_per_tensor_on_each_channel(library, dtype, axis, boundary):
    x = channels(dtype, axis)
    whole = logarithmic.choose_qparams(library(x), 4, boundary=boundary, axis=axis)
    assert whole.min_exponent.shape == whole.max_exponent.shape == (3,)
    whole = dataclasses.replace(whole, axis=axis)  # a negative one is taken, too
    codes = logarithmic.quantize(library(x), whole)
    fits = np.finfo(dtype).maxexp <= 128
    restored = logarithmic.dequantize(codes, whole) if fits else codes
    sign, exponent = whole.signs_and_exponents(codes)
    rounded = logarithmic.fake_quantize(library(x), whole)
    passed = gradient_of(lambda x: logarithmic.fake_quantize(x, whole), x)
    for channel in range(3):

        def of(values, channel=channel):
            return np.moveaxis(np.asarray(values), axis, 0)[channel]

        one = logarithmic.choose_qparams(of(x), 4, boundary=boundary)
        assert one.axis is None
        assert (one.min_exponent, one.max_exponent) == (
            whole.min_exponent[channel],
            whole.max_exponent[channel],
        )
        np.testing.assert_array_equal(one.levels, whole.levels[channel])
        np.testing.assert_array_equal(of(codes), one.quantize(of(x)))
        if fits:
            np.testing.assert_array_equal(of(restored), one.dequantize(of(codes)))
        for got, expected in zip((sign, exponent), one.signs_and_exponents(of(codes)), strict=True):
            np.testing.assert_array_equal(of(got), expected)
        np.testing.assert_array_equal(of(rounded), one.fake_quantize(of(x)))
        np.testing.assert_array_equal(of(passed), gradient_of(one.fake_quantize, of(x)))


def test_exponents_of_channels_by_hand():
    qparams = LogQParams([-2, 3], [0, 5], 3, axis=0)
    assert qparams.n_exponents == 3
    assert qparams.levels.tolist() == [
        [-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0],
        [-32.0, -16.0, -8.0, 0.0, 8.0, 16.0, 32.0],
    ]
    x = torch.tensor([[0.3, -2.0, 0.1], [0.3, 30.0, -40.0]], requires_grad=True)
    x_hat = logarithmic.fake_quantize(x, qparams)
    assert x_hat.tolist() == [[0.25, -1.0, 0.0], [0.0, 32.0, -32.0]]
    x_hat.sum().backward()
    assert x.grad.tolist() == [[1, 0, 1], [1, 1, 0]]
    codes = logarithmic.quantize(x, qparams)
    assert codes.tolist() == [[0b001, 0b111, 0b000], [0b000, 0b011, 0b111]]
    stored = packed.pack(codes, qparams)
    assert stored.nbytes == 3
    assert logarithmic.dequantize(stored.unpack(), qparams).tolist() == x_hat.tolist()


@pytest.mark.parametrize("library", [np.asarray, torch.asarray])
def test_each_value_of_a_vector_can_have_its_own_exponents(library):
    x = np.array([-3.0, 0.3, 0.0, 40.0], np.float32)
    qparams = logarithmic.choose_qparams(library(x), 2, axis=0)
    assert qparams == LogQParams([2, -2, 0, 5], [2, -2, 0, 5], 2, axis=0)
    codes = logarithmic.quantize(library(x), qparams)
    assert codes.tolist() == [0b11, 0b01, 0b00, 0b01]
    assert logarithmic.dequantize(codes, qparams).tolist() == [-4.0, 0.25, 0.0, 32.0]


@pytest.mark.parametrize("library", [np.asarray, torch.asarray])
def test_shift_multiply_with_exponents_of_channels(library):
    rng = np.random.default_rng(5)
    weights = rng.standard_normal((4, 6)) * np.array([[1], [0.01], [30], [0]])
    qparams = logarithmic.choose_qparams(weights, 4, axis=0)
    codes = library(logarithmic.quantize(weights, qparams))
    a = library(rng.integers(-(2**20), 2**20, (7, 1, 6)))
    products = logarithmic.shift_multiply(a, codes, qparams)
    assert products.shape == (7, 4, 6)
    w_hat = logarithmic.fake_quantize(weights, qparams)
    # exact: 20 bits times powers of two in float64
    np.testing.assert_array_equal(np.asarray(products), np.floor(np.asarray(a) * w_hat))


# --- Multiplication by shifts -------------------------------------------------------------------


@unhurried
@given(
    a=arrays(np.int64, array_shapes(max_dims=2, max_side=8), elements=st.integers(-(2**40), 2**40)),
    max_exponent=st.integers(-70, 20),
    bit_width=bit_widths,
    data=st.data(),
)
def test_shift_multiply_is_the_floor_of_the_exact_product(a, max_exponent, bit_width, data):
    qparams = LogQParams(max_exponent - 2 ** (bit_width - 1) + 2, max_exponent, bit_width)
    codes = data.draw(arrays(np.int32, a.shape, elements=st.integers(0, 2**bit_width - 1)))
    got = logarithmic.shift_multiply(a, codes, qparams)
    as_torch = logarithmic.shift_multiply(torch.from_numpy(a), torch.from_numpy(codes), qparams)
    assert got.dtype == np.int64
    assert_same(as_torch, got)
    half = 2 ** (bit_width - 1)
    for value, code, product in zip(a.ravel(), codes.ravel(), got.ravel(), strict=True):
        field = int(code) % half
        weight = power(qparams.min_exponent + field - 1) if field else Fraction(0)
        weight = -weight if code >= half else weight
        assert int(product) == math.floor(int(value) * weight)


def test_shift_multiply_by_hand():
    qparams = LogQParams(-2, 4, 4)
    weights = np.array([16.0, 1.0, 0.5, 0.25, 0.0, -0.25, -2.0])
    codes = logarithmic.quantize(weights, qparams)
    assert logarithmic.shift_multiply(np.array(13), codes, qparams).tolist() == [
        208, 13, 6, 3, 0, -4, -26,
    ]  # fmt: skip
    assert logarithmic.shift_multiply(np.array(-13), codes, qparams).tolist() == [
        -208, -13, -7, -4, 0, 3, 26,
    ]  # fmt: skip


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64"])
def test_shift_multiply_takes_small_integers_without_overflow(dtype):
    qparams = LogQParams(-2, 4, 4)
    codes = np.array([7, 15], np.int32)  # +16 and -16
    for a in (np.array([100, 100], dtype), torch.tensor([100, 100], dtype=getattr(torch, dtype))):
        kind_codes = codes if isinstance(a, np.ndarray) else torch.from_numpy(codes)
        assert logarithmic.shift_multiply(a, kind_codes, qparams).tolist() == [1600, -1600]


def test_a_finer_unit_keeps_the_bits_that_a_right_shift_drops():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=64)
    qparams = logarithmic.choose_qparams(weights, 4)
    codes = logarithmic.quantize(weights, qparams)
    a = rng.integers(0, 256, size=(5, 64))
    sums = logarithmic.shift_multiply(a << -qparams.min_exponent, codes, qparams).sum(axis=1)
    exact = a @ logarithmic.fake_quantize(weights, qparams)  # exact: few bits, powers of two
    assert (sums * 2.0**qparams.min_exponent).tolist() == exact.tolist()


def test_shift_multiply_refuses_what_does_not_fit():
    qparams = LogQParams(60, 62, 3)
    largest = 2**63 - 1
    assert logarithmic.shift_multiply([1, -1, 0], np.array([3, 3, 3]), qparams).tolist() == [
        2**62,
        -(2**62),
        0,
    ]
    ones = LogQParams(0, 0, 2)
    assert logarithmic.shift_multiply([largest], np.array([3]), ones).tolist() == [-largest]
    for a in (2, -2, largest, -(2**63)):
        with pytest.raises(ValueError, match="a times the weights must fit into 64 bits"):
            logarithmic.shift_multiply(np.array([a]), np.array([3]), qparams)
    with pytest.raises(ValueError, match="must fit into 64 bits"):
        logarithmic.shift_multiply([-(2**63)], np.array([3]), ones)
    huge = LogQParams(1021, 1023, 3)
    assert logarithmic.shift_multiply([0, 5], np.array([3, 0]), huge).tolist() == [0, 0]
    with pytest.raises(ValueError, match="must fit into 64 bits"):
        logarithmic.shift_multiply([1], np.array([1]), huge)


def test_shift_multiply_broadcasts_or_says_why_not():
    qparams = LogQParams(-1, 1, 3)
    codes = np.array([1, 2, 3])
    products = logarithmic.shift_multiply(np.array([[2], [4]]), codes, qparams)
    assert products.tolist() == [[1, 2, 4], [2, 4, 8]]
    with pytest.raises(ValueError, match=r"a and codes must have shapes that broadcast.*\(2,\)"):
        logarithmic.shift_multiply(np.array([1, 2]), codes, qparams)


# --- Refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: logarithmic.power_of_two([1.0], boundary="closest"),
            ValueError,
            "boundary must be one of",
        ),
        (lambda: logarithmic.power_of_two([1.0, np.nan]), ValueError, "x must be finite, got 1"),
        (
            lambda: logarithmic.choose_qparams(np.zeros((0, 2)), 4),
            ValueError,
            r"x must not be empty.*0, 2",
        ),
        (lambda: logarithmic.power_of_two(["a"]), TypeError, "x must hold real numbers"),
        (lambda: logarithmic.choose_qparams([1.0], 1), ValueError, "bit_width must be from 2 to 8"),
        (lambda: logarithmic.choose_qparams([1.0], 9), ValueError, "bit_width must be from 2 to 8"),
        (lambda: logarithmic.choose_qparams([1.0], 4.0), TypeError, "bit_width must be a whole"),
        (lambda: logarithmic.choose_qparams([np.inf], 4), ValueError, "x must be finite"),
        (
            lambda: logarithmic.choose_qparams([1.0], 4, boundary="half"),
            ValueError,
            "boundary must be one",
        ),
        (
            lambda: LogQParams(-3, 0, 3),
            ValueError,
            "must be 1 to 3 exponents at 3 bits, got -3 to 0",
        ),
        (lambda: LogQParams(1, 0, 3), ValueError, "must be 1 to 3 exponents at 3 bits, got 1 to 0"),
        (lambda: LogQParams(0, 0, 9), ValueError, "bit_width must be from 2 to 8, got 9"),
        (lambda: LogQParams(0.5, 1, 3), TypeError, "min_exponent must be integers"),
        (lambda: LogQParams(1024, 1024, 3), ValueError, "min_exponent must be from"),
        (lambda: LogQParams(0, 0, 3, boundary="half"), ValueError, "boundary must be one of"),
        (lambda: LogQParams(True, 1, 3), TypeError, "min_exponent must be integers"),
        (lambda: LogQParams(0, 2**64 - 1, 3), ValueError, "max_exponent must be from -1074"),
        (lambda: LogQParams(0, 0, 3, axis=0.5), TypeError, "axis must be a whole number, got 0.5"),
        (lambda: LogQParams([0], [0], 3), ValueError, r"0 axes for axis=None.*\(1,\) and \(1,\)"),
        (lambda: LogQParams(0, 0, 3, axis=0), ValueError, r"1 axes for axis=0, got shapes \(\)"),
        (
            lambda: LogQParams([0, 1], [0], 3, axis=0),
            ValueError,
            r"must have the same shape.*\(2,\) and \(1,\)",
        ),
        (lambda: LogQParams([], [], 3, axis=0), TypeError, "min_exponent must be integers"),
        (
            lambda: LogQParams(np.zeros(0, int), np.zeros(0, int), 3, axis=0),
            ValueError,
            "min_exponent must not be empty",
        ),
        (
            lambda: LogQParams([0, -5], [0, -1], 3, axis=0),
            ValueError,
            "must be 1 to 3 exponents at 3 bits, got -5 to -1",
        ),
        (
            lambda: LogQParams([0, -1], [0, 0], 3, axis=0),
            ValueError,
            "equally many exponents for each index along axis 0, got 1 to 2",
        ),
        (
            lambda: logarithmic.choose_qparams(1.0, 3, axis=0),
            ValueError,
            "axis must be None for a single number",
        ),
        (
            lambda: logarithmic.choose_qparams([[1.0]], 3, axis=2),
            ValueError,
            "axis must be from -2 to 1, got 2",
        ),
        (
            lambda: logarithmic.quantize(np.ones((2, 4)), CHANNELS),
            ValueError,
            r"x must have 3 entries along axis 1, as qparams have, got shape \(2, 4\)",
        ),
        (
            lambda: logarithmic.fake_quantize(np.ones(3), CHANNELS),
            ValueError,
            "axis must be from -1 to 0, got 1",
        ),
        (
            lambda: logarithmic.dequantize(np.ones((2, 4), int), CHANNELS),
            ValueError,
            "codes must have 3 entries along axis 1",
        ),
        (
            lambda: logarithmic.shift_multiply([1], np.ones((3, 1), int), CHANNELS),
            ValueError,
            "codes must have 3 entries along axis 1",
        ),
        (
            lambda: logarithmic.dequantize([0, 0], LogQParams([0, 128], [0, 128], 3, axis=0)),
            ValueError,
            "qparams.max_exponent must be at most 127 for.*got 128",
        ),
        (lambda: logarithmic.quantize([np.nan], QPARAMS), ValueError, "x must be finite"),
        (lambda: logarithmic.dequantize([0.5], QPARAMS), TypeError, "codes must be integers"),
        (lambda: logarithmic.dequantize([8], QPARAMS), ValueError, "codes must have 3 bits.*got 8"),
        (
            lambda: logarithmic.dequantize([-1], QPARAMS),
            ValueError,
            "codes must have 3 bits.*got -1",
        ),
        (
            lambda: logarithmic.dequantize([2], LogQParams(0, 0, 3)),
            ValueError,
            "a field of at most 1",
        ),
        (
            lambda: logarithmic.dequantize([0], LogQParams(126, 128, 3)),
            ValueError,
            "qparams.max_exponent must be at most 127 for",
        ),
        (
            lambda: logarithmic.fake_quantize(np.ones(1, np.float16), LogQParams(16, 16, 2)),
            ValueError,
            "qparams.max_exponent must be at most 15 for",
        ),
        (lambda: logarithmic.shift_multiply([1.0], [1], QPARAMS), TypeError, "a must be integers"),
        (
            lambda: logarithmic.shift_multiply(np.array([1], np.uint64), np.array([1]), QPARAMS),
            TypeError,
            "a must be integers that fit into int64, got dtype uint64",
        ),
        (
            lambda: logarithmic.shift_multiply([1], [1.0], QPARAMS),
            TypeError,
            "codes must be integers",
        ),
    ],
)
def test_bad_input_is_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_parameters_are_compared_by_value_and_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        QPARAMS.bit_width = 4
    same = LogQParams(np.int8(-2), torch.tensor(0), 3)
    assert same == QPARAMS and len({QPARAMS, same}) == 1
    assert type(same.min_exponent) is type(same.max_exponent) is int
    assert QPARAMS not in (LogQParams(-2, 0, 4), LogQParams(-2, 0, 3, boundary="nearest"))
    lows, highs = np.array([-2, 0, 4]), torch.tensor([0, 2, 6])
    same = LogQParams(lows, highs, 3, axis=1)
    lows[0], highs[0] = 0, 2
    assert (
        same == CHANNELS and len({same, CHANNELS, LogQParams([0, 0, 4], [2, 2, 6], 3, axis=1)}) == 2
    )
    for values in (same.min_exponent, same.max_exponent):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 1
    for qparams in (QPARAMS, CHANNELS):
        assert copy.deepcopy(qparams) == pickle.loads(pickle.dumps(qparams)) == qparams
