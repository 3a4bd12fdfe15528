"""States and their transitions, against fractions and counted by hand."""

import math
from fractions import Fraction

import pytest
import torch

from quantlib import dst

SPACES = [dst.StateSpace(p, r) for p in (0, -1, -2, -3, -6) for r in dst.RESOLUTIONS]
on_each_space = pytest.mark.parametrize("space", SPACES, ids=str)


def resolved(number, space):
    """{state: probability} of a whole number, by looking at all states."""
    if number in space.states:
        return {number: Fraction(1)}
    low = max(s for s in space.states if s < number)
    high = min(s for s in space.states if s > number)
    share = Fraction(number - low, high - low) if space.resolution == "unbiased" else Fraction(1, 2)
    return {low: 1 - share, high: share}


def distribution(state, change, space, th):
    """(8) to (15) by hand, in fractions but for tanh."""
    unit = Fraction(1, 2**-space.p)
    change = Fraction(change)
    direction = (change > 0) - (change < 0)
    k = direction * (abs(change) // unit)
    v = change - k * unit
    chance = math.tanh(th * float(abs(v) / unit))
    found = dict.fromkeys(space.states, 0.0)
    for gate, share in ((1, chance), (0, 1 - chance)):
        moved = min(max(state + k + direction * gate, -space.largest), space.largest)
        for s, odds in resolved(moved, space).items():
            found[s] += share * float(odds)
    return list(found.values())


@on_each_space
def test_states_are_zero_and_powers_of_two_up_to_one(space):
    positive = [s for s in space.states if s > 0]
    assert [s * space.unit for s in positive] == [2.0**e for e in range(space.p, 1)]
    assert space.states == tuple(sorted({0, *positive, *(-s for s in positive)}))
    assert 2**space.bit_width >= len(space.states) > 2 ** (space.bit_width - 1)


@on_each_space
def test_a_step_has_the_papers_distribution(space):
    for state in space.states:
        for change in (0.0, 0.3, -0.3, 1.0, -1.7, 0.001, space.unit, -2.5 * space.unit):
            for th in (0.25, 0.5, 3.0):
                found = dst.step_distribution(state, change, space, th=th)
                assert sum(found) == pytest.approx(1, abs=1e-12)
                assert found == pytest.approx(distribution(state, change, space, th), abs=1e-12)


@on_each_space
def test_drawn_steps_follow_the_distribution(space):
    generator, n = torch.Generator().manual_seed(0), 20_000
    for state, change in ((space.largest, -0.37), (0, 0.8), (-1, 0.11)):
        states = torch.full((n,), state, dtype=torch.int8)
        after = dst.take_step(states, torch.full((n,), change), space, generator=generator)
        assert after.dtype == torch.int8
        shares = [(after == s).double().mean().item() for s in space.states]
        expected = distribution(state, torch.tensor(change).item(), space, 0.5)
        assert shares == pytest.approx(expected, abs=5 * 0.5 / math.sqrt(n))


def test_each_weight_has_a_gate_of_its_own():
    states, change = torch.zeros(1000, dtype=torch.int8), torch.full((1000,), 0.125)
    after = dst.take_step(
        states, change, dst.StateSpace(-2), generator=torch.Generator().manual_seed(1)
    )
    assert 0 < (after == 1).sum() < 1000


def test_given_draws_decide():
    space, nothing = dst.StateSpace(-2), torch.ones(4)
    states = torch.tensor([2, 2, -2, 4], dtype=torch.int8)
    change = torch.tensor([0.25, 0.1, -0.25, 0.5])
    chance = math.tanh(0.5 * 0.4)
    # 3 goes to the larger one where the second draw is below 1/2, and 2 + 1 = 3 only by the gate.
    for gate, odds, expected in [
        (nothing, nothing, [2, 2, -2, 4]),
        (nothing, 0 * nothing, [4, 2, -4, 4]),
        (torch.full((4,), chance - 0.01), 0 * nothing, [4, 4, -4, 4]),
        (torch.full((4,), chance + 0.01), 0 * nothing, [4, 2, -4, 4]),
    ]:
        assert dst.take_step(states, change, space, draws=(gate, odds)).tolist() == expected


@on_each_space
def test_real_weights_become_the_nearest_states(space):
    w = torch.linspace(-1, 1, 4001, dtype=torch.float64)
    found = dst.to_states(w, space, generator=torch.Generator().manual_seed(2))
    for value, state in zip(w.tolist(), found.tolist(), strict=True):
        assert state in resolved(round(Fraction(value) / Fraction(space.unit)), space)
    back = found.double() * space.unit
    assert (dst.to_states(back, space) == found).all()  # a state stays one
    if space.resolution == "unbiased":
        many = torch.full((40_000,), 0.6875)
        mean = dst.to_states(many, space, generator=torch.Generator().manual_seed(3))
        whole = round(0.6875 / space.unit) * space.unit
        assert (mean.double() * space.unit).mean().item() == pytest.approx(whole, abs=0.01)


@on_each_space
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_number_between_states_goes_to_either_by_its_draw(space, dtype):
    """A change of whole steps from 0, with draws just below the odds and at them."""
    start, closed = torch.zeros(1, dtype=torch.int8), torch.ones(1, dtype=dtype)
    for number in range(-space.largest, space.largest + 1):
        change = torch.tensor([number * space.unit], dtype=dtype)
        odds = resolved(number, space)
        near, far = min(odds, key=abs), max(odds, key=abs)
        for below, expected in ((2**-10, far), (0, near)):
            draws = closed, torch.tensor([float(odds[far]) - below], dtype=dtype)
            found = dst.take_step(start, change, space, draws=draws)
            assert found.dtype == torch.int8 and found.item() == expected


def test_the_same_generator_takes_the_same_steps():
    space, change = dst.StateSpace(-3), torch.randn(500, generator=torch.Generator().manual_seed(4))
    states = dst.to_states(change.clamp(-1, 1), space, generator=torch.Generator().manual_seed(5))
    first, second = (
        dst.take_step(states, change, space, generator=torch.Generator().manual_seed(6))
        for _ in range(2)
    )
    assert torch.equal(first, second)


STATES = torch.zeros(2, dtype=torch.int8)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: dst.StateSpace(1), ValueError, "p must be"),
        (lambda: dst.StateSpace(-7), ValueError, "p must be"),
        (lambda: dst.StateSpace(-2, "up"), ValueError, "resolution"),
        (lambda: dst.to_states(torch.tensor([1.5]), dst.StateSpace(0)), ValueError, "got 1.5"),
        (lambda: dst.to_states(torch.tensor([math.nan]), dst.StateSpace(0)), ValueError, "between"),
        (lambda: dst.to_states(torch.tensor([0.5]), -2), TypeError, "space must be a StateSpace"),
        (lambda: dst.take_step(STATES.float(), torch.zeros(2), SPACES[0]), TypeError, "int8"),
        (lambda: dst.take_step(STATES, torch.zeros(3), SPACES[0]), ValueError, "shape of states"),
        (lambda: dst.take_step(STATES + 3, torch.zeros(2), SPACES[4]), ValueError, "among"),
        (lambda: dst.take_step(STATES - 128, torch.zeros(2), SPACES[4]), ValueError, "among"),
        (lambda: dst.take_step(STATES, torch.zeros(2) / 0, SPACES[0]), ValueError, "finite"),
        (lambda: dst.take_step(STATES, torch.zeros(2), SPACES[0], th=0), ValueError, "th must be"),
        (lambda: dst.step_distribution(3, 0.1, dst.StateSpace(-2)), ValueError, "among"),
    ],
)
def test_bad_input_is_refused_by_name(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_small_changes_in_half_precision_have_their_chances():
    """In 16 bits a random number is 0 once in some hundred times, and below every chance."""
    states = torch.zeros(200_000, dtype=torch.int8)
    change = torch.full(states.shape, 1e-4, dtype=torch.bfloat16)
    moved = dst.take_step(
        states, change, dst.StateSpace(-2), generator=torch.Generator().manual_seed(0)
    )
    assert 10 < moved.count_nonzero() < 80  # 40 are expected


def test_changes_without_bounds_end_at_the_ends():
    space = dst.StateSpace(-6)
    assert dst.step_distribution(1, 1e308, space)[-1] == 1
    states = torch.tensor([1, -64], dtype=torch.int8)
    assert dst.take_step(states, torch.tensor([-3e38, 3e38]), space).tolist() == [-64, 64]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda s, c, p: dst.take_step(s, c, p, draws=(c,)), ValueError, "draws must be two"),
        (lambda s, c, p: dst.take_step(s, c, p, draws=(c, c[:1])), ValueError, "of the shape of"),
        (lambda s, c, p: dst.take_step(s, c, p, draws=(c, 2 + c)), ValueError, "between 0 and 1"),
        (lambda s, c, p: dst.take_step(s, c, p, generator=1), TypeError, "generator must be"),
        (lambda s, c, p: dst.step_distribution(1, 0.1, -2), TypeError, "space must be"),
        (lambda s, c, p: dst.step_distribution(1, "a", p), TypeError, "change must be a number"),
    ],
)
def test_bad_arguments_of_a_step_are_named(call, error, words):
    with pytest.raises(error, match=words):
        call(torch.zeros(3, dtype=torch.int8), torch.zeros(3), dst.StateSpace(-2))
