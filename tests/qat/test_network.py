"""A network made ready, trained, stopped and resumed, frozen, and turned into whole numbers."""

import copy
import functools
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from quantlib import models, ptq, qat, training
from quantlib.qat.network import WeightRange
from quantlib.uniform import QParams
from tests.ptq.networks import NETWORKS, as_tuple, digits, seeded, some_images

RANGES = "learned", "observed"


class Twice(nn.Module):
    """Normalized twice, a normalization that something else reads, and one before any layer."""

    def __init__(self):
        super().__init__()
        self.start, self.conv = nn.BatchNorm2d(1), nn.Conv2d(1, 8, 3, bias=False)
        self.first, self.second, self.third = (nn.BatchNorm2d(8) for _ in range(3))
        self.more, self.last = nn.Conv2d(8, 8, 1), nn.Linear(8, 10)

    def forward(self, x):
        x = functional.relu(self.second(self.first(self.conv(self.start(x)))))
        x = x + self.third(self.more(x))
        return self.last(x.mean((2, 3)))


CASES = {name: NETWORKS[name] for name in ("mixed", "two heads", "views", "resnet", "digits")}
CASES["normalized twice"] = lambda: seeded(Twice)


def small():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))


@functools.cache
def after_training(name):
    """Return a network quantized after training, with 4 bits; it is shared."""
    return ptq.quantize_model(CASES[name](), some_images(), 4, with_report=False)


@functools.cache
def few():
    """Digits for training runs of five steps an epoch, where it only matters that some are made."""
    whole = digits()
    return replace(
        whole,
        train_images=whole.train_images[:320],
        train_labels=whole.train_labels[:320],
        test_images=whole.test_images[:64],
        test_labels=whole.test_labels[:64],
    )


@functools.cache
def trained_at_2_bits(ranges, batch_norm="folded"):
    """Return a graph trained on all digits once; it is shared, and not to be changed."""
    options = {"ranges": ranges, "batch_norm": batch_norm}
    graph = qat.prepare(models.load_pretrained(), some_images(), 2, **options)
    training.fit(graph, digits(), epochs=1, weight_decay=0.0, progress=False)
    return graph


@torch.no_grad()
def results(graph, images):
    return as_tuple(graph.eval()(images))


@pytest.mark.parametrize("batch_norm", ["folded", "none"])
@pytest.mark.parametrize("ranges", RANGES)
@pytest.mark.parametrize("name", CASES)
def test_it_starts_where_post_training_quantization_ends(name, ranges, batch_norm):
    found = after_training(name)
    graph = qat.prepare(CASES[name](), some_images(), 4, ranges=ranges, batch_norm=batch_norm)
    assert graph.training and all(p.requires_grad for p in graph.parameters())
    network, images = qat.to_integer(graph), some_images().numpy()
    for a, b in zip(as_tuple(network(images)), as_tuple(found.network(images)), strict=True):
        np.testing.assert_array_equal(a, b)
    # In evaluation the weights are folded in float32: a value next to a tie may be one code off.
    wanted = results(found.simulated, some_images())
    for a, b in zip(results(graph, some_images()), wanted, strict=True):
        assert (abs(a - b) > 1e-4).mean() < 0.03


def trained(ranges, **options):
    options = {"epochs": 2, "learning_rate": 1e-4, "weight_decay": 0.0, "progress": False} | options
    graph = qat.prepare(models.load_pretrained(), some_images(), 4, ranges=ranges)
    history = training.fit(graph, few(), **options)
    return graph, history


class Stopped(Exception):
    """What ends a run in the midst of an epoch."""


@pytest.mark.parametrize("ranges", RANGES)
def test_a_run_that_was_stopped_and_resumed_ends_with_the_same_bits(ranges, tmp_path):
    wanted, history = trained(ranges, after_step=may_stop)
    may_stop.after = 7  # of ten steps
    with pytest.raises(Stopped):
        trained(ranges, after_step=may_stop, checkpoint_path=tmp_path / "run.pt")
    may_stop.after = None
    found, again = trained(ranges, after_step=may_stop, checkpoint_path=tmp_path / "run.pt")
    assert again == history
    for (key, a), b in zip(wanted.state_dict().items(), found.state_dict().values(), strict=True):
        assert torch.equal(a, b), key
    images = digits().test_images
    np.testing.assert_array_equal(qat.to_integer(found)(images), qat.to_integer(wanted)(images))


def may_stop(model):
    if may_stop.after is not None:
        may_stop.after -= 1
        if may_stop.after == 0:
            raise Stopped


may_stop.after = None


