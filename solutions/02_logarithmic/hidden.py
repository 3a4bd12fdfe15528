"""Hidden checks of exercise 2: other inputs, and what must come back for them.

For each graded function a generator of its name yields cases. Inputs are drawn from the course's
seed. Reference results come from other sources than quantlib: exact fractions, the parts of a
floating-point number, text of digits, SciPy, scikit-learn, NumPy alone for networks. Inputs keep
away from places where two right ways of computing differ; what lies exactly on a boundary does so
for every way of computing it.
"""

import collections
import copy
import itertools
import math
from fractions import Fraction

import numpy as np
import scipy.stats
import torch
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist, squareform
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import accuracy_score

from quantgrader.cases import (
    VIEWS,
    Build,
    Case,
    drawn,
    dtype,
    equals,
    integers,
    keys,
    no_warning,
    recomputed,
    shape,
    unchanged,
    viewed,
    watched,
    without_products,
)
from quantgrader.cases.regimes import KINDS
from quantlib import data, models

NO_LOGARITHM = no_warning(
    "divide by zero", "The logarithm of 0 was taken, for an input with other zeros."
)
IN_PLACE = unchanged("The input x was changed in place. Work on a new array.")
NDIMS = (0, 1, 2, 3, 4)


def signed_powers(generator, low, high, size):
    """Numbers of either sign whose logarithms are spread evenly."""
    signs = generator.choice([-1.0, 1.0], size=size)
    return signs * 2.0 ** generator.uniform(low, high, size=size)


def each_in(function, values):
    """``function`` of each value, in the shape of ``values``."""
    return np.reshape([function(v) for v in values.ravel().tolist()], values.shape)


# 1 ---------------------------------------------------------------------------------------------


def nearest(value):
    """The nearest power of two, from the parts m * 2**e of a float, with m from 1/2 to 1."""
    mantissa, exponent = math.frexp(value)
    if not mantissa:
        return 0.0
    # Half-way between 2**(e - 1) and 2**e is 3/4 * 2**e.
    return math.copysign(2.0 ** (exponent if abs(mantissa) >= 0.75 else exponent - 1), value)


def power_of_two_nearest(generator):
    def case(x, message, view="plain", weight=1):
        expected = equals(each_in(nearest, x), message, rtol=0, atol=0)
        return Case((viewed(x, view),), expected, NO_LOGARITHM, IN_PLACE, weight=weight)

    for x in drawn(generator, ndims=NDIMS):
        says = x.says("Some values are wrong")
        yield case(x.values, says, x.view, x.weight / 2)
    for place, size in enumerate(((), (40,), (5, 6), (2, 3, 4), (2, 2, 3, 3))):
        x = signed_powers(generator, -95, 95, size)
        message = f"Some values are wrong for an array of shape {size}, of very different sizes."
        yield case(x, message, VIEWS[place % 3], weight=1 / 2)
    # All that the text says at once: most points hang on these.
    for place, size in enumerate(((300,), (12, 25), (3, 4, 5), (2, 3, 2, 5), (40,), (7, 9))):
        x = signed_powers(generator, -30, 24, size)
        x.reshape(-1)[::7] = 0
        ties = x.reshape(-1)[1::7]
        x.reshape(-1)[1::7] = np.sign(ties) * 1.5 * 2.0 ** generator.integers(-30, 24, len(ties))
        x.reshape(-1)[2::7] = generator.choice([-1.45, 1.45], x.reshape(-1)[2::7].shape)
        message = f"Some values are wrong where all kinds of them are mixed, for shape {size}."
        yield case(x, message, VIEWS[place % 3], weight=4)
    between = signed_powers(generator, 0.5001, math.log2(1.5) - 0.0001, (60,))
    between *= 2.0 ** generator.integers(-30, 30, 60)
    yield case(between, "Some values between the geometric mean and the middle are wrong.")
    exponents = generator.permutation(np.arange(-90, 91))[:60].tolist()
    signs = generator.choice([-1.0, 1.0], 60)
    middles = signs * np.array([math.ldexp(1.5, k) for k in exponents])
    above = "A value exactly half-way must go to the larger level."
    yield case(middles, above)
    below = "The float below the middle must go to the smaller level. Compare with the middle."
    yield case(np.nextafter(middles, 0), below, weight=1 / 2)
    beyond = "A value just above the middle must go to the larger level."
    yield case(np.nextafter(middles, 2 * middles), beyond, weight=1 / 2)
    powers = signs * np.array([math.ldexp(1, k) for k in exponents])
    yield case(powers, "A value that is a power of two must stay as it is.")


# 2 ---------------------------------------------------------------------------------------------


def rounded_exponent(value):
    """round(log2 |value|): of m * 2**e it is e if m * m is 1/2 or more, exactly."""
    mantissa, exponent = math.frexp(abs(value))
    return exponent if Fraction(mantissa) ** 2 >= Fraction(1, 2) else exponent - 1


