"""Attacks on the sandbox by cells that really try: what they get, and what is left afterwards."""

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from quantgrader.sandbox import confine, machine, walls
from quantgrader.sandbox.runner import Runner
from tests.grader.sandbox_support import LIMITS, job, printed, require_sandbox

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
HONEST = "def answer():\n    return 42"


@pytest.fixture(scope="module", params=["warm", "cold"])
def shared(request):
    require_sandbox(warm=request.param == "warm")
    os.environ["LOWBIT_TEST_SECRET"] = "do-not-tell-anybody"
    with Runner(LIMITS, preload=("numpy",), mode=request.param) as runner:
        yield runner
    del os.environ["LOWBIT_TEST_SECRET"]


@pytest.fixture
def runner(shared):
    """A runner that must work, and have no process left over, after each test."""
    yield shared
    if shared.mode == "warm":  # where all come from one process
        outcome = shared.run(job(HONEST, probes=[("answer",)]))
        assert outcome.ended is None and outcome.kernels == 1
        assert outcome.probes[0]["value"] == 42
    # bubblewrap, its process 1, and the fork server or the next kernel
    # (which, while it imports matplotlib, asks fontconfig for its fonts)
    deadline = time.monotonic() + 120
    while len(_inside()) > 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(_inside()) <= 3, _inside()


def _inside():
    """Processes of the sandbox, whatever they call themselves."""
    children = psutil.Process().children()
    started = [process for process in children if process.name() == "bwrap"]
    return started + [child for process in started for child in process.children(recursive=True)]


def attack(runner, source, **changes):
    """The outcome of an attacking cell between two harmless ones."""
    limits = type(LIMITS)(**{**LIMITS.as_dict(), **changes})
    outcome = runner.run(job(HONEST, source, "print(answer())", probes=[("answer",)]), limits)
    assert outcome.probes[0].get("value") == 42, (outcome.ended, outcome.cells[1])
    assert outcome.cells[2].status == "ok"
    return outcome.cells[1]


def tell(runner, source):
    """What an attacking cell found out and printed."""
    return printed(attack(runner, source))


def test_no_privileges(runner):
    status, user, unshare, mount = tell(
        runner,
        "import ctypes, os\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "lines = open('/proc/self/status').read().splitlines()\n"
        "status = dict(line.split(':\\t', 1) for line in lines)\n"
        "unshare = libc.unshare(0x10000000)\n"
        "mount = libc.mount(b'x', b'/box/tmp', b'tmpfs', 0, b'')\n"
        "print((status, os.getuid(), unshare, mount))",
    )
    assert user != 0
    for name in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
        assert int(status[name], 16) == 0
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    assert (unshare, mount) == (-1, -1)


def test_clone_gives_no_namespace(runner):
    """The flags of clone are looked at, and clone3, whose flags cannot be, is not there."""
    clone, clone3 = tell(
        runner,
        "import ctypes, os, platform\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "number = {'x86_64': 56, 'aarch64': 220}[platform.machine()]\n"
        "def call(*arguments):\n"
        "    if libc.syscall(*arguments) == 0:\n"
        "        os._exit(0)\n"
        "    return ctypes.get_errno()\n"
        "print((call(number, 0x10000000 | 17, 0, 0, 0, 0), call(435, 0, 0)))",
    )
    assert (clone, clone3) == (1, 38)


def test_sees_its_own_processes_only(runner):
    found = tell(
        runner,
        "import os\n"
        "print([open(f'/proc/{n}/cmdline').read() for n in os.listdir('/proc') if n.isdigit()])",
    )
    assert 0 < len(found) <= 3
    assert all("pytest" not in line for line in found)


def test_environment_of_the_host_is_hidden(runner):
    text = tell(
        runner,
        "import glob, os\n"
        "text = repr(dict(os.environ))\n"
        "for name in glob.glob('/proc/*/environ'):\n"
        "    try:\n"
        "        text += open(name, errors='replace').read()\n"
        "    except OSError:\n"
        "        pass\n"
        "print(repr(text))",
    )
    assert "PYTHONSAFEPATH" in text
    assert "do-not-tell-anybody" not in text


