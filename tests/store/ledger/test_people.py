from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select, text

from gpuspawner.model import Desired, Owner, Reason
from gpuspawner.policy.money_errors import PersonInUse, PersonUnknown
from gpuspawner.store import claims, homes, ledger, schema
from tests.store.ledger.bank import ADMIN, GP3, HOUR, NINE, UNIT, Bank
from tests.store.wishes import at, run

STRANGE = "Åsa\0 \ud800 '; -- 김"


@pytest.fixture
def alice(bank: Bank) -> str:
    """A student who has been charged, was noted about, and has a claim that wants nothing."""
    one = bank.people[0]
    ledger.describe_person(bank.c, one, email="alice@example.org", student_number="2026-001")
    ledger.grant(
        bank.c, bank.alice, UNIT, idem=bank.key(), actor=ADMIN, now=NINE, note="Alice was ill"
    )
    meter = bank.start("i-1", bank.alice, claim=claim_of(bank))
    ledger.close(bank.c, meter.id, NINE + HOUR, reason="user", now=NINE + HOUR)
    run(bank.c, claim_of(bank), Owner(f"{bank.name}-alice", "alice", "gpu"))
    claims.put_stopped(bank.c, claim_of(bank), None, Reason.USER, None, at(60))
    homes.home_token(bank.c, claim_of(bank), at(0))
    return one


def claim_of(bank: Bank) -> str:
    return f"gs-{bank.name}"


def everything(bank: Bank) -> str:
    """All text of all tables, as it is stored."""
    tables = schema.metadata.tables
    stored = {name: bank.ask(f"SELECT * FROM {name}") for name in tables}
    return json.dumps(
        {name: [[str(value) for value in row] for row in rows] for name, rows in stored.items()}
    )


def sums(bank: Bank) -> list[Any]:
    return [
        bank.balance(bank.alice),
        *(bank.of_kind(kind) for kind in ("pool", "spent", "cloud", "borne", "external")),
        bank.ask(
            "SELECT id, charged, cost, opened_at, closed_at FROM meters WHERE course = :course"
        ),
        ledger.pool_summary(bank.c, bank.course),
    ]


def test_the_same_user_of_the_hub_is_one_person_and_a_new_name_is_taken_over(bank: Bank) -> None:
    first = ledger.person_for(bank.c, "77", "alice", now=NINE)
    again = ledger.person_for(bank.c, "77", STRANGE, now=NINE + 1)
    assert (again.id, again.name, again.known_since) == (first.id, STRANGE, NINE)
    other = ledger.person_for(bank.c, "78", "alice", now=NINE)
    assert other.id != first.id
    assert "alice" not in first.id


@pytest.mark.parametrize("by", ["id", "name", "hub_user_id", "email", "student_number"])
def test_a_person_is_found_by_whatever_is_known_of_them(bank: Bank, alice: str, by: str) -> None:
    known = ledger.find_person(bank.c, alice)
    assert ledger.find_person(bank.c, getattr(known, by)) == known


def test_nobody_is_found_by_what_two_share_or_nobody_has(bank: Bank, alice: str) -> None:
    bora = bank.people[1]
    ledger.describe_person(bank.c, bora, email="alice@example.org")
    for text_ in ("alice@example.org", "nobody", ""):
        with pytest.raises(PersonUnknown):
            ledger.find_person(bank.c, text_)


def test_the_people_of_a_course_are_listed_and_those_of_another_are_not(bank: Bank) -> None:
    other = Bank(bank.c)
    assert {one.id for one in ledger.people(bank.c, course=bank.course)} == {*bank.people}
    assert {*bank.people, *other.people} <= {one.id for one in ledger.people(bank.c)}


def test_an_export_holds_everything_about_a_person_and_nothing_about_another(
    bank: Bank, alice: str
) -> None:
    bank.give(bank.bora, 7 * UNIT)
    exported = json.loads(json.dumps(ledger.export_person(bank.c, alice)))
    (account,) = exported["accounts"]
    assert exported["person"]["email"] == "alice@example.org"
    assert account["balance"] == UNIT - 526_000
    assert [line["amount"] for line in account["statement"]["lines"]] == [UNIT, -526_000]
    assert account["statement"]["lines"][0]["note"] == "Alice was ill"
    assert sum(one["micros"] for one in account["postings"]) == account["balance"]
    assert [one["component"] for one in account["meters"]] == ["compute"]
    assert [one["user_name"] for one in exported["claims"]] == ["alice"]
    assert [one["action"] for one in exported["wishes"]] == ["stopped", "running"]
    assert bank.people[1] not in json.dumps(exported)


