"""Networks: what they compute, against NumPy and SciPy; their weights; bad input."""

import inspect
import json
import os

import numpy as np
import pytest
import torch
from scipy.signal import correlate2d
from torch import nn

from quantlib import binary, data, models, training

SEEDS = (0, 1, 2)


def images_like(model, n=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, *model.image_shape, generator=generator)


# ---------------------------------------------------------------- the networks, by hand in NumPy


def numpy_conv(x, conv):
    weight = conv.weight.detach().double().numpy()
    padded = np.pad(x, [(0, 0)] + [(conv.padding[0],) * 2] * 2)
    out = [sum(map(lambda a, k: correlate2d(a, k, "valid"), padded, w)) for w in weight]
    bias = 0 if conv.bias is None else conv.bias.detach().double().numpy()[:, None, None]
    return np.array(out) + bias


def numpy_batch_norm(x, norm):
    mean, var, gamma, beta = (
        t.detach().double().numpy()[:, None, None]
        for t in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    return (x - mean) / np.sqrt(var + norm.eps) * gamma + beta


def numpy_pool(x):
    c, h, w = x.shape
    return x.reshape(c, h // 2, 2, w // 2, 2).max(axis=(2, 4))


def numpy_linear(x, linear):
    return linear.weight.detach().double().numpy() @ x + linear.bias.detach().double().numpy()


def relu(x):
    return np.maximum(x, 0)


def test_digits_cnn_is_what_its_docstring_says():
    model = models.load_pretrained()
    image = data.load().test_images[7]
    x = relu(numpy_batch_norm(numpy_conv(image.astype(float), model.conv1), model.bn1))
    x = numpy_pool(relu(numpy_batch_norm(numpy_conv(x, model.conv2), model.bn2)))
    x = numpy_pool(relu(numpy_batch_norm(numpy_conv(x, model.conv3), model.bn3)))
    expected = numpy_linear(relu(numpy_linear(x.ravel(), model.fc1)), model.fc2)
    with torch.no_grad():
        got = model(torch.from_numpy(image[None]))[0].numpy()
    assert got == pytest.approx(expected, abs=1e-4)
    assert np.ptp(expected) > 5  # a trained network's logits, not numbers near 0


@pytest.mark.parametrize("image_size", [28, 32])
@pytest.mark.parametrize("in_channels", [1, 3])
def test_lenet5_is_what_its_docstring_says(image_size, in_channels):
    model = models.LeNet5(in_channels, image_size=image_size).eval()
    images = images_like(model, n=1)
    x = numpy_pool(relu(numpy_conv(images[0].double().numpy(), model.conv1)))
    assert x.shape == (6, 14, 14)
    x = numpy_pool(relu(numpy_conv(x, model.conv2)))
    assert x.shape == (16, 5, 5)
    x = relu(numpy_linear(relu(numpy_linear(x.ravel(), model.fc1)), model.fc2))
    expected = numpy_linear(x, model.fc3)
    assert model(images)[0].detach().numpy() == pytest.approx(expected, abs=1e-5)


def count(model):
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("in_channels", "num_classes", "image_size"), [(1, 10, 8), (3, 10, 32), (2, 5, 4)]
)
def test_digits_cnn_sizes(in_channels, num_classes, image_size):
    model = models.DigitsCNN(in_channels, num_classes, image_size=image_size)
    convolutions = 9 * (in_channels * 16 + 16 * 32 + 32 * 64)
    norms = 2 * (16 + 32 + 64)
    hidden = 64 * (image_size // 4) ** 2 * 128 + 128
    assert count(model) == convolutions + norms + hidden + 128 * num_classes + num_classes
    assert model(images_like(model, n=3)).shape == (3, num_classes)


def test_parameter_counts_in_the_docstrings():
    # 61,706 is LeNet-5's count wherever C3 is fully connected to S2
    for network, number in [(models.DigitsCNN, 57_594), (models.LeNet5, 61_706)]:
        assert count(network()) == number
        assert f"{number:,} parameters" in network.__doc__


@pytest.mark.parametrize(
    "build",
    [
        models.DigitsCNN,
        models.LeNet5,
        models.VGG,
        models.ResNet,
        binary.BinaryLeNet5,
        binary.BinaryVGG,
        binary.BinaryResNet,
        binary.BinaryResNet.resnet18,
    ],
)
def test_every_network_takes_its_sizes_in_one_order(build):
    first, *rest = inspect.signature(build).parameters.values()
    positional = [first.name, *[p.name for p in rest if p.kind is p.POSITIONAL_OR_KEYWORD]]
    assert positional == ["in_channels", "num_classes", "image_size"]


@pytest.mark.parametrize("network", [models.DigitsCNN, models.LeNet5])
@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"in_channels": 0}, ValueError, "in_channels must be from 1"),
        ({"in_channels": 1.0}, TypeError, "in_channels must be a whole number"),
        ({"num_classes": 1}, ValueError, "num_classes must be from 2"),
        ({"image_size": 3}, ValueError, "image_size must be .* got 3"),
        ({"image_size": 0}, ValueError, "image_size must be .* got 0"),
        ({"image_size": "28"}, TypeError, "image_size must be a whole number"),
        ({"seed": -1}, ValueError, "seed must be from 0"),
        ({"seed": None}, TypeError, "seed must be a whole number"),
    ],
)
def test_networks_refuse_arguments(network, arguments, error, words):
    with pytest.raises(error, match=words):
        network(**arguments)