def test_files_of_the_host_are_hidden(runner, tmp_path):
    secret = tmp_path / "gradebook.db"
    secret.write_text("marks")
    places = [
        str(secret),
        str(ROOT / "solutions"),
        str(ROOT / "README.md"),
        str(ROOT / ".git"),
        str(ROOT / "tests"),
        "/etc/shadow",
        "/etc/hosts",
        "/var",
        "/sys",
        "/run",
        "/proc/1/root/var",
        "/proc/self/root/../var",
    ]
    assert [os.path.exists(place) for place in places[:4]] == [True] * 4
    source = (
        f"import os\nos.symlink({str(secret)!r}, 'link')\n"
        f"found = [place for place in {[*places, 'link']!r} if os.path.exists(place)]\n"
        f"repository = sorted(os.listdir({str(ROOT)!r}))\n"
        "print((found, repository))"
    )
    found, repository = tell(runner, source)
    assert found == []
    assert set(repository) <= {".venv", "quantlib", "quantgrader"}
    assert secret.read_text() == "marks"


def test_system_is_read_only(runner):
    import numpy

    places = [sys.prefix, numpy.__path__[0], str(ROOT / "quantgrader"), "/", "/usr/bin", "/dev"]
    written = tell(
        runner,
        "import os\nwritten = []\n"
        f"for place in {places!r}:\n"
        "    try:\n"
        "        open(os.path.join(place, 'attack'), 'w')\n"
        "        written.append(place)\n"
        "    except OSError:\n"
        "        pass\n"
        "print(written)",
    )
    assert written == []


@pytest.fixture
def server():
    """Servers on the host's loopback and on an abstract socket; addresses, and who came."""
    visitors = []
    loopback = socket.create_server(("127.0.0.1", 0))
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind(f"\0lowbit-test-{os.getpid()}")
    abstract.listen()

    def serve(listener):
        try:
            while True:
                visitors.append(listener.accept())
        except OSError:
            return

    for listener in (loopback, abstract):
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
    yield loopback.getsockname()[1], f"\0lowbit-test-{os.getpid()}", visitors
    for listener in (loopback, abstract):
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def test_no_network(runner, server):
    port, name, visitors = server
    with socket.create_connection(("127.0.0.1", port)):
        pass
    errors = tell(
        runner,
        "import socket\nerrors = []\n"
        f"def unix():\n    socket.socket(socket.AF_UNIX).connect({name!r})\n"
        f"def tcp(host):\n    socket.create_connection((host, {port}), timeout=2)\n"
        "hosts = '127.0.0.1', '10.0.0.1', '1.1.1.1'\n"
        "for visit in (unix, *(lambda h=h: tcp(h) for h in hosts)):\n"
        "    try:\n"
        "        visit()\n"
        "        errors.append('connected')\n"
        "    except OSError as error:\n"
        "        errors.append(type(error).__name__)\n"
        "print((errors, [name for _, name in socket.if_nameindex()]))",
    )
    assert "connected" not in errors[0] and len(errors[0]) == 4
    assert "eth0" not in errors[1] and errors[1][0] == "lo"
    assert len(visitors) == 1


def test_no_sockets_that_lead_past_the_network(runner):
    """A network namespace doesn't hold all kinds: vsock leads out of a virtual machine."""
    made = tell(
        runner,
        "import socket\nmade = set()\n"
        "for family in range(1, 50):\n"
        "    for kind in (1, 2, 3, 5):\n"
        "        for make in (socket.socket, socket.socketpair):\n"
        "            try:\n"
        "                make(family, kind)\n"
        "                made.add(family)\n"
        "            except OSError:\n"
        "                pass\n"
        "print(sorted(made))",
    )
    assert socket.AF_UNIX in made
    assert set(made) <= {socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK}


