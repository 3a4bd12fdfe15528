"""The weights that a layer computes with, as its user looks at them."""

import numpy as np
import pytest
import torch

from quantlib import binary, layers, packed
from quantlib.binary.layers import METHODS
from quantlib.layers import Quantizer, QuantLinear


def layer(kind, *args, **options):
    torch.manual_seed(0)
    return kind(*args, **options)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", [binary.BinaryLinear, binary.BinaryConv2d])
def test_values_are_what_the_layer_computes_with(kind, method):
    binary_layer = layer(
        kind, 5, 7, **({} if kind is binary.BinaryLinear else {"kernel_size": 3}), method=method
    )
    seen = binary_layer.quantized_weight
    w = binary_layer.weight.detach().numpy()
    signs = np.where(w >= 0, 1.0, -1.0)
    np.testing.assert_array_equal(seen.unscaled.numpy(), signs)
    np.testing.assert_array_equal(seen.levels.numpy(), [-1.0, 1.0])
    alpha = np.abs(w).reshape(7, -1).mean(1)
    if method in ("bwn", "xnor"):
        np.testing.assert_allclose(seen.scale.numpy(), alpha, rtol=1e-6)
        signs = signs * alpha.reshape(-1, *[1] * (w.ndim - 1))
    np.testing.assert_allclose(seen.values.numpy(), signs, rtol=1e-6)
    assert seen.counts.tolist() == [int((w < 0).sum()), int((w >= 0).sum())]
    assert packed.pack(seen.codes, 1, signed=False).nbytes == -(-w.size // 8)


def test_looking_draws_no_random_signs_and_leaves_the_mode():
    stochastic = layer(binary.BinaryLinear, 64, 64, method="binaryconnect", stochastic=True)
    first, second = (stochastic.quantized_weight.codes for _ in range(2))
    assert torch.equal(first, second) and torch.equal(first, (stochastic.weight >= 0).long())
    assert stochastic.weight_quant.training


class Ternary(Quantizer):
    """0.7 or 0 or -0.7, by the estimator that rounds a level to its neighbours."""

    def forward(self, w):
        q = 0.7 * torch.clamp(torch.round(w * 3), -1, 1)
        return w + (q - w).detach()


class Reals(Quantizer):
    def forward(self, w):
        return w * 0.5


def test_levels_that_differ_by_rounding_are_one():
    ternary = layer(QuantLinear, 100, 50, weight_quant=Ternary())
    with torch.no_grad():
        ternary.weight.mul_(30)
        assert len(ternary.weight_quant(ternary.weight).unique()) > 3
    seen = ternary.quantized_weight
    np.testing.assert_allclose(seen.levels, [-0.7, 0.0, 0.7], atol=1e-6)
    codes = np.clip(np.round(ternary.weight.detach().numpy() * 3), -1, 1) + 1
    np.testing.assert_array_equal(seen.codes.numpy(), codes)


def test_many_levels_stay_apart_and_are_not_listed():
    """Sorted, a million real numbers lie closer than any tolerance."""
    reals = layer(QuantLinear, 1000, 1000, weight_quant=Reals())
    seen = reals.quantized_weight
    assert torch.equal(seen.values, reals.weight.detach() * 0.5)
    assert len(str(seen)) < 200


def test_what_is_printed():
    signs = layer(binary.BinaryConv2d, 1, 2, 2, method="bwn")
    with torch.no_grad():
        signs.weight.copy_(torch.tensor([[[[2.0, -4], [1, 1]]], [[[-1, -1], [-1, -1]]]]))
    assert str(signs.quantized_weight).splitlines() == [
        "2 x 1 x 2 x 2 weights of 2 levels, a scale for each of 2 channels",
        " level   weights    share",
        "    -1         5   62.5 %",
        "    +1         3   37.5 %",
        "channel 0, scale 2",
        "+-",
        "++",
    ]
    assert signs.quantized_weight.picture(1) == "--\n--"
    with pytest.raises(ValueError, match="channel must be from 0 to 1, got 2"):
        signs.quantized_weight.picture(2)
    thirds = layer(QuantLinear, 4, 1, weight_quant=Ternary())
    with torch.no_grad():
        thirds.weight.copy_(torch.tensor([[0.9, 0, -0.9, 0.9]]))
    assert thirds.quantized_weight.picture() == " 2 1 0 2"


def test_real_and_broken_weights_are_refused():
    with pytest.raises(ValueError, match="weight_quant must not be None"):
        _ = QuantLinear(2, 2).quantized_weight
    broken = binary.BinaryLinear(2, 2)
    with torch.no_grad():
        broken.weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match="weight must be finite, got 1 NaN"):
        _ = broken.quantized_weight
    assert isinstance(binary.BinaryLinear(3, 1).quantized_weight, layers.WeightLevels)
