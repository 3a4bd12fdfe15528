"""The innermost loop of every popcount product: tiles of sums of popcounts.

The second operand is stored in panels of sixteen rows, word-major, so that one 512-bit register
holds the same 32-bit word of sixteen rows. A word of the first operand, copied into all sixteen
lanes, meets it: 16 x 32 products at once. Lanes are columns of the result and are never added to
one another. A tile of four rows by two panels keeps its sums in registers while it runs along
the words.

XOR, popcount and addition are three instructions for a word. Two and a half are enough if the
operands are stored as *running* XORs, word w holding the XOR of all words up to w. Then
p(w) = a(w) xor b(w) is the parity, bit by bit, of the products so far; p(n) is the lowest bit of
their count, and two products that follow one another carry into the next bit

    c = not p(w+2) where p(w+1) is 1, p(w) where it is 0.

So the count is popcount(p(n)) + 2 (popcount(c) + popcount(c') + ...): per pair two XORs, one
selection, one popcount, one addition. To save the "not", the panels have the second word of
every second pair complemented, counted back from the last pair but one. The parity after it is
then complemented, too, so the carry of the pair that follows comes out complemented, and is
subtracted.

Where the processor has no instruction for the popcounts of 32-bit lanes, those of bytes cost half:
sums are kept in bytes, and spread to their lanes before a byte can overflow.
"""

import itertools
from typing import NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from quantlib.kernels._ir import F32, I8, I32, I64, Pointers, has, popcount, splat, vector, zeros

__all__ = [
    "ADDED",
    "LANES",
    "PANELS",
    "PLANES",
    "ROWS",
    "SIGNS",
    "TERNARY",
    "Kind",
    "Rectangle",
    "complement",
    "subtracted",
    "tile",
]

LANES = 16
BITS = 32  # of a word
ROWS, PANELS = 4, 2

#: Products: of signs; of several bit planes; of ternary values, a mask and a sign plane.
PRODUCTS = SIGNS, PLANES, TERNARY = 0, 1, 2

#: Added to what says which scales there are: results are added to what is there.
ADDED = 4

_WORDS = vector(I32, LANES)
_BYTES = vector(I8, 4 * LANES)

#: Four words add from -8 to 8 to each byte of a count. So many times that fits into a signed byte.
_FOURS_IN_BYTES = 15


class Kind(NamedTuple):
    """Which code a tile needs."""

    rows: int  # ROWS or 1
    panels: int  # PANELS or 1
    product: int  # one of PRODUCTS
    a_step: int  # from one word of a to the next: 1 or LANES


class Rectangle(NamedTuple):
    """Where a rectangle of results starts, and how far apart its rows and panels are."""

    a: int  # where it starts in the words a
    b: int
    c: int
    a_stride: int  # from row to row
    b_stride: int  # from panel to panel
    c_stride: int  # from row to row
    n_words: int  # of a run; even
    base: int  # twice the count of signs is subtracted from it
    scaled: int  # 1 if rows are scaled, plus 2 if columns are, plus ADDED if c is added to
    row: int  # where it starts in the scales of rows
    column: int


