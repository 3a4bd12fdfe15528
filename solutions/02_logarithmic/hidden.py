"""Hidden checks of exercise 2: other inputs, and what must come back for them.

For each graded function a generator of its name yields cases. Inputs are drawn from the course's
seed. Reference results come from other sources than quantlib: exact fractions, brute force over
all levels, text of digits, SciPy, scikit-learn. Inputs keep away from places where two right
ways of computing differ.
"""

import collections
import copy
import itertools
import math
from fractions import Fraction

import numpy as np
import scipy.stats
import torch
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import accuracy_score, confusion_matrix

from quantgrader.cases import Build, Case, dtype, equals, integers, no_warning, unchanged
from quantlib import data, models

NO_LOGARITHM = no_warning(
    "divide by zero", "The logarithm of 0 was taken, for an input with other zeros."
)
IN_PLACE = unchanged("The input x was changed in place. Work on a new array.")


def signed_powers(generator, low, high, shape):
    """Numbers of either sign whose logarithms are spread evenly."""
    return generator.choice([-1.0, 1.0], size=shape) * 2.0 ** generator.uniform(
        low, high, size=shape
    )


def power_of_two(generator):
    for shape in ((200,), (6, 5), (2, 3, 3, 3)):
        x = signed_powers(generator, -20, 12, shape)
        x[..., 0] = 0.0
        expected = np.reshape(
            [rounded_in_fractions(Fraction(v)) for v in x.ravel().tolist()], shape
        )
        yield Case(
            (x,),
            equals(expected, "Some values are wrong for other inputs or another shape."),
            NO_LOGARITHM,
            IN_PLACE,
        )
    powers = np.array([2.0**k for k in range(-30, 31)])
    yield Case((powers,), equals(powers, "A value that is a power of two must stay as it is."))
    zeros = np.zeros((2, 2))
    yield Case((zeros,), equals(zeros, "An array of zeros must stay an array of zeros."))


def rounded_in_fractions(value):
    """sign * 2**k with 2**(k - 1/2) < |value| < 2**(k + 1/2), both sides squared."""
    if value == 0:
        return 0.0
    square, k = value**2, -60
    while square >= Fraction(2) ** (2 * k + 1):
        k += 1
    return float(Fraction(2) ** k) * (1 if value > 0 else -1)


def power_of_two_nearest(generator):
    # Brute force: measure the distance to every level there is, take the level of the smallest.
    all_levels = np.array([sign * 2.0**k for k in range(-24, 18) for sign in (-1, 1)])
    for shape in ((300,), (7, 4), (2, 3, 2, 2)):
        x = signed_powers(generator, -20, 14, shape)
        expected = all_levels[np.abs(x[..., None] - all_levels).argmin(axis=-1)]
        x[..., 0], expected[..., 0] = 0.0, 0.0
        yield Case(
            (x,),
            equals(expected, "Some values are wrong for other inputs or another shape."),
            NO_LOGARITHM,
            IN_PLACE,
        )
    exponents = range(-20, 21)
    middles = np.array([float.fromhex(f"0x1.8p{k}") for k in exponents])  # binary 1.1 times 2**k
    above = np.array([float.fromhex(f"0x1p{k + 1}") for k in exponents])
    yield Case((middles,), equals(above, "A value exactly half-way must go to the larger level."))
    yield Case(
        (np.nextafter(middles, 0),),
        equals(above / 2, "A value just below the middle must go to the smaller level."),
    )
    yield Case((above,), equals(above, "A value that is a power of two must stay as it is."))
    zeros = np.zeros(3)
    yield Case((zeros,), equals(zeros, "An array of zeros must stay an array of zeros."))


def log_encode(generator):
    for bit_width, max_exponent, shape in (
        (2, 0, (40,)),
        (3, -3, (8, 6)),
        (4, 2, (3, 4, 5)),
        (5, -1, (4, 2, 3, 3)),
        (8, 5, (50,)),
    ):
        lowest = max(max_exponent - 2 ** (bit_width - 1), -40)
        x = signed_powers(generator, lowest - 1, max_exponent + 3, shape)
        x[..., -1] = 0.0
        exact = [Fraction(v) for v in x.ravel().tolist()]
        expected = [code_by_brute_force(v, bit_width, max_exponent) for v in exact]
        yield Case(
            (x, bit_width, max_exponent),
            equals(
                np.reshape(expected, shape),
                "Some codes are wrong for another bit width, range or shape.",
            ),
            integers("Codes are integers, for every bit width."),
            NO_LOGARITHM,
            IN_PLACE,
        )
    zeros = np.zeros((2, 3))
    yield Case((zeros, 4, -5), equals(zeros, "An array of zeros must get the codes 0."))


