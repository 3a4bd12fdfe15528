"""Chapter 3 in one place: levels for activations, layer by layer.

* :mod:`quantlib.fixed_point`: integers times 2^-F, and the smallest number of bits;
* :mod:`quantlib.clnq`: a bit width for each layer, from SQNR;
* :mod:`quantlib.enq`: the top bits of a fixed-point number, shifted out;
* :mod:`quantlib.knq`: k-means levels;
* :mod:`quantlib.conversion_units`: QE, CE, QK and CK, which turn numbers into codes and back;
* :mod:`quantlib.kmeans_1d`: the globally best levels, and Lloyd's;
* :mod:`quantlib.activations` and :mod:`quantlib.bit_search`: real networks.

``quantize``, ``dequantize`` and ``fake_quantize`` here do what the parameters' own module does.
"""

from quantlib import enq, fixed_point, knq
from quantlib.activations import (
    ActivationMemory,
    QuantizedActivations,
    activation_memory,
    record,
)
from quantlib.bit_search import BitSearch, TradeOff, search_bits
from quantlib.clnq import bits_by_measured_sqnr, bits_for_sqnr, cheapest_first
from quantlib.conversion_units import ce, ck, comparators, priority_encode, qe, qk
from quantlib.enq import EnqQParams
from quantlib.fixed_point import FixedQParams, smallest_word_bits
from quantlib.fixed_point import fixed_point as _fixed_point
from quantlib.kmeans_1d import Clusters, kmeans_1d, lloyd
from quantlib.knq import KnqQParams

__all__ = [
    "ActivationMemory",
    "BitSearch",
    "Clusters",
    "EnqQParams",
    "FixedQParams",
    "KnqQParams",
    "QuantizedActivations",
    "TradeOff",
    "activation_memory",
    "bits_by_measured_sqnr",
    "bits_for_sqnr",
    "ce",
    "cheapest_first",
    "ck",
    "comparators",
    "dequantize",
    "fake_quantize",
    "fixed_point",
    "kmeans_1d",
    "lloyd",
    "priority_encode",
    "qe",
    "qk",
    "quantize",
    "record",
    "search_bits",
    "smallest_word_bits",
]

_MODULES = {FixedQParams: fixed_point, EnqQParams: enq, KnqQParams: knq}
fixed_point = _fixed_point


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
