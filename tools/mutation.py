"""Do the checks of an exercise notice small mistakes? Make some mechanically, and see.

Each mutant is the model answer with one change: another operator, a constant off by one, a
comparison that includes its bound or doesn't, another axis, a line left out. A mutant is *killed*
if a case fails. It *matters* if its result differs from the model answer's on any input that is
tried: those of the cases, those of other course seeds, and both of them varied.
"""

import ast
import contextlib
import copy
import io
import signal
import warnings
from dataclasses import dataclass

import numpy as np

from quantgrader.cases import compare
from quantgrader.cases.case import Case, Requirement
from quantgrader.cases.codec import BadData, decode, encode
from quantgrader.sandbox import collector

_OPERATORS = {
    ast.Add: [ast.Sub],
    ast.Sub: [ast.Add],
    ast.Mult: [ast.Div],
    ast.Div: [ast.Mult, ast.FloorDiv],
    ast.FloorDiv: [ast.Div],
    ast.Mod: [ast.FloorDiv],
    ast.Pow: [ast.Mult],
    ast.LShift: [ast.RShift],
    ast.RShift: [ast.LShift],
    ast.BitOr: [ast.BitAnd],
    ast.BitAnd: [ast.BitOr],
    ast.BitXor: [ast.BitOr],
    ast.MatMult: [ast.Mult],
}
_COMPARISONS = {
    ast.Lt: [ast.LtE, ast.Gt],
    ast.LtE: [ast.Lt, ast.GtE],
    ast.Gt: [ast.GtE, ast.Lt],
    ast.GtE: [ast.Gt, ast.LtE],
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
}
_NAMES = {
    "min": "max",
    "max": "min",
    "amin": "amax",
    "amax": "amin",
    "argmin": "argmax",
    "argmax": "argmin",
    "floor": "ceil",
    "ceil": "floor",
    "round": "floor",
    "sum": "max",
    "mean": "max",
    "any": "all",
    "all": "any",
    "log2": "log10",
    "log10": "log2",
    "zeros": "ones",
    "ones": "zeros",
}


@dataclass(frozen=True)
class Mutant:
    """One change of a function: what was changed, and the changed text."""

    change: str
    source: str


@dataclass(frozen=True)
class Result:
    """What became of the mutants of one function; survivors are those that matter and live."""

    mutants: int
    matter: int
    survivors: tuple[str, ...]

    @property
    def killed(self):
        """How many of those that matter lose points."""
        return self.matter - len(self.survivors)


def mutants(source):
    """Return the mutants of the function that ``source`` defines, no two of them the same."""
    tree = ast.parse(source)
    original = ast.unparse(tree)
    found = {}
    for index, node in enumerate(ast.walk(tree)):
        for number, (change, _) in enumerate(_changes(node)):
            other = ast.parse(source)
            node_of_other = list(ast.walk(other))[index]
            _changes(node_of_other)[number][1]()
            text = ast.unparse(ast.fix_missing_locations(other))
            if text != original:
                before = type(node).__name__
                if hasattr(node, "lineno"):
                    before = ast.unparse(node).splitlines()[0].rstrip(":")
                found.setdefault(text, Mutant(f"{before}: {change}", text))
    return list(found.values())


def _changes(node):
    """Return (what, function that does it) for each change of one node of the tree."""
    changes = []

    def add(what, change):
        changes.append((what, change))

    if isinstance(node, ast.BinOp | ast.AugAssign):
        for new in _OPERATORS.get(type(node.op), ()):
            add(f"{_sign(node.op)} becomes {_sign(new())}", _setter(node, "op", new()))
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for new in _COMPARISONS.get(type(node.ops[0]), ()):
            add(f"{_sign(node.ops[0])} becomes {_sign(new())}", _setter(node, "ops", [new()]))
    if isinstance(node, ast.BoolOp):
        new = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        add("and, or exchanged", _setter(node, "op", new))
    if isinstance(node, ast.If | ast.IfExp | ast.While):
        for value in (True, False)[isinstance(node, ast.While) :]:
            add(f"always {value}", _setter(node, "test", ast.Constant(value)))
    for name, values in ast.iter_fields(node):
        for place, value in enumerate(values if isinstance(values, list) else [values]):
            position = place if isinstance(values, list) else None
            _replacements(node, name, position, value, add)
    if isinstance(node, ast.Call) and len(node.args) == 2 and not _is_star(node.args):
        add("arguments exchanged", _setter(node, "args", node.args[::-1]))
    if isinstance(node, ast.Name) and node.id in _NAMES and isinstance(node.ctx, ast.Load):
        add(f"becomes {_NAMES[node.id]}", _setter(node, "id", _NAMES[node.id]))
    if isinstance(node, ast.Attribute) and node.attr in _NAMES:
        add(f"becomes {_NAMES[node.attr]}", _setter(node, "attr", _NAMES[node.attr]))
    return changes


