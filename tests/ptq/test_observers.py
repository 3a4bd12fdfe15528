"""Observers against torch's, ONNX Runtime's, NumPy's quantiles, and every range there is."""

import contextlib
import copy
import io
import math
import pickle
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnxruntime.quantization.calibrate import HistogramCollector
from scipy.stats import norm
from torch.ao import quantization as torch_ao

from quantlib import ptq, uniform
from quantlib.uniform import clipping

KINDS = {
    "MinMax": ptq.MinMax,
    "MovingAverage": lambda **settings: ptq.MovingAverage(0.9, **settings),
    "Sigmas": lambda **settings: ptq.Sigmas(2.0, **settings),
    "Percentile": lambda **settings: ptq.Percentile(99.0, **settings),
    "Percentile of magnitudes": lambda **settings: ptq.Percentile(
        99.0, magnitudes=True, **settings
    ),
    "MSE": ptq.MSE,
    "Entropy": ptq.Entropy,
}
OF_HISTOGRAM = ["Percentile", "Percentile of magnitudes", "MSE", "Entropy"]
each_kind = pytest.mark.parametrize("kind", KINDS)


def batches(seed=0, shape=(4, 3, 5, 5), n=5):
    rng = np.random.default_rng(seed)
    return [(rng.standard_normal(shape) * rng.uniform(0.5, 2)).astype(np.float32) for _ in range(n)]


def seen(observer, xs):
    for x in xs:
        observer.observe(x)
    return observer


def range_of(observer, bit_width=8):
    needs_codes = isinstance(observer, ptq.MSE | ptq.Entropy)
    return observer.range(bit_width) if needs_codes else observer.range()


# Ranges, against others' ------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [0.0, 10.0, -10.0])
@pytest.mark.parametrize("bit_width", [8, 4])
def test_min_max_has_the_parameters_of_torch(shift, bit_width):
    xs = [x + np.float32(shift) for x in batches()]
    theirs = torch_ao.MinMaxObserver(quant_min=0, quant_max=2**bit_width - 1)
    for x in xs:
        theirs(torch.tensor(x))
    scale, zero_point = theirs.calculate_qparams()
    qparams = seen(ptq.MinMax(), xs).qparams(bit_width)
    np.testing.assert_allclose(qparams.scale, scale.item(), rtol=1e-6)
    assert qparams.zero_point == zero_point.item()
    assert (qparams.quant_min, qparams.quant_max) == (0, 2**bit_width - 1)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_min_max_of_each_channel_is_that_of_torch(axis):
    xs = batches()
    theirs = torch_ao.PerChannelMinMaxObserver(ch_axis=axis % 4)
    for x in xs:
        theirs(torch.tensor(x))
    low, high = seen(ptq.MinMax(axis=axis), xs).range()
    np.testing.assert_array_equal(low, theirs.min_val.numpy())
    np.testing.assert_array_equal(high, theirs.max_val.numpy())


@pytest.mark.parametrize("momentum", [0.5, 0.99])
def test_the_moving_average_is_that_of_torch(momentum):
    xs = batches(n=20)
    theirs = torch_ao.MovingAverageMinMaxObserver(averaging_constant=1 - momentum)
    for x in xs:
        theirs(torch.tensor(x))
    low, high = seen(ptq.MovingAverage(momentum), xs).range()
    np.testing.assert_allclose([low, high], [theirs.min_val, theirs.max_val], rtol=1e-5)


def test_the_first_batch_sets_the_moving_range_and_keeps_a_weight():
    observer = ptq.MovingAverage(0.75).observe([-8.0, 8.0])
    assert observer.range() == (-8.0, 8.0)
    for _ in range(3):
        observer.observe([0.0])
    assert observer.range() == (-8 * 0.75**3, 8 * 0.75**3)


def test_sigmas_are_numpys_over_all_batches():
    xs = [x[:k] for k, x in enumerate(batches(), start=1)]  # of different sizes
    x = np.concatenate(xs).astype(np.float64)
    low, high = seen(ptq.Sigmas(1.5), xs).range()
    np.testing.assert_allclose([low, high], x.mean() + np.array([-1.5, 1.5]) * x.std(), rtol=1e-12)