@pytest.mark.parametrize("network", [models.DigitsCNN, models.LeNet5])
@pytest.mark.parametrize("change", ["flat", "one image", "channels", "height", "width"])
def test_networks_refuse_images_of_another_shape(network, change):
    model = network()
    c, h, w = model.image_shape
    shape = {
        "flat": (5, c * h * w),
        "one image": (c, h, w),
        "channels": (5, c + 2, h, w),
        "height": (5, c, h + 4, w),
        "width": (5, c, h, w + 4),
    }[change]
    expected = rf"images must be N x C x H x W = N x 1 x {h} x {w}, got shape \({shape[0]}, "
    with pytest.raises(ValueError, match=expected):
        model(torch.zeros(shape))


def test_networks_take_tensors_only():
    with pytest.raises(TypeError, match="images must be a torch tensor, got ndarray"):
        models.DigitsCNN()(np.zeros((1, 1, 8, 8), np.float32))


# --------------------------------------------------------------------------------------- the seed


@pytest.mark.parametrize("network", [models.DigitsCNN, models.LeNet5])
def test_first_weights_follow_the_seed(network):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    a, b, c = network(seed=3), network(seed=3), network(seed=4)
    assert torch.equal(torch.get_rng_state(), before)
    for (name, p), q, r in zip(a.named_parameters(), b.parameters(), c.parameters(), strict=True):
        assert torch.equal(p, q)
        if not name.startswith("bn"):
            assert not torch.equal(p, r)


def test_seeded_draws_what_torch_draws_from_the_seed():
    state = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="inside"), models.seeded(2**64 - 1):
        got = torch.rand(4)
        raise RuntimeError("inside")
    assert torch.equal(torch.get_rng_state(), state)
    generator = torch.Generator().manual_seed(2**64 - 1)
    assert torch.equal(got, torch.rand(4, generator=generator))


# --------------------------------------------------------------------------------- weight tensors


def test_weight_tensors_are_the_models_own_in_order():
    model = models.LeNet5()
    weights = models.weight_tensors(model)
    assert list(weights) == ["conv1", "conv2", "fc1", "fc2", "fc3"]
    for name, weight in weights.items():
        assert weight.data_ptr() == getattr(model, name).weight.data_ptr()
        assert not weight.requires_grad
    weights["fc3"].zero_()
    assert not model.fc3.weight.any()


def test_weight_layers_looks_into_nested_modules_and_passes_over_others():
    model = nn.Sequential(
        nn.Sequential(nn.Conv1d(1, 2, 3), nn.BatchNorm1d(2)),
        nn.ConvTranspose1d(2, 1, 3),
        nn.Embedding(3, 2),
        nn.Linear(2, 2),
    )
    assert list(models.weight_layers(model)) == ["0.0", "3"]
    assert models.weight_layers(model)["3"] is model[3]
    assert models.weight_tensors(nn.Sequential(nn.ReLU())) == {}


def test_quantize_weights_changes_the_weights_of_a_copy_only():
    model = models.load_pretrained()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    result = models.quantize_weights(model, lambda w: 2 * w + 1)
    after = result.state_dict()
    weights = {f"{name}.weight" for name in models.weight_layers(model)}
    assert len(weights) == 5
    for name, value in before.items():
        assert torch.equal(model.state_dict()[name], value)
        assert torch.equal(after[name], 2 * value + 1 if name in weights else value)
        assert after[name].data_ptr() != model.state_dict()[name].data_ptr()
    assert not result.training
    assert type(result) is models.DigitsCNN
    assert all(p.requires_grad for p in result.parameters())


def test_quantize_weights_on_chosen_layers():
    model = models.LeNet5()
    result = models.quantize_weights(model, torch.zeros_like, layers=("conv2", "fc1"))
    zero = {name for name, w in models.weight_tensors(result).items() if not w.any()}
    assert zero == {"conv2", "fc1"}
    untouched = models.quantize_weights(model, torch.zeros_like, layers=[])
    assert all(w.any() for w in models.weight_tensors(untouched).values())


def test_quantize_weights_cannot_harm_the_model_through_fn():
    model = models.LeNet5()
    result = models.quantize_weights(model, lambda w: w.zero_())
    assert all(w.any() for w in models.weight_tensors(model).values())
    assert not any(w.any() for w in models.weight_tensors(result).values())


def test_quantize_weights_takes_numpy_and_integers_and_keeps_the_dtype():
    model = models.LeNet5().double()
    result = models.quantize_weights(model, lambda w: np.sign(w.numpy()).astype(np.int8))
    for name, weight in models.weight_tensors(result).items():
        assert weight.dtype == torch.float64
        assert torch.equal(weight, models.weight_tensors(model)[name].sign())


