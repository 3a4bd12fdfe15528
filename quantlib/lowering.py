r"""From a trained network to the steps of a packed one, in three passes.

1. :func:`flatten` makes a list of the network's layers, each with its name.
2. Each layer becomes steps by the rule that is registered for its type, or for the types of its
   quantizers. A layer without a rule is refused by name.
3. Peephole rules look at neighbours in the list of steps and join what can be done at once: a
   scale goes into the layer before it; a chapter registers others.

A chapter registers what it brings with :func:`rule` and :func:`peephole`. Here are the rules for
torch's own layers.
"""

import copy
import importlib
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn.modules import module as _torch

from quantlib.layers import QuantConv2d, QuantLinear
from quantlib.models import Network, Residual, check_model
from quantlib.models.weights import altered, check_numbers
from quantlib.packed import PackedNetwork, steps
from quantlib.packed.steps import Step

__all__ = ["NotPackable", "peephole", "rule", "to_packed"]


def to_packed(model):
    r"""Return a trained network as one that runs on packed words.

    Weights become bits. Where whole sums meet batch normalization and a sign, both become one
    comparison of integers for each channel:

    .. math::
        \mathrm{sign}\left(\gamma \frac{s - \mu}{\sqrt{v + \varepsilon}} + \beta\right) = +1
        \iff \begin{cases} s \ge t & \gamma > 0 \\ s \le t & \gamma < 0 \end{cases}
        \qquad t = \mu - \frac{\beta \sqrt{v + \varepsilon}}{\gamma}

    with t rounded to a whole number; for :math:`\gamma = 0` the sign is that of beta. It is
    found by asking the layer itself (:func:`~quantlib.binary.thresholds.sign_thresholds`), so that
    not even its rounding makes a difference: the sums and signs are those of the layers in
    evaluation mode, bit for bit, as long as the real numbers before them are. Real layers, and
    normalization that no sign follows at once (there is a sum of two ways between, or a pooling
    whose windows overlap), compute in float32 and round in another order than torch.

    Parameters
    ----------
    model : torch.nn.Module
        A :class:`torch.nn.Sequential` (or network of :mod:`quantlib.models`) of quantized layers,
        ``Conv2d``, ``Linear``, ``BatchNorm1d/2d``, ``ReLU``, ``MaxPool2d``, ``AvgPool2d`` without
        overlaps, ``AdaptiveAvgPool2d(1)``, ``Flatten``, ``Dropout``, ``Identity``, ``Residual``
        and further sequences of them. Its input are images, so linear layers come after a
        ``Flatten``. It stays as it is.

    Raises
    ------
    ValueError
        If some layers cannot be taken, or some numbers are NaN or infinite; all of them are
        listed by name.

    Notes
    -----
    Layers of states behind a grid of powers of two (:mod:`quantlib.dst`) add shifted codes. Batch
    normalization and the next grid become a comparison with the threshold of each code, found the
    same way. Where the first level of the grid is a power of two, the layers' float32 sums are
    exact, and the codes and sums are theirs bit for bit; with another one they differ by rounding.
    Sums that float32 could not hold exactly, beyond 2**24 units, are refused.
    Binary layers with real input (BinaryConnect, BWN) keep their weights as bits and unpack them
    for the product, which saves memory and no time.
    Source: Bei Yu, Mo04, "BNN" and "Advantages of BNN".

    Examples
    --------
    >>> from quantlib.binary import BinaryLinear
    >>> layers = BinaryLinear(200, 100), nn.BatchNorm1d(100), BinaryLinear(100, 5)
    >>> to_packed(nn.Sequential(nn.Flatten(), *layers))
    <PackedNetwork of 4,340 bytes: Flatten - Sign - BinaryDense - Threshold - BinaryDense>
    >>> to_packed(nn.Sequential(nn.Sigmoid(), nn.Softmax(1)))
    Traceback (most recent call last):
        ...
    ValueError: model has layers that cannot be packed: 0 (Sigmoid), 1 (Softmax)
    """
    check_model(model)
    check_numbers(model)
    _check_unaltered(model)
    frozen = copy.deepcopy(model).to("cpu", torch.float32).eval()
    layers, refused = flatten(frozen), []
    with torch.no_grad():
        chain, _ = _lower(layers, refused, rows=False)
        if refused:
            raise ValueError(f"model has layers that cannot be packed: {', '.join(refused)}")
        spoilt = [name for name, x in frozen.state_dict().items() if not torch.isfinite(x).all()]
        if spoilt:
            raise ValueError(f"model must be finite, got NaN or infinity in {', '.join(spoilt)}")
        chain = _simplify(chain, None)
    shape = getattr(model, "image_shape", (_image_channels(layers), None, None))
    return PackedNetwork(chain, shape)


