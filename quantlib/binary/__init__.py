"""Chapter 4: one bit for weights, and for activations.

* :mod:`quantlib.binary.ste`: the sign, and gradients through it;
* :mod:`quantlib.binary.scales`: alpha for weights, K for activations;
* :mod:`quantlib.binary.quantizers`: both as values that :mod:`quantlib.layers` takes;
* :mod:`quantlib.binary.layers`: ``BinaryLinear`` and ``BinaryConv2d`` by four methods;
* :mod:`quantlib.binary.networks`: LeNet-5, BNN's network and ResNet by these methods;
* :mod:`quantlib.binary.thresholds`: batch normalization and sign as one comparison;
* :mod:`quantlib.binary.lowering`: what :func:`quantlib.lowering.to_packed` does with them;
* :mod:`quantlib.binary.costs`: operations and bits.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "costs": ["Operations", "binary_ops", "parameter_bits", "xnor_speedup"],
        "layers": ["BinaryConv2d", "BinaryLinear", "binary_layers", "clip_latent_"],
        "lowering": ["to_packed"],
        "networks": ["BinaryLeNet5", "BinaryNetwork", "BinaryResNet", "BinaryVGG", "Residual"],
        "quantizers": ["SignActivations", "SignWeights", "XnorActivations"],
        "scales": ["activation_scales", "binarize_weights", "filter_scales"],
        "ste": ["sign", "sign_ste", "sign_stochastic_ste"],
        "thresholds": ["sign_thresholds"],
    },
)
