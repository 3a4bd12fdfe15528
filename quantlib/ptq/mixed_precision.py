"""Mixed precision: which layers can do with fewer bits, and which need more?"""

from collections.abc import Iterable
from typing import NamedTuple

from torch import nn

from quantlib._validation import check_bit_width, check_integer, shown
from quantlib.metrics import size_in_bytes
from quantlib.ptq.analysis import output_sqnr
from quantlib.ptq.graph import check_graph
from quantlib.ptq.simulation import simulate, weight_qparams

__all__ = ["MixedPoint", "frontier", "sensitivity", "within_budget"]


class MixedPoint(NamedTuple):
    """A choice of bits for each layer's weights."""

    #: dict of str to int.
    bit_width: dict
    #: Bytes of all weights' codes.
    nbytes: int
    #: Noise that the choice puts into the output, by its parts: see :func:`frontier`.
    noise: float


def sensitivity(graph, images, bit_widths=(2, 3, 4, 6, 8), *, per_channel=True, measure=None):
    r"""Return the noise in the output if one layer's weights alone have so many bits.

    .. math:: N_{l,b} = 10^{-\mathrm{SQNR}_{l,b} / 10}

    the noise as a share of the signal's power; activations stay in floating point.

    Parameters
    ----------
    graph : Graph
        Folded, in floating point.
    images : numpy.ndarray or torch.Tensor
        N x C x H x W; no labels are needed.
    measure : callable, optional
        Another measure of a graph's noise, the less the better.

    Returns
    -------
    dict of str to dict of int to float
        By layer, by bits.
    """
    if isinstance(bit_widths, str) or not isinstance(bit_widths, Iterable):
        raise TypeError(f"bit_widths must be a list of bits, got {shown(bit_widths)}")
    bit_widths = [check_bit_width(b, 2, 8) for b in bit_widths]
    sqnr = output_sqnr(check_graph(graph), images)

    def noise(g):
        return 10 ** (-sqnr(g) / 10)

    measure = noise if measure is None else measure
    found = {}
    for b in bit_widths:
        qparams = weight_qparams(graph, b, per_channel=per_channel)
        for name in qparams:
            one = simulate(graph, {name: qparams[name]}, {}, float_layers=_others(graph, name))
            found.setdefault(name, {})[b] = measure(one)
    return found


def _others(graph, name):
    return [n for n in graph.nodes if n != name]


def frontier(graph, noise):
    r"""Return choices of bits from all layers at the most to all at the fewest, one step each.

    Each step takes bits from the layer that adds least noise for a byte saved,

    .. math:: \frac{N_{l,b'} - N_{l,b}}{n_l (b - b') / 8},

    as noises of different layers add up (they are little correlated). The steps lie near the best
    trade-off of size and noise, and cost no further run of the network; what a choice is worth in
    accuracy is measured on the few that matter.

    Parameters
    ----------
    graph : Graph
        For the sizes of its layers.
    noise : dict
        What :func:`sensitivity` returned.

    Returns
    -------
    list of MixedPoint
        By falling size.

    Examples
    --------
    >>> from quantlib import data, models, ptq
    >>> graph = ptq.fold(ptq.trace(models.load_pretrained()))
    >>> noise = ptq.sensitivity(graph, data.load().train_images[:50], (4, 8))
    >>> points = frontier(graph, noise)
    >>> points[0].nbytes, points[-1].nbytes, len(points)
    (57232, 28616, 6)
    """
    layers = check_graph(graph).named_layers(nn.Conv2d, nn.Linear)
    if not isinstance(noise, dict) or not set(noise) <= set(layers) or not noise:
        raise ValueError(f"noise must be what sensitivity returned for graph, got {shown(noise)}")
    sizes = {name: graph.layers[name].weight.numel() for name in noise}
    bits = {name: max(by_bits) for name, by_bits in noise.items()}
    points = [_point(bits, sizes, noise)]
    while True:
        steps = []
        for name, by_bits in noise.items():
            for b in by_bits:
                if b < bits[name]:
                    saved = size_in_bytes(sizes[name], bits[name]) - size_in_bytes(sizes[name], b)
                    steps.append(((by_bits[b] - by_bits[bits[name]]) / max(saved, 1), -b, name))
        if not steps:
            return points
        _, b, name = min(steps)
        bits = bits | {name: -b}
        points.append(_point(bits, sizes, noise))


def _point(bits, sizes, noise):
    nbytes = sum(size_in_bytes(sizes[name], b) for name, b in bits.items())
    return MixedPoint(dict(bits), nbytes, sum(noise[name][b] for name, b in bits.items()))


def within_budget(points, nbytes):
    """Return the point of least noise whose weights take ``nbytes`` or less.

    Raises
    ------
    ValueError
        If none does; the smallest size is named.
    """
    nbytes = check_integer(nbytes, "nbytes", 0, 2**63)
    points = list(points) if isinstance(points, list | tuple) else []
    if not points or not all(isinstance(point, MixedPoint) for point in points):
        raise ValueError("points must be what frontier returned, got none or something else")
    fits = [point for point in points if point.nbytes <= nbytes]
    if not fits:
        least = min(point.nbytes for point in points)
        raise ValueError(
            f"nbytes must be {least} or more, the size at the fewest bits, got {nbytes}"
        )
    return min(fits, key=lambda point: point.noise)
