"""Networks that hold nothing but states: what is stored, how a step is taken, how it goes on."""

import copy
import functools
import io
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from quantlib import activations, data, dst, evaluation, models, training
from quantlib.layers import QuantConv2d, QuantLinear

DIGITS = data.load("digits")
IMAGES = torch.from_numpy(DIGITS.train_images)
LABELS = torch.from_numpy(DIGITS.train_labels)


def network(p=-2, **options):
    model = models.LeNet5(1, 10, 8, batch_norm=True, seed=0)
    return dst.to_dst(model, p, **{"generator": torch.Generator().manual_seed(0)} | options)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def step(model, optimizer, number):
    batch = torch.arange(64) + 64 * number
    loss = functional.cross_entropy(model(IMAGES[batch]), LABELS[batch])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def size_of(state):
    file = io.BytesIO()
    torch.save(state, file)
    return file.getbuffer().nbytes


def tensors(thing, seen=None):
    """Every tensor that can be reached from an object's attributes and containers."""
    seen = set() if seen is None else seen
    if id(thing) in seen or isinstance(thing, type):
        return []
    seen.add(id(thing))
    if isinstance(thing, torch.Tensor):
        return [thing, *([] if thing.grad is None else [thing.grad])]
    parts = list(vars(thing).values()) if hasattr(thing, "__dict__") else []
    if isinstance(thing, dict):
        parts += [*thing.keys(), *thing.values()]
    elif isinstance(thing, list | tuple | set):
        parts += list(thing)
    return [t for part in parts for t in tensors(part, seen)]


STATES = ("conv2", "fc1", "fc2", "output")


def test_the_first_layer_stays_real_and_the_others_hold_states():
    model = network(act_quant=dst.GridActivations(0.25, 4))
    assert type(model.conv1) is nn.Conv2d
    for name in STATES:
        layer = model.get_submodule(name)
        assert isinstance(layer, QuantConv2d | QuantLinear)
        assert layer.weight.dtype == torch.int8 and not layer.weight.requires_grad
        assert set(layer.weight.unique().tolist()) <= set(dst.StateSpace(-2).states)
        assert layer.weight.abs().max() == 4  # the largest weight became 1
        assert layer.act_quant.q2 == 0.25
    every = network(skip=[])
    assert every.conv1.weight.dtype == torch.int8


def test_weights_are_taken_as_they_are_or_refused():
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([[0.5, -0.25, 0.0], [1.0, 0.05, -0.5]]))
    made = dst.to_dst(model, -2, scaled=False)
    assert made[1].weight.tolist() == [[2, -1, 0], [4, 0, -2]]
    with torch.no_grad():
        model[1].weight[0, 0] = 1.5
    with pytest.raises(ValueError, match="between -1 and 1"):
        dst.to_dst(model, -2, scaled=False)
    with torch.no_grad():
        model[1].weight.zero_()
    assert dst.to_dst(model, -2)[1].weight.count_nonzero() == 0
    assert model[1].weight.dtype == torch.float32  # the given one stays as it is


@pytest.mark.parametrize("p", [0, -2, -3])
def test_after_a_step_all_weights_are_states_and_no_float_copy_is_left(p):
    model = network(p)
    optimizer = dst.DSTOptimizer(model, torch.optim.SGD, lr=0.5, generator=seeded())
    shapes = {name: model.get_submodule(name).weight.shape for name in STATES}
    before = {name: model.get_submodule(name).weight.clone() for name in STATES}
    for number in range(3):
        step(model, optimizer, number)
    moved = 0
    for name, shape in shapes.items():
        weight = model.get_submodule(name).weight
        assert weight.dtype == torch.int8 and weight.shape == shape
        assert set(weight.unique().tolist()) <= set(dst.StateSpace(p).states)
        moved += (weight != before[name]).sum().item()
    assert moved
    # SGD remembers nothing: whatever is as large as these weights is whole, or a real layer's.
    real = {p.data_ptr() for p in model.parameters() if p.requires_grad}
    sizes = {shape.numel() for shape in shapes.values()}
    for tensor in tensors(model) + tensors(optimizer):
        if tensor.numel() in sizes and tensor.is_floating_point():
            assert tensor.data_ptr() in real


