"""Quantizers that learn: values and gradients against torch's own, and against differences."""

import copy
import math
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from quantlib import qat, uniform
from quantlib.uniform import QParams


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def learned(bit_width=4, *, scale=0.3, zero_point=0, signed=True, axis=None):
    if axis == 0:
        scale = np.array(scale, np.float32)
        zero_point = np.zeros(len(scale), np.int32)
    q = QParams(scale, zero_point, bit_width, signed=signed, axis=axis)
    return qat.LearnedStep(q), q


CASES = {
    "weights": {},
    "2 bits": {"bit_width": 2},
    "8 bits": {"bit_width": 8, "scale": 0.01},
    "activations": {"signed": False},
    "activations below 0, too": {"signed": False, "zero_point": 5},
    "by channel": {"scale": [0.1, 0.5, 0.02, 2.0], "axis": 0},
}


@pytest.mark.parametrize("case", CASES)
def test_a_learned_step_has_the_values_and_gradients_of_torch(case):
    quantizer, q = learned(**CASES[case])
    x, weight = numbers(4, 3, 5, 5).requires_grad_(), numbers(4, 3, 5, 5, seed=1)
    y = quantizer(x)
    (y * weight).sum().backward()
    other = x.detach().clone().requires_grad_()
    step = quantizer.step.detach().reshape(-1).requires_grad_()
    count = x.numel() if q.axis is None else x[0].numel()
    zero = int(np.max(q.zero_point))
    rest = q.quant_min, q.quant_max, 1 / math.sqrt(count * (q.quant_max - zero))
    if q.axis is None:
        wanted = torch._fake_quantize_learnable_per_tensor_affine(
            other, step, torch.tensor([float(zero)]), *rest
        )
    else:
        wanted = torch._fake_quantize_learnable_per_channel_affine(
            other, step, torch.zeros(4), 0, *rest
        )
    (wanted * weight).sum().backward()
    assert torch.equal(y, wanted) and torch.equal(x.grad, other.grad)
    # ds / d theta = s, as s = s_0 exp(theta)
    torch.testing.assert_close(quantizer.log_step.grad.reshape(-1), step.grad * step.detach())
    assert (y != x).any() and 0 < x.grad.mean() < 1  # some are clamped, and not all


def test_the_gradient_of_the_step_is_the_difference_of_what_it_stands_for():
    """With each rounding error held, x_hat is linear in s: the slope is LSQ's without the scale."""
    quantizer, _ = learned(3, scale=0.4)
    x = numbers(200).double()
    quantizer(x).sum().backward()
    ratio = x / quantizer.step.item()
    codes, inside = ratio.round(), (ratio.round() >= -4) & (ratio.round() <= 3)
    error = codes - ratio

    def surrogate(theta):
        step = quantizer.step.item() * math.exp(theta)
        return torch.where(inside, x + step * error, step * codes.clamp(-4, 3)).sum().item()

    slope = (surrogate(1e-6) - surrogate(-1e-6)) / 2e-6
    scale = 1 / math.sqrt(200 * 3)
    assert quantizer.log_step.grad.item() == pytest.approx(scale * slope, rel=1e-4)


def test_a_learned_step_starts_exactly_where_it_is_told():
    rng = np.random.default_rng(0)
    for scale in (10 ** rng.uniform(-6, 3, 300)).astype(np.float32):
        quantizer, q = learned(8, scale=float(scale))
        assert quantizer.step.item() == q.scale and quantizer.qparams == q
        x = numbers(50) * float(scale) * 100
        assert torch.equal(quantizer(x), q.fake_quantize(x))


