"""From a simulated network to one in whole numbers: a rule for each type of layer."""

from dataclasses import dataclass
from functools import singledispatch

import numpy as np
import torch
from torch import nn

from quantlib.kernels import Requantization
from quantlib.layers import QuantConv2d, QuantLinear
from quantlib.packed import pack
from quantlib.ptq import _layers, float_steps, steps
from quantlib.ptq._bias import bias_rounding
from quantlib.ptq.graph import INPUT, check_graph
from quantlib.ptq.integer import IntegerNetwork
from quantlib.ptq.quantizers import UniformQuantizer
from quantlib.ptq.requantization import bias_codes, fixed_point
from quantlib.ptq.support import POINTWISE, SAME_CODES, unsupported
from quantlib.uniform import QParams

__all__ = ["to_integer"]


def to_integer(graph):
    r"""Return a simulated network as one that computes in whole numbers.

    A layer's result has the codes

    .. math::
        q_y = \mathrm{clamp}\left(z_y + M_o \Bigl(\sum_k (q_{x,k} - z_x)(q_{w,ok} - z_w)
              + \mathrm{round}\bigl(\tfrac{b_o}{s_x s_{w,o}}\bigr)\Bigr)\right), \qquad
        M_o = \frac{s_x s_{w,o}}{s_y}

    with a 32-bit sum and bias, and the product with :math:`M_o` by a multiplier and a shift
    (:func:`~quantlib.ptq.requantization.fixed_point`). ReLU and ReLU6 are the bounds of the clamp.
    Codes differ from the simulation's, which rounds the bias too, by one where a value lies next to
    a tie.

    Source: Jacob et al. (2018), section 2; Chenna, section 7.

    Parameters
    ----------
    graph : Graph
        What :func:`~quantlib.ptq.simulation.simulate` returned, or was trained from it.

    Raises
    ------
    ValueError
        If the images or a result that the next layer takes as codes have no quantizer, or no
        images were seen yet.

    Examples
    --------
    >>> from quantlib import data, models, ptq
    >>> digits = data.load()
    >>> graph = ptq.fold(ptq.trace(models.load_pretrained()))
    >>> seen = ptq.calibrate(graph, digits.train_images[:100], ptq.MinMax())
    >>> simulated = ptq.simulate(
    ...     graph, ptq.weight_qparams(graph, 8), ptq.activation_qparams(seen, 8))
    >>> type(to_integer(simulated).steps[1]).__name__
    'Convolution'
    """
    check_graph(graph)
    if graph.image_shape is None:
        raise ValueError("graph must have seen images, got one without image_shape: calibrate it")
    lowering = _Lowering(graph)
    with torch.no_grad():
        lowering.meaning[INPUT] = lowering.qparams_of(INPUT)
        lowering.add(INPUT, steps.FromImages(INPUT, (), lowering.meaning[INPUT]))
        for node in graph.nodes.values():
            lowering.lower(node)
        ends = [lowering.end(name) for name in graph.ends]
    return IntegerNetwork(lowering.made, ends, graph.image_shape)


class _Lowering:
    """The steps made so far, and what their codes mean."""

    def __init__(self, graph):
        self.graph, self.made = graph, []
        self.places, self.meaning = {}, {}  # by name: place among the steps; QParams, or None
        self.refused = unsupported(graph)
        self.shapes = {}
        graph.run(torch.zeros(1, *graph.image_shape), lambda n, x: self.shapes.update({n: x.shape}))

    def add(self, name, step):
        self.places[name] = len(self.made)
        self.made.append(step)

    def qparams_of(self, name):
        """Return the parameters of the quantizer of a result, or None."""
        quantizers = self.graph.quantizers
        if name in quantizers:
            return quantizers[name].qparams
        if name == INPUT:
            raise ValueError("graph must have a quantizer of the images, got none")
        return None

    def lower(self, node):
        layer = self.graph.layers[node.name]
        inputs = tuple(self.places[name] for name in node.inputs)
        given = tuple(self.meaning[name] for name in node.inputs)
        result = self.qparams_of(node.name)
        if isinstance(layer, SAME_CODES) and result is None:
            result = given[0]
        low, high = _bounds(self.graph, node.name)
        place = _Place(node.name, inputs, given, result, low, high, self.shapes[node.inputs[0]])
        whole = result is not None and None not in given
        whole = whole and node.name not in self.refused and not _is_float(layer)
        if node.name in self.graph.float_layers and not isinstance(layer, SAME_CODES):
            whole = False
        self.meaning[node.name] = result
        self.add(node.name, _step(layer, place) if whole else _float_step(layer, place))

    def end(self, name):
        """Return the place of the step that gives the network's numbers."""
        if self.meaning[name] is None:
            return self.places[name]
        inputs = (self.places[name],)
        self.made.append(steps.ToNumbers(f"{name}, as numbers", inputs, self.meaning[name]))
        return len(self.made) - 1


