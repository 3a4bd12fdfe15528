"""Where jobs are run: in worker processes of this machine, or on a Dask cluster.

Both are context managers with ``submit(settings, job)``, which returns a future of an answer, and
``width``, the number of jobs worth having under way.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor

from quantgrader.course.folders import CourseError
from quantgrader.sandbox.walls import SandboxUnavailable

# A worker keeps the limits of a job itself. One that is silent for so much longer is stuck.
_GRACE_SECONDS = 180


class WorkerDied(RuntimeError):
    """A worker ended, or was stuck, while it ran this job."""


class WorkerStuck(WorkerDied):
    """A worker was ended since a job took too long."""


def require_outcome(answer):
    """Raise what kept a worker from running a job at all, if something did."""
    if not answer.startswith('{"outcome"'):
        found = json.loads(answer)
        if "unavailable" in found:
            raise SandboxUnavailable(found["unavailable"])
        raise WorkerDied(found["broken"])


class _Process:
    """A worker process and the pipe to it."""

    def __init__(self, log, module, cores=None):
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            encoding="utf-8",
        )
        if cores:
            # All that it starts inherits them.
            with contextlib.suppress(OSError):
                os.sched_setaffinity(self.process.pid, cores)

    def ask(self, settings, job, seconds):
        """Return the answer to a job; raises WorkerDied."""
        stuck = threading.Event()

        def end_it():
            stuck.set()
            self.process.kill()

        watchdog = threading.Timer(seconds, end_it)
        watchdog.start()
        try:
            self.process.stdin.write(json.dumps([settings, job]) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except OSError:
            answer = ""
        finally:
            watchdog.cancel()
        if not answer.endswith("\n"):
            self.end()
            if stuck.is_set():
                raise WorkerStuck(f"a job took more than {seconds:g} s")
            raise WorkerDied("the worker process ended")
        return answer

    def end(self):
        """End the process and the sandbox in it."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class LocalWorkers:
    """Worker processes of this machine, by default each with its own warm sandbox.

    ``module`` is what they run. A job may take ``seconds``; by default its settings say how long.
    With ``apart`` each has its share of the processor's cores, so that a submission which keeps its
    own busy, with however many processes, slows nobody else's.
    """

    def __init__(
        self,
        jobs,
        log=subprocess.DEVNULL,
        module="quantgrader.sandbox.serve",
        seconds=None,
        apart=False,
    ):
        self.width = jobs
        cores = sorted(os.sched_getaffinity(0))
        self._shares = deque(cores[n::jobs] for n in range(jobs) if apart and jobs <= len(cores))
        self._log, self._module, self._seconds = log, module, seconds
        self._threads = ThreadPoolExecutor(jobs)
        self._own = threading.local()
        self._all = []
        self._closing = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._closing = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in list(self._all):
            process.process.kill()
        self._threads.shutdown(wait=True)
        for process in self._all:
            process.end()

    def submit(self, settings, job):
        """Run a job in the next free worker."""
        return self._threads.submit(self._run, settings, job)

    def _run(self, settings, job):
        seconds = self._seconds
        if seconds is None:
            seconds = json.loads(settings)["limits"]["total_seconds"] + _GRACE_SECONDS
        for attempt in (1, 2):
            process = getattr(self._own, "process", None)
            if process is None:
                if not hasattr(self._own, "cores"):
                    self._own.cores = self._shares.popleft() if self._shares else None
                process = _Process(self._log, self._module, self._own.cores)
                self._own.process = process
                self._all.append(process)
                if self._closing:
                    process.process.kill()
            try:
                return process.ask(settings, job, seconds)
            except WorkerDied as error:
                self._own.process = None
                # It would take as long again.
                if attempt == 2 or self._closing or isinstance(error, WorkerStuck):
                    raise
        raise AssertionError("not reached")


class _ClusterWorkers:
    """The workers of a Dask cluster."""

    def __init__(self, client):
        from quantgrader.sandbox.serve import run

        self._run = run
        self._executor = client.get_executor(pure=False, retries=1)
        threads = client.nthreads()
        if not threads:
            raise CourseError("The Dask scheduler has no workers: start some (dask worker).")
        self.width = 2 * sum(threads.values())

    def submit(self, settings, job):
        return self._executor.submit(self._run, settings, job)


@contextlib.contextmanager
def cluster_workers(address, timeout=10):
    """The workers of the Dask scheduler at ``address``.

    Each needs this package in the same version, bubblewrap, and the packages of the course.
    """
    try:
        from distributed import Client
    except ImportError:
        raise CourseError(
            "--scheduler needs dask.distributed: pip install 'lowbit-course[cluster]'."
        ) from None
    try:
        client = Client(address, timeout=timeout, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise CourseError(f"No Dask scheduler answers at {address}: {error}") from None
    with client:
        yield _ClusterWorkers(client)
