"""Packed networks against the layers that they come from: sums and signs, logits, files."""

import itertools
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file
from torch import nn

from quantlib import binary, data, kernels, models, training
from quantlib.binary.networks import NETWORK_METHODS
from quantlib.packed import PackedNetwork, steps

METHODS = ("float", "binaryconnect", "bwn", "bnn", "xnor")


def shake(model, images, seed=0):
    """Give batch normalization numbers as after training, some gammas negative and some 0."""
    generator = torch.Generator().manual_seed(seed)
    model.train()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.weight.normal_(generator=generator)
                module.bias.normal_(generator=generator)
                module.weight[::5] = 0.0
                module.momentum = None
        model(torch.as_tensor(images))
    return model.eval()


def run_steps(network, images):
    """Return what each step gives, those inside residual steps too, by the step's identity."""
    seen = {}

    def follow(chain, x):
        for step in chain:
            if isinstance(step, steps.Residual):
                ways = [follow(way, x) for way in (step.body, step.shortcut)]
                x = ways[0].astype(np.float32) + ways[1]
            else:
                x = step(x, 1)
                seen[id(step)] = step, x
        return x

    follow(network.steps, np.ascontiguousarray(np.asarray(images).transpose(0, 2, 3, 1)))
    return list(seen.values())


def sums_of_layers(model, images):
    """Return the results of the binary layers in evaluation mode, channels last."""
    seen = []
    hooks = [
        layer.register_forward_hook(lambda module, args, out: seen.append(out.detach().numpy()))
        for layer in binary.binary_layers(model).values()
    ]
    with torch.no_grad():
        model.eval()(torch.as_tensor(images))
    for hook in hooks:
        hook.remove()
    return [np.moveaxis(out, 1, -1) for out in seen]


# ---------------------------------------------------------------- thresholds


DYADIC = st.integers(-40, 40).map(lambda i: i / 8)


