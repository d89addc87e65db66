"""Rules of the ledger that have a play of their own: facts, keys, looks, and the cloud's formula."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError, StatementError

from gpuspawner.policy.money import Rate, charge
from gpuspawner.policy.money_errors import IdempotencyMismatch, InsufficientCredit, NotReversible
from gpuspawner.store import ledger
from gpuspawner.store.database import Connection
from gpuspawner.store.ledger import Sku
from gpuspawner.store.ledger.sightings import Sighting, Source
from tests.store.ledger.bank import (
    ADMIN,
    ALL,
    EXTRA,
    GP3,
    HOUR,
    LARGE,
    NINE,
    RATES,
    SMALL,
    SWEEP,
    UNIT,
    Bank,
)

pytestmark = SWEEP
SOME = settings(max_examples=200 if ALL else 8, deadline=None)
FACTS = ("transactions", "postings", "prices", "sightings")
SKUS = st.sampled_from([SMALL, LARGE, GP3])


def rate_of(sku: Sku) -> Rate:
    return next(rate for (of, _), rate in RATES.items() if of == sku)


def columns(engine: Engine, table: str) -> list[str]:
    with engine.connect() as c:
        return list(c.execute(text(f"SELECT * FROM {table} LIMIT 0")).keys())


@pytest.mark.ledger("I2")
@pytest.mark.parametrize("table", FACTS)
@SOME
@given(data=st.data())
def test_a_fact_is_never_changed_or_deleted(engine: Engine, table: str, data: Any) -> None:
    verb = data.draw(st.sampled_from(["update", "delete", "replace", "everything"]))
    column = data.draw(st.sampled_from(columns(engine, table)))
    with engine.connect() as c:
        bank = Bank(c)
        bank.give(bank.alice, UNIT)
        ledger.saw(c, Sighting(bank.name, NINE, Source.CLOUD, "running", {}))
        before = bank.ask(f"SELECT * FROM {table} ORDER BY id")
        one = data.draw(st.sampled_from([row.id for row in before]))
        statements = {
            "update": f"UPDATE {table} SET {column} = {column} WHERE id = :one",
            "delete": f"DELETE FROM {table} WHERE id = :one",
            "replace": f"INSERT OR REPLACE INTO {table} SELECT * FROM {table} WHERE id = :one",
            "everything": f"DELETE FROM {table}",
        }
        if c.dialect.name == "postgresql":
            statements["replace"] = f"INSERT INTO {table} SELECT * FROM {table} WHERE id = :one"
            statements["everything"] = f"TRUNCATE {table} CASCADE"
        nested = c.begin_nested()
        statement = text(statements[verb])
        with pytest.raises(IntegrityError):
            c.execute(statement, {"one": one} if ":one" in str(statement) else {})
        nested.rollback()
        assert bank.ask(f"SELECT * FROM {table} ORDER BY id") == before
        c.rollback()


def test_what_is_no_fact_may_be_changed(bank: Bank) -> None:
    for table in ("accounts", "lots", "holds", "meters", "notes", "people"):
        bank.c.execute(text(f"DELETE FROM {table} WHERE 1 = 0"))
        bank.c.execute(text(f"UPDATE {table} SET {columns_of(bank.c, table)} WHERE 1 = 0"))


def columns_of(c: Connection, table: str) -> str:
    first = next(iter(c.execute(text(f"SELECT * FROM {table} LIMIT 0")).keys()))
    return f"{first} = {first}"


REQUESTS = st.lists(
    st.tuples(
        st.sampled_from(["fund", "grant", "reverse"]), st.integers(1, UNIT), st.integers(1, 3)
    ),
    max_size=6,
)


def outcome(engine: Engine, requests: list[tuple[str, int, int]], *, repeat: bool) -> list[Any]:
    """The postings after the requests were sent, each so many times or once."""
    with engine.connect() as c:
        bank = Bank(c, name="course-of-requests")
        numbers = [bank.number("SELECT max(id) FROM transactions")]
        for step, (what, micros, times) in enumerate(requests):
            answers = []
            for _ in range(times if repeat else 1):
                key: dict[str, Any] = {
                    "idem": f"request-{step}",
                    "actor": ADMIN,
                    "now": NINE + step,
                }
                if what == "fund":
                    answers.append(ledger.fund(c, bank.course, micros, **key))
                elif what == "grant":
                    answers.append(ledger.grant(c, bank.alice, micros, **key).id)
                else:
                    try:
                        answers.append(ledger.reverse(c, numbers[-1], 1, **key))
                    except (InsufficientCredit, NotReversible) as error:
                        answers.append(type(error).__name__)
            assert len(set(answers)) == 1, answers
            numbers.append(bank.number("SELECT max(id) FROM transactions"))
        found = bank.ask(
            "SELECT t.kind, t.idem, a.kind, p.micros FROM postings p "
            "JOIN transactions t ON t.id = p.txn JOIN accounts a ON a.id = p.account "
            "WHERE t.course = :course AND t.idem LIKE 'request:request%' ORDER BY p.id"
        )
        c.rollback()
        return found


@pytest.mark.ledger("I3")
@SOME
@given(requests=REQUESTS)
@example(requests=[("grant", 5, 3), ("reverse", 1, 3), ("fund", 7, 2)])
def test_the_same_key_twice_has_one_effect(
    engine: Engine, requests: list[tuple[str, int, int]]
) -> None:
    assert outcome(engine, requests, repeat=True) == outcome(engine, requests, repeat=False)


def test_the_same_key_for_something_else_is_refused(bank: Bank) -> None:
    key: dict[str, Any] = {"idem": bank.key(), "actor": ADMIN, "now": NINE}
    ledger.grant(bank.c, bank.alice, 5, **key)
    before = bank.dump()
    for other in (
        lambda: ledger.grant(bank.c, bank.alice, 6, **key),
        lambda: ledger.grant(bank.c, bank.bora, 5, **key),
        lambda: ledger.grant(bank.c, bank.alice, 5, expires_at=NINE + 1, **key),
        lambda: ledger.fund(bank.c, bank.course, 5, **key),
    ):
        with pytest.raises(IdempotencyMismatch):
            other()
    assert bank.dump() == before


def looked_at(
    engine: Engine, sku: Sku, credit: int, ticks: list[int], end: int
) -> tuple[list[Any], ...]:
    """What a session of `end` seconds has left behind, after looks at these times."""
    with engine.connect() as c:
        bank = Bank(c, name="course-of-looks")
        bank.give(bank.alice, credit, expires_at=NINE + 900 * HOUR)
        bank.give(bank.alice, 100)
        meter = bank.start("i-1", bank.alice, sku=sku, quantity=64 if sku == GP3 else 1)
        for tick in ticks:
            ledger.settle(c, meter.id, NINE + tick, now=NINE + tick)
        done = ledger.close(c, meter.id, NINE + end, reason="user", now=NINE + end)
        assert done
        after = ledger.close(c, meter.id, NINE + end + 99, reason="again", now=NINE + end + 99)
        assert after
        assert (after.charged, after.cost) == (0, 0)
        ledger.settle_all(c, NINE + end + 999, now=NINE + end + 999, course=bank.course)
        left = (
            [done.meter.charged, done.meter.cost, done.meter.closed_at],
            [bank.balance(bank.alice)],
            bank.ask(
                "SELECT l.remaining FROM lots l JOIN accounts a ON a.id = l.account "
                "WHERE a.course = :course ORDER BY l.id"
            ),
            [bank.of_kind(kind) for kind in ("spent", "writeoff", "cloud", "borne")],
        )
        c.rollback()
        return left


@pytest.mark.ledger("I5")
@SOME
@given(
    sku=SKUS,
    credit=st.one_of(st.integers(1, 2000), st.integers(1, 4 * UNIT)),
    ticks=st.lists(st.integers(-60, 3 * HOUR), max_size=8),
    end=st.integers(0, 2 * HOUR),
)
@example(sku=SMALL, credit=1000, ticks=[7200, 30, 30, 5], end=20)
def test_the_total_of_a_segment_is_the_same_whoever_looks_how_often_and_in_which_order(
    engine: Engine, sku: Sku, credit: int, ticks: list[int], end: int
) -> None:
    seen = looked_at(engine, sku, credit, ticks, end)
    assert seen == looked_at(engine, sku, credit, [], end)
    rate = rate_of(sku).times(64 if sku == GP3 else 1)
    assert seen[0][0] == charge(rate, NINE, NINE + end)


@pytest.mark.ledger("I10")
@SOME
@given(
    sku=SKUS,
    cuts=st.lists(st.tuples(st.integers(0, HOUR), st.integers(0, 2)), max_size=5),
    length=st.integers(0, 2 * HOUR),
    ticks=st.lists(st.integers(0, 2 * HOUR), max_size=3),
)
def test_what_students_and_the_pool_bear_is_what_the_cloud_bills_less_a_micro_a_segment(
    engine: Engine, sku: Sku, cuts: list[tuple[int, int]], length: int, ticks: list[int]
) -> None:
    with engine.connect() as c:
        bank = Bank(c)
        wallets = [bank.alice, bank.bora, bank.pool]
        quantity = 64 if sku == GP3 else 1
        meter = bank.start("i-1", bank.pool, sku=sku, quantity=quantity)
        at = NINE
        for later, who in cuts:
            at = min(at + later, NINE + length)
            meter = ledger.switch(
                c, meter.id, at, reason="window", now=NINE + length, payer=wallets[who]
            )
            for tick in ticks:
                ledger.settle(c, meter.id, at + tick, now=at + tick)
        ledger.close(c, meter.id, NINE + length, reason="user", now=NINE + length)
        segments = bank.number("SELECT count(*) FROM meters WHERE course = :course")
        own = rate_of(sku)
        cloud = Rate(own.num + EXTRA, own.den, own.minimum, own.monthly).times(quantity)
        billed = charge(cloud, NINE, NINE + length)
        borne = bank.of_kind("borne")
        assert billed - segments <= borne <= billed, bank.dump()
        paid = bank.of_kind("spent")
        price = charge(own.times(quantity), NINE, NINE + length)
        assert price - segments <= paid <= price, bank.dump()
        c.rollback()


@pytest.mark.parametrize("wrong", [0.5, True, 2**63, "1", 0, -5])
def test_an_amount_that_is_no_whole_number_above_nothing_is_refused(bank: Bank, wrong: Any) -> None:
    with pytest.raises((ValueError, StatementError)):
        ledger.fund(bank.c, bank.course, wrong, idem=bank.key(), actor=ADMIN, now=NINE)


@pytest.mark.parametrize("wrong", [0.5, NINE + 0.5, "now", True])
def test_a_time_that_is_no_whole_second_is_refused(bank: Bank, wrong: Any) -> None:
    with pytest.raises((ValueError, StatementError)):
        ledger.fund(bank.c, bank.course, 1, idem=bank.key(), actor=ADMIN, now=wrong)
