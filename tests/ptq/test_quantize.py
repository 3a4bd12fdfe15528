"""One call for the whole: what it takes, what it returns, and what it refuses."""

import numpy as np
import pytest
import torch
from torch import nn

from quantlib import models, ptq, training, uniform
from tests.ptq.networks import digits, seeded, some_images


def quantized(**options):
    fixed = {"bit_width": 8, "calibration_images": some_images(200), "with_report": False}
    options = fixed | options
    return ptq.quantize_model(models.load_pretrained(), **options)


def test_eight_bits_keep_the_accuracy_and_the_model_stays():
    model = models.load_pretrained()
    before = {key: x.clone() for key, x in model.state_dict().items()}
    found = ptq.quantize_model(model, some_images(200), 8, dataset=digits())
    assert all(torch.equal(x, before[key]) for key, x in model.state_dict().items())
    assert found.report.accuracy_before == training.evaluate(model, digits())
    assert found.report.accuracy > found.report.accuracy_before - 0.005
    assert found.report.nbytes == found.network.nbytes < 0.3 * found.report.nbytes_before
    images = digits().test_images
    agree = found.network.predict(images) == training.predict(model, images)
    assert agree.mean() > 0.99
    assert [row.name for row in found.report.layers] == list(found.simulated.nodes)


def test_the_parts_called_one_by_one_give_the_same():
    found = quantized(equalize=True, bias_correction=True, bit_width=4)
    graph = ptq.equalize(ptq.fold(ptq.trace(models.load_pretrained())))
    seen = ptq.calibrate(graph, some_images(200), ptq.MinMax())
    simulated = ptq.simulate(graph, ptq.weight_qparams(graph, 4), ptq.activation_qparams(seen, 8))
    simulated = ptq.correct_bias(graph, simulated, some_images(200))
    images = digits().test_images[:100]
    assert (ptq.to_integer(simulated)(images) == found.network(images)).all()


def test_bits_by_layer():
    bits = {"conv1": 6, "": 3}
    found = quantized(bit_width=bits, act_bit_width={"input": 4, "": 7}, with_report=True)
    assert {row.name: row.bit_width for row in found.report.layers if row.bit_width} == {
        "conv1": 6, "conv2": 3, "conv3": 3, "fc1": 3, "fc2": 3,
    }  # fmt: skip
    bits = {n: found.simulated.quantizers[n].qparams.bit_width for n in ("input", "conv1", "fc2")}
    assert bits == {"input": 4, "conv1": 7, "fc2": 7}


def test_an_observer_for_each_result():
    wide = quantized(observer={"conv1": ptq.Percentile(90.0), "": ptq.MinMax()})
    scales = (f.simulated.quantizers["conv1"].qparams.scale for f in (wide, quantized()))
    assert next(scales) < 0.9 * next(scales)


