"""Tables of results for the pages."""

import html

__all__ = ["table"]


def table(header, rows, formats=None):
    """Return a table that a page or a notebook shows.

    Parameters
    ----------
    header : sequence of str
        Heads of the columns.
    rows : sequence of sequences
        One sequence for each row, with one entry for each column; the first names the row. None
        is shown as a dash.
    formats : str or sequence of str, optional
        Format of the numbers (``".1f"``), for all columns but the first or for each of those.

    Returns
    -------
    IPython.display.HTML

    Raises
    ------
    ValueError
        If a row has not one entry for each column.

    Examples
    --------
    >>> "<td>98.5</td>" in table(["bits", "accuracy"], [[8, 98.51]], ".1f").data
    True
    """
    from IPython.display import HTML

    if formats is None or isinstance(formats, str):
        formats = [formats or ""] * (len(header) - 1)
    lines = "".join(f'<th scope="col">{html.escape(str(name))}</th>' for name in header)
    body = [f"<thead><tr>{lines}</tr></thead><tbody>"]
    for row in rows:
        if len(row) != len(header):
            raise ValueError(
                f"rows must have {len(header)} entries each, one for each of header, got {row!r}"
            )
        cells = "".join(
            f"<td>{html.escape(_text(value, form))}</td>"
            for value, form in zip(row[1:], formats, strict=True)
        )
        body.append(f'<tr><th scope="row">{html.escape(str(row[0]))}</th>{cells}</tr>')
    return HTML(f'<table class="table">{"".join(body)}</tbody></table>')


def _text(value, form):
    if value is None:
        return "–"
    return value if isinstance(value, str) else format(value, form)
