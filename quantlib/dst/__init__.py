"""Chapter 8: weights and activations that are 0 or powers of two, also while a network trains.

* :mod:`quantlib.dst.grid`: the levels of activations, what they cost in error, and the best ones;
* :mod:`quantlib.dst.states`: weights as whole states, and how a step takes them to others;
* :mod:`quantlib.dst.quantizers`: both as values that a layer is given;
* :mod:`quantlib.dst.optimizer`: any torch optimizer, whose steps become transitions;
* :mod:`quantlib.dst.pruning`: zeros by layer, and networks without filters of zeros;
* :mod:`quantlib.dst.dorefa`: DoReFa-Net, which it is compared with.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "dorefa": ["DorefaActivations", "DorefaGradients", "DorefaWeights"],
        "grid": [
            "Optimum",
            "expected_error",
            "grid_levels",
            "grid_thresholds",
            "optimal_q2",
            "to_grid",
            "to_grid_derivative",
        ],
        "optimizer": ["DSTOptimizer"],
        "pruning": ["Removed", "Zeros", "prune_filters", "remove_filters", "sparsity"],
        "quantizers": ["GridActivations", "StateWeights", "to_dst"],
        "states": [
            "RESOLUTIONS",
            "StateSpace",
            "step_distribution",
            "take_step",
            "to_states",
        ],
    },
)
