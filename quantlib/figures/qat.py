"""Pictures of chapter 10: a weight's real copy, gradients of ranges, and the slope of an error."""

from itertools import cycle

import numpy as np

from quantlib.figures.style import COLORS, CYCLE, new_figure, styled

__all__ = ["plot_range_gradients", "plot_real_copy", "plot_step_slope"]


@styled
def plot_real_copy(copies, weights, levels):
    """Draw a weight over the steps of training: its real copy, and the weight that computes.

    ``copies`` and ``weights`` have a number after each step, ``levels`` are drawn as lines.

    >>> figure = plot_real_copy([0.4, 0.6], [0.0, 1.0], [0.0, 1.0])
    >>> [line.get_label() for line in figure.axes[0].lines[3:]]
    ['the weight that computes', 'its real copy']
    """
    figure, axes = new_figure(5.2, 3.4)
    levels = np.asarray(levels, np.float64)
    for level in levels:
        axes.axhline(level, color=COLORS["black"], linewidth=0.7, linestyle=":")
    for threshold in (levels[:-1] + levels[1:]) / 2:
        axes.axhline(threshold, color=COLORS["purple"], linewidth=0.9, linestyle="--")
    steps = np.arange(len(copies))
    look = {"where": "post", "color": COLORS["vermillion"], "linewidth": 2.4}
    axes.step(steps, weights, label="the weight that computes", **look)
    axes.plot(steps, copies, color=COLORS["blue"], linewidth=1.6, label="its real copy")
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("step of training")
    axes.set_ylabel("weight")
    axes.legend(fontsize=10, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


@styled
def plot_range_gradients(x, values, gradients, top):
    """Draw a quantizer's values, and below them gradients, each against the number that came in.

    Parameters
    ----------
    x : array
        Numbers, in order.
    values : array
        What the quantizer makes of them.
    gradients : dict
        By name the gradient at each of ``x``, a panel for each.
    top : float
        The last level, drawn as a thin line.

    Examples
    --------
    >>> figure = plot_range_gradients([0.0, 2.0], [0.0, 1.0], {"by x": [1.0, 0.0]}, 1.0)
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['value', 'by x']
    """
    rows = 1 + len(gradients)
    figure, panels = new_figure(
        5.2, 1.9 + 1.35 * len(gradients), rows, sharex=True, height_ratios=[1.6] + [1] * (rows - 1)
    )
    x = np.asarray(x, np.float64)
    panels[0].plot([x[0], x[-1]], [x[0], x[-1]], ":", color=COLORS["black"], label="as it came")
    panels[0].plot(x, values, color=COLORS["blue"], label="on its level")
    panels[0].set_ylabel("value")
    panels[0].legend(fontsize=10, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    for axes, (name, slopes), color in zip(
        panels[1:], gradients.items(), cycle(CYCLE[1:]), strict=False
    ):
        axes.plot(x, slopes, color=color)
        axes.set_ylabel(name)
        axes.margins(y=0.15)
    for axes in panels:
        axes.axvline(top, color=COLORS["black"], linewidth=0.9, linestyle="--")
    panels[-1].set_xlabel("number that comes in (dashed: the last level)")
    return figure


@styled
def plot_step_slope(steps, slopes):
    """Draw the slope of an error against the step: measured as lines, by a rule as dots.

    ``slopes`` has by name a pair: what was measured at each of ``steps``, and what the rule says.

    >>> figure = plot_step_slope([0.1, 0.2], {"2 bits": ([-1.0, 0.5], [-0.9, 0.4])})
    >>> len(figure.axes[0].lines)
    3
    """
    figure, axes = new_figure(5.2, 3.6)
    axes.axhline(0, color=COLORS["black"], linewidth=0.9)
    for (name, (measured, ruled)), color, marker in zip(
        slopes.items(), CYCLE, "osD^vP", strict=False
    ):
        axes.plot(steps, measured, color=color, label=f"{name}: measured")
        axes.plot(steps, ruled, marker, markersize=4.5, color=color, label=f"{name}: LSQ")
    axes.set_xlabel("step (standard deviations)")
    axes.set_ylabel("slope of the squared error")
    axes.legend(fontsize=10, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure
