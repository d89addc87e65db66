"""What things cost, in two books. A row is never changed: a newer one takes its place from a time on."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Connection, Select, insert, select

from gpuspawner.policy.money import Book, Component, Rate
from gpuspawner.policy.money_errors import PriceUnknown
from gpuspawner.store.columns import plain
from gpuspawner.store.ledger import usage
from gpuspawner.store.ledger.records import Price, Sku
from gpuspawner.store.ledger.rows import portions, price_of


def add_price(
    c: Connection,
    course: int,
    book: Book,
    sku: Sku,
    component: Component,
    rate: Rate,
    *,
    valid_from: int,
    source: str,
    fetched_at: int,
    now: int,
) -> Price:
    """Write a price for one of them (a machine-hour, a GiB-month): `rate` in the course's unit.

    The price that is valid at `valid_from` already, if it is the same, is returned instead: to
    read a catalog again writes nothing. An earlier `valid_from` than now reaches no meter that is
    open; `recorded_at` keeps when the price was known.
    """
    known = _newest(c, course, book, sku, component, valid_from)
    if known is not None and known.rate == rate:
        return known
    row = c.execute(
        insert(usage.prices)
        .values(
            course=course,
            book=book.value,
            provider=sku.provider,
            region=sku.region,
            sku=sku.sku,
            component=component.value,
            num=rate.num,
            den=rate.den,
            monthly=rate.monthly,
            min_seconds=rate.minimum,
            valid_from=valid_from,
            source=plain(source),
            fetched_at=fetched_at,
            recorded_at=now,
        )
        .returning(usage.prices)
    ).one()
    return price_of(row)


def price_at(
    c: Connection, course: int, book: Book, sku: Sku, component: Component, at: int
) -> Price:
    """The price that is valid at `at`: the one with the latest `valid_from`, the last written of those.

    Raises:
        PriceUnknown: there is none.
    """
    found = _newest(c, course, book, sku, component, at)
    if found is None:
        raise _unknown(book, sku, component, at)
    return found


class PriceList:
    """Prices that were read once: which of them is valid when."""

    def __init__(self, prices: Iterable[Price]) -> None:
        self._prices: dict[tuple[Book, Sku, Component], list[Price]] = defaultdict(list)
        for price in sorted(prices, key=lambda one: (one.valid_from, one.id)):
            self._prices[price.book, price.sku, price.component].append(price)

    def at(self, book: Book, sku: Sku, component: Component, at: int) -> Price:
        """As `price_at`.

        Raises:
            PriceUnknown: there is none.
        """
        known = self._prices.get((book, sku, component), [])
        number = bisect_right(known, at, key=lambda price: price.valid_from)
        if not number:
            raise _unknown(book, sku, component, at)
        return known[number - 1]


def price_list(c: Connection, course: int, skus: Collection[Sku]) -> PriceList:
    """All that was ever a price of these."""
    table, found = usage.prices, list[Price]()
    for some in portions(skus):
        query = select(table).where(
            table.c.course == course,
            table.c.provider.in_({sku.provider for sku in some}),
            table.c.region.in_({sku.region for sku in some}),
            table.c.sku.in_({sku.sku for sku in some}),
        )
        found += [price_of(row) for row in c.execute(query)]
    return PriceList(found)


def current_prices(c: Connection, course: int, at: int) -> list[Price]:
    """Every price that is valid at `at`, by book, component and what it is of."""
    table = usage.prices
    what = (
        table.c.book, table.c.component, table.c.provider, table.c.region, table.c.sku,
    )  # fmt: skip
    rows = c.execute(
        select(table)
        .where(table.c.course == course, table.c.valid_from <= at)
        .order_by(*what, table.c.valid_from, table.c.id)
    )
    newest = {tuple(getattr(row, column.name) for column in what): row for row in rows}
    return [price_of(row) for row in newest.values()]


def newer_prices(c: Connection, course: int, recorded_after: int) -> list[Price]:
    """The prices that were written after that, or begin after that, the earliest effect first."""
    table = usage.prices
    rows = c.execute(
        select(table).where(
            table.c.course == course,
            (table.c.recorded_at > recorded_after) | (table.c.valid_from > recorded_after),
        )
    )
    return sorted((price_of(row) for row in rows), key=lambda price: (effect_of(price), price.id))


def effect_of(price: Price) -> int:
    """From when a price reaches what is metered already: never before it was known."""
    return max(price.valid_from, price.recorded_at)


def _unknown(book: Book, sku: Sku, component: Component, at: int) -> PriceUnknown:
    return PriceUnknown(f"no {book.value} price of {component.value} {sku} at {at}")


def _newest(
    c: Connection, course: int, book: Book, sku: Sku, component: Component, at: int
) -> Price | None:
    table = usage.prices
    query: Select[Any] = (
        select(table)
        .where(
            table.c.course == course,
            table.c.provider == sku.provider,
            table.c.region == sku.region,
            table.c.sku == sku.sku,
            table.c.component == component.value,
            table.c.book == book.value,
            table.c.valid_from <= at,
        )
        .order_by(table.c.valid_from.desc(), table.c.id.desc())
        .limit(1)
    )
    row = c.execute(query).one_or_none()
    return price_of(row) if row else None
