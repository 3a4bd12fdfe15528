"""Training: the loop against NumPy, seeds, stopping and going on, and what is measured."""

import json
import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy.special import log_softmax, softmax
from torch import nn

from quantlib import data, models, training
from tools import train

DIGITS = data.load("digits")
SMALL = data.Dataset(
    "small",
    DIGITS.train_images[:150],
    DIGITS.train_labels[:150],
    DIGITS.test_images[:100],
    DIGITS.test_labels[:100],
    DIGITS.class_names,
)


@pytest.fixture
def own_threads():
    """Put back the number of threads, which the command line sets."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def linear_model(seed=0):
    with models.seeded(seed):
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


def dropout_model():
    with models.seeded(0):
        return nn.Sequential(
            nn.Flatten(), nn.Linear(64, 16), nn.BatchNorm1d(16), nn.Dropout(0.5), nn.Linear(16, 10)
        )


def fit(model, dataset=SMALL, **settings):
    return training.fit(model, dataset, **{"epochs": 2, "progress": False, **settings})


def assert_same_state(a, b):
    for (name, x), y in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
        assert torch.equal(x, y), name


# ------------------------------------------------------------------------------ the loop is right


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_one_step_of_gradient_descent_by_hand(schedule):
    model = linear_model()
    weight, bias = (p.detach().double().numpy().copy() for p in model.parameters())
    x = SMALL.train_images.reshape(150, 64).astype(float)
    y = SMALL.train_labels
    history = fit(
        model,
        epochs=1,
        batch_size=150,
        optimizer="sgd",
        schedule=schedule,
        learning_rate=0.5,
        weight_decay=0.01,
    )
    scores = x @ weight.T + bias
    error = (softmax(scores, axis=1) - np.eye(10)[y]) / 150
    new_weight = weight - 0.5 * (error.T @ x + 0.01 * weight)
    new_bias = bias - 0.5 * (error.sum(axis=0) + 0.01 * bias)
    assert model[1].weight.detach().numpy() == pytest.approx(new_weight, abs=1e-6)
    assert model[1].bias.detach().numpy() == pytest.approx(new_bias, abs=1e-6)
    loss = -log_softmax(scores, axis=1)[np.arange(150), y].mean()
    assert history.train_loss == [pytest.approx(loss, rel=1e-6)]
    assert history.train_accuracy == [pytest.approx(np.mean(scores.argmax(1) == y), abs=1e-9)]
    test_x = SMALL.test_images.reshape(100, 64)
    predicted = (test_x @ new_weight.T + new_bias).argmax(1)
    assert history.test_accuracy == [pytest.approx(np.mean(predicted == SMALL.test_labels))]
    assert history.learning_rate == [0.5]


def test_loss_of_unequal_batches_is_the_mean_over_images():
    # With a rate too small to matter every batch meets the same weights.
    model = linear_model()
    scores = training.logits(model, SMALL.train_images)
    loss = -log_softmax(scores, axis=1)[np.arange(150), SMALL.train_labels].mean()
    history = fit(model, epochs=1, batch_size=140, optimizer="sgd", learning_rate=1e-12)
    assert history.train_loss == [pytest.approx(loss, rel=1e-5)]


def test_each_epoch_sees_each_image_once_in_a_new_order():
    model, seen = linear_model(), []
    model.register_forward_pre_hook(lambda m, args: seen.append(args[0]) if m.training else None)
    fit(model, epochs=2, batch_size=64)
    assert [len(batch) for batch in seen] == [64, 64, 22] * 2
    first, second = torch.cat(seen[:3]).numpy(), torch.cat(seen[3:]).numpy()
    assert not np.array_equal(first, second)
    expected = sorted(image.tobytes() for image in SMALL.train_images)
    for epoch in (first, second):
        assert sorted(image.tobytes() for image in epoch) == expected


def test_learning_rates_of_the_schedules():
    rates = {
        schedule: fit(
            linear_model(), epochs=6, batch_size=15, learning_rate=0.01, schedule=schedule
        ).learning_rate
        for schedule in ("cosine", "constant", "one_cycle")
    }
    assert rates["constant"] == [0.01] * 6
    cosine = [0.01 * (1 + math.cos(math.pi * epoch / 6)) / 2 for epoch in range(6)]
    assert rates["cosine"] == pytest.approx(cosine)
    # The one cycle of 60 steps begins at 1/25 of its peak, which it reaches at step 0.3 * 60 - 1.
    up, down = 17, 42
    for epoch, rate in enumerate(rates["one_cycle"]):
        step = 10 * epoch
        low, part = (0.01 / 25, step / up) if step <= up else (0.01 / 25e4, 1 - (step - up) / down)
        assert rate == pytest.approx(low + (0.01 - low) * (1 - math.cos(math.pi * part)) / 2)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_loss_falls(optimizer):
    model = models.DigitsCNN()
    history = fit(model, DIGITS, epochs=2, optimizer=optimizer, learning_rate=5e-3)
    assert history.train_loss[1] < 0.7 * history.train_loss[0]
    assert history.test_accuracy[1] > 0.6
    assert history.test_accuracy[1] == training.evaluate(model, DIGITS)


@pytest.mark.slow
def test_the_recipe_reaches_its_aim_from_scratch(tmp_path, own_threads):
    train.main(["digits_cnn", "--seeds", "4", "--output", str(tmp_path)])
    record = json.loads((tmp_path / "digits_cnn_seed4.json").read_text())
    assert record["test_accuracy"] >= 0.98
    assert record["epochs"] == 20


# ------------------------------------------------------------------------------- seeds and devices


@pytest.mark.parametrize("make", [models.DigitsCNN, dropout_model])
def test_same_seed_same_weights(make):
    a, b, c = make(), make(), make()
    assert fit(a, seed=5) == fit(b, seed=5)
    fit(c, seed=6)
    assert_same_state(a, b)
    assert not torch.equal(next(a.parameters()), next(c.parameters()))


def test_nothing_depends_on_the_global_generators_or_changes_them():
    a, b = dropout_model(), dropout_model()
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002 - the global generator is what must stay as it is
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    fit(a)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.random.get_state()[1].tolist() == numpy_before  # noqa: NPY002
    torch.manual_seed(2)
    fit(b)
    assert_same_state(a, b)


def test_model_comes_back_in_evaluation_mode_on_its_device():
    model = models.DigitsCNN()
    fit(model, epochs=1)
    assert not model.training
    assert {p.device.type for p in model.parameters()} == {"cpu"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU")
def test_training_on_a_gpu():
    model = models.DigitsCNN()
    torch.cuda.manual_seed(1)
    before = torch.cuda.get_rng_state()
    history = fit(model, DIGITS, epochs=3, device="cuda")
    assert torch.equal(torch.cuda.get_rng_state(), before)
    assert history.test_accuracy[-1] > 0.9
    assert {p.device.type for p in model.parameters()} == {"cpu"}
    assert training.evaluate(model.to("cuda"), DIGITS) > 0.9


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch finds a GPU")
def test_gpu_that_is_not_there():
    with pytest.raises(ValueError, match="device must be 'cpu' where torch finds no GPU"):
        fit(models.DigitsCNN(), device="cuda:0")


def test_progress_bar_can_be_switched(capfd):
    fit(linear_model(), progress=False)
    assert capfd.readouterr() == ("", "")
    fit(linear_model(), progress=True)
    assert "2/2" in capfd.readouterr().err


# ---------------------------------------------------------------------------- stopping and going on


def stop_at(model, step):
    """Let the model raise KeyboardInterrupt in the training step of this number."""
    calls = iter(range(1, 10**6))

    def hook(module, args):
        if module.training and next(calls) == step:
            raise KeyboardInterrupt

    return model.register_forward_pre_hook(hook)


@pytest.mark.parametrize("make", [models.DigitsCNN, dropout_model])
@pytest.mark.parametrize(
    ("optimizer", "schedule"), [("adamw", "one_cycle"), ("adam", "constant"), ("sgd", "cosine")]
)
def test_a_stopped_run_ends_as_one_that_was_not(tmp_path, make, optimizer, schedule):
    settings = {"epochs": 4, "optimizer": optimizer, "schedule": schedule, "learning_rate": 0.01}
    whole, stopped, other = make(), make(), make()
    expected = fit(whole, **settings)
    path = tmp_path / "runs" / "state.ckpt"
    # Three steps an epoch: stopped within the third epoch, and again within the fourth.
    for step in (8, 5):
        hook = stop_at(stopped, step)
        with pytest.raises(KeyboardInterrupt):
            fit(stopped, checkpoint_path=path, **settings)
        hook.remove()
        assert not stopped.training
    fit(other, epochs=1)  # what the weights are before a run is resumed does not matter
    history = fit(other, checkpoint_path=path, **settings)
    assert_same_state(whole, other)
    assert history == expected
    # A run that is complete is only read.
    again = make()
    assert fit(again, checkpoint_path=str(path), **settings) == expected
    assert_same_state(whole, again)
    assert [p.name for p in path.parent.iterdir()] == ["state.ckpt"]


def test_numpy_numbers_as_settings_can_be_resumed(tmp_path):
    settings = {"epochs": np.int64(2), "learning_rate": np.float32(0.01), "seed": np.int64(1)}
    path = tmp_path / "state.ckpt"
    expected = fit(linear_model(), checkpoint_path=path, **settings)
    assert fit(linear_model(), checkpoint_path=path, **settings) == expected


def test_a_failed_write_leaves_the_state_before(tmp_path, monkeypatch):
    path = tmp_path / "state.ckpt"
    model = linear_model()
    hook = stop_at(model, 5)
    with pytest.raises(KeyboardInterrupt):
        fit(model, checkpoint_path=path, epochs=3)
    hook.remove()
    before = path.read_bytes()

    def disk_full(state, file):
        file.write(b"half of it")
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", disk_full)
        with pytest.raises(OSError, match="no space left"):
            fit(model, checkpoint_path=path, epochs=3)
    assert [p.name for p in tmp_path.iterdir()] == ["state.ckpt"]
    assert path.read_bytes() == before
    whole = linear_model()
    assert fit(model, checkpoint_path=path, epochs=3) == fit(whole, epochs=3)
    assert_same_state(model, whole)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "state.ckpt"
    fit(linear_model(), checkpoint_path=path)
    return path


OTHER_IMAGES = data.Dataset(
    "small",
    SMALL.train_images[::-1].copy(),
    SMALL.train_labels[::-1].copy(),
    SMALL.test_images,
    SMALL.test_labels,
    SMALL.class_names,
)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epochs": 3}, "its epochs is 2, and 3 is asked for"),
        ({"learning_rate": 0.1}, "its learning_rate is 0.003, and 0.1"),
        ({"batch_size": 5}, "its batch_size is 64, and 5"),
        ({"optimizer": "sgd"}, "its optimizer is adamw, and sgd"),
        ({"schedule": "cosine"}, "its schedule is one_cycle, and cosine"),
        ({"weight_decay": 0}, "its weight_decay is 0.0001, and 0.0"),
        ({"seed": 1}, "its seed is 0, and 1"),
        ({"dataset": DIGITS}, "its dataset is <small"),
        ({"dataset": OTHER_IMAGES}, "its training images"),
        ({"model": dropout_model()}, "its model is"),
    ],
)
def test_checkpoint_of_another_run_is_refused(checkpoint, changes, words):
    arguments = {"model": linear_model(), "dataset": SMALL, **changes}
    with pytest.raises(ValueError, match=f"state.ckpt is of another run: {words}"):
        fit(checkpoint_path=checkpoint, **arguments)


@pytest.mark.parametrize("content", ["empty", "cut", "text", "another file of torch"])
def test_damaged_checkpoint_is_named(checkpoint, tmp_path, content):
    path = tmp_path / "damaged.ckpt"
    if content == "another file of torch":
        torch.save(linear_model().state_dict(), path)
    else:
        whole = checkpoint.read_bytes()
        part = {"empty": b"", "cut": whole[: len(whole) // 2], "text": b"loss 0.1\n" * 50}
        path.write_bytes(part[content])
    with pytest.raises(
        ValueError, match=r"damaged\.ckpt is not a checkpoint of fit, or is damaged"
    ):
        fit(linear_model(), checkpoint_path=path)


# --------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"model": "digits_cnn"}, TypeError, r"model must be a torch\.nn\.Module, got str"),
        ({"model": nn.Flatten()}, ValueError, "model must have parameters"),
        ({"dataset": (1, 2)}, TypeError, "dataset must be a quantlib Dataset, got tuple"),
        ({"epochs": 0}, ValueError, "epochs must be from 1"),
        ({"epochs": 1.5}, TypeError, "epochs must be a whole number"),
        ({"batch_size": 0}, ValueError, "batch_size must be from 1"),
        ({"seed": -1}, ValueError, "seed must be from 0"),
        ({"learning_rate": 0}, ValueError, "learning_rate must be finite and positive, got 0"),
        ({"learning_rate": math.nan}, ValueError, "learning_rate must be finite and positive"),
        ({"learning_rate": "0.1"}, TypeError, "learning_rate must be a number"),
        ({"weight_decay": -1e-4}, ValueError, "weight_decay must be finite and at least 0"),
        ({"weight_decay": True}, TypeError, "weight_decay must be a number"),
        ({"optimizer": "lion"}, ValueError, "optimizer must be one of 'adam'"),
        ({"schedule": "step"}, ValueError, "schedule must be one of 'one_cycle'"),
        ({"device": "tpu"}, ValueError, "device must be one of 'cpu', 'cuda', got 'tpu'"),
    ],
)
def test_fit_refuses(arguments, error, words):
    with pytest.raises(error, match=words):
        fit(**{"model": linear_model(), **arguments})


def test_fit_refuses_images_that_are_not_finite():
    images = SMALL.train_images.copy()
    images[3, 0, 2, 2] = np.nan
    dataset = data.Dataset(
        "bad", images, SMALL.train_labels, SMALL.test_images, SMALL.test_labels, SMALL.class_names
    )
    with pytest.raises(ValueError, match="train_images must be finite, got 1 NaN"):
        fit(linear_model(), dataset)


def test_fit_refuses_images_of_another_shape_and_gives_the_model_back():
    model = models.LeNet5()
    with pytest.raises(ValueError, match="images must be N x C x H x W = N x 1 x 28 x 28"):
        fit(model)
    assert not model.training


def test_fit_refuses_a_model_with_too_few_classes():
    with pytest.raises(ValueError, match="a logit for each of the 10 classes of dataset, got 5"):
        fit(models.DigitsCNN(num_classes=5))


def test_a_run_that_diverges_says_so():
    with pytest.raises(FloatingPointError, match="in epoch 1 of 2: the learning_rate of 1e"):
        fit(models.DigitsCNN(), optimizer="sgd", schedule="constant", learning_rate=1e30)


# ------------------------------------------------------------------------------------ measurements


@pytest.fixture(scope="module")
def trained():
    return models.load_pretrained()


def test_logits_are_the_models_whatever_the_batches(trained):
    with torch.no_grad():
        expected = trained(torch.from_numpy(SMALL.test_images)).numpy()
    for batch_size in (1, 7, 100, 1000):
        got = training.logits(trained, SMALL.test_images, batch_size=batch_size)
        assert got == pytest.approx(expected, abs=1e-4)
    assert training.predict(trained, SMALL.test_images).tolist() == expected.argmax(1).tolist()


def test_images_may_be_tensors_and_double(trained):
    expected = training.predict(trained, SMALL.test_images)
    assert expected.dtype == np.int64
    for images in (torch.from_numpy(SMALL.test_images), SMALL.test_images.astype(np.float64)):
        assert np.array_equal(training.predict(trained, images), expected)
    labels = torch.from_numpy(SMALL.test_labels)
    assert training.accuracy(trained, SMALL.test_images, labels) == training.evaluate(
        trained, SMALL
    )


def test_measuring_leaves_every_module_in_its_mode():
    model = dropout_model()
    model.train()
    model[2].eval()
    modes = [module.training for module in model.modules()]
    first = training.logits(model, SMALL.test_images)
    assert np.array_equal(first, training.logits(model, SMALL.test_images))  # no dropout
    assert [module.training for module in model.modules()] == modes
    with pytest.raises(ValueError, match="finite"):
        training.logits(model, np.full((1, 1, 8, 8), np.inf))
    assert [module.training for module in model.modules()] == modes


def test_accuracy_counts():
    # A model that says 3 for every image is right on the threes.
    model = linear_model()
    nn.init.zeros_(model[1].weight)
    model[1].bias.data = torch.eye(10)[3]
    share = sum(label == 3 for label in DIGITS.test_labels.tolist()) / 500
    assert training.evaluate(model, DIGITS) == share
    assert training.accuracy(model, DIGITS.test_images[:4], np.array([3, 3, 5, 3])) == 0.75
    counts = training.confusion_matrix(model, DIGITS.test_images, DIGITS.test_labels)
    expected = np.zeros((10, 10), int)
    expected[:, 3] = np.bincount(DIGITS.test_labels)
    assert np.array_equal(counts, expected)


def test_confusion_matrix_row_is_the_class_column_the_prediction(trained):
    counts = training.confusion_matrix(trained, DIGITS.test_images, DIGITS.test_labels)
    expected = [[0] * 10 for _ in range(10)]
    predicted = training.predict(trained, DIGITS.test_images)
    for label, guess in zip(DIGITS.test_labels, predicted, strict=True):
        expected[label][guess] += 1
    assert counts.tolist() == expected
    assert counts.trace() / 500 == training.evaluate(trained, DIGITS)
    few = training.confusion_matrix(trained, SMALL.test_images[:2], SMALL.test_labels[:2])
    assert few.shape == (10, 10)
    assert few.sum() == 2


IMAGES, LABELS = SMALL.test_images, SMALL.test_labels


@pytest.mark.parametrize("measure", [training.accuracy, training.confusion_matrix])
@pytest.mark.parametrize(
    ("images", "labels", "error", "words"),
    [
        (IMAGES, LABELS[:-1], ValueError, r"each of the 100 images, got shape \(99,\)"),
        (IMAGES, LABELS[:, None], ValueError, r"got shape \(100, 1\)"),
        (IMAGES, LABELS.astype(float), TypeError, "labels must be whole numbers, got dtype float"),
        (IMAGES[:0], LABELS[:0], ValueError, "images must not be empty"),
        (IMAGES[0], LABELS[:1], ValueError, "images must be N x C x H x W = N x 1 x 8 x 8"),
        (IMAGES.astype(int), LABELS, TypeError, "images must be floating-point, 0 to 1, got dtype"),
        (IMAGES * np.nan, LABELS, ValueError, "images must be finite"),
    ],
)
def test_measures_refuse(trained, measure, images, labels, error, words):
    with pytest.raises(error, match=words):
        measure(trained, images, labels)


def test_confusion_matrix_refuses_a_class_that_the_model_does_not_have(trained):
    labels = LABELS.copy()
    labels[4] = 10
    with pytest.raises(ValueError, match="labels must be from 0 to 9, got 0 to 10"):
        training.confusion_matrix(trained, IMAGES, labels)


def test_measures_refuse_what_is_no_model_or_batch_size(trained):
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module, got function"):
        training.predict(lambda x: x, IMAGES)
    with pytest.raises(ValueError, match="batch_size must be from 1"):
        training.evaluate(trained, SMALL, batch_size=0)
    for function in (training.logits, training.predict, training.evaluate, training.accuracy):
        with pytest.raises(TypeError, match="positional argument"):
            function(trained, IMAGES, LABELS, 64)
    with pytest.raises(TypeError, match="dataset must be a quantlib Dataset, got ndarray"):
        training.evaluate(trained, IMAGES)


# ---------------------------------------------------------------------------------- command line


def test_history_goes_through_json():
    history = fit(linear_model())
    assert training.History(**json.loads(json.dumps(history.to_dict()))) == history
    assert {len(values) for values in history.to_dict().values()} == {2}


@pytest.mark.parametrize("threads", [1, 2])
def test_command_line_writes_weights_and_how_they_were_made(tmp_path, capsys, own_threads, threads):
    folder = tmp_path / "made"
    arguments = ["digits_cnn", "--seeds", "7", "8", "--epochs", "1", "--device", "cpu"]
    arguments += ["--threads", str(threads)]
    train.main([*arguments, "--output", str(folder)])
    for seed in (7, 8):
        record = json.loads((folder / f"digits_cnn_seed{seed}.json").read_text())
        model = models.DigitsCNN().eval()
        model.load_state_dict(load_file(folder / f"digits_cnn_seed{seed}.safetensors"))
        assert training.evaluate(model, DIGITS) == record["test_accuracy"]
        assert record["history"]["test_accuracy"] == [record["test_accuracy"]]
        again = models.DigitsCNN(seed=seed)
        training.fit(again, DIGITS, epochs=1, seed=seed, device="cpu", progress=False)
        assert_same_state(model, again)
        assert record["command"] == (
            f"python -m tools.train {' '.join(arguments)} --output {folder}"
        )
        assert record["machine"]["threads"] == threads
        assert record["machine"]["torch"] == str(torch.__version__)
    assert "digits_cnn_seed8: " in capsys.readouterr().out


def test_command_line_refuses_an_unknown_network(tmp_path, capsys):
    with pytest.raises(SystemExit):
        train.main(["alexnet", "--output", str(tmp_path)])
    assert "invalid choice: 'alexnet'" in capsys.readouterr().err
