"""Uniform quantization: a real number as an integer code, a scale and a zero point.

.. math:: \\hat x = s\\,(x_q - z), \\qquad
          x_q = \\mathrm{clamp}(\\mathrm{round}(x / s) + z,\\ q_{\\min},\\ q_{\\max})
"""

import numpy as np
from array_api_compat import array_namespace, device

from quantlib._validation import (
    as_array,
    as_float_array,
    check_axis,
    check_bit_width,
    detached,
)
from quantlib.qparams import QParams, choose_qparams, qparams_from_range, quant_range

__all__ = [
    "QParams",
    "choose_qparams",
    "dequantize",
    "fake_quantize",
    "nayak_asymmetric",
    "nayak_symmetric",
    "qparams_from_range",
    "quant_range",
    "quantize",
]


def quantize(x, qparams):
    r"""Integer codes of real numbers.

    .. math:: x_q = \mathrm{clamp}(\mathrm{round}(x / s) + z,\ q_{\min},\ q_{\max})

    Ties round to the even integer, and the zero point is added after rounding.

    Parameters
    ----------
    x : array
        NumPy array or torch tensor of any shape.
    qparams : QParams
        As :func:`choose_qparams` gives.

    Returns
    -------
    array of int32
        Of the kind and shape of ``x``. :func:`quantlib.packed.pack` stores them in
        ``bit_width`` bits each.

    Raises
    ------
    ValueError
        If ``x`` is empty, has NaN or infinity, or does not fit the per-channel ``qparams``.

    Notes
    -----
    Source: Chenna, equation (1); the clamp is not printed there, but a code must exist.
    The quotient is ``x`` times the reciprocal of the scale in float32 (float64 for float64
    data), as in ``torch.fake_quantize_per_tensor_affine``, with which codes agree to the bit. A
    quotient within a few parts in 2**24 of a tie can so fall on the tie's other side.
    ``torch.quantize_per_tensor`` adds the zero point before rounding: with an odd zero point,
    ties go the other way.

    Examples
    --------
    >>> quantize(np.array([-1.0, 0.25, 0.75, 9.0]), QParams(0.5, 0, bit_width=4)).tolist()
    [-2, 0, 2, 7]
    """
    x = as_float_array(x, "x")
    xp = array_namespace(x)
    working = xp.float64 if x.dtype == xp.float64 else xp.float32
    scale, zero_point = np.asarray(qparams.scale), np.asarray(qparams.zero_point)
    precision = np.float64 if x.dtype == xp.float64 else np.float32
    with np.errstate(over="ignore", divide="ignore"):
        reciprocal = (1 / scale.astype(precision)).astype(precision)
    if not np.isfinite(reciprocal).all():
        raise ValueError(f"qparams.scale is too small for {precision.__name__}: {scale.min()}")
    with np.errstate(over="ignore"):  # a huge x is clamped below, infinite or not
        ratio = xp.astype(x, working) * _along(reciprocal, x, qparams.axis, working)
    codes = xp.round(ratio) + _along(zero_point, x, qparams.axis, working)
    return xp.astype(xp.clip(codes, qparams.quant_min, qparams.quant_max), xp.int32)


def dequantize(codes, qparams):
    r"""Real numbers that integer codes stand for.

    .. math:: \hat x = s\,(x_q - z)

    Parameters
    ----------
    codes : array of integers
        NumPy array or torch tensor, as :func:`quantize` gives.
    qparams : QParams
        The ones they were quantized with.

    Returns
    -------
    array of float32
        Of the kind and shape of ``codes``.

    Raises
    ------
    TypeError
        If ``codes`` are not integers.
    ValueError
        If a code is outside the range of ``qparams``, the shape does not fit, or a scale is too
        large for float32.

    Notes
    -----
    Source: Chenna, equation (2).

    Examples
    --------
    >>> dequantize(np.array([-2, 0, 7]), QParams(0.5, 0, bit_width=4)).tolist()
    [-1.0, 0.0, 3.5]
    """
    codes = as_array(codes, "codes")
    xp = array_namespace(codes)
    if not xp.isdtype(codes.dtype, "integral"):
        raise TypeError(f"codes must be integers, got dtype {codes.dtype}")
    low, high = qparams.quant_min, qparams.quant_max
    if 0 not in codes.shape and not low <= int(xp.min(codes)) <= int(xp.max(codes)) <= high:
        raise ValueError(
            f"codes must be from {low} to {high}, got {int(xp.min(codes))} to {int(xp.max(codes))}"
        )
    return _to_real(codes, qparams, xp.float32)


def fake_quantize(x, qparams):
    r"""Round real numbers to the values that codes can stand for; the result is still float.

    .. math:: \hat x = s\,(\mathrm{clamp}(\mathrm{round}(x / s) + z,\ q_{\min},\ q_{\max}) - z)

    Parameters
    ----------
    x : array
        NumPy array or torch tensor of any shape.
    qparams : QParams
        As :func:`choose_qparams` gives.

    Returns
    -------
    array
        Of the kind, shape and floating-point type of ``x``. Its gradient with respect to ``x`` is
        that of rounding: zero.

    Raises
    ------
    ValueError
        As for :func:`quantize`, and if a scale is too large for the precision of ``x``.

    Notes
    -----
    Source: Chenna, section 8. It saves no memory: it shows what a quantized tensor would compute.
    Agrees to the bit with ``torch.fake_quantize_per_tensor_affine`` and ``…_per_channel_affine``.

    Examples
    --------
    >>> fake_quantize(np.array([-1.0, 0.3, 9.0]), QParams(0.5, 0, bit_width=4)).tolist()
    [-1.0, 0.5, 3.5]
    """
    x = as_float_array(x, "x")
    xp = array_namespace(x)
    working = xp.float64 if x.dtype == xp.float64 else xp.float32
    return xp.astype(_to_real(quantize(x, qparams), qparams, working), x.dtype)


