"""Hidden checks of exercise 10: other inputs, and what must come back for them.

For each graded function a generator of its name yields cases. Inputs are drawn from the course's
seed. Reference results come from other sources than quantlib: exact fractions, sums by
`math.fsum`, number by number. Inputs keep away from places where a result jumps, but for the ends
of ranges, where each side is defined.
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


def digits_of(expected, message, part=None, size=0.0):
    """Requirements: the first digits are right, and then nine; ``size`` is that of the terms."""
    finer = f"{message} Only its first digits are right: compute in float64, and round nothing."
    return (
        equals(expected, message, part=part, rtol=1e-5, atol=1e-5 * size),
        equals(expected, finer, part=part, rtol=1e-9, atol=1e-10 * size),
    )


def exactly(expected, message, part=None):
    """A requirement: whole numbers, all of them right."""
    return equals(expected, message, part=part, rtol=0, atol=0)


def moved_off(values, units, least=1e-3):
    """Values that are not near half of a unit, nor near a whole one."""
    ratios = values / units
    near = np.abs(np.mod(2 * ratios + 0.5, 1) - 0.5) < 2 * least
    return np.where(near, values + 3 * least * units, values)


def far_and_near(generator, count):
    """Numbers of both signs: some of the usual size, some far smaller, some far and very far."""
    kinds = np.arange(count) % 4
    tens = generator.uniform(
        [[0] * count, [-26] * count, [9.5] * count, [20] * count],
        [[0] * count, [-8] * count, [12] * count, [26] * count],
    )
    signs = 1.0 - 2 * (np.arange(count) // 4 % 2)
    sizes = generator.uniform(0.2, 2, count) * 10.0 ** np.choose(kinds, tens)
    return generator.permutation(signs * sizes)


# 1 ---------------------------------------------------------------------------------------------


def range_gradients(x, low, high, bits, grad):
    """Values, gradients of the numbers, and of both ends, by fractions."""
    unit = (Fraction(high) - Fraction(low)) / (2**bits - 1)
    zero = round(-Fraction(low) / unit)
    ends = -zero * unit, (2**bits - 1 - zero) * unit
    values, passed, below, above = [], [], [], []
    for v, g in zip(x.ravel().tolist(), grad.ravel().tolist(), strict=True):
        kept = min(max(Fraction(v), ends[0]), ends[1])
        values.append(float(round(kept / unit) * unit))
        passed.append(g if kept == v else 0.0)
        if v < ends[0]:
            below.append(g)
        if v > ends[1]:
            above.append(g)
    values, passed = np.reshape(values, x.shape), np.reshape(passed, x.shape)
    return values, passed, math.fsum(below), math.fsum(above)


def fake_quantize(generator):
    def case(x, low, high, bits, words, i=0, weight=1, grad=None):
        grad = generator.normal(size=x.shape) if grad is None else grad
        values, passed, below, above = range_gradients(x, low, high, bits, grad)
        size = float(np.abs(grad).sum())
        return Case(
            (viewed(x, VIEWS[i % 3]), low, high, bits, viewed(grad, VIEWS[(i // 3) % 3])),
            *digits_of(values, f"The values are wrong {words}.", 0, (high - low) * 1e-3),
            *digits_of(passed, f"The gradient of x is wrong {words}.", 1),
            *digits_of(below, f"The gradient of low is wrong {words}.", 2, size),
            *digits_of(above, f"The gradient of high is wrong {words}.", 3, size),
            SAME,
            weight=weight,
        )

    def ends(bits, left=True, right=True):
        low, high = generator.uniform(0.3, 3, 2)
        low, high = -float(low) * left, float(high) * right
        while abs((-low * (2**bits - 1) / (high - low)) % 1 - 0.5) < 1e-3:
            high, low = high * 1.01, low * 0.997
        return low, high

    shapes = ((7,), (3, 4), (5, 1), (2, 3, 2), (40,), (2, 2, 1, 5), (1,))
    count = 0
    for words, options in {
        "for other numbers": {},
        "where low is 0": {"left": False},
        "where high is 0": {"right": False},
    }.items():
        for bits in range(1, 9):
            low, high = ends(bits, **options)
            sizes = shapes[count % len(shapes)]
            x = generator.uniform(2 * low - 0.5, 2 * high + 0.5, sizes)
            x = moved_off(x, (high - low) / (2**bits - 1))
            yield case(x, low, high, bits, words, count, 1 / 4)
            count += 1
    for unit in (1e-20, 1e20):
        for bits in (2, 4, 8):
            low, high = (unit * v for v in ends(bits))
            x = moved_off(generator.uniform(2 * low, 2 * high, 20), (high - low) / (2**bits - 1))
            words = "for very small numbers" if unit < 1 else "for very large numbers"
            yield case(x, low, high, bits, words, count, 1 / 3)
    for bits, zero in ((2, 1), (4, 5), (8, 128), (3, 0), (3, 7)):
        low, high = -zero / 8, (2**bits - 1 - zero) / 8
        x = np.array([low, high, low - 1, high + 1, low + 0.03, high - 0.03, low, high])
        yield case(x, low, high, bits, "where numbers lie on the ends of the range", weight=1 / 2)
    words = "where numbers lie between the ends that came and those that 0 moved"
    for _ in range(4):
        bits = int(generator.integers(2, 4))
        top, zero = 2**bits - 1, int(generator.integers(1, 3))
        unit, moved = float(generator.uniform(0.5, 2)), float(generator.uniform(0.2, 0.4))
        for sign in (-1, 1):
            low = -unit * (zero + sign * moved)
            high = low + unit * top
            new = -unit * zero, unit * (top - zero)
            x = np.array([(low + new[0]) / 2, (high + new[1]) / 2, new[0] - unit, new[1] + unit])
            yield case(x, low, high, bits, words, weight=1 / 4)
    low, high = ends(4)
    x = generator.uniform(low, high, 30) * 0.9
    words = "where no number is beyond the range"
    yield case(moved_off(x, (high - low) / 15), low, high, 4, words)
    words = "where all numbers are beyond the range"
    yield case(np.array([3 * low, 4 * high, 2 * low - 1]), low, high, 4, words)
    words = "where the gradient is 0 in places"
    x = moved_off(generator.uniform(2 * low, 2 * high, 30), (high - low) / 15)
    grad = generator.normal(size=30) * generator.integers(0, 2, 30)
    yield case(x, low, high, 4, words, grad=grad)
    for bits in (1, 3, 4, 8):
        low, high = ends(bits, left=bits != 4)
        x = moved_off(far_and_near(generator, 12), (high - low) / (2**bits - 1))
        yield case(x, low, high, bits, "where numbers lie far beyond the range", weight=1 / 3)
        words = "where the gradients are of very different sizes"
        x, grad = generator.uniform(2 * low, 2 * high, 8), far_and_near(generator, 8)
        x = moved_off(x, (high - low) / (2**bits - 1))
        yield case(x, low, high, bits, words, weight=1 / 4, grad=grad)
        words = "where all gradients are the same"
        grad = np.full(8, generator.uniform(0.5, 2))
        yield case(x, low, high, bits, words, weight=1 / 4, grad=grad)
    for bits in (1, 2, 4, 8):
        step = 2.0 ** int(generator.integers(-9, 4))
        zero = int(generator.integers(1, 2**bits))
        low, high = -zero * step, (2**bits - 1 - zero) * step
        x = step * generator.permutation([0, 0, 1, -1, *generator.integers(-300, 300, 6)])
        words = "where numbers are 0, or lie on levels"
        yield case(x, low, high, bits, words, weight=1 / 4)
        step, words = float(generator.uniform(0.5, 2)), "where one of the ends is moved to 0"
        most, least = step * (2**bits - 1), -0.2 * step
        for low, high in ((least, most), (-most, -least), (-1e-20, most), (-most, 1e-20)):
            x = np.array([-0.1, 0.1, -0.3, 0.3, -2, 2, *generator.uniform(-3, 3, 4)]) * step
            x = moved_off(x, (high - low) / (2**bits - 1))
            yield case(x, low, high, bits, words, weight=1 / 8)


# 2 ---------------------------------------------------------------------------------------------


def learned(x, steps, least, most, grad, rate):
    """Values, both gradients, the steps afterwards, and the size of the terms, row by row."""
    values, passed, slopes, after, size = [], [], [], [], 0.0
    for row, s, g_row in zip(x, steps.tolist(), grad, strict=True):
        terms = []
        for v, g in zip(row.ravel().tolist(), g_row.ravel().tolist(), strict=True):
            code = round(v / s)
            if code < least or code > most:
                code = least if code < least else most
                passed.append(0.0)
                terms.append(g * code)
            else:
                passed.append(g)
                terms.append(g * (code - v / s))
            values.append(code * s)
        scale = 1 / math.sqrt(len(terms) * most)
        slopes.append(scale * math.fsum(terms))
        size = max(size, scale * max(map(abs, [*terms, *g_row.ravel()])))
        after.append(s * math.exp(-rate * s * slopes[-1]))
    return np.reshape(values, x.shape), np.reshape(passed, x.shape), slopes, after, size


def learned_step(generator):
    def case(sizes, codes, words, i=0, weight=1, scale=1.0, spread=1.0, strength=1.0, **fixed):
        rows = sizes[0]
        steps = scale * np.exp(generator.uniform(-2, 2, rows)) * fixed.get("unlike", 1.0)
        across = steps.reshape(-1, *[1] * (len(sizes) - 1))
        x = generator.normal(size=sizes) * across * (1 + codes[1]) * spread
        x = moved_off(fixed.get("x", x), across)
        if "ratios" in fixed:
            steps = 2.0 ** generator.integers(-6, 5, rows)
            whole = [*fixed["ratios"], *generator.integers(-20, 20, x.size)][: x.size]
            x = np.reshape(generator.permutation(whole), sizes) * steps[:, None]
        grad = fixed.get("grad", generator.normal(size=sizes))
        slopes = learned(x, steps, *codes, grad, 0.0)[2]
        rate = strength * generator.uniform(0.5, 1.5)
        rate = float(rate / max(np.abs(steps * slopes).max(), 1e-12 * scale))
        values, passed, slopes, after, size = learned(x, steps, *codes, grad, rate)
        given = (viewed(x, VIEWS[i % 3]), steps, *codes, viewed(grad, VIEWS[(i // 3) % 3]), rate)
        return Case(
            given,
            *digits_of(values, f"The values are wrong {words}.", 0),
            *digits_of(passed, f"The gradient of x is wrong {words}.", 1),
            *digits_of(slopes, f"The gradient of the steps is wrong {words}.", 2, size),
            *digits_of(after, f"The new steps are wrong {words}.", 3),
            SAME,
            weight=weight,
        )

    shapes = ((3, 4), (2, 3, 3, 3), (4, 2, 5), (1, 7), (5, 1), (4, 4), (3, 3, 2, 2))
    count = 0
    for codes in ((-7, 7), (-8, 7), (0, 15), (-1, 1), (-2, 1), (0, 1), (-128, 127), (0, 255)):
        for words, options in {
            "for other numbers": {},
            "where hardly any number is clamped": {"spread": 0.2},
            "where most numbers are clamped": {"spread": 5.0},
        }.items():
            yield case(shapes[count % len(shapes)], codes, words, count, 1 / 4, **options)
            count += 1
    for scale in (1e-15, 1e15):
        words = "for very small steps" if scale < 1 else "for very large steps"
        for codes in ((-7, 7), (0, 3)):
            yield case((3, 5), codes, words, 0, 1 / 2, scale=scale)
    for codes in ((-7, 7), (0, 15), (-2, 1)):
        words = "where the gradient is so large that a subtraction would cross 0"
        yield case((4, 6), codes, words, 0, 2 / 3, strength=6.0)
    for _ in range(3):
        words = "where all numbers lie beyond the last code"
        x = np.abs(generator.normal(size=(3, 4))) + 1e4
        yield case((3, 4), (-7, 7), words, 0, 1 / 3, x=x)
    for codes in ((-7, 7), (0, 15), (-2, 1)):
        x = far_and_near(generator, 24).reshape(4, 6)
        words = "where some numbers lie far beyond the last code"
        yield case((4, 6), codes, words, 0, 1 / 3, x=x)
        words = "where the channels' steps are of very different sizes"
        yield case(
            (5, 4), codes, words, 0, 1 / 3, unlike=10.0 ** generator.permutation(range(-9, 6, 3))
        )
    yield case((3, 50), (-7, 7), "for many numbers with one step")
    yield case((40, 3), (-7, 7), "for many steps")
    yield case((2, 3), (-7, 7), "where the gradient is 0", grad=np.zeros((2, 3)))
    yield case((1, 1), (-7, 7), "for a single number", spread=0.3)
    for codes in ((-7, 7), (-8, 7), (0, 15), (-2, 1)):
        words = "where the gradients are of very different sizes"
        grad = far_and_near(generator, 12).reshape(3, 4)
        yield case((3, 4), codes, words, 0, 1 / 4, grad=grad)
        words = "where all gradients are the same"
        yield case((3, 4), codes, words, 0, 1 / 4, spread=3.0, grad=np.ones((3, 4)))
        words = "where one channel has no gradient"
        grad = generator.normal(size=(3, 4)) * np.array([[1], [0], [1]])
        yield case((3, 4), codes, words, 0, 1 / 4, grad=grad)
        words = "where numbers are 0, or lie on levels"
        yield case((4, 6), codes, words, 0, 1 / 4, ratios=[codes[1] + 3, *codes, 0, 0, 1, -1])


# 3 ---------------------------------------------------------------------------------------------


def clipped(x, alpha, bits, grad, decay):
    """Values, gradients, and the size of what the clip's gradient is made of."""
    unit = Fraction(alpha) / (2**bits - 1)
    values, passed, terms = [], [], [2 * decay * alpha]
    for v, g in zip(x.ravel().tolist(), grad.ravel().tolist(), strict=True):
        if v >= alpha:
            terms.append(g)
            values.append(alpha)
        else:
            values.append(float(round(Fraction(v) / unit) * unit) if v > 0 else 0.0)
        passed.append(g if 0 <= v < alpha else 0.0)
    size = math.fsum(map(abs, terms))
    return np.reshape(values, x.shape), np.reshape(passed, x.shape), math.fsum(terms), size