def test_what_is_erased_is_nowhere_any_more_and_every_sum_stays(bank: Bank, alice: str) -> None:
    before = sums(bank)
    assert all(word in everything(bank) for word in ("Alice was ill", "alice@example.org"))
    erased = ledger.erase_person(bank.c, alice, now=NINE + HOUR)
    assert (erased.name, erased.email, erased.student_number, erased.hub_user_id) == (None,) * 4
    assert erased.erased_at == NINE + HOUR
    stored = everything(bank)
    names = ("Alice was ill", "alice@example.org", "2026-001", f"alice of {bank.name}")
    assert [name for name in names if name in stored] == []
    assert bank.ask("SELECT claim FROM meters WHERE course = :course") == [(None,)]
    assert bank.c.execute(select(schema.claims.c.name)).all() == []
    assert sums(bank) == before
    assert ledger.differences(bank.c) == []
    # To erase again changes nothing, and there is still a statement under the id.
    assert ledger.erase_person(bank.c, alice, now=NINE + 2 * HOUR) == erased
    left = ledger.export_person(bank.c, alice)
    assert (left["claims"], left["accounts"][0]["balance"]) == ([], before[0])


def test_another_person_is_not_touched_by_an_erasure(bank: Bank, alice: str) -> None:
    run(bank.c, "gs-of-bora", Owner(f"{bank.name}-bora", "bora", ""))
    ledger.grant(
        bank.c, bank.bora, 5, idem=bank.key(), actor=ADMIN, now=NINE, note="Bora asked for it"
    )
    before = ledger.export_person(bank.c, bank.people[1])
    ledger.erase_person(bank.c, alice, now=NINE + HOUR)
    assert ledger.export_person(bank.c, bank.people[1]) == before


def test_who_comes_back_after_an_erasure_is_somebody_new(bank: Bank, alice: str) -> None:
    ledger.erase_person(bank.c, alice, now=NINE + HOUR)
    back = ledger.person_for(bank.c, f"{bank.name}-alice", "alice", now=NINE + 2 * HOUR)
    assert back.id != alice
    with pytest.raises(PersonUnknown):
        ledger.describe_person(bank.c, alice, email="alice@example.org")


def open_meter(bank: Bank) -> None:
    bank.start("i-2", bank.alice)


def home_that_the_pool_pays(bank: Bank) -> None:
    bank.start("vol-1", bank.pool, sku=GP3, person=bank.people[0])


def hold(bank: Bank) -> None:
    ledger.place_hold(bank.c, bank.alice, 1, ref=bank.key(), now=NINE)


def wish(bank: Bank) -> None:
    run(bank.c, claim_of(bank), Owner(f"{bank.name}-alice", "alice", "gpu"))


def machine(bank: Bank) -> None:
    claims.set_machine(bank.c, claim_of(bank), "i-3")


def attempt(bank: Bank) -> None:
    bank.c.execute(
        text(
            "INSERT INTO intents (id, claim, generation, region, zone, size, image, disk_gib, "
            "created_at, state) VALUES (:id, :claim, 1, 'r', 'z', 's', 'i', 1, "
            "'2026-11-23 09:00:00', 'open')"
        ),
        {"id": bank.key(), "claim": claim_of(bank)},
    )


@pytest.mark.parametrize(
    "something", [open_meter, home_that_the_pool_pays, hold, wish, machine, attempt]
)
def test_nobody_is_erased_while_something_of_theirs_is_open(
    bank: Bank, alice: str, something: Any
) -> None:
    something(bank)
    before = everything(bank)
    with pytest.raises(PersonInUse, match=alice):
        ledger.erase_person(bank.c, alice, now=NINE + HOUR)
    assert everything(bank) == before


def test_a_claim_of_somebody_erased_may_be_wished_for_again(bank: Bank, alice: str) -> None:
    ledger.erase_person(bank.c, alice, now=NINE + HOUR)
    claim = run(bank.c, claim_of(bank), Owner("new", "alice", "gpu"))
    assert (claim.desired, claim.generation) == (Desired.RUNNING, 2)


@pytest.mark.parametrize("ask", [ledger.export_person, ledger.describe_person])
def test_a_person_who_is_not_there_is_unknown(bank: Bank, ask: Any) -> None:
    with pytest.raises(PersonUnknown):
        ask(bank.c, "p-nobody")
