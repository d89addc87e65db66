"""What the rules about credit are handed: how much ahead to look, whom to warn, where to stop."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Fuses:
    """The most that may be charged in a day, in micros; None is no limit.

    `hub` is in the unit of the cost book, the others in that of the charge book. `stop`: reaching
    one stops what runs, else it only refuses further starts.
    """

    student: int | None = None
    course: int | None = None
    hub: int | None = None
    stop: bool = True


@dataclass(frozen=True, slots=True)
class CreditRules:
    """`session`, `tick` and `latency` are whole seconds, as in `policy.money.hold_for`.

    `warnings` are how long before the end of the credit somebody is warned, the longest first.
    `grace` is how long the pool pays when a student's credit ends, once a day.
    """

    session: int = 1800
    tick: int = 60
    latency: int = 180
    warnings: tuple[timedelta, ...] = (
        timedelta(minutes=15),
        timedelta(minutes=5),
        timedelta(minutes=1),
    )
    grace: timedelta = timedelta(minutes=10)
    fuses: Fuses = field(default_factory=Fuses)
