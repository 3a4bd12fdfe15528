"""Make the notebooks that students get: python -m tools.release.

Each folder of `solutions/` becomes a folder of `exercises/`: solutions are replaced by a line to
fill in, hidden checks are taken out. The gradebook that nbgrader writes on the way is thrown
away; the instructor's own, if there is one, stays untouched.
"""

import tempfile
from pathlib import Path

from tools.course import ROOT, assignment_names, run_nbgrader


def release(destination=ROOT / "exercises"):
    """Write the released notebooks under ``destination`` and return the assignments' names."""
    with tempfile.TemporaryDirectory() as home:
        run_nbgrader(
            "generate_assignment",
            "*",
            "--force",
            f"--db=sqlite:///{Path(home) / 'gradebook.db'}",
            f"--CourseDirectory.release_directory={Path(destination).resolve()}",
            cwd=ROOT,
            home=home,
        )
    return assignment_names(destination)


if __name__ == "__main__":
    for name in release():
        print(f"exercises/{name}")
