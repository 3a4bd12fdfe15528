"""The inner loop of products of 8-bit integers, uint8 with int8: a tile of rows times panels.

Sixteen outputs are the lanes of 32 bits of a register, four places of K the bytes of a lane.
A row is given by where it starts and by runs of bytes, so that it may be the window of an image.
"""

import itertools
from typing import NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from quantlib.kernels._ir import I8, I16, I32, I64, Pointers, has, splat, vector
from quantlib.kernels._requantize import (
    LANES,
    WORDS,
    Row,
    call,
    packed_codes,
    prescale,
    requantized,
)

__all__ = ["FOUR_BYTES", "ROWS", "WIDTHS", "Place", "tile"]

#: One instruction multiplies 64 bytes with 64 others and adds them up in lanes of 32 bits ("VNNI").
FOUR_BYTES = has("avx512vnni") and has("avx512bw")

#: Or one multiplies numbers of 16 bits, and adds two products up.
_PAIRS = {16: "llvm.x86.avx512.pmaddw.d.512", 8: "llvm.x86.avx2.pmadd.wd"}

#: Lanes of a register; rows of a tile; panels of a tile, the largest number first. The sums are in
#: registers: 24 of 32 where there are so many, or 8 of 16.
_LANES, ROWS, WIDTHS = (
    (16, 6, (4, 2, 1))
    if FOUR_BYTES
    else (16, 6, (2, 1))
    if has("avx512bw")
    else (8, 4, (1,))
    if has("avx2")
    else (16, 4, (1,))
)


class Place(NamedTuple):
    """Where a tile lies in the flat arrays, and how its sums are written."""

    x: int  # the byte that places are counted from
    first: int  # row
    last: int  # row that there is: a tile that reaches beyond does it several times
    w: int  # byte of the first panel
    panel: int  # bytes of a panel
    n_runs: int
    run_words: int  # four bytes each
    lane: int  # in the table
    out: int  # number of the first result of row 0
    out_stride: int
    summed: int  # whether sums are wanted
    asymmetric: int  # whether weights have zero points
    narrow: int  # whether sums are clamped and shifted
    zero_point: int  # of the codes
    low: int
    high: int


