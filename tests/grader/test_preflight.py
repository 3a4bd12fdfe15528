"""What a submission may look like before it runs: repaired and said, or reviewed with a reason."""

import json
import os
import random
import socket

import nbformat
import pytest

from quantgrader.course import elsewhere
from quantgrader.course import preflight as preflight_module
from quantgrader.course.preflight import preflight
from quantgrader.course.reference import grade_id
from quantgrader.course.submission import Bounds, Submission, read_submission
from tests.grader import grading_support as small


@pytest.fixture
def folder(tmp_path):
    found = tmp_path / "ada" / "small"
    found.mkdir(parents=True)
    return found


def look(folder, found=None, reference=None, bounds=None):
    """Preflight a folder, after a notebook was written into it."""
    reference = reference or small.reference()
    if found is not None:
        small.save(found, folder / "small.ipynb")
    return preflight(read_submission(folder, "ada", reference, bounds), reference)


def ids(found):
    return [grade_id(cell) for cell in found.cells if grade_id(cell)]


def repaired(result, note):
    """The notebook of a submission that was repaired, with the note, and is whole again."""
    assert result.reason is None
    assert any(note in text for text in result.notes), result.notes
    assert sorted(ids(result.notebook)) == sorted(small.reference().cells)
    assert len(set(ids(result.notebook))) == len(ids(result.notebook))
    nbformat.validate(result.notebook)
    for name, released in small.reference().cells.items():
        cell = next(c for c in result.notebook.cells if grade_id(c) == name)
        assert cell.cell_type == released.cell_type
        assert cell.metadata == released.metadata
        if name in ("checks", "double-test", "mean-test"):
            assert cell.source == released.source
    return result.notebook


def code_of(found):
    return "\n".join(cell.source for cell in found.cells if cell.cell_type == "code")


def test_honest_submission_passes_as_it_is(folder):
    (folder / "timestamp.txt").write_text("2026-03-01 12:00:00.000000 UTC\n")
    result = look(folder, small.honest())
    assert result.reason is None and result.notes == ()
    assert [cell.source for cell in result.notebook.cells] == [
        cell.source for cell in small.honest().cells
    ]


def test_fingerprint_changes_with_the_folder(folder):
    reference = small.reference()
    small.save(small.honest(), folder / "small.ipynb")

    def fingerprint():
        return read_submission(folder, "ada", reference).fingerprint

    first = fingerprint()
    assert fingerprint() == first
    (folder / "timestamp.txt").write_text("2026-03-01 12:00:00 UTC")
    second = fingerprint()
    small.save(small.answered(), folder / "small.ipynb")
    assert len({first, second, fingerprint()}) == 3


# Repairs


def test_copied_solution_cell_keeps_the_last_definition(folder):
    found = small.honest()
    place = found.cells.index(small.cell_of(found, "double"))
    copy = nbformat.from_dict(json.loads(json.dumps(found.cells[place])))
    copy.source = "def double(x):\n    return x + x"
    found.cells.insert(place + 1, copy)
    fixed = repaired(look(folder, found), "one of each has the id: double.")
    assert small.DOUBLE in code_of(fixed)
    assert next(c for c in fixed.cells if grade_id(c) == "double").source == copy.source


def test_split_solution_cell_keeps_all_of_its_text(folder):
    found = small.honest()
    cell = small.cell_of(found, "double")
    place = found.cells.index(cell)
    second = nbformat.from_dict(json.loads(json.dumps(cell)))
    cell.source, second.source = "factor = 2", "def double(x):\n    return factor * x"
    found.cells.insert(place + 1, second)
    fixed = repaired(look(folder, found), "one of each has the id: double.")
    assert code_of(fixed).index("factor = 2") < code_of(fixed).index("return factor")


def test_copied_test_cell(folder):
    found = small.honest()
    copy = nbformat.from_dict(json.loads(json.dumps(small.cell_of(found, "double-test"))))
    copy.source = "print('mine')"
    found.cells.insert(0, copy)
    repaired(look(folder, found), "one of each has the id: double-test.")


