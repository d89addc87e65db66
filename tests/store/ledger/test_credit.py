"""Grants, lots, holds and what is taken back, one by one."""

from __future__ import annotations

from typing import Any

import pytest

from gpuspawner.errors import ConfigurationError, NotAllowed
from gpuspawner.policy.money import Component, Rate
from gpuspawner.policy.money_errors import (
    IdempotencyMismatch,
    InsufficientCredit,
    NotReversible,
    UnbalancedEntry,
)
from gpuspawner.store import ledger
from gpuspawner.store.ledger import AccountKind, Actor, Kind, Role, Sku
from gpuspawner.store.ledger.journal import Entry, Leg, write
from tests.store.ledger.bank import ADMIN, HOUR, NINE, TEACHER, UNIT, Bank


def spend(bank: Bank, micros: int, *, resource: str = "i-1", now: int = NINE, **more: Any) -> int:
    """Alice uses that much; the number of the charge."""
    sku = Sku("aws", "us-east-1", f"of-{micros}")
    bank.price(sku, Rate(micros, 10), Component.COMPUTE)
    meter = bank.start(f"{resource}-{bank.key()}", bank.alice, now, sku, **more)
    ledger.close(bank.c, meter.id, now + 10, reason="user", now=now + 10)
    return bank.number("SELECT max(id) FROM transactions WHERE meter = :m", m=meter.id)


def left(bank: Bank) -> list[int]:
    return [lot.remaining for lot in ledger.grants(bank.c, bank.alice)]


def test_the_earliest_expiry_is_spent_first_then_the_oldest(bank: Bank) -> None:
    for expires_at in (None, NINE + 9 * HOUR, NINE + 3 * HOUR, NINE + 9 * HOUR):
        bank.give(bank.alice, 100, expires_at=expires_at)
    spend(bank, 130)
    assert left(bank) == [100, 70, 0, 100]
    spend(bank, 130)
    assert left(bank) == [100, 0, 0, 40]
    spend(bank, 100)
    assert left(bank) == [40, 0, 0, 0]


def test_what_is_left_of_a_lot_expires_when_its_time_has_come_and_not_before(bank: Bank) -> None:
    lot = bank.give(bank.alice, 100, expires_at=NINE + HOUR)
    spend(bank, 30)
    assert ledger.expire(bank.c, NINE + HOUR - 1, course=bank.course) == []
    (expired,) = ledger.expire(bank.c, NINE + HOUR, course=bank.course)
    assert (expired.account, expired.lot, expired.micros) == (bank.alice, lot.id, 70)
    assert ledger.expire(bank.c, NINE + HOUR, course=bank.course) == []
    assert (bank.balance(bank.alice), bank.of_kind("expired")) == (0, 70)


def test_what_a_machine_holds_does_not_expire_before_it_is_released(bank: Bank) -> None:
    bank.give(bank.alice, 100, expires_at=NINE + HOUR)
    ledger.place_hold(bank.c, bank.alice, 60, ref=bank.key(), now=NINE)
    ref = ledger.holds(bank.c, bank.alice)[0].ref
    assert [one.micros for one in ledger.expire(bank.c, NINE + HOUR, course=bank.course)] == [40]
    ledger.release_hold(bank.c, ref, now=NINE + HOUR)
    assert [one.micros for one in ledger.expire(bank.c, NINE + HOUR, course=bank.course)] == [60]


def test_no_start_passes_on_credit_whose_time_has_come(bank: Bank) -> None:
    bank.give(bank.alice, 100, expires_at=NINE + HOUR)
    assert ledger.standing(bank.c, bank.alice, NINE + HOUR - 1).available == 100
    assert ledger.standing(bank.c, bank.alice, NINE + HOUR).available == 0
    with pytest.raises(InsufficientCredit) as refused:
        ledger.place_hold(bank.c, bank.alice, 1, ref="late", now=NINE + HOUR)
    assert (refused.value.available, refused.value.needed) == (0, 1)


def test_a_hold_is_used_up_first_topped_up_and_released(bank: Bank) -> None:
    bank.give(bank.alice, 1000)
    ref = bank.key()
    placed = ledger.place_hold(bank.c, bank.alice, 300, ref=ref, now=NINE, expires_at=NINE + HOUR)
    assert ledger.place_hold(bank.c, bank.alice, 300, ref=ref, now=NINE) == placed
    spend(bank, 100, hold=ref)
    assert [hold.remaining for hold in ledger.holds(bank.c, bank.alice)] == [200]
    assert ledger.standing(bank.c, bank.alice, NINE).available == 700
    topped = ledger.top_up(bank.c, ref, 300, now=NINE)
    assert topped
    assert (topped.remaining, topped.placed, topped.expires_at) == (300, 400, None)
    topped = ledger.top_up(bank.c, ref, 5000, now=NINE)
    assert topped
    assert topped.remaining == 900
    assert ledger.release_hold(bank.c, ref, now=NINE)
    assert ledger.release_hold(bank.c, ref, now=NINE) is None
    assert ledger.top_up(bank.c, ref, 5, now=NINE) is None
    assert ledger.standing(bank.c, bank.alice, NINE).available == 900


