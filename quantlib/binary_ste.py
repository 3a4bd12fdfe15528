"""Signs, and gradients for what has none: straight-through estimators.

The sign has derivative 0 everywhere but at 0, so nothing could be learnt through it. A
straight-through estimator computes the sign on the way forward, and on the way back pretends that
it was a function with a slope.
"""

import math
from functools import cache

import numpy as np
import torch
from array_api_compat import array_namespace

from quantlib._validation import as_float_array, check_choice, check_finite

__all__ = [
    "GRADIENTS",
    "SCALES",
    "binarize_weights",
    "filter_scales",
    "sign",
    "sign_ste",
    "sign_stochastic_ste",
    "signs_and_scales",
]

#: Whether binary weights are ±1, or ±alpha with one alpha a filter.
SCALES = ("none", "channel")

#: What the gradient takes alpha * sign(W) for.
GRADIENTS = ("straight", "paper", "exact")


def sign(x):
    r"""Return the sign of real numbers; that of 0 is +1.

    .. math:: \mathrm{sign}(x) = \begin{cases} +1 & x \ge 0 \\ -1 & x < 0 \end{cases}

    One bit has no third value, so 0 (and -0.0) must fall on a side. ``numpy.sign`` and
    ``torch.sign`` return 0 there.

    Parameters
    ----------
    x : array
        NumPy array, torch tensor or list of real numbers of any shape.

    Returns
    -------
    array
        Of the same kind, shape and floating-point dtype. Not differentiable: see
        :func:`sign_ste`.

    Raises
    ------
    TypeError
        If ``x`` does not hold real numbers.
    ValueError
        If ``x`` is empty or holds NaN or infinity.

    Notes
    -----
    Source: Bei Yu, Mo04, "BNN" and "Binary Weight Networks".

    Examples
    --------
    >>> sign([-0.3, 0.0, 2.0]).tolist()
    [-1.0, 1.0, 1.0]
    """
    x = as_float_array(x, "x")
    xp = array_namespace(x)
    if xp.__name__.endswith("torch"):
        return _signs(x.detach())
    ones = xp.ones_like(x)
    return xp.where(x >= 0, ones, -ones)


def sign_ste(x, clip_value=1.0):
    r"""Return the sign of ``x``, with a gradient: that of clip(x, -c, c).

    .. math::
        \text{forward: } y = \mathrm{sign}(x), \qquad
        \text{backward: } \frac{\partial C}{\partial x} =
            \frac{\partial C}{\partial y}\; 1_{|x| \le c}

    Parameters
    ----------
    x : torch.Tensor
        Floating-point, any shape.
    clip_value : float or None
        c: the gradient is passed where ``|x| <= c``, the bound included. None passes it
        everywhere.

    Returns
    -------
    torch.Tensor
        +1 and -1, in the dtype of ``x``.

    Raises
    ------
    TypeError
        If ``x`` is not a floating-point tensor or ``clip_value`` not a number.
    ValueError
        If ``clip_value`` is not positive.

    Notes
    -----
    Source: Courbariaux et al. (2016), (4). A slide of Bei Yu, Mo04 ("Approximation of Sign
    function"), writes the estimator as clip(x, 0, 1), which is the one for steps from 0 to 1: for
    ±1 it is clip(x, -1, 1).

    Examples
    --------
    >>> x = torch.tensor([-1.5, -1.0, 0.0, 0.4], requires_grad=True)
    >>> y = sign_ste(x)
    >>> y.sum().backward()
    >>> y.tolist(), x.grad.tolist()
    ([-1.0, -1.0, 1.0, 1.0], [0.0, 1.0, 1.0, 1.0])
    """
    _check_tensor(x, "x")
    return _SignSTE.apply(x, check_clip_value(clip_value))


