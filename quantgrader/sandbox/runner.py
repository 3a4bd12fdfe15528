"""Run one submission in the sandbox: its cells, then the questions to its functions."""

import base64
import json
import time
from collections import Counter

from quantgrader.sandbox import walls
from quantgrader.sandbox.client import Conversation, Ended, TotalTime
from quantgrader.sandbox.job import CellRun, Outcome
from quantgrader.sandbox.launcher import Launcher
from quantgrader.sandbox.limits import Limits
from quantgrader.sandbox.received import Outputs, Share

MODES = ("auto", "warm", "cold", "none")
# A function that was stopped so often for being late is asked no more.
_LATE_CALLS = 3
# Bytes of arguments that are asked for together.
_TOGETHER = 1 << 20


class _Run:
    """The state of one job while its kernels come and go."""

    def __init__(self, job, limits):
        self.job, self.limits = job, limits
        self.cells, self.results = {}, {}
        self.moments = {probe.moment for probe in job.probes}
        self.deadly_cells, self.late_cells, self.killed_cells = set(), set(), set()
        self.suspects, self.deadly_functions = set(), {}
        self.late_calls = Counter()
        functions = {probe.function for probe in job.probes}
        self.shares = {name: Share(limits, len(functions)) for name in functions}
        self.output_left = limits.total_output_bytes
        self.deadline = time.monotonic() + limits.total_seconds

    def go_on(self, talk):
        """Run what is left to be run in one kernel."""
        for index, cell in enumerate(self.job.cells):
            if index not in self.deadly_cells:
                self._run_cell(talk, index, cell)
        late_call = False
        while (index := self._next_question()) is not None:
            probe = self.job.probes[index]
            if probe.function in self.deadly_functions:
                reason = self.deadly_functions[probe.function]
                self.results[index] = {"missing": f"an earlier call ended the kernel: {reason}"}
                continue
            if self.late_calls[probe.function] == _LATE_CALLS:
                self.results[index] = {"missing": "its earlier calls took too long"}
                continue
            together = self._asked_with(index)
            calls = [self.job.probes[i].arguments for i in together]
            try:
                found = talk.ask(probe.function, calls, probe.moment, self.shares[probe.function])
            except Ended as end:
                # Which of several questions it was is seen when they are asked one by one.
                if self._may_be_innocent(probe.function, end, late_call) or len(together) > 1:
                    raise
                self.results[index] = {"killed": end.reason, "detail": end.detail}
                self.deadly_functions[probe.function] = end.reason
                raise
            self.results |= zip(together, found, strict=False)
            if "timeout" in found[-1]:
                late_call = True
                self.late_calls[probe.function] += 1

    def _next_question(self):
        """The first question without a result, of the functions that were late least often."""
        # One that never ends must not take the time of those that are asked after it.
        left = [index for index in range(len(self.job.probes)) if index not in self.results]
        return min(left, key=lambda i: self.late_calls[self.job.probes[i].function], default=None)

    def _asked_with(self, index):
        """The questions that are asked together: of one function, in their order."""
        probes = self.job.probes
        function, room = probes[index].function, _TOGETHER
        if function in self.suspects:
            return [index]
        together = []
        for i in range(index, len(probes)):
            if i in self.results or probes[i].function != function:
                break
            room -= len(json.dumps(probes[i].arguments))
            if together and room < 0:
                break
            together.append(i)
        return together

    def _may_be_innocent(self, function, end, late_call):
        """Whether a function in whose call the kernel ended is to be asked once more."""
        # What ran before it may have left the kernel to die, or busy: a new kernel, in which it is
        # asked first, and without the cells that took too long, will tell.
        first_time = function not in self.suspects
        self.suspects.add(function)
        if not first_time or (end.reason == "timeout" and not (self.late_cells or late_call)):
            return False
        self.deadly_cells |= self.late_cells
        self.late_cells = set()
        return True

    def _run_cell(self, talk, index, cell):
        outputs = Outputs(min(self.limits.cell_output_bytes, self.output_left))
        if index in self.killed_cells and self.cells[index].status == "killed":
            self.cells.pop(index)
        start, status, error = time.monotonic(), "killed", None
        try:
            moment = cell.grade_id if cell.grade_id in self.moments else None
            status, error = talk.run_cell(cell.source, outputs, moment)
            if status == "timeout":
                self.late_cells.add(index)
        except Ended as end:
            # Killed from outside, perhaps, where memory was short: it is run once more.
            if end.reason != "killed" or index in self.killed_cells:
                self.deadly_cells.add(index)
            self.killed_cells.add(index)
            error = {"type": end.reason, "message": end.detail}
            self.cells.pop(index, None)
            raise
        except TotalTime:
            error = {"type": "timeout", "message": "the submission's time was over"}
            raise
        finally:
            if index not in self.cells:
                self.output_left -= outputs.kept_bytes
                self.cells[index] = CellRun(
                    cell.grade_id, status, outputs.as_list(), outputs.truncated,
                    time.monotonic() - start, error,
                )  # fmt: skip

    def outcome(self, ended, **numbers):
        """What is known by now."""
        cells = [
            self.cells.get(index, CellRun(cell.grade_id))
            for index, cell in enumerate(self.job.cells)
        ]
        reason = ended["reason"] if ended else ""
        results = [
            self.results.get(index, {"missing": reason}) for index in range(len(self.job.probes))
        ]
        return Outcome(tuple(cells), tuple(results), ended, **numbers)


