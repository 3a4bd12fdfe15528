"""Compilation at the first call, with the machine code kept on disk."""

import hashlib
import types
from pathlib import Path
from typing import NamedTuple

from numba import njit
from numba.core.dispatcher import Dispatcher

__all__ = ["Loops", "both", "compiled"]


def _hash_of_sources():
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]


_SOURCES = _hash_of_sources()


def compiled(function=None, *, parallel=False, reorder=False):
    """Compile a function at its first call, and keep the machine code on disk.

    By itself numba takes stored code to be up to date if the function's own file is unchanged,
    though the code holds that of the functions it calls, and opens it under the function's name
    and line. So the name under which it is stored has the hash of all files of this package in it,
    and the options, by which the two of :func:`both` are told apart.

    ``reorder`` lets sums of floats be taken in any order, so that they run in vectors.
    """
    if function is None:
        return lambda function: compiled(function, parallel=parallel, reorder=reorder)
    fastmath = {"reassoc", "nsz"} if reorder else False
    options = {"nogil": True, "error_model": "numpy", "parallel": parallel, "fastmath": fastmath}
    copy = types.FunctionType(function.__code__, function.__globals__, function.__name__)
    copy.__doc__, copy.__module__ = function.__doc__, function.__module__
    copy.__qualname__ = f"{function.__qualname__}-{_SOURCES}-{'parallel' if parallel else 'serial'}"
    return njit(cache=True, **options)(copy)


class Loops(NamedTuple):
    """One loop over tasks, compiled twice: for one thread, and for several."""

    serial: Dispatcher
    parallel: Dispatcher


def both(loop):
    """Compile a loop over tasks for one thread and for several.

    ``loop`` takes the number of tasks first, and runs through them with ``prange``, which without
    threads is ``range``. A task's number is unsigned in a loop on threads: the body converts it.
    """
    return Loops(compiled(loop), compiled(loop, parallel=True))
