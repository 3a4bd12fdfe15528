"""The rules that turn binary layers into packed steps, and join a sign with what is before it."""

from dataclasses import dataclass, replace

import numpy as np

from quantlib import kernels
from quantlib.binary.quantizers import SignActivations, SignWeights, XnorActivations
from quantlib.binary.thresholds import real_thresholds, sign_thresholds
from quantlib.layers import QuantConv2d
from quantlib.lowering import (
    Normalization,
    NotPackable,
    as_rows,
    bias_of,
    peephole,
    real_layer,
    rule,
    to_packed,
    whole_sums,
    window_of,
)
from quantlib.packed import steps
from quantlib.packed.steps import Step

__all__ = [
    "flatten_packed",
    "sign_activations",
    "sign_to_threshold",
    "sign_weights",
    "to_packed",
]


@dataclass(frozen=True, eq=False)
class Signs(Step):
    """The signs of so many channels, until :func:`sign_to_threshold` knows how they are taken."""

    channels: int


@rule(SignActivations, role="act_quant")
def sign_activations(quantizer, layer):
    """Return the steps of signs, for quantizers whose values are signs."""
    return [Signs(layer.weight.shape[1] * getattr(layer, "groups", 1))]


@rule(XnorActivations, role="act_quant")
def _signs_and_magnitudes(quantizer, layer):
    if not isinstance(layer, QuantConv2d):
        return [steps.Sign(kernel_size=(0, 0))]
    if layer.groups != 1:
        raise NotPackable(f" with groups={layer.groups}, each of which has a map K")
    sizes = window_of(layer)
    del sizes["groups"]
    return [steps.Sign(kernel_size=layer.kernel_size, **sizes)]


@rule(SignWeights, role="weight_quant")
def sign_weights(quantizer, layer):
    """Return the steps of a layer whose weights are signs, with a scale or without."""
    signs, scale = quantizer.deployed(layer.weight)
    if layer.act_quant is None:
        return [real_layer(layer, kernels.pack_signs(as_rows(signs), num_threads=1), scale)]
    if not isinstance(layer.act_quant, SignActivations):
        raise NotPackable(f" with act_quant={layer.act_quant}")
    offset = bias_of(layer)
    # A bias, and the map K, make real numbers of whole sums.
    if scale is None and (offset is not None or isinstance(layer.act_quant, XnorActivations)):
        scale = np.ones(len(signs), np.float32)
    if not isinstance(layer, QuantConv2d):
        packed = kernels.pack_signs(signs, panels=True, num_threads=1)
        return [steps.BinaryDense(packed, scale, offset, surplus=0)]
    packed = kernels.pack_signs(signs, 1, panels=True, num_threads=1)
    outside = layer.padding_value
    if outside not in (0, 1):
        raise NotPackable(f" with padding_value={outside:g}")
    sizes = window_of(layer) | {"padding_value": int(outside)}
    return [steps.BinaryConv(packed, scale, offset, **sizes)]


@peephole
def sign_to_threshold(chain, entering):
    """Batch normalization and a sign, with a pooling between or before, are one comparison."""
    found = []
    for step in chain:
        found = _signed(found, step, entering) if isinstance(step, Signs) else [*found, step]
    return found


def _signed(chain, signs, entering):
    """Return ``chain`` with the signs of what it gives."""
    flatten = chain[-1:] if chain and isinstance(chain[-1], steps.Flatten) else []
    start = end = len(chain) - len(flatten)
    while start and isinstance(chain[start - 1], (Normalization, steps.MaxPool)):
        start -= 1
    before, waiting = chain[:start], chain[start:end]
    norms = [step.layer for step in waiting if isinstance(step, Normalization)]
    pools = [step for step in waiting if isinstance(step, steps.MaxPool)]
    if not norms or not _one_pool(pools, waiting):
        real = whole_sums(chain, entering) is None
        return [*chain, steps.Sign() if real else _compare_with_zero(signs.channels)]
    products = whole_sums(before, entering)
    if products is None:
        thresholds, flips = real_thresholds(norms)
    else:
        thresholds, flips = sign_thresholds(norms, -products, products)
    size = pools[0].size if pools else 1
    after = bool(pools) and pools[0] is not waiting[0]  # the signs are pooled, not the numbers
    return [*before, steps.Threshold(thresholds, flips, size, after), *flatten]


def _one_pool(pools, waiting):
    """Whether there is no pooling, or one before or behind all the rest, without overlaps."""
    if not pools:
        return True
    pool = pools[0]
    at_an_end = len(pools) == 1 and (pool is waiting[0] or pool is waiting[-1])
    return at_an_end and pool.stride == pool.size and not pool.padding


def _compare_with_zero(channels):
    return steps.Threshold(np.zeros(channels, np.int32), np.zeros(channels, np.bool_))


@peephole
def flatten_packed(chain, entering):
    """Packed pixels that are flattened keep their order, and so must the weights behind them."""
    found = list(chain)
    for place in range(2, len(found)):
        threshold, flatten, dense = found[place - 2 : place + 1]
        kinds = type(threshold), type(flatten), type(dense)
        if kinds != (steps.Threshold, steps.Flatten, steps.BinaryDense):
            continue
        channels = len(threshold.thresholds)
        if channels != dense.weight.shape[1]:
            signs, surplus = _pixel_after_pixel(kernels.unpack_signs(dense.weight), channels)
            packed = kernels.pack_signs(signs, panels=True, num_threads=1)
            found[place] = replace(dense, weight=packed, surplus=surplus)
    return found


def _pixel_after_pixel(signs, channels):
    """Return rows of weights in the order of packed pixels, and how many padding bits they have."""
    pixels = signs.reshape(len(signs), channels, -1).swapaxes(1, 2)
    padded = np.pad(pixels, ((0, 0), (0, 0), (0, -channels % 64)), constant_values=1)
    return padded.reshape(len(signs), -1), padded[0].size - signs[0].size