@pytest.mark.parametrize(
    ("observer", "error", "words"),
    [
        ("min-max", TypeError, r"observer must be a ptq\.Observer.*got str"),
        ({"conv9": ptq.MinMax()}, ValueError, "observer must name what is quantized"),
        ({"conv1": ptq.MinMax()}, ValueError, "observer must have one for input, conv2"),
    ],
    ids=["a word", "no layer", "not all"],
)
def test_an_observer_that_is_none_is_refused(observer, error, words):
    with pytest.raises(error, match=words):
        quantized(observer=observer)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"calibration_images": some_images(0)}, ValueError, "images must be .* one image or more"),
        ({"bit_width": 1}, ValueError, "bit_width must be from 2"),
        ({"bit_width": 9}, ValueError, "bit_width must be from 2 to 8"),
        ({"act_bit_width": 9}, ValueError, "act_bit_width must be from 2 to 8"),
        ({"bit_width": {"conv1": 4}}, ValueError, "bit_width must have an entry for 'conv2'"),
        ({"bit_width": {"": 8, "conv9": 4}}, ValueError, "bit_width must name .*got 'conv9'"),
        ({"per_channel": 1}, TypeError, "per_channel must be"),
        ({"equalize": "yes"}, TypeError, "equalize must be"),
        ({"mapping": "log"}, ValueError, "mapping must be"),
        ({"float_layers": "conv1"}, TypeError, "float_layers must be a list"),
        ({"float_layers": ["conv9"]}, ValueError, "float_layers must name nodes"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_bad_input_is_named(options, error, words):
    with pytest.raises(error, match=words):
        quantized(**options)


def test_nan_is_named_where_it_comes_from():
    spoilt = some_images(5).clone()
    spoilt[3, 0, 0, 0] = float("nan")
    with pytest.raises(ValueError, match="NaN or infinity in image 3"):
        quantized(calibration_images=spoilt)
    model = models.load_pretrained()
    with torch.no_grad():
        model.fc1.bias[0] = float("inf")
    with pytest.raises(ValueError, match=r"results of fc1.*(NaN|infinity)"):
        ptq.quantize_model(model, some_images(5), 8)


def test_a_network_in_training_mode_and_dynamic_control_flow_are_refused():
    with pytest.raises(ValueError, match=r"training mode: call model\.eval\(\) first"):
        ptq.quantize_model(models.load_pretrained().train(), some_images(), 8)

    class Early(nn.Module):
        def forward(self, x):
            return x if x.mean() > 0 else x + x

    with pytest.raises(ValueError, match="forward decides by what it computes"):
        ptq.quantize_model(Early().eval(), some_images(), 8)


def test_two_heads_are_two_results():
    from tests.ptq.networks import Mixed

    model = seeded(lambda: Mixed(2))
    found = ptq.quantize_model(model, some_images(), 8, with_report=False)
    logits, features = found.network(digits().test_images[:9])
    with torch.no_grad():
        wanted = model(torch.as_tensor(digits().test_images[:9]))
    assert logits.shape == (9, 10) and features.shape == wanted[1].shape
    assert np.abs(features - wanted[1].numpy()).mean() < 0.1 * wanted[1].abs().mean()


def test_parameters_that_bytes_cannot_hold_are_refused():
    graph = ptq.fold(ptq.trace(models.load_pretrained()))
    weights = ptq.weight_qparams(graph, 8)
    for name, qparams, words in (
        ("weights", uniform.QParams(1.0, 0, 9), r"weights\['conv1'\] must have signed codes"),
        ("weights", uniform.QParams(1.0, 0, 8, signed=False), "signed=False"),
        ("activations", uniform.QParams(1.0, 0, 9, signed=False), "unsigned codes of 8 bits"),
        ("activations", uniform.QParams(1.0, 0, 8), "signed=True"),
    ):
        given = {"weights": weights, "activations": {}}
        given[name] = {"conv1": qparams}
        with pytest.raises(ValueError, match=words):
            ptq.simulate(graph, **given)


def test_a_layer_between_real_numbers_computes_with_its_quantized_weights():
    """Where no activation is quantized but the images and the end, weights still have 3 bits."""
    graph = ptq.fold(ptq.trace(models.load_pretrained()))
    seen = ptq.calibrate(graph, some_images(), ptq.MinMax())
    activations = ptq.activation_qparams(seen, 8)
    kept = {name: activations[name] for name in ("input", "conv1", "conv2", "conv3", "fc1")}
    simulated = ptq.simulate(graph, ptq.weight_qparams(graph, 3), kept)
    images = digits().test_images[:50]
    found = ptq.to_integer(simulated)(images)
    wanted = simulated(torch.as_tensor(images)).detach().numpy()
    assert np.abs(found - wanted).max() < 0.1 * np.abs(wanted).max()
    real = graph(torch.as_tensor(images)).detach().numpy()
    assert np.abs(found - wanted).mean() < 0.1 * np.abs(real - wanted).mean()


def test_a_linear_layer_on_images_is_refused():
    model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.Linear(8, 4)).eval()
    with pytest.raises(ValueError, match=r"1 must come behind a Flatten.*got 4 axes"):
        ptq.quantize_model(model, some_images(), 8)


@pytest.mark.parametrize("per_channel", [True, False])
def test_ranges_of_weights_are_tuned_too(per_channel):
    graph = ptq.fold(ptq.trace(models.load_pretrained()))
    options = {"per_channel": per_channel}
    whole = ptq.weight_qparams(graph, 3, **options)
    tuned = ptq.weight_qparams(graph, 3, observer=ptq.MSE(), **options)
    for name, qparams in tuned.items():
        weight = graph.layers[name].weight.detach()
        assert qparams.axis == whole[name].axis == (0 if per_channel else None)
        assert np.all(qparams.scale <= whole[name].scale * (1 + 1e-6))
        errors = [((q.fake_quantize(weight) - weight) ** 2).mean() for q in (qparams, whole[name])]
        assert errors[0] < 0.9 * errors[1]
        choose = uniform.choose_qparams(weight, 3, axis=whole[name].axis)
        assert np.allclose(choose.scale, whole[name].scale, rtol=1e-6)
    with pytest.raises(TypeError, match=r"observer must be a ptq\.Observer"):
        ptq.weight_qparams(graph, 3, observer="mse")


def test_a_simulated_network_takes_no_state_of_another_calibration():
    """The scales of activations are not parameters; they must not be lost in silence."""
    one, other = (quantized(calibration_images=some_images(n)).simulated for n in (200, 2))
    again = quantized().simulated
    again.load_state_dict(one.state_dict())
    with pytest.raises(RuntimeError, match=r"quantizers\.conv1 has .* got the state of"):
        other.load_state_dict(one.state_dict())
