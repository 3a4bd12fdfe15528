"""Products of sums of binary bases, each times a number: what ABC-Net's layers compute.

.. math:: \\Big(\\sum_n \\beta_n A_n\\Big) \\cdot \\Big(\\sum_m \\alpha_m B_m\\Big)
          = \\sum_n \\sum_m \\beta_n \\alpha_m\\, (A_n \\cdot B_m)

All N x M products of signs are computed in one call: bases of a are read once for all bases of b,
and results are scaled and added up while they are in the cache.
"""

import numpy as np

from quantlib._validation import shown
from quantlib.kernels import _convolve, _popcount, _sums
from quantlib.kernels._checks import as_real, check_out
from quantlib.kernels._threads import thread_count
from quantlib.kernels.binary import check_matrices, convolution_sizes
from quantlib.kernels.words import half_words, row_words, slice_rows, slice_values

__all__ = ["xnor_sum_conv2d", "xnor_sum_gemm"]


def xnor_sum_gemm(a, b, alpha, beta, *, bias=None, out=None, num_threads=None):
    r"""Multiply two matrices that are sums of bases of signs.

    .. math:: c_{ro} = \sum_{n=1}^{N} \sum_{m=1}^{M} \beta_n \alpha_{mo}
              \sum_k a^{(n)}_{rk} b^{(m)}_{ok} + \mathrm{bias}_o

    Parameters
    ----------
    a : list of PackedBits
        N bases, each R x K, packed along its last axis.
    b : list of PackedBits
        M bases, each O x K, packed along its last axis, as panels
        (``pack_signs(..., panels=True)``); rows are rearranged at every call.
    alpha : numpy.ndarray
        M numbers, or M x O: one for each basis of b, and each of its rows.
    beta : numpy.ndarray
        N numbers.
    bias : numpy.ndarray, optional
        O numbers.
    num_threads : int, optional
        All threads that numba has if not given.

    Returns
    -------
    numpy.ndarray of float32
        R x O. Each of the N x M products is exact; they are scaled and added in float32.

    Notes
    -----
    Source: Bei Yu, Mo04, "Towards Accurate Binary Convolutional Neural Network": Conv(W, R) as a
    sum of M x N binary convolutions.

    Examples
    --------
    >>> import numpy as np
    >>> from quantlib import kernels
    >>> a = [kernels.pack_signs(np.array([row])) for row in ([1.0, 1.0], [1.0, -1.0])]
    >>> b = [kernels.pack_signs(np.array([[1.0, 1.0]]))]
    >>> kernels.xnor_sum_gemm(a, b, [0.5], [1.0, 3.0]).tolist()  # 0.5 * (1 * 2 + 3 * 0)
    [[1.0]]
    """
    a, b = _bases(a, "a"), _bases(b, "b")
    for x in a:
        for y in b:
            check_matrices(x, y)
    (rows, length), n_outputs = a[0].shape, b[0].shape[0]
    _check_alike(a, "a")
    _check_alike(b, "b")
    scales = _flat_scales(alpha, beta, bias, len(a), len(b), n_outputs)
    out = check_out(out, (rows, n_outputs), np.float32, *(x.words for x in (*a, *b)))
    words = half_words(np.stack([row_words(x) for x in a]))
    panels = np.stack([x.as_panels().words for x in b])
    _sums.multiply(
        thread_count(num_threads), words.reshape(-1), panels.reshape(-1),
        out.reshape(-1).view(np.int32), scales, (len(a), len(b)),
        (rows, n_outputs, words.shape[-1], length),
    )  # fmt: skip
    return out


