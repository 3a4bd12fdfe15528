"""The exported file in ONNX Runtime says what the network in whole numbers says.

Each network runs twice: its nodes as they stand in the file, in float32, and as ONNX Runtime fuses
them, in whole numbers. Codes may differ by one, for three reasons. Requantization multiplies by a
number of 31 bits and rounds ties up here, by a float32 and to even there; the sums of the nodes as
they stand are float32; and ONNX divides by a scale where we multiply by its reciprocal. Where an
image is empty the same sum comes again and again, so one next to a tie counts often; later layers
can make more than one of a code's difference, which the outputs of these networks do not show.
On processors without VNNI the sums of ONNX Runtime's fastest kernels overflow, which `onnx_session`
keeps it from.
"""

import builtins
import os
from collections import Counter

import numpy as np
import onnx
import pytest
import torch
from torch import nn
from torch.nn import functional

from benchmarks.ptq_peers import onnx_session
from quantlib import data, models, ptq, training, uniform
from quantlib.ptq.onnx import export_onnx

# The uneven padding of a window with an even side is what is tested.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")

DIGITS = data.load()


class Mixed(nn.Module):
    """Depthwise, dilated, unevenly padded and strided convolutions, and every way to join."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding="same", dilation=2, groups=8, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.mean = nn.AvgPool2d(3, 2, 1)
        self.uneven = nn.Conv2d(16, 12, (3, 4), padding="same")
        self.strided = nn.Conv2d(12, 12, (3, 1), stride=(2, 1), padding=(1, 0), groups=2)
        self.quarters = nn.AdaptiveAvgPool2d(2)
        self.linear = nn.Linear(60, 10)

    def forward(self, images):
        x = functional.relu6(self.stem(images))
        gate = torch.sigmoid(self.norm(self.depthwise(x)))
        x = self.mean(torch.cat([x, gate], 1))
        x = functional.silu(self.uneven(x))
        x = x + functional.relu6(x)
        x = self.strided(functional.hardswish(x))
        quarters, most = self.quarters(x), functional.max_pool2d(x, 2)
        mean = x.mean((2, 3))
        return self.linear(torch.cat([quarters.flatten(1), mean], 1)), most


class Logits(nn.Module):
    """The first output of a network alone."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        return self.network(images)[0]


def trained(model):
    training.fit(model, DIGITS, epochs=2, progress=False)
    return model


@pytest.fixture(scope="module")
def networks():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        mixed = Mixed()
        trained(Logits(mixed))
        resnet = trained(models.ResNet(1, 10, 8, widths=(8, 16, 32)))
    return {"digits": models.load_pretrained(), "resnet": resnet, "mixed": mixed.eval()}


def simulated(
    model, *, bit_width=8, act_bits=8, act_mapping="asymmetric", float_layers=(), **options
):
    graph = ptq.fold(ptq.trace(model))
    seen = ptq.calibrate(graph, DIGITS.train_images[:200], ptq.MinMax())
    weights = ptq.weight_qparams(graph, bit_width, **options)
    activations = ptq.activation_qparams(seen, act_bits, mapping=act_mapping)
    return ptq.simulate(graph, weights, activations, float_layers=float_layers)


def exported(graph, tmp_path):
    path = tmp_path / "network.onnx"
    export_onnx(graph, path)
    return path


def tuple_of(found):
    return found if isinstance(found, tuple) else (found,)