def test_sigmas_of_numbers_far_from_zero_are_right():
    """The sum of squares, less the squared sum, has no correct digit here."""
    rng = np.random.default_rng(0)
    xs = [1e9 + rng.uniform(-1, 1, 1000) for _ in range(10)]
    low, high = seen(ptq.Sigmas(1.0), xs).range()
    sigma = np.std(np.concatenate(xs) - 1e9)
    assert (high - low) / 2 == pytest.approx(sigma, rel=1e-6)


def test_sigmas_go_never_beyond_the_values():
    relu = np.maximum(np.random.default_rng(0).standard_normal(1000), 0)
    low, high = ptq.Sigmas(3.0).observe(relu).range()
    assert low == 0.0 and high < relu.max()
    assert ptq.Sigmas(3.0).observe([-1.0, 1.0]).range() == (-1.0, 1.0)


# Histograms ---------------------------------------------------------------------------------------

floats = st.floats(-(2.0**100), 2.0**100, width=32) | st.floats(-4, 4, width=32)


@given(st.lists(st.lists(floats, max_size=20), min_size=1), st.integers(2, 40))
def test_a_histogram_is_numpys_in_whatever_batches_the_values_come(parts, max_bins):
    together = ptq.Histogram(max_bins=max_bins)
    one_by_one = ptq.Histogram(max_bins=max_bins)
    for part in parts:
        one_by_one.add(np.array(part, np.float32))
    x = np.array([value for part in parts for value in part], np.float32)
    together.add(x)
    assert one_by_one.n_values == x.size
    if x.size == 0:
        return
    assert together.counts.dtype == np.int64 and 1 <= together.counts.size <= max_bins
    np.testing.assert_array_equal(together.counts, one_by_one.counts)
    np.testing.assert_array_equal(together.edges, one_by_one.edges)
    edges = together.edges  # NumPy counts a value on the last edge, which here is beyond
    assert edges[0] <= x.min() < edges[1] and edges[-2] <= x.max() < edges[-1]
    np.testing.assert_array_equal(np.histogram(x.astype(np.float64), edges)[0], together.counts)
    assert together.n_zeros == np.sum(x == 0)


def test_the_bins_are_the_narrowest_that_are_enough():
    histogram = ptq.Histogram(max_bins=100).add([0.0, 1.0])
    assert histogram.width == 2.0**-6  # 65 bins; of half the width there would be 129
    histogram.add([-0.5]).add([1.5])
    assert histogram.width == 2.0**-5
    assert histogram.edges[0] == -0.5 and histogram.edges[-1] == 1.5 + 2.0**-5


@pytest.mark.parametrize("offset", [0.0, 1000.0, -1000.0])
def test_no_precision_is_lost_to_an_offset(offset):
    x = np.linspace(0.0, 1.0, 1001) + offset
    assert ptq.Histogram(max_bins=4096).add(x).width <= 2.0**-11


def test_counts_beyond_24_bits_are_right():
    """A float32 count stays at 2**24: torch's histogram loses the last one."""
    ones = np.ones(2**22, np.float32)
    ours, theirs = ptq.Histogram(), torch_ao.HistogramObserver()
    for x in (*[ones] * 4, [0.0, 1.0], [1.0]):
        ours.add(x)
        theirs(torch.tensor(x, dtype=torch.float32))
    assert ours.counts[-1] == 2**24 + 2 and ours.counts[0] == 1
    assert theirs.histogram[-1].item() == 2**24


def test_magnitudes_are_those_of_the_values():
    x = np.random.default_rng(0).uniform(-3, 2, 1000)
    histogram = ptq.Histogram(max_bins=64).add(x)
    counts, upper = histogram.magnitudes()
    edges = np.arange(upper.size + 1) * histogram.width
    np.testing.assert_array_equal(upper, edges[1:])
    np.testing.assert_array_equal(counts, np.histogram(np.abs(x), edges)[0])


