"""The questions of an assignment: each task's cases, from the file that the release made."""

import hashlib
from dataclasses import dataclass

from quantgrader.course.folders import CourseError

_AGAIN = "Run `make release` to make it."


@dataclass(frozen=True)
class Question:
    """A case, and the test cell and the function that it belongs to."""

    grade_id: str
    function: str
    case: object

    @property
    def is_asked(self):
        """Whether the function is called for it; otherwise only the answer's text is looked at."""
        return self.case.probe is not None


def load(path, reference):
    """Return the `Question`s in the file at ``path``, task by task, and the model answers.

    Raises `CourseError` where the file is not there, or a task that is graded by its function has
    no case in it: nobody gets a mark for what was not asked.
    """
    from quantgrader import cases

    if not path.is_file():
        raise CourseError(f"The file of hidden cases {path} is not there. {_AGAIN}")
    try:
        read = cases.read(path)
    except (ValueError, KeyError, TypeError) as error:
        raise CourseError(f"{path} can't be read ({error}). {_AGAIN}") from None
    found = read.functions
    tasks = [task for task in reference.tasks if task.function is not None]
    without = [task.grade_id for task in tasks if not found.get(task.function)]
    if without:
        raise CourseError(f"{path} has no cases for {', '.join(without)}. {_AGAIN}")
    asked = [
        Question(task.grade_id, task.function, case)
        for task in tasks
        for case in found[task.function]
    ]
    return asked, read.answers


def digests(questions):
    """Return {grade_id: a digest of its cases}: what tells whether a function is asked the same."""
    from quantgrader.cases.case import pack

    cases = {}
    for question in questions:
        cases.setdefault(question.grade_id, [question.function]).append(question.case)
    return {
        name: hashlib.sha256(f"{function} {pack(mine)}".encode()).hexdigest()[:16]
        for name, (function, *mine) in cases.items()
    }
