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
    Build,
    Case,
    drawn,
    equals,
    integers,
    no_warning,
    recomputed,
    shape,
    unchanged,
)
from quantlib import data

NO_WARNING = no_warning("RuntimeWarning", "There was a warning of NumPy's for other numbers.")
UNCHANGED = unchanged("The inputs were changed in place. Work on new arrays.")


def again(x, values):
    """The drawn array with other values: what the function gets changes with them."""
    argument = values
    if isinstance(x.argument, Build):
        argument = Build("numpy.transpose", values.T.copy())
    return x._replace(values=values, argument=argument)


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

    def case(x, says, argument=None, weight=1):
        upstream = generator.choice([0.01, 1, 30]) * generator.normal(size=x.shape)
        close = {"rtol": 1e-5, "atol": 1e-6}  # float32 is good enough
        return Case(
            (x if argument is None else argument, upstream),
            *(
                equals(value, says(text), part=i, **close)
                for i, (value, text) in enumerate(zip(by_autograd(x, upstream), texts, strict=True))
            ),
            NO_WARNING,
            UNCHANGED,
            weight=weight,
        )

    ends = np.array([-2.0, -1.0, -0.0, 0.0, 1.0, 2.0, -1e300, 1e300])
    yield case(generator.permuted(ends), lambda text: f"{text} where the pieces meet.")
    for side in (-1, 1):
        x = side * generator.uniform(1.05, 4, (4, 5))
        yield case(x, lambda text: f"{text} where all numbers lie outside of -1 to 1.")
        x = side * generator.uniform(0.01, 0.99, (4, 5))
        words = "where all numbers lie on one side of 0 and inside of -1 to 1."
        yield case(x, lambda text, words=words: f"{text} {words}")
    for x in drawn(generator, ndims=(1, 2, 3, 4), each=5, most=4):
        yield case(x.values, x.says, x.argument, x.weight)


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

    def case(w, says, argument=None, weight=1):
        upstream = generator.choice([0.01, 1, 30]) * generator.normal(size=w.shape)
        return Case(
            (w if argument is None else argument, upstream),
            *(
                equals(value, says(text), part=i, rtol=1e-5, atol=0)
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
    ones = generator.choice([-1.0, 1.0], (3, 8))
    yield case(ones, lambda text: f"{text} where all weights lie on the bounds.")
    outside = generator.uniform(1.1, 3, (3, 2, 2, 2)) * generator.choice([-1, 1], (3, 2, 2, 2))
    yield case(outside, lambda text: f"{text} where all weights lie outside of -1 to 1.")
    for x in drawn(generator, ndims=(2, 4), each=6, most=4):
        yield case(x.values, x.says, x.argument, x.weight)


# 3 ---------------------------------------------------------------------------------------------


def in_loops(x, w, gamma, beta, mean, var, eps):
    """The block, sum by sum."""
    images, channels, height, width = x.shape
    y = np.zeros(x.shape)
    places = [(c, i, j) for c in range(channels) for i in range(3) for j in range(3)]
    for n, o, r, q in np.ndindex(images, channels, height, width):
        total = 0
        for c, i, j in places:
            row, column = r + i - 1, q + j - 1
            inside = 0 <= row < height and 0 <= column < width
            positive = not inside or x[n, c, row, column] >= 0
            total += 1 if positive == (w[o, c, i, j] >= 0) else -1
        root = (var[o] + eps) ** 0.5
        y[n, o, r, q] = gamma[o] * (total - mean[o]) / root + beta[o] + x[n, o, r, q]
    return y


def one_bit_block(generator):
    kinds = {
        "for other numbers": lambda s: generator.normal(size=s),
        "where all numbers are positive": lambda s: generator.uniform(0.1, 2, s),
        "where all numbers are negative": lambda s: -generator.uniform(0.1, 2, s),
        "where most numbers are 0": lambda s: (
            generator.normal(size=s) * (generator.random(s) < 0.3)
        ),
        "where all numbers are 0": np.zeros,
        "for very small numbers": lambda s: 1e-12 * generator.normal(size=s),
        "for large numbers": lambda s: 100 * generator.normal(size=s),
        "for whole numbers": lambda s: generator.integers(-3, 4, s).astype(float),
        "for an image of one pixel": lambda s: generator.normal(size=(*s[:2], 1, 1)),
        "for one row of pixels": lambda s: generator.normal(size=(*s[:2], 1, s[3])),
        "for variances as small as eps": lambda s: generator.normal(size=s),
        "for negative gammas": lambda s: generator.normal(size=s),
        "for weights that are 0": lambda s: generator.normal(size=s),
        "for large weights": lambda s: generator.normal(size=s),
        "for a view of an array": lambda s: generator.normal(size=s),
    }
    for words, draw in kinds.items():
        for _ in range(5):
            images, channels, height, width = (int(v) for v in generator.integers(1, 4, 4))
            x = draw((images, channels, height, width))
            w = generator.normal(size=(channels, channels, 3, 3))
            var = generator.uniform(0.5, 9, channels)
            eps = float(generator.choice([1e-5, 0.01, 0.5]))
            gamma = generator.normal(size=channels)
            if "variances" in words:
                eps, var = 0.01, generator.uniform(0, 0.01, channels)
            if "gammas" in words:
                gamma = -generator.uniform(0.5, 2, channels)
            if "that are 0" in words:
                w *= generator.random(w.shape) < 0.3
            if "large weights" in words:
                w *= 100
            norm = (gamma, generator.normal(size=channels), generator.normal(size=channels), var)
            argument = x
            if "view" in words:
                argument = Build("numpy.transpose", np.ascontiguousarray(x.T))
            yield Case(
                (argument, w, *norm, eps),
                shape(x.shape, f"The output must have the shape of x, also {words}."),
                equals(
                    in_loops(x, w, *norm, eps),
                    f"The output is wrong {words}.",
                    rtol=1e-4,
                    atol=1e-5,
                ),
                NO_WARNING,
                UNCHANGED,
                weight=1 / 5,
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
    sizes = [(2, 1), (3, 1), (4, 1), (1, 3), (2, 4), (1, 2), (3, 2), (2, 5), (16, 3), (64, 3)]
    sizes += [(512, 3), (511, 5), (10_000, 7), (9999, 7)]
    drawn_sizes = generator.integers((6, 1), (60, 8), (6, 2))  # none that the notebook shows
    sizes += [(int(c), int(k)) for c, k in drawn_sizes]
    for channels, k in sizes:
        n = channels * k * k
        for shortcut, way in words.items():
            for batch_norm in (True, False):
                right = from_a_fit(n, shortcut, batch_norm)
                if n < 30:
                    assert right == enumerated(n, shortcut, batch_norm)
                with_it = "and with" if batch_norm else "and without"
                text = f"The count is wrong {way} {with_it} batch normalization, for another n."
                yield Case(
                    (channels, k, shortcut, batch_norm),
                    equals(right, text, rtol=0),
                    integers("A count is an int, a whole number."),
                    weight=1 / 10,
                )


# 5 ---------------------------------------------------------------------------------------------


def not_signs(layer, wanted):
    """How many weights are not the signs that they should be; -1 for another shape."""
    signs = np.asarray(layer[0], float)
    if signs.shape != wanted.shape:
        raise ValueError
    return np.sum(signs != wanted)


def change_of_outputs(layer, w, gamma, beta, mean, var, eps, inputs):
    """The largest change of an output, as a share of the largest output (or of 1)."""
    signs, *norm = (np.asarray(part, float) for part in layer)
    if signs.shape != w.shape or any(part.shape != mean.shape for part in norm):
        raise ValueError
    rows, weights = w.reshape(len(w), -1), signs.reshape(len(w), -1)
    alpha = np.abs(rows).mean(axis=1)
    sums = inputs @ np.where(rows >= 0, 1.0, -1.0).T
    before = gamma * (alpha * sums - mean) / np.sqrt(var + eps) + beta
    with np.errstate(all="ignore"):
        after = norm[0] * (inputs @ weights.T - norm[2]) / np.sqrt(norm[3] + eps) + norm[1]
    change = np.abs(after - before) / np.maximum(1, np.abs(before).max(axis=0))
    return np.nan_to_num(change, nan=np.inf).max()


def signs_alone(generator):
    kinds = (
        "for other filters",
        "where magnitudes are unlike",
        "where variances are as small as eps",
        "where weights are 0",
        "where a filter is zero everywhere",
        "where all filters are zero everywhere",
        "where gammas are negative",
        "where weights are very small",
        "where weights are large",
        "where all weights of a filter are negative",
        "for one filter",
        "where eps is 0",
    )
    for words in kinds:
        for _ in range(6):
            outputs, inputs, size = (int(v) for v in generator.integers((2, 1, 1), (5, 4, 4)))
            if words == "for one filter":
                outputs = 1
            w = generator.normal(size=(outputs, inputs, size, size))
            magnitudes = generator.uniform(0.2, 4, (outputs, 1, 1, 1))
            var = generator.uniform(0.5, 30, outputs)
            eps = float(generator.choice([1e-5, 0.01, 0.1]))
            gamma = generator.uniform(0.3, 2, outputs)
            if "unlike" in words:
                magnitudes = 10.0 ** generator.uniform(-2, 1, (outputs, 1, 1, 1))
            if "small as" in words:
                eps = 0.01
                var = generator.uniform(0, 0.02, outputs)
            if "weights are 0" in words:
                w *= generator.random(w.shape) < 0.7
                w[0].flat[0] = 0.0
            if "a filter is zero" in words:
                w[int(generator.integers(outputs))] = 0
            if "all filters" in words:
                w[:] = 0
            if "gammas" in words:
                gamma = -gamma
            if "very small" in words:
                magnitudes = magnitudes * 1e-4
                var = var * 1e-6
            if "are large" in words:
                magnitudes = magnitudes * 100
            if "of a filter" in words:
                w[0] = -np.abs(w[0])
            if "eps is 0" in words:
                eps = 0.0
            w = w * magnitudes
            arguments = (
                w,
                gamma,
                generator.normal(size=outputs),
                generator.normal(size=outputs),
                var,
                eps,
            )
            patches = generator.choice([-1.0, 1.0], (30, inputs * size * size))
            signs = np.where(w >= 0, 1.0, -1.0)
            yield Case(
                arguments,
                recomputed(
                    not_signs, 0, 0, f"The weights must be signs, also {words}.", given=(signs,)
                ),
                recomputed(
                    change_of_outputs,
                    0,
                    1e-5,
                    f"The outputs are not what they were {words}.",
                    given=(*arguments, patches),
                ),
                NO_WARNING,
                UNCHANGED,
                weight=1 / 6,
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


def share_read_right(network, images, labels):
    """The share of the images whose largest output is the label's."""

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
    x = normalize(convolve(images, np.asarray(stem[0], float), 2, 0), *stem[1:])
    for signs, *norm, shortcut in blocks:
        bits = np.where(x >= 0, 1.0, -1.0)
        y = normalize(convolve(bits, np.asarray(signs, float), 1, 1), *norm)
        x = y + x if shortcut else y
    out = x.mean(axis=(2, 3)) @ np.asarray(last[0], float).T + np.asarray(last[1], float)
    if not np.isfinite(out).all():
        return 0
    return (out.argmax(axis=1) == labels).mean()


#: Depth, the share that must be read right, and what a student reads.
STEPS = (
    (12, 0.75, "Step 2 of 4 is not reached where the digits have other names."),
    (12, 0.85, "Step 3 of 4 is not reached where the digits have other names."),
    (8, 0.9, "Step 4 of 4 is not reached with eight 1-bit convolutions and other names."),
)


def deep_network(generator):
    digits = data.load("digits")
    for depth, least, message in STEPS:
        names = generator.permutation(10)  # what the digits are called this time
        yield Case(
            (
                Build("quantlib.data.load", "digits", attributes=["train_images"]),
                names[digits.train_labels],
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
                share_read_right,
                least,
                1,
                message,
                given=(digits.test_images, names[digits.test_labels]),
            ),
            UNCHANGED,
        )
