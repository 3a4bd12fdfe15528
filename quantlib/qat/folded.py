"""Batch normalization that is folded into the weights before they are quantized, as it trains."""

import copy

import torch
from torch import nn
from torch.nn import functional

from quantlib.layers import QuantConv2d, Quantizer, QuantLinear
from quantlib.models.weights import check_tensor
from quantlib.ptq import fold_batch_norm

__all__ = ["FoldedBatchNorm"]


class FoldedBatchNorm(nn.Module):
    r"""A layer and the batch normalization behind it, trained as the folded layer they will be.

    The integers that will be stored are those of the folded weights, so these are quantized:

    .. math:: \hat w = q\left(\frac{\gamma\, w}{\sigma}\right), \qquad
              y = c\,(\hat w * x) + \beta + \frac{\gamma\, (b - \mu_B)}{\sigma_B}, \qquad
              c = \frac{\sigma}{\sigma_B}

    with :math:`\mu_B, \sigma_B` those of the batch, of what the real layer gives, and
    :math:`\sigma` the remembered one, which moves slowly and so do the quantized weights. In
    evaluation mode, and once :attr:`frozen`, the remembered values take the batch's place, and c is
    1. In training the layer is computed twice.

    Source: Jacob et al. (2018), section 3.2 and Figure C8; the factor c and the freezing are
    Krishnamoorthi's (2018), section 3.2.2.

    Parameters
    ----------
    layer : QuantConv2d or QuantLinear
        With a ``weight_quant``, which quantizes the folded weights, and real input.
    norm : BatchNorm1d or BatchNorm2d
    """

    def __init__(self, layer, norm):
        super().__init__()
        if not isinstance(layer, QuantConv2d | QuantLinear):
            raise TypeError(
                f"layer must be a QuantConv2d or QuantLinear, got {type(layer).__name__}"
            )
        if not isinstance(layer.weight_quant, Quantizer) or layer.act_quant is not None:
            raise ValueError(
                f"layer must have a weight_quant and no act_quant, got {layer.signature}"
            )
        if getattr(layer, "padding_mode", "zeros") != "zeros" or getattr(
            layer, "padding_value", 0.0
        ):
            raise ValueError(f"layer must pad with zeros, got {layer}")
        if not isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            raise TypeError(f"norm must be a BatchNorm1d or BatchNorm2d, got {type(norm).__name__}")
        if norm.running_mean is None:
            raise ValueError("norm must remember mean and variance, got track_running_stats=False")
        if norm.num_features != len(layer.weight):
            raise ValueError(
                f"norm must have {len(layer.weight)} channels, as layer has, "
                f"got {norm.num_features}"
            )
        self.layer, self.norm = layer, norm
        self.register_buffer("frozen", torch.tensor(False))

    @property
    def weight_quant(self):
        """What quantizes the folded weights."""
        return self.layer.weight_quant

    def forward(self, x):
        """Return what the layer and its normalization hand on."""
        check_tensor(x, "x")
        norm, std, weight = self.norm, self._std, self.weight
        if self.training and not self.frozen and len(x):
            real = self._product(x, self.layer.weight)
            axes = [0, *range(2, real.ndim)]
            mean = real.mean(axes)
            batch_std = torch.sqrt(real.var(axes, unbiased=False) + norm.eps)
            with torch.no_grad():  # moves the remembered mean and variance; without own bias
                bias = 0 if self.layer.bias is None else self.layer.bias.reshape(self._shape)
                norm(real + bias)
            y = self._product(x, self.weight_quant(weight)) * (std / batch_std).reshape(self._shape)
            return y + self._bias(mean, batch_std).reshape(self._shape)
        return self._product(x, self.weight_quant(weight)) + self.bias.reshape(self._shape)

    @property
    def weight(self):
        """The folded weights, by the remembered deviation; they are quantized."""
        weight, scale = self.layer.weight, self.norm.weight
        factor = 1 / self._std if scale is None else scale / self._std
        return weight * factor.reshape(-1, *[1] * (weight.ndim - 1))

    @property
    def bias(self):
        """The folded bias, by the remembered mean and deviation."""
        mean, own = self.norm.running_mean, self.layer.bias
        return self._bias(mean if own is None else mean - own, self._std)

    def _bias(self, mean, std):
        """Return the bias of results with that mean, without own bias, and that deviation."""
        scale, shift = self.norm.weight, self.norm.bias
        ratio = mean / std if scale is None else scale * mean / std
        return -ratio if shift is None else shift - ratio

    @property
    def _std(self):
        return torch.sqrt(self.norm.running_var + self.norm.eps)

    @property
    def _shape(self):
        return (-1, 1, 1) if isinstance(self.layer, nn.Conv2d) else (-1,)

    def _product(self, x, weight):
        layer = self.layer
        if isinstance(layer, nn.Linear):
            return functional.linear(x, weight)
        edges = layer._reversed_padding_repeated_twice
        x = functional.pad(x, edges) if isinstance(layer.padding, str) else x
        padding = 0 if isinstance(layer.padding, str) else layer.padding
        return functional.conv2d(
            x, weight, None, layer.stride, padding, layer.dilation, layer.groups
        )

    def folded(self):
        """Return one quantized layer that does in evaluation what both do: same class, a bias."""
        layer = self.layer
        was = self.norm.training
        weight, bias = fold_batch_norm(layer, self.norm.eval())
        self.norm.train(was)
        layer = copy.deepcopy(layer)
        layer.weight = nn.Parameter(weight.detach(), requires_grad=False)
        layer.bias = nn.Parameter(bias.detach(), requires_grad=False)
        return layer.eval()
