"""Nayak's two uniform schemes exactly as the paper prints them."""

import numpy as np
from array_api_compat import array_namespace

from quantlib._validation import as_float_array, check_bit_width, detached

__all__ = ["nayak_asymmetric", "nayak_symmetric"]


def nayak_asymmetric(x, bit_width):
    r"""Asymmetric codes exactly as Nayak, III.a (1) prints them; returns codes, scale, minimum.

    .. math:: x_q = \mathrm{round}\left((x - \min x)\,\frac{2^n - 1}{\max x - \min x}\right)

    Codes are int32, 0 to ``2**bit_width - 1``; decode with ``scale * codes + minimum``. The offset
    is the float ``minimum``, not an integer zero point. So 0 is in general not among the values:
    zero padding, ReLU's zeros and pruned weights come back as something else.
    :func:`quantlib.schemes.quantize` is the scheme in which 0 is exact. A constant ``x`` is
    refused, since the printed formula then divides by zero.

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
    r"""Symmetric codes exactly as Nayak, III.a (2) prints them; returns codes and scale.

    .. math:: x_q = \mathrm{round}\left(x\,\frac{2^{n-1} - 1}{\max |x|}\right)

    Codes are int32, :math:`-(2^{n-1}-1)` to :math:`2^{n-1}-1`; decode with ``scale * codes``. They
    are those of :func:`quantlib.schemes.quantize` with the mapping "symmetric". An ``x`` of zeros
    is refused, since the printed formula then divides by zero.

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