def test_a_checkpoint_holds_a_byte_for_each_weight():
    model = network()
    states = sum(model.get_submodule(name).weight.numel() for name in STATES)
    model_of_floats = models.LeNet5(1, 10, 8, batch_norm=True, seed=0)
    saved = size_of(model_of_floats.state_dict()) - size_of(model.state_dict())
    assert 3 * states - 4096 < saved <= 3 * states
    adam = dst.DSTOptimizer(model, lr=0.01, generator=seeded())
    sgd = dst.DSTOptimizer(network(), torch.optim.SGD, lr=0.01, generator=seeded())
    for number in range(2):
        step(model, adam, number)
    # Adam's two moments are the price: 8 bytes a weight.
    assert size_of(adam.state_dict()) - size_of(sgd.state_dict()) > 8 * states


def test_a_step_is_the_other_optimizers_change_as_a_transition():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2, bias=False))
    model = dst.to_dst(model, -2, generator=seeded())
    layer, x = model[1], torch.randn(5, 3, generator=seeded(1))
    hidden = model[0](x).detach()
    w = (layer.weight * 0.25).requires_grad_()
    (hidden @ w.T).square().sum().backward()
    change = -0.05 * w.grad
    draws = torch.rand((2, *change.shape), generator=seeded(2))
    expected = dst.take_step(layer.weight.clone(), change, dst.StateSpace(-2), draws=draws)
    optimizer = dst.DSTOptimizer(model, torch.optim.SGD, lr=0.05, generator=seeded(2))
    model(x).square().sum().backward()
    optimizer.step()
    assert torch.equal(layer.weight, expected)


@pytest.mark.parametrize("other", [torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop])
def test_a_run_that_was_stopped_goes_on_bit_for_bit(other):
    def start():
        model = network()
        optimizer = dst.DSTOptimizer(model, other, lr=0.01, generator=seeded(3))
        return model, optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 8)

    def run(model, optimizer, schedule, numbers):
        for number in numbers:
            step(model, optimizer, number)
            schedule.step()

    whole = start()
    run(*whole, range(8))
    first = start()
    run(*first, range(4))
    file = io.BytesIO()
    torch.save([part.state_dict() for part in first], file)
    file.seek(0)
    second = start()
    for part, state in zip(second, torch.load(file), strict=True):
        part.load_state_dict(state)
    run(*second, range(4, 8))
    assert second[1].param_groups[0]["lr"] == whole[1].param_groups[0]["lr"]
    for key, value in whole[0].state_dict().items():
        assert torch.equal(value, second[0].state_dict()[key]), key


def test_gradients_of_two_passes_add_up():
    x = torch.randn(6, 3, generator=seeded(4))
    model = dst.to_dst(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)), -2, generator=seeded())
    apart = copy.deepcopy(model)
    model(x).sum().backward()
    apart(x[:3]).sum().backward()
    apart(x[3:]).sum().backward()
    torch.testing.assert_close(apart[1].weight_quant.live.grad, model[1].weight_quant.live.grad)
    # States that were changed from outside are not computed with the old weights.
    before = model(x)
    with torch.no_grad():
        model[1].weight.zero_()
    assert not torch.equal(model(x), before)
    optimizer = dst.DSTOptimizer(model, torch.optim.SGD, lr=1.0)
    model(x).sum().backward()
    optimizer.zero_grad()
    optimizer.step()  # without a gradient nothing moves
    assert model[1].weight.count_nonzero() == 0


def test_evaluation_keeps_nothing_and_agrees_with_training():
    model = network()
    x = IMAGES[:8]
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.eval()
    trained = model(x).detach()
    model.eval()
    assert torch.equal(model(x), trained)
    fresh = network().eval()
    with torch.no_grad():
        fresh(x)
    assert not any(m.live.numel() for m in fresh.modules() if isinstance(m, dst.StateWeights))
    assert torch.equal(network().double().eval()(x.double()).float().argmax(1), trained.argmax(1))


