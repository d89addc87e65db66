"""What keeps machines apart on this computer: asked of the kernel once, and said in words."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_PROBE = """
import os, sys
from pathlib import Path
from gpuspawner.emulator import machine_kernel as kernel
mode, uid, ids = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if mode == "single":
    me, us = os.geteuid(), os.getegid()
    kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS)
    kernel.map_ids(os.getpid(), me, us, 1)
else:
    kernel.unshare(kernel.CLONE_NEWNS)
kernel.mount("none", Path("/"), flags=kernel.MS_REC | kernel.MS_PRIVATE)
kernel.mount("tmpfs", Path("/mnt"), "tmpfs")
ready, go = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    apart = kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS | kernel.CLONE_NEWPID
    kernel.unshare(apart | kernel.CLONE_NEWUTS | kernel.CLONE_NEWIPC)
    os.write(ready[1], b"r")
    os.read(go[0], 1)
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    inner = os.fork()
    if inner == 0:
        kernel.mount("proc", Path("/mnt"), "proc")
        os._exit(0)
    os._exit(os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1]))
os.read(ready[0], 1)
kernel.map_ids(child, uid, uid, ids)
os.write(go[1], b"g")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""

_FULL = (
    "Each machine has its own files, processes and users: students cannot see or end anything of "
    "this computer or of each other; the network is shared, so programs that listen on this "
    "computer can be reached from a machine."
)
_SINGLE = (
    "Each machine has its own files and processes: students cannot see or end anything of this "
    "computer or of each other; but inside a machine the student and root are one user, so that the "
    "student can read the agent's key, and the network is shared."
)
_PLAIN_AS_OTHERS = (
    "The kernel allows no namespaces here: each machine runs as an unprivileged user of its own, "
    "which cannot change or end anything of this computer or of another machine, but can see its "
    "processes and every file that all may read; the student can read the agent's key."
)
_PLAIN = (
    "The kernel allows no namespaces here: machines are NOT separated. They run as the user who "
    "started them, so a student can do all that this user can: read every home, and, by absolute "
    "paths such as /sbin/poweroff, whatever this user may do to this computer."
)


class NoSeparation(Exception):
    """Machines cannot be run here without giving them root on this computer; says what to do."""


@dataclass(frozen=True)
class Separation:
    """How machines are run.

    `mode` is `full` (namespaces, users of its own), `single` (namespaces, one user) or `plain`
    (none). `uid` is who the machine's root is on this computer (plain: the first of a range), None
    for whoever we are; `ids` how many users a machine has; `sentence` what that means for people.
    """

    mode: str
    uid: int | None
    ids: int
    sentence: str


def find(python: str, root: Path, *, namespaces: bool = True) -> Separation:
    """The best separation to be had here for machines below `root` run by `python`.

    Raises:
        NoSeparation: we are root, there are no namespaces, and no other user can run machines.
    """
    if os.geteuid() != 0:
        if namespaces and _works("single", 0, 1):
            return Separation("single", None, 1, _SINGLE)
        return Separation("plain", None, 1, _PLAIN)
    uid, ids = _free_ids()
    if namespaces and _works("full", uid, ids):
        return Separation("full", uid, ids, _FULL)
    if _can_run(python, root, uid):
        return Separation("plain", uid, 1, _PLAIN_AS_OTHERS)
    raise NoSeparation(
        f"The kernel allows no namespaces here, and an unprivileged user can not run {python} or "
        f"reach {root}. Start the emulator as an ordinary user, or put both where all may read."
    )


def _free_ids() -> tuple[int, int]:
    """A range of users that nobody on this computer is, as far as the kernel gives us any."""
    lines = Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines()
    ids = max(int(start) + int(count) for start, _, count in map(str.split, lines))
    return (1_000_000, 65_536) if ids > 1_100_000 else (20_000, 20_000)


def _works(mode: str, uid: int, ids: int) -> bool:
    return _try([sys.executable, "-c", _PROBE, mode, str(uid), str(ids)])


def _can_run(python: str, root: Path, uid: int) -> bool:
    probe = "import os, sys; sys.exit(not os.access(sys.argv[1], os.X_OK))"
    return _try([python, "-c", probe, str(root)], user=uid)


def _try(argv: list[str], user: int | None = None) -> bool:
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=20,
            check=False,
            cwd="/",
            user=user,
            group=user,
            extra_groups=[] if user is not None else None,
            env={"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0
