"""Read the text of a cell: what it defines, what it imports, and which variables it makes."""

import itertools
import token
import tokenize
from functools import lru_cache
from typing import NamedTuple

from quantgrader.cases.tokens import SPACE, tokens_of

__all__ = ["Import", "Text", "imports", "own_variables", "read", "texts_of", "used_names"]

_SHORT = 10_000
_NAMED = {"def", "class", "async"}
_BLOCKS = {"if", "else", "elif", "for", "while", "with", "try", "except", "finally", "match"}


class Text(NamedTuple):
    """What is known of a text."""

    tokens: list
    #: The tokens of each function by its name: of its ``def``, say.
    definitions: dict
    #: The tokens of other statements that give a name a value, a list of them by the name.
    bindings: dict
    #: A list of `Import`.
    imports: list
    #: All words behind an ``import``.
    imported: set


class Import(NamedTuple):
    """A name that an ``import`` brings."""

    #: Where the statement begins.
    first: tokenize.TokenInfo
    #: The first part of the module's name; of ``from . import x`` it is ``.``.
    module: str
    #: What it is by its own names: the path of the module, and what is taken from it. Of
    #: ``from package import module`` it is the module alone.
    words: set
    name: str


def read(source):
    """Return the `Text` of a source. Most cells are the same in everybody's notebook."""
    return (_read_anew if len(source) > _SHORT else _read_once)(source)


def _read_anew(source):
    tokens = tokens_of(source)
    definitions, bindings = _defined(tokens)
    return Text(tokens, definitions, bindings, [*imports(tokens)], _imported(tokens))


#: Of short texts only: they are kept in a process whose memory is bounded.
_read_once = lru_cache(256)(_read_anew)


def used_names(sources, function):
    """Names in the text of a function, and of the functions that it uses.

    >>> sorted(used_names(["def f(x):\\n    return g(x)", "def g(y):\\n    return abs(y)"], "f"))
    ['abs', 'def', 'f', 'g', 'return', 'x', 'y']
    """
    texts = texts_of(sources, function)
    return {item.string for tokens in texts for item in tokens if item.type == token.NAME}


def texts_of(sources, function):
    """The tokens of a function, and of the functions that it uses.

    If no text defines the function, all texts are taken for its own.
    """
    definitions, bindings = {}, {}
    for source in sources:
        text = read(source)
        definitions |= text.definitions
        for name, statements in text.bindings.items():
            bindings.setdefault(name, []).extend(statements)
    if function not in definitions and function not in bindings:
        return [read(source).tokens for source in sources]
    texts, waiting, seen = [], [function], set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        found = [definitions[name]] if name in definitions else bindings[name]
        if name == function and name in definitions:
            # Whatever else gives the function's name a value may take the place of its `def`.
            found = [*found, *bindings.get(name, [])]
        texts += found
        for text in found:
            own = _parameters(text)
            names = [item.string for item in text if item.type == token.NAME]
            waiting += [name for name in names if name in definitions and name not in own]
            waiting += [name for name in _called(text) if name in bindings]
    return texts


def _called(tokens):
    """Names that a text calls and gives no value itself."""
    own, words = own_variables(tokens), [item for item in tokens if item.type not in SPACE]
    triples = zip([None, *words], words, words[1:], strict=False)
    return [
        item.string
        for before, item, after in triples
        if item.type == token.NAME and after.string == "(" and item.string not in own
        and (before is None or before.string not in (".", "def", "class"))
    ]  # fmt: skip


def _parameters(text):
    """The parameters of a ``def``: inside of it these names mean no other function.

    One with a default is left out, since the default may bear its name: ``def f(g=g)``.
    """
    words = [item for item in text if item.type not in SPACE]
    if len(words) < 3 or words[0].string != "def":
        return set()
    found, depth, name = set(), 0, None
    for before, item in itertools.pairwise(words[1:]):
        depth += (item.string in "([{") - (item.string in ")]}") if item.type == token.OP else 0
        if depth == 1 and item.type == token.NAME and before.string in ("(", ","):
            name = item.string
        elif depth == 1 and item.string == "=":
            name = None
        elif name and ((depth == 1 and item.string == ",") or depth == 0):
            found.add(name)
        if depth == 0:
            break
    return found


