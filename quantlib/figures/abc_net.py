"""Pictures of chapter 5: bases by thresholds, what they leave of an error, and accuracy by both."""

import numpy as np

from quantlib.figures.style import COLORS, CYCLE, new_figure, styled

__all__ = [
    "plot_accuracy_grid",
    "plot_activation_bases",
    "plot_error_by_bases",
    "plot_weight_bases",
]


@styled
def plot_weight_bases(w, thresholds, levels, bins=60):
    """Draw the bases of weights as steps, above the weights' histogram and the levels they make.

    A basis is +1 from its threshold on; ``thresholds`` has one for each basis, ``levels`` the
    values that the sum of the bases takes.

    >>> figure = plot_weight_bases([-1.0, 0.2, 0.8], [0.5, 0.0], [-0.6, 0.1, 0.6])
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['$B_1$', '$B_2$']
    """
    w = np.asarray(w, np.float64).ravel()
    figure, (top, bottom) = new_figure(5.0, 4.0, 2, 1, sharex=True, height_ratios=[2, 3])
    limit = 1.05 * float(np.abs(w).max())
    for row, threshold in enumerate(thresholds):
        steps = [row + 0.3, row + 0.3, row - 0.3, row - 0.3]  # the axis points downwards
        top.plot([-limit, threshold, threshold, limit], steps, color=CYCLE[0])
        for place, text in ((-limit, " −1"), (limit, "+1 ")):
            side = "left" if place < 0 else "right"
            top.text(place, row, text, ha=side, va="center", fontsize=10)
    top.set_yticks(range(len(thresholds)), [f"$B_{m + 1}$" for m in range(len(thresholds))])
    top.set_ylim(len(thresholds) - 0.5, -0.5)
    top.set_ylabel("basis")
    top.grid(visible=False)
    counts, _, _ = bottom.hist(w, np.linspace(-limit, limit, bins + 1), color=COLORS["sky"])
    bottom.plot(
        levels, [-0.08 * counts.max()] * len(levels), "^", markersize=9,
        color=COLORS["vermillion"], label="levels",
    )  # fmt: skip
    bottom.set_ylim(-0.16 * counts.max(), 1.08 * counts.max())
    for axes in (top, bottom):
        for threshold in thresholds:
            axes.axvline(threshold, color=COLORS["black"], linewidth=1, linestyle=":")
    bottom.set_xlabel("weight")
    bottom.set_ylabel("count")
    bottom.legend(loc="upper right")
    return figure


@styled
def plot_error_by_bases(curves, points=None, xlabel="bases, or bits a weight"):
    """Draw the relative squared error that remains, on a logarithmic axis, against bases or bits.

    ``curves`` has by name the numbers of bases and the errors; ``points`` likewise single ones
    that are to stand out.

    >>> figure = plot_error_by_bases({"bases": ([1, 2], [0.36, 0.26])}, {"best": (2, 0.12)})
    >>> figure.axes[0].get_yscale()
    'log'
    """
    figure, axes = new_figure(5.0, 4.0)
    ticks = sorted({int(n) for numbers, _ in curves.values() for n in numbers})
    looks = zip(CYCLE, ("o-", "s--", "D:", "v-.", "o--", "s:"), strict=True)
    for (name, (numbers, errors)), (color, look) in zip(curves.items(), looks, strict=False):
        axes.plot(numbers, errors, look, markersize=5, color=color, label=name)
    for name, (number, error) in (points or {}).items():
        axes.plot([number], [error], "*", markersize=14, color=COLORS["orange"], label=name)
    axes.set_yscale("log")
    axes.set_xticks(ticks)
    axes.set_xlabel(xlabel)
    axes.set_ylabel("relative squared error")
    axes.legend(loc="lower left")
    return figure


@styled
def plot_activation_bases(sums, limit=2.0):
    r"""Draw sums of activation bases, a panel for each, with the ramps that stand in for them.

    ``sums`` has by name the shifts v and the factors beta of the bases. Full lines are the sum
    :math:`\sum_n \beta_n H_{v_n}(x)`, dashed ones what the gradient sees in its place,
    :math:`\sum_n \beta_n (2 h_{v_n}(x) - 1)`.

    >>> figure = plot_activation_bases({"one": ([0.5], [1.0])})
    >>> figure.axes[0].get_title(loc="left")
    'one'
    """
    n = len(sums)
    figure, panels = new_figure(0.5 + 1.5 * n, 3.0, 1, n, sharey=True, squeeze=False)
    x = np.linspace(-limit, limit, 2001)
    for axes, (name, (v, beta)) in zip(panels[0], sums.items(), strict=True):
        v, beta = np.asarray(v, np.float64), np.asarray(beta, np.float64)
        ramps = np.clip(x + v[:, None], 0, 1)
        axes.plot(x, beta @ np.where(ramps >= 0.5, 1, -1), color=COLORS["blue"], label="forward")
        axes.plot(
            x, beta @ (2 * ramps - 1), "--", color=COLORS["vermillion"], label="for the gradient"
        )
        axes.set_title(name, loc="left")
        axes.set_xlabel("activation x")
    panels[0, 0].set_ylabel("sum of the bases")
    lines = panels[0, 0].get_lines()
    figure.legend(handles=lines, loc="outside lower center", ncols=len(lines))
    return figure


@styled
def plot_accuracy_grid(grid, rows, columns, ylabel="weight bases M", xlabel="activation bases N"):
    """Draw accuracies (percent) by two numbers as a grid: the mean of the runs, and their range.

    ``grid`` is rows x columns x runs.

    >>> figure = plot_accuracy_grid([[[90.0, 92.0]]], ["1"], ["1"])
    >>> figure.axes[0].texts[0].get_text()
    '91.0\\n90.0 to 92.0'
    """
    grid = np.asarray(grid, np.float64)
    means = grid.mean(axis=2)
    figure, axes = new_figure(0.8 + 1.05 * len(columns), 0.8 + 0.75 * len(rows))
    low, high = means.min(), means.max()
    top = high + 0.9 * max(high - low, 0.1)  # light enough for black numbers
    axes.imshow(means, cmap="Blues", vmin=low, vmax=top, aspect="auto")
    for (i, j), mean in np.ndenumerate(means):
        text = f"{mean:.1f}\n{grid[i, j].min():.1f} to {grid[i, j].max():.1f}"
        axes.text(j, i, text, ha="center", va="center", fontsize=10)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_ylabel(ylabel)
    axes.set_xlabel(xlabel)
    axes.grid(visible=False)
    return figure
