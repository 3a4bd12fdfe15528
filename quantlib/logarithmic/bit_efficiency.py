"""How well a tensor uses its bits: levels, range and density per bit, size after compression."""

import gzip
import lzma
import math
from collections.abc import Mapping

import numpy as np

from quantlib._validation import as_float_array, check_bit_width, check_choice, to_numpy
from quantlib.packed.tensor import pack

__all__ = ["average_bit_levels", "compressed_size", "density_per_bit", "range_per_bit"]

METHODS = ("gzip", "lzma", "none")
STORAGES = ("float32", "packed")


def _numbers(x, name, dtype=None):
    """Return ``x``, checked to be usable, as a NumPy array (of ``dtype``, if given)."""
    x = to_numpy(as_float_array(x, name))
    with np.errstate(over="ignore"):
        cast = np.asarray(x, dtype)
    if not np.isfinite(cast).all():
        raise ValueError(f"{name} must fit into {cast.dtype}, got {np.abs(x).max()}")
    return cast


def _tensors(weights, dtype=None):
    """Return the arrays of ``weights`` (one array, or a mapping of names to arrays) as a list."""
    if not isinstance(weights, Mapping):
        return [_numbers(weights, "weights", dtype)]
    if not weights:
        raise ValueError("weights must hold at least one array, got an empty mapping")
    return [_numbers(x, f"weights[{name!r}]", dtype) for name, x in weights.items()]


def average_bit_levels(weights):
    r"""Bits that would number the distinct values of each tensor, averaged over the tensors.

    .. math:: \frac1T \sum_{t=1}^T \log_2 n_t

    with :math:`n_t` the number of distinct values in tensor t (+0 and -0 are one value).
    ``weights`` is one array or a mapping of names to arrays; every tensor counts the same, however
    large. Nayak et al. 2019 print "average bit-levels" in Tables 1 and 3(c) and do not define
    them. This definition is the course's. Four values and two values, 2 bits and 1 bit:

    >>> average_bit_levels({"a": [0.0, 1.0, 2.0, 4.0], "b": [-1.0, 1.0, 1.0]})
    1.5
    """
    return float(np.mean([math.log2(np.unique(x).size) for x in _tensors(weights)]))


def range_per_bit(x_hat, bit_width):
    r"""Octaves (doublings) from the smallest to the largest magnitude, per bit.

    .. math:: \frac{1}{b} \log_2 \frac{\max |\hat x|}{\min_{\hat x \neq 0} |\hat x|}

    with :math:`\hat x` the values after dequantizing and b, 1 to 64, the bits that each takes.
    Nayak et al. 2019, III.b, ask for a high "range-per-bit coverage" in words only. This definition
    is the course's. From 1/4 to 1 are two octaves:

    >>> range_per_bit([-1.0, 0.0, 0.25, 0.5], bit_width=4)
    0.5
    """
    bit_width = check_bit_width(bit_width, 1, 64)
    magnitude = np.abs(_numbers(x_hat, "x_hat", np.float64))
    magnitude = magnitude[magnitude > 0]
    if magnitude.size == 0:
        raise ValueError("x_hat must hold a value other than 0, got only zeros")
    # The logarithms are subtracted: the quotient could leave the range of float64.
    return (math.log2(magnitude.max()) - math.log2(magnitude.min())) / bit_width


def density_per_bit(x_hat, bit_width):
    r"""Information in the choice of level, per bit that stores it: from 0 to 1.

    .. math:: \frac{1}{b} \Bigl( -\sum_i p_i \log_2 p_i \Bigr)

    with :math:`p_i` the share of the values (or codes) that lie on level i. It is 1 if all
    :math:`2^b` codes are used equally often, and small if most values share a few levels. Nayak et
    al. 2019, III.b, ask to preserve the "density-per-bit" in words only. This definition is the
    course's. Two levels, used equally often, stored with two bits where one would do:

    >>> density_per_bit([-1.0, 1.0, 1.0, -1.0], bit_width=2)
    0.5
    """
    bit_width = check_bit_width(bit_width, 1, 64)
    x_hat = _numbers(x_hat, "x_hat")
    _, counts = np.unique(x_hat, return_counts=True)
    if counts.size > 2**bit_width:
        raise ValueError(
            f"x_hat must have at most {2**bit_width} distinct values at {bit_width} bits, "
            f"got {counts.size}"
        )
    share = counts / x_hat.size
    return float(np.sum(share * np.log2(1 / share))) / bit_width


def compressed_size(weights, *, method="gzip", stored_as="float32"):
    """Bytes that the weights take after a general-purpose compressor has seen them.

    Source: Nayak et al. 2019, IV.d and Table 5, who store quantized weights as floats and compress
    them with gzip and 7-zip. The compressor's own header counts (18 bytes for gzip, about 60 for
    xz), names and shapes do not. A thousand values on two levels are one bit each, and a table of
    two floats:

    >>> x = np.where(np.arange(1000) % 3 == 0, 0.5, -0.5)
    >>> [compressed_size(x, method="none", stored_as=way) for way in ("float32", "packed")]
    [4000, 133]

    Parameters
    ----------
    weights : array or mapping of str to array
        One tensor, or the tensors of a network by name; all go into one stream, in order.
    method : {"gzip", "lzma", "none"}
        gzip at level 9; LZMA (7-zip's) in an xz container at preset 9; or the bytes as they are.
    stored_as : {"float32", "packed"}
        "float32": four bytes a value, little-endian. "packed", for at most 256 distinct values a
        tensor: a table of those n in float32, then an index of ``ceil(log2 n)`` bits a value.
    """
    check_choice(method, "method", METHODS)
    check_choice(stored_as, "stored_as", STORAGES)
    to_bytes = _float32_bytes if stored_as == "float32" else _packed_bytes
    stream = b"".join(to_bytes(x) for x in _tensors(weights, np.float32))
    if method == "gzip":
        stream = gzip.compress(stream, compresslevel=9, mtime=0)
    elif method == "lzma":
        stream = lzma.compress(stream, preset=9)
    return len(stream)


def _float32_bytes(x):
    """Return the values of the float32 array ``x`` as little-endian bytes."""
    return x.astype("<f4").tobytes()


def _packed_bytes(x):
    """Return a table of the distinct values of ``x`` and their packed indexes."""
    table, index = np.unique(x, return_inverse=True)
    if table.size > 256:
        raise ValueError(
            "weights must have at most 256 distinct values a tensor to be stored as 'packed', "
            f"got {table.size}"
        )
    bit_width = (table.size - 1).bit_length()
    if bit_width == 0:  # a single value needs no indexes
        return _float32_bytes(table)
    return _float32_bytes(table) + pack(index, bit_width, signed=False).data.tobytes()
