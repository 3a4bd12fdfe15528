"""Activations of real networks, their memory, and the search against running everything."""

import itertools
import math
import os

import joblib
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from quantlib import activations, data, models, nonuniform, training
from quantlib.nonuniform import enq

DIGITS = data.load("digits")
MODEL = models.load_pretrained("digits_cnn", seed=0)
IMAGES, LABELS = DIGITS.test_images[:150], DIGITS.test_labels[:150]


def enq_scheme(x, bits):
    return enq.choose_qparams(x, bits, fixed_bit_width=8).fake_quantize


def test_recorded_activations_are_those_of_the_network_s_own_formula():
    seen = activations.record(MODEL, IMAGES)
    x = torch.tensor(IMAGES)
    with torch.no_grad():
        first = functional.relu(MODEL.bn1(MODEL.conv1(x)))
        second = functional.relu(MODEL.bn2(MODEL.conv2(first)))
    assert list(seen) == ["conv1", "conv2", "conv3", "fc1"]
    np.testing.assert_allclose(seen["conv1"], first, atol=1e-6)
    np.testing.assert_allclose(seen["conv2"], second, atol=1e-5)
    assert all((values >= 0).all() for values in seen.values())
    assert not any(module._forward_hooks for module in MODEL.modules())


class Strange(nn.Module):
    """ReLU as a module, in place, as a method, twice in a row, and an addition between."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True))
        self.body = nn.Conv2d(2, 2, 3, padding=1)
        self.head = nn.Linear(2 * 36, 3)

    def forward(self, x):
        x = self.stem(x)
        x = (self.body(x) + x).relu()
        x = torch.relu(x - 1)
        return self.head(x.flatten(1))


def test_every_way_to_call_relu_is_seen_and_quantized():
    model = Strange().eval()
    x = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    seen = activations.record(model, x)
    assert list(seen) == ["stem.0", "body"]

    def halve(values):
        return values / 2

    quantized = activations.QuantizedActivations(model, {"stem.0": halve, "body": halve})
    with torch.no_grad():
        stem = functional.relu(model.stem[0](x)) / 2
        body = functional.relu(model.body(stem) + stem) / 2
        expected = model.head(functional.relu(body - 1).flatten(1))
    torch.testing.assert_close(quantized(x), expected)
    torch.testing.assert_close(activations.QuantizedActivations(model, {})(x), model(x))


class ChangedLater(nn.Module):
    """What leaves the ReLU is changed in place afterwards, as at a residual's addition."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 2, 3), nn.Linear(72, 3)

    def forward(self, x):
        x = functional.relu(self.conv(x))
        x += 100
        return self.head(x.flatten(1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_record_is_of_the_moment_and_float32(dtype):
    model = ChangedLater().to(dtype)
    x = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = functional.relu(model.conv(x.to(dtype))).float().numpy()
    seen = activations.record(model, x)["conv"]
    assert seen.dtype == np.float32
    np.testing.assert_array_equal(seen, expected)


@pytest.mark.parametrize(
    "relu", [nn.ReLU6(), nn.ReLU6(inplace=True), functional.relu6, nn.Hardtanh(0.0, 6.0)]
)
def test_a_relu_with_a_ceiling_is_a_relu(relu):
    class Clipped(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 2)
            self.relu = relu

        def forward(self, x):
            return functional.hardtanh(self.last(self.relu(self.first(x))))  # that one is not

    x = 10 * torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    model = Clipped()
    seen = activations.record(model, x)
    assert list(seen) == ["first"]
    np.testing.assert_array_equal(seen["first"], model.first(x).detach().clamp(0, 6))


@pytest.mark.parametrize(
    "activation",
    [
        nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.LeakyReLU(0.1), nn.ELU(inplace=True), nn.PReLU(),
        nn.Hardswish(), nn.Sigmoid(), nn.Tanh(), nn.Mish(), torch.tanh,
        lambda x: x.clamp(min=0), lambda x: torch.clamp(x, 0, 6), lambda x: x.clamp_min_(0.0),
    ],
)  # fmt: skip
def test_every_activation_function_is_seen_and_quantized(activation):
    class Activated(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 2)

        def forward(self, x):
            return self.last(activation(self.first(x)).clamp(-9, 9))

    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    model = Activated().eval()
    with torch.no_grad():
        expected = activation(model.first(x))
        seen = activations.record(model, x)
        assert list(seen) == ["first"]
        np.testing.assert_array_equal(seen["first"], expected.numpy())
        halved = activations.QuantizedActivations(model, {"first": lambda values: values / 2})
        torch.testing.assert_close(halved(x), model.last(expected / 2))


@pytest.mark.parametrize("hide", [lambda m, x: torch.jit.trace(m, x), lambda m, x: m[:1]])
def test_a_network_without_an_activation_in_sight_is_refused(hide):
    x = torch.zeros(2, 3)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    with pytest.raises(ValueError, match="model must call an activation function"):
        activations.record(hide(model, x), x)


def test_a_layer_that_runs_twice_is_counted_but_not_recorded():
    layer = nn.Conv2d(1, 1, 3, padding=1)
    model = nn.Sequential(layer, nn.ReLU(), layer, nn.ReLU())
    with pytest.raises(ValueError, match="each layer once an image, but '0' ran 2 times"):
        activations.record(model, torch.zeros(3, 1, 4, 4), batch_size=2)
    assert activations.activation_memory(model, (1, 4, 4), 1).values == {"0": 32}
    halved = activations.QuantizedActivations(model, {"0": lambda values: values / 2})
    x = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = functional.relu(layer(functional.relu(layer(x)) / 2)) / 2
    torch.testing.assert_close(halved(x), expected)


def test_a_quantizer_that_would_never_be_called_is_refused():
    # fc2 gives the logits: no activation follows it.
    quantized = activations.QuantizedActivations(MODEL, {"conv1": abs, "fc2": abs})
    with pytest.raises(ValueError, match="layers that an activation follows, got none after 'fc2'"):
        quantized(torch.tensor(IMAGES))


def test_quantized_activations_take_few_values_and_leave_the_model_alone():
    before = training.logits(MODEL, IMAGES)
    seen = activations.record(MODEL, IMAGES)
    quantized = activations.QuantizedActivations(MODEL, {"conv2": enq_scheme(seen["conv2"], 2)})
    values = activations.record(quantized.model, IMAGES)["conv2"]
    assert len(np.unique(values)) > 100  # the copy itself is not quantized, the wrapper is
    assert not np.array_equal(training.logits(quantized, IMAGES), before)
    np.testing.assert_array_equal(training.logits(MODEL, IMAGES), before)


def test_memory_by_hand():
    memory = activations.activation_memory(models.LeNet5(), (1, 28, 28), {"conv1": 5, "conv2": 3})
    assert memory.values == {"conv1": 6 * 28 * 28, "conv2": 16 * 10 * 10}
    assert memory.total_bits == 5 * 4704 + 3 * 1600
    assert memory.megabytes == memory.total_bits / 8 / 1e6


def test_memory_of_a_module_on_the_meta_device_in_one_dimension():
    with torch.device("meta"):
        model = nn.Sequential(nn.Conv1d(3, 10, 5), nn.ReLU(), nn.ConvTranspose1d(10, 4, 2))
    memory = activations.activation_memory(model, (3, 100), 16)
    assert memory.values == {"0": 960, "2": 4 * 97}
    assert memory.n_values == 960 + 388


def brute_force(images, labels, choices, delta=None):
    """Run every combination and return the curve of those that no cheaper one matches."""
    seen = activations.record(MODEL, images)
    sizes = {name: math.prod(values.shape[1:]) for name, values in seen.items()}
    points = []
    for bits in itertools.product(*choices.values()):
        chosen = dict(zip(choices, bits, strict=True))
        quantizers = {n: enq_scheme(seen[n], b) for n, b in chosen.items()}
        quantized = activations.QuantizedActivations(MODEL, quantizers)
        right = int((training.predict(quantized, images) == labels).sum())
        points.append((sum(sizes[n] * b for n, b in chosen.items()), -right))
    curve, best = [], -1
    for memory, negative in sorted(points):
        if -negative > best:
            best = -negative
            if not curve or curve[-1][0] != memory:
                curve.append((memory, best / len(labels)))
    return curve


CHOICES = {"conv1": (1, 2, 4), "conv2": (1, 2, 3), "conv3": (1, 3), "fc1": (1, 2)}


def test_pruning_loses_nothing():
    result = nonuniform.search_bits(
        MODEL, IMAGES, LABELS, enq_scheme, bit_widths=CHOICES, progress=False
    )
    curve = [(point.memory_bits, point.accuracy) for point in result.curve]
    assert curve == brute_force(IMAGES, LABELS, CHOICES)
    assert result.complete
    assert result.n_combinations == 36
    assert result.n_finished + result.n_stopped <= 36
    assert result.n_stopped > 5  # it did save runs
    assert result.baseline == training.accuracy(MODEL, IMAGES, LABELS)
    seen = activations.record(MODEL, IMAGES)
    for point in result.curve:
        expected = sum(seen[n][0].size * b for n, b in point.bit_width.items())
        assert point.memory_bits == expected
        quantizers = {n: enq_scheme(seen[n], b) for n, b in point.bit_width.items()}
        again = activations.QuantizedActivations(MODEL, quantizers)
        assert training.accuracy(again, IMAGES, LABELS) == point.accuracy


def test_the_budget_gives_the_beginning_of_the_same_curve():
    options = dict(bit_widths=CHOICES, progress=False)
    whole = nonuniform.search_bits(MODEL, IMAGES, LABELS, enq_scheme, **options)
    part = nonuniform.search_bits(MODEL, IMAGES, LABELS, enq_scheme, budget=10, **options)
    assert not part.complete
    assert part.n_finished + part.n_stopped == 10
    begun = [p for p in whole.curve if p.memory_bits < part.reached_bits]
    assert [p for p in part.curve if p.memory_bits < part.reached_bits] == begun
    nothing = nonuniform.search_bits(MODEL, IMAGES, LABELS, enq_scheme, seconds=0, **options)
    assert nothing.curve == ()
    assert not nothing.complete


def test_some_layers_only_and_the_cheapest_within_a_loss(capsys):
    result = nonuniform.search_bits(
        MODEL, IMAGES, LABELS, enq_scheme, layers=["conv2"], bit_widths=range(1, 7)
    )
    assert "combinations" in capsys.readouterr().err  # the bar
    assert result.n_combinations == 6
    point = result.within(0.02)
    assert result.baseline - point.accuracy <= 0.02 + 1e-9
    cheaper = [p for p in result.curve if p.memory_bits < point.memory_bits]
    assert all(result.baseline - p.accuracy > 0.02 for p in cheaper)
    assert result.within(-1.0) is None


@pytest.mark.slow
def test_a_dask_cluster_of_two_workers_finds_the_same_curve(tmp_path):
    distributed = pytest.importorskip("distributed")

    def scheme(x, bits):
        quantizer = enq_scheme(x, bits)

        def traced(values):
            (tmp_path / str(os.getpid())).touch()  # who computes?
            return quantizer(values)

        return traced

    few = {"conv1": (1, 2), "conv2": (1, 3), "conv3": (2,), "fc1": (1, 2)}
    options = dict(bit_widths=few, progress=False)
    here = nonuniform.search_bits(MODEL, IMAGES, LABELS, enq_scheme, **options)
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    )
    with cluster, distributed.Client(cluster) as client:
        workers = set(client.run(os.getpid).values())
        with joblib.parallel_config("dask"):
            there = nonuniform.search_bits(MODEL, IMAGES, LABELS, scheme, **options)
    assert len(workers) == 2
    assert {int(path.name) for path in tmp_path.iterdir()} == workers
    assert there.curve == here.curve
    assert there.complete


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(layers=["conv9"]), "layers must be one of"),
        (dict(layers=[]), "layers must name at least one"),
        (dict(bit_widths=[]), "bit_widths must not be empty"),
        (dict(bit_widths=[0]), "bit_widths must be from 1"),
        (dict(bit_widths={"conv1": [1]}), "bit_widths must have every layer"),
        (dict(budget=0), "budget must be from 1"),
        (dict(layers=["conv1", "conv1"]), "layers must be different, got 'conv1' twice"),
        (dict(seconds=math.nan), "seconds must be 0 or more"),
    ],
)
def test_bad_searches_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        nonuniform.search_bits(MODEL, IMAGES, LABELS, enq_scheme, progress=False, **options)


