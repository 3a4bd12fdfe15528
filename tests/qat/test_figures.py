"""Chapter 10's figures show the numbers that they are given."""

import numpy as np
import pytest

from quantlib import figures
from tests import form

GRADIENTS = {"by x": [1.0, 0.0], "by the clip": [0.0, 1.0], "by the step": [0.2, 3.0]}
FIGURES = {
    "copy": lambda: figures.plot_real_copy([0.4, 0.6], [0.0, 1.0], [0.0, 1.0]),
    "gradients": lambda: figures.plot_range_gradients([0.0, 2.0], [0.0, 1.0], GRADIENTS, 1.0),
    "slope": lambda: figures.plot_step_slope([0.1, 0.2], {"2 bits": ([-1, 0.5], [-0.9, 0.4])}),
}


@pytest.mark.parametrize("name", FIGURES)
def test_axes_are_named_and_colours_are_the_course_s(name):
    figure = FIGURES[name]()
    assert all(axes.get_ylabel() for axes in figure.axes) and figure.axes[-1].get_xlabel()
    assert form.foreign_colors(figure) == set()


@pytest.mark.parametrize("name", FIGURES)
def test_letters_are_large_enough_for_a_phone(name):
    assert form.smallest_letters(FIGURES[name]()) >= 9


def test_a_real_copy_moves_between_levels_and_thresholds():
    levels = [-1.0, 0.0, 1.0]
    (axes,) = figures.plot_real_copy([0.1, 0.4, 0.7], [0.0, 0.0, 1.0], levels).axes
    heights = [line.get_ydata()[0] for line in axes.lines[:5]]
    assert heights == [*levels, -0.5, 0.5]
    drawn = {line.get_label(): list(line.get_ydata()) for line in axes.lines[5:]}
    assert drawn == {
        "the weight that computes": [0.0, 0.0, 1.0],
        "its real copy": [0.1, 0.4, 0.7],
    }


def test_each_gradient_has_a_panel_and_the_last_level_is_marked_in_all():
    figure = figures.plot_range_gradients([0.0, 2.0], [0.0, 1.0], GRADIENTS, 1.5)
    assert [axes.get_ylabel() for axes in figure.axes] == ["value", *GRADIENTS]
    assert list(figure.axes[0].lines[1].get_ydata()) == [0.0, 1.0]
    for axes, slopes in zip(figure.axes[1:], GRADIENTS.values(), strict=True):
        assert list(axes.lines[0].get_ydata()) == slopes
    assert all(list(axes.lines[-1].get_xdata()) == [1.5, 1.5] for axes in figure.axes)
    assert len({axes.lines[0].get_color() for axes in figure.axes[1:]}) == 3


def test_a_measured_slope_is_a_line_and_the_rule_s_are_dots_of_its_colour():
    slopes = {"2 bits": ([-1.0, 0.5], [-0.9, 0.4]), "3 bits": ([-2.0, 0.3], [-1.9, 0.2])}
    (axes,) = figures.plot_step_slope([0.1, 0.2], slopes).axes
    for k, (name, pair) in enumerate(slopes.items()):
        line, dots = axes.lines[1 + 2 * k : 3 + 2 * k]
        np.testing.assert_array_equal([line.get_ydata(), dots.get_ydata()], pair)
        assert line.get_color() == dots.get_color()
        assert (line.get_linestyle(), dots.get_linestyle()) == ("-", "None")
        assert line.get_label().startswith(name) and dots.get_label().startswith(name)
