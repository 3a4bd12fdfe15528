"""Chapter 9's figures show the numbers that they are given."""

import matplotlib as mpl
import numpy as np
import pytest

from quantlib import figures
from quantlib.ptq.analysis import LayerReport, Report
from tests import form


def layer(name, alone):
    return LayerReport(name, "Conv2d", 8, 100, 40.0, 0.1, 20.0, alone)


REPORT = Report(
    (layer("stem", 20.0), layer("depthwise", -1.5), layer("flatten", None)), 400, 100, 0.9, 0.8
)
FIGURES = {
    "report": lambda: figures.plot_report(REPORT),
    "sizes": lambda: figures.plot_set_sizes([1, 10], {"random": [[90.0, 91.0]]}, baseline=92.0),
    "practice": lambda: figures.plot_practice([("activations of 4: tune the ranges", 98.7)] * 7),
}


@pytest.mark.parametrize("name", FIGURES)
def test_letters_are_large_enough_for_a_phone(name):
    assert form.smallest_letters(FIGURES[name]()) >= 9


def test_the_report_s_worst_layer_is_marked_and_no_other():
    (axes,) = figures.plot_report(REPORT).axes
    assert [bar.get_width() for bar in axes.patches] == [20.0, -1.5]
    assert [bar.get_hatch() for bar in axes.patches] == [None, "//"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["stem", "depthwise"]
    assert [text.get_text() for text in axes.texts] == ["20.0", "−1.5, worst"]


def test_a_report_without_single_layers_is_refused():
    bare = Report((layer("stem", None),), 400, 100)
    with pytest.raises(ValueError, match="alone=True"):
        figures.plot_report(bare)


def test_means_go_through_the_runs_and_sizes_that_were_not_measured_are_left_out():
    runs = [[90.0, 98.0, np.nan], [92.0, 99.0, np.nan]]
    (axes,) = figures.plot_set_sizes([1, 10, 100], {"random": runs}, baseline=99.5).axes
    line, dotted = axes.lines
    assert line.get_xdata().tolist() == [1, 10] and line.get_ydata().tolist() == [91.0, 98.5]
    assert set(np.asarray(dotted.get_ydata())) == {99.5}
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "10", "100"]


def test_a_flow_chart_has_a_box_a_step_and_arrows_between_them():
    (axes,) = figures.plot_practice([("fold", 98.86), ("8 bits", 12.2), ("equalize", 98.9)]).axes
    drawn = [text.get_text() for text in axes.texts if text.get_text()]
    assert drawn == ["fold", "98.9 %", "8 bits", "12.2 %", "equalize", "98.9 %"]
    boxes = [p for p in axes.patches if isinstance(p, mpl.patches.FancyBboxPatch)]
    arrows = [t for t in axes.texts if getattr(t, "arrow_patch", None) is not None]
    assert len(boxes) == 3 and len(arrows) == 2


def test_no_text_of_a_flow_chart_leaves_its_box():
    figure = FIGURES["practice"]()
    figure.draw_without_rendering()
    (axes,) = figure.axes
    boxes = [p for p in axes.patches if isinstance(p, mpl.patches.FancyBboxPatch)]
    texts = [text for text in axes.texts if text.get_text().startswith("activations")]
    for box, text in zip(boxes, texts, strict=True):
        outer, inner = box.get_window_extent(), text.get_window_extent()
        assert outer.x0 <= inner.x0 and inner.x1 <= outer.x1
