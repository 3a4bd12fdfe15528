"""Observers that count all values: percentiles, and searches for the best range for the codes."""

import math
import warnings
from abc import abstractmethod
from dataclasses import KW_ONLY, dataclass, field
from fractions import Fraction

import numpy as np

from quantlib._validation import as_float_array, check_flag, check_positive, to_numpy
from quantlib.ptq.histogram import Histogram
from quantlib.ptq.observers import Codes, Observer
from quantlib.uniform import fake_quantize, quantize

__all__ = ["MSE", "Entropy", "Percentile"]

#: Ranges that are tried at a time.
_TRIED = 64


@dataclass(eq=False, repr=False)
class _OfHistogram(Observer):
    """What observers share that count values: a histogram for each range."""

    _: KW_ONLY
    max_bins: int = 4096
    _histograms: list = field(default_factory=list, init=False)

    def __post_init__(self):
        super().__post_init__()
        self.max_bins = Histogram(max_bins=self.max_bins).max_bins

    @property
    def histogram(self):
        """The :class:`~quantlib.ptq.histogram.Histogram`, or the list of them, one for each range.

        None as long as nothing is seen.
        """
        if self.axis is None:
            return self._histograms[0] if self._histograms else None
        return list(self._histograms)

    def _add(self, rows):
        if not self._histograms:
            self._histograms = [Histogram(max_bins=self.max_bins) for _ in rows]
        for histogram, row in zip(self._histograms, rows, strict=True):
            histogram.add(row)

    def _each(self, ends):
        """Return the ends of all ranges, of which ``ends`` finds those of one histogram."""
        found = []
        for histogram in self._histograms:
            if histogram.is_coarse:
                warnings.warn(
                    f"{histogram} has more than half of its values, zeros apart, within "
                    f"{histogram.width:g} of 0, the width of its bins: its range is no finer. "
                    f"Leave masks and other extremes out of x, or take more than "
                    f"max_bins={self.max_bins}",
                    stacklevel=5,
                )
            found.append(ends(histogram))
        return tuple(map(np.array, zip(*found, strict=True)))


@dataclass(eq=False, repr=False)
class Percentile(_OfHistogram):
    r"""The range that ``p`` percent of the values lie in; the others are clipped.

    Where values of both signs were seen, half of the others lie beyond each end. Where all have one
    sign, as behind a ReLU, they all lie at the outer end, and the other end stays where it is. Ends
    are edges of the histogram's bins, taken outwards, so that at most
    :math:`(1 - p/100)\, n` of n values are clipped; they lie never beyond the values seen.

    Chenna (section 7.5) and McKinstry et al. (2019) take the percentile of magnitudes:
    ``magnitudes=True`` is that, the range from -c to c (as far as values were seen) with ``p``
    percent of the :math:`|x|` up to c. It is meant for symmetric codes, which need one c; to
    asymmetric ones it would give as much room for the shorter tail as for the longer one.

    ONNX Runtime's ``PercentileCalibrater`` takes the left edge also of the bin in which the upper
    end falls, and clips that bin's values too.

    >>> x = np.arange(1.0, 1001.0)
    >>> low, high = Percentile(99.0).observe(x).range()
    >>> low, high >= 990.0, float((x > high).mean()) <= 0.01
    (1.0, True, True)
    """

    p: float
    _: KW_ONLY
    magnitudes: bool = False

    def __post_init__(self):
        super().__post_init__()
        self.p = check_positive(self.p, "p")
        if self.p > 100:
            raise ValueError(f"p must be above 0 and at most 100, got {self.p}")
        self.magnitudes = check_flag(self.magnitudes, "magnitudes")

    def _ends(self, codes):
        return self._each(self._percentile)

    def _percentile(self, histogram):
        outside = 1 - Fraction(str(self.p)) / 100
        n = histogram.n_values
        if self.magnitudes:
            counts, edges = histogram.magnitudes()
            clip = edges[_holding(counts, n - math.floor(outside * n))]
            return max(-clip, histogram.low), min(clip, histogram.high)
        n_low = n_high = math.floor(outside / 2 * n)
        if histogram.low >= 0:
            n_low, n_high = 0, math.floor(outside * n)
        elif histogram.high <= 0:
            n_low, n_high = math.floor(outside * n), 0
        edges, counts = histogram.edges, histogram.counts
        low = edges[_holding(counts, n_low + 1)]
        high = edges[_holding(counts, n - n_high) + 1]
        return max(low, histogram.low), min(high, histogram.high)


def _holding(counts, rank):
    """Return which bin holds the value of that rank, the smallest one's being 1."""
    return int(np.searchsorted(np.cumsum(counts), rank))


