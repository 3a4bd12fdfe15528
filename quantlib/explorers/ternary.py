"""The panel of chapter 7: a threshold and two levels, dragged over a filter's weights."""

import numpy as np
from traitlets import Enum, Float, List, Unicode

from quantlib import ternary
from quantlib.explorers.panel import Panel, module, one_filter, picture
from quantlib.figures import COLORS, new_figure

__all__ = ["TernaryPanel", "ternary_explorer"]


class TernaryPanel(Panel):
    """What :func:`ternary_explorer` returns; a notebook can read and set these numbers."""

    _esm = module("ternary.js")

    weights = List(Float()).tag(sync=True)
    name = Unicode().tag(sync=True)
    threshold = Float().tag(sync=True)
    negative = Float().tag(sync=True)
    positive = Float().tag(sync=True)
    #: Whether the levels follow the threshold: "one" mean for both, "each" its own, or "free".
    mode = Enum(("one", "each", "free"), "one").tag(sync=True)


def ternary_explorer(weights, name=None):
    r"""Panel of three levels: threshold and levels to be dragged, error and sparsity beside them.

    It begins with TWN's threshold and level. The error is
    :math:`\lVert W - W_t \rVert^2 / \lVert W \rVert^2`, computed in the page from the weights.

    Parameters
    ----------
    weights : array
        At most 4096 numbers of any shape, not all of them 0: the weights of one filter.
    name : str, optional
        What the weights are, as the panel calls them: "a filter of the second layer".

    Examples
    --------
    >>> panel = ternary_explorer([1.0, -0.75, 0.0, -0.25], name="four weights")
    >>> panel.threshold, panel.negative, panel.positive
    (0.35, 0.875, 0.875)
    """
    values = one_filter(weights)
    name = "the weights" if name is None else str(name)
    qparams = ternary.choose_qparams(np.array(values), rule="twn")
    panel = TernaryPanel(
        weights=values,
        name=name,
        threshold=qparams.threshold,
        negative=qparams.negative,
        positive=qparams.positive,
    )
    panel.first_picture = _first_picture(np.array(values), name, qparams)
    return panel


def _first_picture(w, name, qparams):
    figure, axes = new_figure(5.0, 3.0)
    axes.hist(w, 2 * round(np.sqrt(w.size)) + 1, color=COLORS["sky"])
    for side in (-1, 1):
        axes.axvline(side * qparams.threshold, color=COLORS["orange"], linestyle="--")
        axes.axvline(side * qparams.positive, color=COLORS["black"])
    axes.set_xlabel("weight")
    axes.set_ylabel("weights in a bin")
    error = np.sum((w - ternary.fake_quantize(w, qparams)) ** 2) / np.sum(w**2)
    zeros = np.mean(np.abs(w) <= qparams.threshold)
    return picture(
        figure,
        f"Histogram of {name} with TWN's threshold of {qparams.threshold:.3g} (dashed) and level "
        f"of {qparams.positive:.3g} (solid), on both sides of 0: {100 * zeros:.1f} % of the "
        f"{w.size} weights become 0, and the squared error is {100 * error:.1f} % of the weights' "
        "squares.",
    )
