"""Popcount products of whole matrices: the result is cut into tasks, and tasks into tiles."""

import numpy as np
from numba import prange

from quantlib.kernels._compile import compiled
from quantlib.kernels._threads import run
from quantlib.kernels._tile import (
    LANES,
    PANELS,
    PLANES,
    ROWS,
    SIGNS,
    TERNARY,
    subtracted,
    tile,
)

__all__ = [
    "LANES",
    "ONE_PASS",
    "PLANES",
    "SIGNS",
    "SPARE",
    "TERNARY",
    "as_scales",
    "block",
    "multiply",
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


@compiled
def block(product, a_step, a, b, c, passes, row_scales, column_scales, numbers, n_rows, n_columns):
    """Compute a rectangle of results, tile by tile; the last panel is cut to ``n_columns``.

    The other arguments are those of :func:`tile` for the rectangle's first tile.
    """
    a_start, b_start, c_start, a_stride, b_stride, c_stride = numbers[:6]
    fixed, first_row, first_column = numbers[6:9], numbers[9], numbers[10]
    edge = np.empty(ROWS * PANELS * LANES, np.int32) if n_columns % LANES else c
    column = 0
    while column < n_columns:
        panels = PANELS if n_columns - column > LANES else 1
        width = min(panels * LANES, n_columns - column)
        b_at = b_start + column // LANES * b_stride
        row = 0
        while row < n_rows:
            rows = ROWS if n_rows - row >= ROWS else 1
            a_at, place = a_start + row * a_stride, c_start + row * c_stride + column
            rest = (*fixed, first_row + row, first_column + column)
            if width == panels * LANES:
                tile(
                    a, b, c, passes, row_scales, column_scales, (rows, panels, product, a_step),
                    (a_at, b_at, place, a_stride, b_stride, c_stride, *rest),
                )  # fmt: skip
            else:
                tile(
                    a, b, edge, passes, row_scales, column_scales, (rows, panels, product, a_step),
                    (a_at, b_at, 0, a_stride, b_stride, PANELS * LANES, *rest),
                )  # fmt: skip
                for r in range(rows):
                    for i in range(width):
                        c[place + r * c_stride + i] = edge[r * PANELS * LANES + i]
            row += rows
        column += width


@compiled
def _running_xors(source, start, target, n_runs, n_words):
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
            _running_xors(a, (row + r) * stride, rows[r * stride :], a_runs, n_words)
        a_start = 0
    else:
        rows, a_start = a, row * stride
    numbers = (
        a_start, column // LANES * panel, row * n + column, stride, panel, n, n_words, base,
        scaled, row, column,
    )  # fmt: skip
    block(product, 1, rows, b, c, passes, row_scales, column_scales, numbers, n_rows, n_columns)
    if product == PLANES:  # twice the product is a row's part plus a column's part less the count
        parts = column_parts[column : column + n_columns]
        for r in range(row, row + n_rows):
            counts = c[r * n + column : r * n + column + n_columns]
            for i in range(n_columns):
                counts[i] = (row_parts[r] + parts[i] - counts[i]) >> np.int32(1)


@compiled
def _multiply(
    n_tasks, product, a, b, c, passes, row_scales, column_scales, row_parts, column_parts, sizes
):
    for task in range(n_tasks):
        _task(
            task,
            product,
            a,
            b,
            c,
            passes,
            row_scales,
            column_scales,
            row_parts,
            column_parts,
            sizes,
        )


@compiled(parallel=True)
def _multiply_parallel(
    n_tasks, product, a, b, c, passes, row_scales, column_scales, row_parts, column_parts, sizes
):
    for task in prange(n_tasks):
        _task(
            np.int64(task),
            product,
            a,
            b,
            c,
            passes,
            row_scales,
            column_scales,
            row_parts,
            column_parts,
            sizes,
        )


def as_scales(scales):
    """Return scales of rows and columns, ones for what is missing, and which are given.

    ``scales``: a pair of arrays or Nones, or None. Which: 1 for rows plus 2 for columns.
    """
    rows, columns = scales or (None, None)
    which = (rows is not None) + 2 * (columns is not None)
    return NO_SCALES if rows is None else rows, NO_SCALES if columns is None else columns, which


def multiply(num_threads, product, a, b, c, scales, sizes, *, passes=ONE_PASS, base=0, halves=None):
    """Compute the whole result ``c`` of the words of rows ``a`` and of panels ``b``.

    ``scales``: of rows and columns, either or both None. ``sizes``: rows, columns, words of a run,
    and the runs (planes) of a row of a and of b. ``base`` is K for signs. ``halves``, for planes:
    the parts of rows and columns of which the count is subtracted, to be halved.
    """
    m, n, n_words, a_runs, b_runs = sizes
    fits = max(1, TASK_BYTES // (b_runs * n_words * LANES * 4)) * LANES
    down = -(-m // TASK_ROWS)
    wanted = -(-n // max(1, 4 // down))  # few rows: split the columns, so that threads get some
    task_columns = min(-(-max(wanted, 4 * LANES) // LANES) * LANES, fits)
    base -= 128 * subtracted(n_words) if product == SIGNS else 0
    *scales, scaled = as_scales(scales)
    run(
        _multiply, _multiply_parallel, num_threads, down * -(-n // task_columns),
        product, a, b, c, passes, *scales, *(halves or NO_PARTS),
        (m, n, a_runs, b_runs, n_words, base, scaled, task_columns),
    )  # fmt: skip
