"""Powers of two: a sign and an exponent, so that a multiplication becomes a shift.

A weight becomes ``sign * 2**exponent``. Its levels and the rounding to them are in
:mod:`quantlib.log_qparams`, the codes and the shifts here. How well bits are used is in
:mod:`quantlib.bit_efficiency`, and which classes a coarse network mixes up in
:mod:`quantlib.class_groups`. The functions of all four can be called from here.
"""

import numpy as np
from array_api_compat import array_namespace

from quantlib._validation import as_array, as_float_array
from quantlib.bit_efficiency import (
    average_bit_levels,
    compressed_size,
    density_per_bit,
    range_per_bit,
)
from quantlib.class_groups import group_classes, grouped_accuracy
from quantlib.log_qparams import (
    LogQParams,
    choose_qparams,
    largest_exponent,
    power_of_two,
    round_exponent,
    signed_power,
)

__all__ = [
    "LogQParams",
    "average_bit_levels",
    "choose_qparams",
    "compressed_size",
    "density_per_bit",
    "dequantize",
    "fake_quantize",
    "group_classes",
    "grouped_accuracy",
    "power_of_two",
    "quantize",
    "range_per_bit",
    "shift_multiply",
]


def _fields(x, qparams):
    """Return the exponent fields of ``x``: 0 for zero, f for the f-th exponent."""
    xp = array_namespace(x)
    field = round_exponent(x, qparams.threshold) - (qparams.min_exponent - 1)
    field = xp.clip(field, 1, qparams.n_exponents)
    return xp.where(_is_zero(x, qparams), xp.zeros_like(field), field)


def _is_zero(x, qparams):
    """Return where ``x`` is nearer to 0 than to the smallest level."""
    xp = array_namespace(x)
    # |x| < 2**(min_exponent - 1), asked of the exponents: the bound itself may be too small for
    # the dtype. frexp's exponent is one above that of the largest power of two within |x|.
    return (x == 0) | (xp.frexp(xp.abs(x))[1] < qparams.min_exponent)


def quantize(x, qparams):
    r"""Return the code of every value: the sign on top, the exponent field below.

    .. math:: \text{code} = g \cdot 2^{b-1} + f, \qquad
              f = \begin{cases} 0 & |x| < 2^{k_{\min} - 1} \\
              \operatorname{clamp}(\operatorname{round}(\log_2|x|), k_{\min}, k_{\max})
              - k_{\min} + 1 & \text{otherwise} \end{cases}

    with g = 1 for a negative value, and g = 0 where f = 0.

    Parameters
    ----------
    x : array
        NumPy array or torch tensor of any shape.
    qparams : LogQParams
        Levels and threshold.

    Returns
    -------
    array of int32
        From 0 to ``2**bit_width - 1``, of the shape of ``x``. ``2**(bit_width - 1)``, a negative
        zero, never comes out. ``packed.pack(codes, bit_width)`` stores them.

    Raises
    ------
    ValueError
        If ``x`` is empty or holds NaN or infinity.

    Notes
    -----
    Values above the largest level saturate. Between 0 and the smallest level the boundary is
    half-way, for both thresholds (on it, the larger level is taken): the geometric mean of 0 and
    any level is 0, so a geometric rule would push every small weight up to the smallest level, and
    2 bits would have no zero at all.

    Examples
    --------
    >>> qparams = LogQParams(min_exponent=-2, max_exponent=0, bit_width=3)
    >>> quantize(np.array([0.0, 0.1, 0.25, 0.5, 9.0, -1.0]), qparams).tolist()
    [0, 0, 1, 2, 3, 7]
    """
    x = as_float_array(x, "x")
    xp = array_namespace(x)
    field = _fields(x, qparams)
    negative = xp.astype((x < 0) & (field > 0), xp.int32)
    return xp.astype(negative * 2 ** (qparams.bit_width - 1) + field, xp.int32)


