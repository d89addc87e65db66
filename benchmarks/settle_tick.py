"""Reading the meters of a large class: 1,000 machines with three meters each, on both databases.

Every five minutes, and at each change, the controller reads every open meter and charges what has
been used since. Measured are the pass in which all of it begins, the passes in which all of it is
read, the one in which all machines have got another price, and the one in which all of them have been
stopped; and meanwhile how much later than it asked a task was woken on the controller's event loop: so
late are heartbeats and pages answered. PostgreSQL runs on this computer, without fsync.

Usage: python benchmarks/settle_tick.py [--machines N] [JSON-FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from _common import quantile, table, write
from _school import IMAGE, NOW, REGION, SIZES, ZONES, claims, fill
from sqlalchemy import func, select

from gpuspawner.controllers.meter import Meter
from gpuspawner.identity import Identity
from gpuspawner.model import (
    Claim,
    Desired,
    Disk,
    DiskKind,
    Machine,
    Placement,
    Power,
    World,
)
from gpuspawner.policy.money import seconds_of
from gpuspawner.policy.payers import hold_ref
from gpuspawner.policy.steps import Known
from gpuspawner.providers import catalog
from gpuspawner.store import allowance, ledger, price_book
from gpuspawner.store.database import Database
from gpuspawner.store.ledger import usage
from gpuspawner.store.seen import Seen
from gpuspawner.testing import FakeClock
from tests.store.postgresql import new_database, server

TICKS = 5
_PAUSE = 0.005
_CREDIT = 100_000_000


@dataclass(frozen=True)
class Measured:
    """Seconds of one pass, and how late the event loop was meanwhile."""

    seconds: float
    late: list[float]


async def measured(meter: Meter) -> Measured:
    """One pass, and beside it a task that wants to be woken every few milliseconds."""
    late: list[float] = []

    async def watch() -> None:
        while True:
            asked = time.perf_counter()
            await asyncio.sleep(_PAUSE)
            late.append(time.perf_counter() - asked - _PAUSE)

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0)
    began = time.perf_counter()
    assert await meter.look()
    seconds = time.perf_counter() - began
    watching.cancel()
    return Measured(seconds, late)


def world(some: list[Claim]) -> World:
    """Every claim's machine runs, with a disk of its own and a home."""
    began = NOW - timedelta(minutes=80)
    machines, disks = list[Machine](), list[Disk]()
    for number, claim in enumerate(some):
        id_, place = str(claim.machine_id), Placement(REGION, ZONES[number % 2], SIZES[number % 2])
        owner = claim.owner.user_id
        machines.append(
            Machine(
                id_, Power.RUNNING, place, IMAGE, began, claim.name, None, owner,
                powered_at=began,
            )
        )  # fmt: skip
        disks += [
            Disk(f"{kind.value}-{id_}", kind, "gp3", REGION, 60, began, claim.name, owner, id_)
            for kind in (DiskKind.OS, DiskKind.HOME)
        ]
    return World(NOW, tuple(machines), disks=tuple(disks))


