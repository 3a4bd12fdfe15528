"""Make the notebooks that students get, and the checks that they don't: python -m tools.release.

Each folder of `solutions/` becomes a folder of `exercises/`: solutions are replaced by a line to
fill in, hidden checks are taken out. The hidden checks, made from the course's seed, go into the
gradebook (`gradebook.db`) and into the folder `hidden`. The seed is the environment's COURSE_SEED;
without it the one used before; and the first time a default that everybody can read. Keep the
seed of a class to yourself: who knows it can make the class's hidden checks.

`exercises/` does not depend on the seed.
"""

import tempfile

from quantgrader.release.authoring import DEFAULT_SEED, course_seed
from tools.course import ROOT, assignment_names, run_nbgrader


def generate():
    """Make the notebooks, the gradebook and the hidden checks of the course in this folder."""
    with tempfile.TemporaryDirectory() as home:
        run_nbgrader("generate_assignment", "*", "--force", cwd=ROOT, home=home)
    return assignment_names(ROOT / "exercises")


if __name__ == "__main__":
    for name in generate():
        print(f"exercises/{name}, hidden/{name}.json")
    if course_seed(ROOT / "hidden") == DEFAULT_SEED:
        print("The hidden checks are those of the public seed. For a class: COURSE_SEED=...")
