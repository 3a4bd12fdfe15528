"""Batch normalization and a sign, or few levels, folded into comparisons for each channel."""

import numpy as np
import torch
from torch import nn

from quantlib._validation import check_integer

__all__ = [
    "NORMALIZATIONS",
    "first_reaching",
    "level_thresholds",
    "real_thresholds",
    "sign_thresholds",
]

#: The layers that can be folded.
NORMALIZATIONS = (nn.BatchNorm1d, nn.BatchNorm2d)


def sign_thresholds(layers, low, high):
    r"""Return what whole sums are compared with in place of batch normalization and a sign.

    Channel c of the result of ``layers`` (batch normalizations in evaluation mode, one after the
    other) rises or falls with the sum; the sign changes at most once. The sum from ``low`` to
    ``high`` where it does is found by bisection, with the layers themselves for every question,
    so that the answer includes how they round. For K products of signs the bounds are -K and K.

    In exact numbers the threshold for positive gamma is :math:`\mu - \beta\sigma / \gamma`,
    rounded up. Where that is itself a whole number, the layer's result should be exactly 0, and
    its rounding decides on which side it comes out.

    Returns
    -------
    thresholds : numpy.ndarray of int32
        t: the sign is +1 where the sum is t or more.
    flips : numpy.ndarray of bool
        Where True, the sign is +1 where the sum is below t. So it is for negative gamma.

    Examples
    --------
    >>> norm = nn.BatchNorm1d(2, eps=0).eval()
    >>> with torch.no_grad():
    ...     _ = norm.weight.copy_(torch.tensor([1.0, -1.0]))
    ...     _ = norm.running_mean.copy_(torch.tensor([2.5, 3.0]))
    >>> thresholds, flips = sign_thresholds([norm], -10, 10)
    >>> thresholds.tolist(), flips.tolist()  # from 3 on; up to 3
    ([3, 4], [False, True])
    """
    low, high = _checked_range(low, high)
    return _bisect(*_question(layers), low, high, lambda sums: sums.float(), np.int32)


def real_thresholds(layers):
    """Return the same for real numbers, as float32 numbers; they may be infinite.

    >>> norm = nn.BatchNorm1d(1, eps=0).eval()
    >>> _ = norm.running_mean.fill_(0.5)
    >>> real_thresholds([norm])[0].tolist()
    [0.5]
    """
    return _bisect(*_question(layers), -_LARGEST, _LARGEST, _float_at, np.float32)


def level_thresholds(layers, levels, channels, *, low=None, high=None, unit=1.0, bias=0.0):
    r"""Return what numbers are compared with in place of layers and several comparisons after them.

    Each channel of the result of ``layers`` rises or falls with the number, and so it reaches the
    levels one after the other. Where it reaches each of them is found as for a sign, which is the
    case of one level, 0.

    Parameters
    ----------
    layers : list of modules
        Batch normalizations in evaluation mode, and ReLUs; they may be none.
    levels : sequence of float
        In rising order, K of them. A level is reached where the result is as large or larger.
    channels : int
        C.
    low, high : int, optional
        If numbers are whole sums s, the smallest and the largest; else they are real. What comes
        into the layers is ``unit * s + bias``, where a bias may be a tensor of C numbers.

    Returns
    -------
    thresholds : numpy.ndarray of int32, or of float32
        K x C, in rising order: level i of a channel is reached where the number reaches row i.
    flips : numpy.ndarray of bool
        Where True the channel falls: level i is reached where the number is below row K - 1 - i.

    Examples
    --------
    >>> norm = nn.BatchNorm1d(2, eps=0).eval()
    >>> with torch.no_grad():
    ...     _ = norm.weight.copy_(torch.tensor([0.5, -0.5]))
    >>> thresholds, flips = level_thresholds([norm], [-1, 0.75], 2, low=-9, high=9)
    >>> thresholds.tolist(), flips.tolist()  # the second channel: from -1 down, and from 2 down
    ([[-2, -1], [2, 3]], [False, True])
    """
    question = _question(layers, levels, check_integer(channels, "channels", 1, 2**24))
    if low is None:
        lowest, highest = -np.inf, np.inf
        found = _bisect(*question, -_LARGEST, _LARGEST, _float_at, np.float32)
    else:
        lowest, highest = np.iinfo(np.int32).min, np.iinfo(np.int32).max
        low, high = _checked_range(low, high)

        def number(sums):
            return (sums.reshape(-1, channels).float() * unit + bias).reshape(-1)

        found = _bisect(*question, low, high, number, np.int32)
    thresholds, flips = (x.reshape(-1, channels) for x in found)
    # A level that is always reached, or never, has to say so in the direction of its channel.
    falls = (flips & (thresholds != lowest)).any(axis=0)
    thresholds[flips != falls] = highest
    return np.sort(thresholds, axis=0), falls


