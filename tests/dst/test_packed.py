"""Networks of states in whole numbers, against the layers that they come from: bit for bit."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from quantlib import data, dst, kernels, models
from quantlib.binary import SignActivations, SignWeights
from quantlib.binary.thresholds import level_thresholds
from quantlib.layers import QuantConv2d, QuantLinear, convert, quantized
from quantlib.lowering import to_packed
from quantlib.packed import PackedNetwork, PackedPowers, pack, pack_powers, steps

SHIFTS = steps.ShiftConv, steps.ShiftDense


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def shake(model, images, seed=0):
    """Give batch normalization numbers as after training, some gammas negative and some 0."""
    generator = seeded(seed)
    model.train()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.weight.normal_(generator=generator)
                module.bias.normal_(generator=generator)
                module.weight[::5] = 0.0
                module.momentum = None
        for layer in quantized(model).values():
            if layer.bias is not None:
                layer.bias.normal_(generator=generator)
        model(images)
    return model.eval()


def follow(chain, x):
    """Return what each step gives, those inside residual steps too."""
    seen = []
    for step in chain:
        if isinstance(step, steps.Residual):
            ways = [follow(way, x) for way in (step.body, step.shortcut)]
            seen += ways[0] + ways[1]
        else:
            seen.append((step, step(x, 1)))
        x = step(x, 1)
    return seen


def results(network, images):
    """Return the results of the steps with shifts, in the order of the network."""
    chain = follow(network.steps, np.ascontiguousarray(images.numpy().transpose(0, 2, 3, 1)))
    return [(step, x) for step, x in chain if isinstance(step, SHIFTS)]


def layers_results(model, images):
    """Return the layers that have states, and their results in evaluation mode, channels last."""
    seen = []
    hooks = [
        layer.register_forward_hook(lambda layer, args, out: seen.append((layer, out)))
        for layer in quantized(model).values()
    ]
    with torch.no_grad():
        model(images)
    for hook in hooks:
        hook.remove()
    return [(layer, np.moveaxis(out.numpy(), 1, -1)) for layer, out in seen]


def sums_of(layer, out):
    """Return a layer's real result as whole sums: without its bias, in units of L and q2."""
    grid, space = layer.act_quant, layer.weight_quant.space
    bias = 0 if layer.bias is None else layer.bias.numpy().astype(np.float64)
    sums = (out.astype(np.float64) - bias) / (grid.q2 * space.unit)
    return np.round(sums)


def lenet(order="bn_sign_conv_pool", *, p=-2, grid=None, signs=True, batch_norm=True):
    model = models.LeNet5(
        2, 3, 12, widths=(6, 9, 20, 15), block_order=order, batch_norm=batch_norm, signs=signs
    )
    # The first layer, too, so that nothing real comes before whole sums.
    return dst.to_dst(model, p, act_quant=grid, skip=[], generator=seeded())


def resnet(order="bn_sign_conv_pool", *, p=-2, grid=None, signs=True):
    model = models.ResNet(
        2, 3, 8, widths=(5, 9), blocks=(1, 2), block_order=order, signs=signs, batch_norm=True
    )
    return dst.to_dst(model, p, act_quant=grid, skip=[], generator=seeded())


def images_for(model, n=6, seed=1):
    return torch.randn(n, *model.image_shape, generator=seeded(seed))


# ---------------------------------------------------------------- bit for bit

GRIDS = [(n, signed) for n in (2, 3, 4, 5, 6) for signed in (True, False)]


