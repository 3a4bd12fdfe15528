"""What was handed in and lies beside its place: said of its student, never left out in silence.

A submission belongs into the folder ``submitted/STUDENT/ASSIGNMENT``. A folder of another spelling,
or a notebook one level up, would be nobody's.
"""

import os
import re
from pathlib import Path

# What systems and programs put into folders.
_OF_PROGRAMS = re.compile(r"\.ipynb_checkpoints|\.git|\.DS_Store|\.Trash.*|\._.*|__MACOSX|.*\.tmp")


def is_of_a_program(name):
    """Whether a name stands for nobody and nothing that was handed in."""
    return _OF_PROGRAMS.fullmatch(name) is not None


def beside(folder, others):
    """Names in a student's folder that may be what belongs into ``folder``, which isn't there.

    That is whatever is spelled like the assignment but for cases and signs, and whatever is no
    assignment at all; ``others`` are the names of the course's assignments.
    """
    folder = Path(folder)
    if not folder.parent.is_dir():
        return []
    known, wanted = {_plain(name) for name in others}, _plain(folder.name)
    found = []
    for entry in sorted(os.listdir(folder.parent)):
        plain = _plain(entry.removesuffix(".ipynb").removesuffix(".zip"))
        belongs_elsewhere = any(plain.startswith(name) for name in known - {wanted})
        is_near = plain.startswith(wanted) or not belongs_elsewhere
        if is_near and not is_of_a_program(entry) and entry != "timestamp.txt":
            found.append(entry)
    return found


def _plain(name):
    return re.sub(r"[\W_]", "", name).casefold()
