"""The command `quantgrader`."""

import argparse
import os
import shutil
import sys
from pathlib import Path

# Exit status: all is well; something failed; the command could not start.
OK, FAILED, REFUSED = 0, 1, 2


def parser():
    """The options of the command."""
    main_parser = argparse.ArgumentParser(
        prog="quantgrader",
        description="Grade notebooks in a sandbox, with values compared outside of it. "
        "Run it in the course's folder, like nbgrader.",
    )
    commands = main_parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    grade = _command(
        commands, "grade", "grade what was handed in for an assignment",
        "Run each submission in a sandbox, compare its results outside of it, and write the marks "
        "into the gradebook. It can be stopped at any moment and run again: what is finished is "
        "kept, and what was handed in anew is graded anew. Exit status: 0 when every submission "
        "is graded or to be reviewed, 1 when some are not graded, 2 when nothing was begun.",
    )  # fmt: skip
    _students(grade)
    grade.add_argument(
        "--jobs", type=_positive, metavar="N", help="submissions at a time (default: one a core)"
    )
    grade.add_argument(
        "--scheduler", metavar="ADDRESS", help="run them on a Dask cluster: tcp://host:8786"
    )
    grade.add_argument("--force", action="store_true", help="grade finished ones again")
    grade.add_argument(
        "--no-sandbox",
        action="store_true",
        help="run submissions with your own rights: only what you trust",
    )
    _course(grade)

    report = _command(
        commands, "report", "show marks and reasons",
        "Show every student with a mark, or with the reason for having none.",
    )  # fmt: skip
    report.add_argument("--csv", metavar="FILE", type=Path, help="also write them as CSV")
    report.add_argument("--html", metavar="FILE", type=Path, help="also write them as a page")
    _course(report)

    feedback = _command(
        commands, "feedback", "write the students' feedback pages",
        "Write a page for each student into the course's feedback folder, for `nbgrader "
        "release_feedback` or to be handed out.",
    )  # fmt: skip
    _students(feedback)
    _course(feedback)

    text = "tell whether the sandbox can be used on this machine"
    commands.add_parser("check", help=text, description=f"{text.capitalize()}, and what to do.")

    text = "run the checks of your own notebook"
    validate = commands.add_parser(
        "validate", help=text,
        description=f"{text.capitalize()} from top to bottom, without a sandbox. The file stays "
        "as it is. Exit status: 0 when all checks pass, 1 when some fail, 2 when there are none.",
    )  # fmt: skip
    validate.add_argument("notebook", metavar="NOTEBOOK", type=Path, help="the .ipynb file")
    return main_parser


def _command(commands, name, text, description):
    """A command for an assignment. Its name comes first: --students takes all names after it."""
    command = commands.add_parser(
        name, help=text, description=description,
        usage=f"quantgrader {name} ASSIGNMENT [options]",
    )  # fmt: skip
    command.add_argument(
        "assignment", metavar="ASSIGNMENT", help="its folder's name, such as 01_uniform"
    )
    return command


def _students(command):
    command.add_argument(
        "--students", nargs="+", metavar="NAME", help="only these (default: everybody)"
    )


def _course(command):
    command.add_argument(
        "--db", metavar="URL", help="the gradebook, such as postgresql+psycopg://user@host/name"
    )
    command.add_argument(
        "--course", metavar="FOLDER", default=".", help="the course's folder (default: this one)"
    )


def _positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def main(arguments=None):
    """Run the command and return its exit status."""
    from quantgrader.course.folders import CourseError
    from quantgrader.course.journal import Busy
    from quantgrader.sandbox.walls import SandboxUnavailable

    options = parser().parse_args(arguments)
    run = {
        "grade": _grade,
        "report": _report,
        "feedback": _feedback,
        "check": _check,
        "validate": _validate,
    }[options.command]
    try:
        status = run(options)
        sys.stdout.flush()
        return status
    except SandboxUnavailable as error:
        print(error, file=sys.stderr)
        print("Nothing was graded without it. (--no-sandbox does.)", file=sys.stderr)
    except (CourseError, Busy) as error:
        print(error, file=sys.stderr)
    except KeyboardInterrupt:
        kept = " Run it again to go on: what is finished is kept." * (options.command == "grade")
        print(f"Stopped.{kept}", file=sys.stderr)
    except BrokenPipeError:  # `quantgrader report ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    return REFUSED


