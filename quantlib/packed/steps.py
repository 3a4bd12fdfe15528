"""The steps that a packed network takes: each turns one array into the next.

Images lie in memory as N x H x W x C, channels last, so that the channels of a pixel are what a
word packs. What flows between the steps is one of three: real numbers (float32), whole sums of
signs (int32), or packed signs.
"""

from dataclasses import dataclass

import numpy as np

from quantlib import kernels
from quantlib.kernels import PackedBits

__all__ = [
    "STEPS",
    "Affine",
    "BinaryConv",
    "BinaryDense",
    "Flatten",
    "MaxPool",
    "MeanPool",
    "RealLayer",
    "Relu",
    "Residual",
    "Sign",
    "Threshold",
]


@dataclass(frozen=True, eq=False)
class Step:
    """One step. Call it with an array and a number of threads."""


@dataclass(frozen=True, eq=False)
class RealLayer(Step):
    """A convolution or linear layer with real input.

    ``weight`` is (h w C) x O in float32, or O x (h w C) signs, packed; then it is unpacked at each
    call. ``scale`` and ``bias`` are O numbers or None. A linear layer has a 1 x 1 window.
    """

    weight: np.ndarray | PackedBits
    scale: np.ndarray | None
    bias: np.ndarray | None
    kernel_size: tuple[int, int]
    stride: int | tuple[int, int]
    padding: int | tuple[int, int]
    dilation: int | tuple[int, int] = 1
    groups: int = 1

    def __call__(self, x, threads):
        """Return N x H' x W' x O, or N x O, of real ``x``."""
        weight, x = self.weight, _real(x)
        if isinstance(weight, PackedBits):
            weight = kernels.unpack_signs(weight).astype(np.float32).T
        if x.ndim == 2:
            y = x @ weight
        else:
            weight = weight.reshape(*self.kernel_size, -1, weight.shape[1])
            y = kernels.real_conv2d(
                x, weight.transpose(3, 2, 0, 1), self.stride, self.padding,
                dilation=self.dilation, groups=self.groups, layout="NHWC", num_threads=threads,
            )  # fmt: skip
        if self.scale is not None:
            y *= self.scale
        if self.bias is not None:
            y += self.bias
        return y


@dataclass(frozen=True, eq=False)
class BinaryConv(Step):
    """A convolution of signs with signs. Real if it has a ``scale``, one of each filter.

    Outside of the image there is ``padding_value``, 1 or 0.
    """

    weight: PackedBits
    scale: np.ndarray | None
    bias: np.ndarray | None
    stride: int | tuple[int, int]
    padding: int | tuple[int, int]
    dilation: int | tuple[int, int] = 1
    groups: int = 1
    padding_value: int = 1

    def __call__(self, x, threads):
        """Return N x H' x W' x O of packed ``x``, or of packed signs and their map K."""
        x, magnitudes = x if isinstance(x, tuple) else (x, None)
        y = kernels.xnor_conv2d(
            x, self.weight, self.stride, self.padding, dilation=self.dilation, groups=self.groups,
            padding_value=self.padding_value, alpha=self.scale, input_scale=magnitudes,
            layout="NHWC", num_threads=threads,
        )  # fmt: skip
        if self.bias is not None:
            y += self.bias
        return y


@dataclass(frozen=True, eq=False)
class BinaryDense(Step):
    """A product of signs with a matrix of signs. Real if it has a ``scale``.

    Where the input was flattened from packed pixels, each pixel's last word may have padding bits.
    They are 0 in the weights as well, count as ``surplus`` products of +1, and are taken away.
    """

    weight: PackedBits
    scale: np.ndarray | None
    bias: np.ndarray | None
    surplus: int

    def __call__(self, x, threads):
        """Return N x O of packed ``x``, or of packed signs and their magnitudes."""
        x, magnitudes = x if isinstance(x, tuple) else (x, None)
        y = kernels.xnor_gemm(
            x, self.weight, row_scale=magnitudes,
            column_scale=None if self.surplus else self.scale, num_threads=threads,
        )  # fmt: skip
        if self.surplus:
            y -= self.surplus
            y = y if self.scale is None else y.astype(np.float32) * self.scale
        if self.bias is not None:
            y += self.bias
        return y


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

    def __call__(self, x, threads):
        """Return ``x * scale + shift``, real."""
        y = np.multiply(x, self.scale, dtype=np.float32, casting="same_kind")
        y += self.shift
        return y


@dataclass(frozen=True, eq=False)
class Relu(Step):
    """Negative numbers become 0."""

    def __call__(self, x, threads):
        """Return the larger of ``x`` and 0."""
        return np.maximum(x, 0)


@dataclass(frozen=True, eq=False)
class MaxPool(Step):
    """The maximum of each window; nothing counts outside the image."""

    size: int
    stride: int
    padding: int

    def __call__(self, x, threads):
        """Return the maxima of ``x``, N x H x W x C, in its dtype."""
        return kernels.max_pool2d(
            x, self.size, self.stride, self.padding, layout="NHWC", num_threads=threads
        )


@dataclass(frozen=True, eq=False)
class MeanPool(Step):
    """The mean over the whole image."""

    def __call__(self, x, threads):
        """Return N x 1 x 1 x C."""
        return _real(x).mean((1, 2), keepdims=True, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Flatten(Step):
    """All numbers of an image in one row: channel after channel, as in torch.

    Packed signs stay pixel after pixel, with the padding bits of each; the weights that follow
    are packed so.
    """

    def __call__(self, x, threads):
        """Return N x K of numbers or packed signs."""
        if not isinstance(x, PackedBits):
            x = x.transpose(0, 3, 1, 2) if x.ndim == 4 else x
            return x.reshape(len(x), -1)
        words = x.words.reshape(len(x.words), -1)
        pixels = x.shape[1] * x.shape[2]
        length = x.length if pixels == 1 else 64 * words.shape[1]
        return PackedBits(words, (len(words), length), 1)


@dataclass(frozen=True, eq=False)
class Residual(Step):
    """Two ways from the same input, whose results are added."""

    body: tuple[Step, ...]
    shortcut: tuple[Step, ...]

    def __call__(self, x, threads):
        """Return the sum, real."""
        ways = []
        for steps in (self.body, self.shortcut):
            y = x
            for step in steps:
                y = step(y, threads)
            ways.append(_real(y))
        return ways[0] + ways[1]


def _real(x):
    return x if x.dtype == np.float32 else x.astype(np.float32)


#: The steps by name.
STEPS = {
    step.__name__: step
    for step in (
        Affine, BinaryConv, BinaryDense, Flatten, MaxPool, MeanPool, RealLayer, Relu, Residual,
        Sign, Threshold,
    )
}  # fmt: skip
