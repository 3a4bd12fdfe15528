"""The loops of binary convolution: patches of words are gathered, then multiplied as a matrix.

A patch is one bit a value, so gathering it costs little, and the matrix product's inner loop is
used unchanged. That loop wants running XORs. With channels last, patches are the rows of the first
operand: their running XORs are those of the image's rows, made once, with one constant XORed to
each row of the patch. With channels first they are its panels, gathered sixteen at once, since
neighbours lie beside each other in the image. Either way the results come out in the order they
are wanted in.
"""

from typing import NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from quantlib.kernels._border import borders, zero_outside
from quantlib.kernels._compile import both, compiled
from quantlib.kernels._ir import I32, I64, Pointers, splat, vector, zeros
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
from quantlib.kernels._windows import Image, Window, run_pixels, run_starts

__all__ = ["convolve"]

#: A task computes a block of pixels of one image and, at most, so many filters.
TASK_PIXELS, TASK_FILTERS = 64, 128

#: Threads that get fewer blocks of pixels than this share the filters as well.
ENOUGH_BLOCKS = 16

STEP = 8  # words that are copied at once

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


class Layout(NamedTuple):
    """How patches lie in the padded images: each is some runs of words."""

    first: int  # where the first patch starts
    row_words: int  # of a padded row
    image_words: int
    n_runs: int
    run_words: int
    n_words: int  # of a patch
    down: int  # words from a patch to the one below
    across: int  # and to the next one


class Part(NamedTuple):
    """Patches that are copied: neighbours in a row of the sizes."""

    n_patches: int
    n_runs: int
    source: int  # where the first run of the first patch starts
    across: int
    run_words: int
    place: int  # where they go, one behind the other


@compiled
def _layout_of_rows(image, window, pixel_words):
    """Return the numbers of the :class:`Layout` of :func:`_running_rows`."""
    row_words = (image.width + 2 * image.left + 1) * pixel_words
    run_words = run_pixels(window) * pixel_words
    n_words = window.height * window.width * pixel_words
    return (
        pixel_words, row_words, (image.height + 2 * image.above) * row_words,
        n_words // run_words, run_words, n_words, window.stride_down * row_words,
        window.stride_across * pixel_words,
    )  # fmt: skip


@compiled
def _layout_of_planes(image, window, pixel_words):
    """Return the numbers of the :class:`Layout` of :func:`_planes`, where a run is one word."""
    row_words = (image.width + 2 * image.left) * pixel_words
    n_words = window.height * window.width * pixel_words
    return (
        LANES, row_words, (image.height + 2 * image.above) * row_words, n_words, 1, n_words,
        window.stride_down * row_words, window.stride_across,
    )  # fmt: skip


