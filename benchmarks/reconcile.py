"""One pass of the controller over up to 10,000 claims and machines: time, memory, and how they grow.

A pass lists the cloud, reads the claims, plans, notes the progress of starts, and shows the hub
what has changed. Each part is measured on its own and then the whole pass, in a process of its own
for each number of claims. The provider hands over a ready listing; what it makes of EC2's own
answers is the part "normalise". The time is the processor's, the least of several runs, so that a
busy computer does not make it longer; the exponent is the slope in the logarithms, 1 being linear.

Usage: python benchmarks/reconcile.py [JSON-FILE, default build/benchmarks/reconcile.json]
"""

from __future__ import annotations

import asyncio
import gc
import json
import math
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from _common import peak_mib, table, write
from _school import NOW, REGION, Cloud, claims, fill, instances, volumes, wanting

from gpuspawner.controllers.hands import Hands
from gpuspawner.controllers.reconciler import Reconciler
from gpuspawner.identity import Identity
from gpuspawner.mirror import Mirror
from gpuspawner.policy.plan import plan
from gpuspawner.providers import aws_world
from gpuspawner.settings import Controller
from gpuspawner.store.database import Database
from gpuspawner.store.seen import Seen
from gpuspawner.testing import FakeClock
from gpuspawner.web.board import Board

STUDENTS = (1250, 2500, 5000, 10000)
TIMES = 3
EXPONENT = 1.2
"""At most: above 1 for caches that no longer hold what they held, far below the 2 of a scan a claim."""

PARTS = (
    "normalise",
    "read",
    "plan, nothing to do",
    "plan, all to start",
    "note progress",
    "board, no change",
    "board, one change",
    "whole pass",
    "snapshot to JSON",
    "hub reads snapshot",
)
ASIDE = ("hub reads snapshot",)
"""Shown, but no part of a pass: once for each time a hub connects, and in the hub. While it is read,
Python's garbage collector looks several times at what there is of it already."""


async def measure(work: Callable[[], Awaitable[Any]]) -> dict[str, float]:
    """Milliseconds of the processor and of the wall, the least of several runs.

    What the benchmark holds itself is kept out of the garbage collector's rounds.
    """
    cpu, wall = [], []
    for _ in range(TIMES):
        gc.collect()
        gc.freeze()
        began, used = time.perf_counter(), time.process_time()
        await work()
        cpu.append(time.process_time() - used)
        wall.append(time.perf_counter() - began)
        gc.unfreeze()
    return {"cpu_ms": min(cpu) * 1000, "wall_ms": min(wall) * 1000}


async def memory(work: Callable[[], Awaitable[Any]]) -> float:
    """The most MiB that the work holds at once beyond what was held before it."""
    gc.collect()
    tracemalloc.start()
    await work()
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / 2**20


