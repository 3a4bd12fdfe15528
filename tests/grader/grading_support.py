"""What the tests of grading share: a small assignment, and submissions of it."""

import functools
import json
import math
import shutil
import subprocess
import sys
from dataclasses import dataclass
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import numpy as np

from quantgrader.cases.case import Build, Case, Cases, equals
from quantgrader.course.folders import Course, open_course
from quantgrader.course.gradebook import open_gradebook
from quantgrader.course.reference import Reference
from tools.course import (
    ROOT,
    environment,
    fill_in,
    read_notebook,
    run_nbgrader,
    solution_cells,
)

STUB = 'raise NotImplementedError("Your code comes here: replace this line.")'
ANSWER_STUB = "*Write your answer here (double-click this cell).*"
DOUBLE = "def double(x):\n    return 2 * x"
MEAN = "def mean(values):\n    return sum(values) / len(values)"


def settings(name, grade=False, solution=False, locked=False, points=None):
    found = {
        "grade": grade, "grade_id": name, "locked": locked, "schema_version": 3,
        "solution": solution, "task": False,
    }  # fmt: skip
    return {"nbgrader": found | ({} if points is None else {"points": points})}


def code(name, source, **options):
    return nbformat.v4.new_code_cell(source, id=name, metadata=settings(name, **options))


def text(name, source, metadata=None):
    return nbformat.v4.new_markdown_cell(source, id=name, metadata=metadata or {})


def source_notebook():
    """The instructor's notebook: two functions and a question."""
    markers = ("    ### BEGIN SOLUTION\n", "\n    ### END SOLUTION")

    def solved(source):
        head, body = source.split("\n", 1)
        return f"{head}\n{markers[0]}{body}{markers[1]}"

    cells = [
        text("title", "# A small exercise"),
        nbformat.v4.new_code_cell("import numpy as np", id="imports"),
        code("checks", "def expect(truth, message):\n    assert truth, message", locked=True),
        text("double-text", "## 1. Twice as much"),
        code("double", solved(DOUBLE), solution=True),
        code(
            "double-test", 'expect(double(2) == 4, "Twice 2 is 4.")',
            grade=True, locked=True, points=3,
        ),
        text("mean-text", "## 2. The mean"),
        code("mean", solved(MEAN), solution=True),
        code(
            "mean-test", 'expect(mean([1, 2]) == 1.5, "The mean of 1 and 2 is 1.5.")',
            grade=True, locked=True, points=2,
        ),
        text("why-text", "## 3. Why?"),
        text("why", "Because.", settings("why", grade=True, solution=True, points=4)),
    ]  # fmt: skip
    return notebook(cells)


def notebook(cells):
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def released_notebook():
    """What students get, with nbgrader's checksums."""
    from nbgrader.utils import compute_checksum

    released = source_notebook()
    stubs = {"double": f"def double(x):\n    {STUB}", "mean": f"def mean(values):\n    {STUB}"}
    for cell in released.cells:
        cell.source = (stubs | {"why": ANSWER_STUB}).get(cell.id, cell.source)
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader["cell_type"] = cell.cell_type
            cell.metadata.nbgrader["checksum"] = compute_checksum(cell)
    return released


def reference(files=None):
    return Reference("small", released_notebook(), files or {})


def answered(**answers):
    """A student's notebook: the released one with other texts in some cells."""
    found = released_notebook()
    for cell in found.cells:
        cell.source = answers.get(cell.id, cell.source)
    return found


def released_cell(name):
    """The text of a released cell."""
    return cell_of(released_notebook(), name).source


def honest():
    return answered(double=DOUBLE, mean=MEAN, why="Because it is.")


def cell_of(found, name):
    return next(cell for cell in found.cells if cell.get("id") == name)