@pytest.mark.parametrize(
    "gone", [["double-test"], ["mean-test"], ["checks"], ["double-test", "mean"]]
)
def test_deleted_cells_come_back_in_their_place(folder, gone):
    found = small.honest()
    found.cells = [cell for cell in found.cells if cell.id not in gone]
    result = look(folder, found)
    fixed = repaired(result, "eleted")
    assert all(any(name in note for note in result.notes) for name in gone)
    assert ids(fixed) == list(small.reference().cells)


def test_deleted_test_cell_with_the_answer_before_it_gone_too(folder):
    found = small.honest()
    found.cells = [cell for cell in found.cells if cell.id not in ("double", "double-test")]
    found.cells.append(nbformat.v4.new_code_cell(small.DOUBLE))
    fixed = repaired(look(folder, found), "lost their settings, which were put back: double.")
    assert small.STUB not in code_of(fixed)


def test_deleted_answer_is_not_replaced_by_the_stub(folder):
    found = small.honest()
    cell = small.cell_of(found, "mean")
    # The function is in a cell with another one: its own cell is gone.
    small.cell_of(found, "double").source = f"{small.MEAN}\n{small.DOUBLE}"
    found.cells.remove(cell)
    fixed = repaired(look(folder, found), "empty ones stand for them: mean.")
    assert small.STUB not in code_of(fixed)


def test_stripped_metadata_is_found_by_id(folder):
    found = small.honest()
    for cell in found.cells:
        cell.metadata = {}
    assert ids(repaired(look(folder, found), "had lost their settings")) == list(
        small.reference().cells
    )


def test_stripped_metadata_without_ids_is_found_by_text_function_and_place(folder):
    found = small.honest()
    for number, cell in enumerate(found.cells):
        cell.metadata = {}
        cell["id"] = f"new-{number}"
    fixed = repaired(look(folder, found), "had lost their settings")
    assert ids(fixed) == list(small.reference().cells)
    assert next(c for c in fixed.cells if grade_id(c) == "why").source == "Because it is."
    assert len(fixed.cells) == len(found.cells)


@pytest.mark.parametrize(
    "changes",
    [
        {"schema_version": 99},
        {"schema_version": "three"},
        {"points": 1000},
        {"points": "many"},
        {"locked": False, "grade": False},
        {"solution": [1, 2]},
        {"task": {"a": 1}},
    ],
)
def test_damaged_settings_are_those_of_the_release_again(folder, changes):
    found = json.loads(nbformat.writes(small.honest()))
    for cell in found["cells"]:
        if "nbgrader" in cell["metadata"]:
            cell["metadata"]["nbgrader"].update(changes)
    result = look(folder, found)
    assert result.reason is None
    assert ids(result.notebook) == list(small.reference().cells)
    assert all(
        cell.metadata == small.reference().cells[grade_id(cell)].metadata
        for cell in result.notebook.cells
        if grade_id(cell)
    )


@pytest.mark.parametrize("settings", [{}, [], "x", None, {"grade_id": 7}, {"grade_id": ""}])
def test_settings_that_are_no_settings(folder, settings):
    found = json.loads(nbformat.writes(small.honest()))
    found["cells"][5]["metadata"]["nbgrader"] = settings
    repaired(look(folder, found), "lost their settings, which were put back: double-test.")


def test_changed_test_cell_is_put_back(folder):
    found = small.honest()
    small.cell_of(found, "double-test").source = "pass"
    repaired(look(folder, found), "were put back: double-test.")


def test_changed_cell_type_is_put_back(folder):
    found = json.loads(nbformat.writes(small.honest()))
    for cell in found["cells"]:
        if cell["id"] == "double":
            cell["cell_type"] = "markdown"
            del cell["outputs"], cell["execution_count"]
    fixed = repaired(look(folder, found), "that they were given out with: double.")
    assert small.DOUBLE in code_of(fixed)


def test_unknown_id(folder):
    found = small.honest()
    found.cells.append(small.code("mine", "1 + 1", solution=True))
    repaired(look(folder, found), "were taken away: mine.")


