"""Cases: what a graded function is asked, and what must come back.

A `Case` is a call with plain arguments and a list of requirements on the result, each with a
message in the student's terms. Cases are data: they are made once, from the course's seed, when
an assignment is generated, and written as JSON. No code of a test runs beside a student's: what
is called outside, of `recomputed`, is the instructor's, and gets plain data.
"""

import base64
import builtins
import dis
import hashlib
import inspect
import json
import textwrap
import types
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from quantgrader.atomic import write_atomically
from quantgrader.cases.codec import BadData, Build, decode, encode

__all__ = [
    "BadData",
    "Build",
    "Case",
    "Cases",
    "Requirement",
    "course_generator",
    "decode",
    "dtype",
    "encode",
    "equals",
    "forbids",
    "integers",
    "keys",
    "no_warning",
    "number",
    "pack",
    "parts",
    "read",
    "recomputed",
    "shape",
    "unchanged",
    "unpack",
    "watched",
    "within",
    "without_products",
]

FORMAT = 2


@dataclass(frozen=True)
class Requirement:
    """One thing that is asked of a result. Made by the functions below.

    ``part`` is the index (or key) of the part of the result that is looked at, None the whole.
    ``options`` are what the kind of requirement needs; `compare` says what it does.
    """

    kind: str
    message: str
    part: int | str | None = None
    options: dict = field(default_factory=dict)

    def __post_init__(self):
        if not isinstance(self.message, str) or not self.message:
            raise TypeError(f"message must be a text, got {self.message!r}")

    def as_dict(self):
        """JSON-able data."""
        options = {name: encode(value) for name, value in self.options.items()}
        return {"kind": self.kind, "message": self.message, "part": self.part, "options": options}

    @classmethod
    def from_dict(cls, data):
        """The requirement that `as_dict` wrote."""
        options = {name: decode(value) for name, value in data["options"].items()}
        return cls(data["kind"], data["message"], data["part"], options)


def equals(expected, message, mistakes=None, *, part=None, view=None, rtol=1e-6, atol=1e-12):
    """The numbers are ``expected``, within the tolerances.

    ``mistakes`` maps a message to the wrong result that a known mistake gives. With a ``view``
    results are compared by what they stand for: "groups" (labels; which label does not matter) or
    "shifted" (a pair (m, k) stands for m * 2**k, compared exactly).
    """
    options = {"expected": expected, "mistakes": dict(mistakes or {}), "view": view}
    return Requirement("equals", message, part, {**options, "rtol": rtol, "atol": atol})


def parts(count, message):
    """The result has ``count`` parts: a tuple, a list, or an array along its first axis."""
    return Requirement("parts", message, None, {"count": count})


def integers(message, *, part=None):
    """The result is made of integers, by its type."""
    return Requirement("integers", message, part)


def dtype(name, message, *, part=None):
    """The result is an array of the dtype ``name``."""
    return Requirement("dtype", message, part, {"name": name})


def number(message, *, part=None):
    """The result is a single number."""
    return Requirement("number", message, part)


def shape(sizes, message, *, part=None):
    """The result has the shape ``sizes``."""
    return Requirement("shape", message, part, {"sizes": list(sizes)})


def keys(names, message, *, part=None):
    """The result is a dict with exactly these keys."""
    return Requirement("keys", message, part, {"names": list(names)})


def within(low, high, message, *, part=None):
    """All numbers (of a dict: its values) lie from ``low`` to ``high``."""
    return Requirement("within", message, part, {"low": low, "high": high})


def recomputed(function, low, high, message, *, given=()):
    """What ``function(result, *given)`` gives lies from ``low`` to ``high``.

    For a result that claims something of itself: a network and its accuracy, say. ``function`` is
    the instructor's. It may use its arguments and ``np``, nothing else: its text is kept with the
    case, and runs where results are compared. If it raises, the result has another form than
    it must have.
    """
    others = sorted(_loaded(function.__code__) - {"np", *vars(builtins)})
    if others:
        raise ValueError(f"function may use its arguments and np only, got one that uses {others}")
    source = textwrap.dedent(inspect.getsource(function))
    options = {"source": source, "name": function.__name__, "given": tuple(given)}
    return Requirement("recomputed", message, None, {**options, "low": low, "high": high})


def _loaded(code):
    """Names from outside that code loads, and code inside of it; attributes are none."""
    inner = (_loaded(const) for const in code.co_consts if isinstance(const, types.CodeType))
    mine = (item.argval for item in dis.get_instructions(code) if "GLOBAL" in item.opname)
    return {*code.co_freevars, *mine}.union(*inner) - {*code.co_cellvars, *code.co_varnames}


def unchanged(message):
    """The arguments are afterwards what they were before."""
    return Requirement("unchanged", message)


def no_warning(text, message):
    """The call gave no warning that contains ``text``."""
    return Requirement("no_warning", message, None, {"text": text})


def watched(array):
    """An argument whose products with another watched one are seen by `without_products`."""
    return Build("quantgrader.cases.watching.watched", array)


