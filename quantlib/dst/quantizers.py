"""Activations on a grid of powers of two, and weights that are states, as values for a layer."""

import torch
from torch import nn

from quantlib._validation import check_flag
from quantlib.dst._grid import OnGrid
from quantlib.dst.grid import grid_levels, to_grid, to_grid_derivative
from quantlib.dst.states import StateSpace, to_states
from quantlib.layers import Quantizer, convert, quantized
from quantlib.models.weights import check_tensor, traced

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

    The layer's ``weight`` is an int8 tensor of states (:func:`to_dst` makes it so). In training a
    floating-point tensor of the weights lives from the forward pass to the optimizer's step, for
    the gradient to be taken by it. :class:`~quantlib.dst.optimizer.DSTOptimizer` turns it into a
    transition and lets it go.

    Parameters
    ----------
    p, resolution
        As for :class:`~quantlib.dst.states.StateSpace`.

    Notes
    -----
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
        self._live, self._version = None, None

    @property
    def signature(self):
        """The exponent: states of another one mean other weights."""
        return f"StateWeights(p={self.space.p})"

    def forward(self, states):
        """Return the weights of ``states``."""
        if states.dtype != torch.int8:
            raise TypeError(
                f"weight must be int8 states, got {states.dtype}: make them by quantlib.dst.to_dst"
            )
        if not (self.training and torch.is_grad_enabled()):
            return states * self.unit
        # A second pass before the step, or a second place in the network, adds to one gradient.
        if self._live is None or self._version != (id(states), states._version):
            self._live = (states * self.unit).requires_grad_()
            self._version = id(states), states._version
        return self._live

    def take_live(self):
        """Return the weights that the last pass computed with, or None, and let them go."""
        live, self._live, self._version = self._live, None, None
        return live

    def forget_gradient(self):
        """Start the sum of gradients anew. The weights stay: a backward pass may be on its way."""
        if self._live is not None:
            self._live.grad = None

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
    p : int
        The smallest exponent, -6 to 0.
    act_quant : Quantizer, optional
        For the input of the same layers, such as :class:`GridActivations`.
    skip : list of str, optional
        Layers that stay real; by default the first, as in the paper.
    resolution, generator
        As for :func:`~quantlib.dst.states.to_states`.

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
    space = StateSpace(p, resolution)
    first = [n for n, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)][:1]
    made = convert(
        model, weight_quant=StateWeights(p, resolution), act_quant=act_quant,
        skip=first if skip is None else skip,
    )  # fmt: skip
    for layer in quantized(made).values():
        if isinstance(layer.weight_quant, StateWeights) and layer.weight.is_floating_point():
            w = layer.weight.detach()
            w = w / w.abs().max().clamp(min=torch.finfo(w.dtype).tiny) if scaled else w
            states = to_states(w, space, generator=generator)
            layer.weight = nn.Parameter(states, requires_grad=False)
    return made
