"""What the hub's pages show of one user's credit, as the controller says it. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gpuspawner.amounts import NAMED, about, amount_text, number_text, span
from gpuspawner.language import Sentence, _, say


@dataclass(frozen=True, slots=True)
class Size:
    """What a size costs this user an hour, in micros, and for how many seconds their credit lasts."""

    per_hour: int
    runs_for_seconds: int | None


@dataclass(frozen=True, slots=True)
class Session:
    """The last session of a claim: how many seconds it took, what it came to, whether it is over."""

    seconds: int
    charged: int
    over: bool


@dataclass(frozen=True, slots=True)
class Wallet:
    """One user's credit, in micros of `unit`; `shown` is false where only teachers see it."""

    unit: str
    shown: bool
    live: int
    runs_for_seconds: int | None
    sizes: Mapping[str, Size]
    sessions: Mapping[str, Session]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Wallet:
        """What the controller sent. Unknown keys are ignored.

        Raises:
            KeyError, TypeError: it is no such thing.
        """
        return cls(
            data["unit"],
            data["shown"],
            data["live"],
            data["runs_for_seconds"],
            {
                size: Size(one["per_hour"], one["runs_for_seconds"])
                for size, one in data["sizes"].items()
            },
            {
                claim: Session(one["seconds"], one["charged"], one["stopped_at"] is not None)
                for claim, one in data["sessions"].items()
            },
        )

    def price_of(self, size: str) -> str | None:
        """The price of an hour, None when it is not known."""
        found = self.sizes.get(size)
        return _amount(found.per_hour, self.unit, fine=True) if found else None


NOT_KNOWN = say(_("Your balance is not known now; nothing is lost."))
"""What is said when the controller does not answer in time."""


def balance(wallet: Wallet) -> Sentence:
    """The balance, as everybody calls it."""
    return say(_("Balance: {amount}"), amount=_amount(wallet.live, wallet.unit))


def _amount(micros: int, unit: str, *, fine: bool = False) -> str:
    """An amount that reads the same in every language: one that is no currency has no name here."""
    if unit in NAMED:
        return number_text(micros)
    return amount_text(micros, unit, fine=fine)


def lasts(seconds: int | None) -> Sentence | None:
    """For how long a machine can be on; None when nothing limits it."""
    if seconds is None:
        return None
    if seconds < 60:
        return say(_("not enough credit"))
    length = about(seconds)
    # A sentence inside a sentence would be in one language only.
    hours, minutes = seconds // 3600, dict(length.values).get("minutes", 0)
    if hours:
        return say(_("about {hours} h {minutes} min on this machine"), hours=hours, minutes=minutes)
    return say(_("about {minutes} min on this machine"), minutes=minutes)


def cost(wallet: Wallet, claim: str) -> Sentence | None:
    """What the last session of a claim came to; None when there was none, or it goes on."""
    one = wallet.sessions.get(claim)
    if one is None or not one.over:
        return None
    amount = _amount(one.charged, wallet.unit, fine=True)
    values = dict(span(one.seconds).values)
    if one.seconds >= 3600:
        message = _("The last session took {hours} h {minutes} min and cost {amount}.")
    elif one.seconds >= 60:
        message = _("The last session took {minutes} min and cost {amount}.")
    else:
        message = _("The last session took {seconds} s and cost {amount}.")
    return say(message, amount=amount, **values)