def without_products(message):
    """No two `watched` arguments, or arrays computed from them, were multiplied."""
    return no_warning("MultipliedWarning", message)


def forbids(function, operators, names, message, *, modules=None, allowed=None):
    """The text of ``function`` has none of these binary operators and none of these names.

    ``operators``, ``names``, ``modules`` and ``allowed`` are words in one text, with blanks between
    them. The operator ``x*x`` is a product that is no scaling: ``2 * x`` is allowed, as is
    ``[0] * n``. ``modules`` are the only ones from which it may use anything; None: all are.
    ``allowed`` are names that it may use, whatever module brings them.
    """
    options = {"function": function, "operators": operators.split(), "names": names.split()}
    more = {"modules": modules, "allowed": allowed}
    options |= {name: words.split() for name, words in more.items() if words is not None}
    return Requirement("forbids", message, None, options)


class Case:
    """One call of a graded function, and the requirements on its result.

    Parameters
    ----------
    arguments : tuple or None
        Positional arguments: plain values, arrays, `Build`. None: nothing is called, only the
        function's text is looked at; that gives no points, but failing it costs all of them.
    *requirements : Requirement
        In the order in which they are looked at: the first that fails gives the message.
    weight : float
        The case's share of the points, against the weights of the other cases.
    visible : bool
        Whether students see the case in their notebook.
    """

    def __init__(self, arguments, *requirements, weight=1, visible=False):
        if not requirements or not all(isinstance(r, Requirement) for r in requirements):
            raise TypeError("a case needs requirements: equals(...), integers(...), ...")
        if not weight > 0:
            raise ValueError(f"weight must be positive, got {weight!r}")
        only_text = all(r.kind == "forbids" for r in requirements)
        if (arguments is None) != only_text:
            raise ValueError("a case without arguments has forbids(...) only, others have none")
        # What is kept is what the file holds, so that nobody can change it afterwards.
        self.probe = None if arguments is None else [encode(value) for value in arguments]
        self.requirements = tuple(Requirement.from_dict(r.as_dict()) for r in requirements)
        self.weight = weight
        self.visible = visible

    @property
    def arguments(self):
        """The arguments as values; `Build` stays as it is."""
        if self.probe is None:
            return None
        return tuple(decode(value, build=lambda build: build) for value in self.probe)

    @property
    def messages(self):
        """Every message that the case may give by itself."""
        mistakes = (message for r in self.requirements for message in r.options.get("mistakes", ()))
        return [r.message for r in self.requirements] + list(mistakes)

    def as_dict(self):
        """JSON-able data."""
        return {
            "arguments": self.probe,
            "requirements": [r.as_dict() for r in self.requirements],
            "weight": self.weight,
            "visible": self.visible,
        }

    @classmethod
    def from_dict(cls, data):
        """The case that `as_dict` wrote."""
        case = cls.__new__(cls)
        case.probe = data["arguments"]
        case.requirements = tuple(map(Requirement.from_dict, data["requirements"]))
        case.weight, case.visible = data["weight"], data["visible"]
        return case


def pack(cases):
    """Cases as one word of text, for a test cell."""
    text = json.dumps([case.as_dict() for case in cases])
    return base64.b85encode(zlib.compress(text.encode(), 9)).decode()


def unpack(text):
    """The cases that `pack` made a text of."""
    data = json.loads(zlib.decompress(base64.b85decode(text)))
    return tuple(Case.from_dict(case) for case in data)


@dataclass(frozen=True)
class Cases:
    """All cases of an assignment, by function, and the course seed that they come from.

    ``answers`` are the texts of the model answers' cells, by function.
    """

    assignment: str
    seed: str
    functions: dict
    answers: dict = field(default_factory=dict)

    def as_dict(self):
        """JSON-able data."""
        functions = {name: [c.as_dict() for c in mine] for name, mine in self.functions.items()}
        head = {"format": FORMAT, "assignment": self.assignment, "seed": self.seed}
        return {**head, "functions": functions, "answers": self.answers}

    @classmethod
    def from_dict(cls, data):
        """The cases that `as_dict` wrote."""
        if data.get("format") != FORMAT:
            raise ValueError(f"cases of format {data.get('format')!r}; this is format {FORMAT}")
        functions = {n: tuple(map(Case.from_dict, c)) for n, c in data["functions"].items()}
        return cls(data["assignment"], data["seed"], functions, dict(data["answers"]))

    def write(self, path):
        """Write the file that the grader reads."""
        write_atomically(Path(path), f"{json.dumps(self.as_dict())}\n".encode(), 0o600)


def read(path):
    """The cases in the file at ``path``."""
    return Cases.from_dict(json.loads(Path(path).read_text(encoding="utf-8")))


def course_generator(seed, assignment, function):
    """The random numbers of one function's cases: the same for the same course seed.

    >>> course_generator("a", "01_uniform", "f").integers(100, size=3).tolist()
    [97, 62, 34]
    """
    text = "\n".join(map(str, (seed, assignment, function)))
    return np.random.default_rng(list(hashlib.sha256(text.encode()).digest()))
