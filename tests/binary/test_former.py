"""What an older version computed and saved, once: layers, files, networks, all as they were.

`former/` was written by the version before layers took their method as a value. All its numbers
are such that no sum or product is rounded, so they are the same on every machine.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from quantlib import binary, data
from quantlib.packed import PackedNetwork, PackedTensor

FORMER = Path(__file__).with_name("former")
RESULTS = np.load(FORMER / "results.npz")
LAYERS = np.load(FORMER / "layers.npz")
CASES = json.loads(LAYERS["cases"].tobytes())
SMALL = {"widths": (4, 8, 20, 16)}
NETWORKS = {
    "lenet_bnn": lambda: binary.BinaryLeNet5(1, 10, 8, method="bnn", **SMALL),
    "lenet_bwn_usual": lambda: binary.BinaryLeNet5(
        1, 10, 8, method="bwn", block_order="usual", first_last="binary", **SMALL
    ),
    "vgg_bnn": lambda: binary.BinaryVGG(1, 10, 8, width=64, method="bnn", first_last="binary"),
    "resnet_xnor": lambda: binary.BinaryResNet(
        1, 10, 8, widths=(8, 16), blocks=(1, 1), method="xnor"
    ),
}


@pytest.mark.parametrize("number", range(len(CASES)))
def test_layers_and_their_gradients_to_the_bit(number):
    def former(name):
        key = f"{number}.{name}"
        return torch.from_numpy(LAYERS[key]) if key in LAYERS else None

    case, bias = CASES[number], former("bias")
    layer = getattr(binary, case["kind"])(*case["build"], bias=bias is not None, **case["options"])
    with torch.no_grad():
        layer.weight.copy_(former("w"))
        if bias is not None:
            layer.bias.copy_(bias)
    x = former("x").requires_grad_()
    torch.manual_seed(0)  # of the draws where signs are drawn
    y = layer(x)
    (y * former("g")).sum().backward()
    assert torch.equal(y, former("y"))
    assert torch.equal(layer.weight.grad, former("w_grad"))
    assert torch.equal(x.grad, former("x_grad"))
    if bias is not None:
        assert torch.equal(layer.bias.grad, former("bias_grad"))


def test_a_packed_tensor_of_an_older_file():
    packed = PackedTensor.load(FORMER / "packed_tensor.safetensors")
    np.testing.assert_array_equal(packed.unpack(), RESULTS["packed_tensor"])


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_older_files(name, tmp_path):
    images = data.load().test_images[:64]
    # BLAS multiplies the last layer of a LeNet, and rounds otherwise on another processor.
    close = 1e-6 if name == "lenet_bnn" else 1e-4
    network = PackedNetwork.load(FORMER / f"{name}.packed.safetensors")
    former = RESULTS[f"{name}.packed"]
    if name == "vgg_bnn":  # whole sums, or sums that are not rounded, to the last layer
        np.testing.assert_array_equal(network(images), former)
    np.testing.assert_allclose(network(images), former, rtol=close, atol=close)

    model = NETWORKS[name]().eval()
    model.load_state_dict(load_file(FORMER / f"{name}.state.safetensors"))
    with torch.no_grad():
        found = model(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(found, RESULTS[f"{name}.model"], rtol=1e-4, atol=1e-4)
    again = binary.to_packed(model)
    assert repr(again) == repr(network)
    np.testing.assert_allclose(again(images), former, rtol=1e-4, atol=1e-4)
    again.save(tmp_path / "again")
    assert PackedNetwork.load(tmp_path / "again").nbytes == network.nbytes
