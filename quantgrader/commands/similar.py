"""`quantgrader similar`: answers that are alike."""

import shutil
from pathlib import Path

from quantgrader.commands import options as shared


def add(commands):
    """The command's options."""
    parser = shared.command(
        commands, run, "similar", "list answers that are alike, for a person to judge",
        "Compare the functions of all who were graded, without names, numbers and comments, and "
        "without what was given out or what many have. It is a table to look at, and no verdict.",
    )  # fmt: skip
    shared.assignment(parser)
    parser.add_argument(
        "--pairs", type=shared.positive, default=20, metavar="N", help="how many (default: 20)"
    )
    parser.add_argument("--csv", metavar="FILE", type=Path, help="also write them as CSV")
    parser.add_argument(
        "--html", metavar="FILE", type=Path, help="also write a page with both texts of each pair"
    )
    shared.course(parser)


def run(options):
    """Print the table, and write it where it is wanted."""
    from quantgrader.classroom import similar
    from quantgrader.course.folders import open_course
    from quantgrader.texts import listed

    course = open_course(options.course, options.db)
    found, released = similar.answers(course, options.assignment)
    pairs = similar.alike(found, released, options.pairs)
    groups = similar.word_for_word(found, released)
    print(f"{shared.count(len(found), 'submission')} compared. This is no verdict: look at them.")
    for group in groups:
        print(f"All answers word for word the same: {listed(group, 30)}.")
    if pairs:
        print(similar.as_table(pairs, shutil.get_terminal_size((100, 24)).columns))
    else:
        print("No two of them share much that others don't have.")
    if options.csv:
        shared.write(options.csv, similar.as_csv(pairs))
    if options.html:
        shared.write(options.html, similar.as_html(pairs, found, groups, options.assignment))
    return shared.OK
