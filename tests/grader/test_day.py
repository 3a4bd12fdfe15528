"""An instructor's day with a class that was graded: questions, due dates, marks by hand."""

import csv
import io
from dataclasses import replace
from datetime import timedelta

import nbformat
import pytest

from quantgrader import grade as grading
from quantgrader.cases.case import Cases
from quantgrader.cli import main
from quantgrader.course.gradebook import open_gradebook
from quantgrader.course.journal import Journal
from quantgrader.pages import questions, report
from tests.grader import grading_support as small
from tests.grader.grading_support import check_page
from tests.grader.sandbox_support import require_sandbox

pytestmark = pytest.mark.slow

GOOD = {"double": small.DOUBLE, "mean": small.MEAN, "why": "Because it is."}
PARTIAL = "def double(x):\n    return x * abs(x)"
STAMP = "2026-11-20 12:00:00 UTC"


@pytest.fixture(scope="session")
def graded(tmp_path_factory):
    """A course with four graded submissions. Only to be copied."""
    require_sandbox()
    school = small.School.make(tmp_path_factory.mktemp("day") / "course")
    school.submit("student-01", timestamp=STAMP, **GOOD)
    school.submit("student-02", timestamp=STAMP, **GOOD | {"double": PARTIAL, "why": "No idea."})
    school.submit("student-03", timestamp=STAMP, **GOOD | {"mean": "def mean(v):\n    return 0"})
    school.submit("student-04", "{", timestamp=STAMP)
    grading.grade(school.course(), "small", jobs=1)
    return school


@pytest.fixture
def school(graded, tmp_path, monkeypatch):
    school = graded.copy(tmp_path / "course")
    monkeypatch.chdir(school.root)
    return school


