"""The walls: bubblewrap around everything that runs a student's code.

What is guaranteed, as long as the system's kernel keeps its word:

- No network: a submission has no network interface that leads anywhere, not even to the host's
  loopback, shares no abstract sockets with the host or with another submission, and cannot make
  sockets of other kinds (from a virtual machine to its host, for instance).
- No word to a submission that runs at the same time, by files that both can read: locks, leases and
  notes of changes are refused, and /proc tells nothing of the machine that changes.
- Files: the system (``/usr`` and a few files of ``/etc``), the Python environment and packages
  installed from a source folder can be read; nothing else of the host is there, and nothing of
  its environment variables. All that can be written to is temporary, of limited size, and ends
  with the submission.
- Processes: a submission sees only its own, has no capabilities and an ordinary user's rights,
  cannot gain any, and cannot make system calls that a notebook has no use for
  (`quantgrader.sandbox.confine`). All its processes end with it, and with the grader.
- Memory, CPU time, processes, file sizes and open files are limited
  (`quantgrader.sandbox.limits`), for each process by the system and for all together by a look
  from outside five times a second.

What is not: where each kernel starts afresh, one may take all pseudo-terminals of the machine; some
numbers of the whole machine are told otherwise (sysinfo, counts of sockets, the numbers of new
files); temporary files count as disk, not as memory, though they lie in memory; what the
system's kernel holds for a submission (buffers of sockets and pipes) is limited only by the number
of open files and processes; within a fifth of a second more memory can be taken than the limit; how
long a thing takes tells something about the machine; and a hole in the system's kernel is a hole
here. A Python environment that itself holds secrets shows them, but for what is named in `hidden`.

Two ways of starting kernels. Warm: a process inside bubblewrap imports once and forks, and each
child takes namespaces of its own (`quantgrader.sandbox.zygote`). That process holds what is needed
for it, which its children give up before any student's code runs: as root CAP_SYS_ADMIN,
CAP_SETUID, CAP_SETGID, CAP_SETPCAP and CAP_KILL, in namespaces without network; as anybody else
nothing, where the system lets a program in a user namespace make another one. Cold: one
bubblewrap for each kernel, where that is not allowed. Root's submissions run as a user who owns
nothing.
"""

import os
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from quantgrader.sandbox import confine, machine

_SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32")
_ETC = (
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "alternatives",
    "fonts",
    "localtime",
)
_ADVICE_INSTALL = (
    "Install bubblewrap: apt-get install bubblewrap (dnf, pacman, zypper: the same name)."
)
_ADVICE_NAMESPACES = (
    "This system does not let programs make namespaces. In Docker: run the container with "
    "--security-opt seccomp=unconfined --security-opt apparmor=unconfined "
    "--security-opt systempaths=unconfined --cap-add SYS_ADMIN, or grade outside of it. "
    "On Ubuntu 24.04 and later: sysctl kernel.apparmor_restrict_unprivileged_userns=0, or grade "
    "as root. "
    "On older Debian: sysctl kernel.unprivileged_userns_clone=1."
)
_ADVICE_IMPORT = (
    "Namespaces work here, but inside of them the Python environment does not find quantgrader. "
    "It was installed for another folder, as after the course's folder was moved: make the "
    "environment anew (rm -r .venv, then make .venv/installed)."
)


class SandboxUnavailable(RuntimeError):
    """No submission can be run here, and none was."""


@dataclass(frozen=True)
class Availability:
    """Whether the sandbox can be used on this machine, and what to do about it if not."""

    usable: bool
    warm: bool
    problems: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()

    def __str__(self):
        if self.usable:
            kind = (
                "kernels are forked from a warm one" if self.warm else "each kernel starts afresh"
            )
            lines = [f"The sandbox can be used here; {kind}."]
        else:
            lines = ["The sandbox cannot be used here."]
        lines += [f"- {text}" for text in (*self.problems, *self.advice)]
        return "\n".join(lines)


