"""Fake quantization whose range is learned: LSQ's step and PACT's clip."""

import math
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from quantlib import uniform
from quantlib._validation import (
    as_float_array,
    check_bit_width,
    check_finite,
    check_positive,
    to_numpy,
)
from quantlib.models.weights import check_tensor
from quantlib.ptq import UniformQuantizer

__all__ = ["LearnedClip", "LearnedStep"]


class _RoundToLevels(torch.autograd.Function):
    """Round to codes and back, with the gradients of LSQ for both the numbers and the step."""

    @staticmethod
    def forward(ctx, x, step, low, high, gradient_scale):
        ratio = x / step
        codes = ratio.round().clamp(low, high)
        ctx.save_for_backward(ratio, codes, step)
        ctx.low, ctx.high, ctx.gradient_scale = low, high, gradient_scale
        return codes * step

    @staticmethod
    def backward(ctx, grad):
        ratio, codes, step = ctx.saved_tensors
        rounded = ratio.round()
        inside = (rounded >= ctx.low) & (rounded <= ctx.high)
        by_step = torch.where(inside, codes - ratio, codes) * grad * ctx.gradient_scale
        axes = [i for i in range(by_step.ndim) if step.ndim == 0 or step.shape[i] == 1]
        by_step = by_step.sum() if step.ndim == 0 else by_step.sum(axes, keepdim=True)
        return grad * inside, by_step, None, None, None


def _check_qparams(qparams):
    if not isinstance(qparams, uniform.QParams):
        raise TypeError(f"qparams must be a uniform.QParams, got {type(qparams).__name__}")


class _Learned(UniformQuantizer):
    """A quantizer whose range is a parameter, and which knows whether it still learns."""

    def __init__(self, qparams):
        super().__init__(qparams)
        self.register_buffer("frozen", torch.tensor(False))

    def freeze(self):
        """Let the range stay as it is from now on, and in whatever takes the saved state."""
        self.frozen.fill_(True)
        self.requires_grad_(False)

    def _load_from_state_dict(self, state, prefix, metadata, strict, missing, unexpected, errors):
        saved, was = state.get(f"{prefix}frozen"), self.frozen
        was = was if was.is_meta else bool(was)
        super()._load_from_state_dict(state, prefix, metadata, strict, missing, unexpected, errors)
        if isinstance(saved, torch.Tensor) and not saved.is_meta and was is not bool(saved):
            self.requires_grad_(not saved)


class LearnedStep(_Learned):
    r"""A quantizer that learns its step s (the scale), one or one for each output channel.

    .. math:: \hat x = s\, \mathrm{clamp}(\mathrm{round}(x / s),\ -Q_N,\ Q_P)

    .. math::
        \frac{\partial \hat x}{\partial s} = \begin{cases}
        \mathrm{round}(x/s) - x/s & \text{not clamped} \\ -Q_N \text{ or } Q_P & \text{clamped}
        \end{cases}, \qquad
        \frac{\partial \hat x}{\partial x} = 1_{x \text{ not clamped}}

    the first one times :math:`g = 1/\sqrt{N Q_P}` for N numbers that share a step. x is clamped
    where the rounded number lies beyond the last code.

    A step that is trained itself can become 0 or negative, and in practice did. Here
    :math:`\theta = \ln(s / s_0)` is the parameter, with the first step :math:`s_0`, so that s stays
    positive and starts at exactly :math:`s_0`; its gradient is :math:`s\, \partial L / \partial s`,
    and a step of the optimizer changes s by a share of itself. ``weight_decay`` would pull s
    towards :math:`s_0`: train with 0.

    Source: Esser et al. (2020), "Learned step size quantization", equations (1) to (3) and section
    2.2. They train s, and start at :math:`2\,\mathrm{E}|x| / \sqrt{Q_P}`
    (:meth:`first_step`); ours starts where ``qparams`` is. They let x be clamped from
    :math:`x / s \ge Q_P` on, half a step earlier than ours and torch's; and N is, for what a layer
    hands on, the numbers of one image with them, and those of the whole batch here.

    Parameters
    ----------
    qparams : uniform.QParams
        The bits, the zero point, which stays as it is, and the first scale.

    Examples
    --------
    >>> from quantlib.uniform import QParams
    >>> quantizer = LearnedStep(QParams(0.5, 0, bit_width=3))
    >>> x = torch.tensor([0.6, 9.0], requires_grad=True)
    >>> quantizer(x).sum().backward()
    >>> x.grad.tolist()  # 9 is clamped to 3 steps
    [1.0, 0.0]
    >>> round(quantizer.log_step.grad.item(), 4)  # 0.5 ((1 - 1.2) + 3) / sqrt(2 * 3)
    0.5715
    """

    def __init__(self, qparams):
        super().__init__(qparams)
        if qparams.group_size is not None:
            raise ValueError(f"qparams must have no groups, got group_size={qparams.group_size}")
        if qparams.axis not in (None, 0):
            raise ValueError(f"qparams must have axis None or 0, got {qparams.axis}")
        zero_point = np.unique(qparams.zero_point)
        if len(zero_point) > 1:
            raise ValueError(f"qparams must have one zero point, got {zero_point}")
        if qparams.quant_max <= zero_point[0]:
            raise ValueError(
                f"qparams must have a code above its zero point, got {qparams.bit_width} bits from "
                f"{qparams.quant_min} to {qparams.quant_max} with zero point {zero_point[0]}"
            )
        scale = torch.tensor(np.array(qparams.scale), dtype=torch.float32)
        #: The codes from the zero point, which is saved with the step.
        low, high = (int(q - zero_point[0]) for q in (qparams.quant_min, qparams.quant_max))
        self._low, self._high = low, high  # plain numbers, on which torch.compile can rely
        self.register_buffer("codes", torch.tensor([low, high]))
        self.register_buffer("start", scale)
        self.log_step = nn.Parameter(torch.zeros_like(scale))

    @staticmethod
    def first_step(x, qparams):
        r"""Return ``qparams`` with LSQ's first step, :math:`2\,\mathrm{E}|x| / \sqrt{Q_P}`.

        >>> from quantlib.uniform import QParams
        >>> found = LearnedStep.first_step(torch.tensor([1.0, -1.0]), QParams(1.0, 0, bit_width=3))
        >>> round(found.scale, 6)  # 2 / sqrt(3)
        1.154701
        """
        _check_qparams(qparams)
        x = torch.as_tensor(to_numpy(as_float_array(x, "x"))).double().abs()
        mean = x.mean() if qparams.axis is None else x.reshape(len(x), -1).mean(1)
        largest = qparams.quant_max - np.max(qparams.zero_point)
        scale = (2 * mean / math.sqrt(largest)).clamp_min(1e-12).numpy()
        return replace(qparams, scale=scale)

    @property
    def step(self):
        """The step or steps now, a tensor."""
        return self.start * self.log_step.exp()

    @property
    def scale(self):
        """The same in float64 without a gradient."""
        return self.step.detach().double()

    @property
    def qparams(self):
        """The parameters with the step as it is now."""
        return replace(self._qparams, scale=self.step.detach().cpu().numpy())

    @property
    def signature(self):
        """What stays as it is while it trains, as text."""
        q = self._qparams
        return (
            f"{type(self).__name__}(bit_width={q.bit_width}, signed={q.signed}, axis={q.axis}, "
            f"narrow_range={q.narrow_range})"
        )

    def forward(self, x):
        """Return ``x`` on its levels, with both gradients."""
        check_tensor(x, "x")
        check_finite(x, "x", may_be_empty=True)
        q, step = self._qparams, self.step
        count = x.numel()
        if q.axis is not None:
            if len(x) != len(step):
                raise ValueError(f"x must have {len(step)} channels, got shape {tuple(x.shape)}")
            step = step.reshape(-1, *[1] * (x.ndim - 1))
            count //= len(step)
        gradient_scale = 1 / math.sqrt(max(count, 1) * self._high)
        return _RoundToLevels.apply(x, step, self._low, self._high, gradient_scale)

    def _load_from_state_dict(self, state, prefix, metadata, strict, missing, unexpected, errors):
        saved, q = state.get(f"{prefix}codes"), self._qparams
        if isinstance(saved, torch.Tensor) and saved.numel() == 2 and not saved.is_meta:
            self._low, self._high = saved.tolist()
            zero_point = np.full_like(q.zero_point, q.quant_min - self._low)
            self._qparams = replace(q, zero_point=zero_point)
        super()._load_from_state_dict(state, prefix, metadata, strict, missing, unexpected, errors)


