"""Storage that really takes ``bit_width`` bits a value, in memory and on disk."""

import json
import math
from dataclasses import dataclass

import numpy as np

from quantlib._validation import as_integers, check_bit_width, check_integer, to_numpy

__all__ = ["PackedTensor", "pack"]


@dataclass(frozen=True, eq=False)
class PackedTensor:
    """Integers of 1 to 8 bits, stored one after the other with no bit unused between them.

    Make one with :func:`pack`. Eight values of ``bit_width`` bits fill exactly ``bit_width``
    bytes; only the last group of eight can end in padding, which is cut to whole bytes.

    >>> packed = pack([[1, 2, 3], [4, 5, 6]], bit_width=3)
    >>> packed.nbytes, packed.shape, packed.unpack().tolist()
    (3, (2, 3), [[1, 2, 3], [4, 5, 6]])
    """

    #: numpy.ndarray of uint8: The bytes. Value ``i`` starts at bit ``i * bit_width``; bit 0 is the
    #: lowest of byte 0.
    data: np.ndarray
    #: tuple of int: Shape of the tensor that was packed.
    shape: tuple[int, ...]
    #: Bits a value, 1 to 8.
    bit_width: int
    #: Whether the values are stored in two's complement.
    signed: bool = False

    def __post_init__(self):
        check_bit_width(self.bit_width, 1, 8)
        for length in self.shape:
            check_integer(length, "shape", 0, 2**63)
        if not isinstance(self.data, np.ndarray):
            raise TypeError(f"data must be a NumPy array, got {type(self.data).__name__}")
        needed = -(-math.prod(self.shape) * self.bit_width // 8)
        if self.data.dtype != np.uint8 or self.data.shape != (needed,):
            raise ValueError(
                f"data must be {needed} bytes for shape {self.shape} at {self.bit_width} bits, "
                f"got {self.data.dtype} of shape {self.data.shape}"
            )

    @property
    def nbytes(self):
        """Bytes that the values take."""
        return self.data.nbytes

    def unpack(self):
        """Return the values as a NumPy array of int32 in the original shape."""
        n_values = math.prod(self.shape)
        n_groups = -(-n_values // 8)
        padded = np.zeros((n_groups, 8), np.uint8)
        padded[:, : self.bit_width] = _pad(self.data, n_groups * self.bit_width).reshape(
            n_groups, self.bit_width
        )
        words = padded.view("<u8")  # one word holds the eight values of a group
        shifts = np.arange(8, dtype=np.uint64) * np.uint64(self.bit_width)
        values = (words >> shifts & np.uint64(2**self.bit_width - 1)).astype(np.int32)
        if self.signed:
            values -= (values >> (self.bit_width - 1)) << self.bit_width
        return values.ravel()[:n_values].reshape(self.shape)

    def save(self, path):
        """Write the tensor to one safetensors file at ``path``."""
        from safetensors.numpy import save_file

        header = {"shape": self.shape, "bit_width": self.bit_width, "signed": self.signed}
        save_file({"data": self.data}, path, metadata={"packed": json.dumps(header)})

    @classmethod
    def load(cls, path):
        """Read a tensor that :meth:`save` wrote; raise ValueError of any other file."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="numpy") as file:
                header = json.loads((file.metadata() or {})["packed"])
                data = file.get_tensor("data")
            return cls(data, tuple(header["shape"]), header["bit_width"], header["signed"])
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"path must be a file saved by PackedTensor, got {path}") from error


def pack(codes, bit_width, signed=False):
    r"""Store integer codes at ``bit_width`` bits each.

    .. math:: \text{bytes} = \lceil n b / 8 \rceil

    Parameters
    ----------
    codes : array of integers
        NumPy array, torch tensor or nested list of any shape.
    bit_width : int
        b, 1 to 8.
    signed : bool
        False: values from 0 to ``2**bit_width - 1``. True: two's complement, from
        ``-2**(bit_width - 1)`` to ``2**(bit_width - 1) - 1``.

    Examples
    --------
    >>> pack(np.arange(1000) % 8, bit_width=3).nbytes
    375
    """
    bit_width = check_bit_width(bit_width, 1, 8)
    codes = to_numpy(as_integers(codes, "codes"))
    if codes.size == 0:
        raise ValueError(f"codes must not be empty, got shape {codes.shape}")
    low, high = (
        (-(2 ** (bit_width - 1)), 2 ** (bit_width - 1) - 1) if signed else (0, 2**bit_width - 1)
    )
    if codes.min() < low or codes.max() > high:
        raise ValueError(
            f"codes must be from {low} to {high} at {bit_width} bits (signed={signed}), "
            f"got {codes.min()} to {codes.max()}"
        )
    # Eight values of b bits make one 64-bit word of which b bytes are used.
    groups = _pad((codes.ravel() & (2**bit_width - 1)).astype(np.uint8), -(-codes.size // 8) * 8)
    groups = groups.reshape(-1, 8)
    words = np.zeros((len(groups), 1), "<u8")
    for i in range(8):
        words[:, 0] |= groups[:, i].astype(np.uint64) << np.uint64(i * bit_width)
    used = words.view(np.uint8)[:, :bit_width].reshape(-1)
    data = used[: -(-codes.size * bit_width // 8)].copy()
    return PackedTensor(data, codes.shape, bit_width, signed)


def _pad(values, length):
    """Return ``values`` with zeros behind, ``length`` in all."""
    return np.concatenate([values, np.zeros(length - len(values), values.dtype)])
