"""Five values -1, 0 and +1 to a byte, as 3**5 = 243 fit into 256: 1.6 bits a value."""

import math
from dataclasses import dataclass

import numpy as np

from quantlib._validation import as_integers, to_numpy
from quantlib.kernels._checks import Remade, check_shape, own_array
from quantlib.packed import _files

__all__ = ["PackedTrits", "pack_trits"]

_TRITS = 5
_POWERS = 3 ** np.arange(_TRITS)

#: The trits of each byte.
_TABLE = (np.arange(3**_TRITS)[:, None] // _POWERS % 3 - 1).astype(np.int8)


@dataclass(frozen=True, eq=False)
class PackedTrits(Remade):
    r"""Values -1, 0 and +1, five to a byte. Make one with :func:`pack_trits`.

    Two bits a value, as :func:`quantlib.packed.tensor.pack` takes, leave one of four codes unused.
    Here only 13 of 256 bytes are, at the cost of a look-up: products take two planes of bits
    (:func:`quantlib.kernels.packing.pack_ternary`).

    >>> packed = pack_trits([[1, 0, -1], [-1, -1, 1]])
    >>> packed.nbytes, packed.unpack().tolist()
    (2, [[1, 0, -1], [-1, -1, 1]])
    """

    #: numpy.ndarray of uint8: The bytes, read-only, each below 243; zeros follow the last value.
    data: np.ndarray
    #: tuple of int: Shape of the tensor that was packed.
    shape: tuple[int, ...]

    def __post_init__(self):
        shape = check_shape(self.shape, low=0, high=2**60)
        n_values = math.prod(shape)
        data = own_array(self.data, "data", np.uint8, (-(-n_values // _TRITS),))
        if data.size and data.max() >= len(_TABLE):
            raise ValueError(f"data must be bytes below {len(_TABLE)}, got {data.max()}")
        if n_values % _TRITS and _TABLE[data[-1], n_values % _TRITS :].any():
            raise ValueError(f"data must be zeros behind the last of {n_values} values")
        data.flags.writeable = False
        self.__dict__.update(data=data, shape=shape)

    @property
    def nbytes(self):
        """Bytes that the values take."""
        return self.data.nbytes

    def unpack(self):
        """Return the values as a NumPy array of int8 in the original shape."""
        return _TABLE[self.data].ravel()[: math.prod(self.shape)].reshape(self.shape)

    def save(self, path):
        """Write the tensor to one safetensors file at ``path``."""
        _files.save(path, {"data": self.data}, "trits", {"shape": self.shape})

    @classmethod
    def load(cls, path):
        """Read a tensor that :meth:`save` wrote; raise ValueError of any other file."""
        with _files.opened(path, "trits", cls) as (header, read):
            return cls(read("data"), header["shape"])


def pack_trits(codes):
    r"""Store values -1, 0 and +1 five to a byte.

    .. math:: \text{byte} = \sum_{i=0}^{4} 3^i\, (t_i + 1), \qquad
              \text{bytes} = \lceil n / 5 \rceil

    ``codes`` are integers in an array, a tensor or nested lists of any shape.

    >>> pack_trits([1, 1, 1, 1, 1]).data.tolist(), pack_trits([-1]).data.tolist()
    ([242], [120])
    """
    codes = to_numpy(as_integers(codes, "codes"))
    if codes.size and not -1 <= int(codes.min()) <= int(codes.max()) <= 1:
        raise ValueError(f"codes must be -1, 0 or 1, got {codes.min()} to {codes.max()}")
    groups = np.zeros((-(-codes.size // _TRITS), _TRITS), np.int64)
    groups.reshape(-1)[: codes.size] = codes.ravel()
    return PackedTrits(((groups + 1) @ _POWERS).astype(np.uint8), codes.shape)
