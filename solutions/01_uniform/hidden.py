"""Hidden checks of exercise 1: other inputs, and what must come back for them.

For each graded function a generator of its name yields cases. Inputs are drawn from the course's
seed. Reference results come from other sources than quantlib: exact fractions, torch, SciPy,
scikit-learn. Inputs keep away from places where two right ways of computing differ.
"""

import copy
import math
from fractions import Fraction

import numpy as np
import torch
from scipy.spatial.distance import sqeuclidean
from sklearn.metrics import accuracy_score
from torch.ao.quantization import MinMaxObserver

from quantgrader.cases import Build, Case, equals, integers, number, unchanged
from quantlib import data, models


def quant_range(generator):
    for message, signed in (("unsigned", False), ("signed", True)):
        other = int(generator.integers(5, 8))
        for bit_width, dtype in ((8, np.int8), (16, np.int16)):
            limits = np.iinfo(dtype if signed else np.dtype(dtype).str.replace("i", "u"))
            yield Case(
                (bit_width, signed),
                equals(
                    (limits.min, limits.max),
                    f"The range of {message} codes is wrong for another bit width.",
                ),
            )
        yield Case(
            (other, signed, False),
            equals(
                twos_complement(other) if signed else (0, int("1" * other, 2)),
                f"The range of {message} codes is wrong for another bit width.",
            ),
        )
    for bit_width in (2, int(generator.integers(5, 9)), int(generator.integers(9, 17))):
        lowest, highest = twos_complement(bit_width)
        yield Case(
            (bit_width, True, True),
            equals((lowest + 1, highest), "The narrow range is wrong for another bit width."),
        )


def twos_complement(bit_width):
    """The lowest and the highest number by their bit patterns: the top bit counts negative."""
    patterns = "1" + "0" * (bit_width - 1), "0" + "1" * (bit_width - 1)
    return tuple(int(p[1:], 2) - int(p[0]) * 2 ** (bit_width - 1) for p in patterns)


def quantize(generator):
    # Powers of two for scales: every quotient is exact, and many are ties.
    for scale, zero_point, low, high in (
        (0.25, 7, 0, 15),
        (0.5, -3, -8, 7),
        (2.0, 0, -127, 127),
        (0.125, 129, 0, 255),
    ):
        x = generator.integers(-300, 300, size=(6, 25)) * scale / 2
        expected = [
            [min(max(round(Fraction(v) / Fraction(scale)) + zero_point, low), high) for v in row]
            for row in x.tolist()
        ]
        yield Case(
            (x, scale, zero_point, low, high),
            equals(
                expected,
                "Some codes are wrong where x / scale is a tie, or where codes must be clamped.",
            ),
            integers("Codes are integers, for every range."),
            unchanged("The input x was changed in place. Work on a new array."),
        )
    # Other scales, no value near a tie, in single precision: torch computes the same codes.
    for factor, zero_point, low, high in (
        (0.1, 0, -8, 7),
        (0.037, 11, 0, 63),
        (1.7, -5, -128, 127),
    ):
        scale = factor * float(generator.uniform(0.8, 1.2))
        steps = generator.integers(2 * low - 3, 2 * high + 3, size=(4, 3, 5))
        x = ((steps + generator.uniform(-0.4, 0.4, size=steps.shape)) * scale).astype(np.float32)
        real = torch.fake_quantize_per_tensor_affine(torch.tensor(x), scale, zero_point, low, high)
        yield Case(
            (x, scale, zero_point, low, high),
            equals(
                (torch.round(real / scale) + zero_point).numpy(),
                "Some codes are wrong for other scales, ranges or shapes.",
            ),
        )
    yield Case(
        (np.array([1e4, -1e4]), 0.5, 3, 0, 15),
        equals(
            [15, 0],
            "Values far outside the range get wrong codes. "
            "Clamp before converting to small integers.",
        ),
    )


