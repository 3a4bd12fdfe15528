"""Pictures of chapter 8: the gate, walks over states, the grid of activations, and trained ones."""

import numpy as np

from quantlib.dst import StateSpace, grid_thresholds, to_grid, to_grid_derivative
from quantlib.figures.style import COLORS, CYCLE, new_figure, styled

__all__ = [
    "plot_combinations",
    "plot_curves",
    "plot_gate",
    "plot_grid",
    "plot_grid_error",
    "plot_sparsity",
    "plot_th_sweep",
    "plot_walk",
]

_LOOKS = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))


@styled
def plot_gate(changes, probabilities):
    """Draw the chance that the gate opens against the wanted change, a line for each th.

    ``changes`` are sizes of the change in units of L; ``probabilities`` has by th the chance of
    each. A line is broken where the chance falls back to 0.

    >>> figure = plot_gate([0.0, 0.9, 1.0], {0.5: [0.0, 0.42, 0.0]})
    >>> figure.axes[0].lines[0].get_label()
    'th = 0.5'
    """
    figure, axes = new_figure(5.2, 3.4)
    changes = np.asarray(changes, np.float64)
    for (th, chances), color, look in zip(probabilities.items(), CYCLE, _LOOKS, strict=False):
        chances = np.asarray(chances, np.float64)
        falls = np.flatnonzero(np.diff(chances) < 0) + 1
        x, y = (np.insert(values, falls, np.nan) for values in (changes, chances))
        axes.plot(x, y, linestyle=look, color=color, label=f"th = {th:g}")
    axes.set_ylim(0, 1.03)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("size of the wanted change |Δw| / L")
    axes.set_ylabel("chance that the gate opens")
    axes.legend(fontsize=10, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


@styled
def plot_walk(steps, states, wanted, p=-2, mean=None):
    """Draw walks of a weight over its states, beside what a real weight would do.

    Parameters
    ----------
    steps : array
        The numbers of the steps, from 0 on.
    states : array
        Whole states, a row for each walk; of more than six, only the first six are drawn.
    wanted : array
        The real weight after each step.
    p : int
        The smallest exponent: a state of 1 is worth 2**p, and each state is a line.
    mean : array, optional
        The mean weight of many walks after each step.

    Examples
    --------
    >>> figure = plot_walk([0, 1, 2], [[0, 1, 2]], [0.0, 0.1, 0.2])
    >>> figure.axes[0].lines[-2].get_ydata().tolist()
    [0.0, 0.25, 0.5]
    """
    space = StateSpace(p)
    figure, axes = new_figure(5.2, 3.6)
    weights = space.unit * np.atleast_2d(np.asarray(states, np.float64))[: len(CYCLE)]
    for state in space.states:
        axes.axhline(state * space.unit, color=COLORS["black"], linewidth=0.7, linestyle=":")
    # Walks lie on each other: the first are the widest.
    for row, (walk, color) in enumerate(zip(weights, CYCLE, strict=False)):
        width = 1.6 + 1.8 * (len(weights) - 1 - row)
        name = "walk" if len(weights) == 1 else f"walk {row + 1}"
        axes.step(steps, walk, where="post", color=color, linewidth=width, label=name)
    axes.plot(steps, wanted, color=COLORS["black"], linewidth=2.4, label="real weight")
    if mean is not None:
        axes.plot(
            steps, mean, color=COLORS["black"], linestyle="--", label="mean of many walks"
        )  # fmt: skip
    low = min(weights.min(), np.min(wanted)) - 0.1
    axes.set_ylim(low, max(weights.max(), np.max(wanted)) + 0.1)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("step")
    axes.set_ylabel("weight")
    axes.legend(fontsize=10, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


@styled
def plot_grid_error(q2, errors, optima, marked):
    """Draw the expected error of activation grids against their first level, a line for each n.

    ``errors`` has by n the error at each of ``q2``, ``optima`` by n the best first level and its
    error, which is a dot; ``marked`` are first levels to be drawn as thin lines.

    >>> figure = plot_grid_error([0.25, 0.5], {4: [0.08, 0.02]}, {4: (0.54, 0.02)}, [0.5])
    >>> figure.axes[0].get_xscale()
    'log'
    """
    figure, axes = new_figure(5.2, 4.2)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    for value in marked:
        axes.axvline(value, color=COLORS["black"], linewidth=0.8, linestyle=":")
    for (n, values), color, look in zip(errors.items(), CYCLE, _LOOKS, strict=False):
        axes.plot(q2, values, linestyle=look, color=color, label=f"n = {n}")
        best, least = optima[n]
        axes.plot([best], [least], "o", markersize=7, color=color)
    axes.grid(visible=False, axis="x")
    if len(marked):
        axes.set_xticks(marked, [f"{value:g}" for value in marked])
    axes.set_yticks([0.02, 0.05, 0.1, 0.2, 0.5], ["0.02", "0.05", "0.1", "0.2", "0.5"])
    axes.set_yticks([], minor=True)
    drawn = np.concatenate([*errors.values(), [optima[n][1] for n in errors]])
    axes.set_ylim(drawn.min() / 1.3, drawn.max() * 1.2)
    axes.set_xlabel("first level $q_2$ (dots: the best)")
    axes.set_ylabel("expected squared error")
    axes.legend(fontsize=10, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


@styled
def plot_grid(q2, n_levels):
    """Draw the staircase of activations over the normal density, and below it its derivative.

    >>> figure = plot_grid(0.25, 5)
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['level P(x)', 'derivative']
    """
    thresholds = grid_thresholds(q2, n_levels)
    highest = q2 * 2.0 ** (n_levels - 2)
    limit = max(3.0, 1.3 * thresholds[-1])
    figure, (top, bottom) = new_figure(5.2, 5.0, 2, 1, sharex=True, height_ratios=[3, 2])
    inner = np.concatenate([-thresholds[::-1], thresholds])
    edges = np.concatenate([[-limit], inner, [limit]])
    levels = to_grid((edges[:-1] + edges[1:]) / 2, q2, n_levels)

    x = np.linspace(-limit, limit, 801)
    density = np.exp(-(x**2) / 2)
    floor, ceiling = -1.15 * highest, 1.15 * highest
    top.fill_between(
        x, floor, floor + density * (ceiling - floor), color=COLORS["sky"], alpha=0.3,
        linewidth=0, label="normal density (no scale)",
    )  # fmt: skip
    top.plot([-limit, limit], [-limit, limit], ":", color=COLORS["black"], label="P(x) = x")
    top.stairs(levels, edges, baseline=None, color=COLORS["blue"], linewidth=2.2, label="P(x)")
    top.set_ylim(floor, ceiling)
    top.set_ylabel("level P(x)")
    top.legend(fontsize=10, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))

    # The line is broken at the first threshold, where it jumps, and only there.
    first = thresholds[0]
    for low, high in ((-limit, -first), (-first, first), (first, limit)):
        part = np.linspace(low, high, 401)
        slopes = to_grid_derivative(part, q2, n_levels)
        if low == first or high == -first:  # what it is just outside of the flat part
            slopes[0 if low == first else -1] = 1.0
        bottom.plot(part, slopes, color=COLORS["vermillion"])
    for axes in (top, bottom):
        for threshold in inner:
            axes.axvline(threshold, color=COLORS["black"], linewidth=0.7, linestyle=":")
        axes.grid(visible=False, axis="x")
    bottom.set_ylim(-0.05, 1.1)
    bottom.set_xlim(-limit, limit)
    bottom.set_ylabel("derivative")
    bottom.set_xlabel("x (dotted: thresholds)")
    return figure


@styled
def plot_th_sweep(th, accuracies, chosen=0.5):
    """Draw test accuracies (percent) against th: a dot for each run, a line through the means.

    ``accuracies`` has a row of runs for each of ``th``; ``chosen`` is marked.

    >>> figure = plot_th_sweep([0.25, 0.5], [[90.0, 92.0], [93.0, 95.0]])
    >>> figure.axes[0].lines[0].get_ydata().tolist()
    [91.0, 94.0]
    """
    figure, axes = new_figure(5.2, 3.4)
    means = [float(np.mean(runs)) for runs in accuracies]
    axes.plot(th, means, color=COLORS["blue"], label="mean")
    for row, (value, runs) in enumerate(zip(th, accuracies, strict=True)):
        axes.plot(
            [value] * len(runs), runs, "o", markersize=5.5, color=COLORS["vermillion"], alpha=0.7,
            label=None if row else "one run",
        )  # fmt: skip
    axes.axvline(
        chosen, color=COLORS["black"], linewidth=1, linestyle="--", label=f"paper: {chosen:g}"
    )
    axes.set_xscale("log")
    axes.set_xticks(th, [f"{value:g}" for value in th])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("th")
    axes.set_ylabel("test accuracy (%)")
    axes.legend(fontsize=10, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


@styled
def plot_combinations(table):
    """Draw test accuracies (percent) by weights and activations as a grid with numbers.

    ``table`` has by p, the smallest exponent of weights, {first level of activations: accuracy, or
    those of several runs, whose mean is shown}. Any label will do, such as "real".

    >>> figure = plot_combinations({-2: {0.25: 91.0, "real": [92.0, 93.0]}})
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['91.00', '92.50']
    """
    rows, columns = list(table), list(dict.fromkeys(key for row in table.values() for key in row))
    means = np.array(
        [[np.mean(row[key]) if key in row else np.nan for key in columns] for row in table.values()]
    )
    figure, axes = new_figure(min(1.0 + 0.85 * len(columns), 5.4), 0.9 + 0.5 * len(rows))
    low, high = np.nanmin(means), np.nanmax(means)
    top = high + 0.9 * max(high - low, 0.1)  # light enough for black numbers
    axes.imshow(means, cmap="Blues", vmin=low, vmax=top, aspect="auto")
    for (i, j), mean in np.ndenumerate(means):
        text = "" if np.isnan(mean) else f"{mean:.2f}"
        axes.text(j, i, text, ha="center", va="center", fontsize=11)
    axes.set_yticks(range(len(rows)), [_named(row) for row in rows])
    axes.set_xticks(range(len(columns)), [_named(column) for column in columns])
    axes.set_ylabel("weights: p")
    axes.set_xlabel("activations: first level $q_2$")
    axes.grid(visible=False)
    return figure


def _named(label):
    return label if isinstance(label, str) else f"{label:g}".replace("-", "−")


@styled
def plot_sparsity(paper, ours):
    """Draw the share of weights that are not 0, a bar for each layer: the paper's, and ours.

    Each has by layer, the first one first, the share in percent, or a pair of it and the number of
    weights, which then stands behind the layer's name.

    >>> figure = plot_sparsity({"Conv1": (100.0, 1728)}, {"conv1": 90.0})
    >>> [axes.get_yticklabels()[0].get_text() for axes in figure.axes]
    ['Conv1: 1,728', 'conv1']
    """
    heights = [len(paper) + 2, len(ours) + 2]
    figure, panels = new_figure(
        5.2, 0.22 * sum(heights) + 0.5, 2, 1, sharex=True, height_ratios=heights
    )
    for axes, (title, layers, color) in zip(
        panels, (("paper", paper, "blue"), ("ours", ours, "orange")), strict=True
    ):
        names, shares = [], []
        for name, value in layers.items():
            share, size = (value, None) if np.isscalar(value) else value
            names.append(name if size is None else f"{name}: {size:,}")
            shares.append(float(share))
        places = range(len(names))
        axes.barh(places, shares, height=0.72, color=COLORS[color])
        axes.set_yticks(places, names)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_title(title, loc="left")
        axes.grid(visible=False, axis="y")
        axes.set_ylabel("layer: weights" if ": " in "".join(names) else "layer", labelpad=8)
    panels[0].set_xlim(0, 100)
    panels[1].set_xlabel("weights that are not 0 (%)")
    return figure


@styled
def plot_curves(histories, ylabel="training loss", log=False):
    """Draw a number over the epochs of training, a line for each method.

    ``histories`` has by name the number after each epoch, or a row of them for each run: then the
    line is the mean, and a band goes from the least to the largest.

    >>> figure = plot_curves({"DST": [[1.0, 0.5], [0.8, 0.3]]})
    >>> figure.axes[0].lines[0].get_xydata().tolist()
    [[1.0, 0.9], [2.0, 0.4]]
    """
    figure, axes = new_figure(5.2, 3.6)
    for (name, values), color, look in zip(histories.items(), CYCLE, _LOOKS, strict=False):
        runs = np.atleast_2d(np.asarray(values, np.float64))
        epochs = np.arange(1, runs.shape[1] + 1)
        axes.plot(epochs, runs.mean(axis=0), linestyle=look, color=color, label=name)
        if len(runs) > 1:
            axes.fill_between(epochs, runs.min(0), runs.max(0), color=color, alpha=0.2, linewidth=0)
    if log:
        axes.set_yscale("log")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("epoch")
    axes.set_ylabel(ylabel)
    axes.legend(fontsize=10, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure
