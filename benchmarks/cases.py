"""What is timed: each kernel, its plain reference, and torch on the same problem."""

import numpy as np
import torch
from torch.nn import functional

from quantlib import kernels
from quantlib.kernels import reference

__all__ = [
    "CONVOLUTIONS",
    "convolution",
    "matrix_product",
    "smallest_calls",
    "ternary_times_bytes",
]

#: The 3 x 3 layers of ResNet-18: height and width, channels.
CONVOLUTIONS = ((56, 64), (28, 128), (14, 256), (7, 512))

#: ABC-Net's numbers of bases, of weights and of activations alike.
BASES = (1, 2, 3)

PEER = "torch float32"

#: The fewest rows that torch's product of int8 takes.
TORCH_ROWS = 17

#: The order of axes, by that of the channels.
LAYOUT = {1: "NCHW", 3: "NHWC"}


def matrix_product(size, length, *, everything, rng):
    """Return the operations of a product size x length x size, and its cases.

    A case is a function of the number of threads, or a pair of one that takes none and the
    share of the operations that it does. ``everything``: not only the binary kernel.
    """
    a = rng.standard_normal((size, length)).astype(np.float32)
    b = rng.standard_normal((size, length)).astype(np.float32)
    a_torch, b_torch = torch.tensor(a), torch.tensor(b).T
    a_bits, b_bits = kernels.pack_signs(a), kernels.pack_signs(b, panels=True)
    a_bytes, b_bytes = (
        torch.tensor(rng.integers(-128, 128, (size, length)), dtype=torch.int8) for _ in "ab"
    )
    few = min(size, 16)  # rows that the plain references do
    cases = {
        PEER: lambda threads: a_torch @ b_torch,
        "torch int8": lambda threads: torch._int_mm(a_bytes, b_bytes.T),
        "xnor_gemm": lambda threads: kernels.xnor_gemm(a_bits, b_bits, num_threads=threads),
        "xnor_gemm, packing": lambda threads: kernels.xnor_gemm(
            kernels.pack_signs(a, num_threads=threads), b_bits, num_threads=threads
        ),
        "xnor_gemm, reference": (lambda: reference.xnor_gemm(a[:few], b), few / size),
    }
    if everything:
        cases |= _few_bits(size, length, few, rng) | _shifts(size, length, few, rng)
        cases |= {f"xnor_sum_gemm {n} x {n}, packing": _sum_of_products(a, b, n) for n in BASES}
    return 2 * size * size * length, cases


def _bases(x, count, threads=None):
    """Pack the bases of ``x``, channels last: its signs from so many thresholds, evenly spread."""
    return [
        kernels.threshold_signs(x, np.full(x.shape[-1], threshold, np.float32), num_threads=threads)
        for threshold in np.linspace(-1, 1, count + 2, dtype=np.float32)[1:-1]
    ]


def _sum_of_products(a, b, count):
    """ABC-Net's sum of ``count`` times ``count`` products; the bases of ``a`` are packed anew."""
    weights = [basis.as_panels() for basis in _bases(b, count)]
    alpha = beta = np.linspace(0.5, 1, count)

    def call(threads):
        rows = _bases(a, count, threads)
        return kernels.xnor_sum_gemm(rows, weights, alpha, beta, num_threads=threads)

    return call


def _few_bits(size, length, few, rng):
    signs = [rng.integers(-1, 2, (size, length)) for _ in "ab"]
    codes = [rng.integers(0, 8, (size, length)) for _ in "ab"]
    a_ternary, b_ternary = (kernels.pack_ternary(x) for x in signs)
    a_planes, b_planes = (kernels.pack_planes(x, 3, signed=False) for x in codes)
    b_ternary, b_planes = b_ternary.as_panels(), b_planes.as_panels()
    return {
        "ternary_gemm": lambda threads: kernels.ternary_gemm(
            a_ternary, b_ternary, num_threads=threads
        ),
        "ternary_gemm, reference": (
            lambda: reference.ternary_gemm(signs[0][:few], signs[1]),
            few / size,
        ),
        "bitplane_gemm 3 x 3": lambda threads: kernels.bitplane_gemm(
            a_planes, b_planes, num_threads=threads
        ),
        "bitplane_gemm 3 x 3, reference": (
            lambda: reference.bitplane_gemm(codes[0][:few], codes[1], 3, 3),
            few / size,
        ),
    }


def _shifts(size, length, few, rng):
    """Weights 0, ±1, ±2, ±4, equally frequent; and with 77 % zeros, as DST leaves ResNet-18's."""
    activations = rng.integers(-128, 128, (size, length)).astype(np.int8)
    exponent = rng.integers(0, 3, (size, length))
    sign = rng.choice([-1, 1], (size, length))
    even = np.where(rng.random((size, length)) < 1 / 7, 0, sign)
    sparse = np.where(rng.random((size, length)) < 0.77, 0, sign)
    dense = kernels.pack_shifts(even, exponent, skip_zeros=False)
    skipping = kernels.pack_shifts(even, exponent)
    mostly_zero = kernels.pack_shifts(sparse, exponent)

    def case(weights):
        return lambda threads: kernels.shift_gemm(activations, weights, num_threads=threads)

    return {
        "shift_gemm, dense": case(dense),
        "shift_gemm, zeros left out": case(skipping),
        "shift_gemm, 77 % zeros": case(mostly_zero),
        "shift_gemm, reference": (
            lambda: reference.shift_gemm(activations[:few], even, exponent),
            few / size,
        ),
    }


