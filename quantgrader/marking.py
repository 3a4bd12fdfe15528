"""From what came out of the sandbox to marks and sentences. Runs in the grader's own process.

A task's mark is its points times the share of the cases that were right. What a student reads
is the message of the case: never an input, a result, or a text that his own function made while
it was asked a hidden one.
"""

from dataclasses import dataclass

from quantgrader.cases.compare import earned
from quantgrader.course.submission import printable
from quantgrader.sandbox.runner import Cell, Job, Probe

_ENDED = {
    "timeout": "the time for the whole submission was over",
    "memory": "it took more memory than a submission may",
    "cpu": "it took more processor time than a submission may",
    "processes": "it started more processes than a submission may",
    "output": "it wrote more output than a submission may",
    "died": "the kernel ended (a crash, or a call that ends Python)",
    "sandbox": "the sandbox could not be started",
}


@dataclass(frozen=True)
class TaskMark:
    """What a task came to. ``score`` None: a person has to give it."""

    score: float | None
    points: float
    passed: int = 0
    asked: int = 0
    messages: tuple[str, ...] = ()

    def as_dict(self):
        """JSON-able."""
        return {**vars(self), "messages": list(self.messages)}


def make_job(notebook, questions, files):
    """The `Job` of a notebook that passed the preflight: its code cells and the questions."""
    cells = [
        Cell(f"{number}", cell.source)
        for number, cell in enumerate(notebook.cells)
        if cell.cell_type == "code"
    ]
    probes = [Probe(q.grade_id, q.function, q.case.probe) for q in questions if q.is_asked]
    return Job(tuple(cells), tuple(probes), dict(files))


def mark_tasks(reference, questions, results, sources, check):
    """Return {grade_id: TaskMark} for the tasks that are marked here.

    ``results`` are the outcome's, one for each question that is asked; ``sources`` the texts of
    the student's code cells; ``check(case, result, sources)`` gives a verdict.
    """
    results = iter(results)
    verdicts = {}
    for question in questions:
        result = next(results) if question.is_asked else None
        verdict = _verdict(question, result, sources, check)
        verdicts.setdefault(question.grade_id, []).append((question.case, *verdict))
    tasks = [task for task in reference.tasks if task.grade_id in verdicts]
    return {task.grade_id: _task_mark(task, verdicts[task.grade_id]) for task in tasks}


def _task_mark(task, verdicts):
    """The mark of a task from its (case, passed, message) triples."""
    cases, passed, _ = zip(*verdicts, strict=True)
    # each sentence once, those of the visible cases first
    ordered = sorted(verdicts, key=lambda verdict: not verdict[0].visible)
    messages = dict.fromkeys(message for _, passed, message in ordered if not passed)
    return TaskMark(
        score=earned(cases, passed, task.points),
        points=task.points,
        passed=sum(passed),
        asked=len(verdicts),
        messages=tuple(messages),
    )


def _verdict(question, result, sources, check):
    """Whether a result is right, and what to say if not."""
    name = question.function
    if result is not None:
        if "timeout" in result:
            return False, f"{name} was stopped: it was not done after {result['timeout']:g} s."
        if result.get("killed") == "timeout":
            return False, f"{name} was stopped: it was not done in time, and not to interrupt."
        if "killed" in result:
            return False, f"{name} was stopped: {ended_text(result['killed'])}."
        if "missing" in result:
            return False, f"{name} was not asked any more: {ended_text(result['missing'])}."
        kind = result.get("error", {}).get("type")
        if kind == "NotImplementedError":
            return False, f"{name} is not written yet (NotImplementedError)."
        if kind == "NameError" and name in result["error"].get("message", ""):
            return False, f"There is no function {name}: it is not defined, or its cell fails."
    try:
        verdict = check(question.case, result, sources)
    except Exception as error:
        # Whatever a student's data does to the comparison costs him this case only.
        kind = type(error).__name__
        return False, f"The result of {name} can't be compared with what it must be ({kind})."
    return verdict.passed, verdict.message


def ended_text(reason):
    """Why a submission, a cell or a call was ended, in words."""
    return _ENDED.get(reason, printable(reason, 120) or "the run ended before")
