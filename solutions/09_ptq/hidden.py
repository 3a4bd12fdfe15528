"""Hidden checks of exercise 9: other inputs, and what must come back for them.

For each graded function a generator of its name yields cases. Inputs are drawn from the course's
seed. Reference results come from other sources than quantlib: exact fractions, Python's whole
numbers, sums by `math.fsum`, number by number. Inputs keep away from places where two right ways
of computing differ, but for the integer functions, whose every rounding is defined.
"""

import itertools
import math
from fractions import Fraction

import numpy as np
import torch
from torch.nn import functional

from quantgrader.cases import (
    VIEWS,
    Case,
    drawn,
    dtype,
    equals,
    integers,
    keys,
    recomputed,
    shape,
    unchanged,
    viewed,
)
from quantlib import data

SAME = unchanged("The inputs were changed in place. Work on copies of them.")


def digits_of(
    expected, message, part=None, size=0.0, advice="compute in float64, and round nothing."
):
    """Requirements: the first digits are right, and then nine; ``size`` is that of the terms."""
    finer = f"{message} Only its first digits are right: {advice}"
    return (
        equals(expected, message, part=part, rtol=1e-5, atol=1e-5 * size),
        equals(expected, finer, part=part, rtol=1e-9, atol=1e-10 * size),
    )


def exactly(expected, message, part=None):
    """A requirement: whole numbers, all of them right."""
    return equals(expected, message, part=part, rtol=0, atol=0)


# 1 ---------------------------------------------------------------------------------------------


def folded(weight, bias, gamma, beta, mean, var, eps):
    """Weights, bias, and the size of the terms that the bias is made of, channel by channel."""
    rows, numbers, size = [], [], 0.0
    for o in range(len(weight)):
        factor = gamma[o] / math.sqrt(var[o] + eps)
        own = 0.0 if bias is None else bias[o]
        rows.append([factor * v for v in weight[o].ravel().tolist()])
        terms = [beta[o], factor * own, -factor * mean[o]]
        numbers.append(math.fsum(terms))
        size = max(size, *map(abs, terms))
    return np.reshape(rows, weight.shape), numbers, float(size)


def _some(generator, n):
    """Zeros and ones, of which the first is 0."""
    return (np.arange(n) > 0) * generator.integers(0, 2, n)


#: Words, and what is different from usual: a function of the generator and the number of channels.
NORMS = {
    "for other numbers": lambda g, n: {},
    "where gamma is negative": lambda g, n: {"gamma": -g.uniform(0.2, 2, n)},
    "where gamma is 0 in some channels": lambda g, n: {"gamma": g.integers(0, 2, n) * 1.5},
    "where a variance is 0": lambda g, n: {"var": g.integers(0, 2, n) * 0.7, "eps": 1e-3},
    "where eps is large": lambda g, n: {"eps": float(g.uniform(1, 5))},
    "where variances are as small as eps": lambda g, n: {
        "var": g.uniform(0.1, 5, n) * 1e-5,
        "eps": 1e-5,
    },
    "where variances and eps are very small": lambda g, n: {
        "var": 10.0 ** g.uniform(-20, -8, n),
        "eps": 10.0 ** g.uniform(-20, -8),
    },
    "where there is no bias": lambda g, n: {"bias": None},
    "where the bias is 0 in some channels": lambda g, n: {"bias": g.normal(size=n) * _some(g, n)},
    "where means are 0 in some channels": lambda g, n: {"mean": g.normal(size=n) * _some(g, n)},
    "where means are large": lambda g, n: {"mean": 1000 * g.normal(size=n)},
    "where the bias is large": lambda g, n: {"bias": 1000 * g.normal(size=n)},
    "where beta is 0": lambda g, n: {"beta": np.zeros(n)},
    "where gamma and beta are very small": lambda g, n: {
        "gamma": 1e-18 * g.normal(size=n),
        "beta": 1e-18 * g.normal(size=n),
    },
    "where gamma is very large": lambda g, n: {"gamma": 1e12 * g.normal(size=n)},
    "where weights are very small": lambda g, n: {"scale": 1e-25},
    "where weights are very large": lambda g, n: {"scale": 1e25},
}
FOLDED_SIZES = ((3, 2, 3, 3), (4, 4), (5, 1, 3, 3), (2, 3, 4), (3, 3, 3, 3), (1, 1), (6, 2, 1, 1))


def fold_batch_norm(generator):
    def case(words, others, count, weight=1):
        sizes = FOLDED_SIZES[count % len(FOLDED_SIZES)]
        n = sizes[0]
        numbers = {
            "bias": generator.normal(size=n),
            "gamma": generator.uniform(0.3, 2, n) * generator.choice([-1, 1, 1], n),
            "beta": generator.normal(size=n),
            "mean": generator.normal(size=n),
            "var": generator.uniform(0.05, 4, n),
            "eps": 10.0 ** generator.uniform(-5, -1),
            "scale": 1.0,
        }
        for other in others:
            numbers |= other(generator, n)
        given = generator.normal(size=sizes) * numbers.pop("scale")
        wanted, bias, size = folded(given, **numbers)
        further = (
            viewed(v, VIEWS[count % 2 * 2]) if isinstance(v, np.ndarray) else v
            for v in numbers.values()
        )
        return Case(
            (viewed(given, VIEWS[count % 3]), *further),
            *digits_of(wanted, f"The weights are wrong {words}.", 0),
            *digits_of(bias, f"The bias is wrong {words}.", 1, size),
            SAME,
            weight=weight,
        )

    count = 0
    for words, other in NORMS.items():
        for _ in range(3):
            yield case(words, [other], count, 1 / 3)
            count += 1
    kinds = list(NORMS.values())
    for _ in range(30):
        # Two or three of these at once.
        others = [kinds[i] for i in generator.permutation(len(kinds))[: 2 + count % 2]]
        yield case("where several numbers are unusual at once", others, count, 1 / 10)
        count += 1


# 2 ---------------------------------------------------------------------------------------------


