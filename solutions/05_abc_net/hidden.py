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
from quantlib import data

NO_WARNING = no_warning("RuntimeWarning", "There was a warning of NumPy's for other inputs.")
UNCHANGED = unchanged("The inputs were changed in place. Work on new arrays.")


def argument_of(x, values):
    """What a function gets for changed values of a drawn array: an array, or a view like it."""
    if isinstance(x.argument, Build):
        return Build("numpy.transpose", np.ascontiguousarray(values.T))
    return values


# 1 ---------------------------------------------------------------------------------------------


def exact_bases(w, n_bases):
    """The bases by fractions: no root is taken, as c >= t is asked by c * c and t * t."""
    values = [Fraction(v) for v in w.ravel().tolist()]
    mean = sum(values) / len(values)
    centred = [v - mean for v in values]
    variance = sum(c * c for c in centred) / len(values)
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

    Weights that are all the same stay so, but whole: their mean is exact. Two weights always lie
    on thresholds; they become multiples of a power of 2, for which all is exact.
    """
    w = w.copy()
    if np.ptp(w) == 0:
        return np.round(w)
    if w.size == 2:
        signs = np.where(w.ravel() < 0, -1, 1)
        return (2.0 ** np.round(np.log2(np.ptp(w))) * signs * [1, 3]).reshape(w.shape)
    shifts = np.linspace(-1, 1, n_bases) if n_bases > 1 else np.zeros(1)
    while True:
        centred = w - w.mean()
        gaps = np.abs(centred + w.std() * shifts.reshape(-1, *[1] * w.ndim)).min(axis=0)
        near = gaps <= 1e-6 * w.std()
        if not near.any():
            return w
        w[near] += w.std() * generator.uniform(0.01, 0.1, near.sum())


def weight_bases(generator):
    def case(w, n_bases, says, argument=None, weight=1):
        return Case(
            (w if argument is None else argument, n_bases),
            equals(exact_bases(w, n_bases), says(f"The bases are wrong for M = {n_bases}")),
            NO_WARNING,
            UNCHANGED,
            weight=weight,
        )

    # Mean and deviation are whole numbers, and weights lie on thresholds.
    for n_bases, levels in ((2, (1, -1)), (3, (1, -1)), (1, (2, 0, 0, -2)), (5, (1, -1))):
        for _ in range(3):
            c = generator.permutation(np.tile(levels, 8 // len(levels))).reshape(2, 4)
            w = 2.0 ** generator.integers(-2, 3) * c + generator.integers(-3, 4)
            words = "where weights lie exactly on a threshold."
            yield case(w, n_bases, lambda text, words=words: f"{text} {words}", weight=1 / 3)
    for _ in range(3):
        w = off_the_thresholds(generator.normal(1e4, 1, (20, 20)), 6, generator)
        yield case(w, 6, lambda text: f"{text} for many weights far from 0.", weight=1 / 3)
    for n in (3, 4, 5):  # n or n - 1 matters most for few weights
        for n_bases in (2, 3, 5):
            w = off_the_thresholds(generator.normal(size=n), n_bases, generator)
            yield case(w, n_bases, lambda text: f"{text} for few weights.", weight=1 / 3)
    for i, x in enumerate(drawn(generator, each=6, ndims=(1, 2, 3, 4), most=4)):
        n_bases = (1, 2, 3, 4, 6, 3)[i % 6]
        w = off_the_thresholds(x.values, n_bases, generator)
        yield case(w, n_bases, x.says, argument_of(x, w), x.weight)


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


def fit_alphas(generator):
    def case(w, bases, says, argument=None, weight=1):
        size = float(np.abs(w).max())
        return Case(
            (w if argument is None else argument, bases),
            shape([len(bases)], says("There must be one factor for each basis,")),
            equals(exact_alphas(w, bases), says("The factors are wrong"), atol=1e-9 * size),
            UNCHANGED,
            weight=weight,
        )

    for i in range(12):
        n_bases, sizes = int(generator.integers(2, 6)), ((7,), (2, 5), (2, 2, 3))[i % 3]
        w = generator.normal(size=sizes) + generator.normal()
        bases = generator.choice([-1, 1], (n_bases, *sizes))
        kind = i % 4
        if kind == 0:
            bases[-1] = bases[0]
            words = "where two bases are equal"
        elif kind == 1:
            bases[-1] = -bases[0]
            words = "where one basis is the opposite of another"
        elif kind == 2:
            bases = np.concatenate([bases, bases])
            words = "where all bases come twice"
        else:
            bases = generator.choice([-1, 1], (5, 3))
            w = generator.normal(size=3)
            words = "for more bases than weights"
        yield case(w, bases, lambda text, words=words: f"{text} {words}.", weight=1 / 3)
    for n in (300, 500):
        bases = np.tile(generator.choice([-1, 1], n), (3, 1))
        bases[1, 7] *= -1
        bases[2, [11, 40]] *= -1
        w = generator.normal(size=n)
        yield case(w, bases, lambda text: f"{text} where bases are nearly equal.", weight=1 / 2)
    for i, x in enumerate(drawn(generator, each=6, most=4)):
        n_bases, w = 1 + i % 4, x.values
        any_signs = generator.choice([-1, 1], (n_bases, *w.shape))
        bases = exact_bases(w, n_bases) if i % 2 else any_signs
        yield case(
            w, bases.astype((np.int64, np.float64)[i // 2 % 2]), x.says, x.argument, x.weight
        )


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
    def case(x, v, says, argument=None, weight=1):
        upstream = generator.normal(size=(len(v), *x.shape))
        bases, grad_x, grad_v = with_autograd(x, v, upstream)
        return Case(
            (x if argument is None else argument, v, upstream),
            equals(bases, says("The bases are wrong"), part=0),
            equals(grad_x, says("The gradient of x is wrong"), part=1, atol=1e-9),
            equals(grad_v, says("The gradient of v is wrong"), part=2, atol=1e-9),
            UNCHANGED,
            weight=weight,
        )

    for sizes in ((9,), (3, 4), (2, 3, 2), (1, 2, 3, 2)):
        for n in (1, 2, 5):  # eighths: every sum is exact, and many lie on an edge
            x = generator.integers(-12, 13, sizes) / 8
            v = generator.integers(-6, 11, n) / 8
            yield case(x, v, lambda text: f"{text} where h is 0, 1/2 or 1 exactly.", weight=1 / 3)
        x = x + 2.0**-20 * generator.choice([-1, 1], sizes)
        yield case(x, v, lambda text: f"{text} where h is next to 0, 1/2 or 1.", weight=1 / 3)
    for n in (2, 4):
        x, v = generator.uniform(-1, 1, (2, 5)), np.full(n, 0.375)
        x = off_the_edges(x, v, generator)
        yield case(x, v, lambda text: f"{text} where shifts are equal.", weight=1 / 2)
    x = off_the_edges(np.array(0.3), np.array([0.1, 0.6]), generator)
    yield case(x, np.array([0.1, 0.6]), lambda text: f"{text} where x is a single number.")
    for i, x in enumerate(drawn(generator, each=6, most=4)):
        v = generator.uniform(-0.5, 1.5, 1 + i % 4)
        values = off_the_edges(x.values, v, generator)
        yield case(values, v, x.says, argument_of(x, values), x.weight)


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
        "for one basis each": {"m": 1, "n": 1},
        "for more weight bases than activation bases": {"m": 3, "n": 2},
        "for more activation bases than weight bases": {"m": 1, "n": 4},
        "for filters that are not square": {"filters": (1, 3)},
        "for filters of one pixel": {"filters": (1, 1)},
        "for filters as large as the image": {"filters": (4, 3), "padding": 0},
        "with a border of one pixel": {"padding": 1},
        "with a border of two pixels": {"padding": 2},
        "where factors are negative": {"sign": -1},
        "where the bias is 0": {"bias": 0},
        "where the bias is much larger than the sums": {"bias": 1000},
    }
    for words, options in kinds.items():
        for _ in range(5):
            m, n = options.get("m", 2), options.get("n", 2)
            channels, outputs = (int(v) for v in generator.integers(1, 4, 2))
            images = options.get("images", 1)
            act = generator.choice([-1, 1], (n, images, channels, 4, 3))
            filters = options.get("filters", (2, 3))
            weight = generator.choice([-1, 1], (m, outputs, channels, *filters))
            alphas = options.get("sign", 1) * generator.uniform(0.1, 2, m)
            betas = generator.uniform(0.1, 2, n) * generator.choice([-1, 1, 1], n)
            bias = options.get("bias", 2) * generator.uniform(0.5, 1.5, outputs)
            padding = options.get("padding", int(generator.integers(2)))
            arguments = (act, weight, alphas, betas, bias, padding)
            result = by_counting(*arguments)
            yield Case(
                arguments,
                shape(result.shape, f"The result has the wrong shape {words}."),
                # Factors and sums may be in single precision.
                equals(result, f"The convolution is wrong {words}.", rtol=1e-5, atol=1e-5),
                UNCHANGED,
                weight=1 / 5,
            )


# 5 ---------------------------------------------------------------------------------------------


def by_hand(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """What training gives by the formulas, and the smallest distance from a threshold."""
    w, losses, margin = weight.copy(), [], math.inf
    v = np.array([1.5 - (2 * n + 1) / n_act_bases for n in range(n_act_bases)])
    beta = np.full(n_act_bases, 1 / n_act_bases)
    last = max(n_weight_bases - 1, 1)
    shifts = [2 * i / last - (n_weight_bases > 1) for i in range(n_weight_bases)]
    for _ in range(steps):
        centred = (w - w.mean()).ravel()
        deviation = math.sqrt((centred**2).mean())
        moved = np.array([centred + u * deviation for u in shifts])
        bases = np.where(moved >= 0, 1.0, -1.0)
        alpha = np.linalg.pinv(bases @ bases.T) @ bases @ w.ravel()
        q = (alpha @ bases).reshape(w.shape)
        shifted = x + v[:, None, None]
        edges = min(np.abs(shifted - edge).min() for edge in (0, 0.5, 1))
        margin = min(margin, edges, np.abs(moved).min() / deviation)
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
    return (w, v, beta, losses), margin


def train_abc(generator):
    kinds = {
        "after one step": (3, 2, 1, 0.5),
        "for weights whose mean is far from 0": (3, 1, 2, 1.5),
        "for weights whose mean is below 0": (2, 2, 2, -1.0),
        "for one basis each": (1, 1, 3, 0.3),
        "for one weight basis": (1, 3, 2, 0.3),
        "for one activation basis": (4, 1, 3, 0.3),
        "for many activation bases": (2, 5, 1, 0.0),
        "for more bases than weights can tell apart": (6, 2, 2, 0.3),
        "after some steps": (2, 2, 4, 0.3),
        "after many steps": (2, 2, 8, 0.3),
        "where no step is taken": (2, 3, 0, 0.3),
    }
    for words, kind in kinds.items():
        for _ in range(5):
            yield training_case(generator, words, *kind)


def training_case(generator, words, n_weight_bases, n_act_bases, steps, mean):
    """A case of a kind of layer, where rounding decides nothing."""
    while True:
        outputs, inputs, images = (int(v) for v in generator.integers((1, 3, 1), (3, 5, 4)))
        w = generator.normal(mean, 1, (outputs, inputs))
        x = generator.uniform(-1.2, 1.2, (images, inputs))
        y = generator.normal(size=(images, outputs))
        rate = float(generator.choice([0.02, 0.05]))
        arguments = (w, n_weight_bases, n_act_bases, x, y, rate, steps)
        (weight, v, beta, losses), margin = by_hand(*arguments)
        if margin > 1e-4 and np.abs(weight).max() < 100:
            break
    close = {"rtol": 1e-4, "atol": 1e-6}
    return Case(
        arguments,
        shape([steps], f"There must be one loss for each step, also {words}.", part=3),
        equals(losses, f"The losses are wrong {words}.", part=3, **close),
        equals(weight, f"The latent weights are wrong {words}.", part=0, **close),
        equals(v, f"The shifts are wrong {words}.", part=1, **close),
        equals(beta, f"The factors beta are wrong {words}.", part=2, **close),
        UNCHANGED,
        weight=1 / 5,
    )


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


#: Products, bytes, the share that must be read right, and what a student reads.
STEPS = (
    (6, 1000, 0.5, "Step 1 of 4 is not reached where the digits have other names."),
    (6, 1000, 0.75, "Step 2 of 4 is not reached where the digits have other names."),
    (6, 1000, 0.86, "Step 3 of 4 is not reached where the digits have other names."),
    (6, 1000, 0.91, "Step 4 of 4 is not reached where the digits have other names."),
    (1, 1000, 0.84, "Too few digits are read right with one product a layer."),
    (6, 320, 0.86, "Too few digits are read right with fewer bytes."),
)


def network_under_budget(generator):
    digits = data.load("digits")
    for products, budget, least, message in STEPS:
        names = generator.permutation(10)  # what the digits are called this time
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
