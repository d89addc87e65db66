"""REST for prices: the books in force for who teaches, and the cloud's own list at an admin's word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from gpuspawner.model import Finding
from gpuspawner.policy.money import DAY, Book, Component, Rate
from gpuspawner.policy.prices import Thing
from gpuspawner.store import ledger, price_book
from gpuspawner.store.price_book import Listed
from gpuspawner.views import SizeCard
from gpuspawner.web.credit import reads, replies
from gpuspawner.web.credit.handler import CreditHandler
from gpuspawner.web.status import finding_json


class _Listing(CreditHandler):
    """What both answer with."""

    async def listing(self) -> replies.Prices:
        """The list."""
        services = self.services
        where = services.provider.name, services.provider.region
        sizes = {card.size: card for card in services.board.sizes}
        return await services.database.read(
            _read, where, sizes, services.board.seen.prices, self.now
        )


class PricesHandler(_Listing):
    """`prices`."""

    async def get(self) -> None:
        """What everything costs and is charged."""
        self.viewer.check_teaches()
        self.answer(await self.listing())


class PricesRefreshHandler(_Listing):
    """`prices/refresh`."""

    async def post(self) -> None:
        """Ask the cloud's price service, as the controller does by itself every day."""
        self.viewer.check_admin()
        answered = await self.services.refresh_prices()
        self.answer(replies.PricesAsked(**dict(await self.listing()), answered=answered))


def _read(
    c: Connection,
    where: tuple[str, str],
    sizes: Mapping[str, SizeCard],
    findings: Iterable[Finding],
    now: int,
) -> replies.Prices:
    course = ledger.course(c)
    books: dict[Thing, dict[Book, Listed]] = {}
    for one in price_book.listing(c, now):
        books.setdefault(one.thing, {})[one.book] = one
    return replies.Prices(
        unit=course.unit,
        cost_unit=course.cost_unit,
        read_at=reads.iso_or_none(price_book.last_read(c, *where)),
        prices=[
            _price(thing, books[thing], sizes.get(thing.sku), now)
            for thing in sorted(books, key=_machines_first)
        ],
        findings=[replies.PriceFinding(**finding_json(one)) for one in findings],
    )


def _machines_first(thing: Thing) -> tuple[bool, Thing]:
    return thing.component is not Component.COMPUTE, thing


def _price(
    thing: Thing, of: Mapping[Book, Listed], card: SizeCard | None, now: int
) -> replies.Price:
    cost, charge = of.get(Book.COST), of.get(Book.CHARGE)
    said = cost or charge
    assert said
    return replies.Price(
        sku=thing.sku,
        component=thing.component.value,
        provider=thing.provider,
        region=thing.region,
        gpu=f"{card.gpus} × {card.gpu}" if card and card.gpus else None,
        per="GiB-month" if said.entry.rate.monthly else "hour",
        charge=_micros(charge.entry.rate) if charge else None,
        cost=_micros(cost.entry.rate) if cost else None,
        source=said.source,
        charge_source=charge.source if charge else None,
        as_of=reads.iso(said.entry.as_of),
        age_days=max(now - said.entry.as_of, 0) // DAY,
        valid_from=reads.iso(said.valid_from),
    )


def _micros(rate: Rate) -> int:
    """For an hour, or for a GiB and month; rounded up."""
    return -(-rate.num // rate.den) if rate.monthly else rate.per_hour()
