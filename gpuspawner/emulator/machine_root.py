"""What a machine sees as `/`: its own disk, and the host's system over it, read-only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gpuspawner.emulator import machine_kernel as kernel
from gpuspawner.emulator.machine_disk import POWER, STATE
from gpuspawner.emulator.machine_image import TOOLS

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
BY_ID, BY_LUN = "dev/disk/by-id", "dev/disk/azure/scsi1"
VOLUMES = "dev/ebs"
_QUIET = kernel.MS_NOSUID | kernel.MS_NODEV


def mount_outside(disk: Path, shown: Mapping[str, Path], owner: int) -> None:
    """Mount the host's part over `disk`, in a mount namespace of our own.

    `owner` is who the machine's root is out here.
    """
    kernel.mount("none", Path("/"), flags=kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.bind(disk, disk, writable=True, extra=_QUIET)
    for inside, outside in sorted(shown.items()):
        flags = kernel.MS_NODEV if outside.is_dir() else 0
        kernel.bind(outside, disk / inside, extra=flags)
    kernel.mount("tmpfs", disk / "run", "tmpfs", _QUIET, f"mode=755,{_of(owner)}")
    _mount_devices(disk / "dev", owner)


def _mount_devices(dev: Path, owner: int) -> None:
    kernel.mount("tmpfs", dev, "tmpfs", kernel.MS_NOSUID, "mode=755,size=64m")
    for name in DEVICES:
        (dev / name).touch()
        kernel.bind(Path("/dev") / name, dev / name, writable=True)
    for gpu in (*Path("/dev").glob("nvidia*"), *Path("/dev").glob("dxg")):
        if gpu.is_char_device():
            (dev / gpu.name).touch()
            kernel.bind(gpu, dev / gpu.name, writable=True)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        (dev / name).symlink_to(f"/proc/self/fd/{number}")
    (dev / "fd").symlink_to("/proc/self/fd")
    (dev / "ptmx").symlink_to("pts/ptmx")
    for name in ("pts", "shm", "disk/by-id", "disk/azure/scsi1", "ebs"):
        (dev / name).mkdir(parents=True)
    kernel.mount("tmpfs", dev / "ebs", "tmpfs", _QUIET, f"mode=700,{_of(owner)}")
    # Shared, so that a disk attached later appears in the machine, which has a copy of this mount.
    kernel.mount("none", dev / "ebs", flags=kernel.MS_SHARED)


def mount_inside(disk: Path) -> None:
    """What the machine mounts itself, in its own namespaces; afterwards `disk` is its root.

    `disk` is `../NAME` with the disk as the current folder: the machine's root may not walk there
    from the host's root.
    """
    # While the host's own /proc is in sight: the kernel asks that nothing of it be newly revealed.
    kernel.mount("proc", disk / "proc", "proc", _QUIET | kernel.MS_NOEXEC)
    options = "newinstance,ptmxmode=0666,mode=620"
    kernel.mount("devpts", disk / "dev/pts", "devpts", kernel.MS_NOSUID | kernel.MS_NOEXEC, options)
    kernel.mount("tmpfs", disk / "dev/shm", "tmpfs", _QUIET, "mode=1777")
    kernel.bind(disk, disk, writable=True)
    kernel.pivot(disk)
    boot_id = Path("/proc/sys/kernel/random/boot_id")
    kernel.bind(Path("/") / STATE / "boot_id", boot_id, writable=True)
    _cover_power_commands()


def _cover_power_commands() -> None:
    """Put our power commands over the system's own, so that `/sbin/reboot` is this machine's.

    They are often links to one program, so ours goes by the name it is called by.
    """
    ours = Path(TOOLS) / "systemctl"
    folders = (Path("/usr/sbin"), Path("/usr/bin"), Path("/sbin"), Path("/bin"))
    found = {(folder / name).resolve() for folder in folders for name in POWER}
    for path in sorted(found):
        if path.is_file():
            kernel.bind(ours, path)


def attach(disk: Path, volume: str, folder: Path) -> None:
    """Show the volume in `folder` to the machine as a disk, running or not yet."""
    place = disk / VOLUMES / volume
    place.mkdir(exist_ok=True)
    kernel.bind(folder, place, writable=True, extra=_QUIET)
    (disk / device_path(volume)).symlink_to(f"/{VOLUMES}/{volume}/device")


def detach(disk: Path, volume: str) -> None:
    """Take the volume away; what still has it mounted keeps it until it lets go."""
    (disk / device_path(volume)).unlink(missing_ok=True)
    kernel.unmount(disk / VOLUMES / volume)


def attach_plain(disk: Path, volume: str, folder: Path) -> None:
    """The same without namespaces: links."""
    place = disk / VOLUMES / volume
    place.unlink(missing_ok=True)
    place.symlink_to(folder)
    device = disk / device_path(volume)
    device.unlink(missing_ok=True)
    device.symlink_to(place / "device")


def detach_plain(disk: Path, volume: str) -> None:
    """The same without namespaces."""
    (disk / device_path(volume)).unlink(missing_ok=True)
    (disk / VOLUMES / volume).unlink(missing_ok=True)


def _of(owner: int) -> str:
    return f"uid={owner},gid={owner}"


def device_path(volume: str) -> str:
    """Where udev links a disk: on Azure `lun0` by its number, an EBS volume by its id without the dash."""
    if volume.startswith("lun"):
        return f"{BY_LUN}/{volume}"
    return f"{BY_ID}/nvme-Amazon_Elastic_Block_Store_{volume.replace('-', '', 1)}"
