"""The loops of binary convolution: patches of words are gathered, then multiplied as a matrix.

The matrix product's inner loop is used unchanged: patches are the rows of the first operand, so
that results come out with channels last. Where they are wanted with channels first, a task's block
of them is transposed while it is in the cache.
"""

from typing import NamedTuple

import numpy as np
from numba import prange

from quantlib.kernels._border import borders, zero_outside
from quantlib.kernels._compile import both, compiled
from quantlib.kernels._patches import Layout, copy_patches, layout_of, next_part, padded_rows
from quantlib.kernels._popcount import (
    ADDED,
    LANES,
    ONE_PASS,
    SIGNS,
    SPARE,
    Rectangle,
    as_scales,
    block,
    fill_rows,
    subtracted,
)
from quantlib.kernels._threads import run
from quantlib.kernels._transpose import write_transposed
from quantlib.kernels._windows import Image, Window, run_starts

__all__ = [
    "ENOUGH_BLOCKS",
    "TASK_FILTERS",
    "TASK_PIXELS",
    "block_of",
    "convolve",
    "new_words",
]

#: A task computes a block of pixels of one image and, at most, so many filters.
TASK_PIXELS, TASK_FILTERS = 64, 128

#: Threads that get fewer blocks of pixels than this share the filters as well.
ENOUGH_BLOCKS = 16

NO_INSIDE = np.zeros(0, np.int32)


class Sizes(NamedTuple):
    """Of a whole convolution."""

    pixel_words: int
    width: int  # of the result
    pixels: int  # of an image of the result
    n_filters: int
    base: int
    scaled: int
    task_filters: int
    channels_first: bool
    summed: bool  # whether results are sums over bases, real numbers with a bias
    n_images: int  # of the result
    x_bases: int
    w_bases: int
    basis_words: int  # of a basis of the filters


