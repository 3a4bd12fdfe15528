"""The panel of chapter 5: the thresholds of some bases, dragged over a filter's weights."""

import numpy as np
from traitlets import Float, List, Unicode

from quantlib import abc_net, uniform
from quantlib.explorers.panel import Panel, module, one_filter, picture
from quantlib.figures import COLORS, new_figure

__all__ = ["AbcPanel", "abc_explorer"]


class AbcPanel(Panel):
    """What :func:`abc_explorer` returns; a notebook can read and set ``shifts``."""

    _esm = module("abc_net.js")

    weights = List(Float()).tag(sync=True)
    name = Unicode().tag(sync=True)
    shifts = List(Float(), minlen=1, maxlen=5).tag(sync=True)
    #: Of uniform quantization to 2, 3, 4 and 5 bits.
    uniform_errors = List(Float()).tag(sync=True)


def abc_explorer(weights, name=None):
    r"""Panel of 1 to 5 bases: their thresholds to be dragged, the factors and the error beside.

    It begins with three evenly spaced shifts. The factors are solved in the page, by least
    squares. The error is :math:`\lVert W - \sum_m \alpha_m B_m \rVert^2 / \lVert W \rVert^2`; that
    of symmetric uniform quantization with the range of the weights, to as many bits, is said too.

    Parameters
    ----------
    weights : array
        At most 4096 numbers of any shape, not all of them equal: the weights of one filter.
    name : str, optional
        What the weights are, as the panel calls them: "a filter of the second layer".

    Examples
    --------
    >>> panel = abc_explorer([5.0, -1.0, 1.0, -5.0], name="four weights")
    >>> panel.shifts, len(panel.uniform_errors)
    ([-1.0, 0.0, 1.0], 4)
    """
    values = one_filter(weights)
    w = np.array(values)
    if w.std() == 0 or w.min() == w.max():
        raise ValueError(f"weights must not all be equal, got {w.size} times {w[0]}")
    name = "the weights" if name is None else str(name)
    shifts = abc_net.initial_shifts(3)
    coded = [uniform.fake_quantize(w, uniform.choose_qparams(w, bits)) for bits in range(2, 6)]
    panel = AbcPanel(
        weights=values,
        name=name,
        shifts=shifts.tolist(),
        uniform_errors=[_relative(w, one) for one in coded],
    )
    panel.first_picture = _first_picture(w, name, shifts)
    return panel


def _relative(w, quantized):
    return float(np.sum((w - quantized) ** 2) / np.sum(w**2))


def _first_picture(w, name, shifts):
    bases = abc_net.weight_bases(w, shifts)
    alphas = abc_net.fit_alphas(w, bases)
    sums = abc_net.sum_of_bases(bases, alphas)
    figure, (above, below) = new_figure(5.0, 4.2, rows=2, sharex=True)
    above.hist(w, 2 * round(np.sqrt(w.size)) + 1, color=COLORS["sky"])
    above.set_ylabel("weights in a bin")
    for axes in (above, below):
        for shift in shifts:
            axes.axvline(w.mean() - shift * w.std(), color=COLORS["black"], linewidth=1)
    order = np.argsort(w)
    below.plot(w, w, ":", color=COLORS["black"])
    below.step(w[order], sums[order], where="post", color=COLORS["green"])
    below.set_xlabel("weight")
    below.set_ylabel("represented by")
    return picture(
        figure,
        f"Histogram of {name} with the thresholds of three bases, and the steps that the bases "
        f"add up to, with the factors {', '.join(f'{alpha:.3g}' for alpha in alphas)}: the "
        f"squared error is {100 * _relative(w, sums):.1f} % of the weights' squares.",
    )