def run(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out + captured.err


def rows(school):
    with open_gradebook(school.course()) as book:
        return {row.student: row for row in report.rows(school.course(), "small", book)}


def by_hand(school, student, score, look=False):
    """Give a mark for the written answer, as the Formgrader does."""
    with open_gradebook(school.course()) as book:
        grade = book.find_grade("why", "small", "small", student)
        grade.manual_score, grade.needs_manual_grade = score, look
        book.db.commit()


def configure(school, text):
    (school.root / "nbgrader_config.py").write_text(f"{small.CONFIG}\n{text}\n")


# Questions


def test_each_question_has_its_figures(school):
    by_hand(school, "student-01", 4)
    with open_gradebook(school.course()) as book:
        double, mean, why = questions.questions(school.course(), "small", book)
    assert (double.name, double.points, sorted(double.scores)) == ("double", 3, [1, 3, 3])
    assert double.mean == 7 / 3 and round(double.full, 1) == 66.7
    assert double.histogram == [0, 0, 1, 0, 0, 2]
    assert {count for count, _ in double.commonest} == {1}
    assert "Twice a fraction is wrong." in dict(map(reversed, double.commonest))
    assert mean.histogram == [1, 0, 0, 0, 0, 2]
    assert (why.name, why.scores, why.commonest) == ("why", [4], [])


@pytest.mark.parametrize(
    ("share", "place"), [(0, 0), (0.01, 1), (0.25, 1), (0.26, 2), (0.75, 3), (0.99, 4), (1, 5)]
)
def test_a_mark_falls_into_one_bin(share, place):
    histogram = questions.Question("f", 4.0, [4 * share]).histogram
    assert histogram[place] == 1 and sum(histogram) == 1


def test_questions_that_nobody_has_a_mark_for():
    text = questions.as_table([questions.Question("f", 0.0), questions.Question("g", 0.0, [0.0])])
    assert text.splitlines()[2].split() == ["f", "0", "0", "0", "0", "0", "0", "0", "0"]
    assert text.splitlines()[3].split()[-1] == "1"


def test_the_report_shows_questions(school, capsys):
    page = school.root / "report.html"
    status, printed = run(capsys, "report", "small", "--html", page)
    assert status == 0 and "1 × Twice a fraction is wrong." in printed
    assert "commonest messages" in " ".join(check_page(page.read_text()).data)


# Marks by hand


def test_a_hand_mark_waits_for_another_look(school):
    by_hand(school, "student-01", 3.5)
    assert rows(school)["student-01"].state == "graded"
    school.submit("student-01", timestamp=STAMP, **GOOD | {"why": "Because it must be."})
    grading.grade(school.course(), "small", jobs=1)
    row = rows(school)["student-01"]
    assert row.state == "look" and row.score == 8.5
    assert row.reported == "mark by hand to be looked at again"
    by_hand(school, "student-01", 3.5)
    assert rows(school)["student-01"].state == "graded"


def test_a_hand_mark_stands_while_answer_and_points_do(school):
    by_hand(school, "student-01", 3.5)
    by_hand(school, "student-02", 2, look=True)
    grading.grade(school.course(), "small", jobs=1, force=True)
    found = rows(school)
    assert (found["student-01"].state, found["student-02"].state) == ("graded", "look")
    journal = Journal(school.course().journal("small"))
    before = journal.read("student-01")
    marks = {
        n: replace(m, points=m.points * (1 + (m.score is None))) for n, m in before.marks.items()
    }
    journal.write(replace(before, marks=marks))
    grading.grade(school.course(), "small", jobs=1, force=True)
    assert rows(school)["student-01"].state == "look", "the question had other points"


# Due dates


def test_whoever_is_late_is_told_so(school, capsys):
    status, printed = run(capsys, "due", "small", "2026-11-19 10:30")
    assert status == 0 and "everybody: 2026-11-19 10:30 (UTC)" in printed
    longer = ("due", "small", "2026-11-21 12:00+01:00", "--students", "student-01", "student-02")
    status, printed = run(capsys, *longer)
    assert "student-02: 2026-11-21 12:00 (UTC+01:00)" in printed
    found = rows(school)
    assert found["student-03"].reported == "to be graded by hand, late"
    assert found["student-03"].notes == (
        "Handed in 1 d 1 h 30 min late (due 2026-11-19 10:30 UTC).",
    )
    assert found["student-01"].notes == () and not found["student-01"].is_late
    with open_gradebook(school.course()) as book:
        submission = book.find_submission("small", "student-01")
        assert submission.extension == timedelta(days=2, minutes=30)
    run(capsys, "due", "small", "2026-11-19 12:00", "--students", "student-01")
    (note,) = rows(school)["student-01"].notes
    assert note.endswith("(due 2026-11-19 12:00 UTC, 1 h 30 min more than others).")
    configure(school, "c.Classroom.timezone = 'Europe/Paris'")
    assert any(
        "(due 2026-11-19 13:00 CET" in row.notes[0] for row in rows(school).values() if row.notes
    )
    run(capsys, "due", "small", "--remove", "--students", "student-01")
    with open_gradebook(school.course()) as book:
        assert book.find_submission("small", "student-01").extension is None


def test_what_has_no_date_is_told_once(school, capsys):
    school.submit("student-05", **GOOD)
    school.submit("student-06", **GOOD)
    grading.grade(school.course(), "small", jobs=1)
    run(capsys, "due", "small", "2026-11-21")
    status, printed = run(capsys, "report", "small")
    assert status == 0 and printed.count("nothing tells when 2 students handed in") == 1
    assert not any(row.is_late for row in rows(school).values())


def test_points_off_follow_the_dates(school, capsys):
    configure(
        school,
        "c.AssignLatePenalties.plugin_class = 'quantgrader.classroom.late.PerDay'\n"
        "c.PerDay.share = 0.2\nc.PerDay.grace_minutes = 10",
    )
    for time, penalty in (
        ("2026-11-20 11:50", 0), ("2026-11-20 11:49", 1), ("2026-11-19 11:59", 2),
        ("2025-01-01", 5), ("2026-11-20 12:00", 0),
    ):  # fmt: skip
        assert run(capsys, "due", "small", time)[0] == 0
        row = rows(school)["student-01"]
        assert row.penalty == penalty and row.score == 5 - penalty


def test_a_submission_that_comes_later_has_its_extension(school, capsys):
    run(capsys, "due", "small", "2026-11-19 12:00")
    late = school.root / "class" / "due.csv"
    late.write_text(late.read_text() + "small,student-05,2026-11-22\n")
    school.submit("student-05", timestamp="2026-11-21 12:00:00 UTC", **GOOD)
    assert run(capsys, "grade", "small", "--jobs", "1")[0] == 0
    found = rows(school)
    assert not found["student-05"].is_late and found["student-01"].is_late


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tomorrow"], "'tomorrow' is no time"),
        (["2026-11-19", "--students", "student-77"], "student-77 is no student of this class"),
        (["2026-11-19", "--remove"], "Either a time, or --remove"),
        (["2026-11-19", "--students", "student-01"], "nobody gives everybody one"),
    ],
)
def test_dates_that_are_none(school, capsys, arguments, message):
    status, printed = run(capsys, "due", "small", *arguments)
    assert status == 2 and message in printed


