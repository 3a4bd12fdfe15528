"""Quantization with few bits: the library of the course *Low-Bit Neural Networks*.

Each module is one idea and has the name of its chapter: ``quantlib.uniform``,
``quantlib.logarithmic``, … Submodules load on first use, so that ``import quantlib`` is fast and
imports neither torch nor matplotlib nor numba.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=[
        "activations",
        "binary",
        "binary_costs",
        "binary_deploy",
        "binary_layers",
        "binary_lowering",
        "binary_networks",
        "binary_resnet",
        "binary_scales",
        "binary_ste",
        "binary_thresholds",
        "bit_efficiency",
        "bit_search",
        "class_groups",
        "clipping",
        "clnq",
        "conversion_units",
        "data",
        "data_files",
        "enq",
        "evaluation",
        "explorers",
        "figures",
        "fixed_point",
        "kmeans_1d",
        "knq",
        "kernels",
        "log_qparams",
        "logarithmic",
        "metrics",
        "models",
        "nonuniform",
        "nonuniform_loops",
        "packed",
        "packed_network",
        "packed_steps",
        "qparams",
        "training",
        "uniform",
    ],
)
