"""Nothing of the solutions and of the hidden checks is where students, or everybody, can see it.

Looked at are `exercises/`, the built site, the packages, and what feedback may say. Public on
purpose: `solutions/` in the repository with the way hidden checks are made, and what the library
itself computes. What must not come out are model answers, and the inputs, reference results
and texts of a class's hidden checks.
"""

import functools
import json
import re

import numpy as np
import pytest

from quantgrader.cases import compare, requirements
from quantgrader.release import authoring
from tests.grader.grading_support import Fingerprints, fingerprints
from tests.variants import harness
from tools import course

pytestmark = pytest.mark.slow

ASSIGNMENTS = harness.load_assignments()
TEXT = (".html", ".ipynb", ".js", ".json", ".md", ".py", ".rst", ".txt", ".xml")


def squeezed(text):
    """Text without white space, quotes, backslashes and tags: the same in a page and in a file."""
    plain = re.sub(r"<[^<>]{0,300}>", "", text)
    for entity, sign in (
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", '"'),
        ("&#39;", "'"),
        ("&#x27;", "'"),
    ):
        plain = plain.replace(entity, sign)
    return re.sub(r"[\s\"'\\]+|\\n", "", plain.replace("\\n", " ").replace("&amp;", "&"))


def text_of(path):
    """What a file says; of a notebook the texts and outputs of its cells."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix != ".ipynb":
        return text
    cells = json.loads(text)["cells"]
    sources = ["".join(cell["source"]) for cell in cells]
    return "\n".join([*sources, *(json.dumps(cell.get("outputs", "")) for cell in cells)])


def files_under(folder):
    return [p for p in sorted(folder.rglob("*")) if p.is_file() and p.suffix in TEXT]


@functools.cache
def solution_texts():
    """Model answers, as they stand between the markers, and the written ones."""
    texts = {}
    for name, assignment in ASSIGNMENTS.items():
        for grade_id, cell in course.solution_cells(assignment.notebook).items():
            source = cell.source
            if cell.cell_type == "code":
                _, _, source = source.partition("### BEGIN SOLUTION")
                source, _, _ = source.partition("### END SOLUTION")
            texts[f"{name}: {grade_id}"] = squeezed(source)
    return texts


@functools.cache
def hidden_texts():
    """Lines of the files that make the hidden checks, long enough to be found nowhere by chance."""
    lines = set()
    for name in ASSIGNMENTS:
        text = (course.ROOT / "solutions" / name / "hidden.py").read_text(encoding="utf-8")
        lines |= {squeezed(line) for line in text.splitlines() if len(squeezed(line)) > 60}
    shown = squeezed("".join(visible_sources()))
    return {line for line in lines if line not in shown}


def visible_sources():
    """Test cells as students get them."""
    return [
        authoring.visible_part(assignment.sources[exercise.test_id])
        for assignment in ASSIGNMENTS.values()
        for exercise in assignment.exercises
    ]


@functools.cache
def hidden_messages(name):
    """Messages that only hidden checks give."""
    cases = [case for mine in ASSIGNMENTS[name].cases.values() for case in mine]
    shown = "\n".join(m for case in cases if case.visible for m in case.messages)
    return {m for case in cases if not case.visible for m in case.messages if m not in shown}


def assert_clean(text, where, markers_explained=False):
    text = squeezed(text)
    for grade_id, solution in solution_texts().items():
        assert solution not in text, f"{where} holds the model answer {grade_id}"
    for line in hidden_texts():
        assert line not in text, f"{where} holds a line of hidden.py: {line}"
    for name in ASSIGNMENTS:
        for message in hidden_messages(name):
            assert squeezed(message) not in text, f"{where} holds a hidden message: {message}"
    if markers_explained:
        return
    for word in ("BEGINSOLUTION", "ENDSOLUTION", "BEGINHIDDEN", "ENDHIDDEN"):
        assert word not in text, f"{where} holds {word}"


@functools.cache
def fingerprints_of(name):
    return fingerprints(ASSIGNMENTS[name].cases)


@functools.cache
def all_fingerprints():
    return Fingerprints(frozenset().union(*map(fingerprints_of, ASSIGNMENTS)))


def test_the_marks_that_are_looked_for_are_there():
    """What is looked for is found where it belongs: the checks below can fail."""
    assert len(solution_texts()) == sum(len(a.exercises) + 1 for a in ASSIGNMENTS.values())
    assert min(map(len, solution_texts().values())) > 40
    assert len(hidden_texts()) > 30
    assert len(all_fingerprints()) > 1000
    for name, assignment in ASSIGNMENTS.items():
        mark = max(fingerprints_of(name))
        assert fingerprints_of(name).found_in(f"[{mark}1, 2]") >= {mark}
        assert not fingerprints_of(name).found_in(mark[:-1] + "x")
        assert hidden_messages(name)
        with pytest.raises(AssertionError, match="model answer"):
            assert_clean(text_of(assignment.path), "solutions")
        hidden = assignment.path.with_name("hidden.py").read_text(encoding="utf-8")
        with pytest.raises(AssertionError, match="line of hidden"):
            assert_clean(hidden, "solutions")
        page = f"<pre>{assignment.exercises[0].function}</pre><p>{min(hidden_messages(name))}</p>"
        with pytest.raises(AssertionError, match="hidden message"):
            assert_clean(page, "a page")


def test_exercises_hold_no_answers_and_no_hidden_checks():
    marks = all_fingerprints()
    files = files_under(course.ROOT / "exercises")
    assert len(files) == len(ASSIGNMENTS)
    assert not list((course.ROOT / "exercises").rglob("*.py"))
    for path in files:
        text = text_of(path)
        assert_clean(text, path)
        assert not marks.found_in(text), path


def test_the_site_holds_no_answers_and_no_hidden_checks(site):
    marks = all_fingerprints()
    files = files_under(site)
    assert len(files) > 20
    for path in files:
        if "_static" in path.relative_to(site).parts and path.suffix == ".js":
            continue  # scripts that others wrote
        text = text_of(path)
        # The page for instructors shows how an exercise is written, markers included.
        explained = "for_instructors" in path.name
        assert_clean(text, path.relative_to(site), markers_explained=explained)
        assert not marks & set(re.findall(r"-?\d+\.\d+(?:e-?\d+)?", text)), path


def test_packages_hold_no_answers_and_no_hidden_checks():
    files = [*files_under(course.ROOT / "quantlib"), *files_under(course.ROOT / "quantgrader")]
    for path in files:
        if path.suffix == ".py":
            text = squeezed(path.read_text(encoding="utf-8"))
            for grade_id, solution in solution_texts().items():
                # Two lines or more; a formula in one line is what the book itself teaches.
                if len(solution) > 150:
                    assert solution not in text, f"{path} holds the model answer {grade_id}"
            assert not [line for line in hidden_texts() if line in text], path


def test_nothing_hidden_is_committed():
    ignored = (course.ROOT / ".gitignore").read_text(encoding="utf-8").split()
    assert "/hidden/" in ignored and "gradebook.db" in ignored


STOPPED = re.compile(
    r"The function stopped with (an error|an error of its own|[A-Z][A-Za-z]+) on another input\."
)


# Feedback --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(ASSIGNMENTS))
def test_a_verdict_tells_nothing_of_hidden_inputs(name):
    """A function that shouts its arguments: in its errors, and in results of every kind."""
    told = []

    def written(arguments):
        """Write them out once for a case: there are many numbers."""
        if not told:
            told.append(repr(arguments))
        return told[0]

    def fail(error):
        raise error

    shouts = [
        lambda *arguments: fail(ValueError(written(arguments))),
        lambda *arguments: fail(type(written(arguments)[:200], (Exception,), {})()),
        lambda *arguments: written(arguments),
        lambda *arguments: {written(arguments): 1},
        lambda *arguments: arguments,
    ]
    marks, known = fingerprints_of(name), [*vars(compare).values(), *vars(requirements).values()]
    with np.printoptions(precision=20, threshold=10**6):
        for function, cases in ASSIGNMENTS[name].cases.items():
            for case in cases:
                if case.visible or case.probe is None:
                    continue
                told.clear()
                for shout in shouts:
                    message = compare.judge(case, harness.answer(shout, case)).message
                    if message is None:
                        continue
                    assert not marks.found_in(message), function
                    is_fixed = message in case.messages or message in known
                    assert is_fixed or STOPPED.fullmatch(message), message


def test_plain_feedback_of_the_checks_shows_only_messages(capsys):
    """What plain nbgrader's test cell prints: messages, no inputs, no reference results."""
    from quantgrader import checks
    from quantgrader.cases.case import pack

    for name, assignment in ASSIGNMENTS.items():
        for exercise in assignment.exercises:
            cases = [c for c in assignment.cases[exercise.function] if c.probe is not None]

            def wrong(*_):
                return "nothing"

            assert checks.mark(wrong, exercise.points, pack(cases)) < exercise.points
        printed = capsys.readouterr().out
        assert not fingerprints_of(name).found_in(printed), name
