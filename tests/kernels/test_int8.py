"""Products of 8-bit integers, against torch's in float64 and Python's own integers."""

import copy
import itertools
import math
import os
import pickle
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from llvmlite import binding

from quantlib import kernels
from quantlib.kernels import Int8Panels, Requantization, _int8_tile, reference

ROOT = Path(__file__).resolve().parents[2]

SEEDS = st.integers(0, 999)
THREADS = st.integers(1, 2)


def rounded(total, multiplier, shift, zero_point, low, high):
    """Requantize a sum in Python's integers, by division: floor(x + 1/2)."""
    code = zero_point + (total * multiplier * 2 + 2**shift) // 2 ** (shift + 1)
    return max(low, min(high, code))


def requantized(sums, r):
    """Requantize sums, the outputs along axis 1."""
    columns = [
        [rounded(int(total), int(m), int(s), r.zero_point, r.low, r.high) for total in column.flat]
        for column, m, s in zip(np.moveaxis(sums, 1, 0), r.multiplier, r.shift, strict=True)
    ]
    moved = np.moveaxis(sums, 1, 0).shape
    return np.moveaxis(np.uint8(columns).reshape(moved), 0, 1)


def scales(rng, sums, kind):
    """Return a `Requantization` of outputs along axis 1.

    Of ``kind`` 0 it takes most sums to codes between its limits; of others, shifts are any at all,
    or small ones.
    """
    n = sums.shape[1]
    multiplier = rng.integers(2**30, 2**31, n)
    multiplier[rng.random(n) < 0.1] = 0
    largest = abs(np.int64(sums)).max(axis=tuple({*range(sums.ndim)} - {1})) + 1
    fitting = 31 + np.int64(np.log2(largest / 100)).clip(-20, 31)
    shift = [fitting, rng.integers(1, 63, n), rng.integers(19, 36, n)][kind]
    zero_point, *limits = rng.integers(0, 256, 3)
    return Requantization(multiplier, shift, zero_point, min(limits), max(limits))


def weights_and_bias(rng, shape, asymmetric):
    w = rng.integers(-128, 128, shape)
    bias = rng.integers(-(2**20), 2**20, shape[0])
    return w, rng.integers(-128, 128, shape[0]) if asymmetric else 0, bias


@given(
    m=st.integers(1, 9) | st.sampled_from([12, 13, 193, 200]),
    n=st.sampled_from([1, 10, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 80, 100, 130]),
    k=st.integers(1, 20) | st.sampled_from([63, 64, 65, 255, 500]),
    kind=st.integers(0, 2),
    threads=THREADS,
    seed=SEEDS,
)
@settings(max_examples=100, deadline=None)
def test_matrices(m, n, k, kind, threads, seed):
    rng = np.random.default_rng(seed)
    a, z = rng.integers(0, 256, (m, k)), int(rng.integers(0, 256))
    w, zero_point, bias = weights_and_bias(rng, (n, k), seed % 2)
    panels = kernels.pack_int8(w, zero_point=zero_point)
    np.testing.assert_array_equal(kernels.unpack_int8(panels), w)
    a = a.astype([np.uint8, np.int64, ">u2"][seed % 3], order="CF"[seed % 2])
    result = kernels.int8_gemm(a, panels, zero_point=z, bias=bias, num_threads=threads)
    assert result.dtype == np.int32
    less = w - np.reshape(zero_point, (-1, 1))
    exact = torch.tensor(np.int64(a) - z) @ torch.tensor(less).T + torch.tensor(bias)
    np.testing.assert_array_equal(result, exact.numpy())
    np.testing.assert_array_equal(result, reference.int8_gemm(a, w, z, zero_point, bias))
    r = scales(rng, result, kind)
    codes = kernels.int8_gemm(
        a, panels, zero_point=z, bias=bias, requantization=r, num_threads=threads
    )
    assert codes.dtype == np.uint8
    np.testing.assert_array_equal(codes, requantized(result, r))
    plain = reference.requantize(result, r.multiplier, r.shift, r.zero_point, r.low, r.high)
    np.testing.assert_array_equal(codes, plain)


