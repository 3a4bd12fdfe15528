"""Compare what a student's function gave with what it must give, in the grader's own process.

`check` gets a result as it left the sandbox, which anything may have made. It reads plain data,
calls nothing of them, and compares numbers. What it calls are the instructor's functions, on
data. `score` adds the checks of a function up to a mark.
"""

import builtins
import math
import warnings
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from quantgrader.cases.codec import BadData, decode
from quantgrader.cases.forbidden import violates

NOTHING = "The function returned nothing (None). Is there a return?"
NO_NUMBERS = "The result is not made of numbers. What does the docstring ask for?"
OTHER_SHAPE = "The result has another shape than the docstring says."
NOT_FINITE = "The result holds NaN or infinity. Is something divided by zero?"
OTHER_FORM = "The result has another form than the docstring says."
CALL = "Not every check could be asked."
_ENDED = {
    "timeout": "The function did not come to an end in time.",
    "killed": "The function ended the notebook, or needed too much memory or time.",
    "missing": "The function could not be asked: the notebook had ended before.",
}


@dataclass(frozen=True)
class Verdict:
    """Whether a case passed; if not, what is wrong, in one line that may be shown."""

    passed: bool
    message: str | None = None


@dataclass(frozen=True)
class Score:
    """The mark for a function: points, and the verdict on each of its cases."""

    score: float
    max_score: float
    verdicts: tuple[Verdict, ...]

    @property
    def messages(self):
        """What is wrong, each message once."""
        return tuple(dict.fromkeys(v.message for v in self.verdicts if not v.passed))


class Failure(Exception):
    """A requirement that is not met; the text is the message."""


def score(cases, results, points, sources=()):
    """Add up the cases of one function.

    Parameters
    ----------
    cases : sequence of Case
    results : sequence
        One result for each case, None for a case that has no probe.
    points : float
        What the function is worth.
    sources : sequence of str
        The texts of the student's code cells.
    """
    verdicts = tuple(
        check(case, result, sources) for case, result in zip(cases, results, strict=True)
    )
    passed = [verdict.passed for verdict in verdicts]
    return Score(earned(cases, passed, points), float(points), verdicts)


def earned(cases, passed, points):
    """The points for the cases of one function, of which some have ``passed``.

    A look at the text gives no points by itself, but where it finds what is forbidden there are
    none.
    """
    if all(passed):
        return float(points)
    both = list(zip(cases, passed, strict=True))
    if not all(right for case, right in both if case.probe is None):
        return 0.0
    asked = [(case.weight, right) for case, right in both if case.probe is not None]
    right = math.fsum(weight for weight, right in asked if right)
    return round(points * right / math.fsum(weight for weight, _ in asked), 2)


def check(case, result, sources=()):
    """Return the `Verdict` on the result of one case."""
    try:
        if case.probe is None:
            for requirement in case.requirements:
                if violates(sources, **requirement.options):
                    raise Failure(requirement.message)
        else:
            _check_result(case, result)
    except Failure as failure:
        return Verdict(False, str(failure))
    return Verdict(True)


def _check_result(case, result):
    if not isinstance(result, dict):
        raise Failure(CALL)
    for ending, message in _ENDED.items():
        if ending in result:
            raise Failure(message)
    if "error" in result:
        raise Failure(_error(result["error"], case.visible))
    if "value" not in result:
        raise Failure(NO_NUMBERS)
    try:
        value = decode(result["value"])
    except BadData:
        raise Failure(NO_NUMBERS) from None
    if value is None:
        raise Failure(NOTHING)
    for requirement in case.requirements:
        _REQUIREMENTS[requirement.kind](requirement, _part(value, requirement), result)


def _error(error, visible):
    """What may be told of an exception: of a hidden case nothing that the student's code made."""
    kind = error.get("type") if isinstance(error, dict) else None
    known = getattr(builtins, kind, None) if isinstance(kind, str) else None
    if not (isinstance(known, type) and issubclass(known, BaseException)):
        kind = "an error of its own"
    text = error.get("message") if isinstance(error, dict) else None
    if visible and isinstance(text, str) and text.strip():
        text = "".join(c if c.isprintable() else " " for c in text[:300])
        return f"{kind}: {' '.join(text.split())}"
    return f"The function stopped with {kind}{'' if visible else ' on another input'}."


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
    raise Failure(OTHER_FORM)


# Requirements: each looks at a value and raises Failure with the requirement's message ---------


def _equals(requirement, value, _result):
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


def _parts(requirement, value, _result):
    _need(isinstance(value, tuple) and len(value) == requirement.options["count"], requirement)


def _integers(requirement, value, _result):
    _need(_all_integers(value), requirement)


def _all_integers(value):
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.kind in "iu"
    if isinstance(value, list | tuple):
        return all(map(_all_integers, value))
    return isinstance(value, int) and not isinstance(value, bool)


def _dtype(requirement, value, _result):
    good = isinstance(value, np.ndarray | np.generic)
    _need(good and value.dtype == np.dtype(requirement.options["name"]), requirement)


def _number(requirement, value, _result):
    try:
        _need(_numbers(value).ndim == 0, requirement)
    except (TypeError, ValueError, OverflowError):
        raise Failure(requirement.message) from None


def _shape(requirement, value, _result):
    try:
        sizes = list(_numbers(value).shape)
    except (TypeError, ValueError, OverflowError):
        raise Failure(requirement.message) from None
    _need(sizes == requirement.options["sizes"], requirement)


def _keys(requirement, value, _result):
    _need(isinstance(value, dict) and set(value) == set(requirement.options["names"]), requirement)


def _within(requirement, value, _result):
    try:
        values = _numbers(list(value.values()) if isinstance(value, dict) else value)
    except (TypeError, ValueError, OverflowError):
        raise Failure(NO_NUMBERS) from None
    _need_bounds(values, requirement)


def _recomputed(requirement, value, _result):
    options = requirement.options
    namespace = {"np": np}
    exec(compile(options["source"], "<recomputed>", "exec"), namespace)
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            values = _numbers(namespace[options["name"]](value, *options["given"]))
    except Exception:  # whatever a result does to it
        raise Failure(OTHER_FORM) from None
    _need_bounds(values, requirement)


def _need_bounds(values, requirement):
    low, high = requirement.options["low"], requirement.options["high"]
    _need(bool(((values >= low) & (values <= high)).all()), requirement)


def _unchanged(requirement, _value, result):
    _need(result.get("arguments_changed") is False, requirement)


def _no_warning(requirement, _value, result):
    given = result.get("warnings", [])
    given = given if isinstance(given, list) else []
    text = requirement.options["text"]
    _need(not any(isinstance(line, str) and text in line for line in given), requirement)


def _need(condition, requirement):
    if not condition:
        raise Failure(requirement.message)


_REQUIREMENTS = {
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
