"""What flows from one step of a packed network to the next, known before anything is computed."""

from typing import NamedTuple

import numpy as np

from quantlib._validation import check_finite, check_pair
from quantlib.kernels import PackedBits
from quantlib.kernels._checks import check_instance, convolved_size

__all__ = ["CODES", "NUMBERS", "REAL", "SCALED_SIGNS", "SIGNS", "WHOLE", "Flow"]

#: Real numbers; whole sums; packed signs; packed signs and the magnitudes of what had them.
REAL, WHOLE, SIGNS, SCALED_SIGNS = "real numbers", "whole numbers", "signs", "signs and magnitudes"
NUMBERS = REAL, WHOLE
#: Whole numbers that are 0 or powers of two, in 8 bits.
CODES = "codes of a grid"


class Flow(NamedTuple):
    """What an image is at one place of a network."""

    kind: str
    #: (H, W, C) of images, (K,) of rows; None where any length is taken.
    shape: tuple[int | None, ...]

    def check(self, step, kinds, n_axes=None, length=None):
        """Raise ValueError unless it is what ``step`` takes: ``length`` is C or K."""
        name = type(step).__name__
        if self.kind not in kinds:
            raise ValueError(f"{name} takes {' or '.join(kinds)}, got {self.kind}")
        if n_axes not in (None, len(self.shape)):
            what = "images (H x W x C)" if n_axes == 3 else "rows"
            raise ValueError(f"{name} takes {what}, got {self}")
        if None not in (length, self.shape[-1]) and length != self.shape[-1]:
            raise ValueError(f"{name} takes {length} values a pixel or row, got {self}")

    def convolved(self, window):
        """Return H and W behind a window: its size, stride, padding and dilation, all pairs."""
        size = self.shape[:2]
        return size if None in size else convolved_size(size, *window)

    def __str__(self):
        return f"{self.kind}, {' x '.join('any' if n is None else str(n) for n in self.shape)}"


def check_window(step):
    """Return stride, padding and dilation of ``step`` as pairs, checked."""
    return (
        check_pair(step.stride, "stride", 1),
        check_pair(step.padding, "padding", 0),
        check_pair(step.dilation, "dilation", 1),
    )


def check_signs(x, name, ndim):
    """Raise unless ``x`` are packed signs of ``ndim`` axes, packed along the second."""
    check_instance(x, name, PackedBits, "pack_signs")
    if len(x.shape) != ndim or x.axis != 1:
        raise ValueError(
            f"{name} must have {ndim} axes and be packed along axis 1, "
            f"got shape {x.shape} packed along axis {x.axis}"
        )


def check_vector(x, name, length, kinds="f", *, infinite=False):
    """Raise unless ``x`` is an array of ``length`` numbers (any, if None) of one of the kinds.

    None of them is NaN, and none is infinite unless that is allowed.
    """
    if not isinstance(x, np.ndarray) or x.dtype.kind not in kinds or not x.dtype.isnative:
        got = x.dtype if isinstance(x, np.ndarray) else type(x).__name__
        raise TypeError(f"{name} must be a NumPy array of numbers, got {got}")
    if x.ndim != 1 or x.size != (length or x.size) or not x.size:
        raise ValueError(f"{name} must have shape ({length or 'C'},), got {x.shape}")
    check_finite(np.where(np.isinf(x), 0, x) if infinite else x, name)


def check_scales(step, n_outputs, *, two_levels=False):
    """Raise unless ``scale`` and ``bias`` of ``step`` are None or one number for each output.

    ``scale`` may be two numbers for each if there are ``two_levels``.
    """
    for name in ("scale", "bias"):
        x = getattr(step, name)
        if two_levels and name == "scale" and np.ndim(x) == 2:
            if len(x) != 2:
                raise ValueError(f"scale must have shape (2, {n_outputs}), got {x.shape}")
            for level in x:
                check_vector(level, name, n_outputs)
        elif x is not None:
            check_vector(x, name, n_outputs)