def check_convolution(x, w, how, zero_point, w_zero_point, bias, kind, threads, layout, rng):
    """Hold sums and codes of a convolution against torch's, in float64, and the plain twin."""
    stride, padding, dilation, groups = how
    panels = kernels.pack_int8(w, zero_point=w_zero_point)
    np.testing.assert_array_equal(kernels.unpack_int8(panels), w)
    last = layout == "NHWC"
    given_ = np.moveaxis(x, 1, 3) if last else x

    def convolve(requantization=None):
        found = kernels.int8_conv2d(
            given_, panels, stride, padding, dilation=dilation, groups=groups,
            zero_point=zero_point, bias=bias, requantization=requantization, layout=layout,
            num_threads=threads,
        )  # fmt: skip
        return np.moveaxis(found, 3, 1) if last else found

    sums = convolve()
    less = w - np.reshape(w_zero_point, (-1, 1, 1, 1))
    operands = torch.tensor(np.float64(x) - zero_point), torch.tensor(np.float64(less))
    exact = torch.nn.functional.conv2d(
        *operands, torch.tensor(np.float64(bias)), stride, padding, dilation, groups
    )
    assert sums.dtype == np.int32
    np.testing.assert_array_equal(sums, exact.numpy())
    twin = reference.int8_conv2d(
        x, w, stride, padding, dilation, groups, zero_point, w_zero_point, bias
    )
    np.testing.assert_array_equal(sums, twin)
    r = scales(rng, sums, kind)
    np.testing.assert_array_equal(convolve(r), requantized(sums, r))


PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))


@given(
    n_images=st.integers(1, 2),
    channels=st.sampled_from([1, 2, 3, 4, 5, 8, 16]),
    filters=st.sampled_from([1, 3, 16, 17, 20, 64, 70]),
    groups=st.sampled_from([1, 1, 2, 3]),
    size=st.tuples(st.integers(7, 12), st.integers(7, 12)),
    kernel_size=PAIRS,
    stride=PAIRS,
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    dilation=PAIRS,
    options=st.tuples(st.integers(0, 2), THREADS, st.sampled_from(["NCHW", "NHWC"])),
    seed=SEEDS,
)
@settings(max_examples=100, deadline=None)
def test_convolutions(
    n_images, channels, filters, groups, size, kernel_size, stride, padding, dilation, options, seed
):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (n_images, channels * groups, *size), dtype=np.uint8)
    w, w_zero_point, bias = weights_and_bias(
        rng, (filters * groups, channels, *kernel_size), seed % 2
    )
    how = stride, padding, dilation, groups
    zero_point = int(rng.integers(0, 256))
    check_convolution(x, w, how, zero_point, w_zero_point, bias, *options, rng)


@given(
    channels=st.sampled_from([2, 3, 8, 16, 24, 31, 32, 48, 63, 64, 65, 96, 128, 130]),
    multiplier=st.sampled_from([1, 1, 1, 2, 3]),
    size=st.tuples(st.integers(5, 9), st.integers(5, 9)),
    kernel_size=st.sampled_from([(1, 1), (3, 3), (3, 3), (5, 5), (1, 3), (2, 2), (3, 5)]),
    stride=PAIRS,
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    dilation=st.sampled_from([(1, 1), (1, 1), (2, 1), (1, 2)]),
    options=st.tuples(st.integers(0, 2), THREADS, st.sampled_from(["NCHW", "NHWC"])),
    seed=SEEDS,
)
@settings(max_examples=100, deadline=None)
def test_depthwise_convolutions(
    channels, multiplier, size, kernel_size, stride, padding, dilation, options, seed
):
    size = tuple(
        max(s, d * (k - 1) + 1) for s, d, k in zip(size, dilation, kernel_size, strict=True)
    )
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (2, channels, *size), dtype=np.uint8)
    w, w_zero_point, bias = weights_and_bias(
        rng, (channels * multiplier, 1, *kernel_size), seed % 4 == 0
    )
    how = stride, padding, dilation, channels
    zero_point = int(rng.integers(0, 256))
    check_convolution(x, w, how, zero_point, w_zero_point, bias, *options, rng)


