"""The inner loops of packing: 64 comparisons become one word."""

import numba
import numpy as np
from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from quantlib.kernels._compile import both, compiled
from quantlib.kernels._ir import I8, I16, I32, I64, Pointers, splat, vector, zeros

__all__ = [
    "BITS",
    "TASK",
    "bit_rows",
    "block_of_columns",
    "sign_columns",
    "sign_rows",
    "to_panels",
]

BITS, LANES = 64, 16  # of a word; of a register
#: Rows of the array, or columns, that one task packs.
TASK = 64


class _Signs:
    """Reads signs of any real dtype, 16 at once, and keeps in mind whether all were finite.

    Array 0 holds the values; one of 16 unsigned bits those of float16, which numba does not have.
    """

    def __init__(self, at):
        self.at, self.builder, dtype = at, at.builder, at.signature.args[0].dtype
        self.half = dtype == types.uint16
        self.float = isinstance(dtype, types.Float)
        self.size = dtype.bitwidth // 8
        element = at.context.get_data_type(dtype)
        self.kind, self.element = vector(element, LANES), element
        self.check = cgutils.alloca_once_value(self.builder, zeros(self.kind))

    def negative(self, address):
        """Return where the values at an address are below 0."""
        builder, zero = self.builder, zeros(self.kind)
        values = self.at.load(address, self.kind)
        if self.float:
            # 0 times a value is 0 if it is finite, else NaN, which stays.
            self._keep(builder.fadd, builder.fmul(values, zero))
            return builder.fcmp_ordered("<", values, zero)
        if not self.half:
            return builder.icmp_signed("<", values, zero)
        exponent = splat(builder, I16(0x7C00), LANES)
        strange = builder.icmp_signed("==", builder.and_(values, exponent), exponent)
        self._keep(builder.or_, builder.sext(strange, self.kind))
        return builder.icmp_unsigned(">", values, splat(builder, I16(0x8000), LANES))

    def _keep(self, combine, found):
        self.builder.store(combine(self.builder.load(self.check), found), self.check)

    def strange(self):
        """Return 0 if all values were finite."""
        builder, found = self.builder, self.builder.load(self.check)
        compare = builder.fcmp_unordered if self.float else builder.icmp_signed
        bits = builder.bitcast(compare("!=", found, zeros(self.kind)), I16)
        return builder.zext(bits, I64)


