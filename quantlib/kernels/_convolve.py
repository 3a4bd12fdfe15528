"""The loops of binary convolution: patches of words are gathered, then multiplied as a matrix.

A patch is one bit a value, so gathering it costs little, and the matrix product's inner loop is
used unchanged. That loop wants running XORs. Those of a patch are those of the image's rows, made
once, with one constant XORed to each row of the patch. With channels last, patches are the rows
of the first operand; with channels first they are its panels, so that either way the results come
out in the order they are wanted in.
"""

import numba
import numpy as np
from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from quantlib.kernels._compile import compiled
from quantlib.kernels._ir import I32, I64, Pointers, splat, vector, zeros
from quantlib.kernels._popcount import LANES, ONE_PASS, SIGNS, as_scales, block, subtracted
from quantlib.kernels._threads import run

__all__ = ["convolve", "scale_map"]

#: A task computes a block of pixels of one image and a block of filters.
TASK_PIXELS, TASK_FILTERS = 64, 128

STEP = 8  # words that are copied at once


@compiled
def _running_rows(x, sizes, padding, pixel_words):
    """Return the padded images, each row as running XORs behind one empty pixel.

    Outside an image all bits are 0, which is +1.
    """
    n_images, height, width = sizes
    n_words, row_words = width * pixel_words, (width + 2 * padding + 1) * pixel_words
    rows = np.zeros(n_images * (height + 2 * padding) * row_words + STEP, np.uint32)
    for row in range(n_images * height):
        place = (row + (2 * (row // height) + 1) * padding) * row_words
        place += (1 + padding) * pixel_words
        source, target = x[row * n_words : (row + 1) * n_words], rows[place : place + n_words]
        total = np.uint32(0)
        for word in range(n_words):
            total ^= source[word]
            target[word] = total
        rows[place + n_words : place + n_words + padding * pixel_words] = total
    return rows


def _times(builder, count):
    """Yield the turns of a loop that runs; or, if ``count`` is known now, of one written out."""
    if isinstance(count, int):
        yield from (I64(turn) for turn in range(count))
    else:
        with cgutils.for_range(builder, count) as loop:
            yield loop.index


@intrinsic
def _copy_patches(typing_context, rows, patches, numbers):
    """Copy patches as running XORs, eight words at once, and up to seven more than asked for.

    ``numbers``: how many patches, and how many rows each has; where the first one's first row
    starts, how far the next row and the next patch are; how many words a row has; where they go in
    ``patches``, one behind the other.
    """

    def emit(context, builder, signature, args):
        at = Pointers(context, builder, signature, args)
        n_patches, n_rows, source, down, across, count, place = cgutils.unpack_tuple(
            builder, args[2]
        )
        kind = vector(I32, STEP)
        steps = builder.lshr(builder.add(count, I64(STEP - 1)), I64(3))
        first, target = at.element(0, source), at.element(1, place)
        size = builder.mul(n_rows, count)

        def copy_all(n_rows, steps):
            total = cgutils.alloca_once(builder, kind)
            for patch in _times(builder, n_patches):
                builder.store(zeros(kind), total)
                start = at.ahead(first, builder.mul(patch, across), 4)
                end = at.ahead(target, builder.mul(patch, size), 4)
                for row in _times(builder, n_rows):
                    read = at.ahead(start, builder.mul(row, down), 4)
                    write = at.ahead(end, builder.mul(row, count), 4)
                    before = splat(builder, at.load(at.ahead(read, -1, 4), I32), STEP)
                    change = builder.xor(builder.load(total), before)
                    for step in _times(builder, steps):
                        words = at.load(at.ahead(read, step, 4 * STEP), kind)
                        at.store(builder.xor(words, change), at.ahead(write, step, 4 * STEP))
                    last = at.load(at.ahead(at.ahead(read, count, 4), -1, 4), I32)
                    builder.store(builder.xor(change, splat(builder, last, STEP)), total)

        small = builder.and_(
            builder.icmp_signed("==", n_rows, I64(3)), builder.icmp_signed("==", steps, I64(1))
        )
        with builder.if_else(small) as (unrolled, general):
            with unrolled:
                copy_all(3, 1)
            with general:
                copy_all(n_rows, steps)
        return context.get_dummy_value()

    return types.void(rows, patches, numbers), emit


def _plain_copy_patches(rows, patches, numbers):
    n_patches, n_rows, source, down, across, count, place = numbers
    for patch in range(n_patches):
        total = np.uint32(0)
        for row in range(n_rows):
            first = source + patch * across + row * down
            words = rows[first : first + count] ^ rows[first - 1] ^ total
            patches[place : place + count] = words
            place, total = place + count, words[-1]


if numba.config.DISABLE_JIT:
    _copy_patches = _plain_copy_patches


@compiled
def _gather_lanes(rows, patches, numbers):
    """Do the same with patches beside each other, word by word, ``LANES`` together."""
    n_patches, n_rows, source, down, across, count, first = numbers
    for patch in range(first, first + n_patches):
        place = patch // LANES * LANES * n_rows * count + patch % LANES
        total = np.uint32(0)
        for row in range(n_rows):
            words = rows[source + row * down - 1 : source + row * down + count]
            change = total ^ words[0]
            for word in range(count):
                patches[place] = words[word + 1] ^ change
                place += LANES
            total = words[count] ^ change
        source += across


@compiled
def _next_part(first, done, count, here, window):
    """Return numbers for those of a block's pixels that follow in the same row of the result."""
    start, row_words, out_width = here
    kernel_height, run_words, stride, pixel_words = window
    y, x = (first + done) // out_width, (first + done) % out_width
    some = min(out_width - x, count - done)
    source = start + y * stride * row_words + (x * stride + 1) * pixel_words
    return some, kernel_height, source, row_words, stride * pixel_words, run_words


@compiled
def _new_patches(window):
    """Return memory for the patches of a task that starts at a line of the cache."""
    memory = np.empty(TASK_PIXELS * window[0] * window[1] + 2 * LANES, np.uint32)
    return memory[(-memory.ctypes.data // 4) % LANES :]


@compiled
def _block(task, sizes):
    """Return image, first pixel, first filter, and how many of both, of task number ``task``."""
    pixels, n_filters = sizes[3], sizes[4]
    pixel_blocks, filter_blocks = -(-pixels // TASK_PIXELS), -(-n_filters // TASK_FILTERS)
    image, rest = task // (pixel_blocks * filter_blocks), task % (pixel_blocks * filter_blocks)
    pixel, filter_ = rest // filter_blocks * TASK_PIXELS, rest % filter_blocks * TASK_FILTERS
    n_pixels, n_rows = min(TASK_PIXELS, pixels - pixel), min(TASK_FILTERS, n_filters - filter_)
    return image, pixel, filter_, n_pixels, n_rows


@compiled
def _task_last(task, rows, patches, w, out, row_scales, column_scales, sizes, window):
    """Convolve a block of pixels with a block of filters; channels come last."""
    image_words, row_words, out_width, pixels, n_filters, base, scaled = sizes
    image, pixel, filter_, n_pixels, n_rows = _block(task, sizes)
    here = (image * image_words, row_words, out_width)
    n_words, done = window[0] * window[1], 0
    while done < n_pixels:
        numbers = _next_part(pixel, done, n_pixels, here, window)
        _copy_patches(rows, patches, (*numbers, done * n_words))
        done += numbers[0]
    start = image * pixels + pixel
    zero = np.int64(0)  # not a literal, of which each would be compiled anew
    numbers = (
        zero, filter_ * n_words, start * n_filters + filter_, n_words, n_words * LANES, n_filters,
        n_words, base, scaled, start, filter_,
    )  # fmt: skip
    block(SIGNS, 1, patches, w, out, ONE_PASS, row_scales, column_scales, numbers, n_pixels, n_rows)


@compiled
def _task_first(task, rows, patches, w, out, row_scales, column_scales, sizes, window):
    """Do the same where channels come first: filters, read out of their panels, are the rows."""
    image_words, row_words, out_width, pixels, n_filters, base, scaled = sizes
    image, pixel, filter_, n_pixels, n_rows = _block(task, sizes)
    here = (image * image_words, row_words, out_width)
    n_words, done = window[0] * window[1], 0
    while done < n_pixels:
        numbers = _next_part(pixel, done, n_pixels, here, window)
        _gather_lanes(rows, patches, (*numbers, done))
        done += numbers[0]
    panel = n_words * LANES
    zero, one = np.int64(0), np.int64(1)  # not literals, of which each would be compiled anew
    for first in range(0, n_rows, LANES):
        f = filter_ + first
        numbers = (
            f // LANES * panel, zero, (image * n_filters + f) * pixels + pixel, one, panel,
            pixels, n_words, base, scaled, f, image * pixels + pixel,
        )  # fmt: skip
        block(
            SIGNS, LANES, w, patches, out, ONE_PASS, row_scales, column_scales, numbers,
            min(LANES, n_rows - first), n_pixels,
        )  # fmt: skip


@compiled
def _convolve_last(n_tasks, x, w, out, row_scales, column_scales, image, sizes, window):
    rows, patches = _running_rows(x, *image), _new_patches(window)
    for task in range(n_tasks):
        _task_last(task, rows, patches, w, out, row_scales, column_scales, sizes, window)


@compiled
def _convolve_first(n_tasks, x, w, out, row_scales, column_scales, image, sizes, window):
    rows, patches = _running_rows(x, *image), _new_patches(window)
    for task in range(n_tasks):
        _task_first(task, rows, patches, w, out, row_scales, column_scales, sizes, window)


@compiled(parallel=True)
def _convolve_last_parallel(n_tasks, x, w, out, row_scales, column_scales, image, sizes, window):
    rows = _running_rows(x, *image)
    for task in prange(n_tasks):
        patches = _new_patches(window)
        _task_last(np.int64(task), rows, patches, w, out, row_scales, column_scales, sizes, window)


@compiled(parallel=True)
def _convolve_first_parallel(n_tasks, x, w, out, row_scales, column_scales, image, sizes, window):
    rows = _running_rows(x, *image)
    for task in prange(n_tasks):
        patches = _new_patches(window)
        _task_first(np.int64(task), rows, patches, w, out, row_scales, column_scales, sizes, window)


def convolve(num_threads, x, w, out, scales, image, sizes, window):
    """Convolve the words of images ``x`` with panels of filters ``w`` into ``out``, all flat.

    ``scales``: for pixels and filters, in the order of the result, either or both None. ``image``:
    images, their height and width, the padding, and the words of a pixel. ``sizes``: width and
    pixels of a result; filters; K; whether channels come first. ``window``: height and width of a
    filter, and the stride.
    """
    n_images, height, width, padding, pixel_words = image
    out_width, pixels, n_filters, length, channels_first = sizes
    kernel_height, kernel_width, stride = window
    run_words, row_words = kernel_width * pixel_words, (width + 2 * padding + 1) * pixel_words
    base = length - 128 * subtracted(kernel_height * run_words)
    n_tasks = n_images * -(-pixels // TASK_PIXELS) * -(-n_filters // TASK_FILTERS)
    *scales, scaled = as_scales(scales)
    if channels_first:  # each is compiled when it is first needed
        loops = _convolve_first, _convolve_first_parallel
    else:
        loops = _convolve_last, _convolve_last_parallel
    run(
        *loops, num_threads, n_tasks,
        x, w, out, *scales, ((n_images, height, width), padding, pixel_words),
        ((height + 2 * padding) * row_words, row_words, out_width, pixels, n_filters, base, scaled),
        (kernel_height, run_words, stride, pixel_words),
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
        values = x[first + i * channels : first + (i + 1) * channels]
        for c in range(channels):
            total += abs(values[c])
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
