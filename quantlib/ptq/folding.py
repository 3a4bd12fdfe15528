"""Layers that become one: batch normalization goes into weights, an activation into its layer."""

import torch
from torch import nn

from quantlib.ptq._layers import Add
from quantlib.ptq.graph import check_graph

__all__ = ["fold", "fold_batch_norm"]

_NORMS = nn.BatchNorm1d, nn.BatchNorm2d
_WEIGHTED = nn.Conv2d, nn.ConvTranspose2d, nn.Linear
_FUSED = nn.Conv2d, nn.Linear, Add


def fold_batch_norm(layer, norm):
    r"""Return weight and bias of a layer that does what ``layer`` and then ``norm`` do.

    .. math::
        w_{\mathrm{fold}} = \frac{\gamma\, w}{\sqrt{\sigma^2 + \varepsilon}}, \qquad
        b_{\mathrm{fold}} = \beta + \gamma\, \frac{b - \mu}{\sqrt{\sigma^2 + \varepsilon}}

    for each output channel: :math:`\gamma, \beta` are the scale and shift of the normalization,
    :math:`\mu, \sigma^2` the mean and variance that it remembers, b the layer's own bias, 0 if it
    has none. Computed in float64; the tensors have the layer's dtype.

    Source: Chenna, equations (5) to (7). His (7) leaves out b, with which many networks come.

    Parameters
    ----------
    layer : Conv2d, ConvTranspose2d or Linear
        Output channels are along axis 0 of its weight, but along axis 1 where it is transposed.
    norm : BatchNorm1d or BatchNorm2d
        In evaluation mode, with as many channels.

    Examples
    --------
    >>> conv, norm = nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1, eps=0.0).eval()
    >>> with torch.no_grad():
    ...     _ = conv.weight.fill_(3.0), conv.bias.fill_(5.0), norm.running_mean.fill_(1.0)
    ...     _ = norm.running_var.fill_(4.0), norm.bias.fill_(7.0)
    >>> weight, bias = fold_batch_norm(conv, norm)
    >>> weight.item(), bias.item()  # 3 / 2 and 7 + (5 - 1) / 2
    (1.5, 9.0)
    """
    if not isinstance(layer, _WEIGHTED):
        raise TypeError(
            f"layer must be a Conv2d, ConvTranspose2d or Linear, got {type(layer).__name__}"
        )
    if not isinstance(norm, _NORMS):
        raise TypeError(f"norm must be a BatchNorm1d or BatchNorm2d, got {type(norm).__name__}")
    scale, shift = scale_and_shift(norm)
    weight = layer.weight.detach().double()
    transposed = isinstance(layer, nn.ConvTranspose2d)
    channels = weight.shape[1] * layer.groups if transposed else weight.shape[0]
    if len(scale) != channels:
        raise ValueError(f"norm must have {channels} channels, as layer has, got {len(scale)}")
    if transposed:  # in x out / groups x h x w, group after group
        by_group = weight.unflatten(0, (layer.groups, -1))
        scales = scale.reshape(layer.groups, 1, -1, 1, 1)
        weight = (by_group * scales).flatten(0, 1)
    else:
        weight = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
    bias = 0 if layer.bias is None else layer.bias.detach().double()
    dtype = layer.weight.dtype
    return weight.to(dtype), (shift + bias * scale).to(dtype)


def scale_and_shift(norm):
    """Return factor and summand of each channel of a normalization, in float64."""
    if norm.training:
        raise ValueError("norm must be in evaluation mode, got one in training mode")
    if norm.running_mean is None:
        raise ValueError("norm must remember mean and variance, got track_running_stats=False")
    scale = 1 / torch.sqrt(norm.running_var.double() + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight.detach().double()
    shift = -norm.running_mean.double() * scale
    if norm.bias is not None:
        shift = shift + norm.bias.detach().double()
    return scale, shift


def fold(graph):
    """Return the graph with batch normalization folded, and activations fused into their layers.

    Its outputs stay the same but for rounding. A normalization behind a convolution or linear layer
    whose result nothing else takes goes into the weights. Another one of images becomes a
    convolution of single pixels, channel by channel. A ReLU or ReLU6 goes into the convolution,
    linear layer or addition before it: less data is moved, and what is quantized is what the
    activation hands on. Source: Chenna, section 5.1.

    >>> from quantlib import models, ptq
    >>> graph = fold(ptq.trace(models.load_pretrained()))
    >>> list(graph.nodes)
    ['conv1', 'conv2', 'max_pool2d', 'conv3', 'max_pool2d_1', 'flatten', 'fc1', 'fc2']
    >>> graph.activations.names
    ['conv1', 'conv2', 'conv3', 'fc1']
    """
    graph = check_graph(graph).copy()
    for name, norm in graph.named_layers(*_NORMS).items():
        if norm.running_mean is None:
            raise ValueError(
                f"model has {name}, a {type(norm).__name__} with track_running_stats=False: it "
                f"must remember mean and variance"
            )
        before = graph.nodes[name].inputs[0]
        layer = graph.layers[before] if before in graph.nodes else None
        alone = graph.only_reader(before) is not None and before not in graph.activations
        if isinstance(layer, _WEIGHTED) and alone:
            _set(layer, *fold_batch_norm(layer, norm))
            graph.statistics[before] = _statistics(norm)
            graph.remove(name)
        elif isinstance(norm, nn.BatchNorm2d):
            graph.layers[name] = _as_convolution(norm)
            graph.statistics[name] = _statistics(norm)
    for name, activation in graph.named_layers(nn.ReLU, nn.ReLU6).items():
        before = graph.nodes[name].inputs[0]
        alone = before in graph.nodes and graph.only_reader(before) is not None
        free = before not in graph.activations
        if alone and free and isinstance(graph.layers[before], _FUSED):
            graph.activations[before] = activation
            graph.remove(name)
    return graph


def _set(layer, weight, bias):
    layer.weight = nn.Parameter(weight, requires_grad=False)
    layer.bias = nn.Parameter(bias, requires_grad=False)


def _statistics(norm):
    """Return mean and standard deviation of what a normalization hands on."""
    if norm.weight is None:
        return torch.zeros(norm.num_features), torch.ones(norm.num_features)
    return norm.bias.detach().clone(), norm.weight.detach().abs()


def _as_convolution(norm):
    channels = norm.num_features
    layer = nn.Conv2d(channels, channels, 1, groups=channels).eval()
    scale, shift = (x.float() for x in scale_and_shift(norm))
    _set(layer, scale.reshape(-1, 1, 1, 1), shift)
    return layer
