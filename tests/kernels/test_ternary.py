"""Products of 8-bit integers with ternary weights against exact integer NumPy."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlib import kernels
from quantlib.kernels import TernaryPanels

ROWS = st.sampled_from([1, 2, 3, 4, 5, 63, 64, 65, 130])
OUTPUTS = st.sampled_from([1, 15, 16, 17, 33, 100])
LENGTHS = st.sampled_from([1, 15, 16, 17, 240, 241, 256, 500])
PANELS = kernels.pack_ternary_panels(np.ones((3, 5)))


@given(m=ROWS, n=OUTPUTS, k=LENGTHS, threads=st.integers(1, 2), seed=st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_products_are_exact(m, n, k, threads, seed):
    rng = np.random.default_rng(seed)
    x, w = rng.integers(-128, 128, (m, k)), rng.integers(-1, 2, (n, k))
    panels = kernels.pack_ternary_panels(w)
    np.testing.assert_array_equal(kernels.unpack_ternary_panels(panels), w)
    x = x.astype([np.int8, np.int64, ">i2"][seed % 3], order="CF"[seed % 2])
    result = kernels.ternary_int8_gemm(x, panels, num_threads=threads)
    assert result.dtype == np.int32
    np.testing.assert_array_equal(result, x.astype(np.int64) @ w.T)


@pytest.mark.parametrize("value", [-128, 127])
@pytest.mark.parametrize("weight", [-1, 0, 1])
def test_largest_sums_are_exact(value, weight):
    x, w = np.full((5, 5000), value, np.int8), np.full((3, 5000), weight)
    result = kernels.ternary_int8_gemm(x, kernels.pack_ternary_panels(w))
    assert (result == 5000 * value * weight).all()


def test_two_bits_a_weight_and_out_is_written():
    panels = kernels.pack_ternary_panels(np.ones((64, 160)))
    assert panels.nbytes == 64 * 160 / 4
    out = np.zeros((2, 64), np.int32)
    x = np.ones((2, 160), np.int8)
    assert kernels.ternary_int8_gemm(x, panels, out=out) is out
    assert (out == 160).all()


@pytest.mark.parametrize(
    "again",
    [copy.copy, copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_copies_are_looked_at_and_nobody_can_write_to_them(again):
    copied = again(PANELS)
    np.testing.assert_array_equal(copied.codes, PANELS.codes)
    with pytest.raises(ValueError, match="read-only"):
        copied.codes[0] = 0


def codes(place, value):
    found = PANELS.codes.copy()
    found[place] = value
    return found


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: TernaryPanels(codes((0, 0, 0, 0), 3), (3, 5)),
            ValueError,
            "codes must be 0, 1 or 2",
        ),
        (lambda: TernaryPanels(codes((0, 0, 3, 0), 2), (3, 5)), ValueError, "weights of 0 behind"),
        (lambda: TernaryPanels(codes((0, 0, 0, 1), 0), (3, 5)), ValueError, "weights of 0 behind"),
        (lambda: TernaryPanels(PANELS.codes, (3, 17)), ValueError, "codes must be uint8 of shape"),
        (lambda: TernaryPanels([1], (3, 5)), TypeError, "codes must be a NumPy array, got list"),
        (lambda: TernaryPanels(PANELS.codes, (3,)), ValueError, "shape must have 2 axes, got 1"),
        (
            lambda: kernels.pack_ternary_panels([[2]]),
            ValueError,
            "w must hold -1, 0 and 1 only, got 2",
        ),
        (lambda: kernels.pack_ternary_panels([1]), ValueError, "w must have 2 axes"),
        (lambda: kernels.unpack_ternary_panels(3), TypeError, "panels must be a TernaryPanels"),
        (
            lambda: kernels.ternary_int8_gemm(np.ones((2, 5), int), np.ones((3, 5))),
            TypeError,
            "weights must be a TernaryPanels, as pack_ternary_panels gives, got ndarray",
        ),
        (
            lambda: kernels.ternary_int8_gemm(np.ones((2, 6), int), PANELS),
            ValueError,
            "x and weights must have the same K, got 6 and 5",
        ),
        (
            lambda: kernels.ternary_int8_gemm(np.full((2, 5), 128), PANELS),
            ValueError,
            "x must be from -128 to 127, got 128 to 128",
        ),
        (
            lambda: kernels.ternary_int8_gemm(np.ones((2, 5), np.float32), PANELS),
            TypeError,
            "x must hold integers, got dtype float32",
        ),
        (
            lambda: kernels.ternary_int8_gemm(np.ones((2, 5), int), PANELS, out=np.zeros((2, 3))),
            ValueError,
            "out must be an array of int32",
        ),
    ],
    ids=[
        "three",
        "row",
        "place",
        "blocks",
        "list",
        "axes",
        "two",
        "vector",
        "number",
        "array",
        "K",
        "range",
        "real",
        "out",
    ],
)
def test_bad_input_is_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()
