"""Plain values as JSON, both ways: numbers, text, lists, arrays. Nothing pickled, or run.

Arguments go into the sandbox with it, and results come out. `decode` trusts nothing: it limits
depth, sizes and the number of values, and makes arrays of plain numbers only. The sandbox has the
same module, where a student may change it: that changes his own answers only. Standard library
and NumPy only.
"""

import base64
import binascii
import functools
import itertools
import math
import operator
import re
import sys

import numpy as np

MAX_DEPTH = 64
MAX_VALUES = 2_000_000
MAX_BYTES = 64 * 2**20
MAX_INT_BITS = 4096
# Values are written less deep than they are read.
_WRITTEN_DEPTH = 32
# From so many numbers on, a list is written as an array is: it takes a fraction of the room.
_LONG = 16
_DTYPE = re.compile(r"[<>|](b1|[iu][1248]|f[248]|c8|c16)")


class BadData(ValueError):
    """A value that is not plain, or data that do not stand for a plain value."""


class Build:
    """What a function of the environment gives, made where the graded function runs.

    >>> Build("quantlib.data.sets.load", "digits", attributes=["test_images"])
    Build('quantlib.data.sets.load', 'digits', attributes=['test_images'])
    """

    def __init__(self, name, *arguments, attributes=(), call=True, **keywords):
        self.name, self.arguments, self.keywords = name, arguments, keywords
        self.attributes, self.call = list(attributes), call

    def __repr__(self):
        parts = [repr(self.name), *map(repr, self.arguments)]
        parts += [f"{key}={value!r}" for key, value in self.keywords.items()]
        parts += [f"attributes={self.attributes}"] if self.attributes else []
        parts += [] if self.call else ["call=False"]
        return f"Build({', '.join(parts)})"

    def __eq__(self, other):
        return isinstance(other, Build) and encode(self) == encode(other)

    __hash__ = None


def encode(value, limit=math.inf, depth=0):
    """Plain data, arrays, tensors and `Build` as JSON-able data of at most some ``limit`` bytes.

    Raises `BadData` for anything else.
    """
    if depth > _WRITTEN_DEPTH:
        raise BadData(f"nested more than {_WRITTEN_DEPTH} deep")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, np.generic):
        return {**_encode_array(np.asarray(value), limit), "scalar": True}
    if isinstance(value, int):
        if value.bit_length() > MAX_INT_BITS:
            raise BadData(f"an int of more than {MAX_INT_BITS} bits")
        return int(value)
    if isinstance(value, str):
        if len(value) > limit:
            raise BadData(f"a text of more than {limit} characters")
        return str(value)
    if isinstance(value, float):
        return _encode_float(value)
    if isinstance(value, complex):
        return {"complex": [_encode_float(value.real), _encode_float(value.imag)]}
    if isinstance(value, np.ndarray):
        return _encode_array(np.asarray(value), limit)
    if _is_tensor(value):
        return _encode_array(_array_of_tensor(value), limit)
    inner = functools.partial(encode, limit=limit, depth=depth + 1)
    if isinstance(value, list | tuple | dict) and len(value) * 2 > limit:
        raise BadData(f"a {type(value).__name__} of {len(value)} elements")
    if isinstance(value, list):
        if (found := _array_of_list(value)) is not None:
            kind, array = found
            return {kind: _encode_array(array, limit)}
        return [inner(element) for element in value]
    if isinstance(value, tuple):
        return {"tuple": [inner(element) for element in value]}
    if isinstance(value, dict):
        return {"dict": [[inner(key), inner(element)] for key, element in value.items()]}
    if isinstance(value, Build):
        return _encode_build(value, inner)
    raise BadData(f"a value of type {type(value).__name__}")


def _array_of_list(value):
    """What a long list, or lists in lists, of numbers of one type is written as; or None.

    That is an array, and "list" for Python's own ints and floats, "scalars" for NumPy's numbers.
    """
    leaves, shape = value, [len(value)]
    while leaves and set(map(type, leaves)) == {list}:
        lengths = set(map(len, leaves))
        if len(lengths) > 1 or len(shape) == _WRITTEN_DEPTH or len(leaves) > MAX_VALUES:
            return None
        shape.append(lengths.pop())
        leaves = list(itertools.chain.from_iterable(leaves))
    if len(leaves) < _LONG or len(set(map(type, leaves))) > 1:
        return None
    first = leaves[0]
    if isinstance(first, np.generic):
        return "scalars", np.array(leaves).reshape(shape)
    dtype = {int: np.int64, float: np.float64}.get(type(first))
    try:
        return None if dtype is None else ("list", np.array(leaves, dtype).reshape(shape))
    except OverflowError:  # an int that takes more than 64 bits
        return None


def _encode_float(value):
    value = float(value)
    return value if math.isfinite(value) else {"float": str(value)}


def _encode_array(array, limit):
    if array.dtype.kind not in "biufc" or array.dtype.itemsize > 16 or array.dtype.char in "gG":
        raise BadData(f"an array of dtype {array.dtype}")
    if array.nbytes * 4 / 3 > limit:
        raise BadData(f"an array of {array.nbytes} bytes")
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    text = base64.b64encode(array.tobytes()).decode()
    return {"array": text, "dtype": array.dtype.str, "shape": list(array.shape)}


def _encode_build(build, inner):
    data = {
        "build": build.name,
        "arguments": [inner(value) for value in build.arguments],
        "keywords": {key: inner(value) for key, value in build.keywords.items()},
        "attributes": build.attributes,
    }
    return data if build.call else {**data, "call": False}


