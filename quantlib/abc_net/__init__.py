"""Chapter 5: several binary bases for weights, and several for activations.

* :mod:`quantlib.abc_net.bases`: bases of weights, and the least-squares factors before them;
* :mod:`quantlib.abc_net.quantizers`: both as values that :mod:`quantlib.layers` takes;
* :mod:`quantlib.abc_net.layers`: ``ApproxLinear`` and ``ApproxConv2d``.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "bases": [
            "fit_alphas",
            "initial_shifts",
            "optimal_two_bases",
            "sum_of_bases",
            "weight_bases",
        ],
        "layers": ["ApproxConv2d", "ApproxLinear"],
        "quantizers": ["AbcActivations", "AbcWeights"],
    },
)
