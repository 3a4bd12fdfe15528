"""How many threads a kernel uses."""

import functools
import sys

import numba

from quantlib._validation import check_integer

__all__ = ["run", "thread_count"]


def thread_count(num_threads):
    """Return the number of threads to use: all that numba has if ``num_threads`` is None."""
    if num_threads is None:
        _start()
        return numba.get_num_threads()
    return check_integer(num_threads, "num_threads", 1, numba.config.NUMBA_NUM_THREADS)


def run(loops, num_threads, n_tasks, *args):
    """Return what ``loops``, as ``both`` makes them, give on that number of threads.

    They take ``n_tasks`` and ``args``. Tasks write to different places, so the result does not
    depend on which thread does which.
    """
    if num_threads == 1 or n_tasks == 1:
        return loops.serial(n_tasks, *args)
    _start()
    before = numba.get_num_threads()
    numba.set_num_threads(num_threads)
    try:
        return loops.parallel(n_tasks, *args)
    finally:
        numba.set_num_threads(before)


@functools.cache
def _start():
    """Start numba's threads, once. If torch is loaded, it keeps the number of its own.

    With OpenMP numba sets the number for all that uses it in this thread, torch included.
    """
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else None
    numba.get_num_threads()
    if torch:
        torch.set_num_threads(before)
