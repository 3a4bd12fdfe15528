"""Texts that may hold anything, made fit to be shown."""

import re
import unicodedata

_MAX_TEXT = 100_000
_ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-Z\\-_])")

# Persian, Hindi and some emoji are spelt with them. Nothing else without width is shown: marks of
# direction could make a text read as another one.
_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
# Where a cell begins: a spreadsheet may take ; or a tab, too, for what is between two cells. Wide
# signs are as good as narrow ones to some.
_LIVE = rf"(^|[;\t])%s(?=[\s\"{_JOINERS}]*[=+@\-＝＋＠－])"
_TO_BE_QUOTED, _QUOTED = re.compile(_LIVE % ""), re.compile(_LIVE % "'")
_HARMLESS = re.compile(r"-|[+-]?\d+([.,]\d+)?")


def is_shown(character):
    """Whether a character of a text is shown as it is: letters, signs, spaces of all kinds."""
    return (
        character.isprintable() or character in _JOINERS or unicodedata.category(character) == "Zs"
    )


def printable(text, length=300):
    """One line of a text that may hold anything: no control characters, bounded."""
    line = "".join(c if is_shown(c) else "\N{REPLACEMENT CHARACTER}" for c in str(text))
    return line if len(line) <= length else line[: length - 1] + "…"


def as_cell(value):
    """A value as a cell of a CSV file that no spreadsheet takes for a formula.

    >>> as_cell("=1+1"), as_cell(-0.5), as_cell("student-01"), as_cell(None)
    ("'=1+1", '-0.5', 'student-01', '')
    >>> as_cell("a;=1+1")
    "a;'=1+1"
    """
    text = "" if value is None else printable(value, 5_000)
    return text if _HARMLESS.fullmatch(text) else _TO_BE_QUOTED.sub(r"\1'", text)


def as_text(cell):
    """The text that `as_cell` made a cell of."""
    text = _QUOTED.sub(r"\1", cell)
    return text if as_cell(text) == cell else cell


def listed(names, number=5):
    """The first of some names, and how many more there are.

    >>> listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    text = ", ".join(printable(name, 60) for name in names[:number])
    return f"{text} and {len(names) - number} more" if len(names) > number else text


def clean_text(text, limit=_MAX_TEXT):
    """A text without terminal escapes and control characters, bounded."""
    if isinstance(text, list):
        text = "".join(part for part in text if isinstance(part, str))
    text = _ESCAPES.sub("", text if isinstance(text, str) else "")
    text = text.replace("\r\n", "\n")
    text = "".join(c if c in "\n\t" or is_shown(c) else "\N{REPLACEMENT CHARACTER}" for c in text)
    return text if len(text) <= limit else f"{text[:limit]}\n… (the rest is cut)"
