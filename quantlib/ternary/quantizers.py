"""The quantizers of ternary networks: TWN's weights, and TTQ's with trained levels."""

import torch
from torch import nn

from quantlib._validation import check_choice, check_integer, check_positive
from quantlib.layers import Quantizer
from quantlib.models.weights import check_tensor, traced
from quantlib.ternary.levels import RULES, levels_of

__all__ = ["TernaryWeights", "TrainedTernaryWeights"]


class TernaryWeights(Quantizer):
    r"""Weights of three values whose threshold and levels follow from the weights by a rule.

    .. math:: q(w)_i = \alpha\, t_i, \qquad
        \frac{\partial C}{\partial w_i} = \frac{\partial C}{\partial q(w)_i}

    The rules are those of :func:`~quantlib.ternary.levels.choose_qparams`. The gradient is passed
    to every weight as it is, also to those beyond the levels, and :math:`\alpha` is a constant.

    Parameters
    ----------
    rule : str
        ``"twn"``, ``"bitnet"``, ``"optimal"`` or ``"two_levels"``.
    axis : 0 or None
        0 for a threshold and levels of each output filter, None for those of the whole layer.

    Notes
    -----
    Source: Li, Zhang and Liu (2016), "Ternary weight networks".

    Examples
    --------
    >>> TernaryWeights()(torch.tensor([[1.0, -0.25, 0.125, -1.5]])).tolist()
    [[1.25, 0.0, 0.0, -1.25]]
    """

    lowering = "quantlib.ternary.lowering"

    def __init__(self, rule="twn", *, axis=0):
        super().__init__()
        check_choice(rule, "rule", RULES)
        self.rule = rule
        self.axis = None if axis is None else check_integer(axis, "axis", 0, 0)

    @property
    def signature(self):
        """The rule and the axis."""
        return f"{type(self).__name__}(rule={self.rule!r}, axis={self.axis})"

    def factors(self, w, window=None):
        """Return the codes of ``w`` and each filter's scale, or its values where levels differ."""
        codes, negative, positive = self.deployed(w)
        if self.rule == "two_levels":
            shape = (-1, *[1] * (w.ndim - 1))
            levels = torch.where(codes < 0, negative.reshape(shape), positive.reshape(shape))
            return codes * levels + (w - w.detach()), None
        # The layer scales the result, and so what comes back: it is divided out of the gradient.
        share = torch.where(positive > 0, 1 / positive, 0).reshape(-1, *[1] * (w.ndim - 1))
        return codes + (w - w.detach()) * share, positive

    @torch.no_grad()
    def deployed(self, w):
        """Return codes -1, 0 and +1 in the dtype of ``w``, and two levels for each filter."""
        _check_weights(w)
        rows = w.flatten(1) if self.axis == 0 else w.reshape(1, -1)
        threshold, negative, positive = levels_of(rows.double(), self.rule)
        above = threshold.to(w.dtype)[:, None]
        codes = (rows > above).to(w.dtype) - (rows < -above).to(w.dtype)
        codes = (codes + rows.clamp(0, 0)).view_as(w)  # a NaN stays one
        levels = (level.to(w.dtype).expand(len(w)) for level in (negative, positive))
        return codes, *levels

    def extra_repr(self):
        """Return the rule, and the axis if it is not 0."""
        return f"{self.rule!r}" + ("" if self.axis == 0 else ", axis=None")


