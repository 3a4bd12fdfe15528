"""The loops of binary convolution: patches of words are gathered, then multiplied as a matrix.

A patch is one bit a value, so gathering it costs little, and the matrix product's inner loop is
used unchanged. With channels last, patches are the rows of the first operand; with channels first
they are its panels, so that either way the results come out in the order they are wanted in.
"""

import numpy as np
from numba import prange

from quantlib.kernels._popcount import LANES, NO_SCALES, SIGNS, block
from quantlib.kernels._threads import compiled, run

__all__ = ["convolve", "mean_map"]

#: A task computes a block of pixels of one image and a block of filters.
TASK_PIXELS, TASK_FILTERS = 64, 128


@compiled
def _gather(x, patches, first, count, lanes, shape, window):
    """Copy the patches of ``count`` pixels as running XORs.

    ``lanes`` patches lie beside each other, word by word.
    """
    height, row_words, out_width, image = shape
    kernel_height, run_words, stride, pixel_words = window
    n_words = kernel_height * run_words
    y, x_ = first // out_width, first % out_width
    for i in range(count):
        place = i // lanes * lanes * n_words + i % lanes
        total = np.uint32(0)
        for k in range(kernel_height):
            start = (image * height + y * stride + k) * row_words + x_ * stride * pixel_words
            for source in range(start, start + run_words):
                total ^= x[source]
                patches[place] = total
                place += lanes
        x_ += 1
        if x_ == out_width:
            y, x_ = y + 1, 0


@compiled
def _task(task, x, w, out, row_scales, column_scales, sizes, window):
    """Convolve a block of pixels of one image with a block of filters."""
    height, row_words, out_width, pixels, n_filters, base, scaled, channels_first = sizes
    n_words = window[0] * window[1]
    pixel_blocks, filter_blocks = -(-pixels // TASK_PIXELS), -(-n_filters // TASK_FILTERS)
    image, rest = task // (pixel_blocks * filter_blocks), task % (pixel_blocks * filter_blocks)
    pixel, filter_ = rest // filter_blocks * TASK_PIXELS, rest % filter_blocks * TASK_FILTERS
    n_pixels, n_rows = min(TASK_PIXELS, pixels - pixel), min(TASK_FILTERS, n_filters - filter_)
    memory = np.zeros(TASK_PIXELS * n_words + LANES, np.uint32)
    patches = memory[(-memory.ctypes.data // 4) % LANES :]  # starts at a line of the cache
    here = (height, row_words, out_width, image)
    passes = np.zeros(3, np.int64)
    start, panel = image * pixels + pixel, n_words * LANES
    zero, one = np.int64(0), np.int64(1)  # not literals, of which each would be compiled anew
    if channels_first:  # filters are rows, read out of their panels, and pixels are columns
        _gather(x, patches, pixel, n_pixels, LANES * one, here, window)
        for first in range(0, n_rows, LANES):
            f = filter_ + first
            numbers = (
                f // LANES * panel, zero, (image * n_filters + f) * pixels + pixel, one, panel,
                pixels, LANES * one, n_words, base, scaled, f, start,
            )  # fmt: skip
            block(
                SIGNS, w, patches, out, passes, row_scales, column_scales, numbers,
                min(LANES, n_rows - first), n_pixels,
            )  # fmt: skip
    else:
        _gather(x, patches, pixel, n_pixels, one, here, window)
        numbers = (
            zero, filter_ * n_words, start * n_filters + filter_, n_words, panel, n_filters,
            one, n_words, base, scaled, start, filter_,
        )  # fmt: skip
        block(SIGNS, patches, w, out, passes, row_scales, column_scales, numbers, n_pixels, n_rows)


@compiled
def _convolve(n_tasks, x, w, out, row_scales, column_scales, sizes, window):
    for task in range(n_tasks):
        _task(task, x, w, out, row_scales, column_scales, sizes, window)


@compiled(parallel=True)
def _convolve_parallel(n_tasks, x, w, out, row_scales, column_scales, sizes, window):
    for task in prange(n_tasks):
        _task(np.int64(task), x, w, out, row_scales, column_scales, sizes, window)


def convolve(num_threads, n_images, x, w, out, scales, sizes, window):
    """Compute all results ``out`` of padded images ``x`` and panels of filters ``w``.

    ``scales``: of the results' rows and columns, or None. ``sizes``: height and words of a row of
    a padded image; width and pixels of a result; filters; K; whether channels come first.
    ``window``: height of a filter, words of one of its rows, stride, words of a pixel.
    """
    *sizes, length, channels_first = sizes
    pixels, n_filters = sizes[3:]
    n_tasks = n_images * -(-pixels // TASK_PIXELS) * -(-n_filters // TASK_FILTERS)
    base = length - 128 * (window[0] * window[1] // 4)
    sizes = (*sizes, base, int(scales is not None), int(channels_first))
    run(
        _convolve, _convolve_parallel, num_threads, n_tasks,
        x, w, out, *(scales or NO_SCALES), sizes, window,
    )  # fmt: skip


@compiled
def mean_map(x, channels, inner, out):
    """Mean magnitude over the middle axis of ``x`` (outer x channels x inner)."""
    for outer in range(len(out) // inner):
        row = out[outer * inner : (outer + 1) * inner]
        row[:] = 0
        for c in range(channels):
            start = (outer * channels + c) * inner
            values = x[start : start + inner]
            for i in range(inner):
                row[i] += abs(values[i])
        for i in range(inner):
            row[i] /= np.float32(channels)
