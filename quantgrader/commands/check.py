"""`quantgrader check`: whether the sandbox can be used here."""

from quantgrader.commands import options as shared


def add(commands):
    """The command's options."""
    text = "tell whether the sandbox can be used on this machine"
    shared.command(
        commands, run, "check", text, f"{text.capitalize()}, and what to do.", usage=""
    )  # fmt: skip


def run(options):
    """Try the sandbox, and say what is missing."""
    from quantgrader.sandbox import walls

    report = walls.availability()
    print(report)
    return shared.OK if report.usable else shared.FAILED
