"""The host's side of one machine, a process of its own: `python -m … < control`.

The first line on its standard input says what to boot. Further lines attach and detach volumes, or
are `off`. When the input ends, because the host has, everything ends at once.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from gpuspawner.emulator import machine_disk as disks
from gpuspawner.emulator import machine_kernel as kernel
from gpuspawner.emulator import machine_root as roots
from gpuspawner.emulator.machine_image import TOOLS, Image
from gpuspawner.emulator.machine_init import CRASHED, POWER_OFF, REBOOT, Init, Unit

USER_DATA = "var/lib/cloud/instance/user-data.txt"


def main() -> int:
    """Run the machine that standard input describes; how it ended (see `machine_init`)."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            return CRASHED
        line += byte
    spec = json.loads(line)
    os.umask(0o022)
    return _run_plain(spec) if spec["mode"] == "plain" else _run_apart(spec)


def _run_plain(spec: dict[str, Any]) -> int:
    disk = Path(spec["disk"])
    if spec["uid"] is not None:
        _become(spec["uid"])
    kernel.adopt_orphans()
    image = Image.from_json(spec["image"])
    blueprint = disks.draw(spec["hostname"], image, root=str(disk), mode="plain")
    disks.make(disk, blueprint)
    disks.make_plain(disk)
    _write_user_data(disk, spec)
    obey = _obeyer(
        lambda v, f: roots.attach_plain(disk, v, f), lambda v: roots.detach_plain(disk, v)
    )
    for volume, folder in spec["volumes"].items():
        roots.attach_plain(disk, volume, Path(folder))
    return _init(disk, image, control=0, obey=obey, mode="plain").run()


def _run_apart(spec: dict[str, Any]) -> int:
    disk = Path(spec["disk"])
    image = Image.from_json(spec["image"])
    blueprint = disks.draw(spec["hostname"], image, root="", mode=spec["mode"])
    owner = int(spec["uid"] or 0)
    kernel.adopt_orphans()
    if spec["mode"] == "single":
        uid, gid = os.geteuid(), os.getegid()
        kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS)
        kernel.map_ids(os.getpid(), uid, gid, 1)
    else:
        kernel.unshare(kernel.CLONE_NEWNS)
    _in_child(lambda: _furnish(disk, blueprint, spec, owner))
    roots.mount_outside(disk, blueprint.shown, owner)
    os.chdir(disk)
    for volume, folder in spec["volumes"].items():
        roots.attach(disk, volume, Path(folder))
    reader, writer = os.pipe()
    process = _fork_apart(spec, disk, image, (reader, writer))
    os.close(reader)
    obey = _obeyer(lambda v, f: roots.attach(disk, v, f), lambda v: roots.detach(disk, v))
    _relay(process, writer, obey)
    return _wait_for_all(process)


def _furnish(disk: Path, blueprint: disks.Blueprint, spec: dict[str, Any], owner: int) -> None:
    """Write to the disk from inside it: links that a former root left there lead nowhere else."""
    os.chroot(disk)
    os.chdir("/")
    if owner:
        _become(owner)
    disks.make(Path("/"), blueprint)
    _write_user_data(Path("/"), spec)


def _fork_apart(spec: dict[str, Any], disk: Path, image: Image, control: tuple[int, int]) -> int:
    """Fork into namespaces of the machine's own; the id of the process that stands for it."""
    ready, go = os.pipe(), os.pipe()
    process = os.fork()
    if process == 0:
        kernel.die_with_parent(signal.SIGKILL)
        apart = kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS | kernel.CLONE_NEWPID
        kernel.unshare(apart | kernel.CLONE_NEWUTS | kernel.CLONE_NEWIPC)
        os.write(ready[1], b"r")
        if os.read(go[0], 1) != b"g":
            os._exit(CRASHED)
        # The control's other end above all: it must end when the host does.
        for fd in (*ready, *go, control[1]):
            os.close(fd)
        _stand_for_machine(spec, disk, image, control[0])
    os.read(ready[0], 1)
    owner = int(spec["uid"] or 0)
    kernel.map_ids(process, owner, owner, int(spec["ids"]))
    os.write(go[1], b"g")
    for fd in (*ready, *go):
        os.close(fd)
    return process


