"""The kernel that turns numbers into codes: against its plain reference, and at its bounds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantlib import kernels
from quantlib.kernels import reference


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(
        [(1, 1), (3, 7), (700,), (2, 3, 5, 140), (2, 9, 30, 6), (2, 3000), (1, 41, 50)]
    ),
    st.sampled_from([np.int32, np.float32]),
    st.integers(1, 14),
    st.booleans(),
    st.integers(1, 2),
)
def test_agrees_with_the_reference(seed, shape, dtype, count, alike, threads):
    rng = np.random.default_rng(seed)
    channels = 1 if alike else shape[-1]
    x = rng.integers(-20, 20, shape).astype(dtype)
    thresholds = np.sort(rng.integers(-22, 22, (count, channels)), axis=0).astype(dtype)
    codes, flips = rng.integers(-128, 128, count + 1), rng.random(channels) < 0.5
    packed = kernels.pack_thresholds(thresholds, codes, flips)
    found = kernels.threshold_codes(x, packed, num_threads=threads)
    assert found.dtype == np.int8
    np.testing.assert_array_equal(found, reference.threshold_codes(x, thresholds, codes, flips))


def codes_of(x, *thresholds):
    return kernels.threshold_codes(x, kernels.pack_thresholds(*thresholds)).tolist()


def test_bounds_and_infinities():
    low, high = np.iinfo(np.int32).min, np.iinfo(np.int32).max
    thresholds = np.array([[low, 0], [high, 0]], np.int32)
    codes = np.array([-128, 0, 127])
    x = np.array([[low, -1], [high, 0]], np.int32)
    assert codes_of(x, thresholds, codes) == [[0, -128], [127, 127]]
    flips = np.array([True, True])
    assert codes_of(x, thresholds, codes, flips) == [[0, 127], [-128, -128]]
    real = np.array([[-np.inf], [np.inf]], np.float32)
    x = np.array([-np.inf, 0.0, np.inf], np.float32)
    assert codes_of(x, real, codes) == [0, 0, 127]


X, T, Q = np.zeros((2, 3), np.int32), np.zeros((2, 3), np.int32), np.arange(3)
NAN = np.full((2, 1), np.nan, np.float32)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((T.astype(float), Q), TypeError, "thresholds must be int32 or float32"),
        ((T, Q[:2]), ValueError, "codes must be 3"),
        ((T, Q + 126), ValueError, "codes must be from -128 to 127"),
        ((T, Q, np.zeros(2, bool)), ValueError, "flips must be 3"),
        ((T, Q, np.zeros(3)), TypeError, "flips must hold booleans"),
        ((np.array([[1], [0]], np.int32), Q), ValueError, "thresholds must rise"),
        ((NAN, Q), ValueError, "thresholds must not hold NaN"),
        ((T[0], Q), ValueError, "thresholds must have 2 axes"),
    ],
)
def test_bad_thresholds(arguments, error, words):
    with pytest.raises(error, match=words):
        kernels.pack_thresholds(*arguments)


@pytest.mark.parametrize(
    ("x", "thresholds", "error", "words"),
    [
        (X.astype(float), T, TypeError, "x must be int32 as thresholds are"),
        (X, T.astype(np.float32), TypeError, "x must be float32 as thresholds are"),
        (X[:, :2], T, ValueError, "x must have 3 channels"),
        (np.full((1, 3), np.nan, np.float32), T.astype(np.float32), ValueError, "hold NaN"),
    ],
)
def test_bad_numbers(x, thresholds, error, words):
    with pytest.raises(error, match=words):
        kernels.threshold_codes(x, kernels.pack_thresholds(thresholds, Q))
    with pytest.raises(TypeError, match="thresholds must be a CodeThresholds"):
        kernels.threshold_codes(X, T)
