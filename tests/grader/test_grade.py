"""Grading many submissions: marks, reasons, isolation, recovery, clusters, PostgreSQL."""

import csv
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from quantgrader import finishing
from quantgrader import grade as grading
from quantgrader.cases import questions
from quantgrader.classroom import button
from quantgrader.cli import main
from quantgrader.commands.options import other_code
from quantgrader.course.folders import CourseError, open_course
from quantgrader.course.gradebook import open_gradebook, transaction
from quantgrader.course.journal import Busy, Journal, Result
from quantgrader.pages import report
from quantgrader.sandbox import walls
from quantgrader.sandbox.job import Outcome
from quantgrader.validate import validate
from quantgrader.workers import LocalWorkers, WorkerDied, WorkerStuck
from tests.grader import grading_support as small
from tests.grader.sandbox_support import require_sandbox
from tools.course import ROOT

pytestmark = pytest.mark.slow

REVIEW = {"double-test": None, "mean-test": None, "why": None}


@pytest.fixture(scope="session")
def original(tmp_path_factory):
    require_sandbox()
    return small.School.make(tmp_path_factory.mktemp("course") / "course")


@pytest.fixture
def school(original, tmp_path):
    return original.copy(tmp_path / "course")


EVIL = "<script>x()</script>\n\na < b <img src=x onerror=x()> $\\href{javascript:x()}{y}$"


SOME = ("a-honest", "d-partial", "g-broken", "z-honest")


def fill(school, only=None):
    """Submissions of all kinds, honest ones among them; or only some of them."""
    good = {"double": small.DOUBLE, "mean": small.MEAN, "why": "Because it is."}
    school.submit("a-honest", **good)
    school.submit("b-untouched")
    school.submit("c-half", **(good | {"mean": small.released_cell("mean")}))
    school.submit("d-partial", **(good | {"double": "def double(x):\n    return x * abs(x)"}))
    school.submit("e-exit", **(good | {"double": "import os\ndef double(x):\n    os._exit(0)"}))
    school.submit("f-loop", **(good | {"imports": "while True:\n    pass"}))
    school.submit("g-broken", "{")
    school.submit("h-raises", **(good | {"mean": "def mean(v):\n    raise ValueError(str(v))"}))
    page = "from IPython.display import *\ndisplay(HTML('<script>x()</script>'))"
    school.submit("i-html", **(good | {"imports": page, "why": EVIL}))
    note = "import sys\nprint('note', file=sys.stderr)\n"
    school.submit("j-warns", **(good | {"double": note + small.DOUBLE}))
    moved = small.answered(**(good | {"why": small.released_cell("why")}))
    moved.cells.append(nbformat.v4.new_markdown_cell("Because it is."))
    school.submit("k-elsewhere", moved)
    without = small.answered(**good)
    small.cell_of(without, "imports").source = "from google.colab import drive\nimport numpy as np"
    small.cell_of(without, "mean").source = "def mean(v):\n    return float(np.mean(v))"
    school.submit("l-colab", without)
    school.submit("z-honest", **good)
    for path in (school.root / "submitted").iterdir():
        if only is not None and path.name not in only:
            shutil.rmtree(path)


EXPECTED = {
    "a-honest": small.full(),
    "b-untouched": {"double-test": 0.0, "mean-test": 0.0, "why": 0.0},
    "c-half": small.full(**{"mean-test": 0.0}),
    "d-partial": small.full(**{"double-test": 1.0}),
    "e-exit": small.full(**{"double-test": 0.0}),
    "f-loop": small.full(),
    "g-broken": REVIEW,
    "h-raises": small.full(**{"mean-test": 0.0}),
    "i-html": small.full(),
    "j-warns": small.full(),
    "k-elsewhere": small.full(),
    "l-colab": small.full(),
    "z-honest": small.full(),
}


@pytest.fixture(scope="session")
def graded(original, tmp_path_factory):
    """A course that was graded by the command, and what it printed. Only to be read."""
    school = original.copy(tmp_path_factory.mktemp("graded") / "course")
    fill(school)
    status, printed = school.run("grade", "small", "--jobs", "2")
    assert status == 0, printed
    return school, printed


def result_of(school, student):
    return Journal(school.root / "journal" / "small").read(student)


def autograded(school, student):
    path = school.root / "autograded" / student / "small" / "small.ipynb"
    return nbformat.read(path, as_version=4)


def test_marks(graded):
    assert graded[0].marks() == EXPECTED