def test_a_table_of_dates_that_is_damaged_costs_no_marks(school, capsys):
    small.save("assignment,student,due\nsmall,,soon\n", school.root / "class" / "due.csv")
    status, printed = run(capsys, "grade", "small", "--jobs", "1")
    assert status == 2 and "4 submissions (4 of them before)" in printed
    assert "'soon' is no time" in printed
    assert school.root / "class" in school.course().secrets()


def test_nobody_has_less_time_than_all(school, capsys):
    run(capsys, "due", "small", "2026-11-19")
    status, printed = run(capsys, "due", "small", "2026-11-18", "--students", "student-01")
    assert status == 2 and "before all others" in printed


def test_the_csv_says_late(school, capsys):
    run(capsys, "due", "small", "2026-11-19")
    path = school.root / "marks.csv"
    run(capsys, "report", "small", "--csv", path)
    found = list(csv.DictReader(io.StringIO(path.read_text())))
    assert [row["state"] for row in found] == ["to be graded by hand, late"] * 3 + [
        "needs review, late"
    ]


# One question anew


def change_cases(school, **cases):
    """Other hidden checks for some functions, as after a mistake in ``hidden.py``."""
    Cases("small", "seed", small.hidden_cases() | cases).write(school.root / "hidden/small.json")


def asked_of_the_sandbox(monkeypatch):
    """The functions that each job asks for, filled in while a grading runs."""
    found, usual = [], grading.make_job

    def make_job(notebook, questions, files):
        job = usual(notebook, questions, files)
        found.append([probe.function for probe in job.probes])
        return job

    monkeypatch.setattr(grading, "make_job", make_job)
    return found


def test_only_the_question_that_changed_is_asked(school, capsys, monkeypatch):
    before = school.marks()
    visible, _, fraction = small.hidden_cases()["double"]
    change_cases(school, double=(visible, fraction))
    jobs = asked_of_the_sandbox(monkeypatch)
    status, printed = run(capsys, "regrade", "small", "--jobs", "1")
    assert status == 0 and "Asked: double-test." in printed
    assert "1 to be reviewed" in printed and "student-04: The notebook is not valid" in printed
    assert jobs == [["double"] * 2] * 3
    after = school.marks()
    assert after.pop("student-02") == before.pop("student-02") | {"double-test": 1.5}
    assert after == before
    page = small.cell_of(read_notebook(school, "student-02"), "double-test").outputs[0].evalue
    assert page.startswith("1.5 of 3 points: 1 of 2 checks passed.")
    run(capsys, "grade", "small", "--jobs", "1")
    assert len(jobs) == 3 and school.marks()["student-02"]["double-test"] == 1.5


def read_notebook(school, student):
    path = school.root / "autograded" / student / "small" / "small.ipynb"
    return nbformat.read(path, as_version=4)


def test_a_named_question_is_asked_again(school, capsys, monkeypatch):
    jobs = asked_of_the_sandbox(monkeypatch)
    before = school.marks()
    status, printed = run(capsys, "regrade", "small", "mean", "--jobs", "1")
    assert status == 0 and jobs == [["mean"] * 2] * 3 and school.marks() == before
    status, printed = run(capsys, "regrade", "small", "why")
    assert status == 2 and "'why' is no question" in printed and "double, mean" in printed


