"""Popcount products of whole matrices: the result is cut into tasks, and tasks into tiles."""

from typing import NamedTuple

import numpy as np
from numba import prange

from quantlib.kernels._compile import both, compiled
from quantlib.kernels._threads import run
from quantlib.kernels._tile import (
    ADDED,
    LANES,
    PANELS,
    PLANES,
    ROWS,
    SIGNS,
    TERNARY,
    Kind,
    Rectangle,
    subtracted,
    tile,
)

__all__ = [
    "ADDED",
    "LANES",
    "NO_SCALES",
    "ONE_PASS",
    "PLANES",
    "SIGNS",
    "SPARE",
    "TASK_ROWS",
    "TERNARY",
    "Rectangle",
    "as_scales",
    "block",
    "columns_of_a_task",
    "copy_scale",
    "fill_rows",
    "multiply",
    "running_xors",
    "subtracted",
]

#: Rows of a task; its columns are as many as keep their panels in the cache.
TASK_ROWS, TASK_BYTES = 64, 2**19

#: Passes of a product that runs along the words once.
ONE_PASS = np.zeros(3, np.int64)

NO_PARTS = (np.zeros(1, np.int32),) * 2

#: A tile reads scales up to so many places behind the last column.
SPARE = PANELS * LANES

NO_SCALES = np.ones(SPARE, np.float32)


class Sizes(NamedTuple):
    """Of a whole product."""

    m: int  # rows and columns of the result
    n: int
    a_runs: int  # runs (planes) of a row of a, and of b
    b_runs: int
    n_words: int  # of a run
    base: int
    scaled: int
    task_columns: int


@compiled
def block(product, a_step, a, b, c, passes, row_scales, column_scales, place, n_rows, n_columns):
    """Compute a rectangle of results, tile by tile; the last panel is cut to ``n_columns``.

    The other arguments are those of :func:`tile` for the whole rectangle.
    """
    n_words, base, scaled = place.n_words, place.base, place.scaled
    edge = np.empty(ROWS * PANELS * LANES, np.int32) if n_columns % LANES else c
    column = 0
    while column < n_columns:
        panels = PANELS if n_columns - column > LANES else 1
        width = min(panels * LANES, n_columns - column)
        whole = width == panels * LANES
        b_at = place.b + column // LANES * place.b_stride
        row = 0
        while row < n_rows:
            rows = ROWS if n_rows - row >= ROWS else 1
            a_at, c_at = place.a + row * place.a_stride, place.c + row * place.c_stride + column
            if not whole and scaled >= ADDED:
                for r in range(rows):
                    for i in range(width):
                        edge[r * PANELS * LANES + i] = c[c_at + r * place.c_stride + i]
            tile(
                a, b, c if whole else edge, passes, row_scales, column_scales,
                Kind(rows, panels, product, a_step),
                Rectangle(
                    a_at, b_at, c_at if whole else 0, place.a_stride, place.b_stride,
                    place.c_stride if whole else PANELS * LANES, n_words, base, scaled,
                    place.row + row, place.column + column,
                ),
            )  # fmt: skip
            if not whole:
                for r in range(rows):
                    for i in range(width):
                        c[c_at + r * place.c_stride + i] = edge[r * PANELS * LANES + i]
            row += rows
        column += width


@compiled
def fill_rows(target, values, start, stride, n_rows, n_columns):
    """Write the first ``n_columns`` of ``values`` to rows ``stride`` apart."""
    for r in range(n_rows):
        row = target[start + r * stride :]  # places that count from 0 are written in vectors
        for i in range(n_columns):
            row[i] = values[i]


@compiled
def running_xors(source, start, target, n_runs, n_words):
    """Copy runs of words as running XORs."""
    for run_ in range(n_runs):
        first = run_ * n_words
        total = np.uint32(0)
        for w in range(n_words):
            total ^= source[start + first + w]
            target[first + w] = total


