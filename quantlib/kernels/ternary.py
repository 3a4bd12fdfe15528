"""Products of 8-bit integers with ternary weights: what ternary language models run on."""

from dataclasses import dataclass

import numpy as np

from quantlib.kernels import _ternary_loops as loops
from quantlib.kernels._checks import (
    Remade,
    as_whole,
    check_bounds,
    check_instance,
    check_out,
    check_shape,
    own_array,
)
from quantlib.kernels._threads import run, thread_count
from quantlib.kernels.packing import as_ternary

__all__ = ["TernaryPanels", "pack_ternary_panels", "ternary_int8_gemm", "unpack_ternary_panels"]

#: Sums of a times u, from 0 to 2, of so many places fit into 32 bits.
_LONGEST = 2**31 // (2 * 128) - 1


@dataclass(frozen=True, eq=False)
class TernaryPanels(Remade):
    """Ternary weights, two bits each, as :func:`ternary_int8_gemm` reads them.

    Make them with :func:`pack_ternary_panels`.

    Attributes
    ----------
    codes : numpy.ndarray of uint8
        (outputs / 16, rounded up) x (K / 16, rounded up) x 16 x 4. Of output o and place k, k
        being 16 b + 4 g + i, bits 2 g and 2 g + 1 of the byte at o // 16, b, o % 16, i hold w + 1.
        Weights that fill up are 0. Read-only.
    shape : tuple of int
        Outputs and K.
    """

    codes: np.ndarray
    shape: tuple[int, int]

    def __post_init__(self):
        shape = check_shape(self.shape, ndim=2, high=_LONGEST)
        codes = own_array(self.codes, "codes", np.uint8, _sizes(shape))
        if (codes & codes >> 1 & 0x55).any():
            raise ValueError("codes must be 0, 1 or 2, got 3")
        values = _values(codes)
        if (values[shape[0] :] != 0).any() or (values[:, shape[1] :] != 0).any():
            raise ValueError(f"codes must be weights of 0 behind the last of {shape}, got others")
        codes.flags.writeable = False
        self.__dict__.update(codes=codes, shape=shape)

    @property
    def nbytes(self):
        """Bytes that the codes take."""
        return self.codes.nbytes


def _sizes(shape):
    return -(-shape[0] // loops.LANES), -(-shape[1] // loops.BLOCK), loops.LANES, 4


def _values(codes):
    """Return all weights, those that fill up too."""
    groups = [(codes >> 2 * group & 3).astype(np.int8) - np.int8(1) for group in range(4)]
    values = np.stack(groups, axis=2)  # panels, blocks, groups, outputs, places
    values = values.transpose(0, 3, 1, 2, 4)
    return values.reshape(len(codes) * loops.LANES, -1)


def pack_ternary_panels(w):
    """Pack weights -1, 0 and +1 for :func:`ternary_int8_gemm`, two bits each.

    ``w`` are integers or real numbers, outputs x K.

    >>> panels = pack_ternary_panels(np.array([[1, 0, -1], [0, 0, 1]]))
    >>> panels.shape, unpack_ternary_panels(panels).tolist()
    ((2, 3), [[1, 0, -1], [0, 0, 1]])
    """
    w = as_ternary(w, "w")
    panels, blocks, lanes, four = _sizes(w.shape)
    if w.shape[1] > _LONGEST:
        raise ValueError(f"w must have K of at most {_LONGEST}, got shape {w.shape}")
    padded = np.zeros((panels * lanes, blocks * loops.BLOCK), np.int8)
    padded[: w.shape[0], : w.shape[1]] = w
    groups = (padded + 1).astype(np.uint8).reshape(panels, lanes, blocks, 4, four)
    groups = groups.transpose(3, 0, 2, 1, 4)  # groups, panels, blocks, outputs, places
    codes = groups[0] | groups[1] << 2 | groups[2] << 4 | groups[3] << 6
    return TernaryPanels(np.ascontiguousarray(codes), w.shape)


def unpack_ternary_panels(panels):
    """Return the weights of :func:`pack_ternary_panels` as int8, outputs x K."""
    check_instance(panels, "panels", TernaryPanels, "pack_ternary_panels")
    n_outputs, length = panels.shape
    return np.ascontiguousarray(_values(panels.codes)[:n_outputs, :length])


def ternary_int8_gemm(x, weights, *, out=None, num_threads=None):
    r"""Multiply 8-bit integers with ternary weights.

    .. math:: y_{mo} = \sum_k x_{mk} w_{ok} = \sum_k x_{mk} (w_{ok} + 1) - \sum_k x_{mk}

    Parameters
    ----------
    x : numpy.ndarray of integers
        M x K, from -128 to 127. It is read as it lies in memory if it is int8, and K a multiple
        of 16.
    weights : TernaryPanels
        O x K, from :func:`pack_ternary_panels`.
    num_threads : int, optional
        All threads that numba has if not given.

    Returns
    -------
    numpy.ndarray of int32
        M x O, exact.

    Notes
    -----
    Source: the course's own. Storing w + 1 makes one factor unsigned, as the processor's products
    of bytes want it; microsoft/BitNet does the same.

    Examples
    --------
    >>> weights = pack_ternary_panels(np.array([[1, 0, -1], [-1, -1, -1]]))
    >>> ternary_int8_gemm(np.array([[100, -128, 7]]), weights).tolist()
    [[93, 21]]
    """
    x = as_whole(x, "x", ndim=2)
    check_instance(weights, "weights", TernaryPanels, "pack_ternary_panels")
    n_outputs, length = weights.shape
    if x.shape[1] != length:
        raise ValueError(f"x and weights must have the same K, got {x.shape[1]} and {length}")
    if x.dtype != np.int8:
        check_bounds(x, "x", -128, 127)
    n_blocks = weights.codes.shape[1]
    rows = np.ascontiguousarray(x, np.int8)
    if length % loops.BLOCK:
        rows = np.zeros((len(x), n_blocks * loops.BLOCK), np.int8)
        rows[:, :length] = x
    out = check_out(out, (len(x), n_outputs), np.int32, x, weights.codes)
    n_tasks, task_panels = loops.task_sizes(len(x), n_outputs)
    run(
        loops.multiply, thread_count(num_threads), n_tasks, rows.reshape(-1),
        weights.codes.reshape(-1), out.reshape(-1),
        (len(x), n_outputs, n_blocks, task_panels),
    )  # fmt: skip
    return out
