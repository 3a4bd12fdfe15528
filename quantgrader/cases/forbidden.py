"""Look for operators and names that a function must do without, in its text.

Only tokens are looked at. The text is neither run nor compiled, and not parsed into a tree either:
what a stranger wrote could bring the parser down.
"""

import io
import itertools
import keyword
import re
import token
import tokenize

import numpy as np

_MAX_LENGTH = 200_000
_TOO_LONG = "(a text so long that not all of it was looked at)"
_SPACE = {token.NL, token.NEWLINE, token.INDENT, token.DEDENT, token.COMMENT, token.ENDMARKER}
_VALUES = {"None", "True", "False", "..."}
_MORE_THAN_PYTHON = re.compile(r"^[ \t]*(?:[!?].*|%%?\w+[ \t]*)")
_LITERALS = {token.NUMBER, token.STRING}
_UNARY = {"+", "-", "~"}
_PRODUCT_SIGNS = {"*", "/", "//", "%", "@", "**"}
_NAMED = {"def", "class", "async"}
_BLOCKS = {"if", "else", "elif", "for", "while", "with", "try", "except", "finally", "match"}


def violation(sources, function, operators, names, modules=None):
    """The line of a function, or of a function it uses, that has what is forbidden; or None.

    Parameters
    ----------
    sources : sequence of str
        Texts of the notebook's code cells.
    function : str
        The function's name. If no text defines it, all texts are looked at.
    operators : sequence of str
        Binary operators, such as ``*``. The stars of ``f(*arguments)`` are none. ``x*x`` is a
        product ``*`` that is no scaling: ``2 * x``, with a number that is written out, is allowed.
    names : sequence of str
        Names of functions and attributes. A variable that the text itself gives a value may have
        such a name, and so may a method of a NumPy function that is not forbidden itself:
        ``np.bitwise_xor.outer``.
    modules : sequence of str, optional
        The only modules that may be used, by the first part of their names. The ``import`` of
        another one counts in the function, and anywhere if the function uses a name that it brings.
    """
    if any(re.search(r"\b(def|lambda)\b", source[_MAX_LENGTH:]) for source in sources):
        return _TOO_LONG
    everything, texts = _texts(sources, function)
    imported = set().union(*map(_imported, everything))
    found = [_first_use(tokens, set(operators), set(names), imported) for tokens in texts]
    if modules is not None:
        foreign = _brought(everything, set(modules))
        found += [_first_foreign(tokens, foreign, set(modules)) for tokens in texts]
    return next((item.line.strip() for item in found if item is not None), None)


def used_names(sources, function):
    """Names in the text of a function, and of the functions that it uses.

    >>> sorted(used_names(["def f(x):\\n    return g(x)", "def g(y):\\n    return abs(y)"], "f"))
    ['abs', 'def', 'f', 'g', 'return', 'x', 'y']
    """
    _, texts = _texts(sources, function)
    return {item.string for tokens in texts for item in tokens if item.type == token.NAME}


def _texts(sources, function):
    """The tokens of all texts, and those of a function and of the functions that it uses.

    If no text defines the function, all texts are taken for its own.
    """
    definitions, everything = {}, []
    for source in sources:
        tokens = _tokens(source)
        everything.append(tokens)
        definitions.update(_definitions(tokens))
    if function not in definitions:
        return everything, everything
    texts, wanted, seen = [], [function], set()
    while wanted:
        name = wanted.pop()
        if name in definitions and name not in seen:
            text, own = definitions[name], _parameters(definitions[name])
            seen.add(name)
            texts.append(text)
            wanted += [t.string for t in text if t.type == token.NAME and t.string not in own]
    return everything, texts


def _parameters(text):
    """The parameters of a ``def``: inside of it these names mean no other function.

    One with a default is left out, since the default may bear its name: ``def f(g=g)``.
    """
    words = [item for item in text if item.type not in _SPACE]
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
    source = "\n".join(map(_python, source[:_MAX_LENGTH].split("\n")))
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
        words = [item.string for item in statement if item.type not in _SPACE]
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
        if item.type not in _SPACE and item.start[1] == 0 and is_new:
            if statement and statement[0].string == "@":
                decorators = decorators + statement
            elif statement:
                yield decorators, statement
                decorators = []
            statement = []
        if item.type == token.NEWLINE or item.type not in _SPACE:
            is_new = item.type == token.NEWLINE
        if statement or item.type not in _SPACE:
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


def _imports(tokens):
    """(first token, module, names that it brings) of each ``import``."""
    statement = []
    for item in tokens:
        ends = item.type in (token.NEWLINE, token.ENDMARKER) or item.string in (";", ":")
        if not ends and item.type not in _SPACE:
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


def _brought(everything, modules):
    """By name: the imports, anywhere, of other modules than these.

    A name that a text gives to a function of its own, as well, is taken for that.
    """
    found, own = {}, set()
    for tokens in everything:
        pairs = itertools.pairwise(tokens)
        own |= {after.string for item, after in pairs if item.string in ("def", "class")}
        for first, module, names in _imports(tokens):
            if module not in modules:
                found |= dict.fromkeys(names, first)
    return {name: first for name, first in found.items() if name not in own}


