"""The nodes and constants of an ONNX graph, and what codes look like in it."""

import numpy as np

from quantlib.ptq.requantization import bias_codes

__all__ = ["Pieces", "outermost"]


class Pieces:
    """What an ONNX graph consists of, as far as it is made; ``onnx`` is the package."""

    def __init__(self, onnx):
        self.onnx, self.nodes, self.constants = onnx, [], []
        self.taken = set()

    def free(self, name):
        """Return ``name``, with a number behind it if it is taken, and take it."""
        tries = (name if i == 0 else f"{name}_{i}" for i in range(len(self.taken) + 1))
        found = next(n for n in tries if n not in self.taken)
        self.taken.add(found)
        return found

    def node(self, name, operator, *inputs, **attributes):
        """Add a node, and return what its result is called."""
        result = self.free(f"{name}/{operator}")
        self.nodes.append(
            self.onnx.helper.make_node(operator, inputs, [result], result, **attributes)
        )
        return result

    def constant(self, name, values):
        """Add an array, and return what it is called."""
        name = self.free(name)
        self.constants.append(self.onnx.numpy_helper.from_array(np.asarray(values), name))
        return name

    def scale(self, name, scale):
        """Add a scale, or one for each channel."""
        with np.errstate(over="ignore"):
            single = np.asarray(scale, np.float32)
        if not (np.isfinite(single).all() and (single > 0).all()):
            raise ValueError(f"{name} has a scale that float32 does not have: {np.min(scale):g}")
        return self.constant(f"{name}/scale", single)

    def rounded(self, name, x, qparams):
        """Write the codes of numbers, and the numbers that they stand for."""
        _check_codes(name, qparams)
        dtype = np.int8 if qparams.signed else np.uint8
        if (qparams.quant_min, qparams.quant_max) != (np.iinfo(dtype).min, np.iinfo(dtype).max):
            x = self.clip(name, x, *outermost(qparams))
        scale = self.scale(name, qparams.scale)
        zero_point = self.constant(f"{name}/zero_point", np.asarray(qparams.zero_point, dtype))
        codes = self.node(name, "QuantizeLinear", x, scale, zero_point)
        return self.node(name, "DequantizeLinear", codes, scale, zero_point)

    def clip(self, name, x, low, high):
        """Write a clamp to real bounds."""
        bounds = (
            self.constant(f"{name}/{end}", np.float32(value))
            for end, value in (("low", low), ("high", high))
        )
        return self.node(name, "Clip", x, *bounds)

    def weight(self, name, layer, qparams):
        """Write the codes of weights, in 8 bits each or in 4, and what they stand for."""
        _check_codes(name, qparams)
        kind = ("INT" if qparams.signed else "UINT") + ("4" if qparams.bit_width <= 4 else "8")
        dtype = self.onnx.helper.tensor_dtype_to_np_dtype(getattr(self.onnx.TensorProto, kind))
        inputs = [
            self.constant(name, qparams.quantize(layer.weight.detach()).numpy().astype(dtype)),
            self.scale(name, qparams.scale),
            self.constant(f"{name}/zero_point", np.asarray(qparams.zero_point).astype(dtype)),
        ]
        axis = {} if qparams.axis is None else {"axis": qparams.axis}
        return self.node(name, "DequantizeLinear", *inputs, **axis)

    def bias(self, layer, node, unit):
        """Write the codes of a bias in units of the scales' product, rounded as in `to_integer`."""
        name = f"{node.name}/bias"
        codes = bias_codes(layer.bias, unit, node.name)
        inputs = self.constant(name, codes), self.scale(name, unit)
        axis = {"axis": 0} if np.ndim(unit) else {}
        return self.node(name, "DequantizeLinear", *inputs, **axis)


def outermost(qparams):
    """Return the real numbers that the smallest and the largest code stand for."""
    return qparams.dequantize(np.array([qparams.quant_min, qparams.quant_max]))


def _check_codes(name, qparams):
    if qparams.bit_width > 8 or qparams.group_size is not None:
        raise ValueError(
            f"{name} must have codes of 8 bits or fewer without groups to be exported to ONNX, "
            f"got bit_width={qparams.bit_width}, group_size={qparams.group_size}"
        )
