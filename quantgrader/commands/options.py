"""What several commands share: their options, exit statuses, and how they write a file."""

import argparse
from contextlib import contextmanager
from pathlib import Path

import quantgrader

# Exit status: all is well; something failed; the command could not start.
OK, FAILED, REFUSED = 0, 1, 2


def command(commands, run, name, text, description, *, usage="ASSIGNMENT [options]"):
    """A command. Its arguments come first: --students takes all names after it."""
    new = commands.add_parser(
        name, help=text, description=description, usage=f"quantgrader {name} {usage}"
    )
    new.set_defaults(run=run)
    return new


def assignment(parser):
    """The argument that names an assignment."""
    parser.add_argument(
        "assignment", metavar="ASSIGNMENT", help="its folder's name, such as 01_uniform"
    )


def students(parser):
    """The option for some students only."""
    parser.add_argument(
        "--students", nargs="+", metavar="NAME", help="only these (default: everybody)"
    )


def course(parser):
    """The options that say which course, and which gradebook."""
    parser.add_argument(
        "--db", metavar="URL", help="the gradebook, such as postgresql+psycopg://user@host/name"
    )
    parser.add_argument(
        "--course", metavar="FOLDER", default=".", help="the course's folder (default: this one)"
    )


def other_code(root):
    """What is wrong where the course in ``root`` has code of its own, and other code runs.

    That is so where a folder was copied together with its environment, whose commands lead back.
    Code that is the same, as in the copies of a hub, does no harm.
    """
    mine, theirs = Path(quantgrader.__file__).parent, Path(root).resolve() / "quantgrader"
    if not (theirs / "__init__.py").is_file() or theirs.samefile(mine):
        return None
    codes = [{p.relative_to(f): p.read_bytes() for p in f.rglob("*.py")} for f in (mine, theirs)]
    if codes[0] == codes[1]:
        return None
    return (
        f"This command runs the code in {mine}, and not that of the course, in {theirs}. If the "
        "course was copied, make its environment anew: rm -r .venv, then make .venv/installed, "
        "and activate it."
    )


def positive(text):
    """A whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def pairs(texts):
    """{left: right} of some ``LEFT=RIGHT``."""
    from quantgrader.course.folders import CourseError

    for text in texts:
        if not all(part.strip() for part in text.partition("=")):
            raise CourseError(f"{text!r} is not of the form NAME=VALUE.")
    return {name.strip(): value.strip() for name, _, value in (t.partition("=") for t in texts)}


@contextmanager
def opened(options):
    """The course that the options name, and its gradebook."""
    from quantgrader.course.folders import open_course
    from quantgrader.course.gradebook import open_gradebook

    found = open_course(options.course, options.db)
    with open_gradebook(found) as book:
        yield found, book


def write(path, text):
    """Write a text where the instructor wants it."""
    from quantgrader.course.folders import CourseError

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CourseError(f"{path} can't be written: {error.strerror}") from None


def count(number, name):
    """A number of things.

    >>> count(1, "page"), count(2, "page")
    ('1 page', '2 pages')
    """
    return f"{number} {name}{'' if number == 1 else 's'}"
