"""Activations on a grid of powers of two, and weights that are states, as values for a layer."""

import torch
from torch import nn

from quantlib._validation import check_flag
from quantlib.dst._grid import OnGrid
from quantlib.dst.grid import grid_levels, to_grid, to_grid_derivative
from quantlib.dst.states import StateSpace, check_generator, to_states
from quantlib.layers import QuantConv2d, Quantizer, QuantLinear, convert, quantized
from quantlib.models import check_model
from quantlib.models.weights import check_numbers, check_tensor, traced

__all__ = ["GridActivations", "StateWeights", "to_dst"]


class GridActivations(Quantizer):
    r"""Activations that are 0 or :math:`\pm 2^{i-2} q_2`, with the paper's derivative.

    .. math:: q(x) = P(x), \qquad
        \frac{\partial C}{\partial x} = \frac{\partial C}{\partial q}\; P'(x)

    See :func:`~quantlib.dst.grid.to_grid` and :func:`~quantlib.dst.grid.to_grid_derivative`. The
    grid is made for numbers of mean 0 and variance 1: it stands behind batch normalization.

    Parameters
    ----------
    q2 : float
        The smallest level above 0. The paper takes 0.125 for most results.
    n_levels : int
        Levels from 0 on; with ``signed`` there are ``2 * n_levels - 1`` in all.
    signed : bool
        False makes everything below 0 to 0, as a ReLU does.

    Notes
    -----
    Source: Long et al. (2020), (2) to (7).

    Examples
    --------
    >>> x = torch.tensor([-1.75, 0.1, 0.6], requires_grad=True)
    >>> y = GridActivations(0.25, 4)(x)
    >>> y.sum().backward()
    >>> y.tolist(), x.grad.tolist()
    ([-1.0, 0.0, 0.5], [0.5, 0.0, 1.0])
    """

    lowering = "quantlib.dst.lowering"

    def __init__(self, q2=0.125, n_levels=5, *, signed=True):
        super().__init__()
        grid_levels(q2, n_levels)  # refuses bad ones
        check_flag(signed, "signed")
        self.q2, self.n_levels, self.signed = float(q2), int(n_levels), bool(signed)

    def forward(self, x):
        """Return the levels of ``x``, with the derivative that the paper defines."""
        check_tensor(x, "x")
        grid = self.q2, self.n_levels
        if torch.compiler.is_compiling() or traced(x):  # what is recorded are plain operations
            latent = x.detach()
            slope = to_grid_derivative(latent, *grid, signed=self.signed)
            return to_grid(latent, *grid, signed=self.signed) + slope * (x - latent)
        return OnGrid.apply(x, *grid, self.signed)

    def extra_repr(self):
        """Return the grid."""
        grid = f"q2={self.q2:g}, n_levels={self.n_levels}"
        return grid if self.signed else f"{grid}, signed=False"


class StateWeights(Quantizer):
    r"""Weights of which a layer holds nothing but whole states, while it trains, too.

    .. math:: q(s) = L s

    The layer's ``weight`` is a buffer, an int8 tensor of states (:func:`to_dst` makes it so). What
    an optimizer sees is the parameter ``live``, which is empty but for the time from a forward pass
    to the optimizer's step: then it holds the real weights, and their gradient. So clipping,
    ``zero_grad`` and a ``GradScaler`` work as usual, and ``requires_grad_(False)`` freezes a layer.
    :class:`~quantlib.dst.optimizer.DSTOptimizer` turns what became of it into a transition, and
    empties it.

    Parameters
    ----------
    p, resolution
        As for :class:`~quantlib.dst.states.StateSpace`.

    Notes
    -----
    Training takes float32 or float64: under ``torch.autocast`` weights are still float32, but a
    network in half precision would lose small changes, and is refused. A mean of several networks'
    weights has no states; data parallelism over several processes would draw other steps in each.

    Source: Long et al. (2020), section 3.3.

    Examples
    --------
    >>> StateWeights(-2)(torch.tensor([[4, -1, 0]], dtype=torch.int8)).tolist()
    [[1.0, -0.25, 0.0]]
    """

    lowering = "quantlib.dst.lowering"

    def __init__(self, p=-2, resolution="equal"):
        super().__init__()
        self.space = StateSpace(p, resolution)
        # In the dtype of the model, whatever it is converted to.
        self.register_buffer("unit", torch.tensor(self.space.unit), persistent=False)
        self.live = nn.Parameter(torch.empty(0))
        self._made = None

    @property
    def signature(self):
        """The exponent: states of another one mean other weights."""
        return f"StateWeights(p={self.space.p})"

    def forward(self, states):
        """Return the weights of ``states``."""
        if not isinstance(states, torch.Tensor) or states.dtype != torch.int8:
            got = getattr(states, "dtype", type(states).__name__)
            raise TypeError(
                f"weight must be int8 states, got {got}: make them by quantlib.dst.to_dst"
            )
        recorded = torch.compiler.is_compiling() or traced(states)
        if recorded or not (torch.is_grad_enabled() and self.live.requires_grad):
            return states * self.unit
        if self.unit.dtype not in (torch.float32, torch.float64):
            raise TypeError(
                f"a network of states trains in float32 or float64, got {self.unit.dtype}: take "
                f"torch.autocast"
            )
        # A second pass before the step, or a second place in the network, adds to one gradient.
        if not self.is_live(states):
            self.live.grad = None
            self.live.data = states * self.unit
            self._made = states, states._version, self.live._version
        return self.live

    def refuses(self, weight):
        """Return why saved weights are no states: torch would cut real ones off, without a word."""
        if weight.dtype != torch.int8:
            return f"must be int8 states, got {weight.dtype}: load real weights before to_dst"
        known = torch.tensor(self.space.states, dtype=torch.int8, device=weight.device)
        others = weight[~torch.isin(weight, known)]
        if len(others):
            return f"must be among the states {self.space.states}, got {others[0].item()}"
        return None

    def is_live(self, states):
        """Whether ``live`` has the weights of ``states``, as they are now.

        Raises RuntimeError if another optimizer has changed them.
        """
        if self._made is None or not self.live.numel() or self.live.dtype != self.unit.dtype:
            return False
        made_of, version, live_version = self._made
        if self.live._version != live_version:
            raise RuntimeError(
                "weights that are states were changed by an optimizer that cannot store them: "
                "give the model to quantlib.dst.DSTOptimizer (training.fit: wrap_optimizer)"
            )
        return made_of is states and states._version == version

    def empty(self):
        """Let go of the real weights and of their gradient."""
        self.live.grad, self._made = None, None
        self.live.data = self.live.data.new_empty(0)

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        """Save nothing: ``live`` is empty between steps, and the layer has the states."""

    def _load_from_state_dict(self, *args):
        """Take nothing."""

    def __getstate__(self):
        """Return what is copied or pickled: a copy makes its real weights anew."""
        return vars(self) | {"_made": None}

    def extra_repr(self):
        """Return the exponent, and how numbers between states are resolved, if not as usual."""
        how = self.space.resolution
        return f"p={self.space.p}" + ("" if how == "equal" else f", resolution={how!r}")


