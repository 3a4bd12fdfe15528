"""Convolution of real numbers, for the layers of a binary network that stay real.

No window is copied: a tile of the result reads the image where it lies. Six pixels by 64 filters
keep their sums in registers while they run along the window.
"""

import itertools

import numba
import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from quantlib._validation import check_integer
from quantlib.kernels._checks import aligned_empty, as_real, convolved_size
from quantlib.kernels._compile import compiled
from quantlib.kernels._ir import F32, I64, Pointers, splat, vector, zeros
from quantlib.kernels._threads import run, thread_count

__all__ = ["real_conv2d"]

LANES = 16
PIXELS, VECTORS = 6, 4  # of a tile: 24 sums, 4 vectors of weights and a pixel fill 32 registers


def real_conv2d(x, w, stride=1, padding=0, *, num_threads=None):
    r"""Convolve real images with real filters, channels last.

    .. math:: y_{ijo} = \sum_{k,l,c} x_{si+k-p,\,sj+l-p,\,c}\; w_{klco}

    Parameters
    ----------
    x : numpy.ndarray
        Images, N x H x W x C; computed with in float32.
    w : numpy.ndarray
        Filters, h x w x C x O.
    stride, padding : int
        s and p above, the same for both directions. Outside the image every value is 0.
    num_threads : int, optional
        Threads to use; all that numba has if not given.

    Returns
    -------
    numpy.ndarray of float32
        N x H' x W' x O.

    Raises
    ------
    TypeError
        If ``x`` or ``w`` does not hold real numbers.
    ValueError
        If shapes or channels do not match, or the filter is larger than the padded image.

    Examples
    --------
    >>> import numpy as np
    >>> from quantlib import kernels
    >>> x = np.array([[[[1.0], [2.0], [4.0]]]])  # one row of three pixels
    >>> w = np.array([[[[1.0]], [[-1.0]]]])  # a pixel less the next one
    >>> kernels.real_conv2d(x, w).ravel().tolist()
    [-1.0, -2.0]
    """
    x, w = as_real(x, "x", ndim=4), as_real(w, "w", ndim=4)
    n_images, height, width, channels = x.shape
    kernel_height, kernel_width, w_channels, n_filters = w.shape
    if w_channels != channels:
        raise ValueError(f"x and w must have the same channels, got {channels} and {w_channels}")
    stride = check_integer(stride, "stride", 1, 2**15)
    padding = check_integer(padding, "padding", 0, 2**15)
    size = convolved_size((height, width), (kernel_height, kernel_width), stride, padding)
    full_height, full_width = height + 2 * padding, width + 2 * padding
    if padding or x.dtype != np.float32:
        inner = slice(padding, padding + height), slice(padding, padding + width)
        padded = np.zeros((n_images, full_height, full_width, channels), np.float32)
        padded[:, *inner] = x
        x = padded
    filters = -(-n_filters // LANES) * LANES
    if filters != n_filters:
        w = np.pad(w, ((0, 0), (0, 0), (0, 0), (0, filters - n_filters)))
    out = aligned_empty((n_images, *size, filters), np.float32)
    run(
        _convolve, _convolve_parallel, thread_count(num_threads), n_images * size[0],
        np.ascontiguousarray(x).reshape(-1), np.ascontiguousarray(w, np.float32).reshape(-1),
        out.reshape(-1), (full_height, full_width * channels, *size, filters, channels),
        (kernel_height, kernel_width * channels, stride),
    )  # fmt: skip
    return out if filters == n_filters else np.ascontiguousarray(out[..., :n_filters])


@intrinsic
def _tile(typing_context, x, w, out, shape, numbers):
    """Compute pixels by vectors of filters, as ``shape`` says: 6 or 1, and 4 or 1.

    ``numbers``: where the tile starts in x, w and out; the steps between pixels in x, rows of the
    window in x, weights in w, and pixels in out; the window's rows, and numbers in a row.
    """

    def emit(context, builder, signature, args):
        at = Pointers(context, builder, signature, args)
        wanted = cgutils.unpack_tuple(builder, args[3])
        for known in itertools.product((PIXELS, 1), (VECTORS, 1)):
            same = [
                builder.icmp_signed("==", a, a.type(b)) for a, b in zip(wanted, known, strict=True)
            ]
            with builder.if_then(builder.and_(*same)):
                _emit_tile(at, cgutils.unpack_tuple(builder, args[4]), *known)
        return context.get_dummy_value()

    return types.void(x, w, out, shape, numbers), emit


def _emit_tile(at, numbers, pixels, vectors):
    builder, kind = at.builder, vector(F32, LANES)
    x_start, w_start, out_start, x_step, row_step, w_step, out_step, n_rows, n_run = numbers
    multiply_add = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(kind, [kind] * 3), f"llvm.fmuladd.v{LANES}f32"
    )
    keys = list(itertools.product(range(pixels), range(vectors)))
    sums = {key: cgutils.alloca_once_value(builder, zeros(kind)) for key in keys}
    with cgutils.for_range(builder, n_rows) as row:
        x_row = builder.add(x_start, builder.mul(row.index, row_step))
        w_row = builder.mul(row.index, n_run)
        with cgutils.for_range(builder, n_run) as place:
            weight = builder.mul(builder.add(w_row, place.index), w_step)
            weight = at.element(1, builder.add(w_start, weight))
            weights = [at.load(at.ahead(weight, LANES * v, 4), kind) for v in range(vectors)]
            first = builder.add(x_row, place.index)
            for p in range(pixels):
                source = builder.add(first, builder.mul(x_step, I64(p)))
                value = splat(builder, at.load(at.element(0, source), F32), LANES)
                for v in range(vectors):
                    total = builder.load(sums[p, v])
                    total = builder.call(multiply_add, [value, weights[v], total])
                    builder.store(total, sums[p, v])
    for p, v in keys:
        place = builder.add(out_start, builder.mul(out_step, I64(p)))
        address = at.ahead(at.element(2, place), LANES * v, 4)
        at.store(builder.load(sums[p, v]), address)


