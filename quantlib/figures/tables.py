"""Tables of results for the pages."""

import html
import re

from quantlib._validation import shown

__all__ = ["table"]


def table(header, rows, formats=None):
    """Return a table that a page or a notebook shows.

    Parameters
    ----------
    rows : sequence of sequences
        With one entry for each column; the first names the row. None is shown as a dash.
    formats : str or sequence of str, optional
        Format of the numbers (``".1f"``), for all columns but the first or for each of those. A
        column of nothing but numbers is set flush right, so that digits stand below each other.

    Examples
    --------
    >>> '<td class="number">98.5</td>' in table(["bits", "accuracy"], [[8, 98.51]], ".1f").data
    True
    """
    from IPython.display import HTML

    if formats is None or isinstance(formats, str):
        formats = [formats or ""] * (len(header) - 1)
    for row in rows:
        if len(row) != len(header):
            raise ValueError(
                f"rows must have {len(header)} entries each, one for each of header, "
                f"got {shown(row)}"
            )
    body = [
        [str(row[0]), *(_text(v, form) for v, form in zip(row[1:], formats, strict=True))]
        for row in rows
    ]
    kinds = [
        ' class="number"' if column and all(map(_is_number, cells)) else ""
        for column, cells in enumerate(zip(*body, strict=True))
    ] or [""] * len(header)
    lines = [_line(header, ['scope="col"'] * len(header), kinds)]
    lines += [_line(row, ['scope="row"', *[None] * (len(header) - 1)], kinds) for row in body]
    return HTML(
        f'<table class="table"><thead>{lines[0]}</thead><tbody>{"".join(lines[1:])}</tbody></table>'
    )


def _line(texts, scopes, kinds):
    """Return one row; a cell with a scope is a head."""
    cells = []
    for text, scope, kind in zip(texts, scopes, kinds, strict=True):
        tag = f"th {scope}" if scope else "td"
        cells.append(f"<{tag}{kind}>{html.escape(_minus(str(text)))}</{tag[:2]}>")
    return f"<tr>{''.join(cells)}</tr>"


def _is_number(text):
    return text == "–" or re.fullmatch(r"[-+]?[\d,.]*\d([eE][-+]?\d+)?", text) is not None


def _minus(text):
    """Return ``text``, a number in it with a true minus sign."""
    return text.replace("-", "−") if _is_number(text) else text


def _text(value, form):
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    text = format(value, form)
    return text.removeprefix("-") if re.fullmatch(r"-0(\.0*)?", text) else text  # no −0.0
