r"""Least squares for a handful of unknowns, by operations that every tracer and exporter takes.

With bases as the rows of B and weights w, both divided by the root of n, the normal equations are

.. math:: G \alpha = b, \qquad G = B B^T, \quad b = B w

of which G, some M x M, may be singular: bases coincide in small filters.
"""

import torch

__all__ = ["least_squares"]

#: A pivot is the share of a basis that the ones before it don't explain: at least some 1 / n if
#: any, and some 1e-16 by rounding.
_NONE = 1e-11


def least_squares(rows, bases):
    """Return the factors of least norm: R x M for the R rows of weights, in their dtype.

    ``bases`` is a list of M matrices like ``rows``, of +1 and -1. A NaN spreads over its row.

    >>> row = torch.tensor([[1.0, 3.0]])
    >>> ones = torch.ones(1, 2)
    >>> least_squares(row, [ones, ones]).tolist()  # both are the mean's half
    [[1.0, 1.0]]
    """
    n_bases = len(bases)
    stacked = torch.stack(bases, 1).double()
    n = stacked.shape[2]
    gram = stacked @ stacked.transpose(1, 2) / n
    right = (stacked @ (rows.double() / n)[:, :, None])[:, :, 0]
    # G = L D L^T, where dependent bases have no column. L^T alpha = y has the solution of least
    # norm alpha = L z with L^T L z = y.
    lower, inverse = _factored(gram, n_bases)
    y = inverse * _forward(lower, right, n_bases)
    lower_2, inverse_2 = _factored(lower.transpose(1, 2) @ lower, n_bases)
    z = _backward(lower_2, inverse_2 * _forward(lower_2, y, n_bases), n_bases)
    return (lower @ z[:, :, None])[:, :, 0].to(rows.dtype)


def _factored(a, n):
    """Return L and 1/D of A = L D L^T; where D is 0 the column of L and 1/D are 0."""
    columns, inverses = [], []
    for k in range(n):
        pivot = a[:, k, k]
        some = pivot > _NONE
        inverse = torch.where(some, 1 / torch.where(some, pivot, 1), 0)
        column = a[:, :, k] * inverse[:, None]
        a = a - column[:, :, None] * a[:, k, None, :]
        columns.append(column)
        inverses.append(inverse)
    return torch.stack(columns, 2).tril(), torch.stack(inverses, 1)


def _forward(lower, b, n):
    """Return y of L y = b, L having ones, or zeros for whole columns, in its diagonal."""
    found = []
    for k in range(n):
        found.append(b[:, k])
        b = b - lower[:, :, k] * found[k][:, None]
    return torch.stack(found, 1)


def _backward(lower, b, n):
    """Return y of L^T y = b."""
    found = [None] * n
    for k in reversed(range(n)):
        found[k] = b[:, k]
        b = b - lower[:, k, :] * found[k][:, None]
    return torch.stack(found, 1)
