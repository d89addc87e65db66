"""Students who press Start at a real hub: processes as in production, machines that are stubs.

The processes are those of `tests/faults/campus.py`, with every setting that it quickens put back.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from _common import ROOT, cpu_seconds

sys.path.insert(0, str(ROOT))

from tests.faults.campus import TOKEN, Campus

PRODUCTION = """
for section, names in {
    "GPUSpawner": ("start_timeout", "http_timeout", "poll_interval", "consecutive_failure_limit"),
    "Controller": ("fast_interval", "slow_interval", "orphan_grace", "save_timeout"),
    "Agent": ("heartbeat_interval",),
    "JupyterHub": ("tornado_settings",),
}.items():
    for name in names:
        del c[section][name]
"""
BOOT_SECONDS, STOP_SECONDS = 8.0, 5.0
GPU_QUOTA = "L-DB2E81BA"
VCPUS = 4


def end_gently() -> None:
    """Have SIGTERM leave nothing behind: every process of a campus ends with its `with`."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def campus(folder: Path, *options: str, boot_seconds: float = BOOT_SECONDS) -> Campus:
    """A hub with every default, on an emulated EC2 whose changes of state take seconds."""
    times = ("--boot-seconds", str(boot_seconds), "--stop-seconds", str(STOP_SECONDS))
    return Campus(folder, more=PRODUCTION, emulator_options=(*times, *options))


@dataclass
class Start:
    """One student's start: seconds since it was pressed, and what became of it."""

    user: str
    seconds: float
    ready: bool
    said: str = ""


class Crowd:
    """Many students at one hub, each with a browser of their own."""

    def __init__(self, place: Campus, users: list[str]) -> None:
        self.place = place
        self.users = users

    def enrol(self) -> None:
        """Make all users, and have none of them in a cache yet."""
        for begin in range(0, len(self.users), 50):
            some = self.users[begin : begin + 50]
            status, said = self.place.hub("POST", "users", {"usernames": some})
            assert status == 201, (status, said)

    def start(self, within: float) -> list[Start]:
        """All press Start, evenly spread over `within` seconds; returns when all know their fate."""
        return asyncio.run(self._together(self._start, within))

    def stop(self) -> None:
        """All press Stop; returns when every machine is stopped."""
        asyncio.run(self._together(self._stop, 2.0))
        self.place.until(self._off, 600)

    def _off(self) -> bool:
        machines = self.place.machines()
        off = bool(machines) and all(one["state"] == "stopped" for one in machines)
        return off and self.place.hub("GET", "users?state=active&limit=1")[1] == []

    async def _together(self, act: Callable[..., Awaitable[Any]], within: float) -> list[Any]:
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=1800)
        headers = {"Authorization": f"token {TOKEN}"}
        async with aiohttp.ClientSession(
            self.place.hub_url, connector=connector, timeout=timeout, headers=headers
        ) as hub:
            gap = within / len(self.users)
            acts = (act(hub, user, gap * number) for number, user in enumerate(self.users))
            return await asyncio.gather(*acts)

    async def _start(self, hub: aiohttp.ClientSession, user: str, after: float) -> Start:
        await asyncio.sleep(after)
        pressed = time.monotonic()
        async with hub.post(f"/hub/api/users/{user}/server") as answer:
            status, said = answer.status, await answer.text()
        if status == 201:
            return Start(user, time.monotonic() - pressed, ready=True)
        if status != 202:
            return Start(user, time.monotonic() - pressed, ready=False, said=f"{status} {said}")
        ready, last = await _follow(hub, user)
        return Start(user, time.monotonic() - pressed, ready=ready, said=last)

    async def _stop(self, hub: aiohttp.ClientSession, user: str, after: float) -> None:
        await asyncio.sleep(after)
        async with hub.delete(f"/hub/api/users/{user}/server") as answer:
            assert answer.status in (202, 204), (answer.status, await answer.text())


async def _follow(hub: aiohttp.ClientSession, user: str) -> tuple[bool, str]:
    """What the page that a waiting student looks at is told: how it ended, and the last sentence."""
    last = ""
    async with hub.get(f"/hub/api/users/{user}/server/progress") as answer:
        if answer.status != 200:
            return False, f"progress: {answer.status}"
        async for line in answer.content:
            if not line.startswith(b"data:"):
                continue
            event = json.loads(line.partition(b":")[2])
            last = str(event.get("message", ""))
            if event.get("ready") or event.get("failed"):
                return bool(event.get("ready")), last
    return False, f"the progress ended: {last}"


class Meter:
    """Counts the calls that reach an emulated cloud, and when."""

    def __init__(self, ask: Callable[[str, str], Any], processes: Mapping[str, int]) -> None:
        self._ask = ask
        self._processes = processes
        self._over = threading.Event()
        self._looks: list[tuple[float, int]] = []
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Meter:
        self._ask("calls", "DELETE")
        self._cpu = {name: cpu_seconds(pid) for name, pid in self._processes.items()}
        self._began = time.monotonic()
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        said = self._ask("calls", "GET")
        self.seconds = time.monotonic() - self._began
        self._note(said)
        self.calls: dict[str, int] = said["calls"]
        self.throttled: dict[str, int] = said["throttled"]
        self.cpu = {
            name: cpu_seconds(pid) - self._cpu[name] for name, pid in self._processes.items()
        }

    @property
    def describes(self) -> int:
        """All Describe calls; on Azure all lists, however many pages they had."""
        return _describes(self.calls)

    @property
    def describes_a_minute(self) -> float:
        """The most Describe calls in any 60 seconds; of a shorter time, as many as there were."""
        return max(
            later - earlier
            for at, earlier in self._looks
            for then, later in self._looks
            if 0 <= then - at <= 60
        )

    def _watch(self) -> None:
        while not self._over.wait(1.0):
            self._look()

    def _look(self) -> None:
        self._note(self._ask("calls", "GET"))

    def _note(self, said: Mapping[str, Any]) -> None:
        self._looks.append((time.monotonic(), _describes(said["calls"])))


def _describes(calls: Mapping[str, int]) -> int:
    return sum(
        count
        for kind, count in calls.items()
        if "Describe" in kind or ("_List" in kind and "further page" not in kind)
    )


def kinds(meters: Iterable[Meter]) -> list[str]:
    """The kinds of calls that any of them has seen."""
    seen: Counter[str] = Counter()
    for meter in meters:
        seen.update(meter.calls)
    return sorted(seen)