def _plain_tile(x, w, out, shape, numbers):
    x_start, w_start, out_start, x_step, row_step, w_step, out_step, n_rows, n_run = numbers
    for p in range(shape[0]):
        total = np.zeros(LANES * shape[1], np.float32)
        for k in range(n_rows * n_run):
            value = x[x_start + p * x_step + k // n_run * row_step + k % n_run]
            weight = w_start + k * w_step
            total += value * w[weight : weight + len(total)]
        place = out_start + p * out_step
        out[place : place + len(total)] = total


if numba.config.DISABLE_JIT:
    _tile = _plain_tile


@compiled
def _task(task, x, w, out, sizes, window):
    """Compute one row of pixels of the result."""
    full_height, row_step, height, width, filters, channels = sizes
    n_rows, n_run, stride = window
    image, i = task // height, task % height
    x_first = (image * full_height + i * stride) * row_step
    filter_ = 0
    while filter_ < filters:
        vectors = VECTORS if filters - filter_ >= VECTORS * LANES else 1
        pixel = 0
        while pixel < width:
            pixels = PIXELS if width - pixel >= PIXELS else 1
            numbers = (
                x_first + pixel * stride * channels, filter_,
                (task * width + pixel) * filters + filter_, stride * channels, row_step, filters,
                filters, n_rows, n_run,
            )  # fmt: skip
            _tile(x, w, out, (pixels, vectors), numbers)
            pixel += pixels
        filter_ += vectors * LANES


@compiled
def _convolve(n_tasks, x, w, out, sizes, window):
    for task in range(n_tasks):
        _task(task, x, w, out, sizes, window)


@compiled(parallel=True)
def _convolve_parallel(n_tasks, x, w, out, sizes, window):
    for task in prange(n_tasks):
        _task(np.int64(task), x, w, out, sizes, window)
