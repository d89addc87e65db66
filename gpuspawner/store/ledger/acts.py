"""What people did with money, and why: the ledger's own entries, read as an audit log.

Nothing is written here. An entry is append-only, so the log cannot say less than what was done;
only a note goes when the person it is about is erased.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, case, func, select

from gpuspawner.store.ledger import schema
from gpuspawner.store.ledger.records import AccountKind, Kind

_BY_PEOPLE = (Kind.FUND.value, Kind.GRANT.value, Kind.REVERSAL.value)


@dataclass(frozen=True, slots=True)
class Act:
    """One entry that a person made. `micros` is what it moved: to a student, else to the pool.

    `actor` is a role and, after a colon, an id of the ledger if it was a person. `student` is the id
    of whose account it is about, None if it is about the pool only; `undone` whether it was taken
    back since.
    """

    transaction: int
    at: int
    kind: Kind
    actor: str
    student: str | None
    micros: int
    note: str
    reverses: int | None
    undone: bool


def acts(
    c: Connection,
    course: int,
    *,
    student: str | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[Act]:
    """What people did in the course, the last first; `before` is the last transaction of the page before."""
    txns, postings, accounts = schema.transactions, schema.postings, schema.accounts
    theirs = accounts.c.kind == AccountKind.STUDENT.value
    pool = accounts.c.kind == AccountKind.POOL.value
    to_student = func.sum(case((theirs, postings.c.micros), else_=0))
    query = (
        select(
            txns,
            schema.notes.c.text,
            func.max(case((theirs, accounts.c.owner), else_=None)).label("student"),
            to_student.label("student_micros"),
            func.sum(case((pool, postings.c.micros), else_=0)).label("pool_micros"),
        )
        .join(postings, postings.c.txn == txns.c.id)
        .join(accounts, accounts.c.id == postings.c.account)
        .outerjoin(schema.notes, schema.notes.c.txn == txns.c.id)
        .where(txns.c.course == course, txns.c.kind.in_(_BY_PEOPLE))
        .group_by(*txns.c, schema.notes.c.text)
        .order_by(txns.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(txns.c.id < before)
    if student is not None:
        query = query.having(func.max(case((theirs, accounts.c.owner), else_=None)) == student)
    rows = list(c.execute(query))
    undone = _undone(c, [row.id for row in rows])
    return [
        Act(
            row.id, row.at, Kind(row.kind), row.actor, row.student,
            int(row.student_micros if row.student is not None else row.pool_micros),
            row.text or "", row.reverses, row.id in undone,
        )
        for row in rows
    ]  # fmt: skip


def written_at(c: Connection, transaction: int) -> int | None:
    """When a transaction was written, in UTC seconds; None when there is none of that number."""
    table = schema.transactions
    found: int | None = c.execute(
        select(table.c.at).where(table.c.id == transaction)
    ).scalar_one_or_none()
    return found


def grant_of(c: Connection, account: int) -> dict[int, int]:
    """The transaction that gave each lot of the account, by the lot's number."""
    txns, postings, lots = schema.transactions, schema.postings, schema.lots
    rows = c.execute(
        select(postings.c.lot, txns.c.id)
        .join(txns, txns.c.id == postings.c.txn)
        .join(lots, lots.c.id == postings.c.lot)
        .where(lots.c.account == account, txns.c.kind == Kind.GRANT.value)
    )
    return {row.lot: row.id for row in rows}


def note_of(c: Connection, transaction: int) -> str:
    """What was written about a transaction; "" for nothing, or when it was erased."""
    notes = schema.notes
    return (
        c.execute(select(notes.c.text).where(notes.c.txn == transaction)).scalar_one_or_none() or ""
    )


def _undone(c: Connection, transactions: list[int]) -> set[int]:
    table = schema.transactions
    if not transactions:
        return set()
    return set(
        c.execute(select(table.c.reverses).where(table.c.reverses.in_(transactions))).scalars()
    )
