"""The few system calls that Python (3.10) has no name for, and the machine's namespaces."""

from __future__ import annotations

import contextlib
import ctypes
import os
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC = 32, 4096, 16384
MS_PRIVATE, MS_SLAVE, MS_SHARED = 1 << 18, 1 << 19, 1 << 20
MNT_DETACH = 2

_ST_SAME = 1 | 2 | 4 | 8 | 1024 | 2048  # these ST_ flags of statvfs are the MS_ flags of mount
_ST_RELATIME, _MS_RELATIME = 4096, 1 << 21
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 1, 4, 36
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Leave the namespaces in `flags` for new ones."""
    _check(_libc.unshare(flags), "unshare")


def mount(source: str, target: Path, kind: str = "", flags: int = 0, data: str = "") -> None:
    """Mount `source` at `target`."""
    result = _libc.mount(
        source.encode(), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), data.encode()
    )
    _check(result, f"mount {source} at {target}")


def unmount(target: Path) -> None:
    """Take what is mounted at `target` out of sight at once; whoever uses it still may."""
    _check(_libc.umount2(os.fsencode(target), MNT_DETACH), f"umount {target}")


def bind(source: Path, target: Path, *, writable: bool = False, extra: int = 0) -> None:
    """Show `source` (a file, or a folder with all that is mounted in it) at `target` too."""
    mount(str(source), target, flags=MS_BIND | MS_REC)
    if writable and not extra:
        return
    for point in _mounted_below(target):
        # What the host has restricted stays so: leaving such a flag out is refused.
        said = os.statvfs(point).f_flag
        kept = said & _ST_SAME | (_MS_RELATIME if said & _ST_RELATIME else 0)
        flags = kept | extra | (0 if writable else MS_RDONLY)
        with contextlib.suppress(PermissionError):
            mount("none", point, flags=MS_BIND | MS_REMOUNT | flags)


def pivot(root: Path) -> None:
    """Make `root` (a mount point) the root, and take the old one away."""
    os.chdir(root)
    number = _SYS_PIVOT_ROOT.get(os.uname().machine)
    if number is None:
        raise OSError(f"pivot_root is not known on {os.uname().machine}")
    _check(_libc.syscall(number, b".", b"."), "pivot_root")
    unmount(Path())
    os.chdir("/")


def die_with_parent(signal_number: int) -> None:
    """Have the kernel send `signal_number` when the process that made us ends."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl")


def adopt_orphans() -> None:
    """Become the parent of every descendant that loses its own, as process 1 is by nature."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")


def be_visible() -> None:
    """Let /proc/self belong to us again, after a change of user."""
    _check(_libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0), "prctl")


def set_hostname(name: str) -> None:
    """Set the host name of this UTS namespace."""
    raw = name.encode()[:64]
    _check(_libc.sethostname(raw, len(raw)), "sethostname")


def map_ids(process: int, user: int, group: int, count: int) -> None:
    """Make 0 to `count` in the new user namespace of `process` those from `user` and `group` on."""
    folder = Path(f"/proc/{process}")
    if count == 1:
        (folder / "setgroups").write_text("deny", encoding="ascii")
    (folder / "uid_map").write_text(f"0 {user} {count}\n", encoding="ascii")
    (folder / "gid_map").write_text(f"0 {group} {count}\n", encoding="ascii")


def _mounted_below(target: Path) -> list[Path]:
    """`target` and every mount point below it, as this process sees them."""
    top = os.path.realpath(target)
    points = []
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        point = line.split()[4].encode().decode("unicode_escape")
        if point == top or point.startswith(f"{top}/"):
            points.append(Path(point))
    return sorted(set(points))