def to_dst(
    model, p=-2, *, act_quant=None, skip=None, resolution="equal", scaled=True, generator=None
):
    r"""Return a copy of ``model`` whose layers hold their weights as states.

    .. math:: s = \mathrm{DST}\left(\frac{W}{\max |W|}\right)

    Scaled by the largest magnitude of its layer, so that it uses the whole range from -1 to 1;
    batch normalization behind the layer takes the factor out again. With ``scaled=False`` weights
    are taken as they are, and refused where they lie beyond ±1. Biases and what normalizes stay
    real.

    Parameters
    ----------
    model : torch.nn.Module
        Its ``Conv2d`` and ``Linear`` layers are converted, no others.
    p : int
        The smallest exponent, -6 to 0.
    act_quant : Quantizer, optional
        For the input of the same layers, such as :class:`GridActivations`.
    skip : list of str, optional
        Layers that stay real; by default the first that is registered, as in the paper. ``[]`` for
        none.
    resolution, generator
        As for :func:`~quantlib.dst.states.to_states`.
    scaled : bool
        Whether weights are divided by the largest magnitude of their layer. One outlier makes
        nearly all others 0.

    Notes
    -----
    Source: Long et al. (2020), section 4: only the first layer is not quantized. It does not say
    how training starts.

    Examples
    --------
    >>> net = to_dst(nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 2)))
    >>> net[1].weight.dtype
    torch.int8
    """
    check_flag(scaled, "scaled")
    check_generator(generator)
    check_model(model)
    check_numbers(model)
    space, kinds = StateSpace(p, resolution), (nn.Conv2d, nn.Linear)
    open_ = [
        name for name, layer in model.named_modules()
        if isinstance(layer, kinds) and not isinstance(layer, QuantConv2d | QuantLinear)
    ]  # fmt: skip
    skip = open_[:1] if skip is None else list(skip)
    if set(open_) <= set(skip):
        raise ValueError(
            f"model must have a Conv2d or Linear to be converted beside those that are skipped, "
            f"{', '.join(skip) or 'none'}: all others, if any, are quantized already"
        )
    made = convert(model, weight_quant=StateWeights(p, resolution), act_quant=act_quant, skip=skip)
    found = {}  # by the weight: one that layers share stays shared
    for name, layer in quantized(made).items():
        if isinstance(layer.weight_quant, StateWeights) and layer.weight.is_floating_point():
            old = layer.weight
            if old not in found:
                found[old] = _states_of(old.detach(), space, scaled, generator, name)
                layer.weight_quant.live.requires_grad_(old.requires_grad)
                found[old] = found[old], layer.weight_quant
            del layer.weight
            states, layer.weight_quant = found[old]
            layer.register_buffer("weight", states)
    return made


def _states_of(w, space, scaled, generator, name):
    if not bool(torch.isfinite(w).all()):
        raise ValueError(f"model must be finite, got NaN or infinity in {name}.weight")
    if scaled and w.numel():
        w = w / w.abs().max().clamp(min=torch.finfo(w.dtype).tiny)
    elif w.numel() and w.abs().max() > 1:
        raise ValueError(
            f"model must have weights between -1 and 1, got {w.abs().max().item():g} in "
            f"{name}.weight: take scaled=True, or scale them"
        )
    return to_states(w, space, generator=generator)
