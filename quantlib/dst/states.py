r"""Weights as whole states, and the transitions that take a step from one to another.

.. math::
    w = L s, \qquad L = 2^p, \qquad
    s \in \{0, \pm 1, \pm 2, \pm 4, \dots, \pm 2^{-p}\} \qquad (p \le 0)

so that weights lie between -1 and 1. p = 0 is GXNOR-Net's ternary case.
"""

import functools
import numbers
from dataclasses import dataclass

import torch

from quantlib._validation import check_choice, check_integer, check_positive, shown
from quantlib.models.weights import check_tensor

__all__ = ["RESOLUTIONS", "StateSpace", "step_distribution", "take_step", "to_states"]

#: Ways for a whole number that is no state, such as 3, to become one of its two neighbours:
#: either with equal odds, as the paper has it for 3; or the nearer the likelier, so that the mean
#: stays what it was. For 3 both are the same.
RESOLUTIONS = ("equal", "unbiased")


#: The largest state of any space.
MOST = 64


@dataclass(frozen=True)
class StateSpace:
    """The states of weights whose smallest magnitude is 2**p.

    >>> StateSpace(-2).states
    (-4, -2, -1, 0, 1, 2, 4)
    >>> StateSpace(-2).unit
    0.25
    """

    #: The smallest exponent, from -6, for which states still fit into 8 bits, to 0.
    p: int
    #: One of :data:`RESOLUTIONS`.
    resolution: str = "equal"

    def __post_init__(self):
        object.__setattr__(self, "p", check_integer(self.p, "p", -6, 0))
        check_choice(self.resolution, "resolution", RESOLUTIONS)

    @property
    def unit(self):
        """L, what a state of 1 is worth."""
        return 2.0**self.p

    @property
    def largest(self):
        """The largest state, which is worth 1."""
        return 2**-self.p

    @property
    def states(self):
        """All states in rising order."""
        positive = [2**k for k in range(1 - self.p)]
        return (*(-s for s in reversed(positive)), 0, *positive)

    @property
    def bit_width(self):
        """Bits of a code for a state.

        >>> [StateSpace(p).bit_width for p in (0, -1, -2, -3)]
        [2, 3, 3, 4]
        """
        return (len(self.states) - 1).bit_length()


def to_states(w, space, *, generator=None):
    r"""Return real weights from -1 to 1 as states, an int8 tensor.

    .. math:: s = \mathrm{round}(w / L)

    half to even, and resolved where that is no state (:data:`RESOLUTIONS`). Numbers beyond ±1 are
    refused: scale them first, or clamp them, as :func:`take_step` does with what leaves the range.
    Random numbers come from ``generator``, a ``torch.Generator``, or from torch's own.

    Source: Long et al. (2020), (9) and (10).

    >>> to_states(torch.tensor([0.1, 0.2, -0.6, 1.0]), StateSpace(-2)).tolist()
    [0, 1, -2, 4]
    """
    _check_space(space)
    check_tensor(w, "w")
    if w.numel() and not bool((w.abs() <= 1).all()):
        raise ValueError(f"w must lie between -1 and 1, got {w.abs().max().item():g} in magnitude")
    return _resolve(torch.round(w / space.unit), space, _draw(w, generator))


def take_step(states, change, space, *, th=0.5, generator=None, draws=None):
    r"""Return the states after weights should have changed by ``change``.

    .. math::
        k = \mathrm{sign}(\Delta w) \left\lfloor \frac{|\Delta w|}{L} \right\rfloor, \qquad
        v = \Delta w - k L, \qquad
        P(\mathrm{gate} = 1) = \tanh\left(\mathrm{th} \cdot \frac{|v|}{L}\right), \\
        s_\text{new} = \mathrm{DST}\bigl(\mathrm{clip}(s + k + \mathrm{sign}(\Delta w)\,
            \mathrm{gate},\, -2^{-p},\, 2^{-p})\bigr)

    DST resolves what is no state (:data:`RESOLUTIONS`). A small change cannot be stored, so it
    becomes the chance of a whole one. Each weight has a gate of its own.

    Parameters
    ----------
    states : torch.Tensor
        int8, all of them states of ``space``.
    change : torch.Tensor
        :math:`\Delta w`, floats of the same shape.
    space : StateSpace
    th : float
        The steepness of the chance, above 0. The paper takes 0.5.
    generator : torch.Generator, optional
        Where random numbers come from; torch's own by default.
    draws : pair of torch.Tensor, optional
        The random numbers themselves, uniform from 0 to 1: the gate opens where the first is below
        its chance, and the larger neighbour is taken where the second is below its odds.

    Notes
    -----
    Source: Long et al. (2020), (8) and (12) to (15); Deng et al. (2018) for p = 0. The authors
    clip nothing explicitly; their weights lie between -1 and 1 (section 3.3.2).

    Examples
    --------
    >>> states, change = torch.tensor([1, 1, -4], dtype=torch.int8), torch.tensor([0.3, -0.1, -2.0])
    >>> take_step(states, change, StateSpace(-2), draws=(torch.ones(3), torch.ones(3))).tolist()
    [2, 1, -4]
    >>> take_step(states, change, StateSpace(-2), draws=(torch.zeros(3), torch.ones(3))).tolist()
    [2, 0, -4]
    """
    _check_step(states, change, space, th)
    change = change.to(torch.promote_types(change.dtype, torch.float32))
    if draws is None:
        draws = [_draw(change, generator) for _ in range(2)]
    return transition(states, change, space, th, *_checked_draws(draws, change))