def test_one_name_is_no_list_of_layers():
    with pytest.raises(TypeError, match="layers must be a list of names, got the text 'conv1'"):
        nonuniform.search_bits(MODEL, IMAGES, LABELS, enq_scheme, layers="conv1", progress=False)


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (LABELS[:-1], ValueError, "labels must be one class number for each of the 150 images"),
        (LABELS - 1, ValueError, "labels must be from 0 to 9, got -1 to 8"),
        (LABELS + 1, ValueError, "labels must be from 0 to 9, got 1 to 10"),
        (LABELS + 0.0, TypeError, "labels must be whole numbers"),
    ],
)
def test_labels_that_are_no_classes_are_refused(labels, error, message):
    with pytest.raises(error, match=message):
        nonuniform.search_bits(MODEL, IMAGES, labels, enq_scheme, progress=False)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: activations.record(None, IMAGES), TypeError, "model must be a torch.nn.Module"),
        (lambda: activations.record(MODEL, IMAGES * np.nan), ValueError, "images must be finite"),
        (
            lambda: activations.QuantizedActivations(MODEL, {"conv9": abs}),
            ValueError,
            "quantizers must be one of",
        ),
        (
            lambda: activations.QuantizedActivations(MODEL, {"conv1": lambda x: x[:1]})(
                torch.tensor(IMAGES)
            ),
            ValueError,
            "must keep the shape",
        ),
        (
            lambda: activations.activation_memory(nn.Linear(2, 2), (2,), 8),
            ValueError,
            "model must have a convolution",
        ),
        (
            lambda: activations.activation_memory(MODEL, (1, 8, 8), {"conv1": 8}),
            ValueError,
            "bit_width must have every convolution",
        ),
        (
            lambda: activations.activation_memory(MODEL, (1, 8, 8), 0),
            ValueError,
            "bit_width must be from 1",
        ),
    ],
)
def test_bad_networks_are_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()
