"""The loops of ternary convolution: patches of two planes are gathered, then multiplied.

As in ``_convolve`` patches are the rows of a product of matrices. A patch is its words of the
masks, then those of the signs. Outside of an image the masks are 0, so that nothing is counted.
"""

from typing import NamedTuple

import numpy as np
from numba import prange

from quantlib.kernels._compile import both, compiled
from quantlib.kernels._convolve import (
    ENOUGH_BLOCKS,
    TASK_FILTERS,
    TASK_PIXELS,
    block_of,
    new_words,
)
from quantlib.kernels._patches import Layout, copy_plain_patches, layout_of, next_part, padded_rows
from quantlib.kernels._popcount import (
    LANES,
    NO_SCALES,
    ONE_PASS,
    SPARE,
    TERNARY,
    Rectangle,
    as_scales,
    block,
)
from quantlib.kernels._threads import run
from quantlib.kernels._transpose import write_transposed
from quantlib.kernels._windows import Image, Window, run_starts

__all__ = ["convolve"]


class Sizes(NamedTuple):
    """Of a whole convolution."""

    pixel_words: int  # of a plane
    width: int  # of the result
    pixels: int  # of an image of the result
    n_filters: int
    scaled: int
    task_filters: int
    channels_first: bool


@compiled
def _task(task, rows, patches, sums, starts, w, out, alpha, sizes, layout):
    """Convolve a block of pixels with a block of filters."""
    number, pixel, filter_, n_pixels, n_filters = block_of(task, sizes)
    first = (number * sizes.pixels + pixel) * sizes.n_filters + filter_
    stride = sizes.n_filters
    if sizes.channels_first:
        first, stride = 0, sizes.task_filters
    n_words, done = layout.n_words, 0
    while done < n_pixels:
        part = next_part(
            2 * number, pixel + done, n_pixels - done, done * 2 * n_words, sizes, layout
        )
        copy_plain_patches(rows, patches, starts, part)
        done += part.n_patches
    place = Rectangle(
        0, filter_ * 2 * n_words, first, 2 * n_words, 2 * n_words * LANES, stride, n_words, 0,
        sizes.scaled, 0, filter_,
    )  # fmt: skip
    block(
        TERNARY, 1, patches, w, sums if sizes.channels_first else out, ONE_PASS, NO_SCALES, alpha,
        place, n_pixels, n_filters,
    )  # fmt: skip
    if sizes.channels_first:
        first = (number * sizes.n_filters + filter_) * sizes.pixels + pixel
        write_transposed(sums, stride, out, first, sizes.pixels, n_pixels, n_filters)


@both
def _convolve(n_tasks, x, w, out, alpha, image, window, sizes):
    image, window, sizes = Image(*image), Window(*window), Sizes(*sizes)
    plane = Layout(*layout_of(image, window, sizes.pixel_words))
    rows = padded_rows(x, image, sizes.pixel_words, False)
    runs = run_starts(window, plane.row_words, sizes.pixel_words)
    starts = np.empty(2 * len(runs), np.int64)  # the signs of an image follow its masks
    for i in range(len(runs)):
        starts[i], starts[len(runs) + i] = runs[i], runs[i] + plane.image_words
    layout = Layout(
        plane.row_words, plane.image_words, len(starts), plane.run_words, plane.n_words, plane.down,
        plane.across,
    )  # fmt: skip
    for task in prange(n_tasks):
        patches = new_words(TASK_PIXELS * 2 * layout.n_words).view(np.uint32)
        sums = new_words(TASK_PIXELS * sizes.task_filters if sizes.channels_first else 0)
        _task(np.int64(task), rows, patches, sums, starts, w, out, alpha, sizes, layout)


def convolve(num_threads, x, w, out, alpha, image, window, size, pixel_words, channels_last):
    """Convolve the planes of images ``x`` with panels of filters ``w`` into ``out``, all flat.

    ``alpha``: a number for each filter, and spare ones, or None. ``image``, ``window``: the numbers
    of an :class:`Image`, the planes counted as images, and of a :class:`Window`. ``size``: filters,
    and height and width of the result.
    """
    n_filters, height, width = size
    pixels, task_filters = height * width, TASK_FILTERS
    blocks = image[0] // 2 * -(-pixels // TASK_PIXELS)
    if num_threads > 1 and blocks < ENOUGH_BLOCKS * num_threads:
        task_filters = min(task_filters, -(-n_filters // (num_threads * SPARE)) * SPARE)
    _, alpha, scaled = as_scales((None, alpha))
    run(
        _convolve, num_threads, blocks * -(-n_filters // task_filters), x, w, out, alpha, image,
        window, (pixel_words, width, pixels, n_filters, scaled, task_filters, not channels_last),
    )  # fmt: skip
