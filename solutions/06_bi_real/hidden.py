"""Hidden checks of exercise 6: other inputs, and what must come back for them.

For each graded function a generator of its name yields cases. Inputs are drawn from the course's
seed. Reference results come from other sources than quantlib: torch's autograd of the parabolas,
exact fractions, sums over windows in loops, enumeration, formulas by hand. Inputs keep away from
places where two right ways of computing differ.
"""

from fractions import Fraction

import numpy as np
import torch

from quantgrader.cases import (
    VIEWS,
    Build,
    Case,
    drawn,
    equals,
    integers,
    no_warning,
    recomputed,
    shape,
    unchanged,
    viewed,
)
from quantlib import data

NO_WARNING = no_warning("RuntimeWarning", "There was a warning of NumPy's for other numbers.")
UNCHANGED = unchanged("The inputs were changed in place. Work on new arrays.")


def views(turn, *arrays):
    """The arrays as views, each of another kind in each turn.

    A single number is left as it is: np.ascontiguousarray would keep its negative stride, so that
    torch refused what looks like a right answer.
    """
    kinds = [VIEWS[(turn + place) % len(VIEWS)] for place in range(len(arrays))]
    return [viewed(a, kind) if a.size > 1 else a for a, kind in zip(arrays, kinds, strict=True)]


def next_to(values, generator):
    """Each number, or one of its two neighbours in float64."""
    return np.nextafter(values, values + generator.integers(-1, 2, np.shape(values)))


# 1 ---------------------------------------------------------------------------------------------


def by_autograd(x, upstream):
    """Signs, the four pieces, and their gradient by torch's autograd."""
    t = torch.tensor(x, requires_grad=True)
    inside = torch.where((t.detach() >= -1) & (t.detach() < 1), t, 0.0)
    bent = torch.where(t.detach() < 0, 2 * inside + inside**2, 2 * inside - inside**2)
    ends = torch.where(t.detach() < -1, -1.0, torch.where(t.detach() >= 1, 1.0, bent))
    ends.backward(torch.tensor(upstream))
    signs = [-1.0 if v < 0 else 1.0 for v in x.ravel().tolist()]
    return np.reshape(signs, x.shape), ends.detach().numpy(), t.grad.numpy()


def approx_sign(generator):
    texts = "The signs are wrong", "The curve is wrong", "The gradient is wrong"
    turns = iter(range(1000))

    def case(x, says, weight=1):
        upstream = 10.0 ** generator.choice([-25, -2, 0, 2, 25]) * generator.normal(size=x.shape)
        # The curve and the slope lie between -2 and 2: there an error of rounding is below 1e-15.
        close = [
            {"rtol": 0, "atol": 0},
            {"rtol": 1e-9, "atol": 1e-12},
            {"rtol": 1e-9, "atol": 1e-12 * np.abs(upstream).max()},
        ]
        return Case(
            tuple(views(next(turns), x, upstream)),
            *(
                equals(value, says(text), part=i, **close[i])
                for i, (value, text) in enumerate(zip(by_autograd(x, upstream), texts, strict=True))
            ),
            NO_WARNING,
            UNCHANGED,
            weight=weight,
        )

    ends = np.array([-2.0, -1.0, -0.0, 0.0, 1.0, 2.0, -1e30, 1e30])
    # Who ignores the rule for 0 keeps at most half of the points.
    yield case(generator.permuted(ends), lambda text: f"{text} where the pieces meet.", weight=5)
    for _ in range(2):
        x = next_to(generator.choice([-1.0, 1.0], (3, 8)), generator)
        yield case(x, lambda text: f"{text} in -1 and 1 and next to them.", weight=1 / 2)
        x = generator.choice([-0.0, 0.0, -1e-30, 1e-30], (2, 3, 4))
        yield case(x, lambda text: f"{text} in 0, in -0.0 and next to them.", weight=1 / 2)
        x = generator.permuted(np.append(generator.uniform(-1.5, 1.5, 10), [0.0, -0.0]))
        words = "where two of twelve numbers are 0."
        yield case(x.reshape(3, 4), lambda text, words=words: f"{text} {words}", weight=9)
        x = generator.choice([-1, 1], (5, 6)) * 10.0 ** generator.uniform(-12, 0, (5, 6))
        yield case(x, lambda text: f"{text} for numbers of many sizes.", weight=1 / 2)
        x = generator.normal(size=(30, 40))
        yield case(x, lambda text: f"{text} for many numbers.", weight=1 / 2)
    for side in (-1, 1):  # where the slope is small, and must have its nine digits all the same
        x = side * (1 - 10.0 ** generator.uniform(-10, -3, 12))
        yield case(x, lambda text: f"{text} a little inside of -1 and 1.", weight=1 / 2)
    for side in (-1, 1):
        x = side * generator.uniform(1.05, 4, (4, 5))
        yield case(x, lambda text: f"{text} where all numbers lie outside of -1 to 1.")
        x = side * generator.uniform(0.01, 0.99, (4, 5))
        words = "where all numbers lie on one side of 0 and inside of -1 to 1."
        yield case(x, lambda text, words=words: f"{text} {words}")
    for x in drawn(generator, ndims=(0, 1, 2, 3, 4), each=5, most=4):
        yield case(x.values, x.says, x.weight)


