"""What other projects' accounting gets wrong, asked of ours."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from gpuspawner.policy.money import Component, Rate, charge
from gpuspawner.store import ledger
from gpuspawner.store.ledger import Sku
from tests.store.ledger.bank import GP3, HOUR, NINE, SMALL, UNIT, Bank

FOUR_A_MINUTE = Sku("aws", "us-east-1", "four.aminute")


@pytest.fixture
def four(bank: Bank) -> Bank:
    bank.price(FOUR_A_MINUTE, Rate(4 * UNIT, 60), Component.COMPUTE)
    return bank


def test_sixty_sessions_of_fifty_nine_seconds_are_charged_and_not_rounded_to_nothing(
    four: Bank,
) -> None:
    four.give(four.alice, 500 * UNIT)
    for number in range(60):
        at = NINE + number * 100
        meter = four.start("i-1", four.alice, at, FOUR_A_MINUTE)
        ledger.close(four.c, meter.id, at + 59, reason="user", now=at + 59)
    each = 59 * 4 * UNIT // 60
    assert four.balance(four.alice) == 500 * UNIT - 60 * each
    assert four.of_kind("spent") == 60 * each


def test_sixty_short_sessions_pay_the_minimum_of_every_start(bank: Bank) -> None:
    bank.give(bank.alice, 5 * UNIT)
    for number in range(60):
        at = NINE + number * 100
        meter = bank.start("i-1", bank.alice, at)
        ledger.close(bank.c, meter.id, at + 5, reason="user", now=at + 5)
    assert bank.of_kind("spent") == 60 * (526_000 * 60 // 3600)


def test_a_session_larger_than_the_balance_is_not_clamped_out_of_the_ledger(four: Bank) -> None:
    four.give(four.alice, 100 * UNIT)
    meter = four.start("i-1", four.alice, sku=FOUR_A_MINUTE)
    done = ledger.close(four.c, meter.id, NINE + 50 * 60, reason="user", now=NINE + 50 * 60)
    assert done
    assert (done.charged, done.written_off) == (200 * UNIT, 100 * UNIT)
    assert four.balance(four.alice) == 0
    kinds = {kind: four.of_kind(kind) for kind in ("spent", "writeoff", "student")}
    assert kinds == {"spent": 200 * UNIT, "writeoff": -100 * UNIT, "student": 0}
    assert ledger.differences(four.c) == []


def test_a_session_larger_than_the_balance_is_a_debt_where_debts_are_allowed(four: Bank) -> None:
    four.give(four.alice, 100 * UNIT)
    meter = four.start("i-1", four.alice, sku=FOUR_A_MINUTE)
    done = ledger.close(
        four.c, meter.id, NINE + 50 * 60, reason="user", now=NINE, max_overdraft=30 * UNIT
    )
    assert done
    assert (done.charged, done.written_off) == (200 * UNIT, 70 * UNIT)
    assert four.balance(four.alice) == -30 * UNIT
    # The next grant pays it.
    lot = four.give(four.alice, 50 * UNIT)
    assert (four.balance(four.alice), lot.remaining) == (20 * UNIT, 20 * UNIT)


def test_a_session_that_nobody_watched_is_charged_up_to_the_clouds_time(bank: Bank) -> None:
    bank.give(bank.alice, 100 * UNIT)
    meter = bank.start("i-1", bank.alice)
    ledger.settle(bank.c, meter.id, NINE + 60, now=NINE + 60)
    # The hub is down for a day. The machine stopped after twenty hours, says the cloud.
    back, stopped = NINE + 24 * HOUR, NINE + 20 * HOUR
    done = ledger.close(bank.c, meter.id, stopped, reason="machine_ended", now=back)
    assert done
    assert done.meter.charged == 526_000 * 20
    assert bank.balance(bank.alice) == 100 * UNIT - 526_000 * 20


def test_a_session_that_still_runs_after_a_crash_is_charged_all_of_it_and_once(bank: Bank) -> None:
    bank.give(bank.alice, 100 * UNIT)
    meter = bank.start("i-1", bank.alice)
    for _ in range(3):
        ledger.settle_all(bank.c, NINE + 20 * HOUR, now=NINE + 20 * HOUR, course=bank.course)
        # A controller that has forgotten all opens what it sees.
        assert bank.start("i-1", bank.alice).id == meter.id
    assert bank.balance(bank.alice) == 100 * UNIT - 526_000 * 20


@pytest.fixture(params=["Asia/Seoul", "America/New_York", "Australia/Lord_Howe", "UTC"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A computer in another time zone, two of them with summer time."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def test_no_time_is_local(bank: Bank, zone: str) -> None:
    bank.give(bank.alice, 900 * UNIT)
    # Over the ends of the month and of both summer times of 2026.
    for number, since in enumerate((1_774_000_000, 1_793_200_000)):
        machine = bank.start(f"i-{number}", bank.alice, since)
        home = bank.start(f"vol-{number}", bank.alice, since, GP3, quantity=64)
        until = since + 40 * 24 * HOUR
        for meter in (machine, home):
            ledger.close(bank.c, meter.id, until, reason="user", now=until)
        assert ledger.get_meter(bank.c, machine.id).charged == 526_000 * 40 * 24
        exact = charge(Rate(64 * 80_000, 1, 60, monthly=True), since, until)
        assert ledger.get_meter(bank.c, home.id).charged == exact
    assert {
        row.timezone for row in bank.ask("SELECT timezone FROM courses WHERE id = :course")
    } == {"Asia/Seoul"}


def test_credit_added_while_a_session_ends_is_neither_lost_nor_doubled(bank: Bank) -> None:
    bank.give(bank.alice, UNIT)
    meter = bank.start("i-1", bank.alice, sku=SMALL)
    ledger.settle(bank.c, meter.id, NINE + HOUR, now=NINE + HOUR)
    bank.give(bank.alice, UNIT, now=NINE + HOUR)
    ledger.close(bank.c, meter.id, NINE + 2 * HOUR, reason="user", now=NINE + 2 * HOUR)
    assert bank.balance(bank.alice) == 2 * UNIT - 2 * 526_000
