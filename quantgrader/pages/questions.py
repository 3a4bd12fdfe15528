"""Marks per question: how each task of an assignment went, over all who were graded."""

from collections import Counter
from dataclasses import dataclass, field

from quantgrader.course.journal import Journal
from quantgrader.pages import plain
from quantgrader.pages.templates import short_number

# How many got which share of the points: none, up to a quarter, ..., less than all, all.
BINS = ("none", "to 1/4", "to 1/2", "to 3/4", "to 1", "all")
HEADER = ("question", "points", "marked", "mean", "all (%)", *BINS)
_MESSAGES = 3


@dataclass
class Question:
    """One task: the marks that are there, and what was said how often."""

    name: str
    points: float
    scores: list = field(default_factory=list)
    messages: Counter = field(default_factory=Counter)

    @property
    def mean(self):
        """The mean of the marks; None where there is none."""
        return sum(self.scores) / len(self.scores) if self.scores else None

    @property
    def full(self):
        """The share of marks that are all of the points, in per cent."""
        return 100 * self.histogram[-1] / len(self.scores) if self.scores else None

    @property
    def histogram(self):
        """How many marks fall into each of the `BINS`."""
        counts = [0] * len(BINS)
        for score in self.scores:
            share = score / self.points if self.points else 1.0
            counts[5 if share >= 1 else 0 if share <= 0 else min(int(-(-share * 4 // 1)), 4)] += 1
        return counts

    @property
    def commonest(self):
        """The commonest messages: [(how often, message)]."""
        return [(count, text) for text, count in self.messages.most_common(_MESSAGES)]

    def cells(self):
        """The row as texts, in the order of `HEADER`."""
        numbers = (self.points, len(self.scores), self.mean, self.full, *self.histogram)
        return [self.name, *map(short_number, numbers)]


def questions(course, assignment, book):
    """Return a `Question` for each task, in order: marks by the gradebook, messages by the journal.

    A mark that a person gave in place of the grader's counts. Who needs review isn't among them.
    """
    reference = course.reference(assignment)
    journal = Journal(course.journal(assignment))
    found = {
        task.grade_id: Question(task.function or task.solution_id, task.points)
        for task in reference.tasks
    }
    for notebook in book.notebook_submissions(reference.name, assignment):
        result = journal.read(notebook.student.id)
        if result is None or result.status != "graded":
            continue
        for grade in notebook.grades:
            known = grade.auto_score is not None or grade.manual_score is not None
            if known and grade.name in found:
                found[grade.name].scores.append(grade.score)
        for name, mark in result.marks.items():
            if name in found:
                found[name].messages.update(mark.messages)
    book.db.remove()
    return list(found.values())


def as_table(found, width=100):
    """The questions as text for a terminal, with the commonest messages below each."""
    below = [[f"{count} × {text}" for count, text in one.commonest] for one in found]
    return plain.table(HEADER, [one.cells() for one in found], below, width, left=1)
