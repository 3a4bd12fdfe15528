"""Jupyter kernels in the sandbox, for everything that starts kernels through jupyter_client."""

import asyncio
import sys

from jupyter_client.provisioning import KernelProvisionerBase

from quantgrader.sandbox import walls
from quantgrader.sandbox.launcher import Launcher
from quantgrader.sandbox.limits import Limits

NAME = "quantgrader-sandbox"


def kernel_spec():
    """Contents of a ``kernel.json`` for a kernel in the sandbox.

    With it, ``nbgrader autograde --ExecutePreprocessor.kernel_name=...`` runs submissions in the
    sandbox as well. Interrupts go by message: a signal would end the whole sandbox.
    """
    return {
        "argv": [sys.executable, "-m", "quantgrader.sandbox.zygote"],
        "display_name": "Python 3 (sandbox)",
        "language": "python",
        "interrupt_mode": "message",
        "metadata": {"kernel_provisioner": {"provisioner_name": NAME}},
    }


class SandboxProvisioner(KernelProvisionerBase):
    """Starts a kernel by a `Launcher`, its own (one fresh kernel) unless it is given one."""

    launcher = None
    files = None
    limits = None
    kernel = None
    _own = False

    @property
    def has_process(self):
        """Whether there is a kernel, running or not."""
        return self.kernel is not None

    async def pre_launch(self, **kwargs):
        """Leave the environment of the host where it is."""
        return {"cmd": []}

    async def launch_kernel(self, cmd, **kwargs):
        """Start a kernel; what a client needs to reach it."""
        if self.launcher is None:
            report = walls.availability()
            if not report.usable:
                raise walls.SandboxUnavailable(str(report))
            self.launcher, self._own = Launcher("cold", limits=Limits(), ahead=False), True
        self.kernel = self.launcher.start(self.files or {}, self.limits)
        self.connection_info = self.kernel.connection
        return self.connection_info

    async def poll(self):
        """None while the kernel runs, then its exit code."""
        return 0 if self.kernel is None else self.kernel.poll()

    async def wait(self):
        """Exit code, when the kernel has ended."""
        while (code := await self.poll()) is None:
            await asyncio.sleep(0.05)
        return code

    async def send_signal(self, signum):
        """Only the end is done by signal: all else is a message to the kernel."""
        if signum in (9, 15):
            await self.kill()

    async def kill(self, restart=False):
        """End the kernel with all its processes."""
        if self.kernel is not None:
            self.kernel.end()

    async def terminate(self, restart=False):
        """End the kernel with all its processes."""
        await self.kill(restart)

    async def cleanup(self, restart=False):
        """Let go of the kernel's file system."""
        if self.kernel is not None:
            self.kernel.close()
            self.kernel = None
        if self._own and not restart:
            self.launcher.close()
