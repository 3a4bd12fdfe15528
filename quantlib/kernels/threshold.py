"""From the results of one binary layer to the signs of the next: compare, and pack 64 to a word.

Batch normalization followed by a sign is a comparison with one number a channel. Whole sums need
not become real numbers for it.
"""

from typing import NamedTuple

import numba
import numpy as np
from numba import prange, types
from numba.extending import intrinsic

from quantlib._validation import check_flag, check_integer
from quantlib.kernels import _pack_words
from quantlib.kernels._checks import aligned_empty, as_flags, as_real
from quantlib.kernels._compile import both, compiled
from quantlib.kernels._ir import F32, I32, I64, Pointers, vector
from quantlib.kernels._threads import run, thread_count
from quantlib.kernels.words import PackedBits

__all__ = ["threshold_signs"]

BITS = _pack_words.BITS


def threshold_signs(x, thresholds, flips=None, *, pool=1, pool_signs=False, num_threads=None):
    r"""Compare every channel with its threshold, pack the signs, and take maxima of windows.

    .. math::
        y_c = \begin{cases} +1 & x_c \ge t_c \\ -1 & x_c < t_c \end{cases}
        \quad\text{and, where } f_c, \quad
        y_c = \begin{cases} -1 & x_c \ge t_c \\ +1 & x_c < t_c \end{cases}

    Parameters
    ----------
    x : numpy.ndarray of int32 or float32
        N x H x W x C, or N x C.
    thresholds : numpy.ndarray
        C of them, of the dtype of ``x``. A real one may be infinite.
    flips : numpy.ndarray of bool, optional
        f: which channels have the comparison turned round. None by default.
    pool : int
        p: windows of p x p pixels that lie beside each other become one. Rows and columns that
        fill no window are left out.
    pool_signs : bool
        Whether the maximum of a window is taken of the signs. By default it is taken of ``x``,
        before the comparison; for flipped channels that is not the same.
    num_threads : int, optional
        All threads that numba has if not given.

    Returns
    -------
    PackedBits
        Packed along the channels, the last axis.

    Notes
    -----
    Bit 1 stands for -1, so a maximum of signs is an AND of bits.
    Source: Bei Yu, Mo04, "BNN": results are binarized after batch normalization.

    Examples
    --------
    >>> from quantlib import kernels
    >>> sums = np.array([[5, 3, -1]], np.int32)
    >>> thresholds = np.array([6, 3, 0], np.int32)
    >>> signs = kernels.threshold_signs(sums, thresholds, np.array([False, False, True]))
    >>> kernels.unpack_signs(signs).tolist()
    [[-1, 1, 1]]
    """
    x = as_real(x, "x")
    if x.dtype not in (np.int32, np.float32):
        raise TypeError(f"x must be int32 or float32, got dtype {x.dtype}")
    if x.ndim not in (2, 4):
        raise ValueError(f"x must be N x H x W x C or N x C, got shape {x.shape}")
    channels = x.shape[-1]
    thresholds = as_real(thresholds, "thresholds")
    if thresholds.dtype != x.dtype:
        raise TypeError(f"thresholds must be {x.dtype} as x is, got dtype {thresholds.dtype}")
    flips = np.zeros(channels, np.bool_) if flips is None else as_flags(flips, "flips")
    for values, name in ((thresholds, "thresholds"), (flips, "flips")):
        if values.shape != (channels,):
            raise ValueError(f"{name} must be {channels}, one a channel, got shape {values.shape}")
    if x.dtype == np.float32 and np.isnan([x.min(), thresholds.min()]).any():
        raise ValueError("x and thresholds must not hold NaN")
    size = x.shape[1:3] if x.ndim == 4 else (1, 1)
    pool = check_integer(pool, "pool", 1, 2**15)
    if min(size) < pool:
        raise ValueError(f"x must not be smaller than a window of {pool}, got shape {x.shape}")
    height, width = size[0] // pool, size[1] // pool
    n_words = -(-channels // BITS)
    words = aligned_empty((len(x) * height * width * n_words,), np.uint64)
    flip_words = np.zeros(n_words * 8, np.uint8)
    flip_words[: -(-channels // 8)] = np.packbits(flips, bitorder="little")
    run(
        _signs, thread_count(num_threads), len(x) * height,
        np.ascontiguousarray(x).reshape(-1), np.ascontiguousarray(thresholds),
        flip_words.view("<u8").astype(np.uint64), words,
        (*size, channels, height, width, pool, int(check_flag(pool_signs, "pool_signs"))),
    )  # fmt: skip
    shape = (len(x), height, width, channels)[:: 1 if x.ndim == 4 else 3]
    return PackedBits.unchecked(words.reshape(*shape[:-1], n_words), shape, len(shape) - 1)


@intrinsic
def _below_word(typing_context, x, thresholds, start, first):
    """Return 64 bits: whether ``x`` from ``start`` on is below ``thresholds`` from ``first``."""
    real = isinstance(x.dtype, types.Float)

    def emit(context, builder, signature, args):
        at = Pointers(context, builder, signature, args)
        kind = vector(F32 if real else I32, BITS)
        left, right = (at.load(at.element(i, args[2 + i]), kind) for i in (0, 1))
        compare = builder.fcmp_ordered if real else builder.icmp_signed
        return builder.bitcast(compare("<", left, right), I64)

    return types.uint64(x, thresholds, types.int64, types.int64), emit


def _plain_below_word(x, thresholds, start, first):
    below = x[start : start + BITS] < thresholds[first : first + BITS]
    return np.packbits(below, bitorder="little").view("<u8")[0]


if numba.config.DISABLE_JIT:
    _below_word = _plain_below_word


@compiled
def _below(x, thresholds, start, first, count):
    """Return ``count`` such bits, the others 0."""
    if count == BITS:
        return _below_word(x, thresholds, start, first)
    word = np.uint64(0)
    for i in range(count):
        word |= np.uint64(x[start + i] < thresholds[first + i]) << np.uint64(i)
    return word


class Sizes(NamedTuple):
    """Of the images, of the result, and of a window; whether maxima are taken of signs."""

    full_height: int
    full_width: int
    channels: int
    height: int
    width: int
    pool: int
    pool_signs: int


@compiled
def _task(task, x, thresholds, flips, words, sizes):
    """Compute one row of pixels of the result."""
    full_height, full_width, channels, height, width, pool, pool_signs = sizes
    image, i = task // height, task % height
    n_words = len(flips)
    for j in range(width):
        for w in range(n_words):
            count = min(BITS, channels - w * BITS)
            before = flips[w] if pool_signs else np.uint64(0)
            word = ~np.uint64(0)
            for y in range(i * pool, (i + 1) * pool):
                for z in range(j * pool, (j + 1) * pool):
                    start = ((image * full_height + y) * full_width + z) * channels + w * BITS
                    word &= _below(x, thresholds, start, w * BITS, count) ^ before
            words[(task * width + j) * n_words + w] = word ^ flips[w] ^ before


@both
def _signs(n_tasks, x, thresholds, flips, words, sizes):
    sizes = Sizes(*sizes)
    for task in prange(n_tasks):
        _task(np.int64(task), x, thresholds, flips, words, sizes)
