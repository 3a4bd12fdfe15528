"""The rules that turn ternary layers into packed steps."""

import numpy as np

from quantlib.lowering import NotPackable, as_rows, real_layer, rule
from quantlib.packed import pack_trits
from quantlib.ternary.quantizers import TernaryWeights, TrainedTernaryWeights

__all__ = []


@rule(TernaryWeights, TrainedTernaryWeights, role="weight_quant")
def _ternary_weights(quantizer, layer):
    if layer.act_quant is not None:
        raise NotPackable(f" with act_quant={layer.act_quant}")
    codes, *levels = (x.numpy() for x in quantizer.deployed(layer.weight))
    negative, positive = levels
    scale = positive.copy() if np.array_equal(negative, positive) else np.stack(levels)
    return [real_layer(layer, pack_trits(as_rows(codes.astype(np.int8))), scale)]
