"""The ledger's own rules, each against a term in which anything happens, on both databases."""

from __future__ import annotations

import itertools
from collections import defaultdict

import pytest
from sqlalchemy import Engine

from gpuspawner.policy.money import Book
from gpuspawner.store import ledger
from tests.store.ledger.bank import SWEEP
from tests.store.ledger.term import Term, play

pytestmark = SWEEP


@pytest.mark.ledger("I1")
def test_the_postings_of_every_transaction_add_up_to_nothing_in_both_books(engine: Engine) -> None:
    def check(term: Term) -> None:
        sums = term.bank.ask(
            "SELECT p.txn, sum(CASE WHEN a.kind IN ('cloud', 'borne') THEN 0 ELSE p.micros END), "
            "sum(CASE WHEN a.kind IN ('cloud', 'borne') THEN p.micros ELSE 0 END) "
            "FROM postings p JOIN accounts a ON a.id = p.account "
            "WHERE a.course = :course GROUP BY p.txn"
        )
        assert [row for row in sums if row[1] or row[2]] == []
        without = "SELECT id FROM transactions WHERE course = :course AND id NOT IN (SELECT txn FROM postings)"
        assert term.bank.ask(without) == []
        strangers = (
            "SELECT p.id FROM postings p JOIN accounts a ON a.id = p.account "
            "JOIN transactions t ON t.id = p.txn WHERE t.course = :course AND a.course <> t.course"
        )
        assert term.bank.ask(strangers) == []

    play(engine, check)


@pytest.mark.ledger("I4")
def test_a_balance_at_hand_is_the_sum_of_its_postings(engine: Engine) -> None:
    def check(term: Term) -> None:
        kept = term.bank.ask(
            "SELECT id, balance FROM accounts WHERE course = :course AND balance IS NOT NULL"
        )
        assert [tuple(row) for row in kept] == [
            (number, term.bank.balance(number)) for number, _ in kept
        ]
        assert ledger.differences(term.c) == []
        one = term.bank.students[0]
        standing = ledger.standing(term.c, one, term.now)
        assert (standing.balance, standing.held) == (term.bank.balance(one), term.bank.held(one))

    play(engine, check)


@pytest.mark.ledger("I6")
def test_no_two_meters_of_a_resource_are_open_or_overlap(engine: Engine) -> None:
    def check(term: Term) -> None:
        intervals = defaultdict(list)
        for resource, component, opened, closed in term.bank.ask(
            "SELECT resource, component, opened_at, closed_at FROM meters "
            "WHERE course = :course ORDER BY id"
        ):
            intervals[resource, component].append((opened, closed))
        for of_one in intervals.values():
            assert all(closed is not None for _, closed in of_one[:-1])
            for (_, closed), (opened, _) in itertools.pairwise(of_one):
                assert closed <= opened

    play(engine, check)


@pytest.mark.ledger("I7")
def test_what_is_set_aside_was_there_and_what_is_still_set_aside_is_there(engine: Engine) -> None:
    def check(term: Term) -> None:
        holds = [one for one in term.seen.asked if one.what == "hold"]
        assert [one for one in holds if one.granted != (one.wanted <= one.there)] == []
        for account in term.wallets:
            assert term.bank.held(account) <= max(0, term.bank.balance(account))

    play(engine, check, every=1)


@pytest.mark.ledger("I8")
def test_no_student_owes_more_than_is_allowed_and_the_rest_is_an_alarm(engine: Engine) -> None:
    def check(term: Term) -> None:
        for account in term.bank.students:
            assert term.bank.balance(account) >= -term.overdraft
        written_off = -term.bank.of_kind("writeoff")
        assert written_off >= 0
        # What is given back may be something that nobody had paid.
        assert written_off <= term.seen.alarms

    play(engine, check, every=1)


@pytest.mark.ledger("I9")
def test_a_charge_is_at_the_prices_valid_and_known_when_its_segment_began(engine: Engine) -> None:
    def check(term: Term) -> None:
        for row in term.bank.ask("SELECT id FROM meters WHERE course = :course"):
            meter = ledger.get_meter(term.c, row[0])
            read_to = meter.metered_to if meter.closed_at is None else meter.closed_at
            for book, amount in ((Book.CHARGE, meter.charged), (Book.COST, meter.cost)):
                price = meter.charge_price if book is Book.CHARGE else meter.cost_price
                newer = term.bank.number(
                    "SELECT count(*) FROM prices WHERE course = :course AND book = :book "
                    "AND sku = :sku AND component = :component AND valid_from <= :at "
                    "AND recorded_at < :at AND (valid_from, id) > (:valid_from, :id)",
                    book=book.value, sku=price.sku.sku, component=price.component.value,
                    at=meter.opened_at, valid_from=price.valid_from, id=price.id,
                )  # fmt: skip
                assert (price.valid_from <= meter.opened_at, newer) == (True, 0)
                was_read = meter.closed_at is not None or meter.metered_to > meter.opened_at
                expected = meter.amount(book, read_to) if was_read else 0
                # What a teacher has given back is not given back a second time.
                assert amount == expected or (amount > expected and _taken_back(term, meter.id))

    play(engine, check)


