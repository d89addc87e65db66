"""Stops machines that nobody uses: asks the rule about every session, and writes the wish.

It only ever writes wishes, and for the generation that it has looked at: who starts again in the
meantime is not stopped, and a lost race is not run again. Nothing is stopped at the first look that
says so; a second one has to agree. What was seen before the controller was away, or before its clock
was set, does not count as a look. And when many machines are not heard of it is not their doing, so
none of these is stopped for what nobody can see.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from gpuspawner.clock import Clock
from gpuspawner.controllers.jumps import Leap
from gpuspawner.controllers.rounds import Rounds
from gpuspawner.errors import ControllerUnavailable
from gpuspawner.language import _, say
from gpuspawner.model import Claim, Finding, Machine, Reason, Severity
from gpuspawner.policy.idle import HARD, RULE_VERSION, Kind, Verdict, decide
from gpuspawner.policy.observed import is_heard, session_of
from gpuspawner.policy.session import Policy, Warned, day_begins, generous
from gpuspawner.store import claims, sessions
from gpuspawner.store.database import Database
from gpuspawner.store.observations import Observations
from gpuspawner.store.seen import Seen
from gpuspawner.store.sessions import Kept, Note, Reading
from gpuspawner.views import SessionView

_log = logging.getLogger(__name__)

TICK = timedelta(seconds=10)
_CONFIRM = timedelta(seconds=5)
"""Until a second look has to agree."""

_AWAY = 5 * TICK
"""After a gap as long as this between two looks, the next one is the first again."""

_RECENT = timedelta(minutes=5)
"""A warning that a controller gave before it was restarted counts, if it was not away for longer."""

_KEEP_EVERY = timedelta(seconds=60)

_AT_A_TIME = 25

_MANY = 0.2
_FEW = 3
_STOPS = frozenset({Kind.SAVE_AND_STOP, Kind.STOP_NOW})


@dataclass(frozen=True, slots=True)
class _Memory:
    """What the last look at a session came to."""

    warned: tuple[Warned, ...] = ()
    ending: Reason | None = None


@dataclass(frozen=True, slots=True)
class _Look:
    """One session at one look."""

    claim: Claim
    verdict: Verdict
    kept: Kept
    left: int
    heard: bool

    def view(self) -> SessionView:
        """What people see of it. A moment that moves all the time is told to the minute."""
        verdict = self.verdict
        warned = verdict.kind is not Kind.KEEP
        at = verdict.at
        return SessionView(
            verdict.mode.value,
            verdict.because,
            at if warned or at is None else at.replace(second=0, microsecond=0),
            verdict.reason,
            verdict.because if warned else None,
            self.left,
            self.kept.lease_until,
            ending=verdict.kind in _STOPS,
        )


class Culler:
    """Called again and again; `wake` when there is news. `changed` is told when views have."""

    def __init__(
        self,
        database: Database,
        seen: Seen,
        observations: Observations,
        clock: Clock,
        policy: Policy,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._database, self._seen, self._observations = database, seen, observations
        self._clock, self._policy, self._changed = clock, policy, changed
        self._generous = generous(policy)
        self._leap = Leap(clock)
        self._rounds = Rounds(self.look, clock)
        self._memory: dict[tuple[str, int], _Memory] | None = None
        self._written: dict[str, tuple[Warned, ...]] = {}
        self._kept_at = clock.now()

    def wake(self) -> None:
        """Somebody has clicked, or has done something while being warned: look soon."""
        self._rounds.wake()

    async def run(self) -> None:
        """Look for ever."""
        await self._rounds.run()

    async def look(self) -> datetime:
        """Look once, and do what follows; when to look again at the latest. Never raises."""
        now = self._clock.now()
        leap, passed = self._leap.look()
        if leap:
            # What was to end by a clock that was wrong is warned of anew.
            self._memory = {}
        elif passed > _AWAY and self._memory is not None:
            self._memory = {key: _Memory(one.warned) for key, one in self._memory.items()}
        try:
            return min(now + TICK, await self._look(now))
        except ControllerUnavailable as error:
            _log.warning("nobody is stopped for being idle now: %s", error.detail)
        except Exception:  # noqa: BLE001 - whatever it was, the next look sees it all again
            _log.exception("looking at the sessions failed; the next look sees it all again")
        return now + TICK

    async def _look(self, now: datetime) -> datetime:
        day = day_begins(self._policy.session, now)
        reading = await self._database.read(sessions.read, day)
        if self._memory is None:
            self._memory = self._recalled(reading, now)
        looks = []
        for number, one in enumerate(self._looks(reading, now), 1):
            looks.append(one)
            if number % _AT_A_TIME == 0:
                # The rule takes a thousand sessions a fifth of a second, and heartbeats are waiting.
                await self._clock.sleep(0)
        spared = self._spared(looks)
        stops = [one for one in looks if self._is_to_stop(one, spared)]
        self._memory = {
            (one.claim.name, one.claim.generation): _Memory(
                one.verdict.warned, one.verdict.reason if one.verdict.kind in _STOPS else None
            )
            for one in looks
        }
        self._show(looks, reading.restarts)
        await self._keep(looks, now)
        for one in stops:
            await self._stop(one, now)
        again = [one.verdict.next_change_at for one in looks]
        if any(one.verdict.kind in _STOPS for one in looks):
            again.append(now + _CONFIRM)
        return min(again, default=now + TICK)

    def _recalled(self, reading: Reading, now: datetime) -> dict[tuple[str, int], _Memory]:
        """What the last controller knew. It has to see for itself what is to end."""
        memory = dict[tuple[str, int], _Memory]()
        known = {claim.name: claim.generation for claim in reading.running}
        self._observations.recall(
            {
                name: (known[name], kept.observed)
                for name, kept in reading.kept.items()
                if kept.observed
            }
        )
        for name, kept in reading.kept.items():
            heard = kept.observed.heard_at if kept.observed else None
            if kept.warned and heard and timedelta() <= now - heard <= _RECENT:
                memory[name, known[name]] = _Memory(kept.warned)
        return memory

    def _looks(self, reading: Reading, now: datetime) -> Iterator[_Look]:
        machines = self._machines()
        most = self._policy.session.extensions_per_day
        in_class = self._policy.class_until(now)
        self._observations.forget({claim.name: claim for claim in reading.running})
        for claim in reading.running:
            kept = reading.kept.get(claim.name, Kept())
            observed = self._observations.of(claim)
            owner = claim.owner.user_id
            session = session_of(
                claim,
                machines.get(claim.machine_id),
                observed,
                now,
                hub_activity_at=self._seen.hub_activity.get(claim.name),
                class_until=in_class,
                held_until=kept.held_until,
                lease_until=kept.lease_until,
                extended_until=kept.extended_until,
                warned=(self._memory or {}).get((claim.name, claim.generation), _Memory()).warned,
            )
            policy = self._generous if owner in reading.mistaken else self._policy
            verdict = decide(policy, session, now)
            left = max(0, most - reading.given.get(owner, 0))
            yield _Look(claim, verdict, kept, left, is_heard(observed, now))

    def _machines(self) -> Mapping[str | None, Machine]:
        world = self._seen.world
        return {machine.id: machine for machine in (world.machines if world else ())}

    def _spared(self, looks: Iterable[_Look]) -> frozenset[str]:
        """The claims whose machines are silent, if they are too many for it to be their own doing."""
        up = [one for one in looks if one.claim.up_at]
        silent = [one.claim.name for one in up if not one.heard]
        too_many = len(silent) > max(_FEW, _MANY * len(up))
        told = (
            say(
                _("{silent} of {count} machines are not heard of, so none of them is stopped for being idle."),
                silent=len(silent), count=len(up),
            ),
            say(_("See whether machines reach the hub's URL.")),
        )  # fmt: skip
        self._seen.silent = (
            (Finding("heartbeats", Severity.WARNING, *told, check="heartbeats"),)
            if too_many
            else ()
        )
        return frozenset(silent) if too_many else frozenset()

    def _is_to_stop(self, one: _Look, spared: frozenset[str]) -> bool:
        before = (self._memory or {}).get((one.claim.name, one.claim.generation), _Memory())
        reason = one.verdict.reason
        if one.verdict.kind not in _STOPS or before.ending is not reason:
            return False
        return reason in HARD or (self._policy.idle.enforce and one.claim.name not in spared)

    def _show(self, looks: Iterable[_Look], restarts: int) -> None:
        shown = {one.claim.name: (one.claim.generation, one.view()) for one in looks}
        self._seen.restarts = restarts
        if shown != self._seen.sessions:
            self._seen.sessions = shown
            self._changed()

    async def _keep(self, looks: Iterable[_Look], now: datetime) -> None:
        """Write down each warning as it comes and goes, and from time to time what was seen."""
        due = not timedelta() <= now - self._kept_at < _KEEP_EVERY
        notes = [
            Note(one.claim, one.verdict.warned, self._observations.of(one.claim))
            for one in looks
            if due or self._written.get(one.claim.name, ()) != one.verdict.warned
        ]
        if due:
            self._kept_at = now
        if notes:
            await self._database.run(sessions.note, notes)
            self._written |= {one.claim.name: one.warned for one in notes}

    async def _stop(self, one: _Look, now: datetime) -> None:
        claim, verdict = one.claim, one.verdict
        reason = verdict.reason or Reason.IDLE
        ended = await self._database.run(
            claims.end, claim.name, claim.generation, reason, verdict.because, now,
            actor="controller", detail=f"rule {RULE_VERSION}",
        )  # fmt: skip
        if ended is None:
            _log.info("%s moved on before it was stopped for %s", claim.name, reason.value)
        else:
            self._seen.stops[reason] += 1
            _log.warning("%s is stopped for %s", claim.name, reason.value)
