"""Convolution of real numbers, for the layers of a binary network that stay real.

No window is copied: a tile of the result reads the image where it lies. Six pixels by 64 filters
keep their sums in registers while they run along the window; by 16 filters where registers are
fewer and shorter.
"""

import itertools
from typing import NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from quantlib._validation import check_pair
from quantlib.kernels._checks import (
    aligned_empty,
    as_real,
    check_groups,
    check_layout,
    convolved_size,
)
from quantlib.kernels._compile import both, compiled
from quantlib.kernels._ir import F32, I64, Pointers, has, splat, vector, zeros
from quantlib.kernels._threads import run, thread_count
from quantlib.kernels._windows import Window, run_pixels, run_starts

__all__ = ["real_conv2d"]

LANES = 16
PIXELS, VECTORS = 6, 4  # of a tile: 24 sums, 4 vectors of weights and a pixel fill 32 registers
#: Vectors of a tile of six pixels: with AVX2, 6 x 2 sums fill most of 16 registers.
WIDE = VECTORS if has("avx512f") else 1


def real_conv2d(
    x, w, stride=1, padding=0, *, dilation=1, groups=1, layout="NCHW", num_threads=None
):
    r"""Convolve real images with real filters.

    .. math:: y_{oij} = \sum_{c,k,l} x_{c,\,si+dk-p,\,sj+dl-p}\; w_{ockl}

    It computes in float32 with channels last, h x w x C x O for the filters: what lies so in memory
    is copied only where it is padded, images with zeros, and filters to a multiple of 16.

    Parameters
    ----------
    x : numpy.ndarray
        Images, N x C x H x W or N x H x W x C; computed with in float32.
    w : numpy.ndarray
        Filters, O x C / ``groups`` x h x w.
    stride, padding, dilation : int or tuple of int
        s, p and d above: one number, or a pair (height, width). Outside the image every value is 0.
    groups : int
        Each of the groups of O / ``groups`` filters sees its own C / ``groups`` channels. They are
        convolved one after the other.
    layout : {"NCHW", "NHWC"}
        Where the channels of ``x`` and of the result are.
    num_threads : int, optional
        All threads that numba has if not given.

    Returns
    -------
    numpy.ndarray of float32
        N x O x H' x W' or N x H' x W' x O.

    Examples
    --------
    >>> import numpy as np
    >>> from quantlib import kernels
    >>> x = np.array([[[[1.0, 2.0, 4.0]]]])  # one row of three pixels
    >>> kernels.real_conv2d(x, np.array([[[[1.0, -1.0]]]])).tolist()  # a pixel less the next one
    [[[[-1.0, -2.0]]]]
    """
    x, w = as_real(x, "x", ndim=4), as_real(w, "w", ndim=4)
    channels_last = check_layout(layout)
    x = x if channels_last else x.transpose(0, 2, 3, 1)
    n_images, height, width, channels = x.shape
    n_filters, w_channels, *kernel_size = w.shape
    groups = check_groups(groups, channels, w_channels, n_filters)
    stride, padding = check_pair(stride, "stride"), check_pair(padding, "padding", 0)
    dilation = check_pair(dilation, "dilation")
    size = convolved_size((height, width), kernel_size, stride, padding, dilation)
    window, threads = (*kernel_size, *stride, *dilation), thread_count(num_threads)
    above, left = padding
    if above or left:
        padded = np.zeros((n_images, height + 2 * above, width + 2 * left, channels), np.float32)
        padded[:, above : above + height, left : left + width] = x
        x = padded
    parts = [
        _convolved(part, filters.transpose(2, 3, 1, 0), size, window, threads)
        for part, filters in zip(np.split(x, groups, axis=3), np.split(w, groups), strict=True)
    ]
    out = parts[0] if groups == 1 else np.concatenate(parts, axis=3)
    return np.ascontiguousarray(out if channels_last else out.transpose(0, 3, 1, 2))


