"""The two steps that begin to cost money: create a machine, start a stopped one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gpuspawner.clock import Clock
from gpuspawner.controllers.logbook import Logbook
from gpuspawner.errors import (
    InvalidSpec,
    MachineNotFound,
    NotAuthorized,
    ProviderError,
    ProviderUnavailable,
    Throttled,
)
from gpuspawner.identity import Identity
from gpuspawner.model import Claim, Intent, Placement
from gpuspawner.policy import progress
from gpuspawner.policy.plan import Step
from gpuspawner.providers.base import MachineRequest, Provider
from gpuspawner.providers.user_data import render
from gpuspawner.store import claims
from gpuspawner.store.database import Database
from gpuspawner.store.seen import Seen


class Launch:
    """Creates and starts. `agent_url` and `ca` go into the user data of every machine."""

    def __init__(
        self,
        provider: Provider,
        database: Database,
        identity: Identity,
        seen: Seen,
        clock: Clock,
        logbook: Logbook,
        *,
        agent_url: str,
        ca: str,
    ) -> None:
        self._provider, self._database, self._identity = provider, database, identity
        self._seen, self._clock, self._logbook = seen, clock, logbook
        self._agent_url, self._ca = agent_url, ca

    async def create(self, step: Step) -> None:
        """Send a request whose intent is committed: a new one, or the open one as it was."""
        claim = await self._database.run(claims.get, step.claim)
        intent = step.intent or await self._open(step, claim)
        await self._logbook.progress(step, progress.looking(intent.placement))
        try:
            machine = await self._provider.create(self._request(claim, intent))
        except (Throttled, ProviderUnavailable) as error:
            # Whether it was carried out is not known: the intent stays open and is sent again.
            self._logbook.problem(step, error)
            await self._logbook.progress(step, progress.busy())
        except MachineNotFound as error:
            # This very attempt's machine was made, and is gone: the next attempt is a new one.
            self._logbook.problem(step, error)
            self._logbook.again = True
            await self._database.run(claims.abandon_intent, intent.id, self._clock.now())
        except ProviderError as error:
            now = self._clock.now()
            await self._database.run(claims.refuse_intent, intent.id, error.detail, now)
            await self._refused(step, intent.placement, error, final=True)
        else:
            await self._database.run(claims.accept_intent, intent.id, machine.id, self._clock.now())

    async def start(self, size: str, steps: Sequence[Step]) -> None:
        """Start many machines in one size; each that is refused is another's next placement."""
        # Side by side, so that they share a commit: a class has hundreds.
        await asyncio.gather(
            *(
                self._logbook.progress(step, progress.waking(step.placement))
                for step in steps
                if step.placement
            )
        )
        ids = [step.machine.id for step in steps if step.machine]
        errors = await self._provider.start(ids, size)
        for step in steps:
            error = errors.get(step.machine.id) if step.machine else None
            if error and step.placement:
                final = isinstance(error, InvalidSpec | NotAuthorized)
                await self._refused(step, step.placement, error, final=final)

    async def _open(self, step: Step, claim: Claim) -> Intent:
        assert step.placement
        wanted = claim.specification
        return await self._database.run(
            claims.open_intent,
            claim.name,
            step.generation,
            step.placement,
            wanted.image,
            wanted.disk_gib,
            self._clock.now(),
        )

    def _request(self, claim: Claim, intent: Intent) -> MachineRequest:
        return MachineRequest(
            intent=intent.id,
            claim=claim.name,
            owner_id=claim.owner.user_id,
            generation=intent.generation,
            placement=intent.placement,
            image=intent.image,
            disk_gib=intent.disk_gib,
            user_data=render(self._agent_url, self._identity.ticket(intent.id), self._ca),
        )

    async def _refused(
        self, step: Step, placement: Placement, error: ProviderError, *, final: bool
    ) -> None:
        """Remember what speaks against the placement; an error that does not is `final` or passes."""
        self._logbook.problem(step, error)
        if self._seen.refuse(placement, error, self._clock.now()):
            self._logbook.again = True
            await self._logbook.progress(step, progress.refused(placement))
        elif final:
            await self._logbook.give_up(step, error.reason, error.public)
