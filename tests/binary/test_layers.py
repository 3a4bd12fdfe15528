"""Signs and their gradients, binary layers, costs: by hand, by brute force, by the kernels."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import nn
from torch.nn import functional

from quantlib import binary, data, kernels, training
from quantlib.binary.scales import signs_and_scales

NUMBERS = st.floats(-3, 3, width=32)
METHODS = ("binaryconnect", "bwn", "bnn", "xnor")


def gradient(function, x, toward):
    x = x.clone().requires_grad_()
    (function(x) * toward).sum().backward()
    return x.grad


# ---------------------------------------------------------------- signs and their gradients


def test_sign_of_zero_is_plus_one():
    values = [-2.0, -1e-30, -0.0, 0.0, 1e-30, 5.0]
    expected = [-1, -1, 1, 1, 1, 1]
    assert binary.sign(values).tolist() == expected
    assert binary.sign(np.array(values, np.float32)).dtype == np.float32
    x = torch.tensor(values, dtype=torch.float64)
    assert binary.sign(x).tolist() == binary.sign_ste(x).tolist() == expected
    assert binary.sign(x).dtype == binary.sign_ste(x).dtype == torch.float64
    assert kernels.unpack_signs(kernels.pack_signs(np.array(values))).tolist() == expected
    assert binary.sign(np.array([-3, 0])).tolist() == [-1, 1]


@pytest.mark.parametrize("clip_value", [0.5, 1.0, 2.0, None])
def test_gradient_is_that_of_clip(clip_value):
    """Away from the bounds clip(x, -c, c) has a derivative: compare with finite differences."""
    x = torch.linspace(-3, 3, 61, dtype=torch.float64) + 0.013
    toward = torch.randn(61, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    bound = np.inf if clip_value is None else clip_value
    step = 1e-6
    slope = ((x + step).clamp(-bound, bound) - (x - step).clamp(-bound, bound)) / (2 * step)
    found = gradient(lambda x: binary.sign_ste(x, clip_value), x, toward)
    torch.testing.assert_close(found, slope * toward, rtol=0, atol=1e-8)


def test_gradient_passes_at_the_bound_itself():
    x = torch.tensor([-1.0, 1.0, np.nextafter(np.float32(1), np.float32(2)).item()])
    assert gradient(binary.sign_ste, x, 1.0).tolist() == [1, 1, 0]
    assert gradient(lambda x: binary.sign_stochastic_ste(x), x, 1.0).tolist() == [1, 1, 0]
    assert gradient(lambda x: binary.sign_ste(x, None), x, 1.0).tolist() == [1, 1, 1]


def test_stochastic_sign_has_the_mean_of_clip():
    generator = torch.Generator().manual_seed(3)
    n = 40_000
    for value in (-1.5, -1.0, -0.3, 0.0, 0.6, 1.0, 4.0):
        draws = binary.sign_stochastic_ste(torch.full((n,), value), generator=generator)
        assert set(draws.tolist()) <= {-1.0, 1.0}
        mean = float(np.clip(value, -1, 1))
        deviation = np.sqrt((1 - mean**2) / n)
        assert abs(float(draws.mean()) - mean) <= 5 * deviation


def test_stochastic_sign_follows_its_generator():
    x = torch.zeros(64)
    draws = [
        binary.sign_stochastic_ste(x, generator=torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    ]
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])


# ---------------------------------------------------------------- alpha, beta, K


@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(1, 6)), elements=NUMBERS))
def test_alpha_and_signs_are_the_best(w):
    """No other signs with their own best scale, and no other scale, come nearer to a filter."""
    alpha, found = binary.filter_scales(w), binary.binarize_weights(w, "channel")
    for row, scale, near in zip(w, alpha, found, strict=True):
        assert scale == pytest.approx(np.abs(row).sum() / len(row))
        error = ((row - near) ** 2).sum()
        for code in range(2 ** len(row)):
            signs = 1 - 2.0 * np.array([code >> i & 1 for i in range(len(row))])
            for a in (signs @ row / len(row), *np.linspace(0, 3, 13)):
                assert error <= ((row - a * signs) ** 2).sum() + 1e-9


def test_map_k_is_beta_of_each_window():
    """For a window X of all channels, K is the beta that makes beta sign(X) nearest to X."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 7, 6))
    found = binary.activation_scales(torch.from_numpy(x), (3, 2), stride=2).numpy()
    assert found.shape == (2, 1, 3, 3)
    grid = np.linspace(0, 2, 2001)
    for n, i, j in np.ndindex(2, 3, 3):
        window = x[n, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 2].ravel()
        errors = ((window - grid[:, None] * np.where(window >= 0, 1, -1)) ** 2).sum(1)
        assert abs(grid[errors.argmin()] - found[n, 0, i, j]) <= 0.0005 + 1e-9


