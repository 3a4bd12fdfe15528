"""Compare what a student's function gave with what it must give, in the grader's own process.

`judge` gets an answer as it left the sandbox, which anything may have made. It reads plain data,
calls nothing of them, and compares numbers (`requirements`). `add_up` makes a function's mark
of the verdicts on its cases.
"""

import builtins
import math
from dataclasses import dataclass, replace

from quantgrader.cases.codec import BadData, decode
from quantgrader.cases.forbidden import violation
from quantgrader.cases.requirements import NO_NUMBERS, Failure, require
from quantgrader.texts import printable

NOTHING = "The function returned nothing (None). Is there a return?"
CALL = "Not every check could be asked."
# Kinds of errors that are named where a hidden case failed. With all of Python's a function could
# spell out what it was asked.
_TOLD = {
    "AttributeError", "IndexError", "KeyError", "NameError", "NotImplementedError", "OverflowError",
    "RuntimeError", "TypeError", "UnboundLocalError", "ValueError", "ZeroDivisionError",
}  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """Whether a case passed; if not, what is wrong, in one line that may be shown."""

    passed: bool
    message: str | None = None


@dataclass(frozen=True)
class Mark:
    """What a task came to. ``score`` None: a person has to give it."""

    score: float | None
    points: float
    passed: int = 0
    asked: int = 0
    messages: tuple[str, ...] = ()

    def with_message(self, message):
        """The same mark with a sentence before its own."""
        return replace(self, messages=(message, *self.messages))

    @classmethod
    def from_dict(cls, data):
        """The mark that was written as a dict."""
        return cls(**{**data, "messages": tuple(data["messages"])})


def add_up(cases, verdicts, points):
    """The `Mark` for the verdicts on the cases of one function, which is worth some points.

    They are shared out by the cases' weights. A look at the text gives no points by itself, but
    where it finds what is forbidden there are none.
    """
    both = list(zip(cases, verdicts, strict=True))
    if all(verdict.passed for _, verdict in both):
        score = float(points)
    elif not all(verdict.passed for case, verdict in both if case.probe is None):
        score = 0.0
    else:
        asked = [(case.weight, verdict.passed) for case, verdict in both if case.probe is not None]
        right = math.fsum(weight for weight, passed in asked if passed)
        score = round(points * right / math.fsum(weight for weight, _ in asked), 2)
    # each sentence once, those of the visible cases first
    ordered = sorted(both, key=lambda pair: not pair[0].visible)
    messages = dict.fromkeys(verdict.message for _, verdict in ordered if not verdict.passed)
    passed = sum(verdict.passed for verdict in verdicts)
    return Mark(score, float(points), passed, len(both), tuple(messages))


def judge(case, answer, sources=()):
    """Return the `Verdict` on the answer to one case.

    ``answer`` is None for a case that has no probe; ``sources`` are the texts of the student's
    code cells.
    """
    try:
        if case.probe is None:
            for requirement in case.requirements:
                if line := violation(sources, **requirement.options):
                    raise Failure(f"{requirement.message} It is here: {printable(line, 80)}")
        else:
            _judge_answer(case, answer)
    except Failure as failure:
        return Verdict(False, str(failure))
    return Verdict(True)


def _judge_answer(case, answer):
    if not isinstance(answer, dict):
        raise Failure(CALL)
    if "error" in answer:
        raise Failure(_error(answer["error"], case.visible))
    if "value" not in answer:
        raise Failure(NO_NUMBERS)
    try:
        value = decode(answer["value"])
    except BadData:
        raise Failure(NO_NUMBERS) from None
    if value is None:
        raise Failure(NOTHING)
    for requirement in case.requirements:
        require(requirement, value, answer)


def _error(error, visible):
    """What may be told of an exception: of a hidden case nothing that the student's code made."""
    kind = error.get("type") if isinstance(error, dict) else None
    known = getattr(builtins, kind, None) if isinstance(kind, str) else None
    if not (isinstance(known, type) and issubclass(known, BaseException)):
        kind = "an error of its own"
    elif not visible and kind not in _TOLD:
        kind = "an error"
    text = error.get("message") if isinstance(error, dict) else None
    if visible and isinstance(text, str) and text.strip():
        text = "".join(c if c.isprintable() else " " for c in text[:300])
        return f"{kind}: {' '.join(text.split())}"
    return f"The function stopped with {kind}{'' if visible else ' on another input'}."
