"""The quantizers of ABC-Net: sums of binary bases of weights, and of activations."""

import torch
from torch import nn

from quantlib._validation import check_choice, check_flag, check_integer
from quantlib.abc_net.bases import MOST_BASES, initial_shifts, rows_of, thresholded
from quantlib.abc_net.least_squares import least_squares
from quantlib.binary.ste import clipped_zero
from quantlib.layers import Quantizer
from quantlib.models.weights import check_tensor

__all__ = ["ACT_GRADIENTS", "AbcActivations", "AbcWeights"]

#: The slope that a basis of activations is given where its ramp rises.
ACT_GRADIENTS = {"ramp": 2.0, "paper": 1.0}


class AbcWeights(Quantizer):
    r"""Weights as a sum of M binary bases, whose factors are solved for anew at each call.

    .. math::
        q(W) = \sum_m \alpha_m B_m, \qquad B_m = \mathrm{sign}(\bar W + u_m\, \mathrm{std}(W)),
        \qquad \alpha = \arg\min \Big\lVert W - \sum_m \alpha_m B_m \Big\rVert^2

    .. math::
        \frac{\partial C}{\partial W} = \sum_m \frac{\partial C}{\partial B_m}, \qquad
        \frac{\partial C}{\partial u_m} = \mathrm{std}(W) \sum_i \frac{\partial C}{\partial B_{mi}},
        \qquad \frac{\partial C}{\partial B_m} = \alpha_m \frac{\partial C}{\partial q(W)}

    Alpha, the mean and the deviation are constants for the gradient. A NaN makes all weights NaN,
    as the mean is one, and so does an infinity.

    Parameters
    ----------
    n_bases : int
        M, from 1 to 64. The ``shifts`` u start as
        :func:`~quantlib.abc_net.bases.initial_shifts` has them, and are saved.
    axis : int or None
        None for one alpha a basis, 0 for one a basis and output filter. The bases are those of
        the whole tensor in either case.
    trainable_shifts : bool
        Whether the shifts are a parameter; else they are a buffer.

    Notes
    -----
    The slides write :math:`\sum_m \alpha_m \partial C / \partial B_m`, where their derivative is
    taken of :math:`\mathrm{Conv}(B_m, A)`, before the factor: alpha is counted once. The
    estimator is the identity, without the clip of BNN. The paper leaves open whether this
    gradient goes to each basis, which would then be trained by itself, or to W; by the slides it
    is the sum, and goes to W.

    Source: Bei Yu, Mo04, "Weights Binarization" and "Forward and Backward"; Lin, Zhao and Pan
    (2017), section 3.1, which also has the trainable shifts.

    Examples
    --------
    >>> AbcWeights(2)(torch.tensor([[3.0, -3.0, 1.0, -1.0]])).round(decimals=4).tolist()
    [[3.0, -3.0, 0.0, 0.0]]
    """

    lowering = "quantlib.abc_net.lowering"

    def __init__(self, n_bases, *, axis=None, trainable_shifts=False):
        super().__init__()
        check_choice(axis, "axis", (None, 0))
        shifts = torch.as_tensor(initial_shifts(n_bases), dtype=torch.get_default_dtype())
        self.n_bases, self.axis = len(shifts), axis
        if check_flag(trainable_shifts, "trainable_shifts"):
            self.shifts = nn.Parameter(shifts)
        else:
            self.register_buffer("shifts", shifts)

    def forward(self, w):
        """Return the sum of the bases of ``w``, each times its alpha."""
        check_tensor(w, "w")
        shifts = self.shifts.to(w.device)
        bases, deviation = thresholded(w, shifts, self.n_bases)
        rows = [rows_of(basis, self.axis) for basis in bases]
        alphas = least_squares(rows_of(w.detach(), self.axis), rows)
        values = sum(alphas[:, m, None] * row for m, row in enumerate(rows))
        # What is 0 has the gradient of each basis: that of W, and of u_m std(W).
        shift = alphas.double() @ (clipped_zero(shifts, None).double() * deviation)[:, None]
        latent = alphas.sum(1, keepdim=True) * rows_of(clipped_zero(w, None), self.axis)
        return (values + (latent + shift.to(w.dtype))).reshape_as(w)

    @torch.no_grad()
    def deployed(self, w):
        """Return what a packed layer needs: M bases of signs, and alpha as M x 1 or M x O."""
        bases, _ = thresholded(w, self.shifts, self.n_bases)
        rows = [rows_of(basis, self.axis) for basis in bases]
        return bases, least_squares(rows_of(w, self.axis), rows).T

    @property
    def signature(self):
        """The bases and what has an alpha of its own: the rest is of training."""
        return f"{type(self).__name__}(n_bases={self.n_bases}, axis={self.axis})"

    def extra_repr(self):
        """Return what is not as usual."""
        axis = "" if self.axis is None else f", axis={self.axis}"
        trained = ", trainable_shifts=True" if isinstance(self.shifts, nn.Parameter) else ""
        return f"n_bases={self.n_bases}{axis}{trained}"


