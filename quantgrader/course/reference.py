"""The released notebook: what a submission is compared with, and repaired from."""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat

_LONG = 200_000


@dataclass(frozen=True)
class Task:
    """A graded cell: its points, and the function that it grades (None: a person grades it)."""

    grade_id: str
    points: float
    solution_id: str
    function: str | None


@dataclass(frozen=True)
class Reference:
    """A released notebook, its name, and the files beside it."""

    name: str
    notebook: dict
    files: dict

    @classmethod
    def read(cls, path):
        """Read the released notebook at ``path`` and the files beside it."""
        path = Path(path)
        notebook = nbformat.read(path, as_version=4)
        others = (p for p in sorted(path.parent.rglob("*")) if p.is_file() and p != path)
        files = {
            str(p.relative_to(path.parent)): p.read_bytes()
            for p in others
            if ".ipynb_checkpoints" not in p.parts and p.suffix != ".ipynb"
        }
        return cls(path.stem, notebook, files)

    @cached_property
    def cells(self):
        """The cells that nbgrader knows, by grade_id, in order."""
        return {c.metadata.nbgrader.grade_id: c for c in self.notebook.cells if grade_id(c)}

    @cached_property
    def tasks(self):
        """The graded cells, in order.

        A test cell grades the function that the solution cell before it defines.
        """
        tasks, solution = [], None
        for name, cell in self.cells.items():
            settings = cell.metadata.nbgrader
            if settings.solution:
                solution = name
            if settings.grade:
                by_hand = settings.solution or cell.cell_type != "code"
                function = None if by_hand else defined_name(self.cells[solution].source)
                tasks.append(Task(name, float(settings.points), solution or name, function))
        return tasks

    @cached_property
    def code(self):
        """The texts of the code cells."""
        return [cell.source for cell in self.notebook.cells if cell.cell_type == "code"]

    def as_bytes(self):
        """The notebook and the files as bytes that are the same each time."""
        parts = [json.dumps(self.notebook, sort_keys=True).encode()]
        for name, data in sorted(self.files.items()):
            parts += [name.encode(), data]
        return b"\0".join(parts)


def same(text):
    """A text without differences of white space, to be compared with a released one."""
    # No released cell is so long: a longer text need not be gone through for each of them.
    return text if len(text) > _LONG else " ".join(text.split())


def grade_id(cell):
    """The grade_id of a cell, or None."""
    settings = cell.get("metadata", {}).get("nbgrader")
    name = settings.get("grade_id") if isinstance(settings, dict) else None
    return name if isinstance(name, str) and name else None


def is_test(cell):
    """Whether a cell checks the function before it."""
    settings = cell.metadata.get("nbgrader", {})
    if cell.cell_type != "code" or grade_id(cell) is None:
        return False
    return bool(settings.get("grade") and not settings.get("solution"))


def defined_names(source):
    """Names of the functions that a text defines at its top level, whether or not it is Python.

    By their first lines only: a submission's text is not parsed outside of the sandbox.

    >>> defined_names("def f(x):\\n    return x\\ndef g(:\\n")
    ['f', 'g']
    """
    return re.findall(r"^(?:async\s+)?def\s+([A-Za-z_]\w*)", source, re.MULTILINE)


def defined_name(source):
    """The last function that a text defines, or None."""
    return (defined_names(source) or [None])[-1]
