"""Texts that may hold anything, made fit to be shown."""

import re

_MAX_TEXT = 100_000
_ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-Z\\-_])")


def printable(text, length=300):
    """One line of a text that may hold anything: no control characters, bounded."""
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(text))
    return line if len(line) <= length else line[: length - 1] + "…"


def as_cell(value):
    """A value as a cell of a CSV file that no spreadsheet takes for a formula.

    >>> as_cell("=1+1"), as_cell(-0.5), as_cell("student-01"), as_cell(None)
    ("'=1+1", '-0.5', 'student-01', '')
    """
    text = "" if value is None else printable(value, 5_000)
    live = re.match(r"\s*[=+@-]", text) and not re.fullmatch(r"-|[+-]?\d+([.,]\d+)?", text)
    return f"'{text}" if live else text


def as_text(cell):
    """The text that `as_cell` made a cell of."""
    return cell[1:] if cell.startswith("'") and as_cell(cell[1:]) == cell else cell


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
    text = "".join(
        c if c in "\n\t" or c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text
    )
    return text if len(text) <= limit else f"{text[:limit]}\n… (the rest is cut)"
