"""Where an answer may be that is not in its place: nobody gets 0 for work that was handed in.

An answer's cell that is as it was given out is worth nothing, unless the work may stand somewhere
else: in a cell of the student's own, in the question's cell, or in a file beside the notebook. Then
a person has to look.
"""

from quantgrader.course.reference import defined_name, defined_names, grade_id, same
from quantgrader.texts import listed

#: Where a cell keeps its number in the notebook that was handed in.
NUMBER = "quantgrader_number"
#: The text of an answer's cell that was deleted.
GONE = "This cell was deleted; it was put back for grading."


def answered(cell, released):
    """Whether a student wrote anything into a solution cell."""
    return same(cell.source) != same(released.source)


def unanswered(notebook, reference):
    """The grade_ids of the answers whose cells are as they were given out."""
    cells = {grade_id(cell): cell for cell in notebook.cells if grade_id(cell)}
    return [
        name
        for name, released in reference.cells.items()
        if released.metadata.nbgrader.solution and not answered(cells[name], released)
    ]


def _own(notebook, reference):
    """For each cell, whether a student made or changed it, in a place that has no grade_id."""
    given = {same(cell.source) for cell in reference.notebook.cells}
    return [
        grade_id(cell) is None and same(cell.source) not in given | {""} for cell in notebook.cells
    ]


def places(notebook, reference, name, beside=()):
    """Where the answer ``name``, whose cell is as given out, may be; words for a person.

    That is a cell of `own_cells`, or a file ``beside`` the notebook.
    """
    cells = own_cells(notebook, reference, name)
    return [*(f"cell {notebook.cells[i].metadata.get(NUMBER, i + 1)}" for i in cells), *beside]


def own_cells(notebook, reference, name):
    """The places of the cells in which the answer ``name`` may be, if not in its own.

    Any text of the student's own may be it; code, where code is asked for, or next to the answer's
    cell.
    """
    own = _own(notebook, reference)
    here = next(i for i, cell in enumerate(notebook.cells) if grade_id(cell) == name)
    near = set()
    for step in (-1, 1):
        place = here + step
        while 0 <= place < len(own) and own[place]:
            near.add(place)
            place += step
    wants_code = notebook.cells[here].cell_type == "code"
    return [
        i for i, is_own in enumerate(own)
        if is_own and (i in near or wants_code or notebook.cells[i].cell_type != "code")
    ]  # fmt: skip


def answers_in(cells, reference):
    """The grade_ids of the answers that the cells of another notebook hold."""
    given = {same(cell.source) for cell in reference.notebook.cells}
    found = set()
    for name, released in reference.cells.items():
        if not released.metadata.nbgrader.solution:
            continue
        function = defined_name(released.source)
        for cell in cells:
            is_new = same(cell.source) not in given | {""}
            is_its = grade_id(cell) == name or function in defined_names(cell.source)
            found |= {name} if is_new and is_its else set()
    return found


def conflict(missing, whole, others, beside, rest=()):
    """Why it can't be told what was handed in; None if it can.

    Parameters
    ----------
    missing : sequence of str
        Answers that are not in the notebook.
    whole : bool
        Whether that is all of them.
    others : dict
        For each notebook beside it, the answers in it; None where it can't be read.
    beside : sequence of str
        Other files.
    rest : sequence of str
        More notebooks, into which nobody looked.
    """
    for name, answers in others.items():
        better = [one for one in missing if answers is not None and one in answers]
        if better:
            return (
                f"The notebook has no answer to {listed(better)}, but {listed([name])} beside it "
                "has: which of them is meant?"
            )
    if missing and rest:
        return (
            f"The notebook has no answer to {listed(missing)}, and beside it are more notebooks "
            f"than are looked into: {listed(rest)}."
        )
    unknown = [name for name, answers in others.items() if answers is None]
    if whole and (unknown or beside):
        return (
            "The notebook is as it was given out, and the work may be in what lies beside it: "
            f"{listed([*unknown, *beside])}."
        )
    return None
