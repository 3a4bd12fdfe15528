"""Chapter 7's figures show the numbers that they are given."""

from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pytest

from quantlib import figures

PALETTE = {mpl.colors.to_hex(color) for color in figures.COLORS.values()}
W = np.random.default_rng(7).standard_normal(300)
LEVELS = {"binary": ([-0.8, 0.8], [0.0]), "ternary": ([-1.2, 0.0, 1.2], [-0.6, 0.6])}
PATHS = {
    "conv2": ([0.1, 0.2, 0.3], [0.1, 0.1, -0.1], [40, 45, 50], [20, 10, 5]),
    "fc1": ([0.3, 0.3, 0.2], [0.2, 0.2, 0.2], [45, 45, 45], [10, 5, 0]),
}
FIGURES = {
    "levels": lambda: figures.plot_weight_levels(W, LEVELS),
    "errors": lambda: figures.plot_threshold_errors([0.5, 0.7], {"a": [3, 2]}, {"TWN": 0.7}),
    "paths": lambda: figures.plot_ternary_paths(PATHS),
}


@pytest.mark.parametrize("name", FIGURES)
def test_axes_are_named_and_colours_are_the_course_s(name):
    figure = FIGURES[name]()
    assert figure.axes[0].get_ylabel() and any(axes.get_xlabel() for axes in figure.axes)
    for axes in figure.axes:
        for line in axes.lines:
            assert mpl.colors.to_hex(line.get_color()) in PALETTE


def test_each_weight_is_counted_once_with_the_level_that_it_goes_to():
    for axes, (values, thresholds) in zip(
        figures.plot_weight_levels(W, LEVELS).axes, LEVELS.values(), strict=True
    ):
        counts = [sum(bar.get_height() for bar in bars) for bars in axes.containers]
        inner = [-np.inf, *thresholds, np.inf]
        expected = [sum(low < w <= high for w in W) for low, high in pairwise(inner)]
        assert counts == expected
        lines = [line.get_xdata()[0] for line in axes.lines]
        assert lines == [*values, *thresholds]


def test_the_least_error_is_a_dot_and_rules_are_lines():
    errors = {"a": [3.0, 1.0, 2.0], "b": [9.0, 8.0, 7.0]}
    (axes,) = figures.plot_threshold_errors([0.5, 0.7, 0.9], errors, {"TWN": 0.7}).axes
    first, dot_a, _, dot_b, rule = axes.lines
    assert first.get_ydata().tolist() == errors["a"]
    assert dot_a.get_xydata().tolist() == [[0.7, 1.0]]
    assert dot_b.get_xydata().tolist() == [[0.9, 7.0]]
    assert list(rule.get_xdata()) == [0.7, 0.7]
    assert [text.get_text().strip() for text in axes.texts] == ["TWN"]


def test_the_negative_level_is_drawn_with_its_sign_and_shares_fill_the_panel():
    figure = figures.plot_ternary_paths(PATHS)
    top = figure.axes[0]
    positive, negative = top.lines[:2]
    assert positive.get_xydata().tolist() == [[1, 0.1], [2, 0.2], [3, 0.3]]
    assert negative.get_ydata().tolist() == [-0.1, -0.1, 0.1]
    bands = figure.axes[2].collections
    heights = [band.get_paths()[0].vertices[:, 1].max() for band in bands]
    assert heights == [50, 60, 100]
    assert [axes.get_title(loc="left") for axes in figure.axes[:2]] == list(PATHS)
    names = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    assert names == [["$W_p$", "$-W_n$"], [], ["−1", "0", "+1"], []]
    places = [text.get_position()[1] for text in figure.axes[2].texts]
    assert places == [20, 50, 80]  # the middles of 0 to 40, 40 to 60, 60 to 100
