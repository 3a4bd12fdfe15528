"""The explorers: every setting has its own picture, and the caption tells its true numbers."""

import base64
import io
import re

import numpy as np
import pytest
from ipywidgets import Widget
from ipywidgets.embed import embed_data
from PIL import Image

from quantlib import explorers

X = np.random.default_rng(0).standard_normal(2000).astype(np.float32)


def frames(panel):
    """Return the HTML of every frame: {(outer index, inner index): html}."""
    stacks = panel.children[1].children
    return {
        (i, j): frame.value
        for i, stack in enumerate(stacks)
        for j, frame in enumerate(stack.children)
    }


@pytest.fixture(scope="module")
def quantizers():
    # What a page embeds holds the links of all widgets that live, and other tests may leave some.
    Widget.close_all()
    return explorers.quantizer_explorer({"weights <1>": X}, bit_widths=[2, 4, 6])


def test_every_setting_has_a_picture_of_its_own(quantizers):
    pictures = {re.search(r"base64,([^\"]+)", v).group(1) for v in frames(quantizers).values()}
    assert len(pictures) == 2 * 3
    for data in pictures:
        image = Image.open(io.BytesIO(base64.b64decode(data)))
        assert image.width > 500
        assert len(np.unique(np.asarray(image.convert("L")))) > 10  # something is drawn
        assert len(data) < 30_000


def test_captions_tell_the_sqnr(quantizers):
    for (i, j), frame in frames(quantizers).items():
        bits = [2, 4, 6][j]
        if i == 0:  # symmetric, worked out anew
            scale = np.abs(X).max() / (2 ** (bits - 1) - 1)
            x_hat = np.rint(X / scale) * scale
        else:
            scale = (X.max() - X.min()) / (2**bits - 1)
            low = -(2 ** (bits - 1))
            zero_point = np.rint(low - X.min() / scale)
            codes = np.clip(np.rint(X / scale) + zero_point, low, -low - 1)
            x_hat = scale * (codes - zero_point)
        sqnr = 10 * np.log10(np.sum(X**2) / np.sum((X - x_hat) ** 2))
        shown = float(re.search(r"SQNR ([-\d.]+) dB", frame).group(1))
        assert abs(shown - sqnr) < 0.06
        assert f"{bits} bits" in frame


def test_names_cannot_smuggle_in_html(quantizers):
    for frame in frames(quantizers).values():
        assert "<1>" not in frame
        assert 'alt="weights &lt;1&gt;, ' in frame


def test_controls_are_linked_in_the_browser_not_in_python(quantizers):
    """What a page embeds holds the links as models of the front end: no kernel is needed."""
    state = embed_data(views=[quantizers])["manager_state"]["state"]
    links = {
        (tuple(model["state"]["source"]), tuple(model["state"]["target"]))
        for model in state.values()
        if model["model_name"] == "LinkModel"
    }

    def end(widget, trait):
        return (f"IPY_MODEL_{widget.model_id}", trait)

    choice, slider = quantizers.children[0].children
    outer = quantizers.children[1]
    expected = {(end(choice, "index"), end(outer, "selected_index"))}
    expected |= {(end(slider, "index"), end(s, "selected_index")) for s in outer.children}
    assert links == expected


def test_one_case_needs_no_drop_down():
    panel = explorers.clipping_explorer({"ramp": (X, 3)}, clips=[1, 2])
    assert len(panel.children[0].children) == 1
    assert len(frames(panel)) == 2


def test_clipping_captions_tell_the_true_numbers():
    panel = explorers.clipping_explorer({"Gaussian": (X, 3)}, clips=[1, 2.5])
    x = X.astype(np.float64) / X.astype(np.float64).std()
    for clip, frame in zip([1, 2.5], frames(panel).values(), strict=True):
        error = (np.clip(np.rint(x / (clip / 3)), -3, 3) * (clip / 3) - x) ** 2
        share = error[np.abs(x) > clip].sum() / error.sum()
        sqnr = 10 * np.log10(np.sum(x**2) / error.sum())
        assert f"clip at {clip:g} σ" in frame
        assert f"{100 * share:.0f} % is clipping" in frame
        assert abs(float(re.search(r"SQNR ([-\d.]+) dB", frame).group(1)) - sqnr) < 0.06


def test_missing_frames_are_refused():
    with pytest.raises(ValueError, match=r"frames\['a'\] must have 2 figures"):
        explorers.explorer({"a": []}, "case", "bits", [1, 2])
