"""Look for operators, names and modules that a function must do without, in its text."""

import keyword
import re
import token

import numpy as np

from quantgrader.cases.source import imports, own_variables, read, texts_of
from quantgrader.cases.tokens import LONGEST, SPACE

_TOO_LONG = "(a text so long that not all of it was looked at)"
_VALUES = {"None", "True", "False", "..."}
_LITERALS = {token.NUMBER, token.STRING}
_UNARY = {"+", "-", "~"}
_PRODUCT_SIGNS = {"*", "/", "//", "%", "@", "**"}


def violation(sources, function, operators, names, modules=None, allowed=()):
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
        ``np.bitwise_xor.outer``. What an ``import`` brings from a module of such a name counts as
        well, under any name, if the function uses it.
    modules : sequence of str, optional
        The only modules that may be used, by the first part of their names. The ``import`` of
        another one counts in the function, and anywhere if the function uses a name that it brings.
    allowed : sequence of str
        Names that may be used, whatever brings them.
    """
    if any(re.search(r"\b(def|lambda)\b", source[LONGEST:]) for source in sources):
        return _TOO_LONG
    texts = texts_of(sources, function)
    everything = [read(source) for source in sources]
    imported = set().union(*(text.imported for text in everything))
    found = [_first_use(tokens, set(operators), set(names), imported) for tokens in texts]
    modules = None if modules is None else set(modules)
    brought = _brought(everything, set(names), modules)
    brought = {name: first for name, first in brought.items() if name not in allowed}
    found += [brought.get(function)]
    found += [_first_brought(tokens, brought, modules) for tokens in texts]
    return next((item.line.strip() for item in found if item is not None), None)


def _brought(everything, names, modules):
    """By name: the imports, anywhere, of what is forbidden."""
    # The course's own checks import words like `shape`. A text may have a function of that name.
    own = set().union(*(text.definitions.keys() for text in everything))
    return {
        found.name: found.first
        for text in everything
        for found in text.imports
        if _is_forbidden(found, names, modules)
        and not (found.module == "quantgrader" and found.name in own)
    }


def _is_forbidden(found, names, modules):
    is_foreign = modules is not None and found.module not in modules
    return is_foreign or not found.words.isdisjoint(names)


def _first_brought(tokens, brought, modules):
    """The first import of another module in a text, or of a forbidden name in it; or None."""
    for found in imports(tokens):
        if modules is not None and found.module not in modules:
            return found.first
    if "*" in brought:  # which may bring anything
        return brought["*"]
    own, words = own_variables(tokens), [item for item in tokens if item.type not in SPACE]
    for before, item, after in zip([None, *words], words, [*words[1:], None], strict=False):
        is_attribute = before is not None and before.string == "."
        is_keyword = after is not None and after.string == "="
        if item.string in brought and item.string not in own and not is_attribute | is_keyword:
            return brought[item.string]
    return None


def _first_use(tokens, operators, names, imported):
    """The first token that is forbidden, or None."""
    after_value, before, called_on = False, "", ""
    # After `from numpy import *` a variable may be anything.
    own = set() if "*" in imported else own_variables(tokens) - imported
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
    ends = not words[1:] or words[1].type in SPACE or words[1].string == ";"
    return is_literal and (ends or not alone)


def _is_ufunc(name):
    """Whether NumPy has a universal function of this name, whose methods `outer`, … are."""
    return isinstance(getattr(np, name, None), np.ufunc)
