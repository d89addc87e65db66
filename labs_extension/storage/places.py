"""What is in the home and what is not: room, files on temporary disks, packages of an older Python."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from labs_extension.kernels.launch import PATH_FILE

MOST_ENTRIES = 20_000
MOST_SHOWN = 10
_PROGRAMS = (".", "tmp", "pip-", "npm-", "jupyter", "hsperfdata", "gpuspawner-course-")
"""How the names begin that programs give to files of their own, in a folder for temporary files."""


@dataclass(frozen=True)
class Found:
    """A file or a folder of the student's outside of the home, and how much is in it."""

    path: str
    bytes: int


@dataclass(frozen=True)
class LeftBehind:
    """Packages that were installed for an environment that the machine does not have any more."""

    environment: str
    packages: tuple[str, ...]


def room(home: Path) -> dict[str, int] | None:
    """Bytes of the home's disk, in all and free; None when it cannot be asked."""
    try:
        usage = shutil.disk_usage(home)
    except OSError:
        return None
    return {"total_bytes": usage.total, "free_bytes": usage.free}


def temporary(folders: Sequence[str], user: int, least: int) -> list[Found]:
    """What `user` has in these folders, the largest first.

    Args:
        folders: of temporary disks; those that are not there count not.
        user: the number whose files are looked for.
        least: bytes from which on something is worth a word.
    """
    found = []
    for folder in folders:
        for entry in _entries(folder, user):
            size = _size(entry, user)
            if size >= least:
                found.append(Found(entry.path, size))
    return sorted(found, key=lambda one: (-one.bytes, one.path))[:MOST_SHOWN]


def left_behind(folder: Path) -> list[LeftBehind]:
    """The environments in `folder` whose own of the image is gone, with what is installed in each."""
    found = []
    for file in sorted(folder.glob(f"*/lib/python*/site-packages/{PATH_FILE}")):
        with suppress(OSError):
            images = re.findall(r"'([^']+)'", file.read_text(encoding="utf-8"))
            names = sorted(one.name.split("-")[0] for one in file.parent.glob("*.dist-info"))
            if names and not any(Path(one).is_dir() for one in images):
                found.append(LeftBehind(file.parents[3].name, tuple(names)))
    return found


def _entries(folder: str, user: int) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith(_PROGRAMS) and _is_of(entry, user):
                    yield entry
    except OSError:
        return


def _size(entry: os.DirEntry[str], user: int) -> int:
    """Bytes on the disk, of at most `MOST_ENTRIES` files; no link is followed."""
    total, left, waiting = 0, MOST_ENTRIES, [entry]
    while waiting and left:
        one, left = waiting.pop(), left - 1
        try:
            said = one.stat(follow_symlinks=False)
            if stat.S_ISREG(said.st_mode):
                total += said.st_blocks * 512
            elif stat.S_ISDIR(said.st_mode):
                with os.scandir(one.path) as below:
                    waiting += [inside for inside in below if _is_of(inside, user)]
        except OSError:
            continue
    return total


def _is_of(entry: os.DirEntry[str], user: int) -> bool:
    try:
        return entry.stat(follow_symlinks=False).st_uid == user
    except OSError:
        return False
