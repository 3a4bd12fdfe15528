"""The steps of a network in whole numbers: each takes codes and gives codes.

Codes are uint8, images N x H x W x C, channels last. A step knows by ``inputs`` whose results it
takes: 0 is the first step's, which makes codes of images. Sums are int32, and what brings them to
the next codes is a multiplier and a shift (:mod:`quantlib.ptq.requantization`). No step between
the first and the last holds or makes a floating-point number, but for layers that were left so
(:mod:`quantlib.ptq.float_steps`).
"""

import functools
from dataclasses import dataclass

import numpy as np

from quantlib import kernels
from quantlib.kernels import Requantization
from quantlib.packed import PackedTensor
from quantlib.ptq.requantization import requantize
from quantlib.uniform import QParams

__all__ = [
    "Add",
    "AveragePool",
    "Concatenate",
    "Convolution",
    "Dense",
    "Flatten",
    "FromImages",
    "IntegerStep",
    "MaxPool",
    "Table",
    "ToNumbers",
]


@dataclass(frozen=True, eq=False)
class IntegerStep:
    """A step: called with codes for each of ``inputs``, and how many threads may compute."""

    name: str
    inputs: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class FromImages(IntegerStep):
    """Codes of images N x C x H x W, in float32: the first step."""

    qparams: QParams

    def __call__(self, images, threads):
        """Return N x H x W x C."""
        q = self.qparams
        return kernels.image_codes(
            images, self._reciprocal, zero_point=q.zero_point, low=q.quant_min, high=q.quant_max,
            num_threads=threads,
        )  # fmt: skip

    @functools.cached_property
    def _reciprocal(self):
        return np.float32(1) / np.float32(self.qparams.scale)


@dataclass(frozen=True, eq=False)
class ToNumbers(IntegerStep):
    """The real numbers that codes stand for, in float32, channels first: a last step."""

    qparams: QParams

    def __call__(self, codes, threads):
        """Return N x K, or N x C x H x W."""
        codes = codes.transpose(0, 3, 1, 2) if codes.ndim == 4 else codes
        return self._numbers[codes]

    @functools.cached_property
    def _numbers(self):
        """What each code stands for; those that are none stand for the nearest."""
        low, high = self.qparams.quant_min, self.qparams.quant_max
        return self.qparams.dequantize(np.clip(np.arange(256), low, high))


@dataclass(frozen=True, eq=False)
class _Weighted(IntegerStep):
    """What the two steps with weights have in common.

    The sums are those of (code - ``zero_point``) times (weight - its zero point), plus ``bias``.
    Weights are stored in their bits. The kernels take bytes, in panels that are made on first use;
    they are kept beside the packed ones while the network is in memory.
    """

    weight: PackedTensor
    weight_zero_point: np.ndarray
    bias: np.ndarray
    zero_point: int
    requantization: Requantization

    @functools.cached_property
    def panels(self):
        """The weights as the kernels take them."""
        return kernels.pack_int8(self.weight.unpack(), zero_point=self.weight_zero_point)


@dataclass(frozen=True, eq=False)
class Convolution(_Weighted):
    """A convolution; outside of the image lies the code of 0."""

    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    dilation: tuple[int, int]
    groups: int

    def __call__(self, x, threads):
        """Return N x H' x W' x O."""
        left, right, top, bottom = self.padding
        if (left, top) != (right, bottom):
            x = np.pad(
                x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=self.zero_point
            )
            top = left = 0
        return kernels.int8_conv2d(
            x, self.panels, self.stride, (top, left), dilation=self.dilation, groups=self.groups,
            zero_point=self.zero_point, bias=self.bias, requantization=self.requantization,
            layout="NHWC", num_threads=threads,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Dense(_Weighted):
    """A linear layer, on the last axis."""

    def __call__(self, x, threads):
        """Return N x O."""
        return kernels.int8_gemm(
            x, self.panels, zero_point=self.zero_point, bias=self.bias,
            requantization=self.requantization, num_threads=threads,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Add(IntegerStep):
    r"""The sum of two results with scales of their own, rounded once; multipliers have 21 bits.

    .. math:: q = \mathrm{clamp}\left(z + \left\lfloor
              \frac{m_1 (q_1 - z_1) + m_2 (q_2 - z_2) + 2^{n-1}}{2^n} \right\rfloor\right)
    """

    zero_points: tuple[int, int]
    multipliers: tuple[int, int]
    shift: int
    zero_point: int
    low: int
    high: int

    def __call__(self, a, b, threads):
        """Return codes in the shape of both."""
        return kernels.add_codes(
            a, b, zero_points=self.zero_points, multipliers=self.multipliers, shift=self.shift,
            zero_point=self.zero_point, low=self.low, high=self.high, num_threads=threads,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Table(IntegerStep):
    """A function of single numbers: for each code, the code of its result."""

    table: np.ndarray

    def __call__(self, x, threads):
        """Return codes in the shape of ``x``."""
        return self.table[x]


@dataclass(frozen=True, eq=False)
class Concatenate(IntegerStep):
    """Results side by side along the channels, each brought to the same scale by its table."""

    tables: tuple[np.ndarray, ...]

    def __call__(self, *parts, threads):
        """Return N x H x W x C."""
        parts = [table[x] for table, x in zip(self.tables, parts, strict=True)]
        return np.concatenate(parts, axis=-1)


@dataclass(frozen=True, eq=False)
class MaxPool(IntegerStep):
    """Maxima of windows: codes keep their order, and their meaning."""

    size: int
    stride: int
    padding: int

    def __call__(self, x, threads):
        """Return N x H' x W' x C."""
        return kernels.max_pool2d(
            x, self.size, self.stride, self.padding, layout="NHWC", num_threads=threads
        )


@dataclass(frozen=True, eq=False)
class AveragePool(IntegerStep):
    """Means of windows: a sum of codes, and the division inside of the multiplier."""

    size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    given_zero_point: int
    multiplier: int
    shift: int
    zero_point: int
    low: int
    high: int

    def __call__(self, x, threads):
        """Return N x H' x W' x C."""
        if tuple(x.shape[1:3]) == self.size and self.padding == (0, 0):
            pixels = x.shape[1] * x.shape[2]
            sums = x.sum(axis=(1, 2), keepdims=True, dtype=np.int32)
            sums -= pixels * self.given_zero_point
        else:
            sums = self._sums_of_windows(x)
        return requantize(
            sums, self.multiplier, self.shift,
            zero_point=self.zero_point, low=self.low, high=self.high,
        )  # fmt: skip

    def _sums_of_windows(self, x):
        (height, width), (down, across), (top, left) = self.size, self.stride, self.padding
        edges = ((0, 0), (top, top), (left, left), (0, 0))
        x = np.pad(x, edges, constant_values=self.given_zero_point)
        rows, columns = (x.shape[1] - height) // down + 1, (x.shape[2] - width) // across + 1
        shape = len(x), rows, columns, x.shape[3]
        sums = np.full(shape, -height * width * self.given_zero_point, np.int32)
        for i, j in np.ndindex(height, width):
            last = i + down * (rows - 1) + 1, j + across * (columns - 1) + 1
            sums += x[:, i : last[0] : down, j : last[1] : across]
        return sums


@dataclass(frozen=True, eq=False)
class Flatten(IntegerStep):
    """The codes of an image in one row, channel after channel, as torch has them."""

    def __call__(self, x, threads):
        """Return N x K."""
        x = x.transpose(0, 3, 1, 2) if x.ndim == 4 else x
        return np.ascontiguousarray(x.reshape(len(x), -1))
