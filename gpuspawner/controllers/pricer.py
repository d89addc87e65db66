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
from gpuspawner.errors import ControllerUnavailable, ProviderError
from gpuspawner.language import Sentence, _, say
from gpuspawner.model import Finding, Offering, Severity
from gpuspawner.policy.money import DAY, Component, seconds_of
from gpuspawner.policy.prices import Books, Quote, Revision, Thing
from gpuspawner.providers import catalog
from gpuspawner.providers.base import Provider
from gpuspawner.settings.prices import COST_UNIT, PricesRecord
from gpuspawner.store import price_book
from gpuspawner.store.database import Database
from gpuspawner.store.seen import Seen

_log = logging.getLogger(__name__)

AFTER_FAILURE_SECONDS = 3600.0
"""A price service that does not answer is asked again that much later."""


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
        self._silent: Finding | None = None

    async def begin(self) -> None:
        """Bring the books up to date before anything is metered, if the database answers."""
        try:
            await self.look()
        except ControllerUnavailable as error:
            _log.warning("the prices wait for the database: %s", error.detail)

    async def run(self) -> None:
        """Ask the cloud's price service for ever, if it may be asked at all."""
        every = self._record.refresh_interval
        if every is None:
            return
        while True:
            good = await self.refresh()
            wait = every.total_seconds()
            await self._clock.sleep(wait if good else min(wait, AFTER_FAILURE_SECONDS))

    async def refresh(self) -> bool:
        """Ask the price service once. Without an answer the last good prices stay.

        Whether it has answered, and the books have taken it.
        """
        try:
            quotes = await self._provider.fetch_prices()
            await self.offer((*self._provider.prices(), *quotes))
            await self._database.run(self._note)
        except (ProviderError, ControllerUnavailable) as error:
            self._failed(f"{error.code}: {error.detail}")
        except Exception as error:  # noqa: BLE001 - whatever it was, the last good prices stay
            _log.exception("reading the price list failed")
            self._failed(type(error).__name__)
        else:
            self._silent = None
            self._show()
            return True
        return False

    def _note(self, c: Connection) -> None:
        now = seconds_of(self._clock.now())
        price_book.note_read(c, self._provider.name, self._provider.region, now)

    def _failed(self, why: str) -> None:
        """Say it when it begins, with how old the oldest of the prices is that go on being charged."""
        books = self._books
        known = (
            [entry.as_of for entry in books.cost.values() if not entry.by_admin] if books else []
        )
        days = (seconds_of(self._clock.now()) - min(known)) // DAY if known else 0
        message = say(
            _(
                "The cloud's price list cannot be read ({why}). The last good prices stay; "
                "the oldest is {days} days old."
            ),
            why=why,
            days=days,
        )
        remedy = say(
            _("Allow it, or set c.Prices.refresh_interval = 0 and keep c.Prices.cost up to date.")
        )
        if self._silent is None:
            _log.warning("%s %s", message, remedy)
        self._silent = Finding("prices", Severity.WARNING, message, remedy, "prices")
        self._show()

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
        self._seen.prices = (
            *self._refused,
            *self._unpriced,
            *([self._silent] if self._silent else []),
        )


def _missing(thing: Thing, books: Books) -> Finding:
    region, size = thing.region, repr(thing.sku)
    message = say(_("Its price in {region} is not known, so it is not offered."), region=region)
    setting = "cost" if thing not in books.cost else "charge"
    return Finding(thing.sku, Severity.ERROR, message, _remedy(setting, size), "prices")


def _remedy(setting: str, size: str) -> Sentence:
    return say(_("Set c.Prices.{setting}[{size}]."), setting=setting, size=size)
