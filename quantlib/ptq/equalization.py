"""Cross-layer equalization: channels of one layer get like ranges, and the next layer pays."""

from typing import NamedTuple

import torch
from torch import nn

from quantlib._validation import check_choice, check_integer, check_positive, check_same_shape
from quantlib.ptq.graph import check_graph

__all__ = ["Pair", "equalization_scales", "equalize", "equalize_pair", "pairs", "spread_ranges"]

_WEIGHTED = nn.Conv2d, nn.Linear

#: What lets a positive factor of a channel through, as it lets each channel through by itself.
_LETS_THROUGH = nn.ReLU, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.LeakyReLU


class Pair(NamedTuple):
    """Two layers, of which the second takes what the first hands on, by name."""

    first: str
    second: str


def equalization_scales(first_range, second_range):
    r"""Return the factors :math:`s_i` that make the ranges of channel i in both layers equal.

    .. math:: s_i = \frac{1}{r_i^{(2)}} \sqrt{r_i^{(1)} r_i^{(2)}}
              = \sqrt{r_i^{(1)} / r_i^{(2)}}

    With weights of the first layer divided by it and those of the second multiplied, both have the
    range :math:`\sqrt{r_i^{(1)} r_i^{(2)}}`, the geometric mean. A channel whose range is 0 in
    either layer has the factor 1.

    Source: Nagel et al. (2019), equation (11); Chenna, section 7.2.

    Parameters
    ----------
    first_range, second_range : torch.Tensor
        Largest magnitude of the weights of each output channel of the first layer, and of the
        weights of the second that take this channel.

    Examples
    --------
    >>> equalization_scales(torch.tensor([8.0, 0.0]), torch.tensor([2.0, 1.0])).tolist()
    [2.0, 1.0]
    """
    for x, name in ((first_range, "first_range"), (second_range, "second_range")):
        if not isinstance(x, torch.Tensor):
            raise TypeError(f"{name} must be a tensor, got {type(x).__name__}")
    check_same_shape(first_range, second_range, ("first_range", "second_range"))
    usable = (first_range > 0) & (second_range > 0)
    ratio = torch.where(usable, first_range, 1.0) / torch.where(usable, second_range, 1.0)
    return torch.sqrt(ratio)


def equalize_pair(first, second):
    """Equalize two layers in place, and return the factors, one a channel.

    ``first`` and ``second`` are a Conv2d or Linear each; between them stands nothing but what lets
    a positive factor through, a ReLU for one. Their function together stays the same.
    """
    for layer, name in ((first, "first"), (second, "second")):
        if not isinstance(layer, _WEIGHTED):
            raise TypeError(f"{name} must be a Conv2d or Linear, got {type(layer).__name__}")
    if _channels_in(second) != len(first.weight):
        raise ValueError(
            f"second must take {len(first.weight)} channels, as first hands on, "
            f"got {_channels_in(second)}"
        )
    into = _by_input_channel(second)
    first_range = first.weight.detach().abs().flatten(1).amax(1)
    scales = equalization_scales(first_range, into.abs().amax(1))
    _move(first, second, scales)
    return scales


def _move(first, second, scales):
    """Divide the channels of the first layer by ``scales``, and multiply what reads them."""
    with torch.no_grad():
        first.weight /= scales.reshape(-1, *[1] * (first.weight.ndim - 1))
        if first.bias is not None:
            first.bias /= scales
        _multiply_input(second, scales)


def _by_input_channel(layer):
    """Return the weights that take each input channel, a row for each."""
    weight = layer.weight.detach()
    if isinstance(layer, nn.Linear):
        return weight.T
    groups = layer.groups
    by_group = weight.unflatten(0, (groups, -1)).flatten(3)  # groups x out x in x window
    return by_group.transpose(1, 2).flatten(0, 1).flatten(1)


