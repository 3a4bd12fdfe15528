"""Hidden checks of exercise 8: other inputs, and what must come back for them.

For each graded function a generator of its name yields cases. Inputs are drawn from the course's
seed. Reference results come from other sources than quantlib: exact fractions, Python's whole
numbers, Gauss-Legendre's rule piece by piece, a search for the zero of the error's derivative,
torch's autograd. Inputs keep away from places where two right ways of computing differ; what lies
exactly on such a place does so for every way of computing it.
"""

import functools
import itertools
import math
from fractions import Fraction

import numpy as np
import torch

from quantgrader.cases import (
    VIEWS,
    Build,
    Case,
    drawn,
    dtype,
    equals,
    keys,
    number,
    recomputed,
    shape,
    unchanged,
    viewed,
    within,
)
from quantlib import data

UNCHANGED = unchanged("The inputs were changed in place. Work on new arrays.")


def nine_digits(expected, message, part=None, atol=0.0, rtol=1e-9):
    """Requirements: the first digits are right, and then nine of them."""
    more = f"{message} Only a few digits are right: compute in float64, and round nothing."
    return (
        equals(expected, message, part=part, rtol=1e5 * rtol, atol=1e5 * atol),
        equals(expected, more, part=part, rtol=rtol, atol=atol),
    )


# 1 ---------------------------------------------------------------------------------------------


def grid_of(q2, n):
    """Levels from 0 on and thresholds, in fractions."""
    levels = [Fraction(0), *(Fraction(q2) * 2**k for k in range(n - 1))]
    return levels, [(a + b) / 2 for a, b in itertools.pairwise(levels)]


def on_the_grid(x, q2, n):
    """Values and slopes, number by number."""
    levels, thresholds = grid_of(q2, n)
    values, slopes = [], []
    for v in x.ravel().tolist():
        m = abs(Fraction(v))
        level = levels[sum(t < m for t in thresholds)]
        values.append(float(-level if v < 0 else level))
        beyond = max(m - thresholds[-1], 0)
        slopes.append(float(1 / (1 + beyond)) if m > thresholds[0] else 0.0)
    return np.reshape(values, x.shape), np.reshape(slopes, x.shape)


def off_the_thresholds(x, q2, n, generator):
    """``x``, or a changed one, where rounding decides nothing.

    No number is next to a threshold, or so little beyond the last one, which is large and has been
    rounded, that the digits of the slope are lost.
    """
    x = x.copy()
    thresholds = np.array([float(t) for t in grid_of(q2, n)[1]])
    while True:
        m = np.abs(x)[..., None]
        near = (np.abs(m - thresholds) <= 1e-9 * thresholds).any(axis=-1)
        beyond = m[..., 0] - thresholds[-1]
        lost = (beyond > 0) & (thresholds[-1] > 2e5 * (1 + beyond))
        if not (near | lost).any():
            return x
        x[near | lost] *= generator.uniform(1.01, 1.3, int((near | lost).sum()))


def grid_activation(generator):
    def case(x, q2, n, says, view="plain", weight=1):
        values, slopes = on_the_grid(x, q2, n)
        return Case(
            (viewed(x, view), q2, n),
            shape(x.shape, says("The shape of the values must be that of x, also"), part=0),
            *nine_digits(values, says("The values are wrong"), 0),
            *nine_digits(slopes, says("The slope is wrong"), 1),
            UNCHANGED,
            weight=weight,
        )

    def words(text):
        return lambda t: f"{t} {text}."

    # All thresholds, exactly: q2 has so few digits that every way of computing gives them.
    for i, n in enumerate((2, 3, 4, 5, 7, 12, 20)):
        q2 = float(generator.choice([0.25, 3.0, 0.5, 1.0, 0.625, 2.0**-20, 96.0]))
        levels, thresholds = ([float(v) for v in row] for row in grid_of(q2, n))
        edges = np.array([*thresholds, *(-t for t in thresholds)])
        x = generator.permutation(edges)
        yield case(x, q2, n, words("on the thresholds"), VIEWS[i % 3])
        side = np.stack([edges * (1 - 1e-7), edges * (1 + 1e-7)])
        yield case(side, q2, n, words("next to the thresholds"), VIEWS[i % 3])
        both = np.array([*levels, *(-v for v in levels[1:])])
        yield case(generator.permutation(both), q2, n, words("on the levels"), weight=1 / 2)
    for i, n in enumerate((2, 2, 3, 4, 6, 9)):
        q2 = float(generator.uniform(0.05, 1.5))
        last = 0.75 * q2 * 2 ** (n - 2) if n > 2 else q2 / 2
        x = last + np.append(generator.uniform(0, 3, 20), 10.0 ** generator.uniform(-6, 9, 20))
        x = off_the_thresholds(x * generator.choice([-1, 1], 40), q2, n, generator)
        yield case(x, q2, n, words("beyond the last threshold"), VIEWS[i % 3])
    for n in (2, 3, 5, 8, 13, 20):
        q2 = 10.0 ** generator.uniform(-29, -8)
        x = q2 * 2.0 ** generator.uniform(-3, n, (4, 6)) * generator.choice([-1, 1], (4, 6))
        x = off_the_thresholds(x, q2, n, generator)
        yield case(x, q2, n, words("where all levels are very small"), "transposed", 1 / 2)
        q2 = 10.0 ** generator.uniform(12, 23)
        x = q2 * 2.0 ** generator.uniform(-3, n + 3, (4, 6)) * generator.choice([-1, 1], (4, 6))
        x = off_the_thresholds(x, q2, n, generator)
        yield case(x, q2, n, words("where all levels are very large"), "flipped", 1 / 2)
    for i, n in enumerate((2, 3, 5, 11, 20)):
        # The distance of two floats that are so large is no small number: levels are all alike.
        q2 = float(generator.uniform(0.05, 1.5)) * (1.0, 1e-29)[i % 2]
        x = 10.0 ** generator.uniform(23, 30, 12) * generator.choice([-1, 1], 12)
        yield case(x, q2, n, words("much larger than all levels"), VIEWS[i % 3])
        # Thresholds so large that 1 is lost beside them, and numbers that are the next ones.
        q2 = float(generator.choice([3, 5, 7])) * 2.0 ** (int(generator.integers(54, 75)) - n)
        last = float(grid_of(q2, n)[1][-1])
        x = last + generator.integers(1, 30, 12) * np.spacing(last)
        x = x * generator.choice([-1, 1], 12)
        yield case(x, q2, n, words("a little beyond a last threshold that is very large"))
    for i in range(4):
        # The same numbers again, on another grid of as many levels, and of the same first level.
        n, q2 = int(generator.integers(3, 8)), float(generator.uniform(0.1, 0.5))
        x = 3 * generator.normal(size=(3, 5))
        for first, count in ((q2, n), (1.7 * q2, n), (q2, n + 2), (q2, 2)):
            grid = (first, count, words("when the same numbers come again, on another grid"))
            x = off_the_thresholds(x, first, count, generator)
            yield case(x, *grid, VIEWS[i % 3], 1 / 4)
    for sizes, view in (((3000,), "flipped"), ((50, 60), "transposed")):
        x = off_the_thresholds(generator.normal(size=sizes), 0.13, 5, generator)
        yield case(x, 0.13, 5, words("for thousands of numbers"), view)
    for i, x in enumerate(drawn(generator, each=5, ndims=(0, 1, 2, 3, 4), most=4)):
        n = (4, 2, 6, 3, 12, 20, 5)[i % 7]
        size = float(np.abs(x.values).max()) or 1.0
        q2 = size * 2.0 ** -generator.uniform(0, n)
        yield case(off_the_thresholds(x.values, q2, n, generator), q2, n, x.says, x.view, x.weight)


