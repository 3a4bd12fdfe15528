"""Chapter 4: one bit for weights, and for activations.

* :mod:`quantlib.binary.ste`: the sign, and gradients through it;
* :mod:`quantlib.binary.scales`: alpha for weights, K for activations;
* :mod:`quantlib.binary.layers`: ``BinaryLinear`` and ``BinaryConv2d`` by four methods;
* :mod:`quantlib.binary.networks`: LeNet-5, BNN's network;
* :mod:`quantlib.binary.resnet`: residual networks;
* :mod:`quantlib.binary.thresholds`: batch normalization and sign as one comparison;
* :mod:`quantlib.binary.deploy`: a trained network in packed words;
* :mod:`quantlib.packed.network`: how that runs, is saved and loaded;
* :mod:`quantlib.binary.costs`: operations and bits.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "costs": ["Operations", "binary_ops", "parameter_bits", "xnor_speedup"],
        "deploy": ["to_packed"],
        "layers": ["BinaryConv2d", "BinaryLinear", "binary_layers", "clip_latent_"],
        "networks": ["BinaryLeNet5", "BinaryNetwork", "BinaryVGG"],
        "resnet": ["BinaryResNet", "Residual"],
        "scales": ["activation_scales", "binarize_weights", "filter_scales"],
        "ste": ["sign", "sign_ste", "sign_stochastic_ste"],
        "thresholds": ["sign_thresholds"],
    },
)