def code_by_brute_force(value, bit_width, max_exponent):
    """Write down all codes in order of their levels, then climb from level to level."""
    half = 2 ** (bit_width - 1)
    exponents = [max_exponent - i for i in range(half - 1)][::-1]
    if abs(value) < Fraction(2) ** exponents[0] / 2:
        return 0
    field = 1
    # The boundary between two levels is the root of their product.
    for lower, upper in itertools.pairwise(exponents):
        if value**2 > Fraction(2) ** lower * Fraction(2) ** upper:
            field += 1
    return int(f"{int(value < 0)}{field:0{bit_width - 1}b}", 2)


def shift_dot(generator):
    for n, low, high in ((1, -3, -3), (12, -6, 0), (30, -14, 3), (9, 0, 7), (16, -50, -2)):
        for _ in range(2):
            a = generator.integers(-128, 128, size=n).astype(np.int8)
            signs = generator.choice([-1, 0, 1], size=n, p=[0.4, 0.2, 0.4])
            exponents = generator.integers(low, high + 1, size=n)
            # One weight at each end, so that the sum may need more bits than a float64 has.
            exponents[0], exponents[-1] = low, high
            a[0], a[-1], signs[0], signs[-1] = 77, 101, 1, 1
            exact = sum(
                Fraction(v * s) * Fraction(2) ** k
                for v, s, k in zip(a.tolist(), signs.tolist(), exponents.tolist(), strict=True)
            )
            lowest = int(exponents.min())
            yield Case(
                (a, signs, exponents),
                integers("The sum must be an integer for other inputs too."),
                equals(
                    (int(exact / Fraction(2) ** lowest), lowest),
                    "The dot product is not exact for other inputs. "
                    "Was there floating point, or few bits?",
                    view="shifted",
                ),
                unchanged("The input was changed in place. Work on new numbers."),
            )
    yield Case(
        (np.array([5, -7], np.int8), np.array([0, 0]), np.array([0, 3])),
        equals(0, "The dot product with zero weights must be 0.", part=0),
    )


def pack_nibbles(generator):
    for n in (1, 2, 9, 64, 255):
        codes = generator.integers(0, 16, size=n).astype(np.int32)
        # A hexadecimal digit is a nibble, and the first digit is the high one.
        digits = [f"{c:x}" for c in codes.tolist()] + ["0"] * (n % 2)
        pairs = zip(digits[1::2], digits[0::2], strict=True)
        yield Case(
            (codes,),
            equals(
                list(bytes.fromhex("".join(high + low for high, low in pairs))),
                "Some bytes are wrong for other codes, or more or fewer.",
            ),
            dtype("uint8", "The result must have the dtype uint8, for every number of codes."),
            unchanged("The codes were changed in place. Work on a new array."),
        )


def bit_efficiency(generator):
    for bit_width, low, high, shape in (
        (2, 0, 0, (30,)),
        (3, -4, -2, (9, 7)),
        (4, -6, 0, (5, 4, 3, 3)),
        (8, -30, 1, (40, 6)),
    ):
        x_hat = generator.choice([-1.0, 0.0, 1.0], size=shape, p=[0.5, 0.2, 0.3])
        x_hat *= 2.0 ** generator.integers(low, high + 1, size=shape)
        x_hat.ravel()[:2] = -(2.0**low), 2.0**high
        # Adding 0 turns -0 into 0: they are one level.
        x_hat += 0.0
        counts = collections.Counter(x_hat.ravel().tolist())
        exponents = [math.frexp(v)[1] for v in counts if v]
        yield Case(
            (x_hat, bit_width),
            equals(
                (max(exponents) - min(exponents)) / bit_width,
                "The range per bit is wrong for other values, bits or shapes.",
                part=0,
            ),
            equals(
                float(scipy.stats.entropy(list(counts.values()), base=2) / bit_width),
                "The density per bit is wrong for other values, bits or shapes.",
                part=1,
            ),
            unchanged("The values were changed in place. Work on a new array."),
        )
    # Levels need not be powers of two.
    yield Case(
        (np.array([3.0, -9.0, 0.75, 3.0]), 2),
        equals(
            (math.log2(12) / 2, 0.75),
            "The results are wrong where levels are not powers of two.",
        ),
    )
    yield Case((np.full(5, -0.5), 2), equals((0, 0), "With one level only, both results are 0."))


