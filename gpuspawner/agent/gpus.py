"""The GPUs, through NVIDIA's library if its Python binding is there, else through `nvidia-smi`.

A thread of its own asks: a driver that hangs must not hold up the heartbeats. NVML's utilisation is
that of the last sixth of a second to second (https://docs.nvidia.com/deploy/nvml-api/), so it is
asked for every second and told as means and a maximum of many.
"""

from __future__ import annotations

import importlib
import shutil
import threading
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from gpuspawner.agent.clock import Clock
from gpuspawner.agent.commands import run

NVML_SECONDS = 1.0
SMI_SECONDS = 10.0
DRIVER = Path("/proc/driver/nvidia")
"""What NVIDIA's kernel module shows while it is loaded. Without it nothing computes on a GPU."""

STALE_SECONDS = 60.0
"""What was read longer ago than this is not known any more: the driver hangs."""

MINUTE, WINDOW = 60.0, 300.0
MIB = 1 << 20
_SMI_FIELDS = ("name", "percent", "memory_mib", "memory_total_mib")
_SMI = [
    "nvidia-smi",
    "--query-gpu=name,utilization.gpu,memory.used,memory.total",
    "--format=csv,noheader,nounits",
]

Sample = dict[str, Any]
"""One GPU now: `name`, `percent`, `memory_mib`, `memory_total_mib`; None for what it cannot tell."""


class Gpus:
    """What is known of the GPUs over the last five minutes."""

    def __init__(self, clock: Clock, driver: Path = DRIVER) -> None:
        self._clock = clock
        self._driver = driver
        self._there_are_none = False
        self._read: Callable[[], list[Sample]] | None = None
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._latest: tuple[float, list[Sample]] | None = None
        self._points: dict[int, deque[tuple[float, float]]] = {}

    def start(self) -> None:
        """Begin to ask. The thread is a daemon: one that hangs keeps nothing from ending."""
        threading.Thread(target=self._run, name="gpus", daemon=True).start()

    def stop(self) -> None:
        """Ask no more."""
        self._ended.set()

    def sample(self) -> None:
        """Ask once, in this thread. What cannot be asked leaves the last answer to grow old."""
        if self._read is None:
            return
        try:
            samples = self._read()
        except Exception:  # noqa: BLE001 - a driver may fail in any way, and may be well later
            return
        now = self._clock.monotonic()
        with self._lock:
            self._latest = now, samples
            for index, sample in enumerate(samples):
                points = self._points.setdefault(index, deque())
                if sample["percent"] is not None:
                    points.append((now, sample["percent"]))
                while points and points[0][0] < now - WINDOW:
                    points.popleft()

    def facts(self) -> list[dict[str, Any]] | None:
        """Each GPU, percentages from 0 to 100; None when they cannot be seen. Never blocks long."""
        if self._there_are_none:
            return []
        now = self._clock.monotonic()
        with self._lock:
            if self._latest is None or now - self._latest[0] > STALE_SECONDS:
                return None
            return [
                {**sample, **_windows(self._points.get(index, ()), now)}
                for index, sample in enumerate(self._latest[1])
            ]

    def find(self) -> float | None:
        """Look for whom to ask, once; seconds from one asking to the next, None for nobody."""
        nvml = _Nvml.found()
        if nvml is not None:
            self._read = nvml.read
            return NVML_SECONDS
        if shutil.which("nvidia-smi"):
            self._read = _smi
            return SMI_SECONDS
        # Nobody to ask where the driver is loaded is something else: there may be work unseen.
        self._there_are_none = not self._driver.exists()
        return None

    def _run(self) -> None:
        every = self.find()
        while every is not None and not self._ended.is_set():
            self.sample()
            self._ended.wait(every)


class _Nvml:
    """NVIDIA's library, begun anew after an error."""

    def __init__(self, binding: Any) -> None:
        self._nvml = binding
        self._ready = False

    @classmethod
    def found(cls) -> _Nvml | None:
        """None where the binding is not installed or finds no library, as without a GPU."""
        try:
            # Not a dependency: the agent needs nothing but Python, and takes what the image has.
            nvml = cls(importlib.import_module("pynvml"))
            nvml.read()
        except Exception:  # noqa: BLE001 - ImportError, or whatever the library says
            return None
        return nvml

    def read(self) -> list[Sample]:
        """Every GPU, each field apart.

        Raises:
            Exception: NVML's own; the next call begins anew.
        """
        nvml = self._nvml
        if not self._ready:
            nvml.nvmlInit()
            self._ready = True
        try:
            count = nvml.nvmlDeviceGetCount()
            return [self._device(nvml.nvmlDeviceGetHandleByIndex(one)) for one in range(count)]
        except Exception:
            self._ready = False
            raise

    def _device(self, handle: Any) -> Sample:
        nvml = self._nvml
        memory = self._maybe(nvml.nvmlDeviceGetMemoryInfo, handle)
        rates = self._maybe(nvml.nvmlDeviceGetUtilizationRates, handle)
        return {
            "name": self._maybe(nvml.nvmlDeviceGetName, handle),
            "percent": rates and float(rates.gpu),
            "memory_mib": memory and memory.used // MIB,
            "memory_total_mib": memory and memory.total // MIB,
        }

    def _maybe(self, ask: Callable[[Any], Any], handle: Any) -> Any:
        try:
            return ask(handle)
        except self._nvml.NVMLError as error:
            if error.value in (
                self._nvml.NVML_ERROR_UNINITIALIZED,
                self._nvml.NVML_ERROR_GPU_IS_LOST,
            ):
                raise
            return None


def _windows(points: Iterable[tuple[float, float]], now: float) -> dict[str, float | None]:
    last = [percent for at, percent in points if at >= now - MINUTE]
    all_ = [percent for at, percent in points if at >= now - WINDOW]
    return {
        "percent": _mean(last),
        "mean_5min": _mean(all_),
        "max_5min": max(all_) if all_ else None,
    }


def _mean(values: list[float]) -> float | None:
    # Two digits: the rule's floor is one percent, and a mean near it must not be rounded across.
    return round(sum(values) / len(values), 2) if values else None


def _smi() -> list[Sample]:
    _, said = run(_SMI, timeout=5.0)
    rows = [[part.strip() for part in line.split(",")] for line in said.splitlines() if line]
    return [
        {"name": row[0], **dict(zip(_SMI_FIELDS[1:], map(number, row[1:]), strict=False))}
        for row in rows
        if len(row) == len(_SMI_FIELDS)
    ]


def number(text: str) -> float | None:
    """The number in `text`; None when it is none, as `[N/A]`."""
    try:
        return float(text)
    except ValueError:
        return None
