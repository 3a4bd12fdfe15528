"""`quantgrader export`: marks for Canvas or Moodle."""

from pathlib import Path

from quantgrader.commands import options as shared
from quantgrader.commands import total


def add(commands):
    """The command's options."""
    parser = shared.command(
        commands, run, "export", "write marks as Canvas or Moodle imports them",
        "Write the final marks of some assignments in the form that Canvas (Grades > Import) or "
        "Moodle (Grades > Import > CSV file) takes. Who has none is listed, and has no row: an "
        "empty cell would take away what the system has.",
        usage="ASSIGNMENT [ASSIGNMENT ...] --to SYSTEM --output FILE [options]",
    )  # fmt: skip
    parser.add_argument("assignments", metavar="ASSIGNMENT", nargs="+", help="their folders' names")
    parser.add_argument("--to", choices=("canvas", "moodle"), required=True, help="the system")
    parser.add_argument("--output", metavar="FILE", type=Path, required=True, help="what to write")
    parser.add_argument(
        "--worksheet", metavar="FILE", type=Path,
        help="a grading worksheet of Moodle to fill in, in place of a table of its gradebook",
    )  # fmt: skip
    total.mark_rule(parser)
    shared.course(parser)


def run(options):
    """Write the file, and list who isn't in it."""
    from quantgrader.classroom import marks, worksheet
    from quantgrader.classroom.roster import read_roster
    from quantgrader.course.folders import CourseError
    from quantgrader.course.settings import settings
    from quantgrader.pages import report
    from quantgrader.texts import printable

    if options.worksheet and (options.to != "moodle" or len(options.assignments) != 1):
        raise CourseError("--worksheet is for one assignment and --to moodle.")
    rule = marks.Rule(options.so_far, options.nothing_is_zero)
    with shared.opened(options) as (course, book):
        decided = settings(course)
        found = {name: report.rows(course, name, book) for name in options.assignments}
        roster = read_roster(course)
    if options.worksheet:
        (rows,) = found.values()
        result = worksheet.fill_in(options.worksheet, decided.worksheet, rows, roster, rule)
    else:
        result = marks.export(options.to, found, roster, decided.columns, rule)
    shared.write(options.output, result.text)
    print(f"{shared.count(result.students, 'student')} in {options.output}.")
    for student, reason in result.left_out:
        print(f"  not in it: {printable(student, 80)}: {reason}.")
    for student, note in result.notes:
        print(f"  {printable(student, 80)}: {note}.")
    return shared.OK
