"""The scales of signs: alpha for each filter of the weights, the map K for the activations.

Both make signs times a number come as near as possible to what the signs were taken of.
"""

import math

import numpy as np
import torch
from array_api_compat import is_torch_array
from torch.nn import functional

from quantlib import kernels
from quantlib._validation import as_float_array, check_choice, check_finite, check_pair
from quantlib.binary.ste import bare_signs, check_clip_value, clipped_zero, sign_ste
from quantlib.layers import Window
from quantlib.models.weights import check_tensor, traced

__all__ = [
    "GRADIENTS",
    "SCALES",
    "activation_scales",
    "binarize_weights",
    "filter_scales",
    "signs_and_scales",
]

#: Whether binary weights are ±1, or ±alpha with one alpha a filter.
SCALES = ("none", "channel")

#: What the gradient takes alpha * sign(W) for.
GRADIENTS = ("straight", "paper", "exact")


def filter_scales(w):
    r"""Return the best scale of each filter: its mean magnitude.

    .. math:: \alpha_o = \frac{1}{n} \lVert W_o \rVert_1
        = \arg\min_\alpha \lVert W_o - \alpha\, \mathrm{sign}(W_o) \rVert^2

    The weights have the output filter first, O x C x h x w or O x K, with n weights a filter. The
    result are O scales, of the kind of ``w``; those of a tensor are differentiable.

    Source: Bei Yu, Mo04, "Optimal Scaling Factor".

    >>> filter_scales(torch.tensor([[1.0, -3.0], [0.5, 0.0]])).tolist()
    [2.0, 0.25]
    """
    if isinstance(w, torch.Tensor) or traced(w):
        _check_weights(w)
        return w.abs().flatten(1).mean(1)
    w = as_float_array(w, "w")
    if w.ndim < 2:
        raise ValueError(f"w must have 2 axes or more, output filter first, got {tuple(w.shape)}")
    return abs(w).reshape(len(w), -1).mean(1)


def binarize_weights(w, scale="none", gradient="straight", clip_value=1.0):
    r"""Return weights of two values: sign(W), or alpha * sign(W) with one alpha a filter.

    With :math:`g_i = \partial C / \partial \tilde W_i`, n weights in a filter and
    :math:`1_i = 1_{|W_i| \le c}`, the gradient for the weight :math:`W_i` is

    .. math::
        \text{straight: } & g_i\, 1_i \\
        \text{paper: } & g_i \left(\tfrac{1}{n} + \alpha\, 1_i\right) \\
        \text{exact: } & \alpha\, g_i\, 1_i
            + \tfrac{1}{n}\, \mathrm{sign}(W_i) \sum_j g_j\, \mathrm{sign}(W_j)

    *Straight* treats the whole step as if it were clip(W). *Exact* is the chain rule, with
    alpha depending on every weight of the filter and only the sign's own derivative estimated.
    *Paper* is what XNOR-Net prints: of the exact sum it keeps the term j = i, where
    :math:`\mathrm{sign}(W_i)^2 = 1`, and drops the others. Alpha is some hundredths in a usual
    layer, so *paper* and *exact* hand on a gradient that is as much smaller than *straight*; an
    optimizer that divides by the gradient's size, such as Adam, makes up for most of it.

    Parameters
    ----------
    w : torch.Tensor or array
        As for :func:`filter_scales`. The result is of its kind, shape and dtype.
    scale : str
        ``"none"`` for ±1 (BNN, BinaryConnect), where all gradients are the same; ``"channel"``
        for ±alpha (BWN, XNOR-Net).
    clip_value : float or None
        c, as in :func:`~quantlib.binary.ste.sign_ste`.

    Notes
    -----
    At 0 the magnitude in alpha has no derivative; 0 is taken there. So a filter that is exactly 0
    everywhere, which has alpha 0, gets no gradient by any of the three.

    Sources: Bei Yu, Mo04, "Optimal Scaling Factor" and "Training Binary Weight Networks", step 8,
    which says only "backward pass with alpha, W^B"; Rastegari et al. (2016), section 3.1, has the
    formula *paper*.

    Examples
    --------
    >>> w = torch.tensor([[1.0, -3.0]], requires_grad=True)
    >>> for gradient in ("straight", "paper", "exact"):
    ...     w.grad = None
    ...     (binarize_weights(w, "channel", gradient) * torch.tensor([[1.0, 0.5]])).sum().backward()
    ...     print(gradient, w.grad.tolist())
    straight [[1.0, 0.0]]
    paper [[2.5, 0.25]]
    exact [[2.25, -0.25]]
    """
    if not isinstance(w, torch.Tensor):
        w = np.asarray(as_float_array(w, "w"))
        return binarize_weights(torch.from_numpy(w), scale, gradient, clip_value).numpy()
    signs, alpha = signs_and_scales(w, scale, gradient, clip_value)
    return signs if alpha is None else signs * alpha.reshape(-1, *[1] * (w.ndim - 1))