# Percentiles --------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [50.0, 90.0, 99.0, 99.9, 100.0])
@pytest.mark.parametrize("distribution", ["normal", "skewed", "positive", "negative"])
def test_percentiles_are_numpys_to_one_bin(p, distribution):
    rng = np.random.default_rng(3)
    draws = {
        "normal": lambda: rng.standard_normal(4001),
        "skewed": lambda: rng.exponential(size=4001) - 0.3,
        "positive": lambda: rng.exponential(size=4001),
        "negative": lambda: -rng.exponential(size=4001),
    }
    xs = [draws[distribution]() for _ in range(3)]
    x = np.concatenate(xs)
    observer = seen(ptq.Percentile(p), xs)
    low, high = observer.range()
    width = observer.histogram.width
    outside = (1 - p / 100) * (1 if distribution in ("positive", "negative") else 0.5)
    upper, lower = (np.quantile(values, 1 - outside, method="inverted_cdf") for values in (x, -x))
    if distribution == "positive":
        assert low == x.min()
    else:
        assert low <= -lower <= low + width
    if distribution == "negative":
        assert high == x.max()
    else:
        assert high - width <= upper <= high
    assert np.mean((x < low) | (x > high)) <= 1 - p / 100 + 1e-12
    assert x.min() <= low < high <= x.max()


def test_a_percentile_leaves_out_as_many_values_as_it_may():
    x = np.arange(1.0, 1001.0)  # integers are edges of the bins
    low, high = ptq.Percentile(99.9).observe(np.concatenate([-x, x])).range()
    assert (low, high) == (-999.0, 999.5)  # one of each sign is clipped
    assert ptq.Percentile(99.9).observe(x).range() == (1.0, 999.25)
    assert ptq.Percentile(99.8).observe(x).range() == (1.0, 998.25)


def test_the_percentile_of_magnitudes_is_numpys():
    x = np.random.default_rng(0).exponential(size=5000) - 0.5
    observer = ptq.Percentile(99.0, magnitudes=True).observe(x)
    low, high = observer.range()
    wanted = np.quantile(np.abs(x), 0.99, method="inverted_cdf")
    assert high - observer.histogram.width <= wanted <= high
    assert low == x.min()  # nothing was seen further out
    # Of values of one sign the two are the same.
    relu = np.maximum(x, 0)
    one, other = (ptq.Percentile(99.0, magnitudes=m).observe(relu).range() for m in (True, False))
    assert one == other


def onnx_runtime(method, histogram, *, n_levels=128, p=99.0, symmetric=False):
    """Return the range that ONNX Runtime finds on our histogram."""
    calibrator = HistogramCollector(method, symmetric, histogram.counts.size, n_levels, p, None)
    edges = histogram.edges.astype(np.float32)
    low, high = np.float32(histogram.low), np.float32(histogram.high)
    calibrator.histogram_dict["x"] = (histogram.counts.copy(), edges, low, high, max(-low, high))
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does
        return [float(end) for end in calibrator.compute_collection_result()["x"][:2]]


@pytest.mark.parametrize("p", [90.0, 99.0, 99.9])
def test_onnx_runtime_clips_one_bin_more_above_and_the_same_below(p):
    observer = ptq.Percentile(p).observe(np.random.default_rng(1).standard_normal(10_001))
    low, high = observer.range()
    assert onnx_runtime("percentile", observer.histogram, p=p) == [
        low,
        high - observer.histogram.width,
    ]


# Searches -----------------------------------------------------------------------------------------


def quantizer_of(low, high, bit_width, mapping):
    """The code and the level of a number, by the formulas of the two mappings."""
    if mapping == "symmetric":
        last = 2 ** (bit_width - 1) - 1
        scale, first = float(np.float32(max(-low, high) / last)), -last
    else:
        scale = float(np.float32((high - low) / (2**bit_width - 1)))
        first = -round(-low / scale)
        last = first + 2**bit_width - 1

    def quantizer(x):
        code = min(max(round(x * (1 / scale)), first), last)
        return code, code * scale

    return quantizer


def squared_error(histogram, quantizer, low, high, p=2.0):
    n_values = sum(n for _, n in bins(histogram))
    return sum(n / n_values * abs(x - quantizer(x)[1]) ** p for x, n in bins(histogram))


def divergence(histogram, quantizer, low, high):
    """The definition of Entropy's docstring, bin by bin."""
    centres, counts = zip(*bins(histogram), strict=True)
    total = sum(counts)
    inside = [i for i, x in enumerate(centres) if low <= x <= high]
    if not inside:
        return math.inf
    a, b = inside[0], inside[-1]
    clipped = {i: counts[i] for i in inside}
    clipped[a] += sum(counts[:a])
    clipped[b] += sum(counts[b + 1 :])
    code = {i: quantizer(centres[i])[0] for i in inside}
    result = 0.0
    for i in inside:
        same = [j for j in inside if code[j] == code[i]]
        told = sum(counts[j] for j in same) / len(same) / total
        result += clipped[i] / total * math.log(clipped[i] / total / told)
    return result


