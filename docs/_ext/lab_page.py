"""The lab's settings, what its benchmark measures, and the chips that it knows, from the code."""

from __future__ import annotations

import inspect

from labs_extension.benchmark.peaks import PEAKS
from labs_extension.benchmark.plan import ITEMS, RATIOS
from labs_extension.benchmark.sentences import TITLES
from labs_extension.extension import settings


def lab_settings() -> str:
    """Every setting of the extension's own, with its help."""
    rows = [
        f"| `c.LabsExtension.{name}` | {' '.join(inspect.cleandoc(trait.help).split())} |"
        for name, trait in sorted(settings().items())
    ]
    return "\n".join(["| setting | what it does |", "|---|---|", *rows])


def lab_benchmark() -> str:
    """What is measured, on which device, in which unit."""
    devices = {"gpu": "GPU", "cpu": "CPU", "best": "the GPU, or else the CPU"}
    rows = [
        f"| `{item.id}` | {TITLES[item.id]} | {', '.join(devices[one] for one in item.on)} | "
        f"{item.unit} |"
        for item in ITEMS.values()
    ]
    rows += [f"| `{name}` | {TITLES[name]} | both | times as fast |" for name in RATIOS]
    return "\n".join(["| item | what | on | unit |", "|---|---|---|---|", *rows])


def lab_peaks() -> str:
    """The published peaks of each chip, with where they were read."""
    rows = []
    for name, peak in PEAKS.items():
        figures = [peak.fp32, peak.tf32, peak.fp16, peak.bf16, peak.memory]
        cells = " | ".join("–" if one is None else f"{one:g}" for one in figures)
        sources = ", ".join(
            f"[{number}]({url})" for number, url in enumerate(peak.source.split(), 1)
        )
        rows.append(f"| {name} | {cells} | {sources} |")
    head = "| chip | fp32 TFLOP/s | TF32 | fp16 | bf16 | memory GB/s | read at |"
    return "\n".join([head, "|---|---|---|---|---|---|---|", *rows])