def test_whoever_handed_in_anew_is_left_to_the_grading(school, capsys):
    school.submit("student-01", **GOOD | {"mean": "def mean(v):\n    return 1"})
    _, printed = run(capsys, "regrade", "small", "mean", "--jobs", "1")
    assert "student-01: left as it was: handed in anew since." in printed
    assert school.marks()["student-01"]["mean-test"] == 2


def test_other_points_need_no_run(school, capsys, monkeypatch):
    by_hand(school, "student-01", 3)
    source = small.source_notebook()
    small.cell_of(source, "double-test").metadata.nbgrader.points = 6
    small.cell_of(source, "why").metadata.nbgrader.points = 5
    small.save(source, school.root / "solutions" / "small" / "small.ipynb")
    school.nbgrader("generate_assignment", "small", "--force")
    jobs = asked_of_the_sandbox(monkeypatch)
    status, printed = run(capsys, "regrade", "small", "--jobs", "1")
    assert status == 0 and jobs == [] and "points are those of the release" in printed
    marks = school.marks()
    assert [marks[f"student-0{n}"]["double-test"] for n in (1, 2, 3)] == [6, 2, 6]
    found = rows(school)
    assert found["student-01"].maximum == 13 and found["student-01"].state == "look"
    assert found["student-04"].state == "review" and "not graded yet" not in printed
    run(capsys, "grade", "small", "--jobs", "1", "--students", "student-01")
    assert jobs == []
    page = small.cell_of(read_notebook(school, "student-02"), "double-test").outputs[0].evalue
    assert page.startswith("2 of 6 points")


def test_answers_that_are_alike_are_a_table(school, capsys):
    page = school.root / "similar.html"
    status, printed = run(capsys, "similar", "small", "--html", page, "--csv", page)
    assert status == 0 and "3 submissions compared. This is no verdict" in printed
    assert "share much that others don't have" in printed


# Written answers, without names


def labels(school, capsys):
    files = [school.root / "answers.html", school.root / "answers.csv"]
    status, printed = run(capsys, "by-hand", "small", "--html", files[0], "--csv", files[1])
    assert status == 0, printed
    page = " ".join(check_page(files[0].read_text()).data)
    return list(csv.DictReader(io.StringIO(files[1].read_text()))), page


def fill_in(school, rows):
    text = "label;points;comment\n" + "".join(
        f"{row['label']};{row['points']};{row['comment']}\n" for row in rows
    )
    return small.save(text, school.root / "filled.csv")


def test_answers_are_graded_by_question_and_without_names(school, capsys):
    rows_, page = labels(school, capsys)
    assert len(rows_) == 3 and "No idea." in page and "student-0" not in page
    assert labels(school, capsys) == (rows_, page)
    mine = page[: page.index("No idea.")].split()[-1]
    filled = [
        row | ({"points": "1,5", "comment": "Say more."} if row["label"] == mine else {})
        for row in rows_
    ]
    status, printed = run(capsys, "by-hand", "small", "why", "--read", fill_in(school, filled))
    assert status == 0 and "1 answer marked." in printed
    found = rows(school)
    assert found["student-02"].by_hand == 1.5 and found["student-01"].state == "by hand"
    with open_gradebook(school.course()) as book:
        assert book.find_comment("why", "small", "small", "student-02").comment == "Say more."
    again, page = labels(school, capsys)
    assert [row for row in again if row["points"]] == [
        {"label": mine, "points": "1.5", "comment": "Say more."}
    ]
    assert "(1.5 points so far)" in page


def test_an_answer_in_another_cell_is_on_the_page(school, capsys):
    moved = small.answered(**GOOD | {"why": small.released_cell("why")})
    moved.cells.append(nbformat.v4.new_markdown_cell("It *stands* <b>here</b>."))
    school.submit("student-02", moved, timestamp=STAMP)
    grading.grade(school.course(), "small", jobs=1)
    rows_, page = labels(school, capsys)
    assert len(rows_) == 3 and "It *stands* <b>here</b>." in page
    assert "the answer may be elsewhere: look at cell" in page
    assert small.ANSWER_STUB not in page


