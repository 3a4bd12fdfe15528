"""`quantgrader validate`: a student's own notebook."""

import sys
from pathlib import Path

from quantgrader.commands import options as shared


def add(commands):
    """The command's options."""
    text = "run the checks of your own notebook"
    parser = shared.command(
        commands, run, "validate", text,
        f"{text.capitalize()} from top to bottom, without a sandbox. The file stays "
        "as it is. Exit status: 0 when all checks pass, 1 when some fail, 2 when there are none.",
        usage="NOTEBOOK",
    )  # fmt: skip
    parser.add_argument("notebook", metavar="NOTEBOOK", type=Path, help="the .ipynb file")


def run(options):
    """Run the checks, and say which fail."""
    from quantgrader.validate import validate

    try:
        checks = validate(options.notebook)
    except ValueError as error:
        print(error, file=sys.stderr)
        return shared.REFUSED
    for check in checks:
        print(f"{'passed' if check.problem is None else 'FAILED'}  {check.grade_id}")
        if check.problem is not None:
            print("\n".join(f"        {line}" for line in check.problem.splitlines()))
    failed = sum(check.problem is not None for check in checks)
    if failed:
        print(f"{failed} of {len(checks)} checks fail.")
        return shared.FAILED
    print(f"All {len(checks)} visible checks pass. Grading runs some more, on other inputs.")
    return shared.OK