@compiled
def _task(
    task, product, a, b, c, passes, row_scales, column_scales, row_parts, column_parts, sizes
):
    """Compute the rectangle of results number ``task``."""
    m, n, a_runs, b_runs, n_words, base, scaled, task_columns = sizes
    across = -(-n // task_columns)
    row, column = task // across * TASK_ROWS, task % across * task_columns
    n_rows, n_columns = min(TASK_ROWS, m - row), min(task_columns, n - column)
    stride, panel = a_runs * n_words, b_runs * n_words * LANES
    if product != TERNARY:
        rows = np.empty(n_rows * stride, np.uint32)
        for r in range(n_rows):
            running_xors(a, (row + r) * stride, rows[r * stride :], a_runs, n_words)
        a_start = 0
    else:
        rows, a_start = a, row * stride
    place = Rectangle(
        a_start, column // LANES * panel, row * n + column, stride, panel, n, n_words, base,
        scaled, row, column,
    )  # fmt: skip
    block(product, 1, rows, b, c, passes, row_scales, column_scales, place, n_rows, n_columns)
    if product == PLANES:  # twice the product is a row's part plus a column's part less the count
        parts = column_parts[column : column + n_columns]
        for r in range(row, row + n_rows):
            counts = c[r * n + column : r * n + column + n_columns]
            for i in range(n_columns):
                counts[i] = (row_parts[r] + parts[i] - counts[i]) >> np.int32(1)


@both
def _multiply(
    n_tasks, product, a, b, c, passes, row_scales, column_scales, row_parts, column_parts, sizes
):
    sizes = Sizes(*sizes)
    for task in prange(n_tasks):
        _task(
            np.int64(task), product, a, b, c, passes, row_scales, column_scales, row_parts,
            column_parts, sizes,
        )  # fmt: skip


def as_scales(scales):
    """Return scales of rows and columns, ones for what is missing, and which are given.

    ``scales``: a pair of arrays or Nones, or None. Which: 1 for rows plus 2 for columns.
    """
    rows, columns = scales or (None, None)
    which = (rows is not None) + 2 * (columns is not None)
    return NO_SCALES if rows is None else rows, NO_SCALES if columns is None else columns, which


@compiled
def copy_scale(values, padded):
    """Copy ``values`` in float32, and fill up with ones; return whether all are finite."""
    finite = True
    for i in range(len(values)):
        value = np.float32(values[i])
        padded[i] = value
        finite &= np.isfinite(value)
    padded[len(values) :] = 1
    return finite


def columns_of_a_task(m, n, column_words):
    """Return how many columns a task computes, of which each has so many words."""
    fits = max(1, TASK_BYTES // (column_words * LANES * 4)) * LANES
    # Few rows: the columns are split, so that threads get some.
    wanted = -(-n // max(1, 4 // -(-m // TASK_ROWS)))
    return min(-(-max(wanted, 4 * LANES) // LANES) * LANES, fits)


def multiply(num_threads, product, a, b, c, scales, sizes, *, passes=ONE_PASS, base=0, halves=None):
    """Compute the whole result ``c`` of the words of rows ``a`` and of panels ``b``.

    ``scales``: of rows and columns, either or both None. ``sizes``: rows, columns, words of a run,
    and the runs (planes) of a row of a and of b. ``base`` is K for signs. ``halves``, for planes:
    the parts of rows and columns of which the count is subtracted, to be halved.
    """
    m, n, n_words, a_runs, b_runs = sizes
    task_columns = columns_of_a_task(m, n, b_runs * n_words)
    base -= 128 * subtracted(n_words) if product == SIGNS else 0
    *scales, scaled = as_scales(scales)
    run(
        _multiply, num_threads, -(-m // TASK_ROWS) * -(-n // task_columns),
        product, a, b, c, passes, *scales, *(halves or NO_PARTS),
        (m, n, a_runs, b_runs, n_words, base, scaled, task_columns),
    )  # fmt: skip
