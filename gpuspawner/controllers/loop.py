"""When to look again: at once when something has changed, soon while something moves, else rarely."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from gpuspawner.clock import Clock, sleep_unless
from gpuspawner.errors import NotTheLeader

_log = logging.getLogger(__name__)

_SAVED = 0.4
"""The part of a minute's passes that may be saved up for when something happens."""

_KEPT = 4.0
"""So many of them are not spent on looking again and again at what moves anyway."""

_ROUNDING = 1e-9


class Loop:
    """Calls `tick` for ever; `tick` answers when it wants to be called again at the latest.

    However often it is woken, two calls *begin* at least `gap` apart, so a class that presses Start
    together is one listing, not three hundred. And in no minute do more begin than one each `pace`:
    a few may follow each other quickly, and are paid for by longer waits between the others.
    """

    def __init__(
        self,
        tick: Callable[[], Awaitable[datetime]],
        clock: Clock,
        *,
        gap: timedelta,
        pace: timedelta,
    ) -> None:
        self._tick, self._clock, self._gap = tick, clock, gap.total_seconds()
        a_minute = 60.0 / pace.total_seconds()
        # Whatever the sixty seconds, they see what was saved up and what came in the meantime;
        # one less, since both ends of them count.
        self._most = max(a_minute * _SAVED - 1.0, 1.0)
        self._rate = a_minute * (1.0 - _SAVED) / 60.0
        self._kept = min(_KEPT, self._most - 1.0)
        self._saved, self._counted_at = self._most, clock.monotonic()
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Something has changed: look again as soon as the gap allows."""
        self._wake.set()

    async def run(self) -> None:
        """Tick until cancelled. A tick that fails is logged and tried again; the loop goes on.

        Raises:
            NotTheLeader: the lock of the database is lost; nothing may be done any more.
        """
        urgent = True
        while True:
            await self._turn(urgent=urgent)
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
            urgent = wait <= 0
            await self._until(began + self._gap)
            await sleep_unless(self._wake, wait - self._gap, self._clock)

    async def _turn(self, *, urgent: bool) -> None:
        """Wait until one more may begin, and count it. The last ones are kept for what is urgent."""
        while True:
            least = 1.0 if urgent or self._wake.is_set() else 1.0 + self._kept
            missing = least - self._counted()
            if missing <= _ROUNDING:
                break
            if least > 1.0:
                await sleep_unless(self._wake, missing / self._rate, self._clock)
            else:
                await self._clock.sleep(missing / self._rate)
        self._saved -= 1.0

    def _counted(self) -> float:
        now = self._clock.monotonic()
        self._saved = min(self._saved + (now - self._counted_at) * self._rate, self._most)
        self._counted_at = now
        return self._saved

    async def _until(self, moment: float) -> None:
        left = moment - self._clock.monotonic()
        if left > 0:
            await self._clock.sleep(left)