def test_what_is_printed(graded):
    printed = graded[1]
    assert "13 submissions: 12 graded, 1 to be reviewed, 0 not graded." in printed
    assert "g-broken: The notebook is not valid JSON (line 1)." in printed


def test_messages_are_in_the_students_terms(graded):
    school, _ = graded

    def messages(student, task):
        return list(result_of(school, student).marks[task].messages)

    assert messages("a-honest", "double-test") == []
    assert "not written yet" in messages("b-untouched", "double-test")[0]
    assert messages("d-partial", "double-test") == ["It grew. ", "Twice a fraction is wrong."] or (
        messages("d-partial", "double-test")[-1] == "Twice a fraction is wrong."
    )
    assert "the kernel ended" in messages("e-exit", "double-test")[0]
    assert "The cell number 2 was stopped after" in result_of(school, "f-loop").reasons[0]
    (reason,) = result_of(school, "k-elsewhere").reasons
    assert "why is as it was given out" in reason and "look at cell 12" in reason
    assert result_of(school, "k-elsewhere").unanswered == ()
    (reason,) = result_of(school, "l-colab").reasons
    assert reason == "The cell number 2 ended with an error (ModuleNotFoundError)."


def test_an_exception_does_not_carry_a_hidden_input_out(graded):
    school, _ = graded
    result = result_of(school, "h-raises")
    assert result.marks["mean-test"].score == 0
    for text in (str(result), nbformat.writes(autograded(school, "h-raises"))):
        assert "987.6543" not in text and "0.123454321" not in text


def test_graded_notebooks_are_as_nbgrader_needs_them(graded):
    from nbgrader.nbgraderformat import MetadataValidator

    school, _ = graded
    for student in EXPECTED.keys() - {"g-broken"}:
        found = autograded(school, student)
        nbformat.validate(found)
        MetadataValidator().validate_nb(found)
        outputs = json.dumps([cell.get("outputs") for cell in found.cells])
        assert "<script" not in outputs and "text/html" not in outputs
    (output,) = small.cell_of(autograded(school, "d-partial"), "double-test").outputs
    assert output.output_type == "error" and "1 of 3 points" in output.evalue
    assert not (school.root / "autograded" / "g-broken" / "small" / "small.ipynb").exists()


def test_nbgrader_exports_and_gives_feedback(graded, tmp_path):
    school = graded[0].copy(tmp_path / "course")
    school.nbgrader("export", "--to", "grades.csv")
    with (school.root / "grades.csv").open(newline="") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    assert set(rows) == set(EXPECTED)
    for student, marks in EXPECTED.items():
        assert float(rows[student]["score"]) == sum(filter(None, marks.values()))
    school.nbgrader("generate_feedback", "small", "--student=i-html")
    page = (school.root / "feedback" / "i-html" / "small" / "small.html").read_text()
    assert "x()" in page and "a &lt; b" in page
    for live in ("<script>x()", "<img src=x", "\\href"):
        assert live not in page


def test_second_run_keeps_everything(graded, tmp_path):
    school = graded[0].copy(tmp_path / "course")
    before = {path: path.stat().st_mtime_ns for path in (school.root / "journal").rglob("*.json")}
    run = grading.grade(school.course(), "small")
    assert run.kept == set(EXPECTED)
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert school.marks() == EXPECTED


def test_students_can_be_chosen(school):
    fill(school)
    grading.grade(school.course(), "small", students=["g-broken", "a-honest"], jobs=1)
    assert school.marks() == {name: EXPECTED[name] for name in ("a-honest", "g-broken")}
    with pytest.raises(CourseError, match="nobody has handed in nothing"):
        grading.grade(school.course(), "small", students=["nobody"])
    with pytest.raises(CourseError, match="handed in nothing"):
        grading.grade(school.course(), "small", students=["../submitted/a-honest"])
    with pytest.raises(CourseError, match="no name of an assignment"):
        grading.grade(school.course(), "../small")


def later(source, **answers):
    """A notebook with one more cell at its end."""
    found = small.answered(**({"double": small.DOUBLE, "mean": small.MEAN} | answers))
    found.cells.append(nbformat.v4.new_code_cell(source))
    return found


SMALLEST = "def mean(v):\n    return (max(v) + min(v)) / 2"
LATER = {
    "reset": (later("%reset -f"), True),
    "deleted": (later("del double, mean, np, In, Out"), True),
    "taken": (later("max = 3", mean=SMALLEST), True),
    "helper": (later("size = 0", mean="size = 2\ndef mean(v):\n    return sum(v) / size"), True),
    "better": (later(small.MEAN, mean="def mean(v):\n    return 0"), False),
}  # fmt: skip


