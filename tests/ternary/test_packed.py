"""Ternary networks that run on packed weights, beside torch."""

import numpy as np
import pytest
import torch
from torch import nn

from quantlib import layers
from quantlib.kernels import PackedBits
from quantlib.lowering import to_packed
from quantlib.packed import PackedNetwork, PackedTrits, pack_trits, steps
from quantlib.ternary import TernaryWeights, TrainedTernaryWeights

QUANTIZERS = {
    "twn": lambda layer: TernaryWeights(),
    "two levels": lambda layer: TernaryWeights("two_levels", axis=None),
    "ttq": lambda layer: TrainedTernaryWeights(negative=0.4, positive=1.5),
    "ttq, turned around": lambda layer: turned_around(),
}


def turned_around():
    """TTQ's quantizer whose positive level has become negative, as one user's did."""
    quantizer = TrainedTernaryWeights(negative=0.4, positive=1.5)
    with torch.no_grad():
        quantizer.positive.fill_(-0.71)
    return quantizer


def network(weight_quant):
    """Return a network of all that ternary weights stand in, with images for it."""
    torch.manual_seed(3)
    model = nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 4, (3, 2), stride=(1, 2), groups=2, bias=False), nn.BatchNorm2d(4), nn.ReLU(),
        nn.Flatten(), nn.Linear(4 * 3 * 2, 7), nn.BatchNorm1d(7), nn.ReLU(), nn.Linear(7, 3),
    )  # fmt: skip
    images = torch.randn(20, 2, 10, 8)
    model(images)  # batch normalization gets its means
    for module in model:
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, -1, 1)  # some change the sign of what comes in
    return layers.convert(model, weight_quant=weight_quant).eval(), images


@pytest.mark.parametrize("name", QUANTIZERS)
def test_packed_network_gives_what_torch_gives(name, tmp_path):
    model, images = network(QUANTIZERS[name])
    packed = to_packed(model)
    with torch.no_grad():
        right = model(images).numpy()
    np.testing.assert_allclose(packed(images.numpy()), right, rtol=1e-4, atol=1e-5)
    packed.save(tmp_path / "network")
    loaded = PackedNetwork.load(tmp_path / "network")
    np.testing.assert_array_equal(loaded(images.numpy()), packed(images.numpy()))
    assert loaded.nbytes == packed.nbytes
    for step in packed.steps:
        if isinstance(step, steps.RealLayer):
            n_values = np.prod(step.weight.shape)
            assert isinstance(step.weight, PackedTrits) and step.weight.nbytes == -(-n_values // 5)
            assert step.scale.ndim == (1 if name == "twn" else 2)


def test_quantized_activations_are_refused_by_name():
    from quantlib.binary import SignActivations

    quantizers = {"weight_quant": TernaryWeights(), "act_quant": SignActivations()}
    model = nn.Sequential(nn.Flatten(), layers.QuantLinear(4, 3, **quantizers))
    with pytest.raises(ValueError, match=r"1 \(QuantLinear with act_quant=SignActivations"):
        to_packed(model)


ONES = np.ones(3, np.float32)


@pytest.mark.parametrize(
    ("weight", "scale", "message"),
    [
        (pack_trits(np.ones((3, 2, 1), int)), None, "weight must have 2 axes"),
        (pack_trits(np.ones((3, 2), int)), np.ones((3, 3), np.float32), "scale must have shape"),
        (pack_trits(np.ones((3, 2), int)), np.stack([ONES, ONES * np.nan]), "must be finite"),
        (pack_trits(np.ones((3, 2), int)), np.ones((2, 2), np.float32), "scale must have shape"),
        (np.ones((2, 3), np.float32), np.stack([ONES, ONES]), "scale must have shape"),
    ],
    ids=["axes", "levels", "nan", "outputs", "real"],
)
def test_a_step_looks_at_its_weights_and_levels(weight, scale, message):
    with pytest.raises(ValueError, match=message):
        steps.RealLayer(weight, scale, None, (1, 1), 1, 0)


def test_bytes_beside_one_bit_and_32():
    model = nn.Sequential(nn.Flatten(), nn.Linear(1000, 100, bias=False))
    sizes = {}
    for name, kind in (("ternary", TernaryWeights()), ("real", None)):
        found = to_packed(layers.convert(model, weight_quant=kind) if kind else model)
        (step,) = [s for s in found.steps if isinstance(s, steps.RealLayer)]
        assert not isinstance(step.weight, PackedBits)
        sizes[name] = found.nbytes
    assert sizes == {"ternary": 20_000 + 400, "real": 400_000}
