"""The course as nbgrader sees it: folders, the text of a released cell, limits for grading.

`nbgrader` reads this file when it is started in this folder. The exchange, through which students
fetch and submit, is a matter of the machine: set ``c.Exchange.root`` in Jupyter's own
configuration folder, for instructors and students alike.
"""

from pathlib import Path

from nbgrader.converters import Autograde

from quantgrader.classroom import button
from quantgrader.kernels import steadied
from quantgrader.release.steps import preprocessors

c = get_config()  # noqa: F821 (traitlets provides it)

c.CourseDirectory.course_id = "lowbit"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
c.CourseDirectory.submitted_directory = "submitted"
c.CourseDirectory.autograded_directory = "autograded"
c.CourseDirectory.feedback_directory = "feedback"

# Students do not get what the hidden checks are made of. The checks themselves are made from the
# course's seed when an assignment is generated: the environment's COURSE_SEED (`make release
# COURSE_SEED=...`), else the one used before, else a default that everybody can read. They go
# into nbgrader's gradebook, and into the folder `hidden` for `quantgrader`.
c.CourseDirectory.ignore = ["hidden.py", "feedback", ".ipynb_checkpoints", "__pycache__", "*.pyc"]
c.GenerateAssignment.preprocessors = preprocessors()
c.InsertCases.hidden_directory = str(Path(__file__).parent / "hidden")

# What a student finds in place of a solution. Until it is replaced, its checks fail.
c.ClearSolutions.code_stub = {
    "python": 'raise NotImplementedError("Your code comes here: replace this line.")'
}
c.ClearSolutions.text_stub = "*Write your answer here (double-click this cell).*"

# nbgrader takes any output on stderr, a mere warning too, for a failed check. A check that
# fails raises an error, which is another kind of output, so what is on stderr can go.
c.IgnorePattern.enabled = True
c.IgnorePattern.pattern = r"(?s)."

# A kernel one of whose ports another program took meanwhile is started again.
c.Autograde.autograde_preprocessors = steadied(Autograde, "autograde_preprocessors")

# Seconds for one cell. A whole solution takes less than 60 s on two cores.
c.Execute.timeout = 60

# The Formgrader's button "Autograde" grades in the sandbox, as `quantgrader grade` does; without
# this line it would run the submission with your rights.
button.install()

# In the table of `nbgrader export`, a student's id is no formula.
c.ExportApp.plugin_class = "quantgrader.course.export.HarmlessCsv"

# What quantlib imports only when it is used. Imported once, before any submission is run, it costs
# each of them a second less.
c.QuantGrader.preload = [
    "safetensors.torch",
    "scipy.special",
    "sklearn.datasets",
    "sklearn.model_selection",
]

# What this class decides otherwise, and its own settings (`c.Classroom`): class/config.py, which
# git leaves out. There need not be one.
load_subconfig("class/config.py")  # noqa: F821 (traitlets provides it)
