"""Shorthand for starts that cost something: prices, credit, and one wish. Times as in `wishes`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from gpuspawner.model import Claim, Owner, Specification
from gpuspawner.policy.credit_rules import CreditRules
from gpuspawner.policy.money import Book, Component, Rate, hold_for, seconds_of
from gpuspawner.store import allowance, ledger
from gpuspawner.store.admission import Refused, Terms, Wish, put_running
from gpuspawner.store.ledger import AccountKind, Sku
from tests.store.wishes import ALICE, NAME, SPECIFICATION, TOKEN, at

UNIT = 1_000_000
SMALL, LARGE = SPECIFICATION.sizes
RATES = {SMALL: Rate(526_000, 3600, 60), LARGE: Rate(1_006_000, 3600, 60), "t3": Rate(42_000, 3600)}
NOW = seconds_of(at(0))
HOLDS = {size: hold_for(rate) for size, rate in RATES.items()}
ONE_SMALL = Specification("gpu", "One GPU", (SMALL,))


def price(c: Connection, *sizes: str, books: tuple[Book, ...] = tuple(Book)) -> None:
    """Let these sizes (all when none is named) have a price since the beginning."""
    course = ledger.course(c).id
    for size in sizes or RATES:
        for book in books:
            ledger.add_price(
                c, course, book, Sku("aws", "us-east-1", size), Component.COMPUTE, RATES[size],
                valid_from=0, source="a test", fetched_at=0, now=0,
            )  # fmt: skip


def fund(c: Connection, micros: int) -> None:
    """What the configuration would bring in."""
    allowance.fund_course(c, micros, NOW)


def terms(**changes: Any) -> Terms:
    values: dict[str, Any] = {
        "provider": "aws", "enforce": True, "rules": CreditRules(), "student_credit": 5 * UNIT,
        "offered": tuple(RATES),
    }  # fmt: skip
    return Terms(**(values | changes))


def wish(
    name: str = NAME, owner: Owner = ALICE, specification: Specification = ONE_SMALL,
    seconds: float = 0,
) -> Wish:  # fmt: skip
    return Wish(
        name, owner, specification, {"JUPYTERHUB_API_TOKEN": TOKEN}, ["jupyterhub-singleuser"],
        8888, at(seconds + 900),
    )  # fmt: skip


def begin(
    c: Connection, seconds: float = 0, *, on: Terms | None = None, **of: Any
) -> Claim | Refused:
    """The student presses start."""
    return put_running(c, wish(seconds=seconds, **of), on or terms(), at(seconds))


def account(c: Connection, owner: Owner = ALICE) -> int:
    return allowance.student(c, owner, 0, NOW).id


def holds(c: Connection, owner: Owner = ALICE) -> dict[str, int]:
    return {one.ref: one.remaining for one in ledger.holds(c, account(c, owner))}


def pool(c: Connection) -> int:
    return ledger.balance(c, ledger.course_account(c, ledger.course(c).id, AccountKind.POOL).id)
