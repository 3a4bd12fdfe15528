"""The weights that a quantized layer computes with, to look at and to print."""

from dataclasses import dataclass

import torch

from quantlib._validation import check_finite, check_integer

__all__ = ["WeightLevels"]

#: Levels that have a sign of their own in a picture.
_SIGNS = {-1.0: "-", 0.0: "0", 1.0: "+"}

#: More levels than these are not listed one by one.
_LISTED = 16


@dataclass(frozen=True, eq=False)
class WeightLevels:
    r"""Weights as few levels, a code for each weight, and a scale for each output channel or none.

    .. math:: q(W)_o = s_o\, l_{\mathrm{code}}, \qquad l_0 < l_1 < \dots

    What is printed is how often each level is taken, and the codes of a filter:

    >>> from quantlib.binary import BinaryLinear
    >>> layer = BinaryLinear(5, 2, method="bwn")
    >>> with torch.no_grad():
    ...     _ = layer.weight.copy_(torch.tensor([[1.0, -2, 3, -4, 5], [1, 1, 1, 1, -1]]))
    >>> print(layer.quantized_weight)
    2 x 5 weights of 2 levels, a scale for each of 2 channels
     level   weights    share
        -1         3   30.0 %
        +1         7   70.0 %
    channel 0, scale 3
    +-+-+
    >>> layer.quantized_weight.scale.tolist()
    [3.0, 1.0]
    """

    #: Long tensor in the shape of the weights: the index of each one's level.
    codes: torch.Tensor
    #: The levels in rising order, before the scale: -1 and +1 for binary weights. Such that differ
    #: by rounding alone (less than 2**-20 of the largest) are one.
    levels: torch.Tensor
    #: One number an output channel, or None, which stands for 1.
    scale: torch.Tensor | None

    @property
    def unscaled(self):
        """The weights before the scale: what a kernel stores."""
        return self.levels[self.codes]

    @property
    def values(self):
        """The weights themselves, scale included."""
        if self.scale is None:
            return self.unscaled
        return self.unscaled * self.scale.reshape(-1, *[1] * (self.codes.ndim - 1))

    @property
    def counts(self):
        """How many weights take each level, a tensor of whole numbers."""
        return torch.bincount(self.codes.flatten(), minlength=len(self.levels))

    def picture(self, channel=0):
        """Return the filter of an output channel as text, a line for each of its rows.

        Levels -1, 0 and +1 are drawn as signs and a 0, of which an input channel's rows stand below
        each other; other levels by their codes.

        >>> from quantlib.binary import BinaryConv2d
        >>> layer = BinaryConv2d(2, 1, 2)
        >>> with torch.no_grad():
        ...     _ = layer.weight.copy_(torch.tensor([[[[1.0, -1], [1, 1]], [[1, 1], [-1, -1]]]]))
        >>> print(layer.quantized_weight.picture())
        +-
        ++
        <BLANKLINE>
        ++
        --
        """
        channel = check_integer(channel, "channel", 0, len(self.codes) - 1)
        signs = [_SIGNS.get(level) for level in self.levels.tolist()]
        if None in signs:
            width = len(str(len(self.levels) - 1)) + 1
            signs = [f"{code:>{width}}" for code in range(len(self.levels))]
        return _drawn(self.codes[channel].tolist(), signs)

    def __str__(self):
        shape, n = " x ".join(map(str, self.codes.shape)), len(self.levels)
        text = f"{shape} weights of {n} level{'s' * (n != 1)}"
        if self.scale is not None:
            text += f", a scale for each of {len(self.scale)} channels"
        if n <= _LISTED:
            text += f"\n{'level':>6}{'weights':>10}{'share':>9}"
            total = max(self.codes.numel(), 1)
            for level, count in zip(self.levels.tolist(), self.counts.tolist(), strict=True):
                sign = "+" if level > 0 else ""
                text += (
                    f"\n{sign + format(level, '.4g'):>6}{count:>10}{100 * count / total:>7.1f} %"
                )
        else:
            text += f", from {self.levels[0]:.4g} to {self.levels[-1]:.4g}"
        if self.codes.numel() and self.codes[0].numel() <= 64:
            scale = "" if self.scale is None else f", scale {self.scale[0]:.4g}"
            text += f"\nchannel 0{scale}\n{self.picture()}"
        return text

    __repr__ = __str__


def _drawn(codes, signs):
    """Return nested lists of codes as text: rows are lines, and an empty line between tables."""
    if isinstance(codes, int):
        return signs[codes]
    if not codes or isinstance(codes[0], int):
        return "".join(signs[code] for code in codes)
    deeper = isinstance(codes[0][0], list) if codes[0] else False
    return ("\n\n" if deeper else "\n").join(_drawn(part, signs) for part in codes)


def weight_levels(weight, quantizer):
    """Return the levels that ``quantizer`` gives ``weight`` in evaluation mode."""
    check_finite(weight, "weight")
    mode = quantizer.training
    quantizer.eval()
    try:
        with torch.no_grad():
            values, scale = quantizer.factors(weight)
    finally:
        quantizer.train(mode)
    levels, codes, counts = torch.unique(values, return_inverse=True, return_counts=True)
    levels, group = _merged(levels, counts)
    return WeightLevels(group[codes], levels, scale)


def _merged(levels, counts):
    """Return levels of which those that differ by rounding alone are one, and where each went.

    A straight-through estimator that is written ``w + (q - w).detach()`` rounds a level to several
    neighbours.
    """
    if not len(levels):
        return levels, levels.long()
    width = 2.0**-20 * levels.abs().max()
    starts = torch.cat([torch.ones(1, dtype=torch.bool), levels.diff() > width])
    group = starts.cumsum(0) - 1
    first = starts.nonzero().flatten()
    last = torch.cat([first[1:], first.new_tensor([len(levels)])]) - 1
    if (levels[last] - levels[first] > width).any():  # they are not few: all stay
        return levels, torch.arange(len(levels))
    best = [
        int(counts[a : b + 1].argmax()) + a
        for a, b in zip(first.tolist(), last.tolist(), strict=True)
    ]
    return levels[best], group
