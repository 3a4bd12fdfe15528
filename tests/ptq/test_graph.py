"""A traced network computes what the network computes; what cannot be traced is refused."""

import pytest
import torch
from torch import nn

from quantlib import models, ptq
from quantlib.binary import BinaryLeNet5
from quantlib.ptq.graph import as_images
from tests.ptq.networks import NETWORKS, Mixed, Views, as_tuple, seeded, some_images


@pytest.mark.parametrize("name", NETWORKS)
def test_the_graph_computes_what_the_network_does(name):
    model = NETWORKS[name]()
    before = {key: x.clone() for key, x in model.state_dict().items()}
    graph = ptq.trace(model)
    with torch.no_grad():
        for mine, its in zip(
            *map(as_tuple, (graph(some_images()), model(some_images()))), strict=True
        ):
            assert (mine == its).all()
        for layer in graph.layers.children():
            for parameter in layer.parameters():
                parameter.zero_()  # the graph's layers are its own
    for key, x in model.state_dict().items():
        assert torch.equal(x, before[key])


@pytest.mark.parametrize("name", NETWORKS)
def test_a_folded_network_differs_by_rounding_only(name):
    model = NETWORKS[name]()
    folded = ptq.fold(ptq.trace(model))
    assert not folded.named_layers(nn.BatchNorm2d, nn.BatchNorm1d)
    assert not folded.named_layers(nn.ReLU, nn.ReLU6) or name == "views"
    with torch.no_grad():
        pairs = zip(*map(as_tuple, (folded(some_images()), model(some_images()))), strict=True)
        for mine, its in pairs:
            assert abs(mine - its).max() < 1e-5 * abs(its).max()


def test_functions_become_layers_and_dropout_is_left_out():
    graph = ptq.trace(seeded(Mixed))
    kinds = [type(graph.layers[name]).__name__ for name in graph.nodes]
    assert kinds == [
        "Conv2d", "BatchNorm2d", "ReLU", "Conv2d", "BatchNorm2d", "Sigmoid", "Cat", "AvgPool2d",
        "Conv2d", "SiLU", "BatchNorm2d", "Conv2d", "Add", "ReLU6", "AdaptiveAvgPool2d", "Flatten",
        "Linear",
    ]  # fmt: skip
    assert graph.nodes["cat"].inputs == ("relu", "sigmoid")


def test_a_layer_that_is_called_twice_becomes_two():
    graph = ptq.trace(seeded(Views))
    assert [name for name in graph.nodes if name.startswith("shared")] == ["shared", "shared_1"]
    assert graph.layers["shared"] is not graph.layers["shared_1"]


def test_what_is_fused_has_one_reader():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)

        def forward(self, x):
            x = self.conv(x)
            return torch.relu(self.norm(x)) + x

    model = seeded(Twice)
    graph = ptq.fold(ptq.trace(model))
    assert list(graph.nodes) == ["conv", "norm", "add"] and graph.activations.names == ["norm"]
    assert torch.allclose(graph(some_images(5)), model(some_images(5)), atol=1e-6)


def test_a_graph_is_traced_to_a_copy_of_itself():
    graph = ptq.trace(models.load_pretrained())
    again = ptq.trace(graph)
    assert again is not graph and list(again.nodes) == list(graph.nodes)
    assert again.layers["conv1"] is not graph.layers["conv1"]


