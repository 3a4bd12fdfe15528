"""What the process inside the sandbox gives up before any student's code runs.

The namespaces, the temporary file system, the limits of the kernel (setrlimit), the
capabilities and the system calls. Linux only, by ctypes: the standard library has no names for
these (``os.unshare`` came with Python 3.12).
"""

import ctypes
import os
import platform
import resource
import struct
from pathlib import Path

BOX = "/box"
TERMINALS = 32  # of a submission: `!ls` in a cell takes one

NEW_MOUNT, NEW_UTS, NEW_IPC = 0x00020000, 0x04000000, 0x08000000
NEW_USER, NEW_PID, NEW_NET = 0x10000000, 0x20000000, 0x40000000
READ_ONLY, _NO_SUID, _NO_DEVICES, _NO_PROGRAMS, REMOUNT = 1, 2, 4, 8, 32
BIND, _RECURSIVE, _PRIVATE = 4096, 16384, 1 << 18
SAFE = _NO_SUID | _NO_DEVICES | _NO_PROGRAMS
_DETACH = 2
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP = 1, 4, 22
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 24, 38

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name, *arguments):
    if getattr(_libc, name)(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def mount(source, target, kind, flags, data=None):
    """The system call of this name; texts, or None."""
    encoded = [None if part is None else part.encode() for part in (source, target, kind, data)]
    _call("mount", *encoded[:3], ctypes.c_ulong(flags), encoded[3])


def unmount(target):
    """Take away a mount; what of it is shown elsewhere stays."""
    _call("umount2", target.encode(), _DETACH)


def die_with_parent():
    """Have the kernel kill this process when its parent ends."""
    _call("prctl", _PR_SET_PDEATHSIG, 9, 0, 0, 0)


def new_namespaces(as_root):
    """Leave the namespaces of the siblings. The next child is process 1 of a new one.

    Root inside the outer sandbox has CAP_SYS_ADMIN for this. Anybody else gets it from a user
    namespace, in which only his own user exists, as root: pseudo-terminals can be mounted by nobody
    else. `drop_privileges` gives back the user's own number.
    """
    flags = NEW_MOUNT | NEW_PID | NEW_IPC | NEW_NET | NEW_UTS
    if as_root:
        _call("unshare", flags)
    else:
        _new_user(0, 0, flags)


def _new_user(user, group, flags=0):
    """A user namespace in which this process's user and group have these numbers."""
    now = os.geteuid(), os.getegid()
    _call("unshare", flags | NEW_USER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {now[0]} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {now[1]} 1")


def mount_box(disk_bytes):
    """Put one fresh file system of limited size in place of all that can be written to."""
    mount("none", "/", None, _RECURSIVE | _PRIVATE)
    data = f"size={disk_bytes},nr_inodes=20000,mode=1777"
    mount("tmpfs", BOX, "tmpfs", _NO_SUID | _NO_DEVICES, data)
    for name in ("tmp", "shm"):
        folder = Path(BOX, name)
        folder.mkdir()
        folder.chmod(0o1777)
    # What the outer sandbox shows inside /tmp, the Python environment of a checkout there, stays.
    for shown in _mounts_below("/tmp"):
        os.makedirs(BOX + shown)
        mount(shown, BOX + shown, None, BIND | _RECURSIVE)
    mount(f"{BOX}/tmp", "/tmp", None, BIND | _RECURSIVE)
    mount(f"{BOX}/shm", "/dev/shm", None, BIND)
    mount("proc", "/proc", "proc", SAFE)
    # The machine has some 3000 pseudo-terminals for everybody.
    data = f"newinstance,ptmxmode=0666,mode=620,max={TERMINALS}"
    mount("devpts", "/dev/pts", "devpts", _NO_SUID | _NO_PROGRAMS, data)


def _mounts_below(folder):
    """Return the mount points inside ``folder``, outermost first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    # A blank in a path stands there as \\040.
    points = {line.split()[4].encode().decode("unicode_escape") for line in lines}
    below = sorted(point for point in points if point.startswith(f"{folder}/"))
    return [p for p in below if not any(p.startswith(f"{other}/") for other in below)]


def drop_privileges(user, as_root):
    """Become an ordinary user without capabilities that can never get one again."""
    if as_root:
        os.setgroups([])
        for capability in range(64):
            if _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
                break
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    elif os.geteuid() != user:  # after `new_namespaces`
        _new_user(user, user)
    header = struct.pack("=II", 0x20080522, 0)
    _call("capset", header, bytes(24))
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # A changed user makes a process undumpable, and its own /proc/self unreadable to itself.
    set_open(True)


def set_open(is_open):
    """Whether processes of the same user may look into this one's memory and files, and write."""
    _call("prctl", _PR_SET_DUMPABLE, int(is_open), 0, 0, 0)


def set_limits(limits):
    """Set the limits that the system itself holds each process to."""
    lines = Path("/proc/self/status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines)

    def now(name):
        return int(status[name].split()[0]) << 10

    memory = limits["memory_bytes"]
    disk = limits["disk_bytes"]
    # Addresses are reserved more freely than memory is used: 64 MB for each thread's heap.
    bounds = {
        "AS": now("VmSize") + memory + (1 << 30),
        "DATA": now("VmData") + memory + (128 << 20),
        "CPU": int(limits["cpu_seconds"]),
        "NPROC": limits["processes"],
        "FSIZE": disk,
        "NOFILE": 512,
        "CORE": 0,
        "MSGQUEUE": 0,
        "MEMLOCK": 1 << 20,
        "SIGPENDING": 1024,
    }
    for name, bound in bounds.items():
        kind = getattr(resource, f"RLIMIT_{name}", None)
        if kind is None:
            continue
        hard = resource.getrlimit(kind)[1]
        if hard != resource.RLIM_INFINITY:
            bound = min(int(bound), hard - 1)
        # The first warning (SIGXCPU) tells what the end was for; it can be ignored for a second.
        resource.setrlimit(kind, (int(bound), int(bound) + (name == "CPU")))
    # If the machine itself runs out of memory, this is what ends first.
    Path("/proc/self/oom_score_adj").write_text("1000")


# System calls that a notebook has no use for, on x86-64 and on arm64. Some would hold memory that
# belongs to no process (memfd_create, shmget, msgget); some take another's processor
# (sched_setaffinity) or tell another submission something by a file that both can read (flock,
# inotify); the others widen what of the system's own code can be reached, or make new name spaces,
# in which one has capabilities again.
_FILTERED = {
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "sched_setaffinity": (203, 122),
    "flock": (73, 32),
    "inotify_init": (253, 26),  # arm64 has only the second
    "inotify_init1": (294, 26),
    "fanotify_init": (300, 262),
    "quotactl": (179, 60),
    "syslog": (103, 116),
    "acct": (163, 89),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "kexec_load": (246, 104),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
}
_MACHINES = {"x86_64": (0xC000003E, 0, 56), "aarch64": (0xC00000B7, 1, 220)}
_CLONE3 = 435
# Kinds of sockets that a network namespace keeps inside: local, IP, and netlink, by which a program
# asks for its own addresses. Others lead past it: vsock, out of a virtual machine to its host.
_SOCKETS = {"socket": (41, 198), "socketpair": (53, 199)}
_FAMILIES = (1, 2, 10, 16)
# What of fcntl does the same as flock and inotify: locks of all kinds, leases, notes of changes.
_FCNTL = (72, 25)
_LOCKS = (5, 6, 7, 36, 37, 38, 1024, 1025, 1026)


def has_filter():
    """Whether the numbers of this machine's system calls are known."""
    return platform.machine() in _MACHINES and struct.calcsize("P") == 8


def filter_program():
    """The filter that refuses the system calls and sockets above, and new namespaces, as bytes."""
    architecture, column, clone = _MACHINES[platform.machine()]
    load, jump_equal, jump_at_least, jump_bits, give = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, kill, refuse = 0x7FFF0000, 0x80000000, 0x00050000
    permission, unknown, no_family, no_locks = (refuse | number for number in (1, 38, 97, 37))
    namespaces = NEW_MOUNT | NEW_UTS | NEW_IPC | NEW_USER | NEW_PID | NEW_NET | 0x02000000
    program = [
        (load, 0, 0, 4),
        (jump_equal, 1, 0, architecture),
        (give, 0, 0, kill),
        (load, 0, 0, 0),
        (jump_at_least, 0, 1, 0x40000000),  # x32 has numbers of its own
        (give, 0, 0, permission),
        # The flags of clone3 are in memory, where they cannot be seen. Without it, libc uses clone.
        (jump_equal, 0, 1, _CLONE3),
        (give, 0, 0, unknown),
        (jump_equal, 0, 4, clone),
        (load, 0, 0, 16),
        (jump_bits, 0, 1, namespaces),
        (give, 0, 0, permission),
        (give, 0, 0, allow),
    ]
    for numbers in _SOCKETS.values():
        left = len(_FAMILIES)
        program += [(jump_equal, 0, left + 3, numbers[column]), (load, 0, 0, 16)]
        program += [(jump_equal, left - n, 0, family) for n, family in enumerate(_FAMILIES)]
        program += [(give, 0, 0, no_family), (give, 0, 0, allow)]
    left = len(_LOCKS)
    program += [(jump_equal, 0, left + 3, _FCNTL[column]), (load, 0, 0, 24)]
    program += [(jump_equal, left - n, 0, kind) for n, kind in enumerate(_LOCKS)]
    program += [(give, 0, 0, allow), (give, 0, 0, no_locks)]
    for name, numbers in _FILTERED.items():
        answer = unknown if name in ("memfd_create", "shmget", "msgget", "semget") else permission
        program += [(jump_equal, 0, 1, numbers[column]), (give, 0, 0, answer)]
    program.append((give, 0, 0, allow))
    return b"".join(struct.pack("=HBBI", *step) for step in program)


def filter_system_calls():
    """Refuse what `filter_program` refuses from now on, in this process and all its children."""
    code = filter_program()
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
    _call("prctl", _PR_SET_SECCOMP, 2, header, 0, 0)
