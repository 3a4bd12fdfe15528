"""ApproxSign and the two gradients of Bi-Real Net: by the printed pieces, by loops, by autograd."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import nn

from quantlib import bi_real, binary
from quantlib.layers import QuantConv2d, convert

WIDE = st.floats(-4, 4, width=32)
ENDS = [-1.0, np.nextafter(-1, 0), np.nextafter(-1, -2), -0.0, 0.0, 1.0, np.nextafter(1, 2)]


def piece_by_piece(x):
    """ApproxSign and its derivative of one number, as the slide prints them."""
    if x < -1:
        return -1.0, 0.0
    if x < 0:
        return 2 * x + x * x, 2 + 2 * x
    if x < 1:
        return 2 * x - x * x, 2 - 2 * x
    return 1.0, 0.0


def gradient(function, x, toward):
    x = x.clone().requires_grad_()
    (function(x) * toward).sum().backward()
    return x.grad


@given(
    hnp.arrays(np.float64, st.integers(1, 20), elements=st.floats(-4, 4) | st.sampled_from(ENDS))
)
def test_the_pieces_as_they_are_printed(x):
    values, slopes = np.array([piece_by_piece(number) for number in x.tolist()]).T
    np.testing.assert_allclose(bi_real.approx_sign(x), values, rtol=0, atol=4e-16)
    np.testing.assert_array_equal(bi_real.approx_sign_derivative(x), slopes)
    tensor = torch.from_numpy(x)
    assert np.array_equal(bi_real.approx_sign(tensor).numpy(), bi_real.approx_sign(x))
    assert np.array_equal(bi_real.approx_sign_derivative(tensor).numpy(), slopes)


def test_the_derivative_is_that_of_differences():
    step = 1e-6
    x = np.linspace(-1.5, 1.5, 301) + 1e-3
    slope = (bi_real.approx_sign(x + step) - bi_real.approx_sign(x - step)) / (2 * step)
    np.testing.assert_allclose(bi_real.approx_sign_derivative(x), slope, rtol=0, atol=1e-6)
    tensor = torch.from_numpy(np.r_[x, ENDS])
    found = gradient(bi_real.approx_sign, tensor, 1.0)
    torch.testing.assert_close(found, bi_real.approx_sign_derivative(tensor), rtol=0, atol=1e-15)


def test_at_the_bounds_and_at_zero():
    """The derivative is 0 at -1 and +1, whichever piece they belong to; nowhere does it jump."""
    for bound in (-1.0, 1.0):
        assert bi_real.approx_sign([bound]) == bound
        assert bi_real.approx_sign_derivative([bound]) == 0
        for beside in (np.nextafter(bound, 0), np.nextafter(bound, 2 * bound)):
            assert 0 <= bi_real.approx_sign_derivative([beside])[0] < 1e-15
    assert bi_real.approx_sign([0.0, -0.0]).tolist() == [0, 0]
    assert bi_real.approx_sign_derivative([0.0, -0.0]).tolist() == [2, 2]
    x = torch.tensor([-1.0, -0.0, 0.0, 1.0])
    assert bi_real.approx_sign_ste(x).tolist() == [-1, 1, 1, 1]
    assert gradient(bi_real.approx_sign_ste, x, 3.0).tolist() == [0, 6, 6, 0]
    assert gradient(binary.sign_ste, x, 3.0).tolist() == [3, 3, 3, 3]


def test_areas_and_means():
    """The areas that the docstring names: a sum over a fine grid, and what is left of the step."""
    x = (np.arange(400_000) + 0.5) / 100_000 - 2
    between = abs(np.where(x < 0, -1, 1) - bi_real.approx_sign(x)).mean() * 4
    assert between == pytest.approx(2 / 3, abs=1e-6)
    assert (abs(np.where(x < 0, -1, 1) - x.clip(-1, 1)).mean() * 4) == pytest.approx(1, abs=1e-6)
    assert bi_real.approx_sign_derivative(x).mean() * 4 == pytest.approx(2, abs=1e-6)


@given(
    hnp.arrays(np.float32, 12, elements=WIDE),
    hnp.arrays(np.float32, 12, elements=st.floats(-1e3, 1e3, width=32)),
)
def test_the_sign_hands_back_slope_times_gradient_exactly(x, toward):
    tensor = torch.from_numpy(x)
    found = gradient(bi_real.approx_sign_ste, tensor, torch.from_numpy(toward))
    slopes = np.array([np.float32(2) - 2 * abs(n) if abs(n) < 1 else np.float32(0) for n in x])
    np.testing.assert_array_equal(found.numpy(), slopes * toward)
    assert bi_real.approx_sign_ste(tensor).tolist() == [1.0 if n >= 0 else -1.0 for n in x]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16"])
def test_kinds_and_dtypes_stay(dtype):
    x = torch.tensor([[-0.5, 0.25]], dtype=getattr(torch, dtype))
    for function in (
        bi_real.approx_sign,
        bi_real.approx_sign_derivative,
        bi_real.approx_sign_ste,
    ):
        assert function(x).dtype == x.dtype and function(x).shape == x.shape
        assert function(x[:0]).shape == (0, 2)
    if dtype != "bfloat16":
        assert bi_real.approx_sign(x.numpy()).dtype == dtype
        assert bi_real.approx_sign_derivative(x.numpy()).dtype == dtype
    assert bi_real.approx_sign(torch.tensor([1, 0])).tolist() == [1, 0]
    assert bi_real.approx_sign_derivative([0, 1]).dtype == np.float64


def test_nan_and_infinity():
    x = torch.tensor([np.nan, np.inf, -np.inf])
    for values in (x, x.numpy()):
        assert np.array_equal(bi_real.approx_sign(values), [np.nan, 1, -1], equal_nan=True)
        slopes = bi_real.approx_sign_derivative(values)
        assert np.array_equal(slopes, [np.nan, 0, 0], equal_nan=True)
    signs = bi_real.ApproxSignActivations()(x)
    assert np.array_equal(signs, [np.nan, 1, -1], equal_nan=True)
    assert gradient(bi_real.approx_sign_ste, x, 1.0)[1:].tolist() == [0, 0]


def test_bad_input_is_refused_by_name():
    for call, error, words in (
        (lambda: bi_real.approx_sign("x"), TypeError, "x must hold real numbers"),
        (lambda: bi_real.approx_sign_ste(np.ones(2)), TypeError, "x must be a torch tensor"),
        (lambda: bi_real.approx_sign_ste(torch.ones(2).long()), TypeError, "x must be floating"),
        (lambda: bi_real.MagnitudeAwareWeights(0), ValueError, "clip_value must be positive"),
        (lambda: bi_real.quantizers(gradient="x"), ValueError, "gradient must be one of"),
        (lambda: bi_real.quantizers(magnitude_aware=1), TypeError, "magnitude_aware must be True"),
    ):
        with pytest.raises(error, match=words):
            call()


# ---------------------------------------------------------------- weights


@given(
    hnp.arrays(np.float32, (3, 2, 2, 2), elements=st.floats(-2, 2, width=32)),
    hnp.arrays(np.float32, (3, 2, 2, 2), elements=st.floats(-8, 8, width=32)),
)
def test_weights_and_their_gradient_in_loops(w, toward):
    values, slopes = np.empty(w.shape), np.empty(w.shape)
    for o in range(len(w)):
        alpha = sum(abs(float(x)) for x in w[o].flat) / w[o].size
        for place in np.ndindex(w[o].shape):
            values[o][place] = alpha if w[o][place] >= 0 else -alpha
            inside = -1 <= w[o][place] <= 1
            slopes[o][place] = toward[o][place] * alpha if inside else 0
    quantizer, tensor = bi_real.MagnitudeAwareWeights(), torch.from_numpy(w)
    np.testing.assert_allclose(quantizer(tensor), values, rtol=1e-6, atol=1e-30)
    found = gradient(quantizer, tensor, torch.from_numpy(toward))
    np.testing.assert_allclose(found, slopes, rtol=1e-5, atol=1e-30)


def random(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_what_the_published_code_computes_is_straight():
    """Alpha detached, signs detached, clip(W) for the gradient."""
    w, toward = 0.7 * random(4, 3, 3, 3), random(4, 3, 3, 3, seed=1)

    def published(w):
        alpha = w.abs().mean((1, 2, 3), keepdim=True).detach()
        clipped = w.clamp(-1, 1)
        return (alpha * torch.sign(w)).detach() - clipped.detach() + clipped

    straight = binary.SignWeights(scale="channel")
    torch.testing.assert_close(straight(w), published(w))
    torch.testing.assert_close(gradient(straight, w, toward), gradient(published, w, toward))
    ours = gradient(bi_real.MagnitudeAwareWeights(), w, toward)
    alpha = w.abs().mean((1, 2, 3), keepdim=True)
    torch.testing.assert_close(ours, alpha * gradient(published, w, toward))


def test_before_batch_norm_magnitude_aware_is_the_gradient_of_plain_signs():
    """Alpha divides the gradient that comes back, and multiplies it again."""
    x, toward = random(8, 3, 5, 5, seed=2), random(8, 4, 5, 5, seed=3)
    w = 0.02 * random(4, 3, 3, 3)
    norm = nn.BatchNorm2d(4, eps=1e-30, dtype=torch.float64)

    def through(quantizer):
        def block(w):
            return norm(nn.functional.conv2d(x.sign(), quantizer(w), padding=1))

        return gradient(block, w, toward)

    plain = through(binary.SignWeights())
    assert plain.abs().max() > 1e-3
    torch.testing.assert_close(through(bi_real.MagnitudeAwareWeights()), plain)
    alpha = w.abs().mean((1, 2, 3), keepdim=True)
    torch.testing.assert_close(through(binary.SignWeights(scale="channel")), plain / alpha)


def test_a_filter_of_zeros_and_what_is_printed():
    w = torch.zeros(2, 3)
    w[1] = torch.tensor([0.5, -0.25, 0.0])
    assert bi_real.MagnitudeAwareWeights()(w).tolist() == [[0, 0, 0], [0.25, -0.25, 0.25]]
    assert gradient(bi_real.MagnitudeAwareWeights(), w, 1.0).tolist() == [[0] * 3, [0.25] * 3]
    assert repr(bi_real.MagnitudeAwareWeights(0.5)) == "MagnitudeAwareWeights(clip_value=0.5)"
    assert repr(bi_real.ApproxSignActivations()) == "ApproxSignActivations()"
    assert bi_real.MagnitudeAwareWeights().signature == "MagnitudeAwareWeights(scale='channel')"


def test_a_layer_of_them():
    """Sums of signs in whole numbers, then alpha; a gradient for input and weights."""
    layer = QuantConv2d(2, 3, 3, bias=False, **bi_real.quantizers())
    x = random(1, 2, 4, 4).float().requires_grad_()
    y = layer(x)
    signs = torch.where(x >= 0, 1.0, -1.0)
    w = torch.where(layer.weight >= 0, 1.0, -1.0)
    alpha = layer.weight.detach().abs().mean((1, 2, 3))
    wanted = nn.functional.conv2d(signs, w) * alpha[:, None, None]
    assert torch.equal(y, wanted)
    y.sum().backward()
    back = nn.functional.conv_transpose2d(torch.ones_like(y), w * alpha[:, None, None, None])
    torch.testing.assert_close(x.grad, back * (2 - 2 * x.detach().abs()).clamp(min=0))
    assert layer.padding_value == 1
    assert list(binary.binary_layers(nn.Sequential(layer))) == ["0"]
    assert layer.quantized_weight.levels.tolist() == [-1, 1]


def test_a_sign_behind_a_relu_says_nothing():
    """Whatever the images are: so no ReLU stands in front of a 1-bit layer."""
    plain = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3))
    model = convert(plain, skip=["0"], **bi_real.quantizers())
    first, second = model(random(1, 1, 8, 8).float()), model(random(1, 1, 8, 8, seed=1).float())
    assert torch.equal(first, second)
