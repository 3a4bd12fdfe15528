"""Broken and forged notebooks and folders. What can be repaired is, and costs nothing."""

import copy
import io
import json
import os
import zipfile

import nbformat

from tests.grader.hostile.bank import FULL, NOTHING, REVIEW, WRONG, attack


def solution(student):
    return student.world.root / "solutions" / "small" / "small.ipynb"


def notebook_is_a_link(student):
    student.path.unlink()
    student.path.symlink_to(solution(student))


def notebook_is_a_link_to_another_student(student):
    student.path.unlink()
    student.path.symlink_to(f"../../{student.world.before}/small/small.ipynb")


def notebook_is_a_hard_link(student):
    student.path.unlink()
    os.link(solution(student), student.path)


def folder_is_a_link(student):
    student.path.unlink()
    student.folder.rmdir()
    student.folder.symlink_to(solution(student).parent)


def data_file_is_a_link(student):
    (student.folder / "data.csv").symlink_to(student.world.root / "gradebook.db")
    (student.folder / "folder").symlink_to("/")


def notebook_is_a_pipe(student):
    student.path.unlink()
    os.mkfifo(student.path)


def notebook_is_a_folder(student):
    student.path.unlink()
    student.path.mkdir()


def notebook_is_missing(student):
    student.path.unlink()


def copied_cell(student):
    """An ordinary copy of the answer below the first try, with the same grade_id."""
    place = next(i for i, c in enumerate(student.notebook.cells) if c["id"] == "double")
    first = copy.deepcopy(student.notebook.cells[place])
    first["id"], first.source = "first-try", "def double(values):\n    return None"
    student.notebook.cells.insert(place, first)


def split_cell(student):
    place = next(i for i, c in enumerate(student.notebook.cells) if c["id"] == "mean")
    second = copy.deepcopy(student.notebook.cells[place])
    second["id"], second.source = "second-half", "print(mean([1, 2, 3]))"
    student.notebook.cells.insert(place + 1, second)


def copied_test_cells(student):
    """Test cells with the same ids, without tests."""
    for name in ("double-test", "mean-test"):
        fake = copy.deepcopy(student.cell(name))
        fake["id"], fake.source = f"fake-{name}", "100"
        student.notebook.cells.insert(1, fake)


def wrong_schema_version(student):
    for number, cell in enumerate(student.notebook.cells):
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader["schema_version"] = [99, "3", None, -1, {}][number % 5]


def test_cell_deleted(student):
    student.drop("double-test")


def test_cell_and_answer_deleted(student):
    student.drop("double", "double-test", "checks")


def settings_stripped(student):
    for cell in student.notebook.cells:
        cell["metadata"] = nbformat.from_dict({})


def settings_and_ids_stripped(student):
    settings_stripped(student)
    for number, cell in enumerate(student.notebook.cells):
        cell["id"] = f"c{number}"


def old_format(student):
    """The same notebook as IPython 2 wrote it."""
    cells = []
    for cell in student.notebook.cells:
        if cell.cell_type == "code":
            old = {"cell_type": "code", "input": cell.source, "language": "python", "outputs": []}
        else:
            old = {"cell_type": "markdown", "source": cell.source}
        cells.append(old | {"metadata": dict(cell.metadata)})
    sheets = [{"cells": cells, "metadata": {}}]
    student.instead({"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": sheets})


def more_points(student):
    for cell in student.notebook.cells:
        if "nbgrader" in cell.metadata and "points" in cell.metadata.nbgrader:
            cell.metadata.nbgrader["points"] = 100


def graded_no_more(student):
    """Tests that call themselves answers, and the other way round."""
    for cell in student.notebook.cells:
        if "nbgrader" in cell.metadata:
            settings = cell.metadata.nbgrader
            settings["grade"], settings["locked"] = not settings["grade"], False
            settings["solution"] = not settings["solution"]


def ids_swapped(student):
    one, other = (student.cell(n).metadata.nbgrader for n in ("double-test", "mean-test"))
    one["grade_id"], other["grade_id"] = other["grade_id"], one["grade_id"]


def checksums_forged(student):
    for name in ("double-test", "mean-test", "checks"):
        cell = student.cell(name)
        cell.source = "pass"
        from nbgrader.utils import compute_checksum

        cell.metadata.nbgrader["checksum"] = compute_checksum(cell)