@pytest.mark.parametrize(("size", "stride", "padding"), [((3, 3), 1, 1), (2, 2, 0), ((1, 3), 1, 2)])
def test_map_k_of_numpy_and_torch_agree(size, stride, padding):
    x = np.random.default_rng(1).standard_normal((2, 4, 6, 5)).astype(np.float32)
    in_torch = binary.activation_scales(torch.from_numpy(x), size, stride, padding)
    in_numpy = binary.activation_scales(x, size, stride, padding)
    assert in_torch.shape == in_numpy.shape
    np.testing.assert_allclose(in_torch.numpy(), in_numpy, rtol=1e-5)


# ---------------------------------------------------------------- gradients through alpha sign(W)


def test_exact_gradient_agrees_with_finite_differences():
    """Without the estimator's part, which is 0 where |W| is above the clip, it is a derivative."""
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(3, 2, 2, 2, dtype=torch.float64, generator=generator)
    toward = torch.randn(w.shape, dtype=torch.float64, generator=generator)

    def function(w):
        return binary.binarize_weights(w, "channel", "exact", clip_value=1e-12)

    found, step = gradient(function, w, toward), 1e-6
    for place in np.ndindex(*w.shape):
        up, down = w.clone(), w.clone()
        up[place] += step
        down[place] -= step
        slope = ((function(up) - function(down)) * toward).sum() / (2 * step)
        assert found[place] == pytest.approx(float(slope), abs=1e-7)


@given(
    hnp.arrays(np.float64, (2, 4), elements=st.integers(-12, 12).map(lambda i: i / 8)),
    hnp.arrays(np.float64, (2, 4), elements=st.integers(-8, 8).map(lambda i: i / 4)),
    st.sampled_from([0.5, 1.0, None]),
)
def test_each_gradient_is_its_formula(w, g, clip_value):
    n, inside = 4, np.abs(w) <= (clip_value or np.inf)
    signs, alpha = np.where(w >= 0, 1, -1), np.abs(w).mean(1, keepdims=True)
    some = alpha > 0
    expected = {
        "straight": g * inside * some,
        "paper": g * (1 / n * some + alpha * inside),
        "exact": alpha * g * inside + np.sign(w) / n * (g * signs).sum(1, keepdims=True),
    }
    for name, value in expected.items():
        found = gradient(
            lambda w, name=name: binary.binarize_weights(w, "channel", name, clip_value),
            torch.from_numpy(w),
            torch.from_numpy(g),
        )
        np.testing.assert_allclose(found.numpy(), value, atol=1e-12, err_msg=name)
        found = gradient(
            lambda w, name=name: binary.binarize_weights(w, "none", name, clip_value),
            torch.from_numpy(w),
            torch.from_numpy(g),
        )
        np.testing.assert_array_equal(found.numpy(), g * inside)


def test_factors_multiply_to_the_binary_weights():
    w = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    signs, alpha = signs_and_scales(w, "channel")
    assert set(signs.unique().tolist()) == {-1.0, 1.0}
    product = alpha[:, None, None, None] * signs
    assert torch.equal(product, binary.binarize_weights(w, "channel"))
    assert torch.equal(signs, binary.binarize_weights(w))


