"""What metering has to know of the ledger. `metering_writes` is what it does there."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sqlalchemy import Connection, func, select

from gpuspawner.policy.billed import Key, began_of
from gpuspawner.policy.metering_changes import OFF, STARTED_AGAIN, STOPPED, Books, Running
from gpuspawner.policy.money import Component
from gpuspawner.policy.payers import Payer
from gpuspawner.store import ledger
from gpuspawner.store.ledger import schema, usage
from gpuspawner.store.ledger.rows import portions
from gpuspawner.store.ledger.sightings import Source

UP = "up"
"""What is noted of a start, under the name of its hold, once its session was up."""


def read(c: Connection, noted: Collection[str], people: Collection[str]) -> Books:
    """The open meters of the course and what goes with them.

    `noted` are starts of which it is known already that they were up, `people` the hub's ids of
    those who are to be looked up. It does not read prices: it is asked for at every listing.
    """
    course = ledger.course(c).id
    table, accounts = usage.meters, schema.accounts
    query = (
        select(
            table.c.resource, table.c.component, table.c.start, table.c.opened_at,
            table.c.metered_to, table.c.quantity, table.c.hold, accounts.c.kind,
        )
        .join(accounts, accounts.c.id == table.c.payer)
        .where(table.c.closed_at.is_(None), table.c.course == course)
        .order_by(table.c.id)
    )  # fmt: skip
    meters = tuple(
        Running(
            row.resource, Component(row.component), row.start, row.opened_at, row.metered_to,
            row.quantity, Payer(row.kind), row.hold,
        )
        for row in c.execute(query)
    )  # fmt: skip
    since = select(func.min(usage.prices.c.recorded_at)).where(usage.prices.c.course == course)
    return Books(
        meters,
        up={*noted, *_up(c, {meter.ref for meter in meters if meter.ref} - {*noted})},
        holds=_holds(c),
        since=c.execute(since).scalar_one(),
        people=frozenset(_known(c, people)),
    )


def ended(c: Connection, starts: Collection[tuple[Key, int]]) -> frozenset[tuple[Key, int]]:
    """Those of the starts, by when they began, whose end is in the books.

    What has vanished is not among them: a cloud that shows it again may say more of its end.
    """
    table, found = usage.meters, set[tuple[Key, int]]()
    columns = table.c.resource, table.c.component, table.c.start, table.c.opened_at
    for some in portions({resource for (resource, _component), _began in starts}):
        query = select(*columns).where(
            table.c.resource.in_(some), table.c.close_reason.in_((STOPPED, OFF, STARTED_AGAIN))
        )
        for row in c.execute(query):
            key = row.resource, Component(row.component)
            found.add((key, began_of(row.start, row.opened_at)))
    return frozenset(found & {*starts})


def _up(c: Connection, refs: Collection[str]) -> Iterator[str]:
    table = usage.sightings
    for some in portions(refs):
        yield from c.execute(
            select(table.c.resource).where(
                table.c.resource.in_(some),
                table.c.source == Source.HUB.value,
                table.c.state == UP,
            )
        ).scalars()


def _holds(c: Connection) -> dict[str, bool]:
    table = usage.holds
    query = select(table.c.ref, table.c.expires_at).where(table.c.released_at.is_(None))
    return {row.ref: row.expires_at is not None for row in c.execute(query)}


def _known(c: Connection, people: Collection[str]) -> Iterator[str]:
    table = schema.people
    for some in portions(people):
        yield from c.execute(
            select(table.c.hub_user_id).where(table.c.hub_user_id.in_(some))
        ).scalars()
