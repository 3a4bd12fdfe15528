"""`quantgrader grade`: grade what was handed in."""

import sys

from quantgrader.commands import options as shared


def add(commands):
    """The command's options."""
    parser = shared.command(
        commands, run, "grade", "grade what was handed in for an assignment",
        "Run each submission in a sandbox, compare its results outside of it, and write the marks "
        "into the gradebook. It can be stopped at any moment and run again: what is finished is "
        "kept, and what was handed in anew is graded anew. Exit status: 0 when every submission "
        "is graded or to be reviewed, 1 when some are not graded, 2 when nothing was begun.",
    )  # fmt: skip
    shared.assignment(parser)
    shared.students(parser)
    workers(parser)
    parser.add_argument("--force", action="store_true", help="grade finished ones again")
    shared.course(parser)


def workers(parser):
    """The options that say where submissions are run."""
    parser.add_argument(
        "--jobs",
        type=shared.positive,
        metavar="N",
        help="submissions at a time (default: one a core)",
    )
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="run them on a Dask cluster: tcp://host:8786"
    )
    parser.add_argument(
        "--no-sandbox",
        action="store_true",
        help="run submissions with your own rights: only what you trust",
    )


def run(options):
    """Grade, and say how it went."""
    from quantgrader.course.folders import open_course
    from quantgrader.grade import grade

    course = open_course(options.course, options.db)
    found = with_bar(options, grade, course, force=options.force)
    status = summary(found)
    due_dates(course, options.assignment)
    return status


def due_dates(course, assignment):
    """Let the gradebook follow class/due.csv: a submission that is new may have an extension."""
    from quantgrader.classroom import late
    from quantgrader.course.gradebook import open_gradebook

    if late.due_file(course).is_file():
        with open_gradebook(course) as book:
            late.apply(course, book, assignment)


def with_bar(options, grade, course, **more):
    """Call ``grade`` with a bar that shows how far it is."""
    from tqdm import tqdm

    if options.no_sandbox:
        print("No sandbox: submissions run with your rights.", file=sys.stderr)
    with tqdm(desc=options.assignment, unit="submission", disable=None) as bar:

        def progress(done, total):
            bar.total = total
            bar.update(done - bar.n)
            bar.refresh()

        return grade(
            course,
            options.assignment,
            students=options.students,
            jobs=options.jobs,
            scheduler=options.scheduler,
            sandboxed=not options.no_sandbox,
            progress=progress,
            **more,
        )


def summary(run):
    """Say how it went; every submission that has no mark, with its reason."""
    from quantgrader.endings import STATES
    from quantgrader.texts import printable

    statuses = [result.status for result in run.results.values()]
    counts = ", ".join(
        f"{statuses.count(name)} {state.counted}" for name, state in STATES.items() if state.counted
    )
    kept = f" ({len(run.kept)} of them before)" if run.kept else ""
    print(f"{shared.count(len(run.results), 'submission')}{kept}: {counts}.")
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
    return shared.FAILED if not_done or run.unrecorded else shared.OK
