"""How far a quantized tensor is from the original, and how much room it takes."""

import math

from array_api_compat import array_namespace, is_numpy_array

from quantlib._validation import (
    as_float_array,
    check_bit_width,
    check_integer,
    check_same_shape,
    detached,
)

__all__ = ["cosine_similarity", "rmse", "size_in_bytes", "sqnr_db"]


def _pair(x, x_hat):
    """Return both arrays in float64, so that sums over millions of values stay exact enough."""
    x, x_hat = (detached(as_float_array(v, n)) for v, n in ((x, "x"), (x_hat, "x_hat")))
    if is_numpy_array(x) != is_numpy_array(x_hat):
        kinds = " and ".join(f"{type(v).__module__}.{type(v).__name__}" for v in (x, x_hat))
        raise TypeError(f"x and x_hat must be of one kind, both NumPy or both torch, got {kinds}")
    check_same_shape(x, x_hat, ("x", "x_hat"))
    xp = array_namespace(x, x_hat)
    return xp, xp.astype(x, xp.float64), xp.astype(x_hat, xp.float64)


def _unit(xp, x, x_hat):
    """Return a power of two near the largest magnitude: divided by it, squares stay in range."""
    largest = max(float(xp.max(xp.abs(x))), float(xp.max(xp.abs(x_hat))))
    return math.ldexp(1.0, max(math.frexp(largest)[1] - 1, -1074))


def sqnr_db(x, x_hat):
    r"""Signal-to-quantization-noise ratio in decibels.

    .. math:: \mathrm{SQNR} = 10 \log_{10} \frac{\sum_i x_i^2}{\sum_i (x_i - \hat x_i)^2}

    Infinity if the two are equal, minus infinity if only ``x`` is all zero. Source: Chenna,
    sections 4 and 7, uses the measure; the definition is the usual one.

    >>> print(round(sqnr_db([1.0, -1.0], [0.9, -1.1]), 6))
    20.0
    """
    xp, x, x_hat = _pair(x, x_hat)
    unit = _unit(xp, x, x_hat)  # cancels in the quotient
    signal = float(xp.sum((x / unit) ** 2))
    noise = float(xp.sum((x / unit - x_hat / unit) ** 2))
    if noise == 0.0:
        return math.inf
    return 10.0 * math.log10(signal / noise) if signal else -math.inf


def rmse(x, x_hat):
    r"""Root mean square error, :math:`\sqrt{\frac1n \sum_i (x_i - \hat x_i)^2}`, in the unit of x.

    Source: Chenna, section 7.1 (layer-wise root mean square error).

    >>> print(rmse([0.0, 0.0], [3.0, -3.0]))
    3.0
    """
    xp, x, x_hat = _pair(x, x_hat)
    unit = _unit(xp, x, x_hat)
    return unit * math.sqrt(float(xp.mean((x / unit - x_hat / unit) ** 2)))


def cosine_similarity(x, x_hat):
    r"""Cosine of the angle between two tensors, :math:`\frac{x \cdot \hat x}{\|x\| \|\hat x\|}`.

    Each is read as one long vector, not all zero. A common factor is not seen: ``x`` and ``2 * x``
    have cosine 1. The usual definition; a common companion of SQNR in layer-by-layer comparisons.

    >>> print(cosine_similarity([3.0, 0.0], [0.0, 2.0]))
    0.0
    """
    xp, x, x_hat = _pair(x, x_hat)
    norms = []
    for name, values in (("x", x), ("x_hat", x_hat)):
        largest = float(xp.max(xp.abs(values)))
        if largest == 0.0:
            raise ValueError(f"{name} must not be all zero: a zero vector has no direction")
        norms.append(values / largest)
    a, b = norms
    cosine = float(xp.sum(a * b)) / math.sqrt(float(xp.sum(a * a)) * float(xp.sum(b * b)))
    return max(-1.0, min(1.0, cosine))


def size_in_bytes(n_values, bit_width):
    r"""Bytes that n numbers of b bits take, without header or scale: :math:`\lceil nb/8 \rceil`.

    b is 1 to 64; the result is in whole bytes.

    >>> size_in_bytes(1000, 32), size_in_bytes(1000, 3)
    (4000, 375)
    """
    n_values = check_integer(n_values, "n_values", 0, 2**63)
    return -(-n_values * check_bit_width(bit_width, 1, 64) // 8)
