"""Products of signs: the kernels against their plain references and exact integer NumPy."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from quantlib import kernels
from quantlib.kernels import reference, words
from tests.kernels.checks import convolve, signs

SIZES = st.sampled_from([1, 2, 3, 4, 5, 15, 16, 17, 31, 32, 33, 65, 100])
LENGTHS = st.sampled_from([1, 31, 32, 33, 63, 64, 65, 96, 128, 130, 200, 257])


def product(a, b, **options):
    return kernels.xnor_gemm(kernels.pack_signs(a), kernels.pack_signs(b, panels=True), **options)


@given(m=SIZES, n=SIZES, k=LENGTHS, threads=st.integers(1, 2), seed=st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_gemm_is_exact_for_any_shape_and_number_of_threads(m, n, k, threads, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((m, k)), rng.standard_normal((n, k))
    result = product(a, b, num_threads=threads)
    assert result.dtype == np.int32
    np.testing.assert_array_equal(result, signs(a) @ signs(b).T)
    np.testing.assert_array_equal(result, reference.xnor_gemm(a, b))


@pytest.mark.parametrize("threads", [1, 2])
def test_large_gemm_with_several_tasks_in_both_directions(threads):
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((150, 4100)), rng.standard_normal((1100, 4100))
    result = product(a, b, num_threads=threads)
    np.testing.assert_array_equal(result, (signs(a).astype(float) @ signs(b).T).astype(int))


@pytest.mark.parametrize("k", [1, 5, 63, 64, 65, 100])
def test_padding_bits_never_count(k):
    ones = np.ones((3, k))
    np.testing.assert_array_equal(product(ones, ones), np.full((3, 3), k))
    np.testing.assert_array_equal(product(ones, -ones), np.full((3, 3), -k))


def test_rows_and_panels_give_the_same():
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((7, 90)), rng.standard_normal((20, 90))
    rows, panels = kernels.pack_signs(b), kernels.pack_signs(b, panels=True)
    packed = kernels.pack_signs(a)
    expected = kernels.xnor_gemm(packed, panels)
    np.testing.assert_array_equal(kernels.xnor_gemm(packed, rows), expected)
    np.testing.assert_array_equal(kernels.xnor_gemm(packed.as_panels(), panels), expected)


@given(m=SIZES, n=SIZES, which=st.sampled_from(["row", "column", "both"]), seed=st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_scales_are_applied_in_float32(m, n, which, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((m, 70)), rng.standard_normal((n, 70))
    row = rng.standard_normal(m).astype(np.float32)
    column = rng.standard_normal(n).astype(np.float32)
    options = {"row_scale": row, "column_scale": column}
    if which != "both":
        del options["row_scale" if which == "column" else "column_scale"]
    ones = np.float32(1)
    scale = options.get("row_scale", ones * np.ones(m, np.float32))[:, None]
    scale = scale * options.get("column_scale", ones * np.ones(n, np.float32))
    result = product(a, b, **options)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, product(a, b).astype(np.float32) * scale)


def test_out_is_written_and_returned():
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((7, 90)), rng.standard_normal((20, 90))
    out = np.full((7, 20), 99, np.int32)
    assert product(a, b, out=out) is out
    np.testing.assert_array_equal(out, signs(a) @ signs(b).T)


@given(
    n=st.integers(1, 2),
    channels=st.sampled_from([1, 3, 16, 31, 64, 65, 70]),
    filters=st.sampled_from([1, 5, 16, 17, 40, 130]),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    threads=st.integers(1, 2),
    last=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(max_examples=120, deadline=None)
def test_convolution_pads_with_plus_one_and_is_exact(
    n, channels, filters, size, kernel, stride, padding, threads, last, seed
):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, channels, *size))
    w = rng.standard_normal((filters, channels, *kernel))
    packed_w = kernels.pack_signs(w, 1, panels=bool(seed % 2))
    packed_x = kernels.pack_signs(np.moveaxis(x, 1, 3) if last else x, 3 if last else 1)
    layout = "NHWC" if last else "NCHW"
    if size[0] + 2 * padding < kernel[0] or size[1] + 2 * padding < kernel[1]:
        with pytest.raises(ValueError, match="w must not be larger than the padded image"):
            kernels.xnor_conv2d(packed_x, packed_w, stride, padding, layout=layout)
        return
    result = kernels.xnor_conv2d(
        packed_x, packed_w, stride, padding, layout=layout, num_threads=threads
    )
    assert result.dtype == np.int32
    result = np.moveaxis(result, 3, 1) if last else result
    expected = convolve(signs(x), signs(w), stride, padding, value=1)
    np.testing.assert_array_equal(result, expected)
    np.testing.assert_array_equal(result, reference.xnor_conv2d(x, w, stride, padding))


PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))


@given(
    groups=st.sampled_from([1, 1, 2, 3]),
    channels=st.sampled_from([1, 3, 31, 32, 64, 70]),
    filters=st.sampled_from([1, 5, 16, 17, 40]),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=PAIRS,
    padding=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    dilation=st.sampled_from([1, 1, (1, 2), (3, 1), 2]),
    outside=st.integers(0, 1),
    threads=st.integers(1, 2),
    scaled=st.integers(0, 3),
    last=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(max_examples=120, deadline=None)
def test_convolution_takes_what_torch_s_takes_and_pads_with_0_or_1(
    groups, channels, filters, size, kernel, stride, padding, dilation, outside, threads, scaled,
    last, seed,
):  # fmt: skip
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2, groups * channels, *size))
    w = rng.standard_normal((groups * filters, channels, *kernel))
    reach = dilation if isinstance(dilation, tuple) else (dilation, dilation)
    reach = [d * (k - 1) + 1 for d, k in zip(reach, kernel, strict=True)]
    assume(all(s + 2 * p >= r for s, p, r in zip(size, padding, reach, strict=True)))
    above, left = padding
    padded = np.pad(
        signs(x), ((0, 0), (0, 0), (above, above), (left, left)), constant_values=outside
    )
    expected = torch.nn.functional.conv2d(
        torch.tensor(padded).double(), torch.tensor(signs(w)).double(), stride=stride,
        dilation=dilation, groups=groups,
    ).numpy()  # fmt: skip
    plain = reference.xnor_conv2d(x, w, stride, padding, dilation, groups, outside)
    np.testing.assert_array_equal(plain, expected)
    options = {}
    if scaled & 1:
        options["alpha"] = rng.random(len(w)).astype(np.float32)
    if scaled & 2:
        scale = kernels.xnor_input_scale(x, kernel, stride, padding, dilation=dilation)
        plain = reference.xnor_input_scale(x, kernel, stride, padding, dilation)
        np.testing.assert_allclose(scale, plain, rtol=1e-5)
        options["input_scale"] = scale
    if scaled:
        factor = options.get("alpha", np.ones(len(w), np.float32))[:, None, None]
        factor = factor * options.get("input_scale", np.float32([[[1]]]))[:, None]
        expected = expected.astype(np.float32) * factor
    result = kernels.xnor_conv2d(
        kernels.pack_signs(np.moveaxis(x, 1, 3) if last else x, 3 if last else 1),
        kernels.pack_signs(w, 1, panels=bool(seed % 2)), stride, padding, dilation=dilation,
        groups=groups, padding_value=outside, layout="NHWC" if last else "NCHW",
        num_threads=threads, **options,
    )  # fmt: skip
    np.testing.assert_array_equal(np.moveaxis(result, 3, 1) if last else result, expected)


@pytest.mark.parametrize("stride", [1, 2])
def test_xnor_net_s_scales_agree_in_both_layouts_and_with_the_formula(stride):
    rng = np.random.default_rng(4)
    x = rng.standard_normal((2, 20, 9, 8)).astype(np.float32)
    w = rng.standard_normal((33, 20, 3, 3)).astype(np.float32)
    last = np.ascontiguousarray(np.moveaxis(x, 1, 3))
    alpha = abs(w).mean(axis=(1, 2, 3))
    scale = kernels.xnor_input_scale(x, (3, 3), stride, 1)
    np.testing.assert_allclose(
        kernels.xnor_input_scale(last, (3, 3), stride, 1, layout="NHWC"), scale, rtol=1e-5
    )
    padded = torch.nn.functional.pad(torch.tensor(x).abs().mean(1), (1, 1, 1, 1))
    expected = torch.nn.functional.avg_pool2d(padded, 3, stride).numpy()
    np.testing.assert_allclose(scale, expected, rtol=1e-5)
    plain = reference.xnor_input_scale(x, (3, 3), stride, 1)
    np.testing.assert_allclose(scale, plain, rtol=1e-5)
    packed = kernels.pack_signs(w, 1, panels=True)
    options = {"alpha": alpha, "input_scale": scale}
    first = kernels.xnor_conv2d(kernels.pack_signs(x, 1), packed, stride, 1, **options)
    signs_only = convolve(signs(x), signs(w), stride, 1, value=1).astype(np.float32)
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, signs_only * (alpha[:, None, None] * scale[:, None]))
    second = kernels.xnor_conv2d(
        kernels.pack_signs(last), packed, stride, 1, layout="NHWC", **options
    )
    np.testing.assert_array_equal(np.moveaxis(second, 3, 1), first)


@pytest.mark.parametrize("length", [1, 64, 1920, 1984, 2048, 3904, 4097])
@pytest.mark.parametrize("pattern", ["equal", "opposite", "alternating", "halves"])
def test_sums_as_large_as_they_get_and_carries_that_are_all_of_one_kind(length, pattern):
    k = np.arange(length)
    a = np.ones((5, length))
    b = {
        "equal": a[:1],
        "opposite": -a[:1],
        "alternating": np.where(k // 32 % 2, 1.0, -1.0)[None],
        "halves": np.where(k % 128 < 64, 1.0, -1.0)[None],
    }[pattern].repeat(33, 0)
    result = kernels.xnor_gemm(kernels.pack_signs(a), kernels.pack_signs(b, panels=True))
    np.testing.assert_array_equal(result, a @ b.T)


@pytest.mark.parametrize("layer", [(56, 64), (28, 128), (14, 256), (7, 512)])
def test_resnet_layers_agree_with_torch(layer):
    size, channels = layer
    rng = np.random.default_rng(5)
    x = rng.standard_normal((1, channels, size, size)).astype(np.float32)
    w = rng.standard_normal((channels, channels, 3, 3)).astype(np.float32)
    padded = np.pad(signs(x), ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=1)
    expected = torch.nn.functional.conv2d(
        torch.tensor(padded, dtype=torch.float32), torch.tensor(signs(w), dtype=torch.float32)
    )
    packed = kernels.pack_signs(w, 1, panels=True)
    result = kernels.xnor_conv2d(kernels.pack_signs(x, 1), packed, padding=1)
    np.testing.assert_array_equal(result, expected.numpy())


A = kernels.pack_signs(np.ones((2, 70)))
IMAGE = kernels.pack_signs(np.ones((1, 5, 4, 4)), 1)
FILTER = kernels.pack_signs(np.ones((2, 5, 3, 3)), 1)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: kernels.xnor_gemm(np.ones((2, 70)), A), TypeError, "a must be a PackedBits"),
        (lambda: kernels.xnor_gemm(A, np.ones((2, 70))), TypeError, "b must be a PackedBits"),
        (lambda: kernels.xnor_gemm(A, IMAGE), ValueError, "b must be a matrix packed along its"),
        (
            lambda: kernels.xnor_gemm(A, kernels.pack_signs(np.ones((2, 71)))),
            ValueError,
            "a and b must have the same K, got 70 and 71",
        ),
        (
            lambda: kernels.xnor_gemm(kernels.pack_signs(np.ones((2, 70)), 0), A),
            ValueError,
            "a must be a matrix packed along its last axis",
        ),
        (
            lambda: kernels.xnor_gemm(A, A, row_scale=np.ones(3)),
            ValueError,
            r"row_scale must have shape \(2,\), got \(3,\)",
        ),
        (
            lambda: kernels.xnor_gemm(A, A, column_scale=[1.0, np.nan]),
            ValueError,
            "column_scale must be finite",
        ),
        (
            lambda: kernels.xnor_gemm(A, A, column_scale=[1.0, 1e300]),
            ValueError,
            "column_scale must be finite",
        ),
        (
            lambda: kernels.xnor_gemm(A, A, out=np.zeros((2, 2))),
            ValueError,
            "out must be an array of int32 of shape",
        ),
        (
            lambda: kernels.xnor_gemm(A, A, out=np.zeros(17, np.int8)[1:].view(np.int32)[None]),
            ValueError,
            "out must be an array of int32 of shape",
        ),
        (
            lambda: kernels.xnor_gemm(
                A, A, out=np.zeros(17, np.int8)[1:].view(np.int32).reshape(2, 2)
            ),
            ValueError,
            "out must be C-contiguous, aligned and writeable",
        ),
        (
            lambda: kernels.xnor_gemm(A, A, out=np.zeros((2, 4), np.int32)[:, ::2]),
            ValueError,
            "out must be C-contiguous",
        ),
        (lambda: kernels.xnor_gemm(A, A, num_threads=1.5), TypeError, "num_threads must be a"),
        (lambda: kernels.xnor_gemm(A, A, num_threads=10**6), ValueError, "num_threads must be"),
        (lambda: kernels.xnor_conv2d(A, FILTER), ValueError, "x must have 4 axes"),
        (lambda: kernels.xnor_conv2d(IMAGE, A), ValueError, "w must have 4 axes"),
        (lambda: kernels.xnor_conv2d(3, FILTER), TypeError, "x must be a PackedBits"),
        (
            lambda: kernels.xnor_conv2d(kernels.pack_signs(np.ones((1, 5, 4, 4)), 2), FILTER),
            ValueError,
            "x must be packed along axis 1 in layout NCHW, got 2",
        ),
        (
            lambda: kernels.xnor_conv2d(IMAGE, FILTER, layout="NHWC"),
            ValueError,
            "x must be packed along axis 3 in layout NHWC, got 1",
        ),
        (
            lambda: kernels.xnor_conv2d(IMAGE.as_panels(), FILTER),
            ValueError,
            "x must be stored as rows",
        ),
        (
            lambda: kernels.xnor_conv2d(IMAGE, kernels.pack_signs(np.ones((2, 6, 3, 3)), 1)),
            ValueError,
            "x and w must have the same channels, got 5 and 6",
        ),
        (lambda: kernels.xnor_conv2d(IMAGE, FILTER, 0), ValueError, "stride must be from 1"),
        (lambda: kernels.xnor_conv2d(IMAGE, FILTER, 1, -1), ValueError, "padding must be from 0"),
        (
            lambda: kernels.xnor_conv2d(IMAGE, FILTER, (1, 2, 3)),
            ValueError,
            "stride must be one whole number or a pair",
        ),
        (
            lambda: kernels.xnor_conv2d(IMAGE, FILTER, dilation=0),
            ValueError,
            "dilation must be from 1",
        ),
        (
            lambda: kernels.xnor_conv2d(IMAGE, FILTER, padding_value=-1),
            ValueError,
            "padding_value must be one of 1, 0, got -1",
        ),
        (
            lambda: kernels.xnor_conv2d(IMAGE, FILTER, groups=2),
            ValueError,
            "x and w must have the same channels, got 5 and 5 x 2 groups",
        ),
        (
            lambda: kernels.xnor_conv2d(
                kernels.pack_signs(np.ones((1, 10, 4, 4)), 1),
                FILTER.__class__(FILTER.words[:1], (1, 5, 3, 3), 1),
                groups=2,
            ),
            ValueError,
            "groups must divide the 1 filters, got 2",
        ),
        (
            lambda: kernels.xnor_conv2d(IMAGE, FILTER, alpha=[1.0]),
            ValueError,
            r"alpha must have shape \(2,\)",
        ),
        (
            lambda: kernels.xnor_conv2d(IMAGE, FILTER, input_scale=np.ones((1, 2, 3))),
            ValueError,
            r"input_scale must have shape \(1, 2, 2\)",
        ),
        (
            lambda: kernels.xnor_input_scale(np.full((1, 1, 2, 2), np.nan), (1, 1)),
            ValueError,
            "x must be finite",
        ),
        (
            lambda: kernels.xnor_input_scale(np.ones((1, 1, 2, 2)), (3, 3)),
            ValueError,
            "must not be larger than the padded image",
        ),
        (
            lambda: kernels.xnor_input_scale(np.ones((2, 2)), (1, 1)),
            ValueError,
            "x must have 4 axes",
        ),
    ],
)
def test_bad_input_is_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_filters_whose_sums_do_not_fit_into_32_bits_are_refused():
    many = words.PackedBits.unchecked(np.zeros((1, 64, 64, 1), np.uint64), (1, 2**20, 64, 64), 1)
    with pytest.raises(ValueError, match="w must have at most 2147483647 values a filter"):
        kernels.xnor_conv2d(many, many)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"stride": list(range(10**5))}, ValueError),
        ({"stride": np.arange(10**3)}, TypeError),
        ({"stride": "1" * 10**5}, TypeError),
        ({"padding": 10**5000}, ValueError),
        ({"padding": -(10**99)}, ValueError),
        ({"dilation": [[1] * 10**4] * 2}, TypeError),
        ({"groups": torch.ones(500)}, TypeError),
        ({"layout": "N" * 10**5}, ValueError),
        ({"layout": [1] * 10**5}, ValueError),
        ({"layout": np.array(["NCHW", "NHWC"])}, ValueError),
        ({"padding_value": np.array([1, 0])}, ValueError),
        ({"padding_value": torch.ones(2)}, ValueError),
        ({"alpha": np.ones((50, 50))}, ValueError),
        ({"num_threads": np.ones(500)}, TypeError),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_what_is_refused_is_named_in_a_few_words_however_large_it_is(options, error):
    (name,) = options
    with pytest.raises(error, match=f"^{name} must ") as refused:
        kernels.xnor_conv2d(IMAGE, FILTER, **options)
    assert len(str(refused.value)) < 250


@pytest.mark.filterwarnings("error")
def test_a_number_too_large_for_float32_is_refused_without_a_warning():
    with pytest.raises(ValueError, match="x must be finite in float32, got 4 NaN or infinite"):
        kernels.xnor_input_scale(np.full((1, 1, 2, 2), 1e300), (1, 1))