def code_of(value, bit_width, max_exponent):
    """The code of one value, its bits written as a text."""
    lowest = max_exponent - 2 ** (bit_width - 1) + 2
    if abs(Fraction(value)) < Fraction(2) ** (lowest - 1):
        return 0
    field = min(max(rounded_exponent(value), lowest), max_exponent) - lowest + 1
    return int(f"{int(value < 0)}{field:0{bit_width - 1}b}", 2)


def off_the_middles(x):
    """Values that are not next to a geometric mean of two powers of two."""
    mantissa = np.frexp(np.abs(x))[0]
    return np.where(np.abs(mantissa - math.sqrt(0.5)) < 1e-9, x * 1.01, x)


def log_encode(generator):
    def case(x, bit_width, max_exponent, message, view="plain", weight=1):
        x = off_the_middles(x)
        expected = each_in(lambda v: code_of(v, bit_width, max_exponent), x)
        return Case(
            (viewed(x, view), bit_width, max_exponent),
            equals(expected, message, rtol=0, atol=0),
            integers("Codes are integers, for every bit width."),
            NO_LOGARITHM,
            IN_PLACE,
            weight=weight,
        )

    widths = itertools.cycle(range(2, 9))
    offsets = itertools.cycle((0, -1, 1, -3, 0))
    for x in drawn(generator, ndims=NDIMS):
        largest = float(np.abs(x.values).max())
        top = rounded_exponent(largest) if largest else int(generator.integers(-9, 9))
        arguments = (next(widths), top + next(offsets))
        yield case(x.values, *arguments, x.says("Some codes are wrong"), x.view, x.weight / 2)
    for place, bit_width in enumerate((*range(2, 9), 2, 3, 4)):
        top = int(generator.integers(-60, 60))
        lowest = top - 2 ** (bit_width - 1) + 2
        size = ((40,), (8, 5), (2, 4, 5), (), (2, 2, 3, 3))[place % 5]
        words = f"with {bit_width} bits"
        x = signed_powers(generator, max(lowest, top - 12) - 2, top + 3, size)
        yield case(x, bit_width, top, f"Some codes are wrong {words}.", VIEWS[place % 3])
        # All that the text says at once: most points hang on these.
        kinds = [
            signed_powers(generator, max(lowest, top - 12) - 2, top + 1, 12),
            signed_powers(generator, 0.5001, math.log2(1.5) - 0.0001, 4)
            * 2.0 ** generator.integers(max(lowest, top - 9), top + 1, 4),
            signed_powers(generator, top + 1.6, top + 9, 4),
            -(2.0 ** generator.uniform(lowest - 9, lowest - 1.1, 4)),
            2.0 ** (lowest - 1) * np.array([1.0, -1.0]),
            -(2.0 ** generator.uniform(lowest - 0.9, lowest - 0.6, 1)),
            2.0 ** generator.uniform(lowest - 0.9, lowest - 0.6, 1),
            np.zeros(2),
        ]
        x = generator.permutation(np.concatenate(kinds)).reshape(
            ((30,), (5, 6), (2, 3, 5))[place % 3]
        )
        message = f"Some codes are wrong {words}, where values of all kinds are mixed."
        yield case(x, bit_width, top, message, VIEWS[place % 3], weight=10)
        # What lies between sqrt(2) and 1.5 of a level, where the two rules differ.
        x = signed_powers(generator, 0.5001, math.log2(1.5) - 0.0001, (30,))
        x *= 2.0 ** generator.integers(max(lowest, top - 20), top + 1, 30)
        message = f"Some values between two levels have the code of the other one, {words}."
        yield case(x, bit_width, top, message, weight=1 / 2)
        x = signed_powers(generator, top + 0.6, top + 30, (20,))
        message = f"Values above the largest level must get its code, {words}."
        yield case(x, bit_width, top, message, VIEWS[place % 3], weight=1 / 2)
        x = -(2.0 ** generator.uniform(lowest - 30, lowest - 1.001, 20))
        message = f"Small negative values become 0, and their code is 0, {words}."
        yield case(x, bit_width, top, message, weight=1 / 2)
        x = 2.0 ** generator.uniform(lowest - 30, lowest - 1.001, 20)
        yield case(x, bit_width, top, f"Small values must get the code 0, {words}.", weight=1 / 2)
        half = 2.0 ** (lowest - 1) * generator.choice([-1.0, 1.0], 8)
        message = f"Exactly half the smallest level must get the smallest level, {words}."
        yield case(half, bit_width, top, message)
        message = f"Values near half the smallest level have wrong codes, {words}."
        yield case(np.append(half * (1 - 1e-6), half * 1.2), bit_width, top, message)
        levels = np.ldexp(1.0, np.arange(lowest, top + 1))
        message = f"A level of the codes must get its own code, {words}."
        yield case(np.append(levels, -levels), bit_width, top, message)


# 3 ---------------------------------------------------------------------------------------------