def _defined(tokens):
    """The `definitions` of a `Text`, and its `bindings`."""
    # A function is what `def` and `class` define, also inside of `if` and the like; and a name for
    # a lambda or for another function, also by `import one as other`.
    found, others = {}, {}
    for decorators, statement in _statements(tokens):
        words = [item.string for item in statement if item.type not in SPACE]
        kind, text = words[0], decorators + statement
        if kind in _NAMED:
            found[next((word for word in words if word not in _NAMED), "")] = text
            continue
        if kind in ("import", "from"):
            places = [n for n, item in enumerate(statement[:-1]) if item.string == "as"]
            found |= {statement[n + 1].string: [statement[n - 1]] for n in places}
            continue
        pairs, functions = [*itertools.pairwise(words)], set()
        if kind in _BLOCKS:
            functions = {name for word, name in pairs if word in _NAMED}
        elif statement[0].type == token.NAME and "=" in words:
            value = words[len(words) - words[::-1].index("=") :]
            if "lambda" in words or all(w == "." or w.isidentifier() for w in value):
                functions = {kind}
        found |= dict.fromkeys(functions, text)
        variables = own_variables(statement) | {name for word, name in pairs if word == "as"}
        for name in variables - functions:
            others.setdefault(name, []).append(text)
    return found, others


def _statements(tokens):
    """(tokens of its decorators, tokens) of each statement at the top level, with its body."""
    statement, decorators, is_new = [], [], True
    for item in tokens:
        if item.type not in SPACE and item.start[1] == 0 and is_new:
            if statement and statement[0].string == "@":
                decorators = decorators + statement
            elif statement:
                yield decorators, statement
                decorators = []
            statement = []
        if item.type == token.NEWLINE or item.type not in SPACE:
            is_new = item.type == token.NEWLINE
        if statement or item.type not in SPACE:
            statement.append(item)
    if statement:
        yield decorators, statement


def _imported(tokens):
    """All names behind an ``import``."""
    found, behind = set(), False
    for item in tokens:
        behind = item.string == "import" or (behind and item.type != token.NEWLINE)
        found |= {item.string} if behind else set()
    return found


def imports(tokens):
    """The `Import` of each name that a text imports."""
    statement = []
    for item in tokens:
        ends = item.type in (token.NEWLINE, token.ENDMARKER) or item.string in (";", ":")
        if not ends and item.type not in SPACE:
            statement.append(item)
        if ends:
            yield from _import(statement)
            statement = []
    yield from _import(statement)


def _import(statement):
    words = [item.string for item in statement]
    if words[:1] == ["from"] and "import" in words:
        place = words.index("import")
        path = {word for word in words[1:place] if word != "."}
        for part in _split([word for word in words[place + 1 :] if word not in "()"]):
            is_module = len(path) == 1 and part[0] != "*"
            own = {part[0]} if is_module else {part[0], *path}
            yield Import(statement[0], words[1], own, part[-1])
    elif words[:1] == ["import"]:
        for part in _split(words[1:]):
            path = part[: part.index("as")] if "as" in part else part
            name = part[-1] if "as" in part else part[0]
            yield Import(statement[0], part[0], {*path} - {"."}, name)


def _split(words):
    """The words between commas."""
    groups = itertools.groupby(words, lambda word: word == ",")
    return [list(group) for is_comma, group in groups if not is_comma]


def own_variables(tokens):
    """Names that a text gives a value: parameters, targets of ``=`` and ``:=``, loop variables."""
    found, line, depth = set(), [], 0
    for item in tokens:
        if item.type not in SPACE:
            depth += (item.string in "([{") - (item.string in ")]}") if item.type == token.OP else 0
            line.append((item, depth))
        if item.type in (token.NEWLINE, token.ENDMARKER):
            found |= _targets(line)
            line = []
    return found | _targets(line)


def _targets(line):
    """The variables that one logical line gives a value; ``line`` has (token, brackets open)."""
    # Of a lambda, how many brackets are open where its parameters are; None outside of them.
    inside = None
    words = [item.string for item, _ in line]
    equals = [n for n, (item, depth) in enumerate(line) if item.string == "=" and not depth]
    last, found = (equals[-1] if equals else -1), set()
    head = words.index("(") if "def" in words[:2] and "(" in words else len(words)
    in_for = False
    for n, (item, depth) in enumerate(line):
        in_for = item.string == "for" or (in_for and item.string != "in")
        if item.string == "lambda":
            inside = depth
        elif item.string == ":" and depth == inside:
            inside = None
        if item.type != token.NAME or words[n - 1 : n] == ["."]:
            continue
        after = words[n + 1] if n + 1 < len(words) else ""
        is_target = n < last and after not in ("(", "[", ".")
        is_parameter = n > head and depth == 1 and words[n - 1] in ("(", ",", "*", "**")
        is_parameter |= depth == inside and words[n - 1] in ("lambda", ",", "*", "**")
        if is_target or is_parameter or in_for or after == ":=":
            found.add(item.string)
    return found