def first_reaching(reached, channels):
    """Return the least float32 number of each channel that ``reached`` says True of.

    ``reached`` takes a tensor of a number for each channel, and once it says True of one says so of
    all that are larger. Where all numbers reach it the result is minus infinity, where none does,
    infinity.

    >>> first_reaching(lambda x: x + torch.tensor([0.5, -1.0]) >= 2, 2).tolist()
    [1.5, 3.0]
    """
    thresholds, flips = _bisect(reached, channels, -_LARGEST, _LARGEST, _float_at, np.float32)
    thresholds[np.isinf(thresholds) & flips] = np.inf
    return thresholds


#: The place of the largest float32 number: they have an order, and can be numbered through in it,
#: so that bisection is as exact as for whole numbers.
_LARGEST = int(np.float32(np.finfo(np.float32).max).view(np.int32))


def _float_at(places):
    """Return the float32 numbers at places of their order."""
    places = places.int()
    return torch.where(places < 0, -(2**31) - places, places).view(torch.float32)


def _checked_range(low, high):
    low = check_integer(low, "low", -(2**24), 2**24)
    return low, check_integer(high, "high", low, 2**24)


def _question(layers, levels=(0.0,), channels=None):
    """Return what asks whether layers reach each of the levels, and how many answers it gives.

    It takes a number for each level and each channel, and these are the layers' by default.
    """
    layers = list(layers)
    kinds = NORMALIZATIONS if channels is None else (*NORMALIZATIONS, nn.ReLU)
    norms = [layer for layer in layers if not isinstance(layer, nn.ReLU)]
    for layer in layers:
        if not isinstance(layer, kinds):
            raise TypeError(f"layers must be batch normalizations, got {type(layer).__name__}")
    for layer in norms:
        if layer.training:
            raise ValueError("layers must be in evaluation mode: call eval() on them")
        numbers = [layer.weight, layer.bias, layer.running_mean, layer.running_var]
        dtypes = {None if x is None else x.dtype for x in numbers}
        if layer.running_mean is None or not dtypes <= {None, torch.float32}:
            raise TypeError("layers must hold means and variances, and all numbers in float32")
        if not all(torch.isfinite(x).all() for x in numbers if x is not None):
            raise ValueError("layers must be finite, got NaN or infinity")
    counts = [layer.num_features for layer in norms]
    if len({*counts, *([] if channels is None else [channels])}) != 1:
        raise ValueError(f"layers must be one or more, of the same channels, got {counts}")
    channels = counts[0] if channels is None else channels
    levels = torch.as_tensor(levels, dtype=torch.float32)[:, None]
    largest = torch.finfo(torch.float32).max

    def reached(x):
        for layer in layers:
            x = layer(x.reshape(-1, channels, *[1, 1] * isinstance(layer, nn.BatchNorm2d)))
            x = x.clamp(-largest, largest)  # infinity times a gamma of 0 would be no number
        return (x.reshape(-1, channels) >= levels).reshape(-1)

    return reached, channels * len(levels)


@torch.no_grad()
def _bisect(reached, channels, low, high, number, dtype):
    """Return thresholds and flips; ``number`` turns a place in the order into a number."""
    below = torch.full((channels,), low, dtype=torch.int64)
    above = torch.full((channels,), high, dtype=torch.int64)
    first, last = reached(number(below)), reached(number(above))
    while bool((above - below > 1).any()):
        middle = torch.div(below + above, 2, rounding_mode="floor")
        same = reached(number(middle)) == first
        below, above = torch.where(same, middle, below), torch.where(same, above, middle)
    # Whole sums are compared as they are, whatever comes of them in the layers.
    thresholds = (above if dtype is np.int32 else number(above)).numpy().astype(dtype)
    constant = (first == last).numpy()
    thresholds[constant] = -np.inf if dtype is np.float32 else np.iinfo(np.int32).min
    flips = np.where(constant, ~first.numpy(), first.numpy())
    return thresholds, flips
