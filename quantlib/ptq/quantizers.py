"""Uniform quantization as a value that a layer, or a place between two, is given."""

import torch

from quantlib.layers import Quantizer
from quantlib.uniform import QParams

__all__ = ["UniformQuantizer"]


class UniformQuantizer(Quantizer):
    """Round to the levels of ``qparams``, and clamp to the outermost: fake quantization.

    The values are still floating-point. The gradient is the straight-through one of
    :func:`quantlib.schemes.fake_quantize`. A saved state is taken where the parameters are the
    same: those of another calibration are refused.

    >>> import torch
    >>> quantizer = UniformQuantizer(QParams(0.5, 0, bit_width=4))
    >>> quantizer(torch.tensor([-1.0, 0.3, 9.0])).tolist()
    [-1.0, 0.5, 3.5]
    """

    def __init__(self, qparams):
        super().__init__()
        if not isinstance(qparams, QParams):
            raise TypeError(f"qparams must be a uniform.QParams, got {type(qparams).__name__}")
        self._qparams = qparams

    @property
    def qparams(self):
        """The parameters: scale, zero point and bits."""
        return self._qparams

    @property
    def scale(self):
        """The scale or scales now, a tensor in float64 without a gradient."""
        return torch.tensor(self.qparams.scale, dtype=torch.float64)

    @property
    def signature(self):
        """The parameters, as text."""
        q = self.qparams
        return (
            f"{type(self).__name__}(scale={_listed(q.scale)}, zero_point={_listed(q.zero_point)}, "
            f"bit_width={q.bit_width}, signed={q.signed}, narrow_range={q.narrow_range})"
        )

    def get_extra_state(self):
        """Return the signature as a tensor of bytes, as files of tensors take nothing else."""
        return torch.tensor(list(self.signature.encode()), dtype=torch.uint8)

    def set_extra_state(self, state):
        """Take nothing: a saved signature is compared, see ``_load_from_state_dict``."""

    def _load_from_state_dict(self, state, prefix, metadata, strict, missing, unexpected, errors):
        saved = state.get(f"{prefix}_extra_state")
        if isinstance(saved, torch.Tensor) and not saved.is_meta:
            saved = bytes(saved.tolist()).decode(errors="replace")
            if saved != self.signature:
                errors.append(f"{prefix[:-1]} has {self.signature}, got the state of {saved}")
                return
        super()._load_from_state_dict(state, prefix, metadata, strict, missing, unexpected, errors)

    def forward(self, x):
        """Return ``x`` rounded to its levels, in its shape and dtype."""
        return self.qparams.fake_quantize(x)

    def extra_repr(self):
        """Return bits and granularity."""
        q = self.qparams
        return f"bit_width={q.bit_width}, {'per tensor' if q.axis is None else f'axis={q.axis}'}"


def _listed(values):
    return values.tolist() if hasattr(values, "tolist") else values
