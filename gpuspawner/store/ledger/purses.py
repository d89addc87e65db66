"""What a paying account holds, locked, in memory: taken from, put back, and saved once.

A purse knows its lots, in the order in which they are spent: the earliest expiry first, then the
oldest. Beside them is what belongs to no lot: a debt when it is below zero, the whole of the pool,
and a refund of what was once a debt.

A hold promises credit that is there. When a charge takes more than its own hold and what was free
(nobody looked for hours, say), the promises that are left are cut to what is left, the newest
first: the sum of the open holds is never more than the balance.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Select, Table, select

from gpuspawner.store.bulk import update_rows
from gpuspawner.store.ledger import schema, usage
from gpuspawner.store.ledger.accounts import WALLETS
from gpuspawner.store.ledger.journal import Leg
from gpuspawner.store.ledger.records import Account, AccountKind
from gpuspawner.store.ledger.rows import account_of, portions


@dataclass(slots=True)
class Part:
    """A lot or a hold: its number, and what is left of it now and was when it was read."""

    id: int
    remaining: int
    before: int
    ref: str = ""
    expires_at: int | None = None


@dataclass(slots=True)
class Purse:
    """A paying account whose row this transaction has locked."""

    account: Account
    balance: int
    before: int
    lots: list[Part] = field(default_factory=list)
    holds: list[Part] = field(default_factory=list)
    """The open ones, oldest first."""

    @property
    def loose(self) -> int:
        """What belongs to no lot; a debt is below zero."""
        return self.balance - sum(lot.remaining for lot in self.lots)

    @property
    def held(self) -> int:
        """The sum of the open holds."""
        return sum(hold.remaining for hold in self.holds)

    @property
    def available(self) -> int:
        """What may be set aside or given away."""
        return self.balance - self.held

    def take(self, micros: int, lowest: int | None, hold: str | None = None) -> list[Leg]:
        """Pay `micros`, as far as the balance does not fall below `lowest`; its legs, below zero.

        What is paid is used out of the open hold `hold` first. None: there is no lowest.
        """
        paid = micros if lowest is None else min(micros, max(0, self.balance - lowest))
        legs, rest = [], paid
        for lot in self.lots:
            if rest and lot.remaining:
                part = min(rest, lot.remaining)
                legs.append(self._move(-part, lot))
                rest -= part
        if rest:
            legs.append(self._move(-rest, None))
        for one in self.holds:
            if one.ref == hold:
                one.remaining -= min(one.remaining, paid)
        self.cut()
        return legs

    def put(self, micros: int, lot: int | None) -> Leg:
        """Receive `micros` in a lot of the purse's, or loose; the leg, above zero."""
        return self._move(micros, self._lot(lot))

    def draw(self, micros: int, lot: int | None) -> Leg:
        """Pay `micros` out of this lot and no other, or loose; the leg, below zero."""
        return self._move(-micros, self._lot(lot))

    def cut(self) -> None:
        """Cut the holds to what is there, the newest first."""
        over = self.held - max(self.balance, 0)
        for hold in reversed(self.holds):
            less = min(hold.remaining, max(over, 0))
            hold.remaining -= less
            over -= less

    def _lot(self, number: int | None) -> Part | None:
        return next(lot for lot in self.lots if lot.id == number) if number is not None else None

    def _move(self, micros: int, lot: Part | None) -> Leg:
        self.balance += micros
        if lot is not None:
            lot.remaining += micros
        return Leg(self.account, micros, lot.id if lot else None)


def load(c: Connection, accounts: Collection[int], *, spent_lots: bool = False) -> dict[int, Purse]:
    """Lock the paying accounts, in the order of their numbers, and read what they hold.

    Nobody else can change them before this transaction ends. SQLite has locked the whole database
    already. Lots of which nothing is left are read with `spent_lots` only.
    """
    purses: dict[int, Purse] = {}
    table, wanted = schema.accounts, sorted(set(accounts))
    for some in portions(wanted):
        rows = c.execute(
            select(table)
            .where(table.c.id.in_(some), table.c.kind.in_([kind.value for kind in WALLETS]))
            .order_by(table.c.id)
            .with_for_update()
        )
        purses |= {row.id: Purse(account_of(row), row.balance, row.balance) for row in rows}
    missing = set(wanted) - set(purses)
    if missing:
        raise LookupError(f"there are no paying accounts {sorted(missing)}")
    for some in portions(wanted):
        for row in c.execute(_lots(some, spent_lots=spent_lots)):
            lot = Part(row.id, row.remaining, row.remaining, expires_at=row.expires_at)
            purses[row.account].lots.append(lot)
        for row in c.execute(_holds(some)):
            hold = Part(row.id, row.remaining, row.remaining, row.ref, row.expires_at)
            purses[row.account].holds.append(hold)
    return purses


def load_one(c: Connection, account: int, *, spent_lots: bool = False) -> Purse:
    """As `load`, of one account."""
    return load(c, [account], spent_lots=spent_lots)[account]


def save(c: Connection, purses: Iterable[Purse]) -> None:
    """Keep at hand what the purses hold now. Their legs are written by `journal.write`."""
    purses = list(purses)
    _keep(c, schema.accounts, "balance", {
        purse.account.id: purse.balance for purse in purses if purse.balance != purse.before
    })  # fmt: skip
    for table, parts in (
        (schema.lots, [lot for purse in purses for lot in purse.lots]),
        (usage.holds, [hold for purse in purses for hold in purse.holds]),
    ):
        changed = {part.id: part.remaining for part in parts if part.remaining != part.before}
        _keep(c, table, "remaining", changed)


def lowest(purse: Purse, max_overdraft: int) -> int | None:
    """How low the balance may fall: a student's to `-max_overdraft`, the pool's to anything.

    The pool pays for what nobody could stop, and an admin hears of it from its balance.
    """
    return -max_overdraft if purse.account.kind is AccountKind.STUDENT else None


def _keep(c: Connection, table: Table, column: str, values: Mapping[int, int]) -> None:
    update_rows(c, table, [{"id": number, column: value} for number, value in values.items()])


def _lots(accounts: list[int], *, spent_lots: bool) -> Select[Any]:
    table = schema.lots
    query = select(table).where(table.c.account.in_(accounts))
    if not spent_lots:
        query = query.where(table.c.remaining > 0)
    return query.order_by(table.c.expires_at.is_(None), table.c.expires_at, table.c.id)


def _holds(accounts: list[int]) -> Select[Any]:
    table = usage.holds
    return (
        select(table)
        .where(table.c.account.in_(accounts), table.c.released_at.is_(None))
        .order_by(table.c.id)
    )
