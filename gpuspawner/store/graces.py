"""The pool pays for a while when a student's credit ends, once a day.

That a grace was given is a hold of the pool's under a name of the student and the day: it promises
what the grace costs, and a second one of that name cannot be placed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select

from gpuspawner.policy.money import Component, moment_of
from gpuspawner.policy.money_errors import IdempotencyMismatch, InsufficientCredit
from gpuspawner.store import ledger
from gpuspawner.store.columns import plain
from gpuspawner.store.ledger import purses, usage
from gpuspawner.store.ledger.meters import lock_meters
from gpuspawner.store.ledger.records import AccountKind, Meter
from gpuspawner.store.ledger.rows import hold_of

_PREFIX = "grace:"
_REASON = "grace"


@dataclass(frozen=True, slots=True)
class Grace:
    """The last grace of an account: when it began, in UTC seconds, and the day, as it is written."""

    began: int
    day: str


def day_of(day_start: int) -> str:
    """A day by the moment at which it begins, in UTC: that names it, whatever the time zone."""
    return moment_of(day_start).strftime("%Y%m%dT%H%M")


def last_graces(c: Connection) -> Mapping[int, Grace]:
    """The last grace of each account that had one."""
    table = usage.holds
    query = select(table.c.ref, table.c.placed_at).where(
        table.c.ref.startswith(plain(_PREFIX), autoescape=True)
    )
    found: dict[int, Grace] = {}
    for ref, began in c.execute(query.order_by(table.c.id)):
        _prefix, account, day = ref.split(":")
        found[int(account)] = Grace(began, day)
    return found


def begin(
    c: Connection, account: int, day: str, micros: int, *, at: int, now: int, until: int
) -> bool:
    """Let the pool pay from `at` on for the machines that this account pays for. May be repeated.

    `at` is when they were last seen to run, `until` when the pool's promise of `micros` ends by
    itself. False, and nothing is changed, when the day's grace was given already, or the pool has
    too little.
    """
    course = ledger.course(c)
    pool = ledger.course_account(c, course.id, AccountKind.POOL).id
    meters = list(_locked(c, account, pool))
    ref = f"{_PREFIX}{account}:{day}"
    given = select(usage.holds).where(usage.holds.c.ref == ref)
    row = c.execute(given).one_or_none()
    if row is not None and hold_of(row).released_at is not None:
        return False
    try:
        ledger.place_hold(c, pool, micros, ref=ref, now=now, expires_at=until)
    except (InsufficientCredit, IdempotencyMismatch):
        return False
    for meter in meters:
        ledger.switch(
            c, meter.id, max(at, meter.metered_to), reason=_REASON, now=now, payer=pool
        )  # fmt: skip
    return True


def end(
    c: Connection, account: int, claims: Mapping[str, str | None], day: str, *, at: int, now: int
) -> None:
    """Let the account pay again from `at` on for these claims, each out of its hold if it has one.

    May be repeated.
    """
    course = ledger.course(c)
    pool = ledger.course_account(c, course.id, AccountKind.POOL).id
    for meter in _locked(c, pool, account, claims):
        ledger.switch(
            c, meter.id, max(at, meter.metered_to), reason="credit", now=now, payer=account,
            hold=claims[meter.claim or ""],
        )  # fmt: skip
    ledger.release_hold(c, f"{_PREFIX}{account}:{day}", now=now)


def _locked(
    c: Connection, payer: int, other: int, claims: Collection[str] | None = None
) -> Iterator[Meter]:
    """The open meters of computing that `payer` pays: meters first, then both accounts."""
    table = usage.meters
    query = select(table.c.id).where(
        table.c.payer == payer,
        table.c.closed_at.is_(None),
        table.c.component == Component.COMPUTE.value,
    )
    if claims is not None:
        query = query.where(table.c.claim.in_(list(claims)))
    found = lock_meters(c, list(c.execute(query).scalars()))
    purses.load(c, {payer, other})
    return iter(found)
