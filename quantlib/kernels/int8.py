r"""Products of 8-bit integers, as networks run after post-training quantization.

Activations are unsigned codes, weights are signed ones, sums have 32 bits, and requantization turns
sums into codes again, in integers:

.. math:: a_o = b_o + \sum_k (x_k - z_x)(w_{ok} - z_o), \qquad
          q_o = \mathrm{clamp}(z_q + \lfloor (a_o m_o + 2^{s_o - 1}) / 2^{s_o} \rfloor)
"""

import numpy as np

from quantlib._validation import check_integer, check_pair
from quantlib.kernels import _int8_depthwise, _int8_loops
from quantlib.kernels._checks import (
    LARGEST,
    aligned_empty,
    as_whole,
    check_bounds,
    check_groups,
    check_instance,
    check_layout,
    convolved_size,
)
from quantlib.kernels._int8_layout import panels
from quantlib.kernels._int8_plan import Codes, plan
from quantlib.kernels._requantize import NO_STEPS, Row, fill_table, largest
from quantlib.kernels._threads import run, thread_count
from quantlib.kernels._transpose import channels_moved
from quantlib.kernels.int8_weights import Int8Panels, Requantization

__all__ = ["int8_conv2d", "int8_gemm"]

_NOTHING, _NO_CODES = np.zeros(0, np.int32), np.zeros(0, np.uint8)

_N_ROWS = len(Row)

#: A window of one pixel, without padding: kernel size, stride, padding, dilation.
_MATRIX = (1, 1), (1, 1), (0, 0), (1, 1)


def int8_gemm(a, weights, *, zero_point=0, bias=None, requantization=None, num_threads=None):
    r"""Multiply a matrix of unsigned codes with one of signed codes.

    .. math:: c_{mo} = b_o + \sum_k (a_{mk} - z_a)(w_{ok} - z_o)

    Parameters
    ----------
    a : numpy.ndarray of integers
        M x K, from 0 to 255. It is read as it lies in memory if it is uint8, and K a multiple of 4.
    weights : Int8Panels
        O x K, from :func:`pack_int8`.
    zero_point : int
        z_a, from 0 to 255.
    bias : numpy.ndarray of integers, optional
        b, one of 32 bits for each output.
    requantization : Requantization, optional
        How sums become codes.
    num_threads : int, optional
        All threads that numba has if not given.

    Returns
    -------
    numpy.ndarray
        M x O: int32, exact; uint8 with ``requantization``.

    Notes
    -----
    Source: Jacob et al. 2018, (7) and (8): zero points taken out of the sums. Weights of which a
    sum could leave 32 bits are refused.

    Examples
    --------
    >>> from quantlib import kernels
    >>> weights = kernels.pack_int8(np.array([[1, 0, -1], [-128, 127, 1]]))
    >>> int8_gemm(np.uint8([[255, 128, 3]]), weights, zero_point=128, bias=[1, 0]).tolist()
    [[253, -16381]]
    """
    a = _activations(a, "a", 2)
    check_instance(weights, "weights", Int8Panels, "pack_int8")
    if len(weights.shape) != 2 or weights.shape[1] != a.shape[1]:
        raise ValueError(
            f"a and weights must have the same K, got shapes {a.shape} and {weights.shape}"
        )
    m, length = a.shape
    out = _convolved(
        a.reshape(1, m, 1, length), weights, _MATRIX, 1, (m, 1),
        zero_point, bias, requantization, num_threads,
    )  # fmt: skip
    return out.reshape(m, -1)


