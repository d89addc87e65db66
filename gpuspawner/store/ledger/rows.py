"""From rows to records, and the few things that every part of the ledger does with rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, TypeVar

from sqlalchemy import Row, Select, select

from gpuspawner.policy.money import Book, Component, Rate
from gpuspawner.store.ledger import usage
from gpuspawner.store.ledger.records import (
    Account,
    AccountKind,
    Course,
    Hold,
    Lot,
    Meter,
    Person,
    Price,
    Sku,
)

_T = TypeVar("_T")
_AT_ONCE = 1000
"""So many values in one query: both databases limit how many a statement may have."""

_CHARGE = usage.prices.alias("charge_prices")
_COST = usage.prices.alias("cost_prices")


def portions(values: Collection[_T]) -> Iterator[list[_T]]:
    """The values, in portions that fit into one query."""
    listed = list(values)
    for at in range(0, len(listed), _AT_ONCE):
        yield listed[at : at + _AT_ONCE]


def course_of(row: Row[Any]) -> Course:
    """The course in a row."""
    return Course(row.id, row.slug, row.unit, row.cost_unit, row.timezone)


def person_of(row: Row[Any]) -> Person:
    """The person in a row."""
    return Person(
        row.id, row.hub_user_id, row.name, row.email, row.student_number, row.known_since,
        row.erased_at,
    )  # fmt: skip


def account_of(row: Row[Any]) -> Account:
    """The account in a row."""
    return Account(row.id, row.course, row.owner, AccountKind(row.kind))


def lot_of(row: Row[Any]) -> Lot:
    """The lot in a row."""
    return Lot(row.id, row.account, row.granted, row.remaining, row.granted_at, row.expires_at)


def hold_of(row: Row[Any]) -> Hold:
    """The hold in a row."""
    return Hold(
        row.id, row.account, row.ref, row.placed, row.remaining, row.placed_at, row.expires_at,
        row.released_at,
    )  # fmt: skip


def price_of(row: Row[Any], prefix: str = "") -> Price:
    """The price in a row, whose columns may have a prefix."""
    of = {column.name: getattr(row, prefix + column.name) for column in usage.prices.columns}
    return Price(
        id=of["id"],
        course=of["course"],
        book=Book(of["book"]),
        sku=Sku(of["provider"], of["region"], of["sku"]),
        component=Component(of["component"]),
        rate=Rate(of["num"], of["den"], of["min_seconds"], of["monthly"]),
        valid_from=of["valid_from"],
        source=of["source"],
        fetched_at=of["fetched_at"],
        recorded_at=of["recorded_at"],
    )


def select_meters() -> Select[Any]:
    """Meters with their prices, for `meter_of`."""
    columns = [
        column.label(f"{prefix}_{column.name}")
        for prefix, table in (("p", _CHARGE), ("q", _COST))
        for column in table.columns
    ]
    return (
        select(usage.meters, *columns)
        .join(_CHARGE, _CHARGE.c.id == usage.meters.c.charge_price)
        .join(_COST, _COST.c.id == usage.meters.c.cost_price)
    )


def meters_of(rows: Iterable[Row[Any]]) -> list[Meter]:
    """The meters in rows of `select_meters`. A thousand of them have a few prices between them."""
    known: dict[int, Price] = {}
    return [meter_of(row, known) for row in rows]


def meter_of(row: Row[Any], known: dict[int, Price] | None = None) -> Meter:
    """The meter in a row of `select_meters`; `known` are prices of other rows, by number."""
    prices = {} if known is None else known
    for number, prefix in ((row.p_id, "p_"), (row.q_id, "q_")):
        if number not in prices:
            prices[number] = price_of(row, prefix)
    return Meter(
        id=row.id,
        course=row.course,
        resource=row.resource,
        component=Component(row.component),
        start=row.start,
        continues=row.continues,
        claim=row.claim,
        person=row.person,
        payer=row.payer,
        hold=row.hold,
        quantity=row.quantity,
        charge_price=prices[row.p_id],
        cost_price=prices[row.q_id],
        opened_at=row.opened_at,
        opened_by=row.opened_by,
        charge_from=row.charge_from,
        cost_from=row.cost_from,
        closed_at=row.closed_at,
        close_reason=row.close_reason,
        metered_to=row.metered_to,
        charged=row.charged,
        cost=row.cost,
    )
