"""KNQ: levels where the activations are, by one-dimensional k-means.

.. math:: \\min_{d_0, \\dots, d_{2^T - 1}} \\sum_k \\sum_{s \\in S_k} (s - d_k)^2

A code is the number of a level. Comparators and a priority encoder make it (QK), a look-up table
turns it back (CK).
"""

import warnings
from dataclasses import KW_ONLY, dataclass

import numpy as np
from array_api_compat import array_namespace, device, is_numpy_array

from quantlib._validation import (
    as_array,
    as_float_array,
    check_bit_width,
    check_choice,
    check_finite,
    to_numpy,
)
from quantlib.nonuniform.conversion_units import look_up
from quantlib.nonuniform.fixed_point import FixedQParams
from quantlib.nonuniform.kmeans import kmeans_1d
from quantlib.schemes import Scheme, frozen_array

__all__ = ["KnqQParams", "choose_qparams"]

BOUNDARIES = ("nearest", "level")


@dataclass(frozen=True, eq=False)
class KnqQParams(Scheme):
    """The levels of KNQ in one layer, and where one ends and the next begins.

    >>> KnqQParams([0.0, 1.0, 3.0, 7.0], bit_width=2).thresholds.tolist()
    [0.5, 2.0, 5.0]
    """

    #: numpy.ndarray of float64: d_0 to d_{K-1} in ascending order, at most ``2**bit_width``. Two
    #: may be equal.
    levels: np.ndarray
    #: T, bits of a code, 1 to 8.
    bit_width: int
    _: KW_ONLY
    #: {"nearest", "level"}: ``"nearest"``: half-way between two levels, as k-means assigns.
    #: ``"level"``: at the level itself, code k if d_k <= x < d_{k+1}, as Sun, Lin, Wang 2016 print
    #: it. What lies below d_0 gets code 0.
    boundary: str = "nearest"

    def __post_init__(self):
        levels = to_numpy(as_float_array(self.levels, "levels"))
        levels = frozen_array(levels, "levels", np.float64)
        object.__setattr__(self, "levels", levels)
        object.__setattr__(self, "bit_width", check_bit_width(self.bit_width, 1, 8))
        check_choice(self.boundary, "boundary", BOUNDARIES)
        if levels.ndim != 1 or levels.size > 2**self.bit_width:
            raise ValueError(
                f"levels must be at most {2**self.bit_width} for {self.bit_width} bits, "
                f"got shape {levels.shape}"
            )
        if (np.diff(levels) < 0).any():
            raise ValueError("levels must be in ascending order")

    @property
    def quant_min(self):
        """Smallest code, 0."""
        return 0

    @property
    def quant_max(self):
        """Largest code, one less than there are levels."""
        return len(self.levels) - 1

    @property
    def thresholds(self):
        """Smallest number that gets code 1, 2, …: one fewer than levels."""
        if self.boundary == "level":
            return self.levels[1:]
        return self.levels[:-1] + np.diff(self.levels) / 2

    def quantize(self, x):
        r"""Return the code of every value (int32): how many thresholds it has reached.

        .. math:: \text{code} = \left|\{k \ge 1 : t_k \le x\}\right|, \qquad
                  t_k = \frac{d_{k-1} + d_k}{2} \text{ or } d_k

        On the CPU a compiled loop compares 64 values at a time with each threshold, as QK's row of
        comparators does; on another device torch's search finds the same codes. A threshold is
        replaced by the next number up that the type of ``x`` has, which changes no comparison.

        >>> levels, x = [0.0, 1.0, 3.0, 7.0], np.array([0.4, 0.5, 2.9, 99.0])
        >>> KnqQParams(levels, bit_width=2).quantize(x).tolist()
        [0, 1, 2, 3]
        >>> KnqQParams(levels, bit_width=2, boundary="level").quantize(x).tolist()
        [0, 0, 1, 3]
        """
        x = as_array(x, "x")
        if not is_numpy_array(x) and device(x).type != "cpu":
            return _search_on_device(x, self.thresholds)
        from quantlib.kernels import levels as loops

        values = to_numpy(x)
        if values.dtype not in (np.float32, np.float64):
            values = to_numpy(as_float_array(x, "x"))
            values = values if values.dtype == np.float64 else values.astype(np.float32)
        line = np.ascontiguousarray(values).ravel()
        if line.size == 0 or not loops.all_finite(line):
            check_finite(values, "x")  # says what is wrong
        codes = np.empty(values.shape, np.int32)
        loops.count_at_most(line, _rounded_up(self.thresholds, line.dtype), codes.reshape(-1))
        return codes if is_numpy_array(x) else array_namespace(x).asarray(codes)

    def dequantize(self, codes):
        """Return the level of every code, as float32: a look-up."""
        return look_up(codes, self.levels.astype(np.float32), "codes")

    def _round(self, x):
        dtype = np.float64 if str(x.dtype).endswith("float64") else np.float32
        values = look_up(self.quantize(x), self.levels.astype(dtype), "codes")
        return array_namespace(values).astype(values, x.dtype)


