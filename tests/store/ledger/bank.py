"""A course with money, prices and two students; and what is asked of the tables in plain SQL.

The questions are SQL of the tests' own, so that a mistake in the ledger's is not made twice.
"""

from __future__ import annotations

import itertools
import os
from typing import Any

import pytest
from sqlalchemy import Connection, text

from gpuspawner.policy.money import Book, Component, Rate
from gpuspawner.store import ledger
from gpuspawner.store.ledger import AccountKind, Actor, Lot, Meter, Role, Sku

NINE = 1_795_424_400  # Monday, 23 November 2026, 09:00 UTC
HOUR = 3600
UNIT = 1_000_000

ALL = os.environ.get("GPUSPAWNER_FAULTS") == "all"
SWEEP = [pytest.mark.faults, pytest.mark.timeout(3600 if ALL else 120)]
"""The marks of a module of which GPUSPAWNER_FAULTS=all runs much more."""

ADMIN = Actor(Role.ADMIN, "p-admin")
TEACHER = Actor(Role.TEACHER, "p-teacher")

SMALL = Sku("aws", "us-east-1", "g4dn.xlarge")
LARGE = Sku("aws", "us-east-1", "g5.xlarge")
GP3 = Sku("aws", "us-east-1", "gp3")

RATES = {
    (SMALL, Component.COMPUTE): Rate(526_000, 3600, 60),
    (LARGE, Component.COMPUTE): Rate(1_006_007, 3600, 300),
    (GP3, Component.HOME): Rate(80_000, 1, 60, monthly=True),
}
EXTRA = 3
"""The cost book's prices are the charge book's and so many micros: the two are never mixed up."""

_numbers = itertools.count(1)


class Bank:
    """One course in an open transaction."""

    def __init__(self, c: Connection, funded: int = 1000 * UNIT, name: str = "") -> None:
        self.c = c
        name = name or f"course-{os.getpid()}-{next(_numbers)}"
        made = ledger.configure_course(c, name, unit="USD", cost_unit="USD", timezone="Asia/Seoul")
        self.course = made.id
        self.name = name
        self.pool = ledger.course_account(c, self.course, AccountKind.POOL).id
        self.people = [
            ledger.person_for(c, f"{name}-{who}", f"{who} of {name}", now=NINE).id
            for who in ("alice", "bora")
        ]
        self.students = [ledger.student_account(c, self.course, one).id for one in self.people]
        self.alice, self.bora = self.students
        for (sku, component), rate in RATES.items():
            self.price(sku, rate, component)
        if funded:
            ledger.fund(c, self.course, funded, idem=self.key(), actor=ADMIN, now=NINE)

    def key(self) -> str:
        return f"{self.name}-{next(_numbers)}"

    def price(
        self,
        sku: Sku,
        rate: Rate,
        component: Component = Component.COMPUTE,
        *,
        valid_from: int = 0,
        now: int = NINE,
    ) -> None:
        for book, extra in ((Book.CHARGE, 0), (Book.COST, EXTRA)):
            ledger.add_price(
                self.c, self.course, book, sku, component,
                Rate(rate.num + extra, rate.den, rate.minimum, rate.monthly),
                valid_from=valid_from, source="a test", fetched_at=now, now=now,
            )  # fmt: skip

    def give(
        self, account: int, micros: int, *, now: int = NINE, expires_at: int | None = None
    ) -> Lot:
        return ledger.grant(
            self.c, account, micros, idem=self.key(), actor=TEACHER, now=now, expires_at=expires_at
        )

    def start(
        self, resource: str, payer: int, at: int = NINE, sku: Sku = SMALL, **more: Any
    ) -> Meter:
        component = Component.HOME if sku == GP3 else Component.COMPUTE
        owner = self.people[self.students.index(payer)] if payer in self.students else None
        return ledger.open_meter(
            self.c, self.course, f"{self.name}-{resource}", component,
            **{"start": str(at), "payer": payer, "sku": sku, "opened_at": at, "reason": "user",
               "person": owner} | more,
        )  # fmt: skip

    def balance(self, account: int) -> int:
        return self.number("SELECT sum(micros) FROM postings WHERE account = :a", a=account)

    def held(self, account: int) -> int:
        return self.number(
            "SELECT sum(remaining) FROM holds WHERE account = :a AND released_at IS NULL", a=account
        )

    def of_kind(self, kind: str) -> int:
        return self.number(
            "SELECT sum(p.micros) FROM postings p JOIN accounts a ON a.id = p.account "
            "WHERE a.course = :course AND a.kind = :kind",
            kind=kind,
        )

    def number(self, question: str, **values: Any) -> int:
        return int(self.ask(question, **values)[0][0] or 0)

    def ask(self, question: str, **values: Any) -> list[Any]:
        if ":course" in question:
            values |= {"course": self.course}
        return list(self.c.execute(text(question), values).all())

    def dump(self) -> str:
        """The whole course, for the reader of a failure."""
        tables = {
            "accounts": "SELECT * FROM accounts WHERE course = :course ORDER BY id",
            "meters": "SELECT * FROM meters WHERE course = :course ORDER BY id",
            "transactions": "SELECT * FROM transactions WHERE course = :course ORDER BY id",
            "postings": "SELECT p.* FROM postings p JOIN transactions t ON t.id = p.txn "
            "WHERE t.course = :course ORDER BY p.id",
            "lots": "SELECT l.* FROM lots l JOIN accounts a ON a.id = l.account "
            "WHERE a.course = :course ORDER BY l.id",
            "holds": "SELECT h.* FROM holds h JOIN accounts a ON a.id = h.account "
            "WHERE a.course = :course ORDER BY h.id",
        }
        return "\n".join(
            f"{name}:\n" + "\n".join(f"  {tuple(row)}" for row in self.ask(question))
            for name, question in tables.items()
        )
