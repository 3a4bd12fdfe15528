"""The detector's figures show what they are given."""

import numpy as np
import pytest

from quantlib import figures
from quantlib.detection import Detections
from tests import form

FOUND = Detections(np.array([[2.0, 2, 8, 9]]), np.array([0.9]), np.array([4]))
NOTHING = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64))
PANELS = {
    "IoU 0.5": {"box head": [[0.5, 0.9], [0.7, 0.9]], "class head": [[0.4, 0.9]] * 2},
    "mean": {"box head": [[0.1, 0.6]] * 2, "class head": [[0.3, 0.6]] * 2},
}
FIGURES = {
    "canvas": lambda: figures.plot_detections(
        np.zeros((1, 16, 16)), [[2, 2, 8, 8]], {"8 bits": FOUND, "2 bits": NOTHING}
    ),
    "bits": lambda: figures.plot_map_by_bits([2, 8], PANELS, {"IoU 0.5": 0.9, "mean": 0.6}),
}


@pytest.mark.parametrize("name", FIGURES)
def test_axes_are_named_and_colours_are_the_course_s(name):
    figure = FIGURES[name]()
    assert figure.axes[0].get_ylabel() and figure.axes[-1].get_xlabel()
    assert form.foreign_colors(figure) == set()


@pytest.mark.parametrize("name", FIGURES)
def test_letters_are_large_enough_for_a_phone(name):
    assert form.smallest_letters(FIGURES[name]()) >= 9


def test_true_boxes_are_in_each_panel_and_found_ones_in_their_own():
    left, right = FIGURES["canvas"]().axes
    edges = [
        [patch.get_bbox().extents.tolist() for patch in axes.patches] for axes in (left, right)
    ]
    assert edges == [[[2, 2, 8, 9], [2, 2, 8, 8]], [[2, 2, 8, 8]]]
    assert [text.get_text() for text in left.texts] == ["4"] and not right.texts


def test_means_and_spread_are_drawn_by_part():
    top, bottom = FIGURES["bits"]().axes
    assert [line.get_label() for line in top.lines[:2]] == ["box head", "class head"]
    np.testing.assert_allclose(top.lines[0].get_ydata(), [0.6, 0.9])
    assert {tuple(v) for v in top.collections[0].get_paths()[0].vertices} >= {(2, 0.5), (2, 0.7)}
    np.testing.assert_allclose(bottom.lines[1].get_ydata(), [0.3, 0.6])
    assert bottom.lines[2].get_ydata()[0] == 0.6
