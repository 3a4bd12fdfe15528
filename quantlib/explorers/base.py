"""Panels with sliders, for a live notebook and for the published page alike.

Every setting's picture is drawn beforehand. ``jslink`` then switches between them in the browser,
so that no kernel is needed: a slider's ``index`` is tied to the ``selected_index`` of the inner
stacks, a drop-down's to that of the outer stack.
"""

import base64
import html
import io

import ipywidgets as widgets
from PIL import Image

__all__ = ["explorer", "frame"]


def explorer(frames, choice_label, slider_label, slider_values):
    """Lay out pictures so that a drop-down and a slider choose the one to be seen.

    ``frames`` holds, for each entry of the drop-down, a list of (figure, caption), one for each
    entry of ``slider_values``.

    >>> from quantlib.figures import new_figure
    >>> figure, axes = new_figure()
    >>> panel = explorer({"a": [(figure, "one"), (figure, "two")]}, "case", "bits", [1, 2])
    >>> len(panel.children)
    2
    """
    for name, row in frames.items():
        if len(row) != len(slider_values):
            raise ValueError(
                f"frames[{name!r}] must have {len(slider_values)} figures, one for each of "
                f"slider_values, got {len(row)}"
            )
    slider = widgets.SelectionSlider(
        options=[(str(value), i) for i, value in enumerate(slider_values)],
        description=slider_label,
        style={"description_width": "initial"},
        layout={"width": "auto", "max_width": "420px"},
    )
    choice = widgets.Dropdown(
        options=[(name, i) for i, name in enumerate(frames)],
        description=choice_label,
        style={"description_width": "initial"},
        layout={"width": "auto", "max_width": "420px"},
    )
    inner = [
        widgets.Stack(children=[frame(*item) for item in row], selected_index=0)
        for row in frames.values()
    ]
    outer = widgets.Stack(children=inner, selected_index=0)
    widgets.jslink((choice, "index"), (outer, "selected_index"))
    for stack in inner:
        widgets.jslink((slider, "index"), (stack, "selected_index"))
    controls = [choice, slider] if len(frames) > 1 else [slider]
    return widgets.VBox([widgets.VBox(controls), outer])


def frame(figure, caption):
    """Return one picture with its caption, which is its alternative text too."""
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=120)
    # A line drawing needs few colours; the palette makes the frame four times smaller.
    image = Image.open(drawn).convert("RGB").quantize(64, dither=Image.Dither.NONE)
    image.save(small, format="png", optimize=True)
    data = base64.b64encode(small.getvalue()).decode()
    text = html.escape(caption, quote=True)
    return widgets.HTML(
        f'<figure style="margin:0"><img alt="{text}" style="width:100%;max-width:560px;height:auto"'
        f' src="data:image/png;base64,{data}"><figcaption>{text}</figcaption></figure>'
    )
