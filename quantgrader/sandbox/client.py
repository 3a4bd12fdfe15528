"""Talk with a kernel that may say anything, in any amount.

Whoever runs code in the kernel holds its key and its sockets, and can send whatever he likes. So
nothing here trusts a message: sizes are bounded before they are read, a message that can't be
parsed is dropped, and what is kept is plain data (`quantgrader.sandbox.received`).
"""

import contextlib
import json
import logging
import time

import psutil
import zmq
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.connect import channel_socket_types
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

from quantgrader.endings import KERNEL
from quantgrader.sandbox import collector
from quantgrader.sandbox.launcher import StartFailed
from quantgrader.sandbox.provisioner import SandboxProvisioner, kernel_spec
from quantgrader.sandbox.received import parse_results, sanitized, values_in
from quantgrader.sandbox.watch import Watch

_START_SECONDS = 60
_GRACE_SECONDS = 2
_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())
_log.propagate = False


class Ended(Exception):
    """The kernel has ended, or was ended: a ``reason`` of `endings.KERNEL`, and a ``detail``."""

    def __init__(self, reason, detail=""):
        assert reason in KERNEL, reason
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


class TotalTime(Exception):
    """The time of the whole submission is over."""


class _Bounded:
    """Sockets that refuse long messages, and never connect a second time.

    What lies at a socket's path then is the student's: it may be a link to a socket of the host.
    """

    message_bytes = 0

    def _create_connected_socket(self, channel, identity=None):
        socket = self.context.socket(channel_socket_types[channel])
        socket.linger = 0
        socket.maxmsgsize = self.message_bytes
        socket.rcvhwm = 200
        socket.reconnect_ivl = -1
        socket.sndtimeo = 1000  # the other side may have hung up, or take nothing
        if identity:
            socket.identity = identity
        socket.connect(self._make_url(channel))
        return socket


class BoundedClient(_Bounded, BlockingKernelClient):
    """A client with such sockets."""


class BoundedManager(_Bounded, KernelManager):
    """A manager with such sockets. (It has one of its own, for interrupts.)"""


