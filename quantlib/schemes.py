"""One set of verbs for every kind of quantization.

Each chapter has a class of parameters (``QParams``, ``LogQParams``, …) that says how numbers become
codes. The verbs are the same for all: :func:`quantize`, :func:`dequantize`, :func:`fake_quantize`.
"""

from abc import ABC, abstractmethod
from dataclasses import fields

import numpy as np

from quantlib._validation import (
    as_array,
    as_float_array,
    check_axis,
    detached,
    has_values,
    namespace,
    to_numpy,
)

__all__ = [
    "Scheme",
    "along_axis",
    "dequantize",
    "fake_quantize",
    "frozen_array",
    "quantize",
    "straight_through",
]


class Scheme(ABC):
    """Parameters of quantization: what takes numbers to codes, and codes to the numbers they mean.

    A subclass is a ``dataclass(frozen=True, eq=False)``. It has a ``bit_width``, freezes its arrays
    by :func:`frozen_array`, and brings the abstract methods. Two are equal if they are of one class
    and all fields have equal values.

    >>> from quantlib.uniform import QParams
    >>> QParams([0.5, 2.0], [0, 0], 4, axis=0) == QParams([0.5, 2.0], [0, 0], 4, axis=0)
    True
    """

    bit_width: int

    #: The fields that are stored beside the codes, as numbers of 32 bits.
    stored = ()

    @property
    def parameter_bytes(self):
        """Bytes that are stored beside the codes, 4 a number; what is 0 everywhere takes none.

        >>> from quantlib.uniform import QParams
        >>> QParams([0.5, 2.0, 1.0], [0, 0, 0], 4, axis=0).parameter_bytes  # three scales
        12
        """
        stored = (getattr(self, name) for name in self.stored)
        return sum(4 * np.size(values) for values in stored if np.any(values))

    @property
    @abstractmethod
    def quant_min(self):
        """Smallest code; below 0 where codes are signed."""

    @property
    @abstractmethod
    def quant_max(self):
        """Largest code."""

    @abstractmethod
    def quantize(self, x):
        """Return the int32 codes of ``x``, an array or a tensor."""

    @abstractmethod
    def dequantize(self, codes):
        """Return the float32 numbers that ``codes`` stand for."""

    @abstractmethod
    def _round(self, x):
        """Return the levels that the floats ``x``, checked to be finite, are rounded to.

        Of the kind and dtype of ``x``, which has no gradient.
        """

    def _in_range(self, x):
        """Return where ``x`` lies within the range of the levels."""
        return (x >= float(self.levels[0])) & (x <= float(self.levels[-1]))

    def fake_quantize(self, x):
        """Return ``x`` rounded to its levels, in its dtype; see :func:`fake_quantize`."""
        if type(x).__module__ == "torch.fx.proxy":
            return x.tracer.create_proxy("call_function", self.fake_quantize, (x,), {})
        x = as_float_array(x, "x", may_be_empty=True)
        values = detached(x)
        rounded = self._round(values)
        return straight_through(x, rounded, lambda: self._in_range(values))

    def __eq__(self, other):
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self):
        return hash(self._values())

    def _values(self):
        """Return the fields as plain values, which compare and hash."""
        return tuple(_plain(getattr(self, field.name)) for field in fields(self))

    def __reduce__(self):
        # NumPy's copies and pickles can be written to, so a new one is made, and frozen.
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return _rebuild, (type(self), named)


def _plain(value):
    return (value.shape, *value.ravel().tolist()) if isinstance(value, np.ndarray) else value


def _rebuild(kind, named):
    return kind(**named)


def frozen_array(x, name, dtype=None):
    """Return a copy of ``x`` as a NumPy array of ``dtype`` that cannot be written to."""
    x = np.array(to_numpy(as_array(x, name)), dtype)
    x.setflags(write=False)
    return x


def straight_through(x, rounded, in_range=None):
    """Return ``rounded`` with the gradient of ``x`` where ``in_range()`` says so, or everywhere."""
    if not getattr(x, "requires_grad", False) and has_values(x):
        return rounded
    change = x - detached(x)  # it is 0, and its gradient is 1
    return rounded + (change if in_range is None else change * in_range())


def along_axis(values, x, axis, dtype=None, name="x"):
    """Return ``values``, one (``axis=None``) or one for each index along ``axis`` of ``x``.

    As an array of the kind of ``x`` that broadcasts with it, of ``dtype`` or its own. ``name`` is
    what the refusal of another length calls ``x``.

    >>> along_axis(np.array([1, 2]), np.zeros((3, 2, 5)), 1).shape
    (1, 2, 1)
    """
    if axis is not None:
        axis = check_axis(axis, x.ndim)
        if has_values(x) and x.shape[axis] != len(values):
            raise ValueError(
                f"{name} must have {len(values)} entries along axis {axis}, as qparams have, "
                f"got shape {tuple(x.shape)}"
            )
        values = values.reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    return namespace(x).asarray(values, dtype=dtype, device=x.device)


def _checked(qparams):
    if not isinstance(qparams, Scheme):
        raise TypeError(
            "qparams must be the parameters of a scheme, as choose_qparams returns them "
            f"(QParams, LogQParams, FixedQParams, …), got {type(qparams).__name__}"
        )
    return qparams


def quantize(x, qparams):
    """Integer codes of real numbers, in int32, of the kind (NumPy or torch) and shape of ``x``.

    The formula stands at the method of the scheme's class, for example
    :meth:`quantlib.uniform.affine.QParams.quantize`. :func:`quantlib.packed.tensor.pack` stores the
    codes in ``bit_width`` bits each.

    >>> from quantlib.uniform import QParams
    >>> quantize([-1.0, 0.25, 0.75, 9.0], QParams(0.5, 0, bit_width=4)).tolist()
    [-2, 0, 2, 7]
    """
    return _checked(qparams).quantize(x)


def dequantize(codes, qparams):
    """Real numbers, in float32, that integer codes stand for; a code that is none is refused.

    >>> from quantlib.uniform import QParams
    >>> dequantize([-2, 0, 7], QParams(0.5, 0, bit_width=4)).tolist()
    [-1.0, 0.0, 3.5]
    """
    return _checked(qparams).dequantize(codes)


def fake_quantize(x, qparams):
    r"""Round real numbers to the values that codes can stand for, in the dtype of ``x``.

    It saves no memory: it shows what a quantized tensor would compute. Rounding has a gradient of
    0. A tensor that requires a gradient gets the straight-through one instead,

    .. math:: \frac{\partial C}{\partial x} = \frac{\partial C}{\partial \hat x}\;
              1_{x \text{ is not clamped}}

    With uniform codes, fixed point and ENQ, x is clamped where the rounded number lies beyond the
    last code, as in torch; with other schemes where x lies beyond the last level. Source: Bengio et
    al. (2013); Chenna, section 8.

    While torch traces (``torch.compile``, ``torch.export``, ``torch.func``) values are not looked
    at: a NaN is not refused then, but stays one.

    >>> from quantlib.uniform import QParams
    >>> fake_quantize([-1.0, 0.3, 9.0], QParams(0.5, 0, bit_width=4)).tolist()
    [-1.0, 0.5, 3.5]
    """
    return _checked(qparams).fake_quantize(x)