@pytest.mark.parametrize(("n_levels", "signed"), GRIDS)
@pytest.mark.parametrize("p", [0, -1, -2, -3])
def test_lenet_bit_for_bit(p, n_levels, signed):
    model = lenet(p=p, grid=dst.GridActivations(0.25, n_levels, signed=signed))
    images = images_for(model)
    shake(model, images)
    network = to_packed(model)
    expected, found = layers_results(model, images), results(network, images)
    assert len(found) == len(expected) == 5
    for (step, x), (layer, wanted) in zip(found, expected, strict=True):
        last = layer is model.output
        assert x.dtype == (np.float32 if last else np.int32)
        np.testing.assert_array_equal(x, wanted if last else sums_of(layer, wanted))
        assert np.count_nonzero(x) > 0.1 * x.size or n_levels == 2
        assert step.weight.bit_width == layer.weight_quant.space.bit_width
    with torch.no_grad():
        np.testing.assert_array_equal(network(images.numpy()), model(images).numpy())


@pytest.mark.parametrize("order", ["bn_sign_conv_pool", "usual"])
@pytest.mark.parametrize("signs", [True, False])
@pytest.mark.parametrize("build", [lenet, resnet])
def test_orders_of_a_block_with_relu_and_without(build, signs, order):
    """In the usual order a pooling comes behind batch normalization, of which some falls."""
    model = build(order, grid=dst.GridActivations(0.125, 5), signs=signs)
    images = images_for(model)
    shake(model, images)
    network = to_packed(model)
    if build is resnet and order == "usual":  # there normalization comes before a sum, in float
        with torch.no_grad():
            close = np.isclose(network(images.numpy()), model(images).numpy(), atol=1e-3)
        assert close.mean() > 0.8
        return
    with torch.no_grad():
        np.testing.assert_array_equal(network(images.numpy()), model(images).numpy())


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("p", [0, -3])
def test_resnet_bit_for_bit(p, signed):
    model = resnet(p=p, grid=dst.GridActivations(0.125, 5, signed=signed))
    images = images_for(model)
    shake(model, images)
    network = to_packed(model)
    found = [x for _, x in results(network, images)]
    wanted = layers_results(model, images)
    assert len(found) == len(wanted)
    assert {x.dtype for x in found} == {np.dtype(np.int32), np.dtype(np.float32)}
    with torch.no_grad():
        np.testing.assert_array_equal(network(images.numpy()), model(images).numpy())


def test_a_bias_is_part_of_the_thresholds():
    model = lenet(grid=dst.GridActivations(0.25, 4), batch_norm=False)
    images = images_for(model)
    shake(model, images)
    assert model.conv1.bias.abs().min() > 0
    network = to_packed(model)
    assert [step.scale is None for step, _ in results(network, images)] == [True] * 4 + [False]
    with torch.no_grad():
        np.testing.assert_array_equal(network(images.numpy()), model(images).numpy())


def conv(*sizes, grid=None, p=-2, **options):
    """Return a convolution of states."""
    layer = nn.Conv2d(*sizes, **options)
    with torch.no_grad():
        layer.weight.normal_(generator=seeded(len(sizes)))
    grid = grid or dst.GridActivations(0.25, 4)
    return dst.to_dst(nn.Sequential(layer), p, act_quant=grid, skip=[], generator=seeded())[0]


@pytest.mark.parametrize("ternary", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        {"groups": 3},
        {"dilation": 2, "padding": 2},
        {"dilation": (1, 2), "groups": 2, "bias": False},
        {"stride": (2, 1)},
        {"stride": (2, 4), "padding": (2, 0)},
        {"padding": "same"},
        {"stride": 3, "padding": 1},
    ],
    ids=str,
)
def test_what_a_convolution_takes(options, ternary):
    """By shifts, and by planes of bits where weights and codes are -1, 0 and 1."""
    options = {"p": 0, "grid": dst.GridActivations(0.25, 2), **options} if ternary else options
    layers = conv(6, 12, (3, 5), **options), nn.BatchNorm2d(12), conv(12, 4, 1)
    model = nn.Sequential(*layers)
    images = torch.randn(3, 6, 11, 12, generator=seeded())
    shake(model, images)
    network = to_packed(model)
    with torch.no_grad():
        np.testing.assert_array_equal(network(images.numpy()), model(images).numpy())
    made = vars(network.steps[1])
    assert ("_lists" in made) != ternary and (made["_planes"] is not None) == ternary
    # What is stored is what the layer has, without the zeros that dilation and groups put in.
    assert network.steps[1].weight.shape == tuple(model[0].weight.shape)