class ByValue(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class BySize(nn.Module):
    def forward(self, x):
        return x.reshape(2, -1)


class TwoInputs(nn.Module):
    def forward(self, x, y):
        return x + y


class GivesADict(nn.Module):
    def forward(self, x):
        return {"x": x.relu()}


def hooked():
    model = models.load_pretrained()
    model.conv1.register_forward_hook(lambda *_: None)
    return model


REFUSED = {
    "training mode": (lambda: models.load_pretrained().train(), "evaluation mode.*model.eval()"),
    "decides by values": (lambda: ByValue().eval(), "forward decides by what it computes"),
    "reshapes": (lambda: BySize().eval(), "reshape reshapes to other than"),
    "two inputs": (lambda: TwoInputs().eval(), "images alone, got x, y"),
    "a dict": (lambda: GivesADict().eval(), "a tensor or a tuple of tensors, got a dict"),
    "a hook": (hooked, "hook.* at conv1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_traced_is_refused_in_words(case):
    make, words = REFUSED[case]
    with pytest.raises(ValueError, match=words):
        ptq.trace(make())


def test_what_is_no_module_is_refused():
    with pytest.raises(TypeError, match="model must be"):
        ptq.trace("a network")
    with pytest.raises(TypeError, match=r"graph must be what ptq\.trace returns, got DigitsCNN"):
        ptq.fold(models.load_pretrained())


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (nn.Softmax(1), r"1 \(Softmax\).*float_layers=\['1'\]"),
        (nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect"), "padding_mode='reflect'"),
        (nn.MaxPool2d(2, ceil_mode=True), "ceil_mode=True"),
        (nn.AvgPool2d(2, padding=1, count_include_pad=False), "AvgPool2d with"),
        (nn.Upsample(scale_factor=2), "Upsample"),
    ],
    ids=["softmax", "reflection", "ceil", "uneven mean", "upsampling"],
)
def test_a_layer_without_whole_numbers_is_named_with_the_fallback(layer, words):
    model = nn.Sequential(nn.Conv2d(1, 2, 3), layer).eval()
    with pytest.raises(ValueError, match=words):
        ptq.quantize_model(model, some_images(), 8)
    found = ptq.quantize_model(model, some_images(), 8, float_layers=["1"])
    wanted = model(some_images()).detach().numpy()
    assert abs(found.network(some_images().numpy()) - wanted).max() < 0.05 * abs(wanted).max()


def test_functions_without_a_layer_are_named_too():
    class Product(nn.Module):
        def forward(self, x):
            return torch.mul(x, x)

    with pytest.raises(ValueError, match=r"mul \(mul\)"):
        ptq.quantize_model(Product().eval(), some_images(), 8)
    found = ptq.quantize_model(Product().eval(), some_images(), 8, float_layers=["mul"])
    assert abs(found.network(some_images().numpy()) - some_images().numpy() ** 2).max() < 0.01


def test_layers_with_quantizers_of_their_own_are_refused():
    with pytest.raises(ValueError, match=r"BinaryConv2d|QuantConv2d.* with weight_quant"):
        ptq.quantize_model(BinaryLeNet5(1, 10, 8).eval(), some_images(), 8)


def test_images_are_looked_at():
    with pytest.raises(TypeError, match=r"floating-point, got dtype torch\.uint8"):
        as_images(torch.zeros(1, 1, 2, 2, dtype=torch.uint8))
    with pytest.raises(ValueError, match="one image or more"):
        as_images(torch.zeros(0, 1, 2, 2))
    spoilt = torch.zeros(3, 1, 2, 2)
    spoilt[1, 0, 0, 0] = float("nan")
    with pytest.raises(ValueError, match="NaN or infinity in image 1"):
        as_images(spoilt)


def test_rows_of_a_given_length_are_flattened_images():
    class Rows(nn.Module):
        def __init__(self, length):
            super().__init__()
            self.conv, self.fc, self.length = nn.Conv2d(1, 2, 3), nn.Linear(72, 3), length

        def forward(self, x):
            return self.fc(self.conv(x).relu().reshape(-1, self.length))

    model = seeded(lambda: Rows(72))
    found = ptq.quantize_model(model, some_images(), 8)
    wanted = model(some_images()).detach().numpy()
    assert abs(found.network(some_images().numpy()) - wanted).max() < 0.05 * abs(wanted).max()
    with pytest.raises(ValueError, match=r"images must have 36 numbers each .* got 72"):
        ptq.quantize_model(seeded(lambda: Rows(36)), some_images(), 8)