def bins(histogram):
    """The centres of the bins with values other than 0, within the range seen, and the counts."""
    edges, found = histogram.edges, []
    for left, right, n in zip(edges[:-1], edges[1:], histogram.counts, strict=True):
        n -= histogram.n_zeros if left == 0 else 0
        if n:
            found.append((min(max((left + right) / 2, histogram.low), histogram.high), int(n)))
    return found


def all_ranges(histogram, mapping):
    """Every range from an edge to an edge, or from -c to c, as far as values were seen."""
    least, most = min(histogram.low, 0.0), max(histogram.high, 0.0)
    edges = [min(max(edge, least), most) for edge in histogram.edges]
    if mapping == "symmetric":
        clips = {abs(edge) for edge in edges if edge}
        return {(max(-c, least), min(c, most)) for c in clips}
    lows, highs = ({end for end in edges if sign * end > 0} | {0.0} for sign in (-1, 1))
    lows, highs = lows if least < 0 else {0.0}, highs if most > 0 else {0.0}
    return {(low, high) for low in lows for high in highs if low < high}


SMALL = {
    "normal": (lambda rng: rng.standard_normal(400), 32),
    "positive": (lambda rng: rng.exponential(size=300), 64),
    "negative": (lambda rng: -rng.exponential(size=300), 64),
    "relu": (lambda rng: np.maximum(rng.standard_normal(300), 0), 48),
    "outlier": (lambda rng: np.append(rng.standard_normal(300), 20.0), 32),
    "far from 0": (lambda rng: rng.uniform(10, 11, 100), 32),
}


@pytest.mark.parametrize("mapping", ["asymmetric", "symmetric"])
@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize(
    "observer, cost",
    [
        (ptq.MSE, squared_error),
        (lambda **s: ptq.MSE(3.0, **s), lambda *a: squared_error(*a, p=3.0)),
        (ptq.Entropy, divergence),
    ],
    ids=["MSE", "MSE, p = 3", "Entropy"],
)
@pytest.mark.filterwarnings("ignore:Histogram of")
def test_no_range_from_edge_to_edge_costs_less(observer, cost, name, mapping):
    draw, max_bins = SMALL[name]
    for seed in range(3):
        observed = observer(max_bins=max_bins).observe(draw(np.random.default_rng(seed)))
        histogram = observed.histogram
        bit_width = 2 + seed
        options = {"mapping": mapping, "signed": mapping == "symmetric"}
        found = observed.range(bit_width, **options)

        def costs(low, high, histogram=histogram, bit_width=bit_width):
            return cost(histogram, quantizer_of(low, high, bit_width, mapping), low, high)

        ranges = sorted(all_ranges(histogram, mapping))
        assert found in ranges
        tried = observed.costs(*zip(*ranges, strict=True), bit_width, **options)
        np.testing.assert_allclose(tried, [costs(*ends) for ends in ranges], rtol=1e-5, atol=1e-12)
        least = min(costs(*ends) for ends in ranges)
        # All pairs of more than 24 ends each are not tried: then it is the best of its kind.
        n_lows, n_highs = (len({ends[i] for ends in ranges}) for i in (0, 1))
        slack = 1e-6 if min(n_lows, n_highs) == 1 or max(n_lows, n_highs) <= 24 else 0.02
        assert costs(*found) <= least * (1 + slack) + 1e-12


def counted(centres, counts, lows, highs, qparams):
    """The divergence of each range, by counting the codes of all bins of all ranges."""
    inside = (centres >= lows[:, None]) & (centres <= highs[:, None])
    kept, each, total = inside * counts, np.arange(lows.size), counts.sum()
    first, last = inside.argmax(1), centres.size - 1 - inside[:, ::-1].argmax(1)
    sums = np.append(0, np.cumsum(counts))
    clipped = kept.astype(np.float64)
    clipped[each, first] += sums[first]
    clipped[each, last] += total - sums[last + 1]
    codes = qparams.quantize(np.broadcast_to(centres, kept.shape)) - qparams.quant_min
    codes = codes + each[:, None] * 2**qparams.bit_width
    values, used = (np.bincount(codes.ravel(), weights=w.ravel()) for w in (kept, inside))
    told = (values / np.maximum(used, 1))[codes]
    ratio = np.divide(clipped, told, out=np.ones_like(clipped), where=inside)
    return np.where(inside.any(1), (clipped * np.log(ratio)).sum(1) / total, np.inf)


