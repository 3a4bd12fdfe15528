"""Matrix products of sums of bases: each basis of a with each of b, scaled and added as written."""

from typing import NamedTuple

import numpy as np
from numba import prange

from quantlib.kernels._compile import both, compiled
from quantlib.kernels._popcount import (
    ADDED,
    LANES,
    NO_SCALES,
    ONE_PASS,
    SIGNS,
    TASK_ROWS,
    Rectangle,
    block,
    columns_of_a_task,
    fill_rows,
    running_xors,
    subtracted,
)
from quantlib.kernels._threads import run

__all__ = ["multiply"]


class Sizes(NamedTuple):
    """Of a whole product."""

    m: int  # rows and columns of the result
    n: int
    n_words: int
    a_bases: int
    b_bases: int
    base: int
    task_columns: int


@compiled
def _task(task, a, b, c, scales, sizes):
    """Compute the rectangle of results number ``task``."""
    n, n_words, panel = sizes.n, sizes.n_words, sizes.n_words * LANES
    across = -(-n // sizes.task_columns)
    row, column = task // across * TASK_ROWS, task % across * sizes.task_columns
    n_rows, n_columns = min(TASK_ROWS, sizes.m - row), min(sizes.task_columns, n - column)
    fill_rows(c.view(np.float32), scales[column:], row * n + column, n, n_rows, n_columns)
    rows = np.empty(n_rows * n_words, np.uint32)
    for i in range(sizes.a_bases):
        for r in range(n_rows):
            first = (i * sizes.m + row + r) * n_words
            running_xors(a, first, rows[r * n_words :], 1, n_words)
        for j in range(sizes.b_bases):
            b_at = j * -(-n // LANES) * panel + column // LANES * panel
            place = Rectangle(
                0, b_at, row * n + column, n_words, panel, n, n_words, sizes.base, 2 + ADDED, row,
                column + (1 + i * sizes.b_bases + j) * n,
            )  # fmt: skip
            block(SIGNS, 1, rows, b, c, ONE_PASS, NO_SCALES, scales, place, n_rows, n_columns)


@both
def _multiply(n_tasks, a, b, c, scales, sizes):
    sizes = Sizes(*sizes)
    for task in prange(n_tasks):
        _task(np.int64(task), a, b, c, scales, sizes)


def multiply(num_threads, a, b, c, scales, bases, sizes):
    """Compute the whole result ``c`` of the words of all bases of ``a`` and ``b``, all flat.

    ``scales``: a bias for each column; a number for each basis of a, basis of b and column; spare
    ones. ``bases``: how many a and b have. ``sizes``: rows, columns, words of a row, and K.
    """
    m, n, n_words, length = sizes
    task_columns = columns_of_a_task(m, n, bases[1] * n_words)
    run(
        _multiply, num_threads, -(-m // TASK_ROWS) * -(-n // task_columns), a, b, c, scales,
        (m, n, n_words, *bases, length - 128 * subtracted(n_words), task_columns),
    )  # fmt: skip
