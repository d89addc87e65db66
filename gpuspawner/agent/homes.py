"""The student's home: found, formatted if and only if there is nothing on it, mounted, handed over."""

from __future__ import annotations

import logging
from pathlib import Path

from gpuspawner.agent.commands import CommandFailed, run, succeeds

UID = 1000
"""The student's number: files on the home carry it, so it is the same in every image."""

BLANK_BYTES = 1 << 20

log = logging.getLogger(__name__)


class HomeFailed(Exception):
    """The home cannot be used; says why, for the admin."""


class Home:
    """The home directory of `user` on the machine below `root`."""

    def __init__(self, root: Path, user: str) -> None:
        self.user = user
        self.folder = root / "home" / user
        self._root = root

    def device(self, name: str) -> Path:
        """Where the device that the controller calls `name` is on this machine."""
        return self._root / name.lstrip("/")

    def is_there(self, name: str) -> bool:
        """Whether the device has appeared: a disk that is attached takes seconds to."""
        return self.device(name).exists()

    def prepare(self, name: str) -> None:
        """Make the home usable: safe to repeat after a reboot or a crash, at any point.

        Raises:
            HomeFailed: see the text; nothing on the disk has been harmed.
        """
        try:
            self._add_user()
            self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            if not self.is_mounted():
                device = self.device(name)
                if self._is_empty(device):
                    log.info("making a file system on %s", device)
                    run(["mkfs.ext4", "-q", "-m", "0", "-L", "home", str(device)], timeout=600)
                run(["mount", "-o", "nosuid,nodev", str(device), str(self.folder)])
            run(["chown", f"{self.user}:{self.user}", str(self.folder)])
            self.folder.chmod(0o700)
        except (CommandFailed, OSError) as error:
            raise HomeFailed(str(error)) from error

    def is_mounted(self) -> bool:
        """Whether something is mounted at the home directory."""
        return succeeds(["mountpoint", "-q", str(self.folder)])

    def release(self) -> None:
        """Have everything on the disk, and unmount if nothing holds it. Never raises.

        A home that is still in use is flushed all the same: what was written is safe, and the
        journal covers the rest.
        """
        try:
            run(["sync"])
            if self.is_mounted():
                run(["umount", str(self.folder)])
        except CommandFailed as error:
            log.warning("%s", error)

    def _add_user(self) -> None:
        if succeeds(["id", "-u", self.user]):
            return
        options = ["--uid", str(UID), "--user-group", "--no-create-home", "--shell", "/bin/bash"]
        run(["useradd", *options, "--home-dir", f"/home/{self.user}", self.user])

    def _is_empty(self, device: Path) -> bool:
        """Whether nothing at all is on `device`.

        Exit status 2 of `blkid` means "nothing found", and "could not look" as well. So we look
        ourselves too: a new disk reads as zeros on both clouds.
        """
        status, said = run(["blkid", "-p", str(device)], accept=(0, 2))
        if status == 0:
            return False
        with device.open("rb") as file:
            if said.strip() or any(file.read(BLANK_BYTES)):
                raise HomeFailed(f"{device} holds something that is not a file system we know")
        return True
