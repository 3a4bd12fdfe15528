"""Activations on a grid of powers of two, as a value that a layer is given."""

from quantlib._validation import check_flag
from quantlib.dst.grid import grid_levels, to_grid, to_grid_derivative
from quantlib.layers import Quantizer
from quantlib.models.weights import check_tensor

__all__ = ["GridActivations"]


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
    >>> import torch
    >>> x = torch.tensor([-1.75, 0.1, 0.6], requires_grad=True)
    >>> y = GridActivations(0.25, 4)(x)
    >>> y.sum().backward()
    >>> y.tolist(), x.grad.tolist()
    ([-1.0, 0.0, 0.5], [0.5, 0.0, 1.0])
    """

    def __init__(self, q2=0.125, n_levels=5, *, signed=True):
        super().__init__()
        grid_levels(q2, n_levels)  # refuses bad ones
        check_flag(signed, "signed")
        self.q2, self.n_levels, self.signed = float(q2), int(n_levels), bool(signed)

    def forward(self, x):
        """Return the levels of ``x``, with the derivative that the paper defines."""
        check_tensor(x, "x")
        latent, grid = x.detach(), (self.q2, self.n_levels)
        slope = to_grid_derivative(latent, *grid, signed=self.signed)
        return to_grid(latent, *grid, signed=self.signed) + slope * (x - latent)

    def extra_repr(self):
        """Return the grid."""
        grid = f"q2={self.q2:g}, n_levels={self.n_levels}"
        return grid if self.signed else f"{grid}, signed=False"
