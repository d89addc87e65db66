"""Machine to controller (docs/explain/protocols.md). Who speaks is in the token, never in the body.

A machine's id is signed: the intent it was made for and the hash of its key. So a machine that
registered once is known again after the database is lost, and no other key can take its place.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from gpuspawner.errors import MachineUnknown, NotWanted
from gpuspawner.language import LANGUAGES
from gpuspawner.model import Claim, Desired, Home, Machine, Reason, Stage
from gpuspawner.policy import progress
from gpuspawner.store import agents, claims, events
from gpuspawner.store.database import nothing_to_plan
from gpuspawner.views import CreditView
from gpuspawner.web.handler import ApiHandler
from gpuspawner.web.schemas import HeartbeatBody, RegisterBody, ReportBody

_NEAR = timedelta(minutes=5)
_NEAR_SECONDS = 5.0
"""So often a machine asks when its end is near: what it is told must not be late."""

_STAGES = {"boot": Stage.BOOT, "home": Stage.HOME, "server": Stage.SERVER, "up": Stage.READY}


@dataclass(frozen=True, slots=True)
class _Speaker:
    """The machine that speaks, and its claim."""

    intent_id: str
    claim: Claim


class AgentHandler(ApiHandler):
    """The base of what a registered machine may do."""

    async def speaker(self) -> _Speaker:
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


class HeartbeatHandler(AgentHandler):
    """The machine lives; and what it is to do."""

    async def post(self) -> None:
        """Note the time, and answer with the verdict."""
        speaker = await self.speaker()
        body = self.parse(HeartbeatBody)
        claim, services = speaker.claim, self.services
        services.beats.note(claim.name, body.generation)
        if claim.reason is Reason.ADOPTED and body.generation > claim.generation:
            now = services.clock.now()
            await services.database.run(agents.catch_up, claim.name, body.generation, now)
        credit = services.board.seen.credit_of(claim)
        interval = services.agent.heartbeat_seconds
        if credit and credit.deadline and credit.deadline - services.clock.now() < _NEAR:
            interval = min(interval, _NEAR_SECONDS)
        self.reply(verdict(claim, interval, body.generation, credit))


def verdict(
    claim: Claim, interval: float, generation: int = 0, credit: CreditView | None = None
) -> dict[str, Any]:
    """The answer to a heartbeat: what the wish means for the machine. `interval` in seconds.

    A machine that was told a later generation than we know of is not asked to save and stop: then
    our database is older than the machine, and the wish in it is an older one. Saying so falsely
    gains nobody anything, since a machine is stopped from outside.
    """
    keep = claim.desired is Desired.RUNNING or generation > claim.generation
    because, reason = claim.because, claim.reason
    if keep and credit and credit.sentence:
        because, reason = credit.sentence, credit.reason
    return {
        "generation": claim.generation,
        "issued": issued(claim),
        "verdict": "keep" if keep else "save_and_stop",
        "reason": reason.value if reason else None,
        "sentence": {one: because.text(one) for one in LANGUAGES} if because else None,
        "deadline": credit.deadline.isoformat() if credit and credit.deadline else None,
        "balance": _balance(credit),
        "next_heartbeat_seconds": interval,
    }


def issued(claim: Claim) -> float | None:
    """When the present orders were written, in seconds since 1970; None when there are none.

    An adopted machine has none: it goes on with those it got from a database that is lost.
    """
    if claim.desired is not Desired.RUNNING or claim.reason is Reason.ADOPTED:
        return None
    return claim.desired_at.timestamp()


def _balance(credit: CreditView | None) -> dict[str, Any] | None:
    if credit is None or credit.balance_micros is None:
        return None
    return {"micros": credit.balance_micros, "unit": credit.unit}


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _speaker(connection: Connection, intent_id: str, key_hash: str) -> _Speaker | None:
    name = agents.verify(connection, intent_id, key_hash)
    return _Speaker(intent_id, claims.get(connection, name)) if name else None


def _recalled(connection: Connection, intent_id: str, key_hash: str, now: datetime) -> _Speaker:
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
