"""Canvases with a few digits at random places, and boxes around them: something to detect."""

from typing import NamedTuple

import numpy as np

from quantlib._validation import check_integer, shown

__all__ = ["Canvases", "make_canvases"]

#: From this brightness on a pixel of a digit counts as ink.
_INK = 0.25
#: How often a place is drawn for a digit before it is left out.
_TRIES = 50


class Canvases(NamedTuple):
    """Images with several objects each. The three fields have one entry for each image."""

    #: numpy.ndarray: N x 1 x S x S, float32, 0 (background) to 1.
    images: np.ndarray
    #: tuple of numpy.ndarray: n x 4 each, float32: left, top, right and bottom edge in pixels.
    boxes: tuple
    #: tuple of numpy.ndarray: n class numbers each, int64.
    labels: tuple

    def __repr__(self):
        return f"<Canvases: {len(self.images)} images, {sum(map(len, self.labels))} digits>"


def make_canvases(images, labels, count, *, canvas_size=40, noise=0.05, seed=0):
    """Return ``count`` canvases with one to four digits each, none of which overlap.

    A digit is drawn from ``images``, enlarged from 8 x 8 pixels to 8 to 16 in each direction (one
    factor for both, by linear interpolation) and put where the frames of the others leave room; one
    for which no room is found is left out. A box encloses the ink: the pixels of the small image
    that are at least a quarter as bright as ink can be, enlarged like the digit, so that its edges
    may lie between pixels. Centres of boxes are in different squares of 8 x 8 pixels.

    Parameters
    ----------
    images, labels : numpy.ndarray
        Digits, N x 1 x 8 x 8 from 0 to 1, and their classes. Draw canvases to train on from one
        part of the digits, and those to test on from the other.
    count : int
        How many canvases.
    canvas_size : int
        Width and height in pixels, a multiple of 8 from 16 to 256.
    noise : float
        Standard deviation of the normal noise that is added to all pixels, before they are
        clipped to 0 to 1.
    seed : int
        Of all that is random.

    Examples
    --------
    >>> from quantlib import data
    >>> digits = data.load("digits")
    >>> found = make_canvases(digits.train_images, digits.train_labels, 3)
    >>> found
    <Canvases: 3 images, 9 digits>
    >>> found.images.shape, found.boxes[0].shape, found.labels[0].shape
    ((3, 1, 40, 40), (4, 4), (4,))
    """
    images, labels = _checked(images, labels)
    count = check_integer(count, "count", 0, 2**20)
    canvas_size = check_integer(canvas_size, "canvas_size", 16, 256)
    if canvas_size % 8:
        raise ValueError(f"canvas_size must be a multiple of 8, got {canvas_size}")
    if not isinstance(noise, int | float) or isinstance(noise, bool) or not 0 <= noise <= 1:
        raise ValueError(f"noise must be a number from 0 to 1, got {shown(noise)}")
    rng = np.random.default_rng(check_integer(seed, "seed", 0, 2**32 - 1))
    made = [_canvas(images, labels, canvas_size, rng) for _ in range(count)]
    canvases = np.zeros((count, 1, canvas_size, canvas_size), np.float32)
    for canvas, (drawn, _, _) in zip(canvases, made, strict=True):
        canvas[0] = drawn
    canvases += np.float32(noise) * rng.standard_normal(canvases.shape, np.float32)
    boxes, classes = (tuple(m[part] for m in made) for part in (1, 2))
    return Canvases(np.clip(canvases, 0, 1), boxes, classes)


def _checked(images, labels):
    if not isinstance(images, np.ndarray) or images.ndim != 4 or images.shape[1:] != (1, 8, 8):
        raise ValueError(f"images must be an array N x 1 x 8 x 8, got {shown(images)}")
    if not len(images) or not images.reshape(len(images), -1).max(1).min() >= _INK:
        raise ValueError("images must be one or more, each with ink")
    if not isinstance(labels, np.ndarray) or labels.shape != images.shape[:1]:
        raise ValueError(
            f"labels must be an array of one class for each of the {len(images)} images, "
            f"got {shown(labels)}"
        )
    return images[:, 0], labels.astype(np.int64)


def _canvas(images, labels, canvas_size, rng):
    """Return one canvas without noise, its boxes and its labels."""
    canvas = np.zeros((canvas_size, canvas_size), np.float32)
    taken, cells, boxes, classes = np.zeros(canvas.shape, bool), set(), [], []
    for _ in range(rng.integers(1, 5)):
        which, size = rng.integers(len(images)), int(rng.integers(8, 17))
        for top, left in rng.integers(0, canvas_size - size + 1, (_TRIES, 2)):
            frame = slice(top, top + size), slice(left, left + size)
            box = _ink(images[which]) * (size / 8) + np.array([left, top, left, top])
            cell = tuple((box[:2] + box[2:]) // 16)
            if not taken[frame].any() and cell not in cells:
                canvas[frame], taken[frame] = _enlarged(images[which], size), True
                cells.add(cell)
                boxes.append(box)
                classes.append(labels[which])
                break
    return canvas, np.array(boxes, np.float32), np.array(classes, np.int64)


def _ink(digit):
    """Return the left, top, right and bottom edge of the ink."""
    rows, columns = (np.flatnonzero((digit >= _INK).any(axis)) for axis in (1, 0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float64)


def _enlarged(digit, size):
    """Return the digit with ``size`` x ``size`` pixels, whose centres take interpolated values."""
    places, old = (np.arange(size) + 0.5) * (8 / size) - 0.5, np.arange(8)
    weights = np.stack([np.interp(places, old, unit) for unit in np.eye(8)], axis=1)
    return weights @ digit @ weights.T
