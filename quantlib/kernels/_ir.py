"""Short words for the LLVM instructions that the inner loops are written in.

numba turns Python into machine code, but it has no vector registers to name. The innermost loops
are therefore given to LLVM directly, as vectors of 512 bits. On a processor whose registers are
shorter, LLVM splits them by itself, so the same source is correct on any machine.
"""

from llvmlite import ir
from numba.core import cgutils
from numba.core.registry import cpu_target

__all__ = [
    "F32",
    "F64",
    "I8",
    "I16",
    "I32",
    "I64",
    "Pointers",
    "has",
    "popcount",
    "splat",
    "vector",
    "zeros",
]

I8, I16, I32, I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
F32, F64 = ir.FloatType(), ir.DoubleType()


def has(feature):
    """Return whether the processor that is compiled for has a feature, as LLVM names it."""
    _, _, features = cpu_target.target_context.codegen().magic_tuple()
    return f"+{feature}" in features.split(",")


def vector(element, lanes):
    """Return the type of a vector of ``lanes`` elements."""
    return ir.VectorType(element, lanes)


def zeros(kind):
    """Return a vector of zeros of the vector type ``kind``."""
    return ir.Constant(kind, None)


def splat(builder, value, lanes):
    """Return a vector that holds ``value`` in every lane."""
    kind = vector(value.type, lanes)
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, I32(0))
    return builder.shuffle_vector(
        first, ir.Constant(kind, ir.Undefined), ir.Constant(vector(I32, lanes), [0] * lanes)
    )


def popcount(builder, value):
    """Return the number of bits set in each lane of a vector of integers."""
    kind = value.type
    name = f"llvm.ctpop.v{kind.count}i{kind.element.width}"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind]), name)
    return builder.call(function, [value])


class Pointers:
    """Addresses inside the arrays that come first among the arguments of a compiled function."""

    def __init__(self, context, builder, signature, args):
        self.context, self.builder, self.signature, self.args = context, builder, signature, args

    def _array(self, argument):
        kind = self.signature.args[argument]
        return self.context.make_array(kind)(self.context, self.builder, self.args[argument])

    def length(self, argument):
        """Return the number of elements of array ``argument``."""
        return self._array(argument).nitems

    def element(self, argument, index):
        """Return the address, as an integer, of element ``index`` of array ``argument``."""
        dtype = self.context.get_data_type(self.signature.args[argument].dtype)
        start = self.builder.ptrtoint(self._array(argument).data, I64)
        return self.ahead(start, index, self.context.get_abi_sizeof(dtype))

    def ahead(self, address, index, size):
        """Return ``address`` plus ``index`` times ``size`` bytes."""
        step = I64(index * size) if isinstance(index, int) else self.builder.mul(index, I64(size))
        return self.builder.add(address, step)

    def load(self, address, kind):
        """Read a value of type ``kind``; a vector may start at any of its elements."""
        return self.builder.load(self._typed(address, kind), align=_alignment(kind))

    def store(self, value, address):
        """Write a value; a vector may start at any of its elements."""
        self.builder.store(value, self._typed(address, value.type), align=_alignment(value.type))

    def _typed(self, address, kind):
        return self.builder.inttoptr(address, kind.as_pointer())


def _alignment(kind):
    element = getattr(kind, "element", kind)
    return {F32: 4, F64: 8}.get(element) or element.width // 8