def test_quantize_weights_quantizes_a_shared_weight_once():
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    model = nn.Sequential(first, second)
    result = models.quantize_weights(model, lambda w: w + 1)
    assert result[0].weight is result[1].weight
    assert torch.equal(result[0].weight, first.weight + 1)


@pytest.mark.parametrize(
    ("fn", "words"),
    [
        (lambda w: w[:1], r"fn must return .* got \(1, 1, 3, 3\) .* \(16, 1, 3, 3\) of 'conv1'"),
        (lambda w: w.flatten(), r"got \(144,\)"),
        (lambda w: None, "got NoneType"),
        (lambda w: (w, 1.0), "got tuple"),
        (lambda w: w / 0, "new weight of 'conv1' must be finite"),
    ],
)
def test_quantize_weights_refuses_what_fn_returns(fn, words):
    with pytest.raises(ValueError, match=words):
        models.quantize_weights(models.DigitsCNN(), fn)


def test_quantize_weights_refuses_bad_arguments():
    model = models.DigitsCNN()
    with pytest.raises(ValueError, match=r"layers must be one of 'conv1', .* got 'bn1'"):
        models.quantize_weights(model, torch.sign, layers=["bn1"])
    with pytest.raises(TypeError, match="layers must be a list of names, got the string 'fc1'"):
        models.quantize_weights(model, torch.sign, layers="fc1")
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module, got OrderedDict"):
        models.quantize_weights(model.state_dict(), torch.sign)


# ------------------------------------------------------------------------------- trained networks


@pytest.mark.parametrize("seed", SEEDS)
def test_pretrained_reaches_what_its_record_says(seed):
    record = json.loads((models.CHECKPOINTS / f"digits_cnn_seed{seed}.json").read_text())
    model, digits = models.load_pretrained("digits_cnn", seed), data.load("digits")
    assert not model.training
    assert training.evaluate(model, digits) == record["test_accuracy"]
    assert (
        training.accuracy(model, digits.train_images, digits.train_labels)
        == record["train_accuracy"]
    )
    assert record["test_accuracy"] >= 0.985
    assert record["test_images"] == len(digits.test_labels)
    assert record["seed"] == seed
    assert len(record["history"]["train_loss"]) == record["epochs"]
    assert record["history"]["test_accuracy"][-1] == record["test_accuracy"]
    assert record["command"] == (
        "python -m tools.train digits_cnn --seeds 0 1 2 --output quantlib/checkpoints"
    )


def test_checkpoints_are_small_and_complete():
    files = sorted(p.name for p in models.CHECKPOINTS.iterdir())
    assert files == sorted(
        f"{name}_seed{seed}.{kind}"
        for name in ("detector", "digits_cnn")
        for seed in SEEDS
        for kind in ("json", "safetensors")
    )
    assert all(os.path.getsize(p) < 500_000 for p in models.CHECKPOINTS.iterdir())


def test_pretrained_networks_differ_and_are_not_shared():
    a, b = models.load_pretrained(), models.load_pretrained(seed=1)
    assert not torch.equal(a.conv1.weight, b.conv1.weight)
    a.conv1.weight.data.zero_()
    assert models.load_pretrained().conv1.weight.any()


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (
            {"name": "resnet50"},
            ValueError,
            "name must be one of 'digits_cnn', 'detector', got 'resnet50'",
        ),
        ({"seed": 3}, ValueError, "seed must be one of 0, 1, 2 for 'digits_cnn', got 3"),
        ({"seed": -1}, ValueError, "seed must be from 0"),
        ({"seed": "0"}, TypeError, "seed must be a whole number"),
    ],
)
def test_load_pretrained_refuses(arguments, error, words):
    with pytest.raises(error, match=words):
        models.load_pretrained(**arguments)


def test_linear_network_computes_what_its_weights_say():
    first, second = [[1.0, -2.0], [0.5, 0.25], [-1.0, 0.0]], [[1.0, 2.0, 4.0]]
    network = models.linear_network([first, second], [None, [10.0]])
    x = np.array([[2.0, 1.0], [-1.0, 3.0]])
    expected = np.maximum(x @ np.transpose(first), 0) @ np.transpose(second) + 10
    result = network(torch.tensor(x, dtype=torch.float32)).detach().numpy()
    np.testing.assert_allclose(result, expected)
    assert [tuple(w.shape) for w in models.weight_tensors(network).values()] == [(3, 2), (1, 3)]


@pytest.mark.parametrize(
    ("weights", "biases", "message"),
    [
        ([], None, "weights and biases must be one for each layer"),
        ([[[1.0]]], [None, None], "weights and biases must be one for each layer"),
        ([[1.0]], None, "weights must have two axes"),
        ([[[1.0], [2.0]], [[1.0]]], None, r"weights must have the shape \(out, 2\)"),
        ([[[1.0]]], [[1.0, 2.0]], r"biases must have the shape \(1,\)"),
        ([[[float("nan")]]], None, "weights"),
    ],
)
def test_linear_network_refuses_what_does_not_fit(weights, biases, message):
    with pytest.raises(ValueError, match=message):
        models.linear_network(weights, biases)