# 2 ---------------------------------------------------------------------------------------------


def filter_by_filter(w, upstream):
    """Alphas, scaled signs and gradients, in fractions."""
    alphas, scaled, gradients = [], [], []
    pairs = zip(w.reshape(len(w), -1).tolist(), upstream.reshape(len(w), -1).tolist(), strict=True)
    for row, arrived in pairs:
        alpha = sum(abs(Fraction(v)) for v in row) / len(row)
        alphas.append(float(alpha))
        scaled.append([float(alpha if v >= 0 else -alpha) for v in row])
        gradients.append(
            [
                float(alpha * Fraction(g)) if -1 <= v <= 1 else 0.0
                for v, g in zip(row, arrived, strict=True)
            ]
        )
    return np.array(alphas), np.reshape(scaled, w.shape), np.reshape(gradients, w.shape)


def magnitude_aware(generator):
    texts = "The alphas are wrong", "The scaled signs are wrong", "The gradient is wrong"
    turns = iter(range(1000))

    def case(w, says, weight=1):
        upstream = 10.0 ** generator.choice([-25, -2, 0, 2, 25]) * generator.normal(size=w.shape)
        return Case(
            tuple(views(next(turns), w, upstream)),
            *(
                # Sums of magnitudes and products: nothing cancels.
                equals(value, says(text), part=i, rtol=1e-9, atol=0)
                for i, (value, text) in enumerate(
                    zip(filter_by_filter(w, upstream), texts, strict=True)
                )
            ),
            NO_WARNING,
            UNCHANGED,
            weight=weight,
        )

    zeros = generator.normal(size=(4, 2, 3, 3))
    zeros[2] = 0
    yield case(zeros, lambda text: f"{text} where one filter is all zeros.")
    outside = generator.uniform(1.1, 3, (3, 2, 2, 2)) * generator.choice([-1, 1], (3, 2, 2, 2))
    yield case(outside, lambda text: f"{text} where all weights lie outside of -1 to 1.")
    for size in ((3, 8), (2, 3, 2, 3), (4, 5)):
        ones = generator.choice([-1.0, 1.0], size)
        yield case(ones, lambda text: f"{text} where all weights lie on the bounds.", 1 / 3)
        close = next_to(ones, generator)
        yield case(close, lambda text: f"{text} for weights on the bounds or next to them.", 1 / 3)
        w = generator.choice([-0.0, 0.0, -1e-30, 1e-30, 0.5], size)
        yield case(w, lambda text: f"{text} for 0, for -0.0 and next to them.", 1 / 3)
        exponents = generator.integers(-20, 20, (size[0], *[1] * (len(size) - 1)))
        w = generator.normal(size=size) * 10.0**exponents
        yield case(w, lambda text: f"{text} where filters are of very unlike sizes.", 1 / 3)
        # Who ignores the rule for 0, or that for the bounds, keeps at most half of the points.
        w = generator.choice([-2.0, -1.0, -0.0, 0.0, 1.0, 2.0], size)
        yield case(w, lambda text: f"{text} for whole numbers from -2 to 2.", 2 * len(size))
    for size in ((40, 7), (7, 300), (20, 16, 3, 3), (3, 2, 5, 1), (2, 3, 1, 7)):
        w = generator.normal(size=size)
        yield case(w, lambda text: f"{text} for other numbers of filters and weights.", 1 / 3)
    for x in drawn(generator, ndims=(2, 4), each=6, most=5):
        yield case(x.values, x.says, x.weight * (5 if x.kind == "whole" else 1))


