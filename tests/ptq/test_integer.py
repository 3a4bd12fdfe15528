"""The network in whole numbers: every code is that of plain Python integers, and nothing floats."""

import dataclasses
import fractions

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from benchmarks.ptq_peers import onnx_session
from quantlib import models, ptq
from quantlib.packed import PackedTensor
from quantlib.ptq import steps
from quantlib.ptq.float_steps import FloatModule
from quantlib.ptq.requantization import fixed_point, requantize
from quantlib.ptq.support import POINTWISE
from quantlib.uniform import QParams
from tests.ptq import plain
from tests.ptq.networks import NETWORKS, as_tuple, digits, seeded, simulated, some_images

CASES = {
    "8 bits": {},
    "4 bits": {"bit_width": 4},
    "2 bits, activations of 5": {"bit_width": 2, "act_bit_width": 5},
    "per tensor, asymmetric": {"per_channel": False, "mapping": "asymmetric"},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_code_is_that_of_python_integers(name, case):
    network = ptq.to_integer(simulated(name, **CASES[case])[1])
    images = digits().test_images[:1]
    values = network.results(images)
    wanted = plain.codes(network, values[0][0].tolist())
    assert set(range(len(network.steps))) - set(wanted) == set(network.ends)
    for place, codes in wanted.items():
        assert values[place].dtype == np.uint8
        assert values[place][0].tolist() == codes, network.steps[place].name


@pytest.mark.parametrize("name", NETWORKS)
def test_no_number_is_floating_point_between_input_and_output(name):
    network = ptq.to_integer(simulated(name)[1])
    for place, step in enumerate(network.steps[1:], 1):
        if place in network.ends:
            continue
        for field in dataclasses.fields(step):
            _check_whole(getattr(step, field.name))
    for place, values in enumerate(network.results(digits().test_images[:2])):
        assert values.dtype == (np.float32 if place in network.ends else np.uint8)


def _check_whole(value):
    if isinstance(value, tuple):
        for item in value:
            _check_whole(item)
    elif isinstance(value, np.ndarray):
        assert value.dtype.kind in "iu"
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            _check_whole(getattr(value, field.name))
    else:
        assert isinstance(value, int | str | np.integer)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", NETWORKS)
def test_each_step_gives_the_simulation_s_codes_but_next_to_ties(name, case):
    _, simulation = simulated(name, **CASES[case])
    network = ptq.to_integer(simulation)
    seen = {}
    with torch.no_grad():
        simulation.run(some_images(20), lambda name, x: seen.update({name: x}))
    meaning = {n: simulation.quantizers[n].qparams for n in simulation.quantizers.names}
    for node in simulation.nodes.values():
        meaning.setdefault(node.name, meaning[node.inputs[0]])

    def codes(name):
        q = meaning[name].quantize(seen[name].numpy()).astype(np.uint8)
        return q.transpose(0, 2, 3, 1) if q.ndim == 4 else q

    names = [step.name for step in network.steps]
    for step in network.steps[1:]:
        if step.name in seen:
            given = [np.ascontiguousarray(codes(names[i])) for i in step.inputs]
            apart = step(*given, threads=1).astype(int) - codes(step.name)
            assert abs(apart).max() <= 1, step.name
            assert (apart != 0).mean() < 0.02, step.name


def coarse_bias():
    """A graph whose bias is a fraction of the unit of its sums, 0.5 by 0.5, and its input."""
    graph = ptq.trace(nn.Sequential(nn.Conv2d(1, 3, 1)).eval())
    graph.image_shape = (1, 1, 1)
    with torch.no_grad():
        graph.layers["0"].weight[:] = torch.tensor([0.5, -0.5, 0.0]).reshape(3, 1, 1, 1)
        graph.layers["0"].bias[:] = torch.tensor([0.4, -0.3, 0.07])
    weights = {"0": QParams(np.array([0.5, 0.5, 1.0]), np.zeros(3, int), 2, axis=0)}
    acts = {"input": QParams(0.5, 0, 2, signed=False), "0": QParams(0.01, 100, 8, signed=False)}
    return graph, weights, acts


def test_the_bias_of_the_simulation_is_what_its_code_stands_for():
    graph, weights, acts = coarse_bias()
    simulation, x = ptq.simulate(graph, weights, acts), torch.full((1, 1, 1, 1), 0.5)
    wanted = [0.25 + 0.5, -0.25 - 0.25, 0.07]  # rounded to 2 and -1 quarters; none without weights
    assert simulation(x).flatten().tolist() == pytest.approx(wanted)
    assert simulation.layers["0"].bias.tolist() == pytest.approx([0.4, -0.3, 0.07])
    network = ptq.to_integer(simulation)
    assert network(x.numpy()).ravel().tolist() == pytest.approx(wanted)


@pytest.mark.parametrize(
    "real",
    [["input"], ["0"], ["input", "0"]],
    ids=["real input", "real results", "both"],
)
def test_a_bias_has_a_code_where_input_and_weights_do(real, tmp_path):
    graph, weights, acts = coarse_bias()
    acts = {name: qparams for name, qparams in acts.items() if name not in real}
    simulation, x = ptq.simulate(graph, weights, acts), torch.full((1, 1, 1, 1), 0.5)
    bias = [0.4, -0.3, 0.07] if "input" in real else [0.5, -0.25, 0.07]
    wanted = [0.25 + bias[0], -0.25 + bias[1], bias[2]]
    assert simulation(x).flatten().tolist() == pytest.approx(wanted, abs=0.005)
    if "input" not in real:
        assert ptq.to_integer(simulation)(x.numpy()).ravel().tolist() == pytest.approx(wanted)
        ptq.export_onnx(simulation, tmp_path / "n.onnx")
        (found,) = onnx_session(tmp_path / "n.onnx").run(None, {"input": x.numpy()})
        assert found.ravel().tolist() == pytest.approx(wanted)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_saved_network_is_the_same(name, tmp_path):
    network = ptq.to_integer(simulated(name, bit_width=4)[1])
    network.save(tmp_path / "network.safetensors")
    again = ptq.IntegerNetwork.load(tmp_path / "network.safetensors")
    for mine, its in zip(
        *(as_tuple(n(digits().test_images[:20])) for n in (network, again)), strict=True
    ):
        assert (mine == its).all()
    assert again.nbytes == network.nbytes
    assert (tmp_path / "network.safetensors").stat().st_size < network.nbytes + 20_000
    with pytest.raises(ValueError, match="path must be a file saved by PackedNetwork"):
        from quantlib.packed import PackedNetwork

        PackedNetwork.load(tmp_path / "network.safetensors")


def test_four_bits_take_four_bits():
    network = ptq.to_integer(simulated("digits", bit_width=4)[1])
    packed = [step.weight for step in network.steps if hasattr(step, "weight")]
    for weight in packed:
        assert isinstance(weight, PackedTensor) and weight.bit_width == 4
        assert weight.nbytes == -(-np.prod(weight.shape) // 2)


@given(st.fractions(min_value=fractions.Fraction(1, 2**31), max_value=2**29))
def test_a_factor_keeps_31_bits(factor):
    factor = float(factor)
    m, n = (int(x) for x in fixed_point(factor))
    assert 2**30 <= m < 2**31 and 1 <= n <= 62
    exact = fractions.Fraction(m, 2**n)
    assert abs(exact - fractions.Fraction(factor)) <= fractions.Fraction(factor) / 2**31


@given(
    st.lists(st.integers(-(2**31) + 1, 2**31 - 1), min_size=1, max_size=20),
    st.floats(2.0**-30, 2.0**20),
    st.integers(0, 255),
)
def test_requantization_rounds_once_half_up(sums, factor, zero_point):
    m, n = fixed_point(factor)
    codes = requantize(np.array(sums, np.int32), m, n, zero_point=zero_point, low=3, high=250)
    exact = fractions.Fraction(int(m), 2 ** int(n))
    for total, code in zip(sums, codes.tolist(), strict=True):
        rounded = (total * exact + fractions.Fraction(1, 2)).__floor__()
        assert code == min(max(rounded + zero_point, 3), 250)


@pytest.mark.parametrize("factor", [0.0, -1.0, np.nan, np.inf, 2.0**30])
def test_a_factor_that_is_none_is_refused(factor):
    with pytest.raises(ValueError, match=r"factor must be from above 0 to below 2\*\*30"):
        fixed_point([0.5, factor])


def quantized(model, **options):
    return ptq.quantize_model(model.eval(), some_images(), 8, with_report=False, **options)


def test_a_channel_without_weights_keeps_its_bias():
    model = nn.Sequential(nn.Conv2d(1, 3, 1), nn.Conv2d(3, 2, 1))
    with torch.no_grad():
        model[0].weight[:] = torch.tensor([0.0, 1.0, 1e-12]).reshape(3, 1, 1, 1)
        model[0].bias[:] = torch.tensor([0.7, 0.0, -0.3])
    network = quantized(model).network
    wanted = model(some_images()).detach().numpy()
    step = network.steps[-1].qparams.scale
    assert abs(network(some_images().numpy()) - wanted).max() < 2 * step
    with torch.no_grad():
        simulation = quantized(model).simulated.layers["0"]
        assert abs(simulation(some_images()) - model[0](some_images())).max() < 0.01


def test_constant_activations_have_codes():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(128, 3))
    with torch.no_grad():
        model[0].weight.zero_()
        model[0].bias[:] = torch.tensor([-1.0, 2.0])
    network = quantized(model).network
    wanted = model.eval()(some_images()).detach().numpy()
    assert abs(network(some_images().numpy()) - wanted).max() < 0.05 * abs(wanted).max()
    dark = torch.zeros(4, 1, 8, 8)
    assert np.isfinite(ptq.quantize_model(model.eval(), dark, 8).network(dark.numpy())).all()


def test_layers_in_floating_point_hand_numbers_to_one_another():
    names = ["conv1", "conv2", "max_pool2d", "fc2"]
    found = quantized(models.load_pretrained(), float_layers=names)
    kinds = [type(step).__name__ for step in found.network.steps]
    assert kinds == [
        "FromImages", "FloatConvolution", "FloatConvolution", "MaxPool", "Convolution",
        "MaxPool", "Flatten", "Dense", "FloatDense",
    ]  # fmt: skip
    # Numbers between the first two, codes for the maxima, and numbers at the end.
    assert [found.network.steps[i].result is None for i in (1, 2, 8)] == [True, False, True]


def test_a_float_layer_that_is_code_cannot_be_saved():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Upsample(scale_factor=2))
    network = quantized(model, float_layers=["1"]).network
    assert isinstance(network.steps[-1], FloatModule)
    with pytest.raises(ValueError, match="1 cannot be saved"):
        network.save("nowhere")


