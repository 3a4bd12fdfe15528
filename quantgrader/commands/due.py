"""`quantgrader due`: due dates and extensions."""

from quantgrader.commands import options as shared


def add(commands):
    """The command's options."""
    parser = shared.command(
        commands, run, "due", "set due dates and extensions",
        "Say until when an assignment may be handed in, by everybody or by some students, or show "
        "what holds. It is written to class/due.csv and into the gradebook; points off for being "
        "late follow it, and nothing is run again.",
        usage="ASSIGNMENT [TIME] [options]",
    )  # fmt: skip
    shared.assignment(parser)
    parser.add_argument(
        "time", metavar="TIME", nargs="?", help="for instance '2026-11-30 23:59'"
    )  # fmt: skip
    parser.add_argument("--remove", action="store_true", help="the date holds no more")
    shared.students(parser)
    shared.course(parser)


def run(options):
    """Set what is given, bring the gradebook to it, and show what holds."""
    from quantgrader.classroom import late
    from quantgrader.course.folders import CourseError
    from quantgrader.course.gradebook import require_assignment
    from quantgrader.course.settings import in_words, settings
    from quantgrader.texts import printable

    if options.time and options.remove:
        raise CourseError("Either a time, or --remove.")
    with shared.opened(options) as (course, book):
        require_assignment(book, course.reference(options.assignment), options.assignment)
        known = {one.id for one in book.students} | set(course.submitters(options.assignment))
        for student in options.students or ():
            if student not in known:
                raise CourseError(f"{printable(student)} is no student of this class.")
        if options.time or options.remove:
            late.put(course, options.assignment, options.students, options.time)
        late.apply(course, book, options.assignment)
        found = [one for one in late.read(course) if one.assignment == options.assignment]
        kept, timezone = book.find_assignment(options.assignment).duedate, settings(course).timezone
    for one in sorted(found, key=lambda one: (one.student, one.due)):
        who = printable(one.student, 60) or "everybody"
        print(f"{who}: {one.due:%Y-%m-%d %H:%M} ({one.due.tzname()})")
    if not any(one.student == "" for one in found):
        print(f"everybody: {in_words(kept, timezone) if kept else 'no date'}")
    return shared.OK
