"""Whole networks in one call: what is quantized, what stays real, and what it takes."""

import copy
import pickle
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from quantlib import binary, data, logarithmic, models, networks, training, uniform
from quantlib.networks import quantize_network
from quantlib.nonuniform import enq, fixed_point, knq


@pytest.fixture(scope="module")
def digits():
    return data.load()


def in_turn(*layers):
    torch.manual_seed(0)
    return nn.Sequential(*layers)


def per_channel(w, bits):
    """Nayak's symmetric scheme, a scale a row, in plain NumPy; and its codes."""
    rows = w.reshape(len(w), -1).astype(np.float64)
    most = 2 ** (bits - 1) - 1
    scale = (np.abs(rows).max(1) / most).astype(np.float32)[:, None]
    codes = np.clip(np.round(rows.astype(np.float32) * (1 / scale)), -most, most)
    return (codes * scale).reshape(w.shape), codes.reshape(w.shape).astype(int)


def test_weights_are_those_of_the_scheme_and_codes_are_packed(digits):
    model = models.load_pretrained()
    before = copy.deepcopy(model.state_dict())
    new, report = quantize_network(model, weights={"fc*": 2, "conv1": 8, "*": 4}, dataset=digits)
    bits = {"conv1": 8, "conv2": 4, "conv3": 4, "fc1": 2, "fc2": 2}
    assert {name: w.qparams.bit_width for name, w in report.weights.items()} == bits
    for name, b in bits.items():
        values, codes = per_channel(before[f"{name}.weight"].numpy(), b)
        np.testing.assert_array_equal(new.get_parameter(f"{name}.weight").detach(), values)
        np.testing.assert_array_equal(report.weights[name].packed.unpack(), codes)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
        if name.removesuffix(".weight") not in bits:
            assert torch.equal(new.state_dict()[name], tensor)
    assert report.accuracy_before == training.evaluate(model, digits)
    assert report.accuracy == training.evaluate(new, digits)


def test_size_is_that_of_codes_scales_and_all_that_is_left():
    model = models.load_pretrained()
    _, report = quantize_network(model, weights={"conv*": 3, "fc1": 5})
    tensors = model.state_dict()
    total = sum(t.numel() * t.element_size() for t in tensors.values())
    assert report.nbytes_before == total
    for name, bits in {"conv1": 3, "conv2": 3, "conv3": 3, "fc1": 5}.items():
        w = tensors[f"{name}.weight"]
        total += -(-w.numel() * bits // 8) + 4 * len(w) - 4 * w.numel()
    assert report.nbytes == total
    assert report.compression == report.nbytes_before / total
    assert report.stayed_real["fc2.weight"] == "5,120 bytes, not asked for"
    assert report.stayed_real["fc2.bias"] == "40 bytes, of Linear"
    assert report.stayed_real["bn3"] == "1,032 bytes, BatchNorm2d"


def test_activations_and_input_are_rounded_where_they_are_read(digits):
    model = in_turn(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10))
    images = digits.train_images[:50]
    new, report = quantize_network(model, activations={"input": 6, "1": 3}, images=images)

    x = torch.as_tensor(images)
    bits, hidden = {"input": 6, "1": 3}, torch.relu(model[1](model[0](x)))
    scale = {}
    for name, values in {"input": x, "1": hidden.detach()}.items():
        scale[name] = np.float32(values.max().item() / (2 ** bits[name] - 1))
        assert report.activations[name].qparams == uniform.QParams(
            scale[name], 0, bits[name], signed=False
        )
    test = np.asarray(digits.test_images)
    got = np.round(test / scale["input"]).clip(0, 63) * scale["input"]
    hidden = torch.relu(model[1](model[0](torch.as_tensor(got)))).detach().numpy()
    hidden = np.round(hidden / scale["1"]).clip(0, 7) * scale["1"]
    right = model[3](torch.as_tensor(hidden)).detach().numpy()
    wrong = np.abs(training.logits(new, test) - right).max(1) > 1e-4
    assert wrong.mean() < 0.01  # a tie in float32 may fall on its other side
    assert report.activations["1"].nbytes == 3 and report.activations["1"].shape == (8,)
    assert report.stayed_real["3 (activations)"] == "no activation function follows"
    assert report.nbytes == report.nbytes_before and not report.weights


def test_any_scheme_by_a_function_and_none_for_what_stays():
    model = models.LeNet5(1, 10, 8)
    asked = {"conv1": None, "fc*": partial(uniform.choose_qparams, bit_width=6), "*": 4}
    _, report = quantize_network(model, weights=asked)
    assert {n: w.qparams.bit_width for n, w in report.weights.items()} == {
        "conv2": 4,
        "fc1": 6,
        "fc2": 6,
        "fc3": 6,
    }
    assert report.weights["fc1"].qparams.axis is None
    assert report.weights["fc1"].nbytes == report.weights["fc1"].packed.nbytes + 4
    assert "conv1.weight" in report.stayed_real


@pytest.mark.parametrize(
    ("choose", "bit_width", "stored"),
    [
        # Numbers of 32 bits beside the codes, for 12 output channels.
        (partial(uniform.choose_qparams, bit_width=3, axis=0), 3, 12),
        (partial(logarithmic.choose_qparams, bit_width=4), 4, 2),
        (partial(logarithmic.choose_qparams, bit_width=3, axis=0), 3, 24),
        (partial(fixed_point.choose_qparams, bit_width=6), 6, 1),
        (partial(knq.choose_qparams, bit_width=2), 2, 4),
        (partial(knq.choose_qparams, bit_width=2, axis=0), 2, 48),
    ],
    ids=["uniform", "logarithmic", "logarithmic axis", "fixed", "knq", "knq axis"],
)
def test_every_scheme_quantizes_and_counts_what_it_stores(choose, bit_width, stored):
    model = in_turn(nn.Linear(40, 12))
    new, report = quantize_network(model, weights={"0": choose})
    w = model[0].weight.detach()
    qparams, packed = report.weights["0"].qparams, report.weights["0"].packed
    assert qparams == choose(w)
    assert torch.equal(new[0].weight.detach(), qparams.fake_quantize(w))
    np.testing.assert_array_equal(qparams.dequantize(packed.unpack()), new[0].weight.detach())
    assert packed.nbytes == 40 * 12 * bit_width // 8
    assert report.nbytes == packed.nbytes + 4 * stored + 4 * 12