def test_the_first_step_is_the_paper_s():
    x = torch.tensor([[1.0, -3.0], [0.5, 0.5]])
    q = QParams(1.0, 0, bit_width=3)
    assert qat.LearnedStep.first_step(x, q).scale == pytest.approx(2 * 1.25 / math.sqrt(3))
    q = QParams(np.ones(2), np.zeros(2, int), 3, axis=0)
    found = qat.LearnedStep.first_step(x, q).scale
    np.testing.assert_allclose(found, [4 / math.sqrt(3), 1 / math.sqrt(3)], rtol=1e-6)


def test_a_step_of_any_optimizer_leaves_a_positive_step():
    """Trained itself it became negative (LSQplus#12, lsq-net#1)."""
    quantizer, _ = learned(2, scale=0.01)
    optimizer = torch.optim.SGD(quantizer.parameters(), lr=1.0)
    steps = []
    for _ in range(20):
        optimizer.zero_grad()
        (quantizer(numbers(100)) ** 2).sum().backward()
        optimizer.step()
        steps.append(quantizer.step.item())
    assert min(steps) > 0 and len(set(steps)) == 20
    assert quantizer.qparams.scale == np.float32(steps[-1])


def test_one_signed_bit_has_no_code_above_zero():
    with pytest.raises(ValueError, match="qparams must have a code above its zero point"):
        learned(1)


def test_the_learned_clip_is_the_clamp_s_gradient():
    clip = torch.tensor(2.0, requires_grad=True)
    x = torch.tensor([-1.0, 0.7, 1.9, 2.5, 9.0], requires_grad=True)
    weight = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    (torch.minimum(x.clamp_min(0), clip) * weight).sum().backward()
    quantizer, other = qat.LearnedClip(3, first_clip=2.0), x.detach().clone().requires_grad_()
    y = quantizer(other)
    (y * weight).sum().backward()
    assert torch.equal(other.grad, x.grad) and quantizer.clip.grad == clip.grad == 9
    step = 2 / 7
    assert y.tolist() == pytest.approx([0, 2 * step, 7 * step, 2, 2])
    torch.testing.assert_close(y, quantizer.qparams.fake_quantize(x.detach()))


def test_at_the_clip_the_gradient_is_the_clip_s():
    """The paper's 1 for x >= alpha; torch.minimum would share it between the two."""
    quantizer = qat.LearnedClip(2, first_clip=3.0)
    x = torch.tensor([3.0], requires_grad=True)
    quantizer(x).sum().backward()
    assert x.grad.item() == 0 and quantizer.clip.grad.item() == 1


def test_one_step_moves_the_clip_also_from_below_zero():
    """A clip that doesn't move was a failure of published code (MQBench#72)."""
    quantizer = qat.LearnedClip(4, first_clip=1.0)
    with torch.no_grad():
        quantizer.clip.fill_(-0.5)
    optimizer = torch.optim.SGD(quantizer.parameters(), lr=1.0)
    (-quantizer(torch.ones(3))).sum().backward()
    optimizer.step()
    assert quantizer.clip.item() == 2.5


def observed(**options):
    q = QParams(0.5, 3, bit_width=4, signed=False)  # from -1.5 to 6
    return qat.ObservedRange(q, **options), q


def test_an_observed_range_moves_in_training_and_not_in_evaluation_or_frozen():
    quantizer, q = observed(momentum=0.25)
    assert quantizer.eval()(torch.tensor([100.0])).item() == 6 and quantizer.qparams == q
    quantizer.train()(torch.tensor([-5.5, 10.0]))
    wanted = uniform.qparams_from_range(-2.5, 7.0, 4, mapping="asymmetric", signed=False)
    assert quantizer.qparams == wanted
    quantizer.frozen.fill_(True)
    quantizer(torch.tensor([-100.0, 100.0]))
    assert quantizer.qparams == wanted
    assert quantizer(torch.zeros(0, 2)).shape == (0, 2)


def test_an_observed_range_starts_exactly_where_it_is_told():
    rng = np.random.default_rng(0)
    for low, high in 10 ** rng.uniform(-4, 4, (300, 2)):
        q = uniform.qparams_from_range(-low, high, 8, mapping="asymmetric", signed=False)
        assert qat.ObservedRange(q).qparams == q


