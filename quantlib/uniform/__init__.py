"""Chapter 1: a real number as an integer code, a scale and a zero point.

* :mod:`quantlib.uniform.affine`: parameters, codes and back;
* :mod:`quantlib.uniform.ranges`: parameters from the range of the numbers;
* :mod:`quantlib.uniform.nayak`: two schemes as the paper prints them;
* :mod:`quantlib.uniform.clipping`: what a narrower range costs and gains.
"""

import lazy_loader as lazy

from quantlib.schemes import dequantize, fake_quantize, quantize

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=["clipping"],
    submod_attrs={
        "affine": ["QParams", "quant_range"],
        "ranges": ["choose_qparams", "qparams_from_range"],
        "nayak": ["nayak_asymmetric", "nayak_symmetric"],
    },
)
__all__ += ["dequantize", "fake_quantize", "quantize"]
