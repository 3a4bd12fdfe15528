"""The checks notice small mistakes: mutants of the model answers lose points.

`tools/mutate.py` makes the numbers that the book shows; here they are looked at, and some of the
mutants are made anew.
"""

import json

import pytest
import torch

from quantgrader.cases.case import Case, equals
from tools import mutants, mutate
from tools.course import ROOT, assignment_names

NAMES = assignment_names(ROOT / "solutions")
#: Each so many-th mutant is made and graded anew.
EVERY = 7
@pytest.fixture(autouse=True)
def one_thread():
    """Two test processes on two cores: threads of torch would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def shown():
    return json.loads(mutate.RESULTS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_counts_are_of_these_texts(name):
    assert shown()[name]["fingerprint"] == mutate.fingerprint(name), "run `make mutation`"


@pytest.mark.parametrize("name", NAMES)
def test_mutants_that_matter_lose_points(name):
    functions = shown()[name]["functions"]
    assert functions
    for function, row in functions.items():
        assert row["mutants"] >= row["matter"] > 0, function
        assert 0 < row["killed"] <= row["matter"] - len(row["survivors"]), function
        # Those that live are known, and it is known why they may.
        assert all(row["survivors"].values()), (function, row["survivors"])
    matter = sum(row["matter"] for row in functions.values())
    assert sum(row["killed"] for row in functions.values()) >= 0.95 * matter


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", NAMES)
def test_some_mutants_made_anew_get_the_same_verdict(name):
    functions = shown()[name]["functions"]
    found = mutate.examine_assignment(name, every=EVERY)
    assert found.keys() == functions.keys()
    for function, result in found.items():
        row = functions[function]
        assert result.mutants == -(-row["mutants"] // EVERY), function
        assert set(result.survivors) <= set(row["survivors"]), function


def test_every_reason_is_of_a_survivor():
    reasons = json.loads(mutate.REASONS.read_text(encoding="utf-8"))
    for name, functions in reasons.items():
        for function, changes in functions.items():
            assert changes.keys() == shown()[name]["functions"][function]["survivors"].keys()


def test_fresh_answers_are_counted():
    """Each batch says how many answers were wrong and kept all points, or right and lost some."""
    batches = json.loads(mutate.FRESH.read_text(encoding="utf-8"))
    assert sorted(batches) == NAMES
    for name, found in batches.items():
        assert found, name
        for batch in found:
            assert batch["eyes"] in ("author", "other")
            assert 0 <= batch["kept"] <= batch["wrong"] > 0, name
            assert 0 <= batch["lost"] <= batch["right"], name


# The machine itself ----------------------------------------------------------------------------

SOURCE = '''
def clamp(x, low=0, high=10):
    """Text stays."""
    if x < low and x != high:
        x = low
    return min(abs(x), high)
'''


def test_mutants_are_different_functions_with_one_change():
    changes = {m.change for m in mutants.mutants(SOURCE)}
    assert {
        "x < low: < becomes <=",
        "x < low: < becomes >",
        "x != high: != becomes ==",
        "x < low and x != high: and, or exchanged",
        "min: becomes max",
        "min(abs(x), high): abs(...) left out",
        "min(abs(x), high): arguments exchanged",
        "if x < low and x != high: always True",
        "if x < low and x != high: always False",
        "if x < low and x != high: line left out: x = low",
    } <= changes
    sources = [m.source for m in mutants.mutants(SOURCE)]
    assert len(set(sources)) == len(sources) > 14
    for source in sources:
        compile(source, "<mutant>", "exec")
        assert "Text stays." in source


def test_survivors_are_those_that_no_case_notices():
    cases = [Case((x,), equals(y, "Wrong.")) for x, y in ((-3, 0), (4, 4))]
    few = mutate.examine(SOURCE, "clamp", {}, cases)
    assert "arguments: 10 becomes 11" not in few.survivors  # no input that was tried shows it
    more = [Case((x,), equals(y, "Wrong.")) for x, y in ((20, 10), (0, 0), (11, 10))]
    assert any(
        "10 becomes 11" in s for s in mutate.examine(SOURCE, "clamp", {}, cases, more).survivors
    )
    all_of_them = mutate.examine(SOURCE, "clamp", {}, cases + more)
    assert not any("10 becomes" in s for s in all_of_them.survivors)
    assert all_of_them.killed > few.killed


def test_a_mutant_that_does_not_end_is_killed():
    source = "def count(n):\n    while n > 0:\n        n = n - 1\n    return n\n"
    cases = [Case((3,), equals(0, "Wrong."))]
    result = mutate.examine(source, "count", {}, cases, seconds=0.2)
    assert result.killed >= 3
    assert not any("line left out: n" in s for s in result.survivors)
