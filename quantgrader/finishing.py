"""What comes out of the sandbox is looked at here, in processes beside the grader's main one.

Results, outputs and texts are a stranger's. To compare them, take them apart and draw them anew may
take memory and seconds that nobody foresaw, or bring a library down. Then it is this process that
ends, and one submission that a person has to look at; everybody else is graded meanwhile.
"""

import json
import resource
from dataclasses import asdict
from functools import cache
from pathlib import Path

import nbformat

from quantgrader.cases import questions
from quantgrader.cases.compare import Mark
from quantgrader.course import elsewhere
from quantgrader.course.reference import Reference, defined_names, grade_id
from quantgrader.endings import cell_texts, kernel_text
from quantgrader.marking import mark_tasks
from quantgrader.pages.autograded import autograded
from quantgrader.sandbox.job import Outcome
from quantgrader.sandbox.serve import answer_lines
from quantgrader.second_look import SecondLook, second_looks
from quantgrader.texts import listed, printable

#: Of one process, beyond what its program and libraries take.
MEMORY_BYTES = 3 << 30
#: For one submission; usually it takes a tenth of a second.
SECONDS = 120
_INSTEAD = "with the course's own in place of earlier functions that are wrong"


def settings(released, cases):
    """What `finish_text` needs to know of the assignment, as a text: two files of the course."""
    return json.dumps({"released": str(released), "cases": str(cases)})


@cache
def _assignment(found):
    paths = json.loads(found)
    reference = Reference.read(paths["released"])
    return reference, *questions.load(Path(paths["cases"]), reference)


def finish_text(found_settings, job):
    """`finish` for texts: ``job`` holds the notebook, files beside it, and the worker's answers.

    The first answer is to all ``chosen`` questions (None: all there are); marks of others may be
    ``kept``. A second one is to a `second_look`. What is returned holds "job" where one of these is
    to be run, with a "state" that belongs to its answer; "ended" where the grader itself failed,
    "problem" where what the submission brought can't be looked at, or else what `finish` gives.
    All runs together have the ``seconds`` of one.
    """
    reference, asked, model = _assignment(found_settings)
    job = json.loads(job)
    if job["chosen"] is not None:
        asked = [question for question in asked if question.grade_id in job["chosen"]]
    try:
        notebook = nbformat.from_dict(job["notebook"])
        outcomes = [Outcome.from_dict(json.loads(text)["outcome"]) for text in job["answers"]]
        for outcome in outcomes:
            if outcome.ended and outcome.ended["reason"] == "sandbox":
                return json.dumps({"ended": outcome.ended})
        sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
        state = job["state"] or {"marks": job["kept"], "looks": [], "spent": 0}
        marks = {name: Mark.from_dict(mark) for name, mark in state["marks"].items()}
        looks = [SecondLook.from_dict(look) for look in state["looks"]]
        spent = state["spent"] + outcomes[-1].seconds
        if job["state"] is None:
            marks |= mark_tasks(reference, asked, outcomes[0].probes, sources)
            looks = second_looks(reference, asked, model, marks, sources)
        else:
            look = looks.pop(0)
            marks[look.grade_id] = look.better(reference, asked, marks, outcomes[1], sources)
        if looks and spent < job["seconds"]:
            state = {
                "marks": {name: asdict(mark) for name, mark in marks.items()},
                "looks": [asdict(look) for look in looks], "spent": spent,
            }  # fmt: skip
            next_one = looks[0].job(reference, asked, model, notebook)
            return json.dumps({"job": next_one.as_dict(), "state": state})
        found = finish(reference, marks, notebook, job["beside"], outcomes[0])
        if looks:
            names = listed([look.function for look in looks])
            found["reasons"].append(f"There was no time to ask {names} once more: {_INSTEAD}.")
    except Exception as error:
        return json.dumps({"problem": printable(f"{type(error).__name__}: {error}", 200)})
    return json.dumps(found)


def finish(reference, marks, notebook, beside, outcome):
    """Marks, reasons, unanswered answers and the text of the graded notebook, as a dict."""
    reasons = _reasons(notebook, outcome, marks) + _defined_again(notebook, reference)
    unanswered = elsewhere.unanswered(notebook, reference)
    for task in reference.tasks:
        if task.grade_id in marks:
            continue
        places = ()
        if task.grade_id in unanswered:
            places = elsewhere.places(notebook, reference, task.grade_id, beside)
        if places:
            unanswered.remove(task.grade_id)
            reasons.append(
                f"The cell {task.grade_id} is as it was given out, but the answer may be "
                f"elsewhere: look at {listed(places)}."
            )
        # 0 by itself only where nothing at all was handed in.
        score = 0.0 if task.grade_id in unanswered else None
        marks[task.grade_id] = Mark(score, task.points)
    return {
        "marks": {name: asdict(mark) for name, mark in marks.items()},
        "reasons": reasons,
        "unanswered": unanswered,
        "seconds": round(outcome.seconds, 3),
        "text": autograded(notebook, outcome.cells, marks, reference),
    }


def _reasons(notebook, outcome, marks):
    """Sentences on what went wrong in the run, beside the marks."""
    found = []
    if outcome.ended:
        found.append(f"The run ended early: {kernel_text(outcome.ended['reason'])}.")
    for run in outcome.cells:
        cell = notebook.cells[int(run.grade_id)]
        identity, number = grade_id(cell), cell.metadata.get(elsewhere.NUMBER)
        name = identity or (f"number {number}" if number else cell["id"])
        found += cell_texts(name, run, is_marked=identity in marks)
    return found


def _defined_again(notebook, reference):
    """Sentences on functions that are defined again after their checks, where they don't count."""
    found, seen = [], set()
    checked = {task.grade_id: task for task in reference.tasks if task.function is not None}
    missing = elsewhere.unanswered(notebook, reference)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            again = [name for name in seen if name in defined_names(cell.source)]
            found += [
                f"{name} is defined again after its checks: what stands before them counts."
                for name in again
            ]
        task = checked.get(grade_id(cell))
        if task is not None and task.solution_id not in missing:
            seen.add(task.function)
    return list(dict.fromkeys(found))


def main():
    """Answer lines until the other side is gone."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    bound = pages * resource.getpagesize() + MEMORY_BYTES
    if hard != resource.RLIM_INFINITY:
        bound = min(bound, hard)
    resource.setrlimit(resource.RLIMIT_AS, (bound, hard))
    answer_lines(finish_text)


if __name__ == "__main__":
    main()