def _taken_back(term: Term, meter: int) -> int:
    return term.bank.number(
        "SELECT count(*) FROM transactions WHERE meter = :m AND kind = 'reversal'", m=meter
    )


@pytest.mark.ledger("I11")
def test_a_transaction_is_taken_back_once_and_by_no_more_than_it_was(engine: Engine) -> None:
    def check(term: Term) -> None:
        rows = term.bank.ask(
            "SELECT r.reverses, o.kind, "
            "(SELECT sum(abs(p.micros)) FROM postings p WHERE p.txn = r.id) / 2, "
            "(SELECT sum(abs(p.micros)) FROM postings p JOIN accounts a ON a.id = p.account "
            " WHERE p.txn = o.id AND a.kind NOT IN ('cloud', 'borne')) / 2 "
            "FROM transactions r JOIN transactions o ON o.id = r.reverses "
            "WHERE r.course = :course"
        )
        taken = [row[0] for row in rows]
        assert len(taken) == len(set(taken))
        assert {row[1] for row in rows} <= {"fund", "grant", "charge"}
        assert [row for row in rows if row[2] > row[3]] == []
        # Nor does a meter give back, in all, more than it was paid.
        given = term.bank.ask(
            "SELECT t.meter, sum(p.micros) FROM postings p "
            "JOIN transactions t ON t.id = p.txn JOIN accounts a ON a.id = p.account "
            "WHERE t.course = :course AND t.meter IS NOT NULL AND a.kind = 'spent' "
            "GROUP BY t.meter HAVING sum(p.micros) < 0"
        )
        assert given == []

    play(engine, check)


@pytest.mark.ledger("I12")
def test_a_teacher_hands_out_what_is_in_the_pool_and_makes_none(engine: Engine) -> None:
    def check(term: Term) -> None:
        asked = term.seen.asked
        grants = [one for one in asked if one.what == "grant"]
        assert [one for one in grants if one.granted != (one.wanted <= one.there)] == []
        funds = [one for one in asked if one.what == "fund"]
        assert [one for one in funds if one.granted != (one.who == "admin")] == []
        strangers = term.bank.ask(
            "SELECT t.id FROM transactions t JOIN postings p ON p.txn = t.id "
            "JOIN accounts a ON a.id = p.account WHERE t.course = :course "
            "AND a.kind = 'external' AND (t.kind NOT IN ('fund', 'reversal') "
            "OR t.actor NOT LIKE 'admin%')"
        )
        assert strangers == []

    play(engine, check)


@pytest.mark.ledger("I14")
def test_what_was_granted_is_spent_expired_taken_back_or_still_there(engine: Engine) -> None:
    def check(term: Term) -> None:
        for lot, granted, remaining in term.bank.ask(
            "SELECT l.id, l.granted, l.remaining FROM lots l "
            "JOIN accounts a ON a.id = l.account WHERE a.course = :course"
        ):
            sums = {
                kind: int(micros)
                for kind, micros in term.bank.ask(
                    "SELECT CASE WHEN t.kind = 'reversal' THEN o.kind || ' back' "
                    "WHEN t.kind = 'grant' AND p.micros < 0 THEN 'debt' ELSE t.kind END AS what, "
                    "sum(p.micros) FROM postings p JOIN transactions t ON t.id = p.txn "
                    "LEFT JOIN transactions o ON o.id = t.reverses "
                    "WHERE p.lot = :lot GROUP BY what",
                    lot=lot,
                )
            }
            came = sums.pop("grant")
            expired = -sums.pop("expiry", 0)
            taken_back = -sums.pop("grant back", 0)
            spent = -sum(sums.values())
            assert (came, min(spent, expired, taken_back) >= 0) == (granted, True)
            assert spent + expired + taken_back + remaining == granted

    play(engine, check)


@pytest.mark.ledger("I16")
def test_all_times_are_whole_seconds_and_a_reading_only_goes_on(engine: Engine) -> None:
    def check(term: Term) -> None:
        for readings in term.seen.readings.values():
            assert readings == sorted(readings)
        times = {
            "transactions": ("at", "effective_at"),
            "meters": ("opened_at", "metered_to", "closed_at", "charge_from", "cost_from"),
            "prices": ("valid_from", "fetched_at", "recorded_at"),
        }
        for table, columns in times.items():
            for row in term.bank.ask(
                f"SELECT {', '.join(columns)} FROM {table} WHERE course = :course"
            ):
                assert {type(value) for value in row} <= {int, type(None)}

    play(engine, check)
