"""Equalization, bias correction and mixed precision: what they promise, on small networks."""

import math

import pytest
import torch
from torch import nn

from quantlib import models, ptq
from quantlib.ptq.analysis import output_sqnr
from quantlib.ptq.bias_correction import mean_results
from quantlib.ptq.equalization import pairs
from tests.ptq.networks import NETWORKS, as_tuple, digits, simulated, some_images


def chain(*layers):
    """Return the folded graph of layers in a row; each name is the layer's number."""
    return ptq.fold(ptq.trace(nn.Sequential(*layers).eval()))


def spread(graph, name, factors):
    """Multiply a layer's channels, and divide what reads them: the function stays the same."""
    layer = graph.layers[name]
    with torch.no_grad():
        layer.weight *= factors.reshape(-1, *[1] * (layer.weight.ndim - 1))
        layer.bias *= factors
    return graph


def ranges(graph, first, second):
    """Return the largest magnitude of each channel, in the layer before and in the one after."""
    out = graph.layers[first].weight.detach().abs().flatten(1).amax(1)
    into = graph.layers[second].weight.detach().abs()
    depthwise = getattr(graph.layers[second], "groups", 1) > 1
    return out, (into if depthwise else into.transpose(0, 1)).flatten(1).amax(1)


GRAPHS = {
    "convolutions": lambda: chain(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3)),
    "over maxima": lambda: chain(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 5, 3)
    ),
    "depthwise": lambda: chain(nn.Conv2d(1, 6, 1), nn.ReLU(), nn.Conv2d(6, 6, 3, groups=6)),
    "into a head": lambda: chain(
        nn.Conv2d(1, 6, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)
    ),
    "linear": lambda: chain(nn.Flatten(), nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, 3)),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_equalized_ranges_are_equal_and_the_function_stays(name):
    with models.seeded(0):
        graph = GRAPHS[name]()
    (pair,) = pairs(graph)
    factors = torch.logspace(-2, 2, len(graph.layers[pair.first].weight))
    graph = spread(graph, pair.first, factors)
    found = ptq.equalize(graph)
    assert torch.allclose(found(some_images()), graph(some_images()), rtol=1e-4, atol=1e-4)
    first, second = ranges(found, *pair)
    assert torch.allclose(first, second, rtol=1e-3)
    were = ranges(graph, *pair)
    assert torch.allclose(first, torch.sqrt(were[0] * were[1]), rtol=1e-3)  # the geometric mean


@pytest.mark.parametrize("name", NETWORKS)
def test_equalization_changes_no_network(name):
    graph = simulated(name)[0]
    found = as_tuple(ptq.equalize(graph)(some_images())), as_tuple(graph(some_images()))
    for mine, its in zip(*found, strict=True):
        assert abs(mine - its).max() < 1e-4 * abs(its).max()


def test_a_pair_has_one_reader_no_ceiling_and_channels_of_its_own():
    def names(*layers):
        return [tuple(pair) for pair in pairs(chain(*layers))]

    assert names(nn.Conv2d(1, 4, 3), nn.ReLU6(), nn.Conv2d(4, 5, 3)) == []
    assert names(nn.Conv2d(1, 4, 3), nn.Sigmoid(), nn.Conv2d(4, 5, 3)) == []
    assert names(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)) == []
    # What a shortcut reads too has two readers.
    assert ("stem", "stage1_1.body.0") not in pairs(simulated("resnet")[0])


def test_a_ceiling_of_6_stops_a_factor():
    with models.seeded(0):
        graph = chain(nn.Conv2d(1, 4, 3), nn.ReLU6(), nn.Conv2d(4, 5, 3))
    x = some_images()
    assert torch.equal(ptq.equalize(graph)(x), graph(x))
    replaced = ptq.equalize(graph, relu6="replace")
    assert isinstance(replaced.activations["0"], nn.ReLU) and len(pairs(replaced)) == 1
    # Where no value reaches 6 that changes nothing; where some do, it does.
    assert torch.allclose(replaced(x), graph(x), atol=1e-5)
    bright = 50 * x
    assert not torch.allclose(replaced(bright), graph(bright), atol=1e-2)


