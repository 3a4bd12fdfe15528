"""Figures of the page on kernels: how words lie in memory, and how fast the kernels are."""

import numpy as np
from matplotlib.patches import Rectangle

from quantlib.figures.style import COLORS, new_figure, styled

__all__ = ["plot_panels", "plot_roofline", "plot_speed_ups"]


@styled
def plot_panels(n_rows=16, n_words=4, lanes=16):
    """Draw how the second operand lies in memory, and how a word of the first meets it.

    A panel has ``lanes`` rows, and all ``n_rows`` rows of ``n_words`` words of 32 signs are in one.

    >>> figure = plot_panels(n_words=2)
    """
    figure, axes = new_figure(7.5, 3.9)
    axes.set_axis_off()
    axes.grid(False)
    shades = [COLORS[name] for name in ("sky", "orange", "green", "purple", "yellow", "blue")]

    def box(x, y, word, text):
        axes.add_patch(
            Rectangle((x, y), 0.92, 0.8, facecolor=shades[word % 6], alpha=0.55, linewidth=0)
        )
        axes.text(x + 0.46, y + 0.4, text, ha="center", va="center", fontsize=8)

    axes.text(0, 7.4, "a row of the first", fontsize=10)
    for word in range(n_words):
        box(word, 6.3, word, f"a{word}")
    axes.text(n_words + 3, 7.4, f"its first word, copied into {lanes} lanes", fontsize=10)
    for lane in range(min(lanes, n_rows)):
        axes.add_patch(
            Rectangle((n_words + 3 + 0.62 * lane, 6.3), 0.57, 0.8, facecolor=shades[0], alpha=0.55)
        )
        axes.text(n_words + 3.28 + 0.62 * lane, 6.7, "a0", ha="center", va="center", fontsize=7)
    axes.text(0, 5.1, "rows of the second", fontsize=10)
    shown = [0, 1, 2, n_rows - 1]
    for place, row in enumerate(shown):
        y = 4 - place * 0.95 - (0.45 if place == len(shown) - 1 else 0)
        for word in range(n_words):
            box(word, y, word, f"b{row},{word}")
    axes.text(n_words / 2, 1.95, "⋮", ha="center", va="center", fontsize=11)
    axes.text(
        n_words + 3, 5.1, "the same as a panel: one word of all rows, then the next", fontsize=10
    )
    for word in range(n_words):
        for lane in range(lanes):
            x, y = n_words + 3 + 0.62 * lane, 4 - 0.95 * word
            axes.add_patch(
                Rectangle((x, y), 0.57, 0.8, facecolor=shades[word % 6], alpha=0.55, linewidth=0)
            )
            axes.text(x + 0.285, y + 0.4, f"{lane},{word}", ha="center", va="center", fontsize=6)
        axes.text(n_words + 2.8, 4.4 - 0.95 * word, f"w{word}", ha="right", va="center", fontsize=9)
    axes.annotate("", (n_words + 2.3, 3.0), (n_words + 0.3, 3.0), arrowprops={"arrowstyle": "->"})
    axes.text(n_words + 3, 0.25, f"one line = one register of {32 * lanes} bits", fontsize=10)
    axes.set_xlim(-0.2, n_words + 3.2 + 0.62 * lanes)
    axes.set_ylim(0, 8)
    return figure


@styled
def plot_roofline(points, ceilings, bytes_per_second):
    """Plot speed over arithmetic intensity, below the ceilings of the machine.

    Parameters
    ----------
    points : dict
        Name of a kernel to (operations for each byte that must be moved, operations a second).
    ceilings : dict
        Name of a loop that stays in registers to its operations a second.
    bytes_per_second : float
        Speed of reading from memory.

    Examples
    --------
    >>> figure = plot_roofline({"a": (100.0, 1e11)}, {"popcount": 2e12}, 1e10)
    """
    figure, axes = new_figure(7.2, 4.6)
    intensity = np.array([value for value, _ in points.values()])
    x = np.geomspace(min(1.0, intensity.min() / 2), intensity.max() * 8, 200)
    lines = ("-", "--", "-.", ":")
    names = [COLORS[name] for name in ("blue", "vermillion", "green", "orange")]
    for (name, top), line, color in zip(ceilings.items(), lines, names, strict=False):
        axes.plot(x, np.minimum(top, x * bytes_per_second) / 1e9, line, color=color, label=name)
    for (name, (place, speed)), marker in zip(points.items(), "osD^vPX*hd", strict=False):
        # Outlines only: points that lie on one another can both be seen.
        axes.plot(
            [place], [speed / 1e9], marker, color=COLORS["black"], markersize=9,
            markerfacecolor="none", markeredgewidth=1.4, label=name,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("operations for each byte moved (log scale)")
    axes.set_ylabel("billion operations a second (log scale)")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


@styled
def plot_speed_ups(ratios, unit="times torch float32"):
    """Plot how many times faster than a peer each kernel is: median, lower and upper quartile.

    >>> figure = plot_speed_ups({"xnor_gemm": (25.0, 24.0, 26.0)})
    """
    figure, axes = new_figure(7.2, 0.9 + 0.36 * len(ratios))
    middle = np.array([value[0] for value in ratios.values()])
    low, high = (np.array([value[i] for value in ratios.values()]) for i in (1, 2))
    places = np.arange(len(ratios))[::-1]
    axes.barh(places, middle, color=COLORS["sky"], height=0.62)
    axes.errorbar(
        middle, places, xerr=[middle - low, high - middle], fmt="none", ecolor=COLORS["black"]
    )
    for place, value, end in zip(places, middle, high, strict=True):
        axes.text(end * 1.08, place, f"{value:.3g}", va="center", fontsize=9)
    axes.axvline(1, color=COLORS["vermillion"], linestyle="--")
    axes.set_yticks(places, list(ratios))
    axes.set_xscale("log")
    axes.set_xlim(right=high.max() * 1.9)
    axes.set_xlabel(f"{unit} (log scale)")
    axes.set_ylabel("kernel")
    axes.grid(axis="y", visible=False)
    return figure