@given(st.lists(st.tuples(DYADIC, DYADIC, DYADIC, st.integers(-1, 2)), min_size=1, max_size=6))
def test_thresholds_in_exact_fractions(channels):
    """With such numbers batch normalization rounds nothing: signs and ties are the fractions'."""
    gamma, beta, mean, power = (list(column) for column in zip(*channels, strict=True))
    norm = nn.BatchNorm2d(len(channels), eps=0).eval()
    with torch.no_grad():
        norm.weight.copy_(torch.tensor(gamma))
        norm.bias.copy_(torch.tensor(beta))
        norm.running_mean.copy_(torch.tensor(mean))
        norm.running_var.copy_(torch.tensor([4.0**p for p in power]))
    low, high = -64, 64
    thresholds, flips = binary.sign_thresholds([norm], low, high)
    for c, (g, b, m, p) in enumerate(channels):
        deviation = Fraction(2) ** p
        for s in range(low, high + 1):
            value = Fraction(g) * (s - Fraction(m)) / deviation + Fraction(b)
            assert ((s >= thresholds[c]) != flips[c]) == (value >= 0)
        if g:  # the formula: t = mu - beta sigma / gamma
            exact = Fraction(m) - Fraction(b) * deviation / Fraction(g)
            whole = -(-exact // 1) if g > 0 else exact // 1 + 1
            inside = low < exact < high - 1
            assert not inside or (thresholds[c] == whole and flips[c] == (g < 0))


@pytest.mark.parametrize("norms", [1, 2])
def test_thresholds_are_what_the_layer_does(norms):
    """Ordinary numbers: torch's own rounding, at every sum that can occur."""
    channels, length = 48, 300
    layers = [nn.BatchNorm2d(channels).eval() for _ in range(norms)]
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for layer in layers:
            layer.weight.normal_(generator=generator)
            layer.bias.normal_(generator=generator)
            layer.running_mean.normal_(0, 20, generator=generator)
            layer.running_var.uniform_(1, 900, generator=generator)
        layers[0].running_mean[:8].round_()
        # The result at a whole sum is exactly 0, or what the layer's rounding makes of it.
        layers[0].bias[:8] = 0
        sums = torch.arange(-length, length + 1).float().reshape(1, 1, -1, 1)
        x = sums.expand(1, channels, -1, 1).contiguous()
        for layer in layers:
            x = layer(x)
    thresholds, flips = binary.sign_thresholds(layers, -length, length)
    found = (sums.numpy() >= thresholds[:, None, None]) != flips[:, None, None]
    np.testing.assert_array_equal(found, (x >= 0).numpy())


def test_thresholds_of_real_numbers_are_what_the_layer_does():
    """Just below, at and just above the number where the sign changes, and far from it."""
    norm = nn.BatchNorm2d(40).eval()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        norm.weight.normal_(generator=generator)
        norm.weight[:4] = 0
        norm.bias.normal_(generator=generator)
        norm.running_mean.normal_(generator=generator)
        norm.running_var.uniform_(0.1, 9, generator=generator)
    model = nn.Sequential(norm, binary.BinaryConv2d(40, 3, 1))
    step = binary.to_packed(model).steps[0]
    at = np.where(np.isfinite(step.thresholds), step.thresholds, 0).astype(np.float32)
    infinity = np.float32(np.inf)
    values = [np.nextafter(at, -infinity), at, np.nextafter(at, infinity), -1e30 + 0 * at, 0 * at]
    x = np.stack([*values, *np.random.default_rng(0).standard_normal((11, 40))]).astype(np.float32)
    with torch.no_grad():
        expected = norm(torch.from_numpy(x.reshape(4, 4, 1, 40)).permute(0, 3, 1, 2).contiguous())
    found = kernels.unpack_signs(step(x.reshape(4, 4, 1, 40), 1))
    np.testing.assert_array_equal(found, np.where(expected.permute(0, 2, 3, 1) >= 0, 1, -1))
    assert len(set(map(tuple, found[0, :3, 0].T))) > 2  # the sign changes where it should


# ---------------------------------------------------------------- networks


def small_networks():
    names = ("lenet", "vgg", "resnet")
    orders, ends = ("bn_sign_conv_pool", "usual"), ("float", "binary")
    return list(itertools.product(names, NETWORK_METHODS, orders, ends))


def build(name, method, order, ends):
    options = {"method": method, "block_order": order, "first_last": ends}
    if name == "lenet":
        return binary.BinaryLeNet5(2, 3, 12, widths=(6, 70, 20, 65), **options)
    if name == "vgg":
        return binary.BinaryVGG(2, 3, 17, width=16, **options)
    return binary.BinaryResNet(2, 3, 9, widths=(5, 66), blocks=(1, 2), stem="large", **options)


@pytest.mark.parametrize(("name", "method", "order", "ends"), small_networks())
def test_packed_network_computes_what_the_layers_do(name, method, order, ends):
    model = build(name, method, order, ends)
    images = np.random.default_rng(0).random((6, *model.image_shape), np.float32)
    shake(model, images)
    packed = binary.to_packed(model)
    with torch.no_grad():
        expected = model(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(packed(images), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", ["chain", "pool_signs", "residual", "flat"])
def test_sums_and_signs_bit_for_bit(kind):
    """Nothing here is real before the last layer, so nothing may differ by a bit."""
    conv, linear, norm = binary.BinaryConv2d, binary.BinaryLinear, nn.BatchNorm2d
    pool, flatten = nn.MaxPool2d(2), nn.Flatten()
    layers = {
        "chain": [conv(3, 70, 3, padding=1), pool, norm(70), conv(70, 9, 3, 2), norm(9), flatten,
                  linear(36, 80), nn.BatchNorm1d(80), linear(80, 4)],
        "pool_signs": [conv(3, 66, 3, padding=1), norm(66), pool, conv(66, 8, 3), flatten,
                       linear(128, 4)],
        "residual": [conv(3, 8, 3, padding=1), norm(8), conv(8, 8, 3),
                     binary.Residual(nn.Sequential(conv(8, 8, 3, padding=1), norm(8),
                                                   conv(8, 8, 3, padding=1)), nn.Identity()),
                     conv(8, 8, 3)],
        "flat": [conv(3, 5, 3), norm(5), norm(5), nn.Dropout(), flatten, nn.Identity(),
                 linear(500, 7), nn.ReLU(), nn.BatchNorm1d(7), linear(7, 2)],
    }  # fmt: skip
    model = nn.Sequential(*layers[kind])
    images = np.random.default_rng(1).standard_normal((4, 3, 12, 12)).astype(np.float32)
    shake(model, images)
    packed = binary.to_packed(model)
    expected = sums_of_layers(model, images)
    kinds = steps.BinaryConv, steps.BinaryDense
    found = [x for step, x in run_steps(packed, images) if isinstance(step, kinds)]
    assert len(found) == len(expected) > 1
    assert kind == "residual" or all(x.dtype == np.int32 for x in found)
    for sums, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(sums, wanted)
    with torch.no_grad():
        np.testing.assert_array_equal(packed(images), model(torch.from_numpy(images)))


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [nn.Flatten()],
        lambda: [nn.Flatten(), nn.ReLU()],
        lambda: [nn.Flatten(), nn.BatchNorm1d(80)],
        lambda: [nn.BatchNorm2d(5), nn.Flatten(),
                 binary.Residual(nn.Linear(80, 80), nn.Identity()), nn.Linear(80, 3)],
        lambda: [nn.BatchNorm2d(5), nn.Flatten(),
                 binary.Residual(nn.Linear(80, 4), nn.Linear(80, 4)), nn.Linear(4, 3)],
        lambda: [nn.BatchNorm2d(5), nn.Flatten(),
                 binary.Residual(binary.BinaryLinear(80, 80), nn.Identity()),
                 nn.BatchNorm1d(80), binary.BinaryLinear(80, 3)],
        lambda: [binary.Residual(nn.Sequential(binary.BinaryConv2d(5, 5, 1), nn.Flatten()),
                                 nn.Flatten()), nn.Linear(80, 3)],
    ],
)  # fmt: skip
def test_flattened_numbers_lie_as_in_torch(layers):
    """Whatever comes after a Flatten, or nothing: its results have torch's order."""
    model = nn.Sequential(binary.BinaryConv2d(3, 5, 3), *layers())
    images = np.random.default_rng(2).standard_normal((4, 3, 6, 6)).astype(np.float32)
    shake(model, images)
    with torch.no_grad():
        expected = model(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(binary.to_packed(model)(images), expected, rtol=1e-4, atol=1e-4)


def test_batch_normalization_and_sign_become_one_comparison():
    model = binary.BinaryVGG(1, 10, 8, width=8)
    kinds = [type(step).__name__ for step in binary.to_packed(model).steps]
    assert kinds == [
        "RealLayer", *["Threshold", "BinaryConv"] * 5, "Threshold", "Flatten",
        "BinaryDense", "Threshold", "BinaryDense", "Relu", "RealLayer",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("size", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (3, 1, 1), (4, 3, 2)]
)
@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_maximum_of_windows(size, stride, padding, dtype):
    x = np.random.default_rng(0).integers(-99, -9, (2, 9, 8, 3)).astype(dtype)
    found = steps.MaxPool(size, stride, padding)(x, 1)
    images = torch.from_numpy(x).double().permute(0, 3, 1, 2)
    wanted = nn.functional.max_pool2d(images, size, stride, padding).permute(0, 2, 3, 1)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, wanted.numpy())


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_mean_of_windows(size, dtype):
    """What fills no window is left out: of 9 x 8 pixels a row, with windows of 2."""
    x = (100 * np.random.default_rng(0).standard_normal((2, 9, 8, 3))).astype(dtype)
    rows, columns = 9 // size, 8 // size
    wanted = np.zeros((2, rows, columns, 3))
    for n, i, j, c in np.ndindex(wanted.shape):
        window = x[n, size * i : size * (i + 1), size * j : size * (j + 1), c].astype(np.float64)
        wanted[n, i, j, c] = window.mean()
    found = steps.MeanPool(size)(x, 1)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-5)


