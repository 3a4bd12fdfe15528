"""Tables for a terminal."""

import textwrap

from quantgrader.texts import printable


def table(header, rows, below=(), width=100, left=2):
    """Rows of texts as a table, the first ``left`` columns flush left and numbers flush right.

    ``below`` has for each row some sentences, which stand under it in lines of ``width``.

    >>> print(table(["name", "points"], [["a", "1.5"]], [["A reason."]], left=1))
    name  points
    ----  ------
    a        1.5
        A reason.
    """
    width = max(width, 40)
    lines = [[printable(cell, 40) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *lines, strict=True)]

    def line(cells):
        adjusted = [
            cell.ljust(w) if place < left else cell.rjust(w)
            for place, (cell, w) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  ".join(adjusted).rstrip()

    text = [line(header), line(["-" * w for w in widths])]
    for place, cells in enumerate(lines):
        text.append(line(cells))
        for sentence in below[place] if below else ():
            text += textwrap.wrap(
                printable(sentence, 1_000), width, break_on_hyphens=False,
                initial_indent=" " * 4, subsequent_indent=" " * 6,
            )  # fmt: skip
    return "\n".join(text)
