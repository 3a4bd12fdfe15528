"""The best 1-D clusters against every partition there is, scikit-learn, and a plain table."""

import itertools
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from quantlib.nonuniform import kmeans as module
from quantlib.nonuniform import knq
from quantlib.nonuniform.kmeans import kmeans_1d, lloyd

RNG = np.random.default_rng(0)
METHODS = ["penalty", "table"]


def best_of_all(x, weights, k):
    """Return the least objective over every split of the sorted values, in exact fractions."""
    pairs = sorted((Fraction(v), Fraction(w)) for v, w in zip(x, weights, strict=True))

    def spread(part):
        total = sum(w for _, w in part)
        mean = sum(v * w for v, w in part) / total
        return sum(w * (v - mean) ** 2 for v, w in part)

    return min(
        sum(spread(pairs[i:j]) for i, j in itertools.pairwise((0, *cuts, len(pairs))))
        for cuts in itertools.combinations(range(1, len(pairs)), k - 1)
    )


@pytest.mark.parametrize("method", METHODS)
@given(
    values=st.lists(st.tuples(st.integers(-20, 20), st.integers(1, 9)), min_size=1, max_size=9),
    data=st.data(),
)
@settings(max_examples=80, deadline=None)
def test_small_inputs_against_every_partition(method, values, data):
    x = [v / 4 for v, _ in values]
    weights = [float(w) for _, w in values]
    k = data.draw(st.integers(1, len(set(x))))
    clusters = kmeans_1d(x, k, weights, method=method)
    expected = float(best_of_all(x, weights, k))
    assert clusters.objective == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert clusters.centroids.shape == (k,)
    assert (np.diff(clusters.centroids) > 0).all()
    assert (np.diff(clusters.thresholds) >= 0).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("k", [2, 3, 7, 31, 32, 199])
def test_equal_distances_where_one_fee_makes_many_k_best(method, k):
    """Splitting 0 … 199 evenly is best; parts of n numbers have a spread of n (n² - 1) / 12."""
    long, short = 200 % k, k - 200 % k
    n = 200 // k
    expected = sum(count * size * (size**2 - 1) / 12 for count, size in ((long, n + 1), (short, n)))
    assert kmeans_1d(np.arange(200.0), k, method=method).objective == pytest.approx(expected)


SAMPLES = {
    "relu": np.maximum(RNG.standard_normal(30_000), 0),
    "gaussian": RNG.standard_normal(30_000),
    "heavy tails": RNG.standard_t(2, 30_000),
    "exponential": RNG.exponential(size=30_000),
    "integers": RNG.poisson(40, 30_000).astype(float),
    "even": np.linspace(0, 1, 30_000),
    "far from zero": 1e4 + RNG.random(30_000),
    "small": 1e-30 * RNG.exponential(size=30_000),
    "float32": RNG.exponential(size=30_000).astype(np.float32),
}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("k", [2, 8, 32])
def test_the_two_ways_agree_on_large_inputs_and_no_other_way_is_better(name, k):
    x = SAMPLES[name]
    ours = kmeans_1d(x, k)
    table = kmeans_1d(x, k, method="table")
    assert ours.objective == pytest.approx(table.objective, rel=1e-9)
    # The objective is what the centroids really give.
    nearest = np.abs(np.unique(x)[:, None].astype(float) - ours.centroids).min(axis=1)
    counts = np.unique(x, return_counts=True)[1]
    scale = max(1e-300, float(x.max()) ** 2)
    assert ours.objective / scale == pytest.approx(float(counts @ (nearest**2 / scale)), rel=1e-6)
    for seed in range(3):
        assert lloyd(x, k, seed=seed).objective >= ours.objective * (1 - 1e-9)


@pytest.mark.parametrize("k", [3, 8])
def test_scikit_learn_is_never_better(k):
    x = SAMPLES["relu"][:4000]
    theirs = KMeans(k, n_init=5, random_state=0).fit(x[:, None])
    assert kmeans_1d(x, k).objective <= theirs.inertia_ * (1 + 1e-9)


def test_lloyd_is_scikit_learn_s_lloyd_from_the_same_start():
    x = SAMPLES["gaussian"][:3000]
    start = np.sort(RNG.choice(x, 6, replace=False))
    theirs = KMeans(6, init=start[:, None], n_init=1, tol=0, max_iter=1000, algorithm="lloyd")
    theirs.fit(x[:, None])
    ours = lloyd(x, 6, centroids=start)
    np.testing.assert_allclose(ours.centroids, np.sort(theirs.cluster_centers_[:, 0]), rtol=1e-9)
    assert ours.objective == pytest.approx(theirs.inertia_)


