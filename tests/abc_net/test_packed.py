"""ABC-Net's layers that run on packed bases, beside torch."""

import numpy as np
import pytest
import torch
from torch import nn

from quantlib import kernels, layers
from quantlib.abc_net import ApproxConv2d, ApproxLinear
from quantlib.abc_net.lowering import to_packed
from quantlib.abc_net.quantizers import AbcActivations, AbcWeights
from quantlib.models import Residual
from quantlib.packed import PackedNetwork, steps


def spread(network, generator):
    """Give thresholds, factors and normalizations values of their own."""
    for module in network.modules():
        if isinstance(module, AbcActivations):
            with torch.no_grad():
                module.v += 0.3 * torch.randn(module.n_bases, generator=generator)
                module.beta += 0.3 * torch.randn(module.n_bases, generator=generator)
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            for values in (module.weight.data, module.bias.data, module.running_mean):
                values.add_(0.3 * torch.randn(values.shape, generator=generator))
            module.weight.data[0] *= -1
    return network.eval()


def network(m, n, axis):
    bases = {"n_weight_bases": m, "n_act_bases": n, "axis": axis}
    torch.manual_seed(m + 10 * n)
    model = nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1), nn.BatchNorm2d(8),
        ApproxConv2d(8, 6, 3, padding=1, **bases), nn.BatchNorm2d(6), nn.MaxPool2d(2),
        ApproxConv2d(6, 6, 3, padding=(0, 2), stride=2, groups=2, bias=True, **bases),
        nn.Flatten(), nn.BatchNorm1d(6 * 2 * 4), ApproxLinear(6 * 2 * 4, 5, bias=True, **bases),
    )  # fmt: skip
    return spread(model, torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("m", "n"), [(1, 1), (3, 2), (2, 3)])
@pytest.mark.parametrize("axis", [None, 0])
def test_packed_network_gives_what_torch_gives(m, n, axis, tmp_path):
    model, images = network(m, n, axis), torch.randn(30, 2, 10, 10)
    packed = to_packed(model)
    with torch.no_grad():
        right = model(images).numpy()
    found = packed(images.numpy())
    # A number that is rounded otherwise may fall on the other side of a threshold, here and there.
    close = np.isclose(found, right, rtol=1e-3, atol=1e-3).all(axis=1)
    assert close.mean() > 0.85
    packed.save(tmp_path / "network")
    loaded = PackedNetwork.load(tmp_path / "network")
    np.testing.assert_array_equal(loaded(images.numpy()), found)
    names = [type(step).__name__ for step in packed.steps]
    assert names.count("SumConv") == 2 and names.count("SumDense") == 1
    assert names.count("Bases") == 3 and "Affine" not in names[:-3]


@pytest.mark.parametrize("axis", [None, 0])
def test_one_layer_is_equal_where_nothing_is_rounded(axis):
    layer = ApproxConv2d(3, 4, 3, padding=1, n_weight_bases=2, n_act_bases=2, axis=axis, bias=True)
    model = nn.Sequential(layer).eval()
    with torch.no_grad():
        layer.weight.copy_(torch.where(layer.weight > 0, 0.5, -0.5))  # alpha: 1/4 and 1/4
        layer.weight.flatten()[::3] *= 2
        layer.act_quant.v.copy_(torch.tensor([0.25, 0.75]))
        layer.act_quant.beta.copy_(torch.tensor([0.5, 0.25]))
        layer.bias.copy_(torch.tensor([0.5, 0, -1, 2]))
    images = torch.randint(-8, 9, (5, 3, 6, 7)) / 8
    with torch.no_grad():
        right = model(images)
    torch.testing.assert_close(
        torch.from_numpy(to_packed(model)(images.numpy())), right, rtol=1e-6, atol=1e-6
    )


