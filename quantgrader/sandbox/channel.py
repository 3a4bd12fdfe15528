"""Messages between the grader and what it started: JSON with its length before it, and open files.

Both ends are the grader's own code; a channel is closed inside before any student's code runs.
"""

import array
import json
import socket
import struct

_LENGTH = struct.Struct("!I")
_CREDENTIALS = struct.Struct("3i")


def send(channel, message, *descriptors):
    """Send a JSON-able message, with open files."""
    body = json.dumps(message).encode()
    data = _LENGTH.pack(len(body)) + body
    sent = socket.send_fds(channel, [data], list(descriptors)) if descriptors else 0
    channel.sendall(data[sent:])


def receive(channel):
    """Next message, the open files with it, and the sender's process number (0 if not known).

    Raises EOFError when the other end is closed.
    """
    head, descriptors, pid = b"", [], 0
    while len(head) < _LENGTH.size:
        space = socket.CMSG_SPACE(16) + socket.CMSG_SPACE(_CREDENTIALS.size)
        part, extra, _, _ = channel.recvmsg(_LENGTH.size - len(head), space)
        for level, kind, data in extra:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                descriptors += array.array("i", data[: len(data) - len(data) % 4])
            elif level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
                pid = _CREDENTIALS.unpack(data[: _CREDENTIALS.size])[0]
        if not part:
            raise EOFError("the other end is closed")
        head += part
    left = _LENGTH.unpack(head)[0]
    body = bytearray()
    while left > len(body):
        part = channel.recv(min(left - len(body), 1 << 20))
        if not part:
            raise EOFError("the other end is closed")
        body += part
    return json.loads(body), descriptors, pid
