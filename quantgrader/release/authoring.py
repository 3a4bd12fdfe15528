"""Make an assignment's cases, from what its author wrote.

The visible ones are those of the notebook's own test cells. The hidden ones come from
``hidden.py`` beside the notebook: for each graded function a generator of the same name that takes
a `numpy.random.Generator` and yields a `Case` each. Both are the instructor's code, and run in this
process; a submission never does.
"""

import contextlib
import io
import linecache
import os
import re
import runpy
import warnings
from pathlib import Path

import nbformat

from quantgrader.cases.case import Case, Cases, course_generator
from quantgrader.cases.recording import recording
from quantgrader.course.reference import Reference, grade_id, is_test

DEFAULT_SEED = "lowbit"
SEED_VARIABLE = "COURSE_SEED"
SEED_FILE = "course_seed.txt"
HIDDEN = re.compile(
    r"^[ \t]*### BEGIN HIDDEN TESTS.*?^[ \t]*### END HIDDEN TESTS[ \t]*$", re.M | re.S
)


def course_seed(hidden_directory=None):
    """The course's seed: the environment's, else the one used last, else the default."""
    given = os.environ.get(SEED_VARIABLE, "").strip()
    if given:
        return given
    remembered = Path(hidden_directory or ".") / SEED_FILE
    with contextlib.suppress(FileNotFoundError):
        return remembered.read_text(encoding="utf-8").strip() or DEFAULT_SEED
    return DEFAULT_SEED


def make(folder, seed=DEFAULT_SEED):
    """Return the `Cases` of the assignment in ``folder``, for a course seed."""
    folder = Path(folder)
    (path,) = folder.glob("*.ipynb")
    notebook = nbformat.read(path, as_version=4)
    hidden = _module(folder / "hidden.py")
    visible = visible_cases(notebook)
    functions = {
        name: (*mine, *_generate(hidden, path.stem, name, seed)) for name, mine in visible.items()
    }
    return Cases(path.stem, str(seed), functions, model_answers(notebook))


def hidden_cases(path, function, seed=None):
    """The hidden cases of one function in the file at ``path``."""
    path = Path(path)
    seed = course_seed() if seed is None else seed
    return _generate(_module(path), path.parent.name, function, seed)


def _module(path):
    return runpy.run_path(str(path), run_name=path.parent.name)


def _generate(hidden, assignment, function, seed):
    if function not in hidden:
        raise ValueError(f"hidden.py of {assignment} has no cases for {function}")
    cases = tuple(hidden[function](course_generator(seed, assignment, function)))
    if not cases or not all(isinstance(case, Case) and not case.visible for case in cases):
        raise ValueError(f"hidden.py of {assignment}: {function} must yield hidden cases")
    return cases


def visible_cases(notebook):
    """Return {function: cases} for the checks that the notebook's test cells show.

    The cells that nbgrader doesn't know (imports, first of all) are run for the names that the
    checks need, up to the first graded one; of a test cell only the visible part.
    """
    namespace, functions = {"__name__": "__main__"}, {}
    graded = [_function(cell) for cell in notebook.cells if is_test(cell)]
    with (
        contextlib.redirect_stdout(io.StringIO()),
        warnings.catch_warnings(),
        recording() as recorded,
    ):
        for cell in notebook.cells:
            if cell.cell_type != "code":
                continue
            if is_test(cell):
                name = _function(cell)
                recorded.clear()
                namespace |= {other: _stand_in(other) for other in graded}
                _execute(cell.id, visible_part(cell.source), namespace)
                if any(function.__name__ != name for function, _ in recorded):
                    raise ValueError(f"{cell.id} checks another function than {name}")
                functions[name] = tuple(case for _, case in recorded)
            elif not functions and not _is_solution(cell):
                _execute(cell.id, cell.source, namespace)
    return functions


def model_answers(notebook):
    """Return {function: text of the cell that answers} for the graded functions."""
    tasks = Reference("", notebook, {}).tasks
    sources = {grade_id(cell): cell.source for cell in notebook.cells}
    return {task.function: sources[task.solution_id] for task in tasks if task.function}


def _execute(cell_id, source, namespace):
    """Run a cell. As in a notebook's kernel, the text of a function of it can be found."""
    name = f"<{cell_id}>"
    linecache.cache[name] = len(source), None, source.splitlines(keepends=True), name
    exec(compile(source, name, "exec"), namespace)


def visible_part(source):
    """A test cell as students get it."""
    return HIDDEN.sub("", source)


def _is_solution(cell):
    return cell.metadata.get("nbgrader", {}).get("solution", False)


def _function(cell):
    return cell.metadata.nbgrader.grade_id.removesuffix("-test").replace("-", "_")


def _stand_in(name):
    """What stands for a graded function while its cases are made."""

    def function(*_):
        raise RuntimeError(f"{name} is called outside of check(...)")

    function.__name__ = name
    return function
