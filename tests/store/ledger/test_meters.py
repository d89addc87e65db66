"""Meters, prices and what was seen, one by one."""

from __future__ import annotations

import pytest

from gpuspawner.policy.money import Book, Component, Rate, charge
from gpuspawner.policy.money_errors import PriceUnknown
from gpuspawner.store import ledger
from gpuspawner.store.ledger import Sku
from gpuspawner.store.ledger.sightings import Sighting, Source
from tests.store.ledger.bank import GP3, HOUR, NINE, RATES, SMALL, UNIT, Bank

DEAR = Rate(1_000_000, 3600, 60)
DAY = 24 * HOUR


def number_of_meters(bank: Bank) -> int:
    return bank.number("SELECT count(*) FROM meters WHERE course = :course")


def test_a_start_is_opened_once_however_often_and_late_it_is_told(bank: Bank) -> None:
    meter = bank.start("i-1", bank.pool)
    assert bank.start("i-1", bank.alice, NINE + 5).id == meter.id
    ledger.close(bank.c, meter.id, NINE + 60, reason="user", now=NINE + 60)
    assert bank.start("i-1", bank.pool).closed_at == NINE + 60
    again = bank.start("i-1", bank.pool, NINE + 100)
    assert (again.id != meter.id, number_of_meters(bank)) == (True, 2)


def test_a_start_that_is_told_with_an_earlier_time_begins_where_the_last_one_ended(
    bank: Bank,
) -> None:
    first = bank.start("i-1", bank.pool)
    ledger.close(bank.c, first.id, NINE + 500, reason="user", now=NINE + 500)
    assert bank.start("i-1", bank.pool, NINE + 400).opened_at == NINE + 500


def opening(bank: Bank, resource: str, at: int, sku: Sku = SMALL) -> ledger.Opening:
    return ledger.Opening(resource, Component.COMPUTE, str(at), bank.pool, sku, at, "seen")


def test_many_are_opened_as_they_would_be_one_by_one(bank: Bank) -> None:
    running, over = bank.start(f"{bank.name}-1", bank.pool), bank.start("i-2", bank.pool)
    ledger.close(bank.c, over.id, NINE + 500, reason="user", now=NINE + 500)
    many = [opening(bank, f"{bank.name}-many-{number}", NINE + number) for number in range(1200)]
    asked = [
        opening(bank, running.resource, NINE + 5), *many, opening(bank, over.resource, NINE + 400),
    ]  # fmt: skip
    meters = ledger.begin_meters(bank.c, bank.course, asked)
    assert [meter.resource for meter in meters] == [one.resource for one in asked]
    assert meters[0] == running
    assert [meter.opened_at for meter in meters[1:-1]] == [one.opened_at for one in many]
    assert (meters[-1].opened_at, meters[-1].id == over.id) == (NINE + 500, False)
    assert ledger.begin_meters(bank.c, bank.course, asked) == meters
    assert number_of_meters(bank) == 1203


def test_of_many_none_is_opened_when_one_has_no_price(bank: Bank) -> None:
    nowhere = Sku("aws", "us-east-1", "p9.nowhere")
    asked = [
        opening(bank, f"{bank.name}-1", NINE), opening(bank, f"{bank.name}-2", NINE, nowhere),
    ]  # fmt: skip
    with pytest.raises(PriceUnknown):
        ledger.begin_meters(bank.c, bank.course, asked)
    assert number_of_meters(bank) == 0


def test_of_several_sightings_those_are_written_that_are_news(bank: Bank) -> None:
    told = [("on", 0), ("on", 1), ("off", 3), ("late", 2), ("on", 4)]
    some = [Sighting(bank.name, NINE + at, Source.CLOUD, state, {}) for state, at in told]
    assert ledger.saw_all(bank.c, some) == 3
    assert ledger.sightings(bank.c, bank.name) == [some[0], some[2], some[4]]
    assert ledger.saw_all(bank.c, some[:3]) == 0


def test_components_of_one_resource_have_meters_of_their_own(bank: Bank) -> None:
    bank.price(SMALL, Rate(5000, 3600), Component.ADDRESS)
    compute = bank.start("i-1", bank.pool)
    address = ledger.open_meter(
        bank.c, bank.course, compute.resource, Component.ADDRESS, start="1", payer=bank.pool,
        sku=SMALL, opened_at=NINE, reason="user",
    )  # fmt: skip
    assert address.id != compute.id
    assert ledger.meter_of(bank.c, compute.resource, Component.ADDRESS) == address
    assert ledger.meter_of(bank.c, compute.resource, Component.HOME) is None
    assert ledger.open_meters(bank.c, course=bank.course) == [compute, address]


