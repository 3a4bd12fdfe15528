"""Canvases, what a detector learns from them, and that its heads are quantized apart."""

import copy
import json

import numpy as np
import pytest
import torch

from quantlib import data, detection, models, ptq

DIGITS = data.load("digits")
TRAIN = DIGITS.train_images, DIGITS.train_labels


@pytest.fixture(scope="module")
def few():
    return data.make_canvases(*TRAIN, 40)


# ----------------------------------------------------------------------------------------- canvases


def test_boxes_lie_in_the_canvas_apart_and_in_cells_of_their_own(few):
    assert few.images.dtype == np.float32 and few.images.min() >= 0 and few.images.max() <= 1
    assert {len(labels) for labels in few.labels} == {1, 2, 3, 4}
    for boxes, labels in zip(few.boxes, few.labels, strict=True):
        assert boxes.shape == (len(labels), 4) and boxes.min() >= 0 and boxes.max() <= 40
        overlap = detection.iou(boxes, boxes)
        np.testing.assert_allclose(overlap, np.eye(len(boxes)))
        cells = (boxes[:, :2] + boxes[:, 2:]) // 16
        assert len(np.unique(cells, axis=0)) == len(boxes)
        assert (boxes[:, 3] - boxes[:, 1] <= 16).all()


def test_a_box_encloses_the_ink():
    """Of a bright rectangle: a pixel is bright if its centre is inside, but for the corners."""
    digit = np.zeros((1, 1, 8, 8), np.float32)
    digit[0, 0, 1:7, 2:6] = 1
    made = data.make_canvases(digit, np.array([3]), 20, noise=0)
    centres = np.arange(40) + 0.5
    for (canvas,), boxes, labels in zip(made.images, made.boxes, made.labels, strict=True):
        inside = np.zeros((40, 40), bool)
        for left, top, right, bottom in boxes:
            rows = (top < centres) & (centres < bottom)
            columns = (left < centres) & (centres < right)
            inside |= rows[:, None] & columns
            assert (canvas[rows, int((left + right) / 2)] >= 0.5).all()
            assert (canvas[int((top + bottom) / 2), columns] >= 0.5).all()
            assert (bottom - top) / (right - left) == pytest.approx(6 / 4)
        assert not (canvas > 0.5)[~inside].any()
        assert set(labels) == {3}


def test_the_seed_decides_all():
    a, b, c = (data.make_canvases(*TRAIN, 5, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(a.images, b.images) and not np.array_equal(a.images, c.images)
    assert all(map(np.array_equal, a.boxes, b.boxes))
    assert len(data.make_canvases(*TRAIN, 0).images) == 0


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"images": np.zeros((2, 8, 8))}, ValueError, "images must be an array N x 1 x 8 x 8"),
        ({"images": np.zeros((1, 1, 8, 8))}, ValueError, "images must be one or more, each with"),
        ({"labels": np.arange(3)}, ValueError, "labels must be an array of one class for each"),
        ({"count": -1}, ValueError, "count must be from 0"),
        ({"count": 2.0}, TypeError, "count must be a whole number"),
        ({"canvas_size": 41}, ValueError, "canvas_size must be a multiple of 8, got 41"),
        ({"noise": -1}, ValueError, "noise must be a number from 0 to 1, got -1"),
    ],
)
def test_bad_canvases_are_refused(change, error, words):
    given = {"images": TRAIN[0], "labels": TRAIN[1], "count": 1} | change
    with pytest.raises(error, match=words):
        data.make_canvases(**given)


# ----------------------------------------------------------------------------------------- learning


def test_a_detector_that_says_its_targets_is_perfect(few):
    classes, numbers = detection.targets(few, models.Detector())
    assert int((classes < 10).sum()) == sum(map(len, few.labels))
    logits = 20 * torch.nn.functional.one_hot(classes, 11).permute(0, 3, 1, 2).float()
    found = detection.evaluate(lambda images: (logits.numpy(), numbers.numpy()), few)
    np.testing.assert_allclose(found, 1)


