"""How many mistakes the checks of the exercises notice: make mutation.

Every model answer is changed mechanically, one change at a time (`tools.mutants`), and the
changed answers are graded. A mutant is *killed* if a case fails. It *matters* if its result
differs from the model answer's on any input that is tried: those of the cases, those of other
course seeds, and both of them varied. The counts are written to `book/_data/mutation.json`, which
the book shows. `tests/exercises/mutation_survivors.json` says of each change that matters and
keeps its points why it may. Open tasks are left out.

Mutants are mistakes that a machine makes. What people make is counted apart: answers that were
written from the released notebook alone, by somebody who had seen neither checks nor bank, and
then graded. Those counts are in `book/_data/fresh_answers.json`, batch by batch.

All mutants take some minutes. Each exercise's counts are kept with a fingerprint of the texts that
they depend on, and the tests look at some of the mutants only while it holds.
"""

import argparse
import contextlib
import copy
import hashlib
import io
import json
import signal
import warnings
from dataclasses import dataclass

import numpy as np

from quantgrader.cases import compare
from quantgrader.cases.case import Requirement
from quantgrader.cases.codec import BadData, decode, encode
from quantgrader.cases.recording import recording
from quantgrader.release import authoring
from quantgrader.sandbox import collector
from tools.course import ROOT, assignment_names, read_notebook
from tools.mutants import mutants

RESULTS = ROOT / "book" / "_data" / "mutation.json"
FRESH = ROOT / "book" / "_data" / "fresh_answers.json"
REASONS = ROOT / "tests" / "exercises" / "mutation_survivors.json"
OTHER_SEEDS = ("first", "second")

#: Open tasks, marked by the accuracy that is reached: a program with a small change trains about
#: as well, which is no mistake that a check could notice.
OPEN_TASKS = (
    "train_binary_network",
    "weights_under_budget",
    "least_memory",
    "mixed_network",
    "network_under_budget",
    "deep_network",
    "rescue",
    "four_bit_network",
)


@dataclass(frozen=True)
class Survival:
    """What became of the mutants of one function; survivors are those that matter and live."""

    mutants: int
    matter: int
    survivors: tuple[str, ...]

    @property
    def killed(self):
        """How many of those that matter lose points."""
        return self.matter - len(self.survivors)


def fingerprint(name):
    """A hash of the texts that an assignment's counts depend on."""
    machinery = [ROOT / "tools" / "mutate.py", ROOT / "tools" / "mutants.py"]
    folders = ROOT / "solutions" / name, ROOT / "quantgrader" / "cases"
    own = [path for folder in folders for path in folder.iterdir() if path.is_file()]
    found = hashlib.sha256()
    for path in sorted([*machinery, *own]):
        found.update(path.relative_to(ROOT).as_posix().encode() + b"\n" + path.read_bytes())
    return found.hexdigest()


def examine(source, function, namespace, cases, other_cases=(), seconds=10, every=1):
    """Make the mutants of a function and see which of them the cases notice.

    Parameters
    ----------
    source : str
        The model answer's text.
    function : str
        Its name.
    namespace : dict
        What the notebook has defined before; a copy is used for each mutant.
    cases : sequence of Case
        What gives the marks.
    other_cases : sequence of Case
        Cases of other seeds, on whose inputs a mutant's results are compared as well.
    seconds : float
        Of the processor. A mutant that computes for longer is taken for killed.
    every : int
        Look at each so many-th mutant only.
    """
    model = _define(source, function, namespace)
    tried = _references(model, [*cases, *other_cases])
    count, matter, survivors = 0, 0, []
    for mutant in mutants(source)[::every]:
        count += 1
        with _quiet(), _time_limit(seconds):
            killed = _is_killed(mutant, function, namespace, cases)
        # There are many more inputs than cases, and slow is not wrong: only what never ends is.
        with _quiet(), _time_limit(20 * seconds):
            differs = not killed and _differs(mutant, function, namespace, tried)
        matter += killed or differs
        survivors += [mutant.change] * differs
    return Survival(count, matter, tuple(survivors))


def _define(source, function, namespace):
    inner = dict(namespace)
    exec(compile(source, "<mutant>", "exec"), inner)
    return inner[function]


def _is_killed(mutant, function, namespace, cases):
    try:
        answer = _define(mutant.source, function, namespace)
    except Exception:
        return True
    try:
        for case in cases:
            result = None if case.probe is None else collector.answer(answer, case.probe)
            if not compare.judge(case, result, [mutant.source]).passed:
                return True
    except _TooLong:
        return True
    return False


def _differs(mutant, function, namespace, tried):
    """Whether a mutant gives another result than the model answer on any input that was tried."""
    answer = _define(mutant.source, function, namespace)
    try:
        return any(
            not compare.judge(case, collector.answer(answer, case.probe)).passed for case in tried
        )
    except _TooLong:
        return True


