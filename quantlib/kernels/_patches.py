"""Patches of packed images, gathered for a product of matrices: those of signs as running XORs.

A patch is one bit a value, so gathering it costs little. Its running XORs are those of the image's
rows, made once, with one constant XORed to each row of the patch.
"""

from typing import NamedTuple

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from quantlib.kernels._compile import compiled
from quantlib.kernels._ir import I32, I64, Pointers, splat, vector, zeros
from quantlib.kernels._windows import run_pixels

__all__ = [
    "Layout",
    "copy_patches",
    "copy_plain_patches",
    "layout_of",
    "next_part",
    "padded_rows",
]

STEP = 8  # words that are copied at once


class Layout(NamedTuple):
    """How patches lie in the padded images: each is some runs of words."""

    row_words: int  # of a padded row, with the empty pixel before it
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
def layout_of(image, window, pixel_words):
    """Return the numbers of the :class:`Layout` of :func:`padded_rows`."""
    row_words = (image.width + 2 * image.left + 1) * pixel_words
    run_words = run_pixels(window) * pixel_words
    n_words = window.height * window.width * pixel_words
    return (
        row_words, (image.height + 2 * image.above) * row_words,
        n_words // run_words, run_words, n_words, window.stride_down * row_words,
        window.stride_across * pixel_words,
    )  # fmt: skip


@compiled
def padded_rows(x, image, pixel_words, running):
    """Return the padded images, each row behind one empty pixel, as running XORs or as it is.

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
            total = total ^ source[word] if running else source[word]
            target[word] = total
        if running:
            rows[place + n_words : place + n_words + left * pixel_words] = total
    return rows


def _times(builder, count):
    """Yield the turns of a loop that runs; or, if ``count`` is known now, of one written out."""
    if isinstance(count, int):
        yield from (I64(turn) for turn in range(count))
    else:
        with cgutils.for_range(builder, count) as loop:
            yield loop.index


def _emit_copy(context, builder, signature, args, running):
    """Write the instructions of :func:`copy_patches`, or of :func:`copy_plain_patches`."""
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
                change = zeros(kind)
                if running:
                    before = splat(builder, at.load(at.ahead(read, -1, 4), I32), STEP)
                    change = builder.xor(builder.load(total), before)
                for step in _times(builder, steps):
                    words = at.load(at.ahead(read, step, 4 * STEP), kind)
                    at.store(builder.xor(words, change), at.ahead(write, step, 4 * STEP))
                if running:
                    last = at.load(at.ahead(at.ahead(read, count, 4), -1, 4), I32)
                    builder.store(builder.xor(change, splat(builder, last, STEP)), total)

    few = 3 if running else 6  # the runs of a window of 3 x 3, in one plane or in two
    small = builder.and_(
        builder.icmp_signed("==", part.n_runs, I64(few)), builder.icmp_signed("==", steps, I64(1))
    )
    with builder.if_else(small) as (unrolled, general):
        with unrolled:
            copy_all(few, 1)
        with general:
            copy_all(part.n_runs, steps)
    return context.get_dummy_value()


@intrinsic
def copy_patches(typing_context, rows, patches, starts, part):
    """Copy patches as running XORs, eight words at once, and up to seven more than asked for.

    ``starts``: where the runs of a patch start; ``part``: a :class:`Part`.
    """

    def emit(context, builder, signature, args):
        return _emit_copy(context, builder, signature, args, True)

    return types.void(rows, patches, starts, part), emit


@intrinsic
def copy_plain_patches(typing_context, rows, patches, starts, part):
    """Copy patches as they are, otherwise as :func:`copy_patches` does."""

    def emit(context, builder, signature, args):
        return _emit_copy(context, builder, signature, args, False)

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


def _plain_copy_plain_patches(rows, patches, starts, part):
    place = part.place
    for patch in range(part.n_patches):
        for start in starts:
            first = part.source + patch * part.across + start
            patches[place : place + part.run_words] = rows[first : first + part.run_words]
            place += part.run_words


if numba.config.DISABLE_JIT:
    copy_patches, copy_plain_patches = _plain_copy_patches, _plain_copy_plain_patches


@compiled
def next_part(image, pixel, count, place, sizes, layout):
    """Return those of ``count`` patches from ``pixel`` on that follow in one row of the sizes."""
    y, x = pixel // sizes.width, pixel % sizes.width
    source = image * layout.image_words + y * layout.down + x * layout.across
    return Part(
        min(sizes.width - x, count), layout.n_runs, source + sizes.pixel_words, layout.across,
        layout.run_words, place,
    )  # fmt: skip
