"""The checks in an exercise's notebook.

`check` is what students see: it calls their function and stops with a message where the result is
not what it must be. `mark` stands in its place when plain nbgrader grades: it goes through all
cases, prints what is wrong and returns the points. Both hand the result over as data and
compare it as `compare` does, so that a mark is the same here and in the grader's own process.
"""

import contextlib
import inspect
import sys
import textwrap
import types
import warnings
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
    unpack,
    watched,
    within,
    without_products,
)
from quantgrader.cases.recording import takes_down
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
    "watched",
    "within",
    "without_products",
]

# `nbgrader validate` cuts lines at 87 columns, and some of them are taken.
_WIDTH = 66


def check(function, arguments, *requirements, weight=1):
    """Call ``function(*arguments)`` and stop with a message unless the requirements are met.

    Raises AssertionError with the message of the first requirement that is not met; an exception
    of the function itself is raised as it is.
    """
    __tracebackhide__ = True
    case = Case(arguments, *requirements, weight=weight, visible=True)
    if takes_down(function, case):
        return
    _stop_unless(case, _answer(function, case, stop=True), function)


def mark(function, points, cases):
    """Go through the packed ``cases``, print what is wrong and return the points."""
    cases, sources = unpack(cases), _sources(function)
    verdicts = [compare.judge(case, _answer(function, case), sources) for case in cases]
    found = compare.add_up(cases, verdicts, points)
    for message in found.messages:
        print(_wrapped(message))
    return found.score


def check_hidden(function):
    """Run the hidden checks of a function in an instructor's notebook.

    They lie beside it in ``hidden.py``, which students don't have.
    """
    __tracebackhide__ = True
    from quantgrader.release import authoring

    for case in authoring.hidden_cases(Path("hidden.py").resolve(), function.__name__):
        _stop_unless(case, _answer(function, case, stop=True), function)


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

    answer = collector.answer(asked, case.probe)
    if stop and raised:
        raise raised[0]
    if not called:
        raise RuntimeError(f"the check could not be made: {answer.get('refused')}")
    for line in answer.get("warnings", ()):
        print(line)
    return answer


def _stop_unless(case, answer, function):
    __tracebackhide__ = True
    sources = _sources(function) if case.probe is None else ()
    verdict = compare.judge(case, answer, sources)
    if not verdict.passed:
        raise AssertionError(_wrapped(verdict.message))


def _sources(function):
    """Texts of the functions that the notebook defines, and of its other names for some."""
    names = getattr(function, "__globals__", None) or vars(sys.modules["__main__"])
    texts = []
    for name, value in list(names.items()):
        if isinstance(value, types.FunctionType) and value.__globals__ is names:
            with contextlib.suppress(OSError, TypeError):
                texts.append(textwrap.dedent(inspect.getsource(value)))
        if callable(value) or isinstance(value, types.ModuleType):
            own = str(getattr(value, "__name__", "")).split(".")
            if not all(map(str.isidentifier, own)):
                continue
            if own[-1] != name:
                texts.append(f"{name} = {'.'.join(own)}\n")  # as after `mul = np.matmul`
            if getattr(value, "__module__", None) != names.get("__name__"):
                texts.append(_import_of(name, value, own))
    return texts


def _import_of(name, value, own):
    """The import that may have brought a name, where another module has made its value."""
    other = "" if own[-1] == name else f" as {name}"
    if isinstance(value, types.ModuleType):
        package = f"from {'.'.join(own[:-1])} " if own[1:] else ""
        return f"{package}import {own[-1]}{other}\n"
    # Of `functools.reduce` it is `_functools`.
    path = str(getattr(value, "__module__", "")).lstrip("_")
    if path.split(".")[0] not in sys.modules or path == "builtins":
        return ""
    return f"from {path} import {own[-1]}{other}\n"


def _wrapped(message):
    return "\n".join(textwrap.wrap(message, _WIDTH))
