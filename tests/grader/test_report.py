"""What people read: the report, the feedback pages, and what `validate` tells a student."""

import base64
import csv
import io
import re
import struct
import zlib
from dataclasses import replace

import nbformat
import pytest
from nbgrader.utils import notebook_hash
from PIL import Image

from quantgrader import grade as grading
from quantgrader.cli import main
from quantgrader.course.gradebook import open_gradebook
from quantgrader.course.journal import Busy, Journal
from quantgrader.course.submission import read_submission
from quantgrader.pages import report
from quantgrader.pages.feedback import write_feedback
from quantgrader.pages.outputs import Room, clean_outputs, clean_png
from quantgrader.pages.templates import render
from quantgrader.texts import as_cell, clean_text, printable
from quantgrader.validate import validate
from tests.grader import grading_support as small
from tests.grader.grading_support import check_page
from tests.grader.sandbox_support import require_sandbox

pytestmark = pytest.mark.slow

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>"
GOOD = {"double": small.DOUBLE, "mean": small.MEAN}


def png(size=(3, 2), **options):
    file = io.BytesIO()
    Image.new("RGB", size, (200, 10, 10)).save(file, "PNG", **options)
    return base64.b64encode(file.getvalue()).decode()


@pytest.fixture(scope="module")
def school(tmp_path_factory):
    """A course with a few graded submissions, marks of a person, and a student without any."""
    require_sandbox()
    school = small.School.make(tmp_path_factory.mktemp("report") / "course")
    pasted = small.answered(**GOOD, why="Because it is. ![drawn](attachment:a%20b.png)")
    small.cell_of(pasted, "why")["attachments"] = {"a b.png": {"image/png": png()}}
    school.submit("ada", pasted)
    wrong = {"double": "def double(x):\n    return x * abs(x)", "mean": "def mean(v): return v"}
    shows = (
        "from IPython.display import HTML, Javascript, Image, SVG, display\n"
        f"display(HTML({EVIL!r}))\ndisplay(Javascript('alert(3)'))\n"
        'display(SVG(\'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(4)"/>\'))\n'
        f"import base64\ndisplay(Image(base64.b64decode({png()!r})))\n"
        f"print({EVIL!r}, '\\x1b[31mred\\x1b[0m', flush=True)\n"
    )
    school.submit("bob", double=shows + wrong["double"], mean=wrong["mean"], why=EVIL)
    school.submit("=cmd|'calc'!A0 [1]", "{")
    school.submit("dan", **GOOD)
    school.submit("eve", **GOOD)
    grading.grade(school.course(), "small", students=["ada", "bob", "=cmd|'calc'!A0 [1]", "dan"])
    with open_gradebook(school.course()) as book:
        book.update_or_create_student("fay")
        grade = book.find_grade("why", "small", "small", "ada")
        grade.manual_score, grade.needs_manual_grade = 3.5, False
        book.find_comment("why", "small", "small", "ada").manual_comment = "Say more. <b>"
        book.db.commit()
        write_feedback(school.course(), "small", book)
    return school


@pytest.fixture
def rows(school):
    with open_gradebook(school.course()) as book:
        return {row.student: row for row in report.rows(school.course(), "small", book)}


def test_every_student_has_a_mark_or_a_reason(rows):
    evil = "=cmd|'calc'!A0 [1]"
    assert {name: row.state for name, row in rows.items()} == {
        "ada": "graded", "bob": "by hand", evil: "review", "dan": "graded", "eve": "new",
        "fay": "nothing",
    }  # fmt: skip
    for row in rows.values():
        assert row.score is not None or row.reasons
        assert row.maximum == 9
    ada = rows["ada"]
    assert (ada.score, ada.automatic, ada.by_hand) == (8.5, 5, 3.5)
    assert (rows["bob"].score, rows["bob"].automatic, rows["bob"].by_hand) == (1, 1, None)
    assert rows["dan"].score == 5
    assert "not valid JSON" in rows[evil].reasons[0]


def test_what_is_out_of_date_is_said(school, tmp_path):
    school = school.copy(tmp_path / "course")
    school.submit("ada", **GOOD)
    with open_gradebook(school.course()) as book:
        book.remove_student("dan")
        book.find_grade("mean-test", "small", "small", "bob").auto_score = 2
        book.db.commit()
        found = {row.student: row for row in report.rows(school.course(), "small", book)}
    assert found["ada"].score == 8.5 and "Handed in again since" in found["ada"].reasons[0]
    for student in ("bob", "dan"):
        assert found[student].score is None and "Not in the gradebook" in found[student].reasons[0]
    grading.grade(school.course(), "small", jobs=1)
    with open_gradebook(school.course()) as book:
        found = {row.student: row for row in report.rows(school.course(), "small", book)}
    assert [found[name].score for name in ("ada", "bob", "dan", "eve")] == [8.5, 1, 5, 5]


