"""Meters: found again, continued. `opening` begins them, `settling` reads and closes them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select

from gpuspawner.policy.money import Book, Component
from gpuspawner.store.bulk import insert_rows
from gpuspawner.store.columns import plain
from gpuspawner.store.ledger import rows, usage
from gpuspawner.store.ledger.records import Meter, Price


@dataclass(frozen=True, slots=True)
class Continuation:
    """What goes on where `meter`, which has just been closed at `at`, has ended."""

    meter: Meter
    at: int
    payer: int
    hold: str | None
    quantity: int
    charge_price: Price
    cost_price: Price
    reason: str

    @property
    def row(self) -> dict[str, Any]:
        """The columns of the new meter."""
        meter = self.meter
        return {
            "course": meter.course, "resource": meter.resource, "component": meter.component.value,
            "start": meter.start, "continues": meter.id, "claim": meter.claim,
            "person": meter.person, "payer": self.payer, "hold": self.hold,
            "quantity": self.quantity, "opened_by": plain(self.reason),
            "charge_from": meter.covered_until(Book.CHARGE, self.at),
            "cost_from": meter.covered_until(Book.COST, self.at),
            **begins(self.at, self.charge_price, self.cost_price),
        }  # fmt: skip


def continue_meters(c: Connection, some: Sequence[Continuation]) -> list[Meter]:
    """Open the continuations of meters that have just been closed, in the same order."""
    insert_rows(c, usage.meters, [one.row for one in some])
    found = current_meters(c, {one.meter.resource for one in some})
    return [found[one.meter.resource, one.meter.component] for one in some]


def current_meters(c: Connection, resources: Collection[str]) -> dict[tuple[str, Component], Meter]:
    """The open meters of these resources."""
    table, found = usage.meters, dict[tuple[str, Component], Meter]()
    for some in rows.portions(resources):
        query = rows.select_meters().where(table.c.resource.in_(some), table.c.closed_at.is_(None))
        found |= {(one.resource, one.component): one for one in rows.meters_of(c.execute(query))}
    return found


def get_meter(c: Connection, meter: int) -> Meter:
    """The meter of that number.

    Raises:
        LookupError: there is none.
    """
    row = c.execute(rows.select_meters().where(usage.meters.c.id == meter)).one_or_none()
    if row is None:
        raise LookupError(f"there is no meter {meter}")
    return rows.meter_of(row)


def meter_of(c: Connection, resource: str, component: Component) -> Meter | None:
    """The open meter of a resource and component, or else the one that was closed last."""
    table = usage.meters
    row = c.execute(
        rows.select_meters()
        .where(table.c.resource == resource, table.c.component == component.value)
        .order_by(table.c.closed_at.is_(None).desc(), table.c.id.desc())
        .limit(1)
    ).one_or_none()
    return rows.meter_of(row) if row else None


def open_meters(
    c: Connection, *, course: int | None = None, person: str | None = None
) -> list[Meter]:
    """All open meters, of one course or person or of all, the oldest first."""
    return rows.meters_of(c.execute(_open(course, person)))


def lock_meters(
    c: Connection, meters: Collection[int] | None, course: int | None = None
) -> list[Meter]:
    """The meters of these numbers (None: all open ones), locked, by number."""
    of = usage.meters
    if meters is None:
        return rows.meters_of(c.execute(_open(course, None).with_for_update(of=of)))
    found: list[Meter] = []
    for some in rows.portions(sorted(set(meters))):
        query = rows.select_meters().where(of.c.id.in_(some)).order_by(of.c.id)
        found += rows.meters_of(c.execute(query.with_for_update(of=of)))
    return found


def _open(course: int | None, person: str | None) -> Select[Any]:
    table = usage.meters
    query = rows.select_meters().where(table.c.closed_at.is_(None)).order_by(table.c.id)
    if course is not None:
        query = query.where(table.c.course == course)
    if person is not None:
        query = query.where(table.c.person == person)
    return query


def begins(at: int, charged: Price, cost: Price) -> dict[str, int]:
    """The columns of a meter that begins at `at`."""
    return {
        "opened_at": at, "metered_to": at, "charged": 0, "cost": 0,
        "charge_price": charged.id, "cost_price": cost.id,
    }  # fmt: skip
