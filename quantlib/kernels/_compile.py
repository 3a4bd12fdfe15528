"""Compilation at the first call, with the machine code kept on disk."""

import hashlib
import types
from pathlib import Path

from numba import njit

__all__ = ["compiled"]


def _hash_of_sources():
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


_SOURCES = _hash_of_sources()


def compiled(function=None, *, parallel=False, reorder=False):
    """Compile a function at its first call, and keep the machine code on disk.

    By itself numba takes stored code to be up to date if the function's own file is unchanged,
    though the code holds that of the functions it calls. But it also compares the values that a
    function encloses. So the function is given one more: the hash of all files of this package.

    ``reorder`` lets sums of floats be taken in any order, so that they run in vectors.
    """
    if function is None:
        return lambda function: compiled(function, parallel=parallel, reorder=reorder)
    code = function.__code__.replace(co_freevars=("sources",))
    enclosing = types.FunctionType(code, function.__globals__, closure=(types.CellType(_SOURCES),))
    enclosing.__doc__, enclosing.__module__ = function.__doc__, function.__module__
    fastmath = {"reassoc", "nsz"} if reorder else False
    options = {"nogil": True, "error_model": "numpy", "parallel": parallel, "fastmath": fastmath}
    return njit(cache=True, **options)(enclosing)
