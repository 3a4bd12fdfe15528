"""Parameters for each channel: the same as a loop over the channels, and refused where they don't
fit. What all schemes share: verbs, gradient, packing, equality."""

import copy
import pickle

import numpy as np
import pytest
import torch

from quantlib import nonuniform, packed, schemes, uniform
from quantlib.nonuniform import EnqQParams, FixedQParams, KnqQParams, enq, fixed_point, knq

RNG = np.random.default_rng(3)
#: Three channels along the middle axis, each of another size and none with all levels alike.
X = np.maximum(RNG.standard_normal((4, 3, 50)), 0) * np.array([0.3, 1.0, 7.0])[:, None]
SIGNED = RNG.standard_normal((4, 3, 50)) * np.array([0.3, 1.0, 7.0])[:, None]
FIXED = FixedQParams(6, 4, signed=False)

CHOICES = {
    "fixed": (fixed_point.choose_qparams, X, {"bit_width": 4, "signed": False}),
    "fixed signed": (fixed_point.choose_qparams, SIGNED, {"bit_width": 5}),
    "enq": (enq.choose_qparams, X, {"bit_width": 3}),
    "enq nearest": (enq.choose_qparams, X, {"bit_width": 3, "rounding": "nearest"}),
    "enq middle": (
        enq.choose_qparams,
        X,
        {"bit_width": 2, "fixed_bit_width": 7, "reconstruction": "middle"},
    ),
    "knq": (knq.choose_qparams, X, {"bit_width": 2}),
    "knq signed": (knq.choose_qparams, SIGNED, {"bit_width": 3, "boundary": "level"}),
    "knq saturated": (knq.choose_qparams, X, {"bit_width": 2, "saturate_at": 1.0, "fixed": FIXED}),
}
on_each_choice = pytest.mark.parametrize("name", CHOICES)
on_both = pytest.mark.parametrize("make", [np.asarray, torch.tensor], ids=["numpy", "torch"])


@on_each_choice
@on_both
@pytest.mark.parametrize("axis", [1, -2])
def test_channels_are_a_loop_over_channels(name, make, axis):
    choose, x, options = CHOICES[name]
    x = make(x.astype(np.float32))
    together = choose(x, **options, axis=axis)
    codes, values = nonuniform.quantize(x, together), nonuniform.fake_quantize(x, together)
    back = nonuniform.dequantize(codes, together)
    assert type(codes) is type(values) is type(back) is type(x)
    assert codes.shape == values.shape == x.shape and values.dtype == x.dtype
    for channel in range(3):
        one = x[:, channel]
        alone = choose(one, **options)
        assert np.array_equal(codes[:, channel], nonuniform.quantize(one, alone))
        assert np.array_equal(values[:, channel], nonuniform.fake_quantize(one, alone))
        assert np.array_equal(back[:, channel], values[:, channel])
        if hasattr(together, "levels"):
            assert together.levels[channel].tolist() == alone.levels.tolist()
    assert not np.array_equal(values, nonuniform.fake_quantize(x, choose(x, **options)))
    stored = packed.pack(codes, together)
    assert (stored.bit_width, stored.signed) == (options["bit_width"], together.quant_min < 0)
    assert np.array_equal(nonuniform.dequantize(stored.unpack(), together), back)


@on_each_choice
def test_the_gradient_of_channels_is_that_of_a_loop(name):
    choose, x, options = CHOICES[name]
    x = torch.tensor(x, dtype=torch.float32)
    together = choose(x, **options, axis=1)
    wide = (3 * x).requires_grad_()  # some lie beyond the range that x has
    weight = torch.linspace(1, 2, x.numel()).reshape(x.shape)
    (weight * nonuniform.fake_quantize(wide, together)).sum().backward()
    for channel in range(3):
        one = wide.detach()[:, channel].clone().requires_grad_()
        alone = choose(x[:, channel], **options)
        (weight[:, channel] * nonuniform.fake_quantize(one, alone)).sum().backward()
        assert torch.equal(wide.grad[:, channel], one.grad)
    assert 0 < (wide.grad == 0).sum() < x.numel()
    assert torch.equal(wide.grad[wide.grad != 0], weight[wide.grad != 0])