@pytest.mark.parametrize("max_bins", [32, 4096])
@pytest.mark.parametrize("mapping", ["asymmetric", "symmetric"])
@pytest.mark.parametrize("name", SMALL)
def test_neighbours_of_one_code_are_counted_exactly(name, mapping, max_bins):
    """In whichever batches: the same bits as a count of every bin."""
    rng = np.random.default_rng(7)
    observed = ptq.Entropy(max_bins=max_bins).observe(SMALL[name][0](rng))
    lows, highs = -12 * rng.random(150), 12 * rng.random(150)
    for bit_width in (2, 4, 8):
        options = {"mapping": mapping, "signed": mapping == "symmetric"}
        qparams = uniform.qparams_from_range(lows, highs, bit_width, axis=0, **options)
        wanted = counted(*observed.histogram.nonzero(), lows, highs, qparams)
        np.testing.assert_array_equal(observed.costs(lows, highs, bit_width, **options), wanted)


def test_costs_have_the_shape_of_the_ends_and_are_of_one_tensor():
    observer = ptq.MSE().observe(np.random.default_rng(0).standard_normal(100))
    low, high = np.array([[-1.0], [-2.0], [0.5]]), np.array([1.0, 2.0])
    costs = observer.costs(low, high, 4)
    assert costs.shape == (3, 2)
    one = observer.costs(-2.0, 1.0, 4)
    np.testing.assert_allclose((costs[1, 0], one), one, rtol=1e-12)
    # Widened to contain 0.
    np.testing.assert_allclose(costs[2], observer.costs(0.0, high, 4), rtol=1e-12)
    for other in (ptq.MSE(), ptq.MSE(axis=0).observe([[1.0]])):
        with pytest.raises(ValueError, match="costs are those of one tensor"):
            other.costs(0.0, 1.0, 4)


NORMAL = norm.ppf((np.arange(100_000) + 0.5) / 100_000)


@pytest.mark.parametrize("bit_width", [2, 3, 4, 6])
def test_the_least_squared_error_of_a_gaussian_has_the_known_clip(bit_width):
    low, high = ptq.MSE().observe(NORMAL).range(bit_width, mapping="symmetric", signed=True)
    assert low == -high
    wanted = clipping.gaussian_optimal_clip(bit_width)
    found, best = (clipping.gaussian_mse(clip, bit_width) for clip in (high, wanted))
    assert found <= best * (1 + 1e-4)
    assert high == pytest.approx(wanted, rel=0.02)


@pytest.mark.parametrize("bit_width", [8, 4])
@pytest.mark.parametrize("distribution", ["normal", "relu", "laplace", "outliers"])
def test_the_squared_error_is_at_most_that_of_torchs_histogram_observer(distribution, bit_width):
    rng = np.random.default_rng(5)
    x = {
        "normal": lambda: rng.standard_normal(20_000),
        "relu": lambda: np.maximum(rng.standard_normal(20_000), 0),
        "laplace": lambda: rng.laplace(size=20_000),
        "outliers": lambda: np.append(rng.standard_normal(20_000), [-15.0, 25.0]),
    }[distribution]().astype(np.float32)
    theirs = torch_ao.HistogramObserver(quant_min=0, quant_max=2**bit_width - 1)
    theirs.dst_nbins = 2**bit_width  # which it takes from the dtype
    theirs(torch.tensor(x))
    scale, zero_point = theirs.calculate_qparams()
    theirs = uniform.QParams(scale.item(), zero_point.item(), bit_width, signed=False)
    ours = ptq.MSE().observe(x).qparams(bit_width)
    errors = [np.mean((uniform.fake_quantize(x, q) - x) ** 2) for q in (ours, theirs)]
    assert errors[0] <= errors[1] * 1.002