def sandbox_user():
    """The user number inside: one's own, or for root one that owns nothing."""
    return os.geteuid() or 60000 + os.getpid() % 5000


def _folders_of_python():
    """Folders that the interpreter needs, following its chain of symbolic links."""
    folders = {Path(sys.prefix), Path(sys.base_prefix)}
    link = Path(sys.executable)
    while link.is_symlink():
        link = link.parent / os.readlink(link)
        folders.add(Path(os.path.abspath(link)).parent.parent)
    folders |= {folder.resolve() for folder in folders}
    return {folder for folder in folders if not folder.is_relative_to("/usr") and folder.parts[1:]}


def _folders_of_packages(modules):
    """Folders of packages that live outside of the environment (installed as editable)."""
    folders = set()
    for name in {"quantgrader", *(module.partition(".")[0] for module in modules)}:
        try:
            spec = find_spec(name)
        except (ImportError, ValueError):
            continue
        places = list(spec.submodule_search_locations or []) if spec else []
        if spec and not places and spec.origin and os.path.isabs(spec.origin):
            places = [spec.origin]
        folders |= {Path(place).resolve() for place in places if os.path.isdir(place)}
    return folders


def shown_folders(modules):
    """Folders of the host, beside the system's, that can be read inside, shortest first."""
    chosen = []
    candidates = _folders_of_python() | _folders_of_packages(modules)
    for folder in sorted(candidates, key=lambda path: len(path.parts)):
        if not any(folder.is_relative_to(other) for other in (*chosen, Path("/usr"))):
            chosen.append(folder)
    return chosen


def environment(home):
    """Variables of the environment inside; of the host's there are none."""
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": home,
        "USER": "student",
        "LANG": "C.UTF-8",
        "TMPDIR": "/tmp",
        "PYTHONSAFEPATH": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "NUMBA_CACHE_DIR": f"{home}/.numba",
        "MALLOC_ARENA_MAX": "4",
        "JUPYTER_PLATFORM_DIRS": "1",
        # As ipykernel sets it, but before the warm process imports matplotlib.
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        **{f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")},
    }


