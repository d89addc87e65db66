"""Looks at the credit of what runs: warns, lets the pool pay for a while, and stops.

It only ever writes wishes, and for the generation that it has looked at: who starts again in the
meantime is not stopped. What cannot be read stops nobody; nothing is started then either, since a
start needs the same books.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from gpuspawner.clock import Clock
from gpuspawner.controllers.jumps import Leap
from gpuspawner.controllers.rounds import Rounds
from gpuspawner.errors import ClaimNotFound, ControllerUnavailable, GenerationMismatch
from gpuspawner.model import Reason
from gpuspawner.policy.credit import (
    Act,
    Books,
    Memory,
    Session,
    Verdict,
    decide,
    grace_costs,
    lasts,
    top_ups,
)
from gpuspawner.policy.money import moment_of, seconds_of
from gpuspawner.settings.credit import CreditRecord
from gpuspawner.store import brake, claims, credit_reading, graces, ledger
from gpuspawner.store.credit_reading import Reading
from gpuspawner.store.database import Database
from gpuspawner.store.seen import Seen
from gpuspawner.views import CreditView

_log = logging.getLogger(__name__)

_HOLDS = 20
"""So many holds are filled up in one transaction, since whoever else wants to write waits for it."""


class CreditKeeper:
    """Called again and again; `wake` when there is news. `changed` is told when views have."""

    def __init__(
        self,
        database: Database,
        seen: Seen,
        clock: Clock,
        record: CreditRecord,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._database, self._seen, self._clock = database, seen, clock
        self._record, self._rules, self._changed = record, record.rules, changed
        self._memory: dict[tuple[str, int], Memory] = {}
        self._leap = Leap(clock)
        self._rounds = Rounds(self.look, clock)

    def wake(self) -> None:
        """Something was charged or granted: look soon."""
        self._rounds.wake()

    async def run(self) -> None:
        """Look for ever."""
        await self._rounds.run()

    async def look(self) -> datetime:
        """Look once, and do what follows; when to look again at the latest. Never raises."""
        now = self._clock.now()
        tick = now + timedelta(seconds=self._rules.tick)
        if self._leap.look()[0]:
            # What was to end by a clock that was wrong is looked at as if for the first time.
            self._memory = {}
        try:
            return min(tick, await self._look(now))
        except ControllerUnavailable as error:
            _log.warning("nobody is stopped for credit now: %s", error.detail)
        except Exception:  # noqa: BLE001 - whatever it was, the next look sees it all again
            _log.exception("looking at the credit failed; the next look sees it all again")
        self._memory = {}
        return tick

    async def _look(self, now: datetime) -> datetime:
        reading = await self._database.read(credit_reading.read, self._rules, now)
        if reading.overdue:
            await self._database.run(_tidy, seconds_of(now))
        if reading.braked:
            await self._database.run(brake.stop_what_runs, now)
        books, at = reading.books, seconds_of(now)
        verdicts = {session: self._decide(session, books, at) for session in books.sessions}
        self._memory = {
            (session.claim, session.generation): verdict.memory
            for session, verdict in verdicts.items()
        }
        self._show(books, verdicts)
        if self._record.enforce:
            await self._act(reading, verdicts, now)
        agains = [one.again_at for one in verdicts.values() if one.again_at is not None]
        return min(
            (moment_of(one) for one in agains), default=datetime.max.replace(tzinfo=now.tzinfo)
        )

    def _decide(self, session: Session, books: Books, at: int) -> Verdict:
        if not self._record.enforce:
            return Verdict()
        before = self._memory.get((session.claim, session.generation), Memory())
        return decide(session, books, self._rules, before, at)

    async def _act(
        self, reading: Reading, verdicts: Mapping[Session, Verdict], now: datetime
    ) -> None:
        for session, verdict in verdicts.items():
            if verdict.act is Act.STOP:
                await self._stop(session, verdict, now)
            elif verdict.act is Act.GRACE:
                await self._grace(session, reading, now)
            elif verdict.act is Act.RESUME:
                await self._resume(session, reading, now)
        wanted = list(top_ups(reading.books, self._rules))
        for first in range(0, len(wanted), _HOLDS):
            await self._database.run(_fill, wanted[first : first + _HOLDS], seconds_of(now))

    async def _stop(self, session: Session, verdict: Verdict, now: datetime) -> None:
        reason = verdict.reason or Reason.CREDIT
        try:
            await self._database.run(
                claims.put_stopped, session.claim, session.generation, reason, verdict.sentence,
                now, actor="controller",
            )  # fmt: skip
        except (ClaimNotFound, GenerationMismatch) as error:
            _log.info("%s moved on before it was stopped for %s: %s", session.claim, reason, error)
        else:
            _log.warning("%s is stopped for %s", session.claim, reason.value)

    async def _grace(self, session: Session, reading: Reading, now: datetime) -> None:
        costs = grace_costs(self._rules, session.rate.continued())
        over = now + self._rules.grace + timedelta(seconds=self._rules.latency + self._rules.tick)
        given = await self._database.run(
            graces.begin, session.account, reading.day, costs,
            at=self._seen_at(), now=seconds_of(now), until=seconds_of(over),
        )  # fmt: skip
        if given:
            _log.info("%s: the pool pays for a grace", session.claim)

    async def _resume(self, session: Session, reading: Reading, now: datetime) -> None:
        await self._database.run(
            graces.end, session.account, {session.claim: session.hold or None}, reading.day,
            at=self._seen_at(), now=seconds_of(now),
        )  # fmt: skip

    def _seen_at(self) -> int:
        """When the machines were last seen to run: nothing later may be charged for sure."""
        world = self._seen.world
        return seconds_of(world.listed_at) if world else 0

    def _show(self, books: Books, verdicts: Mapping[Session, Verdict]) -> None:
        shown = {
            session.claim: (session.generation, self._view(session, books, verdict))
            for session, verdict in verdicts.items()
        }
        if shown != self._seen.credit:
            self._seen.credit = shown
            self._changed()

    def _view(self, session: Session, books: Books, verdict: Verdict) -> CreditView:
        wallet = books.wallets[session.account]
        shown = self._record.shown_to == "students"
        # In a grace the account pays for nothing, and then this machine is what it would pay for.
        rates = wallet.rates or (session.rate,)
        return CreditView(
            unit=books.unit,
            balance_micros=wallet.live if shown else None,
            per_hour_micros=sum(rate.per_hour() for rate in rates) if shown else None,
            runs_for_seconds=lasts(wallet.live, self._rules, *rates) if shown else None,
            deadline=None if verdict.deadline is None else moment_of(verdict.deadline),
            reason=verdict.reason,
            warned_seconds=verdict.warned,
            sentence=verdict.sentence,
            grace=not session.by_student and wallet.grace_until is not None,
        )


def _tidy(c: Connection, now: int) -> None:
    """What was put aside for a start that was given up, and what was given until now and not used."""
    ledger.sweep_holds(c, now)
    ledger.expire(c, now)


def _fill(c: Connection, wanted: Sequence[tuple[str, int]], now: int) -> None:
    # In one order, as everywhere, so that no two of these wait for each other.
    for ref, micros in sorted(wanted):
        ledger.top_up(c, ref, micros, now=now)