@pytest.mark.parametrize("ranges", RANGES)
def test_training_helps_and_states_copies_and_pickles_are_the_same(ranges):
    model = models.load_pretrained()
    before = qat.to_integer(qat.prepare(model, some_images(), 2, ranges=ranges))
    graph = trained_at_2_bits(ranges)
    images, labels = digits().test_images, digits().test_labels
    wanted = qat.to_integer(graph)(images)
    assert (wanted.argmax(1) == labels).mean() > (before.predict(images) == labels).mean()
    loaded = qat.prepare(model, some_images(20), 2, ranges=ranges)
    loaded.load_state_dict(graph.state_dict())
    for other in (loaded, copy.deepcopy(graph), pickle.loads(pickle.dumps(graph)), graph.copy()):
        np.testing.assert_array_equal(qat.to_integer(other)(images), wanted)
    fewer = qat.prepare(model, some_images(20), 3, ranges=ranges)
    with pytest.raises(RuntimeError, match=r"bit_width=3.* got the state of .*bit_width=2"):
        fewer.load_state_dict(graph.state_dict())


@pytest.mark.parametrize("ranges", RANGES)
def test_whole_numbers_do_what_was_trained(ranges):
    graph, _ = trained(ranges, epochs=1)
    images = torch.as_tensor(digits().test_images)
    simulated = qat.to_simulated(graph)
    (wanted,), (found,) = results(graph, images), results(simulated, images)
    assert (abs(wanted - found) > 1e-4).mean() < 0.01
    network = ptq.to_integer(simulated)
    step = graph.quantizers["fc2"].qparams.scale
    assert abs(network(images.numpy()) - found).max() < 3 * step
    assert (network.predict(images.numpy()) == found.argmax(1)).mean() > 0.99


@pytest.mark.parametrize("batch_norm", ["folded", "none"])
@pytest.mark.parametrize("ranges", RANGES)
def test_at_2_bits_too_the_codes_are_those_of_training(ranges, batch_norm):
    """The unit of a bias is coarse where weights are; the forward pass rounds it as well."""
    graph = trained_at_2_bits(ranges, batch_norm)
    images, seen = digits().test_images, {}
    with torch.no_grad():
        graph.eval().run(torch.as_tensor(images), lambda name, x: seen.update({name: x}))
    network = qat.to_integer(graph)
    values = dict(zip((step.name for step in network.steps), network.results(images), strict=True))
    for name in ("conv1", "conv2", "conv3", "fc1", "fc2"):
        codes = graph.quantizers[name].qparams.quantize(seen[name].numpy())
        codes = codes.transpose(0, 2, 3, 1) if codes.ndim == 4 else codes
        assert (codes != values[name]).mean() < 0.01, name


def test_the_bias_trains_through_its_rounding():
    model = seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 3)))
    graph = qat.prepare(model, some_images(), 2, batch_norm="none")
    graph.quantizers["1"] = ptq.UniformQuantizer(QParams(0.1, 128, 8, signed=False))
    bias = graph.layers["1"].bias
    was = graph(some_images())
    with torch.no_grad():
        bias += 1e-6
    weight = torch.tensor([1.0, -2.0, 3.0])
    now = graph(some_images())
    (now * weight).sum().backward()
    assert torch.equal(was, now)  # a move within a step of the bias
    torch.testing.assert_close(bias.grad, len(now) * weight)


def test_torch_compiles_a_graph_of_learned_steps_whole():
    graph = qat.prepare(seeded(small), some_images(), 4)
    torch.compiler.reset()
    compiled = torch.compile(graph, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(some_images()), graph(some_images()))


@pytest.mark.parametrize("ranges", RANGES)
def test_what_is_frozen_stays_and_the_weights_train_on(ranges):
    graph = qat.prepare(models.load_pretrained(), some_images(), 4, ranges=ranges)
    graph.quantizers["conv1"] = qat.LearnedClip(8, first_clip=4.0)
    assert qat.freeze_ranges(qat.freeze_batch_norm(graph)) is graph
    before = {k: v.clone() for k, v in graph.state_dict().items()}
    options = {"epochs": 1, "weight_decay": 0.0, "learning_rate": 1e-4, "progress": False}
    training.fit(graph, few(), **options)
    changed = {k for k, v in graph.state_dict().items() if not torch.equal(v, before[k])}
    weights = {name for name, _ in graph.named_parameters() if name.endswith(("weight", "bias"))}
    assert changed == weights
    images = some_images()
    with torch.no_grad():
        assert torch.equal(graph.train()(images), graph.eval()(images))


