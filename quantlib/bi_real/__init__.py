"""Chapter 6: Bi-Real Net, one bit with a better gradient and a shortcut around each convolution.

* :mod:`quantlib.bi_real.estimator`: ApproxSign, its derivative, and the sign with that gradient;
* :mod:`quantlib.bi_real.quantizers`: it and the magnitude-aware weights as values for layers;
* :mod:`quantlib.bi_real.networks`: the 1-bit block, and residual networks of it;
* :mod:`quantlib.bi_real.scales`: signs alone in place of scaled signs, batch norm being adjusted;
* :mod:`quantlib.bi_real.capability`: how many values a block's output can take;
* :mod:`quantlib.bi_real.lowering`: what :func:`quantlib.lowering.to_packed` does with them.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "capability": ["RepresentableValues", "representable_values"],
        "estimator": ["approx_sign", "approx_sign_derivative", "approx_sign_ste"],
        "networks": ["BiRealResNet", "one_bit_block"],
        "quantizers": ["ApproxSignActivations", "MagnitudeAwareWeights", "quantizers"],
        "scales": ["absorb_scales"],
    },
)
