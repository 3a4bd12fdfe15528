"""The loops of products of 8-bit integers with ternary weights of two bits each.

A weight is stored as u = w + 1, from 0 to 2, so that a product of bytes, one with a sign and one
without, does for it: :math:`\\sum_k a_k w_k = \\sum_k a_k u_k - \\sum_k a_k`. Sixteen outputs lie
side by side in the lanes of 32 bits of a register, four places of K in the bytes of a lane, and
four such registers in the pairs of bits of one: a block of sixteen places takes 64 bytes.
"""

import itertools
from typing import NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from quantlib.kernels._compile import both, compiled
from quantlib.kernels._ir import I8, I16, I32, I64, Pointers, has, splat, vector, zeros

__all__ = ["BLOCK", "LANES", "multiply", "task_sizes"]

LANES = 16
BLOCK = 16  # places of K that a register of weights holds

#: One instruction multiplies 64 bytes and adds them up in lanes of 32 bits ("VNNI").
SUMS_BYTES = has("avx512vnni") and has("avx512bw")

#: Rows of a tile of one panel, and panels of a tile of one row: an instruction waits for the last
#: one of its sum, so that a tile has several.
ROWS, PANELS = (8, 4) if SUMS_BYTES else (4, 1)

#: Rows of a task: they stay in the cache while it goes through panels.
TASK_ROWS = 128

#: Blocks whose sums fit into 16 bits: four times 2 * 2 * 128 each.
_BLOCKS_IN_16_BITS = 15

_GROUPS = 4
_WORDS = vector(I32, LANES)


class Place(NamedTuple):
    """Where a tile lies in the flat arrays."""

    a: int  # bytes of its first row
    a_stride: int
    w: int  # bytes of its panel
    c: int
    c_stride: int
    row: int  # in the sums of rows
    n_blocks: int