class _Tile:
    """The instructions of a tile."""

    def __init__(self, at, place, n_lanes, rows, panels):
        self.at, self.builder, self.place, self.n_lanes = at, at.builder, place, n_lanes
        self.rows, self.panels, self.parts = range(rows), range(panels), range(LANES // _LANES)
        self.numbers = []
        for r in self.rows:
            number = self.builder.add(place.first, I64(r))
            inside = self.builder.icmp_signed("<", number, place.last)
            self.numbers.append(self.builder.select(inside, number, place.last))

    def column(self, row, panel):
        """Return a row of the table for the lanes of a panel."""
        index = self.builder.add(self.place.lane, I64(LANES * panel))
        index = self.builder.add(index, self.builder.mul(self.n_lanes, I64(int(row))))
        return self.at.load(self.at.element(4, index), WORDS)

    def starts(self):
        """Return where sums start: at an offset, less the zero point times the sum of the row."""
        at, builder = self.at, self.builder
        keys = list(itertools.product(self.rows, self.panels))
        first = {p: self.column(Row.OFFSET, p) for p in self.panels}
        totals = {(r, p): cgutils.alloca_once_value(builder, first[p]) for r, p in keys}
        with builder.if_then(builder.icmp_signed("!=", self.place.asymmetric, I64(0))):
            sums = [at.load(at.element(5, number), I32) for number in self.numbers]
            for p in self.panels:
                zero_point = self.column(Row.ZERO_POINT, p)
                for r in self.rows:
                    less = builder.mul(splat(builder, sums[r], LANES), zero_point)
                    builder.store(builder.sub(first[p], less), totals[r, p])
        parts = {}
        for key in keys:
            value = builder.load(totals[key])
            for part in self.parts:
                lanes = [part * _LANES + i for i in range(_LANES)]
                chosen = builder.shuffle_vector(
                    value, value, ir.Constant(vector(I32, _LANES), lanes)
                )
                parts[(*key, part)] = cgutils.alloca_once_value(builder, chosen)
        return parts

    def sums(self):
        """Return the sums of products of all rows and panels."""
        at, builder, place = self.at, self.builder, self.place
        totals = self.starts()
        sources = []
        for number in self.numbers:
            start = builder.add(place.x, at.load(at.element(3, number), I64))
            sources.append(at.element(0, start))
        panel = at.element(1, place.w)
        panels = [at.ahead(panel, builder.mul(place.panel, I64(p)), 1) for p in self.panels]
        with cgutils.for_range(builder, place.n_runs) as loop:
            run = at.load(at.element(2, loop.index), I64)
            before = builder.mul(loop.index, place.run_words)
            heres = [at.ahead(source, run, 1) for source in sources]
            with cgutils.for_range(builder, place.run_words) as inner:
                word = builder.add(before, inner.index)
                weights = {}
                for p, part in itertools.product(self.panels, self.parts):
                    start = at.ahead(at.ahead(panels[p], word, 4 * LANES), 4 * _LANES * part, 1)
                    weights[p, part] = self.split(at.load(start, vector(I8, 4 * _LANES)))
                for r in self.rows:
                    a = self.spread(at.load(at.ahead(heres[r], inner.index, 4), I32))
                    for (p, part), w in weights.items():
                        total = totals[r, p, part]
                        builder.store(self.added(builder.load(total), a, w), total)
        joined, whole = {}, ir.Constant(WORDS, list(range(LANES)))
        for r, p in itertools.product(self.rows, self.panels):
            parts = [builder.load(totals[r, p, part]) for part in self.parts]
            joined[r, p] = parts[0] if len(parts) == 1 else builder.shuffle_vector(*parts, whole)
        return joined

    def split(self, weights):
        """Return weights as they are multiplied: as bytes, or the even and the odd in 16 bits."""
        if FOUR_BYTES:
            return weights
        builder, short = self.builder, vector(I16, 2 * _LANES)
        eight = ir.Constant(short, [8] * short.count)
        weights = builder.bitcast(weights, short)
        return builder.ashr(builder.shl(weights, eight), eight), builder.ashr(weights, eight)

    def spread(self, word):
        """Return four bytes in every lane, in the same way."""
        builder = self.builder
        if FOUR_BYTES:
            return builder.bitcast(splat(builder, word, LANES), vector(I8, 4 * LANES))
        halves = word, builder.lshr(word, I32(8))
        halves = [builder.and_(half, I32(0xFF00FF)) for half in halves]
        kind = vector(I16, 2 * _LANES)
        return [builder.bitcast(splat(builder, half, _LANES), kind) for half in halves]

    def added(self, total, a, w):
        """Add the four products of each lane."""
        builder, kind = self.builder, total.type
        if FOUR_BYTES:
            return call(builder, "llvm.x86.avx512.vpdpbusd.512", kind, total, a, w)
        for pair in zip(a, w, strict=True):
            if has("avx2"):
                products = call(builder, _PAIRS[_LANES], kind, *pair)
                total = builder.add(total, products)
                continue
            sixteen = ir.Constant(kind, [16] * kind.count)
            a_, w_ = (builder.bitcast(x, kind) for x in pair)
            low = [builder.ashr(builder.shl(x, sixteen), sixteen) for x in (a_, w_)]
            high = [builder.ashr(x, sixteen) for x in (a_, w_)]
            for factors in (low, high):
                total = builder.add(total, builder.mul(*factors))
        return total

    def write(self, totals):
        """Write sums, or codes."""
        at, builder, place = self.at, self.builder, self.place
        outs = [
            builder.add(place.out, builder.mul(number, place.out_stride)) for number in self.numbers
        ]
        with builder.if_else(builder.icmp_signed("!=", place.summed, I64(0))) as (sums, codes):
            with sums:
                for (r, p), total in totals.items():
                    at.store(total, at.element(6, builder.add(outs[r], I64(LANES * p))))
            with codes:
                for r, row in self.codes(totals).items():
                    for i, value in enumerate(row):
                        index = builder.add(outs[r], I64(value.type.count * i))
                        at.store(value, at.element(7, index))

    def codes(self, totals):
        """Return the codes of each row."""
        builder, place = self.builder, self.place
        held = {key: cgutils.alloca_once_value(builder, total) for key, total in totals.items()}
        with builder.if_then(builder.icmp_signed("!=", place.narrow, I64(0))):
            for p in self.panels:
                how = [self.column(row, p) for row in (Row.MOST, Row.LEFT)]
                for r in self.rows:
                    builder.store(prescale(builder, totals[r, p], *how), held[r, p])
        values = {}
        for p in self.panels:
            how = [self.column(row, p) for row in (Row.MULTIPLIER, Row.HALF, Row.RIGHT)]
            for r in self.rows:
                values[r, p] = requantized(builder, builder.load(held[r, p]), *how)
        limits = [builder.trunc(x, I32) for x in (place.zero_point, place.low, place.high)]
        return {
            r: packed_codes(builder, [values[r, p] for p in self.panels], limits) for r in self.rows
        }


@intrinsic
def tile(typing_context, x, w, runs, places, table, row_sums, sums, codes, shape, place):
    """Compute rows by panels of ``shape``: a :class:`Place` tells where.

    ``runs``: where the runs of a row start; ``places``: where the rows do; ``table``: see
    ``_requantize``; ``row_sums``: of the bytes of each row, read if weights have zero points.
    """

    def emit(context, builder, signature, args):
        at = Pointers(context, builder, signature, args)
        wanted = cgutils.unpack_tuple(builder, args[8])
        table = context.make_array(signature.args[4])(context, builder, args[4])
        n_lanes = cgutils.unpack_tuple(builder, table.shape)[1]
        shapes = [(ROWS, width) for width in WIDTHS] + [(1, WIDTHS[0]), (1, 1)]
        for known in dict.fromkeys(shapes):
            pairs = zip(wanted, known, strict=True)
            same = [builder.icmp_signed("==", value, value.type(i)) for value, i in pairs]
            with builder.if_then(builder.and_(*same)):
                work = _Tile(at, Place(*cgutils.unpack_tuple(builder, args[9])), n_lanes, *known)
                work.write(work.sums())
        return context.get_dummy_value()

    given = x, w, runs, places, table, row_sums, sums, codes, shape, place
    return types.void(*given), emit


def _plain_tile(x, w, runs, places, table, row_sums, sums, codes, shape, place):
    rows, panels = shape
    n_lanes, n_words = panels * LANES, place.n_runs * place.run_words
    lanes = slice(place.lane, place.lane + n_lanes)
    offset, zero_point, most, left, multiplier, half, right = table[:, lanes].astype(np.int64)
    weights = w[place.w : place.w + panels * place.panel].reshape(panels, n_words, LANES, 4)
    weights = weights.transpose(0, 2, 1, 3).reshape(n_lanes, -1).astype(np.int64)
    for r in range(rows):
        number = min(place.first + r, place.last)
        starts = place.x + places[number] + runs[:, None] + np.arange(4 * place.run_words)
        total = offset + weights @ x[starts.reshape(-1)]
        total -= zero_point * row_sums[number] if place.asymmetric else 0
        first = place.out + number * place.out_stride
        if place.summed:
            sums[first : first + n_lanes] = total
            continue
        total = np.clip(total, -most, most) << left
        total = ((total * multiplier >> 32) + half >> right) + place.zero_point
        codes[first : first + n_lanes] = np.clip(total, place.low, place.high)


if numba.config.DISABLE_JIT:
    tile = _plain_tile
