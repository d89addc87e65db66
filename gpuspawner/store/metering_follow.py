"""What all open meters have in common: that they follow the prices, and which of them there are."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, select

from gpuspawner.policy.billed import Key
from gpuspawner.policy.money import Component
from gpuspawner.store import ledger
from gpuspawner.store.ledger import usage
from gpuspawner.store.ledger.prices import effect_of, newer_prices


def follow_prices(
    c: Connection, *, now: int, followed_to: int = 0, max_overdraft: int = 0, at_most: int
) -> bool:
    """Let meters go on at the prices that have changed since `followed_to`.

    Whether there may be more than the `at_most` that were done.
    """
    course = ledger.course(c).id
    # A price may have been written in that very second, after it.
    prices = newer_prices(c, course, followed_to - 2)
    if not any(followed_to <= effect_of(price) <= now for price in prices):
        return False
    done = ledger.follow_prices(
        c, course=course, now=now, max_overdraft=max_overdraft, at_most=at_most
    )
    return len(done) >= at_most


def meters_of(c: Connection, keys: Collection[Key]) -> list[int]:
    """The open meters of these things, by number."""
    table = usage.meters
    query = (
        select(table.c.id, table.c.resource, table.c.component)
        .where(table.c.closed_at.is_(None), table.c.course == ledger.course(c).id)
        .order_by(table.c.id)
    )
    wanted = set(keys)
    return [
        row.id for row in c.execute(query) if (row.resource, Component(row.component)) in wanted
    ]
