"""Counts everything again, and says what does not agree. It reads, and mends nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, case, func, literal, select

from gpuspawner.store.ledger import schema, usage
from gpuspawner.store.ledger.records import AccountKind, Kind


@dataclass(frozen=True, slots=True)
class Difference:
    """What is kept at hand, or should be, and what the postings say. `what` names the rule broken."""

    what: str
    id: int
    kept: int
    counted: int


def differences(c: Connection) -> list[Difference]:
    """Every number that does not agree with the postings; none in a sound ledger."""
    return [
        Difference(what, number, int(kept), int(counted))
        for what, query in (
            ("a transaction adds up to nothing", _transactions()),
            ("a balance is the sum of its postings", _balances()),
            ("a lot keeps what its postings left", _lots()),
            ("a meter has charged what was posted", _meters("charged", AccountKind.SPENT)),
            ("a meter costs what was posted", _meters("cost", AccountKind.BORNE)),
            ("the open holds are covered", _holds()),
        )
        for number, kept, counted in c.execute(query)
    ]


def _transactions() -> Select[Any]:
    postings, accounts = schema.postings, schema.accounts
    cost = case((accounts.c.kind.in_(["cloud", "borne"]), 1), else_=0)
    total = func.sum(postings.c.micros)
    return (
        select(postings.c.txn, literal(0), total)
        .join(accounts, accounts.c.id == postings.c.account)
        .group_by(postings.c.txn, cost)
        .having(total != 0)
    )


def _balances() -> Select[Any]:
    postings, accounts = schema.postings, schema.accounts
    total = func.coalesce(func.sum(postings.c.micros), 0)
    return (
        select(accounts.c.id, accounts.c.balance, total)
        .outerjoin(postings, postings.c.account == accounts.c.id)
        .where(accounts.c.balance.is_not(None))
        .group_by(accounts.c.id, accounts.c.balance)
        .having(total != accounts.c.balance)
    )


def _lots() -> Select[Any]:
    postings, lots = schema.postings, schema.lots
    total = func.coalesce(func.sum(postings.c.micros), 0)
    return (
        select(lots.c.id, lots.c.remaining, total)
        .outerjoin(postings, postings.c.lot == lots.c.id)
        .group_by(lots.c.id, lots.c.remaining)
        .having(total != lots.c.remaining)
    )


def _meters(column: str, kind: AccountKind) -> Select[Any]:
    """A reversal is a gift of the course's: the meter has charged what it has charged."""
    meters, postings = usage.meters, schema.postings
    kept = meters.c[column]
    posted = (
        select(schema.transactions.c.meter, func.sum(postings.c.micros).label("total"))
        .join(postings, postings.c.txn == schema.transactions.c.id)
        .join(schema.accounts, schema.accounts.c.id == postings.c.account)
        .where(
            schema.accounts.c.kind == kind.value, schema.transactions.c.kind != Kind.REVERSAL.value
        )
        .group_by(schema.transactions.c.meter)
        .subquery()
    )
    total = func.coalesce(posted.c.total, 0)
    return (
        select(meters.c.id, kept, total)
        .outerjoin(posted, posted.c.meter == meters.c.id)
        .where(kept != total)
    )


def _holds() -> Select[Any]:
    accounts, holds = schema.accounts, usage.holds
    total = func.sum(holds.c.remaining)
    return (
        select(accounts.c.id, accounts.c.balance, total)
        .join(holds, holds.c.account == accounts.c.id)
        .where(holds.c.released_at.is_(None))
        .group_by(accounts.c.id, accounts.c.balance)
        .having(total > case((accounts.c.balance > 0, accounts.c.balance), else_=0))
    )
