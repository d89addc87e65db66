"""Credit comes in, is handed out, and expires."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from gpuspawner.errors import NotAllowed
from gpuspawner.policy.money_errors import InsufficientCredit
from gpuspawner.store.ledger import purses, schema
from gpuspawner.store.ledger.accounts import course_accounts, get_account
from gpuspawner.store.ledger.journal import Entry, Leg, digest_of, write, written
from gpuspawner.store.ledger.records import AccountKind, Actor, Kind, Lot, Role
from gpuspawner.store.ledger.rows import lot_of


@dataclass(frozen=True, slots=True)
class Expired:
    """What expired of a lot, in micros."""

    account: int
    lot: int
    micros: int


def request_key(idem: str) -> str:
    """The key of what people ask for, which is none of the ledger's own."""
    return f"request:{idem}"


def fund(
    c: Connection, course: int, micros: int, *, idem: str, actor: Actor, now: int, note: str = ""
) -> int:
    """Bring `micros` into the course's pool; the number of the transaction. May be repeated.

    Raises:
        NotAllowed: `actor` is no admin.
        IdempotencyMismatch: `idem` was used for something else.
        ValueError: `micros` is not positive.
    """
    _positive(micros)
    if actor.role is not Role.ADMIN:
        raise NotAllowed(f"{actor} brings no money into the course")
    accounts = course_accounts(c, course)
    pool = purses.load_one(c, accounts[AccountKind.POOL].id)
    digest = digest_of(Kind.FUND, course, micros)
    done = written(c, request_key(idem), digest)
    if done is not None:
        return int(done.id)
    legs = [Leg(accounts[AccountKind.EXTERNAL], -micros), pool.put(micros, None)]
    (number,) = write(
        c,
        [Entry(course, request_key(idem), Kind.FUND, now, legs, actor=actor, digest=digest, note=note)],
    )  # fmt: skip
    purses.save(c, [pool])
    return number


def grant(
    c: Connection,
    account: int,
    micros: int,
    *,
    idem: str,
    actor: Actor,
    now: int,
    expires_at: int | None = None,
    note: str = "",
) -> Lot:
    """Hand `micros` of the pool to a student, as a lot of its own. May be repeated.

    A student in debt pays the debt with it first. A lot that is given with an `expires_at` that
    has passed expires at the next `expire`.

    Raises:
        NotAllowed: `actor` is neither admin nor teacher nor the controller (a refill).
        InsufficientCredit: the pool has less than that, less what it holds for machines.
        IdempotencyMismatch: `idem` was used for something else.
        LookupError: there is no such account, or it is no student's.
        ValueError: `micros` is not positive.
    """
    _positive(micros)
    student = get_account(c, account)
    if student.kind is not AccountKind.STUDENT:
        raise LookupError(f"account {account} is no student's")
    if actor.person and actor.person == student.owner and actor.role is not Role.ADMIN:
        raise NotAllowed(f"{actor} grants nothing to themselves")
    pool_id = course_accounts(c, student.course)[AccountKind.POOL].id
    locked = purses.load(c, [pool_id, account])
    pool, purse = locked[pool_id], locked[account]
    digest = digest_of(Kind.GRANT, account, micros, expires_at)
    done = written(c, request_key(idem), digest)
    if done is not None:
        return _lot_of_grant(c, done.id)
    if pool.available < micros:
        raise InsufficientCredit(available=pool.available, needed=micros)
    lot = _new_lot(c, purse, micros, now, expires_at)
    legs = [pool.draw(micros, None), purse.put(micros, lot)]
    debt = min(micros, -min(0, purse.loose))
    if debt:
        legs += [purse.draw(debt, lot), purse.put(debt, None)]
    entry = Entry(
        student.course, request_key(idem), Kind.GRANT, now, legs, actor=actor, digest=digest, note=note
    )  # fmt: skip
    (number,) = write(c, [entry])
    purses.save(c, [pool, purse])
    return _lot_of_grant(c, number)


def expire(
    c: Connection, now: int, *, course: int | None = None, account: int | None = None
) -> list[Expired]:
    """Take what is left of lots whose time has passed, of one course or account or of all.

    What an open hold promises stays until the hold is released: a machine that runs is not stopped
    because a date has passed in between. Settle before you call it, so that what was used in time
    is paid out of the lot. May be repeated.
    """
    table, accounts = schema.lots, schema.accounts
    query = (
        select(table.c.account)
        .join(accounts, accounts.c.id == table.c.account)
        .where(table.c.expires_at <= now, table.c.remaining > 0)
        .distinct()
    )
    if course is not None:
        query = query.where(accounts.c.course == course)
    if account is not None:
        query = query.where(accounts.c.id == account)
    locked = purses.load(c, list(c.execute(query).scalars()))
    entries, expired = [], []
    for purse in locked.values():
        of_course = course_accounts(c, purse.account.course)
        for lot in purse.lots:
            over = min(lot.remaining, max(0, purse.available))
            if lot.expires_at is None or lot.expires_at > now or not over:
                continue
            legs = [purse.draw(over, lot.id), Leg(of_course[AccountKind.EXPIRED], over)]
            # A lot may expire in several steps, so the key is the step's own.
            key = f"expire:{uuid.uuid4()}"
            entries.append(
                Entry(
                    purse.account.course, key, Kind.EXPIRY, now, legs, effective_at=lot.expires_at
                )
            )
            expired.append(Expired(purse.account.id, lot.id, over))
    write(c, entries)
    purses.save(c, locked.values())
    return expired


def _new_lot(
    c: Connection, purse: purses.Purse, micros: int, now: int, expires_at: int | None
) -> int:
    """An empty lot in the purse, to be filled by the posting of its grant."""
    table = schema.lots
    made = insert(table).values(
        account=purse.account.id, granted=micros, remaining=0, granted_at=now, expires_at=expires_at
    )
    number = int(c.execute(made.returning(table.c.id)).scalar_one())
    purse.lots.append(purses.Part(number, 0, 0, expires_at=expires_at))
    return number


def _lot_of_grant(c: Connection, transaction: int) -> Lot:
    table, postings = schema.lots, schema.postings
    numbers = select(postings.c.lot).where(postings.c.txn == transaction, postings.c.micros > 0)
    return lot_of(c.execute(select(table).where(table.c.id.in_(numbers))).one())


def _positive(micros: int) -> None:
    if type(micros) is not int or micros <= 0:
        raise ValueError(f"{micros!r} micros are nothing to give")
