"""Uniform quantization: a real number as an integer code, a scale and a zero point.

.. math:: \\hat x = s\\,(x_q - z), \\qquad
          x_q = \\mathrm{clamp}(\\mathrm{round}(x / s) + z,\\ q_{\\min},\\ q_{\\max})
"""

import math
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from quantlib._validation import (
    as_array,
    as_float_array,
    as_integers,
    check_axis,
    check_bit_width,
    check_choice,
    check_flag,
    check_integer,
    detached,
    has_values,
    namespace,
    shown,
)
from quantlib.schemes import Scheme, frozen_array

__all__ = [
    "QParams",
    "choose_qparams",
    "qparams_from_range",
    "quant_range",
]


def quant_range(bit_width, signed=True, narrow_range=False):
    """Smallest and largest code of ``bit_width`` bits, 1 to 16.

    Signed codes go from :math:`-2^{b-1}` to :math:`2^{b-1}-1`, unsigned ones from 0 to
    :math:`2^b-1`. A narrow range (from 2 bits on) leaves out the smallest code, so that signed
    codes are symmetric.

    >>> quant_range(8), quant_range(8, signed=False), quant_range(8, narrow_range=True)
    ((-128, 127), (0, 255), (-127, 127))
    """
    signed, narrow_range = check_flag(signed, "signed"), check_flag(narrow_range, "narrow_range")
    bit_width = check_bit_width(bit_width, 2 if narrow_range else 1, 16)
    quant_min = -(2 ** (bit_width - 1)) if signed else 0
    return quant_min + narrow_range, quant_min + 2**bit_width - 1


#: Up to so many values torch's own kernel is the faster one.
_FEW = 8192


class _Constants(NamedTuple):
    """Parameters as floats: numbers of Python's, or arrays with one for each index along axis."""

    scale: float | np.ndarray | None  # None if it is infinite
    reciprocal: float | np.ndarray | None  # likewise
    low: float | np.ndarray  # the smallest code, less the zero point
    high: float | np.ndarray


