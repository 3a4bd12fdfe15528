"""From a trained network of binary layers to packed words."""

import copy
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from quantlib import kernels
from quantlib import packed_steps as steps
from quantlib.binary_layers import BinaryConv2d, BinaryLinear
from quantlib.binary_networks import BinaryNetwork, Residual
from quantlib.binary_ste import filter_scales
from quantlib.binary_thresholds import NORMALIZATIONS, real_thresholds, sign_thresholds
from quantlib.models import check_model
from quantlib.packed_network import PackedNetwork

__all__ = ["to_packed"]

_NOTHING = (nn.Identity, nn.Dropout, nn.Dropout2d)  # in evaluation


def to_packed(model):
    r"""Return a trained network as one that runs on packed words.

    Weights become bits. Where whole sums meet batch normalization and a sign, both become one
    comparison of integers for each channel:

    .. math::
        \mathrm{sign}\left(\gamma \frac{s - \mu}{\sqrt{v + \varepsilon}} + \beta\right) = +1
        \iff \begin{cases} s \ge t & \gamma > 0 \\ s \le t & \gamma < 0 \end{cases}
        \qquad t = \mu - \frac{\beta \sqrt{v + \varepsilon}}{\gamma}

    with t rounded to a whole number; for :math:`\gamma = 0` the sign is that of beta. It is
    found by asking the layer itself (:func:`~quantlib.binary_thresholds.sign_thresholds`), so that
    not even its rounding makes a difference: the sums and signs are those of the layers in
    evaluation mode, bit for bit, as long as the real numbers before them are. Real layers compute
    in float32 and round in another order than torch.

    Parameters
    ----------
    model : torch.nn.Module
        A :class:`torch.nn.Sequential` (or network of :mod:`quantlib.binary_networks`) of
        ``BinaryConv2d``, ``BinaryLinear``, ``Residual``, ``Conv2d``, ``Linear``,
        ``BatchNorm1d/2d``, ``ReLU``, ``MaxPool2d``, ``AdaptiveAvgPool2d(1)``, ``Flatten``,
        ``Dropout``, ``Identity`` and further sequences of them. It stays as it is.

    Returns
    -------
    PackedNetwork

    Raises
    ------
    TypeError
        If ``model`` is not a ``torch.nn.Module``.
    ValueError
        If some layers cannot be taken; all of them are listed by name.

    Notes
    -----
    Layers of binaryconnect and bwn have real input: their weights are kept as bits and unpacked
    for the product, which saves memory and no time.
    Source: Bei Yu, Mo04, "BNN" and "Advantages of BNN".

    Examples
    --------
    >>> layers = BinaryLinear(200, 100), nn.BatchNorm1d(100), BinaryLinear(100, 5)
    >>> to_packed(nn.Sequential(nn.Flatten(), *layers))
    <PackedNetwork of 4,340 bytes: Flatten - Sign - BinaryDense - Threshold - BinaryDense>
    >>> to_packed(nn.Sequential(nn.Sigmoid(), nn.Softmax(1)))
    Traceback (most recent call last):
        ...
    ValueError: model has layers that cannot be packed: 0 (Sigmoid), 1 (Softmax)
    """
    check_model(model)
    refused = _refused(model, "")
    if refused:
        raise ValueError(f"model has layers that cannot be packed: {', '.join(refused)}")
    model = copy.deepcopy(model).to("cpu", torch.float32).eval()
    lowering = _Lowering()
    with torch.no_grad():
        lowering.take(model)
        lowering.flush()
    shape = getattr(model, "image_shape", (lowering.in_channels, None, None))
    return PackedNetwork(lowering.steps, shape)


def _children(module):
    """Return the named layers of a sequence, or None if ``module`` is a layer itself."""
    plain = type(module).forward in (nn.Sequential.forward, BinaryNetwork.forward)
    return module.named_children() if isinstance(module, nn.Sequential) and plain else None


def _refused(module, name):
    """Return the layers that cannot be packed, each with its name and type."""
    children = list(module.named_children()) if type(module) is Residual else _children(module)
    if children is not None:
        parts = [_refused(child, f"{name}.{key}" if name else key) for key, child in children]
        return [entry for part in parts for entry in part]
    why = _why_not(module)
    return [] if why is None else [f"{name or 'model'} ({type(module).__name__}{why})"]


