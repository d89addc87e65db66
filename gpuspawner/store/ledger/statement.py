"""Every line that somebody pays, or that somebody's machines cost, in a period.

A line belongs to the period in which it was *written*, as on a bank's statement: so a statement of
the past never changes, and the opening balance and the lines add up to the closing balance. What a
line is about (`start`, `stop`) may be earlier, when a controller was away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, case, func, select

from gpuspawner.policy.money import Component, Rate
from gpuspawner.store.ledger import rows, schema, usage
from gpuspawner.store.ledger.accounts import find_account
from gpuspawner.store.ledger.records import Account, Kind, Meter

_USE = (Kind.CHARGE.value, Kind.CORRECTION.value, Kind.TRANSFER.value)


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `amount` is what the balance changed by, in micros; below zero it was paid.

    Of a meter: `start` and `stop` are the stretch that was read in the period, `seconds` its
    length, `rate` its price for its quantity, `total` what it came to whoever paid, `own` whether
    this person paid, `open` whether it goes on. Of anything else, only `at`, `kind`, `amount`,
    `transaction` and `note` say something; `start` and `stop` are when it took effect.
    """

    at: int
    kind: Kind
    amount: int
    start: int
    stop: int
    seconds: int = 0
    component: Component | None = None
    resource: str = ""
    claim: str | None = None
    rate: Rate | None = None
    total: int = 0
    own: bool = True
    open: bool = False
    reason: str | None = None
    meter: int | None = None
    transaction: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """The lines written from `since` to before `until`, by time, and the balances around them."""

    account: int | None
    since: int
    until: int
    opening: int
    lines: tuple[Line, ...]
    closing: int


def statement(c: Connection, course: int, person: str, since: int, until: int) -> Statement:
    """What a person paid and got from `since` to before `until`, and what their machines used.

    A person without an account has an empty statement.
    """
    account = find_account(c, course, person)
    opening = _balance_before(c, account, since) if account else 0
    lines = [
        *_use(c, course, person, account, since, until),
        *(_others(c, account, since, until) if account else ()),
    ]
    lines.sort(key=lambda line: (line.at, line.stop, line.transaction or 0, line.meter or 0))
    closing = _balance_before(c, account, until) if account else 0
    return Statement(account.id if account else None, since, until, opening, tuple(lines), closing)


def _balance_before(c: Connection, account: Account, at: int) -> int:
    postings, transactions = schema.postings, schema.transactions
    total = c.execute(
        select(func.coalesce(func.sum(postings.c.micros), 0))
        .join(transactions, transactions.c.id == postings.c.txn)
        .where(postings.c.account == account.id, transactions.c.at < at)
    )
    return int(total.scalar_one())


def _use(
    c: Connection, course: int, person: str, account: Account | None, since: int, until: int
) -> list[Line]:
    """One line for each meter of the person's, or paid by them, that was read in the period."""
    postings, transactions, meters = schema.postings, schema.transactions, usage.meters
    own = account.id if account else -1
    spent = select(schema.accounts.c.id).where(
        schema.accounts.c.course == course, schema.accounts.c.kind == "spent"
    )
    micros = postings.c.micros
    theirs = (meters.c.person == person) | (postings.c.account == own)
    found: list[Any] = list(
        c.execute(
            select(
                transactions.c.meter,
                func.max(transactions.c.at).label("at"),
                func.max(transactions.c.effective_at).label("read_to"),
                func.sum(case((postings.c.account == own, micros), else_=0)).label("amount"),
                func.sum(case((postings.c.account.in_(spent), micros), else_=0)).label("total"),
            )
            .join(postings, postings.c.txn == transactions.c.id)
            .join(meters, meters.c.id == transactions.c.meter)
            .where(
                transactions.c.course == course,
                transactions.c.kind.in_(_USE),
                transactions.c.at >= since,
                transactions.c.at < until,
                transactions.c.meter.in_(
                    select(transactions.c.meter)
                    .join(postings, postings.c.txn == transactions.c.id)
                    .join(meters, meters.c.id == transactions.c.meter)
                    .where(transactions.c.course == course, theirs)
                ),
            )
            .group_by(transactions.c.meter)
        )
    )
    known = _meters(c, [row.meter for row in found])
    before, after = _around(c, list(known), since, until)
    return [
        _line(row, known[row.meter], own, before.get(row.meter), row.meter in after)
        for row in found
    ]


def _meters(c: Connection, numbers: list[int]) -> dict[int, Meter]:
    found: dict[int, Meter] = {}
    for some in rows.portions(numbers):
        query = rows.select_meters().where(usage.meters.c.id.in_(some))
        found |= {row.id: rows.meter_of(row) for row in c.execute(query)}
    return found


def _around(
    c: Connection, meters: list[int], since: int, until: int
) -> tuple[dict[int, int], set[int]]:
    """How far meters were read before the period, and those that were read again after it."""
    table = schema.transactions
    before: dict[int, int] = {}
    after: set[int] = set()
    for some in rows.portions(meters):
        of = (table.c.meter.in_(some), table.c.kind.in_(_USE))
        read = select(table.c.meter, func.max(table.c.effective_at)).where(*of, table.c.at < since)
        before |= {row[0]: row[1] for row in c.execute(read.group_by(table.c.meter))}
        again = select(table.c.meter).where(*of, table.c.at >= until).distinct()
        after |= set(c.execute(again).scalars())
    return before, after


def _line(row: Row[Any], meter: Meter, own: int, before: int | None, again: bool) -> Line:
    start = meter.opened_at if before is None else before
    ended = meter.closed_at is not None and not again
    stop = meter.closed_at if ended and meter.closed_at is not None else row.read_to
    return Line(
        at=row.at,
        kind=Kind.CHARGE,
        amount=int(row.amount),
        start=start,
        stop=stop,
        seconds=stop - start,
        component=meter.component,
        resource=meter.resource,
        claim=meter.claim,
        rate=meter.charge_price.rate.times(meter.quantity),
        total=int(row.total),
        own=bool(row.amount) or meter.payer == own,
        open=not ended,
        reason=meter.close_reason if ended else None,
        meter=meter.id,
    )


def _others(c: Connection, account: Account, since: int, until: int) -> list[Line]:
    """Grants, what expired, and what was taken back."""
    postings, transactions, notes = schema.postings, schema.transactions, schema.notes
    found = c.execute(
        select(transactions, notes.c.text, func.sum(postings.c.micros).label("amount"))
        .join(postings, postings.c.txn == transactions.c.id)
        .outerjoin(notes, notes.c.txn == transactions.c.id)
        .where(
            postings.c.account == account.id,
            transactions.c.kind.not_in(_USE),
            transactions.c.at >= since,
            transactions.c.at < until,
        )
        .group_by(transactions.c.id, notes.c.text)
    )
    return [
        Line(
            row.at, Kind(row.kind), int(row.amount), row.effective_at, row.effective_at,
            meter=row.meter, transaction=row.id, note=row.text or "",
        )
        for row in found
    ]  # fmt: skip
