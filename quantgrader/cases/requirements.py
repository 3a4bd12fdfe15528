"""The kinds of requirements: what each looks at in a result, and which message it gives.

A result may hold anything that plain data can. It is only read, and compared as numbers; what is
called, of `recomputed`, is the instructor's function.
"""

import pickle
import warnings
from fractions import Fraction
from functools import lru_cache

import numpy as np

NO_NUMBERS = "The result is not made of numbers. What does the docstring ask for?"
OTHER_SHAPE = "The result has another shape than the docstring says."
NOT_FINITE = "The result holds NaN or infinity. Is something divided by zero?"
OTHER_FORM = "The result has another form than the docstring says."


class Failure(Exception):
    """A requirement that is not met; the text is the message."""


def require(requirement, value, answer):
    """Raise `Failure` unless ``value``, the decoded result of ``answer``, meets a requirement."""
    _KINDS[requirement.kind](requirement, _part(value, requirement), answer)


def _part(value, requirement):
    """The part of a result that a requirement looks at."""
    part = requirement.part
    if part is None:
        return value
    if isinstance(value, dict):
        if part in value:
            return value[part]
    elif isinstance(value, tuple | list) and isinstance(part, int) and part < len(value):
        return value[part]
    elif isinstance(value, np.ndarray) and isinstance(part, int) and part < (*value.shape, 0)[0]:
        return value[part]  # two numbers may come in an array as well
    raise Failure(OTHER_FORM)


def _equals(requirement, value, _answer):
    options = requirement.options
    view = _VIEWS[options["view"]]
    expected = options["expected"]
    if isinstance(expected, dict):
        if not isinstance(value, dict) or value.keys() != expected.keys():
            raise Failure(OTHER_FORM)
        value, names = [value[name] for name in expected], list(expected)
        expected = list(expected.values())
    else:
        names = None
    try:
        value = view(value)
    except (TypeError, ValueError, OverflowError):
        if options["mistakes"]:
            _name_mistake(options, names, lambda wrong: wrong is None and value is None)
        raise Failure(NO_NUMBERS) from None
    expected = view(expected)

    def same(other):
        return _same(value, other, options)

    if same(expected):
        return
    _name_mistake(
        options, names, lambda wrong: not _same(expected, wrong, options) and same(wrong), view
    )
    if isinstance(value, np.ndarray):
        if value.shape != expected.shape:
            raise Failure(OTHER_SHAPE)
        if not np.isfinite(value).all() and np.isfinite(expected).all():
            raise Failure(NOT_FINITE)
    raise Failure(requirement.message)


def _name_mistake(options, names, given, view=lambda wrong: wrong):
    """Raise the message of the mistake that gives this result, if it is a known one."""
    for message, wrong in options["mistakes"].items():
        if names is not None and isinstance(wrong, dict):
            wrong = [wrong[name] for name in names]
        if given(view(wrong)):
            raise Failure(message)


def _same(value, other, options):
    if isinstance(value, Fraction):
        return value == other
    if value.shape != other.shape:
        return False
    tolerances = {"rtol": options["rtol"], "atol": options["atol"]}
    with np.errstate(all="ignore"):
        return bool(np.allclose(value, other, equal_nan=True, **tolerances))


def _numbers(value):
    """Values as an array of floats. Raises ValueError, TypeError or OverflowError."""
    if _holds(value, str) or _holds(value, dict):
        raise TypeError("not made of numbers")
    if _holds(value, complex):
        raise TypeError("complex numbers")
    return np.asarray(value, dtype=float)


def _holds(value, kind):
    if isinstance(value, list | tuple):
        return any(_holds(element, kind) for element in value)
    if isinstance(value, np.ndarray | np.generic):
        return kind is complex and value.dtype.kind == "c"
    return isinstance(value, kind)


def _groups(value):
    """Labels, numbered in the order in which they occur."""
    seen = {}
    labels = _numbers(value).ravel().tolist()
    return np.array([seen.setdefault(label, len(seen)) for label in labels], dtype=float)