#: What a student reads, smallest and largest exponent, and how often there is no weight.
SHIFTS = {
    "for other inputs. Was there floating point, or few bits?": (-40, 8, 0.2),
    "where all exponents are negative": (-57, -9, 0.2),
    "where all exponents are positive": (3, 12, 0.2),
    "where all exponents are the same": (-5, -5, 0.2),
    "where exponents differ by 48, and the sum needs more bits than a float has": (-50, -2, 0.2),
    "where exponents differ by 48 and are positive": (12, 60, 0.2),
    "where most weights are zero": (-39, 9, 0.8),
    "where no weight is zero": (-30, 0, 0.0),
}


def shift_dot(generator):
    def case(a, signs, exponents, words, see=True, weight=1):
        triples = zip(a.tolist(), signs.tolist(), exponents.tolist(), strict=True)
        exact = sum(Fraction(v * s) * Fraction(2) ** k for v, s, k in triples)
        lowest = int(exponents.min())
        arguments = (a, signs, exponents)
        argument = watched if see else lambda v: viewed(v, "flipped")
        end = "" if words.endswith("?") else "."
        return Case(
            tuple(map(argument, arguments)),
            without_products("Two arrays were multiplied, for other inputs than the shown ones."),
            integers("The sum must be an integer for other inputs too."),
            equals(
                (int(exact / Fraction(2) ** lowest), lowest),
                f"The dot product is not exact {words}{end}",
                view="shifted",
            ),
            unchanged("The input was changed in place. Work on new numbers."),
            weight=weight,
        )

    for words, (low, high, share) in SHIFTS.items():
        for place, n in enumerate((1, 2, 5, 12, 33, 64)):
            a = generator.integers(-128, 128, size=n).astype(np.int8)
            signs = generator.choice([-1, 1], size=n) * (generator.random(n) >= share)
            exponents = generator.integers(low, high + 1, size=n)
            if n > 1:  # both ends, so that the sum needs all bits
                exponents[:2], signs[:2], a[:2] = (low, high), generator.choice([-1, 1], 2), 101
                a[4:5], signs[4:5] = -128, -1
                order = generator.permutation(n)
                a, signs, exponents = a[order], signs[order], exponents[order]
            yield case(a, signs, exponents, words, place % 2, weight=1 / 3)
    for n in (1, 9, 40):
        a, exponents = np.full(n, -128, np.int8), generator.integers(-9, 4, size=n)
        signs = generator.choice([-1, 1], size=n, p=[0.8, 0.2])
        yield case(a, signs, exponents, "where values are -128", weight=1 / 3)
        a = generator.integers(-128, 128, size=n).astype(np.int8)
        words = "where all weights are zero"
        yield case(a, np.zeros(n, int), exponents, words, weight=1 / 3)
        # The smallest exponent is that of a weight of zero.
        exponents = np.append(exponents, -20)
        signs = np.append(generator.choice([-1, 1], size=n), 0)
        words = "where the weight with the smallest exponent is zero"
        yield case(np.append(a, np.int8(3)), signs, exponents, words, weight=1 / 3)
        yield case(
            np.full(2 * n, 127, np.int8),
            np.tile([1, -1], n),
            np.repeat(generator.integers(-9, 9, n), 2),
            "where the sum is 0",
            weight=1 / 3,
        )


# 4 ---------------------------------------------------------------------------------------------


def stream_of(codes, bit_width):
    """The bytes of codes, by a text of digits that is read backwards."""
    digits = "".join(f"{c:0{bit_width}b}"[::-1] for c in codes.ravel().tolist())
    return [int(digits[i : i + 8][::-1], 2) for i in range(0, len(digits), 8)]


#: All dtypes of codes; int8 holds codes of 7 bits and fewer.
INTEGERS = ("uint8", "uint64", "int64", "int16", "uint16", "uint32", "int32", "int8")


def pack_codes(generator):
    def case(codes, bit_width, message, view="plain", weight=1):
        codes = np.asarray(codes, next(kinds))
        return Case(
            (viewed(codes, view), bit_width),
            equals(stream_of(codes, bit_width), message, rtol=0, atol=0),
            dtype("uint8", "The result must have the dtype uint8, for every number of codes."),
            unchanged("The codes that were passed in have changed. Work on a new array."),
            weight=weight,
        )

    for bit_width in range(1, 9):
        # The first eight sizes are of several codes, so that each dtype comes with each width.
        kinds = itertools.cycle(INTEGERS[:7] if bit_width == 8 else INTEGERS)
        most = 2**bit_width
        # Three of eight widths fill a byte without a remainder: they count for less.
        weight = 1 / 8 if bit_width in (1, 2, 4, 8) else 1 / 4
        for size in ((2000,), (61,), (9,), (16,), (7,), (8,), (800,), (23,), (1,), (2,)):
            codes = generator.integers(0, most, size)
            message = f"Some bytes are wrong for codes of {bit_width} bits, or more or fewer."
            yield case(codes, bit_width, message, ("plain", "flipped")[size[0] % 2], weight)
        for size in ((), (4, 4), (5, 3), (2, 4, 3), (2, 2, 3, 5), (4, 2)):
            codes = generator.integers(0, most, size)
            codes.reshape(-1)[: min(2, codes.size)] = (0, most - 1)[: codes.size]
            message = f"Some bytes are wrong for an array of {len(size)} axes, or of its view."
            view = "flipped" if size == (4, 2) else "transposed"
            yield case(codes, bit_width, message, view, 8 * weight if len(size) > 1 else weight)
        zeros, ones = np.zeros(11, int), np.full((3, 4), most - 1)
        yield case(zeros, bit_width, "Some bytes are wrong where all codes are 0.", weight=weight)
        message = "Some bytes are wrong where all codes are the largest."
        yield case(ones, bit_width, message, "transposed", weight)
        message = "Some bytes are wrong where the last codes are 0: they are stored, too."
        yield case(np.array([most - 1, *[0] * 18]), bit_width, message, weight=weight)


