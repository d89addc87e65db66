"""The only module that asks what time it is, or waits.

Everything else is handed a `Clock` (or just `now`), so a test turns the clock instead of sleeping.
"""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timezone
from typing import Protocol


class Clock(Protocol):
    """What the time is, and how to wait."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC. May jump."""
        ...

    def monotonic(self) -> float:
        """Seconds that only go forward; for measuring durations within one process."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds` without blocking the event loop."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""
        return datetime.now(timezone.utc)

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; never goes back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds` without blocking the event loop."""
        await asyncio.sleep(seconds)


async def sleep_unless(event: asyncio.Event, seconds: float, clock: Clock) -> None:
    """Wait for `seconds`, or until `event` is set."""
    if seconds <= 0 or event.is_set():
        return
    waits = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(clock.sleep(seconds))]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
