"""Quantized layers in place of a network's own."""

import copy
from collections.abc import Iterable

import torch
from torch import nn

from quantlib._validation import check_choice, shown
from quantlib.layers.modules import QuantConv2d, QuantLayer, QuantLinear
from quantlib.models import check_model
from quantlib.models.weights import altered, check_numbers

__all__ = ["convert", "convert_"]


def convert(model, *, weight_quant=None, act_quant=None, skip=()):
    """Return a copy of ``model`` whose convolutions and linear layers are quantized.

    Their weights and everything else stay as they are. ``weight_quant`` and ``act_quant`` are a
    :class:`Quantizer`, of which each layer gets a copy, or a function that is called with the layer
    and makes one, or None. ``skip`` names layers that stay real: often the first and the last.

    Raises
    ------
    ValueError
        If ``skip`` names no ``Conv2d`` or ``Linear`` of the model, or a layer has hooks,
        parametrizations or a forward of its own, which would be lost, or is attention's, or is
        compiled or scripted, and would go on as it is.

    Examples
    --------
    >>> from quantlib.binary import SignWeights
    >>> model = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2))
    >>> convert(model, weight_quant=SignWeights(), skip=["2"])[0]
    QuantLinear(
      in_features=8, out_features=4, bias=True
      (weight_quant): SignWeights()
    )
    """
    skip = _to_convert(model, skip)[1]  # refused before it is copied: not all can be
    return convert_(copy.deepcopy(model), weight_quant=weight_quant, act_quant=act_quant, skip=skip)


def convert_(model, *, weight_quant=None, act_quant=None, skip=()):
    """Do the same to ``model`` itself, and return it. Its parameters stay the same objects."""
    layers, skip = _to_convert(model, skip)
    # A layer that stands in two places stays one layer. All are made before the first is put in.
    made = {layer: _quantized(layer, weight_quant, act_quant) for layer in layers.values()}
    for name, layer in layers.items():
        if name:
            parent, _, key = name.rpartition(".")
            setattr(model.get_submodule(parent), key, made[layer])
    return made.get(model, model)


def _to_convert(model, skip):
    """Return the layers to be converted by name, each place that has one, and ``skip`` as a list.

    Raise if a layer would lose something.
    """
    check_model(model)
    check_numbers(model, meta=True)
    if isinstance(skip, str) or not isinstance(skip, Iterable):
        raise TypeError(f"skip must be a list of names, got {shown(skip)}")
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            raise ValueError(
                f"model has a scripted module at {name or 'model'}, in which no layer can be "
                f"replaced: convert it before it is scripted"
            )
    layers = {
        name: m
        for name, m in model.named_modules(remove_duplicate=False)
        if isinstance(m, tuple(_QUANTIZED)) and not isinstance(m, QuantLayer)
    }
    skip = list(skip)
    for name in skip:
        check_choice(name, "skip", tuple(layers))
    kept = {layers[name] for name in skip}
    layers = {name: layer for name, layer in layers.items() if layer not in kept}
    for name, layer in layers.items():
        parent = model.get_submodule(name.rpartition(".")[0])
        what = altered(layer)
        methods, kind = ("forward", "_conv_forward"), _kind(layer)
        if what is None and any(_of(type(layer), m) is not _of(kind, m) for m in methods):
            what = f"a forward of its own, {type(layer).__name__}'s,"
        if isinstance(layer, _READ_PAST[0]) or isinstance(parent, _READ_PAST[1]):
            what = "attention, which reads the weight itself,"
        if name.rpartition(".")[2] == "_orig_mod":
            what = "torch.compile around the layer itself, which it keeps,"
        if what is not None:
            raise ValueError(f"model has {what} at {name or 'model'}: skip it, or remove them")
    return layers, skip


def _kind(layer):
    return next(kind for kind in _QUANTIZED if isinstance(layer, kind))


def _quantized(layer, weight_quant, act_quant):
    """Return ``layer`` as a quantized one that holds the same parameters."""
    quantizers = {
        "weight_quant": _own(weight_quant, layer),
        "act_quant": _own(act_quant, layer),
    }
    new = _QUANTIZED[_kind(layer)](layer, quantizers)
    new.weight, new.bias = layer.weight, layer.bias
    # What else was hung on the layer goes along, as it is part of the model's state.
    for held in ("_parameters", "_buffers", "_modules"):
        own = getattr(new, held)
        own.update({name: x for name, x in getattr(layer, held).items() if name not in own})
    new._non_persistent_buffers_set |= layer._non_persistent_buffers_set
    return new.train(layer.training)


def _of(kind, method):
    return getattr(kind, method, None)


def _own(quantizer, layer):
    if isinstance(quantizer, nn.Module) or not callable(quantizer):
        return copy.deepcopy(quantizer)
    return quantizer(layer)


def _linear(layer, quantizers):
    return QuantLinear(
        layer.in_features, layer.out_features, layer.bias is not None, "meta", **quantizers
    )


def _conv2d(layer, quantizers):
    return QuantConv2d(
        layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding,
        layer.dilation, layer.groups, layer.bias is not None, layer.padding_mode, "meta",
        **quantizers,
    )  # fmt: skip


#: A layer whose weight torch's attention takes, and the parent of such layers.
_READ_PAST = nn.modules.linear.NonDynamicallyQuantizableLinear, nn.TransformerEncoderLayer

#: How a layer is made again.
_QUANTIZED = {nn.Conv2d: _conv2d, nn.Linear: _linear}
