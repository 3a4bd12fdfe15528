"""Run an exercise with one answer replaced, and tell whether the checks give the right verdict.

The bank has one module for each graded function: `tests/variants/<assignment>/<function>.py`
with functions `wrong_<mistake>` and `right_<way>`. The docstring of a wrong one holds a line
``Message: <fragment>``, which the failing check's message must contain.

A variant becomes a cell of the solution notebook, in place of the model answer: the module's
imports and helpers, then the variant under the graded function's name. The notebook is then run
in this process, in a namespace of its own. Each test cell is gone through twice: as students run
it, which stops at the first check that fails, and as the grader does, which asks the function
for its results and compares them. The two must agree. The verdict must be:

- a wrong answer fails its own checks, with the message. Functions that call it, directly or
  through others (as the model answers do), may fail too; all other checks pass;
- with a right answer every check passes.

To save time `faults` leaves out, unless asked for them, the checks of functions that have nothing
to do with the variant, and of a wrong one's callers: an answer could reach those only by changing
what all share.
"""

import ast
import contextlib
import io
import json
import linecache
import re
import warnings
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from quantgrader.cases import compare
from quantgrader.release import authoring
from quantgrader.sandbox import collector
from tools.course import ROOT, assignment_names, read_notebook

BANK = Path(__file__).resolve().parent
MESSAGE = re.compile(r"^\s*Message:\s*(.+?)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Exercise:
    """One graded function: its name, the ids of its two cells, and the points of its checks."""

    function: str
    grade_id: str
    test_id: str
    points: int


@dataclass(frozen=True)
class _Failure:
    """What the grader says of the first case that fails, and whether students see that case."""

    message: str
    visible: bool


def _agree(seen, failure):
    """Whether students, who see a message or none, and the grader find the same."""
    if seen is None or failure is None:
        return seen is None and (failure is None or not failure.visible)
    # The line that holds a forbidden word may be written otherwise where a name stands for it.
    return failure.visible and failure.message.partition(" It is here: ")[0] in seen


class Assignment:
    """A solution notebook: its graded functions, and how to run it with other answers."""

    def __init__(self, path):
        self.path = Path(path)
        self.name = self.path.stem
        self.notebook = read_notebook(path)
        # (id, source) of the code cells; the id is the grade_id where there is one.
        self.code = [
            (_grade_id(cell) or cell.id, cell.source)
            for cell in self.notebook.cells
            if cell.cell_type == "code"
        ]
        self.sources = dict(self.code)

    @cached_property
    def exercises(self):
        """The graded functions in the notebook's order."""
        return [
            Exercise(
                function=grade_id.removesuffix("-test").replace("-", "_"),
                grade_id=grade_id.removesuffix("-test"),
                test_id=grade_id,
                points=cell.metadata.nbgrader.points,
            )
            for cell in self.notebook.cells
            if (grade_id := _grade_id(cell)) and grade_id.endswith("-test")
        ]

    @cached_property
    def cases(self):
        """All cases of the default course seed, by function."""
        return authoring.make(self.path.parent).functions

    def exercise(self, function):
        return next(e for e in self.exercises if e.function == function)

    @cached_property
    def callers(self):
        """For each graded function, the graded functions that call it, directly or not."""
        names = {e.function for e in self.exercises}
        calls = {e.function: names_in(self.sources[e.grade_id]) & names for e in self.exercises}
        callers = {}
        for function in names:
            found = set()
            while more := {n for n in names - found if calls[n] & ({function} | found)}:
                found |= more
            callers[function] = found - {function}
        return callers

    def run(self, replaced=None, given=None, only=None):
        """Run the notebook in this process and return what its checks say.

        Parameters
        ----------
        replaced : dict, optional
            Sources to run in place of the notebook's own, by cell id.
        given : dict, optional
            Names that the notebook finds defined.
        only : set of str, optional
            Ids of the test cells to run. Others are left out, and so is what follows the last.

        Returns
        -------
        dict
            From the id of each test cell to None, or to the message of its failure. An error in
            any other cell is raised.
        """
        sources = self.sources | (replaced or {})
        tests = {e.test_id: e.function for e in self.exercises}
        wanted = tests.keys() if only is None else set(only)
        namespace = {"__name__": "__main__"} | (given or {})
        texts, results = [], {}
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for cell_id, _ in self.code:
                if cell_id not in tests:
                    texts.append(sources[cell_id])
                    self._execute(cell_id, sources[cell_id], namespace)
                elif cell_id in wanted:
                    visible = authoring.visible_part(sources[cell_id])
                    seen = self._failure(cell_id, visible, namespace)
                    results[cell_id] = self._verdict(tests[cell_id], seen, namespace, texts, given)
                if only is not None and results.keys() == wanted:
                    break
        return results

    def marks(self, replaced):
        """Return the points that the grader gives to answers, by the ids of the test cells."""
        sources = self.sources | replaced
        tests = {e.test_id: e for e in self.exercises}
        namespace, texts, marks = {"__name__": "__main__"}, [], {}
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for cell_id, _ in self.code:
                if cell_id not in tests:
                    texts.append(sources[cell_id])
                    self._execute(cell_id, sources[cell_id], namespace)
                    continue
                # Asked in its place: later answers may give another meaning to a helper's name.
                exercise = tests[cell_id]
                function, cases = namespace[exercise.function], self.cases[exercise.function]
                verdicts = [compare.judge(case, answer(function, case), texts) for case in cases]
                marks[cell_id] = compare.add_up(cases, verdicts, exercise.points).score
        return marks

    def _execute(self, cell_id, source, namespace):
        name = f"<{self.name}: {cell_id}>"
        # As in a notebook's kernel, the text of a function can be found.
        linecache.cache[name] = len(source), None, source.splitlines(keepends=True), name
        exec(compile(source, name, "exec"), namespace)

    def _failure(self, cell_id, source, namespace):
        """Run a test cell as students do and return its failure's message, or None."""
        try:
            self._execute(cell_id, source, namespace)
        except Exception as error:
            return " ".join(f"{type(error).__name__}: {error}".split())

    def _verdict(self, function, seen, namespace, texts, given):
        """Ask the function as the grader does, and return the message of the first failure.

        ``seen`` is the message that students see.
        """
        failure = self._first_failure(function, namespace, texts)
        if seen is not None and not _agree(seen, failure):
            # A wrong answer that keeps something between calls fails elsewhere when it is asked
            # again. What the grader says is then that of an answer that was never called.
            fresh = {"__name__": "__main__"} | (given or {})
            for number, text in enumerate(texts):
                self._execute(f"cell {number}", text, fresh)
            failure = self._first_failure(function, fresh, texts)
        if not _agree(seen, failure):
            found = repr(failure.message) if failure else "nothing wrong"
            raise RuntimeError(f"{function}: students see {seen!r}, the grader says {found}")
        return seen or (failure and failure.message)

    def _first_failure(self, function, namespace, texts):
        """What is wrong with the first case that fails, or None."""
        for case in self.cases[function]:
            verdict = compare.judge(case, answer(namespace[function], case), texts)
            if not verdict.passed:
                return _Failure(verdict.message, case.visible)
        return None


def answer(function, case):
    """What the grader gets: JSON that has gone out of the process and back."""
    if case.probe is None:
        return None
    probe = json.loads(json.dumps(case.probe))
    return json.loads(json.dumps(collector.answer(function, probe)))


def _grade_id(cell):
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def names_in(source):
    """Return every name that a piece of code mentions."""
    return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}