@pytest.mark.parametrize("ranges", RANGES)
def test_a_loaded_state_is_frozen_where_the_saved_one_was(ranges):
    def prepared():
        graph = qat.prepare(models.load_pretrained(), some_images(), 4, ranges=ranges)
        graph.quantizers["conv1"] = qat.LearnedClip(8, first_clip=4.0)
        return graph

    saved = qat.freeze_ranges(qat.freeze_batch_norm(prepared())).state_dict()
    graph, free = prepared(), prepared().state_dict()
    graph.load_state_dict(saved)
    training.fit(graph, few(), epochs=1, learning_rate=1e-4, weight_decay=0.1, progress=False)
    changed = {k for k, v in graph.state_dict().items() if not torch.equal(v, saved[k])}
    assert changed == {n for n, _ in graph.named_parameters() if n.endswith(("weight", "bias"))}
    graph.load_state_dict(free)  # and free again where that was
    training.fit(graph, few(), epochs=1, learning_rate=1e-4, weight_decay=0.0, progress=False)
    changed = {k for k, v in graph.state_dict().items() if not torch.equal(v, free[k])}
    kinds = {"learned": ("log_step", "clip"), "observed": ("high", "clip")}[ranges]
    wanted = {k for k in free if k.endswith((*kinds, "running_mean", "running_var"))}
    assert wanted - changed <= {"quantizers.input.high"}  # 1 before and after


def test_numbers_that_are_fixed_by_hand_stay_so_when_a_state_is_loaded():
    graph = qat.prepare(models.load_pretrained(), some_images(), 4).requires_grad_(False)
    graph.load_state_dict(graph.state_dict())
    assert not any(p.requires_grad for p in graph.parameters())


def test_observed_ranges_of_weights_follow_the_weights():
    quantizer = WeightRange(ptq.UniformQuantizer(qparams_of([1.0, 2.0])).qparams)
    y = quantizer(torch.tensor([[0.7, -0.2], [7.0, 3.0]]))
    torch.testing.assert_close(y, torch.tensor([[0.7, -0.2], [7.0, 3.0]]))
    assert quantizer.qparams.scale.tolist() == pytest.approx([0.1, 1.0])


def qparams_of(scale):
    graph = ptq.trace(nn.Sequential(nn.Linear(1, 2)).eval())
    graph.layers["0"].weight.copy_(torch.tensor(scale).reshape(-1, 1))
    return ptq.weight_qparams(graph, 4)["0"]


@pytest.mark.parametrize("factor", [0.0, 1e-12])
@pytest.mark.parametrize("ranges", RANGES)
def test_a_bias_behind_dead_or_tiny_weights_has_room(ranges, factor):
    model = seeded(small)
    with torch.no_grad():
        model[3].weight[0] *= factor
    wanted = ptq.quantize_model(model, some_images(), 8).network(some_images().numpy())
    graph = qat.prepare(model, some_images(), 8, ranges=ranges)
    np.testing.assert_array_equal(qat.to_integer(graph)(some_images().numpy()), wanted)


def test_weights_without_uniform_codes_are_refused():
    graph = qat.prepare(models.load_pretrained(), some_images(), 4)
    graph.layers["fc1"].weight_quant = qat.PowerOfTwoWeights(4)
    with pytest.raises(ValueError, match="uniform codes, got PowerOfTwoWeights"):
        qat.to_integer(graph)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"ranges": "fixed"}, ValueError, "ranges must be one of 'learned', 'observed'"),
        ({"batch_norm": None}, ValueError, "batch_norm must be one of"),
        ({"equalize": 1}, TypeError, "equalize must be True or False"),
        ({"equalize": True}, ValueError, 'batch_norm must be "none" where equalize=True'),
        ({"bit_width": 1}, ValueError, "bit_width must be from 2 to 8"),
        ({"act_bit_width": 9}, ValueError, "act_bit_width must be from 2 to 8"),
        ({"float_layers": 3}, TypeError, "float_layers must be a list"),
        ({"float_layers": ["conv9"]}, ValueError, "float_layers must name nodes"),
        ({"calibration_images": None}, TypeError, "images must be an array"),
        ({"calibration_images": some_images(0)}, ValueError, "images must be .*one image or more"),
        ({"model": models.load_pretrained().train()}, ValueError, r"call model\.eval\(\) first"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_bad_input_is_named(options, error, words):
    options = {
        "model": models.load_pretrained(), "calibration_images": some_images(), "bit_width": 4,
    } | options  # fmt: skip
    with pytest.raises(error, match=words):
        qat.prepare(**options)


@pytest.mark.parametrize(
    "function", [qat.freeze_ranges, qat.freeze_batch_norm, qat.to_simulated, qat.to_integer]
)
def test_what_is_no_graph_is_refused(function):
    with pytest.raises(TypeError, match=r"graph must be what ptq\.trace returns, got DigitsCNN"):
        function(models.load_pretrained())