class Runner:
    """Runs submissions one after another, each in a kernel of its own.

    Raises `walls.SandboxUnavailable` where the sandbox can't be used. One runner is for one
    thread of a worker process: the sandbox ends with the thread that started it.

    Parameters
    ----------
    preload : sequence of str
        Modules that the warm process imports once; those that are not there are left out.
    hidden : sequence of paths
        Folders and files of the host that must not be seen inside.
    mode : str
        "auto", "warm", "cold", or "none": no sandbox at all, for those who ask for it.
    """

    def __init__(self, limits=None, *, preload=("numpy",), hidden=(), mode="auto"):
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
        self.limits = limits or Limits()
        if mode != "none":
            report = walls.availability()
            if not report.usable or (mode == "warm" and not report.warm):
                raise walls.SandboxUnavailable(str(report))
            if mode == "auto":
                mode = "warm" if report.warm else "cold"
        self._launcher = Launcher(mode, modules=preload, hidden=hidden, limits=self.limits)

    @property
    def mode(self):
        """How kernels are started: warm, cold or none."""
        return self._launcher.mode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """End what was started ahead."""
        self._launcher.close()

    def run(self, job, limits=None):
        """Run a job in kernels of its own, which are gone with all their processes afterwards.

        A cell or a call that ends its kernel doesn't cost the others: they go on in a new one,
        in which the cells run again without it, up to ``limits.attempts`` kernels. A function is
        asked once more before it is held to be what ended the kernel, and so is a cell that was
        killed by signal 9. ``limits`` stand in for the
        runner's own for this job.
        """
        for name in job.files:
            if not name or name.startswith("/") or ".." in name.split("/"):
                raise ValueError(f"a file's name must lie in the working folder, got {name!r}")
        limits = limits or self.limits
        run, start = _Run(job, limits), time.monotonic()
        files = {name: base64.b64encode(data).decode() for name, data in job.files.items()}
        ended, cpu_seconds, kernels, failures = None, 0.0, 0, 0
        while kernels < limits.attempts and failures < 2:
            kernels += 1
            try:
                talk = Conversation(self._launcher, limits, files, run.deadline)
            except Ended as end:
                ended, failures = {"reason": "sandbox", "detail": end.detail}, failures + 1
                continue
            try:
                run.go_on(talk)
                ended = None
                break
            except Ended as end:
                ended = {"reason": end.reason, "detail": end.detail}
            except TotalTime:
                detail = f"not finished after {limits.total_seconds:g} s"
                ended = {"reason": "timeout", "detail": detail}
                break
            finally:
                talk.close()
                cpu_seconds += talk.cpu_seconds
        return run.outcome(
            ended, seconds=time.monotonic() - start, cpu_seconds=cpu_seconds, kernels=kernels,
        )  # fmt: skip
