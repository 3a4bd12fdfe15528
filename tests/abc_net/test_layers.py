"""ABC-Net's quantizers and layers: by loops, by hand, by a smooth function's gradient."""

import io
import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from quantlib import abc_net, data, kernels, layers, models
from quantlib.abc_net import AbcActivations, AbcWeights, ApproxConv2d, ApproxLinear
from quantlib.layers import QuantConv2d, QuantLinear


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def randn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype, generator=generator(seed))


def reference(w, shifts, axis):
    """Bases, factors by LAPACK, and the deviation; of NumPy arrays."""
    deviation = np.sqrt(((w - w.mean()) ** 2).mean())
    bases = np.array([np.where(w - w.mean() + u * deviation >= 0, 1.0, -1.0) for u in shifts])
    parts = [(w, bases)] if axis is None else [(w[o], bases[:, o]) for o in range(len(w))]
    found = [np.linalg.lstsq(b.reshape(len(b), -1).T, x.ravel())[0] for x, b in parts]
    # M factors of the tensor, or of each filter, against M x the shape of w.
    alphas = np.array(found).T.reshape(len(bases), -1, *[1] * (w.ndim - 1))
    return bases, alphas, deviation


# ---------------------------------------------------------------- weights


@pytest.mark.parametrize("axis", [None, 0])
@pytest.mark.parametrize("n_bases", [1, 2, 3, 5])
def test_weights_and_their_gradients_are_the_formulas(n_bases, axis):
    w = randn(4, 3, 2, 2).requires_grad_()
    quantizer = AbcWeights(n_bases, axis=axis, trainable_shifts=True).double()
    toward = randn(*w.shape, seed=1)
    found = quantizer(w)
    (found * toward).sum().backward()
    shifts = quantizer.shifts.detach().numpy()
    bases, alphas, deviation = reference(w.detach().numpy(), shifts, axis)
    np.testing.assert_allclose(found.detach(), (alphas * bases).sum(0), atol=1e-12)
    by_basis = alphas * toward.numpy()  # the derivative for each B_m
    by_basis = np.broadcast_to(by_basis, bases.shape)
    np.testing.assert_allclose(w.grad, by_basis.sum(0), atol=1e-12)
    wanted = deviation * by_basis.reshape(n_bases, -1).sum(1)
    np.testing.assert_allclose(quantizer.shifts.grad, wanted, atol=1e-11)


def test_factors_are_solved_for_anew():
    w, quantizer = randn(3, 8), AbcWeights(3, axis=0).double()
    before = quantizer(w)
    torch.testing.assert_close(quantizer(5 * w), 5 * before)
    torch.testing.assert_close(quantizer.eval()(w), before)


def test_shifts_are_saved_and_trained_if_asked():
    fixed, trained = AbcWeights(3), AbcWeights(3, trainable_shifts=True)
    assert list(fixed.parameters()) == [] and [n for n, _ in trained.named_parameters()] == [
        "shifts"
    ]
    with torch.no_grad():
        trained.shifts.copy_(torch.tensor([-0.5, 0.1, 2.0]))
    assert fixed.load_state_dict(trained.state_dict())[:2] == ([], [])
    w = randn(3, 8)
    assert torch.equal(fixed(w), trained(w)) and not torch.equal(fixed(w), AbcWeights(3)(w))


@pytest.mark.parametrize("axis", [None, 0])
@pytest.mark.parametrize("value", [0.0, 0.1])
def test_constant_and_zero_filters(axis, value):
    w = torch.full((2, 3), value, requires_grad=True)
    found = AbcWeights(4, axis=axis)(w)
    torch.testing.assert_close(found, w)
    found.sum().backward()
    assert w.grad.isfinite().all()
    mixed = torch.cat([w.detach(), randn(2, 3, dtype=torch.float32)])
    assert AbcWeights(4, axis=axis)(mixed).isfinite().all()


def test_levels_of_weights_are_one_more_than_bases():
    layer = ApproxLinear(64, 8, n_weight_bases=3)
    found = layer.quantized_weight
    assert len(found.levels) == 4 and found.scale is None
    torch.testing.assert_close(found.levels[0], -found.levels[-1])


