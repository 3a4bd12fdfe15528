"""Hidden checks of exercise 5: other inputs, and what must come back for them.

For each graded function a generator of its name yields cases. Inputs are drawn from the course's
seed. Reference results come from other sources than quantlib: exact fractions, also for least
squares, torch's autograd, sums over whole numbers, formulas by hand. Inputs keep away from places
where two right ways of computing differ.
"""

import itertools
import math
from fractions import Fraction

import numpy as np
import torch

from quantgrader.cases import Build, Case, drawn, equals, no_warning, recomputed, shape, unchanged
from quantgrader.cases.regimes import VIEWS, viewed
from quantlib import data

NO_WARNING = no_warning("RuntimeWarning", "There was a warning of NumPy's for other inputs.")
UNCHANGED = unchanged("The inputs were changed in place. Work on new arrays.")

#: Numbers of axes of drawn arrays: those with many views first, and a single number.
AXES = (2, 3, 1, 0, 4)


def kinds_of_arrays(generator):
    """Yield drawn arrays; what is nearer to 0 than the text says (next to a tie at 0) becomes 0."""
    for x in drawn(generator, each=6, ndims=AXES, most=4):
        values = np.where(np.abs(x.values) < 1e-40, 0.0, x.values)
        yield x._replace(values=values, weight=x.weight / 2)


def in_turn():
    """Yield pairs of views, for two arrays of a function."""
    yield from itertools.cycle(itertools.product(VIEWS, VIEWS[::-1]))


# 1 ---------------------------------------------------------------------------------------------


def exact_bases(w, n_bases, less=0):
    """The bases by fractions: no root is taken, as c >= t is asked by c * c and t * t.

    The variance divides by the number of weights, or by ``less`` than that.
    """
    values = [Fraction(v) for v in w.ravel().tolist()]
    mean = sum(values) / len(values)
    centred = [v - mean for v in values]
    variance = sum(c * c for c in centred) / (len(values) - less)
    rows = []
    for m in range(n_bases):
        u = Fraction(2 * m, n_bases - 1) - 1 if n_bases > 1 else Fraction(0)
        square = u * u * variance
        if u >= 0:
            rows.append([c >= 0 or c * c <= square for c in centred])
        else:
            rows.append([c >= 0 and c * c >= square for c in centred])
    return np.where(np.reshape(rows, (n_bases, *w.shape)), 1, -1)


def off_the_thresholds(w, n_bases, generator):
    """``w``, or a changed one, none of whose weights is so near a threshold that rounding decides.

    Weights that are all the same stay so. Two weights always lie on thresholds; they become
    multiples of a power of 2, for which all is exact.
    """
    w = w.copy()
    if np.ptp(w) == 0:
        return w
    if w.size == 2:
        signs = np.where(w.ravel() < 0, -1, 1)
        return (2.0 ** np.round(np.log2(np.ptp(w))) * signs * [1, 3]).reshape(w.shape)
    shifts = np.linspace(-1, 1, n_bases) if n_bases > 1 else np.zeros(1)
    while True:
        deviation, rounding = w.std(), 1e-14 * np.abs(w).max()
        moved = w - w.mean() + deviation * shifts.reshape(-1, *[1] * w.ndim)
        near = np.abs(moved).min(axis=0) <= max(1e-6 * deviation, rounding)
        if not near.any():
            return w
        w[near] += max(deviation, 100 * rounding) * generator.uniform(0.01, 0.1, near.sum())


def n_matters(generator, sizes, n_bases):
    """Few weights that have other bases if the deviation divides by n - 1."""
    while True:
        w = off_the_thresholds(generator.normal(size=sizes), n_bases, generator)
        if (exact_bases(w, n_bases) != exact_bases(w, n_bases, less=1)).any():
            return w


