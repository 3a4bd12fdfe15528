"""ENQ: equal-distance quantization of one layer, the top E of q_m bits of a fixed-point number.

.. math:: k = \\min\\left(\\left\\lfloor \\frac{u}{2^{q_m - E}} \\right\\rfloor, 2^E - 1\\right),
          \\qquad V_k = k \\, 2^{q_m - E} \\, 2^{-F}

Here u is the activation as an integer in units of 2^-F. Dropping low bits is all that happens, so
a shifter does it in hardware.
"""

from dataclasses import dataclass

import numpy as np
from array_api_compat import array_namespace

from quantlib._validation import as_float_array, check_choice
from quantlib.nonuniform import fixed_point
from quantlib.nonuniform.conversion_units import RECONSTRUCTIONS, ROUNDINGS, ce, check_bits, qe
from quantlib.nonuniform.fixed_point import FixedQParams

__all__ = ["EnqQParams", "choose_qparams", "dequantize", "fake_quantize", "quantize"]


@dataclass(frozen=True)
class EnqQParams:
    """The levels of ENQ in one layer, and how a number gets to them.

    >>> EnqQParams(bit_width=2, word_bits=4, fraction_bits=0).levels.tolist()
    [0.0, 4.0, 8.0, 12.0]
    """

    #: E, bits that are stored, 1 to ``word_bits``.
    bit_width: int
    #: q_m, bits of the fixed-point number before, 1 to 16.
    word_bits: int
    #: F.
    fraction_bits: int
    #: {"floor", "nearest"}: ``"floor"`` as printed. ``"nearest"`` adds half a step before the
    #: shift: the course's variant.
    rounding: str = "floor"
    #: {"low", "middle"}: ``"low"`` as printed: the code stands for the smallest number that it is
    #: made of. ``"middle"`` adds half a step, except to code 0, so that zero stays exact; the
    #: course's variant, for ``"floor"`` only.
    reconstruction: str = "low"

    def __post_init__(self):
        fixed = FixedQParams(self.word_bits, self.fraction_bits)
        bit_width, word_bits = check_bits(self.bit_width, self.word_bits)
        object.__setattr__(self, "bit_width", bit_width)
        object.__setattr__(self, "word_bits", word_bits)
        object.__setattr__(self, "fraction_bits", fixed.fraction_bits)
        check_choice(self.rounding, "rounding", ROUNDINGS)
        check_choice(self.reconstruction, "reconstruction", RECONSTRUCTIONS)
        if self.rounding == "nearest" and self.reconstruction == "middle":
            raise ValueError(
                "reconstruction must be 'low' with rounding='nearest': one of them repairs the "
                "bias, both together bring it back"
            )

    @property
    def fixed(self):
        """The fixed-point format before, a FixedQParams."""
        return FixedQParams(self.word_bits, self.fraction_bits)

    @property
    def levels(self):
        """All 2**E numbers that codes stand for, a NumPy array of float32."""
        return self.dequantize(np.arange(2**self.bit_width))

    def quantize(self, x):
        """Return the int32 codes of activations: fixed point first, then QE."""
        u = self.fixed.quantize(x)
        return qe(u, self.bit_width, self.word_bits, rounding=self.rounding)

    def dequantize(self, codes):
        """Return the numbers that codes stand for: CE, then times 2^-F, as float32."""
        u = ce(codes, self.bit_width, self.word_bits, reconstruction=self.reconstruction)
        return self.fixed.dequantize(u)

    def fake_quantize(self, x):
        """Round activations to the levels; the result is still float, of the type of ``x``."""
        x = as_float_array(x, "x")
        values = self.dequantize(self.quantize(x))
        return array_namespace(values).astype(values, x.dtype)


def choose_qparams(x, bit_width, word_bits=12, *, rounding="floor", reconstruction="low"):
    """Return ENQ for the values of one layer: F is the finest at which q_m bits hold all of them.

    ``bit_width`` is E and ``word_bits`` q_m; its default is the 12 bits that Sun, Lin, Wang 2016
    found enough for VGG-16. ``rounding`` and ``reconstruction`` are those of :class:`EnqQParams`.

    >>> choose_qparams([0.0, 0.7, 2.9], bit_width=3, word_bits=8).fraction_bits
    6
    """
    fraction_bits = fixed_point.choose_qparams(x, word_bits).fraction_bits
    return EnqQParams(bit_width, word_bits, fraction_bits, rounding, reconstruction)


def quantize(x, qparams):
    """Return the codes of activations, 0 to ``2**E - 1`` (int32): fixed point first, then QE.

    The fixed-point number is rounded to the nearest before QE drops its low bits. So an x less than
    half a unit 2^-F below a level is counted to that level.

    >>> import numpy as np
    >>> quantize(np.array([0.0, 3.9, 7.2, 99.0]), EnqQParams(2, 4, 0)).tolist()
    [0, 1, 1, 3]
    """
    return qparams.quantize(x)


def dequantize(codes, qparams):
    """Return the numbers that codes stand for: CE, then times 2^-F, as float32.

    >>> import numpy as np
    >>> dequantize(np.array([0, 3]), EnqQParams(2, 4, 1)).tolist()
    [0.0, 6.0]
    """
    return qparams.dequantize(codes)


def fake_quantize(x, qparams):
    """Round activations to the levels of ENQ; the result is still float, of the type of ``x``.

    >>> import numpy as np
    >>> fake_quantize(np.array([0.0, 3.9, 7.2, 99.0]), EnqQParams(2, 4, 0)).tolist()
    [0.0, 4.0, 4.0, 12.0]
    """
    return qparams.fake_quantize(x)