@pytest.mark.parametrize("shift", [31, 32, 33, 34])
def test_ties_are_rounded_up_below_zero_too(shift):
    """Multiplied by 1/2, 1/4, 1/8 or 1/16, sums from -16 to 16 have ties on both sides of zero."""
    a, panels = np.arange(33, dtype=np.uint8)[:, None], kernels.pack_int8([[1]])
    r = Requantization([2**30], [shift], 100, 0, 255)
    codes = kernels.int8_gemm(a, panels, bias=[-16], requantization=r)[:, 0]
    exact = [Fraction(total, 2 ** (shift - 30)) for total in range(-16, 17)]
    assert any(value % 1 == Fraction(1, 2) and value < 0 for value in exact)
    assert codes.tolist() == [100 + math.floor(value + Fraction(1, 2)) for value in exact]


@pytest.mark.parametrize("length", [1000, 65_000])
@pytest.mark.parametrize(("code", "weight"), list(itertools.product([0, 255], [-128, 127])))
def test_largest_sums_are_exact(code, weight, length):
    a, w = np.full((7, length), code, np.uint8), np.full((33, length), weight, np.int8)
    panels = kernels.pack_int8(w)
    for z in (0, 255):
        sums = kernels.int8_gemm(a, panels, zero_point=z)
        assert (sums == length * (code - z) * weight).all()
    x = np.full((1, 65, 3, 3), code, np.uint8)
    filters = kernels.pack_int8(np.full((65, 1, 3, 3), weight))
    sums = kernels.int8_conv2d(x, filters, groups=65)
    assert (sums == 9 * code * weight).all()


def test_sums_that_could_leave_32_bits_are_refused():
    longest = (2**31 - 1) // (255 * 128)
    panels = kernels.pack_int8(np.full((2, longest), -128, np.int8))
    a = np.full((1, longest), 255, np.uint8)
    spare = 2**31 - 1 - longest * 255 * 128
    found = kernels.int8_gemm(a, panels, bias=[-spare, 0])
    assert found.tolist() == [[-(2**31) + 1, spare - 2**31 + 1]]
    with pytest.raises(ValueError, match=r"below 2\*\*31, got .* 2147483648 in output 1"):
        kernels.int8_gemm(a, panels, bias=[spare, -spare - 1])
    with pytest.raises(ValueError, match=r"below 2\*\*31"):
        kernels.int8_gemm(
            np.zeros((1, longest + 1), np.uint8),
            kernels.pack_int8(np.full((2, longest + 1), -128, np.int8)),
        )


