"""How an 8-bit convolution is split up: into tasks, and into steps through memory."""

import functools
from typing import NamedTuple

from quantlib.kernels._int8_layout import BLOCK, LANES

__all__ = ["Codes", "Sizes", "plan"]

#: The bytes of images that a task reads, and the pixels of the result that it computes at least.
_BAND_BYTES, _BAND_PIXELS = 2**17, 192

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


@functools.lru_cache(maxsize=1024)
def plan(shape, n_filters, how, groups, out_size, threads):
    """Return the :class:`Sizes` as a tuple, the number of tasks, and of the pixels of a run.

    Last, whether each tap of a window needs weights that begin with a whole word. ``shape``:
    N x H x W x C; ``how``: kernel size, stride, padding and dilation, all pairs.
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
    out_height, out_width = out_size
    fewest = -(-_BAND_PIXELS // out_width)
    band_rows = min(out_height, max(_BAND_BYTES // (row_bytes * stride[0]), fewest))
    n_panels = task_panels = -(-each // LANES)
    if threads > 1:
        bands = -(-_TASKS * threads // n_images)
        band_rows = min(band_rows, max(-(-out_height // bands), -(-_FEWEST_PIXELS // out_width)))
        tasks = n_images * groups * -(-out_height // band_rows)
        if tasks < _TASKS * threads and not depthwise:
            parts = -(-_TASKS * threads // tasks)
            task_panels = -(-n_panels // (4 * parts)) * 4
    n_bands, n_splits = -(-out_height // band_rows), -(-n_panels // task_panels)
    sizes = Sizes(
        n_images, height, width, channels, *padding, *out_size, n_filters, groups, group_channels,
        each, repeat, pixel_bytes, row_bytes, band_rows, n_bands, task_panels, n_splits,
        int(in_place),
    )  # fmt: skip
    apart = run_pixels < kernel_size[1] and group_channels % 4 > 0
    return tuple(sizes), n_images * n_bands * groups * n_splits, run_pixels, apart
