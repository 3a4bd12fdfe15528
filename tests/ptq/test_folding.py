"""Folding, equation by equation; the whole graph's is in ``test_graph``."""

import pytest
import torch
from torch import nn

from quantlib import ptq
from tests.ptq.networks import seeded

LAYERS = {
    "convolution": lambda bias: nn.Conv2d(3, 4, 3, bias=bias),
    "grouped": lambda bias: nn.Conv2d(4, 6, 3, groups=2, bias=bias),
    "transposed": lambda bias: nn.ConvTranspose2d(3, 4, 3, bias=bias),
    "transposed, grouped": lambda bias: nn.ConvTranspose2d(4, 6, 3, groups=2, bias=bias),
    "linear": lambda bias: nn.Linear(5, 4, bias=bias),
}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", LAYERS)
def test_folded_weights_do_what_both_did(kind, bias):
    layer = seeded(lambda: LAYERS[kind](bias))
    channels = 4 if "grouped" not in kind else 6
    rows = isinstance(layer, nn.Linear)
    # A large epsilon and factors below 0, where errors show.
    norm = seeded(lambda: (nn.BatchNorm1d if rows else nn.BatchNorm2d)(channels, eps=0.1))
    assert (norm.weight < 0).any()
    generator = torch.Generator().manual_seed(0)
    first = layer.in_features if rows else layer.in_channels
    x = torch.randn(7, first, *([] if rows else [5, 5]), generator=generator, dtype=torch.float64)
    layer, norm = layer.double(), norm.double()
    wanted = norm(layer(x))
    weight, bias_now = ptq.fold_batch_norm(layer, norm)
    layer.weight.data, layer.bias = weight, nn.Parameter(bias_now)
    assert torch.allclose(layer(x), wanted, rtol=1e-12, atol=1e-12)


def test_the_printed_equation_7_leaves_out_the_own_bias():
    layer, norm = seeded(lambda: nn.Conv2d(1, 1, 1)), nn.BatchNorm2d(1).eval()
    with torch.no_grad():
        layer.bias.fill_(2.0)
    bias = ptq.fold_batch_norm(layer, norm)[1]
    printed = norm.bias - norm.weight * norm.running_mean / torch.sqrt(norm.running_var + norm.eps)
    assert (bias - printed).item() == pytest.approx(2.0, rel=1e-4)


def test_what_cannot_be_folded_is_refused():
    conv = nn.Conv2d(1, 2, 1)
    with pytest.raises(TypeError, match=r"layer must be a Conv2d.*got ReLU"):
        ptq.fold_batch_norm(nn.ReLU(), nn.BatchNorm2d(2).eval())
    with pytest.raises(TypeError, match=r"norm must be a BatchNorm1d or BatchNorm2d, got ReLU"):
        ptq.fold_batch_norm(conv, nn.ReLU())
    with pytest.raises(ValueError, match="norm must have 2 channels, as layer has, got 3"):
        ptq.fold_batch_norm(conv, nn.BatchNorm2d(3).eval())
    with pytest.raises(ValueError, match="evaluation mode"):
        ptq.fold_batch_norm(conv, nn.BatchNorm2d(2))
    with pytest.raises(ValueError, match="track_running_stats=False"):
        ptq.fold_batch_norm(conv, nn.BatchNorm2d(2, track_running_stats=False).eval())
