"""The figures: named axes, the data that was given, colours that everybody can tell apart."""

import matplotlib as mpl
import numpy as np
import pytest

from quantlib import figures, uniform

X = np.random.default_rng(0).standard_normal(500)
QPARAMS = uniform.QParams(0.5, 0, 4)


def quantizer(values):
    return uniform.fake_quantize(values, QPARAMS)


FIGURES = {
    "staircase": lambda: figures.plot_staircase(quantizer, -2.0, 2.0),
    "quantizer": lambda: figures.plot_quantizer(X, quantizer),
    "sqnr": lambda: figures.plot_sqnr_by_bits([2, 3], {"a": [10.0, 16.0]}),
    "clipping": lambda: figures.plot_clipping([1, 2], [0.1, 0.2], [0.3, 0.1], clip=2),
    "clip choice": lambda: figures.plot_clip_choice(X, [1, 2], [0.1, 0.2], [0.3, 0.1], 2, 3),
    "channels": lambda: figures.plot_channel_ranges([1.0, 0.01], 0.14),
    "accuracy": lambda: figures.plot_accuracy_by_bits([2, 3], {"a": [[50, 90], [60, 92]]}, 98),
}


@pytest.mark.parametrize("name", FIGURES)
def test_axes_are_named_and_colours_are_the_course_s(name):
    figure = FIGURES[name]()
    palette = {mpl.colors.to_hex(color) for color in figures.COLORS.values()}
    for axes in figure.axes:
        assert axes.get_ylabel()
        for line in axes.lines:
            assert mpl.colors.to_hex(line.get_color()) in palette
    assert figure.axes[-1].get_xlabel()


def test_staircase_draws_the_quantizer_and_its_error():
    top, bottom = figures.plot_staircase(quantizer, -2.0, 2.0).axes
    x, x_hat = top.lines[1].get_data()
    np.testing.assert_allclose(x_hat, np.rint(x * 2) / 2)
    np.testing.assert_allclose(bottom.lines[0].get_ydata(), x_hat - x)


def test_accuracy_is_drawn_as_mean_and_spread():
    (axes,) = figures.plot_accuracy_by_bits([2, 3], {"a": [[50, 90], [60, 92]]}).axes
    assert axes.lines[0].get_ydata().tolist() == [55, 91]
    (band,) = axes.collections
    assert {tuple(v) for v in band.get_paths()[0].vertices} >= {(2, 50), (2, 60), (3, 90), (3, 92)}


def test_channels_below_half_a_step_are_marked_as_lost():
    (axes,) = figures.plot_channel_ranges([0.05, 1.0, 0.2, 0.01], step=0.2).axes
    kept, lost = axes.containers
    assert [bar.get_height() for bar in kept] == [1.0, 0.2]
    assert [bar.get_height() for bar in lost] == [0.05, 0.01]


def test_clipping_adds_the_two_parts():
    (axes,) = figures.plot_clipping([1, 2], [0.1, 0.2], [0.3, 0.1]).axes
    np.testing.assert_allclose(axes.lines[2].get_ydata(), [0.4, 0.3])


def test_table_escapes_and_formats():
    text = figures.table(["<a>", "b"], [["x & y", -1.26], ["z", None]], ".1f").data
    assert '<th scope="col">&lt;a&gt;</th><th scope="col" class="number">b</th>' in text
    assert '<th scope="row">x &amp; y</th><td class="number">−1.3</td>' in text
    assert '<td class="number">–</td>' in text
    assert "number" not in figures.table(["a", "b"], [["x", 1.0], ["y", "1 to 2"]]).data
    assert (
        "0.0<" in (text := figures.table(["a", "b"], [["x", -0.04]], ".1f").data)
        and "−" not in text
    )
    assert "<tbody></tbody>" in figures.table(["a", "b"], []).data
    with pytest.raises(ValueError, match="rows must have 2 entries"):
        figures.table(["a", "b"], [["x"]])


def test_a_notebook_shows_a_figure_without_pyplot():
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    try:
        formats, _ = shell.display_formatter.format(figures.plot_staircase(quantizer, -1, 1))
    finally:
        InteractiveShell.clear_instance()
    assert formats["image/png"].startswith(b"\x89PNG")


def test_every_curve_is_drawn_however_many_there_are():
    many = {f"curve {i}": [10.0 + i, 16.0 + i] for i in range(20)}
    (axes,) = figures.plot_sqnr_by_bits([2, 3], many, rule=False).axes
    assert [line.get_ydata()[0] for line in axes.lines] == [10.0 + i for i in range(20)]
    (axes,) = figures.plot_accuracy_by_bits([2, 3], many).axes
    assert [line.get_label() for line in axes.lines] == list(many)
    looks = {(line.get_color(), line.get_marker()) for line in axes.lines}
    assert len(looks) == len(many)
    _, rows = figures.plot_levels(X, {name: [0.0, 1.0] for name in many}).axes
    assert [text.get_text() for text in rows.texts] == list(many)
    panels = figures.plot_channel_quartiles({name: [[0.0, 1.0]] for name in many}).axes
    assert [axes.get_title(loc="left") for axes in panels] == list(many)
    sizes = figures.plot_compression({"6 bits": {name: 1.0 for name in many}}).axes[0]
    assert len(sizes.patches) == len(many)
