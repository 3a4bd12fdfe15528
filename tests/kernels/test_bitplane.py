"""Products of ternary values and of codes of a few bits against exact integer NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlib import kernels
from quantlib.kernels import reference

SIZES = st.sampled_from([1, 2, 4, 5, 16, 17, 33, 70])
LENGTHS = st.sampled_from([1, 31, 64, 65, 96, 130, 257])
BITS = st.integers(1, 8)


@given(m=SIZES, n=SIZES, k=LENGTHS, threads=st.integers(1, 2), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_ternary_products_are_exact(m, n, k, threads, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(-1, 2, (m, k)), rng.integers(-1, 2, (n, k))
    packed = kernels.pack_ternary(a), kernels.pack_ternary(b, panels=bool(seed % 2))
    result = kernels.ternary_gemm(*packed, num_threads=threads)
    assert result.dtype == np.int32
    np.testing.assert_array_equal(result, a @ b.T)
    np.testing.assert_array_equal(result, reference.ternary_gemm(a, b))


def codes(rng, shape, bits, signed):
    return rng.integers(0, 2**bits, shape) - (2 ** (bits - 1) if signed else 0)


@given(
    m=SIZES, n=SIZES, k=LENGTHS, a_bits=BITS, b_bits=BITS, a_signed=st.booleans(),
    b_signed=st.booleans(), threads=st.integers(1, 2), seed=st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_products_of_codes_are_exact(m, n, k, a_bits, b_bits, a_signed, b_signed, threads, seed):
    rng = np.random.default_rng(seed)
    a, b = codes(rng, (m, k), a_bits, a_signed), codes(rng, (n, k), b_bits, b_signed)
    result = kernels.bitplane_gemm(
        kernels.pack_planes(a, a_bits, signed=a_signed),
        kernels.pack_planes(b, b_bits, signed=b_signed, panels=bool(seed % 2)),
        num_threads=threads,
    )
    assert result.dtype == np.int32
    np.testing.assert_array_equal(result, a @ b.T)
    np.testing.assert_array_equal(
        result, reference.bitplane_gemm(a, b, a_bits, b_bits, a_signed, b_signed)
    )


@pytest.mark.parametrize("signed", [False, True])
def test_largest_sums_that_are_taken_are_exact(signed):
    k = (2**30 - 1) // 255**2
    worst = np.full((3, k), -128 if signed else 255)
    packed = kernels.pack_planes(worst, 8, signed=signed)
    np.testing.assert_array_equal(kernels.bitplane_gemm(packed, packed), worst @ worst.T)
    longer = kernels.pack_planes(np.zeros((3, k + 1), int), 8, signed=False)
    with pytest.raises(ValueError, match=f"K of at most {k} at 8 and 8 bits.*got {k + 1}"):
        kernels.bitplane_gemm(longer, longer)


def test_out_is_written():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 8, (5, 70))
    out = np.zeros((5, 5), np.int32)
    packed = kernels.pack_planes(a, 3, signed=False)
    assert kernels.bitplane_gemm(packed, packed, out=out) is out
    np.testing.assert_array_equal(out, a @ a.T)
    ternary = kernels.pack_ternary(a % 3 - 1)
    assert kernels.ternary_gemm(ternary, ternary, out=out) is out
    np.testing.assert_array_equal(out, (a % 3 - 1) @ (a % 3 - 1).T)


PLANES, TERNARY = kernels.pack_planes(np.zeros((2, 5), int), 1), kernels.pack_ternary([[1, 0]])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: kernels.ternary_gemm(PLANES, TERNARY), TypeError, "a must be a PackedTernary"),
        (lambda: kernels.ternary_gemm(TERNARY, PLANES), TypeError, "b must be a PackedTernary"),
        (lambda: kernels.bitplane_gemm(TERNARY, PLANES), TypeError, "a must be a PackedPlanes"),
        (lambda: kernels.bitplane_gemm(PLANES, 3), TypeError, "b must be a PackedPlanes"),
        (
            lambda: kernels.bitplane_gemm(PLANES, kernels.pack_planes(np.zeros((2, 6), int), 1)),
            ValueError,
            "a and b must have the same K, got 5 and 6",
        ),
        (
            lambda: kernels.ternary_gemm(TERNARY, kernels.pack_ternary([[1, 0, 1]])),
            ValueError,
            "a and b must have the same K, got 2 and 3",
        ),
        (
            lambda: kernels.ternary_gemm(TERNARY, TERNARY, out=np.zeros((1, 1))),
            ValueError,
            "out must be an array of int32",
        ),
    ],
)
def test_bad_input_is_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()