def _split_codes(codes, qparams):
    """Return the codes' signs (+1 or -1) and exponent fields as int32, checked to be in range."""
    codes = as_array(codes, "codes")
    xp = array_namespace(codes)
    if not xp.isdtype(codes.dtype, "integral"):
        raise TypeError(f"codes must be integers, got dtype {codes.dtype}")
    half = 2 ** (qparams.bit_width - 1)
    codes = xp.astype(codes, xp.int64)
    field = codes % half
    bad = (codes < 0) | (codes >= 2 * half) | (field > qparams.n_exponents)
    if bool(xp.any(bad)):
        raise ValueError(
            f"codes must have {qparams.bit_width} bits and a field of at most "
            f"{qparams.n_exponents}, got {int(codes[bad][0])}"
        )
    sign = 1 - 2 * (codes // half)
    return xp.astype(sign, xp.int32), xp.astype(field, xp.int32)


def dequantize(codes, qparams):
    r"""Return the level of every code, :math:`(-1)^g \, 2^{k_{\min} + f - 1}`, or 0 where f = 0.

    Parameters
    ----------
    codes : array of integers
        As :func:`quantize` gives them, NumPy or torch.
    qparams : LogQParams
        The levels.

    Returns
    -------
    array of float32
        Of the kind and shape of ``codes``. Levels below the smallest float32 become 0.

    Raises
    ------
    TypeError
        If ``codes`` are not integers.
    ValueError
        If a code is not one of ``qparams``, or the largest level is too large for float32.

    Examples
    --------
    >>> qparams = LogQParams(min_exponent=-2, max_exponent=0, bit_width=3)
    >>> dequantize(np.array([0, 1, 2, 3, 7]), qparams).tolist()
    [0.0, 0.25, 0.5, 1.0, -1.0]
    """
    sign, field = _split_codes(codes, qparams)
    xp = array_namespace(sign)
    _check_fits(qparams, xp, xp.float32)
    exponent = field + (qparams.min_exponent - 1)
    return signed_power(xp.astype(sign, xp.float32), exponent, field == 0)


def fake_quantize(x, qparams):
    """Round every value to its level and stay in floating point: ``dequantize(quantize(x))``.

    Parameters
    ----------
    x : array
        NumPy array or torch tensor of any shape.
    qparams : LogQParams
        Levels and threshold.

    Returns
    -------
    array
        Same kind, shape and floating-point dtype as ``x``. It takes no less room than ``x``: for
        that, pack the codes.

    Raises
    ------
    ValueError
        If ``x`` is empty or holds NaN or infinity, or the largest level is too large for its
        dtype.

    Examples
    --------
    >>> x = np.array([0.3, -1.1, 0.02])
    >>> fake_quantize(x, choose_qparams(x, bit_width=3)).tolist()
    [0.25, -1.0, 0.0]
    """
    x = as_float_array(x, "x")
    xp = array_namespace(x)
    _check_fits(qparams, xp, x.dtype)
    field = _fields(x, qparams)
    return signed_power(x, field + (qparams.min_exponent - 1), field == 0)


def _check_fits(qparams, xp, dtype):
    """Raise ValueError if ``dtype`` cannot hold the largest level."""
    most = largest_exponent(xp, dtype)
    if qparams.max_exponent > most:
        raise ValueError(
            f"qparams.max_exponent must be at most {most} for {dtype}, got {qparams.max_exponent}"
        )


def shift_multiply(a, codes, qparams):
    r"""Multiply integers by powers of two with shifts and no multiplication.

    .. math:: y = \lfloor a \cdot (-1)^g 2^k \rfloor, \qquad k = k_{\min} + f - 1

    A negative weight negates ``a`` first. Then ``k >= 0`` shifts left by ``k``, which is exact;
    ``k < 0`` shifts right by ``-k``, which drops the bits that fall out, so it rounds toward minus
    infinity, as the arithmetic shift of a processor does. A weight of zero gives 0.

    Parameters
    ----------
    a : array of integers
        NumPy array or torch tensor, such as 8-bit activations. To keep the bits that right shifts
        would drop, give ``a`` in a finer unit: shift it left by ``-min_exponent`` beforehand.
    codes : array of integers
        Weights, as :func:`quantize` gives them, of the kind of ``a`` and of a shape that broadcasts
        with it.
    qparams : LogQParams
        The levels.

    Returns
    -------
    array of int64
        The products, of the broadcast shape.

    Raises
    ------
    TypeError
        If ``a`` or ``codes`` are not integers (unsigned 64-bit ones are not taken).
    ValueError
        If a code is not one of ``qparams``, the shapes do not broadcast, or a product does not fit
        into 64 bits.

    Notes
    -----
    Source: Nayak et al. 2019, IV.d, names bit-shifting in place of multiplication; how it rounds is
    the course's statement.

    Examples
    --------
    Thirteen times 4, 1, 1/2 and -1/2:

    >>> qparams = LogQParams(min_exponent=-1, max_exponent=2, bit_width=4)
    >>> codes = quantize(np.array([4.0, 1.0, 0.5, -0.5]), qparams)
    >>> shift_multiply(np.array([13, 13, 13, 13]), codes, qparams).tolist()
    [52, 13, 6, -7]
    """
    a = as_array(a, "a")
    sign, field = _split_codes(codes, qparams)
    xp = array_namespace(a, sign)
    if not xp.isdtype(a.dtype, "integral") or a.dtype == xp.uint64:
        raise TypeError(f"a must be integers that fit into int64, got dtype {a.dtype}")
    try:
        np.broadcast_shapes(tuple(a.shape), tuple(field.shape))
    except ValueError:
        raise ValueError(
            f"a and codes must have shapes that broadcast, got {tuple(a.shape)} "
            f"and {tuple(field.shape)}"
        ) from None
    exponent = xp.where(field == 0, xp.zeros_like(field), field + (qparams.min_exponent - 1))
    left = xp.astype(xp.clip(exponent, 0, 63), xp.int64)
    right = xp.astype(xp.clip(-exponent, 0, 63), xp.int64)
    a = xp.astype(a, xp.int64)
    a = xp.where(field == 0, xp.zeros_like(a), a)
    room = xp.bitwise_right_shift(xp.full_like(left, 2**63 - 1), left)
    if bool(xp.any((a > room) | (a < -room))):
        raise ValueError("a times the weights must fit into 64 bits, got a product that does not")
    signed = xp.where(sign < 0, -a, a)
    return xp.bitwise_right_shift(xp.bitwise_left_shift(signed, left), right)
