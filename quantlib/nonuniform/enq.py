"""ENQ: equal-distance quantization of one layer, the top E of q_m bits of a fixed-point number.

.. math:: k = \\min\\left(\\left\\lfloor \\frac{u}{2^{q_m - E}} \\right\\rfloor, 2^E - 1\\right),
          \\qquad V_k = k \\, 2^{q_m - E} \\, 2^{-F}

Here u is the activation as an integer in units of 2^-F. Dropping low bits is all that happens, so
a shifter does it in hardware.
"""

from dataclasses import KW_ONLY, dataclass

import numpy as np
from array_api_compat import array_namespace

from quantlib._validation import check_choice
from quantlib.nonuniform import fixed_point
from quantlib.nonuniform.conversion_units import RECONSTRUCTIONS, ROUNDINGS, ce, check_bits, qe
from quantlib.nonuniform.fixed_point import FixedQParams
from quantlib.schemes import Scheme

__all__ = ["EnqQParams", "choose_qparams"]


@dataclass(frozen=True, eq=False)
class EnqQParams(Scheme):
    """The levels of ENQ in one layer, and how a number gets to them.

    >>> EnqQParams(2, FixedQParams(4, fraction_bits=0, signed=False)).levels.tolist()
    [0.0, 4.0, 8.0, 12.0]
    """

    #: E, bits that are stored, 1 to the q_m bits of ``fixed``.
    bit_width: int
    #: The fixed-point format before, unsigned; if it has an ``axis``, so have the levels.
    fixed: FixedQParams
    _: KW_ONLY
    #: {"floor", "nearest"}: ``"floor"`` as printed. ``"nearest"`` adds half a step before the
    #: shift: the course's variant.
    rounding: str = "floor"
    #: {"low", "middle"}: ``"low"`` as printed: the code stands for the smallest number that it is
    #: made of. ``"middle"`` adds half a step, except to code 0, so that zero stays exact; the
    #: course's variant, for ``"floor"`` only.
    reconstruction: str = "low"

    def __post_init__(self):
        if not isinstance(self.fixed, FixedQParams):
            raise TypeError(f"fixed must be a FixedQParams, got {type(self.fixed).__name__}")
        if self.fixed.signed:
            raise ValueError("fixed must be unsigned, as activations after a ReLU, got signed=True")
        bit_width, _ = check_bits(self.bit_width, self.fixed.bit_width)
        object.__setattr__(self, "bit_width", bit_width)
        check_choice(self.rounding, "rounding", ROUNDINGS)
        check_choice(self.reconstruction, "reconstruction", RECONSTRUCTIONS)
        if self.rounding == "nearest" and self.reconstruction == "middle":
            raise ValueError(
                "reconstruction must be 'low' with rounding='nearest': one of them repairs the "
                "bias, both together bring it back"
            )

    @property
    def parameter_bytes(self):
        """Bytes of F, which is all that is stored beside the codes."""
        return self.fixed.parameter_bytes

    @property
    def quant_min(self):
        """Smallest code, 0."""
        return 0

    @property
    def quant_max(self):
        """Largest code, 2**E - 1."""
        return 2**self.bit_width - 1

    @property
    def axis(self):
        """The axis along which F differs, or None: that of ``fixed``."""
        return self.fixed.axis

    @property
    def levels(self):
        """All 2**E numbers that codes stand for, a NumPy array of float32.

        Of shape (2**E,), or (channels, 2**E) where F differs along an axis.
        """
        u = self._fixed_point(np.arange(2**self.bit_width))
        return np.multiply.outer(self.fixed.scale, u).astype(np.float32)

    def quantize(self, x):
        """Return the codes of activations, 0 to ``2**E - 1`` (int32): fixed point first, then QE.

        The fixed-point number is rounded to the nearest before QE drops its low bits. So an x less
        than half a unit 2^-F below a level is counted to that level.
        """
        u = self.fixed.quantize(x)
        return qe(u, self.bit_width, self.fixed.bit_width, rounding=self.rounding)

    def dequantize(self, codes):
        """Return the numbers that codes stand for: CE, then times 2^-F, as float32."""
        return self.fixed.dequantize(self._fixed_point(codes))

    def _fixed_point(self, codes):
        return ce(codes, self.bit_width, self.fixed.bit_width, reconstruction=self.reconstruction)

    def _round(self, x):
        xp = array_namespace(x)
        return xp.astype(self.fixed._to_real(self._fixed_point(self.quantize(x))), x.dtype)

    def _in_range(self, x):
        """Return where ``x`` does not saturate: above the last level it may still be rounded."""
        return self.fixed._in_range(x)


def choose_qparams(
    x, bit_width, *, fixed_bit_width=12, rounding="floor", reconstruction="low", axis=None
):
    """Return ENQ for the values of one layer: F is the finest at which q_m bits hold all of them.

    ``bit_width`` is E and ``fixed_bit_width`` q_m; its default is the 12 bits that Sun, Lin, Wang
    2016 found enough for VGG-16. ``rounding`` and ``reconstruction`` are those of
    :class:`EnqQParams`. F is one for all of ``x`` (``axis=None``) or for each index along ``axis``.

    >>> choose_qparams([0.0, 0.7, 2.9], 3, fixed_bit_width=8).fixed.fraction_bits
    6
    """
    bit_width, fixed_bit_width = check_bits(bit_width, fixed_bit_width)
    fixed = fixed_point.choose_qparams(x, fixed_bit_width, signed=False, axis=axis)
    return EnqQParams(bit_width, fixed, rounding=rounding, reconstruction=reconstruction)