class _Tile:
    """The instructions of a tile: so many rows times so many panels of sixteen outputs."""

    def __init__(self, at, place, rows, panels):
        self.at, self.builder, self.place = at, at.builder, place
        first, panel = at.element(0, place.a), at.element(1, place.w)
        self.a_rows = [at.ahead(first, self._times(place.a_stride, r), 1) for r in range(rows)]
        step = self._times(place.n_blocks, 64)
        self.panels = [at.ahead(panel, self._times(step, p), 1) for p in range(panels)]
        self.keys = list(itertools.product(range(rows), range(panels)))
        self.row_sums = at.element(3, place.row)

    def _times(self, stride, r):
        return self.builder.mul(stride, I64(r))

    def _four(self, r, block, group):
        """Return four bytes of row ``r`` as one word."""
        start = self.at.ahead(self.a_rows[r], block, BLOCK)
        return self.at.load(self.at.ahead(start, 4 * group, 1), I32)

    def by_words(self):
        """Return the sums of products, byte by byte in lanes of 32 bits: for any processor."""
        builder = self.builder
        totals = [cgutils.alloca_once_value(builder, zeros(_WORDS)) for _ in self.a_rows]
        with cgutils.for_range(builder, self.place.n_blocks) as loop:
            block = loop.index
            codes = self.at.load(self.at.ahead(self.panels[0], block, 64), _WORDS)
            for group in range(_GROUPS):
                for i in range(4):
                    u = builder.lshr(codes, ir.Constant(_WORDS, [8 * i + 2 * group] * LANES))
                    u = builder.and_(u, ir.Constant(_WORDS, [3] * LANES))
                    for r, total in enumerate(totals):
                        word = self._four(r, block, group)
                        a = builder.trunc(builder.lshr(word, I32(8 * i)), I8)
                        a = splat(builder, builder.sext(a, I32), LANES)
                        value = builder.add(builder.load(total), builder.mul(a, u))
                        builder.store(value, total)
        return {(r, 0): builder.load(total) for r, total in enumerate(totals)}

    def by_lanes(self):
        """Return the same, 64 products an instruction, four of them added up in each lane."""
        builder, bytes_, short = self.builder, vector(I8, 64), vector(I16, 32)
        totals = {key: cgutils.alloca_once_value(builder, zeros(_WORDS)) for key in self.keys}
        with cgutils.for_range(builder, self.place.n_blocks) as loop:
            block = loop.index
            starts = [self.at.ahead(panel, block, 64) for panel in self.panels]
            codes = [self.at.load(start, bytes_) for start in starts]
            for group in range(_GROUPS):
                u = [self._two_bits(code, group, short) for code in codes]
                for r in range(len(self.a_rows)):
                    a = builder.bitcast(splat(builder, self._four(r, block, group), LANES), bytes_)
                    for p in range(len(codes)):
                        total = builder.load(totals[r, p])
                        total = self._call("llvm.x86.avx512.vpdpbusd.512", _WORDS, total, u[p], a)
                        builder.store(total, totals[r, p])
        return {key: builder.load(total) for key, total in totals.items()}

    def by_bytes(self):
        """Return the same, 32 products an instruction; two at a time are added in 16 bits."""
        builder, halves = self.builder, range(2)
        short, long, bytes_ = vector(I16, 16), vector(I32, 8), vector(I8, 32)
        rows = range(len(self.a_rows))
        keys = list(itertools.product(rows, halves))
        totals = {key: cgutils.alloca_once_value(builder, zeros(long)) for key in keys}
        small = {key: cgutils.alloca_once(builder, short) for key in keys}
        most, n_blocks = I64(_BLOCKS_IN_16_BITS), self.place.n_blocks
        turns = builder.sdiv(builder.add(n_blocks, builder.sub(most, I64(1))), most)
        with cgutils.for_range(builder, turns) as loop:
            first = builder.mul(loop.index, most)
            rest = builder.sub(n_blocks, first)
            rest = builder.select(builder.icmp_signed("<", rest, most), rest, most)
            for total in small.values():
                builder.store(zeros(short), total)
            with cgutils.for_range(builder, rest) as inner:
                block = builder.add(first, inner.index)
                start = self.at.ahead(self.panels[0], block, 64)
                codes = [self.at.load(self.at.ahead(start, 32 * h, 1), bytes_) for h in halves]
                for group in range(_GROUPS):
                    u = [self._two_bits(codes[h], group, short) for h in halves]
                    for r in rows:
                        a = splat(builder, self._four(r, block, group), 8)
                        a = builder.bitcast(a, bytes_)
                        for h in halves:
                            pairs = self._call("llvm.x86.avx2.pmadd.ub.sw", short, u[h], a)
                            total = small[r, h]
                            builder.store(builder.add(builder.load(total), pairs), total)
            for key, total in totals.items():
                ones = ir.Constant(short, [1] * 16)
                wide = self._call("llvm.x86.avx2.pmadd.wd", long, builder.load(small[key]), ones)
                builder.store(builder.add(builder.load(total), wide), total)
        both_halves = ir.Constant(_WORDS, list(range(LANES)))
        return {
            (r, 0): builder.shuffle_vector(
                *(builder.load(totals[r, h]) for h in halves), both_halves
            )
            for r in rows
        }

    def _two_bits(self, codes, group, short):
        """Return a pair of bits of each byte; there is no shift of bytes but of ``short``."""
        builder = self.builder
        if group:  # bits that come from the neighbour are masked away
            shift = ir.Constant(short, [2 * group] * short.count)
            codes = builder.bitcast(builder.lshr(builder.bitcast(codes, short), shift), codes.type)
        return builder.and_(codes, ir.Constant(codes.type, [3] * codes.type.count))

    def _call(self, name, kind, *operands):
        builder = self.builder
        of = ir.FunctionType(kind, [operand.type for operand in operands])
        return builder.call(cgutils.get_or_insert_function(builder.module, of, name), operands)

    def write(self, totals):
        """Write the sums of a times u less those of a."""
        at, builder = self.at, self.builder
        first = at.element(2, self.place.c)
        for (r, p), total in totals.items():
            less = at.load(at.ahead(self.row_sums, r, 4), I32)
            value = builder.sub(total, splat(builder, less, LANES))
            row = at.ahead(first, self._times(self.place.c_stride, r), 4)
            at.store(value, at.ahead(row, LANES * p, 4))


