"""Powers of two: a weight is ``sign * 2**exponent``, so that a multiplication becomes a shift."""

import math
from dataclasses import dataclass, field

import numpy as np
from array_api_compat import array_namespace

from quantlib._validation import (
    as_array,
    as_float_array,
    as_integers,
    check_axis,
    check_bit_width,
    check_choice,
    check_integer,
    detached,
    to_numpy,
)
from quantlib.schemes import Scheme, along_axis, frozen_array, straight_through

__all__ = [
    "LogQParams",
    "choose_qparams",
    "power_of_two",
    "shift_multiply",
]

BOUNDARIES = ("geometric", "nearest")


@dataclass(frozen=True, eq=False)
class LogQParams(Scheme):
    r"""The levels of a power-of-two quantizer: 0 and :math:`\pm 2^k` for a run of exponents k.

    A code has one bit for the sign, the rest for the exponent field. A field of 0 means zero, so at
    most ``2**(bit_width - 1) - 1`` exponents have a code.

    Attributes
    ----------
    min_exponent, max_exponent : int or 1-D numpy.ndarray
        Exponents of the smallest and the largest level, within float64's, -1074 to 1023. One of
        each for the whole tensor (``axis=None``), or one for each index along ``axis``, with
        equally many exponents from the one to the other.
    bit_width : int
        Bits a code, 2 to 8.
    boundary : {"geometric", "nearest"}
        Where one level ends and the next begins, see :func:`power_of_two`.

    Examples
    --------
    Three bits hold three exponents, with both signs, and zero:

    >>> LogQParams(min_exponent=-2, max_exponent=0, bit_width=3).levels.tolist()
    [-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0]
    """

    min_exponent: int | np.ndarray
    max_exponent: int | np.ndarray
    bit_width: int
    boundary: str = field(default="geometric", kw_only=True)
    axis: int | None = field(default=None, kw_only=True)

    stored = ("min_exponent", "max_exponent")

    def __post_init__(self):
        bit_width = check_bit_width(self.bit_width, 2, 8)
        check_choice(self.boundary, "boundary", BOUNDARIES)
        axis = None if self.axis is None else check_integer(self.axis, "axis", -64, 63)
        low = _exponents(self.min_exponent, "min_exponent", -1074 - 126)
        high = _exponents(self.max_exponent, "max_exponent", -1074)
        n_axes = 0 if axis is None else 1
        if low.ndim != n_axes or low.shape != high.shape:
            raise ValueError(
                f"min_exponent and max_exponent must have the same shape, with {n_axes} axes for "
                f"axis={axis}, got shapes {low.shape} and {high.shape}"
            )
        most = 2 ** (bit_width - 1) - 1
        counts = high - low + 1
        if not 1 <= counts.min() <= counts.max() <= most:
            bad = np.argmax((counts < 1) | (counts > most))
            raise ValueError(
                f"min_exponent to max_exponent must be 1 to {most} exponents at {bit_width} "
                f"bits, got {low.flat[bad]} to {high.flat[bad]}"
            )
        if counts.min() != counts.max():
            raise ValueError(
                "min_exponent to max_exponent must be equally many exponents for each index along "
                f"axis {axis}, got {counts.min()} to {counts.max()}"
            )
        values = {
            "min_exponent": low if n_axes else int(low),
            "max_exponent": high if n_axes else int(high),
            "bit_width": bit_width,
            "axis": axis,
        }
        # torch.compile branches on plain integers only.
        values |= {"_n_exponents": int(counts.max()), "_largest": int(high.max())}
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def n_exponents(self):
        """How many exponents have a code."""
        return self._n_exponents

    @property
    def levels(self):
        """All levels in rising order, zero among them, as a NumPy array of float64.

        With an ``axis``, a row of levels for each index along it.
        """
        exponents = np.add.outer(self.min_exponent, np.arange(self.n_exponents))
        positive = np.ldexp(1.0, exponents)
        zero = np.zeros_like(positive[..., :1])
        return np.concatenate([-positive[..., ::-1], zero, positive], axis=-1)

    @property
    def quant_min(self):
        """Smallest code, 0: codes are unsigned, their sign is the bit on top."""
        return 0

    @property
    def quant_max(self):
        """Largest code, that of the negative level farthest from 0."""
        return 2 ** (self.bit_width - 1) + self.n_exponents

    def quantize(self, x):
        r"""Return the int32 code of every value: the sign on top, the exponent field below.

        .. math:: \text{code} = g \cdot 2^{b-1} + f, \qquad
                  f = \begin{cases} 0 & |x| < 2^{k_{\min} - 1} \\
                  \operatorname{clamp}(\operatorname{round}(\log_2|x|), k_{\min}, k_{\max})
                  - k_{\min} + 1 & \text{otherwise} \end{cases}

        with g = 1 for a negative value, and g = 0 where f = 0: the code of a negative zero,
        :math:`2^{b-1}`, never comes out. Values above the largest level saturate. Between 0 and the
        smallest level the boundary is half-way under either rule (on it, the larger level is
        taken): the geometric mean of 0 and any level is 0, so a geometric rule would push every
        small weight up to the smallest level, and 2 bits would have no zero at all.

        >>> qparams = LogQParams(min_exponent=-2, max_exponent=0, bit_width=3)
        >>> qparams.quantize(np.array([0.0, 0.1, 0.25, 0.5, 9.0, -1.0])).tolist()
        [0, 0, 1, 2, 3, 7]
        """
        x = as_float_array(x, "x", may_be_empty=True)
        xp = array_namespace(x)
        field = self._fields(x)
        negative = xp.astype((x < 0) & (field > 0), xp.int32)
        return xp.astype(negative * 2 ** (self.bit_width - 1) + field, xp.int32)

    def dequantize(self, codes):
        r"""Return each code's level, :math:`(-1)^g \, 2^{k_{\min} + f - 1}`, or 0 where f = 0.

        In float32, of the kind and shape of ``codes``. Levels below the smallest float32 become 0.

        >>> qparams = LogQParams(min_exponent=-2, max_exponent=0, bit_width=3)
        >>> qparams.dequantize(np.array([0, 1, 2, 3, 7])).tolist()
        [0.0, 0.25, 0.5, 1.0, -1.0]
        """
        sign, exponent = self.signs_and_exponents(codes)
        xp = array_namespace(sign)
        self._check_fits(xp, xp.float32)
        return signed_power(xp.astype(sign, xp.float32), exponent, sign == 0)

    def signs_and_exponents(self, codes):
        """Return the sign, -1, 0 or 1, and the exponent of every code, both in int32.

        The exponent of a code for 0 is one below the smallest. A code that is none is refused. Less
        ``min_exponent``, they are what :func:`quantlib.kernels.shift.pack_shifts` takes; with an
        ``axis`` of 0, each output of the result has its own power of two as its unit.

        >>> qparams = LogQParams(min_exponent=-2, max_exponent=0, bit_width=3)
        >>> sign, exponent = qparams.signs_and_exponents(np.array([0, 1, 2, 3, 7]))
        >>> sign.tolist(), exponent.tolist()
        ([0, 1, 1, 1, -1], [-3, -2, -1, 0, 0])
        """
        codes = as_integers(codes, "codes")
        xp = array_namespace(codes)
        half = 2 ** (self.bit_width - 1)
        codes = xp.astype(codes, xp.int64)
        field = codes % half
        bad = (codes < 0) | (codes >= 2 * half) | (field > self.n_exponents)
        if bool(xp.any(bad)):
            raise ValueError(
                f"codes must have {self.bit_width} bits and a field of at most "
                f"{self.n_exponents}, got {int(codes[bad][0])}"
            )
        sign = xp.where(field == 0, xp.zeros_like(field), 1 - 2 * (codes // half))
        return xp.astype(sign, xp.int32), xp.astype(field, xp.int32) + self._base(field, "codes")

    def _round(self, x):
        self._check_fits(array_namespace(x), x.dtype)
        field = self._fields(x)
        return signed_power(x, field + self._base(x), field == 0)

    def _in_range(self, x):
        xp = array_namespace(x)
        largest = np.ldexp(1.0, self.max_exponent)
        return xp.abs(x) <= along_axis(largest, x, self.axis, xp.float64)

    def _fields(self, x):
        """Return the exponent fields of ``x``: 0 for zero, f for the f-th exponent."""
        xp = array_namespace(x)
        base = self._base(x)
        field = xp.clip(round_exponent(x, self.boundary) - base, 1, self.n_exponents)
        # |x| < 2**base, asked of the exponents: the bound itself may be too small for the dtype.
        # frexp's exponent is one above that of the largest power of two within |x|.
        is_zero = (x == 0) | (xp.frexp(xp.abs(x))[1] <= base)
        return xp.where(is_zero, xp.zeros_like(field), field)

    def _base(self, x, name="x"):
        """Return the exponents that the field 0 would have, which broadcast with ``x``."""
        below = np.asarray(self.min_exponent) - 1
        return along_axis(below, x, self.axis, array_namespace(x).int32, name)

    def _check_fits(self, xp, dtype):
        """Raise ValueError if ``dtype`` cannot hold the largest level."""
        most = largest_exponent(xp, dtype)
        if self._largest > most:
            raise ValueError(
                f"qparams.max_exponent must be at most {most} for {dtype}, got {self._largest}"
            )


def _exponents(values, name, low):
    """Return a frozen copy of ``values``, checked to be whole numbers from ``low`` to 1023."""
    values = frozen_array(as_integers(values, name), name)
    if values.size == 0:
        raise ValueError(f"{name} must not be empty, got shape {values.shape}")
    least, most = int(values.min()), int(values.max())
    if not low <= least <= most <= 1023:
        raise ValueError(f"{name} must be from {low} to 1023, got {least} to {most}")
    return frozen_array(values, name, np.int64)


def round_exponent(x, boundary):
    """Return the exponent of the power of two that nonzero ``x`` is rounded to; 0 becomes -1."""
    xp = array_namespace(x)
    # |x| = m * 2**e with 1/2 <= m < 1 holds exactly, so no rounding error of log2 can decide.
    mantissa, exponent = xp.frexp(xp.abs(x))
    mantissa = xp.astype(mantissa, xp.float64)
    # sqrt(1/2) is no floating-point number; the product is rounded, but never across 1/2.
    goes_up = mantissa * mantissa >= 0.5 if boundary == "geometric" else mantissa >= 0.75
    return xp.where(goes_up, exponent, exponent - 1)


def largest_exponent(xp, dtype):
    """Return the exponent of the largest power of two that ``dtype`` holds."""
    return math.frexp(float(xp.finfo(dtype).max))[1] - 1


def signed_power(x, exponent, is_zero):
    """Return sign(x) * 2**exponent in the dtype of ``x``, and 0 where ``is_zero``."""
    xp = array_namespace(x)
    magnitude = xp.ldexp(xp.ones_like(x), exponent)
    return xp.where(is_zero, xp.zeros_like(x), xp.where(x < 0, -magnitude, magnitude))


def power_of_two(x, *, boundary="geometric"):
    r"""Round every value to a power of two, keeping its sign and dtype.

    .. math:: \hat x = \operatorname{sign}(x) \, 2^{\operatorname{round}(\log_2 |x|)}, \qquad
              \hat 0 = 0

    So by ``boundary="geometric"``: what divides :math:`2^k` from :math:`2^{k+1}` is their geometric
    mean :math:`\sqrt2 \cdot 2^k`, on which no number can lie, since :math:`\sqrt2` is
    irrational. "nearest" puts the boundary half-way, at :math:`1.5 \cdot 2^k`; a number on it goes
    to the larger level. Exponents have no limit but the dtype's: what would become :math:`2^{128}`
    in float32 becomes :math:`2^{127}`. A tensor that requires a gradient gets the straight-through
    one, 1 everywhere.

    Source: Nayak et al. 2019, III.a (3). The text there says "closest power of 2", the formula
    rounds the logarithm; the two differ for :math:`\sqrt2 \cdot 2^k < |x| < 1.5 \cdot 2^k`. Zero,
    which has no logarithm, stays 0; the paper does not say so. The number 1.45 is nearer to 1, but
    its logarithm is nearer to that of 2:

    >>> x = np.array([1.4, 1.45, -1.5, 0.0, -0.3])
    >>> power_of_two(x).tolist(), power_of_two(x, boundary="nearest").tolist()
    ([1.0, 2.0, -2.0, 0.0, -0.25], [1.0, 1.0, -2.0, 0.0, -0.25])
    """
    check_choice(boundary, "boundary", BOUNDARIES)
    x = as_float_array(x, "x", may_be_empty=True)
    xp = array_namespace(x)
    values = detached(x)
    exponent = xp.clip(round_exponent(values, boundary), None, largest_exponent(xp, x.dtype))
    return straight_through(x, signed_power(values, exponent, values == 0))


def choose_qparams(x, bit_width, *, boundary="geometric", axis=None):
    r"""Choose exponents so that the largest level is that of ``max|x|``.

    .. math:: k_{\max} = \operatorname{round}(\log_2 \max|x|), \qquad
              k_{\min} = k_{\max} - (2^{b-1} - 2)

    The maximum is over the whole tensor, or over each index along ``axis``: 0 for the output
    channels of a layer's weights. b is 2 to 8, and where all is 0, :math:`k_{\max} = 0`. Nayak et
    al. 2019 leave the exponents unlimited and report "average bit-levels"; codes with a fixed
    number of bits, and exponents for each channel, are the course's.

    >>> choose_qparams(np.array([0.3, -1.1]), bit_width=4)
    LogQParams(min_exponent=-6, max_exponent=0, bit_width=4, boundary='geometric', axis=None)
    >>> choose_qparams(np.array([[0.3, -1.1], [0.02, 0.0]]), bit_width=4, axis=0).max_exponent
    array([ 0, -6])
    """
    bit_width = check_bit_width(bit_width, 2, 8)
    check_choice(boundary, "boundary", BOUNDARIES)
    x = detached(as_float_array(x, "x"))
    xp = array_namespace(x)
    others = None
    if axis is not None:
        axis = check_axis(axis, x.ndim)
        others = tuple(i for i in range(x.ndim) if i != axis)
    largest = xp.max(xp.abs(x), axis=others)
    exponent = xp.clip(round_exponent(largest, boundary), None, largest_exponent(xp, x.dtype))
    max_exponent = to_numpy(xp.where(largest > 0, exponent, xp.zeros_like(exponent)))
    min_exponent = max_exponent - (2 ** (bit_width - 1) - 2)
    return LogQParams(min_exponent, max_exponent, bit_width, boundary=boundary, axis=axis)


def shift_multiply(a, codes, qparams):
    r"""Multiply integers by powers of two with shifts and no multiplication, into int64.

    .. math:: y = \lfloor a \cdot (-1)^g 2^k \rfloor, \qquad k = k_{\min} + f - 1

    A negative weight negates ``a`` first. Then ``k >= 0`` shifts left by ``k``, which is exact;
    ``k < 0`` shifts right by ``-k``, which drops the bits that fall out, so it rounds toward minus
    infinity, as the arithmetic shift of a processor does. To keep those bits, give ``a`` in a finer
    unit: shift it left by ``-min_exponent`` beforehand. A weight of zero gives 0. ``codes``, as
    from :meth:`LogQParams.quantize`, broadcast with ``a``; an ``axis`` of ``qparams`` is one of
    theirs. Products beyond 64 bits and uint64 are refused.

    Source: Nayak et al. 2019, IV.d, names bit-shifting in place of multiplication; how it rounds is
    the course's statement. Thirteen times 4, 1, 1/2 and -1/2:

    >>> qparams = LogQParams(min_exponent=-1, max_exponent=2, bit_width=4)
    >>> codes = qparams.quantize(np.array([4.0, 1.0, 0.5, -0.5]))
    >>> shift_multiply(np.array([13, 13, 13, 13]), codes, qparams).tolist()
    [52, 13, 6, -7]
    """
    a = as_array(a, "a")
    sign, exponent = qparams.signs_and_exponents(codes)
    xp = array_namespace(a, sign)
    if not xp.isdtype(a.dtype, "integral") or a.dtype == xp.uint64:
        raise TypeError(f"a must be integers that fit into int64, got dtype {a.dtype}")
    try:
        np.broadcast_shapes(tuple(a.shape), tuple(sign.shape))
    except ValueError:
        raise ValueError(
            f"a and codes must have shapes that broadcast, got {tuple(a.shape)} "
            f"and {tuple(sign.shape)}"
        ) from None
    left = xp.astype(xp.clip(exponent, 0, 63), xp.int64)
    right = xp.astype(xp.clip(-exponent, 0, 63), xp.int64)
    a = xp.astype(a, xp.int64)
    a = xp.where(sign == 0, xp.zeros_like(a), a)
    room = xp.bitwise_right_shift(xp.full_like(left, 2**63 - 1), left)
    if bool(xp.any((a > room) | (a < -room))):
        raise ValueError("a times the weights must fit into 64 bits, got a product that does not")
    signed = xp.where(sign < 0, -a, a)
    return xp.bitwise_right_shift(xp.bitwise_left_shift(signed, left), right)