class Conversation:
    """One kernel from its start to its end: run cells, ask for results.

    Every method raises `Ended` when the kernel ended, and `TotalTime` at the deadline.
    """

    def __init__(self, launcher, limits, files, deadline):
        self._limits, self._deadline = limits, deadline
        self._received, self._patience = 0, _GRACE_SECONDS
        self.cpu_seconds = 0.0
        message_bytes = 2 * limits.result_bytes + (1 << 20)
        manager = BoundedManager(log=_log)
        manager.message_bytes = message_bytes
        manager._kernel_spec = KernelSpec(**kernel_spec())
        manager.provisioner = SandboxProvisioner(
            kernel_id=manager.kernel_id or "", kernel_spec=manager.kernel_spec, parent=manager
        )
        manager.provisioner.launcher, manager.provisioner.files = launcher, files
        manager.provisioner.limits = limits.as_dict()
        self._manager = manager
        try:
            manager.start_kernel()
            self._kernel = manager.provisioner.kernel
            self._watch = Watch(self._kernel.root_pid, limits)
            self._client = BoundedClient(
                **manager.get_connection_info(session=True), context=manager.context
            )
            self._client.message_bytes = message_bytes
            self._client.start_channels(stdin=False, hb=False, control=False)
            self._shell = self._client.shell_channel.socket
            self._iopub = self._client.iopub_channel.socket
            self._poller = zmq.Poller()
            self._poller.register(self._shell, zmq.POLLIN)
            self._poller.register(self._iopub, zmq.POLLIN)
            self._losses = [
                socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
                for socket in (self._shell, self._iopub)
            ]
            for monitor in self._losses:
                self._poller.register(monitor, zmq.POLLIN)
            self._wait_until_ready()
        except (StartFailed, psutil.Error, zmq.ZMQError) as error:
            self.close()
            raise Ended("sandbox", str(error)) from None
        except BaseException:
            self.close()
            raise

    def close(self):
        """End the kernel with everything it started."""
        client = getattr(self, "_client", None)
        if client is not None:
            # Not stop_channels(): it would open the channels that aren't open, at their paths.
            for part in (client.shell_channel, client.iopub_channel):
                part.socket.disable_monitor()
                part.stop()
        kernel = self._manager.provisioner.kernel
        if kernel is not None:
            if hasattr(self, "_watch"):
                self._watch.look()
                self.cpu_seconds = self._watch.cpu_seconds
            kernel.end()
        self._manager.cleanup_resources()

    def run_cell(self, source, outputs, moment=None):
        """Run a cell; (status, error). What names stand for before it is kept as a ``moment``."""
        seconds = self._limits.cell_seconds
        if moment is not None:
            self._reply(self._call(f"keep({moment!r})"), seconds, None)
        request = self._request(source)
        content, late = self._reply(request, seconds, outputs)
        # What this cell holds is not to be put down to the next one.
        if (excess := self._watch.excess(at_once=True)) is not None:
            raise Ended(*excess)
        if late:
            return "timeout", {"type": "timeout", "message": f"stopped after {seconds:g} s"}
        if content.get("status") == "ok":
            return "ok", None
        error = {"type": content.get("ename", "error"), "message": content.get("evalue", "")}
        return "error", {key: str(text)[:2000] for key, text in error.items()}

    def ask(self, function, calls, moment=None, share=None):
        """Ask for results of a function, for some lists of arguments.

        Returns those of the first ones, one at least, each in one of the shapes of an outcome. The
        function is taken as of a ``moment`` that `run_cell` kept, by default as of now. There must
        be room for the results in its ``share``.
        """
        seconds, limit = self._limits.probe_seconds, self._limits.result_bytes
        self._received = 0  # results have their own limit
        request = self._call(f"ask({function!r}, {json.dumps(calls)!r}, {limit}, {moment!r})")
        content, late = self._reply(request, seconds + collector.BATCH_SECONDS, None)
        text = None
        with contextlib.suppress(KeyError, TypeError, AttributeError):
            shown = content["user_expressions"]["result"]
            if shown["status"] == "ok":
                text = shown["data"][collector.MIME]
        found = parse_results(text, limit, len(calls), share)
        # The call that was interrupted is the last that was made.
        return [*found[:-1], {"timeout": seconds}] if late else found

    def _call(self, call):
        """Send the request for a call of a function of the collector."""
        expression = f"__import__('quantgrader.sandbox.collector', fromlist=['ask']).{call}"
        return self._request("", silent=True, user_expressions={"result": expression})

    def _request(self, source, **options):
        try:
            return self._client.execute(source, allow_stdin=False, stop_on_error=False, **options)
        except zmq.ZMQError:
            raise self._ending("died", "it takes no more requests") from None

    def _interrupt(self):
        with contextlib.suppress(zmq.ZMQError):
            self._manager.interrupt_kernel()

    def _wait_until_ready(self):
        start = time.monotonic()
        self._client.kernel_info()
        asked, heard, replied = start, False, False
        while not (heard and replied):
            for source, _ in self._receive():
                heard |= source is self._iopub
                replied |= source is self._shell
            now = time.monotonic()
            if now - start > _START_SECONDS:
                raise Ended("sandbox", "the kernel does not answer")
            if replied and now - asked > 1:
                self._client.kernel_info()
                asked = now

    def _reply(self, request, seconds, outputs):
        """Content of the reply to a request, and whether it came only after an interrupt."""
        start = time.monotonic()
        content, idle, interrupted, replied = None, False, 0.0, 0.0
        while True:
            for source, message in self._receive():
                parent, kind, body = message
                if parent != request:
                    continue
                if source is self._shell and kind == "execute_reply":
                    content, replied = body, time.monotonic()
                elif source is self._iopub:
                    if kind == "status":
                        idle |= body.get("execution_state") == "idle"
                    elif outputs is not None:
                        outputs.add(kind, body)
            now = time.monotonic()
            # The last outputs come before the kernel says that it is idle, if it is honest.
            if content is not None and (idle or now - replied > self._patience):
                self._patience = _GRACE_SECONDS if idle else 0.2
                return content, bool(interrupted)
            if now > self._deadline:
                raise TotalTime
            if not interrupted and now - start > seconds:
                self._interrupt()
                interrupted = now
            elif interrupted and now - interrupted > _GRACE_SECONDS:
                raise Ended("timeout", f"not finished after {seconds:g} s, and not to interrupt")

    def _receive(self):
        """New messages as (socket, (parent's id, type, content)); looks after the limits."""
        ready = dict(self._poller.poll(50))
        messages = []
        for source in (self._iopub, self._shell):
            if source not in ready:
                continue
            for _ in range(100):
                try:
                    frames = source.recv_multipart(zmq.NOBLOCK)
                except zmq.ZMQError:
                    break
                self._received += sum(map(len, frames))
                if self._received > self._limits.received_bytes:
                    detail = f"more than {self._limits.received_bytes // 1000000} MB of output"
                    raise Ended("output", detail)
                if sum(map(values_in, frames)) > self._limits.message_values:
                    raise Ended("output", "a message with too many values")
                message = self._parse(frames)
                if message is not None:
                    messages.append((source, message))
        if not messages:
            # A socket that gets too long a message hangs up; the end of the kernel does it too.
            if any(monitor in ready for monitor in self._losses):
                raise self._ending("output", "a message that is too long")
            if (code := self._kernel.poll()) is not None:
                raise Ended(*_how(code))
        excess = self._watch.excess()
        if excess is not None:
            raise Ended(*excess)
        return messages

    def _ending(self, reason, detail):
        """What to raise when a socket was lost: how the kernel ended, or else the reason given."""
        deadline = time.monotonic() + _GRACE_SECONDS
        while (code := self._kernel.poll()) is None and time.monotonic() < deadline:
            time.sleep(0.02)
        return Ended(reason, detail) if code is None else Ended(*_how(code))

    def _parse(self, frames):
        """(parent's id, type, content) of a message, or None if it is none."""
        session = self._client.session
        try:
            _, parts = session.feed_identities(frames)
            message = session.deserialize(parts)
            parent, kind = message["parent_header"].get("msg_id"), message["header"]["msg_type"]
            content = sanitized(message["content"])
        except Exception:  # RecursionError and all that a forged message can bring about
            return None
        return (parent, kind, content) if isinstance(content, dict) else None


def _how(code):
    """(reason, detail) of an exit code."""
    if code == 128 + 24:
        return "cpu", "its CPU time was used up"
    # 255: what looks after the kernel was killed as well.
    if code in (128 + 9, 255):
        return "killed", "ended by signal 9"
    if code > 128:
        return "died", f"ended by signal {code - 128}"
    return "died", f"ended by itself with exit status {code}"
