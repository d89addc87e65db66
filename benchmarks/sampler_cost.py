"""What the GPU sampler costs a student's Jupyter server: processor time, and the wait for an answer.

JupyterLab servers with the tests' driver, compiled and called through the real binding: one whose
sampler does not sample after its start, one that samples every five seconds as by default, one that
does it every second, and one that does so with a driver that takes half a second for each sample.
They are asked in turns, over connections that stay open, so that each ratio is of neighbours in time.

Usage: python benchmarks/sampler_cost.py [--seconds 60] [--requests 3000] [JSON-FILE]
"""

from __future__ import annotations

import argparse
import http.client
import os
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from _common import quantile, table, write
from _lab import TOKEN, server

from tests import driver

PATH = "/api/status?no_track_activity=1"
"""A request that touches no disk, so that what is timed is the server's loop."""

PAUSE = 0.002
"""Seconds between two requests to a server, about: a page asks, and is not a storm."""

NEVER = 86_400.0
SETTLE = 15.0
SAMPLERS = {"none": NEVER, "every 5 s": 5.0, "every 1 s": 1.0, "every 1 s, slow driver": 1.0}
SLOW = "every 1 s, slow driver"


def core_seconds(pid: int) -> float:
    """The processor time of a process in all its threads, to the nanosecond."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((one / "schedstat").read_text().split()[0]) for one in threads) / 1e9


def idle(servers: dict[str, int], seconds: float) -> dict[str, float]:
    """Percent of one core that each has used while nobody asked it."""
    began, before = time.monotonic(), {name: core_seconds(pid) for name, pid in servers.items()}
    threading.Event().wait(seconds)
    passed = time.monotonic() - began
    return {
        name: 100 * (core_seconds(pid) - before[name]) / passed for name, pid in servers.items()
    }


def latencies(urls: dict[str, str], requests: int) -> dict[str, list[float]]:
    """Milliseconds of each answer, by server."""
    lines = {name: http.client.HTTPConnection(urlsplit(url).netloc) for name, url in urls.items()}
    headers = {"Authorization": f"token {TOKEN}"}
    found: dict[str, list[float]] = {name: [] for name in urls}
    order = list(lines)
    for _ in range(requests):
        order.append(order.pop(0))  # who comes first after the pause is another each time
        for name in order:
            line = lines[name]
            begun = time.perf_counter()
            line.request("GET", PATH, headers=headers)
            answer = line.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
            found[name].append((time.perf_counter() - begun) * 1000)
        time.sleep(PAUSE)
    return found


def rows_of(used: dict[str, float], times: dict[str, list[float]]) -> list[dict[str, Any]]:
    """A row for each server; ratios to the one that does not sample."""
    base = times["none"]
    return [
        {
            "sampler": name,
            "core_percent": used[name],
            "more_than_none": used[name] - used["none"],
            "p50_ms": quantile(each, 0.5),
            "p99_ms": quantile(each, 0.99),
            "longest_ms": max(each),
            "p50_ratio": quantile(each, 0.5) / quantile(base, 0.5),
            "p99_ratio": quantile(each, 0.99) / quantile(base, 0.99),
        }
        for name, each in times.items()
    ]


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("file", nargs="?", help="where the JSON goes")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cards = {}
        for name in ("quick", "slow"):
            (folder / name).mkdir()
            cards[name] = driver.build(folder / name)
        cards["slow"].works(os.uname().nodename, 50, milliseconds=500)
        processes, urls = dict[str, int](), dict[str, str]()
        for name, every in SAMPLERS.items():
            card = cards["slow" if name == SLOW else "quick"]
            setting = f"--LabsExtension.sample_seconds={every}"
            processes[name], urls[name] = stack.enter_context(server(folder, card, setting))
        latencies(urls, 50)  # to warm up
        threading.Event().wait(SETTLE)
        used = idle(processes, options.seconds)
        times = latencies(urls, options.requests)
    rows = rows_of(used, times)
    table(list(rows[0]), [list(row.values()) for row in rows])
    write("sampler_cost", {"seconds": options.seconds, "requests": options.requests, "rows": rows},
          packages=["jupyter_server", "nvidia-ml-py"])  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
