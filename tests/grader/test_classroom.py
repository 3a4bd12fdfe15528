"""A class: roster, collecting from Canvas and Moodle, and marks for them. Nothing is run."""

import csv
import io
import json
import zipfile
from dataclasses import replace

import pytest

from quantgrader.classroom import collect, downloads, marks, roster, total, worksheet
from quantgrader.cli import main
from quantgrader.course import tables
from quantgrader.course.folders import CourseError
from quantgrader.course.gradebook import open_gradebook
from quantgrader.course.settings import Settings, settings
from quantgrader.pages.report import Row
from quantgrader.texts import as_cell, as_text
from tests.grader import grading_support as small

pytestmark = pytest.mark.slow

CANVAS = '''\
Student,ID,SIS User ID,SIS Login ID,Section,Exercise 1 (4711),Final Score
,,,,,Manual Posting,
    Points Possible,,,,,9,(read only)
"One, Student",17,S-17,student-01,Group A,,0
"Two, Student",18,S-18,student-02,Group A and Group B,7.5,83
"=""=1+1""",19,S-19,student-03,Group B,,0
"Four, Student",20,S-20,../student-04,Group B,,0
"Five, Student",21,S-21,,Group B,,0
"Student, Test",99,,0123456789abcdef,Group A,,0
'''
MOODLE = """\
First name,Surname,ID number,Institution,Department,Email address,Assignment: small (Real)
Student,One,17,,,student-01@example.org,-
Student,Two,18,,,student-02@example.org,7.50
Same,Name,19,,,student-03@example.org,-
Name,Same,20,,,student-04@example.org,-
"""
WORKSHEET = """\
Identifier,Full name,ID number,Email address,Status,Grade,Maximum grade,Last modified (submission),Last modified (grade)
Participant 501,Student One,17,student-01@example.org,Submitted,,9.00,"Sunday, 29 November 2026, 11:58 PM",-
Participant 503,Same Name,19,student-03@example.org,Submitted,3.00,10.00,-,-
Participant 509,Somebody Else,,nobody@example.org,No submission,,9.00,-,-
"""  # noqa: E501


def rows_of(text):
    return list(csv.reader(io.StringIO(text)))


def read(tmp_path, text, **options):
    return roster.read_export(small.save(text, tmp_path / "export.csv"), **options)


def learners(tmp_path, text, **options):
    return {one.student: one for one in read(tmp_path, text, **options).learners}


def test_students_of_canvas(tmp_path):
    found = read(tmp_path, CANVAS, id_field="login")
    assert [one.student for one in found.learners] == ["student-01", "student-02", "student-03"]
    first, second, third = found.learners
    assert first == roster.Learner(
        "student-01", "One, Student", "Student", "One", "", "17", "S-17", "student-01", "Group A"
    )
    assert second.section == "Group A and Group B" and third.name == "=1+1"
    left_out = dict(found.left_out)
    assert "can't be the name of a folder" in left_out["Four, Student"]
    assert left_out["Five, Student"] == "it has no login"
    assert "Student, Test" not in left_out


def test_an_id_is_what_everybody_has(tmp_path):
    assert read(tmp_path, CANVAS).id_field == "sis_id"
    assert read(tmp_path, MOODLE).id_field == "sis_id"
    assert set(learners(tmp_path, MOODLE, id_field="email")) == {
        f"student-0{n}@example.org" for n in range(1, 5)
    }


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_spreadsheets_write_tables_in_their_own_ways(tmp_path, separator, encoding):
    text = "\n".join(separator.join(line.split(",")) for line in MOODLE.splitlines())
    found = learners(tmp_path, text.replace("One", "Øne").encode(encoding))
    assert found["17"].last_name == "Øne" and found["18"].words() == ("student", "two")


