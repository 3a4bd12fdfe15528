"""Chapter 10: quantization-aware training, with fake quantization in the forward pass.

* :mod:`quantlib.qat.learned`: fake quantization whose range is learned: LSQ and PACT;
* :mod:`quantlib.qat.observed`: fake quantization whose range follows what is seen;
* :mod:`quantlib.qat.folded`: batch normalization that is folded while it trains;
* :mod:`quantlib.qat.network`: a network made ready to be trained, and turned into whole numbers.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "folded": ["FoldedBatchNorm"],
        "learned": ["LearnedClip", "LearnedStep"],
        "network": ["freeze_batch_norm", "freeze_ranges", "prepare", "to_integer", "to_simulated"],
        "observed": ["ObservedRange", "PowerOfTwoWeights"],
    },
)
