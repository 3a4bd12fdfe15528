"""Products of low-bit numbers at the speed of the machine: NumPy arrays in, NumPy arrays out.

Importing compiles nothing. The first call of a kernel compiles it, and keeps the machine code on
disk for the next process (``_compile``). Which module calls which:

=============================================  ====================================================
xnor_gemm, ternary_gemm, bitplane_gemm         ``_popcount`` (tasks), then ``_tile`` (inner loop)
xnor_conv2d                                    ``_convolve``, ``_patches``, ``_border``, ``_tile``
xnor_sum_gemm, xnor_sum_conv2d                 ``_sums``, ``_convolve``
xnor_input_scale                               ``_scale_map``
real_conv2d                                    its own loops; ``_windows``, as ``_convolve`` does
shift_gemm, shift_conv2d, pack_shifts          ``_shift_loops``
int8_gemm, int8_conv2d                         ``_int8_plan``, ``_int8_band``; ``_int8_loops`` and
                                               ``_int8_tile``, or ``_int8_depthwise`` and
                                               ``_int8_line``; both ``_requantize``
pack_int8                                      ``_int8_layout``
ternary_int8_gemm                              ``_ternary_loops``
ternary_conv2d                                 ``_ternary_convolve``, ``_patches``, ``_tile``
pack_signs, pack_planes                        ``_pack_words``
pack_ternary                                   ``_pack_ternary``
image_codes, add_codes                         their own loops, ``elementwise``
threshold_signs, threshold_codes, max_pool2d   their own loops
chapter 3's clusters, codes and look-ups       ``levels``
=============================================  ====================================================

All inner loops are written with ``_ir``, run on the threads of ``_threads``, and have their
arguments looked at by ``_checks``. What each computes, in a few plain lines, is ``reference``.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=["reference"],
    submod_attrs={
        "binary": ["xnor_conv2d", "xnor_gemm", "xnor_input_scale"],
        "bitplane": ["bitplane_gemm", "ternary_gemm"],
        "codes": ["CodeThresholds", "pack_thresholds", "threshold_codes"],
        "elementwise": ["add_codes", "image_codes"],
        "int8": ["int8_conv2d", "int8_gemm"],
        "int8_weights": ["Int8Panels", "Requantization", "pack_int8", "unpack_int8"],
        "packing": [
            "pack_planes",
            "pack_signs",
            "pack_ternary",
            "unpack_planes",
            "unpack_signs",
            "unpack_ternary",
        ],
        "pool": ["max_pool2d"],
        "real": ["real_conv2d"],
        "shift": ["ShiftWeights", "pack_shifts", "shift_conv2d", "shift_gemm"],
        "sums": ["xnor_sum_conv2d", "xnor_sum_gemm"],
        "ternary": [
            "TernaryPanels",
            "pack_ternary_panels",
            "ternary_conv2d",
            "ternary_int8_gemm",
            "unpack_ternary_panels",
        ],
        "threshold": ["threshold_signs"],
        "words": ["PackedBits", "PackedPlanes", "PackedTernary"],
    },
)
