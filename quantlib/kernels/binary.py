"""Products of signs: XOR, popcount and one subtraction in place of multiplications.

With +1 stored as bit 0 and -1 as bit 1, the product of two signs is the XOR of their bits, and a
sum of K products is K minus twice the number of ones:

.. math:: \\sum_{k=1}^{K} a_k b_k = K - 2\\,\\mathrm{popcount}(a \\oplus b)
"""

import math
from typing import NamedTuple

import numpy as np

from quantlib._validation import check_choice, check_pair
from quantlib.kernels import _convolve, _popcount, _scale_map
from quantlib.kernels._checks import (
    LARGEST,
    as_real,
    check_groups,
    check_instance,
    check_layout,
    check_out,
    convolved_size,
)
from quantlib.kernels._threads import thread_count
from quantlib.kernels.words import PackedBits, half_words, row_words, slice_rows, slice_values

__all__ = ["xnor_conv2d", "xnor_gemm", "xnor_input_scale"]


def xnor_gemm(a, b, *, row_scale=None, column_scale=None, out=None, num_threads=None):
    r"""Multiply two matrices of signs.

    .. math:: c_{mn} = \sum_k a_{mk} b_{nk} = K - 2\,\mathrm{popcount}(a_m \oplus b_n)

    and, with scales, :math:`c_{mn} \cdot (r_m s_n)` in float32, two roundings.

    Parameters
    ----------
    a : PackedBits
        M x K, packed along its last axis.
    b : PackedBits
        N x K, packed along its last axis, as panels (``pack_signs(..., panels=True)``); rows are
        rearranged at every call.
    row_scale, column_scale : numpy.ndarray, optional
        Finite real numbers, M and N of them. If either is given, the result is float32.
    num_threads : int, optional
        All threads that numba has if not given.

    Returns
    -------
    numpy.ndarray
        M x N, int32; float32 with scales.

    Notes
    -----
    Source: Bei Yu, Mo04, "BNN" (XOR and popcount) and "XNOR-Networks" (the scales).

    Examples
    --------
    >>> import numpy as np
    >>> from quantlib import kernels
    >>> a = kernels.pack_signs(np.array([[1.0, -1.0, -1.0]]))
    >>> b = kernels.pack_signs(np.array([[1.0, 1.0, -1.0], [-1.0, 1.0, 1.0]]), panels=True)
    >>> kernels.xnor_gemm(a, b).tolist()
    [[1, -3]]
    """
    m, n, length = check_matrices(a, b)
    scales = _scales((row_scale, "row_scale", (m,)), (column_scale, "column_scale", (n,)))
    out = check_out(out, (m, n), np.int32 if scales is None else np.float32, a.words, b.words)
    words = half_words(row_words(a))
    _popcount.multiply(
        thread_count(num_threads), _popcount.SIGNS, words.reshape(-1),
        b.as_panels().words.reshape(-1), out.reshape(-1).view(np.int32), scales,
        (m, n, words.shape[-1], 1, 1), base=length,
    )  # fmt: skip
    return out


def check_matrices(a, b):
    """Return M, N and K of two packed matrices of signs; raise unless they can be multiplied."""
    for operand, name in ((a, "a"), (b, "b")):
        check_instance(operand, name, PackedBits, "pack_signs")
        if len(operand.shape) != 2 or operand.axis != 1:
            raise ValueError(
                f"{name} must be a matrix packed along its last axis, "
                f"got shape {operand.shape} packed along axis {operand.axis}"
            )
    if b.length != a.length:
        raise ValueError(f"a and b must have the same K, got {a.length} and {b.length}")
    return a.shape[0], b.shape[0], a.length


