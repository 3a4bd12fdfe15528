"""The tokens of a cell's text.

The text is neither run nor compiled, and not parsed into a tree either: what a stranger wrote could
bring the parser down.
"""

import io
import re
import token
import tokenize

__all__ = ["LONGEST", "SPACE", "tokens_of"]

#: Characters of a text that are looked at.
LONGEST = 200_000
#: Tokens that are no words.
SPACE = {token.NL, token.NEWLINE, token.INDENT, token.DEDENT, token.COMMENT, token.ENDMARKER}
#: Texts, comments and brackets; and what is no Python at the beginning and the end of a line.
_PIECES = re.compile(
    r"""
    (?P<quotes> '{3}|"{3} ) (?:[^\\]|\\[\s\S])*? (?: (?P=quotes) | \Z )
    | '(?:[^'\\\n]|\\.)*' | "(?:[^"\\\n]|\\.)*"
    | (?P<beyond> ^[ \t]*(?:[!?](?!=).*|%%?\w+[ \t]*) )
    | (?P<question> \?+[ \t\r]*$ )
    | \#.* | [\[({] | [\])}]
    """,
    re.VERBOSE | re.MULTILINE,
)


def tokens_of(source):
    """The tokens of a text, as far as it is Python."""
    source = _python(source[:LONGEST])
    try:
        return list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, SyntaxError):  # also of an IndentationError
        lines = source.splitlines(keepends=True)
        return [item for number, line in enumerate(lines, 1) for item in _line(line, number)]


def _python(source):
    """A text without what IPython takes beyond Python: a magic's name, the shell, a question.

    Only where a statement may begin: inside of brackets or of a text such a line is Python.
    """
    pieces, depth, end = [], 0, 0
    for piece in _PIECES.finditer(source):
        pieces.append(source[end : piece.start()])
        text, end = piece.group(), piece.end()
        depth = max(depth + (text in "([{") - (text in ")]}"), 0)
        if piece["beyond"] is not None:
            text = text if depth else ""
        elif piece["question"] is not None:
            text = text if depth else text.strip(" \t?")
        pieces.append(text)
    return "".join([*pieces, source[end:]])


def _line(line, number):
    """The tokens of one line, as far as it is Python."""
    try:
        for item in tokenize.generate_tokens(io.StringIO(line).readline):
            if item.type not in (token.INDENT, token.DEDENT, token.ENDMARKER):
                yield item._replace(start=(number, item.start[1]))
    except (tokenize.TokenError, SyntaxError):
        return
