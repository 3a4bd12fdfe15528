"""Chapter 1: a real number as an integer code, a scale and a zero point.

* :mod:`quantlib.uniform.affine`: parameters, codes and back;
* :mod:`quantlib.uniform.nayak`: two schemes as the paper prints them;
* :mod:`quantlib.uniform.clipping`: what a narrower range costs and gains.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=["clipping"],
    submod_attrs={
        "affine": [
            "QParams",
            "choose_qparams",
            "dequantize",
            "fake_quantize",
            "qparams_from_range",
            "quant_range",
            "quantize",
        ],
        "nayak": ["nayak_asymmetric", "nayak_symmetric"],
    },
)