PER_TENSOR = {"per_channel": False, "mapping": "asymmetric"}
MIDDLE = {"act_mapping": "symmetric_no_clipping_err"}
CASES = {
    "digits": ("digits", {}),
    "digits, per tensor": ("digits", PER_TENSOR),
    "digits, weights of 4 bits": ("digits", {"bit_width": 4}),
    "digits, weights of 4 bits, per tensor": ("digits", {"bit_width": 4} | PER_TENSOR),
    "digits, 3 and 5 bits": ("digits", {"bit_width": 3, "act_bits": 5}),
    "digits, zero amid the codes": ("digits", MIDDLE),
    "digits, first layer real": ("digits", {"float_layers": ["conv1"]}),
    "digits, middle layers real": ("digits", {"float_layers": ["conv2", "fc1"]}),
    "digits, two layers in a row real": ("digits", {"float_layers": ["conv1", "conv2"]}),
    "resnet": ("resnet", {}),
    "resnet, per tensor": ("resnet", PER_TENSOR),
    "resnet, activations of 6 bits": ("resnet", {"act_bits": 6}),
    "mixed": ("mixed", {}),
    "mixed, per tensor": ("mixed", PER_TENSOR),
    "mixed, weights of 4 bits": ("mixed", {"bit_width": 4}),
    "mixed, zero amid the codes": ("mixed", MIDDLE),
    "mixed, parts real": ("mixed", {"float_layers": ["sigmoid", "uneven", "quarters", "cat_1"]}),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("optimized", [False, True], ids=["as it stands", "fused"])
def test_onnx_runtime_says_what_the_network_in_whole_numbers_says(
    networks, tmp_path, case, optimized
):
    name, options = CASES[case]
    graph = simulated(networks[name], **options)
    session = onnx_session(exported(graph, tmp_path), optimized=optimized)
    found = session.run(None, {"input": DIGITS.test_images})
    wanted = tuple_of(ptq.to_integer(graph)(DIGITS.test_images))
    assert len(found) == len(wanted)
    assert (found[0].argmax(1) == wanted[0].argmax(1)).all()
    for end, ours, theirs in zip(graph.ends, wanted, found, strict=True):
        before = "strided" if end not in graph.quantizers else end  # maxima keep their codes
        steps = np.rint(abs(theirs - ours) / graph.quantizers[before].qparams.scale)
        assert theirs.shape == ours.shape
        assert steps.max() <= 1
        assert (steps > 0).mean() < 0.02


def operators(path):
    return Counter(node.op_type for node in onnx.load(path).graph.node)


def fused(graph, tmp_path):
    """What ONNX Runtime makes of the exported file: how many there are of each operator."""
    path = tmp_path / "fused.onnx"
    onnx_session(exported(graph, tmp_path), optimized_path=path)
    return operators(path)


def test_whole_networks_run_in_bytes(networks, tmp_path):
    digits = fused(simulated(networks["digits"]), tmp_path)
    assert digits["QLinearConv"] == 3 and digits["QGemm"] == 2
    resnet = fused(simulated(networks["resnet"]), tmp_path)
    assert resnet["QLinearConv"] == 9 and resnet["QLinearAdd"] == 3
    for found in (digits, resnet):
        assert not found["Conv"] and not found["Gemm"] and not found["Relu"]
        assert found["QuantizeLinear"] == found["DequantizeLinear"] == 1  # the images; the logits
    mixed = fused(simulated(networks["mixed"], **PER_TENSOR), tmp_path)
    for name, count in {"QLinearConv": 4, "QLinearConcat": 1, "QLinearSigmoid": 1}.items():
        assert mixed[name] >= count
    assert mixed["QLinearAveragePool"] == 2


def test_a_layer_that_was_left_real_stays_so(networks, tmp_path):
    found = fused(simulated(networks["digits"], float_layers=["conv2", "fc1"]), tmp_path)
    assert found["QLinearConv"] == 2 and found["Conv"] == 1
    assert found["QGemm"] == 1 and found["Gemm"] == 1


@pytest.mark.parametrize("options", [{}, PER_TENSOR, {"bit_width": 4}], ids=str)
def test_codes_in_the_file_are_those_of_the_network_in_whole_numbers(networks, tmp_path, options):
    graph = simulated(networks["resnet"], **options)
    held = {t.name: t for t in onnx.load(exported(graph, tmp_path)).graph.initializer}
    kind = onnx.TensorProto.INT4 if "bit_width" in options else onnx.TensorProto.INT8
    layers = [step for step in ptq.to_integer(graph).steps if hasattr(step, "weight")]
    assert len(layers) == 10
    for step in layers:
        weight, bias = held[f"{step.name}/weight"], held[f"{step.name}/bias"]
        assert weight.data_type == kind and bias.data_type == onnx.TensorProto.INT32
        codes = onnx.numpy_helper.to_array(weight).astype(np.int64)
        np.testing.assert_array_equal(codes, step.weight.unpack())
        np.testing.assert_array_equal(onnx.numpy_helper.to_array(bias), step.bias)


def test_codes_of_4_bits_take_half_the_room(networks, tmp_path):
    sizes = [
        exported(simulated(networks["digits"], bit_width=bits), tmp_path).stat().st_size
        for bits in (8, 4)
    ]
    layers = networks["digits"].children()
    weights = sum(m.weight.numel() for m in layers if isinstance(m, nn.Conv2d | nn.Linear))
    assert sizes[0] - sizes[1] == pytest.approx(weights / 2, rel=0.01)


# ---------------------------------------------------------------- one layer at a time


def only_images(layers, image_shape=(3, 8, 8)):
    """A graph whose images have codes, and whose layers stay real."""
    graph = ptq.trace(nn.Sequential(*layers).eval())
    graph.image_shape = image_shape
    images = {"input": uniform.QParams(2**-6, 128, 8, signed=False)}
    return ptq.simulate(graph, {}, images, float_layers=list(graph.nodes))


LAYERS = {
    repr(layer): layer
    for layer in [
        nn.ReLU(), nn.ReLU6(), nn.Sigmoid(), nn.Tanh(), nn.SiLU(), nn.GELU(), nn.GELU("tanh"),
        nn.ELU(0.5), nn.CELU(0.5), nn.SELU(), nn.Softplus(), nn.LeakyReLU(0.2), nn.Hardswish(),
        nn.Hardsigmoid(), nn.Hardtanh(-0.5, 0.75), nn.Mish(), nn.Softsign(),
        nn.MaxPool2d(3, 2, 1), nn.MaxPool2d((3, 2), (1, 2), (0, 1)), nn.MaxPool2d(3, dilation=2),
        nn.AvgPool2d(3, 2, 1), nn.AvgPool2d(3, 2, 1, count_include_pad=False),
        nn.AvgPool2d((2, 4), (1, 2), (0, 1)), nn.AvgPool2d((2, 3), divisor_override=4),
        nn.AdaptiveAvgPool2d(1), nn.AdaptiveAvgPool2d((2, None)), nn.Flatten(), nn.Flatten(1, 3),
    ]
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_each_layer_is_torchs_own(name, tmp_path):
    graph = only_images([LAYERS[name]])
    images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2
    path = exported(graph, tmp_path)
    for optimized in (False, True):
        (found,) = onnx_session(path, optimized=optimized).run(None, {"input": images.numpy()})
        np.testing.assert_allclose(found, graph(images).numpy(), rtol=2e-6, atol=2e-6)


def test_quantized_weights_count_where_results_stay_real(tmp_path):
    """The file has codes of a bias where input and weights have codes, as the simulation has."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        conv, linear = nn.Conv2d(3, 4, 3), nn.Linear(144, 5)
    graph = ptq.trace(nn.Sequential(conv, nn.Flatten(), linear).eval())
    graph.image_shape = (3, 8, 8)
    weights = ptq.weight_qparams(graph, 2)
    images = uniform.QParams(2**-6, 128, 8, signed=False)
    quantized = ptq.simulate(graph, weights, {"input": images})
    x = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    path = exported(quantized, tmp_path)
    for optimized in (False, True):
        (found,) = onnx_session(path, optimized=optimized).run(None, {"input": x.numpy()})
        np.testing.assert_allclose(found, quantized(x).numpy(), rtol=0, atol=1e-5)
        assert abs(found - graph(x).numpy()).max() > 0.1


def test_every_function_of_single_numbers_was_looked_at():
    assert set(ptq.support.POINTWISE) <= {type(layer) for layer in LAYERS.values()}


# ---------------------------------------------------------------- the file


def test_images_come_in_any_number_and_outputs_have_the_names_of_nodes(networks, tmp_path):
    session = onnx_session(exported(simulated(networks["mixed"]), tmp_path))
    (images,) = session.get_inputs()
    assert (images.name, images.shape, images.type) == ("input", ["N", 1, 8, 8], "tensor(float)")
    outputs = [(found.name, found.shape) for found in session.get_outputs()]
    assert outputs == [("linear", ["N", 10]), ("max_pool2d", ["N", 12, 1, 2])]
    for n in (0, 1, 3):
        found = session.run(None, {"input": DIGITS.test_images[:n]})
        assert [len(y) for y in found] == [n, n]


def test_an_output_may_be_named_twice_and_be_the_images(tmp_path):
    class Same(nn.Module):
        def forward(self, images):
            x = torch.relu(images)
            return x, images, x

    graph = ptq.trace(Same().eval())
    graph.image_shape = (1, 2, 2)
    qparams = uniform.QParams(0.25, 4, 3, signed=False)
    graph = ptq.simulate(graph, {}, {"input": qparams, "relu": qparams})
    session = onnx_session(exported(graph, tmp_path))
    assert [found.name for found in session.get_outputs()] == ["relu", "input_1", "relu_1"]
    images = np.array([[[[-9.0, -0.3], [0.3, 9.0]]]], np.float32)
    found = session.run(None, {"input": images})
    for ours, theirs in zip(graph(torch.tensor(images)), found, strict=True):
        np.testing.assert_array_equal(theirs, ours.numpy())


def test_the_same_network_gives_the_same_bytes(networks, tmp_path):
    first = exported(simulated(networks["mixed"]), tmp_path).read_bytes()
    (tmp_path / "other").mkdir()
    assert exported(simulated(networks["mixed"]), tmp_path / "other").read_bytes() == first


def test_operators_and_format_are_those_that_are_told(networks, tmp_path):
    model = onnx.load(exported(simulated(networks["digits"]), tmp_path))
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 21)]
    assert model.ir_version == 10


def test_the_graph_stays_as_it_is(networks, tmp_path):
    graph = simulated(networks["resnet"])
    before = {name: value.clone() for name, value in graph.state_dict().items()}
    exported(graph, tmp_path)
    after = graph.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_old_file_stays_until_the_new_one_is_whole(networks, tmp_path, monkeypatch):
    graph, path = simulated(networks["digits"]), tmp_path / "network.onnx"
    path.write_bytes(b"old")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            export_onnx(graph, path)
    graph.image_shape = None
    with pytest.raises(ValueError, match="image_shape"):
        export_onnx(graph, path)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("network.onnx", b"old")]


# ---------------------------------------------------------------- what is refused


def test_without_onnx_the_error_says_so(networks, tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "onnx":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    graph = simulated(networks["digits"])
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match="export_onnx needs the package onnx"):
        export_onnx(graph, tmp_path / "network.onnx")


def test_a_graph_without_codes_or_shape_is_refused(networks, tmp_path):
    graph = ptq.fold(ptq.trace(networks["digits"]))
    path = tmp_path / "network.onnx"
    with pytest.raises(ValueError, match=r"graph must be what ptq\.simulate returns"):
        export_onnx(graph, path)
    graph.image_shape = None
    with pytest.raises(ValueError, match=r"graph must have seen images.*calibrate"):
        export_onnx(graph, path)
    with pytest.raises(TypeError, match=r"graph must be .*, got DigitsCNN"):
        export_onnx(networks["digits"], path)
    assert not path.exists()


REFUSED = {
    "1 .*: Conv2d .*padding_mode='circular'": nn.Conv2d(
        3, 2, 3, padding=1, padding_mode="circular"
    ),
    "1 .*: Linear .*flattened": nn.Linear(8, 2),
    "1 .*: MaxPool2d .*ceil_mode=True": nn.MaxPool2d(3, 2, ceil_mode=True),
    "1 .*: AvgPool2d .*ceil_mode": nn.AvgPool2d(3, 2, ceil_mode=True),
    "1 .*: AdaptiveAvgPool2d .*several sizes": nn.AdaptiveAvgPool2d(3),
    "1 .*: Softplus .*beta=2": nn.Softplus(beta=2),
    "1 .*: Flatten .*start_dim=2": nn.Flatten(2),
    "1 .*: BatchNorm2d": nn.BatchNorm2d(3),
    "1 .*: Softmax2d": nn.Softmax2d(),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_onnx_has_no_form_for_is_refused_by_name(message, tmp_path):
    graph = only_images([nn.ReLU(), REFUSED[message]])
    with pytest.raises(ValueError, match=message):
        export_onnx(graph, tmp_path / "network.onnx")


def test_a_function_is_refused_by_its_name(tmp_path):
    class Rolled(nn.Module):
        def forward(self, images):
            return torch.roll(torch.relu(images), 1, 3)

    graph = ptq.trace(Rolled().eval())
    graph.image_shape = (1, 4, 4)
    images = {"input": uniform.QParams(2**-6, 0, 8, signed=False)}
    graph = ptq.simulate(graph, {}, images, float_layers=["roll"])
    with pytest.raises(ValueError, match=r"roll cannot be exported to ONNX: Function \(roll\)"):
        export_onnx(graph, tmp_path / "network.onnx")


def test_parameters_that_onnx_has_no_room_for_are_refused(networks, tmp_path):
    path = tmp_path / "network.onnx"
    graph = simulated(networks["digits"])
    graph.quantizers["conv1"] = ptq.UniformQuantizer(uniform.QParams(0.1, 0, 9, signed=False))
    with pytest.raises(ValueError, match=r"conv1 must have codes of 8 bits or fewer.*bit_width=9"):
        export_onnx(graph, path)
    graph = simulated(networks["digits"])
    graph.layers["conv2"].bias.data.fill_(1e9)
    with pytest.raises(ValueError, match="conv2 has a bias too large for 32 bits"):
        export_onnx(graph, path)
    graph = simulated(networks["digits"])
    tiny = ptq.UniformQuantizer(uniform.QParams(1e-38, 0, 8))
    graph.layers["conv2"].weight_quant = tiny
    graph.layers["conv2"].bias.data.zero_()
    graph.quantizers["conv1"] = ptq.UniformQuantizer(uniform.QParams(1e-9, 0, 8, signed=False))
    with pytest.raises(ValueError, match="conv2/bias has a scale that float32 does not have"):
        export_onnx(graph, path)
