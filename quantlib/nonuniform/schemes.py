"""One set of verbs for the three schemes of the chapter."""

from quantlib.nonuniform.enq import EnqQParams
from quantlib.nonuniform.fixed_point import FixedQParams
from quantlib.nonuniform.knq import KnqQParams

__all__ = ["dequantize", "fake_quantize", "quantize"]

_QPARAMS = (FixedQParams, EnqQParams, KnqQParams)


def _checked(qparams):
    if not isinstance(qparams, _QPARAMS):
        names = ", ".join(kind.__name__ for kind in _QPARAMS)
        raise TypeError(f"qparams must be one of {names}, got {type(qparams).__name__}")
    return qparams


def quantize(x, qparams):
    """Return the int32 codes of ``x`` by the scheme whose parameters are given.

    >>> import numpy as np
    >>> quantize(np.array([0.0, 5.0]), EnqQParams(2, 4, 0)).tolist()
    [0, 1]
    """
    return _checked(qparams).quantize(x)


def dequantize(codes, qparams):
    """Return the numbers (float32) that ``codes`` stand for by the scheme of ``qparams``.

    >>> import numpy as np
    >>> dequantize(np.array([0, 1]), KnqQParams([0.0, 2.5], bit_width=1)).tolist()
    [0.0, 2.5]
    """
    return _checked(qparams).dequantize(codes)


def fake_quantize(x, qparams):
    """Round ``x`` to the levels of the scheme whose parameters are given; still float.

    >>> import numpy as np
    >>> fake_quantize(np.array([0.3]), FixedQParams(word_bits=4, fraction_bits=1)).tolist()
    [0.5]
    """
    return _checked(qparams).fake_quantize(x)
