"""Fake quantization whose range follows what is seen while the network trains."""

from dataclasses import replace

import numpy as np
import torch

from quantlib import logarithmic
from quantlib._validation import check_bit_width, check_choice, check_finite, check_positive
from quantlib.layers import Quantizer
from quantlib.models.weights import check_tensor
from quantlib.ptq import UniformQuantizer
from quantlib.schemes import straight_through

__all__ = ["ObservedRange", "PowerOfTwoWeights"]


class ObservedRange(UniformQuantizer):
    r"""Fake quantization whose range follows what is seen in training.

    .. math:: x_{\min} \leftarrow (1 - m)\, x_{\min} + m \min x, \qquad
              x_{\max} \leftarrow (1 - m)\, x_{\max} + m \max x

    In evaluation mode, and once :attr:`frozen`, the range stays as it is. The gradient is the
    straight-through one. ``torch.compile`` takes it in one graph, since nothing is decided by what
    the range is. Source: Jacob et al. (2018), section 3.1; Chenna, section 7.5.

    Parameters
    ----------
    qparams : uniform.QParams
        The first range, one for the whole tensor, and the bits.
    momentum : float
        m above, from above 0 to 1.

    Examples
    --------
    >>> from quantlib.uniform import QParams
    >>> quantizer = ObservedRange(QParams(1.0, 0, bit_width=2, signed=False), momentum=0.5)
    >>> _ = quantizer(torch.tensor([0.0, 9.0]))
    >>> quantizer.qparams.scale  # (3 + 9) / 2 over three steps
    2.0
    """

    def __init__(self, qparams, *, momentum=0.01):
        super().__init__(qparams)
        if qparams.axis is not None or qparams.group_size is not None:
            raise ValueError("qparams must be those of a whole tensor, got an axis or groups")
        self.momentum = check_positive(momentum, "momentum")
        if self.momentum > 1:
            raise ValueError(f"momentum must be 1 at most, got {momentum}")
        codes = np.array([qparams.quant_min, qparams.quant_max]) - qparams.zero_point
        low, high = (codes * qparams.scale).tolist()
        self.register_buffer("low", torch.tensor(low))
        self.register_buffer("high", torch.tensor(high))
        self.register_buffer("frozen", torch.tensor(False))
        self._first_range, self._codes = (low, high), (qparams.quant_min, qparams.quant_max)

    @property
    def qparams(self):
        """The parameters for the range as it is now."""
        scale, zero_point = (value.item() for value in self._scale_and_zero_point())
        return replace(self._qparams, scale=scale, zero_point=int(zero_point))

    @property
    def scale(self):
        """The scale now, a tensor in float64 without a gradient."""
        return self._scale_and_zero_point()[0]

    def _scale_and_zero_point(self):
        """Return what :func:`quantlib.uniform.ranges.qparams_from_range` does, as float64."""
        (least, most), q = self._codes, self._qparams
        low, high = self.low.double().clamp_max(0), self.high.double().clamp_min(0)
        symmetric = q.signed and q.narrow_range
        steps = most - least
        scale = torch.maximum(-low, high) / most if symmetric else high / steps - low / steps
        scale = torch.where(scale == 0, 1.0, scale).clamp_min(torch.finfo(torch.float32).tiny)
        scale = scale.float().double()
        zero_point = (least - low / scale).round().clamp(least, most) * (not symmetric)
        # The range is kept in float32, of which the first scale would differ by a rounding.
        first = [self.low.new_tensor(end) for end in self._first_range]
        at_first = (self.low == first[0]) & (self.high == first[1])
        values = ((q.scale, scale), (q.zero_point, zero_point))
        return tuple(torch.where(at_first, known, found) for known, found in values)

    @property
    def signature(self):
        """What stays as it is while it trains, as text."""
        q = self._qparams
        return f"ObservedRange(bit_width={q.bit_width}, signed={q.signed})"

    def freeze(self):
        """Let the range stay as it is from now on, in training too."""
        self.frozen.fill_(True)

    def forward(self, x):
        """Return ``x`` on the levels of the range, which it may move first."""
        check_tensor(x, "x")
        check_finite(x, "x", may_be_empty=True)
        with torch.no_grad():
            if self.training and x.numel():
                for end, seen in ((self.low, x.min()), (self.high, x.max())):
                    moved = end.lerp(seen.to(end), self.momentum)
                    end.copy_(torch.where(self.frozen, end, moved))
            scale, zero_point = self._scale_and_zero_point()
            # As QParams computes: in float64 for float64, in float32 for all else.
            dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
            low, high = ((code - zero_point).to(dtype) for code in self._codes)
            scale = scale.to(dtype)
            ratio = (x.to(dtype) * (1 / scale)).round()
            levels = ((ratio.clamp(low, high) + 0.0) * scale).to(x.dtype)
        return straight_through(x, levels, lambda: (ratio >= low) & (ratio <= high))


class PowerOfTwoWeights(Quantizer):
    """Weights that are 0 or powers of two, with exponents up to that of the largest weight.

    The range follows the weights as they train. Source: Nayak et al. (2019), sections III.a and
    IV.d, and Table 6, "power-of-two training-aware quantization".

    ``axis`` is None for one range of all weights, or 0 for one of each output channel.

    >>> PowerOfTwoWeights(3)(torch.tensor([0.9, -0.3, 0.05])).tolist()
    [1.0, -0.25, 0.0]
    """

    def __init__(self, bit_width, *, axis=None):
        super().__init__()
        self.bit_width = check_bit_width(bit_width, 2, 8)
        check_choice(axis, "axis", (None, 0))
        self.axis = axis

    def forward(self, x):
        """Return the nearest levels, with the straight-through gradient."""
        qparams = logarithmic.choose_qparams(x.detach(), self.bit_width, axis=self.axis)
        return qparams.fake_quantize(x)
