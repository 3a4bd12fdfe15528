"""Hidden checks of exercise 7: other inputs, and what must come back for them.

For each graded function a generator of its name yields cases. Inputs are drawn from the course's
seed. Reference results come from other sources than quantlib: exact fractions, enumeration of all
thresholds, torch's autograd, digits to base 3, Python's whole numbers, formulas by hand. Inputs
keep away from places where two right ways of computing differ.
"""

import math
from fractions import Fraction

import numpy as np
import torch

from quantgrader.cases import (
    Build,
    Case,
    drawn,
    dtype,
    equals,
    integers,
    no_warning,
    recomputed,
    shape,
    unchanged,
)
from quantlib import data

NO_WARNING = no_warning("RuntimeWarning", "There was a warning of NumPy's for other weights.")
UNCHANGED = unchanged("The inputs were changed in place. Work on new arrays.")


def again(x, change):
    """The drawn array with other values: what the function gets changes with them.

    Numbers whose squares are too small for a float become 0.
    """
    values = change(np.where(np.abs(x.values) < 1e-100, 0.0, x.values))
    argument = values
    if isinstance(x.argument, Build):
        argument = Build("numpy.transpose", values.T.copy())
    return x._replace(values=values, argument=argument)


def off_the_edges(values, edges, generator):
    """``values``, or changed ones, none of which is so near an edge that rounding decides.

    ``edges`` gives the thresholds, which fit the axes of the values. What lies on one exactly, as
    whole numbers do, may stay there.
    """
    values = values.copy()
    exact = (values == np.round(values)).all() and np.abs(values).max() < 1000
    while True:
        delta = edges(values)
        gap = np.abs(np.abs(values) - delta)
        near = (gap <= 1e-9 * delta) & (delta > 0)
        if exact:
            near &= gap > 0
        if not near.any():
            return values
        values[near] *= generator.uniform(1.01, 1.1, near.sum())


# 1 ---------------------------------------------------------------------------------------------


def by_rule(w, rule):
    """Thresholds, alphas and values of each filter, in fractions."""
    factor = {"twn": Fraction(7, 10), "bitnet": Fraction(1, 2)}[rule]
    deltas, alphas, filters = [], [], []
    for row in w.reshape(len(w), -1).tolist():
        exact = list(map(Fraction, row))
        mean = sum(map(abs, exact)) / len(exact)
        delta = factor * mean
        kept = [abs(v) for v in exact if abs(v) > delta]
        alpha = mean if rule == "bitnet" else sum(kept) / max(len(kept), 1)
        filters.append([float(alpha * ((v > delta) - (v < -delta))) for v in exact])
        deltas.append(float(delta))
        alphas.append(float(alpha))
    return np.array(deltas), np.array(alphas), np.reshape(filters, w.shape)


def ternarize(generator):
    def case(w, rule, says, argument=None, weight=1):
        delta, alpha, w_hat = by_rule(w, rule)
        exact = {"rtol": 1e-6, "atol": 0}
        return Case(
            (w if argument is None else argument, rule),
            equals(delta, says("The thresholds are wrong"), part=0, **exact),
            equals(alpha, says("The alphas are wrong"), part=1, **exact),
            equals(w_hat, says("The ternary weights are wrong"), part=2, **exact),
            NO_WARNING,
            UNCHANGED,
            weight=weight,
        )

    # A filter of zeros among others; magnitudes as large as BitNet's threshold.
    zeros = generator.normal(size=(4, 2, 3, 3))
    zeros[2] = 0
    whole = np.tile(np.array([2.0, -6.0, 0.0, -2.0, 8.0, 4.0, 2.0, -8.0]), (3, 1))
    whole = generator.permuted(whole, axis=1) * generator.choice([-1, 1, 3], size=(3, 1))
    for rule in ("twn", "bitnet"):
        yield case(zeros, rule, lambda text: f"{text} where one filter is all zeros.")
        yield case(1e-20 * zeros, rule, lambda text: f"{text} where weights are very small.")
    yield case(whole, "bitnet", lambda text: f"{text} where weights are as large as thresholds.")
    for i, x in enumerate(drawn(generator, ndims=(2, 4), each=6, most=4)):
        rule = ("twn", "twn", "bitnet", "bitnet")[i % 4]
        factor = 0.7 if rule == "twn" else 0.5
        axes = tuple(range(1, x.values.ndim))

        def edges(w, factor=factor, axes=axes):
            return factor * np.abs(w).mean(axis=axes, keepdims=True)

        x = again(x, lambda w, edges=edges: off_the_edges(w, edges, generator))
        yield case(x.values, rule, x.says, x.argument, x.weight)


