"""The checks in an exercise's notebook.

`check` is what students see: it calls their function and stops with a message where the result is
not what it must be. `mark` stands in its place when plain nbgrader grades: it goes through all
cases, prints what is wrong and returns the points. Both hand the result over as data and
compare it as `compare` does, so that a mark is the same here and in the grader's own process.
"""

import base64
import contextlib
import inspect
import json
import sys
import textwrap
import types
import warnings
import zlib
from contextvars import ContextVar
from pathlib import Path

from quantgrader.cases import compare
from quantgrader.cases.case import (
    Build,
    Case,
    dtype,
    equals,
    forbids,
    integers,
    keys,
    no_warning,
    number,
    parts,
    shape,
    unchanged,
    within,
)
from quantgrader.sandbox import collector

__all__ = [
    "Build",
    "check",
    "check_hidden",
    "dtype",
    "equals",
    "forbids",
    "integers",
    "keys",
    "mark",
    "no_warning",
    "number",
    "parts",
    "print_warnings",
    "shape",
    "unchanged",
    "within",
]

# `nbgrader validate` cuts lines at 87 columns, and some of them are taken.
_WIDTH = 66
_recorded = ContextVar("recorded", default=None)


def check(function, arguments, *requirements, weight=1):
    """Call ``function(*arguments)`` and stop with a message unless the requirements are met.

    Raises AssertionError with the message of the first requirement that is not met; an exception
    of the function itself is raised as it is.
    """
    __tracebackhide__ = True
    case = Case(arguments, *requirements, weight=weight, visible=True)
    recorded = _recorded.get()
    if recorded is not None:
        recorded.append((function, case))
        return
    result = _answer(function, case, stop=True)
    _stop_unless(case, result, function)


def mark(function, points, cases):
    """Go through the packed ``cases``, print what is wrong and return the points."""
    cases = unpack(cases)
    results = [_answer(function, case) for case in cases]
    score = compare.score(cases, results, points, _sources(function))
    for message in score.messages:
        print(_wrapped(message))
    return score.score


def check_hidden(function):
    """Run the hidden checks of a function in an instructor's notebook.

    They lie beside it in ``hidden.py``, which students don't have.
    """
    __tracebackhide__ = True
    from quantgrader.release import authoring

    for case in authoring.hidden_cases(Path("hidden.py").resolve(), function.__name__):
        _stop_unless(case, _answer(function, case, stop=True), function)


@contextlib.contextmanager
def recording():
    """Within this context `check` calls nothing; it adds (function, case) to the list given."""
    recorded = []
    mark_of_before = _recorded.set(recorded)
    try:
        yield recorded
    finally:
        _recorded.reset(mark_of_before)


def pack(cases):
    """Cases as one word of text, for `mark`."""
    text = json.dumps([case.as_dict() for case in cases])
    return base64.b85encode(zlib.compress(text.encode(), 9)).decode()


def unpack(text):
    """The cases that `pack` made a text of."""
    data = json.loads(zlib.decompress(base64.b85decode(text)))
    return tuple(Case.from_dict(case) for case in data)


def print_warnings():
    """Print warnings from now on: on stderr they would count as failed checks."""

    def show(message, category, *_):
        print(f"{category.__name__}: {message}")

    warnings.showwarning = show


def _answer(function, case, stop=False):
    """What comes back when a case is asked, as it leaves the sandbox."""
    __tracebackhide__ = True
    if case.probe is None:
        return None
    raised, called = [], []

    def asked(*arguments):
        __tracebackhide__ = True
        called.append(True)
        try:
            return function(*arguments)
        except BaseException as error:
            raised.append(error)
            raise

    result = collector.answer(asked, case.probe)
    if stop and raised:
        raise raised[0]
    if not called:
        raise RuntimeError(f"the check could not be made: {result.get('refused')}")
    for line in result.get("warnings", ()):
        print(line)
    return result


def _stop_unless(case, result, function):
    __tracebackhide__ = True
    sources = _sources(function) if case.probe is None else ()
    verdict = compare.check(case, result, sources)
    if not verdict.passed:
        raise AssertionError(_wrapped(verdict.message))


def _sources(function):
    """Texts of the functions that the notebook defines."""
    names = getattr(function, "__globals__", None) or vars(sys.modules["__main__"])
    texts = []
    for value in list(names.values()):
        if isinstance(value, types.FunctionType) and value.__globals__ is names:
            with contextlib.suppress(OSError, TypeError):
                texts.append(textwrap.dedent(inspect.getsource(value)))
    return texts


def _wrapped(message):
    return "\n".join(textwrap.wrap(message, _WIDTH))
