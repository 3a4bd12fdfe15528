"""The inner loop of depthwise convolution of 8-bit integers: 64 outputs at once.

The bytes that four taps meet are interleaved, so that the four products of an output lie in one
lane of 32 bits, where one instruction adds them up ("VNNI"). Packing the codes puts them in order
again. Of a window of 3 x 3 the taps of a column, and the one below, serve two rows of the result.
"""

from typing import NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from quantlib.kernels._int8_layout import BLOCK
from quantlib.kernels._ir import I8, I32, I64, Pointers, vector
from quantlib.kernels._requantize import (
    LANES,
    WORDS,
    Row,
    call,
    packed_codes,
    prescale,
    requantized,
)

__all__ = ["Line", "line"]

#: Taps, in fours, of a window of 3 x 3: for these the loop is written out.
_COMMON_FOURS = 3


class Line(NamedTuple):
    """Blocks of a row of the result, or of two, that have the same weights."""

    x: int  # the byte that taps are counted from
    across: int  # bytes from a block to the next one
    count: int
    w: int
    fours: int  # taps
    rows: int  # that are computed at once: two, of windows 3 high, or one
    lane: int  # in the table
    out: int
    out_stride: int
    below: int  # from a result to the one of the second row
    summed: int
    narrow: int
    zero_point: int
    low: int
    high: int


