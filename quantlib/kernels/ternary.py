"""Products with ternary weights: of 8-bit integers, as language models run; of ternary images."""

from dataclasses import dataclass

import numpy as np

from quantlib.kernels import _ternary_convolve
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
from quantlib.kernels.binary import check_scale, convolution_sizes
from quantlib.kernels.packing import as_ternary
from quantlib.kernels.words import PackedTernary, half_words, slice_rows, slice_values

__all__ = [
    "TernaryPanels",
    "pack_ternary_panels",
    "ternary_conv2d",
    "ternary_int8_gemm",
    "unpack_ternary_panels",
]

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
    w = as_ternary(w, "w", ndim=2)
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


def ternary_conv2d(
    x, w, stride=1, padding=0, *, dilation=1, groups=1, alpha=None, layout="NCHW", out=None,
    num_threads=None,
):  # fmt: skip
    r"""Convolve ternary images with ternary filters.

    .. math:: y_{oij} = \alpha_o \sum_{c,k,l} x_{c,\,si+dk-p,\,sj+dl-p}\, w_{ockl}

    each sum a :func:`~quantlib.kernels.bitplane.ternary_gemm` of a patch and a filter. Outside of
    the image every value is 0.

    Parameters
    ----------
    x : PackedTernary
        Images packed along their channels: N x C x H x W along axis 1, N x H x W x C along axis 3.
    w : PackedTernary
        Filters, O x C / ``groups`` x h x w, packed along axis 1 as panels
        (``pack_ternary(w, 1, panels=True)``).
    stride, padding, dilation, groups, layout
        As for :func:`~quantlib.kernels.binary.xnor_conv2d`.
    alpha : numpy.ndarray, optional
        A scale for each filter.
    num_threads : int, optional
        All threads that numba has if not given.

    Returns
    -------
    numpy.ndarray
        N x O x H' x W' or N x H' x W' x O: int32, exact; float32 with ``alpha``.

    Notes
    -----
    Source: the course's own; Bei Yu, Mo04, names the ternary values of TTQ.

    Examples
    --------
    >>> from quantlib import kernels
    >>> x = kernels.pack_ternary(np.array([[[[1, 0, -1]]]]), 1)
    >>> w = kernels.pack_ternary(np.array([[[[1, -1]]]]), 1, panels=True)
    >>> ternary_conv2d(x, w).tolist(), ternary_conv2d(x, w, alpha=np.array([0.5])).tolist()
    ([[[[1, 1]]]], [[[[0.5, 0.5]]]])
    """
    sizes = convolution_sizes(x, w, stride, padding, dilation, groups, 0, layout, PackedTernary)
    (n_images, n_filters), w_channels = (x.shape[0], w.shape[0]), w.shape[1]
    scale = check_scale(alpha, "alpha", (n_filters,))
    out = check_out(out, sizes.shape, np.int32 if scale is None else np.float32, x.words, w.words)
    if sizes.groups > 1:
        each = n_filters // sizes.groups
        for group in range(sizes.groups):
            chosen = slice(group * each, (group + 1) * each)
            place = (..., chosen) if sizes.channels_last else (slice(None), chosen)
            out[place] = ternary_conv2d(
                slice_values(x, group * w_channels, w_channels), slice_rows(w, chosen),
                sizes.stride, sizes.padding, dilation=sizes.dilation, layout=layout,
                alpha=None if alpha is None else np.asarray(alpha)[chosen], num_threads=num_threads,
            )  # fmt: skip
        return out
    words = half_words(x.words)
    _ternary_convolve.convolve(
        thread_count(num_threads), words.reshape(-1), w.as_panels().words.reshape(-1),
        out.reshape(-1).view(np.int32), scale, (2 * n_images, *sizes.size, *sizes.padding),
        (*sizes.kernel_size, *sizes.stride, *sizes.dilation), (n_filters, *sizes.out_size),
        words.shape[-1], sizes.channels_last,
    )  # fmt: skip
    return out
