"""`quantgrader check`: whether the sandbox can be used here, with the course's own code."""

from quantgrader.commands import options as shared


def add(commands):
    """The command's options."""
    shared.command(
        commands, run, "check", "tell whether the sandbox can be used on this machine",
        "Tell whether the sandbox can be used on this machine, and what to do. The exit status is "
        "1 if it can't, or if the course in this folder has other code than this command.",
        usage="",
    )  # fmt: skip


def run(options):
    """Try the sandbox, and say what is missing."""
    from quantgrader.sandbox import walls

    report = walls.availability()
    print(report)
    return shared.FAILED if shared.other_code(".") or not report.usable else shared.OK