def sign_stochastic_ste(x, clip_value=1.0, generator=None):
    r"""Draw +1 or -1, the more often +1 the larger ``x`` is; the gradient is :func:`sign_ste`'s.

    .. math:: P(y = +1) = \sigma(x) = \mathrm{clip}\left(\frac{x + 1}{2},\, 0,\, 1\right)

    so that the mean of the draws is clip(x, -1, 1), whose slope the gradient has at
    ``clip_value=1``.

    Parameters
    ----------
    x : torch.Tensor
        Floating-point, any shape.
    clip_value : float or None
        As in :func:`sign_ste`.
    generator : torch.Generator, optional
        Where the random numbers come from; torch's own for the device if not given.

    Returns
    -------
    torch.Tensor
        +1 and -1, in the dtype of ``x``.

    Raises
    ------
    TypeError, ValueError
        As for :func:`sign_ste`.

    Notes
    -----
    Source: Courbariaux, Bengio and David (2015), (2) and (3).

    Examples
    --------
    >>> x = torch.full((10_000,), 0.5)
    >>> draws = sign_stochastic_ste(x, generator=torch.Generator().manual_seed(0))
    >>> print(f"{(draws == 1).double().mean():.2f}")
    0.75
    """
    _check_tensor(x, "x")
    return _SignStochasticSTE.apply(x, check_clip_value(clip_value), generator)


