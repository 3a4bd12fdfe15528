"""`quantgrader collect`: what was handed in with Canvas or Moodle."""

from pathlib import Path

from quantgrader.commands import options as shared


def add(commands):
    """The command's options."""
    parser = shared.command(
        commands, run, "collect", "take a download of Canvas or Moodle to the submitted folder",
        "Sort the files that were handed in with Canvas (Download Submissions) or Moodle (Download "
        "all submissions) into the students' folders, by class/roster.csv. Whatever can't be "
        "matched is listed, and stays where it is; a student's ZIP file that can't be unpacked is "
        "listed and kept as it came. The exit status is 1 then.",
        usage="ASSIGNMENT DOWNLOAD [options]",
    )  # fmt: skip
    shared.assignment(parser)
    parser.add_argument(
        "download", metavar="DOWNLOAD", type=Path, help="the ZIP file, or a folder with its files"
    )
    parser.add_argument(
        "--worksheet", metavar="FILE", type=Path,
        help="Moodle's grading worksheet, which tells who is who, and when it was handed in",
    )  # fmt: skip
    parser.add_argument(
        "--match", metavar="NUMBER=STUDENT", action="append", default=[],
        help="whose the files with this number are, where nothing else tells",
    )  # fmt: skip
    parser.add_argument(
        "--update", action="store_true",
        help="replace what was handed in before; it is kept in class/replaced",
    )  # fmt: skip
    shared.course(parser)


def run(options):
    """Sort the files, and list what came of them."""
    from quantgrader.classroom import worksheet
    from quantgrader.classroom.collect import collect
    from quantgrader.classroom.roster import read_roster
    from quantgrader.course.folders import open_course
    from quantgrader.course.settings import settings
    from quantgrader.texts import listed, printable

    course = open_course(options.course, options.db)
    decided = settings(course)
    found = collect(
        course, options.assignment, options.download, read_roster(course),
        participants=worksheet.participants(options.worksheet, decided.worksheet),
        match=shared.pairs(options.match), update=options.update, timezone=decided.timezone,
    )  # fmt: skip
    print(
        f"{shared.count(len(found.new), 'student')} new, {len(found.replaced)} replaced, "
        f"{len(found.same)} as before."
    )
    lines = (
        ("Replaced", found.replaced),
        ("Changed here since they were collected, and replaced", found.lost),
        ("Changed here since they were collected, and left so: nothing new came", found.repaired),
        ("Handed in otherwise before, and left so (--update takes the new ones)", found.waiting),
        ("Late, as the system says", found.late),
        ("Nothing from", found.nothing),
    )
    for text, students in lines:
        if students:
            print(f"{text}: {listed(students, 30)}.")
    for path, reason in found.packed:
        print(f"  not unpacked, kept as it came: {printable(path, 120)}: {printable(reason)}.")
    for path, reason in found.left_out:
        print(f"  not taken: {printable(path, 120)}: {printable(reason)}.")
    to_look_at = found.packed or found.left_out or found.waiting
    return shared.FAILED if to_look_at else shared.OK