def test_old_format(folder):
    found = small.honest()
    cells = []
    for cell in found.cells:
        key = "input" if cell.cell_type == "code" else "source"
        cells.append({"cell_type": cell.cell_type, "metadata": cell.metadata, key: cell.source})
        if cell.cell_type == "code":
            cells[-1] |= {"language": "python", "outputs": [], "collapsed": False}
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": cells}]}
    fixed = repaired(look(folder, old), "old format 3")
    assert [cell.source for cell in fixed.cells] == [cell.source for cell in found.cells]


def test_old_minor_version_without_ids(folder):
    found = json.loads(nbformat.writes(small.honest()))
    found["nbformat_minor"] = 2
    for cell in found["cells"]:
        del cell["id"]
    result = look(folder, found)
    assert result.reason is None and ids(result.notebook) == list(small.reference().cells)


def test_ids_that_are_not_unique_or_no_ids(folder):
    found = json.loads(nbformat.writes(small.honest()))
    for cell in found["cells"]:
        cell["id"] = "same id!"
    result = look(folder, found)
    assert result.reason is None
    assert len({cell.id for cell in result.notebook.cells}) == len(result.notebook.cells)


def test_byte_order_mark_and_lines_and_half_surrogates(folder):
    found = json.loads(nbformat.writes(small.honest()))
    found["cells"][0]["source"] = ["# One\n", "two \ud800"]
    data = b"\xef\xbb\xbf" + json.dumps(found).encode()
    result = look(folder, data)
    assert result.reason is None
    assert result.notebook.cells[0].source == "# One\ntwo ?"


def test_outputs_of_any_kind_are_dropped(folder):
    found = json.loads(nbformat.writes(small.honest()))
    found["cells"][1]["outputs"] = {"not": "a list"}
    found["cells"][4]["attachments"] = 3
    result = look(folder, found)
    assert result.reason is None
    assert all(not cell.get("outputs") for cell in result.notebook.cells)


def test_another_name(folder):
    small.save(small.honest(), folder / "small (1).ipynb")
    repaired(look(folder), "The notebook was named small (1).ipynb")


# What needs review


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"{", "is not valid JSON (line 1)"),
        (b'{\n<<<<<<< HEAD\n"cells": []', "merge conflict"),
        (b"[" * 200_000, "JSON|nested too deeply"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[]", "holds no cells"),
        (b"{}", "format None is not known"),
        ({"nbformat": 5, "cells": []}, "format 5 is not known"),
        ({"nbformat": True, "cells": []}, "format True is not known"),
        ({"nbformat": 4, "cells": {}}, "holds no cells"),
        ({"nbformat": 4, "cells": []}, "another notebook"),
        ({"nbformat": "4", "cells": []}, "format '4' is not known"),
        ({"nbformat": 4, "cells": [7]}, "Cell 1 of the notebook is damaged"),
        ({"nbformat": 4, "cells": [{"cell_type": "code", "source": [1]}]}, "Cell 1"),
        ({"nbformat": 4, "cells": [{"cell_type": "x", "source": ""}]}, "Cell 1"),
        ({"nbformat": 4, "cells": [{"cell_type": "raw", "source": ""}] * 2001}, "2001 cells"),
    ],
)
def test_what_is_no_notebook(folder, data, reason):
    result = look(folder, data)
    assert result.notebook is None
    assert any(part in result.reason for part in reason.split("|")), result.reason


def test_more_code_than_anybody_writes(folder):
    found = small.honest()
    found.cells += [nbformat.v4.new_code_cell("(" * 200_000) for _ in range(11)]
    result = look(folder, found)
    assert result.notebook is None and "more than 1 MB of code" in result.reason


def test_a_notebook_that_brings_the_grader_down_is_that_students(folder, monkeypatch):
    def surprise(*_):
        raise MemoryError

    monkeypatch.setattr(preflight_module, "_restore", surprise)
    result = look(folder, small.honest())
    assert result.notebook is None and "can't be looked at (MemoryError)" in result.reason


