"""The loops of chapter 3 against their plain references."""

import numpy as np
import pytest

from quantlib.kernels import levels, reference


def line(seed, weighted):
    """Return sorted values with repetitions, and weights or none."""
    rng = np.random.default_rng(seed)
    values = np.sort(rng.integers(0, 40, 20 + 5 * seed) / 4)
    return values, rng.random(len(values)) if weighted else np.zeros(0)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_equal_values_are_joined(seed, weighted):
    values, weights = line(seed, weighted)
    found = levels.join_equal(values, weights, 3.0, 0.25)
    wanted = reference.join_equal(values, weights, 3.0, 0.25)
    np.testing.assert_array_equal(found[0], wanted[0])
    np.testing.assert_allclose(found[1], wanted[1], rtol=1e-12)


def spread(sums, bounds):
    weight, first, second = np.diff(sums[bounds], axis=0).T
    return (second - first**2 / weight).sum()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("k", [1, 2, 3, 7])
def test_partitions_are_the_best(k, weighted):
    sums = reference.join_equal(*line(3, weighted), 3.0, 0.25)[1]
    wanted, bounds = reference.partition(sums, k)
    np.testing.assert_allclose(spread(sums, bounds), wanted)
    np.testing.assert_allclose(spread(sums, levels.partition_by_table(sums, k)), wanted, rtol=1e-9)
    before, queue, since = (np.empty(len(sums), np.int64) for _ in range(3))
    best = np.empty(len(sums))
    for penalty in (0.01, 0.1, 1.0):
        levels.partition_by_penalty(sums, penalty, before, best, queue, since)
        least = min(reference.partition(sums, p)[0] + penalty * p for p in range(1, len(sums)))
        np.testing.assert_allclose(best[-1], least, rtol=1e-9)


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