class _Searching(_OfHistogram):
    """What both share: which ranges are tried, and in which order.

    Ends of a range are edges of bins. With symmetric codes, or values of one sign, there is one end
    to choose, and :func:`_least` does. With others all pairs of 24 lower and 24 upper ends are
    tried first (of all ends, if there are no more); from the best pair on each end is moved to its
    best place, the other one being fixed, in turns until nothing is gained.
    """

    def range(self, bit_width, *, mapping="asymmetric", signed=False, narrow_range=None):
        """Return the range to quantize to those codes, as floats or one array each."""
        return self._found(Codes(bit_width, mapping, signed, narrow_range))

    def costs(self, low, high, bit_width, *, mapping="asymmetric", signed=False, narrow_range=None):
        """Return what :meth:`range` makes least, for the ranges from ``low`` to ``high``: arrays.

        They are widened to contain 0, and ``axis`` is None. For figures of how a choice is made.

        >>> MSE().observe([0.25, 1.0, 3.0]).costs(0.0, [1.0, 3.0], 1).round(2).tolist()
        [1.35, 0.35]
        """
        codes = Codes(bit_width, mapping, signed, narrow_range)
        if self.axis is not None or self.histogram is None:
            raise ValueError(f"costs are those of one tensor that was observed, got {self!r}")
        low, high = (to_numpy(as_float_array(v, n)) for v, n in ((low, "low"), (high, "high")))
        shape = np.broadcast_shapes(low.shape, high.shape)
        low, high = (np.broadcast_to(v, shape).ravel() for v in (low, high))
        costs = self._costs_of(self.histogram, codes)
        return costs(np.minimum(low, 0.0), np.maximum(high, 0.0)).reshape(shape)

    def _ends(self, codes):
        return self._each(lambda histogram: self._best(histogram, codes))

    def _costs_of(self, histogram, codes):
        """Return the function from lower and upper ends to what their ranges cost."""
        centres, counts = histogram.nonzero()

        def costs(lows, highs):
            lows, highs = np.broadcast_arrays(np.atleast_1d(lows), highs)
            parts = range(0, lows.size, _TRIED)  # for the memory that all together would take
            parts = [(lows[i : i + _TRIED], highs[i : i + _TRIED]) for i in parts]
            return np.concatenate([self._costs(centres, counts, *part, codes) for part in parts])

        return costs

    @abstractmethod
    def _costs(self, centres, counts, lows, highs, codes):
        """Return what each range costs, for values at ``centres``, none of them 0."""

    def _best(self, histogram, codes):
        least, most = min(histogram.low, 0.0), max(histogram.high, 0.0)
        if least == most:  # nothing but zeros
            return least, most
        costs = self._costs_of(histogram, codes)
        edges = np.clip(histogram.edges, least, most)
        lows, highs = edges[edges < 0][::-1], edges[edges > 0]
        if codes.mapping != "asymmetric" or least == 0 or most == 0:
            clips = np.union1d(-lows, highs)
            clip = _least(lambda c: costs(np.maximum(-c, least), np.minimum(c, most)), clips)
            return max(-clip, least), min(clip, most)
        lows, highs = np.append(0.0, lows), np.append(0.0, highs)
        few_lows, few_highs = (ends[_spread(ends.size, 24)] for ends in (lows, highs))
        pairs = np.repeat(few_lows, few_highs.size), np.tile(few_highs, few_lows.size)
        low, high = (float(ends[_last_least(costs(*pairs))]) for ends in pairs)
        best, found = np.inf, (low, high)
        while (cost := costs(low, high).item()) < best:
            best, found = cost, (low, high)
            high = _least(lambda tried, low=low: costs(low, tried), highs)
            low = _least(lambda tried, high=high: costs(tried, high), lows)
        return found


def _least(cost, places):
    """Return the place with the least cost: 64 are tried, then those beside the best, and so on."""
    tried = _spread(len(places), _TRIED)
    while True:
        best = _last_least(cost(places[tried]))
        first, last = tried[max(best - 1, 0)], tried[min(best + 1, tried.size - 1)]
        if last - first <= 2:
            return float(places[tried[best]])
        tried = np.unique(np.linspace(first, last, _TRIED).astype(int))


def _spread(n, n_wanted):
    """Return numbers from 0 to n - 1, closer to each other near 0; all if n is small enough."""
    if n <= n_wanted:
        return np.arange(n)
    return np.unique(np.geomspace(1, n, n_wanted).astype(int)) - 1


def _last_least(costs):
    return len(costs) - 1 - int(np.argmin(costs[::-1]))


@dataclass(eq=False, repr=False)
class MSE(_Searching):
    r"""The range with the least mean error of quantization, raised to the power ``p``.

    .. math:: \min_{l, h} \frac1N \sum_i n_i\, |c_i - Q_{l, h}(c_i)|^p

    over the bins of the histogram, with :math:`n_i` values at their centres :math:`c_i`, N
    together; values of exactly 0 have no error with any range and don't count. Q is
    :func:`quantlib.schemes.fake_quantize` with the codes asked for, scale and zero point rounded as
    they will be. p = 2 is the mean squared error; a larger p clips less.

    torch's ``HistogramObserver`` also minimizes the squared error, but goes from the full range
    inwards and stops at the first step that gains nothing.

    >>> x = np.append(np.random.default_rng(0).exponential(size=10_000), 50.0)
    >>> MSE().observe(x).range(4), MSE().observe(x).range(8)
    ((0.0, 10.3125), (0.0, 49.390625))
    """

    p: float = 2.0

    def __post_init__(self):
        super().__post_init__()
        self.p = check_positive(self.p, "p")

    def _costs(self, centres, counts, lows, highs, codes):
        qparams = codes.qparams(lows, highs, axis=0)
        values = np.broadcast_to(centres, (lows.size, centres.size))
        error = np.abs(fake_quantize(values, qparams) - values)
        return error**self.p @ counts / counts.sum()