@pytest.mark.parametrize(
    ("qparams", "inside"),
    [
        # The largest code is 15: 15.5 is rounded to 16, which saturates.
        (FixedQParams(4, 1, signed=False), lambda x: x < 7.75),
        (FixedQParams(4, 1), lambda x: x < 3.75),
        # The last level is 6, and what is up to 7.5 is shifted to it.
        (EnqQParams(2, FixedQParams(4, 1, signed=False)), lambda x: x < 7.75),
        (KnqQParams([0.25, 1.0, 3.0, 7.0], 2), lambda x: (x >= 0.25) & (x <= 7.0)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_gradient_is_straight_through_where_nothing_saturates(qparams, inside):
    x = torch.linspace(0, 10, 401, dtype=torch.float64).requires_grad_()
    y = nonuniform.fake_quantize(x, qparams)
    y.backward(torch.full_like(x, 3.0))
    assert torch.equal(x.grad, 3.0 * inside(x.detach()))
    assert torch.equal(y.detach(), nonuniform.fake_quantize(x.detach(), qparams))


@on_each_choice
def test_torch_maps_over_a_batch_and_takes_a_functional_gradient(name):
    choose, x, options = CHOICES[name]
    x = torch.tensor(x, dtype=torch.float32)
    qparams = choose(x, **options, axis=1)
    single = torch.func.vmap(lambda one: nonuniform.fake_quantize(one[None], qparams))
    wanted = nonuniform.fake_quantize(x, qparams)
    assert torch.equal(single(x)[:, 0], wanted)
    gradient = torch.func.grad(lambda x: nonuniform.fake_quantize(x, qparams).square().sum())(x)
    leaf = x.clone().requires_grad_()
    nonuniform.fake_quantize(leaf, qparams).square().sum().backward()
    assert torch.equal(gradient, leaf.grad)


SOME = {
    "fixed": lambda: FixedQParams(4, [1, 2, 3], axis=0),
    "enq": lambda: EnqQParams(2, FixedQParams(4, [1, 2, 3], signed=False, axis=0)),
    "knq": lambda: KnqQParams([[0, 1], [1, 2], [0, 3]], 1, axis=0),
    "fixed, whole": lambda: FixedQParams(4, 1),
    "enq, whole": lambda: EnqQParams(2, FixedQParams(4, 1, signed=False)),
    "knq, whole": lambda: KnqQParams([0, 1], 1),
}


@pytest.mark.parametrize("name", SOME)
def test_parameters_are_values(name):
    qparams = SOME[name]()
    assert isinstance(qparams, schemes.Scheme)
    for other in (SOME[name](), copy.deepcopy(qparams), pickle.loads(pickle.dumps(qparams))):
        assert other == qparams and hash(other) == hash(qparams)
    assert [key for key in SOME if SOME[key]() == qparams] == [name]


def test_arrays_are_copied_and_frozen():
    bits, levels = np.array([1, 2, 3]), np.array([[0.0, 1.0], [1.0, 2.0]])
    fixed, table = FixedQParams(4, bits, axis=0), KnqQParams(levels, 1, axis=0)
    bits[0], levels[0, 0] = 9, 0.5
    assert fixed.fraction_bits.tolist() == [1, 2, 3] and table.levels[0, 0] == 0.0
    for array in (fixed.fraction_bits, table.levels, copy.deepcopy(table).levels):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@pytest.mark.parametrize("name", list(SOME)[:3])
@on_both
def test_a_vector_has_a_parameter_for_each_value(name, make):
    qparams = SOME[name]()
    x = make(np.float32([0.4, 1.6, 2.2]))
    wanted = {"fixed": [0.5, 1.5, 0.875], "enq": [0, 1, 1.5], "knq": [0, 2, 3]}[name]
    assert uniform.fake_quantize(x, qparams).tolist() == wanted
    assert uniform.dequantize(uniform.quantize(x, qparams), qparams).tolist() == wanted


@pytest.mark.parametrize("name", list(SOME)[:3])
@pytest.mark.parametrize(
    ("shape", "message"),
    [((4, 2), "must have 3 entries along axis 0"), ((), "axis must be None for a single number")],
)
def test_a_tensor_of_another_shape_is_refused(name, shape, message):
    qparams = SOME[name]()
    for verb in (nonuniform.quantize, nonuniform.fake_quantize):
        with pytest.raises(ValueError, match=message):
            verb(np.zeros(shape), qparams)
    with pytest.raises(ValueError, match=message):
        nonuniform.dequantize(np.zeros(shape, int), qparams)


def test_a_channel_with_few_values_repeats_its_last_level():
    x = np.array([[0.0, 0.0, 5.0, 5.0], [1.0, 2.0, 3.0, 4.0]])
    with pytest.warns(UserWarning, match="2 distinct values at index 0 along axis 0, fewer than"):
        qparams = knq.choose_qparams(x, 2, axis=0)
    assert qparams.levels.tolist() == [[0, 5, 5, 5], [1, 2, 3, 4]]
    np.testing.assert_array_equal(nonuniform.fake_quantize(x, qparams), x)


def test_each_channel_saturates_at_its_own_largest_number():
    fixed = fixed_point.choose_qparams(0.5 * X, 6, signed=False, axis=1)
    together = knq.choose_qparams(X, 2, saturate_at=fixed.largest, fixed=fixed, axis=1)
    for channel in range(3):
        alone = FixedQParams(6, int(fixed.fraction_bits[channel]), signed=False)
        wanted = knq.choose_qparams(X[:, channel], 2, saturate_at=alone.largest, fixed=alone)
        assert together.levels[channel].tolist() == wanted.levels.tolist()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: FixedQParams(4, 1, axis=0), ValueError, "fraction_bits must be one number for"),
        (lambda: FixedQParams(4, [], axis=0), (TypeError, ValueError), "fraction_bits must be"),
        (lambda: FixedQParams(4, [1, 65], axis=0), ValueError, "fraction_bits must be from -64"),
        (lambda: FixedQParams(4, [0.5], axis=0), TypeError, "fraction_bits must be integers"),
        (lambda: FixedQParams(4, [1, 2]), TypeError, "fraction_bits must be a whole number"),
        (lambda: FixedQParams(4, [1], axis=0.5), TypeError, "axis must be a whole number"),
        (lambda: KnqQParams([0.0, 1.0], 1, axis=0), ValueError, "for 1 bits in each row"),
        (lambda: KnqQParams([[0.0, 1.0]], 1), ValueError, r"levels must be .* got shape \(1, 2\)"),
        (lambda: KnqQParams([[0.0, 1.0], [2.0, 1.0]], 1, axis=0), ValueError, "ascending"),
        (lambda: fixed_point.choose_qparams(X, 4, axis=3), ValueError, "axis must be from -3 to 2"),
        (lambda: knq.choose_qparams(X, 2, axis=3), ValueError, "axis must be from -3 to 2"),
        (lambda: knq.choose_qparams(X, 2, saturate_at=[1, 2]), ValueError, "saturate_at must be"),
        (
            lambda: knq.choose_qparams(X, 2, saturate_at=[1, 2], axis=1),
            ValueError,
            r"one number or of shape \(3,\), got shape \(2,\)",
        ),
        (
            lambda: knq.choose_qparams(X, 2, fixed=FixedQParams(4, [1, 2, 3], axis=1)),
            ValueError,
            "fixed must have the axis of the levels or none, got axis=1",
        ),
        (
            lambda: knq.choose_qparams(X, 2, fixed=FixedQParams(4, [1, 2], axis=1), axis=1),
            ValueError,
            "fixed must have 3 fraction_bits",
        ),
        (lambda: uniform.quantize([1.0], 4), TypeError, "qparams must be the parameters of a"),
    ],
)
def test_bad_input_is_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()
