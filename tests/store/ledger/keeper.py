"""A machine's life as it was, what a cloud lists of it at any moment, and the books that follow it.

What a life costs is worked out here from the life itself, with arithmetic of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from gpuspawner.model import (
    Claim,
    Desired,
    Disk,
    DiskKind,
    Machine,
    Owner,
    Placement,
    Power,
    Specification,
    World,
)
from gpuspawner.policy.metering import changes
from gpuspawner.policy.metering_changes import Metering, Open, Witness
from gpuspawner.policy.money import Book, Component, Rate, moment_of, seconds_of
from gpuspawner.policy.payers import MeteringPolicy
from gpuspawner.policy.steps import Known
from gpuspawner.store import ledger, metering, metering_follow, metering_writes
from gpuspawner.store.ledger import AccountKind, Sku
from tests.store.ledger.bank import ADMIN, HOUR, NINE, TEACHER, UNIT

CLAIM = "gs-0badcafe-alice"
SIZES = {"small": 526_000, "large": 1_212_007}
"""Micros an hour in the charge book; the cost book has `EXTRA` more."""
EXTRA = 3
MINIMUM = 60
GIB = 60
DISK = (80_000, 30 * 24 * HOUR)
UP_AFTER = 30
"""A session is up so many seconds after its start."""


@dataclass(frozen=True)
class Start:
    """The machine ran from `since` to `until`; `dated`: the cloud tells until when, once it is off."""

    since: int
    until: int
    size: str = "small"
    dated: bool = True

    @property
    def up_at(self) -> int:
        return self.since + UP_AFTER

    def amount(self, extra: int = 0) -> int:
        """What the start costs, its minimum included."""
        return (SIZES[self.size] + extra) * max(self.until - self.since, MINIMUM) // HOUR


@dataclass
class Life:
    """One machine with its disk, from its first start on; it is never deleted."""

    starts: tuple[Start, ...]
    resource: str = "i-1"

    @property
    def born(self) -> int:
        return self.starts[0].since

    def number_at(self, at: int) -> int:
        """Which start was the last at that time, from 1 on."""
        return sum(one.since <= at for one in self.starts)

    def world(self, at: int, *, missing: bool = False) -> World:
        """What a complete listing shows at that time; `missing`: a page of it was left out."""
        number = self.number_at(at)
        listed_at = moment_of(at)
        if not number or missing:
            return World(listed_at)
        start = self.starts[number - 1]
        runs = at < start.until
        machine = Machine(
            id=self.resource,
            power=Power.RUNNING if runs else Power.STOPPED,
            placement=Placement("r", "r-a", start.size),
            image="image-1",
            created_at=moment_of(self.born),
            claim=CLAIM,
            owner_id="7",
            powered_at=moment_of(start.since),
            stopped_at=None if runs or not start.dated else moment_of(start.until),
        )
        disk = Disk(
            f"{self.resource}-os", DiskKind.OS, "ssd", "r", GIB, moment_of(self.born), CLAIM, "7",
            self.resource,
        )  # fmt: skip
        return World(listed_at, machines=(machine,), disks=(disk,))

    def known(self, at: int) -> Known:
        """The claim at that time: a generation for each start, that ends with it."""
        number = self.number_at(at)
        if not number:
            return Known()
        start = self.starts[number - 1]
        wanted = at < start.until
        was_up = start.up_at < start.until and at >= start.up_at
        return Known(
            claims=(
                Claim(
                    name=CLAIM,
                    owner=Owner("7", "alice", ""),
                    specification=Specification("p", "P", ("small",)),
                    desired=Desired.RUNNING if wanted else Desired.STOPPED,
                    generation=number,
                    desired_at=moment_of(start.since - 5 if wanted else start.until),
                    machine_id=self.resource,
                    up_at=moment_of(start.up_at) if was_up else None,
                ),
            )
        )


@dataclass
class Keeper:
    """The default course with prices and a rich student, in an open transaction."""

    c: Connection
    policy: MeteringPolicy = field(default_factory=MeteringPolicy)
    witness: Witness = field(default_factory=Witness)

    def __post_init__(self) -> None:
        c = self.c
        self.course = ledger.course(c).id
        self.pool = ledger.course_account(c, self.course, AccountKind.POOL).id
        ledger.fund(c, self.course, 10_000 * UNIT, idem="keeper-fund", actor=ADMIN, now=NINE)
        alice = ledger.person_for(c, "7", "alice", now=NINE)
        self.alice = ledger.student_account(c, self.course, alice.id).id
        ledger.grant(c, self.alice, 1000 * UNIT, idem="keeper-grant", actor=TEACHER, now=NINE)
        for size, micros in SIZES.items():
            self.price(size, Component.COMPUTE, Rate(micros, HOUR, MINIMUM))
        self.price("ssd", Component.DISK, Rate(*DISK))

    def price(
        self, sku: str, component: Component, rate: Rate, valid_from: int = 0, now: int = NINE
    ) -> None:
        for book, extra in ((Book.CHARGE, 0), (Book.COST, EXTRA)):
            ledger.add_price(
                self.c, self.course, book, Sku("fake", "r", sku), component,
                replace(rate, num=rate.num + extra), valid_from=valid_from, source="a test",
                fetched_at=now, now=now,
            )  # fmt: skip

    def look(self, world: World, known: Known, now: datetime | None = None) -> Metering:
        """One pass of the controller."""
        at = now or world.listed_at
        books = metering.read(self.c, (), ())
        made = changes(world, known, books, self.witness, at, self.policy)
        now = max(seconds_of(at), NINE)
        self.outcome = metering_writes.apply(self.c, made.changes, "fake", now=now)
        followed = self.outcome.followed_to
        while metering_follow.follow_prices(self.c, now=now, followed_to=followed, at_most=2):
            pass
        shown = {*made.seen, *(one.use.key for one in made.changes if isinstance(one, Open))}
        meters = metering_follow.meters_of(self.c, shown)
        ledger.settle_all(self.c, made.until, now=now, meters=meters)
        self.witness = made.witness
        return made

    def follow(self, life: Life, at: int, *, missing: bool = False) -> Metering:
        return self.look(life.world(at, missing=missing), life.known(at))

    def crash(self, life: Life, at: int) -> None:
        """Killed before the commit; and the next controller remembers nothing."""
        undone = self.c.begin_nested()
        self.follow(life, at)
        undone.rollback()
        self.witness = Witness()

    def sums(self, component: Component = Component.COMPUTE) -> dict[str, int]:
        """What students and the pool were charged, and what it cost, by the meters."""
        rows = self.ask(
            "SELECT a.kind, sum(m.charged) AS charged, sum(m.cost) AS cost FROM meters m "
            "JOIN accounts a ON a.id = m.payer WHERE m.component = :component GROUP BY a.kind",
            component=component.value,
        )
        found = {"student": 0, "pool": 0, "cost": 0}
        for row in rows:
            found[row.kind] = int(row.charged)
            found["cost"] += int(row.cost)
        return found

    def segments(self) -> list[tuple[Any, ...]]:
        """Every meter: what, from when to when, why, and the kind of its payer."""
        return [
            tuple(row)
            for row in self.ask(
                "SELECT m.resource, m.component, m.opened_at, m.closed_at, m.close_reason, a.kind "
                "FROM meters m JOIN accounts a ON a.id = m.payer ORDER BY m.id"
            )
        ]

    def overlaps(self) -> list[Any]:
        """Meters of one thing that are open together, or overlap."""
        return self.ask(
            "SELECT a.id, b.id FROM meters a JOIN meters b ON a.resource = b.resource "
            "AND a.component = b.component AND a.id < b.id "
            "WHERE a.closed_at IS NULL OR a.closed_at > b.opened_at"
        )

    def ask(self, question: str, **values: Any) -> list[Any]:
        return list(self.c.execute(text(question), values).all())

    def dump(self) -> str:
        """The books, for the reader of a failure."""
        tables = ("meters", "sightings", "transactions", "postings", "holds")
        return "\n".join(
            f"{table}:\n"
            + "\n".join(f"  {tuple(row)}" for row in self.ask(f"SELECT * FROM {table}"))
            for table in tables
        )


def later(moment: datetime, seconds: float) -> datetime:
    return moment + timedelta(seconds=seconds)