# 5 ---------------------------------------------------------------------------------------------


def bit_efficiency(generator):
    def case(x_hat, bit_width, says, view="plain", weight=1):
        counts = collections.Counter(x_hat.ravel().tolist())
        magnitudes = [abs(Fraction(v)) for v in counts if v]
        octaves = math.log2(max(magnitudes) / min(magnitudes))
        bits = float(scipy.stats.entropy(list(counts.values()), base=2))
        return Case(
            (viewed(x_hat, view), bit_width),
            equals(octaves / bit_width, says("The range per bit is wrong"), part=0),
            equals(bits / bit_width, says("The density per bit is wrong"), part=1),
            unchanged("The values were changed in place. Work on a new array."),
            weight=weight,
        )

    def words(text):
        return lambda start: f"{start} {text}."

    widths = itertools.cycle(range(2, 9))
    kinds = [kind for kind in KINDS if kind != "zeros"]
    for x in drawn(generator, kinds):
        if x.values.any():
            yield case(x.values, next(widths), x.says, x.view, x.weight)
    for bit_width, low, high, size in (
        (2, 0, 0, (30,)),
        (3, -4, -2, (9, 7)),
        (4, -6, 0, (5, 4, 3, 3)),
        (8, -30, 1, (40, 6)),
        (5, -99, -85, (6, 20)),
        (6, 70, 99, (4, 5, 9)),
    ):
        x_hat = generator.choice([-1.0, 0.0, 1.0], size=size, p=[0.5, 0.2, 0.3])
        x_hat *= 2.0 ** generator.integers(low, high + 1, size=size)
        # Both ends are negative values.
        x_hat[np.abs(x_hat) > 2.0 ** (high - 1)] = -(2.0**high)
        x_hat[np.abs(x_hat) == 2.0**low] = -(2.0**low)
        x_hat.ravel()[:2] = -(2.0**low), -(2.0**high)
        x_hat += 0.0  # this turns -0 into 0: they are one level
        yield case(x_hat, bit_width, words("for powers of two, and zeros"), "transposed", 2)
    for bit_width in range(2, 9):
        codes = np.round(generator.normal(size=(12, 50)) * 2**bit_width / 6)
        codes[codes == codes.max()], codes[codes == 1] = 2, -1
        codes.flat[:2] = -1, 0
        step = generator.uniform(1e-3, 2)
        yield case(step * codes, bit_width, words("for uniform levels"), "flipped", 2)
    even = np.tile(generator.permutation([-4.0, -2.0, -1.0, 1.0, 2.0, 4.0, 8.0, 0.5]), 9)
    yield case(even, 3, words("where all codes are used equally often"))
    lonely = np.full(4000, 0.25)
    lonely[generator.integers(4000)] = -1e-25
    yield case(lonely, 4, words("where one level is nearly all, and one value is very small"))
    one = np.full((3, 2), generator.uniform(1, 9))
    yield case(one * generator.choice([-1, 1], (3, 2)), 2, words("where there is one magnitude"))
    yield case(-one, 2, words("where there is one level"))
    for bit_width, size in ((2, (40,)), (4, (5, 8))):
        zeros = generator.choice([0.0, -0.0, 0.5, -2.0], size)
        zeros.ravel()[:3] = 0.0, -0.0, 0.5
        yield case(zeros, bit_width, words("where zeros of both signs are one level"))


# 6 ---------------------------------------------------------------------------------------------


def levels_of(weight, bit_width):
    """The levels of a weight, each put between the boundaries of all levels."""
    magnitude = np.abs(weight)
    top = rounded_exponent(float(magnitude.max()))
    lowest = top - len(range(2, 2 ** (bit_width - 1)))
    levels = np.append(0.0, np.ldexp(1.0, np.arange(lowest, top + 1)))
    boundaries = [levels[1] / 2, *np.sqrt(levels[1:-1] * levels[2:])]
    return np.copysign(levels[np.digitize(magnitude, boundaries)], weight)


def outputs_of(weights, biases, x):
    """What linear layers with ReLU between them give, in float64."""
    for place, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        x = (np.maximum(x, 0) if place else x) @ weight.T + bias
    return x