LAYERS = [
    nn.ReLU(True), nn.ReLU6(), nn.Sigmoid(), nn.Tanh(), nn.SiLU(), nn.GELU("tanh"), nn.ELU(0.5),
    nn.CELU(0.5), nn.SELU(), nn.Softplus(2.0, 10.0), nn.LeakyReLU(0.2), nn.Hardswish(),
    nn.Hardsigmoid(), nn.Hardtanh(-0.5, 0.75), nn.Mish(), nn.Softsign(), nn.Softmax(1),
    nn.MaxPool2d((3, 2), (1, 2), (0, 1), ceil_mode=True), nn.AvgPool2d((2, 3), divisor_override=4),
    nn.AvgPool2d(3, 2, 1, count_include_pad=False), nn.AdaptiveAvgPool2d((2, None)), nn.Flatten(2),
]  # fmt: skip


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_a_layer_in_floating_point_is_saved_with_its_options(layer, tmp_path):
    model = seeded(lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.AvgPool2d(1), layer))
    found = quantized(model, float_layers=["1", "2"])
    again = saved_and_loaded(found.network, tmp_path)
    x = some_images(5).numpy()
    np.testing.assert_array_equal(again(x), found.network(x))
    with torch.no_grad():
        wanted = found.simulated(torch.as_tensor(x)).numpy()
    assert abs(again(x) - wanted).max() < 0.02 * abs(wanted).max()


