"""Requantization of 32-bit sums in vectors: one multiplier and one shift an output, one rounding.

.. math:: q = \\mathrm{clamp}(z + \\lfloor (a m + 2^{s-1}) / 2^s \\rfloor)

The upper 32 bits of the product do for it where s is at least 33: with
:math:`h = \\lfloor a m / 2^{32} \\rfloor` the quotient is
:math:`\\lfloor (h + 2^{s-33}) / 2^{s-32} \\rfloor`. For a smaller s both a and :math:`2^s` are
multiplied by :math:`2^{33-s}`. As m is at least 2**30 or 0, an a beyond :math:`2^{s-21}` comes to
512 or more either way, which is clamped: so a is clamped there, and the product fits.
"""

import enum

import numpy as np
from llvmlite import ir
from numba.core import cgutils

from quantlib.kernels._compile import compiled
from quantlib.kernels._ir import I8, I16, I32, I64, has, splat, vector

__all__ = [
    "NO_STEPS",
    "Row",
    "call",
    "fill_table",
    "high_products",
    "largest",
    "packed_codes",
    "prescale",
    "requantized",
    "steps",
]

LANES = 16
WORDS = vector(I32, LANES)

#: Four vectors of sums become one of 64 codes, clamped on the way.
PACKS = has("avx512bw")


class Row(enum.IntEnum):
    """The rows of the table of what the loops know of each output."""

    OFFSET = 0  # where its sums start
    ZERO_POINT = 1  # of its weights
    MOST = 2  # where its sums are clamped
    LEFT = 3  # by how many bits they are shifted before
    MULTIPLIER = 4
    HALF = 5  # added to the upper halves
    RIGHT = 6  # by how many bits these are shifted


_OFFSET, _ZERO_POINT, _MOST = (int(row) for row in (Row.OFFSET, Row.ZERO_POINT, Row.MOST))

#: Where sums stay what they are.
NO_STEPS = np.zeros((0, 0), np.int32)


def steps(multiplier, shift):
    """Return the rows of the table from ``MOST`` on, int32, for each output."""
    shift = shift.astype(np.int64)
    early, long = shift < 33, np.maximum(shift, 33)
    rows = (
        np.where(early, 1 << np.clip(shift - 21, 0, 30), 2**31 - 1),
        np.where(early, np.minimum(33 - shift, 12), 0),
        multiplier,
        1 << (long - 33),
        long - 32,
    )
    return np.array(rows, np.int32)


@compiled
def fill_table(table, order, weights, bias, steps, zero_point, length):
    """Fill the table, a column for each lane.

    ``order``: the output of each lane; ``weights``: their sums and their zero points;
    ``steps``: see :func:`steps`; ``length``: how many products a sum has.
    """
    sums, zero_points = weights
    for lane in range(len(order)):
        o = order[lane]
        offset = (length * zero_points[o] - sums[o]) * zero_point
        table[_OFFSET, lane] = np.int32(offset + (bias[o] if len(bias) else 0))
        table[_ZERO_POINT, lane] = zero_points[o]
    for row in range(len(steps)):
        given, filled = steps[row], table[_MOST + row]
        for lane in range(len(order)):
            filled[lane] = given[order[lane]]


@compiled
def largest(values):
    """Return the largest magnitude of int32 ``values``, 0 if there is none."""
    found = np.int64(0)
    for value in values:
        found = max(found, abs(np.int64(value)))
    return found


def call(builder, name, kind, *operands):
    """Call a function of LLVM's."""
    of = ir.FunctionType(kind, [operand.type for operand in operands])
    return builder.call(cgutils.get_or_insert_function(builder.module, of, name), operands)


def prescale(builder, total, most, left):
    """Clamp sums to the range from -most to most, and shift them to the left."""
    total = call(builder, "llvm.smin.v16i32", WORDS, total, most)
    total = call(builder, "llvm.smax.v16i32", WORDS, total, builder.neg(most))
    return builder.shl(total, left)


def high_products(builder, a, b):
    """Return the upper 32 bits of the products of 32-bit lanes."""
    wide = vector(I64, LANES // 2)
    half = ir.Constant(wide, [32] * (LANES // 2))
    a, b = builder.bitcast(a, wide), builder.bitcast(b, wide)
    low = [builder.ashr(builder.shl(x, half), half) for x in (a, b)]
    high = [builder.ashr(x, half) for x in (a, b)]
    products = [builder.bitcast(builder.mul(*pair), WORDS) for pair in (low, high)]
    places = [i for lane in range(1, LANES, 2) for i in (lane, LANES + lane)]
    return builder.shuffle_vector(*products, ir.Constant(WORDS, places))


def requantized(builder, total, multiplier, half, right):
    """Return sums, multiplied and shifted, without zero point."""
    high = high_products(builder, total, multiplier)
    return builder.ashr(builder.add(high, half), right)


def packed_codes(builder, values, limits, *, in_lanes=False):
    """Return codes as bytes: requantized sums plus the zero point, clamped.

    ``values``: one vector, or four. ``limits``: zero point, least and largest code, in 32 bits.
    ``in_lanes``: of each four outputs, the first vector has the first ones, and so on.
    """
    zero_point, low, high = limits
    if len(values) == 4 and PACKS:
        short, bytes_ = vector(I16, 32), vector(I8, 64)
        zero_point = splat(builder, builder.trunc(zero_point, I16), 32)
        low, high = (splat(builder, builder.trunc(x, I8), 64) for x in (low, high))
        pairs = []
        for pair in (values[:2], values[2:]):
            codes = call(builder, "llvm.x86.avx512.packssdw.512", short, *pair)
            pairs.append(call(builder, "llvm.sadd.sat.v32i16", short, codes, zero_point))
        codes = call(builder, "llvm.x86.avx512.packuswb.512", bytes_, *pairs)
        codes = call(builder, "llvm.umax.v64i8", bytes_, codes, low)
        codes = call(builder, "llvm.umin.v64i8", bytes_, codes, high)
        if not in_lanes:
            words, order = builder.bitcast(codes, WORDS), [4 * (i % 4) + i // 4 for i in range(16)]
            words = builder.shuffle_vector(words, words, ir.Constant(WORDS, order))
            codes = builder.bitcast(words, bytes_)
        return [codes]
    zero_point, low, high = (splat(builder, x, LANES) for x in limits)
    codes = []
    for value in values:
        value = builder.add(value, zero_point)
        value = call(builder, "llvm.smax.v16i32", WORDS, value, low)
        value = call(builder, "llvm.smin.v16i32", WORDS, value, high)
        codes.append(builder.trunc(value, vector(I8, LANES)))
    return codes
