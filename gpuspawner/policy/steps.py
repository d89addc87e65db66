"""What a plan is made from, and what it is made of."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from gpuspawner.language import Sentence
from gpuspawner.model import (
    Claim,
    Fragment,
    Home,
    Intent,
    Machine,
    Offering,
    Placement,
    Power,
    Reason,
)
from gpuspawner.policy.absence import Absence
from gpuspawner.policy.placement import Refusal
from gpuspawner.policy.table import Action

BILLED = frozenset({Power.PENDING, Power.RUNNING, Power.HALTED})
"""The powers that only a stop of ours can end."""


Run: TypeAlias = "tuple[str, datetime | None]"
"""A machine's last time on: its id, and when the cloud says that it was started."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How patient the plan is. All lengths of time; `orphan_share` is a fraction of what runs."""

    orphan_grace: timedelta = timedelta(seconds=180)
    save: timedelta = timedelta(seconds=60)
    absent_for: timedelta = timedelta(seconds=120)
    absent_listings: int = 3
    heartbeat_fresh: timedelta = timedelta(seconds=60)
    heard: timedelta = timedelta(seconds=30)
    late: timedelta = timedelta(seconds=60)
    orphan_stops: int = 3
    orphan_share: float = 0.20


@dataclass(frozen=True, slots=True)
class Known:
    """What the controller knows beside the listing."""

    claims: tuple[Claim, ...] = ()
    intents: Mapping[str, Intent] = field(default_factory=dict)
    """The open intent of each claim that has one."""
    grants: Mapping[str, str] = field(default_factory=dict)
    """Homes that an admin gave to a claim: home id to claim."""
    offerings: tuple[Offering, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict)
    """The id of each image that a specification names, as far as it is known."""
    absences: Mapping[str, Absence] = field(default_factory=dict)
    """What earlier complete listings did not show, by claim: `Plan.absences` of the last plan."""
    since: datetime | None = None
    """When this controller began to look; None when nothing came before."""
    accounted: Collection[Run] | None = None
    """The runs that are over and wholly in the books; None where nobody keeps any."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do, why, and with what."""

    action: Action
    claim: str
    reason: Reason | None = None
    because: Sentence | None = None
    machine: Machine | None = None
    placement: Placement | None = None
    home: Home | None = None
    intent: Intent | None = None
    fragment: Fragment | None = None
    generation: int | None = None
    machine_id: str | None = None
    """For `RELEASE`: the machine that the claim names and that is gone."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps to take now, what an admin should hear of, and when the answer may change by itself."""

    steps: tuple[Step, ...]
    alarms: tuple[Sentence, ...]
    absences: Mapping[str, Absence]
    look_again_at: datetime | None