def test_another_exercise(folder):
    found = small.notebook([nbformat.v4.new_code_cell("print('hello')")])
    assert "another notebook" in look(folder, found).reason


def other_exercise(shared=()):
    """Another exercise's notebook, with answers: it has the helpers' id, and perhaps a task's."""
    found = small.honest()
    for cell in found.cells:
        name = grade_id(cell)
        if name and name != "checks" and name not in shared:
            cell.metadata.nbgrader.grade_id = f"other-{name}"
            cell.id = f"other-{name}"
            cell.source = cell.source.replace("double", "triple").replace("mean", "median")
    return found


@pytest.mark.parametrize("shared", [(), ("double", "double-test")])
@pytest.mark.parametrize("stripped", [False, True])
def test_another_exercise_with_ids_in_common(folder, shared, stripped):
    found, reference = other_exercise(shared), small.reference()
    for number in range(4):  # an exercise has more tasks than they have in common
        more = small.code(f"more-{number}", f"def more_{number}(x): pass", solution=True)
        reference.notebook.cells.append(more)
    for cell in found.cells:
        cell.metadata = {} if stripped else cell.metadata
    result = look(folder, found, reference)
    assert result.notebook is None and "another notebook" in result.reason


def test_untouched_notebook_beside_the_work(folder):
    small.save(small.honest(), folder / "small-Copy1.ipynb")
    result = look(folder, small.released_notebook())
    assert result.notebook is None
    assert "no answer to double, mean, why, but small-Copy1.ipynb beside it has" in result.reason


@pytest.mark.parametrize("gone", [False, True])
def test_half_of_the_work_in_another_notebook(folder, gone):
    other = small.notebook([nbformat.v4.new_code_cell(small.MEAN)])
    small.save(other, folder / "Untitled.ipynb")
    found = small.answered(double=small.DOUBLE, why="Because.")
    if gone:
        found.cells.remove(small.cell_of(found, "mean"))
    assert "no answer to mean, but Untitled.ipynb" in look(folder, found).reason


def test_few_of_many_other_notebooks_are_looked_into(folder, monkeypatch):
    """Everybody else waits meanwhile; what isn't looked into is named, and is nobody's 0."""
    read = []
    monkeypatch.setattr(preflight_module, "answers_in", lambda *_: read.append(1) or set())
    for number in range(30):
        small.save(small.notebook([]), folder / f"n{number:02}.ipynb")
    found = small.answered(double=small.DOUBLE, mean=small.MEAN)
    result = look(folder, found)
    assert len(read) == 10
    assert "no answer to why, and beside it are more notebooks" in result.reason
    assert "n10.ipynb" in result.reason and "n09.ipynb" not in result.reason
    monkeypatch.undo()
    small.save(small.answered(why="Because."), folder / "small-Copy1.ipynb")
    assert "no answer to why, but small-Copy1.ipynb beside it has" in look(folder, found).reason
    assert look(folder, small.honest()).reason is None


@pytest.mark.parametrize("name", ["work.py", "answers.pdf", "deep/small.zip", "broken.ipynb"])
def test_untouched_notebook_beside_another_file(folder, name):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("[")
    result = look(folder, small.released_notebook())
    assert result.notebook is None and f"may be in what lies beside it: {name}." in result.reason


def test_other_notebooks_and_files_that_hold_no_answer(folder):
    small.save(small.released_notebook(), folder / "small-Copy1.ipynb")
    (folder / ".DS_Store").write_text("")
    for found in (small.released_notebook(), small.honest()):
        assert look(folder, found).reason is None
    small.save(small.honest(), folder / "small-Copy1.ipynb")
    assert look(folder, small.honest()).reason is None


def test_fingerprint_changes_with_another_notebook(folder):
    small.save(small.honest(), folder / "small.ipynb")
    found = set()
    for text in ("one", "two"):
        small.save(text, folder / "small-Copy1.ipynb")
        found.add(read_submission(folder, "ada", small.reference()).fingerprint)
    assert len(found) == 2


