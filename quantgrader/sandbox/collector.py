"""Inside the sandbox: call a student's function and hand over the result as plain data.

Whatever a student does to this module changes his own answers only: what comes out is read as data
by `quantgrader.sandbox.received` and compared outside. Standard library and NumPy only.
"""

import contextlib
import importlib
import json
import math
import sys
import time
import warnings

from quantgrader.cases import codec
from quantgrader.cases.codec import BadData, encode

#: Questions are asked together while that takes no longer, and no more bytes.
BATCH_SECONDS, BATCH_BYTES = 2.0, 2 << 20
MIME = "application/vnd.quantgrader.result+json"


class Answer:
    """Text that the kernel shows under our own MIME type."""

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return "Answer"

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {MIME: self.text}


# What the notebook's names stood for when its questions were come to.
_kept = {}


def keep(moment):
    """Keep what all names stand for now, under the name of this ``moment``.

    A later cell may delete a name (``%reset -f``) or take it for something else (``max = 3``).
    """
    _kept[moment] = dict(vars(sys.modules["__main__"]))


@contextlib.contextmanager
def _as_of(moment, name):
    """Let all names stand for what they did at a moment, if it was kept and had the ``name``."""
    names, kept = vars(sys.modules["__main__"]), _kept.get(moment, ())
    if name not in kept:
        yield
        return
    now = dict(names)
    _become(names, kept)
    try:
        yield
    finally:
        _kept[moment] = dict(names)  # with what the function itself has made
        _become(names, now)


def _become(names, others):
    for name in names.keys() - others.keys():
        del names[name]
    names.update(others)


def ask(function, calls, limit, moment=None):
    """Call ``function``, one of the notebook's, with each of some lists of arguments.

    ``calls`` is the JSON text of a list of lists of encoded values. The answer is a list of texts,
    of the first calls: it ends early where that has taken long, or where they are long. One
    result may take ``limit`` bytes. The function is taken as of a ``moment`` that was kept, if it
    was there then.
    """
    texts, start = [], time.monotonic()
    with _as_of(moment, function):
        for encoded in json.loads(calls):
            text = json.dumps(_ask(function, encoded, limit))
            if len(text) > limit:
                refused = {"refused": f"the result takes more than {limit} bytes", "large": True}
                text = json.dumps(refused)
            texts.append(text)
            # Whoever was interrupted has taken long: what is asked next is another question.
            if time.monotonic() - start > BATCH_SECONDS or sum(map(len, texts)) > BATCH_BYTES:
                break
    return Answer(json.dumps(texts))


def _ask(name, encoded, limit):
    try:
        function = vars(sys.modules["__main__"])[name]
    except KeyError:
        return _error("NameError", f"name {name!r} is not defined")
    return answer(function, encoded, limit)


def answer(function, encoded, limit=math.inf):
    """What a function gives for encoded arguments, as a dict of JSON-able data.

    ``{"value", "arguments_changed", "warnings"}``, or ``{"error"}``, or ``{"refused"}``.
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
        result = {"value": encode(value, limit)}
    except BadData as reason:
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
    except BadData:
        return type(value).__name__


def decode(data):
    """The value that the grader sent, with what is to be built."""
    return codec.decode(data, build=_made)


def _made(build):
    """What a function of the environment gives: ``quantlib.models.load_pretrained(seed=1)``."""
    module, _, name = build.name.rpartition(".")
    found = getattr(importlib.import_module(module), name)
    if build.call:
        found = found(*build.arguments, **build.keywords)
    for attribute in build.attributes:
        found = getattr(found, attribute)
    return found
