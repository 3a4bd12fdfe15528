"""Chapter 4's figures and explorers show the numbers that they are given."""

import base64
import io
import re

import ipywidgets
import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from quantlib import explorers, figures

PALETTE = {mpl.colors.to_hex(color) for color in figures.COLORS.values()}
X = np.random.default_rng(0).standard_normal(500)


@pytest.fixture(autouse=True)
def closed_widgets():
    """Leave no widget behind: what a page embeds holds the links of all that live."""
    yield
    ipywidgets.Widget.close_all()


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_sign_patterns_mark_the_best():
    (axes,) = figures.plot_sign_patterns([0.1, 0.4, -0.2], [3.0, 1.0, 2.0], best=1).axes
    points, star = axes.lines
    assert points.get_xydata().tolist() == [[0.1, 3], [0.4, 1], [-0.2, 2]]
    assert star.get_xydata().tolist() == [[0.4, 1]]
    assert axes.get_xlabel() and axes.get_ylabel()


def test_maps_show_their_numbers_and_the_frames_lie_on_whole_pixels():
    maps = {
        "A": [[0.0, 1.26], [2.0, 3.0]], "signs": [[1, -1]], "sums": [[-4, 2]], "only": [[5.0]],
    }  # fmt: skip
    figure = figures.plot_maps(maps, [("A", 0, 1, 2, 1)], max_columns=3)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in shown] == list(maps)
    assert texts(shown[0]) == ["0.0", "1.3", "2.0", "3.0"]
    assert texts(shown[1]) == ["+1", "-1"]
    (frame,) = shown[0].patches
    assert (frame.get_x(), frame.get_y(), frame.get_width(), frame.get_height()) == (
        0.5,
        -0.5,
        1,
        2,
    )
    scales = [image.norm for axes in shown for image in axes.images]
    assert scales[0].vmin == 0 and scales[2].vmin == -scales[2].vmax  # 0 is white in both
    assert texts(figures.plot_maps({"A": [[1.0, 2.0]]}, formats=None).axes[0]) == []


def test_numbers_on_maps_can_be_read():
    """Black on the darkest shade still has a contrast of 4.5 to 1 (WCAG 2)."""
    values = np.linspace(-1.5, 2, 8).reshape(2, 4)
    for panel in figures.plot_maps({"sums": values, "A": abs(values), "s": np.sign(values)}).axes:
        for image in panel.images:
            rgb = image.cmap(image.norm(np.asarray(image.get_array())))[..., :3]
            linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
            light = linear @ [0.2126, 0.7152, 0.0722]
            assert (light.min() + 0.05) / 0.05 >= 4.5


def test_latent_paths_mark_each_flip_once():
    paths = {"a": [0.1, -0.1, -0.2, 0.0, 0.3], "b": [-1.0, -0.5, -0.4, -0.3, -0.2]}
    top, bottom = figures.plot_latent_paths(paths, [50.0, 0.0, 25.0, 0.0]).axes
    path_a, flips_a, path_b, flips_b, _ = top.lines
    assert path_a.get_ydata().tolist() == paths["a"]
    assert flips_a.get_xydata().tolist() == [[1, -0.1], [3, 0.0]]  # sign(0) is +1
    assert path_b.get_ydata().tolist() == paths["b"]
    assert flips_b.get_xdata().size == 0
    assert bottom.lines[0].get_xydata().tolist() == [[1, 50], [2, 0], [3, 25], [4, 0]]


def test_flips_are_drawn_promise_against_measurement():
    figure = figures.plot_flips({"a": ([0.1, -0.2], [0.3, 0.4]), "b": ([1.0], [2.0])})
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["a", "b"]
    line, points = figure.axes[0].lines[:2]
    np.testing.assert_array_equal(line.get_xdata(), line.get_ydata())
    assert points.get_xydata().tolist() == [[0.1, 0.3], [-0.2, 0.4]]
    assert figure.axes[0].get_ylabel() and all(axes.get_xlabel() for axes in figure.axes)


def test_methods_show_every_run_and_their_mean():
    (axes,) = figures.plot_methods({"float": [99.0, 97.0], "BNN": [95.0, 96.0]}).axes
    runs, mean, runs_bnn, mean_bnn = axes.lines
    assert runs.get_xydata().tolist() == [[99, 0], [97, 0]]
    assert mean.get_xydata().tolist() == [[98, 0]]
    assert runs_bnn.get_xdata().tolist() == [95, 96]
    assert mean_bnn.get_xydata().tolist() == [[95.5, 1]]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first on top


