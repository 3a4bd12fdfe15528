"""Depthwise convolution of 8-bit integers: each output has a channel of its own.

Where pixels of the result that follow one another read pixels that do, a row is one line of bytes
for which the weights repeat: 64 bytes may be two pixels of 32 channels.
"""

import numba
import numpy as np
from numba import prange

from quantlib.kernels._compile import both, compiled
from quantlib.kernels._int8_band import band_of
from quantlib.kernels._int8_layout import BLOCK, by_fours, by_taps, period
from quantlib.kernels._int8_line import Line, line
from quantlib.kernels._int8_plan import Codes, Sizes
from quantlib.kernels._int8_tile import FOUR_BYTES
from quantlib.kernels._windows import Window

__all__ = ["chosen"]


@compiled
def _rows(band, base, w, taps, table, sums, codes, edge, start, how, window, sizes, limits):
    """Compute one row of the result, or two. ``start``: the number of the first pixel.

    ``how``: whether sums are shifted, whether a row is a line of bytes, the rows at once, and the
    numbers from a result to the one below.
    """
    (edge_sums, edge_codes), (narrow, flat, rows, below) = edge, how
    n_lanes, across = table.shape[1], window.stride_across * sizes.pixel_bytes
    stride = n_lanes if flat else sizes.filters
    line_bytes = sizes.out_width * sizes.filters
    for lane in range(0, n_lanes, BLOCK):
        # Blocks that are whole are written where they belong; of the last one what there is of it.
        if flat:
            across, count = n_lanes, max(0, line_bytes - lane - BLOCK + n_lanes) // n_lanes
            left = line_bytes - lane - count * n_lanes
            rest = 1 if left > 0 else 0
        else:
            count = sizes.out_width if sizes.filters - lane >= BLOCK else 0
            left, rest = sizes.filters - lane, sizes.out_width - count
        w_first, out, fours = lane * len(taps) * rows, start * sizes.filters + lane, len(taps) // 4
        place = Line(
            base + lane, across, count, w_first, fours, rows, lane, out, stride, below,
            limits.summed, narrow, limits.zero_point, limits.low, limits.high,
        )  # fmt: skip
        line(band, w, taps, table, sums, codes, place)
        for i in range(count, count + rest):
            place = Line(
                base + lane + i * across, across, 1, w_first, fours, rows, lane, 0, BLOCK,
                BLOCK if below else 0, limits.summed, narrow, limits.zero_point, limits.low,
                limits.high,
            )  # fmt: skip
            line(band, w, taps, table, edge_sums, edge_codes, place)
            for row in range(2 if below else 1):
                first = out + i * stride + row * below
                for j in range(min(left, BLOCK)):
                    if limits.summed:
                        sums[first + j] = edge_sums[row * BLOCK + j]
                    else:
                        codes[first + j] = edge_codes[row * BLOCK + j]


@compiled
def _plain_row(band, base, w, taps, table, sums, codes, pixel, narrow, window, sizes, limits):
    """Compute a row of the result tap by tap, for any processor."""
    n, across = sizes.filters, window.stride_across * sizes.pixel_bytes
    totals = np.empty(n, np.int32)
    offset, most, left = table[0], table[2], table[3]  # in the order of Row
    multiplier, half, right = table[4], table[5], table[6]
    for x in range(sizes.out_width):
        for o in range(n):
            totals[o] = offset[o]
        for tap in range(len(taps)):
            start = base + x * across + taps[tap]
            values, weights = band[start : start + n], w[tap * n : (tap + 1) * n]
            for o in range(n):
                totals[o] += np.int32(values[o]) * np.int32(weights[o])
        first = (pixel + x) * n
        if limits.summed:
            for o in range(n):
                sums[first + o] = totals[o]
            continue
        for o in range(n):
            total = np.int64(totals[o])
            if narrow:
                total = max(-np.int64(most[o]), min(np.int64(most[o]), total)) << np.int64(left[o])
            high = (total * np.int64(multiplier[o])) >> 32
            code = ((high + half[o]) >> np.int64(right[o])) + limits.zero_point
            codes[first + o] = np.uint8(max(limits.low, min(limits.high, code)))


@compiled
def _band(task, x, window, sizes, limits):
    """Return the bytes of a task, where the first row starts, its first pixel, and the rows."""
    image, first = task // sizes.n_bands, task % sizes.n_bands * sizes.band_rows
    n_rows = min(sizes.band_rows, sizes.out_height - first)
    band, base = band_of(x, image, 0, first, n_rows, limits.input_zero_point, window, sizes)
    return band, base, (image * sizes.out_height + first) * sizes.out_width, n_rows


@compiled
def _fours(taps, paired, last):
    """Return taps in fours; ``paired``: columns of rows 0 to 3, none of them below ``last``."""
    fours = np.empty(12 if paired else (len(taps) + 3) // 4 * 4, np.int64)
    for i in range(len(fours)):
        if paired:
            fours[i] = taps[i // 4] + min(i % 4, last) * (taps[3] - taps[0])
        else:
            fours[i] = taps[min(i, len(taps) - 1)]
    return fours


@both
def _by_fours(n_tasks, x, w, table, how, taps, places, sums, codes, window, sizes, limits):
    """Convolve by fours of taps.

    ``how``: whether sums are shifted, whether a row is a line of bytes, how many rows at once.
    """
    window, sizes, limits = Window(*window), Sizes(*sizes), Codes(*limits)
    narrow, flat, rows = how
    fours, alone = _fours(taps, rows == 2, 3), _fours(taps, rows == 2, 2)
    for task in prange(n_tasks):
        band, base, pixel, n_rows = _band(np.int64(task), x, window, sizes, limits)
        edge = np.empty(2 * BLOCK, np.int32), np.empty(2 * BLOCK, np.uint8)
        for i in range(0, n_rows, rows):
            full = rows == 2 and i + 1 < n_rows  # else the second row is written over
            _rows(
                band, base + i * window.stride_down * sizes.row_bytes, w, fours if full else alone,
                table, sums, codes, edge, pixel + i * sizes.out_width,
                (narrow, flat, rows, sizes.out_width * sizes.filters if full else 0), window, sizes,
                limits,
            )  # fmt: skip


@both
def _by_taps(n_tasks, x, w, table, how, taps, places, sums, codes, window, sizes, limits):
    """Convolve tap by tap."""
    window, sizes, limits = Window(*window), Sizes(*sizes), Codes(*limits)
    for task in prange(n_tasks):
        band, base, pixel, n_rows = _band(np.int64(task), x, window, sizes, limits)
        for i in range(n_rows):
            _plain_row(
                band, base + i * window.stride_down * sizes.row_bytes, w, taps, table, sums, codes,
                pixel + i * sizes.out_width, how[0], window, sizes, limits,
            )  # fmt: skip


def chosen(weights, *, stride, dilation):
    """Return the loops that convolve, the layout of weights that they take, and how they do it.

    ``weights``: :class:`Int8Panels`. See ``_by_fours``.
    """
    if weights.asymmetric or not FOUR_BYTES or numba.config.DISABLE_JIT:
        return _by_taps, weights.layout(by_taps), ()
    lanes, flat = period(weights.shape[0], stride[1] == 1)
    paired = weights.shape[2:] == (3, 3) and stride[0] == 1 and dilation[0] == 1
    return _by_fours, weights.layout(by_fours, lanes, paired), (int(flat), 1 + paired)