# 3 ---------------------------------------------------------------------------------------------


def sums_in_loops(x, w):
    """The sum of each window, product by product."""
    images, channels, height, width = x.shape
    sums = np.zeros(x.shape)
    places = [(c, i, j) for c in range(channels) for i in range(3) for j in range(3)]
    positive, filters = (x >= 0).tolist(), (w >= 0).tolist()
    for n, o, r, q in np.ndindex(images, channels, height, width):
        total = 0
        for c, i, j in places:
            row, column = r + i - 1, q + j - 1
            inside = 0 <= row < height and 0 <= column < width
            seen = not inside or positive[n][c][row][column]
            total += 1 if seen == filters[o][c][i][j] else -1
        sums[n, o, r, q] = total
    return sums


def one_bit_block(generator):
    kinds = {
        "for other numbers": lambda s: generator.normal(size=s),
        "where all numbers are positive": lambda s: generator.uniform(0.1, 2, s),
        "where all numbers are negative": lambda s: -generator.uniform(0.1, 2, s),
        "where most numbers and weights are 0": lambda s: (
            generator.normal(size=s) * (generator.random(s) < 0.3)
        ),
        "where all numbers are 0": np.zeros,
        "where numbers and weights are 0 or -0.0": lambda s: generator.choice(
            [-0.0, 0.0, -1.5, 2.0], s
        ),
        "for numbers of 1e-30": lambda s: 1e-30 * generator.normal(size=s),
        "for small numbers": lambda s: 1e-9 * generator.normal(size=s),
        "for large numbers": lambda s: 100 * generator.normal(size=s),
        "for numbers of 1e30": lambda s: 1e30 * generator.normal(size=s),
        "for whole numbers": lambda s: generator.integers(-3, 4, s).astype(float),
        "where all numbers are the same": lambda s: np.full(s, generator.uniform(-3, 3)),
        "for an image of one pixel": lambda s: generator.normal(size=(*s[:2], 1, 1)),
        "for one row of pixels": lambda s: generator.normal(size=(*s[:2], 1, s[3])),
        "for one column of pixels": lambda s: generator.normal(size=(*s[:3], 1)),
        "for several images": lambda s: generator.normal(size=(s[0] + 2, *s[1:])),
        "for larger images": lambda s: generator.normal(size=(*s[:2], s[2] + 3, s[3] + 4)),
        "for many channels, whose signs agree": lambda s: generator.uniform(
            0.1, 2, (1, int(generator.integers(29, 40)), 1, s[3])
        ),
        "for several channels": lambda s: generator.normal(size=(1, s[1] + 4, *s[2:])),
        "for variances as small as eps": lambda s: generator.normal(size=s),
        "for variances of many sizes": lambda s: generator.normal(size=s),
        "where eps is 0": lambda s: generator.normal(size=s),
        "where variances are tiny and eps is 0": lambda s: generator.normal(size=s),
        "for negative gammas": lambda s: generator.normal(size=s),
        "for gammas of many sizes, or 0": lambda s: generator.normal(size=s),
        "for means and betas that are large": lambda s: generator.normal(size=s),
        "for weights that are 0 or -0.0": lambda s: generator.normal(size=s),
        "for large weights": lambda s: generator.normal(size=s),
        "for very small weights": lambda s: generator.normal(size=s),
    }
    for turn, (words, draw) in enumerate(kinds.items()):
        for again in range(4):
            x = draw(tuple(generator.integers(1, 4, 4).tolist()))
            channels = x.shape[1]
            w = generator.normal(size=(channels, channels, 3, 3))
            var = generator.uniform(0.5, 9, channels)
            eps = float(generator.choice([1e-5, 0.01, 0.5, 0]))
            gamma, beta, mean = generator.normal(size=(3, channels))
            if "as small as" in words:
                eps, var = 0.01, generator.uniform(0, 0.01, channels)
                var[0] = 0
            if "variances of many" in words:
                var = 10.0 ** generator.uniform(-6, 6, channels)
            if "variances are tiny" in words:
                var, eps = 10.0 ** generator.uniform(-20, -13, channels), 0.0
            if "eps is 0" in words:
                eps = 0.0
            if "negative gammas" in words:
                gamma = -generator.uniform(0.5, 2, channels)
            if "gammas of many" in words:
                gamma = gamma * 10.0 ** generator.uniform(-12, 12)
                gamma[0] *= again % 2
            if "betas" in words:
                beta, mean = 300 * beta, 300 * mean
            # Who ignores the rule for 0 keeps at most half of the points.
            weights_of_zeros = "weights are 0" in words or "weights that are 0" in words
            of_zeros = weights_of_zeros or "all numbers are 0" in words
            if weights_of_zeros:
                w *= generator.random(w.shape) < 0.3  # a negative number times 0 is -0.0
            if "large weights" in words:
                w *= 1e30
            if "small weights" in words:
                w *= 1e-30
            if "agree" in words:
                w = np.abs(w) * generator.choice([-1, 1], (channels, 1, 1, 1))
            root = np.sqrt(var + eps)
            columns = [part[:, None, None] for part in (gamma, beta, mean, root)]
            wide_gamma, wide_beta, wide_mean, wide_root = columns
            sums = sums_in_loops(x, w)
            y = wide_gamma * (sums - wide_mean) / wide_root + wide_beta + x
            # The largest term that is added up: where terms cancel, their errors remain.
            most = np.abs(gamma) * np.maximum(9 * channels, np.abs(mean)) / root + np.abs(beta)
            largest = max(most.max(), np.abs(x).max())
            yield Case(
                (*views(turn + again, x, w, gamma, beta, mean, var), eps),
                shape(x.shape, f"The output must have the shape of x, also {words}."),
                equals(
                    y,
                    f"The output is wrong {words}, or not right to nine digits.",
                    rtol=1e-9,
                    atol=1e-10 * largest,
                ),
                NO_WARNING,
                UNCHANGED,
                weight=2 if of_zeros else 1 / 4,
            )


