"""What was last seen of the cloud. In memory only: if it is lost, it is seen again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from gpuspawner.errors import CapacityError, ProviderError, QuotaExceeded
from gpuspawner.language import Sentence
from gpuspawner.model import Claim, Desired, Finding, Offering, Placement, Reason, World
from gpuspawner.policy.absence import Absence
from gpuspawner.policy.placement import Refusal
from gpuspawner.views import CreditView, SessionView

_View = TypeVar("_View")


@dataclass
class Seen:
    """The last complete listing, what was absent from it, what the cloud refused, what went wrong."""

    capacity_memory: timedelta
    quota_memory: timedelta
    world: World | None = None
    absences: Mapping[str, Absence] = field(default_factory=dict)
    refusals: tuple[Refusal, ...] = ()
    offered: tuple[Offering, ...] = ()
    findings: tuple[Finding, ...] = ()
    """What was not well with the account when it was last looked at."""
    images: dict[str, str] = field(default_factory=dict)
    unpriced: tuple[Sentence, ...] = ()
    """What runs and is not charged yet, because its price is not known; for the admin."""
    prices: tuple[Finding, ...] = ()
    """Prices that were offered and not believed, and sizes without one."""
    credit: Mapping[str, tuple[int, CreditView]] = field(default_factory=dict)
    """How the credit of each claim's session stood when it was last looked at, with its generation."""
    sessions: Mapping[str, tuple[int, SessionView]] = field(default_factory=dict)
    """What the rule about idle machines says of each claim's session, with its generation."""
    silent: tuple[Finding, ...] = ()
    """That many machines are not heard of, so that none of them is stopped for it."""
    stops: Counter[Reason] = field(default_factory=Counter)
    """How often that rule has stopped one since this process began."""
    restarts: int = 0
    """How often somebody started again so soon after such a stop that it was a mistake."""
    hub_activity: Mapping[str, datetime] = field(default_factory=dict)
    """When the hub last saw activity of each claim's server."""
    problems: dict[str, str] = field(default_factory=dict)
    """For the admin: what last went wrong, by claim ("" for the cloud as a whole)."""

    def credit_of(self, claim: Claim) -> CreditView | None:
        """How the credit of this session of the claim stands; None when it was not looked at yet."""
        return _current(self.credit, claim)

    def session_of(self, claim: Claim) -> SessionView | None:
        """What the rule about idle machines says of this session; None when it was not looked at yet."""
        return _current(self.sessions, claim)

    def refuse(self, placement: Placement, error: ProviderError, now: datetime) -> bool:
        """Remember a refusal. False when `error` says nothing about the placement."""
        if isinstance(error, CapacityError):
            until, zone = now + self.capacity_memory, placement.zone
        elif isinstance(error, QuotaExceeded):
            until, zone = now + self.quota_memory, None
        else:
            return False
        refusal = Refusal(placement.region, zone, placement.size, error.reason, until)
        self.refusals = (*(one for one in self.refusals if now < one.until), refusal)
        return True

    def offerings(self, now: datetime) -> tuple[Offering, ...]:
        """The offerings, those refused a moment ago marked as not available."""
        return tuple(
            replace(
                one,
                available=one.available
                and not any(refusal.covers(one.placement, now) for refusal in self.refusals),
            )
            for one in self.offered
        )


def _current(views: Mapping[str, tuple[int, _View]], claim: Claim) -> _View | None:
    """The view of this session of the claim, not of one before."""
    generation, view = views.get(claim.name, (None, None))
    current = generation == claim.generation and claim.desired is Desired.RUNNING
    return view if current else None