def test_a_hold_of_a_start_that_was_given_up_is_released_in_time(bank: Bank) -> None:
    bank.give(bank.alice, 100)
    ref = bank.key()
    ledger.place_hold(bank.c, bank.alice, 100, ref=ref, now=NINE, expires_at=NINE + 900)
    assert [one.ref for one in ledger.sweep_holds(bank.c, NINE + 899) if one.ref == ref] == []
    assert [one.ref for one in ledger.sweep_holds(bank.c, NINE + 900) if one.ref == ref] == [ref]
    ledger.place_hold(bank.c, bank.alice, 100, ref=bank.key(), now=NINE + 900)


def test_a_name_of_a_hold_is_used_once(bank: Bank) -> None:
    bank.give(bank.alice, 100)
    bank.give(bank.bora, 100)
    ref = bank.key()
    ledger.place_hold(bank.c, bank.alice, 10, ref=ref, now=NINE)
    with pytest.raises(IdempotencyMismatch):
        ledger.place_hold(bank.c, bank.bora, 10, ref=ref, now=NINE)
    ledger.release_hold(bank.c, ref, now=NINE)
    with pytest.raises(IdempotencyMismatch):
        ledger.place_hold(bank.c, bank.alice, 10, ref=ref, now=NINE)


def test_a_charge_beyond_what_is_free_cuts_the_newest_promises(bank: Bank) -> None:
    bank.give(bank.alice, 1000)
    for name in ("old", "new"):
        ledger.place_hold(bank.c, bank.alice, 400, ref=bank.name + name, now=NINE)
    spend(bank, 500)
    assert [hold.remaining for hold in ledger.holds(bank.c, bank.alice)] == [400, 100]


def test_only_an_admin_brings_money_in_and_a_student_grants_nothing(bank: Bank) -> None:
    for role in (Role.TEACHER, Role.CONTROLLER):
        with pytest.raises(NotAllowed):
            ledger.fund(bank.c, bank.course, 1, idem=bank.key(), actor=Actor(role), now=NINE)
    oneself = Actor(Role.TEACHER, bank.people[0])
    with pytest.raises(NotAllowed):
        ledger.grant(bank.c, bank.alice, 1, idem=bank.key(), actor=oneself, now=NINE)
    with pytest.raises(LookupError):
        ledger.grant(bank.c, bank.pool, 1, idem=bank.key(), actor=ADMIN, now=NINE)


def test_a_charge_goes_back_into_the_lots_it_came_from_the_last_first(bank: Bank) -> None:
    bank.give(bank.alice, 100, expires_at=NINE + HOUR)
    bank.give(bank.alice, 100)
    charge = spend(bank, 150)
    assert left(bank) == [0, 50]
    ledger.reverse(bank.c, charge, 70, idem=bank.key(), actor=TEACHER, now=NINE)
    assert left(bank) == [20, 100]
    with pytest.raises(NotReversible):
        ledger.reverse(bank.c, charge, 1, idem=bank.key(), actor=TEACHER, now=NINE)
    # The cloud's book stays: the refund is the course's gift.
    assert bank.of_kind("borne") == 153


def test_a_charge_is_not_taken_back_by_more_than_it_was(bank: Bank) -> None:
    bank.give(bank.alice, 1000)
    charge = spend(bank, 150)
    with pytest.raises(NotReversible):
        ledger.reverse(bank.c, charge, 151, idem=bank.key(), actor=TEACHER, now=NINE)


def test_what_nobody_paid_is_given_back_before_what_somebody_did(bank: Bank) -> None:
    bank.give(bank.alice, 100)
    charge = spend(bank, 150)
    assert bank.of_kind("writeoff") == -50
    ledger.reverse(bank.c, charge, 60, idem=bank.key(), actor=ADMIN, now=NINE)
    assert (bank.of_kind("writeoff"), bank.balance(bank.alice)) == (0, 10)


def test_a_grant_goes_back_to_the_pool_as_far_as_it_is_there(bank: Bank) -> None:
    before = bank.balance(bank.pool)
    bank.give(bank.alice, 100)
    grant = bank.number("SELECT max(id) FROM transactions WHERE course = :course")
    bank.give(bank.alice, 500, expires_at=NINE)
    spend(bank, 540)
    with pytest.raises(InsufficientCredit) as refused:
        ledger.reverse(bank.c, grant, idem=bank.key(), actor=TEACHER, now=NINE)
    assert refused.value.available == 60
    ledger.reverse(bank.c, grant, 60, idem=bank.key(), actor=TEACHER, now=NINE)
    assert (bank.balance(bank.alice), bank.balance(bank.pool)) == (0, before - 540)