# ---------------------------------------------------------------- activations


@pytest.mark.parametrize("n_bases", [1, 2, 3, 4, 7])
def test_activations_start_as_a_staircase(n_bases):
    """N steps of one height from -1 to 1, at the middles of N parts of the way."""
    x = torch.linspace(-1.99, 2.01, 401)
    steps = np.floor((x.numpy().astype(np.float64) + 1) / 2 * n_bases + 0.5).clip(0, n_bases)
    found = AbcActivations(n_bases)(x).detach()
    np.testing.assert_allclose(found, 2 * steps / n_bases - 1, atol=1e-6)


def test_a_basis_is_its_formula():
    quantizer = AbcActivations(3)
    with torch.no_grad():
        quantizer.v.copy_(torch.tensor([-0.25, 0.5, 1.0]))
        quantizer.beta.copy_(torch.tensor([1.0, -0.5, 2.0]))
    x = torch.arange(-16, 17) / 8  # every threshold is met exactly
    wanted = [
        sum(
            beta * (1 if min(max(value + v, 0), 1) >= 0.5 else -1)
            for v, beta in [(-0.25, 1.0), (0.5, -0.5), (1.0, 2.0)]
        )
        for value in x.tolist()
    ]
    assert quantizer(x).tolist() == wanted


@pytest.mark.parametrize(("gradient", "slope"), [("ramp", 2.0), ("paper", 1.0)])
def test_gradients_of_activations_are_the_formulas(gradient, slope):
    quantizer = AbcActivations(3, gradient=gradient).double()
    with torch.no_grad():
        quantizer.v.copy_(torch.tensor([-0.25, 0.5, 1.0]))
        quantizer.beta.copy_(torch.tensor([1.0, -0.5, 2.0]))
    x = (torch.arange(-16, 17) / 8).double().requires_grad_()  # the ends of ramps included
    toward = randn(33)
    (quantizer(x) * toward).sum().backward()
    v, beta, at, g = (
        t.detach().numpy()
        for t in (quantizer.v[:, None], quantizer.beta[:, None], x[None], toward[None])
    )
    inside = (at + v >= 0) & (at + v <= 1)
    np.testing.assert_allclose(x.grad, (slope * beta * g * inside).sum(0), atol=1e-12)
    np.testing.assert_allclose(quantizer.v.grad, (slope * beta * g * inside).sum(1), atol=1e-12)
    signs = np.where(at + v >= 0.5, 1, -1)
    np.testing.assert_allclose(quantizer.beta.grad, (g * signs).sum(1), atol=1e-12)


def test_the_slopes_of_a_ramp_rise_as_the_staircase_does():
    """Summed up over x they give the way from the lowest to the highest level; the paper's half."""
    for gradient, share in [("ramp", 1.0), ("paper", 0.5)]:
        x = torch.linspace(-3, 3, 60_001, dtype=torch.float64, requires_grad=True)
        y = AbcActivations(4, gradient=gradient).double()(x)
        y.sum().backward()
        risen = float(x.grad.sum() * 6 / 60_000)
        assert risen == pytest.approx(share * float((y[-1] - y[0]).detach()), rel=1e-3)


def trained_shifts(start, steps=20):
    """Train the bases of activations toward x itself, from shifts that are given."""
    quantizer, x = AbcActivations(3), randn(256, dtype=torch.float32)
    with torch.no_grad():
        quantizer.v.copy_(start)
    optimizer = torch.optim.Adam(quantizer.parameters(), 0.05)
    for _ in range(steps):
        optimizer.zero_grad()
        functional.mse_loss(quantizer(x), x).backward()
        optimizer.step()
    return quantizer, functional.mse_loss(quantizer(x), x).item()


def test_equal_shifts_are_one_basis_for_ever():
    """As in published code, where all start at 0. Ours differ, and come nearer."""
    same, error = trained_shifts(torch.zeros(3))
    assert torch.equal(same.v[0].expand(3), same.v) and not torch.equal(same.v, torch.zeros(3))
    assert len(same(torch.linspace(-4, 4, 999)).unique()) == 2
    ours, smaller = trained_shifts(AbcActivations(3).v.detach())
    assert len(ours.v.unique()) == 3 and smaller < error / 2


