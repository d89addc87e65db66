"""Everything about one person, as values for JSON: what they may ask to see."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any

from sqlalchemy import Connection, select

from gpuspawner.store import schema
from gpuspawner.store.events import audit_lines
from gpuspawner.store.ledger import rows, usage
from gpuspawner.store.ledger import schema as books
from gpuspawner.store.ledger.records import AccountKind, Person
from gpuspawner.store.ledger.standing import balance, grants, holds
from gpuspawner.store.ledger.statement import statement

_ALWAYS = 2**62
"""A time after all times."""

_LINES = 100_000


def of(c: Connection, person: Person) -> dict[str, Any]:
    """The person's row, and for each course the statement since the beginning, and all beside it."""
    accounts = books.accounts
    mine = c.execute(
        select(accounts)
        .where(accounts.c.owner == person.id, accounts.c.kind == AccountKind.STUDENT.value)
        .order_by(accounts.c.id)
    )
    claims = _claims(c, person)
    return {
        "person": values(person),
        "accounts": [_account(c, row.id, row.course, person) for row in mine],
        "claims": claims,
        "benchmarks": _benchmarks(c, person),
        "wishes": [
            values(line) for claim in claims for line in audit_lines(c, claim["name"], _LINES)
        ],
    }


def values(thing: Any) -> Any:
    """A record as values for JSON."""
    if isinstance(thing, enum.Enum):
        return thing.value
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        return {one.name: values(getattr(thing, one.name)) for one in dataclasses.fields(thing)}
    if isinstance(thing, list | tuple):
        return [values(one) for one in thing]
    return thing.isoformat() if hasattr(thing, "isoformat") else thing


def _account(c: Connection, account: int, course: int, person: Person) -> dict[str, Any]:
    courses, transactions, postings = books.courses, books.transactions, books.postings
    row = c.execute(select(courses).where(courses.c.id == course)).one()
    written = c.execute(
        select(transactions, postings.c.micros, postings.c.lot)
        .join(postings, postings.c.txn == transactions.c.id)
        .where(postings.c.account == account)
        .order_by(postings.c.id)
    )
    meters = c.execute(
        rows.select_meters()
        .where(usage.meters.c.person == person.id, usage.meters.c.course == course)
        .order_by(usage.meters.c.id)
    )
    return {
        "course": row.slug,
        "unit": row.unit,
        "balance": balance(c, account),
        "statement": values(statement(c, course, person.id, 0, _ALWAYS)),
        "grants": values(grants(c, account)),
        "holds": values(holds(c, account, released=True)),
        "postings": [
            {
                "transaction": one.id, "kind": one.kind, "at": one.at,
                "effective_at": one.effective_at, "micros": one.micros, "lot": one.lot,
            }
            for one in written
        ],
        "meters": [values(rows.meter_of(one)) for one in meters],
    }  # fmt: skip


def _claims(c: Connection, person: Person) -> list[dict[str, Any]]:
    table = schema.claims
    if person.hub_user_id is None:
        return []
    found = c.execute(
        select(table).where(table.c.user_id == person.hub_user_id).order_by(table.c.name)
    )
    names = (
        "name", "user_id", "user_name", "server_name", "specification", "desired", "generation",
        "desired_at", "reason", "machine_id", "up_at", "heartbeat_at",
    )  # fmt: skip
    return [{name: values(getattr(row, name)) for name in names} for row in found]


def _benchmarks(c: Connection, person: Person) -> list[dict[str, Any]]:
    table = schema.benchmarks
    found = c.execute(
        select(table).where(table.c.person == person.id).order_by(*table.primary_key.columns)
    )
    names = ("measure", "kind", "device", "backend", "scale", "value", "measured_at")
    return [{name: values(getattr(row, name)) for name in names} for row in found]
