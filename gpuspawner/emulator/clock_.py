"""The emulators' clock: real time, or none, plus what a caller has advanced it by.

Bills, state changes, token buckets and idempotency tokens all read this one clock, so that a
term can be played in a second and a test never sleeps.
"""

from __future__ import annotations

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


def moment(at: float) -> datetime:
    """`at` as a naive UTC date and time, which is what moto keeps."""
    return datetime.fromtimestamp(at, timezone.utc).replace(tzinfo=None)


def text(at: float | None) -> str | None:
    """`at` as AWS writes it, to the millisecond: `2026-11-21T05:00:00.000Z`."""
    return None if at is None else moment(at).isoformat(timespec="milliseconds") + "Z"
