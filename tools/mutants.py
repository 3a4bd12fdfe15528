"""Small mistakes, made mechanically: a function's text with one change each.

Another operator, a constant off by one, a comparison that includes its bound or doesn't, another
axis, a line left out.
"""

import ast
from dataclasses import dataclass

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
