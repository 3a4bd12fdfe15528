"""Pictures of power-of-two quantization: levels, channels, histograms, class groups, file sizes."""

from itertools import cycle

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.patches import Rectangle

from quantlib.figures.style import COLORS, CYCLE, new_figure, styled

__all__ = [
    "plot_bit_histograms",
    "plot_channel_quartiles",
    "plot_compression",
    "plot_confusions",
    "plot_levels",
]


@styled
def plot_levels(x, levels, label="weight"):
    """Draw where quantizers, by name, put their levels under the histogram of the values.

    >>> figure = plot_levels([-1.0, 0.2, 1.0], {"ternary": [-1, 0, 1], "coarse": [-1, 1]})
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['count', '']
    """
    x = np.asarray(x, np.float64).ravel()
    figure, (top, bottom) = new_figure(
        5.0, 1.9 + 0.65 * len(levels), 2, 1, sharex=True, height_ratios=[3, 1 * len(levels)]
    )
    counts, edges = np.histogram(x, bins=60)
    top.stairs(counts, edges, fill=True, color=COLORS["sky"])
    top.set_ylabel("count")
    for row, ((name, values), color) in enumerate(zip(levels.items(), cycle(CYCLE), strict=False)):
        bottom.vlines(values, row - 0.08, row + 0.32, color=color, linewidth=1.6)
        bottom.text(
            0.5, row - 0.16, name, color=color, ha="center", transform=bottom.get_yaxis_transform()
        )
    bottom.set_ylim(len(levels) - 0.55, -0.6)  # the first on top
    bottom.set_yticks([])
    bottom.grid(visible=False)
    bottom.spines["left"].set_visible(False)
    bottom.set_xlabel(label)
    return figure


@styled
def plot_channel_quartiles(tensors, label="weight"):
    """Draw median, quartiles and ends of each output channel, one panel for each quantizer.

    ``tensors`` has the same weights, original and quantized, by name; axis 0 is the channel.

    >>> figure = plot_channel_quartiles({"float": [[0.0, 1.0], [2.0, 3.0]], "0": [[0, 0], [0, 0]]})
    >>> len(figure.axes)
    2
    """
    figure, panels = new_figure(
        5.0, 0.7 + 1.55 * len(tensors), len(tensors), 1, sharex=True, sharey=True, squeeze=False
    )
    colors = cycle([COLORS["black"], *CYCLE])
    for axes, (name, tensor), color in zip(panels[:, 0], tensors.items(), colors, strict=False):
        tensor = np.asarray(tensor, np.float64)
        channels = tensor.reshape(len(tensor), -1)
        low, first, middle, third, high = np.quantile(channels, [0, 0.25, 0.5, 0.75, 1], axis=1)
        index = np.arange(len(channels))
        axes.vlines(index, low, high, color=color, linewidth=1)
        axes.bar(index, third - first, bottom=first, width=0.7, color=color, alpha=0.55)
        axes.hlines(middle, index - 0.42, index + 0.42, color=COLORS["black"], linewidth=1.6)
        axes.set_title(name, loc="left")
        axes.set_ylabel(label)
        axes.grid(visible=False, axis="x")
    panels[-1, 0].set_xlabel("output channel")
    return figure


@styled
def plot_bit_histograms(tensors, bit_widths, label="weight"):
    """Draw the histogram of one tensor for each scheme (columns) and bit width (rows).

    ``tensors`` has for each scheme the quantized tensor at each of ``bit_widths``.

    >>> figure = plot_bit_histograms({"a": [[0, 1], [1]], "b": [[0, 1], [0]]}, [2, 1])
    >>> len(figure.axes)
    4
    """
    largest = max(np.abs(np.asarray(x)).max() for row in tensors.values() for x in row)
    edges = np.linspace(-1.04 * largest, 1.04 * largest, 76)  # an odd number of bins: one is at 0
    figure, panels = new_figure(
        5.0,
        0.9 + 0.95 * len(bit_widths),
        len(bit_widths),
        len(tensors),
        sharex=True,
        squeeze=False,
    )
    for column, (name, row) in enumerate(tensors.items()):
        panels[0, column].set_title(name)
        panels[-1, column].set_xlabel(label)
        for axes, x, bit_width in zip(panels[:, column], row, bit_widths, strict=True):
            share, _ = np.histogram(np.asarray(x), bins=edges)
            axes.stairs(share, edges, fill=True, color=CYCLE[column % len(CYCLE)])
            axes.set_yticks([])
            axes.grid(visible=False)
            axes.spines["left"].set_visible(False)
            if column == 0:
                axes.set_ylabel(f"{bit_width} bits", rotation=0, ha="right", va="center")
    return figure


