"""Measures against their definitions in exact arithmetic and against other libraries."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import cosine
from sklearn.metrics import root_mean_squared_error

from quantlib import metrics

VECTORS = hnp.arrays(
    np.float64, 12, elements=st.floats(-100, 100).map(lambda v: round(v, 3) or 1.0)
)


@given(VECTORS, VECTORS)
@settings(max_examples=100, deadline=None)
def test_agree_with_other_libraries(x, x_hat):
    assert math.isclose(metrics.rmse(x, x_hat), root_mean_squared_error(x, x_hat), abs_tol=1e-12)
    assert math.isclose(metrics.cosine_similarity(x, x_hat), 1 - cosine(x, x_hat), abs_tol=1e-9)
    signal = sum(Fraction(float(v)) ** 2 for v in x)
    noise = sum(
        (Fraction(float(v)) - Fraction(float(w))) ** 2 for v, w in zip(x, x_hat, strict=True)
    )
    if noise:
        expected = 10 * math.log10(signal / noise)
        assert math.isclose(metrics.sqnr_db(x, x_hat), expected, rel_tol=1e-9, abs_tol=1e-9)


def test_sqnr_at_its_ends():
    x = np.array([1.0, 2.0])
    assert metrics.sqnr_db(x, x) == math.inf
    assert metrics.sqnr_db(np.zeros(2), x) == -math.inf
    assert metrics.sqnr_db(np.zeros(2), np.zeros(2)) == math.inf
    tiny = x * 1e-200  # its squares are below the smallest float64
    assert math.isclose(metrics.sqnr_db(tiny, tiny / 2), metrics.sqnr_db(x, x / 2))
    assert math.isclose(metrics.sqnr_db(x, x / 2), 20 * math.log10(2))


@pytest.mark.parametrize("unit", [1e200, 1e-200, 2.0**1023])
def test_values_whose_squares_leave_float64(unit):
    x, x_hat = np.array([1.0, -1.5]), np.array([0.5, 1.0])
    assert math.isclose(metrics.rmse(x * unit, x_hat * unit), metrics.rmse(x, x_hat) * unit)
    assert math.isclose(metrics.sqnr_db(x * unit, x_hat * unit), metrics.sqnr_db(x, x_hat))


def test_one_kind_is_asked_for():
    with pytest.raises(TypeError, match=r"both NumPy or both torch, got numpy.ndarray and torch"):
        metrics.sqnr_db(np.ones(3), torch.ones(3))


def test_take_torch_tensors_and_float32():
    x = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    x_hat = np.round(x, 1)
    for measure in (metrics.sqnr_db, metrics.rmse, metrics.cosine_similarity):
        assert measure(torch.tensor(x), torch.tensor(x_hat)) == pytest.approx(measure(x, x_hat))
        assert isinstance(measure(x, x_hat), float)


@pytest.mark.parametrize(
    ("n_values", "bit_width", "expected"),
    [(8, 1, 1), (9, 1, 2), (0, 5, 0), (3, 5, 2), (10, 32, 40)],
)
def test_size_in_bytes(n_values, bit_width, expected):
    assert metrics.size_in_bytes(n_values, bit_width) == expected


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.rmse([1.0], [1.0, 2.0]), "x and x_hat must have the same shape"),
        (lambda: metrics.sqnr_db([], []), "x must not be empty"),
        (lambda: metrics.rmse([1.0], [np.nan]), "x_hat must be finite"),
        (lambda: metrics.cosine_similarity([0.0], [1.0]), "x must not be all zero"),
        (lambda: metrics.cosine_similarity([1.0], [0.0]), "x_hat must not be all zero"),
        (lambda: metrics.size_in_bytes(-1, 8), "n_values must be from 0"),
        (lambda: metrics.size_in_bytes(8, 0), "bit_width must be from 1 to 64"),
    ],
)
def test_bad_input_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()