def _to_real(codes, qparams, dtype):
    """Return ``scale * (codes - zero_point)`` in ``dtype``."""
    xp = array_namespace(codes)
    zero_point = _along(np.asarray(qparams.zero_point), codes, qparams.axis, xp.int32)
    scale = np.asarray(qparams.scale)
    largest = float(xp.finfo(dtype).max)
    if (scale > largest).any():  # as infinity it would make NaN of the code of 0
        raise ValueError(f"qparams.scale must be at most {largest} here, got {scale.max()}")
    scale = _along(scale, codes, qparams.axis, dtype)
    with np.errstate(over="ignore"):  # the outermost levels can lie beyond the largest float
        return scale * xp.astype(xp.astype(codes, xp.int32) - zero_point, dtype)


def _along(values, x, axis, dtype):
    """Return per-tensor or per-channel ``values`` as an array that broadcasts against ``x``."""
    xp = array_namespace(x)
    if axis is not None:
        axis = check_axis(axis, x.ndim)
        if x.shape[axis] != len(values):
            raise ValueError(
                f"x must have {len(values)} entries along axis {axis}, one for each scale, "
                f"got shape {tuple(x.shape)}"
            )
        values = values.reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    return xp.asarray(values, dtype=dtype, device=device(x))


def nayak_asymmetric(x, bit_width):
    r"""Asymmetric codes exactly as Nayak, III.a (1) prints them.

    .. math:: x_q = \mathrm{round}\left((x - \min x)\,\frac{2^n - 1}{\max x - \min x}\right)

    Parameters
    ----------
    x : array
        NumPy array or torch tensor with at least two different values.
    bit_width : int
        n, 1 to 16.

    Returns
    -------
    codes : array of int32
        0 to ``2**bit_width - 1``; decode with ``scale * codes + minimum``.
    scale, minimum : float
        :math:`(\max x - \min x) / (2^n - 1)` and :math:`\min x`.

    Raises
    ------
    ValueError
        If ``x`` is constant: the printed formula then divides by zero. Also if its range leaves
        float64, above :math:`1.8 \cdot 10^{308}` or next to the smallest numbers.

    Notes
    -----
    The offset is the float ``minimum``, not an integer zero point. So 0 is in general not among
    the values: zero padding, ReLU's zeros and pruned weights come back as something else.
    :func:`quantize` is the scheme in which 0 is exact.

    Examples
    --------
    >>> codes, scale, minimum = nayak_asymmetric(np.array([-1.0, 0.0, 2.0]), 2)
    >>> codes.tolist(), (scale * codes + minimum).tolist()
    ([0, 1, 3], [-1.0, 0.0, 2.0])
    >>> codes, scale, minimum = nayak_asymmetric(np.array([-1.0, 0.0, 1.0]), 2)
    >>> print(round(scale * float(codes[1]) + minimum, 3))
    0.333
    """
    bit_width = check_bit_width(bit_width, 1, 16)
    x = detached(as_float_array(x, "x"))
    xp = array_namespace(x)
    low, high = float(xp.min(x)), float(xp.max(x))
    if low == high:
        raise ValueError(f"x must have two different values, got only {low}")
    factor, scale = _factor_and_scale(2**bit_width - 1, high - low)
    codes = xp.round((xp.astype(x, xp.float64) - low) * factor)
    return xp.astype(codes, xp.int32), scale, low


def nayak_symmetric(x, bit_width):
    r"""Symmetric codes exactly as Nayak, III.a (2) prints them.

    .. math:: x_q = \mathrm{round}\left(x\,\frac{2^{n-1} - 1}{\max |x|}\right)

    Parameters
    ----------
    x : array
        NumPy array or torch tensor with at least one value that is not 0.
    bit_width : int
        n, 2 to 16.

    Returns
    -------
    codes : array of int32
        :math:`-(2^{n-1}-1)` to :math:`2^{n-1}-1`; decode with ``scale * codes``.
    scale : float
        :math:`\max |x| / (2^{n-1} - 1)`.

    Raises
    ------
    ValueError
        If ``x`` is all zero: the printed formula then divides by zero. Also if its largest
        magnitude is next to the smallest numbers of float64.

    Notes
    -----
    The same codes as :func:`quantize` gives with ``symmetric=True`` and the narrow range.

    Examples
    --------
    >>> codes, scale = nayak_symmetric(np.array([-1.0, 0.2, 0.5]), 3)
    >>> codes.tolist(), round(scale, 4)
    ([-3, 1, 2], 0.3333)
    """
    bit_width = check_bit_width(bit_width, 2, 16)
    x = detached(as_float_array(x, "x"))
    xp = array_namespace(x)
    largest = float(xp.max(xp.abs(x)))
    if largest == 0.0:
        raise ValueError("x must have a value that is not 0, got all zero")
    factor, scale = _factor_and_scale(2 ** (bit_width - 1) - 1, largest)
    codes = xp.round(xp.astype(x, xp.float64) * factor)
    return xp.astype(codes, xp.int32), scale


def _factor_and_scale(n_steps, width):
    """Return ``n_steps / width`` and ``width / n_steps``, refused where one is 0 or infinite."""
    factor, scale = n_steps / width, width / n_steps
    if not (0 < factor < np.inf and 0 < scale < np.inf):
        raise ValueError(f"x must have a range that float64 can divide by, got {width}")
    return factor, scale
