"""What is done to many meters at once is what would be done to them one by one."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection

from gpuspawner.policy.money import Rate
from gpuspawner.store import ledger
from gpuspawner.store.ledger import Closing, Meter, Switching
from tests.store.ledger.bank import GP3, HOUR, NINE, RATES, SMALL, UNIT, Bank

DEAR = Rate(1_000_000, 3600, 60)
NOW = NINE + HOUR


class Campus:
    """Two students with credit, and meters of theirs and of the pool, read more or less far."""

    def __init__(self, c: Connection) -> None:
        self.bank = bank = Bank(c)
        bank.give(bank.alice, UNIT // 50, expires_at=NINE + 24 * HOUR)
        bank.give(bank.alice, UNIT)
        bank.give(bank.bora, UNIT // 10)
        ledger.place_hold(c, bank.alice, UNIT // 4, ref=f"{bank.name}-hold", now=NINE)
        self.meters = [
            bank.start("read", bank.alice, hold=f"{bank.name}-hold"),
            bank.start("new", bank.alice, NINE + 30),
            bank.start("read too far", bank.bora),
            bank.start("the pool's", bank.pool),
            bank.start("a home", bank.pool, sku=GP3, quantity=20),
            bank.start("over", bank.bora),
        ]
        read, _, too_far, *_, over = self.meters
        ledger.settle(c, read.id, NINE + 100, now=NOW)
        ledger.settle(c, too_far.id, NINE + 600, now=NOW)
        ledger.close(c, over.id, NINE + 50, reason="user", now=NOW)

    def told(self, meters: list[Meter]) -> list[tuple[Any, ...]]:
        """The same of two campuses to which the same has happened."""
        own = {account: who for who, account in
               (("alice", self.bank.alice), ("bora", self.bank.bora), ("pool", self.bank.pool))}  # fmt: skip
        return [
            (
                one.resource.removeprefix(self.bank.name), own[one.payer], one.hold is not None,
                one.quantity, one.charge_price.rate, one.opened_at, one.opened_by, one.charge_from,
                one.closed_at, one.close_reason, one.metered_to, one.charged, one.cost,
                one.continues is not None,
            )
            for one in meters
        ]  # fmt: skip

    def books(self) -> tuple[Any, ...]:
        """All meters, what everybody has and holds, and whether it adds up."""
        bank = self.bank
        numbers = bank.ask("SELECT id FROM meters WHERE course = :course ORDER BY id")
        meters = [ledger.get_meter(bank.c, number) for (number,) in numbers]
        lots = bank.ask(
            "SELECT l.remaining FROM lots l JOIN accounts a ON a.id = l.account "
            "WHERE a.course = :course ORDER BY l.id"
        )
        return (
            sorted(self.told(meters), key=str),
            [(bank.balance(one), bank.held(one)) for one in (*bank.students, bank.pool)],
            [tuple(row) for row in lots],
            [bank.of_kind(kind) for kind in ("spent", "writeoff", "cloud", "borne")],
            ledger.differences(bank.c),
        )


@pytest.fixture
def two(c: Connection) -> tuple[Campus, Campus]:
    return Campus(c), Campus(c)


AT = (500, 700, 400, 10, 3000, 900)
"""When the meters end, after nine: one was read further, and one has not lasted the minimum."""


def test_closing_together_is_closing_one_by_one(two: tuple[Campus, Campus]) -> None:
    c, (one, many) = two[0].bank.c, two
    alone = [
        ledger.close(c, meter.id, NINE + at, reason="user", now=NOW)
        for meter, at in zip(one.meters, AT, strict=True)
    ]
    closings = [
        Closing(meter.id, NINE + at, "user")
        for meter, at in zip(many.meters, AT, strict=True)
    ]  # fmt: skip
    together = ledger.close_all(c, closings, now=NOW)
    assert many.told([done.meter for done in together]) == one.told(
        [done.meter for done in alone if done]
    )
    assert [(done.charged, done.cost) for done in together] == [
        (done.charged, done.cost) for done in alone if done
    ]
    assert many.books() == one.books()
    assert many.books()[-1] == []
    assert ledger.open_meters(c, course=many.bank.course) == []
    before = many.books()
    assert len(ledger.close_all(c, [*closings, Closing(10**12, NOW, "user")], now=NOW)) == len(AT)
    assert many.books() == before


def test_a_debt_is_written_off_whether_closed_together_or_one_by_one(
    two: tuple[Campus, Campus],
) -> None:
    c, (one, many) = two[0].bank.c, two
    late = NINE + 20 * HOUR
    for meter in one.meters:
        ledger.close(c, meter.id, late, reason="user", now=late)
    done = ledger.close_all(c, [Closing(meter.id, late, "user") for meter in many.meters], now=late)
    assert many.books() == one.books()
    assert sum(each.written_off for each in done) == -many.bank.of_kind("writeoff") > 0


def test_switching_together_is_switching_one_by_one(two: tuple[Campus, Campus]) -> None:
    c, (one, many) = two[0].bank.c, two
    found = []
    for campus in two:
        bank = campus.bank
        payers = (bank.pool, None, bank.pool, bank.bora, None, bank.alice)
        some = [
            Switching(meter.id, NINE + at, "a test", payer, quantity=30 if meter.quantity > 1 else None)
            for meter, at, payer in zip(campus.meters, AT, payers, strict=True)
        ]  # fmt: skip
        if campus is many:
            found.append(campus.told(ledger.switch_all(c, some, now=NOW)))
        else:
            found.append(
                campus.told(
                    [
                        ledger.switch(
                            c, each.meter, each.at, reason=each.reason, payer=each.payer,
                            quantity=each.quantity, now=NOW,
                        )
                        for each in some
                    ]
                )
            )  # fmt: skip
    assert found[0] == found[1]
    assert many.books() == one.books()
    assert many.books()[-1] == []
    with pytest.raises(LookupError):
        ledger.switch_all(c, [Switching(10**12, NOW, "a test")], now=NOW)


def reprice(campus: Campus) -> None:
    """The price changes twice, and changes back in between."""
    for at, rate in ((200, DEAR), (450, RATES[SMALL, campus.meters[0].component]), (800, DEAR)):
        campus.bank.price(SMALL, rate, valid_from=NINE + at, now=NINE + at)


@pytest.mark.parametrize("at_most", [1, 2, 100])
def test_following_prices_a_few_at_a_time_is_following_them_all(
    two: tuple[Campus, Campus], at_most: int
) -> None:
    c, (one, many) = two[0].bank.c, two
    for campus in two:
        reprice(campus)
    ledger.follow_prices(c, course=one.bank.course, now=NOW)
    course, counts = many.bank.course, list[int]()
    while not counts or counts[-1] == at_most:
        counts.append(len(ledger.follow_prices(c, course=course, now=NOW, at_most=at_most)))
    assert sum(counts) == 4
    assert many.books() == one.books()
    assert many.books()[-1] == []


def test_some_follow_prices_to_their_own_ends_and_others_not_at_all(
    two: tuple[Campus, Campus],
) -> None:
    campus = two[0]
    bank, (read, new, *_) = campus.bank, campus.meters
    reprice(campus)
    until = {read.id: NINE + 300, new.id: NINE + 900}
    made = ledger.follow_prices(bank.c, course=bank.course, now=NOW, until=until)
    assert [(meter.resource, meter.opened_at) for meter in made] == [
        (read.resource, NINE + 200), (new.resource, NINE + 800),
    ]  # fmt: skip
    assert bank.number("SELECT count(*) FROM meters WHERE course = :course") == 6 + 1 + 3


def test_holds_are_released_together(bank: Bank) -> None:
    bank.give(bank.alice, UNIT)
    bank.give(bank.bora, UNIT)
    refs = [f"{bank.name}-{number}" for number in range(3)]
    for ref, account in zip(refs, (bank.alice, bank.alice, bank.bora), strict=True):
        ledger.place_hold(bank.c, account, 1000, ref=ref, now=NINE)
    ledger.release_hold(bank.c, refs[0], now=NINE + 1)
    released = ledger.release_holds(bank.c, [*refs, "nobody's"], now=NINE + 2)
    assert sorted((one.ref, one.released_at) for one in released) == [
        (ref, NINE + 2) for ref in refs[1:]
    ]
    assert (bank.held(bank.alice), bank.held(bank.bora)) == (0, 0)
