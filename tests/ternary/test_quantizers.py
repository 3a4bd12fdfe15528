"""Ternary weights in layers: values, gradients by hand, and training."""

import numpy as np
import pytest
import torch
from torch import nn

from quantlib import layers, ternary
from quantlib.ternary import RULES, TernaryWeights, TrainedTernaryWeights


def weight(seed=0, shape=(4, 3, 3, 3)):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("axis", [0, None])
def test_values_are_those_of_the_rule(rule, axis):
    w = weight()
    q = ternary.choose_qparams(w, rule=rule, axis=axis)
    found = TernaryWeights(rule, axis=axis)(w)
    torch.testing.assert_close(found, q.fake_quantize(w))
    codes, negative, positive = TernaryWeights(rule, axis=axis).deployed(w)
    np.testing.assert_array_equal(codes, q.quantize(w))
    for level, right in ((negative, q.negative), (positive, q.positive)):
        np.testing.assert_allclose(level, np.broadcast_to(right, 4), rtol=1e-6)


@pytest.mark.parametrize("rule", RULES)
def test_the_gradient_of_ternary_weights_is_that_of_their_values(rule):
    w = weight().requires_grad_()
    g = weight(1)
    (TernaryWeights(rule)(w) * g).sum().backward()
    torch.testing.assert_close(w.grad, g)


def test_a_filter_of_zeros_gives_zeros():
    w = weight()
    w[2] = 0
    for rule in RULES:
        for axis in (0, None):
            values = TernaryWeights(rule, axis=axis)(w)
            assert values[2].abs().max() == 0 and values.isfinite().all()
    assert TrainedTernaryWeights()(0 * w).abs().max() == 0


def test_gradients_of_ttq_number_by_number():
    quantizer = TrainedTernaryWeights(factor=0.3, negative=0.5, positive=2.0)
    w = weight().requires_grad_()
    g = weight(1)
    values = quantizer(w)
    (values * g).sum().backward()
    threshold = 0.3 * max(abs(v) for v in w.flatten().tolist())
    to_positive = to_negative = 0.0
    for v, gradient, value, mine in zip(
        *(t.detach().flatten().tolist() for t in (w, g, values, w.grad)), strict=True
    ):
        if v > threshold:
            expected, slope, to_positive = 2.0, 2.0, to_positive + gradient
        elif v < -threshold:
            expected, slope, to_negative = -0.5, 0.5, to_negative - gradient
        else:
            expected, slope = 0.0, 1.0
        assert value == pytest.approx(expected)
        assert mine == pytest.approx(slope * gradient)
    assert quantizer.positive.grad.item() == pytest.approx(to_positive, rel=1e-4)
    assert quantizer.negative.grad.item() == pytest.approx(to_negative, rel=1e-4)


def test_gradients_of_the_levels_are_those_of_a_small_change():
    """The sign that equation (7) of the paper lacks: a larger W_n makes its weights smaller."""
    w, g, change = weight().double(), weight(1).double(), 1e-6
    for name in ("negative", "positive"):
        quantizer = TrainedTernaryWeights(factor=0.3, negative=0.5, positive=2.0).double()
        before = (quantizer(w) * g).sum()
        before.backward()
        with torch.no_grad():
            getattr(quantizer, name).add_(change)
        slope = ((quantizer(w) * g).sum() - before).item() / change
        assert getattr(quantizer, name).grad.item() == pytest.approx(slope, rel=1e-4)


def test_levels_start_at_the_means_of_a_weight():
    w = weight()
    quantizer = TrainedTernaryWeights.like(w)
    threshold = 0.05 * w.abs().max()
    assert quantizer.positive.item() == pytest.approx(w[w > threshold].mean().item(), rel=1e-5)
    assert quantizer.negative.item() == pytest.approx(-w[w < -threshold].mean().item(), rel=1e-5)
    alone = TrainedTernaryWeights.like(w.abs())  # none is negative
    assert alone.negative.item() == pytest.approx(w.abs().mean().item(), rel=1e-5)


@pytest.mark.parametrize(
    "quantizer", [TernaryWeights(), TrainedTernaryWeights()], ids=["twn", "ttq"]
)
def test_nan_stays_nan_and_what_is_no_weight_is_refused(quantizer):
    w = weight()
    w[0, 0, 0, 0] = torch.nan
    assert quantizer(w)[0, 0, 0, 0].isnan()
    for wrong in (torch.zeros(3), torch.zeros(0, 3)):
        with pytest.raises(ValueError, match="w must have 2 axes or more"):
            quantizer(wrong)
    with pytest.raises(TypeError, match="w must be a torch tensor, got ndarray"):
        quantizer(w.numpy())


@pytest.mark.parametrize(
    "options",
    [{"factor": 0}, {"negative": -1.0}, {"positive": float("nan")}, {"factor": "a"}],
    ids=str,
)
def test_options_are_looked_at(options):
    (name,) = options
    with pytest.raises((ValueError, TypeError), match=f"{name} must be"):
        TrainedTernaryWeights(**options)
    with pytest.raises(ValueError, match="rule must be"):
        TernaryWeights("ttq")
    with pytest.raises(ValueError, match="axis must be"):
        TernaryWeights(axis=1)


def spirals(n=300):
    """Two spirals, a task that no linear layer solves."""
    angle = torch.linspace(0.5, 9, n)
    turns = torch.stack([angle * angle.cos(), angle * angle.sin()], 1) / 9
    return torch.cat([turns, -turns]), torch.arange(2).repeat_interleave(n)


@pytest.mark.parametrize(
    "weight_quant",
    [TernaryWeights("twn"), TernaryWeights("two_levels", axis=None),
     lambda layer: TrainedTernaryWeights.like(layer.weight)],
    ids=["twn", "two levels", "ttq"],
)  # fmt: skip
def test_a_network_learns_and_its_state_comes_back(weight_quant):
    torch.manual_seed(0)
    plain = nn.Sequential(
        nn.Linear(2, 64), nn.BatchNorm1d(64), nn.ReLU(),
        nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 2),
    )  # fmt: skip
    network = layers.convert(plain, weight_quant=weight_quant, skip=["0", "6"])
    x, labels = spirals()
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    first = None
    for _ in range(80):
        loss = nn.functional.cross_entropy(network(x), labels)
        first = first or loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.6 * first
    levels = network[3].quantized_weight
    assert len(levels.levels) <= 3 or isinstance(weight_quant, TernaryWeights)
    if not isinstance(weight_quant, TernaryWeights):
        trained = network[3].weight_quant
        assert trained.positive.item() != trained.negative.item()
    other = layers.convert(plain, weight_quant=weight_quant, skip=["0", "6"])
    other.load_state_dict(network.state_dict())
    network.eval(), other.eval()
    torch.testing.assert_close(other(x), network(x), rtol=0, atol=0)


def test_the_state_of_another_rule_is_refused():
    made = layers.QuantLinear(4, 3, weight_quant=TernaryWeights("twn"))
    other = layers.QuantLinear(4, 3, weight_quant=TernaryWeights("bitnet"))
    with pytest.raises(RuntimeError, match="got the state of weight_quant=TernaryWeights"):
        other.load_state_dict(made.state_dict())
