"""How things end: one table, and what people read of it; a result of an earlier version is read."""

import json

import pytest

from quantgrader import endings
from quantgrader.cases.compare import Mark
from quantgrader.course.journal import Journal, Result
from quantgrader.sandbox.job import CellRun


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ({"value": 1}, None),
        ({"refused": "it is a set"}, None),
        ({"error": {"type": "ValueError", "message": "f"}}, None),
        ({"timeout": 30}, "f was stopped: it was not done after 30 s."),
        (
            {"killed": "timeout", "detail": ""},
            "f was stopped: it was not done in time, and not to interrupt.",
        ),
        ({"killed": "memory"}, "f was stopped: it took more memory than a submission may."),
        ({"missing": "timeout"}, "f was not asked any more: the time for the whole submission was "
         "over."),
        ({"missing": ""}, "f was not asked any more: the run ended before."),
        ({"missing": "its earlier calls took too long"}, "f was not asked any more: its earlier "
         "calls took too long."),
        (
            {"error": {"type": "NotImplementedError", "message": ""}},
            "f is not written yet (NotImplementedError).",
        ),
        (
            {"error": {"type": "NameError", "message": "name 'f' is not defined"}},
            "There is no function f: it is not defined, or its cell fails.",
        ),
    ],
)  # fmt: skip
def test_calls(answer, text):
    assert endings.call_text("f", answer) == text


def test_cells():
    def texts(*run, is_marked=False, **more):
        return endings.cell_texts("c", CellRun("0", *run, **more), is_marked)

    error = {"type": "ValueError", "message": ""}
    assert texts("ok") == texts("error", error=error, is_marked=True) == []
    assert texts("error", error=error) == ["The cell c ended with an error (ValueError)."]
    assert texts("timeout", seconds=60.2, truncated=True) == [
        "The cell c was stopped after 60 s.",
        "The output of the cell c was cut.",
    ]
    killed = {"type": "cpu", "message": ""}
    assert texts("killed", error=killed) == [
        "The cell c was stopped: it took more processor time than a submission may."
    ]


def test_only_what_is_the_graders_own_fault_is_done_again():
    assert [name for name, ending in endings.KERNEL.items() if ending.is_graders] == ["sandbox"]
    counted = {name: state.is_final for name, state in endings.STATES.items() if state.counted}
    assert counted == {"graded": True, "review": True, "failed": False}


def test_a_running_course_keeps_its_results(tmp_path):
    """The file of a result, as it has been since the first version."""
    written = {
        "fingerprint": "a", "marks": {
            "f-test": {"asked": 3, "messages": ["Not twice."], "passed": 2, "points": 3.0,
                       "score": 2.0},
            "why": {"asked": 0, "messages": [], "passed": 0, "points": 4.0, "score": None},
        },
        "notes": ["It was named otherwise."], "reasons": [], "sandboxed": True, "seconds": 1.5,
        "status": "graded", "student": "ada", "submission": "b", "timestamp": None,
        "unanswered": ["why"], "version": 1,
    }  # fmt: skip
    journal = Journal(tmp_path)
    result = Result(
        "ada", "graded", "a", "b", (), ("It was named otherwise.",),
        {"f-test": Mark(2.0, 3.0, 2, 3, ("Not twice.",)), "why": Mark(None, 4.0)},
        ("why",), None, 1.5,
    )  # fmt: skip
    journal.write(result)
    (path,) = tmp_path.glob("*.json")
    assert path.read_text() == json.dumps(written | {"asked": {}}, indent=1, sort_keys=True)
    assert journal.read("ada") == result
    path.write_text(json.dumps(written))  # what each function was asked came later
    assert journal.read("ada") == result
    path.write_text(path.read_text().replace('"points"', '"worth"'))
    assert journal.read("ada") is None