def test_columns_in_another_language(tmp_path):
    text = "Vorname,Nachname,E-Mail-Adresse\nStudent,One,student-01@example.org\n"
    with pytest.raises(CourseError, match="Its columns are: Vorname, Nachname, E-Mail-Adresse"):
        read(tmp_path, text)
    names = {"first_name": "Vorname", "last_name": "Nachname", "email": "E-Mail-Adresse"}
    assert learners(tmp_path, text, columns=names)["student-01@example.org"].name == "One, Student"
    with pytest.raises(CourseError, match="no field 'mail'"):
        read(tmp_path, text, columns={"mail": "E-Mail-Adresse"})
    with pytest.raises(CourseError, match="no column Name"):
        read(tmp_path, text, columns={"name": "Name"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (b"Student,ID,Section\n\xff", "not UTF-8"),
        ("ID,ID,Section\n", "several columns ID"),
        ("Student,ID,Section\nOne,,A\n", "no column that has an id for everybody"),
    ],
)
def test_what_is_no_roster(tmp_path, text, message):
    with pytest.raises(CourseError, match=message):
        read(tmp_path, text)
    with pytest.raises(CourseError, match="can't be read"):
        roster.read_export(tmp_path / "none.csv")


def test_an_id_of_two_is_nobodys(tmp_path):
    found = read(tmp_path, MOODLE.replace(",18,", ",17,"))
    assert [one.student for one in found.learners] == ["19", "20"]
    assert {reason for _, reason in found.left_out} == {"several rows are of 17"}


KNOWN = {
    "s1": roster.Learner("s1", "One, Student", "Student", "One", "one@x.org", "17", "S-17", "s1"),
    "s2": roster.Learner("s2", "Two, Student", "Student", "Two", "two@x.org", "18", "S-18", "s2"),
}
LATER = "First name,Last name,ID number,Username,Email address\n"


def later(tmp_path, *rows, **options):
    """(students, {name: reason}) of a later file of the class."""
    found = read(tmp_path, LATER + "\n".join(rows) + "\n", known=KNOWN, **options)
    return [one.student for one in found.learners], dict(found.left_out)


def test_a_later_file_has_the_same_kind_of_id(tmp_path):
    rows = ("Student,One,S-17,s1,one@x.org", "Student,Three,S-19,s3,three@x.org")
    assert later(tmp_path, *rows) == (["s1", "s3"], {})
    with pytest.raises(CourseError, match="known by their login; with --id email each would be"):
        later(tmp_path, *rows, id_field="email")


def test_whoever_is_known_is_found_by_any_of_the_ids(tmp_path):
    rows = ("Student,One,S-17,,other@x.org", "Student,Two,,,TWO@x.org", "New,One,S-20,,new@x.org")
    assert later(tmp_path, *rows) == (["s1", "s2"], {"One, New": "it has no login"})
    addresses = {"one@x.org": "one@x.org", "two@x.org": "two@x.org", "three@x.org": "3@x.org"}
    changed = {
        name: roster.Learner(name, name, email=address, login=f"login-{name[:3]}")
        for name, address in addresses.items()
    }
    text = LATER + "A,B,S-30,s30,a@x.org\n"
    assert learners(tmp_path, text, known=changed).keys() == {"a@x.org"}
    # A login that was changed is of the same student; one that is of two is nobody's.
    assert later(tmp_path, "Student,One,S-17,s1-new,one@x.org") == (["s1"], {})
    students, reasons = later(tmp_path, "Student,One,S-17,s2,one@x.org")
    assert students == [] and reasons == {
        "One, Student": "what it has is of several students of the roster: s1 and s2"
    }


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-cmd|x", "@sum", " =1", "\t=1", "'quoted"])
def test_a_cell_is_no_formula(text):
    assert not as_cell(text).lstrip().startswith(("=", "+", "-", "@"))
    assert as_text(as_cell(text.strip())) == text.strip()
    for harmless in ("-", "-0.5", "+49", "student-01", "", "a; b", "x;y=1"):
        assert as_cell(harmless) == harmless


@pytest.mark.parametrize(
    "text",
    [
        "x;=cmd|'/C calc'!A0;",
        "x; +1;@a",
        "a,x;=1",
        'a,b;"=1',
        "x;\xa0=1",
        "x;\u200d-a",
        "＝1",
        "a;＝1",
    ],
)
def test_a_cell_is_no_formula_where_something_else_separates(text):
    row = io.StringIO()
    csv.writer(row).writerow(["first", as_cell(text), "last"])
    for separator in ",;\t":
        for cells in csv.reader([row.getvalue()], delimiter=separator):
            for cell in cells:
                start = cell.lstrip('\xa0 \u200d"')
                assert not start.startswith(tuple("=+-@＝＋－＠")), cells
    assert as_text(as_cell(text)) == text