# The course's own cells


def test_deleted_cell_of_the_course_comes_back(folder):
    found = small.honest()
    found.cells.remove(small.cell_of(found, "imports"))
    fixed = repaired(look(folder, found), "Deleted cells of the course were put back: imports.")
    assert [cell.id for cell in fixed.cells] == [cell.id for cell in small.honest().cells]


@pytest.mark.parametrize("line", ["from google.colab import drive", "import (", "while True: pass"])
@pytest.mark.parametrize("kept", ["import numpy as np", ""])
def test_changed_cell_of_the_course_runs_after_the_one_given_out(folder, line, kept):
    found = small.answered(imports=f"{line}\n{kept}", double=small.DOUBLE)
    note = "Changed cells of the course run after the ones that were given out: imports."
    code = [c.source for c in repaired(look(folder, found), note).cells if c.cell_type == "code"]
    assert code[:2] == ["import numpy as np", f"{line}\n{kept}"]


def test_a_cell_of_the_course_that_is_there_is_not_put_back(folder):
    found = small.honest()
    found.cells.insert(1, nbformat.v4.new_code_cell("import os"))
    small.cell_of(found, "imports").source += "  \n"
    small.cell_of(found, "imports").id = "another"
    result = look(folder, found)
    assert result.notes == () and len(result.notebook.cells) == len(found.cells)


# Answers that are not in their place


def where(found, beside=()):
    """Where the answer to the question may be."""
    reference = small.reference()
    whole = preflight(Submission("ada", nbformat.writes(found).encode()), reference).notebook
    assert elsewhere.unanswered(whole, reference)[-1] == "why"
    return elsewhere.places(whole, reference, "why", beside)


def test_where_a_written_answer_may_be():
    found = small.answered(double=small.DOUBLE)
    assert where(found) == []
    assert where(found, ["answer.pdf"]) == ["answer.pdf"]
    small.cell_of(found, "why-text").source += "\n\nBecause it is."
    assert where(found) == ["cell 10"]
    found.cells.append(nbformat.v4.new_markdown_cell("Because."))
    found.cells.insert(1, nbformat.v4.new_raw_cell("I think so."))
    assert where(found) == ["cell 2", "cell 11", "cell 13"]


def test_code_may_be_an_answer_beside_its_place_only():
    found = small.answered(double=small.DOUBLE)
    found.cells.insert(3, nbformat.v4.new_code_cell("x = 1"))
    assert where(found) == []
    found.cells.append(nbformat.v4.new_code_cell("# Because it is."))
    assert where(found) == ["cell 13"]


def test_no_notebook(folder):
    assert "There is no notebook small.ipynb" in look(folder).reason
    small.save(small.honest(), folder / "a.ipynb")
    small.save(small.honest(), folder / "b.ipynb")
    assert "several that it could be: a.ipynb, b.ipynb" in look(folder).reason


def test_notebook_is_a_link(folder, tmp_path):
    secret = small.save(small.honest(), tmp_path / "solution.ipynb")
    (folder / "small.ipynb").symlink_to(secret)
    assert "small.ipynb is a link" in look(folder).reason


def test_notebook_is_a_hard_link(folder, tmp_path):
    secret = small.save(small.honest(), tmp_path / "solution.ipynb")
    os.link(secret, folder / "small.ipynb")
    assert "hard link" in look(folder).reason


@pytest.mark.parametrize("name", ["ada", "ada/small"])
def test_folder_is_a_link(tmp_path, name):
    small.save(small.honest(), tmp_path / "other" / "small" / "small.ipynb")
    (tmp_path / "ada").mkdir() if name == "ada/small" else None
    target = tmp_path / "other" / "small" if name == "ada/small" else tmp_path / "other"
    (tmp_path / name).symlink_to(target)
    assert "is a link" in look(tmp_path / "ada" / "small").reason


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_notebook_is_no_plain_file(folder, make):
    make(folder / "small.ipynb")
    assert "not a plain file" in look(folder).reason