def both_experiments(weights, few, read):
    """Accuracies with one layer alone in few bits, and with one spared, by ``read(weights)``."""
    numbers = range(len(weights))
    alone = [read([few[j] if j == i else weights[j] for j in numbers]) for i in numbers]
    spared = [read([weights[j] if j == i else few[j] for j in numbers]) for i in numbers]
    return alone, spared


def other_name(result, name):
    """Whether another layer is blamed, 0 or 1."""
    if not isinstance(result[0], str):
        raise ValueError
    return int(result[0] != name)


def blame_case(arguments, names, alone, spared, words, weight):
    # max takes the first of several.
    blamed = max(range(len(names)), key=spared.__getitem__)
    return Case(
        arguments,
        keys(names, f"Each layer must be measured, with its name, {words}.", part=1),
        equals(
            dict(zip(names, alone, strict=True)),
            f"The accuracies with a layer alone in few bits are wrong {words}.",
            part=1,
            rtol=1e-4,
        ),
        equals(
            dict(zip(names, spared, strict=True)),
            f"The accuracies with a layer spared are wrong {words}.",
            part=2,
            rtol=1e-4,
        ),
        recomputed(
            other_name,
            0,
            0,
            f"All accuracies are right, but another layer is to blame {words}.",
            given=(names[blamed],),
        ),
        unchanged("The network that was passed in has changed, or the images. Work on copies."),
        weight=weight,
    )


def small_network(generator, n_layers, scales, few_levels, with_biases, count):
    """Weights, biases, points and labels of a network of linear layers."""
    sizes = [int(v) for v in generator.integers(3, 8, n_layers)] + [int(generator.integers(3, 6))]
    weights = [
        scale * np.round(generator.normal(size=(o, i)), 2)
        for (i, o), scale in zip(itertools.pairwise(sizes), scales, strict=True)
    ]
    if few_levels:
        weights = [levels_of(w, 4) for w in weights]
    weights = [w.astype(np.float32).astype(float) for w in weights]
    biases = [with_biases * np.round(generator.normal(size=o), 2) for o in sizes[1:]]
    biases = [b.astype(np.float32).astype(float) for b in biases]
    points = np.round(256 * generator.normal(size=(count, sizes[0]))).astype(np.float32) / 256
    scores = outputs_of(weights, biases, points)
    noise = 0.05 * np.abs(scores).mean() * generator.normal(size=scores.shape)
    return weights, biases, points, (scores + noise).argmax(axis=1)


def clear(weights, biases, points):
    """Whether each point has a class that rounding to float32 doesn't decide."""
    ordered = np.sort(outputs_of(weights, biases, points), axis=1)
    gap = ordered[:, -1] - ordered[:, -2]
    size = np.abs(ordered).max(axis=1)
    # Two classes of the very same weights have no gap: the first is taken in every way.
    return (gap > 1e-4 * size) | ((size == 0) & (gap == 0))


#: What a student reads: number of layers, bits, and a kind.
NETWORKS = {
    "for another network": (3, 2, ""),
    "for a network of one layer": (1, 2, ""),
    "for a network of two layers": (2, 2, ""),
    "for a network of five layers": (5, 2, ""),
    "with 3 bits": (3, 3, ""),
    "with 5 bits": (2, 5, ""),
    "with 8 bits": (2, 8, ""),
    "where layers differ much in size": (3, 2, "scales"),
    "where the first layer is to blame": (3, 2, "first"),
    "where the last layer is to blame": (3, 2, "last"),
    "where the layer that hurts most alone is another": (3, 2, "other"),
    "where layers are equal: the first of them is to blame": (3, 2, "ties"),
    "where layers of five are equal: the first of them is to blame": (5, 3, "ties"),
    "where a layer is better spared by a point or two than one before it": (3, 2, "near"),
    "where few bits change nothing": (3, 4, "levels"),
}
#: Against the order of the alphabet, so that of equal layers another one comes first.
LAYERS = ("stem", "neck", "middle", "head", "end")


def layer_to_blame(generator):
    for words, (n_layers, bit_width, kind) in NETWORKS.items():
        for i in range(3):
            yield linear_case(generator, words, n_layers, bit_width, kind, i)
    digits = data.load("digits")
    for seed, bit_width in ((1, 2), (2, 3)):
        chosen = generator.permutation(len(digits.test_labels))[:250]
        images, labels = digits.test_images[chosen], digits.test_labels[chosen]
        model = models.load_pretrained("digits_cnn", seed=seed)
        layers = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
        names = [name for name, m in model.named_modules() if m in layers]
        weights = [layer.weight.detach().double().numpy() for layer in layers]
        few = [levels_of(w, bit_width) for w in weights]

        def read(weights, model=model, images=images, labels=labels):
            other = copy.deepcopy(model)
            kinds = torch.nn.Conv2d | torch.nn.Linear
            places = [m for m in other.modules() if isinstance(m, kinds)]
            for place, weight in zip(places, weights, strict=True):
                place.weight.data = torch.tensor(weight).float()
            with torch.no_grad():
                found = other(torch.tensor(images)).argmax(dim=1).numpy()
            return float(np.mean(found == labels))

        alone, spared = both_experiments(weights, few, read)
        build = Build("quantlib.models.load_pretrained", "digits_cnn", seed=seed)
        arguments = (build, images, labels, bit_width)
        yield blame_case(arguments, names, alone, spared, "for a network that reads digits", 2)


