"""How the grader writes a file that another run, or a reader, relies on."""

import contextlib
import os
import tempfile

# What a file is called while it is written.
_TEMPORARY = ".tmp-"


def write_atomically(path, data, mode=0o644):
    """Write bytes so that the file is there in full or not at all, also after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def remove_left_behind(folder):
    """Delete what writers that were killed left in a folder, while nobody else writes there."""
    for left in folder.rglob(f"{_TEMPORARY}*"):
        left.unlink(missing_ok=True)
