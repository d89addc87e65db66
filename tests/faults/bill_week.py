"""A class's days before an emulated EC2 whose time is turned: the ledger beside the cloud's own bill.

Students come and go, the cloud throttles and changes its prices, and the controller is killed at
whatever it is doing, with all that it remembers. The parts of the controller, the SDK, the database
and the emulator are those of production; only the clocks stand still between two steps.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from gpuspawner.controllers.credit import CreditKeeper
from gpuspawner.controllers.hands import Hands
from gpuspawner.controllers.meter import Meter
from gpuspawner.controllers.pricer import Pricer
from gpuspawner.controllers.reconciler import Reconciler
from gpuspawner.errors import GpuspawnerError
from gpuspawner.model import Desired, Owner, Reason, Specification
from gpuspawner.policy.money import MICROS, seconds_of
from gpuspawner.settings import Credit
from gpuspawner.store import admission, agents, allowance, claims, ledger
from gpuspawner.store.database import Database
from gpuspawner.store.seen import Seen
from tests.controllers.stage import IDENTITY, name_of, record
from tests.providers.aws_cloud import Cloud

DAY = 86_400
SIZES = ("g4dn.xlarge", "g6.xlarge", "g5.xlarge")
KINDS = {"compute": "machine", "disk": "disk", "home": "disk", "address": "address"}


@dataclass
class Found:
    """What was counted. Amounts in micros."""

    counts: Counter[str] = field(default_factory=Counter)
    lowest: int = 0
    orphan_meters: int = 0
    unmetered: int = 0
    worst: float = 0.0
    written_off: int = 0
    bill: int = 0
    cost: int = 0
    segments: int = 0
    differences: list[tuple[Any, ...]] = field(default_factory=list)
    unsound: list[Any] = field(default_factory=list)


class Week:
    """One class and its cloud. `seed` decides who comes when, and what goes wrong.

    `visits` is how often each student comes in a day, `credit` what each is given in dollars.
    """

    def __init__(
        self, folder: Path, students: int, seed: int, *, credit: float = 4.0, visits: float = 1.5
    ) -> None:
        self.visits, self.pace = visits, 240
        self.random = random.Random(seed)
        self.cloud = Cloud()
        self.clock = self.cloud.clock
        self.database = Database(f"sqlite:///{folder}/week.sqlite", IDENTITY.encryption_key)
        self.database.migrate()
        self.credit = Credit(course_credit=10 * students * credit, student_credit=credit).record()
        self.students = [f"student{number}" for number in range(1, students + 1)]
        self.leaves: dict[str, int] = {}
        self.found = Found()

    @property
    def now(self) -> int:
        return seconds_of(self.clock.now())

    async def begin(self) -> None:
        self.cloud.emulator.start()
        # What the cloud does not date (pending, say) is another test's; here both must be the same.
        times = {"pending": 0, "stopping": 0, "shutting_down": 0, "attaching": 0}
        await self.cloud.fault(kind="times", **times)
        await self.database.run(allowance.set_up, self.credit, self.now)
        await self.restart()

    async def close(self) -> None:
        await self.cloud.close()
        self.database.close()

    async def restart(self) -> None:
        """Another controller begins, which remembers nothing."""
        of = record()
        self.provider = self.cloud.provider(IDENTITY.hub_id, sizes=SIZES)
        self.seen = Seen(of.capacity_memory, of.quota_memory)
        self.pricer = Pricer(self.provider, self.database, self.seen, self.clock)
        self.meter = Meter("aws", self.database, self.seen, self.clock)
        hands = Hands(
            self.provider, self.database, IDENTITY, self.seen, self.clock, agent_url="https://h/"
        )
        self.reconciler = Reconciler(
            self.provider, self.database, hands, self.seen, self.clock, of,
            listed=self.meter.listed, priced=self.pricer.priced,
        )  # fmt: skip
        self.keeper = CreditKeeper(self.database, self.seen, self.clock, self.credit)
        await self.pricer.begin()

    async def lives(self, days: float) -> None:
        """Let the class live, looked at every `pace` seconds or so, and less while nobody is there."""
        pace = self.pace
        end = self.now + int(days * DAY)
        while self.now < end:
            await self._people()
            await self._trouble()
            await self._step()
            quiet = not self.leaves and not self._is_day()
            await self._pass(self.random.randint(pace // 2, pace * 3 // 2) * (6 if quiet else 1))

    async def ends(self) -> Found:
        """Everybody leaves; the two books are held beside each other."""
        self.leaves = dict.fromkeys(self.leaves, 0)
        await self.cloud._ask("DELETE", "faults")
        for _ in range(6):
            await self._people(arrive=False)
            await self._step()
            await self._pass(61)
        await self._compare()
        self.found.unsound = await self.database.read(ledger.differences)
        return self.found

    def _is_day(self) -> bool:
        return 8 <= self.now % DAY // 3600 < 22

    async def _pass(self, seconds: int) -> None:
        await self.cloud.settle(seconds)
        # A wait for the rate limiter turns our clock alone.
        ahead = self.clock.now().timestamp() - self.cloud.emulator.world.clock.now()
        if ahead > 0:
            await self.cloud.post("clock", {"advance": ahead})

    async def _people(self, *, arrive: bool = True) -> None:
        chance = self.visits * self.pace / (14 * 3600)
        for user in self.students:
            if user in self.leaves:
                await self._goes_on(user)
            elif arrive and self._is_day() and self.random.random() < chance:
                await self._comes(user)

    async def _comes(self, user: str) -> None:
        sizes = ("g5.xlarge",) if self.random.random() < 0.1 else SIZES[:2]
        wish = admission.Wish(
            name_of(user), Owner(f"id-{user}", user, ""),
            Specification("t4", "GPU", sizes, home_gib=10), {"JUPYTERHUB_API_TOKEN": "x"},
            ["jupyterhub-singleuser"], 8888, self.clock.now() + timedelta(seconds=900),
        )  # fmt: skip
        terms = admission.Terms(
            "aws", enforce=True, rules=self.credit.rules,
            student_credit=self.credit.student_credit, offered=SIZES,
        )  # fmt: skip
        answer = await self.database.run(admission.put_running, wish, terms, self.clock.now())
        if isinstance(answer, admission.Refused):
            self.found.counts["starts refused for credit"] += 1
            return
        self.found.counts["starts"] += 1
        length = int(self.random.lognormvariate(7.4, 1.0))
        self.leaves[user] = self.now + max(60, min(length, 4 * 3600))

    async def _goes_on(self, user: str) -> None:
        """Its agent reports, or the student leaves, or somebody else has stopped it."""
        now = self.clock.now()
        claim = await self.database.read(claims.get, name_of(user))
        if claim.desired is not Desired.RUNNING:
            self.found.counts[f"ended: {claim.reason.value if claim.reason else '?'}"] += 1
            del self.leaves[user]
            return
        if self.now >= self.leaves[user]:
            args = (name_of(user), None, Reason.USER, None, now)
            await self.database.run(claims.put_stopped, *args)
            return
        if claim.machine_id and claim.up_at is None and self.random.random() < 0.9:
            await self.database.run(agents.report, claim.name, claim.generation, "up", "", now)
        await self.database.run(agents.heartbeats, [(claim.name, claim.generation, now)])

    async def _trouble(self) -> None:
        draw = self.random.random()
        if draw < 0.04:
            self.found.counts["throttled or refused calls ordered"] += 3
            action = self.random.choice(["DescribeInstances", "StartInstances", "RunInstances"])
            await self.cloud.fault(action=action, code="RequestLimitExceeded", count=3)
        elif draw < 0.05:
            self.found.counts["price changes"] += 1
            size = self.random.choice(SIZES)
            micros = self.random.randint(300_000, 1_500_000)
            await self.cloud.post("prices", {"machines": {size: micros}})
            assert await self.pricer.refresh()

    async def _step(self) -> None:
        """One pass of the controller, killed at some moment of it now and then."""
        billed = self._billed()
        step = asyncio.create_task(self._passes())
        if self.random.random() < 0.03:
            await asyncio.wait({step}, timeout=self.random.uniform(0, 0.08))
            if not step.done():
                self.found.counts["kills"] += 1
                step.cancel()
                await asyncio.gather(step, return_exceptions=True)
                await self.restart()
                return
        if await step:
            await self._count(billed)

    async def _passes(self) -> bool:
        """A pass, the books after it, and the look at the credit. Whether the books were kept."""
        before = self.seen.world
        try:
            await self.reconciler.tick()
        except GpuspawnerError:
            self.found.counts["passes that failed"] += 1
        # A pass leaves behind what takes long, and on this clock any wait is long: hold it to the
        # bill only when the cloud has done what it was asked.
        if begun := list(self.reconciler._hands._under_way._begun):
            await asyncio.wait(begun)
        kept = await self.meter.look()
        await self.keeper.look()
        self.found.counts["passes"] += 1
        return kept and self.seen.world is not before

    def _billed(self) -> set[str]:
        return {thing for kind, thing in self.cloud.emulator.world.bill._open if kind == "machine"}

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
        self.found.lowest = min(self.found.lowest, lowest or 0)

    async def _compare(self) -> None:
        await self.database.run(ledger.settle_all, self.now, now=self.now)
        billed: Counter[tuple[str, str]] = Counter()
        for line in (await self.cloud._ask("GET", "bill"))["lines"]:
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
                self.found.differences.append((*what, billed[what], cost, segments))
            self.found.segments += segments
            self.found.cost += cost
        ((written_off,),) = await self._rows(
            "SELECT coalesce(sum(p.micros), 0) FROM postings p JOIN accounts a ON a.id = p.account "
            "WHERE a.kind = 'writeoff'"
        )
        self.found.written_off = -int(written_off)
        self.found.bill = sum(billed.values())

    async def _rows(self, question: str) -> list[Any]:
        return await self.database.read(lambda c: list(c.execute(text(question)).all()))


def units(micros: int) -> float:
    """Micros as people read them."""
    return micros / MICROS
