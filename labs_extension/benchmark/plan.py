"""What is measured, on which device, and how large it is. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

BACKENDS: Final = ("jax", "tensorflow", "torch")
GPU, CPU, BEST = "gpu", "cpu", "best"


@dataclass(frozen=True)
class Item:
    """One thing that is measured.

    Attributes:
        on: where: `gpu`, `cpu`, or `best`, which is the GPU where there is one.
        peak: the figure of the chip that it is held against, a field of `Peak`.
        least_capability: the CUDA compute capability from which the hardware can do it.
    """

    id: str
    unit: str
    on: tuple[str, ...]
    peak: str | None = None
    least_capability: tuple[int, int] | None = None


ITEMS: Final = {
    item.id: item
    for item in (
        Item("matmul_fp32", "TFLOP/s", (GPU, CPU), "fp32"),
        Item("matmul_tf32", "TFLOP/s", (GPU,), "tf32", (8, 0)),
        Item("matmul_fp16", "TFLOP/s", (GPU,), "fp16", (7, 0)),
        Item("matmul_bf16", "TFLOP/s", (GPU,), "bf16", (8, 0)),
        Item("memory_copy", "GB/s", (GPU, CPU), "memory"),
        Item("host_to_device", "GB/s", (GPU,)),
        Item("device_to_host", "GB/s", (GPU,)),
        Item("convolution", "TFLOP/s", (GPU, CPU)),
        Item("training", "images/s", (GPU, CPU)),
        Item("mnist_time_to_99", "s", (BEST,)),
        Item("mnist_accuracy", "share", (BEST,)),
        Item("cifar10_throughput", "images/s", (BEST,)),
    )
}

RATIOS: Final = {"convolution_ratio": "convolution", "training_ratio": "training"}
"""How many times faster the GPU does the same work, by the item that both do."""


@dataclass(frozen=True)
class Scale:
    """How large and how long. `images` and the like are counts, `bytes` are bytes, times seconds.

    Attributes:
        matmul: the size of the square matrices, on the GPU and on the CPU.
        convolution: images of 100 x 100 x 3 under 32 filters of 7 x 7, the same on both.
        training: images in one measured pass, the same on both.
        limit: at most so many images of a data set; None for all.
        least_seconds: one repetition is at least so long.
        patience: an item that takes longer is given up.
    """

    name: str
    matmul: tuple[int, int]
    copy_bytes: tuple[int, int]
    convolution: int
    training: int
    batch: int
    epochs: int
    seeds: int
    cifar_epochs: int
    limit: int | None
    repetitions: int
    least_seconds: float
    patience: float


SCALES: Final = {
    scale.name: scale
    for scale in (
        Scale("full", (8192, 2048), (256 << 20, 256 << 20), 100, 5120, 256, 5, 3, 3, None, 7, 0.05, 1800),
        Scale("quick", (4096, 1024), (256 << 20, 64 << 20), 32, 2560, 256, 5, 1, 1, None, 7, 0.05, 600),
        # Shows that everything works; its figures mean nothing.
        Scale("smoke", (64, 64), (1 << 20, 1 << 20), 1, 64, 32, 1, 1, 1, 64, 3, 0.001, 120),
    )
}  # fmt: skip


def chosen(names: Sequence[str] | None) -> list[str]:
    """The items of these names in their order, all when there are none.

    Raises:
        ValueError: there is no such item.
    """
    unknown = sorted({*(names or ())} - {*ITEMS})
    if unknown:
        raise ValueError(", ".join(unknown))
    return [name for name in ITEMS if not names or name in names]


def for_device(names: Collection[str], device: str, *, has_gpu: bool) -> list[str]:
    """Those of `names` that are measured on `device`."""
    best = GPU if has_gpu else CPU
    wanted = {device, BEST} if device == best else {device}
    return [name for name in ITEMS if name in names and wanted & {*ITEMS[name].on}]


def is_able(name: str, capability: str | None) -> bool:
    """Whether hardware of this compute capability (`7.5`) can do it; unknown hardware is tried."""
    least = ITEMS[name].least_capability
    if least is None or capability is None:
        return True
    major, _, minor = capability.partition(".")
    return (int(major), int(minor)) >= least
