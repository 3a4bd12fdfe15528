"""Hidden checks of exercise 4: other inputs, and what must come back for them.

For each graded function a generator of its name yields cases. Inputs are drawn from the course's
seed. Reference results come from other sources than quantlib: exact fractions, enumeration of all
signs, torch's gradient of another formula, SciPy, text of bits. Inputs keep away from places where
two right ways of computing differ.
"""

import itertools
import math
from fractions import Fraction

import numpy as np
import scipy.signal
import torch

from quantgrader.cases import (
    Build,
    Case,
    dtype,
    equals,
    integers,
    no_warning,
    parts,
    recomputed,
    shape,
    unchanged,
    within,
)
from quantlib import data


def signs_of(x):
    """Signs by the sign bit; adding 0 takes it away from -0."""
    return np.copysign(1.0, x + 0.0)


def with_zeros(generator, size):
    """Numbers of either sign, some of them 0 or -0."""
    x = generator.normal(size=size)
    places = generator.permutation(x.size)
    x.flat[places[: max(1, x.size // 10)]] = 0.0
    x.flat[places[-1]] = -0.0
    return x


def sign_and_gradient(generator):
    for size in ((60,), (5, 7), (2, 3, 4, 4)):
        x = with_zeros(generator, size)
        x.flat[:4] = -1, 1, 1.5, -7
        x, upstream = x.astype(np.float32), generator.normal(size=size).astype(np.float32)
        # torch's own clamp passes the gradient from -1 to 1, bounds included.
        clamped = torch.tensor(x, dtype=torch.float64, requires_grad=True)
        clamped.clamp(-1, 1).backward(torch.tensor(upstream, dtype=torch.float64))
        yield Case(
            (x, upstream),
            equals(signs_of(x), "Some signs are wrong for other inputs or another shape.", part=0),
            equals(
                clamped.grad,
                "Some gradients are wrong for other inputs or another shape.",
                part=1,
                atol=1e-6,
            ),
            unchanged("The inputs were changed in place. Work on new arrays."),
        )


def binarize_filters(generator):
    wrong_alpha = "The alphas are wrong for other weights or another shape."
    wrong_values = "The binary weights are wrong for other weights or another shape."
    for size in ((4, 7), (3, 2, 2, 2), (2, 1, 1, 6), (6, 8, 3, 3), (5, 40)):
        w = with_zeros(generator, size)
        best = best_by_enumeration if w[0].size < 9 else best_by_least_squares
        fits = [best(row) for row in w.reshape(len(w), -1)]
        yield Case(
            (w,),
            equals([alpha for alpha, _ in fits], wrong_alpha, part=0),
            equals(
                np.reshape([alpha * signs for alpha, signs in fits], size), wrong_values, part=1
            ),
            unchanged("The weights were changed in place. Work on a new array."),
        )


def best_by_enumeration(row):
    """Try all signs, each with the alpha that is best for it; at a tie +1 comes first."""
    exact = [Fraction(v) for v in row.tolist()]

    def fit(signs):
        product = sum(v * s for v, s in zip(exact, signs, strict=True))
        return product / len(row)

    def error(signs):
        alpha = fit(signs)
        return sum((v - alpha * s) ** 2 for v, s in zip(exact, signs, strict=True))

    # Turning all signs round turns alpha round: of each such pair the one with alpha > 0.
    candidates = [s for s in itertools.product((1, -1), repeat=len(row)) if fit(s) > 0]
    signs = min(candidates, key=error)
    return float(fit(signs)), np.array(signs)


def best_by_least_squares(row):
    signs = signs_of(row)
    return np.linalg.lstsq(signs[:, None], row)[0].item(), signs


def k_map(generator):
    for size, height, width in (
        ((1, 1, 4, 4), 2, 2),
        ((2, 3, 5, 6), 3, 2),
        ((3, 4, 4, 7), 1, 5),
        ((1, 5, 6, 4), 4, 1),
        ((2, 2, 3, 3), 3, 3),
    ):
        x = generator.normal(size=size).astype(np.float32)
        # Every window by itself, all channels at once.
        windows = np.lib.stride_tricks.sliding_window_view(
            np.abs(x.astype(float)), (height, width), axis=(2, 3)
        )
        yield Case(
            (x, height, width),
            shape(
                [size[0], 1, size[2] - height + 1, size[3] - width + 1],
                "The shape is wrong for other images or another window.",
            ),
            equals(
                windows.mean(axis=(1, 4, 5))[:, None],
                "K is wrong for other images or another window.",
                rtol=1e-4,
            ),
            unchanged("The images were changed in place. Work on a new array."),
        )


def pack_signs(generator):
    for rows, n in ((1, 1), (3, 8), (4, 21), (2, 64), (5, 7), (3, 90)):
        x = with_zeros(generator, (rows, n))
        yield Case(
            (x,),
            equals(
                packed_as_text(x),
                "Some bytes are wrong for other values, or more or fewer in a row.",
            ),
            dtype("uint8", "The result must have the dtype uint8, for every number of values."),
            unchanged("The values in x were changed in place. Work on a new array."),
        )


def packed_as_text(x, filling="0"):
    """Write the bits of each byte as text, the last one first, and read the number."""
    rows = []
    for row in x.tolist():
        bits = "".join("1" if v < 0 else "0" for v in row)
        bits += filling * (-len(bits) % 8)
        rows.append([int(bits[i : i + 8][::-1], 2) for i in range(0, len(bits), 8)])
    return np.array(rows, np.uint8)


def xnor_product(generator):
    for rows, columns, n in ((1, 1, 3), (4, 6, 16), (3, 5, 45), (2, 7, 300), (6, 2, 1023)):
        a = generator.choice([-1, 1], size=(rows, n))
        b = generator.choice([-1, 1], size=(columns, n))
        b[0] = -a[0]
        # What fills the last byte up is 0 for one operand and 1 for the other.
        yield Case(
            (packed_as_text(a, "0"), packed_as_text(b, "1"), n),
            integers("The sums must be integers, for every number of values."),
            equals(
                [[sum(map(int.__mul__, u, v)) for v in b.tolist()] for u in a.tolist()],
                "Some sums are wrong for other numbers of rows and values.",
            ),
            unchanged("The bytes were changed in place. Work on new arrays."),
        )


def bnn_layer(generator):
    for (images, channels, height, width), filters, size, eps in (
        ((1, 1, 4, 5), 3, (3, 3), 1e-5),
        ((2, 3, 5, 4), 2, (5, 5), 1e-3),
        ((2, 4, 3, 6), 5, (1, 3), 0.1),
        ((1, 6, 6, 3), 4, (3, 1), 1e-5),
        ((3, 2, 3, 3), 2, (1, 1), 0.5),
    ):
        x = with_zeros(generator, (images, channels, height, width)).astype(np.float32)
        weight = with_zeros(generator, (filters, channels, *size)).astype(np.float32)
        gamma, beta = generator.normal(size=(2, filters))
        mean = generator.normal(scale=3, size=filters)
        variance = generator.uniform(0.5, 9, size=filters)
        expected = np.zeros((images, filters, height, width))
        around = [(size[0] // 2,) * 2, (size[1] // 2,) * 2]
        for i, o in itertools.product(range(images), range(filters)):
            sums = sum(
                scipy.signal.correlate(
                    np.pad(signs_of(x[i, c]), around, constant_values=1),
                    signs_of(weight[o, c]),
                    mode="valid",
                    method="direct",
                )
                for c in range(channels)
            )
            slope = gamma[o] / math.sqrt(variance[o] + eps)
            expected[i, o] = slope * sums + (beta[o] - slope * mean[o])
        yield Case(
            (x, weight, gamma, beta, mean, variance, eps),
            equals(
                expected,
                "Some results are wrong for other images, filters or channels.",
                rtol=1e-4,
                atol=1e-4,
            ),
            unchanged("The inputs were changed in place. Work on new arrays."),
        )


def sign_thresholds(generator):
    for n, channels in ((1, 6), (9, 12), (64, 20), (577, 30)):
        yield threshold_case(n, *normalization(generator, n, channels))
    # Numbers that binary fractions hold exactly, so that batch norm gives exactly 0.
    for n in (8, 27):
        zeros = generator.integers(1 - n, n, size=10).astype(float)
        gamma = generator.choice([-2.0, -0.5, 0.5, 1.0, 4.0], size=10)
        gamma[:2] = -1, 1
        deviation = 2.0 ** generator.integers(-2, 3, size=10)
        beta = generator.integers(-12, 13, size=10) / 4
        yield threshold_case(n, gamma, beta, zeros + beta * deviation / gamma, deviation)


def normalization(generator, n, channels):
    """Random channels: some constant, some whose sign never changes, none near an edge."""
    gamma, beta = generator.normal(size=(2, channels))
    deviation = generator.uniform(0.5, 2, size=channels) * math.sqrt(n)
    mean = generator.normal(scale=math.sqrt(n), size=channels)
    gamma[0], gamma[1], gamma[2:4] = 0, 0, (0.01, -0.01)
    beta[:4] = 1, -1, 5, 5
    if channels > 6:
        gamma[4:7], beta[4:7] = (0.01, -0.01, 0), (-5, -5, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        edges = np.nan_to_num(mean - beta * deviation / gamma, nan=0.5, posinf=0.5, neginf=0.5)
    near = np.abs(edges - np.round(edges)) < 1e-3
    return gamma, beta, np.where(near, mean + 0.01, mean), deviation


def threshold_case(n, *channels):
    thresholds, flips = [], []
    for values in zip(*(map(Fraction, c.tolist()) for c in channels), strict=True):
        gamma, beta, mean, deviation = values
        normalized = [gamma * (s - mean) / deviation + beta for s in range(-n, n + 1)]
        turned = gamma < 0
        # The first sum on the upper side: +1, or -1 where the comparison is turned round.
        above = [s for s, v in zip(range(-n, n + 1), normalized, strict=True) if (v < 0) == turned]
        thresholds.append(above[0] if above else n + 1)
        flips.append(turned)
    return Case(
        (*channels, n),
        parts(2, "Return two things, for every number of channels."),
        integers("The thresholds must be integers, for every channel.", part=0),
        equals(
            thresholds, "Some thresholds are wrong for other channels or another n.", part=0, rtol=0
        ),
        equals(flips, "Some flips are wrong for other channels.", part=1),
        no_warning("divide by zero", "There was a division by gamma = 0 for other channels."),
        unchanged("The inputs were changed in place. Work on new arrays."),
    )


def distance_from_claims(answer, inputs, lists):
    """How far the agreements are from those of the bits and thresholds that stand beside them."""
    hidden_bits, thresholds, flips, output_bits, claimed = map(np.asarray, answer)

    def products(signs, bits, n):  # XNOR and popcount
        bits = np.unpackbits(bits, axis=1, count=n, bitorder="little")
        return np.array([n - 2 * (signs != row).sum(axis=1) for row in bits]).T

    hidden = (products(inputs, hidden_bits, 128) < thresholds) != flips
    read = products(hidden, output_bits, len(thresholds)).argmax(axis=1)
    return abs((read == lists).mean(axis=1) - claimed)


def train_binary_network(generator):
    # Honest networks read 94 % on average and 90 % at least, those with random hidden weights 86 %
    # at most. With more units random weights would do.
    digits = data.load("digits")
    pixels = digits.test_images.reshape(-1, 64)
    inputs = np.hstack([pixels < 0.25, pixels < 0.75])  # True is the bit of -1
    for units, place in ((66, 0), (75, 3)):
        names = generator.permutation(10)  # what the digits are called this time
        train_labels, labels = names[digits.train_labels], names[digits.test_labels]
        lists = np.array([(labels + shift) % 10 for shift in generator.permutation(9)[:4] + 1])
        lists[place] = labels
        low, high = np.zeros(4), np.full(4, 0.1)
        low[place], high[place] = 0.87, 1
        yield Case(
            (
                Build("quantlib.data.load", "digits", attributes=["train_images"]),
                train_labels,
                units,
                Build("quantlib.data.load", "digits", attributes=["test_images"]),
                lists,
            ),
            parts(5, "Return five things, for every number of units."),
            dtype("uint8", "The bits of the hidden layer must be packed in bytes.", part=0),
            shape(
                [units, 16], "The hidden layer's bits have the wrong shape for other units.", part=0
            ),
            integers("The thresholds must be integers, for every number of units.", part=1),
            shape([units], "There must be one threshold for each unit.", part=1),
            shape([units], "There must be one flip for each unit.", part=2),
            dtype("uint8", "The bits of the output layer must be packed in bytes.", part=3),
            shape(
                [10, -(-units // 8)],
                "The output layer's bits have the wrong shape for other units.",
                part=3,
            ),
            shape([4], "There must be one agreement for each list.", part=4),
            within(
                low,
                1,
                "Too few of the digits are read right when all digits have other names.",
                part=4,
            ),
            within(
                0,
                high,
                "The network agrees too often with a list that is not the right one.",
                part=4,
            ),
            recomputed(
                distance_from_claims,
                0,
                1e-6,
                "The agreements are not those of the bits, thresholds and flips beside them.",
                given=(inputs, lists),
            ),
        )