@pytest.mark.parametrize(
    "between",
    [
        lambda: [nn.MaxPool2d(3, 2, 1), nn.BatchNorm2d(6)],
        lambda: [nn.BatchNorm2d(6), nn.MaxPool2d(2)],
        lambda: [nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(3, 1)],
        lambda: [nn.ReLU(), nn.MaxPool2d(2), nn.BatchNorm2d(6), nn.BatchNorm2d(6), nn.MaxPool2d(2)],
        lambda: [nn.MaxPool2d(2)],
        lambda: [nn.ReLU(), nn.Dropout()],
        lambda: [],
    ],
)
def test_what_stands_between_two_layers(between):
    flat = [nn.Flatten(), nn.LazyLinear(7), nn.BatchNorm1d(7), nn.ReLU(), nn.Linear(7, 3)]
    model = nn.Sequential(conv(2, 6, 3), *between(), conv(6, 6, 3, padding=1), *between(), *flat)
    images = torch.randn(5, 2, 20, 20, generator=seeded())
    model(images)
    model = dst.to_dst(model, act_quant=dst.GridActivations(0.25, 5), skip=[], generator=seeded())
    shake(model, images)
    network = to_packed(model)
    assert sum(isinstance(step, steps.GridThreshold) for step in network.steps) == 4
    wholes = [step.scale is None for step in network.steps if isinstance(step, SHIFTS)]
    assert wholes == [True, True, True, False]
    with torch.no_grad():
        np.testing.assert_array_equal(network(images.numpy()), model(images).numpy())


@pytest.mark.parametrize(("p", "n_levels"), [(0, 2), (0, 3), (-1, 2)])
def test_planes_of_bits_or_lists(p, n_levels):
    """Ternary weights alone are not enough, nor are ternary codes."""
    model = lenet(p=p, grid=dst.GridActivations(0.25, n_levels))
    images = images_for(model)
    shake(model, images)
    network = to_packed(model)
    before = [step.running_bytes for step in network.steps if isinstance(step, SHIFTS)]
    with torch.no_grad():
        np.testing.assert_array_equal(network(images.numpy()), model(images).numpy())
    assert before == [0] * 5
    for step in network.steps:
        if isinstance(step, SHIFTS):
            assert ("_lists" in vars(step)) == (p < 0 or n_levels > 2)
            assert step.running_bytes > step.weight.nbytes


def test_a_pooling_between_two_normalizations_is_done_in_float():
    norms = nn.BatchNorm2d(6), nn.BatchNorm2d(6)
    model = nn.Sequential(conv(2, 6, 3), norms[0], nn.MaxPool2d(2), norms[1], conv(6, 3, 3))
    images = torch.randn(5, 2, 12, 12, generator=seeded())
    shake(model, images)
    network = to_packed(model)
    kinds = [type(step).__name__ for step in network.steps]
    assert kinds == ["GridThreshold", "ShiftConv", "MaxPool", "GridThreshold", "ShiftConv"]
    with torch.no_grad():
        np.testing.assert_allclose(network(images.numpy()), model(images), atol=0.3)


# ---------------------------------------------------------------- thresholds

NUMBER = st.integers(-40, 40).map(lambda i: i / 8)
CHANNEL = st.tuples(NUMBER, NUMBER, NUMBER, st.integers(-1, 2), NUMBER)