class _Tile:
    """The instructions of one tile: rows by panels times sixteen results.

    ``kind`` is known when they are written: distances that are constants cost nothing, others a
    register or a load each.
    """

    def __init__(self, at, kind, place):
        self.at, self.builder, self.place, self.n_words = at, at.builder, place, place.n_words
        self.rows, self.panels, self.product, self.a_step = kind
        self.counts_lanes = has("avx512vpopcntdq")
        self.a_rows = self._strided(0, place.a, place.a_stride, kind.rows)
        self.b_panels = self._strided(1, place.b, place.b_stride, kind.panels)
        self.c_rows = self._strided(2, place.c, place.c_stride, kind.rows)
        self.keys = list(itertools.product(range(kind.rows), range(kind.panels)))

    def _strided(self, array, start, stride, count):
        first = self.at.element(array, start)
        return [self.at.ahead(first, self.builder.mul(stride, I64(i)), 4) for i in range(count)]

    def new_sums(self):
        """Return a register of zeros for each part of the tile."""
        return {key: cgutils.alloca_once_value(self.builder, zeros(_WORDS)) for key in self.keys}

    def a_word(self, r, word, ahead=0):
        """Return a word of row ``r``, in all lanes."""
        start = self.at.ahead(self.a_rows[r], word, 4 * self.a_step)
        value = self.at.load(self.at.ahead(start, ahead, 4 * self.a_step), I32)
        return splat(self.builder, value, LANES)

    def b_word(self, p, word, ahead=0):
        """Return a word of all rows of panel ``p``."""
        start = self.at.ahead(self.b_panels[p], word, 4 * LANES)
        return self.at.load(self.at.ahead(start, ahead, 4 * LANES), _WORDS)

    def add(self, total, value):
        """Add a value to a sum."""
        self.builder.store(self.builder.add(self.builder.load(total), value), total)

    def signs(self):
        """Return ``base - 2 * count`` for one run along the words."""
        carries, lowest = self.new_sums(), self.new_sums()
        self._count(I64(0), I64(0), carries, lowest)
        base = splat(self.builder, self.builder.trunc(self.place.base, I32), LANES)
        results = {}
        for key, count in self._counts(carries, lowest).items():
            results[key] = self.builder.sub(base, self.builder.add(count, count))
        return results

    def planes(self):
        """Return the counts of all passes, the sums doubled before each as it says."""
        at, builder = self.at, self.builder
        carries, lowest = self.new_sums(), self.new_sums()
        with cgutils.for_range(builder, builder.sdiv(at.length(3), I64(3))) as loop:
            line = builder.mul(loop.index, I64(3))
            a_first, b_first, doublings = (
                at.load(at.element(3, builder.add(line, I64(i))), I64) for i in range(3)
            )
            with builder.if_then(builder.icmp_signed(">", doublings, I64(0))):
                by = splat(builder, builder.trunc(doublings, I32), LANES)
                for total in (*carries.values(), *lowest.values()):
                    builder.store(builder.shl(builder.load(total), by), total)
            self._count(a_first, b_first, carries, lowest)
        return self._counts(carries, lowest)

    def _counts(self, carries, lowest):
        """Return twice the carries plus the lowest bits."""
        builder, results = self.builder, {}
        for key in self.keys:
            half = builder.load(carries[key])
            results[key] = builder.add(builder.add(half, half), builder.load(lowest[key]))
        return results

    def _count(self, a_first, b_first, carries, lowest):
        """Run along the words: count carries and, at the end, the parity's ones.

        A carry that is subtracted came out complemented: it counts 32 too few, and the caller of
        :func:`tile` makes up for it. With an odd number of pairs the first is such a one.
        """
        builder = self.builder
        parity = self.new_sums()
        odd = builder.and_(builder.lshr(self.n_words, I64(1)), I64(1))
        with builder.if_then(builder.trunc(odd, ir.IntType(1))):
            for state in parity.values():
                builder.store(ir.Constant(_WORDS, [-1] * LANES), state)
            self._pair(a_first, b_first, 0, carries, parity, builder.sub)
        first = builder.mul(odd, I64(2))
        a_first, b_first = builder.add(a_first, first), builder.add(b_first, first)
        fours = builder.lshr(self.n_words, I64(2))
        if self.counts_lanes:
            self._fours(a_first, b_first, fours, carries, parity)
        else:
            self._fours_in_bytes(a_first, b_first, fours, carries, parity)
        for key, state in parity.items():
            self.add(lowest[key], popcount(builder, builder.load(state)))

    def _fours(self, a_first, b_first, count, carries, parity):
        """Take in ``count`` times four words."""
        builder = self.builder
        with cgutils.for_range(builder, count) as loop:
            word = builder.mul(loop.index, I64(4))
            a, b = builder.add(a_first, word), builder.add(b_first, word)
            self._pair(a, b, 0, carries, parity, builder.add)
            self._pair(a, b, 2, carries, parity, builder.sub)

    def _fours_in_bytes(self, a_first, b_first, count, carries, parity):
        """Do the same with sums in bytes, which are added to the carries when they are full."""
        builder, most = self.builder, I64(_FOURS_IN_BYTES)
        turns = builder.sdiv(builder.add(count, builder.sub(most, I64(1))), most)
        small = {key: cgutils.alloca_once(builder, _BYTES) for key in self.keys}
        with cgutils.for_range(builder, turns) as loop:
            done = builder.mul(loop.index, most)
            rest = builder.sub(count, done)
            rest = builder.select(builder.icmp_signed("<", rest, most), rest, most)
            for total in small.values():
                builder.store(zeros(_BYTES), total)
            word = builder.mul(done, I64(4))
            a, b = builder.add(a_first, word), builder.add(b_first, word)
            self._fours(a, b, rest, small, parity)
            for key, total in small.items():
                self.add(carries[key], self._sums_of_bytes(builder.load(total)))

    def _sums_of_bytes(self, values):
        """Return the sum of the four signed bytes of each lane."""
        builder = self.builder

        def half(x, bits, mask):
            mask = ir.Constant(_WORDS, [mask] * LANES)
            return builder.and_(builder.lshr(x, ir.Constant(_WORDS, [bits] * LANES)), mask)

        offset = ir.Constant(_WORDS, [0x80808080] * LANES)  # 128 more, so that none is negative
        x = builder.xor(builder.bitcast(values, _WORDS), offset)
        for bits, mask in ((8, 0xFF00FF), (16, 0xFFFF)):
            x = builder.add(half(x, 0, mask), half(x, bits, mask))
        return builder.sub(x, ir.Constant(_WORDS, [4 * 128] * LANES))

    def _pair(self, a, b, ahead, carries, parity, combine):
        """Take in two words: count the carries, and keep the parity after them."""
        builder = self.builder
        b_words = [[self.b_word(p, b, ahead + i) for i in (0, 1)] for p in range(self.panels)]
        for r in range(self.rows):
            first, second = (self.a_word(r, a, ahead + i) for i in (0, 1))
            for p in range(self.panels):
                state, total = parity[r, p], carries[r, p]
                before = builder.load(state)
                middle = builder.xor(first, b_words[p][0])
                after = builder.xor(second, b_words[p][1])
                chosen = builder.and_(middle, builder.xor(after, before))
                carry = builder.xor(before, chosen)  # after where middle is 1, else before
                sums = builder.load(total)
                count = popcount(builder, builder.bitcast(carry, sums.type))
                builder.store(combine(sums, count), total)
                builder.store(after, state)

    def ternary(self):
        """Return the sums of products of ternary values: those that are +1 less those of -1."""
        builder = self.builder
        totals, minus = self.new_sums(), self.new_sums()
        with cgutils.for_range(builder, self.n_words) as words:
            mask = words.index
            sign = builder.add(mask, self.n_words)  # the sign plane follows the mask plane
            b_words = [[self.b_word(p, w) for w in (mask, sign)] for p in range(self.panels)]
            for r in range(self.rows):
                a_mask, a_sign = self.a_word(r, mask), self.a_word(r, sign)
                for p, (b_mask, b_sign) in enumerate(b_words):
                    both = builder.and_(a_mask, b_mask)
                    self.add(totals[r, p], popcount(builder, both))
                    opposite = builder.and_(both, builder.xor(a_sign, b_sign))
                    self.add(minus[r, p], popcount(builder, opposite))
        results = {}
        for key, total in totals.items():
            less = builder.load(minus[key])
            results[key] = builder.sub(builder.load(total), builder.add(less, less))
        return results

    def write(self, results):
        """Write the results: whole numbers, or their products with the scales, added or not."""
        builder, at = self.builder, self.at
        with builder.if_else(builder.icmp_signed("!=", self.place.scaled, I64(0))) as (yes, no):
            with yes:
                self._write_scaled(results)
            with no:
                for r, p in self.keys:
                    at.store(results[r, p], at.ahead(self.c_rows[r], LANES * p, 4))

    def _write_scaled(self, results):
        builder, at, reals = self.builder, self.at, vector(F32, LANES)
        scaled, first_row, first_column = self.place.scaled, self.place.row, self.place.column
        rows_scaled = builder.and_(scaled, I64(1))
        columns_scaled = builder.and_(builder.lshr(scaled, I64(1)), I64(1))
        # Scales that are not given are ones, read at the same place again and again.
        row = at.element(4, builder.mul(first_row, rows_scaled))
        column = at.element(5, builder.mul(first_column, columns_scaled))
        products = {}
        for r, p in self.keys:
            scale = at.load(at.ahead(row, builder.mul(rows_scaled, I64(r)), 4), F32)
            place = builder.mul(columns_scaled, I64(LANES * p))
            scale = builder.fmul(
                splat(builder, scale, LANES), at.load(at.ahead(column, place, 4), reals)
            )
            products[r, p] = builder.fmul(builder.sitofp(results[r, p], reals), scale)
        targets = {(r, p): at.ahead(self.c_rows[r], LANES * p, 4) for r, p in self.keys}
        adding = builder.icmp_signed(">=", scaled, I64(ADDED))
        with builder.if_else(adding) as (yes, no):
            with yes:
                for key, product in products.items():
                    before = at.load(targets[key], reals)
                    at.store(builder.fadd(before, product), targets[key])
            with no:
                for key, product in products.items():
                    at.store(product, targets[key])


