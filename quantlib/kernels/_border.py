"""Zeros outside of an image of signs: what +1 there has added to a sum is taken off again."""

import numpy as np

from quantlib.kernels._compile import compiled

__all__ = ["borders", "zero_outside"]


@compiled
def _taps_inside(n_windows, stride, padding, dilation, size, n_taps):
    """Return, for each window along an axis, its first tap in the image, and the first behind."""
    taps = np.empty((n_windows, 2), np.int64)
    for i in range(n_windows):
        start = padding - i * stride
        first = min(max(-(-start // dilation), 0), n_taps)
        taps[i] = first, min(max(-(-(start + size) // dilation), first), n_taps)
    return taps


@compiled
def borders(needed, image, window, sizes):
    """Return the taps inside for all rows of the result and for all columns; none if not needed."""
    height, width = (sizes.pixels // sizes.width, sizes.width) if needed else (0, 0)
    return (
        _taps_inside(
            height, window.stride_down, image.above, window.dilation_down, image.height,
            window.height,
        ),
        _taps_inside(
            width, window.stride_across, image.left, window.dilation_across, image.width,
            window.width,
        ),
    )  # fmt: skip


@compiled
def zero_outside(out, inside, rectangle, start, steps, down, across, window, sizes):
    """Take away what +1 outside of the image has added to a rectangle of sums.

    ``inside``: sums of the signs of each filter above and left of (k, l), (height + 1) x
    (width + 1) x filters. ``rectangle``: first pixel, first filter, and how many of both.
    ``start``, ``steps``: where they are in ``out``, and from one to the next. ``down``,
    ``across``: which taps are inside.
    """
    pixel, filter_, n_pixels, n_filters = rectangle
    line = (window.width + 1) * sizes.n_filters
    total = window.height * line + window.width * sizes.n_filters + filter_
    y, x = pixel // sizes.width, pixel % sizes.width
    for p in range(n_pixels):
        top, bottom, left, right = down[y, 0], down[y, 1], across[x, 0], across[x, 1]
        if bottom - top < window.height or right - left < window.width:
            left, right = left * sizes.n_filters + filter_, right * sizes.n_filters + filter_
            top, bottom = top * line, bottom * line
            for f in range(n_filters):
                kept = inside[bottom + right + f] - inside[top + right + f]
                kept += inside[top + left + f] - inside[bottom + left + f]
                out[start + p * steps[0] + f * steps[1]] -= inside[total + f] - kept
        x += 1
        if x == sizes.width:
            y, x = y + 1, 0
