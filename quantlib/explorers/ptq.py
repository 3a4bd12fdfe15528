"""The panels of chapter 9: a range for activations, a multiplier and a shift, channels' factors."""

import numbers

import numpy as np
from traitlets import Dict, Enum, Float, Int, List, Unicode

from quantlib import ptq
from quantlib._validation import (
    as_float_array,
    check_bit_width,
    check_integer,
    detached,
    shown,
    to_numpy,
)
from quantlib.explorers.panel import Panel, module, picture
from quantlib.figures import COLORS, CYCLE, new_figure

__all__ = [
    "CalibrationPanel",
    "EqualizationPanel",
    "RequantizationPanel",
    "calibration_explorer",
    "equalization_explorer",
    "requantization_explorer",
]

#: What the panels can be set to.
BIT_WIDTHS = range(2, 9)
SUM = (-(2**31), 2**31 - 1)
FACTOR = (9e-7, 1 - 9e-7)
CHANNELS = (2, 16)

#: What the observers are called on the panel.
_NAMES = ("MinMax", "moving average", "mean ± 3σ", "percentile 99.9", "entropy", "MSE")


class CalibrationPanel(Panel):
    """What :func:`calibration_explorer` returns; a notebook can read and set these numbers."""

    _esm = module("ptq_calibration.js")

    #: For each activation its name, the bins of its histogram that hold values other than 0, and
    #: the range that each observer chooses for codes of 2 to 8 bits.
    activations = List(Dict()).tag(sync=True)
    #: What observers are called on the panel and in Python, by the names of their classes.
    observers = Dict().tag(sync=True)
    codes = Dict().tag(sync=True)

    activation = Int(0, min=0).tag(sync=True)
    bit_width = Int(8, min=BIT_WIDTHS[0], max=BIT_WIDTHS[-1]).tag(sync=True)
    low = Float().tag(sync=True)
    high = Float().tag(sync=True)
    #: Whose range is shown, by the name of its class, or "hand".
    observer = Unicode("MinMax").tag(sync=True)


def calibration_explorer(activations, *, bit_width, momentum=0.9):
    r"""Panel of a range to be dragged over a histogram, its two errors, and observers' choices.

    The page computes the rounding and the clipping error, the two parts of
    :func:`~quantlib.ptq.observers.compare_observers`, with every value at the centre of its bin in
    the histogram of :class:`~quantlib.ptq.by_histogram.MSE`: together they are that observer's
    ``costs`` times the share of the values that are not 0. What the observers choose is
    computed here, for unsigned asymmetric codes.

    Parameters
    ----------
    activations : dict
        For each name the batches of one tensor: a list of arrays, or an array whose first axis
        counts batches, which a moving average sees one by one. The panel's menu has these names.
    bit_width : int
        Bits of a code at the beginning, 2 to 8.
    momentum : float
        Of :class:`~quantlib.ptq.observers.MovingAverage`.

    Examples
    --------
    >>> panel = calibration_explorer({"eight values": [[0.0, 1.0, 2.0, 3.0]] * 2}, bit_width=4)
    >>> panel.observer, panel.low, panel.high
    ('MinMax', 0.0, 3.0)
    """
    bit_width = check_bit_width(bit_width, BIT_WIDTHS[0], BIT_WIDTHS[-1])
    if not isinstance(activations, dict) or not activations:
        raise ValueError(
            f"activations must be a dict from names to batches, got {shown(activations)}"
        )
    seen = {str(name): _seen(name, batches, momentum) for name, batches in activations.items()}
    (name, (x, observers)), *_ = seen.items()
    panel = CalibrationPanel(
        activations=[_for_page(name, observers) for name, (_, observers) in seen.items()],
        observers=dict(zip(observers, _NAMES, strict=True)),
        codes={key: repr(observer) for key, observer in observers.items()},
        bit_width=bit_width,
    )
    panel.low, panel.high = panel.activations[0]["ranges"]["MinMax"][0]
    panel.first_picture = _first_calibration(name, x, observers, bit_width)
    return panel


def _seen(name, batches, momentum):
    """Return all values of the batches, and observers that have seen them."""
    name = f"activations[{name!r}]"
    batches = [to_numpy(detached(as_float_array(batch, name))) for batch in batches]
    if not all(batch.ndim for batch in batches):
        raise ValueError(f"{name} must hold batches, an array each, got a number as one of them")
    if not any(batch.any() for batch in batches):
        raise ValueError(f"{name} must hold a value other than 0")
    observers = [
        ptq.MinMax(),
        ptq.MovingAverage(momentum=momentum),
        ptq.Sigmas(),
        ptq.Percentile(99.9),
        ptq.Entropy(),
        ptq.MSE(),
    ]
    for observer in observers:
        for batch in batches:
            observer.observe(batch)
    values = np.concatenate([batch.ravel() for batch in batches])
    return values, {type(observer).__name__: observer for observer in observers}


