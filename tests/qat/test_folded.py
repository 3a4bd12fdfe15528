"""Normalization that is folded as it trains does what it did behind the layer."""

import copy

import pytest
import torch
from torch import nn

from quantlib import qat
from quantlib.layers import QuantConv2d, Quantizer, QuantLinear
from quantlib.ptq import UniformQuantizer
from quantlib.uniform import QParams, choose_qparams


class Unchanged(Quantizer):
    """Quantization switched off."""

    def forward(self, x):
        return x


def conv(*args, **options):
    return lambda bias: QuantConv2d(*args, bias=bias, weight_quant=Unchanged(), **options)


LAYERS = {
    "strides": (conv(3, 6, 3, 2, 1), (3, 3, 9, 8)),
    "same": (conv(3, 6, (4, 3), padding="same"), (3, 3, 9, 8)),
    "grouped": (conv(4, 8, 3, groups=2), (3, 4, 9, 8)),
    "dilated": (conv(3, 6, (3, 1), (2, 1), (0, 1), (2, 1)), (3, 3, 9, 8)),
    "linear": (lambda bias: QuantLinear(5, 6, bias, weight_quant=Unchanged()), (7, 5)),
}

NORMS = {
    "as it is": {},
    "large eps": {"eps": 0.1},
    "not affine": {"affine": False},
    "all batches alike": {"momentum": None},
}


def made(name, bias=True, **options):
    """Return a layer and its normalization in float64, which has seen something, and an input."""
    torch.manual_seed(0)
    make, shape = LAYERS[name]
    layer = make(bias)
    kind = nn.BatchNorm1d if name == "linear" else nn.BatchNorm2d
    norm = kind(len(layer.weight), **options)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    if norm.affine:
        nn.init.normal_(norm.weight)  # some below 0
        nn.init.normal_(norm.bias)
        with torch.no_grad():
            norm.weight[0] = 0
    return layer.double(), norm.double(), torch.randn(shape, dtype=torch.float64)


def gradients(function, x, modules):
    """Return the result, and the gradients of a weighted sum of it, those of None as 0."""
    x = x.clone().requires_grad_()
    y = function(x)
    weight = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=y.dtype)
    wanted = [x, *(p for m in modules for p in m.parameters())]
    found = torch.autograd.grad((y * weight).sum(), wanted, allow_unused=True)
    pairs = zip(found, wanted, strict=True)
    return [y, *(torch.zeros_like(p) if g is None else g for g, p in pairs)]


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", LAYERS)
def test_without_quantization_outputs_gradients_and_memory_are_those_of_both(name, norm, bias):
    layer, norm, x = made(name, bias, **NORMS[norm])
    plain, plain_norm = copy.deepcopy(layer), copy.deepcopy(norm)
    folded = qat.FoldedBatchNorm(layer, norm)
    for mode in ("training", "training", "evaluation", "frozen"):
        folded.train(mode != "evaluation").frozen.fill_(mode == "frozen")
        plain_norm.train(mode == "training")
        found = gradients(folded, x, (layer, norm))
        wanted = gradients(lambda x: plain_norm(plain(x)), x, (plain, plain_norm))
        for a, b in zip(found, wanted, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
        for (key, a), b in zip(
            norm.state_dict().items(), plain_norm.state_dict().values(), strict=True
        ):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12, msg=key)
    torch.testing.assert_close(folded.folded()(x), plain_norm.eval()(plain(x)))


def test_the_quantized_weights_are_those_of_evaluation():
    """In training too the integers are of the remembered deviation, and c gives the batch's."""
    layer, norm, x = made("strides")
    layer, norm, x = layer.float(), norm.float(), x.float()
    seen = []

    class Looks(Quantizer):
        def forward(self, x):
            seen.append(x.detach().clone())
            return x

    layer.weight_quant = Looks()
    folded = qat.FoldedBatchNorm(layer, norm)
    deviation = torch.sqrt(norm.running_var + norm.eps)
    folded.train()(x)
    wanted = layer.weight * (norm.weight / deviation).reshape(-1, 1, 1, 1)
    torch.testing.assert_close(seen[0], wanted.detach())


def test_one_layer_of_both_has_the_same_codes_and_results():
    layer, norm, x = made("grouped")
    layer, norm, x = layer.float(), norm.float(), x.float()
    weight = layer.weight / torch.sqrt(norm.running_var + norm.eps).reshape(-1, 1, 1, 1)
    layer.weight_quant = UniformQuantizer(choose_qparams(weight.detach(), 4))
    folded = qat.FoldedBatchNorm(layer, norm).eval()
    one = folded.folded()
    assert type(one) is QuantConv2d and not one.weight.requires_grad
    torch.testing.assert_close(one(x), folded(x).detach())
    assert folded.weight_quant is layer.weight_quant


def test_a_frozen_one_computes_the_same_in_training_and_stays():
    layer, norm, x = made("strides")
    folded = qat.FoldedBatchNorm(layer, norm)
    folded.frozen.fill_(True)
    before = {k: v.clone() for k, v in norm.state_dict().items()}
    assert torch.equal(folded.train()(x), folded.eval()(x))
    assert all(torch.equal(before[k], v) for k, v in norm.state_dict().items())


def test_a_batch_of_one_number_is_refused_and_of_none_passes():
    layer, norm, x = made("strides")
    folded = qat.FoldedBatchNorm(layer, norm).train()
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        folded(x[:1, :, :2, :2])
    before = norm.running_mean.clone()
    assert folded(x[:0]).shape == (0, *folded(x).shape[1:])
    assert norm.running_mean.isfinite().all() and before.isfinite().all()


def a_layer(**options):
    return QuantConv2d(3, 6, 3, padding=1, **{"weight_quant": Unchanged()} | options)


@pytest.mark.parametrize(
    ("layer", "norm", "error", "words"),
    [
        (nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), TypeError, "layer must be a QuantConv2d"),
        (a_layer(weight_quant=None), nn.BatchNorm2d(6), ValueError, "layer must have a weight_q"),
        (
            a_layer(act_quant=UniformQuantizer(QParams(0.5, 0, 4))), nn.BatchNorm2d(6),
            ValueError, "no act_quant",
        ),
        (a_layer(padding_mode="reflect"), nn.BatchNorm2d(6), ValueError, "layer must pad with z"),
        (a_layer(padding_value=1), nn.BatchNorm2d(6), ValueError, "layer must pad with zeros"),
        (a_layer(), nn.GroupNorm(2, 6), TypeError, "norm must be .* got GroupNorm"),
        (a_layer(), nn.BatchNorm2d(5), ValueError, "norm must have 6 channels.* got 5"),
        (a_layer(), nn.BatchNorm2d(6, track_running_stats=False), ValueError, "norm must remember"),
    ],
)  # fmt: skip
def test_what_cannot_be_folded_is_refused(layer, norm, error, words):
    with pytest.raises(error, match=words):
        qat.FoldedBatchNorm(layer, norm)