# ---------------------------------------------------------------- layers


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("stride", "padding", "bias"), [(1, 0, False), (2, 1, True)])
def test_convolution_is_its_formula(method, stride, padding, bias):
    rng = np.random.default_rng(0)
    layer = binary.BinaryConv2d(3, 4, (3, 2), stride, padding, method=method, bias=bias)
    x = rng.standard_normal((2, 3, 6, 5)).astype(np.float32)
    w = layer.weight.detach().numpy()
    around = [(0, 0), (0, 0), (padding, padding), (padding, padding)]
    both = method in ("bnn", "xnor")
    signs = np.where(x >= 0, 1, -1) if both else x
    padded = np.pad(signs, around, constant_values=1 if both else 0)
    sizes = np.pad(np.abs(x).mean(1), around[1:])
    found = layer(torch.from_numpy(x)).detach().numpy()
    for n, o, i, j in np.ndindex(*found.shape):
        window = np.s_[stride * i : stride * i + 3, stride * j : stride * j + 2]
        value = (padded[n, :, *window] * np.where(w[o] >= 0, 1, -1)).sum()
        value *= np.abs(w[o]).mean() if method in ("bwn", "xnor") else 1
        value *= sizes[n][window].mean() if method == "xnor" else 1
        value += layer.bias[o].item() if bias else 0
        assert found[n, o, i, j] == pytest.approx(value, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_linear_layer_is_a_convolution_of_one_pixel(method):
    generator = torch.Generator().manual_seed(1)
    linear = binary.BinaryLinear(37, 5, method=method, bias=True)
    conv = binary.BinaryConv2d(37, 5, 1, method=method, bias=True)
    with torch.no_grad():
        conv.weight.copy_(linear.weight[:, :, None, None])
        conv.bias.copy_(linear.bias)
    x = torch.randn(3, 37, generator=generator)
    torch.testing.assert_close(linear(x), conv(x[:, :, None, None])[:, :, 0, 0])


@pytest.mark.parametrize(("channels", "padding", "stride"), [(3, 1, 1), (64, 1, 2), (70, 2, 1)])
def test_layer_and_kernel_agree_to_the_bit(channels, padding, stride):
    """Whole sums are equal; outside the image both have +1."""
    generator = torch.Generator().manual_seed(2)
    layer = binary.BinaryConv2d(channels, 9, 3, stride, padding)
    x = torch.randn(2, channels, 7, 6, generator=generator)
    x[0, 0, 0] = 0.0
    w = kernels.pack_signs(layer.weight.detach().numpy(), 1, panels=True)
    sums = kernels.xnor_conv2d(kernels.pack_signs(x.numpy(), 1), w, stride, padding)
    np.testing.assert_array_equal(layer(x).detach().numpy(), sums)
    xnor = binary.BinaryConv2d(channels, 9, 3, stride, padding, method="xnor")
    scale = kernels.xnor_input_scale(x.numpy(), (3, 3), stride, padding)
    xnor.weight = layer.weight
    alpha = xnor.weight.abs().mean((1, 2, 3)).detach().numpy()
    scaled = kernels.xnor_conv2d(
        kernels.pack_signs(x.numpy(), 1), w, stride, padding, alpha=alpha, input_scale=scale
    )
    np.testing.assert_allclose(xnor(x).detach().numpy(), scaled, rtol=1e-5, atol=1e-6)


def test_gradients_reach_latent_weights_and_input():
    layer = binary.BinaryLinear(2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.5, -1.5]]))
    x = torch.tensor([[0.2, -3.0]], requires_grad=True)
    layer(x).sum().backward()
    assert layer.weight.grad.tolist() == [[1.0, 0.0]]  # the signs of x; nothing beyond the clip
    assert x.grad.tolist() == [[1.0, 0.0]]  # the signs of the weights; nothing beyond the clip


