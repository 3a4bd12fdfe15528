"""Packed storage: real bytes, round trips, files."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from quantlib import uniform
from quantlib.packed.tensor import PackedTensor, pack

QPARAMS = uniform.QParams(0.5, 0, 4, narrow_range=True)


@st.composite
def codes_and_width(draw):
    bit_width, signed = draw(st.integers(1, 16)), draw(st.booleans())
    low = -(2 ** (bit_width - 1)) if signed else 0
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, max_side=9))
    elements = st.integers(low, low + 2**bit_width - 1)
    return draw(hnp.arrays(np.int32, shape, elements=elements)), bit_width, signed


def bits_one_by_one(codes, bit_width):
    """The layout as documented, written out: value i starts at bit i * bit_width."""
    stream = [(int(c) >> k) & 1 for c in codes.ravel() for k in range(bit_width)]
    stream += [0] * (-len(stream) % 8)
    return [sum(stream[i + k] << k for k in range(8)) for i in range(0, len(stream), 8)]


@given(codes_and_width())
@settings(max_examples=300, deadline=None)
def test_round_trip_and_layout(case):
    codes, bit_width, signed = case
    packed = pack(codes, bit_width, signed=signed)
    np.testing.assert_array_equal(packed.unpack(), codes)
    assert packed.unpack().shape == codes.shape
    assert packed.nbytes == -(-codes.size * bit_width // 8)
    assert packed.data.tolist() == bits_one_by_one(codes, bit_width)


@pytest.mark.parametrize("library", [np.asarray, torch.tensor])
@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8"])
def test_the_ends_of_every_integer_type(library, dtype):
    ends = np.iinfo(dtype)
    for bit_width in range(1, 17):
        for signed in (False, True):
            low = -(2 ** (bit_width - 1)) if signed else 0
            wanted = [max(low, ends.min), 0, min(low + 2**bit_width - 1, ends.max)]
            codes = library(np.array(wanted, dtype))
            assert pack(codes, bit_width, signed=signed).unpack().tolist() == wanted
            for beyond in (low - 1, low + 2**bit_width):
                if ends.min <= beyond <= ends.max:
                    with pytest.raises(ValueError, match="codes must be from"):
                        pack(library(np.array([0, beyond], dtype)), bit_width, signed=signed)


def test_the_parameters_of_a_scheme_know_width_and_sign():
    x = np.linspace(-3.0, 3.0, 50, dtype=np.float32)
    for bit_width in (2, 4, 8, 9, 12, 16):
        for signed in (False, True):
            qparams = uniform.choose_qparams(x, bit_width, mapping="asymmetric", signed=signed)
            stored = pack(uniform.quantize(x, qparams), qparams)
            assert (stored.bit_width, stored.signed) == (bit_width, signed)
            assert stored.nbytes == -(-50 * bit_width // 8)
            found = uniform.dequantize(stored.unpack(), qparams)
            np.testing.assert_array_equal(found, uniform.fake_quantize(x, qparams))


def test_an_empty_tensor_takes_no_bytes(tmp_path):
    packed = pack(np.zeros((2, 0), int), 3)
    assert packed.nbytes == 0 and packed.unpack().shape == (2, 0)
    packed.save(tmp_path / "none.safetensors")
    assert PackedTensor.load(tmp_path / "none.safetensors").unpack().shape == (2, 0)


def test_bytes_that_lie_apart_are_copied_and_frozen(tmp_path):
    apart = np.arange(16, dtype=np.uint8)[::2]
    packed = PackedTensor(apart, (21,), 3, signed=False)
    wanted = packed.unpack()
    packed.save(tmp_path / "codes.safetensors")
    np.testing.assert_array_equal(
        PackedTensor.load(tmp_path / "codes.safetensors").unpack(), wanted
    )
    apart[:] = 0
    np.testing.assert_array_equal(packed.unpack(), wanted)
    with pytest.raises(ValueError, match="read-only"):
        packed.data[0] = 1


def test_size_is_real_at_every_width(tmp_path):
    codes = np.arange(8000) % 2
    for bit_width in range(1, 17):
        packed = pack(codes, bit_width, signed=False)
        assert packed.nbytes == packed.data.nbytes == 1000 * bit_width
        packed.save(tmp_path / "codes.safetensors")
        header = (tmp_path / "codes.safetensors").stat().st_size - packed.nbytes
        assert 0 < header < 300


def test_torch_and_views_pack_like_a_plain_array():
    codes = np.arange(24).reshape(4, 6) % 8
    expected = pack(codes.T.copy(), 3, signed=False).data
    np.testing.assert_array_equal(pack(codes.T, 3, signed=False).data, expected)
    np.testing.assert_array_equal(pack(torch.tensor(codes).T, 3, signed=False).data, expected)
    np.testing.assert_array_equal(pack(np.asfortranarray(codes.T), 3, signed=False).data, expected)


def test_saves_and_loads(tmp_path):
    codes = np.arange(-4, 4).reshape(2, 2, 2)
    path = tmp_path / "codes.safetensors"
    pack(codes, 3).save(path)
    loaded = PackedTensor.load(path)
    assert (loaded.shape, loaded.bit_width, loaded.signed) == ((2, 2, 2), 3, True)
    np.testing.assert_array_equal(loaded.unpack(), codes)


def test_refuses_files_that_are_not_its_own(tmp_path):
    path = tmp_path / "codes.safetensors"
    path.write_bytes(b"not a tensor")
    with pytest.raises(ValueError, match=r"path must be a file saved by PackedTensor.*codes"):
        PackedTensor.load(path)
    pack(np.arange(8), 4).save(path)
    path.write_bytes(path.read_bytes()[:-1])  # truncated
    with pytest.raises(ValueError, match="path must be a file saved by PackedTensor"):
        PackedTensor.load(path)
    with pytest.raises(FileNotFoundError):
        PackedTensor.load(tmp_path / "absent.safetensors")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: pack([0, 8], 3, signed=False), ValueError, "codes must be from 0 to 7 at 3 bits"),
        (lambda: pack([-1], 3, signed=False), ValueError, "codes must be from 0 to 7"),
        (lambda: pack([4], 3), ValueError, "codes must be from -4 to 3"),
        (lambda: pack([0.5], 3), TypeError, "codes must be integers"),
        (lambda: pack([1], 17), ValueError, "bit_width must be from 1 to 16, got 17"),
        (lambda: pack([1], 0), ValueError, "bit_width must be from 1 to 16, got 0"),
        (lambda: pack([1], 4, signed=2), TypeError, "signed must be True or False"),
        (lambda: pack([1], QPARAMS, signed=True), TypeError, "signed must not be given beside"),
        (lambda: pack([-8], QPARAMS), ValueError, "codes must be from -7 to 7 at 4 bits"),
        (
            lambda: PackedTensor(np.array([255], np.uint8), (1,), 3),
            ValueError,
            "data must be 0 behind the last of 3 bits",
        ),
        (
            lambda: PackedTensor(np.zeros(2, np.uint8), (5,), 8),
            ValueError,
            r"data must be uint8 of shape \(5,\), got uint8 of shape \(2,\)",
        ),
        (
            lambda: PackedTensor(np.zeros(3, np.uint8), (-1, -8), 3),
            ValueError,
            "shape must be from 0 .* got -8|got -1",
        ),
        (lambda: PackedTensor([1, 2, 3], (8,), 3), TypeError, "data must be a NumPy array, got li"),
        (lambda: PackedTensor(np.zeros(3, np.uint8), (8.0,), 3), TypeError, "shape must be a who"),
    ],
)
def test_bad_input_is_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()
