"""The course that is attacked: two functions, few cases, no import that takes time."""

from pathlib import Path

import nbformat
import numpy as np

from quantgrader.cases.case import Case, Cases, equals, unchanged
from tests.grader import grading_support as small
from tests.grader.grading_support import School, code, text
from tests.grader.hostile.bank import RIGHT, Student

CHECKS = """\
def expect(result, expected, message):
    assert np.allclose(result, expected), message"""
DOUBLE_TEST = 'expect(double(np.array([1.0, 2.5])), [2.0, 5.0], "Twice 1 is 2, twice 2.5 is 5.")'
MEAN_TEST = 'assert mean([1, 2]) == 1.5, "The mean of 1 and 2 is 1.5."'
# Short times, so that what never ends costs the tests little.
CONFIG = (
    small.CONFIG
    + """
c.Execute.timeout = 4
c.QuantGrader.probe_seconds = 4
c.QuantGrader.total_seconds = 90
c.QuantGrader.cpu_seconds = 60
c.QuantGrader.memory_bytes = 300_000_000
c.QuantGrader.disk_bytes = 50_000_000
c.QuantGrader.processes = 32
c.QuantGrader.result_bytes = 1_000_000
c.QuantGrader.cell_output_bytes = 200_000
c.QuantGrader.total_output_bytes = 1_000_000
c.QuantGrader.received_bytes = 30_000_000
"""
)


def source_notebook():
    """The instructor's notebook."""

    def solved(name):
        head, body = RIGHT[name].split("\n", 1)
        return f"{head}\n    ### BEGIN SOLUTION\n{body}\n    ### END SOLUTION"

    return small.notebook([
        text("title", "# A small exercise"),
        nbformat.v4.new_code_cell("import numpy as np", id="imports"),
        code("checks", CHECKS, locked=True),
        text("double-text", "## 1. Twice as much"),
        code("double", solved("double"), solution=True),
        code("double-test", DOUBLE_TEST, grade=True, locked=True, points=3),
        text("mean-text", "## 2. The mean"),
        code("mean", solved("mean"), solution=True),
        code("mean-test", MEAN_TEST, grade=True, locked=True, points=2),
        text("why-text", "## 3. Why?"),
        text("why", "Because.", small.settings("why", grade=True, solution=True, points=4)),
        nbformat.v4.new_code_cell("", id="last"),
    ])  # fmt: skip


def hidden_cases():
    """What is asked; the first of each function is the visible one."""

    def double(values, visible=False):
        values = np.array(values)
        return Case(
            (values,),
            equals(np.add(values, values), "Twice as much is wrong."),
            unchanged("It changes its argument."),
            visible=visible,
        )

    secret = [0.123454321, 987.6543]
    return {
        "double": (double([1.0, 2.5], True), double([-3, 4]), double([secret])),
        "mean": (
            Case(([1, 2],), equals(1.5, "The mean of 1 and 2 is 1.5."), visible=True),
            Case((secret,), equals(493.8888771605, "The mean is wrong.")),
        ),
    }


class Attacked(School):
    """The course in a folder of its own."""

    @classmethod
    def make(cls, root):
        """Generate the assignment by nbgrader."""
        school = cls(Path(root).resolve())
        small.save(source_notebook(), school.root / "solutions" / "small" / "small.ipynb")
        (school.root / "nbgrader_config.py").write_text(CONFIG)
        school.nbgrader("generate_assignment", "small")
        Cases("small", "seed", hidden_cases()).write(school.root / "hidden" / "small.json")
        return school

    def copy(self, root):
        """The same course in another folder."""
        return Attacked(super().copy(root).root)

    def released(self):
        """The notebook that students get."""
        return nbformat.read(self.root / "exercises" / "small" / "small.ipynb", as_version=4)

    def fill(self, student, cells):
        """Hand in the released notebook with other texts in some cells."""
        notebook = self.released()
        for name, source in cells.items():
            small.cell_of(notebook, name).source = source
        self.submit(student, notebook)
        return notebook

    def honest(self, student):
        """Hand in right answers."""
        self.fill(student, RIGHT)

    def attack(self, student, attack, world):
        """Hand in an attack."""
        notebook = self.fill(student, attack.sources(world))
        if attack.change is not None:
            folder = self.root / "submitted" / student / "small"
            attacker = Student(folder, notebook, world)
            before = nbformat.writes(notebook)
            attack.change(attacker)
            if nbformat.writes(notebook) != before:
                small.save(notebook, folder / "small.ipynb")
