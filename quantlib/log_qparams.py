"""The levels of a power-of-two quantizer, and how a number is rounded to a power of two."""

import math
from dataclasses import dataclass

import numpy as np
from array_api_compat import array_namespace

from quantlib._validation import as_float_array, check_bit_width, check_choice, check_integer

__all__ = ["LogQParams", "choose_qparams", "power_of_two"]

THRESHOLDS = ("geometric", "nearest")


@dataclass(frozen=True)
class LogQParams:
    r"""The levels of a power-of-two quantizer: 0 and :math:`\pm 2^k` for a run of exponents k.

    Attributes
    ----------
    min_exponent, max_exponent : int
        Exponents of the smallest and the largest level. The largest is one that float64 holds,
        -1074 to 1023.
    bit_width : int
        Bits a code, 2 to 8: one for the sign, the rest for the exponent field. A field of 0 means
        zero, so at most ``2**(bit_width - 1) - 1`` exponents have a code.
    threshold : {"geometric", "nearest"}
        Where the boundary between two levels lies, see :func:`power_of_two`.

    Raises
    ------
    ValueError
        If the exponents are out of order or too many for ``bit_width``, or an argument is out of
        its range.

    Examples
    --------
    Three bits hold three exponents, with both signs, and zero:

    >>> LogQParams(min_exponent=-2, max_exponent=0, bit_width=3).levels.tolist()
    [-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0]
    """

    min_exponent: int
    max_exponent: int
    bit_width: int
    threshold: str = "geometric"

    def __post_init__(self):
        check_bit_width(self.bit_width, 2, 8)
        check_choice(self.threshold, "threshold", THRESHOLDS)
        check_integer(self.min_exponent, "min_exponent", -1074 - 126, 1023)
        check_integer(self.max_exponent, "max_exponent", -1074, 1023)
        most = 2 ** (self.bit_width - 1) - 1
        if not 1 <= self.n_exponents <= most:
            raise ValueError(
                f"min_exponent to max_exponent must be 1 to {most} exponents at {self.bit_width} "
                f"bits, got {self.min_exponent} to {self.max_exponent}"
            )

    @property
    def n_exponents(self):
        """How many exponents have a code."""
        return self.max_exponent - self.min_exponent + 1

    @property
    def levels(self):
        """All levels in rising order, zero among them, as a NumPy array of float64."""
        positive = np.ldexp(1.0, np.arange(self.min_exponent, self.max_exponent + 1))
        return np.concatenate([-positive[::-1], [0.0], positive])


def round_exponent(x, threshold):
    """Return the exponent of the power of two that nonzero ``x`` is rounded to; 0 becomes -1."""
    xp = array_namespace(x)
    # |x| = m * 2**e with 1/2 <= m < 1 holds exactly, so no rounding error of log2 can decide.
    mantissa, exponent = xp.frexp(xp.abs(x))
    mantissa = xp.astype(mantissa, xp.float64)
    # sqrt(1/2) is no floating-point number; the product is rounded, but never across 1/2.
    goes_up = mantissa * mantissa >= 0.5 if threshold == "geometric" else mantissa >= 0.75
    return xp.where(goes_up, exponent, exponent - 1)


def largest_exponent(xp, dtype):
    """Return the exponent of the largest power of two that ``dtype`` holds."""
    return math.frexp(float(xp.finfo(dtype).max))[1] - 1


def signed_power(x, exponent, is_zero):
    """Return sign(x) * 2**exponent in the dtype of ``x``, and 0 where ``is_zero``."""
    xp = array_namespace(x)
    magnitude = xp.ldexp(xp.ones_like(x), exponent)
    return xp.where(is_zero, xp.zeros_like(x), xp.where(x < 0, -magnitude, magnitude))


def power_of_two(x, threshold="geometric"):
    r"""Round every value to a power of two, keeping its sign.

    .. math:: \hat x = \operatorname{sign}(x) \, 2^{\operatorname{round}(\log_2 |x|)}, \qquad
              \hat 0 = 0

    Parameters
    ----------
    x : array
        NumPy array or torch tensor of any shape.
    threshold : {"geometric", "nearest"}
        "geometric" is the formula above: the boundary between :math:`2^k` and :math:`2^{k+1}` is
        their geometric mean :math:`\sqrt2 \cdot 2^k`. No number can lie on it, since
        :math:`\sqrt2` is irrational. "nearest" puts the boundary half-way, at
        :math:`1.5 \cdot 2^k`; a number on it goes to the larger level.

    Returns
    -------
    array
        Same kind, shape and floating-point dtype as ``x``. There is no limit to the exponents but
        the dtype's: what would become :math:`2^{128}` in float32 becomes :math:`2^{127}`.

    Raises
    ------
    ValueError
        If ``x`` is empty or holds NaN or infinity, or ``threshold`` is neither of the two.

    Notes
    -----
    Source: Nayak et al. 2019, III.a (3). The text there says "closest power of 2", the formula
    rounds the logarithm; the two differ for :math:`\sqrt2 \cdot 2^k < |x| < 1.5 \cdot 2^k`. Zero,
    which has no logarithm, stays 0; the paper does not say so.

    Examples
    --------
    The number 1.45 is nearer to 1, but its logarithm is nearer to that of 2:

    >>> power_of_two(np.array([1.4, 1.45, -1.5, 0.0, -0.3])).tolist()
    [1.0, 2.0, -2.0, 0.0, -0.25]
    >>> power_of_two(np.array([1.4, 1.45, -1.5, 0.0, -0.3]), threshold="nearest").tolist()
    [1.0, 1.0, -2.0, 0.0, -0.25]
    """
    check_choice(threshold, "threshold", THRESHOLDS)
    x = as_float_array(x, "x")
    xp = array_namespace(x)
    exponent = xp.clip(round_exponent(x, threshold), None, largest_exponent(xp, x.dtype))
    return signed_power(x, exponent, x == 0)


def choose_qparams(x, bit_width, threshold="geometric"):
    r"""Choose the exponents for a tensor: the largest level is that of ``max|x|``.

    .. math:: k_{\max} = \operatorname{round}(\log_2 \max|x|), \qquad
              k_{\min} = k_{\max} - (2^{b-1} - 2)

    Parameters
    ----------
    x : array
        NumPy array or torch tensor of any shape. One that is all zero gets ``max_exponent`` 0.
    bit_width : int
        Bits a value, 2 to 8.
    threshold : {"geometric", "nearest"}
        See :func:`power_of_two`.

    Returns
    -------
    LogQParams

    Raises
    ------
    ValueError
        If ``x`` is empty or holds NaN or infinity, or an argument is out of its range.

    Notes
    -----
    Nayak et al. 2019 leave the exponents unlimited and report "average bit-levels"; the codes
    with a fixed number of bits are the course's.

    Examples
    --------
    >>> choose_qparams(np.array([0.3, -1.1]), bit_width=4)
    LogQParams(min_exponent=-6, max_exponent=0, bit_width=4, threshold='geometric')
    """
    bit_width = check_bit_width(bit_width, 2, 8)
    check_choice(threshold, "threshold", THRESHOLDS)
    x = as_float_array(x, "x")
    xp = array_namespace(x)
    largest = xp.max(xp.abs(x))
    max_exponent = 0
    if largest > 0:
        max_exponent = int(round_exponent(largest, threshold))
        max_exponent = min(max_exponent, largest_exponent(xp, x.dtype))
    return LogQParams(max_exponent - (2 ** (bit_width - 1) - 2), max_exponent, bit_width, threshold)
