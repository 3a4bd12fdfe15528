"""Chapter 3's figures show the numbers that they are given."""

import matplotlib as mpl
import numpy as np

from quantlib import explorers, figures

PALETTE = {mpl.colors.to_hex(color) for color in figures.COLORS.values()}


def test_activations_show_zeros_apart_and_all_shares_add_up():
    values = np.array([0.0, 0.0, 0.0, 1.0, 2.0, 2.0, 4.0, 4.0])
    figure = figures.plot_activations({"a": values, "b": values, "c": values}, max_columns=2)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert len(shown) == 3
    for axes in shown:
        (zero,) = axes.containers[0]
        assert zero.get_height() == 37.5
        (stairs,) = [patch for patch in axes.patches if hasattr(patch, "get_data")]
        assert stairs.get_data().values.sum() == 62.5
        assert axes.get_xlabel()


def test_lloyd_s_runs_are_drawn_relative_to_the_optimum():
    (axes,) = figures.plot_lloyd_ends({2: [3.0, 2.0], 4: [1.5, 1.0]}, {2: 2.0, 4: 1.0}).axes
    assert axes.lines[0].get_ydata().tolist() == [0, 50]
    assert axes.lines[1].get_ydata().tolist() == [0, 50]
    assert {mpl.colors.to_hex(line.get_color()) for line in axes.lines} <= PALETTE


def test_the_trade_off_is_drawn_as_steps_through_its_points():
    (axes,) = figures.plot_trade_off({"a": [(100, 80), (200, 95)]}, baseline=97).axes
    steps, points, baseline = axes.lines
    assert points.get_xydata().tolist() == [[100, 80], [200, 95]]
    assert steps.get_drawstyle() == "steps-post"
    assert baseline.get_ydata()[0] == 97
    assert axes.get_xlabel()
    assert {mpl.colors.to_hex(line.get_color()) for line in axes.lines} <= PALETTE


def test_the_trade_off_draws_every_curve_and_no_two_alike():
    curves = {str(i): [(100, 80 + i)] for i in range(9)}
    (axes,) = figures.plot_trade_off(curves).axes
    points = [line for line in axes.lines if line.get_label() in curves]
    assert [line.get_ydata().tolist() for line in points] == [[80 + i] for i in range(9)]
    assert len({(line.get_color(), line.get_marker()) for line in points}) == 9


def test_the_explorer_speaks_of_one_bit_and_of_two_bits(monkeypatch):
    monkeypatch.setattr("quantlib.explorers.uniform.explorer", lambda frames, *controls: frames)
    frames = explorers.quantizer_explorer(
        {"ramp": np.linspace(0, 1, 9)}, {"sign": lambda x, bits: np.round}, bit_widths=[1, 2]
    )
    one, two = (caption for _, caption in frames["ramp, sign"])
    assert one.startswith("ramp, sign, 1 bit: 2 levels in use")
    assert two.startswith("ramp, sign, 2 bits: 2 levels in use")