def filter_scales(w):
    r"""Return the best scale of each filter: its mean magnitude.

    .. math:: \alpha_o = \frac{1}{n} \lVert W_o \rVert_1
        = \arg\min_\alpha \lVert W_o - \alpha\, \mathrm{sign}(W_o) \rVert^2

    Parameters
    ----------
    w : torch.Tensor or numpy.ndarray
        Weights, output filter first: O x C x h x w or O x K. n is the number of weights of a
        filter.

    Returns
    -------
    torch.Tensor or numpy.ndarray
        O scales, of the kind of ``w``.

    Raises
    ------
    TypeError
        If ``w`` does not hold real numbers.
    ValueError
        If ``w`` has fewer than 2 axes.

    Notes
    -----
    Source: Bei Yu, Mo04, "Optimal Scaling Factor".

    Examples
    --------
    >>> filter_scales(torch.tensor([[1.0, -3.0], [0.5, 0.0]])).tolist()
    [2.0, 0.25]
    """
    if isinstance(w, torch.Tensor):
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
    w : torch.Tensor or numpy.ndarray
        Weights, output filter first: O x C x h x w or O x K.
    scale : str
        ``"none"`` for ±1 (BNN, BinaryConnect), ``"channel"`` for ±alpha (BWN, XNOR-Net).
    gradient : str
        ``"straight"``, ``"paper"`` or ``"exact"``. With scale ``"none"`` all three are the same.
    clip_value : float or None
        c, as in :func:`sign_ste`.

    Returns
    -------
    torch.Tensor or numpy.ndarray
        Of the kind, shape and dtype of ``w``.

    Raises
    ------
    TypeError
        If ``w`` does not hold real numbers.
    ValueError
        If ``w`` has fewer than 2 axes or another argument is none of the choices.

    Notes
    -----
    A filter that is exactly 0 everywhere has alpha 0, and gets no gradient by *straight* and
    *paper*: nothing of its output depends on its signs.

    Sources: Bei Yu, Mo04, "Optimal Scaling Factor" and "Training Binary Weight Networks", step 8,
    which says only "backward pass with alpha, W^B"; Rastegari et al. (2016), section 3.1, has the
    formula *paper*.

    Examples
    --------
    >>> w = torch.tensor([[1.0, -3.0]], requires_grad=True)
    >>> binarize_weights(w, scale="channel").tolist()
    [[2.0, -2.0]]
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

    Parameters and errors are those of :func:`binarize_weights`; ``w`` must be a tensor.

    Examples
    --------
    >>> signs, alpha = signs_and_scales(torch.tensor([[1.0, -3.0]]), "channel")
    >>> signs.tolist(), alpha.tolist()
    ([[1.0, -1.0]], [2.0])
    """
    _check_weights(w)
    check_choice(scale, "scale", SCALES)
    check_choice(gradient, "gradient", GRADIENTS)
    clip_value = check_clip_value(clip_value)
    if scale == "none":
        return _SignSTE.apply(w, clip_value), None
    alpha = filter_scales(w)
    if gradient == "exact":
        return _SignSTE.apply(w, clip_value), alpha
    alpha = alpha.detach()
    return _FactorSTE.apply(w, alpha, gradient, clip_value), alpha


def check_clip_value(clip_value):
    """Return ``clip_value`` as a float, or None; raise unless it is positive or None."""
    if clip_value is None:
        return None
    if isinstance(clip_value, bool) or not isinstance(clip_value, int | float | np.number):
        raise TypeError(
            f"clip_value must be a number or None, "
            f"got {clip_value!r} of type {type(clip_value).__name__}"
        )
    if not clip_value > 0:
        raise ValueError(f"clip_value must be positive or None, got {clip_value}")
    return None if math.isinf(clip_value) else float(clip_value)


def _check_tensor(x, name):
    if not isinstance(x, torch.Tensor):
        raise TypeError(f"{name} must be a torch tensor, got {type(x).__name__}")
    if not x.is_floating_point():
        raise TypeError(f"{name} must be floating-point, got dtype {x.dtype}")


def _check_weights(w):
    _check_tensor(w, "w")
    if w.ndim < 2:
        raise ValueError(f"w must have 2 axes or more, output filter first, got {tuple(w.shape)}")
    if not w.numel():
        check_finite(w, "w")


def _signs(x):
    # Adding 0 turns -0.0 into 0.0. Several times as fast as torch.where.
    return torch.copysign(x.new_ones(()), x + 0.0)


def _passed(grad, x, clip_value):
    """Return the gradient where ``|x|`` is at most ``clip_value``, else 0."""
    if clip_value is None:
        return grad
    # This operation leaves out the bounds, so they are moved to the next numbers outside.
    bound = _next_above(clip_value, x.dtype)
    return torch.ops.aten.hardtanh_backward(grad, x, -bound, bound)


@cache
def _next_above(value, dtype):
    """Return the smallest number of ``dtype`` above ``value`` as that holds it."""
    value = torch.tensor(value, dtype=dtype)
    return torch.nextafter(value, torch.tensor(math.inf, dtype=dtype)).item()


class _SignSTE(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, clip_value):
        ctx.save_for_backward(x)
        ctx.clip_value = clip_value
        return _signs(x)

    @staticmethod
    def backward(ctx, grad):
        return _passed(grad, *ctx.saved_tensors, ctx.clip_value), None


class _SignStochasticSTE(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, clip_value, generator):
        ctx.save_for_backward(x)
        ctx.clip_value = clip_value
        # Draws are below 1 and never below 0: no clip is needed for sure +1 and sure -1.
        draws = torch.rand(x.shape, generator=generator, dtype=x.dtype, device=x.device)
        return (draws < (x + 1) / 2).to(x.dtype).mul_(2).sub_(1)

    @staticmethod
    def backward(ctx, grad):
        return _passed(grad, *ctx.saved_tensors, ctx.clip_value), None, None


class _FactorSTE(torch.autograd.Function):
    """The signs of weights that are then scaled by alpha.

    What comes back is alpha * g; alpha is divided out again.
    """

    @staticmethod
    def forward(ctx, w, alpha, gradient, clip_value):
        ctx.save_for_backward(w, alpha)
        ctx.gradient, ctx.clip_value = gradient, clip_value
        return _signs(w)

    @staticmethod
    def backward(ctx, grad):
        w, alpha = ctx.saved_tensors
        share = torch.where(alpha > 0, 1 / alpha, 0).reshape(-1, *[1] * (w.ndim - 1))
        passed = _passed(grad, w, ctx.clip_value)
        if ctx.gradient == "straight":
            return passed * share, None, None, None
        return passed + grad * share / w[0].numel(), None, None, None