@intrinsic
def _tile(typing_context, a, w, c, row_sums, shape, place):
    """Compute rows by panels of ``shape``, one of them 1, of sixteen results each."""

    def emit(context, builder, signature, args):
        at = Pointers(context, builder, signature, args)
        wanted = cgutils.unpack_tuple(builder, args[4])
        for known in dict.fromkeys(((ROWS, 1), (1, PANELS), (1, 1))):
            pairs = zip(wanted, known, strict=True)
            with builder.if_then(
                builder.and_(*(builder.icmp_signed("==", x, x.type(y)) for x, y in pairs))
            ):
                work = _Tile(at, Place(*cgutils.unpack_tuple(builder, args[5])), *known)
                if SUMS_BYTES:
                    work.write(work.by_lanes())
                else:
                    work.write(work.by_bytes() if has("avx2") else work.by_words())
        return context.get_dummy_value()

    return types.void(a, w, c, row_sums, shape, place), emit


def _plain_tile(a, w, c, row_sums, shape, place):
    rows, panels = shape
    panel = w[place.w : place.w + 64 * place.n_blocks * panels].reshape(panels, -1, 1, LANES, 4)
    codes = panel >> 2 * np.arange(_GROUPS, dtype=np.uint8)[:, None, None] & 3
    u = codes.transpose(0, 3, 1, 2, 4).reshape(panels * LANES, -1).astype(np.int32)
    for r in range(rows):
        row = a[place.a + r * place.a_stride :][: u.shape[1]]
        start = place.c + r * place.c_stride
        c[start : start + len(u)] = u @ row - row_sums[place.row + r]


if numba.config.DISABLE_JIT:
    _tile = _plain_tile


@compiled
def _write(a, w, c, row_sums, edge, start, shape, first, sizes):
    """Compute a tile that starts at a row and a panel; of the last panel what there is of it."""
    (row, p), (n, n_blocks) = start, sizes
    out, whole = row * n + p * LANES, (p + 1) * LANES <= n
    place = Place(
        row * n_blocks * BLOCK, n_blocks * BLOCK, p * n_blocks * 64, out if whole else 0,
        n if whole else LANES, row - first, n_blocks,
    )  # fmt: skip
    _tile(a, w, c if whole else edge, row_sums, shape, place)
    if not whole:
        for r in range(shape[0]):
            for i in range(n % LANES):
                c[out + r * n + i] = edge[r * LANES + i]


@compiled
def _task(task, a, w, c, sizes):
    """Compute some rows times some panels."""
    m, n, n_blocks, task_panels = sizes
    n_panels, stride = -(-n // LANES), n_blocks * BLOCK
    across = -(-n_panels // task_panels)
    first, panel = task // across * TASK_ROWS, task % across * task_panels
    stop = min(first + TASK_ROWS, m)
    row_sums, edge = np.zeros(TASK_ROWS, np.int32), np.empty(ROWS * LANES, np.int32)
    for row in range(first, stop):
        values, total = a[row * stride : (row + 1) * stride], np.int64(0)
        for k in range(stride):
            total += values[k]
        row_sums[row - first] = total
    last, tiled = min(panel + task_panels, n_panels), first + (stop - first) // ROWS * ROWS
    for row in range(first, tiled, ROWS):
        for p in range(panel, last):
            _write(a, w, c, row_sums, edge, (row, p), (ROWS, 1), first, (n, n_blocks))
    for row in range(tiled, stop):
        p = panel
        while p < last:
            panels = PANELS if min(last, n // LANES) - p >= PANELS else 1
            _write(a, w, c, row_sums, edge, (row, p), (1, panels), first, (n, n_blocks))
            p += panels


@both
def multiply(n_tasks, a, w, c, sizes):
    """Multiply rows ``a`` (int8) with panels ``w`` (uint8) into ``c`` (int32), all flat.

    ``sizes``: rows, outputs, blocks of K, and panels a task.
    """
    for task in prange(n_tasks):
        _task(np.int64(task), a, w, c, sizes)


def task_sizes(m, n):
    """Return how many tasks there are, and how many panels one has: few rows share the panels."""
    down, n_panels = -(-m // TASK_ROWS), -(-n // LANES)
    task_panels = -(-n_panels // max(1, 4 // down))
    return down * -(-n_panels // task_panels), task_panels