def test_the_same_verdict_at_home_and_here(school):
    """What a name stands for when its checks are come to counts, whatever a later cell does."""
    for name, (found, _) in LATER.items():
        school.submit(name, found)
    school.submit("below", later(small.MEAN, mean=small.released_cell("mean")))
    grading.grade(school.course(), "small", jobs=2)
    marks = school.marks()
    for name, (_, passes) in LATER.items():
        checks = validate(school.root / "submitted" / name / "small" / "small.ipynb")
        assert {check.grade_id for check in checks if check.problem is None} == (
            {"double-test", "mean-test"} if passes else {"double-test"}
        ), name
        assert marks[name]["double-test"] == 3, name
        assert (marks[name]["mean-test"] == 2) is passes, name
    # Nothing was in its place: then what stands further down is taken.
    assert marks["below"] == small.full()
    reason = "mean is defined again after its checks: what stands before them counts."
    assert reason in result_of(school, "better").reasons


# Recovery


def test_finished_results_reach_a_gradebook_that_lost_them(graded, tmp_path):
    school = graded[0].copy(tmp_path / "course")
    with open_gradebook(school.course()) as book:
        book.remove_student("a-honest")
    assert "a-honest" not in school.marks()
    run = grading.grade(school.course(), "small")
    assert run.kept == set(EXPECTED)
    assert school.marks() == EXPECTED


def test_damaged_journal_and_lost_notebook_are_made_again(graded, tmp_path):
    school = graded[0].copy(tmp_path / "course")
    journal = Journal(school.root / "journal" / "small")
    journal._path("a-honest").write_text('{"version": 1, "stu')
    journal._path("c-half").write_text('{"version": 99, "student": "c-half"}')
    (school.root / "autograded" / "z-honest" / "small" / "small.ipynb").unlink()
    # As a command leaves them that is killed while it writes.
    left = [journal.folder / ".tmp-left"]
    left += [school.root / f"autograded/{name}/small/.tmp-left" for name in ("c-half", "z-honest")]
    for path in left:
        path.write_text("half of a result")
    run = grading.grade(school.course(), "small", jobs=1)
    assert set(EXPECTED) - run.kept == {"a-honest", "c-half", "z-honest"}
    assert not any(path.exists() for path in left)
    assert school.marks() == EXPECTED


def test_new_submission_is_graded_again_and_a_persons_mark_stays(school):
    school.submit("ada", double=small.DOUBLE)
    grading.grade(school.course(), "small", jobs=1)
    with open_gradebook(school.course()) as book:
        grade = book.find_grade("double-test", "small", "small", "ada")
        grade.manual_score, grade.needs_manual_grade = 2.5, False
        book.db.commit()
    school.submit("ada", small.honest())
    run = grading.grade(school.course(), "small", jobs=1)
    assert run.kept == set()
    assert school.marks()["ada"] == small.full()
    with open_gradebook(school.course()) as book:
        grade = book.find_grade("double-test", "small", "small", "ada")
        assert (grade.manual_score, grade.score, grade.needs_manual_grade) == (2.5, 2.5, True)


def test_broken_resubmission_takes_the_old_marks_away(school):
    school.submit("ada", small.honest())
    grading.grade(school.course(), "small", jobs=1)
    school.submit("ada", "{")
    grading.grade(school.course(), "small", jobs=1)
    assert school.marks()["ada"] == REVIEW
    assert not (school.root / "autograded" / "ada" / "small" / "small.ipynb").exists()
    with open_gradebook(school.course()) as book:
        comments = book.find_submission_notebook("small", "small", "ada").comments
        assert any("Needs review" in (c.comment or "") for c in comments)


def test_late_submissions_get_the_courses_penalty(school):
    with (school.root / "nbgrader_config.py").open("a") as config:
        config.write('c.LateSubmissionPlugin.penalty_method = "zero"\n')
    with open_gradebook(school.course()) as book:
        book.update_or_create_assignment("small", duedate="2026-03-01 12:00 UTC")
    school.submit("early", small.honest(), timestamp="2026-03-01 11:00:00 UTC")
    school.submit("late", small.honest(), timestamp="2026-03-01 13:00:00 UTC")
    school.submit("odd", small.honest(), timestamp="the day before yesterday")
    run = grading.grade(school.course(), "small", jobs=1)
    assert not run.unrecorded and {r.status for r in run.results.values()} == {"graded"}
    with open_gradebook(school.course()) as book:
        found = {s.student.id: s for s in book.assignment_submissions("small")}
        penalties = {name: s.notebooks[0].late_submission_penalty for name, s in found.items()}
        assert penalties == {"early": None, "late": 5.0, "odd": None}
    assert grading.grade(school.course(), "small").kept == {"early", "late", "odd"}


