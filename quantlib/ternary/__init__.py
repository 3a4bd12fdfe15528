"""Chapter 7: weights of three values, a negative one, zero and a positive one.

* :mod:`quantlib.ternary.levels`: thresholds and levels: TWN, BitNet b1.58, and the exact optimum;
* :mod:`quantlib.ternary.quantizers`: the same while a network trains, and TTQ's trained levels.

:func:`quantlib.lowering.to_packed` stores such weights five to a byte
(:mod:`quantlib.packed.trits`).
"""

import lazy_loader as lazy

from quantlib.schemes import dequantize, fake_quantize, quantize

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "levels": ["RULES", "TernaryQParams", "choose_qparams"],
        "quantizers": ["TernaryWeights", "TrainedTernaryWeights"],
    },
)
__all__ += ["dequantize", "fake_quantize", "quantize"]
