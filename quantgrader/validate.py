"""Run a notebook's own checks on the student's machine, before it is handed in.

The visible checks only, in an ordinary kernel without a sandbox: it is one's own code.
"""

import copy
from dataclasses import dataclass
from pathlib import Path

import nbformat

from quantgrader.course.reference import grade_id, is_test
from quantgrader.kernels import START_SECONDS, SteadyKernelManager
from quantgrader.texts import clean_text


@dataclass(frozen=True)
class CheckedCell:
    """A test cell, and what is wrong: None if it passes."""

    grade_id: str
    problem: str | None


def validate(path, seconds=60):
    """Run the notebook at ``path`` from top to bottom; return a `CheckedCell` for each test cell.

    Raises ValueError where it can't be read or holds no test cells.
    """
    path = Path(path)
    try:
        notebook = nbformat.read(path, as_version=4)
    except (OSError, ValueError, AttributeError, nbformat.ValidationError) as error:
        raise ValueError(f"{path} can't be read as a notebook: {error}") from None
    tests = [cell for cell in notebook.cells if is_test(cell)]
    if not tests:
        raise ValueError(f"{path} holds no checks: their cells are gone, or it is no exercise.")
    names = [grade_id(cell) for cell in notebook.cells if grade_id(cell)]
    done, died = _run(notebook, path.parent, seconds)
    return [_checked(cell, names, done.get(grade_id(cell)), died, seconds) for cell in tests]


def _run(notebook, folder, seconds):
    """Run all cells; return {grade_id: cell} of those that ran, and why it ended early, if so."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    notebook, done, died = copy.deepcopy(notebook), {}, None
    client = NotebookClient(
        notebook,
        timeout=seconds,
        interrupt_on_timeout=True,
        allow_errors=True,
        store_widget_state=False,
        kernel_name="python3",
        kernel_manager_class=SteadyKernelManager,
        startup_timeout=START_SECONDS,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        resources={"metadata": {"path": str(folder)}},
    )
    with client.setup_kernel():
        for index, cell in enumerate(notebook.cells):
            try:
                if cell.cell_type == "code":
                    client.execute_cell(cell, index)
            except (DeadKernelError, CellTimeoutError) as error:
                died = f"the kernel ended in cell {index + 1} ({type(error).__name__})"
                break
            if grade_id(cell):
                done[grade_id(cell)] = cell
    return done, died


def _checked(cell, names, ran, died, seconds):
    """What came of a test cell."""
    from nbgrader.utils import compute_checksum

    name = grade_id(cell)
    if names.count(name) > 1:
        return CheckedCell(
            name, "There are several cells with this id: a cell was copied or split."
        )
    expected = cell.metadata.nbgrader.get("checksum")
    if expected is not None and expected != compute_checksum(cell):
        return CheckedCell(
            name, "This cell of checks was changed. Fetch the notebook again to compare."
        )
    if ran is None:
        return CheckedCell(name, f"Not run: {died}.")
    errors = [output for output in ran.outputs if output.output_type == "error"]
    if errors and errors[0].ename == "KeyboardInterrupt":
        return CheckedCell(name, f"It was stopped: it was not done after {seconds:g} s.")
    if errors:
        return CheckedCell(name, clean_text(f"{errors[0].ename}: {errors[0].evalue}", 2_000))
    return CheckedCell(name, None)
