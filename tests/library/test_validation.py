"""Every public function takes any array-like as its ``np.asarray``, or refuses it by name."""

import array
import datetime
import re
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch

from quantlib import kernels, logarithmic, metrics, packed, ptq, uniform
from quantlib._validation import check_choice, check_flag, check_integer, check_positive, shown
from quantlib.nonuniform import enq, fixed_point, kmeans, knq

QPARAMS = uniform.QParams(0.5, 1, 4)
LOG_QPARAMS = logarithmic.LogQParams(min_exponent=-6, max_exponent=0, bit_width=4)

#: Name of the argument and the function of it, the others being fixed.
OF_NUMBERS = {
    "uniform.choose_qparams": ("x", lambda x: uniform.choose_qparams(x, 4)),
    "uniform.choose_qparams, axis": ("x", lambda x: uniform.choose_qparams(x, 4, axis=0)),
    "uniform.quantize": ("x", lambda x: uniform.quantize(x, QPARAMS)),
    "uniform.fake_quantize": ("x", lambda x: uniform.fake_quantize(x, QPARAMS)),
    "uniform.qparams_from_range": (
        "high",
        lambda x: uniform.qparams_from_range(-1.0, x, 4, group_size=2),
    ),
    "uniform.nayak_asymmetric": ("x", lambda x: uniform.nayak_asymmetric(x, 4)),
    "uniform.nayak_symmetric": ("x", lambda x: uniform.nayak_symmetric(x, 4)),
    "uniform.clipping.split_error": ("x", lambda x: uniform.clipping.split_error(x, 1.75, 4)),
    "logarithmic.choose_qparams": ("x", lambda x: logarithmic.choose_qparams(x, 4)),
    "logarithmic.quantize": ("x", lambda x: logarithmic.quantize(x, LOG_QPARAMS)),
    "logarithmic.average_bit_levels": ("weights", logarithmic.average_bit_levels),
    "nonuniform.fixed_point.choose_qparams": ("x", lambda x: fixed_point.choose_qparams(x, 6)),
    "nonuniform.enq.choose_qparams": ("x", lambda x: enq.choose_qparams(x, 3)),
    "nonuniform.knq.choose_qparams": ("x", lambda x: knq.choose_qparams(x, 2).levels),
    "nonuniform.kmeans_1d": ("x", lambda x: kmeans.kmeans_1d(x, 2).centroids),
    "metrics.rmse": ("x", lambda x: metrics.rmse(x, _like(x, 1.0))),
    "metrics.sqnr_db": ("x_hat", lambda x: metrics.sqnr_db(_like(x, 1.0), x)),
    "metrics.cosine_similarity": ("x", lambda x: metrics.cosine_similarity(x, _like(x, 1.0))),
    "ptq.MinMax": ("x of batch 1", lambda x: ptq.MinMax().observe(x).range()),
    "ptq.Histogram": ("x", lambda x: ptq.Histogram(max_bins=8).add(x).counts),
    "kernels.pack_signs": ("x", lambda x: kernels.pack_signs(x).words),
}
OF_CODES = {
    "uniform.dequantize": ("codes", lambda codes: uniform.dequantize(codes, QPARAMS)),
    "logarithmic.dequantize": ("codes", lambda codes: logarithmic.dequantize(codes, LOG_QPARAMS)),
    "packed.pack": ("codes", lambda codes: packed.pack(codes, 4).data),
    "uniform.QParams": (
        "zero_point",
        lambda codes: uniform.QParams(np.ones((2, 3)), codes, 4, group_size=2).zero_point,
    ),
    "packed.pack, scheme": ("codes", lambda codes: packed.pack(codes, QPARAMS).data),
}
VALUES = np.array([[0.5, 1.0, 0.25], [2.0, 0.0, 1.75]])
CODES = np.array([[0, 1, 2], [3, 4, 5]])


def _like(x, value):
    """Return numbers of the kind and shape of ``VALUES`` for what stands beside ``x``."""
    full = np.full(VALUES.shape, value)
    return torch.tensor(full) if isinstance(x, torch.Tensor) else full


class Frame:
    """What pandas' and others' objects have: a table that NumPy is given on request."""

    def __init__(self, values):
        self.values, self.shape, self.dtype = values, values.shape, values.dtype

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype)

    def __repr__(self):
        return "a value and " * 1000


class Exported:
    """An array of another library that has DLPack, and not NumPy's protocol."""

    def __init__(self, values):
        self.values = np.ascontiguousarray(values)

    def __dlpack__(self, **options):
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.values.__dlpack_device__()


