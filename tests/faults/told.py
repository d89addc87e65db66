"""The whole controller, which looks once when it is told to instead of looking for ever.

Its parts are those of `gpuspawner.app`, put together there. Who tells it turns the clock, too, so a
play of hours takes seconds, and every part has looked before time goes on.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from gpuspawner.app import Controller


class Told(Controller):
    """A controller that does what it does once, each time it is told to."""

    def __init__(self, loaded: Any, provider: Any, database: Any, *others: Any) -> None:
        super().__init__(loaded, provider, database, *others)
        self._due = self._called = self._clock.now()
        self._every = loaded.controller.roll_call_interval
        database.on_change(self._wake, plans=True)

    async def begin(self) -> None:
        """What every controller does first."""
        await self._pricer.begin()
        await self.board.refresh()

    async def refresh(self) -> bool:
        """Ask the price service; whether it has answered."""
        return await self._pricer.refresh()

    async def one_pass(self) -> dict[str, Any]:
        """Whatever is due now; when something is again, in seconds.

        `kept`: a new listing is in the books. `failed`: there was none.
        """
        seen, now = self._reconciler._seen, self._clock.now()
        before = seen.world
        if now >= self._due:
            # A wish that is written meanwhile makes another due.
            self._due = datetime.max.replace(tzinfo=now.tzinfo)
            self._due = min(self._due, await self.tick())
        # A pass leaves behind what takes long, and on this clock any wait is long: hold it to the
        # bill only when the cloud has done what it was asked.
        if begun := list(self._reconciler._hands._under_way._begun):
            await asyncio.wait(begun)
        kept = await self._meter.look()
        again = await self.credit.look()
        await self.culler.look()
        if self._roll_call and now >= self._called + self._every:
            self._called = now
            await self._roll_call.look()
        return {
            "kept": kept and seen.world is not before,
            "failed": "" in seen.problems,
            "again": (min(again, self._due) - self._clock.now()).total_seconds(),
        }

    async def close(self) -> None:
        """Wait no longer for what is under way."""
        await self._reconciler.close()

    def _wake(self) -> None:
        self._due = self._clock.now()