# 4 ---------------------------------------------------------------------------------------------


def enumerated(n, shortcut, batch_norm):
    """The number of values, by trying all, in fractions."""
    found = set()
    for before in range(-n, n + 1, 2):
        x = Fraction(618, 99991) * before + Fraction(1, 1000) if batch_norm else Fraction(before)
        sign = 1 if x >= 0 else -1
        for others in range(-n + 1, n, 2):
            s = sign + others
            own = Fraction(731, 100003) * s + Fraction(1, 7) if batch_norm else s
            found.add(own + {"none": 0, "before": x, "behind": sign}[shortcut])
    return len(found)


def from_a_fit(n, shortcut, batch_norm):
    """The number for any n: the parabola through three enumerated ones of the same parity."""
    at = [2, 4, 6] if n % 2 == 0 else [3, 5, 7]
    counts = [enumerated(m, shortcut, batch_norm) for m in at]
    total = Fraction(0)
    for i, m in enumerate(at):
        term = Fraction(counts[i])
        for other in at[:i] + at[i + 1 :]:
            term *= Fraction(n - other, m - other)
        total += term
    assert total.denominator == 1
    return int(total)


def count_values(generator):
    words = {"none": "without a shortcut", "before": "with the shortcut before the sign"}
    words["behind"] = "with the shortcut behind the sign"
    # The paper's bound for the first, or floats for large numbers, cost half of the points.
    shares = {("before", True): 7, ("before", False): 2, ("behind", True): 2, ("behind", False): 2}
    shares |= {("none", True): 1 / 4, ("none", False): 1 / 4}
    sizes = [(2, 1), (3, 1), (4, 1), (1, 3), (2, 4), (1, 2), (3, 2), (2, 5), (16, 3), (64, 3)]
    sizes += [(512, 3), (511, 5), (10_000, 7), (9999, 7)]
    drawn_sizes = generator.integers((6, 1), (60, 8), (6, 2))  # none that the notebook shows
    sizes += [(int(c), int(k)) for c, k in drawn_sizes]
    sizes += [(1, int(k)) for k in generator.integers(6, 40, 2)]
    # Beyond 2**53, 2**64 and 2**100, even and odd. What keeps lists of all sums has no memory for
    # these; n between, for which it would take all that a machine has, are left out.
    low, high = 10**11, 10**12
    bounds = [(low, 500, high, 3000), (1, low, 9, high), (low, low, high, high)]
    for least_channels, least_k, most_channels, most_k in bounds:
        for odd in (0, 1):
            c = int(generator.integers(least_channels, most_channels)) // 2 * 2 + odd
            k = int(generator.integers(least_k, most_k)) // 2 * 2 + odd
            sizes.append((max(c, 1), k))
    for channels, k in sizes:
        n = channels * k * k
        for shortcut, way in words.items():
            for batch_norm in (True, False):
                right = from_a_fit(n, shortcut, batch_norm)
                if n < 30:
                    assert right == enumerated(n, shortcut, batch_norm)
                with_it = "and with" if batch_norm else "and without"
                which = "for another n" if n < 10**15 else "where n is very large"
                text = f"The count is wrong {way} {with_it} batch normalization, {which}."
                # Exact, as whole numbers are, where floats have too few digits.
                view = None if n < 10**15 else "shifted"
                yield Case(
                    (channels, k, shortcut, batch_norm),
                    equals(right, text, rtol=0, view=view),
                    integers("A count is an int, a whole number."),
                    weight=shares[shortcut, batch_norm] * (1 / 10 if n < 10**15 else 1),
                )