def test_lloyd_ends_above_the_optimum_and_an_empty_cluster_stays():
    x = [0.0, 0.1, 10.0, 10.1, 20.0, 20.1]
    assert lloyd(x, 3, centroids=[0.0, 0.1, 15.0]).objective > 100
    assert kmeans_1d(x, 3).objective == pytest.approx(0.015)
    empty = lloyd(x, 3, centroids=[0.0, 10.0, 500.0])
    assert empty.centroids.max() == 500.0
    assert lloyd(x, 3, seed=1, max_iterations=1).iterations == 1


def test_weights_are_repetitions():
    x, counts = np.array([0.0, 1.0, 4.0, 4.5, 9.0]), np.array([5, 1, 2, 3, 1])
    for k in range(1, 6):
        repeated = kmeans_1d(np.repeat(x, counts), k)
        weighted = kmeans_1d(x, k, counts)
        np.testing.assert_allclose(weighted.centroids, repeated.centroids)
        assert weighted.objective == pytest.approx(repeated.objective, abs=1e-12)


def test_torch_and_any_shape_and_order():
    x = SAMPLES["float32"][:999]
    expected = kmeans_1d(x, 5)
    for other in (torch.tensor(x).reshape(37, 27), np.flip(x), RNG.permutation(x)):
        np.testing.assert_array_equal(kmeans_1d(other, 5).centroids, expected.centroids)
    coarse = torch.tensor(x).bfloat16()  # NumPy has no such type
    expected = kmeans_1d(coarse.double(), 5)
    np.testing.assert_array_equal(kmeans_1d(coarse, 5).centroids, expected.centroids)
    weighted = kmeans_1d(torch.tensor([1.0, 2.0]), 1, torch.tensor([3.0, 1.0], requires_grad=True))
    assert weighted.centroids.tolist() == [1.25]


@pytest.mark.parametrize("bit_width", [1, 4, 8])
@pytest.mark.parametrize("name", ["relu", "heavy tails"])
def test_the_levels_of_many_values_take_little_memory(name, bit_width):
    """Four times the values at most, while their sums alone would take six times."""
    rng = np.random.default_rng(1)
    n = 2**20
    x = np.maximum(rng.standard_normal(n), 0) if name == "relu" else rng.standard_t(2, n)
    x = x.astype(np.float32)
    knq.choose_qparams(x[: 2**15], bit_width)  # compiles
    tracemalloc.start()
    try:
        knq.choose_qparams(x, bit_width)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * x.nbytes


@pytest.mark.parametrize("name", ["relu", "heavy tails", "integers"])
def test_few_sums_and_all_of_them_give_the_same_clusters(name, monkeypatch):
    x = SAMPLES[name]
    for k in (2, 8, 32):
        wanted = kmeans_1d(x, k)
        with monkeypatch.context() as patch:
            patch.setattr(module._Line, "FEW", 0)
            found = kmeans_1d(x, k)
        np.testing.assert_array_equal(found.centroids, wanted.centroids)
        assert found.objective == wanted.objective


def test_two_solutions_of_one_fee_cross():
    few, many = np.array([0, 4, 12]), np.array([0, 2, 5, 8, 10, 12])
    for k in (3, 4):
        crossed = module._crossed(few, many, k)
        assert len(crossed) == k + 1
        assert (np.diff(crossed) > 0).all()
        assert {crossed[0], crossed[-1]} == {0, 12}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: kmeans_1d([1.0, 1.0, 2.0], 3),
            "k must be at most the number of distinct.* 2, got",
        ),
        (lambda: lloyd([1.0, 1.0, 2.0], 3), "k must be at most the number of distinct.* 2, got"),
        (lambda: kmeans_1d([1.0], 0), "k must be from 1"),
        (lambda: kmeans_1d([1.0, np.nan], 1), "x must be finite"),
        (lambda: kmeans_1d([], 1), "x must not be empty"),
        (lambda: kmeans_1d([1.0, 2.0], 1, [1.0]), "x and weights must have the same shape"),
        (lambda: kmeans_1d([1.0, 2.0], 1, [1.0, 0.0]), "weights must be positive, got 0"),
        (lambda: kmeans_1d([1.0, 2.0], 1, [1e308, 1e308]), "weights must have a finite sum"),
        (lambda: kmeans_1d([1.0, 2.0], 1, method="smawk"), "method must be one of"),
        (lambda: kmeans_1d([1e200, 2.0], 1), "x must be at most 1e150 in size"),
        (lambda: lloyd([1.0, 2.0], 2, centroids=[1.0]), "centroids must be 2 numbers"),
        (lambda: lloyd([1.0, 2.0], 1, centroids=[np.nan]), "centroids must be finite"),
    ],
)
def test_bad_input_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()
