"""Signs, and gradients for what has none: straight-through estimators.

The sign has derivative 0 everywhere but at 0, so nothing could be learnt through it. A
straight-through estimator computes the sign on the way forward, and on the way back pretends that
it was a function with a slope.
"""

import math

import numpy as np
import torch
from array_api_compat import array_namespace

from quantlib._validation import as_float_array, shown
from quantlib.models.weights import check_tensor

__all__ = ["sign", "sign_ste", "sign_stochastic_ste"]


def sign(x):
    r"""Return the sign of real numbers; that of 0 is +1.

    .. math:: \mathrm{sign}(x) = \begin{cases} +1 & x \ge 0 \\ -1 & x < 0 \end{cases}

    One bit has no third value, so 0 (and -0.0) must fall on a side.
    ``numpy.sign`` and ``torch.sign`` return 0 there. The result is of the kind, shape and
    floating-point dtype of ``x``, and has no gradient: see :func:`sign_ste`. A ValueError refuses
    what is empty or not finite.

    Source: Bei Yu, Mo04, "BNN" and "Binary Weight Networks".

    >>> sign([-0.3, 0.0, 2.0]).tolist()
    [-1.0, 1.0, 1.0]
    """
    x = as_float_array(x, "x")
    xp = array_namespace(x)
    if xp.__name__.endswith("torch"):
        return bare_signs(x)
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
    clip_value : float or None
        c: the gradient is passed where ``|x| <= c``, the bound included. None passes it
        wherever x is finite.

    Returns
    -------
    torch.Tensor
        +1 and -1, in the dtype of ``x``. A NaN stays NaN.

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
    check_tensor(x, "x")
    return bare_signs(x) + clipped_zero(x, check_clip_value(clip_value))


def sign_stochastic_ste(x, clip_value=1.0, *, generator=None):
    r"""Draw +1 or -1, the more often +1 the larger ``x`` is; the gradient is :func:`sign_ste`'s.

    .. math:: P(y = +1) = \sigma(x) = \mathrm{clip}\left(\frac{x + 1}{2},\, 0,\, 1\right)

    so that the mean of the draws is clip(x, -1, 1), whose slope the gradient has at
    ``clip_value=1``.

    Random numbers come from ``generator``, a ``torch.Generator``, or from torch's own for the
    device. A NaN stays NaN.

    Source: Courbariaux, Bengio and David (2015), (2) and (3).

    >>> x = torch.full((10_000,), 0.5)
    >>> draws = sign_stochastic_ste(x, generator=torch.Generator().manual_seed(0))
    >>> print(f"{(draws == 1).double().mean():.2f}")
    0.75
    """
    check_tensor(x, "x")
    # Draws are below 1 and never below 0: no clip is needed for sure +1 and sure -1.
    draws = torch.rand(x.shape, generator=generator, dtype=x.dtype, device=x.device)
    values = x.detach()
    signs = (draws < (values + 1) / 2).to(x.dtype).mul_(2).sub_(1).add_(values.clamp(0, 0))
    return signs + clipped_zero(x, check_clip_value(clip_value))


def check_clip_value(clip_value):
    """Return ``clip_value`` as a float, or None; raise unless it is positive or None."""
    if clip_value is None:
        return None
    if isinstance(clip_value, bool) or not isinstance(clip_value, int | float | np.number):
        raise TypeError(
            f"clip_value must be a number or None, "
            f"got {shown(clip_value)} of type {type(clip_value).__name__}"
        )
    if not clip_value > 0:
        raise ValueError(f"clip_value must be positive or None, got {clip_value}")
    return None if math.isinf(clip_value) else float(clip_value)


def bare_signs(x):
    """Return the signs of a tensor, unchecked and without a gradient; NaN where it is NaN."""
    x = x.detach()
    # What is clamped to 0 is 0, but for a NaN.
    return (x >= 0).to(x.dtype).mul_(2).sub_(1).add_(x.clamp(0, 0))


def clipped_zero(x, clip_value):
    """Return 0 with the gradient of ``x`` where ``|x|`` is at most ``clip_value``, else with none.

    Added to what has no gradient, it gives it one and changes no value.
    """
    # Infinity minus itself would be NaN.
    clipped = x.nan_to_num() if clip_value is None else x.clamp(-clip_value, clip_value)
    return clipped - clipped.detach()
