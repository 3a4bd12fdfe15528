"""From what came out of the sandbox to marks and sentences. Runs in the grader's own process.

A task's mark is its points times the share of the cases that were right. What a student reads
is the message of the case: never an input, a result, or a text that his own function made while
it was asked a hidden one.
"""

from quantgrader.cases import compare
from quantgrader.course.elsewhere import unanswered
from quantgrader.course.reference import grade_id
from quantgrader.endings import call_text
from quantgrader.sandbox.job import Cell, Job, Probe


def make_job(notebook, questions, reference):
    """The `Job` of a notebook that passed the preflight: its code cells and the questions.

    A function counts as it is when its checks are come to, as in the student's own notebook. If
    there is nothing in its place, what is defined further down is as good.
    """
    missing = unanswered(notebook, reference)
    places = {grade_id(cell): f"{number}" for number, cell in enumerate(notebook.cells)}
    moments = {
        task.grade_id: None if task.solution_id in missing else places[task.grade_id]
        for task in reference.tasks
    }
    cells = [
        Cell(f"{number}", cell.source)
        for number, cell in enumerate(notebook.cells)
        if cell.cell_type == "code"
    ]
    probes = [
        Probe(q.grade_id, q.function, q.case.probe, moments[q.grade_id])
        for q in questions
        if q.is_asked
    ]
    return Job(tuple(cells), tuple(probes), dict(reference.files))


def mark_tasks(reference, questions, answers, sources):
    """Return {grade_id: Mark} for the tasks that are marked here.

    ``answers`` are the outcome's, one for each question that is asked; ``sources`` the texts of
    the student's code cells.
    """
    answers, found = iter(answers), {}
    for question in questions:
        answer = next(answers) if question.is_asked else None
        judged = question.case, _verdict(question, answer, sources)
        found.setdefault(question.grade_id, []).append(judged)
    return {
        task.grade_id: compare.add_up(*zip(*found[task.grade_id], strict=True), task.points)
        for task in reference.tasks
        if task.grade_id in found
    }


def _verdict(question, answer, sources):
    """Whether an answer is right, and what to say if not."""
    name = question.function
    if answer is not None and (text := call_text(name, answer)):
        return compare.Verdict(False, text)
    try:
        return compare.judge(question.case, answer, sources)
    except Exception as error:
        # Whatever a student's data does to the comparison costs him this case only.
        kind = type(error).__name__
        text = f"The result of {name} can't be compared with what it must be ({kind})."
        return compare.Verdict(False, text)
