"""What metering looks at, and what it may change in the books. Plain frozen values."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from gpuspawner.model import Owner
from gpuspawner.policy.absence import Absence
from gpuspawner.policy.billed import Key, Use, began_of
from gpuspawner.policy.money import Component
from gpuspawner.policy.payers import Payer
from gpuspawner.policy.steps import Run

STOPPED = "stopped"
"""Why a meter was closed whose end the cloud has dated. That start cannot be seen again."""

OFF, STARTED_AGAIN, VANISHED = "seen off", "started again", "vanished"
"""Why a meter was closed whose end nobody has dated."""


@dataclass(frozen=True, slots=True)
class Running:
    """An open meter, as far as its fate depends on it. Times are UTC seconds.

    `ref` is the hold of the start that pays first, and so says which start it is.
    """

    resource: str
    component: Component
    start: str
    since: int
    metered_to: int
    quantity: int
    payer: Payer
    ref: str | None = None

    @property
    def key(self) -> Key:
        """By what it is found in a listing."""
        return self.resource, self.component

    @property
    def began(self) -> int:
        """When the start began that it is of, or is a continuation of."""
        return began_of(self.start, self.since)


@dataclass(frozen=True, slots=True)
class Books:
    """What the ledger knows. `up` are the starts known to have been up, by `hold_ref`.

    `holds` are the open holds of starts, and whether each ends by itself. `people` are the hub's
    ids of the users that the ledger has met. `since` is when it came to know of prices, None if it
    knows of none: what was over before was never its business.
    """

    meters: tuple[Running, ...] = ()
    up: Collection[str] = frozenset()
    holds: Mapping[str, bool] = field(default_factory=dict)
    since: int | None = None
    people: Collection[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Witness:
    """What earlier listings have shown. In memory only: without it the pool pays a little more."""

    seen: Mapping[tuple[Key, str], int] = field(default_factory=dict)
    """Until when each start was seen."""
    absences: Mapping[Key, Absence] = field(default_factory=dict)
    over: Collection[tuple[Key, int]] = frozenset()
    """The starts that are over, by when they began, and in the books if they belong there."""


@dataclass(frozen=True, slots=True)
class Note:
    """The session of this start was up at that time."""

    ref: str
    at: int


@dataclass(frozen=True, slots=True)
class Absolve:
    """This start never came up: the pool pays for it, from its beginning."""

    meter: Running
    ref: str


@dataclass(frozen=True, slots=True)
class Switch:
    """From `at` on the quantity is another, or somebody else pays (`student`, None: the pool)."""

    meter: Running
    at: int
    student: Owner | None
    ref: str | None
    quantity: int
    reason: str


@dataclass(frozen=True, slots=True)
class Close:
    """It has ended at `at`. What a student pays ends at `seen_until`, if that is earlier."""

    meter: Running
    at: int
    seen_until: int
    reason: str


@dataclass(frozen=True, slots=True)
class Open:
    """It has begun, and is paid by `student`, None for the pool."""

    use: Use
    student: Owner | None
    ref: str | None


@dataclass(frozen=True, slots=True)
class Missed:
    """A start that began and ended at `at` while nobody looked, if it is not in the books."""

    use: Use
    at: int
    reason: str


@dataclass(frozen=True, slots=True)
class Release:
    """The start that credit was set aside for is over."""

    ref: str


Change: TypeAlias = "Note | Absolve | Switch | Close | Missed | Open | Release"


@dataclass(frozen=True, slots=True)
class Metering:
    """The changes, in the order in which to make them, and which meters are read up to `until`.

    `accounted` are the runs that are over, and with these changes wholly in the books.
    """

    changes: tuple[Change, ...]
    seen: tuple[Key, ...]
    until: int
    witness: Witness
    accounted: Collection[Run]