# In a course


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return small.School.make(tmp_path_factory.mktemp("class") / "course")


@pytest.fixture
def school(original, tmp_path, monkeypatch):
    school = original.copy(tmp_path / "course")
    monkeypatch.chdir(school.root)
    return school


def run(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out + captured.err


def test_roster_goes_into_the_gradebook(school, tmp_path, capsys):
    path = small.save(CANVAS, tmp_path / "canvas.csv")
    status, printed = run(capsys, "roster", path, "--id", "login")
    assert status == 1
    assert "3 students (Canvas; their id is the login): 3 new, 0 known." in printed
    assert "not taken: Five, Student: it has no login." in printed
    with open_gradebook(school.course()) as book:
        one = book.find_student("student-01")
        assert (one.first_name, one.last_name, one.lms_user_id) == ("Student", "One", "17")
        book.update_or_create_student("student-09")
    known = roster.read_roster(school.course())
    assert known["student-03"].name == "=1+1"
    assert "'=1+1" in roster.roster_file(school.course()).read_text()
    later = small.save("\n".join(CANVAS.splitlines()[:4]), tmp_path / "later.csv")
    status, printed = run(capsys, "roster", later)
    assert status == 0 and "1 student (Canvas; their id is the login): 0 new, 1 known." in printed
    assert "not in this file: student-02, student-03, student-09. They stay." in printed
    assert roster.read_roster(school.course()) == known
    moodle = small.save(
        "First name,Last name,ID number,Email address\nStudent,Two,S-18,two@example.org\n",
        tmp_path / "moodle.csv",
    )
    status, printed = run(capsys, "roster", moodle)
    assert status == 0 and "1 student (Moodle; their id is the login): 0 new, 1 known." in printed
    both = roster.read_roster(school.course())["student-02"]
    assert both == replace(known["student-02"], email="two@example.org")
    with open_gradebook(school.course()) as book:
        assert book.find_student("student-02").lms_user_id == "18"


def notebook(**answers):
    return json.dumps(small.answered(**answers))


def pack(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def submitted(school):
    return {
        path.relative_to(school.root / "submitted").as_posix(): path.read_text()
        for path in (school.root / "submitted").rglob("*")
        if path.is_file()
    }


def test_collect_from_canvas(school, tmp_path, capsys):
    run(capsys, "roster", small.save(CANVAS, tmp_path / "canvas.csv"), "--id", "login")
    inner = pack(tmp_path / "inner.zip", {"work/small.ipynb": notebook(), "work/data.csv": "1"})
    download = pack(
        tmp_path / "submissions.zip",
        {
            "onestudent_17_100_small-2.ipynb": notebook(),
            "twostudent_LATE_18_101_work.zip": inner.read_bytes(),
            "otherstudent_77_102_small.ipynb": notebook(),
            "anon_Xy12z_103_small.ipynb": notebook(),
            "threestudent_19_text.html": "<p>",
            "../../evil_19_104_..": "x",
            "readme.txt": "x",
            "__MACOSX/._onestudent_17_100_small.ipynb": "x",
        },
    )
    status, printed = run(capsys, "collect", "small", download)
    assert status == 1 and "2 students new, 0 replaced, 0 as before." in printed
    assert "Late, as the system says: student-02." in printed
    assert "Nothing from: student-03." in printed
    assert "77_102_small.ipynb: nobody in class/roster.csv has the ID 77." in printed
    assert "19_text.html: a text that was typed in" in printed
    assert printed.count("not taken:") == 5
    assert set(submitted(school)) == {
        "student-01/small/small.ipynb",
        "student-02/small/small.ipynb",
        "student-02/small/data.csv",
    }
    with zipfile.ZipFile(download) as archive:
        archive.extractall(tmp_path / "unpacked")
    status, printed = run(
        capsys, "collect", "small", tmp_path / "unpacked", "--match", "77=student-03"
    )
    assert "1 student new, 0 replaced, 2 as before." in printed
    assert run(capsys, "collect", "small", download, "--match", "77=nobody")[0] == 2


def test_what_was_handed_in_anew_replaces_only_if_wanted(school, tmp_path, capsys):
    run(capsys, "roster", small.save(CANVAS, tmp_path / "canvas.csv"), "--id", "login")
    first, second = notebook(why="first"), notebook(why="second")
    names = ("first", "second")
    paths = [
        pack(tmp_path / f"{name}.zip", {"onestudent_17_100_small.ipynb": text})
        for name, text in zip(names, (first, second), strict=True)
    ]
    assert run(capsys, "collect", "small", paths[0])[0] == 0
    status, printed = run(capsys, "collect", "small", paths[1])
    assert status == 1 and "left so (--update takes the new ones): student-01." in printed
    assert submitted(school) == {"student-01/small/small.ipynb": first}
    status, printed = run(capsys, "collect", "small", paths[1], "--update")
    assert status == 0 and "0 students new, 1 replaced" in printed
    assert submitted(school) == {"student-01/small/small.ipynb": second}
    assert "Replaced: student-01." in printed
    (kept,) = (school.root / "class" / "replaced").rglob("*.ipynb")
    assert kept.read_text() == first


def test_a_repair_is_no_other_version(school, tmp_path, capsys):
    run(capsys, "roster", small.save(CANVAS, tmp_path / "canvas.csv"), "--id", "login")
    texts = [notebook(why=why) for why in ("broken", "repaired", "handed in anew")]
    paths = [
        pack(tmp_path / f"{number}.zip", {"onestudent_17_100_small.ipynb": text})
        for number, text in enumerate(texts)
    ]
    run(capsys, "collect", "small", paths[0])
    place = school.course().folder("submitted", "student-01", "small") / "small.ipynb"
    place.write_text(texts[1])
    for update in ((), ("--update",)):
        status, printed = run(capsys, "collect", "small", paths[0], *update)
        assert status == 0 and "0 replaced, 0 as before" in printed
        assert "left so: nothing new came: student-01." in printed
        assert place.read_text() == texts[1]
    status, printed = run(capsys, "collect", "small", paths[2])
    assert status == 1 and place.read_text() == texts[1]
    status, printed = run(capsys, "collect", "small", paths[2], "--update")
    assert "Changed here since they were collected, and replaced: student-01." in printed
    assert place.read_text() == texts[2]
    kept = {path.read_text() for path in (school.root / "class" / "replaced").rglob("*.ipynb")}
    assert kept == {texts[1]}


def test_a_worksheet_that_was_forgotten_adds_the_time(school, tmp_path, capsys):
    run(capsys, "roster", small.save(MOODLE, tmp_path / "moodle.csv"), "--id", "email")
    file = "Student One_501_assignsubmission_file_/small.ipynb"
    download = pack(tmp_path / "moodle.zip", {file: notebook()})
    assert run(capsys, "collect", "small", download)[0] == 0
    worksheet = small.save(WORKSHEET, tmp_path / "worksheet.csv")
    status, printed = run(capsys, "collect", "small", download, "--worksheet", worksheet)
    assert status == 0 and "0 replaced, 1 as before" in printed
    (stamp,) = (text for name, text in submitted(school).items() if "timestamp" in name)
    assert stamp == "2026-11-29 23:58:00+00:00"
    run(capsys, "collect", "small", download)
    assert stamp in submitted(school).values()


@pytest.mark.parametrize("flat", [False, True])
def test_collect_from_moodle(school, tmp_path, capsys, flat):
    run(capsys, "roster", small.save(MOODLE, tmp_path / "moodle.csv"), "--id", "email")
    slash = "_" if flat else "_/"
    files = {
        f"Student One_501_assignsubmission_file{slash}small.ipynb": notebook(),
        f"Two Student_502_assignsubmission_file{slash}small.ipynb": notebook(),
        f"Same Name_503_assignsubmission_file{slash}x_502_assignsubmission_file_y.ipynb": "{",
        "Student One_501_assignsubmission_onlinetext_/onlinetext.html": "<p>",
    }
    download = pack(tmp_path / "moodle.zip", files)
    status, printed = run(capsys, "collect", "small", download)
    assert status == 1 and "2 students new" in printed and "or of several" in printed
    worksheet = small.save(WORKSHEET, tmp_path / "worksheet.csv")
    text = "c = get_config()\nc.Classroom.timezone = 'Europe/Paris'\n"
    (school.root / "nbgrader_config.py").write_text(small.CONFIG + text)
    status, printed = run(capsys, "collect", "small", download, "--worksheet", worksheet)
    assert "1 student new, 0 replaced, 2 as before." in printed
    found = submitted(school)
    place = "student-01@example.org/small/timestamp.txt"
    assert found[place] == "2026-11-29 23:58:00+01:00"
    assert "student-03@example.org/small/x_502_assignsubmission_file_y.ipynb" in found


def test_spaces_of_other_kinds_are_part_of_a_name(school, tmp_path, capsys):
    """The system of a Mac puts them into the names of pictures of its screen."""
    run(capsys, "roster", small.save(CANVAS, tmp_path / "canvas.csv"), "--id", "login")
    files = {"onestudent_17_1_small.ipynb": notebook(), "onestudent_17_2_at 9.41\u202fAM.png": "x"}
    assert run(capsys, "collect", "small", pack(tmp_path / "d.zip", files))[0] == 0
    assert "student-01/small/at 9.41\u202fAM.png" in submitted(school)


def test_damaged_downloads(school, tmp_path, capsys):
    for path in (tmp_path / "none.zip", small.save("no zip", tmp_path / "text.zip")):
        status, printed = run(capsys, "collect", "small", path)
        assert status == 2 and path.name in printed
    link = tmp_path / "folder" / "onestudent_17_1_small.ipynb"
    link.parent.mkdir()
    link.symlink_to(small.save("{}", tmp_path / "secret.ipynb"))
    ((name, problem),) = downloads.contents(link.parent)
    assert name == link.name and "is a link" in problem
    assert downloads.Room().unpacked("a.zip", b"no zip")[0] == {"a.zip": b"no zip"}


def packed(name="small.ipynb", data=b"{}", method=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr(name, data)
    return bytearray(file.getvalue())


def damaged(kind):
    """A student's ZIP file that something is wrong with, for each kind another exception."""
    if kind == "a name that is none":
        return packed(".")
    lzma = kind == "lzma"
    found = packed(data=bytes(1000), method=zipfile.ZIP_LZMA if lzma else zipfile.ZIP_DEFLATED)
    start, entry = 30 + len("small.ipynb") + 9 * lzma, found.rindex(b"PK\x01\x02")
    if kind in ("deflate", "lzma"):
        found[start : entry - 2] = b"\xff" * (entry - 2 - start)
    elif kind == "version":
        found[entry + 6] = 99
    elif kind == "encoding":
        found[entry + 9], found[entry + 46] = 0x08, 0xFF
    elif kind == "password":
        found[6], found[entry + 8] = 1, 1
    return found


@pytest.mark.parametrize(
    "kind", ["deflate", "lzma", "version", "encoding", "password", "a name that is none"]
)
def test_a_damaged_file_of_one_student_stops_nobody(school, tmp_path, capsys, kind):
    run(capsys, "roster", small.save(CANVAS, tmp_path / "canvas.csv"), "--id", "login")
    data = bytes(damaged(kind))
    names = ("onestudent_17_1_small.ipynb", "twostudent_18_2_work.zip", "three_19_3_small.ipynb")
    files = dict(zip(names, (notebook(), data, notebook()), strict=True))
    status, printed = run(capsys, "collect", "small", pack(tmp_path / "d.zip", files))
    assert status == 1 and "3 students new" in printed
    assert "kept as it came: twostudent_18_2_work.zip: " in printed
    assert (school.root / "submitted" / "student-02" / "small" / "work.zip").read_bytes() == data


@pytest.mark.parametrize("kind", ["deflate", "lzma", "version", "encoding", "a name that is none"])
def test_a_damaged_download_is_told(school, tmp_path, capsys, kind):
    small.save("", tmp_path / "d.zip").write_bytes(damaged(kind))
    status, printed = run(capsys, "collect", "small", tmp_path / "d.zip")
    assert status in (1, 2) and ("not taken: " in printed or "no ZIP file" in printed)


def test_what_one_student_packed_is_bounded(monkeypatch):
    """However many ZIP files it is in; and none is unpacked in vain again and again."""
    monkeypatch.setattr(downloads, "_MAX_BYTES_OF_ONE", 10_000)
    monkeypatch.setattr(downloads, "_MAX_FILES_OF_ONE", 6)
    room = downloads.Room()
    files, problem = room.unpacked("a.zip", bytes(packed("a", bytes(6_000))))
    assert (list(files), problem) == (["a"], None) and room.takes(files["a"])
    for name in ("b.zip", "c.zip"):
        size = 6_000 if name == "b.zip" else 1
        files, problem = room.unpacked(name, bytes(packed("b", bytes(size))))
        assert list(files) == [name] and "takes too much" in problem and room.takes(files[name])
    assert not room.takes(bytes(5_000))
    assert [room.takes(b"") for _ in range(5)] == [True] * 3 + [False] * 2


def test_collect_says_what_it_has_no_room_for(school, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(downloads, "_MAX_BYTES_OF_ONE", 100_000)
    run(capsys, "roster", small.save(CANVAS, tmp_path / "canvas.csv"), "--id", "login")
    files = {"onestudent_17_1_small.ipynb": notebook()}
    files |= {f"onestudent_17_2_{n}.bin": bytes(60_000) for n in range(2)}
    status, printed = run(capsys, "collect", "small", pack(tmp_path / "d.zip", files))
    assert status == 1 and "17_2_1.bin: 1.bin: the student's files take too much" in printed
    assert len(submitted(school)) == 2


def row(student, state, score):
    return Row(student, state, score, score, None, 0.0, 9.0)


FOUND = {
    "small": [
        row("student-01", "graded", 8.5), row("student-02", "by hand", 5.0),
        row("student-03", "nothing", None), row("student-09", "graded", 1.0),
    ]
}  # fmt: skip


def test_marks_for_canvas(tmp_path):
    known = learners(tmp_path, CANVAS, id_field="login")
    result = marks.export("canvas", FOUND, known, {"small": "Exercise 1 (4711)"}, marks.Rule())
    assert rows_of(result.text) == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Exercise 1 (4711)"],
        ["    Points Possible", "", "", "", "", "9"],
        ["One, Student", "17", "S-17", "student-01", "Group A", "8.5"],
    ]
    assert result.left_out == [
        ("student-02", "to be graded by hand"), ("student-03", "nothing handed in"),
        ("student-09", "not in class/roster.csv"),
    ]  # fmt: skip
    everything = marks.Rule(so_far=True, nothing_is_zero=True)
    result = marks.export("canvas", FOUND, known, {}, everything)
    assert [line[-1] for line in rows_of(result.text)] == ["small", "9", "8.5", "5", "0"]
    assert rows_of(result.text)[-1][0] == "'=1+1"


def test_an_empty_cell_among_others_is_told(tmp_path):
    found = FOUND | {"large": [row("student-01", "review", None)]}
    known = learners(tmp_path, CANVAS, id_field="login")
    result = marks.export("canvas", found, known, {}, marks.Rule())
    assert rows_of(result.text)[-1][-2:] == ["8.5", ""]
    assert result.notes == [("student-01", "an empty cell: large needs review")]


def test_marks_for_moodle(tmp_path):
    known = {f"student-0{one.student[-1]}": one for one in read(tmp_path, MOODLE).learners}
    found = {"small": [row("student-07", "graded", 2.0)]}
    result = marks.export("moodle", found, known, {}, marks.Rule())
    assert rows_of(result.text) == [
        ["First name", "Last name", "ID number", "Username", "Email address", "small"],
        ["Student", "One", "17", "", "student-01@example.org", "2"],
    ]
    with pytest.raises(CourseError, match="no roster"):
        marks.export("moodle", found, {}, {}, marks.Rule())


def test_a_worksheet_is_filled_in(tmp_path):
    known = learners(tmp_path, MOODLE, id_field="email")
    rows = [row(f"student-0{n}@example.org", "graded", n + 0.5) for n in (1, 2, 3)]
    path = small.save(WORKSHEET, tmp_path / "worksheet.csv")
    result = worksheet.fill_in(path, {}, rows, known, marks.Rule())
    before, after = rows_of(WORKSHEET), rows_of(result.text)
    assert [line[5] for line in after] == ["Grade", "1.5", "3.5", ""]
    assert [line[:5] + line[6:] for line in after] == [line[:5] + line[6:] for line in before]
    assert dict(result.left_out) == {
        "Somebody Else": "in the worksheet, and nobody here",
        "student-02@example.org": "not in the worksheet",
    }
    assert result.notes == [("student-03@example.org", "Moodle's maximum is 10.00, not 9")]


GERMAN = {
    "Identifier": "ID", "Full name": "Vollständiger Name", "Email address": "E-Mail-Adresse",
    "Grade": "Bewertung", "Maximum grade": "Bestwertung",
    "Last modified (submission)": "Zuletzt geändert (Abgabe)",
    "Last modified (grade)": "Zuletzt geändert (Bewertung)",
}  # fmt: skip


def in_german(text):
    header, *lines = text.replace("Participant", "Teilnehmer/in").split("\n")
    names = [GERMAN.get(name, name) for name in header.split(",")]
    return "\n".join([",".join(names), *lines])


def test_a_worksheet_in_another_language(school, tmp_path, capsys):
    run(capsys, "roster", small.save(MOODLE, tmp_path / "moodle.csv"), "--id", "email")
    path = small.save(in_german(WORKSHEET), tmp_path / "worksheet.csv")
    file = "Two Words_501_assignsubmission_file_/small.ipynb"
    download = pack(tmp_path / "moodle.zip", {file: notebook()})
    arguments = ("collect", "small", download, "--worksheet", path)
    status, printed = run(capsys, *arguments)
    assert status == 2 and "has no column Identifier. Its columns are: ID, Vollst" in printed
    assert "class/config.py which of them is which: c.Classroom.worksheet" in printed
    text = f"{small.CONFIG}c.Classroom.worksheet = {GERMAN}\n"
    (school.root / "nbgrader_config.py").write_text(text)
    status, printed = run(capsys, *arguments)
    assert status == 0 and "1 student new" in printed
    assert set(submitted(school)) == {
        f"student-01@example.org/small/{name}" for name in ("small.ipynb", "timestamp.txt")
    }
    filled = tmp_path / "filled.csv"
    status, printed = run(
        capsys, "export", "small", "--to", "moodle", "--worksheet", path, "--output", filled,
        "--nothing-is-zero",
    )  # fmt: skip
    before, after = rows_of(in_german(WORKSHEET)), rows_of(filled.read_text())
    assert before[0] == after[0] and [line[5] for line in after] == ["Bewertung", "", "0", ""]


def test_another_maximum_is_told_once(tmp_path):
    known = learners(tmp_path, MOODLE, id_field="email")
    rows = [row(f"student-0{n}@example.org", "graded", 1.0) for n in (1, 3)]
    path = small.save(WORKSHEET.replace("9.00", "10.00"), tmp_path / "worksheet.csv")
    result = worksheet.fill_in(path, {}, rows, known, marks.Rule())
    assert result.notes == [("2 students", "Moodle's maximum is 10.00, not 9")]


def test_the_command_writes_what_canvas_takes(school, tmp_path, capsys):
    run(capsys, "roster", small.save(CANVAS, tmp_path / "canvas.csv"), "--id", "login")
    (school.root / "nbgrader_config.py").write_text(
        small.CONFIG + "c.Classroom.columns = {'small': 'Exercise 1 (4711)'}\n"
    )
    path = tmp_path / "marks.csv"
    arguments = ("export", "small", "--to", "canvas", "--output", path)
    status, printed = run(capsys, *arguments)
    assert status == 0 and "not in it: student-01: nothing handed in." in printed
    status, printed = run(capsys, *arguments, "--nothing-is-zero")
    assert status == 0 and "3 students in" in printed
    assert path.read_text().splitlines()[0].endswith("Section,Exercise 1 (4711)")
    assert run(capsys, *arguments, "--worksheet", path)[0] == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("drop = -1", "drop is -1"),
        ("weights = {'small': 'x'}", "weight of small is 'x'"),
        ("columns = {'small': 3}", "column of small is 3"),
        ("worksheet = {'Mark': 'Note'}", "worksheet has 'Mark', not one of Identifier, Grade"),
        ("worksheet = {'Grade': ''}", "worksheet says Grade is ''"),
        ("timezone = 'Nowhere/Atall'", "timezone is 'Nowhere/Atall'"),
        ("dropped = 1", "dropped\\? What it takes is drop, weights, columns"),
    ],
)
def test_settings_that_are_none(school, line, message):
    (school.root / "nbgrader_config.py").write_text(small.CONFIG + f"c.Classroom.{line}\n")
    with pytest.raises(CourseError, match=message):
        settings(school.course())


def test_a_class_decides_in_a_file_of_its_own(school):
    text = small.CONFIG + 'load_subconfig("class/config.py")\n'
    (school.root / "nbgrader_config.py").write_text(text)
    assert settings(school.course()).drop == 0
    small.save("c = get_config()\nc.Classroom.drop = 2\n", school.root / "class" / "config.py")
    assert settings(school.course()).drop == 2
    assert (small.ROOT / "nbgrader_config.py").read_text().count('"class/config.py"') == 1


def test_files_of_a_student_never_leave_his_folder(school, tmp_path):
    known = {"student-01": roster.Learner("student-01", lms_id="17")}
    name = "onestudent_17_1_"
    files = [f"{name}{hidden}" for hidden in (".bashrc", "timestamp.txt", "submission_secret.txt")]
    path = pack(tmp_path / "evil.zip", dict.fromkeys(files, "x"))
    found = collect.collect(school.course(), "small", path, known)
    assert len(found.left_out) == 3 and not (school.root / "submitted").exists()


def test_a_table_is_what_it_says():
    assert tables.text_of(["a"], [["=1"], [None], [2.5]]) == 'a\n\'=1\n""\n2.5\n'


# All assignments


ALL = {
    "first": [row("student-01", "graded", 9.0), row("student-02", "graded", 4.5)],
    "second": [row("student-01", "graded", 4.5), row("student-02", "by hand", 4.5)],
    "third": [row("student-01", "graded", 0.0), row("student-02", "nothing", None)],
}


def test_the_weakest_are_left_out():
    rules = Settings(drop=1, weights={"first": 2})
    one, two = total.total(ALL, rules, {})
    assert one.cells() == ["student-01", "", "9", "4.5", "(0)", "83.33", "2"]
    assert two.cells() == ["student-02", "", "4.5", "", "", "50", "1"]
    assert two.open == ("second to be graded by hand",)
    everything = marks.Rule(so_far=True, nothing_is_zero=True)
    _, two = total.total(ALL, rules, {}, everything)
    assert two.cells()[2:] == ["4.5", "4.5", "(0)", "50", "2"]
    (nobody,) = total.total({"first": [row("student-03", "new", None)]}, rules, {})
    assert nobody.overall is None and nobody.counted == 0


def test_one_always_counts():
    one, two = total.total(ALL, Settings(drop=7), {})
    assert (one.overall, one.counted, two.counted) == (100, 1, 1)
    with pytest.raises(CourseError, match="names fourth; the assignments are: first, second"):
        total.total(ALL, Settings(weights={"fourth": 1}), {})


def test_the_table_of_all_assignments(school, tmp_path, capsys):
    run(capsys, "roster", small.save(CANVAS, tmp_path / "canvas.csv"), "--id", "login")
    school.submit("student-01", "{")
    files = [tmp_path / "total.csv", tmp_path / "total.html"]
    status, printed = run(capsys, "total", "--csv", files[0], "--html", files[1])
    assert status == 0 and "No mark yet: small not graded yet." in printed
    assert "2 students did not hand in everything. What was not handed in does not count" in printed
    table = rows_of(files[0].read_text())
    assert table[1][:2] == ["student-01", "One, Student"] and table[3][1] == "'=1+1"
    page = small.check_page(files[1].read_text())
    assert "What was not handed in does not count." in " ".join(page.data)
    assert "does not count" not in run(capsys, "total", "--nothing-is-zero")[1]