def _convolved(x, w, size, window, threads):
    """Convolve padded N x H x W x C with h x w x C x O."""
    n_filters = w.shape[3]
    filters = -(-n_filters // LANES) * LANES
    if filters != n_filters:
        w = np.pad(w, ((0, 0), (0, 0), (0, 0), (0, filters - n_filters)))
    x, w = (np.ascontiguousarray(values, np.float32) for values in (x, w))
    out = aligned_empty((len(x), *size, filters), np.float32)
    run(
        _convolve, threads, len(x) * size[0], x.reshape(-1), w.reshape(-1), out.reshape(-1),
        (*x.shape, *size, filters), window,
    )  # fmt: skip
    return out[..., :n_filters]


class Sizes(NamedTuple):
    """Of the padded images and of the result."""

    n_images: int
    full_height: int
    full_width: int
    channels: int
    height: int
    width: int
    filters: int


class Tile(NamedTuple):
    """Where a tile starts in x, w and out, and its steps."""

    x: int
    w: int
    out: int
    across: int  # from a pixel of the result to the next one, in x
    filters: int  # in out; from a weight to the next one in w, too
    n_run: int


@intrinsic
def _tile(typing_context, x, w, out, starts, shape, place):
    """Compute the pixels by vectors of filters of ``shape`` of a :class:`Tile`.

    ``starts``: where the runs of a window start.
    """

    def emit(context, builder, signature, args):
        at = Pointers(context, builder, signature, args)
        wanted = cgutils.unpack_tuple(builder, args[4])
        for known in dict.fromkeys(((PIXELS, WIDE), (PIXELS, 1), (1, VECTORS), (1, 1))):
            same = [
                builder.icmp_signed("==", a, a.type(b)) for a, b in zip(wanted, known, strict=True)
            ]
            with builder.if_then(builder.and_(*same)):
                _emit_tile(at, Tile(*cgutils.unpack_tuple(builder, args[5])), *known)
        return context.get_dummy_value()

    return types.void(x, w, out, starts, shape, place), emit


def _emit_tile(at, tile, pixels, vectors):
    builder, kind = at.builder, vector(F32, LANES)
    multiply_add = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(kind, [kind] * 3), f"llvm.fmuladd.v{LANES}f32"
    )
    keys = list(itertools.product(range(pixels), range(vectors)))
    sums = {key: cgutils.alloca_once_value(builder, zeros(kind)) for key in keys}
    with cgutils.for_range(builder, at.length(3)) as run_:
        x_run = builder.add(tile.x, at.load(at.element(3, run_.index), I64))
        w_run = builder.mul(run_.index, tile.n_run)
        with cgutils.for_range(builder, tile.n_run) as place:
            weight = builder.mul(builder.add(w_run, place.index), tile.filters)
            weight = at.element(1, builder.add(tile.w, weight))
            weights = [at.load(at.ahead(weight, LANES * v, 4), kind) for v in range(vectors)]
            first = builder.add(x_run, place.index)
            for p in range(pixels):
                source = builder.add(first, builder.mul(tile.across, I64(p)))
                value = splat(builder, at.load(at.element(0, source), F32), LANES)
                for v in range(vectors):
                    total = builder.load(sums[p, v])
                    total = builder.call(multiply_add, [value, weights[v], total])
                    builder.store(total, sums[p, v])
    for p, v in keys:
        place = builder.add(tile.out, builder.mul(tile.filters, I64(p)))
        address = at.ahead(at.element(2, place), LANES * v, 4)
        at.store(builder.load(sums[p, v]), address)


def _plain_tile(x, w, out, starts, shape, place):
    for p in range(shape[0]):
        total = np.zeros(LANES * shape[1], np.float32)
        for k in range(len(starts) * place.n_run):
            start = starts[k // place.n_run] + k % place.n_run
            weight = place.w + k * place.filters
            total += x[place.x + p * place.across + start] * w[weight : weight + len(total)]
        first = place.out + p * place.filters
        out[first : first + len(total)] = total


if numba.config.DISABLE_JIT:
    _tile = _plain_tile


@compiled
def _task(task, x, w, out, starts, sizes, window):
    """Compute one row of pixels of the result."""
    width, filters = sizes.width, sizes.filters
    image, i = task // sizes.height, task % sizes.height
    x_first = (image * sizes.full_height + i * window.stride_down) * sizes.full_width
    across, n_run = window.stride_across * sizes.channels, run_pixels(window) * sizes.channels
    filter_ = 0
    while filter_ < filters:
        vectors = VECTORS if filters - filter_ >= VECTORS * LANES else 1
        pixel = 0
        while pixel < width:
            pixels = PIXELS if width - pixel >= PIXELS else 1
            together = vectors if pixels == 1 else min(vectors, WIDE)
            for vector_ in range(0, vectors, together):
                first = filter_ + vector_ * LANES
                place = Tile(
                    x_first * sizes.channels + pixel * across, first,
                    (task * width + pixel) * filters + first, across, filters, n_run,
                )  # fmt: skip
                _tile(x, w, out, starts, (pixels, together), place)
            pixel += pixels
        filter_ += vectors * LANES


@both
def _convolve(n_tasks, x, w, out, sizes, window):
    sizes, window = Sizes(*sizes), Window(*window)
    starts = run_starts(window, sizes.full_width * sizes.channels, sizes.channels)
    for task in prange(n_tasks):
        _task(np.int64(task), x, w, out, starts, sizes, window)
