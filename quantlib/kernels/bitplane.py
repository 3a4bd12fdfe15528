"""Products of codes of a few bits, plane by plane, and of ternary values, with popcounts.

A code is a sum of bits times powers of two, so a product of two codes is a sum of products of
planes, and each of those is a popcount:

.. math:: \\sum_k u_k v_k = \\sum_{i,j} 2^{i+j}\\, \\mathrm{popcount}(u^{(i)} \\wedge v^{(j)})
"""

import numpy as np

from quantlib.kernels import _popcount
from quantlib.kernels._checks import check_instance, check_out
from quantlib.kernels._threads import thread_count
from quantlib.kernels.words import PackedPlanes, PackedTernary, half_words, row_words

__all__ = ["bitplane_gemm", "ternary_gemm"]

_LARGEST = 2**30 - 1


def ternary_gemm(a, b, *, out=None, num_threads=None):
    r"""Multiply two matrices of values -1, 0 and +1.

    .. math:: c_{mn} = \sum_k a_{mk} b_{nk} = \mathrm{popcount}(m)
              - 2\,\mathrm{popcount}(m \wedge (s_a \oplus s_b)), \qquad m = m_a \wedge m_b

    with the masks m and the signs s of the two rows.

    Parameters
    ----------
    a : PackedTernary
        M x K.
    b : PackedTernary
        N x K, as panels (``pack_ternary(..., panels=True)``); rows are rearranged at every call.
    num_threads : int, optional
        All threads that numba has if not given.

    Returns
    -------
    numpy.ndarray of int32
        M x N.

    Notes
    -----
    Source: the course's own; Bei Yu, Mo04, names the ternary values of TTQ.

    Examples
    --------
    >>> import numpy as np
    >>> from quantlib import kernels
    >>> a = kernels.pack_ternary(np.array([[1, 0, -1, -1]]))
    >>> b = kernels.pack_ternary(np.array([[1, 1, 0, 1], [0, 0, -1, -1]]), panels=True)
    >>> kernels.ternary_gemm(a, b).tolist()
    [[0, 2]]
    """
    m, n, _ = _check_pair(a, b, PackedTernary, "pack_ternary")
    out = check_out(out, (m, n), np.int32, a.words, b.words)
    words = half_words(row_words(a))
    _popcount.multiply(
        thread_count(num_threads), _popcount.TERNARY, words.reshape(-1),
        b.as_panels().words.reshape(-1), out.reshape(-1), None, (m, n, words.shape[-1], 2, 2),
    )  # fmt: skip
    return out


def bitplane_gemm(a, b, *, out=None, num_threads=None):
    r"""Multiply two matrices of codes of a few bits.

    .. math:: c_{mn} = \sum_k a_{mk} b_{nk}, \qquad
              \sum_k u_k v_k = \sum_{i,j} 2^{i+j}\, \mathrm{popcount}(u^{(i)} \wedge v^{(j)})

    ANDs are counted through XORs, :math:`2\,\mathrm{pop}(u \wedge v) = \mathrm{pop}(u) +
    \mathrm{pop}(v) - \mathrm{pop}(u \oplus v)`. A signed code is stored as u = a + o with
    :math:`o = 2^{b-1}`; row sums, kept when packing, take o out again.

    Parameters
    ----------
    a : PackedPlanes
        M x K.
    b : PackedPlanes
        N x K, as panels (``pack_planes(..., panels=True)``); rows are rearranged at every call.
    num_threads : int, optional
        All threads that numba has if not given.

    Returns
    -------
    numpy.ndarray of int32
        M x N, exact.

    Notes
    -----
    Source: the course's own; it is what ABC-Net's M x N binary products (Bei Yu, Mo04) come to for
    levels evenly spaced.

    Examples
    --------
    >>> import numpy as np
    >>> from quantlib import kernels
    >>> a = kernels.pack_planes(np.array([[3, 0, 5]]), bit_width=3, signed=False)
    >>> b = kernels.pack_planes(np.array([[-2, 1, 1]]), bit_width=2, panels=True)
    >>> kernels.bitplane_gemm(a, b).tolist()
    [[-1]]
    """
    m, n, length = _check_pair(a, b, PackedPlanes, "pack_planes")
    a_most, b_most = 2**a.bit_width - 1, 2**b.bit_width - 1
    if length * a_most * b_most > _LARGEST:
        raise ValueError(
            f"a and b must have K of at most {_LARGEST // (a_most * b_most)} at {a.bit_width} and "
            f"{b.bit_width} bits, so that sums fit into 32 bits, got {length}"
        )
    out = check_out(out, (m, n), np.int32, a.words, b.words)
    words = half_words(row_words(a))
    n_words = words.shape[-1]
    # Twice the product of the stored codes is a row's part plus a column's part less the count.
    rows = a.sums * (b_most - 2 * b.offset)
    columns = b.sums * (a_most - 2 * a.offset) + 2 * length * a.offset * b.offset
    rows -= 64 * _popcount.subtracted(n_words) * a_most * b_most  # what the count comes out too low
    _popcount.multiply(
        thread_count(num_threads), _popcount.PLANES, words.reshape(-1),
        b.as_panels().words.reshape(-1), out.reshape(-1), None,
        (m, n, n_words, a.bit_width, b.bit_width),
        passes=_passes(a.bit_width, b.bit_width, n_words),
        halves=(rows.astype(np.int32), columns.astype(np.int32)),
    )  # fmt: skip
    return out


def _check_pair(a, b, kind, maker):
    """Return rows of ``a``, rows of ``b`` and K, checked."""
    check_instance(a, "a", kind, maker)
    check_instance(b, "b", kind, maker)
    for operand, name in ((a, "a"), (b, "b")):
        if len(operand.shape) != 2 or getattr(operand, "axis", 1) != 1:
            raise ValueError(
                f"{name} must be a matrix packed along its last axis, "
                f"got shape {operand.shape} packed along axis {operand.axis}"
            )
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"a and b must have the same K, got {a.shape[1]} and {b.shape[1]}")
    return a.shape[0], b.shape[0], a.shape[1]


def _passes(a_planes, b_planes, n_words):
    """Return a line for each pair of planes, the heaviest first: starts, and doublings before."""
    pairs = [(i + j, i * n_words, j * n_words) for i in range(a_planes) for j in range(b_planes)]
    pairs.sort(reverse=True)
    weights = [pairs[0][0]] + [weight for weight, _, _ in pairs]
    return np.array(
        [
            (a_start, b_start, before - weight)
            for before, (weight, a_start, b_start) in zip(weights, pairs, strict=False)
        ],
        np.int64,
    ).reshape(-1)