@given(
    st.lists(CHANNEL, min_size=1, max_size=6), st.integers(2, 6), st.booleans(), st.booleans(),
    st.sampled_from([0.125, 0.5, 0.3]),
)  # fmt: skip
def test_codes_of_every_whole_sum_are_the_layers(channels, n_levels, signed, relu, q2):
    gamma, beta, mean, power, bias = (
        torch.tensor(list(column), dtype=torch.float32) for column in zip(*channels, strict=True)
    )
    norm = nn.BatchNorm2d(len(channels)).eval()
    with torch.no_grad():
        norm.weight.copy_(gamma)
        norm.bias.copy_(beta)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(4.0**power)
    grid, width = dst.GridActivations(q2, n_levels, signed=signed), len(channels)
    first = QuantConv2d(
        2, width, 1, weight_quant=dst.StateWeights(-2), act_quant=dst.GridActivations(q2, 5)
    )
    first.weight = nn.Parameter(torch.full_like(first.weight, 4).to(torch.int8), False)
    with torch.no_grad():
        first.bias.copy_(bias)
    layers = [norm, nn.ReLU()] if relu else [norm]
    model = nn.Sequential(first, *layers, conv(width, 2, 1, grid=grid)).eval()
    network = to_packed(model)
    threshold = network.steps[2]
    sums = torch.arange(-64, 65, dtype=torch.int32)  # 2 x 4 x 8
    x = sums.reshape(1, 1, -1, 1).expand(1, width, -1, 1).contiguous()
    with torch.no_grad():
        real = x.float() * (q2 * 0.25) + bias.reshape(-1, 1, 1)
        wanted = grid(nn.Sequential(*layers)(real)) / q2
    codes = threshold(np.ascontiguousarray(x.permute(0, 2, 3, 1).numpy()), 1)
    np.testing.assert_array_equal(codes, wanted.round().permute(0, 2, 3, 1).numpy())
    assert threshold.thresholds.dtype == np.int32


@given(
    st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=40),
    st.floats(0.01, 3), st.integers(2, 8), st.booleans(),
)  # fmt: skip
def test_codes_of_real_numbers_are_those_of_the_grid(x, q2, n_levels, signed):
    """Also on the thresholds themselves, and beside them."""
    grid = dst.GridActivations(q2, n_levels, signed=signed)
    model = nn.Sequential(conv(1, 1, 1, grid=grid)).eval()
    step = to_packed(model).steps[0]
    at = dst.grid_thresholds(q2, n_levels).astype(np.float32)
    at = np.concatenate([at, -at, [0]]).astype(np.float32)
    near = [np.nextafter(at, np.float32(limit)) for limit in (-np.inf, np.inf)]
    x = np.concatenate([np.float32(x), at, *near]).astype(np.float32)
    wanted = dst.to_grid(torch.from_numpy(x), q2, n_levels, signed=signed).double() / q2
    np.testing.assert_array_equal(step(x.reshape(1, -1, 1, 1), 1).ravel(), wanted.round().numpy())


def test_levels_that_are_never_reached_or_always():
    norm = nn.BatchNorm1d(4).eval()
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([0.0, 0.0, 1e-4, -1e-4]))
        norm.bias.copy_(torch.tensor([5.0, -5.0, 0.0, 0.0]))
    thresholds, flips = level_thresholds([norm], [-1.0, 0.0, 1.0], 4, low=-100, high=100)
    x = np.arange(-100, 101, dtype=np.int32)[:, None].repeat(4, 1)
    codes = kernels.threshold_codes(x, kernels.pack_thresholds(thresholds, np.arange(4), flips))
    with torch.no_grad():
        y = norm(torch.from_numpy(x).float())
    wanted = (y[..., None] >= torch.tensor([-1.0, 0.0, 1.0])).sum(-1)
    np.testing.assert_array_equal(codes, wanted.numpy())
    assert flips.tolist() == [False, False, False, True]
    with pytest.raises(ValueError, match="of the same channels"):
        level_thresholds([norm], [0.0], 3)


# ---------------------------------------------------------------- real numbers before and behind


def test_a_real_first_layer():
    """Numbers that float32 adds exactly in any order, as else its rounding is another."""
    model = models.LeNet5(1, 10, 8, batch_norm=True, signs=True, block_order="bn_sign_conv_pool")
    model = dst.to_dst(model, -3, act_quant=dst.GridActivations(0.125, 6), generator=seeded())
    images = torch.from_numpy(data.load("digits").test_images[:40])  # sixteenths
    with torch.no_grad():
        model.conv1.weight.copy_((model.conv1.weight * 64).round() / 64)
    shake(model, images)
    network = to_packed(model)
    with torch.no_grad():
        np.testing.assert_array_equal(network(images.numpy()), model(images).numpy())


