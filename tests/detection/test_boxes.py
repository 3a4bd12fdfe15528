"""Boxes and average precision, by hand and beside references that count."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from quantlib import detection
from quantlib.detection import Detections

# -------------------------------------------------------------------------------------- references


def pixels(box):
    """The unit squares in a box with whole edges."""
    left, top, right, bottom = map(int, box)
    return {(x, y) for x in range(left, right) for y in range(top, bottom)}


def counted_iou(a, b):
    union = pixels(a) | pixels(b)
    return Fraction(len(pixels(a) & pixels(b)), len(union)) if union else Fraction(0)


def kept_by_asking_each(boxes, scores, threshold):
    """A box stays unless a surer one that stays overlaps it."""
    ranks = sorted(range(len(boxes)), key=lambda i: (-scores[i], i))
    stays = {}
    for place, i in enumerate(ranks):
        stays[i] = not any(
            stays[j] and counted_iou(boxes[i], boxes[j]) > threshold for j in ranks[:place]
        )
    return [i for i in ranks if stays[i]]


def counted_hits(boxes, scores, truths, threshold):
    """Whether each box finds an object, by striking objects off a list."""
    left, hits = list(range(len(truths))), [False] * len(boxes)
    for i in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        fit = {j: counted_iou(boxes[i], truths[j]) for j in left}
        if fit and max(fit.values()) >= threshold:
            hits[i] = True
            left.remove(min(j for j in fit if fit[j] == max(fit.values())))
    return hits


def counted_precision(hits, scores, n_objects):
    """The mean over the objects: the best precision at which so many or more are found."""
    points = []  # objects found, and precision, of what is at least as sure as each score
    for level in set(scores):
        among = [hit for hit, score in zip(hits, scores, strict=True) if score >= level]
        points.append((sum(among), Fraction(sum(among), len(among))))
    best = [max([p for n, p in points if n >= k], default=Fraction(0))
            for k in range(1, n_objects + 1)]  # fmt: skip
    return sum(best, Fraction(0)) / n_objects


# ------------------------------------------------------------------------------------------- boxes

edges = st.tuples(*[st.integers(0, 6)] * 4).map(
    lambda e: (min(e[0], e[2]), min(e[1], e[3]), max(e[0], e[2]), max(e[1], e[3]))
)
few = st.lists(edges, max_size=6)
sureness = st.lists(st.integers(0, 4), min_size=6, max_size=6)


def array(boxes):
    return np.array(boxes, np.float64).reshape(-1, 4)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0, 0, 2, 2), (1, 1, 3, 3), 1 / 7),  # one square of 4 + 4 - 1
        ((0, 0, 4, 4), (1, 1, 3, 3), 4 / 16),  # one inside the other
        ((0, 0, 2, 2), (2, 0, 4, 2), 0),  # they touch
        ((0, 0, 2, 2), (0, 0, 2, 2), 1),
        ((1, 1, 1, 1), (1, 1, 1, 1), 0),  # no area
        ((0.5, 0, 1.5, 1), (0, 0, 1, 1), 1 / 3),
    ],
)
def test_iou_by_hand(a, b, expected):
    assert detection.iou([a], [b]) == pytest.approx(expected)


@given(few, few)
def test_iou_is_a_share_of_squares_counted(a, b):
    found = detection.iou(array(a), array(b))
    assert found.shape == (len(a), len(b))
    for (i, j), value in np.ndenumerate(found):
        assert value == pytest.approx(float(counted_iou(a[i], b[j])))


def test_suppression_by_hand():
    """A chain: the first silences the second, which so can't silence the third."""
    boxes = [[0, 0, 4, 4], [1, 0, 5, 4], [2, 0, 6, 4]]  # IoU of neighbours 12/20, of the ends 8/24
    assert detection.suppress(boxes, [0.9, 0.8, 0.7], 0.5).tolist() == [0, 2]
    assert detection.suppress(boxes, [0.8, 0.9, 0.7], 0.5).tolist() == [1]
    assert detection.suppress(boxes, [0.9, 0.8, 0.7], 0.6).tolist() == [0, 1, 2]
    assert detection.suppress(boxes, [0.9, 0.8, 0.7], 0.3).tolist() == [0]