def test_penalties_follow_a_due_date_that_was_moved(school):
    """Whoever gets more time afterwards loses nothing, though nothing is run again."""
    with (school.root / "nbgrader_config.py").open("a") as config:
        config.write('c.LateSubmissionPlugin.penalty_method = "zero"\n')

    def penalty(duedate):
        with open_gradebook(school.course()) as book:
            book.update_or_create_assignment("small", duedate=duedate)
        run = grading.grade(school.course(), "small", jobs=1)
        assert not run.unrecorded
        with open_gradebook(school.course()) as book:
            notebook = book.find_submission_notebook("small", "small", "ada")
            return run.kept, notebook.late_submission_penalty, notebook.needs_manual_grade

    school.submit("ada", small.honest(), timestamp="2026-03-01 13:00:00 UTC")
    assert penalty("2026-03-01 12:00 UTC") == (set(), 5.0, True)
    assert penalty("2026-03-01 14:00 UTC") == ({"ada"}, None, True)
    assert penalty("2026-03-01 12:00 UTC") == ({"ada"}, 5.0, True)


def test_transaction_is_all_or_nothing(school):
    with open_gradebook(school.course()) as book:
        with pytest.raises(ZeroDivisionError), transaction(book):
            book.update_or_create_student("ada")
            book.update_or_create_submission("small", "ada")
            raise ZeroDivisionError
        assert book.students == []
        with transaction(book):
            book.update_or_create_student("ada")
        assert [student.id for student in book.students] == ["ada"]


def test_gradebook_that_cannot_be_written_is_caught_up_with(school, monkeypatch):
    school.submit("ada", small.honest())

    def locked(*_):
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(grading.gradebook, "record", locked)
        run = grading.grade(school.course(), "small", jobs=1)
    assert "the disk is full" in run.unrecorded["ada"]
    assert school.marks() == {}
    run = grading.grade(school.course(), "small", jobs=1)
    assert run.kept == {"ada"} and not run.unrecorded
    assert school.marks() == {"ada": small.full()}


def test_killed_at_any_moment_and_run_again(school, graded):
    """kill -9 at random moments, then a run to the end: the marks of an undisturbed run."""
    fill(school)
    moments, kills = random.Random(3), 0
    for _ in range(4):
        process = school.command("grade", "small", "--jobs", "2", start_new_session=True)
        journal = school.root / "journal" / "small"
        while not journal.is_dir() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(moments.uniform(0.1, 2.5))
        workers = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        process.stdout.close()
        # With the command its workers go, and with them their sandboxes.
        _, alive = psutil.wait_procs(workers, timeout=60)
        assert alive == []
    assert kills
    status, printed = school.run("grade", "small", "--jobs", "2")
    assert status == 0, printed
    assert school.marks() == EXPECTED
    for student in EXPECTED:
        assert result_of(school, student).marks == result_of(graded[0], student).marks
    assert not list((school.root / "journal").rglob(".tmp-*"))


# Isolation


def test_worker_that_dies_is_replaced(school):
    for name in ("ada", "bob"):
        school.submit(name, **{"double": small.DOUBLE, "imports": "import time\ntime.sleep(2)"})

    def kill_one():
        mine = psutil.Process()
        for _ in range(2_000):
            for child in mine.children():
                if "quantgrader.sandbox.serve" in " ".join(child.cmdline()) and child.children():
                    time.sleep(0.5)
                    child.kill()
                    return
            time.sleep(0.05)

    killer = threading.Thread(target=kill_one)
    killer.start()
    run = grading.grade(school.course(), "small", jobs=1)
    killer.join()
    assert {r.status for r in run.results.values()} == {"graded"}
    assert {m["double-test"] for m in school.marks().values()} == {3.0}