def xnor_conv2d(
    x, w, stride=1, padding=0, *, dilation=1, groups=1, padding_value=1, alpha=None,
    input_scale=None, layout="NCHW", out=None, num_threads=None,
):  # fmt: skip
    r"""Convolve images of signs with filters of signs.

    .. math:: y_{oij} = \sum_{c,k,l} x_{c,\,si+dk-p,\,sj+dl-p}\, w_{ockl}

    and, with scales, :math:`y_{oij} \cdot (\alpha_o K_{ij})` in float32, two roundings. Outside the
    image every value is ``padding_value``.

    Parameters
    ----------
    x : PackedBits
        Images, packed along their channels: axis 1 of N x C x H x W, or axis 3 of N x H x W x C.
    w : PackedBits
        Filters O x C / ``groups`` x h x w, packed along axis 1, as panels
        (``pack_signs(..., 1, panels=True)``); rows are rearranged at every call.
    stride, padding, dilation : int or tuple of int
        s, p and d above: one number, or a pair (height, width).
    groups : int
        Each of the groups of O / ``groups`` filters sees its own C / ``groups`` channels. They are
        convolved one after the other.
    padding_value : int
        1 or 0. A stored bit has no third state for zero, so for 0 the products with +1 outside the
        image are taken away from the sums again.
    alpha : numpy.ndarray, optional
        A real number for each filter. With ``alpha`` or ``input_scale`` the result is float32.
    input_scale : numpy.ndarray, optional
        The map K, N x H' x W', as :func:`xnor_input_scale` gives: one for all groups.
    layout : {"NCHW", "NHWC"}
        Where the channels of ``x`` and of the result are.
    num_threads : int, optional
        All threads that numba has if not given.

    Returns
    -------
    numpy.ndarray
        N x O x H' x W' or N x H' x W' x O; int32, or float32 with scales.

    Notes
    -----
    Source: Bei Yu, Mo04, "XNOR-Networks", (3) and (4): convolution with XNOR and bit count, scaled
    by alpha and K.

    Examples
    --------
    >>> import numpy as np
    >>> from quantlib import kernels
    >>> x = kernels.pack_signs(-np.ones((1, 1, 2, 2)), axis=1)
    >>> w = kernels.pack_signs(np.ones((1, 1, 3, 3)), axis=1)
    >>> kernels.xnor_conv2d(x, w, padding=1).tolist()
    [[[[1, 1], [1, 1]]]]
    >>> kernels.xnor_conv2d(x, w, padding=1, padding_value=0).tolist()
    [[[[-4, -4], [-4, -4]]]]
    """
    sizes = convolution_sizes(x, w, stride, padding, dilation, groups, padding_value, layout)
    stride, padding, dilation, groups, channels_last = sizes[:5]
    kernel_size, size, out_size, shape = sizes[5:]
    n_images, channels, n_filters, w_channels = x.shape[0], x.length, *w.shape[:2]
    scales = _scales(
        (input_scale, "input_scale", (n_images, *out_size)), (alpha, "alpha", (n_filters,))
    )
    out = check_out(out, shape, np.int32 if scales is None else np.float32, x.words, w.words)
    if groups > 1:
        each = n_filters // groups
        for group in range(groups):
            chosen = slice(group * each, (group + 1) * each)
            place = (..., chosen) if channels_last else (slice(None), chosen)
            out[place] = xnor_conv2d(
                slice_values(x, group * w_channels, w_channels), slice_rows(w, chosen), stride,
                padding, dilation=dilation, padding_value=padding_value, input_scale=input_scale,
                layout=layout,
                alpha=None if alpha is None else np.asarray(alpha)[chosen], num_threads=num_threads,
            )  # fmt: skip
        return out
    words = half_words(x.words)
    _convolve.convolve(
        thread_count(num_threads), words.reshape(-1), w.as_panels().words.reshape(-1),
        out.reshape(-1).view(np.int32), scales, (n_images, *size, *padding),
        (*kernel_size, *stride, *dilation), (channels, n_filters, *out_size), words.shape[-1],
        w.row_sums if padding_value == 0 and any(padding) else None, channels_last,
    )  # fmt: skip
    return out


class ConvolutionSizes(NamedTuple):
    """The arguments of a convolution of signs, looked at; pairs are of height and width."""

    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    channels_last: bool
    kernel_size: tuple[int, int]
    size: tuple[int, int]  # of an image
    out_size: tuple[int, int]
    shape: tuple[int, ...]  # of the result