def test_process_one_is_worth_no_more(runner):
    """It belongs to the same user: written into, it must be able to do no more than a cell."""
    status, written = tell(
        runner,
        "status = dict(line.split(':\\t', 1) for line in open('/proc/1/status'))\n"
        "try:\n"
        "    with open('/proc/1/mem', 'r+b', buffering=0) as memory:\n"
        "        memory.seek(int(open('/proc/1/maps').readline().split('-')[0], 16))\n"
        "        memory.write(b'\\x7fELF')\n"
        "    written = True\n"
        "except OSError:\n"
        "    written = False\n"
        "print((status, written))",
    )
    assert int(status["CapEff"], 16) == 0
    assert status["Seccomp"].strip() == "2" and status["NoNewPrivs"].strip() == "1"
    assert not (runner.mode == "warm" and written)


def test_killing_others(runner):
    """Signals to everybody in reach: the fork server, process 1 and the keeper are not."""
    cell = attack(
        runner,
        "import os, signal\n"
        "for target in (os.getppid(), 1, 0, -1):\n"
        "    if target:\n"
        "        try:\n"
        "            os.kill(target, signal.SIGKILL)\n"
        "        except OSError:\n"
        "            pass\n"
        "os.killpg(0, signal.SIGKILL)",
    )
    assert cell.status == "killed" and cell.error["type"] == "killed"


def test_process_one_takes_no_signals(runner):
    """Python handles interrupts by itself: process 1 would end by one, and all others with it."""
    send = "import os, signal\n\ndef send():\n"
    send += "    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:\n"
    send += "        try:\n            os.kill(1, number)\n"
    send += "        except PermissionError:\n            pass  # bubblewrap's, if cold\n"
    send += "    return 1"
    outcome = runner.run(job(send, HONEST, "send()", probes=[("send",), ("answer",)]))
    assert (outcome.ended, outcome.kernels) == (None, 1)
    assert [probe["value"] for probe in outcome.probes] == [1, 42]


def test_pseudo_terminals_are_left_to_others(runner):
    if runner.mode == "cold":
        pytest.skip("bubblewrap sets no limit")
    number, neighbours = tell(
        runner,
        "import glob, os\nheld = []\n"
        "try:\n"
        "    while len(held) < 400:\n"
        "        held.append(os.open('/dev/ptmx', os.O_RDWR))\n"
        "except OSError:\n"
        "    pass\n"
        "print((len(held), len(glob.glob('/dev/pts/[0-9]*'))))",
    )
    assert number == neighbours == confine.TERMINALS


def test_proc_tells_nothing_of_the_machine_that_changes(runner):
    """Not the number of pseudo-terminals, nor of processes, nor how much memory is left."""
    filled, written, changed, folders = tell(
        runner,
        "import os\n"
        "def whole():\n"
        "    found, full = {}, []\n"
        "    for entry in os.scandir('/proc'):\n"
        "        if entry.name.isdigit() or entry.is_symlink():\n"
        "            continue\n"
        "        if entry.is_dir():\n"
        "            full += os.listdir(entry.path)\n"
        "        else:\n"
        "            found[entry.name] = open(entry.path).read()\n"
        "    return found, full\n"
        "before, folders = whole()\n"
        "block, held = bytearray(50 << 20), [os.openpty() for _ in range(10)]\n"
        "after, _ = whole()\n"
        "written = []\n"
        "for name in before:\n"
        "    try:\n"
        "        open(f'/proc/{name}', 'w').close()\n"
        "        written.append(name)\n"
        "    except OSError:\n"
        "        pass\n"
        "changed = [name for name in before if before[name] != after[name]]\n"
        "print((sorted(n for n in before if before[n]), written, changed, folders))",
    )
    assert set(filled) <= set(machine.COPIED) and "meminfo" in filled
    assert (written, changed, folders) == ([], [], [])


