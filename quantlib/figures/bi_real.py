"""Pictures of chapter 6: what stands in for the sign, the block, its values, and its gradients."""

import numpy as np
from matplotlib.patches import FancyBboxPatch

from quantlib.figures.style import COLORS, CYCLE, new_figure, styled

__all__ = [
    "plot_by_depth",
    "plot_gradient_match",
    "plot_one_bit_blocks",
    "plot_sign_slopes",
    "plot_value_rows",
]


@styled
def plot_sign_slopes(limit=1.6):
    """Draw the sign, clip and ApproxSign from -limit to limit, and the slopes that they lend.

    >>> top, bottom = plot_sign_slopes().axes
    >>> [line.get_label() for line in top.lines]
    ['sign(x)', 'clip(x, −1, 1)', 'ApproxSign(x)']
    """
    # The bounds themselves, and points next to them for the jumps.
    x = np.unique(np.r_[np.linspace(-limit, limit, 321), -1.0, 1.0])
    c = np.clip(x, -1, 1)
    figure, (top, bottom) = new_figure(5.2, 5.0, 2, 1, sharex=True)
    top.plot([-limit, 0, 0, limit], [-1, -1, 1, 1], color=COLORS["black"], label="sign(x)")
    top.plot(x, c, "--", color=COLORS["vermillion"], label="clip(x, −1, 1)")
    top.plot(x, c * (2 - np.abs(c)), color=COLORS["blue"], label="ApproxSign(x)")
    top.set_ylim(-1.25, 1.9)
    top.set_ylabel("value")
    top.legend(loc="upper left", fontsize=10)
    bottom.plot(
        [-limit, -1, -1, 1, 1, limit], [0, 0, 1, 1, 0, 0], "--", color=COLORS["vermillion"],
        label="of clip: 1 or 0",
    )  # fmt: skip
    bottom.plot(
        x, np.maximum(2 - 2 * np.abs(x), 0), color=COLORS["blue"], label="of ApproxSign: 2 − 2|x|"
    )
    bottom.set_ylim(-0.1, 2.9)
    bottom.set_ylabel("slope")
    bottom.legend(loc="upper left", fontsize=10)
    bottom.set_xlabel("x")
    return figure


@styled
def plot_one_bit_blocks():
    """Draw a plain 1-bit block, and that of Bi-Real Net with its shortcut.

    >>> [axes.get_title(loc="left") for axes in plot_one_bit_blocks().axes]
    ['plain', 'Bi-Real']
    """
    figure, panels = new_figure(5.2, 3.5, 1, 2)
    steps = ["sign", "1-bit convolution", "batch normalization"]
    for axes, title in zip(panels, ("plain", "Bi-Real"), strict=True):
        axes.set_axis_off()
        axes.grid(visible=False)
        axes.set_title(title, loc="left")
        axes.set_xlim(-0.4, 7.4)
        axes.set_ylim(7.9, -0.5)
        shortcut, width = title == "Bi-Real", 4.6
        middle = 0.2 + width / 2
        for row, text in enumerate(steps):
            y = 1.2 + 1.5 * row
            bits = row == 1
            axes.add_patch(
                FancyBboxPatch(
                    (0.2, y), width, 0.8, boxstyle="round,pad=0.08",
                    facecolor=COLORS["yellow"] if bits else "#e8f1f8", edgecolor="#555555",
                )
            )  # fmt: skip
            axes.text(middle, y + 0.4, text, ha="center", va="center")
            _arrow(axes, (middle, y - 0.62 if row else 0.15), (middle, y - 0.1))
            if row < 2:
                note = "±1" if row == 0 else "whole numbers"
                axes.text(middle + 0.2, y + 1.14, note, ha="left", va="center", fontsize=10)
        axes.text(middle, -0.1, "x, real numbers", ha="center", va="center")
        end = 6.4 if shortcut else 5.9
        _arrow(axes, (middle, 5.1), (middle, end - 0.3))
        if shortcut:
            axes.plot(
                [middle, 6.3, 6.3, middle + 0.3], [0.45, 0.45, end, end],
                color=COLORS["vermillion"], linewidth=2,
            )  # fmt: skip
            axes.text(6.5, 3.1, "shortcut", rotation=90, ha="left", va="center", fontsize=10)
            axes.text(middle, end, "+", ha="center", va="center", fontsize=15, color="black")
            _arrow(axes, (middle, end + 0.3), (middle, end + 0.85))
            end += 0.85
        axes.text(middle, end + 0.35, "y, real numbers", ha="center", va="center")
    return figure