def convolution_sizes(
    x, w, stride, padding, dilation, groups, padding_value, layout, kind=PackedBits
):
    """Return the `ConvolutionSizes` of packed images and filters; raise unless they fit."""
    maker = "pack_signs" if kind is PackedBits else "pack_ternary"
    channels_last = check_layout(layout)
    for operand, name, axis in ((x, "x", 3 if channels_last else 1), (w, "w", 1)):
        check_instance(operand, name, kind, maker)
        if len(operand.shape) != 4:
            raise ValueError(f"{name} must have 4 axes, got shape {operand.shape}")
        if operand.axis != axis:
            raise ValueError(
                f"{name} must be packed along axis {axis} in layout {layout}, got {operand.axis}"
            )
    if x.panels:
        raise ValueError("x must be stored as rows, got panels")
    n_images, channels = x.shape[0], x.length
    n_filters, w_channels, *kernel_size = w.shape
    groups = check_groups(groups, channels, w_channels, n_filters)
    if w_channels * math.prod(kernel_size) > LARGEST:
        raise ValueError(
            f"w must have at most {LARGEST} values a filter, so that sums fit into 32 bits, "
            f"got shape {w.shape}"
        )
    stride, padding = check_pair(stride, "stride"), check_pair(padding, "padding", 0)
    dilation = check_pair(dilation, "dilation")
    check_choice(padding_value, "padding_value", (1, 0))
    size = x.shape[1:3] if channels_last else x.shape[2:]
    out_size = convolved_size(size, kernel_size, stride, padding, dilation)
    shape = (n_images, *out_size, n_filters) if channels_last else (n_images, n_filters, *out_size)
    return ConvolutionSizes(
        stride, padding, dilation, groups, channels_last, tuple(kernel_size), tuple(size), out_size,
        shape,
    )  # fmt: skip


def xnor_input_scale(
    x, kernel_size, stride=1, padding=0, *, dilation=1, layout="NCHW", num_threads=None
):
    r"""Compute XNOR-Net's map K of the magnitudes of an image.

    .. math:: A_{ij} = \frac{1}{C} \sum_c |x_{cij}|, \qquad K = A * k, \quad k_{ij} = \frac{1}{hw}

    Parameters
    ----------
    x : numpy.ndarray
        Images, N x C x H x W or N x H x W x C.
    kernel_size : tuple of int
        h and w of the filter.
    stride, padding, dilation : int or tuple of int
        Those of the convolution. Outside the image A is 0.
    layout : {"NCHW", "NHWC"}
        Where the channels of ``x`` are.
    num_threads : int, optional
        All threads that numba has if not given.

    Returns
    -------
    numpy.ndarray of float32
        N x H' x W'.

    Raises
    ------
    ValueError
        If ``x`` holds NaN or infinity, among other reasons.

    Notes
    -----
    Source: Bei Yu, Mo04, "XNOR-Networks", (2): binarizing the input.

    Examples
    --------
    >>> import numpy as np
    >>> from quantlib import kernels
    >>> kernels.xnor_input_scale(np.array([[[[1.0, -3.0]], [[5.0, 7.0]]]]), (1, 2)).tolist()
    [[[4.0]]]
    """
    x = as_real(x, "x", ndim=4)
    channels_last = check_layout(layout)
    stride, padding = check_pair(stride, "stride"), check_pair(padding, "padding", 0)
    dilation = check_pair(dilation, "dilation")
    kernel_size = check_pair(kernel_size, "kernel_size")
    size, channels = (x.shape[1:3], x.shape[3]) if channels_last else (x.shape[2:], x.shape[1])
    out_size = convolved_size(size, kernel_size, stride, padding, dilation)
    out = np.empty((len(x), *out_size), np.float32)
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused
        values = np.ascontiguousarray(x, np.float32).reshape(-1)
    strange = _scale_map.scale_map(
        thread_count(num_threads), values, channels, channels_last, (len(x), *size, *padding),
        (*kernel_size, *stride, *dilation), out,
    )  # fmt: skip
    if strange and not np.isfinite(values).all():
        n_bad = np.count_nonzero(~np.isfinite(values))
        raise ValueError(f"x must be finite in float32, got {n_bad} NaN or infinite values")
    return out


def _scales(first, second):
    """Return two scales as float32, a missing one as None; None if both are missing.

    Each is (values, name, shape). Spare ones follow the last.
    """
    if first[0] is second[0] is None:
        return None
    return check_scale(*first), check_scale(*second)


def check_scale(values, name, shape):
    """Return a scale as float32, with spare ones behind it; None if it is missing."""
    if values is None:
        return None
    values = as_real(values, name)
    if values.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {values.shape}")
    if values.dtype not in (np.float32, np.float64):
        values = values.astype(np.float64)
    padded = np.empty(values.size + _popcount.SPARE, np.float32)
    if not _popcount.copy_scale(np.ascontiguousarray(values).reshape(-1), padded):
        raise ValueError(f"{name} must be finite in float32, got NaN or infinite values")
    return padded