def test_mean_pooling_anywhere_in_a_network(tmp_path):
    with models.seeded(0):
        model = nn.Sequential(
            nn.AvgPool2d(2), nn.Conv2d(3, 4, 3, bias=False), nn.AvgPool2d(4),
            binary.BinaryConv2d(4, 5, 1), nn.AvgPool2d(2), nn.BatchNorm2d(5),
            binary.BinaryConv2d(5, 2, 1), nn.AvgPool2d(1),
        ).eval()  # fmt: skip
    # Whole numbers and windows of 2 and 4: no sum is rounded, in whatever order it is taken.
    rng = np.random.default_rng(1)
    images = rng.integers(-9, 10, (3, 3, 37, 36)).astype(np.float32)
    with torch.no_grad():
        model[1].weight.copy_(torch.from_numpy(rng.integers(-3, 4, (4, 3, 3, 3))))
    shake(model, images)
    with torch.no_grad():
        wanted = model(torch.from_numpy(images)).numpy()
    packed = binary.to_packed(model)
    assert wanted.shape == (3, 2, 2, 2) and len(np.unique(wanted)) > 2
    np.testing.assert_array_equal(packed(images), wanted)
    packed.save(tmp_path / "network")
    np.testing.assert_array_equal(PackedNetwork.load(tmp_path / "network")(images), packed(images))
    with pytest.raises(ValueError, match="images must be N x 3"):
        packed(images[:, :2])
    with pytest.raises(ValueError, match="size must be from 1"):
        steps.MeanPool(0)
    with pytest.raises(ValueError, match="must not be larger than the padded image"):
        PackedNetwork([steps.MeanPool(3)], (1, 2, 4))