def test_enq_takes_activations(digits):
    images = digits.train_images[:30]
    _, report = quantize_network(
        models.load_pretrained(),
        activations={"conv*": partial(enq.choose_qparams, bit_width=4)},
        images=images,
    )
    assert [a.qparams.bit_width for a in report.activations.values()] == [4, 4, 4]
    assert "enq" in str(report)


def test_a_weight_in_two_places_is_quantized_and_counted_once():
    model = in_turn(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    model[2].weight = model[0].weight
    new, report = quantize_network(model, weights={"2": 3})
    assert list(report.weights) == ["0"] and new[2].weight is new[0].weight
    np.testing.assert_array_equal(
        new[0].weight.detach(), per_channel(model[0].weight.detach().numpy(), 3)[0]
    )
    assert report.nbytes_before == 4 * (16 + 4 + 4)
    assert report.nbytes == 6 + 4 * 4 + 4 * (4 + 4)


def test_layers_of_every_kind_and_matrices_that_no_rule_knows():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Parameter(torch.ones(3, 5))

    model = in_turn(nn.ConvTranspose2d(2, 6, 3, groups=2), nn.LSTM(3, 2), nn.Embedding(5, 4), Odd())
    _, report = quantize_network(model, weights=4)
    assert list(report.weights) == ["0", "1.weight_ih_l0", "1.weight_hh_l0", "2"]
    assert report.weights["0"].packed.shape == (6, 1, 3, 3)
    assert report.weights["0"].qparams.scale.shape == (6,)
    assert report.stayed_real["3.table"] == "60 bytes, not asked for"


def test_layers_with_a_method_of_their_own_stay_as_they_are():
    model = in_turn(nn.Linear(4, 4), binary.BinaryLinear(4, 4, method="bwn"))
    _, report = quantize_network(model, weights=4)
    assert list(report.weights) == ["0"]
    assert report.stayed_real["1.weight"] == (
        "64 bytes, latent, SignWeights(scale='channel') quantizes it"
    )
    with pytest.raises(ValueError, match=r"weights must not name '1', which SignWeights\("):
        quantize_network(model, weights={"1": 4})


def test_the_report_is_a_table_and_the_network_is_pickled(digits):
    images = digits.train_images[:20]
    new, report = quantize_network(
        models.load_pretrained(), weights=8, activations=8, images=images, dataset=digits
    )
    text = str(report)
    assert f"size  {report.nbytes_before:,} bytes before, {report.nbytes:,} now" in text
    assert f"accuracy  {100 * report.accuracy_before:.2f} % before" in text
    for name in (*report.weights, *report.activations, *report.stayed_real):
        assert f"\n  {name} " in text
    again = pickle.loads(pickle.dumps(new))
    np.testing.assert_array_equal(training.logits(again, images), training.logits(new, images))


MODEL = models.DigitsCNN()
IMAGES = np.zeros((2, 1, 8, 8), np.float32)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({}, ValueError, "weights or activations must name something to quantize, got nothing"),
        ({"weights": {"conv9": 4}}, ValueError, r"weights must name .* \(conv1, .*'conv9'"),
        ({"weights": {"x*": None, "*": 4}}, ValueError, r"weights must name what is there .*'x\*'"),
        ({"activations": 4}, ValueError, "images must be given to see the range of activations"),
        ({"activations": {"fc2": 4}, "images": IMAGES}, ValueError, r"activations must .*'fc2'"),
        ({"weights": {0: 4}}, TypeError, "weights must be a dict of names, got the key 0"),
        ({"weights": 17}, ValueError, "weights of 'conv1': bit_width must be from 2 to 16, got 17"),
        ({"weights": {"fc1": "4"}}, TypeError, "weights of 'fc1': bit_width must be a whole num"),
        ({"weights": torch.sign}, TypeError, "weights of 'conv1': the function must return the"),
        ({"weights": 4, "dataset": IMAGES}, TypeError, "dataset must be a quantlib Dataset"),
        ({"activations": 4, "images": IMAGES * np.nan}, ValueError, "images must be finite"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_by_name(options, error, words):
    with pytest.raises(error, match=words):
        quantize_network(MODEL, **options)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (nn.LazyBatchNorm1d(), "got no shape yet, call the model once with images, of 1.weight"),
        (nn.Linear(3, 2, device="meta"), 'got none, as on the device "meta", in 1.weight'),
        (nn.Linear(3, 2, dtype=torch.complex64), "got torch.complex64 in 1.weight"),
    ],
)
def test_a_network_without_real_numbers_is_refused_by_name(layer, words):
    with pytest.raises(ValueError, match=f"model must hold real numbers, {words}"):
        networks.quantize_network(nn.Sequential(nn.Linear(3, 3), layer), weights=4)


def test_a_weight_that_is_not_finite_is_named():
    model = models.DigitsCNN()
    with torch.no_grad():
        model.fc1.weight[0, 0] = torch.inf
    with pytest.raises(ValueError, match="weights of 'fc1': x must be finite, got 1 NaN or"):
        networks.quantize_network(model, weights=4)
