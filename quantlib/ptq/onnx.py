"""A simulated network as an ONNX file, which other runtimes take and run in 8 bits.

The file has the QDQ form: each result that has codes goes through ``QuantizeLinear`` and
``DequantizeLinear``, each weight and bias is stored as codes behind a ``DequantizeLinear``, and
between them stands the plain layer, in floating point. It says what the simulation computes. A
runtime that finds a layer between such pairs may compute it in whole numbers instead.
"""

from functools import singledispatchmethod

import numpy as np
import torch
from torch import nn

from quantlib.packed import _files
from quantlib.ptq import _layers
from quantlib.ptq._onnx import Pieces, outermost
from quantlib.ptq.graph import INPUT, check_graph
from quantlib.ptq.quantizers import UniformQuantizer

__all__ = ["export_onnx"]

# Version 21 of the operators is the first in which DequantizeLinear takes weights of 4 bits.
_OPERATORS, _FORMAT = 21, 10

#: What functions of single numbers are called, with the names and values of what they are given.
_POINTWISE = {
    nn.ReLU: ("Relu", {}),
    nn.Sigmoid: ("Sigmoid", {}),
    nn.Tanh: ("Tanh", {}),
    nn.Softsign: ("Softsign", {}),
    nn.Mish: ("Mish", {}),
    nn.SELU: ("Selu", {}),
    nn.Hardswish: ("HardSwish", {}),
    nn.Hardsigmoid: ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    nn.ELU: ("Elu", {"alpha": "alpha"}),
    nn.CELU: ("Celu", {"alpha": "alpha"}),
    nn.LeakyReLU: ("LeakyRelu", {"alpha": "negative_slope"}),
    nn.GELU: ("Gelu", {"approximate": "approximate"}),
}


