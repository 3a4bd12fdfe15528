"""From the range of the numbers to a scale and a zero point, by one of three mappings."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from quantlib._validation import (
    as_array,
    as_float_array,
    check_axis,
    check_bit_width,
    check_choice,
    check_flag,
    detached,
    namespace,
    shown,
    to_numpy,
)
from quantlib.uniform.affine import QParams, grouped, quant_range

__all__ = ["choose_qparams", "qparams_from_range"]


def _symmetric(low, high, quant_min, quant_max):
    zero_point = max(0, quant_min)
    if quant_min >= 0 and (low < 0).any():
        raise ValueError(
            "low must not be negative where mapping='symmetric' and signed=False, "
            f"got {low.min()}; mapping='symmetric_no_clipping_err' has codes for both signs"
        )
    return np.maximum(-low, high) / (quant_max - zero_point), zero_point


def _symmetric_no_clipping_err(low, high, quant_min, quant_max):
    zero_point = (quant_min + quant_max + 1) // 2
    return (
        np.maximum(-low / (zero_point - quant_min), high / (quant_max - zero_point)),
        zero_point,
    )


def _asymmetric(low, high, quant_min, quant_max):
    steps = quant_max - quant_min
    with np.errstate(over="ignore"):
        return high / steps - low / steps, None  # two divisions, since high - low can overflow


class _Mapping(NamedTuple):
    scale_and_zero_point: Callable  # None where the zero point follows from the rounded scale
    narrow_if_signed: bool
    least_bits: dict  # by signed


_MAPPINGS = {
    "symmetric": _Mapping(_symmetric, True, {True: 2, False: 1}),
    "symmetric_no_clipping_err": _Mapping(_symmetric_no_clipping_err, False, {True: 2, False: 2}),
    "asymmetric": _Mapping(_asymmetric, False, {True: 1, False: 1}),
}


def qparams_from_range(
    low,
    high,
    bit_width,
    *,
    mapping="symmetric",
    signed=True,
    narrow_range=None,
    axis=None,
    group_size=None,
    dtype="float32",
):
    r"""Scale and zero point that map the real range ``low`` to ``high`` onto the codes.

    ===========================  ===========================================  ====================
    ``mapping``                  scale s                                      zero point z
    ===========================  ===========================================  ====================
    "symmetric"                  max(-low, high) / (q_max - z)                0; unsigned q_min
    "symmetric_no_clipping_err"  max(-low / (z - q_min), high / (q_max - z))  0; unsigned 2**(b-1)
    "asymmetric"                 (high - low) / (q_max - q_min)               round(q_min - low/s)
    ===========================  ===========================================  ====================

    The range is first widened to contain 0: only then is 0 one of the codes and exact. A range of
    width 0 gets scale 1. No value within the range is clipped by any of the three. Unsigned codes
    of the first mapping are for data that is never negative. Of its signed ones the smallest is
    left out by default. The second mapping has it, and so a scale that is up to one part in
    :math:`2^{b-1}` smaller, where the longer half of the range is the negative one.

    Source: Chenna, equations (3) and (4). He writes :math:`z = \mathrm{round}(q_{\max} -
    x_{\max}/s)`, which is the same number before rounding. The names are those of torchao's
    ``MappingType``. Its SYMMETRIC, like torch.ao's, divides by :math:`(q_{\max} - q_{\min})/2`,
    127.5 at 8 bits, and clips the largest value; here the largest value always has a code.

    Parameters
    ----------
    low, high : float or array
        The range; arrays with one entry for each index along ``axis``, or for each group.
    bit_width : int
        1 to 16; symmetric codes need 2 or more, but for unsigned ones of the first mapping.
    narrow_range : bool or None
        Whether to leave out the smallest code; None means yes for signed codes of the first
        mapping.
    dtype : {"float32", "float64"}
        Precision to which the scale is rounded; one too small for it becomes the smallest normal.

    Examples
    --------
    >>> qparams_from_range(-1.0, 3.0, 2, mapping="asymmetric", signed=False).zero_point
    1
    >>> for mapping in ("symmetric", "symmetric_no_clipping_err"):
    ...     print(round(1 / qparams_from_range(-1.0, 0.5, 4, mapping=mapping).scale, 6))
    7.0
    8.0
    """
    check_choice(mapping, "mapping", tuple(_MAPPINGS))
    check_choice(dtype, "dtype", ("float32", "float64"))
    signed, chosen = check_flag(signed, "signed"), _MAPPINGS[mapping]
    narrow_range = chosen.narrow_if_signed and signed if narrow_range is None else narrow_range
    bit_width = check_bit_width(bit_width, chosen.least_bits[signed], 16)
    quant_min, quant_max = quant_range(bit_width, signed=signed, narrow_range=narrow_range)
    low, high = (
        to_numpy(as_array(value, name)).astype(np.float64)
        for value, name in ((low, "low"), (high, "high"))
    )
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (low <= high).all()):
        raise ValueError(
            f"low and high must be finite, low not above high, got {shown(low)} and {shown(high)}"
        )
    low, high = np.minimum(low, 0.0), np.maximum(high, 0.0)
    scale, zero_point = chosen.scale_and_zero_point(low, high, quant_min, quant_max)
    scale = np.where(scale == 0.0, 1.0, scale)
    with np.errstate(over="ignore"):
        scale = np.maximum(scale, np.finfo(dtype).tiny).astype(dtype).astype(np.float64)
    if np.isinf(scale).any():
        raise ValueError(
            f"low and high must lie close enough for a scale in {dtype}, "
            f"got {low.min()} and {high.max()} at {bit_width} bits"
        )
    if zero_point is None:
        zero_point = np.clip(np.rint(quant_min - low / scale), quant_min, quant_max)
    zero_point = np.full(scale.shape, zero_point).astype(np.int64)
    return QParams(
        scale,
        zero_point,
        bit_width,
        signed=signed,
        narrow_range=narrow_range,
        axis=axis,
        group_size=group_size,
    )


def choose_qparams(
    x,
    bit_width,
    *,
    mapping="symmetric",
    signed=True,
    narrow_range=None,
    axis=None,
    group_size=None,
):
    r"""Scale and zero point for a tensor, from its smallest and largest value.

    :func:`qparams_from_range` with :math:`x_{\min} = \min x` and :math:`x_{\max} = \max x`, of the
    whole NumPy array or torch tensor (``axis=None``), of each index along ``axis`` (0 for the
    output channels of a convolution's weights), or of each ``group_size`` neighbours along the last
    axis: a weight of shape (O, K) has scales of shape (O, K / group_size). Groups cost ``32 /
    group_size`` more bits a weight, for a float32 scale each.

    Source: Chenna, equations (3) and (4) and section 3.1; Nayak, III.a (2) for the symmetric scale.
    Groups are torchao's ``PerGroup``.

    >>> choose_qparams(np.array([-1.0, 0.0, 0.5]), bit_width=2).scale
    1.0
    >>> choose_qparams([[-1.0, 0.5, 4.0, 3.0]], bit_width=2, group_size=2).scale.tolist()
    [[1.0, 4.0]]
    """
    x = detached(as_float_array(x, "x"))
    xp = namespace(x)
    if axis is not None and group_size is None:
        axis = check_axis(axis, x.ndim)
        rows = xp.reshape(xp.moveaxis(x, axis, 0), (x.shape[axis], -1))
    else:
        rows = x if group_size is None else grouped(x, group_size)
    along = None if axis is None and group_size is None else -1
    low, high = (f(rows, axis=along) for f in (xp.min, xp.max))
    return qparams_from_range(
        *(np.asarray(v.tolist(), np.float64) for v in (low, high)),
        bit_width,
        mapping=mapping,
        signed=signed,
        narrow_range=narrow_range,
        axis=axis,
        group_size=group_size,
        dtype="float64" if x.dtype == xp.float64 else "float32",
    )
