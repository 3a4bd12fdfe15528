"""The panel of chapter 10: a number, a range, and the gradients that both get."""

import numbers

import numpy as np
import torch
from traitlets import Float, Int

from quantlib import qat, uniform
from quantlib._validation import check_integer, shown
from quantlib.explorers.panel import Panel, module, picture
from quantlib.figures import COLORS, new_figure

__all__ = ["GradientPanel", "gradient_explorer"]

#: What the panel can be set to: the numbers, their clip, and the bits of codes from 0 on.
NUMBERS, CLIPS, BIT_WIDTHS = (-2.0, 10.0), (0.5, 9.0), (2, 4)


class GradientPanel(Panel):
    """What :func:`gradient_explorer` returns; a notebook can read and set these numbers."""

    _esm = module("qat_gradients.js")

    x = Float(min=NUMBERS[0], max=NUMBERS[1]).tag(sync=True)
    clip = Float(min=CLIPS[0], max=CLIPS[1]).tag(sync=True)
    bit_width = Int(min=BIT_WIDTHS[0], max=BIT_WIDTHS[1]).tag(sync=True)


def gradient_explorer(x=2.6, clip=7.0, *, bit_width):
    r"""Panel of one number that is quantized, with the gradients of straight-through, PACT and LSQ.

    Codes are unsigned, and the largest stands for ``clip``: the step is
    :math:`\mathrm{clip} / (2^b - 1)`. The page computes the value and the gradients of
    :class:`~quantlib.qat.learned.LearnedStep` by the number and by the step, without the factor
    g, and that of :class:`~quantlib.qat.learned.LearnedClip` by the clip.

    Parameters
    ----------
    x : float
        The number, -2 to 10.
    clip : float
        0.5 to 9.
    bit_width : int
        2 to 4.

    Examples
    --------
    >>> panel = gradient_explorer(bit_width=3)
    >>> panel.x, panel.clip, panel.bit_width
    (2.6, 7.0, 3)
    """
    x, clip = _within(x, "x", *NUMBERS), _within(clip, "clip", *CLIPS)
    bit_width = check_integer(bit_width, "bit_width", *BIT_WIDTHS)
    panel = GradientPanel(x=x, clip=clip, bit_width=bit_width)
    panel.first_picture = _first_gradients(x, clip, bit_width)
    return panel


def _within(value, name, low, high):
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, got {shown(value)}")
    if not low <= value <= high:
        raise ValueError(f"{name} must be from {low:g} to {high:g}, got {value}")
    return float(value)


def _gradients(x, clip, bit_width):
    """Return the value of a number, and its gradients by the number, the clip and the step."""
    step = clip / (2**bit_width - 1)
    quantizer = qat.LearnedStep(uniform.QParams(step, 0, bit_width, signed=False))
    height = qat.LearnedClip(bit_width, first_clip=clip)
    number = torch.tensor([x], requires_grad=True)
    value = quantizer(number)
    value.sum().backward()
    height(number.detach()).sum().backward()
    # log_step's gradient is that of the step times the step and LSQ's factor g
    by_step = quantizer.log_step.grad.item() / quantizer.step.item() * np.sqrt(2**bit_width - 1)
    return value.item(), number.grad.item(), height.clip.grad.item(), by_step


def _first_gradients(x, clip, bit_width):
    along = np.linspace(*NUMBERS, 401)
    step = clip / (2**bit_width - 1)
    ratio = along / step
    codes = np.clip(np.rint(ratio), 0, 2**bit_width - 1)
    value, by_number, by_clip, by_step = _gradients(x, clip, bit_width)
    figure, (top, bottom) = new_figure(5.0, 4.4, 2, 1, sharex=True)
    top.plot(along, codes * step)
    top.plot(x, value, "o", color=COLORS["black"])
    top.set_ylabel("value")
    inside = codes == np.rint(ratio)
    bottom.plot(along, inside * 1.0, color=COLORS["blue"], label="by the number")
    bottom.plot(along, along >= clip, color=COLORS["green"], label="by the clip (PACT)")
    slope = np.where(inside, codes - ratio, codes)
    bottom.plot(along, slope, color=COLORS["vermillion"], label="by the step (LSQ)")
    bottom.set_ylabel("gradient")
    bottom.set_xlabel("number x")
    bottom.legend()
    return picture(
        figure,
        f"Values and gradients of all numbers for codes of {bit_width} bits with the clip "
        f"{clip:g}. The number {x:g} (dot) has the value {value:.3g}; its gradient is "
        f"{by_number:g} by the number, {by_clip:g} by PACT's clip and {by_step:.3g} by LSQ's step.",
    )
