"""The networks of the course, their trained weights, and those weights by the layers' names.

* :mod:`quantlib.models.networks`: plain torch networks, small enough for a laptop;
* :mod:`quantlib.models.residual`: ResNet;
* :mod:`quantlib.models.separable`: MobileNet;
* :mod:`quantlib.models.detector`: a detector with a head for classes and one for boxes;
* :mod:`quantlib.models.pretrained`: weights that come with the library;
* :mod:`quantlib.models.weights`: the layers that have weights, and how to quantize these.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "detector": ["Detector"],
        "networks": ["VGG", "DigitsCNN", "LeNet5", "Network", "linear_network", "seeded"],
        "pretrained": ["CHECKPOINTS", "load_pretrained"],
        "residual": ["Residual", "ResNet"],
        "separable": ["MobileNet"],
        "weights": ["check_model", "quantize_weights", "weight_layers", "weight_tensors"],
    },
)
