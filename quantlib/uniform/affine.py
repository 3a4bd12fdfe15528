"""Uniform quantization: a real number as an integer code, a scale and a zero point.

.. math:: \\hat x = s\\,(x_q - z), \\qquad
          x_q = \\mathrm{clamp}(\\mathrm{round}(x / s) + z,\\ q_{\\min},\\ q_{\\max})
"""

import sys
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from quantlib._validation import (
    as_float_array,
    as_integers,
    check_bit_width,
    check_flag,
    check_integer,
    detached,
    has_values,
    namespace,
)
from quantlib.schemes import Scheme, along_axis, frozen_array

__all__ = [
    "QParams",
    "quant_range",
]


def quant_range(bit_width, *, signed=True, narrow_range=False):
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


#: Up to so many values torch's own kernel is the faster one: without a gradient, and with one.
_FEW = {False: 16384, True: 32768}


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
    scale : float or numpy.ndarray
        Width of a step, in the unit of the data; positive. One number for the whole tensor, one for
        each index along ``axis``, or one for each group of values.
    zero_point : int or numpy.ndarray
        The code that stands for 0, of the shape of ``scale``.
    bit_width : int
        Bits a code, 1 to 16.
    narrow_range : bool
        Whether the smallest code is left out.
    group_size : int or None
        How many neighbours along the last axis share a scale: of shape (O, K / group_size) for a
        weight of shape (O, K), and so on for other axes. With ``axis=None`` only. A float32 scale
        adds ``32 / group_size`` bits a weight.

    Examples
    --------
    >>> QParams(scale=0.5, zero_point=0, bit_width=4).quant_max
    7
    """

    scale: float | np.ndarray
    zero_point: int | np.ndarray
    bit_width: int
    _: KW_ONLY
    signed: bool = True
    narrow_range: bool = False
    axis: int | None = None
    group_size: int | None = None

    stored = ("scale", "zero_point")

    def __post_init__(self):
        axis = None if self.axis is None else check_integer(self.axis, "axis", -64, 63)
        group_size = self.group_size
        if group_size is not None:
            group_size = check_integer(group_size, "group_size", 1, 2**31)
            if axis is not None:
                raise ValueError(f"axis must be None beside group_size={group_size}, got {axis}")
        scale = frozen_array(self.scale, "scale", np.float64)
        zero_point = frozen_array(as_integers(self.zero_point, "zero_point"), "zero_point")
        wanted = 0 if axis is None else 1
        fits = scale.ndim == wanted if group_size is None else scale.ndim >= 1
        if not fits or zero_point.shape != scale.shape or scale.size == 0:
            axes = f"{wanted} axes for axis={axis}" if group_size is None else "an entry a group"
            raise ValueError(
                f"scale and zero_point must have the same shape, with {axes}, "
                f"got shapes {scale.shape} and {zero_point.shape}"
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
            "scale": scale if scale.ndim else float(scale),
            "zero_point": zero_point if scale.ndim else int(zero_point),
            "bit_width": int(self.bit_width),
            "signed": bool(self.signed),
            "narrow_range": bool(self.narrow_range),
            "axis": axis,
            "group_size": group_size,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        # Made here, since torch.compile follows no NumPy.
        for name, precision in (("_in_float32", np.float32), ("_in_float64", np.float64)):
            object.__setattr__(self, name, _constants(self, precision))

    @property
    def quant_min(self):
        """Smallest code."""
        return quant_range(self.bit_width, signed=self.signed, narrow_range=self.narrow_range)[0]

    @property
    def quant_max(self):
        """Largest code."""
        return quant_range(self.bit_width, signed=self.signed, narrow_range=self.narrow_range)[1]

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
        x = as_float_array(x, "x", may_be_empty=True)
        steps = self._steps(self._grouped(detached(x)))
        codes = namespace(steps).astype(steps, namespace(steps).int32)
        codes += self._zero_points(codes)
        return codes.reshape(x.shape)

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
        return self._to_real(codes)

    def _to_real(self, codes):
        """Return what :meth:`dequantize` does, of codes that are known to be in range."""
        xp = namespace(codes)
        shape, codes = codes.shape, self._grouped(codes, "codes")
        steps = xp.astype(codes, xp.int32)
        steps -= self._zero_points(codes, "codes")
        return self._times_scale(xp.astype(steps, xp.float32)).reshape(shape)

    def _grouped(self, x, name="x"):
        """Return ``x`` as it is, or with a last axis more, which runs over a group."""
        if self.group_size is None:
            return x
        x = grouped(x, self.group_size, name)
        if has_values(x) and tuple(x.shape[:-1]) != self.scale.shape:
            raise ValueError(
                f"{name} must have groups of shape {self.scale.shape}, one for each scale, "
                f"got {tuple(x.shape[:-1])}"
            )
        return x

    def _zero_points(self, codes, name="x"):
        zero_point = self.zero_point
        if isinstance(zero_point, np.ndarray):
            zero_point = zero_point.astype(np.int32)
        return self._along(zero_point, codes, name)

    def _along(self, values, x, name="x"):
        """Return ``values``, one for each scale, so that they broadcast with ``x``."""
        if not isinstance(values, np.ndarray):
            return values
        if self.group_size is not None:
            values = values[..., None]
        return along_axis(values, x, self.axis, name=name)

    def fake_quantize(self, x):
        """Return ``x`` rounded to its levels; see :func:`quantlib.schemes.fake_quantize`."""
        rounded = self._by_torch(x)
        return super().fake_quantize(x) if rounded is None else rounded

    def _by_torch(self, x):
        """Return what torch's kernel makes of ``x``, or None where it isn't the better way.

        It has one call instead of six, but its loop casts each value to an integer of 64 bits and
        back: from some 10,000 values on it is slower. What lies beyond such an integer it
        makes anything of.
        """
        torch = sys.modules.get("torch")
        if torch is None or type(x) not in (torch.Tensor, torch.nn.Parameter):
            return None
        if not has_values(x) or x.dtype is not torch.float32:
            return None
        if not 0 < x.numel() <= _FEW[x.requires_grad]:
            return None
        kernel, arguments, largest = self._for_torch
        if kernel is None or not x.is_cpu or x.layout is not torch.strided or x.is_nested:
            return None
        if self.axis is not None and x.shape[self.axis : self.axis + 1] != self.scale.shape:
            return None
        values = x.detach() if x.requires_grad else x
        # It is NaN where a value is, and NaN is not less than anything.
        if not values.abs().max().item() < largest:
            return None
        return kernel(x, *arguments)

    @cached_property
    def _for_torch(self):
        """A kernel of torch, what it takes, and the magnitude of ``x`` below which it is right."""
        scale, reciprocal, *_ = self._in_float32
        if scale is None or reciprocal is None or self.group_size or (self.axis or 0) < 0:
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
        steps = self._steps(self._grouped(x))
        steps += 0.0  # the code of 0 stands for 0.0, not for -0.0
        return xp.astype(self._times_scale(steps), x.dtype, copy=False).reshape(x.shape)

    def _times_scale(self, steps):
        scale = self._constants(steps).scale
        if scale is None:  # as infinity it would make NaN of the code of 0
            raise ValueError(
                f"qparams.scale must be at most {_largest(steps)} here, got {np.max(self.scale)}"
            )
        return _multiplied(steps, self._along(scale, steps))

    def _in_range(self, x):
        ratio, low, high = self._ratio(self._grouped(x))
        return ((ratio >= low) & (ratio <= high)).reshape(x.shape)

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
        reciprocal, low, high = (self._along(values, x) for values in constants[1:])
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
    if scale.ndim == 0:
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


def grouped(x, group_size, name="x"):
    """Return ``x`` with its last axis split into groups, which the new last axis runs over."""
    group_size = check_integer(group_size, "group_size", 1, 2**31)
    length = x.shape[-1] if x.ndim else 1
    if length % group_size or not x.ndim:
        raise ValueError(
            f"group_size must divide the last axis of {name}, {length}, got {group_size}"
        )
    return x.reshape((*x.shape[:-1], length // group_size, group_size))
