"""KNQ: levels where the activations are, by one-dimensional k-means.

.. math:: \\min_{d_0, \\dots, d_{2^T - 1}} \\sum_k \\sum_{s \\in S_k} (s - d_k)^2

A code is the number of a level. Comparators and a priority encoder make it (QK), a look-up table
turns it back (CK).
"""

import warnings
from dataclasses import KW_ONLY, dataclass, replace

import numpy as np
from array_api_compat import array_namespace, device, is_numpy_array

from quantlib._validation import (
    as_array,
    as_float_array,
    as_integers,
    check_axis,
    check_bit_width,
    check_choice,
    check_finite,
    check_integer,
    has_values,
    to_numpy,
)
from quantlib.nonuniform.conversion_units import look_up
from quantlib.nonuniform.fixed_point import FixedQParams
from quantlib.nonuniform.kmeans import kmeans_1d, rounded_up
from quantlib.schemes import Scheme, frozen_array

__all__ = ["KnqQParams", "choose_qparams"]

BOUNDARIES = ("nearest", "level")


@dataclass(frozen=True, eq=False)
class KnqQParams(Scheme):
    """The levels of KNQ in one layer, and where one ends and the next begins.

    >>> KnqQParams([0.0, 1.0, 3.0, 7.0], bit_width=2).thresholds.tolist()
    [0.5, 2.0, 5.0]
    >>> KnqQParams([[0.0, 1.0], [0.0, 8.0]], bit_width=1, axis=0).thresholds.tolist()
    [[0.5], [4.0]]
    """

    #: numpy.ndarray of float64: d_0 to d_{K-1} in ascending order, at most ``2**bit_width``. Two
    #: may be equal. Of shape (K,) for the whole tensor (``axis=None``), or (channels, K): a row for
    #: each index along ``axis``.
    levels: np.ndarray
    #: T, bits of a code, 1 to 8.
    bit_width: int
    _: KW_ONLY
    #: {"nearest", "level"}: ``"nearest"``: half-way between two levels, as k-means assigns.
    #: ``"level"``: at the level itself, code k if d_k <= x < d_{k+1}, as Sun, Lin, Wang 2016 print
    #: it. What lies below d_0 gets code 0.
    boundary: str = "nearest"
    axis: int | None = None

    stored = ("levels",)

    def __post_init__(self):
        levels = to_numpy(as_float_array(self.levels, "levels"))
        values = {
            "levels": frozen_array(levels, "levels", np.float64),
            "bit_width": check_bit_width(self.bit_width, 1, 8),
            "axis": None if self.axis is None else check_integer(self.axis, "axis", -64, 63),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        check_choice(self.boundary, "boundary", BOUNDARIES)
        shape, wanted = self.levels.shape, 1 if self.axis is None else 2
        if len(shape) != wanted or shape[-1] > 2**self.bit_width:
            rows = "" if self.axis is None else f" in each row for an index along axis {self.axis}"
            raise ValueError(
                f"levels must be at most {2**self.bit_width} for {self.bit_width} bits{rows}, "
                f"got shape {shape}"
            )
        if (np.diff(self.levels) < 0).any():
            raise ValueError("levels must be in ascending order")

    @property
    def quant_min(self):
        """Smallest code, 0."""
        return 0

    @property
    def quant_max(self):
        """Largest code, K - 1."""
        return self.levels.shape[-1] - 1

    @property
    def thresholds(self):
        """Smallest number that gets code 1, 2, …: one fewer than levels."""
        if self.boundary == "level":
            return self.levels[..., 1:]
        return self.levels[..., :-1] + np.diff(self.levels) / 2

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
        return self._by_channel(_reached, as_array(x, "x"), self.thresholds, "x")

    def dequantize(self, codes):
        """Return the level of every code, as float32: a look-up."""
        return self._level_of(as_integers(codes, "codes"), np.float32)

    def _level_of(self, codes, dtype):
        return self._by_channel(look_up, codes, self.levels.astype(dtype), "codes")

    def _round(self, x):
        dtype = np.float64 if str(x.dtype).endswith("float64") else np.float32
        return array_namespace(x).astype(self._level_of(self.quantize(x), dtype), x.dtype)

    def _in_range(self, x):
        if self.axis is None:
            return super()._in_range(x)
        xp = array_namespace(x)
        axis = check_axis(self.axis, x.ndim)
        shape = [-1 if i == axis else 1 for i in range(x.ndim)]
        low, high = (
            xp.asarray(self.levels[:, end].reshape(shape), dtype=x.dtype, device=device(x))
            for end in (0, -1)
        )
        return (x >= low) & (x <= high)

    def _by_channel(self, function, x, tables, name):
        """Return ``function(x, table, name)``, index by index along the axis where there is one."""
        if self.axis is None:
            return function(x, tables, name)
        axis = check_axis(self.axis, x.ndim)
        if x.shape[axis] != len(tables):
            raise ValueError(
                f"{name} must have {len(tables)} entries along axis {axis}, one for each row of "
                f"levels, got shape {tuple(x.shape)}"
            )
        before = (slice(None),) * axis
        found = [function(x[*before, i, ...], table, name) for i, table in enumerate(tables)]
        return array_namespace(x).stack(found, axis=axis)


def _reached(x, thresholds, name):
    """Return how many thresholds each value has reached, as int32."""
    if not is_numpy_array(x) and (device(x).type != "cpu" or not has_values(x)):
        return _reached_by_search(x, thresholds, name)
    from quantlib.kernels import levels as loops

    values = to_numpy(x)
    if values.dtype not in (np.float32, np.float64):
        values = to_numpy(as_float_array(x, name, may_be_empty=True))
        values = values if values.dtype == np.float64 else values.astype(np.float32)
    line = np.ascontiguousarray(values).ravel()
    if not loops.all_finite(line):
        check_finite(values, name)  # says what is wrong
    codes = np.empty(values.shape, np.int32)
    loops.count_at_most(line, rounded_up(thresholds, line.dtype), codes.reshape(-1))
    return codes if is_numpy_array(x) else array_namespace(x).asarray(codes)


def _reached_by_search(x, thresholds, name):
    x = as_float_array(x, name, may_be_empty=True)
    xp = array_namespace(x)
    bounds = xp.asarray(thresholds.copy(), device=device(x))  # a frozen one torch warns of
    return xp.astype(xp.searchsorted(bounds, xp.astype(x, xp.float64), side="right"), xp.int32)


def choose_qparams(x, bit_width, *, boundary="nearest", saturate_at=None, fixed=None, axis=None):
    r"""Return the k-means levels of the values of one layer, the globally best ones.

    Source: Sun, Lin, Wang 2016, III.A and equation (2), with
    :math:`M = (2^{q_m} - 1)\,2^{-F}` (:attr:`FixedQParams.largest`). Where there are fewer distinct
    values than levels, those are the levels and a UserWarning says so: nothing is lost. An index
    along ``axis`` that has fewer than another repeats its last level.

    Parameters
    ----------
    x : array
        NumPy array or torch tensor of any shape, for activations all that was recorded.
    bit_width : int
        T, 1 to 8: :math:`2^T` levels.
    boundary : {"nearest", "level"}
        As for :class:`KnqQParams`.
    saturate_at : float or 1-D array, optional
        M, or one for each index along ``axis``: larger values count as M (the paper's pre-process).
        None leaves them as they are.
    fixed : FixedQParams, optional
        Round the levels to this fixed-point format, since that is what CK's table holds; those
        beyond its ends saturate. None leaves them real.
    axis : int, optional
        Choose levels for each index along this axis; None: for the whole tensor.

    Examples
    --------
    >>> x = np.array([0.0, 0.0, 0.1, 1.0, 1.2, 5.0, 50.0])
    >>> choose_qparams(x, 2, saturate_at=5.0).levels.round(3).tolist()
    [0.033, 1.0, 1.2, 5.0]
    """
    bit_width = check_bit_width(bit_width, 1, 8)
    x = as_float_array(x, "x")
    channel = None if axis is None else check_axis(axis, x.ndim)
    values = to_numpy(x)
    rows = values[None] if axis is None else np.moveaxis(values, channel, 0)
    fixed = _along_rows(fixed, channel, values.shape)
    limits = _limits(saturate_at, () if axis is None else (len(rows),))
    found = [
        _best_levels(rows[i, ...], 2**bit_width, limits if axis is None else limits[i])
        for i in range(len(rows))
    ]
    n_levels = [len(levels) for levels in found]
    if min(n_levels) < 2**bit_width:
        where = "" if axis is None else f" at index {np.argmin(n_levels)} along axis {axis}"
        warnings.warn(
            f"x has {min(n_levels)} distinct values{where}, fewer than the {2**bit_width} levels "
            f"of {bit_width} bits: they are taken as the levels",
            stacklevel=2,
        )
    levels = np.stack([np.pad(row, (0, max(n_levels) - len(row)), "edge") for row in found])
    levels = levels[0] if axis is None else levels
    if fixed is not None:
        levels = fixed.fake_quantize(levels)
    return KnqQParams(levels, bit_width, boundary=boundary, axis=axis)


def _best_levels(x, n_levels, limit):
    """Return ``n_levels`` levels for the values ``x``, or all their values if they are fewer."""
    if limit < np.inf:
        x = np.minimum(x, float(limit))
    # Most tensors have many values; only one that seems poor is counted in full.
    if x.size < n_levels or len(np.unique(x.ravel()[:4096])) <= n_levels:
        n_levels = min(n_levels, len(np.unique(x)))
    return kmeans_1d(x, n_levels).centroids


def _limits(saturate_at, shape):
    """Return M as float64 of ``shape``, infinite if there is none."""
    if saturate_at is None:
        return np.full(shape, np.inf)
    limits = to_numpy(as_array(saturate_at, "saturate_at")).astype(np.float64)
    if limits.shape not in ((), shape):
        raise ValueError(
            f"saturate_at must be one number{' or of shape ' + str(shape) if shape else ''}, "
            f"got shape {limits.shape}"
        )
    if not (limits > 0).all():
        raise ValueError(f"saturate_at must be positive, got {limits.min()}")
    return np.broadcast_to(limits, shape)


def _along_rows(fixed, channel, shape):
    """Return the format for levels in rows: its axis, which is that of x, becomes the rows'."""
    if not isinstance(fixed, FixedQParams | None):
        raise TypeError(f"fixed must be a FixedQParams, got {type(fixed).__name__}")
    if fixed is None or fixed.axis is None:
        return fixed
    if channel is None or check_axis(fixed.axis, len(shape)) != channel:
        raise ValueError(f"fixed must have the axis of the levels or none, got axis={fixed.axis}")
    if len(fixed.fraction_bits) != shape[channel]:
        raise ValueError(
            f"fixed must have {shape[channel]} fraction_bits, one for each index along axis "
            f"{fixed.axis}, got {len(fixed.fraction_bits)}"
        )
    return replace(fixed, axis=0)