def test_states_alone_learn_to_read_digits():
    """More than with states that never move, which the first layer alone takes to some 80 %."""
    reached = {}
    for th in (0.5, 1e-9):
        model = network()
        states = [model.get_submodule(name).weight.clone() for name in STATES]
        training.fit(
            model, DIGITS, epochs=5, learning_rate=0.1, optimizer="adam", weight_decay=0.0,
            progress=False, seed=5,
            wrap_optimizer=functools.partial(dst.DSTOptimizer, th=th),
        )  # fmt: skip
        moved = [model.get_submodule(name).weight for name in STATES]
        assert (th < 1e-8) == all(map(torch.equal, states, moved))
        reached[th] = evaluation.evaluate(model, DIGITS)
    assert reached[0.5] > 0.94 and reached[0.5] > reached[1e-9] + 0.03


def test_real_weights_and_numbers_that_are_no_states_are_not_loaded():
    real = models.LeNet5(1, 10, 8, batch_norm=True, seed=0)
    model = network()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(RuntimeError, match=r"fc1\.weight must be int8 states, got torch\.float32"):
        model.load_state_dict(real.state_dict())
    others = copy.deepcopy(before)
    others["fc2.weight"][0, 0] = 3
    with pytest.raises(RuntimeError, match=r"fc2\.weight must be among the states .*, got 3"):
        model.load_state_dict(others)
    for name in STATES:
        assert torch.equal(model.get_submodule(name).weight, before[f"{name}.weight"])


def tiny(p=-2):
    layers = nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)
    with models.seeded(0):
        return dst.to_dst(nn.Sequential(*layers), p, generator=seeded())


X = torch.randn(16, 3, generator=seeded(7))


def test_what_others_do_with_gradients_reaches_those_of_states():
    model = tiny()
    live = model[3].weight_quant.live
    (1e4 * model(X).square().sum()).backward()
    large = live.grad.norm()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    assert large > 100 and live.grad.norm() < 1
    optimizer = dst.DSTOptimizer(model, torch.optim.SGD, lr=1.0)
    model(X).sum().backward()
    assert any(p is live for group in optimizer.param_groups for p in group["params"])
    model.zero_grad()
    assert live.grad is None
    before = model[3].weight.clone()
    optimizer.step()
    assert torch.equal(model[3].weight, before)


def test_an_optimizer_that_cannot_store_states_is_told_so():
    model = tiny()
    optimizer = torch.optim.Adam(model.parameters())
    model(X).sum().backward()
    optimizer.step()
    with pytest.raises(RuntimeError, match=r"give the model to quantlib\.dst\.DSTOptimizer"):
        model(X)
    with pytest.raises(RuntimeError, match="wrap_optimizer"):
        training.fit(network(), DIGITS, epochs=1, progress=False)


@pytest.mark.parametrize("train", [True, False])
def test_states_move_unless_they_are_frozen(train):
    for frozen in (True, False):
        model = tiny().train(train)
        if frozen:
            model[3].requires_grad_(False)
        before = model[3].weight.clone()
        optimizer = dst.DSTOptimizer(model, lr=0.2, generator=seeded())
        for _ in range(5):
            optimizer.zero_grad()
            (10 * model(X).square().sum()).backward()
            optimizer.step()
        assert torch.equal(model[3].weight, before) == frozen
        model.requires_grad_(True)


def test_a_gradient_that_is_no_number_changes_nothing():
    model = tiny()
    optimizer = dst.DSTOptimizer(model, lr=0.1, generator=seeded())
    before = copy.deepcopy(model.state_dict())
    (model(X).sum() * float("nan")).backward()
    with pytest.raises(FloatingPointError, match=r"the gradient of 3\.weight is NaN or infinite"):
        optimizer.step()
    for name, value in before.items():
        if name not in ("1.running_mean", "1.running_var", "1.num_batches_tracked"):
            assert torch.equal(value, model.state_dict()[name]), name
    optimizer.zero_grad()
    model(X).sum().backward()
    optimizer.step()
    with pytest.raises(FloatingPointError, match=r"in epoch 1 of 1: the learning_rate of 1e\+30"):
        training.fit(
            network(), FEW, epochs=1, learning_rate=1e30, optimizer="adam", schedule="constant",
            progress=False, wrap_optimizer=dst.DSTOptimizer,
        )  # fmt: skip


