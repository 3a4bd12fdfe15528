"""The notebooks are what they should be: released from the solutions, complete, fast, small."""

import filecmp
import json
import re
import time

import nbformat
import pytest
from nbclient import NotebookClient
from nbgrader.utils import determine_grade

from quantgrader.kernels import START_SECONDS, SteadyKernelManager
from quantgrader.release import authoring
from tests.variants import harness
from tools.course import ROOT, assignment_names, environment, read_notebook

ASSIGNMENTS = harness.load_assignments()
STUB = 'raise NotImplementedError("Your code comes here: replace this line.")'
ANSWER_STUB = "*Write your answer here (double-click this cell).*"
MARKERS = ("BEGIN SOLUTION", "END SOLUTION", "BEGIN HIDDEN", "END HIDDEN")
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}

on_each_assignment = pytest.mark.parametrize("name", sorted(ASSIGNMENTS))


def released(name):
    return read_notebook(ROOT / "exercises" / name / f"{name}.ipynb")


def graded_cells(notebook):
    """Return {grade_id: cell} for the cells that nbgrader knows."""
    return {c.metadata.nbgrader.grade_id: c for c in notebook.cells if "nbgrader" in c.metadata}


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_all_that_is_forbidden_stands_in_the_text(name):
    texts = "".join(c.source for c in released(name).cells if c.cell_type == "markdown")
    for exercise in ASSIGNMENTS[name].exercises:
        for case in ASSIGNMENTS[name].cases[exercise.function]:
            for requirement in case.requirements if case.probe is None else ():
                asked = requirement.options
                words = {*asked["names"], *asked["operators"], *(asked.get("modules") or ())}
                missing = {word for word in words - {"x*x"} if f"`{word}`" not in texts}
                assert not missing, exercise.function


