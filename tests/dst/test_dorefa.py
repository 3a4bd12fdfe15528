"""DoReFa's three quantizers, against formulas by hand and finite differences."""

import numpy as np
import pytest
import torch

from quantlib.dst.dorefa import DorefaActivations, DorefaGradients, DorefaWeights

W = torch.randn(6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_weights_take_the_levels_of_the_formula(bits):
    steps = 2**bits - 1
    t = np.tanh(W.numpy())
    expected = 2 * np.round((t / (2 * abs(t).max()) + 0.5) * steps) / steps - 1
    found = DorefaWeights(bits)(W).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert found.min() >= -1 and found.max() <= 1 and len(np.unique(found.round(9))) <= 2**bits
    assert not np.isclose(found, 0).any()


def test_the_gradient_of_weights_is_that_of_the_formula_without_rounding():
    upstream = torch.randn(6, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    w = W.clone().requires_grad_()
    (DorefaWeights(3)(w) * upstream).sum().backward()

    def smooth(w):
        t = np.tanh(w)
        return (t / abs(t).max() * upstream.numpy()).sum()

    for place in np.ndindex(6, 5):
        up, down = W.numpy().copy(), W.numpy().copy()
        up[place] += 1e-6
        down[place] -= 1e-6
        slope = (smooth(up) - smooth(down)) / 2e-6
        assert w.grad[place].item() == pytest.approx(slope, abs=1e-6)
    # But for the largest, it has the factor 1 - tanh^2.
    largest = W.abs().argmax()
    factor = (1 - torch.tanh(W) ** 2) / torch.tanh(W).abs().max()
    others = torch.arange(30) != largest
    torch.testing.assert_close(w.grad.flatten()[others], (upstream * factor).flatten()[others])


def test_one_bit_is_the_sign_times_the_layers_mean():
    w = torch.tensor([[1.0, -3.0], [0.0, 2.0]], requires_grad=True)
    y = DorefaWeights(1)(w)
    assert y.tolist() == [[1.5, -1.5], [1.5, 1.5]]
    (y * torch.arange(4.0).reshape(2, 2)).sum().backward()
    assert w.grad.tolist() == [[0, 1], [2, 3]]
    assert (DorefaWeights(4)(torch.zeros(2, 2)).abs() < 0.1).all()


@pytest.mark.parametrize("bits", [1, 2, 5])
def test_activations_are_clipped_and_rounded(bits):
    x = torch.linspace(-1, 2, 301, dtype=torch.float64).requires_grad_()
    y = DorefaActivations(bits)(x)
    y.sum().backward()
    steps = 2**bits - 1
    values = x.detach().numpy()
    expected = np.round(np.clip(values, 0, 1) * steps) / steps
    np.testing.assert_allclose(y.detach().numpy(), expected, atol=1e-12)
    inside = (values >= 0) & (values <= 1)
    np.testing.assert_array_equal(x.grad.numpy(), inside.astype(float))


def test_gradients_take_few_levels_whose_mean_is_right():
    g = torch.tensor([[0.3, -0.7, 1.0], [0.02, 0.1, -0.05]], dtype=torch.float64)
    layer, found = DorefaGradients(4, generator=torch.Generator().manual_seed(2)), []
    for _ in range(4000):
        x = torch.zeros_like(g, requires_grad=True)
        assert torch.equal(layer(x), x)
        layer(x).backward(g)
        found.append(x.grad)
    found = torch.stack(found)
    # Each image has a range of its own.
    levels = (found / g.abs().amax(1, keepdim=True) + 1) / 2 * 15
    torch.testing.assert_close(levels, levels.round(), atol=1e-9, rtol=0)
    inside = g.abs() < 0.9 * g.abs().amax(1, keepdim=True)
    width = g.abs().amax(1, keepdim=True) * 2 / 15
    assert ((found.mean(0) - g).abs() < width / 20)[inside].all()


def test_a_gradient_of_zeros_and_a_vector_pass():
    x = torch.zeros(4, requires_grad=True)
    DorefaGradients(6)(x).backward(torch.tensor([1.0, 0.0, -1.0, 0.5]))
    assert torch.isfinite(x.grad).all()
    x = torch.zeros(2, 3, requires_grad=True)
    DorefaGradients(6)(x).backward(torch.zeros(2, 3))
    assert x.grad.abs().max() < 1e-30


def test_bad_bits_are_refused():
    for kind in (DorefaWeights, DorefaActivations, DorefaGradients):
        with pytest.raises(ValueError, match="bit_width"):
            kind(0)
        with pytest.raises(TypeError, match="torch tensor"):
            kind(2)(np.zeros((2, 2)))
