"""Look, plan, act; again and again. The only code that changes anything in the cloud.

One pass lists the cloud, then reads the claims (in this order: `gpuspawner.policy.plan` says why),
makes the plan, and hands its steps to `Hands`. A listing that fails or is not complete is no
listing, and without a listing there is no plan.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import Connection

from gpuspawner.clock import Clock
from gpuspawner.controllers.hands import Hands
from gpuspawner.controllers.jumps import Jumps
from gpuspawner.errors import NotTheLeader, ProviderError, Throttled
from gpuspawner.language import Sentence
from gpuspawner.model import Claim, Desired, Home, Machine, Offering, Power, Stage, World
from gpuspawner.policy import progress
from gpuspawner.policy.plan import Action, Known, Limits, Plan, plan
from gpuspawner.policy.steps import Run
from gpuspawner.providers.base import Provider
from gpuspawner.settings import ControllerRecord
from gpuspawner.store import claims, events
from gpuspawner.store.database import Database
from gpuspawner.store.remembered import Histories
from gpuspawner.store.seen import Seen
from gpuspawner.views import Progress

_log = logging.getLogger(__name__)

_MOVING = frozenset({Power.PENDING, Power.STOPPING, Power.DELETING, Power.HALTED})
_SOON_SEEN = frozenset({Action.CREATE, Action.CREATE_HOME, Action.ATTACH_HOME})
"""Steps whose effect a listing shows in about a second, and for which the next step waits."""
_OFFERINGS_FRESH = timedelta(hours=1)
_ORDER = {stage: number for number, stage in enumerate(Stage)}


async def always() -> bool:
    """For where there is no other controller."""
    return True


class Bookkeeper(Protocol):
    """Who keeps the books, beside the passes and never in their way."""

    @property
    def accounted(self) -> Collection[Run]:
        """The runs that are over and wholly in the books."""

    def listed(self, world: World, known: Known, at: datetime) -> None:
        """There is a new complete listing, which ended at `at`. Returns at once."""


class Reconciler:
    """Brings the world to the wish, one step of each claim a pass."""

    def __init__(
        self,
        provider: Provider,
        database: Database,
        hands: Hands,
        seen: Seen,
        clock: Clock,
        record: ControllerRecord,
        *,
        leads: Callable[[], Awaitable[bool]] = always,
        books: Bookkeeper | None = None,
        priced: Callable[[tuple[Offering, ...]], tuple[Offering, ...]] = tuple,
    ) -> None:
        self._provider, self._database, self._hands = provider, database, hands
        self._seen, self._clock, self._record = seen, clock, record
        self._leads, self._books, self._priced = leads, books, priced
        self._offered: tuple[Offering, ...] = ()
        self._limits = Limits(orphan_grace=record.orphan_grace, save=record.save_timeout)
        self._offered_at: datetime | None = None
        self._missed: list[str] = []
        self._jumps = Jumps(database, seen, clock)
        self._alarms: frozenset[Sentence] = frozenset()
        self._histories = Histories()

    async def tick(self) -> datetime:
        """One pass. Returns when the next one is due at the latest.

        Raises:
            NotTheLeader: another controller holds the lock; nothing was done.
        """
        if not await self._leads():
            raise NotTheLeader("the lock of the database was lost")
        busy = self._hands.under_way
        try:
            await self._offerings()
            world = await self._provider.list(self._missed)
        except ProviderError as error:
            return self._without_listing(error)
        self._seen.problems.pop("", None)
        now = await self._jumps.settle()
        if now is None:
            return self._clock.now()
        known = await self._database.read(self._read)
        known = await self._with_images(known)
        listed = {machine.id for machine in world.machines}
        self._missed = [
            claim.machine_id
            for claim in known.claims
            if claim.machine_id
            and (claim.desired is Desired.DELETED or claim.machine_id not in listed)
        ]
        made = plan(known, world, now, self._limits)
        self._seen.world, self._seen.absences = world, made.absences
        if self._books:
            self._books.listed(world, known, now)
        self._tell(made)
        await self._note_progress(known, world)
        if not await self._leads():
            raise NotTheLeader("the lock of the database was lost")
        retry_soon = await self._hands.take(made.steps, busy)
        return self._next(known, world, made, retry_soon=retry_soon)

    async def close(self) -> None:
        """Wait no longer for calls that have outlasted their pass."""
        await self._hands.close()

    async def _offerings(self) -> None:
        now = self._clock.now()
        if self._offered_at is None or now - self._offered_at > _OFFERINGS_FRESH:
            self._offered = await self._provider.offerings()
            self._offered_at = now
        self._seen.offered = self._priced(self._offered)

    async def _with_images(self, known: Known) -> Known:
        """Name the images that starting claims ask for by their ids, as machines are listed."""
        wanted = {
            claim.specification.image
            for claim in known.claims
            if claim.desired is Desired.RUNNING and claim.up_at is None
        }
        for reference in wanted - self._seen.images.keys():
            try:
                self._seen.images[reference] = await self._provider.resolve_image(reference)
            except ProviderError as error:  # noqa: PERF203 - few, and each on its own
                # The start itself will be refused for it, and say so to whom it concerns.
                _log.warning("image %r: %s: %s", reference, error.code, error.detail)
        return replace(known, images=dict(self._seen.images))

    def _without_listing(self, error: ProviderError) -> datetime:
        self._seen.problems[""] = f"{error.code}: {error.detail}"
        _log.warning("no listing of the cloud, so no plan: %s: %s", error.code, error.detail)
        wait = self._record.fast_interval * 3
        if isinstance(error, Throttled):
            wait = max(wait, timedelta(seconds=error.retry_after))
        return self._clock.now() + wait

    def _read(self, connection: Connection) -> Known:
        intents = claims.open_intents(connection)
        # Not all steps of a pass may be taken in it: who pressed first is served first.
        wishes = sorted(claims.all_claims(connection), key=lambda claim: claim.desired_at)
        return Known(
            claims=tuple(wishes),
            intents={intent.claim: intent for intent in intents},
            grants=claims.home_grants(connection),
            offerings=self._seen.offered,
            refusals=self._seen.refusals,
            absences=self._seen.absences,
            since=self._jumps.since,
            accounted=self._books.accounted if self._books else None,
        )

    def _tell(self, made: Plan) -> None:
        """Say each alarm once, when it begins."""
        alarms = frozenset(made.alarms)
        for alarm in alarms - self._alarms:
            _log.error("%s", alarm)
        self._alarms = alarms

    async def _note_progress(self, known: Known, world: World) -> None:
        machines = {machine.id: machine for machine in world.machines}
        homes = {home.machine_id: home for home in world.homes}
        noted = [
            (claim, seen)
            for claim in known.claims
            if (seen := _progress(claim, machines, homes)) is not None
        ]
        if not noted:
            return
        # Most passes see nothing new, and then nobody must wait for the database's one writer.
        histories = await self._database.read(self._histories.read)
        new = [
            (claim, seen) for claim, seen in noted if _is_new(histories.get(claim.name, ()), seen)
        ]
        if new:
            await self._database.run(_record, new, self._clock.now())

    def _next(self, known: Known, world: World, made: Plan, *, retry_soon: bool) -> datetime:
        now = self._clock.now()
        moves = (
            retry_soon
            or bool(made.steps)
            or bool(made.absences)
            or any(machine.power in _MOVING for machine in world.machines)
            or any(
                claim.desired is Desired.DELETED
                or (claim.desired is Desired.RUNNING and claim.up_at is None)
                for claim in known.claims
            )
        )
        due = now + (self._record.fast_interval if moves else self._record.slow_interval)
        if retry_soon or any(step.action in _SOON_SEEN for step in made.steps):
            due = now
        return min(due, made.look_again_at) if made.look_again_at else due


def _progress(
    claim: Claim, machines: dict[str, Machine], homes: dict[str | None, Home]
) -> tuple[Stage, Sentence] | None:
    machine = machines.get(claim.machine_id or "")
    return progress.seen(claim, machine, homes.get(machine.id) if machine else None)


def _is_new(history: tuple[Progress, ...], seen: tuple[Stage, Sentence]) -> bool:
    """Whether what was seen is not what was noted last, nor behind what the agent has reported."""
    stage, sentence = seen
    if any(_ORDER[event.stage] > _ORDER[stage] for event in history):
        return False
    return not history or (history[-1].stage, history[-1].sentence) != (stage, sentence)


def _record(
    connection: Connection, noted: list[tuple[Claim, tuple[Stage, Sentence]]], now: datetime
) -> None:
    """Note what is new; an agent may have reported since the histories were read."""
    histories = events.histories_of(connection, [claim.name for claim, _seen in noted])
    for claim, seen in noted:
        if _is_new(histories.get(claim.name, ()), seen):
            events.record(connection, claim.name, claim.generation, *seen, now)
