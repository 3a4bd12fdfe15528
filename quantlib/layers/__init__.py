"""Layers with quantized weights and activations, for every chapter.

A method of quantization is a value: a :class:`Quantizer` for the weights, another one for the
input. ``QuantConv2d`` and ``QuantLinear`` apply them, and :func:`convert` puts them into any
network. The weights that training changes stay real: they are latent.

* :mod:`quantlib.layers.quantizer`: what a method is;
* :mod:`quantlib.layers.modules`: the two layers;
* :mod:`quantlib.layers.levels`: the weights that a layer computes with, to look at;
* :mod:`quantlib.layers.conversion`: from a network of torch's layers to one of these.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "conversion": ["convert", "convert_"],
        "levels": ["WeightLevels"],
        "modules": ["QuantConv2d", "QuantLinear", "quantized"],
        "quantizer": ["Quantizer", "Window"],
    },
)
