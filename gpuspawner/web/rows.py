"""One line of the page of machines: what a claim and its machine look like to a person."""

from __future__ import annotations

from dataclasses import dataclass

from gpuspawner.model import Desired, Home, Power
from gpuspawner.views import ClaimView, nearest

_STYLES = {
    Power.RUNNING: "running",
    Power.PENDING: "starting",
    Power.STOPPING: "stopping",
    Power.HALTED: "stopping",
    Power.DELETING: "stopping",
}
_AT_REST = frozenset({Power.STOPPED, None})


@dataclass(frozen=True, slots=True)
class Row:
    """`state` is a key of `WORDS`, `style` one of the style sheet's; `moving` rows are looked at again."""

    view: ClaimView
    homes: tuple[Home, ...]

    @property
    def deleting(self) -> bool:
        """Whether the machine is on its way out for good."""
        return self.view.desired is Desired.DELETED or self.view.power is Power.DELETING

    @property
    def state(self) -> str:
        """What is said of the machine."""
        if self.deleting:
            return "deleting"
        return self.view.power.value if self.view.power else "gone"

    @property
    def style(self) -> str:
        """The colour of its mark; never the only sign."""
        return _STYLES.get(self.view.power, "off") if self.view.power else "off"

    @property
    def moving(self) -> bool:
        """Whether the row changes by itself soon."""
        if self.view.desired is Desired.RUNNING:
            return self.view.url is None
        return self.deleting or self.view.power not in _AT_REST

    @property
    def stops_at(self) -> str:
        """When it is stopped if nothing happens, as a moment for the browser; "" when nothing ends it."""
        at = nearest(self.view.credit, self.view.session).deadline
        return at.isoformat() if at else ""

    @property
    def keepable(self) -> bool:
        """Whether a click gives it more time."""
        session = self.view.session
        return bool(session and session.deadline and session.extensions_left)

    @property
    def deletable(self) -> bool:
        """Whether there is a machine to delete, and nobody has asked for it yet."""
        return self.view.power is not None and not self.deleting
