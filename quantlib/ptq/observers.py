"""Observers: from batches of one tensor to the range that is quantized.

.. math:: \\text{batches} \\to (x_{\\min}, x_{\\max}) \\to (s, z)

A wide range makes every step coarse, a narrow one clips the values beyond it. Source: Chenna,
section 7.5, for which ranges there are.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass, field, fields
from typing import NamedTuple

import numpy as np

from quantlib._validation import (
    as_float_array,
    check_axis,
    check_integer,
    check_positive,
    detached,
    shown,
    to_numpy,
)
from quantlib.uniform import fake_quantize, qparams_from_range

__all__ = [
    "MinMax",
    "MovingAverage",
    "ObservedRange",
    "Observer",
    "Sigmas",
    "compare_observers",
]


@dataclass(eq=False, repr=False)
class Observer(ABC):
    """Sees batches of one tensor, and says which range of it to quantize.

    Given once for a whole network, it is the pattern of one observer for each tensor: :meth:`fresh`
    makes them. Observers can be copied and pickled with all that they have seen.

    Attributes
    ----------
    axis : int or None
        One range for the whole tensor, or one for each index along ``axis``.
    n_batches : int
        Batches seen, without empty ones, which change nothing.
    """

    _: KW_ONLY
    axis: int | None = None
    n_batches: int = field(default=0, init=False)
    _n_channels: int | None = field(default=None, init=False)

    def __post_init__(self):
        if self.axis is not None:
            self.axis = check_integer(self.axis, "axis", -64, 63)

    def __repr__(self):
        given = [f for f in fields(self) if f.init and getattr(self, f.name) != f.default]
        given.sort(key=lambda f: f.kw_only)
        settings = (f"{f.name}={getattr(self, f.name)!r}" for f in given)
        return f"{type(self).__name__}({', '.join(settings)})"

    def fresh(self):
        """Return a new observer with the same settings, which has seen nothing."""
        return type(self)(**{f.name: getattr(self, f.name) for f in fields(self) if f.init})

    def observe(self, x):
        """Take in a batch, an array or tensor of the same axes each time; return the observer.

        NaN or infinity is refused with the number of the batch, from 1, and changes nothing.
        """
        name = f"x of batch {self.n_batches + 1}"
        x = to_numpy(detached(as_float_array(x, name, may_be_empty=True)))
        if x.size == 0:
            return self
        rows, n_channels = x.reshape(1, -1), None
        if self.axis is not None:
            axis = check_axis(self.axis, x.ndim)
            rows, n_channels = np.moveaxis(x, axis, 0).reshape(x.shape[axis], -1), x.shape[axis]
        if self.n_batches and n_channels != self._n_channels:
            raise ValueError(
                f"{name} must have {self._n_channels} entries along axis {self.axis}, "
                f"as the first batch had, got shape {x.shape}"
            )
        self._add(rows if rows.dtype.itemsize >= 4 else rows.astype(np.float32))
        self.n_batches, self._n_channels = self.n_batches + 1, n_channels
        return self

    def range(self):
        """Return the smallest and largest value to quantize, as floats or one array each."""
        return self._found(None)

    def qparams(self, bit_width, *, mapping="asymmetric", signed=False, narrow_range=None):
        """Return the parameters for codes of ``bit_width`` bits, by `qparams_from_range`.

        They are unsigned and asymmetric, as for activations, if nothing else is said. 0 is always
        in the range and exact.
        """
        codes = Codes(bit_width, mapping, signed, narrow_range)
        return codes.qparams(*self._found(codes), axis=self.axis)

    def _found(self, codes):
        """Return the range for ``codes``, as `range` does; None where it is the same for all."""
        if self.n_batches == 0:
            raise ValueError(f"observe must have seen a value first, {self!r} has seen none")
        low, high = self._ends(codes)
        if self.axis is None:
            return float(low[0]), float(high[0])
        return np.array(low, np.float64), np.array(high, np.float64)

    @abstractmethod
    def _add(self, rows):
        """Take in float32 or float64 values, a row for each range."""

    @abstractmethod
    def _ends(self, codes):
        """Return the ends of the ranges, an array each."""


class Codes(NamedTuple):
    """What :meth:`Observer.qparams` takes."""

    bit_width: int
    mapping: str
    signed: bool
    narrow_range: bool | None

    def qparams(self, low, high, axis=None):
        """Return the parameters that these codes have for a range, or for several."""
        return qparams_from_range(
            low,
            high,
            self.bit_width,
            mapping=self.mapping,
            signed=self.signed,
            narrow_range=self.narrow_range,
            axis=axis,
        )


@dataclass(eq=False, repr=False)
class MinMax(Observer):
    """The smallest and the largest value of all batches. Nothing is clipped.

    One outlier sets the step of all values. Source: Chenna, equations (3) and (4).

    >>> MinMax().observe([0.5, 2.0]).observe([-1.0]).range()
    (-1.0, 2.0)
    """

    _low: np.ndarray = field(default=math.inf, init=False)
    _high: np.ndarray = field(default=-math.inf, init=False)

    def _add(self, rows):
        self._low = np.minimum(self._low, rows.min(axis=1).astype(np.float64))
        self._high = np.maximum(self._high, rows.max(axis=1).astype(np.float64))

    def _ends(self, codes):
        return self._low, self._high


@dataclass(eq=False, repr=False)
class MovingAverage(MinMax):
    r"""Averages of the batches' smallest and largest values, in which older ones weigh less.

    .. math:: x_{\max} \leftarrow m\, x_{\max} + (1 - m) \max(\text{batch})

    and the same for the smallest. The first batch sets the range, and of n batches it still has the
    weight :math:`m^{n-1}`: a few batches need a smaller momentum. Source: Chenna, section 7.5;
    Jacob et al. (2018). TensorFlow's decay is 0.999, torch's averaging constant :math:`1 - m` is
    0.01, which is the momentum here.

    >>> MovingAverage(momentum=0.5).observe([0.0, 2.0]).observe([0.0, 4.0]).range()
    (0.0, 3.0)
    """

    momentum: float = 0.99

    def __post_init__(self):
        super().__post_init__()
        if self.momentum != 0:
            self.momentum = check_positive(self.momentum, "momentum")
        if self.momentum >= 1:
            raise ValueError(f"momentum must be from 0 to below 1, got {self.momentum}")

    def _add(self, rows):
        low, high = rows.min(axis=1).astype(np.float64), rows.max(axis=1).astype(np.float64)
        if self.n_batches:
            m = self.momentum
            low, high = m * self._low + (1 - m) * low, m * self._high + (1 - m) * high
        self._low, self._high = low, high


@dataclass(eq=False, repr=False)
class Sigmas(MinMax):
    r"""Mean and standard deviation: :math:`\mu \pm k \sigma`, never beyond the values seen.

    Means and sums of squared deviations of two sets are merged by

    .. math:: \mu = \mu_a + \delta\, \frac{n_b}{n}, \qquad
              M = M_a + M_b + \delta^2\, \frac{n_a n_b}{n}, \qquad \delta = \mu_b - \mu_a

    with :math:`\sigma^2 = M / n`, in float64. (The difference of the mean square and the squared
    mean has no correct digit left where :math:`\sigma` is small beside :math:`\mu`.)

    Source: Chenna, section 7.5, with k = 3; Chan, Golub and LeVeque (1983) for the merging.

    >>> low, high = Sigmas(k=1).observe([0.0, 0.0, 4.0, 4.0, 2.0]).range()
    >>> print(round(low, 4), round(high, 4))
    0.2111 3.7889
    """

    k: float = 3.0
    _n: int = field(default=0, init=False)
    _mean: np.ndarray = field(default=0.0, init=False)
    _squares: np.ndarray = field(default=0.0, init=False)

    def __post_init__(self):
        super().__post_init__()
        self.k = check_positive(self.k, "k")

    def _add(self, rows):
        super()._add(rows)
        rows = rows.astype(np.float64)
        n, mean = rows.shape[1], rows.mean(axis=1)
        rows -= mean[:, None]
        squares = np.einsum("ij,ij->i", rows, rows)
        total, delta = self._n + n, mean - self._mean
        self._mean = self._mean + delta * (n / total)
        self._squares = self._squares + squares + delta**2 * (self._n * n / total)
        self._n = total

    def _ends(self, codes):
        reach = self.k * np.sqrt(self._squares / self._n)
        low, high = self._mean - reach, self._mean + reach
        return np.clip(low, self._low, self._high), np.clip(high, self._low, self._high)


class ObservedRange(NamedTuple):
    """A row of :func:`compare_observers`: a range, and what quantizing to it costs.

    Both errors are in the unit of the values squared.
    """

    observer: str
    low: float
    high: float
    rounding_error: float
    clipping_error: float

    @property
    def error(self):
        """Mean squared error, the sum of its two parts."""
        return self.rounding_error + self.clipping_error


def compare_observers(
    observers, x, bit_width, *, mapping="asymmetric", signed=False, narrow_range=None
):
    r"""Return each observer's range, with the mean squared error of ``x`` in two parts, as rows.

    .. math:: D = \frac1n \sum_{l \le x_i \le h} (x_i - \hat x_i)^2
                + \frac1n \sum_{x_i < l \text{ or } x_i > h} (x_i - \hat x_i)^2

    The range from l to h is the observer's, widened to contain 0: the first sum is the rounding
    error, the second one the clipping error, as in :func:`quantlib.uniform.clipping.split_error`.

    Parameters
    ----------
    observers : iterable of Observer
        They have seen the tensor already, and have ``axis=None``.
    x : array or tensor
        The values whose error is measured, of any shape: those that were observed, or others.

    Examples
    --------
    >>> x = np.append(np.linspace(0.0, 1.0, 1000), 10.0)
    >>> seen = [MinMax().observe(x), Sigmas(3).observe(x)]
    >>> for row in compare_observers(seen, x, 4):
    ...     print(f"{row.high:.2f} {row.rounding_error:.4f} {row.clipping_error:.4f}")
    10.00 0.0370 0.0000
    1.76 0.0012 0.0678
    """
    x = to_numpy(detached(as_float_array(x, "x"))).astype(np.float64)
    codes, rows = Codes(bit_width, mapping, signed, narrow_range), []
    for observer in observers:
        if not isinstance(observer, Observer) or observer.axis is not None:
            raise ValueError(f"observers must have axis=None, got {shown(observer)}")
        low, high = observer._found(codes)
        squares = (fake_quantize(x, codes.qparams(low, high)) - x) ** 2 / x.size
        inside = (x >= min(low, 0.0)) & (x <= max(high, 0.0))
        parts = float(squares[inside].sum()), float(squares[~inside].sum())
        rows.append(ObservedRange(repr(observer), low, high, *parts))
    return rows


def check_observer(observer, name):
    """Raise TypeError unless ``observer`` is one."""
    if not isinstance(observer, Observer):
        raise TypeError(
            f"{name} must be a ptq.Observer such as ptq.MinMax(), got {type(observer).__name__}"
        )