def another_kernel(student):
    student.notebook.metadata = nbformat.from_dict({
        "kernelspec": {"name": "bash", "display_name": "x", "language": "bash",
                       "metadata": {"kernel_provisioner": {"provisioner_name": "local"}}},
        "language_info": {"name": "bash"}, "widgets": {"x": [1]}, "nbgrader": {"evil": True},
    })  # fmt: skip


def forged_outputs(student):
    """Outputs of tests that never ran, and a preset late penalty and mark."""
    cell = student.cell("double-test")
    cell.outputs = [nbformat.v4.new_output("execute_result", {"text/plain": "3.0"})]
    cell.metadata.nbgrader |= {"score": 3, "auto_score": 3, "max_score": 3, "manual_score": 3}
    student.notebook.metadata["nbgrader"] = {"score": 5, "late_submission_penalty": -5}


def modules_beside(student):
    """Files that Python would take for its own, were the folder on its path."""
    fake = "def allclose(*_):\n    return True\nraise RuntimeError('@ran')\n"
    names = ("numpy.py", "json.py", "sitecustomize.py", "usercustomize.py", "conftest.py",
             "quantgrader.py", "zmq.py", "ipython_config.py")  # fmt: skip
    for name in names:
        (student.folder / name).write_text(fake)
    package = student.folder / "numpy"
    package.mkdir()
    (package / "__init__.py").write_text(fake)


def module_that_is_needed(student):
    (student.folder / "my_answers.py").write_text("double = mean = None\n")


def lines_that_a_pattern_stumbles_over(student):
    """Very many empty lines, and files whose import is looked for among them."""
    student.cell("last").source = "\n" * 150_000 + "import " * 50_000
    for number in range(100):
        (student.folder / f"mine{number}.py").write_text("")


def many_files(student):
    for number in range(2_100):
        (student.folder / f"{number}.txt").write_text("")


def deep_folders(student):
    (student.folder / "/".join("abcdefghijklmnop")).mkdir(parents=True)


def names_with_control_characters(student):
    for name in ("\x1b[2J\x1b[31m.txt", "a\nGraded: 100.txt", "\u202etxt.exe", "$(touch x)"):
        (student.folder / name).write_text("x")
    os.close(os.open(os.fsencode(student.folder) + b"/\xff\xfe.txt", os.O_CREAT))


def huge_notebook(student):
    student.cell("why").source = "x" * 21_000_000


def sparse_notebook(student):
    with student.path.open("r+b") as file:
        file.truncate(1 << 36)


def archive(student):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(student.path, "small.ipynb")
        file.writestr("../../gradebook.db", "x")
    student.instead(data.getvalue())