@pytest.mark.parametrize(
    ("pool", "words"),
    [
        (nn.AvgPool2d(3, 2), "stride=2"),
        (nn.AvgPool2d((2, 2)), r"kernel_size=\(2, 2\)"),
        (nn.AvgPool2d(2, padding=1), "padding=1"),
        (nn.AvgPool2d(2, ceil_mode=True), "ceil_mode=True"),
        (nn.AvgPool2d(2, divisor_override=3), "divisor_override=3"),
    ],
)
def test_mean_pooling_that_cannot_be_packed(pool, words):
    with pytest.raises(ValueError, match=rf"cannot be packed: 0 \(AvgPool2d with .*{words}"):
        binary.to_packed(nn.Sequential(pool))


@pytest.fixture(scope="module")
def trained():
    """Return digits and some networks trained on them for a few seconds."""
    digits, networks, threads = data.load(), {}, torch.get_num_threads()
    torch.set_num_threads(1)
    for name, order, ends in (
        ("bnn", "bn_sign_conv_pool", "float"),
        ("bnn", "usual", "binary"),
        ("xnor", "bn_sign_conv_pool", "float"),
        ("bwn", "bn_sign_conv_pool", "binary"),
    ):
        model = binary.BinaryLeNet5(1, 10, 8, method=name, block_order=order, first_last=ends)
        training.fit(
            model, digits, epochs=4, learning_rate=0.01, progress=False,
            after_step=binary.clip_latent_,
        )  # fmt: skip
        networks[name, order, ends] = model
    networks["resnet"] = binary.BinaryResNet(1, 10, 8)
    training.fit(networks["resnet"], digits, epochs=2, learning_rate=0.01, progress=False)
    torch.set_num_threads(threads)
    return digits, networks


def test_predictions_on_the_whole_test_set(trained, tmp_path):
    digits, networks = trained
    for key, model in networks.items():
        packed = binary.to_packed(model)
        expected = training.predict(model, digits.test_images)
        np.testing.assert_array_equal(packed.predict(digits.test_images), expected)
        assert (expected == digits.test_labels).mean() > 0.6, key
        assert (packed.predict(digits.test_images, batch_size=37, num_threads=1) == expected).all()


def test_saved_network_is_the_same(trained, tmp_path):
    digits, networks = trained
    for number, model in enumerate(networks.values()):
        packed, path = binary.to_packed(model), tmp_path / f"{number}.safetensors"
        packed.save(path)
        again = PackedNetwork.load(path)
        assert again.nbytes == packed.nbytes and repr(again) == repr(packed)
        assert again.image_shape == packed.image_shape == (1, 8, 8)
        np.testing.assert_array_equal(again(digits.test_images), packed(digits.test_images))
        # The file has no rows that fill up panels, and a header.
        assert path.stat().st_size < packed.nbytes + 8000