def save(found, path):
    """Write a notebook, or any text or bytes or data in place of one."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not isinstance(found, str | bytes):
        found = json.dumps(found)
    path.write_bytes(found if isinstance(found, bytes) else found.encode())
    return path


CONFIG = f"""
c = get_config()
c.CourseDirectory.course_id = "test"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
c.ClearSolutions.code_stub = {{"python": {STUB!r}}}
c.ClearSolutions.text_stub = {ANSWER_STUB!r}
c.Execute.timeout = 4
"""


def hidden_cases():
    """What is asked of the two functions, with one visible case each."""

    def case(arguments, expected, message, visible=False, **options):
        return Case(arguments, equals(expected, message, **options), visible=visible)

    secret = [0.123454321, 987.6543]
    return {
        "double": (
            case((2,), 4, "Twice 2 is 4.", True),
            case((-3,), -6, "Twice a negative number is wrong.", mistakes={"It grew.": 9}),
            case((secret[0],), 2 * secret[0], "Twice a fraction is wrong."),
        ),
        "mean": (
            case(([1, 2],), 1.5, "The mean of 1 and 2 is 1.5.", True),
            case((secret,), sum(secret) / 2, "The mean of other numbers is wrong."),
        ),
    }


@dataclass
class School:
    """A course in a folder of its own, and its submissions."""

    root: Path
    name: str = "small"

    @classmethod
    def make(cls, root):
        """A course with the small assignment, generated by nbgrader."""
        school = cls(Path(root).resolve())
        save(source_notebook(), school.root / "solutions" / "small" / "small.ipynb")
        (school.root / "nbgrader_config.py").write_text(CONFIG)
        school.nbgrader("generate_assignment", "small")
        hidden = school.root / "hidden" / "small.json"
        hidden.parent.mkdir(exist_ok=True)
        answers = {"double": DOUBLE, "mean": MEAN}
        Cases("small", "seed", hidden_cases(), answers).write(hidden)
        return school

    def copy(self, root):
        shutil.copytree(self.root, root, symlinks=True)
        return School(Path(root).resolve())

    def nbgrader(self, *arguments):
        return run_nbgrader(*arguments, cwd=self.root, home=self.root / "home")

    def submit(self, student, found=None, timestamp=None, **answers):
        """Put a notebook (or text) into the student's folder."""
        folder = self.root / "submitted" / student / "small"
        save(answered(**answers) if found is None else found, folder / "small.ipynb")
        if timestamp:
            (folder / "timestamp.txt").write_text(timestamp)
        return folder

    def course(self, db_url=None) -> Course:
        return open_course(self.root, db_url)

    def command(self, *arguments, **options):
        """Start the command in the course's folder."""
        return subprocess.Popen(
            [sys.executable, "-m", "quantgrader.cli", *arguments],
            cwd=self.root,
            env=environment(self.root / "home"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **options,
        )

    def run(self, *arguments):
        """Run the command; return its exit status and what it printed."""
        process = self.command(*arguments)
        printed = process.communicate()[0]
        return process.returncode, printed

    def marks(self, db_url=None):
        """{student: {grade_id: automatic score}} as the gradebook has it."""
        found = {}
        with open_gradebook(self.course(db_url)) as book:
            for submission in book.assignment_submissions(self.name):
                grades = submission.notebooks[0].grades
                assert submission.student.id not in found
                found[submission.student.id] = {g.name: g.auto_score for g in grades}
        return found


class RealSchool(School):
    """A course with one of the exercises, as it is given out."""

    @classmethod
    def make(cls, root, name, generated):
        """A copy of the course in which the assignments were ``generated``."""
        school = cls(Path(root).resolve(), name)
        shutil.copytree(generated, school.root, ignore=shutil.ignore_patterns("home"))
        shutil.copy(ROOT / "nbgrader_config.py", school.root)
        return school

    def hand_in(self, student, cells, solved=True):
        """The released notebook with the model's answers, or without, but for some cells."""
        place = Path(self.name) / f"{self.name}.ipynb"
        released = read_notebook(self.root / "exercises" / place)
        model = solution_cells(read_notebook(self.root / "solutions" / place)) if solved else {}
        answers = {name: cell.source for name, cell in model.items()} | cells
        path = self.root / "submitted" / student / place
        path.parent.mkdir(parents=True)
        nbformat.write(fill_in(released, answers), path)


def full(**others):
    return {"double-test": 3.0, "mean-test": 2.0, "why": None, **others}


class _Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.data = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.data.append(data)


def check_page(text):
    """A page has no script, no handlers, and asks no other host."""
    page = _Page(text)
    for tag, attributes in page.tags:
        assert tag not in ("script", "iframe", "object", "embed", "link", "svg", "form", "base")
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href"):
                assert value.startswith(("data:image/png;base64,", "#"))
    assert any("default-src 'none'" in str(attributes) for tag, attributes in page.tags)
    return page


class Fingerprints(frozenset):
    """What tells of hidden inputs and results: numbers as text, each of more than 12 letters."""

    def found_in(self, text):
        """Return those that stand in a text, which is gone through once, whatever their number."""
        pieces = (text[place : place + 13] for place in range(len(text) - 12))
        return {mark for piece in pieces for mark in self._alike.get(piece, ()) if mark in text}

    @functools.cached_property
    def _alike(self):
        """Those that begin alike, by their first 13 letters."""
        alike = {}
        for mark in self:
            alike.setdefault(mark[:13], []).append(mark)
        return alike


def fingerprints(functions):
    """Return the `Fingerprints` of an assignment's cases, which come by function."""
    marks = set()
    for mine in functions.values():
        for case in mine:
            if not case.visible and case.probe is not None:
                expected = [r.options["expected"] for r in case.requirements if r.kind == "equals"]
                for value in [*case.arguments, *expected]:
                    marks |= _fingerprints(value)
    return Fingerprints(marks)


def _fingerprints(value):
    if isinstance(value, Build) or not isinstance(value, np.ndarray | list | tuple):
        return set()
    try:
        numbers = np.asarray(value, dtype=float).ravel()
    except (TypeError, ValueError):
        return set()
    # Numbers of many digits are found nowhere by chance, but for simple fractions such as 1/3.
    return {repr(x) for x in numbers.tolist() if len(repr(x)) > 12 and not _is_simple(x)}


def _is_simple(x):
    """Whether a number is a fraction of small whole numbers."""
    near = Fraction(x).limit_denominator(20) if math.isfinite(x) else None
    return near is not None and abs(near.numerator) <= 20 and float(near) == x