def _stand_for_machine(spec: dict[str, Any], disk: Path, image: Image, reader: int) -> NoReturn:
    """Fork process 1 of the machine and end as it ends."""
    _become(0, groups=spec["mode"] == "full")
    kernel.die_with_parent(signal.SIGKILL)
    process = os.fork()
    if process:
        os.close(reader)
        os._exit(_ended(os.waitpid(process, 0)[1]))
    code = CRASHED
    try:
        kernel.die_with_parent(signal.SIGKILL)
        kernel.be_visible()
        kernel.set_hostname(spec["hostname"])
        roots.mount_inside(Path("..") / disk.name)
        code = _init(Path("/"), image, control=reader, obey=_ignore, mode=spec["mode"]).run()
    except OSError as error:
        sys.stderr.write(f"init: cannot boot: {error}\n")
    finally:
        os._exit(code)


def _init(
    root: Path, image: Image, *, control: int, obey: Callable[[bytes], None], mode: str
) -> Init:
    tools = str(root / TOOLS.lstrip("/"))
    return Init(
        root,
        Unit(Path(image.unit).read_text(encoding="utf-8")),
        image.search_path(tools),
        environment=image.environment(),
        control=control,
        obey=obey,
        alone=mode != "plain",
        sudo=mode != "plain",
    )


def _relay(process: int, writer: int, obey: Callable[[bytes], None]) -> None:
    """Hand on what the host says until it says no more, or until the machine has ended."""
    ended = os.pidfd_open(process)
    rest = b""
    while ended not in (ready := select.select([0, ended], [], [])[0]):
        said = os.read(0, 65536) if 0 in ready else b""
        if not said:
            os.kill(process, signal.SIGKILL)
            return
        *lines, rest = (rest + said).split(b"\n")
        for line in lines:
            if line == b"off":
                os.write(writer, b"off\n")
            else:
                obey(line)


def _obeyer(
    attach: Callable[[str, Path], None], detach: Callable[[str], None]
) -> Callable[[bytes], None]:
    def obey(line: bytes) -> None:
        said = json.loads(line)
        try:
            if "attach" in said:
                attach(said["attach"], Path(said["folder"]))
            else:
                detach(said["detach"])
        except OSError as error:
            sys.stderr.write(f"host: {error}\n")

    return obey


def _ignore(line: bytes) -> None:
    del line


def _write_user_data(root: Path, spec: dict[str, Any]) -> None:
    """As cloud-init leaves it: for root alone."""
    disks.put(root / USER_DATA, spec["user_data"], mode=0o600)


def _become(uid: int, *, groups: bool = True) -> None:
    """Become user and group `uid`, for good."""
    if groups:
        os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def _in_child(work: Callable[[], None]) -> None:
    """Do `work` in a process of its own, since it gives up rights for good.

    Raises:
        OSError: it failed; standard error says why.
    """
    process = os.fork()
    if process == 0:
        code = 1
        try:
            work()
            code = 0
        except OSError as error:
            sys.stderr.write(f"host: cannot write the disk: {error}\n")
        finally:
            os._exit(code)
    if os.waitpid(process, 0)[1] != 0:
        raise OSError("the machine's disk cannot be written")


def _wait_for_all(process: int) -> int:
    """How `process` ended, once nothing of it is left."""
    end = CRASHED
    while True:
        try:
            ended, status = os.waitpid(-1, 0)
        except ChildProcessError:
            return end
        if ended == process:
            end = _ended(status)


def _ended(status: int) -> int:
    """How a machine ended whose process 1 has this wait status.

    The kernel answers the system call `reboot` in a PID namespace by these signals (reboot(2)).
    """
    code = os.waitstatus_to_exitcode(status)
    return {-signal.SIGHUP: REBOOT, -signal.SIGINT: POWER_OFF}.get(
        code, code if code >= 0 else CRASHED
    )


if __name__ == "__main__":
    raise SystemExit(main())
