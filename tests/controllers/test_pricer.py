"""The price books of a cloud in memory, and what is offered at their prices."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from gpuspawner.controllers.pricer import Pricer
from gpuspawner.errors import ConfigurationError, ControllerUnavailable, ProviderUnavailable
from gpuspawner.policy.money import Book, seconds_of
from gpuspawner.settings import PricesRecord
from gpuspawner.store import ledger, price_book
from tests.controllers.stage import staged


@pytest.fixture
async def stage(tmp_path):
    async with staged(tmp_path) as one:
        yield one


def pricer(stage, **settings) -> Pricer:
    record = PricesRecord(**settings)
    return Pricer(stage.provider, stage.database, stage.seen, stage.clock, record)


async def prices(stage, book: Book = Book.CHARGE) -> dict[tuple[str, str], int]:
    now = seconds_of(stage.clock.now())
    listed = await stage.database.read(price_book.listing, now)
    return {
        (one.thing.sku, one.thing.component.value): one.entry.rate.num
        for one in listed
        if one.book is book
    }


async def rows(stage) -> int:
    return await stage.database.read(
        lambda c: c.exec_driver_sql("SELECT count(*) FROM prices").scalar_one()
    )


LISTED = {
    ("small", "compute"): 526_000,
    ("large", "compute"): 1_212_000,
    ("ssd", "disk"): 80_000,
    ("ssd", "home"): 80_000,
    ("public-ipv4", "address"): 5_000,
}


async def test_a_controller_that_begins_fills_both_books_and_the_next_one_adds_nothing(stage):
    await pricer(stage).begin()
    assert await prices(stage) == LISTED == await prices(stage, Book.COST)
    written = await rows(stage)
    await stage.clock.advance(86_400)
    await pricer(stage).begin()
    assert await rows(stage) == written == 2 * len(LISTED)


async def test_what_is_offered_costs_what_is_charged_for_it(stage):
    one = pricer(stage, charge={"small": 0.25, "large": 0.0})
    await one.begin()
    offered = one.priced(await stage.provider.offerings())
    found = {offering.placement.size: offering.price_micros for offering in offered}
    assert found == {"small": 250_000, "large": 0}
    assert (await prices(stage, Book.COST))["small", "compute"] == 526_000
    assert stage.seen.prices == ()


async def test_what_has_no_price_is_not_offered_and_the_admin_hears_of_it_once(stage, caplog):
    listed = stage.provider.prices()
    stage.provider.prices = lambda: tuple(one for one in listed if one.thing.sku != "large")
    one = pricer(stage)
    await one.begin()
    for _ in range(3):
        offered = one.priced(await stage.provider.offerings())
    assert {offering.placement.size for offering in offered} == {"small"}
    told = [(one.subject, str(one.message), str(one.remedy)) for one in stage.seen.prices]
    assert told == [
        (
            "large",
            "Its price in fake-1 is not known, so it is not offered.",
            "Set c.Prices.cost['large'].",
        )
    ]
    assert len([one for one in caplog.records if "large" in one.message]) == 1


async def test_the_admins_price_is_enough_for_it_to_be_offered(stage):
    stage.provider.prices = tuple
    one = pricer(stage, cost={"small": 0.6})
    await one.begin()
    offered = one.priced(await stage.provider.offerings())
    assert {(o.placement.size, o.price_micros) for o in offered} == {("small", 600_000)}


async def test_a_price_that_is_not_believed_is_told_and_the_last_good_one_stays(stage):
    one = pricer(stage)
    await one.begin()
    now = seconds_of(stage.clock.now())
    (small,) = [q for q in stage.provider.prices() if q.thing.sku == "small"][:1]
    await one.offer([replace(small, rate=replace(small.rate, num=0), as_of=now)])
    assert [finding.subject for finding in stage.seen.prices] == ["small"]
    assert await prices(stage) == LISTED
    await one.offer([replace(small, rate=replace(small.rate, num=527_000), as_of=now)])
    assert stage.seen.prices == ()
    assert await prices(stage) == {**LISTED, ("small", "compute"): 527_000}


async def test_another_unit_is_another_book_and_stays(stage):
    await stage.database.run(price_book.configure, "gpu_hour", "USD")
    await pricer(stage, unit="gpu_hour", charge={"small": 1.0}).begin()
    assert await prices(stage) == {
        ("small", "compute"): 1_000_000,
        ("ssd", "disk"): 0,
        ("ssd", "home"): 0,
        ("public-ipv4", "address"): 0,
    }
    assert await prices(stage, Book.COST) == LISTED
    course = await stage.database.read(ledger.course)
    assert (course.unit, course.cost_unit) == ("gpu_hour", "USD")
    with pytest.raises(ConfigurationError, match="gpu_hour and USD, not in USD"):
        await stage.database.run(price_book.configure, "USD", "USD")


async def test_without_a_database_it_begins_and_offers_what_the_list_prices(stage):
    async def fails(*_arguments):
        raise ControllerUnavailable("no database")

    one = Pricer(stage.provider, SimpleNamespace(run=fails), stage.seen, stage.clock)
    await one.begin()
    offered = await stage.provider.offerings()
    assert one.priced(offered) == offered
    assert one.priced((replace(offered[0], price_micros=0),)) == ()


async def test_the_price_service_has_the_newest_price_and_silence_keeps_the_last(stage, caplog):
    one = pricer(stage)
    await one.begin()
    await stage.clock.advance(30 * 86_400)
    listed = stage.provider.prices()
    dearer = tuple(replace(q, rate=replace(q.rate, num=q.rate.num + 1)) for q in listed)
    stage.provider.prices = lambda: dearer
    assert await one.refresh()
    stage.provider.prices = lambda: listed
    assert (await prices(stage))["small", "compute"] == 526_001
    asked = await stage.database.read(price_book.last_read, "fake", "fake-1")
    assert asked == seconds_of(stage.clock.now())

    await stage.clock.advance(5 * 86_400)
    stage.provider.fail_next("fetch_prices", ProviderUnavailable("no answer"), times=2)
    assert [await one.refresh(), await one.refresh()] == [False, False]
    assert (await prices(stage))["small", "compute"] == 526_001
    (finding,) = stage.seen.prices
    assert "the oldest is 5 days old" in str(finding.message)
    assert len([record for record in caplog.records if "no answer" in record.message]) == 1
    assert await one.refresh()
    assert stage.seen.prices == ()


async def test_an_answer_that_nobody_expected_keeps_the_last_good_prices(stage):
    one = pricer(stage)
    await one.begin()

    async def wrong():
        raise RuntimeError("a mistake of ours")

    stage.provider.fetch_prices = wrong
    assert not await one.refresh()
    assert await prices(stage) == LISTED


async def test_it_asks_at_once_and_then_every_day_and_sooner_after_silence(stage):
    one = pricer(stage, refresh_interval=timedelta(days=1))
    began, asked = stage.clock.now(), []

    async def refresh() -> bool:
        asked.append((stage.clock.now() - began) / timedelta(hours=1))
        return len(asked) > 1

    one.refresh = refresh
    asking = asyncio.create_task(one.run())
    await stage.clock.advance(50 * 3600)
    asking.cancel()
    assert asked == [0, 1, 25, 49]


async def test_it_asks_never_where_it_may_not(stage):
    await pricer(stage).run()
    assert stage.provider.called("fetch_prices") == []
