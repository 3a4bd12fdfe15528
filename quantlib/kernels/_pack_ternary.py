"""The inner loop of packing ternary values: where they are not 0, and where they are negative."""

import numba
import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from quantlib.kernels._compile import both, compiled
from quantlib.kernels._ir import I16, I64, Pointers, vector, zeros
from quantlib.kernels._pack_words import BITS, LANES, TASK

__all__ = ["ternary_rows"]


@intrinsic
def _ternary_words(typing_context, x, words, numbers):
    """Pack values into a plane of masks and one of signs; return 0 if all are -1, 0 and 1.

    ``numbers``: where they start in ``x``; where the masks and the signs go in ``words``, and how
    many words there are of each.
    """

    def emit(context, builder, signature, args):
        at, dtype = Pointers(context, builder, signature, args), signature.args[0].dtype
        start, mask, sign, count = cgutils.unpack_tuple(builder, args[2])
        kind, real = vector(context.get_data_type(dtype), LANES), isinstance(dtype, types.Float)
        one, minus = (ir.Constant(kind, [(float if real else int)(v)] * LANES) for v in (1, -1))
        strange = cgutils.alloca_once_value(builder, zeros(vector(ir.IntType(1), LANES)))

        def differ(values, number):
            compare = builder.fcmp_unordered if real else builder.icmp_signed
            return compare("!=", values, number)

        less = builder.fcmp_ordered if real else builder.icmp_signed
        size = dtype.bitwidth // 8
        with cgutils.for_range(builder, count) as loop:
            read = at.ahead(at.element(0, start), loop.index, size * BITS)
            masks, signs = (
                at.ahead(at.element(1, place), loop.index, BITS // 8) for place in (mask, sign)
            )
            for i in range(BITS // LANES):
                values = at.load(at.ahead(read, i, size * LANES), kind)
                filled = differ(values, zeros(kind))
                other = builder.and_(differ(values, one), differ(values, minus))
                other = builder.and_(filled, other)
                builder.store(builder.or_(builder.load(strange), other), strange)
                at.store(builder.bitcast(filled, I16), at.ahead(masks, i, LANES // 8))
                negative = less("<", values, zeros(kind))
                at.store(builder.bitcast(negative, I16), at.ahead(signs, i, LANES // 8))
        return builder.zext(builder.bitcast(builder.load(strange), I16), I64)

    return types.int64(x, words, numbers), emit


def _plain_ternary_words(x, words, numbers):
    start, mask, sign, count = numbers
    values = x[start : start + count * BITS]
    for place, bits in ((mask, values != 0), (sign, values < 0)):
        words[place : place + count] = np.packbits(bits, bitorder="little").view("<u8")
    return int(not np.isin(values, (-1, 0, 1)).all())


if numba.config.DISABLE_JIT:
    _ternary_words = _plain_ternary_words


@compiled
def _task(task, x, sizes, words):
    """Pack ``TASK`` rows; return 0 if all values are -1, 0 and 1."""
    n_rows, length, inner = sizes
    whole, n_words = length // BITS, -(-length // BITS)
    strange, last = 0, np.zeros(BITS, x.dtype)
    row, stop = task * TASK, min((task + 1) * TASK, n_rows)
    while row < stop:
        mask = (row // inner * 2 * inner + row % inner) * n_words
        sign, together = mask + inner * n_words, 1
        if n_words == whole:  # rows follow one another without a gap, to the end of an item
            together = min(stop - row, inner - row % inner)
        strange |= _ternary_words(x, words, (row * length, mask, sign, together * whole))
        if n_words > whole:
            for i in range(length - whole * BITS):
                last[i] = x[row * length + whole * BITS + i]
            strange |= _ternary_words(last, words, (0, mask + whole, sign + whole, 1))
        row += together
    return strange


@both
def ternary_rows(n_tasks, x, sizes, words):
    """Pack the rows of ``x``; return how many tasks met a value other than -1, 0 and 1.

    ``sizes``: rows, values of each, and how many rows make an item of the first axis: its masks
    come before its signs.
    """
    strange = 0
    for task in prange(n_tasks):
        strange += _task(np.int64(task), x, sizes, words) != 0
    return strange
