"""The steps of layers whose weights and input are sums of binary bases, each times a number."""

from dataclasses import dataclass

import numpy as np

from quantlib import kernels
from quantlib._validation import check_choice, check_finite, check_integer
from quantlib.kernels import PackedBits
from quantlib.kernels._checks import LARGEST
from quantlib.packed.flow import NUMBERS, REAL, Flow, check_signs, check_vector, check_window
from quantlib.packed.layers import Step

__all__ = ["Bases", "SumConv", "SumDense"]


def _kind(n_bases):
    return f"{n_bases} bases of signs"


@dataclass(frozen=True, eq=False)
class Bases(Step):
    """Signs of real numbers from several thresholds: +1 from the threshold on.

    ``thresholds`` are one number for each basis.
    """

    thresholds: np.ndarray

    def __post_init__(self):
        check_vector(self.thresholds, "thresholds", None)

    def flow(self, x):
        """Return what is behind it."""
        x.check(self, NUMBERS)
        return Flow(_kind(len(self.thresholds)), x.shape)

    def __call__(self, x, threads):
        """Return a list of packed signs, one for each threshold."""
        x = np.ascontiguousarray(x, np.float32)
        return [
            kernels.threshold_signs(x, np.full(x.shape[-1], t, np.float32), num_threads=threads)
            for t in self.thresholds
        ]


class _Sum(Step):
    """What the two steps have in common."""

    def _check(self, ndim):
        if not isinstance(self.weight, tuple) or not self.weight:
            raise TypeError(
                f"weight must be a tuple of PackedBits, got {type(self.weight).__name__}"
            )
        for basis in self.weight:
            check_signs(basis, "weight", ndim)
        shapes = {basis.shape for basis in self.weight}
        if len(shapes) > 1:
            raise ValueError(f"weight must have bases of one shape, got {sorted(shapes)}")
        n_outputs = self.weight[0].shape[0]
        wanted = len(self.weight), n_outputs
        if not isinstance(self.alpha, np.ndarray) or self.alpha.dtype.kind != "f":
            raise TypeError(f"alpha must be an array of numbers, got {type(self.alpha).__name__}")
        if self.alpha.shape != wanted:
            raise ValueError(f"alpha must have shape {wanted}, got {self.alpha.shape}")
        check_finite(self.alpha, "alpha")
        check_vector(self.beta, "beta", None)
        if self.bias is not None:
            check_vector(self.bias, "bias", n_outputs)


@dataclass(frozen=True, eq=False)
class SumConv(_Sum):
    """A convolution of N bases of signs with M.

    ``weight`` are M bases, ``alpha`` M x O numbers, ``beta`` N, ``bias`` O or None. Outside of the
    image each basis is ``padding_value``, 0 or 1.
    """

    weight: tuple[PackedBits, ...]
    alpha: np.ndarray
    beta: np.ndarray
    bias: np.ndarray | None
    stride: int | tuple[int, int]
    padding: int | tuple[int, int]
    dilation: int | tuple[int, int] = 1
    groups: int = 1
    padding_value: int = 0

    def __post_init__(self):
        self._check(4)
        check_window(self)
        check_choice(self.padding_value, "padding_value", (0, 1))
        n_filters = self.weight[0].shape[0]
        if n_filters % check_integer(self.groups, "groups", 1, LARGEST):
            raise ValueError(f"groups must divide {n_filters}, got {self.groups}")

    def flow(self, x):
        """Return what is behind it."""
        n_filters, channels, *size = self.weight[0].shape
        x.check(self, (_kind(len(self.beta)),), 3, channels * self.groups)
        return Flow(REAL, (*x.convolved((size, *check_window(self))), n_filters))

    def __call__(self, x, threads):
        """Return N x H' x W' x O, real, of a list of packed images."""
        return kernels.xnor_sum_conv2d(
            x, self.weight, self.alpha, self.beta, self.stride, self.padding,
            dilation=self.dilation, groups=self.groups, padding_value=self.padding_value,
            bias=self.bias, layout="NHWC", num_threads=threads,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class SumDense(_Sum):
    """A product of N bases of signs with a matrix that is a sum of M.

    The fields are those of :class:`SumConv`.
    """

    weight: tuple[PackedBits, ...]
    alpha: np.ndarray
    beta: np.ndarray
    bias: np.ndarray | None

    def __post_init__(self):
        self._check(2)

    def flow(self, x):
        """Return what is behind it."""
        n_outputs, length = self.weight[0].shape
        x.check(self, (_kind(len(self.beta)),), 1, length)
        return Flow(REAL, (n_outputs,))

    def __call__(self, x, threads):
        """Return N x O, real, of a list of packed rows."""
        return kernels.xnor_sum_gemm(
            x, self.weight, self.alpha, self.beta, bias=self.bias, num_threads=threads
        )
