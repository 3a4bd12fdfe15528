"""Pictures of chapter 9: the layer that spoils a network, calibration sets, and a way through."""

from itertools import cycle

import numpy as np
from matplotlib.patches import FancyBboxPatch

from quantlib.figures.style import COLORS, CYCLE, new_figure, styled

__all__ = ["plot_practice", "plot_report", "plot_set_sizes"]


@styled
def plot_report(report):
    """Draw for each layer the output's SQNR (dB) if this layer alone is quantized; mark the worst.

    ``report`` is a :class:`quantlib.ptq.analysis.Report` that was made with ``alone=True``.

    >>> from quantlib import data, models, ptq
    >>> images = data.load().train_images[:20]
    >>> report = ptq.quantize_model(models.load_pretrained(), images, 4).report
    >>> figure = plot_report(report)
    >>> figure.axes[0].get_xlabel()
    'SQNR of the output (dB), this layer alone quantized'
    """
    layers = [layer for layer in report.layers if layer.alone_db is not None]
    if not layers:
        raise ValueError("report must have been made with alone=True, got one without such errors")
    figure, axes = new_figure(5.2, 1.1 + 0.34 * len(layers))
    for row, layer in enumerate(layers):
        worst = layer.name == report.worst
        color, hatch = (COLORS["orange"], "//") if worst else (COLORS["blue"], None)
        axes.barh(row, layer.alone_db, color=color, hatch=hatch)
        told = f"{layer.alone_db:.1f}".replace("-", "−") + (", worst" if worst else "")
        axes.annotate(
            told, (max(layer.alone_db, 0), row), (4, 0), textcoords="offset points", va="center",
            fontsize=10,
        )  # fmt: skip
    axes.set_yticks(range(len(layers)), [layer.name for layer in layers])
    axes.invert_yaxis()
    axes.margins(x=0.16)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("SQNR of the output (dB), this layer alone quantized")
    return figure


@styled
def plot_set_sizes(sizes, curves, baseline=None):
    """Draw test accuracy (percent) against the number of calibration images, runs as a band.

    ``curves`` has by name the runs, each with one accuracy for each of ``sizes`` (NaN where none
    was measured); a line goes through their means.

    >>> figure = plot_set_sizes([1, 10], {"random": [[90.0, 98.0], [92.0, 98.0]]}, baseline=98.5)
    >>> figure.axes[0].lines[0].get_ydata().tolist()
    [91.0, 98.0]
    """
    figure, axes = new_figure(5.2, 3.6)
    sizes = np.asarray(sizes)
    for (name, runs), color, marker in zip(
        curves.items(), cycle(CYCLE), cycle("osD^v"), strict=False
    ):
        runs = np.atleast_2d(np.asarray(runs, np.float64))
        known = ~np.isnan(runs).any(axis=0)
        at, runs = sizes[known], runs[:, known]
        axes.plot(at, runs.mean(axis=0), marker=marker, markersize=5, color=color, label=name)
        axes.fill_between(at, runs.min(axis=0), runs.max(axis=0), color=color, alpha=0.18, lw=0)
    if baseline is not None:
        axes.axhline(baseline, color=COLORS["black"], linestyle=":", label="32-bit float")
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("calibration images")
    axes.set_ylabel("test accuracy (%)")
    axes.legend(fontsize=10, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


@styled
def plot_practice(steps):
    """Draw a way through as a flow chart: what is done, and the accuracy (percent) that it gives.

    ``steps`` has pairs of a text and a number, from the first step to the last.

    >>> figure = plot_practice([("8 bits, per tensor", 12.2), ("8 bits, per channel", 96.5)])
    >>> [text.get_text() for text in figure.axes[0].texts[:2]]
    ['8 bits, per tensor', '12.2 %']
    """
    figure, axes = new_figure(4.6, 0.95 * len(steps))
    axes.set_axis_off()
    axes.set_xlim(0, 10)
    axes.set_ylim(-len(steps), 0)
    for row, (text, accuracy) in enumerate(steps):
        middle = -row - 0.45
        box = FancyBboxPatch(
            (0.2, middle - 0.28), 7.2, 0.56, boxstyle="round,pad=0.02,rounding_size=0.1",
            facecolor="none", edgecolor=COLORS["blue"], linewidth=1.6,
        )  # fmt: skip
        axes.add_patch(box)
        axes.text(3.8, middle, text, ha="center", va="center", fontsize=11)
        axes.text(9.9, middle, f"{accuracy:.1f} %", ha="right", va="center", fontsize=12)
        if row:
            axes.annotate(
                "", (3.8, middle + 0.3), (3.8, middle + 0.7),
                arrowprops={"arrowstyle": "-|>", "color": COLORS["black"]},
            )  # fmt: skip
    return figure
