"""How many threads a kernel uses."""

import numba

from quantlib._validation import check_integer

__all__ = ["run", "thread_count"]


def thread_count(num_threads):
    """Return the number of threads to use: all that numba has if ``num_threads`` is None."""
    if num_threads is None:
        return numba.get_num_threads()
    return check_integer(num_threads, "num_threads", 1, numba.config.NUMBA_NUM_THREADS)


def run(serial, parallel, num_threads, n_tasks, *args):
    """Call ``serial`` for one thread, else ``parallel`` with that number of threads.

    Both take ``n_tasks`` and ``args``. Tasks write to different places, so the result does not
    depend on which thread does which.
    """
    if num_threads == 1 or n_tasks == 1:
        serial(n_tasks, *args)
        return
    before = numba.get_num_threads()
    numba.set_num_threads(num_threads)
    try:
        parallel(n_tasks, *args)
    finally:
        numba.set_num_threads(before)
