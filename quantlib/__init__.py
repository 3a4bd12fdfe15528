"""Quantization with few bits: the library of the course *Low-Bit Neural Networks*.

Each chapter is a package or module of its name: ``quantlib.uniform``, ``quantlib.logarithmic``, …
They load on first use, so that ``import quantlib`` is fast and imports neither torch nor
matplotlib nor numba.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=[
        "abc_net",
        "activations",
        "bi_real",
        "binary",
        "data",
        "detection",
        "dst",
        "evaluation",
        "explorers",
        "figures",
        "kernels",
        "layers",
        "logarithmic",
        "lowering",
        "metrics",
        "models",
        "networks",
        "nonuniform",
        "packed",
        "ptq",
        "qat",
        "schemes",
        "ternary",
        "training",
        "uniform",
    ],
    submod_attrs={
        # Released notebooks of exercise 03 import these from here.
        "nonuniform": ["enq", "knq"],
        "schemes": ["dequantize", "fake_quantize", "quantize"],
    },
)