def two_ranges(x, k, p):
    """Both ranges, from a sorted list."""
    s = sorted(x.ravel().tolist())
    n = len(s)
    mu = math.fsum(s) / n
    sigma = math.sqrt(math.fsum((v - mu) ** 2 for v in s) / n)
    first = [max(mu - k * sigma, s[0]), min(mu + k * sigma, s[-1])]
    out = n * p // 1000
    if s[0] >= 0:
        second = [0.0, s[: n - out][-1]]
    elif s[-1] <= 0:
        second = [s[out:][0], 0.0]
    else:
        half = out // 2
        inner = s[half : n - half]
        second = [inner[0], inner[-1]]
    return [[min(0.0, low), max(0.0, high)] for low, high in (first, second)]


def clip_ranges(generator):
    def case(x, k, p, words, view="plain", weight=1, **advice):
        first, second = two_ranges(x, k, p)
        size = float(np.abs(x).max())
        return Case(
            (viewed(x, view), k, p),
            shape([2, 2], f"Return two pairs, also {words}."),
            *digits_of(first, f"The range by the deviation is wrong {words}.", 0, size, **advice),
            exactly(second, f"The range by the percentile is wrong {words}.", 1),
            SAME,
            weight=weight,
        )

    makes = {
        "behind a ReLU": lambda n: np.maximum(generator.normal(size=n), 0),
        "where no value is negative, and none is 0": lambda n: generator.uniform(1, 3, n),
        "where no value is positive": lambda n: -generator.exponential(size=n),
        "where no value is positive, and many are 0": lambda n: np.minimum(
            generator.normal(size=n), 0
        ),
        "where one end reaches much farther than the other": lambda n: (
            generator.exponential(size=n) - 0.3
        ),
        "where few values are positive": lambda n: generator.normal(size=n) - 1.7,
        "where few values are negative": lambda n: generator.normal(size=n) + 1.7,
        "where values are equal in groups": lambda n: generator.integers(-3, 5, n) * 0.5,
        "where some values lie far out": lambda n: generator.standard_t(2, n),
    }
    shares = (0, 1, 10, 37, 50, 101, 250, 500)
    for i, (words, make) in enumerate(makes.items()):
        for j, p in enumerate(shares):
            n = (1000, 100, 57, 240, 31, 9, 12, 1)[(i + j) % 8]
            x = make(n)
            if n == 240:
                x = x.reshape(6, 4, 10)
            k = float(generator.uniform(0.4, 3.5))
            yield case(x, k, p, words, VIEWS[(i + j) % 3], 1 / 4)
    x = generator.normal(size=(20, 30)) * 2 + 0.5
    for k, p in ((1.0, 10), (3.0, 10), (1.0, 200), (2.5, 3)):
        yield case(x, k, p, "when the same values come again, with another k or p", weight=1 / 2)
    for i, n in enumerate((500, 2000, 120, 40, 900, 260)):
        x = (-1) ** i * generator.exponential(size=n)
        x[generator.integers(n)] *= -1
        words = "where a single value has another sign than all others"
        p = (2, 6, 20, 100, 0, 4)[i]
        yield case(x, float(generator.uniform(0.5, 3)), p, words, VIEWS[i % 3], 1 / 4)
    for i, n in enumerate((40, 90, 200, 13)):
        # So far from 0 that a square of the mean has no digits left for the deviation.
        x = (1e8 + 3e7 * i) * (-1) ** i + generator.normal(size=n)
        words = "where values lie close to each other and far from 0"
        advice = "in float64, take the mean away before you square."
        k = float(generator.uniform(0.8, 1.2))
        yield case(x, k, 100, words, VIEWS[i % 3], 1 / 4, advice=advice)
    x = generator.normal(size=90) + 0.3
    for k in (1e-3, 0.1, 30.0, 1e9):
        yield case(x, k, 100, "for a small or a large k", weight=1 / 4)
    # Shares that are whole numbers of values, though one way or another floats do not say so.
    whole = [
        (n, p)
        for n in range(20, 400)
        for p in range(1, 501)
        if n * p % 1000 == 0
        and not (int(n * (p / 1000)) == int(n * p * 0.001) == n - math.ceil(n * (1 - p / 1000)))
    ]
    for i, at in enumerate(generator.permutation(len(whole))[:12]):
        n, p = whole[at]
        x = generator.normal(size=n) if i % 2 else generator.exponential(size=n)
        yield case(x, 2.0, p, "where n p / 1000 is a whole number", VIEWS[i % 3], 1 / 4)
    # The number of values times p is just below, at, and just above a multiple of thousand.
    for n, p in ((999, 1), (1000, 1), (1001, 1), (1999, 1), (2000, 1), (285, 7), (286, 7)):
        yield case(generator.normal(size=n), 2.0, p, "where n p / 1000 is next to a whole number")
        positive = generator.exponential(size=n)
        yield case(positive, 2.0, p, "where n p / 1000 is next to a whole number, behind a ReLU")
    for array in drawn(generator, each=4, ndims=(0, 1, 2, 3), most=7):
        k, p = float(generator.uniform(0.5, 3)), int(generator.integers(0, 501))
        yield case(array.values, k, p, array.words, array.view, array.weight)


# 3 ---------------------------------------------------------------------------------------------


def divergence(centres, counts, clip, bits):
    """The divergence bin by bin, or None where a centre lies near the middle of two codes."""
    top, total = 2**bits - 1, sum(counts)
    bins = [(c, n) for c, n in zip(centres, counts, strict=True) if n]
    inside = [(c * top / clip, n) for c, n in bins if c <= clip]
    if not inside or any(abs(x % 1 - 0.5) < 1e-6 for x, _ in inside):
        return None
    shared = {}
    for x, n in inside:
        shared.setdefault(min(round(x), top), []).append(n)
    terms = []
    for place, (x, n) in enumerate(inside):
        same = shared[min(round(x), top)]
        clipped = sum(n for c, n in bins if c > clip) if place == len(inside) - 1 else 0
        terms.append((n + clipped) / total * math.log((n + clipped) * len(same) / sum(same)))
    return math.fsum(terms)


