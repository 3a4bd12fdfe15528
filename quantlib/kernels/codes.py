"""From numbers to few codes, by thresholds of each channel."""

import numpy as np
from numba import prange

from quantlib.kernels._checks import aligned_empty, as_flags, as_real, as_whole, check_bounds
from quantlib.kernels._compile import both, compiled
from quantlib.kernels._threads import run, thread_count

__all__ = ["threshold_codes"]

#: Numbers that are compared in a task; fewer than the smallest cache holds.
_TASK = 2048


def threshold_codes(x, thresholds, codes, flips=None, *, num_threads=None):
    r"""Return the code of each number: the one after as many thresholds as the number reaches.

    .. math::
        y_c = q_i, \qquad i = \#\{k : x_c \ge t_{kc}\}
        \quad\text{or, where } f_c, \quad i = K - \#\{k : x_c \ge t_{kc}\}

    Parameters
    ----------
    x : numpy.ndarray of int32 or float32
        Any shape; C, the channels, come last.
    thresholds : numpy.ndarray
        K x C of them in rising order along K, of the dtype of ``x``, or K x 1 if they are the same
        for all channels. Real ones may be infinite.
    codes : numpy.ndarray of integers
        :math:`q_0` to :math:`q_K`, from -128 to 127.
    flips : numpy.ndarray of bool, optional
        f, as many as channels of ``thresholds``: where codes are counted from the end. None by
        default.
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
    >>> threshold_codes(x, thresholds, np.array([-1, 0, 1])).tolist()
    [[-1, 0, 1]]
    """
    x, thresholds = as_real(x, "x"), as_real(thresholds, "thresholds", ndim=2)
    if x.dtype not in (np.int32, np.float32):
        raise TypeError(f"x must be int32 or float32, got dtype {x.dtype}")
    if thresholds.dtype != x.dtype:
        raise TypeError(f"thresholds must be {x.dtype} as x is, got dtype {thresholds.dtype}")
    count, channels = thresholds.shape
    if channels not in (1, x.shape[-1]):
        raise ValueError(
            f"thresholds must be of 1 or {x.shape[-1]} channels, got shape {thresholds.shape}"
        )
    if x.dtype == np.float32 and np.isnan([x.min(), thresholds.min()]).any():
        raise ValueError("x and thresholds must not hold NaN")
    if (thresholds[1:] < thresholds[:-1]).any():
        raise ValueError("thresholds must rise along their first axis")
    codes = as_whole(codes, "codes", ndim=1)
    check_bounds(codes, "codes", -128, 127)
    if len(codes) != count + 1:
        raise ValueError(f"codes must be {count + 1}, one more than thresholds, got {len(codes)}")
    flips = np.zeros(channels, np.bool_) if flips is None else as_flags(flips, "flips")
    if flips.shape != (channels,):
        raise ValueError(f"flips must be {channels}, one a channel, got shape {flips.shape}")
    # Each threshold that is reached adds the way to the next code; whole images lie in one line.
    codes = codes.astype(np.int16)[:, None]
    first = np.where(flips, codes[-1], codes[0])
    steps = np.where(flips, -np.diff(codes, axis=0)[::-1], np.diff(codes, axis=0))
    repeats = max(1, _TASK // channels)
    lines = [np.tile(a, (1, repeats)) for a in (thresholds, steps, first[None])]
    limits, ways, starts = (np.ascontiguousarray(a) for a in lines)
    out = aligned_empty(x.shape, np.int8)
    run(
        _codes, thread_count(num_threads), -(-x.size // (channels * repeats)),
        np.ascontiguousarray(x).reshape(-1), limits, ways.astype(np.int32),
        starts[0].astype(np.int32), out.reshape(-1),
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
