"""The kernel that compares, pools and packs: against its plain reference, and maxima of signs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantlib import kernels
from quantlib.kernels import reference


def expected(x, thresholds, flips, pool, pool_signs):
    def signs(x):
        return np.where((x >= thresholds) != flips, 1, -1)

    def pooled(x):
        n, height, width, channels = x.shape
        x = x[:, : height // pool * pool, : width // pool * pool]
        shape = (n, height // pool, pool, width // pool, pool, channels)
        return x.reshape(shape).max((2, 4))

    return pooled(signs(x)) if pool_signs else signs(pooled(x))


@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(1, 2), st.integers(2, 5), st.integers(2, 5), st.integers(1, 140)),
    st.sampled_from([np.int32, np.float32]),
    st.integers(1, 2),
    st.booleans(),
    st.integers(1, 2),
)
def test_compares_pools_and_packs(seed, shape, dtype, pool, pool_signs, threads):
    rng = np.random.default_rng(seed)
    x = rng.integers(-3, 4, shape).astype(dtype)
    thresholds, flips = rng.integers(-4, 5, shape[-1]).astype(dtype), rng.random(shape[-1]) < 0.5
    packed = kernels.threshold_signs(
        x, thresholds, flips, pool=pool, pool_signs=pool_signs, num_threads=threads
    )
    wanted = expected(x, thresholds, flips, pool, pool_signs)
    np.testing.assert_array_equal(kernels.unpack_signs(packed), wanted)
    plain = reference.threshold_signs(x, thresholds, flips, pool, pool_signs)
    np.testing.assert_array_equal(packed.words, plain)  # the padding bits too


def test_rows_and_bounds():
    lowest = np.iinfo(np.int32).min
    x = np.array([[lowest, 0, 2**31 - 1]], np.int32)
    packed = kernels.threshold_signs(x, np.full(3, lowest, np.int32))
    assert packed.shape == (1, 3) and packed.axis == 1
    assert kernels.unpack_signs(packed).tolist() == [[1, 1, 1]]
    packed = kernels.threshold_signs(
        np.float32([[-np.inf, -0.0, 0.0]]), np.float32([-np.inf, 0.0, 0.0]), [True, False, True]
    )
    assert kernels.unpack_signs(packed).tolist() == [[-1, 1, -1]]


@pytest.mark.parametrize(
    ("x", "thresholds", "options", "error", "words"),
    [
        (np.zeros((1, 2)), np.zeros(2), {}, TypeError, "x must be int32 or float32"),
        (np.zeros((1, 2), np.int32), np.zeros(2), {}, TypeError, "thresholds must be int32"),
        (np.zeros(2, np.int32), np.zeros(2, np.int32), {}, ValueError, "N x H x W x C or N x C"),
        (np.zeros((1, 2), np.int32), np.zeros(3, np.int32), {}, ValueError, "must be 2, one a"),
        (
            np.zeros((1, 2), np.int32),
            np.zeros(2, np.int32),
            {"flips": [True]},
            ValueError,
            "flips must be 2",
        ),
        (np.zeros((1, 2), np.int32), np.zeros(2, np.int32), {"pool": 2}, ValueError, "window of 2"),
        (np.full((1, 2), np.nan, np.float32), np.zeros(2, np.float32), {}, ValueError, "NaN"),
    ],
)
def test_bad_input(x, thresholds, options, error, words):
    with pytest.raises(error, match=words):
        kernels.threshold_signs(x, thresholds, **options)
