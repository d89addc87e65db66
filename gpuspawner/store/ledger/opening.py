"""Begins meters, many in a few statements: a look at what is there, one at the prices, an insert."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from gpuspawner.policy.money import Book, Component
from gpuspawner.store.bulk import insert_absent_rows
from gpuspawner.store.columns import plain
from gpuspawner.store.ledger import usage
from gpuspawner.store.ledger.meters import begins, lock_meters
from gpuspawner.store.ledger.prices import PriceList, price_list
from gpuspawner.store.ledger.records import Meter, Sku
from gpuspawner.store.ledger.rows import portions

_What = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Opening:
    """Something that the cloud has begun to bill, and who pays for it.

    `start` is the caller's name for this start of it (the cloud's launch time, say). `quantity` is
    how many of what has the price: GiB of a disk. `person` is whose it is, `payer` the number of
    the account that pays, `hold` the ref of the hold that is used up first, `reason` why it is
    opened.
    """

    resource: str
    component: Component
    start: str
    payer: int
    sku: Sku
    opened_at: int
    reason: str
    person: str | None = None
    claim: str | None = None
    quantity: int = 1
    hold: str | None = None

    @property
    def what(self) -> _What:
        """Of which only one meter is open at a time."""
        return self.resource, self.component.value


def begin_meters(c: Connection, course: int, openings: Sequence[Opening]) -> list[Meter]:
    """Begin to charge, at the prices that are valid at `opened_at`; the meters, in the same order.

    The same start is opened once, whatever happens: repeating it returns its last meter, open or
    closed. A resource with an open meter keeps that. A meter never begins before the last one of
    the same resource and component has ended: `opened_at` moves to there.

    Raises:
        PriceUnknown: in one of the books. Nothing may be started that cannot be charged.
        ValueError: a `quantity` is not positive.
        Of these, nothing was written.
    """
    # The lock makes an opening wait for a closing; two openings at once meet in the index.
    known = _known(c, openings)
    new = [one for one in openings if _last(known, one) is None]
    if new:
        insert_absent_rows(c, usage.meters, _values(c, course, new))
        known |= _known(c, new)
    numbers = [_last(known, one) or 0 for one in openings]
    found = {meter.id: meter for meter in lock_meters(c, numbers)}
    return [found[number] for number in numbers]


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
    """As `begin_meters`, of one."""
    opening = Opening(
        resource, component, start, payer, sku, opened_at, reason, person, claim, quantity, hold
    )
    return begin_meters(c, course, [opening])[0]


def _known(c: Connection, openings: Sequence[Opening]) -> dict[_What, list[Any]]:
    """The meters that may be those of the openings, locked: the open ones, and those of that start."""
    table = usage.meters
    found: dict[_What, list[Any]] = defaultdict(list)
    for some in portions(openings):
        query = (
            select(table.c.id, table.c.resource, table.c.component, table.c.start, table.c.closed_at)
            .where(
                table.c.resource.in_({one.resource for one in some}),
                table.c.closed_at.is_(None)
                | table.c.start.in_({plain(one.start) for one in some}),
            )
            .order_by(table.c.id)
            .with_for_update()
        )  # fmt: skip
        for row in c.execute(query):
            found[row.resource, row.component].append(row)
    return found


def _last(known: Mapping[_What, Sequence[Any]], opening: Opening) -> int | None:
    rows = known.get(opening.what, ())
    open_ = [row.id for row in rows if row.closed_at is None]
    same = open_ or [row.id for row in rows if row.start == plain(opening.start)]
    return same[-1] if same else None


def _ended(c: Connection, openings: Sequence[Opening]) -> dict[_What, int]:
    """When the last meter ended of what is opened again."""
    table = usage.meters
    found: dict[_What, int] = {}
    for some in portions(openings):
        query = (
            select(table.c.resource, table.c.component, func.max(table.c.closed_at).label("at"))
            .where(
                table.c.resource.in_({one.resource for one in some}),
                table.c.closed_at.is_not(None),
            )
            .group_by(table.c.resource, table.c.component)
        )
        found |= {(row.resource, row.component): row.at for row in c.execute(query)}
    return found


def _values(c: Connection, course: int, new: Sequence[Opening]) -> list[dict[str, Any]]:
    ended, prices = _ended(c, new), price_list(c, course, {one.sku for one in new})
    return [_row(course, one, ended.get(one.what, one.opened_at), prices) for one in new]


def _row(course: int, one: Opening, ended: int, prices: PriceList) -> dict[str, Any]:
    if one.quantity <= 0:
        raise ValueError(f"a quantity of {one.quantity} is nothing to meter")
    at = max(one.opened_at, ended)
    charged, cost = (
        prices.at(book, one.sku, one.component, at) for book in (Book.CHARGE, Book.COST)
    )
    return {
        "course": course, "resource": one.resource, "component": one.component.value,
        "start": plain(one.start), "claim": one.claim, "person": one.person, "payer": one.payer,
        "hold": one.hold, "quantity": one.quantity, "opened_by": plain(one.reason),
        "charge_from": at, "cost_from": at, **begins(at, charged, cost),
    }  # fmt: skip
