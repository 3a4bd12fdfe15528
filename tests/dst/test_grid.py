"""The grid of activations, against the paper's table, fractions, and numerical integration."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import nn

from quantlib import dst
from quantlib.dst import _grid

#: Long et al. (2020), Table 1: by n, the error for each q2.
COLUMNS = (0.0625, 0.125, 0.25, 0.5, 1.0)
TABLE_1 = {
    3: (0.4078, 0.3298, 0.2106, 0.0825, 0.0458),
    4: (0.3298, 0.2103, 0.0795, 0.0239, 0.0443),
    5: (0.2102, 0.0791, 0.0209, 0.0223, 0.0443),
    6: (0.0790, 0.0205, 0.0193, 0.0223, 0.0443),
    7: (0.0204, 0.0189, 0.0193, 0.0223, 0.0443),
    8: (0.0189, 0.0189, 0.0193, 0.0223, 0.0443),
}


def nearest(x, levels):
    """By comparing every level, in fractions; of two that are as near, the one nearer 0."""
    x, levels = Fraction(x), [Fraction(v) for v in levels]
    return float(min(levels, key=lambda v: (abs(x - v), abs(v))))


@pytest.mark.parametrize("n", TABLE_1)
def test_table_1_comes_out_to_its_four_digits(n):
    found = [round(dst.expected_error(q2, n), 4) for q2 in COLUMNS]
    assert found == list(TABLE_1[n])


@pytest.mark.parametrize("n", [2, 3, 5, 9])
@pytest.mark.parametrize("q2", [0.05, 0.3, 1.7])
def test_the_closed_form_is_the_integral(n, q2):
    closed = dst.expected_error(q2, n)
    levels, edges = dst.grid_levels(q2, n), [0, *dst.grid_thresholds(q2, n), np.inf]
    numeric = sum(
        integrate.quad(lambda x, q=q: stats.norm.pdf(x) * (q - x) ** 2, a, b, epsabs=1e-13)[0]
        for q, a, b in zip(levels, edges[:-1], edges[1:], strict=True)
    )
    assert closed == pytest.approx(numeric, abs=1e-11)
    assert dst.expected_error(q2, n, density=stats.norm.pdf) == pytest.approx(closed, abs=1e-9)


def test_the_error_is_what_drawn_numbers_have():
    x = np.random.default_rng(0).normal(size=400_000)
    measured = ((dst.to_grid(x, 0.25, 5) - x) ** 2).mean() / 2  # both signs
    assert measured == pytest.approx(dst.expected_error(0.25, 5), rel=0.02)


@pytest.mark.parametrize("n", [2, 3, 5, 8, 12])
def test_no_other_first_level_is_better(n):
    best = dst.optimal_q2(n)
    assert best.error == dst.expected_error(best.q2, n)
    others = [dst.expected_error(q2, n) for q2 in np.geomspace(1e-3, 4, 3001)]
    assert best.error <= min(others) + 1e-12


def test_another_density_has_another_optimum():
    def laplace(x):
        return np.exp(-abs(x) * np.sqrt(2)) / np.sqrt(2)

    assert dst.optimal_q2(4, density=laplace).q2 != pytest.approx(dst.optimal_q2(4).q2, rel=0.05)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(("q2", "n"), [(0.25, 2), (0.25, 4), (0.3, 5), (1.0, 7)])
def test_every_number_goes_to_the_nearest_level(q2, n, signed):
    levels = dst.grid_levels(q2, n)
    ties = dst.grid_thresholds(q2, n)
    x = np.concatenate([levels, ties, np.nextafter(ties, 9), np.nextafter(ties, -9), [1e-9, 99.0]])
    x = np.concatenate([x, -x, np.random.default_rng(1).normal(size=200)])
    found = dst.to_grid(x, q2, n, signed=signed)
    taken = x if signed else np.maximum(x, 0)
    expected = [nearest(v, [*levels, *-levels]) for v in taken]
    if q2 == 0.3:  # its thresholds are rounded
        np.testing.assert_allclose(found, expected, atol=1e-12)
    else:
        np.testing.assert_array_equal(found, expected)


def test_the_derivative_has_three_branches_and_jumps_once():
    q2, n = 0.25, 4  # thresholds 1/8, 3/8, 3/4
    x = np.array([0.0, 0.125, np.nextafter(0.125, 1), 0.5, 0.75, 1.0, 1.75])
    expected = [0, 0, 1, 1, 1, 1 / 1.25, 0.5]
    np.testing.assert_allclose(dst.to_grid_derivative(x, q2, n), expected, rtol=1e-12)
    np.testing.assert_allclose(dst.to_grid_derivative(-x, q2, n), expected, rtol=1e-12)
    np.testing.assert_array_equal(dst.to_grid_derivative(-x, q2, n, signed=False), 0 * x)
    # At the last threshold nothing jumps.
    beside = dst.to_grid_derivative(np.nextafter(0.75, [0, 1]), q2, n)
    assert beside[0] == 1 and beside[1] == pytest.approx(1)
    # With two levels the first threshold is the last.
    np.testing.assert_allclose(dst.to_grid_derivative([0.5, 0.6], 1.0, 2), [0, 1 / 1.1])


def test_kinds_and_dtypes_stay_what_they_are():
    for x in (np.float32([0.3, -2]), torch.tensor([0.3, -2], dtype=torch.float64)):
        for found in (dst.to_grid(x, 0.25, 4), dst.to_grid_derivative(x, 0.25, 4)):
            assert type(found) is type(x) and found.dtype == x.dtype
    assert np.isnan(dst.to_grid(np.array([np.nan]), 0.25, 4)).all()
    assert dst.to_grid(np.zeros((0, 3)), 0.25, 4).shape == (0, 3)
    assert dst.to_grid(np.array([3]), 0.25, 4).tolist() == [1.0]


def test_the_layers_quantizer_has_the_papers_gradient():
    x = torch.linspace(-3, 3, 601, dtype=torch.float64).requires_grad_()
    for signed in (True, False):
        y = dst.GridActivations(0.25, 4, signed=signed)(x)
        (g,) = torch.autograd.grad((y * torch.arange(601)).sum(), x)
        slope = dst.to_grid_derivative(x.detach().numpy(), 0.25, 4, signed=signed)
        np.testing.assert_allclose(g.numpy(), slope * np.arange(601))
        np.testing.assert_array_equal(
            y.detach().numpy(), dst.to_grid(x.detach().numpy(), 0.25, 4, signed=signed)
        )
    assert "signed=False" in dst.GridActivations(0.25, 4, signed=False).signature


def around_the_thresholds(q2, n, dtype):
    """Return each threshold, what lies beside it in float32, numbers, infinities and NaN."""
    at = torch.tensor(dst.grid_thresholds(q2, n), dtype=torch.float32)
    beside = [torch.nextafter(at, torch.tensor(limit)) for limit in (-math.inf, math.inf)]
    drawn = 3 * q2 * torch.randn(500, generator=torch.Generator().manual_seed(n))
    ends = torch.tensor([0.0, 1e-42, 1e38, math.inf, math.nan])
    x = torch.cat([at, *beside, drawn, ends])
    return torch.cat([x, -x]).to(dtype)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("q2", [0.125, 1.0, 0.29, 1 / 3, 3.7, 1e-3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_layers_round_by_bits_as_the_function_does_by_thresholds(q2, signed, dtype, monkeypatch):
    monkeypatch.setattr(_grid, "PIECE", 100)  # several pieces, the last of them shorter
    for n in (2, 3, 5, 8, 12):
        x = around_the_thresholds(q2, n, dtype).requires_grad_()
        gradient = torch.linspace(-1, 1, len(x), dtype=dtype)
        y = dst.GridActivations(q2, n, signed=signed)(x)
        y.backward(gradient)
        wanted = dst.to_grid(x.detach(), q2, n, signed=signed)
        slope = dst.to_grid_derivative(x.detach(), q2, n, signed=signed)
        torch.testing.assert_close(y.detach(), wanted, rtol=0, atol=0, equal_nan=True)
        torch.testing.assert_close(x.grad, slope * gradient, rtol=0, atol=0, equal_nan=True)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.jit")
def test_a_network_with_a_grid_is_exported_traced_and_differentiated():
    model = nn.Sequential(nn.Linear(6, 5), dst.GridActivations(0.25, 4), nn.Linear(5, 1))
    x = torch.randn(8, 6, generator=torch.Generator().manual_seed(0))
    wanted = model(x)
    assert torch.equal(torch.export.export(model, (x,)).module()(x), wanted)
    assert torch.equal(torch.jit.trace(model, x)(x), wanted)
    leaf = x.clone().requires_grad_()
    model(leaf).sum().backward()
    assert leaf.grad.count_nonzero()
    torch.testing.assert_close(torch.func.grad(lambda y: model(y).sum())(x), leaf.grad)


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_images_in_any_order_of_memory(order):
    x = torch.randn(4, 3, 5, 6, generator=torch.Generator().manual_seed(0))
    x = x.contiguous(memory_format=order).requires_grad_()
    y = dst.GridActivations(0.25, 4)(x)
    y.sum().backward()
    assert torch.equal(y, dst.to_grid(x.detach(), 0.25, 4))
    assert torch.equal(x.grad, dst.to_grid_derivative(x.detach(), 0.25, 4))
    assert dst.GridActivations()(torch.zeros(0, 3)).shape == (0, 3)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((0, 4), ValueError, "q2 must be positive"),
        ((-1.0, 4), ValueError, "q2 must be positive"),
        (("x", 4), TypeError, "q2 must be a number"),
        ((0.25, 1), ValueError, "n_levels"),
        ((0.25, 65), ValueError, "n_levels"),
        ((0.25, 4.5), TypeError, "n_levels"),
    ],
)
def test_bad_grids_are_refused_by_name(arguments, error, words):
    for function in (dst.grid_levels, dst.expected_error, dst.GridActivations):
        with pytest.raises(error, match=words):
            function(*arguments)
    with pytest.raises(TypeError, match="density must be a function"):
        dst.expected_error(0.25, 4, density=1.0)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: dst.expected_error(0.25, 5, density=lambda x: float("nan")),
            ValueError,
            "density",
        ),
        (lambda: dst.expected_error(0.25, 5, density=lambda x: -1.0), ValueError, "from 0 on"),
        (lambda: dst.optimal_q2(3, density=lambda x: math.exp(-x / 1e3)), ValueError, "scale them"),
        (lambda: dst.to_grid([1.0], 0.25, 5, signed="no"), TypeError, "signed must be"),
    ],
)
def test_densities_and_flags_are_looked_at(call, error, words):
    with pytest.raises(error, match=words):
        call()
