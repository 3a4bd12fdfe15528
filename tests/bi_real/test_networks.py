"""The 1-bit block and its networks: against torch's plain layers, packed, and in training."""

import copy
import itertools

import numpy as np
import pytest
import torch
from torch import fx, nn
from torch.nn import functional

from quantlib import bi_real, binary, data, models
from quantlib.layers import QuantConv2d, convert, quantized
from quantlib.packed import PackedNetwork, steps

#: What can be left out: shortcut, gradient, magnitude_aware.
PARTS = list(itertools.product((True, False), ("approx_sign", "clip"), (True, False)))
NAMES = "shortcut", "gradient", "magnitude_aware"


def small(*image, seed=0, **options):
    return bi_real.BiRealResNet(*image or (2, 3, 8), widths=(5, 66, 8), seed=seed, **options)


def whole_numbers(model, seed=0):
    """Give all layers numbers with which nothing is rounded, in whatever order it is added."""
    rng = np.random.default_rng(seed)

    def put(tensor, values):
        tensor.copy_(torch.from_numpy(np.asarray(values, np.float32).reshape(tensor.shape)))

    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, QuantConv2d):  # a power of two for each filter: alpha is that
                size = 2.0 ** rng.integers(-3, 1, (len(module.weight), 1))
                put(module.weight, size * rng.choice([-1, 1], module.weight.flatten(1).shape))
            elif isinstance(module, nn.Conv2d | nn.Linear):
                put(module.weight, rng.integers(-1, 2, module.weight.shape))
            if isinstance(module, nn.BatchNorm2d):
                n = module.num_features
                put(module.weight, rng.choice([-1, -0.5, 0, 0.5, 1], n))
                put(module.bias, rng.integers(-8, 9, n) / 4)
                put(module.running_mean, rng.integers(-8, 9, n) / 2)
                put(module.running_var, rng.choice([1, 4, 16], n))
                module.eps = 0.0
    return model.eval()