def convolution(size, channels, rng):
    """Return the operations of a 3 x 3 convolution of one image, and its cases."""
    x = rng.standard_normal((1, channels, size, size)).astype(np.float32)
    w = rng.standard_normal((channels, channels, 3, 3)).astype(np.float32)
    last = np.ascontiguousarray(np.moveaxis(x, 1, 3))
    x_torch, w_torch = torch.tensor(x), torch.tensor(w)
    filters, alpha = kernels.pack_signs(w, 1, panels=True), abs(w).mean(axis=(1, 2, 3))
    packed = {1: kernels.pack_signs(x, 1), 3: kernels.pack_signs(last)}

    def plain(axis):
        return lambda threads: kernels.xnor_conv2d(
            packed[axis], filters, padding=1, layout=LAYOUT[axis], num_threads=threads
        )

    def scaled(axis, with_map):
        image = x if axis == 1 else last

        def call(threads):
            bits = kernels.pack_signs(image, axis, num_threads=threads)
            scale = None
            if with_map:
                scale = kernels.xnor_input_scale(
                    image, (3, 3), padding=1, layout=LAYOUT[axis], num_threads=threads
                )
            return kernels.xnor_conv2d(
                bits,
                filters,
                padding=1,
                alpha=alpha,
                input_scale=scale,
                layout=LAYOUT[axis],
                num_threads=threads,
            )

        return call

    cases = {
        PEER: lambda threads: torch.nn.functional.conv2d(x_torch, w_torch, padding=1),
        "xnor_conv2d, channels last": plain(3),
        "xnor_conv2d, channels last, packing and alpha": scaled(3, False),
        "xnor_conv2d, channels last, packing, alpha and K": scaled(3, True),
        "xnor_conv2d, channels first": plain(1),
        "xnor_conv2d, channels first, packing and alpha": scaled(1, False),
        "xnor_conv2d, channels first, packing, alpha and K": scaled(1, True),
        "xnor_conv2d, reference": (lambda: reference.xnor_conv2d(x, w, padding=1), 1),
        "xnor_sum_conv2d 3 x 3, packing": _sum_of_convolutions(last, w, 3),
        "ternary_conv2d, packing and alpha": _ternary_convolution(last, w, alpha),
    }
    return 2 * 9 * channels * channels * size * size, cases


def _sum_of_convolutions(image, w, count):
    """ABC-Net's sum of ``count`` times ``count`` convolutions; the image's bases packed anew."""
    shifts = np.linspace(-1, 1, count + 2, dtype=np.float32)[1:-1]
    filters = [kernels.pack_signs(w - shift, 1, panels=True) for shift in shifts]
    alpha = beta = np.linspace(0.5, 1, count)

    def call(threads):
        images = _bases(image, count, threads)
        return kernels.xnor_sum_conv2d(
            images, filters, alpha, beta, padding=1, layout="NHWC", num_threads=threads
        )

    return call


def _ternary_convolution(image, w, alpha):
    """Images whose values are ternary, in float32, are packed anew; a third of all is 0."""
    values, weights = (np.sign(x) * (abs(x) > 0.43) for x in (image, w))
    filters = kernels.pack_ternary(weights, 1, panels=True)

    def call(threads):
        packed = kernels.pack_ternary(values, num_threads=threads)
        return kernels.ternary_conv2d(
            packed, filters, padding=1, alpha=alpha, layout="NHWC", num_threads=threads
        )

    return call


def ternary_times_bytes(n_rows, size, rng):
    """Return the operations of a product n_rows x size x size, and its cases.

    The weights are ternary, the activations of 8 bits. torch multiplies int8 from 17 rows on: fewer
    are filled up with zeros, which it must be given.
    """
    x = rng.integers(-128, 128, (n_rows, size)).astype(np.int8)
    w = rng.integers(-1, 2, (size, size)).astype(np.int8)
    panels = kernels.pack_ternary_panels(w)
    x_real, w_real = torch.tensor(x, dtype=torch.float32), torch.tensor(w, dtype=torch.float32)
    x_bytes, w_bytes = torch.tensor(x), torch.tensor(w)
    if n_rows < TORCH_ROWS:
        x_bytes = functional.pad(x_bytes, (0, 0, 0, TORCH_ROWS - n_rows))
    few = min(n_rows, 16)
    cases = {
        PEER: lambda threads: x_real @ w_real.T,
        "torch int8": lambda threads: torch._int_mm(x_bytes, w_bytes.T),
        "ternary_int8_gemm": lambda threads: kernels.ternary_int8_gemm(
            x, panels, num_threads=threads
        ),
        "ternary_int8_gemm, reference": (lambda: x[:few].astype(np.int32) @ w.T, few / n_rows),
    }
    return 2 * n_rows * size * size, cases


def smallest_calls(rng):
    """Return calls with hardly any work, which tell what a call costs by itself.

    They have two tasks, so that two threads get one each.
    """
    pixels = rng.standard_normal((1, 16, 8, 64)).astype(np.float32)
    w = rng.standard_normal((16, 64, 1, 1)).astype(np.float32)
    packed, alpha = kernels.pack_signs(pixels), abs(w).mean(axis=(1, 2, 3))
    filters = kernels.pack_signs(w, 1, panels=True)
    rows, panels = kernels.pack_signs(pixels.reshape(-1, 64)), kernels.pack_signs(w[..., 0, 0])
    panels = panels.as_panels()
    return {
        "pack_signs": lambda threads: kernels.pack_signs(pixels, num_threads=threads),
        "xnor_gemm": lambda threads: kernels.xnor_gemm(rows, panels, num_threads=threads),
        "xnor_conv2d, alpha": lambda threads: kernels.xnor_conv2d(
            packed, filters, alpha=alpha, layout="NHWC", num_threads=threads
        ),
    }