def archive_beside(student):
    """A small file that would unpack into a very large one, and out of its folder."""
    with zipfile.ZipFile(student.folder / "more.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("../../zeros", bytes(20_000_000))


def instead(data):
    return lambda student: student.instead(data)


def cut_off(student):
    student.instead(student.path.read_bytes()[:-200])


def merge_conflict(student):
    text = student.path.read_text()
    student.instead(text.replace('"cells"', '\n<<<<<<< HEAD\n"cells"', 1))


def many_cells(student):
    student.notebook.cells += [nbformat.v4.new_code_cell("1") for _ in range(2_001)]


def odd_cells(student):
    """Valid JSON that no program writes: lines as lists, numbers that are none, keys twice."""
    found = json.loads(student.path.read_text())
    for cell in found["cells"]:
        cell["source"] = cell["source"].splitlines(keepends=True) if cell["source"] else []
        cell["attachments"] = {"x": float("nan")}
        cell["execution_count"] = float("inf")
    text = json.dumps(found)
    student.instead(text[:-1] + ', "nbformat": 4, "metadata": [[[]]]}')


def odd_timestamp(student):
    (student.folder / "timestamp.txt").symlink_to("/etc/passwd")


def another_exercise(student):
    other = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print('hello')")])
    student.instead(other)


def another_name(student):
    student.path.rename(student.folder / "small (1).ipynb")


LINK = "is a link"
ATTACKS = [
    attack("notebook_is_a_link", REVIEW, LINK, change=notebook_is_a_link),
    attack("link_to_another_student", REVIEW, LINK, change=notebook_is_a_link_to_another_student),
    attack("notebook_is_a_hard_link", REVIEW, "hard link", change=notebook_is_a_hard_link),
    attack("folder_is_a_link", REVIEW, "is a link", change=folder_is_a_link),
    attack("data_file_is_a_link", FULL, "Links .* never opened", change=data_file_is_a_link),
    attack("data_file_is_a_link_and_used", REVIEW, "uses data.csv", change=data_file_is_a_link,
           last="print(open('data.csv', 'rb').read())"),
    attack("notebook_is_a_pipe", REVIEW, "plain file|can't be read", change=notebook_is_a_pipe),
    attack("notebook_is_a_folder", REVIEW, "plain file|can't be read",
           change=notebook_is_a_folder),
    attack("notebook_is_missing", REVIEW, "no notebook", change=notebook_is_missing),
    attack("copied_answer", FULL, "copied", change=copied_cell),
    attack("split_answer", FULL, "Split", change=split_cell),
    attack("copied_test_cells", NOTHING, "copied", base=WRONG, change=copied_test_cells),
    attack("wrong_schema_version", FULL, "", change=wrong_schema_version),
    attack("test_cell_deleted", FULL, "were put back: double-test", change=test_cell_deleted),
    attack("test_cell_and_answer_deleted", (0.0, 2.0), "Cells of answers were deleted",
           change=test_cell_and_answer_deleted),
    attack("settings_stripped", FULL, "lost their settings", change=settings_stripped),
    attack("settings_and_ids_stripped", FULL, "lost their settings",
           change=settings_and_ids_stripped),
    attack("old_format", FULL, "old format", change=old_format),
    attack("more_points", FULL, "", change=more_points),
    attack("more_points_for_wrong_answers", NOTHING, "", base=WRONG, change=more_points),
    attack("graded_no_more", NOTHING, "", base=WRONG, change=graded_no_more),
    attack("ids_swapped", FULL, "", change=ids_swapped),
    attack("checksums_forged", NOTHING, "put back", base=WRONG, change=checksums_forged),
    attack("another_kernel", FULL, "", change=another_kernel),
    attack("forged_outputs", NOTHING, "", base=WRONG, change=forged_outputs),
    attack("modules_beside_the_notebook", NOTHING, "Modules beside the notebook", base=WRONG,
           change=modules_beside),
    attack("module_that_is_needed", REVIEW, "my_answers", change=module_that_is_needed,
           imports="import numpy as np\nfrom my_answers import double"),
    attack("lines_that_a_pattern_stumbles_over", FULL, "Modules beside the notebook",
           change=lines_that_a_pattern_stumbles_over),
    attack("many_files", REVIEW, "more than 2000 files", change=many_files),
    attack("deep_folders", REVIEW, "nested more than", change=deep_folders),
    attack("names_with_control_characters", FULL, "left out",
           change=names_with_control_characters),
    attack("huge_notebook", REVIEW, "more than 20 MB", change=huge_notebook),
    attack("sparse_notebook", REVIEW, "more than 20 MB", change=sparse_notebook),
    attack("archive_in_its_place", REVIEW, "not UTF-8|not valid JSON", change=archive),
    attack("archive_beside_it", FULL, "left out: more.zip", change=archive_beside),
    attack("empty", REVIEW, "empty", change=instead("")),
    attack("cut_off", REVIEW, "not valid JSON", change=cut_off),
    attack("brackets_only", REVIEW, "nested too deeply|JSON", change=instead("[" * 100_000)),
    attack("no_notebook_but_json", REVIEW, "holds no cells", change=instead('{"nbformat": 4}')),
    attack("huge_format_number", REVIEW, "not known|JSON",
           change=instead('{"nbformat": ' + "9" * 5_000 + ', "cells": []}')),
    attack("merge_conflict", REVIEW, "merge conflict", change=merge_conflict),
    attack("many_cells", REVIEW, "more than 2000", change=many_cells),
    attack("odd_cells", FULL, "", change=odd_cells),
    attack("odd_timestamp", FULL, "", change=odd_timestamp),
    attack("another_exercise", REVIEW, "another notebook", change=another_exercise),
    attack("another_name", FULL, "was named", change=another_name),
]  # fmt: skip