def _range(observer, bit_width):
    """Return the range that an observer chooses for codes, widened to contain 0."""
    of_codes = isinstance(observer, (ptq.MSE, ptq.Entropy))
    low, high = observer.range(bit_width) if of_codes else observer.range()
    return min(low, 0.0), max(high, 0.0)


def _for_page(name, observers):
    histogram = observers["MSE"].histogram
    counts = histogram.counts.copy()
    if histogram.n_zeros:
        counts[-histogram.first] -= histogram.n_zeros
    used = np.flatnonzero(counts)
    return {
        "name": name,
        "width": histogram.width,
        "bins": (histogram.first + used).tolist(),
        "counts": counts[used].tolist(),
        "low": histogram.low,
        "high": histogram.high,
        "n_values": histogram.n_values,
        "ranges": {
            key: [_range(observer, bit_width) for bit_width in BIT_WIDTHS]
            for key, observer in observers.items()
        },
    }


def _first_calibration(name, x, observers, bit_width):
    figure, axes = new_figure(5.0, 3.4)
    axes.hist(x[x != 0], 100, color=COLORS["sky"], log=True)
    told = []
    rows = ptq.compare_observers(observers.values(), x, bit_width)
    for row, label, color in zip(rows, _NAMES, CYCLE, strict=True):
        style = {"color": color, "linestyle": "--", "label": label}
        axes.axvline(max(row.high, 0.0), **style)
        if row.low < 0:
            axes.axvline(row.low, color=color, linestyle="--")
        told.append(f"{label} from {row.low:.3g} to {row.high:.3g}, squared error {row.error:.3g}")
    axes.set_xlabel(f"value, {name}")
    axes.set_ylabel("values other than 0 in a bin")
    axes.legend()
    return picture(
        figure,
        f"Histogram of an activation, {name}, with the ends of the ranges that observers choose "
        f"for codes of {bit_width} bits (dashed): {'; '.join(told)}.",
    )


class RequantizationPanel(Panel):
    """What :func:`requantization_explorer` returns; a notebook can read and set these numbers."""

    _esm = module("ptq_requantization.js")

    sum = Int(min=SUM[0], max=SUM[1]).tag(sync=True)
    factor = Float(min=FACTOR[0], max=FACTOR[1]).tag(sync=True)
    zero_point = Int(min=0, max=255).tag(sync=True)
    #: The smallest and the largest factor that the page takes.
    factors = List(Float(), list(FACTOR)).tag(sync=True)


def requantization_explorer(sum=2024, factor=0.0377, zero_point=3):
    r"""Panel of one sum that becomes a code, by a multiplier and a shift, bit by bit.

    The page computes :func:`~quantlib.ptq.requantization.fixed_point` and
    :func:`~quantlib.ptq.requantization.requantize` to the bit, for codes of 0 to 255, and beside
    them what floating point gives (float64, halves to the even number) and gemmlowp's two
    roundings. Source of these: gemmlowp, ``fixedpoint/fixedpoint.h``,
    ``SaturatingRoundingDoublingHighMul`` and ``RoundingDivideByPOT``.

    Parameters
    ----------
    sum : int
        Of 32 bits.
    factor : float
        M, from 2**-20 to 1 - 2**-20.
    zero_point : int
        0 to 255.

    Examples
    --------
    >>> panel = requantization_explorer(900, 0.5)
    >>> panel.sum, panel.factor, panel.zero_point
    (900, 0.5, 3)
    """
    sum = check_integer(sum, "sum", *SUM)
    if isinstance(factor, bool) or not isinstance(factor, numbers.Real):
        raise TypeError(f"factor must be a number, got {shown(factor)}")
    if not FACTOR[0] <= factor <= FACTOR[1]:
        raise ValueError(f"factor must be from 2**-20 to 1 - 2**-20, got {factor}")
    zero_point = check_integer(zero_point, "zero_point", 0, 255)
    panel = RequantizationPanel(sum=sum, factor=float(factor), zero_point=zero_point)
    panel.first_picture = _first_requantization(sum, float(factor), zero_point)
    return panel


