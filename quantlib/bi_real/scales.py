"""Signs alone in place of scaled signs, with the batch normalization behind them adjusted."""

import copy
from collections import Counter
from itertools import pairwise

import torch
from torch import nn

from quantlib.binary import SignWeights
from quantlib.binary.scales import filter_scales
from quantlib.layers import quantized
from quantlib.models.weights import check_numbers

__all__ = ["absorb_scales"]


@torch.no_grad()
def absorb_scales(model):
    r"""Return a copy of ``model`` with weights sign(W) for alpha * sign(W), and the same outputs.

    Where batch normalization stands behind a layer, its mean and variance are those of
    :math:`\alpha s`. Those of the sums s themselves, and the gamma with which eps makes no
    difference, are

    .. math:: \mu' = \frac{\mu}{\alpha}, \qquad v' = \frac{v}{\alpha^2}, \qquad
        \gamma' = \gamma \sqrt{\frac{v + \alpha^2 \varepsilon}{v + \varepsilon}}

    with which the result in evaluation mode is the same but for rounding:
    :math:`\gamma' (s - \mu') / \sqrt{v' + \varepsilon}
    = \gamma (\alpha s - \mu) / \sqrt{v + \varepsilon}`.
    Without this step the replacement makes numbers some 1/alpha times too large of the outputs,
    and ruins the network. The paper estimates means and variances anew on images instead, which
    comes to the same up to chance. A filter of zeros, whose alpha is 0, has a constant
    result, and gets a batch normalization of gamma 0.

    Raises
    ------
    ValueError
        If a layer with scaled signs has no batch normalization with means and gammas right behind
        it, in a ``Sequential``, or one of both stands in several places.

    Notes
    -----
    Source: Liu et al. (2019), "Bi-Real Net: Binarizing Deep Network", section 3.4.2, to which the
    authors point for it; their code retrains batch normalization for an epoch instead.

    Examples
    --------
    >>> from quantlib import bi_real
    >>> model = bi_real.BiRealResNet(1, 10, 8).eval()
    >>> images = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    >>> torch.allclose(absorb_scales(model)(images), model(images), atol=1e-4)
    True
    """
    check_numbers(model)
    model = copy.deepcopy(model)
    behind = {
        layer: norm
        for parent in model.modules()
        if isinstance(parent, nn.Sequential)
        for layer, norm in pairwise(parent)
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
    }
    places = Counter(module for _, module in model.named_modules(remove_duplicate=False))
    for name, layer in quantized(model).items():
        old = layer.weight_quant
        if not isinstance(old, SignWeights) or old.scale == "none":
            continue
        norm = behind.get(layer)
        if norm is None or norm.running_mean is None or norm.weight is None:
            raise ValueError(
                f"model must have batch normalization behind each layer with a scale, "
                f"got none behind {name or 'model'}"
            )
        if places[layer] > 1 or places[norm] > 1:
            raise ValueError(
                f"model must have each layer with a scale in one place, with a normalization of "
                f"its own, got several of {name or 'model'}"
            )
        _absorb(layer, norm)
        layer.weight_quant = SignWeights("none", "straight", old.clip_value, old.stochastic)
    return model


def _absorb(layer, norm):
    mean, variance = norm.running_mean.double(), norm.running_var.double()
    alpha = filter_scales(layer.weight).double()
    zero, bias = alpha == 0, 0 if layer.bias is None else layer.bias.double()
    # A constant result stays what it is, by way of the shift.
    constant = norm.weight * (bias - mean) / (variance + norm.eps).sqrt()
    norm.bias.add_(torch.where(zero, constant, 0))
    alpha = torch.where(zero, 1, alpha)
    gain = ((variance + alpha**2 * norm.eps) / (variance + norm.eps)).sqrt()
    norm.weight.mul_(torch.where(zero, 0, gain))
    norm.running_mean.copy_(mean / alpha)
    norm.running_var.copy_(variance / alpha**2)
    if layer.bias is not None:
        layer.bias.div_(alpha)
