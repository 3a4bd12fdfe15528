"""Average precision: how good a detector is, in one number."""

import numpy as np

from quantlib._validation import check_integer, shown
from quantlib.detection.boxes import check_boxes, check_scores, iou

__all__ = ["COCO_THRESHOLDS", "average_precision", "matches", "mean_average_precision"]

#: The IoUs over which MS COCO takes the mean: 0.5, 0.55, …, 0.95.
COCO_THRESHOLDS = tuple(round(0.5 + 0.05 * k, 2) for k in range(10))


def matches(boxes, scores, truths, iou_threshold):
    """Return for each box whether it finds an object (bool), for the boxes of one image and class.

    By falling score each box takes that one of the objects not yet taken whose IoU is largest, if
    it is ``iou_threshold`` or more. A second box on the same object finds nothing.

    Source: the matching of MS COCO's evaluation, without its crowds.

    >>> found = matches([[0, 0, 4, 4], [0, 0, 4, 3]], [0.6, 0.9], [[0, 0, 4, 4]], 0.5)
    >>> found.tolist()
    [False, True]
    """
    boxes, truths = check_boxes(boxes, "boxes"), check_boxes(truths, "truths")
    scores = check_scores(scores, len(boxes))
    return _hits(iou(boxes, truths), scores, _threshold(iou_threshold))


def _hits(overlap, scores, iou_threshold):
    """Return what :func:`matches` does, from the IoU of each box with each object."""
    hits, free = np.zeros(len(overlap), bool), overlap.copy()
    if not overlap.size or overlap.max() < iou_threshold:
        return hits
    for one in np.argsort(-scores, kind="stable"):
        taken = free[one].argmax()
        if free[one, taken] >= iou_threshold:
            hits[one], free[:, taken] = True, -1
    return hits


def _threshold(value):
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise ValueError(f"iou_threshold must be above 0 and at most 1, got {shown(value)}")
    return value


def average_precision(hits, scores, n_objects):
    r"""Return the area under the curve of precision against recall, 0 to 1.

    The detections down to a score have the precision hits / detections and the recall hits /
    ``n_objects``. The curve takes, at each recall, the best precision of that recall or more:

    .. math:: \mathrm{AP} = \sum_k (r_k - r_{k-1}) \max_{j \ge k} p_j

    Detections of one score come together. Without objects it is NaN.

    Source: Everingham et al. (2015), "The Pascal Visual Object Classes Challenge: a
    Retrospective", section 3.4.1 (VOC from 2010 on). VOC 2007 takes the mean at 11 recalls and MS
    COCO that at 101.

    Parameters
    ----------
    hits : numpy.ndarray
        Of each detection of a class in all images, whether it finds an object (:func:`matches`).
    scores : numpy.ndarray
        One for each detection.
    n_objects : int
        The objects of the class that there are.

    Examples
    --------
    >>> average_precision([True, False, True], [0.9, 0.8, 0.7], 2)
    0.8333333333333333
    """
    hits = np.asarray(hits, bool)
    scores = check_scores(scores, len(hits))
    n_objects = check_integer(n_objects, "n_objects", 0, 2**62)
    if hits.sum() > n_objects:
        raise ValueError(f"hits must be {n_objects} or fewer, as n_objects, got {hits.sum()}")
    if not n_objects:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.diff(scores[order], append=-np.inf))  # of each score
    found = np.cumsum(hits[order])[last]
    precision = np.maximum.accumulate((found / (last + 1))[::-1])[::-1]
    return float(np.sum(np.diff(found, prepend=0) / n_objects * precision))


def mean_average_precision(found, boxes, labels, *, iou_thresholds=(0.5,)):
    """Return the mean of the average precisions of all classes, at each IoU: one number for each.

    Classes of which there is no object are left out; detections of them count nowhere.

    Parameters
    ----------
    found : list of Detections
        One for each image.
    boxes, labels : list of numpy.ndarray
        The objects that there are: n x 4 and n for each image.
    iou_thresholds : tuple of float
        From which IoU on a box finds an object; :data:`COCO_THRESHOLDS` for the mean that MS COCO
        reports.

    Returns
    -------
    numpy.ndarray
        One mAP for each threshold, 0 to 1.

    Examples
    --------
    >>> from quantlib.detection import Detections
    >>> truth = np.array([[0.0, 0, 4, 4]])
    >>> found = [Detections(np.array([[0.0, 0, 4, 3]]), np.array([0.9]), np.array([7]))]
    >>> mean_average_precision(found, [truth], [np.array([7])], iou_thresholds=(0.5, 0.8)).tolist()
    [1.0, 0.0]
    """
    if not len(found) == len(boxes) == len(labels):
        raise ValueError(
            f"found, boxes and labels must be one for each image, "
            f"got {len(found)}, {len(boxes)} and {len(labels)}"
        )
    labels = [np.asarray(own) for own in labels]
    classes = np.unique(np.concatenate(labels)) if labels else []
    if not len(classes):
        raise ValueError("labels must have an object or more, got none")
    thresholds = [_threshold(value) for value in iou_thresholds]
    return np.mean([_of_class(found, boxes, labels, c, thresholds) for c in classes], axis=0)


def _of_class(found, boxes, labels, label, thresholds):
    """Return the average precision of one class at each threshold."""
    scores, n_objects = [np.zeros(0)], 0
    hits = [[np.zeros(0, bool)] for _ in thresholds]
    for one, own, classes in zip(found, boxes, labels, strict=True):
        these, truths = one.labels == label, own[classes == label]
        n_objects += len(truths)
        if these.any():
            overlap, sure = iou(one.boxes[these], truths), one.scores[these]
            scores.append(sure)
            for threshold, those in zip(thresholds, hits, strict=True):
                those.append(_hits(overlap, sure, threshold))
    scores = np.concatenate(scores)
    return [average_precision(np.concatenate(those), scores, n_objects) for those in hits]
