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
    found = kernels.threshold_codes(x, thresholds, codes, flips, num_threads=threads)
    assert found.dtype == np.int8
    np.testing.assert_array_equal(found, reference.threshold_codes(x, thresholds, codes, flips))


def test_bounds_and_infinities():
    low, high = np.iinfo(np.int32).min, np.iinfo(np.int32).max
    thresholds = np.array([[low, 0], [high, 0]], np.int32)
    codes = np.array([-128, 0, 127])
    x = np.array([[low, -1], [high, 0]], np.int32)
    assert kernels.threshold_codes(x, thresholds, codes).tolist() == [[0, -128], [127, 127]]
    flips = np.array([True, True])
    assert kernels.threshold_codes(x, thresholds, codes, flips).tolist() == [[0, 127], [-128, -128]]
    real = np.array([[-np.inf], [np.inf]], np.float32)
    x = np.array([-np.inf, 0.0, np.inf], np.float32)
    assert kernels.threshold_codes(x, real, codes).tolist() == [0, 0, 127]


X, T, Q = np.zeros((2, 3), np.int32), np.zeros((2, 3), np.int32), np.arange(3)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((X.astype(float), T, Q), TypeError, "x must be int32 or float32"),
        ((X, T.astype(np.float32), Q), TypeError, "thresholds must be int32"),
        ((X, T[:, :2], Q), ValueError, "1 or 3 channels"),
        ((X, T, Q[:2]), ValueError, "codes must be 3"),
        ((X, T, Q + 126), ValueError, "codes must be from -128 to 127"),
        ((X, T, Q, np.zeros(2, bool)), ValueError, "flips must be 3"),
        ((X, T, Q, np.zeros(3)), TypeError, "flips must hold booleans"),
        ((X, np.array([[1], [0]], np.int32), Q), ValueError, "thresholds must rise"),
        ((np.full((1, 3), np.nan, np.float32), T.astype(np.float32), Q), ValueError, "NaN"),
        ((X, T[0], Q), ValueError, "thresholds must have 2 axes"),
    ],
)
def test_bad_input(arguments, error, words):
    with pytest.raises(error, match=words):
        kernels.threshold_codes(*arguments)
