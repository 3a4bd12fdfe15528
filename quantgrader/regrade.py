"""Some questions of an assignment anew: the others keep their marks.

The journal keeps what each function was asked and its mark, and not the values that came back. So
a question whose checks have changed is asked again: the notebook is run, since the function
needs its cells, and that function alone is asked. Where only points have changed, nothing is
run: marks are those shares of the new points.
"""

from dataclasses import asdict, dataclass, field, replace
from functools import partial

from quantgrader.cases import questions
from quantgrader.course.folders import CourseError
from quantgrader.course.journal import Journal
from quantgrader.grade import Grading, grade
from quantgrader.pages.autograded import renew_verdicts


@dataclass
class Regrading(Grading):
    """A run that asks only the ``chosen`` questions; ``left`` says who isn't asked, and why."""

    chosen: tuple = ()
    left: dict = field(default_factory=dict)
    before: dict = field(default_factory=dict)

    def __post_init__(self):
        """Ask no others."""
        super().__post_init__()
        self.questions = [q for q in self.questions if q.grade_id in self.chosen]

    def look_at(self, student, force):
        """Only who was graded, and hasn't handed in anew, is asked again."""
        before = self.journal.read(student)
        if before is None or before.status not in ("graded", "review"):
            self.left[student] = "not graded before"
            return None
        self.before[student] = before
        work = super().look_at(student, force=True)
        if work is None:
            return None
        if before.status == "review":
            self.left[student] = "it needed review, and could be graded now"
            return None
        if work.result.submission != before.submission:
            self.left[student] = "handed in anew since"
            return None
        sandboxed = self.sandboxed and before.sandboxed
        work.result = replace(work.result, sandboxed=sandboxed)
        if self.chosen:
            return work
        kept = ("status", "reasons", "unanswered", "seconds")
        marks = self.kept_marks(student)
        renew_verdicts(self._autograded(student), marks)
        old = {name: getattr(before, name) for name in kept}
        self.finish(replace(work.result, marks=marks, **old))
        return None

    def finishing_job(self, work):
        """Only the chosen questions were asked; the marks of the others are kept."""
        kept = self.kept_marks(work.result.student)
        marks = {name: asdict(mark) for name, mark in kept.items()}
        return super().finishing_job(work) | {"chosen": list(self.chosen), "kept": marks}

    def kept_marks(self, student):
        """The marks of before of the questions that aren't asked, for the points of now."""
        points = {task.grade_id: task.points for task in self.reference.tasks}
        return {
            name: reweighted(mark, points[name])
            for name, mark in self.before[student].marks.items()
            if name in points and name not in self.chosen
        }


def reweighted(mark, points):
    """The same share of other points.

    >>> from quantgrader.cases.compare import Mark
    >>> reweighted(Mark(1.0, 3.0, 1, 3), 6).score
    2.0
    """
    score = mark.score
    if score is not None and mark.points != points:
        score = round(score * points / mark.points, 2) if mark.points else 0.0
    return replace(mark, score=score, points=float(points))


def regrade(course, assignment, names=(), **options):
    """Ask the named questions anew, and all whose checks are others than when they were asked.

    Takes the options of `grade`, and returns the `Regrading`.
    """
    reference = course.reference(assignment)
    found, _ = questions.load(course.cases_file(assignment), reference)
    asked = questions.digests(found)
    chosen = {_grade_id(name, reference, asked) for name in names}
    journal = Journal(course.journal(assignment))
    for student in journal.students():
        result = journal.read(student)
        if result is not None and result.status == "graded":
            chosen |= {name for name, digest in asked.items() if result.asked.get(name) != digest}
    kind = partial(Regrading, chosen=tuple(sorted(chosen)))
    return grade(course, assignment, kind=kind, **options)


def _grade_id(name, reference, asked):
    """The cell that a question's name, or its function's, stands for."""
    known = {task.function: task.grade_id for task in reference.tasks if task.function}
    found = known.get(name, name)
    if found not in asked:
        raise CourseError(
            f"{name!r} is no question that is marked by its function. Those are: "
            f"{', '.join(known)}."
        )
    return found
