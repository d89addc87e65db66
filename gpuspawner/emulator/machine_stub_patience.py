"""When a stub machine gives up and powers off: the dead man's switch of docs/explain/protocols.md."""

from __future__ import annotations

from gpuspawner.emulator.clock_ import Pace
from gpuspawner.emulator.machine_stub_wire import Orders

OFF_SECONDS = 600.0
"""How long a machine whose session is over waits to be switched off."""

UNREACHABLE_SECONDS, DISOWNED_SECONDS = 1800.0, 600.0
"""What holds until the orders say otherwise."""


class Patience:
    """What is known of the controller, and how long that is enough."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._unreachable, self._disowned = UNREACHABLE_SECONDS, DISOWNED_SECONDS
        self._heard_at = pace.monotonic()
        self._disowned_at: float | None = None
        self._ended_at: float | None = None

    def heard(self) -> None:
        """The controller spoke to us as its machine."""
        self._heard_at, self._disowned_at = self._pace.monotonic(), None

    def disowned(self) -> None:
        """It spoke, and does not know us or wants nothing of us."""
        if self._disowned_at is None:
            self._disowned_at = self._pace.monotonic()

    def begin(self, orders: Orders) -> None:
        """A session begins, with limits of its own."""
        self._unreachable = orders.unreachable_seconds
        self._disowned = orders.disowned_seconds
        self._ended_at = None

    def end(self) -> None:
        """The session is over: somebody should switch the machine off now."""
        self._ended_at = self._pace.monotonic()

    def left(self) -> float:
        """Seconds until it is lost, 0 when it is."""
        return max(min(self._ends().values()) - self._pace.monotonic(), 0.0)

    def lost(self) -> str | None:
        """Why it is lost: `unreachable`, `disowned` or `over`; None when it is not."""
        ends = self._ends()
        return min(ends, key=lambda why: ends[why]) if self.left() == 0.0 else None

    def _ends(self) -> dict[str, float]:
        ends = {"unreachable": self._heard_at + self._unreachable}
        if self._disowned_at is not None:
            ends["disowned"] = self._disowned_at + self._disowned
        if self._ended_at is not None:
            ends["over"] = self._ended_at + OFF_SECONDS
        return ends
