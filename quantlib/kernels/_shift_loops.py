"""The inner loops of shift products: rows of shifted activations are added up.

Lanes are rows of the activations (or pixels), sixty-four at a time. For a block of K the
activations are shifted once by each exponent that occurs, into a table that stays in the nearest
cache. Then a product is one addition: a weight says which row of the table is added or
subtracted. Weights are lists of such rows, first those to subtract, then those to add, for each
output and each block; zeros need not be in the list at all.
"""

from typing import NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from quantlib.kernels._compile import both, compiled
from quantlib.kernels._ir import I16, I32, I64, Pointers, vector, zeros

__all__ = [
    "BLOCK",
    "LANES",
    "UNROLL",
    "convolve",
    "fill_lists",
    "multiply",
]

LANES = 64  # activations side by side
BLOCK = 64  # of K: the table of a block stays in the nearest cache
SQUARE = 16  # side of the squares in which matrices are transposed
UNROLL = 4  # lists are filled up to a multiple of this


@intrinsic
def _add_rows(typing_context, table, rows, bounds, sums, numbers):
    """Add ``LANES`` sums of rows of ``table`` to the int32 ``sums``.

    ``rows``: numbers of rows; from bounds[i] to bounds[i + 1] - 1 those to subtract, from there to
    bounds[i + 2] - 1 those to add. ``numbers``: i, and where the sums start. Sums of a table of
    int16 are made in 16 bits: the caller has seen to it that they fit.
    """

    def emit(context, builder, signature, args):
        at = Pointers(context, builder, signature, args)
        narrow = signature.args[0].dtype == types.int16
        kind = vector(I16, 32) if narrow else vector(I32, 16)
        size, count = (2, LANES // 32) if narrow else (4, LANES // 16)
        first, place = cgutils.unpack_tuple(builder, args[4])
        limits = [
            builder.sext(at.load(at.element(2, builder.add(first, I64(i))), I32), I64)
            for i in range(3)
        ]
        table_start = at.element(0, 0)
        totals = [cgutils.alloca_once_value(builder, zeros(kind)) for _ in range(count)]

        def along(start, stop):
            steps = builder.sdiv(builder.sub(stop, start), I64(UNROLL))
            with cgutils.for_range(builder, steps) as loop:
                for u in range(UNROLL):
                    entry = builder.add(start, builder.mul(loop.index, I64(UNROLL)))
                    row = at.load(at.element(1, builder.add(entry, I64(u))), I16)
                    address = at.ahead(table_start, builder.zext(row, I64), LANES * size)
                    for i, total in enumerate(totals):
                        value = at.load(at.ahead(address, i, 64), kind)
                        builder.store(builder.add(builder.load(total), value), total)

        along(limits[0], limits[1])
        for total in totals:
            builder.store(builder.neg(builder.load(total)), total)
        along(limits[1], limits[2])
        out = at.element(3, place)
        wide = vector(I32, 32 if narrow else 16)
        for i, total in enumerate(totals):
            target = at.ahead(out, i, 4 * wide.count)
            value = builder.load(total)
            value = builder.sext(value, wide) if narrow else value
            at.store(builder.add(at.load(target, wide), value), target)
        return context.get_dummy_value()

    return types.void(table, rows, bounds, sums, numbers), emit


def _plain_add_rows(table, rows, bounds, sums, numbers):
    first, place = numbers
    start, middle, stop = bounds[first : first + 3]
    lines = table.reshape(-1, LANES)
    total = lines[rows[middle:stop]].sum(0, dtype=np.int32)
    total -= lines[rows[start:middle]].sum(0, dtype=np.int32)
    sums[place : place + LANES] += total


@intrinsic
def _turn_square(typing_context, source, target, numbers):
    """Transpose a square of 16 x 16. ``numbers``: its start and its stride, in both arrays."""

    def emit(context, builder, signature, args):
        at = Pointers(context, builder, signature, args)
        dtype = context.get_data_type(signature.args[0].dtype)
        kind, size = vector(dtype, SQUARE), dtype.width // 8
        from_, from_stride, to, to_stride = cgutils.unpack_tuple(builder, args[2])

        def line(array, start, stride, i):
            return at.ahead(at.element(array, start), builder.mul(stride, I64(i)), size)

        lines = [at.load(line(0, from_, from_stride, i), kind) for i in range(SQUARE)]
        step = SQUARE // 2
        while step:  # swap the off-diagonal quarters of ever smaller squares
            for i in range(SQUARE):
                if i & step == 0:
                    upper, lower = lines[i], lines[i + step]
                    first = [j - step + SQUARE if j & step else j for j in range(SQUARE)]
                    second = [j + SQUARE if j & step else j + step for j in range(SQUARE)]
                    lines[i], lines[i + step] = (
                        builder.shuffle_vector(
                            upper, lower, ir.Constant(vector(I32, SQUARE), chosen)
                        )
                        for chosen in (first, second)
                    )
            step //= 2
        for i, value in enumerate(lines):
            at.store(value, line(1, to, to_stride, i))
        return context.get_dummy_value()

    return types.void(source, target, numbers), emit


def _plain_turn_square(source, target, numbers):
    from_, from_stride, to, to_stride = numbers
    for i in range(SQUARE):
        for j in range(SQUARE):
            target[to + j * to_stride + i] = source[from_ + i * from_stride + j]


if numba.config.DISABLE_JIT:
    _add_rows, _turn_square = _plain_add_rows, _plain_turn_square


@compiled
def _transpose(source, target, numbers, n_rows, n_columns):
    """Transpose a rectangle; ``numbers`` as for :func:`_turn_square`."""
    from_, from_stride, to, to_stride = numbers
    for row in range(0, n_rows, SQUARE):
        for column in range(0, n_columns, SQUARE):
            a, b = from_ + row * from_stride + column, to + column * to_stride + row
            height, width = min(SQUARE, n_rows - row), min(SQUARE, n_columns - column)
            if height == SQUARE and width == SQUARE:
                _turn_square(source, target, (a, from_stride, b, to_stride))
            else:
                for j in range(width):
                    for i in range(height):
                        target[b + j * to_stride + i] = source[a + i * from_stride + j]


@compiled
def _aligned_empty(size, dtype):
    """Return new memory that starts at a line of the cache."""
    memory = np.empty(size + 64, dtype)
    return memory[(-memory.ctypes.data % 64) // memory.itemsize :][:size]


@compiled
def _fill(table, source, starts, first, lane_step, width, low, n_levels):
    """Shift the activations of a block by each exponent into its lines of the table."""
    if lane_step:  # the places of a row of a matrix follow one another
        numbers = (starts[0] + first * lane_step, lane_step, np.int64(0), np.int64(LANES))
        _transpose(source, table, numbers, width, len(starts))
    for k in range(len(starts)):
        line = table[k * LANES : (k + 1) * LANES]
        if not lane_step:
            start = starts[k] + first
            for lane in range(LANES):
                line[lane] = source[start + lane]
        for level in range(n_levels - 1, -1, -1):
            place = (level * BLOCK + k) * LANES
            target = table[place : place + LANES]
            for lane in range(LANES):
                target[lane] = line[lane] << (low + level)


@compiled
def _sums(source, starts, first, lane_step, width, rows, bounds, low, n_levels, n_outputs):
    """Return the sums (outputs x LANES) of the activations from number ``first`` on.

    The activation of lane l at place k of the sum is source[starts[k] + (first + l) * lane_step],
    or source[starts[k] + first + l] where ``lane_step`` is 0.
    """
    sums = _aligned_empty(n_outputs * LANES, np.int32)
    sums[:] = 0
    table = _aligned_empty((n_levels * BLOCK + 1) * LANES, source.dtype)
    table[n_levels * BLOCK * LANES :] = 0  # the row that fills up lists
    for block in range(-(-len(starts) // BLOCK)):
        places = starts[block * BLOCK : (block + 1) * BLOCK]
        _fill(table, source, places, first, lane_step, width, low, n_levels)
        for n in range(n_outputs):
            _add_rows(table, rows, bounds, sums, (2 * (block * n_outputs + n), n * LANES))
    return sums


@compiled
def _matrix_task(task, source, starts, sizes, rows, bounds, levels, out):
    """Compute ``LANES`` rows of the matrix ``out``."""
    n_rows, n_outputs, length = sizes
    first = task * LANES
    width = min(LANES, n_rows - first)
    sums = _sums(
        source, starts, first, length, width, rows, bounds, levels[0], levels[1], n_outputs
    )
    numbers = (np.int64(0), np.int64(LANES), first * n_outputs, n_outputs)
    _transpose(sums, out, numbers, n_outputs, width)


class Images(NamedTuple):
    """Sizes of images whose pixels are sums."""

    values: int  # of an image, split by residues
    row: int  # values of a row of one residue
    height: int  # of the result
    width: int
    n_outputs: int


@compiled
def _image_task(task, source, starts, sizes, rows, bounds, levels, out):
    """Compute ``LANES`` pixels of one image; those beyond the end of a row are left out."""
    image_size, row_size, height, width, n_outputs = sizes
    chunks = -(-height * row_size // LANES)
    image, first = task // chunks, task % chunks * LANES
    here = source[image * image_size :]
    sums = _sums(here, starts, first, 0, LANES, rows, bounds, levels[0], levels[1], n_outputs)
    for n in range(n_outputs):
        y, x = first // row_size, first % row_size
        for lane in range(LANES):
            if x < width and y < height:
                place = ((image * n_outputs + n) * height + y) * width + x
                out[place] = sums[n * LANES + lane]
            x += 1
            if x == row_size:
                y, x = y + 1, 0


@both
def multiply(n_tasks, source, starts, sizes, rows, bounds, levels, out):
    """Compute a matrix: ``sizes`` are its rows and columns and K."""
    for task in prange(n_tasks):
        _matrix_task(np.int64(task), source, starts, sizes, rows, bounds, levels, out)


@both
def convolve(n_tasks, source, starts, sizes, rows, bounds, levels, out):
    """Compute images; ``sizes`` are the numbers of :class:`Images`."""
    sizes = Images(*sizes)
    for task in prange(n_tasks):
        _image_task(np.int64(task), source, starts, sizes, rows, bounds, levels, out)


@compiled
def fill_lists(sign, exponent, low, zero_row, skip_zeros, rows, bounds):
    """Write the rows of the table that each output takes in each block; return how many.

    ``sign`` and ``exponent`` are outputs x K. A list is filled up with the row of zeros.
    """
    n_outputs, length = sign.shape
    end = 0
    for block in range(-(-length // BLOCK)):
        for n in range(n_outputs):
            entry = 2 * (block * n_outputs + n)
            for side in range(2):
                bounds[entry + side] = end
                for k in range(block * BLOCK, min((block + 1) * BLOCK, length)):
                    s = sign[n, k]
                    if (s < 0 and side == 0) or (s > 0 and side == 1):
                        level = np.int64(exponent[n, k]) - low
                        rows[end] = level * BLOCK + k % BLOCK
                        end += 1
                    elif s == 0 and side == 1 and not skip_zeros:
                        rows[end] = zero_row
                        end += 1
                while end % UNROLL:
                    rows[end] = zero_row
                    end += 1
    bounds[2 * -(-length // BLOCK) * n_outputs] = end
    return end
