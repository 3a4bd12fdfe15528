"""The command `quantgrader`."""

import argparse
import os
import sys
from importlib import import_module

from quantgrader.commands.options import OK, REFUSED, other_code

# In the order of an instructor's day; the last is the students'.
COMMANDS = (
    "check", "roster", "due", "collect", "grade", "report", "regrade", "by_hand", "similar",
    "feedback", "total", "export", "validate",
)  # fmt: skip


def parser():
    """The options of the command."""
    main_parser = argparse.ArgumentParser(
        prog="quantgrader",
        description="Grade notebooks in a sandbox, with values compared outside of it. "
        "Run it in the course's folder, like nbgrader.",
    )
    commands = main_parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        import_module(f"quantgrader.commands.{name}").add(commands)
    return main_parser


def main(arguments=None):
    """Run the command and return its exit status."""
    from quantgrader.course.folders import CourseError
    from quantgrader.course.journal import Busy
    from quantgrader.sandbox.walls import SandboxUnavailable

    options = parser().parse_args(arguments)
    if problem := other_code(getattr(options, "course", ".")):
        print(problem, file=sys.stderr)
    try:
        status = options.run(options)
        sys.stdout.flush()
        return status
    except SandboxUnavailable as error:
        print(error, file=sys.stderr)
        print("Nothing was graded without it. (--no-sandbox does.)", file=sys.stderr)
    except (CourseError, Busy) as error:
        print(error, file=sys.stderr)
    except KeyboardInterrupt:
        kept = " Run it again to go on: what is finished is kept." * (options.command == "grade")
        print(f"Stopped.{kept}", file=sys.stderr)
    except BrokenPipeError:  # `quantgrader report ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    return REFUSED


if __name__ == "__main__":
    sys.exit(main())
