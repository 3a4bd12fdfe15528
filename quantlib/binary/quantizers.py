"""The quantizers of binary networks: signs of weights, and of activations."""

import torch

from quantlib._validation import check_choice, check_flag
from quantlib.binary.scales import (
    GRADIENTS,
    SCALES,
    filter_scales,
    signs_and_scales,
    window_means,
)
from quantlib.binary.ste import check_clip_value, sign_ste, sign_stochastic_ste
from quantlib.layers import Quantizer

__all__ = ["SignActivations", "SignWeights", "XnorActivations"]


class SignWeights(Quantizer):
    r"""Weights of two values: sign(W), or alpha * sign(W) with one alpha a filter.

    .. math:: q(W)_o = s_o\, \mathrm{sign}(W_o), \qquad s_o = 1 \text{ or }
        \alpha_o = \lVert W_o \rVert_1 / n

    Parameters
    ----------
    scale : str
        ``"none"`` (BinaryConnect, BNN) or ``"channel"`` (BWN, XNOR-Net).
    gradient, clip_value
        As for :func:`~quantlib.binary.scales.binarize_weights`.
    stochastic : bool
        Whether signs are drawn while the layer trains, as in BinaryConnect, by
        :func:`~quantlib.binary.ste.sign_stochastic_ste`; in evaluation they never are.

    Notes
    -----
    Source: Bei Yu, Mo04, "Binary Weight Networks"; Courbariaux, Bengio and David (2015), (2).

    Examples
    --------
    >>> SignWeights(scale="channel")(torch.tensor([[1.0, -3.0]])).tolist()
    [[2.0, -2.0]]
    """

    lowering = "quantlib.binary.lowering"

    def __init__(self, scale="none", gradient="straight", clip_value=1.0, stochastic=False):
        super().__init__()
        check_choice(scale, "scale", SCALES)
        check_choice(gradient, "gradient", GRADIENTS)
        self.scale, self.gradient = scale, gradient
        self.clip_value = check_clip_value(clip_value)
        self.stochastic = check_flag(stochastic, "stochastic")

    def factors(self, w, window=None):
        """Return the signs of ``w``, and alpha or None."""
        signs, alpha = signs_and_scales(w, self.scale, self.gradient, self.clip_value)
        if self.stochastic and self.training:
            drawn = sign_stochastic_ste(w.detach())
            signs = signs + (drawn - signs).detach()  # their values, with the gradient of signs
        return signs, alpha

    @property
    def signature(self):
        """The scale: the rest is of training."""
        return f"{type(self).__name__}(scale={self.scale!r})"

    def deployed(self, w):
        """Return what a packed layer needs: the signs of ``w`` as +1 and -1, and alpha or None."""
        signs = torch.where(w >= 0, 1.0, -1.0).numpy()
        return signs, filter_scales(w).numpy() if self.scale == "channel" else None

    def extra_repr(self):
        """Return what is not as usual."""
        return _unusual(self, scale="none", gradient="straight", clip_value=1.0, stochastic=False)


class SignActivations(Quantizer):
    r"""The signs of activations, as BNN has them.

    .. math:: q(x) = \mathrm{sign}(x)

    Outside of an image they are +1. ``clip_value`` and ``stochastic`` are as for
    :class:`SignWeights`.

    Source: Courbariaux et al. (2016), (1) to (4); Bei Yu, Mo04, "BNN".

    >>> SignActivations()(torch.tensor([-0.3, 0.0, 2.0])).tolist()
    [-1.0, 1.0, 1.0]
    """

    padding_value = 1.0
    lowering = "quantlib.binary.lowering"

    def __init__(self, clip_value=1.0, stochastic=False):
        super().__init__()
        self.clip_value = check_clip_value(clip_value)
        self.stochastic = check_flag(stochastic, "stochastic")

    @property
    def signature(self):
        """The class alone: the rest is of training."""
        return f"{type(self).__name__}()"

    def factors(self, x, window=None):
        """Return the signs of ``x``, and None."""
        if self.stochastic and self.training:
            return sign_stochastic_ste(x, self.clip_value), None
        return sign_ste(x, self.clip_value), None

    def extra_repr(self):
        """Return what is not as usual."""
        return _unusual(self, clip_value=1.0, stochastic=False)


class XnorActivations(SignActivations):
    r"""The signs of activations times their mean magnitude, as XNOR-Net has them.

    .. math:: q(x) = \beta\, \mathrm{sign}(x), \qquad \beta = \lVert x \rVert_1 / n

    for each row of a linear layer's input, and for each window of a convolution's, where beta is
    the map K of :func:`~quantlib.binary.scales.activation_scales`. Beta has a gradient with
    ``gradient="exact"``; else it is a constant.

    Source: Bei Yu, Mo04, "XNOR-Networks", (1) to (4).

    >>> XnorActivations()(torch.tensor([[1.0, -3.0]])).tolist()
    [[2.0, -2.0]]
    """

    def __init__(self, clip_value=1.0, stochastic=False, gradient="straight"):
        super().__init__(clip_value, stochastic)
        check_choice(gradient, "gradient", GRADIENTS)
        self.gradient = gradient

    def factors(self, x, window=None):
        """Return the signs of ``x``, and the mean magnitude of each row or ``window``."""
        known = x if self.gradient == "exact" else x.detach()
        scale = (
            known.abs().mean(-1, keepdim=True) if window is None else window_means(known, window)
        )
        return super().factors(x)[0], scale

    def extra_repr(self):
        """Return what is not as usual."""
        return _unusual(self, clip_value=1.0, stochastic=False, gradient="straight")


def _unusual(quantizer, **usual):
    values = {name: getattr(quantizer, name) for name in usual}
    return ", ".join(f"{n}={v!r}" for n, v in values.items() if v != usual[n])
