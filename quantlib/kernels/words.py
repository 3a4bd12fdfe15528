"""Packed operands: signs, bit planes and ternary values in words of 64 bits.

An operand can be stored in two ways. *Rows*: the words of a row one after the other; the first
operand of a product. *Panels*: sixteen rows together, 32-bit word by 32-bit word, so that one
512-bit register holds the same word of sixteen rows; the second operand of a product.

The kernels read memory by an operand's numbers. So these are looked at when it is made, whoever
makes it: a packing function, a file, a copy.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np

from quantlib._validation import check_axis, check_bit_width, check_flag
from quantlib.kernels import _pack_words as loops
from quantlib.kernels._checks import Remade, aligned_empty, check_shape, own_array
from quantlib.kernels._tile import LANES, complement

__all__ = [
    "PackedBits",
    "PackedPlanes",
    "PackedTernary",
    "half_words",
    "row_words",
    "slice_rows",
    "slice_values",
]


@dataclass(frozen=True, eq=False)
class _Packed(Remade):
    """What the three have in common."""

    @classmethod
    def unchecked(cls, *values, panels=False):
        """Return one of words that the library itself has just made: nothing is looked at."""
        new = object.__new__(cls)
        new.__dict__.update(zip(cls.__match_args__, values, strict=False), panels=panels)
        return new

    def _settle(self, shape, rest, planes, length, **fields):
        """Set the fields, the words a copy of what was given; raise unless they fit the shape.

        A row's place is one of the axes ``rest``; it has ``planes`` runs of ``length`` bits, which
        stand behind the first axis.
        """
        panels, n_words = check_flag(self.panels, "panels"), -(-length // loops.BITS)
        if panels and not rest:
            raise ValueError(f"panels need rows: shape must have 2 axes or more, got {shape}")
        needed, dtype = (*rest[:1], *planes, *rest[1:], n_words), np.uint64
        if panels:
            run_words = 2 * n_words * math.prod(rest[1:])
            needed, dtype = (-(-rest[0] // LANES), *planes, run_words, LANES), np.uint32
        words = own_array(self.words, "words", dtype, needed)
        self.__dict__.update(words=words, shape=shape, panels=panels, **fields)
        rows, spare = row_words(self), length % loops.BITS
        if spare and (rows[..., -1] >> np.uint64(spare)).any():
            raise ValueError(f"words must be 0 behind the last of {length} values, got ones")
        return rows

    @property
    def nbytes(self):
        """Bytes that the words take."""
        return self.words.nbytes

    def as_panels(self):
        """Return the same values stored as panels."""
        if self.panels:
            return self
        if len(self.shape) < 2:
            raise ValueError(f"panels need rows: x must have 2 axes or more, got {self.shape}")
        n_runs = 1 if isinstance(self, PackedBits) else self.words.shape[1]
        words = half_words(self.words).reshape(len(self.words), n_runs, -1)
        panels = aligned_empty((-(-len(words) // LANES), n_runs, words.shape[2], LANES), np.uint32)
        loops.to_panels(words, panels, not isinstance(self, PackedTernary))
        if isinstance(self, PackedBits):
            panels = panels[:, 0]
        others = (getattr(self, name) for name in self.__match_args__[1:-1])
        return self.unchecked(panels, *others, panels=True)


@dataclass(frozen=True, eq=False)
class PackedBits(_Packed):
    """Signs, 64 to a word. Make one with :func:`~quantlib.kernels.packing.pack_signs`.

    Attributes
    ----------
    words : numpy.ndarray of uint64 or uint32
        Value k of a row is bit ``k % 64`` of word ``k // 64``: 1 stands for -1, 0 for +1. The
        padding bits of the last word are 0. As rows: the shape of the values without the packed
        axis, then the words. As panels: uint32, (rows / 16, rounded up) x words x 16, where a row
        is an index of the first of these axes, and word w of n holds the XOR of the row's words up
        to w, complemented if n - w = 4i + 3.
    shape : tuple of int
        Shape of the values.
    axis : int
        The axis that was packed.
    """

    words: np.ndarray
    shape: tuple[int, ...]
    axis: int
    panels: bool = False

    def __post_init__(self):
        shape = check_shape(self.shape)
        axis = check_axis(self.axis, len(shape))
        self._settle(shape, shape[:axis] + shape[axis + 1 :], (), shape[axis], axis=axis)

    @property
    def length(self):
        """Values along the packed axis; K of a matrix product."""
        return self.shape[self.axis]

    @functools.cached_property
    def row_sums(self):
        """Sums of the signs along the packed axis: the shape of the values without that axis."""
        ones = np.bitwise_count(row_words(self)).sum(axis=-1, dtype=np.int32)
        return np.int32(self.length) - np.int32(2) * ones


@dataclass(frozen=True, eq=False)
class PackedPlanes(_Packed):
    """Planes of a bit of codes. Make one with :func:`~quantlib.kernels.packing.pack_planes`.

    Attributes
    ----------
    words : numpy.ndarray of uint64 or uint32
        As rows: rows x ``bit_width`` x words, the lowest plane first. As panels: uint32, (rows /
        16, rounded up) x ``bit_width`` x words x 16, word w of n holding the XOR of the words of
        its plane up to w, complemented if n - w = 4i + 3. Signed codes are stored with
        ``2**(bit_width - 1)`` added.
    shape : tuple of int
        Rows and K.
    bit_width : int
        Number of planes, 1 to 8.
    """

    words: np.ndarray
    shape: tuple[int, int]
    bit_width: int
    signed: bool = True
    panels: bool = False

    def __post_init__(self):
        shape, bit_width = check_shape(self.shape, ndim=2), check_bit_width(self.bit_width, 1, 8)
        signed = check_flag(self.signed, "signed")
        self._settle(shape, shape[:1], (bit_width,), shape[1], bit_width=bit_width, signed=signed)

    @property
    def offset(self):
        """What was added to every code before it was stored."""
        return 2 ** (self.bit_width - 1) if self.signed else 0

    @functools.cached_property
    def sums(self):
        """Sum of the stored (never negative) codes of each row, int64."""
        ones = np.bitwise_count(row_words(self)).sum(axis=-1, dtype=np.int64)
        return ones @ (1 << np.arange(self.bit_width))


@dataclass(frozen=True, eq=False)
class PackedTernary(_Packed):
    """Values -1, 0, +1 as two planes. Make one with :func:`~quantlib.kernels.packing.pack_ternary`.

    Attributes
    ----------
    words : numpy.ndarray of uint64 or uint32
        As rows: the first axis that is not packed, 2, its other axes, words: for each item the
        masks (1 where the value is not 0), then the signs (1 where it is -1). As panels: uint32,
        (items / 16, rounded up) x 2 x words x 16.
    shape : tuple of int
        Shape of the values, of 2 axes or more.
    axis : int
        The axis that was packed.
    """

    words: np.ndarray
    shape: tuple[int, ...]
    axis: int = -1
    panels: bool = False

    def __post_init__(self):
        shape = check_shape(self.shape)
        if len(shape) < 2:
            raise ValueError(f"shape must have 2 axes or more, got {shape}")
        axis = check_axis(self.axis, len(shape))
        rest = shape[:axis] + shape[axis + 1 :]
        rows = self._settle(shape, rest, (2,), shape[axis], axis=axis)
        if (rows[:, 1] & ~rows[:, 0]).any():
            raise ValueError("words must have signs only where the mask is 1, got others")

    @property
    def length(self):
        """Values along the packed axis; K of a matrix product."""
        return self.shape[self.axis]


def half_words(words):
    """Return 64-bit words as twice as many 32-bit words, the lower half first."""
    return np.ascontiguousarray(words).astype("<u8", copy=False).view("<u4")


def row_words(packed):
    """Return the words of ``packed`` as rows, whichever way they are stored."""
    if not packed.panels:
        return packed.words
    words = np.moveaxis(packed.words, -1, 1)
    words = np.ascontiguousarray(words.reshape(-1, *words.shape[2:]))
    if not isinstance(packed, PackedTernary):
        words ^= complement(words.shape[-1])
        words[..., 1:] ^= words[..., :-1].copy()
    rest = list(packed.shape)
    del rest[getattr(packed, "axis", 1)]
    words = words[: rest[0]].view("<u8")
    planes = words.shape[1:-1]
    return words.reshape(rest[0], *planes, *rest[1:], -1)


def slice_values(packed, first, count):
    """Return ``count`` of the values along the packed axis of rows, from ``first`` on."""
    start, shift = divmod(first, 64)
    n_words = -(-count // 64)
    words = packed.words[..., start : start + n_words] >> np.uint64(shift)
    if shift:
        rest = packed.words[..., start + 1 : start + n_words + 1] << np.uint64(64 - shift)
        words[..., : rest.shape[-1]] |= rest
    if count % 64:
        words[..., -1] &= np.uint64(2 ** (count % 64) - 1)
    shape = (*packed.shape[: packed.axis], count, *packed.shape[packed.axis + 1 :])
    return packed.unchecked(np.ascontiguousarray(words), shape, packed.axis)


def slice_rows(packed, chosen):
    """Return a slice of values along their first axis, which is not the packed one, as rows."""
    words = row_words(packed)[chosen]
    return packed.unchecked(words, (len(words), *packed.shape[1:]), packed.axis)
