"""Chapter 8's figures show the numbers that they are given."""

import numpy as np
import pytest

from quantlib import figures
from tests import form

FIGURES = {
    "gate": lambda: figures.plot_gate([0.0, 0.5, 1.0], {0.5: [0.0, 0.2, 0.0]}),
    "walk": lambda: figures.plot_walk([0, 1], [[0, 1]], [0.0, 0.1]),
    "errors": lambda: figures.plot_grid_error([0.25, 1.0], {4: [0.2, 0.1]}, {4: (0.9, 0.1)}, [1]),
    "grid": lambda: figures.plot_grid(0.25, 5),
    "two levels": lambda: figures.plot_grid(1.0, 2),
    "th": lambda: figures.plot_th_sweep([0.25, 1.0], [[90.0], [91.0]]),
    "combinations": lambda: figures.plot_combinations({-2: {0.25: 91.0}}),
    "sparsity": lambda: figures.plot_sparsity({"a": 90.0}, {"b": 80.0}),
    "curves": lambda: figures.plot_curves({"DST": [0.5, 0.4]}),
}


@pytest.mark.parametrize("name", FIGURES)
def test_axes_are_named_and_colours_are_the_course_s(name):
    figure = FIGURES[name]()
    assert all(axes.get_ylabel() for axes in figure.axes) and figure.axes[-1].get_xlabel()
    assert form.foreign_colors(figure) == set()


@pytest.mark.parametrize("name", FIGURES)
def test_letters_are_large_enough_for_a_phone(name):
    assert form.smallest_letters(FIGURES[name]()) >= 9


def test_the_gate_s_line_is_broken_where_its_chance_falls():
    changes = [0.0, 0.9, 1.0, 1.5]
    chances = {0.5: [0.0, 0.4, 0.0, 0.2], 2: [0.0, 0.9, 0.0, 0.7]}
    (axes,) = figures.plot_gate(changes, chances).axes
    for line, values in zip(axes.lines, chances.values(), strict=True):
        x, y = line.get_data()
        assert np.flatnonzero(np.isnan(y)).tolist() == [2]
        assert np.delete(x, 2).tolist() == changes
        assert np.delete(y, 2).tolist() == values
    assert [line.get_label() for line in axes.lines] == ["th = 0.5", "th = 2"]


def test_walks_are_weights_and_every_state_is_a_line():
    figure = figures.plot_walk([0, 1, 2], [[0, 1, 1], [0, 0, -2]], [0.0, 0.3, 0.6], -1, [0, 0.1, 0])
    lines = figure.axes[0].lines
    assert [line.get_ydata()[0] for line in lines[:5]] == [-1.0, -0.5, 0.0, 0.5, 1.0]
    drawn = {line.get_label(): line.get_ydata() for line in lines[5:]}
    expected = {
        "walk 1": [0, 0.5, 0.5],
        "walk 2": [0, 0, -1.0],
        "real weight": [0.0, 0.3, 0.6],
        "mean of many walks": [0, 0.1, 0],
    }
    assert {name: list(values) for name, values in drawn.items()} == expected
    widths = [line.get_linewidth() for line in lines[5:7]]
    assert widths[0] > widths[1]  # both are seen where they lie on each other


def test_the_best_first_level_of_each_grid_is_a_dot():
    errors = {4: [0.3, 0.2], 5: [0.2, 0.1]}
    optima = {4: (0.54, 0.024), 5: (0.29, 0.02)}
    figure = figures.plot_grid_error([0.25, 0.5], errors, optima, [0.125, 0.25])
    lines = figure.axes[0].lines
    assert [line.get_xdata()[0] for line in lines[:2]] == [0.125, 0.25]
    assert [list(line.get_ydata()) for line in lines[2::2]] == list(errors.values())
    assert [tuple(line.get_xydata()[0]) for line in lines[3::2]] == list(optima.values())
    names = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert names == ["0.125", "0.25"]
    low, high = figure.axes[0].get_ylim()
    assert low < 0.02 * 1.3 and high > 0.3


