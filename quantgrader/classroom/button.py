"""The Formgrader's button *Autograde*: through the sandbox, like the command.

nbgrader's own would run a submission with the rights of the instructor who presses it. The course's
``nbgrader_config.py`` calls `install`; ``nbgrader autograde`` in a terminal stays as it is.
"""

from traitlets import Bool, Instance
from traitlets.config import LoggingConfigurable


class Autograde(LoggingConfigurable):
    """What nbgrader's interface for its pages makes and starts when the button is pressed."""

    coursedir = Instance("nbgrader.coursedir.CourseDirectory")
    force = Bool(True)
    create_student = Bool(True)

    def start(self):
        """Grade one submission; raises where it could not be graded."""
        from quantgrader.course.folders import open_course
        from quantgrader.endings import STATES
        from quantgrader.grade import grade

        name, student = self.coursedir.assignment_id, self.coursedir.student_id
        course = open_course(self.coursedir.root, self.coursedir.db_url)
        run = grade(course, name, students=[student], jobs=1, force=self.force)
        (result,) = run.results.values()
        text = f"{student}: {STATES[result.status].reported}. {' '.join(result.reasons)}"
        self.log.warning(text)
        if result.status == "failed" or run.unrecorded:
            raise RuntimeError(f"{text} {' '.join(run.unrecorded.values())}")


def install():
    """Have nbgrader's pages start this one."""
    from nbgrader.apps import api

    api.Autograde = Autograde
