"""The look that all figures of the course share."""

import functools
import io
import sys

import matplotlib as mpl
from matplotlib.figure import Figure

__all__ = ["COLORS", "CYCLE", "new_figure", "styled"]

#: Okabe and Ito's eight colours, which colour-blind readers can tell apart.
COLORS = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "purple": "#CC79A7",
}

#: The order in which several curves of one figure take them.
CYCLE = [COLORS[name] for name in ("blue", "vermillion", "green", "purple", "orange", "black")]

_RC = {
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.labelsize": 11,
    "legend.fontsize": 9.5,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "axes.prop_cycle": mpl.cycler(color=CYCLE),
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


class _ShownFigure(Figure):
    """A figure that a notebook shows as a picture, also where pyplot was never imported."""

    def _repr_png_(self):
        formatters = sys.modules["IPython"].get_ipython().display_formatter.formatters
        if any(Figure in formatters[kind] for kind in ("image/png", "image/svg+xml")):
            return None  # pyplot's own way is in place
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=110)
        return buffer.getvalue()


def styled(draw):
    """Make a drawing function use the course's style; legends and titles read it when made."""

    @functools.wraps(draw)
    def drawn(*args, **kwargs):
        with mpl.rc_context(_RC):
            return draw(*args, **kwargs)

    return drawn


@styled
def new_figure(width=7.0, height=3.6, rows=1, cols=1, **subplots):
    """Return a figure and its axes in the style of the course; width and height are in inches.

    ``subplots`` go to :meth:`matplotlib.figure.Figure.subplots` (``sharex``, ``width_ratios``, …).
    pyplot does not know the figure, so that it is drawn once, where it is returned.

    >>> figure, axes = new_figure(rows=1, cols=2)
    >>> len(axes)
    2
    """
    figure = _ShownFigure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, cols, **subplots)
