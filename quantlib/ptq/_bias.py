"""The bias of a layer as whole numbers have it: in units of the scales of input and weights."""

from dataclasses import replace

import numpy as np
import torch

from quantlib.ptq.quantizers import UniformQuantizer

__all__ = ["bias_rounding", "with_room"]


def bias_rounding(layer, given):
    r"""Return what rounding to a code adds to a layer's bias, so that it can be added to results.

    .. math:: u_o\, \mathrm{round}(b_o / u_o) - b_o, \qquad u_o = s_x s_{w,o}

    A tensor without a gradient, with the channels where the results have them: for the bias
    rounding is straight-through. None where the bias stays real: without a quantizer of the input,
    ``given``, or of the weights. A channel whose weights are all 0 has a unit of its own, fine
    enough (:func:`with_room`), and keeps its bias.
    """
    quantizer = getattr(layer, "weight_quant", None)
    if not isinstance(given, UniformQuantizer) or not isinstance(quantizer, UniformQuantizer):
        return None
    with torch.no_grad():
        weight, bias = layer.weight, layer.bias
        if bias is None:
            return None
        exact = bias.double()
        unit = given.scale.to(bias.device) * quantizer.scale.to(bias.device)
        rounding = (exact / unit).round() * unit - exact
        if unit.ndim:
            rounding *= (weight != 0).flatten(1).any(1)
        return rounding.to(bias.dtype).reshape(-1, *[1] * (weight.ndim - 2))


def with_room(qparams, layer, given):
    """Return the parameters with scales at which the bias has a code of 32 bits, and a fine one.

    The bias is stored in units of the scales' product. A channel of tiny weights would leave no
    room for it; one whose weights are all 0, whose scale is free, would round it coarsely.
    """
    if layer.bias is None:
        return qparams
    bias = abs(layer.bias.detach().double().numpy()) / given.scale
    scale = np.maximum(qparams.scale, (bias if qparams.axis == 0 else bias.max()) / 2**30)
    dead = (layer.weight == 0).flatten(1).all(1).numpy() & (bias > 0)
    if qparams.axis == 0:
        scale = np.where(dead, bias / 2**24, scale)
    return qparams if np.array_equal(scale, qparams.scale) else replace(qparams, scale=scale)
