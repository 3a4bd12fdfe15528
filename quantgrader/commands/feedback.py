"""`quantgrader feedback`: a page for each student."""

from quantgrader.commands import options as shared


def add(commands):
    """The command's options."""
    parser = shared.command(
        commands, run, "feedback", "write the students' feedback pages",
        "Write a page for each student into the course's feedback folder, for `nbgrader "
        "release_feedback` or to be handed out.",
    )  # fmt: skip
    shared.assignment(parser)
    shared.students(parser)
    shared.course(parser)


def run(options):
    """Write the pages, and say who gets none."""
    from quantgrader.pages.feedback import write_feedback
    from quantgrader.texts import printable

    without = {}
    with shared.opened(options) as (course, book):
        paths = write_feedback(course, options.assignment, book, options.students, without)
    print(f"{shared.count(len(paths), 'feedback page')} written.")
    for student, reason in without.items():
        print(f"  {printable(student)}: no page. {reason}")
    return shared.FAILED if without else shared.OK
