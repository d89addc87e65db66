"""Takes a transaction back: once, no more than it was, and to where it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from gpuspawner.errors import NotAllowed
from gpuspawner.policy.money_errors import InsufficientCredit, NotReversible
from gpuspawner.store.ledger import purses, schema
from gpuspawner.store.ledger.accounts import WALLETS, course_accounts
from gpuspawner.store.ledger.credit import request_key
from gpuspawner.store.ledger.journal import Entry, Leg, digest_of, write, written
from gpuspawner.store.ledger.records import Account, AccountKind, Actor, Kind, Role
from gpuspawner.store.ledger.rows import account_of


@dataclass(frozen=True, slots=True)
class Paid:
    """So many micros came from an account, and from one of its lots if any, the last paid first."""

    account: Account
    lot: int | None
    micros: int


def reverse(
    c: Connection,
    transaction: int,
    micros: int | None = None,
    *,
    idem: str,
    actor: Actor,
    now: int,
    note: str = "",
) -> int:
    """Take a transaction back, or `micros` of it; the number of the new one. May be repeated.

    A charge goes back to where it was paid from, what was paid last first: what nobody paid, then a
    debt, then the lot that was drawn last. A lot whose time has passed takes it back as well, and
    expires again. What a charge cost in the cloud's book stays. A grant goes back to the pool out
    of its own lot, as far as that is not spent or held; money that was brought in goes out again.

    Raises:
        NotAllowed: `actor` is neither admin nor teacher, or a teacher takes money out of the course.
        NotReversible: there is no such transaction, it is of another kind, was taken back before,
            or is (by now) less than that.
        InsufficientCredit: what was granted or brought in has been used in the meantime.
        IdempotencyMismatch: `idem` was used for something else.
    """
    if micros is not None and micros <= 0:
        raise ValueError(f"{micros} micros are nothing to take back")
    table = schema.transactions
    row = c.execute(select(table).where(table.c.id == transaction)).one_or_none()
    if row is None or row.kind not in (Kind.FUND.value, Kind.GRANT.value, Kind.CHARGE.value):
        raise NotReversible(f"transaction {transaction} is none that can be taken back")
    _allowed(actor, Kind(row.kind))
    legs = _legs(c, table.c.id == transaction)
    locked = purses.load(
        c, {leg.account.id for leg in legs if leg.account.kind in WALLETS}, spent_lots=True
    )
    digest = digest_of(Kind.REVERSAL, transaction, micros)
    done = written(c, request_key(idem), digest)
    if done is not None:
        return int(done.id)
    if c.execute(select(table.c.id).where(table.c.reverses == transaction)).first():
        raise NotReversible(f"transaction {transaction} has been taken back before")
    back = _charge(c, row, legs, micros, locked) if row.kind == Kind.CHARGE.value else _given(
        legs, micros, locked, Kind(row.kind)
    )  # fmt: skip
    entry = Entry(
        row.course, request_key(idem), Kind.REVERSAL, now, back, actor=actor, digest=digest,
        meter=row.meter, reverses=transaction, note=note,
    )  # fmt: skip
    (number,) = write(c, [entry])
    purses.save(c, locked.values())
    return number


def paid_for(c: Connection, meter: int, payer: int) -> list[Paid]:
    """What of a meter's charges is paid by `payer`, or by nobody, and has not been given back.

    What was paid last comes first.
    """
    nets: dict[tuple[int, int | None], int] = {}
    known: dict[int, Account] = {}
    for leg in _legs(c, schema.transactions.c.meter == meter):
        if leg.account.id == payer or leg.account.kind is AccountKind.WRITEOFF:
            known[leg.account.id] = leg.account
            key = (leg.account.id, leg.lot)
            # What was paid from once more moves to the end.
            nets[key] = nets.pop(key, 0) + leg.micros if leg.micros < 0 else nets[key] + leg.micros
    found = [Paid(known[account], lot, -net) for (account, lot), net in nets.items() if net < 0]
    return found[::-1]


def give_back(
    micros: int, paid: Sequence[Paid], locked: dict[int, purses.Purse]
) -> tuple[list[Leg], int]:
    """The legs that give back up to `micros` to where they came from, and how much that is."""
    legs, rest = [], micros
    for one in paid:
        part = min(rest, one.micros)
        if not part:
            continue
        purse = locked.get(one.account.id)
        legs.append(purse.put(part, one.lot) if purse else Leg(one.account, part))
        rest -= part
    return legs, micros - rest


def _charge(
    c: Connection,
    row: Row[Any],
    legs: list[Leg],
    micros: int | None,
    locked: dict[int, purses.Purse],
) -> list[Leg]:
    spent = course_accounts(c, row.course)[AccountKind.SPENT]
    whole = sum(leg.micros for leg in legs if leg.account == spent)
    payers = {leg.account.id for leg in legs if leg.account.kind in WALLETS}
    # A correction may have given a part of this very transaction back.
    left = {
        (one.account.id, one.lot): one.micros
        for payer in (payers or {0})
        for one in paid_for(c, row.meter, payer)
    }
    paid = [
        Paid(leg.account, leg.lot, min(-leg.micros, left.get((leg.account.id, leg.lot), 0)))
        for leg in reversed(legs)
        if leg.micros < 0 and leg.account.kind is not AccountKind.CLOUD
    ]
    wanted = sum(one.micros for one in paid) if micros is None else micros
    back, given = give_back(wanted, paid, locked)
    if not given or given < wanted or wanted > whole:
        raise NotReversible(f"{given} of {whole} micros can be given back, not {wanted}")
    return [*back, Leg(spent, -given)]


def _given(
    legs: list[Leg], micros: int | None, locked: dict[int, purses.Purse], kind: Kind
) -> list[Leg]:
    """What was given (granted, or brought in) goes back where it came from."""
    source = legs[0].account
    whole = -legs[0].micros
    to = legs[1]
    wanted = whole if micros is None else micros
    if wanted > whole:
        raise NotReversible(f"it was {whole} micros, not {wanted}")
    purse = locked[to.account.id]
    lot = next((one for one in purse.lots if one.id == to.lot), None)
    there = min(purse.available, lot.remaining) if lot else purse.available
    if there < wanted:
        raise InsufficientCredit(available=there, needed=wanted)
    pool = locked.get(source.id)
    back = pool.put(wanted, None) if pool and kind is Kind.GRANT else Leg(source, wanted)
    return [purse.draw(wanted, to.lot), back]


def _legs(c: Connection, which: Any) -> list[Leg]:
    """The legs of the transactions in question, in the order in which they were written."""
    postings, accounts = schema.postings, schema.accounts
    rows = c.execute(
        select(postings.c.micros, postings.c.lot, *accounts.c)
        .join(schema.transactions, schema.transactions.c.id == postings.c.txn)
        .join(accounts, accounts.c.id == postings.c.account)
        .where(which)
        .order_by(postings.c.id)
    )
    return [Leg(account_of(row), row.micros, row.lot) for row in rows]


def _allowed(actor: Actor, kind: Kind) -> None:
    fine = {Role.ADMIN} if kind is Kind.FUND else {Role.ADMIN, Role.TEACHER}
    if actor.role not in fine:
        raise NotAllowed(f"{actor} takes no {kind.value} back")
