"""Takes the steps of a plan, idempotently, and writes down what came of each.

Every step may be taken twice, or be taken and never be written down: the next plan sees what is
there and goes on from it. So a failure here is written down and never raised.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection

from gpuspawner.clock import Clock
from gpuspawner.errors import (
    GenerationMismatch,
    GpuspawnerError,
    InvalidSpec,
    MachineNotFound,
    NotAuthorized,
    ProviderError,
    ProviderUnavailable,
    Throttled,
)
from gpuspawner.identity import Identity
from gpuspawner.language import Sentence
from gpuspawner.model import (
    Claim,
    Desired,
    Intent,
    Machine,
    Owner,
    Power,
    Reason,
    Specification,
    Stage,
)
from gpuspawner.policy import progress
from gpuspawner.policy.plan import Action, Step
from gpuspawner.providers.base import HomeRequest, MachineRequest, Provider
from gpuspawner.providers.user_data import render
from gpuspawner.store import claims, events
from gpuspawner.store.database import Database
from gpuspawner.store.seen import Seen

_log = logging.getLogger(__name__)
_AT_ONCE = 8
_TRIES = frozenset({Action.CREATE, Action.START, Action.STOP, Action.DELETE, Action.FORGET})
"""The steps that try anew what may have gone wrong before."""


class Hands:
    """The steps of one plan. `agent_url` and `ca` go into the user data of every machine."""

    def __init__(
        self,
        provider: Provider,
        database: Database,
        identity: Identity,
        seen: Seen,
        clock: Clock,
        *,
        agent_url: str,
        ca: str = "",
    ) -> None:
        self._provider, self._database, self._identity = provider, database, identity
        self._seen, self._clock = seen, clock
        self._agent_url, self._ca = agent_url, ca
        self._again = False
        self._few = asyncio.Semaphore(_AT_ONCE)
        self._take: Mapping[Action, Callable[[Step], Awaitable[None]]] = {
            Action.CREATE: self._create,
            Action.DELETE: self._delete,
            Action.CREATE_HOME: self._create_home,
            Action.ATTACH_HOME: self._attach_home,
            Action.END: self._end,
            Action.FORGET: self._forget,
            Action.ACCEPT: self._accept,
            Action.ABANDON: self._abandon,
            Action.ADOPT: self._adopt,
            Action.RELEASE: self._release,
        }

    async def take(self, steps: Iterable[Step]) -> bool:
        """Take all steps. True when one was refused in a way that the next plan can better."""
        self._again = False
        starts: dict[str, list[Step]] = defaultdict(list)
        stops: list[Step] = []
        others: list[Step] = []
        for step in steps:
            if step.action is Action.START and step.placement:
                starts[step.placement.size].append(step)
            elif step.action is Action.STOP:
                stops.append(step)
            else:
                others.append(step)
        # Stops first: they save money, and nobody waits in front of a start for long.
        if stops:
            await self._guarded(stops[0], lambda _: self._stop(stops))
        await asyncio.gather(
            *(
                self._guarded(group[0], self._starter(size, group))
                for size, group in starts.items()
            ),
            *(self._guarded(step, self._take[step.action]) for step in others),
        )
        return self._again

    async def _guarded(self, step: Step, take: Callable[[Step], Awaitable[None]]) -> None:
        async with self._few:
            if step.action in _TRIES:
                self._seen.problems.pop(step.claim, None)
            try:
                await take(step)
            except GenerationMismatch:
                _log.debug("%s of %s: the wish has moved on", step.action.value, step.claim)
            except GpuspawnerError as error:
                self._problem(step.claim, step.action, error)

    # -- machines

    async def _create(self, step: Step) -> None:
        assert step.placement
        claim = await self._database.run(claims.get, step.claim)
        intent = step.intent or await self._database.run(
            claims.open_intent,
            step.claim,
            step.generation,
            step.placement,
            claim.specification.image,
            claim.specification.disk_gib,
            self._clock.now(),
        )
        await self._note(claim.name, claim.generation, progress.looking(intent.placement))
        try:
            machine = await self._provider.create(self._request(claim, intent))
        except (Throttled, ProviderUnavailable) as error:
            # Whether it was carried out is not known: the intent stays open and is sent again.
            self._problem(step.claim, step.action, error)
            await self._note(claim.name, claim.generation, progress.busy())
        except ProviderError as error:
            await self._refused(step, claim, intent, error)
        else:
            await self._database.run(claims.accept_intent, intent.id, machine.id, self._clock.now())

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
        self, step: Step, claim: Claim, intent: Intent, error: ProviderError
    ) -> None:
        self._problem(step.claim, step.action, error)
        await self._database.run(claims.refuse_intent, intent.id, error.detail, self._clock.now())
        if self._seen.refuse(intent.placement, error, self._clock.now()):
            self._again = True
            await self._note(claim.name, claim.generation, progress.refused(intent.placement))
        else:
            await self._give_up(step, error.reason, error.public)

    def _starter(self, size: str, group: list[Step]) -> Callable[[Step], Awaitable[None]]:
        async def start(_: Step) -> None:
            for step in group:
                if step.placement:
                    await self._note(step.claim, step.generation, progress.waking(step.placement))
            ids = [step.machine.id for step in group if step.machine]
            errors = await self._provider.start(ids, size)
            for step in group:
                error = errors.get(step.machine.id) if step.machine else None
                if error and step.placement:
                    await self._start_refused(step, error)

        return start

    async def _start_refused(self, step: Step, error: ProviderError) -> None:
        assert step.placement
        self._problem(step.claim, step.action, error)
        if self._seen.refuse(step.placement, error, self._clock.now()):
            self._again = True
            await self._note(step.claim, step.generation, progress.refused(step.placement))
        elif isinstance(error, InvalidSpec | NotAuthorized):
            await self._give_up(step, error.reason, error.public)

    async def _stop(self, group: list[Step]) -> None:
        ids = {step.machine.id: step for step in group if step.machine}
        errors = await self._provider.stop(list(ids))
        for machine_id, error in errors.items():
            if not isinstance(error, MachineNotFound):
                self._problem(ids[machine_id].claim, Action.STOP, error)

    async def _delete(self, step: Step) -> None:
        target = step.machine or step.fragment
        assert target
        try:
            await self._provider.delete(target.id)
        except MachineNotFound:
            # Nothing is left. That the claim may forget it is seen in the listing.
            _log.debug("%s is gone", target.id)

    # -- homes

    async def _create_home(self, step: Step) -> None:
        assert step.placement
        claim = await self._database.run(claims.get, step.claim)
        token = await self._database.run(claims.home_token, claim.name, self._clock.now())
        await self._provider.create_home(
            HomeRequest(
                token=token,
                claim=claim.name,
                owner_id=claim.owner.user_id,
                region=step.placement.region,
                zone=step.placement.zone,
                size_gib=claim.specification.home_gib,
            )
        )

    async def _attach_home(self, step: Step) -> None:
        assert step.home
        assert step.machine
        await self._provider.attach_home(step.home.id, step.machine.id)

    # -- wishes and intents

    async def _end(self, step: Step) -> None:
        assert step.reason
        await self._give_up(step, step.reason, step.because)

    async def _give_up(self, step: Step, reason: Reason, because: Sentence | None) -> None:
        self._again = True
        await self._database.run(
            claims.end, step.claim, step.generation, reason, because, self._clock.now()
        )

    async def _forget(self, step: Step) -> None:
        await self._database.run(claims.forget, step.claim)

    async def _accept(self, step: Step) -> None:
        assert step.machine
        self._again = True
        if step.intent:
            await self._database.run(
                claims.accept_intent, step.intent.id, step.machine.id, self._clock.now()
            )
        else:
            await self._database.run(_name, step.claim, step.machine, self._clock.now())

    async def _release(self, step: Step) -> None:
        await self._database.run(_release, step.claim, step.machine_id)

    async def _abandon(self, step: Step) -> None:
        assert step.intent
        self._again = True
        await self._database.run(claims.abandon_intent, step.intent.id, self._clock.now())

    async def _adopt(self, step: Step) -> None:
        """A machine with whole tags and no claim: our memory was lost, so its state is the wish."""
        machine, now = step.machine, self._clock.now()
        assert machine
        runs = machine.power in (Power.PENDING, Power.RUNNING)
        _log.warning("machine %s is adopted as claim %s", machine.id, step.claim)
        await self._database.run(
            claims.adopt,
            Claim(
                name=step.claim,
                owner=Owner(machine.owner_id or "", "", ""),
                specification=Specification("", "", (machine.placement.size,)),
                desired=Desired.RUNNING if runs else Desired.STOPPED,
                generation=1,
                desired_at=now,
                reason=Reason.ADOPTED,
                machine_id=machine.id,
                up_at=now if runs else None,
            ),
            machine,
        )

    # -- what people and admins hear

    async def _note(self, claim: str, generation: int | None, seen: tuple[Stage, Sentence]) -> None:
        await self._database.run(_record, claim, generation, *seen, self._clock.now())

    def _problem(self, claim: str, action: Action, error: GpuspawnerError) -> None:
        self._seen.problems[claim] = f"{action.value}: {error.code}: {error.detail}"
        _log.warning("%s of %s: %s: %s", action.value, claim, error.code, error.detail)


def _record(
    connection: Connection,
    claim: str,
    generation: int,
    stage: Stage,
    sentence: Sentence,
    now: datetime,
) -> None:
    events.record(connection, claim, generation, stage, sentence, now)


def _name(connection: Connection, claim: str, machine: Machine, now: datetime) -> None:
    claims.name_machine(connection, claims.get(connection, claim), machine, now)


def _release(connection: Connection, claim: str, machine_id: str) -> None:
    if claims.get(connection, claim).machine_id == machine_id:
        claims.set_machine(connection, claim, None)
