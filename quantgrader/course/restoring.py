"""Find the released cells in a submitted notebook, and put back what is gone."""

import nbformat

from quantgrader.course.elsewhere import GONE
from quantgrader.course.reference import defined_name, defined_names, grade_id, same
from quantgrader.texts import listed


class Restoration:
    """One notebook: ``found`` maps the grade_ids of released cells to the cells that are theirs."""

    def __init__(self, notebook, reference, notes):
        self.notebook, self.reference, self.notes = notebook, reference, notes
        self.found, self.unknown = {}, set()

    def drop_unknown(self):
        """Take ids away that the assignment doesn't have."""
        unknown = []
        for cell in self.notebook.cells:
            name = grade_id(cell)
            if name is not None and name not in self.reference.cells:
                del cell.metadata["nbgrader"]
                unknown.append(name)
        self.unknown = set(unknown)
        self._note("Ids that this assignment doesn't have were taken away", unknown)

    def drop_copies(self):
        """Leave each id to one cell: the one that counts for the answer."""
        cells, several = {}, []
        for cell in self.notebook.cells:
            if grade_id(cell):
                cells.setdefault(grade_id(cell), []).append(cell)
        for name, copies in cells.items():
            kept = self._which(name, copies) if len(copies) > 1 else copies[0]
            self.found[name] = kept
            for cell in copies:
                if cell is not kept:
                    del cell.metadata["nbgrader"]
            if len(copies) > 1:
                several.append(name)
        text = "Split or copied cells stay as they are, and one of each has the id"
        self._note(text, several)

    def _which(self, name, copies):
        """Of cells with the same id, the one that keeps it."""
        released = self.reference.cells[name]
        if not released.metadata.nbgrader.solution:
            return next((c for c in copies if same(c.source) == same(released.source)), copies[0])
        function = defined_name(released.source)
        if function is not None:
            defining = [c for c in copies if function in defined_names(c.source)]
            return (defining or copies)[-1]
        changed = [c for c in copies if same(c.source) not in ("", same(released.source))]
        return (changed or copies)[0]

    def find_stripped(self):
        """Find cells that lost their settings, by id, by text, by function, or by place."""
        have = {grade_id(cell) for cell in self.notebook.cells}
        missing = [name for name in self.reference.cells if name not in have]
        lost = []
        for name in missing:
            cell = self._look_for(name, self.reference.cells[name])
            if cell is not None:
                cell.metadata["nbgrader"] = {"grade_id": name}
                lost.append(name)
        self._note("Cells had lost their settings, which were put back", lost)

    def _look_for(self, name, released):
        free = [cell for cell in self.notebook.cells if not grade_id(cell)]
        by_id = [cell for cell in free if cell["id"] == released["id"]]
        if by_id:
            return by_id[0]
        by_text = [cell for cell in free if same(cell.source) == same(released.source)]
        if by_text:
            return by_text[0]
        if not released.metadata.nbgrader.solution:
            return None
        function = defined_name(released.source)
        if released.cell_type == "code" and function is not None:
            defining = [
                cell
                for cell in free
                if cell.cell_type == "code" and function in defined_names(cell.source)
            ]
            return defining[-1] if defining else None
        return self._after_the_question(name, free)

    def _after_the_question(self, name, free):
        """The cell that follows the text which the released answer follows."""
        cells = self.reference.notebook.cells
        place = next(i for i, cell in enumerate(cells) if grade_id(cell) == name)
        if place == 0:
            return None
        question = same(cells[place - 1].source)
        for before, cell in zip(self.notebook.cells, self.notebook.cells[1:], strict=False):
            if same(before.source) == question and any(cell is other for other in free):
                return cell
        return None

    def another_notebook(self):
        """Why it seems to be another exercise's notebook, or a part of this one; None if whole."""
        # Exercises share some ids: those of helpers, and of tasks that they have in common.
        graded = [name for name in self.found if _is_of_a_task(self.reference.cells[name])]
        answers = [n for n, c in self.reference.cells.items() if c.metadata.nbgrader.solution]
        there = [name for name in answers if name in self.found]
        if not graded:
            return "None of the assignment's tasks is in it: it seems to be another notebook."
        if len(self.unknown) > len(graded):
            return (
                f"It has {len(self.unknown)} ids that this assignment doesn't have, and only "
                f"{len(graded)} of its tasks: it seems to be another notebook."
            )
        if 3 * len(there) < len(answers):
            return (
                f"Only {len(there)} of the {len(answers)} cells for answers are in it: it seems to "
                "be another notebook, or a part of this one."
            )
        return None

    def put_back(self):
        """Give the cells that were found the released type, settings, and locked texts."""
        types, locked = [], []
        for name, cell in self.found.items():
            released = self.reference.cells[name]
            if cell.cell_type != released.cell_type:
                types.append(name)
                _change_type(cell, released.cell_type)
            cell.metadata = nbformat.from_dict(dict(released.metadata))
            if _is_locked(released) and cell.source != released.source:
                if same(cell.source) != same(released.source):
                    locked.append(name)
                cell.source = released.source
        self._note("Cells have the type again that they were given out with", types)
        self._note("Changed cells of checks and helpers were put back", locked)

    def insert_missing(self):
        """Put back released cells that are gone, each after the one before it.

        An answer that is gone comes back as an empty cell: its function may be defined elsewhere.
        """
        before, answers, others = None, [], []
        for name, released in self.reference.cells.items():
            if name not in self.found:
                text = released.source
                if released.metadata.nbgrader.solution:
                    text = f"# {GONE}" if released.cell_type == "code" else f"*{GONE}*"
                    answers.append(name)
                else:
                    others.append(name)
                cell = getattr(nbformat.v4, f"new_{released.cell_type}_cell")(
                    text, id=released["id"]
                )
                cell.metadata = nbformat.from_dict(dict(released.metadata))
                self.notebook.cells.insert(self._place(before) + 1, cell)
                self.found[name] = cell
            before = self.found[name]
        self._note("Deleted cells of checks and helpers were put back", others)
        self._note("Cells of answers were deleted; empty ones stand for them", answers)

    def insert_course_cells(self):
        """Put code that was given out, and has no id for grading, back where it is gone or changed.

        Imports and data are what all answers need. A student's own version stays, behind it.
        """
        gone, changed, before = [], [], None
        for released in self.reference.notebook.cells:
            name = grade_id(released)
            cell = self.found.get(name) or self._given_out(released)
            if cell is None and released.cell_type == "code" and released.source.strip():
                other = self._with_id(released)
                (gone if other is None else changed).append(released["id"])
                cell = nbformat.v4.new_code_cell(released.source, id=released["id"])
                place = self._place(before) + 1 if other is None else self._place(other)
                self.notebook.cells.insert(place, cell)
            before = cell or before
        self._note("Deleted cells of the course were put back", gone)
        self._note("Changed cells of the course run after the ones that were given out", changed)

    def _given_out(self, released):
        """The cell that still is as a released one without an id for grading."""
        text, kind = same(released.source), released.cell_type
        cells = (c for c in self.notebook.cells if c.cell_type == kind and not grade_id(c))
        return next((cell for cell in cells if same(cell.source) == text), None)

    def _with_id(self, released):
        """The cell that a student made of a released one."""
        cells = (cell for cell in self.notebook.cells if not grade_id(cell))
        return next((cell for cell in cells if cell["id"] == released["id"]), None)

    def _place(self, cell):
        """Where a cell stands; -1 for None."""
        return next((i for i, c in enumerate(self.notebook.cells) if c is cell), -1)

    def _note(self, text, names):
        if names:
            self.notes.append(f"{text}: {listed(list(dict.fromkeys(names)))}.")


def _is_locked(cell):
    """Whether a released cell is not for students to change."""
    settings = cell.metadata.nbgrader
    return not settings.solution and (settings.grade or settings.locked)


def _is_of_a_task(cell):
    """Whether a released cell is for an answer, or checks one."""
    return bool(cell.metadata.nbgrader.solution or cell.metadata.nbgrader.grade)


def _change_type(cell, kind):
    new = getattr(nbformat.v4, f"new_{kind}_cell")(cell.source, id=cell["id"])
    if kind == "markdown" and "attachments" in cell:
        new["attachments"] = cell["attachments"]
    cell.clear()
    cell.update(new)
