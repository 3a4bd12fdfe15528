"""`quantgrader by-hand`: the answers to a written question, without names."""

from pathlib import Path

from quantgrader.commands import options as shared


def add(commands):
    """The command's options."""
    parser = shared.command(
        commands, run, "by-hand", "grade a written question, all answers on one page, no names",
        "Write a page with all answers to a written question under labels in place of names, and "
        "a table (label, points, comment) to be filled in; or read that table into the gradebook.",
        usage="ASSIGNMENT [QUESTION] (--html FILE --csv FILE | --read FILE)",
    )  # fmt: skip
    shared.assignment(parser)
    parser.add_argument(
        "question", metavar="QUESTION", nargs="?", help="its id, where there are several"
    )
    parser.add_argument("--html", metavar="FILE", type=Path, help="where the page goes")
    parser.add_argument("--csv", metavar="FILE", type=Path, help="where the table goes")
    parser.add_argument("--read", metavar="FILE", type=Path, help="a table that was filled in")
    shared.course(parser)


def run(options):
    """Write the page and the table, or read the table."""
    from quantgrader.classroom import by_hand
    from quantgrader.course.folders import CourseError
    from quantgrader.texts import printable

    if bool(options.read) == bool(options.html or options.csv):
        raise CourseError("Either --html and --csv, to write the answers, or --read.")
    with shared.opened(options) as (course, book):
        reference = course.reference(options.assignment)
        task = by_hand.written_task(reference, options.question)
        if options.read:
            given = by_hand.give(course, book, options.assignment, task, options.read)
            print(f"{shared.count(len(given.students), 'answer')} marked.")
            for label, reason in given.left_out:
                print(f"  not taken: {printable(label, 40)}: {reason}.")
            return shared.FAILED if given.left_out else shared.OK
        found = by_hand.answers(course, book, options.assignment, task)
    if options.html:
        shared.write(options.html, by_hand.as_html(found, options.assignment, task))
    if options.csv:
        shared.write(options.csv, by_hand.as_csv(found))
    print(f"{shared.count(len(found), 'answer')} to {task.solution_id}.")
    return shared.OK
