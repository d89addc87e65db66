"""The ledger's price rows as `policy.prices` sees them, and the rows that it adds.

When a price service was last read in full is noted beside them, among what was seen: rows that
say the same again are not written, so a row's own date is when its price was first known.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, select

from gpuspawner.policy.money import Book, Component
from gpuspawner.policy.prices import Books, Entry, Quote, Revision, Thing, revise
from gpuspawner.store import ledger
from gpuspawner.store.ledger import usage
from gpuspawner.store.ledger.records import Price, Sku
from gpuspawner.store.ledger.sightings import Sighting, Source, saw

BY_ADMIN = "c.Prices."
"""How the source of a price begins that stands in the configuration file."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One price in force, for a list: `as_of` and `valid_from` in UTC seconds."""

    book: Book
    thing: Thing
    entry: Entry
    unit: str
    source: str
    valid_from: int


def configure(c: Connection, unit: str, cost_unit: str) -> None:
    """Let the books count in these.

    Raises:
        ConfigurationError: they count in something else, and something is written in it.
    """
    known = ledger.course(c)
    ledger.configure_course(
        c, known.slug, unit=unit, cost_unit=cost_unit, timezone=known.timezone
    )  # fmt: skip


def read(c: Connection, now: int) -> Books:
    """What is in force now."""
    course = ledger.course(c)
    books: dict[Book, dict[Thing, Entry]] = {book: {} for book in Book}
    for price in ledger.current_prices(c, course.id, now):
        books[price.book][_thing(price)] = _entry(price)
    return Books(books[Book.COST], books[Book.CHARGE], course.unit, course.cost_unit)


def listing(c: Connection, now: int) -> list[Listed]:
    """What is in force now, with where it is from."""
    course = ledger.course(c)
    units = {Book.COST: course.cost_unit, Book.CHARGE: course.unit}
    return [
        Listed(
            price.book, _thing(price), _entry(price), units[price.book], price.source,
            price.valid_from,
        )
        for price in ledger.current_prices(c, course.id, now)
    ]  # fmt: skip


def update(
    c: Connection, offered: Iterable[Quote], charges: Iterable[Quote], now: int
) -> tuple[Books, Revision]:
    """Bring the books up to date with what is offered, from now on. What is in force then."""
    made = revise(read(c, now), offered, charges)
    course = ledger.course(c).id
    for book, quote in made.add:
        thing = quote.thing
        ledger.add_price(
            c, course, book, Sku(thing.provider, thing.region, thing.sku), thing.component,
            quote.rate, valid_from=now, source=quote.source, fetched_at=quote.as_of, now=now,
        )  # fmt: skip
    return read(c, now), made


def note_read(c: Connection, provider: str, region: str, now: int) -> None:
    """The cloud's price service was read in full."""
    # Only another state is news, so the time is part of it.
    saw(c, Sighting(_service(provider, region), now, Source.CLOUD, f"read at {now}", {}))


def last_read(c: Connection, provider: str, region: str) -> int | None:
    """When that was last so, in UTC seconds; None: never."""
    table = usage.sightings
    query = (
        select(table.c.at)
        .where(table.c.resource == _service(provider, region))
        .order_by(table.c.at.desc())
        .limit(1)
    )
    found: int | None = c.execute(query).scalar_one_or_none()
    return found


def _service(provider: str, region: str) -> str:
    return f"prices:{provider}:{region}"


def _thing(price: Price) -> Thing:
    return Thing(price.sku.provider, price.sku.region, price.sku.sku, Component(price.component))


def _entry(price: Price) -> Entry:
    return Entry(price.rate, price.fetched_at, price.source.startswith(BY_ADMIN))