def test_points_that_are_none_and_answers_that_were_replaced(school, capsys):
    rows_, page = labels(school, capsys)
    school.submit("student-02", timestamp=STAMP, **GOOD | {"why": "Another idea."})
    grading.grade(school.course(), "small", jobs=1)
    old = page[: page.index("No idea.")].split()[-1]
    others = [row["label"] for row in rows_ if row["label"] != old]
    filled = [
        {"label": old, "points": "4", "comment": ""},
        {"label": others[0], "points": "4.5", "comment": ""},
        {"label": others[1], "points": "all", "comment": ""},
    ]
    status, printed = run(capsys, "by-hand", "small", "--read", fill_in(school, filled))
    assert status == 1 and "0 answers marked." in printed
    assert "no answer has this label (or it was replaced since)" in printed
    assert printed.count("is no number of points from 0 to 4") == 2
    assert all(row.by_hand is None for row in rows(school).values())


def test_whoever_is_not_in_the_gradebook_is_left_out(school, capsys):
    with open_gradebook(school.course()) as book:
        book.remove_student("student-02")
    assert len(labels(school, capsys)[0]) == 2
    (school.root / "gradebook.db").unlink()
    status, printed = run(capsys, "due", "small", "2026-11-19")
    assert status == 2 and "The gradebook doesn't have small." in printed


def test_questions_that_nobody_grades_by_hand(school, capsys):
    for arguments in (["mean-test", "--csv", "x.csv"], ["why"], ["--read", "x", "--csv", "y"]):
        assert run(capsys, "by-hand", "small", *arguments)[0] == 2


# Feedback


@pytest.mark.parametrize("level", ["messages", "traceback"])
def test_feedback_has_levels(school, capsys, level):
    configure(school, f"c.Classroom.feedback = {level!r}")
    wrong = "def helper():\n    return 1 / 0\nhelper()\n" + small.DOUBLE
    school.submit("student-01", timestamp=STAMP, **GOOD | {"double": wrong})
    grading.grade(school.course(), "small", jobs=1, students=["student-01"])
    assert run(capsys, "feedback", "small", "--students", "student-01")[0] == 0
    page = (school.root / "feedback" / "student-01" / "small" / "small.html").read_text()
    text = " ".join(check_page(page).data)
    assert "ZeroDivisionError: division by zero" in text
    assert ("Traceback" in text) == (level == "traceback")
    assert (
        "in helper()" in text or "helper" in text.split("Traceback")[-1]
    ) and "987.65" not in page


@pytest.mark.parametrize("level", ["messages", "traceback"])
def test_feedback_shows_other_cells_that_failed(school, capsys, level):
    configure(school, f"c.Classroom.feedback = {level!r}")
    notebook = small.answered(**GOOD)
    notebook.cells.append(nbformat.v4.new_code_cell("mine = [3, 4]\nmine[7]"))
    school.submit("student-01", notebook, timestamp=STAMP)
    grading.grade(school.course(), "small", jobs=1, students=["student-01"])
    assert run(capsys, "feedback", "small", "--students", "student-01")[0] == 0
    page = (school.root / "feedback" / "student-01" / "small" / "small.html").read_text()
    text = " ".join(check_page(page).data)
    shown = "mine = [3, 4]" in text and "list index out of range" in text
    assert shown == (level == "traceback")


# What is imported beforehand


def test_modules_to_be_imported_beforehand_are_named(school):
    from quantgrader.course.folders import CourseError

    configure(school, "c.QuantGrader.preload = ['json.tool']\nc.QuantGrader.processes = 9")
    assert grading.limits_for(school.course(), small.reference()).processes == 9
    grading.grade(school.course(), "small", jobs=1, force=True, students=["student-01"])
    configure(school, "c.QuantGrader.preload = 'json'")
    with pytest.raises(CourseError, match="preload is 'json', not a list of modules"):
        grading.grade(school.course(), "small", jobs=1)


def test_a_course_that_was_moved_has_its_results(school, tmp_path, capsys):
    moved = school.root.rename(tmp_path / "another place")
    status, printed = run(capsys, "grade", "small", "--jobs", "1", "--course", moved)
    assert status == 0 and "4 submissions (4 of them before)" in printed
