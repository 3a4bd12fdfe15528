"""What a submission is to the sandbox: pure data in (`Job`) and out (`Outcome`).

So a worker on another machine can run it.
"""

import ast
import base64
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Cell:
    """A code cell of the submission."""

    grade_id: str
    source: str


@dataclass(frozen=True)
class Probe:
    """A question: what does the function give for these arguments (a list of encoded values)?

    It is asked when all cells have run, so that none of them can show what is asked. But names
    stand then for what they stood for before the cell ``moment``, if it is given.
    """

    grade_id: str
    function: str
    arguments: list
    moment: str | None = None


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
            "cells": [vars(cell) for cell in self.cells],
            "probes": [vars(probe) for probe in self.probes],
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
        return vars(self) | {"cells": [vars(cell) for cell in self.cells], "probes": [*self.probes]}

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