def test_libraries_find_what_they_look_for_in_proc(runner):
    found = tell(
        runner,
        "import os\nimport joblib, numba, psutil, torch\n"
        "hi = !echo hi\n"
        "print((os.cpu_count() == psutil.cpu_count(), psutil.virtual_memory().total > 0,\n"
        "       psutil.boot_time() > 0, len(psutil.getloadavg()), psutil.cpu_times().user > 0,\n"
        "       psutil.cpu_percent() >= 0, psutil.Process().create_time() > 0,\n"
        "       joblib.Parallel(n_jobs=2)(joblib.delayed(abs)(x) for x in (-1, 2)),\n"
        "       torch.ones(3).sum().item(), numba.njit(lambda x: x + 1)(2), list(hi)))",
    )
    assert found == (True, True, True, 3, True, True, True, [1, 2], 3.0, 3, ["hi"])


def test_no_word_to_another_submission_by_files_that_both_can_read(runner):
    """Locks, leases and notes of changes on them are refused; nor is a core of another's taken."""
    refused = tell(
        runner,
        "import ctypes, fcntl, os, struct\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "file = os.open(os.__file__, os.O_RDONLY)\n"
        "lock = ctypes.create_string_buffer(struct.pack('hhqqi', 0, 0, 0, 0, 0), 64)\n"
        "def number(result):\n"
        "    return ctypes.get_errno() if result < 0 else 0\n"
        "found = [number(libc.flock(file, kind)) for kind in (1, 2, 5)]\n"
        "found += [number(libc.fcntl(file, command, lock)) for command in (5, 6, 7, 36, 37, 38)]\n"
        "found += [number(libc.fcntl(file, command, 1)) for command in (1024, 1025, 1026)]\n"
        "found += [number(libc.inotify_init()), number(libc.inotify_init1(0))]\n"
        "found += [number(libc.fanotify_init(0x200, 0))]\n"
        "try:\n"
        "    os.sched_setaffinity(0, os.sched_getaffinity(0))\n"
        "    found.append(0)\n"
        "except OSError as error:\n"
        "    found.append(error.errno)\n"
        "assert fcntl.fcntl(file, fcntl.F_GETFD) >= 0\n"
        "print(found)",
    )
    assert refused == [1] * 3 + [37] * 9 + [1] * 4


def test_ptrace_and_memory_of_others(runner):
    results = tell(
        runner,
        "import ctypes, os\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "opened = []\n"
        "for pid in filter(str.isdigit, os.listdir('/proc')):\n"
        "    if int(pid) != os.getpid():\n"
        "        opened.append((pid, libc.ptrace(16, int(pid), 0, 0)))\n"
        "print(opened)",
    )
    assert all(code == -1 for _, code in results)


def test_background_processes_end(runner):
    """A daemon with a session of its own, and one that ignores all signals."""
    cell = attack(
        runner,
        "import os, signal, subprocess\n"
        "subprocess.Popen(['sleep', '98765'], start_new_session=True)\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    for number in (1, 2, 3, 13, 15):\n"
        "        signal.signal(number, signal.SIG_IGN)\n"
        "    if os.fork() == 0:\n"
        "        os.execvp('sleep', ['sleep', '98766'])\n"
        "    os._exit(0)",
    )
    assert cell.status == "ok"
    alive = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert not [
        line for line in alive if line[:1] == ["sleep"] and line[1:] in (["98765"], ["98766"])
    ]


def test_fork_bomb(runner):
    cell = attack(
        runner,
        "import os, time\nwhile True:\n    if os.fork() == 0:\n        time.sleep(60)",
        processes=40,
    )
    assert cell.status in ("error", "killed")
    assert cell.error["type"] in ("BlockingIOError", "processes", "memory")


