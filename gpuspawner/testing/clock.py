"""A clock that a test turns."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from datetime import datetime, timedelta, timezone

_ROUNDS = 50
"""How often the event loop is let round after each wake, so that what woke can do its work."""


class FakeClock:
    """Implements `gpuspawner.clock.Clock`; time moves only when it is told to.

    `await clock.advance(60)` goes from one sleeper's deadline to the next, in order, and lets each
    run before the next one wakes, so a loop that sleeps 5 seconds runs 12 times.
    """

    def __init__(self, start: datetime = datetime(2026, 3, 2, 9, 0, tzinfo=timezone.utc)) -> None:
        self._now = start
        self._monotonic = 0.0
        self._numbers = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        """The wall clock."""
        return self._now

    def monotonic(self) -> float:
        """Seconds since this clock was made; `jump` does not move it."""
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been turned by `seconds`; 0 or less only lets others run."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic + seconds, next(self._numbers), future))
        await future

    @property
    def sleepers(self) -> int:
        """How many wait now."""
        return sum(not future.done() for _, _, future in self._sleepers)

    async def advance(self, by: float | timedelta) -> None:
        """Turn the clock forward by seconds or a `timedelta`, waking sleepers in order."""
        end = self._monotonic + _seconds(by)
        await _let_others_run()
        while self._sleepers and self._sleepers[0][0] <= end:
            deadline, _, future = heapq.heappop(self._sleepers)
            self._to(deadline)
            if not future.done():
                future.set_result(None)
                await _let_others_run()
        self._to(end)
        await _let_others_run()

    def turn(self, by: float | timedelta) -> None:
        """Turn the clock forward at once, for a test without an event loop.

        Sleepers that are due run, in order, when the loop next does, and see the later time.
        """
        self._to(self._monotonic + _seconds(by))
        while self._sleepers and self._sleepers[0][0] <= self._monotonic:
            _, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)

    def jump(self, by: float | timedelta) -> None:
        """Set the wall clock forward or back, as an administrator does; nobody has waited."""
        self._now += timedelta(seconds=_seconds(by))

    def _to(self, monotonic: float) -> None:
        if monotonic > self._monotonic:
            self._now += timedelta(seconds=monotonic - self._monotonic)
            self._monotonic = monotonic


def _seconds(by: float | timedelta) -> float:
    return by.total_seconds() if isinstance(by, timedelta) else float(by)


async def _let_others_run() -> None:
    for _ in range(_ROUNDS):
        await asyncio.sleep(0)
