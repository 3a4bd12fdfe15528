"""The course as nbgrader's configuration describes it: folders, gradebook, one assignment."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from quantgrader.course.misplaced import beside, is_of_a_program
from quantgrader.course.reference import Reference


class CourseError(Exception):
    """Something is wrong with the course or the command, and the message says what to do."""


@dataclass(frozen=True)
class Course:
    """Where a course keeps what. Made by `open_course`."""

    root: Path
    course_id: str
    db_url: str
    config: object = field(repr=False, default=None)
    directories: dict = field(default_factory=dict)
    structure: str = "{nbgrader_step}/{student_id}/{assignment_id}"
    exchange: str = ""

    def folder(self, step, student, assignment):
        """A student's folder in a step: submitted, autograded or feedback."""
        path = self.structure.format(
            nbgrader_step=self.directories[step], student_id=student, assignment_id=assignment
        )
        return Path(os.path.normpath(self.root / path))

    def journal(self, assignment):
        """The folder of the results that are finished."""
        return self.root / "journal" / assignment

    def cases_file(self, assignment):
        """What is asked of the graded functions, and what must come back."""
        return self.root / "hidden" / f"{assignment}.json"

    def release_folder(self, assignment):
        """The folder of what students got."""
        return self.folder("release", ".", assignment)

    def secrets(self):
        """Folders and files that no submission may see."""
        steps = ("source", "submitted", "autograded", "feedback")
        paths = [self.root / self.directories[step] for step in steps]
        paths += [self.root / name for name in ("journal", "hidden", "class", ".git")]
        # By default it lies below /usr, which submissions can read, with what others handed in.
        paths += [Path(self.exchange)] if self.exchange else []
        if self.db_url.startswith("sqlite:///"):
            paths.append(Path(self.db_url.removeprefix("sqlite:///").partition("?")[0]))
        return [path for path in paths if path.exists()]

    def released(self, assignment):
        """The released notebook's path.

        Raises `CourseError` where there is no such assignment, or more than one notebook in it.
        """
        require_name(assignment)
        folder = self.release_folder(assignment)
        notebooks = sorted(folder.glob("*.ipynb"))
        if not notebooks:
            if not (self.root / "nbgrader_config.py").is_file():
                raise CourseError(
                    f"{self.root} is no course: it has no nbgrader_config.py. "
                    "Run this in the course's folder, or name it (--course FOLDER)."
                )
            there = sorted({path.parent.name for path in folder.parent.glob("*/*.ipynb")})
            raise CourseError(
                f"There is no released notebook in {folder}. "
                f"Assignments that are there: {', '.join(there) or 'none'}."
            )
        if len(notebooks) > 1:
            raise CourseError(f"{folder} holds {len(notebooks)} notebooks; one is graded.")
        return notebooks[0]

    def reference(self, assignment):
        """What was released of the assignment; raises `CourseError` like `released`."""
        return Reference.read(self.released(assignment))

    def submitters(self, assignment):
        """Names of the students who have handed something in for this assignment.

        They have a folder for it in the submitted ones, or what may be meant for it beside.
        """
        place = "\0"
        pattern = re.escape(str(self.folder("submitted", place, assignment)))
        pattern = pattern.replace(re.escape(place), "([^/]+)", 1)
        wanted = os.path.relpath(self.folder("submitted", "*", assignment), self.root)
        matches = (re.fullmatch(pattern, str(path)) for path in self.root.glob(wanted))
        found = {m[1] for m in matches if m}
        place = self.folder("submitted", "*", assignment).parent
        if place.name == "*":
            for folder in place.parent.glob("*"):
                if folder.is_dir() and self.misplaced(folder.name, assignment):
                    found.add(folder.name)
        return sorted(name for name in found if not is_of_a_program(name))

    def misplaced(self, student, assignment):
        """What a student has in place of a folder for this assignment."""
        folder = self.folder("submitted", student, assignment)
        if os.path.lexists(folder):
            return []
        released = self.release_folder(assignment).parent.glob("*/*.ipynb")
        return beside(folder, {path.parent.name for path in released})


def require_name(assignment):
    """Refuse names that are more than one part of a path."""
    if not assignment or re.search(r"^[.-]|[/\\\0*?\[\]{}]", assignment):
        raise CourseError(f"{assignment!r} is no name of an assignment.")


def open_course(root=".", db_url=None):
    """Read nbgrader's configuration for the course in ``root``."""
    from nbgrader.apps import NbGrader
    from nbgrader.exchange.default import Exchange

    app = NbGrader(log_level=40)  # errors only
    app.load_cwd_config = False
    app.initialize([], root=str(Path(root).resolve()))
    found = app.coursedir
    names = ("source", "release", "submitted", "autograded", "feedback")
    return Course(
        root=Path(found.root),
        course_id=found.course_id,
        db_url=db_url or found.db_url,
        config=app.config,
        directories={name: getattr(found, f"{name}_directory") for name in names},
        structure=found.directory_structure,
        exchange=Exchange(coursedir=found, config=app.config).root,
    )
