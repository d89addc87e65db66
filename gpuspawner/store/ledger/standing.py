"""Where everybody stands now: balances, grants, holds, the pool, and what an hour costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from gpuspawner.policy.money import Book, Rate
from gpuspawner.store.ledger import schema, usage
from gpuspawner.store.ledger.accounts import course_accounts, get_account
from gpuspawner.store.ledger.meters import open_meters
from gpuspawner.store.ledger.records import Account, AccountKind, Hold, Lot, Meter
from gpuspawner.store.ledger.rows import account_of, hold_of, lot_of


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one paying account stands at a time, in micros.

    `balance` is what the postings add up to, `held` the open holds, `expired` what lots whose time
    has passed still hold, `accrued` what open meters have come to since they were read, computed
    and not posted. `available` is what a start may set aside (as `place_hold` counts it), `live`
    what a person is shown: the balance less what is accrued. `rates` are those of the open meters.
    """

    account: Account
    balance: int
    held: int
    expired: int
    accrued: int
    rates: tuple[Rate, ...] = ()

    @property
    def available(self) -> int:
        """What may be set aside: neither held nor expired."""
        free = self.balance - self.held
        return max(0, free - self.expired) if free > 0 else free

    @property
    def live(self) -> int:
        """The balance as it would be if every meter were read now."""
        return self.balance - self.accrued


@dataclass(frozen=True, slots=True)
class Pool:
    """The course's money, in micros: `funded + written_off = pool + students + spent + expired`.

    `students` is what students have, `spent` what machines have used, of which students and the
    pool paid all but `written_off`; `held` is the part of `pool` that is set aside. `cost` is in
    the unit of the cost book: what the cloud is owed.
    """

    funded: int
    pool: int
    held: int
    students: int
    spent: int
    expired: int
    written_off: int
    cost: int


def balance(c: Connection, account: int) -> int:
    """What the postings of any account add up to, in micros."""
    table = schema.postings
    return int(
        c.execute(
            select(func.coalesce(func.sum(table.c.micros), 0)).where(table.c.account == account)
        ).scalar_one()
    )


def standing(c: Connection, account: int, now: int) -> Standing:
    """Where one paying account stands.

    Raises:
        LookupError: there is no such account.
    """
    return _standings(c, [get_account(c, account)], now)[0]


def standings(c: Connection, course: int, now: int) -> list[Standing]:
    """Where every student of the course stands, by number of account. Few statements for all."""
    table = schema.accounts
    rows = c.execute(
        select(table)
        .where(table.c.course == course, table.c.kind == AccountKind.STUDENT.value)
        .order_by(table.c.id)
    )
    return _standings(c, [account_of(row) for row in rows], now)


def grants(c: Connection, account: int) -> list[Lot]:
    """Every grant to an account and what is left of it, the oldest first."""
    table = schema.lots
    rows = c.execute(select(table).where(table.c.account == account).order_by(table.c.id))
    return [lot_of(row) for row in rows]


def holds(c: Connection, account: int, *, released: bool = False) -> list[Hold]:
    """The open holds of an account, the oldest first; those that were released too if wanted."""
    table = usage.holds
    query = select(table).where(table.c.account == account).order_by(table.c.id)
    if not released:
        query = query.where(table.c.released_at.is_(None))
    return [hold_of(row) for row in c.execute(query)]


def pool_summary(c: Connection, course: int) -> Pool:
    """The course's money, each figure from the postings."""
    table, postings = schema.accounts, schema.postings
    rows = c.execute(
        select(table.c.kind, table.c.owner.is_(None).label("own"), func.sum(postings.c.micros))
        .join(postings, postings.c.account == table.c.id)
        .where(table.c.course == course)
        .group_by(table.c.kind, table.c.owner.is_(None))
    )
    sums: dict[str, int] = {}
    for kind, _, micros in rows:
        sums[kind] = sums.get(kind, 0) + int(micros)
    pool = course_accounts(c, course)[AccountKind.POOL]
    return Pool(
        funded=-sums.get("external", 0),
        pool=sums.get("pool", 0),
        held=sum(hold.remaining for hold in holds(c, pool.id)),
        students=sums.get("student", 0),
        spent=sums.get("spent", 0),
        expired=sums.get("expired", 0),
        written_off=-sums.get("writeoff", 0),
        cost=-sums.get("cloud", 0),
    )


def burn(c: Connection, course: int) -> dict[Book, int]:
    """What an hour of all that is open now costs, in micros, in each book."""
    meters = open_meters(c, course=course)
    return {book: sum(meter.rate(book).per_hour() for meter in meters) for book in Book}


def _standings(c: Connection, accounts: Sequence[Account], now: int) -> list[Standing]:
    courses = {account.course for account in accounts}
    paid: dict[int, list[Meter]] = defaultdict(list)
    for course in courses:
        for meter in open_meters(c, course=course):
            paid[meter.payer].append(meter)
    of = schema.accounts
    within = of.c.course.in_(courses), of.c.kind.in_(["student", "pool"])
    balances = _sums(c, schema.postings, schema.postings.c.micros, *within)
    held = _sums(
        c, usage.holds, usage.holds.c.remaining, *within, usage.holds.c.released_at.is_(None)
    )
    lots = schema.lots
    expired = _sums(c, lots, lots.c.remaining, *within, lots.c.expires_at <= now)
    return [
        Standing(
            account,
            balances.get(account.id, 0),
            held.get(account.id, 0),
            expired.get(account.id, 0),
            sum(_accrued(meter, now) for meter in paid[account.id]),
            tuple(meter.rate(Book.CHARGE) for meter in paid[account.id]),
        )
        for account in accounts
    ]


def _accrued(meter: Meter, now: int) -> int:
    return max(0, meter.amount(Book.CHARGE, max(now, meter.metered_to)) - meter.charged)


def _sums(c: Connection, table: Any, amount: Any, *where: ColumnElement[bool]) -> dict[int, int]:
    accounts = schema.accounts
    rows = c.execute(
        select(table.c.account, func.sum(amount))
        .join(accounts, accounts.c.id == table.c.account)
        .where(*where)
        .group_by(table.c.account)
    )
    return {account: int(total) for account, total in rows}
