"""Grade an assignment: many submissions at a time, each on its own, and any time to be resumed.

Workers only run code in their sandboxes, and others compare what comes back (`finishing`). This
process reads the submissions, and alone writes: the notebook in ``autograded``, then the result in
the journal, which makes it finished, then the marks in the gradebook. Whatever is not finished when
it ends is done again by the next run; a finished result that is not in the gradebook yet is
written there.
"""

import hashlib
import json
import os
from concurrent.futures import FIRST_COMPLETED, wait
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace

from quantgrader import finishing
from quantgrader.allowances import limits_for, preload_of
from quantgrader.atomic import remove_left_behind
from quantgrader.cases import questions
from quantgrader.cases.compare import Mark
from quantgrader.course import gradebook
from quantgrader.course.folders import CourseError
from quantgrader.course.journal import VERSION, Journal, Result
from quantgrader.course.preflight import preflight
from quantgrader.course.submission import read_submission
from quantgrader.endings import KERNEL, STATES
from quantgrader.marking import make_job
from quantgrader.pages.autograded import remove_autograded, write_autograded
from quantgrader.sandbox import walls
from quantgrader.sandbox.job import imports_of
from quantgrader.sandbox.limits import Limits
from quantgrader.sandbox.serve import settings
from quantgrader.texts import printable
from quantgrader.workers import LocalWorkers, WorkerDied, cluster_workers, require_outcome

_AHEAD = 2
# Raised where the grader comes to other marks or pages: then what is finished is graded anew.
_RULES = 2


@dataclass
class _Work:
    """A submission that is being run: the workers' first and last answers, what came of them."""

    notebook: object
    result: Result
    beside: tuple = ()
    answers: list = field(default_factory=list)
    state: dict | None = None


@dataclass
class Grading:
    """One run of the command: what it works on, and what has become of it."""

    course: object
    assignment: str
    reference: object
    questions: list
    limits: Limits
    sandboxed: bool
    journal: Journal
    book: object
    basis: bytes
    finishing: str
    results: dict = field(default_factory=dict)
    kept: set = field(default_factory=set)
    unrecorded: dict = field(default_factory=dict)

    def __post_init__(self):
        """Say what each function is asked."""
        self.digests = questions.digests(self.questions)

    def look_at(self, student, force):
        """Read a submission, and return it as it is to be run, or None if it is done."""
        folder = self.course.folder("submitted", student, self.assignment)
        near = self.course.misplaced(student, self.assignment)
        submission = read_submission(folder, student, self.reference, near=near)
        fingerprint = hashlib.sha256(self.basis + submission.fingerprint.encode()).hexdigest()
        before = None if force else self.journal.read(student)
        if before is not None and self._is_finished(before, fingerprint):
            self.kept.add(student)
            self._record(before)
            return None
        found = preflight(submission, self.reference)
        result = Result(
            student, "review", fingerprint, submission.fingerprint, notes=found.notes,
            timestamp=submission.timestamp, sandboxed=self.sandboxed, asked=self.digests,
        )  # fmt: skip
        if found.notebook is not None:
            return _Work(found.notebook, result, submission.beside)
        self.finish(_for_review(result, self.reference, found.reason))
        return None

    def _is_finished(self, result, fingerprint):
        if result.fingerprint != fingerprint or not STATES[result.status].is_final:
            return False
        return result.status == "review" or self._autograded(result.student).is_file()

    def _autograded(self, student):
        folder = self.course.folder("autograded", student, self.assignment)
        return folder / f"{self.reference.name}.ipynb"

    def job(self, notebook):
        """What a worker gets, as data."""
        return make_job(notebook, self.questions, self.reference).as_dict()

    def finishing_job(self, work):
        """What is to be looked at beside this process."""
        return {
            "notebook": work.notebook, "beside": list(work.beside), "answers": work.answers,
            "state": work.state, "seconds": self.limits.total_seconds, "chosen": None, "kept": {},
        }  # fmt: skip

    def mark(self, result, found):
        """Write down what was found in a submission's results."""
        if "ended" in found:
            raise WorkerDied(f"{KERNEL[found['ended']['reason']].text}: {found['ended']['detail']}")
        if "broken" in found:
            raise WorkerDied(found["broken"])
        if "problem" in found:
            reason = f"What it brought can't be looked at ({found['problem']})."
            self.finish(_for_review(result, self.reference, reason))
            return
        done = replace(
            result, status="graded", reasons=tuple(found["reasons"]),
            marks={name: Mark.from_dict(mark) for name, mark in found["marks"].items()},
            unanswered=tuple(found["unanswered"]), seconds=found["seconds"],
        )  # fmt: skip
        place = self._autograded(result.student)
        write_autograded(place, found["text"], self.reference.files, result.timestamp)
        self.finish(done)

    def finish(self, result):
        """Keep a result, and write it into the gradebook."""
        if result.status == "review":
            remove_autograded(self._autograded(result.student))
        before = self.journal.read(result.student)
        self.journal.write(result)
        # The same automatic marks for another answer, or for other points: the gradebook follows.
        anew = before is None or _stakes(before) != _stakes(result)
        self._record(result, before, anew)

    def fail(self, student, reason):
        """Say that a submission could not be graded, through no fault of the student."""
        result = Result(student, "failed", reasons=(reason,), sandboxed=self.sandboxed)
        self.results[student] = result
        # A full disk or a name that is no text: it is in the results, and tried again.
        with suppress(OSError, ValueError):
            self.journal.write(result)

    def _record(self, result, before=None, anew=False):
        self.results[result.student] = result
        try:
            where = self.assignment, self.reference
            if not anew and gradebook.is_recorded(self.book, *where, result):
                gradebook.renew_penalty(self.book, self.course, *where, result.student)
            else:
                gradebook.record(self.book, self.course, *where, result, before)
        except Exception as error:
            self.unrecorded[result.student] = printable(f"{type(error).__name__}: {error}", 200)
        finally:
            self.book.db.remove()


