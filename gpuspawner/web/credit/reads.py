"""What is read of the ledger for people, each in one transaction; the rest of the house is not asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from gpuspawner.policy import credit
from gpuspawner.policy.credit_rules import CreditRules
from gpuspawner.policy.money import Book, Rate, moment_of, seconds_of
from gpuspawner.policy.money_errors import PersonUnknown
from gpuspawner.policy.payers import of_ref
from gpuspawner.store import ledger
from gpuspawner.store.ledger.records import AccountKind, Course, Person
from gpuspawner.store.ledger.standing import Standing
from gpuspawner.views import ClaimView
from gpuspawner.web.credit import replies
from gpuspawner.web.credit.bodies import PeriodQuery

DAYS = 31


def iso(seconds: int) -> str:
    """A moment as it is sent."""
    return moment_of(seconds).isoformat()


def iso_or_none(seconds: int | None) -> str | None:
    """A moment that may be never."""
    return None if seconds is None else iso(seconds)


def course(c: Connection) -> Course:
    """The course whose credit it is."""
    return ledger.course(c)


@dataclass(frozen=True, slots=True)
class Who:
    """A user as they are called, and the ledger's id of them; None while it has not met them.

    `born` is when the hub made a user who is to be met now (`names.born`).
    """

    name: str
    person: str | None
    born: str = ""


def anybody(c: Connection, text: str) -> Person | None:
    """The person with that id, or the last one who was called so, whoever is called so now."""
    try:
        return ledger.get_person(c, text)
    except PersonUnknown:
        return ledger.find_named(c, text)


def _person(c: Connection, who: Who) -> Person | None:
    return ledger.get_person(c, who.person) if who.person else None


def lasts(standing: Standing | None, rules: CreditRules) -> int | None:
    """For how many seconds everything that is on can stay on; None when nothing is charged.

    What has expired pays for nothing, and what the stop takes is kept back.
    """
    if standing is None:
        return None
    rates = [rate.continued() for rate in standing.rates]
    return credit.lasts(standing.live - standing.expired, rules, *rates)


def balance(standing: Standing | None, person: Person | None, name: str | None = None) -> replies.Balance:  # fmt: skip
    """A student's line; all is 0 for one who has no account."""
    return replies.Balance(
        name=person.name if person else name,
        person=person.id if person else None,
        balance=standing.balance if standing else 0,
        held=standing.held if standing else 0,
        available=standing.available if standing else 0,
        live=standing.live if standing else 0,
        per_hour=_per_hour(standing.rates) if standing else 0,
    )


def me(
    c: Connection, who: Who, views: Mapping[str, ClaimView], rules: CreditRules, now: int
) -> replies.Me:
    """Where a user stands, and what their machines cost."""
    of = ledger.course(c)
    person = _person(c, who)
    account = ledger.find_account(c, of.id, person.id) if person else None
    standing = ledger.standing(c, account.id, now) if account else None
    left = lasts(standing, rules)
    per_claim: dict[str, int] = {}
    for meter in ledger.open_meters(c, course=of.id) if account else ():
        if account and meter.payer == account.id and meter.claim:
            per_claim[meter.claim] = (
                per_claim.get(meter.claim, 0) + meter.rate(Book.CHARGE).per_hour()
            )
    return replies.Me(
        unit=of.unit,
        credit=balance(standing, person, who.name),
        machines=[
            replies.Machine(
                claim=claim,
                server=views[claim].owner.server_name if claim in views else "",
                size=views[claim].size if claim in views else None,
                per_hour=rate,
                runs_for_seconds=left,
            )
            for claim, rate in sorted(per_claim.items())
        ],
        runs_for_seconds=left,
    )


def days_of(query: PeriodQuery, zone: str, now: int) -> tuple[date, date]:
    """The first day of the period and the last: this month's worth of days without any."""
    today = moment_of(now).astimezone(ZoneInfo(zone)).date()
    last = query.until or (max(today, query.since) if query.since else today)
    return query.since or last - timedelta(days=DAYS - 1), last


def period(query: PeriodQuery, zone: str, now: int) -> tuple[int, int]:
    """The first second of the period, and the first after it."""
    where = ZoneInfo(zone)
    first, last = days_of(query, zone, now)
    return _midnight(first, where), _midnight(last + timedelta(days=1), where)


