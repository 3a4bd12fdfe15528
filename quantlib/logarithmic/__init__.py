"""Chapter 2: powers of two, so that a multiplication becomes a shift.

* :mod:`quantlib.logarithmic.powers`: levels, codes and shifts;
* :mod:`quantlib.logarithmic.bit_efficiency`: how well the bits are used;
* :mod:`quantlib.logarithmic.class_groups`: which classes a coarse network mixes up.
"""

import lazy_loader as lazy

from quantlib.schemes import dequantize, fake_quantize, quantize

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "bit_efficiency": [
            "average_bit_levels",
            "compressed_size",
            "density_per_bit",
            "range_per_bit",
        ],
        "class_groups": ["group_classes", "grouped_accuracy"],
        "powers": ["LogQParams", "choose_qparams", "power_of_two", "shift_multiply"],
    },
)
__all__ += ["dequantize", "fake_quantize", "quantize"]