def _search_on_device(x, thresholds):
    x = as_float_array(x, "x")
    xp = array_namespace(x)
    bounds = xp.asarray(_rounded_up(thresholds, np.float64), device=device(x))
    return xp.astype(xp.searchsorted(bounds, xp.astype(x, xp.float64), side="right"), xp.int32)


def _rounded_up(thresholds, dtype):
    """Return the smallest numbers of ``dtype`` that are not below the thresholds."""
    upwards = np.array(np.inf, dtype)
    with np.errstate(over="ignore"):
        bounds = thresholds.astype(dtype)
    return np.where(bounds < thresholds, np.nextafter(bounds, upwards), bounds)


def choose_qparams(x, bit_width, *, boundary="nearest", saturate_at=None, fixed=None):
    r"""Return the k-means levels of the values of one layer, the globally best ones.

    Source: Sun, Lin, Wang 2016, III.A and equation (2), with
    :math:`M = (2^{q_m} - 1)\,2^{-F}` (:attr:`FixedQParams.largest`). Where there are fewer distinct
    values than levels, those are the levels and a UserWarning says so: nothing is lost.

    Parameters
    ----------
    x : array
        NumPy array or torch tensor of any shape, for activations all that was recorded.
    bit_width : int
        T, 1 to 8: :math:`2^T` levels.
    boundary : {"nearest", "level"}
        As for :class:`KnqQParams`.
    saturate_at : float, optional
        M: larger values count as M (the paper's pre-process). None leaves them as they are.
    fixed : FixedQParams, optional
        Round the levels to this fixed-point format, since that is what CK's table holds; those
        beyond its ends saturate. None leaves them real.

    Examples
    --------
    >>> x = np.array([0.0, 0.0, 0.1, 1.0, 1.2, 5.0, 50.0])
    >>> choose_qparams(x, 2, saturate_at=5.0).levels.round(3).tolist()
    [0.033, 1.0, 1.2, 5.0]
    """
    bit_width = check_bit_width(bit_width, 1, 8)
    x = as_float_array(x, "x")
    xp = array_namespace(x)
    if not isinstance(fixed, FixedQParams | None):
        raise TypeError(f"fixed must be a FixedQParams, got {type(fixed).__name__}")
    if saturate_at is not None:
        if not saturate_at > 0:
            raise ValueError(f"saturate_at must be positive, got {saturate_at}")
        x = xp.clip(x, None, float(saturate_at))
    values = to_numpy(x).ravel()
    n_levels = 2**bit_width
    # Most tensors have many values; only one that seems poor is counted in full.
    if values.size < n_levels or len(np.unique(values[:4096])) <= n_levels:
        distinct = np.unique(values)
        if len(distinct) < n_levels:
            warnings.warn(
                f"x has {len(distinct)} distinct values, fewer than the {n_levels} levels of "
                f"{bit_width} bits: they are taken as the levels",
                stacklevel=2,
            )
            n_levels = len(distinct)
    levels = kmeans_1d(values, n_levels).centroids
    if fixed is not None:
        levels = fixed.fake_quantize(levels)
    return KnqQParams(levels, bit_width, boundary=boundary)
