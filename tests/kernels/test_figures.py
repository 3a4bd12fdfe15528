"""The figures of the page on kernels: what is drawn is what was given."""

import matplotlib as mpl
import numpy as np

from quantlib import figures

POINTS = {"a": (200.0, 1e11), "b": (900.0, 2e12)}
CEILINGS = {"popcount": 2.4e12, "float32": 1.2e11}


def test_roofline_draws_each_kernel_at_its_place_below_its_ceilings():
    (axes,) = figures.plot_roofline(POINTS, CEILINGS, 2e10).axes
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert axes.get_xlabel() and axes.get_ylabel()
    drawn = {line.get_label(): line.get_xydata() for line in axes.lines}
    for name, (place, speed) in POINTS.items():
        np.testing.assert_allclose(drawn[name], [[place, speed / 1e9]])
    for name, top in CEILINGS.items():
        x, y = drawn[name].T
        np.testing.assert_allclose(y, np.minimum(top, x * 2e10) / 1e9)
    palette = {mpl.colors.to_hex(color) for color in figures.COLORS.values()}
    assert {mpl.colors.to_hex(line.get_color()) for line in axes.lines} <= palette


def test_speed_ups_are_bars_with_quartiles():
    (axes,) = figures.plot_speed_ups({"fast": (20.0, 19.0, 22.0), "slow": (0.5, 0.4, 0.6)}).axes
    assert [bar.get_width() for bar in axes.containers[0]] == [20.0, 0.5]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["fast", "slow"]
    assert axes.get_xlabel() == "times torch float32 (log scale)" and axes.get_ylabel()
    ends = axes.collections[0].get_segments()
    np.testing.assert_allclose([segment[:, 0] for segment in ends], [[19, 22], [0.4, 0.6]])


def test_panels_show_every_word_of_every_row_once():
    (axes,) = figures.plot_panels(n_rows=16, n_words=3).axes
    texts = [text.get_text() for text in axes.texts]
    for row in range(16):
        for word in range(3):
            assert texts.count(f"{row},{word}") == 1
    assert texts.count("a0") == 17  # in its row, and in sixteen lanes
