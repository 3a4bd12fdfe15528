"""What the system's kernel tells of the whole machine, kept from a submission.

``/proc`` counts for everybody: pseudo-terminals, processes, memory, processor time. By such a
number one submission could tell its answers to another. So of all that belongs to no process
nothing is left there, or, where libraries look, a copy of what stood there when the kernel started.
"""

import os
from pathlib import Path

from quantgrader.sandbox import confine

#: Files that libraries read. Their copies don't change.
COPIED = ("cpuinfo", "filesystems", "loadavg", "meminfo", "stat", "uptime", "version", "vmstat")


def parts():
    """{name: "folder", "file" or "copy"} of what /proc has of the whole machine."""
    with os.scandir("/proc") as entries:
        return {entry.name: _kind(entry) for entry in entries if not _is_own(entry)}


def _is_own(entry):
    # Links lead to what belongs to a process, too: self, thread-self, mounts, net.
    return entry.name.isdigit() or entry.is_symlink()


def _kind(entry):
    if entry.is_dir():
        return "folder"
    return "copy" if entry.name in COPIED and os.access(entry.path, os.R_OK) else "file"


def hide():
    """Cover those parts, inside of new namespaces with a /proc of their own."""
    store = Path(confine.BOX, "machine")
    store.mkdir()
    confine.mount("tmpfs", str(store), "tmpfs", confine.SAFE, "size=2m,mode=755")
    store.joinpath("folder").mkdir()
    store.joinpath("file").touch()
    kinds = parts()
    for name in (name for name, kind in kinds.items() if kind == "copy"):
        store.joinpath(name).write_bytes(Path("/proc", name).read_bytes())
    confine.mount(None, str(store), None, confine.SAFE | confine.REMOUNT | confine.READ_ONLY)
    for name, kind in kinds.items():
        shown = store / (name if kind == "copy" else kind)
        confine.mount(str(shown), f"/proc/{name}", None, confine.BIND)
    confine.unmount(str(store))
    store.rmdir()


def options(handles):
    """The same as options of bubblewrap, which reads the copies from open files.

    The numbers of those files are put into the list ``handles``.
    """
    line = []
    for name, kind in parts().items():
        path = f"/proc/{name}"
        if kind == "folder":
            line += ["--tmpfs", path, "--remount-ro", path]
            continue
        handles.append(os.open(path if kind == "copy" else os.devnull, os.O_RDONLY))
        line += ["--perms", "0444", "--ro-bind-data", str(handles[-1]), path]
    return line