@intrinsic
def tile(typing_context, a, b, c, passes, row_scales, column_scales, kind, place):
    """Compute one tile of results: the :class:`Rectangle` ``place`` of one :class:`Kind`.

    Arrays, all flat: the words ``a`` and ``b`` (uint32); the results ``c`` (int32, or the bits of
    float32); ``passes``, three numbers for each run along the words: where it starts in a and in
    b, and by how many doublings of the sums it is preceded; the scales.

    The count comes out 64 too low for each of :func:`subtracted` pairs of words.
    """

    def emit(context, builder, signature, args):
        at = Pointers(context, builder, signature, args)
        wanted = cgutils.unpack_tuple(builder, args[6])
        for known in itertools.product((ROWS, 1), (PANELS, 1), PRODUCTS, (1, LANES)):
            same = ir.Constant(ir.IntType(1), 1)
            for x, y in zip(wanted, known, strict=True):
                same = builder.and_(same, builder.icmp_signed("==", x, x.type(y)))
            with builder.if_then(same):
                numbers = Rectangle(*cgutils.unpack_tuple(builder, args[7]))
                work = _Tile(at, Kind(*known), numbers)
                work.write((work.signs, work.planes, work.ternary)[work.product]())
        return context.get_dummy_value()

    return types.void(a, b, c, passes, row_scales, column_scales, kind, place), emit


