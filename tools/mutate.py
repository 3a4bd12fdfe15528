"""How many small mistakes the checks of the exercises notice: python -m tools.mutate.

Every model answer is changed mechanically, one change at a time (`tools.mutation`), and the
changed answers are graded. The counts are written to `book/_data/mutation.json`, which the book
shows. `tests/exercises/mutation_survivors.json` says of each change that matters and keeps its
points why it may.
"""

import contextlib
import io
import json
import warnings

from quantgrader.cases.recording import recording
from quantgrader.release import authoring
from tools import mutation
from tools.course import ROOT, assignment_names, read_notebook

RESULTS = ROOT / "book" / "_data" / "mutation.json"
REASONS = ROOT / "tests" / "exercises" / "mutation_survivors.json"
OTHER_SEEDS = ("first", "second")


def examine(name, function=None):
    """Return {function: Result} for an assignment, or for one function of it."""
    folder = ROOT / "solutions" / name
    cases = authoring.make(folder).functions
    notebook = read_notebook(folder / f"{name}.ipynb")
    namespace, results = {"__name__": "__main__"}, {}
    for cell in notebook.cells:
        settings = cell.metadata.get("nbgrader", {})
        if cell.cell_type != "code" or (settings.get("grade") and not settings.solution):
            continue
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(), recording():
            exec(compile(cell.source, f"<{cell.id}>", "exec"), namespace)
        graded = cell.id.replace("-", "_")
        if settings.get("solution") and function in (None, graded):
            others = [
                case
                for seed in OTHER_SEEDS
                for case in authoring.hidden_cases(folder / "hidden.py", graded, seed)
            ]
            results[graded] = mutation.examine(
                cell.source, graded, namespace, cases[graded], others
            )
    return results


def as_data(results):
    """Return JSON-able data, with the reasons why survivors survive."""
    reasons = json.loads(REASONS.read_text(encoding="utf-8"))
    return {
        name: {
            function: {
                "mutants": result.mutants,
                "matter": result.matter,
                "killed": result.killed,
                "survivors": {
                    change: reasons.get(name, {}).get(function, {}).get(change, "")
                    for change in result.survivors
                },
            }
            for function, result in functions.items()
        }
        for name, functions in results.items()
    }


if __name__ == "__main__":
    found = as_data({name: examine(name) for name in assignment_names(ROOT / "solutions")})
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for name, functions in found.items():
        for function, row in functions.items():
            print(f"{name:16}{function:28}{row['killed']:4} of {row['matter']:4} killed")
            for change, reason in row["survivors"].items():
                print(f"{'':20}{change}  ({reason or 'NO REASON GIVEN'})")
