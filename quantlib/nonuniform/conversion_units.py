"""The conversion units of ENQ and KNQ, as integer functions: QE and CE, QK and CK.

A quantization unit stands before the memory and makes codes of fixed-point activations; a
conversion unit stands behind it and makes fixed-point activations of codes. ENQ's two are
shifters. KNQ's are a row of comparators with a priority encoder (QK), and a multiplexer (CK).
"""

import numpy as np
from array_api_compat import array_namespace, device, is_numpy_array

from quantlib._validation import (
    as_integers,
    check_bit_width,
    check_choice,
    check_integer,
    has_values,
    to_numpy,
)

__all__ = ["ce", "ck", "comparators", "priority_encode", "qe"]

ROUNDINGS = ("floor", "nearest")
RECONSTRUCTIONS = ("low", "middle")


def check_bits(bit_width, fixed_bit_width):
    """Return E and q_m as ints; raise unless they are in range, and E is at most q_m."""
    fixed_bit_width = check_integer(fixed_bit_width, "fixed_bit_width", 1, 16)
    bit_width = check_bit_width(bit_width, 1, 16)
    if bit_width > fixed_bit_width:
        raise ValueError(
            f"bit_width E must be at most the q_m = {fixed_bit_width} bits of fixed point, "
            f"got {bit_width}"
        )
    return bit_width, fixed_bit_width


def _integers(codes, name, limit):
    codes = as_integers(codes, name)
    xp = array_namespace(codes)
    codes = xp.astype(codes, xp.int64)
    if not has_values(codes):
        return xp, codes
    if bool(xp.any(codes < 0)):
        raise ValueError(f"{name} must not be negative, got {int(xp.min(codes))}")
    if limit is not None and bool(xp.any(codes >= limit)):
        raise ValueError(f"{name} must be at most {limit - 1}, got {int(xp.max(codes))}")
    return xp, codes


def qe(u, bit_width, fixed_bit_width, *, rounding="floor"):
    r"""Return what the quantization unit QE gives: a right shift by q_m - E, saturated.

    .. math:: k = \min(u \gg (q_m - E),\ 2^E - 1)

    Source: Sun, Lin, Wang 2016, III.A and Fig. 2(a). ``u`` are fixed-point activations, 0 or more,
    and those above ``2**q_m - 1`` saturate; E is ``bit_width`` and q_m ``fixed_bit_width``. The
    codes k are int32. ``rounding="nearest"`` adds half a step first: one more adder in hardware.

    With q_m = 4 and E = 2, the shift is by 2:

    >>> import numpy as np
    >>> qe(np.array([3, 4, 11, 15, 16]), 2, 4).tolist()
    [0, 1, 2, 3, 3]
    """
    bit_width, fixed_bit_width = check_bits(bit_width, fixed_bit_width)
    check_choice(rounding, "rounding", ROUNDINGS)
    xp, u = _integers(u, "u", None)
    shift = fixed_bit_width - bit_width
    u = xp.clip(u, 0, 2**fixed_bit_width - 1)
    if rounding == "nearest" and shift:
        u = u + 2 ** (shift - 1)
    return xp.astype(xp.clip(u >> shift, 0, 2**bit_width - 1), xp.int32)


def ce(codes, bit_width, fixed_bit_width, *, reconstruction="low"):
    r"""Return what the conversion unit CE gives, fixed-point activations: a left shift by q_m - E.

    .. math:: u' = k \ll (q_m - E)

    Source: Sun, Lin, Wang 2016, Fig. 2(b). The codes k are from 0 to ``2**E - 1``; E is
    ``bit_width`` and q_m ``fixed_bit_width``. ``reconstruction="middle"`` sets the highest of the
    empty bits, except for code 0. The result is int32.

    >>> import numpy as np
    >>> ce(np.array([0, 1, 2, 3]), 2, 4).tolist()
    [0, 4, 8, 12]
    """
    bit_width, fixed_bit_width = check_bits(bit_width, fixed_bit_width)
    check_choice(reconstruction, "reconstruction", RECONSTRUCTIONS)
    xp, codes = _integers(codes, "codes", 2**bit_width)
    shift = fixed_bit_width - bit_width
    u = codes << shift
    if reconstruction == "middle" and shift:
        u = u + xp.where(codes > 0, xp.full_like(codes, 2 ** (shift - 1)), xp.zeros_like(codes))
    return xp.astype(u, xp.int32)


def comparators(u, thresholds):
    """Return what QK's row of comparators says: for each number and threshold, u >= threshold.

    Source: Sun, Lin, Wang 2016, III.B and Fig. 3(a). ``u`` are fixed-point activations of any
    shape; the answers have one more axis, of length K - 1. The K - 1 ``thresholds`` are in
    ascending order, so that the answers are a run of True and then a run of False.

    >>> comparators(np.array(5), np.array([1, 4, 9])).tolist()
    [True, True, False]
    """
    u = to_numpy(as_integers(u, "u"))
    thresholds = to_numpy(as_integers(thresholds, "thresholds"))
    if thresholds.ndim != 1 or (np.diff(thresholds) < 0).any():
        raise ValueError("thresholds must be one row in ascending order")
    return u[..., None] >= thresholds


def priority_encode(reached):
    """Return what the priority encoder DEC2 gives: 1 + the place of the last True, or 0.

    The last axis of ``reached``, as :func:`comparators` gives it, is encoded; the result is int32.

    >>> priority_encode(np.array([[False, False, False], [True, True, False]])).tolist()
    [0, 2]
    """
    reached = np.asarray(reached, bool)
    if reached.ndim == 0:
        raise ValueError(f"reached must have an axis of comparators, got the single {reached}")
    place = np.arange(1, reached.shape[-1] + 1, dtype=np.int32)
    return (reached * place).max(axis=-1, initial=0).astype(np.int32)


def ck(codes, table):
    """Return what the conversion unit CK gives: the entry of ``table`` for every code.

    Source: Sun, Lin, Wang 2016, III.B and Fig. 3(b): a multiplexer. ``table`` holds the K levels in
    fixed point.

    >>> ck(np.array([0, 2, 3]), np.array([0, 3, 6, 13])).tolist()
    [0, 6, 13]
    """
    table = np.asarray(table)
    if table.ndim != 1 or not table.size:
        raise ValueError(f"table must be one row of levels, got shape {table.shape}")
    return look_up(codes, np.ascontiguousarray(table), "codes")


def look_up(codes, table, name):
    """Return the entry of ``table`` for every code, in the kind of ``codes``."""
    codes = as_integers(codes, name)
    xp = array_namespace(codes)
    if not is_numpy_array(codes) and (device(codes).type != "cpu" or not has_values(codes)):
        if not has_values(codes) or bool(xp.all((codes >= 0) & (codes < len(table)))):
            return xp.asarray(table, device=device(codes))[xp.astype(codes, xp.int64)]
        values = to_numpy(codes)
    else:
        from quantlib.kernels import levels as loops

        values = to_numpy(codes)
        out = np.empty(values.shape, table.dtype)
        if loops.look_up(np.ascontiguousarray(values).ravel(), table, out.reshape(-1)):
            return out if is_numpy_array(codes) else xp.asarray(out)
    raise ValueError(
        f"{name} must be from 0 to {len(table) - 1}, got {values.min()} to {values.max()}"
    )
