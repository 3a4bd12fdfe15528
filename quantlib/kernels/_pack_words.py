"""The inner loops of packing: 64 comparisons become one word."""

import numba
import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.extending import intrinsic

from quantlib.kernels._compile import compiled
from quantlib.kernels._ir import F32, I8, I64, Pointers, splat, vector, zeros

__all__ = [
    "BITS",
    "TASK",
    "bit_rows",
    "bit_rows_parallel",
    "sign_columns",
    "sign_columns_parallel",
    "sign_rows",
    "sign_rows_parallel",
    "to_panels",
]

BITS = 64
#: Rows of the array, or columns, that one task packs.
TASK = 64


@intrinsic
def _sign_word(typing_context, x, start):
    """Return 64 sign bits of ``x`` (1 = negative) and a word that is 0 if all 64 are finite."""

    def emit(context, builder, signature, args):
        at = Pointers(context, builder, signature, args)
        values = at.load(at.element(0, args[1]), vector(F32, BITS))
        negative = builder.fcmp_ordered("<", values, zeros(vector(F32, BITS)))
        bare = builder.bitcast(values, vector(ir.IntType(32), BITS))
        bare = builder.and_(bare, splat(builder, ir.IntType(32)(0x7FFFFFFF), BITS))
        infinity = splat(builder, ir.IntType(32)(0x7F800000), BITS)
        strange = builder.icmp_unsigned(">=", bare, infinity)
        words = [builder.bitcast(mask, I64) for mask in (negative, strange)]
        return context.make_tuple(builder, signature.return_type, words)

    return types.UniTuple(types.uint64, 2)(x, types.int64), emit


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


def _plain_sign_word(x, start):
    values = x[start : start + BITS]
    return _plain_word(values < 0), _plain_word(~np.isfinite(values))


def _plain_bit_word(x, start, bit):
    return _plain_word((x[start : start + BITS] >> bit & 1) != 0)


def _plain_word(flags):
    return np.packbits(flags, bitorder="little").view("<u8")[0]


if numba.config.DISABLE_JIT:
    _sign_word, _bit_word = _plain_sign_word, _plain_bit_word


@compiled
def _sign_rows_task(task, x, n_rows, length, words, strange):
    whole, n_words = length // BITS, -(-length // BITS)
    for row in range(task * TASK, min((task + 1) * TASK, n_rows)):
        bad = np.uint64(0)
        for w in range(whole):
            words[row * n_words + w], more = _sign_word(x, row * length + w * BITS)
            bad |= more
        if n_words > whole:
            word = np.uint64(0)
            for i in range(whole * BITS, length):
                value = x[row * length + i]
                word |= np.uint64(value < 0) << np.uint64(i - whole * BITS)
                bad |= np.uint64(not np.isfinite(value))
            words[row * n_words + whole] = word
        strange[task] |= bad != 0


@compiled
def sign_rows(n_tasks, x, n_rows, length, words, strange):
    """Pack the signs of the rows of ``x``; mark tasks that met a value that is not finite."""
    for task in range(n_tasks):
        _sign_rows_task(task, x, n_rows, length, words, strange)


@compiled(parallel=True)
def sign_rows_parallel(n_tasks, x, n_rows, length, words, strange):
    """Do what :func:`sign_rows` does on several threads."""
    for task in prange(n_tasks):
        _sign_rows_task(np.int64(task), x, n_rows, length, words, strange)


@compiled
def _sign_columns_task(task, x, length, inner, words, strange):
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
    strange[task] = bad.any()


@compiled
def sign_columns(n_tasks, x, length, inner, words, strange):
    """Pack the signs of ``x`` (outer x length x inner) along its middle axis."""
    for task in range(n_tasks):
        _sign_columns_task(task, x, length, inner, words, strange)


@compiled(parallel=True)
def sign_columns_parallel(n_tasks, x, length, inner, words, strange):
    """Do what :func:`sign_columns` does on several threads."""
    for task in prange(n_tasks):
        _sign_columns_task(np.int64(task), x, length, inner, words, strange)


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


@compiled
def bit_rows(n_tasks, x, n_rows, length, bits, words):
    """Pack chosen ``bits`` of the bytes ``x``, plane by plane in each row."""
    for task in range(n_tasks):
        _bit_rows_task(task, x, n_rows, length, bits, words)


@compiled(parallel=True)
def bit_rows_parallel(n_tasks, x, n_rows, length, bits, words):
    """Do what :func:`bit_rows` does on several threads."""
    for task in prange(n_tasks):
        _bit_rows_task(np.int64(task), x, n_rows, length, bits, words)


@compiled
def to_panels(words, panels, running):
    """Copy rows of 32-bit words (rows x runs x words) into panels of rows, word-major.

    With ``running``, word w becomes the XOR of the words of its run up to w, complemented for
    w = 4i + 1. The last panel's missing rows count as zeros.
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
                    panels[p, r, w, lane] = ~total if running and w % 4 == 1 else total
