"""One set of verbs for the three schemes of the chapter."""

from quantlib.nonuniform import enq, fixed_point, knq
from quantlib.nonuniform.enq import EnqQParams
from quantlib.nonuniform.fixed_point import FixedQParams
from quantlib.nonuniform.knq import KnqQParams

__all__ = ["dequantize", "fake_quantize", "quantize"]

_MODULES = {FixedQParams: fixed_point, EnqQParams: enq, KnqQParams: knq}


def _module(qparams):
    try:
        return _MODULES[type(qparams)]
    except KeyError:
        names = ", ".join(kind.__name__ for kind in _MODULES)
        raise TypeError(f"qparams must be one of {names}, got {type(qparams).__name__}") from None


def quantize(x, qparams):
    """Return the codes of ``x`` by the scheme whose parameters are given.

    Parameters
    ----------
    x : array
        NumPy array or torch tensor.
    qparams : FixedQParams, EnqQParams or KnqQParams
        As the scheme's ``choose_qparams`` gives.

    Returns
    -------
    array of int32

    Raises
    ------
    TypeError
        If ``qparams`` is none of these.
    ValueError
        As the scheme's own function.

    Examples
    --------
    >>> import numpy as np
    >>> quantize(np.array([0.0, 5.0]), EnqQParams(2, 4, 0)).tolist()
    [0, 1]
    """
    return _module(qparams).quantize(x, qparams)


def dequantize(codes, qparams):
    """Return the numbers that ``codes`` stand for, by the scheme whose parameters are given.

    Parameters and errors are as for :func:`quantize`, with codes in place of ``x``.

    Examples
    --------
    >>> import numpy as np
    >>> dequantize(np.array([0, 1]), KnqQParams([0.0, 2.5], bit_width=1)).tolist()
    [0.0, 2.5]
    """
    return _module(qparams).dequantize(codes, qparams)


def fake_quantize(x, qparams):
    """Round ``x`` to the levels of the scheme whose parameters are given; still float.

    Parameters and errors are as for :func:`quantize`.

    Examples
    --------
    >>> import numpy as np
    >>> fake_quantize(np.array([0.3]), FixedQParams(word_bits=4, fraction_bits=1)).tolist()
    [0.5]
    """
    return _module(qparams).fake_quantize(x, qparams)
