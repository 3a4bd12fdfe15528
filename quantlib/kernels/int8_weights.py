"""What products of 8 bits take beside activations: weights in panels, and requantization."""

import functools
import math
from dataclasses import dataclass

import numpy as np

from quantlib._validation import check_integer
from quantlib.kernels import _int8_layout
from quantlib.kernels._checks import (
    LARGEST,
    Remade,
    as_whole,
    check_bounds,
    check_instance,
    check_shape,
    own_array,
)
from quantlib.kernels._requantize import steps

__all__ = ["Int8Panels", "Requantization", "pack_int8", "unpack_int8"]


@dataclass(frozen=True, eq=False)
class Int8Panels(Remade):
    """Weights of 8 bits as :func:`int8_gemm` and :func:`int8_conv2d` read them.

    Make them with :func:`pack_int8`.

    Attributes
    ----------
    codes : numpy.ndarray of int8
        (outputs / 16, rounded up) x words x 16 x 4: four weights of each of sixteen outputs lie
        together. A row of a filter, width x channels, is filled up with zeros to whole words.
        Read-only.
    shape : tuple of int
        Outputs and K, or outputs, channels, height and width.
    zero_point : numpy.ndarray of int32
        The code that stands for 0, of each output. Read-only.
    """

    codes: np.ndarray
    shape: tuple[int, ...]
    zero_point: np.ndarray

    def __post_init__(self):
        shape = _check_weights_shape(check_shape(self.shape))
        codes = own_array(self.codes, "codes", np.int8, _int8_layout.panel_sizes(shape))
        zero_point = own_array(self.zero_point, "zero_point", np.int32, shape[:1])
        check_bounds(zero_point, "zero_point", -128, 127)
        if np.count_nonzero(codes) != np.count_nonzero(_unpacked(codes, shape)):
            raise ValueError("codes must be 0 where they fill up, got others")
        codes.flags.writeable = zero_point.flags.writeable = False
        self.__dict__.update(codes=codes, shape=shape, zero_point=zero_point, _layouts={})

    @property
    def nbytes(self):
        """Bytes that the codes take."""
        return self.codes.nbytes

    @functools.cached_property
    def sums(self):
        """The sum of the weights of each output, int32."""
        return self.codes.sum(axis=(1, 3), dtype=np.int32).reshape(-1)[: self.shape[0]].copy()

    @functools.cached_property
    def reach(self):
        """The sum of the magnitudes of each output's weights less their zero point, int64."""
        w = unpack_int8(self).reshape(self.shape[0], -1)
        return abs(w.astype(np.int32) - self.zero_point[:, None]).sum(axis=1, dtype=np.int64)

    @functools.cached_property
    def most(self):
        """The largest ``reach``."""
        return int(self.reach.max())

    @functools.cached_property
    def asymmetric(self):
        """Whether a zero point is not 0."""
        return bool(self.zero_point.any())

    def layout(self, make, *how):
        """Return what a function of ``_int8_layout`` makes of the weights, made once."""
        if (make, *how) not in self._layouts:
            self._layouts[(make, *how)] = make(self, unpack_int8, *how)
        return self._layouts[(make, *how)]


def _check_weights_shape(shape):
    if len(shape) not in (2, 4):
        raise ValueError(f"weight must have 2 or 4 axes, got shape {shape}")
    if math.prod(shape) > LARGEST // 4:
        raise ValueError(f"weight must have at most {LARGEST // 4} values, got shape {shape}")
    return shape


def _unpacked(codes, shape):
    n_outputs, *rest = shape
    channels, height, width = (*rest, 1, 1)[:3]
    values = codes.transpose(0, 2, 1, 3).reshape(len(codes) * _int8_layout.LANES, height, -1)
    values = values[:n_outputs, :, : width * channels]
    values = values.reshape(n_outputs, height, width, channels).transpose(0, 3, 1, 2)
    return np.ascontiguousarray(values).reshape(shape)


