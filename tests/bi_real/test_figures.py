"""Chapter 6's figures show the numbers that they are given."""

import matplotlib as mpl
import numpy as np

from quantlib import bi_real, figures

PALETTE = {mpl.colors.to_hex(color) for color in figures.COLORS.values()}


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_the_curves_and_slopes_are_those_of_the_estimators():
    top, bottom = figures.plot_sign_slopes(limit=2.0).axes
    sign, clip, approx = (line.get_xydata() for line in top.lines)
    assert sign[:, 1].tolist() == [-1, -1, 1, 1]
    np.testing.assert_array_equal(clip[:, 1], np.minimum(np.maximum(clip[:, 0], -1), 1))
    np.testing.assert_allclose(approx[:, 1], bi_real.approx_sign(approx[:, 0]), atol=1e-15)
    step, triangle = (line.get_xydata() for line in bottom.lines)
    np.testing.assert_allclose(
        triangle[:, 1], bi_real.approx_sign_derivative(triangle[:, 0]), atol=1e-15
    )
    for x, slope in (step.T, triangle.T):
        assert abs(np.trapezoid(slope, x) - 2) < 1e-3  # the height of the sign's step
    assert {mpl.colors.to_hex(line.get_color()) for line in top.lines} <= PALETTE
    assert bottom.get_xlabel() and top.get_ylabel() and bottom.get_ylabel()


def test_only_the_bi_real_block_has_a_shortcut_and_a_sum():
    plain, bi_real_block = figures.plot_one_bit_blocks().axes
    boxes = ["sign", "1-bit convolution", "batch normalization"]
    for axes in (plain, bi_real_block):
        assert [text for text in texts(axes) if text in boxes] == boxes
        assert len(axes.patches) == len(boxes)
    assert not plain.lines and "+" not in texts(plain)
    (line,) = bi_real_block.lines
    assert {"shortcut", "+"} <= set(texts(bi_real_block))
    first_box = min(patch.get_y() for patch in bi_real_block.patches)
    assert line.get_ydata()[0] < first_box < line.get_ydata()[-1]  # it leaves before the sign


def test_each_value_is_one_stroke_and_counted_once():
    (axes,) = figures.plot_value_rows({"few": [1.0, -1.0, 1.0], "more": np.arange(1200.0)}).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["few: 2", "more: 1,200"]
    few, more = axes.collections
    assert [stroke[0, 0] for stroke in few.get_segments()] == [-1, 1]
    assert len(more.get_segments()) == 1200
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first on top


def test_cosines_are_drawn_by_noise_and_by_layer():
    by_noise = {"clip": {0.1: 0.2, 1.0: 0.5}, "ApproxSign": {0.1: 0.6, 1.0: 0.4}}
    by_layer = {"clip": [0.1, 0.2, 0.3], "ApproxSign": [0.2, 0.3, 0.6]}
    top, bottom = figures.plot_gradient_match(by_noise, by_layer, noise=0.4).axes
    clip, approx, marked = top.lines
    assert clip.get_xydata().tolist() == [[0.1, 0.2], [1, 0.5]]
    assert approx.get_xydata().tolist() == [[0.1, 0.6], [1, 0.4]]
    assert list(marked.get_xdata()) == [0.4, 0.4]
    assert [line.get_ydata().tolist() for line in bottom.lines] == list(by_layer.values())
    assert bottom.lines[0].get_xdata().tolist() == [1, 2, 3]
    assert "0.4" in bottom.get_title(loc="left")
    assert [line.get_color() for line in bottom.lines] == [clip.get_color(), approx.get_color()]
    assert len({line.get_marker() for line in bottom.lines}) == 2


def test_depths_are_as_far_apart_as_they_are_many():
    plain = {4: [90.0, 92.0], 8: [80.0], 16: [30.0, 50.0]}
    runs = {"plain": plain, "Bi-Real": {4: [95.0], 8: [96.0], 16: [97.0]}}
    (axes,) = figures.plot_by_depth(runs).axes
    lines = [line for line in axes.lines if not line.get_label().startswith("_")]
    assert [line.get_label() for line in lines] == ["plain", "Bi-Real"]
    assert lines[0].get_ydata().tolist() == [91, 80, 40]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["4", "8", "16"]
    dots = [line for line in axes.lines if line.get_label().startswith("_")]
    assert sum(len(line.get_ydata()) for line in dots) == 8
    assert axes.get_ylim()[0] == 0