@pytest.mark.parametrize("n_bases", [1, 3])
def test_a_nan_stays_a_nan_and_infinity_is_at_an_end(n_bases):
    x = torch.tensor([float("nan"), float("inf"), -float("inf"), 0.25], requires_grad=True)
    quantizer = AbcActivations(n_bases)
    found = quantizer(x)
    assert found.isnan().tolist() == [True, False, False, False]
    torch.testing.assert_close(found[1:3], torch.tensor([1.0, -1.0]))
    found[1:].sum().backward()
    assert x.grad[1:].isfinite().all()
    for value in (float("nan"), float("inf"), -float("inf")):
        w = torch.tensor([[1.0, value], [2.0, 3.0]])
        assert AbcWeights(n_bases)(w).isnan().all()  # the mean is one of all weights
        assert AbcWeights(n_bases, axis=0)(w).isnan().all()


def test_lost_parameters_are_set_again():
    quantizer = AbcActivations(3).to("meta").to_empty(device="cpu")
    quantizer.reset_parameters()
    for name, value in AbcActivations(3).state_dict().items():
        torch.testing.assert_close(quantizer.state_dict()[name], value)


# ---------------------------------------------------------------- layers


@pytest.mark.parametrize("axis", [None, 0])
@pytest.mark.parametrize("n_act_bases", [1, 3, None])
@pytest.mark.parametrize("n_weight_bases", [1, 2])
def test_a_convolution_is_the_sum_of_binary_ones(n_weight_bases, n_act_bases, axis):
    """By loops over pixels; each product has 0 outside, and the bias comes once."""
    layer = ApproxConv2d(
        3, 4, (3, 2), 2, 1, n_weight_bases=n_weight_bases, n_act_bases=n_act_bases,
        axis=axis, bias=True,
    )  # fmt: skip
    x = randn(2, 3, 6, 5).numpy().astype(np.float32)
    w = layer.weight.detach().numpy().astype(np.float64)
    bases, alphas, _ = reference(w, abc_net.initial_shifts(n_weight_bases), axis)
    if n_act_bases is None:
        terms = [(1.0, x)]
    else:
        v, beta = (t.detach().numpy() for t in (layer.act_quant.v, layer.act_quant.beta))
        terms = [(b, np.where(x + s >= 0.5, 1, -1)) for s, b in zip(v, beta, strict=True)]
    found = layer(torch.from_numpy(x)).detach().numpy()
    assert found.shape == (2, 4, 3, 3)
    for n, o, i, j in np.ndindex(*found.shape):
        value = layer.bias[o].item()
        for (beta, signs), m in itertools.product(terms, range(n_weight_bases)):
            padded = np.pad(signs, [(0, 0), (0, 0), (1, 1), (1, 1)])
            window = padded[n, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 2]
            alpha = alphas[m, 0 if axis is None else o].item()
            value += alpha * beta * (window * bases[m, o]).sum()
        assert found[n, o, i, j] == pytest.approx(value, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"padding": 1},
        {"padding": 2, "dilation": 2, "stride": (2, 1)},
        {"padding": 1, "groups": 2},
        {"padding": "same"},
    ],
    ids=str,
)
def test_binary_kernels_of_the_bases_add_up_to_the_layer(options):
    """What is packed with zeros outside is what was trained."""
    layer = ApproxConv2d(4, 6, 3, axis=0, bias=True, **options)
    x = randn(2, 4, 7, 6, dtype=torch.float32)
    shifts = layer.weight_quant.shifts
    bases = abc_net.weight_bases(layer.weight, shifts)
    alphas = abc_net.fit_alphas(layer.weight, bases, axis=0)
    total = layer.bias.detach().numpy()[:, None, None]
    sizes = options | {"padding": 1 if options["padding"] == "same" else options["padding"]}
    for basis, alpha in zip(bases, alphas, strict=True):
        for beta, signs in zip(layer.act_quant.beta, layer.act_quant.bases(x), strict=True):
            sums = kernels.xnor_conv2d(
                kernels.pack_signs(signs.detach().numpy(), 1),
                kernels.pack_signs(basis.numpy(), 1, panels=True),
                **sizes, padding_value=0,
            )  # fmt: skip
            total = total + (alpha[:, None, None] * beta).detach().numpy() * sums
    assert len(alphas) == len(layer.act_quant.bases(x)) == 3
    np.testing.assert_allclose(layer(x).detach().numpy(), total, rtol=1e-4, atol=1e-5)


