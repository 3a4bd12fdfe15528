"""The rules that turn ABC-Net's layers into packed steps."""

import numpy as np

from quantlib import kernels
from quantlib.abc_net.quantizers import AbcActivations, AbcWeights
from quantlib.binary.thresholds import first_reaching
from quantlib.layers import QuantConv2d
from quantlib.lowering import NotPackable, bias_of, rule, to_packed, window_of
from quantlib.packed.sums import Bases, SumConv, SumDense

__all__ = ["to_packed"]


@rule(AbcActivations, role="act_quant")
def _bases(quantizer, layer):
    # As torch rounds x + v, not as 1/2 - v is rounded.
    return [Bases(first_reaching(lambda x: (x + quantizer.v).clamp(0, 1) >= 0.5, len(quantizer.v)))]


@rule(AbcWeights, role="weight_quant")
def _sum_of_bases(quantizer, layer):
    if not isinstance(layer.act_quant, AbcActivations):
        raise NotPackable(f" with act_quant={layer.act_quant}")
    bases, alpha = quantizer.deployed(layer.weight)
    alpha = np.broadcast_to(alpha.numpy(), (len(bases), len(layer.weight))).copy()
    beta, bias = layer.act_quant.beta.numpy().copy(), bias_of(layer)
    axis = 1 if isinstance(layer, QuantConv2d) else -1
    signs = tuple(
        kernels.pack_signs(basis.numpy(), axis, panels=True, num_threads=1) for basis in bases
    )
    if not isinstance(layer, QuantConv2d):
        return [SumDense(signs, alpha, beta, bias)]
    if layer.padding_value and any(layer.window.edges):
        raise NotPackable(f" with padding_value={layer.padding_value:g}")
    return [SumConv(signs, alpha, beta, bias, **window_of(layer), padding_value=0)]