def least_divergence_clip(generator):
    def case(centres, counts, clips, bits, words, view="plain", weight=1):
        numbers = (centres.tolist(), counts.tolist())
        found = [divergence(*numbers, clip, bits) for clip in clips.tolist()]
        if None in found:
            return None
        best = clips[int(np.argmin(found))]
        others = [d for d, clip in zip(found, clips, strict=True) if clip != best]
        if others and min(others) < min(found) + 1e-6:
            return None  # too near to each other to tell which is less
        arrays = (viewed(v, view) for v in (centres, counts, clips))
        return Case(
            (*arrays, bits),
            *digits_of(found, f"The divergences are wrong {words}.", 0, 0.1),
            exactly(best, f"The clip with the least divergence is wrong {words}.", 1),
            SAME,
            weight=weight,
        )

    def histogram(bits, scale=1.0):
        n = int(generator.integers(30, 60 + 12 * 2 ** min(bits, 5)))
        counts, edges = np.histogram(generator.exponential(size=4000) * scale, n)
        return (edges[:-1] + edges[1:]) / 2, counts, scale

    def sparse(bits):
        counts = generator.integers(1, 50, 120) * (generator.random(120) < 0.25)
        counts[int(generator.integers(3))] = 7
        return (np.arange(120) + 0.37) / 15, counts, 2.0

    def outlier(bits):
        centres = np.append(np.arange(1, 60) / 11, 300.0)
        return centres, np.append(generator.integers(1, 200, 59), 1), 1.5

    def large(bits):
        return np.arange(1, 61) / 10.7, generator.integers(0, 2**40, 60) + 1, 1.5

    kinds = {
        "for other histograms": histogram,
        "for very small values": lambda bits: histogram(bits, 1e-12),
        "for very large values": lambda bits: histogram(bits, 1e12),
        "where many bins are empty": sparse,
        "where one value lies far out": outlier,
        "where counts are large": large,
    }
    for i, (words, make) in enumerate(kinds.items()):
        left = 6
        for bits in itertools.cycle((4, 2, 1, 3, 5, 8, 6, 7)):
            centres, counts, scale = make(bits)
            clips = scale * generator.uniform(0.4, 5, int(generator.integers(2, 20)))
            found = case(centres, counts, clips, bits, words, VIEWS[(i + bits) % 3], 1 / 6)
            left -= found is not None
            if found is not None:
                yield found
            if not left:
                break
    for words, choose in {
        "where a clip is the centre of a bin": lambda c, k: generator.choice(c[5:], k),
        "where clips are beyond all values": lambda c, k: c[-1] * generator.uniform(1, 4, k),
        "where a clip stands twice in the list": lambda c, k: np.tile(
            generator.uniform(0.5, 5, k), 2
        ),
        "for a single clip": lambda c, k: generator.uniform(0.5, 5, 1),
    }.items():
        left = 4
        while left:
            bits = int(generator.integers(1, 5))
            centres, counts, _ = histogram(bits)
            clips = choose(centres, int(generator.integers(2, 7)))
            found = case(centres, counts, clips, bits, words, weight=1 / 4)
            left -= found is not None
            if found is not None:
                yield found
    yield case(np.array([1.3]), np.array([4]), np.array([2.1]), 2, "for a single bin")


# 4 ---------------------------------------------------------------------------------------------


