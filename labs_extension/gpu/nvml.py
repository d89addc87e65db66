"""Reads the GPUs through NVML. Every call may block for seconds: never on the server's loop.

Each field is asked for apart, since a device that does not support one supports the others.
NVML: https://docs.nvidia.com/deploy/nvml-api/
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pynvml

from labs_extension.gpu.records import Device, Process, Snapshot, Status

Result = TypeVar("Result")

_PCI = Path("/sys/bus/pci/devices")
_NVIDIA, _DISPLAY = "0x10de", "0x03"
_LONGEST_NAME = 64

STATUS_OF = {
    pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: Status.NO_DRIVER,
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED: Status.NO_DRIVER,
    pynvml.NVML_ERROR_GPU_NOT_FOUND: Status.NO_DEVICE,
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: Status.DRIVER_MISMATCH,
    pynvml.NVML_ERROR_NO_PERMISSION: Status.PERMISSION,
}
"""What an error of NVML means for people; any other is `error`."""

_BEGIN_AGAIN = {
    pynvml.NVML_ERROR_UNINITIALIZED,
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED,
    pynvml.NVML_ERROR_GPU_IS_LOST,
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH,
}

THROTTLES = {
    "software power cap": pynvml.nvmlClocksEventReasonSwPowerCap,
    "hardware slowdown": pynvml.nvmlClocksEventReasonHwSlowdown,
    "software thermal slowdown": pynvml.nvmlClocksEventReasonSwThermalSlowdown,
    "hardware thermal slowdown": pynvml.nvmlClocksEventReasonHwThermalSlowdown,
    "hardware power brake": pynvml.nvmlClocksEventReasonHwPowerBrakeSlowdown,
}
"""The bits that mean that the device is slower than it could be; the others mean idle or set so."""


class Nvml:
    """One connection to NVML, for one thread at a time.

    Args:
        pci: the folder of the kernel's PCI devices, to tell a missing driver from a missing GPU.
    """

    def __init__(self, pci: Path = _PCI) -> None:
        self._pci = pci
        self._ready = False

    def read(self, at: float) -> Snapshot:
        """The GPUs now; never raises for what NVML says. May block.

        Args:
            at: the time, seconds since 1970.
        """
        try:
            if not self._ready:
                pynvml.nvmlInit()
                self._ready = True
            devices = tuple(self._devices())
        except pynvml.NVMLError as error:
            if error.value in _BEGIN_AGAIN:
                self.close()
            return Snapshot(self._status(error), at, str(error))
        except (OSError, AttributeError) as error:
            # A library that is not NVIDIA's, or one that is damaged.
            return Snapshot(Status.ERROR, at, f"{type(error).__name__}: {error}"[:200])
        return Snapshot(
            Status.OK if devices else Status.NO_DEVICE,
            at,
            driver_version=_maybe(pynvml.nvmlSystemGetDriverVersion),
            cuda_version=_cuda(_maybe(pynvml.nvmlSystemGetCudaDriverVersion_v2)),
            devices=devices,
        )

    def close(self) -> None:
        """Give NVML back. Safe to repeat."""
        if self._ready:
            self._ready = False
            with contextlib.suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()

    def _status(self, error: pynvml.NVMLError) -> Status:
        status = STATUS_OF.get(error.value, Status.ERROR)
        if status is Status.NO_DRIVER and has_nvidia_gpu(self._pci) is False:
            return Status.NO_DEVICE
        return status

    def _devices(self) -> Iterator[Device]:
        handles, refused = {}, None
        for index in range(pynvml.nvmlDeviceGetCount()):
            try:
                handles[index] = pynvml.nvmlDeviceGetHandleByIndex(index)
            except pynvml.NVMLError as error:  # noqa: PERF203 - a handful of devices
                refused = error
        # One broken GPU must not hide the others; alone, it is what is wrong.
        if refused is not None and not handles:
            raise refused
        for index, handle in handles.items():
            yield from _device_and_slices(index, handle)


def has_nvidia_gpu(pci: Path = _PCI) -> bool | None:
    """Whether a GPU of NVIDIA's is on the PCI bus; None when the kernel does not tell."""
    try:
        folders = list(pci.iterdir())
    except OSError:
        return None
    for folder in folders:
        with contextlib.suppress(OSError):
            vendor = (folder / "vendor").read_text().strip()
            if vendor == _NVIDIA and (folder / "class").read_text().startswith(_DISPLAY):
                return True
    return False


