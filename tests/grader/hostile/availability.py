"""Attacks on the run: whatever never ends, takes everything, or brings its process down.

A cell like that costs nothing but itself; a function like that costs its own points.
"""

from tests.grader.hostile.bank import FULL, attack

NO_DOUBLE, NO_MEAN = (0.0, 2.0), (3.0, 0.0)
_FUNCTION = "def double(values):\n    "

TIME = [
    attack("loop_in_a_cell", FULL, "number 2 was stopped after", imports="while True:\n    pass"),
    attack("loop_in_a_function", NO_DOUBLE, "double was stopped: it was not done",
           double=_FUNCTION + "while True:\n        pass"),
    attack("sleep", FULL, "was stopped", imports="import time\ntime.sleep(1e6)"),
    attack(
        "loop_that_ignores_interrupts", NO_MEAN, "mean was stopped: it was not done in time",
        mean="""\
def mean(values):
    import signal
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        pass""",
    ),
    attack(
        "loop_that_catches_everything", FULL, "was stopped",
        imports="""\
def go_on():
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
go_on()""",
    ),
    attack("one_long_operation", FULL, "was stopped", imports="len(str(7 ** 10 ** 9))"),
    attack(
        "threads_that_hold_the_interpreter", FULL,
        last="""\
import sys, threading
sys.setswitchinterval(5)
def spin():
    while True:
        pass
for _ in range(3):
    threading.Thread(target=spin, daemon=True).start()""",
    ),
    attack(
        "waits_for_input", FULL,
        imports="import numpy as np\nimport sys\ninput('your name: ')",
        last="import os, sys\nsys.stdin.close()\nos.close(0)\nsys.stdin.read()",
    ),
    attack(
        "stops_itself", FULL, "was stopped",
        imports="import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
    ),
    attack(
        "signals_of_all_kinds", FULL,
        imports="""\
import faulthandler, signal
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)""",
    ),
]  # fmt: skip

SPACE = [
    attack("memory_in_a_cell", FULL, imports="block = bytearray(1 << 40)"),
    attack(
        "memory_taken_slowly", FULL, "",
        imports="blocks = []\nwhile True:\n    blocks.append(b'x' * 10_000_000)",
    ),
    attack(
        "memory_in_a_function", NO_DOUBLE, "MemoryError|double",
        double=_FUNCTION + "blocks = [values]\n    while True:\n"
        "        blocks.append(bytearray(b'x' * 30_000_000))",
    ),
    attack(
        "memory_of_many_children", FULL, "memory|died|kernel ended|processes",
        imports="""\
import os, time
for _ in range(12):
    if os.fork() == 0:
        block = bytearray(b"x" * 100_000_000)
        time.sleep(30)
        os._exit(0)
time.sleep(3)""",
    ),
    attack(
        "forks_without_end", FULL, "",
        imports="""\
import os, time
end = time.monotonic() + 2
while time.monotonic() < end:
    try:
        os.fork()
    except OSError:
        pass
time.sleep(60)""",
    ),
    attack(
        "threads_without_end", FULL, "",
        imports="""\
import threading, time
for _ in range(100_000):
    threading.Thread(target=time.sleep, args=(60,)).start()""",
    ),
    attack(
        "fills_the_disk", FULL, "",
        last="""\
import os
for folder in (".", "/tmp", "/dev/shm", os.path.expanduser("~")):
    try:
        with open(folder + "/@mark@", "wb") as file:
            while True:
                file.write(bytes(1 << 20))
    except OSError:
        pass
    try:
        for number in range(50_000):
            os.mkdir(f"{folder}/{number}")
    except OSError:
        pass""",
    ),
    attack(
        "takes_all_pseudo_terminals", FULL, "",
        imports="""\
import os
import numpy as np
held = []
try:
    while True:
        held.append(os.open("/dev/ptmx", os.O_RDWR))
except OSError:
    pass""",
    ),
    attack("huge_sparse_file", FULL, "",
           last="with open('sparse', 'wb') as file:\n    file.truncate(1 << 42)"),
    attack("open_files_and_pipes", FULL, "",
           imports="import os\nimport numpy as np\npipes = []\n"
           "while True:\n    pipes.append(os.pipe())"),
    attack(
        "a_hundred_lines_of_a_megabyte", FULL, "",
        last="for _ in range(100):\n    print('x' * 1_000_000)",
    ),
    attack("prints_without_end", FULL, "was (cut|stopped)",
           last="while True:\n    print('x' * 100)"),
    attack(
        "writes_to_file_descriptors_without_end", FULL, "",
        last="import os\nfor _ in range(5_000):\n    os.write(1, b'x' * 1_000)\n"
        "    os.write(2, b'x' * 1_000)",
    ),
    attack(
        "one_huge_picture", FULL, "was (cut|stopped)",
        last="from IPython.display import display\n"
        "display({'image/png': 'A' * 5_000_000}, raw=True)",
    ),
    attack(
        "very_many_pictures_that_are_small_as_files", FULL, "",
        last="""\
import base64, io
from IPython.display import display
from PIL import Image
file = io.BytesIO()
Image.new("1", (3900, 3900)).save(file, "PNG", optimize=True)
data = {"image/png": base64.b64encode(file.getvalue()).decode()}
for _ in range(70):
    display(data, raw=True)""",
    ),
    attack(
        "output_from_the_function", FULL, "",
        double=_FUNCTION + "print('x' * 1_000_000)\n    return 2 * values",
    ),
]  # fmt: skip

