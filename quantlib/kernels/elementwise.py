"""What stands between products of 8-bit codes: codes of real images, and sums of codes."""

import numpy as np
from numba import prange

from quantlib._validation import check_integer
from quantlib.kernels._checks import aligned_empty, as_whole, check_bounds
from quantlib.kernels._compile import both, compiled
from quantlib.kernels._threads import run, thread_count

__all__ = ["add_codes", "image_codes"]

#: Codes in a task of :func:`add_codes`.
_TASK = 16384


def image_codes(images, reciprocal, *, zero_point, low, high, num_threads=None):
    r"""Return unsigned codes of real images, channels last.

    .. math:: q = \mathrm{clamp}(\mathrm{round}(x r) + z,\ \mathrm{low},\ \mathrm{high})

    as :meth:`quantlib.uniform.affine.QParams.quantize` has it in float32, ties to even, with the
    channels moved behind the pixels on the way.

    Parameters
    ----------
    images : numpy.ndarray of float32
        N x C x H x W, finite.
    reciprocal : float
        r, one over the scale, as float32 has it.
    zero_point, low, high : int
        Of the codes, from 0 to 255.

    Returns
    -------
    numpy.ndarray of uint8
        N x H x W x C.

    Examples
    --------
    >>> x = np.array([[[[-1.0, 0.26]], [[0.5, 9.0]]]], np.float32)
    >>> image_codes(x, 10.0, zero_point=2, low=0, high=15).tolist()
    [[[[0, 7], [5, 15]]]]
    """
    images = np.ascontiguousarray(images, np.float32)
    if images.ndim != 4:
        raise ValueError(f"images must have 4 axes, got shape {images.shape}")
    numbers = _check_codes(zero_point, low, high)
    n_images, channels, height, width = images.shape
    out = aligned_empty((n_images, height, width, channels), np.uint8)
    run(
        _image_rows, thread_count(num_threads), n_images * height,
        images, np.float32(reciprocal), np.array(numbers, np.float32), out,
    )  # fmt: skip
    return out


def add_codes(a, b, *, zero_points, multipliers, shift, zero_point, low, high, num_threads=None):
    r"""Add what codes of two scales stand for, and return codes of a third, rounded once.

    .. math:: q = \mathrm{clamp}\left(z + \left\lfloor
              \frac{m_a (a - z_a) + m_b (b - z_b) + 2^{n-1}}{2^n} \right\rfloor,\
              \mathrm{low},\ \mathrm{high}\right)

    Parameters
    ----------
    a, b : numpy.ndarray of uint8
        Of one shape.
    zero_points, multipliers : tuple of int
        Those of ``a`` and of ``b``. Multipliers are from 0 to 2**21, so that sums have 32 bits.
    shift : int
        n, 1 to 30.
    zero_point, low, high : int
        Of the result, from 0 to 255.

    Returns
    -------
    numpy.ndarray of uint8

    Examples
    --------
    >>> a, b = np.array([10, 200], np.uint8), np.array([4, 100], np.uint8)
    >>> add_codes(a, b, zero_points=(0, 4), multipliers=(512, 1024), shift=10, zero_point=1,
    ...           low=0, high=255).tolist()  # a / 2 + (b - 4) + 1
    [6, 197]
    """
    a, b = (_codes(x, name) for x, name in ((a, "a"), (b, "b")))
    if a.shape != b.shape:
        raise ValueError(f"a and b must have the same shape, got {a.shape} and {b.shape}")
    pairs = []
    for name, pair, most in (
        ("zero_points", zero_points, 255),
        ("multipliers", multipliers, 2**21),
    ):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise ValueError(f"{name} must be two numbers, got {pair!r}")
        pairs.append([check_integer(x, name, 0, most) for x in pair])
    (za, zb), (ma, mb) = pairs
    shift = check_integer(shift, "shift", 1, 30)
    zero_point, low, high = _check_codes(zero_point, low, high)
    start = (1 << (shift - 1)) - ma * za - mb * zb  # what no code changes is added once
    numbers = np.array([ma, mb, start, shift, zero_point, low, high], np.int32)
    out = aligned_empty(a.shape, np.uint8)
    run(
        _sums, thread_count(num_threads), -(-a.size // _TASK),
        a.reshape(-1), b.reshape(-1), numbers, out.reshape(-1),
    )  # fmt: skip
    return out


def _codes(x, name):
    x = as_whole(x, name)
    if x.dtype != np.uint8:
        check_bounds(x, name, 0, 255)
    return np.ascontiguousarray(x, np.uint8)


def _check_codes(zero_point, low, high):
    named = {"zero_point": zero_point, "low": low, "high": high}
    zero_point, low, high = (check_integer(x, name, 0, 255) for name, x in named.items())
    if low > high:
        raise ValueError(f"low must not be above high, got {low} and {high}")
    return zero_point, low, high


@compiled
def _image_row(row, images, reciprocal, numbers, out):
    """Write the codes of one row of pixels."""
    _, channels, height, width = images.shape
    image, i = row // height, row % height
    zero_point, low, high = numbers
    codes = np.empty(width, np.uint8)
    for channel in range(channels):
        values, target = images[image, channel, i], out[image, i]
        for j in range(width):  # apart from the writing, so that it runs in vectors
            code = np.rint(values[j] * reciprocal) + zero_point
            codes[j] = np.uint8(min(max(code, low), high))
        for j in range(width):
            target[j, channel] = codes[j]


@both
def _image_rows(n_tasks, images, reciprocal, numbers, out):
    for row in prange(n_tasks):
        _image_row(np.int64(row), images, reciprocal, numbers, out)


@compiled
def _task(task, a, b, numbers, out):
    """Write the sums of some codes."""
    ma, mb, start, shift, zero_point, low, high = numbers
    first, last = task * _TASK, min(len(a), (task + 1) * _TASK)
    x, y, target = a[first:last], b[first:last], out[first:last]
    for i in range(len(target)):
        total = (np.int32(x[i]) * ma + np.int32(y[i]) * mb + start) >> shift
        target[i] = np.uint8(min(max(np.int32(total + zero_point), low), high))


@both
def _sums(n_tasks, a, b, numbers, out):
    for task in prange(n_tasks):
        _task(np.int64(task), a, b, numbers, out)