def grade(
    course,
    assignment,
    *,
    students=None,
    jobs=None,
    scheduler=None,
    sandboxed=True,
    force=False,
    progress=None,
    kind=Grading,
):
    """Grade what was handed in for an assignment, and return the `Grading` with all results.

    Parameters
    ----------
    students : sequence of str, optional
        Only these; by default everybody who handed something in.
    jobs : int, optional
        Worker processes of this machine; by default one a core.
    scheduler : str, optional
        Address of a Dask scheduler whose workers run the submissions instead.
    sandboxed : bool
        False runs submissions with the rights of whoever starts this.
    force : bool
        Also what is finished.
    progress : callable, optional
        Called with (number of finished ones, number of all) whenever that changes.
    kind : callable
        Makes the `Grading`: another kind may ask less of each submission.

    Raises
    ------
    CourseError
        Where something is wrong with the course; nothing was graded then.
    SandboxUnavailable
        Where the sandbox can't be used; nothing was graded then.
    """
    reference = course.reference(assignment)
    asked, _ = questions.load(course.cases_file(assignment), reference)
    everybody = course.submitters(assignment)
    chosen = list(dict.fromkeys(students)) if students else everybody
    for student in chosen:
        if student not in everybody:
            raise CourseError(f"{printable(student)} has handed in nothing for {assignment}.")
    if sandboxed and scheduler is None:
        report = walls.availability()
        if not report.usable:
            raise walls.SandboxUnavailable(str(report))
    limits = limits_for(course, reference)
    sandbox_settings = settings(
        limits=limits, hidden=course.secrets(),
        preload=(*imports_of(reference.code), *preload_of(course)),
        mode="auto" if sandboxed else "none",
    )  # fmt: skip
    basis = hashlib.sha256(f"{VERSION} {_RULES} {limits} {sandboxed}".encode())
    basis.update(reference.as_bytes() + course.cases_file(assignment).read_bytes())
    journal = Journal(course.journal(assignment))
    with ExitStack() as stack:
        stack.enter_context(journal.locked())
        remove_left_behind(journal.folder)
        book = stack.enter_context(gradebook.open_gradebook(course))
        gradebook.require_assignment(book, reference, assignment)
        book.db.remove()
        run = kind(
            course, assignment, reference, asked, limits, sandboxed, journal, book,
            basis.digest(),
            finishing.settings(course.released(assignment), course.cases_file(assignment)),
        )  # fmt: skip
        log = stack.enter_context((journal.folder / "workers.log").open("w"))
        count = min(jobs or len(os.sched_getaffinity(0)), max(len(chosen), 1))
        if scheduler is not None:
            workers = stack.enter_context(cluster_workers(scheduler))
        else:
            workers = stack.enter_context(LocalWorkers(count, log, apart=True))
        finishers = stack.enter_context(
            LocalWorkers(count, log, "quantgrader.finishing", finishing.SECONDS)
        )
        _run_all(
            run, workers, finishers, sandbox_settings, chosen, force, progress or (lambda *_: None)
        )
    return run


def _run_all(run, workers, finishers, sandbox_settings, students, force, progress):
    """Keep the workers busy until every student has a result."""
    waiting, pending, finishing_jobs = iter(students), {}, {}
    progress(0, len(students))

    def submit(work, job):
        pending[workers.submit(sandbox_settings, json.dumps(job))] = work

    def next_one():
        """Hand the next submission that has to be run to a worker; False when there is none."""
        for student in waiting:
            try:
                todo = run.look_at(student, force)
                if todo is not None:
                    submit(todo, run.job(todo.notebook))
                    return True
            except Exception as error:
                run.fail(student, _unexpected(error))
            progress(len(run.results), len(students))
        return False

    def go_on(future, work, is_finished):
        """Take what a submission has come to one step on."""
        if not is_finished:
            answer = future.result()
            require_outcome(answer)
            work.answers = [*work.answers[:1], answer]
            job = json.dumps(run.finishing_job(work))
            finishing_jobs[finishers.submit(run.finishing, job)] = work
            return
        try:
            found = json.loads(future.result())
        except WorkerDied:
            found = {"problem": "it took too much time or memory"}
        if "job" in found:
            work.state = found["state"]
            submit(work, found["job"])
        else:
            run.mark(work.result, found)

    while True:
        while len(pending) + len(finishing_jobs) < workers.width + _AHEAD and next_one():
            pass
        if not pending and not finishing_jobs:
            return
        for future in wait([*pending, *finishing_jobs], return_when=FIRST_COMPLETED).done:
            is_finished = future in finishing_jobs
            work = (finishing_jobs if is_finished else pending).pop(future)
            try:
                go_on(future, work, is_finished)
            except walls.SandboxUnavailable:
                raise
            except Exception as error:
                run.fail(work.result.student, _unexpected(error))
            progress(len(run.results), len(students))


def _stakes(result):
    """What a mark is given for: the submission, and the points of each question."""
    return result.submission, {name: mark.points for name, mark in result.marks.items()}


def _unexpected(error):
    return f"Not graded, run the command again: {printable(f'{type(error).__name__}: {error}')}"


def _for_review(result, reference, reason):
    marks = {task.grade_id: Mark(None, task.points) for task in reference.tasks}
    return replace(result, reasons=(reason,), marks=marks)
