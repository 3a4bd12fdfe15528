"""Grading by hand, question by question, without knowing whose answer it is.

All answers to a written question stand on one page, in an order that says nothing, each with a
label in place of a name. Points and comments go into a table by label, and from there into the
gradebook. A label stands for a student and an answer: of an answer that was replaced since, a mark
is refused. nbgrader's Formgrader hides names as well, and goes submission by submission.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

import nbformat

from quantgrader.atomic import write_atomically
from quantgrader.course import elsewhere, gradebook, tables
from quantgrader.course.folders import CourseError
from quantgrader.course.journal import Journal
from quantgrader.course.reference import grade_id
from quantgrader.pages.autograded import written
from quantgrader.pages.templates import render, short_number
from quantgrader.texts import clean_text

HEADER = ("label", "points", "comment")
_MAX_ANSWER = 50_000


@dataclass(frozen=True)
class Answer:
    """One answer: whose it is stands in ``student``, and nowhere on the page."""

    label: str
    student: str
    text: str
    points: float | None = None
    comment: str = ""


@dataclass
class Given:
    """What came of a table of points: who has a mark now, and every row that was not taken."""

    students: list = field(default_factory=list)
    left_out: list = field(default_factory=list)


def written_task(reference, name=None):
    """The task that a person grades, by its name where there are several."""
    tasks = {task.grade_id: task for task in reference.tasks if task.function is None}
    if name is None and len(tasks) == 1:
        (name,) = tasks
    if name not in tasks:
        known = ", ".join(tasks) or "none"
        raise CourseError(f"Name a written question; those of {reference.name} are: {known}.")
    return tasks[name]


def answers(course, book, assignment, task):
    """The `Answer`s to a written question, by label. Who wrote nothing is not among them."""
    from nbgrader.api import MissingEntry

    reference, key = course.reference(assignment), _key(course)
    journal, found = Journal(course.journal(assignment)), []
    for student in journal.students():
        result = journal.read(student)
        path = course.folder("autograded", student, assignment) / f"{reference.name}.ipynb"
        if result is None or result.status != "graded" or task.solution_id in result.unanswered:
            continue
        if not path.is_file():
            continue
        notebook = nbformat.read(path, as_version=4)
        text = clean_text(_answer(notebook, reference, task.solution_id, result), _MAX_ANSWER)
        try:
            grade = book.find_grade(task.grade_id, reference.name, assignment, student)
            comment = book.find_comment(task.solution_id, reference.name, assignment, student)
        except MissingEntry:  # the report says so, and the next grading writes it
            continue
        label = hmac.digest(key, f"{assignment}\0{student}\0{text}".encode(), "sha256").hex()[:8]
        found.append(Answer(label, student, text, grade.manual_score, comment.manual_comment or ""))
    book.db.remove()
    return sorted(found, key=lambda answer: answer.label)


def _answer(notebook, reference, name, result):
    """What stands in the answer's cell; if that is as given out, what the student wrote elsewhere.

    A file beside the notebook isn't read: the reason that names it stands in its place.
    """
    for cell in notebook.cells:  # as the student wrote it, not as the Formgrader shows it
        cell.source = written(cell)
    cell = next((cell for cell in notebook.cells if grade_id(cell) == name), None)
    if cell is not None and elsewhere.answered(cell, reference.cells[name]):
        return cell.source
    texts = [notebook.cells[i].source for i in elsewhere.own_cells(notebook, reference, name)]
    reasons = [reason for reason in result.reasons if name in reason]
    return "\n\n".join([*(f"[{reason}]" for reason in reasons), *texts])


def _key(course):
    """What the labels are made with: a secret of the class, so that nobody can undo them."""
    path = course.root / "class" / "labels.key"
    if not path.is_file():
        write_atomically(path, secrets.token_hex(32).encode(), 0o600)
    return hashlib.sha256(path.read_bytes()).digest()


def as_html(found, assignment, task):
    """The answers as a page that asks nothing of any host."""
    return render(
        "answers.html", assignment=assignment, question=task.solution_id, points=task.points,
        answers=[(answer.label, answer.text, answer.points) for answer in found],
    )  # fmt: skip


def as_csv(found):
    """The table for points and comments, with those that are there."""
    rows = [(answer.label, short_number(answer.points), answer.comment) for answer in found]
    return tables.text_of(HEADER, rows)


def give(course, book, assignment, task, path):
    """Put the points and comments of a table into the gradebook, and return what was `Given`.

    A row without points changes nothing.
    """
    table, given, marks = tables.read(path), Given(), {}
    table.require(path, *HEADER)
    labels = {answer.label: answer for answer in answers(course, book, assignment, task)}
    for row in table.rows:
        label, text = row["label"], row["points"]
        points = _number(text)
        if label not in labels:
            given.left_out.append((label, "no answer has this label (or it was replaced since)"))
        elif text and (points is None or not 0 <= points <= task.points):
            problem = f"{text!r} is no number of points from 0 to {task.points:g}"
            given.left_out.append((label, problem))
        elif text:
            marks[label] = points, row["comment"]
    reference = course.reference(assignment)
    with gradebook.transaction(book):
        for label, (points, comment) in marks.items():
            student = labels[label].student
            grade = book.find_grade(task.grade_id, reference.name, assignment, student)
            grade.manual_score, grade.needs_manual_grade = points, False
            kept = book.find_comment(task.solution_id, reference.name, assignment, student)
            kept.manual_comment = comment or None
            given.students.append(student)
        book.db.commit()
    for student in given.students:
        gradebook.renew_penalty(book, course, assignment, reference, student)
    book.db.remove()
    return given


def _number(text):
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None
