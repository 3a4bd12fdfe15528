"""A whole course in a folder of its own, run with nbgrader's commands.

A `TrialCourse` has an instructor's folder (a copy of the configuration and of `solutions/`), an
exchange, and a home for each student. Nothing outside its folder is read or written, so a
course in a temporary folder leaves the machine, the user's Jupyter settings and the repository
as they were. `grade` is the short way: filled-in notebooks in, marks out.
"""

import csv
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
COURSE_ID = "lowbit"

# Seconds for a cell: no result is to depend on how busy the machine is.
_PATIENCE = "c.Execute.timeout = 1200\n"
_STEADY = """\
from nbgrader.validator import Validator
from quantgrader.kernels import steadied
c.Validator.preprocessors = steadied(Validator, "preprocessors")
"""


def assignment_names(folder):
    """Return the names of the assignments in ``folder``: its folders that hold a notebook."""
    return sorted({path.parent.name for path in Path(folder).glob("*/*.ipynb")})


def read_notebook(path):
    return nbformat.read(path, as_version=4)


def solution_cells(notebook):
    """Return the cells that a student fills in, by grade_id."""
    graded = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
    return {c.metadata.nbgrader.grade_id: c for c in graded if c.metadata.nbgrader.solution}


def fill_in(notebook, answers):
    """Put ``answers``, a dict from grade_id to source, into the cells of ``notebook``."""
    cells = solution_cells(notebook)
    for grade_id, source in answers.items():
        cells[grade_id].source = source
    return notebook


def environment(home):
    """Return the environment of a person whose home and Jupyter folders are under ``home``."""
    home = Path(home)
    folders = {
        "HOME": home,
        "IPYTHONDIR": home / "ipython",
        "JUPYTER_CONFIG_DIR": home / "jupyter-config",
        "JUPYTER_DATA_DIR": home / "jupyter-data",
        "JUPYTER_RUNTIME_DIR": home / "jupyter-runtime",
    }
    # nbgrader calls the program alembic by its name alone: it must be on the path.
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return os.environ | {name: str(path) for name, path in folders.items()} | {"PATH": programs}


def run_nbgrader(*arguments, cwd, home):
    """Run ``nbgrader`` with ``arguments`` and return what it printed.

    ``nbgrader validate`` exits with 0 even where checks fail: read what it prints.
    """
    return _run("nbgrader", *arguments, cwd=cwd, home=home)


def _run(module, *arguments, cwd, home):
    """Run a module as a program, and return what it printed.

    Raises
    ------
    RuntimeError
        If it exits with anything but 0.
    """
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=cwd,
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        command = " ".join(map(str, arguments))
        raise RuntimeError(f"{module} {command} exited with {done.returncode}:\n{done.stdout}")
    return done.stdout


@dataclass(frozen=True)
class StudentMarks:
    """What one student has for one assignment.

    ``cells`` holds (score, points) by grade_id; the score is None where a person has to give it.
    """

    score: float
    max_score: float
    cells: dict

    @property
    def automatic(self):
        """Points that the checks gave, and the points that they can give."""
        tests = [mark for name, mark in self.cells.items() if name.endswith("-test")]
        return sum(score for score, _ in tests), sum(points for _, points in tests)