class Pass:
    """One controller before a school of `students`, without a loop of its own."""

    def __init__(self, students: int, folder: Path) -> None:
        self.listed = instances(students), volumes(students)
        self.claims = claims(students)
        world = aws_world.world(*self.listed, REGION, NOW)
        clock, identity = FakeClock(NOW), Identity(b"0" * 32)
        self.database = Database(f"sqlite:///{folder}/school.sqlite", identity.encryption_key)
        self.database.migrate()
        fill(self.database, self.claims)
        self.seen = Seen(timedelta(seconds=180), timedelta(seconds=900))
        self.board = Board(self.database, self.seen, clock)
        record = Controller(public_url="http://127.0.0.1:8000/").record()
        cloud: Any = Cloud(world)
        hands = Hands(cloud, self.database, identity, self.seen, clock, agent_url="http://x/")
        self.reconciler = Reconciler(cloud, self.database, hands, self.seen, clock, record)
        self.flip = False

    async def once(self) -> None:
        """All of it, as the controller does it."""
        await self.reconciler.tick()
        await self.board.refresh()

    async def parts(self) -> dict[str, Callable[[], Awaitable[Any]]]:
        """The parts of a pass by name."""
        world = self.seen.world
        assert world
        known = await self.database.read(self.reconciler._read)  # noqa: SLF001 - a part of a pass
        starting = replace(known, claims=tuple(wanting(self.claims)))
        made, started = plan(known, world, NOW), plan(starting, world, NOW)
        assert made.steps == ()
        assert len(started.steps) > len(self.claims) // 3
        lines = json.dumps(self.board.snapshot()).encode() + b"\n"

        async def one_change() -> None:
            self.flip = not self.flip
            machines = list(world.machines)
            machines[0] = replace(machines[0], address="10.0.0.1" if self.flip else "10.0.0.2")
            self.seen.world = replace(world, machines=tuple(machines))
            await self.board.refresh()

        return {
            "normalise": _sync(lambda: aws_world.world(*self.listed, REGION, NOW)),
            "read": lambda: self.database.read(self.reconciler._read),  # noqa: SLF001
            "plan, nothing to do": _sync(lambda: plan(known, world, NOW)),
            "plan, all to start": _sync(lambda: plan(starting, world, NOW)),
            "note progress": lambda: self.reconciler._note_progress(known, world),  # noqa: SLF001
            "board, no change": self.board.refresh,
            "board, one change": one_change,
            "snapshot to JSON": _sync(lambda: json.dumps(self.board.snapshot())),
            "hub reads snapshot": _sync(lambda: Mirror().apply(json.loads(lines))),
            "whole pass": self.once,
        }


def _sync(work: Callable[[], Any]) -> Callable[[], Awaitable[Any]]:
    async def run() -> Any:
        return work()

    return run


async def child(students: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        one = Pass(students, Path(folder))
        await one.once()
        found = {name: await measure(work) for name, work in (await one.parts()).items()}
        result = {
            "students": students,
            "parts": found,
            "pass_mib": await memory(one.once),
            "process_mib": peak_mib(),
        }
        one.database.close()
    return result


def exponent(rows: list[dict[str, Any]], value: Callable[[dict[str, Any]], float]) -> float:
    """The slope of log(value) over log(students), by least squares."""
    xs = [math.log(row["students"]) for row in rows]
    ys = [math.log(value(row)) for row in rows]
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / sum(
        (a - x) ** 2 for a in xs
    )


def main() -> None:
    rows = []
    for students in STUDENTS:
        done = subprocess.run(
            [sys.executable, __file__, "--students", str(students)],
            stdout=subprocess.PIPE,
            check=True,
        )
        rows.append(json.loads(done.stdout))
    growth = {
        name: exponent(rows, lambda row, name=name: row["parts"][name]["cpu_ms"]) for name in PARTS
    }
    growth["memory of a pass"] = exponent(rows, lambda row: row["pass_mib"])
    table(
        ["processor ms", *(f"{count:,}" for count in STUDENTS), "exponent"],
        [
            *(
                [name, *(row["parts"][name]["cpu_ms"] for row in rows), f"{growth[name]:.2f}"]
                for name in PARTS
            ),
            [
                "memory of a pass, MiB",
                *(row["pass_mib"] for row in rows),
                f"{growth['memory of a pass']:.2f}",
            ],
            ["whole process, MiB", *(row["process_mib"] for row in rows), ""],
        ],
    )
    kept = all(one <= EXPONENT for name, one in growth.items() if name not in ASIDE)
    print(f"linear, every exponent of a pass at most {EXPONENT}: {'yes' if kept else 'NO'}")
    write(
        "reconcile",
        {"rows": rows, "exponents": growth, "bound": EXPONENT, "kept": kept},
        packages=["sqlalchemy"],
    )


if __name__ == "__main__":
    if "--students" in sys.argv:
        print(json.dumps(asyncio.run(child(int(sys.argv[-1])))))
    else:
        main()