@pytest.mark.parametrize("chosen", ["straight", "paper", "exact"])
@pytest.mark.parametrize("method", ["bwn", "xnor"])
def test_gradient_in_the_layer_is_that_of_the_weights(method, chosen):
    """The layer scales its result; that must hand on what scaled weights would have."""
    generator = torch.Generator().manual_seed(0)
    layer = binary.BinaryConv2d(2, 3, 3, padding=1, method=method, gradient=chosen)
    x = torch.randn(2, 2, 5, 5, generator=generator)
    toward = torch.randn(2, 3, 5, 5, generator=generator)
    found = gradient(lambda x: layer(x), x, toward)

    w, x = layer.weight.detach().clone().requires_grad_(), x.clone().requires_grad_()
    weights = binary.binarize_weights(w, "channel", chosen)
    if method == "xnor":
        k = binary.activation_scales(x, 3, 1, 1)
        k = k if chosen == "exact" else k.detach()
        bits = functional.pad(binary.sign_ste(x), [1] * 4, value=1.0)
        y = functional.conv2d(bits, weights) * k
    else:
        y = functional.conv2d(x, weights, padding=1)
    (y * toward).sum().backward()
    torch.testing.assert_close(layer.weight.grad, w.grad, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found, x.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_stochastic_only_while_training(method):
    layer = binary.BinaryLinear(50, 3, method=method, stochastic=True)
    plain = binary.BinaryLinear(50, 3, method=method)
    plain.weight = layer.weight
    x = torch.randn(4, 50, generator=torch.Generator().manual_seed(0)) / 3
    drawn = {tuple(layer(x).detach().ravel().tolist()) for _ in range(4)}
    assert len(drawn) == 4
    assert torch.equal(layer.eval()(x), plain(x))
    layer.train()(x).sum().backward()
    assert bool(layer.weight.grad.any())


def test_clip_latent():
    model = nn.Sequential(
        binary.BinaryConv2d(1, 2, 3), nn.Sequential(binary.BinaryLinear(4, 3)), nn.Linear(3, 2)
    )
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(100)
    assert binary.clip_latent_(model) is model
    for name, p in model.named_parameters():
        wanted = 100 * before[name]
        wanted = wanted if name.startswith("2") else wanted.clamp(-1, 1)
        assert torch.equal(p, wanted)


def test_fit_clips_after_each_step(tmp_path):
    digits = data.load()
    options = {
        "epochs": 1,
        "batch_size": 512,
        "optimizer": "sgd",
        "learning_rate": 30.0,
        "progress": False,
    }
    seen, steps = [], -(-len(digits.train_labels) // 512)

    def watch(model):
        seen.append(binary.clip_latent_(model)[1].weight.detach().abs().max().item())

    model = nn.Sequential(nn.Flatten(), binary.BinaryLinear(64, 10, method="bwn"))
    path = tmp_path / "run"
    training.fit(model, digits, after_step=watch, checkpoint_path=path, **options)
    assert len(seen) == steps and max(seen) == 1.0
    with pytest.raises(ValueError, match="after_step"):
        training.fit(model, digits, checkpoint_path=path, after_step=binary.clip_latent_, **options)
    with pytest.raises(TypeError, match="after_step"):
        training.fit(model, digits, after_step="clip", **options)


# ---------------------------------------------------------------- costs


def test_speedup_of_the_slides():
    assert round(binary.xnor_speedup(256, 9, 14**2), 2) == 62.27
    assert binary.xnor_speedup(256, 9, 14**2) == pytest.approx(64 * 256 * 9 / (256 * 9 + 64))
    assert binary.xnor_speedup(1, 1, 5) == pytest.approx(64 / 65)  # slower than real numbers


def test_operations_give_the_speedup():
    c, n_w, n_i = 128, 9, 49
    real, packed = (binary.binary_ops(c, n_w, n_i, method=m) for m in ("float", "xnor"))
    ratio = real.multiplications / (packed.words + packed.multiplications)
    assert ratio == pytest.approx(binary.xnor_speedup(c, n_w, n_i))
    assert binary.binary_ops(
        3, 9, 4, method="bnn", n_filters=2, bits_per_word=8
    ) == binary.Operations(0, 0, 2 * 4 * 4)
    assert binary.binary_ops(3, 9, 4, method="bwn") == binary.Operations(4, 108, 0)
    assert binary.binary_ops(3, 9, 4, method="binaryconnect") == binary.Operations(0, 108, 0)


def test_parameter_bits_by_hand():
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3),  # 36 weights, 4 biases
        nn.BatchNorm2d(4),  # 16 numbers
        binary.BinaryConv2d(4, 8, 3, method="xnor", bias=True),  # 288 signs, 8 alphas, 8 biases
        binary.BinaryLinear(8, 2),  # 16 signs
    )
    assert binary.parameter_bits(model) == 32 * 36 + 288 + 16
    assert binary.parameter_bits(model, "all") == 32 * (36 + 4 + 16 + 8 + 8) + 288 + 16


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: binary.sign([]), ValueError, "x must not be empty"),
        (lambda: binary.sign([np.nan]), ValueError, "x must be finite"),
        (lambda: binary.sign_ste(np.ones(2)), TypeError, "x must be a torch tensor"),
        (lambda: binary.sign_ste(torch.ones(2, dtype=torch.int32)), TypeError, "floating-point"),
        (lambda: binary.sign_ste(torch.ones(2), 0), ValueError, "clip_value must be positive"),
        (lambda: binary.sign_ste(torch.ones(2), "1"), TypeError, "clip_value must be a number"),
        (lambda: binary.binarize_weights(torch.ones(3)), ValueError, "w must have 2 axes"),
        (lambda: binary.binarize_weights(torch.ones(0, 3)), ValueError, "w must not be empty"),
        (lambda: binary.filter_scales(np.ones(3)), ValueError, "w must have 2 axes"),
        (lambda: binary.binarize_weights(torch.ones(1, 3), "row"), ValueError, "scale must be"),
        (
            lambda: binary.binarize_weights(torch.ones(1, 3), gradient="no"),
            ValueError,
            "gradient must be one of 'straight', 'paper', 'exact'",
        ),
        (lambda: binary.BinaryLinear(3, 0), ValueError, "out_features must be from 1"),
        (lambda: binary.BinaryLinear(3, 2, method="twn"), ValueError, "method must be one of"),
        (lambda: binary.BinaryLinear(3, 2, stochastic="no"), TypeError, "stochastic must be True"),
        (lambda: binary.BinaryConv2d(3, 2, 3, padding=-1), ValueError, "padding must be from 0"),
        (lambda: binary.BinaryConv2d(3, 2, 3, padding="around"), ValueError, "Invalid padding"),
        (lambda: binary.BinaryConv2d(3, 2, 3, padding_value=2), ValueError, "padding_value must"),
        (lambda: binary.BinaryConv2d(3, 2, (3, 3, 3)), ValueError, "kernel_size must be one"),
        (lambda: binary.BinaryLinear(3, 2)(torch.ones(4)), ValueError, "x must be N x 3"),
        (lambda: binary.BinaryLinear(3, 2)(torch.ones(1, 4)), ValueError, "shape \\(1, 4\\)"),
        (lambda: binary.BinaryConv2d(3, 2, 3)(torch.ones(5, 5)), ValueError, "N x 3 x H x W"),
        (lambda: binary.BinaryConv2d(3, 2, 3)(torch.ones(1, 2, 5, 5)), ValueError, "channels"),
        (lambda: binary.BinaryConv2d(1, 2, 3)(torch.ones(1, 1, 2, 5)), ValueError, "smaller"),
        (lambda: binary.activation_scales(torch.ones(2, 2), 3), ValueError, "N x C x H x W"),
        (
            lambda: binary.activation_scales(torch.ones(1, 1, 2, 5), 3),
            ValueError,
            "smaller than the filter",
        ),
        (
            lambda: binary.activation_scales(torch.ones(1, 1, 3, 3, dtype=torch.int64), 3),
            TypeError,
            "x must be floating-point",
        ),
        (lambda: binary.BinaryLinear(3, 2, method="bwn")([1.0]), TypeError, "x must be a torch"),
        (
            lambda: binary.BinaryConv2d(1, 2, 1, method="bwn")(
                torch.ones(1, 1, 2, 2, dtype=torch.int64)
            ),
            TypeError,
            "x must be floating-point",
        ),
        (lambda: binary.clip_latent_([]), TypeError, "model must be"),
        (lambda: binary.parameter_bits(nn.ReLU(), "some"), ValueError, "include must be one of"),
        (lambda: binary.xnor_speedup(0, 9, 4), ValueError, "c must be from 1"),
        (lambda: binary.binary_ops(3, 9, 4, method="twn"), ValueError, "method must be one of"),
    ],
)
def test_bad_input_is_refused_by_name(call, error, words):
    with pytest.raises(error, match=words):
        call()