@given(few, sureness, st.sampled_from([0, 0.25, 0.5, 1]))
def test_suppression_beside_asking_each(boxes, scores, threshold):
    found = detection.suppress(array(boxes), scores[: len(boxes)], threshold)
    assert found.tolist() == kept_by_asking_each(boxes, scores, threshold)


def test_numbers_of_a_box_by_hand():
    """Default 12: 3 pixels right of the cell's centre is 1/4, twice as high is ln 2."""
    cells, numbers = detection.encode([[9, 8, 21, 32]], 8)  # its centre is at x 15, y 20
    assert cells.tolist() == [[2, 1]]
    np.testing.assert_allclose(numbers, [[3 / 12, 0, 0, np.log(2)]], atol=1e-12)


def one_cell(logits, numbers):
    classes, boxes = np.zeros((1, len(logits), 1, 1)), np.zeros((1, 4, 1, 1))
    classes[0, :, 0, 0], boxes[0, :, 0, 0] = logits, numbers
    return classes, boxes


def test_decoding_by_hand():
    classes, boxes = one_cell(np.log([0.6, 0.3, 0.1]), [0.5, 0, 0, np.log(0.5)])
    (found,) = detection.decode(classes, boxes, 8)
    np.testing.assert_allclose(found.boxes, [[4, 1, 16, 7]])  # centre 4 + 6, 4; size 12 x 6
    assert found.labels.tolist() == [0] and found.scores == pytest.approx([0.6])
    assert len(detection.decode(classes, boxes, 8, score_threshold=0.61)[0].scores) == 0


def test_nothing_is_never_a_class():
    """The score is that of the best class, however likely "nothing" is."""
    classes, boxes = one_cell(np.log([0.1, 0.2, 0.7]), np.zeros(4))
    (found,) = detection.decode(classes, boxes, 8)
    assert found.labels.tolist() == [1] and found.scores == pytest.approx([0.2])


def test_only_boxes_of_one_class_silence_each_other_and_the_surest_comes_first():
    classes, boxes = np.zeros((1, 3, 1, 3)), np.zeros((1, 4, 1, 3))
    boxes[0, 0, 0] = 8 / 12, 0, -8 / 12  # all at the middle cell's centre
    shares = np.array([[0.5, 0.4, 0.1], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1]])
    classes[0, :, 0] = np.log(shares.T)
    (found,) = detection.decode(classes, boxes, 8)
    assert found.labels.tolist() == [1, 0]
    np.testing.assert_allclose(found.scores, [0.8, 0.5])


# ------------------------------------------------------------------------------- average precision


def test_average_precision_by_hand():
    """Hits at ranks 1, 3 and 5: precision 1, 2/3 and 3/5."""
    hits, scores = [True, False, True, False, True], [0.9, 0.8, 0.7, 0.6, 0.5]
    wanted = (1 + 2 / 3 + 3 / 5) / 3
    assert detection.average_precision(hits, scores, 3) == pytest.approx(wanted)
    assert detection.average_precision(hits, scores, 4) == pytest.approx(wanted * 3 / 4)
    # A miss before a run of hits: the best precision at that recall or more counts.
    assert detection.average_precision([False, True, True], [3, 2, 1], 2) == pytest.approx(2 / 3)
    assert detection.average_precision([], [], 2) == 0
    assert np.isnan(detection.average_precision([False], [1.0], 0))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=12), st.integers(0, 3))
def test_average_precision_beside_counting(found, missed):
    hits, scores = [hit for hit, _ in found], [score for _, score in found]
    n_objects = sum(hits) + missed
    value = detection.average_precision(hits, scores, n_objects)
    if n_objects:
        assert value == pytest.approx(float(counted_precision(hits, scores, n_objects)))
    else:
        assert np.isnan(value)


