"""One small exact check of each kernel, for runs in other processes and on other processors."""

import time

import numpy as np

from quantlib import kernels, nonuniform
from quantlib.kernels import levels, reference


def signs(x):
    return np.where(x < 0, -1, 1)


def convolve(x, w, stride=1, padding=0, value=0):
    """Convolve integers exactly: N x C x H x W with O x C x h x w, padded with ``value``."""
    edges = ((0, 0), (0, 0), (padding, padding), (padding, padding))
    x = np.pad(x.astype(np.int64), edges, constant_values=value)
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], axis=(2, 3))
    return np.einsum("nchwij,ocij->nohw", windows[:, :, ::stride, ::stride], w.astype(np.int64))


def check_xnor_gemm(rng, threads):
    a, b = rng.standard_normal((9, 70)), rng.standard_normal((35, 70))
    packed = kernels.pack_signs(a), kernels.pack_signs(b, panels=True)
    result = kernels.xnor_gemm(*packed, num_threads=threads)
    np.testing.assert_array_equal(result, signs(a) @ signs(b).T)
    scaled = kernels.xnor_gemm(*packed, row_scale=np.full(9, 0.5), num_threads=threads)
    np.testing.assert_array_equal(scaled, result / 2)


def convolution(rng):
    """Return an image, packed filters, and the exact convolution with stride 2 and padding 1."""
    x, w = rng.standard_normal((2, 5, 6, 7)), rng.standard_normal((18, 5, 3, 3))
    return x, kernels.pack_signs(w, 1, panels=True), convolve(signs(x), signs(w), 2, 1, value=1)


def check_xnor_conv2d_channels_first(rng, threads):
    x, filters, expected = convolution(rng)
    first = kernels.xnor_conv2d(kernels.pack_signs(x, 1), filters, 2, 1, num_threads=threads)
    np.testing.assert_array_equal(first, expected)


def check_xnor_conv2d_channels_last(rng, threads):
    x, filters, expected = convolution(rng)
    x = np.moveaxis(x, 1, 3)
    last = kernels.xnor_conv2d(
        kernels.pack_signs(x), filters, 2, 1, layout="NHWC", num_threads=threads
    )
    np.testing.assert_array_equal(np.moveaxis(last, 3, 1), expected)


def check_xnor_conv2d_of_zeros_outside(rng, threads):
    x, filters, _ = convolution(rng)
    w = kernels.unpack_signs(filters)
    expected = convolve(signs(x), w, 2, 1)
    options = {"padding_value": 0, "num_threads": threads, "alpha": np.full(18, 0.5)}
    first = kernels.xnor_conv2d(kernels.pack_signs(x, 1), filters, 2, 1, **options)
    np.testing.assert_array_equal(first, expected / 2)
    last = kernels.pack_signs(np.moveaxis(x, 1, 3))
    last = kernels.xnor_conv2d(last, filters, 2, 1, layout="NHWC", **options)
    np.testing.assert_array_equal(np.moveaxis(last, 3, 1), expected / 2)


def check_xnor_input_scale(rng, threads):
    x = np.moveaxis(convolution(rng)[0], 1, 3)
    scale = kernels.xnor_input_scale(x, (3, 3), 2, 1, layout="NHWC", num_threads=threads)
    mean = convolve(abs(x).mean(3)[:, None] * 2**20, np.ones((1, 1, 3, 3)), 2, 1) / 9 / 2**20
    np.testing.assert_allclose(scale, mean[:, 0], rtol=1e-4)


def check_threshold_signs(rng, threads):
    for dtype in (np.int32, np.float32):
        x = rng.integers(-3, 4, (1, 5, 4, 70)).astype(dtype)  # a whole word and a broken one
        thresholds, flips = rng.integers(-4, 5, 70).astype(dtype), rng.random(70) < 0.5
        packed = kernels.threshold_signs(x, thresholds, flips, pool=2, num_threads=threads)
        largest = x[:, :4].reshape(1, 2, 2, 2, 2, 70).max((2, 4))
        wanted = np.where((largest >= thresholds) != flips, 1, -1)
        np.testing.assert_array_equal(kernels.unpack_signs(packed), wanted)


