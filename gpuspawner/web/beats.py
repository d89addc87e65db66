"""Heartbeats are many and one is worth little: they are collected, and written once a second."""

from __future__ import annotations

from datetime import datetime

from gpuspawner.clock import Clock
from gpuspawner.store import agents
from gpuspawner.store.database import Database

FLUSH_SECONDS = 1.0


class Beats:
    """The last heartbeat of each claim that is not written down yet."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._fresh: dict[tuple[str, int], datetime] = {}

    def note(self, claim: str, generation: int) -> None:
        """The machine of `claim` has been heard, now, in `generation`."""
        self._fresh[claim, generation] = self._clock.now()

    async def flush(self) -> None:
        """Write them down, all in one transaction."""
        if self._fresh:
            fresh, self._fresh = self._fresh, {}
            rows = [(claim, generation, at) for (claim, generation), at in fresh.items()]
            await self._database.run(agents.heartbeats, rows)

    async def run(self) -> None:
        """Flush for ever."""
        while True:
            await self.flush()
            await self._clock.sleep(FLUSH_SECONDS)
