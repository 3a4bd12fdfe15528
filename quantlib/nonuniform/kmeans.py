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
    if k == line.n_distinct:
        bounds = line.starts()
    elif method == "table":
        places = line.starts()
        bounds = places[loops.partition_by_table(line.sums(places), k)]
    else:
        bounds = _bounds_by_penalty(line, k)
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
    """Sorted values, and sums over the first of them. Bounds are places among the values."""

    FEW = 2**18  # values of which the sums before each are kept
    SHIFT = 3  # of more, those before every 8th
    CHUNK = 2**16  # values that are worked on at a time

    def __init__(self, x, weights, k):
        from quantlib.kernels import levels as loops

        self.values, self.weights = _sorted_values(x, weights)
        self.n_distinct = 1 + np.count_nonzero(self.values[1:] != self.values[:-1])
        largest = max(abs(float(self.values[0])), abs(float(self.values[-1])))
        if largest > 1e150:
            raise ValueError(f"x must be at most 1e150 in size, got {largest}")
        if self.n_distinct < k:
            raise ValueError(
                f"k must be at most the number of distinct values in x, {self.n_distinct}, got {k}"
            )
        # A middle value as the origin and a power of two as the unit keep the squares small.
        self.origin = float(self.values[len(self.values) // 2])
        self.unit = 2.0 ** max(math.frexp(largest)[1], -1000)
        shift = 0 if len(self.values) <= self.FEW else self.SHIFT
        sums = np.empty(((len(self.values) >> shift) + 1, 3))
        self.for_loops = loops.Line(
            self.values, self.weights, self.origin, 1 / self.unit, shift, sums
        )
        loops.sum_up(self.for_loops)

    def starts(self):
        """Return the places where another value begins, and the end."""
        inner = 1 + np.flatnonzero(self.values[1:] != self.values[:-1])
        return np.r_[0, inner, len(self.values)]

    def distinct(self):
        """Return the different values, in float64."""
        return self.values[self.starts()[:-1]].astype(np.float64)

    def sums(self, places):
        """Return the sums of weight, w x and w x² over the values before each place."""
        from quantlib.kernels import levels as loops

        out = np.empty((len(places), 3))
        loops.sums_before(self.for_loops, places, out)
        return out

    def nearest(self, centroids):
        """Return the bounds, among the values, of what is nearest to each centroid."""
        middle = rounded_up((centroids[1:] + centroids[:-1]) / 2, self.values.dtype)
        return np.r_[0, np.searchsorted(self.values, middle), len(self.values)]

    def means(self, bounds, empty=None):
        """Return the mean between neighbouring bounds; ``empty`` where nothing is between."""
        part = np.diff(self.sums(bounds), axis=0)
        filled = bounds[1:] > bounds[:-1]
        mean = self.origin + self.unit * part[:, 1] / np.where(filled, part[:, 0], 1.0)
        # Rounding must not carry a mean beyond its values.
        first = self.values[np.minimum(bounds[:-1], len(self.values) - 1)].astype(np.float64)
        mean = np.clip(mean, first, np.maximum(first, self.values[bounds[1:] - 1]))
        return mean if empty is None else np.where(filled, mean, empty)

    def clusters(self, centroids, iterations=0):
        """Return the clusters of what is nearest to ``centroids``, sums made anew in each."""
        means, objective = centroids.copy(), []
        for i, (start, stop) in enumerate(itertools.pairwise(self.nearest(centroids))):
            if start < stop:
                weight, first = np.sum(
                    [m[:2] for m in self._moments(start, stop, means[i])], axis=0
                )
                shift = float(first / weight)
                objective += [m[2] for m in self._moments(start, stop, means[i] + shift)]
                means[i] += shift
        return Clusters(means, (means[1:] + means[:-1]) / 2, math.fsum(objective), iterations)

    def _moments(self, start, stop, center):
        """Yield, for some values at a time, the sums of w, w x and w x² around a center."""
        for at in range(start, stop, self.CHUNK):
            part = slice(at, min(at + self.CHUNK, stop))
            x = self.values[part].astype(np.float64) - center
            w = self.weights[part] if len(self.weights) else np.ones(len(x))
            # Not w @ x: BLAS takes threads for it, which wait for each other longer.
            yield float(w.sum()), float((w * x).sum()), float((w * x * x).sum())


def rounded_up(x, dtype):
    """Return the smallest numbers of ``dtype`` that are not below the float64 numbers ``x``."""
    upwards = np.array(np.inf, dtype)
    with np.errstate(over="ignore"):
        bounds = x.astype(dtype)
    return np.where(bounds < x, np.nextafter(bounds, upwards), bounds)


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
def _bounds_by_penalty(line, k):
    """Return the bounds of the best split into k parts, by a search for the fee."""
    n = len(line.values)
    # A first guess from bounds that may lie at some 4,000 places only, closer to each other at the
    # ends: of heavy tails single values are clusters.
    guess = None
    if line.n_distinct > 8192 and k <= 256:
        even, near = np.linspace(0, n, max(2048, 8 * k) + 1)[:-1], np.geomspace(1, n / 2, 1024)
        places = np.r_[even, near, n - near].astype(np.int64)
        places = np.unique(np.searchsorted(line.values, line.values[places]))
        sums = line.sums(np.r_[places, n])
        guess = _good_fee(_trial(_places_only(sums)), sums, k)
    return _search_fee(_trial(line.for_loops), line, k, guess)


def _places_only(sums):
    """Return a line of which nothing but the sums before some places is known."""
    from quantlib.kernels import levels as loops

    return loops.Line(np.empty(0), np.empty(0), 0.0, 1.0, 0, sums)


def _trial(line):
    """Return a function from a fee to the bounds that are best at it."""
    from quantlib.kernels import levels as loops

    n = len(line.values) or len(line.sums) - 1
    before = np.empty(n + 1, np.int32 if n < 2**31 else np.int64)

    def split(penalty):
        parts, _ = loops.partition_by_penalty(line, penalty, before)
        bounds = np.empty(parts + 1, np.int64)
        bounds[parts] = n
        for part in range(parts, 0, -1):
            bounds[part - 1] = before[bounds[part]]
        return bounds

    return split


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


def _search_fee(split, line, k, guess):
    """Return the bounds of k parts at the fee that makes k best."""
    few = np.array([0, len(line.values)])
    weight, first, second = line.sums(few)[1]
    low, high, many = 0.0, 2 * (second - first**2 / weight), None  # few at high, many at low
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
    return _crossed(few, line.starts() if many is None else many, k)


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
        centroids = np.random.default_rng(seed).choice(line.distinct(), k, replace=False)
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
