"""The pages that are written: feedback and report. Everything put into them is escaped."""

from functools import cache
from pathlib import Path


def short_number(value):
    """A number as short as can be, and nothing for None.

    >>> short_number(2.50), short_number(3.0), short_number(None)
    ('2.5', '3', '')
    """
    return "" if value is None else f"{round(value, 2):g}"


@cache
def _environment():
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["points"] = short_number
    return environment


def render(template, **values):
    """Fill in a template of this folder."""
    return _environment().get_template(template).render(**values)