def _first_foreign(tokens, foreign, modules):
    """The first import of another module in a text, or of a name in it; or None."""
    for first, module, _ in _imports(tokens):
        if module not in modules:
            return first
    if "*" in foreign:  # which may bring anything
        return foreign["*"]
    own, words = _own_variables(tokens), [item for item in tokens if item.type not in _SPACE]
    for before, item, after in zip([None, *words], words, [*words[1:], None], strict=False):
        is_attribute = before is not None and before.string == "."
        is_keyword = after is not None and after.string == "="
        if item.string in foreign and item.string not in own and not is_attribute | is_keyword:
            return foreign[item.string]
    return None


def _own_variables(tokens):
    """Names that a text gives a value: parameters, targets of ``=`` and ``:=``, loop variables."""
    found, line, depth = set(), [], 0
    for item in tokens:
        if item.type not in _SPACE:
            depth += (item.string in "([{") - (item.string in ")]}") if item.type == token.OP else 0
            line.append((item, depth))
        if item.type in (token.NEWLINE, token.ENDMARKER):
            found |= _targets(line)
            line = []
    return found | _targets(line)


def _targets(line):
    """The variables that one logical line gives a value; ``line`` has (token, brackets open)."""
    words = [item.string for item, _ in line]
    equals = [n for n, (item, depth) in enumerate(line) if item.string == "=" and not depth]
    last, found = (equals[-1] if equals else -1), set()
    head = words.index("(") if "def" in words[:2] and "(" in words else len(words)
    in_for = False
    for n, (item, depth) in enumerate(line):
        in_for = item.string == "for" or (in_for and item.string != "in")
        if item.type != token.NAME or words[n - 1 : n] == ["."]:
            continue
        after = words[n + 1] if n + 1 < len(words) else ""
        is_target = n < last and after not in ("(", "[", ".")
        is_parameter = n > head and depth == 1 and words[n - 1] in ("(", ",", "*", "**")
        if is_target or is_parameter or in_for or after == ":=":
            found.add(item.string)
    return found


def _first_use(tokens, operators, names, imported):
    """The first token that is forbidden, or None."""
    after_value, before, called_on = False, "", ""
    # After `from numpy import *` a variable may be anything.
    own = set() if "*" in imported else _own_variables(tokens) - imported
    names_alone = names - own
    scalings = _scalings(tokens) if "x*x" in operators else set()
    operators = {"*" if sign == "x*x" else sign for sign in operators}
    for item in tokens:
        if item.type == token.NAME:
            if before == ".":
                of_ufunc = called_on not in names and _is_ufunc(called_on)
                if item.string in names and not of_ufunc:
                    return item
            elif item.string in names_alone:
                return item
            called_on = item.string
        before = item.string
        if item.type == token.OP:
            binary = after_value or item.string.endswith("=")
            is_found = binary and item.string.removesuffix("=") in operators
            if is_found and item.start not in scalings:
                return item
            after_value = item.string in (")", "]", "}")
        elif item.type == token.NAME:
            is_word = keyword.iskeyword(item.string) and item.string not in _VALUES
            after_value = not is_word
        elif item.type == token.STRING:
            # An expression inside of an f-string.
            prefix = item.string[: item.string.find(item.string[-1])].lower()
            if "f" in prefix and "{" in item.string and any(o in item.string for o in operators):
                return item
            after_value = True
        elif item.type == token.NUMBER:
            after_value = True
        elif item.type in (token.NEWLINE, token.INDENT, token.DEDENT):
            after_value = False
    return None


def _scalings(tokens):
    """Where products ``*`` stand of which one side is a number, or a text, that is written out.

    Several are taken from the left, as Python does: the second of ``a * 2 * b`` is no scaling, that
    of ``4 * 2 * b`` is. ``[0] * n`` makes a list.
    """
    words = [item for item in tokens if item.type not in (token.NL, token.COMMENT)]
    found, sign, is_literal, is_value, listed = set(), "", False, False, 0
    for n, item in enumerate(words):
        word = item.string
        # How much of `[0]` has been read: a subscript, as in `a[0]`, stands behind a value.
        is_number = item.type == token.NUMBER or word == "None"
        begins, goes_on = word == "[" and not is_value, is_number if listed == 1 else word == "]"
        listed = 1 if begins else listed + 1 if listed and goes_on else 0
        if item.type in _LITERALS:
            is_literal = sign not in _PRODUCT_SIGNS or (sign == "*" and is_literal)
        elif word == "*" or (word in _UNARY and not is_value):
            if word == "*" and (is_literal or _is_literal(words[n + 1 : n + 3])):
                found.add(item.start)
        else:
            is_literal = listed == 3
            if word == "*=" and _is_literal(words[n + 1 : n + 4], alone=True):
                found.add(item.start)
        if word not in _UNARY or is_value:
            sign = word
        is_name = item.type == token.NAME and (not keyword.iskeyword(word) or word in _VALUES)
        is_value = is_name or item.type in _LITERALS or word in (")", "]", "}")
    return found


def _is_literal(words, alone=False):
    """Whether tokens begin with a number or a text; ``alone``: and the statement ends there."""
    words = words[1:] if words and words[0].string in _UNARY else words
    is_literal = bool(words) and words[0].type in _LITERALS
    ends = not words[1:] or words[1].type in _SPACE or words[1].string == ";"
    return is_literal and (ends or not alone)


def _is_ufunc(name):
    """Whether NumPy has a universal function of this name, whose methods `outer`, … are."""
    return isinstance(getattr(np, name, None), np.ufunc)