def test_too_large(folder):
    found = small.honest()
    small.cell_of(found, "why").source = "x" * 10_000
    bounds = Bounds(notebook_bytes=5_000)
    assert "more than 0.005 MB" in look(folder, found, bounds=bounds).reason


def test_too_many_files_and_too_deep(folder):
    small.save(small.honest(), folder / "small.ipynb")
    for number in range(10):
        (folder / f"{number}.txt").touch()
    assert "more than 5 files" in look(folder, bounds=Bounds(entries=5)).reason
    (folder / "a" / "b" / "c").mkdir(parents=True)
    assert "nested more than 1 deep" in look(folder, bounds=Bounds(depth=1)).reason


JUNK = (None, True, -1, 1e308, "", "x", "\ud800", "\x00", [], {}, [[]], ["a", 1], {"nbgrader": 5})


def places(data, path=()):
    """All paths into nested lists and dicts."""
    if path:
        yield path
    if isinstance(data, list | dict):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from places(value, (*path, key))


def damage(data, generator):
    """Replace, delete, copy or move something anywhere in a notebook."""
    *path, key = generator.choice(list(places(data)))
    for step in path:
        data = data[step]
    ways = ["replace", "delete"] + ["copy", "shuffle"] * isinstance(data, list)
    way = generator.choice(ways)
    if way == "replace":
        data[key] = generator.choice(JUNK)
    elif way == "delete":
        del data[key]
    elif way == "copy":
        data.insert(generator.randrange(len(data) + 1), json.loads(json.dumps(data[key])))
    else:
        generator.shuffle(data)


def test_damage_of_any_kind_ends_with_a_whole_notebook_or_a_reason():
    generator, reference = random.Random(5), small.reference()
    whole = 0
    for _ in range(300):
        found = json.loads(json.dumps(small.honest()))
        for _ in range(generator.choice([1, 1, 2, 5])):
            damage(found, generator)
        data = json.dumps(found).encode()
        result = preflight(Submission("ada", data), reference)
        if result.notebook is None:
            assert result.reason
            continue
        whole += 1
        nbformat.validate(result.notebook)
        assert sorted(ids(result.notebook)) == sorted(reference.cells)
        assert nbformat.writes(result.notebook).encode()
    assert whole > 100


# Files beside the notebook


def test_files_and_modules_are_left_out_and_named(folder, tmp_path):
    (tmp_path / "solution.csv").write_text("1")
    (folder / "numpy.py").write_text("raise SystemExit")
    (folder / "notes.txt").write_text("hello")
    (folder / "other.ipynb").write_text("{}")
    (folder / "answers.csv").symlink_to(tmp_path / "solution.csv")
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / ".ipynb_checkpoints" / "small-checkpoint.ipynb").write_text("{}")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "s"))
        result = look(folder, small.honest())
    assert result.reason is None
    assert result.notes == (
        "Links and special files are never opened: answers.csv, s.",
        "Modules beside the notebook are not used: numpy.py.",
        "Other notebooks are not graded: other.ipynb.",
        "Files that don't belong to the assignment are left out: notes.txt.",
    )


def test_files_of_the_assignment_are_no_surprise(folder):
    (folder / "data.csv").write_text("changed")
    result = look(folder, small.honest(), small.reference({"data.csv": b"1,2"}))
    assert result.reason is None and result.notes == ()


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("helper.py", "import helper"),
        ("helper.py", "from helper import f"),
        ("helper.py", "import os, helper"),
        ("tools/__init__.py", "from tools import f"),
        ("weights.npy", "w = np.load('weights.npy')"),
    ],
)
def test_a_file_that_the_notebook_needs(folder, name, line):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("")
    found = small.honest()
    small.cell_of(found, "imports").source += f"\n{line}"
    result = look(folder, found)
    assert result.notebook is None and f"uses {name}" in result.reason


def test_names_of_files_are_shown_without_control_characters(folder):
    (folder / "a\x1b[31m\nb.txt").write_text("")
    result = look(folder, small.honest())
    assert all(note.isprintable() for note in result.notes)
