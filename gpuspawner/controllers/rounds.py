"""Looks again and again: when the last look said so, and sooner when there is news."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from gpuspawner.clock import Clock, sleep_unless

_GAP = 1.0
"""Seconds between two looks at least, however much news there is."""


class Rounds:
    """Calls `look` for ever. It answers when it wants to be called again at the latest, and never raises."""

    def __init__(self, look: Callable[[], Awaitable[datetime]], clock: Clock) -> None:
        self._look, self._clock = look, clock
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There is news: look soon."""
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._woken.clear()
            again = await self._look()
            await self._clock.sleep(_GAP)
            seconds = (again - self._clock.now()).total_seconds()
            await sleep_unless(self._woken, seconds, self._clock)
