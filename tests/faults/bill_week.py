"""A class's days before an emulated cloud whose time is turned: the ledger beside its own bill.

Students press Start and Stop at a JupyterHub, the cloud throttles and changes its prices, and the
hub and the controller are killed with SIGKILL at whatever they are doing (`week_campus`). What
agents would report is written into the database from here.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from sqlalchemy import text

from gpuspawner import identity
from gpuspawner.model import Claim, Desired
from gpuspawner.policy.money import MICROS
from gpuspawner.store import agents, claims, ledger
from gpuspawner.store.database import Database
from tests.faults.clouds import Cloud
from tests.faults.week_campus import WeekCampus

DAY = 86_400
SIZES = ("g4dn.xlarge", "g6.xlarge", "g5.xlarge")
KINDS = {"compute": "machine", "disk": "disk", "home": "disk", "address": "address"}
LONGEST, NIGHT, LOST = 600, 3600, 900
"""Seconds between two looks at most, and at night while nothing runs; and until a start that left no
trace is given up."""


@dataclass
class Found:
    """What was counted. Amounts in micros."""

    counts: Counter[str] = field(default_factory=Counter)
    lowest: int | None = None
    orphan_meters: int = 0
    unmetered: int = 0
    worst: float = 0.0
    written_off: int = 0
    bill: int = 0
    cost: int = 0
    segments: int = 0
    differences: list[tuple[Any, ...]] = field(default_factory=list)
    unsound: list[Any] = field(default_factory=list)


@dataclass
class Stay:
    """A student has pressed Start: when, when they mean to leave, and the claim's generation before."""

    since: int
    leaves: int
    before: int


@dataclass(frozen=True)
class Pace:
    """How often what happens: visits of a student a day, and the rest once in so many chances.

    The controller dies in its passes, the hub in the starts that are pressed; throttling and new
    prices come between two passes.
    """

    visits: float = 1.5
    controller: int = 35
    hub: int = 15
    throttling: int = 30
    prices: int = 100