# 5 ---------------------------------------------------------------------------------------------


def not_signs(layer, wanted):
    """How many weights are not the signs that they should be; -1 for another shape."""
    signs = np.asarray(layer[0], float)
    if signs.shape != wanted.shape:
        raise ValueError
    return np.sum(signs != wanted)


def change_of_outputs(layer, w, gamma, beta, mean, var, eps, inputs):
    """The largest change of an output, as a share of the largest term in its formula."""
    signs, *norm = (np.asarray(part, float) for part in layer)
    if signs.shape != w.shape or any(part.shape != mean.shape for part in norm):
        raise ValueError
    rows, weights = w.reshape(len(w), -1), signs.reshape(len(w), -1)
    alpha = np.abs(rows).mean(axis=1)
    sums = inputs @ np.where(rows >= 0, 1.0, -1.0).T
    before = gamma * (alpha * sums - mean) / np.sqrt(var + eps) + beta
    with np.errstate(all="ignore"):
        after = norm[0] * (inputs @ weights.T - norm[2]) / np.sqrt(norm[3] + eps) + norm[1]
    root = np.sqrt(var + eps)
    terms = np.maximum(np.abs(beta), np.abs(gamma) * np.maximum(alpha, np.abs(mean)) / root)
    change = np.abs(after - before) / np.where(terms > 0, terms, 1)
    return np.nan_to_num(change, nan=np.inf).max()


