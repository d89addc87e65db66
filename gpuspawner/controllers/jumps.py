"""When the clock was set: what was measured by it before is not taken for time that has passed."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from gpuspawner.clock import Clock
from gpuspawner.store import clock_set_back
from gpuspawner.store.database import Database
from gpuspawner.store.seen import Seen

_log = logging.getLogger(__name__)

_JUMP = timedelta(seconds=5)
"""More than any clock is slewed, or a look is held up between its two clocks."""


class Leap:
    """How far the wall clock was set since it was last asked, by the one that only goes forward."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wall, self._monotonic = clock.now(), clock.monotonic()

    def look(self) -> tuple[timedelta, timedelta]:
        """How far it was set, nothing for what a clock is slewed by; and how long ago that was asked."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        passed = timedelta(seconds=monotonic - self._monotonic)
        leap = (now - self._wall) - passed
        self._wall, self._monotonic = now, monotonic
        return leap if abs(leap) > _JUMP else timedelta(), passed


class Jumps:
    """Compares the wall clock with the one that only goes forward, once in every pass.

    `since` is when this controller began, by the wall clock as it goes now.
    """

    def __init__(self, database: Database, seen: Seen, clock: Clock) -> None:
        self._database, self._seen, self._clock = database, seen, clock
        self.since = clock.now()
        self._leap = Leap(clock)
        self._settled = False

    async def settle(self) -> datetime | None:
        """Now; None when the clock was set since the last pass, so that this one is to be skipped.

        Three listings in two minutes are not three listings and a jump of an hour: what was not
        listed is missed anew. And what a clock that was ahead has written must not lie in the
        future, where no grace would ever end.
        """
        now = self._clock.now()
        leap, _passed = self._leap.look()
        jumped = bool(leap)
        if jumped:
            _log.warning("the clock was set by %+.0f seconds", leap.total_seconds())
            self._seen.absences = {}
        back = leap < timedelta()
        if back:
            self.since += leap
            self._seen.refusals = ()
        if back or not self._settled:
            await self._database.run(clock_set_back.settle, now)
            self._settled = True
        return None if jumped else now
