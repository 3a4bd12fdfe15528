"""Zeros among states: how many there are, filters that hold nothing else, and their removal."""

import copy
import numbers
from collections import Counter
from typing import NamedTuple

import torch
from torch import nn

from quantlib._validation import shown
from quantlib.dst.quantizers import GridActivations, StateWeights
from quantlib.layers import quantized
from quantlib.lowering import Ways, flatten
from quantlib.models import check_model, weight_layers
from quantlib.models.weights import altered

__all__ = ["Removed", "Zeros", "prune_filters", "remove_filters", "sparsity"]


class Zeros(NamedTuple):
    """How many of a layer's weights are 0."""

    zeros: int
    weights: int

    @property
    def share(self):
        """The share of zeros, which the paper calls sparsity."""
        return self.zeros / self.weights if self.weights else 0.0


def sparsity(model):
    """Return the :class:`Zeros` of each convolution and linear layer, by name.

    Source: Long et al. (2020), Table 5, which prints 1 minus the share; its last line is that of
    all weights together.

    >>> model = nn.Sequential(nn.Linear(2, 2, bias=False))
    >>> _ = nn.init.eye_(model[0].weight)
    >>> sparsity(model)["0"].share
    0.5
    """
    check_model(model)
    weights = {name: layer.weight for name, layer in weight_layers(model).items()}
    return {name: Zeros(int((w == 0).sum()), w.numel()) for name, w in weights.items()}


def prune_filters(model, most=0.0):
    """Return a copy in which filters with few weights that are not 0 have none.

    A filter is what one output of a layer of states is computed with. ``most`` is the largest
    share of its weights, from 0 to 1, that may still be there. The last layer's outputs are
    classes, and stay as they are.

    Source: Long et al. (2020), section 4.4, "we prune the pretty sparse layers".

    >>> from quantlib import dst
    >>> layers = [nn.Linear(4, 2, bias=False), nn.Linear(2, 2)]
    >>> _ = nn.init.constant_(layers[0].weight[0], 0.0), nn.init.constant_(layers[0].weight[1], 1.0)
    >>> model = dst.to_dst(nn.Sequential(*layers), skip=[])
    >>> with torch.no_grad():
    ...     model[0].weight[0, 0] = 4
    >>> prune_filters(model, 0.25)[0].weight.tolist()
    [[0, 0, 0, 0], [4, 4, 4, 4]]
    """
    check_model(model)
    if isinstance(most, bool) or not isinstance(most, numbers.Real) or not 0 <= most <= 1:
        raise ValueError(f"most must be a share from 0 to 1, got {shown(most)}")
    pruned = copy.deepcopy(model)
    last = list(weight_layers(pruned).values())[-1:]
    for layer in quantized(pruned).values():
        if isinstance(layer.weight_quant, StateWeights) and layer not in last:
            used = (layer.weight != 0).flatten(1).double().mean(dim=1)
            with torch.no_grad():
                layer.weight[used <= most] = 0
    return pruned


class Removed(NamedTuple):
    """A smaller network, and by layer how many filters of zeros went, and how many had to stay."""

    model: nn.Module
    gone: dict[str, int]
    kept: dict[str, int]


def remove_filters(model):
    r"""Return a copy without the filters that are all 0, as :class:`Removed`.

    What such a filter gives is the same number everywhere: its bias, or 0, which batch
    normalization, ReLU and the next layer's grid turn into some level a. The next layer loses the
    input, and what it would have added becomes part of its bias:

    .. math:: b_o \leftarrow b_o + a \sum_{\text{taps}} w_{oc}

    In evaluation mode the network computes the same: bit for bit if the next layer had no bias and
    :math:`q_2` is a power of two, else up to the rounding of the bias. A filter stays where that
    cannot be: if a is not 0 and the next layer pads its images, so that at the border fewer taps
    see a; if there is no next layer in the same sequence, or something other than batch
    normalization, ReLU, max-pooling, dropout and a flattening before it; and if layers have groups
    or hooks, or stand in two places. One filter stays in any layer. Optimizers know the old
    weights: make a new one.
    """
    check_model(model)
    smaller = copy.deepcopy(model)
    layers = flatten(smaller)
    places = Counter(_modules(layers))
    with torch.no_grad():
        gone = _shrink(layers, {m for m, count in places.items() if count == 1})
    zeros = {name: int(_empty(layer).sum()) for name, layer in weight_layers(smaller).items()}
    kept = {name: count for name, count in zeros.items() if count}
    return Removed(smaller, gone, kept)


#: What gives the same number everywhere of a number that is the same everywhere.
_BETWEEN = (
    nn.BatchNorm1d, nn.BatchNorm2d, nn.Dropout, nn.Dropout2d, nn.Flatten, nn.Identity,
    nn.MaxPool2d, nn.ReLU,
)  # fmt: skip
_NORMS = nn.BatchNorm1d, nn.BatchNorm2d