def export_onnx(graph, path):
    r"""Write a simulated network to ``path`` as an ONNX model in QDQ form.

    Images come as ``"input"``, float32, N x C x H x W with any N. The outputs have the names of the
    nodes that end the network. A weight has codes of 8 bits, or of 4 where it needs no more; the
    codes of a bias, 32 bits, are :math:`\mathrm{round}(b_o / (s_x s_{w,o}))` as in
    :func:`~quantlib.ptq.lowering.to_integer`. ONNX has no activations of fewer than 8 bits: there
    the numbers are clipped to the range of the codes before they become some. ONNX Runtime has
    whole-number kernels for neither: it computes a layer with such weights or results in floating
    point. What was left in floating point stays so. The same graph gives the same bytes, and the
    file is written whole or not at all. Its operators are those of version 21.

    Source: the ONNX operators ``QuantizeLinear`` and ``DequantizeLinear``. The former divides by
    the scale, while :class:`~quantlib.uniform.affine.QParams` multiplies by its reciprocal: next to
    a tie, codes can differ by one.

    Parameters
    ----------
    graph : Graph
        What :func:`~quantlib.ptq.simulation.simulate` returned, or was trained from it.
    path : str or path
        The file, which usually ends in ``.onnx``.

    Raises
    ------
    ImportError
        If the package ``onnx`` is not installed.
    ValueError
        If the graph is not quantized or has seen no images, or a layer has no form in ONNX.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from quantlib import data, models, ptq
    >>> graph = ptq.fold(ptq.trace(models.load_pretrained()))
    >>> seen = ptq.calibrate(graph, data.load().train_images[:100], ptq.MinMax())
    >>> simulated = ptq.simulate(
    ...     graph, ptq.weight_qparams(graph, 8), ptq.activation_qparams(seen, 8))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export_onnx(simulated, Path(folder) / "digits.onnx")
    ...     (Path(folder) / "digits.onnx").stat().st_size < 80_000
    True
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError(
            "export_onnx needs the package onnx, which is not installed: pip install onnx"
        ) from error
    check_graph(graph)
    if graph.image_shape is None:
        raise ValueError("graph must have seen images, got one without image_shape: calibrate it")
    if INPUT not in graph.quantizers:
        raise ValueError(
            "graph must be what ptq.simulate returns, got one without a quantizer of the images"
        )
    with torch.no_grad():
        model = _Writer(graph, onnx).model()
    onnx.checker.check_model(model, full_check=True)
    _files.write(path, model.SerializeToString(deterministic=True))


class _Writer(Pieces):
    """A graph of layers that becomes an ONNX graph, layer by layer."""

    def __init__(self, graph, onnx):
        super().__init__(onnx)
        self.graph = graph
        self.values, self.meaning = {}, {}  # by name: what the result is called; QParams, or None
        self.shapes = {}
        graph.run(torch.zeros(1, *graph.image_shape), lambda n, x: self.shapes.update({n: x.shape}))
        # Results keep these names; whatever else there is gets one that is free.
        self.taken.add(INPUT)
        self.outputs = [self.free(end) for end in graph.ends]

    def model(self):
        """Return the whole network."""
        helper, floats = self.onnx.helper, self.onnx.TensorProto.FLOAT
        self.hand_on(INPUT, INPUT, None)
        for node in self.graph.nodes.values():
            self.export(node)
        ends = list(zip(self.graph.ends, self.outputs, strict=True))
        for end, output in ends:
            self.nodes.append(helper.make_node("Identity", [self.values[end]], [output], output))
        images, *results = (
            helper.make_tensor_value_info(output, floats, ["N", *self.shapes[name][1:]])
            for name, output in ((INPUT, INPUT), *ends)
        )
        graph = helper.make_graph(self.nodes, "quantlib", [images], results, self.constants)
        operators = [helper.make_opsetid("", _OPERATORS)]
        return helper.make_model(
            graph, opset_imports=operators, ir_version=_FORMAT, producer_name="quantlib"
        )

    def export(self, node):
        """Write a layer, the activation that was fused into it, and the codes of its result."""
        layer = self.graph.layers[node.name]
        x = self.rule(layer, node, *(self.values[name] for name in node.inputs))
        if node.name in self.graph.activations:
            x = self.rule(self.graph.activations[node.name], node, x)
        keeps = isinstance(layer, nn.MaxPool2d | nn.Flatten)
        self.hand_on(node.name, x, self.meaning[node.inputs[0]] if keeps else None)

    def hand_on(self, name, x, qparams):
        """Write the codes of a result: those of its quantizer, or those that it has kept."""
        if name in self.graph.quantizers:
            qparams = self.graph.quantizers[name].qparams
        self.meaning[name] = qparams
        self.values[name] = x if qparams is None else self.rounded(name, x, qparams)

    def weighted(self, layer, node, operator, x, **attributes):
        """Write a layer with weights: their codes, or what was left in floating point."""
        quantizer = getattr(layer, "weight_quant", None)
        given, name = self.meaning[node.inputs[0]], f"{node.name}/weight"
        if quantizer is None:
            if given is not None:
                # ONNX Runtime quantizes the weights behind a DequantizeLinear by itself. A clip to
                # the levels that codes stand for changes no number, and keeps it from that.
                x = self.clip(node.name, x, *outermost(given))
            weight = self.constant(name, layer.weight.detach().numpy())
        elif isinstance(quantizer, UniformQuantizer) and layer.act_quant is None:
            weight = self.weight(name, layer, quantizer.qparams)
        else:
            raise ValueError(f"{node.name} cannot be exported to ONNX: it has {layer.signature}")
        inputs = [x, weight]
        if layer.bias is not None and (quantizer is None or given is None):
            inputs.append(self.constant(f"{node.name}/bias", layer.bias.detach().numpy()))
        elif layer.bias is not None:
            inputs.append(self.bias(layer, node, given.scale * quantizer.qparams.scale))
        return self.node(node.name, operator, *inputs, **attributes)

    # ------------------------------------------------------------ a rule for each type of layer

    @singledispatchmethod
    def rule(self, layer, node, *inputs):
        """Write what a layer does with its inputs, and return what the result is called."""
        if type(layer) not in _POINTWISE:
            _refuse(node, layer, getattr(layer, "name", ""))
        operator, named = _POINTWISE[type(layer)]
        given = {
            key: getattr(layer, value) if isinstance(value, str) else value
            for key, value in named.items()
        }
        return self.node(node.name, operator, *inputs, **given)

    @rule.register
    def _conv(self, layer: nn.Conv2d, node, x):
        if layer.padding_mode != "zeros":
            _refuse(node, layer, f"padding_mode={layer.padding_mode!r}")
        left, right, top, bottom = layer._reversed_padding_repeated_twice
        return self.weighted(
            layer, node, "Conv", x, strides=layer.stride, pads=(top, left, bottom, right),
            dilations=layer.dilation, group=layer.groups, kernel_shape=layer.kernel_size,
        )  # fmt: skip

    @rule.register
    def _linear(self, layer: nn.Linear, node, x):
        if len(self.shapes[node.inputs[0]]) != 2:
            _refuse(node, layer, "images that are not flattened")
        return self.weighted(layer, node, "Gemm", x, transB=1)

    @rule.register
    def _add(self, layer: _layers.Add, node, a, b):
        return self.node(node.name, "Add", a, b)

    @rule.register
    def _cat(self, layer: _layers.Cat, node, *parts):
        return self.node(node.name, "Concat", *parts, axis=layer.dim)

    @rule.register
    def _flatten(self, layer: nn.Flatten, node, x):
        if layer.start_dim != 1 or layer.end_dim not in (-1, len(self.shapes[node.inputs[0]]) - 1):
            _refuse(node, layer, layer.extra_repr())
        return self.node(node.name, "Flatten", x, axis=1)

    @rule.register
    def _max_pool(self, layer: nn.MaxPool2d, node, x):
        if layer.ceil_mode or layer.return_indices:
            _refuse(node, layer, layer.extra_repr())
        return self.node(node.name, "MaxPool", x, **_window(layer), dilations=_pair(layer.dilation))

    @rule.register
    def _average(self, layer: nn.AvgPool2d, node, x):
        if layer.ceil_mode:
            _refuse(node, layer, "ceil_mode=True")
        window, counted = _window(layer), int(layer.count_include_pad)
        mean = self.node(node.name, "AveragePool", x, **window, count_include_pad=counted)
        if not layer.divisor_override:
            return mean
        height, width = window["kernel_shape"]
        factor = np.float32(height * width / layer.divisor_override)
        return self.node(node.name, "Mul", mean, self.constant(f"{node.name}/factor", factor))

    @rule.register
    def _average_to(self, layer: nn.AdaptiveAvgPool2d, node, x):
        size, result = self.shapes[node.inputs[0]][2:], self.shapes[node.name][2:]
        if tuple(result) == (1, 1):
            return self.node(node.name, "GlobalAveragePool", x)
        if any(s % n for s, n in zip(size, result, strict=True)):
            _refuse(node, layer, f"windows of several sizes, {tuple(result)} of {tuple(size)}")
        window = [s // n for s, n in zip(size, result, strict=True)]
        return self.node(node.name, "AveragePool", x, kernel_shape=window, strides=window)

    @rule.register
    def _clamp(self, layer: nn.Hardtanh, node, x):  # ReLU6 is one
        return self.clip(node.name, x, layer.min_val, layer.max_val)

    @rule.register
    def _silu(self, layer: nn.SiLU, node, x):
        return self.node(node.name, "Mul", x, self.node(node.name, "Sigmoid", x))

    @rule.register
    def _softplus(self, layer: nn.Softplus, node, x):
        if layer.beta != 1:
            _refuse(node, layer, f"beta={layer.beta}")
        return self.node(node.name, "Softplus", x)


def _refuse(node, layer, what):
    named = f" ({what})" if what else ""
    raise ValueError(f"{node.name} cannot be exported to ONNX: {type(layer).__name__}{named}")


def _window(layer):
    vertical, horizontal = _pair(layer.padding)
    return {
        "kernel_shape": _pair(layer.kernel_size),
        "strides": _pair(layer.stride),
        "pads": [vertical, horizontal, vertical, horizontal],
    }


def _pair(value):
    return list(value) if isinstance(value, tuple | list) else [value, value]