def test_the_bias_is_counted_once():
    """In published code each of the M x N products has it, times its factors."""
    layer = ApproxConv2d(2, 3, 3, padding=1, n_weight_bases=2, bias=True)
    x = randn(1, 2, 5, 5, dtype=torch.float32)
    with_bias = layer(x)
    bias, layer.bias = layer.bias, None
    difference = with_bias - layer(x)
    torch.testing.assert_close(difference, bias[:, None, None].expand_as(difference))


def test_a_linear_layer_is_a_convolution_of_one_pixel():
    linear, conv = ApproxLinear(37, 5, axis=0, bias=True), ApproxConv2d(37, 5, 1, axis=0, bias=True)
    with torch.no_grad():
        conv.weight.copy_(linear.weight[:, :, None, None])
        conv.bias.copy_(linear.bias)
    x = randn(3, 37, dtype=torch.float32)
    torch.testing.assert_close(linear(x), conv(x[:, :, None, None])[:, :, 0, 0])


def test_batches_of_size_0_and_of_several_axes():
    conv, linear = ApproxConv2d(3, 5, 3), ApproxLinear(6, 4)
    x = torch.zeros(0, 3, 8, 7, requires_grad=True)
    found = conv(x)
    found.sum().backward()
    assert found.shape == (0, 5, 6, 5) and x.grad.shape == x.shape
    assert linear(torch.zeros(0, 6)).shape == (0, 4)
    x = randn(2, 3, 6, dtype=torch.float32)
    torch.testing.assert_close(linear(x)[1, 2], linear(x[1, 2]))


def test_gradient_in_the_layer_is_that_of_smooth_stand_ins():
    """Ramps for steps and the identity for bases, with the values of the steps and the bases."""
    layer = ApproxConv2d(2, 3, 3, padding=1, n_weight_bases=2, trainable_shifts=True).double()
    x, toward = randn(2, 2, 5, 5).requires_grad_(), randn(2, 3, 5, 5, seed=1)
    (layer(x) * toward).sum().backward()

    def in_place_of(values, smooth):
        return smooth + (torch.as_tensor(values) - smooth).detach()

    w, shifts = (
        t.detach().clone().requires_grad_() for t in (layer.weight, layer.weight_quant.shifts)
    )
    bases, alphas, deviation = reference(w.detach().numpy(), shifts.detach().numpy(), None)
    weights = sum(
        float(alphas[m].item()) * in_place_of(bases[m], w + shifts[m] * deviation) for m in (0, 1)
    )
    at, v, beta = (
        t.detach().clone().requires_grad_() for t in (x, layer.act_quant.v, layer.act_quant.beta)
    )
    values = sum(
        beta[n] * in_place_of(
            torch.where(at + v[n] >= 0.5, 1.0, -1.0), 2 * functional.hardtanh(at + v[n], 0, 1) - 1
        )
        for n in range(3)
    )  # fmt: skip
    (functional.conv2d(values, weights, padding=1) * toward).sum().backward()
    for found, wanted in [
        (x, at), (layer.weight, w), (layer.weight_quant.shifts, shifts),
        (layer.act_quant.v, v), (layer.act_quant.beta, beta),
    ]:  # fmt: skip
        torch.testing.assert_close(found.grad, wanted.grad)


