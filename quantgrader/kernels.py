"""Kernels that always start: their messages go through files, not through ports of the network.

Jupyter chooses five free ports, lets go of them, and tells the kernel to take them a second later.
Where many programs open connections, as in tests or while a class is graded, one of the ports may
be taken by then. A kernel that finds it taken ends at once, or, where the port is that of its
outputs, waits for ever. Sockets in a folder of the kernel's own can't be taken by others.
"""

import os
import shutil
import sys
import tempfile

from jupyter_client.manager import AsyncKernelManager

__all__ = ["START_SECONDS", "SteadyKernelManager", "steadied"]

#: For ``NotebookClient(startup_timeout=...)``: nbclient's 60 s are short where many kernels start.
START_SECONDS = 600
#: The longest path of a socket: 104 bytes on macOS, 108 on Linux, each with a zero at the end.
_LONGEST_PATH = 103


class SteadyKernelManager(AsyncKernelManager):
    """Starts a kernel whose sockets are files in a new folder that only this user can open.

    For ``NotebookClient(kernel_manager_class=...)``; for nbgrader there is `steadied`. On Windows,
    and where the path to the folder for temporary files is too long for a socket, the kernel gets
    Jupyter's ports.
    """

    _folder = None

    async def start_kernel(self, **kwargs):
        """Choose the folder, which the kernel's connection file names, and start the kernel."""
        if sys.platform != "win32" and self._folder is None:
            folder = tempfile.mkdtemp(prefix="kernel-")
            sockets = os.path.join(folder, "socket")
            if len(os.fsencode(f"{sockets}-5")) <= _LONGEST_PATH:
                self._folder, self.transport, self.ip = folder, "ipc", sockets
            else:
                os.rmdir(folder)
        await super().start_kernel(**kwargs)

    def cleanup_ipc_files(self):
        """Remove the sockets and their folder."""
        super().cleanup_ipc_files()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


def steadied(converter, trait):
    """The preprocessors that an nbgrader ``converter`` has by default, with such kernels.

    nbgrader's own step names its kernel manager in its code, so a setting is not enough.

    >>> from nbgrader.validator import Validator
    >>> [step.__name__ for step in steadied(Validator, "preprocessors")]
    ['CheckCellMetadata', 'ClearOutput', 'SteadyExecute']
    """
    from nbgrader.preprocessors import Execute

    class SteadyExecute(Execute):
        def __init__(self, *args, **kwargs):
            steady = {"kernel_manager_class": SteadyKernelManager, "startup_timeout": START_SECONDS}
            super().__init__(*args, **steady, **kwargs)

    steps = converter.class_traits()[trait].default()
    return [SteadyExecute if step is Execute else step for step in steps]
