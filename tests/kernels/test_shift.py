"""Products by powers of two against exact integer NumPy; where they refuse to overflow."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlib import kernels, logarithmic
from quantlib.kernels import reference
from tests.kernels.checks import convolve

SIZES = st.sampled_from([1, 2, 5, 63, 64, 65, 130])
LENGTHS = st.sampled_from([1, 2, 63, 64, 65, 130])
RANGES = st.sampled_from([(-128, 127), (0, 255), (-3, 3), (0, 2000), (-(2**15), 2**15), (-9, -1)])


def weights(rng, shape, largest, zeros=1 / 3):
    sign = np.where(rng.random(shape) < zeros, 0, rng.choice([-1, 1], shape))
    return sign, rng.integers(0, largest + 1, shape)


@given(
    m=SIZES, n=st.integers(1, 20), k=LENGTHS, limits=RANGES, largest=st.integers(0, 8),
    zeros=st.sampled_from([0, 1 / 3, 0.77, 1]), skip=st.booleans(), threads=st.integers(1, 2),
    seed=st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_gemm_is_exact(m, n, k, limits, largest, zeros, skip, threads, seed):
    rng = np.random.default_rng(seed)
    a = rng.integers(limits[0], limits[1] + 1, (m, k))
    sign, exponent = weights(rng, (n, k), largest, zeros)
    packed = kernels.pack_shifts(sign, exponent, skip_zeros=skip)
    result = kernels.shift_gemm(a, packed, num_threads=threads)
    assert result.dtype == np.int32
    np.testing.assert_array_equal(result, a @ (sign * 2**exponent).T)
    np.testing.assert_array_equal(result, reference.shift_gemm(a, sign, exponent))


@given(
    n=st.integers(1, 2), channels=st.integers(1, 5), filters=st.integers(1, 9),
    size=st.tuples(st.integers(1, 10), st.integers(1, 10)),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)), stride=st.integers(1, 3),
    padding=st.integers(0, 2), limits=RANGES, threads=st.integers(1, 2), seed=st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=120, deadline=None)
def test_convolution_is_exact(
    n, channels, filters, size, kernel, stride, padding, limits, threads, seed
):
    rng = np.random.default_rng(seed)
    x = rng.integers(limits[0], limits[1] + 1, (n, channels, *size))
    sign, exponent = weights(rng, (filters, channels, *kernel), 3)
    packed = kernels.pack_shifts(sign, exponent)
    if size[0] + 2 * padding < kernel[0] or size[1] + 2 * padding < kernel[1]:
        with pytest.raises(ValueError, match="must not be larger than the padded image"):
            kernels.shift_conv2d(x, packed, stride, padding)
        return
    result = kernels.shift_conv2d(x, packed, stride, padding, num_threads=threads)
    assert result.dtype == np.int32
    np.testing.assert_array_equal(result, convolve(x, sign * 2**exponent, stride, padding))
    last = kernels.shift_conv2d(x.transpose(0, 2, 3, 1), packed, stride, padding, layout="NHWC")
    np.testing.assert_array_equal(last, result.transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(
        result, reference.shift_conv2d(x, sign, exponent, stride, padding)
    )


@pytest.mark.parametrize("limits", [(-128, 127), (0, 255)])
def test_worst_sums_that_sixteen_bits_just_take_and_just_do_not(limits):
    # 64 weights of one sign: 255 * 128 = 32640 fits into int16, 255 * 129 does not.
    for total in (127, 128, 129, 258):
        exponent = np.zeros((1, 64), int)
        exponent[0, : total - 64 if total < 129 else 64] = 1
        exponent[0, 0] += total > 128
        sign = np.ones((1, 64), int)
        for value in limits:
            a = np.full((3, 64), value)
            result = kernels.shift_gemm(a, kernels.pack_shifts(sign, exponent))
            np.testing.assert_array_equal(result, a @ (sign * 2**exponent).T)


@pytest.mark.parametrize("value", [1, -1])
def test_the_largest_sum_of_32_bits_is_exact_and_one_more_is_refused(value):
    exponent = np.arange(31)[None]  # weights add up to 2**31 - 1
    packed = kernels.pack_shifts(np.ones_like(exponent), exponent)
    result = kernels.shift_gemm(np.full((1, 31), value), packed)
    assert result.tolist() == [[value * (2**31 - 1)]]
    with pytest.raises(ValueError, match=r"a must be at most 1 in magnitude.*got 2"):
        kernels.shift_gemm(np.full((1, 31), 2 * value), packed)
    with pytest.raises(ValueError, match=r"x must be at most 1 in magnitude.*got 2"):
        filters = kernels.pack_shifts(np.ones((1, 31, 1, 1), int), exponent.reshape(1, 31, 1, 1))
        kernels.shift_conv2d(np.full((1, 31, 1, 1), 2), filters)


def test_only_weights_of_one_sign_count_where_activations_are_not_negative():
    exponent = np.full((1, 2), 30)
    packed = kernels.pack_shifts(np.array([[1, -1]]), exponent)
    assert kernels.shift_gemm(np.array([[1, 1]]), packed).tolist() == [[0]]
    with pytest.raises(ValueError, match="a must be at most 0 in magnitude"):
        kernels.shift_gemm(np.array([[1, -1]]), packed)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int32, np.int64, np.uint64])
@pytest.mark.parametrize("view", ["plain", "transposed", "every other", "fortran"])
def test_any_integers_in_any_order(dtype, view):
    a = np.random.default_rng(0).integers(0, 100, (66, 66)).astype(dtype)
    a = {
        "plain": a,
        "transposed": a.T,
        "every other": a[::2, ::3],
        "fortran": np.asfortranarray(a),
    }[view]
    sign, exponent = weights(np.random.default_rng(1), (7, a.shape[1]), 2)
    result = kernels.shift_gemm(a, kernels.pack_shifts(sign, exponent))
    np.testing.assert_array_equal(result, a.astype(int) @ (sign * 2**exponent).T)


def test_exponents_of_zero_weights_do_not_matter():
    sign = np.array([[0, 1, 0]])
    packed = kernels.pack_shifts(sign, np.array([[99, 3, -5]]))
    assert (packed.low, packed.n_levels) == (3, 1)
    assert kernels.shift_gemm(np.array([[7, 2, 7]]), packed).tolist() == [[16]]


def test_skipping_zeros_leaves_as_many_additions_as_weights():
    rng = np.random.default_rng(0)
    sign, exponent = weights(rng, (100, 640), 2, zeros=0.77)
    skipped = kernels.pack_shifts(sign, exponent)
    dense = kernels.pack_shifts(sign, exponent, skip_zeros=False)
    fillers = 3 * 2 * 100 * 10  # at most three in each list, to a multiple of four
    assert np.count_nonzero(sign) <= len(skipped.rows) <= np.count_nonzero(sign) + fillers
    assert sign.size <= len(dense.rows) <= sign.size + fillers
    assert skipped.nbytes < 0.4 * dense.nbytes


def test_weights_of_the_logarithmic_chapter():
    rng = np.random.default_rng(0)
    w, a = rng.standard_normal((10, 50)), rng.integers(-128, 128, (4, 50))
    qparams = logarithmic.choose_qparams(w, bit_width=4)
    w_hat = logarithmic.fake_quantize(w, qparams)
    sign, exponent = qparams.signs_and_exponents(logarithmic.quantize(w, qparams))
    packed = kernels.pack_shifts(sign, exponent - qparams.min_exponent)
    result = kernels.shift_gemm(a, packed) * 2.0**qparams.min_exponent
    np.testing.assert_array_equal(result, a @ w_hat.T)


def test_weights_of_the_logarithmic_chapter_with_a_unit_for_each_output():
    rng = np.random.default_rng(0)
    spread = 4.0 ** -np.arange(16)[:, None, None, None]  # more octaves than 32 bits
    w, x = spread * rng.standard_normal((16, 3, 3, 3)), rng.integers(-128, 128, (2, 3, 6, 6))
    qparams = logarithmic.choose_qparams(w, bit_width=4, axis=0)
    w_hat = logarithmic.fake_quantize(w, qparams)
    sign, exponent = qparams.signs_and_exponents(logarithmic.quantize(w, qparams))
    exponent -= qparams.min_exponent[:, None, None, None]
    unit = np.ldexp(1.0, qparams.min_exponent)
    result = kernels.shift_conv2d(x, kernels.pack_shifts(sign, exponent))
    np.testing.assert_array_equal(result, convolve(x, w_hat / unit[:, None, None, None]))
    rows, a = kernels.pack_shifts(sign.reshape(16, -1), exponent.reshape(16, -1)), x[:, :, :3, :3]
    result = kernels.shift_gemm(a.reshape(2, -1), rows) * unit
    np.testing.assert_array_equal(result, a.reshape(2, -1) @ w_hat.reshape(16, -1).T)


ONE = kernels.pack_shifts(np.ones((2, 5), int), np.zeros((2, 5), int))
FILTER = kernels.pack_shifts(np.ones((2, 5, 3, 3), int), np.zeros((2, 5, 3, 3), int))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: kernels.pack_shifts(np.ones((1, 2), int), np.array([[0, 31]])),
            ValueError,
            "exponent must be from 0 to 30, got 0 to 31",
        ),
        (
            lambda: kernels.pack_shifts(np.ones((1, 2), int), np.array([[0, -1]])),
            ValueError,
            "exponent must be from 0 to 30, got -1 to 0",
        ),
        (
            lambda: kernels.pack_shifts(np.full((1, 2), 2), np.zeros((1, 2), int)),
            ValueError,
            "sign must be from -1 to 1",
        ),
        (lambda: kernels.pack_shifts(np.ones((1, 2)), np.ones((1, 2))), TypeError, "sign must"),
        (
            lambda: kernels.pack_shifts(np.ones((1, 2), int), np.ones((1, 3), int)),
            ValueError,
            "sign and exponent must have the same shape",
        ),
        (
            lambda: kernels.pack_shifts(np.ones(2, int), np.ones(2, int)),
            ValueError,
            "sign must have 2 or 4 axes",
        ),
        (
            lambda: kernels.pack_shifts(np.ones((0, 2), int), np.ones((0, 2), int)),
            ValueError,
            "sign must not be empty",
        ),
        (lambda: kernels.shift_gemm(np.ones((2, 5)), ONE), TypeError, "a must hold integers"),
        (lambda: kernels.shift_gemm(np.ones((0, 5), int), ONE), ValueError, "a must not be empty"),
        (lambda: kernels.shift_gemm(np.ones((2, 6), int), ONE), ValueError, "the same K"),
        (lambda: kernels.shift_gemm(np.ones((2, 5), int), FILTER), ValueError, "the same K"),
        (lambda: kernels.shift_gemm(np.ones((2, 5), int), 3), TypeError, "weights must be a"),
        (lambda: kernels.shift_conv2d(np.ones((2, 5), int), FILTER), ValueError, "x must have 4"),
        (
            lambda: kernels.shift_conv2d(np.ones((1, 4, 5, 5), int), FILTER),
            ValueError,
            "the same channels",
        ),
        (
            lambda: kernels.shift_conv2d(np.ones((1, 5, 5, 5), int), FILTER, 0),
            ValueError,
            "stride must be from 1",
        ),
        (
            lambda: kernels.shift_conv2d(np.ones((1, 5, 5, 5), int), FILTER, padding=-1),
            ValueError,
            "padding must be from 0",
        ),
        (
            lambda: kernels.shift_gemm(np.ones((2, 5), int), ONE, out=np.zeros((2, 2))),
            ValueError,
            "out must be an array of int32",
        ),
    ],
)
def test_bad_input_is_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()