def pact(generator):
    def case(x, alpha, bits, decay, words, i=0, weight=1, off=True, grad=None):
        x = np.where(x > 0, moved_off(x, alpha / (2**bits - 1)), x) if off else x
        grad = generator.normal(size=x.shape) if grad is None else grad
        values, passed, slope, size = clipped(x, alpha, bits, grad, decay)
        return Case(
            (viewed(x, VIEWS[i % 3]), alpha, bits, viewed(grad, VIEWS[(i // 3) % 3]), decay),
            *digits_of(values, f"The values are wrong {words}.", 0),
            *digits_of(passed, f"The gradient of x is wrong {words}.", 1),
            *digits_of(slope, f"The gradient of the clip is wrong {words}.", 2, size),
            SAME,
            weight=weight,
        )

    shapes = ((9,), (3, 4), (5, 1), (2, 3, 2), (30,), (2, 2, 1, 4))
    count = 0
    for bits in range(1, 9):
        for decay in (0.0, float(generator.uniform(0.001, 0.1))):
            alpha = float(generator.uniform(0.5, 6))
            x = generator.uniform(-alpha, 2 * alpha, shapes[count % len(shapes)])
            yield case(x, alpha, bits, decay, "for other numbers", count, 1 / 4)
            count += 1
    for unit in (1e-20, 1e20):
        words = "for very small numbers" if unit < 1 else "for very large numbers"
        for bits in (2, 4):
            x = unit * generator.uniform(-1, 4, 20)
            yield case(x, 2 * unit, bits, 0.3, words, 0, 1 / 2)
    for bits in (1, 2, 4):
        x = np.array([0.0, 3.0, -0.5, 3.5, 0.0, 3.0, 1e-9])
        yield case(x, 3.0, bits, 0.0, "where numbers are 0, or the clip itself", off=False)
    yield case(-generator.random(6), 1.5, 4, 0.25, "where no number is above 0")
    yield case(generator.random(6) + 5, 1.5, 4, 0.25, "where all numbers are beyond the clip")
    yield case(generator.uniform(0, 1, 6), 2.5, 4, 0.125, "where no number is beyond the clip")
    for bits in (1, 4, 8):
        x = far_and_near(generator, 12)
        yield case(x, 1.5, bits, 0.25, "where some numbers lie far beyond the clip", 0, 1 / 3)
        words = "where the gradients are of very different sizes"
        x, grad = generator.uniform(-2, 4, 9), far_and_near(generator, 9)
        yield case(x, 1.5, bits, 0.25, words, 0, 1 / 3, grad=grad)
        words = "where all gradients are the same"
        yield case(x, 1.5, bits, 0.25, words, 0, 1 / 3, grad=np.full(9, -0.75))
    for bits in range(1, 9):
        part = 1.75 / (2**bits - 1)
        near = generator.uniform(0.05, 0.45, 6) * part
        words = "where numbers are rounded to 0 or to the clip, but lie beside it"
        x = np.concatenate([near[:3], 1.75 - near[3:], -near[:2], 1.75 + near[:2]])
        yield case(x, 1.75, bits, 0.5 * (bits % 2), words, bits, 1 / 4)


# 4 ---------------------------------------------------------------------------------------------


def followed(batches, training, frozen_from, start, momentum):
    """The range of each batch, by recursion written out in floats."""
    ends, rows = list(start), []
    for number, (batch, trains) in enumerate(zip(batches, training, strict=True)):
        flat = sorted(np.ravel(batch).tolist())
        if trains and number < frozen_from and flat:
            ends = [e + momentum * (v - e) for e, v in zip(ends, (flat[0], flat[-1]), strict=True)]
        rows.append([min(ends[0], 0.0), max(ends[1], 0.0)])
    return rows


def observe(generator):
    def case(batches, training, frozen_from, start, momentum, words, weight=1):
        rows = followed(batches, training, frozen_from, start, momentum)
        size = max(abs(v) for row in [*rows, start] for v in row)
        return Case(
            (batches, training, frozen_from, start, momentum),
            shape([len(batches), 2], f"Return a pair for each batch, also {words}."),
            *digits_of(rows, f"The ranges are wrong {words}.", size=size),
            SAME,
            weight=weight,
        )

    def some(count, shift=0.0):
        sizes = [tuple(generator.integers(1, 5, 1 + i % 3).tolist()) for i in range(count)]
        return [generator.normal(size=s) * generator.uniform(0.5, 3) + shift for s in sizes]

    for i in range(3):
        momentum = float(generator.uniform(0.05, 0.9))
        flags = [True] * 6
        start = (-1.0, 2.0)
        yield case(some(6), flags, 6, start, momentum, "for other batches", 1 / 3)
        yield case(some(6, 9.0), flags, 6, (0.5, 2.0), momentum, "where all lies above 0", 1 / 3)
        yield case(some(6, -9.0), flags, 6, (-2, -1), momentum, "where all lies below 0", 1 / 3)
        words = "where batches lie above 0, then below it"
        mixed = [*some(3, 5.0), *some(4, -5.0)]
        yield case(mixed, [True] * 7, 7, (0.5, 1.0), momentum, words, 1 / 3)
        flags = generator.permutation([True, False] * 4).tolist()
        words = "where training and evaluation alternate"
        yield case(some(8), flags, 8, start, momentum, words, 2 / 3)
        words = "where the observer is frozen in training"
        yield case(some(6), [True] * 6, 2 + i, start, momentum, words, 2 / 3)
        yield case(some(8), flags, 3 + i, start, momentum, f"{words}, with evaluations", 1 / 3)
        words = "where it is frozen from the first batch on"
        yield case(some(3), [True] * 3, 0, (-0.3, 0.7), momentum, words, 1 / 3)
        batches = some(5)
        batches[i], batches[4] = np.zeros((0, 3)), np.zeros(0)
        words = "where a batch is empty"
        yield case(batches, [True] * 5, 5, start, momentum, words, 2 / 3)
    batches = some(4)
    yield case(batches, [True] * 4, 4, (-1.0, 1.0), 1.0, "where the momentum is 1")
    yield case(batches, [False] * 4, 4, (-1.0, 1.5), 0.5, "where nothing is trained")
    yield case([np.array([2.5])], [True], 1, (0.0, 1.0), 0.5, "for a batch of a single number")
    for sizes in ((2, 0), (3, 0, 2), (1, 4, 0)):
        batches = some(4)
        batches[1] = np.zeros(sizes)
        words = "where a batch has rows, but no number in them"
        yield case(batches, [True] * 4, 4, (-1.0, 1.0), 0.3, words, 1 / 3)
    for start in ((-1.5, 2.0), (1.0, 2.0), (-2.0, -1.0)):
        batches = some(5)
        batches[1], batches[2] = np.zeros((2, 3)), np.zeros(1)
        words = "where all numbers of a batch are 0"
        yield case(batches, [True] * 5, 5, start, 0.4, words, 1 / 3)
    batches = [np.zeros(3), np.zeros((2, 2)), np.full(4, 1.5)]
    words = "where there is nothing but 0 at first"
    yield case(batches[:2], [True, True], 2, (0.0, 0.0), 0.5, words, 1 / 3)
    yield case(batches, [True, False, True], 3, (0.0, 0.0), 0.25, words, 1 / 3)
    for unit in (1e-20, 1e20):
        words = "for very small numbers" if unit < 1 else "for very large numbers"
        batches = [unit * v for v in some(4)]
        yield case(batches, [True] * 4, 4, (-unit, unit), 0.3, words, 1 / 3)
    for count in (1, 2, 3):
        words = "for few batches, frozen from any of them on, or never"
        for frozen_from in range(count + 1):
            yield case(some(count), [True] * count, frozen_from, (-0.2, 0.3), 0.7, words, 1 / 4)
        flags = [i != count - 1 for i in range(count)]
        yield case(some(count), flags, count, (-0.2, 0.3), 0.7, words, 1 / 4)
    words = "where all numbers of a batch are the same"
    batches = [np.full((2, 3), v) for v in generator.uniform(-3, 3, 5)]
    yield case(batches, [True] * 5, 4, (-0.5, 0.5), 0.6, words, 2 / 3)
    words = "where both averages begin with the same number"
    yield case(some(4), [True] * 4, 4, (0.75, 0.75), 0.6, words, 2 / 3)
    words = "where the first batch changes nothing"
    yield case(some(4), [False, True, True, False], 4, (-0.4, 1.3), 0.35, words, 1 / 3)
    yield case([np.zeros((0, 2)), *some(2)], [True] * 3, 3, (0.4, 1.3), 0.35, words, 1 / 3)
    yield case(some(60), [True] * 60, 50, (-3.0, 4.0), 0.01, "for many batches", 2 / 3)


# 5 ---------------------------------------------------------------------------------------------


def trained_fold(x, weight, bias, norm, bits, training):
    """Results and the remembered values, output by output."""
    n = len(x)
    sigmas = [math.sqrt(v + norm["eps"]) for v in norm["var"].tolist()]
    factors = [g / s for g, s in zip(norm["gamma"].tolist(), sigmas, strict=True)]
    small = [[f * v for v in row] for f, row in zip(factors, weight.tolist(), strict=True)]
    unit = max(abs(v) for row in small for v in row) / (2 ** (bits - 1) - 1)
    results, means, variances, size = np.zeros((n, len(weight))), [], [], 0.0
    own = [0.0] * len(weight) if bias is None else bias.tolist()
    for o, row in enumerate(weight):
        gamma, beta = float(norm["gamma"][o]), float(norm["beta"][o])
        mu, var = float(norm["mean"][o]), float(norm["var"][o])
        sigma = sigmas[o]
        stored = [round(v / unit) * unit if unit else 0.0 for v in small[o]]
        sums = [math.fsum(a * b for a, b in zip(r.tolist(), stored, strict=True)) for r in x]
        if training:
            real = [math.fsum([*(r * row), own[o]]) for r in x]
            now = math.fsum(real) / n
            square = math.fsum((v - now) ** 2 for v in real)
            there = math.sqrt(square / n + norm["eps"])
            last = beta + gamma * (own[o] - now) / there
            sums = [v * sigma / there for v in sums]
            share = norm["momentum"]
            mu, var = mu + share * (now - mu), var + share * (square / (n - 1) - var)
        else:
            last = beta + gamma * (own[o] - mu) / sigma
        results[:, o] = [v + last for v in sums]
        size = max(size, abs(last), *map(abs, sums))
        means.append(mu)
        variances.append(var)
    return results, means, variances, size


def folded_layer(generator):
    def case(words, sizes=(6, 4, 3), bits=4, training=True, i=0, weight=1, **other):
        n, k, o = sizes
        x = generator.normal(size=(n, k)) + other.get("shift", 0.0)
        x = x[:1] + np.zeros((n, 1)) if "alike" in other else x
        x = x * (np.arange(k) % 2) if "without" in other else x
        w = generator.normal(size=(o, k)) * other.get("scale", 1.0)
        w = other["sign"] * np.abs(w) if "sign" in other else w
        w = np.where(np.arange(k) % 2, w, 4 * w) if "without" in other else w
        bias = generator.normal(size=o) * other.get("own", 1.0) if other.get("bias", True) else None
        norm = {
            "gamma": generator.uniform(0.3, 2, o) * generator.choice([-1, 1, 1], o),
            "beta": generator.normal(size=o),
            "mean": generator.normal(size=o),
            "var": generator.uniform(0.3, 4, o),
            "eps": float(10 ** generator.uniform(-5, -1)),
            "momentum": float(generator.uniform(0.05, 0.6)),
        }
        norm.update(other.get("norm", lambda o: {})(o))
        factors = (norm["gamma"] / np.sqrt(norm["var"] + norm["eps"]))[:, None]
        u = np.abs(factors * w)
        inner = moved_off(u, -max(u.max(), 1e-300) / (2 ** (bits - 1) - 1))
        w = np.where((u == u.max()) | (factors == 0), w, w * inner / np.where(u == 0, 1, u))
        w = 0 * w if other.get("zeros") else w
        y, mean, var, size = trained_fold(x, w, bias, norm, bits, training)
        large = float(np.abs(mean).max())
        return Case(
            (viewed(x, VIEWS[i % 3]), viewed(w, VIEWS[(i // 3) % 3]), bias, norm, bits, training),
            *digits_of(y, f"The results are wrong {words}.", 0, size),
            *digits_of(mean, f"The remembered mean is wrong {words}.", 1, large),
            *digits_of(var, f"The remembered variance is wrong {words}.", 2),
            SAME,
            weight=weight,
        )

    kinds = {
        "for other numbers": {},
        "where there is no bias": {"bias": False},
        "where the bias is large": {"own": 50.0},
        "where results are far from 0": {"shift": 20.0},
        "where gamma is 0 in some channels": {
            "norm": lambda o: {"gamma": 1.5 * (np.arange(o) % 2)}
        },
        "where all weights are 0": {"zeros": True},
        "where gamma is 0 everywhere": {"norm": lambda o: {"gamma": np.zeros(o)}},
        "where eps is large": {"norm": lambda o: {"eps": float(generator.uniform(1, 5))}},
        "where a remembered variance is 0": {
            "norm": lambda o: {"var": 0.8 * (np.arange(o) % 2), "eps": 1e-3}
        },
        "where the momentum is 1": {"norm": lambda o: {"momentum": 1.0}},
        "where weights are small": {"scale": 1e-6, "own": 1e-6},
        "where weights are very small": {
            "scale": 1e-15,
            "own": 1e-15,
            "norm": lambda o: {"beta": np.zeros(o), "mean": np.zeros(o)},
        },
        "where the bias is so large that results differ little for their size": {"own": 1e5},
        "where weights are negative": {"sign": -1.0},
        "where all rows of x are the same": {"alike": True},
        "where an input is 0 in all rows": {"without": True},
        "where weights are very large": {"scale": 1e12, "own": 1e12},
        "where eps is very small": {"norm": lambda o: {"eps": 1e-12}},
    }
    shapes = ((6, 4, 3), (5, 3, 3), (2, 5, 4), (8, 1, 2), (3, 6, 1), (9, 4, 4))
    count = 0
    for words, options in kinds.items():
        for training in (True, False, True, False):
            text = f"{words}, in {'training' if training else 'evaluation'}"
            bits = (4, 2, 3, 8)[(count + count // 4) % 4]
            sizes = shapes[count % len(shapes)]
            yield case(text, sizes, bits, training, count, 1 / 4, **options)
            count += 1
    yield case("in evaluation, for a single row", (1, 4, 3), 4, False)
    yield case("in training, for many rows", (60, 3, 2), 3, True)
    for bits in range(2, 9):
        yield case(f"for {bits} bits", (4, 6, 5), bits, bits % 2 > 0, bits, 1 / 4)


# 6 ---------------------------------------------------------------------------------------------


def nearest_powers(w, bits):
    """Each weight's level, and how near the nearest place is at which a level changes."""
    exponents = [math.log2(abs(v)) if v else -math.inf for v in w]
    most = max(exponents)
    levels, near = [0.0] * len(w), 1.0
    if most > -math.inf:
        last = round(most) - 2 ** (bits - 1) + 2
        for place, e in enumerate(exponents):
            if e > -math.inf:
                near = min(near, abs(e % 1 - 0.5))
                if round(e) >= last:
                    levels[place] = math.copysign(2.0 ** round(e), w[place])
    return levels, near


def descended(w, x, y, rate, bits, count):
    """Levels and weights after some steps, or None where a weight came too near to a jump."""
    w, n = w.tolist(), len(x)
    for left in range(count, -1, -1):
        levels, near = nearest_powers(w, bits)
        if near < 1e-6:
            return None
        if left == 0:
            return levels, w
        misses = [
            math.fsum(a * b for a, b in zip(row, levels, strict=True)) - wanted
            for row, wanted in zip(x.tolist(), y.tolist(), strict=True)
        ]
        slopes = [2 / n * math.fsum(r * m for r, m in zip(c, misses, strict=True)) for c in x.T]
        w = [v - rate * g for v, g in zip(w, slopes, strict=True)]
    return None


def train_power_of_two(generator):
    def case(words, n, k, bits, count, i=0, weight=1, scale=1.0, change=lambda w: w):
        while True:
            x = generator.normal(size=(n, k))
            y = scale * (x @ generator.normal(size=k) + 0.1 * generator.normal(size=n))
            w = change(scale * generator.normal(size=k))
            rate = float(generator.uniform(0.1, 0.6) / np.linalg.eigvalsh(2 / n * x.T @ x)[-1])
            found = descended(w, x, y, rate, bits, count)
            if found is not None:
                break
        levels, latent = found
        size = float(np.abs(latent).max())
        given = (viewed(w, VIEWS[i % 3]), viewed(x, VIEWS[(i // 3) % 3]), y, rate, bits, count)
        return Case(
            given,
            *digits_of(levels, f"The powers of two are wrong {words}.", 0),
            *digits_of(latent, f"The real weights are wrong {words}.", 1, size),
            SAME,
            weight=weight,
        )

    counts = (1, 0, 2, 5, 20)
    for i in range(35):
        bits = 2 + i % 7
        n, k = (int(v) for v in generator.integers(1, 9, 2))
        yield case("for other numbers", n, k, bits, counts[i % 5], i, 1 / 5)
    for i, scale in enumerate((1e-12, 1e12, 1e-24, 1e24)):
        words = "for very small numbers" if scale < 1 else "for very large numbers"
        yield case(words, 6, 4, (4, 3)[i // 2], 3, i, 1 / 2, scale)
    for i in range(4):
        words = "where some weights are 0"
        yield case(words, 6, 5, 3, i, i, 1 / 2, change=lambda w: w * (np.arange(5) % 2))
        words = "where some weights are 0, and the others small"
        scale = 10.0 ** (-2 - 3 * i)
        yield case(words, 6, 5, 3, i, i, 1 / 2, scale, lambda w: w * (np.arange(5) % 2))
        words = "where all weights are 0"
        yield case(words, 6, 3, 4, i, i, 1 / 2, change=lambda w: 0 * w)
        words = "where weights differ by many powers of two"
        spread = 2.0 ** np.array([0, -3, -5, -8, -13])
        yield case(words, 6, 5, 4, i, i, 1 / 2, change=lambda w, spread=spread: w * spread)
        bits = (4, 6, 7, 8)[i]
        window = 2 ** (bits - 1) - 2
        ends = window // 2 - np.array([0, window // 2, window - 1, window, window + 1, window + 2])
        words = f"where weights differ by more powers of two than {bits} bits have"
        yield case(
            words, 6, 6, bits, 0, i, 1 / 4, 1.0, lambda w, ends=ends: np.sign(w) * 1.1 * 2.0**ends
        )
        words = "where weights are powers of two already"
        yield case(
            words,
            6,
            5,
            4,
            i % 2,
            i,
            1 / 4,
            1.0,
            lambda w: np.sign(w) * 2.0 ** generator.integers(-5, 5, 5),
        )
        yield case("for a single weight", 4, 1, 4, i, i, 1 / 2)
        yield case("for a single row", 1, 4, 4, i, i, 1 / 2)


# 7 ---------------------------------------------------------------------------------------------


def as_multiplier(factor):
    """Multiplier and shift of a factor, a fraction; and how far it is from a tie."""
    n = 0
    while factor * 2**n < 2**30:
        n += 1
    while n and factor * 2**n >= 2**31:
        n -= 1
    exact = factor * 2**n
    m = round(exact)
    return (m, n) if m < 2**31 else (2**30, n - 1)


def tied(value):
    """How near to the half of a whole number a fraction lies, for its size."""
    return abs(float(value % 1) - 0.5) / max(1.0, abs(float(value)) * 2**-30)


def to_integers(generator):
    def case(
        words, sizes=(3, 4), bits=4, i=0, weight=1, spread=1.2, factors=None, own=300.0, **other
    ):
        o = sizes[0]
        top = 2 ** (bits - 1) - 1
        while True:
            before, after = (float(v) for v in 10.0 ** generator.uniform(-4, 1, 2))
            steps = 10.0 ** generator.uniform(-4, 0, o)
            if factors is not None:
                after = float(before * steps.mean() / factors)
                steps = np.full(o, steps.mean()) * generator.uniform(0.9, 1.1, o)
            if i % 5 == 4:
                after = before = 0.25
                steps = 2.0 ** generator.integers(-9, 0, o)
            ratios = moved_off(generator.normal(size=sizes) * top * spread / 2, 1.0)
            numbers = generator.normal(size=o) * own
            if "full" in other:
                numbers = generator.choice([-1, 1], o) * generator.uniform(1.9e9, 2.147e9, o)
            if "far" in other:
                # Beyond the types of integers, from int8 to int64 and uint64, on both sides of 0.
                tens = generator.uniform([19.5, 19.5, 3, 5, 10], [26, 26, 5, 10, 19])
                signs = 1, -1, *generator.choice([-1, 1], 3)
                ratios.flat[generator.permutation(ratios.size)[:5]] = signs * 10.0**tens
            numbers = moved_off(numbers, 1.0, 1e-2)
            if "zeros" in other:
                ratios = ratios * (generator.random(sizes) < 0.5)
                numbers = numbers * (np.arange(o) % 2)
            weight_, bias = ratios * steps[:, None], numbers * before * steps
            exact = [Fraction(before) * Fraction(s) for s in steps.tolist()]
            sums = [Fraction(b) / e for b, e in zip(bias.tolist(), exact, strict=True)]
            pairs = [as_multiplier(e / Fraction(after)) for e in exact]
            scaled = [e / Fraction(after) * 2**n for e, (_, n) in zip(exact, pairs, strict=True)]
            if min(map(tied, [*sums, *scaled])) > 1e-4 and all(1 <= n <= 62 for _, n in pairs):
                break
        codes = [[min(max(round(r), -top), top) for r in row] for row in ratios.tolist()]
        m, n = zip(*pairs, strict=True)
        given = (viewed(weight_, VIEWS[i % 3]), bias, before, steps, after, bits)
        return Case(
            given,
            keys(
                ["bias", "multiplier", "shift", "weight"],
                "The result must have the four keys of the table, also for other layers.",
            ),
            exactly(codes, f"The codes of the weights are wrong {words}.", "weight"),
            exactly([round(v) for v in sums], f"The bias is wrong {words}.", "bias"),
            exactly(m, f"The multipliers are wrong {words}.", "multiplier"),
            exactly(n, f"The shifts are wrong {words}.", "shift"),
            dtype("int8", f"The weights must be int8, also {words}.", part="weight"),
            dtype("int32", f"The bias must be int32, also {words}.", part="bias"),
            integers(f"The multipliers must be integers, also {words}.", part="multiplier"),
            integers(f"The shifts must be integers, also {words}.", part="shift"),
            SAME,
            weight=weight,
        )

    shapes = ((3, 4), (4, 4), (1, 6), (5, 1), (2, 9))
    for i in range(21):
        yield case("for another layer", shapes[i % 5], 2 + i % 7, i, 1 / 4)
    for i in range(4):
        words = "where most weights are clamped"
        yield case(words, shapes[i], 4, i, 1 / 4, spread=8.0)
        yield case("where the bias is large", shapes[i], 8, i, 1 / 4, own=2e8)
        yield case("where the bias nearly fills 32 bits", shapes[i], 8, i, 1 / 4, full=True)
        words = "where some weights lie far beyond the codes"
        yield case(words, shapes[i], 2 + 2 * i, i, 1 / 4, far=True)
        words = "where some weights and biases are 0"
        yield case(words, shapes[i], 2 + 2 * i, i, 1 / 4, zeros=True)
        factor = (1.3, 37.0, 1e6, 6e8)[i]
        yield case("where the factor is above 1", shapes[i], 4, i, 1 / 4, factors=factor)
        factor = (1e-4, 1e-6, 2e-9, 4e-10)[i]
        yield case("where the factor is very small", shapes[i], 4, i, 1 / 4, factors=factor)
    yield case("where the steps are powers of two", (4, 3), 4, 4)
    yield rounded_to_a_power()
    for i in range(4):
        yield next_to_powers(generator, i)


def next_to_powers(generator, i):
    """Rows whose factors lie on, just below and just above powers of two, and some that don't."""
    gaps = (
        generator.permutation([20, 24, 28, 30]) if i % 2 else generator.permutation(range(34, 50))
    )
    near = [1.0, 1 - 2.0 ** -int(gaps[0]), 1 + 2.0 ** -int(gaps[1]), 1 - 2.0 ** -int(gaps[2]), 0.7]
    steps = generator.permutation(near) * 2.0 ** generator.integers(-9, 3, len(near))
    before, after = 2.0 ** generator.integers(-6, 3, 2)
    sums = generator.integers(-90, 90, len(near))
    codes = generator.integers(-7, 8, (len(near), 3))
    factors = [Fraction(s) * Fraction(before) / Fraction(after) for s in steps.tolist()]
    m, n = zip(*map(as_multiplier, factors), strict=True)
    words = "where factors lie on powers of two, or next to them"
    return Case(
        (codes * steps[:, None], sums * before * steps, float(before), steps, float(after), 4),
        exactly(codes, f"The codes of the weights are wrong {words}.", "weight"),
        exactly(sums, f"The bias is wrong {words}.", "bias"),
        exactly(m, f"The multipliers are wrong {words}.", "multiplier"),
        exactly(n, f"The shifts are wrong {words}.", "shift"),
        SAME,
        weight=1 / 2,
    )


def rounded_to_a_power():
    """A factor so near below a power of two that its multiplier rounds to 2**31."""
    factor = 1 - 2.0**-40
    layer = {"weight": [[1], [-1]], "bias": [4, -8]}
    return Case(
        (
            np.array([[factor], [-factor]]),
            4 * factor * np.array([1, -2]),
            1.0,
            np.array([factor, factor]),
            1.0,
            4,
        ),
        *(
            exactly(layer[part], "The codes are wrong for a step just below 1.", part)
            for part in layer
        ),
        exactly(
            [2**30] * 2,
            "A multiplier that rounds to 2**31 is none: it is 2**30, and the shift is one less.",
            "multiplier",
        ),
        exactly([30] * 2, "The shift is wrong where a multiplier would round to 2**31.", "shift"),
        SAME,
    )


# 8 ---------------------------------------------------------------------------------------------


SIZES = (64, 12, 12, 12, 12, 10)


def entries_off(result, sizes):
    """How many entries are not what the table of the text says."""
    bad = abs(len(result) - (len(sizes) - 1))
    for layer, inputs, rows in zip(result, sizes[:-1], sizes[1:], strict=True):
        table = (
            ("weight", (rows, inputs), -8, 7),
            ("bias", (rows,), -(2**31), 2**31 - 1),
            ("multiplier", (rows,), 2**30, 2**31 - 1),
            ("shift", (rows,), 1, 62),
        )
        for key, wanted, least, most in table:
            v = np.asarray(layer[key])
            good = v.dtype.kind in "iu" and v.shape == wanted
            bad += not (good and bool(np.all((v >= least) & (v <= most))))
    return bad


def right_of(result, images, labels):
    """The share of images, N x 64 codes of 4 bits, that are read right."""
    x = images.astype(np.int64)
    for place, layer in enumerate(result, 1):
        entry = {name: np.array(layer[name], dtype=np.int64) for name in layer}
        sums = np.einsum("nk,ok->no", x, entry["weight"]) + entry["bias"]
        half = np.left_shift(np.int64(1), entry["shift"] - 1)
        x = np.right_shift(sums * entry["multiplier"] + half, entry["shift"])
        if place < len(result):
            x = np.minimum(np.maximum(x, 0), 15)
    return np.mean(np.argmax(x, axis=1) == labels)


def real_network(seed, pixels, labels):
    """A network in floating point, trained: pairs of weights and biases."""
    chance = torch.Generator().manual_seed(seed)
    pairs = [
        (torch.randn(b, a, generator=chance) * math.sqrt(2 / a), torch.zeros(b))
        for a, b in itertools.pairwise(SIZES)
    ]
    tensors = [t.requires_grad_() for pair in pairs for t in pair]
    adam = torch.optim.Adam(tensors, lr=4e-3)
    x, y = torch.tensor(pixels), torch.tensor(labels)
    for _epoch in range(20):
        for part in torch.randperm(len(x), generator=chance).split(64):
            adam.zero_grad()
            functional.cross_entropy(scores_of(pairs, x[part]), y[part]).backward()
            adam.step()
    return [(w.detach(), b.detach()) for w, b in pairs]


def scores_of(pairs, x):
    """Scores of a network in floating point."""
    for place, (w, b) in enumerate(pairs):
        x = functional.linear(x.relu() if place else x, w, b)
    return x


def on_levels(x, unit, low, high):
    """Numbers on 4-bit levels."""
    return (x / unit).round().clamp(low, high) * unit


def least_error(w):
    """The step of each row of weights that leaves the least squared error."""
    units = [c * w.abs().amax(1, keepdim=True) / 7 for c in np.linspace(0.4, 1, 31)]
    errors = [((w - on_levels(w, u, -7, 7)) ** 2).sum(1, keepdim=True) for u in units]
    best = torch.stack(errors).argmin(0, keepdim=True)
    return torch.stack(units).gather(0, best)[0]


def without_training(pairs, pixels, tests):
    """Scores for several ranges, with and without corrected biases: of pixels, and of tests.

    Both kinds of images are on their levels.
    """
    largest = [w.abs().amax(1, keepdim=True) / 7 for w, _ in pairs]
    for units in (largest, [least_error(w) for w, _ in pairs]):
        for clip in (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
            for corrects in (False, True):
                real, seen, asked = pixels, pixels, tests
                for place, (w, b) in enumerate(pairs):
                    stored = on_levels(w, units[place], -7, 7)
                    real = functional.linear(real, w, b)
                    b = b + corrects * (real - functional.linear(seen, stored, b)).mean(0)
                    seen = functional.linear(seen, stored, b)
                    asked = functional.linear(asked, stored, b)
                    if place < len(pairs) - 1:
                        real, unit = real.relu(), clip * real.max() / 15
                        seen, asked = (on_levels(v, unit, 0, 15) for v in (seen, asked))
                yield seen, asked


def four_bit_network(generator):
    known = data.load("digits")
    pixels, tests = (v.reshape(len(v), 64) for v in (known.train_images, known.test_images))
    for i in range(2):
        # Other test images that are at hand, under any name, are of no use for these.
        order = generator.permutation(64)
        pixels, tests = pixels[:, order], tests[:, order]
        codes = np.rint(15 * tests).astype(np.uint8)
        while True:
            named = generator.permutation(10)  # what the digits are called this time
            labels, wanted = both = named[known.train_labels], named[known.test_labels]
            pairs = real_network(int(generator.integers(2**31)), pixels, labels)
            share = np.mean(scores_of(pairs, torch.tensor(tests)).argmax(1).numpy() == wanted)
            levels = (torch.tensor(np.rint(15 * v) / 15) for v in (pixels, tests))
            others = [
                [np.mean(y.argmax(1).numpy() == right) for y, right in zip(pair, both, strict=True)]
                for pair in without_training(pairs, *levels)
            ]
            # Ranges that are chosen by the training images do not get there.
            if max(others)[1] < share - 0.04:
                break
        network = [(w.numpy().astype(np.float64), b.numpy().astype(np.float64)) for w, b in pairs]
        yield Case(
            (network, pixels, labels),
            recomputed(
                entries_off,
                0,
                0,
                "An entry is missing, has another shape than the table says, "
                "or holds other numbers than it may, for another network.",
                given=(SIZES,),
            ),
            recomputed(
                right_of,
                float(share) - 0.03,
                1,
                "Too few test images are read right by another network of the same kind.",
                given=(codes, wanted),
            ),
            SAME,
            weight=1 + i / 8,
        )
