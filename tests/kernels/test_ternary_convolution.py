"""Convolutions of ternary images with ternary filters against torch on the same integers."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from quantlib import kernels
from quantlib.kernels import PackedTernary, reference

PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))
IMAGE = kernels.pack_ternary(np.ones((1, 2, 3, 3)), 1)
FILTERS = kernels.pack_ternary(np.ones((2, 2, 2, 2)), 1, panels=True)


def convolved(x, w, **options):
    x, w = (torch.tensor(values, dtype=torch.float64) for values in (x, w))
    return functional.conv2d(x, w, **options).numpy()


@given(
    channels=st.sampled_from([1, 3, 32, 63, 64, 65, 130]),
    n_filters=st.sampled_from([1, 2, 16, 35]),
    kernel_size=PAIRS, stride=PAIRS, dilation=PAIRS,
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)), groups=st.integers(1, 2),
    panels=st.booleans(), threads=st.integers(1, 2), seed=st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_convolutions_are_exact(
    channels, n_filters, kernel_size, stride, dilation, padding, groups, panels, threads, seed
):
    rng = np.random.default_rng(seed)
    size = [d * (k - 1) + 1 + rng.integers(4) for d, k in zip(dilation, kernel_size, strict=True)]
    x = rng.integers(-1, 2, (1 + seed % 2, channels * groups, *size))
    w = rng.integers(-1, 2, (n_filters * groups, channels, *kernel_size))
    expected = convolved(x, w, stride=stride, padding=padding, dilation=dilation, groups=groups)
    filters = kernels.pack_ternary(w, 1, panels=panels)
    for layout, image in (("NCHW", x), ("NHWC", np.moveaxis(x, 1, 3))):
        packed = kernels.pack_ternary(image, layout.index("C"), num_threads=threads)
        found = kernels.ternary_conv2d(
            packed, filters, stride, padding, dilation=dilation, groups=groups, layout=layout,
            num_threads=threads,
        )  # fmt: skip
        assert found.dtype == np.int32
        np.testing.assert_array_equal(np.moveaxis(found, layout.index("C"), 1), expected)
    plain = reference.ternary_conv2d(x, w, stride, padding, dilation, groups)
    np.testing.assert_array_equal(plain, expected)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("groups", [1, 2])
def test_sums_are_scaled_as_they_are_written(layout, groups):
    rng = np.random.default_rng(0)
    x, w = rng.integers(-1, 2, (2, 40, 9, 9)), rng.integers(-1, 2, (38, 40 // groups, 3, 3))
    alpha = rng.normal(size=38)
    expected = convolved(x, w, padding=1, groups=groups) * alpha[:, None, None]
    image = kernels.pack_ternary(x if layout == "NCHW" else np.moveaxis(x, 1, 3), layout.index("C"))
    filters = kernels.pack_ternary(w, 1, panels=True)
    out = np.zeros(expected.shape, np.float32)
    out = out if layout == "NCHW" else np.ascontiguousarray(np.moveaxis(out, 1, 3))
    found = kernels.ternary_conv2d(
        image, filters, padding=1, groups=groups, alpha=alpha, layout=layout, out=out
    )
    assert found is out
    np.testing.assert_allclose(np.moveaxis(out, layout.index("C"), 1), expected, rtol=1e-6)


@given(
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    length=st.sampled_from([1, 63, 64, 65, 128, 200]), axis=st.integers(0, 3),
    dtype=st.sampled_from(["int8", "float32", "float64", ">i2", "uint8"]), seed=st.integers(0, 9),
)  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_values_of_any_axis_come_back(shape, length, axis, dtype, seed):
    axis = min(axis, len(shape))
    shape.insert(axis, length)
    x = np.random.default_rng(seed).integers(0 if dtype == "uint8" else -1, 2, shape)
    x = x.astype(dtype, order="CF"[seed % 2])
    packed = kernels.pack_ternary(x, axis)
    assert (packed.shape, packed.axis, packed.length) == (tuple(shape), axis, length)
    rest = shape[:axis] + shape[axis + 1 :]
    assert packed.words.shape == (rest[0], 2, *rest[1:], -(-length // 64))
    values = np.moveaxis(x, axis, -1)
    for plane, bits in enumerate((values != 0, values < 0)):
        np.testing.assert_array_equal(packed.words[:, plane], reference.pack_bits(bits))
    np.testing.assert_array_equal(kernels.unpack_ternary(packed), x)
    panels = packed.as_panels()
    np.testing.assert_array_equal(kernels.unpack_ternary(panels), x)
    again = PackedTernary(panels.words, panels.shape, panels.axis, panels.panels)
    np.testing.assert_array_equal(again.words, panels.words)


@pytest.mark.parametrize("value", [2, -2, 0.5, np.nan, np.inf])
@pytest.mark.parametrize("place", [0, 63, 64, 129])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8])
def test_another_value_is_refused_wherever_it_is(value, place, dtype):
    if dtype == np.int8 and value != int(np.nan_to_num(value, posinf=0)):
        value = -128
    x = np.zeros((3, 130), dtype)
    x[2, place] = value
    with pytest.raises(ValueError, match="x must hold -1, 0 and 1 only"):
        kernels.pack_ternary(x)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: kernels.ternary_conv2d(np.ones((1, 2, 3, 3)), FILTERS),
            TypeError,
            "x must be a PackedTernary, as pack_ternary gives, got ndarray",
        ),
        (
            lambda: kernels.ternary_conv2d(IMAGE, kernels.pack_ternary(np.ones((2, 2)))),
            ValueError,
            "w must have 4 axes",
        ),
        (
            lambda: kernels.ternary_conv2d(IMAGE, FILTERS, layout="NHWC"),
            ValueError,
            "x must be packed along axis 3 in layout NHWC, got 1",
        ),
        (
            lambda: kernels.ternary_conv2d(IMAGE, FILTERS, alpha=np.ones(3)),
            ValueError,
            r"alpha must have shape \(2,\), got \(3,\)",
        ),
        (
            lambda: kernels.ternary_conv2d(IMAGE, FILTERS, dilation=3),
            ValueError,
            "w must not be larger than the padded image",
        ),
        (
            lambda: kernels.ternary_gemm(IMAGE, IMAGE),
            ValueError,
            "a must be a matrix packed along its last axis, got shape",
        ),
        (
            lambda: kernels.ternary_gemm(kernels.pack_ternary([[1]], 0), IMAGE),
            ValueError,
            "a must be a matrix packed along its last axis, got shape",
        ),
        (
            lambda: PackedTernary(IMAGE.words, (1, 2, 3, 4), 1),
            ValueError,
            "words must be uint64 of shape",
        ),
        (lambda: PackedTernary(IMAGE.words, (2,), 0), ValueError, "2 axes or more"),
        (lambda: PackedTernary(IMAGE.words, (2, 2), 2), ValueError, "axis must be from -2 to 1"),
    ],
    ids=["array", "axes", "layout", "alpha", "large", "images", "axis 0", "shape", "row", "axis"],
)
def test_bad_input_is_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()
