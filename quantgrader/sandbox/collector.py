"""Inside the sandbox: call a student's function and hand over the result as plain data.

Whatever a student does to this module changes his own answers only: what comes out is read as data
by `quantgrader.sandbox.runner` and compared outside. Standard library and NumPy only.
"""

import base64
import functools
import importlib
import json
import math
import sys
import warnings

import numpy as np

MIME = "application/vnd.quantgrader.result+json"
_DEPTH = 32


class Refused(Exception):
    """A value that cannot be handed over as plain data."""


class Answer:
    """Text that the kernel shows under our own MIME type."""

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return "Answer"

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {MIME: self.text}


def ask(function, arguments, limit):
    """Call ``function(*arguments)``, a function of the notebook, and encode what it gives.

    ``arguments`` is the JSON text of a list of encoded values.
    """
    text = json.dumps(_ask(function, json.loads(arguments), limit))
    if len(text) > limit:
        text = json.dumps({"refused": f"the result takes more than {limit} bytes"})
    return Answer(text)


def _ask(name, encoded, limit):
    try:
        function = vars(sys.modules["__main__"])[name]
    except KeyError:
        return _error("NameError", f"name {name!r} is not defined")
    return answer(function, encoded, limit)


def answer(function, encoded, limit=math.inf):
    """What a function gives for encoded arguments, as a dict of JSON-able data.

    ``{"value", "kinds", "arguments_changed", "warnings"}``, or ``{"error"}``, or ``{"refused"}``.
    """
    try:
        arguments = [decode(value) for value in encoded]
        before = _snapshot(arguments)
    except Exception as error:
        return {"refused": f"an argument cannot be made: {type(error).__name__}: {_text(error)}"}
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            value = function(*arguments)
    except BaseException as error:
        return _error(type(error).__name__, _text(error))
    try:
        result = {"value": encode(value, limit), "kinds": kinds(value)[:200]}
    except Refused as reason:
        return {"refused": str(reason)}
    except Exception as error:
        return {"refused": f"the result cannot be read: {type(error).__name__}: {_text(error)}"}
    result["arguments_changed"] = _changed(before, arguments)
    shown = [f"{warning.category.__name__}: {_text(warning.message)}"[:200] for warning in caught]
    result["warnings"] = list(dict.fromkeys(shown))[:5]
    return result


def _error(kind, message):
    return {"error": {"type": str(kind)[:200], "message": message[:2000]}}


def _text(error):
    try:
        return str(error)
    except Exception:
        return "(its message cannot be shown)"


def _changed(before, arguments):
    try:
        return before != _snapshot(arguments)
    except Exception:
        return True


def _snapshot(value):
    """What can be compared: plain data, the state of networks; of other objects only the type."""
    if callable(getattr(value, "state_dict", None)):
        return encode(dict(value.state_dict()))
    if isinstance(value, list | tuple):
        return [type(value).__name__, *map(_snapshot, value)]
    if isinstance(value, dict):
        return [[_snapshot(key), _snapshot(element)] for key, element in value.items()]
    try:
        return encode(value)
    except Refused:
        return type(value).__name__


def encode(value, limit=math.inf, depth=0):
    """Plain data as JSON-able data; raises `Refused` for anything else."""
    if depth > _DEPTH:
        raise Refused(f"the result is nested more than {_DEPTH} deep")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, np.generic):
        return {**_encode_array(np.asarray(value), limit), "scalar": True}
    if isinstance(value, int):
        if value.bit_length() > 4096:
            raise Refused("an int of more than 4096 bits")
        return int(value)
    if isinstance(value, str):
        if len(value) > limit:
            raise Refused(f"a string of more than {limit} characters")
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
        raise Refused(f"a {type(value).__name__} of {len(value)} elements")
    if isinstance(value, list):
        return [inner(element) for element in value]
    if isinstance(value, tuple):
        return {"tuple": [inner(element) for element in value]}
    if isinstance(value, dict):
        return {"dict": [[inner(key), inner(element)] for key, element in value.items()]}
    raise Refused(f"a value of type {type(value).__name__}")


def _encode_float(value):
    value = float(value)
    return value if math.isfinite(value) else {"float": str(value)}


def _encode_array(array, limit):
    if array.dtype.kind not in "biufc" or array.dtype.itemsize > 16 or array.dtype.char in "gG":
        raise Refused(f"an array of dtype {array.dtype}")
    if array.nbytes * 4 / 3 > limit:
        raise Refused(f"an array of {array.nbytes} bytes")
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    text = base64.b64encode(array.tobytes()).decode()
    return {"array": text, "dtype": array.dtype.str, "shape": list(array.shape)}


def _is_tensor(value):
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _array_of_tensor(tensor):
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    return (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()


def kinds(value):
    """The types of a value, as one line of text: ``tuple(array:i4, float)``."""
    if isinstance(value, np.generic):
        return f"scalar:{value.dtype.str[1:]}"
    if isinstance(value, np.ndarray):
        return f"array:{value.dtype.str[1:]}"
    if _is_tensor(value):
        return f"tensor:{str(value.dtype).removeprefix('torch.')}"
    if isinstance(value, list | tuple | dict):
        elements = value.values() if isinstance(value, dict) else value
        inner = list(
            dict.fromkeys(map(kinds, elements)) if len(value) > 8 else map(kinds, elements)
        )
        opening, closing = {list: "[]", tuple: "()"}.get(type(value), "{}")
        return f"{type(value).__name__}{opening}{', '.join(inner)}{closing}"
    return type(value).__name__


def decode(data):
    """The value that the grader sent."""
    if isinstance(data, list):
        return [decode(element) for element in data]
    if not isinstance(data, dict):
        return data
    if "array" in data:
        array = np.frombuffer(base64.b64decode(data["array"]), dtype=np.dtype(data["dtype"]))
        array = array.reshape(data["shape"]).copy()
        return array[()] if data.get("scalar") else array
    if "float" in data:
        return float(data["float"])
    if "complex" in data:
        return complex(*map(decode, data["complex"]))
    if "tuple" in data:
        return tuple(map(decode, data["tuple"]))
    if "dict" in data:
        return {decode(key): decode(value) for key, value in data["dict"]}
    return _build(data)


def _build(data):
    """What a function of the environment gives: ``quantlib.models.load_pretrained(seed=1)``."""
    module, _, name = data["build"].rpartition(".")
    found = getattr(importlib.import_module(module), name)
    if data.get("call", True):
        positional = [decode(value) for value in data.get("arguments", [])]
        named = {key: decode(value) for key, value in data.get("keywords", {}).items()}
        found = found(*positional, **named)
    for attribute in data.get("attributes", []):
        found = getattr(found, attribute)
    return found
