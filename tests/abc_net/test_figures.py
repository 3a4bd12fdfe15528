"""Chapter 5's figures show the numbers that they are given."""

import matplotlib as mpl
import numpy as np
import pytest

from quantlib import figures

W = np.random.default_rng(0).standard_normal(500)
FIGURES = {
    "weights": lambda: figures.plot_weight_bases(W, [1.0, 0.0, -1.0], [-1.5, -0.5, 0.5, 1.5]),
    "errors": lambda: figures.plot_error_by_bases(
        {"a": ([1, 2], [0.3, 0.2]), "b": ([2, 3], [0.1, 0.05])}, {"best": (2, 0.08)}
    ),
    "activations": lambda: figures.plot_activation_bases({"two": ([1.0, 0.0], [0.5, 0.5])}),
}


@pytest.mark.parametrize("name", FIGURES)
def test_axes_are_named_and_colours_are_the_course_s(name):
    palette = {mpl.colors.to_hex(color) for color in figures.COLORS.values()}
    figure = FIGURES[name]()
    assert figure.axes[0].get_ylabel() and figure.axes[-1].get_xlabel()
    for axes in figure.axes:
        assert {mpl.colors.to_hex(line.get_color()) for line in axes.lines} <= palette


def test_each_basis_steps_up_at_its_threshold():
    thresholds, levels = [0.5, -0.25], [-1.0, 0.0, 1.0]
    top, bottom = figures.plot_weight_bases(W, thresholds, levels).axes
    for row, threshold in enumerate(thresholds):
        x, y = top.lines[row].get_data()
        assert x[1] == x[2] == threshold
        assert y[0] == y[1] > row > y[2] == y[3]  # downwards is less: the axis is turned round
    assert top.get_ylim()[0] > top.get_ylim()[1]
    assert sum(bar.get_height() for bar in bottom.patches) == len(W)
    assert bottom.lines[0].get_xdata().tolist() == levels


def test_errors_are_drawn_where_they_were_given():
    (axes,) = FIGURES["errors"]().axes
    a, b, best = axes.lines
    assert a.get_xydata().tolist() == [[1, 0.3], [2, 0.2]]
    assert b.get_xydata().tolist() == [[2, 0.1], [3, 0.05]]
    assert best.get_xydata().tolist() == [[2, 0.08]]
    assert [line.get_label() for line in axes.lines] == ["a", "b", "best"]
    assert axes.get_xticks().tolist() == [1, 2, 3]


def test_sums_of_activation_bases_are_the_formula():
    v, beta = [1.25, 0.5, -0.25], [0.5, 0.25, 1.0]
    (axes,) = figures.plot_activation_bases({"three": (v, beta)}).axes
    forward, backward = axes.lines
    x = forward.get_xdata()
    ramps = [np.clip(x + shift, 0, 1) for shift in v]
    steps = sum(b * np.where(h >= 0.5, 1.0, -1.0) for b, h in zip(beta, ramps, strict=True))
    np.testing.assert_allclose(forward.get_ydata(), steps)
    wanted = sum(b * (2 * h - 1) for b, h in zip(beta, ramps, strict=True))
    np.testing.assert_allclose(backward.get_ydata(), wanted)


def test_the_grid_shows_means_and_ranges_in_readable_shades():
    grid = [[[90.0, 92.0], [95.0, 96.0]], [[91.0, 91.0], [97.0, 98.0]]]
    (axes,) = figures.plot_accuracy_grid(grid, ["1", "3"], ["1", "real"]).axes
    assert [text.get_text() for text in axes.texts] == [
        "91.0\n90.0 to 92.0", "95.5\n95.0 to 96.0", "91.0\n91.0 to 91.0", "97.5\n97.0 to 98.0",
    ]  # fmt: skip
    assert [label.get_text() for label in axes.get_yticklabels()] == ["1", "3"]
    (image,) = axes.images
    rgb = image.cmap(image.norm(np.asarray(image.get_array())))[..., :3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    assert (linear @ [0.2126, 0.7152, 0.0722] + 0.05).min() / 0.05 >= 4.5  # WCAG 2, black on it