def test_a_saved_network_runs_without_torch(trained, tmp_path):
    digits, networks = trained
    packed = binary.to_packed(networks["resnet"])
    packed.save(tmp_path / "network")
    np.save(tmp_path / "images.npy", digits.test_images[:50])
    code = (
        "import sys, numpy as np; from quantlib.packed.network import PackedNetwork;"
        "network = PackedNetwork.load('network');"
        "print(*network.predict(np.load('images.npy')), 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    *classes, torch_there = done.stdout.split()
    assert torch_there == "False"
    assert [int(c) for c in classes] == packed.predict(digits.test_images[:50]).tolist()


def test_bytes_are_real():
    """A weight takes a bit: 64 x 64 x 9 of them 4608 bytes, and each threshold 5."""
    model = nn.Sequential(
        binary.BinaryConv2d(64, 64, 3), nn.BatchNorm2d(64), binary.BinaryConv2d(64, 64, 3)
    )
    packed = binary.to_packed(model)
    weights = [s.weight for s in packed.steps if isinstance(s, steps.BinaryConv)]
    assert packed.nbytes == 2 * 64 * 64 * 9 // 8 + 64 * 5
    assert packed.nbytes == sum(w.words.nbytes for w in weights) + 64 * 5
    signs = kernels.unpack_signs(weights[0])
    np.testing.assert_array_equal(signs, binary.sign(model[0].weight.detach().numpy()))


def test_model_stays_as_it_is():
    model = binary.BinaryLeNet5(1, 10, 8).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    binary.to_packed(model)
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_networks_take_any_data_set():
    for size in (8, 28, 32):
        for network in (binary.BinaryLeNet5, binary.BinaryVGG, binary.BinaryResNet):
            small = {"width": 32} if network is binary.BinaryVGG else {}
            model = network(3, 7, size, **small).eval()
            assert model(torch.zeros(1, 3, size, size)).shape == (1, 7)
    weights = binary.parameter_bits(binary.BinaryVGG(first_last="binary"))
    assert weights == 14_022_016 and f"{weights / 2**20:.1f}" == "13.4"
    lenet = binary.BinaryLeNet5(1, 10, 28, method="float")
    ours = [tuple(w.shape) for w in models.weight_tensors(lenet).values()]
    assert ours == [tuple(w.shape) for w in models.weight_tensors(models.LeNet5()).values()]
    same = [binary.BinaryResNet(1, 10, 8, seed=s).stem.weight for s in (0, 0, 1)]
    assert torch.equal(same[0], same[1]) and not torch.equal(same[0], same[2])


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("layers", "bounds", "error", "words"),
    [
        ([], (-1, 1), ValueError, "one or more"),
        ([nn.BatchNorm1d(2).eval(), nn.BatchNorm1d(3).eval()], (-1, 1), ValueError, r"\[2, 3\]"),
        ([nn.BatchNorm1d(2)], (-1, 1), ValueError, "evaluation mode"),
        ([nn.ReLU()], (-1, 1), TypeError, "layers must be batch normalizations, got ReLU"),
        ([nn.BatchNorm1d(2).double().eval()], (-1, 1), TypeError, "float32"),
        ([nn.BatchNorm1d(2, track_running_stats=False).eval()], (-1, 1), TypeError, "means"),
        ([nn.BatchNorm1d(2).eval()], (1, -1), ValueError, "high must be from 1"),
        ([nn.BatchNorm1d(2).eval()], (0.5, 1), TypeError, "low must be a whole number"),
    ],
)
def test_thresholds_of_something_else(layers, bounds, error, words):
    with pytest.raises(error, match=words):
        binary.sign_thresholds(layers, *bounds)


def test_thresholds_of_normalizations_of_both_kinds():
    layers = [nn.BatchNorm2d(1, eps=0).eval(), nn.BatchNorm1d(1, eps=0).eval()]
    layers[1].running_mean.fill_(2.5)
    thresholds, flips = binary.sign_thresholds(layers, -9, 9)
    assert thresholds.tolist() == [3] and flips.tolist() == [False]


def test_numbers_that_are_none_are_refused():
    model = binary.BinaryLeNet5(1, 10, 8)
    with torch.no_grad():
        model.conv2.weight[0, 0, 0, 0] = np.nan
        model.bn1.running_var[1] = np.inf
    with pytest.raises(ValueError, match=r"NaN or infinity in bn1\.running_var, conv2\.weight"):
        binary.to_packed(model)
    with pytest.raises(ValueError, match="layers must be finite"):
        binary.sign_thresholds([model.bn1.eval()], -1, 1)


def test_images_before_the_first_residual_have_its_channels():
    conv = nn.Conv2d(3, 3, 1)
    packed = binary.to_packed(nn.Sequential(binary.Residual(conv, nn.Identity())))
    with pytest.raises(ValueError, match="images must be N x 3 x H x W"):
        packed(np.zeros((1, 2, 4, 4), np.float32))


def test_layers_that_cannot_be_packed_are_all_named():
    model = nn.Sequential(
        nn.Sequential(nn.Conv2d(2, 4, 3, padding=1, padding_mode="reflect"), nn.ReLU()),
        binary.Residual(nn.Sequential(nn.GELU()), nn.Identity()),
        nn.AvgPool2d(3, 2),
        nn.Flatten(),
        nn.Linear(4, 2),
    )
    with pytest.raises(ValueError) as error:
        binary.to_packed(model)
    for words in ("0.0 (Conv2d with", "padding_mode=reflect", "1.body.0 (GELU)", "2 (AvgPool2d"):
        assert words in str(error.value)
    assert "ReLU" not in str(error.value) and "Linear" not in str(error.value)
    # A linear layer would meet images. Torch applies it along their last axis, if at all.
    flat = nn.Sequential(
        nn.Linear(6, 2), binary.Residual(nn.Flatten(), nn.Flatten()), nn.Linear(2, 2)
    )
    with pytest.raises(ValueError, match=r"packed: 0 \(Linear without a Flatten before it\)$"):
        binary.to_packed(flat)
    with pytest.raises(ValueError, match=r"cannot be packed: model \(DigitsCNN\)"):
        binary.to_packed(models.DigitsCNN())
    with pytest.raises(TypeError, match="model must be"):
        binary.to_packed("model")


@pytest.mark.parametrize(
    ("images", "error", "words"),
    [
        (np.zeros((1, 3, 8, 8), np.float32), ValueError, "N x 1 x 8 x 8"),
        (np.zeros((1, 8, 8), np.float32), ValueError, "N x 1 x 8 x 8"),
        (np.full((1, 1, 8, 8), np.nan, np.float32), ValueError, "images must be finite"),
        (np.full((1, 1, 8, 8), 1e300), ValueError, "images must be finite"),
        (np.zeros((1, 1, 8, 8), np.uint8), TypeError, "images must be floating-point"),
    ],
)
def test_bad_images(images, error, words):
    network = binary.to_packed(binary.BinaryLeNet5(1, 10, 8))
    with pytest.raises(error, match=words):
        network(images)


def test_bad_networks_and_images():
    for call, error, words in (
        (lambda: binary.BinaryLeNet5(1, 10, 3), ValueError, "image_size must be from 4"),
        (lambda: binary.BinaryVGG(3, 1, 32), ValueError, "num_classes must be from 2"),
        (lambda: binary.BinaryVGG(method="ternary"), ValueError, "method must be one of"),
        (lambda: binary.BinaryVGG(block_order="x"), ValueError, "block_order must be one of"),
        (lambda: binary.BinaryVGG(first_last="x"), ValueError, "first_last must be one of"),
        (lambda: binary.BinaryVGG(width=0), ValueError, "width must be from 1"),
        (lambda: binary.BinaryLeNet5(widths=(1, 2)), ValueError, "widths must be 4"),
        (lambda: binary.BinaryLeNet5(widths=8), ValueError, "widths must be 4"),
        (lambda: binary.BinaryResNet(widths=(), blocks=()), ValueError, "widths must be one or"),
        (lambda: binary.BinaryResNet(blocks=2), ValueError, "blocks must be one for each"),
        (lambda: binary.BinaryResNet(blocks=(1,)), ValueError, "blocks must be one for each"),
        (lambda: binary.BinaryResNet(stem="huge"), ValueError, "stem must be one of"),
        (lambda: binary.BinaryResNet()(np.zeros(3)), TypeError, "images must be a torch tensor"),
        (lambda: binary.BinaryResNet()(torch.zeros(1, 1, 32, 32)), ValueError, "N x 3 x 32 x 32"),
    ):
        with pytest.raises(error, match=words):
            call()


def test_files_that_are_none(tmp_path):
    other = tmp_path / "other.safetensors"
    save_file({"x": np.zeros(3)}, other)
    text = tmp_path / "text"
    text.write_text("no tensors")
    network = binary.to_packed(binary.BinaryLeNet5(1, 10, 8))
    good = tmp_path / "good"
    network.save(good)
    cut = tmp_path / "cut"
    cut.write_bytes(good.read_bytes()[:-1000])
    wrong = tmp_path / "wrong"
    wrong.write_bytes(good.read_bytes().replace(b'"axis\\": 1', b'"axis\\": 0', 1))
    assert wrong.read_bytes() != good.read_bytes()
    for path in (other, text, cut, wrong):
        with pytest.raises(ValueError, match="path must be a file saved by PackedNetwork"):
            PackedNetwork.load(path)
    with pytest.raises(FileNotFoundError):
        PackedNetwork.load(tmp_path / "nothing")


