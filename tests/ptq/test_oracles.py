"""Folding and weights' parameters beside torch's, torch.ao's and torchao's own."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.ao.quantization import observer as of_torch
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from quantlib import models, ptq

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torchao.quantization import MappingType
    from torchao.quantization.pt2e import observer as of_torchao
    from torchao.quantization.quant_primitives import choose_qparams_affine, quantize_affine

#: Two roundings to float32.
CLOSE = 2 * 2.0**-23


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def used(norm):
    """A normalization in evaluation mode with half of its factors negative, and a large eps."""
    channels = norm.num_features
    with torch.no_grad():
        norm.weight.copy_(numbers(channels, seed=1))
        norm.weight[::2] = -norm.weight[::2].abs()
        norm.bias.copy_(numbers(channels, seed=2))
        norm.running_mean.copy_(numbers(channels, seed=3))
        norm.running_var.copy_(numbers(channels, seed=4).abs() / 10)
    return norm.eval()


LAYERS = {
    "Conv2d": lambda bias: nn.Conv2d(6, 8, 3, bias=bias),
    "Conv2d, groups": lambda bias: nn.Conv2d(6, 8, 3, groups=2, bias=bias),
    "Conv2d, depthwise": lambda bias: nn.Conv2d(6, 12, 3, groups=6, bias=bias),
    "ConvTranspose2d": lambda bias: nn.ConvTranspose2d(6, 8, 3, bias=bias),
    "Linear": lambda bias: nn.Linear(6, 8, bias=bias),
}


def filled(layer):
    with torch.no_grad():
        for seed, parameter in enumerate(layer.parameters(), 5):
            parameter.copy_(numbers(*parameter.shape, seed=seed))
    return layer.eval()


@pytest.mark.parametrize("bias", [False, True], ids=["without bias", "with bias"])
@pytest.mark.parametrize("name", LAYERS)
def test_fold_batch_norm_does_what_torch_does(name, bias):
    """To three roundings: torch computes in float32, we in float64 and round once."""
    layer = filled(LAYERS[name](bias))
    kind = nn.BatchNorm1d if isinstance(layer, nn.Linear) else nn.BatchNorm2d
    channels = getattr(layer, "out_channels", None) or layer.out_features
    norm = used(kind(channels, eps=0.1))
    if isinstance(layer, nn.Linear):
        fused = fuse_linear_bn_eval(layer, norm)
    else:
        fused = fuse_conv_bn_eval(layer, norm, transpose=isinstance(layer, nn.ConvTranspose2d))
    weight, shift = ptq.fold_batch_norm(layer, norm)
    assert (weight < 0).any() and weight.dtype == torch.float32
    torch.testing.assert_close(weight, fused.weight, rtol=4 * 2.0**-23, atol=0)
    # A bias is a difference, whose terms are larger than itself.
    torch.testing.assert_close(shift, fused.bias, rtol=0, atol=4 * 2.0**-23 * 4)


@pytest.mark.parametrize("bias", [False, True], ids=["without bias", "with bias"])
def test_fold_batch_norm_takes_groups_of_transposed_convolutions(bias):
    """torch's own function takes none, so what both layers say in a row is the reference."""
    layer = filled(nn.ConvTranspose2d(6, 8, 3, groups=2, bias=bias))
    norm, images = used(nn.BatchNorm2d(8, eps=0.1)), numbers(2, 6, 5, 5)
    with pytest.raises(RuntimeError):
        fuse_conv_bn_eval(layer, norm, transpose=True)
    weight, shift = ptq.fold_batch_norm(layer, norm)
    with torch.no_grad():
        found = nn.functional.conv_transpose2d(images, weight, shift, groups=2)
        torch.testing.assert_close(found, norm(layer(images)), rtol=1e-5, atol=1e-5)


# ---------------------------------------------------------------- weights


def graph():
    return ptq.fold(ptq.trace(models.load_pretrained()))


def weights():
    """The weights of each layer of the graph, by name."""
    return {n: x.weight for n, x in graph().named_layers(nn.Conv2d, nn.Linear).items()}


SOURCES = {"torch.ao": of_torch, "torchao": of_torchao}
DTYPES = {"torch.ao": torch.qint8, "torchao": torch.int8}


def observed(source, weight, *, per_channel, symmetric, **limits):
    """Scale and zero point by an observer of least and largest values."""
    kind = "PerChannelMinMaxObserver" if per_channel else "MinMaxObserver"
    scheme = (
        f"per_{'channel' if per_channel else 'tensor'}_{'symmetric' if symmetric else 'affine'}"
    )
    observer = getattr(SOURCES[source], kind)(
        dtype=DTYPES[source], qscheme=getattr(torch, scheme), **limits
    )
    observer(weight)
    return tuple(v.numpy() for v in observer.calculate_qparams())


