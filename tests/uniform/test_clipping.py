"""The optimal clip of a Gaussian against numerical integration and published quantizers."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from quantlib import uniform
from quantlib.uniform import clipping


def integrated_mse(clip, bit_width):
    """The definition, integrated cell by cell without partial moments."""
    n = 2 ** (bit_width - 1) - 1
    levels = np.linspace(-clip, clip, 2 * n + 1)
    edges = np.concatenate([[-12.0], (levels[:-1] + levels[1:]) / 2, [12.0]])
    return sum(
        quad(lambda x, level=level: (x - level) ** 2 * norm.pdf(x), a, b)[0]
        for level, a, b in zip(levels, edges[:-1], edges[1:], strict=True)
    )


@pytest.mark.parametrize("bit_width", [2, 3, 4, 6])
@pytest.mark.parametrize("clip", [0.7, 2.0, 5.0])
def test_mse_is_the_integral(bit_width, clip):
    np.testing.assert_allclose(
        clipping.gaussian_mse(clip, bit_width), integrated_mse(clip, bit_width), rtol=1e-7
    )


@pytest.mark.parametrize("bit_width", [2, 4, 8])
def test_mse_is_what_quantizing_many_numbers_measures(bit_width):
    x = np.random.default_rng(0).standard_normal(400_000)
    qparams = uniform.qparams_from_range(-2.5, 2.5, bit_width)
    measured = np.mean((uniform.fake_quantize(x, qparams) - x) ** 2)
    np.testing.assert_allclose(measured, clipping.gaussian_mse(2.5, bit_width), rtol=0.03)


@pytest.mark.parametrize("bit_width", range(2, 9))
def test_no_other_clip_is_better(bit_width):
    best = clipping.gaussian_optimal_clip(bit_width)
    grid = np.linspace(0.5, 8.0, 2001)
    errors = [clipping.gaussian_mse(c, bit_width) for c in grid]
    assert clipping.gaussian_mse(best, bit_width) <= min(errors) + 1e-15
    assert abs(best - grid[np.argmin(errors)]) <= grid[1] - grid[0]


def test_three_levels_are_max_s_quantizer():
    """Max's optimal three-level quantizer of a Gaussian has levels 0 and ±1.224, error 0.1902."""
    clip = clipping.gaussian_optimal_clip(2)
    assert round(clip, 3) == 1.224
    assert round(clipping.gaussian_mse(clip, 2), 4) == 0.1902


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: clipping.gaussian_mse(0.0, 4), "clip must be positive and finite, got 0.0"),
        (lambda: clipping.gaussian_mse(np.inf, 4), "clip must be positive and finite"),
        (lambda: clipping.gaussian_mse(1.0, 1), "bit_width must be from 2 to 16"),
        (lambda: clipping.gaussian_optimal_clip(17), "bit_width must be from 2 to 16"),
    ],
)
def test_bad_input_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()