OBSERVED = {
    "unsigned": QParams(0.5, 3, bit_width=4, signed=False),
    "unsigned, 8 bits": QParams(0.02, 0, bit_width=8, signed=False),
    "symmetric": QParams(0.5, 0, bit_width=4, narrow_range=True),
    "signed": QParams(0.5, -3, bit_width=4),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16], ids=str)
@pytest.mark.parametrize("name", OBSERVED)
def test_an_observed_range_rounds_as_its_parameters_do(name, dtype):
    """To the bit, wherever the range goes: to 0 and to both sides of it."""
    q = OBSERVED[name]
    mapping = "symmetric" if q.narrow_range else "asymmetric"
    quantizer = qat.ObservedRange(q, momentum=0.5)
    low, high = quantizer.low.item(), quantizer.high.item()
    for seed, (scale, shift) in enumerate([(1, 0), (9, 2), (0.1, -3), (1e-3, 5), (0, 0), (0, 0)]):
        x = (scale * numbers(40, 5, seed=seed) + shift).to(dtype).requires_grad_()
        y = quantizer.train()(x)
        low, high = (
            np.float32(0.5 * (end + np.float32(seen.item())))
            for end, seen in ((low, x.min()), (high, x.max()))
        )
        wanted = uniform.qparams_from_range(
            low, high, q.bit_width, mapping=mapping, signed=q.signed
        )
        assert quantizer.qparams.zero_point == wanted.zero_point
        assert quantizer.qparams.scale == pytest.approx(wanted.scale, rel=1e-6)
        assert quantizer.scale.item() == quantizer.qparams.scale
        other = x.detach().clone().requires_grad_()
        z = quantizer.qparams.fake_quantize(other)
        assert torch.equal(y, z) and y.dtype == dtype
        y.sum().backward()
        z.sum().backward()
        assert torch.equal(x.grad, other.grad)


@pytest.mark.parametrize("name", OBSERVED)
def test_torch_compiles_an_observed_range_whole(name):
    quantizer, other = (qat.ObservedRange(OBSERVED[name], momentum=0.25) for _ in range(2))
    torch.compiler.reset()
    compiled = torch.compile(other, fullgraph=True, backend="aot_eager")
    for seed, mode in enumerate(["training", "training", "frozen", "evaluation"]):
        for q in (quantizer, other):
            q.train(mode != "evaluation").frozen.fill_(mode == "frozen")
        x, z = (5 * numbers(6, 7, seed=seed) for _ in range(2))
        x.requires_grad_(), z.requires_grad_()
        y, found = quantizer(x), compiled(z)
        assert torch.equal(y, found)
        y.sum().backward()
        found.sum().backward()
        assert torch.equal(x.grad, z.grad)
        assert other.qparams == quantizer.qparams != OBSERVED[name]


QUANTIZERS = {
    "learned step": lambda: learned()[0],
    "by channel": lambda: learned(scale=[0.3, 0.4], axis=0)[0],
    "learned clip": lambda: qat.LearnedClip(4, first_clip=2.0),
    "observed range": lambda: observed()[0],
    "powers of two": lambda: qat.PowerOfTwoWeights(4),
}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", QUANTIZERS)
def test_what_is_not_finite_is_refused_and_changes_nothing(name, bad):
    quantizer = QUANTIZERS[name]()
    before = copy.deepcopy(quantizer.state_dict())
    with pytest.raises(ValueError, match="x must be finite"):
        quantizer(torch.tensor([[bad, 1.0], [0.5, -1.0]]))
    assert all(torch.equal(before[k], v) for k, v in quantizer.state_dict().items())


