"""The process inside the sandbox from which a submission's kernel comes.

Warm: it imports once what the course uses, then forks for each submission. The child takes new
namespaces, an empty file system for all that can be written to, an ordinary user's rights and
the limits; then it becomes an IPython kernel. Nothing that a student's code does reaches back:
the fork server and the siblings are in other process, mount, network and IPC namespaces.

Cold: where new namespaces inside the sandbox are not allowed, one bubblewrap is one kernel, and
this module imports, waits for its orders and becomes the kernel.

    python -P -m quantgrader.sandbox.zygote warm|cold|none CHANNEL BOX MODULE...
"""

import base64
import contextlib
import gc
import importlib
import json
import logging
import os
import select
import shutil
import signal
import socket
import sys
from pathlib import Path

from quantgrader.sandbox import channel, confine, machine

# What every kernel needs, with what IPython imports later: for the first error, for instance. The
# course's own modules are named on the command line.
_KERNEL_MODULES = (
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipykernel.zmqshell",
    "ipykernel.debugger",
    "IPython.core.debugger",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "matplotlib.backends.backend_agg",
    "tornado.platform.asyncio",
    "tornado.queues",
    "stack_data.serializing",
    "executing",
    "pygments.formatters.terminal256",
    "pygments.styles.default",
    "encodings.idna",
    "quantgrader.sandbox.collector",
)


def import_all(modules):
    """Import what is there of the modules."""
    # A debugger is of no use here, and the kernel would take a third of its start to load it.
    sys.modules["debugpy"] = None
    for name in (*_KERNEL_MODULES, *modules):
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def write_files(folder, files):
    """Put the assignment's files into the working folder."""
    for name, data in files.items():
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(data))


def become_kernel(order, connection, box):
    """Run an IPython kernel in this process; never returns.

    The grader gets an open handle of the folder with the kernel's sockets. It is the last
    message: the channel is closed before the kernel takes its first request.
    """
    with contextlib.suppress(PermissionError):  # it leads a session already
        os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != connection.fileno():
            with contextlib.suppress(OSError):
                os.close(int(name))
    for folder in ("home", "work", "run"):
        Path(box, folder).mkdir(exist_ok=True)
    os.chdir(Path(box, "work"))
    write_files(Path(box, "work"), order["files"])
    confine.set_limits(order["limits"])

    from ipykernel.kernelapp import IPKernelApp
    from traitlets.config import Config

    path = Path(box, "run", "connection.json")
    path.write_text(json.dumps({**order["connection"], "ip": f"{box}/run/kernel"}))
    config = Config()
    config.IPKernelApp.log_level = logging.CRITICAL
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    # The usual form reads and colours sources: a fifth of a second for each error.
    config.InteractiveShell.xmode = "Plain"
    app = IPKernelApp.instance(config=config)
    app.initialize(["-f", str(path)])
    # `exit` would end the kernel a moment later, in the midst of a cell or call that can't help it.
    app.shell.ask_exit = lambda: None
    folder = os.open(Path(box, "run"), os.O_PATH | os.O_DIRECTORY)
    channel.send(connection, {"ready": True}, folder)
    os.close(folder)
    connection.close()
    app.start()
    os._exit(0)


def _first_process(order, connection, user, as_root):
    """Process 1 of the new namespace: it prepares it, starts the kernel, and collects the dead."""
    try:
        confine.mount_box(order["limits"]["disk_bytes"])
        machine.hide()
        confine.drop_privileges(user, as_root)
        confine.die_with_parent()
        # This process belongs to the same user as the submission's: it must be worth no more, and
        # its memory (/proc/1/mem) nobody's to write.
        confine.filter_system_calls()
        confine.set_open(False)
        kernel = os.fork()
        if kernel == 0:
            confine.set_open(True)
            become_kernel(order, connection, confine.BOX)
        _take_no_signals()
    except BaseException as error:
        with contextlib.suppress(OSError):
            channel.send(connection, {"failed": f"{type(error).__name__}: {error}"})
        os._exit(1)
    connection.close()
    while True:
        pid, status = os.wait()
        if pid == kernel:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


def _take_no_signals():
    """Undo what Python and its modules do at signals: interrupts, for one, raise an exception.

    The submission may send any. With a first process ends everything in its namespace, and the
    system keeps from it whatever it doesn't handle.
    """
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)


def _keeper(connection, user, as_root):
    """Keep one submission: start its first process, end it on request, report how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    confine.die_with_parent()
    order, _, _ = channel.receive(connection)
    confine.new_namespaces(as_root)
    first = os.fork()
    if first == 0:
        _first_process(order, connection, user, as_root)
    process = os.pidfd_open(first)
    poll = select.poll()
    poll.register(process, select.POLLIN)
    poll.register(connection, select.POLLIN | select.POLLHUP)
    if process not in [descriptor for descriptor, _ in poll.poll()]:
        # The grader closed its side. With process 1 ends everything in its namespace.
        os.kill(first, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])
    with contextlib.suppress(OSError):
        channel.send(connection, {"code": code if code >= 0 else 128 - code})


def _fork_on_request(control, user, as_root):
    """Fork a keeper for each channel that the grader sends, until it closes its side."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    while True:
        try:
            _, descriptors, _ = channel.receive(control)
        except EOFError:
            return
        with socket.socket(fileno=descriptors[0]) as connection:
            if os.fork() == 0:
                control.close()
                try:
                    _keeper(connection, user, as_root)
                except BaseException as error:
                    with contextlib.suppress(OSError):
                        channel.send(connection, {"failed": f"{type(error).__name__}: {error}"})
                os._exit(0)


def main(arguments):
    """Import, say how many threads there are, then fork (warm) or become a kernel (cold, none)."""
    mode, descriptor, box, user, *modules = arguments
    control = socket.socket(fileno=int(descriptor))
    control.set_inheritable(False)
    as_root = os.geteuid() == 0 and mode != "none"
    if mode == "cold":
        confine.drop_privileges(int(user), as_root)
    Path(box, "home").mkdir(exist_ok=True)
    import_all(modules)
    channel.send(control, {"threads": len(os.listdir("/proc/self/task"))})
    if mode == "warm":
        _fork_on_request(control, int(user), as_root)
        return
    try:
        order, _, _ = channel.receive(control)
    except EOFError:  # the grader needs it no more, or is gone
        if mode == "none":
            shutil.rmtree(box, ignore_errors=True)
        return
    try:
        if mode == "none":
            confine.die_with_parent()
        become_kernel(order, control, box)
    except BaseException as error:
        channel.send(control, {"failed": f"{type(error).__name__}: {error}"})
        raise


if __name__ == "__main__":
    main(sys.argv[1:])