def _check_unaltered(model):
    """Raise ValueError if some module computes otherwise than its class says: it would be lost."""
    modules = model.named_modules(remove_duplicate=False)
    found = {name or "model": (module, altered(module)) for name, module in modules}
    refused = [f"{n} ({type(m).__name__} with {what})" for n, (m, what) in found.items() if what]
    if any((_torch._global_forward_hooks, _torch._global_forward_pre_hooks)):
        refused.append("all of them, as torch has global hooks")
    if refused:
        raise ValueError(f"model has layers that cannot be packed: {', '.join(refused)}")


# ---------------------------------------------------------------- 1. the layers, one by one


class Ways(NamedTuple):
    """The layers of a ``Residual``: two lists."""

    body: list
    shortcut: list


def flatten(module, name=""):
    """Return the layers of ``module`` as pairs of a name and a layer, or of a name and `Ways`."""
    inside = f"{name}." if name else ""
    if type(module) is Residual:
        ways = (flatten(getattr(module, way), inside + way) for way in Ways._fields)
        return [(name, Ways(*ways))]
    plain = type(module).forward in (nn.Sequential.forward, Network.forward)
    if not (isinstance(module, nn.Sequential) and plain):
        return [(name, module)]
    # A layer that stands in two places comes twice; named_children() would give it once.
    parts = (flatten(child, inside + key) for key, child in module._modules.items())
    return [layer for part in parts for layer in part]


def _image_channels(layers):
    """Return the channels of the images that come in, or None if no layer tells."""
    for _, layer in layers:
        if isinstance(layer, Ways):
            return _image_channels(layer.body) or _image_channels(layer.shortcut)
        if isinstance(layer, (nn.Conv2d, nn.BatchNorm2d)):
            return layer.in_channels if isinstance(layer, nn.Conv2d) else layer.num_features
        if not isinstance(layer, (*_NOTHING, nn.ReLU, nn.MaxPool2d, nn.AvgPool2d)):
            return None
    return None


# ---------------------------------------------------------------- 2. a rule for each type


class NotPackable(Exception):
    """Raised by a rule: what to say after the layer's name and type."""


_RULES = {}


def rule(*kinds, role=None):
    """Register the decorated function as the rule for these types.

    The rule of a layer's type is called with the layer. That of a quantizer's type, for the
    ``role`` ``"weight_quant"`` or ``"act_quant"``, is called with the quantizer and the layer that
    has it: the steps of ``act_quant`` come first. Each returns a list of steps, or raises
    `NotPackable`. A subclass is taken by the rule too unless it computes in its own way.
    """

    def register(function):
        _RULES.update({(kind, role): function for kind in kinds})
        return function

    return register


def _rule_of(thing, role=None):
    """Return the rule for a layer, or a quantizer in its role; else raise `NotPackable`."""
    if getattr(thing, "lowering", None):
        importlib.import_module(thing.lowering)
    for kind in type(thing).__mro__:
        if (kind, role) in _RULES:
            methods = ("forward", "factors", "_conv_forward")
            if all(getattr(type(thing), m, None) is getattr(kind, m, None) for m in methods):
                return _RULES[kind, role]
            break
    raise NotPackable("")


