"""Tables of others: CSV files as spreadsheets and learning management systems write them."""

import csv
import io
from dataclasses import dataclass

from quantgrader.course.folders import CourseError
from quantgrader.texts import as_cell, printable

_MAX_BYTES = 50_000_000


@dataclass(frozen=True)
class Table:
    """A header, and rows as dicts by its names. All cells are text without space around it."""

    header: tuple[str, ...]
    rows: tuple[dict, ...]

    def require(self, path, *names):
        """Refuse a table that lacks one of the columns."""
        missing = [name for name in names if name not in self.header]
        if missing:
            raise CourseError(
                f"{path} has no column {', '.join(missing)}. Its columns are: "
                f"{', '.join(printable(name, 60) for name in self.header) or 'none'}."
            )


def read(path):
    """Read a CSV file, whatever it is separated by, with or without a byte order mark."""
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise CourseError(f"{path} can't be read: {error.strerror}.") from None
    if len(data) > _MAX_BYTES:
        raise CourseError(f"{path} holds more than {_MAX_BYTES // 10**6} MB.")
    utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))  # a spreadsheet's "Unicode text"
    try:
        text = data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise CourseError(
            f"{path} is not UTF-8 text (byte {error.start}). Save it as CSV in UTF-8."
        ) from None
    first = text.lstrip("\r\n").split("\n", 1)[0]
    separator = max(",;\t", key=first.count)
    lines = csv.reader(io.StringIO(text.replace("\0", ""), newline=""), delimiter=separator)
    try:
        cells = [[cell.strip() for cell in line] for line in lines]
    except csv.Error as error:
        raise CourseError(f"{path} is no CSV file: line {lines.line_num}: {error}.") from None
    cells = [line for line in cells if any(line)]
    if not cells:
        raise CourseError(f"{path} is empty.")
    header, *rest = cells
    if double := sorted({name for name in header if name and header.count(name) > 1}):
        raise CourseError(f"{path} has several columns {', '.join(map(printable, double))}.")
    wide = [line + [""] * (len(header) - len(line)) for line in rest]
    rows = tuple({n: cell for n, cell in zip(header, line, strict=False) if n} for line in wide)
    return Table(tuple(name for name in header if name), rows)


def text_of(header, rows):
    """The rows as CSV, with nothing in it that a spreadsheet would take for a formula."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerows([as_cell(cell) for cell in row] for row in (header, *rows))
    return file.getvalue()