def test_worker_that_always_dies_costs_its_job_only(monkeypatch):
    program = "import sys\nfor line in sys.stdin:\n    'bad' in line and exit()\n    print('ok')"
    start = subprocess.Popen
    monkeypatch.setattr(
        "quantgrader.workers.subprocess.Popen",
        lambda command, **options: start([command[0], "-u", "-c", program], **options),
    )
    settings = json.dumps({"limits": {"total_seconds": 5}})
    with LocalWorkers(2) as workers:
        futures = [workers.submit(settings, job) for job in ("good", "bad", "good")]
        assert [f.exception() is None for f in futures] == [True, False, True]
        with pytest.raises(WorkerDied):
            futures[1].result()


def test_a_job_that_takes_too_long_is_not_run_again(monkeypatch):
    program, started = "import time\ntime.sleep(10_000)", []
    start = subprocess.Popen
    monkeypatch.setattr(
        "quantgrader.workers.subprocess.Popen",
        lambda command, **options: (
            started.append(start([command[0], "-c", program], **options)) or started[-1]
        ),
    )
    with (
        LocalWorkers(1, seconds=1) as workers,
        pytest.raises(WorkerStuck, match="took more than 1 s"),
    ):
        workers.submit("{}", "x").result()
    assert len(started) == 1


def test_each_worker_has_its_share_of_the_processor(monkeypatch):
    program = (
        "import json, os, sys\nfor line in sys.stdin:\n"
        "    print(json.dumps(sorted(os.sched_getaffinity(0))), flush=True)"
    )
    start = subprocess.Popen
    monkeypatch.setattr(
        "quantgrader.workers.subprocess.Popen",
        lambda command, **options: start([command[0], "-u", "-c", program], **options),
    )
    cores = os.sched_getaffinity(0)
    settings = json.dumps({"limits": {"total_seconds": 60}})
    with LocalWorkers(len(cores), apart=True) as workers:
        jobs = [workers.submit(settings, "x") for _ in range(8 * len(cores))]
        shares = {tuple(json.loads(job.result())) for job in jobs}
    assert all(len(share) == 1 for share in shares) and {s[0] for s in shares} <= cores
    with LocalWorkers(len(cores) + 1, apart=True) as workers:
        assert set(json.loads(workers.submit(settings, "x").result())) == cores


def test_failure_of_the_grader_itself_stays_with_one_student(school, monkeypatch):
    for name in ("ada", "bob", "cyd"):
        school.submit(name, small.honest())
    honest_mark = grading.Grading.mark

    def mark(self, result, found):
        if result.student == "bob":
            raise RuntimeError("a fault of the grader")
        return honest_mark(self, result, found)

    with monkeypatch.context() as patch:
        patch.setattr(grading.Grading, "mark", mark)
        run = grading.grade(school.course(), "small", jobs=1)
    assert {n: r.status for n, r in run.results.items()} == {
        "ada": "graded", "bob": "failed", "cyd": "graded",
    }  # fmt: skip
    assert "a fault of the grader" in run.results["bob"].reasons[0]
    assert set(school.marks()) == {"ada", "cyd"}
    run = grading.grade(school.course(), "small", jobs=1)
    assert run.kept == {"ada", "cyd"} and school.marks()["bob"] == small.full()


def finished(school, outcome, notebook=None):
    """What becomes of an outcome, in the process for that."""
    found = finishing.settings(
        school.root / "exercises" / "small" / "small.ipynb", school.root / "hidden" / "small.json"
    )
    answer = json.dumps({"outcome": outcome})
    job = {
        "notebook": notebook or small.honest(), "beside": [], "answers": [answer],
        "state": None, "seconds": 600, "chosen": None, "kept": {},
    }  # fmt: skip
    return json.loads(finishing.finish_text(found, json.dumps(job)))


def test_second_looks_have_the_time_of_one_run_together(school):
    """A submission of slow functions must not take a run for each of them."""
    asked, _ = questions.load(school.root / "hidden" / "small.json", small.reference())
    wrong = tuple({"missing": "x"} for question in asked if question.is_asked)
    notebook = small.answered(
        double="def double(x):\n    return 3", mean="def mean(v):\n    return double(sum(v))"
    )
    found = finished(school, Outcome((), wrong, seconds=599.0).as_dict(), notebook)
    assert [look["function"] for look in found["state"]["looks"]] == ["mean"]
    found = finished(school, Outcome((), wrong, seconds=601.0).as_dict(), notebook)
    assert "There was no time to ask mean once more" in found["reasons"][-1]
    assert found["marks"]["mean-test"]["score"] == 0


