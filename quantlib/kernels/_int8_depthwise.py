"""Depthwise convolution of 8-bit integers: each output has a channel of its own.

Sixty-four neighbouring outputs are computed together. The bytes that four taps meet are
interleaved, so that the four products of an output lie in one lane of 32 bits, where one
instruction adds them up ("VNNI"). Packing the codes puts them in order again.

Where pixels of the result that follow one another read pixels that do, a row is one line of bytes
for which the weights repeat: 64 bytes may be two pixels of 32 channels.
"""

from typing import NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from quantlib.kernels._compile import both, compiled
from quantlib.kernels._int8_band import band_of
from quantlib.kernels._int8_layout import BLOCK, by_fours, by_taps, period
from quantlib.kernels._int8_plan import Codes, Sizes
from quantlib.kernels._int8_tile import FOUR_BYTES
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
from quantlib.kernels._windows import Window

__all__ = ["chosen"]

#: Taps, in fours, of a window of 3 x 3: for these the loop is written out.
_COMMON_FOURS = 3


class Line(NamedTuple):
    """Blocks of a row of the result that have the same weights."""

    x: int  # the byte that taps are counted from
    across: int  # bytes from a block to the next one
    count: int
    w: int
    fours: int  # taps
    lane: int  # in the table
    out: int
    out_stride: int
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

    def weights(self, four):
        """Return the weights of four taps."""
        start = self.at.ahead(self.at.element(1, self.line.w), four, 4 * BLOCK)
        return [
            self.at.load(self.at.ahead(start, BLOCK * j, 1), vector(I8, BLOCK)) for j in range(4)
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
        rows = [at.load(at.ahead(here, tap, 1), vector(I8, BLOCK)) for tap in taps]
        return [
            call(builder, "llvm.x86.avx512.vpdpbusd.512", WORDS, total, bytes_, weight)
            for total, bytes_, weight in zip(
                totals, _interleaved(builder, rows), weights, strict=True
            )
        ]

    def run(self, known_fours):
        """Compute the whole line; all that its blocks share is loaded before."""
        at, builder, line = self.at, self.builder, self.line
        offset = self.column(Row.OFFSET)
        how = [self.column(row) for row in (Row.MULTIPLIER, Row.HALF, Row.RIGHT)]
        fours = range(known_fours or 0)
        known = [(self.taps(four), self.weights(four)) for four in fours]
        with cgutils.for_range(builder, line.count) as loop:
            start = builder.add(line.x, builder.mul(loop.index, line.across))
            out = builder.add(line.out, builder.mul(loop.index, line.out_stride))
            here, totals = at.element(0, start), offset
            for taps, weights in known:
                totals = self.add_four(totals, here, taps, weights)
            if not known_fours:
                held = [cgutils.alloca_once_value(builder, total) for total in totals]
                with cgutils.for_range(builder, line.fours) as inner:
                    before = [builder.load(total) for total in held]
                    four = self.taps(inner.index), self.weights(inner.index)
                    for place, total in zip(held, self.add_four(before, here, *four), strict=True):
                        builder.store(total, place)
                totals = [builder.load(total) for total in held]
            self.write(totals, how, out)

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
def _line(typing_context, x, w, taps, table, sums, codes, line):
    """Compute the blocks of a :class:`Line`."""

    def emit(context, builder, signature, args):
        at = Pointers(context, builder, signature, args)
        table = context.make_array(signature.args[3])(context, builder, args[3])
        n_lanes = cgutils.unpack_tuple(builder, table.shape)[1]
        place = Line(*cgutils.unpack_tuple(builder, args[6]))
        blocks = _Blocks(at, place, n_lanes)
        common = builder.icmp_signed("==", place.fours, I64(_COMMON_FOURS))
        with builder.if_else(common) as (unrolled, general):
            with unrolled:
                blocks.run(_COMMON_FOURS)
            with general:
                blocks.run(None)
        return context.get_dummy_value()

    return types.void(x, w, taps, table, sums, codes, line), emit


@compiled
def _row(band, base, w, taps, table, sums, codes, edge, pixel, flat, narrow, window, sizes, limits):
    """Compute a row of the result, whose first pixel is number ``pixel``."""
    edge_sums, edge_codes = edge
    n_lanes, across = table.shape[1], window.stride_across * sizes.pixel_bytes
    stride = n_lanes if flat else sizes.filters
    line_bytes = sizes.out_width * sizes.filters
    for lane in range(0, n_lanes, BLOCK):
        # Blocks that are whole are written where they belong; of the last one what there is of it.
        if flat:
            across, count = n_lanes, max(0, line_bytes - lane - BLOCK + n_lanes) // n_lanes
            left = line_bytes - lane - count * n_lanes
            rest = 1 if left > 0 else 0
        else:
            whole = sizes.filters - lane >= BLOCK
            count = sizes.out_width if whole else 0
            left, rest = sizes.filters - lane, sizes.out_width - count
        w_first, out = lane * len(taps), pixel * sizes.filters + lane
        line = Line(
            base + lane, across, count, w_first, len(taps) // 4, lane, out, stride, limits.summed,
            narrow, limits.zero_point, limits.low, limits.high,
        )  # fmt: skip
        _line(band, w, taps, table, sums, codes, line)
        for i in range(count, count + rest):
            line = Line(
                base + lane + i * across, across, 1, w_first, len(taps) // 4, lane, 0, BLOCK,
                limits.summed, narrow, limits.zero_point, limits.low, limits.high,
            )  # fmt: skip
            _line(band, w, taps, table, edge_sums, edge_codes, line)
            first = out + i * stride
            for j in range(min(left, BLOCK)):
                if limits.summed:
                    sums[first + j] = edge_sums[j]
                else:
                    codes[first + j] = edge_codes[j]


@compiled
def _plain_row(band, base, w, taps, table, sums, codes, pixel, narrow, window, sizes, limits):
    """Compute a row of the result tap by tap, for any processor."""
    n, across = sizes.filters, window.stride_across * sizes.pixel_bytes
    totals = np.empty(n, np.int32)
    offset, most, left, multiplier, half, right = (
        table[0], table[2], table[3], table[4], table[5], table[6]
    )  # fmt: skip
    for x in range(sizes.out_width):
        for o in range(n):
            totals[o] = offset[o]
        for tap in range(len(taps)):
            start = base + x * across + taps[tap]
            values, weights = band[start : start + n], w[tap * n : (tap + 1) * n]
            for o in range(n):
                totals[o] += np.int32(values[o]) * np.int32(weights[o])
        first = (pixel + x) * n
        if limits.summed:
            for o in range(n):
                sums[first + o] = totals[o]
            continue
        for o in range(n):
            total = np.int64(totals[o])
            if narrow:
                total = max(-np.int64(most[o]), min(np.int64(most[o]), total)) << np.int64(left[o])
            high = (total * np.int64(multiplier[o])) >> 32
            code = ((high + half[o]) >> np.int64(right[o])) + limits.zero_point
            codes[first + o] = np.uint8(max(limits.low, min(limits.high, code)))


@compiled
def _band(task, x, window, sizes, limits):
    """Return the bytes of a task, where the first row starts, its first pixel, and the rows."""
    image, first = task // sizes.n_bands, task % sizes.n_bands * sizes.band_rows
    n_rows = min(sizes.band_rows, sizes.out_height - first)
    band, base = band_of(x, image, 0, first, n_rows, limits.input_zero_point, window, sizes)
    return band, base, (image * sizes.out_height + first) * sizes.out_width, n_rows


@both
def _by_fours(n_tasks, x, w, table, how, taps, places, sums, codes, window, sizes, limits):
    """Convolve by fours of taps; ``how``: whether sums are shifted; if a row is a line of bytes."""
    window, sizes, limits = Window(*window), Sizes(*sizes), Codes(*limits)
    fours = np.empty((len(taps) + 3) // 4 * 4, np.int64)
    for i in range(len(fours)):
        fours[i] = taps[min(i, len(taps) - 1)]
    for task in prange(n_tasks):
        band, base, pixel, n_rows = _band(np.int64(task), x, window, sizes, limits)
        edge = np.empty(BLOCK, np.int32), np.empty(BLOCK, np.uint8)
        for i in range(n_rows):
            _row(
                band, base + i * window.stride_down * sizes.row_bytes, w, fours, table, sums, codes,
                edge, pixel + i * sizes.out_width, how[1], how[0], window, sizes, limits,
            )  # fmt: skip


@both
def _by_taps(n_tasks, x, w, table, how, taps, places, sums, codes, window, sizes, limits):
    """Convolve tap by tap."""
    window, sizes, limits = Window(*window), Sizes(*sizes), Codes(*limits)
    for task in prange(n_tasks):
        band, base, pixel, n_rows = _band(np.int64(task), x, window, sizes, limits)
        for i in range(n_rows):
            _plain_row(
                band, base + i * window.stride_down * sizes.row_bytes, w, taps, table, sums, codes,
                pixel + i * sizes.out_width, how[0], window, sizes, limits,
            )  # fmt: skip


def chosen(weights, *, stride):
    """Return the loops that convolve, the layout of weights that they take, and if lines are flat.

    ``weights``: :class:`Int8Panels`.
    """
    if weights.asymmetric or not FOUR_BYTES or numba.config.DISABLE_JIT:
        return _by_taps, weights.layout(by_taps), 0
    lanes, flat = period(weights.shape[0], stride[1] == 1)
    return _by_fours, weights.layout(by_fours, lanes), int(flat)
