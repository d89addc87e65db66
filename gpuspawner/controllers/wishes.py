"""The steps that change nothing in the cloud: what is seen there is written down."""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy import Connection

from gpuspawner.clock import Clock
from gpuspawner.controllers.logbook import Logbook
from gpuspawner.model import Claim, Desired, Machine, Owner, Power, Reason, Specification
from gpuspawner.policy.plan import Step
from gpuspawner.store import claims
from gpuspawner.store.database import Database

_log = logging.getLogger(__name__)


class Wishes:
    """Ends, forgets, accepts, abandons, adopts and releases."""

    def __init__(self, database: Database, clock: Clock, logbook: Logbook) -> None:
        self._database, self._clock, self._logbook = database, clock, logbook

    async def end(self, step: Step) -> None:
        """The session is over, or the start is given up."""
        assert step.reason
        await self._logbook.give_up(step, step.reason, step.because)

    async def forget(self, step: Step) -> None:
        """Nothing of the claim is left."""
        await self._database.run(claims.forget, step.claim)

    async def accept(self, step: Step) -> None:
        """The listing shows a machine of the claim: the claim names it from now on."""
        assert step.machine
        self._logbook.again = True
        now = self._clock.now()
        if step.intent:
            await self._database.run(claims.accept_intent, step.intent.id, step.machine.id, now)
        else:
            await self._database.run(_name, step.claim, step.machine, now)

    async def abandon(self, step: Step) -> None:
        """The attempt is known to have come to nothing."""
        assert step.intent
        self._logbook.again = True
        await self._database.run(claims.abandon_intent, step.intent.id, self._clock.now())

    async def release(self, step: Step) -> None:
        """The named machine is known to be gone."""
        assert step.machine_id
        await self._database.run(_release, step.claim, step.machine_id)

    async def adopt(self, step: Step) -> None:
        """Our memory was lost, or is older than the machine: its state is the wish."""
        machine, now = step.machine, self._clock.now()
        assert machine
        if step.generation is not None:
            if await self._database.run(claims.take_back, step.claim, step.generation, now):
                _log.warning("machine %s of claim %s goes on as it is", machine.id, step.claim)
            return
        runs = machine.power in (Power.PENDING, Power.RUNNING)
        _log.warning("machine %s is adopted as claim %s", machine.id, step.claim)
        found = Claim(
            name=step.claim,
            owner=Owner(machine.owner_id or "", "", ""),
            specification=Specification("", "", (machine.placement.size,)),
            desired=Desired.RUNNING if runs else Desired.STOPPED,
            generation=1,
            desired_at=now,
            reason=Reason.ADOPTED,
            machine_id=machine.id,
            up_at=now if runs else None,
        )
        await self._database.run(claims.adopt, found, machine)


def _name(connection: Connection, claim: str, machine: Machine, now: datetime) -> None:
    claims.name_machine(connection, claims.get(connection, claim), machine, now)


def _release(connection: Connection, claim: str, machine_id: str) -> None:
    """Only if the claim still names it: a new one may have been made in the meantime."""
    if claims.get(connection, claim).machine_id == machine_id:
        claims.set_machine(connection, claim, None)
