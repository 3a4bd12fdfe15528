"""The kernels in a few plain lines of NumPy each: what they compute, with no care for speed.

They take plain arrays, pack them themselves where the kernel packs, and share no code with the
kernels. The tests hold the kernels against them.
"""

import itertools

import numpy as np

__all__ = [
    "add_codes",
    "all_finite",
    "bitplane_gemm",
    "count_at_most",
    "image_codes",
    "int8_conv2d",
    "int8_gemm",
    "join_equal",
    "look_up",
    "max_pool2d",
    "pack_signs",
    "partition",
    "real_conv2d",
    "requantize",
    "shift_conv2d",
    "shift_gemm",
    "ternary_conv2d",
    "ternary_gemm",
    "threshold_codes",
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


def _pair(value):
    return value if isinstance(value, tuple) else (value, value)


def _taps(x, kernel_size, stride, dilation):
    """Yield, for each tap of a window, what it meets in padded ``x`` (N x H x W x C)."""
    (height, width), (s, t), (d, e) = kernel_size, _pair(stride), _pair(dilation)
    down, across = x.shape[1] - d * (height - 1), x.shape[2] - e * (width - 1)
    for i, j in itertools.product(range(height), range(width)):
        yield i, j, x[:, d * i : d * i + down : s, e * j : e * j + across : t]


def _padded(x, padding, value=0):
    """Return ``x`` (N x H x W x C) with pixels of ``value`` on all sides."""
    above, left = _pair(padding)
    return np.pad(x, ((0, 0), (above, above), (left, left), (0, 0)), constant_values=value)


def xnor_conv2d(x, w, stride=1, padding=0, dilation=1, groups=1, padding_value=1):
    """Convolve the signs of ``x`` (N x C x H x W) and ``w`` (O x C / groups x h x w).

    Each tap adds C - 2 popcount(x xor w) where it is inside of the image or outside counts as +1.
    """
    if groups > 1:
        pairs = zip(np.split(x, groups, axis=1), np.split(w, groups), strict=True)
        parts = [xnor_conv2d(*pair, stride, padding, dilation, 1, padding_value) for pair in pairs]
        return np.concatenate(parts, axis=1)
    _, channels, *kernel_size = np.shape(w)
    x, w = np.moveaxis(x, 1, -1), pack_signs(np.moveaxis(w, 1, -1))
    counts = _padded(np.ones((*x.shape[:3], 1), np.int32), padding, padding_value)
    words = pack_signs(_padded(x, padding, 1))
    sums = 0
    for (i, j, bits), (_, _, inside) in zip(
        _taps(words, kernel_size, stride, dilation),
        _taps(counts, kernel_size, stride, dilation),
        strict=True,
    ):
        ones = np.bitwise_count(bits[..., None, :] ^ w[:, i, j]).sum(axis=-1, dtype=np.int32)
        sums = sums + inside * (channels - 2 * ones)
    return np.moveaxis(sums, -1, 1)


def xnor_input_scale(x, kernel_size, stride=1, padding=0, dilation=1):
    """Average the magnitudes of ``x`` (N x C x H x W) over channels and over each window."""
    mean = _padded(abs(x).mean(axis=1)[..., None], padding)
    taps = [values[..., 0] for _, _, values in _taps(mean, kernel_size, stride, dilation)]
    return np.mean(taps, axis=0)


def threshold_signs(x, thresholds, flips, pool=1, pool_signs=False):
    """Compare ``x`` (N x H x W x C) with thresholds, and pack the maxima of windows."""
    _, height, width, _ = x.shape
    corners = [(i, j) for i in range(pool) for j in range(pool)]
    rows, columns = height // pool * pool, width // pool * pool
    pixels = np.array([x[:, i:rows:pool, j:columns:pool] for i, j in corners])
    if not pool_signs:
        pixels = pixels.max(axis=0, keepdims=True)
    return pack_bits(((pixels < thresholds) != flips).all(axis=0))


def threshold_codes(x, thresholds, codes, flips):
    """Return the code after as many thresholds (K x C) as each value of ``x`` (... x C) reaches."""
    reached = (x[..., None, :] >= thresholds).sum(axis=-2)
    return np.asarray(codes, np.int8)[np.where(flips, len(thresholds) - reached, reached)]


def real_conv2d(x, w, stride=1, padding=0, dilation=1, groups=1):
    """Convolve real ``x`` (N x C x H x W) with filters (O x C / groups x h x w), padded with 0."""
    if groups > 1:
        pairs = zip(np.split(x, groups, axis=1), np.split(w, groups), strict=True)
        parts = [real_conv2d(*pair, stride, padding, dilation) for pair in pairs]
        return np.concatenate(parts, axis=1)
    taps = _taps(_padded(np.moveaxis(x, 1, -1), padding), w.shape[2:], stride, dilation)
    return np.moveaxis(sum(values @ w[..., i, j].T for i, j, values in taps), -1, 1)


def max_pool2d(x, size, stride, padding=0):
    """Return the maximum of each window of ``x`` (N x C x H x W); nothing counts outside."""
    lowest = np.iinfo(x.dtype).min if x.dtype.kind == "i" else -np.inf
    taps = _taps(_padded(np.moveaxis(x, 1, -1), padding, lowest), (size, size), stride, 1)
    return np.moveaxis(np.max([values for _, _, values in taps], axis=0), -1, 1)


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


def ternary_conv2d(x, w, stride=1, padding=0, dilation=1, groups=1):
    """Convolve values -1, 0, 1 (N x C x H x W) with filters of such (O x C / groups x h x w)."""
    if groups > 1:
        pairs = zip(np.split(x, groups, axis=1), np.split(w, groups), strict=True)
        parts = [ternary_conv2d(*pair, stride, padding, dilation) for pair in pairs]
        return np.concatenate(parts, axis=1)
    taps = _taps(_padded(np.moveaxis(x, 1, -1), padding), w.shape[2:], stride, dilation)
    sums = 0
    for i, j, values in taps:
        products = ternary_gemm(values.reshape(-1, w.shape[1]), w[..., i, j])
        sums = sums + products.reshape(*values.shape[:3], -1)
    return np.moveaxis(sums, -1, 1)


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


def image_codes(images, reciprocal, zero_point, low, high):
    """Return the codes of ``images`` (N x C x H x W), channels last; products are float32."""
    codes = np.rint(images * np.float32(reciprocal)) + np.float32(zero_point)
    return np.clip(codes, low, high).astype(np.uint8).transpose(0, 2, 3, 1)


def add_codes(a, b, zero_points, multipliers, shift, zero_point, low, high):
    """Return the codes of a sum of two results with scales of their own."""
    terms = (
        m * (x.astype(np.int64) - z)
        for x, z, m in zip((a, b), zero_points, multipliers, strict=True)
    )
    codes = zero_point + (sum(terms) + (1 << shift - 1) >> shift)
    return np.clip(codes, low, high).astype(np.uint8)


def requantize(sums, multiplier, shift, zero_point, low, high):
    """Return the codes of ``sums`` (... x O): one product, one rounding, in 64 bits."""
    products = np.asarray(sums, np.int64) * multiplier
    codes = zero_point + (products + (np.int64(1) << shift.astype(np.int64) - 1) >> shift)
    return np.clip(codes, low, high).astype(np.uint8)


def int8_gemm(a, w, a_zero_point=0, w_zero_point=0, bias=0):
    """Multiply codes ``a`` (M x K) and ``w`` (O x K), less their zero points; add a bias."""
    w = np.asarray(w, np.int64) - np.reshape(w_zero_point, (-1, 1))
    return ((np.asarray(a, np.int64) - a_zero_point) @ w.T + bias).astype(np.int32)


def int8_conv2d(
    x, w, stride=1, padding=0, dilation=1, groups=1, x_zero_point=0, w_zero_point=0, bias=0
):
    """Convolve codes ``x`` (N x C x H x W) with ``w`` (O x C / groups x h x w), less zero points.

    Outside of the image lies the code ``x_zero_point``.
    """
    x = np.asarray(x, np.int64) - x_zero_point
    w = np.asarray(w, np.int64) - np.reshape(w_zero_point, (-1, 1, 1, 1))
    sums = real_conv2d(x, w, stride, padding, dilation, groups)
    return (sums + np.reshape(bias, (-1, 1, 1))).astype(np.int32)


def join_equal(values, weights, origin, per_unit):
    """Return the distinct ones of sorted values, and prefix sums of weight, w x and w x**2."""
    distinct, index = np.unique(values, return_inverse=True)
    weights = weights if len(weights) else np.ones(len(values))
    x = (np.asarray(values, np.float64) - origin) * per_unit
    sums = np.zeros((len(distinct) + 1, 3))
    for column, terms in enumerate((weights, weights * x, weights * x * x)):
        sums[1:, column] = np.bincount(index, terms).cumsum()
    return distinct, sums


def partition(sums, k):
    """Return the least spread of k parts, and its bounds, by trying every start of every part."""

    def spread(i, j):
        weight, first, second = sums[j] - sums[i]
        return second - first * first / weight

    n = len(sums) - 1
    best = {0: (0.0, [0])}
    for part in range(1, k + 1):
        ends = range(part, n + 1) if part < k else [n]
        best = {
            j: min((best[i][0] + spread(i, j), [*best[i][1], j]) for i in best if i < j)
            for j in ends
        }
    return best[n]


def all_finite(x):
    """Return whether no value is NaN or infinite."""
    return bool(np.isfinite(x).all())


def count_at_most(x, thresholds):
    """Count, for each value, the thresholds that it reaches."""
    return (np.asarray(x)[:, None] >= thresholds).sum(axis=1)


def look_up(codes, table):
    """Return the entry of ``table`` for every code."""
    return table[codes]