def _grade(options):
    from tqdm import tqdm

    from quantgrader.course.folders import open_course
    from quantgrader.grade import grade

    course = open_course(options.course, options.db)
    if options.no_sandbox:
        print("No sandbox: submissions run with your rights.", file=sys.stderr)
    with tqdm(desc=options.assignment, unit="submission", disable=None) as bar:

        def progress(done, total):
            bar.total = total
            bar.update(done - bar.n)
            bar.refresh()

        run = grade(
            course,
            options.assignment,
            students=options.students,
            jobs=options.jobs,
            scheduler=options.scheduler,
            sandboxed=not options.no_sandbox,
            force=options.force,
            progress=progress,
        )
    return _summary(run)


def _summary(run):
    """Say how it went; every submission that has no mark, with its reason."""
    from quantgrader.endings import STATES
    from quantgrader.texts import printable

    statuses = [result.status for result in run.results.values()]
    counts = ", ".join(
        f"{statuses.count(name)} {state.counted}" for name, state in STATES.items() if state.counted
    )
    kept = f" ({len(run.kept)} of them before)" if run.kept else ""
    print(f"{_count(len(run.results), 'submission')}{kept}: {counts}.")
    if not run.results:
        place = run.course.folder("submitted", "STUDENT", run.assignment)
        print(f"Nothing was handed in. It belongs into {place}/{run.reference.name}.ipynb.")
    for student, result in sorted(run.results.items()):
        if result.status != "graded":
            print(f"  {printable(student)}: {' '.join(result.reasons)}")
    for student, problem in sorted(run.unrecorded.items()):
        print(
            f"  {printable(student)}: not in the gradebook yet, run the command again ({problem})"
        )
    not_done = not all(STATES[status].is_final for status in statuses)
    return FAILED if not_done or run.unrecorded else OK


def _count(number, name):
    return f"{number} {name}{'' if number == 1 else 's'}"


def _write(path, text):
    from quantgrader.course.folders import CourseError

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CourseError(f"{path} can't be written: {error.strerror}") from None


def _report(options):
    from quantgrader.course.folders import open_course
    from quantgrader.course.gradebook import open_gradebook
    from quantgrader.pages import report

    course = open_course(options.course, options.db)
    with open_gradebook(course) as book:
        found = report.rows(course, options.assignment, book)
    print(report.as_table(found, shutil.get_terminal_size((100, 24)).columns))
    if options.csv:
        _write(options.csv, report.as_csv(found))
    if options.html:
        _write(options.html, report.as_html(found, options.assignment))
    return OK


def _feedback(options):
    from quantgrader.course.folders import open_course
    from quantgrader.course.gradebook import open_gradebook
    from quantgrader.pages.feedback import write_feedback
    from quantgrader.texts import printable

    course, without = open_course(options.course, options.db), {}
    with open_gradebook(course) as book:
        paths = write_feedback(course, options.assignment, book, options.students, without)
    print(f"{_count(len(paths), 'feedback page')} written.")
    for student, reason in without.items():
        print(f"  {printable(student)}: no page. {reason}")
    return FAILED if without else OK


def _check(options):
    from quantgrader.sandbox import walls

    report = walls.availability()
    print(report)
    return OK if report.usable else FAILED


def _validate(options):
    from quantgrader.validate import validate

    try:
        checks = validate(options.notebook)
    except ValueError as error:
        print(error, file=sys.stderr)
        return REFUSED
    for check in checks:
        print(f"{'passed' if check.problem is None else 'FAILED'}  {check.grade_id}")
        if check.problem is not None:
            print("\n".join(f"        {line}" for line in check.problem.splitlines()))
    failed = sum(check.problem is not None for check in checks)
    if failed:
        print(f"{failed} of {len(checks)} checks fail.")
        return FAILED
    print(f"All {len(checks)} visible checks pass. Grading runs some more, on other inputs.")
    return OK


if __name__ == "__main__":
    sys.exit(main())