def signs_and_scales(w, scale="none", gradient="straight", clip_value=1.0):
    """Return the two factors of :func:`binarize_weights` apart: the signs, and alpha or None.

    A layer that multiplies with the signs and scales the result keeps whole numbers between.
    The gradients of the factors are such that those of their product are the ones asked for.

    >>> signs, alpha = signs_and_scales(torch.tensor([[1.0, -3.0]]), "channel")
    >>> signs.tolist(), alpha.tolist()
    ([[1.0, -1.0]], [2.0])
    """
    _check_weights(w)
    check_choice(scale, "scale", SCALES)
    check_choice(gradient, "gradient", GRADIENTS)
    clip_value = check_clip_value(clip_value)
    if scale == "none":
        return sign_ste(w, clip_value), None
    alpha = filter_scales(w)
    if gradient == "exact":
        return sign_ste(w, clip_value), alpha
    alpha = alpha.detach()
    # The layer scales the result by alpha, and so what comes back. It is divided out of one term.
    share = torch.where(alpha > 0, 1 / alpha, 0).nan_to_num()[:, None]
    if gradient == "straight":
        return bare_signs(w) + _shared(clipped_zero(w, clip_value), share), alpha
    mean = _shared(clipped_zero(w, None), share / w[0].numel())
    return bare_signs(w) + (clipped_zero(w, clip_value) + mean), alpha


def _shared(w, share):
    return (w.flatten(1) * share).view_as(w)


def activation_scales(x, kernel_size, stride=1, padding=0, dilation=1):
    r"""Return XNOR-Net's map K: the mean magnitude of what each window of an image covers.

    .. math:: A_{ij} = \frac{1}{C} \sum_c |x_{cij}|, \qquad K = A * k, \quad k_{ij} = \frac{1}{wh}

    For one window X, K is :math:`\beta = \lVert X \rVert_1 / n`, the scale that makes
    :math:`\beta\, \mathrm{sign}(X)` nearest to X. Windows overlap: the mean over channels is taken
    once for each pixel and not once for each window.

    Parameters
    ----------
    x : torch.Tensor or numpy.ndarray
        Images, N x C x H x W. The result is N x 1 x H' x W', of their kind (float32 for NumPy),
        and differentiable for tensors.
    kernel_size, stride, padding, dilation : int or tuple of int
        Those of the convolution. Outside the image A is 0.

    Notes
    -----
    Source: Bei Yu, Mo04, "XNOR-Networks", (2) Binarizing Input.

    Examples
    --------
    >>> x = torch.tensor([[[[1.0, -3.0]], [[5.0, 7.0]]]])  # two channels of 1 x 2
    >>> activation_scales(x, (1, 2)).tolist()
    [[[[4.0]]]]
    """
    kernel_size = check_pair(kernel_size, "kernel_size")
    if not is_torch_array(x):
        x = np.asarray(x)
        return kernels.xnor_input_scale(x, kernel_size, stride, padding)[:, None]
    stride = check_pair(stride, "stride")
    padding = check_pair(padding, "padding", 0)
    dilation = check_pair(dilation, "dilation")
    check_tensor(x, "x")
    if x.ndim != 4 or 0 in x.shape[1:]:
        raise ValueError(f"x must be N x C x H x W, not empty, got shape {tuple(x.shape)}")
    if any(
        size + 2 * p < d * (k - 1) + 1
        for size, p, d, k in zip(x.shape[2:], padding, dilation, kernel_size, strict=True)
    ):
        raise ValueError(
            f"x must not be smaller than the filter {kernel_size}, "
            f"got shape {tuple(x.shape)} with padding {padding}"
        )
    edges = (padding[1], padding[1], padding[0], padding[0])
    return window_means(x, Window(kernel_size, stride, edges, dilation, 1, 1))


def window_means(x, window):
    """Return the map K of a tensor for any window of a convolution; one for each of its groups."""
    magnitudes = x.abs().unflatten(-3, (window.groups, -1)).mean(-3)
    magnitudes = functional.pad(magnitudes, window.edges)
    if window.dilation == (1, 1):
        means = functional.avg_pool2d(magnitudes, window.kernel_size, window.stride)
    else:
        share = x.new_full(
            (window.groups, 1, *window.kernel_size), 1 / math.prod(window.kernel_size)
        )
        means = functional.conv2d(
            magnitudes, share, None, window.stride, 0, window.dilation, window.groups
        )
    if window.groups == 1:
        return means
    return means.repeat_interleave(window.out_channels // window.groups, -3)


def _check_weights(w):
    check_tensor(w, "w")
    if traced(w):
        return
    if w.ndim < 2:
        raise ValueError(f"w must have 2 axes or more, output filter first, got {tuple(w.shape)}")
    if not w.numel():
        check_finite(w, "w")
