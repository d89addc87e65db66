"""Keeps the price books: what the release, the admin and the cloud say, as rows of the ledger.

The rows are the truth: what is offered is shown at the price in the books, and what is not in both
of them is not offered. So a student pays what the form says, whoever said it first.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal

from sqlalchemy import Connection

from gpuspawner.clock import Clock
from gpuspawner.errors import ControllerUnavailable
from gpuspawner.language import Sentence, _, say
from gpuspawner.model import Finding, Offering, Severity
from gpuspawner.policy.money import Component, seconds_of
from gpuspawner.policy.prices import Books, Quote, Revision, Thing
from gpuspawner.providers import catalog
from gpuspawner.providers.base import Provider
from gpuspawner.settings.prices import COST_UNIT, PricesRecord
from gpuspawner.store import price_book
from gpuspawner.store.database import Database
from gpuspawner.store.seen import Seen

_log = logging.getLogger(__name__)


class Pricer:
    """Writes the price rows of one provider, and prices what it offers."""

    def __init__(
        self,
        provider: Provider,
        database: Database,
        seen: Seen,
        clock: Clock,
        record: PricesRecord | None = None,
    ) -> None:
        self._provider, self._database, self._seen = provider, database, seen
        self._clock, self._record = clock, record or PricesRecord()
        self._books: Books | None = None
        self._refused: tuple[Finding, ...] = ()
        self._unpriced: tuple[Finding, ...] = ()

    async def begin(self) -> None:
        """Bring the books up to date before anything is metered, if the database answers."""
        try:
            await self.look()
        except ControllerUnavailable as error:
            _log.warning("the prices wait for the database: %s", error.detail)

    async def look(self) -> None:
        """Bring the books up to date."""
        await self.offer(self._provider.prices())

    async def offer(self, quotes: Iterable[Quote]) -> Revision:
        """Take these prices, and the admin's own, into the books. What came of it."""
        now = seconds_of(self._clock.now())
        shipped = tuple(self._provider.prices())
        offered = (*quotes, *self._own(self._record.cost, COST_UNIT, "cost", shipped, now))
        charges = tuple(self._own(self._record.charge, self._record.unit, "charge", shipped, now))

        def update(c: Connection) -> tuple[Books, Revision]:
            return price_book.update(c, offered, charges, now)

        self._books, made = await self._database.run(update)
        if made.add:
            _log.info("%d new prices are in the books", len(made.add))
        self._refused = tuple(
            self._tell(Finding(thing.sku, Severity.WARNING, why, check="prices"))
            for thing, why in made.refused
        )
        self._show()
        return made

    def priced(self, offerings: tuple[Offering, ...]) -> tuple[Offering, ...]:
        """What can be charged, at the price that is charged for it."""
        books = self._books
        if books is None:
            # The database has not answered yet; what is listed costs what the list says.
            return tuple(one for one in offerings if one.price_micros)
        found, missing = list[Offering](), dict[str, Finding]()
        for one in offerings:
            where = one.placement
            thing = Thing(self._provider.name, where.region, where.size, Component.COMPUTE)
            if thing in books.cost and thing in books.charge:
                price = books.charge[thing].rate.per_hour()
                found.append(replace(one, price_micros=price, currency=books.unit))
            else:
                missing[where.size] = _missing(thing, books)
        self._unpriced = tuple(self._tell(finding) for finding in missing.values())
        self._show()
        return tuple(found)

    def _own(
        self,
        amounts: Mapping[str, float],
        unit: str,
        setting: str,
        shipped: Iterable[Quote],
        now: int,
    ) -> Iterator[Quote]:
        """What the configuration file says; a name means what the cloud's own list calls so."""
        for name, amount in amounts.items():
            known = [quote.thing for quote in shipped if quote.thing.sku == name]
            region = self._provider.region
            for thing in known or catalog.things(self._provider.name, region, name):
                rate = catalog.rate_of(thing, Decimal(repr(amount)))
                source = f"{price_book.BY_ADMIN}{setting}"
                yield Quote(thing, rate, unit, source, now, by_admin=True)

    def _tell(self, finding: Finding) -> Finding:
        """Log what was not said before."""
        if finding not in self._seen.prices:
            _log.warning("%s: %s %s", finding.subject, finding.message, finding.remedy)
        return finding

    def _show(self) -> None:
        self._seen.prices = (*self._refused, *self._unpriced)


def _missing(thing: Thing, books: Books) -> Finding:
    region, size = thing.region, repr(thing.sku)
    message = say(_("Its price in {region} is not known, so it is not offered."), region=region)
    setting = "cost" if thing not in books.cost else "charge"
    return Finding(thing.sku, Severity.ERROR, message, _remedy(setting, size), "prices")


def _remedy(setting: str, size: str) -> Sentence:
    return say(_("Set c.Prices.{setting}[{size}]."), setting=setting, size=size)