def partly_alike(generator, size):
    """Weights the first, second, middle and last of which are equal; others are not."""
    w = generator.normal(size=size)
    flat = w.reshape(-1)
    flat[[1, flat.size // 2, -1]] = flat[0]
    return w


def of_one_magnitude(generator, size):
    """Weights of both signs and one magnitude: more of one sign than of the other."""
    w = np.full(size, generator.uniform(0.5, 2))
    w.reshape(-1)[generator.permutation(w.size)[: w.size // 2 - 1]] *= -1
    return w


def weight_bases(generator):
    views = in_turn()

    def case(w, n_bases, says, weight=1, view=None):
        return Case(
            (viewed(w, view or next(views)[0]), n_bases),
            equals(exact_bases(w, n_bases), says(f"The bases are wrong for M = {n_bases}")),
            NO_WARNING,
            UNCHANGED,
            weight=weight,
        )

    def words(text):
        return lambda start: f"{start} {text}."

    # Whoever has another rule there, or divides by n - 1, keeps half of the points at most.
    for n_bases in (1, 1, 2, 3, 5):
        for _ in range(3):
            w = on_thresholds(n_bases)(generator, None)
            yield case(w, n_bases, words("where weights lie exactly on a threshold"), 2 / 3)
    for n_bases in (1, 1, 1, 2, 3, 5):
        w = alike(generator, (int(generator.integers(1, 4)),))
        yield case(w, n_bases, words("where all weights are the same"), 1 / 2)
    for n_bases in (1, 2, 3):
        for draw in (partly_alike, of_one_magnitude):
            w = off_the_thresholds(draw(generator, (3, 3)), n_bases, generator)
            yield case(w, n_bases, words("where some weights are equal, but not all"), 1 / 4)
    for n_bases in (1, 2, 3, 5):  # their mean is exact, but far larger than what they differ by
        whole = generator.permutation([1, 2, 3, 5, 8, 13, 21, 34]).reshape(2, 4)
        w = off_the_thresholds(1 + 2.0**-40 * whole, n_bases, generator)
        yield case(w, n_bases, words("where weights are nearly the same"), 1 / 4)
    for mean in (1e4, 1e8):
        for _ in range(3):
            w = off_the_thresholds(generator.normal(mean, 1, (20, 20)), 6, generator)
            yield case(w, 6, words("for many weights far from 0"), 1 / 6)
    for sizes in ((3,), (2, 2), (3, 2)):
        for n_bases in (2, 3, 5):
            yield case(
                n_matters(generator, sizes, n_bases), n_bases, words("for few weights"), 8 / 9
            )
    for n_bases in range(7, 26):
        w = off_the_thresholds(generator.normal(1, 2, (3, 7)), n_bases, generator)
        yield case(w, n_bases, words("and other numbers of bases"), 1 / 9)
    for i, x in enumerate(kinds_of_arrays(generator)):
        n_bases = (1, 2, 3, 4, 6, 3)[i % 6]
        w = off_the_thresholds(x.values, n_bases, generator)
        yield case(w, n_bases, x.says, x.weight, x.view)


# 2 ---------------------------------------------------------------------------------------------


def some_solution(matrix, right):
    """A solution of equations that have one, by elimination; free unknowns are 0."""
    rows = [[Fraction(v) for v in row] + [v] for row, v in zip(matrix, right, strict=True)]
    pivots, done = [], 0
    for column in range(len(rows)):
        place = next((i for i in range(done, len(rows)) if rows[i][column]), None)
        if place is None:
            continue
        rows[done], rows[place] = rows[place], rows[done]
        rows[done] = [v / rows[done][column] for v in rows[done]]
        for i, row in enumerate(rows):
            if i != done and row[column]:
                factor = row[column]
                rows[i] = [a - factor * b for a, b in zip(row, rows[done], strict=True)]
        pivots.append(column)
        done += 1
    found = [Fraction(0)] * len(rows)
    for i, column in enumerate(pivots):
        found[column] = rows[i][-1]
    return found


def exact_alphas(w, bases):
    """The factors of least norm: G y with G G y = B w, and G = B B^T."""
    values = [Fraction(v) for v in w.ravel().tolist()]
    rows = [[int(b) for b in basis.ravel()] for basis in bases]

    def products(vectors, others):
        return [[sum(map(int.__mul__, v, o)) for o in others] for v in vectors]

    gram = products(rows, rows)
    right = [sum(b * v for b, v in zip(row, values, strict=True)) for row in rows]
    y = some_solution(products(gram, gram), right)
    return [float(sum(g * v for g, v in zip(row, y, strict=True))) for row in gram]


def has_clear_rank(bases):
    """Whether singular values are 0 or not by any cut-off that a function may have.

    None that is not 0 is small. Those that are 0 come out below the first bound on any machine.
    """
    rows = bases.reshape(len(bases), -1).astype(float)
    of_rows = np.linalg.svd(rows, compute_uv=False)
    of_gram = np.abs(np.linalg.eigvalsh(rows @ rows.T))
    return not any(
        ((s > 1e-9 * s.max()) & (s < low * s.max())).any()
        for s, low in ((of_rows, 1e-3), (of_gram, 1e-6))
    )


def crossed(generator, n):
    """Four bases, the first two of which have the sum of the others, and a fifth."""
    bases = generator.choice([-1, 1], (5, n))
    exchanged = generator.random(n) < 0.5
    bases[2:4] = np.where(exchanged, bases[1::-1], bases[:2])
    return bases


def nearly_equal(generator, n):
    """Bases of some 2n weights that differ in one or two signs; weights are whole numbers."""
    patterns = np.array([[1, 1, 1, 1], [1, 1, -1, 1], [1, 1, 1, -1]]) * [1, -1, 1, 1]
    counts = [n + int(generator.integers(100)), n + int(generator.integers(100)), 1, 2]
    values = generator.integers(-9, 10, 4).astype(float)
    # Each column stands in the sums as often as it comes.
    gram = (patterns * counts @ patterns.T).tolist()
    right = [Fraction(int(b)) for b in patterns * counts @ values.astype(int)]
    alphas = [float(a) for a in some_solution(gram, right)]
    return Case(
        (Build("numpy.repeat", values, counts), Build("numpy.repeat", patterns, counts, axis=1)),
        equals(
            alphas,
            "The factors are wrong where bases of many weights differ in one or two signs.",
            rtol=1e-7,
            atol=1e-7,
        ),
    )


def fit_alphas(generator):
    views = in_turn()

    def case(w, bases, says, weight=1, view=None, times=1):
        """A case; its weights and bases are repeated some ``times``, which changes no factor."""
        views_of_both = next(views)
        arguments = [viewed(w, view or views_of_both[0]), viewed(bases, views_of_both[1])]
        if times > 1:
            arguments = [Build("numpy.tile", w, times), Build("numpy.tile", bases, (1, times))]
        return Case(
            tuple(arguments),
            shape([len(bases)], says("There must be one factor for each basis,")),
            equals(
                exact_alphas(w, bases),
                says("The factors are wrong"),
                rtol=1e-9,
                atol=1e-10 * float(np.abs(w).max()),
            ),
            UNCHANGED,
            weight=weight,
        )

    def words(text):
        return lambda start: f"{start} {text}."

    def signs(draw):
        while not has_clear_rank(bases := draw()):
            pass
        return bases

    for i in range(9):
        n_bases, sizes = int(generator.integers(2, 6)), ((7,), (2, 5), (2, 2, 3))[i % 3]
        w = generator.normal(size=sizes) + generator.normal()
        bases = generator.choice([-1, 1], (n_bases, *sizes))
        if i % 3 == 0:
            bases[-1] = bases[0]
            text = "where two bases are equal"
        elif i % 3 == 1:
            bases[-1] = -bases[0]
            text = "where one basis is the opposite of another"
        else:
            bases = np.concatenate([bases, bases])
            text = "where all bases come twice"
        yield case(w, bases, words(text), 5 / 9)
    for i in range(6):
        w, sign = generator.normal(size=4 + i), generator.choice([-1, 1], (1, 4 + i))
        yield case(w, sign, words("for one basis, whose signs are not the weights'"), 1 / 6)
    for i in range(24):
        n = 3 + i % 4
        bases = signs(lambda n=n, i=i: generator.choice([-1, 1], (n + 1 + i % 3, n)))
        yield case(generator.normal(size=n), bases, words("for more bases than weights"), 1 / 6)
    for i in range(12):
        bases = signs(lambda i=i: crossed(generator, 6 + i))
        w = generator.normal(size=6 + i)
        yield case(w, bases, words("where a basis is a sum of others"), 1 / 6)
    for n in (50, 200, 200, 200):
        bases = signs(lambda n=n: crossed(generator, n))
        w = generator.normal(size=n)
        yield case(w, bases, words("where a basis is a sum of others, for many weights"), 3 / 4)
    for times in (500, 500, 2000, 2000, 4000, 4000):
        bases = signs(lambda: crossed(generator, 9))
        w, text = generator.normal(size=9), "where a basis is a sum of others, and weights repeat"
        yield case(w, bases, words(text), 1 / 2, times=times)
    for n in (20_000, 40_000):
        yield nearly_equal(generator, n)
    for n in (300, 500):
        bases = np.tile(generator.choice([-1, 1], n), (3, 1))
        bases[1, 7] *= -1
        bases[2, [11, 40]] *= -1
        w = generator.normal(size=n)
        yield case(w, bases, words("where bases are nearly equal"), 1 / 2)
    for times in (20, 6000):  # counts beyond those of 8 and of 16 bits
        w = generator.normal(size=8)
        bases = signs(lambda: generator.choice([-1, 1], (3, 8)))
        yield case(w, bases, words("for many weights"), 1 / 2, times=times)
    for i, x in enumerate(kinds_of_arrays(generator)):
        n_bases, w = 1 + i % 4, x.values

        def any_signs(size=(n_bases, *w.shape)):
            return generator.choice([-1, 1], size)

        bases = exact_bases(w, n_bases) if i % 2 else signs(any_signs)
        bases = bases.astype((np.int64, np.float64)[i // 2 % 2])
        yield case(w, bases, x.says, x.weight, x.view)


# 3 ---------------------------------------------------------------------------------------------


def with_autograd(x, v, upstream):
    """Bases by comparing, gradients by torch's clamp, whose ends belong to its ramp."""
    axes = [1] * x.ndim
    shifted = x + v.reshape(-1, *axes)
    latent, shift = torch.tensor(x, requires_grad=True), torch.tensor(v, requires_grad=True)
    ramp = (latent + shift.reshape(-1, *axes)).clamp(0, 1)
    (ramp * torch.tensor(upstream)).sum().backward()
    return np.where(shifted >= 0.5, 1, -1), latent.grad, shift.grad


def off_the_edges(x, v, generator):
    """``x``, or a changed one, none of which is so near an edge that rounding decides."""
    x = x.copy()
    while True:
        shifted = x + v.reshape(-1, *[1] * x.ndim)
        gaps = np.minimum(np.abs(shifted - 0.5), np.minimum(np.abs(shifted), np.abs(shifted - 1)))
        near = gaps.min(axis=0) < 1e-7
        if not near.any():
            return x
        x[near] += generator.uniform(0.001, 0.1, near.sum())


def activation_bases(generator):
    views = in_turn()

    def case(x, v, says, weight=1, size=1.0, view=None):
        """A case; ``size`` is that of the gradients which arrive."""
        upstream = size * generator.normal(size=(len(v), *x.shape))
        bases, grad_x, grad_v = with_autograd(x, v, upstream)
        views_of_both = next(views)
        close = {"rtol": 1e-9, "atol": 1e-12 * float(np.abs(upstream).sum())}
        return Case(
            (
                viewed(x, view or views_of_both[0]),
                viewed(v, views_of_both[0]),
                viewed(upstream, views_of_both[1]),
            ),
            equals(bases, says("The bases are wrong"), part=0),
            equals(grad_x, says("The gradient of x is wrong"), part=1, **close),
            equals(grad_v, says("The gradient of v is wrong"), part=2, **close),
            UNCHANGED,
            weight=weight,
        )

    def words(text):
        return lambda start: f"{start} {text}."

    # Whoever has other rules there, or fewer axes, keeps half of the points at most.
    for sizes in ((9,), (3, 4), (2, 3, 2), (1, 2, 3, 2), (3, 1, 3), (2, 2, 1, 3)):
        for n in (1, 2, 5):  # eighths: every sum is exact, and many lie on an edge
            x = generator.integers(-12, 13, sizes) / 8
            v = generator.integers(-6, 11, n) / 8
            x.reshape(-1)[generator.permutation(x.size)[:3]] = [0, 0.5, 1] - v[0]
            yield case(x, v, words("where x + v is 0, 1/2 or 1 exactly"), 8 / 9)
        for step in (2.0**-20, 2.0**-52):  # these sums are exact as well
            near = x + step * generator.choice([-1, 1], sizes)
            yield case(near, v, words("where x + v is next to 0, 1/2 or 1"), 1 / 4)
    for n in (1, 2, 3):  # what is compared is the sum, and the sum is an edge
        x = generator.permutation([1e-17, -1e-17, 1e-30, -1e-30, 0.0, 0.25]).reshape(2, 3)
        v = generator.choice([0.0, 0.5, 1.0], n)
        v[0] = (0.5, 1.0)[n % 2]
        yield case(x, v, words("where x + v is 1/2 or 1, and x nearly 0"), 1 / 3)
    for n in (1, 1, 2, 3):  # x is the sum: nothing is rounded
        edges = [-0.0, 1e-30, -1e-30, 1e-17, -1e-17, 0.5, 1.0]
        edges += [np.nextafter(a, b) for a in (0.5, 1.0) for b in (0, 2)] + [0.25]
        x = generator.permutation(edges).reshape(3, 4)
        yield case(x, np.zeros(n), words("where x + v is next to 0, 1/2 or 1"), 1 / 2)
    for n in (2, 4):
        x, v = generator.uniform(-1, 1, (2, 5)), np.full(n, 0.375)
        x = off_the_edges(x, v, generator)
        yield case(x, v, words("where shifts are equal"), 1 / 2)
    for n in (3, 7):
        v = generator.uniform(-0.5, 1.5, n)
        x = off_the_edges(generator.normal(size=(20, 30)), v, generator)
        yield case(x, v, words("for many activations"), 1 / 2)
    x = off_the_edges(np.array(0.3), np.array([0.1, 0.6]), generator)
    yield case(x, np.array([0.1, 0.6]), words("where x is a single number"))
    for size in (1e-30, 1e30):
        for n in (1, 3):
            v = generator.uniform(-0.5, 1.5, n)
            x = off_the_edges(generator.normal(size=(4, 3)), v, generator)
            text = "where the gradients that arrive are very small or very large"
            yield case(x, v, words(text), 1 / 4, size)
    for i, x in enumerate(kinds_of_arrays(generator)):
        v = generator.uniform(-0.5, 1.5, 1 + i % 4)
        values = off_the_edges(x.values, v, generator)
        yield case(values, v, x.says, x.weight, view=x.view)


# 4 ---------------------------------------------------------------------------------------------


def by_counting(act_bases, weight_bases, alphas, betas, bias, padding):
    """The convolution, one output after the other: sums of whole numbers, then factors."""
    edges = [(0, 0)] * 3 + [(padding, padding)] * 2
    images = np.pad(act_bases, edges)
    height, width = weight_bases.shape[-2:]
    sizes = [images.shape[1], weight_bases.shape[1]]
    sizes += [images.shape[3] - height + 1, images.shape[4] - width + 1]
    out = np.zeros(sizes)
    for image, o, y, x in itertools.product(*map(range, sizes)):
        window = images[:, image, :, y : y + height, x : x + width]
        counts = np.einsum("ncij,mcij->mn", window, weight_bases[:, o])
        out[image, o, y, x] = alphas @ counts @ betas + bias[o]
    return out


def approx_conv(generator):
    kinds = {
        "for other bases": {},
        "for several images": {"images": 3},
        "for as many images as filters, and as many columns": {"images": 3, "square": 3},
        "for one basis each": {"m": 1, "n": 1},
        "for more weight bases than activation bases": {"m": 3, "n": 2},
        "for more activation bases than weight bases": {"m": 1, "n": 4},
        "for many bases": {"m": 5, "n": 6},
        "for many channels": {"channels": 40, "alike": True},
        "for wide images": {"size": (2, 7)},
        "for high images": {"size": (7, 3)},
        "for filters that are not square": {"filters": (1, 3)},
        "for filters that are higher than wide": {"filters": (3, 1)},
        "for filters of one pixel": {"filters": (1, 1)},
        "for filters of one pixel and a border": {"filters": (1, 1), "padding": 2},
        "for filters as large as the image": {"filters": (4, 3), "padding": 0},
        "for filters larger than the image": {"filters": (5, 4), "padding": 1},
        "with a border of one pixel": {"padding": 1},
        "with a border of two pixels": {"padding": 2},
        "with a wide border": {"padding": 4},
        "where factors are negative": {"sign": -1},
        "where a factor is 0": {"zero": True},
        "where the factors cancel each other": {"cancel": True},
        "where factors are very small": {"of_alphas": 1e-30, "bias": 1e-30},
        "where factors are small": {"of_alphas": 1e-6, "of_betas": 1e-6, "bias": 1e-12},
        "where factors are very large": {"of_betas": 1e30, "bias": 1e30},
        "where factors of weights are small, and those of activations large": {
            "of_alphas": 1e-20,
            "of_betas": 1e20,
        },
        "where the bias is 0": {"bias": 0},
        "where the bias is much larger than the sums": {"bias": 1000},
    }
    views = in_turn()
    for words, options in kinds.items():
        for i in range(5):
            share = 4 / 5 if options.get("padding", 0) > 1 else 1 / 10
            yield convolution_case(generator, views, words, i, weight=share, **options)
    # One output of 36000 products: counts of 16 bits run over.
    act = generator.choice([-1, 1], (1, 1, 40, 3, 5))
    weight = act.copy()
    weight.reshape(-1)[generator.permutation(600)[:12]] *= -1
    alphas, betas, bias = generator.uniform(0.5, 2, (3, 1))
    times = (1, 1, 1, 10, 6)
    yield Case(
        (
            Build("numpy.tile", act, times),
            Build("numpy.tile", weight, times),
            alphas,
            betas,
            bias,
            0,
        ),
        equals(
            (alphas * betas * 60 * (600 - 2 * 12) + bias).reshape(1, 1, 1, 1),
            "The convolution is wrong for many products.",
            rtol=1e-9,
        ),
    )


def convolution_case(
    generator,
    views,
    words,
    number,
    *,
    images=1,
    m=2,
    n=2,
    channels=None,
    alike=False,
    size=(4, 3),
    filters=(2, 3),
    padding=None,
    square=None,
    sign=1,
    zero=False,
    cancel=False,
    of_alphas=1.0,
    of_betas=1.0,
    bias=2.0,
    weight=1 / 5,
):
    """A case of a kind of convolution; with ``alike`` nearly all signs are +1."""
    channels = channels or int(generator.integers(1, 5))
    outputs = int(generator.integers(1, 4))
    padding = int(generator.integers(2)) if padding is None else padding
    if square:  # images, filters and columns of the result
        outputs, padding, size = square, 0, (filters[0] + 1, filters[1] + square - 1)
    if alike:
        filters = (3, 3)
    of_plus = 0.97 if alike else 0.5
    dtype = (np.int64, np.float64)[number % 2]
    act = np.where(generator.random((n, images, channels, *size)) < of_plus, 1, -1)
    weights = np.where(generator.random((m, outputs, channels, *filters)) < of_plus, 1, -1)
    alphas = sign * of_alphas * generator.uniform(0.1, 2, m)
    betas = of_betas * generator.uniform(0.1, 2, n) * generator.choice([-1, 1, 1], n)
    if zero:
        alphas[0] = betas[-1] = 0
    if cancel:
        alphas[1] = -alphas[0]
    biases = bias * generator.uniform(0.5, 1.5, outputs)
    result = by_counting(act, weights, alphas, betas, biases, padding)
    sums = np.abs(alphas).sum() * np.abs(betas).sum() * weights[0, 0].size
    of_bases, of_others = next(views), next(views)
    return Case(
        (
            viewed(act.astype(dtype), of_bases[0]),
            viewed(weights.astype(dtype if number % 4 < 2 else np.int64), of_bases[1]),
            viewed(alphas, of_others[0]),
            viewed(betas, of_others[1]),
            viewed(biases, of_others[0]),
            padding,
        ),
        shape(result.shape, f"The result has the wrong shape {words}."),
        equals(
            result,
            f"The convolution is wrong {words}.",
            rtol=1e-9,
            atol=1e-12 * float(sums + np.abs(biases).max()),
        ),
        UNCHANGED,
        weight=weight,
    )


# 5 ---------------------------------------------------------------------------------------------


def by_hand(weight, n_weight_bases, n_act_bases, x, y, rate, steps, exact=False):
    """What training gives by the formulas, or None where rounding may decide.

    With ``exact`` all that is compared in the first step is exact, and may lie on a threshold.
    """
    w, losses = weight.copy(), []
    v = np.array([1.5 - (2 * n + 1) / n_act_bases for n in range(n_act_bases)])
    beta = np.full(n_act_bases, 1 / n_act_bases)
    for step in range(steps):
        shifted = x + v[:, None, None]
        if not (exact and step == 0):
            edges = min(np.abs(shifted - edge).min() for edge in (0, 0.5, 1))
            alike = step == 0 and np.ptp(w) == 0
            if edges < 1e-4 or not (alike or clear_of_thresholds(w, n_weight_bases)):
                return None
        bases = exact_bases(w, n_weight_bases)
        alpha = np.array(exact_alphas(w, bases))
        q = np.tensordot(alpha, bases, 1)
        act_bases = np.where(shifted >= 0.5, 1.0, -1.0)
        act = np.tensordot(beta, act_bases, 1)
        rest = act @ q.T - y
        losses.append((rest**2).mean())
        by_out = 2 / rest.size * rest
        by_act = by_out @ q
        passed = by_act * ((shifted >= 0) & (shifted <= 1))
        by_v = beta * passed.sum(axis=(1, 2))
        w = w - rate * alpha.sum() * by_out.T @ act
        beta = beta - rate * (act_bases * by_act).sum(axis=(1, 2))
        v = v - rate * by_v
    return w, v, beta, losses


def first_output(w, n_weight_bases, n_act_bases, x):
    """What a layer gives before the first step."""
    bases = exact_bases(w, n_weight_bases)
    q = np.tensordot(exact_alphas(w, bases), bases, 1)
    counts = sum(
        np.where(x + 1.5 - (2 * n + 1) / n_act_bases >= 0.5, 1, -1) for n in range(n_act_bases)
    )
    return counts @ q.T / n_act_bases


def clear_of_thresholds(w, n_bases):
    """Whether weights differ, and none is so near a threshold that rounding decides."""
    last = max(n_bases - 1, 1)
    shifts = [2 * i / last - (n_bases > 1) for i in range(n_bases)]
    centred, deviation = w - w.mean(), w.std()
    gap = min(np.abs(centred + u * deviation).min() for u in shifts)
    return deviation > 1e-6 * np.abs(w).max() and gap > 1e-4 * deviation


def train_abc(generator):
    kinds = {
        "after one step": (3, 2, 1, 0.5, {}),
        "for weights whose mean is far from 0": (3, 1, 2, 1.5, {}),
        "for weights whose mean is below 0": (2, 2, 2, -1.0, {}),
        "for weights far from 0": (2, 1, 2, 1e5, {"rate": 1e-11}),
        "for one basis each": (1, 1, 3, 0.3, {}),
        "for one weight basis": (1, 3, 2, 0.3, {}),
        "for one activation basis": (4, 1, 3, 0.3, {}),
        "for many activation bases": (2, 5, 1, 0.0, {}),
        "for more bases than weights can tell apart": (6, 2, 2, 0.3, {}),
        "for many more bases than weights can tell apart": (9, 2, 2, 0.3, {}),
        "for few weights and many bases": (7, 1, 3, 0.0, {"sizes": (2, 2, 5)}),
        "after some steps": (2, 2, 4, 0.3, {}),
        "after many steps": (2, 2, 8, 0.3, {}),
        "where no step is taken": (2, 3, 0, 0.3, {}),
        "for very small weights and targets": (3, 2, 2, 0.3, {"scale": 1e-20}),
        "for small weights and targets": (3, 2, 2, 0.3, {"scale": 1e-3}),
        "for large weights and targets": (3, 2, 2, 0.3, {"scale": 1e3, "rate": 2e-8}),
        "where the loss is 0 from the start": (2, 2, 3, 0.3, {"fits": True}),
        "for larger layers": (3, 3, 2, 0.3, {"sizes": (6, 9, 12)}),
    }
    views = in_turn()
    for words, (m, n, steps, mean, options) in kinds.items():
        for _ in range(5):
            yield training_case(
                generator, views, words, m, n, steps, mean_and_normal(mean), **options
            )
    for m, n, steps in ((1, 1, 1), (1, 2, 2), (2, 1, 1), (3, 1, 2)):
        for _ in range(3):
            words = "where all weights are the same at first"
            yield training_case(generator, views, words, m, n, steps, alike, weight=1 / 4)
    for n in (1, 1, 2, 4):
        for _ in range(3):
            words = "where x + v is 0, 1/2 or 1 at first, or next to that"
            yield training_case(
                generator, views, words, 2, n, 1, mean_and_normal(0.3), edges=True, weight=1 / 3
            )
    for m in (1, 2, 3, 5):
        for _ in range(3):
            words = "where weights lie exactly on a threshold at first"
            yield training_case(
                generator, views, words, m, 1, 1, on_thresholds(m), edges=True, weight=1 / 4
            )


def mean_and_normal(mean):
    """Weights with about this mean."""
    return lambda generator, size: generator.normal(mean, 1, size)


def alike(generator, size):
    """Equal weights whose mean is rounded, to something above them."""
    while True:
        w = np.full((size[0], generator.choice([3, 5])), generator.uniform(-2, 2))
        if w.mean() > w[0, 0]:
            return w


def on_thresholds(n_bases):
    """Weights of which some are exactly at the mean, or exactly one deviation from it.

    All is exact, also for a function that divides by the largest magnitude: a power of 2.
    """

    def draw(generator, _size):
        levels = [1, 0, 0, -1] if n_bases == 1 else [1, 1, -1, -1]
        c = generator.permutation(np.tile(levels, 2)).reshape(2, 4)
        return 2.0 ** generator.integers(-2, 3) * (c + generator.choice([-3, -1, 0, 1, 3]))

    return draw


def training_case(
    generator,
    views,
    words,
    n_weight_bases,
    n_act_bases,
    steps,
    draw,
    *,
    scale=1.0,
    rate=None,
    fits=False,
    edges=False,
    sizes=None,
    weight=1 / 5,
):
    """A case of a kind of layer, where rounding decides nothing."""
    while True:
        outputs, inputs, images = sizes or generator.integers((1, 3, 1), (4, 6, 5)).tolist()
        w = scale * draw(generator, (outputs, inputs))
        outputs, inputs = w.shape
        x = generator.uniform(-1.2, 1.2, (images, inputs))
        if edges:  # shifts are eighths, so that sums are exact
            first = 1.5 - (2 * generator.integers(n_act_bases, size=x.shape) + 1) / n_act_bases
            x = generator.choice([0, 0.5, 1], x.shape) - first
            x = x + 2.0**-52 * generator.integers(-1, 2, x.shape)
        y = scale * generator.normal(size=(images, outputs))
        step = rate or float(generator.choice([0.02, 0.05]))
        if fits:
            y = first_output(w, n_weight_bases, n_act_bases, x)
        arguments = (w, n_weight_bases, n_act_bases, x, y, step, steps)
        found = by_hand(*arguments, exact=edges)
        if found is not None and np.abs(found[0]).max() < 100 * np.abs(w).max():
            break
    new, v, beta, losses = found
    one, other = next(views), next(views)
    return Case(
        (viewed(w, one[0]), *arguments[1:3], viewed(x, one[1]), viewed(y, other[0]), step, steps),
        shape([steps], f"There must be one loss for each step, also {words}.", part=3),
        near(losses, f"The losses are wrong {words}.", 3, (y**2).max() + (w**2).max()),
        near(new, f"The latent weights are wrong {words}.", 0, np.abs(w).max()),
        near(v, f"The shifts are wrong {words}.", 1, 1),
        near(beta, f"The factors beta are wrong {words}.", 2, 1),
        UNCHANGED,
        weight=weight,
    )


def near(values, message, part, size):
    """That a part is right in double precision, for numbers of some size."""
    return equals(values, message, part=part, rtol=1e-9, atol=1e-10 * float(size))


# 6 ---------------------------------------------------------------------------------------------


def not_signs(layers):
    """How far the bases are from -1 and 1."""
    far = [0.0]
    for bases, alphas, v, betas, bias in layers:
        bases = np.asarray(bases, float)
        if bases.ndim != 3 or np.shape(alphas) != bases.shape[:1]:
            raise ValueError
        if np.ndim(v) != 1 or np.shape(v) != np.shape(betas) or np.shape(bias) != bases.shape[1:2]:
            raise ValueError
        far.append(np.abs(np.abs(bases) - 1).max())
    return max(far)


def most_products(layers):
    """The largest M * N of a layer."""
    return max(np.shape(alphas)[0] * np.shape(v)[0] for _, alphas, v, _, _ in layers)


def bytes_taken(layers):
    """Eight signs of a row to a byte, four bytes for each other number."""
    total = 0
    for bases, *numbers in layers:
        m, rows, columns = np.shape(bases)
        total += m * rows * -(-columns // 8) + 4 * sum(np.size(n) for n in numbers)
    return total


def share_read_right(layers, images, labels):
    """The share of the images whose largest output is the label's."""
    h = images.reshape(len(images), -1).astype(float)
    for bases, alphas, v, betas, bias in layers:
        steps = np.where(h + np.reshape(v, (-1, 1, 1)) >= 0.5, 1.0, -1.0)
        act = np.tensordot(np.asarray(betas, float), steps, 1)
        weight = np.tensordot(np.asarray(alphas, float), np.asarray(bases, float), 1)
        h = act @ weight.T + np.asarray(bias, float)
    if h.shape != (len(images), 10) or not np.isfinite(h).all():
        raise ValueError
    return (h.argmax(axis=1) == labels).mean()


#: Products, bytes, the share that must be read right, and what a student reads. The first two are
#: such that two layers go beyond the budget if the bytes of a row are not rounded up.
STEPS = (
    (6, 900, 0.5, "Fewer than 50 % are read right with 6 products and another budget."),
    (4, 870, 0.75, "Fewer than 75 % are read right with other products and another budget."),
    (6, 1000, 0.84, "Step 3 of 4 is not reached where the digits have other names."),
    (6, 1000, 0.88, "Step 4 of 4 is not reached where the digits have other names."),
    (1, 1000, 0.84, "Too few digits are read right with one product a layer."),
    (6, 320, 0.82, "Too few digits are read right with fewer bytes."),
)


def network_under_budget(generator):
    digits = data.load("digits")
    for products, budget, least, message in STEPS:
        # What the digits are called this time: with another budget, what they are.
        names = np.arange(10) if "budget" in message else generator.permutation(10)
        yield Case(
            (
                Build("quantlib.data.load", "digits", attributes=["train_images"]),
                names[digits.train_labels],
                products,
                budget,
            ),
            recomputed(not_signs, 0, 0, "The bases must be -1 and 1, for every budget."),
            recomputed(most_products, 1, products, "A layer has more products than allowed."),
            recomputed(bytes_taken, 0, budget, "The network takes more bytes than another budget."),
            recomputed(
                share_read_right,
                least,
                1,
                message,
                given=(digits.test_images, names[digits.test_labels]),
            ),
            unchanged("The images or labels were changed in place. Work on new arrays."),
        )