class TrialCourse:
    """A course under ``folder``, with the assignments of ``root``'s `solutions/`."""

    def __init__(self, folder, root=ROOT, assignments=None):
        self.folder = Path(folder).resolve()
        self.instructor = self.folder / "instructor"
        self.exchange = self.folder / "exchange"
        self.students = {}
        self.exchange.mkdir(parents=True)
        self.exchange.chmod(0o777)
        self.assignments = assignments or assignment_names(root / "solutions")
        for name in self.assignments:
            shutil.copytree(
                root / "solutions" / name,
                self.instructor / "solutions" / name,
                ignore=shutil.ignore_patterns(".ipynb_checkpoints"),
            )
        config = (root / "nbgrader_config.py").read_text(encoding="utf-8")
        (self.instructor / "nbgrader_config.py").write_text(config + _PATIENCE, encoding="utf-8")
        self._set_up_home(self.instructor / "home")

    def _set_up_home(self, home):
        """Write what students and instructors alike have in their own Jupyter configuration."""
        config = home / "jupyter-config" / "nbgrader_config.py"
        config.parent.mkdir(parents=True)
        lines = [
            "c = get_config()",
            f"c.CourseDirectory.course_id = {COURSE_ID!r}",
            f"c.Exchange.root = {str(self.exchange)!r}",
            # All students of this course are one user of the machine.
            "c.ExchangeCollect.check_owner = False",
            _PATIENCE,
            _STEADY,
        ]
        config.write_text("\n".join(lines), encoding="utf-8")

    def add_student(self, student):
        """Give ``student`` a folder to work in."""
        folder = self.folder / "students" / student
        self._set_up_home(folder / "home")
        self.students[student] = folder
        return folder

    def notebook_path(self, student, assignment):
        """Return where the student's notebook lies."""
        return self.students[student] / assignment / f"{assignment}.ipynb"

    def as_instructor(self, *arguments):
        """Run an nbgrader command in the instructor's folder and return what it printed."""
        home = self.instructor / "home"
        return run_nbgrader(*arguments, cwd=self.instructor, home=home)

    def as_student(self, student, *arguments):
        """Run an nbgrader command in a student's folder and return what it printed."""
        folder = self.students[student]
        return run_nbgrader(*arguments, cwd=folder, home=folder / "home")

    def generate(self):
        """Make `exercises/` of `solutions/`, and the gradebook."""
        return self.as_instructor("generate_assignment", "*", "--force")

    def take_generated(self, instructor):
        """Take what `generate` made in another course's folder, instead of making it again."""
        home = shutil.ignore_patterns("home")
        shutil.copytree(instructor, self.instructor, ignore=home, dirs_exist_ok=True)

    def release(self):
        """Put every assignment into the exchange."""
        return [self.as_instructor("release_assignment", name) for name in self.assignments]

    def fetch(self, student):
        """Fetch every assignment from the exchange into the student's folder."""
        return self.as_student(student, "fetch_assignment", *self.assignments)

    def solve(self, student, answers):
        """Fill in the student's notebooks: ``answers[assignment][grade_id]`` is a cell's source."""
        for assignment, sources in answers.items():
            path = self.notebook_path(student, assignment)
            nbformat.write(fill_in(read_notebook(path), sources), path)

    def validate(self, student, assignment):
        """Return what ``nbgrader validate`` prints to the student."""
        return self.as_student(student, "validate", f"{assignment}/{assignment}.ipynb")

    def submit(self, student, assignment):
        """Hand the student's notebook in, under the student's name."""
        return self.as_student(student, "submit", assignment, f"--student={student}")

    def collect(self):
        """Take what was handed in out of the exchange."""
        return [self.as_instructor("collect", name) for name in self.assignments]

    def autograde(self, student, assignment="*"):
        """Grade one student, in a process of its own: a failure stays with that student."""
        return self.as_instructor("autograde", assignment, f"--student={student}")

    def grade(self):
        """Grade everybody with quantgrader, in its sandbox, and return what it printed."""
        home = self.instructor / "home"
        return [
            _run("quantgrader.cli", "grade", name, cwd=self.instructor, home=home)
            for name in self.assignments
        ]

    def feedback(self):
        """Write the feedback pages and put them into the exchange."""
        self.as_instructor("generate_feedback", "*")
        return [self.as_instructor("release_feedback", name) for name in self.assignments]

    def fetch_feedback(self, student):
        """Fetch the feedback pages into the student's folder."""
        return self.as_student(student, "fetch_feedback", *self.assignments, f"--student={student}")

    def export(self):
        """Return the rows of the exported table of marks."""
        path = self.instructor / "grades.csv"
        self.as_instructor("export", "--to", path)
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def marks(self):
        """Return {student: {assignment: StudentMarks}} as the gradebook has them."""
        from nbgrader.api import Gradebook

        result = {}
        with Gradebook(f"sqlite:///{self.instructor / 'gradebook.db'}", COURSE_ID) as book:
            for assignment in book.assignments:
                for submission in book.assignment_submissions(assignment.name):
                    grades = [g for notebook in submission.notebooks for g in notebook.grades]
                    cells = {g.name: (_score(g), g.max_score) for g in grades}
                    mark = StudentMarks(submission.score, submission.max_score, cells)
                    result.setdefault(submission.student.id, {})[assignment.name] = mark
        return result


def _score(grade):
    """Return the score of a cell; None where it waits for a person to give it."""
    return None if grade.needs_manual_grade else grade.score


def in_parallel(calls, workers=2):
    """Call each of ``calls`` (functions without arguments) and return their results in order."""
    with ThreadPoolExecutor(workers) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def grade(notebooks, root=ROOT):
    """Grade filled-in notebooks in a temporary course and return their marks.

    Parameters
    ----------
    notebooks : dict
        ``notebooks[student][assignment]`` is the path of a student's notebook.
    root : path
        The repository: its configuration and `solutions/` are the course.

    Returns
    -------
    dict
        ``marks[student][assignment]``, a `StudentMarks`.
    """
    names = sorted({name for files in notebooks.values() for name in files})
    with tempfile.TemporaryDirectory() as folder:
        course = TrialCourse(Path(folder) / "course", root, names)
        course.generate()
        for student, files in notebooks.items():
            for assignment, path in files.items():
                submitted = course.instructor / "submitted" / student / assignment
                submitted.mkdir(parents=True)
                shutil.copy(path, submitted / f"{assignment}.ipynb")
        course.grade()
        return course.marks()
