"""How many threads a kernel uses."""

import contextlib
import functools
import os
import sys
import threading

import numba

from quantlib._validation import check_integer

__all__ = ["run", "thread_count"]

#: Layers that several callers can use at once.
_SHARED = ("omp", "tbb")


def thread_count(num_threads):
    """Return the number of threads to use: all that numba has if ``num_threads`` is None."""
    if num_threads is None:
        if _forked():
            return 1
        _start()
        return numba.get_num_threads()
    return check_integer(num_threads, "num_threads", 1, numba.config.NUMBA_NUM_THREADS)


def run(loops, num_threads, n_tasks, *args):
    """Return what ``loops``, as ``both`` makes them, give on that number of threads.

    They take ``n_tasks`` and ``args``. Tasks write to different places, so the result does not
    depend on which thread does which. A forked process uses one thread, whatever is asked for.
    """
    if num_threads == 1 or n_tasks == 1 or _forked():
        return loops.serial(n_tasks, *args)
    with _start():
        before = numba.get_num_threads()
        if before == num_threads:  # setting it costs as much as a small product
            return loops.parallel(n_tasks, *args)
        numba.set_num_threads(num_threads)
        try:
            return loops.parallel(n_tasks, *args)
        finally:
            numba.set_num_threads(before)


_PROCESS = os.getpid()

#: Held while threads are used that serve one caller at a time. It is made here, not at the first
#: call, as that may come from two threads at once.
_ONE_CALLER = threading.Lock()


def _forked():
    """Return whether this process is a copy of the one that imported the kernels.

    A fork copies none of the threads: OpenMP then ends the process, or waits for them for ever.
    """
    return os.getpid() != _PROCESS


@functools.cache
def _start():
    """Start numba's threads, once; return what a caller holds while it uses them.

    With OpenMP numba sets the number for all that uses it in this thread, torch included: if torch
    is loaded, it keeps the number of its own. Of the layers that numba has, its own ("workqueue")
    serves one caller at a time, and ends the process when a second one comes.
    """
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else None
    numba.get_num_threads()
    if torch:
        torch.set_num_threads(before)
    return contextlib.nullcontext() if numba.threading_layer() in _SHARED else _ONE_CALLER