class AbcActivations(Quantizer):
    r"""Activations as a sum of N binary bases, with trained thresholds and factors.

    .. math::
        q(x) = \sum_n \beta_n A_n, \qquad
        A_n = H_{v_n}(x) = 2 \cdot 1_{h_{v_n}(x) \ge 0.5} - 1, \qquad
        h_v(x) = \mathrm{clip}(x + v, 0, 1)

    So :math:`A_n` is +1 from the threshold :math:`\tfrac12 - v_n` on. With
    :math:`g = \partial C / \partial q`, and sums over all activations i,

    .. math::
        \frac{\partial C}{\partial x} = g \sum_n s\, \beta_n\, 1_{0 \le x + v_n \le 1}, \qquad
        \frac{\partial C}{\partial v_n} = \sum_i s\, \beta_n\, g_i\, 1_{0 \le x_i + v_n \le 1},
        \qquad \frac{\partial C}{\partial \beta_n} = \sum_i g_i\, A_{ni}

    Parameters
    ----------
    n_bases : int
        N, from 1 to 64.
    gradient : str
        The slope s of a basis on its ramp. ``"ramp"`` has s = 2, the slope of :math:`2 h_v - 1`,
        of which :math:`A_n` is the rounding: its ramp rises by 2 in all, as the step does.
        ``"paper"`` has s = 1, as the paper prints it, and rises by half of the step: the gradients
        of x and v are half as large.

    Attributes
    ----------
    v, beta : torch.nn.Parameter
        N numbers each. At the start they make a staircase of N equal steps from -1 to 1, the
        thresholds at :math:`-1 + (2n - 1) / N` and :math:`\beta_n = 1 / N`; one basis is the sign.
        Shifts that are equal, such as the zeros that published code starts with, get equal
        gradients and stay one basis.

    Notes
    -----
    Outside of an image there is 0: what lies outside is left out of each of the M x N binary
    products, as the binary kernels do with ``padding_value=0``, and whatever is trained. That is
    no value of q in general. A bit +1 in all bases would stand for :math:`\sum_n \beta_n`.

    Source: Bei Yu, Mo04, "Multiple Binary Activations"; Lin, Zhao and Pan (2017), section 3.2.

    Examples
    --------
    >>> x = torch.tensor([-2.0, -0.1, 0.0, 2.0])
    >>> AbcActivations(1)(x).tolist(), AbcActivations(2)(x).tolist()
    ([-1.0, -1.0, 1.0, 1.0], [-1.0, 0.0, 0.0, 1.0])
    """

    lowering = "quantlib.abc_net.lowering"

    def __init__(self, n_bases, *, gradient="ramp"):
        super().__init__()
        self.n_bases = check_integer(n_bases, "n_bases", 1, MOST_BASES)
        check_choice(gradient, "gradient", tuple(ACT_GRADIENTS))
        self.gradient = gradient
        self.v = nn.Parameter(torch.empty(self.n_bases))
        self.beta = nn.Parameter(torch.empty(self.n_bases))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self):
        """Set the shifts and factors to what they start as."""
        n = self.n_bases
        middles = (2 * torch.arange(n, dtype=torch.float64) + 1) / n - 1
        self.v.copy_(0.5 - middles)
        self.beta.fill_(1 / n)

    def bases(self, x):
        """Return the N bases of ``x`` as a list of tensors of +1 and -1, with their gradients."""
        check_tensor(x, "x")
        v, slope = self.v.to(x), ACT_GRADIENTS[self.gradient]
        return [_step_ste(x + v[n], slope) for n in range(self.n_bases)]

    def forward(self, x):
        """Return the sum of the bases of ``x``, each times its beta."""
        bases, beta = self.bases(x), self.beta.to(x)
        return sum(beta[n] * basis for n, basis in enumerate(bases))

    @property
    def signature(self):
        """The number of bases: the rest is of training."""
        return f"{type(self).__name__}(n_bases={self.n_bases})"

    def extra_repr(self):
        """Return the number of bases, and what is not as usual."""
        return f"n_bases={self.n_bases}" + (
            "" if self.gradient == "ramp" else f", gradient={self.gradient!r}"
        )


def _step_ste(x, slope):
    """Return +1 where clip(x, 0, 1) is at least 1/2, else -1, with ``slope`` from 0 to 1."""
    ramp = x.clamp(0, 1)
    known = ramp.detach()
    signs = (known >= 0.5).to(known.dtype) * 2 - 1
    return signs + slope * (ramp - known)  # a NaN minus itself is NaN