def test_average_precision_beside_scikit_learn_s_curve():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 40, 300) / 40
    hits = rng.random(300) < scores
    precision, recall, _ = metrics.precision_recall_curve(hits, scores)
    best = np.maximum.accumulate(precision)  # its recall falls
    wanted = -np.sum(np.diff(recall) * best[:-1])
    assert detection.average_precision(hits, scores, hits.sum()) == pytest.approx(wanted)
    assert wanted > metrics.average_precision_score(hits, scores)  # which takes no best


def test_an_object_is_found_once():
    truths = [[0, 0, 4, 4], [10, 0, 14, 4]]
    boxes = [[0, 0, 4, 4], [0, 0, 4, 3], [10, 0, 14, 3]]
    assert detection.matches(boxes, [0.8, 0.9, 0.7], truths, 0.5).tolist() == [False, True, True]
    assert detection.matches(boxes, [0.8, 0.9, 0.7], truths, 0.8).tolist() == [True, False, False]


@given(few, few, sureness, st.sampled_from([0.25, 0.5, 1]))
def test_matches_beside_striking_off(boxes, truths, scores, threshold):
    found = detection.matches(array(boxes), scores[: len(boxes)], array(truths), threshold)
    assert found.tolist() == counted_hits(boxes, scores, truths, threshold)


image = st.tuples(few, sureness, st.lists(st.integers(0, 2), min_size=6, max_size=6), few)


@given(st.lists(image, min_size=1, max_size=3))
def test_the_mean_beside_counting(images):
    found, truths, labels = [], [], []
    for boxes, scores, classes, objects in images:
        n, m = len(boxes), len(objects)
        found.append(Detections(array(boxes), np.array(scores[:n]), np.array(classes[:n])))
        truths.append(array(objects))
        labels.append(np.array(classes[::-1][:m], np.int64))
    if not sum(map(len, labels)):
        with pytest.raises(ValueError, match="labels must have an object or more, got none"):
            detection.mean_average_precision(found, truths, labels)
        return
    for threshold, value in zip(
        (0.5, 0.75),
        detection.mean_average_precision(found, truths, labels, iou_thresholds=(0.5, 0.75)),
        strict=True,
    ):
        each = []
        for label in range(3):
            hits, scores, n_objects = [], [], 0
            for one, own, classes in zip(found, truths, labels, strict=True):
                these, wanted = one.labels == label, own[classes == label]
                n_objects += len(wanted)
                hits += counted_hits(one.boxes[these], one.scores[these], wanted, threshold)
                scores += one.scores[these].tolist()
            if n_objects:
                each.append(float(counted_precision(hits, scores, n_objects)))
        assert value == pytest.approx(np.mean(each))


# --------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: detection.iou([[2, 0, 1, 1]], []), "a must be left, top, right, bottom"),
        (lambda: detection.iou([[0, 0, 1]], [[0, 0, 1, 1]]), "a must be n x 4, got shape"),
        (lambda: detection.iou([[0, 0, np.nan, 1]], [[0, 0, 1, 1]]), "a must be finite"),
        (lambda: detection.suppress([[0, 0, 1, 1]], [1, 2]), "scores must be one for each of 1"),
        (lambda: detection.suppress([[0, 0, 1, 1]], [1], 2), "threshold must be from 0"),
        (lambda: detection.encode([[0, 0, 0, 1]], 8), "boxes must have a width and a height"),
        (lambda: detection.average_precision([True], [1], 0), "hits must be 0 or fewer"),
        (lambda: detection.matches([[0, 0, 1, 1]], [1], [[0, 0, 1, 1]], 0), "iou_threshold"),
        (lambda: detection.mean_average_precision([], [[]], []), "must be one for each image"),
        (
            lambda: detection.decode(np.zeros((1, 3, 5, 5)), np.zeros((1, 4, 5, 4)), 8),
            "classes and boxes must be",
        ),
    ],
)  # fmt: skip
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
