"""Marks into nbgrader's gradebook: by its own interface, one transaction for each submission."""

import contextlib
import os
import sys
import time
import warnings
from pathlib import Path

from quantgrader.course.folders import CourseError
from quantgrader.endings import NEEDS_REVIEW

_TRIES = 6


@contextlib.contextmanager
def open_gradebook(course):
    """Open the course's gradebook (SQLite or PostgreSQL, by the URL)."""
    from nbgrader.api import Gradebook
    from sqlalchemy.exc import NoSuchModuleError, OperationalError

    # nbgrader calls alembic, of its own environment, by its name alone.
    folders = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    try:
        with _path(os.pathsep.join(folders)):
            book = Gradebook(course.db_url, course.course_id)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise CourseError(
            f"No driver for this gradebook ({error}). "
            "For PostgreSQL: pip install 'lowbit-course[postgres]'."
        ) from None
    except OperationalError as error:
        raise CourseError(f"The gradebook can't be opened: {error.orig}") from None
    with book:
        yield book


@contextlib.contextmanager
def _path(value):
    before = os.environ.get("PATH")
    os.environ["PATH"] = value
    try:
        yield
    finally:
        del os.environ["PATH"]
        if before is not None:
            os.environ["PATH"] = before


@contextlib.contextmanager
def transaction(book):
    """All or nothing: what nbgrader's interface commits inside takes effect together at the end."""
    from sqlalchemy.exc import SAWarning
    from sqlalchemy.orm import scoped_session, sessionmaker

    usual = book.db
    with warnings.catch_warnings(), book.engine.begin() as connection:
        # nbgrader's own way of making rows, which SQLAlchemy remarks on
        warnings.simplefilter("ignore", SAWarning)
        # "rollback_only": the session's commits write to the connection, and don't end it.
        make = sessionmaker(bind=connection, future=True, join_transaction_mode="rollback_only")
        book.db = scoped_session(make)
        try:
            yield book
            book.db.flush()
        finally:
            book.db.remove()
            book.db = usual
            usual.remove()  # it must read anew


def require_assignment(book, reference, assignment):
    """Refuse an assignment that the gradebook doesn't have, or has otherwise than released."""
    from nbgrader.api import MissingEntry

    again = "Run `make release` (or `nbgrader generate_assignment`) for this gradebook first."
    try:
        notebook = book.find_notebook(reference.name, assignment)
    except MissingEntry:
        raise CourseError(f"The gradebook doesn't have {assignment}. {again}") from None
    have = {cell.name: cell.max_score for cell in notebook.grade_cells}
    want = {task.grade_id: task.points for task in reference.tasks}
    if have != want:
        differ = sorted(n for n in have.keys() | want.keys() if have.get(n) != want.get(n))
        raise CourseError(
            f"The gradebook and the released notebook differ in {', '.join(differ)}. {again}"
        )


def is_recorded(book, assignment, reference, result):
    """Whether the gradebook already says what the result says."""
    from nbgrader.api import MissingEntry

    try:
        submission = book.find_submission(assignment, result.student)
        notebook = book.find_submission_notebook(reference.name, assignment, result.student)
    except MissingEntry:
        return False
    if _timestamp(result) is not None and submission.timestamp != _timestamp(result):
        return False
    have = {grade.name: (grade.auto_score, grade.max_score) for grade in notebook.grades}
    want = {name: (mark.score, mark.points) for name, mark in result.marks.items()}
    return have == want and {c.name: c.auto_comment for c in notebook.comments} == _comments(
        reference, result
    )


def record(book, course, assignment, reference, result, before=None):
    """Write a result, whatever was there before, and try again while the gradebook is locked.

    ``before`` is the result that the gradebook followed so far, where that is known.
    """
    from sqlalchemy.exc import OperationalError

    for attempt in range(_TRIES):
        try:
            with transaction(book):
                _write(book, course, assignment, reference, result, before)
            return
        except OperationalError:
            if attempt == _TRIES - 1:
                raise
            time.sleep(0.5 * 2**attempt)


def _write(book, course, assignment, reference, result, before):
    book.update_or_create_student(result.student)
    when = {} if _timestamp(result) is None else {"timestamp": result.timestamp}
    submission = book.update_or_create_submission(assignment, result.student, **when)
    notebook = book.find_submission_notebook(reference.name, assignment, result.student)
    same = before is not None and before.submission == result.submission
    for grade in notebook.grades:
        mark, old = result.marks[grade.name], before.marks.get(grade.name) if same else None
        grade.auto_score = mark.score
        # A mark that a person gave is to be looked at again, unless all it was given for stays.
        if grade.manual_score is None:
            grade.needs_manual_grade = mark.score is None
        elif old is None or (old.score, old.points) != (mark.score, mark.points):
            grade.needs_manual_grade = True
    comments = _comments(reference, result)
    for comment in notebook.comments:
        comment.auto_comment = comments[comment.name]
    book.db.commit()
    notebook.late_submission_penalty = _penalty(book, course, submission, notebook)
    book.db.commit()


def renew_penalty(book, course, assignment, reference, student):
    """Let the points off for being late follow a due date, or a mark by hand, that was changed."""

    def found():
        submission = book.find_submission(assignment, student)
        notebook = book.find_submission_notebook(reference.name, assignment, student)
        return notebook, _penalty(book, course, submission, notebook)

    notebook, penalty = found()
    if penalty != notebook.late_submission_penalty:
        with transaction(book):
            notebook, notebook.late_submission_penalty = found()
            book.db.commit()


def _comments(reference, result):
    """What stands beside each answer: that it is missing, or why a person has to look."""
    texts = {}
    for name, cell in reference.cells.items():
        if cell.metadata.nbgrader.solution:
            texts[name] = "No response." if name in result.unanswered else None
    if result.status == "review" and texts:
        texts[next(iter(texts))] = NEEDS_REVIEW + " ".join(result.reasons)
    return texts


def _timestamp(result):
    """When it was handed in; None where nothing tells, or tells it in no known way."""
    from nbgrader.utils import parse_utc

    try:
        return parse_utc(result.timestamp)
    except (ValueError, OverflowError):
        return None


def _penalty(book, course, submission, notebook):
    """The points off for being late, by the course's own rule."""
    from nbgrader.preprocessors import AssignLatePenalties

    if submission.total_seconds_late <= 0:
        return None
    rule = AssignLatePenalties(config=course.config)
    rule.init_plugin()
    book.db.refresh(notebook)
    off = rule.plugin_inst.late_submission_penalty(
        submission.student.id, notebook.score, submission.total_seconds_late
    )
    return None if off is None else min(max(off, 0), notebook.score)
