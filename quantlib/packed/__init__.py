"""Storage in bits, and what runs on it; no torch.

* :mod:`quantlib.packed.tensor`: integers of 1 to 16 bits with no bit between them;
* :mod:`quantlib.packed.trits`: values -1, 0 and +1, five to a byte;
* :mod:`quantlib.packed.powers`: 0 and powers of two, by their exponents;
* :mod:`quantlib.packed.steps`: what a packed network does, one step after the other;
* :mod:`quantlib.packed.network`: a whole network, in memory and in a file.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=["steps"],
    submod_attrs={
        "network": ["PackedNetwork"],
        "powers": ["PackedPowers", "pack_powers"],
        "tensor": ["PackedTensor", "pack"],
        "trits": ["PackedTrits", "pack_trits"],
    },
)
