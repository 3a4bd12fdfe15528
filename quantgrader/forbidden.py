"""Look for operators and names that a function must do without, in its text.

Only tokens are looked at. The text is neither run nor compiled, and not parsed into a tree either:
what a stranger wrote could bring the parser down.
"""

import io
import itertools
import keyword
import token
import tokenize

_MAX_LENGTH = 200_000
_SPACE = {token.NL, token.NEWLINE, token.INDENT, token.DEDENT, token.COMMENT, token.ENDMARKER}
_VALUES = {"None", "True", "False", "..."}


def violates(sources, function, operators, names):
    """Whether a function's text, or that of a function it uses, has what is forbidden.

    Parameters
    ----------
    sources : sequence of str
        Texts of the notebook's code cells.
    function : str
        The function's name. If no text defines it by ``def``, all texts are looked at.
    operators : sequence of str
        Binary operators, such as ``*``. The stars of ``f(*arguments)`` are none.
    names : sequence of str
        Names of variables, functions and attributes.
    """
    definitions, everything = {}, []
    for source in sources:
        tokens = _tokens(source)
        everything.append(tokens)
        definitions.update(_definitions(tokens))
    if function not in definitions:
        texts = everything
    else:
        texts, wanted, seen = [], [function], set()
        while wanted:
            name = wanted.pop()
            if name in definitions and name not in seen:
                seen.add(name)
                texts.append(definitions[name])
                wanted += [t.string for t in definitions[name] if t.type == token.NAME]
    return any(_uses(tokens, set(operators), set(names)) for tokens in texts)


def _tokens(source):
    """The tokens of a text, as far as it is Python."""
    tokens = []
    try:
        for item in tokenize.generate_tokens(io.StringIO(source[:_MAX_LENGTH]).readline):
            tokens.append(item)
    except (tokenize.TokenError, SyntaxError):  # also of an IndentationError
        pass
    return tokens


def _definitions(tokens):
    """Tokens of each function that is defined at the top level, by its name."""
    found, current = {}, None
    for item, following in itertools.pairwise(tokens):
        starts_line = item.start[1] == 0 and item.type not in _SPACE
        if starts_line and item.string == "def":
            current = found[following.string] = []
        elif starts_line and item.string not in (")", "]", "}") and item.type != token.STRING:
            current = None
        if current is not None:
            current.append(item)
    return found


def _uses(tokens, operators, names):
    after_value = False
    for item in tokens:
        if item.type == token.NAME and item.string in names:
            return True
        if item.type == token.OP:
            binary = after_value or item.string.endswith("=")
            if binary and item.string.removesuffix("=") in operators:
                return True
            after_value = item.string in (")", "]", "}")
        elif item.type == token.NAME:
            is_word = keyword.iskeyword(item.string) and item.string not in _VALUES
            after_value = not is_word
        elif item.type == token.STRING:
            # An expression inside of an f-string.
            prefix = item.string[: item.string.find(item.string[-1])].lower()
            if "f" in prefix and "{" in item.string and any(o in item.string for o in operators):
                return True
            after_value = True
        elif item.type == token.NUMBER:
            after_value = True
        elif item.type in (token.NEWLINE, token.INDENT, token.DEDENT):
            after_value = False
    return False