def _modules(layers):
    """Yield every layer of a list, and of the ways inside."""
    for _, layer in layers:
        yield from (
            (m for way in layer for m in _modules(way)) if isinstance(layer, Ways) else [layer]
        )


def _empty(layer):
    """Return which filters of a layer are all 0."""
    return (layer.weight == 0).flatten(1).all(dim=1)


def _shrink(layers, once):
    """Remove what can be from a list of named layers and the ways inside; return how many went.

    ``once`` are the layers that stand in one place.
    """
    gone = {}
    for place, (name, layer) in enumerate(layers):
        if isinstance(layer, Ways):
            for way in layer:
                gone |= _shrink(way, once)
        elif _plain(layer) and _empty(layer).any():
            end = place + 1
            while end < len(layers) and _passes(layers[end][1], len(layer.weight)):
                end += 1
            between = [module for _, module in layers[place + 1 : end]]
            following = layers[end][1] if end < len(layers) else None
            if _plain(following) and once.issuperset([layer, *between, following]):
                values = _behind(layer, between, following)
                stay = _not_removable(_empty(layer), values, following)
                _cut(layer, between, following, stay, values)
                if not stay.all():
                    gone[name] = int((~stay).sum())
    return gone


def _plain(layer):
    """Whether the weights of a layer, as they are stored, say what it adds up."""
    if not isinstance(layer, nn.Conv2d | nn.Linear) or getattr(layer, "groups", 1) != 1:
        return False
    if altered(layer):
        return False
    quantizers = (getattr(layer, name, None) for name in ("weight_quant", "act_quant"))
    return all(isinstance(q, StateWeights | GridActivations | None) for q in quantizers)


def _passes(module, channels):
    """Whether a module gives the same number everywhere of a channel that is one."""
    known = not isinstance(module, _NORMS) or (
        module.num_features == channels and module.running_mean is not None
    )
    return isinstance(module, _BETWEEN) and known and not altered(module)


def _behind(layer, between, following):
    """Return what the next layer computes with where each filter of ``layer`` gives its bias."""
    x = torch.zeros(len(layer.weight)) if layer.bias is None else layer.bias.detach().clone()
    for step in between:
        if isinstance(step, _NORMS):
            shape = (1, -1, 1, 1) if isinstance(step, nn.BatchNorm2d) else (1, -1)
            x = copy.deepcopy(step).eval()(x.reshape(shape)).flatten()
        elif isinstance(step, nn.ReLU):
            x = step(x)
    quantizer = getattr(following, "act_quant", None)
    return x if quantizer is None else copy.deepcopy(quantizer).eval()(x)


def _not_removable(empty, values, following):
    """Return which filters stay: at least one."""
    pads = isinstance(following, nn.Conv2d) and any(following._reversed_padding_repeated_twice)
    stay = ~empty | (values != getattr(following, "padding_value", 0)) if pads else ~empty
    if not stay.any():
        stay[0] = True
    return stay


def _cut(layer, between, following, stay, values):
    """Leave the filters ``stay`` of a layer, and what belongs to them behind it."""
    weight = following.weight
    quantizer = getattr(following, "weight_quant", None)
    real = weight if quantizer is None else copy.deepcopy(quantizer).eval()(weight)
    # Behind a flattening an output channel is several inputs that follow one another.
    inputs = len(stay) if isinstance(following, nn.Conv2d) else following.in_features
    alike = inputs // len(stay)
    by_channel = real.reshape(len(weight), len(stay), -1).sum(dim=2)
    if bool((values[~stay] != 0).any()):
        added = by_channel[:, ~stay] @ values[~stay]
        bias = added if following.bias is None else following.bias + added
        following.bias = nn.Parameter(bias.clone())
    _set(following, weight=weight[:, stay.repeat_interleave(alike)])
    _set(layer, weight=layer.weight[stay])
    if layer.bias is not None:
        _set(layer, bias=layer.bias[stay])
    count = int(stay.sum())
    _told(layer, "out_channels", "out_features", count)
    _told(following, "in_channels", "in_features", count * alike)
    for norm in between:
        if isinstance(norm, _NORMS):
            for name in ("weight", "bias", "running_mean", "running_var"):
                if getattr(norm, name) is not None:
                    _set(norm, **{name: getattr(norm, name)[stay]})
            norm.num_features = count


def _told(layer, of_images, of_rows, count):
    setattr(layer, of_images if isinstance(layer, nn.Conv2d) else of_rows, count)


def _set(module, **values):
    """Put smaller tensors in place of a module's parameters and buffers."""
    for name, value in values.items():
        old = getattr(module, name)
        value = value.detach().clone()
        if isinstance(old, nn.Parameter):
            value = nn.Parameter(value, requires_grad=old.requires_grad)
        setattr(module, name, value)
