r"""Three levels: which numbers become 0, and what the others become.

.. math::
    t_i = \begin{cases} +1 & w_i > \Delta \\ 0 & |w_i| \le \Delta \\ -1 & w_i < -\Delta \end{cases}
    \qquad \hat w_i = \begin{cases} W_p & t_i = +1 \\ 0 & t_i = 0 \\ -W_n & t_i = -1 \end{cases}
"""

from dataclasses import KW_ONLY, dataclass

import numpy as np
from array_api_compat import array_namespace

from quantlib._validation import (
    as_float_array,
    as_integers,
    check_axis,
    check_choice,
    check_integer,
    detached,
    has_values,
    to_numpy,
)
from quantlib.schemes import Scheme, along_axis, frozen_array

__all__ = ["RULES", "TernaryQParams", "choose_qparams"]

#: tuple of str: Ways to choose the threshold and the levels, see :func:`choose_qparams`.
RULES = ("twn", "bitnet", "optimal", "two_levels")


@dataclass(frozen=True, eq=False)
class TernaryQParams(Scheme):
    r"""The three levels :math:`-W_n`, 0 and :math:`W_p`, and the threshold :math:`\Delta`.

    Each is one number for the whole tensor (``axis=None``), or one for each index along ``axis``.

    >>> TernaryQParams(0.1, negative=0.5, positive=0.7).levels.tolist()
    [-0.5, 0.0, 0.7]
    """

    #: Numbers of at most this magnitude become 0. It is 0 or more.
    threshold: float | np.ndarray
    _: KW_ONLY
    #: :math:`W_n`, what code -1 stands for, without its sign.
    negative: float | np.ndarray
    #: :math:`W_p`, what code +1 stands for.
    positive: float | np.ndarray
    axis: int | None = None

    #: Bits a code, of which the fourth value is never used. Five codes fit into a byte.
    bit_width = 2
    stored = ("negative", "positive")

    def __post_init__(self):
        axis = None if self.axis is None else check_integer(self.axis, "axis", -64, 63)
        found = {}
        for name in ("threshold", "negative", "positive"):
            value = frozen_array(as_float_array(getattr(self, name), name), name, np.float64)
            if value.ndim != (axis is not None):
                raise ValueError(
                    f"{name} must be "
                    + ("one number" if axis is None else f"a number for each index of axis {axis}")
                    + f", got shape {value.shape}"
                )
            found[name] = value
        if len({value.shape for value in found.values()}) > 1:
            shapes = ", ".join(str(value.shape) for value in found.values())
            raise ValueError(
                f"threshold, negative and positive must have the same shape, got {shapes}"
            )
        if (found["threshold"] < 0).any():
            raise ValueError(f"threshold must be 0 or more, got {found['threshold'].min()}")
        for name, value in {**found, "axis": axis}.items():
            plain = name != "axis" and axis is None
            object.__setattr__(self, name, float(value) if plain else value)

    @property
    def parameter_bytes(self):
        """Bytes of the levels, 4 a number; where both are alike they are stored once."""
        return super().parameter_bytes // (2 if np.array_equal(self.negative, self.positive) else 1)

    @property
    def quant_min(self):
        """Smallest code, -1."""
        return -1

    @property
    def quant_max(self):
        """Largest code, +1."""
        return 1

    @property
    def levels(self):
        """The three levels as a NumPy array of float64, of shape (3,) or (channels, 3)."""
        negative, positive = np.asarray(self.negative), np.asarray(self.positive)
        return np.stack([-negative, np.zeros_like(negative), positive], axis=-1)

    def quantize(self, x):
        """Return the codes -1, 0 and +1 (int32) of real numbers."""
        x = detached(as_float_array(x, "x", may_be_empty=True))
        return array_namespace(x).astype(self._codes(x), array_namespace(x).int32)

    def dequantize(self, codes):
        """Return the numbers that codes stand for, as float32."""
        codes = as_integers(codes, "codes")
        xp = array_namespace(codes)
        if has_values(codes) and bool(xp.any((codes < -1) | (codes > 1))):
            raise ValueError("codes must be -1, 0 or 1")
        return self._levels_of(codes, xp.float32)

    def _codes(self, x):
        xp = array_namespace(x)
        threshold = along_axis(np.asarray(self.threshold), x, self.axis, x.dtype)
        above, below = x > threshold, x < -threshold
        return xp.astype(above, xp.int8) - xp.astype(below, xp.int8)

    def _levels_of(self, codes, dtype):
        xp = array_namespace(codes)
        negative, positive = (
            along_axis(np.asarray(values), codes, self.axis, dtype, "codes")
            for values in (self.negative, self.positive)
        )
        zero = xp.zeros_like(positive)
        return xp.where(codes > 0, positive, xp.where(codes < 0, -negative, zero))

    def _round(self, x):
        # A NaN, which is not looked at while torch traces, stays one: of it nothing is above or
        # below, and 0 times it is NaN.
        xp = array_namespace(x)
        return xp.where(x == x, self._levels_of(self._codes(x), x.dtype), x)

    def _in_range(self, x):
        """Return True everywhere: the levels are means, and numbers beyond them are no outliers."""
        return array_namespace(x).ones_like(x, dtype=bool)