def test_what_can_not_be_looked_at_is_that_students(school):
    """Whatever goes wrong with a submission's results and texts costs nobody else anything."""
    no_answers = Outcome((), ()).as_dict()
    found = finished(school, no_answers)
    assert found["problem"]
    run = grading.grade(school.course(), "small", jobs=1)
    result = Result("ada", "review", "a", "b")
    with open_gradebook(school.course()) as run.book:
        run.mark(result, found)
        assert run.results["ada"].status == "review"
        assert "What it brought can't be looked at (" in run.results["ada"].reasons[0]
        with pytest.raises(WorkerDied, match="sandbox could not be started"):
            run.mark(result, {"ended": {"reason": "sandbox", "detail": "x"}})
    with_end = Outcome((), (), {"reason": "sandbox", "detail": "x"}).as_dict()
    assert finished(school, with_end) == {"ended": {"reason": "sandbox", "detail": "x"}}


def test_a_submission_that_takes_the_finishers_memory(school, monkeypatch):
    """It ends a process beside the grader's; a person looks at it, and others are graded."""
    for name in ("ada", "bob"):
        school.submit(name, small.honest())
    program = (
        "import sys\nfrom quantgrader import finishing\nfrom quantgrader.sandbox import serve\n"
        "def finish(settings, job):\n    if '\"ada\"' in job:\n        sys.exit()\n"
        "    return finishing.finish_text(settings, job)\nserve.answer_lines(finish)"
    )
    start = subprocess.Popen

    def popen(command, **options):
        is_finisher = command[-1] == "quantgrader.finishing"
        return start([*command[:2], "-c", program] if is_finisher else command, **options)

    honest = grading.Grading.finishing_job

    def job(self, work):
        return honest(self, work) if work.result.student == "bob" else {"ada": 1}

    with monkeypatch.context() as patch:
        patch.setattr("quantgrader.workers.subprocess.Popen", popen)
        patch.setattr(grading.Grading, "finishing_job", job)
        run = grading.grade(school.course(), "small", jobs=1)
    assert {n: r.status for n, r in run.results.items()} == {"ada": "review", "bob": "graded"}
    assert "it took too much time or memory" in run.results["ada"].reasons[0]


def test_cells_that_fail_are_named(school):
    """A wrong import at the top costs everything after it: nobody should have to guess that."""
    school.submit("ada", double=f"from google.colab import drive\n{small.DOUBLE}", mean=small.MEAN)
    school.submit("bob", double=small.DOUBLE, mean="def mean(v):\n    return 1")
    run = grading.grade(school.course(), "small", jobs=1)
    assert run.results["ada"].reasons == (
        "The cell double ended with an error (ModuleNotFoundError).",
    )
    assert run.results["bob"].reasons == ()


def test_a_folder_with_a_name_that_is_no_text(school):
    school.submit("ada", small.honest())
    school.submit("zoe\udcff", small.honest())
    status, printed = school.run("grade", "small", "--jobs", "1")
    assert status == 1 and "2 submissions: 1 graded, 0 to be reviewed, 1 not graded." in printed
    assert school.marks() == {"ada": small.full()}
    status, printed = school.run("report", "small")
    assert status == 0 and "The name of the submitted folder is not UTF-8 text." in printed


def test_the_graders_process_imports_no_torch():
    modules = ("cli", "grade", "pages.report", "pages.feedback", "validate", "cases.questions")
    lines = [f"import quantgrader.{name}" for name in modules]
    lines.append("from nbgrader.api import Gradebook; import sys")
    lines.append("print(sorted({'torch', 'quantlib', 'numba'} & set(sys.modules)))")
    printed = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True
    )
    assert printed.stdout == "[]\n"


def test_what_others_handed_in_is_a_secret(school, tmp_path):
    """The exchange lies below /usr by default, which submissions can read."""
    assert school.course().exchange == "/usr/local/share/nbgrader/exchange"
    exchange = tmp_path / "exchange"
    exchange.mkdir()
    with (school.root / "nbgrader_config.py").open("a") as config:
        config.write(f"c.Exchange.root = {str(exchange)!r}\n")
    assert exchange in school.course().secrets()


