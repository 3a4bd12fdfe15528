"""Quantized layers: what torch's layers take, conversion, and a method that the test defines."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from quantlib import binary, data, layers, lowering, models, training
from quantlib.binary import SignActivations, SignWeights, XnorActivations
from quantlib.layers import QuantConv2d, Quantizer, QuantLinear, convert
from quantlib.packed import steps

METHODS = ("binaryconnect", "bwn", "bnn", "xnor")
QUANTIZERS = {
    "weights": SignWeights(),
    "weights with alpha": SignWeights("channel"),
    "weights drawn": SignWeights(stochastic=True),
    "activations": SignActivations(),
    "activations drawn": SignActivations(stochastic=True),
    "xnor": XnorActivations(),
}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


class Thirds(Quantizer):
    """A method that no chapter has: -1/3, 0 or 1/3 of the largest weight, straight through."""

    def forward(self, w):
        step = w.detach().abs().max() / 3
        return w + (step * torch.clamp(torch.round(w / step), -1, 1) - w).detach()


def test_a_method_of_ones_own_trains_and_deploys(monkeypatch):
    """With nothing changed elsewhere: a quantizer, and a rule that is registered for it."""
    digits = data.load()
    plain = models.LeNet5(1, 10, 8, batch_norm=True)
    model = convert(plain, weight_quant=Thirds(), skip=["conv1", "output"])
    training.fit(model, digits, epochs=3, learning_rate=0.01, progress=False)
    assert training.evaluate(model, digits) > 0.8
    weights = model.fc1.quantized_weight.values
    assert len(weights.round(decimals=4).unique()) == 3 and len(model.fc1.weight.unique()) > 1000
    with pytest.raises(ValueError, match=r"conv2 \(QuantConv2d with weight_quant=Thirds\(\)\)"):
        lowering.to_packed(model)

    monkeypatch.setattr(lowering, "_RULES", dict(lowering._RULES))

    @lowering.rule(Thirds, role="weight_quant")
    def _thirds(quantizer, layer):
        return [lowering.real_layer(layer, quantizer(layer.weight))]

    packed = lowering.to_packed(model)
    np.testing.assert_array_equal(
        packed.predict(digits.test_images), training.predict(model, digits.test_images)
    )


def test_a_subclass_that_computes_in_its_own_way_is_not_taken_for_its_parent():
    class Shifted(SignWeights):
        def factors(self, w):
            return super().factors(w + 1)

    class Doubled(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    class Named(nn.Linear):
        pass

    model = nn.Sequential(
        QuantConv2d(1, 2, 3, weight_quant=Shifted()), nn.Flatten(), Doubled(2, 2), Named(2, 2)
    )
    with pytest.raises(
        ValueError, match=r"packed: 0 \(QuantConv2d with weight_quant=Shifted\(\)\), 2 \(Doubled\)$"
    ):
        lowering.to_packed(model)


def test_without_quantizers_the_layers_are_torchs():
    x = torch.randn(2, 4, 9, 8, generator=generator())
    options = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2), "groups": 2}
    ours, theirs = QuantConv2d(4, 6, (3, 2), **options), nn.Conv2d(4, 6, (3, 2), **options)
    ours.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(ours(x), theirs(x))
    linear = QuantLinear(8, 3)
    torch.testing.assert_close(linear(x), functional.linear(x, linear.weight, linear.bias))


# ---------------------------------------------------------------- what torch's layers take


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("padding_value", [None, 0])
@pytest.mark.parametrize(
    "options",
    [
        {"groups": 2},
        {"groups": 4},  # depthwise
        {"dilation": 2, "padding": 2},
        {"stride": (2, 1), "padding": (0, 2)},
        {"padding": "same", "dilation": (1, 2)},
        {"padding": "same", "kernel_size": 2},  # one more on the right and below
        {"padding": "valid", "stride": 2},
    ],
    ids=str,
)
def test_convolution_takes_what_torchs_takes(method, padding_value, options):
    """Against torch's convolution of +1 and -1, and sums over windows for the map K."""
    options = {"kernel_size": 3, **options}
    signs = method in ("bnn", "xnor")
    layer = binary.BinaryConv2d(
        4, 8, **options, method=method, bias=True, padding_value=padding_value if signs else None
    )
    x = torch.randn(2, 4, 7, 6, generator=generator())
    alpha = layer.weight.abs().mean((1, 2, 3)) if method in ("bwn", "xnor") else torch.ones(8)
    edges = nn.Conv2d(4, 8, **options)._reversed_padding_repeated_twice
    outside = 1.0 if signs and padding_value is None else 0.0
    values = functional.pad(torch.where(x >= 0, 1.0, -1.0) if signs else x, edges, value=outside)
    rest = [layer.stride, 0, layer.dilation, layer.groups]
    wanted = functional.conv2d(values, torch.where(layer.weight >= 0, 1.0, -1.0), None, *rest)
    wanted = wanted * alpha[:, None, None]
    if method == "xnor":
        ones = torch.ones_like(layer.weight)
        sums = functional.conv2d(functional.pad(x.abs(), edges), ones, None, *rest)
        wanted = wanted * sums / ones[0].numel()
    wanted = wanted + layer.bias[:, None, None]
    torch.testing.assert_close(layer(x), wanted, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(layer(x[0]), wanted[0], rtol=1e-4, atol=1e-4)  # one image alone


@pytest.mark.parametrize("method", METHODS)
def test_batches_of_size_0_and_of_several_axes(method):
    conv, linear = (
        binary.BinaryConv2d(3, 5, 3, method=method),
        binary.BinaryLinear(6, 4, method=method),
    )
    assert conv(torch.zeros(0, 3, 8, 7)).shape == (0, 5, 6, 5)
    assert linear(torch.zeros(0, 6)).shape == (0, 4)
    x = torch.randn(2, 3, 6, generator=generator())
    torch.testing.assert_close(linear(x)[1], linear(x[1]))
    torch.testing.assert_close(linear(x)[1, 2], linear(x[1, 2]))


@pytest.mark.parametrize("name", QUANTIZERS)
def test_a_nan_stays_a_nan_and_infinity_has_a_sign(name):
    x = torch.tensor([[1.0, float("nan"), -2.0, 0.0]], requires_grad=True)
    values, scale = QUANTIZERS[name].train().factors(x)
    assert values.isnan().tolist() == [[False, True, False, False]]
    assert scale is None or scale.isnan().all()
    infinite = torch.tensor([[float("inf"), -float("inf")]])
    assert QUANTIZERS[name].factors(infinite)[0].tolist() == [[1.0, -1.0]]


@pytest.mark.parametrize("method", METHODS)
def test_a_nan_shows_in_every_result_that_it_is_part_of(method):
    conv, linear = (
        binary.BinaryConv2d(2, 3, 3, padding=1, method=method),
        binary.BinaryLinear(4, 3, method=method),
    )
    x = torch.ones(2, 2, 6, 6)
    x[0, 1, 1, 1] = float("nan")
    found = conv(x).isnan()
    assert found[0, :, :3, :3].all() and not found[0, :, 3:].any() and not found[1].any()
    x = torch.ones(2, 4)
    x[1, 2] = float("nan")
    assert linear(x).isnan().tolist() == [[False] * 3, [True] * 3]


@pytest.mark.parametrize("method", METHODS)
def test_compiled_and_exported_layers_compute_the_same(method):
    model = nn.Sequential(
        binary.BinaryConv2d(2, 4, 3, padding=1, method=method),
        nn.BatchNorm2d(4),
        nn.Flatten(),
        binary.BinaryLinear(64, 3, method=method),
    ).eval()
    x = torch.randn(2, 2, 4, 4, generator=generator())
    exported = torch.export.export(model, (x,)).module()
    assert torch.equal(exported(x), model(x))

    def gradients(function):
        leaf = x.clone().requires_grad_()
        y = function(leaf)
        y.square().sum().backward()
        found = [leaf.grad, *[p.grad.clone() for p in model.parameters()]]
        model.zero_grad()
        return [y, *found]

    torch._dynamo.reset()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    for ours, theirs in zip(gradients(model), gradients(compiled), strict=True):
        torch.testing.assert_close(theirs, ours)


# ---------------------------------------------------------------- conversion


def test_convert_keeps_the_model_and_its_weights():
    model = models.LeNet5(1, 10, 8)
    found = convert(model, **binary.layers.quantizers("xnor"), skip=["conv1", "fc3"])
    assert [type(m).__name__ for m in models.weight_layers(model).values()] == ["Conv2d"] * 2 + [
        "Linear"
    ] * 3
    assert list(layers.quantized(found)) == ["conv2", "fc1", "fc2"]
    for name, value in model.state_dict().items():
        assert torch.equal(found.state_dict()[name], value)
    assert found.conv2.weight is not model.conv2.weight
    assert found.conv2.weight_quant is not found.fc1.weight_quant
    own = layers.convert_(model, weight_quant=SignWeights())
    assert own is model and own.fc1.weight_quant is not None


def test_convert_asks_a_function_with_each_layer():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4, 2))
    seen = []

    def make(layer):
        seen.append(tuple(layer.weight.shape))
        return SignWeights("channel") if layer.weight.ndim == 2 else None

    found = convert(model, weight_quant=make)
    assert seen == [(4, 1, 3, 3), (2, 4)]
    assert found[0].weight_quant is None and found[2].weight_quant.scale == "channel"


