"""Codes of images and sums of codes: against their plain references, bit for bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantlib import kernels, uniform
from quantlib.kernels import reference

SHAPES = [(1, 1, 1, 1), (2, 3, 5, 7), (1, 16, 3, 33), (3, 1, 28, 28)]
CODE = st.integers(0, 255)


@pytest.mark.parametrize("threads", [1, None])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_image_codes_are_the_reference_s_and_the_scheme_s(shape, threads):
    rng = np.random.default_rng(0)
    x = rng.normal(0, 2, shape).astype(np.float32)
    x.flat[0] = 1e30
    # Half a step is a tie: it goes to the even code.
    x.flat[1 % x.size :: 3] = (np.arange(x.size)[: x.flat[1 % x.size :: 3].size] - 3) / 8
    qparams = uniform.QParams(0.25, 37, 7, signed=False)
    bounds = {"zero_point": 37, "low": 0, "high": 127}
    found = kernels.image_codes(x, 4.0, **bounds, num_threads=threads)
    assert (found == reference.image_codes(x, 4.0, **bounds)).all()
    assert (found == qparams.quantize(x).transpose(0, 2, 3, 1)).all()
    assert found.dtype == np.uint8 and found.flags.c_contiguous


@given(st.floats(1e-3, 1e3), CODE, st.integers(0, 2**32 - 1))
def test_any_scale(scale, zero_point, seed):
    x = np.random.default_rng(seed).normal(0, 60 * scale, (1, 2, 3, 5)).astype(np.float32)
    qparams = uniform.QParams(float(np.float32(scale)), zero_point, 8, signed=False)
    reciprocal = np.float32(1) / np.float32(scale)
    found = kernels.image_codes(x, reciprocal, zero_point=zero_point, low=0, high=255)
    assert (found == qparams.quantize(x).transpose(0, 2, 3, 1)).all()


@given(
    st.tuples(CODE, CODE), st.tuples(st.integers(0, 2**21), st.integers(0, 2**21)),
    st.integers(1, 30), CODE, st.tuples(CODE, CODE).map(sorted), st.integers(1, 60),
)  # fmt: skip
def test_sums_of_codes_are_those_of_python_integers(zeros, ms, shift, zero, bounds, count):
    rng = np.random.default_rng(count)
    a, b = rng.integers(0, 256, (2, count), np.uint8)
    a[0], b[0], a[-1], b[-1] = 255, 255, 0, 0
    options = dict(
        zero_points=zeros, multipliers=ms, shift=shift, zero_point=zero, low=bounds[0],
        high=bounds[1],
    )  # fmt: skip
    found = kernels.add_codes(a, b, **options)
    assert (found == reference.add_codes(a, b, **options)).all()
    for x, y, code in zip(a.tolist(), b.tolist(), found.tolist(), strict=True):
        total = ms[0] * (x - zeros[0]) + ms[1] * (y - zeros[1])
        assert abs(total) < 2**31
        rounded = (total + 2 ** (shift - 1)) // 2**shift + zero
        assert code == min(max(rounded, bounds[0]), bounds[1])


def test_many_codes_on_several_threads():
    a, b = np.random.default_rng(0).integers(0, 256, (2, 3, 100, 101, 5), np.uint8)
    options = dict(
        zero_points=(3, 200), multipliers=(700_001, 1_999_999), shift=21, zero_point=100, low=100,
        high=255,
    )  # fmt: skip
    found = [kernels.add_codes(a, b, **options, num_threads=n) for n in (1, None)]
    assert (found[0] == reference.add_codes(a, b, **options)).all()
    assert (found[0] == found[1]).all() and found[0].shape == a.shape


GOOD = dict(zero_points=(0, 0), multipliers=(1, 1), shift=1, zero_point=0, low=0, high=255)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"zero_points": (0, 256)}, "zero_points must be .*got 256"),
        ({"zero_points": 0}, "zero_points must be two numbers, got 0"),
        ({"multipliers": (1, 2**21 + 1)}, "multipliers must be"),
        ({"multipliers": (1, 2, 3)}, "multipliers must be two numbers"),
        ({"shift": 0}, "shift must be"),
        ({"shift": 31}, "shift must be"),
        ({"low": 7, "high": 6}, "low must not be above high, got 7 and 6"),
        ({"zero_point": -1}, "zero_point must be"),
    ],
    ids=str,
)
def test_bad_numbers_are_named(changed, words):
    a = np.zeros(3, np.uint8)
    with pytest.raises(ValueError, match=words):
        kernels.add_codes(a, a, **GOOD | changed)


def test_bad_arrays_are_named():
    a = np.zeros(3, np.uint8)
    with pytest.raises(ValueError, match="a and b must have the same shape"):
        kernels.add_codes(a, a[:2], **GOOD)
    with pytest.raises(ValueError, match="b must be from 0 to 255, got 0 to 300"):
        kernels.add_codes(a, np.array([0, 300, 1]), **GOOD)
    with pytest.raises(TypeError, match="a must hold integers"):
        kernels.add_codes(a.astype(float), a, **GOOD)
    with pytest.raises(ValueError, match="images must have 4 axes"):
        kernels.image_codes(np.zeros((2, 2), np.float32), 1.0, zero_point=0, low=0, high=255)