def signs_alone(generator):
    kinds = (
        "for other filters",
        "where magnitudes are unlike",
        "where variances are as small as eps",
        "where weights are 0 or -0.0",
        "where a filter is zero everywhere",
        "where all filters are zero everywhere",
        "where gammas are negative",
        "where a gamma is 0",
        "where weights are very small",
        "where weights are very small, and a filter is zero everywhere",
        "where weights are large",
        "where weights are large and variances are as small as eps",
        "where all weights of a filter are negative",
        "where the weights of a filter cancel each other",
        "where all magnitudes are the same",
        "where weights of a filter are of many sizes",
        "where outputs are large",
        "where a filter is zero everywhere and its constant is large",
        "for one filter",
        "for many filters",
        "where eps is 0",
    )
    for turn, words in enumerate(kinds):
        for again in range(6):
            outputs = int(generator.integers(2, 6))
            inputs, height, width = (int(v) for v in generator.integers(1, 5, 3))
            if "for one" in words:
                outputs = 1
            if "for many" in words:
                outputs, inputs = 20, inputs + 4
            w = generator.normal(size=(outputs, inputs, height, width))
            if "all magnitudes" in words:
                w = np.where(w >= 0, 1.0, -1.0)
            if "many sizes" in words:
                w *= 10.0 ** generator.uniform(-25, 0, w.shape)
            w /= np.abs(w).mean(axis=(1, 2, 3), keepdims=True)
            alpha = generator.uniform(0.2, 4, outputs)
            var = generator.uniform(0.5, 30, outputs)
            eps = float(generator.choice([1e-5, 0.01, 0.1]))
            gamma = generator.uniform(0.3, 2, outputs)
            beta, mean = generator.normal(size=(2, outputs))
            if "unlike" in words:
                alpha = 10.0 ** generator.uniform(-2, 1, outputs)
            if "very small" in words:
                alpha = 10.0 ** generator.uniform(-11.5, -4, outputs)
                var, mean, eps = var * alpha**2, mean * alpha, 0.0
            if "are large" in words and "weights" in words:
                alpha = generator.uniform(100, 900, outputs)
            if "small as" in words:
                eps = 0.01
                var = generator.uniform(0, 0.02, outputs)
                var[0] = 0
            if "weights are 0" in words:
                w *= generator.random(w.shape) < 0.7  # a negative number times 0 is -0.0
                w[0].flat[0] = -0.0
            if "cancel" in words:
                w = np.concatenate([w, -w[:, ::-1]], axis=1)
            if "a filter is zero" in words:
                w[int(generator.integers(outputs))] = -0.0 if again % 2 else 0.0
            if "all filters" in words:
                w[:] = 0
            if "gammas" in words:
                gamma = -gamma
            if "gamma is" in words:
                gamma[int(generator.integers(outputs))] = 0
            if "of a filter are" in words:
                w[0] = -np.abs(w[0])
            if "outputs are large" in words or "constant is large" in words:
                beta, mean = 1000 * beta, 1000 * mean
            if "constant is large" in words and again % 2:
                mean *= 1e10
            if "eps is 0" in words:
                eps = 0.0
            w = w * alpha[:, None, None, None]
            layer = (w, gamma, beta, mean, var)
            signs = np.where(w >= 0, 1.0, -1.0)
            patches = generator.choice([-1.0, 1.0], (30, w[0].size))
            yield Case(
                (*views(turn + again, *layer), eps),
                recomputed(
                    not_signs, 0, 0, f"The weights must be signs, also {words}.", given=(signs,)
                ),
                recomputed(
                    change_of_outputs,
                    0,
                    1e-8,
                    f"The outputs are not what they were {words}.",
                    given=(*layer, eps, patches),
                ),
                NO_WARNING,
                UNCHANGED,
                # Who can't handle a filter of zeros keeps at most half of the points.
                weight=1 if "zero everywhere" in words else 1 / 6,
            )


# 6 ---------------------------------------------------------------------------------------------


