"""Products of integers by powers of two, with shifts and additions and no multiplication.

.. math:: y = \\sum_k s_k\\, (a_k \\ll e_k), \\qquad s_k \\in \\{-1, 0, 1\\},\\ e_k \\ge 0
"""

import functools
import math
from dataclasses import dataclass

import numpy as np

from quantlib._validation import check_flag, check_integer
from quantlib.kernels import _shift_loops as loops
from quantlib.kernels._checks import (
    LARGEST,
    Remade,
    as_whole,
    check_bounds,
    check_instance,
    check_layout,
    check_out,
    check_shape,
    convolved_size,
    own_array,
)
from quantlib.kernels._threads import run, thread_count

__all__ = ["ShiftWeights", "pack_shifts", "shift_conv2d", "shift_gemm"]

_SHORT = 2**15 - 1
_MOST = 30  # the largest exponent


@dataclass(frozen=True, eq=False)
class ShiftWeights(Remade):
    """Weights that are powers of two, as lists of additions. Make them with :func:`pack_shifts`.

    Attributes
    ----------
    rows : numpy.ndarray of uint16
        For each addition, the row of the table of shifted activations that it takes: 64 times its
        exponent less ``low``, plus its place in its block of 64 places of K; or ``64 * n_levels``,
        where a zero is added. Read-only.
    bounds : numpy.ndarray of int32
        Where the lists start: for each block of K and each output, one list to subtract and one
        to add, each filled up with zeros to a multiple of four. Read-only.
    shape : tuple of int
        Shape of the weights.
    low, n_levels : int
        The smallest exponent, and how many from there to the largest.
    """

    rows: np.ndarray
    bounds: np.ndarray
    shape: tuple[int, ...]
    low: int
    n_levels: int

    def __post_init__(self):
        shape = check_shape(self.shape)
        if len(shape) not in (2, 4):
            raise ValueError(f"shape must have 2 or 4 axes, got {shape}")
        low = check_integer(self.low, "low", 0, _MOST)
        n_levels = check_integer(self.n_levels, "n_levels", 1, _MOST + 1 - low)
        n_outputs, length = shape[0], math.prod(shape[1:])
        n_blocks = -(-length // loops.BLOCK)
        n_lists = 2 * n_blocks * n_outputs
        rows = own_array(self.rows, "rows", np.uint16, (np.size(self.rows),))
        bounds = own_array(self.bounds, "bounds", np.int32, (n_lists + 1,))
        counts = np.diff(bounds.astype(np.int64))
        if bounds[0] != 0 or bounds[-1] != rows.size or (counts < 0).any():
            raise ValueError(f"bounds must ascend from 0 to the {rows.size} rows, got others")
        if (counts % loops.UNROLL).any():
            raise ValueError(f"bounds must be multiples of {loops.UNROLL}, got others")
        last = rows[bounds[n_lists - 2 * n_outputs] :]
        places = length - (n_blocks - 1) * loops.BLOCK
        if (rows > n_levels * loops.BLOCK).any() or (last % loops.BLOCK >= places).any():
            raise ValueError("rows must be of the table of shifted activations, got others")
        rows.flags.writeable = bounds.flags.writeable = False
        values = dict(rows=rows, bounds=bounds, shape=shape, low=low, n_levels=n_levels)
        self.__dict__.update(values)

    @functools.cached_property
    def reach(self):
        """Largest sum of 2**e of one output, in a block and in all, of both signs together."""
        return self._largest(self._powers.sum(axis=2, keepdims=True))

    @functools.cached_property
    def side(self):
        """Largest sum of 2**e of one output, in a block and in all, of one sign."""
        return self._largest(self._powers)

    @property
    def _powers(self):
        """Sums of 2**e of each list: blocks x outputs x signs."""
        level = self.rows // np.uint16(loops.BLOCK)
        powers = np.where(level < self.n_levels, np.int64(1) << (level + self.low), 0)
        sums = np.concatenate([[0], powers.cumsum()])[self.bounds]
        return np.diff(sums).reshape(-1, self.shape[0], 2)

    @staticmethod
    def _largest(sums):
        return int(sums.max()), int(sums.sum(axis=0).max())

    @property
    def nbytes(self):
        """Bytes that the lists take."""
        return self.rows.nbytes + self.bounds.nbytes


def pack_shifts(sign, exponent, *, skip_zeros=True):
    r"""Prepare weights :math:`s \cdot 2^e` for :func:`shift_gemm` and :func:`shift_conv2d`.

    Parameters
    ----------
    sign : numpy.ndarray of integers
        -1, 0 or 1: N x K for a matrix product, O x C x h x w for a convolution.
    exponent : numpy.ndarray of integers
        Of the same shape, from 0 to 30; where ``sign`` is 0 any number. For weights below 1 take
        exponents relative to the smallest, of all or of each output, and scale the result.
    skip_zeros : bool
        Whether weights of zero are left out (as many additions as weights that are not zero), or
        added as zeros (the same work for any weights).

    Returns
    -------
    ShiftWeights

    Notes
    -----
    Source: Nayak et al. 2019, IV.d (bit-shifting); Long et al. 2020 (leaving out zero weights).

    Examples
    --------
    >>> weights = pack_shifts(np.array([[1, 0, -1]]), np.array([[0, 0, 2]]))
    >>> weights.shape, weights.n_levels
    ((1, 3), 3)
    """
    sign, exponent = as_whole(sign, "sign"), as_whole(exponent, "exponent")
    if sign.shape != exponent.shape:
        raise ValueError(
            f"sign and exponent must have the same shape, got {sign.shape} and {exponent.shape}"
        )
    if sign.ndim not in (2, 4):
        raise ValueError(f"sign must have 2 or 4 axes, got shape {sign.shape}")
    if sign.size > LARGEST // 4:
        raise ValueError(f"sign must have at most {LARGEST // 4} values, got shape {sign.shape}")
    check_bounds(sign, "sign", -1, 1)
    used = exponent[sign != 0]
    if used.size:
        check_bounds(used, "exponent", 0, _MOST)
    low = int(used.min()) if used.size else 0
    n_levels = int(used.max()) - low + 1 if used.size else 1
    flat_sign = np.ascontiguousarray(sign, np.int8).reshape(len(sign), -1)
    flat = np.where(sign != 0, exponent, 0).astype(np.int8).reshape(len(sign), -1)
    n_outputs, length = flat.shape
    n_blocks = -(-length // loops.BLOCK)
    rows = np.empty(n_outputs * (length + 2 * n_blocks * loops.UNROLL), np.uint16)
    bounds = np.empty(2 * n_blocks * n_outputs + 1, np.int32)
    skip_zeros = check_flag(skip_zeros, "skip_zeros")
    count = loops.fill_lists(flat_sign, flat, low, n_levels * loops.BLOCK, skip_zeros, rows, bounds)
    return ShiftWeights(rows[:count], bounds, sign.shape, low, n_levels)


def shift_gemm(a, weights, *, out=None, num_threads=None):
    r"""Multiply a matrix of integers by a matrix of powers of two.

    .. math:: c_{mn} = \sum_k s_{nk}\, (a_{mk} \ll e_{nk})

    Sums are 32 bits wide and exact: input of which a sum could be larger is refused.

    Parameters
    ----------
    a : numpy.ndarray of integers
        M x K. Values of 8 bits are added up in 16 bits, twice as fast, as long as the weights
        allow it.
    weights : ShiftWeights
        N x K.
    num_threads : int, optional
        All threads that numba has if not given.

    Returns
    -------
    numpy.ndarray of int32
        M x N.

    Notes
    -----
    Source: Nayak et al. 2019, IV.d. A sum is at most max|a| times the largest sum of 2**e of one
    output (if no a is negative, of its weights of one sign); that must be below 2**31.

    Examples
    --------
    >>> weights = pack_shifts(np.array([[1, 0, -1]]), np.array([[0, 0, 2]]))
    >>> shift_gemm(np.array([[10, 20, 30]]), weights).tolist()
    [[-110]]
    """
    a = as_whole(a, "a", ndim=2)
    check_instance(weights, "weights", ShiftWeights, "pack_shifts")
    if len(weights.shape) != 2 or weights.shape[1] != a.shape[1]:
        raise ValueError(
            f"a and weights must have the same K, got shapes {a.shape} and {weights.shape}"
        )
    source = _activations(a, "a", weights)
    m, n = len(a), weights.shape[0]
    out = check_out(out, (m, n), np.int32, a)
    run(
        loops.multiply, thread_count(num_threads), -(-m // loops.LANES),
        source.reshape(-1), np.arange(a.shape[1]), (m, n, a.shape[1]), weights.rows,
        weights.bounds, (weights.low, weights.n_levels), out.reshape(-1),
    )  # fmt: skip
    return out


def shift_conv2d(x, weights, stride=1, padding=0, *, layout="NCHW", out=None, num_threads=None):
    r"""Convolve images of integers with filters of powers of two.

    .. math:: y_{oij} = \sum_{c,k,l} s_{ockl}\, (x_{c,\,si+k-p,\,sj+l-p} \ll e_{ockl})

    Outside the image x is 0. Sums are 32 bits wide and exact, as in :func:`shift_gemm`. It computes
    with channels first; the result for channels last is a copy.

    Parameters
    ----------
    x : numpy.ndarray of integers
        Images, N x C x H x W or N x H x W x C.
    weights : ShiftWeights
        O x C x h x w.
    stride, padding : int
        s and p above, the same for both directions.
    layout : {"NCHW", "NHWC"}
        Where the channels of ``x`` and of the result are.
    num_threads : int, optional
        All threads that numba has if not given.

    Returns
    -------
    numpy.ndarray of int32
        N x O x H' x W' or N x H' x W' x O.

    Notes
    -----
    Source: Nayak et al. 2019, IV.d.

    Examples
    --------
    >>> weights = pack_shifts(np.full((1, 1, 2, 2), -1), np.array([[[[0, 1], [2, 3]]]]))
    >>> shift_conv2d(np.array([[[[1, 2], [3, 4]]]]), weights).tolist()
    [[[[-49]]]]
    """
    x = as_whole(x, "x", ndim=4)
    channels_last = check_layout(layout)
    x = x.transpose(0, 3, 1, 2) if channels_last else x
    check_instance(weights, "weights", ShiftWeights, "pack_shifts")
    if len(weights.shape) != 4 or weights.shape[1] != x.shape[1]:
        raise ValueError(
            f"x and weights must have the same channels, got shapes {x.shape} and {weights.shape}"
        )
    stride = check_integer(stride, "stride", 1, 2**15)
    padding = check_integer(padding, "padding", 0, 2**15)
    n_images, channels, *size = x.shape
    n_filters, _, *kernel_size = weights.shape
    out_size = convolved_size(size, kernel_size, (stride,) * 2, (padding,) * 2)
    values = _activations(x, "x", weights)
    # Each residue of the coordinates modulo the stride becomes an image of its own, so that
    # neighbouring pixels of the result read neighbouring values for every tap.
    height, width = (-(-(s + 2 * padding) // stride) for s in size)
    whole = np.zeros((n_images, channels, height * stride, width * stride), values.dtype)
    whole[:, :, padding : padding + size[0], padding : padding + size[1]] = values
    split = whole.reshape(n_images, channels, height, stride, width, stride)
    split = split.transpose(0, 1, 3, 5, 2, 4).reshape(-1)
    plane = height * width
    c, i, j = np.indices((channels, *kernel_size))
    starts = ((c * stride + i % stride) * stride + j % stride) * plane
    starts = (starts + i // stride * width + j // stride).reshape(-1)
    spare = int(starts.max()) + plane + loops.LANES
    source = np.concatenate([split, np.zeros(spare, values.dtype)])
    shape = (n_images, *out_size, n_filters) if channels_last else (n_images, n_filters, *out_size)
    out = check_out(out, shape, np.int32, x)
    first = np.empty((n_images, n_filters, *out_size), np.int32) if channels_last else out
    chunks = -(-out_size[0] * width // loops.LANES)
    run(
        loops.convolve, thread_count(num_threads), n_images * chunks,
        source, starts, (channels * stride * stride * plane, width, *out_size, n_filters),
        weights.rows, weights.bounds, (weights.low, weights.n_levels), first.reshape(-1),
    )  # fmt: skip
    if channels_last:
        out[:] = first.transpose(0, 2, 3, 1)
    return out


def _activations(x, name, weights):
    """Return ``x`` as int16 if sums of a block fit into 16 bits, else as int32; or refuse it."""
    least, most = int(x.min()), int(x.max())
    largest = max(-least, most)
    block, total = weights.side if least >= 0 else weights.reach
    if largest * max(total, 1) > LARGEST:
        raise ValueError(
            f"{name} must be at most {LARGEST // max(total, 1)} in magnitude for these weights, "
            f"so that sums fit into 32 bits, got {largest}"
        )
    narrow = largest * max(block, 1) <= _SHORT
    return np.ascontiguousarray(x, np.int16 if narrow else np.int32)
