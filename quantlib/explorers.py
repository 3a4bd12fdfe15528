"""Panels with sliders, for a live notebook and for the published page alike.

Every setting's picture is drawn beforehand. ``jslink`` then switches between them in the browser,
so that no kernel is needed: a slider's ``index`` is tied to the ``selected_index`` of the inner
stacks, a drop-down's to that of the outer stack.
"""

import base64
import html
import io

import ipywidgets as widgets
import numpy as np
from PIL import Image

from quantlib import clipping, figures, metrics, uniform

__all__ = [
    "clipping_explorer",
    "explorer",
    "quantizer_explorer",
    "ste_explorer",
    "xnor_explorer",
]


def explorer(frames, choice_label, slider_label, slider_values):
    """Lay out pictures so that a drop-down and a slider choose the one to be seen.

    Parameters
    ----------
    frames : dict of str to list of (Figure, str)
        For each entry of the drop-down, one figure and its caption for each slider position.
    choice_label, slider_label : str
        Names of the two controls.
    slider_values : sequence
        What the slider shows, in the order of the figures.

    Returns
    -------
    ipywidgets.VBox

    Raises
    ------
    ValueError
        If a list of figures has not one for each slider value.

    Examples
    --------
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
        widgets.Stack(children=[_frame(*item) for item in row], selected_index=0)
        for row in frames.values()
    ]
    outer = widgets.Stack(children=inner, selected_index=0)
    widgets.jslink((choice, "index"), (outer, "selected_index"))
    for stack in inner:
        widgets.jslink((slider, "index"), (stack, "selected_index"))
    controls = [choice, slider] if len(frames) > 1 else [slider]
    return widgets.VBox([widgets.VBox(controls), outer])


def _frame(figure, caption):
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


def _symmetric(x, bit_width):
    qparams = uniform.choose_qparams(x, bit_width)
    return lambda values: uniform.fake_quantize(values, qparams)


def _asymmetric(x, bit_width):
    qparams = uniform.choose_qparams(x, bit_width, symmetric=False)
    return lambda values: uniform.fake_quantize(values, qparams)


#: The schemes of chapter 1: from values and a bit width to a function that quantizes.
UNIFORM_SCHEMES = {"symmetric": _symmetric, "asymmetric": _asymmetric}


def quantizer_explorer(tensors, schemes=None, bit_widths=range(2, 9)):
    """Panel of quantizers: scheme and bit width against staircase, error, histogram and SQNR.

    Parameters
    ----------
    tensors : dict of str to array
        What to quantize, by name: a layer's weights, its activations.
    schemes : dict of str to callable, optional
        By name a function of ``(x, bit_width)`` that returns a function from real values to
        quantized ones. None means symmetric and asymmetric uniform quantization.
    bit_widths : sequence of int
        The slider.

    Returns
    -------
    ipywidgets.VBox

    Examples
    --------
    >>> panel = quantizer_explorer({"ramp": np.linspace(-1, 1, 50)}, bit_widths=[2, 3])
    >>> [option[0] for option in panel.children[0].children[0].options]
    ['ramp, symmetric', 'ramp, asymmetric']
    """
    frames = {}
    for tensor_name, x in tensors.items():
        for scheme_name, scheme in (schemes or UNIFORM_SCHEMES).items():
            name = f"{tensor_name}, {scheme_name}"
            frames[name] = []
            for bit_width in bit_widths:
                quantizer = scheme(x, bit_width)
                quantized = quantizer(x)
                sqnr = metrics.sqnr_db(x, quantized)
                used = len(np.unique(np.asarray(quantized)))
                figure = figures.plot_quantizer(x, quantizer, label=tensor_name)
                bits = f"{bit_width} bit" if bit_width == 1 else f"{bit_width} bits"
                caption = f"{name}, {bits}: {used} levels in use, SQNR {sqnr:.1f} dB."
                frames[name].append((figure, caption))
    return explorer(frames, "tensor and scheme", "bits", list(bit_widths))


def clipping_explorer(cases, clips=(1, 1.25, 1.5, 1.75, 2, 2.25, 2.5, 3, 3.5, 4, 4.5, 5)):
    """Panel of clips: where to cut the range, and what rounding and clipping then cost.

    Parameters
    ----------
    cases : dict of str to (array, int)
        The drop-down: values, and the bit width of the symmetric codes that they get.
    clips : sequence of float
        The slider, in standard deviations of the values.

    Returns
    -------
    ipywidgets.VBox

    Examples
    --------
    >>> panel = clipping_explorer({"ramp": (np.linspace(-1, 1, 50), 3)}, clips=[1, 1.5])
    >>> panel.children[0].children[0].options[1][0]
    '1.5'
    """
    curve = np.linspace(0.8 * min(clips), max(clips), 100)
    frames = {}
    for name, (values, bit_width) in cases.items():
        x = np.asarray(values, np.float64).ravel()
        x = x / x.std()
        rounding, clipped = np.array([clipping.split_error(x, c, bit_width) for c in curve]).T
        frames[name] = []
        for clip in clips:
            inside, outside = clipping.split_error(x, clip, bit_width)
            figure = figures.plot_clip_choice(x, curve, rounding, clipped, clip, bit_width, "value")
            caption = (
                f"{name}, clip at {clip:g} σ: SQNR "
                f"{10 * np.log10(np.mean(x**2) / (inside + outside)):.1f} dB, of the error "
                f"{100 * outside / (inside + outside):.0f} % is clipping."
            )
            frames[name].append((figure, caption))
    return explorer(frames, "values", "clip (standard deviations)", [f"{c:g}" for c in clips])


def ste_explorer(cases, clip_values=(0.25, 0.5, 0.75, 1, 1.5, 2, 3, None)):
    """Panel of straight-through estimators: where to clip, and how many values still learn.

    Parameters
    ----------
    cases : dict of str to array
        The drop-down: values whose signs are taken, by name.
    clip_values : sequence of float or None
        The slider: the gradient is passed where ``|x|`` is at most that; everywhere for None.

    Returns
    -------
    ipywidgets.VBox

    Examples
    --------
    >>> panel = ste_explorer({"ramp": np.linspace(-2, 2, 50)}, clip_values=[1, None])
    >>> [option[0] for option in panel.children[0].children[0].options]
    ['1', 'none']
    """
    frames = {}
    for name, values in cases.items():
        x = np.asarray(values, np.float64).ravel()
        limit = float(np.ceil(2 * np.quantile(np.abs(x), 0.999)) / 2)
        frames[name] = []
        for clip in clip_values:
            passed = 1.0 if clip is None else np.mean(np.abs(x) <= clip)
            figure = figures.plot_ste(x, clip, max(limit, 1.5), name)
            where = "no clip" if clip is None else f"clip at ±{clip:g}"
            frames[name].append((figure, f"{name}, {where}: {100 * passed:.1f} % get a gradient."))
    labels = ["none" if clip is None else f"{clip:g}" for clip in clip_values]
    return explorer(frames, "values", "clip", labels)


def xnor_explorer(words):
    """Panel of two words: their dot product by XOR and popcount, one bit after the other.

    Parameters
    ----------
    words : dict of str to (sequence of int, sequence of int, int)
        The drop-down: the bits of two words of one width, 1 for -1, and how many of them hold a
        value. The others are spare, and are counted like the rest: so a name can show what
        happens if they are not 0 in both.

    Returns
    -------
    ipywidgets.VBox

    Raises
    ------
    ValueError
        If the words have not all one width, hold anything but 0 and 1, or have fewer bits than
        values.

    Examples
    --------
    >>> panel = xnor_explorer({"two bits": ([0, 1], [1, 1], 2)})
    >>> len(panel.children[1].children[0].children)  # 0, 1 and 2 bits done
    3
    """
    widths = {len(bits) for a, b, _ in words.values() for bits in (a, b)}
    if len(widths) != 1:
        raise ValueError(f"words must all have one width, got {sorted(widths)}")
    (width,) = widths
    frames = {}
    for name, (a_bits, b_bits, length) in words.items():
        a, b = np.asarray(a_bits), np.asarray(b_bits)
        if not np.isin([a, b], [0, 1]).all():
            raise ValueError(f"words[{name!r}] must hold 0 and 1, got {a.tolist()}, {b.tolist()}")
        if not 1 <= length <= width:
            raise ValueError(f"words[{name!r}] must hold 1 to {width} values, got {length}")
        products = ((1 - 2 * a) * (1 - 2 * b))[:length]
        frames[name] = []
        for done in range(width + 1):
            ones, seen = int(np.count_nonzero((a ^ b)[:done])), min(done, length)
            total = int(products[:seen].sum())
            by_count, by_products = (str(n).replace("-", "−") for n in (seen - 2 * ones, total))
            caption = (
                f"{name}, {done} of {width} bits: popcount {ones}, "
                f"{seen} − 2 · {ones} = {by_count}; the products so far add up to {by_products}."
            )
            if by_count != by_products:
                caption += " The two differ: spare bits were counted."
            frames[name].append((figures.plot_xnor(a, b, done, length), caption))
    return explorer(frames, "words", "bits done", range(width + 1))
