"""Credit set aside for a start, so that two starts cannot spend the same."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, insert, select, update

from gpuspawner.policy.money_errors import IdempotencyMismatch, InsufficientCredit
from gpuspawner.store.ledger import purses, usage
from gpuspawner.store.ledger.credit import expire
from gpuspawner.store.ledger.records import Hold
from gpuspawner.store.ledger.rows import hold_of, portions


def place_hold(
    c: Connection, account: int, micros: int, *, ref: str, now: int, expires_at: int | None = None
) -> Hold:
    """Set `micros` aside under `ref`, or nothing. May be repeated: the first one stays.

    `expires_at` is when the start it is for is given up; `top_up` of a machine that runs lifts it.
    What has expired by `now` counts for nothing, whether or not `expire` has run.

    Raises:
        InsufficientCredit: less is available: the balance less the open holds.
        IdempotencyMismatch: `ref` is the name of another account's hold, or of one released before.
        LookupError: the account does not pay.
    """
    if type(micros) is not int or micros < 0:
        raise ValueError(f"{micros!r} micros cannot be set aside")
    # The lock is what makes two of these come one after the other; all that follows is read later.
    purses.load_one(c, account)
    _release_expired(c, account, now)
    known = _find(c, ref)
    if known is not None:
        if known.account != account or known.released_at is not None:
            raise IdempotencyMismatch(f"there is a hold {ref!r} already: {known}")
        return known
    expire(c, now, account=account)
    purse = purses.load_one(c, account)
    if purse.available < micros:
        raise InsufficientCredit(available=purse.available, needed=micros)
    row = c.execute(
        insert(usage.holds)
        .values(
            account=account, ref=ref, placed=micros, remaining=micros, placed_at=now,
            expires_at=expires_at,
        )
        .returning(usage.holds)
    ).one()  # fmt: skip
    return hold_of(row)


def top_up(c: Connection, ref: str, micros: int, *, now: int) -> Hold | None:
    """Set aside for a machine that runs as much as makes `micros`, as far as there is credit.

    The hold has no time to expire from now on. Its `remaining` says how far the credit went; None
    when there is no open hold of that name.
    """
    found = _find(c, ref)
    if found is None:
        return None
    purses.load_one(c, found.account)
    hold = _find(c, ref)
    if hold is None or hold.released_at is not None:
        return None
    expire(c, now, account=hold.account)
    purse = purses.load_one(c, hold.account)
    more = min(max(0, micros - hold.remaining), max(0, purse.available))
    return _change(
        c, hold.id, placed=hold.placed + more, remaining=hold.remaining + more, expires_at=None
    )


def release_hold(c: Connection, ref: str, *, now: int) -> Hold | None:
    """Give back what is left of a hold; None when there is no open one of that name."""
    found = release_holds(c, [ref], now=now)
    return found[0] if found else None


def release_holds(c: Connection, refs: Collection[str], *, now: int) -> list[Hold]:
    """As `release_hold`, of many in a few statements; those that were open."""
    table, found = usage.holds, list[Hold]()
    for some in portions(refs):
        open_ = table.c.ref.in_(some), table.c.released_at.is_(None)
        purses.load(c, set(c.execute(select(table.c.account).where(*open_)).scalars()))
        released = update(table).where(*open_).values(released_at=now).returning(table)
        found += [hold_of(row) for row in c.execute(released)]
    return found


def sweep_holds(c: Connection, now: int) -> list[Hold]:
    """Release the holds whose time has passed: of starts that were given up."""
    table = usage.holds
    query = select(table.c.account).where(table.c.released_at.is_(None), table.c.expires_at <= now)
    accounts = sorted(set(c.execute(query).scalars()))
    purses.load(c, accounts)
    return [hold for account in accounts for hold in _release_expired(c, account, now)]


def _release_expired(c: Connection, account: int, now: int) -> list[Hold]:
    table = usage.holds
    rows = c.execute(
        update(table)
        .where(table.c.account == account, table.c.released_at.is_(None), table.c.expires_at <= now)
        .values(released_at=now)
        .returning(table)
    )
    return [hold_of(row) for row in rows]


def _find(c: Connection, ref: str) -> Hold | None:
    table = usage.holds
    row = c.execute(select(table).where(table.c.ref == ref)).one_or_none()
    return hold_of(row) if row else None


def _change(c: Connection, hold: int, **values: int | None) -> Hold:
    table = usage.holds
    changed = update(table).where(table.c.id == hold).values(values).returning(table)
    return hold_of(c.execute(changed).one())
