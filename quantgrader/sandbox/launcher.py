"""Start kernels inside the sandbox, end them, and know that they are gone."""

import contextlib
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

import psutil

from quantgrader.sandbox import channel, confine, walls

_START_SECONDS = 120
_PORTS = {
    f"{name}_port": n + 1 for n, name in enumerate(["shell", "iopub", "stdin", "control", "hb"])
}


class StartFailed(RuntimeError):
    """One kernel could not be started, though the sandbox can be used."""


class Kernel:
    """One running kernel. ``connection`` is what a Jupyter client needs to reach it.

    Its sockets lie in the sandbox's own file system, which the grader reaches through an open
    handle of their folder; no folder of the host is shared.
    """

    def __init__(self, link, process=None, folder=None):
        self._link, self._process, self._folder = link, process, folder
        self._handle, self.report, self.root_pid = None, None, 0
        self.connection = {}

    def configure(self, limits, files):
        """Give the orders, and wait until the kernel's sockets are there."""
        key = secrets.token_hex(32)
        connection = {"transport": "ipc", "key": key, "signature_scheme": "hmac-sha256", **_PORTS}
        order = {"limits": limits, "files": files, "connection": connection}
        self._link.settimeout(_START_SECONDS)
        try:
            channel.send(self._link, order)
            answer, handles, pid = channel.receive(self._link)
        except (OSError, EOFError) as error:
            self.close()
            raise StartFailed(f"the kernel did not start: {error}") from None
        if "failed" in answer or not handles:
            self.close()
            raise StartFailed(f"the kernel did not start: {answer.get('failed')}")
        self._handle = handles[0]
        try:
            # Orphans become children of process 1 of the namespace, the kernel's parent.
            self.root_pid = pid if self._folder is not None else psutil.Process(pid).ppid()
        except psutil.Error:
            self.close()
            raise StartFailed("the kernel ended while it started") from None
        path = f"/proc/self/fd/{self._handle}/kernel"
        self.connection = {**connection, "ip": path, "key": key.encode()}

    def poll(self):
        """Exit code if the kernel has ended (128 + n: by signal n), otherwise None."""
        if self.report is None:
            if self._process is not None:
                code = self._process.poll()
                if code is not None:
                    self.report = {"code": code if code >= 0 else 128 - code}
            elif self._link is not None and select.select([self._link], [], [], 0)[0]:
                self._link.settimeout(5)
                try:
                    self.report = channel.receive(self._link)[0]
                except (OSError, EOFError):
                    self.report = {"code": 255}
        return None if self.report is None else self.report.get("code", 255)

    def end(self):
        """End the kernel with all its processes, and return when they are gone."""
        if self._link is None:
            return
        self.poll()
        if self._process is not None:
            _end_process(self._process)
            self.report = self.report or {"code": 128 + signal.SIGKILL}
        elif self.report is None:
            try:
                self._link.shutdown(socket.SHUT_WR)
                self._link.settimeout(30)
                while True:
                    self.report = channel.receive(self._link)[0]
            except (OSError, EOFError):
                self.report = self.report or {"code": 255}
        self._link.close()
        self._link = None

    def close(self):
        """End the kernel, and let go of its file system."""
        self.end()
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