def test_what_lies_beside_its_place_has_a_row(school, capsys):
    """Nothing that was handed in is left out in silence."""
    honest = {
        "ada": "Small/small.ipynb", "bob": "small.ipynb", "cyd": "small (1)/small.ipynb",
        "dan": "exercise/a.ipynb", "eve": "small.zip", ".fay": "small/small.ipynb",
        "gus": "large/large.ipynb", ".ipynb_checkpoints": "small/small.ipynb", "hal": ".DS_Store",
    }  # fmt: skip
    for student, place in honest.items():
        small.save(small.honest(), school.root / "submitted" / student / place)
    small.save(small.honest(), school.root / "exercises" / "large" / "large.ipynb")
    misplaced = ["ada", "bob", "cyd", "dan", "eve"]
    course = school.course()
    assert course.submitters("small") == [".fay", *misplaced]
    run = grading.grade(course, "small", jobs=1)
    assert {name: result.status for name, result in run.results.items()} == (
        {".fay": "graded"} | dict.fromkeys(misplaced, "review")
    )
    assert run.results["ada"].reasons == (
        "There is no folder ada/small, but this lies beside it: Small.",
    )
    with open_gradebook(course) as book:
        rows = {row.student: row.state for row in report.rows(course, "small", book)}
    assert rows == {".fay": "by hand"} | dict.fromkeys(misplaced, "review")
    folder = school.root / "submitted" / "ada"
    (folder / "Small").rename(folder / "small")
    run = grading.grade(course, "small", jobs=1)
    assert run.results["ada"].status == "graded" and run.kept == {".fay", *misplaced} - {"ada"}


def test_the_formgraders_button_grades_in_the_sandbox(school, monkeypatch):
    from nbgrader.apps import NbGraderAPI, api
    from nbgrader.coursedir import CourseDirectory

    mark = school.root / "seen"
    look = f"from pathlib import Path\nPath({str(mark)!r}).write_text('x')\n"
    school.submit("ada", double=f"{look}{small.DOUBLE}", mean=small.MEAN)
    school.submit("bob", "{")
    monkeypatch.setattr(api, "Autograde", api.Autograde)
    button.install()
    course = school.course()
    folder = CourseDirectory(config=course.config, root=str(school.root), db_url=course.db_url)
    pages = NbGraderAPI(folder)
    assert pages.autograde("small", "ada")["success"]
    assert not mark.exists() and school.marks()["ada"]["mean-test"] == 2
    assert "needs review" in pages.autograde("small", "bob")["log"]
    found = pages.autograde("small", "nobody")
    assert not found["success"] and "handed in nothing" in found["error"]


def test_an_id_is_no_formula_in_nbgraders_table(school):
    with (school.root / "nbgrader_config.py").open("a") as config:
        config.write('c.ExportApp.plugin_class = "quantgrader.course.export.HarmlessCsv"\n')
    with open_gradebook(school.course()) as book:
        for name in ("+1+1", "@SUM(A1)", "-7", "ada"):
            book.update_or_create_student(name)
    school.nbgrader("export", "--to", "grades.csv")
    with (school.root / "grades.csv").open(newline="") as file:
        rows = {row["student_id"]: row["max_score"] for row in csv.DictReader(file)}
    assert rows == dict.fromkeys(("'+1+1", "'@SUM(A1)", "-7", "ada"), "9.0")


# Refusals


def test_no_sandbox_no_grading(school, monkeypatch, capsys):
    school.submit("ada", small.honest())
    monkeypatch.chdir(school.root)
    report = walls.Availability(False, False, ("There is none.",), ("Install it.",))
    monkeypatch.setattr(walls, "availability", lambda: report)
    assert main(["check"]) == 1
    assert main(["grade", "small"]) == 2
    assert "Install it." in capsys.readouterr().err
    assert school.marks() == {}
    assert main(["grade", "small", "--no-sandbox"]) == 0
    assert "No sandbox" in capsys.readouterr().err
    assert school.marks() == {"ada": small.full()}


def test_a_copied_course_is_told_whose_code_runs(school, monkeypatch, capsys):
    small.save("", school.root / "quantgrader" / "__init__.py")
    monkeypatch.chdir(school.root)
    assert main(["check"]) == 1
    found = capsys.readouterr().err
    assert f"and not that of the course, in {school.root / 'quantgrader'}." in found
    monkeypatch.chdir(school.root.parent)
    assert main(["total", "--course", str(school.root)]) == 0
    assert "make its environment anew" in capsys.readouterr().err
    assert other_code(school.root.parent) is other_code(ROOT) is None
    shutil.copytree(ROOT / "quantgrader", school.root / "quantgrader", dirs_exist_ok=True)
    assert other_code(school.root) is None, "the same code"


