"""Pictures of chapter 7: levels on weights, the error of a threshold, levels that are trained."""

import numpy as np

from quantlib.figures.style import COLORS, CYCLE, new_figure, styled

__all__ = ["plot_ternary_paths", "plot_threshold_errors", "plot_weight_levels"]


@styled
def plot_weight_levels(weights, levels, bins=41):
    """Draw a histogram of weights with some levels, coloured by the level that a weight goes to.

    Each entry of ``levels`` has a panel of its own: by name the levels in rising order and the
    thresholds between them.

    >>> figure = plot_weight_levels([-1.0, 0.1, 0.9], {"ternary": ([-1, 0, 1], [-0.5, 0.5])})
    >>> figure.axes[0].get_title(loc="left")
    'ternary'
    """
    weights = np.asarray(weights, np.float64).ravel()
    limit = 1.05 * max(np.abs(weights).max(), *(np.abs(of).max() for of, _ in levels.values()))
    figure, panels = new_figure(
        5.2, 2.0 * len(levels) + 0.4, len(levels), 1, squeeze=False, sharex=True, sharey=True
    )
    edges = np.linspace(-limit, limit, bins + 1)
    for axes, (name, (values, thresholds)) in zip(panels[:, 0], levels.items(), strict=True):
        places = np.searchsorted(thresholds, weights)
        shades = ["sky", "yellow", "orange"] if len(values) == 3 else ["sky", "orange"]
        axes.hist(
            [weights[places == i] for i in range(len(values))], edges, stacked=True,
            color=[COLORS[shade] for shade in shades],
        )  # fmt: skip
        for value in values:
            axes.axvline(value, color=COLORS["vermillion"], linewidth=2)
        for threshold in thresholds:
            axes.axvline(threshold, color=COLORS["black"], linewidth=1.2, linestyle=":")
        axes.set_title(name, loc="left")
        axes.set_ylabel("count")
        axes.set_xlim(-limit, limit)
    panels[-1, 0].set_xlabel("weight")
    return figure


@styled
def plot_threshold_errors(factors, errors, marked):
    """Draw the relative squared error of three levels against the threshold.

    ``factors`` are thresholds in units of the mean magnitude, ``errors`` by name the error of each
    in percent; the smallest of each is a dot. ``marked`` has by name thresholds to be drawn.

    >>> figure = plot_threshold_errors([0.5, 0.7], {"normal": [24.0, 19.2]}, {"TWN": 0.7})
    >>> figure.axes[0].get_ylabel()
    'squared error (%)'
    """
    figure, axes = new_figure(5.4, 3.6)
    factors = np.asarray(factors, np.float64)
    for (name, values), color in zip(errors.items(), CYCLE, strict=False):
        best = int(np.argmin(values))
        axes.plot(factors, values, color=color, label=name)
        axes.plot(factors[best], values[best], "o", markersize=7, color=color)
    top = max(np.max(values) for values in errors.values())
    for name, factor in marked.items():
        axes.axvline(factor, color=COLORS["black"], linewidth=1, linestyle="--")
        axes.text(factor, 1.06 * top, f" {name}", va="top", fontsize=9.5)
    axes.set_ylim(0, 1.08 * top)
    axes.set_xlabel("threshold / mean magnitude")
    axes.set_ylabel("squared error (%)")
    axes.legend(loc="lower right")
    return figure


@styled
def plot_ternary_paths(paths):
    """Draw how the levels of layers move in training, and how their weights are shared out.

    ``paths`` has by layer four sequences with an entry for each step: the positive level, the
    negative level without its sign, and the shares of negative and of zero weights in percent.

    >>> figure = plot_ternary_paths({"fc1": ([0.1, 0.2], [0.1, 0.1], [45, 48], [10, 4])})
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['level', 'weights (%)']
    """
    figure, panels = new_figure(
        1.6 * len(paths) + 0.7, 4.4, 2, len(paths), squeeze=False, sharex=True, sharey="row"
    )
    for (top, bottom), (name, path) in zip(panels.T, paths.items(), strict=True):
        positive, negative, below, zero = (np.asarray(x, np.float64) for x in path)
        steps = np.arange(1, len(zero) + 1)
        top.plot(steps, positive, color=COLORS["vermillion"])
        top.plot(steps, -negative, color=COLORS["blue"])
        top.axhline(0, color=COLORS["black"], linewidth=1)
        top.set_title(name, loc="left")
        bottom.stackplot(
            steps, below, zero, 100 - below - zero,
            colors=[COLORS[shade] for shade in ("sky", "yellow", "orange")],
        )  # fmt: skip
        bottom.set_ylim(0, 100)
        bottom.locator_params(axis="x", nbins=3)
        if not panels[0, 0].texts:  # what the curves and bands are is written once
            for level, name in ((positive[0], "$W_p$"), (-negative[0], "$-W_n$")):
                top.text(steps[-1], level / 2, name, ha="right", va="center")
            place = len(zero) // 10
            heights = {"−1": below[place] / 2, "0": below[place] + zero[place] / 2}
            heights["+1"] = (100 + below[place] + zero[place]) / 2
            for name, height in heights.items():
                bottom.text(steps[place], height, name, va="center")
    panels[0, 0].set_ylabel("level")
    panels[1, 0].set_ylabel("weights (%)")
    panels[1, len(paths) // 2].set_xlabel("step of training")
    return figure