# 2 ---------------------------------------------------------------------------------------------

NODES, WEIGHTS = np.polynomial.legendre.leggauss(60)


def by_gauss(f, a, b, parts=24):
    """The integral of a smooth function of arrays from a to b."""
    ends = np.linspace(a, b, parts + 1)
    half = np.diff(ends)[:, None] / 2
    x = (ends[:-1, None] + half) + half * NODES
    return math.fsum((half * WEIGHTS * f(x)).ravel().tolist())


def to_infinity(f, a, scale):
    """The integral of a function that falls as a power, or faster, from a on."""
    # Pieces that double, up to where nothing is left; finer ones where most of the mass may be.
    ends = [a + scale * (2.0**k - 1) for k in range(200)]
    pieces = enumerate(itertools.pairwise(ends))
    return math.fsum(by_gauss(f, c, d, 24 if k < 7 else 2) for k, (c, d) in pieces)


#: Words, SciPy's name, its parameters, the density anew, and its width.
DENSITIES = (
    ("of another normal density", "norm", lambda g: (0.0, g.uniform(0.4, 3))),
    ("of a normal density with another mean", "norm", lambda g: (1.5, g.uniform(0.4, 2))),
    ("of a normal density whose mean is below 0", "norm", lambda g: (-0.8, g.uniform(0.6, 2))),
    ("of a density with a peak", "laplace", lambda g: (0.0, g.uniform(0.3, 2))),
    ("of a density that is 0 below 0", "expon", lambda g: (0.0, g.uniform(0.4, 3))),
    ("of a density that falls slowly", "t", lambda g: (float(g.integers(4, 7)),)),
    ("of a density that falls slowly and is wide", "t", lambda g: (4.0, 0.0, g.uniform(1.2, 3))),
    ("of a density that falls very slowly", "t", lambda g: (g.uniform(2.5, 2.6),)),
    ("of a density that falls very slowly and is wide", "t", lambda g: (2.5, 1.0, g.uniform(1, 2))),
    ("of a narrow density far from 0", "norm", lambda g: (g.uniform(6, 8), g.uniform(0.3, 0.5))),
    ("of a narrow density at 0", "norm", lambda g: (0.0, g.uniform(0.3, 0.35))),
    ("of a logistic density far from 0", "logistic", lambda g: (8.0, g.uniform(0.3, 0.6))),
    ("of the logistic density", "logistic", lambda g: (g.uniform(-0.5, 1), g.uniform(0.3, 1))),
)  # fmt: skip


def density_of(name, parameters):
    """A density of arrays by its formula, with its centre and its width."""
    if name == "t":
        degrees, centre, width = (*parameters, 0.0, 1.0)[:3]
        front = math.gamma((degrees + 1) / 2) / math.gamma(degrees / 2)
        front /= math.sqrt(degrees * math.pi)
        return lambda x: (
            front / width * (1 + ((x - centre) / width) ** 2 / degrees) ** (-(degrees + 1) / 2)
        )
    centre, width = parameters
    formulas = {
        "norm": lambda z: np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi),
        "laplace": lambda z: np.exp(-np.abs(z)) / 2,
        "expon": lambda z: np.exp(-z),
        "logistic": lambda z: np.exp(-np.abs(z)) / (1 + np.exp(-np.abs(z))) ** 2,
    }
    return lambda x: formulas[name]((x - centre) / width) / width


def error_by_gauss(q2, n, density, scale):
    levels, thresholds = ([float(v) for v in row] for row in grid_of(q2, n))
    bounds = [0.0, *thresholds]
    pieces = [
        by_gauss(lambda x, q=q: density(x) * (q - x) ** 2, a, b)
        for q, (a, b) in zip(levels[:-1], itertools.pairwise(bounds), strict=True)
    ]
    last = levels[-1]
    return math.fsum(
        [*pieces, to_infinity(lambda x: density(x) * (last - x) ** 2, bounds[-1], scale)]
    )


def grid_error(generator):
    # A grid comes with several densities, and a density with several grids.
    grids = [
        (float(generator.uniform(0.05, 0.4) if n > 5 else generator.uniform(0.1, 3)), n)
        for n in (2, 3, 4, 5, 6, 8, 10)
    ]
    grids += [(3.0, 10), (0.05, 2), (0.05, 10), (3.0, 2)]
    for i, (words, name, draw) in enumerate(DENSITIES):
        for j in range(5):
            if j % 2 == 0:
                parameters = tuple(map(float, draw(generator)))
            q2, n = grids[(2 * i + 3 * j) % len(grids)]
            expected = error_by_gauss(q2, n, density_of(name, parameters), 2.0)
            message = f"The error is wrong for the grid {words}."
            yield Case(
                (q2, n, Build(f"scipy.stats.{name}", *parameters, attributes=["pdf"])),
                number(f"The error must be one number, also for the grid {words}."),
                equals(expected, message, rtol=1e-3, atol=0),
                equals(
                    expected,
                    f"{message} Only a few digits are right. Is each piece integrated by itself?",
                    rtol=1e-6,
                    atol=0,
                ),
                weight=1 / 4,
            )


