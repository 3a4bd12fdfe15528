"""The rules that turn layers of states into steps of whole numbers, shifts and additions."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from quantlib.binary.thresholds import level_thresholds
from quantlib.dst.grid import grid_thresholds
from quantlib.dst.quantizers import GridActivations, StateWeights
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
from quantlib.packed import pack_powers, steps
from quantlib.packed.shifts import GridThreshold, ShiftConv, ShiftDense
from quantlib.packed.steps import Step

__all__ = ["to_packed"]

#: With more levels than these codes do not fit into 8 bits with a sign.
MOST_LEVELS = 8

#: Float32 numbers hold all whole numbers up to here.
EXACT = 2**24


@dataclass(frozen=True, eq=False)
class Grid(Step):
    """Codes, until :func:`grid_to_threshold` knows of what and how they are taken."""

    quantizer: GridActivations


@rule(GridActivations, role="act_quant")
def _grid(quantizer, layer):
    if quantizer.n_levels > MOST_LEVELS:
        raise NotPackable(f" with n_levels={quantizer.n_levels}, of which 8 bits hold no code")
    return [Grid(quantizer)]


@rule(StateWeights, role="weight_quant")
def _states(quantizer, layer):
    states, space = layer.weight.numpy(), quantizer.space
    if not np.isin(states, space.states).all():
        raise NotPackable(f" with weights that are not among the states {space.states}")
    outputs, grid = len(states), layer.act_quant
    if grid is None:
        packed = pack_powers(as_rows(states), space.bit_width)
        return [real_layer(layer, packed, np.full(outputs, space.unit, np.float32))]
    if not isinstance(grid, GridActivations):
        raise NotPackable(f" with act_quant={grid}")
    if getattr(layer, "padding_value", 0) and any(layer.window.edges):
        raise NotPackable(f" with padding_value={layer.padding_value:g}, which is no code")
    packed = pack_powers(states, space.bit_width)
    if packed.largest_sum * 2 ** (grid.n_levels - 2) > EXACT:
        raise NotPackable(" with sums beyond 2**24, which the layer's float32 rounds")
    # Real, until the next grid makes whole numbers of it.
    scale = np.full(outputs, grid.q2 * space.unit, np.float32)
    if not isinstance(layer, QuantConv2d):
        return [ShiftDense(packed, scale, bias_of(layer))]
    return [ShiftConv(packed, scale, bias_of(layer), **window_of(layer))]


@peephole
def grid_to_threshold(chain, entering):
    """Batch normalization, ReLU and a grid, with poolings between, are a few comparisons."""
    found, largest = [], 0
    for step in chain:
        if isinstance(step, Grid):
            found = _on_grid(found, step.quantizer, largest, entering)
            largest = 2 ** (step.quantizer.n_levels - 2)
        else:
            found.append(step)
    return found


def _on_grid(chain, quantizer, largest, entering):
    """Return ``chain`` with codes of what it gives; ``largest`` is the code that came in."""
    flatten = chain[-1:] if chain and isinstance(chain[-1], steps.Flatten) else []
    chain = chain[: len(chain) - len(flatten)]
    start, first, layers, last = _without_pools(chain)
    before, bias, options = chain[:start], None, {}
    source = before[-1] if before else None
    if isinstance(source, (ShiftConv, ShiftDense)):
        reach, bias = source.weight.largest_sum * largest, source.bias
        options = {"low": -reach, "high": reach, "unit": float(source.scale[0])}
        if bias is not None:
            options["bias"] = torch.from_numpy(bias)
        before = [*before[:-1], replace(source, scale=None, bias=None)]
    elif (reach := whole_sums(before, entering)) is not None:
        options = {"low": -reach, "high": reach}
    channels = [layer.num_features for layer in layers if not isinstance(layer, nn.ReLU)]
    channels += [1 if bias is None else len(bias)]  # with none of both all channels are alike
    signed = quantizer.signed and not (layers and isinstance(layers[-1], nn.ReLU))
    found = level_thresholds(layers, _levels(quantizer, signed), channels[0], **options)
    return [*before, *first, GridThreshold(*found, signed), *last, *flatten]


def _without_pools(chain):
    """Return where those steps start that become thresholds, and three lists.

    They are poolings, the layers without poolings, and poolings. A maximum may be taken before
    what rises with its input, and after it. Batch normalization may fall, so that a pooling stays
    on its side of it; one between two normalizations ends the search.
    """
    start = len(chain)
    while start and isinstance(chain[start - 1], (Normalization, steps.Relu, steps.MaxPool)):
        start -= 1
    norms = [i for i in range(start, len(chain)) if isinstance(chain[i], Normalization)]
    pools = [i for i in range(start, len(chain)) if isinstance(chain[i], steps.MaxPool)]
    between = [i for i in pools if norms and norms[0] < i < norms[-1]]
    if between:
        start = between[-1] + 1
        norms, pools = ([i for i in places if i >= start] for places in (norms, pools))
    first = [chain[i] for i in pools if not norms or i < norms[0]]
    last = [chain[i] for i in pools if norms and i > norms[0]]
    layers = [
        step.layer if isinstance(step, Normalization) else nn.ReLU()
        for step in chain[start:] if not isinstance(step, steps.MaxPool)
    ]  # fmt: skip
    return start, first, layers, last


def _levels(quantizer, signed):
    """Return what a number must reach, in rising order, for each code but the lowest.

    A code starts just above its threshold on the side of positive numbers, and at it on the other.
    """
    thresholds = grid_thresholds(quantizer.q2, quantizer.n_levels).astype(np.float32)
    above = np.nextafter(thresholds, np.float32(np.inf))
    return np.concatenate([-thresholds[::-1], above]) if signed else above