def fixed(factor):
    """Multiplier and shift of a factor, by fractions."""
    exact, n = Fraction(factor), 0
    while exact * Fraction(2) ** n < 2**30:
        n += 1
    while exact * Fraction(2) ** n >= 2**31:
        n -= 1
    m = round(exact * Fraction(2) ** n)
    return (m, n) if m < 2**31 else (m // 2, n - 1)


def rounded_up(a, m, n):
    """The whole number next to a m / 2**n; of two that are as near, the larger one."""
    return math.floor(Fraction(a * m, 2**n) + Fraction(1, 2))


def halfway(factor):
    exact = Fraction(factor) * Fraction(2) ** fixed(factor)[1]
    return exact - math.floor(exact) == Fraction(1, 2)


def next_to_a_jump(generator, n):
    """A sum, and a factor of the shift n, whose product is next to a half of 2**n."""
    while True:
        m = 2 * int(generator.integers(2**29, 2**30)) + 1
        below = int(generator.integers(0, 1 + 2 ** max(0, n - 30)))
        a = (2 ** (n - 1) - below) * pow(m, -1, 2**n) % 2**n
        a -= 2**n * int(generator.integers(0, 2))
        if -(2**31) <= a < 2**31:
            return a, m / 2.0**n


def just_below_a_jump(generator, n, reach):
    """A sum, a multiplier of the shift n, and how far their product is below a half of 2**n.

    Whoever rounds twice takes it for the half. ``reach`` is how large the result may be.
    """
    while True:
        m = int(generator.integers(2**30, 2**31))
        jump = (2 * int(generator.integers(-reach, reach)) + 1) * 2 ** (n - 1)
        a = jump // m
        if 0 < abs(a) < 2**31 - 2**20:
            m = jump // a if a > 0 else -(-jump // a)  # the product is below, and near
            if 2**30 <= m < 2**31 and a * m < jump:
                return a, m, jump - a * m


def nearest_below_a_jump(generator, n, reach):
    """The nearest of many: a sum and its multiplier."""
    reach = min(reach, 2 ** (61 - n))
    many = [just_below_a_jump(generator, n, reach) for _ in range(60)]
    return min(many, key=lambda found: found[2])[:2]


def one_below_a_jump(generator, n):
    """A sum and a multiplier whose product is below a half of 2**n by a few units only."""
    # (v - f) (u + c f) is u v - c f**2 where u is c v.
    c, v = 2 - n % 2, 2 ** ((n - 1) // 2)
    odd = 1 + 2 * int(generator.integers(2 ** (30 - n // 2) // 2, 2 ** (31 - n // 2) // 2))
    f = int(generator.integers(1, 4))
    return odd * v - f, odd * c * v + c * f


def requantize(generator):
    def case(sums, factors, z, low, high, words, view="plain", weight=1):
        while any(map(halfway, factors.tolist())):
            factors = factors * 1.01
        pairs = [fixed(f) for f in factors.tolist()]
        codes = [
            [
                min(max(z + rounded_up(a, *pair), low), high)
                for a, pair in zip(row, pairs, strict=True)
            ]
            for row in sums.tolist()
        ]
        multipliers, shifts = zip(*pairs, strict=True)
        return Case(
            (viewed(sums, view), viewed(factors, view), z, low, high),
            integers(f"The multipliers must have a type of integers, also {words}.", part=0),
            exactly(multipliers, f"The multipliers are wrong {words}.", 0),
            exactly(shifts, f"The shifts are wrong {words}.", 1),
            integers(f"The codes must have a type of integers, also {words}.", part=2),
            exactly(codes, f"The codes are wrong {words}.", 2),
            SAME,
            weight=weight,
        )

    wide = 2**40 - 1
    for i in range(8):
        kind = (np.int32, np.int64)[i % 2]
        rows, columns = (int(v) for v in generator.integers(1, 9, 2))
        sums = generator.integers(-20000, 20001, (rows, columns)).astype(kind)
        factors = 10.0 ** generator.uniform(-4, -1.5, columns)
        z = int(generator.integers(0, 256))
        yield case(sums, factors, z, 0, 255, "for other sums", VIEWS[i % 3], 1 / 4)
        yield case(sums, factors, z, z, 255, "with a ReLU: low is the zero point", "plain", 1 / 4)
        factors = 2.0 ** generator.uniform(-31, 28.9, columns)
        words = "for factors from very small to very large"
        yield case(sums, factors, z, -wide, wide, words, VIEWS[i % 3], 1 / 4)
        sums = generator.integers(-(2**31), 2**31, (rows, columns)).astype(kind)
        factors = 2.0 ** generator.uniform(-31, 8, columns)
        words = "for sums as large as 32 bits hold"
        yield case(sums, factors, -z, -wide, wide, words, VIEWS[i % 3], 1 / 4)
    for i, (low, high) in enumerate(
        ((0, 15), (0, 65535), (0, 2**33), (-128, 127), (-(2**15), 0), (7, 7), (300, 900))
    ):
        rows, columns = (int(v) for v in generator.integers(2, 9, 2))
        sums = generator.integers(-(10**6), 10**6, (rows, columns))
        factors = 2.0 ** generator.uniform(-9, 14, columns)
        z = int(generator.choice([low, high, low - 40, high + 40]))
        words = "for other ends than 0 and 255"
        yield case(sums, factors, z, low, high, words, VIEWS[i % 3], 1 / 4)
    exponents = generator.permutation(np.arange(-31, 30))
    for part in np.array_split(exponents, 6):
        sums = generator.integers(-1000, 1000, (4, len(part)))
        words = "for factors that are powers of two"
        yield case(sums, 2.0**part, 3, -wide, wide, words, "plain", 1 / 3)
        words = "for factors just below powers of two"
        below = 2.0**part * (1 - 2.0 ** -generator.integers(30, 52))
        yield case(sums, np.maximum(below, 2.0**-31), 3, -wide, wide, words, "plain", 1 / 3)
    for i in range(6):
        # Halves, on both sides of 0.
        odd = 2 * generator.integers(-40, 40, (5, 4)) + 1
        factors = generator.choice([0.5, 1.5, 2.5, 0.25, 0.75], 4)
        words = "where results are half-way between whole numbers"
        yield case(odd.astype(np.int32), factors, i, -100, 300, words, VIEWS[i % 3], 1 / 2)
        # The same for factors down to 2**-30.
        far = generator.integers(5 * i, 5 * i + 5, 4)
        odd = 2 * generator.integers(-9, 9, (4, 4)) + 1
        odd[0] = -1, -3, 1, 3
        least = 3 if i == 5 else 9
        sums = np.clip(odd, -least, least) * 2**far
        factors = generator.choice([0.5, 1.5], 4) / 2.0**far
        words = "where results are half-way between whole numbers, also for small factors"
        yield case(sums, factors, i, -100, 300, words, VIEWS[i % 3], 1 / 2)
        # Products that are next to a jump: one less than it, or on it.
        rows, factors = [], []
        while len(rows) < 4:
            a = int(generator.integers(2**28, 2**30)) * 2 + 1
            a = a if generator.random() < 0.5 else -a
            m = pow(a, -1, 2**31) * (2**30 - int(generator.integers(0, 2))) % 2**31
            if m >= 2**30:
                rows.append(a)
                factors.append(m / 2**31)
        words = "where products of 60 bits are next to a jump"
        yield case(np.array([rows], np.int32), np.array(factors), 0, -wide, wide, words)
    for n in (2, 4, 5):
        sums = generator.integers(-20000, 20001, (n, n))
        words = "for as many rows as columns"
        yield case(sums, 10.0 ** generator.uniform(-4, -1.5, n), 9, 0, 255, words, "plain", 1 / 3)
    least = -(2**31)
    ends = np.array([[least], [least + 1], [0], [-1], [1], [2**31 - 2], [2**31 - 1]])
    for power in (-31, -20, -3, 8):
        words = "for the least and the largest sums of 32 bits"
        factors = 2.0**power * generator.uniform(1, 1.9, 3)
        yield case(np.repeat(ends, 3, axis=1), factors, 3, -wide, wide, words, "plain", 1 / 4)
    for part in np.array_split(np.arange(22, 40), 6):
        # One less than a jump, or on it, or a little farther off, for many shifts.
        row, factors = zip(*(next_to_a_jump(generator, int(n)) for n in part), strict=True)
        words = "where results are next to a jump, for many shifts"
        yield case(np.array([row]), np.array(factors), 0, -wide, wide, words, weight=1 / 3)
    for part in np.array_split(np.arange(31, 62), 6):
        words = "where products lie just below a jump, for all shifts"
        pairs = [one_below_a_jump(generator, n) for n in part.tolist()]
        pairs += [nearest_below_a_jump(generator, n, 1000) for n in part.tolist() * 2]
        row, m = np.array(pairs).T
        factors = m / 2.0 ** np.tile(part, 3)
        yield case(row[None], factors, 0, -wide, wide, words, weight=1 / 3)
    sums = generator.integers(-3000, 3000, (40, 3)).astype(np.int32)
    factors = generator.uniform(0.01, 0.2, 3)
    words = "when the same sums come again, with other arguments"
    for z, low, high in ((10, 0, 255), (200, 0, 255), (10, 10, 200), (-5, -128, 127)):
        yield case(sums, factors, z, low, high, words, weight=1 / 4)
    yield case(sums, 3 * factors, 10, 0, 255, words, weight=1 / 4)
    for i in range(24):
        rows, columns = (int(v) for v in generator.integers(1, 6, 2))
        sums = generator.integers(-(2**31), 2**31, (rows, columns))
        sums >>= generator.integers(0, 32, (rows, columns))
        factors = 2.0 ** generator.uniform(-31, 29, columns)
        low, high = sorted(generator.integers(-(2**39), 2**39, 2) >> generator.integers(0, 39))
        z = int(generator.integers(-(2**39), 2**39) >> generator.integers(0, 39))
        words = "for sums, factors and ends of all kinds"
        yield case(sums, factors, z, int(low), int(high), words, VIEWS[i % 3], 1 / 8)


# 5 ---------------------------------------------------------------------------------------------


def layer_in_whole_numbers(x, zx, w, zw, bias, ms, ns, zy, padding, relu):
    """Codes, place by place, in Python's whole numbers; and whether all sums fit into 32 bits."""
    (n, c, h, width), (outputs, _, k, l_) = x.shape, w.shape
    images, weights = x.tolist(), w.tolist()
    h_out, w_out = h + 2 * padding - k + 1, width + 2 * padding - l_ + 1
    codes = np.zeros((n, outputs, h_out, w_out), np.uint8)
    fits = True
    for image, o, i, j in itertools.product(range(n), range(outputs), range(h_out), range(w_out)):
        total = int(bias[o])
        for ch, a, b in itertools.product(range(c), range(k), range(l_)):
            row, column = i + a - padding, j + b - padding
            if 0 <= row < h and 0 <= column < width:
                pixel = images[image][ch][row][column] - zx
                total += pixel * (weights[o][ch][a][b] - zw)
        fits = fits and abs(total) < 2**31
        code = zy + rounded_up(total, int(ms[o]), int(ns[o]))
        codes[image, o, i, j] = min(max(code, zy if relu else 0), 255)
    return codes, fits


def integer_convolution(generator):
    def draw(sizes, kernel, outputs, zx=None, zw=None, zy=None, padding=0, relu=False, big=False):
        x = generator.integers(0, 256, sizes).astype(np.uint8)
        w = generator.integers(-128, 128, (outputs, sizes[1], *kernel)).astype(np.int8)
        zx, zy = (int(generator.integers(1, 256)) if z is None else z for z in (zx, zy))
        zw = int(generator.integers(-100, 100)) if zw is None else zw
        # The results have a deviation of some 60 codes.
        terms = sizes[1] * kernel[0] * kernel[1]
        bias = generator.integers(-20000, 20000, outputs) * (10000 if big else 1)
        reach = float(np.abs(bias).max()) + 1e4 * math.sqrt(terms)
        pairs = [fixed(float(f)) for f in generator.uniform(30, 120, outputs) / reach]
        ms, ns = (np.array(v, np.int32) for v in zip(*pairs, strict=True))
        return x, zx, w, zw, bias.astype(np.int32), ms, ns, zy, padding, relu

    def halves(sizes, outputs, padding):
        x = generator.integers(0, 9, sizes).astype(np.uint8)
        w = generator.integers(-4, 5, (outputs, sizes[1], 2, 2)).astype(np.int8)
        bias = generator.integers(-5, 6, outputs).astype(np.int32)
        ms = np.full(outputs, 2**30, np.int32)
        ns = generator.integers(31, 33, outputs).astype(np.int32)
        return x, 4, w, 1, bias, ms, ns, 128, padding, False

    def case(given, words, i, weight=1):
        codes, fits = layer_in_whole_numbers(*given)
        if not fits:
            raise AssertionError("sums must fit into 32 bits")
        x, zx, w, zw, *arrays, zy, padding, relu = given
        arrays = (viewed(v, VIEWS[(i + 2) % 3]) for v in arrays)
        return Case(
            (
                *(viewed(x, VIEWS[i % 3]), zx, viewed(w, VIEWS[(i + 1) % 3]), zw),
                *(*arrays, zy, padding, relu),
            ),
            shape(codes.shape, f"The result has another shape than the docstring says {words}."),
            exactly(codes, f"The codes are wrong {words}."),
            dtype("uint8", f"The codes must be uint8, also {words}."),
            SAME,
            weight=weight,
        )

    small = (2, 2, 5, 4)
    plans = {
        "for other codes": {},
        "for symmetric weights, whose zero point is 0": {"zw": 0},
        "where the zero point of the images is 0": {"zx": 0},
        "where the zero point of the images is 255": {"zx": 255, "padding": 1},
        "where the zero point of the weights is -128": {"zw": -128},
        "where the zero point of the weights is 127": {"zw": 127},
        "with padding": {"padding": 1},
        "with a wide padding": {"padding": 3},
        "with ReLU": {"relu": True},
        "with padding and ReLU": {"padding": 2, "relu": True},
        "with ReLU, where the zero point of the result is 0": {"relu": True, "zy": 0},
        "where the zero point of the result is 255": {"zy": 255},
        "where the bias is large": {"big": True, "padding": 1},
    }
    count = 0
    for words, options in plans.items():
        for kernel in ((3, 3), (2, 3), (1, 1), (3, 1)):
            given = draw(small, kernel, int(generator.integers(1, 4)), **options)
            yield case(given, words, count, 1 / 4)
            count += 1
    for i in range(3):
        given = halves((2, 2, 4, 3), 2, i % 2)
        yield case(given, "where results are half-way between whole numbers", i, 1 / 3)
    for i, n in enumerate((1, 2, 12, 29, 31, 33, 48, 59, 61)):
        x, zx, w, zw, bias, ms, _, *rest = halves((2, 2, 4, 3), 3, i % 2)
        ms = generator.integers(2**30, 2**31, 3).astype(np.int32)
        bias = bias * np.int32(2 ** max(0, min(n - 30, 25)))
        given = x, zx, w, zw, bias, ms, np.array([n, max(n - 1, 1), n], np.int32), *rest
        yield case(given, "for shifts from 1 to 61", i, 1 / 3)
    for i in range(3):
        given = draw((3, 3, 3, 3), (3, 3), 3, padding=1)
        yield case(given, "where all sizes are the same", i, 1 / 3)
    for sizes, kernel, outputs in (((1, 1, 1, 1), (1, 1), 1), ((3, 1, 2, 6), (2, 4), 2)):
        yield case(draw(sizes, kernel, outputs), "for other sizes", count)
        count += 1
    for i in range(3):
        given = draw((1, 3, 3, 3), (5, 4), 3, padding=2)
        yield case(given, "for a kernel that is larger than the image", i, 1 / 3)
    given = draw((2, 3, 4, 4), (3, 3), 3, zx=7, zw=-3, zy=40, padding=1)
    words = "when the same images come again, with another argument"
    for place, value in ((1, 8), (3, 0), (7, 90), (8, 0), (9, True)):
        yield case((*given[:place], value, *given[place + 1 :]), words, 0, 1 / 5)
    yield case(draw((1, 8, 6, 6), (3, 3), 8, padding=1, relu=True), "for many channels", 1)
    for i in range(24):
        # Sizes as they come, and zero points at their ends as often as between them.
        padding, ends = i % 4, (0, 255, None)
        n, c, k, l_, outputs = generator.integers(1, (4, 4, 6, 6, 5)).tolist()
        h, width = (max(1, v - 2 * padding) + int(generator.integers(0, 3)) for v in (k, l_))
        zx, zy = (ends[v] for v in generator.integers(0, 3, 2))
        given = draw((n, c, h, width), (k, l_), outputs, zx, None, zy, padding, bool(i // 4 % 2))
        yield case(given, "for sizes and zero points of all kinds", i, 1 / 8)
    for i, part in enumerate(np.array_split(generator.permutation(np.arange(31, 62)), 6)):
        # One kernel element; for one of the pixels the biases make the sums that are wanted.
        pairs = [nearest_below_a_jump(generator, n, 100) for n in part.tolist()]
        pairs += [one_below_a_jump(generator, n) for n in part.tolist() if n >= 54]
        pairs = np.array(pairs)
        ns = np.append(part, part[part >= 54]).astype(np.int32)
        x = generator.integers(0, 256, (1, 2, 2, 3)).astype(np.uint8)
        w = generator.integers(-128, 128, (len(ns), 2, 1, 1)).astype(np.int8)
        there = (w[:, :, 0, 0].astype(int) - 3) @ (x[0, :, 1, i % 3].astype(int) - 90)
        bias, ms = (pairs[:, 0] - there).astype(np.int32), pairs[:, 1].astype(np.int32)
        words = "where products lie just below a jump, for all shifts"
        yield case((x, 90, w, 3, bias, ms, ns, 128, 0, False), words, i, 1 / 3)


# 6 ---------------------------------------------------------------------------------------------


def equal_ranges(first, own, second):
    """Factors and both layers, channel by channel."""
    n = len(first)
    deep = second.shape[1] != n
    factors = []
    for i in range(n):
        r1 = max(abs(v) for v in first[i].ravel().tolist())
        r2 = max(abs(v) for v in (second[i] if deep else second[:, i]).ravel().tolist())
        factors.append(math.sqrt(r1) / math.sqrt(r2) if r1 > 0 and r2 > 0 else 1.0)
    made, bias, taken = first.copy(), own.copy(), second.copy()
    for i, s in enumerate(factors):
        made[i] /= s
        bias[i] /= s
        where = (i,) if deep else (slice(None), i)
        taken[where] *= s
    return factors, made, bias, taken


def equalize(generator):
    def case(first, own, second, words, i, weight=1):
        factors, made, bias, taken = equal_ranges(first, own, second)
        own = viewed(own, VIEWS[i % 2 * 2])
        given = (viewed(first, VIEWS[i % 3]), own, viewed(second, VIEWS[(i // 3) % 3]))
        return Case(
            given,
            *digits_of(factors, f"The factors are wrong {words}.", 0),
            *digits_of(made, f"The weights of the first layer are wrong {words}.", 1),
            *digits_of(bias, f"The bias of the first layer is wrong {words}.", 2),
            *digits_of(taken, f"The weights of the second layer are wrong {words}.", 3),
            SAME,
            weight=weight,
        )

    pairs = {
        "for two linear layers": ((4, 3), (5, 4)),
        "for two linear layers of the same size": ((4, 4), (4, 4)),
        "for two convolutions": ((3, 2, 3, 3), (4, 3, 2, 2)),
        "for two convolutions of the same size": ((3, 3, 2, 2), (3, 3, 2, 2)),
        "before a depthwise layer": ((5, 2, 3, 3), (5, 1, 3, 3)),
        "before a depthwise layer, where the kernel has one row": ((4, 2, 1, 1), (4, 1, 1, 3)),
        "behind a depthwise layer": ((5, 1, 3, 3), (2, 5, 1, 1)),
        "behind a depthwise layer, with as many outputs": ((4, 1, 3, 3), (4, 4, 1, 1)),
        "between two depthwise layers": ((4, 1, 3, 3), (4, 1, 2, 2)),
        "for a single channel": ((1, 3, 2, 2), (4, 1, 3, 3)),
        "for a single channel and one output": ((1, 5), (1, 1)),
        "for a first layer of three axes": ((3, 2, 4), (2, 3)),
    }
    count = 0
    for words, (one, two) in pairs.items():
        for decades in (0.0, 3.0, 20.0, 50.0):
            first, own = generator.normal(size=one), generator.normal(size=one[0])
            second = generator.normal(size=two)
            s = 10.0 ** (decades * generator.uniform(-0.5, 0.5, one[0]))
            first *= s.reshape(-1, *[1] * (len(one) - 1))
            own *= s
            if decades > 20:
                axis = 0 if two[1] == 1 < one[0] else 1
                second /= s.reshape([-1 if i == axis else 1 for i in range(len(two))])
            yield case(first, own, second, words, count, 1 / 4)
            count += 1
    for i, (one, two) in enumerate(pairs.values()):
        first, own = generator.normal(size=one), generator.normal(size=one[0])
        second = generator.normal(size=two)
        which = int(generator.integers(one[0]))
        if i % 3 != 1:
            first[which] = 0
        if i % 3 != 0:
            deep = two[1] == 1 and one[0] > 1
            second[(which,) if deep else (slice(None), which)] = 0
        yield case(first, own, second, "where a channel's range is 0", count, 1 / 2)
        count += 1
    for i in range(22):
        one, two = list(pairs.values())[i % len(pairs)]
        first, own = generator.normal(size=one), generator.normal(size=one[0])
        second = generator.normal(size=two) * 10.0 ** generator.uniform(-9, 9)
        own *= generator.integers(0, 2, own.shape)
        first *= generator.integers(0, 2, first.shape)
        second *= generator.integers(0, 2, second.shape)
        yield case(first, own, second, "where some weights and biases are 0", i, 1 / 8)
    first, own = -generator.uniform(0.1, 9, (4, 3)), -generator.uniform(0.1, 9, 4)
    second = -generator.uniform(0.1, 9, (2, 4))
    yield case(first, own, second, "where all weights are negative", 0)


# 7 ---------------------------------------------------------------------------------------------


def corrected(bias, wanted, found):
    """The bias of each channel, and the size of the numbers it is made of."""
    channels = wanted[0].shape[1]
    result, size = [], 0.0
    for o in range(channels):
        y, z = ([v for batch in b for v in batch[:, o].ravel().tolist()] for b in (wanted, found))
        own = 0.0 if bias is None else float(bias[o])
        result.append(math.fsum([own, math.fsum(y) / len(y), -math.fsum(z) / len(z)]))
        size = max(size, abs(own), *map(abs, y))
    return result, size


def correct_bias(generator):
    def case(
        words,
        batches,
        rest,
        bias=True,
        kind=generator.normal,
        moved=0.3,
        i=0,
        weight=1,
        finer=1.0,
    ):
        channels = rest[0]
        own = generator.normal(size=channels) * bias if bias is not False else None
        wanted = [kind(size=(n, *rest)) for n in batches]
        shift = moved * generator.normal(size=(channels, *[1] * (len(rest) - 1)))
        found = [y + shift * (1 + generator.random(y.shape)) for y in wanted]
        right, size = corrected(own, wanted, found)
        units = np.exp(generator.uniform(-4, 0, channels)) * moved / 5 / finer
        while (np.abs(np.mod(np.array(right) / units, 1) - 0.5) < 1e-3).any():
            units = units * 1.013
        codes = [round(b / u) for b, u in zip(right, units.tolist(), strict=True)]
        view = VIEWS[i % 3]
        return Case(
            (
                own if own is None else viewed(own, view),
                viewed(units, view),
                [viewed(y, view) for y in wanted],
                [viewed(y, view) for y in found],
            ),
            *digits_of(right, f"The bias is wrong {words}.", 0, size),
            integers(f"The codes must have a type of integers, also {words}.", part=1),
            exactly(codes, f"The codes of the bias are wrong {words}.", 1),
            SAME,
            weight=weight,
        )

    sizes = {
        "for other results": ((2, 3), (3, 2, 2)),
        "for a single batch": ((5,), (2, 3, 2)),
        "for batches of very different sizes": ((40, 1), (2, 2, 2)),
        "for many batches": ((1, 2, 3, 4, 5, 6, 1), (3, 2, 1)),
        "for images that are wider than high": ((3, 2), (2, 1, 4)),
        "for as many images as channels": ((4, 4), (4, 4, 4)),
        "for a linear layer": ((3, 5, 2), (4,)),
        "for a linear layer with as many images as outputs": ((3, 3), (3,)),
        "for a single channel": ((2, 1), (1, 3, 3)),
        "for a single image": ((1,), (3, 2, 2)),
    }
    for i, (words, (batches, rest)) in enumerate(sizes.items()):
        for j, bias in enumerate((True, False, True)):
            yield case(words, batches, rest, bias, i=i + j, weight=1 / 3)
    for i in range(3):
        words = "where results are far from 0"
        kind = lambda size: generator.normal(size=size) + 100  # noqa: E731
        yield case(words, (3, 1, 4), (3, 2, 2), kind=kind, i=i, weight=1 / 3)
        words = "where results have moved very little"
        yield case(words, (3, 1, 4), (3, 2, 2), moved=1e-3, i=i, weight=1 / 3)
        words = "where the bias is 0 in some channels"
        some = _some(generator, 4)
        yield case(words, (3, 1, 4), (4, 2, 2), some, i=i, weight=1 / 3)
        words = "where codes have eight digits and more"
        yield case(words, (3, 1, 4), (5, 2, 2), i=i, weight=1 / 3, finer=1e6)
        words = "where results have moved far"
        yield case(words, (3, 1, 4), (3, 2, 2), moved=50.0, i=i, weight=1 / 3)
    for i in range(12):
        # Sizes as they come, with a bias of zeros here and there.
        batches = generator.integers(1, 5, int(generator.integers(1, 6))).tolist()
        rest = generator.integers(1, 5, (1, 3)[i % 2]).tolist()
        some = generator.integers(0, 2, rest[0])
        yield case("for sizes of all kinds", batches, rest, some, i=i, weight=1 / 6)


# 8 ---------------------------------------------------------------------------------------------


def entries_off(result):
    """How many entries are not what the table of the text says."""
    sizes = {
        "stem": (16, 1, 3, 3),
        "depthwise": (16, 1, 3, 3),
        "pointwise": (16, 16, 1, 1),
        "output": (10, 256),
    }
    bad = 0
    for layer_name, size in sizes.items():
        row = size[:1]
        table = (
            ("weight", size, -128, 127),
            ("bias", row, -(2**31), 2**31 - 1),
            ("multiplier", row, 2**30, 2**31 - 1),
            ("shift", row, 1, 62),
            ("zero_point", (), 0, 255),
        )
        for key, wanted, least, most in table:
            v = np.asarray(result[layer_name][key])
            good = v.dtype.kind in "iu" and v.shape == wanted
            bad += not (good and bool(np.all((v >= least) & (v <= most))))
    return bad


def bytes_taken(result):
    """What the weights take in as many bits as the largest needs, and 9 for each channel."""
    taken = 0
    for layer in result.values():
        codes = np.asarray(layer["weight"]).ravel().tolist()
        b = 1
        while not all(-(2 ** (b - 1)) <= c < 2 ** (b - 1) for c in codes):
            b += 1
        taken += (len(codes) * b + 7) // 8 + 9 * len(np.asarray(layer["weight"]))
    return taken


def share_read(result, images, labels):
    """How many of the images are read right, of all; images are codes, N x 8 x 8."""

    def codes_of(sums, layer, low):
        m, n = (np.asarray(layer[key]).astype(np.int64) for key in ("multiplier", "shift"))
        rounded = (sums * m + np.left_shift(np.int64(1), n - 1)) >> n
        return np.clip(rounded + int(layer["zero_point"]), low, 255)

    # Channels last: N x H x W x C.
    x, before = images.astype(np.int64)[..., None], 0
    for layer_name in ("stem", "depthwise", "pointwise"):
        layer = result[layer_name]
        w = np.array(layer["weight"], dtype=np.int64)
        side, half = w.shape[2], w.shape[2] // 2
        stride = 2 if layer_name == "depthwise" else 1
        padded = np.pad(x - before, ((0, 0), (half, half), (half, half), (0, 0)))
        places = np.arange(0, x.shape[1], stride)
        sums = np.zeros((len(x), len(places), len(places), len(w)), np.int64)
        sums += np.asarray(layer["bias"]).astype(np.int64)
        for row in range(side):
            for column in range(side):
                seen = padded[:, places + row][:, :, places + column]
                taps = w[:, :, row, column]
                sums += seen * taps[:, 0] if layer_name == "depthwise" else seen @ taps.T
        before = int(layer["zero_point"])
        x = codes_of(sums, layer, before)
    layer = result["output"]
    flat = np.moveaxis(x - before, 3, 1).reshape(len(x), -1)
    sums = flat @ np.asarray(layer["weight"]).astype(np.int64).T
    scores = codes_of(sums + np.asarray(layer["bias"]).astype(np.int64), layer, 0)
    return np.mean(scores.argmax(1) == labels)


def depthwise_network(generator, labels, images, places):
    """A network {name: (weight, bias)} with ranges far apart at some places, and what it reads.

    Place 0 is behind the first layer.
    """
    made = {}
    plan = {"stem": ((16, 1, 3, 3), {"padding": 1}), "depthwise": ((16, 1, 3, 3), {"padding": 1})}
    plan["depthwise"][1].update(stride=2, groups=16)
    plan["pointwise"] = (16, 16, 1, 1), {}
    rows = [torch.tensor(part, dtype=torch.float64) for part in images]
    for layer_name, (size, options) in plan.items():
        weight = torch.tensor(generator.normal(size=size))
        results = functional.conv2d(rows[0], weight, **options)
        std, mean = torch.std_mean(results, (0, 2, 3), correction=0)
        weight /= std.reshape(-1, 1, 1, 1)
        bias = torch.tensor(generator.uniform(-0.5, 0.5, 16)) - mean / std
        rows = [functional.conv2d(x, weight, bias, **options).relu() for x in rows]
        made[layer_name] = [weight.numpy(), bias.numpy()]
    learnt, tested = (np.hstack([r.flatten(1).numpy(), np.ones((len(r), 1))]) for r in rows)
    ridge = math.sqrt(0.01 * len(learnt)) * np.eye(learnt.shape[1])
    targets = np.vstack([labels[0][:, None] == np.arange(10), np.zeros((len(ridge), 10))])
    solution = np.linalg.lstsq(np.vstack([learnt, ridge]), targets, rcond=None)[0]
    share = np.mean((tested @ solution).argmax(1) == labels[1])
    made["output"] = [solution[:-1].T.copy(), solution[-1].copy()]
    names = list(made)
    for place in places:
        one, two = names[place], names[place + 1]
        far = 10.0 ** (4 * generator.random(16) - 2)
        made[one] = [made[one][0] * far[:, None, None, None], made[one][1] * far]
        size = {"depthwise": (16, 1, 1, 1), "pointwise": (1, 16, 1, 1), "output": (1, 16, 1)}[two]
        taken = made[two][0].reshape(10, 16, 16) if two == "output" else made[two][0]
        made[two][0] = (taken / far.reshape(size)).reshape(made[two][0].shape)
    return {layer_name: tuple(pair) for layer_name, pair in made.items()}, float(share)


def rescue(generator):
    digits = data.load("digits")
    images = digits.train_images, digits.test_images
    codes = np.rint(255.0 * digits.test_images[:, 0]).astype(np.uint8)
    one = int(generator.integers(2))
    plans = {
        "": ((0, 1), (0, 1)),
        " where ranges are far apart behind one layer": ((one,), (2,)),
        " where ranges are far apart behind other layers": ((1 - one, 2), (0, 1, 2)),
        " where no ranges are far apart": ((),),
    }
    for i, (where, places) in enumerate((w, p) for w, many in plans.items() for p in many):
        named = generator.permutation(10)  # what the digits are called this time
        labels = named[digits.train_labels], named[digits.test_labels]
        network, share = depthwise_network(generator, labels, images, places)
        budget = int(generator.integers(2470, 2601)) if i else 2470
        chosen = np.sort(generator.permutation(len(images[0]))[:200])
        yield Case(
            (network, images[0][chosen], budget),
            keys(
                list(network),
                "The result must have the names of the four layers, for other networks, too.",
            ),
            recomputed(
                entries_off,
                0,
                0,
                "An entry is missing, has another shape than the table says, "
                "or holds other numbers than it may, for another network.",
            ),
            recomputed(
                bytes_taken,
                0,
                budget,
                "Another network takes more bytes than its budget has: budget is an argument.",
            ),
            recomputed(
                share_read,
                share - 0.03,
                1,
                f"Too few test images are read right by another network of the same kind{where}.",
                given=(codes, labels[1]),
            ),
            SAME,
            weight=1 + i / 8,
        )