def test_the_staircase_goes_through_the_levels_and_the_derivative_jumps_once_a_side():
    top, bottom = figures.plot_grid(0.25, 4).axes
    (stairs,) = [patch for patch in top.patches if hasattr(patch, "get_data")]
    values, edges, _ = stairs.get_data()
    assert values.tolist() == [-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0]
    assert edges[1:-1].tolist() == [-0.75, -0.375, -0.125, 0.125, 0.375, 0.75]
    left, flat, right = bottom.lines[:3]
    assert set(flat.get_ydata()) == {0.0}
    assert flat.get_xdata()[[0, -1]].tolist() == [-0.125, 0.125]
    assert left.get_ydata()[-1] == right.get_ydata()[0] == 1.0
    x, slopes = right.get_data()
    assert slopes == pytest.approx(np.where(x > 0.75, 1 / (x + 0.25), 1.0))
    assert left.get_ydata() == pytest.approx(slopes[::-1])


def test_a_grid_that_reaches_beyond_the_normal_density_is_drawn_whole():
    top, _ = figures.plot_grid(1.0, 5).axes
    assert top.get_xlim()[1] > 6.0  # the last threshold
    assert top.get_ylim()[1] > 8.0  # the last level


def test_each_run_of_a_th_is_a_dot_and_the_chosen_one_is_marked():
    runs = [[90.0, 92.0], [93.0, 95.0]]
    (axes,) = figures.plot_th_sweep([0.25, 1.0], runs, chosen=0.5).axes
    mean, *dots, marked = axes.lines
    assert mean.get_xydata().tolist() == [[0.25, 91.0], [1.0, 94.0]]
    assert [list(line.get_ydata()) for line in dots] == runs
    assert [list(line.get_xdata()) for line in dots] == [[0.25] * 2, [1.0] * 2]
    assert marked.get_xdata()[0] == 0.5
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0.25", "1"]


def test_combinations_stand_in_their_cells_and_missing_ones_are_empty():
    table = {-1: {0.25: 90.0, "real": [92.0, 93.0]}, "real": {"real": 94.0}}
    (axes,) = figures.plot_combinations(table).axes
    cells = {text.get_position(): text.get_text() for text in axes.texts}
    assert cells == {(0, 0): "90.00", (1, 0): "92.50", (0, 1): "", (1, 1): "94.00"}
    assert [text.get_text() for text in axes.get_yticklabels()] == ["−1", "real"]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0.25", "real"]
    shades = axes.images[0].get_array()
    assert shades[0].tolist() == [90.0, 92.5] and np.ma.is_masked(shades[1, 0])


def test_layers_have_bars_from_the_first_to_the_last():
    paper = {"Conv1": (100.0, 1728), "Conv2": (85.32, 36864)}
    figure = figures.plot_sparsity(paper, {"fc": 10.0})
    bars = [[bar.get_width() for bar in axes.patches] for axes in figure.axes]
    assert bars == [[100.0, 85.32], [10.0]]
    names = [[text.get_text() for text in axes.get_yticklabels()] for axes in figure.axes]
    assert names == [["Conv1: 1,728", "Conv2: 36,864"], ["fc"]]
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["paper", "ours"]
    low, high = figure.axes[0].get_ylim()
    assert low > high  # the first layer is on top


def test_several_runs_make_a_mean_and_a_band():
    figure = figures.plot_curves({"one": [3.0, 2.0], "two": [[1.0, 0.5], [0.5, 0.3]]}, log=True)
    (axes,) = figure.axes
    one, two = axes.lines
    assert one.get_xydata().tolist() == [[1, 3.0], [2, 2.0]]
    assert two.get_ydata().tolist() == [0.75, 0.4]
    (band,) = axes.collections
    low, high = (edge(band.get_paths()[0].vertices[:, 1]) for edge in (min, max))
    assert (low, high) == (0.3, 1.0)
    assert axes.get_yscale() == "log"
