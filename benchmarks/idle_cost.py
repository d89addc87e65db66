"""What our programs cost a machine that nobody uses: the agent, and the extension in the Jupyter server.

The agent is that of an emulated machine of the demo, with the default rhythm, and with a GPU driver
that answers at once. Beside it run three JupyterLab servers: one without the extension, one with
it, and one with it that a page asks as an open JupyterLab does. All at the same time.

Usage: python benchmarks/idle_cost.py [--seconds 120] [JSON-FILE]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from _common import cpu_seconds, table, write
from _lab import answers, server

from tests import driver
from tests.end_to_end.classroom import Classroom, opened, wait_until

PAGE = {
    "gpuspawner/api/session": 5.0,
    "gpuspawner/api/gpu": 5.0,
    "gpuspawner/api/session/tab": 30.0,
}
"""What an open and visible JupyterLab asks of the extension, and how often, in seconds."""

SETTLE = 20.0
"""Seconds after which a server has done what it does at its start."""

SETTINGS = "c = get_config()\nc.Agent.heartbeat_interval = 10.0\n"


def memory_mib(pid: int) -> dict[str, float]:
    """What is resident, and what of it no other process shares."""
    sizes = {"Rss": 0, "Private_Clean": 0, "Private_Dirty": 0}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name = line.partition(":")[0]
        if name in sizes:
            sizes[name] = int(line.split()[1])
    private = sizes["Private_Clean"] + sizes["Private_Dirty"]
    return {"resident_mib": sizes["Rss"] / 1024, "own_mib": private / 1024}


def below(pid: int) -> set[int]:
    """Every process that descends from this one."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text(errors="replace")
            except OSError:
                continue
            parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    found, newer = set[int](), {pid}
    while newer:
        newer = {one for one, parent in parents.items() if parent in newer} - found
        found |= newer
    return found


def agent_of(room: Classroom) -> int:
    """The agent of the one machine that runs."""
    found = []
    for pid in below(room.process.pid):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if any(word.endswith(b"/gpuspawner-agent") for word in words[:3]):
            found.append(pid)
    assert len(found) == 1, found
    return found[0]


def look(url: str, ended: threading.Event) -> None:
    """Ask as an open page does."""
    due = dict.fromkeys(PAGE, 0.0)
    while not ended.wait(0.5):
        for path, every in PAGE.items():
            if time.monotonic() >= due[path]:
                due[path] = time.monotonic() + every
                body = {"id": "page", "visible": True, "unsaved": 0}
                assert answers(url, path, body if path.endswith("/tab") else None), path


def measure(processes: dict[str, int], seconds: float) -> list[dict[str, Any]]:
    """What each has used of one core in that time, and its memory at the end."""
    began = time.monotonic()
    before = {name: cpu_seconds(pid) for name, pid in processes.items()}
    threading.Event().wait(seconds)
    after = {name: cpu_seconds(pid) for name, pid in processes.items()}
    passed = time.monotonic() - began
    return [
        {
            "process": name,
            "core_percent": 100 * (after[name] - before[name]) / passed,
            **memory_mib(pid),
        }
        for name, pid in processes.items()
    ]


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("file", nargs="?", help="where the JSON goes")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        card_folder, demo = folder / "driver", folder / "demo"
        card_folder.mkdir()
        demo.mkdir()
        card = driver.build(card_folder)
        settings = folder / "settings.py"
        settings.write_text(SETTINGS)
        given = {"DEMO_CONFIG": str(settings), "DEMO_LIBRARIES": str(card_folder)}
        room = stack.enter_context(opened(demo, **given))
        room.hub("POST", "users/student1/server")
        wait_until(lambda: is_ready(room), 120, room.world)
        processes = {"agent": agent_of(room)}
        for name, extension in (("without", False), ("with", True), ("with a page", True)):
            pid, url = stack.enter_context(server(folder, card, extension=extension))
            processes[f"JupyterLab {name}"] = pid
        ended = threading.Event()
        page = threading.Thread(target=look, args=(url, ended), daemon=True)
        stack.callback(ended.set)
        page.start()
        ended.wait(SETTLE)
        rows = measure(processes, options.seconds)
        assert page.is_alive(), "the page was refused"
    table(
        ("process", "% of a core", "resident MiB", "its own MiB"),
        [
            (one["process"], one["core_percent"], one["resident_mib"], one["own_mib"])
            for one in rows
        ],
    )
    write("idle_cost", {"seconds": options.seconds, "rows": rows}, packages=["jupyterlab"])
    return 0


def is_ready(room: Classroom) -> bool:
    """Whether the student's server runs."""
    servers = room.hub("GET", "users/student1")["servers"]
    return bool(servers.get("", {}).get("ready"))


if __name__ == "__main__":
    sys.exit(main())
