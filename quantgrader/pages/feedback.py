"""Feedback pages: what a student got, and what is wrong, in the student's terms.

A page is made of the result, the gradebook (marks and comments that a person gave) and the graded
notebook. It holds the student's own text and outputs as plain text and redrawn pictures, and of
the checks only their messages. No script, nothing from any other host.
"""

import secrets

import nbformat

from quantgrader.atomic import remove_left_behind, write_atomically
from quantgrader.course.folders import CourseError
from quantgrader.course.gradebook import is_recorded
from quantgrader.course.journal import Journal
from quantgrader.course.reference import grade_id
from quantgrader.course.settings import settings
from quantgrader.course.submission import read_secret
from quantgrader.endings import NEEDS_REVIEW, STATES
from quantgrader.pages.autograded import written
from quantgrader.pages.outputs import Room, clean_outputs, clean_picture
from quantgrader.pages.templates import render
from quantgrader.texts import clean_text, printable

_MAX_ANSWER = 50_000
_MOST = 5  # messages that are in sight; the others are folded
_SHOWN = "A picture that your cell showed"


def write_feedback(course, assignment, book, students=None, without=None):
    """Write the pages of all graded submissions, or of some students', and return their paths.

    They lie where ``nbgrader release_feedback`` takes them from. Whoever gets no page is put into
    the dict ``without``, with the reason. Raises `Busy` while another run writes pages of the
    assignment.
    """
    reference = course.reference(assignment)
    journal = Journal(course.journal(assignment))
    known = journal.students()
    for student in students or ():
        if student not in known:
            raise CourseError(
                f"{printable(student)} has no result for {assignment}: grade it first."
            )
    paths, without = [], {} if without is None else without
    with journal.locked("feedback"):
        for student in students or known:
            result = journal.read(student)
            if result is None or not STATES[result.status].is_final:
                without[student] = "Not graded yet: run the grading again."
                continue
            if not is_recorded(book, assignment, reference, result):
                without[student] = "Not in the gradebook: run the grading again."
                continue
            page = feedback_page(course, assignment, reference, result, book)
            folder = course.folder("feedback", student, assignment)
            path = folder / f"{reference.name}.html"
            remove_left_behind(folder)
            write_atomically(path, page.encode())
            _write_for_the_exchange(course, assignment, result)
            paths.append(path)
    return paths


def _write_for_the_exchange(course, assignment, result):
    """What ``nbgrader release_feedback`` looks for beside each page: the time, and the key."""
    # Whoever handed in without the exchange has no key and gets one that nobody knows. Without any
    # the command would stop, for all.
    handed_in = course.folder("submitted", result.student, assignment)
    key = read_secret(handed_in, result.student) or secrets.token_hex(32)
    folder = course.folder("feedback", result.student, assignment)
    write_atomically(folder / "submission_secret.txt", key.encode(), 0o600)
    write_atomically(folder / "timestamp.txt", (result.timestamp or "").encode())


def feedback_page(course, assignment, reference, result, book):
    """Return the page of one result."""
    folder = course.folder("autograded", result.student, assignment)
    notebook = book.find_submission_notebook(reference.name, assignment, result.student)
    grades = {grade.name: grade for grade in notebook.grades}
    comments = {comment.name: comment.comment for comment in notebook.comments}
    cells = _graded_cells(folder / f"{reference.name}.ipynb") if result.status == "graded" else []
    named = {grade_id(cell): cell for cell in cells if grade_id(cell)}
    room, level = Room(), settings(course).feedback
    tasks = [
        _task(
            task, result.marks[task.grade_id], grades[task.grade_id], comments, named, room, level
        )
        for task in reference.tasks
    ]
    given = [task for task in tasks if task["score"] is not None]
    penalty = notebook.late_submission_penalty or 0.0
    text = render(
        "feedback.html",
        name=reference.name,
        most=_MOST,
        student=printable(result.student, 100),
        score=max(sum(task["score"] for task in given) - penalty, 0) if given else None,
        maximum=sum(task.points for task in reference.tasks),
        open=len(tasks) - len(given),
        penalty=penalty,
        reasons=[f"{NEEDS_REVIEW * (result.status == 'review')}{r}" for r in result.reasons],
        notes=result.notes,
        tasks=tasks if result.status == "graded" or given else [],
        others=_failed(cells, reference, room) if level == "traceback" else [],
    )
    book.db.remove()
    return text


def _graded_cells(path):
    try:
        return nbformat.read(path, as_version=4).cells
    except (OSError, ValueError):
        return []


def _failed(cells, reference, room):
    """The student's cells beside the tasks that ended with an error: text, and where it failed."""
    of_tasks = {name for task in reference.tasks for name in (task.grade_id, task.solution_id)}
    found = []
    for cell in cells:
        outputs = [o for o in cell.get("outputs", []) if o["output_type"] == "error"]
        if outputs and grade_id(cell) not in of_tasks:
            (error,) = _outputs(outputs[:1], room, "traceback")
            found.append({"text": clean_text(cell.source, _MAX_ANSWER), "error": error["text"]})
    return found


def _task(task, mark, grade, comments, cells, room, level):
    """What the page shows of a task."""
    known = grade.auto_score is not None or grade.manual_score is not None
    solution = cells.get(task.solution_id)
    comment = comments.get(task.solution_id)
    return {
        "name": task.function or task.solution_id,
        "anchor": f"task-{task.grade_id}",
        "score": grade.score if known else None,
        "points": task.points,
        "passed": mark.passed,
        "asked": mark.asked,
        "messages": [printable(message, 500) for message in mark.messages],
        "comment": clean_text(comment) if comment else None,
        "answer": _answer(solution),
        "outputs": []
        if solution is None
        else [
            *_pictures(solution, room),
            *_outputs(solution.get("outputs", []), room, level),
        ],
    }


def _answer(solution):
    if solution is None:
        return None
    return clean_text(written(solution), _MAX_ANSWER)


def _pictures(solution, room):
    """What was pasted into an answer."""
    for picture in solution.get("attachments", {}).values():
        drawn = clean_picture(picture.get("image/png"), room)
        if drawn is not None:
            yield {"image": drawn, "title": "A picture in your answer", "text": ""}


def _outputs(outputs, room, level):
    """What a student's own cell showed: texts and pictures, and where it failed if that is told."""
    shown = []
    for output in clean_outputs(outputs, room):
        if output["output_type"] == "stream":
            title = "Printed" if output["name"] == "stdout" else "Warnings and errors printed"
            shown.append({"image": None, "title": title, "text": output["text"]})
        elif output["output_type"] == "error":
            text = f"{output['ename']}: {output['evalue']}"
            if level == "traceback":
                text = "\n".join(output["traceback"]) or text
            shown.append({"image": None, "title": "Error in this cell", "text": text})
        else:
            data = output["data"]
            if "image/png" in data:
                shown.append({"image": data["image/png"], "title": _SHOWN, "text": ""})
            else:
                shown.append({"image": None, "title": "Result", "text": data["text/plain"]})
    return shown
