"""Hidden checks of exercise 4: other inputs, and what must come back for them.

For each graded function a generator of its name yields cases. Inputs are drawn from the course's
seed. Reference results come from other sources than quantlib: exact fractions, torch's gradient of
another formula, NumPy's windows, text of bits, Python's whole numbers, gradients by hand. Inputs
keep away from places where two right ways of computing differ; what lies exactly on such a place
does so for every way of computing it.
"""

import math
import re
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
    integers,
    no_warning,
    parts,
    recomputed,
    shape,
    unchanged,
    viewed,
    watched,
    without_products,
)
from quantlib import data

UNCHANGED = unchanged("The inputs were changed in place. Work on new arrays.")


def signs_of(x):
    """Signs by the sign bit; adding 0 takes it away from -0."""
    return np.copysign(1.0, x + 0.0)


def of(name, words):
    """Words for a kind of array, with its name: where all values of W are positive."""
    return re.sub(r"\b(values?)\b", rf"\1 of {name}", words)


# 1 ---------------------------------------------------------------------------------------------


def with_places(generator, size, *special):
    """Usual numbers, with each of some special ones at a few places."""
    x = generator.normal(size=size)
    places = generator.permutation(x.size)
    for i, place in enumerate(places[: max(len(special), x.size // 2)]):
        x.flat[place] = special[i % len(special)]
    return x


#: The numbers of float32 next to 1.
ABOVE, BELOW = (float(np.nextafter(np.float32(1), np.float32(to))) for to in (2, 0))


def sign_and_gradient(generator):
    def case(x, upstream, says, view, weight):
        x, upstream = x.astype(np.float32), upstream.astype(np.float32)
        # torch's own clamp passes the gradient from -1 to 1, bounds included.
        clamped = torch.tensor(x, dtype=torch.float64, requires_grad=True)
        clamped.clamp(-1, 1).backward(torch.tensor(upstream, dtype=torch.float64))
        return Case(
            (viewed(x, view), viewed(upstream, view)),
            equals(signs_of(x), says("Some signs are wrong"), part=0),
            equals(clamped.grad, says("Some gradients are wrong"), part=1, atol=0),
            UNCHANGED,
            weight=weight,
        )

    def words(text):
        return lambda sentence: f"{sentence} {text}."

    sizes = ((), (60,), (5, 7), (3, 4, 5), (2, 3, 4, 4))
    for i in range(20):
        special = (0.0, -0.0, 1.0, -1.0, ABOVE, -ABOVE, BELOW, -BELOW)
        x = with_places(generator, sizes[i % 5], *(special if i % 5 else special[i // 5 :]))
        upstream = generator.normal(size=x.shape)
        if i >= 10:
            upstream *= 10.0 ** generator.integers(-20, 21, x.shape)
        yield case(x, upstream, words("where 0, 1 and -1 are among the numbers"), VIEWS[i % 3], 0.5)
    for i in range(6):
        x = generator.choice([-1, 1], 24) * 10.0 ** generator.integers(-30, 1, 24)
        yield case(x, generator.normal(size=24), words("next to 0"), VIEWS[i % 3], 1 / 4)
    for i, x in enumerate(drawn(generator, each=5, ndims=(0, 1, 2, 3, 4), dtype=np.float32)):
        upstream = np.where(generator.random(x.values.shape) < 0.2, 0, generator.normal())
        yield case(x.values, np.asarray(upstream), x.says, VIEWS[i % 3], x.weight / 3)


# 2 ---------------------------------------------------------------------------------------------


def layer_by_hand(weight, x, upstream, rate):
    """The outputs, both gradients, and the latent weights after a clipped step, in float64."""
    weight, x, upstream = (v.astype(float) for v in (weight, x, upstream))
    signs, inputs = signs_of(weight), signs_of(x)
    alpha = np.array([math.fsum(row) / len(row) for row in np.abs(weight).tolist()])
    y = alpha * np.einsum("nk,ok->no", inputs, signs)
    for_x = np.einsum("no,o,ok->nk", upstream, alpha, signs) * (np.abs(x) <= 1)
    for_w = alpha[:, None] * np.einsum("no,nk->ok", upstream, inputs) * (np.abs(weight) <= 1)
    return y, for_x, for_w, np.clip(weight - rate * for_w, -1, 1)


def layer_case(weight, x, upstream, rate, words, view="plain", share=1.0):
    weight, x, upstream = (v.astype(np.float32) for v in (weight, x, upstream))
    y, for_x, for_w, after = layer_by_hand(weight, x, upstream, rate)
    alpha = np.abs(weight.astype(float)).mean(axis=1)
    # Some rounding in float32 is allowed, beside the numbers that are added up.
    rough = 1e-5 * float((np.abs(upstream) * alpha).sum(axis=1).max())
    small = 1e-6 * float(alpha.max()) * weight.shape[1]
    close = 1e-6 * float((np.abs(upstream).sum(axis=0) * alpha).max())
    step = 2e-6 * float(max(np.abs(weight).max(), rate * np.abs(for_w).max()))
    return Case(
        (*(viewed(v, view) for v in (weight, x, upstream)), rate),
        parts(4, f"Return four things, also {words}."),
        equals(y, f"The outputs are wrong {words}.", part=0, rtol=1e-4, atol=small),
        equals(for_x, f"The gradient of x is wrong {words}.", part=1, rtol=1e-4, atol=rough),
        equals(for_w, f"The gradient of W is wrong {words}.", part=2, rtol=1e-4, atol=close),
        equals(
            after, f"The latent weights after the step are wrong {words}.", part=3, rtol=1e-4,
            atol=min(step, 2e-6),
        ),
        UNCHANGED,
        weight=share,
    )  # fmt: skip


def binary_linear(generator):
    def quarters(*size):
        """Gradients that float32 adds up exactly."""
        return generator.integers(-20, 21, size) / 4

    def other(outputs, images, inputs):
        """Inputs with zeros and bounds, gradients, and a rate by which some weights are clipped."""
        x = with_places(generator, (images, inputs), 0.0, 1.0, -1.0, ABOVE, -ABOVE, -3.0)
        return x, quarters(images, outputs), float(generator.choice([0.05, 0.2, 0.5]))

    for i, sizes in enumerate(generator.integers((1, 1, 3), (7, 8, 9), (24, 3)).tolist()):
        outputs, images, inputs = sizes
        weight = with_places(generator, (outputs, inputs), 0.0, -0.0, 1.0, -1.0, ABOVE, -ABOVE)
        words = "where 0, 1 and -1 are among weights and inputs"
        yield layer_case(weight, *other(*sizes), words, VIEWS[i % 3], 1 / 2)
    for i, (sizes, words) in enumerate(
        [
            ((1, 6, 5), "for a layer of one output"),
            ((4, 6, 1), "for a layer of one input"),
            ((4, 1, 5), "for one image"),
            ((3, 3, 3), "for as many images as inputs and outputs"),
            ((9, 2, 40), "for tens of inputs"),
            ((2, 60, 7), "for tens of images"),
        ]
    ):
        for j in range(2):
            weight = generator.uniform(-1.2, 1.2, (sizes[0], sizes[2]))
            yield layer_case(weight, *other(*sizes), words, VIEWS[(i + j) % 3], 1 / 4)
    for i in range(4):
        # Nearly all signs agree, or differ: sums that fit into no byte.
        inputs = int(generator.integers(200, 400))
        weight = generator.uniform(0.1, 0.9, (2, inputs)) * [[1], [-1]]
        x = generator.uniform(0.1, 0.9, (3, inputs)) * generator.choice([-1, 1], (3, 1))
        x[:, generator.integers(inputs)] *= -1
        words = "for hundreds of inputs whose signs nearly all agree or differ"
        yield layer_case(weight, x, quarters(3, 2), 0.1, words, VIEWS[i % 3])
    for i in range(4):
        scales = 10.0 ** generator.uniform(-9, 0, (6, 1))
        weight = scales * generator.uniform(-1, 1, (6, 8))
        x = with_places(generator, (5, 8), 0.0, 1.0, -2.0)
        words = "where the outputs' weights are of very different sizes"
        yield layer_case(weight, x, quarters(5, 6), 0.1, words, VIEWS[i % 3], 1 / 4)
    for i in range(4):
        weight = with_places(generator, (3, 6), 0.5, -0.5, 1.0, -1.0)
        words = "where no step is taken, or a very large one"
        x, upstream, _ = other(3, 4, 6)
        yield layer_case(weight, x, upstream, (0.0, 40.0)[i % 2], words, VIEWS[i % 3], 1 / 4)
    for w in drawn(generator, each=4, ndims=(2,), dtype=np.float32):
        outputs, inputs = w.values.shape
        sizes = outputs, int(generator.integers(1, 6)), inputs
        yield layer_case(w.values, *other(*sizes), of("W", w.words), w.view, w.weight / 3)
    for x in drawn(generator, each=4, ndims=(2,), dtype=np.float32):
        images, inputs = x.values.shape
        outputs = int(generator.integers(1, 6))
        weight = generator.uniform(-1.2, 1.2, (outputs, inputs))
        rest = x.values, quarters(images, outputs), 0.1
        yield layer_case(weight, *rest, of("x", x.words), x.view, x.weight / 3)


# 3 ---------------------------------------------------------------------------------------------


def packed_as_text(x, filling="0"):
    """Write the bits of each byte as text, the last one first, and read the number."""
    rows = []
    for row in x.tolist():
        bits = "".join("1" if v < 0 else "0" for v in row)
        bits += filling * (-len(bits) % 8)
        rows.append([int(bits[i : i + 8][::-1], 2) for i in range(0, len(bits), 8)])
    return np.array(rows, np.uint8)


def pack_signs(generator):
    def case(x, words, view, weight, dtype_in=np.float64):
        x = x.astype(dtype_in)
        return Case(
            (viewed(x, view),),
            equals(packed_as_text(x), f"Some bytes are wrong {words}.", rtol=0),
            dtype("uint8", f"The result must have the dtype uint8, also {words}."),
            UNCHANGED,
            weight=weight,
        )

    for i, n in enumerate((1, 2, 3, 5, 7, 8, 9, 12, 15, 16, 17, 23, 31, 33, 40, 64, 66, 90, 127)):
        for rows in ((1, 6), (2, 7), (8, 11))[i % 3]:
            x = with_places(generator, (rows, n), 0.0, -1.0, 1.0, -0.0)
            words = ("for other numbers of values in a row", "for values of float32")[rows % 2]
            floats = (np.float64, np.float32)[rows % 2]
            yield case(x, words, VIEWS[(i + rows) % 3], 1 / 4, floats)
    for i, n in enumerate((8, 13, 30, 65)):
        yield case(-np.zeros((3, n)), "where values are -0", VIEWS[i % 3], 1 / 4)
        x = generator.choice([-1, 1], (4, n)) * 10.0 ** generator.integers(-30, 1, (4, n))
        yield case(x, "next to 0", VIEWS[i % 3], 1 / 4, (np.float64, np.float32)[i % 2])
        yield case(-np.ones((3, n)), "where all signs are -1", VIEWS[i % 3], 1 / 4)
    long = generator.normal(size=(2, 217))
    yield Case(
        (Build("numpy.tile", long, (1, 30)),),
        equals(packed_as_text(np.tile(long, (1, 30))), "Some bytes are wrong for long rows."),
        dtype("uint8", "The result must have the dtype uint8, also for long rows."),
    )
    yield case(generator.normal(size=(150, 3)), "for many rows", "transposed", 1)
    for i, x in enumerate(drawn(generator, each=4, ndims=(2,), most=20)):
        floats = (np.float64, np.float32)[i // 2 % 2]
        yield case(x.values, x.words, x.view, x.weight / 3, floats)


# 4 ---------------------------------------------------------------------------------------------


def xnor_product(generator):
    def case(u, v, words, i, weight):
        n = u.shape[1]
        # What fills the last byte up is anything.
        a, b = packed_as_text(u, "01"[i % 2]), packed_as_text(v, "10"[i // 2 % 2])
        for x in (a, b) if n % 8 and i % 3 == 0 else ():
            x[:, -1] ^= generator.integers(256, size=len(x)).astype(np.uint8) & 256 - 2 ** (n % 8)
        u, v = u.tolist(), v.tolist()
        return Case(
            (*(watched(viewed(x, VIEWS[(i + k) % 3])) for k, x in enumerate((a, b))), n),
            without_products("Two arrays were multiplied. XOR the bytes and count bits."),
            integers(f"The sums must be integers, also {words}."),
            equals(
                [[sum(map(int.__mul__, p, q)) for q in v] for p in u],
                f"Some sums are wrong {words}.",
                rtol=0,
            ),
            UNCHANGED,
            weight=weight,
        )

    def signs(rows, n):
        return generator.choice([-1, 1], size=(rows, n))

    for i, n in enumerate((1, 2, 3, 4, 5, 6, 7, 9, 10, 13, 15, 17, 20, 31, 45, 63, 65, 77, 121)):
        for rows, columns in generator.integers(1, 7, (2, 2)).tolist():
            words = "where the last byte has padding bits"
            yield case(signs(rows, n), signs(columns, n), words, i + rows, 1 / 4)
    for i, n in enumerate((8, 16, 24, 64, 128, 160)):
        words = "where there are no padding bits"
        yield case(signs(3, n), signs(5, n), words, i, 1 / 4)
    for i, n in enumerate((1, 5, 8, 60, 131, 256)):
        u, ones = signs(4, n), np.ones((2, n), int)
        yield case(u, np.concatenate([u, -u]), "where rows are equal or opposite", i, 1 / 4)
        yield case(-ones, np.concatenate([ones, -ones]), "where signs are all the same", i, 1 / 4)
        yield case(u, u, "where both operands are the same", i, 1 / 8)
    for i, n in enumerate((255, 257, 300, 511, 513, 1023, 2050, 4000, 33_003, 70_001)):
        u = signs(2, n)
        v = np.stack([u[0], -u[0], u[1] * (generator.random(n) < 0.9) - (u[1] == 0)])
        v = np.where(v == 0, 1, v)
        yield case(u, v, "for hundreds of signs in a row, or more", i, 1 / 4)
    for i in range(2):
        yield case(signs(60, 21 + 8 * i), signs(45, 21 + 8 * i), "for many rows", i, 1 / 2)


# 5 ---------------------------------------------------------------------------------------------


def normalized_sums(x, weight, gamma, beta, mean, variance, eps):
    """The layer, each window by itself, and how large the terms are that a channel adds up."""
    height, width = weight.shape[2:]
    around = ((0, 0), (0, 0), (height // 2,) * 2, (width // 2,) * 2)
    padded = np.pad(signs_of(x), around, constant_values=1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
    sums = np.einsum("ncyxhw,ochw->noyx", windows, signs_of(weight))
    slope, beta, mean = (v[:, None, None] for v in (gamma / np.sqrt(variance + eps), beta, mean))
    most = np.abs(sums).max(axis=(0, 2, 3))[:, None, None]
    largest = np.abs(slope) * (most + np.abs(mean)) + np.abs(beta)
    return slope * (sums - mean) + beta, largest


def bnn_layer(generator):
    def case(x, weight, channels, eps, words, view, share):
        expected, largest = normalized_sums(x, weight, *channels, eps)
        close = {"rtol": 1e-4, "atol": 1e-5 * largest}
        images, filters = len(x), len(weight)
        return Case(
            (*(viewed(v, view) for v in (x, weight)), *channels, eps),
            shape(
                [images, filters, *x.shape[2:]],
                f"The result must be as large as the images, also {words}.",
            ),
            equals(expected, f"Some results are wrong {words}.", **close),
            UNCHANGED,
            weight=share,
        )

    def channels(filters):
        return (
            *generator.normal(size=(2, filters)),
            generator.normal(scale=3, size=filters),
            generator.uniform(0.5, 9, filters),
        )

    def small_weight(filters, inputs, size):
        return with_places(generator, (filters, inputs, *size), 0.0, 0.3, -0.2, -0.0)

    sizes = [(3, 3), (5, 5), (1, 3), (3, 1), (1, 1), (3, 5), (7, 3), (5, 1)]
    for i in range(24):
        images, inputs, height, width, filters = generator.integers(1, 6, 5).tolist()
        x = with_places(generator, (images, inputs, height, width), 0.0, -1.0, 2.0, -0.0)
        weight = small_weight(filters, inputs, sizes[i % 8])
        words = ("for other images and filters", "for filters that are higher or wider")
        told = words[len(set(sizes[i % 8])) - 1]
        eps = (1e-5, 1e-3, 0.1, 1.0)[i % 4]
        yield case(x, weight, channels(filters), eps, told, VIEWS[i % 3], 1 / 2)
    for i in range(4):
        x, weight = generator.normal(size=(2, 3, 4, 3)), small_weight(6, 3, (3, 3))
        gamma, beta, mean, variance = channels(6)
        eps = 10.0 ** generator.uniform(-6, -1)
        some = (gamma, beta, mean, np.where(np.arange(6) % 2, 0.0, variance))
        yield case(x, weight, some, eps, "where a variance is 0", VIEWS[i % 3], 1 / 4)
        least, size = ((0.0, 1e-11), (1e-12, 1e-15), (1e-11, 1e-12), (1e-6, 1e-7))[i]
        some = (gamma, beta, mean, variance * size)
        yield case(x, weight, some, least, "where variances are tiny", VIEWS[i % 3], 1 / 4)
        some = (np.where(np.arange(6) % 2, 0.0, -gamma), beta, mean, variance)
        yield case(x, weight, some, eps, "where gamma is 0 or negative", VIEWS[i % 3], 1 / 4)
    # Filters that agree with the image, or disagree: sums as large as there are.
    for i, (inputs, size) in enumerate([(40, (3, 3)), (15, (3, 3)), (11, (5, 3)), (260, (1, 1))]):
        x = generator.normal(size=(2, inputs, 5, 4)) + np.array([3, -3])[:, None, None, None]
        weight = small_weight(3, inputs, size)
        weight[0], weight[1] = np.abs(weight[0]), -0.1 - np.abs(weight[1])
        yield case(x, weight, channels(3), 1e-5, "for tens of channels", VIEWS[i % 3], 1 / 8)
    for x in drawn(generator, each=3, ndims=(4,), most=4):
        weight = small_weight(3, x.values.shape[1], sizes[x.values.size % 8])
        told = of("X", x.words)
        yield case(x.values, weight, channels(3), 1e-5, told, x.view, x.weight / 4)
    for w in drawn(generator, each=3, ndims=(4,), most=4):
        filters, inputs, height, width = w.values.shape
        weight = np.resize(w.values, (filters, inputs, height | 1, width | 1))
        x = with_places(generator, (2, inputs, 4, 3), 0.0, -1.0, 2.0)
        told = of("W", w.words)
        yield case(x, weight, channels(filters), 1e-5, told, w.view, w.weight / 4)


# 6 ---------------------------------------------------------------------------------------------


def exact_thresholds(n, channels):
    """Thresholds and flips by fractions."""
    thresholds, flips = [], []
    for values in zip(*(map(Fraction, c.tolist()) for c in channels), strict=True):
        gamma, beta, mean, deviation = values
        flips.append(gamma < 0)
        if gamma == 0:
            first = -n if beta >= 0 else n + 1
        else:
            zero = mean - beta * deviation / gamma
            first = math.floor(zero) + 1 if gamma < 0 else math.ceil(zero)
        thresholds.append(min(max(first, -n), n + 1))
    return thresholds, flips


def usual_channels(generator, n, count):
    """Channels whose s0 lies among the sums, not next to a whole number."""
    gamma = generator.choice([-1, 1], count) * generator.uniform(0.1, 3, count)
    beta, deviation = generator.normal(size=count), generator.uniform(0.5, 2, count)
    zero = generator.integers(-n, n, count) + generator.uniform(0.1, 0.9, count)
    return gamma, beta, zero + beta * deviation / gamma, deviation


def exact_channels(generator, zeros, side=0.0):
    """Channels of numbers that binary fractions hold, whose s0 are the given ones exactly."""
    gamma = generator.choice([-2.0, -0.5, -1.0, 0.5, 1.0, 4.0], size=len(zeros))
    deviation = 2.0 ** generator.integers(-2, 3, len(zeros))
    beta = generator.integers(-12, 13, len(zeros)) / 4
    return gamma, beta, zeros + side + beta * deviation / gamma, deviation


def constant_channels(generator, count):
    """Channels with gamma = 0, or -0, and beta of any size; an even number of them."""
    beta = generator.choice([-1, 1], count) * 10.0 ** generator.uniform(-30, 30, count)
    # What is next to 0 is no 0.
    beta[:2] = generator.choice([0.0, -0.0]), -(10.0 ** generator.uniform(-30, -9))
    return (
        generator.permutation([0.0, -0.0] * (count // 2)),
        beta,
        generator.normal(scale=9, size=count),
        np.ones(count),
    )


def far_channels(generator, n, count):
    """Channels whose sign is the same for all sums."""
    gamma, beta, mean, deviation = usual_channels(generator, n, count)
    away = generator.choice([-1, 1], count) * generator.uniform(2.1, 9, count) * n
    return gamma, beta, mean + away, deviation


def sign_thresholds(generator):
    def case(n, channels, words, view, weight):
        thresholds, flips = exact_thresholds(n, channels)
        return Case(
            (*(viewed(c, view) for c in channels), n),
            parts(2, f"Return two things, also {words}."),
            integers(f"The thresholds must be integers, also {words}.", part=0),
            equals(thresholds, f"Some thresholds are wrong {words}.", part=0, rtol=0),
            equals(flips, f"Some flips are wrong {words}.", part=1),
            no_warning("divide by zero", f"There was a division by gamma = 0 {words}."),
            UNCHANGED,
            weight=weight,
        )

    numbers = (1, 2, 3, 8, 9, 27, 64, 128, 577, 1152, 4608, 20_000)
    for i, n in enumerate(numbers):
        view = VIEWS[i % 3]
        channels = usual_channels(generator, n, 9)
        yield case(n, channels, "where s0 is no whole number", view, 1 / 12)
        zeros = generator.integers(-n, n + 1, 9).astype(float)
        channels = exact_channels(generator, zeros)
        yield case(n, channels, "where batch norm gives exactly 0 for a sum", view, 1 / 6)
        for side in (-(2.0**-20), 2.0**-20):
            channels = exact_channels(generator, zeros, side)
            yield case(n, channels, "where s0 is next to a whole number", view, 1 / 12)
        yield case(n, constant_channels(generator, 6), "where gamma is 0", view, 1 / 12)
        channels = far_channels(generator, n, 6)
        yield case(n, channels, "where the sign is the same for all sums", view, 1 / 6)
        ends = generator.permutation([-n - 1.0, -n, -n + 1.0, n - 1.0, n, n + 1.0])
        for side in (0.0, 0.5, -0.5):
            channels = exact_channels(generator, ends, side)
            yield case(n, channels, "where s0 is at either end of the sums", view, 1 / 12)
        gamma, beta, mean, deviation = usual_channels(generator, n, 7)
        gamma *= 10.0 ** generator.uniform(-29, -9, 7)
        channels = gamma, beta, mean * 0 + 0.25, deviation
        yield case(n, channels, "where gamma is very small", view, 1 / 24)
        # s0 lies among the sums, whatever the sizes are: gamma as small as delta, or sigma small.
        gamma, beta, mean, deviation = usual_channels(generator, n, 8)
        small = 10.0 ** generator.uniform(-20, -9, 8)
        channels = gamma * small, beta * small, mean, deviation
        if i % 2:
            channels = gamma, beta / small, mean, deviation * small
        words = "where gamma and delta are very small, or sigma is"
        yield case(n, channels, words, view, 1 / 24)
        gamma, beta, mean, deviation = usual_channels(generator, n, 7)
        mean = generator.choice([-1, 1], 7) * 10.0 ** generator.uniform(9, 30, 7)
        yield case(n, (gamma, beta, mean, deviation), "where a mean is very large", view, 1 / 12)
        beta = generator.choice([-1, 1], 7) * 10.0 ** generator.uniform(19, 30, 7)
        channels = gamma, beta, np.zeros(7), deviation
        yield case(n, channels, "where beta is very large", view, 1 / 12)
        channels = usual_channels(generator, n, 1)
        yield case(n, channels, "for a single channel", view, 1 / 12)
    # All kinds side by side come last: their message says less.
    for i, n in enumerate((*numbers, *numbers)):
        kinds = (
            usual_channels(generator, n, 8),
            exact_channels(generator, generator.integers(-n, n + 1, 8).astype(float)),
            constant_channels(generator, 4),
            far_channels(generator, n, 4),
        )
        order = generator.permutation(24)
        channels = [np.concatenate(rows)[order] for rows in zip(*kinds, strict=True)]
        yield case(n, channels, "for channels of all kinds", VIEWS[i % 3], 1 / 2)
    yield case(64, usual_channels(generator, 64, 300), "for hundreds of channels", "flipped", 1)


# 7 ---------------------------------------------------------------------------------------------

FAULTS = frozenset({"start", "zero", "clip", "mask"})


def train_by_hand(first, second, x, y, rate, steps, faults=frozenset()):
    """Latent weights and losses, and how near any decision was to falling the other way.

    ``faults`` names those that are made, of the four in the program that must be repaired.
    """
    sign = np.sign if "zero" in faults else signs_of
    weights = [w.astype(float) for w in (first, second)]
    weights = [sign(w) for w in weights] if "start" in faults else weights
    losses, near = [], [1.0]

    def away(values):
        """The least distance from 0, but for what lies there exactly."""
        distances = np.abs(values[values != 0])
        near.append(distances.min(initial=1.0))

    for _ in range(steps):
        w1, w2 = (sign(w) for w in weights)
        a = np.einsum("nk,hk->nh", x, w1) / math.sqrt(x.shape[1])
        h = sign(a)
        p = np.einsum("nh,oh->no", h, w2) / math.sqrt(h.shape[1])
        losses.append(((p - y) ** 2).mean())
        for_p = 2 * (p - y) / p.size / math.sqrt(h.shape[1])
        masks = [np.ones(w.shape) if "mask" in faults else np.abs(w) <= 1 for w in weights]
        through = 1 if "mask" in faults else np.abs(a) <= 1
        for_a = np.einsum("no,oh->nh", for_p, w2) * through
        gradients = (
            np.einsum("nh,nk->hk", for_a, x) / math.sqrt(x.shape[1]),
            np.einsum("no,nh->oh", for_p, h),
        )
        for values in (a, np.abs(a) - 1):
            away(values)
        weights = [w - rate * g * m for w, g, m in zip(weights, gradients, masks, strict=True)]
        if "clip" not in faults:
            weights = [np.clip(w, -1, 1) for w in weights]
        for w in weights:
            near.append(np.abs(w).min())
            away(np.abs(w) - 1)
    return (*weights, np.array(losses)), min(near)


def same(one, other):
    return all(np.allclose(a, b, rtol=1e-6, atol=1e-9) for a, b in zip(one, other, strict=True))


#: What a student reads, the faults that must be mended for it (none: any), steps, the number of
#: runs, and their weight.
RUNS = (
    ("where neither sums of 0 nor clipped weights occur", {"start"}, (1, 2), 6, 1.2),
    ("where weights or sums are 0", {"start", "zero"}, (1, 2), 6, 0.8),
    ("where weights reach the bounds", {"start", "clip"}, (2, 4), 6, 0.8),
    ("where the gradient of a sign must be stopped", {"start", "mask"}, (1, 2), 6, 0.8),
    ("where all that the method says counts", FAULTS, (2, 5), 10, 2.4),
    ("in many steps", FAULTS, (15, 40), 6, 1.2),
    ("where weights are very large or very small", {"start"}, (1, 3), 4, 0.5),
    ("where the loss comes to 0", frozenset(), (4, 9), 4, 0.5),
)  # fmt: skip


def drawn_run(generator, needed, steps, words):
    """Arguments of a run."""
    inputs = int(generator.choice([4, 16] if "zero" in needed else [3, 4, 5, 8]))
    units, outputs, images = (int(v) for v in generator.integers((1, 1, 2), (6, 4, 9)))
    first, second = (
        generator.uniform(-0.95, 0.95, size) for size in ((units, inputs), (outputs, units))
    )
    x, y = generator.normal(size=(images, inputs)), generator.normal(size=(images, outputs))
    rate = float(generator.choice([0.02, 0.05, 0.1]))
    if needed == {"start"}:
        x = generator.uniform(-1, 1, x.shape) / math.sqrt(inputs)  # so that no |a| is above 1
    if "zero" in needed:
        x = generator.integers(-1, 2, x.shape) * (1.0 if "mask" in needed else 0.5)
        for weight in (first, second)[:: generator.choice([-1, 1])][: generator.integers(1, 3)]:
            weight.flat[generator.integers(weight.size)] = generator.choice([0.0, -0.0])
    if "clip" in needed:
        rate = float(generator.choice([0.3, 0.6, 1.0]))
    if "mask" in needed:
        x = x * 1.5 if "zero" not in needed else x
    if "comes to 0" in words:
        # Outputs of a binary network whose sums are divided by 1 or 2, exactly.
        units = int(generator.choice([1, 4]))
        first, second = (
            generator.uniform(-0.6, 0.6, size) for size in ((units, inputs), (outputs, units))
        )
        hidden = signs_of(x @ generator.choice([-1.0, 1.0], (inputs, units)))
        y = hidden @ generator.choice([-1.0, 1.0], (units, outputs)) / math.sqrt(units)
        rate = float(generator.choice([0.3, 0.6, 1.0]))
    if "very" in words:
        first *= 10.0 ** generator.uniform(-28, -9, first.shape)
        second[:] = generator.choice([-1, 1], second.shape) * 1e-7
        rate = 0.05
    return first, second, x, y, rate, int(generator.integers(*steps, endpoint=True))


def repaired_training(generator):
    for words, needed, steps, count, share in RUNS:
        for i in range(count):
            for _ in range(20_000):
                arguments = drawn_run(generator, needed, steps, words)
                (w1, w2, losses), near = train_by_hand(*arguments)
                if near < 1e-9:
                    continue
                if not needed and losses[0] > 0 and 0 in losses[:-1]:
                    break
                if needed and all(
                    same(train_by_hand(*arguments, frozenset({f}))[0], (w1, w2, losses))
                    != (f in needed)
                    for f in FAULTS
                ):
                    break
            else:
                raise RuntimeError(f"no such run: {words}")
            *arrays, rate, number = arguments
            arrays = [viewed(v, VIEWS[(i + k) % 3]) for k, v in enumerate(arrays)]
            close = {"rtol": 1e-7, "atol": 1e-10}
            yield Case(
                (*arrays, rate, number),
                parts(3, f"Return three things, also {words}."),
                shape([number], f"There must be one loss for each step, also {words}.", part=2),
                equals(losses, f"The losses are wrong {words}.", part=2, **close),
                equals(w1, f"The weights of layer 1 are wrong {words}.", part=0, **close),
                equals(w2, f"The weights of layer 2 are wrong {words}.", part=1, **close),
                UNCHANGED,
                weight=share / count,
            )


# 8 ---------------------------------------------------------------------------------------------


def no_signs(network):
    """How far the weights of both layers are from +1 and -1, and flips from 0 and 1."""
    hidden, _, flips, output = (np.asarray(part, float) for part in network)
    far = (abs(hidden) - 1, abs(output) - 1, flips * (1 - flips))
    return max(abs(values).max() for values in far)


def share_read_right(network, bits, labels):
    """The share of the images whose largest sum is the label's, in whole numbers."""
    hidden, thresholds, flips, output = (np.asarray(part, float) for part in network)
    signs = 1.0 - 2.0 * np.unpackbits(bits, axis=1, bitorder="little")
    units = np.where((signs @ hidden.T >= thresholds) != (flips == 1), 1, -1)
    return ((units @ output.T).argmax(axis=1) == labels).mean()


#: Units, the share that must be read right, and what a student reads.
STEPS = (
    (60, 0.6, "Step 1 of 4 is not reached for other names of digits and orders of pixels."),
    (60, 0.82, "Step 2 of 4 is not reached for other names of digits and orders of pixels."),
    (60, 0.88, "Step 3 of 4 is not reached for other names of digits and orders of pixels."),
    (
        60,
        0.925,
        "Step 4 of 4 is not reached for other names of digits and orders of pixels.",
    ),
    (30, 0.87, "Too few digits are read right with 30 units."),
    (100, 0.92, "Too few digits are read right with 100 units."),
)


def train_binary_network(generator):
    digits = data.load("digits")
    for units, least, message in STEPS:
        names = generator.permutation(10)  # what the digits are called this time
        rows, columns = generator.permutation(8), generator.permutation(8)
        images = Build("quantlib.data.load", "digits", attributes=["train_images"])
        for axis, order in ((2, rows), (3, columns)):
            images = Build("numpy.take", images, order, axis)
        pixels = digits.test_images[:, 0][:, rows][:, :, columns].reshape(-1, 64)
        bits = np.hstack([pixels < 0.25, pixels < 0.75])  # 1 is the bit of -1
        given = np.packbits(bits, axis=1, bitorder="little"), names[digits.test_labels]
        yield Case(
            (images, names[digits.train_labels], units),
            parts(4, "Return four things, for every number of units."),
            shape([units, 128], "The hidden layer has the wrong shape for other units.", part=0),
            integers("The thresholds must be integers, for every number of units.", part=1),
            shape([units], "There must be one threshold for each unit.", part=1),
            shape([units], "There must be one flip for each unit.", part=2),
            shape([10, units], "The output layer has the wrong shape for other units.", part=3),
            recomputed(no_signs, 0, 0, "Weights must be +1 and -1, flips True or False."),
            recomputed(share_read_right, least, 1, message, given=given),
            unchanged("The images or labels were changed in place. Work on new arrays."),
        )
