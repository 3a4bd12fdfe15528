"""Fixed point: integers counted in units of a power of two.

.. math:: V_i = i \\cdot 2^{-F}, \\qquad i = 0, 1, \\dots, 2^q - 1

It is uniform quantization whose scale is a power of two and whose zero point is 0, so that a
change of scale is a shift.
"""

import math
from dataclasses import KW_ONLY, dataclass
from functools import cached_property

import numpy as np
from array_api_compat import array_namespace

from quantlib._validation import (
    as_float_array,
    as_integers,
    check_axis,
    check_bit_width,
    check_integer,
    detached,
    has_values,
)
from quantlib.schemes import Scheme, frozen_array
from quantlib.uniform.affine import QParams, quant_range

__all__ = ["FixedQParams", "choose_qparams", "fixed_point", "smallest_bit_width"]


@dataclass(frozen=True, eq=False)
class FixedQParams(Scheme):
    """A fixed-point format.

    >>> FixedQParams(4, fraction_bits=1, signed=False).largest
    7.5
    """

    #: q, bits of a number, 1 to 16 (2 to 16 if signed).
    bit_width: int
    #: F, how many of them stand behind the binary point, -64 to 64; if negative, a unit is over 1.
    #: One number for the whole tensor (``axis=None``), or one for each index along ``axis``.
    fraction_bits: int | np.ndarray
    _: KW_ONLY
    #: True for weights: two's complement, from ``-2**(q - 1)`` to ``2**(q - 1) - 1``. False after a
    #: ReLU: codes from 0 to ``2**q - 1``.
    signed: bool = True
    axis: int | None = None

    stored = ("fraction_bits",)

    def __post_init__(self):
        # Python's integers, since NumPy's small ones wrap around.
        values = {
            "bit_width": check_bit_width(self.bit_width, 2 if self.signed else 1, 16),
            "fraction_bits": self._checked_fraction_bits(),
            "axis": None if self.axis is None else check_integer(self.axis, "axis", -64, 63),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _checked_fraction_bits(self):
        if self.axis is None:
            return check_integer(self.fraction_bits, "fraction_bits", -64, 64)
        found = as_integers(self.fraction_bits, "fraction_bits")
        if found.ndim != 1 or 0 in found.shape:
            raise ValueError(
                f"fraction_bits must be one number for each index along axis {self.axis}, "
                f"got shape {tuple(found.shape)}"
            )
        for number in found.tolist():
            check_integer(number, "fraction_bits", -64, 64)
        return frozen_array(found, "fraction_bits", np.int64)

    @property
    def quant_min(self):
        """Smallest code."""
        return quant_range(self.bit_width, signed=self.signed)[0]

    @property
    def quant_max(self):
        """Largest code."""
        return quant_range(self.bit_width, signed=self.signed)[1]

    @property
    def scale(self):
        """What one unit is worth: 2**-fraction_bits, an array where these are one."""
        return 2.0**-self.fraction_bits

    @property
    def largest(self):
        """The largest number, M = (2**q - 1) * 2**-F where unsigned."""
        return self.scale * self.quant_max

    @cached_property
    def _uniform(self):
        zero_point = 0 if self.axis is None else np.zeros_like(self.fraction_bits)
        return QParams(self.scale, zero_point, self.bit_width, signed=self.signed, axis=self.axis)

    def quantize(self, x):
        r"""Return the integers of real numbers, :math:`\mathrm{clamp}(\mathrm{round}(x\,2^F))`.

        The codes are int32, of the kind and shape of ``x``. What is too large saturates.
        """
        return self._uniform.quantize(_checked(x, self.signed))

    def dequantize(self, codes):
        r"""Return the numbers that integers stand for, :math:`i\,2^{-F}`, as float32."""
        return self._uniform.dequantize(codes)

    def _to_real(self, codes):
        """Return what :meth:`dequantize` does, of codes that are known to be in range."""
        return self._uniform._to_real(codes)

    def _round(self, x):
        return self._uniform._round(_checked(x, self.signed))

    def _in_range(self, x):
        return self._uniform._in_range(x)


def choose_qparams(x, bit_width, *, signed=True, axis=None):
    r"""Return the finest format of ``bit_width`` bits that holds all of ``x``, F = 0 if all zero.

    One F for all of ``x`` (``axis=None``), or one for each index along ``axis``:

    .. math:: F = \max\{f : \operatorname{round}(\max|x| \, 2^f) \le i_{\max}\},

    with :math:`i_{\max} = 2^{q-1} - 1`, or :math:`2^q - 1` if unsigned. Sun, Lin, Wang 2016 do not
    tell how F was chosen; this rule is the course's.

    >>> choose_qparams([0.1, 2.9], bit_width=4, signed=False).fraction_bits
    2
    """
    x = detached(_checked(as_float_array(x, "x"), signed))
    xp = array_namespace(x)
    top = FixedQParams(bit_width, 0, signed=signed).quant_max
    if axis is None:
        fraction_bits = _finest(float(xp.max(xp.abs(x))), top)
    else:
        channel = check_axis(axis, x.ndim)
        rows = xp.reshape(xp.moveaxis(x, channel, 0), (x.shape[channel], -1))
        fraction_bits = [_finest(float(v), top) for v in xp.max(xp.abs(rows), axis=1)]
    return FixedQParams(bit_width, fraction_bits, signed=signed, axis=axis)


def _finest(largest, top):
    """Return the most fraction bits at which ``largest`` is at most the integer ``top``."""
    if largest == 0.0:
        return 0
    fraction_bits = math.frexp(top)[1] - math.frexp(largest)[1] + 1  # enough, or one too many
    if not -60 < fraction_bits < 60:
        raise ValueError(f"x must have its largest magnitude near 1, got {largest}")
    while round(math.ldexp(largest, fraction_bits)) > top:
        fraction_bits -= 1
    return fraction_bits


def _checked(x, signed):
    x = as_float_array(x, "x", may_be_empty=True)
    xp = array_namespace(x)
    if not signed and has_values(x) and bool(xp.any(x < 0)):
        raise ValueError(
            f"x must not be negative where signed=False, as after a ReLU, got {float(xp.min(x))}"
        )
    return x


def fixed_point(x, bit_width, fraction_bits, *, signed=True):
    r"""Round real numbers to fixed point, :math:`V_i = i\,2^{-F}`; the result is still float.

    Source: Sun, Lin, Wang 2016, III.A. They do not say how a number between two V_i is rounded;
    here to the nearest, ties to even. ``bit_width`` is q and ``fraction_bits`` F.

    >>> fixed_point([0.3, -1.3, 99.0], bit_width=4, fraction_bits=1).tolist()
    [0.5, -1.5, 3.5]
    >>> fixed_point([0.3, 1.3, 99.0], bit_width=4, fraction_bits=1, signed=False).tolist()
    [0.5, 1.5, 7.5]
    """
    return FixedQParams(bit_width, fraction_bits, signed=signed).fake_quantize(x)


def smallest_bit_width(accuracy_at, baseline, delta, bit_widths=range(1, 17)):
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
    >>> smallest_bit_width({2: 0.5, 3: 0.97, 4: 0.99}.get, 0.99, 0.02, [4, 3, 2])
    (3, {2: 0.5, 3: 0.97})
    """
    if not delta >= 0:
        raise ValueError(f"delta must be 0 or more, got {delta}")
    candidates = sorted(set(bit_widths))
    if not candidates:
        raise ValueError("bit_widths must not be empty")
    tried = {}
    for q in candidates:
        tried[q] = accuracy_at(q)
        # 0.99 - 0.97 is a little more than 0.02 in binary: equality is meant to count.
        if baseline - tried[q] <= delta + 1e-9:
            return q, tried
    return None, tried
