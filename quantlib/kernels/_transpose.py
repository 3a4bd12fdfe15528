"""Transposition: of a task's results, and of whole images whose channels come first."""

import numba
import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from quantlib.kernels._checks import aligned_empty
from quantlib.kernels._compile import both, compiled
from quantlib.kernels._ir import I32, I64, Pointers, vector
from quantlib.kernels._threads import run

__all__ = ["channels_moved", "write_transposed"]

LANES = 16


@intrinsic
def _turn(typing_context, source, target, numbers):
    """Transpose a square of ``LANES`` by ``LANES`` integers of any size.

    ``numbers``: where it starts in ``source`` and the step from row to row; the same of ``target``.
    """

    def emit(context, builder, signature, args):
        at, bits = Pointers(context, builder, signature, args), signature.args[0].dtype.bitwidth
        kind, size = vector(ir.IntType(bits), LANES), bits // 8
        start, step, place, stride = cgutils.unpack_tuple(builder, args[2])
        read, write, half = at.element(0, start), at.element(1, place), LANES // 2
        rows = [
            at.load(at.ahead(read, builder.mul(step, I64(i)), size), kind) for i in range(LANES)
        ]
        order = [lane for i in range(LANES) for lane in (i, LANES + i)]
        places = vector(I32, LANES)
        masks = [ir.Constant(places, order[:LANES]), ir.Constant(places, order[LANES:])]
        for _ in range(LANES.bit_length() - 1):  # each time, halves are dealt like two hands
            pairs = zip(rows[:half], rows[half:], strict=True)
            rows = [builder.shuffle_vector(*pair, mask) for pair in pairs for mask in masks]
        for i, row in enumerate(rows):
            at.store(row, at.ahead(write, builder.mul(stride, I64(i)), size))
        return context.get_dummy_value()

    return types.void(source, target, numbers), emit


def _plain_turn(source, target, numbers):
    start, step, place, stride = numbers
    for i in range(LANES):
        column = source[start + i : start + i + LANES * step : step]
        target[place + i * stride : place + i * stride + LANES] = column[:LANES]


if numba.config.DISABLE_JIT:
    _turn = _plain_turn


@compiled
def write_transposed(sums, step, out, place, stride, n_pixels, n_filters):
    """Copy pixels x filters, ``step`` apart, to filters x pixels, ``stride`` apart."""
    pixels, filters = n_pixels // LANES * LANES, n_filters // LANES * LANES
    for f in range(0, filters, LANES):
        for p in range(0, pixels, LANES):
            _turn(sums, out, (p * step + f, step, place + f * stride + p, stride))
    for f in range(n_filters):
        for p in range(pixels if f < filters else 0, n_pixels):
            out[place + f * stride + p] = sums[p * step + f]


@both
def _transpose(n_images, x, out, n_rows, n_columns):
    for image in prange(n_images):
        start = np.int64(image) * n_rows * n_columns
        source, target = x[start : start + n_rows * n_columns], out[start:]
        write_transposed(source, n_columns, target, 0, n_rows, n_rows, n_columns)


def channels_moved(x, to_last, threads):
    """Return images of integers with channels last instead of first, or the other way round."""
    n_images, first, middle, last = x.shape
    rows, columns = (first, middle * last) if to_last else (first * middle, last)
    shape = (middle, last, first) if to_last else (last, first, middle)
    out = aligned_empty((n_images, *shape), x.dtype)
    run(_transpose, threads, n_images, x.reshape(-1), out.reshape(-1), rows, columns)
    return out