def test_table(rows):
    text = report.as_table(list(rows.values()))
    assert re.search(r"^ada +graded +8.5 +5 +3.5 +0 +9$", text, re.MULTILINE)
    assert re.search(r"^fay +nothing handed in +0 +9$", text, re.MULTILINE)
    assert "    The notebook is not valid JSON (line 1)." in text


def test_long_reasons_are_wrapped_not_cut(rows):
    reason = "Cells had lost their settings: " + ", ".join(f"name-{n}" for n in range(40)) + "."
    text = report.as_table([replace(rows["ada"], reasons=(reason,))], width=60)
    assert " ".join(text[text.index("Cells") :].split()) == reason
    assert max(map(len, text.splitlines()[3:])) <= 60


def test_table_into_a_pipe_that_is_closed(school):
    """`quantgrader report small | head -1`"""
    with school.command("report", "small") as process:
        process.stdout.close()
    assert process.returncode == 0


def test_csv_is_no_formula(rows):
    text = report.as_csv(list(rows.values()), {"ada": "Lovelace, Ada"})
    found = list(csv.reader(io.StringIO(text)))
    assert found[0] == list(report.HEADER)
    assert ["ada", "Lovelace, Ada", "graded", "8.5", "5", "3.5", "0", "9", ""] in found
    assert not any(cell.startswith(("=", "@")) for row in found for cell in row)


