"""A wish to run, together with the credit that it takes: both are written, or neither.

The payer's account is locked first and the claim after it, so that two starts at once come one
after the other, and the second one sees what the first has set aside.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from gpuspawner.errors import GpuspawnerError
from gpuspawner.model import Claim, Owner, Reason, Specification
from gpuspawner.policy.admission import Prices, Today, Verdict, admit
from gpuspawner.policy.credit_rules import CreditRules
from gpuspawner.policy.money import Book, Component, Rate, seconds_of
from gpuspawner.policy.money_errors import (
    EverythingStopped,
    InsufficientCredit,
    LimitReached,
    PriceUnknown,
)
from gpuspawner.policy.payers import hold_ref
from gpuspawner.store import allowance, brake, claims, ledger
from gpuspawner.store.ledger import purses, usage
from gpuspawner.store.ledger.rows import hold_of, meter_of, select_meters

_MARGIN = timedelta(minutes=10)
"""So long after a start is given up its hold ends by itself, if nobody has released it."""


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms starts are admitted. `provider` is the cloud's name in the price books.

    `offered` are the sizes that the cloud offers now. Without `enforce` only a stop of everything
    refuses a start.
    """

    provider: str
    enforce: bool
    rules: CreditRules
    student_credit: int = 0
    offered: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """What `claims.put_running` is asked for."""

    name: str
    owner: Owner
    specification: Specification
    environment: Mapping[str, str]
    command: Sequence[str]
    port: int
    start_by: datetime


@dataclass(frozen=True, slots=True)
class Refused:
    """Why nothing was started. It is an answer: what else the transaction has written stays."""

    error: GpuspawnerError


def put_running(c: Connection, wish: Wish, terms: Terms, now: datetime) -> Claim | Refused:
    """Wish that a claim runs and set aside the credit for it, or say why not.

    Raises:
        NotTheOwner: the claim is another hub user's; nothing was changed.
    """
    if brake.let_start(c) is not None:
        return Refused(EverythingStopped("everything is stopped"))
    if not terms.enforce:
        return _put(c, wish, now)
    at = seconds_of(now)
    account = allowance.student(c, wish.owner, terms.student_credit, at)
    verdict = _verdict(c, account.id, wish, terms, at)
    if not verdict.admitted:
        return Refused(_error(verdict))
    cut = replace(wish.specification, sizes=verdict.sizes)
    claim = _put(c, replace(wish, specification=cut), now)
    _give_back(c, account.id, wish.name, at)
    ledger.place_hold(
        c, account.id, verdict.hold, ref=hold_ref(claim.name, claim.generation), now=at,
        expires_at=seconds_of(wish.start_by + _MARGIN),
    )  # fmt: skip
    return claim


def _put(c: Connection, wish: Wish, now: datetime) -> Claim:
    return claims.put_running(
        c, wish.name, wish.owner, wish.specification, wish.environment, wish.command, wish.port,
        wish.start_by, now,
    )  # fmt: skip


def _verdict(c: Connection, account: int, wish: Wish, terms: Terms, at: int) -> Verdict:
    purses.load_one(c, account)
    ledger.expire(c, at, account=account)
    purse = purses.load_one(c, account)
    course = ledger.course(c)
    meters = [
        meter_of(row)
        for row in c.execute(
            select_meters().where(usage.meters.c.payer == account, usage.meters.c.closed_at.is_(None))
        )
    ]  # fmt: skip
    owed = sum(
        max(0, meter.amount(Book.CHARGE, max(at, meter.metered_to)) - meter.charged)
        for meter in meters
    )
    unused = {meter.hold for meter in meters}
    freed = sum(
        hold.remaining
        for hold in purse.holds
        if _is_of(hold.ref, wish.name) and hold.ref not in unused
    )
    fuses = terms.rules.fuses
    limited = (fuses.student, fuses.course, fuses.hub) != (None, None, None)
    return admit(
        wish.specification.sizes,
        prices(c, course.id, terms.provider, terms.offered, at),
        purse.available + freed - owed,
        terms.rules,
        unit=course.unit,
        cost_unit=course.cost_unit,
        today=allowance.day(c, course, at).of(account) if limited else Today(),
    )


def prices(c: Connection, course: int, provider: str, offered: Collection[str], at: int) -> Prices:
    """What computing costs now, by size: in the dearest region that has a price for it."""
    table = usage.prices
    rows = c.execute(
        select(table)
        .where(
            table.c.course == course, table.c.provider == provider,
            table.c.component == Component.COMPUTE.value, table.c.valid_from <= at,
        )
        .order_by(table.c.valid_from, table.c.id)
    )  # fmt: skip
    newest = {(row.book, row.region, row.sku): row for row in rows}
    found: dict[Book, dict[str, Rate]] = {Book.CHARGE: {}, Book.COST: {}}
    for (book, _region, sku), row in newest.items():
        rate = Rate(int(row.num), int(row.den), int(row.min_seconds), bool(row.monthly))
        of = found[Book(book)]
        if sku not in of or of[sku].per_hour() < rate.per_hour():
            of[sku] = rate
    return Prices(found[Book.CHARGE], found[Book.COST], offered)


def _is_of(ref: str, claim: str) -> bool:
    return ref.rpartition(":")[0] == hold_ref(claim, 0).rpartition(":")[0]


def _give_back(c: Connection, account: int, claim: str, at: int) -> None:
    """Release what earlier starts of this claim set aside, unless a meter still uses it up."""
    table, meters = usage.holds, usage.meters
    used = select(meters.c.hold).where(meters.c.closed_at.is_(None), meters.c.hold.is_not(None))
    rows = c.execute(
        select(table).where(
            table.c.account == account, table.c.released_at.is_(None), table.c.ref.not_in(used)
        )
    )
    for hold in [hold_of(row) for row in rows]:
        if _is_of(hold.ref, claim):
            ledger.release_hold(c, hold.ref, now=at)


def _error(verdict: Verdict) -> GpuspawnerError:
    """The error that says so to whom it concerns."""
    if verdict.reason is Reason.PRICE:
        return PriceUnknown("a size without a price", public=verdict.sentence)
    if verdict.reason is Reason.LIMIT:
        said = f"{verdict.needed} micros are needed, and the limit leaves {verdict.available}"
        return LimitReached(said, public=verdict.sentence)
    return InsufficientCredit(
        available=verdict.available, needed=verdict.needed, public=verdict.sentence
    )
