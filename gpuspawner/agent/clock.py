"""The agent's only clock; a test hands it one that is turned by hand."""

from __future__ import annotations

import threading
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
        self._woken = threading.Event()

    def monotonic(self) -> float:
        """Seconds since the machine booted (Linux: `CLOCK_MONOTONIC`, without time suspended)."""
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        """Wait for `seconds`, or until `wake`."""
        self._woken.wait(seconds)
        self._woken.clear()

    def wake(self) -> None:
        """End the wait."""
        self._woken.set()
