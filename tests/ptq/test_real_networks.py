"""What people's networks do in ``forward``: computed as torch does, or refused in words."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from quantlib import models, ptq
from quantlib.ptq.support import check_float_layers
from tests.ptq.networks import seeded, some_images


class Body(nn.Module):
    """A convolution, then what a test is about, then a linear layer."""

    def __init__(self, function, channels=8):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 8, 1)
        self.relu, self.norm, self.norm2 = nn.ReLU(True), nn.BatchNorm2d(8), nn.BatchNorm2d(8)
        self.place = nn.Parameter(torch.linspace(-1, 1, 64).reshape(1, 1, 8, 8))
        self.last = nn.Linear(channels, 10)
        self.function = function

    def forward(self, images):
        return self.last(self.function(self, self.first(images)).mean((2, 3)))


def relu_in_place(net, x):
    y = functional.relu(x, inplace=True)
    return net.second(y) + x


def module_in_place(net, x):
    y = net.relu(x)
    return net.second(y) + x


def method_in_place(net, x):
    y = functional.dropout(x, training=False)
    y.relu_()
    return net.second(y) + x


def sum_in_place(net, x):
    before = x
    x += net.second(x)
    return net.second(x) + before


def product_in_place(net, x):
    x.mul_(net.second(x))
    return x


def sum_anew(net, x):
    before = x
    x = x + net.second(x)
    return net.second(x) + before


COMPUTED = {
    "relu in place": relu_in_place,
    "a module in place": module_in_place,
    "a method in place, of what dropout hands on": method_in_place,
    "a sum in place": sum_in_place,
    "a product in place": product_in_place,
    "a sum that is none": sum_anew,
    "a parameter added": lambda net, x: x + net.place,
    "a function of a parameter": lambda net, x: x * net.place[..., :8].abs(),
    "input by name": lambda net, x: torch.relu(input=x) + functional.relu(input=x),
    "an axis by its other name": lambda net, x: net.second(torch.cat([x, x], axis=1)[:, 4:12]),
    "a node called as a method of modules": lambda net, x: x.type(torch.float32),
    "a mask, which is no real number": lambda net, x: x * (x > 0).float(),
    "normalized twice": lambda net, x: functional.relu(net.norm2(net.norm(x))),
}


@pytest.mark.parametrize("case", COMPUTED)
def test_each_form_computes_what_torch_does(case):
    model = seeded(lambda: Body(COMPUTED[case]))
    wanted = model(some_images()).detach()
    graph = ptq.fold(ptq.trace(model))
    names = list(ptq.unsupported(graph))
    found = ptq.quantize_model(model, some_images(), 8, float_layers=names)
    for graph in (ptq.trace(model), found.folded):
        torch.testing.assert_close(graph(some_images()), wanted, rtol=1e-4, atol=1e-5)
    for y in (found.simulated(some_images()), found.network(some_images().numpy())):
        assert abs(torch.as_tensor(y) - wanted).max() < 0.05 * abs(wanted).max()


class Ends(nn.Module):
    """A convolution and a function of its results, which ends the network."""

    def __init__(self, function):
        super().__init__()
        self.conv, self.function = nn.Conv2d(1, 4, 3), function

    def forward(self, images):
        return self.function(self.conv(images))


SAME = {
    "clamp_min of 0": (lambda x: x.clamp_min(0), ["ReLU"]),
    "clamp_min of torch": (lambda x: torch.clamp_min(x, min=0.0), ["ReLU"]),
    "clamp_min in place": (lambda x: x.clamp_min_(0), ["ReLU"]),
    "both clamps": (lambda x: x.clamp_min(0.1).clamp_max(0.5), ["Hardtanh", "Hardtanh"]),
    "no lower bound": (lambda x: x.clamp(max=0.25), ["Hardtanh"]),
    "a dtype": (lambda x: x.to(torch.float64).to(dtype=torch.float32), []),
    "that of another": (lambda x: x.to(x.dtype).to(x.relu().device), ["ReLU"]),
    "a device": (lambda x: x.to("cpu", non_blocking=True).cpu(), []),
    "methods": (lambda x: x.relu().double().float(), ["ReLU"]),
    "mean of mean": (lambda x: x.mean(3).mean(2), ["AdaptiveAvgPool2d", "Flatten"]),
    "last axes": (lambda x: x.mean(-1).mean(-1), ["AdaptiveAvgPool2d", "Flatten"]),
    "rows first": (lambda x: torch.mean(x.mean(2), dim=[2]), ["AdaptiveAvgPool2d", "Flatten"]),
    "axes kept": (lambda x: x.mean(2, keepdim=True).mean(-1, True), ["AdaptiveAvgPool2d"]),
}


@pytest.mark.parametrize("case", SAME)
def test_what_means_the_same_as_a_layer_becomes_one(case):
    function, kinds = SAME[case]
    model = seeded(lambda: Ends(function))
    graph = ptq.trace(model)
    assert [type(graph.layers[name]).__name__ for name in list(graph.nodes)[1:]] == kinds
    wanted = model(some_images()).detach()
    torch.testing.assert_close(graph(some_images()), wanted)
    network = ptq.quantize_model(model, some_images(), 8, with_report=False).network
    assert network(some_images().numpy()).shape == tuple(wanted.shape)
    assert abs(network(some_images().numpy()) - wanted.numpy()).max() < 0.05 * abs(wanted).max()


OTHER = {
    "whole numbers": lambda x: x.to(torch.int32),
    "a mean of channels": lambda x: x.mean(1).mean(1),
    "three means": lambda x: x.mean(-1).mean(-1).mean(-1),
    "one mean kept": lambda x: x.mean(3, True).mean(2),
    "a mean that something else reads": lambda x: (lambda y: y.mean(2) + y.sum(2))(x.mean(3)),
    "bounds that are computed": lambda x: x.clamp_min(x.mean()),
}


@pytest.mark.parametrize("case", OTHER)
def test_what_only_looks_the_same_is_named_and_computed(case):
    model = seeded(lambda: Ends(OTHER[case]))
    graph = ptq.trace(model)
    torch.testing.assert_close(graph(some_images()), model(some_images()))
    assert ptq.unsupported(graph)


def test_what_is_changed_in_place_is_seen_as_it_was():
    """The report compares what each node handed on, before a later one changed it in place."""
    model = seeded(lambda: Body(product_in_place))
    seen = {}
    ptq.trace(model).run(some_images(), lambda name, x: seen.update({name: x}))
    assert torch.equal(seen["first"], model.first(some_images()))


def changes_a_view(net, x):
    x.flatten(1).relu_()
    return x


def changes_a_parameter(net, x):
    return x + functional.relu(net.place, inplace=True)


REFUSED = {
    "dropout that is never off": (lambda net, x: functional.dropout(x, 0.5), "dropout drops .*tra"),
    "a view that is changed": (changes_a_view, "relu_ changes in place a view of first"),
    "a parameter that is changed": (changes_a_parameter, "relu changes a buffer or parameter"),
    "a size": (lambda net, x: net.place.expand(x.size(0), -1, -1, -1) + x, "size asks for a size"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_be_wrong_is_refused(case):
    function, words = REFUSED[case]
    with pytest.raises(ValueError, match=words):
        ptq.trace(seeded(lambda: Body(function)))


def test_what_hands_on_no_tensor_is_named():
    model = seeded(lambda: Body(lambda net, x: x.chunk(2, 1)[0].repeat(1, 2, 1, 1)))
    with pytest.raises(ValueError, match="chunk hands on a tuple, not a tensor"):
        ptq.quantize_model(
            model, some_images(), 8, float_layers=["chunk", "getitem", "repeat"], with_report=False
        )


class Standardized(nn.Conv2d):
    """Weight standardization (Qiao et al. 2019)."""

    def forward(self, x):
        w = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return self._conv_forward(x, w / w.std((1, 2, 3), keepdim=True), self.bias)


class NormalizedAndMore(nn.BatchNorm2d):
    def forward(self, x):
        return 2 * functional.relu(super().forward(x))


class Scaled(nn.Linear):
    def forward(self, x):
        return functional.linear(x, 3 * self.weight, self.bias)


@pytest.mark.parametrize("place", [0, 1, 4])
def test_a_class_with_a_forward_of_its_own_is_not_taken_for_its_parent(place):
    own = {0: Standardized, 1: NormalizedAndMore, 4: Scaled}

    def make():
        kinds = {0: nn.Conv2d, 1: nn.BatchNorm2d, 4: nn.Linear} | {place: own[place]}
        conv, norm, last = kinds[0](1, 8, 3), kinds[1](8), kinds[4](8, 3)
        return nn.Sequential(conv, norm, nn.AvgPool2d(6), nn.Flatten(), last)

    model = seeded(make)
    with pytest.raises(ValueError, match=rf"{place} \({own[place].__name__}, which has a"):
        ptq.quantize_model(model, some_images(), 8, with_report=False)
    found = ptq.quantize_model(
        model, some_images(), 8, float_layers=[str(place)], with_report=False
    )
    wanted = model(some_images()).detach()
    torch.testing.assert_close(found.folded(some_images()), wanted, rtol=1e-4, atol=1e-4)
    y = torch.as_tensor(found.network(some_images().numpy()))
    assert abs(y - wanted).max() < 0.05 * abs(wanted).max()


class WithOptions(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.last = nn.Conv2d(1, 8, 3), nn.Linear(8, 10)

    def forward(self, x, features=False, *, slope=None):
        x = functional.relu(self.conv(x)).mean((2, 3))
        return x if features or slope else self.last(x)


def test_options_of_forward_keep_their_defaults():
    model = seeded(WithOptions)
    assert torch.equal(ptq.trace(model)(some_images()), model(some_images()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_a_network_of_another_precision_is_one_in_float32(dtype):
    model = models.load_pretrained().to(dtype)
    found = ptq.quantize_model(model, some_images(), 8, with_report=False)
    wanted = copy.deepcopy(model).float()(some_images())  # its weights are exact in float32
    if dtype != torch.float64:
        torch.testing.assert_close(found.folded(some_images()), wanted, rtol=1e-4, atol=1e-4)
    agree = found.network.predict(some_images().numpy()) == wanted.argmax(1).numpy()
    assert agree.mean() > 0.98 and model.fc1.weight.dtype == dtype


@pytest.mark.parametrize(
    "wrap",
    [lambda m: torch.compile(m, backend="eager"), torch.jit.script],
    ids=["compiled", "scripted"],
)
def test_what_is_compiled_or_scripted_is_refused_by_that_word(wrap):
    with pytest.raises(ValueError, match="compiled or scripted: give the one that"):
        ptq.trace(wrap(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()).eval()))


def test_normalization_that_remembers_nothing_is_named():
    norm = nn.BatchNorm2d(2, track_running_stats=False)
    with pytest.raises(ValueError, match="model has 1, a BatchNorm2d with track_running_stats="):
        ptq.fold(ptq.trace(nn.Sequential(nn.Conv2d(1, 2, 3), norm).eval()))


def test_tensors_that_forward_makes_are_not_hung_on_the_model():
    model = seeded(lambda: Body(lambda net, x: x * torch.ones(8, 1, 1)))
    before = set(vars(model))
    ptq.trace(model)
    assert set(vars(model)) == before


def test_a_float_layer_that_could_be_whole_stays_float():
    """Means of uneven windows are refused with the fallback, which must then be taken."""
    pool = nn.AdaptiveAvgPool2d(3), nn.Flatten()
    model = seeded(lambda: nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), *pool, nn.Linear(72, 4)))
    with pytest.raises(ValueError, match=r"float_layers=\['1'\]"):
        ptq.quantize_model(model, some_images(), 8, with_report=False)
    network = ptq.quantize_model(
        model, some_images(), 8, float_layers=["1"], with_report=False
    ).network
    wanted = model(some_images()).detach().numpy()
    assert abs(network(some_images().numpy()) - wanted).max() < 0.05 * abs(wanted).max()


def test_a_float_layer_named_as_a_step_is_counted():
    model = seeded(lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(2)))
    network = ptq.quantize_model(
        model, some_images(), 8, float_layers=["1"], with_report=False
    ).network
    assert network.nbytes > 0 and network(some_images().numpy()).shape == (60, 2, 36)


def test_scales_far_apart_give_zero_or_the_layer_s_name():
    model = seeded(lambda: nn.Sequential(nn.Conv2d(1, 2, 1), nn.Conv2d(2, 2, 1)))
    with torch.no_grad():
        model[0].weight.fill_(1e-12)
        model[0].bias.fill_(1.0)
    network = ptq.quantize_model(model, some_images() * 1e-20, 8, with_report=False).network
    wanted = model(some_images() * 1e-20).detach().numpy()
    assert abs(network((some_images() * 1e-20).numpy()) - wanted).max() < 0.02 * abs(wanted).max()
    graph = ptq.fold(ptq.trace(model))
    images = ptq.calibrate(graph, some_images() * 1e20, ptq.MinMax())
    qparams = ptq.activation_qparams(images, 8)
    small = ptq.activation_qparams(ptq.calibrate(graph, some_images() * 0, ptq.MinMax()), 8)
    with torch.no_grad():
        graph.layers["0"].weight.fill_(1.0)
    weights = ptq.weight_qparams(graph, 8)
    far = ptq.simulate(graph, weights, small | {"input": qparams["input"]})
    with pytest.raises(ValueError, match=r"0 has results whose scale.*float_layers"):
        ptq.to_integer(far)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda g, s, n: ptq.calibrate(g, "x", ptq.MinMax()), TypeError, "images must be"),
        (lambda g, s, n: ptq.calibrate(g, None, ptq.MinMax()), TypeError, "images must be .*None"),
        (
            lambda g, s, n: ptq.calibrate(g, np.ones((2, 3, 8, 8), np.float32), ptq.MinMax()),
            ValueError, r"images must be as the model takes them, got shape \(2, 3, 8, 8\)",
        ),
        (lambda g, s, n: check_float_layers(g, 3), TypeError, "float_layers must be a list"),
        (lambda g, s, n: ptq.report(g, s, 3, some_images()), TypeError, "network must be an Integ"),
        (lambda g, s, n: ptq.report(g, 3, n, some_images()), TypeError, "simulated must be"),
        (
            lambda g, s, n: ptq.report(g, s, n, some_images(), dataset=3),
            TypeError, "dataset must be",
        ),
        (lambda g, s, n: ptq.report(g, s, n, some_images(), alone=3), TypeError, "alone must be"),
        (lambda g, s, n: ptq.correct_bias(g, 3, some_images()), TypeError, "simulated must be"),
        (lambda g, s, n: ptq.up_to(3, s, some_images()), TypeError, "graph must be"),
        (lambda g, s, n: ptq.one_at_a_time(g, 3, some_images()), TypeError, "simulated must be"),
        (lambda g, s, n: ptq.activation_qparams([1], 8), TypeError, "seen must be"),
        (lambda g, s, n: ptq.simulate(g, [1], {}), TypeError, "weights must be a dict"),
        (lambda g, s, n: ptq.simulate(g, {}, None), TypeError, "activations must be a dict"),
        (lambda g, s, n: ptq.sensitivity(g, some_images(), 4), TypeError, "bit_widths must be"),
        (lambda g, s, n: ptq.frontier(g, {}), ValueError, "noise must be"),
        (lambda g, s, n: ptq.within_budget([], 3), ValueError, "points must be"),
        (
            lambda g, s, n: ptq.equalize_pair(nn.Linear(2, 3), nn.ReLU()),
            TypeError, "second must be a Conv2d or Linear",
        ),
        (
            lambda g, s, n: ptq.equalize_pair(nn.Linear(2, 3), nn.Linear(4, 2)),
            ValueError, "second must take 3 channels",
        ),
        (
            lambda g, s, n: ptq.equalization_scales(torch.ones(3), torch.ones(1)),
            ValueError, "first_range and second_range",
        ),
    ],
)  # fmt: skip
def test_arguments_are_named(call, error, words):
    graph, simulated, network = small_network()
    with pytest.raises(error, match=words):
        call(graph, simulated, network)


def small_network():
    model = seeded(lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 3)))
    found = ptq.quantize_model(model, some_images(), 8, with_report=False)
    return found.folded, found.simulated, found.network


@pytest.mark.parametrize(
    "change", [lambda x: x.clone().requires_grad_(), lambda x: x.bfloat16(), lambda x: x.double()]
)
def test_whole_numbers_take_any_tensor_of_images(change):
    network = small_network()[2]
    images = change(some_images())
    wanted = network(images.detach().float().numpy())
    np.testing.assert_array_equal(network(images), wanted)


def test_images_without_values_are_refused():
    with pytest.raises(ValueError, match="images must have values, got a meta tensor"):
        small_network()[2](some_images().to("meta"))