def _lower(layers, refused, rows):
    """Return the steps of ``layers``, and whether they end with rows of numbers, not images.

    The names of those that cannot be taken are added to ``refused``.
    """
    chain = []
    for name, layer in layers:
        if isinstance(layer, Ways):
            ways = [_lower(way, refused, rows) for way in layer]
            chain.append(steps.Residual(*(tuple(way) for way, _ in ways)))
            rows = ways[0][1]
            continue
        try:
            if isinstance(layer, (nn.Linear, nn.BatchNorm1d)) and not rows:
                raise NotPackable(" without a Flatten before it")
            chain += _rule_of(layer)(layer) if not (rows and isinstance(layer, nn.Flatten)) else []
        except NotPackable as why:
            refused.append(f"{name or 'model'} ({type(layer).__name__}{why})")
        rows = rows or isinstance(layer, nn.Flatten)
    return chain, rows


@dataclass(frozen=True, eq=False)
class Normalization(Step):
    """Batch normalization, until a peephole rule puts it where it belongs."""

    layer: nn.Module


_NOTHING = (nn.Identity, nn.Dropout, nn.Dropout2d)


@rule(*_NOTHING)
def _nothing(layer):
    return []


@rule(nn.ReLU)
def _relu(layer):
    return [steps.Relu()]


@rule(nn.Flatten)
def _flatten(layer):
    _only(layer, layer.start_dim == 1 and layer.end_dim == -1)
    return [steps.Flatten()]


@rule(nn.AdaptiveAvgPool2d)
def _mean(layer):
    _only(layer, layer.output_size in (1, (1, 1)))
    return [steps.MeanPool()]


@rule(nn.AvgPool2d)
def _mean_of_windows(layer):
    whole = isinstance(layer.kernel_size, int) and layer.stride == layer.kernel_size
    _only(layer, whole and layer.padding == 0)
    for name, usual in (("ceil_mode", False), ("divisor_override", None)):
        if getattr(layer, name) != usual:
            raise NotPackable(f" with {name}={getattr(layer, name)}")
    return [steps.MeanPool(layer.kernel_size)]


@rule(nn.MaxPool2d)
def _max_pool(layer):
    sizes = layer.kernel_size, layer.stride, layer.padding
    whole = all(isinstance(size, int) for size in sizes)
    plain = layer.dilation == 1 and not layer.ceil_mode and not layer.return_indices
    _only(layer, whole and plain)
    return [steps.MaxPool(*sizes)]


@rule(nn.BatchNorm1d, nn.BatchNorm2d)
def _batch_norm(layer):
    _only(layer, layer.running_mean is not None)
    return [Normalization(layer)]


@rule(nn.Conv2d, nn.Linear)
def _real(layer):
    return [real_layer(layer, layer.weight)]


@rule(QuantConv2d, QuantLinear)
def _quantized(layer):
    if layer.weight_quant is None and layer.act_quant is None:
        return _real(layer)
    found = []
    for name in ("act_quant", "weight_quant"):
        quantizer = getattr(layer, name)
        if quantizer is None and name == "act_quant":
            continue
        try:
            found += _rule_of(quantizer, name)(quantizer, layer)
        except NotPackable as why:
            raise NotPackable(str(why) or f" with {name}={quantizer}") from None
    return found


def _only(layer, condition):
    if not condition:
        raise NotPackable(f" with {layer.extra_repr()}")


def real_layer(layer, weight, scale=None):
    """Return the step of a layer with real input and the weights ``weight`` x ``scale``.

    ``weight`` is a tensor in the shape of the layer's, or its signs :func:`as_rows`, packed;
    ``scale`` one number an output channel, or None.
    """
    if getattr(layer, "padding_value", 0) and any(layer.window.edges):
        raise NotPackable(f" with padding_value={layer.padding_value:g} of real input")
    if isinstance(weight, torch.Tensor):
        weight = np.ascontiguousarray(as_rows(weight.numpy()).T)
    sizes = window_of(layer) if isinstance(layer, nn.Conv2d) else {"stride": 1, "padding": 0}
    size = layer.kernel_size if isinstance(layer, nn.Conv2d) else (1, 1)
    return steps.RealLayer(weight, scale, bias_of(layer), kernel_size=size, **sizes)


def as_rows(weight):
    """Return weights O x C x h x w, or O x K, as rows in the order of images' channels last."""
    if weight.ndim == 2:
        return weight
    return weight.transpose(0, 2, 3, 1).reshape(len(weight), -1)


def bias_of(layer):
    """Return the bias of a layer as an array of its own, or None."""
    return None if layer.bias is None else layer.bias.numpy().copy()