# 3 ---------------------------------------------------------------------------------------------


def normal_density(x):
    return np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)


def cut(q2, n):
    """Levels, and bounds of the pieces up to 40, beyond which the normal density is 0."""
    levels = [0.0, *(q2 * 2.0**k for k in range(n - 1))]
    bounds = [0.0, *((a + b) / 2 for a, b in itertools.pairwise(levels)), math.inf]
    pieces = zip(levels, bounds[:-1], bounds[1:], strict=True)
    return [(q, a, min(b, 40.0)) for q, a, b in pieces if a < 40]


def normal_error(q2, n):
    """The error, by Gauss-Legendre's rule."""
    return math.fsum(
        by_gauss(lambda x, q=q: normal_density(x) * (q - x) ** 2, a, b, 1 + int(b - a))
        for q, a, b in cut(q2, n)
    )


def normal_slope(q2, n):
    """The derivative of the error by q2. At a threshold both levels leave the same error, so that
    its moving adds nothing."""
    return math.fsum(
        by_gauss(lambda x, q=q: normal_density(x) * 2 * (q - x) * q / q2, a, b, 1 + int(b - a))
        for q, a, b in cut(q2, n)
    )


@functools.cache
def best_grid(n):
    """The q2 of the deepest valley, and its error: the zeros of the derivative, all of them."""
    grid = 2.0 ** np.linspace(-9, 2, 133)
    slopes = [normal_slope(q2, n) for q2 in grid]
    valleys = []
    for i in range(len(grid) - 1):
        if slopes[i] < 0 <= slopes[i + 1]:
            low, high = grid[i], grid[i + 1]
            for _ in range(40):
                middle = (low + high) / 2
                low, high = (middle, high) if normal_slope(middle, n) < 0 else (low, middle)
            valleys.append((normal_error(low, n), float(low)))
    return min(valleys)[::-1]


def table_row(generator):
    def case(n, q2s, words, view="plain", weight=1):
        best, least = best_grid(n)
        errors = [normal_error(q2, n) for q2 in q2s.tolist()]
        return Case(
            (viewed(q2s, view), n),
            shape(q2s.shape, f"There must be one error for each q2, also {words}.", part=0),
            *nine_digits(errors, f"The errors are wrong {words}.", 0),
            number(f"The best q2 must be one number, also {words}.", part=1),
            equals(best, f"The best q2 is another one {words}.", part=1, rtol=1e-2, atol=0),
            equals(
                best,
                f"The best q2 has too few right digits {words}: four are asked for.",
                part=1,
                rtol=1e-4,
                atol=0,
            ),
            equals(least, f"The least error is wrong {words}.", part=2, rtol=1e-7, atol=0),
            UNCHANGED,
            weight=weight,
        )

    for n in range(2, 13):
        words = "for few levels" if n < 6 else "for many levels, where the error has many valleys"
        yield case(n, generator.uniform(0.05, 2, 5), words)
    for i, n in enumerate((2, 3, 5, 8, 12)):
        q2s = 10.0 ** generator.uniform(0.5, 3, 6)
        yield case(n, q2s, "for large q2, whose thresholds are far out", VIEWS[i % 3], 1 / 2)
        q2s = 10.0 ** generator.uniform(-3, -1, 6)
        yield case(n, q2s, "for small q2", "flipped", 1 / 2)
    q2s = generator.uniform(0.05, 2, 4)
    for n in (3, 4, 9):
        yield case(n, q2s, "when the same q2 come again, with other levels", weight=1 / 3)
    yield case(6, generator.uniform(0.01, 3, 1), "for one q2")
    yield case(4, np.sort(generator.uniform(0.01, 3, 200)), "for hundreds of q2", "flipped")
    yield case(9, np.array([1000.0, 0.001]), "at the ends of the range")


# 4 ---------------------------------------------------------------------------------------------


def resolved(number, draw):
    """A whole number as a state; a number between two states by a random number."""
    m = abs(number)
    if m & (m - 1):
        low = 1 << (m.bit_length() - 1)
        m = 2 * low if draw < 0.5 else low
    return m if number > 0 else -m


def states_of(w, p, draws):
    """States, weight by weight: Python rounds fractions half to even."""
    unit = Fraction(1, 2**-p)
    pairs = zip(w.ravel().tolist(), draws.ravel().tolist(), strict=True)
    found = [resolved(round(Fraction(v) / unit), d) for v, d in pairs]
    return np.array(found, np.int8).reshape(w.shape)


def any_draws(generator, sizes):
    """Random numbers, some of which are 0, 0.5, next to that, or next to 1."""
    special = [0.0, 0.5, np.nextafter(0.5, 0), np.nextafter(0.5, 1), np.nextafter(1.0, 0), 0.25]
    odd = generator.choice(special, sizes)
    return np.asarray(np.where(generator.random(sizes) < 0.4, odd, generator.random(sizes)))


def halves(generator, sizes, p):
    """Weights half-way between whole numbers of units, or next to that."""
    edges = (generator.integers(0, 2**-p, sizes) + 0.5) * 2.0**p
    side = generator.integers(-1, 2, sizes)
    return np.nextafter(edges, edges + side) * generator.choice([-1, 1], sizes)


