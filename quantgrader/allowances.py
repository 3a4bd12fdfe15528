"""What a submission may use, and what is imported for all of them: ``c.QuantGrader``."""

from quantgrader.course.folders import CourseError
from quantgrader.sandbox.limits import Limits


def limits_for(course, reference):
    """The limits of a submission: the course's time for a cell, and a kernel for each task.

    ``c.QuantGrader.memory_bytes = ...`` and the like in nbgrader_config.py set others of `Limits`;
    ``c.QuantGrader.preload`` names modules to be imported beforehand.
    """
    functions = sum(task.function is not None for task in reference.tasks)
    seconds = course.config.get("Execute", {}).get("timeout") or Limits.cell_seconds
    # A function that ends its kernel may do so twice in its visible checks, and twice when asked.
    found = {"cell_seconds": float(seconds), "attempts": 4 * functions + 4}
    given = {name: value for name, value in _settings(course).items() if name != "preload"}
    try:
        return Limits(**(found | given))
    except (TypeError, ValueError) as error:
        raise CourseError(f"c.QuantGrader in nbgrader_config.py: {error}") from None


def preload_of(course):
    """Modules that are imported beforehand, beside those that the notebook names."""
    found = _settings(course).get("preload", [])
    if not isinstance(found, list | tuple):
        raise CourseError(f"c.QuantGrader.preload is {found!r}, not a list of modules.")
    return tuple(found)


def _settings(course):
    return course.config.get("QuantGrader", {})
