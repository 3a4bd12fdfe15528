"""One-dimensional k-means: the best of all partitions, and Lloyd's iterations beside it.

On a line every best cluster is a run of neighbours, so that only the bounds between the runs are
to be found. That makes the problem easy to solve exactly, which k-means in the plane is not.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np
from array_api_compat import array_namespace

from quantlib._validation import as_float_array, check_choice, check_finite, check_integer, to_numpy

__all__ = ["Clusters", "kmeans_1d", "lloyd"]


@dataclass(frozen=True, eq=False)
class Clusters:
    """Clusters of numbers on a line, in ascending order."""

    #: numpy.ndarray of float64, shape (k,): Weighted mean of each cluster.
    centroids: np.ndarray
    #: numpy.ndarray of float64, shape (k - 1,): Half-way between neighbouring centroids. A number
    #: on a threshold belongs above it.
    thresholds: np.ndarray
    #: Weighted sum of squared distances to the own centroid.
    objective: float
    #: Lloyd's iterations until nothing moved; 0 for :func:`kmeans_1d`.
    iterations: int = 0


def kmeans_1d(x, k, weights=None, *, method="penalty"):
    r"""Find the globally best k centroids of numbers on a line.

    .. math:: \min_{d_0 < \dots < d_{k-1}} \sum_i w_i \min_j (x_i - d_j)^2

    Source: equation (2) of Sun, Lin, Wang 2016, who solve it "with the K-means clustering method",
    which in general ends at a local optimum. Here the spread between two bounds obeys the
    quadrangle inequality, so that the least objective is a convex function of k and some fee for
    each cluster makes any k best (Aggarwal, Schieber and Tokuyama 1994). Spreads are differences of
    sums of squares in float64: clusters narrower than about 1e-8 of the whole range cannot be told
    apart by them.

    Parameters
    ----------
    x : array
        NumPy array or torch tensor of any shape, with at least k distinct values.
    k : int
        How many clusters, 1 to 65536.
    weights : array, optional
        Positive weight of each value: for a histogram, ``x`` are its values and ``weights`` their
        counts. None counts each value once.
    method : {"penalty", "table"}
        Both give the best objective. ``"table"`` is the textbook's dynamic program over the first j
        values in p clusters, in k n log n steps. ``"penalty"`` searches for the fee at which k
        clusters are best; each trial takes about n steps.

    Examples
    --------
    >>> clusters = kmeans_1d([0.0, 0.1, 0.2, 5.0, 5.2, 9.0], 3)
    >>> clusters.centroids.round(3).tolist(), round(clusters.objective, 3)
    ([0.1, 5.1, 9.0], 0.04)
    """
    from quantlib.kernels import levels as loops

    check_choice(method, "method", ("penalty", "table"))
    line = _Line(x, weights, check_integer(k, "k", 1, 2**16))
    if k == len(line.distinct):
        bounds = np.arange(k + 1)
    elif method == "table":
        bounds = loops.partition_by_table(line.sums, k)
    else:
        bounds = _bounds_by_penalty(line.sums, k)
    # Prefix sums of millions of values are rounded. Lloyd's iterations can only lower the
    # objective, and from the best partition there is at most such a rounding to be repaired.
    for _ in range(20):
        centroids = line.means(bounds)
        moved = line.nearest(centroids)
        if (moved == bounds).all() or (np.diff(moved) == 0).any():
            break
        bounds = moved
    return line.clusters(centroids)


class _Line:
    """Sorted values, the distinct ones among them, and prefix sums of those."""

    def __init__(self, x, weights, k):
        from quantlib.kernels import levels as loops

        self.values, self.weights = _sorted_values(x, weights)
        # A middle value as the origin and a power of two as the unit keep the squares small.
        self.origin = float(self.values[len(self.values) // 2])
        largest = max(abs(float(self.values[0])), abs(float(self.values[-1])))
        if largest > 1e150:
            raise ValueError(f"x must be at most 1e150 in size, got {largest}")
        self.unit = 2.0 ** max(math.frexp(largest)[1], -1000)
        self.distinct, self.sums = loops.join_equal(
            self.values, self.weights, self.origin, 1 / self.unit
        )
        if len(self.distinct) < k:
            raise ValueError(
                f"k must be at most the number of distinct values in x, {len(self.distinct)}, "
                f"got {k}"
            )

    def nearest(self, centroids):
        """Return the bounds, among the distinct values, of what is nearest to each centroid."""
        middle = (centroids[1:] + centroids[:-1]) / 2
        return np.r_[0, np.searchsorted(self.distinct, middle), len(self.distinct)]

    def means(self, bounds, empty=None):
        """Return the mean between neighbouring bounds; ``empty`` where nothing is between."""
        part = self.sums[bounds[1:]] - self.sums[bounds[:-1]]
        filled = bounds[1:] > bounds[:-1]
        mean = self.origin + self.unit * part[:, 1] / np.where(filled, part[:, 0], 1.0)
        # Rounding must not carry a mean beyond its values.
        first = self.distinct[np.minimum(bounds[:-1], len(self.distinct) - 1)]
        mean = np.clip(mean, first, np.maximum(first, self.distinct[bounds[1:] - 1]))
        return mean if empty is None else np.where(filled, mean, empty)

    def clusters(self, centroids, iterations=0):
        """Return the clusters of what is nearest to ``centroids``, sums made anew in each."""
        values, weights = self.values, self.weights
        middle = (centroids[1:] + centroids[:-1]) / 2
        bounds = np.r_[0, np.searchsorted(values, middle), len(values)]
        means, objective = centroids.copy(), 0.0
        for i, (start, stop) in enumerate(itertools.pairwise(bounds)):
            if start < stop:
                x = values[start:stop].astype(np.float64) - centroids[i]
                w = weights[start:stop] if len(weights) else np.ones(len(x))
                shift = float(w @ x / w.sum())
                means[i] += shift
                objective += float(w @ (x - shift) ** 2)
        return Clusters(means, (means[1:] + means[:-1]) / 2, objective, iterations)


def _sorted_values(x, weights):
    """Return values in ascending order, float32 or float64, and their weights (empty if None)."""
    x = _float_numpy(x, "x")
    if weights is None:
        return np.sort(x, axis=None), np.empty(0)
    weights = _float_numpy(weights, "weights").astype(np.float64)
    if weights.shape != x.shape:
        raise ValueError(
            f"x and weights must have the same shape, got {x.shape} and {weights.shape}"
        )
    if weights.min() <= 0:
        raise ValueError(f"weights must be positive, got {weights.min()}")
    with np.errstate(over="ignore"):
        if not np.isfinite(weights.sum()):
            raise ValueError(f"weights must have a finite sum, got up to {weights.max()}")
    order = np.argsort(x, axis=None, kind="stable")
    return x.ravel()[order], weights.ravel()[order]


def _float_numpy(x, name):
    """Return ``x`` as a NumPy array of float32, or of float64 whatever else it was."""
    x = as_float_array(x, name)
    xp = array_namespace(x)
    x = x if x.dtype == xp.float32 else xp.astype(x, xp.float64)
    return to_numpy(x)


# The start of the best last cluster never moves back when there are more values: the table and each
# trial of a fee use it. Where one fee makes several k best, two of its solutions are crossed.
def _bounds_by_penalty(sums, k):
    """Return the bounds of the best split into k parts, by a search for the fee."""
    from quantlib.kernels import levels as loops

    n = len(sums) - 1

    def trial(sums):
        size = len(sums)
        before, queue, since = (np.empty(size, np.int64) for _ in range(3))
        best = np.empty(size)

        def split(penalty):
            parts = loops.partition_by_penalty(sums, penalty, before, best, queue, since)
            bounds = np.empty(parts + 1, np.int64)
            bounds[parts] = len(sums) - 1
            for part in range(parts, 0, -1):
                bounds[part - 1] = before[bounds[part]]
            return bounds

        return split

    # A first guess from bounds that may lie at some 2,000 places only.
    guess = None
    if n > 8192 and k <= 256:
        places = np.linspace(0, n, max(2048, 8 * k) + 1).astype(np.int64)
        guess = _good_fee(trial(sums[places]), sums[places], k)
    return _search_fee(trial(sums), sums, k, guess)


def _good_fee(split, sums, k):
    """Return a fee in the middle of those at which k parts are best, for the coarse problem."""
    whole = sums[-1, 2] - sums[-1, 1] ** 2 / sums[-1, 0]
    ends = []
    for wanted in (k, k + 1):  # the largest fee with at least k parts; with at least k + 1
        low, high = whole * 1e-18, 2 * whole
        while high > low * 1.01:
            middle = math.sqrt(low * high)
            if len(split(middle)) - 1 >= wanted:
                low = middle
            else:
                high = middle
        ends.append(low)
    return math.sqrt(ends[0] * ends[1])


def _search_fee(split, sums, k, guess):
    """Return the bounds of k parts at the fee that makes k best."""
    low, high = 0.0, 2 * (sums[-1, 2] - sums[-1, 1] ** 2 / sums[-1, 0])
    many, few = np.arange(len(sums)), np.array([0, len(sums) - 1])  # at the fees low and high
    fee = guess if guess is not None else high / 2 / k**2
    for step in range(200):
        bounds = split(fee)
        parts = len(bounds) - 1
        if parts == k:
            return bounds
        if parts > k:
            low, many = fee, bounds
        else:
            high, few = fee, bounds
        # Near the guess first; then by quotients while the ends are far apart, then by halves.
        if guess is not None and step < 6:
            fee = fee * 1.1 if parts > k else fee / 1.1
            if low < fee < high:
                continue
        fee = math.sqrt(low * high) if low > 0 and high > 4 * low else (low + high) / 2
        if not low < fee < high:
            break
    return _crossed(few, many, k)


def _crossed(few, many, k):
    """Cross two solutions, both best at the same fee, over to one with k parts."""
    # Somewhere part p of the one with few lies around part p + shift of the one with many. There
    # the first can go on as the second; the inequality that makes the search work says that this
    # costs nothing.
    shift = len(many) - 1 - k  # the new one has the first p of few and all but p + shift of many
    for p in range(len(few) - 1):
        q = p + shift
        if few[p] <= many[q] and many[q + 1] <= few[p + 1]:
            return np.concatenate([few[: p + 1], many[q + 1 :]])
    raise AssertionError("two solutions of one fee always cross")


def lloyd(x, k, weights=None, *, centroids=None, seed=0, max_iterations=1000):
    """Run Lloyd's iterations (Lloyd 1982) from given or random centroids until nothing moves.

    Assign every value to the nearest centroid; move every centroid to the mean of its values;
    again. The objective never rises, but where it stops depends on where it began. A centroid that
    no value is nearest to stays where it is.

    ``x``, ``k`` and ``weights`` are those of :func:`kmeans_1d`. ``centroids`` (shape (k,)) are
    where to begin; None draws k distinct values of ``x`` by ``seed``.

    From a bad start the two clusters on the right are never told apart:

    >>> lloyd([0.0, 0.2, 10.0, 11.0, 20.0, 21.0], 3, centroids=[0.0, 0.2, 15.0]).objective > 50
    True
    """
    line = _Line(x, weights, check_integer(k, "k", 1, 2**16))
    max_iterations = check_integer(max_iterations, "max_iterations", 1, 10**9)
    if centroids is None:
        centroids = np.random.default_rng(seed).choice(line.distinct, k, replace=False)
    centroids = np.sort(np.asarray(centroids, np.float64))
    if centroids.shape != (k,):
        raise ValueError(f"centroids must be {k} numbers, got shape {centroids.shape}")
    check_finite(centroids, "centroids")
    bounds, iterations = None, 0
    while iterations < max_iterations:
        iterations += 1
        moved = line.nearest(centroids)
        if bounds is not None and (moved == bounds).all():
            break
        bounds, centroids = moved, line.means(moved, empty=centroids)
    return line.clusters(centroids, iterations)