@intrinsic
def _sign_words(typing_context, x, words, numbers):
    """Pack signs, 64 to a word (1 = negative); return 0 if all values are finite.

    ``numbers``: where they start in ``x``; where the words go in ``words``, and how many.
    """

    def emit(context, builder, signature, args):
        at = Pointers(context, builder, signature, args)
        start, place, count = cgutils.unpack_tuple(builder, args[2])
        quarters = [_Signs(at) for _ in range(BITS // LANES)]
        size = quarters[0].size
        first, target = at.element(0, start), at.element(1, place)
        with cgutils.for_range(builder, count) as loop:
            read = at.ahead(first, loop.index, size * BITS)
            write = at.ahead(target, loop.index, BITS // 8)
            for i, signs in enumerate(quarters):
                negative = signs.negative(at.ahead(read, i, size * LANES))
                at.store(builder.bitcast(negative, I16), at.ahead(write, i, LANES // 8))
        strange = quarters[0].strange()
        for signs in quarters[1:]:
            strange = builder.or_(strange, signs.strange())
        return strange

    return types.int64(x, words, numbers), emit


@intrinsic
def _sign_lanes(typing_context, x, lanes, numbers):
    """Add the signs of 16 columns to 32-bit words; return 0 if all values are finite.

    ``numbers``: where the columns start in ``x``, and the step from row to row; where the words
    are in ``lanes``, which bit of them is the first row's, and how many rows there are.
    """

    def emit(context, builder, signature, args):
        at, kind = Pointers(context, builder, signature, args), vector(I32, LANES)
        start, step, place, bit, count = cgutils.unpack_tuple(builder, args[2])
        words = at.element(1, place)
        signs, total = _Signs(at), cgutils.alloca_once(builder, kind)
        builder.store(at.load(words, kind), total)
        with cgutils.for_range(builder, count) as loop:
            row = builder.add(start, builder.mul(loop.index, step))
            negative = signs.negative(at.element(0, row))
            flag = builder.shl(I32(1), builder.trunc(builder.add(bit, loop.index), I32))
            flags = builder.select(negative, splat(builder, flag, LANES), zeros(kind))
            builder.store(builder.or_(builder.load(total), flags), total)
        at.store(builder.load(total), words)
        return signs.strange()

    return types.int64(x, lanes, numbers), emit


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


def _plain_signs(values):
    """Return which values are below 0, and 0 if all are finite."""
    values = values.view(np.float16) if values.dtype == np.uint16 else values
    return values < 0, int(not np.isfinite(values).all())


def _plain_sign_words(x, words, numbers):
    start, place, count = numbers
    negative, strange = _plain_signs(x[start : start + count * BITS])
    words[place : place + count] = np.packbits(negative, bitorder="little").view("<u8")
    return strange


def _plain_sign_lanes(x, lanes, numbers):
    start, step, place, bit, count = numbers
    rows = start + step * np.arange(count)[:, None]
    negative, strange = _plain_signs(x[rows + np.arange(LANES)])
    flags = np.uint32(1) << np.arange(bit, bit + count, dtype=np.uint32)
    lanes[place : place + LANES] |= (negative * flags[:, None]).sum(axis=0, dtype=np.uint32)
    return strange


def _plain_bit_word(x, start, bit):
    found = (x[start : start + BITS] >> bit & 1) != 0
    return np.packbits(found, bitorder="little").view("<u8")[0]


if numba.config.DISABLE_JIT:
    _sign_words, _sign_lanes, _bit_word = _plain_sign_words, _plain_sign_lanes, _plain_bit_word


@compiled
def _sign_rows_task(task, x, n_rows, length, words):
    """Pack ``TASK`` rows; return 0 if all values are finite."""
    whole, n_words = length // BITS, -(-length // BITS)
    first, stop = task * TASK, min((task + 1) * TASK, n_rows)
    if n_words == whole:  # rows follow one another without a gap
        return _sign_words(x, words, (first * length, first * whole, (stop - first) * whole))
    strange, last = 0, np.zeros(BITS, x.dtype)
    for row in range(first, stop):
        strange |= _sign_words(x, words, (row * length, row * n_words, whole))
        for i in range(length - whole * BITS):
            last[i] = x[row * length + whole * BITS + i]
        strange |= _sign_words(last, words, (0, row * n_words + whole, 1))
    return strange


@both
def sign_rows(n_tasks, x, n_rows, length, words):
    """Pack the signs of the rows of ``x``; return how many tasks met a value not finite."""
    strange = 0
    for task in prange(n_tasks):
        strange += _sign_rows_task(np.int64(task), x, n_rows, length, words) != 0
    return strange


def block_of_columns(row_bytes):
    """Return how many columns a task packs, and how many of their rows it reads side by side.

    A set of the cache has some 8 lines. Rows of a multiple of 4 KB all fall into the same set, so
    that 32 side by side drive each other out.
    """
    return (512, 8) if row_bytes % 2048 == 0 else (TASK, BITS // 2)


@compiled
def _sign_columns_task(task, x, length, inner, block, words):
    """Pack a block of columns, 16 at once; return 0 if all values are finite."""
    n_columns, n_rows = block
    across, n_words = -(-inner // n_columns), 2 * -(-length // BITS)
    outer, first = task // across, task % across * n_columns
    width, strange = min(n_columns, inner - first), 0
    lanes = np.empty(LANES + n_columns, np.uint32)
    few = np.zeros(BITS // 2 * LANES if inner < LANES else 0, x.dtype)
    for w in range(n_words):
        row = outer * length + w * BITS // 2
        n_bits = max(0, min(BITS // 2, length - w * BITS // 2))
        for lane in range(LANES + width):
            lanes[lane] = 0
        if inner < LANES:
            for bit in range(n_bits):
                place, start = bit * LANES, (row + bit) * inner
                for i in range(inner):
                    few[place + i] = x[start + i]
            strange |= _sign_lanes(few, lanes, (0, LANES, LANES, 0, n_bits))
        else:
            for bit in range(0, n_bits, n_rows):
                count = min(n_rows, n_bits - bit)
                for lane in range(0, width, LANES):
                    lane = min(lane, width - LANES)  # the last ones again, or some before these
                    start = (row + bit) * inner + first + lane
                    strange |= _sign_lanes(x, lanes, (start, inner, LANES + lane, bit, count))
        for lane in range(width):
            words[(outer * inner + first + lane) * n_words + w] = lanes[LANES + lane]
    return strange


@both
def sign_columns(n_tasks, x, length, inner, block, words):
    """Pack ``x`` (outer x length x inner) along its middle axis, into 32-bit halves of words."""
    strange = 0
    for task in prange(n_tasks):
        strange += _sign_columns_task(np.int64(task), x, length, inner, block, words) != 0
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