def int8_conv2d(
    x, weights, stride=1, padding=0, *, dilation=1, groups=1, zero_point=0, bias=None,
    requantization=None, layout="NCHW", num_threads=None,
):  # fmt: skip
    r"""Convolve images of unsigned codes with filters of signed codes.

    .. math:: y_{oij} = b_o + \sum_{c,k,l} (x_{c,\,si+dk-p,\,sj+dl-p} - z_x)(w_{ockl} - z_o)

    Outside of the image lies the code ``zero_point``, which stands for 0. It computes with channels
    last; for channels first image and result are copied.

    Parameters
    ----------
    x : numpy.ndarray of integers
        Images, N x C x H x W or N x H x W x C, from 0 to 255.
    weights : Int8Panels
        O x C / ``groups`` x h x w, from :func:`pack_int8`.
    stride, padding, dilation : int or tuple of int
        s, p and d above: one number, or a pair (height, width).
    groups : int
        Each of the groups of O / ``groups`` filters sees its own C / ``groups`` channels. As many
        groups as channels have loops of their own.
    zero_point : int
        z_x, from 0 to 255.
    bias, requantization, num_threads
        As for :func:`int8_gemm`.
    layout : {"NCHW", "NHWC"}
        Where the channels of ``x`` and of the result are.

    Returns
    -------
    numpy.ndarray
        N x O x H' x W' or N x H' x W' x O: int32, exact; uint8 with ``requantization``.

    Notes
    -----
    Source: Jacob et al. 2018, (7) and (8).

    Examples
    --------
    >>> from quantlib import kernels
    >>> weights = kernels.pack_int8(np.ones((1, 1, 3, 3), int))
    >>> int8_conv2d(np.full((1, 1, 2, 2), 7), weights, padding=1, zero_point=5).tolist()
    [[[[8, 8], [8, 8]]]]
    """
    x = _activations(x, "x", 4)
    channels_last = check_layout(layout)
    check_instance(weights, "weights", Int8Panels, "pack_int8")
    if len(weights.shape) != 4:
        raise ValueError(f"weights must have 4 axes, got shape {weights.shape}")
    x = x if channels_last else channels_moved(x, True, thread_count(num_threads))
    n_images, *size, channels = x.shape
    n_filters, w_channels, *kernel_size = weights.shape
    groups = check_groups(groups, channels, w_channels, n_filters)
    stride, padding = check_pair(stride, "stride"), check_pair(padding, "padding", 0)
    dilation = check_pair(dilation, "dilation")
    out_size = convolved_size(size, kernel_size, stride, padding, dilation)
    how, size = (tuple(kernel_size), stride, padding, dilation), out_size
    if how[:3] == _MATRIX[:3]:
        x, how, size = x.reshape(1, -1, 1, channels), _MATRIX, (n_images * size[0] * size[1], 1)
    out = _convolved(x, weights, how, groups, size, zero_point, bias, requantization, num_threads)
    out = out.reshape(n_images, *out_size, n_filters)
    return out if channels_last else channels_moved(out, False, thread_count(num_threads))


def _activations(x, name, ndim):
    x = as_whole(x, name, ndim=ndim)
    if x.dtype != np.uint8:
        check_bounds(x, name, 0, 255)
    return np.ascontiguousarray(x, np.uint8)


def _convolved(x, weights, how, groups, out_size, zero_point, bias, requantization, num_threads):
    """Convolve N x H x W x C; ``how``: kernel size, stride, padding and dilation, all pairs."""
    zero_point = check_integer(zero_point, "zero_point", 0, 255)
    bias = _check_bias(bias, weights)
    n_filters, threads = weights.shape[0], thread_count(num_threads)
    it = plan(x.shape, n_filters, how, groups, out_size, threads)
    shape = (len(x), *out_size, n_filters)
    if requantization is None:
        out = aligned_empty(shape, np.int32)
        results, steps, narrow = (out.reshape(-1), _NO_CODES), NO_STEPS, False
        codes = Codes(1, zero_point, 0, 0, 255)
    else:
        check_instance(requantization, "requantization", Requantization, "Requantization(...)")
        if len(requantization.multiplier) != n_filters:
            raise ValueError(
                f"requantization must have {n_filters} multipliers, one for each output, "
                f"got {len(requantization.multiplier)}"
            )
        r, out = requantization, aligned_empty(shape, np.uint8)
        results, steps, narrow = (_NOTHING, out.reshape(-1)), r.steps, r.narrow
        codes = Codes(0, zero_point, r.zero_point, r.low, r.high)
    if groups == x.shape[3] > 1:
        loops, layout, special = _int8_depthwise.chosen(weights, stride=how[1], dilation=how[3])
    else:
        loops, layout = _int8_loops.multiply, weights.layout(panels, groups, it.apart)
        special = it.run_pixels, int(weights.asymmetric)
    w, order, of_weights = layout
    table = aligned_empty((_N_ROWS, len(order)), np.int32)
    length = it.window[0] * it.window[1] * (x.shape[3] // groups)
    fill_table(table, order, of_weights, bias, steps, zero_point, length)
    run(
        loops, threads, it.n_tasks, x.reshape(-1), w, table, (int(narrow), *special), it.taps,
        it.places, *results, it.window, it.sizes, tuple(codes),
    )  # fmt: skip
    return out


def _check_bias(bias, weights):
    """Return the bias as int32, empty if there is none; raise if a sum could leave 32 bits."""
    n_outputs, values = weights.shape[0], _NOTHING
    if bias is not None:
        values = as_whole(bias, "bias", ndim=1)
        if len(values) != n_outputs:
            raise ValueError(f"bias must have {n_outputs} values, got {len(values)}")
        if values.dtype != np.int32:
            check_bounds(values, "bias", -(2**31), LARGEST)
        values = np.ascontiguousarray(values, np.int32)
    if 255 * weights.most + largest(values) > LARGEST:
        magnitudes = abs(values.astype(np.int64)) if len(values) else 0
        reach = 255 * weights.reach + magnitudes
        if reach.max() > LARGEST:
            raise ValueError(
                "weights and bias must give sums below 2**31, got 255 times the magnitudes of "
                f"weights plus that of the bias of {reach.max()} in output {reach.argmax()}"
            )
    return values