class Launcher:
    """Where kernels come from: a warm process that forks them, or a fresh one for each.

    Parameters
    ----------
    mode : str
        "warm", "cold", or "none" (no sandbox at all).
    modules : sequence of str
        What is imported beforehand.
    hidden : sequence of paths
        What must not be seen inside.
    ahead : bool
        Whether to start the next fresh kernel while one works.
    """

    def __init__(self, mode, *, modules=(), hidden=(), limits, ahead=True):
        self.mode, self.limits = mode, limits.as_dict()
        self._modules, self._hidden = tuple(modules), tuple(hidden)
        self._zygote, self._spare, self._ahead = None, None, ahead

    def start(self, files, limits=None):
        """A new kernel with the assignment's files in its working folder."""
        kernel = self._fork() if self.mode == "warm" else self._fresh()
        kernel.configure(limits or self.limits, files)
        return kernel

    def close(self):
        """End the warm process, or the kernel that was started ahead."""
        if self._zygote is not None:
            _end_process(self._zygote[0])
            self._zygote[1].close()
            self._zygote = None
        if self._spare is not None:
            self._spare.close()
            self._spare = None

    def _fork(self):
        if self._zygote is None or self._zygote[0].poll() is not None:
            self.close()
            process, link, _ = self._spawn()
            self._zygote = process, link
            # A fork would leave other threads behind, with their locks.
            if self._wait_for_imports(link, process) > 1:
                self.close()
                self.mode = "cold"
                return self._fresh()
        ours, theirs = socket.socketpair()
        with theirs:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            channel.send(self._zygote[1], {"fork": True}, theirs.fileno())
        return Kernel(ours)

    def _fresh(self):
        """A kernel that has imported already, and the next one started while it works."""
        kernel = self._spare or self._new_spare()
        self._spare = None
        try:
            self._wait_for_imports(kernel._link, kernel._process)
        except BaseException:
            kernel.close()
            raise
        if self._ahead:
            self._spare = self._new_spare()
        return kernel

    def _new_spare(self):
        process, link, folder = self._spawn()
        link.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        return Kernel(link, process, folder)

    def _wait_for_imports(self, link, process):
        """How many threads there are in the process when it has imported."""
        link.settimeout(_START_SECONDS)
        try:
            return channel.receive(link)[0]["threads"]
        except (OSError, EOFError) as error:
            os.set_blocking(process.stderr.fileno(), False)
            text = (process.stderr.read() or b"")[-2000:].decode(errors="replace").strip()
            _end_process(process)
            reason = f"the sandbox did not start: {text or error}"
            raise walls.SandboxUnavailable(reason) from None

    def _spawn(self):
        ours, theirs = socket.socketpair()
        # Nothing of the host's environment: bubblewrap's own could be read in /proc inside.
        folder, environment, line, user = None, {}, [], os.geteuid()
        handles, seccomp = [], None
        if self.mode == "none":
            folder = tempfile.mkdtemp(prefix="quantgrader-")
            environment = os.environ | walls.environment(f"{folder}/home")
        else:
            if self.mode == "cold":
                # Bubblewrap's process inside may belong to the submission's user, who can write
                # into its memory then: it gets the same filter.
                seccomp, end = os.pipe()
                os.write(end, confine.filter_program())
                os.close(end)
                handles.append(seccomp)
            line, user = walls.command(
                self.mode,
                modules=self._modules,
                hidden=self._hidden,
                disk_bytes=self.limits["disk_bytes"],
                seccomp=seccomp,
                handles=handles,
            )
        number = str(theirs.fileno())
        line += [sys.executable, "-P", "-m", "quantgrader.sandbox.zygote", self.mode, number]
        line += [folder or confine.BOX, str(user), *self._modules]
        # A pipe for what goes wrong, not a file: a file of the host could be opened in /proc inside
        # and filled. Nobody reads it while all goes well, and nobody waits for that.
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        try:
            process = subprocess.Popen(
                line, pass_fds=[theirs.fileno(), *handles], env=environment,
                stdin=subprocess.DEVNULL, stdout=writing, stderr=writing, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            ours.close()
            os.close(reading)
            raise walls.SandboxUnavailable(f"the sandbox did not start: {error}") from None
        finally:
            theirs.close()
            os.close(writing)
            for handle in handles:
                os.close(handle)
        process.stderr = os.fdopen(reading, "rb")
        return process, ours, folder


def _end_process(process):
    """Kill what `Launcher._spawn` started, and wait for the first process of its namespace."""
    # With that one end all the others in the namespace. Without a sandbox there is none: its
    # children are killed one by one.
    handles = []
    if process.poll() is None:
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(process.pid).children(recursive=True):
                with contextlib.suppress(OSError):
                    handles.append(os.pidfd_open(child.pid))
        process.kill()
        for handle in handles:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
    process.wait()
    for handle in handles:
        select.select([handle], [], [], 30)
        os.close(handle)
    process.stderr.close()