def saved_and_loaded(network, tmp_path):
    network.save(tmp_path / "network.safetensors")
    return ptq.IntegerNetwork.load(tmp_path / "network.safetensors")


def test_every_function_of_single_numbers_is_saved():
    assert set(POINTWISE) <= {type(layer) for layer in LAYERS}


@pytest.mark.parametrize("name", ["mixed", "two heads", "views", "resnet"])
def test_sums_rows_and_whatever_else_in_floating_point_is_saved(name, tmp_path):
    graph = ptq.fold(ptq.trace(NETWORKS[name]()))
    network = quantized(graph, float_layers=list(graph.nodes)).network
    again = saved_and_loaded(network, tmp_path)
    x = some_images(5).numpy()
    for mine, its in zip(as_tuple(again(x)), as_tuple(network(x)), strict=True):
        np.testing.assert_array_equal(mine, its)


def test_a_file_with_an_unknown_layer_in_floating_point_is_refused(tmp_path):
    model = seeded(lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.Softmax(1)))
    network = quantized(model, float_layers=["1"]).network
    object.__setattr__(network.steps[-1], "kind", "Linear")
    with pytest.raises(ValueError, match=r"path must be a file saved by .*'Linear'"):
        saved_and_loaded(network, tmp_path)


def test_a_network_of_float_convolutions_is_saved(tmp_path):
    found = quantized(models.load_pretrained(), float_layers=["conv1", "fc2"])
    found.network.save(tmp_path / "n.safetensors")
    again = ptq.IntegerNetwork.load(tmp_path / "n.safetensors")
    images = digits().test_images[:30]
    assert (again(images) == found.network(images)).all()