def test_a_grid_whose_first_level_is_no_power_of_two():
    """Sums in whole numbers are exact, and the layers' are rounded: few codes differ, if any."""
    model = lenet(grid=dst.GridActivations(0.29, 5))
    images = images_for(model, 40)
    shake(model, images)
    network = to_packed(model)
    with torch.no_grad():
        close = np.isclose(network(images.numpy()), model(images), rtol=1e-4, atol=1e-4)
    assert close.mean() > 0.9


@pytest.mark.parametrize("p", [0, -2, -6])
def test_states_with_real_input(p):
    model = lenet(p=p, signs=False)
    images = images_for(model)
    shake(model, images)
    network = to_packed(model)
    real = [step for step in network.steps if isinstance(step, steps.RealLayer)]
    assert len(real) == 5 and all(isinstance(step.weight, PackedPowers) for step in real)
    with torch.no_grad():
        np.testing.assert_allclose(network(images.numpy()), model(images), rtol=1e-4, atol=1e-4)


def test_signs_behind_states_and_states_behind_signs():
    signs = {"weight_quant": SignWeights(), "act_quant": SignActivations()}
    model = nn.Sequential(
        conv(2, 6, 3), nn.BatchNorm2d(6), convert(nn.Conv2d(6, 8, 3, bias=False), **signs),
        nn.MaxPool2d(2), nn.BatchNorm2d(8), conv(8, 4, 3),
    )  # fmt: skip
    images = torch.randn(5, 2, 14, 14, generator=seeded())
    shake(model, images)
    network = to_packed(model)
    with torch.no_grad():
        np.testing.assert_array_equal(network(images.numpy()), model(images).numpy())


# ---------------------------------------------------------------- bytes, files, errors