def accuracy_after_grouping(generator):
    for n_classes, all_groups, share_right in (
        (5, (2, 4), 0.6),
        (7, (3, 5), 0.6),
        (10, (2, 6, 10), 0.6),
        (6, (3,), 0.1),
    ):
        # Answers to images: some are right, some fall to a class that looks alike.
        truth = np.repeat(np.arange(n_classes), generator.integers(150, 900, size=n_classes))
        alike = generator.permuted(np.tile(np.arange(n_classes), (n_classes, 1)), axis=1)
        taken = np.minimum(generator.geometric(0.35, size=truth.size) - 1, n_classes - 1)
        right = generator.random(truth.size) < share_right
        answers = np.where(right, truth, alike[truth, taken])
        if share_right < 0.5:  # two pairs of classes are taken for one another more often than not
            pairs = np.array([1, 0, 3, 2, 4, 5])
            answers = np.where(generator.random(truth.size) < 0.7, pairs[truth], answers)
        counts = confusion_matrix(truth, answers, labels=range(n_classes))
        shares = confusion_matrix(truth, answers, labels=range(n_classes), normalize="true")
        distances = 1 - np.mean([shares, shares.T], axis=0)
        distances[range(n_classes), range(n_classes)] = 0
        for n_groups in all_groups:
            clustering = AgglomerativeClustering(n_groups, metric="precomputed", linkage="average")
            groups = clustering.fit(distances).labels_
            yield Case(
                (counts, n_groups),
                equals(
                    groups,
                    "The groups are wrong for another confusion matrix.",
                    part=0,
                    view="groups",
                ),
                equals(
                    float(accuracy_score(groups[truth], groups[answers])),
                    "The accuracy is wrong for another confusion matrix.",
                    part=1,
                ),
                unchanged("The confusion matrix was changed in place. Work on a new array."),
            )


def compress_network(generator):
    # 0.01 of 350 images is no whole number of images, so that no accuracy lies on the limit.
    digits = data.load("digits")
    for seed, max_loss in ((1, 0.01), (2, 0.01), (2, 0.05)):
        chosen = generator.permutation(len(digits.test_labels))[:350]
        images, labels = digits.test_images[chosen], digits.test_labels[chosen]
        model = models.load_pretrained("digits_cnn", seed=seed)
        limit = share_correct(model, images, labels) - max_loss
        expected = None, None, None
        for bit_width in range(2, 9):
            reference, n_bytes = compressed(model, bit_width)
            found = share_correct(reference, images, labels)
            if found >= limit:
                expected = bit_width, found, n_bytes
                break
        yield Case(
            (
                Build("quantlib.models.load_pretrained", "digits_cnn", seed=seed),
                images,
                labels,
                max_loss,
            ),
            unchanged("The network that was passed in has changed."),
            # The accuracy within a fraction of an image; bit width and bytes exactly.
            *(
                equals(
                    value, "The result is wrong for a trained network.", part=part, rtol=tolerance
                )
                for part, (value, tolerance) in enumerate(zip(expected, (0, 0.001, 0), strict=True))
            ),
        )


def compressed(model, bit_width):
    """A copy of a network with weights of few bits, and the bytes of their codes."""
    reference, n_bytes = copy.deepcopy(model), 0
    for layer in reference.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            weight = layer.weight.detach().double().numpy()
            layer.weight.data = torch.tensor(by_brute_force(weight, bit_width)).float()
            n_bytes += np.packbits(np.zeros(weight.size * bit_width, np.uint8)).nbytes
    return reference, n_bytes


def by_brute_force(weight, bit_width):
    """Sort every weight between the boundaries of all levels."""
    magnitude = np.abs(weight)
    top = next(k for k in range(40, -40, -1) if magnitude.max() ** 2 >= 2.0 ** (2 * k - 1))
    lowest = top - len(range(2, 2 ** (bit_width - 1)))
    levels = [0.0] + [2.0**k for k in range(lowest, top + 1)]
    boundaries = [levels[1] / 2, *np.sqrt(np.multiply(levels[1:-1], levels[2:]))]
    return np.copysign(np.array(levels)[np.digitize(magnitude, boundaries)], weight)


def share_correct(model, images, labels):
    with torch.no_grad():
        return accuracy_score(labels, model(torch.tensor(images)).argmax(dim=1))
