"""The quantizers of Bi-Real Net: signs with ApproxSign's gradient, and magnitude-aware weights."""

from quantlib._validation import check_choice, check_flag
from quantlib.bi_real.estimator import approx_sign_ste
from quantlib.binary import SignActivations, SignWeights
from quantlib.binary.scales import filter_scales
from quantlib.binary.ste import sign_ste

__all__ = ["ACTIVATIONS", "ApproxSignActivations", "MagnitudeAwareWeights", "quantizers"]


class ApproxSignActivations(SignActivations):
    r"""The signs of activations, with the gradient of ApproxSign.

    .. math:: q(x) = \mathrm{sign}(x), \qquad
        \frac{\partial C}{\partial x} = \frac{\partial C}{\partial q}\;
            \frac{\partial\, \mathrm{ApproxSign}(x)}{\partial x}

    See :func:`~quantlib.bi_real.estimator.approx_sign_ste`. Outside of an image they are +1; the
    published networks have 0 there, for which a layer is given ``padding_value=0``. Behind a ReLU
    every sign is +1: what is quantized must be able to be negative.

    Source: Liu et al. (2018); Bei Yu, Mo04, "Approximation of Sign function".

    >>> import torch
    >>> ApproxSignActivations()(torch.tensor([-0.3, 0.0, 2.0])).tolist()
    [-1.0, 1.0, 1.0]
    """

    lowering = "quantlib.bi_real.lowering"

    def __init__(self):
        super().__init__()

    def factors(self, x, window=None):
        """Return the signs of ``x``, and None."""
        return approx_sign_ste(x), None


class MagnitudeAwareWeights(SignWeights):
    r"""Weights alpha * sign(W), whose gradient is as large as the filter's mean magnitude.

    .. math:: \overline{W}_o = \alpha_o\, \mathrm{sign}(W_o), \qquad
        \alpha_o = \frac{1}{n} \lVert W_o \rVert_1, \qquad
        \frac{\partial C}{\partial W_i} =
            \frac{\partial C}{\partial \overline{W}_i}\; \alpha_o\; 1_{|W_i| \le c}

    Beside the gradients of :func:`~quantlib.binary.scales.binarize_weights`, with
    :math:`g_i = \partial C / \partial \overline{W}_i`:

    ==================  ==========================  ===========================================
    name                gradient                    the step is taken for
    ==================  ==========================  ===========================================
    this one            alpha g_i 1_i               alpha * clip(W), alpha a constant
    ``"exact"``         the same + sign(W_i) / n    alpha * clip(W), alpha depending on W: the
                        * sum g_j sign(W_j)         chain rule
    ``"paper"``         the same + g_i / n          XNOR-Net's, which keeps j = i of the sum
    ``"straight"``      g_i 1_i                     clip(W)
    ==================  ==========================  ===========================================

    The published code of Bi-Real Net detaches alpha and adds clip(W) - clip(W).detach(): that is
    *straight*, ``SignWeights(scale="channel")``, without alpha in the gradient.

    With batch normalization right behind the layer, and its eps left aside, the outputs of
    ±alpha and of ±1 are the same. So g is 1/alpha times what it is for ±1, and this gradient is
    *exactly that of plain signs*, ``SignWeights()``: alpha cancels. *Straight* is 1/alpha times
    it, and so the one that knows the magnitude: the smaller a filter's weights, the larger its
    steps.

    Parameters
    ----------
    clip_value : float or None
        c, as in :func:`~quantlib.binary.ste.sign_ste`. The paper has 1 and leaves the bound out.

    Notes
    -----
    Source: Liu et al. (2018). In the deployed network the authors have sign(W), and
    batch normalization is estimated anew, without which its accuracy is lost: see
    :func:`~quantlib.bi_real.scales.absorb_scales`. A packed layer keeps alpha as its scale, of
    which batch normalization and the next sign's threshold are computed, so that nothing changes.

    Examples
    --------
    >>> import torch
    >>> w = torch.tensor([[1.0, -3.0]], requires_grad=True)
    >>> (MagnitudeAwareWeights()(w) * torch.tensor([[1.0, 0.5]])).sum().backward()
    >>> w.grad.tolist()  # alpha = 2; -3 lies outside
    [[2.0, 0.0]]
    """

    lowering = "quantlib.bi_real.lowering"

    def __init__(self, clip_value=1.0):
        super().__init__("channel", clip_value=clip_value)
        self.gradient = "magnitude_aware"

    def factors(self, w, window=None):
        """Return the signs of ``w``, and alpha, which has no gradient."""
        return sign_ste(w, self.clip_value), filter_scales(w).detach()

    def extra_repr(self):
        """Return what is not as usual."""
        return "" if self.clip_value == 1.0 else f"clip_value={self.clip_value!r}"


#: What the gradient takes the sign of activations for.
ACTIVATIONS = {"approx_sign": ApproxSignActivations, "clip": SignActivations}


def quantizers(*, gradient="approx_sign", magnitude_aware=True):
    """Return the two quantizers of a 1-bit layer, by the names that a layer takes them under.

    ``gradient`` is the activations': ``"approx_sign"``, or ``"clip"`` for that of BNN. With
    ``magnitude_aware=False`` the weights are plain signs, with the gradient of clip.

    >>> quantizers(gradient="clip")
    {'weight_quant': MagnitudeAwareWeights(), 'act_quant': SignActivations()}
    """
    check_choice(gradient, "gradient", tuple(ACTIVATIONS))
    magnitude_aware = check_flag(magnitude_aware, "magnitude_aware")
    weights = MagnitudeAwareWeights() if magnitude_aware else SignWeights()
    return {"weight_quant": weights, "act_quant": ACTIVATIONS[gradient]()}
