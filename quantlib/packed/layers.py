"""The steps of a packed network that have weights."""

from dataclasses import dataclass

import numpy as np

from quantlib import kernels
from quantlib._validation import check_choice, check_finite, check_integer, check_pair
from quantlib.kernels import PackedBits
from quantlib.kernels._checks import LARGEST
from quantlib.packed.flow import (
    NUMBERS,
    REAL,
    SCALED_SIGNS,
    SIGNS,
    WHOLE,
    Flow,
    check_scales,
    check_signs,
    check_window,
)
from quantlib.packed.powers import PackedPowers
from quantlib.packed.trits import PackedTrits

__all__ = ["BinaryConv", "BinaryDense", "RealLayer", "Step"]


@dataclass(frozen=True, eq=False)
class Step:
    """One step. Call it with an array and a number of threads."""

    def flow(self, x):
        """Return the :class:`~quantlib.packed.flow.Flow` behind it; raise unless it takes ``x``."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class RealLayer(Step):
    """A convolution or linear layer with real input.

    ``weight`` is (h w C) x O in float32, or O x (h w C) signs, ternary values or powers of two,
    packed; then it is unpacked at each call. ``scale`` and ``bias`` are O numbers or None; of
    ternary values ``scale`` may also be 2 x O: what -1 is worth, without its sign, and what +1 is.
    A linear layer has a 1 x 1 window.
    """

    weight: np.ndarray | PackedBits | PackedPowers | PackedTrits
    scale: np.ndarray | None
    bias: np.ndarray | None
    kernel_size: tuple[int, int]
    stride: int | tuple[int, int]
    padding: int | tuple[int, int]
    dilation: int | tuple[int, int] = 1
    groups: int = 1

    def __post_init__(self):
        if isinstance(self.weight, np.ndarray):
            if self.weight.dtype != np.float32 or self.weight.ndim != 2:
                raise ValueError(
                    f"weight must be float32 with 2 axes, got {self.weight.dtype} "
                    f"of shape {self.weight.shape}"
                )
        elif not isinstance(self.weight, PackedPowers | PackedTrits):
            check_signs(self.weight, "weight", 2)
        elif len(self.weight.shape) != 2:
            raise ValueError(f"weight must have 2 axes, got shape {self.weight.shape}")
        height, width = check_pair(self.kernel_size, "kernel_size", 1)
        check_window(self)
        groups = check_integer(self.groups, "groups", 1, LARGEST)
        length, n_outputs = self._sizes
        if not length or length % (height * width) or not n_outputs or n_outputs % groups:
            raise ValueError(
                f"weight must be of whole {height} x {width} windows and {groups} groups, "
                f"got {length} x {n_outputs}"
            )
        check_scales(self, n_outputs, two_levels=isinstance(self.weight, PackedTrits))
        if isinstance(self.weight, np.ndarray):
            check_finite(self.weight, "weight")

    @property
    def _sizes(self):
        """Length of a window, and number of outputs."""
        return self.weight.shape[:: 1 if isinstance(self.weight, np.ndarray) else -1]

    def flow(self, x):
        """Return what is behind it."""
        (height, width), (length, n_outputs) = check_pair(self.kernel_size, "", 1), self._sizes
        x.check(self, NUMBERS, length=length // (height * width) * self.groups)
        if len(x.shape) == 3:
            return Flow(REAL, (*x.convolved(((height, width), *check_window(self))), n_outputs))
        if (height, width, self.groups) != (1, 1, 1):
            raise ValueError(f"RealLayer with a window takes images (H x W x C), got {x}")
        return Flow(REAL, (n_outputs,))

    def __call__(self, x, threads):
        """Return N x H' x W' x O, or N x O, of real ``x``."""
        (weight, scale), x = self._unpacked(), x.astype(np.float32, copy=False)
        if x.ndim == 2:
            y = x @ weight
        else:
            weight = weight.reshape(*self.kernel_size, -1, weight.shape[1])
            y = kernels.real_conv2d(
                x, weight.transpose(3, 2, 0, 1), self.stride, self.padding,
                dilation=self.dilation, groups=self.groups, layout="NHWC", num_threads=threads,
            )  # fmt: skip
        if scale is not None:
            y *= scale
        if self.bias is not None:
            y += self.bias
        return y

    def _unpacked(self):
        """Return the weights as (h w C) x O in float32, and the scale of the results or None."""
        weight, scale = self.weight, self.scale
        if isinstance(weight, np.ndarray):
            return weight, scale
        if isinstance(weight, PackedBits):
            return kernels.unpack_signs(weight).astype(np.float32).T, scale
        codes = weight.unpack().astype(np.float32).T
        if scale is None or scale.ndim == 1:
            return codes, scale
        return np.where(codes < 0, *scale) * codes, None


class _Binary(Step):
    """What the two steps with binary weights have in common."""

    def _check(self, ndim):
        check_signs(self.weight, "weight", ndim)
        check_scales(self, self.weight.shape[0])
        if self.bias is not None and self.scale is None:
            raise ValueError("bias must come with a scale: without one, sums are whole, got None")

    def _kind(self, x):
        return REAL if self.scale is not None or x.kind == SCALED_SIGNS else WHOLE


@dataclass(frozen=True, eq=False)
class BinaryConv(_Binary):
    """A convolution of signs with signs. Real if it has a ``scale``, one of each filter.

    Outside of the image there is ``padding_value``, 1 or 0. Only with a ``scale`` is there a
    ``bias``.
    """

    weight: PackedBits
    scale: np.ndarray | None
    bias: np.ndarray | None
    stride: int | tuple[int, int]
    padding: int | tuple[int, int]
    dilation: int | tuple[int, int] = 1
    groups: int = 1
    padding_value: int = 1

    def __post_init__(self):
        self._check(4)
        check_window(self)
        check_choice(self.padding_value, "padding_value", (0, 1))
        if self.weight.shape[0] % check_integer(self.groups, "groups", 1, LARGEST):
            raise ValueError(f"groups must divide {self.weight.shape[0]}, got {self.groups}")

    def flow(self, x):
        """Return what is behind it."""
        n_filters, channels, *size = self.weight.shape
        x.check(self, (SIGNS, SCALED_SIGNS), 3, channels * self.groups)
        return Flow(self._kind(x), (*x.convolved((size, *check_window(self))), n_filters))

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
class BinaryDense(_Binary):
    """A product of signs with a matrix of signs. Real if it has a ``scale``.

    Where the input was flattened from packed pixels, each pixel's last word may have padding bits.
    They are 0 in the weights as well, count as ``surplus`` products of +1, and are taken away.
    Only with a ``scale`` is there a ``bias``.
    """

    weight: PackedBits
    scale: np.ndarray | None
    bias: np.ndarray | None
    surplus: int

    def __post_init__(self):
        self._check(2)
        check_integer(self.surplus, "surplus", 0, self.weight.length)

    def flow(self, x):
        """Return what is behind it."""
        kinds = (SIGNS,) if self.surplus else (SIGNS, SCALED_SIGNS)
        x.check(self, kinds, 1, self.weight.length)
        return Flow(self._kind(x), (self.weight.shape[0],))

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