def test_weights_are_stored_in_their_bits_and_lists_are_made_when_run(tmp_path):
    model = lenet(p=-3, grid=dst.GridActivations(0.25, 5))
    images = images_for(model)
    shake(model, images)
    network = to_packed(model)
    before = network.nbytes
    wanted = network(images.numpy())
    assert network.nbytes == before
    for step, _ in results(network, images):
        assert step.weight.nbytes == -(-np.prod(step.weight.shape) * 4 // 8)
        assert step.running_bytes >= 2 * step.additions > 0
    network.save(tmp_path / "network")
    loaded = PackedNetwork.load(tmp_path / "network")
    assert loaded.nbytes == before
    np.testing.assert_array_equal(loaded(images.numpy()), wanted)
    assert loaded(images[:0].numpy()).shape == (0, 3)
    for threads in (1, 2):
        np.testing.assert_array_equal(network(images.numpy(), num_threads=threads), wanted)


@pytest.mark.parametrize(
    ("values", "bits"),
    [([0], 2), ([1, -1], 2), ([2, 0], 3), ([-4, 1], 3), ([8], 4), ([-64, 64], 4), ([2**30], 6)],
)
def test_powers_by_their_exponents(values, bits):
    packed = pack_powers(np.array([values] * 5), bits)
    assert packed.bit_width == bits and packed.unpack().tolist() == [values] * 5
    assert packed.nbytes == -(-5 * len(values) * bits // 8)
    assert packed.largest_sum == np.abs(values).sum()


def linear(p=-2, grid=None, **options):
    layer = nn.Linear(3, 2, **options)
    return nn.Sequential(nn.Flatten(), dst.to_dst(layer, p, act_quant=grid, skip=[]))


def spoilt(model, value):
    with torch.no_grad():
        model[1].weight[0, 0] = value
    return model


GRID = dst.GridActivations(0.25, 4)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (lambda: linear(grid=dst.GridActivations(0.25, 9)), "n_levels=9"),
        (lambda: linear(grid=SignActivations()), "act_quant=SignActivations"),
        (lambda: spoilt(linear(grid=GRID), 3), "not among the states"),
        (lambda: nn.Sequential(conv(2, 3, (2, 2), padding="same")), "padding=same"),
        (lambda: nn.Sequential(conv(2, 3, 3, padding=1, padding_mode="reflect")), "reflect"),
        (
            lambda: nn.Sequential(
                QuantConv2d(1, 1, 3, padding=1, padding_value=1, act_quant=GRID)
            ),
            "weight_quant=None",
        ),
        (
            lambda: nn.Sequential(
                nn.Flatten(), QuantLinear(3, 2, act_quant=GRID, weight_quant=SignWeights())
            ),
            "act_quant=GridActivations",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_packed_is_refused_with_words(model, words):
    with pytest.raises(ValueError, match=words):
        to_packed(model())


def test_a_padding_value_and_sums_that_float_cannot_hold_are_refused():
    model = nn.Sequential(conv(2, 3, 3, padding=1))
    model[0].padding_value = 1.0
    with pytest.raises(ValueError, match="padding_value=1, which is no code"):
        to_packed(model)
    wide = nn.Sequential(nn.Flatten(), nn.Linear(4200, 1))
    with torch.no_grad():
        wide[1].weight.fill_(1.0)
    wide = dst.to_dst(wide, -6, act_quant=dst.GridActivations(0.25, 8), skip=[])
    with pytest.raises(ValueError, match=r"sums beyond 2\*\*24"):
        to_packed(wide)


ONE = np.ones(1, np.float32)
WEIGHT = pack_powers([[1, 2, 0]], 3)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: pack_powers([3], 3), ValueError, "values must be 0 or powers of two"),
        (lambda: pack_powers([0.5], 3), TypeError, "values must"),
        (lambda: pack_powers([4], 2), ValueError, "codes must be from -2 to 1"),
        (lambda: PackedPowers(np.zeros(2)), TypeError, "places must be a PackedTensor"),
        (lambda: PackedPowers(pack([1], 2, signed=False)), ValueError, "must be signed"),
        (lambda: PackedPowers(pack([40], 8)), ValueError, "places must be up to 31"),
        (lambda: steps.ShiftDense(WEIGHT, None, ONE), ValueError, "bias must come with a scale"),
        (lambda: steps.ShiftDense(WEIGHT, np.ones(2, np.float32), None), ValueError, "scale must"),
        (lambda: steps.ShiftConv(WEIGHT, None, None, 1, 0), ValueError, "weight must have 4 axes"),
        (lambda: steps.ShiftDense(np.ones((1, 3)), None, None), TypeError, "weight must be a"),
        (
            lambda: steps.ShiftConv(pack_powers([[[[1]]]] * 3, 2), None, None, 1, 0, 1, 2),
            ValueError,
            "groups must divide 3",
        ),
        (lambda: threshold([[1.0], [0.0]]), ValueError, "thresholds must rise"),
        (lambda: threshold([[0.0]]), ValueError, "even in number"),
        (lambda: threshold([[np.nan]] * 2), ValueError, "thresholds"),
        (lambda: threshold([[0.0]] * 16), ValueError, "rows of thresholds must be"),
        (lambda: threshold([0.0, 1.0]), ValueError, "thresholds must be K x C"),
        (lambda: PackedNetwork([steps.ShiftDense(WEIGHT, ONE, None)]), ValueError, "takes codes"),
        (lambda: PackedNetwork([threshold([[0.0]] * 2)]), ValueError, "must end with numbers"),
    ],
)  # fmt: skip
def test_steps_look_at_what_they_are_given(make, error, words):
    with pytest.raises(error, match=words):
        make()


def threshold(rows):
    rows = np.array(rows, np.float32)
    return steps.GridThreshold(rows, np.zeros(rows.shape[-1], np.bool_), True)
