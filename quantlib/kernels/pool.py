"""Maxima of windows, between the layers of a packed network."""

import numpy as np
from numba import prange

from quantlib._validation import check_integer
from quantlib.kernels._checks import as_real, check_layout
from quantlib.kernels._compile import both, compiled
from quantlib.kernels._threads import run, thread_count

__all__ = ["max_pool2d"]


def max_pool2d(x, size, stride=None, padding=0, *, layout="NCHW", num_threads=None):
    r"""Return the maximum of each window of images.

    .. math:: y_{cij} = \max_{0 \le k, l < h} x_{c,\,si+k-p,\,sj+l-p}

    It computes with channels last; images with channels first are copied. A NaN stays NaN.

    Parameters
    ----------
    x : numpy.ndarray of float32, int32, int8 or uint8
        Images, N x C x H x W or N x H x W x C; of another type they become float32.
    size : int
        h above, the same for both directions.
    stride : int, optional
        s above; ``size`` if not given.
    padding : int
        p above, at most half of ``size``. Nothing counts outside of the image.
    layout : {"NCHW", "NHWC"}
        Where the channels of ``x`` and of the result are.
    num_threads : int, optional
        All threads that numba has if not given.

    Returns
    -------
    numpy.ndarray
        N x C x H' x W' or N x H' x W' x C, of the type of ``x``.

    Examples
    --------
    >>> max_pool2d(np.array([[[[1.0, 5.0, 2.0, 3.0]] * 2]]), 2).tolist()
    [[[[5.0, 3.0]]]]
    """
    x = as_real(x, "x", ndim=4)
    channels_last = check_layout(layout)
    size = check_integer(size, "size", 1, 2**15)
    stride = size if stride is None else check_integer(stride, "stride", 1, 2**15)
    padding = check_integer(padding, "padding", 0, size // 2)
    x = x if channels_last else x.transpose(0, 2, 3, 1)
    x = np.ascontiguousarray(x, x.dtype if x.dtype in (np.int32, np.int8, np.uint8) else np.float32)
    n_images, height, width, channels = x.shape
    if min(height, width) + 2 * padding < size:
        raise ValueError(
            f"size must not be larger than the padded image, got {size} on {(height, width)} "
            f"with padding {padding}"
        )
    down, across = ((length + 2 * padding - size) // stride + 1 for length in (height, width))
    out = np.empty((n_images, down, across, channels), x.dtype)
    run(_max_rows, thread_count(num_threads), n_images * down, x, size, stride, padding, out)
    return out if channels_last else np.ascontiguousarray(out.transpose(0, 3, 1, 2))


@compiled
def _keep_larger(most, values):
    """Put the larger of both into ``most``; a NaN of either stays."""
    for i in range(len(most)):
        most[i] = np.maximum(most[i], values[i])


@compiled
def _max_row(row, x, size, stride, padding, out):
    """Write one row of pixels of the result: maxima of rows first, then of their neighbours."""
    _, height, width, _ = x.shape
    image, i = row // out.shape[1], row % out.shape[1]
    top, bottom = max(0, i * stride - padding), min(height, i * stride - padding + size)
    line = x[image, top].copy()
    for y in range(top + 1, bottom):
        _keep_larger(line.reshape(-1), x[image, y].reshape(-1))
    for j in range(out.shape[2]):
        first = max(0, j * stride - padding)
        last = min(width, j * stride - padding + size)
        most = out[image, i, j]
        for channel in range(len(most)):
            most[channel] = line[first, channel]
        for z in range(first + 1, last):
            _keep_larger(most, line[z])


@both
def _max_rows(n_tasks, x, size, stride, padding, out):
    for row in prange(n_tasks):
        _max_row(np.int64(row), x, size, stride, padding, out)
