"""Chapter 4 in one place: one bit for weights, and for activations.

* :mod:`quantlib.binary_ste`: the sign, and gradients through it;
* :mod:`quantlib.binary_scales`: alpha for weights, K for activations;
* :mod:`quantlib.binary_layers`: ``BinaryLinear`` and ``BinaryConv2d`` by four methods;
* :mod:`quantlib.binary_networks`: LeNet-5, BNN's network;
* :mod:`quantlib.binary_resnet`: residual networks;
* :mod:`quantlib.binary_thresholds`: batch normalization and sign as one comparison;
* :mod:`quantlib.binary_deploy`: a trained network in packed words;
* :mod:`quantlib.packed_network`: how that runs, is saved and loaded;
* :mod:`quantlib.binary_costs`: operations and bits.
"""

from quantlib.binary_costs import Operations, binary_ops, parameter_bits, xnor_speedup
from quantlib.binary_deploy import to_packed
from quantlib.binary_layers import BinaryConv2d, BinaryLinear, binary_layers, clip_latent_
from quantlib.binary_networks import BinaryLeNet5, BinaryNetwork, BinaryVGG
from quantlib.binary_resnet import BinaryResNet, Residual
from quantlib.binary_scales import activation_scales, binarize_weights, filter_scales
from quantlib.binary_ste import sign, sign_ste, sign_stochastic_ste
from quantlib.binary_thresholds import sign_thresholds
from quantlib.packed_network import PackedNetwork

__all__ = [
    "BinaryConv2d",
    "BinaryLeNet5",
    "BinaryLinear",
    "BinaryNetwork",
    "BinaryResNet",
    "BinaryVGG",
    "Operations",
    "PackedNetwork",
    "Residual",
    "activation_scales",
    "binarize_weights",
    "binary_layers",
    "binary_ops",
    "clip_latent_",
    "filter_scales",
    "parameter_bits",
    "sign",
    "sign_ste",
    "sign_stochastic_ste",
    "sign_thresholds",
    "to_packed",
    "xnor_speedup",
]
