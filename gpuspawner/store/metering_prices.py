"""The prices of what is metered: whether there are any, and what to do until there are."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from gpuspawner.policy.billed import Use
from gpuspawner.policy.money import Book
from gpuspawner.store import ledger
from gpuspawner.store.ledger import usage
from gpuspawner.store.ledger.records import Sku
from gpuspawner.store.ledger.rows import price_of


def priced(c: Connection, provider: str, uses: Iterable[Use], now: int) -> frozenset[Use]:
    """Those of the uses that have a price in both books by now."""
    wanted = frozenset(uses)
    if not wanted:
        return wanted
    known = {
        (price.book, price.sku, price.component)
        for price in ledger.current_prices(c, ledger.course(c).id, now)
    }
    return frozenset(
        use
        for use in wanted
        if all((book, sku_of(provider, use), use.component) in known for book in Book)
    )


def sku_of(provider: str, use: Use) -> Sku:
    """What a use is called in the price books."""
    return Sku(provider, use.region, use.sku)


def backdate(c: Connection, course: int, sku: Sku, use: Use, *, now: int) -> None:
    """Let the first price that was known of it be valid from the beginning of the use, in each book.

    Nothing of the past changes by that: there was no price then, so nothing was charged.
    """
    table = usage.prices
    for book in Book:
        row = c.execute(
            select(table)
            .where(
                table.c.course == course, table.c.book == book.value,
                table.c.provider == sku.provider, table.c.region == sku.region,
                table.c.sku == sku.sku, table.c.component == use.component.value,
            )
            .order_by(table.c.valid_from, table.c.id)
            .limit(1)
        ).one()  # fmt: skip
        first = price_of(row)
        if first.valid_from > use.since:
            ledger.add_price(
                c, course, book, sku, use.component, first.rate, valid_from=use.since,
                source=f"{first.source}, the first that was known", fetched_at=first.fetched_at,
                now=now,
            )  # fmt: skip