def test_a_grant_that_a_machine_holds_does_not_go_back(bank: Bank) -> None:
    bank.give(bank.alice, 100)
    grant = bank.number("SELECT max(id) FROM transactions WHERE course = :course")
    ledger.place_hold(bank.c, bank.alice, 80, ref=bank.key(), now=NINE)
    with pytest.raises(InsufficientCredit):
        ledger.reverse(bank.c, grant, 21, idem=bank.key(), actor=TEACHER, now=NINE)


def test_money_leaves_the_course_by_an_admin_only(bank: Bank) -> None:
    fund = ledger.fund(bank.c, bank.course, 77, idem=bank.key(), actor=ADMIN, now=NINE)
    for actor in (TEACHER, Actor(Role.CONTROLLER)):
        with pytest.raises(NotAllowed):
            ledger.reverse(bank.c, fund, idem=bank.key(), actor=actor, now=NINE)
    before = bank.of_kind("external")
    ledger.reverse(bank.c, fund, idem=bank.key(), actor=ADMIN, now=NINE)
    assert bank.of_kind("external") == before + 77


def test_a_reversal_an_expiry_and_what_is_not_there_are_not_taken_back(bank: Bank) -> None:
    bank.give(bank.alice, 100, expires_at=NINE)
    bank.give(bank.alice, 100)
    back = ledger.reverse(bank.c, spend(bank, 5), idem=bank.key(), actor=ADMIN, now=NINE)
    ledger.expire(bank.c, NINE, course=bank.course)
    expiry = bank.number("SELECT max(id) FROM transactions WHERE course = :course")
    for number in (back, expiry, 10**9):
        with pytest.raises(NotReversible):
            ledger.reverse(bank.c, number, idem=bank.key(), actor=ADMIN, now=NINE)


def test_the_pool_may_owe_and_a_grant_out_of_nothing_is_refused(bank: Bank) -> None:
    meter = bank.start("i-1", bank.pool)
    until = NINE + 3000 * HOUR
    done = ledger.close(bank.c, meter.id, until, reason="user", now=until)
    assert done
    assert (done.written_off, done.balance) == (0, 1000 * UNIT - 3000 * 526_000)
    with pytest.raises(InsufficientCredit):
        bank.give(bank.alice, 1)


def test_the_summary_of_the_pool_adds_up(bank: Bank) -> None:
    bank.give(bank.alice, 100)
    bank.give(bank.bora, 50, expires_at=NINE)
    spend(bank, 130)
    ledger.expire(bank.c, NINE, course=bank.course)
    ledger.place_hold(bank.c, bank.pool, 11, ref=bank.key(), now=NINE)
    pool = ledger.pool_summary(bank.c, bank.course)
    assert pool.funded + pool.written_off == pool.pool + pool.students + pool.spent + pool.expired
    assert (pool.funded, pool.students, pool.spent) == (1000 * UNIT, 0, 130)
    assert (pool.written_off, pool.expired, pool.held, pool.cost) == (30, 50, 11, 133)


@pytest.mark.parametrize("legs", [[], [5], [5, -4], [5, -5, 0]])
def test_an_entry_that_does_not_add_up_is_not_written(bank: Bank, legs: list[int]) -> None:
    spent = ledger.course_account(bank.c, bank.course, AccountKind.SPENT)
    before = bank.dump()
    entry = Entry(bank.course, bank.key(), Kind.CHARGE, NINE, [Leg(spent, one) for one in legs])
    with pytest.raises(UnbalancedEntry):
        write(bank.c, [entry])
    assert bank.dump() == before


def test_the_two_books_do_not_pay_for_each_other(bank: Bank) -> None:
    spent = ledger.course_account(bank.c, bank.course, AccountKind.SPENT)
    cloud = ledger.course_account(bank.c, bank.course, AccountKind.CLOUD)
    entry = Entry(bank.course, bank.key(), Kind.CHARGE, NINE, [Leg(spent, 5), Leg(cloud, -5)])
    with pytest.raises(UnbalancedEntry):
        write(bank.c, [entry])


def test_a_course_keeps_its_unit_once_something_is_written_in_it(bank: Bank) -> None:
    new = {"cost_unit": "USD", "timezone": "UTC"}
    made = ledger.configure_course(bank.c, bank.key(), unit="USD", **new)
    assert ledger.configure_course(bank.c, made.slug, unit="KRW", **new).unit == "KRW"
    with pytest.raises(ConfigurationError, match="counts in USD"):
        ledger.configure_course(bank.c, bank.name, unit="KRW", **new)
    same = ledger.configure_course(bank.c, bank.name, unit="USD", **new)
    assert (same.id, same.timezone) == (bank.course, "UTC")


def test_courses_do_not_share_money(bank: Bank) -> None:
    other = Bank(bank.c, funded=10)
    person = bank.people[0]
    here = ledger.student_account(bank.c, bank.course, person)
    there = ledger.student_account(bank.c, other.course, person)
    assert (here.id, here.id != there.id) == (bank.alice, True)
    bank.give(bank.alice, UNIT)
    assert (bank.balance(there.id), other.balance(other.pool)) == (0, 10)
    with pytest.raises(InsufficientCredit):
        other.give(there.id, 11)