@pytest.mark.parametrize("name", list(QUANTIZERS)[:-1])
def test_what_is_no_tensor_of_real_numbers_is_refused(name):
    for x in ([1.0], np.ones(2), torch.ones(2, dtype=torch.int64)):
        with pytest.raises(TypeError, match="x must be"):
            QUANTIZERS[name]()(x)


@pytest.mark.parametrize("name", list(QUANTIZERS)[:-1])
def test_a_state_a_copy_and_a_pickle_are_the_same(name):
    quantizer = QUANTIZERS[name]()
    with torch.no_grad():
        for parameter in quantizer.parameters():
            parameter.add_(0.7)
    quantizer.train()(torch.tensor([[50.0, -50.0], [1.0, 2.0]]))
    loaded = QUANTIZERS[name]()
    assert loaded.qparams != quantizer.qparams
    loaded.load_state_dict(quantizer.state_dict())
    for other in (loaded, copy.deepcopy(quantizer), pickle.loads(pickle.dumps(quantizer))):
        assert other.qparams == quantizer.qparams and other.signature == quantizer.signature


def test_the_zero_point_is_in_the_state_and_other_codes_are_refused():
    quantizer, _ = learned(signed=False, zero_point=5)
    other, _ = learned(signed=False, zero_point=2, scale=0.7)
    other.load_state_dict(quantizer.state_dict())
    assert other.qparams == quantizer.qparams
    assert torch.equal(other(numbers(9)), quantizer(numbers(9)))
    with pytest.raises(RuntimeError, match=r"bit_width=3.* got the state of .*bit_width=4"):
        learned(3, signed=False)[0].load_state_dict(quantizer.state_dict())


@pytest.mark.parametrize("name", list(QUANTIZERS)[:-1])
def test_other_precisions_are_kept(name):
    quantizer = QUANTIZERS[name]().train()
    y = quantizer(torch.ones(2, 2, dtype=torch.float64))
    assert y.dtype == torch.float64


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: qat.LearnedStep(0.5), TypeError, r"qparams must be a uniform\.QParams, got float"),
        (lambda: learned(axis=0, scale=[1.0, 2.0])[0](torch.ones(3, 2)), ValueError, "2 channels"),
        (
            lambda: qat.LearnedStep(QParams([[0.5]], [[0]], 4, group_size=2)),
            ValueError, "qparams must have no groups",
        ),
        (lambda: qat.LearnedStep.first_step(3.0, None), TypeError, "qparams must be"),
        (
            lambda: qat.LearnedStep.first_step(torch.ones(0), learned()[1]),
            ValueError, "x must not be empty",
        ),
        (lambda: qat.LearnedClip(9, first_clip=1.0), ValueError, "bit_width must be from 1 to 8"),
        (lambda: qat.LearnedClip(4, first_clip=0.0), ValueError, "first_clip must be positive"),
        (lambda: observed(momentum=0), ValueError, "momentum must be positive"),
        (lambda: observed(momentum=1.5), ValueError, "momentum must be 1 at most"),
        (
            lambda: qat.ObservedRange(learned(axis=0, scale=[1.0])[1]),
            ValueError, "qparams must be those of a whole tensor",
        ),
        (lambda: qat.PowerOfTwoWeights(1), ValueError, "bit_width must be from 2 to 8"),
        (lambda: qat.PowerOfTwoWeights(4, axis=1), ValueError, "axis must be one of None, 0"),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_powers_of_two_follow_the_weights_as_they_train():
    layer = nn.Linear(4, 1, bias=False)
    quantizer = qat.PowerOfTwoWeights(4, axis=0)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.9, 0.3, -0.14, 0.0]]))
    y = quantizer(layer.weight)
    assert y.tolist() == [[1.0, 0.25, -0.125, 0.0]]
    y.sum().backward()
    assert layer.weight.grad.tolist() == [[1.0] * 4]
    with torch.no_grad():
        layer.weight.mul_(8)
    assert quantizer(layer.weight).tolist() == [[8.0, 2.0, -1.0, 0.0]]
