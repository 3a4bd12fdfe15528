"""Products of low-bit numbers at the speed of the machine: NumPy arrays in, NumPy arrays out.

Importing compiles nothing. The first call of a kernel compiles it, and keeps the machine code on
disk for the next process.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=["reference"],
    submod_attrs={
        "binary": ["xnor_conv2d", "xnor_gemm", "xnor_input_scale"],
        "bitplane": ["bitplane_gemm", "ternary_gemm"],
        "packing": [
            "PackedBits",
            "PackedPlanes",
            "PackedTernary",
            "pack_planes",
            "pack_signs",
            "pack_ternary",
            "unpack_planes",
            "unpack_signs",
            "unpack_ternary",
        ],
        "real": ["real_conv2d"],
        "shift": ["ShiftWeights", "pack_shifts", "shift_conv2d", "shift_gemm"],
        "threshold": ["threshold_signs"],
    },
)