def dequantize(generator):
    for dtype, factor, zero_point in (
        (np.uint8, 0.037, 200),
        (np.int8, 0.25, -100),
        (np.int32, 1.7, 11),
        (np.uint16, 0.004, 30000),
    ):
        scale = factor * float(generator.uniform(0.8, 1.2))
        limits = np.iinfo(dtype)
        low, high = max(limits.min, -1000), min(limits.max, 60000)
        codes = generator.integers(low, high, size=(5, 4), endpoint=True)
        # Ends of the type: there a subtraction done in it wraps around.
        codes[0, 0], codes[-1, -1] = low, high
        # torch gives a whole number of steps back unchanged: its codes stand for these numbers.
        real = torch.tensor((codes - zero_point) * scale)
        expected = torch.fake_quantize_per_tensor_affine(real, scale, zero_point, low, high)
        yield Case(
            (codes.astype(dtype), scale, zero_point),
            equals(
                expected.numpy(),
                "The real numbers are wrong for other codes, integer types or zero points.",
            ),
            unchanged("The codes were changed in place. Work on a new array."),
        )


def choose_qparams_asymmetric(generator):
    for bit_width, low, high in (
        (2, -1.3, 2.0),
        (3, -0.7, 0.4),
        (5, -9.1, 1.7),
        (8, -0.03, 0.11),
        (8, -250.0, -3.0),
        (6, 0.5, 4.0),
    ):
        quant_max = 2**bit_width - 1
        while True:
            x = generator.uniform(low, high, size=(8, 5)).astype(np.float32)
            bottom, top = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
            # The zero point is no tie, which float32 and float64 might round differently.
            if abs((-bottom * quant_max / (top - bottom)) % 1 - 0.5) > 0.01:
                break
        observer = MinMaxObserver(
            dtype=torch.quint8, qscheme=torch.per_tensor_affine, quant_min=0, quant_max=quant_max
        )
        observer(torch.tensor(x))
        scale, zero_point = observer.calculate_qparams()
        yield Case(
            (x, bit_width),
            equals(
                (scale.item(), zero_point.item()),
                "Scale or zero point is wrong for other values or another bit width.",
                rtol=1e-5,
            ),
            unchanged("The input x was changed in place. Work on a new array."),
        )
    yield Case(
        (np.full((2, 2), 4.0), 2),
        equals(
            (4 / 3, 0),
            "Where all values are the same number, the range still goes from 0 to it.",
            rtol=1e-5,
        ),
    )


def choose_qparams_symmetric(generator):
    for bit_width in (2, 3, 5, 8):
        for x in (
            generator.normal(size=(4, 3, 3)),
            -generator.uniform(0.1, 2.0, size=9),
            generator.uniform(3, 4, size=5),
        ):
            # The code of the value farthest from 0 is at the end of the signed range.
            farthest = max(abs(Fraction(v)) for v in x.ravel().tolist())
            steps = len(range(1, 2 ** (bit_width - 1)))
            yield Case(
                (x, bit_width),
                equals(
                    (float(farthest / steps), 0),
                    "Scale or zero point is wrong for other values or another bit width.",
                    rtol=1e-5,
                ),
                unchanged("The input x was changed in place. Work on a new array."),
            )


def sqnr_db(generator):
    for shape, mean, size in (((40,), 0.0, 0.1), ((6, 7), 3.0, 0.01), ((2, 3, 4, 5), -1.0, 2.0)):
        x = generator.normal(mean, 1.0, size=shape)
        x_hat = x + generator.normal(size / 3, size, size=shape)
        signal = sqeuclidean(x.ravel(), np.zeros(x.size))
        noise = sqeuclidean(x.ravel(), x_hat.ravel())
        yield Case(
            (x, x_hat),
            number("Return one number for the whole array, whatever its shape."),
            # Decibels are ten times the common logarithm, so 1 dB is a tenth of a power of ten.
            equals(
                math.log(signal / noise, 10**0.1),
                "The SQNR is wrong for other values or another shape.",
                rtol=1e-5,
                atol=1e-4,
            ),
            unchanged("An input was changed in place. Work on a new array."),
        )

    # An error whose power is 1: no error at all is another thing.
    x = generator.integers(2, 9, size=5).astype(float)
    yield Case(
        (x, x - np.eye(5)[2]),
        equals(
            math.log(float(sum(Fraction(v) ** 2 for v in x.tolist())), 10**0.1),
            "The SQNR is wrong for other values or another shape.",
            rtol=1e-5,
        ),
    )


