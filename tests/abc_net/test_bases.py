"""Bases of weights and their factors: by exact fractions, LAPACK and brute force."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from quantlib import abc_net

EIGHTHS = st.integers(-24, 24).map(lambda i: i / 8)
#: A Gaussian without chance: its quantiles.
GAUSSIAN = stats.norm.ppf((np.arange(100_000) + 0.5) / 100_000)


def small_weights(most=7):
    return hnp.arrays(np.float64, st.integers(1, most), elements=EIGHTHS)


def best_factors(w, bases):
    """The factors of least norm, by LAPACK's singular values."""
    return np.linalg.lstsq(bases.reshape(len(bases), -1).T, w.ravel(), rcond=1e-9)[0]


def error(w, n_bases):
    """The relative squared error of the bases at the initial shifts."""
    bases = abc_net.weight_bases(w, abc_net.initial_shifts(n_bases))
    near = abc_net.sum_of_bases(bases, abc_net.fit_alphas(w, bases))
    return ((w - near) ** 2).sum() / (w**2).sum()


# ---------------------------------------------------------------- bases


@pytest.mark.parametrize("n_bases", [1, 2, 3, 4, 5, 7, 64])
def test_shifts_are_the_formula(n_bases):
    formula = [-1 + Fraction(2 * i, n_bases - 1) for i in range(n_bases)] if n_bases > 1 else [0]
    np.testing.assert_allclose(
        abc_net.initial_shifts(n_bases), np.array(formula, float), atol=1e-15
    )
    if n_bases % 2:
        assert abc_net.initial_shifts(n_bases)[n_bases // 2] == 0


def exact_sign(centred, shift, variance):
    """The sign of centred + shift * sqrt(variance), that of 0 being +1, in whole fractions."""
    other = shift * shift * variance
    if shift >= 0:
        return 1 if centred >= 0 or centred**2 <= other else -1
    return 1 if centred >= 0 and centred**2 >= other else -1


@given(
    st.sampled_from([1, 2, 4, 8]).flatmap(lambda n: st.lists(EIGHTHS, min_size=n, max_size=n)),
    st.lists(st.integers(-4, 4).map(lambda i: i / 2), min_size=1, max_size=4),
)
def test_bases_are_the_formula_ties_included(w, shifts):
    exact = [Fraction(x) for x in w]
    mean = sum(exact) / len(w)
    variance = sum((x - mean) ** 2 for x in exact) / len(w)
    wanted = [[exact_sign(x - mean, Fraction(u), variance) for x in exact] for u in shifts]
    assert abc_net.weight_bases(w, shifts).tolist() == wanted
    found = abc_net.weight_bases(torch.tensor(w), torch.tensor(shifts))
    assert found.tolist() == wanted


def test_the_deviation_is_the_populations():
    """Of -1 and 1 it is 1, a tie; the sample's, 1.41, would make both signs -1."""
    assert abc_net.weight_bases([-1.0, 1.0], [-1.0]).tolist() == [[-1.0, 1.0]]


def test_mean_and_deviation_are_those_of_the_whole_tensor():
    w = np.array([[1.0, 2.0], [10.0, 11.0]])
    assert abc_net.weight_bases(w, [0.0]).tolist() == [[[-1, -1], [1, 1]]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.0, 0.1, -0.1, 1 / 3])
@pytest.mark.parametrize("axis", [None, 0])
def test_equal_weights_are_met_exactly(value, dtype, axis):
    """Their deviation is 0, whichever way their mean is rounded: all signs are +1."""
    w = np.full((7, 11), value, dtype)
    bases = abc_net.weight_bases(w, abc_net.initial_shifts(3))
    assert (bases == 1).all() and bases.dtype == dtype
    alphas = abc_net.fit_alphas(w, bases, axis=axis)
    np.testing.assert_allclose(alphas, np.full(alphas.shape, value / 3), rtol=1e-6)
    near = abc_net.sum_of_bases(bases, alphas, axis=axis)
    np.testing.assert_allclose(near, w, rtol=1e-6)