@compiled
def _running_rows(x, image, pixel_words):
    """Return the padded images, each row as running XORs behind one empty pixel.

    Outside an image all bits are 0, which is +1.
    """
    n_images, height, width, above, left = image
    n_words, row_words = width * pixel_words, (width + 2 * left + 1) * pixel_words
    rows = np.zeros(n_images * (height + 2 * above) * row_words + STEP, np.uint32)
    for row in range(n_images * height):
        place = (row + (2 * (row // height) + 1) * above) * row_words + (1 + left) * pixel_words
        source, target = x[row * n_words : (row + 1) * n_words], rows[place : place + n_words]
        total = np.uint32(0)
        for word in range(n_words):
            total ^= source[word]
            target[word] = total
        rows[place + n_words : place + n_words + left * pixel_words] = total
    return rows


@compiled
def _planes(x, image, pixel_words):
    """Return the padded images: in each row all first words of the pixels, then all second ones.

    ``LANES`` words before and behind may be read.
    """
    n_images, height, width, above, left = image
    full = width + 2 * left
    n_rows = n_images * (height + 2 * above)
    planes = np.zeros(n_rows * full * pixel_words + 2 * LANES, np.uint32)
    for row in range(n_images * height):
        place = LANES + (row + (2 * (row // height) + 1) * above) * full * pixel_words + left
        source = row * width * pixel_words
        for word in range(pixel_words):
            for i in range(width):
                planes[place + word * full + i] = x[source + i * pixel_words + word]
    return planes


@compiled
def _word_starts(window, row_words, pixel_words):
    """Return where in planes the words of a patch are, from the first one on."""
    full = row_words // pixel_words
    starts = np.empty(window.height * window.width * pixel_words, np.int64)
    for i in range(len(starts)):
        tap, word = i // pixel_words, i % pixel_words
        down, across = tap // window.width, tap % window.width
        starts[i] = down * window.dilation_down * row_words + word * full
        starts[i] += across * window.dilation_across
    return starts


def _times(builder, count):
    """Yield the turns of a loop that runs; or, if ``count`` is known now, of one written out."""
    if isinstance(count, int):
        yield from (I64(turn) for turn in range(count))
    else:
        with cgutils.for_range(builder, count) as loop:
            yield loop.index


@intrinsic
def _copy_patches(typing_context, rows, patches, starts, part):
    """Copy patches as running XORs, eight words at once, and up to seven more than asked for.

    ``starts``: where the runs of a patch start; ``part``: a :class:`Part`.
    """

    def emit(context, builder, signature, args):
        at = Pointers(context, builder, signature, args)
        part = Part(*cgutils.unpack_tuple(builder, args[3]))
        kind, count = vector(I32, STEP), part.run_words
        steps = builder.lshr(builder.add(count, I64(STEP - 1)), I64(3))
        first, target = at.element(0, part.source), at.element(1, part.place)
        size = builder.mul(part.n_runs, count)

        def start_of(run_):
            return at.load(at.element(2, run_), I64)

        def copy_all(n_runs, steps):
            total = cgutils.alloca_once(builder, kind)
            known = [start_of(I64(i)) for i in range(n_runs)] if isinstance(n_runs, int) else None
            for patch in _times(builder, part.n_patches):
                builder.store(zeros(kind), total)
                start = at.ahead(first, builder.mul(patch, part.across), 4)
                end = at.ahead(target, builder.mul(patch, size), 4)
                for run_ in _times(builder, n_runs):
                    from_ = known[run_.constant] if known else start_of(run_)
                    read = at.ahead(start, from_, 4)
                    write = at.ahead(end, builder.mul(run_, count), 4)
                    before = splat(builder, at.load(at.ahead(read, -1, 4), I32), STEP)
                    change = builder.xor(builder.load(total), before)
                    for step in _times(builder, steps):
                        words = at.load(at.ahead(read, step, 4 * STEP), kind)
                        at.store(builder.xor(words, change), at.ahead(write, step, 4 * STEP))
                    last = at.load(at.ahead(at.ahead(read, count, 4), -1, 4), I32)
                    builder.store(builder.xor(change, splat(builder, last, STEP)), total)

        small = builder.and_(
            builder.icmp_signed("==", part.n_runs, I64(3)), builder.icmp_signed("==", steps, I64(1))
        )
        with builder.if_else(small) as (unrolled, general):
            with unrolled:
                copy_all(3, 1)
            with general:
                copy_all(part.n_runs, steps)
        return context.get_dummy_value()

    return types.void(rows, patches, starts, part), emit


def _plain_copy_patches(rows, patches, starts, part):
    place = part.place
    for patch in range(part.n_patches):
        total = np.uint32(0)
        for start in starts:
            first = part.source + patch * part.across + start
            words = rows[first : first + part.run_words] ^ rows[first - 1] ^ total
            patches[place : place + part.run_words] = words
            place, total = place + part.run_words, words[-1]


@intrinsic
def _gather_panel(typing_context, planes, patches, starts, numbers):
    """Write neighbouring patches into some lanes of a panel, as running XORs.

    ``numbers``: where lane 0 would start in ``planes``, where the panel starts in ``patches``, the
    first lane, and the lane behind the last one.
    """

    def emit(context, builder, signature, args):
        at, kind = Pointers(context, builder, signature, args), vector(I32, LANES)
        source, place, first, stop = cgutils.unpack_tuple(builder, args[3])
        lanes = ir.Constant(kind, list(range(LANES)))
        first, stop = (splat(builder, builder.trunc(x, I32), LANES) for x in (first, stop))
        inside = builder.and_(
            builder.icmp_signed(">=", lanes, first), builder.icmp_signed("<", lanes, stop)
        )
        total = cgutils.alloca_once_value(builder, zeros(kind))
        read, target = at.element(0, source), at.element(1, place)
        with cgutils.for_range(builder, at.length(2)) as loop:
            start = at.load(at.element(2, loop.index), I64)
            words = at.load(at.ahead(read, start, 4), kind)
            builder.store(builder.xor(builder.load(total), words), total)
            write = at.ahead(target, loop.index, 4 * LANES)
            new = builder.select(inside, builder.load(total), at.load(write, kind))
            at.store(new, write)
        return context.get_dummy_value()

    return types.void(planes, patches, starts, numbers), emit


def _plain_gather_panel(planes, patches, starts, numbers):
    source, place, first, stop = numbers
    for lane in range(first, stop):
        words = np.bitwise_xor.accumulate(planes[source + starts + lane])
        patches[place + lane : place + len(starts) * LANES : LANES] = words


if numba.config.DISABLE_JIT:
    _copy_patches, _gather_panel = _plain_copy_patches, _plain_gather_panel


@compiled
def _gather_lanes(planes, patches, starts, part):
    """Do the same with patches beside each other, word by word, ``LANES`` together.

    ``part.place`` is the number of the first patch.
    """
    done, step = 0, part.across
    while done < part.n_patches:
        source, patch = part.source + done * step, part.place + done
        lane, place = patch % LANES, patch // LANES * LANES * len(starts)
        count = min(LANES - lane, part.n_patches - done)
        if step == 1:
            _gather_panel(planes, patches, starts, (source - lane, place, lane, lane + count))
        else:
            for i in range(lane, lane + count):
                total = np.uint32(0)
                for word in range(len(starts)):
                    total ^= planes[source + starts[word]]
                    patches[place + word * LANES + i] = total
                source += step
        done += count


@compiled
def _next_part(image, pixel, count, place, sizes, layout):
    """Return those of ``count`` patches from ``pixel`` on that follow in one row of the sizes."""
    y, x = pixel // sizes.width, pixel % sizes.width
    source = image * layout.image_words + y * layout.down + x * layout.across
    return Part(
        min(sizes.width - x, count), layout.n_runs, source + layout.first, layout.across,
        layout.run_words, place,
    )  # fmt: skip


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
        part = _next_part(number, pixel + done, n_pixels - done, done * n_words, sizes, layout)
        _copy_patches(rows, patches, starts, part)
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
        part = _next_part(number, pixel + done, n_pixels - done, done, sizes, layout)
        _gather_lanes(planes, patches, starts, part)
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
    layout = Layout(*_layout_of_rows(image, window, sizes.pixel_words))
    rows = _running_rows(x, image, sizes.pixel_words)
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
    layout = Layout(*_layout_of_planes(image, window, sizes.pixel_words))
    planes = _planes(x, image, sizes.pixel_words)
    starts = _word_starts(window, layout.row_words, sizes.pixel_words)
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
