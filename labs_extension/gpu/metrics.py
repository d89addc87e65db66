"""The last sample as Prometheus gauges, under the server's own `/metrics`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from labs_extension.gpu.records import Device, Snapshot, Status

_GAUGES: dict[str, tuple[str, Callable[[Device], float | None]]] = {
    "gpuspawner_gpu_utilization_ratio": (
        "Share of time in which a kernel ran, 0 to 1",
        lambda one: one.utilization,
    ),
    "gpuspawner_gpu_memory_used_bytes": (
        "Memory of the GPU in use",
        lambda one: one.memory_used_bytes,
    ),
    "gpuspawner_gpu_memory_total_bytes": (
        "Memory of the GPU",
        lambda one: one.memory_total_bytes,
    ),
    "gpuspawner_gpu_power_watts": ("Power that the GPU draws", lambda one: one.power_watts),
    "gpuspawner_gpu_temperature_celsius": (
        "Temperature of the GPU",
        lambda one: one.temperature_celsius,
    ),
}


class GpuCollector(Collector):
    """Reads the cached sample when it is scraped, so a device that has gone has no stale gauge."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """The names alone, so that registering does not need a sample."""
        yield from self._families()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Every gauge that a device supports. A field that is unknown has no sample, never 0."""
        snapshot = self._snapshot()
        devices = snapshot.devices if snapshot.status is not Status.ERROR else ()
        for family, (_help, value) in zip(self._families(), _GAUGES.values(), strict=True):
            for device in devices:
                number = value(device)
                if number is not None:
                    family.add_metric([str(device.index), device.uuid or ""], number)
            yield family

    def _families(self) -> list[GaugeMetricFamily]:
        return [
            GaugeMetricFamily(name, text, labels=["gpu", "uuid"])
            for name, (text, _value) in _GAUGES.items()
        ]
