"""EBS volumes: folders on this host, plugged into the machines they are attached to.

An attachment is `attaching` for a moment, and `detaching` until the machine has let go of the
folder, so that no folder is ever in two machines.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gpuspawner.emulator import ec2_moto as border
from gpuspawner.emulator.bill import Bill
from gpuspawner.emulator.clock_ import Clock, moment
from gpuspawner.emulator.faults import Faults
from gpuspawner.emulator.jobs import Jobs, MachineHost


class Volumes:
    """All volumes of one account and region. Everything here runs under the world's lock."""

    def __init__(
        self,
        backend: Any,
        folder: Path,
        clock: Clock,
        lock: threading.RLock,
        faults: Faults,
        bill: Bill,
        jobs: Jobs,
        host: MachineHost,
    ) -> None:
        self._backend = backend
        self._folder = folder
        self._clock = clock
        self._lock = lock
        self._faults = faults
        self._bill = bill
        self._jobs = jobs
        self._host = host
        self._attaching: dict[str, float] = {}
        self.created_at: dict[str, float] = {}

    def created(self, volume: Any, *, root: bool = False) -> None:
        """A volume has been made; a root disk is the host's business and has no folder here."""
        now = self._clock.now()
        self.created_at[volume.id] = now
        # The listing and the bill begin in the same second, whatever the clock did in between.
        border.set_create_time(volume, moment(now))
        self._bill.disk_exists(volume.id, volume.volume_type, int(volume.size), now)
        if not root:
            self.path(volume.id).mkdir(parents=True, exist_ok=True)

    def path(self, volume_id: str) -> Path:
        """Where the volume's files are."""
        return self._folder / volume_id

    def folders(self, machine_id: str) -> dict[str, Path]:
        """The data volumes of a machine and their folders, for its boot."""
        return {
            volume.id: self.path(volume.id)
            for volume in self._backend.volumes.values()
            if volume.attachment is not None
            and volume.attachment.instance.id == machine_id
            and volume.attachment.status != "detaching"
            and self.path(volume.id).is_dir()
        }

    def deleted(self, volume_id: str, at: float) -> None:
        """The volume no longer exists, and neither do its files."""
        self._bill.disk_is_gone(volume_id, at)
        self.created_at.pop(volume_id, None)
        shutil.rmtree(self.path(volume_id), ignore_errors=True)

    def attached(self, volume: Any, *, running: bool) -> None:
        """The attachment has been accepted; a running machine gets the folder now, another at boot."""
        machine_id = volume.attachment.instance.id
        volume.attachment.status = "attaching"
        self._attaching[volume.id] = self._clock.now() + self._faults.settings.times.attaching
        if running:
            folder = self.path(volume.id)
            self._jobs.submit(
                machine_id, lambda: self._host.attach(machine_id, volume.id, folder), _ignore
            )

    def detach(self, volume: Any, *, on: bool) -> None:
        """Begin to take the volume from its machine; `on` is whether that machine has the folder."""
        attachment = volume.attachment
        attachment.status = "detaching"
        self._attaching.pop(volume.id, None)
        if not on:
            self._let_go(volume, attachment)
            return
        machine_id = attachment.instance.id
        self._jobs.submit(
            machine_id,
            lambda: self._host.detach(machine_id, volume.id),
            lambda _: self._let_go(volume, attachment),
        )

    def release(self, instance: Any, terminate: Callable[[], None], at: float) -> None:
        """`terminate` the instance: its root goes with it, its data volumes become available."""
        mine = {block.volume_id for _, block in instance.get_block_device_mapping}
        terminate()
        for volume_id in mine - self._backend.volumes.keys():
            self.deleted(volume_id, at)
        for volume_id in mine:
            self._attaching.pop(volume_id, None)

    def settle(self) -> None:
        """Make attachments that were `attaching` long enough `attached`."""
        now = self._clock.now()
        for volume_id, due in list(self._attaching.items()):
            if due <= now:
                del self._attaching[volume_id]
                volume = self._backend.volumes.get(volume_id)
                if volume is not None and volume.attachment is not None:
                    volume.attachment.status = "attached"

    def _let_go(self, volume: Any, attachment: Any) -> None:
        with self._lock:
            if volume.attachment is attachment:
                self._backend.detach_volume(volume.id, attachment.instance.id, attachment.device)


def _ignore(_: BaseException | None) -> None:
    """A machine that cannot take a folder says so in its own console."""