def named_network(weights, biases):
    """A network of linear layers with names instead of numbers."""
    modules = []
    for name, weight, bias in zip(LAYERS, weights, biases, strict=False):
        modules.append([name, Build("quantlib.models.linear_network", [weight], [bias])])
        modules.append([f"relu_{name}", Build("torch.nn.ReLU")])
    return Build("torch.nn.Sequential", Build("collections.OrderedDict", modules[:-1]))


def linear_case(generator, words, n_layers, bit_width, kind, i):
    while True:
        scales = np.ones(n_layers)
        if kind == "scales":
            scales = generator.permutation([1e-3, 1.0, 30.0])
        with_biases, count = i == 1 and kind != "scales", 500 if kind == "near" else 120
        weights, biases, points, labels = small_network(
            generator, n_layers, scales, kind == "levels", with_biases, count
        )
        few = [levels_of(w, bit_width) for w in weights]
        numbers = range(n_layers)
        tried = [[few[j] if j in low else weights[j] for j in numbers] for low in subsets(numbers)]
        keep = np.all([clear(w, biases, points) for w in tried], axis=0)
        points, labels = points[keep], labels[keep]
        if keep.sum() < 60:
            continue

        def read(weights, biases=biases, points=points, labels=labels):
            found = outputs_of(weights, biases, points).argmax(axis=1)
            return float(np.mean(found == labels))

        alone, spared = both_experiments(weights, few, read)
        best = [j for j in numbers if spared[j] == max(spared)]
        # Of equal layers neither the worst alone is to blame nor the best.
        others = [alone[j] for j in best[1:]]
        is_first = others and (min(others) < alone[best[0]] if i else max(others) > alone[best[0]])
        is_other = len(best) == 1 and best[0] != int(np.argmin(alone))
        fits = {
            "first": best == [0] and is_other,
            "last": best == [n_layers - 1] and is_other,
            "other": len(best) == 1 and alone[best[0]] > min(alone) + 0.05,
            "ties": 1 < len(best) < n_layers and is_first,
            "near": any(0 < max(spared) - a < 0.004 for a in spared[: best[0]]),
            "levels": len(best) == n_layers,
        }.get(kind, n_layers < 3 or bit_width > 3 or is_other)
        if fits:
            break
    # The layer is the answer, and the bits are an argument: whoever ignores one keeps less.
    weight = 4 if kind in ("ties", "levels") else 2 if bit_width != 2 else 2 / 3 if kind else 1 / 3
    build = Build("quantlib.models.linear_network", weights, biases)
    names = [str(2 * j) for j in numbers]  # there is a ReLU behind each layer
    if i == 1:
        build, names = named_network(weights, biases), [f"{name}.0" for name in LAYERS[:n_layers]]
    return blame_case((build, points, labels, bit_width), names, alone, spared, words, weight)


def subsets(numbers):
    """All layers that may be in few bits at once: one, or all but one."""
    everyone = set(numbers)
    return [{i} for i in numbers] + [everyone - {i} for i in numbers]


# 7 ---------------------------------------------------------------------------------------------


