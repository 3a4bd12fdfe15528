"""Compilation at the first call, with the machine code kept on disk where that can be written."""

import hashlib
import types
import warnings
from pathlib import Path
from typing import NamedTuple

from numba import njit
from numba.core.caching import (
    CompileResultCacheImpl,
    FunctionCache,
    IndexDataCacheFile,
    InTreeCacheLocator,
)
from numba.core.dispatcher import Dispatcher

__all__ = ["Loops", "both", "compiled"]


def _hash_of_sources():
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]


_SOURCES = _hash_of_sources()


def compiled(function=None, *, parallel=False, reorder=False, inline=False):
    """Compile a function at its first call, and keep the machine code on disk.

    By itself numba takes stored code to be up to date if the function's own file is unchanged,
    though the code holds that of the functions it calls, and opens it under the function's name
    and line. So the name under which it is stored has the hash of all files of this package in it,
    and the options, by which the two of :func:`both` are told apart.

    In such a function values are copied one by one: for ``a[i:j] = b[k:l]`` numba also compiles
    the message of an error that these never raise, for longer than all the rest.

    ``reorder`` lets sums of floats be taken in any order, so that they run in vectors. ``inline``
    is for a few lines within an inner loop: a call that passes arrays costs more than they do.
    """
    if function is None:
        chosen = {"parallel": parallel, "reorder": reorder, "inline": inline}
        return lambda function: compiled(function, **chosen)
    fastmath = {"reassoc", "nsz"} if reorder else False
    options = {"nogil": True, "error_model": "numpy", "parallel": parallel, "fastmath": fastmath}
    options["forceinline"] = inline
    copy = types.FunctionType(function.__code__, function.__globals__, function.__name__)
    copy.__doc__, copy.__module__ = function.__doc__, function.__module__
    copy.__qualname__ = f"{function.__qualname__}-{_SOURCES}-{'parallel' if parallel else 'serial'}"
    dispatcher = njit(**options)(copy)
    if isinstance(dispatcher, Dispatcher):  # not where compilation is switched off
        try:
            dispatcher._cache = _Cache(copy)
        except RuntimeError as error:  # there is no folder that can be written
            _warn(error)
    return dispatcher


class _BesideTheSource(InTreeCacheLocator):
    def ensure_cache_path(self):
        """Take the folder also where it can't be written: it may hold what another has stored."""


class _Files(CompileResultCacheImpl):
    _locator_classes = (*CompileResultCacheImpl._locator_classes, _BesideTheSource)


class _Cache(FunctionCache):
    """Machine code on disk. A file that can't be written or read costs time, and nothing else.

    What is not in the folder that numba chooses may lie beside the source: a sandbox with a folder
    of its own, or an installation that only its owner can write, then compiles nothing.
    """

    _impl_class = _Files

    def __init__(self, function):
        super().__init__(function)
        beside = str(Path(function.__code__.co_filename).parent / "__pycache__")
        stamp = self._impl.locator.get_source_stamp()
        self._beside = IndexDataCacheFile(beside, self._impl.filename_base, stamp)

    def _load_overload(self, signature, target_context):
        """Return stored machine code, or None."""
        key = self._index_key(signature, target_context.codegen())
        for file in (self._cache_file, self._beside):
            try:
                data = file.load(key)
                if data is not None:
                    return self._impl.rebuild(target_context, data)
            except Exception:  # pickle raises nearly anything for a file that was cut off
                if file is self._cache_file:
                    try:
                        self.flush()
                    except OSError as error:
                        _warn(error)
        return None

    def save_overload(self, signature, data):
        """Store machine code."""
        try:
            super().save_overload(signature, data)
        except Exception as error:
            _warn(error)


_warned = []


def _warn(error):
    """Say once why machine code is not kept."""
    if not _warned:
        _warned.append(error)
        warnings.warn(
            "the machine code of the kernels can't be kept on disk, so that each process compiles "
            f"it anew; NUMBA_CACHE_DIR names another folder for it ({error})",
            RuntimeWarning,
            stacklevel=2,
        )


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
