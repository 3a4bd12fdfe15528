"""What a class decides: ``c.Classroom`` in nbgrader_config.py, or in class/config.py."""

from dataclasses import dataclass, field, fields
from datetime import UTC
from zoneinfo import ZoneInfo, available_timezones

from quantgrader.course.folders import CourseError

# How much a feedback page says.
LEVELS = ("messages", "traceback")
# The columns of Moodle's grading worksheet that are read.
WORKSHEET = (
    "Identifier", "Grade", "Full name", "ID number", "Email address", "Maximum grade",
    "Last modified (submission)", "Last modified (grade)",
)  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """The decisions of a class.

    drop : how many of a student's assignments, the weakest, leave the overall mark
    weights : {assignment: its weight in the overall mark}, 1 where nothing is said
    columns : {assignment: its column's title in the learning management system}
    worksheet : {a column of Moodle's grading worksheet: what it is called where it isn't English}
    feedback : "messages" (what failed, in a sentence) or "traceback" (and of a student's own cells
        that failed, where in them)
    timezone : where times hold that say nothing of it, such as "Europe/Paris"
    """

    drop: int = 0
    weights: dict = field(default_factory=dict)
    columns: dict = field(default_factory=dict)
    worksheet: dict = field(default_factory=dict)
    feedback: str = "messages"
    timezone: str = "UTC"

    def __post_init__(self):
        """Refuse what has no meaning."""
        if not isinstance(self.timezone, str) or self.timezone not in available_timezones():
            raise ValueError(f"timezone is {self.timezone!r}, not a place such as 'Europe/Paris'")
        if not isinstance(self.drop, int) or isinstance(self.drop, bool) or self.drop < 0:
            raise ValueError(f"drop is {self.drop!r}, not a number of assignments (0, 1, ...)")
        if self.feedback not in LEVELS:
            raise ValueError(f"feedback is {self.feedback!r}, not one of {', '.join(LEVELS)}")
        for name, weight in dict(self.weights).items():
            if not isinstance(weight, int | float) or not 0 <= weight < float("inf"):
                raise ValueError(f"the weight of {name} is {weight!r}, not a number of at least 0")
        for name, title in dict(self.columns).items():
            if not isinstance(title, str) or not title.strip():
                raise ValueError(f"the column of {name} is {title!r}, not a title")
        for name, title in dict(self.worksheet).items():
            if name not in WORKSHEET:
                raise ValueError(f"worksheet has {name!r}, not one of {', '.join(WORKSHEET)}")
            if not isinstance(title, str) or not title.strip():
                raise ValueError(f"worksheet says {name} is {title!r}, not a title")


def settings(course):
    """The `Settings` of a course; raises `CourseError` where they are none."""
    given = dict(course.config.get("Classroom", {}))
    known = [entry.name for entry in fields(Settings)]
    place = "c.Classroom in nbgrader_config.py or class/config.py"
    if unknown := sorted(given.keys() - set(known)):
        raise CourseError(f"{place}: {', '.join(unknown)}? What it takes is {', '.join(known)}.")
    try:
        return Settings(**given)
    except (TypeError, ValueError) as error:
        raise CourseError(f"{place}: {error}.") from None


def in_words(moment, timezone):
    """A time of nbgrader's gradebook, which is in UTC without saying so, as the class reads it.

    >>> from datetime import datetime
    >>> in_words(datetime(2026, 11, 30, 22, 59), "Europe/Paris")
    '2026-11-30 23:59 CET'
    """
    return f"{moment.replace(tzinfo=UTC).astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M %Z}"
