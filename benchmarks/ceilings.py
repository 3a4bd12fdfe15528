"""How fast the machine could be: loops that stay in registers, and reading from memory.

Each loop repeats, on sixteen independent registers, the instructions without which a kernel of its
kind cannot do: XOR, popcount and addition of 512 bits; additions of 16- or 32-bit lanes; fused
multiply-adds of float32; where there are such, products of bytes, four of them added up.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from quantlib.kernels._int8_tile import FOUR_BYTES
from quantlib.kernels._ir import F32, I8, I16, I32, I64, popcount, splat, vector
from quantlib.kernels._requantize import call

__all__ = ["LOOPS", "read_bandwidth"]

REGISTERS = 16


def _loop(kind, step):
    """Return a compiled function of a count that repeats ``step`` on registers of type ``kind``."""

    @intrinsic
    def body(typing_context, count, seed):
        def emit(context, builder, signature, args):
            count, seed = args
            start = builder.insert_element(ir.Constant(vector(I64, 8), None), seed, I32(0))
            registers = []
            for i in range(REGISTERS):
                value = builder.add(start, splat(builder, I64(i), 8))
                registers.append(cgutils.alloca_once_value(builder, builder.bitcast(value, kind)))
            with cgutils.for_range(builder, count):
                old = [builder.load(register) for register in registers]
                for i, register in enumerate(registers):
                    builder.store(step(builder, old[i], old[(i + 5) % REGISTERS]), register)
            total = I64(0)
            for register in registers:
                words = builder.bitcast(builder.load(register), vector(I64, 8))
                for lane in range(8):
                    total = builder.xor(total, builder.extract_element(words, I32(lane)))
            return total

        return types.int64(types.int64, types.int64), emit

    return njit(lambda count, seed: body(count, seed))


def _count_ones(builder, mine, other):
    return builder.add(mine, popcount(builder, builder.xor(mine, other)))


def _add(builder, mine, other):
    return builder.add(mine, other)


def _multiply_add(builder, mine, other):
    kind = mine.type
    name = f"llvm.fma.v{kind.count}f32"
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(kind, [kind] * 3), name
    )
    return builder.call(function, [mine, other, mine])


def _multiply_bytes(builder, mine, other):
    words, bytes_ = mine.type, vector(I8, 64)
    name, factor = "llvm.x86.avx512.vpdpbusd.512", builder.bitcast(other, bytes_)
    return call(builder, name, words, mine, factor, factor)


#: Name to (loop, operations in one turn). An operation is a multiplication or an addition: a word
#: of popcount stands for 64 of each, a lane of the additions for a product and its addition.
LOOPS = {
    "popcount": (_loop(vector(I64, 8), _count_ones), REGISTERS * 512 * 2),
    "add int16": (_loop(vector(I16, 32), _add), REGISTERS * 32 * 2),
    "add int32": (_loop(vector(I32, 16), _add), REGISTERS * 16 * 2),
    "multiply-add float32": (_loop(vector(F32, 16), _multiply_add), REGISTERS * 16 * 2),
}
if FOUR_BYTES:
    LOOPS["products of bytes"] = (_loop(vector(I32, 16), _multiply_bytes), REGISTERS * 64 * 2)


def read_bandwidth():
    """Return a function that reads 64 MiB, and the number of bytes."""
    values = np.ones(2**23)
    return (lambda: values.sum()), values.nbytes
