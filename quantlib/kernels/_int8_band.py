"""The rows of an image that the loops of 8-bit convolutions read.

A task computes a band: some rows of the result. The rows of the image that it needs are read where
they lie, or copied, with what lies outside of the image, to a buffer of the task's own.
"""

import numpy as np

from quantlib.kernels._compile import compiled

__all__ = ["band_of"]

#: Bytes behind a buffer that are read, and meet weights of 0 or give what is left out.
_SPARE = 64


@compiled
def _fill(values, value):
    for i in range(len(values)):
        values[i] = value


@compiled
def _copy(source, target, first, step, repeat):
    """Copy a row: ``repeat`` times each channel, of ``step`` channels from ``first`` on."""
    n = step[1]
    if repeat == 1 and n == step[0]:
        for i in range(len(target)):
            target[i] = source[i]
        return
    for pixel in range(len(target) // (n * repeat)):
        place, goal = pixel * step[0] + first, pixel * n * repeat
        for channel in range(n):
            value = source[place + channel]
            for i in range(repeat):
                target[goal + channel * repeat + i] = value


@compiled
def band_of(x, image, group, first, n_rows, outside, window, sizes):
    """Return the bytes that some rows of the result read, and where they start there.

    ``first``, ``n_rows``: rows of the result; ``outside``: the code outside of the image.
    """
    start, row_size = first * window.stride_down, sizes.width * sizes.channels
    channel = group * sizes.group_channels
    if sizes.in_place:
        return x, (image * sizes.height + start) * row_size + channel
    needed = (n_rows - 1) * window.stride_down + (window.height - 1) * window.dilation_down + 1
    memory = np.empty(needed * sizes.row_bytes + 2 * _SPARE, np.uint8)
    band = memory[-memory.ctypes.data % _SPARE :]  # from a line of the cache on
    code, margin = np.uint8(outside), sizes.left * sizes.pixel_bytes
    _fill(band[needed * sizes.row_bytes : needed * sizes.row_bytes + _SPARE], code)
    for i in range(needed):
        row, y = band[i * sizes.row_bytes : (i + 1) * sizes.row_bytes], start + i - sizes.above
        if y < 0 or y >= sizes.height:
            _fill(row, code)
            continue
        _fill(row[:margin], code)
        _fill(row[len(row) - margin :], code)
        place = (image * sizes.height + y) * row_size
        _copy(
            x[place : place + row_size], row[margin : len(row) - margin], channel,
            (sizes.channels, sizes.group_channels), sizes.repeat,
        )  # fmt: skip
    return band, np.int64(0)
