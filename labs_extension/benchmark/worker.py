"""Measures on one device, in a process of its own, and says each thing as a line of JSON.

`python -m labs_extension.benchmark.worker`, started by the coordinator. On the CPU the GPU is
hidden from the whole process, which every backend understands; and if a driver takes the process
with it, only the item at hand is lost.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from labs_extension.benchmark.noise import Others
from labs_extension.benchmark.plan import CPU, ITEMS, SCALES
from labs_extension.clock import SystemClock

GPU_HIDDEN = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
MNIST = ("mnist_time_to_99", "mnist_accuracy")


def main() -> int:
    """Measure what the command line says; 0, also when items fail."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", required=True)
    parser.add_argument("--scale", required=True)
    parser.add_argument("--items", nargs="+", required=True)
    parser.add_argument("--data")
    options = parser.parse_args()
    # The libraries chatter on standard output; what we say must not be mixed with it.
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for event in events(options.device, options.scale, options.items, options.data):
        _say(lines, event)
    return 0


def events(device: str, scale: str, items: list[str], data: str | None) -> Iterator[dict[str, Any]]:
    """What happens: `hello`, and for each item `begin` and one `result`."""
    # Imported here: it takes many seconds, and it can fail.
    from labs_extension.benchmark.engine import Engine  # noqa: PLC0415
    from labs_extension.benchmark.learn import School  # noqa: PLC0415
    from labs_extension.benchmark.work import Bench  # noqa: PLC0415

    engine = Engine()
    gpus = engine.gpus()
    yield {"event": "hello", "software": engine.versions(), "gpus": gpus}
    if device != CPU and not gpus:
        return
    size, clock = SCALES[scale], SystemClock()
    bench, school = Bench(engine, size, device, clock), School(engine, size, clock, data)
    done: set[str] = set()
    for name in items:
        if name in done:
            continue
        yield {"event": "begin", "id": name}
        others = Others(clock)
        try:
            for row in _rows(name, items, bench, school):
                done.add(row["id"])
                # Of the GPU, the coordinator knows who is on it.
                noisy = others.disturbed() if device == CPU else None
                noise = {} if noisy is None else {"noisy": noisy}
                yield {"event": "result", "row": {**row, "device": device, **noise}}
        except Exception as error:  # noqa: BLE001 - one item that fails hides no other
            reason = f"{type(error).__name__}: {error}"[:300]
            failed = {"status": "failed", "reason": "error", "detail": reason}
            yield {"event": "result", "row": {"id": name, "device": device, **failed}}


def _rows(name: str, items: list[str], bench: Any, school: Any) -> Iterator[dict[str, Any]]:
    if name in MNIST:
        for each, row in school.mnist(items):
            yield {"id": each, **row}
    elif name == "training":
        yield {"id": name, **school.training()}
    elif name == "cifar10_throughput":
        yield {"id": name, **school.cifar10()}
    else:
        yield {"id": name, **bench.run(name)}


def _say(lines: TextIO, event: dict[str, Any]) -> None:
    assert "row" not in event or event["row"]["id"] in ITEMS
    lines.write(json.dumps(event) + "\n")
    lines.flush()


if __name__ == "__main__":
    sys.exit(main())
