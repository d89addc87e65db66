"""Boots machines as processes: each with a disk, an address and an agent of its own.

A machine is what it would be on EC2 as far as the agent and the student can tell: they boot, mount
volumes, serve, reboot and power off. Below it is this computer's own system, read-only, in
namespaces where the kernel allows (`MachineHost.separation` says what holds).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gpuspawner.emulator import machine_separation
from gpuspawner.emulator.machine_disk import CONSOLE, read_console
from gpuspawner.emulator.machine_image import PACKAGE, Image, host_image
from gpuspawner.emulator.machine_init import POWER_OFF, REBOOT

_DEVICE_BYTES = 64 << 10
_KILL_SECONDS = 20.0


@dataclass
class _Machine:
    """What is known of one machine; `expected` is whether we asked for its end."""

    spec: dict[str, object]
    volumes: dict[str, Path]
    process: subprocess.Popen[bytes] | None = None
    watcher: threading.Thread | None = None
    expected: bool = False
    lock: threading.RLock = field(default_factory=threading.RLock)


class MachineHost:
    """Runs machines below `root`; safe to call from any thread.

    Args:
        root: a folder for the machines' disks and consoles.
        on_power: called from a thread with the machine's id and `poweroff` or `crashed` when a
            machine has ended by itself; a machine that reboots itself just boots again.
        image: what machines are made of; by default this computer and this Python.
        namespaces: whether to use the kernel's namespaces if it allows.

    Raises:
        NoSeparation: see `machine_separation.find`.
    """

    def __init__(
        self,
        root: Path,
        on_power: Callable[[str, str], None],
        *,
        image: Image | None = None,
        namespaces: bool = True,
    ) -> None:
        self._root = root.absolute()
        self._root.mkdir(parents=True, exist_ok=True)
        self._on_power = on_power
        self._image = image or host_image()
        self._how = machine_separation.find(self._image.python, self._root, namespaces=namespaces)
        self._machines: dict[str, _Machine] = {}
        self._lock = threading.Lock()

    @property
    def separation(self) -> str:
        """In a sentence: what is kept apart, and what is not."""
        return self._how.sentence

    def boot(
        self, machine_id: str, *, address: str, user_data: bytes, volumes: Mapping[str, Path]
    ) -> None:
        """Boot the machine, for the first time or again; returns at once.

        Args:
            machine_id: the EC2 instance id; also its host name.
            address: its own address, anything in 127.0.0.0/8.
            user_data: what its agent finds.
            volumes: the EBS volumes attached to it, id to folder.

        Raises:
            ValueError: it is running, or the id cannot be a host name.
        """
        if not machine_id.replace("-", "").isalnum():
            raise ValueError(f"not an id of a machine: {machine_id!r}")
        with self._lock:
            machine = self._machines.get(machine_id)
            if machine is None:
                machine = self._machines[machine_id] = _Machine({}, {})
        with machine.lock:
            if machine.process is not None:
                raise ValueError(f"{machine_id} is running")
            machine.spec = self._spec(machine_id, address, user_data)
            machine.volumes = dict(volumes)
            self._start(machine_id, machine)

    def attach(self, machine_id: str, volume_id: str, folder: Path) -> None:
        """Attach a volume while the machine runs: its disk appears in a moment.

        Nothing happens to a machine that is off: `boot` is told all its volumes.
        """
        machine = self._machines.get(machine_id)
        if machine is None:
            return
        with machine.lock:
            machine.volumes[volume_id] = folder
            self._prepare(machine, folder)
            self._tell(machine, {"attach": volume_id, "folder": str(folder.absolute())})

    def detach(self, machine_id: str, volume_id: str) -> None:
        """Detach a volume; an unknown one is detached already."""
        machine = self._machines.get(machine_id)
        if machine is None:
            return
        with machine.lock:
            if machine.volumes.pop(volume_id, None) is not None:
                self._tell(machine, {"detach": volume_id})

    def power_off(self, machine_id: str, *, timeout: float = 10) -> None:
        """Have the machine go down, for `timeout` seconds at most; returns when nothing is left."""
        machine = self._machines.get(machine_id)
        if machine is None:
            return
        with machine.lock:
            process, watcher = machine.process, machine.watcher
            machine.expected = True
            self._tell(machine, None)
        if process is None:
            return
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._cut(machine, process)
        if watcher is not None and watcher is not threading.current_thread():
            watcher.join(_KILL_SECONDS)

    def reboot(self, machine_id: str, *, timeout: float = 10) -> None:
        """Have the machine go down and boot again."""
        self.power_off(machine_id, timeout=timeout)
        machine = self._machines[machine_id]
        with machine.lock:
            if machine.process is None:
                self._start(machine_id, machine)

    def destroy(self, machine_id: str) -> None:
        """End the machine as if the power were cut, and remove its disk; its volumes stay."""
        self.power_off(machine_id, timeout=0)
        with self._lock:
            self._machines.pop(machine_id, None)
        shutil.rmtree(self._folder(machine_id), ignore_errors=True)

    def console(self, machine_id: str) -> str:
        """What the machine's init and agent have printed, the last 64 KiB of it."""
        return read_console(self._folder(machine_id))

    def close(self) -> None:
        """Cut the power of every machine; returns when none of their processes is left."""
        for machine_id in list(self._machines):
            self.power_off(machine_id, timeout=0)

    def _spec(self, machine_id: str, address: str, user_data: bytes) -> dict[str, object]:
        uid = self._how.uid
        if uid is not None and self._how.mode == "plain":
            uid += zlib.crc32(machine_id.encode()) % 20_000
        return {
            "mode": self._how.mode,
            "uid": uid,
            "ids": self._how.ids,
            "hostname": machine_id,
            "address": address,
            "disk": str(self._folder(machine_id) / "disk"),
            "image": self._image.to_json(),
            "user_data": user_data.decode(),
        }

    def _start(self, machine_id: str, machine: _Machine) -> None:
        folder = self._folder(machine_id)
        disk = folder / "disk"
        disk.mkdir(parents=True, exist_ok=True)
        if isinstance(uid := machine.spec["uid"], int):
            os.chown(disk, uid, uid)
        for volume in machine.volumes.values():
            self._prepare(machine, volume)
        with (folder / CONSOLE).open("ab") as console:
            machine.process = subprocess.Popen(
                [self._image.python, "-m", f"{__package__}.machine_process"],
                stdin=subprocess.PIPE,
                stdout=console,
                stderr=console,
                cwd="/",
                env={"PYTHONPATH": str(PACKAGE.parent), "PATH": os.defpath},
                start_new_session=True,
            )
        machine.expected = False
        volumes = {name: str(path.absolute()) for name, path in machine.volumes.items()}
        self._tell(machine, {**machine.spec, "volumes": volumes})
        machine.watcher = threading.Thread(
            target=self._watch, args=(machine_id, machine, machine.process), daemon=True
        )
        machine.watcher.start()

    def _watch(self, machine_id: str, machine: _Machine, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        with machine.lock:
            expected = machine.expected
            if process.stdin is not None:
                process.stdin.close()
            machine.process = None
            if code == REBOOT and not expected:
                self._start(machine_id, machine)
                return
        if not expected:
            self._on_power(machine_id, "poweroff" if code == POWER_OFF else "crashed")

    def _tell(self, machine: _Machine, said: Mapping[str, object] | None) -> None:
        """Say one line to the machine's process, if there is one; None is `off`."""
        if machine.process is None or machine.process.stdin is None:
            return
        line = b"off" if said is None else json.dumps(said).encode()
        try:
            machine.process.stdin.write(line + b"\n")
            machine.process.stdin.flush()
        except (BrokenPipeError, ValueError):
            return

    def _cut(self, machine: _Machine, process: subprocess.Popen[bytes]) -> None:
        """Cut the power: its process ends all others when its input ends."""
        with machine.lock:
            if process.stdin is not None:
                process.stdin.close()
        try:
            process.wait(_KILL_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _prepare(self, machine: _Machine, folder: Path) -> None:
        """Make a volume's folder a blank disk if it is new, and the machine's own if it is not."""
        device = folder / "device"
        if not os.path.lexists(device):
            with device.open("wb") as file:
                file.truncate(_DEVICE_BYTES)
        uid = machine.spec["uid"]
        if isinstance(uid, int) and folder.stat().st_uid != uid:
            _give(folder, uid, everything=self._how.mode == "plain")

    def _folder(self, machine_id: str) -> Path:
        return self._root / machine_id


def _give(folder: Path, uid: int, *, everything: bool) -> None:
    """Hand `folder` and what root owns in it (or `everything`) to `uid`; follows no link."""
    for path, folders, files in os.walk(folder, topdown=False):
        for name in (*folders, *files):
            child = Path(path) / name
            if everything or child.lstat().st_uid == 0:
                os.lchown(child, uid, uid)
    os.lchown(folder, uid, uid)
    folder.chmod(0o700)