def _device_and_slices(index: int, handle: Any) -> Iterator[Device]:
    mode = _maybe(pynvml.nvmlDeviceGetMigMode, handle)
    enabled = None if mode is None else mode[0] == pynvml.NVML_DEVICE_MIG_ENABLE
    whole = _device(index, handle, mig_enabled=enabled)
    yield whole
    if enabled:
        for number in range(_maybe(pynvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0):
            part = _maybe(pynvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, number)
            if part is not None:
                yield _device(number, part, mig_of=whole.uuid)


def _device(index: int, handle: Any, **known: Any) -> Device:
    fields = {name: _maybe(ask, handle) for name, ask in _FIELDS.items()}
    unsupported = tuple(sorted(name for name, value in fields.items() if value is None))
    return Device(index=index, unsupported=unsupported, **fields, **known)


def _maybe(ask: Callable[..., Result], *arguments: Any) -> Result | None:
    """What `ask` answers, or None when the device or the driver does not support it."""
    try:
        return ask(*arguments)
    except pynvml.NVMLLibraryMismatchError:
        return None  # the driver is older than the binding; no kind of NVMLError
    except pynvml.NVMLError as error:
        if error.value in _BEGIN_AGAIN:
            raise
        return None


def _cuda(version: int | None) -> str | None:
    return None if version is None else f"{version // 1000}.{version % 1000 // 10}"


def _throttled(handle: Any) -> tuple[str, ...]:
    bits = pynvml.nvmlDeviceGetCurrentClocksEventReasons(handle)
    return tuple(name for name, bit in THROTTLES.items() if bits & bit)


def _processes(handle: Any) -> tuple[Process, ...]:
    found: dict[int, Process] = {}
    for ask in (
        pynvml.nvmlDeviceGetComputeRunningProcesses,
        pynvml.nvmlDeviceGetGraphicsRunningProcesses,
    ):
        for one in _maybe(ask, handle) or ():
            found[one.pid] = Process(one.pid, _process_name(one.pid), one.usedGpuMemory)
    return tuple(sorted(found.values(), key=lambda one: (-(one.memory_bytes or 0), one.pid)))


def _process_name(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()[:_LONGEST_NAME]
    except OSError:
        return None  # it has ended, or it is in another container


_FIELDS: dict[str, Callable[[Any], Any]] = {
    "uuid": pynvml.nvmlDeviceGetUUID,
    "name": pynvml.nvmlDeviceGetName,
    "compute_capability": lambda one: "{}.{}".format(
        *pynvml.nvmlDeviceGetCudaComputeCapability(one)
    ),
    "utilization": lambda one: pynvml.nvmlDeviceGetUtilizationRates(one).gpu / 100,
    "memory_used_bytes": lambda one: pynvml.nvmlDeviceGetMemoryInfo(one).used,
    "memory_total_bytes": lambda one: pynvml.nvmlDeviceGetMemoryInfo(one).total,
    "power_watts": lambda one: pynvml.nvmlDeviceGetPowerUsage(one) / 1000,
    "power_limit_watts": lambda one: pynvml.nvmlDeviceGetEnforcedPowerLimit(one) / 1000,
    "temperature_celsius": lambda one: pynvml.nvmlDeviceGetTemperature(
        one, pynvml.NVML_TEMPERATURE_GPU
    ),
    "sm_clock_mhz": lambda one: pynvml.nvmlDeviceGetClockInfo(one, pynvml.NVML_CLOCK_SM),
    "sm_clock_max_mhz": lambda one: pynvml.nvmlDeviceGetMaxClockInfo(one, pynvml.NVML_CLOCK_SM),
    "memory_clock_max_mhz": lambda one: pynvml.nvmlDeviceGetMaxClockInfo(
        one, pynvml.NVML_CLOCK_MEM
    ),
    "memory_bus_bits": pynvml.nvmlDeviceGetMemoryBusWidth,
    "cores": pynvml.nvmlDeviceGetNumGpuCores,
    "throttled": _throttled,
    "processes": _processes,
}
"""How each field is asked for. What an old driver lacks is unsupported, as what a device lacks."""