def trained_statistics(model, images, seed=0):
    """Give batch normalization other numbers than its first ones, and the means of ``images``."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in model.train().modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.normal_(generator=generator)
                module.bias.normal_(generator=generator)
                module.momentum = None
        model(images)
    return model.eval()


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# ---------------------------------------------------------------- the block


@pytest.mark.parametrize("padding_value", [0, 1])
@pytest.mark.parametrize("magnitude_aware", [True, False])
@pytest.mark.parametrize(("into", "stride"), [(4, 1), (4, 2), (7, 1), (7, 2)])
@pytest.mark.parametrize("shortcut", [True, False])
def test_the_block_in_torchs_plain_layers(into, stride, shortcut, magnitude_aware, padding_value):
    options = {"padding_value": padding_value, "magnitude_aware": magnitude_aware}
    with models.seeded(0):
        block = bi_real.one_bit_block(4, into, stride, shortcut=shortcut, **options)
    x = trained_statistics(block, random(6, 4, 8, 8)) and random(3, 4, 8, 8, seed=1)

    def normalize(y, norm):
        return functional.batch_norm(
            y, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps
        )

    body = block.body if shortcut else block
    w = torch.where(body[0].weight < 0, -1.0, 1.0)
    if magnitude_aware:
        w = w * body[0].weight.abs().mean((1, 2, 3), keepdim=True)
    signs = functional.pad(torch.where(x < 0, -1.0, 1.0), (1, 1, 1, 1), value=padding_value)
    wanted = normalize(functional.conv2d(signs, w, stride=stride), body[1])
    if shortcut:
        past = functional.avg_pool2d(x, 2) if stride == 2 else x
        if (into, stride) != (4, 1):
            *_, conv, norm = block.shortcut
            past = normalize(functional.conv2d(past, conv.weight), norm)
        wanted = wanted + past
    torch.testing.assert_close(block(x), wanted)


def test_the_shortcut_carries_what_the_sign_is_taken_of():
    """Two inputs of the same signs differ behind the block by what they differ before it."""
    block = bi_real.one_bit_block(3, 3).eval()
    x = random(1, 3, 4, 4)
    torch.testing.assert_close(block(3 * x) - block(x), 2 * x)
    plain = bi_real.one_bit_block(3, 3, shortcut=False).eval()
    assert torch.equal(plain(3 * x), plain(x))


def test_a_block_converted_is_the_block():
    with models.seeded(0):
        model = small()
    plain, ones = copy.deepcopy(model), list(quantized(model))
    for name in ones:
        conv = plain.get_submodule(name)
        real = nn.Conv2d(conv.in_channels, conv.out_channels, 3, conv.stride, 1, bias=False)
        real.weight = conv.weight
        plain.set_submodule(name, real)
    skip = [name for name in models.weight_layers(plain) if name not in ones]
    x = random(2, 2, 8, 8)
    found = convert(plain, skip=skip, **bi_real.quantizers()).eval()
    assert list(quantized(found)) == ones and len(ones) == 6
    assert torch.equal(found(x), model.eval()(x))


def test_a_block_is_traced():
    signs = bi_real.ApproxSignActivations()
    x = random(2, 3)
    assert torch.equal(fx.symbolic_trace(signs)(x), signs(x))
    block = bi_real.one_bit_block(3, 4, 2).eval()
    exported = torch.export.export(block, (random(1, 3, 4, 4),)).module()
    x = random(1, 3, 4, 4, seed=1)
    torch.testing.assert_close(exported(x), block(x))


# ---------------------------------------------------------------- the networks


@pytest.mark.parametrize("image", [(1, 10, 8), (1, 10, 28), (3, 10, 32), (1, 2, 4)])
@pytest.mark.parametrize("shortcut", [True, False])
def test_images_of_the_courses_sizes(image, shortcut):
    model = bi_real.BiRealResNet(*image, shortcut=shortcut).eval()
    channels, classes, size = image
    assert model(torch.zeros(2, channels, size, size)).shape == (2, classes)
    assert len(binary.binary_layers(model)) == 6
    assert sum(isinstance(m, models.Residual) for m in model.modules()) == 6 * shortcut
    assert not any(isinstance(m, nn.ReLU) for m in model.modules())


def test_the_shape_of_18_layers():
    """As many weights as torchvision's resnet18 has in convolutions and the linear layer."""
    model = bi_real.BiRealResNet.resnet18()
    weights = {name: layer.weight.numel() for name, layer in models.weight_layers(model).items()}
    assert sum(weights.values()) == 11_678_912
    one_bit = list(binary.binary_layers(model))
    assert len(one_bit) == 16 and len(weights) == 1 + 16 + 3 + 1
    by_stage = [9 * (4 * 64 * 64)]
    by_stage += [9 * (c // 2 * c + 3 * c * c) for c in (128, 256, 512)]
    assert sum(weights[name] for name in one_bit) == sum(by_stage)
    assert sum(isinstance(m, nn.AvgPool2d) for m in model.modules()) == 3


def test_latent_weights_start_on_both_sides_of_zero():
    for layer in binary.binary_layers(bi_real.BiRealResNet(3, 10, 32)).values():
        share = (layer.weight >= 0).float().mean().item()
        assert abs(share - 0.5) < 4 * 0.5 / layer.weight.numel() ** 0.5


def test_the_same_seed_gives_the_same_weights_whatever_is_left_out():
    first, other = small(seed=1), small(seed=2)
    assert not torch.equal(first.stem.weight, other.stem.weight)
    for parts in PARTS:
        again = small(seed=1, **dict(zip(NAMES, parts, strict=True)))
        assert torch.equal(again.stem.weight, first.stem.weight)
        found = [layer.weight for layer in binary.binary_layers(again).values()]
        wanted = [layer.weight for layer in binary.binary_layers(first).values()]
        assert [w.shape for w in found] == [w.shape for w in wanted]


def test_bad_networks_are_refused_by_name():
    for call, error, words in (
        (lambda: small(1, 10, 10), ValueError, "image_size must be a multiple of 4 behind the st"),
        (lambda: bi_real.BiRealResNet.resnet18(image_size=100), ValueError, "multiple of 8 behin"),
        (lambda: small(gradient="sign"), ValueError, "gradient must be one of 'approx_sign'"),
        (lambda: small(shortcut="yes"), TypeError, "shortcut must be True or False"),
        (lambda: small(magnitude_aware=2), TypeError, "magnitude_aware must be True or False"),
        (lambda: small(padding_value=-1), ValueError, "padding_value must be one of 0, 1"),
        (lambda: bi_real.one_bit_block(2, 2, 3), ValueError, "stride must be one of 1, 2"),
        (lambda: small(stem="wide"), ValueError, "stem must be one of"),
    ):
        with pytest.raises(error, match=words):
            call()
    assert small(1, 10, 10, shortcut=False)(torch.zeros(2, 1, 10, 10)).shape == (2, 10)


# ---------------------------------------------------------------- packed


@pytest.mark.parametrize("padding_value", [0, 1])
@pytest.mark.parametrize("parts", PARTS, ids=str)
def test_packed_is_torch_to_the_bit_where_nothing_is_rounded(parts, padding_value):
    model = small(**dict(zip(NAMES, parts, strict=True)), padding_value=padding_value)
    whole_numbers(model)
    images = np.random.default_rng(1).integers(-3, 4, (5, 2, 8, 8)).astype(np.float32)
    with torch.no_grad():
        wanted = model(torch.from_numpy(images)).numpy()
    packed = binary.to_packed(model)
    assert len(np.unique(wanted)) > 4
    np.testing.assert_array_equal(packed(images), wanted)


@pytest.mark.parametrize("padding_value", [0, 1])
def test_packed_18_layers_are_torchs_but_for_rounding(padding_value, tmp_path):
    """A sign of a number near 0 may fall on the other side, which moves the outputs a little."""
    options = {"widths": (64, 128, 256, 512), "blocks": (2, 2, 2, 2), "stem": "large"}
    model = bi_real.BiRealResNet(3, 20, 64, padding_value=padding_value, **options)
    trained_statistics(model, random(4, 3, 64, 64))
    images = random(2, 3, 64, 64, seed=1)
    with torch.no_grad():
        wanted = model(images).numpy()
    packed = binary.to_packed(model)
    assert np.linalg.norm(packed(images.numpy()) - wanted) < 0.02 * np.linalg.norm(wanted)
    bits = sum(layer.weight.numel() for layer in binary.binary_layers(model).values())
    real = sum(p.numel() for p in model.parameters()) - bits
    assert packed.nbytes < 1.05 * (bits / 8 + 4 * real)
    packed.save(tmp_path / "network")
    again = PackedNetwork.load(tmp_path / "network")
    np.testing.assert_array_equal(again(images.numpy()), packed(images.numpy()))


def test_the_steps_of_a_packed_network():
    """A sum of two ways lies between batch normalization and sign: no comparison, but real."""
    first, second = steps.Sign, steps.BinaryConv
    packed = binary.to_packed(small())
    kinds = [type(step) for step in packed.steps]
    ends = [steps.MeanPool, steps.Flatten, steps.RealLayer]
    assert kinds == [steps.RealLayer, *[steps.Residual] * 6, *ends]
    for step, halves in zip(packed.steps[1:7], (0, 0, 1, 0, 1, 0), strict=True):
        assert [type(part) for part in step.body] == [first, second]
        assert [type(part) for part in step.shortcut] == [steps.MeanPool, steps.RealLayer] * halves
    kinds = [type(step) for step in binary.to_packed(small(shortcut=False)).steps]
    assert kinds == [steps.RealLayer, *[steps.Threshold, second] * 6, *ends]


# ---------------------------------------------------------------- scales that are absorbed


def scaled_block(seed=0):
    with models.seeded(seed):
        model = small()
    return trained_statistics(model, random(16, 2, 8, 8), seed)


def test_signs_alone_with_adjusted_normalization_give_the_same_outputs():
    model, x = scaled_block(), random(4, 2, 8, 8, seed=1)
    with torch.no_grad():
        next(iter(quantized(model).values())).weight[2] = 0  # alpha = 0
        wanted, found = model(x), bi_real.absorb_scales(model)
        assert all(layer.weight_quant.scale == "none" for layer in quantized(found).values())
        torch.testing.assert_close(found(x), wanted, rtol=1e-3, atol=1e-3)
        # The same without the adjustment is another network.
        naive = copy.deepcopy(model)
        for layer in quantized(naive).values():
            layer.weight_quant = binary.SignWeights()
        assert (naive(x) - wanted).norm() > wanted.norm() / 2
        # What is given stays as it is.
        assert torch.equal(model(x), wanted)


def test_the_adjusted_statistics_are_those_of_the_sums():
    """What one would estimate anew from images, as the paper does."""
    block = bi_real.one_bit_block(4, 5, shortcut=False)
    x = random(64, 4, 8, 8)
    trained_statistics(block, x)
    found = bi_real.absorb_scales(block)
    anew = copy.deepcopy(found)
    anew[1].reset_running_stats()
    anew.train()(x)
    torch.testing.assert_close(found[1].running_mean, anew[1].running_mean)
    torch.testing.assert_close(found[1].running_var, anew[1].running_var, rtol=1e-3, atol=0)


@pytest.mark.parametrize("size", [0.01, 1, 30])
@pytest.mark.parametrize("zeros", [False, True])
def test_a_linear_layer_with_a_bias(zeros, size):
    """And variances so small that eps is as large."""
    with models.seeded(0):
        layer = binary.BinaryLinear(6, 3, method="bwn", bias=True)
        model = nn.Sequential(layer, nn.BatchNorm1d(3)).eval()
    x = random(5, 6)
    with torch.no_grad():
        layer.weight.mul_(size)
        layer.bias.mul_(0.01)
        layer.weight[0] *= 0 if zeros else 1
        model[1].running_mean.copy_(0.01 * random(3, seed=1))
        model[1].running_var.copy_(1e-5 * (1 + random(3, seed=2).abs()))
        model[1].bias.copy_(random(3, seed=3))
        torch.testing.assert_close(bi_real.absorb_scales(model)(x), model(x))


def test_scales_that_nothing_can_absorb():
    conv = QuantConv2d(2, 2, 1, bias=False, **bi_real.quantizers())
    norm = nn.BatchNorm2d(2)
    for layers, words in (
        ([conv], "got none behind 0"),
        ([conv, nn.ReLU(), norm], "got none behind 0"),
        ([conv, nn.BatchNorm2d(2, affine=False)], "got none behind 0"),
        ([conv, norm, conv, nn.BatchNorm2d(2)], "got several of 0"),
    ):
        with pytest.raises(ValueError, match=words):
            bi_real.absorb_scales(nn.Sequential(*layers))
    plain = nn.Sequential(nn.Conv2d(2, 2, 1), nn.ReLU())
    assert torch.equal(bi_real.absorb_scales(plain)[0].weight, plain[0].weight)


# ---------------------------------------------------------------- training


@pytest.fixture
def one_thread():
    """Many threads on few processors wait for each other longer than such a network computes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("parts", PARTS, ids=str)
def test_some_steps_of_training_lower_the_loss(parts, one_thread):
    digits = data.load()
    images = torch.as_tensor(digits.train_images[:128])
    labels = torch.as_tensor(digits.train_labels[:128]).long()
    options = dict(zip(NAMES, parts, strict=True))
    model = bi_real.BiRealResNet(1, 10, 8, widths=(16, 32), blocks=(1, 1), **options)
    optimizer, losses = torch.optim.Adam(model.parameters(), 0.01), []
    for _ in range(12):
        loss = functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    for layer in binary.binary_layers(model).values():
        assert layer.weight.grad.abs().max() > 0
