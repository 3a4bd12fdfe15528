"""Pictures of chapter 3: activations, where Lloyd's iterations end, accuracy against memory."""

import itertools

import numpy as np

from quantlib.figures.style import COLORS, CYCLE, new_figure, styled

__all__ = ["plot_activations", "plot_lloyd_ends", "plot_trade_off"]


@styled
def plot_activations(activations, max_columns=4):
    r"""Draw the histogram of each layer's activations (after a ReLU), zeros apart from the rest.

    >>> figure = plot_activations({"conv1": [0.0, 0.0, 1.0], "conv2": [0.0, 2.0]})
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['conv1\n67 % zero', 'conv2\n50 % zero']
    """
    columns = min(max_columns, len(activations))
    rows = -(-len(activations) // columns)
    figure, panels = new_figure(1.85 * columns + 0.4, 2.3 * rows, rows, columns, squeeze=False)
    for axes, (name, values) in zip(panels.flat, activations.items(), strict=False):
        values = np.asarray(values, np.float64).ravel()
        positive = values[values > 0]
        share = 100 / values.size
        counts, edges = np.histogram(positive, bins=40, range=(0, max(values.max(), 1e-30)))
        axes.stairs(share * counts, edges, fill=True, color=COLORS["sky"])
        axes.bar(
            -0.03 * edges[-1],
            share * (values.size - positive.size),
            width=0.04 * edges[-1],
            color=COLORS["vermillion"],
        )
        axes.set_title(f"{name}\n{share * (values.size - positive.size):.0f} % zero", loc="left")
        axes.set_yscale("symlog", linthresh=0.1)  # so that rare large values can be seen
        axes.set_ylim(0, 100)
        axes.set_yticks([0, 0.1, 1, 10, 100], ["0", "0.1", "1", "10", "100"])
        axes.set_xlabel("activation")
    for axes in panels[:, 0]:
        axes.set_ylabel("share (%)")
    for axes in panels.flat[len(activations) :]:
        axes.set_visible(False)
    return figure


@styled
def plot_lloyd_ends(objectives, best):
    """Draw how far above the best objective Lloyd's iterations ended, run by run.

    For each number of clusters, ``objectives`` has where the runs from random starts ended, and
    ``best`` the least objective.

    >>> figure = plot_lloyd_ends({4: [1.2, 1.0], 8: [0.7, 0.5]}, {4: 1.0, 8: 0.5})
    >>> figure.axes[0].get_ylabel()
    'above the optimum (%)'
    """
    figure, axes = new_figure(6.4, 3.4)
    for place, (k, values) in enumerate(objectives.items()):
        above = 100 * (np.sort(np.asarray(values, np.float64)) / best[k] - 1)
        across = place + np.linspace(-0.3, 0.3, len(above)) if len(above) > 1 else [place]
        axes.plot(across, above, "o", markersize=4.5, color=COLORS["blue"])
    axes.axhline(0, color=COLORS["vermillion"], label="the optimum")
    axes.set_xticks(range(len(objectives)), [str(k) for k in objectives])
    axes.set_xlabel("clusters; the runs of each from best to worst")
    axes.set_ylabel("above the optimum (%)")
    axes.legend(loc="upper left")
    return figure


@styled
def plot_trade_off(
    curves, baseline=None, unit="bits an image", size="activation memory", exact="float activations"
):
    """Draw accuracy against memory, each curve as steps upwards.

    ``curves`` has by name (memory, accuracy in percent) in ascending order; ``baseline`` is the
    accuracy in floating point, called ``exact``; ``size`` and ``unit`` say what is counted.

    >>> figure = plot_trade_off({"ENQ": [(100, 80), (200, 95)]}, baseline=97)
    >>> figure.axes[0].get_ylabel()
    'accuracy (%)'
    """
    figure, axes = new_figure(6.4, 3.8)
    most = max(point[0] for points in curves.values() for point in points)
    colors, markers = itertools.cycle(CYCLE), itertools.cycle("osD^v")  # 30 pairs, none twice
    for (name, points), color, marker in zip(curves.items(), colors, markers, strict=False):
        memory, accuracy = np.asarray(points, np.float64).T
        axes.plot(
            np.append(memory, most * 1.05),
            np.append(accuracy, accuracy[-1]),
            drawstyle="steps-post",
            color=color,
            linewidth=1.2,
        )
        axes.plot(memory, accuracy, marker, markersize=5, color=color, label=name)
    if baseline is not None:
        axes.axhline(baseline, color=COLORS["black"], linestyle=":", label=exact)
    axes.set_xlabel(f"{size} ({unit})")
    axes.set_ylabel("accuracy (%)")
    axes.legend(loc="lower right")
    return figure
