"""Three real processes at one database, doing the same at once."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from gpuspawner.model import Desired, Owner
from gpuspawner.store import allowance, claims, ledger
from gpuspawner.store.database import Connection
from tests.store import starts
from tests.store.ledger.bank import ADMIN, ALL, HOUR, NINE, SWEEP, UNIT, Bank

pytestmark = SWEEP
FEW = settings(max_examples=100 if ALL else 3, deadline=None)
MANY = 8
"""Requests of each process."""


class Worker:
    def __init__(self, url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.store.ledger.worker", url],
            cwd=Path(__file__).parents[3],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, requests: list[list[Any]]) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(requests) + "\n")
        self._process.stdin.flush()

    def hear(self) -> Any:
        assert self._process.stdout
        return json.loads(self._process.stdout.readline())

    def kill(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.kill()
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


@pytest.fixture(scope="module")
def workers(money_url: str) -> Iterator[list[Worker]]:
    made = [Worker(money_url) for _ in range(3)]
    assert [one.hear() for one in made] == ["ready"] * 3
    yield made
    for one in made:
        one.kill()


def at_once(workers: list[Worker], requests: list[list[list[Any]]]) -> list[list[Any]]:
    """Each worker does its part; what each of them answered."""
    for worker, part in zip(workers, requests, strict=True):
        worker.ask(part)
    return [worker.hear() for worker in workers]


def opened(engine: Engine, *, funded: int = 1000 * UNIT, credit: int = 0) -> Bank:
    """A course that the others see too. Its `c` is to be used by `looking` only."""
    with engine.begin() as c:
        bank = Bank(c, funded)
        if credit:
            bank.give(bank.alice, credit)
    return bank


def looking(engine: Engine, bank: Bank, question: Any) -> Any:
    with engine.begin() as c:
        bank.c = c
        assert ledger.differences(c) == [], bank.dump()
        return question()


@pytest.mark.ledger("I13")
@FEW
@given(micros=st.integers(1, 1000), starts=st.integers(0, 3 * MANY), more=st.integers(0, 999))
def test_two_starts_at_once_do_not_pass_on_the_same_credit(
    engine: Engine, workers: list[Worker], micros: int, starts: int, more: int
) -> None:
    bank = opened(engine, credit=micros * starts + min(more, micros - 1) or 1)
    key = bank.key()
    answers = at_once(
        workers,
        [
            [["hold", bank.alice, micros, f"{key}-{who}-{n}"] for n in range(MANY)]
            for who in range(3)
        ],
    )
    passed = sum(answer is True for some in answers for answer in some)
    there = micros * starts + min(more, micros - 1) or 1
    assert passed == min(3 * MANY, there // micros)
    held = looking(engine, bank, lambda: bank.held(bank.alice))
    assert held == passed * micros


def test_a_student_who_presses_start_everywhere_at_once_starts_what_is_there_for(
    engine: Engine, workers: list[Worker]
) -> None:
    """I13, by the way that a start goes: the wish and its hold, in one transaction."""
    user = f"u-{uuid.uuid4().hex}"
    owner, few = Owner(user, f"name-{user}", ""), 3
    with engine.begin() as c:
        starts.price(c)
        course = ledger.course(c).id
        credit = few * starts.HOLDS[starts.SMALL] + 1
        ledger.fund(c, course, 1000 * UNIT, idem=user, actor=ADMIN, now=NINE)
        account = allowance.student(c, owner, credit, NINE).id
    names = [f"gs-{user[2:10]}-{n:026d}" for n in range(12)]
    parts = [names[who::3] for who in range(3)]
    answers = at_once(workers, [[["press", name, user] for name in part] for part in parts])
    assert sum(answer for some in answers for answer in some) == few
    with engine.begin() as c:
        held = sum(one.remaining for one in ledger.holds(c, account))
        running = [one for one in claims.all_claims(c) if one.owner.user_id == user]
        balance = ledger.standing(c, account, NINE).balance
    assert (held, balance) == (few * starts.HOLDS[starts.SMALL], credit)
    assert [one.desired for one in running] == [Desired.RUNNING] * few


@pytest.mark.ledger("I7")
@FEW
@given(credit=st.integers(1, 200_000), micros=st.integers(1, 20_000))
def test_what_is_set_aside_stays_covered_while_others_charge_top_up_and_release(
    engine: Engine, workers: list[Worker], credit: int, micros: int
) -> None:
    bank = opened(engine, credit=credit)
    with engine.begin() as c:
        bank.c = c
        meter = bank.start("i-1", bank.alice, hold=f"{bank.name}-0-0").id
    refs = [[f"{bank.name}-{who}-{n}" for n in range(MANY)] for who in range(2)]
    setting = [
        [
            *([["hold", bank.alice, micros, ref] for ref in of_one[:4]]),
            *([["release", ref] for ref in of_one[:2]]),
            *([["top_up", ref, 2 * micros] for ref in of_one[2:4]]),
            *([["hold", bank.alice, micros, ref] for ref in of_one[4:]]),
        ]
        for of_one in refs
    ]
    charging = [["settle", meter, NINE + 60 * n] for n in range(1, MANY)]
    at_once(workers, [*setting, charging])
    balance, held = looking(engine, bank, lambda: (bank.balance(bank.alice), bank.held(bank.alice)))
    assert 0 <= held <= max(0, balance)
    assert balance >= 0


@pytest.mark.ledger("I12")
@FEW
@given(micros=st.integers(1, 1000), grants=st.integers(1, 3 * MANY))
def test_several_teachers_at_once_grant_no_more_than_the_pool_has(
    engine: Engine, workers: list[Worker], micros: int, grants: int
) -> None:
    bank = opened(engine, funded=micros * grants)
    key = bank.key()
    answers = at_once(
        workers,
        [
            [["grant", bank.students[n % 2], micros, f"{key}-{who}-{n}"] for n in range(MANY)]
            for who in range(3)
        ],
    )
    passed = sum(answer is not False for some in answers for answer in some)
    assert passed == min(3 * MANY, grants)
    pool = looking(engine, bank, lambda: bank.balance(bank.pool))
    assert pool == (grants - passed) * micros


@pytest.mark.ledger("I5")
def test_a_meter_that_several_read_at_once_is_charged_once(
    engine: Engine, workers: list[Worker]
) -> None:
    bank = opened(engine, credit=50 * UNIT)
    with engine.begin() as c:
        bank.c = c
        meter = bank.start("i-1", bank.alice).id
    looks = [["settle", meter, NINE + n * HOUR // 4] for n in range(1, MANY)]
    every = [["settle_all", bank.course, NINE + n * HOUR // 4] for n in range(1, MANY)]
    answers = at_once(workers, [looks, every, [*looks, ["stop", meter, NINE + 2 * HOUR]]])
    total = 526_000 * 2
    assert sum(sum(some) for some in answers) == total
    assert looking(engine, bank, lambda: bank.balance(bank.alice)) == 50 * UNIT - total


@pytest.mark.ledger("I6")
def test_a_machine_that_several_see_at_once_has_one_meter(
    engine: Engine, workers: list[Worker]
) -> None:
    bank = opened(engine)
    request = ["start", bank.course, f"{bank.name}-i-1", bank.pool, NINE]
    answers = at_once(workers, [[request] * 3] * 3)
    assert len({number for some in answers for number in some}) == 1
    count = "SELECT count(*) FROM meters WHERE course = :course"
    assert looking(engine, bank, lambda: bank.number(count)) == 1


@pytest.mark.ledger("I3")
def test_a_request_that_is_sent_by_several_at_once_has_one_effect(
    engine: Engine, workers: list[Worker]
) -> None:
    bank = opened(engine)
    key = bank.key()
    answers = at_once(workers, [[["grant", bank.alice, UNIT, key]] * 3] * 3)
    assert len({number for some in answers for number in some}) == 1
    granted = looking(engine, bank, lambda: bank.balance(bank.alice))
    assert granted == UNIT
    with engine.begin() as c:
        bank.c = c
        last = bank.number("SELECT max(id) FROM transactions WHERE course = :course")
    backs = at_once(workers, [[["reverse", last, f"{key}-{who}"]] for who in range(3)])
    assert [answer for some in backs for answer in some].count(False) == 2
    assert looking(engine, bank, lambda: bank.balance(bank.alice)) == 0


def test_a_process_killed_while_it_charges_has_charged_nothing(
    engine: Engine, money_url: str
) -> None:
    bank = opened(engine, credit=UNIT)

    def start(c: Connection) -> int:
        bank.c = c
        return bank.start("i-1", bank.alice).id

    with engine.begin() as c:
        meter = start(c)
    worker = Worker(money_url)
    assert worker.hear() == "ready"
    worker.ask([["half", meter, NINE + HOUR]])
    assert worker.hear() == 526_000
    worker.kill()
    assert looking(engine, bank, lambda: bank.balance(bank.alice)) == UNIT
    # Nor does it stand in the way of the next.
    with engine.begin() as c:
        assert ledger.close(c, meter, NINE + HOUR, reason="user", now=NINE + HOUR)
    assert looking(engine, bank, lambda: bank.balance(bank.alice)) == UNIT - 526_000
