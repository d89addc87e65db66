"""Reads meters, and charges what was used since the last time.

What a segment has cost is computed from its beginning each time, and the difference to what was
charged is posted. So it makes no difference how often it is read, and a controller that was away
for a day charges that day, all of it and once.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, select

from gpuspawner.policy.money import Book
from gpuspawner.store.bulk import update_rows
from gpuspawner.store.ledger import purses, schema, usage
from gpuspawner.store.ledger.accounts import course_accounts
from gpuspawner.store.ledger.journal import Entry, Leg, write
from gpuspawner.store.ledger.meters import lock_meters
from gpuspawner.store.ledger.purses import Purse
from gpuspawner.store.ledger.records import Account, AccountKind, Kind, Meter, Settled
from gpuspawner.store.ledger.reversals import give_back, paid_for
from gpuspawner.store.ledger.rows import account_of, portions

Accounts = dict[AccountKind, Account]


def settle(
    c: Connection, meter: int, until: int, *, now: int, max_overdraft: int = 0
) -> Settled | None:
    """Read one meter up to `until` and charge the difference; None when there is no such meter.

    `until` is the latest time at which the resource is known to have been there: of the listing
    that shows it, never a guess. A meter that was read further, or is closed, is left as it is. A
    student's balance does not fall below `-max_overdraft` micros: the rest is written off, and
    `written_off` is an alarm.
    """
    found = settle_all(c, until, now=now, meters=[meter], max_overdraft=max_overdraft)
    return found[0] if found else None


def settle_all(
    c: Connection,
    until: int,
    *,
    now: int,
    course: int | None = None,
    meters: Collection[int] | None = None,
    max_overdraft: int = 0,
) -> list[Settled]:
    """As `settle`, of these meters or (None) of all that are open, of one course or of all.

    It takes few statements, however many meters there are. The answers are by number of meter.
    """
    locked = lock_meters(c, meters, course)
    wallets = purses.load(c, {meter.payer for meter in locked})
    return _settle(c, [(meter, until) for meter in locked], wallets, now, max_overdraft)


@dataclass(frozen=True, slots=True)
class Closing:
    """A meter ends at `at`, which is when the cloud says that it did, because of `reason`."""

    meter: int
    at: int
    reason: str


def close(
    c: Connection, meter: int, at: int, *, reason: str, now: int, max_overdraft: int = 0
) -> Settled | None:
    """As `close_all`, of one; None when there is no such meter."""
    closings = [Closing(meter, at, reason)]
    found = close_all(c, closings, now=now, max_overdraft=max_overdraft)
    return found[0] if found else None


def close_all(
    c: Connection, closings: Sequence[Closing], *, now: int, max_overdraft: int = 0
) -> list[Settled]:
    """Settle meters up to their ends, and close them; the answers of those that there are.

    It takes few statements, however many there are, and may be repeated. If a meter was read further
    than it ran, the difference is given back, so that the amount is the same as if nobody had looked
    too late. A meter that is closed already stays as it is. Release the holds yourself.
    """
    locked = {meter.id: meter for meter in lock_meters(c, [one.meter for one in closings])}
    wallets = purses.load(c, {meter.payer for meter in locked.values()}, spent_lots=True)
    ends = [
        (locked[one.meter], one.at, one.reason) for one in closings if one.meter in locked
    ]  # fmt: skip
    return end_all(c, ends, wallets, now=now, max_overdraft=max_overdraft)


def end_all(
    c: Connection,
    ends: Sequence[tuple[Meter, int, str]],
    wallets: dict[int, Purse],
    *,
    now: int,
    max_overdraft: int,
) -> list[Settled]:
    """As `close_all`, of meters and their payers' purses that are locked: when each ends, and why."""
    done = dict[int, Settled]()
    wanted = list[tuple[Meter, int]]()
    for meter, moment, _reason in ends:
        purse, at = wallets[meter.payer], max(moment, meter.opened_at)
        if meter.closed_at is not None:
            done[meter.id] = Settled(meter, 0, 0, 0, purse.balance, purse.available)
        elif at < meter.metered_to:
            done[meter.id] = _correct(c, meter, at, purse, now)
        else:
            wanted.append((meter, at))
    for one in _settle(c, wanted, wallets, now, max_overdraft, closing=True):
        done[one.meter.id] = one
    closed = [
        (meter, max(at, meter.opened_at), reason)
        for meter, at, reason in ends
        if meter.closed_at is None
    ]
    update_rows(
        c,
        usage.meters,
        [{"id": one.id, "closed_at": at, "close_reason": reason} for one, at, reason in closed],
    )
    for meter, at, reason in closed:
        one = done[meter.id]
        ended = replace(one.meter, closed_at=at, close_reason=reason)
        done[meter.id] = replace(one, meter=ended)
    return [done[meter.id] for meter, _, _ in ends]