def _plain_tile(a, b, c, passes, row_scales, column_scales, kind, place):
    rows, panels, product, a_step = kind
    a_start, b_start, c_start, a_stride, b_stride, c_stride, n_words = place[:7]
    base, scaled, first_row, first_column = place[7:]
    for r in range(rows):
        for column in range(panels * LANES):
            total = 0
            for a_first, b_first, doublings in passes.reshape(-1, 3).tolist():
                a_at = a_start + r * a_stride + a_first * a_step
                b_at = b_start + column // LANES * b_stride + column % LANES + b_first * LANES
                x = a[a_at : a_at + n_words * a_step : a_step]
                y = b[b_at : b_at + n_words * LANES : LANES]
                total <<= doublings
                if product != TERNARY:
                    parity = (x ^ y) ^ complement(n_words)
                    ones = parity ^ np.concatenate([parity[:1] * 0, parity[:-1]])
                    total += int(np.bitwise_count(ones).sum()) - 64 * subtracted(n_words)
                    continue
                sign_a = a[a_at + n_words * a_step : a_at + 2 * n_words * a_step : a_step]
                sign_b = b[b_at + n_words * LANES : b_at + 2 * n_words * LANES : LANES]
                total += int(np.bitwise_count(x & y).sum())
                total -= 2 * int(np.bitwise_count(x & y & (sign_a ^ sign_b)).sum())
            total = base - 2 * total if product == SIGNS else total
            place = c_start + r * c_stride + column
            if scaled:
                scale = row_scales[(first_row + r) * (scaled & 1)]
                scale = scale * column_scales[(first_column + column) * (scaled >> 1 & 1)]
                reals = c.view(np.float32)
                before = reals[place] if scaled & ADDED else np.float32(0)
                reals[place] = before + np.float32(total) * scale
            else:
                c[place] = total


def subtracted(n_words):
    """Return how many pairs of a run of words have their carries subtracted."""
    return (n_words + 2) // 4


def complement(n_words):
    """Return the words that complement a run's words where they are complemented in panels."""
    return np.where((n_words - np.arange(n_words)) % 4 == 3, np.uint32(0xFFFFFFFF), np.uint32(0))


if numba.config.DISABLE_JIT:
    tile = _plain_tile