def test_steps_that_do_not_fit_are_refused():
    network = ptq.to_integer(simulated("digits")[1])
    with pytest.raises(ValueError, match=r"inputs must be .*got 5"):
        ptq.IntegerNetwork(
            [network.steps[0], dataclasses.replace(network.steps[1], inputs=(5,))], [1], (1, 8, 8)
        )
    with pytest.raises(TypeError, match="steps must be IntegerStep, got str"):
        ptq.IntegerNetwork(["conv"], [0], (1, 8, 8))
    with pytest.raises(ValueError, match="images must be N x 1 x 8 x 8"):
        network(np.zeros((2, 1, 9, 8), np.float32))
    with pytest.raises(ValueError, match="images must be finite"):
        network(np.full((2, 1, 8, 8), np.nan, np.float32))
    assert network(np.zeros((0, 1, 8, 8), np.float32)).shape == (0, 10)


def test_a_graph_without_quantizers_or_images_is_refused():
    graph = ptq.fold(ptq.trace(models.load_pretrained()))
    graph.image_shape = (1, 8, 8)
    with pytest.raises(ValueError, match="quantizer of the images, got none"):
        ptq.to_integer(graph)
    graph.image_shape = None
    with pytest.raises(ValueError, match="must have seen images"):
        ptq.to_integer(graph)


def test_batches_and_threads_change_nothing():
    network = ptq.to_integer(simulated("mixed")[1])
    images = digits().test_images[:33]
    whole = network(images)
    assert (network(images, batch_size=7, num_threads=1) == whole).all()
    assert isinstance(network.steps[1], steps.Convolution)
