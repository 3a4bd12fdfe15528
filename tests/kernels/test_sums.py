"""Products of sums of binary bases against the same sums in plain NumPy and torch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlib import kernels

SIZES = st.sampled_from([1, 4, 5, 16, 17, 33, 65])
BASES = st.integers(1, 3)


def signs(rng, *shape):
    return np.where(rng.random(shape) < 0.5, -1.0, 1.0)


@given(
    m=SIZES,
    n=SIZES,
    k=st.sampled_from([1, 31, 64, 65, 130, 257]),
    a_bases=BASES,
    b_bases=BASES,
    each=st.booleans(),
    biased=st.booleans(),
    threads=st.integers(1, 2),
    seed=st.integers(0, 99),
)
@settings(max_examples=80, deadline=None)
def test_products_are_those_of_the_sums(m, n, k, a_bases, b_bases, each, biased, threads, seed):
    rng = np.random.default_rng(seed)
    a, b = signs(rng, a_bases, m, k), signs(rng, b_bases, n, k)
    alpha = rng.normal(size=(b_bases, n) if each else b_bases)
    beta, bias = rng.normal(size=a_bases), rng.normal(size=n) if biased else None
    result = kernels.xnor_sum_gemm(
        [kernels.pack_signs(x) for x in a],
        [kernels.pack_signs(x, panels=bool(seed % 2)) for x in b],
        alpha,
        beta,
        bias=bias,
        num_threads=threads,
    )
    left = np.tensordot(beta, a, 1)
    right = (alpha.reshape(b_bases, -1, 1) * b).sum(0)
    expected = left @ right.T + (0 if bias is None else bias)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5 * k)


CASES = {
    "plain": {},
    "padded": {"padding": 1},
    "padded with ones": {"padding": (2, 1), "padding_value": 1},
    "strided": {"stride": (2, 1), "padding": 1},
    "dilated": {"dilation": 2, "padding": (0, 3)},
    "grouped": {"groups": 2, "padding": 1},
}


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("n_bases", "m_bases"), [(1, 1), (1, 3), (3, 1), (2, 3)])
def test_convolutions_are_those_of_the_sums(name, layout, n_bases, m_bases):
    options, rng = dict(CASES[name]), np.random.default_rng(5)
    groups, value = options.get("groups", 1), options.pop("padding_value", 0)
    x, w = signs(rng, n_bases, 2, 6, 9, 11), signs(rng, m_bases, 36, 6 // groups, 3, 3)
    alpha, beta, bias = (
        rng.normal(size=(m_bases, 36)),
        rng.normal(size=n_bases),
        rng.normal(size=36),
    )
    axis = 1 if layout == "NCHW" else 3
    images = [kernels.pack_signs(np.moveaxis(basis, 1, axis), axis) for basis in x]
    filters = [kernels.pack_signs(basis, 1, panels=True) for basis in w]
    left = np.tensordot(beta, x, 1)
    right = (alpha[:, :, None, None, None] * w).sum(0)
    padding = np.broadcast_to(options.pop("padding", 0), 2)
    edges = ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2)
    padded = np.pad(left, edges, constant_values=value * beta.sum())
    right_sum = torch.nn.functional.conv2d(
        torch.from_numpy(padded), torch.from_numpy(right), torch.from_numpy(bias), **options
    ).numpy()
    for threads in (1, 2):
        result = kernels.xnor_sum_conv2d(
            images,
            filters,
            alpha,
            beta,
            padding=tuple(map(int, padding)),
            padding_value=value,
            bias=bias,
            layout=layout,
            num_threads=threads,
            **options,
        )
        np.testing.assert_allclose(np.moveaxis(result, axis, 1), right_sum, rtol=1e-5, atol=1e-4)


def test_many_pixels_and_filters_and_out_is_written():
    """More than one block of both, the last of each cut off."""
    rng = np.random.default_rng(1)
    x, w = signs(rng, 2, 1, 20, 13, 12), signs(rng, 2, 150, 20, 3, 3)
    images = [kernels.pack_signs(basis, 1) for basis in x]
    filters = [kernels.pack_signs(basis, 1, panels=True) for basis in w]
    out = np.empty((1, 150, 13, 12), np.float32)
    result = kernels.xnor_sum_conv2d(images, filters, [0.5, 0.25], [1.0, 2.0], padding=1, out=out)
    assert result is out
    single = [
        [kernels.xnor_conv2d(i, f, padding=1, padding_value=0) for f in filters] for i in images
    ]
    expected = sum(
        b * a * single[n][m] for n, b in enumerate([1.0, 2.0]) for m, a in enumerate([0.5, 0.25])
    )
    np.testing.assert_allclose(result, expected, atol=1e-4)  # all are quarters: exact but for 0 s
    assert (result == expected.astype(np.float32)).all()


BITS = kernels.pack_signs(np.ones((2, 5)))
IMAGE = kernels.pack_signs(np.ones((1, 2, 4, 4)), 1)
FILTER = kernels.pack_signs(np.ones((3, 2, 3, 3)), 1)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: kernels.xnor_sum_gemm(BITS, [BITS], [1], [1]), TypeError, "a must be a list"),
        (lambda: kernels.xnor_sum_gemm([BITS], [], [1], [1]), TypeError, "b must be a list"),
        (lambda: kernels.xnor_sum_gemm([BITS], [3], [1], [1]), TypeError, "b must be a PackedBits"),
        (
            lambda: kernels.xnor_sum_gemm(
                [BITS, kernels.pack_signs(np.ones((3, 5)))], [BITS], [1], [1, 1]
            ),
            ValueError,
            "a must have bases of one shape",
        ),
        (
            lambda: kernels.xnor_sum_gemm([BITS], [BITS], [1, 2], [1]),
            ValueError,
            r"alpha must have shape \(1,\) or \(1, 2\), got \(2,\)",
        ),
        (
            lambda: kernels.xnor_sum_gemm([BITS], [BITS], [1], [1, 2]),
            ValueError,
            r"beta must have shape \(1,\), got \(2,\)",
        ),
        (
            lambda: kernels.xnor_sum_gemm([BITS], [BITS], [1], [1], bias=[1, 2, 3]),
            ValueError,
            r"bias must have shape \(2,\), got \(3,\)",
        ),
        (
            lambda: kernels.xnor_sum_gemm([BITS], [BITS], [np.nan], [1]),
            ValueError,
            "alpha must be finite in float32",
        ),
        (
            lambda: kernels.xnor_sum_gemm([BITS], [BITS], [1], [1e300]),
            ValueError,
            "beta must be finite in float32",
        ),
        (
            lambda: kernels.xnor_sum_conv2d([IMAGE], [FILTER, BITS], [1, 1], [1]),
            ValueError,
            "w must have 4 axes",
        ),
        (
            lambda: kernels.xnor_sum_conv2d([IMAGE], [FILTER], [1], [1], out=np.zeros(3)),
            ValueError,
            "out must be an array of float32",
        ),
    ],
    ids=[
        "bits",
        "none",
        "number",
        "shapes",
        "alpha",
        "beta",
        "bias",
        "nan",
        "huge",
        "axes",
        "out",
    ],
)
def test_bad_input_is_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()
