"""Arrays that tell when they are multiplied with one another.

A task may ask for sums without products, where a product is not a word in the text: ``*`` is needed
for much else. Its arguments are then watched: a product of two arrays that come from them gives a
warning, which leaves the sandbox with the result, and a requirement looks for it. Whoever leaves
the arrays (``np.asarray``, torch, Python's numbers) is not seen any more.
"""

import warnings

import numpy as np

_PRODUCTS = {
    "convolve",
    "correlate",
    "dot",
    "einsum",
    "inner",
    "kron",
    "matmul",
    "multiply",
    "outer",
    "tensordot",
    "vdot",
    "vecdot",
}


class MultipliedWarning(UserWarning):
    """Two watched arrays were multiplied with one another."""


class Watched(np.ndarray):
    """An array that is watched; so is what is computed from it."""

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        _look(ufunc.__name__, inputs)
        options = _plain(options)  # `where` may be watched, too
        if out is not None:
            options["out"] = tuple(map(_plain, out))
        result = getattr(ufunc, method)(*map(_plain, inputs), **options)
        return _watch(result) if out is None else out[0] if len(out) == 1 else out

    def __array_function__(self, function, types, arguments, options):
        _look(function.__name__, arguments)
        # What NumPy's own functions compute inside is no product of the caller's.
        return _watch(function(*map(_plain, arguments), **_plain(options)))

    def dot(self, other, out=None):
        """The method, as the function."""
        return np.dot(self, other, out=out)


def watched(array):
    """The array, watched.

    >>> a, b = watched(np.array([3, 1])), watched(np.array([2, 5]))
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     total = int((a ^ b).sum() + 2 * len(a))
    ...     product = int((a * b).sum())
    >>> total, product, [warning.category.__name__ for warning in caught]
    (9, 11, ['MultipliedWarning'])
    """
    return np.asarray(array).view(Watched)


def _look(name, inputs):
    several = sum(isinstance(value, Watched) and value.size > 1 for value in inputs)
    if several > 1 and name in _PRODUCTS:
        warnings.warn(f"two arrays were multiplied with {name}", MultipliedWarning, stacklevel=4)


def _watch(value):
    if isinstance(value, tuple | list):
        return type(value)(map(_watch, value)) if type(value) in (tuple, list) else value
    return value.view(Watched) if type(value) is np.ndarray else value


def _plain(value):
    if isinstance(value, Watched):
        return value.view(np.ndarray)
    if type(value) in (tuple, list):
        return type(value)(map(_plain, value))
    if type(value) is dict:
        return {key: _plain(one) for key, one in value.items()}
    return value
