"""The loops of chapter 3 against their plain references."""

import numpy as np
import pytest

from quantlib.kernels import levels, reference


def line(seed, weighted):
    """Return sorted values with repetitions, and weights or none."""
    rng = np.random.default_rng(seed)
    values = np.sort(rng.integers(0, 40, 20 + 5 * seed) / 4)
    return values, rng.random(len(values)) if weighted else np.zeros(0)


def summed(values, weights, shift):
    """Return a line with its sums."""
    sums = np.empty(((len(values) >> shift) + 1, 3))
    found = levels.Line(values, weights, 3.0, 0.25, shift, sums)
    levels.sum_up(found)
    return found


@pytest.mark.parametrize("shift", [0, 1, 3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_sums_before_any_place(seed, weighted, shift):
    values, weights = line(seed, weighted)
    places = np.r_[np.unique(values, return_index=True)[1], len(values)]
    found = np.empty((len(places), 3))
    levels.sums_before(summed(values, weights, shift), places, found)
    np.testing.assert_allclose(
        found, reference.join_equal(values, weights, 3.0, 0.25)[1], rtol=1e-12
    )


def spread(sums, bounds):
    weight, first, second = np.diff(sums[bounds], axis=0).T
    return (second - first**2 / weight).sum()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("k", [1, 2, 3, 7])
def test_partitions_are_the_best(k, weighted):
    values, weights = line(3, weighted)
    sums = reference.join_equal(values, weights, 3.0, 0.25)[1]
    wanted, bounds = reference.partition(sums, k)
    np.testing.assert_allclose(spread(sums, bounds), wanted)
    np.testing.assert_allclose(spread(sums, levels.partition_by_table(sums, k)), wanted, rtol=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shift", [None, 0, 1, 3])
@pytest.mark.parametrize("penalty", [0.001, 0.01, 0.1, 1.0, 1e9])
def test_the_penalty_s_partition_is_the_best(penalty, shift, weighted):
    values, weights = line(3, weighted)
    sums = reference.join_equal(values, weights, 3.0, 0.25)[1]
    if shift is None:  # nothing is known but the sums before the different values
        found = levels.Line(np.empty(0), np.empty(0), 0.0, 1.0, 0, sums)
        starts = np.arange(len(sums))
    else:
        found = summed(values, weights, shift)
        starts = np.r_[np.unique(values, return_index=True)[1], len(values)]
    before = np.empty(starts[-1] + 1, np.int32)
    parts, cost = levels.partition_by_penalty(found, penalty, before)
    bounds = [starts[-1]]
    while bounds[-1]:
        bounds.append(before[bounds[-1]])
    assert len(bounds) == parts + 1 and set(bounds) <= set(starts)
    least = min(reference.partition(sums, p)[0] + penalty * p for p in range(1, len(sums)))
    np.testing.assert_allclose(cost, least, rtol=1e-9)
    bounds = np.searchsorted(starts, bounds[::-1])
    np.testing.assert_allclose(spread(sums, bounds) + penalty * parts, least, rtol=1e-9)


@pytest.mark.parametrize("codes", [np.uint8, np.int32, np.int64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1, 63, 64, 200])
def test_codes_and_look_ups(size, dtype, codes):
    rng = np.random.default_rng(size)
    x, thresholds = rng.standard_normal(size).astype(dtype), np.linspace(-2, 2, 255).astype(dtype)
    x[0] = thresholds[100]
    found = np.empty(size, codes)
    levels.count_at_most(x, thresholds, found)
    np.testing.assert_array_equal(found, reference.count_at_most(x, thresholds))
    table, out = rng.standard_normal(256).astype(np.float32), np.empty(size, np.float32)
    assert levels.look_up(found, table, out)
    np.testing.assert_array_equal(out, reference.look_up(found, table))
    assert not levels.look_up(found, table[:100], out)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_number_that_is_not_finite_is_seen(bad):
    x = np.ones(100)
    assert levels.all_finite(x) and reference.all_finite(x)
    x[70] = bad
    assert not levels.all_finite(x) and not reference.all_finite(x)