def accuracy_after_grouping(generator):
    def case(counts, n_groups, words, weight=1):
        distances = distances_of(counts)
        clustering = AgglomerativeClustering(n_groups, metric="precomputed", linkage="average")
        groups = clustering.fit(distances).labels_
        truth, answers = np.indices(counts.shape)
        accuracy = accuracy_score(
            groups[truth.ravel()], groups[answers.ravel()], sample_weight=counts.ravel()
        )
        return Case(
            (counts, n_groups),
            shape([len(counts)], f"There must be one group for each class {words}.", part=0),
            equals(groups, f"The groups are wrong {words}.", part=0, view="groups"),
            equals(float(accuracy), f"The accuracy is wrong {words}.", part=1),
            unchanged("The confusion matrix was changed in place. Work on a new array."),
            weight=weight,
        )

    for n_classes in (2, 3, 5, 8, 10, 14):
        for n_groups in sorted({2, n_classes // 2 + 1, n_classes - 1, n_classes} - {1}):
            counts = drawn_counts(generator, n_classes, 150, 900, 0.6)
            words = f"for {n_classes} classes in {n_groups} groups"
            yield case(counts, n_groups, words, 1 / 3)
    for n_classes, n_groups in ((7, 2), (8, 3), (9, 3)):
        for _ in range(3):
            # All that the text says at once: most points hang on these.
            wanted = (other_trees(n_groups), by_counts(n_groups), one_way(n_groups))
            counts = drawn_counts(
                generator, n_classes, 20, 2000, 0.5, lambda c, w=wanted: all(f(c) for f in w)
            )
            words = "where every step of the rule matters, for groups of several members"
            yield case(counts, n_groups, words, 2)
    for n_classes, n_groups in ((5, 2), (7, 4)):
        for _ in range(3):
            counts = drawn_counts(generator, n_classes, 2, 3000, 0.5, by_counts(n_groups))
            words = "where classes differ much in their number of images"
            yield case(counts, n_groups, words, 1 / 2)
            counts = drawn_counts(generator, n_classes, 100, 600, 0.5, one_way(n_groups))
            words = "where one class is taken for another and not the other way round"
            yield case(counts, n_groups, words, 1 / 2)
    for n_classes, n_groups in ((6, 3), (8, 5)):
        for _ in range(2):
            counts = drawn_counts(generator, n_classes, 150, 900, 0.1)
            yield case(counts, n_groups, "where most answers are wrong", 1 / 3)
            counts = drawn_counts(generator, n_classes, 150, 900, 0.6)
            counts[:, 0] = 0
            counts[0, 1] += 1
            if is_clear(counts):
                yield case(counts, n_groups, "where a class is never answered", 1 / 3)
            counts = drawn_counts(generator, n_classes, 150, 900, 0.8)
            counts = counts[:, [1, 0, 3, 2, *range(4, n_classes)]]
            words = "where two classes are taken for one another more often than not"
            yield case(counts, n_groups, words, 1 / 3)


def distances_of(counts):
    shares = counts / counts.sum(axis=1)[:, None]
    distances = 1 - np.mean([shares, shares.T], axis=0)
    distances[range(len(counts)), range(len(counts))] = 0
    return distances


def is_clear(counts):
    """Whether at each join no other two groups are as near, by any way of computing."""
    distances, groups = distances_of(counts), [[i] for i in range(len(counts))]
    while len(groups) > 2:
        pairs = list(itertools.combinations(groups, 2))
        found = [distances[np.ix_(*pair)].mean() for pair in pairs]
        nearest, next_one = np.argsort(found)[:2]
        if found[next_one] - found[nearest] < 1e-6:
            return False
        one, other = pairs[nearest]
        groups = [g for g in groups if g is not one and g is not other] + [one + other]
    return True


def drawn_counts(generator, n_classes, least, most, share_right, wanted=lambda counts: True):
    """A confusion matrix: some answers are right, some fall to a class that looks alike."""
    falling = 0.35 * 0.65 ** np.arange(n_classes)
    while True:
        images = np.exp(generator.uniform(np.log(least), np.log(most), n_classes)).astype(int)
        alike = generator.permuted(np.tile(falling, (n_classes, 1)), axis=1)
        shares = (1 - share_right) * alike / falling.sum() + share_right * np.eye(n_classes)
        counts = generator.multinomial(images, shares)
        if is_clear(counts) and wanted(counts):
            return counts


def same_groups(one, other):
    return np.array_equal(one[:, None] == one, other[:, None] == other)


def grouped(distances, n_groups, method="average"):
    tree = linkage(squareform(distances, checks=False), method)
    return fcluster(tree, n_groups, "maxclust")


def other_trees(n_groups):
    """Whether each other way of joining gives other groups."""

    def wanted(counts):
        distances = distances_of(counts)
        right = grouped(distances, n_groups)
        if same_groups(right, fcluster(linkage(pdist(distances), "average"), n_groups, "maxclust")):
            return False
        others = ("single", "complete", "weighted")
        return not any(same_groups(right, grouped(distances, n_groups, m)) for m in others)

    return wanted


def by_counts(n_groups):
    """Whether counts, not shares, give other groups."""

    def wanted(counts):
        both = (counts + counts.T).astype(float)
        wrong = both.max() - both
        wrong[range(len(counts)), range(len(counts))] = 0
        return not same_groups(grouped(distances_of(counts), n_groups), grouped(wrong, n_groups))

    return wanted


def one_way(n_groups):
    """Whether one direction only, or the larger of the two, gives other groups."""

    def wanted(counts):
        shares = counts / counts.sum(axis=1)[:, None]
        right = grouped(distances_of(counts), n_groups)
        for both in (np.triu(shares, 1), np.tril(shares, -1), shares):
            wrong = 1 - np.maximum(both, both.T)
            wrong[range(len(counts)), range(len(counts))] = 0
            if same_groups(right, grouped(wrong, n_groups)):
                return False
        return True

    return wanted


# 8 ---------------------------------------------------------------------------------------------


def wrong_form(layers, shapes):
    """How many codes are none of the bits that a layer has."""
    bad = 0
    if layers.keys() != shapes.keys():
        raise ValueError
    for name, (scheme, bit_width, codes, step) in layers.items():
        codes, step = np.asarray(codes), np.asarray(step, float)
        low, high = {
            "uniform": (-(2 ** (bit_width - 1)), 2 ** (bit_width - 1) - 1),
            "power of two": (0, 2**bit_width - 1),
        }[scheme]
        if bit_width not in range(2, 9) or codes.dtype.kind not in "iu":
            raise ValueError
        if codes.shape != tuple(shapes[name]) or step.size not in (1, len(codes)):
            raise ValueError
        bad += np.sum((codes < low) | (codes > high)) + np.sum(~np.isfinite(step))
        if scheme == "power of two":
            bad += np.sum((step != np.round(step)) | (np.abs(step) > 100))
    return bad


def bytes_taken(layers):
    """Whole bytes for the codes of a layer, 1 for each exponent, 4 for each step."""
    each = {"uniform": 4, "power of two": 1}
    sizes = [-(-np.size(codes) * b // 8) for _, b, codes, _ in layers.values()]
    return sum(sizes) + sum(each[scheme] * np.size(step) for scheme, _, _, step in layers.values())


def share_read_right(layers, images, labels, norms, biases):
    """The share of the images that the network reads right, computed with NumPy alone."""
    weights = {}
    for name, (scheme, bit_width, codes, step) in layers.items():
        codes = np.asarray(codes, float)
        step = np.reshape(np.asarray(step, float), (-1, *[1] * (codes.ndim - 1)))
        if scheme == "uniform":
            weights[name] = step * codes
            continue
        half = 2 ** (bit_width - 1)
        field = codes % half
        level = 2.0 ** (step - half + 1 + field)
        weights[name] = np.where(codes >= half, -1, 1) * np.where(field > 0, level, 0)
    h = images.astype(float)
    for place, (factor, offset) in enumerate(norms, 1):
        window = np.pad(h, ((0, 0), (0, 0), (1, 1), (1, 1)))
        window = np.lib.stride_tricks.sliding_window_view(window, (3, 3), axis=(2, 3))
        h = np.tensordot(window, weights[f"conv{place}"], axes=([1, 4, 5], [1, 2, 3]))
        h = np.moveaxis(np.maximum(h * factor + offset, 0), -1, 1)
        if place > 1:
            n, c, rows, columns = h.shape
            h = h.reshape(n, c, rows // 2, 2, columns // 2, 2).max(axis=(3, 5))
    h = np.maximum(h.reshape(len(h), -1) @ weights["fc1"].T + biases[0], 0)
    return ((h @ weights["fc2"].T + biases[1]).argmax(axis=1) == labels).mean()


def rest_of(network):
    """What is no weight: batch normalization as a factor and an offset, and two biases."""
    norms = []
    for bn in (network.bn1, network.bn2, network.bn3):
        mean, var, gamma, beta = (
            v.detach().double().numpy()
            for v in (bn.running_mean, bn.running_var, bn.weight, bn.bias)
        )
        factor = gamma / np.sqrt(var + bn.eps)
        norms.append((factor, beta - mean * factor))
    return norms, [layer.bias.detach().numpy() for layer in (network.fc1, network.fc2)]


#: The network's seed, bytes, the share that must be read right, weight, and what a student reads.
STEPS = (
    (1, 15_000, 0.5, 1, "Step 1 of 4 is not reached for another of the three networks."),
    (1, 15_000, 0.8, 1, "Step 2 of 4 is not reached for another of the three networks."),
    (2, 15_000, 0.9, 1, "Step 3 of 4 is not reached for another of the three networks."),
    (2, 15_000, 0.95, 1, "Step 4 of 4 is not reached for another of the three networks."),
    (1, 14_400, 0.8, 1, "Too few digits are read right with as few bytes as there may be."),
    (2, 17_000, 0.95, 1, "Too few digits are read right with more bytes."),
    (0, 21_000, 0.95, 0.5, "Too few digits are read right with as many bytes as there may be."),
)


def mixed_network(generator):
    # The model answer reads 95 % to 99 % with 14,400 and 15,000 bytes, and 98 % and more with
    # 17,000: there is a margin for other choices and processors.
    digits = data.load("digits")
    for seed, budget, least, weight, message in STEPS:
        # Other images to choose by in each course.
        chosen = generator.permutation(len(digits.train_labels))[:1000]
        network = models.load_pretrained("digits_cnn", seed=seed)
        shapes = {
            name: tuple(m.weight.shape)
            for name, m in network.named_modules()
            if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)
        }
        judged_by = (digits.test_images, digits.test_labels, *rest_of(network))
        yield Case(
            (
                Build("quantlib.models.load_pretrained", "digits_cnn", seed=seed),
                Build(
                    "numpy.take",
                    Build("quantlib.data.load", "digits", attributes=["train_images"]),
                    chosen,
                    0,
                ),
                digits.train_labels[chosen],
                budget,
            ),
            recomputed(
                wrong_form,
                0,
                0,
                "Codes or steps are out of range for another network or budget.",
                given=(shapes,),
            ),
            recomputed(bytes_taken, 0, budget, "The network takes more bytes than another budget."),
            recomputed(share_read_right, least, 1, message, given=judged_by),
            unchanged("The network, the images or the labels were changed. Work on copies."),
            weight=weight,
        )