@pytest.mark.slow
def test_exercises_are_what_the_release_makes_of_the_solutions(generated):
    def files(folder):
        paths = (p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
        return sorted(p for p in paths if ".ipynb_checkpoints" not in p.parts)

    new, committed = generated / "exercises", ROOT / "exercises"
    assert assignment_names(new) == sorted(ASSIGNMENTS)
    assert files(new) == files(committed), "run `make release`"
    _, different, errors = filecmp.cmpfiles(new, committed, files(new), shallow=False)
    assert (different, errors) == ([], []), "run `make release`"


@on_each_assignment
def test_solution_is_a_clean_notebook(name):
    notebook = ASSIGNMENTS[name].notebook
    nbformat.validate(notebook)
    assert notebook.metadata == METADATA
    for cell in notebook.cells:
        # The checks and their helpers are folded: the eye is on the task and the answer.
        is_folded = cell.id == "checks" or cell.id.endswith("-test")
        folded = {"jupyter": {"source_hidden": True}} if is_folded else {}
        assert {k: v for k, v in cell.metadata.items() if k != "nbgrader"} == folded, cell.id
        if cell.cell_type == "code":
            assert cell.outputs == [], f"output in {cell.id}"
            assert cell.execution_count is None, f"execution count in {cell.id}"


@on_each_assignment
def test_released_notebook_is_clean(name):
    notebook = released(name)
    nbformat.validate(notebook)
    assert notebook.metadata == METADATA
    assert [c.id for c in notebook.cells] == [c.id for c in ASSIGNMENTS[name].notebook.cells]
    assert not any(cell.get("outputs") for cell in notebook.cells)


@on_each_assignment
def test_ids_are_unique_kebab_case_and_stable(name):
    notebook = ASSIGNMENTS[name].notebook
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    for cell in notebook.cells:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", cell.id), cell.id
        if "nbgrader" in cell.metadata:
            assert cell.metadata.nbgrader.grade_id == cell.id
            assert cell.metadata.nbgrader.schema_version == 3


@on_each_assignment
def test_an_exercise_is_three_cells(name):
    cells = ASSIGNMENTS[name].notebook.cells
    place = {cell.id: i for i, cell in enumerate(cells)}
    exercises = ASSIGNMENTS[name].exercises
    assert 5 <= len(exercises) <= 8
    for exercise in exercises:
        text, solution, test = (
            cells[place[id_]]
            for id_ in (f"{exercise.grade_id}-text", exercise.grade_id, exercise.test_id)
        )
        assert place[text.id] < place[solution.id] == place[test.id] - 1
        assert text.cell_type == "markdown" and len(text.source) > 200
        kinds = [
            (c.metadata.nbgrader.solution, c.metadata.nbgrader.grade, c.metadata.nbgrader.locked)
            for c in (solution, test)
        ]
        assert kinds == [(True, False, False), (False, True, True)]
        assert solution.source.startswith(f"def {exercise.function}(")
        for part in ("Parameters", "Returns", "Example", "Hint:"):
            assert part in solution.source, f"no {part} in {exercise.function}"
        assert exercise.points >= 1
        assert authoring.visible_part(test.source).strip()
        assert exercise.function in ASSIGNMENTS[name].cases


@on_each_assignment
def test_one_written_question_with_a_model_answer(name):
    cells = graded_cells(ASSIGNMENTS[name].notebook).values()
    written = [c for c in cells if c.metadata.nbgrader.solution and c.metadata.nbgrader.grade]
    assert len(written) == 1
    assert written[0].cell_type == "markdown"
    assert written[0].metadata.nbgrader.points >= 1
    assert len(written[0].source) > 200


@on_each_assignment
def test_release_shows_neither_solutions_nor_hidden_checks(name):
    solution, release_ = graded_cells(ASSIGNMENTS[name].notebook), graded_cells(released(name))
    assert release_.keys() == solution.keys()
    for grade_id, cell in release_.items():
        assert not any(marker in cell.source for marker in MARKERS), grade_id
        source = solution[grade_id].source
        if cell.metadata.nbgrader.solution and cell.cell_type == "code":
            assert cell.source.count(STUB) == 1
            docstring = source[: source.index("### BEGIN SOLUTION")]
            assert cell.source.startswith(docstring.rstrip())
            assert cell.source.endswith(STUB)
        elif cell.metadata.nbgrader.solution:
            assert cell.source == ANSWER_STUB
        else:
            # nbgrader trims the end of a cell
            assert cell.source.split() == authoring.visible_part(source).split()


def test_helpers_of_the_checks_are_the_same_everywhere():
    assert len({a.sources["checks"] for a in ASSIGNMENTS.values()}) == 1


# The largest memory that the kernel's process has had, in bytes, and the processor's seconds.
USED = """
import sys, resource, time
if sys.platform == "linux":  # getrusage there counts the process that started this one as well
    fields = dict(line.split(":", 1) for line in open("/proc/self/status"))
    peak = int(fields["VmHWM"].split()[0]) * 1024
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
[peak, time.process_time()]
"""


@pytest.mark.slow
@on_each_assignment
def test_solution_gets_all_points_in_time_and_memory(name, tmp_path):
    notebook = read_notebook(ASSIGNMENTS[name].path)
    notebook.cells.append(nbformat.v4.new_code_cell(USED))
    # In the solution's folder, where the hidden checks are.
    resources = {"metadata": {"path": str(ASSIGNMENTS[name].path.parent)}}
    client = NotebookClient(
        notebook,
        timeout=600,
        resources=resources,
        kernel_manager_class=SteadyKernelManager,
        startup_timeout=START_SECONDS,
    )
    start = time.perf_counter()
    client.execute(env=environment(tmp_path))
    seconds = time.perf_counter() - start
    peak, processor_seconds = json.loads(notebook.cells.pop().outputs[0].data["text/plain"])
    tests = [c for i, c in graded_cells(notebook).items() if i.endswith("-test")]
    assert [determine_grade(c) for c in tests] == [(c.metadata.nbgrader.points,) * 2 for c in tests]
    # On a machine that is busy with other work, the clock goes on while the notebook waits.
    assert min(seconds, processor_seconds) < 60
    assert peak < 1e9


@on_each_assignment
def test_some_of_the_first_functions_are_worth_half(name):
    """The half-done notebook of the course's test has exactly half of the automatic points."""
    points = [e.points for e in ASSIGNMENTS[name].exercises]
    assert sum(points) / 2 in [sum(points[:k]) for k in range(len(points))]