def check_threshold_codes(rng, threads):
    for dtype in (np.int32, np.float32):
        x = rng.integers(-9, 10, (1, 5, 4, 7)).astype(dtype)
        thresholds, flips = np.array([[-3] * 7, [4] * 7]).astype(dtype), rng.random(7) < 0.5
        packed = kernels.pack_thresholds(thresholds, np.array([-1, 0, 1]), flips)
        codes = kernels.threshold_codes(x, packed, num_threads=threads)
        rising = np.where(x < -3, -1, np.where(x < 4, 0, 1))
        np.testing.assert_array_equal(codes, np.where(flips, -rising, rising))


def check_real_conv2d(rng, threads):
    x, w = rng.integers(-8, 9, (1, 2, 4, 9)), rng.integers(-8, 9, (70, 2, 3, 2))
    result = kernels.real_conv2d(x, w, padding=1, num_threads=threads)
    np.testing.assert_array_equal(result, convolve(x, w, padding=1))


def check_max_pool2d(rng, threads):
    x = rng.integers(-8, 9, (2, 3, 7, 9)).astype(np.int32)
    result = kernels.max_pool2d(x, 3, 2, 1, num_threads=threads)
    np.testing.assert_array_equal(result, reference.max_pool2d(x, 3, 2, 1))


def check_ternary_gemm(rng, threads):
    a, b = rng.integers(-1, 2, (9, 70)), rng.integers(-1, 2, (35, 70))
    packed = kernels.pack_ternary(a), kernels.pack_ternary(b, panels=True)
    np.testing.assert_array_equal(kernels.ternary_gemm(*packed, num_threads=threads), a @ b.T)


def check_bitplane_gemm(rng, threads):
    a, b = rng.integers(0, 8, (9, 70)), rng.integers(-4, 4, (35, 70))
    packed = kernels.pack_planes(a, 3, signed=False), kernels.pack_planes(b, 3, panels=True)
    np.testing.assert_array_equal(kernels.bitplane_gemm(*packed, num_threads=threads), a @ b.T)


def check_shift_gemm(rng, threads, largest=127):
    sign, exponent = rng.integers(-1, 2, (6, 70)), rng.integers(0, 3, (6, 70))
    weights = kernels.pack_shifts(sign, exponent)
    a = rng.integers(-largest, largest + 1, (66, 70))
    result = kernels.shift_gemm(a, weights, num_threads=threads)
    np.testing.assert_array_equal(result, a @ (sign * 2**exponent).T)


def check_shift_gemm_in_32_bits(rng, threads):
    check_shift_gemm(rng, threads, largest=2**15)


def check_shift_conv2d(rng, threads):
    x = rng.integers(-128, 128, (2, 3, 6, 7))
    sign, exponent = rng.integers(-1, 2, (5, 3, 3, 3)), rng.integers(0, 3, (5, 3, 3, 3))
    weights = kernels.pack_shifts(sign, exponent)
    result = kernels.shift_conv2d(x, weights, 2, 1, num_threads=threads)
    np.testing.assert_array_equal(result, convolve(x, sign * 2**exponent, 2, 1))


def check_counts_and_look_ups(rng, threads):
    x, thresholds = rng.standard_normal(150), np.sort(rng.standard_normal(15))
    codes, out = np.empty(150, np.int32), np.empty(150)
    levels.count_at_most(x, thresholds, codes)
    np.testing.assert_array_equal(codes, reference.count_at_most(x, thresholds))
    table = rng.standard_normal(16)
    assert levels.all_finite(x) and levels.look_up(codes, table, out)
    np.testing.assert_array_equal(out, table[codes])
    qparams = nonuniform.KnqQParams([0.0, 1.0, 3.0, 7.0], bit_width=2)
    codes = nonuniform.quantize(8 * x, qparams)
    steps = np.array([-np.inf, 0.5, 2.0, 5.0])
    np.testing.assert_array_equal(codes, reference.count_at_most(8 * x, steps) - 1)
    restored = nonuniform.dequantize(codes, qparams)
    np.testing.assert_array_equal(restored, np.float32([0, 1, 3, 7])[codes])


