"""The loops of products of 8-bit integers: matrices, and convolutions that are read as such.

The rows of the product are the windows of an image, where they lie. A matrix is an image one pixel
wide, whose windows are its rows.
"""

import numpy as np
from numba import prange

from quantlib.kernels._compile import both, compiled
from quantlib.kernels._int8_band import band_of
from quantlib.kernels._int8_plan import Codes, Sizes
from quantlib.kernels._int8_tile import ROWS, WIDTHS, Place, tile
from quantlib.kernels._requantize import LANES
from quantlib.kernels._windows import Window

__all__ = ["multiply"]

WIDEST, SECOND = WIDTHS[0], WIDTHS[1] if len(WIDTHS) > 1 else 1


@compiled
def _sum_rows(x, base, places, runs, run_bytes, n_pixels, row_sums):
    """Sum up the bytes of each window."""
    for pixel in range(n_pixels):
        total = np.int32(0)
        for run in runs:
            start = base + places[pixel] + run
            values = x[start : start + run_bytes]
            for i in range(run_bytes):
                total += np.int32(values[i])
        row_sums[pixel] = total


@compiled
def _panels_at(left, rows):
    """Return how many panels a tile takes where ``left`` outputs are left."""
    for panels in (WIDEST, SECOND):
        if left >= panels * LANES and (rows > 1 or panels == WIDEST):
            return panels
    return 1


@compiled
def _task(task, x, w, sums, codes, table, places, runs, how, window, sizes, limits):
    """Compute a band of an image, with some panels of a group."""
    narrow, run_pixels, asymmetric = how
    run_bytes = run_pixels * sizes.group_channels
    n_parts = sizes.groups * sizes.n_splits
    rest, group, split = task // n_parts, task % n_parts // sizes.n_splits, task % sizes.n_splits
    image, first_row = rest // sizes.n_bands, rest % sizes.n_bands * sizes.band_rows
    n_rows = min(sizes.band_rows, sizes.out_height - first_row)
    n_pixels, run_words = n_rows * sizes.out_width, (run_bytes + 3) // 4
    band, base = band_of(x, image, group, first_row, n_rows, limits.input_zero_point, window, sizes)
    row_sums = np.empty(n_pixels if asymmetric else 0, np.int32)
    if asymmetric:
        _sum_rows(band, base, places, runs, run_bytes, n_pixels, row_sums)
    n_panels = (sizes.group_filters + LANES - 1) // LANES
    p, last = split * sizes.task_panels, min((split + 1) * sizes.task_panels, n_panels)
    pixel_0 = (image * sizes.out_height + first_row) * sizes.out_width
    rows = ROWS if n_pixels > 1 else 1
    edge_sums, edge_codes = np.empty(ROWS * LANES, np.int32), np.empty(ROWS * LANES, np.uint8)
    panel_bytes = len(runs) * run_words * LANES * 4
    while p < last:
        left = min(sizes.group_filters, last * LANES) - p * LANES
        panels = _panels_at(left, rows)
        out, number = group * sizes.group_filters + p * LANES, group * n_panels + p
        whole = left >= panels * LANES
        for pixel in range(0, n_pixels, rows):
            pixel = max(0, min(pixel, n_pixels - rows))
            place = Place(
                base, pixel, n_pixels - 1, number * panel_bytes, panel_bytes, len(runs), run_words,
                number * LANES,
                pixel_0 * sizes.filters + out if whole else -pixel * LANES,
                sizes.filters if whole else LANES,
                limits.summed, asymmetric, narrow, limits.zero_point, limits.low, limits.high,
            )  # fmt: skip
            if whole:
                tile(
                    band, w, runs, places, table, row_sums, sums, codes, (rows, panels), place
                )  # fmt: skip
                continue
            tile(
                band, w, runs, places, table, row_sums, edge_sums, edge_codes, (rows, 1), place
            )  # fmt: skip
            for r in range(min(rows, n_pixels)):
                first = (pixel_0 + pixel + r) * sizes.filters + out
                for i in range(left):
                    if limits.summed:
                        sums[first + i] = edge_sums[r * LANES + i]
                    else:
                        codes[first + i] = edge_codes[r * LANES + i]
        p += panels


@both
def multiply(n_tasks, x, w, table, how, taps, places, sums, codes, window, sizes, limits):
    """Convolve images ``x`` with panels of weights ``w`` into ``sums`` or ``codes``, all flat.

    ``table``: see ``_requantize``; ``how``: whether sums are clamped and shifted, the pixels of a
    run, whether weights have zero points; ``taps``, ``places``, ``window``, ``sizes``: of a
    :class:`Plan`; ``limits``: the numbers of a :class:`Codes`.
    """
    window, sizes, limits = Window(*window), Sizes(*sizes), Codes(*limits)
    runs = taps[:: how[1]].copy()
    for task in prange(n_tasks):
        _task(
            np.int64(task), x, w, sums, codes, table, places, runs, how, window, sizes, limits
        )  # fmt: skip
