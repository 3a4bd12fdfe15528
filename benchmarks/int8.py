"""Layers of 8 bits: each beside torch in float32 and ONNX Runtime in int8, on the same problem."""

import math
from typing import NamedTuple

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.nn import functional

from quantlib import kernels

__all__ = ["LAYERS", "MATRICES", "Layer", "layer", "matrix"]

PEER, ONNX = "torch float32", "ONNX Runtime int8"

#: The fewest rows that torch's product of int8 takes.
TORCH_ROWS = 17

INPUT_ZERO_POINT, ZERO_POINT = 131, 120

#: Weights of 7 bits, with which ONNX Runtime is fast and exact on every processor: without VNNI
#: it adds up two products in 16 bits, which saturate beyond 2 x 255 x 64.
W_LIMIT = 64


class Layer(NamedTuple):
    """A convolution of square images."""

    channels: int
    filters: int
    size: int
    kernel_size: int = 3
    stride: int = 1
    groups: int = 1
    n_images: int = 1


#: Of a small CNN, of ResNet-18, and of a MobileNet.
LAYERS = {
    **{
        f"3 x 3, 32 to 64 channels, {size} x {size}, {n} images": Layer(32, 64, size, n_images=n)
        for n in (1, 32)
        for size in (28, 14)
    },
    "7 x 7, 3 to 64 channels, 224 x 224": Layer(3, 64, 224, 7, 2),
    **{
        f"3 x 3, {channels} channels, {size} x {size}": Layer(channels, channels, size)
        for size, channels in ((56, 64), (28, 128), (14, 256), (7, 512))
    },
    **{
        f"3 x 3, depthwise, {channels} channels, {size} x {size}": Layer(
            channels, channels, size, groups=channels
        )
        for size, channels in ((56, 64), (28, 128), (14, 256))
    },
    **{
        f"1 x 1, {channels} to {filters} channels, {size} x {size}": Layer(
            channels, filters, size, 1
        )
        for size, channels, filters in ((56, 32, 64), (28, 128, 128), (14, 256, 256))
    },
}

#: Rows, K and outputs.
MATRICES = {
    **{f"{m} x 512 x 1000": (m, 512, 1000) for m in (1, 64)},
    "1024 x 1024 x 1024": (1024, 1024, 1024),
}


def _operands(n_filters, length, rng):
    """Return the scale from sums to codes, as a number and as a requantization, and a bias."""
    scale = 1 / (110 * math.sqrt(length))  # sums are some 3 500 times the root in magnitude
    mantissa, exponent = math.frexp(scale)
    multiplier, shift = round(mantissa * 2**31), 31 - exponent
    requantization = kernels.Requantization(
        [multiplier] * n_filters, [shift] * n_filters, ZERO_POINT, 0, 255
    )
    return scale, requantization, rng.integers(-2000, 2000, n_filters).astype(np.int32)


def _session(operator, x, w, scale, bias, **attributes):
    """Return a call of one of ONNX Runtime's operators, on one thread."""
    per_output = [1.0] * len(bias)
    values = {
        "x_scale": np.float32(1),
        "x_zero_point": np.uint8(INPUT_ZERO_POINT),
        "w": w,
        "w_scale": np.float32(per_output if operator == "QLinearConv" else 1),
        "w_zero_point": np.int8([0] * len(bias) if operator == "QLinearConv" else 0),
        "y_scale": np.float32(1 / scale),
        "y_zero_point": np.uint8(ZERO_POINT),
    }
    if operator == "QLinearConv":  # a product of matrices has no bias
        values["bias"] = bias
    node = helper.make_node(operator, ["x", *values], ["y"], **attributes)
    graph = helper.make_graph(
        [node],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()],
    )
    versions = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=versions, ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(None, {"x": x})[0]


def layer(it, rng):
    """Return the operations of a :class:`Layer`, and its cases, all with channels last."""
    padding = it.kernel_size // 2
    x = rng.integers(0, 256, (it.n_images, it.size, it.size, it.channels), dtype=np.uint8)
    shape = it.filters, it.channels // it.groups, it.kernel_size, it.kernel_size
    w = rng.integers(-W_LIMIT, W_LIMIT, shape).astype(np.int8)
    scale, requantization, bias = _operands(it.filters, w[0].size, rng)
    panels = kernels.pack_int8(w)

    def call(threads):
        return kernels.int8_conv2d(
            x, panels, it.stride, padding, groups=it.groups, zero_point=INPUT_ZERO_POINT,
            bias=bias, requantization=requantization, layout="NHWC", num_threads=threads,
        )  # fmt: skip

    last = {"memory_format": torch.channels_last}
    image = torch.tensor(np.moveaxis(x, 3, 1), dtype=torch.float32).contiguous(**last)
    filters = torch.tensor(w, dtype=torch.float32).contiguous(**last)
    real_bias = torch.tensor(bias, dtype=torch.float32)
    session = _session(
        "QLinearConv", x, w, scale, bias, strides=[it.stride] * 2, pads=[padding] * 4,
        group=it.groups, domain="com.microsoft", channels_last=1,
    )  # fmt: skip
    difference = session().astype(int) - call(1)
    if abs(difference).max() > 1:  # it rounds in float32, half to even
        raise AssertionError(f"ONNX Runtime's codes differ by {abs(difference).max()}")
    return 2 * difference.size * w[0].size, {
        PEER: lambda threads: functional.conv2d(
            image, filters, real_bias, it.stride, padding, 1, it.groups
        ),
        ONNX: (session, 1),
        "int8_conv2d": call,
    }


def matrix(sizes, rng):
    """Return the operations of a product of matrices, and its cases."""
    m, length, n = sizes
    a = rng.integers(0, 256, (m, length), dtype=np.uint8)
    w = rng.integers(-W_LIMIT, W_LIMIT, (n, length)).astype(np.int8)
    scale, requantization, bias = _operands(n, length, rng)
    panels = kernels.pack_int8(w)
    a_real, w_real = (torch.tensor(values, dtype=torch.float32) for values in (a, w))
    signed, w_bytes = torch.tensor(a.astype(int) - 128, dtype=torch.int8), torch.tensor(w)
    signed = functional.pad(signed, (0, 0, 0, max(0, TORCH_ROWS - m)))
    return 2 * m * length * n, {
        PEER: lambda threads: a_real @ w_real.T,
        "torch int8": lambda threads: torch._int_mm(signed, w_bytes.T),
        ONNX: (_session("QLinearMatMul", a, np.ascontiguousarray(w.T), scale, bias), 1),
        "int8_gemm": lambda threads: kernels.int8_gemm(
            a, panels, zero_point=INPUT_ZERO_POINT, bias=bias, requantization=requantization,
            num_threads=threads,
        ),
    }  # fmt: skip
