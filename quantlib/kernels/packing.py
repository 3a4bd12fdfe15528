"""Making packed operands of arrays, and arrays of them: signs, bit planes, ternary values."""

import math

import numpy as np

from quantlib._validation import check_axis, check_bit_width, check_flag
from quantlib.kernels import _pack_ternary
from quantlib.kernels import _pack_words as loops
from quantlib.kernels._checks import (
    aligned_empty,
    as_real,
    as_whole,
    check_bounds,
    check_instance,
)
from quantlib.kernels._threads import run, thread_count
from quantlib.kernels.words import PackedBits, PackedPlanes, PackedTernary, row_words

__all__ = [
    "pack_planes",
    "pack_signs",
    "pack_ternary",
    "unpack_planes",
    "unpack_signs",
    "unpack_ternary",
]


def pack_signs(x, axis=-1, *, panels=False, num_threads=None):
    r"""Pack the signs of real numbers, 64 to a word.

    .. math:: \text{bit} = \begin{cases} 1 & x < 0 \\ 0 & x \ge 0 \end{cases}

    so that bit 1 stands for -1, and the sign of 0 (and of -0.0) is +1.

    Parameters
    ----------
    x : numpy.ndarray
        Real numbers of any shape and dtype. It is read as it lies in memory; a copy is made only
        of one with gaps, of reversed axes, of another byte order, not aligned, or of extended
        precision.
    axis : int
        The axis to pack: the one that a product sums over. 1 for images N x C x H x W and for
        the weights O x C x h x w of a convolution, 3 (or -1) for images N x H x W x C.
    panels : bool
        Whether to store panels of sixteen rows: the second operand of a product.
    num_threads : int, optional
        All threads that numba has if not given.

    Returns
    -------
    PackedBits

    Notes
    -----
    Source: Bei Yu, Mo04, table "BNN": +1 and -1 encoded as 0 and 1.

    Examples
    --------
    >>> packed = pack_signs(np.array([[0.5, -2.0, 0.0, -0.1]]))
    >>> bin(packed.words[0, 0]), packed.shape
    ('0b1010', (1, 4))
    """
    x, panels = as_real(x, "x"), check_flag(panels, "panels")
    if not x.ndim:
        raise ValueError("x must have an axis to pack, got a single number")
    axis = check_axis(axis, x.ndim)
    threads = thread_count(num_threads)
    if x.flags.c_contiguous:
        words = _pack_signs(x, axis, threads)
    else:  # as it lies in memory, which costs no copy if it has no gaps; words are few
        order = sorted(range(x.ndim), key=lambda i: -x.strides[i])
        words = _pack_signs(x.transpose(order), order.index(axis), threads)
        order.remove(axis)
        back = [order.index(i) for i in range(x.ndim) if i != axis]
        words = np.ascontiguousarray(words.transpose(*back, -1))
    packed = PackedBits.unchecked(words, x.shape, axis)
    return packed.as_panels() if panels else packed


