"""`quantgrader total`: one table over all assignments."""

import shutil
from pathlib import Path

from quantgrader.commands import options as shared


def add(commands):
    """The command's options."""
    parser = shared.command(
        commands, run, "total", "show the marks of all assignments",
        "Show each student's marks, and the overall mark by the class's rules: c.Classroom.weights "
        "and c.Classroom.drop, how many of the weakest are left out.",
        usage="[ASSIGNMENT ...] [options]",
    )  # fmt: skip
    parser.add_argument(
        "assignments", metavar="ASSIGNMENT", nargs="*",
        help="which ones (default: all that anybody has handed in)",
    )  # fmt: skip
    parser.add_argument("--csv", metavar="FILE", type=Path, help="also write them as CSV")
    parser.add_argument("--html", metavar="FILE", type=Path, help="also write them as a page")
    mark_rule(parser)
    shared.course(parser)


def mark_rule(parser):
    """The options that say what counts as a mark."""
    parser.add_argument(
        "--so-far", action="store_true", help="also marks to which points by hand are to be added"
    )
    parser.add_argument(
        "--nothing-is-zero", action="store_true", help="0 for whoever handed in nothing"
    )


def run(options):
    """Print the table, and write it where it is wanted."""
    from quantgrader.classroom import marks, total
    from quantgrader.classroom.roster import read_roster
    from quantgrader.course.settings import settings
    from quantgrader.pages import report

    with shared.opened(options) as (course, book):
        there = sorted(one.name for one in book.assignments)
        names = options.assignments or [name for name in there if course.submitters(name)]
        found = {name: report.rows(course, name, book) for name in names}
        rules, roster = settings(course), read_roster(course)
    lines = total.total(
        found, rules, roster, marks.Rule(options.so_far, options.nothing_is_zero)
    )  # fmt: skip
    print(total.as_table(found, lines, shutil.get_terminal_size((100, 24)).columns))
    if lacking := sum(line.not_handed_in > 0 for line in lines):
        print(
            f"{shared.count(lacking, 'student')} did not hand in everything. What was not handed "
            "in does not count (--nothing-is-zero: it counts as 0)."
        )
    if options.csv:
        shared.write(options.csv, total.as_csv(found, lines))
    if options.html:
        shared.write(options.html, total.as_html(found, lines, rules))
    return shared.OK
