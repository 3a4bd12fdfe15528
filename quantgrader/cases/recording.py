"""Take down what a notebook's `check` is asked for, in place of asking it."""

import contextlib
from contextvars import ContextVar

_record = ContextVar("record", default=None)


@contextlib.contextmanager
def recording():
    """Within this context `check` calls nothing; it adds (function, case) to the list given."""
    record = []
    before = _record.set(record)
    try:
        yield record
    finally:
        _record.reset(before)


def takes_down(function, case):
    """Take a case down if a `recording` is under way; whether it is."""
    record = _record.get()
    if record is not None:
        record.append((function, case))
    return record is not None
