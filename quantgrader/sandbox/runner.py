"""Run one submission in the sandbox: its cells, then the questions to its functions.

Pure data in (`Job`) and out (`Outcome`), so that a worker on another machine can do it.
"""

import ast
import base64
import json
import time
from collections import Counter
from dataclasses import asdict, dataclass, field

from quantgrader.sandbox import walls
from quantgrader.sandbox.client import Conversation, Ended, TotalTime
from quantgrader.sandbox.launcher import Launcher
from quantgrader.sandbox.limits import Limits
from quantgrader.sandbox.received import Outputs

MODES = ("auto", "warm", "cold", "none")
# A function that was stopped so often for being late is asked no more.
_LATE_CALLS = 3
# Bytes of arguments that are asked for together.
_TOGETHER = 1 << 20


@dataclass(frozen=True)
class Cell:
    """A code cell of the submission."""

    grade_id: str
    source: str


@dataclass(frozen=True)
class Probe:
    """A question: what does the function give for these arguments (a list of encoded values)?"""

    grade_id: str
    function: str
    arguments: list


@dataclass(frozen=True)
class Job:
    """One submission: its cells in order, the questions, and files beside the notebook."""

    cells: tuple[Cell, ...] = ()
    probes: tuple[Probe, ...] = ()
    files: dict[str, bytes] = field(default_factory=dict)

    def as_dict(self):
        """JSON-able; the files' bytes as base64."""
        files = {name: base64.b64encode(data).decode() for name, data in self.files.items()}
        return {
            "cells": [asdict(cell) for cell in self.cells],
            "probes": [asdict(probe) for probe in self.probes],
            "files": files,
        }

    @classmethod
    def from_dict(cls, data):
        """A job from what `as_dict` gave."""
        return cls(
            tuple(Cell(**cell) for cell in data["cells"]),
            tuple(Probe(**probe) for probe in data["probes"]),
            {name: base64.b64decode(text) for name, text in data["files"].items()},
        )


@dataclass(frozen=True)
class CellRun:
    """How a cell ran. ``status``: ok, error, timeout, killed (its kernel ended), or skipped.

    The type of the ``error`` of a killed one is of `endings.KERNEL`.
    """

    grade_id: str
    status: str = "skipped"
    outputs: list = field(default_factory=list)
    truncated: bool = False
    seconds: float = 0.0
    error: dict | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of a job: one `CellRun` a cell, one answer a probe, and why it ended early if so.

    An answer is a dict: ``{"value", "arguments_changed", "warnings"}``, ``{"error"}``,
    ``{"refused"}``, ``{"timeout": seconds}``, ``{"killed": reason, "detail"}``, or
    ``{"missing": why it was not asked}``.
    """

    cells: tuple[CellRun, ...]
    probes: tuple[dict, ...]
    ended: dict | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    kernels: int = 0

    def as_dict(self):
        """JSON-able."""
        return asdict(self) | {"cells": [asdict(c) for c in self.cells], "probes": [*self.probes]}

    @classmethod
    def from_dict(cls, data):
        """An outcome from what `as_dict` gave."""
        cells = tuple(CellRun(**cell) for cell in data["cells"])
        return cls(**{**data, "cells": cells, "probes": tuple(data["probes"])})


def imports_of(sources):
    """Modules that cells import, by their text. For cells that are trusted: a released notebook."""
    names = {}
    for source in sources:
        try:
            tree = ast.parse(source)
        except SyntaxError:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names |= dict.fromkeys(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names[node.module] = None
                names |= dict.fromkeys(f"{node.module}.{alias.name}" for alias in node.names)
    return tuple(names)


class _Run:
    """The state of one job while its kernels come and go."""

    def __init__(self, job, limits):
        self.job, self.limits = job, limits
        self.cells, self.results = {}, {}
        self.deadly_cells, self.late_cells = set(), set()
        self.suspects, self.deadly_functions = set(), {}
        self.late_calls = Counter()
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
            try:
                calls = [self.job.probes[i].arguments for i in together]
                found = talk.ask(probe.function, calls)
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
        start, status, error = time.monotonic(), "killed", None
        try:
            status, error = talk.run_cell(cell.source, outputs)
            if status == "timeout":
                self.late_cells.add(index)
        except Ended as end:
            self.deadly_cells.add(index)
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
        asked once more before it is held to be what ended the kernel. ``limits`` stand in for the
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
