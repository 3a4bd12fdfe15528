"""What the tests of the sandbox share: a runner, or the reason why there is none."""

import ast
import os

import pytest

from quantgrader.sandbox import walls
from quantgrader.sandbox.job import Cell, Job, Probe
from quantgrader.sandbox.limits import Limits

LIMITS = Limits(
    cell_seconds=60,
    probe_seconds=60,
    total_seconds=300,
    memory_bytes=512 << 20,
    disk_bytes=64 << 20,
)


def require_sandbox(warm=False):
    """Skip where bubblewrap can't be used (or forked from), and fail where it must be usable."""
    report = walls.availability()
    if not (report.warm if warm else report.usable):
        if os.environ.get("LOWBIT_REQUIRE_SANDBOX") == "1":
            pytest.fail(str(report))
        pytest.skip(str(report))


def job(*sources, probes=(), files=None):
    """A job of cells, by their text, and of questions (function, *encoded arguments)."""
    cells = tuple(Cell(f"cell-{number}", source) for number, source in enumerate(sources))
    questions = tuple(Probe("test", function, list(rest)) for function, *rest in probes)
    return Job(cells, questions, files or {})


def printed(cell):
    """The value whose repr a cell printed."""
    text = "".join(out["text"] for out in cell.outputs if out.get("name") == "stdout")
    assert cell.status == "ok", (cell.error, text)
    return ast.literal_eval(text)
