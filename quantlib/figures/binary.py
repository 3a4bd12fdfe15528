"""Pictures of chapter 4: signs and their scales, latent weights, estimators, bits of two words."""

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.patches import Rectangle

from quantlib.figures.style import COLORS, CYCLE, new_figure, styled

__all__ = [
    "plot_flips",
    "plot_latent_paths",
    "plot_maps",
    "plot_methods",
    "plot_sign_patterns",
    "plot_ste",
    "plot_xnor",
]


@styled
def plot_sign_patterns(scales, errors, best):
    """Draw the best scale and the squared error that remains for every sign pattern of a filter.

    ``best`` is the index of the pattern to be marked: the signs of the weights.

    >>> figure = plot_sign_patterns([-0.5, 0.5, 1.0], [2.0, 2.0, 0.5], best=2)
    >>> figure.axes[0].get_ylabel()
    'squared error'
    """
    figure, axes = new_figure(6.0, 3.4)
    axes.plot(scales, errors, "o", markersize=3.5, color=COLORS["sky"], label="a pattern")
    axes.plot(
        scales[best], errors[best], "*", markersize=14, color=COLORS["vermillion"], label="sign(W)"
    )
    axes.set_xlabel("best scale of the pattern")
    axes.set_ylabel("squared error")
    axes.set_ylim(bottom=0)
    axes.legend(loc="lower center")
    return figure


