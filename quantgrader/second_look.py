"""Grade what builds on a wrong answer once more, with the model answer in its place.

A function that calls an earlier one would lose its points for the earlier mistake too. So where a
function fails, and its text names earlier functions that fail, the notebook is run again with the
model answers to these, and the function is asked again. Of that run only the function's results
are kept; the earlier functions' own marks are known by then, and nothing that it shows is shown.
"""

from dataclasses import dataclass, replace

from quantgrader.cases.source import used_names
from quantgrader.course.reference import defined_names, grade_id
from quantgrader.marking import make_job, mark_tasks
from quantgrader.sandbox.job import Cell
from quantgrader.texts import listed


@dataclass(frozen=True)
class SecondLook:
    """The task that is looked at again, and the earlier functions that are replaced for it."""

    grade_id: str
    function: str
    instead: tuple[str, ...]

    @classmethod
    def from_dict(cls, data):
        """The look that was written as a dict."""
        return cls(**{**data, "instead": tuple(data["instead"])})

    def questions(self, questions):
        """Those of this task."""
        return [question for question in questions if question.grade_id == self.grade_id]

    def job(self, reference, questions, answers, notebook):
        """The `Job` of the notebook with model answers to the earlier functions.

        It ends where the function counts as it is: what comes further down changes nothing.
        """
        ids = {task.function: task.solution_id for task in reference.tasks}
        texts = {ids[name]: answers[name] for name in self.instead}
        changed = notebook.copy()
        changed.cells = [
            type(cell)(cell | {"source": texts.get(grade_id(cell), cell.source)})
            for cell in notebook.cells
        ]
        job = make_job(changed, self.questions(questions), reference)
        end = next((probe.moment for probe in job.probes), None)
        before = [cell for cell in job.cells if end and int(cell.grade_id) < int(end)]
        if not any(self.function in defined_names(cell.source) for cell in before):
            return job
        return replace(job, cells=(*before, Cell(end, "")))

    def better(self, reference, questions, marks, outcome, sources):
        """The better one of two marks: the one that is known, and that of this look."""
        found = mark_tasks(reference, self.questions(questions), outcome.probes, sources)
        if found[self.grade_id].score <= marks[self.grade_id].score:
            return marks[self.grade_id]
        names = listed([f"`{name}`" for name in self.instead])
        note = f"Asked with the course's own {names}, since yours fails checks of its own."
        return found[self.grade_id].with_message(note)


def second_looks(reference, questions, answers, marks, sources):
    """Return a `SecondLook` for each task that may have failed for an earlier one's sake.

    Only those are looked at that are among the ``questions``. ``answers`` are the model answers by
    function, ``marks`` the tasks' by grade_id, ``sources`` the texts of the student's code cells.
    """
    asked = {question.grade_id for question in questions}
    failed, looks = [], []
    for task in reference.tasks:
        mark = marks.get(task.grade_id)
        if task.function is None or mark is None or mark.score == mark.points:
            continue
        used = used_names(sources, task.function) if failed else set()
        instead = tuple(name for name in failed if name in used)
        if instead and task.grade_id in asked:
            looks.append(SecondLook(task.grade_id, task.function, instead))
        if task.function in answers:
            failed.append(task.function)
    return looks
