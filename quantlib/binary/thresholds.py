"""Batch normalization and a sign, folded into one comparison for each channel."""

import numpy as np
import torch
from torch import nn

from quantlib._validation import check_integer

__all__ = ["NORMALIZATIONS", "first_reaching", "real_thresholds", "sign_thresholds"]

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
    low = check_integer(low, "low", -(2**24), 2**24)
    high = check_integer(high, "high", low, 2**24)
    return _bisect(*_question(layers), low, high, lambda sums: sums.float(), np.int32)


def real_thresholds(layers):
    """Return the same for real numbers, as float32 numbers; they may be infinite.

    >>> norm = nn.BatchNorm1d(1, eps=0).eval()
    >>> _ = norm.running_mean.fill_(0.5)
    >>> real_thresholds([norm])[0].tolist()
    [0.5]
    """
    return _bisect(*_question(layers), -_LARGEST, _LARGEST, _float_at, np.float32)


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


def _question(layers):
    """Return what asks whether batch normalizations give 0 or more, and their channels."""
    layers = list(layers)
    for layer in layers:
        if not isinstance(layer, NORMALIZATIONS):
            raise TypeError(f"layers must be batch normalizations, got {type(layer).__name__}")
        if layer.training:
            raise ValueError("layers must be in evaluation mode: call eval() on them")
        numbers = [layer.weight, layer.bias, layer.running_mean, layer.running_var]
        kinds = {None if x is None else x.dtype for x in numbers}
        if layer.running_mean is None or not kinds <= {None, torch.float32}:
            raise TypeError("layers must hold means and variances, and all numbers in float32")
        if not all(torch.isfinite(x).all() for x in numbers if x is not None):
            raise ValueError("layers must be finite, got NaN or infinity")
    if len({layer.num_features for layer in layers}) != 1:
        counts = [layer.num_features for layer in layers]
        raise ValueError(f"layers must be one or more, of the same channels, got {counts}")
    channels = layers[0].num_features
    largest = torch.finfo(torch.float32).max

    def reached(x):
        for layer in layers:
            x = layer(x.reshape(1, channels, *[1, 1] * isinstance(layer, nn.BatchNorm2d)))
            x = x.clamp(-largest, largest)  # infinity times a gamma of 0 would be no number
        return x.reshape(-1) >= 0

    return reached, channels


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
    thresholds = number(above).numpy().astype(dtype)
    constant = (first == last).numpy()
    thresholds[constant] = -np.inf if dtype is np.float32 else np.iinfo(np.int32).min
    flips = np.where(constant, ~first.numpy(), first.numpy())
    return thresholds, flips
