"""Storage that really takes ``bit_width`` bits a value, in memory and on disk."""

import math
from dataclasses import dataclass

import numpy as np

from quantlib._validation import as_integers, check_bit_width, check_flag, to_numpy
from quantlib.kernels._checks import Remade, check_shape, own_array
from quantlib.packed import _files
from quantlib.schemes import Scheme

__all__ = ["PackedTensor", "pack"]

_MOST_BITS = 16


@dataclass(frozen=True, eq=False)
class PackedTensor(Remade):
    """Integers of 1 to 16 bits, stored one after the other with no bit unused between them.

    Make one with :func:`pack`. Eight values of ``bit_width`` bits fill exactly ``bit_width``
    bytes; only the last group of eight can end in padding, which is cut to whole bytes.

    >>> packed = pack([[1, 2, 3], [4, 5, 6]], bit_width=3, signed=False)
    >>> packed.nbytes, packed.shape, packed.unpack().tolist()
    (3, (2, 3), [[1, 2, 3], [4, 5, 6]])
    """

    #: numpy.ndarray of uint8: The bytes, read-only. Value ``i`` starts at bit ``i * bit_width``;
    #: bit 0 is the lowest of byte 0. Bits behind the last value are 0.
    data: np.ndarray
    #: tuple of int: Shape of the tensor that was packed.
    shape: tuple[int, ...]
    #: Bits a value, 1 to 16.
    bit_width: int
    #: Whether the values are stored in two's complement.
    signed: bool = True

    def __post_init__(self):
        bit_width = check_bit_width(self.bit_width, 1, _MOST_BITS)
        signed = check_flag(self.signed, "signed")
        shape = check_shape(self.shape, low=0, high=2**60)
        if 4 * math.prod(length for length in shape if length) >= 2**63:
            raise ValueError(f"shape must be one that an array can have, got {shape}")
        n_bits = math.prod(shape) * bit_width
        data = own_array(self.data, "data", np.uint8, (-(-n_bits // 8),))
        if n_bits % 8 and data[-1] >> n_bits % 8:
            raise ValueError(f"data must be 0 behind the last of {n_bits} bits, got ones")
        data.flags.writeable = False
        self.__dict__.update(data=data, shape=shape, bit_width=bit_width, signed=signed)

    @property
    def nbytes(self):
        """Bytes that the values take."""
        return self.data.nbytes

    def unpack(self):
        """Return the values as a NumPy array of int32 in the original shape."""
        n_values = math.prod(self.shape)
        n_groups = -(-n_values // 8)
        used = np.zeros(n_groups * self.bit_width, np.uint8)
        used[: len(self.data)] = self.data
        words = np.zeros((n_groups, 16), np.uint8)
        words[:, : self.bit_width] = used.reshape(n_groups, self.bit_width)
        words = words.view("<u8")
        _apart(words, self.bit_width)
        values, mask = np.empty((n_groups, 8), np.int32), np.uint64(2**self.bit_width - 1)
        for i in range(8):
            values[:, i] = words[:, i // 4] >> np.uint64(i % 4 * self.bit_width) & mask
        if self.signed:
            values -= (values >> (self.bit_width - 1)) << self.bit_width
        return values.ravel()[:n_values].reshape(self.shape)

    def save(self, path):
        """Write the tensor to one safetensors file at ``path``."""
        header = {"shape": self.shape, "bit_width": self.bit_width, "signed": self.signed}
        _files.save(path, {"data": self.data}, "packed", header)

    @classmethod
    def load(cls, path):
        """Read a tensor that :meth:`save` wrote; raise ValueError of any other file."""
        with _files.opened(path, "packed", cls) as (header, read):
            shape, bit_width, signed = (header[key] for key in ("shape", "bit_width", "signed"))
            return cls(read("data"), shape, bit_width, signed)


def pack(codes, bit_width, *, signed=None):
    r"""Store integer codes at ``bit_width`` bits each.

    .. math:: \text{bytes} = \lceil n b / 8 \rceil

    Parameters
    ----------
    codes : array of integers
        NumPy array, torch tensor or nested list of any shape.
    bit_width : int or Scheme
        b, 1 to 16; or the parameters that the codes were made with, which know it, and whether
        codes are signed, and which is the smallest and which the largest.
    signed : bool
        True, as it is if not given: two's complement, from ``-2**(bit_width - 1)`` to
        ``2**(bit_width - 1) - 1``. False: from 0 to ``2**bit_width - 1``. Not beside the parameters
        of a scheme.

    Examples
    --------
    >>> pack(np.arange(1000) % 8 - 4, bit_width=3).nbytes
    375
    >>> from quantlib import uniform
    >>> weights = np.array([-1.0, 0.25, 0.75])
    >>> qparams = uniform.choose_qparams(weights, bit_width=4)
    >>> packed = pack(uniform.quantize(weights, qparams), qparams)
    >>> packed.nbytes, (7 * uniform.dequantize(packed.unpack(), qparams)).tolist()
    (2, [-7.0, 2.0, 5.0])
    """
    if isinstance(bit_width, Scheme):
        qparams, bit_width = bit_width, bit_width.bit_width
        if signed is not None:
            raise TypeError("signed must not be given beside the parameters of a scheme")
        low, high = qparams.quant_min, qparams.quant_max
        signed = low < 0
    else:
        bit_width = check_bit_width(bit_width, 1, _MOST_BITS)
        signed = signed is None or check_flag(signed, "signed")
        low = -(2 ** (bit_width - 1)) if signed else 0
        high = low + 2**bit_width - 1
    codes = to_numpy(as_integers(codes, "codes"))
    if codes.size and not low <= int(codes.min()) <= int(codes.max()) <= high:
        raise ValueError(
            f"codes must be from {low} to {high} at {bit_width} bits (signed={signed}), "
            f"got {codes.min()} to {codes.max()}"
        )
    n_groups = -(-codes.size // 8)
    groups = np.zeros((n_groups, 8), np.uint16)
    groups.reshape(-1)[: codes.size] = codes.ravel().astype(np.int32) & (2**bit_width - 1)
    words = np.zeros((n_groups, 2), "<u8")  # eight values make two words: four and four
    for i in range(8):
        words[:, i // 4] |= groups[:, i].astype(np.uint64) << np.uint64(i % 4 * bit_width)
    _together(words, bit_width)
    used = words.view(np.uint8)[:, :bit_width].reshape(-1)
    return PackedTensor(used[: -(-codes.size * bit_width // 8)], codes.shape, bit_width, signed)


def _together(words, bit_width):
    """Let the four values of each second word follow those of the first without a gap."""
    half = np.uint64(4 * bit_width)  # NumPy's shifts by all 64 bits give 0
    words[:, 0] |= words[:, 1] << half
    words[:, 1] >>= np.uint64(64) - half


def _apart(words, bit_width):
    """Undo :func:`_together`; what lies above the values is not cleared."""
    half = np.uint64(4 * bit_width)
    words[:, 1] = words[:, 0] >> half | words[:, 1] << np.uint64(64) - half