def quantize_per_channel(generator):
    for bit_width, shape in ((2, (5, 3, 3, 3)), (4, (4, 6)), (8, (6, 2, 5, 5)), (6, (3, 4, 3))):
        # Channels whose ranges differ a thousandfold; no weight lies near a tie.
        highest = 2 ** (bit_width - 1) - 1
        steps = generator.integers(-highest + 1, highest, size=shape).reshape(shape[0], -1)
        steps = np.where(highest == 1, 0, steps) + generator.uniform(-0.4, 0.4, size=steps.shape)
        steps[:, 1] = -highest
        sizes = 10.0 ** generator.uniform(-3, 0, size=shape[0])
        weight = (steps * sizes[:, None]).reshape(shape).astype(np.float32)
        scales = np.abs(weight).reshape(shape[0], -1).max(axis=1) / highest
        real = torch.fake_quantize_per_channel_affine(
            torch.tensor(weight),
            torch.tensor(scales),
            torch.zeros(shape[0], dtype=torch.int32),
            0,
            -highest,
            highest,
        )
        expected = torch.round(real / torch.tensor(scales).reshape(-1, *[1] * (len(shape) - 1)))
        yield Case(
            (weight, bit_width),
            equals(scales, "The scales are wrong for weights of other shapes.", part=1, rtol=1e-5),
            equals(expected.numpy(), "The codes are wrong for weights of other shapes.", part=0),
            unchanged("The weight was changed in place. Work on a new array."),
        )
    yield Case(
        (np.zeros((3, 2, 1, 1)), 4),
        equals(np.zeros((3, 2, 1, 1)), "A channel of zeros must get codes 0.", part=0),
        equals(np.ones(3), "A channel of zeros must get the scale 1.", part=1),
    )


def bits_needed(generator):
    # 0.01 of 150 images is no whole number of images, so that no accuracy lies on the limit.
    digits = data.load("digits")
    for seed in (1, 2):
        chosen = generator.permutation(len(digits.test_labels))[:150]
        images, labels = digits.test_images[chosen], digits.test_labels[chosen]
        model = models.load_pretrained("digits_cnn", seed=seed)
        limit = share_correct(model, images, labels) - 0.01
        expected = {
            bit_width: share_correct(rounded_by_torch(model, bit_width), images, labels)
            for bit_width in range(8, 1, -1)
        }
        yield Case(
            (Build("quantlib.models.load_pretrained", "digits_cnn", seed=seed), images, labels),
            unchanged("The network that was passed in has changed."),
            equals(expected, "The accuracies are wrong for a trained network.", part=0, rtol=0.003),
            equals(
                min(bit_width for bit_width in expected if expected[bit_width] >= limit),
                "The bit width is wrong for a trained network.",
                part=1,
            ),
        )


def rounded_by_torch(model, bit_width):
    """A copy of a network whose weights torch has fake-quantized per channel."""
    reference = copy.deepcopy(model)
    high = 2 ** (bit_width - 1) - 1
    for layer in reference.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            weight = layer.weight.detach()
            scales = weight.abs().flatten(1).amax(dim=1) / high
            zeros = torch.zeros(len(scales), dtype=torch.int32)
            layer.weight.data = torch.fake_quantize_per_channel_affine(
                weight, scales, zeros, 0, -high, high
            )
    return reference


def share_correct(model, images, labels):
    with torch.no_grad():
        return accuracy_score(labels, model(torch.tensor(images)).argmax(dim=1))
