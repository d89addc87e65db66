"""The machine's own disk: folders, accounts, mount points, and the emulator's commands.

Whoever was root on the machine may have left links on it that lead anywhere on the host. So it is
only ever written to from inside: below a `chroot` to it, or as a user who may write nothing else.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import uuid
from dataclasses import dataclass
from pathlib import Path

from gpuspawner.emulator.machine_image import PACKAGE, TOOLS, Image

SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32")
ETC = (
    "alternatives",
    "bash.bashrc",
    "debian_version",
    "fonts",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "pki",
    "profile",
    "protocols",
    "resolv.conf",
    "services",
    "ssl",
    "terminfo",
    "timezone",
)
"""What a program needs of the host's /etc: no accounts, no keys, nothing of the host's own."""

OWN = (
    "home",
    "root",
    "tmp",
    "var/tmp",
    "var/log",
    "var/lib",
    "run",
    "etc",
    "proc",
    "sys",
    "dev",
    "mnt",
)
POWER = ("systemctl", "poweroff", "reboot", "halt", "shutdown")
STATE = "var/lib/gpuspawner-emulator"
CONSOLE = "console.log"
"""A machine's console, in the folder beside its disk."""


@dataclass(frozen=True)
class Blueprint:
    """What goes on a disk, read from the host before the disk is entered.

    `shown` is what is mounted read-only over the disk: path in the machine to path on the host;
    `folders` which of them are folders; `links` the links that the host has at its root.
    """

    hostname: str
    tools: dict[str, str]
    shown: dict[str, Path]
    folders: frozenset[str]
    links: dict[str, str]


def draw(hostname: str, image: Image, *, root: str, mode: str) -> Blueprint:
    """The blueprint for a machine whose paths begin at `root` (empty: at `/`)."""
    shown: dict[str, Path] = {}
    links: dict[str, str] = {}
    for name in SYSTEM:
        path = Path("/") / name
        if path.is_symlink():
            links[name] = str(path.readlink())
        elif path.is_dir():
            shown[name] = path
    shown.update(
        {f"etc/{name}": Path("/etc") / name for name in ETC if (Path("/etc") / name).exists()}
    )
    shown.update({inside.lstrip("/"): Path(outside) for inside, outside in image.folders.items()})
    tools = {
        name: text.replace("@ROOT@", root).replace("@PYTHON@", image.python).replace("@MODE@", mode)
        for name, text in _read_tools().items()
    }
    if mode == "plain":
        shown, links = {}, {}
    folders = frozenset(inside for inside, outside in shown.items() if outside.is_dir())
    return Blueprint(hostname, tools, shown, folders, links)


def make(root: Path, blueprint: Blueprint) -> None:
    """Make the disk below `root`, or refresh it: safe at every boot, keeps what people changed."""
    for name in OWN:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in ("tmp", "var/tmp"):
        (root / name).chmod(0o1777)
    put(root / "etc/passwd", "root:x:0:0:root:/root:/bin/bash\n", keep=True)
    put(root / "etc/group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n", keep=True)
    put(root / "etc/hostname", f"{blueprint.hostname}\n")
    put(root / "etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {blueprint.hostname}\n")
    boot_id = uuid.UUID(bytes=secrets.token_bytes(16), version=4)
    put(root / STATE / "boot_id", f"{boot_id}\n")
    for name, text in blueprint.tools.items():
        put(root / TOOLS.lstrip("/") / name, text, mode=0o755)
    for inside in blueprint.shown:
        if inside in blueprint.folders:
            (root / inside).mkdir(parents=True, exist_ok=True)
        elif not (root / inside).exists():
            put(root / inside, "")
    for name, target in blueprint.links.items():
        with contextlib.suppress(FileExistsError):
            (root / name).symlink_to(target)


def make_plain(root: Path) -> None:
    """What the kernel would show in a machine with namespaces of its own: devices and boot id."""
    for name in (
        "dev/disk/by-id",
        "dev/disk/azure/scsi1",
        "dev/ebs",
        "proc/sys/kernel/random",
        "run",
    ):
        (root / name).mkdir(parents=True, exist_ok=True)
    boot_id = (root / STATE / "boot_id").read_text(encoding="ascii")
    put(root / "proc/sys/kernel/random/boot_id", boot_id)


def _read_tools() -> dict[str, str]:
    tools = {}
    for source in (PACKAGE / "emulator" / "commands").iterdir():
        if source.name.startswith("_") or not source.is_file():
            continue
        text = source.read_text(encoding="utf-8")
        for name in POWER if source.name == "systemctl" else (source.name,):
            tools[name] = text
    return tools


def put(path: Path, text: str, *, mode: int = 0o644, keep: bool = False) -> None:
    """Write `text` to `path` anew, whatever was there; with `keep` only if nothing was."""
    if keep and path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)


def read_console(folder: Path) -> str:
    """The last 64 KiB of what the machine in `folder` has written to its console."""
    path = folder / CONSOLE
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - (64 << 10)))
        return file.read().decode(errors="replace")
