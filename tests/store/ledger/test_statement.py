from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from gpuspawner.policy.money import Component
from gpuspawner.policy.money_errors import NotReversible
from gpuspawner.store import ledger
from gpuspawner.store.ledger import Kind
from tests.store.ledger.bank import ADMIN, ALL, GP3, HOUR, NINE, RATES, SMALL, UNIT, Bank

GRANT, CHARGE, EXPIRY, REVERSAL = Kind.GRANT, Kind.CHARGE, Kind.EXPIRY, Kind.REVERSAL


def days(number: int) -> int:
    return NINE + number * 24 * HOUR


def test_a_statement_tells_every_line_with_start_stop_price_seconds_and_amount(bank: Bank) -> None:
    bank.give(bank.alice, UNIT, expires_at=days(2))
    machine = bank.start("i-1", bank.alice, NINE + 60, claim="gs-1")
    home = bank.start("vol-1", bank.pool, NINE, GP3, person=bank.people[0], quantity=64)
    for until in (NINE + 600, NINE + 1800):
        ledger.settle_all(bank.c, until, now=until, course=bank.course)
    done = ledger.close(bank.c, machine.id, NINE + 3660, reason="user", now=NINE + 3700)
    assert done
    ledger.expire(bank.c, days(3), course=bank.course)
    said = ledger.statement(bank.c, bank.course, bank.people[0], 0, days(9))
    rate = RATES[SMALL, Component.COMPUTE]
    assert [(line.kind, line.amount) for line in said.lines] == [
        (GRANT, UNIT), (CHARGE, 0), (CHARGE, -526_000), (EXPIRY, -474_000),
    ]  # fmt: skip
    _, of_home, of_machine, _ = said.lines
    assert (of_machine.start, of_machine.stop, of_machine.seconds) == (NINE + 60, NINE + 3660, 3600)
    assert (of_machine.rate, of_machine.component) == (rate, Component.COMPUTE)
    assert (of_machine.reason, of_machine.open, of_machine.claim) == ("user", False, "gs-1")
    # The home is shown to its owner, and who pays for it is not them.
    assert (of_home.own, of_home.open, of_home.meter) == (False, True, home.id)
    assert (of_home.start, of_home.stop) == (NINE, NINE + 1800)
    assert of_home.total == ledger.get_meter(bank.c, home.id).charged > 0
    assert (said.opening, said.closing) == (0, 0)


def test_a_period_shows_what_was_read_in_it_and_no_more(bank: Bank) -> None:
    bank.give(bank.alice, 100 * UNIT)
    bank.start("i-1", bank.alice)
    for day in (1, 2, 3):
        ledger.settle_all(bank.c, days(day), now=days(day), course=bank.course)
    said = ledger.statement(bank.c, bank.course, bank.people[0], days(2), days(3))
    (line,) = said.lines
    assert (line.start, line.stop, line.seconds) == (days(1), days(2), 86_400)
    assert (line.amount, line.open) == (-526_000 * 24, True)
    assert (said.opening, said.closing) == (100 * UNIT - 526_000 * 24, 100 * UNIT - 526_000 * 48)


def test_a_refund_has_its_own_line_and_its_reason(bank: Bank) -> None:
    bank.give(bank.alice, UNIT)
    meter = bank.start("i-1", bank.alice)
    ledger.close(bank.c, meter.id, NINE + HOUR, reason="user", now=NINE + HOUR)
    charged = bank.number("SELECT max(id) FROM transactions WHERE course = :course")
    ledger.reverse(
        bank.c, charged, 26_000, idem=bank.key(), actor=ADMIN, now=NINE + 2 * HOUR, note="A broken GPU"
    )  # fmt: skip
    said = ledger.statement(bank.c, bank.course, bank.people[0], 0, days(1))
    assert [(one.kind, one.amount, one.note) for one in said.lines] == [
        (GRANT, UNIT, ""), (CHARGE, -526_000, ""), (REVERSAL, 26_000, "A broken GPU"),
    ]  # fmt: skip


def test_nobody_sees_the_lines_of_another(bank: Bank) -> None:
    bank.give(bank.alice, UNIT)
    meter = bank.start("i-1", bank.alice)
    ledger.close(bank.c, meter.id, NINE + HOUR, reason="user", now=NINE + HOUR)
    other = Bank(bank.c)
    for course, person in (
        (bank.course, bank.people[1]),
        (other.course, bank.people[0]),
        (bank.course, "p-nobody"),
    ):
        said = ledger.statement(bank.c, course, person, 0, days(1))
        assert (said.lines, said.opening, said.closing) == ((), 0, 0)


@settings(max_examples=200 if ALL else 6, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["grant", "look", "stop", "refund", "switch"]), st.integers(0, 9000)),
        max_size=10,
    ),
    cuts=st.lists(st.integers(0, 60_000), max_size=4),
)  # fmt: skip
def test_opening_balance_and_lines_add_up_to_the_closing_balance_of_every_period(
    engine: Engine, steps: list[tuple[str, int]], cuts: list[int]
) -> None:
    with engine.connect() as c:
        bank = Bank(c)
        now, meter = NINE, bank.start("i-0", bank.alice)
        bank.give(bank.alice, UNIT)
        for number, (what, seconds) in enumerate(steps, 1):
            now += seconds
            if what == "grant":
                bank.give(bank.alice, 1 + seconds, now=now, expires_at=now + 5000)
            elif what == "look":
                ledger.settle_all(c, now, now=now, course=bank.course)
                ledger.expire(c, now, course=bank.course)
            elif what == "switch":
                meter = ledger.switch(c, meter.id, now, reason="x", now=now, payer=bank.alice)
            elif what == "stop":
                ledger.close(c, meter.id, now - 30, reason="user", now=now)
                meter = bank.start(f"i-{number}", bank.alice, now)
            else:
                charges = bank.ask(
                    "SELECT id FROM transactions WHERE course = :course AND kind = 'charge' "
                    "AND id NOT IN (SELECT reverses FROM transactions WHERE reverses IS NOT NULL)"
                )
                if charges:
                    nested = c.begin_nested()
                    try:
                        ledger.reverse(c, charges[0][0], idem=bank.key(), actor=ADMIN, now=now)
                    except NotReversible:
                        nested.rollback()
        edges = sorted([0, *(NINE + cut for cut in cuts), now + 1])
        carried = 0
        for since, until in itertools.pairwise(edges):
            said = ledger.statement(c, bank.course, bank.people[0], since, until)
            assert said.opening == carried, bank.dump()
            carried = said.opening + sum(line.amount for line in said.lines)
            assert said.closing == carried, (said, bank.dump())
        assert carried == bank.balance(bank.alice)
        c.rollback()