@pytest.mark.parametrize("bit_width", [4, 5])
@pytest.mark.parametrize("distribution", ["normal", "laplace"])
def test_entropy_is_near_to_onnx_runtimes_on_the_same_histogram(distribution, bit_width):
    """Their definitions differ, see Entropy: the ranges agree to a quarter."""
    rng = np.random.default_rng(0)
    x = getattr(rng, distribution)(size=50_000)
    observer = ptq.Entropy(max_bins=1024).observe(np.concatenate([x, -x]))
    _, ours = observer.range(bit_width, mapping="symmetric", signed=True)
    _, theirs = onnx_runtime("entropy", observer.histogram, n_levels=2**bit_width)
    assert ours == pytest.approx(theirs, rel=0.25)
    assert ours < 0.95 * observer.histogram.high  # both clip


def test_entropy_keeps_the_whole_range_where_clipping_tells_nothing_more():
    """Equally many values in each bin: no code tells less than another, wherever the range ends."""
    x = (np.arange(64) + 0.5) / 64
    assert ptq.Entropy(max_bins=64).observe(np.repeat(x, 10)).range(3) == (0.0, x.max())


def test_zeros_change_neither_search():
    """0 is exact with every range; a ReLU's zeros would count for nearly all of the divergence."""
    x = np.random.default_rng(0).exponential(size=3000)
    for observer in (ptq.MSE, ptq.Entropy):
        plain, with_zeros = observer().observe(x), observer().observe(np.zeros(30_000)).observe(x)
        # Without zeros the histogram starts at the smallest value: the edges are others.
        assert with_zeros.range(4)[1] == pytest.approx(plain.range(4)[1], rel=0.02)


# What was reported against others' observers ------------------------------------------------------


@each_kind
def test_zeros_then_zeros_then_data(kind):
    x = np.random.default_rng(0).standard_normal(1000)
    observer = seen(KINDS[kind](), [np.zeros(100), np.zeros((10, 10)), x])
    low, high = range_of(observer)
    assert x.min() <= low < 0 < high <= x.max()
    if kind == "MinMax":
        assert (low, high) == (x.min(), x.max())
    if kind in OF_HISTOGRAM:
        assert observer.histogram.n_values == 1200 and observer.histogram.n_zeros == 200


@each_kind
@pytest.mark.parametrize("axis", [None, 1])
def test_an_empty_batch_changes_nothing(kind, axis):
    xs = batches()
    one, other = (seen(KINDS[kind](axis=axis), xs[:2]) for _ in range(2))
    other.observe(np.zeros((0, 3, 5, 5), np.float32)).observe(torch.zeros(0, 3, 5, 5))
    assert other.n_batches == 2
    for observer in (one, other):
        seen(observer, xs[2:])
    np.testing.assert_array_equal(range_of(one), range_of(other))


@each_kind
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_refused_with_the_number_of_the_batch(kind, value):
    observer = seen(KINDS[kind](), batches(n=2))
    before = range_of(observer)
    bad = batches(n=3)[2]
    bad[1, 2, 3, 4] = value
    with pytest.raises(ValueError, match="x of batch 3 must be finite, got 1 NaN or infinite"):
        observer.observe(torch.tensor(bad))
    assert range_of(observer) == before and observer.n_batches == 2


@each_kind
def test_nothing_seen_has_no_range(kind):
    observer = KINDS[kind]().observe(np.zeros((0, 3)))
    with pytest.raises(ValueError, match="must have seen a value"):
        observer.qparams(8)


@each_kind
@pytest.mark.parametrize("value", [0.0, 3.25, -3.25, 1e-30, -1e30])
@pytest.mark.parametrize("mapping, signed", [("asymmetric", False), ("symmetric", True)])
def test_a_constant_has_a_usable_scale(kind, value, mapping, signed):
    x = np.full((2, 7), value, np.float32)
    for observer in (KINDS[kind](), KINDS[kind](axis=0)):
        qparams = seen(observer, [x, x]).qparams(8, mapping=mapping, signed=signed)
        np.testing.assert_allclose(uniform.fake_quantize(x, qparams), x, rtol=1e-5)


