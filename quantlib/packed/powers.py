"""Whole numbers that are 0 or a power of two with a sign, stored by their exponents."""

import functools
from dataclasses import dataclass

import numpy as np

from quantlib._validation import as_integers, to_numpy
from quantlib.kernels._checks import Remade, check_instance
from quantlib.packed.tensor import PackedTensor, pack

__all__ = ["PackedPowers", "pack_powers"]

_MOST = 2**30  # the largest magnitude


@dataclass(frozen=True, eq=False)
class PackedPowers(Remade):
    r"""Values 0 and :math:`\pm 2^e`, a few bits each. Make one with :func:`pack_powers`.

    .. math:: 0 \to 0, \qquad \pm 2^e \to \pm (e + 1)

    so that the values up to :math:`2^m` take the bits of the whole numbers up to m + 1: two for
    those up to 1, three for those up to 4, four for those up to 64.

    >>> packed = pack_powers([[4, 0, -1], [2, -4, 1]], 3)
    >>> packed.nbytes, packed.bit_width, packed.unpack().tolist()
    (3, 3, [[4, 0, -1], [2, -4, 1]])
    """

    #: PackedTensor: the exponents plus 1 with the sign of the value, in two's complement.
    places: PackedTensor

    def __post_init__(self):
        check_instance(self.places, "places", PackedTensor, "pack")
        if not self.places.signed:
            raise ValueError("places must be signed, got unsigned ones")
        if abs(self.places.unpack()).max(initial=0) > _MOST.bit_length():
            raise ValueError(f"places must be up to {_MOST.bit_length()}, got larger ones")

    @property
    def shape(self):
        """Shape of the tensor that was packed."""
        return self.places.shape

    @property
    def bit_width(self):
        """Bits a value."""
        return self.places.bit_width

    @property
    def nbytes(self):
        """Bytes that the values take."""
        return self.places.nbytes

    def unpack(self):
        """Return the values as a NumPy array of int32 in the original shape."""
        sign, exponent = self.signs_and_exponents()
        return sign << exponent

    def signs_and_exponents(self):
        """Return two int32 arrays: -1, 0 or +1, and the exponents, which are 0 where that is 0."""
        places = self.places.unpack()
        return np.sign(places), np.maximum(abs(places) - 1, 0)

    @functools.cached_property
    def largest_sum(self):
        """The largest sum of magnitudes of one output, the first axis."""
        magnitudes = abs(self.unpack())
        return int(magnitudes.reshape(len(magnitudes), -1).sum(axis=1, dtype=np.int64).max())


def pack_powers(values, bit_width):
    """Store whole numbers that are 0 or powers of two with a sign, up to 2**30.

    ``values`` are integers in an array, a tensor or nested lists of any shape; ``bit_width`` are
    the bits a value.

    >>> pack_powers([-1, 64], 4).nbytes
    1
    """
    values = to_numpy(as_integers(values, "values")).astype(np.int64)
    magnitudes = abs(values)
    wrong = values[(magnitudes & (magnitudes - 1) != 0) | (magnitudes > _MOST)]
    if wrong.size:
        raise ValueError(f"values must be 0 or powers of two up to 2**30, got {wrong[0]}")
    exponents = np.frexp(magnitudes.astype(np.float64))[1]  # of 2**e it is e + 1, of 0 it is 0
    places = np.sign(values) * exponents
    return PackedPowers(pack(places, bit_width, signed=True))