@styled
def plot_maps(maps, windows=(), max_columns=2, formats="z.1f"):
    """Draw small maps (H x W, by name) side by side, with the number in each pixel.

    A map of -1 and +1 alone is drawn in two colours, another one with negative values in shades of
    two colours, the others in shades of one.

    Parameters
    ----------
    windows : sequence of (str, int, int, int, int)
        Frames to draw: name of the map, first row, first column, rows, columns.
    formats : str or None
        Format of the numbers; None leaves them out.

    Examples
    --------
    >>> figure = plot_maps({"A": [[0.0, 1.0], [2.0, 3.0]]}, [("A", 0, 0, 1, 2)])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['0.0', '1.0', '2.0', '3.0']
    """
    columns = min(max_columns, len(maps))
    rows = -(-len(maps) // columns)
    figure, panels = new_figure(3.1 * columns, 3.2 * rows, rows, columns, squeeze=False)
    for axes, (name, values) in zip(panels.flat, maps.items(), strict=False):
        values = np.asarray(values, np.float64)
        signs = bool((np.abs(values) == 1).all())
        top = max(float(np.abs(values).max()), 1e-30)
        if signs:
            shades, low = ListedColormap([COLORS["orange"], COLORS["sky"]]), -1
        else:
            shades, low = ("PuOr", -top) if values.min() < 0 else ("Blues", 0)
        # Ends beyond the values keep the colours light enough for black numbers.
        stretch = 1 if signs else 1.7
        axes.imshow(values, cmap=shades, vmin=stretch * low, vmax=stretch * top)
        if formats is not None:
            for (i, j), value in np.ndenumerate(values):
                text = format(value, "+.0f" if signs else formats)
                axes.text(j, i, text, ha="center", va="center", fontsize=7)
        framed = [window[1:] for window in windows if window[0] == name]
        for place, (i, j, height, width) in enumerate(framed):
            inset = 0.06 * place  # so that frames of overlapping windows stay apart
            axes.add_patch(
                Rectangle(
                    (j - 0.5 + inset, i - 0.5 + inset), width - 2 * inset, height - 2 * inset,
                    fill=False, linewidth=2.5, edgecolor=CYCLE[1 + place],
                )
            )  # fmt: skip
        axes.set_title(name, loc="left")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.grid(visible=False)
    for axes in panels.flat[len(maps) :]:
        axes.set_visible(False)
    return figure


@styled
def plot_latent_paths(paths, flip_share):
    """Draw latent weights over the steps of training, and how many of a layer flip in each.

    ``paths`` has by name a latent weight after each step, ``flip_share`` the percentage of the
    layer's weights that change their sign, for each step but the first.

    >>> figure = plot_latent_paths({"w": [0.1, -0.1, 0.2]}, [50.0, 25.0])
    >>> figure.axes[0].lines[1].get_xdata().tolist()  # flips
    [1, 2]
    """
    figure, (top, bottom) = new_figure(7.0, 5.0, 2, 1, sharex=True, height_ratios=[3, 2])
    for (name, path), color in zip(paths.items(), CYCLE, strict=False):
        path = np.asarray(path, np.float64)
        flips = 1 + np.flatnonzero((path[1:] >= 0) != (path[:-1] >= 0))
        top.plot(path, color=color, linewidth=1.3, label=name)
        top.plot(flips, path[flips], "o", markersize=4, color=color)
    top.axhline(0, color=COLORS["black"], linewidth=1)
    top.set_ylabel("latent weight")
    top.legend(loc="best")
    bottom.plot(np.arange(1, len(flip_share) + 1), flip_share, color=COLORS["blue"], linewidth=1.2)
    bottom.set_ylim(bottom=0)
    bottom.set_xlabel("step of training")
    bottom.set_ylabel("signs flipped (%)")
    return figure


@styled
def plot_flips(changes):
    """Draw what flipping a weight does to the loss, against what the gradient promises.

    ``changes`` has by name the loss's change as promised and as measured, for each flipped weight.

    >>> figure = plot_flips({"BNN": ([-0.1, 0.1], [0.0, 0.1])})
    >>> figure.axes[0].get_xlabel()
    'change promised'
    """
    figure, panels = new_figure(3.3 * len(changes) + 0.4, 3.4, 1, len(changes), squeeze=False)
    for axes, (name, (promised, measured)) in zip(panels[0], changes.items(), strict=True):
        ends = [min(np.min(promised), 0), max(np.max(promised), 0)]
        axes.plot(ends, ends, color=COLORS["black"], linewidth=1, linestyle="--")
        axes.plot(promised, measured, "o", markersize=3, color=COLORS["blue"], alpha=0.6)
        axes.axhline(0, color=COLORS["black"], linewidth=0.8)
        axes.axvline(0, color=COLORS["black"], linewidth=0.8)
        axes.set_title(name, loc="left")
        axes.set_xlabel("change promised")
        axes.locator_params(nbins=5)
    panels[0, 0].set_ylabel("change measured")
    return figure


@styled
def plot_methods(accuracies, xlabel="test accuracy (%)"):
    """Draw one row for each method: a dot for each run's accuracy (percent), a bar for their mean.

    >>> figure = plot_methods({"float": [99.0, 98.0], "BNN": [95.0, 97.0]})
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['float', 'BNN']
    """
    figure, axes = new_figure(5.0, 0.9 + 0.42 * len(accuracies))
    for row, values in enumerate(accuracies.values()):
        axes.plot(values, [row] * len(values), "o", markersize=6, color=COLORS["blue"], alpha=0.7)
        axes.plot([np.mean(values)], [row], "|", markersize=18, mew=2, color=COLORS["vermillion"])
    axes.set_yticks(range(len(accuracies)), list(accuracies))
    axes.set_ylim(len(accuracies) - 0.5, -0.5)
    axes.set_xlabel(xlabel)
    axes.set_ylabel("method")
    return figure


@styled
def plot_ste(x, clip_value, limit, label="value"):
    """Draw a straight-through estimator: the sign, what stands in for it, and who gets a gradient.

    The gradient is passed where ``|x| <= clip_value``; everywhere if that is None. The horizontal
    axis ends at ± ``limit``; values beyond are counted in its outermost bins.

    >>> figure = plot_ste([-2.0, 0.1, 0.4], clip_value=1.0, limit=3.0)
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['output', 'count']
    """
    figure, (top, bottom) = new_figure(5.6, 4.6, 2, 1, sharex=True)
    line = np.linspace(-limit, limit, 401)
    clip = np.inf if clip_value is None else clip_value
    top.plot([-limit, 0, 0, limit], [-1, -1, 1, 1], color=COLORS["black"], label="forward: sign(x)")
    stand_in = "x" if clip_value is None else f"clip(x, −{clip_value:g}, {clip_value:g})"
    top.plot(
        line, np.clip(line, -clip, clip), "--", color=COLORS["vermillion"],
        label=f"backward: as if {stand_in}",
    )  # fmt: skip
    top.set_ylim(-max(1.15 * limit, 2.4), 1.15 * limit)  # room for the legend below −1
    top.set_ylabel("output")
    top.legend(loc="lower right")
    values = np.asarray(x, np.float64).ravel()
    passed = np.abs(values) <= clip
    edges = np.linspace(-limit, limit, 61)
    both = [np.clip(values[chosen], -limit, limit) for chosen in (passed, ~passed)]
    bottom.hist(
        both, edges, stacked=True, color=[COLORS["sky"], COLORS["orange"]],
        label=["gradient passed", "gradient blocked"],
    )  # fmt: skip
    if clip < limit:
        for axes in (top, bottom):
            for end in (-clip, clip):
                axes.axvline(end, color=COLORS["vermillion"], linewidth=1, linestyle=":")
    bottom.set_xlabel(label)
    bottom.set_ylabel("count")
    bottom.legend(loc="upper left")
    return figure


@styled
def plot_xnor(a_bits, b_bits, done, length):
    """Draw two words of signs (1 stands for -1), their XOR and the count of ones, up to one bit.

    A bit of 1 stands for -1. ``done`` bits have been worked on, and ``length`` of them hold a
    value; the others are spare.

    >>> figure = plot_xnor([0, 1, 0], [1, 1, 0], done=2, length=2)
    >>> [text.get_text() for text in figure.axes[0].texts][-1]
    'popcount 1,  2 − 2 · 1 = 0'
    """
    a, b = np.asarray(a_bits), np.asarray(b_bits)
    figure, axes = new_figure(6.4, 3.4)
    axes.set_axis_off()
    axes.grid(visible=False)
    rows = {
        "a": [f"{1 - 2 * bit:+d}" for bit in a],
        "b": [f"{1 - 2 * bit:+d}" for bit in b],
        "a · b": [f"{1 - 2 * bit:+d}" for bit in a ^ b],
        "bit of a": [str(bit) for bit in a],
        "bit of b": [str(bit) for bit in b],
        "XOR": [str(bit) for bit in a ^ b],
    }
    for row, (name, texts) in enumerate(rows.items()):
        y = row + 0.4 * (row > 2)
        axes.text(-0.8, y, name, ha="right", va="center")
        for column, text in enumerate(texts):
            result, spare = name in ("a · b", "XOR"), column >= length
            if (result and column >= done) or (spare and row < 3):
                continue
            ground = "#e3e3e3" if spare else COLORS["yellow"] if column == done - 1 else "white"
            ones = result and text in ("1", "-1")
            if ones and spare:  # it counts, and stands for no product
                color = COLORS["vermillion"]
            else:
                color = COLORS["orange"] if ones and column != done - 1 else ground
            axes.add_patch(
                Rectangle((column - 0.45, y - 0.42), 0.9, 0.84, facecolor=color, edgecolor="#888")
            )
            axes.text(column, y, text.replace("-", "−"), ha="center", va="center")
    if length < len(a):
        middle = (length + len(a) - 1) / 2
        axes.text(middle, 1, "spare", ha="center", va="center", color="#555555")
    ones, seen = int((a ^ b)[:done].sum()), min(done, length)
    total = str(seen - 2 * ones).replace("-", "−")
    text = f"popcount {ones},  {seen} − 2 · {ones} = {total}"
    axes.text((len(a) - 1) / 2, len(rows) + 0.7, text, ha="center", va="center", fontsize=13)
    axes.set_xlim(-3.2, len(a) - 0.4)
    axes.set_ylim(len(rows) + 1.2, -0.6)
    return figure
