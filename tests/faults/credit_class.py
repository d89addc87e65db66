"""A class with little credit before a cloud in memory: the whole controller, and what it must keep.

Students press Start and Stop through the claims API with the hub's own client. After every pass the
database is asked in plain SQL whether somebody owes, and whether what is set aside is there.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text
from tornado.testing import bind_unused_port

from gpuspawner.client import ControllerClient
from gpuspawner.errors import GpuspawnerError, ProviderUnavailable
from gpuspawner.model import Desired, Owner, Power, Reason, Specification
from gpuspawner.names import claim_name
from gpuspawner.policy.money import seconds_of
from gpuspawner.settings import AgentRecord, Credit
from gpuspawner.settings.prices import COST_UNIT
from gpuspawner.settings.whole import Settings
from gpuspawner.store import agents, allowance, claims, ledger, price_book
from gpuspawner.store.database import Database
from gpuspawner.store.ledger.records import CONTROLLER
from gpuspawner.testing import FakeClock, FakeProvider
from gpuspawner.web.application import API, SERVICE_PREFIX, application, http_server
from tests.controllers.stage import IDENTITY, record
from tests.faults.told import Told

LONGEST = 60
_STANDING = text(
    "SELECT a.balance, (SELECT coalesce(sum(h.remaining), 0) FROM holds h "
    "WHERE h.account = a.id AND h.released_at IS NULL) AS held "
    "FROM accounts a WHERE a.kind = 'student' ORDER BY a.id"
)
_OPEN = text("SELECT resource FROM meters WHERE component = 'compute' AND closed_at IS NULL")
_WRITTEN_OFF = text(
    "SELECT coalesce(-sum(p.micros), 0) FROM postings p JOIN accounts a ON a.id = p.account "
    "WHERE a.kind = 'writeoff'"
)


class CreditClass:
    """`session_hold` and `grace` are in seconds; the rest of `c.Credit` is as it comes."""

    def __init__(self, folder: Path, tables: Path, *, session_hold: float, grace: float) -> None:
        path = folder / "class.sqlite"
        shutil.copy(tables, path)
        self._url = f"sqlite:///{path}"
        self.clock = FakeClock()
        self.provider = FakeProvider(self.clock, IDENTITY.hub_id)
        self.credit = Credit(
            course_credit=100.0, session_hold=session_hold, grace=grace
        ).record()  # fmt: skip
        self.counts: Counter[str] = Counter()
        self.trouble = False
        """Whether something has happened that may let a machine run longer than it is stopped."""

    @property
    def now(self) -> int:
        return seconds_of(self.clock.now())

    # -- the controller

    async def begin(self) -> None:
        """Another controller begins before the same database and cloud."""
        self.database = Database(self._url, IDENTITY.encryption_key)
        await self.database.run(price_book.configure, "USD", COST_UNIT)
        await self.database.run(allowance.set_up, self.credit, self.now)
        agent = AgentRecord(10.0, 1800.0, 600.0)
        loaded = Settings(record(), agent, None, IDENTITY, self.credit)
        self.controller = Told(loaded, self.provider, self.database, self.clock)
        await self.controller.begin()
        socket, port = bind_unused_port()
        self._server = http_server(application(self.controller.services))
        self._server.add_socket(socket)
        url = f"http://127.0.0.1:{port}{SERVICE_PREFIX}{API}"
        self.client = ControllerClient(url, IDENTITY.claims_token, clock=self.clock)

    async def end(self) -> None:
        """It is gone, with all that it remembers."""
        await self.client.close()
        self._server.stop()
        await self._server.close_all_connections()
        await self.controller.close()
        self.database.close()

    # -- people

    async def gives(self, user: str, micros: int) -> None:
        def give(c: Any) -> None:
            account = allowance.student(c, _owner(user), 0, self.now).id
            idem = f"gift-{self.counts['gifts']}"
            if micros:
                ledger.grant(c, account, micros, idem=idem, actor=CONTROLLER, now=self.now)

        self.counts["gifts"] += 1
        await self.database.run(give)

    async def starts(self, user: str, *servers: str, size: str = "small") -> int:
        """Press Start at all these servers of a student at once; how many are admitted."""
        wishes = [self._put(user, server, size) for server in servers]
        answers = await asyncio.gather(*wishes, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, GpuspawnerError):
                raise answer
        refused = [one for one in answers if isinstance(one, GpuspawnerError)]
        self.counts.update(one.code for one in refused)
        admitted = len(answers) - len(refused)
        self.counts["starts"] += admitted
        await self.check()
        return admitted

    async def stops(self, user: str, server: str) -> None:
        try:
            name = claim_name(IDENTITY.hub_id, user, server)
            await self.client.stop(name, None, Reason.USER)
        except GpuspawnerError as error:
            self.counts[error.code] += 1

    async def _put(self, user: str, server: str, size: str) -> None:
        await self.client.put(
            claim_name(IDENTITY.hub_id, user, server),
            owner=_owner(user, server),
            specification=Specification(size, size, (size,)),
            environment={"JUPYTERHUB_API_TOKEN": "secret"},
            command=["jupyterhub-singleuser"],
            port=8888,
            start_by=self.clock.now() + timedelta(seconds=600),
        )

    # -- what goes wrong

    async def kill(self) -> None:
        """The controller dies between two passes, and another begins."""
        await self.end()
        await self.begin()

    def fails(self, method: str, times: int) -> None:
        """The cloud does not answer; the answer of some is lost when all is done."""
        self.trouble = True
        lost = times % 2 == 0
        self.provider.fail_next(method, ProviderUnavailable("down"), times, after_effect=lost)

    def jumps(self, seconds: int) -> None:
        """Somebody sets the clock: what runs has run for so much longer, or not at all."""
        self.trouble = True
        self.clock.jump(seconds)

    async def reprices(self, size: str, percent: int) -> None:
        """A size gets dearer or cheaper: the cloud's list says so, and is read."""
        self.trouble |= percent > 100
        offered = tuple(
            replace(one, price_micros=one.price_micros * percent // 100)
            if one.placement.size == size
            else one
            for one in self.provider.offered
        )
        self.provider.offered = self.provider.cloud.offered = offered
        await self.controller.refresh()

    # -- time

    async def goes_on(self, seconds: float) -> None:
        """Time passes; the controller looks whenever it wants to, agents report as they should."""
        end = self.clock.monotonic() + seconds
        while True:
            said = await self.controller.one_pass()
            await self.check(said["kept"])
            await self._agents()
            left = end - self.clock.monotonic()
            if left <= 0:
                return
            await self.clock.advance(min(max(1.0, said["again"]), LONGEST, left))

    async def comes_to_rest(self) -> None:
        """Everybody stops; nothing is left that runs or is set aside."""
        for claim in await self.database.read(claims.all_claims):
            await self.stops(claim.owner.user_name, claim.owner.server_name)
        await self.goes_on(600)

    async def _agents(self) -> None:
        now = self.clock.now()
        on = {one.claim for one in (await self._world()).machines if one.power is Power.RUNNING}
        for claim in await self.database.read(claims.all_claims):
            if claim.name not in on:
                continue
            stage = None
            if claim.desired is not Desired.RUNNING and claim.saved_at is None:
                stage = "saved"
            elif claim.up_at is None:
                stage = "up"
            if stage:
                await self.database.run(
                    agents.report, claim.name, claim.generation, stage, "", now
                )  # fmt: skip
            await self.database.run(agents.heartbeats, [(claim.name, claim.generation, now)])

    async def _world(self) -> Any:
        self.provider.cloud.settle()
        return await FakeProvider(self.clock, IDENTITY.hub_id, cloud=self.provider.cloud).list()

    # -- what must be kept

    async def standing(self) -> list[tuple[int, int]]:
        """Of each student: the balance, and what is set aside of it."""
        rows = await self.database.read(lambda c: c.execute(_STANDING).all())
        return [(int(row.balance), int(row.held)) for row in rows]

    async def check(self, kept: bool = False) -> None:
        """I7: what is set aside is there. I8: nobody owes, and nothing is written off."""
        standing = await self.standing()
        assert [one for one in standing if one[0] < 0] == [], self._dump()
        assert [one for one in standing if one[1] > one[0]] == [], self._dump()
        if not self.trouble:
            assert await self.written_off() == 0, self._dump()
        if kept:
            await self._check_meters()

    async def _check_meters(self) -> None:
        """I15, of what was listed: whatever runs is metered, and nothing that is off."""
        world = self.controller._reconciler._seen.world
        assert world
        running = {one.id for one in world.machines if one.power is Power.RUNNING}
        off = {one.id for one in world.machines if one.power is Power.STOPPED}
        rows = await self.database.read(lambda c: c.execute(_OPEN).all())
        metered = {row.resource for row in rows}
        assert (running - metered, metered & off) == (set(), set()), self._dump()

    async def written_off(self) -> int:
        row = await self.database.read(lambda c: c.execute(_WRITTEN_OFF).one())
        return int(row[0])

    async def is_over(self) -> None:
        """After everybody has left: nothing runs, nothing is set aside, and the books are sound."""
        assert [
            one.id for one in (await self._world()).machines if one.power is not Power.STOPPED
        ] == []
        assert {held for _, held in await self.standing()} <= {0}, self._dump()
        assert await self.database.read(ledger.differences) == []

    def _dump(self) -> str:
        return f"{self.now} {dict(self.counts)} trouble: {self.trouble}"


def _owner(user: str, server: str = "") -> Owner:
    return Owner(f"id-{user}", user, server)


@asynccontextmanager
async def credit_class(
    folder: Path, tables: Path, balances: Iterable[int], *, session_hold: float = 60.0,
    grace: float = 0.0,
):  # fmt: skip
    """A class whose students, `student0` and so on, have so many micros; the cloud is looked at once."""
    one = CreditClass(folder, tables, session_hold=session_hold, grace=grace)
    await one.begin()
    try:
        for number, micros in enumerate(balances):
            await one.gives(f"student{number}", micros)
        await one.goes_on(0)
        yield one
    finally:
        await one.end()