def _is_tensor(value):
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _array_of_tensor(tensor):
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    return (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()


def decode(data, build=None):
    """The value that ``data``, parsed JSON, stands for.

    ``build`` says what becomes of a `Build`; without it there must be none: a result never holds
    one. Raises `BadData` for anything that is not made as `encode` makes it.
    """
    try:
        return _Decoder(build).decode(data, 0)
    except RecursionError:
        raise BadData("nested too deeply") from None


class _Decoder:
    """Counts values and bytes while it decodes."""

    def __init__(self, build):
        self.build = build
        self.values = 0
        self.bytes = 0

    def decode(self, data, depth):
        self._count_values(1)
        if depth > MAX_DEPTH:
            raise BadData(f"nested more than {MAX_DEPTH} deep")
        if data is None or type(data) is bool:
            return data
        if type(data) is int:
            if data.bit_length() > MAX_INT_BITS:
                raise BadData(f"an int of more than {MAX_INT_BITS} bits")
            return data
        if type(data) is float:
            return data
        if type(data) is str:
            self._count_bytes(len(data))
            return data
        inner = functools.partial(self.decode, depth=depth + 1)
        if type(data) is list:
            return [inner(element) for element in data]
        if type(data) is not dict:
            raise BadData(f"{type(data).__name__} is no plain data")
        if data.keys() >= {"array"}:
            return self._array(data)
        if data.keys() in ({"list"}, {"scalars"}):
            return self._list_of_array(*data.items())
        if data.keys() == {"float"}:
            return self._float(data["float"])
        if data.keys() == {"complex"}:
            return complex(*map(self._real, self._list(data["complex"], 2)))
        if data.keys() == {"tuple"}:
            return tuple(inner(element) for element in self._list(data["tuple"]))
        if data.keys() == {"dict"}:
            return self._dict(data["dict"], inner)
        if "build" in data and self.build is not None:
            return self._build(data, inner)
        raise BadData("an object of unknown form")

    def _count_values(self, n):
        self.values += n
        if self.values > MAX_VALUES:
            raise BadData(f"more than {MAX_VALUES} values")

    def _count_bytes(self, n):
        self.bytes += n
        if self.bytes > MAX_BYTES:
            raise BadData(f"more than {MAX_BYTES} bytes")

    def _list(self, data, length=None):
        if type(data) is not list or length not in (None, len(data)):
            raise BadData("not a list of the right length")
        return data

    def _float(self, text):
        if text not in ("nan", "inf", "-inf"):
            raise BadData("a float of unknown form")
        return float(text)

    def _real(self, data):
        if type(data) is dict and data.keys() == {"float"}:
            return self._float(data["float"])
        if type(data) not in (int, float):
            raise BadData("a complex number of unknown form")
        return float(data)

    def _dict(self, data, inner):
        result = {}
        for pair in self._list(data):
            key, value = map(inner, self._list(pair, 2))
            key = key.item() if isinstance(key, np.generic) else key
            if not _is_key(key):
                raise BadData("a key that is neither a number nor a text")
            result[key] = value
        return result

    def _array(self, data):
        text, dtype, shape = (data.get(key) for key in ("array", "dtype", "shape"))
        if type(text) is not str or type(dtype) is not str or not _DTYPE.fullmatch(dtype):
            raise BadData("an array of unknown form")
        sizes = self._list(shape)
        if len(sizes) > 32 or not all(type(n) is int and 0 <= n < 2**40 for n in sizes):
            raise BadData("an array of unknown shape")
        self._count_bytes(len(text))
        try:
            data_bytes = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise BadData("an array whose bytes are not base64") from None
        if len(data_bytes) != math.prod(sizes) * np.dtype(dtype).itemsize:
            raise BadData("an array whose bytes do not fit its shape")
        try:
            array = np.frombuffer(data_bytes, dtype=dtype).reshape(sizes)
        except ValueError:
            raise BadData("an array of unknown shape") from None
        if dtype == "|b1":  # a byte that is neither 0 nor 1 would be no Boolean
            array = np.frombuffer(data_bytes, dtype=np.uint8).reshape(sizes) != 0
        return array[()] if data.get("scalar") is True and not sizes else array.copy()

    def _list_of_array(self, item):
        kind, data = item
        array = self._array(data) if type(data) is dict else None
        # Lists without numbers come as they are: an array of none could make any number of them.
        if not isinstance(array, np.ndarray) or not array.ndim or not array.size:
            raise BadData("a list of unknown form")
        # The numbers, and the lists, of which there may be many in an array without numbers.
        self._count_values(sum(itertools.accumulate(array.shape, operator.mul)))
        return array.tolist() if kind == "list" else _rows(array)

    def _build(self, data, inner):
        return self.build(
            Build(
                data["build"],
                *[inner(value) for value in data.get("arguments", [])],
                attributes=data.get("attributes", []),
                call=data.get("call", True),
                **{key: inner(value) for key, value in data.get("keywords", {}).items()},
            )
        )


def _rows(array):
    """An array as a list, or as lists in lists, of NumPy's numbers."""
    return list(array) if array.ndim == 1 else [_rows(row) for row in array]


def _is_key(key):
    if isinstance(key, tuple):
        return all(map(_is_key, key))
    return key is None or isinstance(key, bool | int | float | str)
