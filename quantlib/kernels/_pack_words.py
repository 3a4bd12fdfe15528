"""The inner loops of packing: 64 comparisons become one word."""

import numba
import numpy as np
from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from quantlib.kernels._compile import both, compiled
from quantlib.kernels._ir import F32, I8, I16, I64, Pointers, splat, vector, zeros

__all__ = [
    "BITS",
    "TASK",
    "bit_rows",
    "sign_columns",
    "sign_rows",
    "to_panels",
]

BITS, LANES = 64, 16  # of a word; of a register
#: Rows of the array, or columns, that one task packs.
TASK = 64


@intrinsic
def _sign_words(typing_context, x, words, numbers):
    """Pack signs, 64 to a word (1 = negative); return 0 if all values are finite.

    ``numbers``: where they start in ``x``; where the words go in ``words``, and how many.
    """

    def emit(context, builder, signature, args):
        at = Pointers(context, builder, signature, args)
        start, place, count = cgutils.unpack_tuple(builder, args[2])
        kind, quarters = vector(F32, LANES), range(BITS // LANES)
        first, target = at.element(0, start), at.element(1, place)
        checks = [cgutils.alloca_once_value(builder, zeros(kind)) for _ in quarters]
        with cgutils.for_range(builder, count) as loop:
            read = at.ahead(first, loop.index, 4 * BITS)
            write = at.ahead(target, loop.index, BITS // 8)
            for i, check in enumerate(checks):
                values = at.load(at.ahead(read, i, 4 * LANES), kind)
                negative = builder.fcmp_ordered("<", values, zeros(kind))
                at.store(builder.bitcast(negative, I16), at.ahead(write, i, LANES // 8))
                # 0 times a value is 0 if it is finite, else NaN, which stays.
                nothing = builder.fmul(values, zeros(kind))
                builder.store(builder.fadd(builder.load(check), nothing), check)
        total = builder.load(checks[0])
        for check in checks[1:]:
            total = builder.fadd(total, builder.load(check))
        strange = builder.fcmp_unordered("uno", total, total)
        return builder.zext(builder.bitcast(strange, I16), I64)

    return types.int64(x, words, numbers), emit


@intrinsic
def _bit_word(typing_context, x, start, bit):
    """Return bit number ``bit`` of 64 bytes of ``x``."""

    def emit(context, builder, signature, args):
        at = Pointers(context, builder, signature, args)
        values = at.load(at.element(0, args[1]), vector(I8, BITS))
        chosen = builder.shl(I8(1), builder.trunc(args[2], I8))
        found = builder.and_(values, splat(builder, chosen, BITS))
        return builder.bitcast(builder.icmp_unsigned("!=", found, zeros(found.type)), I64)

    return types.uint64(x, types.int64, types.int64), emit


def _plain_sign_words(x, words, numbers):
    start, place, count = numbers
    values = x[start : start + count * BITS]
    words[place : place + count] = np.packbits(values < 0, bitorder="little").view("<u8")
    return int(not np.isfinite(values).all())


def _plain_bit_word(x, start, bit):
    found = (x[start : start + BITS] >> bit & 1) != 0
    return np.packbits(found, bitorder="little").view("<u8")[0]


if numba.config.DISABLE_JIT:
    _sign_words, _bit_word = _plain_sign_words, _plain_bit_word


@compiled
def _sign_rows_task(task, x, n_rows, length, words):
    """Pack ``TASK`` rows; return whether they hold a value that is not finite."""
    whole, n_words = length // BITS, -(-length // BITS)
    first, stop = task * TASK, min((task + 1) * TASK, n_rows)
    if n_words == whole:  # rows follow one another without a gap
        return _sign_words(x, words, (first * length, first * whole, (stop - first) * whole)) != 0
    bad = False
    for row in range(first, stop):
        bad |= _sign_words(x, words, (row * length, row * n_words, whole)) != 0
        word = np.uint64(0)
        for i in range(whole * BITS, length):
            value = x[row * length + i]
            word |= np.uint64(value < 0) << np.uint64(i - whole * BITS)
            bad |= not np.isfinite(value)
        words[row * n_words + whole] = word
    return bad


@both
def sign_rows(n_tasks, x, n_rows, length, words):
    """Pack the signs of the rows of ``x``; return how many tasks met a value not finite."""
    strange = 0
    for task in prange(n_tasks):
        strange += _sign_rows_task(np.int64(task), x, n_rows, length, words)
    return strange


@compiled
def _sign_columns_task(task, x, length, inner, words):
    """Pack 64 columns at once: each lane gathers the bits of one column, row after row."""
    across = -(-inner // TASK)
    outer, first = task // across, task % across * TASK
    width, n_words = min(TASK, inner - first), -(-length // BITS)
    lanes = np.empty(TASK, np.uint64)
    bad = np.zeros(TASK, np.bool_)
    for w in range(n_words):
        lanes[:] = 0
        for bit in range(min(BITS, length - w * BITS)):
            start = (outer * length + w * BITS + bit) * inner + first
            values, flag = x[start : start + width], np.uint64(1) << np.uint64(bit)
            for lane in range(width):
                lanes[lane] |= flag if values[lane] < 0 else np.uint64(0)
                bad[lane] |= not np.isfinite(values[lane])
        for lane in range(width):
            words[(outer * inner + first + lane) * n_words + w] = lanes[lane]
    return bad.any()


@both
def sign_columns(n_tasks, x, length, inner, words):
    """Pack the signs of ``x`` (outer x length x inner) along its middle axis."""
    strange = 0
    for task in prange(n_tasks):
        strange += _sign_columns_task(np.int64(task), x, length, inner, words)
    return strange


@compiled
def _bit_rows_task(task, x, n_rows, length, bits, words):
    whole, n_words = length // BITS, -(-length // BITS)
    for row in range(task * TASK, min((task + 1) * TASK, n_rows)):
        for plane in range(len(bits)):
            place = (row * len(bits) + plane) * n_words
            for w in range(whole):
                words[place + w] = _bit_word(x, row * length + w * BITS, bits[plane])
            if n_words > whole:
                word = np.uint64(0)
                for i in range(whole * BITS, length):
                    found = (x[row * length + i] >> np.uint8(bits[plane])) & np.uint8(1)
                    word |= np.uint64(found) << np.uint64(i - whole * BITS)
                words[place + whole] = word


@both
def bit_rows(n_tasks, x, n_rows, length, bits, words):
    """Pack chosen ``bits`` of the bytes ``x``, plane by plane in each row."""
    for task in prange(n_tasks):
        _bit_rows_task(np.int64(task), x, n_rows, length, bits, words)


@compiled
def to_panels(words, panels, running):
    """Copy rows of 32-bit words (rows x runs x words) into panels of rows, word-major.

    With ``running``, word w becomes the XOR of the words of its run up to w, and is complemented
    if n - w = 4i + 3, for n words in a run. The last panel's missing rows count as zeros.
    """
    n_panels, n_runs, n_words, lanes = panels.shape
    for p in range(n_panels):
        for lane in range(lanes):
            row = p * lanes + lane
            for r in range(n_runs):
                total = np.uint32(0)
                for w in range(n_words):
                    word = words[row, r, w] if row < len(words) else np.uint32(0)
                    total = total ^ word if running else word
                    panels[p, r, w, lane] = ~total if running and (n_words - w) % 4 == 3 else total