def _pack_signs(x, axis, threads):
    """Return the words of the signs of ``x`` along an axis, which becomes the last one."""
    length, rest = x.shape[axis], x.shape[:axis] + x.shape[axis + 1 :]
    outer, inner = math.prod(x.shape[:axis]), math.prod(x.shape[axis + 1 :])
    words = aligned_empty((*rest, -(-length // loops.BITS)), np.uint64)
    if x.dtype.kind == "u":
        words[:] = 0
        return words
    flat = words.reshape(-1)
    values = _of_known_type(np.ascontiguousarray(x)).reshape(-1)
    if inner == 1:
        strange = run(
            loops.sign_rows, threads, -(-outer // loops.TASK), values, outer, length, flat
        )
    else:
        block = loops.block_of_columns(inner * values.itemsize)
        strange = run(
            loops.sign_columns, threads, outer * -(-inner // block[0]), values, length, inner,
            block, flat.view(np.uint32),
        )  # fmt: skip
    if strange:
        n_bad = np.count_nonzero(~np.isfinite(x))
        raise ValueError(f"x must be finite, got {n_bad} NaN or infinite values")
    return words


def _of_known_type(x):
    """Return ``x`` in the machine's byte order; float16 as bits, extended precision as signs."""
    if not x.dtype.isnative:
        x = x.astype(x.dtype.newbyteorder("="))
    if x.dtype == np.float16:
        return x.view(np.uint16)
    if x.dtype.itemsize > 8:
        return np.where(np.isfinite(x), np.sign(x), np.nan).astype(np.float32)
    return x


def unpack_signs(packed):
    """Return the signs of :func:`pack_signs` as int8, -1 and +1, in the shape they had.

    Examples
    --------
    >>> unpack_signs(pack_signs(np.array([[0.5, -2.0, 0.0, -0.1]]))).tolist()
    [[1, -1, 1, -1]]
    """
    check_instance(packed, "packed", PackedBits, "pack_signs")
    rest = packed.shape[: packed.axis] + packed.shape[packed.axis + 1 :]
    bits = _bits(row_words(packed), packed.length)
    signs = np.int8(1) - np.int8(2) * bits.reshape(*rest, packed.length)
    return np.ascontiguousarray(np.moveaxis(signs, -1, packed.axis))


def pack_planes(codes, bit_width, *, signed=True, panels=False, num_threads=None):
    r"""Split codes of ``bit_width`` bits into planes, each packed 64 to a word.

    .. math:: x + o = \sum_{i=0}^{b-1} 2^i\, u_i, \qquad
              o = \begin{cases} 2^{b-1} & \text{signed} \\ 0 & \text{unsigned} \end{cases}

    Parameters
    ----------
    codes : numpy.ndarray of integers
        Rows x K. Signed: from ``-2**(bit_width - 1)`` to ``2**(bit_width - 1) - 1``. Unsigned:
        from 0 to ``2**bit_width - 1``.
    bit_width : int
        Bits a code, 1 to 8.
    panels : bool
        Whether to store panels of sixteen rows: the second operand of a product.
    num_threads : int, optional
        All threads that numba has if not given.

    Returns
    -------
    PackedPlanes

    Examples
    --------
    >>> packed = pack_planes(np.array([[3, 0, 2]]), bit_width=2, signed=False)
    >>> [bin(word) for word in packed.words.ravel()]
    ['0b1', '0b101']
    """
    codes = as_whole(codes, "codes", ndim=2)
    bit_width = check_bit_width(bit_width, 1, 8)
    signed, panels = check_flag(signed, "signed"), check_flag(panels, "panels")
    offset = 2 ** (bit_width - 1) if signed else 0
    check_bounds(codes, "codes", -offset, 2**bit_width - 1 - offset)
    stored = (codes.astype(np.int16) + np.int16(offset)).astype(np.uint8)
    words = _pack_bits(stored, np.arange(bit_width), num_threads)
    packed = PackedPlanes.unchecked(words, codes.shape, bit_width, signed)
    return packed.as_panels() if panels else packed


def unpack_planes(packed):
    """Return the codes of :func:`pack_planes` as int32, rows x K.

    Examples
    --------
    >>> unpack_planes(pack_planes(np.array([[3, -4, 0]]), bit_width=3)).tolist()
    [[3, -4, 0]]
    """
    check_instance(packed, "packed", PackedPlanes, "pack_planes")
    planes = _bits(row_words(packed), packed.shape[1])
    weights = 1 << np.arange(packed.bit_width, dtype=np.int32)
    return (planes * weights[:, None]).sum(axis=1, dtype=np.int32) - np.int32(packed.offset)


def pack_ternary(x, axis=-1, *, panels=False, num_threads=None):
    """Pack values -1, 0 and +1 into a mask plane and a sign plane, 2 bits a value.

    Parameters
    ----------
    x : numpy.ndarray
        Integers or real numbers, all of them -1, 0 or 1, of 2 axes or more. int8 and float32 are
        read as they are, others are converted.
    axis : int
        The axis to pack: the one that a product sums over, as for :func:`pack_signs`. Another than
        the last costs a copy.
    panels : bool
        Whether to store panels of sixteen rows: the second operand of a product.
    num_threads : int, optional
        All threads that numba has if not given.

    Returns
    -------
    PackedTernary

    Examples
    --------
    >>> [bin(word) for word in pack_ternary(np.array([[1, 0, -1]])).words.ravel()]
    ['0b101', '0b100']
    """
    x, panels = as_real(x, "x"), check_flag(panels, "panels")
    if x.ndim < 2:
        raise ValueError(f"x must have 2 axes or more, got shape {x.shape}")
    axis = check_axis(axis, x.ndim)
    if x.dtype not in (np.int8, np.float32):
        x = as_ternary(x, "x")
    values = np.ascontiguousarray(np.moveaxis(x, axis, -1))
    first, *others, length = values.shape
    words = aligned_empty((first, 2, *others, -(-length // loops.BITS)), np.uint64)
    inner = math.prod(others)
    strange = run(
        _pack_ternary.ternary_rows, thread_count(num_threads), -(-first * inner // loops.TASK),
        values.reshape(-1), (first * inner, length, inner), words.reshape(-1),
    )  # fmt: skip
    if strange:
        as_ternary(x, "x")
    packed = PackedTernary.unchecked(words, x.shape, axis)
    return packed.as_panels() if panels else packed


def as_ternary(x, name, ndim=None):
    """Return ``x`` as int8; raise unless all its values are -1, 0 and 1."""
    x = as_real(x, name, ndim=ndim)
    small = np.where((x >= -1) & (x <= 1), x, 0).astype(np.int8)
    if not (small == x).all():
        strange = x[small != x].ravel()[0]
        raise ValueError(f"{name} must hold -1, 0 and 1 only, got {strange}")
    return small


def unpack_ternary(packed):
    """Return the values of :func:`pack_ternary` as int8, in the shape they had.

    Examples
    --------
    >>> unpack_ternary(pack_ternary(np.array([[1, 0, -1]]))).tolist()
    [[1, 0, -1]]
    """
    check_instance(packed, "packed", PackedTernary, "pack_ternary")
    mask, sign = np.moveaxis(_bits(row_words(packed), packed.length), 1, 0)
    return np.ascontiguousarray(np.moveaxis(mask - 2 * sign, -1, packed.axis))


def _pack_bits(values, bits, num_threads):
    """Return chosen ``bits`` of the bytes ``values`` (rows x K): rows x bits x words."""
    n_rows, length = values.shape
    words = aligned_empty((n_rows, len(bits), -(-length // loops.BITS)), np.uint64)
    run(
        loops.bit_rows, thread_count(num_threads),
        -(-n_rows // loops.TASK), np.ascontiguousarray(values).reshape(-1), n_rows, length,
        np.asarray(bits, np.int64), words.reshape(-1),
    )  # fmt: skip
    return words


def _bits(words, length):
    """Return the first ``length`` bits of the words along the last axis, as int8."""
    little = np.ascontiguousarray(words).astype("<u8", copy=False).view(np.uint8)
    return np.unpackbits(little, axis=-1, count=length, bitorder="little").view(np.int8)
