"""ApproxSign: a curve that is nearer to the sign than clip is, and lends the sign its slope."""

import numpy as np
import torch

from quantlib._validation import as_array
from quantlib.binary.ste import bare_signs, clipped_zero
from quantlib.models.weights import check_tensor, traced

__all__ = ["approx_sign", "approx_sign_derivative", "approx_sign_ste"]


def approx_sign(x):
    r"""Return ApproxSign of real numbers: two parabolas that meet in 0 and are flat at the ends.

    .. math:: \mathrm{ApproxSign}(x) = \begin{cases}
            -1 & x < -1 \\ 2x + x^2 & -1 \le x < 0 \\ 2x - x^2 & 0 \le x < 1 \\ 1 & x \ge 1
        \end{cases}

    which is :math:`c\,(2 - |c|)` with :math:`c = \mathrm{clip}(x, -1, 1)`; so it is computed. The
    area between it and the sign is 2/3, that between clip(x, -1, 1) and the sign is 1. The result
    is of the kind, shape and floating-point dtype of ``x``, differentiable for tensors. A NaN
    stays NaN, and an infinity becomes -1 or 1.

    Source: Bei Yu, Mo04, "Approximation of Sign function"; Liu et al. (2018). The slide
    writes the naive approximation beside it as clip(x, 0, 1): for ±1 it is clip(x, -1, 1).

    >>> approx_sign([-2.0, -0.5, 0.0, 0.5, 1.0]).tolist()
    [-1.0, -0.75, 0.0, 0.75, 1.0]
    """
    c = _real(x).clip(-1, 1)
    return c * (2 - abs(c))


def approx_sign_derivative(x):
    r"""Return the derivative of :func:`approx_sign`, a triangle of area 2, as the sign's step is.

    .. math:: \frac{\partial\, \mathrm{ApproxSign}(x)}{\partial x} = \begin{cases}
            2 + 2x & -1 \le x < 0 \\ 2 - 2x & 0 \le x < 1 \\ 0 & \text{otherwise} \end{cases}

    It is continuous: at -1 and +1 it is 0 from either side, so that it does not matter to which
    piece a bound belongs. That of clip, 1 up to the bounds and 0 behind them, jumps there. In 0
    it is 2. A NaN stays NaN.

    Source: as for :func:`approx_sign`.

    >>> approx_sign_derivative([-1.0, -0.5, 0.0, 0.75, 3.0]).tolist()
    [0.0, 1.0, 2.0, 0.5, 0.0]
    """
    return (2 - 2 * abs(_real(x))).clip(0)


def approx_sign_ste(x):
    r"""Return the sign of ``x``, with the gradient of :func:`approx_sign`.

    .. math::
        \text{forward: } y = \mathrm{sign}(x), \qquad
        \text{backward: } \frac{\partial C}{\partial x} = \frac{\partial C}{\partial y}\;
            \frac{\partial\, \mathrm{ApproxSign}(x)}{\partial x}

    ``x`` is a tensor, and the result are +1 and -1 in its dtype; sign(0) = +1, and a NaN stays
    NaN. The gradient is the product of the two factors, rounded once.

    Source: Liu et al. (2018). The paper's published code takes ``torch.sign``, of
    which 0 has the sign 0, a third value.

    >>> x = torch.tensor([-1.5, -0.5, 0.0, 0.75], requires_grad=True)
    >>> y = approx_sign_ste(x)
    >>> y.sum().backward()
    >>> y.tolist(), x.grad.tolist()
    ([-1.0, -1.0, 1.0, 1.0], [0.0, 1.0, 2.0, 0.5])
    """
    check_tensor(x, "x")
    return bare_signs(x) + clipped_zero(x, 1.0) * approx_sign_derivative(x.detach())


def _real(x):
    """Return ``x`` as an array or tensor of floating-point numbers, NaN and infinity allowed."""
    if traced(x):
        return x
    x = as_array(x, "x")
    if isinstance(x, torch.Tensor):
        return x if x.is_floating_point() else x.float()
    return np.asarray(x, x.dtype if x.dtype.kind == "f" else np.float64)