class Sometimes:
    """Due once in about so many times that it is asked, until it is `done`."""

    def __init__(self, every: int, rng: random.Random) -> None:
        self._every, self._random = every, rng
        self.done()

    def done(self) -> None:
        """It has happened; begin to count anew."""
        self._left = self._random.randint(self._every // 2, self._every * 3 // 2)

    def due(self) -> bool:
        """Whether it is to happen now."""
        self._left -= 1
        return self._left <= 0


class Week:
    """One class and its cloud. `seed` decides who comes when, and what goes wrong.

    `credit` is what each student is given in dollars.
    """

    def __init__(
        self,
        folder: Path,
        students: int,
        seed: int,
        *,
        credit: float = 4.0,
        pace: Pace | None = None,
        kind: Cloud | None = None,
    ) -> None:
        self.random, pace = random.Random(seed), pace or Pace()
        self._visits = pace.visits / (14 * 3600)
        self._deaths = Sometimes(pace.controller, self.random)
        self._hub_deaths = Sometimes(pace.hub, self.random)
        self._throttling = Sometimes(pace.throttling, self.random)
        self._prices = Sometimes(pace.prices, self.random)
        self.students = [f"student{number}" for number in range(1, students + 1)]
        self.campus = WeekCampus(folder, students, credit, kind)
        self.stays: dict[str, Stay] = {}
        self.found = Found()
        self._asked: set[asyncio.Task[None]] = set()
        self._hub_dies_in: int | None = None
        self._hub_back = 0
        self._takes = 0.1  # a pass, in real seconds

    @property
    def now(self) -> int:
        return int(self.campus.time.now())

    @property
    def moment(self) -> datetime:
        return datetime.fromtimestamp(self.now, timezone.utc)

    async def begin(self) -> None:
        campus = self.campus
        await asyncio.to_thread(campus.open)
        key = identity.load(campus.secret).encryption_key
        self.database = Database(campus.database, key)
        self.names = {user: campus.claim_of(user) for user in self.students}
        for first in range(0, len(self.students), 50):
            some = {"usernames": self.students[first : first + 50]}
            status, content = await asyncio.to_thread(campus.hub, "POST", "users", some)
            assert status == 201, content

    async def close(self) -> None:
        await asyncio.to_thread(self.campus.close)
        if hasattr(self, "database"):
            self.database.close()

    async def lives(self, days: float) -> None:
        """Let the class live, looked at when the controller wants to look."""
        end, seconds = self.now + int(days * DAY), 0.0
        while self.now < end:
            pressed = await self._people(seconds)
            await self._trouble()
            seconds = await self._step(pressed=pressed)
            self.campus.time.advance(seconds)

    async def ends(self) -> Found:
        """Everybody leaves; the two books are held beside each other."""
        self.campus.cloud("faults", method="DELETE")
        self._hub_back = 0
        for stay in self.stays.values():
            stay.leaves = 0
        for _ in range(60):
            await self._people(0.0)
            self.campus.time.advance(await self._step(kill=False))
            if not self.stays and not self.campus.billed_machines():
                break
        await self._step(kill=False)
        await self._compare()
        self.found.unsound = await self.database.read(ledger.differences)
        return self.found

    # -- people

    async def _people(self, passed: float) -> bool:
        """What everybody does after so many seconds. Whether somebody has pressed a button."""
        if self.now >= self._hub_back and not self.campus.alive("hub"):
            await asyncio.to_thread(self.campus.start_hub)
        known = {one.name: one for one in await self.database.read(claims.all_claims)}
        chance = self._visits * passed
        beats, pressed = list[Claim](), False
        for user, name in self.names.items():
            claim, stay = known.get(name), self.stays.get(user)
            if stay is None:
                if self._is_day() and self.random.random() < chance:
                    pressed |= self._comes(user, claim)
            elif claim is None or claim.generation == stay.before:
                if self.now > stay.since + LOST:
                    self._gone(user, "starts that came to nothing")
            elif claim.desired is not Desired.RUNNING:
                await self._saves(claim)
                self._gone(user, f"ended: {claim.reason.value if claim.reason else '?'}")
            elif self.now >= stay.leaves:
                pressed |= self._press(user, "stop")
            else:
                beats.append(claim)
        await self._agents(beats)
        return pressed

    def _comes(self, user: str, claim: Claim | None) -> bool:
        if not self._press(user, "start"):
            return False
        length = max(60, min(int(self.random.lognormvariate(7.4, 1.0)), 4 * 3600))
        self.stays[user] = Stay(self.now, self.now + length, claim.generation if claim else 0)
        if self._hub_dies_in is None and self._hub_deaths.due():
            self._hub_dies_in = self.random.randint(0, 3)
        return True

    def _gone(self, user: str, how: str) -> None:
        self.found.counts[how] += 1
        del self.stays[user]

    def _press(self, user: str, button: str) -> bool:
        """At the hub, unless it is down. Nobody waits for its answer."""
        if not self.campus.alive("hub"):
            return False
        task = asyncio.create_task(self._pressed(user, button))
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)
        return True

    async def _pressed(self, user: str, button: str) -> None:
        if button == "stop":
            await asyncio.to_thread(self.campus.stop, user)
            return
        profile = "a10g" if self.random.random() < 0.1 else "t4"
        options = {"profile": profile}
        status = await asyncio.to_thread(self.campus.start, user, "", options)
        self.found.counts["presses of Start"] += 1
        if status >= 400:
            self._gone(user, f"starts refused (status {status})")

    async def _agents(self, running: list[Claim]) -> None:
        """The agents of machines that run report and beat, most of them at once."""
        billed, now = self.campus.billed_machines(), self.moment
        for claim in running:
            if claim.machine_id in billed and claim.up_at is None and self.random.random() < 0.9:
                await self.database.run(
                    agents.report, claim.name, claim.generation, "up", "", now
                )  # fmt: skip
        beats = [(one.name, one.generation, now) for one in running if one.machine_id in billed]
        await self.database.run(agents.heartbeats, beats)

    async def _saves(self, claim: Claim) -> None:
        if self.random.random() < 0.7:
            args = (claim.name, claim.generation, "saved", "", self.moment)
            await self.database.run(agents.report, *args)

    # -- trouble

    def _is_day(self) -> bool:
        return 8 <= self.now % DAY // 3600 < 22

    async def _trouble(self) -> None:
        if self._throttling.due():
            self._throttling.done()
            count = self.random.randint(2, 10)  # the SDK asks five times, where it reads
            self.found.counts["refusals of throttled calls ordered"] += count
            action = self.random.choice(["DescribeInstances", "StartInstances", "RunInstances"])
            rule = {"action": action, "code": "RequestLimitExceeded", "count": count}
            await asyncio.to_thread(self.campus.cloud, "faults", rule)
        if self._prices.due():
            self._prices.done()
            self.found.counts["price changes"] += 1
            micros = self.random.randint(300_000, 1_500_000)
            prices = {"machines": {self.campus.kind.word(self.random.choice(SIZES)): micros}}
            await asyncio.to_thread(self.campus.cloud, "prices", prices)
            answer = await asyncio.to_thread(self.campus.order, "refresh")
            assert answer == {"good": True}, answer

    async def _step(self, *, pressed: bool = False, kill: bool = True) -> float:
        """One pass of the controller; it or the hub dies in some. Seconds until the next."""
        billed = self.campus.billed_machines()
        loop = asyncio.get_running_loop()
        began = loop.time()
        work = asyncio.create_task(asyncio.to_thread(self.campus.order, "pass"))
        if kill:
            await self._perhaps_kill_hub()
            if self._deaths.due():
                await asyncio.wait({work}, timeout=self.random.uniform(0, self._takes))
                if not work.done():
                    return await self._kill_controller(work)
        answer = await work
        if answer is None:
            raise RuntimeError(f"the controller died\n{self.campus.world()}")
        self._takes += 0.1 * (loop.time() - began - self._takes)
        if self._asked and not pressed:
            await asyncio.wait(self._asked)
        self.found.counts["passes"] += 1
        self.found.counts["passes without a listing"] += answer["failed"]
        if answer["kept"]:
            await self._count(billed)
        if not (self.stays or billed or self._is_day()):
            return NIGHT
        return min(max(5.0, 5.0 if pressed else answer["again"]), LONGEST)

    async def _perhaps_kill_hub(self) -> None:
        """At the button, or while the machine is being made or boots; it is back after a while."""
        if self._hub_dies_in is None:
            return
        self._hub_dies_in -= 1
        if self._hub_dies_in >= 0:
            return
        await asyncio.sleep(self.random.uniform(0, 0.3))
        known = {one.name: one for one in await self.database.read(claims.all_claims)}
        starting = [
            user
            for user in self.stays
            if (claim := known.get(self.names[user])) is None
            or (claim.desired is Desired.RUNNING and claim.up_at is None)
        ]
        await asyncio.to_thread(self.campus.kill, "hub")
        self.found.counts["kill -9 of the hub"] += 1
        self.found.counts["starts under way in a hub that was killed"] += len(starting)
        self._hub_dies_in = None
        self._hub_deaths.done()
        self._hub_back = self.now + self.random.randint(0, 1200)

    async def _kill_controller(self, work: asyncio.Task[Any]) -> float:
        """In the middle of a pass, and sometimes the next one while it begins."""
        campus = self.campus
        await asyncio.to_thread(campus.kill, "controller")
        self._deaths.done()
        self.found.counts["kill -9 of the controller in a pass"] += 1
        await work
        if self.random.random() < 0.2:
            campus.start_controller(wait=False)
            await asyncio.sleep(self.random.uniform(0, 0.6))
            await asyncio.to_thread(campus.kill, "controller")
            self.found.counts["kill -9 of the controller as it begins"] += 1
        if self._asked:
            await asyncio.wait(self._asked)
        campus.time.advance(self.random.randint(0, 60))
        await asyncio.to_thread(campus.start_controller)
        return 0.0

    # -- the books

    async def _count(self, billed: set[str]) -> None:
        """Hold the open meters beside what the cloud billed when it was listed."""
        metered = {
            row.resource
            for row in await self._rows(
                "SELECT resource FROM meters WHERE component = 'compute' AND closed_at IS NULL"
            )
        }
        self.found.orphan_meters += len(metered - billed)
        self.found.unmetered += len(billed - metered)
        ((lowest,),) = await self._rows("SELECT min(balance) FROM accounts WHERE kind = 'student'")
        if lowest is not None:
            known = self.found.lowest
            self.found.lowest = lowest if known is None else min(known, lowest)

    async def _compare(self) -> None:
        await self.database.run(ledger.settle_all, self.now, now=self.now)
        billed: Counter[tuple[str, str]] = Counter()
        lines = self.campus.cloud("bill")["lines"]
        for line in lines:
            line["id"] = line["id"].rpartition("/")[2]  # Azure's are paths
            billed[line["kind"], line["id"]] += line["micros"]
        rows = await self._rows(
            "SELECT resource, component, sum(cost) AS cost, count(*) AS segments "
            "FROM meters GROUP BY resource, component"
        )
        books = {(KINDS[row.component], row.resource): row for row in rows}
        for what in sorted(billed.keys() | books.keys()):
            row = books.get(what)
            cost, segments = (int(row.cost), row.segments) if row else (0, 0)
            off = billed[what] - cost
            self.found.worst = max(self.found.worst, abs(off) / max(segments, 1))
            if abs(off) > segments:
                of_it = [one for one in lines if (one["kind"], one["id"]) == what]
                meters = await self._segments(what[1])
                self.found.differences.append((*what, billed[what], cost, of_it, meters))
            self.found.segments += segments
            self.found.cost += cost
        ((written_off,),) = await self._rows(
            "SELECT coalesce(sum(p.micros), 0) FROM postings p JOIN accounts a ON a.id = p.account "
            "WHERE a.kind = 'writeoff'"
        )
        self.found.written_off = -int(written_off)
        self.found.bill = sum(billed.values())

    async def _segments(self, resource: str) -> list[dict[str, Any]]:
        """For the reader of a difference."""
        rows = await self._rows("SELECT * FROM meters ORDER BY id")
        return [dict(row._mapping) for row in rows if row.resource == resource]

    async def _rows(self, question: str) -> list[Any]:
        return await self.database.read(lambda c: list(c.execute(text(question)).all()))


def units(micros: int) -> float:
    """Micros as people read them."""
    return micros / MICROS
