"""Which prices to write into the books, from what is offered. Pure and total.

A price that somebody offers is not believed blindly: a price service that says 0, another currency,
or ten times what it said yesterday is refused, and the last good price stays. What the admin has
written in the configuration file is believed, and comes first.

What a student or the course is charged is what it costs, unless the admin says otherwise. Where the
class counts in another unit than the cloud (`gpu_hour`, say), sizes cost what the admin says, and
disks and addresses nothing unless he says so: they are still in the cost book.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from gpuspawner.language import Sentence, _, say
from gpuspawner.policy.money import MICROS, Book, Component, Rate

JUMP = 10
"""A price that rises or falls by more than so many times at once is taken for a mistake."""


@dataclass(frozen=True, slots=True, order=True)
class Thing:
    """What has a price: something of a cloud in a region, by the cloud's own name for it."""

    provider: str
    region: str
    sku: str
    component: Component


@dataclass(frozen=True, slots=True)
class Quote:
    """A price that somebody offers, and that was true at `as_of` (UTC seconds)."""

    thing: Thing
    rate: Rate
    currency: str
    source: str
    as_of: int
    by_admin: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A price that is in a book now."""

    rate: Rate
    as_of: int
    by_admin: bool = False


@dataclass(frozen=True, slots=True)
class Books:
    """What is in force, and what each book counts in."""

    cost: Mapping[Thing, Entry]
    charge: Mapping[Thing, Entry]
    unit: str = "USD"
    cost_unit: str = "USD"


@dataclass(frozen=True, slots=True)
class Revision:
    """The rows to add, in order, and why others are not."""

    add: tuple[tuple[Book, Quote], ...] = ()
    refused: tuple[tuple[Thing, Sentence], ...] = ()


def revise(books: Books, offered: Iterable[Quote], charges: Iterable[Quote] = ()) -> Revision:
    """What to add to the books.

    Args:
        books: what is in force.
        offered: what things cost, from the catalog, the cloud's price service and the admin.
        charges: what the admin wants to be charged for some of them, 0 for what is given away.
    """
    cost = dict(books.cost)
    add: list[tuple[Book, Quote]] = []
    refused: list[tuple[Thing, Sentence]] = []
    for quote in _best(offered):
        entry = books.cost.get(quote.thing)
        if not _is_news(quote, entry):
            continue
        if why := _objection(quote, entry, books.cost_unit):
            refused.append((quote.thing, why))
            continue
        cost[quote.thing] = Entry(quote.rate, quote.as_of, quote.by_admin)
        if entry is None or entry.rate != quote.rate:
            add.append((Book.COST, quote))
    wanted = {quote.thing: quote for quote in charges}
    for thing, entry in sorted(cost.items()):
        charge = wanted.get(thing) or _follow(thing, entry, books)
        known = books.charge.get(thing)
        if charge is not None and (known is None or known.rate != charge.rate):
            add.append((Book.CHARGE, charge))
    return Revision(tuple(add), tuple(refused))


def without_price(books: Books, things: Collection[Thing]) -> list[Thing]:
    """Those of the things that are not in both books, and so cannot be charged."""
    return sorted(one for one in things if one not in books.cost or one not in books.charge)


def text_of(rate: Rate, unit: str) -> str:
    """A price for people: `0.526 USD/h`, or `0.08 USD/GiB-month`."""
    if rate.monthly:
        amount, per = Fraction(rate.num, rate.den * MICROS), "GiB-month"
    else:
        amount, per = Fraction(rate.num * 3600, rate.den * MICROS), "h"
    return f"{float(amount):.6g} {unit}/{per}"


def _best(offered: Iterable[Quote]) -> list[Quote]:
    """One quote of each thing: the admin's, else the newest, else the one that was named last."""
    best: dict[Thing, Quote] = {}
    for quote in offered:
        other = best.get(quote.thing)
        if other is None or (quote.by_admin, quote.as_of) >= (other.by_admin, other.as_of):
            best[quote.thing] = quote
    return [best[thing] for thing in sorted(best)]


def _is_news(quote: Quote, entry: Entry | None) -> bool:
    """Whether the quote may take the place of what is in force.

    An older list must not undo what a price service has said since. The admin's own price ends when
    it is taken out of the configuration.
    """
    if entry is None or quote.by_admin or entry.by_admin:
        return True
    return quote.as_of > entry.as_of


def _objection(quote: Quote, entry: Entry | None, unit: str) -> Sentence | None:
    named = {"what": quote.thing.sku, "region": quote.thing.region}
    if quote.by_admin:
        return None
    if quote.currency != unit:
        return say(
            _(
                "{source} gives the price of “{what}” in {region} in {currency} and not in {unit}. "
                "It is not used; the last good price stays."
            ),
            **named,
            source=quote.source,
            currency=quote.currency,
            unit=unit,
        )
    if quote.rate.num == 0:
        return say(
            _(
                "{source} says that “{what}” in {region} costs nothing. "
                "It is not used; the last good price stays."
            ),
            **named,
            source=quote.source,
        )
    if entry is not None and not entry.by_admin and _leaps(entry.rate, quote.rate):
        return say(
            _(
                "{source} says that “{what}” in {region} costs {new}, after {old}. Such a leap is not "
                "used; the last good price stays. If it is right, set it in c.Prices.cost."
            ),
            **named,
            source=quote.source,
            new=text_of(quote.rate, unit),
            old=text_of(entry.rate, unit),
        )
    return None


def _leaps(old: Rate, new: Rate) -> bool:
    if not old.num:
        return False
    if old.monthly != new.monthly:
        return True
    ratio = Fraction(new.num, new.den) / Fraction(old.num, old.den)
    return ratio > JUMP or ratio < Fraction(1, JUMP)


def _follow(thing: Thing, cost: Entry, books: Books) -> Quote | None:
    """The charge that nobody has set: what it costs, if both books count in the same."""
    if books.unit == books.cost_unit:
        return Quote(thing, cost.rate, books.unit, "as it costs", cost.as_of)
    if thing.component is Component.COMPUTE:
        return None
    free = replace(cost.rate, num=0)
    return Quote(thing, free, books.unit, "not charged in this unit", cost.as_of)


def problems(revision: Revision) -> Iterator[Sentence]:
    """Why some of what was offered is not used."""
    for _thing, why in revision.refused:
        yield why
