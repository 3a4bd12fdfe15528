"""Packed words against numpy.packbits: signs, bit planes, ternary values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from quantlib import kernels
from quantlib.kernels import reference, words

RNG = np.random.default_rng(0)
FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
LENGTHS = st.sampled_from([1, 2, 31, 32, 33, 63, 64, 65, 127, 128, 129, 200])


def signs(x):
    return np.where(x < 0, -1, 1)


@given(x=hnp.arrays(np.float32, st.tuples(st.integers(1, 5), LENGTHS), elements=FLOAT32))
@settings(max_examples=60, deadline=None)
def test_words_are_those_of_packbits_and_padding_bits_are_zero(x):
    packed = kernels.pack_signs(x)
    assert packed.words.dtype == np.uint64
    np.testing.assert_array_equal(packed.words, reference.pack_signs(x))
    last = np.unpackbits(packed.words.view(np.uint8), axis=1, bitorder="little")[:, x.shape[1] :]
    assert not last.any()


@given(
    x=hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=4, max_side=6)),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_signs_come_back_along_any_axis_from_rows_and_panels(x, data):
    x = np.nan_to_num(x)
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    packed = kernels.pack_signs(x, axis)
    assert packed.length == x.shape[axis] and packed.axis == axis % x.ndim
    np.testing.assert_array_equal(kernels.unpack_signs(packed), signs(x))
    np.testing.assert_array_equal(kernels.unpack_signs(packed.as_panels()), signs(x))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_long_axes_and_many_columns(axis):
    x = RNG.standard_normal((130, 67, 150)).astype(np.float32)
    for threads in (1, 2):
        packed = kernels.pack_signs(x, axis, num_threads=threads)
        np.testing.assert_array_equal(kernels.unpack_signs(packed), signs(x))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8])
@pytest.mark.parametrize("n_columns", [2048, 1024, 2048 + 512])
def test_rows_that_fall_into_one_set_of_the_cache(n_columns, dtype):
    x = (20 * RNG.standard_normal((2, 77, n_columns))).astype(dtype)
    for threads in (1, 2):
        packed = kernels.pack_signs(x, 1, num_threads=threads)
        np.testing.assert_array_equal(kernels.unpack_signs(packed), signs(x))
    if x.dtype.kind == "f":
        x[1, 76, -1] = np.nan
        with pytest.raises(ValueError, match="x must be finite, got 1 NaN or infinite values"):
            kernels.pack_signs(x, 1)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.int64, np.uint8])
def test_zero_and_negative_zero_are_plus_one_in_any_dtype(dtype):
    x = np.array([[0, 1, 5, 100]], dtype)
    if np.dtype(dtype).kind == "f":
        x = np.array([[-0.0, 0.0, 1, -1, np.finfo(dtype).tiny, -np.finfo(dtype).tiny]], dtype)
    np.testing.assert_array_equal(kernels.unpack_signs(kernels.pack_signs(x)), signs(x))


@pytest.mark.parametrize("shape", [(3, 70), (2, 65, 3), (2, 33, 16), (1, 40, 50), (2, 5, 7, 9)])
@pytest.mark.parametrize("dtype", ["f2", "f4", ">f4", "f8", "g", "i1", "i2", ">i4", "i8", "u1"])
def test_any_shape_of_any_dtype_along_any_axis_in_any_order_of_memory(shape, dtype):
    x = (20 * RNG.standard_normal(shape)).astype(dtype)
    for axis in range(x.ndim):
        for order in ("C", "F"):
            packed = kernels.pack_signs(np.asarray(x, order=order), axis, num_threads=2)
            np.testing.assert_array_equal(kernels.unpack_signs(packed), signs(x))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("value", [np.nan, -np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 63, 64, 69])
def test_what_is_not_finite_is_refused_wherever_it_is(dtype, value, place):
    x = np.zeros((3, 70), dtype)
    x[1, place] = value
    for axis in (0, 1):
        with pytest.raises(ValueError, match="x must be finite, got 1 NaN or infinite values"):
            kernels.pack_signs(x, axis)


def test_values_that_vanish_in_float32_keep_their_sign():
    packed = kernels.pack_signs(np.array([[-1e-300, 1e-300, -1e300]]))
    assert kernels.unpack_signs(packed).tolist() == [[-1, 1, -1]]


@pytest.mark.parametrize("view", ["transposed", "every other", "reversed", "fortran", "list"])
def test_views_are_packed_as_they_look(view):
    x = RNG.standard_normal((66, 70)).astype(np.float32)
    y = {
        "transposed": x.T,
        "every other": x[::2, 1::3],
        "reversed": x[::-1, ::-1],
        "fortran": np.asfortranarray(x),
        "list": x[:3].tolist(),
    }[view]
    np.testing.assert_array_equal(kernels.unpack_signs(kernels.pack_signs(y)), signs(np.asarray(y)))


def test_packed_signs_take_one_bit_each():
    x = RNG.standard_normal((256, 1024)).astype(np.float32)
    assert x.nbytes == 32 * kernels.pack_signs(x).nbytes
    assert x.nbytes == 32 * kernels.pack_signs(x, panels=True).nbytes


def test_words_start_at_a_line_of_the_cache():
    packed = kernels.pack_signs(RNG.standard_normal((3, 70)), panels=True)
    assert packed.words.ctypes.data % 64 == 0


@given(
    rows=st.integers(1, 20),
    length=LENGTHS,
    bit_width=st.integers(1, 8),
    signed=st.booleans(),
    seed=st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_codes_come_back_from_planes(rows, length, bit_width, signed, seed):
    offset = 2 ** (bit_width - 1) if signed else 0
    codes = np.random.default_rng(seed).integers(0, 2**bit_width, (rows, length)) - offset
    for panels in (False, True):
        packed = kernels.pack_planes(codes, bit_width, signed=signed, panels=panels)
        np.testing.assert_array_equal(kernels.unpack_planes(packed), codes)
        np.testing.assert_array_equal(packed.sums, (codes + offset).sum(axis=1))
    planes = kernels.pack_planes(codes, bit_width, signed=signed).words
    for i in range(bit_width):
        bits = (codes + offset) >> i & 1 == 1
        np.testing.assert_array_equal(planes[:, i], reference.pack_bits(bits))


@given(rows=st.integers(1, 40), length=LENGTHS, seed=st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_ternary_values_come_back(rows, length, seed):
    x = np.random.default_rng(seed).integers(-1, 2, (rows, length))
    for panels in (False, True):
        packed = kernels.pack_ternary(x.astype(np.float32), panels=panels)
        np.testing.assert_array_equal(kernels.unpack_ternary(packed), x)
    words = kernels.pack_ternary(x).words
    np.testing.assert_array_equal(words[:, 0], reference.pack_bits(x != 0))
    np.testing.assert_array_equal(words[:, 1], reference.pack_bits(x < 0))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("place", [(0, 0), (3, 63), (69, 64), (69, 69)])
def test_values_that_are_not_finite_are_refused_wherever_they_are(value, dtype, axis, place):
    x = np.ones((70, 70), dtype)
    x[place] = value
    with pytest.raises(ValueError, match="x must be finite, got 1 NaN or infinite"):
        kernels.pack_signs(x, axis)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: kernels.pack_signs(np.zeros((0, 3))), ValueError, "x must not be empty"),
        (lambda: kernels.pack_signs(np.zeros((3, 0))), ValueError, "x must not be empty"),
        (lambda: kernels.pack_signs(np.array(["a"])), TypeError, "x must hold real numbers"),
        (lambda: kernels.pack_signs(np.ones(3, complex)), TypeError, "x must hold real"),
        (lambda: kernels.pack_signs(np.ones(3, bool)), TypeError, "x must hold real numbers"),
        (lambda: kernels.pack_signs(np.ones((3, 3)), 2), ValueError, "axis must be from -2 to 1"),
        (lambda: kernels.pack_signs(np.ones(3), panels=True), ValueError, "2 axes or more"),
        (lambda: kernels.pack_signs(3.0), ValueError, "x must have an axis to pack, got a single"),
        (lambda: kernels.pack_signs(np.ones((3, 3)), panels="no"), TypeError, "panels must be Tr"),
        (
            lambda: kernels.pack_planes(np.ones((3, 3), int), 2, panels=1),
            TypeError,
            "panels must be True or False, got 1",
        ),
        (lambda: kernels.pack_ternary(np.ones((3, 3)), panels=None), TypeError, "panels must be"),
        (
            lambda: kernels.pack_signs(np.ones((3, 3)), num_threads=0),
            ValueError,
            "num_threads must be from 1",
        ),
        (lambda: kernels.unpack_signs(np.ones(3)), TypeError, "packed must be a PackedBits"),
        (lambda: kernels.pack_planes(np.ones((2, 2)), 2), TypeError, "codes must hold integers"),
        (lambda: kernels.pack_planes(np.ones(2, int), 2), ValueError, "codes must have 2 axes"),
        (
            lambda: kernels.pack_planes(np.full((2, 2), 4), 2, signed=False),
            ValueError,
            "codes must be from 0 to 3, got 4 to 4",
        ),
        (
            lambda: kernels.pack_planes(np.full((2, 2), 2), 2),
            ValueError,
            "codes must be from -2 to 1, got 2 to 2",
        ),
        (lambda: kernels.pack_planes(np.ones((2, 2), int), 9), ValueError, "bit_width must be"),
        (lambda: kernels.unpack_planes(3), TypeError, "packed must be a PackedPlanes"),
        (lambda: kernels.pack_ternary(np.array([[2]])), ValueError, "x must hold -1, 0 and 1"),
        (lambda: kernels.pack_ternary(np.array([[0.5]])), ValueError, "x must hold -1, 0 and 1"),
        (lambda: kernels.pack_ternary(np.array([[np.nan]])), ValueError, "x must hold -1, 0 and"),
        (lambda: kernels.pack_ternary(np.array([300])), ValueError, "x must have 2 axes"),
        (lambda: kernels.unpack_ternary(None), TypeError, "packed must be a PackedTernary"),
    ],
)
def test_bad_input_is_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_rows_can_be_had_from_panels():
    x = RNG.standard_normal((21, 5, 4, 3))
    packed = kernels.pack_signs(x, 1)
    np.testing.assert_array_equal(words.row_words(packed.as_panels()), packed.words)
