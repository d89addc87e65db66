"""Meters: opened when the cloud begins to bill something, found again, continued."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Select, insert, select

from gpuspawner.policy.money import Book, Component
from gpuspawner.store.columns import plain
from gpuspawner.store.ledger import rows, usage
from gpuspawner.store.ledger.prices import price_at
from gpuspawner.store.ledger.records import Meter, Price, Sku
from gpuspawner.store.rows import insert_if_absent


def open_meter(
    c: Connection,
    course: int,
    resource: str,
    component: Component,
    *,
    start: str,
    payer: int,
    sku: Sku,
    opened_at: int,
    reason: str,
    person: str | None = None,
    claim: str | None = None,
    quantity: int = 1,
    hold: str | None = None,
) -> Meter:
    """Begin to charge `payer` for a resource, at the prices that are valid at `opened_at`.

    `start` is the caller's name for this start of it (the cloud's launch time, say): the same start
    is opened once, whatever happens, and repeating it returns its last meter, open or closed. A
    resource with an open meter keeps that. A meter never begins before the last one of the
    same resource and component has ended: `opened_at` moves to there.

    `quantity` is how many of what has the price: GiB of a disk. `person` is whose it is, `payer`
    who pays for it, `hold` the ref of the hold that is used up first.

    Raises:
        PriceUnknown: in one of the books. Nothing may be started that cannot be charged.
        ValueError: `quantity` is not positive.
    """
    table = usage.meters
    mine = (table.c.resource == resource, table.c.component == component.value)
    # The lock makes an opening wait for a closing; two openings at once meet in the index.
    before = c.execute(select(table).where(*mine).order_by(table.c.id).with_for_update()).all()
    known = [row.id for row in before if row.closed_at is None] or [
        row.id for row in before if row.start == plain(start)
    ]
    if known:
        return get_meter(c, known[-1])
    if quantity <= 0:
        raise ValueError(f"a quantity of {quantity} is nothing to meter")
    opened_at = max([opened_at, *(row.closed_at for row in before)])
    charged, cost = (
        price_at(c, course, book, sku, component, opened_at) for book in (Book.CHARGE, Book.COST)
    )
    values = {
        "course": course, "resource": resource, "component": component.value, "start": plain(start),
        "claim": claim, "person": person, "payer": payer, "hold": hold, "quantity": quantity,
        "opened_by": plain(reason), "charge_from": opened_at, "cost_from": opened_at,
    }  # fmt: skip
    insert_if_absent(c, table, **values, **_begins(opened_at, charged, cost))
    found = c.execute(
        select(table.c.id)
        .where(*mine, (table.c.closed_at.is_(None)) | (table.c.start == plain(start)))
        .order_by(table.c.id.desc())
    )
    return get_meter(c, found.scalars().first() or 0)


def continue_meter(
    c: Connection, meter: Meter, at: int, *, payer: int, hold: str | None, quantity: int,
    charge_price: Price, cost_price: Price, reason: str,
) -> Meter:  # fmt: skip
    """Open the continuation of a meter that has just been closed at `at`."""
    made = insert(usage.meters).values(
        course=meter.course, resource=meter.resource, component=meter.component.value,
        start=meter.start, continues=meter.id, claim=meter.claim, person=meter.person, payer=payer,
        hold=hold, quantity=quantity, opened_by=plain(reason),
        charge_from=meter.covered_until(Book.CHARGE, at),
        cost_from=meter.covered_until(Book.COST, at),
        **_begins(at, charge_price, cost_price),
    )  # fmt: skip
    return get_meter(c, int(c.execute(made.returning(usage.meters.c.id)).scalar_one()))


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
    return [rows.meter_of(row) for row in c.execute(_open(course, person))]


def lock_meters(
    c: Connection, meters: Collection[int] | None, course: int | None = None
) -> list[Meter]:
    """The meters of these numbers (None: all open ones), locked, by number."""
    of = usage.meters
    if meters is None:
        return [rows.meter_of(row) for row in c.execute(_open(course, None).with_for_update(of=of))]
    found: list[Meter] = []
    for some in rows.portions(sorted(set(meters))):
        query = rows.select_meters().where(of.c.id.in_(some)).order_by(of.c.id)
        found += [rows.meter_of(row) for row in c.execute(query.with_for_update(of=of))]
    return found


def _open(course: int | None, person: str | None) -> Select[Any]:
    table = usage.meters
    query = rows.select_meters().where(table.c.closed_at.is_(None)).order_by(table.c.id)
    if course is not None:
        query = query.where(table.c.course == course)
    if person is not None:
        query = query.where(table.c.person == person)
    return query


def _begins(at: int, charged: Price, cost: Price) -> dict[str, int]:
    return {
        "opened_at": at, "metered_to": at, "charged": 0, "cost": 0,
        "charge_price": charged.id, "cost_price": cost.id,
    }  # fmt: skip