def check_clusters(rng, threads):
    x = rng.standard_normal(40)
    results = [nonuniform.kmeans_1d(x, 4, method=method) for method in ("penalty", "table")]
    np.testing.assert_allclose(results[0].centroids, results[1].centroids)
    sums = reference.join_equal(np.sort(x), [], 0.0, 1.0)[1]
    np.testing.assert_allclose(results[0].objective, reference.partition(sums, 4)[0], rtol=1e-6)


def check_ternary_int8_gemm(rng, threads):
    x, w = rng.integers(-128, 128, (71, 300)), rng.integers(-1, 2, (37, 300))
    panels = kernels.pack_ternary_panels(w)
    result = kernels.ternary_int8_gemm(x.astype(np.int8), panels, num_threads=threads)
    np.testing.assert_array_equal(result, x @ w.T)


def check_ternary_conv2d(rng, threads):
    x, w = rng.integers(-1, 2, (2, 70, 7, 6)), rng.integers(-1, 2, (35, 70, 3, 3))
    packed = kernels.pack_ternary(x, 1), kernels.pack_ternary(w, 1, panels=True)
    result = kernels.ternary_conv2d(*packed, 2, 1, num_threads=threads)
    np.testing.assert_array_equal(result, convolve(x, w, 2, 1))


def requantization(rng, n):
    multiplier, shift = rng.integers(2**30, 2**31, n), rng.integers(38, 42, n)
    return kernels.Requantization(multiplier, shift, 7, 3, 250)


def hold_int8(sums, call, n, rng):
    """Hold a call that takes a requantization, or None, against exact sums (... x outputs)."""
    np.testing.assert_array_equal(call(None), sums)
    r = requantization(rng, n)
    wanted = reference.requantize(sums, r.multiplier, r.shift, r.zero_point, r.low, r.high)
    np.testing.assert_array_equal(call(r), wanted)


def check_int8_gemm(rng, threads):
    a, w = rng.integers(0, 256, (13, 35)), rng.integers(-128, 128, (119, 35))
    for zero_point in (0, -5):
        weights, rows = kernels.pack_int8(w, zero_point=zero_point), np.uint8(a)
        for m in (1, 13):
            hold_int8(
                (a[:m] - 9) @ (w - zero_point).T,
                lambda r, m=m, weights=weights, rows=rows: kernels.int8_gemm(
                    rows[:m], weights, zero_point=9, requantization=r, num_threads=threads
                ),
                119,
                rng,
            )


def check_int8_conv2d(rng, threads):
    x, w = rng.integers(0, 256, (2, 5, 6, 7)), rng.integers(-128, 128, (18, 5, 3, 3))
    weights, last = kernels.pack_int8(w), np.uint8(np.moveaxis(x, 1, 3))
    hold_int8(
        np.moveaxis(convolve(x - 9, w, 2, 1), 1, 3),
        lambda r: kernels.int8_conv2d(
            last, weights, 2, 1, zero_point=9, requantization=r, layout="NHWC", num_threads=threads
        ),
        18,
        rng,
    )


def check_int8_depthwise(rng, threads):
    for channels, stride, z in ((6, 1, 0), (6, 1, -5), (70, 2, 0), (70, 2, -5)):
        x = rng.integers(0, 256, (2, channels, 6, 7))
        w = rng.integers(-128, 128, (channels, 1, 3, 3))
        weights, last = kernels.pack_int8(w, zero_point=z), np.uint8(np.moveaxis(x, 1, 3))
        sums = [
            convolve(image[:, None] - 9, filter_[None] - z, stride, 1)[:, 0]
            for image, filter_ in zip(np.moveaxis(x, 1, 0), w, strict=True)
        ]
        options = {"groups": channels, "zero_point": 9, "layout": "NHWC", "num_threads": threads}
        hold_int8(
            np.stack(sums, axis=3),
            lambda r, last=last, weights=weights, stride=stride, options=options: (
                kernels.int8_conv2d(last, weights, stride, 1, requantization=r, **options)
            ),
            channels,
            rng,
        )


CHECKS = {name[6:]: check for name, check in list(globals().items()) if name.startswith("check_")}


def first_use_seconds(threads):
    """Run each check once; return the processor time that each took, compilation included."""
    seconds = {}
    for name, check in CHECKS.items():
        start = time.process_time()
        check(np.random.default_rng(0), threads)
        seconds[name] = time.process_time() - start
    return seconds