def _first_requantization(sum, factor, zero_point):
    multiplier, shift = (int(part) for part in ptq.fixed_point(factor))
    options = {"zero_point": zero_point, "low": 0, "high": 255}
    sums = np.linspace((-40 - zero_point) / factor, (295 - zero_point) / factor, 400)
    sums = np.unique(np.clip(np.rint(sums), *SUM).astype(np.int64))
    code = int(ptq.requantize(sum, multiplier, shift, **options))
    figure, axes = new_figure(5.0, 3.0)
    axes.plot(sums, ptq.requantize(sums, multiplier, shift, **options))
    axes.plot(sum, code, "o", color=COLORS["vermillion"])
    axes.set_xlabel("sum s")
    axes.set_ylabel("code q")
    return picture(
        figure,
        f"The code of every sum with M = {factor:g}, that is {multiplier} / 2**{shift}, and the "
        f"zero point {zero_point}. The sum {sum} (dot) has the product {sum * multiplier}; with "
        f"the half {1 << (shift - 1)} added and shifted by {shift} bits it is "
        f"{(sum * multiplier + (1 << (shift - 1))) >> shift}, and the code is {code}.",
    )


class EqualizationPanel(Panel):
    """What :func:`equalization_explorer` returns; a notebook can read and set these numbers."""

    _esm = module("ptq_equalization.js")

    first_range = List(Float()).tag(sync=True)
    second_range = List(Float()).tag(sync=True)
    bit_width = Int(8, min=BIT_WIDTHS[0], max=BIT_WIDTHS[-1]).tag(sync=True)
    #: The factor of each channel, by which the first layer's weights are divided.
    factors = List(Float()).tag(sync=True)
    activation = Enum(("relu", "relu6"), "relu").tag(sync=True)
    #: The channel that the panel speaks of, from 0.
    channel = Int(0, min=0).tag(sync=True)


def equalization_explorer(first_range, second_range, *, bit_width):
    r"""Panel of two layers' channel ranges, with a factor to be dragged for each channel.

    The first layer's range is divided by a channel's factor, the second's multiplied by it. For
    each layer the page computes the step of symmetric codes for the whole tensor,
    :math:`\Delta = \max_i r_i / (2^{b-1} - 1)`, and the bits that a channel gets of it,
    :math:`\log_2 (2 r_i / \Delta)`, or 0 where all its weights round to 0. The button takes the
    factors of :func:`~quantlib.ptq.equalization.equalization_scales`.

    Parameters
    ----------
    first_range, second_range : array
        2 to 16 positive numbers each: the largest magnitude of the weights of each output channel
        of the first layer, and of the weights of the second that take this channel. For a depthwise
        convolution and a pointwise one behind it they are ``first.weight.abs().amax((1, 2, 3))``
        and ``second.weight.abs().amax((0, 2, 3))``.
    bit_width : int
        Bits of a code at the beginning, 2 to 8.

    Examples
    --------
    >>> panel = equalization_explorer([8.0, 1.0], [2.0, 1.0], bit_width=8)
    >>> panel.factors
    [1.0, 1.0]
    """
    bit_width = check_bit_width(bit_width, BIT_WIDTHS[0], BIT_WIDTHS[-1])
    first = _ranges(first_range, "first_range")
    second = _ranges(second_range, "second_range")
    if first.size != second.size:
        raise ValueError(
            f"first_range and second_range must be of one length, got {first.size} and "
            f"{second.size}"
        )
    panel = EqualizationPanel(
        first_range=first.tolist(),
        second_range=second.tolist(),
        bit_width=bit_width,
        factors=[1.0] * first.size,
    )
    panel.first_picture = _first_equalization(first, second, bit_width)
    return panel


def _ranges(values, name):
    values = to_numpy(detached(as_float_array(values, name))).astype(np.float64)
    if values.ndim != 1 or not CHANNELS[0] <= values.size <= CHANNELS[1]:
        raise ValueError(
            f"{name} must have {CHANNELS[0]} to {CHANNELS[1]} numbers along one axis, "
            f"got shape {values.shape}"
        )
    if not (values > 0).all():
        raise ValueError(f"{name} must be positive, got {values.min():g}")
    return values


def _first_equalization(first, second, bit_width):
    figure, both = new_figure(5.6, 3.0, rows=1, cols=2, sharey=True)
    channels, told = np.arange(1, first.size + 1), []
    for axes, ranges, layer in zip(both, (first, second), ("first", "second"), strict=True):
        step = ranges.max() / (2 ** (bit_width - 1) - 1)
        bits = np.maximum(np.log2(2 * ranges / step), 0.0)
        axes.barh(channels, ranges, color=COLORS["sky"])
        axes.set_xscale("log")
        axes.axvline(step / 2, color=COLORS["black"], linestyle="--")
        axes.set_xlabel(f"range, {layer} layer")
        told.append(f"in the {layer} layer channels get {bits.min():.1f} to {bits.max():.1f}")
    both[0].set_ylabel("channel")
    both[0].set_yticks(channels)
    both[0].invert_yaxis()
    return picture(
        figure,
        f"The ranges of {first.size} channels in two layers, and half a step of each whole layer "
        f"(dashed), below which all rounds to 0. Of {bit_width} bits {', '.join(told)}.",
    )