def not_as_agreed(network, depth):
    """How many things of a network are not as the text has them."""
    stem, blocks, last = network
    wrong = abs(len(blocks) - depth)
    shapes = [np.shape(part) for part in (*stem, *last)]
    wrong += shapes != [(16, 1, 3, 3), *[(16,)] * 4, (10, 16), (10,)]
    for signs, *norm, _ in blocks:
        wrong += np.shape(signs) != (16, 16, 3, 3)
        wrong += [np.shape(part) for part in norm] != [(16,)] * 4
    return wrong


def not_signs_alone(network):
    """How far the weights of blocks are from -1 and 1."""
    return max(np.abs(np.abs(np.asarray(block[0], float)) - 1).max() for block in network[1])


def of_network(network, images, labels, what):
    """The share of the images whose largest output is the label's, or how many blocks are idle."""

    def normalize(s, gamma, beta, mean, var):
        scale = np.asarray(gamma, float) / np.sqrt(np.asarray(var, float) + 1e-5)
        shift = np.asarray(beta, float) - scale * np.asarray(mean, float)
        return scale[:, None, None] * s + shift[:, None, None]

    def convolve(x, weight, stride, border):
        x = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=border)
        windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
        windows = windows[:, :, ::stride, ::stride].transpose(0, 2, 3, 1, 4, 5)
        y = windows.reshape(-1, weight[0].size) @ weight.reshape(len(weight), -1).T
        return y.reshape(*windows.shape[:3], -1).transpose(0, 3, 1, 2)

    stem, blocks, last = network
    idle = 0
    x = normalize(convolve(images, np.asarray(stem[0], float), 2, 0), *stem[1:])
    for signs, *norm, shortcut in blocks:
        bits = np.where(x >= 0, 1.0, -1.0)
        y = normalize(convolve(bits, np.asarray(signs, float), 1, 1), *norm)
        idle += bool(shortcut) and not y.var(axis=0).mean() >= 0.05**2 * x.var(axis=0).mean()
        x = y + x if shortcut else y
    if what == "idle":
        return idle
    out = x.mean(axis=(2, 3)) @ np.asarray(last[0], float).T + np.asarray(last[1], float)
    if not np.isfinite(out).all():
        return 0
    return (out.argmax(axis=1) == labels).mean()


#: Depth, the share that must be read right, and what a student reads. The shares are 3 points
#: below those that students see: other names of the digits give other random numbers.
STEPS = (
    (12, 0.72, "Step 2 of 4 is not reached with other names and another division of the images."),
    (12, 0.82, "Step 3 of 4 is not reached with other names and another division of the images."),
    (
        8,
        0.88,
        "Step 4 of 4 is not reached with eight 1-bit convolutions, names and images changed.",
    ),
)


def deep_network(generator):
    digits = data.load("digits")
    images = np.concatenate([digits.train_images, digits.test_images])
    labels = np.concatenate([digits.train_labels, digits.test_labels])
    count = len(digits.test_labels)
    for turn, (depth, least, message) in enumerate(STEPS):
        names = generator.permutation(10)  # what the digits are called this time
        # Others are left out for the test, none of which the course's test has.
        tested = np.zeros(len(labels), bool)
        tested[turn * count // 2 : turn * count // 2 + count] = True
        parts = [
            Build("quantlib.data.load", "digits", attributes=[f"{part}_images"])
            for part in ("train", "test")
        ]
        yield Case(
            (
                Build("numpy.delete", Build("numpy.concatenate", parts), np.flatnonzero(tested), 0),
                names[labels[~tested]],
                depth,
            ),
            recomputed(
                not_as_agreed,
                0,
                0,
                "The network has another depth, or its numbers have other shapes.",
                given=(depth,),
            ),
            recomputed(not_signs_alone, 0, 0, "The weights of blocks must be -1 and 1."),
            recomputed(
                of_network,
                least,
                1,
                message,
                given=(images[tested], names[labels[tested]], "share"),
            ),
            recomputed(
                of_network,
                0,
                0,
                "Some blocks are idle: they add next to nothing to what their shortcut carries.",
                given=(images[tested], None, "idle"),
            ),
            UNCHANGED,
        )
