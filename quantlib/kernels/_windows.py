"""The windows of a convolution: their steps, and the runs of neighbours that they consist of."""

from typing import NamedTuple

import numpy as np

from quantlib.kernels._compile import compiled

__all__ = ["Image", "Window", "run_pixels", "run_starts"]


class Image(NamedTuple):
    """Images, and the pixels that are added above and below, and left and right."""

    n_images: int
    height: int
    width: int
    above: int
    left: int


class Window(NamedTuple):
    """A filter's size, its steps over the image, and the steps between its own rows and columns."""

    height: int
    width: int
    stride_down: int
    stride_across: int
    dilation_down: int
    dilation_across: int


@compiled
def run_pixels(window):
    """Return how many pixels of a window follow one another: a row of it, or one that is apart."""
    return window.width if window.dilation_across == 1 else 1


@compiled
def run_starts(window, row_step, pixel_step):
    """Return where the runs of a window start, from its first pixel on."""
    runs = window.width // run_pixels(window)
    starts = np.empty(window.height * runs, np.int64)
    for i in range(len(starts)):
        down, across = i // runs * window.dilation_down, i % runs * window.dilation_across
        starts[i] = down * row_step + across * pixel_step
    return starts