def window_of(layer):
    """Return stride, padding, dilation and groups of a convolution as a step has them."""
    left, right, top, bottom = layer._reversed_padding_repeated_twice
    if left != right or top != bottom or layer.padding_mode != "zeros":
        raise NotPackable(f" with {layer.extra_repr()}")
    sizes = {"stride": layer.stride, "padding": (top, left), "dilation": layer.dilation}
    sizes = {name: tuple(map(int, pair)) for name, pair in sizes.items()}
    sizes = {name: a if a == b else (a, b) for name, (a, b) in sizes.items()}
    return sizes | {"groups": layer.groups}


# ---------------------------------------------------------------- 3. neighbours that are one


_PEEPHOLES = []


def peephole(function):
    """Register a function that takes steps, and K as :func:`whole_sums`, and returns steps.

    Those of the chapters run in the order of their registration, before the ones here.
    """
    _PEEPHOLES.append(function)
    return function


def _simplify(chain, entering):
    """Apply the peephole rules, inside the ways of ``Residual`` too."""
    chain = list(chain)
    for place, step in enumerate(chain):
        if isinstance(step, steps.Residual):
            inside = whole_sums(chain[:place], entering)
            ways = (_simplify(way, inside) for way in (step.body, step.shortcut))
            chain[place] = steps.Residual(*(tuple(real_at_the_end(way)) for way in ways))
    for rewrite in (*_PEEPHOLES, scale_into_layer):
        chain = rewrite(chain, entering)
    return chain


def whole_sums(chain, entering):
    """Return K if what flows after ``chain`` are whole sums of K signs, else None.

    ``entering`` says the same of what flows in.
    """
    for step in reversed(chain):
        if isinstance(step, (steps.BinaryConv, steps.BinaryDense)):
            return int(np.prod(step.weight.shape[1:])) if step.scale is None else None
        if not isinstance(step, (steps.Relu, steps.MaxPool, steps.Flatten)):
            return None
    return entering


#: The steps that take a scale and a shift for each of their outputs.
_SCALED = (
    steps.BinaryConv, steps.BinaryDense, steps.RealLayer, steps.ShiftConv, steps.ShiftDense,
    steps.SumConv, steps.SumDense,
)  # fmt: skip


def scale_into_layer(chain, entering):
    """Batch normalization is a scale and a shift: of the layer before it, if there is one."""
    found = []
    for step in chain:
        if not isinstance(step, Normalization):
            found.append(step)
            continue
        scale, shift = _scale_and_shift(step.layer)
        last = found[-1] if found else None
        if isinstance(last, _SCALED):
            found[-1] = scaled(last, scale, shift)
        else:
            found.append(steps.Affine(scale.astype(np.float32), shift.astype(np.float32)))
    return found


def real_at_the_end(chain):
    """Let a last binary convolution write real numbers, as those of the other way are added."""
    if chain and isinstance(chain[-1], steps.BinaryConv):
        return [*chain[:-1], scaled(chain[-1], np.ones(chain[-1].weight.shape[0]), None)]
    return chain


def _scale_and_shift(norm):
    scale = 1 / np.sqrt(norm.running_var.double().numpy() + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight.double().numpy()
    shift = -norm.running_mean.double().numpy() * scale
    if norm.bias is not None:
        shift = shift + norm.bias.double().numpy()
    return scale, shift


def scaled(step, scale, shift):
    """Return a layer's step whose results are also scaled and shifted."""
    bias = 0 if step.bias is None else step.bias * scale
    bias = bias + (0 if shift is None else shift)
    bias = None if np.ndim(bias) == 0 else bias.astype(np.float32)
    if isinstance(step, steps.RealLayer) and isinstance(step.weight, np.ndarray):
        weight = (step.weight * scale).astype(np.float32)
        return replace(step, weight=weight, bias=bias)
    if isinstance(step, (steps.SumConv, steps.SumDense)):
        return replace(step, alpha=(step.alpha * scale).astype(np.float32), bias=bias)
    old = 1 if step.scale is None else step.scale
    return replace(step, scale=(old * scale).astype(np.float32), bias=bias)