def choose_qparams(x, *, rule="twn", axis=None):
    r"""Return three levels for ``x``, one set for all of it or one for each index along ``axis``.

    With E the mean, and a level :math:`\alpha = W_p = W_n` by all rules but the last:

    ===============  ==============================  ===================================
    rule             threshold                       levels
    ===============  ==============================  ===================================
    ``twn``          :math:`0.7\, E|x|`              E of \|x\| where \|x\| > threshold
    ``bitnet``       :math:`0.5\, E|x|`              :math:`E|x|`
    ``optimal``      that of least squared error     as ``twn``
    ``two_levels``   that of least squared error     E of \|x\| above it, for each sign
    ===============  ==============================  ===================================

    For a threshold that leaves k numbers other than 0, the best :math:`\alpha` is the mean of their
    magnitudes, and the squared error is

    .. math:: \sum_i x_i^2 - \frac{1}{k} \Big(\sum_{i \le k} |x|_{(i)}\Big)^2,
              \qquad |x|_{(1)} \ge |x|_{(2)} \ge \dots

    so that one sort and its cumulative sums tell the error of every threshold. With a level for
    each sign, the fraction is taken over the positive and over the negative ones apart. What is 0
    everywhere gets levels of 0.

    Sources: Li, Zhang and Liu (2016), "Ternary weight networks". They find the best factors for
    uniform weights, 2/3, and for normal ones, which is 0.767 and rounded to 3/4 there, and take 0.7
    for all. Ma et al. (2024), "The era of 1-bit LLMs", (1) to (3), for ``bitnet``. The optima are
    the course's own.

    >>> x = [1.0, -0.75, 0.0, -0.25]
    >>> choose_qparams(x)
    TernaryQParams(threshold=0.35, negative=0.875, positive=0.875, axis=None)
    >>> choose_qparams(x, rule="two_levels").levels.tolist()
    [-0.75, 0.0, 1.0]
    """
    x = detached(as_float_array(x, "x"))
    check_choice(rule, "rule", RULES)
    if axis is not None:
        axis = check_axis(axis, x.ndim)
    x = np.asarray(to_numpy(x), np.float64)
    rows = x.reshape(1, -1) if axis is None else np.moveaxis(x, axis, 0).reshape(x.shape[axis], -1)
    threshold, negative, positive = levels_of(rows, rule)
    if axis is None:
        threshold, negative, positive = threshold[0], negative[0], positive[0]
    return TernaryQParams(threshold, negative=negative, positive=positive, axis=axis)


def levels_of(rows, rule):
    """Return the threshold of each row of numbers, its negative and its positive level."""
    return _BY_RULE[rule](rows)


def _mean_above(magnitudes, threshold):
    """Return the mean of each row's ``magnitudes`` above its threshold; 0 where there are none."""
    xp = array_namespace(magnitudes)
    above = xp.astype(magnitudes > threshold[:, None], magnitudes.dtype)
    count = xp.sum(above, axis=1)
    return xp.sum(magnitudes * above, axis=1) / xp.where(count > 0, count, xp.ones_like(count))


def _twn(rows):
    magnitudes = abs(rows)
    threshold = 0.7 * array_namespace(rows).mean(magnitudes, axis=1)
    level = _mean_above(magnitudes, threshold)
    return threshold, level, level


def _bitnet(rows):
    level = array_namespace(rows).mean(abs(rows), axis=1)
    return 0.5 * level, level, level


def _optimal(rows):
    xp = array_namespace(rows)
    threshold = _best_threshold(rows, [xp.ones_like(rows)])
    level = _mean_above(abs(rows), threshold)
    return threshold, level, level


def _two_levels(rows):
    xp = array_namespace(rows)
    signs = [xp.astype(rows < 0, rows.dtype), xp.astype(rows > 0, rows.dtype)]
    threshold = _best_threshold(rows, signs)
    return threshold, *(_mean_above(abs(rows) * sign, threshold) for sign in signs)


def _best_threshold(rows, groups):
    """Return the threshold of each row that leaves the least squared error.

    ``groups`` hold 1 where a number belongs to a group, else 0; each group has a level of its own.
    """
    xp = array_namespace(rows)
    order = xp.argsort(-abs(rows), axis=1)
    magnitudes = xp.take_along_axis(abs(rows), order, axis=1)
    gain = xp.zeros_like(magnitudes)
    for group in groups:
        mine = xp.take_along_axis(group, order, axis=1)
        count = xp.cumulative_sum(mine, axis=1)
        total = xp.cumulative_sum(mine * magnitudes, axis=1)
        gain = gain + total**2 / xp.where(count > 0, count, xp.ones_like(count))
    after = xp.concat([magnitudes[:, 1:], xp.zeros_like(magnitudes[:, :1])], axis=1)
    # A threshold lies between two magnitudes that differ: equal ones are on one side of it.
    gain = xp.where(magnitudes > after, gain, -xp.ones_like(gain))
    best = xp.argmax(gain, axis=1)
    return xp.take_along_axis(after, best[:, None], axis=1)[:, 0]


_BY_RULE = {"twn": _twn, "bitnet": _bitnet, "optimal": _optimal, "two_levels": _two_levels}