@pytest.mark.parametrize("book", Book)
def test_nothing_is_metered_that_has_no_price_in_both_books(bank: Bank, book: Book) -> None:
    sku = Sku("aws", "us-east-1", "p9.nowhere")
    with pytest.raises(PriceUnknown):
        bank.start("i-1", bank.pool, sku=sku)
    ledger.add_price(
        bank.c, bank.course, book, sku, Component.COMPUTE, DEAR,
        valid_from=0, source="a test", fetched_at=NINE, now=NINE,
    )  # fmt: skip
    with pytest.raises(PriceUnknown):
        bank.start("i-1", bank.pool, sku=sku)
    assert number_of_meters(bank) == 0


def test_a_price_begins_when_it_is_valid_and_the_same_one_is_written_once(bank: Bank) -> None:
    bank.price(SMALL, DEAR, valid_from=NINE + DAY)
    bank.price(SMALL, DEAR, valid_from=NINE + 2 * DAY)
    prices = [
        ledger.price_at(bank.c, bank.course, Book.CHARGE, SMALL, Component.COMPUTE, at).rate
        for at in (NINE, NINE + DAY - 1, NINE + DAY, NINE + 3 * DAY)
    ]
    assert prices == [RATES[SMALL, Component.COMPUTE]] * 2 + [DEAR] * 2
    count = "SELECT count(*) FROM prices WHERE course = :course AND sku = 'g4dn.xlarge'"
    assert bank.number(count) == 4
    now = {
        (one.book, one.sku): one.rate for one in ledger.current_prices(bank.c, bank.course, NINE)
    }
    assert len(now) == 2 * len(RATES)
    assert now[Book.CHARGE, SMALL] == RATES[SMALL, Component.COMPUTE]


@pytest.mark.parametrize("late", [0, 5, HOUR, 40 * HOUR])
def test_a_new_price_reaches_a_running_machine_from_its_time_on_however_late_it_is_followed(
    bank: Bank, late: int
) -> None:
    bank.give(bank.alice, 900 * UNIT)
    meter = bank.start("i-1", bank.alice)
    change = NINE + HOUR
    bank.price(SMALL, DEAR, valid_from=change, now=NINE + 60)
    ledger.settle(bank.c, meter.id, change + late, now=change + late)
    assert ledger.follow_prices(bank.c, course=bank.course, now=change - 1) == []
    (after,) = ledger.follow_prices(bank.c, course=bank.course, now=change + late)
    assert (after.opened_at, after.continues) == (change, meter.id)
    assert ledger.follow_prices(bank.c, course=bank.course, now=change + late) == []
    until = change + 50 * HOUR
    ledger.close(bank.c, after.id, until, reason="user", now=until)
    assert bank.balance(bank.alice) == 900 * UNIT - 526_000 - 50 * 1_000_000


def test_a_price_that_is_known_late_changes_no_amount_of_the_past(bank: Bank) -> None:
    bank.give(bank.alice, 900 * UNIT)
    bank.start("i-1", bank.alice)
    ledger.settle_all(bank.c, NINE + HOUR, now=NINE + HOUR, course=bank.course)
    before = bank.balance(bank.alice)
    bank.price(SMALL, DEAR, valid_from=NINE - DAY, now=NINE + HOUR)
    (after,) = ledger.follow_prices(bank.c, course=bank.course, now=NINE + HOUR)
    assert (after.opened_at, bank.balance(bank.alice)) == (NINE + HOUR, before)


def test_a_price_that_is_overtaken_by_a_newer_one_reaches_nobody(bank: Bank) -> None:
    bank.price(SMALL, DEAR, valid_from=NINE - HOUR, now=NINE - HOUR)
    meter = bank.start("i-1", bank.pool)
    bank.price(SMALL, Rate(7, 1), valid_from=NINE - 2 * HOUR, now=NINE + 60)
    assert meter.charge_price.rate == DEAR
    assert ledger.follow_prices(bank.c, course=bank.course, now=NINE + HOUR) == []


def test_another_payer_pays_from_then_on_and_the_minimum_is_paid_once(bank: Bank) -> None:
    bank.give(bank.alice, UNIT)
    meter = bank.start("i-1", bank.alice)
    at = NINE + 20
    after = ledger.switch(bank.c, meter.id, at, reason="window", now=at, payer=bank.pool)
    assert ledger.switch(bank.c, after.id, at + 5, reason="again", now=at, payer=bank.pool) == after
    assert ledger.switch(bank.c, meter.id, at + 5, reason="closed", now=at).id == meter.id
    until = NINE + 100
    ledger.close(bank.c, after.id, until, reason="user", now=until)
    assert bank.balance(bank.alice) == UNIT - 526_000 * 60 // 3600
    assert bank.balance(bank.pool) == 999 * UNIT - 526_000 * 40 // 3600