def _arrow(axes, start, end):
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": "#333333"})


@styled
def plot_value_rows(rows, xlabel="value"):
    """Draw a row of strokes for each name in ``rows``: the values that a number can take.

    Behind the name stands how many different ones they are.

    >>> axes = plot_value_rows({"plain": [-1.0, 1.0, 1.0]}).axes[0]
    >>> axes.get_yticklabels()[0].get_text()
    'plain: 2'
    """
    figure, axes = new_figure(5.4, 0.9 + 0.55 * len(rows))
    labels = []
    for row, ((name, values), color) in enumerate(zip(rows.items(), CYCLE, strict=False)):
        different = np.unique(values)
        labels.append(f"{name}: {len(different):,}")
        axes.vlines(different, row - 0.32, row + 0.32, color=color, linewidth=1.1)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(visible=False)
    axes.set_xlabel(xlabel)
    return figure


@styled
def plot_gradient_match(by_noise, by_layer, noise):
    """Draw how well estimators' gradients point where a reference does: by its noise, by layer.

    Parameters
    ----------
    by_noise : dict
        By name of an estimator: {standard deviation of the noise: cosine}.
    by_layer : dict
        By name of an estimator: the cosine for each layer, the first one first.
    noise : float
        The standard deviation that ``by_layer`` is for.

    Examples
    --------
    >>> figure = plot_gradient_match({"clip": {0.2: 0.5, 0.4: 0.6}}, {"clip": [0.2, 0.6]}, 0.4)
    >>> figure.axes[1].lines[0].get_xdata().tolist()
    [1, 2]
    """
    figure, (top, bottom) = new_figure(5.2, 6.2, 2, 1, sharey=True)
    for (name, cosines), color, mark in zip(by_noise.items(), CYCLE, "osD^", strict=False):
        style = {"color": color, "marker": mark, "markersize": 5, "label": name}
        top.plot(list(cosines), list(cosines.values()), **style)
        layers = by_layer[name]
        bottom.plot(range(1, len(layers) + 1), layers, **style)
    top.axvline(noise, color=COLORS["black"], linewidth=1, linestyle=":")
    top.set_xscale("log")
    ticks = list(next(iter(by_noise.values())))
    top.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    top.set_xticks([], minor=True)
    top.set_xlabel("standard deviation σ of the noise")
    for axes in (top, bottom):
        axes.set_ylabel("cosine with the reference")
    top.set_title("the last 1-bit layer", loc="left")
    top.set_ylim(0, 1.05)
    bottom.set_xlabel("1-bit layer, from the input")
    bottom.set_title(f"all layers, σ = {noise:g}", loc="left")
    bottom.set_xticks(range(1, len(layers) + 1))
    bottom.legend(loc="upper left", fontsize=10)
    return figure


@styled
def plot_by_depth(accuracies, xlabel="1-bit convolutions"):
    """Draw accuracies (percent) of several runs against a network's depth, a line for each method.

    ``accuracies`` has by name {depth: accuracies of the runs}; the line joins the means.

    >>> axes = plot_by_depth({"plain": {4: [90.0, 92.0], 8: [80.0]}}).axes[0]
    >>> axes.lines[0].get_ydata().tolist()
    [91.0, 80.0]
    """
    figure, axes = new_figure(5.2, 3.4)
    for (name, runs), color, mark in zip(accuracies.items(), CYCLE, "osD^", strict=False):
        places, means = range(len(runs)), [float(np.mean(values)) for values in runs.values()]
        axes.plot(places, means, color=color, label=name)
        for place, values in zip(places, runs.values(), strict=True):
            axes.plot([place] * len(values), values, mark, color=color, markersize=6, alpha=0.7)
    axes.set_xticks(range(len(runs)), [str(depth) for depth in runs])
    axes.set_xlabel(xlabel)
    axes.set_ylabel("test accuracy (%)")
    axes.set_ylim(0, 103)
    axes.legend(loc="lower left", fontsize=10)
    return figure