def plain_loss(logits, boxes, canvases):
    """The loss of the docstring, cell by cell."""
    total = 0.0
    for i, (own, labels) in enumerate(zip(canvases.boxes, canvases.labels, strict=True)):
        wanted = {}
        for box, label in zip(own.astype(float), labels, strict=True):
            x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
            row, column = int(y // 8), int(x // 8)
            wanted[row, column] = label
            told = [
                (x - 8 * column - 4) / 12, (y - 8 * row - 4) / 12,
                np.log((box[2] - box[0]) / 12), np.log((box[3] - box[1]) / 12),
            ]  # fmt: skip
            for t, said in zip(told, boxes[i, :, row, column], strict=True):
                d = abs(t - said)
                total += 5 * (d * d / 0.2 if d < 0.1 else d - 0.05)
        for row in range(5):
            for column in range(5):
                odds = np.exp(logits[i, :, row, column])
                total -= np.log(odds[wanted.get((row, column), 10)] / odds.sum())
    return total / len(logits)


def test_the_loss_is_what_the_docstring_says(few):
    model = models.Detector(widths=(2, 2, 2, 2))
    with torch.no_grad():
        said = copy.deepcopy(model).train()(torch.from_numpy(few.images))
    wanted = plain_loss(*(x.double().numpy() for x in said), few)
    found = detection.fit(model, few, epochs=1, batch_size=64, progress=False)
    assert found == pytest.approx([wanted], rel=1e-5)


def test_training_is_the_same_again_and_learns(few):
    ends = []
    for _ in range(2):
        model = models.Detector(widths=(4, 4, 4, 4))
        detection.fit(model, few, epochs=2, batch_size=10, progress=False)
        ends.append(model.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(*map(dict.values, ends), strict=True))
    assert not model.training

    model = models.Detector()
    options = {"epochs": 25, "batch_size": 8, "learning_rate": 0.01, "progress": False}
    losses = detection.fit(model, few, **options)
    assert losses[-1] < losses[0] / 10
    assert detection.evaluate(model, few, iou_thresholds=(0.5,)) > 0.8


def test_a_loss_that_explodes_is_said(few):
    with pytest.raises(FloatingPointError, match=r"the loss is (nan|inf) in epoch \d"):
        detection.fit(
            models.Detector(), few, epochs=3, learning_rate=1e30, optimizer="sgd", progress=False
        )


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: models.Detector(image_size=36), ValueError, "image_size must be a multiple of 8"),
        (lambda: models.Detector(widths=(4,)), ValueError, "widths must be 4 whole numbers"),
        (lambda: detection.fit(models.Detector(), DIGITS), TypeError, "canvases must be data.Canv"),
        (
            lambda: detection.fit(models.DigitsCNN(), data.make_canvases(*TRAIN, 1)),
            TypeError,
            "model must be a Detector, or have stride and num_classes, got DigitsCNN",
        ),
        (
            lambda: detection.fit(models.Detector(), data.make_canvases(*TRAIN, 1), box_weight=0),
            ValueError,
            "box_weight must be positive",
        ),
        (lambda: detection.detect(3, TRAIN[0]), TypeError, "network must be a module or"),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


# ---------------------------------------------------------------------------- trained and quantized


@pytest.fixture(scope="module")
def trained():
    return models.load_pretrained("detector", 0)


def test_heads_are_quantized_apart(trained, few):
    """With 2 bits in one head the other's outputs stay as they are, to the bit."""
    heads = {"class": (0, ("class_hidden", "class_out")), "box": (1, ("box_hidden", "box_out"))}
    made = ptq.quantize_model(trained, few.images, 8, with_report=False)
    real = trained(torch.from_numpy(few.images))
    whole = made.network(few.images)
    for a, b in zip(whole, real, strict=True):
        noise = np.mean((a - b.detach().numpy()) ** 2) / np.mean(b.detach().numpy() ** 2)
        assert a.shape == b.shape and noise < 1e-3
    for end, names in heads.values():
        bits = {"": 8, **dict.fromkeys(names, 2)}
        part = ptq.quantize_model(
            trained, few.images, bits, act_bit_width=bits, with_report=False
        ).network(few.images)
        assert np.array_equal(part[1 - end], whole[1 - end])
        assert not np.array_equal(part[end], whole[end])
        assert len(np.unique(part[end])) <= 4 < len(np.unique(whole[end]))


def test_a_detector_in_whole_numbers_finds_what_it_found_before(trained):
    test = data.make_canvases(DIGITS.test_images, DIGITS.test_labels, 60, seed=1)
    calibration = data.make_canvases(*TRAIN, 60)
    network = ptq.quantize_model(trained, calibration.images, 8, with_report=False).network
    before = detection.evaluate(trained, test, iou_thresholds=(0.5,))
    after = detection.evaluate(network, test, iou_thresholds=(0.5,))
    assert before > 0.85 and abs(before - after) < 0.03


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_pretrained_detectors_reach_what_their_records_say(seed):
    record = json.loads((models.CHECKPOINTS / f"detector_seed{seed}.json").read_text())
    test = data.make_canvases(DIGITS.test_images, DIGITS.test_labels, 500, seed=1)
    found = detection.evaluate(models.load_pretrained("detector", seed), test)
    np.testing.assert_allclose(found, list(record["test_map"].values()), atol=0.003)
    assert record["test_map"]["0.5"] > 0.9 and record["seed"] == seed
    assert len(record["history"]["train_loss"]) == record["epochs"]