def prepare(database: Database, some: list[Claim]) -> None:
    """Claims, prices, and credit for everybody."""
    fill(database, some)

    def credit(c: Any) -> None:
        now = seconds_of(NOW)
        price_book.update(c, catalog.quotes("aws", REGION), (), now - 86_400)
        allowance.fund_course(c, 2 * len(some) * _CREDIT, now)
        for claim in some:
            account = allowance.student(c, claim.owner, _CREDIT, now).id
            ref = hold_ref(claim.name, claim.generation)
            ledger.place_hold(c, account, _CREDIT // 100, ref=ref, now=now)

    asyncio.run(database.run(credit))


def stopped(listing: World, at: datetime) -> World:
    """The same machines, all of them off."""
    return replace(
        listing,
        listed_at=at,
        machines=tuple(
            replace(one, power=Power.STOPPED, stopped_at=at - timedelta(seconds=20))
            for one in listing.machines
        ),
    )


def dearer(c: Any, now: int) -> None:
    """Every size costs a tenth more from now on."""
    offered = [
        replace(
            quote, rate=replace(quote.rate, num=quote.rate.num * 11 // 10), as_of=quote.as_of + 1
        )
        for quote in catalog.quotes("aws", REGION)
    ]
    price_book.update(c, offered, (), now)


async def passes(database: Database, some: list[Claim]) -> dict[str, Any]:
    """The pass in which everything begins, and those in which all of it is read."""
    clock, listing = FakeClock(NOW), world(some)
    meter = Meter("aws", database, Seen(timedelta(1), timedelta(1)), clock)
    known = Known(claims=tuple(some))
    meter.listed(listing, known, NOW)
    opening = await measured(meter)
    reading = []
    for number in range(1, TICKS + 1):
        clock.turn(301)
        at = NOW + number * timedelta(seconds=301)
        meter.listed(replace(listing, listed_at=at), known, at)
        reading.append(await measured(meter))
        assert len(meter.settled) == 3 * len(some)
    clock.turn(301)
    at += timedelta(seconds=301)
    await database.run(dearer, seconds_of(at) - 100)
    meter.listed(replace(listing, listed_at=at), known, at)
    repricing = await measured(meter)
    clock.turn(301)
    at += timedelta(seconds=301)
    off = [replace(one, desired=Desired.STOPPED, saved_at=at) for one in some]
    meter.listed(stopped(listing, at), Known(claims=tuple(off)), at)
    closing = await measured(meter)
    # Each of the three meters has gone on at its new price, and the machines' have ended.
    assert await database.read(_left) == (6 * len(some), 2 * len(some), 0)
    wrong = await database.read(ledger.differences)
    late = [one for tick in reading for one in tick.late]
    return {
        "open_seconds": opening.seconds,
        "tick_seconds": [one.seconds for one in reading],
        "reprice_seconds": repricing.seconds,
        "close_seconds": closing.seconds,
        "reprice_lag_max_ms": max(repricing.late) * 1000,
        "close_lag_max_ms": max(closing.late) * 1000,
        "lag_p50_ms": quantile(late, 0.5) * 1000,
        "lag_p99_ms": quantile(late, 0.99) * 1000,
        "lag_max_ms": max(late) * 1000,
        "differences": len(wrong),
    }


def _left(c: Any) -> tuple[int, int, int]:
    """How many meters there are, how many are open, and how many holds are."""
    meters, holds = usage.meters, usage.holds
    counts = (
        select(func.count()).select_from(meters),
        select(func.count()).where(meters.c.closed_at.is_(None)),
        select(func.count()).where(holds.c.released_at.is_(None)),
    )
    found, open_, held = (int(c.execute(one).scalar_one()) for one in counts)
    return found, open_, held


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """A new database of either kind, by its name."""
    with tempfile.TemporaryDirectory() as folder, server() as there:
        yield {
            "SQLite": f"sqlite:///{folder}/gpuspawner.sqlite",
            "PostgreSQL": new_database(there),
        }


def main() -> None:
    """Measure both, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--machines", type=int, default=1000)
    parser.add_argument("file", nargs="?", help="where to write the JSON")
    machines = parser.parse_args().machines
    some = [
        replace(one, desired=Desired.RUNNING, up_at=NOW - timedelta(minutes=75))
        for one in claims(machines)
    ]
    found = {}
    with databases() as urls:
        for name, url in urls.items():
            database = Database(url, Identity(b"0" * 32).encryption_key)
            try:
                database.migrate()
                prepare(database, some)
                found[name] = asyncio.run(passes(database, some))
            finally:
                database.close()
    headers = (
        "database",
        "begin all, s",
        "read all, s",
        "most, s",
        "reprice all, s",
        "stop all, s",
        "lag p50, ms",
        "p99",
        "max",
    )
    table(
        headers,
        [
            (
                name, one["open_seconds"], quantile(one["tick_seconds"], 0.5),
                max(one["tick_seconds"]), one["reprice_seconds"], one["close_seconds"], one["lag_p50_ms"], one["lag_p99_ms"], one["lag_max_ms"],
            )
            for name, one in found.items()
        ],
    )  # fmt: skip
    write("settle_tick", {"machines": machines, "found": found}, packages=("SQLAlchemy",))


if __name__ == "__main__":
    main()
