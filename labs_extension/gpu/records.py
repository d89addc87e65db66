"""What is known of the GPUs at one moment. A field that the device does not support is None."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Status(str, Enum):
    """How it stands with the GPU; each has a sentence that says what to do."""

    OK = "ok"
    NO_DEVICE = "no_device"
    NO_DRIVER = "no_driver"
    DRIVER_MISMATCH = "driver_mismatch"
    PERMISSION = "permission"
    FRAMEWORK_CANNOT_SEE_GPU = "framework_cannot_see_gpu"
    ERROR = "error"


@dataclass(frozen=True)
class Process:
    """A process that uses a GPU. `memory_bytes` is None where the driver does not say."""

    pid: int
    name: str | None
    memory_bytes: int | None


@dataclass(frozen=True)
class Device:
    """One GPU, or one slice of a GPU (MIG), in the order of NVML.

    Attributes:
        mig_of: the `uuid` of the GPU that this is a slice of; None for a whole GPU.
        utilization: share of the last sample period in which a kernel ran, 0 to 1.
        throttled: what holds the clock back now, in NVML's words; empty when nothing does.
        unsupported: the fields that this device does not report; they are None.
    """

    index: int
    uuid: str | None = None
    name: str | None = None
    mig_of: str | None = None
    mig_enabled: bool | None = None
    compute_capability: str | None = None
    utilization: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    power_watts: float | None = None
    power_limit_watts: float | None = None
    temperature_celsius: int | None = None
    sm_clock_mhz: int | None = None
    sm_clock_max_mhz: int | None = None
    memory_clock_max_mhz: int | None = None
    memory_bus_bits: int | None = None
    cores: int | None = None
    throttled: tuple[str, ...] | None = None
    processes: tuple[Process, ...] | None = None
    unsupported: tuple[str, ...] = ()


@dataclass(frozen=True)
class Snapshot:
    """All GPUs at one moment.

    Attributes:
        detail: NVML's own words for what is wrong, for those who help; None when all is well.
        at: seconds since 1970.
    """

    status: Status
    at: float
    detail: str | None = None
    driver_version: str | None = None
    cuda_version: str | None = None
    devices: tuple[Device, ...] = ()
