"""Fixed point: integers counted in units of a power of two.

.. math:: V_i = i \\cdot 2^{-F}, \\qquad i = 0, 1, \\dots, 2^q - 1

It is uniform quantization whose scale is a power of two and whose zero point is 0, so that a
change of scale is a shift.
"""

import math
from dataclasses import dataclass

from array_api_compat import array_namespace

from quantlib import uniform
from quantlib._validation import as_float_array, check_integer
from quantlib.uniform.affine import QParams

__all__ = [
    "FixedQParams",
    "choose_qparams",
    "dequantize",
    "fake_quantize",
    "fixed_point",
    "quantize",
    "smallest_word_bits",
]


@dataclass(frozen=True)
class FixedQParams:
    """A fixed-point format.

    >>> FixedQParams(word_bits=4, fraction_bits=1).largest
    7.5
    """

    #: q, bits of a number, 1 to 16 (2 to 16 if signed).
    word_bits: int
    #: F, how many of them stand behind the binary point, -64 to 64; if negative, a unit is over 1.
    fraction_bits: int
    #: False after a ReLU: codes from 0 to ``2**q - 1``. True for weights: two's complement, from
    #: ``-2**(q - 1)`` to ``2**(q - 1) - 1``.
    signed: bool = False

    def __post_init__(self):
        word_bits = check_integer(self.word_bits, "word_bits", 2 if self.signed else 1, 16)
        fraction_bits = check_integer(self.fraction_bits, "fraction_bits", -64, 64)
        # Python's integers, since NumPy's small ones wrap around.
        object.__setattr__(self, "word_bits", word_bits)
        object.__setattr__(self, "fraction_bits", fraction_bits)

    @property
    def scale(self):
        """What one unit is worth: 2**-fraction_bits."""
        return 2.0**-self.fraction_bits

    @property
    def largest(self):
        """The largest number, M = (2**q - 1) * 2**-F where unsigned."""
        return self.scale * self._uniform.quant_max

    @property
    def _uniform(self):
        return QParams(self.scale, 0, self.word_bits, signed=self.signed)

    def quantize(self, x):
        r"""Return the int32 codes :math:`\mathrm{clamp}(\mathrm{round}(x\,2^F))`."""
        return uniform.quantize(_checked(x, self.signed), self._uniform)

    def dequantize(self, codes):
        r"""Return the numbers :math:`i\,2^{-F}` that codes stand for, as float32."""
        return uniform.dequantize(codes, self._uniform)

    def fake_quantize(self, x):
        """Round to the numbers that the format has; the result is still float, of ``x``'s type."""
        return uniform.fake_quantize(_checked(x, self.signed), self._uniform)


def choose_qparams(x, word_bits, *, signed=False):
    r"""Return the finest format of ``word_bits`` bits that holds all of ``x``, F = 0 if all zero.

    .. math:: F = \max\{f : \operatorname{round}(\max|x| \, 2^f) \le i_{\max}\},

    with :math:`i_{\max} = 2^q - 1`, or :math:`2^{q-1} - 1` if signed. Sun, Lin, Wang 2016 do not
    tell how F was chosen; this rule is the course's.

    >>> choose_qparams([0.1, 2.9], word_bits=4)
    FixedQParams(word_bits=4, fraction_bits=2, signed=False)
    """
    x = _checked(x, signed)
    xp = array_namespace(x)
    largest = float(xp.max(xp.abs(x)))
    top = FixedQParams(word_bits, 0, signed)._uniform.quant_max
    if largest == 0.0:
        return FixedQParams(word_bits, 0, signed)
    fraction_bits = math.frexp(top)[1] - math.frexp(largest)[1] + 1  # enough, or one too many
    if not -60 < fraction_bits < 60:
        raise ValueError(f"x must have its largest magnitude near 1, got {largest}")
    while round(math.ldexp(largest, fraction_bits)) > top:
        fraction_bits -= 1
    return FixedQParams(word_bits, fraction_bits, signed)


def _checked(x, signed):
    x = as_float_array(x, "x")
    xp = array_namespace(x)
    if not signed and bool(xp.any(x < 0)):
        raise ValueError(
            f"x must not be negative, as after a ReLU (or take signed=True), got {float(xp.min(x))}"
        )
    return x


def quantize(x, qparams):
    r"""Return the integers of real numbers, :math:`\mathrm{clamp}(\mathrm{round}(x\,2^F))`.

    The codes are int32, of the kind and shape of ``x``. What is too large saturates.

    >>> import numpy as np
    >>> quantize(np.array([0.0, 0.3, 1.2, 99.0]), FixedQParams(4, 1)).tolist()
    [0, 1, 2, 15]
    """
    return qparams.quantize(x)


def dequantize(codes, qparams):
    r"""Return the numbers that integers stand for, :math:`i\,2^{-F}`, as float32.

    >>> import numpy as np
    >>> dequantize(np.array([0, 1, 15]), FixedQParams(4, 1)).tolist()
    [0.0, 0.5, 7.5]
    """
    return qparams.dequantize(codes)


def fake_quantize(x, qparams):
    """Round real numbers to those that the format has; the result is still float, of ``x``'s type.

    >>> import numpy as np
    >>> fake_quantize(np.array([0.3, 99.0]), FixedQParams(4, 1)).tolist()
    [0.5, 7.5]
    """
    return qparams.fake_quantize(x)


def fixed_point(x, word_bits, fraction_bits, *, signed=False):
    r"""Round real numbers to fixed point, :math:`V_i = i\,2^{-F}`; the result is still float.

    Source: Sun, Lin, Wang 2016, III.A. They do not say how a number between two V_i is rounded;
    here to the nearest, ties to even. ``word_bits`` is q and ``fraction_bits`` F.

    >>> import numpy as np
    >>> fixed_point(np.array([0.3, 1.3, 99.0]), word_bits=4, fraction_bits=1).tolist()
    [0.5, 1.5, 7.5]
    """
    return FixedQParams(word_bits, fraction_bits, signed).fake_quantize(x)


def smallest_word_bits(accuracy_at, baseline, delta, word_bits=range(1, 17)):
    r"""Find the smallest q whose accuracy A' is close enough: :math:`A - A' \le \delta`.

    Source: Sun, Lin, Wang 2016, III.A. Accuracy need not rise with every bit, so the smallest q is
    found from below: a search by halves could miss it. Nothing beyond the first success is tried.

    Parameters
    ----------
    accuracy_at : callable
        Takes q and returns A', in the unit of ``baseline``, which is A in floating point.
    delta : float
        The loss that is allowed, 0 or more.

    Returns
    -------
    q : int or None
        None if no candidate is good enough.
    tried : dict of int to float
        A' of each q that was tried.

    Examples
    --------
    >>> smallest_word_bits({2: 0.5, 3: 0.97, 4: 0.99}.get, 0.99, 0.02, [4, 3, 2])
    (3, {2: 0.5, 3: 0.97})
    """
    if not delta >= 0:
        raise ValueError(f"delta must be 0 or more, got {delta}")
    candidates = sorted(set(word_bits))
    if not candidates:
        raise ValueError("word_bits must not be empty")
    tried = {}
    for q in candidates:
        tried[q] = accuracy_at(q)
        # 0.99 - 0.97 is a little more than 0.02 in binary: equality is meant to count.
        if baseline - tried[q] <= delta + 1e-9:
            return q, tried
    return None, tried