def test_command_writes_all_three(school, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(school.root)
    files = ["--csv", str(tmp_path / "m.csv"), "--html", str(tmp_path / "m.html")]
    assert main(["report", "small", *files]) == 0
    assert "ada" in capsys.readouterr().out
    assert "ada,,graded,8.5" in (tmp_path / "m.csv").read_text()
    check_page((tmp_path / "m.html").read_text())
    assert main(["report", "small", "--csv", str(tmp_path / "no" / "m.csv")]) == 2
    assert "m.csv can't be written" in capsys.readouterr().err
    assert main(["report", "large"]) == 2
    assert "no released notebook" in capsys.readouterr().err


def feedback(school, student):
    text = (school.root / "feedback" / student / "small" / "small.html").read_text()
    return text, " ".join(" ".join(check_page(text).data).split())


def test_feedback_without_a_gradebooks_row_is_that_students_only(
    school, tmp_path, monkeypatch, capsys
):
    copy = school.copy(tmp_path / "course")
    with open_gradebook(copy.course()) as book:
        book.remove_student("ada")
    monkeypatch.chdir(copy.root)
    assert main(["feedback", "small"]) == 1
    printed = capsys.readouterr().out
    assert "3 feedback pages written." in printed
    assert "ada: no page. Not in the gradebook: run the grading again." in printed


def test_feedback_tells_what_is_wrong(school):
    _, text = feedback(school, "bob")
    assert "Mark: 1 of 9 points so far; 1 still to be graded by hand" in text
    assert "1 of 3 checks passed." in text
    assert "It grew." not in text and "Twice a fraction is wrong." in text
    assert "double: 1 of 3 points" in text


def test_feedback_of_a_marked_answer(school):
    raw, text = feedback(school, "ada")
    assert "Mark: 8.5 of 9 points." in text
    assert raw.count("data:image/png;base64,") == raw.count("A picture in your answer") == 1
    assert "Say more. <b>" in text and "Because it is." in text


def test_feedback_of_a_review(school):
    _, text = feedback(school, "=cmd|'calc'!A0 [1]")
    assert "No mark yet." in text and "Needs review: The notebook is not valid JSON" in text


def test_feedback_holds_nothing_live_and_nothing_hidden(school):
    for student in ("ada", "bob", "dan"):
        raw, text = feedback(school, student)
        for secret in ("987.6543", "0.123454321", "Traceback", "check(", "expect("):
            assert secret not in raw
    raw, text = feedback(school, "bob")
    assert EVIL in text and "<script" not in raw and "\x1b" not in raw
    assert (
        raw.count("data:image/png;base64,") == 1
        and "alert(4)" not in text.replace(EVIL, "")[text.index("Printed") :]
    )


# Outputs


def test_feedback_goes_through_the_exchange(school, tmp_path):
    """Each page under its student's key; for whoever has none, under one that nobody knows."""
    copy, exchange = school.copy(tmp_path / "course"), tmp_path / "exchange"
    exchange.mkdir()
    exchange.chmod(0o777)
    key = "0123456789abcdef" * 8
    keys = {name: copy.root / "submitted" / name / "small" / "submission_secret.txt"
            for name in ("ada", "bob", "dan")}  # fmt: skip
    keys["ada"].write_text(key)
    keys["bob"].symlink_to(keys["ada"])
    keys["dan"].write_bytes(b"\xff")
    assert read_submission(keys["ada"].parent, "ada", small.reference()).notes == ()
    with open_gradebook(copy.course()) as book:
        pages = write_feedback(copy.course(), "small", book)
    copy.nbgrader("release_feedback", "small", f"--Exchange.root={exchange}")
    released = list(exchange.rglob("*.html"))
    assert len(released) == len(pages) == 4
    (ada,) = (p for p in released if p.stem == notebook_hash(secret=key, notebook_id="small"))
    assert (
        ada.read_bytes() == (copy.root / "feedback" / "ada" / "small" / "small.html").read_bytes()
    )


def test_one_command_writes_pages_at_a_time_and_clears_up(school, tmp_path):
    copy = school.copy(tmp_path / "course")
    left = copy.root / "feedback" / "ada" / "small" / ".tmp-left"
    left.write_text("half of a page")
    with open_gradebook(copy.course()) as book:
        with (
            Journal(copy.root / "journal" / "small").locked("feedback"),
            pytest.raises(Busy, match="quantgrader feedback"),
        ):
            write_feedback(copy.course(), "small", book)
        assert left.exists()
        write_feedback(copy.course(), "small", book)
    assert not left.exists()


def test_pictures_are_drawn_anew():
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Comment", "<script>alert(1)</script>")
    cleaned = base64.b64decode(clean_png(png(pnginfo=info)))
    assert b"script" not in cleaned
    with Image.open(io.BytesIO(cleaned)) as picture:
        assert picture.size == (3, 2) and picture.getpixel((0, 0)) == (200, 10, 10, 255)


def test_pictures_of_a_notebook_share_their_room():
    """Each may be as large as one may be; all together take seconds to be drawn anew, not hours."""
    outputs = [{"output_type": "display_data", "data": {"image/png": png((3000, 3000))}}] * 12
    kept = [output["data"] for output in clean_outputs(outputs)]
    assert ["image/png" in data for data in kept] == [True] * 7 + [False] * 5
    assert "too large" in kept[-1]["text/plain"]
    room = Room(30)
    assert [clean_png(png(size), room) is None for size in ((5, 5), (3, 2), (5, 1))] == [
        False, True, False,
    ]  # fmt: skip


def with_a_chunk(kind):
    """A picture with an empty chunk of some kind behind its data."""
    chunk = b"\0\0\0\0" + kind + struct.pack(">I", zlib.crc32(kind))
    data = base64.b64decode(png())
    return base64.b64encode(data[:-12] + chunk + data[-12:]).decode()


@pytest.mark.parametrize("kind", [b"pHYs", b"gAMA", b"cHRM", b"iCCP", b"iTXt", b"acTL", b"fcTL"])
def test_a_picture_that_brings_its_reader_down_costs_nobody_a_mark(kind):
    clean_outputs([{"output_type": "display_data", "data": {"image/png": with_a_chunk(kind)}}])


@pytest.mark.parametrize(
    "data",
    [None, 7, "", "<svg/>", base64.b64encode(b"GIF89a").decode(), png()[:40], png((5000, 5000))],
)
def test_what_is_no_picture(data):
    assert clean_png(data) is None


@pytest.mark.parametrize("kind", ["image/svg+xml", "image/jpeg"])
def test_a_figure_of_another_format_is_told(kind):
    data = {kind: "<svg/>", "text/plain": "<Figure size 640x480>"}
    (output,) = clean_outputs([{"output_type": "display_data", "data": data}])
    assert list(output["data"]) == ["text/plain"]
    assert output["data"]["text/plain"].startswith("<Figure size 640x480>\n(A picture is not shown")
    assert "PNG" in output["data"]["text/plain"]


def test_outputs_that_are_no_outputs():
    strange = [
        None, [], {}, {"output_type": "stream"}, {"output_type": "error", "traceback": "no list"},
        {"output_type": "display_data", "data": []}, {"output_type": "update_display_data"},
        {"output_type": "execute_result", "data": {"text/html": EVIL, "text/plain": ["a", "b"]}},
    ]  # fmt: skip
    cleaned = clean_outputs(strange)
    assert [output["output_type"] for output in cleaned] == ["stream", "error", "display_data"]
    assert cleaned[-1]["data"] == {"text/plain": "ab"}
    assert len(clean_outputs([{"output_type": "stream", "text": "x"}] * 1000)) == 201


def test_text_without_escapes():
    assert (
        clean_text("a\x1b[31mb\x1b]8;;http://x\x07c\x00d\r\n\te")
        == "abc\N{REPLACEMENT CHARACTER}d\n\te"
    )
    # French, Japanese, Persian, a family; but nothing that turns a text round.
    for text in (
        "Pourquoi\xa0? 10\u202f000",
        "山田\u3000太郎",
        "می\u200cخواهم",
        "\U0001f468\u200d\U0001f469",
    ):
        assert clean_text(text) == printable(text) == as_cell(text) == text
    for mark in "\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u200e\u200f\u200b\u2028\ufeff\x00\x9b":
        assert mark not in clean_text(f"a{mark}b") + printable(f"a{mark}b") + as_cell(f"a{mark}b")
    assert clean_text("x" * 50, 10) == "x" * 10 + "\n… (the rest is cut)"


# What students run


def run_validate(path, capsys):
    status = main(["validate", str(path)])
    captured = capsys.readouterr()
    return status, captured.out + captured.err


def test_validate_exit_status(tmp_path, capsys):
    path = small.save(small.answered(**GOOD), tmp_path / "small.ipynb")
    before = path.read_bytes()
    status, printed = run_validate(path, capsys)
    assert status == 0 and "All 2 visible checks pass." in printed
    assert path.read_bytes() == before
    noisy = "import sys\nprint('note', file=sys.stderr)\n" + small.DOUBLE
    small.save(small.answered(double=noisy), path)
    status, printed = run_validate(path, capsys)
    assert status == 1 and "1 of 2 checks fail." in printed
    assert "passed  double-test" in printed and "FAILED  mean-test" in printed
    assert "Your code comes here" in printed


def test_validate_tells_the_message(tmp_path):
    wrong = {**GOOD, "double": "def double(x):\n    return 5"}
    path = small.save(small.answered(**wrong), tmp_path / "small.ipynb")
    found = {check.grade_id: check.problem for check in validate(path)}
    assert found == {"double-test": "AssertionError: Twice 2 is 4.", "mean-test": None}


def test_validate_when_the_kernel_ends(tmp_path):
    wrong = {**GOOD, "double": "import os\ndef double(x):\n    os._exit(3)"}
    path = small.save(small.answered(**wrong), tmp_path / "small.ipynb")
    assert ["the kernel ended" in (check.problem or "") for check in validate(path)] == [True] * 2


def test_validate_when_the_time_is_up(tmp_path, capfd):
    endless = {**GOOD, "double": "def double(x):\n    while True:\n        pass"}
    path = small.save(small.answered(**endless), tmp_path / "small.ipynb")
    found = {check.grade_id: check.problem for check in validate(path, seconds=2)}
    assert found == {"double-test": "It was stopped: it was not done after 2 s.", "mean-test": None}
    assert "WARNING" not in capfd.readouterr().err


def test_validate_sees_changed_and_copied_checks(tmp_path):
    found = small.answered(**GOOD)
    small.cell_of(found, "double-test").source = "pass"
    copy = nbformat.from_dict(dict(small.cell_of(found, "mean-test")))
    found.cells.append({**copy, "id": "another"})
    path = small.save(found, tmp_path / "small.ipynb")
    problems = [check.problem for check in validate(path)]
    assert "was changed" in problems[0]
    assert "several cells with this id" in problems[1] and problems[1] == problems[2]


@pytest.mark.parametrize("data", ["{", "", {"cells": []}, small.notebook([])])
def test_validate_what_is_no_exercise(tmp_path, capsys, data):
    path = small.save(data, tmp_path / "small.ipynb")
    status, printed = run_validate(path, capsys)
    assert status == 2 and str(path) in printed
    assert run_validate(tmp_path / "none.ipynb", capsys)[0] == 2


def test_check_and_options(capsys):
    require_sandbox()
    assert main(["check"]) == 0
    assert "The sandbox can be used here" in capsys.readouterr().out
    for arguments in ([], ["grade"], ["grade", "small", "--jobs", "0"], ["validate"]):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2


def test_many_messages_are_folded():
    task = {
        "name": "f", "anchor": "f", "score": 1.0, "points": 2.0, "passed": 3, "asked": 9,
        "messages": [f"Wrong in case {n}." for n in range(7)], "comment": None, "answer": None,
        "outputs": [],
    }  # fmt: skip
    options = {
        "name": "small", "student": "ada", "score": 1.0, "maximum": 2.0, "open": 0, "penalty": 0,
        "reasons": [], "notes": [], "tasks": [task], "others": [],
    }  # fmt: skip
    page = render("feedback.html", most=5, **options)
    check_page(page)
    before, folded = page.split("<details>")
    assert before.count("Wrong in case") == 5 and folded.count("Wrong in case") == 2
    assert "2 more, perhaps of the same cause" in folded
    assert "<details>" not in render("feedback.html", most=7, **options)
