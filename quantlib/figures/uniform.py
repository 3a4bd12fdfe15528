"""Pictures of uniform quantization: staircases, errors, ranges and accuracy curves."""

from itertools import cycle

import numpy as np

from quantlib.figures.style import COLORS, CYCLE, new_figure, styled

__all__ = [
    "plot_accuracy_by_bits",
    "plot_channel_ranges",
    "plot_clip_choice",
    "plot_clipping",
    "plot_quantizer",
    "plot_sqnr_by_bits",
    "plot_staircase",
]


@styled
def plot_staircase(quantizer, low, high, label="x"):
    """Draw what a quantizer makes of every number from ``low`` to ``high``, and its error.

    ``quantizer`` takes an array of real numbers and returns the quantized ones (real, not codes).

    >>> len(plot_staircase(np.round, -2.0, 2.0).axes)
    2
    """
    figure, (top, bottom) = new_figure(6.0, 4.4, 2, 1, sharex=True, height_ratios=[2, 1])
    _draw_staircase(top, bottom, quantizer, low, high)
    bottom.set_xlabel(label)
    return figure


def _draw_staircase(top, bottom, quantizer, low, high):
    x = np.linspace(low, high, 2001)
    x_hat = np.asarray(quantizer(x))
    top.plot(x, x, color=COLORS["black"], linewidth=1, linestyle=":", label="original")
    top.plot(x, x_hat, color=COLORS["blue"], label="quantized")
    top.set_ylabel("value")
    top.legend(loc="upper left")
    bottom.plot(x, x_hat - x, color=COLORS["vermillion"])
    bottom.axhline(0, color=COLORS["black"], linewidth=0.8)
    bottom.set_ylabel("error")


def _draw_histogram(axes, x):
    counts, edges = np.histogram(x, bins=80)
    axes.stairs(counts, edges, fill=True, color=COLORS["sky"])
    axes.set_yscale("symlog", linthresh=10)  # so that a bin of one value can still be seen
    axes.set_ylim(0)
    axes.set_ylabel("count")


@styled
def plot_quantizer(x, quantizer, label="weight"):
    """Draw a quantizer's staircase and error over the histogram of the values it is used on.

    ``quantizer`` is a function as for :func:`plot_staircase`.

    >>> len(plot_quantizer(np.linspace(-1, 1, 100), np.round).axes)
    3
    """
    x = np.asarray(x, np.float64).ravel()
    levels = np.unique(np.asarray(quantizer(x)))
    # All frames of an explorer share their axes, so they depend on x alone, not on the quantizer.
    high = np.abs(x).max()
    low = -high if x.min() < 0 else 0.0  # a symmetric quantizer's levels reach as far on both sides
    margin = 0.06 * (high - low)
    figure, (top, middle, bottom) = new_figure(
        5.4, 5.6, 3, 1, sharex=True, height_ratios=[2.2, 1, 1.6]
    )
    _draw_staircase(top, middle, quantizer, low - margin, high + margin)
    top.set_ylim(low - margin, high + margin)
    middle.set_ylim(-0.26 * (high - low), 0.26 * (high - low))
    _draw_histogram(bottom, x)
    bottom.set_xlabel(label)
    if len(levels) <= 64:
        for axis in (top, bottom):
            height = 0.05 if axis is top else 0.12
            axis.vlines(
                levels,
                0,
                height,
                color=COLORS["vermillion"],
                linewidth=1.2,
                transform=axis.get_xaxis_transform(),
            )
    return figure


@styled
def plot_sqnr_by_bits(bit_widths, curves, rule=True):
    """Draw SQNR in dB, by name, against bit width.

    ``rule`` adds the line of 6.02 dB a bit, through 0 dB at 0 bits, to compare slopes with.

    >>> figure = plot_sqnr_by_bits([2, 3], {"uniform": [12.0, 18.1]})
    """
    figure, axes = new_figure(6.4, 4.0)
    bits = np.asarray(bit_widths)
    if rule:
        axes.plot(bits, 6.02 * bits, color=COLORS["black"], linestyle=":", label="6.02 dB a bit")
    for (name, values), color, marker in zip(
        curves.items(), cycle(CYCLE), cycle("osD^vPX"), strict=False
    ):
        axes.plot(bits, values, marker=marker, markersize=5, color=color, label=name)
    axes.set_xlabel("bit width")
    axes.set_ylabel("SQNR (dB)")
    axes.set_xticks(bits)
    axes.legend()
    return figure


@styled
def plot_clipping(clips, rounding, clipping, clip=None, unit="standard deviations"):
    """Draw the two parts of the error, rounding and clipping, against the clip.

    They are the mean squared errors of the values inside and outside, for each of ``clips``.
    ``clip`` is one to mark, ``unit`` the unit of both.

    >>> figure = plot_clipping([1, 2], [0.1, 0.2], [0.3, 0.1], clip=2)
    """
    figure, axes = new_figure(6.0, 3.8)
    _draw_clipping(axes, clips, rounding, clipping, clip)
    axes.set_xlabel(f"clip ({unit})")
    return figure


