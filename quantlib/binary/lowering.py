"""From the layers of a network to the steps of a packed one."""

from dataclasses import replace

import numpy as np
from torch import nn

from quantlib import kernels
from quantlib.binary.layers import BinaryConv2d, BinaryLinear
from quantlib.binary.networks import BinaryNetwork
from quantlib.binary.resnet import Residual
from quantlib.binary.scales import filter_scales
from quantlib.binary.thresholds import NORMALIZATIONS, real_thresholds, sign_thresholds
from quantlib.packed import steps

__all__ = ["NOTHING", "Lowering", "layers_of"]

#: Layers that do nothing in evaluation.
NOTHING = (nn.Identity, nn.Dropout, nn.Dropout2d)


def layers_of(module):
    """Return the named layers of a sequence, or None if ``module`` is a layer itself."""
    plain = type(module).forward in (nn.Sequential.forward, BinaryNetwork.forward)
    return module.named_children() if isinstance(module, nn.Sequential) and plain else None


class Lowering:
    """The steps so far, and the layers since that may still become part of a threshold."""

    def __init__(self):
        self.steps, self.tail = [], []
        self.in_channels = None  # of the first layer that tells
        self.channels = None  # of the numbers that come now
        self.products = None  # of each whole sum that comes now; None if numbers are real
        self.flat = None  # channels of the packed pixels that were flattened last

    def take(self, module):
        """Take in a layer or a sequence of layers."""
        children = layers_of(module)
        if children is not None:
            for _, child in children:
                self.take(child)
        elif isinstance(module, (*NORMALIZATIONS, nn.MaxPool2d, nn.Flatten)):
            self.tail.append(module)
        elif isinstance(module, (BinaryConv2d, BinaryLinear)):
            self._binary_layer(module)
        elif not isinstance(module, NOTHING):
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
                self.channels = None  # of a pixel; the next layer tells how many numbers there are
                self.steps.append(steps.Flatten())
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
        self._know(norm.num_features)
        last = self.steps[-1] if self.steps else None
        if isinstance(last, (steps.BinaryConv, steps.BinaryDense, steps.RealLayer)):
            self.steps[-1] = _scaled(last, scale, shift)
        else:
            self.steps.append(steps.Affine(scale.astype(np.float32), shift.astype(np.float32)))
        self.products = None

    def _know(self, channels):
        if self.in_channels is None and not self.steps:
            self.in_channels = channels
        self.channels = channels

    def _real_layer(self, layer, signs):
        """Append a layer with real input; ``signs`` are its weights if they are binary."""
        weight = layer.weight.numpy() if signs is None else signs
        window = {"kernel_size": (1, 1), "stride": 1, "padding": 0}
        if isinstance(layer, nn.Conv2d):
            window = _window(layer)
            weight = weight.transpose(0, 2, 3, 1).reshape(len(weight), -1)
            self._know(layer.in_channels)
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
            if self.flat is not None and self.flat != layer.in_features:
                signs, surplus = _pixel_after_pixel(signs, self.flat)
            packed = kernels.pack_signs(signs, panels=True, num_threads=1)
            self.steps.append(steps.BinaryDense(packed, scale, bias, surplus))
        self._after(layer, signs[0].size - surplus if scale is None else None)

    def _after(self, layer, products):
        self.channels, self.products, self.flat = len(layer.weight), products, None

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
            self.steps.append(steps.Sign() if real else _compare_with_zero(inputs))
            return
        if self.products is None:
            thresholds, flips = real_thresholds(norms)
        else:
            thresholds, flips = sign_thresholds(norms, -self.products, self.products)
        self._know(norms[0].num_features)
        pool = pools[0].kernel_size if pools else 1
        pool_signs = bool(pools) and pools[0] is not waiting[0]
        self.steps.append(steps.Threshold(thresholds, flips, pool, pool_signs))
        self.tail = []
        if flatten:
            self.flat = self.channels
            self.steps.append(steps.Flatten())

    def _residual(self, module):
        ways = []
        for way in (module.body, module.shortcut):
            part = Lowering()
            part.channels, part.products = self.channels, self.products
            part.take(way)
            part.flush()
            if part.steps and isinstance(part.steps[-1], steps.BinaryConv):
                part.steps[-1] = _scaled(part.steps[-1], np.ones(part.channels), None)
            ways.append(part)
        if not self.steps:
            self.in_channels = ways[0].in_channels or ways[1].in_channels
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


def _pixel_after_pixel(signs, channels):
    """Return rows of weights in the order of packed pixels, and how many padding bits they have."""
    pixels = signs.reshape(len(signs), channels, -1).swapaxes(1, 2)
    padded = np.pad(pixels, ((0, 0), (0, 0), (0, -channels % 64)), constant_values=1)
    return padded.reshape(len(signs), -1), padded[0].size - signs[0].size


def _compare_with_zero(channels):
    return steps.Threshold(np.zeros(channels, np.int32), np.zeros(channels, np.bool_))