def borne_by(c: Connection, wallets: Collection[Purse]) -> dict[int, Account]:
    """The account in the cost book of each payer, by the number of its paying account."""
    table = schema.accounts
    owners: dict[tuple[int, str | None], Account] = {}
    of_course = {purse.account.course for purse in wallets}
    for course in of_course:
        owners[course, None] = course_accounts(c, course)[AccountKind.BORNE]
    people = {purse.account.owner for purse in wallets if purse.account.owner is not None}
    for some in portions(people):
        query = select(table).where(table.c.owner.in_(some), table.c.kind == "borne")
        for row in c.execute(query):
            owners[row.course, row.owner] = account_of(row)
    return {
        purse.account.id: owners[purse.account.course, purse.account.owner] for purse in wallets
    }


def _settle(
    c: Connection,
    wanted: Sequence[tuple[Meter, int]],
    wallets: dict[int, Purse],
    now: int,
    max_overdraft: int,
    *,
    closing: bool = False,
) -> list[Settled]:
    if not wanted:
        return []
    accounts = {meter.course: course_accounts(c, meter.course) for meter in _courses(wanted)}
    borne = borne_by(c, wallets.values())
    entries, done = [], []
    for meter, until in wanted:
        purse = wallets[meter.payer]
        read, legs, written_off = meter, list[Leg](), 0
        if meter.closed_at is None and (until > meter.metered_to or closing):
            read = meter.read(
                until, meter.amount(Book.CHARGE, until), meter.amount(Book.COST, until)
            )
            legs, written_off = _used(
                read.charged - meter.charged, read.cost - meter.cost, purse,
                purses.lowest(purse, max_overdraft), meter.hold, accounts[meter.course],
                borne[meter.payer],
            )  # fmt: skip
        if legs:
            key = f"settle:{meter.id}:{until}{':closing' if closing else ''}"
            entries.append(
                Entry(meter.course, key, Kind.CHARGE, now, legs, effective_at=until, meter=meter.id)
            )
        done.append((meter, read, written_off))
    write(c, entries)
    purses.save(c, wallets.values())
    keep(c, [read for meter, read, _ in done if read != meter])
    return [
        Settled(
            read, read.charged - meter.charged, read.cost - meter.cost, written_off,
            wallets[meter.payer].balance, wallets[meter.payer].available,
        )
        for meter, read, written_off in done
    ]  # fmt: skip


def _used(
    charged: int,
    cost: int,
    purse: Purse,
    lowest: int | None,
    hold: str | None,
    accounts: Accounts,
    borne: Account,
) -> tuple[list[Leg], int]:
    """The legs of what was used, and the part of it that nobody pays."""
    legs = purse.take(charged, lowest, hold) if charged else []
    written_off = charged + sum(leg.micros for leg in legs)
    if written_off:
        legs.append(Leg(accounts[AccountKind.WRITEOFF], -written_off))
    if charged:
        legs.append(Leg(accounts[AccountKind.SPENT], charged))
    if cost:
        legs += [Leg(accounts[AccountKind.CLOUD], -cost), Leg(borne, cost)]
    return legs, written_off


def _correct(c: Connection, meter: Meter, at: int, purse: Purse, now: int) -> Settled:
    """The meter was read further than it ran: give the difference back, in both books."""
    accounts = course_accounts(c, meter.course)
    over = meter.charged - meter.amount(Book.CHARGE, at)
    legs, given = give_back(
        over, paid_for(c, meter.id, meter.payer) if over else [], {purse.account.id: purse}
    )
    if given:
        legs.append(Leg(accounts[AccountKind.SPENT], -given))
    cost = meter.cost - meter.amount(Book.COST, at)
    if cost:
        borne = borne_by(c, [purse])[purse.account.id]
        legs += [Leg(accounts[AccountKind.CLOUD], cost), Leg(borne, -cost)]
    if legs:
        entry = Entry(
            meter.course, f"correct:{meter.id}", Kind.CORRECTION, now, legs, effective_at=at,
            meter=meter.id,
        )  # fmt: skip
        write(c, [entry])
    purses.save(c, [purse])
    read = meter.read(at, meter.charged - given, meter.cost - cost)
    keep(c, [read])
    return Settled(read, -given, -cost, 0, purse.balance, purse.available)


def keep(c: Connection, meters: Sequence[Meter]) -> None:
    """Keep how far meters were read, and what was charged."""
    update_rows(
        c,
        usage.meters,
        [
            {
                "id": one.id, "metered_to": one.metered_to, "charged": one.charged,
                "cost": one.cost,
            }
            for one in meters
        ],
    )  # fmt: skip


def _courses(wanted: Sequence[tuple[Meter, int]]) -> list[Meter]:
    """One meter of each course."""
    return list({meter.course: meter for meter, _ in wanted}.values())
