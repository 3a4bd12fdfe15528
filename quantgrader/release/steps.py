"""Put the cases into what nbgrader keeps of an assignment.

nbgrader's gradebook keeps each test cell as it stands when an assignment is generated, and puts
it back when it grades. `InsertCases` changes the test cells for that moment to one call that
gives partial marks for all cases, visible and hidden; `TakeCasesOut` gives the release the
visible checks back. The cases are written to a file for `quantgrader` as well.
"""

from pathlib import Path

from nbgrader.converters.generate_assignment import GenerateAssignment
from nbgrader.preprocessors import ComputeChecksums, NbGraderPreprocessor, SaveCells
from traitlets import Unicode

from quantgrader.atomic import write_atomically
from quantgrader.cases.case import pack
from quantgrader.release import authoring

CELL = """\
### BEGIN HIDDEN TESTS
# The checks of {function}, those in the notebook and others. The last value is the mark.
from quantgrader.checks import mark

mark(
    {function},
    points={points},
    cases={cases!r},
)
### END HIDDEN TESTS"""
_KEPT = "quantgrader_test_cells"


class InsertCases(NbGraderPreprocessor):
    """Replace test cells by all their cases, if ``hidden.py`` lies beside the notebook."""

    hidden_directory = Unicode(
        "hidden", help="Folder that the file with all cases of an assignment is written to."
    ).tag(config=True)

    def preprocess(self, nb, resources):
        """Change the test cells of ``nb``, and write the file."""
        folder = Path(resources["metadata"]["path"])
        if not (folder / "hidden.py").is_file():
            return nb, resources
        hidden = Path(self.hidden_directory)
        seed = authoring.course_seed(hidden)
        cases = authoring.make(folder, seed)
        cases.write(hidden / f"{resources['nbgrader']['assignment']}.json")
        write_atomically(hidden / authoring.SEED_FILE, f"{seed}\n".encode(), 0o600)
        kept = resources[_KEPT] = {}
        for cell in nb.cells:
            settings = cell.metadata.get("nbgrader", {})
            function = settings.get("grade_id", "").removesuffix("-test").replace("-", "_")
            if settings.get("grade") and not settings.solution and function in cases.functions:
                kept[settings.grade_id] = cell.source
                cell.source = CELL.format(
                    function=function,
                    points=settings.points,
                    cases=pack(cases.functions[function]),
                )
        return nb, resources


class TakeCasesOut(NbGraderPreprocessor):
    """Give the test cells back the text that `InsertCases` found."""

    def preprocess(self, nb, resources):
        """Change the test cells of ``nb`` back."""
        kept = resources.pop(_KEPT, {})
        for cell in nb.cells:
            grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
            cell.source = kept.get(grade_id, cell.source)
        return nb, resources


def preprocessors():
    """nbgrader's own steps of generating an assignment, and the two of this module among them."""
    steps = list(GenerateAssignment.preprocessors.default_args[0])
    steps.insert(steps.index(ComputeChecksums), InsertCases)
    steps.insert(steps.index(SaveCells) + 1, TakeCasesOut)
    return steps