@pytest.mark.parametrize("size", [1e-30, 1e-3, 1e30])
def test_the_size_of_the_weights_changes_no_sign(size):
    """The squares of the smallest and of the largest have no place in single precision."""
    w = GAUSSIAN[::100].astype(np.float32)
    shifts = abc_net.initial_shifts(5)
    bases = abc_net.weight_bases(w * np.float32(size), shifts)
    np.testing.assert_array_equal(bases, abc_net.weight_bases(w, shifts))
    alphas = abc_net.fit_alphas(w * np.float32(size), bases)
    np.testing.assert_allclose(alphas, size * abc_net.fit_alphas(w, bases), rtol=1e-5)


# ---------------------------------------------------------------- factors


@given(
    st.tuples(st.integers(1, 6), st.integers(1, 9)).flatmap(
        lambda sizes: st.tuples(
            hnp.arrays(np.float64, sizes[1], elements=EIGHTHS),
            hnp.arrays(np.float64, sizes, elements=st.sampled_from([-1.0, 1.0])),
        )
    )
)
def test_factors_are_lapacks_of_least_norm(problem):
    """Few weights: bases coincide, are opposite, or combinations of others."""
    w, bases = problem
    np.testing.assert_allclose(
        abc_net.fit_alphas(w, bases), best_factors(w, bases), rtol=1e-9, atol=1e-9
    )


def test_repeated_bases_of_any_number_of_weights():
    """Where n is no power of 2 rounding makes a singular matrix look as if it were not."""
    rng = np.random.default_rng(0)
    for n in range(3, 60):
        some = rng.choice([-1.0, 1.0], (2, n))
        w, bases = rng.standard_normal(n), np.concatenate([some, -some[::-1], some])
        np.testing.assert_allclose(abc_net.fit_alphas(w, bases), best_factors(w, bases), atol=1e-9)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_each_slice_has_its_own_factors(axis):
    rng = np.random.default_rng(0)
    w = rng.standard_normal((4, 3, 2, 2))
    w[1], w[2] = 0.25, 0
    bases = abc_net.weight_bases(w, abc_net.initial_shifts(5))
    found = abc_net.fit_alphas(w, bases, axis=axis)
    assert found.shape == (5, w.shape[axis])
    near = abc_net.sum_of_bases(bases, found, axis=axis)
    for i in range(w.shape[axis]):
        part, signs = np.take(w, i, axis), np.take(bases, i, axis + (axis >= 0))
        wanted = best_factors(part, signs)
        np.testing.assert_allclose(found[:, i], wanted, rtol=1e-9, atol=1e-12)
        sums = (wanted.reshape(-1, *[1] * part.ndim) * signs).sum(0)
        np.testing.assert_allclose(np.take(near, i, axis), sums, atol=1e-12)


def test_bases_that_differ_in_one_of_a_million_weights():
    """In single precision the sums of weights would be too coarse for what tells them apart."""
    rng = np.random.default_rng(1)
    w = rng.standard_normal(2**20).astype(np.float32)
    bases = np.repeat(np.where(w >= 0, 1, -1)[None], 4, 0).astype(np.float32)
    for m in range(4):
        bases[m, m] *= -1
    wanted = best_factors(w.astype(np.float64), bases.astype(np.float64))
    np.testing.assert_allclose(abc_net.fit_alphas(w, bases), wanted, rtol=1e-6)


@pytest.mark.parametrize("mean", [0.0, 0.4])
def test_levels_are_means_of_groups(mean):
    """M thresholds make M + 1 groups; the outer two are opposite, and share one mean magnitude."""
    w = np.random.default_rng(2).standard_normal(1000) + mean
    bases = abc_net.weight_bases(w, abc_net.initial_shifts(4))
    near = abc_net.sum_of_bases(bases, abc_net.fit_alphas(w, bases))
    group = (bases == 1).sum(0)
    outer = np.abs(w)[(group == 4)].sum() - w[group == 0].sum()
    outer /= ((group == 4) | (group == 0)).sum()
    levels = [-outer, *[w[group == i].mean() for i in (1, 2, 3)], outer]
    np.testing.assert_allclose(near, np.take(levels, group), rtol=1e-9)