def _references(model, cases):
    """Cases whose expected results are the model answer's own, on the same and on varied inputs."""
    references = []
    with _quiet():
        for case in cases:
            wanted = [r for r in case.requirements if r.kind == "equals"]
            if case.probe is None or not wanted:
                continue
            for probe in [case.probe, *_varied(case)]:
                result = collector.answer(model, probe)
                if "value" not in result or result["warnings"]:
                    continue
                reference = copy.copy(case)
                reference.probe = probe
                reference.requirements = tuple(_exact(r, decode(result["value"])) for r in wanted)
                # What the model answer itself does not meet (it returns NaN, say) is no reference.
                if compare.judge(reference, result).passed:
                    references.append(reference)
    return references


def _exact(requirement, value):
    """A requirement that the result is ``value``, in the part and the view of the given one."""
    if requirement.part is not None:
        value = value[requirement.part]
    options = {**requirement.options, "expected": value, "mistakes": {}}
    if not isinstance(value, dict) or requirement.options["rtol"] < 1e-4:
        options["rtol"] = 1e-9
    return Requirement("equals", requirement.message, requirement.part, options)


def _varied(case):
    """Probes with one argument changed. Where something is built, none: parts belong together."""
    if any(isinstance(value, dict) and "build" in value for value in case.probe):
        return
    for place, value in enumerate(case.arguments):
        for new in _other_values(value):
            with contextlib.suppress(BadData):
                yield [*case.probe[:place], encode(new), *case.probe[place + 1 :]]


def _other_values(value):
    if isinstance(value, np.ndarray) and value.size:
        if value.ndim:
            yield value[:1]
            yield value[::-1]
            yield value[..., ::2]
        if value.dtype.kind == "f":
            yield -value
            yield value * 1.5
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield value + 1


class _TooLong(BaseException):
    """A mutant does not come to an end."""


@contextlib.contextmanager
def _time_limit(seconds):
    def stop(*_):
        raise _TooLong

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@contextlib.contextmanager
def _quiet():
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def examine_assignment(name, every=1):
    """Return {function: Survival} for an assignment."""
    folder = ROOT / "solutions" / name
    cases = authoring.make(folder).functions
    notebook = read_notebook(folder / f"{name}.ipynb")
    namespace, results = {"__name__": "__main__"}, {}
    for cell in notebook.cells:
        settings = cell.metadata.get("nbgrader", {})
        if cell.cell_type != "code" or (settings.get("grade") and not settings.solution):
            continue
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(), recording():
            exec(compile(cell.source, f"<{cell.id}>", "exec"), namespace)
        graded = cell.id.replace("-", "_")
        if settings.get("solution") and graded not in OPEN_TASKS:
            others = [
                case
                for seed in OTHER_SEEDS
                for case in authoring.hidden_cases(folder / "hidden.py", graded, seed)
            ]
            results[graded] = examine(
                cell.source, graded, namespace, cases[graded], others, every=every
            )
    return results


def as_data(name, results):
    """Return an assignment's counts as JSON-able data, with the reasons why survivors survive."""
    counts = {
        function: {
            "mutants": result.mutants,
            "matter": result.matter,
            "killed": result.killed,
            "survivors": dict.fromkeys(result.survivors, ""),
        }
        for function, result in results.items()
    }
    return with_reasons(name, counts)


def with_reasons(name, counts):
    """The counts with the reasons that are written down now."""
    reasons = json.loads(REASONS.read_text(encoding="utf-8")).get(name, {})
    return {
        function: row
        | {"survivors": {c: reasons.get(function, {}).get(c, "") for c in row["survivors"]}}
        for function, row in counts.items()
    }


def main():
    """Count anew where something has changed, write the counts and print both reports."""
    parser = argparse.ArgumentParser(description="Count the mistakes that the checks notice.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="these exercises, in any case")
    options = parser.parse_args()
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    found = {}
    for name in assignment_names(ROOT / "solutions"):
        holds = kept.get(name, {}).get("fingerprint") == fingerprint(name)
        if holds and name not in options.names:
            found[name] = kept[name]
            # A reason may have been written since.
            found[name]["functions"] = with_reasons(name, kept[name]["functions"])
        else:
            counts = as_data(name, examine_assignment(name))
            found[name] = {"fingerprint": fingerprint(name), "functions": counts}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print("Mutants of the model answers: how many of those that matter lose points.")
    for name, assignment in found.items():
        for function, row in assignment["functions"].items():
            print(f"{name:16}{function:28}{row['killed']:4} of {row['matter']:4}")
            for change, reason in row["survivors"].items():
                print(f"{'':20}{change}  ({reason or 'NO REASON GIVEN'})")
    print("\nAnswers written from the released notebook alone: wrong ones that keep all points,")
    print("and right ones that lose some, in each exercise's last batch.")
    for name, batches in json.loads(FRESH.read_text(encoding="utf-8")).items():
        last = batches[-1]
        print(
            f"{name:16}{last['kept']:4} of {last['wrong']:4} wrong, "
            f"{last['lost']:4} of {last['right']:4} right"
        )


if __name__ == "__main__":
    main()