def transition(states, change, space, th, gate, odds):
    """:func:`take_step` of arguments that were looked at."""
    whole, chance = _whole_and_chance(change, space, th)
    moved = states + torch.copysign(whole.add_(gate < chance), change)
    return _resolve(moved.clamp_(-space.largest, space.largest), space, odds)


def step_distribution(state, change, space, *, th=0.5):
    """Return the probability of every state of ``space`` after one step from ``state``.

    A list of floats in the order of :attr:`StateSpace.states`; see :func:`take_step`.

    >>> step_distribution(2, 0.25, StateSpace(-2))  # 3 is no state: 2 or 4
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.5]
    """
    _check_space(space)
    start = torch.tensor([check_integer(state, "state", -space.largest, space.largest)])
    if isinstance(change, bool) or not isinstance(change, numbers.Real):
        raise TypeError(f"change must be a number, got {shown(change)}")
    change = torch.tensor([float(change)], dtype=torch.float64)
    _check_step(start.to(torch.int8), change, space, th)
    whole, chance = _whole_and_chance(change, space, th)
    found, tables = dict.fromkeys(space.states, 0.0), _neighbours(space, start.device)
    for gate, share in ((1, chance.item()), (0, 1 - chance.item())):
        moved = start + torch.sign(change) * (whole + gate)
        moved = moved.clamp(-space.largest, space.largest)
        low, high, upper = (x[int(moved) + space.largest].item() for x in tables)
        found[low] += share * (1 - upper)
        found[high] += share * upper
    return list(found.values())


def _whole_and_chance(change, space, th):
    """The magnitude of k, and the chance that one more state is gone."""
    # Beyond this a weight is at the end of its range, and infinity has no rest.
    steps = (change / space.unit).abs_().clamp_(max=4.0 * MOST)
    whole = steps.floor()
    return whole, torch.tanh_((steps - whole).mul_(th))


@functools.cache
def _neighbours(space, device):
    """For each whole number from the smallest state to the largest, in rising order: the states on
    either side of it, the one nearer 0 first, and the odds of the other."""
    rows = []
    for number in range(-space.largest, space.largest + 1):
        low = max(s for s in (0, *space.states) if 0 <= s <= abs(number))
        between = abs(number) > low
        share = 0.5 if space.resolution == "equal" else (abs(number) - low) / max(low, 1)
        sign = -1 if number < 0 else 1
        rows.append((sign * low, sign * low * (1 + between), share if between else 0.0))
    low, high, upper = zip(*rows, strict=True)
    states = (torch.tensor(x, dtype=torch.int8, device=device) for x in (low, high))
    return *states, torch.tensor(upper, device=device)


def _resolve(numbers, space, draws):
    """The states of whole numbers in their range; those of :func:`_neighbours`, without tables."""
    numbers = numbers.to(torch.int8)
    if space.largest <= 2:  # there is nothing between states
        return numbers
    magnitudes = numbers.abs()
    low = magnitudes.clone()
    for distance in (1, 2, 4):  # ones below the highest bit, and then that bit alone
        low |= low >> distance
    low -= low >> 1
    odds = 0.5
    if space.resolution == "unbiased":
        odds = (magnitudes - low).to(draws.dtype) / low.clamp(min=1)
    return torch.sign(numbers) * (low + low * ((draws < odds) & (magnitudes != low)))


def _draw(like, generator):
    # In half precision 0 comes often, which is below every chance.
    dtype = torch.promote_types(like.dtype, torch.float32)
    return torch.rand(
        like.shape, generator=check_generator(generator), device=like.device, dtype=dtype
    )


def _checked_draws(draws, change):
    draws = list(draws)
    if len(draws) != 2 or any(getattr(d, "shape", None) != change.shape for d in draws):
        raise ValueError(
            f"draws must be two tensors of the shape of change, {tuple(change.shape)}, "
            f"got {[tuple(getattr(d, 'shape', ())) for d in draws]}"
        )
    if not all(bool(((d >= 0) & (d <= 1)).all()) for d in draws):
        raise ValueError("draws must lie between 0 and 1, got others")
    return draws


def check_generator(generator):
    """Return ``generator``; raise TypeError unless it is a ``torch.Generator`` or None."""
    if generator is not None and not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator or None, got {shown(generator)}")
    return generator


def _check_space(space):
    if not isinstance(space, StateSpace):
        raise TypeError(f"space must be a StateSpace, got {type(space).__name__}")


def _check_step(states, change, space, th):
    _check_space(space)
    check_positive(th, "th")
    check_tensor(change, "change")
    if not isinstance(states, torch.Tensor) or states.dtype != torch.int8:
        raise TypeError(f"states must be an int8 tensor, got {getattr(states, 'dtype', states)}")
    if states.shape != change.shape:
        raise ValueError(
            f"change must have the shape of states, {tuple(states.shape)}, "
            f"got {tuple(change.shape)}"
        )
    magnitudes = states.short().abs()
    if bool(((magnitudes & (magnitudes - 1)) != 0).any() | (magnitudes > space.largest).any()):
        raise ValueError(f"states must be among {space.states}")
    if not bool(torch.isfinite(change).all()):
        raise ValueError("change must be finite, got NaN or infinity")
