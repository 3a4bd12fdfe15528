"""Counts of all values seen, in equal bins that widen as the data do."""

import math

import numpy as np

from quantlib._validation import as_float_array, check_integer, detached, to_numpy

__all__ = ["Histogram"]

#: Bins are at least this wide, in powers of two: the width of those that hold nothing but zeros.
_LEAST_EXPONENT = -1000

#: So many values at a time stay in the processor's cache.
_BLOCK = 32768

#: The number of a bin is at most 2**52, so that all edges are exact in float64.
_INDEX_BITS = 52


class Histogram:
    r"""Counts of values in equal bins that widen with the data.

    Bin i holds the values with :math:`i w \le x < (i + 1)\, w`. The width
    :math:`w = 2^e` is the smallest with which what was seen, from the smallest to the largest
    value, takes at most ``max_bins`` bins. When a value falls beyond, the width doubles as often as
    is needed, and each time two neighbours become one: no count is lost or spread over several
    bins, and the order of the batches doesn't matter. 0 is always an edge. torch's
    ``HistogramObserver`` keeps float32 counts and spreads those that it moves; ONNX Runtime's
    calibrator keeps the width of its first batch and adds bins without a limit.

    Attributes
    ----------
    counts : numpy.ndarray
        Values in each bin, int64, from the smallest one's bin to the largest one's.
    first : int
        The number i of the first of these bins.
    exponent : int
        e, by which the width is given.
    low, high : float
        The smallest and the largest value, exactly.
    n_zeros : int
        How many values are exactly 0. They are also in ``counts``.

    Examples
    --------
    >>> histogram = Histogram(max_bins=4)
    >>> histogram.add([0.0, 1.0, 3.5]).counts.tolist(), histogram.edges.tolist()
    ([1, 1, 0, 1], [0.0, 1.0, 2.0, 3.0, 4.0])
    >>> histogram.add([-2.5]).counts.tolist(), histogram.edges.tolist()
    ([1, 0, 2, 1], [-4.0, -2.0, 0.0, 2.0, 4.0])
    """

    def __init__(self, *, max_bins=4096):
        self.max_bins = check_integer(max_bins, "max_bins", 2, 2**20)
        self.exponent, self.first, self.counts = _LEAST_EXPONENT, 0, np.zeros(0, np.int64)
        self.low, self.high, self.n_zeros = math.inf, -math.inf, 0

    def __repr__(self):
        seen = f"{self.n_values} values from {self.low:g} to {self.high:g}"
        return f"Histogram of {seen if self.n_values else 'nothing'}"

    @property
    def n_values(self):
        """How many values were seen."""
        return int(self.counts.sum())

    @property
    def width(self):
        """Width of a bin."""
        return 2.0**self.exponent

    @property
    def edges(self):
        """Edges of the bins, one more than there are bins."""
        with np.errstate(over="ignore"):
            return np.ldexp(np.float64(self.first + np.arange(self.counts.size + 1)), self.exponent)

    @property
    def is_coarse(self):
        """Whether more than half of the values other than 0 are in the two bins beside 0.

        Then the bins are too wide for all but a few values, which lie far out.
        """
        beside = slice(max(-1 - self.first, 0), max(1 - self.first, 0))
        n = self.n_values - self.n_zeros
        return int(self.counts[beside].sum()) - self.n_zeros > n / 2

    def add(self, x):
        """Count the values of ``x``, an array or tensor of any shape; return the histogram."""
        x = to_numpy(detached(as_float_array(x, "x", may_be_empty=True))).ravel()
        if x.size == 0:
            return self
        self.low, self.high = min(self.low, float(x.min())), max(self.high, float(x.max()))
        exponent = _least_exponent(self.low, self.high, self.max_bins)
        first = math.floor(math.ldexp(self.low, -exponent))
        counts = np.zeros(math.floor(math.ldexp(self.high, -exponent)) - first + 1, np.int64)
        # To halve a bin's number, rounded down, is to shift it by one bit.
        moved = (self.first + np.arange(self.counts.size)) >> min(exponent - self.exponent, 62)
        np.add.at(counts, moved - first, self.counts)
        for start in range(0, x.size, _BLOCK):
            # In float64: in float32 a small negative number could become 0, of another bin.
            part = np.multiply(x[start : start + _BLOCK], 2.0**-exponent, dtype=np.float64)
            index = np.floor(part, out=part).astype(np.int64)
            index -= first
            counts += np.bincount(index, minlength=counts.size)
        self.exponent, self.first, self.counts = exponent, first, counts
        self.n_zeros += x.size - int(np.count_nonzero(x))
        return self

    def magnitudes(self):
        """Return how many magnitudes lie in bins of this width, and the bins' upper edges.

        >>> counts, edges = Histogram(max_bins=8).add([-2.5, -0.5, 0.5, 1.5]).magnitudes()
        >>> counts.tolist(), edges.tolist()
        ([2, 1, 1], [1.0, 2.0, 3.0])
        """
        index = self.first + np.arange(self.counts.size)
        index, where = np.unique(np.where(index < 0, -1 - index, index), return_inverse=True)
        counts = np.zeros(index.size, np.int64)
        np.add.at(counts, where, self.counts)
        return counts, np.ldexp(index + 1.0, self.exponent)

    def nonzero(self):
        """Return the centres of the bins that hold values other than 0, and how many those are.

        A centre beyond the smallest or the largest value is moved there.
        """
        counts = self.counts.copy()
        if self.n_zeros:
            counts[-self.first] -= self.n_zeros
        used = np.flatnonzero(counts)
        with np.errstate(over="ignore"):
            centres = np.ldexp(self.first + used + 0.5, self.exponent)
        return np.clip(centres, self.low, self.high), counts[used]


def _least_exponent(low, high, max_bins):
    """Return the exponent of the smallest width with which ``max_bins`` bins are enough."""
    largest, half_span = max(-low, high), high / 2 - low / 2  # the whole span could overflow
    exponent = max(_LEAST_EXPONENT, math.frexp(largest)[1] - _INDEX_BITS if largest else -2000)
    if half_span:
        exponent = max(exponent, math.frexp(half_span)[1] - max_bins.bit_length())
    while _bin(high, exponent) - _bin(low, exponent) >= max_bins:
        exponent += 1
    return exponent


def _bin(x, exponent):
    return math.floor(math.ldexp(x, -exponent))
