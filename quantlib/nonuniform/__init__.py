"""Chapter 3: levels for activations, layer by layer.

* :mod:`quantlib.nonuniform.fixed_point`: integers times 2^-F, and the smallest number of bits;
* :mod:`quantlib.nonuniform.clnq`: a bit width for each layer, from SQNR;
* :mod:`quantlib.nonuniform.enq`: the top bits of a fixed-point number, shifted out;
* :mod:`quantlib.nonuniform.knq`: k-means levels;
* :mod:`quantlib.nonuniform.conversion_units`: QE, CE, QK and CK, which turn numbers into codes;
* :mod:`quantlib.nonuniform.kmeans`: the globally best levels, and Lloyd's;
* :mod:`quantlib.activations` and :mod:`quantlib.nonuniform.bit_search`: real networks.
"""

import lazy_loader as lazy

from quantlib.schemes import dequantize, fake_quantize, quantize

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=["clnq", "conversion_units", "enq", "fixed_point", "knq"],
    submod_attrs={
        "bit_search": ["BitSearch", "TradeOff", "search_bits"],
        "clnq": ["bits_by_measured_sqnr", "bits_for_sqnr", "cheapest_first"],
        "conversion_units": ["ce", "ck", "comparators", "priority_encode", "qe"],
        "enq": ["EnqQParams"],
        "fixed_point": ["FixedQParams", "smallest_bit_width"],
        "kmeans": ["Clusters", "kmeans_1d", "lloyd"],
        "knq": ["KnqQParams"],
    },
)
__all__ += ["dequantize", "fake_quantize", "quantize"]