#: Words, and how weights from -1 to 1 of a kind are drawn for an exponent.
WEIGHTS_OF = {
    "for other weights": lambda g, s, p: g.uniform(-1, 1, s),
    "where all weights are positive": lambda g, s, p: g.uniform(0, 1, s),
    "where all weights are negative": lambda g, s, p: -g.uniform(0, 1, s),
    "half-way between whole numbers of units": halves,
    "for whole numbers of units": lambda g, s, p: g.integers(-(2**-p), 2**-p + 1, s) * 2.0**p,
    "for weights of -1, 0 and 1": lambda g, s, p: g.integers(-1, 2, s) * 1.0,
    "for very small weights": lambda g, s, p: 10.0 ** g.uniform(-30, -3, s) * g.choice([-1, 1], s),
    "for weights near -1 and 1": lambda g, s, p: g.choice([-1, 1], s) * (1 - g.uniform(0, 0.2, s)),
    "where all weights are the same": lambda g, s, p: np.full(s, g.uniform(-1, 1)),
}
SIZES = ((), (9,), (3, 5), (2, 3, 4), (40,), (2, 2, 3, 3), (1,))


def to_states(generator):
    for i, (words, draw) in enumerate(WEIGHTS_OF.items()):
        for j, p in enumerate((0, -1, -2, -3, -4, -5, -6) * 2):
            sizes = SIZES[(i + j + j // 7) % 7]
            w = np.asarray(draw(generator, sizes, p), float)
            draws = any_draws(generator, sizes)
            yield Case(
                (viewed(w, VIEWS[(i + j) % 3]), p, viewed(draws, VIEWS[j % 3])),
                equals(states_of(w, p, draws), f"The states are wrong {words}.", rtol=0, atol=0),
                dtype("int8", f"The states must have the dtype int8, also {words}."),
                UNCHANGED,
                weight=1 / 7,
            )
    w, draws, others = generator.uniform(-1, 1, (3, 40))
    for p, odds in ((-3, draws), (-3, others), (-6, draws), (-4, draws)):
        odds = np.abs(odds)
        words = "when the same weights come again, with another p or other random numbers"
        yield Case(
            (w, p, odds),
            equals(states_of(w, p, odds), f"The states are wrong {words}.", rtol=0, atol=0),
            UNCHANGED,
            weight=1 / 4,
        )
    for p in (-2, -4, -6):
        w, draws = generator.uniform(-1, 1, (2, 3000))
        draws = np.abs(draws)
        yield Case(
            (w, p, draws),
            equals(states_of(w, p, draws), "The states are wrong for thousands of weights."),
            UNCHANGED,
        )


# 5 ---------------------------------------------------------------------------------------------


def chance_of(change, p, th):
    """(whole units with their sign, the gate's chance), the units exactly."""
    steps = Fraction(change) * 2**-p
    whole = math.trunc(steps)
    return whole, math.tanh(th * abs(float(steps - whole)))


def states_after(states, change, p, th, gates, odds):
    """States after a step, weight by weight, and how near a gate's number is to its chance."""
    found, margin, largest = [], math.inf, 2**-p
    flat = (a.ravel().tolist() for a in (states, change, gates, odds))
    for s, c, g, o in zip(*flat, strict=True):
        whole, chance = chance_of(c, p, th)
        if 0 < chance < 1 and g > 0:
            margin = min(margin, abs(g - chance) / chance)
        moved = s + whole + ((c > 0) - (c < 0)) * (g < chance)
        found.append(resolved(max(-largest, min(largest, moved)), o))
    return np.array(found, np.int8).reshape(states.shape), margin


def any_states(generator, sizes, p):
    powers = [2**k for k in range(1 - p)]
    return generator.choice([0, *powers, *(-s for s in powers)], sizes).astype(np.int8)


def signs(generator, sizes):
    return generator.choice([-1, 1], sizes)


#: Words, and how changes of a kind are drawn, in units of L.
CHANGES = {
    "for other changes": lambda g, s: g.normal(size=s) * 2,
    "for changes of less than one unit": lambda g, s: g.uniform(-1, 1, s),
    "for positive changes": lambda g, s: g.uniform(0, 4, s),
    "for negative changes": lambda g, s: -g.uniform(0, 4, s),
    "for changes by whole units": lambda g, s: g.integers(-5, 6, s) * 1.0,
    "for very small changes": lambda g, s: 10.0 ** g.uniform(-29, -6, s) * signs(g, s),
    "for very large changes": lambda g, s: 10.0 ** g.uniform(3, 28, s) * signs(g, s),
    "where most changes are 0": lambda g, s: g.normal(size=s) * (g.random(s) < 0.3),
    "for changes of some dozen units": lambda g, s: g.uniform(-70, 70, s),
    "for changes next to whole units": lambda g, s: (
        signs(g, s) * (g.integers(1, 4, s) + g.choice([-1, 1], s) * 1e-6)
    ),
}


def from_end_to_end(generator, sizes, p):
    """States at the ends, and changes of about the whole range: back, or to beyond their end."""
    states = np.asarray(2**-p * signs(generator, sizes), np.int8)
    reach = 2 * 2**-p + generator.choice([-2, -1, 0, 1, 2], sizes)
    parts = generator.choice([0, 0.3, 0.5, 0.8], sizes)
    towards = np.where(generator.random(sizes) < 0.9, -np.sign(states), np.sign(states))
    return states, np.asarray(towards * (reach + parts) * 2.0**p)


STEEPNESS = (0.5, 1.0, 0.1, 3.0, 0.02, 20.0)


def far_beyond(generator, p):
    """Changes of either sign that are more units than 32, 53 or 64 bits hold."""
    units = 2.0 ** (np.array([31, 32, 53, 62, 63, 64, 65, 90]) + generator.uniform(0.1, 0.9, 8))
    return np.append(units, -units) * 2.0**p


def nearly_1(th, gap, p):
    """The rest of a change whose gate opens with a chance of 1 - ``gap``."""
    return math.log(2 / gap - 1) / (2 * th) * 2.0**p


def th_for(generator, gap):
    """A steepness for which such a rest is less than a unit."""
    return math.log(2 / gap - 1) / 2 / generator.uniform(0.4, 0.9)


def take_step(generator):
    def case(words, sizes, p, th, draw, weight, i, ends=False):
        states = any_states(generator, sizes, p)
        if ends:
            states = (2**-p * signs(generator, sizes)).astype(np.int8)
        change = np.asarray(draw(generator, sizes), float) * 2.0**p
        return step(words, states, change, p, th, weight, i)

    def step(words, states, change, p, th, weight, i, gates_for=None):
        sizes = states.shape
        while True:
            gates, odds = generator.random(sizes), any_draws(generator, sizes)
            gates = np.asarray(np.where(generator.random(sizes) < 0.15, 0.0, gates))
            # Half of the gates are near their chance, on either side.
            chances = np.tanh(th * np.abs(np.fmod(change, 2.0**p)) / 2.0**p)
            ratios = (1 - 1e-8, 1 + 1e-8, *generator.uniform(0.8, 1.2, 4))
            near = chances * generator.choice(ratios, sizes)
            use = (generator.random(sizes) < 0.5) & (near < 1)
            gates = np.asarray(np.where(use, near, gates))
            if gates_for:
                gates = gates_for(chances)
            expected, margin = states_after(states, change, p, th, gates, odds)
            if margin > 1e-9:
                break
        arrays = [
            viewed(a, VIEWS[(i + k) % 3]) for k, a in enumerate((states, change, gates, odds))
        ]
        return Case(
            (arrays[0], arrays[1], p, th, arrays[2], arrays[3]),
            equals(expected, f"The new states are wrong {words}.", rtol=0, atol=0),
            dtype("int8", f"The new states must have the dtype int8, also {words}."),
            UNCHANGED,
            weight=weight,
        )

    for i, (words, draw) in enumerate(CHANGES.items()):
        for j, p in enumerate((0, -1, -2, -3, -4, -6, -2, -5)):
            th, sizes = STEEPNESS[(i + j) % 6], SIZES[(i + j) % 7]
            yield case(words, sizes, p, th, draw, 1 / 5, i + j)
            if j < 3:
                yield case(words, (60,), -2 - j, th, draw, 1 / 5, j)
    for i, p in enumerate((0, -1, -2, -3, -5, -6)):
        words = "for weights at the ends of the range"
        yield case(words, (4, 6), p, 0.5, CHANGES["for other changes"], 1 / 2, i, True)
    for i, p in enumerate((-6, -6, -6, -5, -4, 0)):
        states, change = from_end_to_end(generator, ((12, 5), (60,), (), (30,))[i % 4], p)
        words = "for changes from one end of the range to the other"
        yield step(words, states, change, p, STEEPNESS[i], 1 / 2, i)
    for i, p in enumerate((0, -3, -6)):
        change = far_beyond(generator, p)
        states = any_states(generator, change.shape, p)
        words = "for changes of more units than an integer holds"
        yield step(words, states, change, p, STEEPNESS[i], 1 / 2, i)
    for i, p in enumerate((0, -2, -4, -6)):
        # Gates whose numbers are near 1, on either side of a chance that is so, too.
        gap = 10.0 ** generator.uniform(-8, -6)
        th, units = th_for(generator, gap), generator.integers(0, 3, 30)
        change = signs(generator, 30) * (units * 2.0**p + nearly_1(th, gap, p))
        yield step(
            "where the chance of a gate is nearly 1",
            any_states(generator, (30,), p),
            change,
            p,
            th,
            1 / 2,
            i,
            lambda chances: 1 - (1 - chances) * generator.choice([0.5, 1.5], chances.shape),
        )
    states, change = any_states(generator, (40,), -3), generator.normal(size=40) / 3
    gates, odds = generator.random((2, 40))
    for p, th, numbers in ((-3, 0.5, gates), (-3, 3.0, gates), (-5, 0.5, gates), (-3, 0.5, odds)):
        expected, margin = states_after(states, change, p, th, numbers, odds)
        if margin > 1e-9:
            words = "when the same weights come again, with another th, p or other random numbers"
            yield Case(
                (states, change, p, th, numbers, odds),
                equals(expected, f"The new states are wrong {words}.", rtol=0, atol=0),
                UNCHANGED,
                weight=1 / 4,
            )
    for i, th in enumerate((0.01, 0.3, 0.5, 1.0, 5.0, 50.0)):
        words = "for thousands of weights, or another th"
        yield case(words, (30, 40), -3, th, CHANGES["for other changes"], 1 / 2, i)


# 6 ---------------------------------------------------------------------------------------------


def distribution(state, change, p, th):
    """Probabilities of all states: of each sum its share, and of a number between states halves."""
    powers = [2**k for k in range(1 - p)]
    found = {s: 0.0 for s in (*(-s for s in powers[::-1]), 0, *powers)}
    whole, chance = chance_of(change, p, th)
    direction = (change > 0) - (change < 0)
    for step, share in ((whole, 1 - chance), (whole + direction, chance)):
        moved = max(-powers[-1], min(powers[-1], state + step))
        for draw in (0.0, 0.9):
            found[resolved(moved, draw)] += share / 2
    return list(found.values())


def step_distribution(generator):
    def case(words, state, change, p, th, weight=1):
        expected = distribution(state, change, p, th)
        return Case(
            (state, change, p, th),
            shape([3 - 2 * p], f"There must be one probability for each state, also {words}."),
            within(-1e-9, 1 + 1e-9, f"A probability lies from 0 to 1, also {words}."),
            *nine_digits(expected, f"The probabilities are wrong {words}.", rtol=0, atol=1e-9),
            weight=weight,
        )

    for i, (words, draw) in enumerate(CHANGES.items()):
        for j in range(7):
            p = (0, -1, -2, -3, -4, -5, -6)[(i + j) % 7]
            state = int(any_states(generator, (), p))
            change = float(draw(generator, ())) * 2.0**p
            th = float(STEEPNESS[j % 6] * generator.uniform(0.5, 1.5))
            yield case(words, state, change, p, th, 1 / 4)
    for p in (-2, -3, -4, -6):
        for sign in (-1, 1):
            # From 0 or 1 to numbers between states: 3, 5 to 7, 9 to 15.
            reach = int(generator.integers(2, min(2**-p, 14)))
            change = sign * (reach + float(generator.uniform(0.1, 0.9))) * 2.0**p
            yield case("where sums are no states", sign, change, p, 0.7)
            state = sign * 2**-p
            change = -sign * float(generator.uniform(0.1, 2.9)) * 2.0**p
            yield case("from an end of the range", state, change, p, 0.5, 1 / 2)
            change = sign * float(generator.uniform(0.1, 2.9)) * 2.0**p
            yield case("beyond the range", state // 2, change * 2**-p, p, 0.5, 1 / 2)
    for p in (-6, -6, -5, -3, 0):
        states, changes = from_end_to_end(generator, (2,), p)
        for state, change in zip(states.tolist(), changes.tolist(), strict=True):
            yield case("from one end of the range to the other", state, change, p, 0.7, 1 / 2)
    words = "for changes of more units than an integer holds"
    for p, places in ((0, (1, 5)), (-2, (0, 4)), (-4, (3, 6)), (-6, (2, 7))):
        # From the other end: an integer that wraps round changes the sign of the sum.
        for change in far_beyond(generator, p).reshape(2, 8)[:, places].ravel().tolist():
            state = int(math.copysign(2**-p, -change))
            yield case(words, state, change, p, 0.5, 1 / 4)
    for i, power in enumerate((-8.5, -8, -7.5, -7, -6.6, -6.3, -5.5, -4.5)):
        # One position of the gate is as rare as this, and leads somewhere else.
        p, sign = (0, -2, -3, -6)[i % 4], (-1, 1)[(i + i // 4) % 2]
        rare, whole = 10.0**power, 0 if p == 0 else int(generator.integers(0, 2))
        state = sign * whole
        th = th_for(generator, rare)
        change = sign * (whole * 2.0**p + nearly_1(th, rare, p))
        yield case("where the chance of the gate is nearly 1", state, change, p, th, 1 / 2)
        th = float(generator.uniform(0.01, 2))
        change = sign * (whole + math.atanh(rare) / th) * 2.0**p
        yield case("where the chance of the gate is nearly 0", state, change, p, th, 1 / 2)
    for state in (0, 1, -4):
        change = float(generator.uniform(-1.2, 1.2))
        words = "when the same state and change come again, with another th or p"
        for p, th in ((-3, 0.5), (-3, 2.0), (-5, 0.5), (-2, 0.5)):
            yield case(words, state, change, p, th, 1 / 4)
        yield case("when the same change comes again, from another state", 2, change, -3, 0.5)
    for state, th in itertools.product((-1, 0, 1), (0.01, 1.0, 50.0)):
        change = float(generator.uniform(-1.8, 1.8))
        yield case("for three states", state, change, 0, th, 1 / 3)


# 7 ---------------------------------------------------------------------------------------------


def trained(memory, images, labels, batches, p, th, rate, seed):
    """A memory after some steps, with torch's gradients, and how near rounding was to deciding."""
    count = len(memory["states"])
    states, t, margin = [s.copy() for s in memory["states"]], memory["steps"], math.inf
    biases = [b.copy() for b in memory["biases"]]
    moments = [[m.copy() for m in memory[name]] for name in ("first", "second")]
    for batch in batches:
        h, y = torch.tensor(images[batch]), torch.tensor(labels[batch].astype(np.int64))
        w = [torch.tensor(s * 2.0**p, requires_grad=True) for s in states]
        b = [torch.tensor(v, requires_grad=True) for v in biases]
        for i in range(count):
            h = torch.nn.functional.linear(h, w[i]) / w[i].shape[1] ** 0.5 + b[i]
            h = h if i == count - 1 else torch.relu(h)
        torch.nn.functional.cross_entropy(h, y).backward()
        drawing = np.random.default_rng([seed, t])
        t += 1
        for i, value in enumerate([*w, *b]):
            g = value.grad.numpy()
            for k, (beta, power) in enumerate(((0.9, 1), (0.999, 2))):
                moments[k][i] = beta * moments[k][i] + (1 - beta) * g**power
            mean, square = moments[0][i] / (1 - 0.9**t), moments[1][i] / (1 - 0.999**t)
            change = -rate * mean / (np.sqrt(square) + 1e-8)
            if i >= count:
                biases[i - count] = biases[i - count] + change
                continue
            gates = drawing.random(change.shape)
            odds = drawing.random(change.shape)
            rest = np.abs(np.fmod(change, 2.0**p)) / 2.0**p
            clear = change[change != 0].size and np.minimum(rest, 1 - rest)[change != 0].min()
            states[i], near = states_after(states[i], change, p, th, gates, odds)
            margin = min(margin, near, clear)
    after = {"states": states, "biases": biases, "steps": t}
    return {**after, "first": moments[0], "second": moments[1]}, margin


def far_from(memory, part, right):
    """How far a part of the memory is from the right one, measured by its largest number."""
    found = np.concatenate([np.ravel(np.asarray(array, float)) for array in memory[part]])
    if found.shape != right.shape:
        raise ValueError
    largest = np.abs(right).max()
    return (found - right) / (largest if largest > 0 else 1)


def wrong_dtypes(memory):
    """How many arrays of states are no bytes, and how many others are no floats."""
    wrong = sum(np.asarray(array).dtype != np.int8 for array in memory["states"])
    for part in ("biases", "first", "second"):
        wrong += sum(np.asarray(array).dtype.kind != "f" for array in memory[part])
    return wrong


def sizes_that_differ(memory, right):
    """How many arrays have another shape than they must have."""
    wrong = 0
    for part, sizes in right:
        if len(memory[part]) != len(sizes):
            return 1
        wrong += sum(
            list(np.shape(array)) != list(size)
            for array, size in zip(memory[part], sizes, strict=True)
        )
    return wrong


def read_right(memory, images, labels, p):
    """The share of the images that a network of states reads right."""
    h = images
    for s, b in zip(memory["states"], memory["biases"], strict=True):
        w = np.asarray(s, float) * 2.0**p
        z = h @ w.T / np.sqrt(w.shape[1]) + np.asarray(b, float)
        h = np.maximum(z, 0)
    return (z.argmax(axis=1) == labels).mean()


def a_memory(generator, sizes, p, started):
    """A memory before the first step, or in the middle of a run."""
    shapes = [(o, i) for i, o in itertools.pairwise(sizes)]
    every = [*shapes, *((o,) for o, _ in shapes)]
    scale = 0.1 if started else 0.0
    return {
        "states": [any_states(generator, s, p) for s in shapes],
        "biases": [generator.normal(size=s[0]) * scale for s in shapes],
        "first": [generator.normal(size=s) * scale for s in every],
        "second": [(0.2 + generator.random(s)) * scale**2 for s in every],
        "steps": int(generator.integers(1, 60)) if started else 0,
    }


def seen(memory, i):
    """The memory as it is passed: its arrays are views of all kinds."""
    return {
        name: value
        if name == "steps"
        else [viewed(array, VIEWS[(i + k) % 3]) for k, array in enumerate(value)]
        for name, value in memory.items()
    }


#: Words, sizes of the layers, number of steps, p, whether the run has begun before.
RUNS = (
    ("for one layer", (5, 3), 1, -2, False),
    ("for one layer", (4, 2), 3, -3, False),
    ("for two layers", (6, 4, 3), 1, -2, False),
    ("for two layers", (5, 4, 2), 3, -1, False),
    ("for three layers", (4, 5, 3, 3), 2, -2, False),
    ("for three states", (6, 4, 3), 3, 0, False),
    ("for many states", (5, 4, 3), 3, -6, False),
    ("for many states", (5, 3), 2, -5, False),
    ("where a run goes on", (5, 4, 3), 1, -2, True),
    ("where a run goes on", (5, 4, 3), 4, -3, True),
    ("where a run goes on", (6, 2), 3, 0, True),
    ("after more steps", (5, 4, 3), 7, -2, False),
    ("where changes are much smaller than a unit", (6, 5, 3), 5, -2, False),
    ("where changes are larger than a unit", (6, 5, 3), 3, -4, False),
    ("where changes are larger than the whole range", (6, 5, 3), 3, -6, False),
    ("where changes are larger than the whole range", (5, 4, 3), 2, -6, True),
    ("where changes are larger than the whole range", (5, 4), 2, -2, False),
    ("where no step is taken", (4, 3, 2), 0, -2, True),
    ("where batches have one image", (5, 4, 3), 4, -2, False),
)


def a_run(generator, words, sizes, steps, p, started):
    """Arguments whose results rounding does not decide, and what must come back."""
    while True:
        memory = a_memory(generator, sizes, p, started)
        images = generator.normal(size=(9, sizes[0]))
        labels = generator.integers(0, sizes[-1], 9)
        each = 1 if "one image" in words else int(generator.integers(2, 6))
        batches = generator.integers(0, 9, (steps, each))
        unit = 2.0**p
        rate = unit * generator.uniform(0.3, 1.7)
        if "smaller" in words:
            rate = unit * generator.uniform(0.01, 0.05)
        if "larger" in words:
            rate = unit * generator.uniform(2, 5)
        if "whole range" in words:
            rate = generator.uniform(1.1, 3.1)
        th = float(generator.choice([0.5, 1.0, 2.0, 0.2]))
        arguments = (memory, images, labels, batches, p, th, float(rate))
        seed = int(generator.integers(1, 1000))
        after, margin = trained(*arguments, seed)
        if margin > 1e-5:
            return (*arguments, seed), after


def run_case(words, arguments, after, i, j):
    """The case of some steps; ``i`` and ``j`` choose views and the labels' dtype."""
    memory, images, labels, batches, *rest = arguments
    wanted = [
        (part, [list(array.shape) for array in after[part]])
        for part in ("states", "biases", "first", "second")
    ]
    texts = {
        "first": f"Adam's first moments are wrong {words}.",
        "second": f"Adam's second moments are wrong {words}.",
        "biases": f"The biases are wrong {words}.",
        "states": f"The states are wrong {words}.",
    }
    narrow = labels.astype((np.int64, np.int32, np.uint8)[(i + j) % 3])
    return Case(
        (
            seen(memory, i + j),
            viewed(images, VIEWS[(i + 2 * j) % 3]),
            viewed(narrow, VIEWS[j % 3]),
            viewed(batches, VIEWS[i % 3]),
            *rest,
        ),
        keys([*texts, "steps"], f"The memory has other keys {words}."),
        recomputed(
            wrong_dtypes,
            0,
            0,
            f"The states must be int8 and all others floats, also {words}.",
        ),
        recomputed(
            sizes_that_differ,
            0,
            0,
            f"The memory's arrays have other shapes than they must have {words}.",
            given=(wanted,),
        ),
        equals(after["steps"], f"The number of steps is wrong {words}.", part="steps"),
        *(
            recomputed(
                far_from,
                -1e-7,
                1e-7,
                text,
                given=(
                    part,
                    np.concatenate([a.ravel() for a in after[part]]).astype(float),
                ),
            )
            for part, text in texts.items()
        ),
        unchanged("The memory, images or labels were changed in place."),
        weight=1 / 3,
    )


def train_states(generator):
    for i, (words, *how) in enumerate(RUNS):
        for j in range(2):
            yield run_case(words, *a_run(generator, words, *how), i, j)
    first, after = a_run(generator, "", (5, 4, 3), 4, -3, True)
    words = "when the same call comes again, or one that differs in one thing"
    yield run_case(words, first, after, 0, 0)
    yield run_case(words, first, after, 0, 0)
    for place, value in ((4, -2), (5, 3.0), (6, 0.31), (7, first[7] + 1)):
        others = (*first[:place], value, *first[place + 1 :])
        after, margin = trained(*others)
        if margin > 1e-6 and (place != 4 or all(np.abs(s).max() <= 4 for s in first[0]["states"])):
            yield run_case(words, others, after, 0, 0)
    # Networks read 78 % to 88 % of the digits after 400 steps, whatever their names.
    digits = data.load("digits")
    count = len(digits.train_labels)
    tested = digits.test_images.reshape(-1, 64).astype(float)
    for p, rate in ((-2, 0.02), (0, 0.03), (-4, 0.02)):
        names = generator.permutation(10)  # what the digits are called this time
        batches = generator.integers(0, count, (400, 64)).astype(np.int16)
        yield Case(
            (
                a_memory(generator, (64, 40, 10), p, False),
                Build(
                    "numpy.reshape",
                    Build("quantlib.data.load", "digits", attributes=["train_images"]),
                    (count, 64),
                ),
                names[digits.train_labels],
                batches,
                p,
                0.5,
                rate,
                int(generator.integers(1000)),
            ),
            recomputed(wrong_dtypes, 0, 0, "The states must be int8 where digits are learnt, too."),
            recomputed(
                read_right,
                0.68,
                1,
                "Too few digits are read right after 400 steps, where they have other names.",
                given=(tested, names[digits.test_labels], p),
            ),
        )


# 8 ---------------------------------------------------------------------------------------------


def numbers_off(result, place, right):
    """How many whole numbers are not the right ones, to the last bit."""
    found = np.asarray(result[place])
    if found.shape != right.shape or found.dtype.kind not in "iu":
        raise ValueError
    return np.sum(found.astype(np.int64) != right)


#: Words, and how activations of a kind are drawn.
ACTIVATIONS = {
    "for other activations": lambda g, s: g.integers(-9, 10, s),
    "where activations are levels of a grid": lambda g, s: g.choice(
        [-16, -8, -4, -2, -1, 0, 1, 2, 4, 8, 16], s
    ),
    "where all activations are negative": lambda g, s: -g.integers(1, 100, s),
    "where activations are as large as int8 holds": lambda g, s: g.choice(
        [-128, -127, 127, 100], s
    ),
    "where activations are large": lambda g, s: g.integers(-(2**40), 2**40, s),
    "where most activations are 0": lambda g, s: g.integers(-5, 6, s) * (g.random(s) < 0.2),
}
#: Words, and how states are drawn.
STATES_OF = {
    "and other states": lambda g, s: any_states(g, s, -6),
    "and states that are mostly 0": lambda g, s: any_states(g, s, -6) * (g.random(s) < 0.2),
    "and states of -1, 0 and 1": lambda g, s: g.integers(-1, 2, s),
    "and states of 64 and -64": lambda g, s: 64 * g.choice([-1, 1], s),
}


def thresholds_for(sums, n, generator):
    """Thresholds of each output that lie on sums, next to them and far from them."""
    rows = []
    for column in sums.T.tolist():
        spread = max(map(abs, column)) + 5
        row = []
        for _ in range(2 * n - 2):
            near = int(generator.choice(len(column)))
            if generator.random() < 0.6:
                row.append(column[near] + int(generator.integers(-1, 2)))
            else:
                row.append(int(generator.integers(-2 * spread, 2 * spread)))
        rows.append(sorted(row))
    return np.array(rows, np.int64)


def shift_layer(generator):
    def case(words, a, states, n, weight, i, thresholds=None):
        pairs = [[sum(map(int.__mul__, p, q)) for q in states.tolist()] for p in a.tolist()]
        sums = np.array(pairs, np.int64)
        if thresholds is None:
            thresholds = thresholds_for(sums, n, generator)
        above = [2**k for k in range(n - 1)]
        row = [*(-v for v in above[::-1]), 0, *above]
        codes = [
            [
                row[sum(t < y for t in limits)]
                for y, limits in zip(line, thresholds.tolist(), strict=True)
            ]
            for line in pairs
        ]
        arrays = (a, states.astype(np.int8), thresholds)
        return Case(
            tuple(viewed(v, VIEWS[(i + k) % 3]) for k, v in enumerate(arrays)),
            dtype("int64", f"The sums must be int64 {words}.", part=0),
            dtype("int64", f"The codes must be int64 {words}.", part=1),
            recomputed(numbers_off, 0, 0, f"The sums are wrong {words}.", given=(0, sums)),
            recomputed(
                numbers_off, 0, 0, f"The codes are wrong {words}.", given=(1, np.array(codes))
            ),
            UNCHANGED,
            weight=weight,
        )

    count = 0
    for words, draw in ACTIVATIONS.items():
        for more, states_like in STATES_OF.items():
            for _ in range(4):
                rows, outputs, inputs = (int(v) for v in generator.integers((1, 1, 1), (5, 6, 12)))
                a = np.asarray(draw(generator, (rows, inputs)))
                kinds = [k for k in (np.int8, np.int16, np.int32, np.int64) if fits(a, k)]
                a = a.astype(kinds[count % len(kinds)])
                states = states_like(generator, (outputs, inputs))
                n = (2, 3, 4, 5, 8, 6)[count % 6]
                yield case(f"{words} {more}", a, states, n, 1 / 8, count)
                count += 1
    for i, (kind, most) in enumerate(
        ((np.int8, 127), (np.int16, 2**15 - 1), (np.int32, 2**31 - 1), (np.int64, 2**44))
    ):
        # As large and as many as there may be: sums of int16 need more than 32 bits, the last
        # ones more than 53.
        a = generator.integers(-most, most, (3, 2000), endpoint=True).astype(kind)
        a[0] = most
        states = any_states(generator, (3, 2000), -6)
        states[0], states[1] = 64, -64
        yield case(
            "for thousands of inputs that are as large as their dtype holds", a, states, 5, 1, i
        )
    for n in range(2, 9):
        # As many different sums as there are codes, and thresholds between them: each code comes.
        a = generator.permutation(np.arange(1 - n, n) * int(generator.integers(5, 20)))[:, None]
        states = np.array([[1], [-1], [64], [-32]])
        between = np.sort(a[:, 0])[1:] - generator.integers(1, 5, 2 * n - 2)
        limits = np.array([np.sort(int(s) * between) for s in states[:, 0]])
        yield case(f"where all codes of {n} levels come", a, states, n, 1 / 4, n, limits)
    words = "when the same activations come again, with other states or thresholds"
    a, first, second = (generator.integers(-9, 10, (3, 6)), *any_states(generator, (2, 4, 6), -6))
    limits, others = np.sort(generator.integers(-300, 300, (2, 4, 6)))
    for states, thresholds in ((first, limits), (second, limits), (first, others)):
        yield case(words, a, states, 4, 1 / 3, 0, thresholds)
    # The same shapes and sums, but the thresholds of the other outputs.
    yield case(words, a, first, 4, 1 / 3, 0, limits[::-1])
    for i in range(3):
        a = generator.integers(-20, 20, (60, 7))
        states = any_states(generator, (30, 7), (-6, -2, 0)[i])
        yield case("for many rows and outputs", a, states, 3 + i, 1, i)


def fits(a, kind):
    """Whether a dtype holds all numbers of an array."""
    return np.iinfo(kind).min <= a.min() and a.max() <= np.iinfo(kind).max
