"""The steps that a packed network takes: each turns one array into the next.

Images lie in memory as N x H x W x C, channels last, so that the channels of a pixel are what a
word packs. What flows between the steps is one of four: real numbers (float32), whole sums
(int32), packed signs, or codes that are 0 or powers of two (int8). A step looks at its fields when
it is made; by ``flow`` a network sees, when it is made, that each step takes what the one before it
gives.
"""

import math
from dataclasses import dataclass

import numpy as np

from quantlib import kernels
from quantlib._validation import check_flag, check_integer, check_pair
from quantlib.kernels import PackedBits
from quantlib.packed.flow import (
    CODES,
    NUMBERS,
    REAL,
    SCALED_SIGNS,
    SIGNS,
    WHOLE,
    Flow,
    check_vector,
    check_window,
)
from quantlib.packed.layers import BinaryConv, BinaryDense, RealLayer, Step
from quantlib.packed.shifts import GridThreshold, ShiftConv, ShiftDense
from quantlib.packed.sums import Bases, SumConv, SumDense

__all__ = [
    "STEPS",
    "Affine",
    "Flatten",
    "MaxPool",
    "MeanPool",
    "Relu",
    "Residual",
    "Sign",
    "Threshold",
]


@dataclass(frozen=True, eq=False)
class Sign(Step):
    """Pack the signs of real numbers, and compute their magnitudes if ``kernel_size`` is given.

    These are the map K of a convolution with the given window; for a linear layer, whose
    ``kernel_size`` is (0, 0), the mean of each row.
    """

    kernel_size: tuple[int, int] | None = None
    stride: int | tuple[int, int] = 1
    padding: int | tuple[int, int] = 0
    dilation: int | tuple[int, int] = 1

    def __post_init__(self):
        check_window(self)
        if self.kernel_size is not None and self._window != (0, 0) and 0 in self._window:
            raise ValueError(f"kernel_size must be positive or (0, 0), got {self.kernel_size}")

    @property
    def _window(self):
        return check_pair(self.kernel_size, "kernel_size", 0)

    def flow(self, x):
        """Return what is behind it."""
        if self.kernel_size is None:
            x.check(self, NUMBERS)
            return Flow(SIGNS, x.shape)
        x.check(self, NUMBERS, 1 if self._window == (0, 0) else 3)
        if len(x.shape) == 3:
            x.convolved((self._window, *check_window(self)))
        return Flow(SCALED_SIGNS, x.shape)

    def __call__(self, x, threads):
        """Return packed signs, or a pair of packed signs and magnitudes."""
        x = np.ascontiguousarray(_real(x))
        packed = kernels.pack_signs(x, num_threads=threads)
        if self.kernel_size is None:
            return packed
        if x.ndim == 2:
            return packed, abs(x).mean(1)
        return packed, kernels.xnor_input_scale(
            x, self.kernel_size, self.stride, self.padding, dilation=self.dilation, layout="NHWC",
            num_threads=threads,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Threshold(Step):
    """Batch normalization and sign at once.

    See :func:`quantlib.kernels.threshold.threshold_signs`.
    """

    thresholds: np.ndarray
    flips: np.ndarray
    pool: int = 1
    pool_signs: bool = False

    def __post_init__(self):
        check_vector(self.thresholds, "thresholds", None, "if", infinite=True)
        if self.thresholds.dtype not in (np.int32, np.float32):
            raise TypeError(f"thresholds must be int32 or float32, got {self.thresholds.dtype}")
        check_vector(self.flips, "flips", len(self.thresholds), "b")
        check_integer(self.pool, "pool", 1, 2**15)
        check_flag(self.pool_signs, "pool_signs")

    def flow(self, x):
        """Return what is behind it."""
        channels = len(self.thresholds)
        kind = WHOLE if self.thresholds.dtype == np.int32 else REAL
        x.check(self, (kind,), None if self.pool == 1 else 3, channels)
        if self.pool == 1:
            return Flow(SIGNS, (*x.shape[:-1], channels))
        window = (self.pool, self.pool)
        return Flow(SIGNS, (*x.convolved((window, window, (0, 0))), channels))

    def __call__(self, x, threads):
        """Return the packed signs of whole or real ``x``."""
        return kernels.threshold_signs(
            x, self.thresholds, self.flips, pool=self.pool, pool_signs=self.pool_signs,
            num_threads=threads,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Affine(Step):
    """A scale and a shift for each channel: batch normalization with no sign after it."""

    scale: np.ndarray
    shift: np.ndarray

    def __post_init__(self):
        check_vector(self.scale, "scale", None)
        check_vector(self.shift, "shift", len(self.scale))

    def flow(self, x):
        """Return what is behind it."""
        x.check(self, NUMBERS, length=len(self.scale))
        return Flow(REAL, (*x.shape[:-1], len(self.scale)))

    def __call__(self, x, threads):
        """Return ``x * scale + shift``, real."""
        y = np.multiply(x, self.scale, dtype=np.float32, casting="same_kind")
        y += self.shift
        return y


@dataclass(frozen=True, eq=False)
class Relu(Step):
    """Negative numbers become 0."""

    def flow(self, x):
        """Return what is behind it."""
        x.check(self, NUMBERS)
        return x

    def __call__(self, x, threads):
        """Return the larger of ``x`` and 0."""
        return np.maximum(x, 0)


@dataclass(frozen=True, eq=False)
class MaxPool(Step):
    """The maximum of each window; nothing counts outside the image.

    ``padding`` is at most half of ``size``, so that no window is wholly outside.
    """

    size: int
    stride: int
    padding: int

    def __post_init__(self):
        size = check_integer(self.size, "size", 1, 2**15)
        check_integer(self.stride, "stride", 1, 2**15)
        check_integer(self.padding, "padding", 0, size // 2)

    def flow(self, x):
        """Return what is behind it."""
        x.check(self, (*NUMBERS, CODES), 3)
        window = ((n, n) for n in (self.size, self.stride, self.padding))
        return Flow(x.kind, (*x.convolved(tuple(window)), x.shape[2]))

    def __call__(self, x, threads):
        """Return the maxima of ``x``, N x H x W x C, in its dtype."""
        return kernels.max_pool2d(
            x, self.size, self.stride, self.padding, layout="NHWC", num_threads=threads
        )


@dataclass(frozen=True, eq=False)
class MeanPool(Step):
    """The mean of each ``size`` x ``size`` window, or over the whole image if none is given.

    Windows do not overlap. Rows and columns that fill none are left out, as torch does.
    """

    size: int | None = None

    def __post_init__(self):
        if self.size is not None:
            check_integer(self.size, "size", 1, 2**15)

    def flow(self, x):
        """Return what is behind it."""
        x.check(self, NUMBERS, 3)
        if self.size is None:
            return Flow(REAL, (1, 1, x.shape[2]))
        window = (self.size, self.size)
        return Flow(REAL, (*x.convolved((window, window, (0, 0))), x.shape[2]))

    def __call__(self, x, threads):
        """Return N x H' x W' x C, of which H' and W' are 1 for the whole image."""
        x, size = _real(x), self.size
        if size is None:
            return x.mean((1, 2), keepdims=True, dtype=np.float32)
        rows, columns = (length // size * size for length in x.shape[1:3])
        # Pixel after pixel of all windows at once, in the order in which torch adds them.
        total = x[:, :rows:size, :columns:size].copy()
        for i, j in list(np.ndindex(size, size))[1:]:
            total += x[:, i:rows:size, j:columns:size]
        total /= np.float32(size * size)
        return total


@dataclass(frozen=True, eq=False)
class Flatten(Step):
    """All numbers of an image in one row: channel after channel, as in torch.

    Packed signs stay pixel after pixel, with the padding bits of each; the weights that follow
    are packed so.
    """

    def flow(self, x):
        """Return what is behind it."""
        if x.kind in (*NUMBERS, CODES):
            length = None if None in x.shape else math.prod(x.shape)
            return Flow(x.kind, (length,))
        x.check(self, (SIGNS,), 3)
        if None in x.shape:
            return Flow(SIGNS, (None,))
        pixels, channels = x.shape[0] * x.shape[1], x.shape[2]
        return Flow(SIGNS, (channels if pixels == 1 else 64 * -(-channels // 64) * pixels,))

    def __call__(self, x, threads):
        """Return N x K of numbers, codes or packed signs."""
        if not isinstance(x, PackedBits):
            x = x.transpose(0, 3, 1, 2) if x.ndim == 4 else x
            return x.reshape(len(x), -1)
        words = x.words.reshape(len(x.words), -1)
        pixels = x.shape[1] * x.shape[2]
        length = x.length if pixels == 1 else 64 * words.shape[1]
        return PackedBits.unchecked(words, (len(words), length), 1)


@dataclass(frozen=True, eq=False)
class Residual(Step):
    """Two ways from the same input, whose results are added."""

    body: tuple[Step, ...]
    shortcut: tuple[Step, ...]

    def __post_init__(self):
        for name in ("body", "shortcut"):
            way = getattr(self, name)
            if not isinstance(way, tuple) or not all(isinstance(step, Step) for step in way):
                raise TypeError(f"{name} must be a tuple of steps, got {type(way).__name__}")

    def flow(self, x):
        """Return what is behind it."""
        body, shortcut = flow_behind(self.body, x), flow_behind(self.shortcut, x)
        for way in (body, shortcut):
            way.check(self, NUMBERS, len(body.shape))
        pairs = list(zip(body.shape, shortcut.shape, strict=True))
        if any(None not in pair and pair[0] != pair[1] for pair in pairs):
            raise ValueError(f"Residual adds what has the same shape, got {body} and {shortcut}")
        return Flow(REAL, tuple(a or b for a, b in pairs))

    def __call__(self, x, threads):
        """Return the sum, real."""
        ways = []
        for steps in (self.body, self.shortcut):
            y = x
            for step in steps:
                y = step(y, threads)
            ways.append(_real(y))
        return ways[0] + ways[1]


def flow_behind(steps, x):
    """Return what flows behind all ``steps``, of what flows into the first."""
    for step in steps:
        x = step.flow(x)
    return x


def _real(x):
    return x if x.dtype == np.float32 else x.astype(np.float32)


#: The steps by name.
STEPS = {
    step.__name__: step
    for step in (
        Affine, Bases, BinaryConv, BinaryDense, Flatten, GridThreshold, MaxPool, MeanPool,
        RealLayer, Relu, Residual, ShiftConv, ShiftDense, Sign, SumConv, SumDense, Threshold,
    )
}  # fmt: skip
