"""Courses, and who has which accounts."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from gpuspawner.errors import ConfigurationError
from gpuspawner.store.ledger import schema, usage
from gpuspawner.store.ledger.records import Account, AccountKind, Course
from gpuspawner.store.ledger.rows import account_of, course_of, portions
from gpuspawner.store.rows import insert_if_absent

DEFAULT = "default"
"""The course that is there from the beginning."""

OF_COURSE = tuple(kind for kind in AccountKind if kind is not AccountKind.STUDENT)
"""The accounts that every course has of its own. The `borne` one is what the pool bore."""

WALLETS = (AccountKind.POOL, AccountKind.STUDENT)
"""The accounts that pay. Only these keep their balance at hand, and only these are locked."""


def course(c: Connection, slug: str = DEFAULT) -> Course:
    """The course of that name.

    Raises:
        ConfigurationError: there is none.
    """
    table = schema.courses
    row = c.execute(select(table).where(table.c.slug == slug)).one_or_none()
    if row is None:
        raise ConfigurationError(f"there is no course {slug!r}")
    return course_of(row)


def configure_course(
    c: Connection, slug: str = DEFAULT, *, unit: str, cost_unit: str, timezone: str
) -> Course:
    """Make the course, or set what the configuration says of it. May be repeated.

    `unit` and `cost_unit` are an ISO currency, or `credit` or `gpu_hour`. Once a price or an
    amount has been written in a unit, the unit stays.

    Raises:
        ConfigurationError: the unit would change what is written.
    """
    table = schema.courses
    values = {"unit": unit, "cost_unit": cost_unit, "timezone": timezone}
    if insert_if_absent(c, table, slug=slug, **values):
        made = course(c, slug)
        kept = {kind.value for kind in WALLETS}
        c.execute(
            insert(schema.accounts),
            [
                {
                    "course": made.id,
                    "kind": kind.value,
                    "balance": 0 if kind.value in kept else None,
                }
                for kind in OF_COURSE
            ],
        )
        return made
    row: Row[Any] = c.execute(select(table).where(table.c.slug == slug).with_for_update()).one()
    units = (unit, cost_unit)
    if (row.unit, row.cost_unit) != units and _in_use(c, row.id):
        raise ConfigurationError(
            f"the ledger of course {slug} counts in {row.unit} and {row.cost_unit}, not in "
            f"{unit} and {cost_unit}; begin with an empty database to change that"
        )
    if (*units, timezone) != (row.unit, row.cost_unit, row.timezone):
        c.execute(update(table).where(table.c.id == row.id).values(values))
    return course(c, slug)


def course_account(c: Connection, course_id: int, kind: AccountKind) -> Account:
    """The course's own account of that kind."""
    return course_accounts(c, course_id)[kind]


def course_accounts(c: Connection, course_id: int) -> dict[AccountKind, Account]:
    """All accounts of the course's own."""
    table = schema.accounts
    rows = c.execute(select(table).where(table.c.course == course_id, table.c.owner.is_(None)))
    return {AccountKind(row.kind): account_of(row) for row in rows}


def student_account(c: Connection, course_id: int, person: str) -> Account:
    """The person's account in the course, made if there is none yet.

    Raises:
        sqlalchemy.exc.IntegrityError: the ledger knows no such person; `person_for` makes one.
    """
    known = find_account(c, course_id, person)
    if known is not None:
        return known
    of: dict[str, Any] = {"course": course_id, "owner": person}
    insert_if_absent(c, schema.accounts, **of, kind=AccountKind.STUDENT.value, balance=0)
    insert_if_absent(c, schema.accounts, **of, kind=AccountKind.BORNE.value, balance=None)
    made = find_account(c, course_id, person)
    assert made is not None
    return made


def find_account(
    c: Connection, course_id: int, person: str, kind: AccountKind = AccountKind.STUDENT
) -> Account | None:
    """The person's account in the course, if there is one."""
    table = schema.accounts
    row = c.execute(
        select(table).where(
            table.c.course == course_id, table.c.owner == person, table.c.kind == kind.value
        )
    ).one_or_none()
    return account_of(row) if row else None


def find_accounts(c: Connection, course_id: int, people: Collection[str]) -> dict[str, Account]:
    """The accounts of those of the people who have one, by person."""
    table, found = schema.accounts, dict[str, Account]()
    for some in portions(people):
        query = select(table).where(
            table.c.course == course_id,
            table.c.owner.in_(some),
            table.c.kind == AccountKind.STUDENT.value,
        )
        found |= {row.owner: account_of(row) for row in c.execute(query)}
    return found


def get_account(c: Connection, account: int) -> Account:
    """The account of that number.

    Raises:
        LookupError: there is none.
    """
    table = schema.accounts
    row = c.execute(select(table).where(table.c.id == account)).one_or_none()
    if row is None:
        raise LookupError(f"there is no account {account}")
    return account_of(row)


def _in_use(c: Connection, course_id: int) -> bool:
    return any(
        c.execute(select(table.c.id).where(table.c.course == course_id).limit(1)).first()
        for table in (usage.prices, schema.transactions)
    )
