"""Layers that were left in floating point, between codes."""

import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from quantlib.ptq import _layers
from quantlib.ptq.steps import IntegerStep
from quantlib.ptq.support import POINTWISE
from quantlib.uniform import QParams

__all__ = ["FloatConvolution", "FloatDense", "FloatLayer", "FloatModule", "float_layer"]

_WINDOW = "kernel_size", "stride", "padding"

#: Layers that their options say all about, with the options' names.
_OPTIONS = {
    **dict.fromkeys(POINTWISE, ()),
    nn.GELU: ("approximate",), nn.ELU: ("alpha",), nn.CELU: ("alpha",),
    nn.Softplus: ("beta", "threshold"), nn.LeakyReLU: ("negative_slope",),
    nn.Hardtanh: ("min_val", "max_val"), _layers.Add: (), _layers.Cat: ("dim",),
    nn.Flatten: ("start_dim", "end_dim"), _layers.Rows: ("length",),
    nn.MaxPool2d: (*_WINDOW, "dilation", "return_indices", "ceil_mode"),
    nn.AvgPool2d: (*_WINDOW, "ceil_mode", "count_include_pad", "divisor_override"),
    nn.AdaptiveAvgPool2d: ("output_size",), nn.Softmax: ("dim",),
}  # fmt: skip
_KINDS = {kind.__name__: kind for kind in _OPTIONS}


@dataclass(frozen=True, eq=False)
class _Float(IntegerStep):
    """Codes become numbers, the layer computes with them, and its results become codes again.

    ``given`` is None where numbers come, from another such layer, and ``result`` where numbers go:
    they are float32, N x C x H x W. ``low`` and ``high`` are the bounds of the layer's activation.
    """

    given: tuple[QParams | None, ...]
    result: QParams | None
    low: float | None
    high: float | None

    def __call__(self, *parts, threads):
        """Return codes, or numbers, of the layer's result."""
        numbers = (_numbers(q, x) for q, x in zip(self.given, parts, strict=True))
        with torch.no_grad():
            y = self._compute(*(torch.as_tensor(x) for x in numbers))
            y = y if self.low is None else y.clamp(self.low, self.high)
        if self.result is None:
            return y.numpy()
        codes = self.result.quantize(y.numpy()).astype(np.uint8)
        return np.ascontiguousarray(codes.transpose(0, 2, 3, 1) if codes.ndim == 4 else codes)


def _numbers(qparams, x):
    if qparams is None:
        return x
    return qparams.dequantize(x.transpose(0, 3, 1, 2) if x.ndim == 4 else x)


@dataclass(frozen=True, eq=False)
class _FloatWeighted(_Float):
    weight: np.ndarray
    bias: np.ndarray | None

    def _compute(self, x):
        bias = None if self.bias is None else torch.tensor(self.bias)
        return self._product(x, torch.tensor(self.weight), bias)


@dataclass(frozen=True, eq=False)
class FloatConvolution(_FloatWeighted):
    """A convolution with float32 weights."""

    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    dilation: tuple[int, int]
    groups: int

    def _product(self, x, weight, bias):
        x = functional.pad(x, self.padding)
        return functional.conv2d(x, weight, bias, self.stride, 0, self.dilation, self.groups)


@dataclass(frozen=True, eq=False)
class FloatDense(_FloatWeighted):
    """A linear layer with float32 weights."""

    def _product(self, x, weight, bias):
        return functional.linear(x, weight, bias)


@dataclass(frozen=True, eq=False)
class FloatLayer(_Float):
    """A layer without numbers of its own, by its type's name and its options in their order."""

    kind: str
    options: tuple

    def __post_init__(self):
        self._layer  # noqa: B018 - a kind that is unknown is refused now

    @functools.cached_property
    def _layer(self):
        kind = _KINDS[self.kind]
        return kind(**dict(zip(_OPTIONS[kind], self.options, strict=True))).eval()

    def _compute(self, *parts):
        return self._layer(*parts)


def float_layer(layer, *common):
    """Return the step of a layer without weights: one that can be saved, if its type is known."""
    if type(layer) not in _OPTIONS:
        return FloatModule(*common, layer)
    options = (getattr(layer, name) for name in _OPTIONS[type(layer)])
    options = tuple(tuple(x) if isinstance(x, list) else x for x in options)
    return FloatLayer(*common, type(layer).__name__, options)


@dataclass(frozen=True, eq=False)
class FloatModule(_Float):
    """Any other layer of torch, as it is. A network that has one cannot be saved."""

    layer: nn.Module

    def _compute(self, *parts):
        return self.layer(*parts)