def test_an_intercept_that_is_dropped_costs_two_thirds_more():
    """Published code fits one beside the factors, and leaves it out of the sum."""
    w = GAUSSIAN + 0.4
    bases = abc_net.weight_bases(w, abc_net.initial_shifts(3))
    with_ones = np.concatenate([bases, np.ones((1, len(w)))])
    alphas = np.linalg.lstsq(with_ones.T, w, rcond=None)[0][:3]
    dropped = ((w - alphas @ bases) ** 2).sum() / (w**2).sum()
    assert error(w, 3) == pytest.approx(0.145, abs=5e-4)
    assert dropped == pytest.approx(0.239, abs=5e-4)


@settings(max_examples=40)
@given(small_weights(12).filter(lambda w: w.any()), st.integers(2, 6))
def test_more_bases_never_hurt_where_the_shifts_are_among_the_new_ones(w, n_bases):
    """2M - 1 shifts contain M; and 3 contain the one of a single basis."""
    assert error(w, 2 * n_bases - 1) <= error(w, n_bases) + 1e-9
    assert error(w, 3) <= error(w, 1) + 1e-9


def test_the_error_of_a_gaussian_falls_to_a_floor():
    """One basis leaves 1 - 2 / pi. Beyond one deviation there is one level, however many bases."""
    errors = [error(GAUSSIAN, n) for n in range(1, 10)]
    assert all(b < a for a, b in itertools.pairwise(errors))
    assert errors[0] == pytest.approx(1 - 2 / math.pi, abs=1e-4)
    tail = stats.truncnorm(1, np.inf)
    floor = 2 * stats.norm.sf(1) * tail.var()
    assert floor == pytest.approx(0.063, abs=5e-4)
    assert floor < error(GAUSSIAN, 64) < floor + 5e-4


def test_more_bases_can_hurt():
    """From 3 to 4 the threshold at the mean goes: without it -1 and 1 are no longer told apart."""
    w = np.array([-1.0, 1.0] * 8 + [-9.0, 9.0])
    assert error(w, 4) > error(w, 3) + 0.01


# ---------------------------------------------------------------- the best two bases


def smallest_error(w):
    """The least squared error of two bases, over all pairs of sign patterns."""
    patterns = [np.array((1.0, *rest)) for rest in itertools.product([-1, 1], repeat=len(w) - 1)]
    least = np.inf
    # The sign of a whole basis is its factor's: the first sign is +1.
    for pair in itertools.combinations_with_replacement(patterns, 2):
        bases = np.array(pair)
        least = min(least, ((w - best_factors(w, bases) @ bases) ** 2).sum())
    return least


