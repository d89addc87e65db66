"""One thread that asks NVML now and then, and keeps what it said. Everybody else reads that."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from labs_extension.clock import Clock
from labs_extension.gpu.records import Snapshot, Status

HANGS = "NVML does not answer"


class Reader(Protocol):
    """What is sampled."""

    def read(self, at: float) -> Snapshot:
        """The GPUs at the time `at`. May block, also for ever."""
        ...

    def close(self) -> None:
        """Give it back."""
        ...


@dataclass(frozen=True)
class Point:
    """One device at one time, for the history; units as in `Device`."""

    at: float
    utilization: float | None
    memory_used_bytes: int | None
    power_watts: float | None
    temperature_celsius: int | None


class Sampler:
    """Samples in its own thread, so that a driver that hangs stops neither the server nor its end.

    Args:
        make: makes the reader, in the thread that will use it.
        every: seconds from one sample to the next.
        keep: seconds of history.
        patience: after how many seconds a sample that does not end counts as a driver that hangs.
    """

    def __init__(
        self,
        make: Callable[[], Reader],
        clock: Clock,
        *,
        every: float,
        keep: float,
        patience: float,
    ) -> None:
        self._make = make
        self._clock = clock
        self._every = every
        self._patience = patience
        self._points = max(1, int(keep / every))
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._fresh = threading.Event()
        self._begun: float | None = None
        self._latest: Snapshot | None = None
        self._history: dict[str, deque[Point]] = {}
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to sample."""
        # A daemon: one that hangs in the driver must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="gpu-sampler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Sample no more. Waits for a second at most: the driver may hang."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(1.0)

    def wait_for_first(self, seconds: float) -> bool:
        """Whether there is a sample, after waiting for it for `seconds` at most. Blocks."""
        return self._fresh.wait(seconds)

    def snapshot(self) -> Snapshot:
        """The last sample; never blocks. `error` when the sample under way takes too long."""
        with self._lock:
            latest, begun = self._latest, self._begun
        now = self._clock.now()
        if begun is not None and self._clock.monotonic() - begun > self._patience:
            # What was true before it hung may be so no more.
            known = latest or Snapshot(Status.ERROR, now)
            return replace(known, status=Status.ERROR, detail=HANGS)
        return latest or Snapshot(Status.ERROR, now, "no sample yet")

    def history(self) -> dict[str, list[Point]]:
        """The points of each device by its uuid, oldest first."""
        with self._lock:
            return {uuid: list(points) for uuid, points in self._history.items()}

    def sample(self, reader: Reader) -> None:
        """Take one sample now, in this thread."""
        with self._lock:
            self._begun = self._clock.monotonic()
        try:
            snapshot = reader.read(self._clock.now())
        except Exception as error:  # noqa: BLE001 - whatever it was, the thread has to go on
            snapshot = Snapshot(
                Status.ERROR, self._clock.now(), f"{type(error).__name__}: {error}"[:200]
            )
        with self._lock:
            self._begun = None
            self._latest = snapshot
            self._remember(snapshot)
        self._fresh.set()

    def _run(self) -> None:
        reader = self._make()
        while not self._stopped.is_set():
            self.sample(reader)
            self._stopped.wait(self._every)
        reader.close()

    def _remember(self, snapshot: Snapshot) -> None:
        for device in snapshot.devices:
            points = self._history.setdefault(
                device.uuid or str(device.index), deque(maxlen=self._points)
            )
            points.append(
                Point(
                    snapshot.at,
                    device.utilization,
                    device.memory_used_bytes,
                    device.power_watts,
                    device.temperature_celsius,
                )
            )