# 2 ---------------------------------------------------------------------------------------------


def all_thresholds(w):
    """(squared error, threshold, alpha) of every threshold, the best first."""
    m = np.abs(w)
    m = m if len(m) > 20 else np.array([Fraction(v) for v in m.tolist()])
    rows = []
    for delta in {0, *m.tolist()}:
        kept = m[m > delta]
        alpha = kept.sum() / len(kept) if len(kept) else 0
        rows.append(((m**2).sum() - 2 * alpha * kept.sum() + len(kept) * alpha**2, delta, alpha))
    return sorted(rows)


def one_best(w, generator):
    """``w``, or a changed one, with a threshold that is better than all others by a margin."""
    while True:
        rows = all_thresholds(w)
        if len(rows) < 2 or rows[1][0] - rows[0][0] > (w**2).sum() / 10**6:
            return w, float(rows[0][1]), float(rows[0][2])
        w = w * generator.uniform(0.9, 1.1, w.shape)


def best_threshold(generator):
    def case(w, says, weight=1):
        w, delta, alpha = one_best(w, generator)
        exact = {"rtol": 1e-6, "atol": 0}
        return Case(
            (w,),
            shape([], says("The threshold must be one number,"), part=0),
            equals(
                delta, says("The threshold is not the one with the least error"), part=0, **exact
            ),
            equals(alpha, says("The threshold is right, but alpha is wrong"), part=1, **exact),
            NO_WARNING,
            UNCHANGED,
            weight=weight,
        )

    def peaks(n):
        """Few large weights and many small ones: the error has more than one valley."""
        large = generator.uniform(5, 9, n // 8 + 1)
        w = np.concatenate([large, generator.uniform(0.5, 1.5, n - len(large))])
        return generator.permutation(w) * generator.choice([-1, 1], n)

    for n in (9, 17, 30, 45, 60, 75):
        yield case(
            peaks(n), lambda text: f"{text} where few weights are large and many small.", 1 / 3
        )
    for n in (5, 40, 200):
        # From 1 to 1.5, every weight is worth keeping.
        w = generator.uniform(1, 1.5, n) * generator.choice([-1, 1], n)
        yield case(w, lambda text: f"{text} where no weight should become 0.", 1 / 3)
    for n in (300, 700):
        yield case(generator.normal(size=n), lambda text: f"{text} for hundreds of weights.", 1 / 2)
    for w in (np.array([2.5]), np.array([-1.0, 1.0]), np.array([0.0, 0.0, -3.0])):
        scaled = w * generator.uniform(0.5, 2)
        yield case(scaled, lambda text: f"{text} for one weight, or two that are alike.", 1 / 3)
    for x in drawn(generator, ndims=(1,), each=6, most=14):
        yield case(again(x, np.copy).values, x.says, x.weight)
    # So many weights that nothing but a sort and sums comes to an end in the time of a check.
    low, high = generator.uniform(0, 1), generator.uniform(90000, 99000)
    n = 1_200_000
    angles = np.linspace(low, high, n)
    m = np.sort(np.abs(np.sin(angles)) ** 3)[::-1]
    gain = np.cumsum(m) ** 2 / np.arange(1, n + 1)
    k = int(gain.argmax()) + 1
    yield Case(
        (Build("numpy.power", Build("numpy.sin", Build("numpy.linspace", low, high, n)), 3),),
        equals(m[k], "The threshold is wrong for more than a million weights.", part=0, rtol=1e-3),
        equals(
            math.fsum(m[:k].tolist()) / k,
            "The alpha is wrong for more than a million weights.",
            part=1,
            rtol=1e-3,
        ),
        weight=2,
    )


# 3 ---------------------------------------------------------------------------------------------


def with_autograd(w, positive, negative, t, upstream):
    """TTQ's values and gradients: torch's of three terms, each with a slope of its own."""
    delta = t * np.abs(w).max()
    above, below = torch.tensor(w > delta), torch.tensor(w < -delta)
    latent = torch.tensor(w, requires_grad=True)
    start = torch.tensor([positive, negative], dtype=torch.float64)
    levels = [level.requires_grad_() for level in start.unbind()]
    g = torch.tensor(upstream)
    # d/dw of W_p w is W_p; with the levels as constants these are the three pieces of the slope.
    pieces = torch.where(above, positive * latent, torch.where(below, negative * latent, latent))
    pieces.backward(g)
    values = levels[0] * above.double() - levels[1] * below.double()
    (values * g).sum().backward()
    return values.detach(), latent.grad, levels[0].grad, levels[1].grad


def trained_ternary(generator):
    def case(w, says, t, argument=None, weight=1, levels=None):
        positive, negative = (generator.uniform(0.2, 3, 2) if levels is None else levels).tolist()
        upstream = generator.normal(size=w.shape)
        expected = with_autograd(w, positive, negative, t, upstream)
        texts = (
            "The ternary values are wrong",
            "The gradient of the latent weights is wrong",
            "The gradient of W_p is wrong",
            "The gradient of W_n is wrong",
        )
        return Case(
            (w if argument is None else argument, positive, negative, t, upstream),
            *(
                equals(value, says(text), part=i, atol=1e-9)
                for i, (value, text) in enumerate(zip(expected, texts, strict=True))
            ),
            NO_WARNING,
            UNCHANGED,
            weight=weight,
        )

    for levels in ((-0.7, 1.5), (0.5, -1.25), (-0.4, -2.0)):
        w = off_the_edges(generator.normal(size=(3, 5)), lambda w: 0.2 * np.abs(w).max(), generator)
        yield case(
            w, lambda text: f"{text} where a level is negative.", 0.2, None, 1 / 3, np.array(levels)
        )
    for side in (1, -1):
        w = generator.normal(size=(4, 6))
        w[1, 2] = side * 5
        w = off_the_edges(w, lambda w: 0.1 * np.abs(w).max(), generator)
        words = "where the largest magnitude is that of a weight of either sign."
        yield case(w, lambda text, words=words: f"{text} {words}", 0.1, None, 1 / 2)
        w = np.array([[8.0, -2, 2, 1, -4, 4], [4, -8, -4, 2.5, -1, 0]]) * side
        w = generator.permuted(w, axis=1)
        words = "where weights are as large as the threshold."
        yield case(w, lambda text, words=words: f"{text} {words}", 0.25, None, 1 / 2)
        yield case(w, lambda text, words=words: f"{text} {words}", 0.5, None, 1 / 2)
    for i, x in enumerate(drawn(generator, each=6, most=4)):
        t = (0.05, 0.25, 0.5, 0.125)[i % 4]

        def edges(w, t=t):
            return t * np.abs(w).max(keepdims=True)

        x = again(x, lambda w, edges=edges: off_the_edges(w, edges, generator))
        yield case(x.values, x.says, t, x.argument, x.weight)


# 4 ---------------------------------------------------------------------------------------------


def in_base_three(codes):
    """The bytes, read as numbers of five digits to base 3, the last one first."""
    rows = []
    for row in codes.tolist():
        digits = "".join("012"[code + 1] for code in row)
        digits += "1" * (-len(digits) % 5)
        rows.append([int(digits[i : i + 5][::-1], 3) for i in range(0, len(digits), 5)])
    return np.array(rows, np.uint8)


#: Words, and how codes of a kind are drawn.
CODES = {
    "for other codes": lambda g, s: g.integers(-1, 2, s),
    "where all codes are 1": lambda g, s: np.ones(s, int),
    "where all codes are -1": lambda g, s: -np.ones(s, int),
    "where all codes are 0": lambda g, s: np.zeros(s, int),
    "where most codes are 0": lambda g, s: g.integers(-1, 2, s) * (g.random(s) < 0.2),
    "where no code is 0": lambda g, s: g.choice([-1, 1], s),
}
WIDTHS = (1, 2, 3, 4, 5, 6, 9, 10, 11, 14, 15, 23, 64, 66, 128)


def code_arrays(generator):
    """(words, codes, argument, weight) of codes of each kind, in all widths; some are views."""
    for i, (words, draw) in enumerate(CODES.items()):
        for j, n in enumerate(WIDTHS):
            codes = draw(generator, (int(generator.integers(1, 5)), n))
            narrow = codes.astype((np.int64, np.int8, np.int32)[(i + j) % 3])
            argument = narrow
            if j % 4 == 1:
                argument = Build("numpy.transpose", narrow.T.copy())
            yield words, codes, argument, 1 / 5


def pack_trits(generator):
    for words, codes, argument, weight in code_arrays(generator):
        yield Case(
            (argument,),
            equals(in_base_three(codes), f"The bytes are wrong {words}."),
            dtype("uint8", f"The result must have the dtype uint8, also {words}."),
            unchanged("The array of codes was changed in place. Work on a new one."),
            weight=weight,
        )


# 5 ---------------------------------------------------------------------------------------------


def plane_of(bits):
    """The words of rows of bits, as Python's whole numbers."""
    rows = []
    for row in bits.tolist():
        number = sum(int(bit) << k for k, bit in enumerate(row))
        rows.append([number >> 64 * i & 2**64 - 1 for i in range(-(-len(row) // 64))])
    return np.array(rows, np.uint64)


def bits_that_differ(planes, mask, sign):
    """How many bits of the two planes are not those of the right ones."""
    pairs = ((np.asarray(planes[0]), mask), (np.asarray(planes[1]), sign))
    if any(mine.shape != right.shape for mine, right in pairs):
        return -1
    return sum(int(np.bitwise_count(mine ^ right).astype(int).sum()) for mine, right in pairs)


def trits_to_planes(generator):
    for words, codes, _, weight in code_arrays(generator):
        rows, n = codes.shape
        # What the last byte holds beyond the codes may be anything.
        rest = generator.integers(-1, 2, (rows, -n % 5))
        packed = in_base_three(np.hstack([codes, rest]))
        mask, sign = plane_of(codes != 0), plane_of(codes < 0)
        yield Case(
            (packed, n),
            dtype("uint64", f"The mask must have the dtype uint64, also {words}.", part=0),
            dtype("uint64", f"The signs must have the dtype uint64, also {words}.", part=1),
            shape([rows, -(-n // 64)], f"There are too few or too many words {words}.", part=0),
            recomputed(
                bits_that_differ,
                0,
                0,
                f"Some bits of the planes are wrong {words}.",
                given=(mask, sign),
            ),
            unchanged("The bytes were changed in place. Work on a new array."),
            weight=weight,
        )


# 6 ---------------------------------------------------------------------------------------------


def ternary_product(generator):
    kinds = {**CODES, "where all products are -1": lambda g, s: np.ones(s, int)}
    for words, draw in kinds.items():
        for i, n in enumerate((1, 3, 31, 33, 63, 64, 65, 100, 128, 200, 320, 600)):
            rows, columns = (int(v) for v in generator.integers(1, 6, 2))
            u, v = draw(generator, (rows, n)), draw(generator, (columns, n))
            if words == "where all products are -1":
                v = -v
            planes = []
            for codes in (u, v):
                mask, sign = plane_of(codes != 0), plane_of(codes < 0)
                if i % 2:  # what stands in the sign bit of a zero may be anything
                    noise = generator.integers(0, 2**64, mask.shape, np.uint64, endpoint=False)
                    sign |= noise & ~mask
                planes += [mask, sign]
            sums = [[sum(map(int.__mul__, p, q)) for q in v.tolist()] for p in u.tolist()]
            yield Case(
                tuple(planes),
                equals(sums, f"The sums are wrong {words}."),
                integers(f"The sums must be integers, also {words}."),
                unchanged("The planes were changed in place. Work on new arrays."),
                weight=1 / 4,
            )


# 7 ---------------------------------------------------------------------------------------------


def by_hand(weight, positive, negative, x, y, t, rate, steps):
    """Weights, levels and losses by the formulas, and the smallest distance from a threshold."""
    w, p, n, losses, margin = weight.copy(), positive, negative, [], math.inf
    for step in range(steps + 1):
        delta = t * np.abs(w).max()
        margin = min(margin, np.abs(np.abs(w) - delta).min() / max(delta, 1e-300))
        if step == steps:
            break
        above, below = w > delta, w < -delta
        rest = np.einsum("ni,oi->no", x, p * above - n * below) - y
        g = 2 / rest.size * np.einsum("no,ni->oi", rest, x)
        w = w - rate * g * np.where(above, p, np.where(below, n, 1.0))
        p, n = p - rate * g[above].sum(), n + rate * g[below].sum()
        losses.append((rest**2).mean())
    return (w, p, n, losses), margin


def train_ttq(generator):
    kinds = {
        "after one step": (1, 0),
        "where the largest magnitude is that of a negative weight": (1, -1),
        "where the largest magnitude is that of a positive weight": (2, 1),
        "where all weights are negative": (3, -2),
        "where all weights are positive": (3, 2),
        "after some steps": (4, 0),
        "after many steps": (12, 0),
        "where a level is negative": (2, 3),
        "where no step is taken": (0, 0),
        "for many outputs and few inputs": (3, 4),
    }
    for words, (steps, kind) in kinds.items():
        for _ in range(6):
            yield training_case(generator, words, steps, kind)


def training_case(generator, words, steps, kind):
    """A case of a kind of layer, whose codes rounding does not decide."""
    while True:
        outputs, inputs, images = (int(v) for v in generator.integers((1, 2, 2), (5, 7, 9)))
        if kind == 4:
            outputs, inputs = 7, 2
        w = generator.normal(size=(outputs, inputs))
        if abs(kind) == 1:
            w.flat[int(generator.integers(w.size))] = kind * 4
        if abs(kind) == 2:
            w = np.sign(kind) * np.abs(w)
        levels = generator.uniform(0.4, 1.6, 2)
        if kind == 3:
            levels[int(generator.integers(2))] *= -1
        x, y = generator.normal(size=(images, inputs)), generator.normal(size=(images, outputs))
        rate = float(generator.choice([0.02, 0.05]))
        arguments = (w, *levels.tolist(), x, y, float(generator.choice([0.05, 0.3])), rate, steps)
        (weight, positive, negative, losses), margin = by_hand(*arguments)
        if margin > 1e-3 and np.abs(weight).max() < 100:
            break
    close = {"rtol": 1e-4, "atol": 1e-6}
    return Case(
        arguments,
        shape([steps], f"There must be one loss for each step, also {words}.", part=3),
        equals(losses, f"The losses are wrong {words}.", part=3, **close),
        equals(weight, f"The latent weights are wrong {words}.", part=0, **close),
        equals(positive, f"W_p is wrong {words}.", part=1, **close),
        equals(negative, f"W_n is wrong {words}.", part=2, **close),
        UNCHANGED,
        weight=1 / 6,
    )


# 8 ---------------------------------------------------------------------------------------------


def not_ternary(layers):
    """How far the codes are from -1, 0 and 1."""
    far = [0.0]
    for terms, _ in layers:
        for codes, scales in terms:
            codes = np.asarray(codes, float)
            if codes.ndim != 2 or np.shape(scales) != codes.shape[:1]:
                raise ValueError
            far.append(np.abs(codes - np.clip(np.round(codes), -1, 1)).max())
    return max(far)


def bytes_taken(layers):
    """Five codes of a row to a byte, four bytes for a scale and for a bias."""
    total = 0
    for terms, bias in layers:
        total += 4 * np.size(bias)
        for codes, scales in terms:
            rows, columns = np.shape(codes)
            total += rows * -(-columns // 5) + 4 * np.size(scales)
    return total


def share_read_right(layers, images, labels):
    """The share of the images whose largest output is the label's."""
    h = images.reshape(len(images), -1).astype(float)
    for place, (terms, bias) in enumerate(layers):
        w = sum(np.asarray(s, float)[:, None] * np.asarray(c, float) for c, s in terms)
        h = (np.maximum(h, 0) if place else h) @ w.T + np.asarray(bias, float)
    if h.shape != (len(images), 10) or not np.isfinite(h).all():
        raise ValueError
    return (h.argmax(axis=1) == labels).mean()


#: Bytes, the share that must be read right, and what a student reads.
STEPS = (
    (700, 0.5, "Step 1 of 4 is not reached where the digits have other names."),
    (700, 0.8, "Step 2 of 4 is not reached where the digits have other names."),
    (700, 0.9, "Step 3 of 4 is not reached where the digits have other names."),
    (700, 0.93, "Step 4 of 4 is not reached where the digits have other names."),
    (450, 0.9, "Too few digits are read right with fewer bytes."),
    (1000, 0.94, "Too few digits are read right with more bytes."),
)


def network_under_budget(generator):
    # Trained networks read 93 % to 96 % of the digits with these budgets.
    digits = data.load("digits")
    for budget, least, message in STEPS:
        names = generator.permutation(10)  # what the digits are called this time
        yield Case(
            (
                Build("quantlib.data.load", "digits", attributes=["train_images"]),
                names[digits.train_labels],
                budget,
            ),
            recomputed(not_ternary, 0, 0, "The codes must be -1, 0 and 1, for every budget."),
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