def test_a_dead_channel_keeps_its_factor():
    with models.seeded(0):
        graph = chain(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3))
    with torch.no_grad():
        graph.layers["0"].weight[1] = 0
        graph.layers["2"].weight[:, 2] = 0
    found = ptq.equalize(graph)
    assert torch.isfinite(found.layers["2"].weight).all()
    assert torch.equal(found.layers["0"].weight[1:3], graph.layers["0"].weight[1:3])


@pytest.mark.parametrize("name", ["digits", "resnet", "lenet", "mixed"])
def test_corrected_biases_give_each_channel_its_mean(name):
    graph, simulation = simulated(name, bit_width=3)
    before = {key: x.clone() for key, x in simulation.named_parameters()}
    corrected = ptq.correct_bias(graph, simulation, some_images())
    names = list(corrected.named_layers(nn.Conv2d, nn.Linear))
    wanted, was, now = (
        mean_results(g, names, some_images()) for g in (graph, simulation, corrected)
    )
    for n in names:
        # The last correction is exact; an earlier one stays so, as later layers do not change it.
        assert torch.allclose(now[n], wanted[n], atol=1e-5 + 1e-5 * abs(wanted[n]).max().item())
    assert any(not torch.allclose(was[n], wanted[n], atol=1e-3) for n in names)
    assert all(torch.equal(x, before[key]) for key, x in simulation.named_parameters())


