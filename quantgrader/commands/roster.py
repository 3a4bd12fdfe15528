"""`quantgrader roster`: who is in the class."""

from pathlib import Path

from quantgrader.commands import options as shared


def add(commands):
    """The command's options."""
    parser = shared.command(
        commands, run, "roster", "take the class's students from Canvas or Moodle",
        "Read the students of an export of Canvas (Grades > Export) or Moodle (Grades > Export, or "
        "Participants > Download) into the gradebook and class/roster.csv. Every row that isn't "
        "taken is listed, and the exit status is 1 then.",
        usage="EXPORT.csv [options]",
    )  # fmt: skip
    parser.add_argument("file", metavar="EXPORT.csv", type=Path, help="what the system wrote")
    parser.add_argument(
        "--id", metavar="FIELD", dest="id_field",
        choices=("login", "sis_id", "lms_id", "email", "student"),
        help="which one is the student's id here, the name of the folders: login, sis_id, lms_id "
        "or email (default: the class's, and at first the one that everybody has)",
    )  # fmt: skip
    parser.add_argument(
        "--column", metavar="FIELD=NAME", action="append", default=[],
        help="the name of a column that is not in English: --column email=E-Mail-Adresse",
    )  # fmt: skip
    shared.course(parser)


def run(options):
    """Take the students, and list what was not taken."""
    from quantgrader.classroom import roster
    from quantgrader.texts import listed, printable

    with shared.opened(options) as (course, book):
        found = roster.read_export(
            options.file, options.id_field, shared.pairs(options.column), roster.read_roster(course)
        )
        new, known, others = roster.save(course, book, found.learners)
    print(
        f"{shared.count(len(found.learners), 'student')} ({found.system}; their id is the "
        f"{found.id_field}): {len(new)} new, {len(known)} known."
    )
    if others:
        print(f"Known, and not in this file: {listed(others)}. They stay.")
    for name, reason in found.left_out:
        print(f"  not taken: {printable(name, 80)}: {reason}.")
    return shared.FAILED if found.left_out else shared.OK
