"""Five trits to a byte."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from quantlib.packed import PackedTrits, pack_trits

TRITS = st.integers(-1, 1)


@given(
    codes=hnp.arrays(np.int8, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0), elements=TRITS)
)
@settings(max_examples=100, deadline=None)
def test_values_come_back_in_any_shape(codes):
    packed = pack_trits(codes)
    assert packed.nbytes == -(-codes.size // 5)
    np.testing.assert_array_equal(packed.unpack(), codes)
    assert packed.unpack().dtype == np.int8


def test_each_five_values_are_a_number_to_base_three():
    for trits in itertools.product((-1, 0, 1), repeat=5):
        digits = "".join(str(t + 1) for t in reversed(trits))
        assert pack_trits(trits).data.tolist() == [int(digits, 3)]


def test_a_million_take_a_fifth_of_a_million_bytes():
    assert pack_trits(torch.zeros(1000, 1000, dtype=torch.int8)).nbytes == 200_000


def test_files_and_copies_hold_what_they_should(tmp_path):
    codes = np.random.default_rng(0).integers(-1, 2, (7, 9))
    packed, path = pack_trits(codes), tmp_path / "trits.safetensors"
    packed.save(path)
    np.testing.assert_array_equal(PackedTrits.load(path).unpack(), codes)
    with pytest.raises(ValueError, match="read-only"):
        packed.data[0] = 0
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="path must be a file saved by PackedTrits"):
        PackedTrits.load(path)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: pack_trits([2]), ValueError, "codes must be -1, 0 or 1, got 2 to 2"),
        (lambda: pack_trits([-128]), ValueError, "codes must be -1, 0 or 1, got -128"),
        (lambda: pack_trits([0.5]), TypeError, "codes must"),
        (
            lambda: PackedTrits(np.array([243], np.uint8), (5,)),
            ValueError,
            "data must be bytes below 243, got 243",
        ),
        (
            lambda: PackedTrits(np.array([0], np.uint8), (4,)),
            ValueError,
            "data must be zeros behind the last of 4 values",
        ),
        (lambda: PackedTrits(np.zeros(2, np.uint8), (5,)), ValueError, "data must"),
        (lambda: PackedTrits([121], (5,)), TypeError, "data must be a NumPy array, got list"),
    ],
    ids=["two", "int8", "real", "byte", "rest", "long", "list"],
)
def test_bad_input_is_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()