CRASHES = [
    attack("exit_in_a_cell", FULL, "kernel ended", imports="import os\nos._exit(0)"),
    attack("exit_in_a_function", NO_DOUBLE, "kernel ended",
           double="import os\n" + _FUNCTION + "os._exit(0)"),
    attack("segmentation_fault_in_a_cell", FULL, "kernel ended",
           imports="import ctypes\nctypes.string_at(0)"),
    attack("segmentation_fault_in_a_function", NO_MEAN, "kernel ended",
           mean="import ctypes\ndef mean(values):\n    return ctypes.string_at(0)"),
    attack("abort", FULL, "kernel ended", imports="import os\nos.abort()"),
    attack("exit_of_the_shell", FULL, "", imports="exit"),
    attack(
        "kills_itself", FULL, "kernel ended", imports="import os\nos.kill(os.getpid(), 9)",
    ),
    attack(
        "signals_to_what_started_the_kernel", FULL, "",
        double="""\
import os, signal
def double(values):
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        try:
            os.kill(1, number)
        except PermissionError:
            pass
    return 2 * values""",
    ),
    attack("system_exit_in_a_function", NO_DOUBLE, "",
           double=_FUNCTION + "raise SystemExit(0)"),
    attack("keyboard_interrupt_in_a_function", NO_DOUBLE, "",
           double=_FUNCTION + "raise KeyboardInterrupt"),
    attack(
        "stack_overflow", NO_MEAN, "",
        mean="""\
import sys
sys.setrecursionlimit(10 ** 9)
def mean(values):
    return mean(values)""",
    ),
    attack(
        "all_files_closed", FULL, "",
        last="import os\nos.closerange(0, 512)",
    ),
    attack(
        "sockets_of_the_kernel_removed", FULL, "",
        last="""\
import glob, os
for name in glob.glob("/box/run/*"):
    os.unlink(name)
    os.symlink("/run/docker.sock", name)""",
    ),
    attack(
        "forged_messages", FULL, "",
        last="""\
kernel = get_ipython().kernel
session, iopub, parent = kernel.session, kernel.iopub_thread, kernel.get_parent()
def send(kind, content):
    session.send(iopub, kind, content, parent=parent, ident=b"x")
deep = 1
for _ in range(200):
    deep = [deep]
for kind in ("status", "execute_reply", "stream", "display_data", "error", "nonsense"):
    for content in ({"execution_state": "idle", "status": "ok"}, {"name": 7, "text": deep},
                    {"data": [1], "metadata": 3}, {"data": {"text/html": deep}}):
        try:
            send(kind, content)
        except Exception:
            pass
iopub.send_multipart([b"<IDS|MSG>", b"", b"{", b"}", b"[", b"]"])
iopub.send_multipart([b"<IDS|MSG>"] + [b"\\xff"] * 50)""",
    ),
    attack(
        "kernel_that_says_nothing", FULL, "was stopped",
        imports="get_ipython().kernel.session.send = lambda *_, **__: None",
    ),
    attack("modules_of_the_kernel_broken", FULL, "",
           double=_FUNCTION + "return 2 * values",
           imports="import numpy as np\nimport sys\nfor name in ('zmq', 'json', 'ipykernel'):\n"
           "    sys.modules[name] = None\n%reset_selective -f nothing"),
    attack("everything_reset", FULL, "", last="%reset -f"),
]  # fmt: skip

ATTACKS = TIME + SPACE + CRASHES