def _why_not(module):
    """Return None if a layer can be taken, else what to say after its type's name."""
    kind = type(module)
    taken = (BinaryConv2d, BinaryLinear, nn.Linear, nn.ReLU, *_NOTHING)
    rules = {
        nn.Conv2d: lambda m: (
            m.groups == 1
            and m.dilation == (1, 1)
            and m.padding_mode == "zeros"
            and not isinstance(m.padding, str)
            and m.padding[0] == m.padding[1]
            and m.stride[0] == m.stride[1]
        ),
        nn.MaxPool2d: lambda m: (
            all(isinstance(x, int) for x in (m.kernel_size, m.stride, m.padding))
            and m.dilation == 1
            and not m.ceil_mode
            and not m.return_indices
        ),
        nn.AdaptiveAvgPool2d: lambda m: m.output_size in (1, (1, 1)),
        nn.Flatten: lambda m: m.start_dim == 1 and m.end_dim == -1,
        **{norm: lambda m: m.running_mean is not None for norm in NORMALIZATIONS},
    }
    if kind in taken:
        return None
    if kind not in rules:
        return ""
    return None if rules[kind](module) else f" with {module.extra_repr()}"


class _Lowering:
    """The steps so far, and the layers since that may still become part of a threshold."""

    def __init__(self):
        self.steps, self.tail = [], []
        self.in_channels = None  # of the first layer that tells
        self.channels = None  # of the numbers that come now
        self.products = None  # of each whole sum that comes now; None if numbers are real
        self.flat = None  # channels of the pixels that were flattened and not yet multiplied
        self.words = False  # whether these pixels were packed before

    def take(self, module):
        """Take in a layer or a sequence of layers."""
        children = _children(module)
        if children is not None:
            for _, child in children:
                self.take(child)
        elif isinstance(module, (*NORMALIZATIONS, nn.MaxPool2d, nn.Flatten)):
            self.tail.append(module)
        elif isinstance(module, (BinaryConv2d, BinaryLinear)):
            self._binary_layer(module)
        elif not isinstance(module, _NOTHING):
            self.flush()
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                self._real_layer(module, None)
            elif isinstance(module, Residual):
                self._residual(module)
            else:
                step = steps.Relu() if isinstance(module, nn.ReLU) else steps.MeanPool()
                self.products = self.products if isinstance(module, nn.ReLU) else None
                self.steps.append(step)

    def flush(self):
        """Turn the layers that wait into steps of their own."""
        for module in self.tail:
            if isinstance(module, nn.Flatten):
                self.flat, self.words = self.channels, False
                self.steps.append(steps.Flatten(channels_first=self.channels is None))
            elif isinstance(module, nn.MaxPool2d):
                sizes = module.kernel_size, module.stride, module.padding
                self.steps.append(steps.MaxPool(*sizes))
            else:
                self._affine(module)
        self.tail = []

    def _affine(self, norm):
        scale = 1 / np.sqrt(norm.running_var.double().numpy() + norm.eps)
        if norm.weight is not None:
            scale = scale * norm.weight.double().numpy()
        shift = -norm.running_mean.double().numpy() * scale
        if norm.bias is not None:
            shift = shift + norm.bias.double().numpy()
        order = self._order(norm.num_features)
        scale, shift = scale[order], shift[order]
        self._know(norm.num_features)
        last = self.steps[-1] if self.steps else None
        if isinstance(last, (steps.BinaryConv, steps.BinaryDense, steps.RealLayer)):
            self.steps[-1] = _scaled(last, scale, shift)
        else:
            self.steps.append(steps.Affine(scale.astype(np.float32), shift.astype(np.float32)))
        self.products = None

    def _order(self, features):
        """Return the places in torch's order of features that are in the order of pixels here."""
        if self.flat is None or self.flat == features:
            return np.arange(features)
        return np.arange(features).reshape(self.flat, -1).T.ravel()

    def _know(self, channels):
        if self.in_channels is None and not self.steps:
            self.in_channels = channels
        self.channels = channels if self.flat is None else self.channels

    def _real_layer(self, layer, signs):
        """Append a layer with real input; ``signs`` are its weights if they are binary."""
        weight = layer.weight.numpy() if signs is None else signs
        window = {"kernel_size": (1, 1), "stride": 1, "padding": 0}
        if isinstance(layer, nn.Conv2d):
            window = _window(layer)
            weight = weight.transpose(0, 2, 3, 1).reshape(len(weight), -1)
            self._know(layer.in_channels)
        else:
            weight = weight[:, self._order(layer.in_features)]
        scale = None
        if signs is None:
            weight = np.ascontiguousarray(weight.T)
        else:
            weight = kernels.pack_signs(weight, num_threads=1)
            scale = filter_scales(layer.weight).numpy() if layer.scale == "channel" else None
        bias = None if layer.bias is None else layer.bias.numpy().copy()
        self.steps.append(steps.RealLayer(weight, scale, bias, **window))
        self._after(layer, None)

    def _binary_layer(self, layer):
        signs = np.where(layer.weight.numpy() >= 0, 1, -1).astype(np.float32)
        if not layer.binary_activations:
            self.flush()
            self._real_layer(layer, signs)
            return
        convolution = isinstance(layer, BinaryConv2d)
        if layer.method == "xnor":
            self.flush()
            window = _window(layer) if convolution else {"kernel_size": (0, 0)}
            self._know(layer.weight.shape[1])
            self.steps.append(steps.Sign(**window))
        else:
            self._sign(layer.weight.shape[1])
        scale = filter_scales(layer.weight).numpy() if layer.scale == "channel" else None
        bias = None if layer.bias is None else layer.bias.numpy().copy()
        if bias is not None and scale is None:
            scale = np.ones(len(bias), np.float32)
        surplus = 0
        if convolution:
            packed = kernels.pack_signs(signs, 1, panels=True, num_threads=1)
            self.steps.append(
                steps.BinaryConv(packed, scale, bias, layer.stride[0], layer.padding[0])
            )
        else:
            signs = signs[:, self._order(layer.in_features)]
            if self.words and self.flat % 64 and self.flat != layer.in_features:
                signs, surplus = _with_padding(signs, self.flat)
            packed = kernels.pack_signs(signs, panels=True, num_threads=1)
            self.steps.append(steps.BinaryDense(packed, scale, bias, surplus))
        self._after(layer, signs[0].size - surplus if scale is None else None)

    def _after(self, layer, products):
        self.channels, self.products = len(layer.weight), products
        self.flat, self.words = None, False

    def _sign(self, inputs):
        """Append what packs the signs of the numbers that come now."""
        kinds = [type(module) for module in self.tail]
        flatten = bool(kinds) and kinds[-1] is nn.Flatten
        waiting = self.tail[: len(self.tail) - flatten]
        pools = [m for m in waiting if isinstance(m, nn.MaxPool2d)]
        norms = [m for m in waiting if isinstance(m, NORMALIZATIONS)]
        one_pool = not pools or (
            len(pools) == 1
            and pools[0] in (waiting[0], waiting[-1])
            and pools[0].stride == pools[0].kernel_size
            and not pools[0].padding
        )
        if not norms or len(norms) + len(pools) != len(waiting) or not one_pool:
            self.flush()
            self._know(inputs)
            real = self.products is None
            self.steps.append(steps.Sign() if real else _compare_with_zero(self._width(inputs)))
            return
        if self.products is None:
            thresholds, flips = real_thresholds(norms)
        else:
            thresholds, flips = sign_thresholds(norms, -self.products, self.products)
        order = self._order(norms[0].num_features)
        self._know(norms[0].num_features)
        pool = pools[0].kernel_size if pools else 1
        pool_signs = bool(pools) and pools[0] is not waiting[0]
        self.steps.append(steps.Threshold(thresholds[order], flips[order], pool, pool_signs))
        self.tail = []
        if flatten:
            self.flat, self.words = self.channels, True
            self.steps.append(steps.Flatten())

    def _width(self, inputs):
        """Return how many numbers lie along the last axis."""
        return self.channels if self.flat is None else inputs

    def _residual(self, module):
        ways = []
        for way in (module.body, module.shortcut):
            part = _Lowering()
            part.channels, part.products = self.channels, self.products
            part.take(way)
            part.flush()
            if part.steps and isinstance(part.steps[-1], steps.BinaryConv):
                part.steps[-1] = _scaled(part.steps[-1], np.ones(part.channels), None)
            ways.append(part)
        self.steps.append(steps.Residual(*(tuple(way.steps) for way in ways)))
        self.channels, self.products = ways[0].channels, None