class Broken:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("not today " * 1000)


#: What NumPy gives for it is the reference, for numbers and codes alike.
TAKEN = {
    "list": lambda x: x.tolist(),
    "tuple of arrays": tuple,
    "list of tensors": lambda x: [torch.tensor(row) for row in x],
    "reversed": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "Fortran order": np.asfortranarray,
    "big-endian": lambda x: x.astype(x.dtype.newbyteorder(">")),
    "little-endian": lambda x: x.astype(x.dtype.newbyteorder("<")),
    "read-only": lambda x: np.broadcast_to(x, x.shape),
    "every second": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "memory map's class": lambda x: x.view(np.memmap),
    "matrix": lambda x: x.view(np.matrix),
    "masked, nothing hidden": np.ma.masked_array,
    "frame": Frame,
    "memoryview": lambda x: memoryview(x),
    "DLPack": Exported,
    "list of array.array": lambda x: [array.array(x.dtype.char, row.tolist()) for row in x],
    "tensor": torch.tensor,
    "tensor, transposed": lambda x: torch.tensor(x.T.copy()).T,
}
TAKEN_NUMBERS = {
    "float16 tensor": lambda x: torch.tensor(x).half(),
    "float32 tensor": lambda x: torch.tensor(x).float(),
    "tensor, negative bit": lambda x: torch.tensor(-1j * x).conj().imag,
    "Parameter": lambda x: torch.nn.Parameter(torch.tensor(x)),
    "bfloat16": lambda x: torch.tensor(x).bfloat16(),
}
TAKEN_CODES = {
    f"{library} {dtype}": lambda x, dtype=dtype, library=library: (
        torch.tensor(x).to(getattr(torch, dtype)) if library == "torch" else x.astype(dtype)
    )
    for library in ("numpy", "torch")
    for dtype in ("uint8", "int8", "int16", "uint16", "int32", "uint32", "int64")
}
LONG = "0123456789" * 1000
REFUSED = {
    "None": None,
    "text": LONG,
    "bytes": LONG.encode(),
    "list of texts": ["a" * 50] * 1000,
    "ragged": [[1.0, 2.0], [3.0]] * 1000,
    "ragged arrays": [np.ones(3), np.ones(2)],
    "objects": np.array([None, 1.0] * 1000),
    "fractions": [Fraction(1, 3)] * 1000,
    "decimals": [Decimal(1)],
    "huge whole number": 10**5000,
    "mapping": dict.fromkeys(range(1000)),
    "set": set(range(1000)),
    "iterator": iter([1.0, 2.0]),
    "slice": slice(3),
    "type": float,
    "dates": np.array(["2026-01-01"] * 1000, "M8[D]"),
    "times": np.array([1, 2], "m8[s]"),
    "date": datetime.date(2026, 1, 1),
    "records": np.zeros(3, [(f"field {i}", float) for i in range(100)]),
    "complex": np.ones(3, complex),
    "complex number": 1j,
    "masked": np.ma.masked_array(np.ones((2, 3)), [[0, 0, 1], [0, 0, 0]]),
    "128 bits": np.ones((2, 3), np.longdouble),
    "broken": Broken(),
    "complex tensor": torch.ones(3, dtype=torch.complex64),
    "meta": torch.ones(2, 3, device="meta"),
    "sparse": torch.ones(2, 3).to_sparse(),
    "sparse rows": torch.eye(1000).to_sparse_csr(),
    "nested": torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
    "mkldnn": torch.ones(2, 3).to_mkldnn(),
    "float8": torch.ones(2, 3).to(torch.float8_e4m3fn),
    "uint64 tensor": torch.ones(2, 3).to(torch.uint64),
    "list of tensors with a gradient": [torch.ones(2, requires_grad=True)] * 1000,
    "list of meta tensors": [torch.ones(2, device="meta")],
}
if np.dtype(np.longdouble).itemsize == 8:  # as on Windows
    del REFUSED["128 bits"]
#: Kernels look at NumPy arrays only, which can hold these.
NUMPY_S_OWN = ("128 bits", "uint64 tensor")


def _plain(x):
    """Return the values of a tensor, those of bfloat16 in float32, which holds them all."""
    if not isinstance(x, torch.Tensor):
        return np.asarray(x)
    x = x.detach().resolve_neg()
    return (x.float() if x.dtype == torch.bfloat16 else x).numpy()