@pytest.mark.parametrize(
    ("shape", "groups"), [((3, 96, 21, 24), 1), ((1, 64, 41, 100), 64), ((1, 64, 41, 100), 2)]
)
def test_threads_and_bands_give_the_same(shape, groups):
    """One band for one thread and several for two, or several for both."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, shape, dtype=np.uint8)
    w = rng.integers(-128, 128, (shape[1], shape[1] // groups, 3, 3))
    exact = torch.nn.functional.conv2d(
        torch.tensor(np.float64(x) - 3), torch.tensor(np.float64(w)), padding=1, groups=groups
    )
    for threads in (1, 2):
        sums = kernels.int8_conv2d(
            x, kernels.pack_int8(w), 1, 1, groups=groups, zero_point=3, num_threads=threads
        )
        np.testing.assert_array_equal(sums, exact.numpy())


PANELS = kernels.pack_int8(np.arange(15).reshape(3, 5))
FILTERS = kernels.pack_int8(np.ones((4, 2, 3, 3), int))
SCALES = Requantization([2**30] * 3, [31] * 3, 0, 0, 255)
ROW, IMAGE = np.zeros((1, 5), np.uint8), np.zeros((1, 2, 5, 5), np.uint8)


@pytest.mark.parametrize(
    "again",
    [copy.copy, copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_copies_are_looked_at_and_nobody_can_write_to_them(again):
    panels, scale = again(PANELS), again(SCALES)
    np.testing.assert_array_equal(panels.codes, PANELS.codes)
    np.testing.assert_array_equal(scale.multiplier, SCALES.multiplier)
    for array in (panels.codes, panels.zero_point, scale.multiplier, scale.shift):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_what_panels_know():
    assert PANELS.shape == (3, 5) and PANELS.nbytes == 16 * 8
    assert PANELS.sums.tolist() == [10, 35, 60] and PANELS.sums.dtype == np.int32
    shifted = kernels.pack_int8(np.arange(15).reshape(3, 5), zero_point=np.array([0, 7, -1]))
    assert shifted.reach.tolist() == [10, 6, 65]
    assert shifted.zero_point.tolist() == [0, 7, -1]


def codes(place, value):
    found = PANELS.codes.copy()
    found[place] = value
    return found


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: kernels.pack_int8([[128]]), ValueError, "weight must be from -128 to 127"),
        (lambda: kernels.pack_int8([[0.5]]), TypeError, "weight must hold integers"),
        (lambda: kernels.pack_int8([1]), ValueError, "weight must have 2 or 4 axes"),
        (
            lambda: kernels.pack_int8([[1]], zero_point=[1, 2]),
            ValueError,
            "zero_point must be one number or 1, got shape",
        ),
        (lambda: kernels.pack_int8([[1]], zero_point=128), ValueError, "zero_point must be from"),
        (lambda: kernels.unpack_int8(3), TypeError, "panels must be a Int8Panels, as pack_int8"),
        (
            lambda: Int8Panels(codes((0, 1, 0, 1), 1), (3, 5), PANELS.zero_point),
            ValueError,
            "codes must be 0 where they fill up",
        ),
        (
            lambda: Int8Panels(codes((0, 0, 3, 0), 1), (3, 5), PANELS.zero_point),
            ValueError,
            "codes must be 0 where they fill up",
        ),
        (
            lambda: Int8Panels(PANELS.codes, (3, 9), PANELS.zero_point),
            ValueError,
            "codes must be int8 of shape",
        ),
        (
            lambda: Requantization([2**30 - 1], [31], 0, 0, 255),
            ValueError,
            r"multiplier must be from 2\*\*30 to 2\*\*31 - 1, or 0, got 1073741823",
        ),
        (lambda: Requantization([2**31], [31], 0, 0, 255), ValueError, "multiplier must be from"),
        (lambda: Requantization([2**30], [63], 0, 0, 255), ValueError, "shift must be from 1 to"),
        (lambda: Requantization([2**30], [0], 0, 0, 255), ValueError, "shift must be from 1 to"),
        (
            lambda: Requantization([2**30], [31, 31], 0, 0, 255),
            ValueError,
            "multiplier and shift must have the same length, got 1 and 2",
        ),
        (lambda: Requantization([2**30], [31], 256, 0, 9), ValueError, "zero_point must be from 0"),
        (lambda: Requantization([2**30], [31], 0, 9, 8), ValueError, "low must be at most high"),
        (lambda: Requantization([2**30], [31], 0, -1, 8), ValueError, "low must be from 0 to 255"),
        (
            lambda: kernels.int8_gemm(ROW, np.ones((3, 5))),
            TypeError,
            "weights must be a Int8Panels, as pack_int8 gives, got ndarray",
        ),
        (
            lambda: kernels.int8_gemm(ROW[:, :4], PANELS),
            ValueError,
            r"a and weights must have the same K, got shapes \(1, 4\) and \(3, 5\)",
        ),
        (lambda: kernels.int8_gemm(ROW - 1.0, PANELS), TypeError, "a must hold integers"),
        (lambda: kernels.int8_gemm(ROW[0], PANELS), ValueError, "a must have 2 axes"),
        (lambda: kernels.int8_gemm(np.int8(ROW) - 1, PANELS), ValueError, "a must be from 0 to"),
        (
            lambda: kernels.int8_gemm(ROW, PANELS, zero_point=256),
            ValueError,
            "zero_point must be from 0 to 255, got 256",
        ),
        (lambda: kernels.int8_gemm(ROW, PANELS, bias=[1]), ValueError, "bias must have 3 values"),
        (lambda: kernels.int8_gemm(ROW, PANELS, bias=[0.5] * 3), TypeError, "bias must hold integ"),
        (
            lambda: kernels.int8_gemm(ROW, PANELS, bias=[2**31] * 3),
            ValueError,
            "bias must be from",
        ),
        (
            lambda: kernels.int8_gemm(ROW, PANELS, requantization=3),
            TypeError,
            "requantization must be a Requantization",
        ),
        (
            lambda: kernels.int8_gemm(
                ROW, PANELS, requantization=Requantization([2**30], [31], 0, 0, 255)
            ),
            ValueError,
            "requantization must have 3 multipliers, one for each output, got 1",
        ),
        (lambda: kernels.int8_conv2d(IMAGE, PANELS), ValueError, "weights must have 4 axes"),
        (lambda: kernels.int8_conv2d(IMAGE[0], FILTERS), ValueError, "x must have 4 axes"),
        (
            lambda: kernels.int8_conv2d(IMAGE, FILTERS, groups=2),
            ValueError,
            "x and w must have the same channels, got 2 and 2 x 2 groups",
        ),
        (lambda: kernels.int8_conv2d(IMAGE, FILTERS, layout="HW"), ValueError, "layout must be"),
        (lambda: kernels.int8_conv2d(IMAGE, FILTERS, 0), ValueError, "stride must be from 1"),
        (lambda: kernels.int8_conv2d(IMAGE, FILTERS, dilation=3), ValueError, "w must not be"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()


#: Exact checks, then the machine code of all loops: what is read from disk would have none.
ASSEMBLY = """
import numpy as np
from numba.core.caching import NullCache
from quantlib.kernels import _int8_depthwise, _int8_loops
from tests.kernels.checks import CHECKS
loops = [
    loops.serial
    for loops in (_int8_loops.multiply, _int8_depthwise._by_fours, _int8_depthwise._by_taps)
]
for loop in loops:
    loop._cache = NullCache()
