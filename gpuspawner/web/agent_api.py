"""Machine to controller (docs/explain/protocols.md). Who speaks is in the token, never in the body.

A machine's id is signed: the intent it was made for and the hash of its key. So a machine that
registered once is known again after the database is lost, and no other key can take its place.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from gpuspawner.errors import MachineUnknown, NotWanted
from gpuspawner.model import Claim, Desired, Home, Machine, Reason, Stage
from gpuspawner.policy import progress
from gpuspawner.store import agents, claims, events
from gpuspawner.store.database import nothing_to_plan
from gpuspawner.web.handler import ApiHandler
from gpuspawner.web.schemas import RegisterBody, ReportBody

_STAGES = {"boot": Stage.BOOT, "home": Stage.HOME, "server": Stage.SERVER, "up": Stage.READY}


@dataclass(frozen=True, slots=True)
class Speaker:
    """The machine that speaks, and its claim."""

    intent_id: str
    claim: Claim


class AgentHandler(ApiHandler):
    """The base of what a registered machine may do."""

    async def speaker(self) -> Speaker:
        """Who shows this token.

        Raises:
            MachineUnknown: nobody we know.
        """
        machine_id, _dot, key = self.bearer().rpartition(".")
        intent_id, _dot, _signature = machine_id.partition(".")
        key_hash = _hash(key)
        if not key or machine_id != self.services.identity.machine_id(intent_id, key_hash):
            raise MachineUnknown("a token that we did not sign")
        database = self.services.database
        speaker = await database.read(_speaker, intent_id, key_hash)
        if speaker is None:
            now = self.services.clock.now()
            speaker = await database.run(_recalled, intent_id, key_hash, now)
        return speaker


class RegisterHandler(ApiHandler):
    """A machine's first word: its ticket, for a key of its own."""

    async def post(self) -> None:
        """Bind the key to the ticket's intent."""
        body = self.parse(RegisterBody)
        intent_id = self.services.identity.intent_of(body.ticket)
        if intent_id is None:
            raise MachineUnknown("a ticket that we did not make")
        key_hash = _hash(body.key)
        now = self.services.clock.now()
        await self.services.database.run(agents.register, intent_id, key_hash, now)
        self.reply({"machine": self.services.identity.machine_id(intent_id, key_hash)})


class EnvironmentHandler(AgentHandler):
    """What the single-user server of this session is to be started with."""

    async def get(self) -> None:
        """The environment of the generation that is wanted now."""
        speaker = await self.speaker()
        claim = speaker.claim
        if claim.desired is not Desired.RUNNING:
            raise NotWanted(claim.name)
        record = await self.services.database.read(claims.environment, claim.name)
        if record is None:
            raise NotWanted(f"{claim.name} has no environment")
        machine, home = self._there(claim, speaker.intent_id)
        agent = self.services.agent
        self.reply(
            {
                "generation": record.generation,
                "issued": issued(claim),
                "environment": dict(record.environment),
                "command": list(record.command),
                "user": "student",
                "address": machine.address if machine else None,
                "port": record.port,
                "home": {"device": home.device} if home and machine else None,
                "heartbeat_seconds": agent.heartbeat_seconds,
                "claim": claim.name,
                "unreachable_seconds": agent.unreachable_seconds,
                "disowned_seconds": agent.disowned_seconds,
            }
        )

    def _there(self, claim: Claim, intent_id: str) -> tuple[Machine | None, Home | None]:
        """The machine and its home as the cloud lists them: the machine's own word is not asked."""
        world = self.services.board.world
        if world is None:
            return None, None
        machine = next(
            (one for one in world.machines if one.claim == claim.name and one.intent == intent_id),
            None,
        )
        home = next((one for one in world.homes if machine and one.machine_id == machine.id), None)
        return machine, home


class ReportHandler(AgentHandler):
    """How far a start is, that it failed, or that everything is saved."""

    async def post(self) -> None:
        """Write the report down, if it is about the present generation."""
        speaker = await self.speaker()
        body = self.parse(ReportBody)
        plans = body.stage not in _STAGES  # how far a start is changes nothing about what to do
        with contextlib.nullcontext() if plans else nothing_to_plan():
            now = self.services.clock.now()
            await self.services.database.run(_report, speaker.claim, body, now)
        await self.services.board.refresh()
        self.reply({})


def issued(claim: Claim) -> float | None:
    """When the present orders were written, in seconds since 1970; None when there are none.

    An adopted machine has none: it goes on with those it got from a database that is lost.
    """
    if claim.desired is not Desired.RUNNING or claim.reason is Reason.ADOPTED:
        return None
    return claim.desired_at.timestamp()


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _speaker(connection: Connection, intent_id: str, key_hash: str) -> Speaker | None:
    name = agents.verify(connection, intent_id, key_hash)
    return Speaker(intent_id, claims.get(connection, name)) if name else None


def _recalled(connection: Connection, intent_id: str, key_hash: str, now: datetime) -> Speaker:
    """The machine whose key was lost with the database: our signature says that it had registered."""
    agents.recall(connection, intent_id, key_hash, now)
    speaker = _speaker(connection, intent_id, key_hash)
    if speaker is None:
        raise MachineUnknown("no such machine")
    return speaker


def _report(connection: Connection, claim: Claim, body: ReportBody, now: datetime) -> None:
    fresh = agents.report(connection, claim.name, body.generation, body.stage, body.detail, now)
    stage = _STAGES.get(body.stage)
    if fresh and stage:
        events.record(connection, claim.name, body.generation, stage, progress.reported(stage), now)