@each_kind
def test_the_largest_float32_stays_sane_and_is_told(kind):
    """An attention mask: -3.4e38 among ordinary values."""
    lowest = np.finfo(np.float32).min
    x = np.append(np.random.default_rng(0).standard_normal(9999), lowest).astype(np.float32)
    observer = KINDS[kind]().observe(x)
    expected = (
        pytest.warns(UserWarning, match="more than half of its values")
        if kind in OF_HISTOGRAM
        else contextlib.nullcontext()
    )
    with expected:
        qparams = observer.qparams(8)
    assert 0 < qparams.scale < np.inf and np.isfinite(uniform.fake_quantize(x, qparams)).all()
    if kind == "MinMax":
        assert uniform.fake_quantize(x, qparams).min() == pytest.approx(lowest)


@pytest.mark.parametrize("kind", OF_HISTOGRAM)
def test_an_ordinary_tensor_gives_no_warning(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for x in (NORMAL, np.maximum(NORMAL, 0), np.zeros(10), np.append(np.zeros(999), 1.0)):
            KINDS[kind]().observe(x).qparams(8)


@each_kind
def test_values_from_10_to_11_come_back_at_4_bits(kind):
    x = np.linspace(10, 11, 101)
    qparams = KINDS[kind]().observe(x).qparams(4)
    assert uniform.fake_quantize(np.zeros(1), qparams) == 0
    error = np.abs(uniform.fake_quantize(x, qparams) - x)
    assert error.max() <= 11 / 15 / 2 + 0.1  # half a step, and what may be clipped


@each_kind
def test_symmetric_codes_of_positive_values_reach_the_last_one(kind):
    x = np.append(np.linspace(0.01, 1, 10_000), 1.0)
    qparams = KINDS[kind]().observe(x).qparams(4, mapping="symmetric", signed=True)
    assert qparams.zero_point == 0 and uniform.quantize(x, qparams).max() == 7
    assert uniform.fake_quantize(np.ones(1), qparams) == pytest.approx(1.0, abs=0.1)
    unsigned = KINDS[kind]().observe(x).qparams(4, mapping="symmetric")
    assert unsigned.zero_point == 0 and uniform.quantize(x, unsigned).max() == 15


@each_kind
def test_symmetric_codes_without_a_sign_are_refused_for_negative_values(kind):
    observer = KINDS[kind]().observe([-1.0, 0.5, 0.25])
    with pytest.raises(ValueError, match="low must not be negative"):
        observer.qparams(4, mapping="symmetric")


# Objects ------------------------------------------------------------------------------------------


@each_kind
def test_copies_and_pickles_go_on_by_themselves(kind):
    xs = batches()
    observer = seen(KINDS[kind](), xs[:2])
    before = range_of(observer)
    for other in (copy.deepcopy(observer), pickle.loads(pickle.dumps(observer))):
        assert range_of(other) == before
        seen(other, xs[2:])
        assert range_of(other) == range_of(seen(KINDS[kind](), xs))
    assert range_of(observer) == before


@each_kind
def test_a_fresh_one_has_the_settings_and_has_seen_nothing(kind):
    pattern = KINDS[kind](axis=1).observe(np.ones((2, 3)))
    fresh = pattern.fresh()
    assert repr(fresh) == repr(pattern) and fresh.axis == 1 and fresh.n_batches == 0
    fresh.observe(np.ones((2, 4)))  # another number of channels
    assert range_of(pattern)[0].shape == (3,)


def test_a_repr_says_what_it_is():
    names = {
        "MinMax()": ptq.MinMax(),
        "MovingAverage(momentum=0.5)": ptq.MovingAverage(0.5),
        "Percentile(p=99.9, axis=1)": ptq.Percentile(99.9, axis=1),
        "Entropy(max_bins=512)": ptq.Entropy(max_bins=512),
    }
    for text, observer in names.items():
        assert repr(observer) == text
        again = eval(text, vars(ptq) | {name: getattr(ptq, name) for name in ptq.__all__})
        assert repr(again) == text and type(again) is type(observer)


@each_kind
@pytest.mark.parametrize("axis", [0, 1, -2])
def test_along_an_axis_each_index_has_its_own_observer(kind, axis):
    xs = batches()
    together = seen(KINDS[kind](axis=axis), xs)
    low, high = range_of(together, 4)
    for i in range(xs[0].shape[axis]):
        alone = seen(KINDS[kind](), [np.take(x, i, axis) for x in xs])
        np.testing.assert_allclose((low[i], high[i]), range_of(alone, 4), rtol=1e-12)
    qparams = together.qparams(4)
    assert qparams.axis == axis and qparams.scale.shape == low.shape
    assert uniform.fake_quantize(xs[0], qparams).shape == xs[0].shape


@each_kind
def test_another_number_of_channels_is_refused(kind):
    observer = KINDS[kind](axis=1).observe(np.ones((2, 3, 4)))
    with pytest.raises(ValueError, match="x of batch 2 must have 3 entries along axis 1"):
        observer.observe(np.ones((2, 4, 4)))


@each_kind
@pytest.mark.parametrize(
    "as_given",
    [
        torch.tensor,
        lambda x: torch.tensor(x, requires_grad=True),
        lambda x: torch.tensor(x.T.copy()).T,
        lambda x: torch.tensor(x).half(),
        lambda x: torch.tensor(x).bfloat16(),
        lambda x: x.astype(np.float16),
        lambda x: x.astype(np.int8),
        lambda x: x.tolist(),
    ],
    ids=["tensor", "gradient", "transposed", "half", "bfloat16", "float16", "int8", "list"],
)
def test_arrays_and_tensors_of_every_kind_are_taken(kind, as_given):
    x = np.round(np.random.default_rng(0).standard_normal((20, 30)) * 20).astype(np.float32)
    one, other = KINDS[kind]().observe(as_given(x)), KINDS[kind]().observe(x)
    np.testing.assert_allclose(range_of(one), range_of(other), rtol=1e-6)


@pytest.mark.parametrize(
    "make, match",
    [
        (lambda: ptq.Percentile(0), "p must be positive"),
        (lambda: ptq.Percentile(100.5), "p must be above 0 and at most 100, got 100.5"),
        (lambda: ptq.MovingAverage(1.0), "momentum must be from 0 to below 1, got 1.0"),
        (lambda: ptq.MovingAverage(-0.1), "momentum must be positive"),
        (lambda: ptq.Sigmas(0), "k must be positive"),
        (lambda: ptq.MSE(-2), "p must be positive"),
        (lambda: ptq.Entropy(max_bins=1), "max_bins must be from 2"),
        (lambda: ptq.MinMax(axis=100), "axis must be from"),
        (lambda: ptq.MinMax(axis=2).observe([[1.0]]), "axis must be from -2 to 1, got 2"),
        (lambda: ptq.MinMax().observe([1.0]).qparams(0), "bit_width must be from 1"),
        (lambda: ptq.MSE().observe([1.0]).range(8, mapping="affine"), "mapping must be one of"),
    ],
)
def test_bad_settings_are_refused_by_name(make, match):
    with pytest.raises(ValueError, match=match):
        make()


# Compared -----------------------------------------------------------------------------------------


def test_the_parts_of_the_error_are_split_errors_where_the_range_is_symmetric():
    x = np.append(NORMAL[::50], [-6.0, 6.0])
    observers = [ptq.Percentile(99.0, magnitudes=True), ptq.MinMax(), ptq.MSE()]
    rows = ptq.compare_observers(
        [observer.observe(x) for observer in observers], x, 4, mapping="symmetric", signed=True
    )
    assert [row.observer for row in rows] == [repr(observer) for observer in observers]
    for row in rows:
        parts = clipping.split_error(x, row.high, 4)
        np.testing.assert_allclose((row.rounding_error, row.clipping_error), parts, rtol=1e-5)
    assert rows[2].error == min(row.error for row in rows)
    assert rows[1].clipping_error == 0.0 < rows[0].clipping_error


def test_the_parts_add_up_to_the_error_where_it_is_not():
    x = np.random.default_rng(0).exponential(size=2000) - 0.2
    for kind in KINDS:
        observer = KINDS[kind]().observe(x)
        (row,) = ptq.compare_observers([observer], x, 3)
        error = np.mean((uniform.fake_quantize(x, observer.qparams(3)) - x) ** 2)
        assert row.error == pytest.approx(error, rel=1e-9)
        assert (row.low, row.high) == range_of(observer, 3)


def test_only_observers_of_a_whole_tensor_are_compared():
    for bad in (ptq.MinMax(axis=0).observe([[1.0]]), "MinMax"):
        with pytest.raises(ValueError, match="observers must have axis=None"):
            ptq.compare_observers([bad], [1.0], 8)
