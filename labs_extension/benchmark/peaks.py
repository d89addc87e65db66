"""What each chip can do at most, as published: dense, without sparsity, at its highest clock.

By the exact name that NVML gives, never by a part of it: an L40S is no L4. A slice of a GPU (MIG,
vGPU) has another name and no row, since the whole chip's figures are not its own. A figure for
which no source was read is left out rather than guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from labs_extension.gpu.records import Device

TOO_GOOD: Final = 1.05
"""Above this share of the peak, a result is wrong: a clock above the published one makes a few
percent, a missing synchronisation a multiple."""


@dataclass(frozen=True)
class Peak:
    """Peaks of one chip: arithmetic in TFLOP/s, `memory` in GB/s; None for not published or not read.

    Attributes:
        source: where the figures were read, or `derived` for clock times units.
    """

    source: str
    fp32: float | None = None
    tf32: float | None = None
    fp16: float | None = None
    bf16: float | None = None
    memory: float | None = None


_T4 = Peak("https://sysrqmts.com/en/gpus/nvidia/tesla/t4", fp32=8.1, fp16=65, memory=320)
_A100 = "https://glennklockwood.com/garden/processors/A100"
_A100_MEMORY = "https://www.thundercompute.com/blog/nvidia-a100-specs-full-guide"
_H100 = "https://glennklockwood.com/garden/processors/h100"


def _a100(memory: float) -> Peak:
    return Peak(f"{_A100} {_A100_MEMORY}", 19.5, 156, 312, 312, memory)


PEAKS: Final = {
    "Tesla T4": _T4,
    "NVIDIA T4": _T4,
    # The tensor figures that are handed around for it differ, and NVIDIA has no page for it.
    "NVIDIA A10G": Peak(
        "https://www.baseten.co/blog/nvidia-a10-vs-a10g-for-ml-model-inference/", memory=600
    ),
    "NVIDIA L4": Peak(
        "https://store.sourcecode.com/en-us/bg-bucket-compare/125/9820",
        30.3,
        60,
        121,
        121,
        300,
    ),
    "NVIDIA L40S": Peak(
        "https://www.mullet.se/product.html?product_id=355414", 91.6, 183, 362, 362, 864
    ),
    "NVIDIA A100-SXM4-40GB": _a100(1555),
    "NVIDIA A100-PCIE-40GB": _a100(1555),
    "NVIDIA A100-SXM4-80GB": _a100(2039),
    "NVIDIA A100 80GB PCIe": _a100(1935),
    "NVIDIA H100 80GB HBM3": Peak(_H100, 66.9, 494.7, 989.4, 989.4, 3350),
}


def peak_of(device: Device) -> Peak | None:
    """The peaks of a device, derived for a chip without a row; None for a slice or an unknown.

    Single precision: cores x highest clock x 2 (a multiply and an add). Memory: bytes of the bus x
    highest clock x 2 (both edges).
    """
    if device.mig_of is not None or device.mig_enabled or device.name is None:
        return None
    if device.name in PEAKS:
        return PEAKS[device.name]
    if _is_virtual(device.name):
        return None
    fp32 = memory = None
    if device.cores and device.sm_clock_max_mhz:
        fp32 = device.cores * device.sm_clock_max_mhz * 2 / 1e6
    if device.memory_bus_bits and device.memory_clock_max_mhz:
        memory = device.memory_bus_bits / 8 * device.memory_clock_max_mhz * 2 / 1000
    return Peak("derived", fp32=fp32, memory=memory) if fp32 or memory else None


def _is_virtual(name: str) -> bool:
    """Whether it is a vGPU, as in `NVIDIA A10-24Q`: the memory and a letter after the chip."""
    tail = name.rpartition("-")[2]
    return "GRID" in name or (tail[:-1].isdigit() and tail[-1:] in "QCAB")
