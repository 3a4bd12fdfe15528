"""The loops of XNOR-Net's map K: mean magnitude over channels, then over each window."""

import numpy as np
from numba import prange

from quantlib.kernels._compile import both, compiled
from quantlib.kernels._threads import run
from quantlib.kernels._windows import Image, Window

__all__ = ["scale_map"]

TASK = 256  # pixels of a task


@compiled(reorder=True)
def _mean_task(task, x, channels, inner, mean):
    """Write the mean magnitudes of ``TASK`` pixels; return whether they are finite.

    ``x`` is images x channels x ``inner`` pixels, or pixels x channels, where ``inner`` is 1.
    """
    if inner == 1:
        first = task * TASK
        means = mean[first : min(first + TASK, len(mean))]
        for i in range(len(means)):
            values = x[(first + i) * channels : (first + i + 1) * channels]
            total = np.float32(0)
            for c in range(channels):
                total += abs(values[c])
            means[i] = total
    else:
        per_image = -(-inner // TASK)
        image, first = task // per_image, task % per_image * TASK
        source = image * channels * inner + first
        means = mean[image * inner + first : image * inner + min(first + TASK, inner)]
        means[:] = 0
        for c in range(channels):
            values = x[source + c * inner : source + c * inner + len(means)]
            for i in range(len(means)):
                means[i] += abs(values[i])
    share, check = np.float32(1) / np.float32(channels), np.float32(0)
    for i in range(len(means)):
        means[i] *= share
        check += means[i]
    return np.isfinite(check)


@compiled(reorder=True)
def _window_row(row, mean, image, window, out):
    """Write a row of the means over windows: rows are added first, then their neighbours."""
    n, i = row // out.shape[1], row % out.shape[1]
    line = np.zeros(image.width + 2 * image.left, np.float32)
    inside = line[image.left : image.left + image.width]
    for k in range(window.height):
        y = i * window.stride_down - image.above + k * window.dilation_down
        if 0 <= y < image.height:
            start = (n * image.height + y) * image.width
            values = mean[start : start + image.width]
            for z in range(image.width):
                inside[z] += values[z]
    share = np.float32(1) / np.float32(window.height * window.width)
    result = out[n, i]
    result[:] = 0
    for k in range(window.width):
        values = line[k * window.dilation_across :]
        for j in range(len(result)):
            result[j] += values[j * window.stride_across] * share


@both
def _scale_map(n_tasks, x, channels, inner, image, window, mean, out):
    image, window = Image(*image), Window(*window)
    strange = 0
    for task in prange(n_tasks):
        strange += not _mean_task(np.int64(task), x, channels, inner, mean)
    for row in prange(out.shape[0] * out.shape[1]):
        _window_row(np.int64(row), mean, image, window, out)
    return strange


def scale_map(num_threads, x, channels, channels_last, image, window, out):
    """Write K into ``out`` (images x height x width); return 0 if all values are finite.

    ``x``: the images, flat. ``image``, ``window``: the numbers of an Image and a Window.
    """
    n_images, height, width = image[:3]
    pixels = height * width
    inner = 1 if channels_last else pixels
    n_tasks = -(-n_images * pixels // TASK) if channels_last else n_images * -(-pixels // TASK)
    mean = np.empty(n_images * pixels, np.float32)
    return run(_scale_map, num_threads, n_tasks, x, channels, inner, image, window, mean, out)