@settings(max_examples=30)
@given(small_weights(5))
def test_two_bases_are_the_best_of_all_sign_patterns(w):
    bases, alphas = abc_net.optimal_two_bases(w)
    assert set(np.unique(bases)) <= {-1.0, 1.0} and alphas[0] >= alphas[1] >= 0
    found = ((w - alphas @ bases) ** 2).sum()
    assert found == pytest.approx(smallest_error(w), abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_two_bases_are_the_best_split_of_the_magnitudes(seed):
    w = np.random.default_rng(seed).standard_t(3, 200)
    sizes = np.sort(np.abs(w))
    least = min(k * sizes[:k].var() + (200 - k) * sizes[k:].var() for k in range(1, 200))
    bases, alphas = abc_net.optimal_two_bases(w)
    found = ((w - abc_net.sum_of_bases(bases, alphas)) ** 2).sum()
    assert found == pytest.approx(least)
    assert found <= error(w, 2) * (w**2).sum()


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_two_bases_of_each_slice(axis):
    w = np.random.default_rng(0).standard_normal((3, 4, 5))
    w[1], w[:, 2], w[..., 0] = 0.5, 0, -0.25
    bases, alphas = abc_net.optimal_two_bases(w, axis=axis)
    for i in range(w.shape[axis]):
        wanted = abc_net.optimal_two_bases(np.take(w, i, axis))
        np.testing.assert_array_equal(np.take(bases, i, axis + (axis >= 0)), wanted[0])
        np.testing.assert_allclose(alphas[:, i], wanted[1], rtol=1e-12)


@pytest.mark.parametrize("w", [[0.0], [-3.0], [0.1] * 9, [0.7] * 13, [0.0, -0.0], [2.0, -2.0, 2.0]])
def test_two_bases_of_one_magnitude_need_one(w):
    bases, alphas = abc_net.optimal_two_bases(np.array(w))
    np.testing.assert_allclose(alphas, [abs(w[0]), 0], rtol=1e-12, atol=1e-15)
    assert alphas[1] >= 0
    np.testing.assert_allclose(abc_net.sum_of_bases(bases, alphas), w, rtol=1e-12)


# ---------------------------------------------------------------- kinds, and bad input


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_arrays_give_arrays_and_tensors_tensors(dtype):
    w = GAUSSIAN[::5000].reshape(4, 5).astype(dtype)
    tensor = torch.from_numpy(w).requires_grad_()
    shifts = abc_net.initial_shifts(3)
    bases, in_torch = abc_net.weight_bases(w, shifts), abc_net.weight_bases(tensor, shifts)
    results = [
        (bases, in_torch),
        (abc_net.fit_alphas(w, bases, axis=0), abc_net.fit_alphas(tensor, in_torch, axis=0)),
        *zip(abc_net.optimal_two_bases(w), abc_net.optimal_two_bases(tensor), strict=True),
    ]
    for array, of_tensor in results:
        assert type(array) is np.ndarray and array.dtype == dtype
        assert type(of_tensor) is torch.Tensor and of_tensor.dtype == tensor.dtype
        assert not of_tensor.requires_grad
        np.testing.assert_array_equal(array, of_tensor.numpy())


def test_a_nan_spreads_over_what_it_is_part_of():
    w = torch.tensor([[1.0, float("nan")], [2.0, 3.0]])
    bases = abc_net.weight_bases(w, [0.0, 1.0])
    assert bases.isnan().all()  # the mean is one of all weights
    alphas = abc_net.fit_alphas(w, torch.ones(1, 2, 2), axis=0)
    assert alphas.isnan().tolist() == [[True, False]]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: abc_net.initial_shifts(0), ValueError, "n_bases must be from 1 to 64"),
        (lambda: abc_net.initial_shifts(2.0), TypeError, "n_bases must be a whole number"),
        (lambda: abc_net.weight_bases([], [0.0]), ValueError, "w must not be empty"),
        (lambda: abc_net.weight_bases(torch.ones(0, 2), [0.0]), ValueError, "w must not be empty"),
        (lambda: abc_net.weight_bases([1.0, np.nan], [0.0]), ValueError, "w must be finite"),
        (lambda: abc_net.weight_bases([1.0], [np.inf]), ValueError, "shifts must be finite"),
        (lambda: abc_net.weight_bases([1.0], 0.0), ValueError, "shifts must be one number for"),
        (
            lambda: abc_net.weight_bases(torch.ones(2, dtype=torch.int64), [0.0]),
            TypeError,
            "w must be floating-point",
        ),
        (
            lambda: abc_net.fit_alphas(np.ones(3), np.ones((2, 4))),
            ValueError,
            r"bases must be M x the shape of w, \(3,\), got \(2, 4\)",
        ),
        (lambda: abc_net.fit_alphas(np.ones(3), np.ones(3)), ValueError, "bases must be M x"),
        (lambda: abc_net.fit_alphas([1.0], [[1.0]], axis=1), ValueError, "axis must be from"),
        (lambda: abc_net.fit_alphas(1.0, [1.0], axis=0), ValueError, "axis must be None"),
        (lambda: abc_net.fit_alphas(torch.ones(1), [[1.0]]), TypeError, "bases must be a torch"),
        (lambda: abc_net.sum_of_bases(1.0, [1.0]), ValueError, "bases must be M x any shape"),
        (
            lambda: abc_net.sum_of_bases(np.ones((2, 3, 4)), np.ones((2, 4)), axis=0),
            ValueError,
            r"alphas must have shape \(2, 3\), got \(2, 4\)",
        ),
        (lambda: abc_net.optimal_two_bases([]), ValueError, "w must not be empty"),
        (lambda: abc_net.optimal_two_bases([1.0], axis=2), ValueError, "axis must be from"),
    ],
)
def test_bad_input_is_refused_by_name(call, error, words):
    with pytest.raises(error, match=words):
        call()