def _shifted(value):
    """The exact number m * 2**k of a pair (m, k) of integers; a number as it is."""
    if isinstance(value, np.ndarray) and value.ndim:
        value = list(value)
    if isinstance(value, str):
        raise TypeError("no number")  # and 1e999999999 would take a day
    if not isinstance(value, tuple | list):
        return Fraction(value)
    total, exponent = map(_int, value)
    if abs(exponent) > 10_000:
        raise ValueError("no exponent")
    return Fraction(total) * Fraction(2) ** exponent


def _int(value):
    value = value[()] if isinstance(value, np.ndarray) and value.shape == () else value
    if not isinstance(value, int | np.integer):
        raise TypeError("not an integer")
    return int(value)


_VIEWS = {None: _numbers, "groups": _groups, "shifted": _shifted}


def _parts(requirement, value, _answer):
    # Whoever returns a list, or numbers in an array, says the same thing as with a tuple.
    several = isinstance(value, tuple | list) or (isinstance(value, np.ndarray) and value.ndim)
    _need(several and len(value) == requirement.options["count"], requirement)


def _integers(requirement, value, _answer):
    _need(_all_integers(value), requirement)


def _all_integers(value):
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.kind in "iu"
    if isinstance(value, list | tuple):
        return all(map(_all_integers, value))
    return isinstance(value, int) and not isinstance(value, bool)


def _dtype(requirement, value, _answer):
    good = isinstance(value, np.ndarray | np.generic)
    _need(good and value.dtype == np.dtype(requirement.options["name"]), requirement)


def _number(requirement, value, _answer):
    try:
        _need(_numbers(value).ndim == 0, requirement)
    except (TypeError, ValueError, OverflowError):
        raise Failure(requirement.message) from None


def _shape(requirement, value, _answer):
    try:
        sizes = list(_numbers(value).shape)
    except (TypeError, ValueError, OverflowError):
        raise Failure(requirement.message) from None
    _need(sizes == requirement.options["sizes"], requirement)


def _keys(requirement, value, _answer):
    _need(isinstance(value, dict) and set(value) == set(requirement.options["names"]), requirement)


def _within(requirement, value, _answer):
    try:
        values = _numbers(list(value.values()) if isinstance(value, dict) else value)
    except (TypeError, ValueError, OverflowError):
        raise Failure(NO_NUMBERS) from None
    _need_bounds(values, requirement)


def _recomputed(requirement, value, _answer):
    options = requirement.options
    try:
        arguments = pickle.dumps((value, *options["given"]))
        values = _value(options["source"], options["name"], arguments)
    except Exception:  # whatever a result does to it
        raise Failure(OTHER_FORM) from None
    _need_bounds(values, requirement)


@lru_cache(8)  # several requirements may bound the same number
def _value(source, name, arguments):
    namespace = {"np": np}
    exec(compile(source, "<recomputed>", "exec"), namespace)
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
        return _numbers(namespace[name](*pickle.loads(arguments)))


def _need_bounds(values, requirement):
    low, high = requirement.options["low"], requirement.options["high"]
    _need(bool(((values >= low) & (values <= high)).all()), requirement)


def _unchanged(requirement, _value, answer):
    _need(answer.get("arguments_changed") is False, requirement)


def _no_warning(requirement, _value, answer):
    given = answer.get("warnings", [])
    given = given if isinstance(given, list) else []
    text = requirement.options["text"]
    _need(not any(isinstance(line, str) and text in line for line in given), requirement)


def _need(condition, requirement):
    if not condition:
        raise Failure(requirement.message)


_KINDS = {
    "equals": _equals,
    "parts": _parts,
    "integers": _integers,
    "dtype": _dtype,
    "number": _number,
    "shape": _shape,
    "keys": _keys,
    "within": _within,
    "recomputed": _recomputed,
    "unchanged": _unchanged,
    "no_warning": _no_warning,
}