@dataclass(eq=False, repr=False)
class Entropy(_Searching):
    r"""The range whose codes tell most of the distribution, by the Kullback-Leibler divergence.

    A histogram has :math:`n_i` values in bin i, N together; values of exactly 0 are left out, since
    every range gives them back. Of the bins in a range, a is the first and b the last that has
    values. P is what is there after clipping, and Q what codes can tell of it:

    .. math:: P_i = \frac{1}{N} \begin{cases}
                \sum_{j \le a} n_j & i = a \\
                n_i & a < i < b \\
                \sum_{j \ge b} n_j & i = b \end{cases}
              \qquad
              Q_i = \frac{1}{N\, |B(i)|} \sum_{j \in B(i)} n_j
              \qquad
              D = \sum_{i = a}^{b} P_i \ln \frac{P_i}{Q_i}

    :math:`B(i)` are the bins from a to b with values in them whose centres have the same code as
    that of bin i: of a code, one knows how many values have it, and nothing of where in its bins
    they lie. Clipped values are in P, at its ends, and not in Q: so D is at least
    :math:`-\ln` of the share inside. Every :math:`Q_i` is positive where :math:`P_i` is, so that
    nothing has to be smoothed. With fewer bins than codes D sees no rounding: an outlier so far out
    that all others lie in a few bins needs more ``max_bins``.

    Others define it differently. TensorRT (Migacz 2017) takes magnitudes in 2048 bins, levels of
    equally many bins, of which there are 128, and ranges from 128 bins on; it scales Q to the sum
    of 1. So does ONNX Runtime, with ranges symmetric about 0 also where the codes are asymmetric,
    values of exactly 0 counted, bins left over given to the last level, Q rounded down to whole
    numbers, and :math:`10^{-4}` of a count put into empty bins. Brevitas does the same on one
    tensor, and takes the softmax of the counts for P and Q. Chenna (section 7.5) names the method
    and gives no formula.

    >>> x = np.append(np.random.default_rng(0).exponential(size=10_000), 50.0)
    >>> Entropy().observe(x).range(4)
    (0.0, 7.265625)
    """

    def _costs_of(self, histogram, codes):
        costs = super()._costs_of(histogram, codes)

        def by_width(lows, highs):  # ranges of like widths together, which have like bins
            lows, highs = np.broadcast_arrays(np.atleast_1d(lows), highs)
            order = np.argsort(highs - lows, kind="stable")
            found = np.empty(lows.size)
            found[order] = costs(lows[order], highs[order])
            return found

        return by_width

    def _costs(self, centres, counts, lows, highs, codes):
        qparams = codes.qparams(lows, highs, axis=0)
        n_ranges, n_bins, total = lows.size, centres.size, counts.sum()
        sums = np.append(0, np.cumsum(counts))
        # Bins from ``first`` up to ``last`` are inside, of the columns that some range has.
        first, last = (np.searchsorted(centres, *ends) for ends in ((lows,), (highs, "right")))
        some = last > first
        if not some.any():
            return np.full(n_ranges, np.inf)
        left, right = first[some].min(), last[some].max()
        columns, each = np.arange(left, right), np.arange(n_ranges)
        inside = (columns >= first[:, None]) & (columns < last[:, None])
        clipped = np.where(inside, counts[left:right], 0.0)
        clipped[each[some], (first - left)[some]] += sums[first][some]
        clipped[each[some], (last - left - 1)[some]] += (total - sums[last])[some]
        # Codes rise with the bins, so that those of one code are neighbours: from start to end.
        codes_of = quantize(np.broadcast_to(centres[left:right], inside.shape), qparams)
        starts = np.flatnonzero(np.diff(codes_of, axis=1, prepend=codes_of[:, :1] - 1))
        ends = np.append(starts[1:], inside.size)
        row, lengths = starts // columns.size, ends - starts
        start, end = (at - row * columns.size + left for at in (starts, ends))
        start, end = np.maximum(start, first[row]), np.minimum(end, last[row])
        told = np.where(end > start, sums[end] - sums[start], 0) / np.maximum(end - start, 1)
        told = np.repeat(told, lengths).reshape(inside.shape)
        ratio = np.divide(clipped, told, out=np.ones_like(clipped), where=inside)
        divergence = np.zeros((n_ranges, n_bins))
        np.multiply(clipped, np.log(ratio), out=divergence[:, left:right])
        return np.where(some, divergence.sum(1) / total, np.inf)
