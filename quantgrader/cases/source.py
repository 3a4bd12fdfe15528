"""Read the text of a cell: what it defines, what it imports, and which variables it makes.

Only tokens are looked at. The text is neither run nor compiled, and not parsed into a tree either:
what a stranger wrote could bring the parser down.
"""

import io
import itertools
import re
import token
import tokenize
from functools import lru_cache
from typing import NamedTuple

__all__ = ["LONGEST", "SPACE", "Text", "imports", "own_variables", "read", "texts_of", "used_names"]

#: Characters of a text that are looked at.
LONGEST = 200_000
#: Tokens that are no words.
SPACE = {token.NL, token.NEWLINE, token.INDENT, token.DEDENT, token.COMMENT, token.ENDMARKER}
_SHORT = 10_000
_MORE_THAN_PYTHON = re.compile(r"^[ \t]*(?:[!?].*|%%?\w+[ \t]*)")
_NAMED = {"def", "class", "async"}
_BLOCKS = {"if", "else", "elif", "for", "while", "with", "try", "except", "finally", "match"}


class Text(NamedTuple):
    """What is known of a text: its tokens, those of what it defines by name, and names imported."""

    tokens: list
    definitions: dict
    imported: set


def read(source):
    """Return the `Text` of a source. Most cells are the same in everybody's notebook."""
    return (_read_anew if len(source) > _SHORT else _read_once)(source)


def _read_anew(source):
    tokens = _tokens(source)
    return Text(tokens, _definitions(tokens), _imported(tokens))


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
    definitions = {}
    for source in sources:
        definitions |= read(source).definitions
    if function not in definitions:
        return [read(source).tokens for source in sources]
    texts, wanted, seen = [], [function], set()
    while wanted:
        name = wanted.pop()
        if name in definitions and name not in seen:
            text, own = definitions[name], _parameters(definitions[name])
            seen.add(name)
            texts.append(text)
            wanted += [t.string for t in text if t.type == token.NAME and t.string not in own]
    return texts


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


def _tokens(source):
    """The tokens of a text, as far as it is Python."""
    source = "\n".join(map(_python, source[:LONGEST].split("\n")))
    try:
        return list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, SyntaxError):  # also of an IndentationError
        lines = source.splitlines(keepends=True)
        return [item for number, line in enumerate(lines, 1) for item in _line(line, number)]


def _python(line):
    """A line without what IPython takes beyond Python: a magic's name, the shell, a question."""
    line = _MORE_THAN_PYTHON.sub("", line)
    return line.rstrip(" \t\r?") if line.rstrip().endswith("?") else line


def _line(line, number):
    """The tokens of one line, as far as it is Python."""
    try:
        for item in tokenize.generate_tokens(io.StringIO(line).readline):
            if item.type not in (token.INDENT, token.DEDENT, token.ENDMARKER):
                yield item._replace(start=(number, item.start[1]))
    except (tokenize.TokenError, SyntaxError):
        return


def _definitions(tokens):
    """Tokens of all that gives a function a name at the top level, by that name."""
    # That is `def` and `class`, also inside of `if` and the like; a name for a lambda or for
    # another function; and `import one as other`.
    found = {}
    for decorators, statement in _statements(tokens):
        words = [item.string for item in statement if item.type not in SPACE]
        kind, text = words[0], decorators + statement
        if kind in _NAMED:
            found[next((word for word in words if word not in _NAMED), "")] = text
        elif kind in _BLOCKS:
            pairs = itertools.pairwise(words)
            found |= {name: text for word, name in pairs if word in _NAMED}
        elif kind in ("import", "from"):
            places = [n for n, item in enumerate(statement[:-1]) if item.string == "as"]
            found |= {statement[n + 1].string: [statement[n - 1]] for n in places}
        elif statement[0].type == token.NAME and "=" in words:
            value = words[len(words) - words[::-1].index("=") :]
            if "lambda" in words or all(w == "." or w.isidentifier() for w in value):
                found[kind] = text
    return found


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
    """(first token, module, names that it brings) of each ``import``."""
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
    """What one statement imports; ``from . import x`` is of the module ``.``."""
    words = [item.string for item in statement]
    if words[:1] == ["from"] and "import" in words:
        behind = [word for word in words[words.index("import") + 1 :] if word not in "()"]
        yield statement[0], words[1], {part[-1] for part in _split(behind)}
    elif words[:1] == ["import"]:
        for part in _split(words[1:]):
            yield statement[0], part[0], {part[-1] if "as" in part else part[0]}


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