def _replacements(parent, name, place, value, add):
    """Changes that put something else in a child's place."""
    if isinstance(value, ast.Constant) and name != "annotation":
        for new in _other_constants(value.value):
            add(f"{value.value!r} becomes {new!r}", _placer(parent, name, place, ast.Constant(new)))
    if isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.USub | ast.Not | ast.Invert):
        add(f"{_sign(value.op)} left out", _placer(parent, name, place, value.operand))
    if isinstance(value, ast.Call) and len(value.args) == 1 and not _is_star(value.args):
        what = ast.unparse(value.func)
        add(f"{what}(...) left out", _placer(parent, name, place, value.args[0]))
        if isinstance(value.func, ast.Attribute) and not isinstance(value.func.value, ast.Name):
            add(f".{value.func.attr}(...) left out", _placer(parent, name, place, value.func.value))
    if isinstance(value, ast.Attribute) and value.attr == "T":
        add(".T left out", _placer(parent, name, place, value.value))
    if isinstance(value, ast.stmt) and not isinstance(value, ast.FunctionDef):
        is_text = isinstance(value, ast.Expr) and isinstance(value.value, ast.Constant)
        if not is_text:
            line = ast.unparse(value).splitlines()[0]
            add(f"line left out: {line}", _placer(parent, name, place, ast.Pass()))


def _other_constants(value):
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1]
    if isinstance(value, float):
        return [value + 1, value / 2 if value else -1.0]
    return []


def _is_star(arguments):
    return any(isinstance(argument, ast.Starred) for argument in arguments)


def _setter(node, name, value):
    return lambda: setattr(node, name, value)


def _placer(node, name, place, value):
    if place is None:
        return _setter(node, name, value)
    return lambda: getattr(node, name).__setitem__(place, value)


def _sign(operator):
    names = {
        ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%",
        ast.Pow: "**", ast.LShift: "<<", ast.RShift: ">>", ast.BitOr: "|", ast.BitAnd: "&",
        ast.BitXor: "^", ast.MatMult: "@", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
        ast.Eq: "==", ast.NotEq: "!=", ast.Is: "is", ast.IsNot: "is not", ast.USub: "-",
        ast.Not: "not", ast.Invert: "~",
    }  # fmt: skip
    return names[type(operator)]


# Running them ----------------------------------------------------------------------------------


def examine(source, function, namespace, cases, other_cases=(), seconds=10):
    """Make the mutants of a function and see which of them the cases notice.

    Parameters
    ----------
    source : str
        The model answer's text.
    function : str
        Its name.
    namespace : dict
        What the notebook has defined before; a copy is used for each mutant.
    cases : sequence of Case
        What gives the marks.
    other_cases : sequence of Case
        Cases of other seeds, on whose inputs a mutant's results are compared as well.
    seconds : float
        A mutant that computes for longer is taken for killed.
    """
    model = _define(source, function, namespace)
    tried = _references(model, [*cases, *other_cases])
    count, matter, survivors = 0, 0, []
    for mutant in mutants(source):
        count += 1
        with _quiet(), _time_limit(seconds):
            if _is_killed(mutant, function, namespace, cases):
                matter += 1
            elif _differs(mutant, function, namespace, tried):
                matter += 1
                survivors.append(mutant.change)
    return Result(count, matter, tuple(survivors))


def _define(source, function, namespace):
    inner = dict(namespace)
    exec(compile(source, "<mutant>", "exec"), inner)
    return inner[function]


def _is_killed(mutant, function, namespace, cases):
    try:
        answer = _define(mutant.source, function, namespace)
    except Exception:
        return True
    try:
        for case in cases:
            result = None if case.probe is None else collector.answer(answer, case.probe)
            if not compare.judge(case, result, [mutant.source]).passed:
                return True
    except _TooLong:
        return True
    return False


def _differs(mutant, function, namespace, tried):
    """Whether a mutant gives another result than the model answer on any input that was tried."""
    answer = _define(mutant.source, function, namespace)
    try:
        return any(
            not compare.judge(case, collector.answer(answer, case.probe)).passed for case in tried
        )
    except _TooLong:
        return True


def _references(model, cases):
    """Cases whose expected results are the model answer's own, on the same and on varied inputs."""
    references = []
    with _quiet():
        for case in cases:
            if case.probe is None:
                continue
            wanted = [r for r in case.requirements if r.kind == "equals"]
            for probe in [case.probe, *_varied(case)]:
                result = collector.answer(model, probe)
                if "value" not in result or result["warnings"]:
                    continue
                reference = copy.copy(case)
                reference.probe = probe
                reference.requirements = tuple(_exact(r, decode(result["value"])) for r in wanted)
                # What the model answer itself does not meet (it returns NaN, say) is no reference.
                if compare.judge(reference, result).passed:
                    references.append(reference)
    return references


def _exact(requirement, value):
    """A requirement that the result is ``value``, in the part and the view of the given one."""
    if requirement.part is not None:
        value = value[requirement.part]
    options = {**requirement.options, "expected": value, "mistakes": {}}
    if not isinstance(value, dict) or requirement.options["rtol"] < 1e-4:
        options["rtol"] = 1e-9
    return Requirement("equals", requirement.message, requirement.part, options)


def _varied(case):
    """Probes with one argument changed. Where something is built, none: parts belong together."""
    if any(isinstance(value, dict) and "build" in value for value in case.probe):
        return
    for place, value in enumerate(case.arguments):
        for new in _other_values(value):
            with contextlib.suppress(BadData):
                yield [*case.probe[:place], encode(new), *case.probe[place + 1 :]]


def _other_values(value):
    if isinstance(value, np.ndarray) and value.size:
        yield value[:1]
        yield value[::-1]
        yield value[..., ::2]
        if value.dtype.kind == "f":
            yield -value
            yield value * 1.5
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield value + 1


class _TooLong(BaseException):
    """A mutant does not come to an end."""


@contextlib.contextmanager
def _time_limit(seconds):
    def stop(*_):
        raise _TooLong

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@contextlib.contextmanager
def _quiet():
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


__all__ = ["Case", "Mutant", "Result", "examine", "mutants"]
