"""Takes the steps of a plan, idempotently, and writes down what came of each.

Every step may be taken twice, or be taken and never be written down: the next plan sees what is
there and goes on from it. So a failure here is written down and never raised.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial

from gpuspawner.clock import Clock
from gpuspawner.controllers.launch import Launch
from gpuspawner.controllers.logbook import Logbook
from gpuspawner.controllers.under_way import UnderWay, Work
from gpuspawner.controllers.wishes import Wishes
from gpuspawner.errors import GenerationMismatch, GpuspawnerError, MachineNotFound
from gpuspawner.identity import Identity
from gpuspawner.policy.plan import Action, Step
from gpuspawner.providers.base import HomeRequest, Provider
from gpuspawner.store import claims
from gpuspawner.store.database import Database
from gpuspawner.store.seen import Seen

_log = logging.getLogger(__name__)

_AT_ONCE = 4
"""So many steps of a kind at a time: each kind has a rate of its own at the cloud."""

_PASS_SECONDS = 3.0
"""So long a pass begins things and waits for them. A cloud takes two machines a second, so a class
would hold up for minutes what is urgent, and what its first students are waiting for."""

_TRIES = frozenset({Action.CREATE, Action.START, Action.STOP, Action.DELETE, Action.FORGET})
"""The steps that try anew what may have gone wrong before."""

_ENDS_A_BILL = frozenset({Action.STOP, Action.DELETE})
"""The steps that are about a machine that is there, whatever else is on its way."""


class Hands:
    """Everything that is done to the cloud passes here."""

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
        self._provider, self._database, self._seen, self._clock = provider, database, seen, clock
        self._logbook = Logbook(database, seen, clock)
        self._launch = Launch(
            provider, database, identity, seen, clock, self._logbook, agent_url=agent_url, ca=ca
        )
        wishes = Wishes(database, clock, self._logbook)
        self._places: dict[Action, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(_AT_ONCE)
        )
        self._under_way = UnderWay(clock)
        self._one: Mapping[Action, Callable[[Step], Awaitable[None]]] = {
            Action.CREATE: self._launch.create,
            Action.DELETE: self._delete,
            Action.CREATE_HOME: self._create_home,
            Action.ATTACH_HOME: self._attach_home,
            Action.END: wishes.end,
            Action.FORGET: wishes.forget,
            Action.ACCEPT: wishes.accept,
            Action.ABANDON: wishes.abandon,
            Action.ADOPT: wishes.adopt,
            Action.RELEASE: wishes.release,
        }

    @property
    def under_way(self) -> frozenset[str]:
        """The claims for which something is being done that has outlasted its pass."""
        return self._under_way.claims

    async def take(self, steps: Iterable[Step], but: frozenset[str] = frozenset()) -> bool:
        """Take the steps. True when the next plan will do better, and should be made soon.

        What cannot be begun in a few seconds is left to that plan, and what has not come back by
        then goes on beside it. `but`: what was `under_way` when the world was looked at. Of those
        claims the plan knows too little, so for them only what ends a bill is done.
        """
        self._logbook.again = False
        busy = but | self.under_way
        starts: dict[str, list[Step]] = defaultdict(list)
        stops: list[Step] = []
        works: list[Work] = []
        for step in steps:
            if step.claim in busy and step.action not in _ENDS_A_BILL:
                continue
            if step.action is Action.START and step.placement:
                starts[step.placement.size].append(step)
            elif step.action is Action.STOP:
                stops.append(step)
            else:
                works.append(self._work([step], partial(self._one[step.action], step)))
        works += [
            self._work(some, partial(self._launch.start, size, some))
            for size, some in starts.items()
        ]
        # Stops first: they save money, and a start waits for minutes anyway.
        if stops:
            await self._guarded(stops, lambda: self._stop(stops))
        all_begun = await self._under_way.take(works, _PASS_SECONDS)
        return self._logbook.again or not all_begun

    async def close(self) -> None:
        """Wait no longer for what has outlasted its pass."""
        await self._under_way.close()

    def _work(self, steps: Sequence[Step], act: Callable[[], Awaitable[None]]) -> Work:
        claims = frozenset(step.claim for step in steps)
        return Work(claims, self._places[steps[0].action], partial(self._guarded, steps, act))

    async def _guarded(self, steps: Sequence[Step], act: Callable[[], Awaitable[None]]) -> None:
        for step in steps:
            if step.action in _TRIES:
                self._seen.problems.pop(step.claim, None)
        try:
            await act()
        except GenerationMismatch:
            _log.debug("%s: the wish has moved on", steps[0].claim)
        except GpuspawnerError as error:
            for step in steps:
                self._logbook.problem(step, error)

    async def _stop(self, steps: Sequence[Step]) -> None:
        by_id = {step.machine.id: step for step in steps if step.machine}
        errors = await self._provider.stop(list(by_id))
        for machine_id, error in errors.items():
            if not isinstance(error, MachineNotFound):
                self._logbook.problem(by_id[machine_id], error)

    async def _delete(self, step: Step) -> None:
        target = step.machine or step.fragment
        assert target
        try:
            await self._provider.delete(target.id)
        except MachineNotFound:
            # Nothing is left. That the claim may forget it is seen in the listing.
            _log.debug("%s is gone", target.id)

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
