"""NVIDIA's library in Python: the real binding calls it, with its own structures and return codes.

`getattr(library, "nvml…")` is all that the binding does with the library it loads, so a function
here is called with the very arguments that the driver would be called with.
"""

# ruff: noqa: N802 - the functions have the names of the library's

from __future__ import annotations

import ctypes
import threading
from dataclasses import dataclass, field
from typing import Any

import pynvml

OK = pynvml.NVML_SUCCESS
UNSUPPORTED = pynvml.NVML_ERROR_NOT_SUPPORTED
GIB = 1 << 30


@dataclass
class Gpu:
    """A device. A field that is None is one that it does not support."""

    name: str = "Tesla T4"
    uuid: str = "GPU-11111111-2222-3333-4444-555555555555"
    utilization: int | None = 37
    memory: tuple[int, int] | None = (3 * GIB, 15 * GIB)
    power: int | None = 40_500
    power_limit: int | None = 70_000
    temperature: int | None = 51
    clock: int | None = 1590
    memory_clock: int | None = 5001
    bus: int | None = 256
    cores: int | None = 2560
    capability: tuple[int, int] = (7, 5)
    throttle: int | None = 0
    processes: list[tuple[int, int]] | None = field(default_factory=list)
    slices: list[Gpu] | None = None
    refuses: int = OK

    @property
    def mig(self) -> bool:
        return self.slices is not None


class Library:
    """The driver's library with `gpus` behind it.

    Attributes:
        init: what `nvmlInit` returns.
        hang: while it is set, every call waits.
        calls: the names of the functions called so far.
    """

    def __init__(self, *gpus: Gpu, init: int = OK) -> None:
        self.gpus = list(gpus)
        self.init = init
        self.lost = False
        self.free = threading.Event()
        self.free.set()
        self.calls: list[str] = []
        self._handles: dict[int, Gpu] = {}

    def __getattr__(self, name: str) -> Any:
        function = getattr(type(self), f"_{name}", None)
        if function is None:
            raise AttributeError(name)  # as dlsym does

        def call(*arguments: Any) -> int:
            self.calls.append(name)
            self.free.wait()
            return function(self, *arguments)

        return call

    def _nvmlInitWithFlags(self, _flags):
        return self.init

    def _nvmlInit_v2(self):
        return self.init

    def _nvmlShutdown(self):
        return OK

    def _nvmlSystemGetDriverVersion(self, text, _size):
        return _write(text, "580.95.05")

    def _nvmlSystemGetCudaDriverVersion_v2(self, number):
        return _put(number, 13010)

    def _nvmlDeviceGetCount_v2(self, number):
        return pynvml.NVML_ERROR_GPU_IS_LOST if self.lost else _put(number, len(self.gpus))

    def _nvmlDeviceGetHandleByIndex_v2(self, index, handle):
        gpu = self.gpus[index.value]
        return self._hand_out(gpu, handle) if gpu.refuses == OK else gpu.refuses

    def _nvmlDeviceGetMigMode(self, handle, current, pending):
        gpu = self._of(handle)
        _put(current, int(gpu.mig))
        return _put(pending, int(gpu.mig))

    def _nvmlDeviceGetMaxMigDeviceCount(self, handle, number):
        return _put(number, 7)

    def _nvmlDeviceGetMigDeviceHandleByIndex(self, handle, index, found):
        slices = self._of(handle).slices or []
        if index.value >= len(slices):
            return pynvml.NVML_ERROR_NOT_FOUND
        return self._hand_out(slices[index.value], found)

    def _nvmlDeviceGetName(self, handle, text, _size):
        return _write(text, self._of(handle).name)

    def _nvmlDeviceGetUUID(self, handle, text, _size):
        return _write(text, self._of(handle).uuid)

    def _nvmlDeviceGetUtilizationRates(self, handle, rates):
        value = self._of(handle).utilization
        if value is None:
            return UNSUPPORTED
        rates._obj.gpu = value
        return OK

    def _nvmlDeviceGetMemoryInfo(self, handle, memory):
        value = self._of(handle).memory
        if value is None:
            return pynvml.NVML_ERROR_NO_PERMISSION
        memory._obj.used, memory._obj.total = value
        return OK

    def _nvmlDeviceGetPowerUsage(self, handle, number):
        return _put(number, self._of(handle).power)

    def _nvmlDeviceGetEnforcedPowerLimit(self, handle, number):
        return _put(number, self._of(handle).power_limit)

    def _nvmlDeviceGetTemperature(self, handle, _sensor, number):
        return _put(number, self._of(handle).temperature)

    def _nvmlDeviceGetClockInfo(self, handle, _kind, number):
        return _put(number, self._of(handle).clock)

    def _nvmlDeviceGetMaxClockInfo(self, handle, kind, number):
        gpu = self._of(handle)
        memory = kind.value == pynvml.NVML_CLOCK_MEM
        return _put(number, gpu.memory_clock if memory else gpu.clock)

    def _nvmlDeviceGetMemoryBusWidth(self, handle, number):
        return _put(number, self._of(handle).bus)

    def _nvmlDeviceGetNumGpuCores(self, handle, number):
        return _put(number, self._of(handle).cores)

    def _nvmlDeviceGetCudaComputeCapability(self, handle, major, minor):
        _put(major, self._of(handle).capability[0])
        return _put(minor, self._of(handle).capability[1])

    def _nvmlDeviceGetCurrentClocksEventReasons(self, handle, bits):
        return _put(bits, self._of(handle).throttle)

    def _nvmlDeviceGetComputeRunningProcesses_v3(self, handle, number, array):
        processes = self._of(handle).processes
        if processes is None:
            return UNSUPPORTED
        room = number._obj.value
        number._obj.value = len(processes)
        if len(processes) > room or (processes and array is None):
            return pynvml.NVML_ERROR_INSUFFICIENT_SIZE
        for place, (pid, memory) in enumerate(processes):
            array[place].pid, array[place].usedGpuMemory = pid, memory
        return OK

    def _hand_out(self, gpu: Gpu, handle: Any) -> int:
        address = 0x1000 + id(gpu)
        self._handles[address] = gpu
        ctypes.cast(handle, ctypes.POINTER(ctypes.c_void_p))[0] = address
        return OK

    def _of(self, handle: Any) -> Gpu:
        return self._handles[ctypes.cast(handle, ctypes.c_void_p).value]


def install(monkeypatch: Any, library: Library | None) -> None:
    """Let the binding load `library` (None: there is none on this machine)."""

    def load(_name: str) -> Library:
        if library is None:
            raise OSError("libnvidia-ml.so.1: cannot open shared object file")
        return library

    monkeypatch.setattr(pynvml, "CDLL", load)
    monkeypatch.setattr(pynvml, "nvmlLib", None)
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
    monkeypatch.setattr(pynvml, "_nvmlLib_refcount", 0)


def _put(number: Any, value: int | None) -> int:
    if value is None:
        return UNSUPPORTED
    number._obj.value = value
    return OK


def _write(text: Any, value: str) -> int:
    text.value = value.encode()
    return OK