def test_memory_of_one_process(runner):
    cell = attack(runner, "kept = []\nwhile True:\n    kept.append(bytearray(1 << 26))")
    assert cell.status in ("error", "killed")
    assert cell.error["type"] in ("MemoryError", "memory")


def test_memory_of_many_processes(runner):
    """Each child stays below the limit of one process; together they don't."""
    cell = attack(
        runner,
        "import os, time\n"
        "for _ in range(8):\n"
        "    if os.fork() == 0:\n"
        "        kept = b'x' * (100 << 20)\n"
        "        time.sleep(60)\n"
        "time.sleep(60)",
        memory_bytes=256 << 20,
    )
    assert (cell.status, cell.error["type"]) == ("killed", "memory")


def test_memory_outside_of_processes(runner):
    """Memory files and System V segments belong to no process: they can't be had."""
    errors = tell(
        runner,
        "import ctypes, os\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "try:\n"
        "    os.memfd_create('x')\n"
        "    error = None\n"
        "except OSError as failure:\n"
        "    error = failure.errno\n"
        "print((error, libc.shmget(0, 1 << 20, 0o1666)))",
    )
    assert errors == (38, -1)


def test_disk_is_limited(runner):
    """All that can be written to: one limit if warm, three halves of it if cold."""
    number, size = tell(
        runner,
        "import errno, os\nsize = 0\n"
        "for folder in ('/tmp', '/dev/shm', '.', '/box/home', '/box/run'):\n"
        "    try:\n"
        "        for number in range(64):\n"
        "            with open(f'{folder}/fill{number}', 'wb', buffering=0) as file:\n"
        "                for _ in range(8):\n"
        "                    size += file.write(bytes(1 << 20))\n"
        "        last = 0\n"
        "    except OSError as error:\n"
        "        last = error.errno\n"
        "print((last, size))",
    )
    assert number == 28  # no space left
    assert size <= LIMITS.disk_bytes * (1 if runner.mode == "warm" else 1.5)


def test_nothing_survives(runner):
    """Start-up files, modules, caches and temporary files of one are not there for the next."""
    attack(
        runner,
        "import os, sys\n"
        "home = os.path.expanduser('~')\n"
        "places = ['/tmp', '/dev/shm', '.', f'{home}/.ipython/profile_default/startup',\n"
        "          os.environ['NUMBA_CACHE_DIR'], f'{home}/.local/lib']\n"
        "for place in places:\n"
        "    os.makedirs(place, exist_ok=True)\n"
        "    open(os.path.join(place, 'zz_left.py'), 'w').write('answer = 7')\n"
        "import builtins, numpy\n"
        "builtins.left = numpy.left = 1\n"
        "os.environ['LEFT'] = '1'",
    )
    found = tell(
        runner,
        "import builtins, os, numpy, subprocess\n"
        "text = subprocess.run(['find', '/tmp', '/dev/shm', '/box', '-name', 'zz_left*'],\n"
        "                      capture_output=True, text=True).stdout\n"
        "print((text, hasattr(builtins, 'left'), hasattr(numpy, 'left'), 'LEFT' in os.environ))",
    )
    assert found == ("", False, False, False)


def test_student_module_shadows_nothing(runner):
    outcome = runner.run(
        job("import sys, numpy\nprint(repr((numpy.__file__, '' in sys.path)))\nopen('ok')",
            files={"numpy.py": b"raise SystemExit", "ok": b"1"})
    )  # fmt: skip
    assert printed(outcome.cells[0])[1] is False
    fresh = "import subprocess, sys\ncommand = [sys.executable, '-c', 'import numpy']\n"
    fresh += "print(subprocess.run(command).returncode)"
    assert printed(runner.run(job(fresh, files={"numpy.py": b"raise SystemExit(3)"})).cells[0]) == 0