def _midnight(day: date, where: ZoneInfo) -> int:
    return seconds_of(datetime.combine(day, time(), where))


def statement(c: Connection, who: Who, query: PeriodQuery, now: int) -> replies.Statement:
    """Every line of a user's in the period; none while nobody has met them."""
    of = ledger.course(c)
    since, until = period(query, of.timezone, now)
    found = ledger.statement(c, of.id, who.person or "", since, until)
    return replies.Statement(
        unit=of.unit,
        name=who.name,
        since=iso(since),
        until=iso(until),
        opening=found.opening,
        closing=found.closing,
        lines=[_line(line) for line in found.lines],
    )


def _line(line: Any) -> replies.Line:
    return replies.Line(
        at=iso(line.at),
        kind=line.kind.value,
        amount=line.amount,
        start=iso(line.start),
        stop=iso(line.stop),
        seconds=line.seconds,
        minimum=line.rate.minimum if line.rate else 0,
        component=line.component.value if line.component else None,
        claim=line.claim,
        per_hour=line.rate.per_hour() if line.rate else None,
        total=line.total,
        own=line.own,
        open=line.open,
        reason=line.reason,
        transaction=line.transaction,
        note=line.note,
    )


def grants(c: Connection, who: Who) -> replies.Grants:
    """Every grant to a user, the oldest first."""
    of = ledger.course(c)
    account = _account(c, of.id, who)
    made = ledger.grant_of(c, account) if account else {}
    return replies.Grants(
        unit=of.unit,
        name=who.name,
        grants=[
            replies.Grant(
                transaction=made.get(lot.id),
                granted=lot.granted,
                remaining=lot.remaining,
                granted_at=iso(lot.granted_at),
                expires_at=iso_or_none(lot.expires_at),
                note=ledger.note_of(c, made[lot.id]) if lot.id in made else "",
            )
            for lot in (ledger.grants(c, account) if account else ())
        ],
    )


def holds(c: Connection, who: Who) -> replies.Holds:
    """The open holds of a user."""
    of = ledger.course(c)
    account = _account(c, of.id, who)
    return replies.Holds(
        unit=of.unit,
        name=who.name,
        holds=[
            replies.Hold(
                placed=hold.placed,
                remaining=hold.remaining,
                placed_at=iso(hold.placed_at),
                expires_at=iso_or_none(hold.expires_at),
                claim=start[0] if (start := of_ref(hold.ref)) else None,
            )
            for hold in (ledger.holds(c, account) if account else ())
        ],
    )


def students(c: Connection, sees: Callable[[Person], bool], now: int) -> replies.Students:
    """Those with an account, by name, whom `sees` lets through. One who was erased has no name."""
    of = ledger.course(c)
    by_id = {person.id: person for person in ledger.people(c, course=of.id)}
    found = [(by_id[one.account.owner or ""], one) for one in ledger.standings(c, of.id, now)]
    return replies.Students(
        unit=of.unit,
        students=[
            balance(one, person)
            for person, one in sorted(found, key=lambda pair: (pair[0].name or "~", pair[0].id))
            if sees(person)
        ],
    )


def pool(c: Connection) -> replies.Pool:
    """The course's money."""
    of = ledger.course(c)
    found = ledger.pool_summary(c, of.id)
    figures = {name: getattr(found, name) for name in found.__slots__}
    return replies.Pool(unit=of.unit, cost_unit=of.cost_unit, **figures)


def burn(c: Connection) -> replies.Burn:
    """What an hour costs now."""
    of = ledger.course(c)
    found = ledger.burn(c, of.id)
    return replies.Burn(
        unit=of.unit,
        cost_unit=of.cost_unit,
        charge_per_hour=found[Book.CHARGE],
        cost_per_hour=found[Book.COST],
    )


def pool_account(c: Connection, course: int) -> int:
    """The number of the pool's account."""
    return ledger.course_account(c, course, AccountKind.POOL).id


def _account(c: Connection, course: int, who: Who) -> int | None:
    account = ledger.find_account(c, course, who.person) if who.person else None
    return account.id if account else None


def _per_hour(rates: tuple[Rate, ...]) -> int:
    return sum(rate.per_hour() for rate in rates)