def _same(actual, expected, kind):
    """Assert equality of arrays, of parameters, and of tuples of them, whatever they stand in."""
    if isinstance(expected, tuple):
        for one, other in zip(actual, expected, strict=True):
            _same(one, other, kind)
    elif isinstance(expected, np.ndarray):
        np.testing.assert_array_equal(_plain(actual), expected, err_msg=kind)
    else:
        assert actual == expected, kind


def _outcome(call, name, x, kind):
    """Return what ``call`` gives, or its refusal, which is short and begins with the name."""
    try:
        return call(x)
    except (TypeError, ValueError) as error:
        message = str(error)
        assert re.match(rf"{name}\b", message), f"{kind}: {message}"
        assert len(message) < 300 and "\n" not in message, f"{kind}: {message}"
        return error
    except Exception as error:
        raise AssertionError(f"{kind} is neither taken nor refused") from error


@pytest.mark.parametrize("function", OF_NUMBERS)
def test_numbers_of_any_kind_are_those_of_asarray(function):
    name, call = OF_NUMBERS[function]
    for kind, make in (TAKEN | TAKEN_NUMBERS).items():
        x = make(VALUES)
        expected = call(_plain(x) if isinstance(x, torch.Tensor) else VALUES)
        _same(_outcome(call, name, x, kind), expected, kind)


@pytest.mark.parametrize("function", OF_CODES)
def test_codes_of_any_kind_are_those_of_asarray(function):
    name, call = OF_CODES[function]
    for kind, make in (TAKEN | TAKEN_CODES).items():
        _same(_outcome(call, name, make(CODES), kind), call(CODES), kind)


@pytest.mark.parametrize("function", OF_NUMBERS | OF_CODES)
def test_what_holds_no_real_numbers_is_refused_by_name(function):
    name, call = (OF_NUMBERS | OF_CODES)[function]
    for kind, x in REFUSED.items():
        outcome = _outcome(call, name, x, kind)
        if not (function.startswith("kernels.") and kind in NUMPY_S_OWN):
            assert isinstance(outcome, Exception), kind


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("nearest", "'nearest'"),
        (3, "3"),
        (None, "None"),
        (np.zeros((3, 4)), "ndarray of float64 of shape (3, 4)"),
        (torch.zeros(2, 3), "Tensor of torch.float32 of shape (2, 3)"),
        (torch.nn.Parameter(torch.zeros(2)), "Parameter of torch.float32 of shape (2,)"),
        (Frame(VALUES), "Frame of float64 of shape (2, 3)"),
        ([np.zeros(3)], "[ndarray of float64 of shape (3,)]"),
        (10**5000, "whole number of 16610 bits"),
        (list(range(1000)), "[0, 1, 2, 3, 4, 5, ...]"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_value_is_shown_in_few_words(value, text):
    assert shown(value) == text


def test_no_value_is_shown_at_length():
    for kind, value in REFUSED.items():
        assert len(shown(value)) <= 120 and "\n" not in shown(value), kind


OF_OPTIONS = {
    "check_integer": ("option", lambda value: check_integer(value, "option", 0, 9)),
    "check_choice": ("option", lambda value: check_choice(value, "option", ("one", "two"))),
    "check_flag": ("option", lambda value: check_flag(value, "option")),
    "check_positive": ("option", lambda value: check_positive(value, "option")),
    "bit_width": ("bit_width", lambda value: uniform.choose_qparams(VALUES, value)),
    "signed": ("signed", lambda value: uniform.choose_qparams(VALUES, 4, signed=value)),
    "narrow_range": (
        "narrow_range",
        lambda value: uniform.choose_qparams(VALUES, 4, narrow_range=value),
    ),
    "qparams": ("qparams", lambda value: uniform.fake_quantize(VALUES, value)),
    "clip": ("clip", lambda value: uniform.clipping.split_error(VALUES, value, 4)),
}


@pytest.mark.parametrize("function", OF_OPTIONS)
def test_what_is_no_option_is_refused_by_name(function):
    name, call = OF_OPTIONS[function]
    for kind, value in REFUSED.items():
        outcome = _outcome(call, name, value, kind)
        assert isinstance(outcome, Exception) or (value is None and name == "narrow_range"), kind


@pytest.mark.parametrize("value", [0, 1, 1.0, "yes", None, np.int64(1), [True]], ids=repr)
def test_a_flag_is_true_or_false(value):
    with pytest.raises(TypeError, match="signed must be True or False, got"):
        check_flag(value, "signed")
    assert check_flag(np.True_, "signed") is True
