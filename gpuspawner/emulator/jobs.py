"""Slow work on machines, one piece after the other for each machine, beside the API calls."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol


class MachineHost(Protocol):
    """What plays the machines: `gpuspawner.emulator.machine` in the demo, a recorder in tests."""

    @property
    def separation(self) -> str:
        """In a sentence: what is kept apart between machines, and what is not."""

    def boot(
        self, machine_id: str, *, address: str, user_data: bytes, volumes: Mapping[str, Path]
    ) -> None:
        """Switch it on, for the first time or again; `volumes` is volume id to folder."""

    def attach(self, machine_id: str, volume_id: str, folder: Path) -> None:
        """Plug a volume into a machine that is on."""

    def detach(self, machine_id: str, volume_id: str) -> None:
        """Pull a volume out of a machine that is on."""

    def power_off(self, machine_id: str, *, timeout: float = 10) -> None:
        """Press the power button, wait, pull the plug."""

    def reboot(self, machine_id: str) -> None:
        """Switch it off and on."""

    def destroy(self, machine_id: str) -> None:
        """Remove it with its root folder."""

    def console(self, machine_id: str) -> str:
        """What it has written to its console so far."""

    def close(self) -> None:
        """End every machine."""


class NoMachines:
    """A host for the API alone: machines are only entries in a list."""

    @property
    def separation(self) -> str:
        """There is nothing to keep apart."""
        return "No machine is booted: machines are only entries in a list."

    def boot(
        self, machine_id: str, *, address: str, user_data: bytes, volumes: Mapping[str, Path]
    ) -> None:
        """Do nothing."""

    def attach(self, machine_id: str, volume_id: str, folder: Path) -> None:
        """Do nothing."""

    def detach(self, machine_id: str, volume_id: str) -> None:
        """Do nothing."""

    def power_off(self, machine_id: str, *, timeout: float = 10) -> None:
        """Do nothing."""

    def reboot(self, machine_id: str) -> None:
        """Do nothing."""

    def destroy(self, machine_id: str) -> None:
        """Do nothing."""

    def console(self, machine_id: str) -> str:  # noqa: ARG002 - there is none to ask
        """Nothing has been written."""
        return ""

    def close(self) -> None:
        """Do nothing."""


Work = Callable[[], None]
Done = Callable[[BaseException | None], None]


class Jobs:
    """Runs work in the order it was given, a thread for each machine that has some.

    Args:
        inline: run it at once in the caller's thread, for a host that does nothing.
    """

    def __init__(self, *, inline: bool = False) -> None:
        self._inline = inline
        self._lock = threading.Lock()
        self._queues: dict[str, deque[tuple[Work, Done]]] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._closed = False

    def submit(self, machine_id: str, work: Work, done: Done) -> None:
        """Run `work` after all earlier work for this machine, then `done` with its error, if any."""
        if self._inline:
            _run(work, done)
            return
        with self._lock:
            if self._closed:
                return
            queue = self._queues.get(machine_id)
            if queue is not None:
                queue.append((work, done))
                return
            self._queues[machine_id] = deque([(work, done)])
            name = f"machine {machine_id}"
            thread = threading.Thread(
                target=self._drain, args=(machine_id,), name=name, daemon=True
            )
            self._threads[machine_id] = thread
            thread.start()

    def close(self) -> None:
        """Begin nothing more; what has begun goes on."""
        with self._lock:
            self._closed = True
            for queue in self._queues.values():
                queue.clear()

    def wait(self, seconds: float) -> None:
        """Wait for what has begun, so long at most for each machine."""
        for thread in list(self._threads.values()):
            thread.join(seconds)

    def _drain(self, machine_id: str) -> None:
        while True:
            with self._lock:
                queue = self._queues[machine_id]
                if not queue:
                    del self._queues[machine_id]
                    self._threads.pop(machine_id, None)
                    return
                work, done = queue.popleft()
            _run(work, done)


def _run(work: Work, done: Done) -> None:
    error: BaseException | None = None
    try:
        work()
    except Exception as raised:  # noqa: BLE001 - it is recorded as an event of the machine
        error = raised
    done(error)
