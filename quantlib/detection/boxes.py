"""Boxes: how far two of them agree, what a detector's numbers mean, and which are one object."""

from typing import NamedTuple

import numpy as np

from quantlib._validation import as_float_array, shown

__all__ = ["DEFAULT_SIZE", "Detections", "decode", "encode", "iou", "suppress"]

#: Width and height in pixels of the box that a cell stands for by default.
DEFAULT_SIZE = 12.0


class Detections(NamedTuple):
    """What was found in one image, the surest first."""

    #: numpy.ndarray: n x 4, left, top, right and bottom edge in pixels.
    boxes: np.ndarray
    #: numpy.ndarray: n probabilities.
    scores: np.ndarray
    #: numpy.ndarray: n class numbers.
    labels: np.ndarray


def iou(a, b):
    r"""Return the intersection over union of each box of ``a`` with each of ``b``, n x m.

    .. math:: \mathrm{IoU}(A, B) = \frac{|A \cap B|}{|A \cup B|}

    of their areas: 1 for equal boxes, 0 for boxes that share no area, also for two without any.

    Parameters
    ----------
    a, b : numpy.ndarray
        n x 4 and m x 4: left, top, right and bottom edge.

    Examples
    --------
    >>> iou([[0, 0, 2, 2]], [[1, 0, 3, 2], [0, 0, 2, 2], [5, 5, 6, 6]]).round(3).tolist()
    [[0.333, 1.0, 0.0]]
    """
    a, b = check_boxes(a, "a"), check_boxes(b, "b")
    corner = np.maximum(a[:, None, :2], b[None, :, :2])
    sides = np.maximum(np.minimum(a[:, None, 2:], b[None, :, 2:]) - corner, 0)
    shared = sides.prod(2)
    union = _areas(a)[:, None] + _areas(b) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _areas(boxes):
    return (boxes[:, 2:] - boxes[:, :2]).prod(1)


def check_boxes(boxes, name):
    """Return boxes as float64, n x 4; raise unless right and bottom are behind left and top."""
    boxes = as_float_array(np.asarray(boxes), name, may_be_empty=True).astype(np.float64)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"{name} must be n x 4, got shape {boxes.shape}")
    if (boxes[:, 2:] < boxes[:, :2]).any():
        wrong = np.flatnonzero((boxes[:, 2:] < boxes[:, :2]).any(1))[0]
        raise ValueError(
            f"{name} must be left, top, right, bottom with right >= left and bottom >= top, "
            f"got {boxes[wrong].tolist()} in row {wrong}"
        )
    return boxes


def suppress(boxes, scores, threshold=0.5):
    """Return which boxes remain if the surest one silences those that it overlaps (int64).

    The indices of the boxes that are kept, by falling score. A box goes if its IoU with a kept one
    is above ``threshold``. Of equal scores the first comes first.

    >>> suppress([[0, 0, 4, 4], [0, 0, 4, 3], [6, 6, 9, 9]], [0.6, 0.9, 0.5]).tolist()
    [1, 2]
    """
    boxes, scores = check_boxes(boxes, "boxes"), check_scores(scores, len(boxes))
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold must be from 0 to 1, got {shown(threshold)}")
    left, kept, overlap = np.argsort(-scores, kind="stable"), [], iou(boxes, boxes)
    while len(left):
        first, left = left[0], left[1:]
        kept.append(first)
        left = left[overlap[first, left] <= threshold]
    return np.array(kept, np.int64)


def check_scores(scores, count):
    """Return scores as float64; raise unless there are ``count``."""
    scores = as_float_array(np.asarray(scores), "scores", may_be_empty=True).astype(np.float64)
    if scores.shape != (count,):
        raise ValueError(f"scores must be one for each of {count} boxes, got shape {scores.shape}")
    return scores


def encode(boxes, stride):
    r"""Return the cell of each box (n x 2: row, column) and the four numbers that tell it (n x 4).

    .. math::
        t = \Bigl(\frac{x - x_c}{d},\ \frac{y - y_c}{d},\ \ln \frac{w}{d},\ \ln \frac{h}{d}\Bigr)

    with the box's centre x, y and its width and height w, h, the centre :math:`x_c, y_c` of the
    cell in which its centre is, and the default width d (:data:`DEFAULT_SIZE`).

    Source: Liu et al. (2016), equation (2), with one default box a cell.

    >>> cells, numbers = encode([[10, 0, 22, 12]], 8)
    >>> cells.tolist(), numbers.tolist()
    ([[0, 2]], [[-0.3333333333333333, 0.16666666666666666, 0.0, 0.0]])
    """
    boxes = check_boxes(boxes, "boxes")
    centres, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    if not (sizes > 0).all():
        raise ValueError("boxes must have a width and a height above 0")
    cells = np.floor(centres / stride).astype(np.int64)
    offsets = (centres - (cells + 0.5) * stride) / DEFAULT_SIZE
    return cells[:, ::-1], np.concatenate([offsets, np.log(sizes / DEFAULT_SIZE)], 1)


def decode(classes, boxes, stride, *, score_threshold=0.05, iou_threshold=0.5):
    """Return what a detector found in each image, a list of :class:`Detections`.

    Each cell tells one box, whose class is the most probable one but "nothing" and whose score is
    its probability (softmax of the logits). Those whose score is below ``score_threshold`` are left
    out, and of boxes of one class that overlap the surest is kept (:func:`suppress`).

    Parameters
    ----------
    classes, boxes : numpy.ndarray
        N x (classes + 1) x rows x columns and N x 4 x rows x columns, as a
        :class:`~quantlib.models.detector.Detector` or the integer network of one gives them.
    stride : int
        Pixels of a cell's side.
    """
    classes, boxes = (
        as_float_array(np.asarray(x), n, may_be_empty=True).astype(np.float64)
        for x, n in ((classes, "classes"), (boxes, "boxes"))
    )
    grid = classes.shape[2:]
    if classes.ndim != 4 or boxes.shape != (len(classes), 4, *grid) or classes.shape[1] < 2:
        raise ValueError(
            f"classes and boxes must be N x (classes + 1) x rows x columns and N x 4 x rows x "
            f"columns, got {classes.shape} and {boxes.shape}"
        )
    # From here on N x cells x what a cell tells.
    logits, numbers = (x.reshape(*x.shape[:2], -1).transpose(0, 2, 1) for x in (classes, boxes))
    odds = np.exp(logits - logits.max(2, keepdims=True))
    shares = (odds / odds.sum(2, keepdims=True))[:, :, :-1]
    scores, labels = shares.max(2), shares.argmax(2)
    rows, columns = (place.ravel() for place in np.indices(grid))
    cells = (np.stack([columns, rows], 1) + 0.5) * stride
    centres = cells + DEFAULT_SIZE * numbers[..., :2]
    half = DEFAULT_SIZE * np.exp(np.clip(numbers[..., 2:], -10, 10)) / 2
    corners = np.concatenate([centres - half, centres + half], 2)
    return [
        _kept(*found, score_threshold, iou_threshold)
        for found in zip(corners, scores, labels, strict=True)
    ]


def _kept(boxes, scores, labels, score_threshold, iou_threshold):
    sure = scores >= score_threshold
    boxes, scores, labels = boxes[sure], scores[sure], labels[sure]
    kept = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        kept[own[suppress(boxes[own], scores[own], iou_threshold)]] = True
    order = np.argsort(-scores, kind="stable")
    order = order[kept[order]]
    return Detections(boxes[order], scores[order], labels[order])
