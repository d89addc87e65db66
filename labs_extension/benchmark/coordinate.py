"""Runs the workers, one device after the other, and makes one result of what they say."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeAlias

from labs_extension.benchmark.peaks import peak_of
from labs_extension.benchmark.plan import CPU, GPU, SCALES, for_device, is_able
from labs_extension.benchmark.processes import Silent, Worker
from labs_extension.benchmark.verdicts import Row, judged, overall, ratios, without_value
from labs_extension.benchmark.worker import GPU_HIDDEN
from labs_extension.clock import Clock
from labs_extension.gpu.records import Device, Snapshot, Status

Event: TypeAlias = dict[str, Any]
Start: TypeAlias = Callable[[Sequence[str], Mapping[str, str]], Worker]
NO_GPU = (Status.NO_DEVICE, Status.NO_DRIVER)


class Cancelled(Exception):
    """Somebody wants it to end."""


@dataclass
class Run:
    """One run.

    Args:
        items: what to measure, in order.
        look: reads the GPUs.
        start: starts a worker.
        tell: is told what happens, as it happens; the last is `end` with the whole result.
    """

    id: str
    items: Sequence[str]
    scale: str
    backend: str
    clock: Clock
    look: Callable[[], Snapshot]
    start: Start
    tell: Callable[[Event], None]
    data: str | None = None
    rows: list[Row] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    software: dict[str, str | None] = field(default_factory=dict)
    _worker: Worker | None = None

    def run(self) -> dict[str, Any]:
        """Measure everything, and return the result. A `Cancelled` raised within ends it early."""
        begun, started = self.clock.monotonic(), self.clock.now()
        snapshot = self.look()
        device = snapshot.devices[0] if snapshot.devices else None
        has_gpu, cancelled = snapshot.status not in NO_GPU, False
        if not has_gpu:
            self.errors.append(f"{snapshot.status.value}: {snapshot.detail or ''}"[:300])
        try:
            has_gpu = self._gpu(device) if has_gpu else self._no_gpu("no_device")
            self._measure(CPU, for_device(self.items, CPU, has_gpu=has_gpu), None)
        except Cancelled:
            cancelled = True
        finally:
            if self._worker is not None:
                self._worker.end()
        self.rows += ratios(self.rows)
        result = {
            "schema_version": 1,
            "id": self.id,
            "started": _stamp(started),
            "duration_s": self.clock.monotonic() - begun,
            "status": overall(self.rows, has_gpu=has_gpu, cancelled=cancelled),
            "host": _host(),
            "device": _device(device, snapshot) if has_gpu and device else None,
            "software": {"python": platform.python_version(), **self.software},
            "config": {"scale": self.scale, "backend": self.backend, "items": list(self.items)},
            "results": self.rows,
            "errors": self.errors[:50],
        }
        self.tell({"event": "end", "result": result})
        return result

    def _gpu(self, device: Device | None) -> bool:
        """Measure on the GPU; whether the framework has found one."""
        names = for_device(self.items, GPU, has_gpu=True)
        capability = device.compute_capability if device else None
        unable = [name for name in names if not is_able(name, capability)]
        for name in unable:
            self._keep(without_value(name, GPU, "skipped", "no_hardware_support"), None)
        able = [name for name in names if name not in unable]
        return self._measure(GPU, able, device) or self._no_gpu("framework_cannot_see_gpu")

    def _no_gpu(self, reason: str) -> bool:
        known = {row["id"] for row in self.rows if row["device"] == GPU}
        best = {*for_device(self.items, GPU, has_gpu=True)} - {
            *for_device(self.items, GPU, has_gpu=False)
        }
        for name in for_device(self.items, GPU, has_gpu=True):
            # What runs on the best device there is runs on the CPU now.
            if name not in known and name not in best:
                self._keep(without_value(name, GPU, "skipped", reason), None)
        return False

    def _measure(self, kind: str, names: Sequence[str], device: Device | None) -> bool:
        """Measure these on this kind of device; False when there is none after all."""
        left = list(names)
        while left:
            environment = {"KERAS_BACKEND": self.backend, **(GPU_HIDDEN if kind == CPU else {})}
            arguments = ["--device", kind, "--scale", self.scale]
            arguments += ["--data", self.data] if self.data else []
            self._worker = self.start([*arguments, "--items", *left], environment)
            at, reason = left[0], "crashed"
            try:
                for event in self._worker.events(SCALES[self.scale].patience):
                    if event["event"] == "hello":
                        self.software.update(event["software"])
                        if kind == GPU and not event["gpus"]:
                            return False
                    elif event["event"] == "begin":
                        at = event["id"]
                        self.tell({"event": "begin", "id": at, "device": kind})
                    else:
                        left = [name for name in left if name != event["row"]["id"]]
                        self._keep(event["row"], device)
            except Silent:
                reason = "timeout"
            said, self._worker = self._worker.end(), None
            if left:
                at = at if at in left else left[0]
                left.remove(at)
                self._keep(without_value(at, kind, "failed", reason, said), device)
        return True

    def _keep(self, row: Row, device: Device | None) -> None:
        peak = peak_of(device) if device is not None else None
        row = {**judged(row, peak), **(self._circumstances() if device is not None else {})}
        self.rows.append(row)
        self.tell({"event": "result", "row": row})

    def _circumstances(self) -> dict[str, Any]:
        """How the GPU was right after an item: a throttled or shared one explains a low figure."""
        devices = self.look().devices
        if not devices:
            return {}
        now = devices[0]
        ours = _family(os.getpid())
        others = [one for one in now.processes or () if one.pid not in ours]
        return {
            "noisy": bool(others),
            "throttled": list(now.throttled or ()),
            "sm_clock_mhz": now.sm_clock_mhz,
            "temperature_celsius": now.temperature_celsius,
            "power_watts": now.power_watts,
        }


def _family(pid: int) -> set[int]:
    """The process and its children, as Linux lists them."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return {pid}
    return {pid, *(one for child in text.split() for one in _family(int(child)))}


def _host() -> dict[str, Any]:
    return {
        "name_hash": _hash(platform.node()),
        "processor": next(_processors(), platform.machine())[:300],
        "cpus": len(os.sched_getaffinity(0)),
        "load_average": os.getloadavg()[0],
    }


def _processors() -> Iterator[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        if line.startswith("model name"):
            yield line.partition(":")[2].strip()


def _device(device: Device, snapshot: Snapshot) -> dict[str, Any]:
    return {
        "name": device.name,
        "uuid_hash": _hash(device.uuid) if device.uuid else None,
        "mig": bool(device.mig_enabled or device.mig_of),
        "memory_total_bytes": device.memory_total_bytes,
        "driver": snapshot.driver_version,
        "cuda_driver": snapshot.cuda_version,
        "compute_capability": device.compute_capability,
        "sm_clock_max_mhz": device.sm_clock_max_mhz,
        "count": len(snapshot.devices),
    }


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
