"""Answers that are alike: what counts, what doesn't, and that nothing is parsed."""

import pytest

from quantgrader.classroom import similar
from tests.grader.grading_support import check_page

RELEASED = {"spread": "def spread(values, width):\n    raise NotImplementedError('here')"}
ONE = '''def spread(values, width):
    """Text."""
    total, largest = 0, None
    for value in sorted(values):  # from small to large
        if largest is None or value - largest > width:
            largest = value
            total += abs(value) ** 2
    return total / max(len(values), 1)
'''
RENAMED = (
    ONE.replace("total", "summe").replace("largest", "top").replace("value ", "v ")
    .replace("value)", "v)").replace("= value", "= v").replace("**2", "** 2")
    .replace("# from small to large", "# another remark").replace("Text.", "Other words.")
)  # fmt: skip
OTHERS = (
    "def spread(values, width):\n    return np.ptp(np.asarray(values)) / width if width else 0.0",
    "def spread(values, width):\n    a = np.unique(values)\n    k = np.diff(a) > width\n"
    "    return float(np.sum(a[1:][k] ** 2) / a.size)",
    "def spread(values, width):\n    while len(values) > 1:\n        values = [x for x in values "
    "if x < max(values) - width]\n    return values[0] if values else 0",
)


def classroom(*texts):
    return {f"student-{n:02}": {"spread": text} for n, text in enumerate(texts, 1)}


def test_another_name_is_the_same_answer():
    (pair,) = similar.alike(classroom(ONE, *OTHERS, RENAMED), RELEASED)
    assert (pair.student, pair.other, pair.functions) == ("student-01", "student-05", ("spread",))
    assert pair.share == 1 and pair.pieces > 30


def test_what_many_have_and_what_was_given_is_taken_off():
    assert similar.alike(classroom(*[ONE] * 5, *OTHERS), RELEASED) == []
    assert similar.alike(classroom(ONE, RENAMED, *OTHERS), {"spread": ONE}) == []
    assert len(similar.alike(classroom(*[ONE] * 4, *OTHERS), RELEASED)) == 6
    assert len(similar.alike(classroom(*[ONE] * 4, *OTHERS), RELEASED, most=2)) == 2


def test_whole_notebooks_that_went_round_are_a_group():
    released = RELEASED | {"mean": "def mean(values):\n    ..."}
    found = {
        f"student-{n:02}": {"spread": ONE, "mean": "def mean(v):\n    return sum(v)" + more}
        for n, more in enumerate(["", "\n", "", "", "", "", "  # mine", ""], 1)
    }
    found["student-08"]["spread"] = OTHERS[0]
    assert similar.alike(found, released) == []
    assert similar.word_for_word(found, released) == [tuple(f"student-0{n}" for n in range(1, 7))]
    assert similar.word_for_word(dict.fromkeys("ab", released), released) == []
    assert similar.word_for_word(classroom(ONE, ONE), RELEASED) == [], "one function is no notebook"


@pytest.mark.parametrize("found", [{}, classroom(""), classroom("x", "x"), classroom("(" * 99_999)])
def test_nothing_to_compare(found):
    assert similar.alike(found, RELEASED) == []


@pytest.mark.parametrize(
    "text",
    ['"""' * 9_999 + '"', "'\\" * 30_000, "#" * 60_000, "'''\x00é"],
    ids=["quotes", "escapes", "comment", "open"],
)
def test_a_text_is_read_and_not_parsed(text):
    assert len(similar.tokens(text)) <= 60_000


def test_the_page_holds_both_texts_as_text():
    evil = ONE + "\n# <script>alert(1)</script>"
    found = classroom(evil, RENAMED, *OTHERS)
    pairs = similar.alike(found, RELEASED)
    page = check_page(similar.as_html(pairs, found, [("a", "b")], "small"))
    assert "<script>alert(1)</script>" in "".join(page.data)
    assert "All answers word for word the same: a, b." in "".join(page.data)
    assert "student-01  student-02        100" in similar.as_table(pairs)
    assert similar.as_csv(pairs).splitlines()[1].startswith("student-01,student-02,100,")
