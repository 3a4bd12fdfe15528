"""`quantgrader report`: who has which mark."""

import shutil
from pathlib import Path

from quantgrader.commands import options as shared


def add(commands):
    """The command's options."""
    parser = shared.command(
        commands, run, "report", "show marks and reasons",
        "Show every student with a mark, or with the reason for having none, and how each "
        "question went: mean, share of all points, how many got how much, commonest messages.",
    )  # fmt: skip
    shared.assignment(parser)
    parser.add_argument("--csv", metavar="FILE", type=Path, help="also write them as CSV")
    parser.add_argument("--html", metavar="FILE", type=Path, help="also write them as a page")
    shared.course(parser)


def run(options):
    """Print the report, and write it where it is wanted."""
    from quantgrader.classroom.roster import read_roster
    from quantgrader.pages import questions as per_question
    from quantgrader.pages import report

    with shared.opened(options) as (course, book):
        found = report.rows(course, options.assignment, book)
        questions = per_question.questions(course, options.assignment, book)
        names = {student: learner.name for student, learner in read_roster(course).items()}
    width = shutil.get_terminal_size((100, 24)).columns
    print(report.as_table(found, width))
    undated = sum(row.is_undated for row in found)
    if undated:
        print(
            f"\nThere is a due date, and nothing tells when {shared.count(undated, 'student')} "
            "handed in (no timestamp.txt): they count as in time."
        )
    if any(one.scores for one in questions):
        print(f"\n{per_question.as_table(questions, width)}")
    if options.csv:
        shared.write(options.csv, report.as_csv(found, names))
    if options.html:
        shared.write(options.html, report.as_html(found, options.assignment, questions, names))
    return shared.OK