def _multiply_input(layer, scales):
    if isinstance(layer, nn.Linear):
        layer.weight *= scales
        return
    groups = layer.groups
    each = scales.reshape(groups, 1, -1).expand(-1, len(layer.weight) // groups, -1)
    layer.weight *= each.reshape(len(layer.weight), -1, 1, 1)


def pairs(graph):
    """Return the pairs of layers that can be equalized.

    The second takes what the first hands on, alone, by way of ReLU, maxima or means. Between a
    convolution and a linear layer a ``Flatten`` must not mix the channels with places: the images
    are single pixels there. ReLU6 lets no factor through, as its ceiling stays where it is.

    >>> from quantlib import models, ptq
    >>> graph = ptq.fold(ptq.trace(models.load_pretrained()))
    >>> [tuple(pair) for pair in pairs(graph)]
    [('conv1', 'conv2'), ('conv2', 'conv3'), ('fc1', 'fc2')]
    """
    found = []
    for name in check_graph(graph).named_layers(*_WEIGHTED):
        if not isinstance(graph.activations.get(name, nn.ReLU()), _LETS_THROUGH):
            continue
        reader = graph.only_reader(name)
        while reader is not None and _passes(graph, reader.name):
            reader = graph.only_reader(reader.name)
        if reader is None or not isinstance(graph.layers[reader.name], _WEIGHTED):
            continue
        if _channels_in(graph.layers[reader.name]) == len(graph.layers[name].weight):
            found.append(Pair(name, reader.name))
    return found


def _passes(graph, name):
    passes = isinstance(graph.layers[name], (*_LETS_THROUGH, nn.Flatten))
    return passes and name not in graph.activations


def _channels_in(layer):
    return layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels


def equalize(graph, *, relu6="keep", n_passes=20):
    r"""Return the graph with channels equalized across all pairs of layers.

    One pair after the other, over and over, as layers in the middle belong to two pairs: until
    no factor differs from 1 by more than one part in a thousand, or ``n_passes`` times.

    Source: Nagel et al. (2019), section 4.1; Chenna, section 7.2.

    Parameters
    ----------
    graph : Graph
        Folded, in floating point. It stays as it is.
    relu6 : {"keep", "replace"}
        A ReLU6 stops a factor: :math:`\min(s x, 6) \ne s \min(x, 6)`. Layers before one stay as
        they are, or it becomes a ReLU first. That changes the function wherever the ceiling was
        reached; measure the accuracy before and after.

    Examples
    --------
    >>> from quantlib import data, models, ptq
    >>> graph = ptq.fold(ptq.trace(models.load_pretrained()))
    >>> images = torch.as_tensor(data.load().test_images[:10])
    >>> bool(torch.allclose(graph(images), equalize(graph)(images), atol=1e-4))
    True
    """
    check_choice(relu6, "relu6", ("keep", "replace"))
    n_passes = check_integer(n_passes, "n_passes", 1, 10_000)
    graph = check_graph(graph).copy()
    if relu6 == "replace":
        for name in graph.activations.names:
            if isinstance(graph.activations[name], nn.ReLU6):
                graph.activations[name] = nn.ReLU()
    for _ in range(n_passes):
        farthest = 1.0
        for first, second in pairs(graph):
            scales = equalize_pair(graph.layers[first], graph.layers[second])
            _divide_statistics(graph, first, scales)
            farthest = max(farthest, scales.max().item(), 1 / scales.min().item())
        if farthest < 1.001:
            break
    return graph


def _divide_statistics(graph, name, scales):
    if name in graph.statistics:
        graph.statistics[name] = tuple(x / scales for x in graph.statistics[name])


def spread_ranges(graph, decades, *, generator=None):
    r"""Do the opposite: give channels ranges far apart, while the function stays the same.

    Each channel of the first layer of each pair is multiplied by :math:`10^u`, and what reads it
    divided by it; u is uniform from ``-decades / 2`` to ``decades / 2``, drawn from ``generator``.

    Trained depthwise networks have such ranges: Nagel et al. (2019), Figure 2, show a layer of
    MobileNetV2. A small network that is trained for a minute has not; spread, it fails in the same
    way, and the remedies can be seen at work.

    >>> from quantlib import models, ptq
    >>> graph = ptq.fold(ptq.trace(models.load_pretrained()))
    >>> spread = spread_ranges(graph, 3, generator=torch.Generator().manual_seed(0))
    >>> ranges = spread.layers["conv2"].weight.abs().amax((1, 2, 3))
    >>> bool(ranges.max() > 100 * ranges.min())
    True
    """
    decades = check_positive(decades, "decades")
    graph = check_graph(graph).copy()
    for first, second in pairs(graph):
        exponents = torch.rand(len(graph.layers[first].weight), generator=generator) - 0.5
        scales = 10 ** (-decades * exponents)
        _move(graph.layers[first], graph.layers[second], scales)
        _divide_statistics(graph, first, scales)
    return graph
