"""An optimizer for weights that are states: any torch optimizer's update, as transitions."""

import torch
from torch import nn
from torch.optim import Adam, Optimizer

from quantlib._validation import check_positive, shown
from quantlib.dst.quantizers import StateWeights
from quantlib.dst.states import transition
from quantlib.layers import quantized

__all__ = ["DSTOptimizer"]


class DSTOptimizer(Optimizer):
    r"""Takes the steps of another optimizer, on states by discrete state transition.

    .. math:: \Delta w = \text{the other optimizer's change of } L s, \qquad
              s \leftarrow \mathrm{DST}(s, \Delta w)

    as :func:`~quantlib.dst.states.take_step` has it. Between steps there is no floating-point copy
    of these weights, here or in the layers. What the other optimizer remembers is real all the
    same: Adam keeps two float32 numbers for each weight, 8 bytes beside the state's one; SGD
    without momentum none. Parameters that are real (biases, normalization, layers that were
    skipped) are changed as usual.

    Parameters
    ----------
    model : torch.nn.Module
        With layers that :func:`~quantlib.dst.quantizers.to_dst` made.
    optimizer : callable
        A class of ``torch.optim``, called with the parameters and ``options``. The paper has Adam.
    th : float
        As in :func:`~quantlib.dst.states.take_step`.
    generator : torch.Generator, optional
        Where the transitions' random numbers come from. Its state is part of :meth:`state_dict`,
        so that a run goes on bit for bit. Without one they come from torch's own, which the
        caller keeps.
    **options
        Of the other optimizer, such as ``lr``. A step that is much smaller than L is mostly
        chance, so rates are larger than those of real weights: 0.1 for Adam, whose steps are as
        large as its rate, where L is 1/4.

    Notes
    -----
    Source: Long et al. (2020), section 3.3.2; Deng et al. (2018) for p = 0.

    Examples
    --------
    >>> from quantlib import dst
    >>> net = dst.to_dst(nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 2)))
    >>> optimizer = DSTOptimizer(net, lr=0.01)
    >>> net(torch.ones(3, 4)).square().sum().backward()
    >>> optimizer.step()
    >>> net[1].weight.dtype
    torch.int8
    """

    def __init__(self, model, optimizer=Adam, *, th=0.5, generator=None, **options):
        self.th = check_positive(th, "th")
        if generator is not None and not isinstance(generator, torch.Generator):
            raise TypeError(f"generator must be a torch.Generator or None, got {shown(generator)}")
        self.generator = generator
        layers = [m for m in quantized(model).values() if isinstance(m.weight_quant, StateWeights)]
        if not layers:
            raise ValueError("model must have layers of states: make them by quantlib.dst.to_dst")
        # What the other optimizer knows a weight by: it has a value during a step only.
        self._keys = [(layer, nn.Parameter(_nothing(layer))) for layer in layers]
        real = [p for p in model.parameters() if p.requires_grad]
        self._inner = optimizer([*real, *(key for _, key in self._keys)], **options)
        super().__init__(self._inner.param_groups, self._inner.defaults)
        self._share()

    def _share(self):
        self.param_groups, self.state = self._inner.param_groups, self._inner.state

    @torch.no_grad()
    def step(self, closure=None):
        """Change states and real parameters by the gradients since the last step."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        moved = []
        for layer, key in self._keys:
            live = layer.weight_quant.take_live()
            if live is not None and live.grad is not None:
                key.data, key.grad = live.detach(), live.grad
                moved.append((layer, key))
        self._inner.step()
        self._move(moved)
        for layer, key in moved:
            key.data, key.grad = _nothing(layer), None
        return loss

    def _move(self, moved):
        """Take the states of layers towards the real weights that stand in their keys."""
        alike = {}  # those of one kind at once: a call costs more than a small layer's transition
        for layer, key in moved:
            kind = layer.weight_quant.space, key.dtype, key.device
            alike.setdefault(kind, []).append((layer.weight, layer.weight_quant.unit, key.data))
        for (space, dtype, device), layers in alike.items():
            changes = [(wanted - states * unit).flatten() for states, unit, wanted in layers]
            states, change = torch.cat([s.flatten() for s, _, _ in layers]), torch.cat(changes)
            if not torch.isfinite(torch.stack(torch.aminmax(change))).all():
                raise FloatingPointError("the step of a layer's weights is NaN or infinite")
            sizes = [len(c) for c in changes]
            draws = torch.rand(
                2 * len(change), generator=self.generator, device=device, dtype=dtype
            )
            draws = [d.view(2, -1) for d in draws.split([2 * size for size in sizes])]
            new = transition(states, change, space, self.th, *torch.cat(draws, dim=1))
            for (weight, _, _), part in zip(layers, new.split(sizes), strict=True):
                weight.copy_(part.view_as(weight))

    def zero_grad(self, set_to_none=True):
        """Forget all gradients, also between a forward pass and its backward pass."""
        for layer, _ in self._keys:
            layer.weight_quant.forget_gradient()
        super().zero_grad(set_to_none)

    def state_dict(self):
        """Return the other optimizer's state, and the generator's."""
        drawn = None if self.generator is None else self.generator.get_state()
        return {"inner": self._inner.state_dict(), "generator": drawn}

    def load_state_dict(self, state_dict):
        """Take over what :meth:`state_dict` gave."""
        self._inner.load_state_dict(state_dict["inner"])
        if self.generator is not None and state_dict["generator"] is not None:
            self.generator.set_state(state_dict["generator"])
        self._share()


def _nothing(layer):
    return torch.empty(0, dtype=layer.weight_quant.unit.dtype, device=layer.weight.device)
