"""What an attack is: how a student's folder is made from an honest one, and what he gets for it."""

from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from tests.grader import grading_support as small

RIGHT = {
    "double": "def double(values):\n    return 2 * values",
    "mean": "def mean(values):\n    return sum(values) / len(values)",
    "why": "Because it is.",
}
WRONG = RIGHT | {
    "double": "def double(values):\n    return values + 1",
    "mean": "def mean(values):\n    return 0",
}
_FIELDS = ("base", "change", "fools", "escapes", "asserts")
# Points for double and for mean.
FULL, NOTHING = (3.0, 2.0), (0.0, 0.0)
REVIEW = None


@dataclass(frozen=True)
class World:
    """What there is around a submission, for attacks to aim at."""

    root: Path  # the course
    before: str  # the student before
    port: int  # somebody listens here on the host
    bystander: int  # the id of a process that is none of the submission's business
    mark: str  # in the name of whatever an attack leaves behind


@dataclass
class Student:
    """The attacker's folder, in which his honest notebook lies, and the world around it."""

    folder: Path
    notebook: nbformat.NotebookNode
    world: World

    @property
    def path(self):
        """Where the notebook lies."""
        return self.folder / "small.ipynb"

    def cell(self, name):
        """A cell of the notebook."""
        return small.cell_of(self.notebook, name)

    def drop(self, *names):
        """Delete cells of the notebook."""
        self.notebook.cells = [c for c in self.notebook.cells if c["id"] not in names]

    def instead(self, data):
        """Hand in something else in place of the notebook."""
        self.path.unlink()
        small.save(data, self.path)


@dataclass(frozen=True)
class Attack:
    """One hostile or broken submission.

    Parameters
    ----------
    name : str
    gets : tuple or None
        His points for ``double`` and ``mean``; None where a person has to look (needs review).
    says : str
        A pattern that is found in the reasons, notes and messages about him: so we know that it
        came to what the attack is about.
    base : dict
        The answers that it starts from.
    change : callable, optional
        Changes the `Student`'s notebook or folder, after the cells.
    fools : tuple of str
        Test cells that pass in the student's own notebook though his answer is wrong.
    escapes : str
        What it gains without a sandbox: "marks", or the name of what `Surroundings` then misses.
    asserts : bool
        His last cell tries things and ends with an error if one of them can be done.
    cells : dict
        Texts of cells. ``@root@``, ``@before@``, ``@port@``, ``@bystander@`` and ``@mark@`` stand
        for what is in the `World`.
    """

    name: str
    gets: tuple | None = FULL
    says: str = ""
    base: dict = field(default_factory=lambda: RIGHT)
    change: object = None
    fools: tuple = ()
    escapes: str = ""
    asserts: bool = False
    cells: dict = field(default_factory=dict)

    def sources(self, world):
        """The texts of his cells."""
        found = {}
        for name, text in {**self.base, **self.cells}.items():
            for key, value in vars(world).items():
                text = text.replace(f"@{key}@", str(value))
            found[name] = text
        return found

    @property
    def scores(self):
        """What the gradebook must have for him."""
        double, mean = self.gets or (None, None)
        return {"double-test": double, "mean-test": mean, "why": None}


def attack(name, gets=FULL, says="", **rest):
    """An `Attack`; keywords that are none of its fields are texts of cells."""
    known = {key: rest.pop(key) for key in _FIELDS if key in rest}
    return Attack(name, gets, says, **known, cells=rest)