@dataclass(frozen=True)
class _Place:
    """What a rule is told beside the layer."""

    name: str
    inputs: tuple[int, ...]
    given: tuple[QParams | None, ...]
    result: QParams | None
    #: What the activation clamps to, in real numbers; None if it does not.
    low: float | None
    high: float | None
    #: Shape of the first input, N x C x H x W.
    shape: tuple[int, ...]

    @property
    def codes(self):
        """The smallest and the largest code that the activation lets through."""
        q = self.result
        low = q.quant_min if self.low is None else int(q.quantize([self.low])[0])
        high = q.quant_max if self.high is None else int(q.quantize([self.high])[0])
        return low, high

    def fixed_point(self, factor):
        """Return multiplier and shift of a factor between scales, or refuse it by name."""
        try:
            return fixed_point(factor)
        except ValueError:
            raise ValueError(
                f"{self.name} has results whose scale, {self.result.scale:g}, is too far from that "
                f"of its sums, by a factor of up to {np.max(factor):g}: check its range in "
                f"calibration, or leave it in floating point, float_layers=[{self.name!r}]"
            ) from None

    def requantization(self, scale):
        """Return multiplier, shift and clamp from sums in units of ``scale`` to the result."""
        factor = scale / self.result.scale
        multiplier, shift = self.fixed_point(factor)
        # A sum of 32 bits times less than 2**-32 is less than half a code: it is 0.
        multiplier = np.where(factor < 2.0**-32, np.int32(0), multiplier)
        return Requantization(multiplier, shift, self.result.zero_point, *self.codes)


def _bounds(graph, name):
    if name not in graph.activations:
        return None, None
    return 0.0, 6.0 if isinstance(graph.activations[name], nn.ReLU6) else None


def _is_float(layer):
    weighted = isinstance(layer, nn.Conv2d | nn.Linear)
    return weighted and getattr(layer, "weight_quant", None) is None


# ---------------------------------------------------------------- a rule for each type


@singledispatch
def _step(layer, place):
    """Return the step of a layer in its place."""
    raise NotImplementedError(type(layer).__name__)


def _weighted(layer, place):
    """Return the fields that both steps with weights have."""
    (x,), w = place.given, layer.weight_quant.qparams
    outputs = len(layer.weight)
    unit = np.broadcast_to(x.scale * w.scale, (outputs,))
    bias = torch.zeros(outputs) if layer.bias is None else layer.bias
    return dict(
        weight=pack(w.quantize(layer.weight), w),
        weight_zero_point=np.broadcast_to(np.asarray(w.zero_point, np.int32), (outputs,)).copy(),
        bias=bias_codes(bias, unit, place.name),
        zero_point=x.zero_point,
        requantization=place.requantization(unit),
    )


@_step.register
def _conv(layer: QuantConv2d, place):
    return steps.Convolution(place.name, place.inputs, **_weighted(layer, place), **_window(layer))


def _window(layer):
    edges = tuple(layer._reversed_padding_repeated_twice)
    return dict(
        stride=tuple(layer.stride), padding=edges, dilation=tuple(layer.dilation),
        groups=layer.groups,
    )  # fmt: skip


@_step.register
def _dense(layer: QuantLinear, place):
    if len(place.shape) != 2:
        raise ValueError(
            f"{place.name} must come behind a Flatten: a linear layer takes rows of numbers in "
            f"whole numbers, got {len(place.shape)} axes"
        )
    return steps.Dense(place.name, place.inputs, **_weighted(layer, place))


