"""When to look again: at once when something has changed, soon while something moves, else rarely."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from gpuspawner.clock import Clock
from gpuspawner.errors import NotTheLeader

_log = logging.getLogger(__name__)


class Loop:
    """Calls `tick` for ever; `tick` answers when it wants to be called again at the latest.

    However often it is woken, two calls *begin* at least `gap` apart, so a class that presses Start
    together is one listing, not three hundred.
    """

    def __init__(
        self, tick: Callable[[], Awaitable[datetime]], clock: Clock, *, gap: timedelta
    ) -> None:
        self._tick, self._clock, self._gap = tick, clock, gap.total_seconds()
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Something has changed: look again as soon as the gap allows."""
        self._wake.set()

    async def run(self) -> None:
        """Tick until cancelled. A tick that fails is logged and tried again; the loop goes on.

        Raises:
            NotTheLeader: the lock of the database is lost; nothing may be done any more.
        """
        while True:
            began = self._clock.monotonic()
            self._wake.clear()
            try:
                again = await self._tick()
                wait = (again - self._clock.now()).total_seconds()
            except NotTheLeader:
                raise
            except Exception:  # noqa: BLE001 - whatever it was, the next pass looks afresh
                _log.exception("a pass failed; the next one looks afresh")
                wait = 10 * self._gap
            await self._until(began + self._gap)
            await self._woken(wait - self._gap)

    async def _until(self, moment: float) -> None:
        left = moment - self._clock.monotonic()
        if left > 0:
            await self._clock.sleep(left)

    async def _woken(self, seconds: float) -> None:
        """Wait for `seconds`, or until woken."""
        if seconds <= 0 or self._wake.is_set():
            return
        waits = [
            asyncio.ensure_future(self._wake.wait()),
            asyncio.ensure_future(self._clock.sleep(seconds)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
