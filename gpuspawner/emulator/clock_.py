"""The emulators' clock: real time, or none, plus what a caller has advanced it by.

Bills, state changes, token buckets and idempotency tokens all read this one clock, so that a
term can be played in a second and a test never sleeps.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from datetime import datetime, timezone


class Clock:
    """Seconds since 1970, UTC. It never runs backwards.

    Args:
        start: what it shows now; the real time if None.
        frozen: it moves only when it is advanced, for tests.
    """

    def __init__(self, start: float | None = None, *, frozen: bool = False) -> None:
        self._frozen = frozen
        self._start = time.time() if start is None else start
        self._began = time.monotonic()
        self._advanced = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        """The emulated time, in seconds since 1970."""
        with self._lock:
            elapsed = 0.0 if self._frozen else time.monotonic() - self._began
            return self._start + elapsed + self._advanced

    def advance(self, seconds: float) -> float:
        """Move on by `seconds` and return the new time.

        Raises:
            ValueError: `seconds` is negative.
        """
        if seconds < 0:
            raise ValueError(f"a clock cannot go back by {-seconds} s")
        with self._lock:
            self._advanced += seconds
        return self.now()


class Pace:
    """Real time for what lives in an event loop: machines do not hurry when a bill is advanced."""

    def monotonic(self) -> float:
        """Seconds of a clock that only goes forward."""
        return time.monotonic()

    async def wait(self, woken: asyncio.Event, seconds: float) -> None:
        """Return after `seconds`, or as soon as `woken` is set; it is cleared then."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(woken.wait(), seconds)
        woken.clear()


def moment(at: float) -> datetime:
    """`at` as a naive UTC date and time, which is what moto keeps."""
    return datetime.fromtimestamp(at, timezone.utc).replace(tzinfo=None)


def text(at: float | None) -> str | None:
    """`at` as AWS writes it, to the millisecond: `2026-11-21T05:00:00.000Z`."""
    return None if at is None else moment(at).isoformat(timespec="milliseconds") + "Z"


def sentence_time(at: float) -> str:
    """`at` as AWS writes it within a sentence, to the second: `2026-11-21 05:00:00 GMT`."""
    return f"{moment(at):%Y-%m-%d %H:%M:%S} GMT"