@_step.register
def _add(layer: _layers.Add, place):
    factors = np.array([q.scale / place.result.scale for q in place.given])
    if factors.max() >= 2**20:
        raise ValueError(
            f"{place.name} adds results whose steps are {factors.max():g} times as large as the "
            f"sum's: give its result a larger scale"
        )
    # One shift for both, that of the larger factor: its multiplier has 21 bits, and sums 32.
    shift = int(np.clip(place.fixed_point(factors.max())[1] - 10, 1, 30))
    multipliers = np.rint(np.ldexp(factors, shift)).astype(np.int64)
    return steps.Add(
        place.name, place.inputs, tuple(q.zero_point for q in place.given),
        tuple(multipliers.tolist()), shift, place.result.zero_point, *place.codes,
    )  # fmt: skip


@_step.register
def _cat(layer: _layers.Cat, place):
    tables = tuple(_table(lambda x: x, q, place.result) for q in place.given)
    return steps.Concatenate(place.name, place.inputs, tables)


def _pointwise(layer, place):
    return steps.Table(place.name, place.inputs, _table(layer, place.given[0], place.result))


for _kind in POINTWISE:
    _step.register(_kind, _pointwise)


def _table(function, given, result):
    """Return, for each code, the code of what the function makes of its number."""
    codes = np.clip(np.arange(256), given.quant_min, given.quant_max)
    numbers = function(torch.tensor(given.dequantize(codes)))
    return result.quantize(numbers.numpy()).astype(np.uint8)


@_step.register
def _max_pool(layer: nn.MaxPool2d, place):
    size, stride, padding = (_one(n) for n in (layer.kernel_size, layer.stride, layer.padding))
    return steps.MaxPool(place.name, place.inputs, size, stride, padding)


@_step.register
def _flatten(layer: nn.Flatten, place):
    return steps.Flatten(place.name, place.inputs)


@_step.register
def _average(layer: nn.AvgPool2d, place):
    size = _pair(layer.kernel_size)
    pixels = layer.divisor_override or size[0] * size[1]
    return _mean(place, size, _pair(layer.stride), _pair(layer.padding), pixels)


@_step.register
def _average_to(layer: nn.AdaptiveAvgPool2d, place):
    size = tuple(place.shape[2:])
    wanted = tuple(n or s for n, s in zip(_pair(layer.output_size), size, strict=True))
    window = tuple(s // n for s, n in zip(size, wanted, strict=True))
    if any(s % n for s, n in zip(size, wanted, strict=True)):
        raise ValueError(
            f"{place.name} must divide the image, {size}, into windows of one size, got "
            f"output_size={layer.output_size}: float_layers=[{place.name!r}] leaves it in "
            f"floating point"
        )
    return _mean(place, window, window, (0, 0), window[0] * window[1])


def _mean(place, size, stride, padding, pixels):
    multiplier, shift = place.fixed_point(place.given[0].scale / (pixels * place.result.scale))
    return steps.AveragePool(
        place.name, place.inputs, size, stride, padding, place.given[0].zero_point,
        int(multiplier), int(shift), place.result.zero_point, *place.codes,
    )  # fmt: skip


def _pair(value):
    return tuple(value) if isinstance(value, tuple | list) else (value, value)


def _one(value):
    return value if isinstance(value, int) else value[0]


def _float_step(layer, place):
    """Return the step of a layer that stays in floating point."""
    common = place.name, place.inputs, place.given, place.result, place.low, place.high
    if not isinstance(layer, nn.Conv2d | nn.Linear) or getattr(layer, "padding_mode", "") not in (
        "", "zeros",
    ):  # fmt: skip
        return float_steps.float_layer(layer, *common)
    weight = layer.weight
    if getattr(layer, "weight_quant", None) is not None:
        weight = layer.weight_quant(weight)
    bias, given = layer.bias, place.given[0]
    rounding = None if given is None else bias_rounding(layer, UniformQuantizer(given))
    bias = bias if rounding is None else bias + rounding.flatten()
    arrays = (None if x is None else x.detach().numpy().copy() for x in (weight, bias))
    if isinstance(layer, nn.Conv2d):
        return float_steps.FloatConvolution(*common, *arrays, **_window(layer))
    return float_steps.FloatDense(*common, *arrays)
