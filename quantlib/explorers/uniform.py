"""Panels of chapter 1: a quantizer's bit width, and its range."""

import numpy as np

from quantlib import figures, metrics, uniform
from quantlib.explorers.base import explorer
from quantlib.uniform import clipping

__all__ = ["clipping_explorer", "quantizer_explorer"]


def _symmetric(x, bit_width):
    qparams = uniform.choose_qparams(x, bit_width)
    return lambda values: uniform.fake_quantize(values, qparams)


def _asymmetric(x, bit_width):
    qparams = uniform.choose_qparams(x, bit_width, mapping="asymmetric")
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

    The drop-down, ``cases``, gives by name the values and the bit width of their symmetric codes;
    the slider, ``clips``, is in standard deviations of the values.

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
