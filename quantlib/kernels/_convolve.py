"""The loops of binary convolution: patches of words are gathered, then multiplied as a matrix.

The matrix product's inner loop is used unchanged. With channels last, patches are the rows of the
first operand; with channels first they are the panels of the second, so that either way the results
come out in the order they are wanted in.
"""

from typing import NamedTuple

import numpy as np
from numba import prange

from quantlib.kernels._border import borders, zero_outside
from quantlib.kernels._compile import both, compiled
from quantlib.kernels._patches import (
    Layout,
    copy_patches,
    gather_lanes,
    layout_of_planes,
    layout_of_rows,
    next_part,
    planes_of,
    running_rows,
    word_starts,
)
from quantlib.kernels._popcount import (
    LANES,
    ONE_PASS,
    SIGNS,
    SPARE,
    Rectangle,
    as_scales,
    block,
    subtracted,
)
from quantlib.kernels._threads import run
from quantlib.kernels._windows import Image, Window, run_starts

__all__ = ["convolve"]

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


@compiled
def _new_patches(n_words):
    """Return memory for the patches of a task that starts at a line of the cache."""
    memory = np.empty(TASK_PIXELS * n_words + 2 * LANES, np.uint32)
    return memory[(-memory.ctypes.data // 4) % LANES :]


@compiled
def _block(task, sizes):
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
def _task_last(
    task, rows, patches, starts, w, out, inside, row_scales, column_scales, down, across,
    window, sizes, layout,
):  # fmt: skip
    """Convolve a block of pixels with a block of filters; channels come last."""
    number, pixel, filter_, n_pixels, n_filters = _block(task, sizes)
    n_words, done = layout.n_words, 0
    while done < n_pixels:
        part = next_part(number, pixel + done, n_pixels - done, done * n_words, sizes, layout)
        copy_patches(rows, patches, starts, part)
        done += part.n_patches
    start = number * sizes.pixels + pixel
    place = Rectangle(
        0, filter_ * n_words, start * sizes.n_filters + filter_, n_words, n_words * LANES,
        sizes.n_filters, n_words, sizes.base, 0 if len(inside) else sizes.scaled, start, filter_,
    )  # fmt: skip
    block(
        SIGNS, 1, patches, w, out, ONE_PASS, row_scales, column_scales, place, n_pixels, n_filters
    )
    if len(inside):
        rectangle, steps = (pixel, filter_, n_pixels, n_filters), (sizes.n_filters, 1)
        zero_outside(out, inside, rectangle, place.c, steps, down, across, window, sizes)
        if sizes.scaled:
            _scale(out, row_scales, column_scales, sizes.scaled, place, n_pixels, n_filters)


@compiled
def _task_first(
    task, planes, patches, starts, w, out, inside, row_scales, column_scales, down, across,
    window, sizes, layout,
):  # fmt: skip
    """Do the same where channels come first: filters, read out of their panels, are the rows."""
    number, pixel, filter_, n_pixels, n_filters = _block(task, sizes)
    n_words, done = layout.n_words, 0
    while done < n_pixels:
        part = next_part(number, pixel + done, n_pixels - done, done, sizes, layout)
        gather_lanes(planes, patches, starts, part)
        done += part.n_patches
    panel, column = n_words * LANES, number * sizes.pixels + pixel
    first_out = (number * sizes.n_filters + filter_) * sizes.pixels + pixel
    scaled = 0 if len(inside) else sizes.scaled
    for first in range(0, n_filters, LANES):
        f, n_rows = filter_ + first, min(LANES, n_filters - first)
        place = Rectangle(
            f // LANES * panel, 0, first_out + first * sizes.pixels, 1, panel, sizes.pixels,
            n_words, sizes.base, scaled, f, column,
        )  # fmt: skip
        block(
            SIGNS, LANES, w, patches, out, ONE_PASS, row_scales, column_scales, place, n_rows,
            n_pixels,
        )  # fmt: skip
        if len(inside):
            rectangle, steps = (pixel, f, n_pixels, n_rows), (1, sizes.pixels)
            zero_outside(out, inside, rectangle, place.c, steps, down, across, window, sizes)
            if sizes.scaled:
                _scale(out, row_scales, column_scales, sizes.scaled, place, n_rows, n_pixels)


@both
def _convolve_last(n_tasks, x, w, out, inside, row_scales, column_scales, image, window, sizes):
    image, window, sizes = Image(*image), Window(*window), Sizes(*sizes)
    layout = Layout(*layout_of_rows(image, window, sizes.pixel_words))
    rows = running_rows(x, image, sizes.pixel_words)
    starts = run_starts(window, layout.row_words, sizes.pixel_words)
    down, across = borders(len(inside) > 0, image, window, sizes)
    for task in prange(n_tasks):
        patches = _new_patches(layout.n_words)
        _task_last(
            np.int64(task), rows, patches, starts, w, out, inside, row_scales, column_scales,
            down, across, window, sizes, layout,
        )  # fmt: skip


@both
def _convolve_first(n_tasks, x, w, out, inside, row_scales, column_scales, image, window, sizes):
    image, window, sizes = Image(*image), Window(*window), Sizes(*sizes)
    layout = Layout(*layout_of_planes(image, window, sizes.pixel_words))
    planes = planes_of(x, image, sizes.pixel_words)
    starts = word_starts(window, layout.row_words, sizes.pixel_words)
    down, across = borders(len(inside) > 0, image, window, sizes)
    for task in prange(n_tasks):
        patches = _new_patches(layout.n_words)
        _task_first(
            np.int64(task), planes, patches, starts, w, out, inside, row_scales, column_scales,
            down, across, window, sizes, layout,
        )  # fmt: skip


def convolve(
    num_threads, x, w, out, scales, image, window, size, pixel_words, tap_sums, channels_last
):
    """Convolve the words of images ``x`` with panels of filters ``w`` into ``out``, all flat.

    ``scales``: for pixels and filters, in the order of the result, either or both None.
    ``image``, ``window``: the numbers of an :class:`Image` and a :class:`Window`; named tuples
    take numba longer to look at. ``size``: channels, filters, and height and width of the sizes.
    ``tap_sums``: the signs of each filter summed over its channels, filters x height x width, if
    outside of the image is 0, else None.
    """
    (height, width), (channels, n_filters, out_height, out_width) = window[:2], size
    pixels, n_words = out_height * out_width, height * width * pixel_words
    base = channels * height * width - 128 * subtracted(n_words)
    *scales, scaled = as_scales(scales)
    blocks, task_filters = image[0] * -(-pixels // TASK_PIXELS), TASK_FILTERS
    if num_threads > 1 and blocks < ENOUGH_BLOCKS * num_threads:
        task_filters = min(task_filters, -(-n_filters // (num_threads * SPARE)) * SPARE)
    inside = NO_INSIDE
    if tap_sums is not None:
        inside = np.zeros((height + 1, width + 1, n_filters), np.int32)
        inside[1:, 1:] = np.moveaxis(tap_sums, 0, -1).cumsum(0).cumsum(1)
    run(
        _convolve_last if channels_last else _convolve_first, num_threads,
        blocks * -(-n_filters // task_filters), x, w, out,
        inside.reshape(-1), *scales, image, window,
        (pixel_words, out_width, pixels, n_filters, base, scaled, task_filters),
    )  # fmt: skip
