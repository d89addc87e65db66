"""How much of one student's wait is ours, and where it goes.

From the click until the hub calls the server ready, less what the cloud takes to switch a machine on
(here the emulated EC2's delay) and less what the single-user server takes to start. One student at
a time at a hub with default settings and stub machines: a first start (RunInstances, a new home)
and a second one of the same machine (StartInstances), each 20 times.

Usage: python benchmarks/start_latency.py [--starts 20] [JSON-FILE]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from _common import quantile, table, write
from _crowd import BOOT_SECONDS, Crowd, campus, end_gently

from tests.faults.campus import Campus

PARTS = {
    "wish": "click until the wish is written (hub)",
    "asked": "until the cloud has been asked (controller)",
    "boot": "until the machine runs (the cloud's)",
    "agent": "until its agent has spoken (agent)",
    "home": "until its home is plugged in and found (controller, cloud, agent)",
    "server": "until the server answers (the server's)",
    "ready": "until the hub calls it ready (hub)",
}
NOT_OURS = ("boot", "server")


def one(place: Campus, user: str) -> dict[str, float]:
    """Start one student's server; the seconds of each part."""
    events = len(place.cloud("events")["events"])
    clicked = time.time()
    (start,) = Crowd(place, [user]).start(0)
    ready = time.time()
    assert start.ready, start
    cloud = {
        event["event"]: _seconds(event["time"])
        for event in place.cloud(f"events?since={events}")["events"]
    }
    view = place.view(user)
    assert view
    told: dict[str, float] = {}
    for line in view["history"]:
        told.setdefault(line["sentence"]["message"], _seconds(line["at"]))
    marks = {
        "wish": _seconds(view["desired_at"]),
        "asked": cloud.get("created") or cloud["started"],
        "boot": cloud["running"],
        "agent": told["The machine has found this hub."],
        "home": told["JupyterLab is starting."],
        "server": told["Ready."],
        "ready": ready,
    }
    seconds, before = {}, clicked
    for part in PARTS:
        seconds[part] = marks[part] - before
        before = marks[part]
    return seconds


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()


def ours(parts: Mapping[str, float]) -> float:
    """Our share of a start."""
    return sum(seconds for part, seconds in parts.items() if part not in NOT_OURS)


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("file", nargs="?", help="where the JSON goes")
    options = parser.parse_args()
    end_gently()
    users = [f"student{number:02}" for number in range(options.starts)]
    found: dict[str, list[dict[str, float]]] = {"first": [], "second": []}
    with tempfile.TemporaryDirectory() as folder:
        place = campus(Path(folder))
        try:
            place.open()
            Crowd(place, users).enrol()
            for user in users:
                for which, starts in found.items():
                    starts.append(one(place, user))
                    Crowd(place, [user]).stop()
                    print(f"{user} {which}: {ours(starts[-1]):.1f} s of ours", flush=True)
        finally:
            place.close()
    rows = [
        (words, *(_cells(found, lambda one, part=part: one[part]))) for part, words in PARTS.items()
    ]
    rows.append(("from click to ready", *_cells(found, lambda one: sum(one.values()))))
    rows.append(("of that ours", *_cells(found, ours)))
    headers = [f"{which} start, {what} (s)" for which in found for what in ("median", "95 %")]
    table(["part", *headers], [(row[0], *(f"{cell:.2f}" for cell in row[1:])) for row in rows])
    medians = {which: statistics.median(map(ours, starts)) for which, starts in found.items()}
    facts = {"boot_seconds": BOOT_SECONDS, "starts": found, "our_median_seconds": medians}
    write("start_latency", facts, packages=("jupyterhub",))
    return 0


def _cells(found: Mapping[str, list[dict[str, float]]], of: Callable[..., float]) -> list[float]:
    cells = []
    for starts in found.values():
        seconds = [of(one) for one in starts]
        cells += [statistics.median(seconds), quantile(seconds, 0.95)]
    return cells


if __name__ == "__main__":
    raise SystemExit(main())
