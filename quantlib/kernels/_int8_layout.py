"""How the weights of 8-bit products lie in memory: in panels of sixteen outputs, or of 64."""

import math
from typing import NamedTuple

import numpy as np

from quantlib.kernels._checks import aligned_empty, as_whole

__all__ = [
    "BLOCK",
    "LANES",
    "Layout",
    "by_fours",
    "by_taps",
    "in_panels",
    "panel_sizes",
    "panels",
    "period",
]

LANES = 16

#: Outputs of a block of a depthwise convolution: so many bytes are a register.
BLOCK = 64

#: Outputs are repeated until they fill whole blocks, up to so many.
_LONGEST_PERIOD = 1024


class Layout(NamedTuple):
    """Weights as the loops read them, all flat."""

    codes: np.ndarray
    order: np.ndarray  # the output of each lane, without a sign: it is not looked at for one
    of_weights: tuple[np.ndarray, np.ndarray]  # of each output: the sum of weights, the zero point


def aligned_copy(x):
    """Return a copy of ``x`` that starts at a line of the cache."""
    copy = aligned_empty(x.shape, x.dtype)
    copy[...] = x
    return copy


def panel_sizes(shape):
    """Return the shape of the panels of weights of ``shape``: panels x words x 16 x 4."""
    n_outputs, *rest = shape
    channels, height, width = (*rest, 1, 1)[:3]
    return -(-n_outputs // LANES), height * -(-(width * channels) // 4), LANES, 4


def in_panels(values):
    """Return int8 ``values``, outputs x runs x bytes, as panels; a run is filled up with zeros."""
    n_outputs, n_runs, length = values.shape
    n_panels, words = -(-n_outputs // LANES), -(-length // 4)
    padded = np.zeros((n_panels * LANES, n_runs, 4 * words), np.int8)
    padded[:n_outputs, :, :length] = values
    padded = padded.reshape(n_panels, LANES, n_runs * words, 4).transpose(0, 2, 1, 3)
    return aligned_copy(padded)


def panels(weights, codes, groups, taps_apart):
    """Return the layout of panels, for so many groups of filters.

    ``weights``: the :class:`Int8Panels`; ``codes``: a function that gives its weights;
    ``taps_apart``: whether each tap of a window is a run of its own, not each row.
    """
    n_outputs = weights.shape[0]
    each = n_outputs // groups
    lanes = -(-each // LANES) * LANES
    order = np.zeros((groups, lanes), np.uintp)
    order[:, :each] = np.arange(n_outputs).reshape(groups, each)
    found = as_whole(weights.codes, "codes")  # not read-only, which would be compiled anew
    if lanes * groups != found.shape[0] * LANES or taps_apart:
        w = codes(weights)
        _, channels, height, width = w.shape
        values = np.zeros((groups, lanes, height, width, channels), np.int8)
        values[:, :each] = w.transpose(0, 2, 3, 1).reshape(groups, each, height, width, channels)
        runs = height * width if taps_apart else height
        found = in_panels(values.reshape(groups * lanes, runs, -1))
    return Layout(found.reshape(-1), order.reshape(-1), (weights.sums, weights.zero_point))


def period(n_outputs, steady):
    """Return how many lanes of blocks have weights of their own, and if a row is a line of bytes.

    A line's weights repeat after that many bytes. ``steady``: whether neighbouring pixels of the
    result read neighbouring pixels. If they don't, or if the period would be long, each pixel has
    blocks of its own.
    """
    common = math.lcm(n_outputs, BLOCK)
    if steady and common <= max(_LONGEST_PERIOD, n_outputs):
        return common, True
    return -(-n_outputs // BLOCK) * BLOCK, False


def by_fours(weights, codes, lanes, paired):
    """Return the layout of a depthwise convolution: blocks x fours of taps x rows x 4 x 16 x 4.

    Interleaving the bytes of four registers, as the loops do, takes channel 16 i + 4 j + k to lane
    4 i + k of register j. ``paired``, of windows of 3 x 3: fours are columns, the first three
    numbers of which are weights of a row of the result, and the last three of the row below.
    """
    n_outputs, _, height, width = weights.shape
    w, order = (
        codes(weights).reshape(n_outputs, height, width),
        np.arange(lanes, dtype=np.uintp) % n_outputs,
    )
    if paired:
        fours = np.zeros((n_outputs, width, 2, 4), np.int8)
        for row in range(2):
            fours[:, :, row, row : row + height] = w.transpose(0, 2, 1)
    else:
        fours = np.zeros((n_outputs, -(-height * width // 4), 1, 4), np.int8)
        fours.reshape(n_outputs, -1)[:, : height * width] = w.reshape(n_outputs, -1)
    fours = fours[order].reshape(-1, 4, 4, 4, *fours.shape[1:])
    flat = fours.transpose(0, 4, 5, 2, 1, 3, 6), order.reshape(-1, 4, 4, 4).transpose(0, 2, 1, 3)
    fours, order = (aligned_copy(values).reshape(-1) for values in flat)
    return Layout(fours, order, (weights.sums, weights.zero_point))


def by_taps(weights, codes):
    """Return the layout for loops that multiply tap by tap: taps x outputs, less zero points."""
    n_outputs = weights.shape[0]
    w = codes(weights).reshape(n_outputs, -1).astype(np.int16) - weights.zero_point[:, None]
    w = np.ascontiguousarray(w.T, np.int16).reshape(-1)
    return Layout(w, np.arange(n_outputs, dtype=np.uintp), (weights.sums, weights.zero_point))