@compiled
def new_words(count):
    """Return memory for ``count`` words, and some to spare, that starts at a line of the cache."""
    memory = np.empty(count + 2 * LANES, np.int32)
    return memory[(-memory.ctypes.data // 4) % LANES :]


@compiled
def block_of(task, sizes):
    """Return image, first pixel, first filter, and how many of both, of task number ``task``."""
    pixel_blocks = -(-sizes.pixels // TASK_PIXELS)
    filter_blocks = -(-sizes.n_filters // sizes.task_filters)
    # A thread gets tasks that follow one another: equal blocks of filters come before pixels.
    image, rest = task // (pixel_blocks * filter_blocks), task % (pixel_blocks * filter_blocks)
    filter_ = rest // pixel_blocks * sizes.task_filters
    pixel = rest % pixel_blocks * TASK_PIXELS
    n_pixels = min(TASK_PIXELS, sizes.pixels - pixel)
    return image, pixel, filter_, n_pixels, min(sizes.task_filters, sizes.n_filters - filter_)


@compiled
def _scale(out, row_scales, column_scales, scaled, place, n_rows, n_columns):
    """Turn a rectangle of sums into their products with the scales, as a tile does."""
    reals = out.view(np.float32)
    rows_scaled, columns_scaled = scaled & 1, scaled >> 1
    for r in range(n_rows):
        scale = row_scales[(place.row + r) * rows_scaled]
        first = place.c + r * place.c_stride
        for i in range(n_columns):
            column = column_scales[(place.column + i) * columns_scaled]
            reals[first + i] = np.float32(out[first + i]) * (scale * column)


@compiled
def _task(
    task, rows, patches, sums, starts, w, out, inside, row_scales, column_scales, down, across,
    window, sizes, layout,
):  # fmt: skip
    """Convolve a block of pixels with a block of filters."""
    number, pixel, filter_, n_pixels, n_filters = block_of(task, sizes)
    n_words = layout.n_words
    start = number * sizes.pixels + pixel
    first, stride = start * sizes.n_filters + filter_, sizes.n_filters
    if sizes.channels_first:
        first, stride = 0, sizes.task_filters
    target = sums if sizes.channels_first else out
    scaled = 0 if len(inside) and not sizes.summed else sizes.scaled
    if sizes.summed:
        fill_rows(
            target.view(np.float32), column_scales[filter_:], first, stride, n_pixels, n_filters
        )
    for i in range(sizes.x_bases):
        done = 0
        while done < n_pixels:
            part = next_part(
                number + i * sizes.n_images, pixel + done, n_pixels - done, done * n_words, sizes,
                layout,
            )  # fmt: skip
            copy_patches(rows, patches, starts, part)
            done += part.n_patches
        for j in range(sizes.w_bases):
            column = (
                filter_ + (1 + i * sizes.w_bases + j) * sizes.n_filters if sizes.summed else filter_
            )
            place = Rectangle(
                0, j * sizes.basis_words + filter_ * n_words, first, n_words, n_words * LANES,
                stride, n_words, sizes.base, scaled, start, column,
            )  # fmt: skip
            block(
                SIGNS, 1, patches, w, target, ONE_PASS, row_scales, column_scales, place, n_pixels,
                n_filters,
            )  # fmt: skip
    if len(inside):
        rectangle = (pixel, filter_, n_pixels, n_filters)
        if sizes.summed:
            zero_outside(
                target.view(np.float32), inside.view(np.float32), rectangle, first, (stride, 1),
                down, across, window, sizes,
            )  # fmt: skip
        else:
            zero_outside(target, inside, rectangle, first, (stride, 1), down, across, window, sizes)
            if sizes.scaled:
                _scale(target, row_scales, column_scales, sizes.scaled, place, n_pixels, n_filters)
    if sizes.channels_first:
        first = (number * sizes.n_filters + filter_) * sizes.pixels + pixel
        write_transposed(sums, stride, out, first, sizes.pixels, n_pixels, n_filters)


@both
def _convolve(n_tasks, x, w, out, inside, row_scales, column_scales, image, window, sizes):
    image, window, sizes = Image(*image), Window(*window), Sizes(*sizes)
    layout = Layout(*layout_of(image, window, sizes.pixel_words))
    rows = padded_rows(x, image, sizes.pixel_words, True)
    starts = run_starts(window, layout.row_words, sizes.pixel_words)
    down, across = borders(len(inside) > 0, image, window, sizes)
    for task in prange(n_tasks):
        patches = new_words(TASK_PIXELS * layout.n_words).view(np.uint32)
        sums = new_words(TASK_PIXELS * sizes.task_filters if sizes.channels_first else 0)
        _task(
            np.int64(task), rows, patches, sums, starts, w, out, inside, row_scales, column_scales,
            down, across, window, sizes, layout,
        )  # fmt: skip


def convolve(
    num_threads, x, w, out, scales, image, window, size, pixel_words, tap_sums, channels_last,
    *, bases=None,
):  # fmt: skip
    """Convolve the words of images ``x`` with panels of filters ``w`` into ``out``, all flat.

    ``scales``: for pixels and filters, either or both None.
    ``image``, ``window``: the numbers of an :class:`Image` and a :class:`Window`; named tuples
    take numba longer to look at. ``size``: channels, filters, and height and width of the sizes.
    ``tap_sums``: the signs of each filter summed over its channels, filters x height x width, if
    outside of the image is 0, else None.

    ``bases``, if the result is a sum over bases of images and of filters: how many there are of
    both. ``x`` then holds all images of a basis, basis after basis, and ``w`` all panels.
    ``scales`` is one array: a bias for each filter; a number for each image basis, filter basis and
    filter; spare ones. ``tap_sums`` are those of the real filters that all sums come to.
    """
    (height, width), (channels, n_filters, out_height, out_width) = window[:2], size
    pixels, n_words = out_height * out_width, height * width * pixel_words
    base = channels * height * width - 128 * subtracted(n_words)
    x_bases, w_bases = bases or (1, 1)
    *scales, scaled = as_scales(scales if bases is None else (None, scales))
    scaled += ADDED if bases else 0
    blocks, task_filters = image[0] * -(-pixels // TASK_PIXELS), TASK_FILTERS
    if num_threads > 1 and blocks < ENOUGH_BLOCKS * num_threads:
        task_filters = min(task_filters, -(-n_filters // (num_threads * SPARE)) * SPARE)
    inside = NO_INSIDE
    if tap_sums is not None:
        inside = np.zeros((height + 1, width + 1, n_filters), tap_sums.dtype)
        inside[1:, 1:] = np.moveaxis(tap_sums, 0, -1).cumsum(0).cumsum(1)
    run(
        _convolve, num_threads,
        blocks * -(-n_filters // task_filters), x, w, out,
        inside.reshape(-1).view(np.int32), *scales, (x_bases * image[0], *image[1:]), window,
        (
            pixel_words, out_width, pixels, n_filters, base, scaled, task_filters,
            not channels_last, bases is not None, image[0], x_bases, w_bases,
            len(w) // w_bases,
        ),
    )  # fmt: skip