@dataclass(frozen=True)
class Variant:
    """One answer in the bank."""

    assignment: str
    function: str
    name: str
    source: str
    parameters: tuple
    message: str | None

    @property
    def is_right(self):
        return self.name.startswith("right_")

    def __str__(self):
        return f"{self.assignment}-{self.function}-{self.name}"


def read_variants(path):
    """Return the variants in the module at ``path``, each with the source of its cell."""
    path = Path(path)
    function = path.stem
    module = ast.parse(path.read_text(encoding="utf-8"))
    body = module.body[1:] if ast.get_docstring(module) is not None else module.body
    answers = [n for n in body if isinstance(n, ast.FunctionDef) and _is_variant(n.name)]
    shared = [node for node in body if node not in answers]
    variants = []
    for node in answers:
        text = ast.get_docstring(node) or ""
        message = MESSAGE.search(text)
        name, node.name = node.name, function
        node.body = (node.body[1:] if text else node.body) or [ast.Pass()]
        cell = ast.Module([*shared, node], type_ignores=[])
        variants.append(
            Variant(
                assignment=path.parent.name,
                function=function,
                name=name,
                source=ast.unparse(cell),
                parameters=parameters(node),
                message=message and message[1],
            )
        )
    return variants


def parameters(function):
    """Return the names of the parameters of a function definition."""
    return tuple(node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg))


def _is_variant(name):
    return name.startswith(("wrong_", "right_"))


def faults(assignment, variant, only=None):
    """Return what is wrong with the verdict on ``variant``, a list of sentences.

    ``only`` are the ids of the test cells to run: unless given, those of the variant's function
    and, for a right one, of the functions that call it.
    """
    exercise = assignment.exercise(variant.function)
    callers = {assignment.exercise(f).test_id for f in assignment.callers[variant.function]}
    only = only or {exercise.test_id} | (callers if variant.is_right else set())
    results = assignment.run({exercise.grade_id: variant.source}, only=only)
    failures = {test: message for test, message in results.items() if message is not None}
    if variant.is_right:
        return [f"fails {test}: {message}" for test, message in failures.items()]
    found = []
    own = failures.pop(exercise.test_id, None)
    if own is None:
        found.append(f"keeps the points of {exercise.test_id}")
    elif variant.message is None:
        found.append("has no line 'Message: ...' in its docstring")
    elif " ".join(variant.message.split()) not in own:
        found.append(f"should fail with {variant.message!r}, but fails with {own!r}")
    found += [
        f"also fails {test}, which does not depend on it: {message}"
        for test, message in failures.items()
        if test not in callers
    ]
    return found


@cache
def load_assignments():
    """Return {name: Assignment} for every folder of `solutions/`: the same ones to all who ask.

    They are only to be read. Making the cases of all takes some seconds.
    """
    folder = ROOT / "solutions"
    return {n: Assignment(folder / n / f"{n}.ipynb") for n in assignment_names(folder)}


@cache
def load_bank():
    """Return all variants of the bank: the same ones to all who ask."""
    return tuple(v for path in sorted(BANK.glob("*/*.py")) for v in read_variants(path))
