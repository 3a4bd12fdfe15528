"""The steps of layers whose weights and input are 0 or powers of two: they add shifted numbers.

Codes a are whole, in units of the first level of the grid, and so are states s, in units of the
smallest weight. The sums of s a are whole, and no real number is needed before the next codes.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np

from quantlib import kernels
from quantlib._validation import check_flag, check_integer
from quantlib.kernels._checks import LARGEST, check_instance
from quantlib.packed.flow import (
    CODES,
    REAL,
    WHOLE,
    Flow,
    check_scales,
    check_vector,
    check_window,
)
from quantlib.packed.layers import Step
from quantlib.packed.powers import PackedPowers

__all__ = ["GridThreshold", "ShiftConv", "ShiftDense"]


@dataclass(frozen=True, eq=False)
class GridThreshold(Step):
    """Batch normalization and a grid of powers of two at once: numbers in, codes in 8 bits out.

    ``thresholds`` are K x C in rising order, whole for whole sums, else real, or K x 1 if they are
    those of all channels; ``flips`` says of which channels the codes fall when the numbers rise.
    With ``signed`` K is even, and the codes are -2**(K/2 - 1) to 2**(K/2 - 1) with 0 in the middle;
    else 0 to 2**(K - 1). See :func:`quantlib.kernels.codes.threshold_codes`.
    """

    thresholds: np.ndarray
    flips: np.ndarray
    signed: bool

    def __post_init__(self):
        if not isinstance(self.thresholds, np.ndarray) or self.thresholds.ndim != 2:
            raise ValueError(f"thresholds must be K x C, got {np.shape(self.thresholds)}")
        for row in self.thresholds:
            check_vector(row, "thresholds", None, "if", infinite=True)
        if self.thresholds.dtype not in (np.int32, np.float32):
            raise TypeError(f"thresholds must be int32 or float32, got {self.thresholds.dtype}")
        count, channels = self.thresholds.shape
        # Up to 64, as 128 is beyond 8 bits with a sign.
        check_integer(
            count, "rows of thresholds", 1, 14 if check_flag(self.signed, "signed") else 7
        )
        if self.signed and count % 2:
            raise ValueError(f"thresholds must be even in number with signs, got {count}")
        if (self.thresholds[1:] < self.thresholds[:-1]).any():
            raise ValueError("thresholds must rise along their first axis")
        check_vector(self.flips, "flips", channels, "b")

    @functools.cached_property
    def codes(self):
        """The codes, one more than thresholds, in rising order."""
        count = len(self.thresholds) // 2 if self.signed else len(self.thresholds)
        above = 2 ** np.arange(count)
        below = -above[::-1] if self.signed else above[:0]
        return np.concatenate([below, [0], above]).astype(np.int8)

    def flow(self, x):
        """Return what is behind it."""
        channels = self.thresholds.shape[1]
        kind = WHOLE if self.thresholds.dtype == np.int32 else REAL
        x.check(self, (kind,), length=None if channels == 1 else channels)
        return Flow(CODES, x.shape)

    def __call__(self, x, threads):
        """Return the codes of whole or real ``x``."""
        return kernels.threshold_codes(x, self._prepared, num_threads=threads)

    @functools.cached_property
    def _prepared(self):
        return kernels.pack_thresholds(self.thresholds, self.codes, self.flips)


class _Shifts(Step):
    """What the two steps have in common.

    ``weight`` are whole numbers, packed. When a step is first called they are unpacked into lists
    of additions, which stay, some 2 bytes for each weight that is not zero. Where weights and codes
    are all -1, 0 or 1 a shift has nothing to do, and planes of bits are faster
    (:func:`quantlib.kernels.ternary.ternary_conv2d`): they take 2 bits a weight.
    :attr:`running_bytes` tells how many bytes are there beside the packed weights.
    """

    def _check(self, ndim):
        check_instance(self.weight, "weight", PackedPowers, "pack_powers")
        if len(self.weight.shape) != ndim or 0 in self.weight.shape:
            raise ValueError(f"weight must have {ndim} axes, got shape {self.weight.shape}")
        check_scales(self, self.weight.shape[0])
        if self.bias is not None and self.scale is None:
            raise ValueError("bias must come with a scale: without one, sums are whole, got None")

    @functools.cached_property
    def _lists(self):
        return kernels.pack_shifts(*self._spread(*self.weight.signs_and_exponents()))

    @functools.cached_property
    def _planes(self):
        """Ternary weights as planes of bits; None of others."""
        values = self.weight.unpack()
        if abs(values).max() > 1:
            return None
        return kernels.pack_ternary(values.astype(np.int8), 1, panels=True, num_threads=1)

    def _ternary(self, x):
        """Whether weights and codes ``x`` are."""
        return self._planes is not None and x.max() <= 1 and x.min() >= -1

    def _spread(self, sign, exponent):
        return sign, exponent

    @property
    def running_bytes(self):
        """Bytes of what the weights were unpacked into by the calls until now."""
        made = (vars(self).get(name) for name in ("_lists", "_planes"))
        return sum(each.nbytes for each in made if each is not None)

    @property
    def additions(self):
        """Additions for one result of each output: the weights that are not zero."""
        return int(np.count_nonzero(self.weight.signs_and_exponents()[0]))

    @property
    def _kind(self):
        return WHOLE if self.scale is None else REAL

    def _scaled(self, sums):
        if self.scale is None:
            return sums
        y = sums.astype(np.float32)
        y *= self.scale
        if self.bias is not None:
            y += self.bias
        return y


@dataclass(frozen=True, eq=False)
class ShiftConv(_Shifts):
    """A convolution of codes with filters of powers of two. Real if it has a ``scale``.

    Outside of the image there is 0. ``scale`` is one number a filter; only with it is there a
    ``bias``.
    """

    weight: PackedPowers
    scale: np.ndarray | None
    bias: np.ndarray | None
    stride: int | tuple[int, int]
    padding: int | tuple[int, int]
    dilation: int | tuple[int, int] = 1
    groups: int = 1

    def __post_init__(self):
        self._check(4)
        check_window(self)
        if self.weight.shape[0] % check_integer(self.groups, "groups", 1, LARGEST):
            raise ValueError(f"groups must divide {self.weight.shape[0]}, got {self.groups}")

    def flow(self, x):
        """Return what is behind it."""
        n_filters, channels, *size = self.weight.shape
        x.check(self, (CODES,), 3, channels * self.groups)
        return Flow(self._kind, (*x.convolved((size, *check_window(self))), n_filters))

    def _spread(self, *arrays):
        """Return filters without groups and dilation: zeros between, which cost no addition."""
        (n_filters, channels, height, width), (down, across) = (
            self.weight.shape, check_window(self)[2],
        )  # fmt: skip
        size = down * (height - 1) + 1, across * (width - 1) + 1
        spread = np.zeros((2, self.groups, n_filters // self.groups, self.groups, channels, *size),
                          np.int32)  # fmt: skip
        for group, filters in enumerate(np.split(np.stack(arrays), self.groups, axis=1)):
            spread[:, group, :, group, :, ::down, ::across] = filters
        return spread.reshape(2, n_filters, self.groups * channels, *size)

    def __call__(self, x, threads):
        """Return N x H' x W' x O of codes ``x``."""
        (down, across), (above, left), _ = check_window(self)
        if self._ternary(x):
            return self._scaled(kernels.ternary_conv2d(
                kernels.pack_ternary(x, num_threads=threads), self._planes, self.stride,
                self.padding, dilation=self.dilation, groups=self.groups, layout="NHWC",
                num_threads=threads,
            ))  # fmt: skip
        if above != left:
            x = np.pad(x, ((0, 0), (above, above), (left, left), (0, 0)))
            above = 0
        both = math.gcd(down, across)  # the kernel's strides are the same in both directions
        y = kernels.shift_conv2d(x, self._lists, both, above, layout="NHWC", num_threads=threads)
        return self._scaled(y[:, :: down // both, :: across // both])


@dataclass(frozen=True, eq=False)
class ShiftDense(_Shifts):
    """A product of codes with a matrix of powers of two. Real if it has a ``scale``.

    Only with a ``scale`` is there a ``bias``.
    """

    weight: PackedPowers
    scale: np.ndarray | None
    bias: np.ndarray | None

    def __post_init__(self):
        self._check(2)

    def flow(self, x):
        """Return what is behind it."""
        n_outputs, length = self.weight.shape
        x.check(self, (CODES,), 1, length)
        return Flow(self._kind, (n_outputs,))

    def __call__(self, x, threads):
        """Return N x O of codes ``x``."""
        if self._ternary(x):
            rows = kernels.pack_ternary(x, num_threads=threads)
            return self._scaled(kernels.ternary_gemm(rows, self._planes, num_threads=threads))
        return self._scaled(kernels.shift_gemm(x, self._lists, num_threads=threads))