@styled
def plot_confusions(confusions, groups, class_names):
    """Draw confusion matrices with the groups of classes outlined.

    ``confusions`` has K x K counts by name of the panel; row i, column j is class i taken for class
    j. ``groups`` has the group of each class, as
    :func:`quantlib.logarithmic.class_groups.group_classes` gives. Classes are sorted by group, so
    that each group is a square on the diagonal.

    >>> figure = plot_confusions({"float": [[3, 1], [0, 4]]}, [0, 0], ["cat", "dog"])
    """
    groups = np.asarray(groups)
    order = np.argsort(groups, kind="stable")
    names = [class_names[i] for i in order]
    figure, panels = new_figure(5.0, 4.7 * len(confusions), len(confusions), 1, squeeze=False)
    for axes, (name, confusion) in zip(panels[:, 0], confusions.items(), strict=True):
        counts = np.asarray(confusion)[np.ix_(order, order)]
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        # The square root lifts rare mistakes, which a linear scale would leave white.
        axes.imshow(share, cmap="Blues", norm=PowerNorm(0.5, 0, 1))
        for (i, j), count in np.ndenumerate(counts):
            if count:
                color = "white" if share[i, j] > 0.35 else COLORS["black"]
                axes.text(j, i, int(count), ha="center", va="center", color=color, fontsize=10)
        for group in np.unique(groups):
            members = np.flatnonzero(groups[order] == group)
            if len(members) > 1:
                corner = (members[0] - 0.5, members[0] - 0.5)
                axes.add_patch(
                    Rectangle(
                        corner,
                        len(members),
                        len(members),
                        fill=False,
                        edgecolor=COLORS["vermillion"],
                        linewidth=2.5,
                    )
                )
        axes.set_xticks(range(len(names)), names)
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("predicted class")
        axes.set_ylabel("true class")
        axes.set_title(name)
        axes.grid(visible=False)
    return figure


@styled
def plot_compression(sizes, unit="kB"):
    """Draw file sizes as bars: one group for each network, one bar for each way to store it.

    >>> figure = plot_compression({"6 bits": {"gzip": 60.0, "packed": 44.0}})
    """
    stores = list(dict.fromkeys(name for row in sizes.values() for name in row))
    hatches = ["", "//", "..", "xx", "\\\\", "++"]
    styles = dict(zip(stores, cycle(zip(CYCLE, hatches, strict=True)), strict=False))
    n_bars = sum(len(row) for row in sizes.values())
    figure, axes = new_figure(5.0, 1.3 + 0.27 * (n_bars + len(sizes)))
    largest = max(size for row in sizes.values() for size in row.values())
    position, ticks = 0.0, []
    labelled = set()
    for row in sizes.values():
        ticks.append(position + (len(row) - 1) / 2)
        for store, size in row.items():
            color, hatch = styles[store]
            axes.barh(
                position,
                size,
                height=0.82,
                color=color,
                hatch=hatch,
                edgecolor="white",
                linewidth=0,
                label=None if store in labelled else store,
            )
            labelled.add(store)
            axes.text(size + 0.01 * largest, position, f"{size:.1f}", va="center", fontsize=9.5)
            position += 1
        position += 0.8
    axes.set_yticks(ticks, list(sizes))
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12 * largest)
    axes.set_xlabel(f"size ({unit})")
    axes.grid(visible=False, axis="y")
    axes.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=2)
    return figure