class TrainedTernaryWeights(Quantizer):
    r"""Weights of three values whose two levels are trained, as TTQ has them.

    With :math:`\Delta = t \max|w|` and :math:`g_i = \partial C / \partial q(w)_i`,

    .. math::
        q(w)_i = \begin{cases} W_p & w_i > \Delta \\ 0 & |w_i| \le \Delta \\ -W_n & w_i < -\Delta
        \end{cases} \qquad
        \frac{\partial C}{\partial w_i} = \begin{cases} W_p\, g_i & w_i > \Delta \\
            g_i & |w_i| \le \Delta \\ W_n\, g_i & w_i < -\Delta \end{cases} \\
        \frac{\partial C}{\partial W_p} = \sum_{w_i > \Delta} g_i, \qquad
        \frac{\partial C}{\partial W_n} = -\sum_{w_i < -\Delta} g_i

    Equation (7) of the paper prints the last sum without its sign; the value is :math:`-W_n`, so
    that the sign belongs there, and the authors' code has it. Both levels are one number for the
    layer. Nothing keeps them positive, in the paper or here: a level that changes its sign turns
    the meaning of its code around, and the gradient of its latent weights with it.

    Parameters
    ----------
    factor : float
        t, 0.05 in the paper, which trains with other shares of zeros too (its section 5.1.1).
    negative, positive : float
        Where :math:`W_n` and :math:`W_p` start. :meth:`like` starts them at the means of a weight.

    Notes
    -----
    Source: Zhu et al. (2017), "Trained ternary quantization", (7) and section 5.1.1; Bei Yu, Mo04,
    "Trained ternary quantization".

    Examples
    --------
    >>> quantizer = TrainedTernaryWeights(negative=0.5, positive=2.0)
    >>> quantizer(torch.tensor([[1.0, -0.5, 0.01, -1.2]])).tolist()
    [[2.0, -0.5, 0.0, -0.5]]
    """

    lowering = "quantlib.ternary.lowering"

    def __init__(self, *, factor=0.05, negative=1.0, positive=1.0):
        super().__init__()
        self.factor = float(check_positive(factor, "factor"))
        self.negative = nn.Parameter(torch.tensor(float(check_positive(negative, "negative"))))
        self.positive = nn.Parameter(torch.tensor(float(check_positive(positive, "positive"))))

    @classmethod
    def like(cls, weight, *, factor=0.05):
        """Return a quantizer whose levels start at the means of what they stand for in ``weight``.

        A level that stands for nothing starts at the mean magnitude.

        >>> TrainedTernaryWeights.like(torch.tensor([[1.0, -0.5, 0.01, -1.5]]))
        TrainedTernaryWeights(factor=0.05, negative=1, positive=1)
        """
        _check_weights(weight)
        w = weight.detach().double()
        threshold = factor * w.abs().max()
        mean = w.abs().mean().clamp(min=torch.finfo(torch.float32).tiny)
        levels = {
            name: part.mean().item() if len(part) else mean.item()
            for name, part in (("negative", -w[w < -threshold]), ("positive", w[w > threshold]))
        }
        made = cls(factor=factor, **levels)
        return made.to(weight.device, weight.dtype)

    def forward(self, w):
        """Return the values of ``w``, with the gradients for it and for both levels."""
        _check_weights(w)
        latent = w.detach()
        threshold = self.factor * latent.abs().max()
        above, below = latent > threshold, latent < -threshold
        one = torch.ones_like(latent)
        values = torch.where(above, self.positive, torch.where(below, -self.negative, 0 * one))
        slope = torch.where(above, self.positive, torch.where(below, self.negative, one)).detach()
        return values + slope * (w - latent)

    @torch.no_grad()
    def deployed(self, w):
        """Return codes -1, 0 and +1 in the dtype of ``w``, and two levels for each filter."""
        threshold = self.factor * w.abs().max()
        codes = (w > threshold).to(w.dtype) - (w < -threshold).to(w.dtype)
        return codes, self.negative.expand(len(w)), self.positive.expand(len(w))

    def extra_repr(self):
        """Return the factor, and where the levels are now."""
        levels = f"negative={self.negative.item():g}, positive={self.positive.item():g}"
        return f"factor={self.factor:g}, {levels}"


def _check_weights(w):
    check_tensor(w, "w")
    if not traced(w) and (w.ndim < 2 or not w.numel()):
        raise ValueError(
            f"w must have 2 axes or more, output filter first, and not be empty, "
            f"got shape {tuple(w.shape)}"
        )
