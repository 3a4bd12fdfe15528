"""Look from outside at what a kernel and all its processes use."""

import time

import psutil

_PERIOD = 0.2
# What the grader's own process may grow by while it receives one kernel's messages.
_OWN_GROWTH = 768 << 20


class Watch:
    """Says when the processes of a kernel take more than their limits.

    Limits of the system hold for each process; this holds for all of them together.
    """

    def __init__(self, pid, limits):
        self._root = psutil.Process(pid)
        self._limits = limits
        self._next = 0.0
        self._own = psutil.Process()
        self._own_start = self._own.memory_info().rss
        self.cpu_seconds = 0.0
        self._base = self._usage(self._processes())[0]

    def excess(self, at_once=False):
        """None, or (reason, detail) of a limit that is exceeded.

        Looks at most 5 times a second, unless it must ``at_once``.
        """
        now = time.monotonic()
        if now < self._next and not at_once:
            return None
        self._next = now + _PERIOD
        if self._own.memory_info().rss - self._own_start > _OWN_GROWTH:
            return "output", "its messages fill the grader's memory"
        processes, memory, threads = self.look()
        limits = self._limits
        if threads > 2 * limits.processes:
            return "processes", f"more than {limits.processes} processes and threads"
        if self.cpu_seconds > limits.cpu_seconds:
            return "cpu", f"more than {limits.cpu_seconds} s of CPU time"
        if memory - self._base > limits.memory_bytes:
            shared = self._proportional(processes)
            if shared - self._base > limits.memory_bytes:
                return "memory", f"more than {limits.memory_bytes >> 20} MB of memory"
        return None

    def look(self):
        """Look once: the processes, their memory, and how many threads they have."""
        processes = self._processes()
        memory, seconds, threads = self._usage(processes)
        self.cpu_seconds = max(self.cpu_seconds, seconds)
        return processes, memory, threads

    def _processes(self):
        try:
            return [self._root, *self._root.children(recursive=True)]
        except psutil.Error:
            return []

    def _usage(self, processes):
        memory = threads = 0
        seconds = 0.0
        for process in processes:
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    memory += process.memory_info().rss
                    threads += process.num_threads()
            except psutil.Error:
                continue
            seconds += times.user + times.system + times.children_user + times.children_system
        return memory, seconds, threads

    def _proportional(self, processes):
        """Memory with pages that processes share counted once."""
        total = 0
        for process in processes:
            try:
                total += process.memory_full_info().pss
            except psutil.AccessDenied:
                total += process.memory_info().rss
            except psutil.Error:
                continue
        return total
