"""`quantgrader regrade`: some questions anew."""

from quantgrader.commands import grade
from quantgrader.commands import options as shared


def add(commands):
    """The command's options."""
    parser = shared.command(
        commands, run, "regrade", "grade some questions anew",
        "Ask some functions anew, and those whose checks have changed; all others keep their marks "
        "(for the points that they are worth now). Who was not graded yet, or has handed in anew, "
        "is left to `quantgrader grade`.",
        usage="ASSIGNMENT [QUESTION ...] [options]",
    )  # fmt: skip
    shared.assignment(parser)
    parser.add_argument("questions", metavar="QUESTION", nargs="*", help="their functions' names")
    shared.students(parser)
    grade.workers(parser)
    shared.course(parser)


def run(options):
    """Grade them, and say how it went."""
    from quantgrader.course.folders import open_course
    from quantgrader.regrade import regrade
    from quantgrader.texts import printable

    course = open_course(options.course, options.db)
    found = grade.with_bar(options, regrade, course, names=options.questions)
    print(f"Asked: {', '.join(found.chosen) or 'nothing; points are those of the release'}.")
    for student, reason in sorted(found.left.items()):
        print(f"  {printable(student)}: left as it was: {reason}.")
    status = grade.summary(found)
    grade.due_dates(course, options.assignment)
    return status