def _interleaved(builder, rows):
    """Return four vectors of 64 bytes, those of the four ``rows`` side by side in words."""

    def dealt(a, b, size):
        """Interleave the lower and the upper halves of each 16 bytes, ``size`` bytes at a time."""
        kind = vector(ir.IntType(8 * size), BLOCK // size)
        a, b = builder.bitcast(a, kind), builder.bitcast(b, kind)
        lane, found = 16 // size, []
        for half in (0, lane // 2):
            places = [
                place
                for start in range(half, kind.count, lane)
                for i in range(start, start + lane // 2)
                for place in (i, kind.count + i)
            ]
            mask = ir.Constant(vector(I32, kind.count), places)
            found.append(builder.shuffle_vector(a, b, mask))
        return found

    first, second = dealt(*rows[:2], 1), dealt(*rows[2:], 1)
    bytes_ = vector(I8, BLOCK)
    return [
        builder.bitcast(words, bytes_)
        for pair in zip(first, second, strict=True)
        for words in dealt(*pair, 2)
    ]


class _Blocks:
    """The instructions of a line."""

    def __init__(self, at, line, n_lanes):
        self.at, self.builder, self.line, self.n_lanes = at, at.builder, line, n_lanes

    def column(self, row):
        """Return a row of the table for the lanes of a block."""
        index = self.builder.add(self.line.lane, self.builder.mul(self.n_lanes, I64(int(row))))
        start = self.at.element(3, index)
        return [self.at.load(self.at.ahead(start, LANES * j, 4), WORDS) for j in range(4)]

    def weights(self, four, rows):
        """Return the weights of four taps, for each row."""
        start = self.at.ahead(self.at.element(1, self.line.w), four, 4 * BLOCK * rows)
        return [
            self.at.load(self.at.ahead(start, BLOCK * j, 1), vector(I8, BLOCK))
            for j in range(4 * rows)
        ]

    def taps(self, four):
        """Return where four taps are."""
        if isinstance(four, int):
            four = I64(four)
        start = self.at.element(2, self.builder.mul(four, I64(4)))
        return [self.at.load(self.at.ahead(start, i, 8), I64) for i in range(4)]

    def add_four(self, totals, here, taps, weights):
        """Return sums with four taps added."""
        at, builder = self.at, self.builder
        bytes_ = [at.load(at.ahead(here, tap, 1), vector(I8, BLOCK)) for tap in taps]
        bytes_ = _interleaved(builder, bytes_) * (len(totals) // 4)
        return [
            call(builder, "llvm.x86.avx512.vpdpbusd.512", WORDS, *operands)
            for operands in zip(totals, bytes_, weights, strict=True)
        ]

    def run(self, known_fours, rows):
        """Compute the whole line.

        What would not stay in registers is read anew for each block: where a register that is
        kept on the stack starts, no line of the cache does.
        """
        at, builder, line = self.at, self.builder, self.line
        multiplier, fours = self.column(Row.MULTIPLIER), range(known_fours or 0)
        known_taps = [self.taps(four) for four in fours]
        with cgutils.for_range(builder, line.count) as loop:
            start = builder.add(line.x, builder.mul(loop.index, line.across))
            out = builder.add(line.out, builder.mul(loop.index, line.out_stride))
            here, totals = at.element(0, start), self.column(Row.OFFSET) * rows
            for four, taps in zip(fours, known_taps, strict=True):
                totals = self.add_four(totals, here, taps, self.weights(four, rows))
            if not known_fours:
                held = [cgutils.alloca_once_value(builder, total) for total in totals]
                with cgutils.for_range(builder, line.fours) as inner:
                    before = [builder.load(total) for total in held]
                    four = self.taps(inner.index), self.weights(inner.index, rows)
                    for place, total in zip(held, self.add_four(before, here, *four), strict=True):
                        builder.store(total, place)
                totals = [builder.load(total) for total in held]
            how = multiplier, self.column(Row.HALF), self.column(Row.RIGHT)
            for row in reversed(range(rows)):  # the first one may write over the second one
                place = builder.add(out, builder.mul(line.below, I64(row)))
                self.write(totals[4 * row : 4 * row + 4], how, place)

    def write(self, totals, how, out):
        """Write sums, or codes."""
        at, builder, line = self.at, self.builder, self.line
        with builder.if_else(builder.icmp_signed("!=", line.summed, I64(0))) as (sums, codes):
            with sums:
                for lane in range(4):
                    places = [16 * j + 4 * lane + i for j in (0, 1) for i in range(4)]
                    mask = ir.Constant(vector(I32, 8), places)
                    halves = [
                        builder.shuffle_vector(*pair, mask) for pair in (totals[:2], totals[2:])
                    ]
                    whole = ir.Constant(WORDS, list(range(LANES)))
                    value = builder.shuffle_vector(*halves, whole)
                    at.store(value, at.element(4, builder.add(out, I64(LANES * lane))))
            with codes:
                held = [cgutils.alloca_once_value(builder, total) for total in totals]
                with builder.if_then(builder.icmp_signed("!=", line.narrow, I64(0))):
                    limits = zip(self.column(Row.MOST), self.column(Row.LEFT), strict=True)
                    for place, total, limit in zip(held, totals, limits, strict=True):
                        builder.store(prescale(builder, total, *limit), place)
                values = [
                    requantized(builder, builder.load(place), *(column[j] for column in how))
                    for j, place in enumerate(held)
                ]
                limits = [builder.trunc(x, I32) for x in (line.zero_point, line.low, line.high)]
                (packed,) = packed_codes(builder, values, limits, in_lanes=True)
                at.store(packed, at.element(5, out))


@intrinsic
def line(typing_context, x, w, taps, table, sums, codes, place):
    """Compute the blocks of a :class:`Line`."""

    def emit(context, builder, signature, args):
        at = Pointers(context, builder, signature, args)
        table = context.make_array(signature.args[3])(context, builder, args[3])
        n_lanes = cgutils.unpack_tuple(builder, table.shape)[1]
        place = Line(*cgutils.unpack_tuple(builder, args[6]))
        blocks = _Blocks(at, place, n_lanes)
        paired = builder.icmp_signed("==", place.rows, I64(2))
        common = builder.icmp_signed("==", place.fours, I64(_COMMON_FOURS))
        with builder.if_else(paired) as (two, one):
            with two:
                blocks.run(_COMMON_FOURS, 2)
            with one, builder.if_else(common) as (unrolled, general):
                with unrolled:
                    blocks.run(_COMMON_FOURS, 1)
                with general:
                    blocks.run(None, 1)
        return context.get_dummy_value()

    return types.void(x, w, taps, table, sums, codes, place), emit
