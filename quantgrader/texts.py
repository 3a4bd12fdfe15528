"""Texts that may hold anything, made fit to be shown."""

import re

_MAX_TEXT = 100_000
_ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-Z\\-_])")


def printable(text, length=300):
    """One line of a text that may hold anything: no control characters, bounded."""
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(text))
    return line if len(line) <= length else line[: length - 1] + "…"


def harmless(text):
    """One line that a spreadsheet takes for text; numbers stay numbers.

    >>> harmless("=1+1"), harmless("+1+1"), harmless("-2.5"), harmless("ada")
    ("'=1+1", "'+1+1", '-2.5', 'ada')
    """
    text = printable(text, 5_000)
    is_number = re.fullmatch(r"[+-]?\d+(\.\d*)?(e[+-]?\d+)?", text) is not None
    starts = text.lstrip().startswith(("=", "+", "-", "@", "\N{FULLWIDTH EQUALS SIGN}"))
    return f"'{text}" if starts and not is_number else text


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
