"""How things end: a kernel, a call, a cell, a submission. Their names, and what people read."""

from typing import NamedTuple

from quantgrader.texts import printable


class Ending(NamedTuple):
    """Why a kernel ended before its work was done."""

    text: str
    of_call: str | None = None  # in place of the text, where a call was under way
    is_graders: bool = False  # then nobody loses points by it, and the submission is run again


KERNEL = {
    "timeout": Ending(
        "the time for the whole submission was over",
        of_call="it was not done in time, and not to interrupt",
    ),
    "memory": Ending("it took more memory than a submission may"),
    "cpu": Ending("it took more processor time than a submission may"),
    "processes": Ending("it started more processes than a submission may"),
    "output": Ending("it wrote more output than a submission may"),
    "died": Ending("the kernel ended (a crash, or a call that ends Python)"),
    "killed": Ending(
        "the kernel ended by signal 9, twice: it was killed, by its own code or because the memory "
        "of the machine ran out"
    ),
    "sandbox": Ending("the sandbox could not be started", is_graders=True),
}


class State(NamedTuple):
    """What has become of a student's submission."""

    reported: str
    counted: str | None = None  # in the summary of a run; None: a run leaves none like this
    is_final: bool = True  # otherwise the next run does it again


STATES = {
    "graded": State("graded", "graded"),
    "review": State("needs review", "to be reviewed"),
    "failed": State("not graded yet", "not graded", is_final=False),
    "by hand": State("to be graded by hand"),
    "look": State("mark by hand to be looked at again"),
    "new": State("not graded yet", is_final=False),
    "nothing": State("nothing handed in", is_final=False),
}
NEEDS_REVIEW = "Needs review: "


def kernel_text(reason):
    """Why a kernel ended, in words; ``reason`` may be words already."""
    known = KERNEL.get(reason)
    return known.text if known else printable(reason, 120) or "the run ended before"


def call_text(name, answer):
    """What a student reads of a call of ``name`` that came to nothing; None if it came to more."""
    if "timeout" in answer:
        return f"{name} was stopped: it was not done after {answer['timeout']:g} s."
    if "killed" in answer:
        ending = KERNEL.get(answer["killed"])
        text = (ending and ending.of_call) or kernel_text(answer["killed"])
        return f"{name} was stopped: {text}."
    if "missing" in answer:
        return f"{name} was not asked any more: {kernel_text(answer['missing'])}."
    if "large" in answer:
        return f"What {name} returned takes more room than results may."
    error = answer.get("error", {})
    if error.get("type") == "NotImplementedError":
        return f"{name} is not written yet (NotImplementedError)."
    if error.get("type") == "NameError" and name in error.get("message", ""):
        return f"There is no function {name}: it is not defined, or its cell fails."
    return None


def cell_texts(name, run, is_marked):
    """Sentences on a cell that did not run well. The errors of a marked one are in its mark."""
    found, kind = [], (run.error or {}).get("type", "")
    if run.status == "timeout" or (run.status == "killed" and kind == "timeout"):
        found.append(f"The cell {name} was stopped after {run.seconds:.0f} s.")
    elif run.status == "killed":
        found.append(f"The cell {name} was stopped: {kernel_text(kind)}.")
    elif run.status == "error" and not is_marked:
        # What it should have imported or defined may be what all the others miss.
        found.append(f"The cell {name} ended with an error ({printable(kind, 60)}).")
    if run.truncated:
        found.append(f"The output of the cell {name} was cut.")
    return found