def _window(layer):
    """Return the window of a convolution as a step has it."""
    return {
        "kernel_size": layer.kernel_size,
        "stride": layer.stride[0],
        "padding": layer.padding[0],
    }


def _scaled(step, scale, shift):
    """Return a layer whose results are also scaled and shifted."""
    bias = 0 if step.bias is None else step.bias * scale
    bias = bias + (0 if shift is None else shift)
    bias = None if np.ndim(bias) == 0 else bias.astype(np.float32)
    if isinstance(step, steps.RealLayer) and isinstance(step.weight, np.ndarray):
        weight = (step.weight * scale).astype(np.float32)
        return replace(step, weight=weight, bias=bias)
    old = 1 if step.scale is None else step.scale
    return replace(step, scale=(old * scale).astype(np.float32), bias=bias)


def _with_padding(signs, channels):
    """Return rows of weights with padding bits behind each pixel's channels, and their number."""
    pixels = signs.reshape(len(signs), -1, channels)
    padded = np.pad(pixels, ((0, 0), (0, 0), (0, -channels % 64)), constant_values=1)
    return padded.reshape(len(signs), -1), padded[0].size - signs[0].size


def _compare_with_zero(channels):
    return steps.Threshold(np.zeros(channels, np.int32), np.zeros(channels, np.bool_))