def xnor_sum_conv2d(
    x, w, alpha, beta, stride=1, padding=0, *, dilation=1, groups=1, padding_value=0, bias=None,
    layout="NCHW", out=None, num_threads=None,
):  # fmt: skip
    r"""Convolve images with filters, both of them sums of bases of signs.

    .. math:: y_o = \sum_{n=1}^{N} \sum_{m=1}^{M} \beta_n \alpha_{mo}\, x^{(n)} * w^{(m)}_o
              + \mathrm{bias}_o

    Parameters
    ----------
    x : list of PackedBits
        N bases of the images, each packed along its channels, as for
        :func:`~quantlib.kernels.binary.xnor_conv2d`.
    w : list of PackedBits
        M bases of the filters, each packed along axis 1, as panels.
    alpha, beta, bias : numpy.ndarray
        As for :func:`xnor_sum_gemm`; O is the number of filters.
    padding_value : int
        What every basis of the images is outside of them: 0, which leaves the products there out,
        or 1.
    stride, padding, dilation, groups, layout
        As for :func:`~quantlib.kernels.binary.xnor_conv2d`.
    num_threads : int, optional
        All threads that numba has if not given.

    Returns
    -------
    numpy.ndarray of float32
        N x O x H' x W' or N x H' x W' x O.

    Notes
    -----
    Source: as for :func:`xnor_sum_gemm`; the block's picture is on the same slides.

    Examples
    --------
    >>> import numpy as np
    >>> from quantlib import kernels
    >>> x = [kernels.pack_signs(sign * np.ones((1, 1, 2, 2)), 1) for sign in (1, -1)]
    >>> w = [kernels.pack_signs(np.ones((1, 1, 3, 3)), 1, panels=True)]
    >>> kernels.xnor_sum_conv2d(x, w, [1.0], [2.0, 0.5], padding=1).tolist()
    [[[[6.0, 6.0], [6.0, 6.0]]]]
    """
    x, w = _bases(x, "x"), _bases(w, "w")
    for images in x:
        for filters in w:
            found = convolution_sizes(
                images, filters, stride, padding, dilation, groups, padding_value, layout
            )
    _check_alike(x, "x")
    _check_alike(w, "w")
    stride, padding, dilation, groups, channels_last = found[:5]
    kernel_size, size, out_size, shape = found[5:]
    n_images, channels, n_filters, w_channels = len(x[0].words), x[0].length, *w[0].shape[:2]
    alpha, beta, bias = _scales(alpha, beta, bias, len(x), len(w), n_filters)
    out = check_out(out, shape, np.float32, *(operand.words for operand in (*x, *w)))
    if groups > 1:
        each = n_filters // groups
        for group in range(groups):
            chosen = slice(group * each, (group + 1) * each)
            place = (..., chosen) if channels_last else (slice(None), chosen)
            out[place] = xnor_sum_conv2d(
                [slice_values(images, group * w_channels, w_channels) for images in x],
                [slice_rows(filters, chosen) for filters in w], alpha[:, chosen], beta, stride,
                padding, dilation=dilation, padding_value=padding_value, bias=bias[chosen],
                layout=layout, num_threads=num_threads,
            )  # fmt: skip
        return out
    tap_sums = None
    if padding_value == 0 and any(padding):
        sums = sum(a.reshape(-1, 1, 1) * f.row_sums for a, f in zip(alpha, w, strict=True))
        tap_sums = (beta.sum() * sums).astype(np.float32)
    words = half_words(np.stack([images.words for images in x]))
    panels = np.stack([filters.as_panels().words for filters in w])
    _convolve.convolve(
        thread_count(num_threads), words.reshape(-1), panels.reshape(-1),
        out.reshape(-1).view(np.int32), _flat(alpha, beta, bias), (n_images, *size, *padding),
        (*kernel_size, *stride, *dilation), (channels, n_filters, *out_size), words.shape[-1],
        tap_sums, channels_last, bases=(len(x), len(w)),
    )  # fmt: skip
    return out


def _bases(operands, name):
    if not isinstance(operands, list | tuple) or not operands:
        raise TypeError(
            f"{name} must be a list of PackedBits, one for each basis, got {shown(operands)}"
        )
    return operands


def _check_alike(bases, name):
    shapes = [basis.shape for basis in bases]
    if len(set(shapes)) > 1:
        raise ValueError(f"{name} must have bases of one shape, got {shown(shapes)}")


def _scales(alpha, beta, bias, n_bases, m_bases, n_outputs):
    """Return alpha as M x O, beta and the bias in float64."""
    alpha, beta = as_real(alpha, "alpha"), as_real(beta, "beta")
    if alpha.shape not in ((m_bases,), (m_bases, n_outputs)):
        raise ValueError(
            f"alpha must have shape ({m_bases},) or {(m_bases, n_outputs)}, got {alpha.shape}"
        )
    bias = np.zeros(n_outputs) if bias is None else as_real(bias, "bias")
    for values, name, length in ((beta, "beta", n_bases), (bias, "bias", n_outputs)):
        if values.shape != (length,):
            raise ValueError(f"{name} must have shape ({length},), got {values.shape}")
    alpha = np.broadcast_to(alpha.reshape(m_bases, -1), (m_bases, n_outputs))
    found = {"alpha": alpha, "beta": beta, "bias": bias}
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused
        for name, values in found.items():
            if not np.isfinite(values.astype(np.float32)).all():
                raise ValueError(f"{name} must be finite in float32, got NaN or infinite values")
    return tuple(values.astype(np.float64) for values in found.values())


def _flat(alpha, beta, bias):
    """Return the bias, a number for each basis of a, basis of b and output, and spare ones."""
    products = beta[:, None, None] * alpha
    spare = np.ones(_popcount.SPARE)
    return np.concatenate([bias, products.reshape(-1), spare]).astype(np.float32)


def _flat_scales(*scales):
    return _flat(*_scales(*scales))
