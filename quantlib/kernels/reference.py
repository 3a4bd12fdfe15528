"""The kernels in a few plain lines of NumPy each: what they compute, with no care for speed.

They take plain arrays, pack them themselves where the kernel packs, and share no code with the
kernels. The tests hold the kernels against them.
"""

import itertools

import numpy as np

__all__ = [
    "bitplane_gemm",
    "pack_signs",
    "real_conv2d",
    "shift_conv2d",
    "shift_gemm",
    "ternary_gemm",
    "threshold_signs",
    "xnor_conv2d",
    "xnor_gemm",
    "xnor_input_scale",
]


def pack_bits(bits):
    """Pack booleans along the last axis into 64-bit words, the first into the lowest bit."""
    n_words = -(-bits.shape[-1] // 64)
    packed = np.zeros((*bits.shape[:-1], n_words * 8), np.uint8)
    some = np.packbits(bits, axis=-1, bitorder="little")
    packed[..., : some.shape[-1]] = some
    return packed.view("<u8")


def pack_signs(x):
    """Pack signs along the last axis: bit 1 stands for -1; the sign of 0 is +1."""
    return pack_bits(np.asarray(x) < 0)


def xnor_gemm(a, b):
    """Multiply the signs of ``a`` (M x K) and ``b`` (N x K): K - 2 popcount(a xor b)."""
    length = np.shape(a)[1]
    a, b = pack_signs(a), pack_signs(b)
    rows = [length - 2 * np.bitwise_count(row ^ b).sum(axis=1, dtype=np.int32) for row in a]
    return np.array(rows, np.int32)


def xnor_conv2d(x, w, stride=1, padding=0):
    """Convolve the signs of ``x`` (N x C x H x W) and ``w`` (O x C x h x w), padded with +1."""
    _, channels, height, width = np.shape(w)
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)), constant_values=1)
    x, w = pack_signs(np.moveaxis(x, 1, -1)), pack_signs(np.moveaxis(w, 1, -1))
    down, across = x.shape[1] - height + 1, x.shape[2] - width + 1
    ones = 0
    for i in range(height):
        for j in range(width):
            taps = x[:, i : i + down : stride, j : j + across : stride, None, :]
            ones = ones + np.bitwise_count(taps ^ w[:, i, j]).sum(axis=-1, dtype=np.int32)
    return np.moveaxis(channels * height * width - 2 * ones, -1, 1)


def xnor_input_scale(x, kernel_size, stride=1, padding=0):
    """Average the magnitudes of ``x`` (N x C x H x W) over channels and over each window."""
    padded = np.pad(abs(x).mean(axis=1), ((0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel_size, axis=(1, 2))
    return windows[:, ::stride, ::stride].mean(axis=(3, 4))


def threshold_signs(x, thresholds, flips, pool=1, pool_signs=False):
    """Compare ``x`` (N x H x W x C) with thresholds, and pack the maxima of windows."""
    _, height, width, _ = x.shape
    corners = [(i, j) for i in range(pool) for j in range(pool)]
    rows, columns = height // pool * pool, width // pool * pool
    pixels = np.array([x[:, i:rows:pool, j:columns:pool] for i, j in corners])
    if not pool_signs:
        pixels = pixels.max(axis=0, keepdims=True)
    return pack_bits(((pixels < thresholds) != flips).all(axis=0))


def real_conv2d(x, w, stride=1, padding=0):
    """Convolve real ``x`` (N x H x W x C) with filters (h x w x C x O), padded with 0."""
    height, width = w.shape[:2]
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    down, across = x.shape[1] - height + 1, x.shape[2] - width + 1
    taps = itertools.product(range(height), range(width))
    return sum(x[:, i : i + down : stride, j : j + across : stride] @ w[i, j] for i, j in taps)


def ternary_gemm(a, b):
    """Multiply values -1, 0, 1: ones of the common mask, less twice those whose signs differ."""
    (a_mask, a_sign), (b_mask, b_sign) = ((pack_bits(x != 0), pack_bits(x < 0)) for x in (a, b))
    rows = []
    for mask, sign in zip(a_mask, a_sign, strict=True):
        both = mask & b_mask
        opposite = both & (sign ^ b_sign)
        rows.append(
            np.bitwise_count(both).sum(axis=1, dtype=np.int32)
            - 2 * np.bitwise_count(opposite).sum(axis=1, dtype=np.int32)
        )
    return np.array(rows, np.int32)


def bitplane_gemm(a, b, a_bits, b_bits, a_signed=False, b_signed=False):
    """Multiply codes: a sum of 2**(i + j) popcount(plane i of a and plane j of b).

    The top plane of signed codes, in two's complement, weighs -2**(bits - 1).
    """
    total = np.zeros((len(a), len(b)), np.int32)
    for i in range(a_bits):
        for j in range(b_bits):
            negative = (a_signed and i == a_bits - 1) != (b_signed and j == b_bits - 1)
            u, v = pack_bits(a >> i & 1 == 1), pack_bits(b >> j & 1 == 1)
            ones = np.array([np.bitwise_count(row & v).sum(axis=1, dtype=np.int32) for row in u])
            total += (-1 if negative else 1) * (ones << (i + j))
    return total


def shift_gemm(a, sign, exponent):
    """Multiply integers ``a`` (M x K) by sign * 2**exponent (N x K) with shifts only."""
    rows = []
    for row in np.asarray(a, np.int32):
        shifted = row << exponent
        rows.append(np.where(sign < 0, -shifted, np.where(sign > 0, shifted, 0)).sum(axis=1))
    return np.array(rows, np.int32)


def shift_conv2d(x, sign, exponent, stride=1, padding=0):
    """Convolve integers ``x`` (N x C x H x W) with filters of powers of two, padded with 0."""
    n_filters, _, height, width = sign.shape
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (height, width), axis=(2, 3))
    windows = np.moveaxis(windows[:, :, ::stride, ::stride], 1, 3)  # N, H', W', C, h, w
    flat = windows.reshape(-1, sign[0].size)
    products = shift_gemm(flat, sign.reshape(n_filters, -1), exponent.reshape(n_filters, -1))
    return np.moveaxis(products.reshape(*windows.shape[:3], n_filters), -1, 1)