def test_states_that_are_changed_before_the_step_are_not_overwritten():
    model = tiny()
    optimizer = dst.DSTOptimizer(model, lr=0.1)
    model(X).sum().backward()
    model.load_state_dict(tiny().state_dict())
    with pytest.raises(RuntimeError, match=r"3\.weight was changed between the forward pass and"):
        optimizer.step()


def test_a_copy_of_network_and_optimizer_goes_on_alike():
    model = tiny()
    optimizer = dst.DSTOptimizer(model, lr=0.1, generator=seeded(3))

    def go(model, optimizer):
        optimizer.zero_grad()
        model(X).square().sum().backward()
        optimizer.step()
        return model.state_dict()

    go(model, optimizer)
    copied = copy.deepcopy((model, optimizer))
    file = io.BytesIO()
    torch.save((model, optimizer), file)
    file.seek(0)
    loaded = torch.load(file, weights_only=False)
    expected = go(model, optimizer)
    for pair in (copied, loaded):
        found = go(*pair)
        for name, value in expected.items():
            assert torch.equal(value, found[name]), name


@pytest.mark.parametrize("other", [torch.optim.Adagrad, torch.optim.NAdam, torch.optim.Adafactor])
def test_other_optimizers_move_states(other):
    model = tiny()
    before = model[3].weight.clone()
    optimizer = dst.DSTOptimizer(model, other, lr=0.5, generator=seeded())
    for _ in range(5):
        optimizer.zero_grad()
        model(X).square().sum().backward()
        optimizer.step()
    assert not torch.equal(model[3].weight, before)


def test_layers_that_share_weights_go_on_sharing_them():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3))
    model[2].weight = model[1].weight
    model = dst.to_dst(model, -3, generator=seeded())
    assert model[1].weight is model[2].weight
    optimizer = dst.DSTOptimizer(model, torch.optim.SGD, lr=1.0, generator=seeded())
    before = model[1].weight.clone()
    (10 * model(X).square().sum()).backward()
    optimizer.step()
    assert model[1].weight is model[2].weight and not torch.equal(model[1].weight, before)


def test_groups_of_parameters_are_made_by_name():
    model = tiny()

    def grouped(parameters, **options):
        named = dict(model.named_parameters())
        slow = [p for name, p in named.items() if name.endswith("weight_quant.live")]
        rest = [p for name, p in named.items() if not name.endswith("weight_quant.live")]
        return torch.optim.SGD([{"params": slow, "lr": 0.0}, {"params": rest}], **options)

    optimizer = dst.DSTOptimizer(model, grouped, lr=0.1)
    before = model[3].weight.clone(), model[0].weight.detach().clone()
    model(X).square().sum().backward()
    optimizer.step()
    assert torch.equal(model[3].weight, before[0]) and not torch.equal(model[0].weight, before[1])


def test_averaging_networks_gives_no_weights_between_states():
    model = tiny()
    averaged = torch.optim.swa_utils.AveragedModel(model)
    averaged.update_parameters(tiny(-2))
    assert set(averaged.module[3].weight.unique().tolist()) <= set(dst.StateSpace(-2).states)


