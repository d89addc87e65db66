"""A class on a stage: a cloud in memory, a real database, and the reconciler between them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from gpuspawner.controllers.hands import Hands
from gpuspawner.controllers.reconciler import Reconciler
from gpuspawner.identity import Identity
from gpuspawner.model import Claim, Owner, Power, Reason, Specification
from gpuspawner.names import claim_name
from gpuspawner.policy.plan import Action
from gpuspawner.settings.controller import ControllerRecord
from gpuspawner.store import agents, claims, events
from gpuspawner.store.database import Database
from gpuspawner.store.seen import Seen
from gpuspawner.testing import FakeClock, FakeProvider

IDENTITY = Identity(b"0" * 32)
SMALL = Specification("t4", "One T4", ("small",))
LARGE = Specification("a10", "One A10G", ("large",))


def record(**changes) -> ControllerRecord:
    values = {
        "provider": "aws",
        "bind_url": "http://127.0.0.1:0",
        "public_url": "https://hub.example.org/",
        "database_url": "sqlite://",
        "secret_file": Path("secret"),
        "language": "en",
        "fast_interval": timedelta(seconds=3),
        "slow_interval": timedelta(seconds=60),
        "capacity_memory": timedelta(seconds=180),
        "quota_memory": timedelta(seconds=900),
        "orphan_grace": timedelta(seconds=180),
        "save_timeout": timedelta(seconds=60),
        "roll_call_interval": timedelta(seconds=60),
        "roll_call_grace": timedelta(seconds=180),
        "max_home_gib": 200,
        "max_disk_gib": 200,
        "ca_file": "",
        "stop_with_parent": True,
    }
    return ControllerRecord(**(values | changes))


@dataclass
class Stage:
    clock: FakeClock
    provider: FakeProvider
    database: Database
    folder: Path = Path()
    seen: Seen = field(init=False)
    reconciler: Reconciler = field(init=False)

    def __post_init__(self) -> None:
        self.restart_controller()

    def restart_controller(self) -> None:
        """Everything in memory is lost, as when the process is killed."""
        settings = record()
        self.seen = Seen(settings.capacity_memory, settings.quota_memory)
        hands = Hands(
            self.provider,
            self.database,
            IDENTITY,
            self.seen,
            self.clock,
            agent_url="https://hub.example.org/services/gpuspawner/api/v1/agent",
        )
        self.reconciler = Reconciler(
            self.provider, self.database, hands, self.seen, self.clock, settings
        )

    # -- what people do

    async def wants(
        self, user: str, specification: Specification = SMALL, *, start_by: float = 600
    ) -> Claim:
        now = self.clock.now()
        return await self.database.run(
            claims.put_running,
            name_of(user),
            Owner(f"id-{user}", user, ""),
            specification,
            {"JUPYTERHUB_API_TOKEN": "secret"},
            ["jupyterhub-singleuser"],
            8888,
            now + timedelta(seconds=start_by),
            now,
        )

    async def stops(self, user: str, generation: int | None = None) -> Claim:
        return await self.database.run(
            claims.put_stopped, name_of(user), generation, Reason.USER, None, self.clock.now()
        )

    async def deletes(self, user: str) -> Claim:
        return await self.database.run(
            claims.put_deleted, name_of(user), Reason.DELETED, self.clock.now()
        )

    async def reports(self, user: str, stage: str, detail: str = "") -> bool:
        claim = await self.claim(user)
        return await self.database.run(
            agents.report, claim.name, claim.generation, stage, detail, self.clock.now()
        )

    async def beats(self, user: str) -> None:
        claim = await self.claim(user)
        await self.database.run(
            agents.heartbeats, [(claim.name, claim.generation, self.clock.now())]
        )

    # -- what passes

    async def tick(self) -> None:
        await self.reconciler.tick()

    async def pass_time(self, seconds: float, every: float = 3) -> None:
        """Let time pass, with the controller looking every few seconds."""
        end = self.clock.now() + timedelta(seconds=seconds)
        while self.clock.now() < end:
            await self.tick()
            await self.clock.advance(min(every, (end - self.clock.now()).total_seconds()))
        await self.tick()

    async def runs(self, user: str, specification: Specification = SMALL) -> Claim:
        """The whole of a start, up to the agent's `up`."""
        await self.wants(user, specification)
        await self.pass_time(60)
        await self.beats(user)
        assert await self.reports(user, "up")
        return await self.claim(user)

    # -- what is there

    async def claim(self, user: str) -> Claim:
        return await self.database.run(claims.get, name_of(user))

    async def history(self, user: str) -> list[str]:
        claim = await self.claim(user)
        rows = await self.database.run(events.history, claim.name, claim.generation)
        return [row.stage.value for row in rows]

    async def machines(self, user: str | None = None) -> list:
        world = await self.provider.list()
        return [one for one in world.machines if user is None or one.claim == name_of(user)]

    async def homes(self, user: str) -> list:
        world = await self.provider.list()
        return [one for one in world.homes if one.claim == name_of(user)]

    async def billed(self) -> list[str]:
        return [one.id for one in await self.machines() if one.power is not Power.STOPPED]

    def asked(self, method: str) -> int:
        return len(self.provider.called(method))


def name_of(user: str) -> str:
    return claim_name(IDENTITY.hub_id, user)


@asynccontextmanager
async def staged(folder: Path, cloud: Stage | None = None):
    """A stage with its database in `folder`; with `cloud`, before that stage's cloud and clock."""
    clock = cloud.clock if cloud else FakeClock()
    database = Database(f"sqlite:///{folder}/gpuspawner.sqlite", IDENTITY.encryption_key)
    database.migrate()
    try:
        provider = FakeProvider(clock, IDENTITY.hub_id)
        if cloud:
            provider.cloud = cloud.provider.cloud
        stage = Stage(clock, provider, database, folder)
        yield stage
        await stage.reconciler.close()
    finally:
        database.close()


__all__ = ["IDENTITY", "LARGE", "SMALL", "Action", "Stage", "name_of", "record", "staged"]
