"""Answers that are alike, as a table for a person to judge. It is never a verdict.

A function is a list of tokens: names that a student chose are all one token, numbers are another,
texts and comments are left out. Its pieces are all runs of eight tokens. What the release gave, and
what many have, is taken off. Two students are compared by the pieces that both have, over all
functions of the assignment.
"""

import keyword
import re
from dataclasses import dataclass

import nbformat

from quantgrader.course import tables
from quantgrader.course.journal import Journal
from quantgrader.course.reference import grade_id
from quantgrader.pages import plain
from quantgrader.pages.templates import render, short_number
from quantgrader.texts import clean_text

_LENGTH = 8  # tokens of a piece
_COMMON = 4, 0.15  # more students than this number and this share have a common piece
_FEWEST = 12  # pieces that two must share to be in the table
_MAX_TEXT = 50_000
# A submission's text is not parsed outside of the sandbox: this takes each letter once.
_TOKEN = re.compile(
    r"""(?s)(?P<skip>\#[^\n]*|\"\"\".*?(?:\"\"\"|\Z)|'''.*?(?:'''|\Z))"""
    r"""|(?P<text>"(?:\\.|[^"\\\n])*+"?|'(?:\\.|[^'\\\n])*+'?)"""
    r"""|(?P<attribute>\.[^\W\d]\w*)|(?P<name>[^\W\d]\w*)|(?P<number>\d[\w.]*)|(?P<sign>\S)"""
)
HEADER = ("student", "other", "alike (%)", "pieces", "functions")


@dataclass(frozen=True)
class Pair:
    """Two students: the share of the shorter one's pieces that both have, and how many."""

    student: str
    other: str
    share: float
    pieces: int
    functions: tuple[str, ...]

    def cells(self):
        """The pair as texts, in the order of `HEADER`."""
        share = short_number(round(100 * self.share))
        return [self.student, self.other, share, str(self.pieces), ", ".join(self.functions)]


def tokens(text):
    """The tokens of a text, without what a student would change first.

    >>> tokens("def double(x):  # twice\\n    return np.add(x, x, 2.0)")
    ['def', 'n', '(', 'n', ')', ':', 'return', 'n', '.add', '(', 'n', ',', 'n', ',', '0', ')']
    """
    found = []
    for match in _TOKEN.finditer(text[:_MAX_TEXT]):
        kind, token = match.lastgroup, match[0]
        if kind in ("attribute", "sign") or (kind == "name" and keyword.iskeyword(token)):
            found.append(token)
        elif kind != "skip":
            found.append({"name": "n", "number": "0", "text": "s"}[kind])
    return found


def pieces(text):
    """All runs of tokens of a text."""
    words = tokens(text)
    return [" ".join(words[i : i + _LENGTH]) for i in range(len(words) - _LENGTH + 1)]


def answers(course, assignment):
    """({student: {function: text}} of those who were graded, {function: what was given out})."""
    reference = course.reference(assignment)
    journal, found = Journal(course.journal(assignment)), {}
    functions = {task.solution_id: task.function for task in reference.tasks if task.function}
    for student in journal.students():
        path = course.folder("autograded", student, assignment) / f"{reference.name}.ipynb"
        result = journal.read(student)
        if result is None or result.status != "graded" or not path.is_file():
            continue
        cells = nbformat.read(path, as_version=4).cells
        found[student] = {
            functions[grade_id(cell)]: cell.source for cell in cells if grade_id(cell) in functions
        }
    released = {name: reference.cells[cell].source for cell, name in functions.items()}
    return found, released


def alike(found, released, most=20):
    """Return the `Pair`s that share most, those that are most alike first."""
    import numpy as np
    from sklearn.feature_extraction.text import CountVectorizer

    students = sorted(found)
    functions = sorted(released)
    given = {piece for text in released.values() for piece in pieces(text)}

    def of(student):
        return [
            (name, piece)
            for name in functions
            for piece in pieces(found[student].get(name, ""))
            if piece not in given
        ]

    try:
        vectors = CountVectorizer(analyzer=of, binary=True, dtype=np.int32)
        matrix = vectors.fit_transform(students).tocsr()
    except ValueError:  # nobody has any piece
        return []
    count = np.asarray(matrix.sum(axis=0)).ravel()
    rare = count <= max(_COMMON[0], _COMMON[1] * len(students))
    names = np.array([name for name, _ in vectors.get_feature_names_out()])[rare]
    matrix = matrix[:, rare]
    own = np.asarray(matrix.sum(axis=1)).ravel()
    shared = (matrix @ matrix.T).tocoo()
    pairs = [
        (both / min(own[i], own[j]), both, i, j)
        for i, j, both in zip(shared.row, shared.col, shared.data, strict=True)
        if i < j and both >= _FEWEST
    ]
    pairs.sort(key=lambda pair: (-pair[0], -pair[1], pair[2:]))
    return [
        Pair(
            students[i], students[j], float(share), int(both),
            tuple(sorted(set(names[matrix[i].multiply(matrix[j]).indices]))),
        )
        for share, both, i, j in pairs[:most]
    ]  # fmt: skip


def word_for_word(found, released):
    """Groups of students all of whose answers are the same, remarks included.

    However many they are: what many have is taken off before pairs are compared, and with it whole
    notebooks that went round. Who has answered less than two functions is in no group.
    """
    groups = {}
    for student in sorted(found):
        texts = {name: text.strip() for name, text in found[student].items()}
        own = tuple(sorted(t for t in texts.items() if t[1] != released.get(t[0], "").strip()))
        if len(own) > 1:
            groups.setdefault(own, []).append(student)
    return [tuple(students) for students in groups.values() if len(students) > 1]


def as_table(pairs, width=100):
    """The pairs as text for a terminal."""
    below = [[", ".join(pair.functions)] for pair in pairs]
    return plain.table(HEADER[:-1], [pair.cells()[:-1] for pair in pairs], below, width)


def as_csv(pairs):
    """The pairs as CSV."""
    return tables.text_of(HEADER, [pair.cells() for pair in pairs])


def as_html(pairs, found, groups, assignment):
    """The pairs as a page, with both texts of each function side by side, below the groups."""
    return render(
        "similar.html",
        assignment=assignment,
        groups=groups,
        header=HEADER,
        pairs=[
            (
                pair.cells(),
                [
                    (name, *(clean_text(found[one].get(name, ""), _MAX_TEXT)
                             for one in (pair.student, pair.other)))
                    for name in pair.functions
                ],
            )
            for pair in pairs
        ],
    )  # fmt: skip
