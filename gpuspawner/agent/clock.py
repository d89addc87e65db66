"""The agent's only clock; a test hands it one that is turned by hand."""

from __future__ import annotations

import os
import select
import time
from typing import Protocol


class Clock(Protocol):
    """Seconds that only go forward, and how to wait."""

    def monotonic(self) -> float:
        """Seconds since the machine booted; never goes back, whatever the wall clock does."""
        ...

    def wait(self, seconds: float) -> None:
        """Wait for `seconds`, or less when `wake` is called."""
        ...

    def wake(self) -> None:
        """End the wait that is going on, or the next one. May be called in a signal handler."""
        ...


class SystemClock:
    """The machine's own clock."""

    def __init__(self) -> None:
        # A pipe and not an event: an event's lock could be held where the signal strikes.
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def monotonic(self) -> float:
        """Seconds since the machine booted (Linux: `CLOCK_MONOTONIC`, without time suspended)."""
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        """Wait for `seconds`, or until `wake`."""
        if select.select([self._reader], [], [], max(seconds, 0.0))[0]:
            os.read(self._reader, 4096)

    def wake(self) -> None:
        """End the wait."""
        os.write(self._writer, b"w")

    def close(self) -> None:
        """Give the pipe back."""
        os.close(self._reader)
        os.close(self._writer)
