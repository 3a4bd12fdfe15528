"""How an 8-bit convolution is split up: into tasks, and into steps through memory."""

import functools
from typing import NamedTuple

import numpy as np

from quantlib.kernels._int8_layout import BLOCK, LANES

__all__ = ["Codes", "Plan", "Sizes", "plan"]

#: The bytes of images that a task reads, and the fewest and the most pixels of the result.
_BAND_BYTES, _BAND_PIXELS = 2**17, (192, 4096)

#: With several threads a task has no fewer pixels; and there are so many tasks a thread, or more.
_FEWEST_PIXELS, _TASKS = 48, 4


class Codes(NamedTuple):
    """What the loops know of codes."""

    summed: int  # whether sums are wanted, not codes
    input_zero_point: int
    zero_point: int
    low: int
    high: int


class Sizes(NamedTuple):
    """Of a whole convolution; what is called a pixel's or a row's is of the buffer or the image."""

    n_images: int
    height: int
    width: int
    channels: int
    above: int
    left: int
    out_height: int
    out_width: int
    filters: int
    groups: int
    group_channels: int
    group_filters: int
    repeat: int  # how often each channel stands in the buffer
    pixel_bytes: int
    row_bytes: int
    band_rows: int  # of the result
    n_bands: int
    task_panels: int  # a task computes no more
    n_splits: int
    in_place: int  # whether the image is read where it lies


class Plan(NamedTuple):
    """What the loops take, and more that follows from the sizes of a convolution."""

    sizes: tuple[int, ...]  # of a Sizes
    window: tuple[int, ...]  # of a Window
    n_tasks: int
    taps: np.ndarray  # where those of a window lie, from its first one on
    run_pixels: int  # how many of them follow one another
    places: np.ndarray  # where the windows of a band start
    apart: bool  # whether each tap needs weights that begin with a whole word


@functools.lru_cache(maxsize=128)
def plan(shape, n_filters, how, groups, out_size, threads):
    """Return the :class:`Plan` of a convolution.

    ``shape``: N x H x W x C; ``how``: kernel size, stride, padding and dilation, all pairs.
    """
    (n_images, height, width, channels), (kernel_size, stride, padding, dilation) = shape, how
    depthwise = groups == channels > 1
    if depthwise:  # one group, for all that follows
        groups, group_channels, repeat = 1, channels, n_filters // channels
    else:
        group_channels, repeat = channels // groups, 1
    each, run_pixels = n_filters // groups, kernel_size[1] if dilation[1] == 1 else 1
    step, unit = (n_filters, BLOCK) if depthwise else (run_pixels * group_channels, 4)
    in_place = padding == (0, 0) and repeat == 1 and step % unit == 0
    in_place &= groups == 1 or run_pixels == 1  # else what follows is another group's
    pixel_bytes = channels if in_place else group_channels * repeat
    row_bytes = (width + 2 * padding[1]) * pixel_bytes
    band_rows, task_panels = _split(
        n_images * groups, out_size, row_bytes * stride[0], each, threads, not depthwise
    )
    n_bands, n_splits = -(-out_size[0] // band_rows), -(-each // (task_panels * LANES))
    sizes = Sizes(
        n_images, height, width, channels, *padding, *out_size, n_filters, groups, group_channels,
        each, repeat, pixel_bytes, row_bytes, band_rows, n_bands, task_panels, n_splits,
        int(in_place),
    )  # fmt: skip
    return Plan(
        tuple(sizes), (*kernel_size, *stride, *dilation), n_images * n_bands * groups * n_splits,
        _places(kernel_size, dilation, row_bytes, pixel_bytes), run_pixels,
        _places((band_rows, out_size[1]), stride, row_bytes, pixel_bytes),
        run_pixels < kernel_size[1] and group_channels % 4 > 0,
    )  # fmt: skip


def _places(counts, steps, row_bytes, pixel_bytes):
    """Return the places of so many rows and columns of pixels, so many steps apart, flat."""
    down, across = (step * np.arange(n) for n, step in zip(counts, steps, strict=True))
    return (down[:, None] * row_bytes + across * pixel_bytes).reshape(-1)


def _split(n_parts, out_size, band_bytes, n_filters, threads, by_filters):
    """Return how many rows of the result a task computes, and how many panels.

    ``n_parts``: images and groups; ``band_bytes``: those that a row of the result adds.
    """
    height, width = out_size
    fewest, most = (-(-pixels // width) for pixels in _BAND_PIXELS)
    rows = min(height, most, max(_BAND_BYTES // band_bytes, fewest))
    panels = -(-n_filters // LANES)
    if threads > 1:
        bands = -(-_TASKS * threads // n_parts)
        rows = min(rows, max(-(-height // bands), -(-_FEWEST_PIXELS // width)))
        tasks = n_parts * -(-height // rows)
        if by_filters and tasks < _TASKS * threads:
            splits = -(-_TASKS * threads // tasks)
            panels = -(-panels // (4 * splits)) * 4
    return rows, panels
