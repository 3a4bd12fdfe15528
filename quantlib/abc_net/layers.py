"""ABC-Net's layers by the paper's name: ApproxConv, and its form for vectors."""

from quantlib.abc_net.quantizers import AbcActivations, AbcWeights
from quantlib.layers import QuantConv2d, QuantLinear

__all__ = ["ApproxConv2d", "ApproxLinear", "quantizers"]


def quantizers(
    n_weight_bases=3, n_act_bases=3, *, axis=None, trainable_shifts=False, gradient="ramp"
):
    """Return the two quantizers of ABC-Net, by the names that a layer takes them under.

    ``n_weight_bases`` is M, and ``n_act_bases`` N; None leaves the activations real. ``axis`` and
    ``trainable_shifts`` are those of :class:`~quantlib.abc_net.quantizers.AbcWeights`, ``gradient``
    that of :class:`~quantlib.abc_net.quantizers.AbcActivations`.

    >>> quantizers(5, None, axis=0)
    {'weight_quant': AbcWeights(n_bases=5, axis=0), 'act_quant': None}
    """
    weights = AbcWeights(n_weight_bases, axis=axis, trainable_shifts=trainable_shifts)
    activations = None if n_act_bases is None else AbcActivations(n_act_bases, gradient=gradient)
    return {"weight_quant": weights, "act_quant": activations}


class ApproxLinear(QuantLinear):
    r"""A linear layer whose weights are M binary bases, and its input N.

    .. math::
        y = \sum_{m=1}^{M} \sum_{n=1}^{N} \alpha_m \beta_n\, A_n(x)\, B_m(W)^T + b

    The bias is real and added once. ``n_act_bases=None`` leaves the input real. The other options
    are those of :func:`quantizers`.

    Source: Bei Yu, Mo04, "Towards Accurate Binary Convolutional Neural Network".

    >>> layer = ApproxLinear(4, 2, n_weight_bases=2)
    >>> sorted(name for name, _ in layer.named_parameters())
    ['act_quant.beta', 'act_quant.v', 'weight']
    """

    def __init__(
        self,
        in_features,
        out_features,
        *,
        n_weight_bases=3,
        n_act_bases=3,
        bias=False,
        device=None,
        dtype=None,
        **options,
    ):
        values = quantizers(n_weight_bases, n_act_bases, **options)
        super().__init__(in_features, out_features, bias, device, dtype, **values)
        self.to(device=device, dtype=dtype)


class ApproxConv2d(QuantConv2d):
    r"""A convolution whose weights are M binary bases, and its input N.

    .. math::
        y = \sum_{m=1}^{M} \sum_{n=1}^{N} \alpha_m \beta_n\, \mathrm{Conv}(B_m(W), A_n(x)) + b

    Outside of an image every term has 0. The rest is as for :class:`ApproxLinear` and
    :class:`~quantlib.layers.modules.QuantConv2d`.

    Source: Bei Yu, Mo04, "Towards Accurate Binary Convolutional Neural Network", ApproxConv.

    >>> layer = ApproxConv2d(1, 1, 3, padding=1, n_weight_bases=1, n_act_bases=1)
    >>> _ = layer.weight.data.fill_(0.5)
    >>> layer(layer.weight.new_full((1, 1, 2, 2), -1)).tolist()  # 4 pixels of -1, each times 0.5
    [[[[-2.0, -2.0], [-2.0, -2.0]]]]
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
        n_weight_bases=3,
        n_act_bases=3,
        bias=False,
        device=None,
        dtype=None,
        **options,
    ):
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
            padding_mode, device, dtype,
            **quantizers(n_weight_bases, n_act_bases, **options),
        )  # fmt: skip
        self.to(device=device, dtype=dtype)