def answers(path, images):
    """Whether a file gives a network that answers; ValueError is the only other end."""
    try:
        PackedNetwork.load(path)(images, num_threads=1)
    except ValueError:
        return False
    return True


def test_a_file_with_a_bit_of_its_header_flipped_is_refused_or_answers(tmp_path):
    model = nn.Sequential(
        binary.BinaryConv2d(2, 3, 3, padding=1, method="xnor"), nn.BatchNorm2d(3),
        nn.MaxPool2d(2), nn.Flatten(), binary.BinaryLinear(12, 4),
    ).eval()  # fmt: skip
    path = tmp_path / "network"
    PackedNetwork(binary.to_packed(model).steps, (2, 4, 4)).save(path)
    content = path.read_bytes()
    length = 8 + int.from_bytes(content[:8], "little")
    images = np.zeros((1, 2, 4, 4), np.float32)
    assert answers(path, images)
    refused, places = 0, range(0, length, 3)
    for place in places:
        flipped = bytearray(content)
        flipped[place] ^= 1 << place * 5 % 8
        path.write_bytes(flipped)
        refused += not answers(path, images)
    assert refused > len(places) / 2


EIGHTHS, ONES = np.full(3, 0.125, np.float32), np.ones(3, np.float32)
SIGNS = kernels.pack_signs(np.ones((3, 3)))


@pytest.mark.parametrize(
    "chain",
    [
        [steps.Affine(EIGHTHS, ONES)],
        [steps.Affine(ONES, EIGHTHS)],
        [steps.RealLayer(np.diag(EIGHTHS), None, None, (1, 1), 1, 0)],
        [steps.RealLayer(SIGNS, EIGHTHS, None, (1, 1), 1, 0)],
        [steps.RealLayer(SIGNS, None, EIGHTHS, (1, 1), 1, 0)],
        [steps.Flatten(), steps.Sign(), steps.BinaryDense(SIGNS, EIGHTHS, None, 0)],
        [steps.Flatten(), steps.Sign(), steps.BinaryDense(SIGNS, ONES, EIGHTHS, 0)],
        [
            steps.Flatten(),
            steps.Threshold(EIGHTHS, np.zeros(3, np.bool_)),
            steps.BinaryDense(SIGNS, None, None, 0),
        ],
    ],
    ids=lambda chain: "-".join(type(step).__name__ for step in chain),
)
def test_a_file_whose_numbers_are_not_finite_is_refused(tmp_path, chain):
    path = tmp_path / "network"
    PackedNetwork(chain).save(path)
    content, eighth = path.read_bytes(), np.float32(0.125).tobytes()
    assert content.count(eighth) == 3
    for number, count in ((np.nan, 1), (np.inf, 3), (-np.inf, 1)):
        path.write_bytes(content.replace(eighth, np.float32(number).tobytes(), count))
        if isinstance(chain[-2:][0], steps.Threshold) and np.isinf(number):  # it may be
            assert np.isfinite(PackedNetwork.load(path)(np.ones((1, 3, 1, 1)))).all()
            continue
        with pytest.raises(ValueError, match=r"must be finite, got [13] NaN or infinite values"):
            PackedNetwork.load(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"axis": 1', '"axis": 3'), ('"axis": 1', '"axis": 0'),
        ("[2, 4, 4]", "[2, 4]   "), ("[2, 4, 4]", "[2, 4, 0]"), ("[2, 4, 4]", "[3, 4, 4]"),
    ],
)  # fmt: skip
def test_a_file_that_lies_is_refused_when_it_is_loaded(tmp_path, old, new):
    model = nn.Sequential(binary.BinaryConv2d(2, 3, 3, padding=1, method="bwn")).eval()
    path = tmp_path / "network"
    PackedNetwork(binary.to_packed(model).steps, (2, 4, 4)).save(path)
    content = path.read_bytes().decode("latin-1")
    changed = content.replace(old.replace('"', '\\"'), new.replace('"', '\\"'), 1)
    assert changed != content and len(changed) == len(content)
    path.write_bytes(changed.encode("latin-1"))
    with pytest.raises(ValueError, match="path must be a file saved by PackedNetwork"):
        PackedNetwork.load(path)