def test_thresholds_are_where_torch_has_them_to_the_last_bit():
    layer = ApproxLinear(1, 1, n_weight_bases=1, n_act_bases=6)
    with torch.no_grad():
        layer.act_quant.v.copy_(torch.tensor([0.1, -3.7, 1e-8, 0.5, 77.3, -1e6]))
    (step, _) = to_packed(nn.Sequential(nn.Flatten(), layer)).steps[1:]
    for n, t in enumerate(step.thresholds):
        near = np.array(
            [np.nextafter(t, np.float32(-np.inf)), t, np.nextafter(t, np.float32(np.inf))]
        )
        basis = layer.act_quant.bases(torch.from_numpy(near))[n]
        assert basis.tolist() == [-1, 1, 1]


def test_a_residual_block_and_convert():
    plain = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8),
        Residual(nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)), nn.Identity()),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3),
    )  # fmt: skip
    quantizers = {"weight_quant": AbcWeights(3, axis=0), "act_quant": AbcActivations(3)}
    model = layers.convert(plain, **quantizers, skip=["0", "5"])
    spread(model, torch.Generator().manual_seed(2))
    images = torch.randn(6, 1, 8, 8)
    with torch.no_grad():
        right = model(images).numpy()
    np.testing.assert_allclose(to_packed(model)(images.numpy()), right, rtol=0.05, atol=0.05)


def test_what_cannot_run_is_refused_by_name():
    real = nn.Sequential(ApproxConv2d(1, 2, 3, n_act_bases=None))
    with pytest.raises(ValueError, match=r"0 \(ApproxConv2d with act_quant=None\)"):
        to_packed(real)
    padded = layers.QuantConv2d(
        1, 2, 3, padding=1, weight_quant=AbcWeights(2), act_quant=AbcActivations(2), padding_value=1
    )
    with pytest.raises(ValueError, match=r"0 \(QuantConv2d with padding_value=1\)"):
        to_packed(nn.Sequential(padded))


SIGNS = kernels.pack_signs(np.ones((3, 4)))
FILTERS = kernels.pack_signs(np.ones((3, 4, 2, 2)), 1)
ALPHA, TWO = np.ones((1, 3), np.float32), np.ones(2, np.float32)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: steps.SumDense([SIGNS], ALPHA, TWO, None), TypeError, "weight must be a tuple"),
        (lambda: steps.SumDense((), ALPHA, TWO, None), TypeError, "weight must be a tuple"),
        (
            lambda: steps.SumDense((FILTERS,), ALPHA, TWO, None),
            ValueError,
            "weight must have 2 axes",
        ),
        (lambda: steps.SumDense((SIGNS,), ALPHA.T, TWO, None), ValueError, "alpha must have shape"),
        (
            lambda: steps.SumDense((SIGNS,), ALPHA * np.nan, TWO, None),
            ValueError,
            "alpha must be fin",
        ),
        (lambda: steps.SumDense((SIGNS,), [1], TWO, None), TypeError, "alpha must be an array"),
        (lambda: steps.SumDense((SIGNS,), ALPHA, TWO * np.inf, None), ValueError, "must be finite"),
        (lambda: steps.SumDense((SIGNS,), ALPHA, TWO, TWO), ValueError, "bias must have shape"),
        (lambda: steps.SumConv((FILTERS,), ALPHA, TWO, None, 1, 0, groups=2), ValueError, "groups"),
        (
            lambda: PackedNetwork(
                [steps.Flatten(), steps.Bases(TWO[:1]), steps.SumDense((SIGNS,), ALPHA, TWO, None)]
            ),
            ValueError,
            "SumDense takes 2 bases of signs, got 1 bases of signs",
        ),
        (
            lambda: PackedNetwork([steps.Flatten(), steps.SumDense((SIGNS,), ALPHA, TWO, None)]),
            ValueError,
            "SumDense takes 2 bases of signs, got real numbers",
        ),
    ],
    ids=[
        "list",
        "none",
        "axes",
        "alpha",
        "nan",
        "numbers",
        "infinite",
        "bias",
        "groups",
        "count",
        "real",
    ],
)
def test_steps_look_at_their_fields_and_at_what_comes_in(call, error, message):
    with pytest.raises(error, match=message):
        call()