for name in ("int8_gemm", "int8_conv2d", "int8_depthwise"):
    CHECKS[name](np.random.default_rng(0), 1)
for loop in loops:
    print(*loop.inspect_asm().values(), sep="\\n")
"""


def assembly(folder, **environment):
    """Run exact checks in a process of its own; return the machine code that did them."""
    done = subprocess.run(
        [sys.executable, "-c", ASSEMBLY],
        cwd=ROOT,
        env={**os.environ, "NUMBA_CACHE_DIR": str(folder), **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def innermost(listing, instruction):
    """Return the lines of each loop without a branch in it that has the instruction."""
    blocks = re.split(r"^\.LBB", listing, flags=re.MULTILINE)
    return [block.splitlines() for block in blocks if instruction in block]


@pytest.mark.slow
@pytest.mark.skipif(not _int8_tile.FOUR_BYTES, reason="a processor without VNNI")
def test_four_products_an_instruction_and_sums_stay_in_registers(tmp_path):
    """A tile, six rows of four panels: 24 products, 6 rows' words, and no register on the stack.

    Three times four taps of 64 channels: 12 products for one row of the result, 24 for two.
    """
    loops = innermost(assembly(tmp_path), "vpdpbusd")
    stacked, depthwise = [], []
    for loop in loops:
        products = [i for i, line in enumerate(loop) if "vpdpbusd" in line]
        body = loop[: products[-1]]
        if any("vpunpcklbw" in line for line in body):
            depthwise.append(len(products))
        elif len(products) == 24 and sum("vpbroadcastd" in line for line in body) == 6:
            stacked.append([line for line in body if "zmm" in line and "%rsp" in line])
    assert stacked and not any(stacked)
    assert {12, 24} <= set(depthwise)


#: Features of processors that are older, and the instruction and register that they are left with.
PROCESSORS = {
    "AVX-512 without VNNI": (
        "avx2 avx sse4.2 sse4.1 ssse3 avx512f avx512bw avx512vl avx512dq", "vpmaddwd", "zmm",
    ),
    "AVX2": ("avx2 avx sse4.2 sse4.1 ssse3", "vpmaddwd", "ymm"),
    "none of these": ("", "", "xmm"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", PROCESSORS)
def test_right_on_a_processor_with(name, tmp_path):
    features, instruction, register = PROCESSORS[name]
    mine = binding.get_host_cpu_features()
    if not all(mine.get(feature) for feature in features.split()):
        pytest.skip("this processor has less")
    listing = assembly(
        tmp_path,
        NUMBA_CPU_NAME="generic",
        NUMBA_CPU_FEATURES=",".join(f"+{feature}" for feature in features.split()),
    )
    lines = listing.splitlines()
    assert "vpdpbusd" not in listing and "zmm" not in listing.replace(register, "")
    assert [line for line in lines if instruction in line and register in line]