def pack_int8(weight, *, zero_point=0):
    """Pack weights of 8 bits for :func:`int8_gemm` and :func:`int8_conv2d`.

    Parameters
    ----------
    weight : numpy.ndarray of integers
        From -128 to 127: O x K for a matrix product, O x C / groups x h x w for a convolution.
    zero_point : int or numpy.ndarray of integers
        The code that stands for 0, from -128 to 127: one for all, or one for each output.

    Returns
    -------
    Int8Panels

    Examples
    --------
    >>> weights = pack_int8(np.array([[1, -128, 127]]), zero_point=1)
    >>> weights.shape, weights.nbytes, weights.sums.tolist(), weights.reach.tolist()
    ((1, 3), 64, [0], [255])
    >>> unpack_int8(weights).tolist()
    [[1, -128, 127]]
    """
    weight = as_whole(weight, "weight")
    shape = _check_weights_shape(weight.shape)
    check_bounds(weight, "weight", -128, 127)
    zero_points = as_whole(zero_point, "zero_point")
    if zero_points.shape not in ((), (len(weight),)):
        raise ValueError(
            f"zero_point must be one number or {len(weight)}, got shape {zero_points.shape}"
        )
    check_bounds(zero_points, "zero_point", -128, 127)
    values = weight.astype(np.int8).reshape(*shape[:2], *(shape[2:] or (1, 1)))
    values = values.transpose(0, 2, 3, 1).reshape(len(weight), values.shape[2], -1)
    zero_points = np.broadcast_to(zero_points, shape[:1]).astype(np.int32)
    return Int8Panels(_int8_layout.in_panels(values), shape, zero_points)


def unpack_int8(panels):
    """Return the weights that :func:`pack_int8` was given, as int8."""
    check_instance(panels, "panels", Int8Panels, "pack_int8")
    return _unpacked(panels.codes, panels.shape)


@dataclass(frozen=True, eq=False)
class Requantization(Remade):
    r"""How sums become codes: :math:`\mathrm{clamp}(z + \lfloor (a m + 2^{s-1}) / 2^s \rfloor)`.

    Attributes
    ----------
    multiplier : numpy.ndarray of int32
        m of each output, from 2**30 to 2**31 - 1, or 0. Read-only.
    shift : numpy.ndarray of int32
        s of each output, from 1 to 62. Read-only.
    zero_point, low, high : int
        z, and the least and the largest code, from 0 to 255.

    Examples
    --------
    >>> from quantlib import kernels
    >>> half = Requantization(np.array([2**30]), np.array([31]), 10, 0, 255)
    >>> weights = pack_int8(np.array([[1]]))
    >>> kernels.int8_gemm(np.uint8([[3], [4]]), weights, requantization=half).tolist()
    [[12], [12]]
    """

    multiplier: np.ndarray
    shift: np.ndarray
    zero_point: int
    low: int
    high: int

    def __post_init__(self):
        multiplier = as_whole(self.multiplier, "multiplier", ndim=1)
        shift = as_whole(self.shift, "shift", ndim=1)
        if multiplier.shape != shift.shape:
            raise ValueError(
                "multiplier and shift must have the same length, "
                f"got {len(multiplier)} and {len(shift)}"
            )
        wrong = multiplier[(multiplier != 0) & ((multiplier < 2**30) | (multiplier > LARGEST))]
        if wrong.size:
            raise ValueError(f"multiplier must be from 2**30 to 2**31 - 1, or 0, got {wrong[0]}")
        check_bounds(shift, "shift", 1, 62)
        limits = {
            name: check_integer(getattr(self, name), name, 0, 255)
            for name in ("zero_point", "low", "high")
        }
        if limits["low"] > limits["high"]:
            raise ValueError(f"low must be at most high, got {limits['low']} and {limits['high']}")
        multiplier, shift = (
            _int8_layout.aligned_copy(x.astype(np.int32)) for x in (multiplier, shift)
        )
        multiplier.flags.writeable = shift.flags.writeable = False
        self.__dict__.update(multiplier=multiplier, shift=shift, **limits)

    @functools.cached_property
    def steps(self):
        """The same for the loops: see ``_requantize``."""
        return steps(self.multiplier, self.shift)

    @functools.cached_property
    def narrow(self):
        """Whether sums are clamped and shifted before they are multiplied: at shifts below 33."""
        return bool((self.shift < 33).any())
