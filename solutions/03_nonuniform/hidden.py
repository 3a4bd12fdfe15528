"""Hidden checks of exercise 3: other inputs, and what must come back for them.

For each graded function a generator of its name yields cases. Inputs are drawn from the course's
seed. Reference results come from other sources than quantlib: exact fractions, all combinations,
all partitions, Lagrange's fees, a simulated circuit, a network in NumPy. Inputs keep away from
places where two right ways of computing differ; what lies exactly on such a place does so for
every way of computing it.
"""

import bisect
import itertools
import math
from fractions import Fraction

import numpy as np
from quantgrader.cases import (
    VIEWS,
    Build,
    Case,
    drawn,
    equals,
    integers,
    keys,
    number,
    parts,
    recomputed,
    shape,
    unchanged,
    viewed,
)
from quantlib import data, models

UNCHANGED = unchanged("An input was changed in place. Work on new arrays.")

# 1 ---------------------------------------------------------------------------------------------

FRACTION_BITS = range(-12, 25)


def errors_in_fractions(x, bit_width):
    """The mean squared error for each F, exactly."""
    values = [Fraction(v) for v in np.ravel(x).tolist()]
    # Whole numbers of the finest unit that occurs: Python computes with them exactly, and fast.
    finest = max([2**24, *(v.denominator for v in values)])
    whole = [v.numerator * (finest // v.denominator) for v in values]
    found = []
    for f in FRACTION_BITS:
        unit, most = int(finest / Fraction(2) ** f), 2**bit_width - 1
        codes = [min((2 * v + unit) // (2 * unit), most) for v in whole]
        total = sum((v - i * unit) ** 2 for v, i in zip(whole, codes, strict=True))
        found.append(Fraction(total, finest**2 * len(values)))
    return found


def clear_best(x, bit_width):
    """The best F and its error; None where another F is about as good, but not exactly."""
    errors = errors_in_fractions(x, bit_width)
    least = min(errors)
    size = Fraction(float(np.abs(x).max())) ** 2
    near = [e for e in errors if e != least and e - least <= least / 10**6 + size / 10**18]
    return None if near else (FRACTION_BITS[errors.index(least)], float(least))


def two_valleys(generator, bit_width, deeper):
    """Activations whose error falls, rises and falls again as F grows: counted in one unit, many
    lie a quarter from a whole number. Half the unit is no gain for them, a quarter of it is."""
    large = 2.0 ** (bit_width - 1)
    lost = (large - (2**bit_width - 1) / 4) ** 2  # with a quarter of the unit
    n = math.floor(16 * lost) - 2 if deeper == "first" else math.ceil(20 * lost)
    few = np.array([0.25, 0.75])[:bit_width]
    small = generator.choice(few, n) + generator.choice(max(2 ** (bit_width - 2) - 1, 1), n)
    return generator.permutation(np.append(small * generator.uniform(0.999, 1.001, n), large))


def three_valleys(generator, bit_width):
    """The same with a quarter of a quarter, for one and two bits: the second valley is lowest."""
    few, many = ((12, 100), (30, 210))[bit_width - 1]
    x = np.repeat([2.0 ** (bit_width - 1), 1 / 4, 1 / 16], [1, few, many])
    return generator.permutation(x * generator.uniform(0.9999, 1.0001, x.size))


def best_fraction_bits(generator):
    def case(x, bit_width, says, view="plain", weight=1.0):
        found = clear_best(x, bit_width)
        if found is None:
            return
        atol = 1e-24 * float(np.abs(x).max()) ** 2
        yield Case(
            (viewed(x, view), bit_width),
            equals(found[0], says("F is wrong"), part=0),
            equals(found[1], says("F is right, but not its error,"), part=1, rtol=1e-8, atol=atol),
            UNCHANGED,
            weight=weight,
        )

    def words(text):
        return lambda start: f"{start} {text}."

    for i, bit_width in enumerate((1, 2, 3, 4, 5, 6, 8, 10, 12, 16)):
        scale = 2.0 ** int(generator.integers(-3, 4))
        x = scale * generator.exponential(1.0, (6, 7))
        yield from case(x, bit_width, words("for another number of bits"), VIEWS[i % 3])
        # One value saturates, and the others have the finer steps.
        x = scale * np.append(generator.uniform(0.1, 1.9, 39), 4.1)
        yield from case(x, bit_width, words("where saturating a few values pays"))
        for deeper in ("first", "second") if bit_width < 5 else ():
            x = scale * two_valleys(generator, bit_width, deeper)
            says = words(f"where the error falls twice, and the {deeper} time it falls lower")
            yield from case(x, bit_width, says, VIEWS[i % 3], 2.0)
        if bit_width < 3:
            x = scale * three_valleys(generator, bit_width)
            says = words("where the error falls three times, and the second time it falls lowest")
            yield from case(x, bit_width, says, VIEWS[i % 3], 2.0)
        # A little more or less than half a unit beside a number.
        whole = generator.integers(2**bit_width // 2, 2**bit_width, 20)
        beside = generator.uniform(0.2, 1, 20) * generator.choice([-5e-5, 5e-5], 20)
        says = words("where activations lie nearly half-way between two numbers")
        yield from case(scale * (whole - 0.5 + beside), bit_width, says, VIEWS[i % 3])
        if bit_width < 4:
            # Many alike that fit a fine step, and one value that saturates far below its size.
            larger = 2.0 ** (5 - bit_width)
            x = np.full(int(2 * (larger * 2**bit_width) ** 2), 2**bit_width - 1.0)
            x = scale * np.append(x * generator.uniform(0.98, 1.02, x.size), larger * x[0])
            says = words("where the best F is far from the one at which all values fit")
            yield from case(generator.permutation(x), bit_width, says, VIEWS[i % 3], 2.0)
        if bit_width < 7:
            # The different values alone have another best F than all values have.
            says, x = words("where one value occurs many times"), None
            while x is None or not clear_best(x, bit_width):
                few = scale * generator.uniform(0.1, 2.0 ** generator.uniform(0, 3, 4))
                x = generator.permutation(
                    np.repeat(few, [int(generator.integers(20, 60)), 1, 1, 1])
                )
                alone = clear_best(few, bit_width)
                x = x if alone and alone[0] != (clear_best(x, bit_width) or alone)[0] else None
            yield from case(x, bit_width, says, VIEWS[i % 3], 2.0)
        whole = generator.integers(0, 2**bit_width, (4, 5)).astype(float)
        whole[0, 0] = 1.0
        f = int(generator.integers(-6, 9))
        says = words("where several F have the same error")
        yield from case(np.ldexp(whole, -f), bit_width, says, VIEWS[i % 3])
        # At the ends of what is tried, and beyond them.
        x = generator.exponential(1.0, 20) * 2.0 ** (12 + bit_width)
        yield from case(x, bit_width, words("where the best F is the smallest"), weight=1 / 2)
        if bit_width >= 12:
            # Even with the smallest F codes would need more than 32 bits.
            x = generator.uniform(1, 1.4, 20) * 2.0**43
            yield from case(x, bit_width, words("where all values saturate with every F"))
        x = generator.uniform(0.1, 1, 20) * 2.0 ** (bit_width - 25)
        yield from case(x, bit_width, words("where the best F is the largest"), weight=1 / 2)
        x = np.full((3, 2), generator.uniform(0.3, 3))
        yield from case(x, bit_width, words("where all values are the same"), weight=1 / 2)
        # All steps from the fewest fraction bits to the most are the best ones somewhere.
        for f in generator.permutation(np.arange(-12, 25))[:3].tolist():
            x = generator.uniform(0.4, 1, 12) * (2**bit_width - 0.6) * 2.0**-f
            yield from case(x, bit_width, words("for larger or smaller values"), weight=1 / 2)
    x = generator.exponential(1.0, (40, 25))
    yield from case(x, 4, words("for a thousand values"), "transposed")
    kinds = ("usual", "positive", "zeros", "mostly zeros", "whole", "single", "outlier")
    for i, x in enumerate(drawn(generator, kinds, ndims=(0, 1, 2, 3, 4), most=4)):
        yield from case(np.abs(x.values), (4, 2, 6, 3, 8)[i % 5], x.says, x.view, x.weight)


# 2 ---------------------------------------------------------------------------------------------


def wrong_codes(circuit, widths, q):
    """For how many inputs a circuit gives another code than QE."""
    gates, outputs = circuit
    n_index = (len(widths) - 1).bit_length()
    inputs = np.arange(2 ** (q + 1 + n_index))
    wires = [(inputs >> place) & 1 == 1 for place in range(q + 1 + n_index)]
    for kind, *places in gates:
        if any(p != int(p) or not 0 <= p < len(wires) for p in places):
            raise ValueError
        if len(places) != (1 if kind == "not" else 2):
            raise ValueError
        a, b = wires[int(places[0])], wires[int(places[-1])]
        wires.append({"not": ~a, "and": a & b, "or": a | b, "xor": a ^ b}[kind])
    if len(outputs) != max(widths) or any(not 0 <= p < len(wires) for p in outputs):
        raise ValueError
    codes = sum(wires[int(p)].astype(int) << place for place, p in enumerate(outputs))
    layer = inputs >> (q + 1)
    width = np.array(widths)[np.minimum(layer, len(widths) - 1)]
    right = np.where((inputs >> q) & 1, 2**width - 1, (inputs & (2**q - 1)) >> (q - width))
    return np.sum((codes != right) & (layer < len(widths)))


def gates_counted(circuit):
    """All gates but NOT."""
    return sum(gate[0] != "not" for gate in circuit[0])


def qe_circuit(generator):
    def of(low, high, kinds, length):
        """Widths of some layers, of so many different ones."""
        chosen = generator.permutation(np.arange(low, high + 1))[:kinds]
        rest = generator.choice(chosen, length - kinds)
        return generator.permutation(np.append(chosen, rest)).tolist()

    plan = [
        ("for one layer", of(3, 6, 1, 1), 9),
        ("for one layer of one bit", [1], 5),
        ("where a layer has all q_m bits", [4], 4),
        ("where a layer has all q_m bits", [6, *of(1, 5, 2, 2)], 6),
        ("for eight layers of three widths", of(2, 6, 3, 8), 12),
    ]
    # The fewer widths, the less room in the limit beside a circuit without anything to spare.
    for length, word in enumerate(("two", "three", "four", "five", "six", "seven", "eight"), 2):
        plan.append((f"for {word} layers of one width", of(2, 6, 1, length), 8))
        plan.append((f"for {word} layers of two widths", of(2, 6, 2, length), 7 + length % 3))
        if length > 2:
            plan.append((f"for {word} layers", of(1, 8, length - length // 4, length), 9))
    for says, widths, q in plan:
        n_index = (len(widths) - 1).bit_length()
        limit = 2 * sum(set(widths)) + len(widths) * n_index
        # Half of the points are for a circuit that is right, half for one that is small as well.
        for most, message in (
            (math.inf, None),
            (limit, f"There are more gates than allowed {says}. Is there a part for each width?"),
        ):
            counted = [recomputed(gates_counted, 0, most, message)] if message else []
            yield Case(
                (widths, q),
                parts(2, "Return two things: the gates and the outputs."),
                recomputed(wrong_codes, 0, 0, f"Some codes are wrong {says}.", given=(widths, q)),
                *counted,
                unchanged("The list of widths was changed in place. Work on a new one."),
            )


# 3 ---------------------------------------------------------------------------------------------


def nearest_codes(generator):
    def case(x, levels, text, view="plain", weight=1.0):
        exact = [Fraction(d) for d in levels.tolist()]
        middles = [(a + b) / 2 for a, b in itertools.pairwise(exact)]
        codes = [bisect.bisect_right(middles, Fraction(v)) for v in x.ravel().tolist()]
        return Case(
            (viewed(x, view), levels),
            equals(np.reshape(codes, x.shape), text),
            integers("Codes are integers, for other levels too."),
            UNCHANGED,
            weight=weight,
        )

    # Few digits, so that sums and halves are exact for every way of computing in float64; in
    # float32 a value on one side of the middle is on the middle. All of it may be very small or
    # very large.
    for i, n_levels in enumerate((2, 3, 4, 5, 8, 16, 32, 64, 100, 150, 300, 2, 4, 8)):
        power = (0, -60, 0, 30)[i % 4]
        scale = 2.0**power
        size = {0: "", -60: ", for very small levels", 30: ", for very large levels"}[power]
        grid = generator.choice(2048, size=n_levels, replace=False)
        levels = (np.sort(grid) / 128 - (8, 0, 16)[i % 3]) * scale
        middles = (levels[1:] + levels[:-1]) / 2
        shape_ = ((-1,), (1, -1), (-1, 1, 1))[i % 3]
        side = 2.0**-32 * scale
        half = f"A value exactly half-way must get the upper code, for other levels too{size}."
        yield case(generator.permutation(middles).reshape(shape_), levels, half, weight=3)
        below = f"A value just below the middle must get the lower code{size}."
        yield case((middles - side).reshape(shape_), levels, below, weight=1 / 2)
        above = f"A value just above the middle must get the upper code{size}."
        yield case(middles + side, levels, above, weight=1 / 2)
        same = f"A value that is a level must get this level's code{size}."
        yield case(levels, levels, same, weight=1 / 2)
        far = np.array([-1e6, 1e6, -50.0, 50.0]) * scale
        ends = f"Values beyond the first and the last level get the codes of these{size}."
        yield case(far.reshape(2, 2), levels, ends, weight=1 / 2)
        # So far that all distances to levels are the same number in float64.
        farther = np.array([[-1e20], [1e17]]) * scale * (-1) ** i
        text = f"Values very far below or above all levels get the wrong codes{size}."
        yield case(farther, levels, text)
    # Some levels are close to each other and others far away. A value between may be so far from
    # all of them that its distances to the close ones are the same number in float64.
    for i in range(12):
        close = np.sort(generator.choice(128, (1, 2, 3, 5)[i % 4], replace=False) - 64) / 16
        power = (-90, 0, 30, -30)[i // 3]
        least = power + 2 + int(generator.integers(56, 60 if power == 30 else 80))
        more = np.cumsum(generator.integers(2, (6, 3)[power == 30], 3))
        far = 2.0 ** (least + np.append(0, more))[: 2 + i % 2]
        sides = ((-1, 1), (-1,), (1,))[i % 3]
        levels = np.sort(np.concatenate([close * 2.0**power, *(side * far for side in sides)]))
        sizes = np.append(far * 3 / 8, np.append(far * 5 / 8, far * 3 / 2))
        x = np.concatenate([sizes, -sizes, far[:1] / 64, -far[:1] / 64, close * 2.0**power])
        text = "Some codes are wrong where some levels are close to each other and others far away."
        yield case(generator.permutation(x), levels, text, VIEWS[i % 3])
    for i in range(50):
        n_levels = (2, 3, 4, 8, 16, 32)[i % 6]
        scale = 10.0 ** int(generator.choice([0, 0, 0, -9, -27, 27]))
        levels = np.sort(generator.choice(4096, size=n_levels, replace=False)) / 64 - 8 * (i % 3)
        sizes = generator.integers(1, 5, size=i % 5)
        x = generator.uniform(levels[0] - 3, levels[-1] + 3, size=tuple(sizes.tolist()))
        gap = np.abs(x[..., None] - (levels[1:] + levels[:-1]) / 2).min(axis=-1)
        x = np.where(gap < 1e-3, levels[0], x)
        axes = ("a single value", "one axis", "two axes", "three axes", "four axes")[i % 5]
        text = f"Some codes are wrong for {axes}, with other levels."
        yield case(x * scale, levels * scale, text, VIEWS[i % 3], weight=1 / 3)


# 4 ---------------------------------------------------------------------------------------------


def predicted_in_fractions(x, levels):
    """The predicted error and the measured one."""
    values, exact = ([Fraction(v) for v in a.ravel().tolist()] for a in (x, levels))
    low, high = min(values), max(values)
    bounds = [None, *((a + b) / 2 for a, b in itertools.pairwise(exact)), None]
    predicted = measured = Fraction(0)
    for d, a, b in zip(exact, bounds[:-1], bounds[1:], strict=True):
        mine = [v for v in values if (a is None or v >= a) and (b is None or v < b)]
        if not mine:
            continue
        begin = low if a is None else max(a, low)
        end = high if b is None else min(b, high)
        middle = (begin + end) / 2 - d
        predicted += len(mine) * (middle**2 + (end - begin) ** 2 / 12)
        measured += sum((v - d) ** 2 for v in mine)
    return float(predicted / len(values)), float(measured / len(values))


def predict_error(generator):
    def case(x, levels, says, view="plain", weight=1.0):
        expected = predicted_in_fractions(x, levels)
        atol = 1e-18 * float(np.ptp(np.append(x, levels))) ** 2
        # Half of the points are for each.
        for part, what in ((0, "The predicted error"), (1, "The measured error")):
            yield Case(
                (viewed(x, view), levels),
                number(f"{what} must be one number.", part=part),
                equals(expected[part], says(f"{what} is wrong"), part=part, rtol=1e-6, atol=atol),
                UNCHANGED,
                weight=weight * (1.5 if part == 0 else 1.0),
            )

    def words(text):
        return lambda start: f"{start} {text}."

    for i, n_levels in enumerate((2, 3, 4, 5, 8, 16, 32, 2, 4, 8)):
        scale = 10.0 ** int(generator.choice([0, 0, -9, -12, 9, 3]))
        x = scale * generator.exponential(1.0, (5, 9))
        equal = (np.arange(n_levels) + 0.5) / n_levels * x.max()
        yield from case(x, equal, words("for equal steps"), VIEWS[i % 3])
        at = np.sort(generator.permutation(45)[:n_levels])
        own = np.sort(x.ravel())[at]
        yield from case(x, own, words("where levels are values"), VIEWS[i % 3])
        inside = np.sort(x.ravel())[1 + at % 43]
        wide = np.unique(np.append(inside, [-0.7 * scale, x.max() + scale]))
        yield from case(x, wide, words("where the first and last levels lie beyond all values"))
        far = np.append(wide, x.max() + scale * np.arange(3.0, 6.0))
        far = np.append(-scale * np.arange(9.0, 6.0, -1.0), far)
        yield from case(x, far, words("where cells at the ends have no values"))
        gap = np.append(x[x < 0.3 * x.max()], x[x > 0.7 * x.max()])
        levels = x.max() * (np.arange(12) + 0.5) / 12
        yield from case(gap, levels, words("where cells in between have no values"), weight=1 / 2)
        zeros = np.where(generator.random(x.shape) < 0.5, 0.0, x)
        yield from case(zeros, np.append(0.0, own), words("where many values are 0"))
        signed = scale * generator.normal(size=30)
        levels = np.linspace(signed.min(), signed.max(), n_levels)
        yield from case(signed, levels, words("for values of both signs"), VIEWS[i % 3])
        if i % 2:
            # The largest values are hardly above the last threshold: their cell is narrow.
            levels = np.sort(generator.choice(2**20, n_levels, replace=False)) / 2**16
            last = (levels[-2] + levels[-1]) / 2
            high = last + 2.0**-37 * generator.uniform(0.2, 1, 20)
            x = np.append(generator.uniform(0, last, 9), high)
            yield from case(x, levels, words("where a cell is very narrow"), VIEWS[i % 3])
            x = levels[-1] + generator.uniform(3, 5) + 2.0**-37 * generator.random(15)
            yield from case(x, levels, words("where values differ very little"))
            far = np.append(signed, 1e17 * scale * generator.uniform(1, 3, 1 + i % 4))
            levels = np.linspace(signed.min(), signed.max(), n_levels)
            for x in (far, -far):
                yield from case(x, levels, words("where some values are very far from all levels"))
        shifted = generator.normal(size=30) + (100, 1e6, -3e6)[i % 3]
        levels = np.sort(shifted)[np.sort(generator.permutation(30)[: min(n_levels, 8)])]
        yield from case(shifted, levels, words("where values are far from 0"), weight=1 / 2)
        # Few digits: values lie on thresholds exactly.
        levels = np.sort(generator.choice(np.arange(0, 64, 2), min(n_levels, 12), replace=False))
        levels = levels / 4
        middles = (levels[1:] + levels[:-1]) / 2
        x = generator.permutation(np.concatenate([middles, middles, levels[:1], levels[-1:]]))
        yield from case(x, levels, words("where values lie on thresholds"), weight=2)
        last = np.append(x[x < middles[-1]], middles[-1])
        text = "where the largest value lies on a threshold, so that a cell has no width"
        yield from case(last, levels, words(text), weight=1 / 2)
        alike = np.full((2, 3), float(generator.integers(0, 64) / 4 + 1 / 16))
        text = "where all values are the same, so that a cell has no width"
        yield from case(alike, levels, words(text), weight=1 / 2)
        single = generator.uniform(0, 16, (1,) * (i % 5))
        yield from case(single, levels, words("for a single value"), weight=1 / 2)
        sizes = tuple(generator.integers(2, 5, 1 + i % 4).tolist())
        x = generator.exponential(2.0, sizes)
        axes = ("one axis", "two axes", "three axes", "four axes")[i % 4]
        yield from case(x, np.array([0.5, 1.5, 4.0]), words(f"for {axes}"), VIEWS[i % 3])


# 5 ---------------------------------------------------------------------------------------------

LAYERS = ("conv1", "conv2", "conv3", "fc1", "fc2")


def allocate_bits(generator):
    plan = [
        (1, 6, 6, "for one layer"),
        (1, 1, 6, "for one layer that has one bit width only"),
        (2, 8, 6, "for two layers"),
        (3, 5, 5, "for three layers"),
        (4, 6, 6.5, "for four layers"),
        (5, 4, 6, "for five layers"),
        (3, 4, 0.5, "where more bits may have a lower SQNR"),
        (3, 4, -3, "where fewer bits may have a higher SQNR"),
    ]
    for n_layers, widths, slope, text in plan * 4:
        while True:
            names = generator.permutation(LAYERS)[:n_layers].tolist()
            curves = {name: measured(generator, widths, slope) for name in names}
            sizes = {name: int(10 ** generator.uniform(1.2, 3.5)) for name in names}
            noises = [0.1 ** (s / 10) for curve in curves.values() for s in curve.values()]
            target = -10 * math.log10(generator.uniform(0.05, 2.5) * np.median(noises))
            found = cheapest(sizes, curves, float(target))
            if found is not None:
                break
        order = generator.permutation(names).tolist()
        while n_layers > 1 and order == names:
            order = generator.permutation(names).tolist()
        yield Case(
            (sizes, {name: curves[name] for name in order}, float(target)),
            keys(names, "Return a bit width for each layer, for other layers too."),
            equals(found, f"The bit widths are wrong {text}, with other SQNRs or targets."),
            unchanged("The dicts that were passed in have changed."),
        )
    # Noises that differ by less than a tenth of a percent from what is allowed, on either side;
    # SQNRs of music rather than of activations; layers of millions.
    for i in range(12):
        slope, most, says = (
            (6, 3.5, "where the noise is close to the limit"),
            (6, 3.5, "where the noise is close to the limit"),
            (6, 8.5, "where layers have millions of activations"),
            (6, 3.5, "where the target is very high"),
        )[i % 4]
        found = None
        while found is None:
            names = generator.permutation(LAYERS)[: 2 + i % 3].tolist()
            curves = {name: measured(generator, 5, slope) for name in names}
            if i % 4 == 3:
                curves = {n: {b: s + 115 for b, s in row.items()} for n, row in curves.items()}
            sizes = {name: int(10 ** generator.uniform(most - 2, most)) for name in names}
            chosen = [generator.choice(list(row.values())) for row in curves.values()]
            beside = 0.002 if i % 4 == 0 else -0.002
            target = -10 * math.log10(sum(0.1 ** (s / 10) for s in chosen)) + beside
            found = cheapest(sizes, curves, target)
            # Whoever takes a little more or less for enough finds something else.
            other = target - 2 * beside
            if i % 4 == 3:
                other = -10 * math.log10(0.1 ** (target / 10) + 1e-12)
            if found == cheapest(sizes, curves, other):
                found = None
        yield Case(
            (sizes, dict(reversed(curves.items())), float(target)),
            equals(found, f"The bit widths are wrong {says}."),
            unchanged("The dicts that were passed in have changed."),
        )
    # Layers of up to a billion activations: no sum of 32 bits holds the memory, one of float32 has
    # not the digits, and much that seems a large number to begin with is not.
    for i in range(9):
        n_layers, low, says = (
            (2, 8.5, "where layers have hundreds of millions of activations"),
            (5, 8.9, "where all layers have about a billion activations"),
            (4, 0.0, "where one layer has a billion activations and others few"),
        )[i % 3]
        found = None
        while found is None:
            names = generator.permutation(LAYERS)[:n_layers].tolist()
            curves = {name: measured(generator, 5, 6, 16) for name in names}
            sizes = {name: int(10 ** generator.uniform(low, 9)) for name in names}
            if low == 0:
                few = generator.integers(1, 20, n_layers).tolist()
                sizes = dict(zip(names, few, strict=True)) | {names[i // 3]: 10**9 - few[0]}
            noises = [0.1 ** (s / 10) for curve in curves.values() for s in curve.values()]
            target = -10 * math.log10(generator.uniform(0.05, 2.5) * np.median(noises))
            found = cheapest(sizes, curves, target)
            # Whoever counts in fewer digits finds something else, in whatever order.
            if low == 0:
                others = [first_in_float32(sizes, curves, target, sign) for sign in (1, 0, -1)]
            else:
                others = [cheapest(sizes, curves, target, in_32_bits)]
            found = None if found in others else found
        yield Case(
            (sizes, dict(reversed(curves.items())), float(target)),
            equals(found, f"The bit widths are wrong {says}."),
            unchanged("The dicts that were passed in have changed."),
        )
    # The fewest bits everywhere, and the most everywhere; targets that are high, and below 0.
    for n_layers, target, text in (
        (3, -20.0, "where any SQNR is enough"),
        (4, -9.0, "where the target is below 0 dB"),
        (2, 70.0, "where the target is high"),
        (4, 60.0, "where the target is high"),
        (3, None, "where only the most bits of all layers are enough"),
    ):
        while True:
            names = generator.permutation(LAYERS)[:n_layers].tolist()
            curves = {
                name: measured(generator, 12 if target and target > 9 else 4, 6.4) for name in names
            }
            sizes = {name: int(10 ** generator.uniform(1.2, 3.5)) for name in names}
            aim = target
            if target is None:
                best = [0.1 ** (max(curve.values()) / 10) for curve in curves.values()]
                aim = -10 * math.log10(math.fsum(best)) - 0.01
            found = cheapest(sizes, curves, aim)
            if found is not None:
                break
        yield Case(
            (sizes, dict(reversed(curves.items())), aim),
            equals(found, f"The bit widths are wrong {text}."),
            unchanged("The dicts that were passed in have changed."),
        )


def in_32_bits(memory):
    """What a sum of signed integers of 32 bits becomes."""
    return (memory + 2**31) % 2**32 - 2**31


def first_in_float32(sizes, curves, target, sign):
    """The first combination whose memory is least in float32: up, down, or in the given order."""
    rows = [sorted(row, key=lambda b: sign * b) for row in curves.values()]
    best, least = None, np.inf
    for widths in itertools.product(*rows):
        bits = dict(zip(curves, widths, strict=True))
        memory = np.float32(sum(sizes[name] * b for name, b in bits.items()))
        noise = sum(0.1 ** (curves[name][b] / 10) for name, b in bits.items())
        if noise <= 0.1 ** (target / 10) and memory < least:
            best, least = bits, memory
    return best


def measured(generator, widths, slope, most=None):
    """An SQNR for each bit width, in no particular order; not every width is there."""
    offset = generator.uniform(-4, 3)
    taken = generator.permutation(np.arange(1, (most or widths + 1) + 1))[:widths]
    noise = generator.uniform(-1.5, 1.5, size=widths) * (1 if abs(slope) > 4 else 4)
    return {
        int(b): float(np.round(offset + slope * b + e, 2))
        for b, e in zip(taken, noise, strict=True)
    }


def cheapest(sizes, curves, target, counted=np.float64):
    """Fill a table of all combinations. None where the best is no clear case."""
    axes = [sorted(curve) for curve in curves.values()]
    noise, memory = np.zeros([1] * len(axes)), np.zeros([1] * len(axes))
    for place, (name, widths) in enumerate(zip(curves, axes, strict=True)):
        along = [-1 if i == place else 1 for i in range(len(axes))]
        noise = noise + np.reshape([0.1 ** (curves[name][b] / 10) for b in widths], along)
        memory = memory + np.reshape([float(sizes[name] * b) for b in widths], along)
    limit = 0.1 ** (target / 10)
    memory = counted(memory)
    good = np.sort(np.where(noise <= limit, memory, np.inf), axis=None)
    unclear = np.any(np.abs(noise / limit - 1) < 1e-4)
    if not np.isfinite(good[0]) or good[0] in good[1:2] or unclear:
        return None
    best = np.unravel_index(np.where(noise <= limit, memory, np.inf).argmin(), noise.shape)
    return {n: w[i] for n, w, i in zip(curves, axes, best, strict=True)}


# 6 ---------------------------------------------------------------------------------------------


#: What the text says.
MOST_TURNS = 350


def means(x, bounds, kept):
    """The mean of each run of sorted values, to all digits; what is kept where a run is empty."""
    runs = [x[i:j].tolist() for i, j in itertools.pairwise(bounds)]
    pairs = zip(runs, kept, strict=True)
    return np.array([math.fsum(run) / len(run) if run else c for run, c in pairs])


def lloyd_by_bounds(x, start):
    """The last centroids, the number of turns, and the most clusters ever empty.

    None if a value is ever about half-way between two centroids: then rounding changes nothing.
    """
    x, centroids = np.sort(x), np.sort(start)
    beside = np.concatenate([[-np.inf], x, [np.inf]])
    before, n_empty, turns = None, 0, 0
    while True:
        middles = (centroids[1:] + centroids[:-1]) / 2
        margin = 1e-9 * np.diff(centroids)
        margin += 1e-12 * np.maximum(np.abs(centroids[1:]), np.abs(centroids[:-1]))
        inner = np.searchsorted(x, middles)
        if np.any(middles - beside[inner] < margin) or np.any(beside[inner + 1] - middles < margin):
            return None
        bounds = np.concatenate([[0], inner, [len(x)]])
        if before is not None and np.array_equal(bounds, before):
            return centroids, turns, n_empty
        n_empty = max(n_empty, int((np.diff(bounds) == 0).sum()))
        centroids = means(x, bounds, centroids)
        before, turns = bounds, turns + 1


def with_a_fault(x, start, fault):
    """Where iterations end that depart from Lloyd's in one place; a number: after so many turns."""
    x, c = np.sort(x), np.sort(start)
    sums, cost = np.append(0.0, np.cumsum(x)), np.inf
    for _ in range(1000 if isinstance(fault, str) else fault):
        before = c.copy()
        bounds = [0, *np.searchsorted(x, (c[1:] + c[:-1]) / 2), len(x)]
        if fault == "anew":
            for k in range(len(c)):
                i = np.searchsorted(x, (c[k - 1] + c[k]) / 2) if k else 0
                j = np.searchsorted(x, (c[k] + c[k + 1]) / 2) if k + 1 < len(c) else len(x)
                c[k : k + 1] = means(x, [i, j], c[k : k + 1])
        elif fault == "prefix sums":
            count = np.diff(bounds)
            c = np.where(count > 0, np.diff(sums[bounds]) / np.maximum(count, 1), c)
        else:
            still = {"empty": np.zeros(len(c)), "back": np.sort(start)}.get(fault, c)
            c = np.sort(means(x, bounds, still))
        if fault == "cost":
            before_cost, cost = cost, np.sum((x - np.repeat(c, np.diff(bounds))) ** 2)
            if cost >= before_cost:
                break
        if np.array_equal(before, c) or (fault == "sum" and c.sum() == before.sum()):
            break
    return np.sort(c)


def lloyd(generator):
    def until(draw, text, good=lambda x, start, found: True, weight=1.0, view="plain"):
        while True:
            x, start = draw()
            found = lloyd_by_bounds(x, start)
            if found is None or found[1] > MOST_TURNS or not good(x, start, found):
                continue
            # Centroids near 0 may have fewer digits, but not because of a few values far away.
            size = float(np.median(np.abs(x)))
            return Case(
                (viewed(x, view), start),
                equals(found[0], text, rtol=1e-8, atol=1e-12 * size),
                UNCHANGED,
                weight=weight,
            )

    def differs(x, start, found, fault):
        size = float(np.median(np.abs(x)))
        ends = with_a_fault(x, start, fault)
        return not np.allclose(ends, found[0], rtol=1e-7, atol=1e-9 * size)

    def usual(n, k, far=(), scale=1.0, signed=False, above=0.0):
        x = generator.normal(size=n) if signed else generator.exponential(3.0, size=n)
        x = scale * (np.ceil(x * 2**20) / 2**20)
        # A start among the larger values takes another way if values are assigned anew.
        start = generator.choice(np.unique(x)[int(above * n) :], size=k, replace=False)
        return x, generator.permutation([*start, *(scale * f for f in far)])

    def from_one_end(n, k, scale=1.0, even=True):
        """All centroids begin at the smallest values, or the largest: that takes most turns."""
        x = np.arange(n) ** generator.uniform(0.85, 1.15) + generator.uniform(-0.05, 0.05, n)
        x = x / 64 if even else generator.exponential(3.0, size=n)
        x = scale * (np.ceil(np.sort(x) * 2**20) / 2**20)
        x *= generator.choice([-1, 1]) if even else 1
        return generator.permutation(x), generator.permutation(x[:k])

    def with_far_values(n, k, sides):
        """Four values or eight that are a million million times as far from 0 as the others."""
        x, start = from_one_end(n, k, even=False)
        far = [side * 2.0**37 * generator.permutation(np.arange(2.0, 9.0))[:4] for side in sides]
        begin = [side * 2.0**37 * generator.integers(2, 9) + 1 for side in sides]
        x, start = np.concatenate([x, *far]), np.append(start, begin)
        return generator.permutation(x), generator.permutation(start)

    def mirrored(n, k):
        """Values and centroids that come with their negatives: sums of all stay what they are."""
        x = generator.choice(np.arange(1, 40 * n), n, replace=False) / 64
        start = np.sort(x)[:k] + 1 / 128
        return generator.permutation(np.append(x, -x)), generator.permutation([*start, *-start])

    # All three faults show: most of the points.
    everything = "The centroids are wrong for many values that take many turns from a bad start."
    for n, k, far in ((800, 18, (-50.0, 90.0)), (700, 18, (80.0,)), (800, 17, (-70.0, -30.0))):
        yield until(
            lambda n=n, k=k, far=far: usual(n, k, far, above=0.5),
            everything,
            lambda x, start, found: (
                found[1] > 55
                and all(differs(x, start, found, fault) for fault in (50, "empty", "anew"))
            ),
            weight=20,
        )
    turns = "The centroids are wrong where it takes some hundred turns."
    for scale in (2.0**-70, 2.0**80):
        yield until(
            lambda scale=scale: from_one_end(800, 20, scale=scale),
            turns,
            lambda x, start, found: found[1] > MOST_TURNS - 25,
            weight=4,
        )
    yield until(
        lambda: from_one_end(800, 20, even=False),
        turns,
        lambda x, start, found: differs(x, start, found, 100),
        weight=4,
    )
    for i in range(6):
        sides = ((1,), (-1,), (-1, 1))[i % 3]
        n, k = ((200, 5), (400, 8))[i // 3]
        yield until(
            lambda n=n, k=k, sides=sides: with_far_values(n, k, sides),
            "The centroids are wrong where a few values are very far from all others.",
            lambda x, start, found, sides=sides: (
                found[1] > 15
                and differs(x, start, found, "cost")
                and (sides == (1,) or differs(x, start, found, "prefix sums"))
            ),
            view=VIEWS[i % 3],
        )
    for i in range(6):
        n, k = ((20, 2), (60, 2), (100, 3))[i % 3]
        yield until(
            lambda n=n, k=k: mirrored(n, k),
            "The centroids are wrong where all values and centroids come with their negatives.",
            lambda x, start, found: differs(x, start, found, "sum"),
        )
    # A step that is small beside the values, but not beside their differences.
    for shift in (2.0**12, -(2.0**14), 2.0**16):
        yield until(
            lambda shift=shift: tuple(v + shift for v in from_one_end(400, 8, even=False)),
            "The centroids are wrong where all values are far from 0.",
            lambda x, start, found: found[1] > 30,
            weight=4,
        )
    order = "The centroids are wrong where it matters when values are assigned anew."
    for i in range(12):
        n, k = ((12, 3), (30, 4), (60, 6), (100, 8))[i % 4]
        yield until(
            lambda n=n, k=k, i=i: usual(n, k, scale=(1.0, 2.0**-40, 2.0**30)[i % 3]),
            order,
            lambda x, start, found: differs(x, start, found, "anew"),
            view=VIEWS[i % 3],
        )
    for i in range(12):
        n, k = ((10, 2), (40, 3), (60, 4), (25, 1))[i % 4]
        far = ((-50.0,), (200.0,), (-50.0, 200.0), (-60.0, -20.0, 300.0))[i // 3]
        yield until(
            lambda n=n, k=k, far=far: usual(n, k, far),
            "The centroids are wrong for other values, where a centroid has none.",
            lambda x, start, found: differs(x, start, found, "empty"),
            view=VIEWS[i % 3],
        )
    for i in range(3):
        # A centroid moves at first and has no values afterwards.
        yield until(
            lambda: (
                generator.choice(200, 10, replace=False).astype(float),
                generator.choice(200, 6, replace=False).astype(float),
            ),
            "The centroids are wrong where one of them moves and then has no values any more.",
            lambda x, start, found: found[2] > 0 and differs(x, start, found, "back"),
            view=VIEWS[i % 3],
            weight=2,
        )
    for i in range(30):
        n, k = ((1, 1), (9, 1), (20, 2), (50, 5), (120, 7), (300, 9))[i % 6]
        scale = (1.0, 2.0**-40, 2.0**-70, 1.0, 2.0**80)[i % 5]
        size = ("", ", which are very small", ", which are very large")[
            0 if scale == 1 else 1 if scale < 1 else 2
        ]
        yield until(
            lambda n=n, k=k, scale=scale, i=i: usual(n, k, scale=scale, signed=i % 2 == 0),
            f"The centroids are wrong for other values{size}, or another start.",
            view=VIEWS[i % 3],
            weight=1 / 2,
        )
    for _ in range(6):
        yield until(
            lambda: (
                generator.permutation(np.repeat(generator.integers(0, 50, 9) + 0.0, 5)),
                generator.choice(49, 4, replace=False) + 0.3,
            ),
            "The centroids are wrong where values occur several times.",
            weight=3,
        )
        alike = np.full(5, generator.uniform(1, 9))
        text = "The centroids are wrong where all values are the same."
        yield until(lambda a=alike: (a, a[:3] + np.array([2.0, -7.0, 15.0])), text, weight=1 / 2)


# 7 ---------------------------------------------------------------------------------------------


def of_cuts(values, bounds):
    """Levels and cost of sorted values, exactly."""
    exact = [Fraction(v) for v in values.tolist()]
    runs = [exact[i:j] for i, j in itertools.pairwise(bounds)]
    means = [sum(run) / len(run) for run in runs]
    pairs = zip(runs, means, strict=True)
    cost = sum((v - mean) ** 2 for run, mean in pairs for v in run)
    return [float(mean) for mean in means], float(cost)


def by_fees(x, n_levels):
    """The cuts of least cost: pay a fee for each cluster, and find the fee at which there are so
    many. With this fee no clustering is cheaper, so none of as many clusters is."""
    n = len(x)
    x = (x - x.mean()) / x.std()
    s, squares = (np.append(0.0, np.cumsum(x**p)) for p in (1, 2))
    length = np.arange(n + 1) - np.arange(n + 1)[:, None]
    cost = squares - squares[:, None] - (s - s[:, None]) ** 2 / np.maximum(length, 1)
    cost = np.maximum(cost, 0).T.copy()  # of the values from i up to j: in row j, column i

    def at(fee):
        least, begin = np.zeros(n + 1), np.zeros(n + 1, dtype=int)
        for j in range(1, n + 1):
            total = least[:j] + cost[j, :j] + fee
            begin[j] = total.argmin()
            least[j] = total[begin[j]]
        bounds = [n]
        while bounds[-1]:
            bounds.append(int(begin[bounds[-1]]))
        return bounds[::-1]

    low, high = 0.0, float(n)
    for _ in range(60):
        fee = (low + high) / 2
        bounds = at(fee)
        if len(bounds) - 1 == n_levels:
            return bounds
        low, high = (fee, high) if len(bounds) - 1 > n_levels else (low, fee)
    return None


def by_table(x, n_levels):
    """The cuts of least cost, for sorted values. None where others are about as good.

    The cost of a run comes from distances within it: values far away take no digits from it.
    """
    n = len(x)
    cost = np.full((n + 1, n + 1), np.inf)
    for i in range(n):
        part = x[i:] - x[i]
        mean = np.cumsum(part) / np.arange(1, n - i + 1)
        cost[i, i + 1 :] = np.cumsum((part - np.append(0, mean[:-1])) * (part - mean))
    least, begins = np.full((2, n + 1), np.inf), []  # the best and the second best
    least[0, 0] = 0
    for _ in range(n_levels):
        total = (least[:, :, None] + cost).reshape(2 * n + 2, n + 1)
        begins.append(total[: n + 1].argmin(axis=0))
        least = np.partition(total, 1, axis=0)[:2]
    if not least[1, n] > 1.00001 * least[0, n]:
        return None
    bounds = [n]
    for begin in reversed(begins):
        bounds.append(int(begin[bounds[-1]]))
    return bounds[::-1]


def by_restarts(x, n_levels, generator, restarts=2000):
    """The least cost that Lloyd's iterations find from many starts, for sorted values."""
    s, squares = (np.append(0.0, np.cumsum(x**p)) for p in (1, 2))
    order = generator.random((restarts, len(x))).argsort(axis=1)[:, :n_levels]
    levels = np.sort(x[order], axis=1)
    for _ in range(60):
        middles = (levels[:, 1:] + levels[:, :-1]) / 2
        inner = np.searchsorted(x, middles)
        bounds = np.pad(inner, ((0, 0), (1, 1)), constant_values=((0, 0), (0, len(x))))
        count = np.diff(bounds, axis=1)
        sums = np.diff(s[bounds], axis=1)
        moved = np.where(count > 0, sums / np.maximum(count, 1), levels)
        if np.array_equal(moved, levels):
            break
        levels = moved
    cost = np.diff(squares[bounds], axis=1) - sums**2 / np.maximum(count, 1)
    return float(np.where(count > 0, cost, 0).sum(axis=1).min())


def best_levels(generator):
    def case(x, n_levels, found, says, weight=1.0, view="plain"):
        levels, cost = found
        # Digits are counted from the range of the values: they may lie far from 0.
        size = float(np.ptp(x)) or float(np.abs(x).max())
        return Case(
            (viewed(x, view), n_levels),
            equals(levels, f"The levels are wrong {says}.", part=0, rtol=1e-12, atol=1e-8 * size),
            equals(
                cost,
                f"The levels are right, but not the cost {says}.",
                part=1,
                rtol=1e-6,
                atol=1e-12 * size**2,
            ),
            UNCHANGED,
            weight=weight,
        )

    # Many values and levels, where 2,000 starts of Lloyd's iterations do not find the best: more
    # than half of the points.
    many = "for two hundred values and sixteen levels, where only the best will do"
    for kind in ("small", "small", "both signs", "zeros", "small", "both signs"):
        while True:
            x = generator.exponential(3.0, 200)
            if kind == "both signs":
                x = x * generator.choice([-1, 1], 200)
            if kind == "zeros":
                x = np.where(generator.random(200) < 0.2, 0.0, x)
            bounds = by_fees(np.sort(x), 16)
            if bounds is None:
                continue
            found = of_cuts(np.sort(x), bounds)
            if by_restarts(np.sort(x), 16, generator) > 1.0001 * found[1]:
                break
        yield case(x, 16, found, many, weight=8)
    for i, n_levels in enumerate((6, 8, 10, 12, 9, 7, 11, 5, 10, 8)):
        scale, shift = (1.0, 2.0**-30, 2.0**20, 1.0)[i % 4], (0, 0, 0, 1e6, 0, 0, 0, -3e6)[i % 8]
        while True:
            x = scale * generator.exponential(4.0, 100 + 5 * i) + shift
            bounds = by_fees(np.sort(x), n_levels)
            if bounds is not None:
                break
        says = (
            "for a hundred values",
            "for very small values",
            "for very large values",
            "where all values are far from 0",
        )[i % 4]
        yield case(
            x, n_levels, of_cuts(np.sort(x), bounds), says, 4.0 if shift else 1.0, VIEWS[i % 3]
        )
    # Clusters of very different size. Where a few values are far from the others, nearly all digits
    # of sums are theirs.
    far = "where a few values are far from all others"
    zeros = "where most values are 0"
    for i, (n, n_levels, says) in enumerate(
        (
            (150, 4, far),
            (190, 8, far),
            (100, 6, far),
            (150, 10, far),
            (196, 16, far),
            (196, 12, far),
            (200, 16, zeros),
            (200, 6, zeros),
            (120, 3, zeros),
        )
    ):
        bounds = None
        while bounds is None:
            if says == far:
                x = generator.uniform(0, 1, n) if i % 2 else generator.exponential(0.3, n)
                sides = (generator.choice([-1, 1], 3), [-1, -1, -1], [1, 1, 1])[i % 3]
                x = np.append(x / x.max(), sides * generator.uniform(300, 1000, 3))
                x *= (1.0, 2.0**-30, 1.0, 2.0**20)[i % 4]
            else:
                x = generator.exponential(3.0, n)
                x[generator.random(n) < 0.8] = 0.0
            bounds = by_table(np.sort(x), n_levels)
        found = of_cuts(np.sort(x), bounds)
        yield case(generator.permutation(x), n_levels, found, says, view=VIEWS[i % 3])
    # Groups, whose own digits are lost in sums of float32, and values that differ little.
    groups, apart = (
        "where values lie in groups that are far apart",
        "where all values are far from 0",
    )
    for i, (places, counts, spread, n_levels, says) in enumerate(
        (
            ((0, 1000, -1000), (70, 65, 65), 1.0, 16, groups),
            ((0, -1000), (190, 10), 1.0, 16, groups),
            ((0, 1000), (185, 15), 1.0, 14, groups),
            ((-(10**6),), (100,), 0.1, 8, apart),
            ((10**6,), (100,), 0.1, 8, apart),
            ((-(2**28),), (60,), 16.0, 5, apart),
        )
    ):
        bounds = None
        while bounds is None:
            x = np.repeat(np.array(places, float), counts)
            x += generator.normal(0, spread, x.size)
            bounds = by_table(np.sort(x), n_levels)
        found = of_cuts(np.sort(x), bounds)
        yield case(generator.permutation(x), n_levels, found, says, 2.0, VIEWS[i % 3])
    for n, n_distinct, n_levels, says in (
        (9, 9, 9, "where each value has a level of its own"),
        (24, 5, 5, "where each different value has a level of its own"),
        (1, 1, 1, "for a single value"),
        (7, 1, 1, "where all values are the same"),
        (15, 15, 1, "for one level"),
        (20, 20, 2, "for two levels"),
        (16, 16, 5, "for other values or another number"),
        (100, 14, 6, "where values occur many times"),
        (120, 18, 4, "where values occur many times"),
        (12, 12, 11, "for one level fewer than values"),
        (30, 30, 3, "for other values or another number"),
        (18, 18, 8, "for other values or another number"),
    ) * 2:
        while True:
            # Like activations: most are small, and where values repeat, most are zero.
            values = np.unique(np.round(generator.exponential(4.0, size=n_distinct), 2))
            counts = np.ones(len(values), dtype=int)
            if n > n_distinct:
                shares = [0.4] + [0.6 / max(len(values) - 1, 1)] * (len(values) - 1)
                shares = np.array(shares) / sum(shares)
                counts += generator.multinomial(n - len(values), shares)
                values[0] = 0.0 if n_distinct > 1 else values[0]
            found = len(values) == n_distinct and by_all_partitions(values, counts, n_levels)
            if not found:
                continue
            x = generator.permutation(np.repeat(values, counts))
            break
        yield case(x, n_levels, found, says, 1 / 2)


def by_all_partitions(values, counts, n_levels):
    """Try all ways to cut distinct values into runs. None where two of them are about as good.

    Equal values share a level in every best solution, so nothing is missed.
    """
    n = len(values)
    exact, weights = [Fraction(v) for v in values.tolist()], counts.tolist()
    spread, mean = np.full((n + 1, n + 1), np.inf), {}
    for i, j in itertools.combinations(range(n + 1), 2):
        run, weight = exact[i:j], weights[i:j]
        mean[i, j] = sum(map(math.prod, zip(run, weight, strict=True))) / sum(weight)
        spread[i, j] = float(
            sum(w * (v - mean[i, j]) ** 2 for v, w in zip(run, weight, strict=True))
        )
    cuts = np.array(list(itertools.combinations(range(1, n), n_levels - 1)), dtype=int)
    ends = np.zeros((len(cuts), 1), dtype=int)
    bounds = np.hstack([ends, cuts.reshape(len(cuts), -1), ends + n])
    costs = spread[bounds[:, :-1], bounds[:, 1:]].sum(axis=1)
    best = int(costs.argmin())
    others = np.delete(costs, best)
    if others.size and others.min() < costs[best] * 1.0001:
        return None
    levels = [float(mean[i, j]) for i, j in itertools.pairwise(bounds[best].tolist())]
    return levels, float(costs[best])


# 8 ---------------------------------------------------------------------------------------------

ACTIVATIONS = {"conv1": 1024, "conv2": 2048, "conv3": 1024, "fc1": 128}


def bits_of_memory(tables, sizes):
    """Bits for the activations of one image."""
    if set(tables) != set(sizes):
        raise ValueError
    total = 0
    for name, n in sizes.items():
        table = np.asarray(tables[name], dtype=float)
        if table.ndim != 1 or not table.size or not np.isfinite(table).all():
            raise ValueError
        total += n * (table.size - 1).bit_length()
    return total


def share_read_right(tables, layers, images, labels):
    """The share of images that the network classifies with its activations at their levels."""
    x = images.astype(float)
    for name, w, b in layers:
        if w.ndim == 4:
            x = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
            parts = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
            x = np.tensordot(parts, w, axes=([1, 4, 5], [1, 2, 3])).transpose(0, 3, 1, 2)
            x = x + b[:, None, None]
        else:
            x = x.reshape(len(x), -1) @ w.T + b
        if name == "fc2":
            break
        x = np.maximum(x, 0)
        if name in tables:
            table = np.sort(np.asarray(tables[name], dtype=float))
            x = table[np.searchsorted((table[1:] + table[:-1]) / 2, x, side="right")]
        if name in ("conv2", "conv3"):
            n, c, h, _ = x.shape
            x = x.reshape(n, c, h // 2, 2, h // 2, 2).max(axis=(3, 5))
    return (x.argmax(axis=1) == labels).mean()


def folded(model):
    """The layers of the digits network, batch normalization within the weights."""
    state = {name: value.double().numpy() for name, value in model.state_dict().items()}
    layers = []
    for n in (1, 2, 3):
        weight, shift, mean, variance = (
            state[f"bn{n}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        )
        factor = weight / np.sqrt(variance + getattr(model, f"bn{n}").eps)
        bias = state.get(f"conv{n}.bias", 0) - mean
        w = state[f"conv{n}.weight"] * factor[:, None, None, None]
        layers.append((f"conv{n}", w.astype(np.float32), shift + bias * factor))
    for name in ("fc1", "fc2"):
        layers.append((name, state[f"{name}.weight"].astype(np.float32), state[f"{name}.bias"]))
    return layers


#: Memory, and what is said where more is needed.
MEMORY_STEPS = (
    (1, 8448, "Step 2 of 4 is not reached for another network: it takes more than 8,448 bits."),
    (2, 7700, "Step 3 of 4 is not reached for another network: it takes more than 7,700 bits."),
    (0, 6500, "Step 4 of 4 is not reached for other images: it takes more than 6,500 bits."),
)


def least_memory(generator):
    digits = data.load("digits")
    for seed, most, message in MEMORY_STEPS:
        chosen = generator.permutation(len(digits.test_labels))[:400]
        images, labels = digits.test_images[chosen], digits.test_labels[chosen]
        model = models.load_pretrained("digits_cnn", seed=seed)
        layers = folded(model)
        before = share_read_right({}, layers, images, labels)
        yield Case(
            (Build("quantlib.models.load_pretrained", "digits_cnn", seed=seed), images, labels),
            unchanged("The network or the images that were passed in have changed."),
            keys(list(ACTIVATIONS), "Return the levels of each of the four layers, in a dict."),
            recomputed(bits_of_memory, 0, most, message, given=(ACTIVATIONS,)),
            # One image more may go wrong: here everything is computed in float64.
            recomputed(
                share_read_right,
                before - 0.01 - 1.5 / len(labels),
                1,
                "For another network or other images the accuracy falls by more than one point.",
                given=(layers, images, labels),
            ),
        )
