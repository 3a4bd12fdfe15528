"""Layers by the papers' names: BinaryConnect, BWN, BNN and XNOR-Net.

=================  ==============  =======================  ============================
method             weights         activations              scale of the result
=================  ==============  =======================  ============================
``binaryconnect``  sign(W)         real                     none
``bwn``            sign(W)         real                     alpha of the filter
``bnn``            sign(W)         sign(X)                  none
``xnor``           sign(W)         sign(X)                  alpha of the filter, K of X
=================  ==============  =======================  ============================
"""

import torch

from quantlib._validation import check_choice, check_flag
from quantlib.binary.quantizers import (
    SignActivations,
    SignWeights,
    XnorActivations,
)
from quantlib.layers import QuantConv2d, QuantLinear, quantized

__all__ = ["METHODS", "BinaryConv2d", "BinaryLinear", "binary_layers", "clip_latent_", "quantizers"]

#: Of each method the scale of the weights, and what quantizes the activations.
METHODS = {
    "binaryconnect": ("none", None),
    "bwn": ("channel", None),
    "bnn": ("none", SignActivations),
    "xnor": ("channel", XnorActivations),
}


def quantizers(method, *, stochastic=False, gradient="straight", clip_value=1.0):
    """Return the two quantizers of a method, by the names that a layer takes them under.

    ``stochastic`` draws the signs of the activations where they are binary (as in BNN), else
    those of the weights (as in BinaryConnect). ``gradient`` is that of
    :func:`~quantlib.binary.scales.binarize_weights` (``"exact"`` also passes it through beta, which
    is a constant for the others), ``clip_value`` that of :func:`~quantlib.binary.ste.sign_ste`.

    >>> quantizers("bwn")
    {'weight_quant': SignWeights(scale='channel'), 'act_quant': None}
    """
    check_choice(method, "method", tuple(METHODS))
    check_flag(stochastic, "stochastic")
    scale, activations = METHODS[method]
    weights = SignWeights(scale, gradient, clip_value, stochastic and activations is None)
    if activations is not None:
        beta = {"gradient": gradient} if activations is XnorActivations else {}
        activations = activations(clip_value, stochastic, **beta)
    return {"weight_quant": weights, "act_quant": activations}


class BinaryLinear(QuantLinear):
    r"""A linear layer with binary weights.

    .. math::
        y_o = s_o \sum_k x^B_k\, \mathrm{sign}(W_{ok}) + b_o, \qquad
        s_o = \begin{cases} 1 & \text{binaryconnect, bnn} \\ \alpha_o & \text{bwn} \\
            \alpha_o\, \beta & \text{xnor} \end{cases}

    with :math:`x^B = \mathrm{sign}(x)` for bnn and xnor, else x;
    :math:`\alpha_o = \lVert W_o \rVert_1 / n` and :math:`\beta = \lVert x \rVert_1 / n`.
    ``stochastic``, ``gradient`` and ``clip_value`` are those of :func:`quantizers`. A bias is real;
    batch normalization after the layer makes it useless.

    Source: Bei Yu, Mo04, "BNN", "Binary Weight Network" and "XNOR-Networks".

    >>> layer = BinaryLinear(3, 1)
    >>> with torch.no_grad():
    ...     _ = layer.weight.copy_(torch.tensor([[0.2, -0.5, 0.1]]))
    >>> layer(torch.tensor([[3.0, -0.1, -7.0]])).tolist()  # 1 + 1 - 1
    [[1.0]]
    """

    def __init__(
        self,
        in_features,
        out_features,
        *,
        method="bnn",
        bias=False,
        device=None,
        dtype=None,
        **options,
    ):
        values = quantizers(method, **options)
        super().__init__(in_features, out_features, bias, device, dtype, **values)
        self.method = method


class BinaryConv2d(QuantConv2d):
    r"""A convolution with binary weights.

    .. math::
        y_{oij} = s_{oij} \sum_{c,k,l} x^B_{c,\,si+k-p,\,sj+l-p}\, \mathrm{sign}(W_{ockl}) + b_o

    with the scale 1 for binaryconnect and bnn, :math:`\alpha_o` for bwn and
    :math:`\alpha_o K_{ij}` for xnor (:func:`~quantlib.binary.scales.activation_scales`). Outside
    the image binary activations are +1, or 0 with ``padding_value=0``; real ones, and the
    magnitudes in K, are 0. The rest is as for :class:`BinaryLinear` and
    :class:`~quantlib.layers.modules.QuantConv2d`.

    Source: Bei Yu, Mo04, "BNN", "Binary Weight Network" and "XNOR-Networks", (1) to (4).

    >>> layer = BinaryConv2d(1, 1, 3, padding=1)
    >>> with torch.no_grad():
    ...     _ = layer.weight.fill_(0.1)
    >>> layer(-torch.ones(1, 1, 2, 2)).tolist()  # 4 pixels of -1 and 5 of the padding
    [[[[1.0, 1.0], [1.0, 1.0]]]]
    """

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        *,
        dilation=1,
        groups=1,
        padding_mode="zeros",
        padding_value=None,
        method="bnn",
        bias=False,
        device=None,
        dtype=None,
        **options,
    ):
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
            padding_mode, device, dtype,
            padding_value=padding_value, **quantizers(method, **options),
        )  # fmt: skip
        self.method = method


def binary_layers(model):
    """Return the layers of ``model`` with binary weights, by name, in the model's order.

    >>> list(binary_layers(torch.nn.Sequential(torch.nn.Linear(4, 2), BinaryLinear(2, 2))))
    ['1']
    """
    layers = quantized(model).items()
    return {name: m for name, m in layers if isinstance(m.weight_quant, SignWeights)}


@torch.no_grad()
def clip_latent_(model):
    r"""Clip the latent weights of all binary layers of ``model`` to [-1, 1], in place.

    .. math:: W \leftarrow \mathrm{clip}(W, -1, 1)

    To be done after each step of training. A weight far outside would need many steps to come
    back and change its sign, and the straight-through estimator stops its gradient there, so that
    it never would. Other layers stay as they are. Returns ``model``.

    Source: Courbariaux, Bengio and David (2015), section 2.4.

    >>> layer = BinaryLinear(64, 10)
    >>> _ = layer.weight.data.mul_(1000)
    >>> bool((clip_latent_(layer).weight.abs() <= 1).all())
    True
    """
    for layer in binary_layers(model).values():
        layer.weight.clamp_(-1, 1)
    return model