def _draw_clipping(axes, clips, rounding, clipping, clip):
    total = np.add(rounding, clipping)
    axes.plot(clips, rounding, color=COLORS["blue"], linestyle="--", label="rounding")
    axes.plot(clips, clipping, color=COLORS["vermillion"], linestyle="-.", label="clipping")
    axes.plot(clips, total, color=COLORS["black"], label="both")
    if clip is not None:
        axes.axvline(clip, color=COLORS["green"], linewidth=1.2)
        axes.plot([clip], [np.interp(clip, clips, total)], "o", color=COLORS["green"], markersize=8)
    axes.set_yscale("log")
    # Far below the total a part no longer matters.
    axes.set_ylim(total.min() / 30, total.max() * 2)
    axes.set_ylabel("mean squared error")
    axes.legend(loc="upper right")


@styled
def plot_clip_choice(x, clips, rounding, clipping, clip, bit_width, label="weight"):
    """Draw the values with one clip and its levels, above the error that each clip would cost.

    ``x`` and the clips are in standard deviations, ``clips``, ``rounding`` and ``clipping`` as for
    :func:`plot_clipping`; ``bit_width``, 2 or more, is that of symmetric codes.

    >>> figure = plot_clip_choice([-1, 0, 1], [1, 2], [0.1, 0.2], [0.3, 0.1], 2, bit_width=3)
    """
    figure, (top, bottom) = new_figure(5.4, 5.4, 2, 1)
    _draw_histogram(top, np.asarray(x).ravel())
    steps = 2 ** (bit_width - 1) - 1
    levels = np.linspace(-clip, clip, 2 * steps + 1)
    top.vlines(
        levels,
        0,
        0.12,
        color=COLORS["vermillion"],
        linewidth=1.2,
        transform=top.get_xaxis_transform(),
    )
    for side in (-clip, clip):
        top.axvline(side, color=COLORS["green"], linewidth=1.2)
    top.set_xlim(-1.05 * max(clips), 1.05 * max(clips))
    top.set_xlabel(f"{label} (standard deviations)")
    _draw_clipping(bottom, clips, rounding, clipping, clip)
    bottom.set_xlabel("clip (standard deviations)")
    return figure


@styled
def plot_channel_ranges(largest, step, names=("channel", "largest magnitude")):
    """Draw each channel's largest magnitude beside the one ``step`` that the whole tensor gets.

    >>> figure = plot_channel_ranges([1.0, 0.01], 0.14)
    """
    largest = np.sort(np.asarray(largest))[::-1]
    figure, axes = new_figure(6.4, 3.6)
    lost = largest < step / 2
    index = np.arange(len(largest))
    axes.bar(index[~lost], largest[~lost], color=COLORS["blue"], label="keeps some levels")
    if lost.any():
        axes.bar(
            index[lost], largest[lost], color=COLORS["orange"], hatch="//", label="rounds to zero"
        )
    axes.axhline(step / 2, color=COLORS["black"], linestyle="--", label="half a per-tensor step")
    axes.set_yscale("log")
    axes.set_xlabel(f"{names[0]}, sorted")
    axes.set_ylabel(names[1])
    axes.legend()
    return figure


@styled
def plot_accuracy_by_bits(bit_widths, curves, baseline=None, ylabel="test accuracy (%)"):
    """Draw accuracy against bit width; several runs of one curve as their mean and spread.

    ``curves`` has accuracies in percent by name, one for each bit width (NaN where none was
    measured), or runs × bit widths; ``baseline`` is that in full precision.

    >>> figure = plot_accuracy_by_bits([2, 3], {"symmetric": [[50, 90], [60, 92]]}, baseline=98)
    """
    figure, axes = new_figure(6.4, 3.8)
    bits = np.asarray(bit_widths)
    for (name, values), color, marker in zip(
        curves.items(), cycle(CYCLE), cycle("osD^vPX"), strict=False
    ):
        runs = np.atleast_2d(np.asarray(values, np.float64))
        axes.plot(bits, runs.mean(axis=0), marker=marker, markersize=5, color=color, label=name)
        if len(runs) > 1:
            axes.fill_between(
                bits, runs.min(axis=0), runs.max(axis=0), color=color, alpha=0.18, linewidth=0
            )
    if baseline is not None:
        axes.axhline(baseline, color=COLORS["black"], linestyle=":", label="32-bit float")
    axes.set_xlabel("bit width of the weights")
    axes.set_ylabel(ylabel)
    axes.set_xticks(bits)
    axes.legend(loc="lower right")
    return figure
