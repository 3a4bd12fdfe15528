"""The loops of binary convolution: patches of words are gathered, then multiplied as a matrix.

A patch is one bit a value, so gathering it costs little, and the matrix product's inner loop is
used unchanged. With channels last, patches are the rows of the first operand; with channels first
they are its panels, so that either way the results come out in the order they are wanted in.
"""

import numba
import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from quantlib.kernels._compile import compiled
from quantlib.kernels._ir import I32, I64, Pointers, splat, vector, zeros
from quantlib.kernels._popcount import LANES, NO_SCALES, SIGNS, block
from quantlib.kernels._threads import run

__all__ = ["SPARE_WORDS", "convolve", "scale_map"]

#: Words behind the last image that may be read.
SPARE_WORDS = LANES

#: A task computes a block of pixels of one image and a block of filters.
TASK_PIXELS, TASK_FILTERS = 64, 128


@intrinsic
def _copy_run(typing_context, x, patches, numbers):
    """Copy words as running XORs, sixteen at once, and up to fifteen more than asked for.

    ``numbers``: where they start in ``x`` and in ``patches``, how many they are, and the XOR of
    all words before.
    """

    def emit(context, builder, signature, args):
        at = Pointers(context, builder, signature, args)
        source, place, count, before = cgutils.unpack_tuple(builder, args[2])
        total = cgutils.alloca_once_value(builder, builder.trunc(before, I32))
        kind, nothing = vector(I32, LANES), zeros(vector(I32, LANES))
        steps = builder.sdiv(builder.add(count, I64(LANES - 1)), I64(LANES))
        with cgutils.for_range(builder, steps) as loop:
            offset = builder.mul(loop.index, I64(LANES))
            words = at.load(at.element(0, builder.add(source, offset)), kind)
            for step in (1, 2, 4, 8):  # XOR with the words one before, two before, ...
                order = [LANES if i < step else i - step for i in range(LANES)]
                before = builder.shuffle_vector(words, nothing, ir.Constant(kind, order))
                words = builder.xor(words, before)
            words = builder.xor(words, splat(builder, builder.load(total), LANES))
            at.store(words, at.element(1, builder.add(place, offset)))
            builder.store(builder.extract_element(words, I32(LANES - 1)), total)
        return context.get_dummy_value()

    return types.void(x, patches, numbers), emit


def _plain_copy_run(x, patches, numbers):
    source, place, count, total = numbers
    for w in range(count):
        total ^= int(x[source + w])
        patches[place + w] = total


if numba.config.DISABLE_JIT:
    _copy_run = _plain_copy_run


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
            if lanes == 1:
                _copy_run(x, patches, (start, place, run_words, np.int64(total)))
                place += run_words
                total = patches[place - 1]
                continue
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
    memory = np.zeros(TASK_PIXELS * n_words + 2 * LANES, np.uint32)
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


@compiled(reorder=True)
def _mean_magnitude(x, first, channels, inner, mean):
    """Mean magnitude over channels, which come first, or (``inner`` 1) last."""
    share = np.float32(1) / np.float32(channels)
    if inner > 1:
        mean[:] = 0
        for c in range(channels):
            values = x[first + c * inner : first + (c + 1) * inner]
            for i in range(inner):
                mean[i] += abs(values[i]) * share
        return
    for i in range(len(mean)):
        total = np.float32(0)
        for value in x[first + i * channels : first + (i + 1) * channels]:
            total += abs(value)
        mean[i] = total * share


@compiled(reorder=True)
def scale_map(x, channels, channels_first, size, window, out):
    """Mean magnitude over channels, then over each window; return the sum of the former.

    ``size``: height and width of an image. ``window``: height, width, stride, padding.
    """
    height, width = size
    kernel_height, kernel_width, stride, padding = window
    share = np.float32(1) / np.float32(kernel_height * kernel_width)
    mean = np.empty(height * width, np.float32)
    across = np.zeros((height, out.shape[2]), np.float32)
    check = np.float32(0)
    for n in range(len(out)):
        first = n * channels * height * width
        _mean_magnitude(x, first, channels, height * width if channels_first else 1, mean)
        check += mean.sum()
        across[:] = 0
        for y in range(height):
            for j in range(out.shape[2]):
                left = j * stride - padding
                for z in range(max(left, 0), min(left + kernel_width, width)):
                    across[y, j] += mean[y * width + z]
        for i in range(out.shape[1]):
            top = i * stride - padding
            out[n, i] = 0
            for y in range(max(top, 0), min(top + kernel_height, height)):
                for j in range(out.shape[2]):
                    out[n, i, j] += across[y, j] * share
    return check