def test_open_files_lead_to_no_file_of_the_host(runner):
    """One's own, and those of process 1 as far as they can be seen."""
    found = tell(
        runner,
        "import glob, os\nfound = []\n"
        "for name in glob.glob('/proc/*/fd/*'):\n"
        "    try:\n"
        "        found.append(os.readlink(name))\n"
        "    except OSError:\n"
        "        pass\n"
        "print(found)",
    )
    allowed = ("/dev/null", "anon_inode:", "pipe:", "socket:", "/proc/")
    assert found and all(name.startswith(allowed) for name in found)


def test_replaced_sockets_lead_nowhere(runner, tmp_path):
    """A link in place of the kernel's own sockets is never followed: nobody connects twice."""
    trap = socket.socket(socket.AF_UNIX)
    trap.bind(str(tmp_path / "trap"))
    trap.listen()
    trap.settimeout(0.5)
    attack(
        runner,
        "import os\n"
        "for number in range(1, 6):\n"
        "    os.unlink(f'/box/run/kernel-{number}')\n"
        f"    os.symlink({str(tmp_path / 'trap')!r}, f'/box/run/kernel-{{number}}')",
    )
    with pytest.raises(TimeoutError):
        trap.accept()
    trap.close()


def test_hidden_folders(tmp_path):
    require_sandbox()
    import scipy

    inside = Path(scipy.__path__[0], "datasets")
    with Runner(LIMITS, hidden=(inside, tmp_path), mode="cold") as runner:
        cell = runner.run(job(f"import os\nprint(os.listdir({str(inside)!r}))")).cells[0]
    assert printed(cell) == []
    with pytest.raises(walls.SandboxUnavailable, match="must be hidden"):
        walls.command("cold", hidden=(sys.prefix,))


def test_check_tells_what_is_missing(monkeypatch):
    try:
        walls.availability.cache_clear()
        monkeypatch.setenv("PATH", "/nowhere")
        report = walls.availability()
        assert not report.usable and not report.warm
        assert "bubblewrap" in str(report) and "apt-get install" in str(report)
        with pytest.raises(walls.SandboxUnavailable, match="apt-get install"):
            Runner(LIMITS)
        with pytest.raises(walls.SandboxUnavailable, match="apt-get install"):
            walls.command("cold")
    finally:
        walls.availability.cache_clear()


def test_check_reports_a_bubblewrap_that_fails(monkeypatch, tmp_path):
    program = tmp_path / "bwrap"
    program.write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n"
    )
    program.chmod(0o755)
    try:
        walls.availability.cache_clear()
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        report = walls.availability()
        assert not report.usable
        assert "No permissions" in str(report) and "seccomp" in str(report)
    finally:
        walls.availability.cache_clear()


def test_check_tells_an_environment_of_another_folder_from_namespaces(monkeypatch):
    """As after the course's folder was moved, and the environment still points to the old one."""
    require_sandbox()
    try:
        walls.availability.cache_clear()
        monkeypatch.setattr(walls, "_folders_of_packages", lambda modules: set())
        report = walls.availability()
        if report.usable:
            pytest.skip("quantgrader is installed inside of the environment's folder")
        assert "quantgrader can't be imported inside the sandbox" in str(report)
        assert "make .venv/installed" in str(report) and "seccomp" not in str(report)
    finally:
        walls.availability.cache_clear()


def test_numbers_of_system_calls():
    """The table of system calls agrees with the system's own headers."""
    table = confine._FILTERED | confine._SOCKETS
    header = "#include <sys/syscall.h>\n" + "\n".join(f"SYS__{name} SYS_{name}" for name in table)
    try:
        done = subprocess.run(
            ["cc", "-E", "-P", "-"], input=header, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no C compiler with the system's headers")
    column = {"x86_64": 0, "aarch64": 1}[os.uname().machine]
    known = 0
    for line in done.stdout.splitlines():
        if line.startswith("SYS__"):
            name, number = line.removeprefix("SYS__").split()
            if number.isdigit():
                assert table[name][column] == int(number), name
                known += 1
    assert known > 30
