"""A clock that is turned by hand."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class HandClock:
    """Both clocks show the same."""

    at: float = 1_800_000_000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at
