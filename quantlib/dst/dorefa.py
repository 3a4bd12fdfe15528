r"""DoReFa-Net: weights, activations and gradients on a uniform grid of k bits.

.. math:: \mathrm{quantize}_k(r) = \frac{\mathrm{round}\bigl((2^k - 1)\, r\bigr)}{2^k - 1}
          \qquad (0 \le r \le 1)

half to even, with the gradient of r itself. Beside DST it stands as the method that quantizes
gradients, too, and keeps a real copy of the weights.

Source: Zhou et al. (2016), "DoReFa-Net".
"""

import torch

from quantlib._validation import check_bit_width
from quantlib.layers import Quantizer
from quantlib.models.weights import check_tensor
from quantlib.schemes import straight_through

__all__ = ["DorefaActivations", "DorefaGradients", "DorefaWeights"]


def _quantize(r, bit_width):
    steps = 2**bit_width - 1
    return straight_through(r, torch.round(r.detach() * steps) / steps)


class DorefaWeights(Quantizer):
    r"""Weights of k bits from -1 to 1, by way of tanh.

    .. math:: q(w) = 2\, \mathrm{quantize}_k\left(\frac{\tanh w}{2 \max |\tanh w|}
              + \frac12\right) - 1, \qquad
              \frac{\partial q}{\partial w_i} \ni \frac{1 - \tanh^2 w_i}{\max |\tanh w|}

    The factor :math:`1 - \tanh^2` is often left out; the maximum, too, is differentiated, as in the
    authors' code. There is no zero among the :math:`2^k` levels. With one bit it is
    :math:`\mathrm{sign}(w)\, E|w|` of the whole layer, with a gradient of 1.

    Source: Zhou et al. (2016), section 2.3.

    >>> DorefaWeights(2)(torch.tensor([[-3.0, -0.2, 0.3, 3.0]])).mul(3).round().tolist()
    [[-3.0, -1.0, 1.0, 3.0]]
    """

    def __init__(self, bit_width):
        super().__init__()
        self.bit_width = check_bit_width(bit_width, 1, 8)

    def forward(self, w):
        """Return the levels of ``w``."""
        check_tensor(w, "w")
        if self.bit_width == 1:
            latent = w.detach()
            signs = torch.where(latent >= 0, 1.0, -1.0).to(w.dtype)
            return straight_through(w, signs * latent.abs().mean())
        t = torch.tanh(w)
        largest = t.abs().max().clamp(min=torch.finfo(w.dtype).tiny)
        return 2 * _quantize(t / (2 * largest) + 0.5, self.bit_width) - 1

    def extra_repr(self):
        """Return the bits."""
        return str(self.bit_width)


class DorefaActivations(Quantizer):
    r"""Activations of k bits from 0 to 1.

    .. math:: q(x) = \mathrm{quantize}_k(\mathrm{clip}(x, 0, 1)), \qquad
              \frac{\partial q}{\partial x} = 1_{0 \le x \le 1}

    Source: Zhou et al. (2016), section 2.4.

    >>> DorefaActivations(2)(torch.tensor([-1.0, 0.4, 7.0])).mul(3).round().tolist()
    [0.0, 1.0, 3.0]
    """

    def __init__(self, bit_width):
        super().__init__()
        self.bit_width = check_bit_width(bit_width, 1, 8)

    def forward(self, x):
        """Return the levels of ``x``."""
        check_tensor(x, "x")
        return _quantize(x.clamp(0, 1), self.bit_width)

    def extra_repr(self):
        """Return the bits."""
        return str(self.bit_width)


class DorefaGradients(torch.nn.Module):
    r"""Passes numbers on, and rounds what comes back to k bits, at random.

    .. math:: f(g) = 2 m \left(\mathrm{quantize}_k\left(\frac{g}{2m} + \frac12
              + \frac{\sigma}{2^k - 1}\right) - \frac12\right), \qquad
              \sigma \sim U\left(-\tfrac12, \tfrac12\right)

    where m is the largest magnitude of one image's gradient. The mean of f(g) is g, but for what
    is cut off at the ends of the range. Put it behind a layer.

    Parameters
    ----------
    bit_width : int
        k, 1 to 8; gradients need more bits than weights and activations, 6 in the paper.
    generator : torch.Generator, optional
        Where the random numbers come from; torch's own by default.

    Notes
    -----
    Source: Zhou et al. (2016), section 2.5.

    Examples
    --------
    >>> x = torch.zeros(1, 3, requires_grad=True)
    >>> DorefaGradients(1)(x).backward(torch.tensor([[2.0, -2.0, 0.0]]))
    >>> x.grad.abs().tolist()  # one bit has two levels: 0 becomes either
    [[2.0, 2.0, 2.0]]
    """

    def __init__(self, bit_width, *, generator=None):
        super().__init__()
        self.bit_width = check_bit_width(bit_width, 1, 8)
        self.generator = generator

    def forward(self, x):
        """Return ``x``."""
        check_tensor(x, "x")
        return _Rounded.apply(x, self.bit_width, self.generator)

    def extra_repr(self):
        """Return the bits."""
        return str(self.bit_width)


class _Rounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, bit_width, generator):
        ctx.options = bit_width, generator
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        bit_width, generator = ctx.options
        steps = 2**bit_width - 1
        largest = gradient.abs()
        if gradient.ndim > 1:
            largest = largest.amax(dim=tuple(range(1, gradient.ndim)), keepdim=True)
        largest = largest.clamp(min=torch.finfo(gradient.dtype).tiny)
        noise = torch.rand(
            gradient.shape, generator=generator, device=gradient.device, dtype=gradient.dtype
        )
        r = gradient / (2 * largest) + 0.5 + (noise - 0.5) / steps
        rounded = torch.round(r.clamp(0, 1) * steps) / steps
        return 2 * largest * (rounded - 0.5), None, None
