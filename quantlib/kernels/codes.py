"""From numbers to few codes, by thresholds of each channel."""

from dataclasses import dataclass

import numpy as np
from numba import prange

from quantlib.kernels._checks import (
    aligned_empty,
    as_flags,
    as_real,
    as_whole,
    check_bounds,
    check_instance,
)
from quantlib.kernels._compile import both, compiled
from quantlib.kernels._threads import run, thread_count

__all__ = ["CodeThresholds", "pack_thresholds", "threshold_codes"]

#: Numbers that are compared in a task, or one pixel; fewer than the nearest cache holds.
_TASK = 2048


@dataclass(frozen=True, eq=False)
class CodeThresholds:
    """Thresholds as they are compared with. Make them with :func:`pack_thresholds`.

    Each threshold that is reached adds the way to the next code. All is repeated for as many
    pixels as lie in a line of memory that is worked on at a time.
    """

    #: numpy.ndarray of int32 or float32: K x line.
    limits: np.ndarray
    #: numpy.ndarray of int32: What each threshold adds, K x line.
    ways: np.ndarray
    #: numpy.ndarray of int32: The code below all thresholds, of each number of a line.
    starts: np.ndarray
    #: int: C, or 1 where all channels have the same thresholds.
    channels: int


def pack_thresholds(thresholds, codes, flips=None):
    """Prepare thresholds and codes for :func:`threshold_codes`.

    Parameters
    ----------
    thresholds : numpy.ndarray of int32 or float32
        K x C of them in rising order along K, or K x 1 if they are the same for all channels. Real
        ones may be infinite.
    codes : numpy.ndarray of integers
        K + 1, from -128 to 127.
    flips : numpy.ndarray of bool, optional
        As many as channels of ``thresholds``: where codes are counted from the end. None by
        default.

    Examples
    --------
    >>> pack_thresholds(np.array([[-1], [2]], np.int32), np.array([-1, 0, 1])).channels
    1
    """
    thresholds = as_real(thresholds, "thresholds", ndim=2)
    if thresholds.dtype not in (np.int32, np.float32):
        raise TypeError(f"thresholds must be int32 or float32, got dtype {thresholds.dtype}")
    count, channels = thresholds.shape
    if thresholds.dtype == np.float32 and np.isnan(thresholds).any():
        raise ValueError("thresholds must not hold NaN")
    if (thresholds[1:] < thresholds[:-1]).any():
        raise ValueError("thresholds must rise along their first axis")
    codes = as_whole(codes, "codes", ndim=1)
    check_bounds(codes, "codes", -128, 127)
    if len(codes) != count + 1:
        raise ValueError(f"codes must be {count + 1}, one more than thresholds, got {len(codes)}")
    flips = np.zeros(channels, np.bool_) if flips is None else as_flags(flips, "flips")
    if flips.shape != (channels,):
        raise ValueError(f"flips must be {channels}, one a channel, got shape {flips.shape}")
    codes = codes.astype(np.int32)[:, None]
    starts = np.where(flips, codes[-1], codes[0])
    ways = np.where(flips, -np.diff(codes, axis=0)[::-1], np.diff(codes, axis=0))
    repeats = max(1, _TASK // channels)
    lines = (np.ascontiguousarray(np.tile(a, repeats)) for a in (thresholds, ways, starts))
    return CodeThresholds(*lines, channels)


def threshold_codes(x, thresholds, *, num_threads=None):
    r"""Return the code of each number: the one after as many thresholds as the number reaches.

    .. math::
        y_c = q_i, \qquad i = \#\{k : x_c \ge t_{kc}\}
        \quad\text{or, where } f_c, \quad i = K - \#\{k : x_c \ge t_{kc}\}

    Parameters
    ----------
    x : numpy.ndarray of int32 or float32
        Any shape; C, the channels, come last. Of the dtype of the thresholds t.
    thresholds : CodeThresholds
        With the codes q and the flips f.
    num_threads : int, optional
        All threads that numba has if not given.

    Returns
    -------
    numpy.ndarray of int8
        In the shape of ``x``.

    Examples
    --------
    >>> x = np.array([[-5.0, 0.2, 9.0]], np.float32)
    >>> thresholds = np.array([[-0.5], [0.5]], np.float32)
    >>> threshold_codes(x, pack_thresholds(thresholds, np.array([-1, 0, 1]))).tolist()
    [[-1, 0, 1]]
    """
    x = as_real(x, "x")
    check_instance(thresholds, "thresholds", CodeThresholds, "pack_thresholds")
    limits, channels = thresholds.limits, thresholds.channels
    if x.dtype != limits.dtype:
        raise TypeError(f"x must be {limits.dtype} as thresholds are, got dtype {x.dtype}")
    if channels not in (1, x.shape[-1]):
        raise ValueError(f"x must have {channels} channels, got shape {x.shape}")
    if x.dtype == np.float32 and np.isnan(x.min()):
        raise ValueError("x must not hold NaN")
    out = aligned_empty(x.shape, np.int8)
    run(
        _codes, thread_count(num_threads), -(-x.size // limits.shape[1]),
        np.ascontiguousarray(x).reshape(-1), limits, thresholds.ways, thresholds.starts,
        out.reshape(-1),
    )  # fmt: skip
    return out


@compiled
def _task(task, x, limits, ways, starts, out):
    """Write the codes of a line of whole pixels."""
    count = min(len(starts), len(x) - task * len(starts))
    here = slice(task * len(starts), task * len(starts) + count)
    values, target, sums = x[here], out[here], starts.copy()
    for k in range(len(limits)):
        bounds, way = limits[k], ways[k]
        for i in range(count):
            sums[i] += way[i] * (values[i] >= bounds[i])
    for i in range(count):
        target[i] = sums[i]


@both
def _codes(n_tasks, x, limits, ways, starts, out):
    for task in prange(n_tasks):
        _task(np.int64(task), x, limits, ways, starts, out)
