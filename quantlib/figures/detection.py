"""Pictures of a detector: what it finds on a canvas, and its mean average precision by bits."""

import numpy as np
from matplotlib.patches import Rectangle

from quantlib.figures.style import COLORS, CYCLE, new_figure, styled

__all__ = ["plot_detections", "plot_map_by_bits"]

_LOOKS = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
_MARKERS = "osD^vP"


@styled
def plot_detections(image, truths, found):
    """Draw a canvas once for each network, with the boxes that it finds, and dotted the true ones.

    Parameters
    ----------
    image : array
        1 x H x W, 0 (paper) to 1 (ink).
    truths : array
        The boxes of the objects, n x 4: left, top, right and bottom edge.
    found : dict of str to Detections
        By network, up to three.

    Examples
    --------
    >>> from quantlib.detection import Detections
    >>> found = Detections(np.array([[1, 1, 7, 6.5]]), np.array([0.9]), np.array([3]))
    >>> figure = plot_detections(np.zeros((1, 8, 8)), [[1, 1, 7, 7]], {"8 bits": found})
    >>> [float(patch.get_height()) for patch in figure.axes[0].patches]
    [5.5, 6.0]
    """
    image = np.asarray(image)[0]
    height, width = image.shape
    figure, panels = new_figure(5.2, 0.4 + 5.8 / len(found), 1, len(found), squeeze=False)
    for axes, (name, one) in zip(panels[0], found.items(), strict=True):
        axes.imshow(image, cmap="Greys", vmin=0, vmax=1.6, extent=(0, width, height, 0))
        _frames(axes, one.boxes, edgecolor=COLORS["vermillion"])
        _frames(axes, truths, edgecolor=COLORS["black"], linestyle=":")
        for (left, top, _, _), label in zip(one.boxes, one.labels, strict=True):
            axes.text(
                left, top - 0.8, str(label),
                color=COLORS["vermillion"], fontsize=12, fontweight="bold", va="bottom",
            )  # fmt: skip
        axes.set_xlim(0, width)
        axes.set_ylim(height, 0)
        axes.set_title(name, pad=16)  # room for labels of boxes at the upper edge
        axes.grid(visible=False)
        axes.set_xlabel("x (pixels)")
    panels[0][0].set_ylabel("y (pixels)")
    return figure


def _frames(axes, boxes, **look):
    for left, top, right, bottom in boxes:
        corner, width, height = (left, top), right - left, bottom - top
        axes.add_patch(Rectangle(corner, width, height, fill=False, linewidth=1.8, **look))


@styled
def plot_map_by_bits(bit_widths, panels, real=None):
    """Draw mAP against bits, a panel for each way to take it and a line for each part.

    Parameters
    ----------
    bit_widths : sequence of int
    panels : dict of str to dict of str to array
        By panel and part, a row of values (0 to 1) for each run, with a column for each of
        ``bit_widths``. The line is the mean, and the band goes from the lowest run to the highest.
    real : dict of str to float, optional
        By panel, the mAP in floating point: a dotted line.

    Examples
    --------
    >>> figure = plot_map_by_bits([2, 8], {"IoU 0.5": {"box head": [[0.5, 0.9], [0.7, 0.9]]}})
    >>> [round(float(y), 6) for y in figure.axes[0].lines[0].get_ydata()]
    [0.6, 0.9]
    """
    figure, rows = new_figure(
        5.2, 0.9 + 2.3 * len(panels), len(panels), 1, sharex=True, squeeze=False
    )
    for (axes,), (name, parts) in zip(rows, panels.items(), strict=True):
        for (part, runs), color, look, marker in zip(
            parts.items(), CYCLE, _LOOKS, _MARKERS, strict=False
        ):
            runs = np.asarray(runs, np.float64)
            axes.plot(
                bit_widths, runs.mean(0), linestyle=look, marker=marker, markersize=5, color=color,
                label=part,
            )  # fmt: skip
            axes.fill_between(
                bit_widths, runs.min(0), runs.max(0), color=color, alpha=0.15, linewidth=0
            )
        if real is not None:
            axes.axhline(real[name], color=COLORS["black"], linewidth=1, linestyle=":")
        axes.set_ylim(bottom=0)
        axes.set_xticks(bit_widths)
        axes.set_ylabel(f"mAP, {name}")
    rows[-1][0].set_xlabel("bits of the part (dotted: floating point)")
    rows[0][0].legend(fontsize=10, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure
