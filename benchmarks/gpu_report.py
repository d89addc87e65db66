"""What the GPU report costs a student's server: a sample, and an answer, in processor time.

NVIDIA's library is the tests' own, in Python behind the real binding, so this is our share of the
cost and not the driver's; on a machine with a GPU, `--driver` takes the driver's library instead.

Usage: python benchmarks/gpu_report.py [--driver] [JSON-FILE, default build/benchmarks/gpu_report.json]
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import pynvml
from _common import table, write

from labs_extension.clock import SystemClock
from labs_extension.gpu.api import report
from labs_extension.gpu.nvml import Nvml
from labs_extension.gpu.sampler import Sampler
from tests.labs_extension.fake_nvml import Gpu, Library

EVERY, KEEP = 5.0, 600.0


def milliseconds(act: Callable[[], object], times: int) -> tuple[float, float]:
    """The median of the wall and of the processor time of one call."""
    walls, processor = [], []
    for _ in range(times):
        wall, used = time.perf_counter(), time.thread_time()
        act()
        processor.append((time.thread_time() - used) * 1000)
        walls.append((time.perf_counter() - wall) * 1000)
    return statistics.median(walls), statistics.median(processor)


def measure(gpus: int | None) -> dict[str, object]:
    if gpus is not None:
        library = Library(*(Gpu(uuid=f"GPU-{n}", processes=[(1, 1)]) for n in range(gpus)))
        pynvml.nvmlLib = library
        pynvml._nvmlGetFunctionPointer_cache.clear()  # noqa: SLF001
    nvml = Nvml()
    sampler = Sampler(lambda: nvml, SystemClock(), every=EVERY, keep=KEEP, patience=10)
    for _ in range(int(KEEP / EVERY)):
        sampler.sample(nvml)
    whole = report(sampler.snapshot(), {}, sampler.history(), notebooks={}, age=0)

    def answer() -> str:
        return json.dumps(report(sampler.snapshot(), {}, sampler.history(), notebooks={}, age=0))

    sample_wall, sample_cpu = milliseconds(lambda: sampler.sample(nvml), 300)
    answer_wall, answer_cpu = milliseconds(answer, 300)
    return {
        "library": "driver" if gpus is None else "test",
        "devices": len(whole["devices"]),
        "status": whole["status"],
        "sample_wall_ms": sample_wall,
        "sample_cpu_ms": sample_cpu,
        "share_of_a_core": sample_cpu / 1000 / EVERY,
        "answer_wall_ms": answer_wall,
        "answer_cpu_ms": answer_cpu,
        "answer_kib": len(answer()) / 1024,
    }


def main() -> None:
    rows = [measure(None)] if "--driver" in sys.argv else [measure(n) for n in (0, 1, 8)]
    table(list(rows[0]), [list(row.values()) for row in rows])
    write("gpu_report", {"rows": rows}, packages=["nvidia-ml-py", "jupyter_server"])


if __name__ == "__main__":
    main()
