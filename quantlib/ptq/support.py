"""Which layers run in whole numbers, and what they do to the codes."""

from collections.abc import Iterable

from torch import nn

from quantlib._validation import shown
from quantlib.layers.modules import QuantLayer
from quantlib.ptq._layers import SAME_CODES, Add, Cat
from quantlib.ptq.graph import INPUT
from quantlib.ptq.quantizers import UniformQuantizer

__all__ = ["POINTWISE", "SAME_CODES", "check_float_layers", "own_range", "unsupported"]

#: Functions of single numbers: of codes they are a table.
POINTWISE = (
    nn.ReLU, nn.ReLU6, nn.Sigmoid, nn.Tanh, nn.SiLU, nn.GELU, nn.ELU, nn.CELU, nn.SELU, nn.Softplus,
    nn.LeakyReLU, nn.Hardswish, nn.Hardsigmoid, nn.Hardtanh, nn.Mish, nn.Softsign,
)  # fmt: skip

_POOLS = nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d


def own_range(graph):
    """Return the names of what is quantized with parameters of its own, the images first.

    Maxima and flattened images keep the codes, and so the parameters, of what they come from.

    >>> from quantlib import models, ptq
    >>> own_range(ptq.fold(ptq.trace(models.load_pretrained())))
    ['input', 'conv1', 'conv2', 'conv3', 'fc1', 'fc2']
    """
    nodes = [name for name in graph.nodes if not isinstance(graph.layers[name], SAME_CODES)]
    return [INPUT, *nodes]


def unsupported(graph):
    """Return why nodes cannot run in whole numbers, by name; an empty dict if all can."""
    found = {name: _why_not(graph.layers[name]) for name in graph.nodes}
    return {name: why for name, why in found.items() if why is not None}


def check_float_layers(graph, float_layers):
    """Return ``float_layers`` as a tuple; raise unless all other layers run in whole numbers."""
    if isinstance(float_layers, str) or not isinstance(float_layers, Iterable):
        raise TypeError(f"float_layers must be a list of names, got {shown(float_layers)}")
    float_layers = tuple(float_layers)
    for name in float_layers:
        if name not in graph.nodes:
            raise ValueError(
                f"float_layers must name nodes of the graph ({', '.join(graph.nodes)}), "
                f"got {shown(name)}"
            )
    refused = {n: why for n, why in unsupported(graph).items() if n not in float_layers}
    if refused:
        told = ", ".join(f"{name} ({why})" for name, why in refused.items())
        raise ValueError(
            f"model has layers that cannot run in whole numbers: {told}. "
            f"float_layers={list(refused)} leaves them in floating point"
        )
    return float_layers


def _why_not(layer):
    kind = type(layer).__name__
    if isinstance(layer, QuantLayer) and not _is_simulated(layer):
        return f"{kind} with {layer.signature}"
    if isinstance(layer, nn.Conv2d):
        plain = layer.padding_mode == "zeros"
        return None if plain else f"{kind} with padding_mode={layer.padding_mode!r}"
    if isinstance(layer, nn.Flatten):
        whole = layer.start_dim == 1 and layer.end_dim in (-1, 3)
        return None if whole else f"{kind} with {layer.extra_repr()}"
    if isinstance(layer, Cat):
        return None if layer.dim in (1, -3) else f"{kind} with dim={layer.dim}"
    if isinstance(layer, nn.MaxPool2d):
        sizes = layer.kernel_size, layer.stride, layer.padding
        square = all(isinstance(n, int) or len(set(n)) == 1 for n in sizes)
        plain = layer.dilation in (1, (1, 1)) and not (layer.ceil_mode or layer.return_indices)
        return None if square and plain else f"{kind} with {layer.extra_repr()}"
    if isinstance(layer, nn.AvgPool2d):
        plain = not layer.ceil_mode and (layer.count_include_pad or layer.padding in (0, (0, 0)))
        return None if plain else f"{kind} with {layer.extra_repr()}"
    known = (nn.Linear, Add, nn.AdaptiveAvgPool2d, *POINTWISE)
    return None if isinstance(layer, known) else _named(layer)


def _is_simulated(layer):
    return isinstance(layer.weight_quant, UniformQuantizer) and layer.act_quant is None


def _named(layer):
    """Return what a layer is called: of a function, its name."""
    return getattr(layer, "name", type(layer).__name__)