@dataclass(frozen=True, eq=False)
class QParams(Scheme):
    """What is needed to go from real numbers to integer codes and back.

    Source: Chenna, equations (1) and (2). Their range contains 0, so that 0 is exact.

    Attributes
    ----------
    scale : float or 1-D numpy.ndarray
        Width of a step, in the unit of the data; positive. One number for the whole tensor
        (``axis=None``), or one for each index along ``axis``.
    zero_point : int or 1-D numpy.ndarray
        The code that stands for 0, of the shape of ``scale``.
    bit_width : int
        Bits a code, 1 to 16.
    narrow_range : bool
        Whether the smallest code is left out.

    Examples
    --------
    >>> QParams(scale=0.5, zero_point=0, bit_width=4).quant_max
    7
    """

    scale: float | np.ndarray
    zero_point: int | np.ndarray
    bit_width: int
    signed: bool = True
    narrow_range: bool = False
    axis: int | None = None

    def __post_init__(self):
        axis = None if self.axis is None else check_integer(self.axis, "axis", -64, 63)
        scale = frozen_array(self.scale, "scale", np.float64)
        zero_point = frozen_array(as_integers(self.zero_point, "zero_point"), "zero_point")
        wanted = 0 if axis is None else 1
        if scale.ndim != wanted or zero_point.shape != scale.shape or scale.size == 0:
            raise ValueError(
                f"scale and zero_point must have the same shape, with {wanted} axes for "
                f"axis={axis}, got shapes {scale.shape} and {zero_point.shape}"
            )
        if not (np.isfinite(scale).all() and (scale > 0).all()):
            raise ValueError(f"scale must be positive and finite, got {scale.min()}")
        least, most = int(zero_point.min()), int(zero_point.max())
        if not self.quant_min <= least <= most <= self.quant_max:
            raise ValueError(
                f"zero_point must be from {self.quant_min} to {self.quant_max}, "
                f"got {least} to {most}"
            )
        zero_point = frozen_array(zero_point, "zero_point", np.int64)
        values = {
            "scale": scale if wanted else float(scale),
            "zero_point": zero_point if wanted else int(zero_point),
            "bit_width": int(self.bit_width),
            "signed": bool(self.signed),
            "narrow_range": bool(self.narrow_range),
            "axis": axis,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        # Made here, since torch.compile follows no NumPy.
        for name, precision in (("_in_float32", np.float32), ("_in_float64", np.float64)):
            object.__setattr__(self, name, _constants(self, precision))

    @property
    def quant_min(self):
        """Smallest code."""
        return quant_range(self.bit_width, self.signed, self.narrow_range)[0]

    @property
    def quant_max(self):
        """Largest code."""
        return quant_range(self.bit_width, self.signed, self.narrow_range)[1]

    def quantize(self, x):
        r"""Return the int32 codes of real numbers, of the kind (NumPy or torch) and shape of ``x``.

        .. math:: x_q = \mathrm{clamp}(\mathrm{round}(x / s) + z,\ q_{\min},\ q_{\max})

        Ties round to the even integer, and the zero point is added after rounding.

        Source: Chenna, equation (1); the clamp is not printed there, but a code must exist.
        The quotient is ``x`` times the reciprocal of the scale, in float64 for float64 data and in
        float32 for all else, as in ``torch.fake_quantize_per_tensor_affine``. Codes agree with
        torch's to the bit for float32. A quotient within a few parts in 2**24 of a tie can so fall
        on the tie's other side. For float64 torch rounds the reciprocal to float32, so that codes
        differ by one next to a tie; here it has the precision of ``x``.
        ``torch.quantize_per_tensor`` adds the zero point before rounding: with an odd zero point,
        ties go the other way.
        """
        steps = self._steps(detached(as_float_array(x, "x")))
        codes = namespace(steps).astype(steps, namespace(steps).int32)
        codes += self._zero_points(codes)
        return codes

    def dequantize(self, codes):
        r"""Real numbers, in float32, that integer codes stand for: :math:`\hat x = s\,(x_q - z)`.

        Source: Chenna, equation (2). A code out of the range of ``qparams`` is refused.
        """
        codes = as_integers(codes, "codes")
        xp = namespace(codes)
        low, high = self.quant_min, self.quant_max
        if 0 not in codes.shape and not low <= int(xp.min(codes)) <= int(xp.max(codes)) <= high:
            raise ValueError(
                f"codes must be from {low} to {high}, "
                f"got {int(xp.min(codes))} to {int(xp.max(codes))}"
            )
        steps = xp.astype(codes, xp.int32)
        steps -= self._zero_points(codes)
        return self._times_scale(xp.astype(steps, xp.float32))

    def _zero_points(self, codes):
        zero_point = self.zero_point
        return (
            zero_point
            if self.axis is None
            else _along(zero_point.astype(np.int32), codes, self.axis)
        )

    def fake_quantize(self, x):
        """Return ``x`` rounded to its levels; see :func:`quantlib.schemes.fake_quantize`."""
        rounded = self._by_torch(x)
        return super().fake_quantize(x) if rounded is None else rounded

    def _by_torch(self, x):
        """Return what torch's kernel makes of ``x``, or None where it isn't the better way.

        It has one call instead of six, but its loop casts each value to an integer of 64 bits and
        back: from some 10,000 values on it is the slower one. What lies beyond such an integer it
        makes anything of.
        """
        torch = sys.modules.get("torch")
        if torch is None or type(x) not in (torch.Tensor, torch.nn.Parameter):
            return None
        if not has_values(x) or x.dtype is not torch.float32 or not 0 < x.numel() <= _FEW:
            return None
        kernel, arguments, largest = self._for_torch
        if kernel is None or not x.is_cpu or x.layout is not torch.strided or x.is_nested:
            return None
        if self.axis is not None and x.shape[self.axis : self.axis + 1] != self.scale.shape:
            return None
        values = x.detach() if x.requires_grad else x
        # NaN if there is one, which is less than nothing
        if not torch.linalg.vector_norm(values, math.inf).item() < largest:
            return None
        return kernel(x, *arguments)

    @cached_property
    def _for_torch(self):
        """A kernel of torch, what it takes, and the magnitude of ``x`` below which it is right."""
        scale, reciprocal, *_ = self._in_float32
        if scale is None or reciprocal is None or (self.axis or 0) < 0:
            return None, (), 0.0
        torch, largest = sys.modules["torch"], 2**62 / float(np.max(reciprocal))
        arguments = (self.quant_min, self.quant_max)
        if self.axis is None:
            arguments = (self.scale, self.zero_point, *arguments)
            return torch.fake_quantize_per_tensor_affine, arguments, largest
        scale = torch.tensor(self.scale, dtype=torch.float32)
        zero_point = torch.tensor(self.zero_point, dtype=torch.int32)
        arguments = (scale, zero_point, self.axis, *arguments)
        return torch.fake_quantize_per_channel_affine, arguments, largest

    def _round(self, x):
        xp = namespace(x)
        steps = self._steps(x)
        steps += 0.0  # the code of 0 stands for 0.0, not for -0.0
        return xp.astype(self._times_scale(steps), x.dtype, copy=False)

    def _times_scale(self, steps):
        scale = self._constants(steps).scale
        if scale is None:  # as infinity it would make NaN of the code of 0
            raise ValueError(
                f"qparams.scale must be at most {_largest(steps)} here, got {np.max(self.scale)}"
            )
        return _multiplied(steps, _along(scale, steps, self.axis))

    def _in_range(self, x):
        ratio, low, high = self._ratio(x)
        return (ratio >= low) & (ratio <= high)

    def _steps(self, x):
        """Return ``clamp(round(x / scale) + zero_point) - zero_point`` as new floats."""
        ratio, low, high = self._ratio(x)
        if isinstance(ratio, np.ndarray):
            return np.clip(ratio, low, high, out=ratio)
        # New memory would cost more than the clamp; torch.func.vmap has no rule for one in place.
        return ratio.clamp_(low, high) if has_values(ratio) else ratio.clamp(low, high)

    def _ratio(self, x):
        """Return ``round(x / scale)`` as new floats, and the bounds that codes set to it."""
        constants = self._constants(x)
        if constants.reciprocal is None:
            raise ValueError(f"qparams.scale is too small for {x.dtype}: {np.min(self.scale)}")
        xp = namespace(x)
        reciprocal, low, high = (_along(values, x, self.axis) for values in constants[1:])
        ratio = xp.astype(x, xp.float64 if x.dtype == xp.float64 else xp.float32)
        ratio = _multiplied(ratio, reciprocal)
        if isinstance(ratio, np.ndarray):
            return np.rint(ratio, out=ratio), low, high
        return ratio.round_(), low, high

    def _constants(self, x):
        """Return what ``x`` is computed with: float64 for itself, float32 for all else."""
        return self._in_float64 if x.dtype == namespace(x).float64 else self._in_float32


def _constants(qparams, precision):
    """Return the parameters as floats of that precision."""
    scale, zero_point = np.asarray(qparams.scale), np.asarray(qparams.zero_point)
    with np.errstate(over="ignore", divide="ignore"):
        scale = scale.astype(precision)
        reciprocal = (1 / scale).astype(precision)
    low, high = (
        np.asarray(q - zero_point, precision) for q in (qparams.quant_min, qparams.quant_max)
    )
    if zero_point.min() == zero_point.max():  # one bound for all is compared with faster
        low, high = low.flat[0].item(), high.flat[0].item()
    bounded = [values if np.isfinite(values).all() else None for values in (scale, reciprocal)]
    if qparams.axis is None:
        bounded = [None if values is None else values.item() for values in bounded]
    return _Constants(*bounded, low, high)


def _multiplied(values, factor):
    """Multiply ``values`` in place, and return them; what is too large becomes infinite."""
    if not isinstance(values, np.ndarray):
        return values.mul_(factor)
    with np.errstate(over="ignore"):
        return np.multiply(values, factor, out=values)


def _largest(x):
    return float(namespace(x).finfo(x.dtype).max)


def qparams_from_range(
    low,
    high,
    bit_width=8,
    *,
    symmetric=True,
    signed=True,
    narrow_range=None,
    axis=None,
    dtype="float32",
):
    r"""Scale and zero point that map the real range ``low`` to ``high`` onto the codes.

    Asymmetric, the two ends of the range go to the two ends of the codes:

    .. math:: s = \frac{x_{\max} - x_{\min}}{q_{\max} - q_{\min}}, \qquad
              z = \mathrm{round}(q_{\min} - x_{\min} / s)

    Symmetric, :math:`z = 0` and :math:`s = \max(|x_{\min}|, |x_{\max}|) / q_{\max}`; symmetric
    unsigned codes, for data that is never negative, begin at :math:`z = q_{\min}`. The range is
    first widened to contain 0: only then is 0 one of the codes and exact. A range of width 0 gets
    scale 1.

    Source: Chenna, equations (3) and (4). He writes :math:`z = \mathrm{round}(q_{\max} -
    x_{\max}/s)`, which is the same number before rounding. For symmetric codes without narrow
    range torch.ao divides by :math:`(q_{\max} - q_{\min})/2`, 127.5 at 8 bits, and clips the
    largest value; here the largest value always has a code.

    Parameters
    ----------
    low, high : float or 1-D array
        The range; arrays with one entry for each index along ``axis``.
    bit_width : int
        1 to 16; symmetric signed codes need 2 or more.
    narrow_range : bool or None
        Whether to leave out the smallest code; None means yes for symmetric signed codes.
    dtype : {"float32", "float64"}
        Precision to which the scale is rounded; one too small for it becomes the smallest normal.

    Examples
    --------
    >>> qparams_from_range(-1.0, 3.0, bit_width=2, symmetric=False, signed=False).zero_point
    1
    """
    check_choice(dtype, "dtype", ("float32", "float64"))
    signed = check_flag(signed, "signed")
    narrow_range = symmetric and signed if narrow_range is None else narrow_range
    check_bit_width(bit_width, 2 if symmetric and signed else 1, 16)
    quant_min, quant_max = quant_range(bit_width, signed, narrow_range)
    low, high = (
        np.asarray(detached(as_array(value, name)), np.float64)
        for value, name in ((low, "low"), (high, "high"))
    )
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (low <= high).all()):
        raise ValueError(
            f"low and high must be finite, low not above high, got {shown(low)} and {shown(high)}"
        )
    low, high = np.minimum(low, 0.0), np.maximum(high, 0.0)
    if not symmetric:
        # Two divisions, since high - low can overflow.
        with np.errstate(over="ignore"):
            scale = high / (quant_max - quant_min) - low / (quant_max - quant_min)
    elif signed:
        scale = np.maximum(-low, high) / quant_max
    elif (low < 0).any():
        raise ValueError(
            "low must not be negative where symmetric=True and signed=False, "
            f"got {low.min()}; unsigned symmetric codes have no negative numbers"
        )
    else:
        scale = high / (quant_max - quant_min)
    scale = np.where(scale == 0.0, 1.0, scale)
    with np.errstate(over="ignore"):
        scale = np.maximum(scale, np.finfo(dtype).tiny).astype(dtype).astype(np.float64)
    if np.isinf(scale).any():
        raise ValueError(
            f"low and high must lie close enough for a scale in {dtype}, "
            f"got {low.min()} and {high.max()} at {bit_width} bits"
        )
    if symmetric:
        zero_point = np.full(scale.shape, max(0, quant_min), np.int64)
    else:
        zero_point = np.clip(np.rint(quant_min - low / scale), quant_min, quant_max)
        zero_point = zero_point.astype(np.int64)
    if axis is None and scale.ndim == 0:
        scale, zero_point = float(scale), int(zero_point)
    return QParams(scale, zero_point, bit_width, signed, narrow_range, axis)


