"""An optimizer for weights that are states: any torch optimizer's update, as transitions."""

import torch
from torch.optim import Adam, Optimizer

from quantlib._validation import check_positive, shown
from quantlib.dst.quantizers import StateWeights
from quantlib.dst.states import check_generator, transition
from quantlib.layers import quantized

__all__ = ["DSTOptimizer"]

#: Layers with fewer weights are moved together.
JOINED = 2**15


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
        A class of ``torch.optim``, or a function, that is called with all parameters and
        ``options``. The paper has Adam. It must take a step by one gradient, which LBFGS does not.
        For groups of parameters give a function that makes them of the model's:
        ``conv2.weight_quant.live`` stands for the weights of ``conv2``.
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
    >>> from torch import nn
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
        self.generator = check_generator(generator)
        if not callable(optimizer):
            raise TypeError(
                f"optimizer must be a class of torch.optim, not an optimizer, got "
                f"{shown(optimizer)}"
            )
        layers = {
            name: layer for name, layer in quantized(model).items()
            if isinstance(layer.weight_quant, StateWeights)
        }  # fmt: skip
        if not layers:
            raise ValueError("model must have layers of states: make them by quantlib.dst.to_dst")
        # Weights that layers share have one quantizer.
        self._layers = {layer.weight_quant: (name, layer) for name, layer in layers.items()}
        for quantizer, (_, layer) in self._layers.items():  # some optimizers ask for shapes at once
            quantizer.live.data = layer.weight * quantizer.unit
        self._inner = optimizer([p for p in model.parameters() if p.requires_grad], **options)
        for quantizer in self._layers:
            quantizer.empty()
        if isinstance(self._inner, torch.optim.LBFGS):
            raise ValueError("optimizer must take a step by one gradient, got LBFGS")
        super().__init__(self._inner.param_groups, self._inner.defaults)
        self._share()

    def _share(self):
        self.param_groups, self.state = self._inner.param_groups, self._inner.state

    @torch.no_grad()
    def step(self, closure=None):
        """Change states and real parameters by the gradients since the last step.

        Raises
        ------
        FloatingPointError
            If a gradient of states is NaN or infinite. Nothing was changed then.
        RuntimeError
            If states were changed between the forward pass and the step.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        moving = []
        for quantizer, (name, layer) in self._layers.items():
            if quantizer.live.grad is None:
                continue
            if not quantizer.is_live(layer.weight):
                raise RuntimeError(
                    f"{name}.weight was changed between the forward pass and the step: call the "
                    f"model again"
                )
            if not bool(torch.isfinite(quantizer.live.grad).all()):
                raise FloatingPointError(f"the gradient of {name}.weight is NaN or infinite")
            moving.append((quantizer, layer.weight))
        self._inner.step()
        self._move(moving)
        for quantizer in self._layers:
            quantizer.empty()
        return loss

    def _move(self, moving):
        """Take the states of layers towards the real weights that were made of them."""
        joined = {}  # small ones of one kind at once: a call costs more than their transition
        for quantizer, states in moving:
            live = quantizer.live.data
            change = live - states * quantizer.unit
            draws = torch.rand(
                (2, states.numel()), generator=self.generator, device=live.device, dtype=live.dtype
            )
            kind = quantizer.space, live.dtype, live.device
            kind = kind if states.numel() < JOINED else (*kind, quantizer)
            joined.setdefault(kind, []).append((states, change.flatten(), draws))
        for (space, *_), layers in joined.items():
            states, change, draws = zip(*layers, strict=True)
            states = torch.cat([s.flatten() for s in states])
            new = transition(states, torch.cat(change), space, self.th, *torch.cat(draws, dim=1))
            parts = new.split([weight.numel() for weight, *_ in layers])
            for (weight, *_), part in zip(layers, parts, strict=True):
                weight.copy_(part.view_as(weight))

    def zero_grad(self, set_to_none=True):
        """Forget all gradients, also between a forward pass and its backward pass."""
        self._inner.zero_grad(set_to_none)

    def state_dict(self):
        """Return the other optimizer's state, as torch has it, with th and the generator's."""
        drawn = None if self.generator is None else self.generator.get_state()
        return self._inner.state_dict() | {"th": self.th, "generator": drawn}

    def load_state_dict(self, state_dict):
        """Take over what :meth:`state_dict` gave."""
        missing = {"th", "generator"} - set(state_dict)
        if missing:
            raise ValueError(f"state_dict must be of a DSTOptimizer, got none with {missing}")
        inner = dict(state_dict)
        self.th, drawn = inner.pop("th"), inner.pop("generator")
        if (drawn is None) != (self.generator is None):
            given = "none" if self.generator is None else "one"
            raise ValueError(
                f"generator must be given if and only if the saved run had one, got {given}"
            )
        self._inner.load_state_dict(inner)
        if drawn is not None:
            self.generator.set_state(drawn.cpu())
        self._share()

    def __getstate__(self):
        """Return what is copied or pickled."""
        own = {name: vars(self)[name] for name in ("th", "generator", "_layers", "_inner")}
        return super().__getstate__() | own

    def __setstate__(self, state):
        """Take over a copy's state."""
        super().__setstate__(state)
        self._share()