def test_a_layer_in_two_places_stays_one():
    shared = nn.Linear(4, 4)
    found = convert(nn.Sequential(shared, nn.ReLU(), shared), weight_quant=SignWeights())
    assert isinstance(found[0], QuantLinear) and found[0] is found[2]
    kept = convert(nn.Sequential(shared, nn.ReLU(), shared), weight_quant=SignWeights(), skip=["0"])
    assert type(kept[0]) is nn.Linear and kept[0] is kept[2]
    single = convert(nn.Linear(4, 2), weight_quant=SignWeights())
    assert isinstance(single, QuantLinear)


@pytest.mark.parametrize("size", [8, 28, 32])
def test_networks_are_torchs_and_their_binary_forms_have_the_same_weights(size):
    for method, ends in itertools.product(METHODS, ("float", "binary")):
        model = binary.BinaryLeNet5(1, 10, size, method=method, first_last=ends)
        real = binary.BinaryLeNet5(1, 10, size, method="float", first_last=ends)
        assert not layers.quantized(real)
        assert torch.equal(model.fc1.weight, real.fc1.weight)
        expected = 3 if ends == "float" else 5
        assert len(layers.quantized(model)) == expected
        if ends == "binary":
            assert model.conv1.act_quant is None and model.conv1.weight_quant is not None


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: QuantLinear(2, 2, weight_quant="signs"),
            TypeError,
            "weight_quant must be a quantlib",
        ),
        (
            lambda: QuantConv2d(2, 2, 1, act_quant=torch.sign),
            TypeError,
            "act_quant must be a quantlib",
        ),
        (
            lambda: QuantConv2d(2, 2, 1, padding_value=-1),
            ValueError,
            "padding_value must be one of",
        ),
        (lambda: convert("model", weight_quant=SignWeights()), TypeError, "model must be"),
        (lambda: convert(nn.Linear(2, 2), skip="0"), TypeError, "skip must be a list of names"),
        (lambda: convert(nn.Sequential(nn.ReLU()), skip=["0"]), ValueError, "skip must be one of"),
        (
            lambda: convert(
                nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))),
                weight_quant=SignWeights(),
            ),
            ValueError,
            "model has parametrizations at 0",
        ),
        (lambda: convert(nn.Linear(2, 2), skip=None), TypeError, "skip must be a list of names"),
        (
            lambda: convert(nn.Sequential(nn.Linear(2, 2), nn.LazyLinear(2))),
            ValueError,
            "got no shape yet, call the model once with images, of 1.weight",
        ),
        (
            lambda: lowering.to_packed(nn.Sequential(nn.Conv2d(1, 2, 3), nn.LazyBatchNorm2d())),
            ValueError,
            "got no shape yet, call the model once with images, of 1.weight",
        ),
        (
            lambda: lowering.to_packed(nn.Sequential(nn.Conv2d(1, 2, 3, device="meta"))),
            ValueError,
            'got none, as on the device "meta", in 0.weight',
        ),
        (
            lambda: lowering.to_packed(nn.Sequential(nn.Conv2d(1, 2, 3, dtype=torch.complex64))),
            ValueError,
            "model must hold real numbers, got torch.complex64 in 0.weight",
        ),
        (
            lambda: QuantLinear(2, 2, device="meta", weight_quant=SignWeights()).quantized_weight,
            ValueError,
            "weight must have values, got a meta tensor",
        ),
        (
            lambda: convert(nn.Sequential(torch.compile(nn.Linear(2, 2), backend="eager"))),
            ValueError,
            "model has torch.compile around the layer itself, which it keeps, at 0._orig_mod",
        ),
        (
            lambda: convert(nn.Sequential(nn.ReLU(), torch.jit.script(nn.Linear(2, 2)))),
            ValueError,
            "model has a scripted module at 1, in which no layer can be replaced",
        ),
        (lambda: QuantLinear(2, 2)([1.0, 2.0]), TypeError, "x must be a torch tensor, got list"),
        (lambda: QuantLinear(2, 2)(torch.ones(2, 3)), ValueError, "x must be N x 2, as many as"),
        (lambda: QuantConv2d(2, 2, 3)(torch.ones(2)), ValueError, "x must be N x 2 x H x W"),
        (lambda: QuantConv2d(2, 2, 3)(torch.ones(1, 2, 2, 5)), ValueError, "x must not be smaller"),
    ],
)
def test_bad_input_is_refused_by_name(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_what_was_hung_on_a_layer_stays_part_of_the_state():
    model = nn.Sequential(nn.Linear(2, 2))
    model[0].register_parameter("alpha", nn.Parameter(torch.ones(1)))
    model[0].register_buffer("steps", torch.zeros(1))
    model[0].register_buffer("passing", torch.zeros(1), persistent=False)
    model[0].inside = nn.Linear(1, 1, bias=False)
    binary = convert(model, weight_quant=SignWeights())
    assert model.state_dict().keys() <= binary.state_dict().keys()
    assert "0.passing" not in binary.state_dict() and binary[0].passing == 0
    assert len(list(binary.parameters())) == 4
    assert binary[0].inside.weight == model[0].inside.weight


def test_hooks_and_forwards_of_ones_own_are_not_lost_in_silence():
    model = nn.Sequential(nn.Linear(2, 2))
    model[0].register_forward_hook(lambda *_: None)
    with pytest.raises(ValueError, match="model has hooks at 0"):
        convert(model, weight_quant=SignWeights())

    class Doubled(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    class Emptied(nn.Conv2d):
        def _conv_forward(self, x, weight, bias):
            return super()._conv_forward(x, 0 * weight, bias)

    model = nn.Sequential(nn.Linear(2, 2), Emptied(1, 1, 1))
    with pytest.raises(ValueError, match="model has a forward of its own, Emptied's, at 1"):
        layers.convert_(model, weight_quant=SignWeights())
    assert type(model[0]) is nn.Linear  # nothing is done by halves
    with pytest.raises(ValueError, match="1 \\(Emptied\\)"):
        lowering.to_packed(nn.Sequential(nn.ReLU(), Emptied(1, 1, 1)))
    model = nn.Sequential(nn.Conv2d(1, 1, 1))
    model[0].register_forward_hook(lambda *_: None)
    with pytest.raises(ValueError, match="0 \\(Conv2d with hooks"):
        lowering.to_packed(model)
    attention = nn.TransformerEncoderLayer(8, 2, 16)
    for skip in ([], ["self_attn.out_proj"]):
        with pytest.raises(ValueError, match="model has attention, which reads the weight itself"):
            convert(attention, weight_quant=SignWeights(), skip=skip)

    model = nn.Sequential(Doubled(2, 2), nn.Linear(2, 2))
    with pytest.raises(ValueError, match="model has a forward of its own, Doubled's, at 0"):
        convert(model, weight_quant=SignWeights())
    assert type(convert(model, weight_quant=SignWeights(), skip=["0"])[0]) is Doubled


# ---------------------------------------------------------------- deployment of the options


@pytest.mark.parametrize("method", ["float", *METHODS])
@pytest.mark.parametrize(
    "options",
    [
        {"stride": (2, 1), "padding": (0, 2)},
        {"padding": "same"},
        {"dilation": (1, 2), "padding": 1},
        {"groups": 2},
        {"padding": 1, "padding_value": 0},
        {"padding": (2, 1), "padding_value": 0, "stride": 2},
    ],
    ids=str,
)
def test_packed_convolutions_take_the_options(method, options):
    if method == "float" or method in ("binaryconnect", "bwn"):
        options = {name: value for name, value in options.items() if name != "padding_value"}
    kind = nn.Conv2d if method == "float" else binary.BinaryConv2d
    options = options if method == "float" else {**options, "method": method}
    model = nn.Sequential(kind(4, 70, 3, **options), nn.ReLU(), nn.Flatten()).eval()
    if method == "xnor" and options.get("groups"):
        with pytest.raises(ValueError, match=r"0 \(BinaryConv2d with groups=2, each of which"):
            lowering.to_packed(model)
        return
    x = torch.randn(2, 4, 9, 8, generator=generator())
    with torch.no_grad():
        wanted = model(x).numpy()
    found = lowering.to_packed(model)(x.numpy())
    if method == "bnn":
        np.testing.assert_array_equal(found, wanted)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (lambda: binary.BinaryConv2d(1, 1, 2, padding="same"), r"BinaryConv2d with .*padding=same"),
        (lambda: nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular"), "padding_mode=circular"),
        (
            lambda: QuantConv2d(1, 1, 3, act_quant=SignActivations()),
            r"QuantConv2d with weight_quant=None",
        ),
        (
            lambda: QuantConv2d(1, 1, 3, padding=1, weight_quant=SignWeights(), padding_value=1),
            "with padding_value=1 of real input",
        ),
    ],
)
def test_what_cannot_be_packed_is_named(layer, words):
    with pytest.raises(ValueError, match=words):
        lowering.to_packed(nn.Sequential(layer()))


def normalized(norm, **numbers):
    with torch.no_grad():
        for name, value in numbers.items():
            getattr(norm, name).fill_(value)
    return norm


def unusual():
    """Return layers that are easily lowered wrongly, and the shape of their images."""
    tie = {"running_mean": 3.0, "running_var": 2.0, "weight": 0.7}
    conv, pool = binary.BinaryConv2d(3, 3, 3, padding=1), nn.MaxPool2d(2)
    map_k = {"weight_quant": SignWeights(), "act_quant": XnorActivations()}
    return {
        "a layer in two places": ([conv, conv], (3, 6, 6)),
        "a pool in two places": ([conv, pool, nn.ReLU(), conv, pool], (3, 8, 8)),
        "a layer on both ways": ([models.Residual(conv, conv), conv], (3, 6, 6)),
        "padding bits and a scale": (
            [
                binary.BinaryConv2d(1, 1, 1), nn.BatchNorm2d(1), nn.Flatten(),
                binary.BinaryLinear(2, 1, bias=True), nn.BatchNorm1d(1), binary.BinaryLinear(1, 1),
            ],
            (1, 1, 2),
        ),
        "infinity times a gamma of 0": (
            [
                normalized(nn.BatchNorm2d(1, affine=False, eps=0), running_var=0.25),
                normalized(nn.BatchNorm2d(1), weight=0.0, bias=0.5), binary.BinaryConv2d(1, 1, 1),
            ],
            (1, 1, 1),
        ),
        "whole sums times the map K": (
            [nn.Flatten(), QuantLinear(12, 8, bias=False, **map_k), binary.BinaryLinear(8, 5)],
            (3, 2, 2),
        ),
        "a tie": (
            [
                nn.Flatten(), normalized(binary.BinaryLinear(3, 1), weight=1.0),
                normalized(nn.BatchNorm1d(1), **tie), binary.BinaryLinear(1, 1),
            ],
            (3, 1, 1),
        ),
        "a tie behind a Flatten": (
            [
                normalized(binary.BinaryConv2d(3, 1, 1), weight=1.0), nn.Flatten(),
                normalized(nn.BatchNorm1d(1), **tie), binary.BinaryLinear(1, 1),
            ],
            (3, 1, 1),
        ),
        "windows wider than the image": ([conv, nn.MaxPool2d(7, 1, 3)], (3, 2, 2)),
        "two Flattens": (
            [
                nn.Flatten(), binary.BinaryLinear(12, 70), nn.BatchNorm1d(70), nn.Flatten(),
                binary.BinaryLinear(70, 5),
            ],
            (3, 2, 2),
        ),
    }  # fmt: skip


with models.seeded(0):
    UNUSUAL = unusual()


@pytest.mark.parametrize("name", UNUSUAL)
def test_packed_networks_of_unusual_layers(name):
    layers_, shape = UNUSUAL[name]
    model = nn.Sequential(*layers_).eval()
    for seed in range(4):
        x = torch.randn(3, *shape, generator=generator(seed))
        x[0] = 1.0
        with torch.no_grad():
            wanted = model(x).numpy()
        np.testing.assert_allclose(lowering.to_packed(model)(x.numpy()), wanted, rtol=1e-6)


def test_a_quantizer_has_one_role():
    """The signs of activations in the place of weights: no rule, and no weights that vanish."""
    model = nn.Sequential(QuantConv2d(3, 3, 1, bias=False, weight_quant=SignActivations()))
    with pytest.raises(ValueError, match=r"0 \(QuantConv2d with weight_quant=SignActivations"):
        lowering.to_packed(model)


def test_zero_borders_go_through_thresholds_too():
    """A binary layer with zeros outside, normalization and a sign: one comparison, as torch."""
    model = nn.Sequential(
        binary.BinaryConv2d(3, 66, 3, padding=1, padding_value=0),
        nn.BatchNorm2d(66),
        binary.BinaryConv2d(66, 9, 3, padding=1, padding_value=0),
    )
    x = torch.randn(4, 3, 8, 8, generator=generator())
    with torch.no_grad():
        model.train()(x)
        wanted = model.eval()(x).numpy()
    packed = lowering.to_packed(model)
    kinds = [type(step) for step in packed.steps]
    assert kinds == [steps.Sign, steps.BinaryConv, steps.Threshold, steps.BinaryConv]
    np.testing.assert_array_equal(packed(x.numpy()), wanted)


def small(method):
    return binary.BinaryLeNet5(1, 10, 8, method=method)


@pytest.mark.parametrize(("of", "into"), list(itertools.permutations(METHODS, 2)))
def test_the_state_of_one_method_is_refused_by_another(of, into):
    state, model = small(of).state_dict(), small(into)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for strict in (True, False):
        with pytest.raises(RuntimeError, match=r"fc1 has weight_quant=.*got the state of weight"):
            model.load_state_dict(state, strict=strict)
    for name in ("conv2.weight", "fc1.weight"):
        torch.testing.assert_close(model.state_dict()[name], before[name], rtol=0, atol=0)


@pytest.mark.parametrize("method", METHODS)
def test_a_state_goes_back_into_its_own_method_and_one_without_a_method_into_any(method):
    first, second = small(method), small(method)
    assert second.load_state_dict(first.state_dict())[:2] == ([], [])
    torch.testing.assert_close(second.fc1.weight, first.fc1.weight, rtol=0, atol=0)
    bare = {n: v for n, v in first.state_dict().items() if not n.endswith("_extra_state")}
    assert small("bnn").load_state_dict(bare)[:2] == ([], [])
    plain = models.LeNet5(1, 10, 8, batch_norm=True)
    assert convert(plain, weight_quant=SignWeights()).load_state_dict(plain.state_dict())


def test_options_of_a_quantizer_of_ones_own_are_part_of_the_state():
    class Steps(Quantizer):
        def __init__(self, step):
            super().__init__()
            self.step = step

        def forward(self, x):
            return self.step * torch.round(x / self.step)

    state = QuantLinear(3, 2, weight_quant=Steps(0.5)).state_dict()
    QuantLinear(3, 2, weight_quant=Steps(0.5)).load_state_dict(state)
    with pytest.raises(RuntimeError, match=r"Steps\(step=0\.25\).*Steps\(step=0\.5\)"):
        QuantLinear(3, 2, weight_quant=Steps(0.25)).load_state_dict(state)