@pytest.mark.parametrize("name", ["digits", "resnet", "lenet", "mixed"])
def test_a_bias_is_corrected_before_it_is_rounded(name):
    """What rounding to a code does to the mean is not taken back: again, nothing would change."""
    graph, simulation = simulated(name, bit_width=2, act_bit_width=4)
    once = ptq.correct_bias(graph, simulation, some_images())
    twice = ptq.correct_bias(graph, once, some_images())
    for n, layer in once.named_layers(nn.Conv2d, nn.Linear).items():
        torch.testing.assert_close(twice.layers[n].bias, layer.bias, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("mean", [-2.0, 0.0, 3.0])
@pytest.mark.parametrize("std", [0.0, 0.5, 4.0])
@pytest.mark.parametrize(("low", "high"), [(0.0, math.inf), (0.0, 6.0), (-1.0, 2.0)])
def test_the_mean_of_a_clamped_normal_number(mean, std, low, high):
    x = mean + std * torch.special.ndtri(
        (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    )
    found = ptq.clipped_normal_mean(torch.tensor(mean), torch.tensor(std), low, high)
    assert found.item() == pytest.approx(x.clamp(low, high).mean().item(), abs=2e-4)


def test_statistics_correct_what_images_would():
    """On inputs that are as batch normalization remembers them, both ways agree."""
    with models.seeded(0):
        model = nn.Sequential(
            nn.Conv2d(1, 32, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 8, 1)
        )
        model[0].weight.data.fill_(1.0)
        model[1].weight.data.uniform_(0.2, 2)
        model[1].bias.data.normal_(0, 0.5)
        x = torch.randn(400, 1, 8, 8)
    graph = ptq.fold(ptq.trace(model.eval()))
    weights = ptq.weight_qparams(graph, 2)
    simulation = ptq.simulate(graph, weights, {}, float_layers=["0"])
    by_images = ptq.correct_bias(graph, simulation, x).layers["3"].bias
    by_statistics = ptq.correct_bias_from_statistics(graph, simulation).layers["3"].bias
    was = simulation.layers["3"].bias
    assert abs(by_images - was).max() > 0.1
    assert torch.allclose(by_statistics, by_images, atol=0.03 * abs(by_images - was).max().item())


def test_statistics_survive_equalization():
    graph = simulated("digits")[0]
    found = ptq.equalize(graph)
    factors = graph.layers["conv1"].bias / found.layers["conv1"].bias
    mean, std = found.statistics["conv1"]
    assert torch.allclose(mean * factors, graph.statistics["conv1"][0], rtol=1e-4)
    assert torch.allclose(std * factors, graph.statistics["conv1"][1], rtol=1e-4)


def test_the_frontier_steps_down_and_prefers_layers_that_do_not_mind():
    graph = simulated("digits")[0]
    noise = {name: {2: 0.5, 4: 0.1, 8: 0.0} for name in graph.named_layers(nn.Conv2d, nn.Linear)}
    noise["fc1"] = {2: 1e-3, 4: 1e-4, 8: 0.0}
    points = ptq.frontier(graph, noise)
    assert len(points) == 1 + 2 * len(noise)
    sizes = [point.nbytes for point in points]
    assert sizes == sorted(sizes, reverse=True)
    assert [p.bit_width["fc1"] for p in points[:3]] == [8, 4, 2]
    assert ptq.within_budget(points, sizes[3]).nbytes == sizes[3]
    with pytest.raises(ValueError, match=f"nbytes must be {sizes[-1]} or more"):
        ptq.within_budget(points, sizes[-1] - 1)


def test_noises_of_layers_add_up():
    graph = simulated("digits")[0]
    noise = ptq.sensitivity(graph, some_images(), (4, 8))
    weights = ptq.weight_qparams(graph, 4)
    simulation = ptq.simulate(graph, weights, {})
    together = 10 ** (-output_sqnr(graph, some_images())(simulation) / 10)
    assert together == pytest.approx(sum(by_bits[4] for by_bits in noise.values()), rel=0.6)
    assert all(by_bits[4] > by_bits[8] for by_bits in noise.values())


def test_the_report_points_at_the_layer_that_was_spoilt():
    model = models.load_pretrained()
    folded = ptq.fold(ptq.trace(model))
    factors = torch.logspace(-2, 2, 32)
    spread(folded, "conv2", factors)
    with torch.no_grad():
        folded.layers["conv3"].weight /= factors.reshape(1, -1, 1, 1)
    options = {"bit_width": 8, "per_channel": False, "dataset": digits()}
    broken = ptq.quantize_model(folded, some_images(), **options)
    assert broken.report.worst in ("conv2", "conv3")
    mended = ptq.quantize_model(folded, some_images(), equalize=True, **options)
    by_channel = ptq.quantize_model(folded, some_images(), **options | {"per_channel": True})
    assert broken.report.accuracy < 0.6 < 0.98 < mended.report.accuracy
    assert broken.report.accuracy < by_channel.report.accuracy
    assert "worst  conv" in str(broken.report)


@pytest.mark.parametrize("name", ["digits", "resnet", "mixed", "two heads"])
def test_errors_of_one_layer_and_of_all_up_to_it(name):
    graph, simulation = simulated(name)
    errors = ptq.layer_errors(graph, simulation, some_images())
    assert list(errors) == list(simulation.nodes)
    alone = ptq.one_at_a_time(graph, simulation, some_images())
    upto = ptq.up_to(graph, simulation, some_images())
    assert list(alone) == list(upto)
    last = list(upto)[-1]
    assert upto[last] == output_sqnr(graph, some_images())(simulation)
    assert min(alone.values()) > upto[last] - 1e-9
    nothing = ptq.partly(graph, simulation, ())
    found = as_tuple(nothing(some_images())), as_tuple(graph(some_images()))
    assert all((mine == its).all() for mine, its in zip(*found, strict=True))


def test_of_two_outputs_the_worse_one_counts_however_small_its_numbers():
    class TwoHeads(nn.Module):
        def __init__(self):
            super().__init__()
            self.large, self.small = (nn.Conv2d(1, 3, 2, bias=False) for _ in range(2))

        def forward(self, x):
            return self.large(x), self.small(x)

    torch.manual_seed(0)
    net = TwoHeads().eval()
    with torch.no_grad():
        net.large.weight.mul_(1000)
    images = torch.rand(20, 1, 4, 4)
    graph = ptq.trace(net)
    simulation = ptq.simulate(graph, ptq.weight_qparams(graph, {"": 8, "small": 2}), {})
    wanted, found = (g(images)[1].detach() for g in (graph, simulation))
    noise = ((wanted - found) ** 2).sum() / (wanted**2).sum()
    assert math.isclose(
        output_sqnr(graph, images)(simulation), -10 * math.log10(noise), rel_tol=1e-5
    )
