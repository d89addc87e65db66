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
"""More than any clock is slewed, or a pass is held up between two looks at a clock."""


class Jumps:
    """Compares the wall clock with the one that only goes forward, once in every pass.

    `since` is when this controller began, by the wall clock as it goes now.
    """

    def __init__(self, database: Database, seen: Seen, clock: Clock) -> None:
        self._database, self._seen, self._clock = database, seen, clock
        self.since = clock.now()
        self._wall, self._monotonic = self.since, clock.monotonic()
        self._settled = False

    async def settle(self) -> datetime | None:
        """Now; None when the clock was set since the last pass, so that this one is to be skipped.

        Three listings in two minutes are not three listings and a jump of an hour: what was not
        listed is missed anew. And what a clock that was ahead has written must not lie in the
        future, where no grace would ever end.
        """
        now, monotonic = self._clock.now(), self._clock.monotonic()
        leap = (now - self._wall) - timedelta(seconds=monotonic - self._monotonic)
        self._wall, self._monotonic = now, monotonic
        jumped = abs(leap) > _JUMP
        if jumped:
            _log.warning("the clock was set by %+.0f seconds", leap.total_seconds())
            self._seen.absences = {}
        back = leap < -_JUMP
        if back:
            self.since += leap
            self._seen.refusals = ()
        if back or not self._settled:
            await self._database.run(clock_set_back.settle, now)
            self._settled = True
        return None if jumped else now