def test_limits_are_the_courses(school):
    config = school.root / "nbgrader_config.py"
    reference = school.course().reference("small")
    limits = grading.limits_for(school.course(), reference)
    assert (limits.cell_seconds, limits.attempts) == (4, 12)
    with config.open("a") as file:
        file.write("c.QuantGrader.memory_bytes = 5_000_000\n")
    assert grading.limits_for(school.course(), reference).memory_bytes == 5_000_000
    with config.open("a") as file:
        file.write("c.QuantGrader.memory = 5\n")
    with pytest.raises(CourseError, match="memory"):
        grading.limits_for(school.course(), reference)


def test_one_run_at_a_time(school):
    school.submit("ada", small.honest())
    with Journal(school.root / "journal" / "small").locked(), pytest.raises(Busy):
        grading.grade(school.course(), "small")


def test_what_is_missing_is_said(school):
    course = school.course()
    with pytest.raises(CourseError, match="Assignments that are there: small"):
        grading.grade(course, "large")
    with pytest.raises(CourseError, match="is no course"):
        grading.grade(open_course(school.root / "home"), "small")
    hidden = school.root / "hidden" / "small.json"
    found = json.loads(hidden.read_text())
    hidden.unlink()
    with pytest.raises(CourseError, match=r"small\.json is not there"):
        grading.grade(course, "small")
    del found["functions"]["mean"]
    hidden.write_text(json.dumps(found))
    with pytest.raises(CourseError, match="no cases for mean-test"):
        grading.grade(course, "small")


def test_gradebook_without_the_assignment(school):
    course = school.course(f"sqlite:///{school.root}/other.db")
    with pytest.raises(CourseError, match="doesn't have small"):
        grading.grade(course, "small")
    with pytest.raises(CourseError, match="can't be opened"):
        grading.grade(school.course("sqlite:////nowhere/at/all.db"), "small")


# Many machines, other gradebooks


def test_dask_cluster(school, graded):
    from distributed import LocalCluster

    fill(school, SOME)
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None,
        host="127.0.0.1",
    ) as cluster:  # fmt: skip
        status, printed = school.run("grade", "small", "--scheduler", cluster.scheduler_address)
    assert status == 0, printed
    assert school.marks() == {name: EXPECTED[name] for name in SOME}
    for student in SOME:
        assert result_of(school, student).marks == result_of(graded[0], student).marks


def test_no_scheduler_there(school):
    with (
        pytest.raises(CourseError, match="No Dask scheduler"),
        grading.cluster_workers("tcp://127.0.0.1:1", timeout=1),
    ):
        pass


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    """The URL of a PostgreSQL server of our own, reached by a socket file."""
    required = os.environ.get("LOWBIT_REQUIRE_POSTGRES") == "1"
    give_up = pytest.fail if required else pytest.skip
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not folders or not (folders[-1] / "initdb").exists():
        give_up("PostgreSQL is not installed (apt-get install postgresql)")
    programs = folders[-1]
    # The path of a socket may have about a hundred letters.
    folder = Path(subprocess.run(["mktemp", "-d"], capture_output=True, text=True).stdout.strip())
    as_user = []
    if os.geteuid() == 0:
        # PostgreSQL refuses to run as root.
        as_user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        os.chown(folder, 65534, 65534)

    def call(program, *arguments):
        subprocess.run(
            [*as_user, str(programs / program), *arguments],
            check=True, cwd=folder, stdout=subprocess.DEVNULL, env={"LC_ALL": "C"},
        )  # fmt: skip

    data = folder / "data"
    call("initdb", "-D", str(data), "-U", "grader", "--auth=trust", "-E", "UTF8", "--no-sync")
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    call("pg_ctl", "-D", str(data), "-w", "-o", options, "-l", str(folder / "log"), "start")
    try:
        yield f"postgresql+psycopg://grader@/postgres?host={folder}"
    finally:
        call("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder)


def test_postgresql(school, postgres):
    fill(school, SOME)
    expected = {name: EXPECTED[name] for name in SOME}
    school.nbgrader("generate_assignment", "small", "--force", f"--db={postgres}")
    status, printed = school.run("grade", "small", "--jobs", "2", "--db", postgres)
    assert status == 0, printed
    assert school.marks(postgres) == expected
    assert school.marks() == {}
    # Finished is finished: the other gradebook gets the same marks without another run.
    run = grading.grade(school.course(), "small")
    assert run.kept == set(SOME) and school.marks() == expected
    status, printed = school.run("report", "small", "--db", postgres)
    assert status == 0 and re.search(r"g-broken +needs review", printed)