def test_a_checkpoint_of_another_exponent_is_refused():
    with pytest.raises(RuntimeError, match="p=-3"):
        network(-2).load_state_dict(network(-3).state_dict())


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: network(1), ValueError, "p must be"),
        (lambda: dst.DSTOptimizer(models.LeNet5(1, 10, 8), lr=0.1), ValueError, "to_dst"),
        (lambda: dst.DSTOptimizer(network(), th=-1, lr=0.1), ValueError, "th must be"),
        (lambda: dst.DSTOptimizer(network(), lr=0.1, generator=3), TypeError, "generator must be"),
        (lambda: dst.StateWeights(-2)(torch.zeros(2, 2)), TypeError, "int8 states"),
        (lambda: network(skip=["nothing"]), ValueError, "skip must be one of"),
        (lambda: dst.to_dst(nn.Linear(3, 2)), ValueError, "model must have a Conv2d or Linear to"),
        (lambda: dst.to_dst(tiny(), -4, skip=["0"]), ValueError, "all others, if any, are quant"),
        (lambda: dst.to_dst(nn.Conv1d(1, 2, 3)), ValueError, "model must have a Conv2d or Linear"),
        (lambda: network(generator=0), TypeError, "generator must be"),
        (lambda: dst.DSTOptimizer(tiny(), torch.optim.LBFGS), ValueError, "got LBFGS"),
        (lambda: dst.DSTOptimizer(tiny(), "adam"), TypeError, "optimizer must be a class"),
        (lambda: tiny().half()(X.half()), TypeError, "float32 or float64, got torch.float16"),
        (
            lambda: dst.DSTOptimizer(tiny()).load_state_dict(
                dst.DSTOptimizer(tiny(), generator=seeded()).state_dict()
            ),
            ValueError,
            "generator must be given if and only if",
        ),
        (
            lambda: dst.DSTOptimizer(tiny()).load_state_dict({"state": {}, "param_groups": []}),
            ValueError,
            "state_dict must be of a DSTOptimizer",
        ),
    ],
)
def test_bad_input_is_refused_by_name(call, error, words):
    with pytest.raises(error, match=words):
        call()


FEW = replace(
    DIGITS, train_images=DIGITS.train_images[:128], train_labels=DIGITS.train_labels[:128]
)


def trained(path, epochs, *, th=0.5, stop_at=None, **options):
    model = network(**options)
    passes = iter(range(10**6))

    def stop(module, args):
        if module.training and next(passes) == stop_at:
            raise KeyboardInterrupt

    hook = model.register_forward_pre_hook(stop)
    try:
        history = training.fit(
            model, FEW, epochs=epochs, optimizer="adam", weight_decay=0.0, progress=False,
            wrap_optimizer=functools.partial(dst.DSTOptimizer, th=th), checkpoint_path=path,
        )  # fmt: skip
    finally:
        hook.remove()
    return model, history


def test_the_training_loop_takes_transitions_and_goes_on_bit_for_bit(tmp_path):
    whole, history = trained(None, 3)
    assert all(whole.get_submodule(name).weight.dtype == torch.int8 for name in STATES)
    with pytest.raises(KeyboardInterrupt):  # in the third epoch of two steps each
        trained(tmp_path / "run.pt", 3, stop_at=5)
    resumed, same = trained(tmp_path / "run.pt", 3)
    assert same == history
    assert_same_state(whole, resumed)


def assert_same_state(one, other):
    states = one.state_dict(), other.state_dict()
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name


def test_a_checkpoint_of_another_wrapping_is_refused(tmp_path):
    trained(tmp_path / "run.pt", 1)
    with pytest.raises(ValueError, match=r"wrap_optimizer is DSTOptimizer\(th=0\.5\), .*th=1\.0"):
        trained(tmp_path / "run.pt", 1, th=1.0)
    with pytest.raises(ValueError, match="its wrap_optimizer is DSTOptimizer"):
        training.fit(
            network(), FEW, epochs=1, optimizer="adam", weight_decay=0.0, progress=False,
            checkpoint_path=tmp_path / "run.pt",
        )  # fmt: skip
    with pytest.raises(TypeError, match="wrap_optimizer must be a function or None, got 'dst'"):
        training.fit(network(), DIGITS, wrap_optimizer="dst")


def test_a_network_of_states_alone_is_measured_in_its_own_dtype():
    """Its first parameter is whole, and images are not to become so."""
    model, history = trained(None, 1, skip=[])
    assert all(p.numel() == 0 or p.ndim == 1 for p in model.parameters())  # norms and biases
    assert history.test_accuracy == [training.evaluate(model, DIGITS)]
    scores = evaluation.logits(model.double(), IMAGES[:3])
    assert scores.dtype == "float64"
    used = activations.activation_memory(model, (1, 8, 8), 8)
    assert used == activations.activation_memory(models.LeNet5(1, 10, 8), (1, 8, 8), 8)