def command(mode, *, modules=(), hidden=(), disk_bytes=256 << 20, seccomp=None, handles=None):
    """Bubblewrap and its options, up to the program that is to run inside.

    ``mode`` is "warm" (the program makes namespaces inside) or "cold" (it is the kernel).
    ``seccomp`` is the number of an open file with a filter of system calls, which then holds for
    bubblewrap's own process inside, too. A cold one hides what /proc has of the machine if it is
    given the list ``handles``: it gets the numbers of open files that must be passed on.
    """
    program = shutil.which("bwrap")
    if program is None:
        raise SandboxUnavailable(f"bubblewrap (the program bwrap) is not there. {_ADVICE_INSTALL}")
    user = sandbox_user()
    as_root = os.geteuid() == 0
    line = [program, "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    line += ["--unshare-cgroup-try", "--die-with-parent", "--new-session", "--clearenv"]
    line += ["--hostname", "sandbox", "--cap-drop", "ALL"]
    if as_root:
        # To become an ordinary user; the warm one also to make namespaces for its children.
        for capability in (
            "SETUID",
            "SETGID",
            "SETPCAP",
            *(("SYS_ADMIN", "KILL") if mode == "warm" else ()),
        ):
            line += ["--cap-add", f"CAP_{capability}"]
    else:
        line.append("--unshare-user")
    if seccomp is not None:
        line += ["--seccomp", str(seccomp)]
    for name in _SYSTEM:
        path = Path("/", name)
        if path.is_symlink():
            line += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            line += ["--ro-bind", str(path), str(path)]
    for name in _ETC:
        line += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    half = str(max(disk_bytes // 2, 1 << 20))
    # Before the folders that are shown: the environment may lie in /tmp itself.
    line += ["--perms", "1777", "--size", half, "--tmpfs", "/tmp"]
    folders = shown_folders(modules)
    for parent in sorted({parent for folder in folders for parent in folder.parents[:-1]}):
        if parent != Path("/tmp") and not any(parent.is_relative_to(folder) for folder in folders):
            line += ["--perms", "0755", "--dir", str(parent)]
    for folder in folders:
        line += ["--ro-bind", str(folder), str(folder)]
    shown = [Path("/usr"), *folders]
    for path in sorted({Path(path).resolve() for path in hidden}):
        if any(folder.is_relative_to(path) for folder in shown):
            raise SandboxUnavailable(
                f"{path} must be hidden, but the Python environment or a package lies in it"
            )
        if any(path.is_relative_to(folder) for folder in shown):
            line += (
                ["--tmpfs", str(path)] if path.is_dir() else ["--ro-bind", "/dev/null", str(path)]
            )
    line += ["--proc", "/proc", "--dev", "/dev"]
    if handles is not None and mode == "cold":  # inside, a warm one mounts a /proc for each kernel
        line += machine.options(handles)
    for folder in ("/dev/shm", confine.BOX):
        line += ["--perms", "1777", "--size", half, "--tmpfs", folder]
    line += ["--remount-ro", "/dev", "--remount-ro", "/"]
    for name, value in environment(f"{confine.BOX}/home").items():
        line += ["--setenv", name, value]
    return [*line, "--chdir", "/", "--"], user


def _trial(mode):
    """Run a trivial program in the sandbox, with the namespaces it needs; None or what failed."""
    handles = []
    line, _ = command(mode, handles=handles)
    folders = [str(folder) for folder in shown_folders(())]
    steps = "from quantgrader.sandbox import confine, machine; import os;"
    if mode == "warm":
        steps += f"confine.new_namespaces({os.geteuid() == 0});"
        steps += "p = os.fork(); p or (confine.mount_box(4 << 20), machine.hide(),"
        steps += f"confine.drop_privileges({sandbox_user()}, {os.geteuid() == 0}),"
        steps += f"confine.filter_system_calls(), [os.listdir(f) for f in {folders}], os._exit(0));"
        steps += "raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]))"
    else:
        steps += f"confine.drop_privileges({sandbox_user()}, {os.geteuid() == 0});"
        steps += f"confine.filter_system_calls(); [os.listdir(f) for f in {folders}]"
    try:
        done = subprocess.run(
            [*line, sys.executable, "-P", "-c", steps],
            capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, check=False,
            pass_fds=handles,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    finally:
        for handle in handles:
            os.close(handle)
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    return None


@cache
def availability():
    """Try the sandbox on this machine, for real, in about half a second."""
    if not sys.platform.startswith("linux") or not hasattr(socket, "SCM_RIGHTS"):
        return Availability(
            False, False, ("The sandbox needs Linux.",), ("Use a Linux machine or WSL 2.",)
        )
    if shutil.which("bwrap") is None:
        problem = "bubblewrap (the program bwrap) is not there."
        return Availability(False, False, (problem,), (_ADVICE_INSTALL,))
    if not confine.has_filter():
        problem = f"System calls of this kind of machine ({os.uname().machine}) are not known."
        return Availability(False, False, (problem,), ("Use an x86-64 or arm64 machine.",))
    warm = _trial("warm")
    if warm is None:
        return Availability(True, True)
    cold = _trial("cold")
    if cold is None:
        problem = f"No namespaces inside the sandbox, so that every kernel starts afresh: {warm}"
        return Availability(True, False, (problem,))
    # Whatever comes from Python was run inside, so that the namespaces are there.
    if "quantgrader" in cold and "Error: " in cold:
        problem = f"quantgrader can't be imported inside the sandbox: {cold}"
        return Availability(False, False, (problem,), (_ADVICE_IMPORT,))
    return Availability(False, False, (f"bubblewrap fails: {cold}",), (_ADVICE_NAMESPACES,))