def test_a_home_that_grows_costs_more_from_then_on(bank: Bank) -> None:
    meter = bank.start("vol-1", bank.pool, sku=GP3, quantity=20)
    at = NINE + 3 * DAY
    after = ledger.switch(bank.c, meter.id, at, reason="grown", now=at, quantity=50)
    ledger.close(bank.c, after.id, at + DAY, reason="deleted", now=at + DAY)
    rate = RATES[GP3, Component.HOME]
    expected = charge(rate.times(20), NINE, at) + charge(rate.times(50), at, at + DAY)
    assert bank.of_kind("spent") == expected


@pytest.mark.parametrize("closed", [False, True])
def test_a_failed_start_that_the_cloud_billed_is_the_pools(bank: Bank, closed: bool) -> None:
    bank.give(bank.alice, 30_000)
    meter = bank.start("i-1", bank.alice)
    ledger.settle(bank.c, meter.id, NINE + 400, now=NINE + 400)
    assert bank.of_kind("writeoff") < 0
    if closed:
        ledger.close(bank.c, meter.id, NINE + 400, reason="boot_failed", now=NINE + 400)
    for _ in range(2):
        assert ledger.pay_from_pool(bank.c, meter.id, now=NINE + 401).payer == bank.pool
    cost = 526_000 * 400 // 3600
    wallets = (bank.balance(bank.alice), bank.of_kind("writeoff"), bank.balance(bank.pool))
    assert wallets == (30_000, 0, 1000 * UNIT - 30_000 - cost)
    assert [one.remaining for one in ledger.grants(bank.c, bank.alice)] == [30_000]
    own = bank.number(
        "SELECT sum(p.micros) FROM postings p JOIN accounts a ON a.id = p.account "
        "WHERE a.course = :course AND a.kind = 'borne' AND a.owner IS NULL"
    )
    assert own == bank.of_kind("borne") > 0
    # A machine that ended earlier than it was read gives the difference back to who paid it.
    if not closed:
        ledger.close(bank.c, meter.id, NINE + 100, reason="boot_failed", now=NINE + 500)
        assert bank.balance(bank.pool) == 1000 * UNIT - 30_000 - 526_000 * 100 // 3600
    assert ledger.differences(bank.c) == []


def test_what_an_hour_costs_is_what_is_open(bank: Bank) -> None:
    assert ledger.burn(bank.c, bank.course) == {Book.CHARGE: 0, Book.COST: 0}
    bank.give(bank.alice, UNIT)
    meter = bank.start("i-1", bank.alice)
    assert ledger.burn(bank.c, bank.course) == {Book.CHARGE: 526_000, Book.COST: 526_003}
    standing = ledger.standing(bank.c, bank.alice, NINE + 1800)
    assert (standing.balance, standing.accrued, standing.live) == (UNIT, 263_000, 737_000)
    assert standing.rates == (RATES[SMALL, Component.COMPUTE],)
    assert ledger.standings(bank.c, bank.course, NINE + 1800)[0] == standing
    ledger.close(bank.c, meter.id, NINE + 1800, reason="user", now=NINE + 1800)
    assert ledger.burn(bank.c, bank.course)[Book.CHARGE] == 0
    assert ledger.standing(bank.c, bank.alice, NINE + 1800).live == 737_000


def test_a_time_before_the_meter_began_settles_nothing(bank: Bank) -> None:
    meter = bank.start("i-1", bank.pool)
    done = ledger.settle(bank.c, meter.id, NINE - 100, now=NINE)
    assert done
    assert (done.charged, done.meter) == (0, meter)
    assert ledger.settle(bank.c, 10**9, NINE, now=NINE) is None
    assert ledger.close(bank.c, 10**9, NINE, reason="user", now=NINE) is None


def test_a_machine_that_was_never_looked_at_pays_its_minimum_when_it_stops(bank: Bank) -> None:
    bank.give(bank.alice, UNIT)
    meter = bank.start("i-1", bank.alice)
    ledger.close(bank.c, meter.id, NINE - 5, reason="user", now=NINE)
    assert bank.balance(bank.alice) == UNIT - 526_000 * 60 // 3600


def test_only_news_is_written_of_what_was_seen(bank: Bank) -> None:
    def saw(at: int, state: str, source: Source = Source.CLOUD) -> bool:
        return ledger.saw(bank.c, Sighting(bank.name, at, source, state, {"code": 16}))

    told = [
        saw(NINE, "running"),
        saw(NINE + 1, "running"),
        saw(NINE + 1, "on", Source.AGENT),
        saw(NINE + 2, "stopped"),
        saw(NINE + 1, "running"),
    ]
    assert told == [True, False, True, True, False]
    assert [one.state for one in ledger.sightings(bank.c, bank.name)] == [
        "running",
        "on",
        "stopped",
    ]
