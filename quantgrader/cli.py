"""The command `quantgrader`."""

import argparse
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

    grade = commands.add_parser("grade", help="grade what was handed in for an assignment")
    grade.add_argument("assignment", metavar="ASSIGNMENT")
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

    report = commands.add_parser("report", help="show marks and reasons")
    report.add_argument("assignment", metavar="ASSIGNMENT")
    report.add_argument("--csv", metavar="FILE", type=Path, help="also write them as CSV")
    report.add_argument("--html", metavar="FILE", type=Path, help="also write them as a page")
    _course(report)

    feedback = commands.add_parser("feedback", help="write the students' feedback pages")
    feedback.add_argument("assignment", metavar="ASSIGNMENT")
    _students(feedback)
    _course(feedback)

    commands.add_parser("check", help="tell whether the sandbox can be used on this machine")

    validate = commands.add_parser("validate", help="run the checks of your own notebook")
    validate.add_argument("notebook", metavar="NOTEBOOK", type=Path)
    return main_parser


def _students(command):
    command.add_argument(
        "--students", nargs="+", metavar="NAME", help="only these (default: everybody)"
    )


def _course(command):
    command.add_argument(
        "--db", metavar="URL", help="the gradebook, such as postgresql://user@host/name"
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
    from quantgrader.course import CourseError
    from quantgrader.journal import Busy
    from quantgrader.sandbox import SandboxUnavailable

    options = parser().parse_args(arguments)
    run = {
        "grade": _grade,
        "report": _report,
        "feedback": _feedback,
        "check": _check,
        "validate": _validate,
    }[options.command]
    try:
        return run(options)
    except SandboxUnavailable as error:
        print(error, file=sys.stderr)
        print("Nothing was graded without it. (--no-sandbox does.)", file=sys.stderr)
    except (CourseError, Busy) as error:
        print(error, file=sys.stderr)
    except KeyboardInterrupt:
        print("Stopped. Run it again to go on: what is finished is kept.", file=sys.stderr)
    return REFUSED


def _grade(options):
    from tqdm import tqdm

    from quantgrader.course import open_course
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
    from quantgrader.submission import printable

    count = {"graded": 0, "review": 0, "failed": 0}
    for result in run.results.values():
        count[result.status] += 1
    kept = f" ({len(run.kept)} of them before)" if run.kept else ""
    print(
        f"{len(run.results)} submissions{kept}: {count['graded']} graded, "
        f"{count['review']} need review, {count['failed']} not graded."
    )
    for student, result in sorted(run.results.items()):
        if result.status != "graded":
            print(f"  {printable(student)}: {' '.join(result.reasons)}")
    for student, problem in sorted(run.unrecorded.items()):
        print(
            f"  {printable(student)}: not in the gradebook yet, run the command again ({problem})"
        )
    return FAILED if count["failed"] or run.unrecorded else OK


def _report(options):
    from quantgrader import report
    from quantgrader.course import open_course
    from quantgrader.gradebook import open_gradebook

    course = open_course(options.course, options.db)
    with open_gradebook(course) as book:
        found = report.rows(course, options.assignment, book)
    print(report.as_table(found))
    if options.csv:
        options.csv.write_text(report.as_csv(found), encoding="utf-8")
    if options.html:
        options.html.write_text(report.as_html(found, options.assignment), encoding="utf-8")
    return OK


def _feedback(options):
    from quantgrader.course import open_course
    from quantgrader.feedback import write_feedback
    from quantgrader.gradebook import open_gradebook

    course = open_course(options.course, options.db)
    with open_gradebook(course) as book:
        paths = write_feedback(course, options.assignment, book, options.students)
    print(f"{len(paths)} feedback pages written.")
    return OK


def _check(options):
    from quantgrader import sandbox

    report = sandbox.check()
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