@pytest.mark.parametrize("per_channel", [True, False], ids=["per channel", "per tensor"])
@pytest.mark.parametrize("bit_width", [8, 4])
@pytest.mark.parametrize("source", SOURCES)
def test_symmetric_parameters_of_weights_are_those_of_observers(source, bit_width, per_channel):
    """The same to the last bits, where the observer is told the same codes.

    By itself it takes all of -128 to 127, and divides by half their number less one, 127.5: its
    scale is 127 / 127.5 of ours, and the largest weight is clipped where it is positive.
    """
    high = 2 ** (bit_width - 1) - 1
    ours = ptq.weight_qparams(graph(), bit_width, per_channel=per_channel)
    for name, weight in weights().items():
        options = {"per_channel": per_channel, "symmetric": True}
        scale, zero_point = observed(source, weight, **options, quant_min=-high, quant_max=high)
        np.testing.assert_allclose(np.atleast_1d(ours[name].scale), scale, rtol=CLOSE)
        assert not zero_point.any() and not np.any(ours[name].zero_point)
        usual, _ = observed(source, weight, **options, quant_min=-high - 1, quant_max=high)
        np.testing.assert_allclose(usual / scale, high / (high + 0.5), rtol=CLOSE)


@pytest.mark.parametrize("bit_width", [8, 4])
@pytest.mark.parametrize("source", SOURCES)
def test_asymmetric_parameters_of_weights_are_those_of_observers(source, bit_width):
    """Scales to the last bits, zero points exactly."""
    half = 2 ** (bit_width - 1)
    ours = ptq.weight_qparams(graph(), bit_width, per_channel=False, mapping="asymmetric")
    for name, weight in weights().items():
        scale, zero_point = observed(
            source, weight, per_channel=False, symmetric=False, quant_min=-half, quant_max=half - 1
        )
        np.testing.assert_allclose([ours[name].scale], scale, rtol=CLOSE)
        np.testing.assert_array_equal([ours[name].zero_point], zero_point)


@pytest.mark.parametrize("bit_width", [8, 4])
def test_symmetric_parameters_of_weights_are_those_of_torchaos_function(bit_width):
    """As with its observers; its blocks are the weights that share a scale."""
    high = 2 ** (bit_width - 1) - 1
    ours = ptq.weight_qparams(graph(), bit_width)
    for name, weight in weights().items():
        scale, zero_point = choose_qparams_affine(
            weight, MappingType.SYMMETRIC, (1, *weight.shape[1:]), torch.int8, -high, high
        )
        np.testing.assert_allclose(ours[name].scale, scale.flatten().numpy(), rtol=CLOSE)
        assert not zero_point.any()


def test_codes_of_weights_are_torchaos():
    """Of the same parameters; only next to a tie may one differ, as both multiply in float32."""
    for name, qparams in ptq.weight_qparams(graph(), 8).items():
        weight = weights()[name]
        scale, zero_point = (
            torch.tensor(x, dtype=kind)
            for x, kind in ((qparams.scale, torch.float32), (qparams.zero_point, torch.int32))
        )
        block = (1, *weight.shape[1:])
        codes = quantize_affine(weight, block, scale, zero_point, torch.int8, -127, 127)
        differ = (qparams.quantize(weight) - codes).abs()
        assert differ.max() <= 1 and differ.double().mean() < 1e-3


@pytest.mark.parametrize("source", SOURCES)
def test_scales_of_weights_that_are_zero_or_tiny_are_our_own(source):
    """Observers let no scale be less than 2**-23, the relative step of float32.

    Weights so small all get the code 0 there; ours keep theirs. A channel of zeros has no range,
    and gets the scale 1 here: 0 has the code 0 with either.
    """
    conv = nn.Conv2d(1, 3, 1).eval()
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([1.0, 2.0**-30, 0.0]).reshape(3, 1, 1, 1))
    ours = ptq.weight_qparams(ptq.trace(nn.Sequential(conv).eval()), 8)["0"]
    options = {"per_channel": True, "symmetric": True}
    scale, _ = observed(source, conv.weight, **options, quant_min=-127, quant_max=127)
    np.testing.assert_array_equal(scale[1:], 2.0**-23)
    np.testing.assert_allclose(ours.scale, [1 / 127, 2.0**-30 / 127, 1.0], rtol=CLOSE)
    assert ours.quantize(conv.weight).flatten().tolist() == [127, 127, 0]
