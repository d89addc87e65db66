"""When to give up: a machine that nobody answers for must not run up a bill.

Pure; all times are seconds of a clock that only goes forward, so a wall clock that jumps, or a
night in summer time, stops nobody.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

UNREACHABLE_SECONDS = 1800.0
DISOWNED_SECONDS = 600.0
"""What holds until the orders say otherwise."""

WARN_SECONDS = 300.0
LAST_SAVE_SECONDS = 45.0
"""So long before the machine gives up it says so, and asks the front ends to save."""


@dataclass(frozen=True)
class DeadMan:
    """What is known of the controller.

    `heard_at` is when it last spoke to us as its machine (or when we began to listen).
    `disowned_since` is the first of the answers, with no better one since, in which it did not.
    """

    heard_at: float
    disowned_since: float | None = None
    unreachable_seconds: float = UNREACHABLE_SECONDS
    disowned_seconds: float = DISOWNED_SECONDS

    def heard(self, now: float) -> DeadMan:
        """The controller answered, and knows us."""
        return replace(self, heard_at=now, disowned_since=None)

    def disowned(self, now: float) -> DeadMan:
        """The controller answered that it does not know us, or wants nothing of us."""
        since = now if self.disowned_since is None else self.disowned_since
        return replace(self, disowned_since=since)

    def limited(self, unreachable_seconds: float, disowned_seconds: float) -> DeadMan:
        """The same, with the limits that the orders give."""
        return replace(
            self, unreachable_seconds=unreachable_seconds, disowned_seconds=disowned_seconds
        )

    def warns(self, why: str) -> tuple[float, float]:
        """How many seconds before the end to warn, and to save: a part of a limit that is short.

        Else a machine that is answered all the time would be warned all the time.
        """
        limit = self.unreachable_seconds if why == "unreachable" else self.disowned_seconds
        return min(WARN_SECONDS, limit / 2), min(LAST_SAVE_SECONDS, limit / 4)

    def remaining(self, now: float) -> tuple[float, str]:
        """Seconds until we give up (0 or less: now), and why: `unreachable` or `disowned`."""
        unreachable = self.heard_at + self.unreachable_seconds - now
        if self.disowned_since is None:
            return unreachable, "unreachable"
        disowned = self.disowned_since + self.disowned_seconds - now
        return min((unreachable, "unreachable"), (disowned, "disowned"))
