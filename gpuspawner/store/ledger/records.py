"""What the ledger hands out: plain frozen values, amounts in micros, times in UTC seconds."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from gpuspawner.policy.money import Book, Component, Rate, charge, covered_until


class AccountKind(str, enum.Enum):
    """What an account is for. The first six keep the `charge` book, the others the `cost` book.

    `EXTERNAL` is where money comes from (and so below zero), `POOL` the course's, `STUDENT` a
    person's, `SPENT` and `EXPIRED` where it goes, `WRITEOFF` what nobody pays (below zero).
    `CLOUD` is what the cloud is owed (below zero), `BORNE` who bore it.
    """

    EXTERNAL = "external"
    POOL = "pool"
    STUDENT = "student"
    SPENT = "spent"
    EXPIRED = "expired"
    WRITEOFF = "writeoff"
    CLOUD = "cloud"
    BORNE = "borne"

    @property
    def book(self) -> Book:
        """The book it is kept in, and with it the unit."""
        return Book.COST if self in (AccountKind.CLOUD, AccountKind.BORNE) else Book.CHARGE


class Kind(str, enum.Enum):
    """What a transaction is."""

    FUND = "fund"
    GRANT = "grant"
    EXPIRY = "expiry"
    CHARGE = "charge"
    CORRECTION = "correction"
    """A meter closed at an earlier time than it was read: the difference is given back."""
    TRANSFER = "transfer"
    """Somebody else pays for what a meter has charged so far."""
    REVERSAL = "reversal"


class Role(str, enum.Enum):
    """As what somebody acts. Only an `ADMIN` brings money in or out of the course."""

    ADMIN = "admin"
    TEACHER = "teacher"
    CONTROLLER = "controller"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: a role, and the person's id in the ledger if it is a person."""

    role: Role
    person: str = ""

    def __str__(self) -> str:
        return f"{self.role.value}:{self.person}" if self.person else self.role.value


CONTROLLER = Actor(Role.CONTROLLER)


@dataclass(frozen=True, slots=True)
class Course:
    """A course: `unit` is what its `charge` book counts in, `cost_unit` its `cost` book."""

    id: int
    slug: str
    unit: str
    cost_unit: str
    timezone: str


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, with what may be known of them; all but the id is None once erased."""

    id: str
    hub_user_id: str | None
    name: str | None
    email: str | None
    student_number: str | None
    known_since: int
    erased_at: int | None


@dataclass(frozen=True, slots=True)
class Account:
    """An account; `owner` is a person's id, None for the course's own."""

    id: int
    course: int
    owner: str | None
    kind: AccountKind


@dataclass(frozen=True, slots=True)
class Lot:
    """A grant, and what is left of it. `expires_at` None: never."""

    id: int
    account: int
    granted: int
    remaining: int
    granted_at: int
    expires_at: int | None


@dataclass(frozen=True, slots=True)
class Hold:
    """Credit set aside under a name of the caller's; `remaining` is what use has not consumed."""

    id: int
    account: int
    ref: str
    placed: int
    remaining: int
    placed_at: int
    expires_at: int | None
    released_at: int | None


@dataclass(frozen=True, slots=True)
class Sku:
    """What has a price: the cloud, its region, and its own name for a size or a kind of disk."""

    provider: str
    region: str
    sku: str


@dataclass(frozen=True, slots=True)
class Price:
    """One row of a price book. It never changes; a newer row takes its place from `valid_from` on."""

    id: int
    course: int
    book: Book
    sku: Sku
    component: Component
    rate: Rate
    valid_from: int
    source: str
    fetched_at: int
    recorded_at: int


@dataclass(frozen=True, slots=True)
class Meter:
    """One segment of use: a resource, a payer, a price in each book, and how far it was read.

    `start` is the caller's name for the start that it is of, and the same for continuations.
    `charge_from` and `cost_from` are where it begins to count: later than `opened_at` when the
    minimum of the segment before covers more.
    """

    id: int
    course: int
    resource: str
    component: Component
    start: str
    continues: int | None
    claim: str | None
    person: str | None
    payer: int
    hold: str | None
    quantity: int
    charge_price: Price
    cost_price: Price
    opened_at: int
    opened_by: str
    charge_from: int
    cost_from: int
    closed_at: int | None
    close_reason: str | None
    metered_to: int
    charged: int
    cost: int

    def rate(self, book: Book) -> Rate:
        """The rate of this segment: for its quantity, and without a minimum if it continues."""
        price = self.charge_price if book is Book.CHARGE else self.cost_price
        rate = price.rate.times(self.quantity)
        return rate if self.continues is None else rate.continued()

    def amount(self, book: Book, until: int) -> int:
        """What the segment comes to at `until`, settled or not."""
        return charge(self.rate(book), self._from(book), until)

    def covered_until(self, book: Book, until: int) -> int:
        """Where a continuation of the segment closed at `until` begins to count."""
        return covered_until(self.rate(book), self._from(book), until)

    def read(self, until: int, charged: int, cost: int) -> Meter:
        """The meter after it was read."""
        return replace(self, metered_to=max(until, self.metered_to), charged=charged, cost=cost)

    def _from(self, book: Book) -> int:
        return self.charge_from if book is Book.CHARGE else self.cost_from


@dataclass(frozen=True, slots=True)
class Settled:
    """What reading a meter came to. `charged` and `cost` are the difference to the last time.

    `written_off` is the part of `charged` that nobody pays, because the payer's balance would have
    fallen below what is allowed: anything but 0 is an alarm. `available` is what the payer has
    afterwards, less what is held.
    """

    meter: Meter
    charged: int
    cost: int
    written_off: int
    balance: int
    available: int