class LearnedClip(_Learned):
    r"""Activations clipped at a learned height: PACT.

    .. math:: y = \mathrm{clamp}(x, 0, \alpha), \qquad
              \hat y = \mathrm{round}\left(y\, \frac{2^b - 1}{\alpha}\right) \frac{\alpha}{2^b - 1},
              \qquad \frac{\partial \hat y}{\partial \alpha} = 1_{x \ge \alpha}

    The gradient is that of the clamp: rounding counts as if it were nothing. An :math:`\alpha`
    below 1e-6 clips at 1e-6, with the same gradient, by which it can grow again. The paper adds
    :math:`\lambda \alpha^2` to the loss, which a training loop's weight decay does.

    Source: Choi et al. (2018), "PACT", equations (1) to (3).

    >>> quantizer = LearnedClip(2, first_clip=3.0)
    >>> x = torch.tensor([-1.0, 1.4, 7.0], requires_grad=True)
    >>> y = quantizer(x)
    >>> y.tolist()
    [0.0, 1.0, 3.0]
    >>> y.sum().backward()
    >>> x.grad.tolist(), quantizer.clip.grad.item()
    ([0.0, 1.0, 0.0], 1.0)
    """

    def __init__(self, bit_width, *, first_clip):
        bit_width = check_bit_width(bit_width, 1, 8)
        first_clip = check_positive(first_clip, "first_clip")
        levels = 2**bit_width - 1
        super().__init__(uniform.QParams(first_clip / levels, 0, bit_width, signed=False))
        self.clip = nn.Parameter(torch.tensor(float(first_clip)))

    @property
    def qparams(self):
        """The parameters with the clip as it is now."""
        height = max(self.clip.item(), 1e-6)
        scale = float(np.float32(height / self._qparams.quant_max))
        return replace(self._qparams, scale=scale)

    @property
    def signature(self):
        """What stays as it is while it trains, as text."""
        return f"LearnedClip(bit_width={self._qparams.bit_width})"

    def forward(self, x):
        """Return ``x`` clipped and on its levels."""
        check_tensor(x, "x")
        check_finite(x, "x", may_be_empty=True)
        clip = self.clip + (self.clip.clamp_min(1e-6) - self.clip).detach()
        clip = clip.to(x.dtype)
        y = torch.where(x >= clip, clip, x.clamp_min(0))
        step = clip.detach() / self._qparams.quant_max
        return y + ((y / step).round() * step - y).detach()