@pytest.mark.parametrize("clip", [0.5, 2.0, None])
def test_the_estimator_is_the_clip_and_every_value_is_counted_once(clip):
    top, bottom = figures.plot_ste(X, clip, limit=2.5).axes
    sign, stand_in = top.lines[:2]
    assert sign.get_ydata().tolist() == [-1, -1, 1, 1]
    line = np.asarray(stand_in.get_xdata())
    expected = line if clip is None else np.maximum(np.minimum(line, clip), -clip)
    np.testing.assert_array_equal(stand_in.get_ydata(), expected)
    passed, blocked = [sum(bar.get_height() for bar in bars) for bars in bottom.containers]
    inside = len(X) if clip is None else sum(abs(value) <= clip for value in X)
    assert (passed, blocked) == (inside, len(X) - inside)
    assert {mpl.colors.to_hex(line.get_color()) for line in top.lines} <= PALETTE


def test_the_words_are_drawn_up_to_the_bit_that_is_done():
    axes = figures.plot_xnor([0, 1, 1, 0], [1, 1, 0, 0], done=2, length=3).axes[0]
    shown = texts(axes)
    signs = ["+1", "−1", "−1"]
    assert shown[:5] == ["a", *signs, "b"]
    assert shown[shown.index("a · b") + 1 :][:3] == ["−1", "+1", "bit of a"]
    assert shown[shown.index("XOR") + 1 :][:3] == ["1", "0", "spare"]
    assert shown[-1] == "popcount 1,  2 − 2 · 1 = 0"


def test_ones_that_stand_for_no_product_have_a_colour_of_their_own():
    axes = figures.plot_xnor([0, 1, 1, 0], [1, 1, 0, 0], done=4, length=2).axes[0]
    colors = [mpl.colors.to_hex(patch.get_facecolor()) for patch in axes.patches[-4:]]  # the XOR
    ones, spare = figures.COLORS["orange"], figures.COLORS["vermillion"]
    assert texts(axes)[-6:-2] == ["1", "0", "1", "0"]
    assert colors == [*map(mpl.colors.to_hex, (ones, "white", spare, "#e3e3e3"))]


def frames(panel):
    """Return the HTML of every frame: {(outer index, inner index): html}."""
    stacks = panel.children[1].children
    return {
        (i, j): frame.value
        for i, stack in enumerate(stacks)
        for j, frame in enumerate(stack.children)
    }


def pictures(panel):
    return [re.search(r"base64,([^\"]+)", html).group(1) for html in frames(panel).values()]


def test_the_estimator_s_captions_count_who_gets_a_gradient():
    clips = [0.5, 1.0, None]
    panel = explorers.ste_explorer({"Gaussian": X, "ramp": np.linspace(-4, 4, 81)}, clips)
    shown = frames(panel)
    for j, clip in enumerate(clips):
        inside = [clip is None or abs(value) <= clip for value in X]
        assert f"{100 * sum(inside) / len(X):.1f} % get a gradient" in shown[0, j]
    assert "Gaussian, clip at ±0.5:" in shown[0, 0]
    assert "ramp, no clip: 100.0 %" in shown[1, 2]
    slider = panel.children[0].children[1]
    assert [name for name, _ in slider.options] == ["0.5", "1", "none"]
    assert len(set(pictures(panel))) == 2 * 3


def test_the_words_captions_agree_with_the_products():
    a, b = [0, 1, 1, 0, 1, 0], [1, 1, 0, 0, 1, 0]
    panel = explorers.xnor_explorer({"six values": (a, b, 6), "four, two spare": (a, b, 4)})
    signs = [(-1) ** (x + y) for x, y in zip(a, b, strict=True)]
    shown = frames(panel)
    assert len(shown) == 2 * 7
    for done in range(7):
        total, ones = sum(signs[:done]), sum(s < 0 for s in signs[:done])
        total = str(total).replace("-", "−")
        assert f"six values, {done} of 6 bits: popcount {ones}," in shown[0, done]
        assert (
            f"{done} − 2 · {ones} = {total}; the products so far add up to {total}."
            in (shown[0, done])
        )
    # the spare bits of these two words agree, so they add nothing
    assert f"4 − 2 · 2 = 0; the products so far add up to {sum(signs[:4])}." in shown[1, 6]
    for data in pictures(panel):
        image = Image.open(io.BytesIO(base64.b64decode(data)))
        assert image.width > 500
        assert len(np.unique(np.asarray(image.convert("L")))) > 10


def test_spare_bits_that_differ_spoil_the_count():
    panel = explorers.xnor_explorer({"two values": ([0, 0, 1, 1], [0, 0, 0, 0], 2)})
    last = frames(panel)[0, 4]
    assert "popcount 2, 2 − 2 · 2 = −2; the products so far add up to 2. The two differ" in last


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"a": ([0, 1], [0], 1)}, r"words must all have one width, got \[1, 2\]"),
        ({"a": ([0, 1], [0, 2], 1)}, r"words\['a'\] must hold 0 and 1"),
        ({"a": ([0, 1], [0, 1], 3)}, r"words\['a'\] must hold 1 to 2 values, got 3"),
    ],
)
def test_words_that_cannot_be_are_refused(words, message):
    with pytest.raises(ValueError, match=message):
        explorers.xnor_explorer(words)
