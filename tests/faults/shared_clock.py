"""One clock for several processes: it stands still, and is turned, by whoever waits or is told to.

It is a file of eight bytes, so that a killed process takes no time with it and the next one begins
where the others are. Whole seconds only: two processes that look one after the other without a turn
in between have seen the same second.
"""

from __future__ import annotations

import asyncio
import fcntl
import math
import mmap
import struct
import threading
from datetime import datetime, timezone
from pathlib import Path

REAL_SECONDS = 0.02
"""How long, in real time, a second lasts while somebody waits."""


class SharedTime:
    """The file. `now` and `advance` are what the emulators ask of a clock.

    Args:
        path: the file; made if it is not there.
        start: what a new one shows, in seconds since 1970.
    """

    def __init__(self, path: Path, start: int | None = None) -> None:
        if start is not None:
            path.write_bytes(struct.pack("<q", start))
        self._file = path.open("r+b")
        self._memory = mmap.mmap(self._file.fileno(), 8)
        self._thread = threading.Lock()

    def close(self) -> None:
        """Let go of the file. A thread that is still ending may look once more."""
        self._file.close()

    def now(self) -> float:
        """Seconds since 1970, without a fraction."""
        seconds: int = struct.unpack("<q", self._memory[:8])[0]
        return float(seconds)

    def advance(self, seconds: float) -> float:
        """Turn it on by `seconds`, rounded up; the new time."""
        # The kernel takes the lock of a killed process away; between threads it does not count.
        with self._thread:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                now = int(self.now()) + math.ceil(seconds)
                self._memory[:8] = struct.pack("<q", now)
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)
        return float(now)


class SharedClock:
    """The controller's: while it waits, a second passes for everybody every few milliseconds."""

    def __init__(self, time: SharedTime) -> None:
        self._time = time

    def now(self) -> datetime:
        """The shared time."""
        return datetime.fromtimestamp(self._time.now(), timezone.utc)

    def monotonic(self) -> float:
        """The shared time, which never goes back."""
        return self._time.now()

    async def sleep(self, seconds: float) -> None:
        """Wait until so much of the shared time has passed, by whomever it is turned."""
        end = self._time.now() + seconds
        await asyncio.sleep(0)
        while self._time.now() < end:
            await asyncio.sleep(REAL_SECONDS)
            self._time.advance(1)