@pytest.mark.parametrize("options", [{}, {"axis": 0, "trainable_shifts": True}], ids=str)
def test_a_converted_network_trains_and_comes_back_from_a_file(options):
    digits = data.load()
    images, labels = (torch.as_tensor(t[:256]) for t in (digits.train_images, digits.train_labels))
    with models.seeded(0):
        plain = models.LeNet5(1, 10, 8, batch_norm=True)

    def converted():
        chosen = abc_net.layers.quantizers(2, 2, **options)
        return layers.convert(plain, **chosen, skip=["conv1", "output"])

    model = converted()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    losses = []
    for _ in range(15):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(images), labels.long())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    inner = model.fc1
    assert not torch.equal(inner.act_quant.v, AbcActivations(2).v)
    changed = not torch.equal(inner.weight_quant.shifts, AbcWeights(2).shifts)
    assert changed == bool(options)

    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    again = converted()
    assert again.load_state_dict(torch.load(file))[:2] == ([], [])
    assert torch.equal(again.eval()(images), model.eval()(images))


def test_the_state_of_other_bases_is_refused():
    state = ApproxLinear(3, 2).state_dict()
    assert {"weight_quant.shifts", "act_quant.v", "act_quant.beta"} < state.keys()
    ApproxLinear(3, 2, trainable_shifts=True, gradient="paper").load_state_dict(state)
    for other in ({"axis": 0}, {"n_weight_bases": 2}, {"n_act_bases": 4}, {"n_act_bases": None}):
        with pytest.raises(RuntimeError, match=r"layer has weight_quant=AbcWeights\(n_bases=.*3"):
            ApproxLinear(3, 2, **other).load_state_dict(state)


def test_what_outside_is_can_only_be_0():
    """A bit +1 in all bases would be the sum of all betas, which is trained, and not 1."""
    assert ApproxConv2d(1, 1, 3, padding=1).padding_value == 0
    assert QuantConv2d(1, 1, 3, padding=1, act_quant=AbcActivations(2)).padding_value == 0
    with pytest.raises(TypeError, match="padding_value"):
        ApproxConv2d(1, 1, 3, padding=1, padding_value=1)


def test_layers_have_the_device_and_the_dtype_that_is_asked_for():
    layer = ApproxConv2d(1, 1, 3, dtype=torch.float64, device="meta", trainable_shifts=True)
    assert {(p.dtype, p.device.type) for p in layer.parameters()} == {(torch.float64, "meta")}
    # Of a converted network the quantizers are made elsewhere.
    model = layers.convert(nn.Linear(3, 2).double(), **abc_net.layers.quantizers())
    assert model(randn(2, 3)).dtype == torch.float64


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: AbcWeights(0), ValueError, "n_bases must be from 1 to 64"),
        (lambda: AbcWeights(3, axis=1), ValueError, "axis must be one of None, 0"),
        (lambda: AbcWeights(3, trainable_shifts=1), TypeError, "trainable_shifts must be True"),
        (lambda: AbcWeights(3)([1.0]), TypeError, "w must be a torch tensor"),
        (lambda: AbcActivations(65), ValueError, "n_bases must be from 1 to 64"),
        (lambda: AbcActivations(3, gradient="exact"), ValueError, "gradient must be one of 'ramp'"),
        (lambda: AbcActivations(3)(np.ones(2)), TypeError, "x must be a torch tensor"),
        (lambda: ApproxLinear(3, 0), ValueError, "out_features must be from 1"),
        (lambda: ApproxLinear(3, 2, n_weight_bases=None), TypeError, "n_bases must be a whole"),
        (lambda: ApproxConv2d(3, 2, 3, padding=-1), ValueError, "padding must be from 0"),
        (lambda: ApproxConv2d(1, 2, 3)(torch.ones(1, 1, 2, 5)), ValueError, "smaller"),
    ],
)
def test_bad_input_is_refused_by_name(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_presets_take_their_quantizers():
    layer = ApproxLinear(3, 2, n_weight_bases=5, n_act_bases=None, axis=0)
    assert isinstance(layer, QuantLinear) and layer.act_quant is None and layer.bias is None
    assert repr(layer.weight_quant) == "AbcWeights(n_bases=5, axis=0)"