def choose_qparams(x, bit_width=8, *, symmetric=True, signed=True, narrow_range=None, axis=None):
    r"""Scale and zero point for a tensor, from its smallest and largest value.

    :func:`qparams_from_range` with :math:`x_{\min} = \min x` and :math:`x_{\max} = \max x`, of the
    whole NumPy array or torch tensor (``axis=None``) or of each index along ``axis``: 0 for the
    output channels of a convolution's weights. Source: Chenna, equations (3) and (4) and section
    3.1; Nayak, III.a (2) for the symmetric scale.

    >>> choose_qparams(np.array([-1.0, 0.0, 0.5]), bit_width=2).scale
    1.0
    """
    x = detached(as_float_array(x, "x"))
    xp = namespace(x)
    if axis is None:
        low, high = float(xp.min(x)), float(xp.max(x))
    else:
        axis = check_axis(axis, x.ndim)
        rows = xp.reshape(xp.moveaxis(x, axis, 0), (x.shape[axis], -1))
        low, high = ([float(v) for v in f(rows, axis=1)] for f in (xp.min, xp.max))
    return qparams_from_range(
        low,
        high,
        bit_width,
        symmetric=symmetric,
        signed=signed,
        narrow_range=narrow_range,
        axis=axis,
        dtype="float64" if x.dtype == xp.float64 else "float32",
    )


def _along(values, x, axis):
    """Return ``values``, one for each index along ``axis`` of ``x``, so that they broadcast."""
    if not isinstance(values, np.ndarray) or not values.ndim:
        return values
    axis = check_axis(axis, x.ndim)
    if has_values(x) and x.shape[axis] != len(values):
        raise ValueError(
            f"x must have {len(values)} entries along axis {axis}, one for each scale, "
            f"got shape {tuple(x.shape)}"
        )
    values = values.reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    return values if isinstance(x, np.ndarray) else namespace(x).asarray(values, device=x.device)
